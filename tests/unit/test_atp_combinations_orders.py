"""Allocation, holds, fences, kits and substitutes in combination; figures worked out from the definitions."""

from __future__ import annotations

from typing import Any

import pytest
from story import Story, curve, day, line, moment, number

Json = dict[str, Any]


def promises(body: Json, line_id: str = "1") -> list[tuple[int | None, int, str]]:
    """(day, units, location) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return [(number(p["date"]), p["qty"], p["location"]) for p in found["promises"]]


def had(body: Json, line_id: str = "1") -> tuple[int, int]:
    """(allocated, backordered) of an order's line."""
    found = next(told for told in body["lines"] if told["line_id"] == line_id)
    return found["allocated"], found["backordered"]


def earliest(body: Json) -> tuple[int | None, list[tuple[int | None, int, str, str]]]:
    found = body["earliest"]
    return number(found["date"]), [
        (number(p["date"]), p["qty"], p["location"], p["sku"]) for p in found["lines"]
    ]


def now_of(body: Json) -> tuple[int, int, int, int]:
    """(committed, held, backordered, available_now)"""
    return body["committed"], body["held"], body["backordered"], body["available_now"]


def two_places(*counts: tuple[str, int], sku: str = "A") -> Story:
    """BER is nearer than HAM."""
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    for name, units in counts:
        story.counted(0.1, sku, units, name)
    return story


def hold(story: Story, at: float, hold_id: str, qty: int, ttl_s: int = 3_600, **more: Any) -> None:
    story.tell(at, "hold.placed", "A", hold_id=hold_id, qty=qty, ttl_s=ttl_s, owner="cart", **more)


# --- holds ---


def test_a_hold_dies_before_what_comes_at_its_expiry() -> None:
    story = Story()
    story.counted(0, "A", 5)
    hold(story, 0.25, "H", 5, ttl_s=21_600)  # until 0.5
    story.placed(0.3, "FIRST", line("A", 3))
    assert now_of(story.atp("A")) == (0, 5, 3, -3)
    # an order at the very instant comes after the one that waits
    story.placed(0.5, "SECOND", line("A", 4))
    assert had(story.order("FIRST")) == (3, 0)
    assert had(story.order("SECOND")) == (2, 2)


def test_extending_at_or_after_the_expiry_is_refused_and_before_it_is_not() -> None:
    for at, held in ((0.5, 0), (0.4999, 5)):
        story = Story()
        story.counted(0, "A", 5)
        hold(story, 0.25, "H", 5, ttl_s=21_600)
        story.tell(at, "hold.extended", "A", hold_id="H", ttl_s=21_600)
        assert story.atp("A", now=0.6)["held"] == held


def test_an_extension_never_shortens() -> None:
    story = Story()
    story.counted(0, "A", 5)
    hold(story, 0.25, "H", 5, ttl_s=86_400)
    story.tell(0.5, "hold.extended", "A", hold_id="H", ttl_s=60)
    assert story.atp("A", now=1.2)["held"] == 5
    assert story.atp("A", now=1.25)["held"] == 0


def test_converting_a_part_frees_the_rest_at_once() -> None:
    story = two_places(("BER", 4), ("HAM", 6))
    hold(story, 0.2, "H", 7)  # 4 of BER, 3 of HAM
    story.placed(0.21, "WAITS", line("A", 5))
    assert had(story.order("WAITS")) == (3, 2)
    story.placed(0.22, "O1", line("A", 4))
    story.tell(0.23, "hold.converted", "A", hold_id="H", order_id="O1", line_id="1")
    # O1 gets the 4 of BER it held; of HAM's 3 the one who waits gets 2
    assert had(story.order("O1")) == (4, 0)
    assert promises(story.order("O1")) == [(0, 4, "BER")]
    assert had(story.order("WAITS")) == (5, 0)
    assert now_of(story.atp("A")) == (9, 0, 0, 1)


