"""What a SKU can't cover is had of what may stand for it: in order, in whole ratios, from a date, with consent."""

from __future__ import annotations

from typing import Any

import pytest
from domain import OrderStage, order_lines, placed, step

from springtide.codecs import facts as f
from springtide.codecs.times import DAY_US, SECOND_US

DAY_S = DAY_US // SECOND_US


def old(**more: Any) -> f.ProductUpserted:
    return f.ProductUpserted(sku="old", name="Old", uom="EA", **more)


def instead(sku: str, ratio: float = 1, **more: Any) -> f.Substitute:
    return f.Substitute(sku=sku, ratio=ratio, **more)


SIX = old(substitutes=(instead("six", 6), instead("one")))


@pytest.fixture
def order() -> OrderStage:
    """Five of `old` ordered, for each of which six of `six` stand, or one of `one`."""
    stage = OrderStage("o1", SIX)
    stage.fact("order.placed", placed(("1", "old", 5)))
    return stage


def asked_skus(order: OrderStage) -> list[str]:
    return [sku for sku, _ in order.asks]


def quantities(order: OrderStage) -> tuple[int, int]:
    return order.ledger("1").allocated, order.ledger("1").backordered


def test_nobody_else_is_asked_while_the_sku_itself_has_enough(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 5}, 0))
    assert asked_skus(order) == ["old"]
    assert order.status == "ALLOCATED"


def test_what_is_short_is_asked_in_order_and_covered_by_whole_ratios(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3))
    line = order.asked("six").lines[0]
    assert (line.want, line.queues, line.lot) == (18, False, 6)
    order.answer("six", ("1", {"A": 12}, 0))  # of 15 there, whole sixes only
    # the substitute keeps what it gives, the SKU itself is asked for the rest
    assert (order.wants("six"), order.wants("old")) == ({"1": 12}, {"1": 3})
    order.answer("six", ("1", {"A": 12}, 0))
    order.answer("old", ("1", {"A": 2}, 1))
    assert order.wants("one") == {"1": 1}
    order.answer("one", ("1", {"B": 1}, 0))
    order.answer("old", ("1", {"A": 2}, 0))
    assert quantities(order) == (5, 0)
    assert order.order.lines["1"].cells == {"A": 4, "B": 1}
    assert order.status == "ALLOCATED"


def test_what_none_of_them_has_stays_with_the_sku_itself(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3))
    for sku in ("six", "one"):
        order.answer(sku, ("1", {}, 0))
        assert order.wants(sku) == {"1": 0}
        order.answer(sku, ("1", {}, 0))
    assert order.wants("old") == {"1": 5}
    assert quantities(order) == (2, 3)
    # and they are not asked again for less
    asked = len(order.asks)
    order.answer("old", ("1", {"A": 3}, 2))
    assert (len(order.asks), quantities(order)) == (asked, (3, 2))
    # but for more than was asked of them before
    order.answer("old", ("1", {"A": 1}, 4))
    assert order.wants("six") == {"1": 24}


def test_what_a_substitute_loses_is_wanted_of_the_sku_again(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3))
    order.answer("six", ("1", {"A": 18}, 0))
    order.answer("old", ("1", {"A": 2}, 0))
    assert quantities(order) == (5, 0)
    order.answer("six", ("1", {"A": 6}, 0))
    assert (order.wants("six"), order.wants("old")) == ({"1": 6}, {"1": 4})


def test_a_cancel_takes_first_what_is_short_then_what_stands_for_it(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3))
    order.answer("six", ("1", {"A": 12}, 0))
    order.answer("six", ("1", {"A": 12}, 0))
    order.answer("old", ("1", {"A": 2}, 1))
    order.answer("one", ("1", {}, 0))
    order.answer("one", ("1", {}, 0))
    cancel(order, 1)
    assert (order.wants("old"), order.wants("six")) == ({"1": 2}, {"1": 12})
    order.answer("old", ("1", {"A": 2}, 0))
    order.answer("six", ("1", {"A": 12}, 0))
    cancel(order, 1)
    assert (order.wants("old"), order.wants("six")) == ({"1": 2}, {"1": 6})
    order.answer("six", ("1", {"A": 6}, 0))
    order.answer("old", ("1", {"A": 2}, 0))
    cancel(order, 3)
    assert (order.wants("old"), order.wants("six")) == ({"1": 0}, {"1": 0})


