"""A kit is had of its components, whole kits only: nobody's units are kept in vain."""

from __future__ import annotations

import pytest
from domain import OrderStage, order_lines, placed, released, step

from springtide.codecs import facts as f

DESK = f.ProductUpserted(
    sku="desk", name="Desk", uom="EA", kit=(f.KitPart(sku="leg", qty_per=4), f.KitPart(sku="top", qty_per=1))
)


@pytest.fixture
def order() -> OrderStage:
    """Six desks ordered; no component has answered."""
    stage = OrderStage("o1", DESK)
    stage.fact("order.placed", placed(("1", "desk", 6)))
    return stage


def caps(order: OrderStage) -> dict[str, int | None]:
    return {sku: order.asked(sku).lines[0].cap for sku in ("leg", "top")}


def test_each_component_is_asked_for_its_units(order: OrderStage) -> None:
    assert order.wants("leg") == {"1": 24}
    assert order.wants("top") == {"1": 6}
    assert [sku for sku, _ in order.asks] == ["leg", "top"]
    assert (order.asked("leg").lines[0].lot, order.asked("top").lines[0].lot) == (4, 1)
    assert order.asked("leg").awaits


def test_the_scarcest_component_says_how_many_kits_there_are(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 16}, 8))
    order.answer("top", ("1", {"A": 6}, 0))
    assert (order.ledger("1").allocated, order.ledger("1").backordered) == (4, 2)
    # the tops that make no desk are given back, and wait
    assert caps(order) == {"leg": None, "top": 4}
    order.answer("top", ("1", {"A": 4}, 2))
    assert order.status == "PARTIALLY_ALLOCATED"
    assert order.order.lines["1"].cells == {"A": 4}


def test_the_cap_rises_with_the_scarcest(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 16}, 8))
    order.answer("top", ("1", {"A": 6}, 0))
    order.answer("top", ("1", {"A": 4}, 2))
    order.answer("leg", ("1", {"A": 20}, 4))
    assert caps(order) == {"leg": None, "top": 5}
    order.answer("top", ("1", {"A": 5}, 1))
    assert order.ledger("1").allocated == 5
    order.answer("leg", ("1", {"A": 24}, 0))
    assert caps(order)["top"] is None
    order.answer("top", ("1", {"A": 6}, 0))
    assert (order.ledger("1").allocated, order.status) == (6, "ALLOCATED")


def test_another_component_may_become_the_scarcest(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 16}, 8))
    order.answer("top", ("1", {"A": 6}, 0))
    order.answer("top", ("1", {"A": 4}, 2))
    # when legs for 6 come, while a top was lost
    order.answer("leg", ("1", {"A": 24}, 0))
    order.answer("top", ("1", {"A": 5}, 1))
    assert caps(order) == {"leg": 20, "top": None}
    order.answer("leg", ("1", {"A": 20}, 4))
    order.answer("top", ("1", {"A": 5}, 1))
    asked = len(order.asks)
    assert (order.ledger("1").allocated, order.ledger("1").backordered) == (5, 1)
    # and that is all there is to say
    order.answer("leg", ("1", {"A": 20}, 4))
    assert len(order.asks) == asked


def test_a_cancelled_kit_is_cancelled_of_each_component(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 24}, 0))
    order.answer("top", ("1", {"A": 6}, 0))
    order.fact("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=2),)))
    assert (order.wants("leg"), order.wants("top")) == ({"1": 16}, {"1": 4})


def test_a_kit_is_promised_when_and_where_its_last_component_is(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 16}, 8), promises=((0, "A", 16), (3, "B", 8)))
    order.answer("top", ("1", {"A": 5}, 1), promises=((0, "A", 5), (5, "A", 1)))
    assert order.promises() == []  # tops answer anew
    order.answer("top", ("1", {"A": 4}, 2), promises=((0, "A", 5), (5, "A", 1)))
    assert order.promises() == [(0, "A", 4, "desk"), (3, "B", 1, "desk"), (5, "A", 1, "desk")]