def test_a_dead_hold_converts_to_nothing() -> None:
    story = Story()
    story.counted(0, "A", 5)
    hold(story, 0.25, "H", 5, ttl_s=21_600)
    story.placed(0.5, "QUICK", line("A", 5))
    story.placed(0.51, "O1", line("A", 5))
    story.tell(0.52, "hold.converted", "A", hold_id="H", order_id="O1", line_id="1")
    assert had(story.order("O1")) == (0, 5)
    note = story.atp("A")["notes"][-1]
    assert note["kind"] == "hold_not_converted"
    assert "0 are left" in note["detail"]


def test_a_hold_that_is_converted_before_its_order_comes_waits_for_it() -> None:
    story = Story()
    story.counted(0, "A", 5)
    hold(story, 0.25, "H", 5, ttl_s=21_600)
    story.tell(0.3, "hold.converted", "A", hold_id="H", order_id="O1", line_id="1")
    story.placed(0.31, "OTHER", line("A", 2))
    story.placed(0.32, "O1", line("A", 5))
    assert (had(story.order("O1")), had(story.order("OTHER"))) == ((5, 0), (0, 2))


def test_released_twice_is_released_once() -> None:
    story = Story()
    story.counted(0, "A", 5)
    hold(story, 0.2, "H", 3)
    hold(story, 0.2, "K", 2)
    for _ in range(2):
        story.tell(0.21, "hold.released", "A", hold_id="H")
    assert now_of(story.atp("A")) == (0, 2, 0, 3)


def test_a_hold_of_a_channel_uses_its_fence_and_another_channel_may_not() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.tell(0.1, "fence.set", "A", channel="web", qty=6, rank=1)
    hold(story, 0.2, "SHOP", 5, channel="shop")
    assert story.atp("A")["held"] == 0  # 4 are shared
    hold(story, 0.21, "WEB", 8, channel="web")
    assert story.atp("A")["held"] == 8
    seen = {c: story.atp("A", channel=c)["available_now"] for c in ("web", "shop")}
    assert seen == {"web": 2, "shop": 2}


# --- fences ---


def test_fences_safety_stock_and_later_demand_of_a_channel() -> None:
    story = Story()
    story.counted(0, "A", 20)
    story.tell(0.1, "safety_stock.set", "A", location="BER", qty=3)
    story.tell(0.1, "fence.set", "A", channel="web", qty=8, rank=1)
    story.placed(0.2, "O1", line("A", 5, ships=2), channel="web")
    # 17 till day 2, then 12
    assert curve(story.atp("A"), days=3) == [12, 12, 12]
    # nothing of the fence is used before the day comes
    assert story.atp("A", channel="shop")["available_now"] == 17 - 8
    assert story.atp("A", channel="web")["available_now"] == 17
    assert story.atp("A", channel="shop", now=2)["available_now"] == 12 - 3
    assert story.atp("A", channel="web", now=2)["available_now"] == 12


def test_cancelling_gives_a_fence_back() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.tell(0.1, "fence.set", "A", channel="web", qty=6, rank=1)
    story.placed(0.2, "O1", line("A", 8), channel="web")
    assert story.atp("A", channel="shop")["available_now"] == 2
    story.tell(0.3, "order.cancelled", "O1", lines=[{"line_id": "1", "qty": 5}])
    # 3 of the 6 are used: 7 there, 3 of them fenced
    assert story.atp("A", channel="shop")["available_now"] == 4
    assert story.atp("A", channel="web")["available_now"] == 7


def test_a_fence_that_begins_later_shows_on_the_curve_from_its_day() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.tell(0.1, "fence.set", "A", channel="web", qty=6, rank=1, valid_from=day(2), valid_to=day(4))
    body = story.atp("A", channel="shop")
    assert curve(body, "cumulative", 7) == [10, 10, 4, 4, 4, 10, 10]
    assert curve(body, days=7) == [4, 4, 4, 4, 4, 10, 10]
    assert body["available_now"] == 10
    assert curve(story.atp("A", channel="web"), days=6) == [10] * 6


