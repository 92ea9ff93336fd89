"""The naive models against tables that a reader can check by hand."""

import pytest

from springtide.app.verify import naive_grants
from springtide.app.verify.naive_atp import available_now as available_of
from springtide.app.verify.naive_sku import NaiveSku
from springtide.app.verify.naive_stock import stock_fact
from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine, SuppliedLine
from springtide.codecs.times import SECOND_US

NOWHERE = (0, 0, -1)


def demand(order_id, request, *lines, placed_us=0, shipments=(), **how):
    """Lines are (line_id, want, location, released, shipped), the last three optional."""
    asked = tuple(DemandLine(*line, *(None, {}, {})[len(line) - 2 :]) for line in lines)
    rules = {"complete": False, "parked": False, "single": False, "max_splits": 0} | how
    return Demand(
        order_id, request, 0, NOWHERE, "oms 1", placed_us, 100, "web", *rules.values(), shipments, asked
    )


def counted(location, on_hand, basis="includes_committed"):
    return f.InventoryCounted(location=location, on_hand=on_hand, basis=basis)


def received(location, qty):
    return f.InventoryReceived(location=location, qty=qty)


def held(hold_id, qty, ttl_s=60, location=None):
    return f.HoldPlaced(hold_id=hold_id, qty=qty, ttl_s=ttl_s, owner="cart", location=location)


def play(*story):
    """A SKU after facts and demands, at 0 s or at the second that stands before one."""
    sku = NaiveSku("tea")
    now_us = 0
    for what in story:
        if isinstance(what, int):
            now_us = what * SECOND_US
            while (due_us := sku.next_due_us()) is not None and due_us <= now_us:
                sku.come_by(due_us)
        elif isinstance(what, Demand):
            sku.demand(what, now_us)
        else:
            stock_fact(sku, what, now_us, now_us, "wms 1")
        sku.recount()
    return sku


def cells(sku, order_id, line_id="1"):
    return sku.wish(order_id).lines[line_id].cells


# fmt: off
STOCK_STORIES = [
    # allocated at once; what is short is backordered
    ([counted("A", 10), demand("o1", 1, ("1", 4))], {"o1": ({"A": 4}, 0)}, 6),
    ([counted("A", 3), demand("o1", 1, ("1", 4))], {"o1": ({"A": 3}, 1)}, -1),
    # log order decides who is first, rank who gets what comes
    ([counted("A", 3), demand("o1", 1, ("1", 3), placed_us=2), demand("o2", 1, ("1", 3), placed_us=1)],
     {"o1": ({"A": 3}, 0), "o2": ({}, 3)}, -3),
    ([demand("o1", 1, ("1", 3), placed_us=2), demand("o2", 1, ("1", 3), placed_us=1), received("A", 4)],
     {"o1": ({"A": 1}, 2), "o2": ({"A": 3}, 0)}, -2),
    # a repeated request changes nothing; a later one replaces it, and gives back to the cells
    ([counted("A", 9), demand("o1", 2, ("1", 4)), demand("o1", 1, ("1", 7))], {"o1": ({"A": 4}, 0)}, 5),
    ([counted("A", 3), counted("B", 3), demand("o1", 1, ("1", 5)), demand("o1", 2, ("1", 4))],
     {"o1": ({"A": 3, "B": 1}, 0)}, 2),
    # one place for all, all or nothing, at most so many places
    ([counted("A", 3), counted("B", 5), demand("o1", 1, ("1", 5), single=True)], {"o1": ({"B": 5}, 0)}, 3),
    ([counted("A", 3), demand("o1", 1, ("1", 5), single=True)], {"o1": ({}, 5)}, -2),
    ([counted("A", 3), demand("o1", 1, ("1", 2), ("2", 2), complete=True)], {"o1": ({}, 2)}, -1),
    ([counted("A", 2), counted("B", 2), demand("o1", 1, ("1", 4), max_splits=1)], {"o1": ({"A": 2}, 2)}, 0),
    # what the first in rank waits for is not given to those behind
    ([demand("o1", 1, ("1", 5), complete=True, placed_us=1), demand("o2", 1, ("1", 2), placed_us=2),
      received("A", 4)], {"o1": ({}, 5), "o2": ({}, 2)}, -3),
    # safety stock: orders may eat it, holds may not
    ([counted("A", 5), f.SafetyStockSet(location="A", qty=3), held("h", 3)], {}, 2),
    ([counted("A", 5), f.SafetyStockSet(location="A", qty=3), demand("o1", 1, ("1", 5))],
     {"o1": ({"A": 5}, 0)}, -3),
    # a hold with expiry e is dead at t >= e, and what it held goes to who waits
    ([counted("A", 5), held("h", 4, ttl_s=60), demand("o1", 1, ("1", 3)), 59], {"o1": ({"A": 1}, 2)}, -2),
    ([counted("A", 5), held("h", 4, ttl_s=60), demand("o1", 1, ("1", 3)), 60], {"o1": ({"A": 3}, 0)}, 2),
    # stock is lost: the last in rank give up first, never what a warehouse works on
    ([counted("A", 6), demand("o1", 1, ("1", 3), placed_us=1), demand("o2", 1, ("1", 3), placed_us=2),
      counted("A", 4)], {"o1": ({"A": 3}, 0), "o2": ({"A": 1}, 2)}, -2),
    ([counted("A", 6), demand("o1", 1, ("1", 3), placed_us=1),
      demand("o2", 1, ("1", 3, None, {"A": 3}, {}), placed_us=2), counted("A", 4)],
     {"o1": ({"A": 1}, 2), "o2": ({"A": 3}, 0)}, -2),
    # a shipment's units leave once, by whichever of the two tellings comes first
    ([counted("A", 6), demand("o1", 1, ("1", 4)), f.InventoryIssued(location="A", qty=4, order_id="o1", shipment_id="s"),
      demand("o1", 2, ("1", 4, None, {"A": 4}, {"A": 4}), shipments=(("s", "A", 4),))], {"o1": ({}, 0)}, 2),
    ([counted("A", 6), f.InventoryIssued(location="A", qty=4, shipment_id="s"),
      demand("o1", 1, ("1", 4, None, {"A": 4}, {"A": 4}), shipments=(("s", "A", 4),))], {"o1": ({}, 0)}, 2),
    # counts are absolute, with or without what is committed
    ([counted("A", 6), demand("o1", 1, ("1", 4)), counted("A", 7, "excludes_committed")], {"o1": ({"A": 4}, 0)}, 7),
]
# fmt: on