def cancel(order: OrderStage, qty: int) -> None:
    order.fact("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=qty),)))


def test_what_ships_of_a_substitute_counts_for_the_line(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3))
    order.answer("six", ("1", {"A": 18}, 0))
    order.answer("old", ("1", {"A": 2}, 0))
    order.fact("shipment.shipped", step("s1", ("1", "old", 2), ("1", "six", 13), location="A"))
    assert order.exceptions() == []
    assert order.ledger("1").shipped == 4
    assert order.asked("six").lines[0].shipped == {"A": 13}
    assert (order.wants("old"), order.wants("six")) == ({"1": 2}, {"1": 18})
    order.fact("shipment.shipped", step("s2", ("1", "six", 5), location="A"))
    assert (order.ledger("1").shipped, order.status) == (5, "SHIPPED")


def test_a_warehouse_may_ship_a_substitute_that_was_not_asked(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 5}, 0))
    order.fact("shipment.shipped", step("s1", ("1", "one", 3), location="A"))
    assert (order.wants("old"), order.wants("one")) == ({"1": 2}, {"1": 3})
    assert order.ledger("1").shipped == 3


@pytest.mark.parametrize(
    ("product", "line", "asked"),
    [
        (old(substitutes=(instead("new", 1.5),)), {}, False),
        (old(substitutes=(instead("new", needs_consent=True),)), {}, False),
        (old(substitutes=(instead("new", needs_consent=True),)), {"substitutes_ok": True}, True),
        (old(substitutes=(instead("old"),)), {}, False),
        (old(superseded_by=f.Successor(sku="new", valid_from="1970-01-01")), {}, True),
    ],
    ids=["no whole ratio", "no consent", "consent", "itself", "successor"],
)
def test_who_may_stand_for_it(product: f.ProductUpserted, line: dict[str, Any], asked: bool) -> None:
    order = OrderStage("o1", product)
    order.fact("order.placed", placed(f.OrderLine(line_id="1", sku="old", qty=5, **line)))
    order.answer("old", ("1", {"A": 2}, 3))
    assert ("new" in asked_skus(order)) == asked


def test_nothing_stands_for_it_before_its_day() -> None:
    order = OrderStage("o1", old(substitutes=(instead("new", valid_from="1970-01-03"),)))
    order.fact("order.placed", placed(("1", "old", 5)))
    order.answer("old", ("1", {"A": 2}, 3))
    order.clock(2 * DAY_S - 1)
    assert asked_skus(order) == ["old"]
    # its day comes, and no event with it
    order.clock(2 * DAY_S)
    assert order.wants("new") == {"1": 3}


def test_promises_say_which_sku_ships(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3), promises=((0, "A", 2), (7, "A", 3)))
    assert order.promises() == []
    order.answer("six", ("1", {"A": 12}, 0), promises=((0, "B", 12),))
    order.answer("six", ("1", {"A": 12}, 0), promises=((0, "B", 12),))
    order.answer("old", ("1", {"A": 2}, 1), promises=((0, "A", 2), (7, "A", 1)))
    order.answer("one", ("1", {}, 0))
    order.answer("one", ("1", {}, 0))
    assert order.promises() == [(0, "A", 2, "old"), (0, "B", 2, "six"), (7, "A", 1, "old")]
    assert order.milestones().count("promise_set") == 1
    assert "promise_changed" not in order.milestones()


# --- supersession ---


@pytest.fixture
def superseded() -> OrderStage:
    """Five of `old` ordered, which `new` supersedes."""
    stage = OrderStage("o1", old(superseded_by=f.Successor(sku="new", valid_from="1970-01-01")))
    stage.fact("order.placed", placed(("1", "old", 5)))
    return stage


def test_what_no_supply_will_cover_waits_at_the_successor(superseded: OrderStage) -> None:
    order = superseded
    order.answer("old", ("1", {"A": 2}, 3), promises=((0, "A", 2), (4, "A", 1)))
    order.answer("new", ("1", {"A": 1}, 0), promises=((0, "A", 1),))
    order.answer("new", ("1", {"A": 1}, 0), promises=((0, "A", 1),))
    assert order.wants("old") == {"1": 4}
    order.answer("old", ("1", {"A": 2}, 2), promises=((0, "A", 2), (4, "A", 1)))
    # one unit is neither there nor to come: the successor's supply plans it
    assert (order.wants("old"), order.wants("new")) == ({"1": 3}, {"1": 2})
    assert order.asked("new").lines[0].queues
    order.answer("old", ("1", {"A": 2}, 1), promises=((0, "A", 2), (4, "A", 1)))
    order.answer("new", ("1", {"A": 1}, 1), promises=((0, "A", 1), (9, "A", 1)))
    assert quantities(order) == (3, 2)
    assert order.promises() == [
        (0, "A", 1, "new"),
        (0, "A", 2, "old"),
        (4, "A", 1, "old"),
        (9, "A", 1, "new"),
    ]
    asked = len(order.asks)
    order.answer("new", ("1", {"A": 2}, 0), promises=((0, "A", 2),))
    assert (quantities(order), len(order.asks)) == ((4, 1), asked)


