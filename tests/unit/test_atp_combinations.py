"""Rules of available-to-promise over time in pairs and triples; figures worked out from the definitions."""

from __future__ import annotations

import random
from typing import Any

import pytest
from story import Story, curve, day, line, number

Json = dict[str, Any]


def promises(body: Json, line_id: str = "1") -> list[tuple[int | None, int, str]]:
    """(day, units, location) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return [(number(p["date"]), p["qty"], p["location"]) for p in found["promises"]]


def had(body: Json, line_id: str = "1") -> tuple[int, int]:
    """(allocated, backordered) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return found["allocated"], found["backordered"]


def buckets(body: Json) -> dict[int | None, int]:
    return {number(b["date"]): b["atp"] for b in body["discrete"] if b["atp"] is not None}


def earliest(body: Json) -> tuple[int | None, list[tuple[int | None, int, str]]]:
    found = body["earliest"]
    return number(found["date"]), [(number(p["date"]), p["qty"], p["location"]) for p in found["lines"]]


def safe_stock(story: Story, units: int, location: str = "BER", sku: str = "A", at: float = 0.1) -> None:
    story.tell(at, "safety_stock.set", sku, location=location, qty=units)


# --- look-ahead, safety stock, requested dates, supply ---


def with_safety_and_dates() -> Story:
    """20 on hand, 5 of them safety; 10 due on day 2 and 15 on day 6; 8 wanted today, 6 on day 1, 12 on day 4."""
    story = Story()
    story.counted(0.1, "A", 20)
    safe_stock(story, 5)
    story.supply(0.1, "A", 10, due=2)
    story.supply(0.1, "A", 15, due=6)
    story.placed(0.2, "O1", line("A", 8))
    story.placed(0.3, "O2", line("A", 6, ships=1))
    story.placed(0.4, "O3", line("A", 12, ships=4))
    return story


def test_safety_stock_supply_and_dates_in_all_methods() -> None:
    story = with_safety_and_dates()
    body = story.atp("A")
    assert body["available_now"] == 20 - 5 - 8
    assert curve(body, "cumulative", 8) == [7, 1, 11, 11, -1, -1, 14, 14]
    assert curve(body, days=8) == [-1, -1, -1, -1, -1, -1, 14, 14]
    # 15 - 8 - 6 = 1, 10 - 12 = -2 which borrows that 1, 15
    assert buckets(body) == {0: 0, 2: -1, 6: 15}
    assert curve(story.atp("A", method="discrete"), days=8) == [0, 0, -1, -1, -1, -1, 14, 14]
    assert curve(story.atp("A", method="cumulative"), days=8) == [7, 1, 11, 11, -1, -1, 14, 14]
    assert curve(story.atp("A", location="BER"), days=8) == curve(body, days=8)


def test_an_order_takes_atp_and_safety_stock_and_the_rest_waits_for_supply() -> None:
    story = with_safety_and_dates()
    # ATP today is -1 and safety stock 5: 4 at most
    story.placed(0.5, "O4", line("A", 9))
    assert had(story.order("O4")) == (4, 5)
    assert promises(story.order("O4")) == [(0, 4, "BER"), (6, 5, "BER")]
    body = story.atp("A")
    assert body["available_now"] == 20 - 5 - 12 - 5
    assert curve(body, days=8) == [-10, -10, -10, -10, -10, -10, 5, 5]
    for order_id, shipped in (("O2", 1), ("O3", 4)):
        assert promises(story.order(order_id))[0][0] == shipped
    # all of it holds when the days come
    assert had(story.order("O2", now=1.1)) == (6, 0)
    story.received(2.1, "A", 10, supply_id="po3")
    assert had(story.order("O3", now=4.1)) == (12, 0)


