"""One order under the facts of several sources: interleaved and repeated as logs may do, or impossible.

Facts of one source arrive in its order; those of several sources in any. The domain is compared with the naive
model after each of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from domain import order_lines, placed, released, scan, step
from hypothesis import given
from hypothesis import strategies as st
from order_facts import anything, customer_holds, event_ids, products, promises_asked, supplied, times
from order_pair import Pair

from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US
from springtide.tables.anomalies import anomalies
from springtide.tables.delay import delay
from springtide.tables.order import Order, axes, ledgers, total

LINES = {"1": "tea", "2": "mug"}
LINE = st.sampled_from(sorted(LINES))
UNITS = st.integers(1, 6)
PLAN = f.Plan(allocate_s=1, warehouse_s=2, transit_s=3)


@dataclass
class Fact:
    name: str
    data: f.Data
    at_s: int
    event_id: str


@dataclass
class Story:
    """What happened: the facts of each source, in its order."""

    oms: list[Fact] = field(default_factory=list)
    others: list[list[Fact]] = field(default_factory=list)

    def sources(self) -> list[list[Fact]]:
        return [self.oms, *self.others]


class Teller:
    """Makes facts, each a second after the one before."""

    def __init__(self) -> None:
        self.at_s = 0

    def __call__(self, kind: str, name: str, data: f.Data) -> Fact:
        self.at_s += 1
        return Fact(name, data, self.at_s, f"{kind} {self.at_s}")


def lines_of(some: dict[str, int]) -> Any:
    priced = order_lines(*((i, LINES[i], q) for i, q in sorted(some.items())))
    return tuple(msgspec.structs.replace(line, price="2.50") for line in priced)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Facts that sources may state; anything may be left out. Each invoice, return and shipment has one source."""
    story = Story()
    told = Teller()
    wants = {"1": draw(UNITS), "2": draw(UNITS)}
    story.oms.append(told("oms", "order.placed", placed(*lines_of(wants))))
    oms = st.sampled_from(["confirmed", "changed", "removed", "part", "all", "hold", "free"])
    for revision, what in enumerate(draw(st.lists(oms, max_size=5))):
        if what == "confirmed":
            story.oms.append(told("oms", "order.confirmed", f.OrderConfirmed()))
        elif what in ("changed", "removed"):
            some = {i: draw(UNITS) for i in ("1",) if what == "removed"} or {i: draw(UNITS) for i in LINES}
            data = f.OrderChanged(revision=revision, lines=lines_of(some))
            story.oms.append(told("oms", "order.changed", data))
        elif what == "part":
            cut = (f.LineQty(line_id=draw(LINE), qty=draw(st.integers(1, 3))),)
            story.oms.append(told("oms", "order.cancelled", f.OrderCancelled(lines=cut)))
        elif what == "all":
            story.oms.append(told("oms", "order.cancelled", f.OrderCancelled()))
        elif what == "hold":
            data = f.OrderHoldPlaced(hold_id=f"h{revision}", reason="fraud_review")
            story.oms.append(told("oms", "order.hold_placed", data))
        else:
            held = [x.data.hold_id for x in story.oms if isinstance(x.data, f.OrderHoldPlaced)]
            if held:
                story.oms.append(told("oms", "order.hold_released", f.OrderHoldReleased(hold_id=held[0])))
    for n in range(draw(st.integers(0, 3))):
        story.others += shipment(draw, told, f"s{n}")
    for n in range(draw(st.integers(0, 2))):
        story.others.append(invoice(draw, told, f"i{n}"))
    for n in range(draw(st.integers(0, 2))):
        story.others.append(payment(draw, told, f"p{n}"))
    if draw(st.booleans()):
        story.others.append(way_back(draw, told, "r"))
    return story


def shipment(draw: st.DrawFn, told: Teller, s: str) -> list[list[Fact]]:
    """What its warehouse says, and what its carrier says."""
    units = {i: draw(UNITS) for i in draw(st.lists(LINE, min_size=1, max_size=2, unique=True))}
    parts = [(i, LINES[i], q) for i, q in sorted(units.items())]
    here: list[Fact] = []
    for name in draw(st.lists(st.sampled_from(["released", "picked", "packed", "shipped"]), unique=True)):
        data = released(s, "A", *parts) if name == "released" else step(s, *parts, location="A")
        here.append(told("wms", f"shipment.{name}", data))
    if draw(st.integers(0, 3)) == 0:
        here.append(told("wms", "pick.short", f.PickShort(shipment_id=s, line_id=parts[0][0], qty=1)))
    if draw(st.integers(0, 3)) == 0:
        here.append(told("wms", "shipment.voided", f.ShipmentVoided(shipment_id=s, reason="x")))
    there: list[Fact] = []
    for status in draw(
        st.lists(st.sampled_from(["in_transit", "attempted", "delivered", "lost"]), max_size=4)
    ):
        if draw(st.integers(0, 3)) == 0:
            there.append(told("ups", "parcel.exception", f.ParcelException(shipment_id=s, kind="weather")))
        there.append(told("ups", "parcel.scanned", scan(s, status)))
        if status == "delivered" and draw(st.booleans()):
            data = f.DeliveryCorrected(shipment_id=s, cancels=there[-1].event_id.split()[1])
            there.append(told("ups", "delivery.corrected", data))
    return [here, there]