@pytest.mark.parametrize(("story", "has", "available_now"), STOCK_STORIES)
def test_who_has_what_and_what_is_left(story, has, available_now):
    sku = play(*story)
    for order_id, (in_cells, lacks) in has.items():
        assert cells(sku, order_id) == in_cells
        assert sku.wish(order_id).lines["1"].lacks() == lacks
    assert available_of(sku, None, None) == available_now
    assert sku.oversold == []


def test_units_at_work_are_the_only_ones_beyond_what_is_sellable(monkeypatch):
    # given 3 at work in a warehouse, when only 1 is found there
    sku = play(counted("A", 3), demand("o1", 1, ("1", 3, None, {"A": 3}, {})), counted("A", 1))

    # then they stay, and are no oversale; without the warehouse's work they would be one
    assert cells(sku, "o1") == {"A": 3}
    assert sku.oversold == []
    sku.wishes["o1"].lines["1"].released = {}
    monkeypatch.setattr(naive_grants, "take_back", lambda *_: None)
    sku.settle()
    assert [(one.granted, one.sellable, one.at_work) for one in sku.oversold] == [(3, 1, 0)]


def test_a_converted_hold_waits_for_its_order_and_gives_it_its_units():
    converted = f.HoldConverted(hold_id="h", order_id="o1", line_id="1")
    sku = play(counted("A", 5), held("h", 3), converted, demand("o0", 1, ("1", 4)), demand("o1", 1, ("1", 3)))
    assert (cells(sku, "o0"), cells(sku, "o1")) == ({"A": 2}, {"A": 3})
    assert sku.holds == {}


def test_who_is_told_is_who_has_something_else_than_before():
    sku = play(counted("A", 3))
    first = sku.demand(demand("o1", 1, ("1", 2)), 0)
    again = sku.demand(demand("o1", 1, ("1", 2)), 0)
    second = sku.demand(demand("o2", 1, ("1", 2), placed_us=1), 0)
    assert [(a.order_id, a.supplied.seq, a.supplied.lines) for a in first] == [
        ("o1", 1, (SuppliedLine("1", 2, 0, {"A": 2}, ((0, "A", 2),)),))
    ]
    assert again == []
    assert [(a.order_id, a.supplied.lines) for a in second] == [
        ("o2", (SuppliedLine("1", 1, 1, {"A": 1}, ((0, "A", 1),)),))
    ]
    assert second[0].room == {"A": 0}


def test_a_sum_that_is_wrong_is_noticed_by_counting_anew():
    sku = play(counted("A", 3), demand("o1", 1, ("1", 2)))
    sku.committed["A"] = 1
    with pytest.raises(ArithmeticError, match="SKU tea"):
        sku.recount()