def test_a_hold_takes_look_ahead_of_today_with_safety_stock_kept() -> None:
    story = Story()
    story.counted(0.1, "A", 20)
    safe_stock(story, 5)
    story.placed(0.2, "O1", line("A", 9, ships=3))
    # cumulative 15 15 15 6
    for hold_id, qty in (("TOO-MUCH", 7), ("FITS", 6)):
        story.tell(0.3, "hold.placed", "A", hold_id=hold_id, qty=qty, ttl_s=86_400, owner="cart")
    body = story.atp("A")
    assert body["held"] == 6
    assert curve(body, days=4) == [0, 0, 0, 0]
    # the hold dies at 0.3 + 1 day, when nothing else happens
    assert curve(story.atp("A", now=1.3), days=3) == [6, 6, 6]
    assert curve(story.atp("A", now=1.299), days=3) == [0, 0, 0]


def test_a_hold_is_bounded_by_what_is_due_later_than_it_lives() -> None:
    # the definition knows no hold that gives way before a later promise
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 10, ships=30))
    story.tell(0.3, "hold.placed", "A", hold_id="H", qty=1, ttl_s=60, owner="cart")
    assert story.atp("A")["held"] == 0


# --- discrete ---


def test_borrowing_back_over_three_buckets() -> None:
    story = Story()
    story.counted(0.1, "A", 3)
    for due, units in ((2, 5), (4, 4), (6, 2)):
        story.supply(0.1, "A", units, due)
    story.placed(0.2, "O1", line("A", 9, ships=6))
    body = story.atp("A")
    # 2 - 9 = -7: 4 of day 4, 3 of day 2
    assert buckets(body) == {0: 3, 2: 2, 4: 0, 6: 0}
    assert curve(body, days=8) == [3, 3, 5, 5, 5, 5, 5, 5]
    assert curve(story.atp("A", method="discrete"), days=8) == curve(body, days=8)
    # when 11 more are wanted on day 7 nothing is left to borrow
    story.placed(0.3, "O2", line("A", 11, ships=7))
    assert buckets(story.atp("A")) == {0: 0, 2: 0, 4: 0, 6: -6}
    assert curve(story.atp("A"), days=8) == [-6] * 8


def test_two_short_buckets_each_borrow_from_the_nearest_earlier() -> None:
    story = Story()
    story.counted(0.1, "A", 6)
    for due, units in ((1, 3), (2, 1), (4, 2)):
        story.supply(0.1, "A", units, due)
    story.placed(0.2, "O1", line("A", 3, ships=2))
    story.placed(0.3, "O2", line("A", 4, ships=5))
    # 1 - 3 = -2 takes 2 of the 3 of day 1; 2 - 4 = -2 takes 1 of day 1 and 1 of today
    assert buckets(story.atp("A")) == {0: 5, 1: 0, 2: 0, 4: 0}
    assert curve(story.atp("A"), days=6) == [5, 5, 5, 5, 5, 5]


def test_discrete_counts_supply_of_today_and_overdue_in_todays_bucket() -> None:
    story = Story()
    story.policy(supply_fence_days=5, supply_offset_days=0)
    story.supply(-5, "A", 4, due=-2)
    story.supply(-5, "A", 3, due=0)
    story.counted(0.1, "A", 1)
    story.placed(0.2, "O1", line("A", 2, ships=1))
    body = story.atp("A")
    assert buckets(body) == {0: 6}
    assert curve(body, "cumulative", 2) == [8, 6]


# --- shortages ---


@pytest.mark.parametrize(
    ("carry", "cumulative", "ahead"),
    [(True, [1, -2, -3, 1, 1], [-3, -3, -3, 1, 1]), (False, [1, -2, -1, 4, 4], [-2, -2, -1, 4, 4])],
)
def test_cumulative_with_and_without_carrying_shortages(
    carry: bool, cumulative: list[int], ahead: list[int]
) -> None:
    story = Story()
    story.policy(carry_shortage=carry)
    story.counted(0.1, "A", 1)
    story.supply(0.1, "A", 5, due=1)
    story.supply(0.1, "A", 4, due=3)
    story.placed(0.2, "O1", line("A", 8, ships=1))
    story.placed(0.2, "O2", line("A", 1, ships=2))
    assert curve(story.atp("A"), "cumulative", 5) == cumulative
    assert curve(story.atp("A", method="cumulative"), days=5) == cumulative
    assert curve(story.atp("A"), days=5) == ahead


