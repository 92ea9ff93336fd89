"""More combinations: dates far and past, network fences, late facts, baskets with mixed outcomes, receipts."""

from __future__ import annotations

from typing import Any

import pytest
from story import Story, curve, day, line, number

Json = dict[str, Any]


def promises(body: Json, line_id: str = "1") -> list[tuple[int | None, int, str, str]]:
    """(day, units, location, SKU) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return [(number(p["date"]), p["qty"], p["location"], p["sku"]) for p in found["promises"]]


def had(body: Json, line_id: str = "1") -> tuple[int, int]:
    """(allocated, backordered) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return found["allocated"], found["backordered"]


def two_places(**counts: int) -> Story:
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    for name, units in counts.items():
        story.counted(0.1, "A", units, name)
    return story


# --- dates ---


def test_a_date_that_has_passed_is_due_at_once() -> None:
    story = Story()
    story.counted(0.1, "A", 3)
    story.placed(0.2, "O1", line("A", 5, ships=-4))
    assert had(story.order("O1")) == (3, 2)
    body = story.atp("A")
    # no fence is set for demand: it counts today
    assert (body["backordered"], curve(body, days=2), body["stale_demand"]) == (2, [-2, -2], [])


def test_a_line_beyond_the_horizon_counts_once_it_is_within() -> None:
    story = Story()
    story.policy(horizon_days=5)
    story.counted(0.1, "A", 6)
    story.placed(0.2, "O1", line("A", 4, ships=9))
    assert curve(story.atp("A"), days=5) == [6, 6, 6, 6, 6]
    assert promises(story.order("O1")) == [(9, 4, "BER", "A")]
    assert curve(story.atp("A", now=5), days=5) == [2, 2, 2, 2, 2]
    assert had(story.order("O1", now=9)) == (4, 0)


def test_lines_of_one_order_for_different_days() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4), line("A", 4, ships=2), line("A", 4, ships=4))
    body = story.order("O1")
    assert [had(body, n) for n in "123"] == [(4, 0), (0, 0), (0, 0)]
    assert [promises(body, n) for n in "123"] == [
        [(0, 4, "BER", "A")],
        [(2, 4, "BER", "A")],
        [(4, 2, "BER", "A")],
    ]
    assert body["status"] == "PARTIALLY_ALLOCATED"
    assert curve(story.atp("A"), "cumulative", 5) == [6, 6, 2, 2, -2]


def test_complete_lines_ship_on_the_latest_day_asked_for() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.counted(0.1, "B", 10)
    story.placed(0.2, "O1", line("A", 4), line("B", 4, ships=3), ship_complete=True)
    body = story.order("O1")
    assert [p[0] for n in "12" for p in promises(body, n)] == [3, 3]
    assert story.order("O1", now=3)["status"] == "ALLOCATED"


def test_demand_that_becomes_stale_is_listed_and_may_come_again() -> None:
    story = Story()
    story.policy(demand_fence_days=1)
    story.counted(0.1, "A", 1)
    story.placed(0.2, "O1", line("A", 5, ships=0))
    assert story.atp("A", now=1.5)["backordered"] == 4
    body = story.atp("A", now=2)
    assert (body["backordered"], body["available_now"]) == (0, 0)
    assert [(s["order_id"], s["qty"], s["requested_date"]) for s in body["stale_demand"]] == [
        ("O1", 4, day(0))
    ]


# --- supply ---


def test_supply_that_comes_in_parts_and_is_short_in_the_end() -> None:
    story = Story()
    story.supply(0.1, "A", 10, due=2, name="PO")
    story.placed(0.2, "O1", line("A", 9))
    assert promises(story.order("O1")) == [(2, 9, "BER", "A")]
    story.received(1.1, "A", 4, supply_id="PO")
    assert had(story.order("O1")) == (4, 5)
    assert promises(story.order("O1"))[-1][:2] == (2, 5)
    story.tell(1.2, "supply.rescheduled", "A", supply_id="PO", qty=7)  # 3 more will come
    (told,) = story.ask("/v1/at-risk")["promises"]
    assert (told["qty"], told["cause"], told["date"]) == (2, "supplier_late", None)
    assert curve(story.atp("A"), days=3) == [-5, -2, -2]  # from day 1 on
    story.tell(1.3, "supply.rescheduled", "A", supply_id="PO", qty=3)  # fewer than came
    assert curve(story.atp("A"), days=3) == [-5, -5, -5]


def test_a_receipt_before_its_supply_is_told() -> None:
    story = Story()
    story.received(0.1, "A", 4, supply_id="PO")
    story.supply(0.2, "A", 10, due=2, name="PO")
    assert curve(story.atp("A"), days=3) == [4, 4, 10]