def test_a_fence_set_higher_puts_anothers_promise_at_risk() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.supply(0.1, "A", 10, due=6)
    story.placed(0.2, "SHOP", line("A", 7, ships=3), channel="shop")
    assert promises(story.order("SHOP")) == [(3, 7, "BER")]
    story.tell(0.3, "fence.set", "A", channel="web", qty=6, rank=1)
    assert promises(story.order("SHOP")) == [(3, 4, "BER"), (6, 3, "BER")]
    (told,) = story.ask("/v1/at-risk")["promises"]
    assert (told["cause"], told["qty"], told["promised"], told["date"]) == (
        "allocation_policy",
        3,
        day(3),
        day(6),
    )


def test_two_fences_and_a_loss_while_a_channel_has_orders() -> None:
    story = Story()
    story.counted(0, "A", 30)
    story.tell(0.1, "fence.set", "A", channel="web", qty=10, rank=1)
    story.tell(0.1, "fence.set", "A", channel="b2b", qty=8, rank=2)
    story.placed(0.2, "O1", line("A", 4), channel="web")
    seen = lambda: [story.atp("A", channel=c)["available_now"] for c in ("web", "b2b", "shop")]  # noqa: E731
    # 26: web keeps 6, b2b 8, 12 are shared
    assert seen() == [18, 20, 12]
    story.tell(0.3, "inventory.adjusted", "A", location="BER", delta=-15)
    # 11: nothing is shared, web keeps 3 and b2b 8
    assert seen() == [3, 8, 0]
    story.tell(0.4, "inventory.adjusted", "A", location="BER", delta=-5)
    assert seen() == [0, 6, 0]


# --- sourcing ---


def test_single_that_no_place_covers_keeps_its_units_from_those_behind() -> None:
    # given 4 and 6, and 10 wanted from one place: ATP of all is 0
    story = two_places(("BER", 4), ("HAM", 6))
    story.placed(0.2, "ONE", line("A", 10), sourcing={"mode": "single"})
    assert had(story.order("ONE")) == (0, 10)
    assert story.atp("A")["available_now"] == 0
    assert curve(story.atp("A"), days=2) == [0, 0]
    # when another wants 3
    story.placed(0.3, "NEXT", line("A", 3))
    # then it gets none of them, and is promised none
    assert had(story.order("NEXT")) == (0, 3)
    assert promises(story.order("NEXT")) == []
    # once the first is gone, it has them
    story.tell(0.4, "order.cancelled", "ONE")
    assert had(story.order("NEXT")) == (3, 0)


def test_units_set_aside_for_a_single_order_are_promised_to_nobody_else() -> None:
    # given 4 and 6, 10 wanted from one place, and 2 more that will not do either
    story = two_places(("BER", 4), ("HAM", 6))
    story.supply(0.1, "A", 2, due=8, location="HAM")
    story.placed(0.2, "ONE", line("A", 10), sourcing={"mode": "single"})
    assert (had(story.order("ONE")), promises(story.order("ONE"))) == ((0, 10), [])
    # when another wants 3: nothing is left before day 8, and 2 from then on
    assert curve(story.atp("A"), days=9) == [0] * 8 + [2]
    story.placed(0.3, "NEXT", line("A", 3))
    assert had(story.order("NEXT")) == (0, 3)
    assert promises(story.order("NEXT")) == [(8, 2, "BER")]
    # and a third is promised nothing of it, nor makes it late
    story.placed(0.4, "LAST", line("A", 3))
    assert promises(story.order("LAST")) == []
    # when HAM gets 4, the first has its 10 there, and the second BER's
    story.received(0.5, "A", 4, "HAM")
    assert had(story.order("ONE")) == (10, 0)
    assert had(story.order("NEXT")) == (3, 0)


def test_single_for_later_that_no_place_covers_leaves_atp() -> None:
    story = two_places(("BER", 10), ("HAM", 12))
    story.placed(0.2, "ONE", line("A", 20, ships=3), sourcing={"mode": "single"})
    assert curve(story.atp("A"), days=5) == [2] * 5
    story.placed(0.3, "NEXT", line("A", 5))
    assert had(story.order("NEXT")) == (2, 3)


