"""The rules of available-to-promise in combination, each told as a log and asked as the API is asked."""

from __future__ import annotations

from typing import Any

import pytest
from story import Story, curve, day, line, number

Json = dict[str, Any]


def promises(body: Json, line_id: str = "1") -> list[tuple[int | None, int, str]]:
    """(day, units, location) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return [(number(p["date"]), p["qty"], p["location"]) for p in found["promises"]]


def quantity(body: Json, name: str, line_id: str = "1") -> int:
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return int(found[name])


def earliest(body: Json) -> tuple[int | None, list[tuple[int | None, int, str, str]]]:
    found = body["earliest"]
    return number(found["date"]), [
        (number(p["date"]), p["qty"], p["location"], p["sku"]) for p in found["lines"]
    ]


# --- stock now ---


def test_stock_now_by_the_definition() -> None:
    story = Story()
    story.counted(0.1, "A", 20)
    story.counted(0.1, "A", 3, bucket="damaged")
    story.tell(0.1, "safety_stock.set", "A", location="BER", qty=4)
    story.tell(0.2, "hold.placed", "A", hold_id="H", location="BER", qty=5, ttl_s=3_600, owner="cart")
    story.placed(0.21, "O1", line("A", 7))
    body = story.atp("A")
    assert body["on_hand"] == 23
    assert body["buckets"] == {"sellable": 20, "damaged": 3, "quality_control": 0, "reserved_other": 0}
    assert (body["safety_stock"], body["committed"], body["held"]) == (4, 7, 5)
    assert (body["available_now"], body["available"], body["shortage"]) == (4, 4, 0)
    # an hour after it was placed the hold is dead, though no event has come
    assert story.atp("A", now=0.2 + 1 / 24)["available_now"] == 9


def test_orders_may_eat_safety_stock_and_holds_may_not() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.tell(0.1, "safety_stock.set", "A", location="BER", qty=4)
    story.tell(0.2, "hold.placed", "A", hold_id="H", location="BER", qty=7, ttl_s=3_600, owner="cart")
    assert story.atp("A")["held"] == 0  # 6 may be held, 7 were asked for
    story.placed(0.3, "O1", line("A", 9))
    body = story.atp("A")
    assert (body["committed"], body["available_now"], body["shortage"]) == (9, -3, 3)


def test_untracked_is_null_and_unknown_is_an_error() -> None:
    story = Story()
    story.product("GIFT-WRAP", tracked=False)
    story.placed(0.1, "O1", line("GIFT-WRAP", 3))
    body = story.atp("GIFT-WRAP")
    assert (body["on_hand"], body["available_now"], body["available"]) == (None, None, None)
    assert quantity(story.order("O1"), "allocated") == 3
    assert story.atp("TYPO")["status"] == 404


# --- over time ---


def test_a_line_for_later_is_dated_demand_and_is_allocated_when_its_day_comes() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 6, ships=3))
    body = story.atp("A")
    assert (body["committed"], body["available_now"]) == (0, 10)
    assert curve(body, days=5) == [4, 4, 4, 4, 4]
    assert curve(body, "cumulative", 5) == [10, 10, 10, 4, 4]
    assert promises(story.order("O1")) == [(3, 6, "BER")]
    assert quantity(story.order("O1"), "allocated") == 0
    # the eve of day 3, and its first instant
    assert story.atp("A", now=2.999)["committed"] == 0
    later = story.atp("A", now=3)
    assert (later["committed"], later["available_now"]) == (6, 4)
    assert story.order("O1", now=3)["status"] == "ALLOCATED"


def test_an_order_for_today_breaks_no_promise_made_for_later() -> None:
    # given 10 on hand, all promised for day 3
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "LATER", line("A", 8, ships=3))
    # when an order for today asks for 5
    story.placed(0.3, "TODAY", line("A", 5))
    # then it gets what is not promised
    today = story.order("TODAY")
    assert (quantity(today, "allocated"), quantity(today, "backordered")) == (2, 3)
    assert promises(story.order("LATER")) == [(3, 8, "BER")]
    assert quantity(story.order("LATER", now=3.5), "allocated") == 8


def test_what_is_short_is_promised_from_supply() -> None:
    story = Story()
    story.counted(0.1, "A", 6)
    story.supply(0.1, "A", 10, due=8)
    story.placed(0.2, "O1", line("A", 10))
    assert promises(story.order("O1")) == [(0, 6, "BER"), (8, 4, "BER")]
    body = story.atp("A")
    assert (body["available_now"], body["backordered"]) == (-4, 4)
    assert (curve(body)[7], curve(body)[8]) == (-4, 6)


def test_earliest_and_split() -> None:
    story = Story()
    story.counted(0.1, "A", 5)
    story.supply(0.1, "A", 10, due=4)
    story.supply(0.1, "A", 10, due=9)
    assert earliest(story.atp("A", qty=5)) == (0, [(0, 5, "BER", "A")])
    assert earliest(story.atp("A", qty=18)) == (
        9,
        [(0, 5, "BER", "A"), (4, 10, "BER", "A"), (9, 3, "BER", "A")],
    )
    assert earliest(story.atp("A", qty=26))[0] is None


def test_planned_supply_counts_only_where_the_policy_says_so() -> None:
    story = Story()
    story.supply(0.1, "A", 10, due=4, firmness="planned")
    assert curve(story.atp("A"))[4] == 0
    story.policy(0.2, firmness=["firm", "in_transit", "planned"])
    assert curve(story.atp("A"))[4] == 10


def test_received_supply_is_stock_and_supply_no_more() -> None:
    story = Story()
    story.supply(0.1, "A", 10, due=4, name="PO")
    story.received(0.5, "A", 6, supply_id="PO")
    body = story.atp("A")
    assert (body["on_hand"], curve(body)[0], curve(body)[4]) == (6, 6, 10)


def test_lead_time() -> None:
    story = Story()
    story.product("A", lead_time_days=14, unconditional_after_lead_time=True)
    story.counted(0.1, "A", 3)
    assert earliest(story.atp("A", qty=100))[0] == 14
    assert earliest(story.atp("A", qty=3))[0] == 0


# --- locations ---


def two_places() -> Story:
    """BER is nearer than HAM."""
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    return story


def test_split_takes_the_nearest_first() -> None:
    story = two_places()
    story.counted(0.1, "A", 6, "HAM")
    story.counted(0.1, "A", 4, "BER")
    story.placed(0.2, "O1", line("A", 7))
    assert story.atp("A", location="BER")["committed"] == 4
    assert story.atp("A", location="HAM")["committed"] == 3


def test_single_takes_one_place_or_nothing() -> None:
    story = two_places()
    story.counted(0.1, "A", 4, "BER")
    story.counted(0.1, "A", 6, "HAM")
    story.placed(0.2, "O1", line("A", 5), sourcing={"mode": "single"})
    story.placed(0.3, "O2", line("A", 5), sourcing={"mode": "single"})
    assert story.atp("A", location="HAM")["committed"] == 5
    assert story.atp("A", location="BER")["committed"] == 0
    assert quantity(story.order("O2"), "backordered") == 5


def test_max_splits() -> None:
    story = two_places()
    story.place("MUC", 3)
    for name in ("BER", "HAM", "MUC"):
        story.counted(0.1, "A", 3, name)
    story.placed(0.2, "O1", line("A", 9), sourcing={"mode": "split", "max_splits": 2})
    assert quantity(story.order("O1"), "allocated") == 6


def test_a_closed_place_gives_nothing() -> None:
    story = two_places()
    story.counted(0.1, "A", 4, "BER")
    story.counted(0.1, "A", 6, "HAM")
    story.place("BER", 1, at=0.15, open=False)
    story.placed(0.2, "O1", line("A", 10))
    assert quantity(story.order("O1"), "allocated") == 6
    assert story.atp("A", qty=1)["earliest"]["date"] is None


@pytest.mark.parametrize(("at", "ships"), [(0.5, 0), (0.7, 1), (4.7, 7), (5.2, 7)])
def test_cutoff_and_working_days_decide_the_ship_date(at: float, ships: int) -> None:
    """Day 0 is a Monday, day 4 a Friday; 0.7 is 16:48, after the cut-off at 16:00."""
    story = Story()
    story.place("BER", 1, cutoff="16:00", working_days=[1, 2, 3, 4, 5])
    story.counted(-1, "A", 10)
    assert earliest(story.atp("A", now=at, qty=2)) == (ships, [(ships, 2, "BER", "A")])


def test_days_are_those_of_the_place() -> None:
    # given stock in Auckland, 13 hours ahead: at 12:00 UTC of day 2 it is day 3 there
    story = Story()
    story.place("AKL", 1, timezone="Pacific/Auckland")
    story.counted(0.1, "A", 10, "AKL")
    story.placed(0.2, "O1", line("A", 4, ships=3))
    assert quantity(story.order("O1", now=2.4), "allocated") == 0
    assert quantity(story.order("O1", now=2.5), "allocated") == 4


# --- fences, kits, substitutes ---


def test_a_channel_sees_its_own_fence_and_what_is_shared() -> None:
    story = Story()
    story.counted(0.1, "A", 100)
    story.tell(0.1, "fence.set", "A", channel="web", qty=30, rank=1)
    story.tell(0.1, "fence.set", "A", channel="b2b", qty=20, rank=2)
    seen = {c: story.atp("A", channel=c)["available_now"] for c in ("web", "b2b", "shop")}
    assert seen == {"web": 80, "b2b": 70, "shop": 50}
    # the web's order uses its own fence first
    story.placed(0.2, "O1", line("A", 10), channel="web")
    seen = {c: story.atp("A", channel=c)["available_now"] for c in ("web", "b2b", "shop")}
    assert seen == {"web": 70, "b2b": 70, "shop": 50}
    # a loss eats what is shared first, then the fence of the lowest rank
    story.tell(0.3, "inventory.adjusted", "A", location="BER", delta=-60)
    seen = {c: story.atp("A", channel=c)["available_now"] for c in ("web", "b2b", "shop")}
    assert seen == {"web": 10, "b2b": 20, "shop": 0}


def test_an_order_takes_nothing_of_anothers_fence() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.tell(0.1, "fence.set", "A", channel="web", qty=7, rank=1)
    story.placed(0.2, "O1", line("A", 5), channel="shop")
    assert quantity(story.order("O1"), "allocated") == 3
    story.placed(0.3, "O2", line("A", 7), channel="web")
    assert quantity(story.order("O2"), "allocated") == 7


def test_a_fence_ends_at_its_instant() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.tell(0.1, "fence.set", "A", channel="web", qty=7, rank=1, valid_to="2026-03-02T12:00:00Z")
    story.placed(0.2, "O1", line("A", 5), channel="shop")
    assert quantity(story.order("O1"), "backordered") == 2
    assert quantity(story.order("O1", now=0.5), "allocated") == 5


def test_a_kit_is_as_many_as_its_scarcest_component() -> None:
    story = Story()
    story.product("DESK", kit=[{"sku": "LEG", "qty_per": 4}, {"sku": "TOP", "qty_per": 1}])
    story.counted(0.1, "LEG", 18)
    story.counted(0.1, "TOP", 9)
    assert story.atp("DESK")["available_now"] == 4
    story.placed(0.2, "O1", line("DESK", 6))
    order = story.order("O1")
    assert (quantity(order, "allocated"), quantity(order, "backordered")) == (4, 2)
    assert story.atp("LEG")["committed"] == 16
    assert story.atp("TOP")["committed"] == 4
    # when legs come, the rest of the kits is whole
    story.received(0.3, "LEG", 6)
    assert quantity(story.order("O1"), "allocated") == 6
    assert (story.atp("LEG")["committed"], story.atp("TOP")["committed"]) == (24, 6)


def test_a_basket_is_checked_on_the_sum_over_lines_and_kits() -> None:
    story = Story()
    story.product("PAIR", kit=[{"sku": "LAMP", "qty_per": 2}])
    story.counted(0.1, "LAMP", 9)
    story.placed(0.2, "O1", line("LAMP", 6), line("PAIR", 2), ship_complete=True)
    assert story.order("O1")["status"] == "BACKORDERED"
    assert story.atp("LAMP")["committed"] == 0
    story.received(0.3, "LAMP", 1)
    assert story.order("O1")["status"] == "ALLOCATED"
    assert story.atp("LAMP")["committed"] == 10


def test_a_substitute_covers_what_is_short() -> None:
    story = Story()
    story.product("OLD", substitutes=[{"sku": "SIX", "ratio": 6, "needs_consent": False}])
    story.counted(0.1, "OLD", 2)
    story.counted(0.1, "SIX", 15)
    # of 15, whole sixes only: 2; what a line counts is what was asked for
    assert earliest(story.atp("OLD", qty=4)) == (0, [(0, 2, "BER", "OLD"), (0, 2, "BER", "SIX")])
    story.placed(0.2, "O1", line("OLD", 5))
    order = story.order("O1")
    assert (quantity(order, "allocated"), quantity(order, "backordered")) == (4, 1)
    assert story.atp("SIX")["committed"] == 12


def test_a_substitute_that_needs_consent_is_used_only_with_it() -> None:
    story = Story()
    story.product("OLD", substitutes=[{"sku": "NEW", "ratio": 1, "needs_consent": True}])
    story.counted(0.1, "OLD", 2)
    story.counted(0.1, "NEW", 5)
    story.placed(0.2, "O1", line("OLD", 3))
    story.placed(0.3, "O2", line("OLD", 3, substitutes_ok=True))
    assert quantity(story.order("O1"), "backordered") == 1
    assert quantity(story.order("O2"), "allocated") == 3
    assert story.atp("NEW")["committed"] == 3


# --- who gets what ---


def test_priority_ranks_only_where_the_policy_says_so() -> None:
    for ranking, first in (("fifo", "SLOW"), ("priority_fifo", "URGENT")):
        story = Story()
        story.policy(ranking=ranking)
        story.counted(0.1, "A", 0)
        story.placed(0.2, "SLOW", line("A", 5), priority=100)
        story.placed(0.3, "URGENT", line("A", 5), priority=1)
        story.received(0.4, "A", 5)
        assert quantity(story.order(first), "allocated") == 5


def test_lost_units_are_taken_from_the_last_in_rank_and_a_warehouse_keeps_its_own() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 5))
    story.placed(0.3, "O2", line("A", 5))
    story.shipment(0.4, "released", "O2", "S2", ("1", "A", 3))
    story.counted(0.5, "A", 6)
    assert quantity(story.order("O2"), "allocated") == 3
    assert quantity(story.order("O1"), "allocated") == 3


def test_supply_that_slips_puts_promises_at_risk() -> None:
    story = Story()
    story.supply(0.1, "A", 5, due=4, name="PO1")
    story.supply(0.1, "A", 5, due=9, name="PO2")
    story.placed(0.2, "O1", line("A", 4))
    assert promises(story.order("O1")) == [(4, 4, "BER")]
    assert story.ask("/v1/at-risk")["promises"] == []
    # when it slips to day 6, and then beyond the other
    story.tell(1.1, "supply.rescheduled", "A", supply_id="PO1", due=day(6))
    at_risk = story.ask("/v1/at-risk")["promises"]
    assert [(told["order_id"], told["line_id"], told["cause"]) for told in at_risk] == [
        ("O1", "1", "supplier_late")
    ]
    assert promises(story.order("O1")) == [(6, 4, "BER")]
    story.tell(1.2, "supply.rescheduled", "A", supply_id="PO1", due=day(20))
    assert promises(story.order("O1")) == [(9, 4, "BER")]


def test_supply_that_does_not_come_puts_promises_at_risk_when_its_day_has_passed() -> None:
    story = Story()
    story.supply(0.1, "A", 5, due=4, name="PO1")
    story.supply(0.1, "A", 5, due=9, name="PO2")
    story.placed(0.2, "O1", line("A", 4))
    assert promises(story.order("O1", now=4.9)) == [(4, 4, "BER")]
    assert promises(story.order("O1", now=5)) == [(9, 4, "BER")]
    assert [stale["supply_id"] for stale in story.atp("A", now=5)["stale_supply"]] == ["PO1"]


# --- two clocks ---


def test_as_of_and_known_at() -> None:
    # given a count of noon of day 1 that is recorded on day 3
    story = Story()
    story.counted(0.5, "A", 10)
    story.tell(
        1.5,
        "inventory.counted",
        "A",
        recorded=3.5,
        location="BER",
        on_hand=4,
        basis="includes_committed",
    )
    story.counted(4.5, "A", 7)
    ask = story.atp
    assert ask("A")["on_hand"] == 7
    assert ask("A", as_of="2026-03-03T00:00:00Z")["on_hand"] == 10
    assert ask("A", as_of="2026-03-04T00:00:00Z")["on_hand"] == 4  # true then, by what we know now
    assert ask("A", known_at="2026-03-04T00:00:00Z")["on_hand"] == 10  # what we knew then


def test_explain_sums_to_each_figure() -> None:
    story = Story()
    first = story.counted(0.1, "A", 10)
    order = story.placed(0.2, "O1", line("A", 4))
    story.tell(0.3, "hold.placed", "A", hold_id="H", location="BER", qty=2, ttl_s=60, owner="cart")
    lost = story.tell(0.4, "inventory.adjusted", "A", location="BER", delta=-1)
    found = story.ask("/v1/explain?atp=A")["figures"]
    for name, figure in story.atp("A").items():
        if name in found:
            assert found[name]["value"] == figure
            assert sum(part["delta"] for part in found[name]["contributions"]) == figure
    told = {part["event_id"].split()[-1]: part["delta"] for part in found["available_now"]["contributions"]}
    assert (told[first], told[order], told[lost]) == (10, -4, -1)