def test_supply_moves_with_its_place() -> None:
    story = two_places(BER=0, HAM=0)
    story.supply(0.2, "A", 5, due=2, name="PO", location="BER")
    story.placed(0.3, "O1", line("A", 5, location="BER"))
    story.supply(0.4, "A", 5, due=2, name="PO", location="HAM")
    assert curve(story.atp("A", location="BER"), days=3) == [-5, -5, -5]
    assert curve(story.atp("A", location="HAM"), days=3) == [0, 0, 5]
    (told,) = story.ask("/v1/at-risk")["promises"]
    assert (told["order_id"], told["date"]) == ("O1", None)


# --- fences over all places ---


def test_a_fence_over_all_places_binds_their_sum() -> None:
    story = two_places(BER=5, HAM=5)
    story.tell(0.15, "fence.set", "A", channel="web", qty=7, rank=1)
    seen = {c: story.atp("A", channel=c)["available_now"] for c in ("web", "shop")}
    assert seen == {"web": 10, "shop": 3}
    story.placed(0.2, "SHOP", line("A", 5), channel="shop")
    assert had(story.order("SHOP")) == (3, 2)
    story.placed(0.3, "WEB", line("A", 7), channel="web")
    assert had(story.order("WEB")) == (7, 0)


def test_a_pool_is_the_channel_whose_fence_a_line_uses() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.tell(0.15, "fence.set", "A", channel="vip", qty=6, rank=1)
    story.placed(0.2, "O1", line("A", 8), line("A", 5, pool="vip"), channel="shop")
    body = story.order("O1")
    assert (had(body, "1"), had(body, "2")) == ((4, 4), (5, 0))


def test_a_fence_taken_away_frees_for_who_waits() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.tell(0.15, "fence.set", "A", channel="web", qty=6, rank=1)
    story.placed(0.2, "SHOP", line("A", 8), channel="shop")
    assert had(story.order("SHOP")) == (4, 4)
    story.tell(0.3, "fence.set", "A", channel="web", qty=0, rank=1)
    assert had(story.order("SHOP")) == (8, 0)


# --- late facts and ties ---


def test_an_order_heard_of_late_takes_what_is_left_and_ranks_by_its_time() -> None:
    story = Story()
    story.counted(0.1, "A", 5)
    story.placed(0.5, "SECOND", line("A", 7))
    story.placed(0.3, "FIRST", line("A", 3), recorded=0.6)
    assert (had(story.order("SECOND")), had(story.order("FIRST"))) == ((5, 2), (0, 3))
    story.received(0.7, "A", 4)
    assert (had(story.order("SECOND")), had(story.order("FIRST"))) == ((6, 1), (3, 0))


def test_a_count_in_the_past_is_a_count_all_the_same() -> None:
    story = Story()
    story.counted(0.5, "A", 5)
    story.placed(0.6, "O1", line("A", 4))
    story.counted(0.55, "A", 3, recorded=0.7)
    body = story.atp("A")
    assert (body["on_hand"], body["committed"], body["backordered"]) == (3, 3, 1)


def test_the_same_facts_twice_change_nothing() -> None:
    def told(times: int) -> list[Json]:
        story = two_places(BER=5, HAM=3)
        story.supply(0.2, "A", 6, due=3)
        story.placed(0.3, "O1", line("A", 9))
        story.tell(0.4, "hold.placed", "A", hold_id="H", qty=1, ttl_s=600, owner="cart")
        story.tell(0.5, "order.cancelled", "O1", lines=[{"line_id": "1", "qty": 2}])
        story.shipment(0.6, "shipped", "O1", "S1", ("1", "A", 2))
        story.lines = [one for one in story.lines for _ in range(times)]
        return [story.atp("A", qty=2), story.order("O1"), story.ask("/v1/at-risk")]

    assert told(2) == told(1)


# --- mixed baskets ---


def test_one_order_with_covered_late_unpromised_and_refused_units() -> None:
    story = Story()
    story.product("CARD", tracked=False)
    story.product("GONE")
    story.tell(0.1, "product.discontinued", "GONE", sku="GONE")
    story.counted(0.1, "A", 5)
    story.supply(0.1, "B", 4, due=2)
    story.counted(0.1, "GONE", 0)
    story.placed(0.2, "O1", line("A", 5), line("B", 6), line("GONE", 1), line("CARD", 9))
    body = story.order("O1")
    assert [had(body, n) for n in "1234"] == [(5, 0), (0, 6), (0, 1), (9, 0)]
    assert promises(body, "2") == [(2, 4, "BER", "B")]
    assert promises(body, "3") == []
    assert body["status"] == "PARTIALLY_ALLOCATED"