def invoice(draw: st.DrawFn, told: Teller, name: str) -> list[Fact]:
    """Posted, perhaps reversed, perhaps credited."""
    lines = (f.AmountLine(line_id=draw(LINE), qty=draw(UNITS), amount="2.50"),)
    posted = f.InvoicePosted(invoice_id=name, lines=lines, total="7.50", currency="EUR")
    facts = [told("erp", "invoice.posted", posted)]
    if draw(st.integers(0, 2)) == 0:
        facts.append(told("erp", "invoice.reversed", f.InvoiceReversed(invoice_id=name)))
    if draw(st.integers(0, 2)) == 0:
        reason: Any = draw(st.sampled_from([None, "lost", "price"]))
        memo = f.CreditMemoIssued(memo_id=name, lines=lines, reason=reason, restock=draw(st.booleans()))
        facts.append(told("erp", "credit_memo.issued", memo))
    return facts


def payment(draw: st.DrawFn, told: Teller, name: str) -> list[Fact]:
    facts = [told("psp", "payment.captured", f.Payment(payment_id=name, amount="7.50"))]
    if draw(st.booleans()):
        facts.append(told("psp", "payment.refunded", f.Payment(payment_id=name, amount="7.5")))
    return facts


def way_back(draw: st.DrawFn, told: Teller, name: str) -> list[Fact]:
    """A return as far as it comes."""
    line_id, units = draw(LINE), draw(UNITS)
    asked = f.ReturnAuthorized(return_id=name, lines=(f.ReturnAskedLine(line_id=line_id, qty=units),))
    came = f.ReturnReceived(return_id=name, location="B", lines=(f.LineQty(line_id=line_id, qty=units),))
    good = (f.InspectedLine(line_id=line_id, qty=units, disposition="sellable"),)
    facts = [
        told("rma", "return.authorized", asked),
        told("rma", "return.received", came),
        told("rma", "return.inspected", f.ReturnInspected(return_id=name, lines=good)),
    ]
    if draw(st.integers(0, 3)) == 0:
        return [facts[0], told("rma", "return.rejected", f.ReturnRejected(return_id=name, reason="no"))]
    return facts[: draw(st.integers(1, 3))]


def interleave(draw: st.DrawFn, sources: list[list[Fact]]) -> list[Fact]:
    """Any log that keeps each source's order, some facts twice (the copy under an id of its own)."""
    rest = [list(source) for source in sources if source]
    log: list[Fact] = []
    while rest:
        source = draw(st.sampled_from(rest))
        log.append(source.pop(0))
        rest = [one for one in rest if one]
        if draw(st.integers(0, 4)) == 0 and again(log[-1]):
            log.append(log[-1])
    return log


def again(fact: Fact) -> bool:
    """Whether the same fact under another id is the same fact: where it has an id of its own inside."""
    return not isinstance(fact.data, f.OrderCancelled | f.PickShort)


@st.composite
def stories_told_twice(draw: st.DrawFn) -> tuple[list[Fact], list[Fact]]:
    story = draw(stories())
    return interleave(draw, story.sources()), interleave(draw, story.sources())


def tell(log: list[Fact]) -> Pair:
    pair = Pair()
    for fact in log:
        pair.fact(fact.name, fact.data, at_s=fact.at_s, event_id=fact.event_id)
    return pair