@pytest.mark.parametrize(("carry", "now"), [(True, -2), (False, 0)])
def test_backordered_counts_in_available_now_only_where_shortages_are_carried(carry: bool, now: int) -> None:
    story = Story()
    story.policy(carry_shortage=carry)
    story.counted(0.1, "A", 4)
    story.placed(0.2, "O1", line("A", 6))
    body = story.atp("A")
    assert (body["committed"], body["backordered"]) == (4, 2)
    assert (body["available_now"], body["available"], body["shortage"]) == (now, 0, -now)


# --- fences and offsets ---


def overdue() -> Story:
    """Supply may be 3 days late and counts 2 days on; demand 2 days late, and counts 1 day on."""
    story = Story()
    story.policy(supply_fence_days=3, supply_offset_days=2, demand_fence_days=2, demand_offset_days=1)
    story.counted(-20, "A", 6)
    story.placed(-10, "ALLOCATED", line("A", 6, ships=-3))
    story.placed(-9, "LATE", line("A", 4, ships=-2))
    story.placed(-8, "STALE", line("A", 5, ships=-3))
    for name, units, due in (("IN-TIME", 5, -3), ("TOO-OLD", 7, -4), ("TODAY", 2, 0)):
        story.supply(-7, "A", units, due, name=name)
    return story


def test_overdue_supply_and_demand_with_fences_and_offsets() -> None:
    body = overdue().atp("A", now=0.4)
    # today 6 + 2; on day 1 less 6 that is allocated and 4; on day 2 the 5
    assert curve(body, "cumulative", 3) == [8, -2, 3]
    assert curve(body, days=3) == [-2, -2, 3]
    assert [(s["supply_id"], s["qty"]) for s in body["stale_supply"]] == [("TOO-OLD", 7)]
    assert [(s["order_id"], s["qty"]) for s in body["stale_demand"]] == [("STALE", 5)]
    assert (body["committed"], body["backordered"], body["available_now"]) == (6, 4, -4)


def test_overdue_supply_becomes_stale_at_midnight() -> None:
    story = overdue()
    body = story.atp("A", now=0.999)
    assert [s["supply_id"] for s in body["stale_supply"]] == ["TOO-OLD"]
    body = story.atp("A", now=1)
    assert [s["supply_id"] for s in body["stale_supply"]] == ["TOO-OLD", "IN-TIME"]
    # LATE is overdue by 3 days by now; TODAY is overdue by 1 and counts on day 3
    assert sorted(s["order_id"] for s in body["stale_demand"]) == ["LATE", "STALE"]
    assert curve(body, "cumulative", 4) == [6, 0, 2, 2]


def test_stale_supply_that_is_received_after_all_is_stock() -> None:
    story = overdue()
    story.received(0.5, "A", 7, supply_id="TOO-OLD")
    body = story.atp("A")
    assert body["stale_supply"] == []
    assert body["on_hand"] == 13
    # stale demand is demand all the same: what comes goes to who waits, first who placed first
    assert had(story.order("LATE")) == (4, 0)
    assert had(story.order("STALE")) == (3, 2)


def test_supply_rescheduled_out_of_staleness_counts_again() -> None:
    story = overdue()
    story.tell(0.5, "supply.rescheduled", "A", supply_id="TOO-OLD", due=day(4))
    body = story.atp("A")
    assert body["stale_supply"] == []
    assert curve(body, "cumulative", 5) == [8, -2, 3, 3, 10]


# --- firmness, horizon, policies ---


def test_firmness_of_the_skus_own_policy_replaces_that_of_all() -> None:
    story = Story()
    story.policy(firmness=["firm", "in_transit", "planned"])
    story.policy(scope="A", firmness=["firm"])
    for sku in ("A", "B"):
        for due, firmness in ((1, "firm"), (2, "in_transit"), (3, "planned")):
            story.supply(0.1, sku, 10, due, firmness=firmness)
    assert curve(story.atp("A"), days=4) == [0, 10, 10, 10]
    assert curve(story.atp("B"), days=4) == [0, 10, 20, 30]