def test_two_kits_of_one_component_and_the_component() -> None:
    story = Story()
    story.product("TWO", kit=[{"sku": "A", "qty_per": 2}])
    story.product("FIVE", kit=[{"sku": "A", "qty_per": 5}, {"sku": "B", "qty_per": 1}])
    story.counted(0.1, "A", 13)
    story.counted(0.1, "B", 1)
    assert story.atp("TWO")["available_now"] == 6
    assert story.atp("FIVE")["available_now"] == 1
    story.placed(0.2, "O1", line("TWO", 2), line("FIVE", 2), line("A", 1))
    body = story.order("O1")
    # 4 for the twos, 5 for the one five that B allows, 1 plain; of 13 three are left
    assert [had(body, n) for n in "123"] == [(2, 0), (1, 1), (1, 0)]
    assert story.atp("A")["committed"] == 10
    assert story.atp("A")["backordered"] == 5


def test_a_pack_of_packs_over_time_with_a_hold() -> None:
    story = Story()
    story.product("CASE", kit=[{"sku": "A", "qty_per": 6}])
    story.counted(0.1, "A", 15)
    story.supply(0.1, "A", 4, due=1)
    story.tell(0.2, "hold.placed", "A", hold_id="H", qty=4, ttl_s=86_400, owner="cart")
    # 11 today, 15 tomorrow, and 19 once the hold is dead
    assert curve(story.atp("CASE"), days=3) == [1, 2, 2]
    assert curve(story.atp("CASE", now=1.2), days=2) == [3, 3]


def test_cancelling_a_later_line_gives_its_promise_to_who_waits() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "LATER", line("A", 8, ships=5))
    story.placed(0.3, "NOW", line("A", 6))
    assert had(story.order("NOW")) == (2, 4)
    story.tell(0.4, "order.cancelled", "LATER", lines=[{"line_id": "1", "qty": 3}])
    assert had(story.order("NOW")) == (5, 1)
    story.tell(0.5, "order.cancelled", "LATER")
    assert had(story.order("NOW")) == (6, 0)


def test_a_hold_converted_to_a_line_for_later_keeps_its_units() -> None:
    story = Story()
    story.counted(0.1, "A", 5)
    story.tell(0.2, "hold.placed", "A", hold_id="H", qty=4, ttl_s=3_600, owner="cart")
    story.placed(0.21, "O1", line("A", 4, ships=3))
    story.tell(0.22, "hold.converted", "A", hold_id="H", order_id="O1", line_id="1")
    story.placed(0.23, "O2", line("A", 5))
    assert had(story.order("O2")) == (1, 4)
    assert had(story.order("O1", now=3)) == (4, 0)


def test_safety_stock_set_higher_breaks_no_promise_and_no_allocation() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4))
    story.placed(0.2, "O2", line("A", 5, ships=2))
    story.tell(0.3, "safety_stock.set", "A", location="BER", qty=6)
    assert story.ask("/v1/at-risk")["promises"] == []
    body = story.atp("A")
    assert (body["available_now"], curve(body, days=3)) == (0, [-5, -5, -5])
    # ATP is -5 and safety stock 6: 1 at most
    story.placed(0.4, "O3", line("A", 3))
    assert had(story.order("O3")) == (1, 2)


@pytest.mark.parametrize("voided", [False, True])
def test_shipping_and_voiding_move_no_promise_of_others(voided: bool) -> None:
    story = Story()
    story.counted(0.1, "A", 8)
    story.placed(0.2, "O1", line("A", 5))
    story.placed(0.3, "O2", line("A", 3, ships=4))
    story.shipment(0.4, "shipped", "O1", "S1", ("1", "A", 5))
    if voided:
        story.tell(0.5, "shipment.voided", "O1", shipment_id="S1", reason="lost label")
    body = story.atp("A")
    assert (body["on_hand"], body["committed"]) == ((8, 5) if voided else (3, 0))
    assert curve(body, days=5) == [0] * 5
    assert promises(story.order("O2")) == [(4, 3, "BER", "A")]


def test_a_return_that_is_found_good_serves_who_waits() -> None:
    story = Story()
    story.counted(0.1, "A", 3)
    story.placed(0.2, "O1", line("A", 3))
    story.placed(0.3, "O2", line("A", 2))
    story.shipment(0.4, "shipped", "O1", "S1", ("1", "A", 3))
    story.scanned(0.5, "O1", "S1", "delivered")
    story.tell(
        1.1, "return.authorized", "O1", return_id="R", lines=[{"line_id": "1", "qty": 3, "reason": "size"}]
    )
    story.tell(
        1.2, "return.received", "O1", return_id="R", location="BER", lines=[{"line_id": "1", "qty": 3}]
    )
    body = story.atp("A")
    assert (body["buckets"]["quality_control"], body["available_now"]) == (3, -2)
    story.tell(
        1.3,
        "return.inspected",
        "O1",
        return_id="R",
        lines=[
            {"line_id": "1", "qty": 1, "disposition": "sellable"},
            {"line_id": "1", "qty": 1, "disposition": "damaged"},
        ],
    )
    body = story.atp("A")
    assert body["buckets"] == {"sellable": 1, "damaged": 1, "quality_control": 1, "reserved_other": 0}
    assert had(story.order("O2")) == (1, 1)
