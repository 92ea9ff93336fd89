"""The naive models against tables that a reader can check by hand."""

import json

import msgspec
import pytest

from springtide.agents.authority import Authority
from springtide.app.verify.naive_ingress import NaiveIngress, Refused
from springtide.app.verify.naive_order import NaiveOrder
from springtide.app.verify.naive_order_steps import Applying, Outcome
from springtide.app.verify.naive_sku import NaiveSku
from springtide.app.verify.naive_stock import stock_fact
from springtide.app.verify.window import Window
from springtide.codecs import cloudevents
from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine, Supplied, SuppliedLine
from springtide.codecs.records import Record
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
            while (due_us := sku.next_expiry_us()) is not None and due_us <= now_us:
                sku.expire(due_us)
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
    assert sku.available_now() == available_now
    assert sku.oversold == []


def test_units_at_work_are_the_only_ones_beyond_what_is_sellable():
    # given 3 at work in a warehouse, when only 1 is found there
    sku = play(counted("A", 3), demand("o1", 1, ("1", 3, None, {"A": 3}, {})), counted("A", 1))

    # then they stay, and are no oversale; without the warehouse's work they would be one
    assert cells(sku, "o1") == {"A": 3}
    assert sku.oversold == []
    sku.wishes["o1"].lines["1"].released = {}
    sku._take_back = lambda _: None
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
        ("o1", 1, (SuppliedLine("1", 2, 0, {"A": 2}),))
    ]
    assert again == []
    assert [(a.order_id, a.supplied.lines) for a in second] == [("o2", (SuppliedLine("1", 1, 1, {"A": 1}),))]
    assert second[0].room == {"A": 0}


def test_a_sum_that_is_wrong_is_noticed_by_counting_anew():
    sku = play(counted("A", 3), demand("o1", 1, ("1", 2)))
    sku.committed["A"] = 1
    with pytest.raises(ArithmeticError, match="SKU tea"):
        sku.recount()


# --- orders ---


def placed(*lines, **more):
    rows = tuple(f.OrderLine(line_id=line_id, sku=sku, qty=qty) for line_id, sku, qty in lines)
    return f.OrderPlaced(order_id="o1", customer_id="c", channel="web", currency="EUR", lines=rows, **more)


def parts(*lines):
    return tuple(f.ShipmentLine(line_id=line_id, sku=sku, qty=qty) for line_id, sku, qty in lines)


def shipped(*lines):
    return f.ShipmentStep(shipment_id="s", location="A", lines=parts(*lines))


def scanned(status):
    return f.ParcelScanned(shipment_id="s", tracking="t", status=status)


def answer(sku, request, seq, *lines):
    """Lines are (line_id, cells, backordered)."""
    told = tuple(SuppliedLine(name, sum(has.values()), short, has) for name, has, short in lines)
    return Supplied(sku, request, seq, 0, 0, NOWHERE, "wms 1", told)


def follow(*story):
    """An order after (name, fact) and answers; with all that it must ask and publish."""
    order, outcome = NaiveOrder("o1"), Outcome()
    for number, what in enumerate(story):
        applying = Applying(order, number, number, f"src {number}", number)
        if isinstance(what, Supplied):
            applying.supplied(what)
        else:
            applying.fact(*what)
        applying.conclude(outcome, NOWHERE)
    return order, outcome


ONE = ("order.placed", placed(("1", "tea", 5)))
CANCEL = ("order.cancelled", f.OrderCancelled())


# fmt: off
ORDER_STORIES = [
    ([ONE], "RECEIVED", 1),
    ([ONE, ONE], "RECEIVED", 1),
    ([ONE, ("order.confirmed", f.OrderConfirmed())], "CONFIRMED", 2),
    ([ONE, ("order.rejected", f.OrderRejected(reason="no"))], "REJECTED", 2),
    ([ONE, answer("tea", 1, 1, ("1", {}, 5))], "BACKORDERED", 2),
    ([ONE, answer("tea", 1, 1, ("1", {"A": 2}, 3))], "PARTIALLY_ALLOCATED", 2),
    ([ONE, answer("tea", 1, 1, ("1", {"A": 5}, 0)), answer("tea", 1, 1, ("1", {}, 5))], "ALLOCATED", 2),
    ([ONE, ("shipment.released", f.ShipmentReleased(shipment_id="s", location="A", lines=parts(("1", "tea", 5))))],
     "IN_FULFILMENT", 2),
    ([ONE, ("order.hold_placed", f.OrderHoldPlaced(hold_id="h", reason="credit_hold"))], "ON_HOLD", 2),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 2)))], "PARTIALLY_SHIPPED", 2),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 5))), ("shipment.shipped", shipped(("1", "tea", 5)))], "SHIPPED", 2),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 2))), CANCEL], "SHIPPED", 3),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 5))), ("parcel.scanned", scanned("delivered")),
      ("parcel.scanned", scanned("in_transit"))], "DELIVERED", 4),
    ([ONE, CANCEL, CANCEL], "CANCELLED", 2),
]
# fmt: on


@pytest.mark.parametrize(("story", "status", "versions"), ORDER_STORIES)
def test_the_header_is_the_first_rule_that_holds(story, status, versions):
    order, outcome = follow(*story)
    assert order.status == status
    assert [change.version for change in outcome.changes] == list(range(1, versions + 1))


