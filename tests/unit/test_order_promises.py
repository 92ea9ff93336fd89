"""What a line was first promised and is promised now; promises asked for before there is an order."""

from __future__ import annotations

from typing import Any

import pytest
from domain import OrderStage, order_lines, placed, step

from springtide.codecs import facts as f
from springtide.codecs.times import DAY_US, SECOND_US
from springtide.tables.catalog import Network, Place
from springtide.tables.promise import promise_outcome, risk

DAY_S = DAY_US // SECOND_US


@pytest.fixture
def order() -> OrderStage:
    """Ten of tea ordered."""
    stage = OrderStage()
    stage.fact("order.placed", placed(("1", "tea", 10)))
    return stage


def breaks(order: OrderStage, line_id: str = "1") -> tuple[int, int, int | None, str | None] | None:
    """(units, first day, day, cause) of what breaks of a line's promise."""
    line = order.order.lines[line_id]
    found = risk(line, order.ledger(line_id).shipped)
    return None if found is None else (found.qty, found.first_day, found.day, found.cause)


def promise_milestones(order: OrderStage) -> list[str]:
    return [name for name in order.milestones() if "promise" in name]


def test_a_promise_stands_once_all_units_have_a_date(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6),))
    assert promise_milestones(order) == []
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "B", 4)))
    assert promise_milestones(order) == ["promise_set"]
    assert order.promises() == [(0, "A", 6, "tea"), (5, "B", 4, "tea")]
    assert breaks(order) is None


def test_a_later_date_breaks_it_and_the_same_date_again_mends_it(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (8, "A", 4)), cause="supplier_late")
    assert promise_milestones(order) == ["promise_set", "promise_changed"]
    assert breaks(order) == (4, 5, 8, "supplier_late")
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "B", 4)))
    assert breaks(order) is None


def test_units_that_nothing_covers_any_more_break_it(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    order.answer("tea", ("1", {"A": 7}, 3), promises=((0, "A", 7),), cause="count_discrepancy")
    assert breaks(order) == (3, 0, None, "count_discrepancy")


def test_an_earlier_date_is_a_change_and_breaks_nothing(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    order.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 6), (2, "A", 4)))
    assert promise_milestones(order) == ["promise_set", "promise_changed"]
    assert breaks(order) is None
    # and to fall back to what was promised first breaks nothing either
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    assert breaks(order) is None