def test_single_waits_for_supply_at_one_place() -> None:
    story = two_places(("BER", 4), ("HAM", 6))
    story.supply(0.1, "A", 7, due=3, location="BER")
    story.placed(0.2, "ONE", line("A", 10), sourcing={"mode": "single"})
    assert promises(story.order("ONE")) == [(3, 10, "BER")]
    # until then all places together have 10 - 10, from then on 7: 1 in BER and the 6 in HAM
    assert curve(story.atp("A"), days=4) == [0, 0, 0, 7]
    story.placed(0.3, "NEXT", line("A", 8))
    assert had(story.order("NEXT")) == (0, 8)
    assert promises(story.order("NEXT")) == [(3, 1, "BER"), (3, 6, "HAM")]
    story.received(3.1, "A", 7, "BER")
    assert had(story.order("ONE")) == (10, 0)
    assert had(story.order("NEXT")) == (7, 1)


def test_who_comes_later_is_not_promised_the_sooner_supply_that_the_first_in_rank_lacks() -> None:
    # given an order that waits for day 6, and then a supply that comes sooner
    story = Story()
    story.supply(0.1, "A", 5, due=6, name="P6")
    story.placed(0.2, "FIRST", line("A", 5))
    story.supply(0.3, "A", 5, due=3, name="P3")
    assert curve(story.atp("A"), days=7) == [-5, -5, -5, 0, 0, 0, 5]
    asked = story.atp("A", qty=5)["earliest"]["date"]
    # when another asks, it is promised what the figure says
    story.placed(0.4, "NEXT", line("A", 5))
    assert asked == day(6)
    assert promises(story.order("NEXT")) == [(6, 5, "BER")]
    # and the first in rank has what comes first
    story.received(3.1, "A", 5, supply_id="P3")
    assert (had(story.order("FIRST")), had(story.order("NEXT"))) == ((5, 0), (0, 5))


def test_stock_that_comes_before_a_lines_day_is_kept_for_it() -> None:
    # given a line for day 2 that can't ship before day 6
    story = Story()
    story.counted(0.05, "A", 0)
    story.supply(0.1, "A", 5, due=6)
    story.placed(0.2, "FIRST", line("A", 5, ships=2))
    assert promises(story.order("FIRST")) == [(6, 5, "BER")]
    # when 5 are there at once
    story.received(0.3, "A", 5)
    assert curve(story.atp("A"), days=7) == [0, 0, 0, 0, 0, 0, 5]
    story.placed(0.4, "NEXT", line("A", 5))
    # then they are for it
    assert had(story.order("NEXT")) == (0, 5)
    assert promises(story.order("NEXT")) == [(6, 5, "BER")]
    assert had(story.order("FIRST", now=2)) == (5, 0)


def test_max_splits_of_the_policy_over_supply_and_stock() -> None:
    story = two_places(("BER", 3), ("HAM", 3))
    story.place("MUC", 3)
    story.counted(0.1, "A", 9, "MUC")
    story.policy(0.1, sourcing={"mode": "split", "max_splits": 2})
    story.supply(0.1, "A", 5, due=4, location="HAM")
    assert earliest(story.atp("A", qty=8)) == (
        4,
        [(0, 3, "BER", "A"), (0, 3, "HAM", "A"), (4, 2, "HAM", "A")],
    )
    story.placed(0.2, "O1", line("A", 8))
    assert had(story.order("O1")) == (6, 2)
    assert promises(story.order("O1")) == [(0, 3, "BER"), (0, 3, "HAM"), (4, 2, "HAM")]


def test_a_place_that_is_named_gives_and_no_other() -> None:
    story = two_places(("BER", 4), ("HAM", 6))
    story.placed(0.2, "O1", line("A", 5, location="BER"))
    assert had(story.order("O1")) == (4, 1)
    assert story.atp("A", location="BER")["available_now"] == -1
    assert story.atp("A", location="HAM")["available_now"] == 6
    assert story.atp("A")["available_now"] == 5


# --- ranking ---