def test_units_that_make_no_kit_are_not_promised(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 0}, 24), promises=((2, "A", 7), (4, "A", 10)))
    order.answer("top", ("1", {"A": 0}, 6), promises=((1, "A", 6),))
    assert order.promises() == [(2, "A", 1, "desk"), (4, "A", 3, "desk")]


@pytest.mark.parametrize(
    "lines", [(("1", "desk", 2),), (("1", "leg", 8), ("1", "top", 2))], ids=["as kits", "as components"]
)
def test_shipments_name_kits_or_components(
    order: OrderStage, lines: tuple[tuple[str, str, int], ...]
) -> None:
    order.answer("leg", ("1", {"A": 24}, 0))
    order.answer("top", ("1", {"A": 6}, 0))
    order.fact("shipment.released", released("s1", "A", *lines))
    order.fact("shipment.shipped", step("s1", *lines))
    assert order.exceptions() == []
    ledger = order.ledger("1")
    assert (ledger.released, ledger.picked, ledger.shipped) == (2, 2, 2)
    assert order.total().shipped == 2
    assert order.status == "PARTIALLY_SHIPPED"
    leg, top = order.asked("leg"), order.asked("top")
    assert (leg.lines[0].shipped, top.lines[0].shipped) == ({"A": 8}, {"A": 2})
    assert (leg.shipments, top.shipments) == ((("s1", "A", 8),), (("s1", "A", 2),))
    assert (leg.lines[0].want, top.lines[0].want) == (24, 6)


def test_components_may_ship_apart(order: OrderStage) -> None:
    order.answer("leg", ("1", {"A": 24}, 0))
    order.answer("top", ("1", {"B": 6}, 0))
    order.fact("shipment.shipped", step("s1", ("1", "leg", 11), location="A"))
    assert order.ledger("1").shipped == 0
    order.fact("shipment.shipped", step("s2", ("1", "top", 6), location="B"))
    assert order.ledger("1").shipped == 2
    order.fact("order.cancelled", f.OrderCancelled())
    assert (order.ledger("1").cancelled, order.status) == (4, "SHIPPED")


def test_an_order_that_ships_complete_takes_all_components_or_nothing() -> None:
    order = OrderStage("o1", DESK)
    order.fact("order.placed", placed(("1", "desk", 6), ship_complete=True))
    order.answer("leg", ("1", {"A": 24}, 0))
    order.answer("top", ("1", {}, 6))
    assert order.asked("leg").parked
    assert (order.ledger("1").allocated, order.ledger("1").backordered) == (0, 6)
    order.answer("leg", ("1", {}, 24))
    order.answer("top", ("1", {"A": 6}, 0))
    order.answer("leg", ("1", {"A": 24}, 0))
    assert (order.ledger("1").allocated, order.status) == (6, "ALLOCATED")


def test_the_kit_counts_as_known_when_the_line_was_stated() -> None:
    order = OrderStage("o1", DESK)
    order.fact("order.placed", placed(("1", "desk", 6)))
    order.goods.clear()
    order.fact("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=1),)))
    assert order.wants("leg") == {"1": 20}
    # a revision states it anew, by what is known then
    order.fact("order.changed", f.OrderChanged(revision=1, lines=order_lines(("1", "desk", 6))))
    assert (order.wants("leg"), order.wants("top"), order.wants("desk")) == ({}, {}, {"1": 5})


def test_a_component_may_be_ordered_beside_the_kit() -> None:
    order = OrderStage("o1", DESK)
    order.fact("order.placed", placed(("1", "desk", 1), ("2", "leg", 3)))
    assert order.wants("leg") == {"1": 4, "2": 3}
    order.answer("leg", ("1", {"A": 4}, 0), ("2", {"A": 2}, 1))
    order.answer("top", ("1", {"A": 1}, 0))
    assert (order.ledger("1").allocated, order.ledger("2").allocated) == (1, 2)