def test_the_horizon_ends_supply_demand_and_earliest() -> None:
    story = Story()
    story.policy(horizon_days=5)
    story.counted(0.1, "A", 4)
    story.supply(0.1, "A", 3, due=4)
    story.supply(0.1, "A", 9, due=5)
    story.placed(0.2, "O1", line("A", 2, ships=5))
    body = story.atp("A", qty=8)
    assert curve(body, "cumulative") == [4, 4, 4, 4, 7]
    assert curve(body) == [4, 4, 4, 4, 7]
    assert earliest(body) == (None, [(0, 4, "BER"), (4, 3, "BER")])
    assert earliest(story.atp("A", qty=7))[0] == 4
    # a day later both are within it
    assert curve(story.atp("A", now=1.1), "cumulative") == [4, 4, 4, 7, 14]


def test_a_method_of_the_policy_is_the_answers() -> None:
    story = with_safety_and_dates()
    story.policy(0.6, scope="A", method="cumulative")
    body = story.atp("A")
    assert body["method"] == "cumulative"
    assert curve(body, days=5) == [7, 1, 11, 11, -1]
    assert curve(story.atp("A", method="look_ahead"), days=5) == [-1] * 5


# --- earliest and split, with by ---


def test_earliest_and_split_with_safety_stock_and_later_demand() -> None:
    story = Story()
    story.counted(0.1, "A", 9)
    safe_stock(story, 2)
    story.supply(0.1, "A", 6, due=2)
    story.supply(0.1, "A", 6, due=5)
    story.placed(0.2, "O1", line("A", 4, ships=3))
    # cumulative 7 7 13 9 9 15; look-ahead 7 7 9 9 9 15
    assert curve(story.atp("A"), days=6) == [7, 7, 9, 9, 9, 15]
    for qty, when, lines in (
        (7, 0, [(0, 7, "BER")]),
        (8, 2, [(0, 7, "BER"), (2, 1, "BER")]),
        (10, 5, [(0, 7, "BER"), (2, 2, "BER"), (5, 1, "BER")]),
        (16, None, [(0, 7, "BER"), (2, 2, "BER"), (5, 6, "BER")]),
    ):
        assert earliest(story.atp("A", qty=qty)) == (when, lines)
    for when, units in ((0, 7), (2, 9), (4, 9), (5, 15)):
        assert story.atp("A", by=day(when))["by"] == {"date": day(when), "available": units}


def test_earliest_is_null_or_after_negative_days() -> None:
    story = Story()
    story.counted(0.1, "A", 2)
    story.supply(0.1, "A", 10, due=3)
    story.placed(0.2, "O1", line("A", 5))
    assert curve(story.atp("A"), days=4) == [-3, -3, -3, 7]
    assert earliest(story.atp("A", qty=7)) == (3, [(3, 7, "BER")])
    assert earliest(story.atp("A", qty=8))[0] is None


# --- lead time ---


def test_beyond_the_lead_time_any_quantity_is_promised() -> None:
    story = Story()
    story.product("A", lead_time_days=14, unconditional_after_lead_time=True)
    story.counted(0.1, "A", 3)
    story.supply(0.1, "A", 5, due=10)
    story.supply(0.1, "A", 50, due=20)
    assert earliest(story.atp("A", qty=8))[0] == 10
    assert earliest(story.atp("A", qty=10)) == (14, [(0, 3, "BER"), (10, 5, "BER"), (14, 2, "BER")])
    story.placed(0.2, "O1", line("A", 10))
    assert promises(story.order("O1")) == [(0, 3, "BER"), (10, 5, "BER"), (14, 2, "BER")]
    # the promise stays while days go by
    assert promises(story.order("O1", now=5))[-1] == (14, 2, "BER")
    # and is kept from supply when it comes sooner
    story.received(2.1, "A", 7)
    assert had(story.order("O1")) == (10, 0)