@pytest.mark.parametrize(("ranking", "first"), [("fifo", "SLOW"), ("priority_fifo", "URGENT")])
def test_units_that_a_cancel_frees_go_by_rank(ranking: str, first: str) -> None:
    story = Story()
    story.policy(ranking=ranking)
    story.counted(0, "A", 6)
    story.placed(0.1, "HAS", line("A", 6), priority=50)
    story.placed(0.2, "SLOW", line("A", 4))
    story.placed(0.3, "URGENT", line("A", 4), priority=1)
    story.tell(0.4, "order.cancelled", "HAS", lines=[{"line_id": "1", "qty": 5}])
    last = {"SLOW": "URGENT", "URGENT": "SLOW"}[first]
    assert (had(story.order(first)), had(story.order(last))) == ((4, 0), (1, 3))


def test_a_ranking_set_later_ranks_who_waits_anew() -> None:
    story = Story()
    story.counted(0, "A", 0)
    story.placed(0.1, "SLOW", line("A", 4))
    story.placed(0.2, "URGENT", line("A", 4), priority=1)
    story.policy(0.3, ranking="priority_fifo")
    story.received(0.4, "A", 5)
    assert (had(story.order("URGENT")), had(story.order("SLOW"))) == ((4, 0), (1, 3))


def test_a_count_below_what_is_released_takes_all_else_and_shows_the_lack() -> None:
    story = Story()
    story.counted(0, "A", 12)
    for n, order_id in enumerate(("O1", "O2", "O3")):
        story.placed(0.1 + n / 100, order_id, line("A", 4))
    story.shipment(0.2, "released", "O3", "S3", ("1", "A", 3))
    story.counted(0.3, "A", 6)
    # O3 keeps 3, and O1, first in rank, gets what is left of the 6
    assert [had(story.order(o))[0] for o in ("O1", "O2", "O3")] == [3, 0, 3]
    story.counted(0.4, "A", 2)
    assert [had(story.order(o))[0] for o in ("O1", "O2", "O3")] == [0, 0, 3]
    body = story.atp("A")
    assert (body["committed"], body["backordered"], body["available_now"]) == (3, 9, 2 - 3 - 9)


def test_excludes_committed_is_a_count_of_what_is_free() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(0.1, "O1", line("A", 4))
    story.counted(0.2, "A", 3, basis="excludes_committed")
    assert (story.atp("A")["on_hand"], story.atp("A")["available_now"]) == (7, 3)


def test_units_lost_at_one_place_come_back_from_another() -> None:
    story = two_places(("BER", 5), ("HAM", 5))
    story.placed(0.2, "O1", line("A", 3))
    story.placed(0.3, "O2", line("A", 4))  # 2 of BER, 2 of HAM
    story.tell(0.4, "inventory.moved", "A", location="BER", qty=3, **{"from": "sellable", "to": "damaged"})
    assert (
        (had(story.order("O1")), had(story.order("O2"))) == ((2, 1), (4, 0))
        or (
            had(story.order("O1")),
            had(story.order("O2")),
        )
        == ((3, 0), (3, 1))
        or story.atp("A")["committed"] == 7
    )
    assert story.atp("A", location="BER")["committed"] <= 2
    assert story.atp("A")["committed"] == 7
    assert story.atp("A")["buckets"] == {
        "sellable": 7,
        "damaged": 3,
        "quality_control": 0,
        "reserved_other": 0,
    }


# --- changes of an order ---


def changed(story: Story, at: float, order_id: str, revision: int, *lines: Json) -> None:
    stated = [{"line_id": f"{n}", **one} for n, one in enumerate(lines, 1)]
    story.tell(at, "order.changed", order_id, order_id=order_id, revision=revision, lines=stated)


def test_more_is_asked_at_the_orders_own_rank_and_less_frees() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(0.1, "O1", line("A", 4))
    story.placed(0.2, "O2", line("A", 8))
    assert had(story.order("O2")) == (6, 2)
    changed(story, 0.3, "O1", 1, line("A", 7))
    assert had(story.order("O1")) == (4, 3)
    story.received(0.4, "A", 4)
    assert (had(story.order("O1")), had(story.order("O2"))) == ((7, 0), (7, 1))
    changed(story, 0.5, "O1", 2, line("A", 2))
    assert (had(story.order("O1")), had(story.order("O2"))) == ((2, 0), (8, 0))
    changed(story, 0.6, "O1", 1, line("A", 9))  # an old revision
    assert had(story.order("O1")) == (2, 0)
    assert story.atp("A")["available_now"] == 4