def seen(pair: Pair, at_s: int) -> dict[str, Any]:
    """What may not depend on the order of arrival: ledgers, status, axes, what SKUs are asked, what parcels say,
    what is wrong, why it is late."""
    order = pair.order
    asks = {}
    for sku in LINES.values():
        demand = [demand for name, demand in pair.asks if name == sku][-1]
        wanted = {x.line_id: (x.want, x.location, x.released, x.shipped) for x in demand.lines}
        asks[sku] = (wanted, sorted(demand.shipments), demand.returns)
    # How often it was cancelled, closed or opened again depends on what was seen in between.
    passing = ("cancelled", "closed", "reopened")
    return {
        "lines": ledgers(order),
        "status": order.status,
        "axes": axes(order),
        "asks": asks,
        "parcels": {s: shipment.parcel_status() for s, shipment in order.shipments.items()},
        "holds": {h: hold.released_us for h, hold in order.holds.items()},
        "milestones": {
            name: (m.occurred_us, m.inferred)
            for name, m in order.milestones.items()
            if not m.superseded and not name.startswith(passing)
        },
        "wrong": sorted({(one.kind, one.about) for one in anomalies(order)}),
        "late": {at: delay(order, at * SECOND_US, PLAN) for at in range(0, at_s + 3, 3)},
    }


@given(stories_told_twice())
def test_any_order_of_arrival_gives_the_same_order(logs):
    at_s = max(fact.at_s for fact in logs[0])
    one, other = (seen(tell(log), at_s) for log in logs)
    assert {what: (one[what], other[what]) for what in one if one[what] != other[what]} == {}


@given(stories_told_twice(), st.integers(0, 40))
def test_the_excesses_sum_to_what_it_took_beyond_the_plan(logs, at_s):
    # given an order whose allocation takes no time, and one instant
    pair = tell(logs[0])

    # when both say why it is late as of then
    found = pair.check_delay(at_s * SECOND_US, PLAN)["segments"]

    # then each stage that has begun counts its plan, and all they took beyond it is somebody's
    assert all(s["excess_s"] == s["actual_s"] - s["planned_s"] for s in found)
    actual = sum(s["actual_s"] for s in found)
    assert actual <= max(0, at_s - pair.order.placed_us // SECOND_US) or not found
    assert sum(s["planned_s"] for s in found) <= PLAN.allocate_s + PLAN.warehouse_s + PLAN.transit_s
    assert len({(s["stage"], s["cause"]) for s in found}) == len(found)


# --- facts and answers that can't be ---


@given(st.data())
def test_whatever_is_told_both_models_take_it_for_the_same(data):
    """Facts without sense, answers to nothing, kits, substitutes, promises asked for, holds of the customer."""
    pair = Pair()
    pair.products = data.draw(products())
    seqs: dict[str, int] = {}
    holds = 0
    for _ in range(data.draw(st.integers(1, 20))):
        kind = data.draw(
            st.sampled_from(["fact", "fact", "fact", "answer", "answer", "customer", "promise", "time"])
        )
        at_s = data.draw(times)
        if kind == "fact":
            name, stated = data.draw(anything)
            sent = msgspec.msgpack.decode(msgspec.msgpack.encode(stated), type=type(stated))
            pair.fact(name, sent, at_s, data.draw(event_ids), data.draw(st.integers(0, 1)))
        elif kind == "answer" and pair.order.needs:
            sku = data.draw(st.sampled_from(sorted(pair.order.needs)))
            seqs[sku] = seqs.get(sku, 0) + data.draw(st.sampled_from([1, 1, 1, 0]))
            request = max(0, pair.order.needs[sku].request - data.draw(st.sampled_from([0, 0, 0, 1])))
            pair.tell(data.draw(supplied(sku, request, seqs[sku], at_s * SECOND_US)))
        elif kind == "customer" and pair.order.placed:
            holds += 1
            pair.tell(data.draw(customer_holds(holds)))
        elif kind == "promise":
            pair.tell(data.draw(promises_asked))
        elif kind == "time":
            pair.clock(at_s)
        if pair.order.placed:
            what_must_be_of_any_order(pair.order)
            pair.check_delay(at_s * SECOND_US, PLAN)
            pair.check_delay(20 * SECOND_US, PLAN)
    assert pair.order.version == len(pair.changes)
    assert all(x.want >= 0 for _, demand in pair.asks for x in demand.lines)


def what_must_be_of_any_order(order: Order) -> None:
    whole = total(order)
    assert 0 <= whole.cancelled <= whole.ordered
    of_lines = list(ledgers(order).values())
    for q in of_lines:
        assert q.delivered <= q.shipped <= q.packed <= q.picked <= q.released
    assert whole.shipped == sum(q.shipped for q in of_lines)
    assert whole.delivered == sum(q.delivered for q in of_lines)
    assert bool(whole.released) == any(q.released for q in of_lines)
    for line in order.lines.values():
        assert 0 <= line.cancelled <= line.ordered