def test_the_lead_time_alone_promises_nothing_and_what_is_discontinued_is_not_made() -> None:
    story = Story()
    story.product("A", lead_time_days=14)
    story.product("B", lead_time_days=14, unconditional_after_lead_time=True)
    story.tell(0.1, "product.discontinued", "B", sku="B")
    for sku in ("A", "B"):
        story.counted(0.2, sku, 3)
        assert earliest(story.atp(sku, qty=4)) == (None, [(0, 3, "BER")])
    # what is discontinued may still be sold
    assert earliest(story.atp("B", qty=3))[0] == 0
    assert story.atp("B")["discontinued"] is True


def test_lead_time_ends_on_a_working_day() -> None:
    story = Story()
    story.place("BER", 1, working_days=[1, 2, 3, 4, 5])
    story.product("A", lead_time_days=5, unconditional_after_lead_time=True)
    story.counted(0.1, "A", 0)
    assert earliest(story.atp("A", qty=1))[0] == 7  # day 5 is a Saturday


# --- places, days and clocks ---


def test_a_place_that_closes_and_opens_again_midway() -> None:
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    for name in ("BER", "HAM"):
        story.counted(0.1, "A", 5, name)
    story.placed(0.2, "O1", line("A", 8, ships=3))
    assert promises(story.order("O1")) == [(3, 5, "BER"), (3, 3, "HAM")]
    story.place("BER", 1, at=1.0, open=False)
    assert promises(story.order("O1")) == [(3, 5, "HAM")]
    (told,) = story.ask("/v1/at-risk")["promises"]
    assert (told["order_id"], told["cause"], told["qty"], told["date"]) == ("O1", "location_outage", 3, None)
    assert curve(story.atp("A"), days=3) == [-3, -3, -3]
    story.place("BER", 1, at=1.5, open=True)
    assert promises(story.order("O1")) == [(3, 5, "BER"), (3, 3, "HAM")]
    assert story.ask("/v1/at-risk")["promises"] == []


def test_what_is_allocated_at_a_place_that_closes_stays() -> None:
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    story.counted(0.1, "A", 5, "BER")
    story.counted(0.1, "A", 5, "HAM")
    story.placed(0.2, "O1", line("A", 4))
    story.place("BER", 1, at=0.3, open=False)
    story.placed(0.4, "O2", line("A", 6))
    assert had(story.order("O1")) == (4, 0)
    assert had(story.order("O2")) == (5, 1)
    assert story.atp("A", location="BER")["committed"] == 4


def test_the_figure_of_all_is_that_of_the_open_places_in_each_part() -> None:
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    story.counted(0.1, "A", 9, "BER")
    story.counted(0.1, "A", 5, "HAM")
    safe_stock(story, 1, "HAM")
    story.tell(0.2, "hold.placed", "A", hold_id="H", location="HAM", qty=2, ttl_s=86_400, owner="cart")
    story.placed(0.2, "O1", line("A", 4))
    story.place("HAM", 2, at=0.3, open=False)
    body = story.atp("A")
    assert (body["on_hand"], body["safety_stock"], body["committed"], body["held"]) == (9, 0, 4, 0)
    assert body["available_now"] == 9 - 0 - 4 - 0
    assert curve(body, days=2) == [5, 5]
    here = {told["location"]: told for told in body["locations"]}
    assert (here["HAM"]["on_hand"], here["HAM"]["open"]) == (5, False)
    assert story.atp("A", location="HAM")["on_hand"] == 5
    told = story.ask("/v1/explain?atp=A")["figures"]
    assert sum(part["delta"] for part in told["on_hand"]["contributions"]) == 9


@pytest.mark.parametrize(
    ("zone", "ships", "hour"),
    [
        ("Europe/Berlin", 20, -1),  # winter: midnight is at 23:00 UTC
        ("Europe/Berlin", 28, -2),  # from 29 March on at 22:00
        ("Europe/Berlin", 27, -1),  # the day itself still begins in winter time
        ("America/Los_Angeles", 6, 8),
        ("America/Los_Angeles", 7, 7),  # 9 March; the 8th had 23 hours
        ("Asia/Kolkata", 3, -5.5),
    ],
)
def test_a_line_falls_due_at_its_places_midnight(zone: str, ships: int, hour: float) -> None:
    story = Story()
    story.place("X", 1, timezone=zone)
    story.counted(0.1, "A", 5, "X")
    story.placed(0.2, "O1", line("A", 5, ships=ships))
    at = ships + hour / 24
    assert had(story.order("O1", now=at - 1 / 86_400)) == (0, 0)
    assert had(story.order("O1", now=at)) == (5, 0)