def test_a_line_moved_to_a_later_day_gives_back_and_keeps_its_rank() -> None:
    story = Story()
    story.counted(0, "A", 12)
    story.placed(0.1, "O1", line("A", 8))
    story.placed(0.2, "O2", line("A", 7))
    assert had(story.order("O2")) == (4, 3)
    changed(story, 0.3, "O1", 1, line("A", 6, ships=4))
    # 8 are free again and 6 of them wanted on day 4 by the first in rank: 2 for O2, who waits
    assert had(story.order("O1")) == (0, 0)
    assert promises(story.order("O1")) == [(4, 6, "BER")]
    assert had(story.order("O2")) == (6, 1)
    assert curve(story.atp("A"), "cumulative", 5) == [5, 5, 5, 5, -1]


def test_a_line_moved_to_today_is_allocated_at_once() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(0.1, "O1", line("A", 8, ships=4))
    changed(story, 0.3, "O1", 1, line("A", 8))
    assert had(story.order("O1")) == (8, 0)


def test_a_line_that_is_added_and_one_that_is_left_out() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.counted(0, "B", 10)
    story.placed(0.1, "O1", line("A", 8))
    story.tell(
        0.2,
        "order.changed",
        "O1",
        order_id="O1",
        revision=1,
        lines=[{"line_id": "2", "sku": "B", "qty": 3}],
    )
    assert story.atp("A")["available_now"] == 10
    assert story.atp("B")["available_now"] == 7
    body = story.order("O1")
    assert (had(body, "2"), body["status"]) == ((3, 0), "ALLOCATED")


def test_a_line_is_swapped_to_another_sku() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.counted(0, "B", 10)
    story.placed(0.1, "O1", line("A", 8))
    changed(story, 0.2, "O1", 1, line("B", 5))
    assert story.atp("A")["available_now"] == 10
    assert story.atp("B")["available_now"] == 5


# --- kits and baskets ---


def test_a_kit_whose_components_lie_at_different_places() -> None:
    story = two_places()
    story.product("DESK", kit=[{"sku": "LEG", "qty_per": 4}, {"sku": "TOP", "qty_per": 1}])
    story.counted(0.1, "LEG", 9, "BER")
    story.counted(0.1, "TOP", 1, "HAM")
    body = story.atp("DESK", qty=1)
    assert body["available_now"] == 1
    assert curve(body, days=2) == [1, 1]
    # the first day whose ATP is 1 is today
    assert body["earliest"]["date"] == day(0)
    story.placed(0.2, "O1", line("DESK", 1))
    assert had(story.order("O1")) == (1, 0)


def test_a_kit_whose_component_is_spread_over_places() -> None:
    story = two_places()
    story.product("DESK", kit=[{"sku": "LEG", "qty_per": 4}])
    story.counted(0.1, "LEG", 3, "BER")
    story.counted(0.1, "LEG", 3, "HAM")
    body = story.atp("DESK", qty=1)
    assert (body["available_now"], curve(body, days=1)) == (1, [1])
    assert body["earliest"]["date"] == day(0)
    story.placed(0.2, "O1", line("DESK", 1))
    assert had(story.order("O1")) == (1, 0)


def test_a_kit_over_time() -> None:
    story = Story()
    story.product("DESK", kit=[{"sku": "LEG", "qty_per": 4}, {"sku": "TOP", "qty_per": 1}])
    story.counted(0.1, "LEG", 10)
    story.counted(0.1, "TOP", 1)
    story.supply(0.1, "TOP", 4, due=2)
    story.supply(0.1, "LEG", 8, due=5)
    story.placed(0.2, "O1", line("LEG", 3, ships=3))
    # legs by day: 10 10 10 7 7 15, look-ahead 7 7 7 7 7 15; tops 1 1 5 5 5 5
    body = story.atp("DESK", qty=3)
    assert curve(body, days=6) == [1, 1, 1, 1, 1, 3]
    assert curve(body, "cumulative", 6) == [1, 1, 2, 1, 1, 3]
    assert earliest(body) == (5, [(0, 1, "BER", "DESK"), (5, 2, "BER", "DESK")])
    story.placed(0.3, "O2", line("DESK", 3))
    assert had(story.order("O2")) == (1, 2)
    assert promises(story.order("O2")) == [(0, 1, "BER"), (5, 2, "BER")]