def test_a_line_for_later_waits_at_the_successor_too() -> None:
    order = OrderStage("o1", old(superseded_by=f.Successor(sku="new", valid_from="1970-01-01")))
    later = f.OrderLine(line_id="1", sku="old", qty=5, requested_date="1970-01-06")
    order.fact("order.placed", placed(later))
    order.answer("old", ("1", {}, 0), promises=((5, "A", 3),))
    assert (order.wants("old"), order.wants("new")) == ({"1": 3}, {"1": 2})
    assert (order.asked("new").lines[0].day, order.asked("new").lines[0].queues) == (5, True)


# --- orders that ship complete ---


@pytest.fixture
def whole() -> OrderStage:
    stage = OrderStage("o1", SIX)
    stage.fact("order.placed", placed(("1", "old", 5), ship_complete=True))
    stage.answer("old", ("1", {}, 5))
    return stage


def test_all_or_nothing_may_be_had_together_with_a_substitute(whole: OrderStage) -> None:
    # it is asked again, for what it has
    assert not whole.asked("old").complete
    whole.answer("old", ("1", {"A": 2}, 3))
    assert (whole.wants("six"), whole.asked("six").complete) == ({"1": 18}, False)
    whole.answer("six", ("1", {"A": 18}, 0))
    whole.answer("old", ("1", {"A": 2}, 0))
    assert quantities(whole) == (0, 5)  # until both have said that they have it whole
    assert (whole.wants("old"), whole.asked("old").complete) == ({"1": 2}, True)
    assert (whole.wants("six"), whole.asked("six").complete) == ({"1": 18}, True)
    whole.answer("old", ("1", {"A": 2}, 0))
    whole.answer("six", ("1", {"A": 18}, 0))
    assert quantities(whole) == (5, 0)


def test_all_is_given_back_where_they_have_not_enough_together(whole: OrderStage) -> None:
    whole.answer("old", ("1", {"A": 2}, 3))
    whole.answer("six", ("1", {"A": 6}, 0))
    whole.answer("six", ("1", {"A": 6}, 0))
    whole.answer("old", ("1", {"A": 2}, 2))
    whole.answer("one", ("1", {}, 0))
    whole.answer("one", ("1", {}, 0))
    assert (whole.wants("old"), whole.asked("old").complete) == ({"1": 5}, True)
    assert (whole.wants("six"), whole.wants("one")) == ({"1": 0}, {"1": 0})
    whole.answer("old", ("1", {}, 5))
    whole.answer("six", ("1", {}, 0))
    assert quantities(whole) == (0, 5)
    # when it comes, it comes whole
    whole.answer("old", ("1", {"A": 5}, 0))
    assert quantities(whole) == (5, 0)


def test_a_substitute_that_had_nothing_keeps_no_part_for_a_line_of_its_own() -> None:
    whole = OrderStage("o1", old(substitutes=(instead("six", 6),)))
    whole.fact("order.placed", placed(("1", "old", 5), ("2", "six", 3), ship_complete=True))
    whole.answer("six", ("2", {}, 3), ("1", {}, 0))
    whole.answer("old", ("1", {}, 5))
    whole.answer("old", ("1", {"A": 2}, 3))
    assert (whole.wants("six"), whole.asked("six").complete) == ({"1": 18, "2": 3}, False)
    whole.answer("six", ("2", {"A": 2}, 1), ("1", {}, 0))
    whole.answer("six", ("2", {"A": 2}, 1), ("1", {}, 0))
    assert (whole.wants("old"), whole.asked("old").complete) == ({"1": 5}, True)
    assert (whole.wants("six"), whole.asked("six").complete) == ({"1": 0, "2": 3}, True)


def test_a_revision_uses_what_is_known_then(order: OrderStage) -> None:
    order.answer("old", ("1", {"A": 2}, 3))
    order.answer("six", ("1", {"A": 18}, 0))
    order.answer("old", ("1", {"A": 2}, 0))
    # the same again but for one more: what stands for it stays
    order.fact("order.changed", f.OrderChanged(revision=1, lines=order_lines(("1", "old", 6))))
    assert (order.wants("old"), order.wants("six")) == ({"1": 3}, {"1": 18})
    order.goods.clear()
    order.fact("order.changed", f.OrderChanged(revision=2, lines=order_lines(("1", "old", 6))))
    assert (order.wants("old"), order.wants("six")) == ({"1": 6}, {})