def test_the_curve_begins_with_the_places_today() -> None:
    story = Story()
    story.place("TYO", 1, timezone="Asia/Tokyo")
    story.place("LAX", 2, timezone="America/Los_Angeles")
    story.counted(0.1, "A", 5, "TYO")
    story.counted(0.1, "A", 7, "LAX")
    story.supply(0.1, "A", 4, due=1, location="TYO")
    story.supply(0.1, "A", 2, due=1, location="LAX")
    # 20:00 UTC on day 0: day 1 in Tokyo, day 0 in Los Angeles
    tokyo, angeles = story.atp("A", now=20 / 24, location="TYO"), story.atp("A", now=20 / 24, location="LAX")
    assert (tokyo["curve"][0]["date"], tokyo["curve"][0]["atp"]) == (day(1), 9)
    assert (angeles["curve"][0]["date"], curve(angeles, days=2)) == (day(0), [7, 9])


@pytest.mark.parametrize(
    ("at", "ships"), [(4 + 15.9 / 24, 4), (4 + 16.1 / 24, 7), (28 + 14.9 / 24, 28), (28 + 15.1 / 24, 29)]
)
def test_the_cut_off_is_by_the_places_clock(at: float, ships: int) -> None:
    """17:00 in Berlin is 16:00 UTC on Friday, day 4, and 15:00 UTC on Monday, day 28, in summer time."""
    story = Story()
    story.place("BER", 1, timezone="Europe/Berlin", cutoff="17:00", working_days=[1, 2, 3, 4, 5])
    story.counted(0.1, "A", 5)
    assert earliest(story.atp("A", now=at, qty=2)) == (ships, [(ships, 2, "BER")])


def test_a_line_for_a_day_off_is_promised_for_the_next_working_day() -> None:
    story = Story()
    story.place("BER", 1, working_days=[1, 2, 3, 4, 5])
    story.counted(0.1, "A", 5)
    story.placed(0.2, "O1", line("A", 3, ships=5))  # a Saturday
    assert promises(story.order("O1")) == [(7, 3, "BER")]
    # demand counts by the date that was asked for
    assert curve(story.atp("A"), "cumulative", 6) == [5, 5, 5, 5, 5, 2]


# --- permutations and duplicates ---


def test_facts_in_any_order_of_entities_and_twice_give_the_same() -> None:
    """Supplies, fences, safety stock and policies of their own entities, before anybody orders."""

    def told(order: list[int]) -> Json:
        story = Story()
        facts = [
            lambda: story.policy(0.1, scope="A", horizon_days=12),
            lambda: safe_stock(story, 2),
            lambda: story.supply(0.1, "A", 6, 3, name="P1"),
            lambda: story.supply(0.1, "A", 4, 5, name="P2", location="HAM"),
            lambda: story.counted(0.1, "A", 9),
            lambda: story.counted(0.1, "A", 3, "HAM"),
            lambda: story.tell(0.1, "fence.set", "A", channel="web", qty=5, rank=1),
        ]
        for at in order:
            facts[at]()
        story.lines += story.lines[:3]  # the same events again
        story.placed(0.2, "O1", line("A", 7, ships=4), channel="shop")
        story.placed(0.3, "O2", line("A", 6), channel="web")
        body = story.atp("A", channel="web", qty=3)
        orders = [promises(story.order(order_id)) for order_id in ("O1", "O2")]
        for name in ("supply", "notes", "fences", "holds", "locations"):
            body.pop(name)
        return {"body": body, "orders": orders}

    chance = random.Random(7)
    plain = told(list(range(7)))
    for _ in range(8):
        assert told(chance.sample(range(7), 7)) == plain