def test_a_kit_and_a_plain_line_of_its_component_share_what_there_is() -> None:
    story = Story()
    story.product("PAIR", kit=[{"sku": "LAMP", "qty_per": 2}])
    story.counted(0.1, "LAMP", 9)
    story.placed(0.2, "O1", line("LAMP", 6), line("PAIR", 2))
    # 6 and one pair; one lamp is left, and a pair is lacking
    body = story.order("O1")
    assert (had(body, "1"), had(body, "2")) == ((6, 0), (1, 1))
    # cumulative is 9 - 6 - 4: a new order gets nothing
    assert curve(story.atp("LAMP"), days=1) == [-1]
    story.placed(0.3, "O2", line("LAMP", 1))
    assert had(story.order("O2")) == (0, 1)
    story.received(0.4, "LAMP", 1)
    assert had(story.order("O1"), "2") == (2, 0)
    assert had(story.order("O2")) == (0, 1)


def test_ship_complete_with_two_lines_of_a_sku_and_a_kit() -> None:
    story = Story()
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
    story.counted(0.1, "A", 9)
    story.counted(0.1, "B", 5)
    # 3 + 3 + 2 * 2 = 10 of A are wanted, 9 are there
    story.placed(0.2, "O1", line("A", 3), line("A", 3), line("SET", 2), ship_complete=True)
    assert [had(story.order("O1"), n)[0] for n in "123"] == [0, 0, 0]
    # its units are kept: nobody behind it takes them
    story.placed(0.3, "O2", line("A", 2), line("B", 4))
    assert had(story.order("O2"), "1") == (0, 2)
    assert had(story.order("O2"), "2") == (3, 1)
    story.received(0.4, "A", 1)
    assert [had(story.order("O1"), n)[0] for n in "123"] == [3, 3, 2]
    assert (story.atp("A")["committed"], story.atp("B")["committed"]) == (10, 5)


def test_a_complete_basket_for_later_keeps_its_units() -> None:
    story = Story()
    story.counted(0.1, "B", 10)
    story.counted(0.1, "A", 0)
    story.placed(0.2, "O1", line("A", 10, ships=5), line("B", 10, ships=5), ship_complete=True)
    assert curve(story.atp("B"), days=2) == [0, 0]
    story.placed(0.3, "O2", line("B", 10))
    assert had(story.order("O2")) == (0, 10)


def test_complete_baskets_in_opposite_order_do_not_block_each_other() -> None:
    story = Story()
    story.counted(0.1, "A", 5)
    story.counted(0.1, "B", 5)
    story.placed(0.2, "O1", line("A", 4), line("B", 4), ship_complete=True)
    story.placed(0.3, "O2", line("B", 4), line("A", 4), ship_complete=True)
    story.received(0.4, "A", 3)
    assert story.order("O1")["status"] == "ALLOCATED"
    assert story.order("O2")["status"] == "BACKORDERED"
    story.received(0.5, "B", 3)
    assert story.order("O2")["status"] == "ALLOCATED"


# --- substitutes ---


def test_a_substitute_from_a_date_on() -> None:
    story = Story()
    story.product("A", substitutes=[{"sku": "B", "ratio": 2, "valid_from": day(2), "needs_consent": False}])
    story.counted(0.1, "A", 1)
    story.counted(0.1, "B", 9)
    story.placed(0.2, "O1", line("A", 3))
    assert had(story.order("O1")) == (1, 2)
    assert had(story.order("O1", now=2)) == (3, 0)
    assert story.atp("B", now=2)["committed"] == 4


def test_a_ratio_that_is_not_whole_does_not_count() -> None:
    story = Story()
    story.product("A", substitutes=[{"sku": "B", "ratio": 1.5, "needs_consent": False}])
    story.counted(0.1, "A", 1)
    story.counted(0.1, "B", 9)
    story.placed(0.2, "O1", line("A", 3))
    assert had(story.order("O1")) == (1, 2)
    assert earliest(story.atp("A", qty=1))[0] is None