def test_another_place_is_no_change_of_the_promise(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    order.answer("tea", ("1", {"A": 4, "B": 6}, 0), promises=((0, "A", 4), (0, "B", 6)))
    assert promise_milestones(order) == ["promise_set"]


def test_a_part_promise_breaks_too(order: OrderStage) -> None:
    """Four were never promised; the six that were slip by a day, with two more that are new."""
    order.answer("tea", ("1", {"A": 0}, 10), promises=((3, "A", 6),))
    order.answer("tea", ("1", {"A": 0}, 10), promises=((4, "A", 8),))
    assert breaks(order) == (6, 3, 4, None)
    assert promise_milestones(order) == []


def test_what_has_shipped_is_at_risk_no_more(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    order.answer("tea", ("1", {"A": 7}, 3), promises=((0, "A", 7), (4, "A", 3)))
    order.fact("shipment.shipped", step("s1", ("1", "tea", 7), location="A"))
    assert breaks(order) == (3, 0, 4, None)
    order.fact("shipment.shipped", step("s2", ("1", "tea", 3), location="A"))
    assert breaks(order) is None


def test_what_is_cancelled_changes_no_promise_of_the_rest(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    order.fact("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=4),)))
    order.answer("tea", ("1", {"A": 6}, 0), promises=((0, "A", 6),))
    assert promise_milestones(order) == ["promise_set"]
    assert breaks(order) is None


def test_a_revision_starts_its_promises_anew(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    later = f.OrderLine(line_id="1", sku="tea", qty=10, requested_date="1970-01-10")
    order.fact("order.changed", f.OrderChanged(revision=1, lines=(later,)))
    assert promise_milestones(order) == ["-promise_set"]
    assert order.asked("tea").awaits
    order.answer("tea", ("1", {}, 0), promises=((9, "A", 10),))
    assert promise_milestones(order) == ["promise_set"]
    assert breaks(order) is None


def test_a_revision_that_says_the_same_keeps_them(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    order.fact("order.changed", f.OrderChanged(revision=1, lines=order_lines(("1", "tea", 10))))
    assert promise_milestones(order) == ["promise_set"]


def test_what_time_brings_names_the_event_that_stated_the_lines(order: OrderStage) -> None:
    assert order.order.stated_by == "src 1"
    order.fact("order.confirmed", f.OrderConfirmed())
    assert order.order.stated_by == "src 1"
    order.fact("order.changed", f.OrderChanged(revision=1, lines=order_lines(("1", "tea", 9))))
    assert order.order.stated_by == "src 3"


def test_an_order_that_ships_complete_is_promised_for_its_last_day() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 2), ("2", "mug", 2), ship_complete=True))
    order.answer("tea", ("1", {"A": 2}, 0), promises=((0, "A", 2),))
    order.answer("mug", ("2", {}, 2), promises=((3, "A", 1),))
    order.answer("tea", ("1", {}, 2), promises=((0, "A", 2),))
    # a mug has no date, so nothing has
    assert (order.promises("1"), order.promises("2")) == ([], [])
    order.answer("mug", ("2", {}, 2), promises=((3, "A", 1), (6, "B", 1)))
    assert order.promises("1") == [(6, "A", 2, "tea")]
    assert order.promises("2") == [(6, "A", 1, "mug"), (6, "B", 1, "mug")]


# --- asked for before the order ---


@pytest.fixture
def asked() -> OrderStage:
    """A promise of ten of tea is asked for."""
    stage = OrderStage()
    stage.promise_asked(("1", "tea", 10))
    return stage


def outcome(order: OrderStage) -> dict[str, Any]:
    body = promise_outcome(order.order)
    assert body is not None
    return body


def outcomes(order: OrderStage) -> tuple[str, dict[str, str]]:
    body = outcome(order)
    return body["outcome"], {line["line_id"]: line["outcome"] for line in body["lines"]}


def test_a_promise_asks_as_an_order_does_but_keeps_safety_stock(asked: OrderStage) -> None:
    demand = asked.asked("tea")
    assert (demand.keeps_safety, demand.awaits, demand.lines[0].want) == (True, True, 10)
    assert promise_outcome(asked.order) is None
    assert not asked.order.placed
    assert asked.published == []


@pytest.mark.parametrize(
    ("cells", "short", "promises", "told"),
    [
        ({"A": 10}, 0, ((0, "A", 10),), "confirmed"),
        ({"A": 6, "B": 4}, 0, ((0, "A", 6), (0, "B", 4)), "split"),
        ({"A": 6}, 4, ((0, "A", 6), (5, "A", 4)), "split"),
        ({"A": 6}, 4, ((0, "A", 6),), "partial"),
        ({}, 10, ((5, "A", 10),), "backordered"),
        ({}, 10, (), "refused"),
    ],
)
def test_outcomes(
    asked: OrderStage,
    cells: dict[str, int],
    short: int,
    promises: tuple[tuple[int, str, int], ...],
    told: str,
) -> None:
    asked.answer("tea", ("1", cells, short), promises=promises)
    assert outcomes(asked) == (told, {"1": told})
    dates = [(line["date"], line["qty"], line["location"]) for line in outcome(asked)["lines"][0]["promises"]]
    assert dates == [(f"1970-01-0{day + 1}", units, location) for day, location, units in promises]
    # what has no date waits for nothing
    assert asked.wants("tea") == {"1": sum(units for _, _, units in promises)}


def test_a_line_for_later_is_confirmed_for_its_day() -> None:
    order = OrderStage()
    order.promise_asked(f.OrderLine(line_id="1", sku="tea", qty=10, requested_date="1970-01-06"))
    order.answer("tea", ("1", {}, 0), promises=((5, "A", 10),))
    assert outcomes(order) == ("confirmed", {"1": "confirmed"})


@pytest.mark.parametrize(("day", "told"), [(4, "confirmed"), (5, "backordered")])
def test_a_day_on_which_nothing_ships_counts_as_the_next(day: int, told: str) -> None:
    """Asked for Saturday, 3 January 1970; place A works from Monday to Friday."""
    order = OrderStage()
    order.network = Network({"A": Place("Depot", week=0b001_1111)})
    order.promise_asked(f.OrderLine(line_id="1", sku="tea", qty=10, requested_date="1970-01-03"))
    order.answer("tea", ("1", {}, 0), promises=((day, "A", 10),))
    assert outcomes(order) == (told, {"1": told})


def test_the_order_takes_the_promise_over(asked: OrderStage) -> None:
    asked.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    asked.fact("order.placed", placed(("1", "tea", 10)), at_s=3_600)
    demand = asked.asked("tea")
    assert (demand.lines[0].want, demand.keeps_safety, demand.placed_us) == (10, False, 0)
    assert asked.status == "PARTIALLY_ALLOCATED"
    assert promise_milestones(asked) == ["promise_set"]
    # a day later it is an order, and nothing is given back
    asked.clock(2 * DAY_S)
    assert asked.wants("tea") == {"1": 10}
    assert outcomes(asked) == ("split", {"1": "split"})


def test_an_order_may_want_less_and_other_things(asked: OrderStage) -> None:
    asked.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    asked.fact("order.placed", placed(("2", "mug", 1)), at_s=3_600)
    assert (asked.wants("tea"), asked.wants("mug")) == ({}, {"2": 1})
    assert list(asked.order.lines) == ["2"]


def test_without_an_order_it_is_given_back_after_a_day(asked: OrderStage) -> None:
    asked.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    asked.clock(DAY_S - 1)
    assert asked.wants("tea") == {"1": 10}
    asked.clock(DAY_S)
    assert asked.wants("tea") == {"1": 0}
    # the answer stays what it was
    assert outcomes(asked) == ("confirmed", {"1": "confirmed"})
    # and an order that comes then is one like any other
    asked.fact("order.placed", placed(("1", "tea", 10)), at_s=2 * DAY_S)
    assert asked.wants("tea") == {"1": 10}
    assert asked.asked("tea").placed_us == 2 * DAY_US


def test_the_same_key_is_answered_and_not_applied(asked: OrderStage) -> None:
    asked.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    told, count = outcome(asked), len(asked.asks)
    asked.answer("tea", ("1", {"A": 8}, 0), promises=((0, "A", 8),))
    asked.promise_asked(("1", "tea", 10))
    assert (outcome(asked), len(asked.asks)) == (told, count)


def test_another_key_asks_anew(asked: OrderStage) -> None:
    asked.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    asked.promise_asked(("1", "tea", 4), ("2", "mug", 1), key="k2")
    assert promise_outcome(asked.order) is None
    assert (asked.wants("tea"), asked.wants("mug")) == ({"1": 4}, {"2": 1})
    asked.answer("tea", ("1", {"A": 4}, 0), promises=((0, "A", 4),))
    asked.answer("mug", ("2", {}, 1))
    assert outcomes(asked) == ("partial", {"1": "confirmed", "2": "refused"})


@pytest.fixture
def basket() -> OrderStage:
    """Tea and a mug are asked for, all or nothing; the tea is there and the mug is not."""
    stage = OrderStage()
    stage.promise_asked(("1", "tea", 10), ("2", "mug", 1), ship_complete=True)
    stage.answer("tea", ("1", {"A": 10}, 0), promises=((0, "A", 10),))
    return stage


def test_all_or_nothing_gives_all_back_where_one_has_no_date(basket: OrderStage) -> None:
    basket.answer("mug", ("2", {}, 1))
    basket.answer("tea", ("1", {}, 10), promises=((0, "A", 10),))
    assert outcomes(basket) == ("refused", {"1": "refused", "2": "refused"})
    assert (basket.wants("tea"), basket.wants("mug")) == ({"1": 0}, {"2": 0})


def test_all_or_nothing_is_promised_for_the_day_of_the_last(basket: OrderStage) -> None:
    basket.answer("mug", ("2", {}, 1), promises=((4, "A", 1),))
    basket.answer("tea", ("1", {}, 10), promises=((0, "A", 10),))
    assert outcomes(basket) == ("backordered", {"1": "backordered", "2": "backordered"})
    assert [line["promises"][0]["date"] for line in outcome(basket)["lines"]] == ["1970-01-05", "1970-01-05"]
    assert (basket.wants("tea"), basket.wants("mug")) == ({"1": 10}, {"2": 1})


def test_asked_about_an_order_that_is_placed_it_tells_what_that_has(order: OrderStage) -> None:
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    order.promise_asked(("1", "tea", 99))
    assert (order.wants("tea"), order.asked("tea").awaits) == ({"1": 10}, True)
    order.answer("tea", ("1", {"A": 6}, 4), promises=((0, "A", 6), (5, "A", 4)))
    assert outcomes(order) == ("split", {"1": "split"})
    assert order.wants("tea") == {"1": 10}