def test_an_order_asks_each_sku_for_totals_with_a_rising_number():
    _, outcome = follow(
        ("order.placed", placed(("1", "tea", 5), ("2", "pot", 1))),
        ("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=2),))),
        ("shipment.shipped", shipped(("1", "tea", 3))),
    )
    asked = [
        (sku, d.request, [(x.line_id, x.want, x.shipped) for x in d.lines]) for sku, d in outcome.demands
    ]
    assert asked == [
        ("tea", 1, [("1", 5, {})]),
        ("pot", 1, [("2", 1, {})]),
        ("tea", 2, [("1", 3, {})]),
        ("tea", 3, [("1", 3, {"A": 3})]),
    ]


def test_a_basket_parks_what_it_got_while_another_sku_is_short_and_asks_again_then():
    order, outcome = follow(
        ("order.placed", placed(("1", "tea", 5), ("2", "pot", 1), ship_complete=True)),
        answer("tea", 1, 1, ("1", {"A": 5}, 0)),
        answer("pot", 1, 1, ("2", {}, 1)),
        answer("tea", 2, 2, ("1", {}, 5)),
        answer("pot", 1, 2, ("2", {"A": 1}, 0)),
    )
    assert [(sku, d.request, d.parked) for sku, d in outcome.demands] == [
        ("tea", 1, False),
        ("pot", 1, False),
        ("tea", 2, True),
        ("tea", 3, False),
    ]
    assert {sku: need.state for sku, need in order.needs.items()} == {"tea": "asked", "pot": "granted"}


# --- duplicates and ingress ---


def test_an_event_is_a_duplicate_within_the_window_only():
    window = Window(256)
    assert window.is_new(b"a", 0)
    assert not window.is_new(b"a", 256)
    assert window.is_new(b"a", 257)


def event(**other):
    whole = {
        "specversion": "1.0",
        "id": "1",
        "source": "wms",
        "type": "springtide.inventory.received.v1",
        "subject": "tea",
        "time": "2026-03-02T06:00:00Z",
        "data": {"location": "A", "qty": 1},
    } | other
    return {name: value for name, value in whole.items() if value is not ...}


GOOD = [
    {},
    {"time": "2026-03-02T07:00:00.123456+01:00"},
    {"sequence": "12"},
    {"sequence": 12, "recordedtime": "2026-03-02T06:00:01Z", "correlationid": "c"},
    {"unknown": [1, {"a": 2}]},
    {"source": "/of/no/known/kind"},
    {"data": {"location": "A", "qty": 1, "more": None}},
]
BAD = [
    {"specversion": "0.3"},
    {"id": ""},
    {"id": 1},
    {"id": "a\nb"},
    {"source": ...},
    {"source": "crm"},
    {"type": "springtide.inventory.teleported.v1"},
    {"type": "inventory.received"},
    {"type": "springtide.order.confirmed.v1"},
    {"subject": "x" * 129},
    {"subject": "pot"},
    {"time": "2026-03-02T06:00:00"},
    {"time": "yesterday"},
    {"time": "1969-12-31T23:59:59Z"},
    {"time": ...},
    {"recordedtime": "2026-03-02T06:00:00"},
    {"sequence": "first"},
    {"sequence": 1.5},
    {"correlationid": "x" * 257},
    {"data": ...},
    {"data": None},
    {"data": []},
    {"data": {"location": "A"}},
    {"data": {"location": "A", "qty": 0}},
    {"data": {"location": "A", "qty": "1"}},
    {"data": {"location": "A", "qty": 10**30}},
    {"data": {"location": "", "qty": 1}},
]


def record(value, topic="inventory", key=b"tea", headers=()):
    return Record(topic, 1, 7, 1_000, key, value, headers)


@pytest.mark.parametrize("other", GOOD)
def test_a_good_event_becomes_the_fact_that_the_contract_says(other):
    whole = event(**other)
    subject, fact = NaiveIngress().fact(record(json.dumps(whole).encode()))
    known = cloudevents.decode("inventory", b"tea", json.dumps(whole).encode(), {})
    assert (subject, fact.code, fact.time_us, fact.sequence) == ("tea", 23, known.time_us, known.sequence)
    assert fact.origin == (1, 1, 7)
    assert fact.recorded_us == (known.recorded_us or 1_000_000)
    assert msgspec.msgpack.decode(fact.data) == {"location": "A", "qty": 1}


@pytest.mark.parametrize("other", BAD)
def test_a_bad_event_is_refused_by_both_readings(other):
    value = json.dumps(event(**other)).encode()
    with pytest.raises(Refused):
        NaiveIngress().fact(record(value))
    with pytest.raises(cloudevents.Refused):
        Authority().check(cloudevents.decode("inventory", b"tea", value, {}))


@pytest.mark.parametrize(
    "value", [None, b"", b"{", b"\xff", b"null", b"[]", b'"a"', b"{" * 5_000, b" " * (1 << 20) + b" "]
)
def test_bytes_that_are_no_event_are_refused(value):
    with pytest.raises(Refused):
        NaiveIngress().fact(record(value))


def test_binary_mode_says_the_same():
    whole = event()
    headers = tuple((f"ce_{name}", str(text).encode()) for name, text in whole.items() if name != "data")
    structured = NaiveIngress().fact(record(json.dumps(whole).encode()))
    assert NaiveIngress().fact(record(json.dumps(whole["data"]).encode(), headers=headers)) == structured


def test_the_installation_may_say_who_states_what():
    value = json.dumps(event(source="shelf-7")).encode()
    with pytest.raises(Refused, match="may not state"):
        NaiveIngress(strict=True).fact(record(value))
    with pytest.raises(Refused, match="may not state"):
        NaiveIngress(sources={"shelf-7": "crm"}).fact(record(value))
    assert NaiveIngress(sources={"shelf-7": "wms"}, strict=True).fact(record(value))
    assert NaiveIngress({"inventory.received": ("crm",)}, {"shelf-7": "crm"}).fact(record(value))