def test_a_successor_takes_over_from_its_day_on() -> None:
    story = Story()
    story.product("OLD", superseded_by={"sku": "NEW", "valid_from": day(1)})
    story.counted(0.1, "OLD", 2)
    story.counted(0.1, "NEW", 5)
    story.placed(0.2, "O1", line("OLD", 4))
    assert had(story.order("O1")) == (2, 2)
    assert had(story.order("O1", now=1)) == (4, 0)
    assert earliest(story.atp("OLD", now=1.1, qty=2)) == (1, [(1, 2, "BER", "NEW")])


def test_untracked_goods_in_a_kit_and_in_a_complete_basket() -> None:
    story = Story()
    story.product("CARD", tracked=False)
    story.product("BOX", kit=[{"sku": "A", "qty_per": 2}, {"sku": "CARD", "qty_per": 1}])
    story.counted(0.1, "A", 5)
    assert story.atp("BOX")["available_now"] == 2
    story.placed(0.2, "O1", line("BOX", 2), line("CARD", 7), ship_complete=True)
    assert story.order("O1")["status"] == "ALLOCATED"
    body = story.atp("CARD")
    assert {body[name] for name in ("on_hand", "committed", "available_now", "available", "shortage")} == {
        None
    }
    assert body["curve"] is None


# --- promises ---


def test_a_promise_stays_when_it_could_be_sooner_and_moves_when_it_breaks() -> None:
    story = Story()
    story.supply(0.1, "A", 5, due=4, name="P1")
    story.supply(0.1, "A", 5, due=6, name="P2")
    story.placed(0.2, "O1", line("A", 4))
    story.placed(0.3, "O2", line("A", 4))
    # 1 of P1 is left for O2
    assert promises(story.order("O2")) == [(4, 1, "BER"), (6, 3, "BER")]
    story.tell(0.4, "supply.cancelled", "A", supply_id="P1")
    # what O2 was promised for day 6 holds; 2 of P2 are left for O1
    assert promises(story.order("O1")) == [(6, 2, "BER")]
    assert promises(story.order("O2")) == [(6, 3, "BER")]
    risks = story.ask("/v1/at-risk")["promises"]
    assert [(r["order_id"], r["cause"], r["qty"], r["promised"], r["date"]) for r in risks] == [
        ("O1", "supplier_late", 4, day(4), None),
        # its first unit moves from day 4 to 6, its last has no day any more
        ("O2", "supplier_late", 2, day(6), None),
    ]
    # a new supply mends both
    story.supply(0.5, "A", 8, due=3, name="P3")
    assert promises(story.order("O1"))[-1][0] == 3
    assert story.ask("/v1/at-risk")["promises"] == []


def test_stock_that_is_lost_breaks_the_last_promise_in_rank() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4, ships=5))
    story.placed(0.3, "O2", line("A", 6, ships=2))
    lost = story.tell(0.4, "inventory.adjusted", "A", location="BER", delta=-3)
    assert lost
    assert promises(story.order("O1")) == [(5, 4, "BER")]
    assert promises(story.order("O2")) == [(2, 3, "BER")]
    (told,) = story.ask("/v1/at-risk")["promises"]
    assert (told["order_id"], told["qty"], told["cause"], told["date"]) == (
        "O2",
        3,
        "count_discrepancy",
        None,
    )


def test_milestones_tell_that_a_promise_was_set_and_changed() -> None:
    story = Story()
    story.supply(0.1, "A", 5, due=4, name="P1")
    story.placed(0.2, "O1", line("A", 4))
    story.tell(0.4, "supply.rescheduled", "A", supply_id="P1", due=day(7))
    names = [m["name"] for m in story.order("O1")["milestones"]]
    assert names.count("promise_set") == 1
    assert names.count("promise_changed") == 1
    changes = [m for m in story.order("O1")["milestones"] if m["name"] == "promise_changed"]
    assert changes[0]["occurred_at"] == moment(0.4)
