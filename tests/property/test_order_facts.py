"""One order under the facts of several sources: interleaved and repeated as logs may do, or impossible.

Facts of one source arrive in its order; those of several sources in any. OMS: the `orders` topic. Each
warehouse and each carrier: the `shipments` topic.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from domain import OrderStage, order_lines, placed, released, scan, step
from hypothesis import given
from hypothesis import strategies as st

from springtide.codecs import facts as f
from springtide.tables.order import Ledger

LINES = {"1": "tea", "2": "mug"}
LINE = st.sampled_from(sorted(LINES))
UNITS = st.integers(1, 6)


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
    warehouses: dict[str, list[Fact]] = field(default_factory=dict)
    carriers: dict[str, list[Fact]] = field(default_factory=dict)

    def sources(self) -> list[list[Fact]]:
        return [self.oms, *self.warehouses.values(), *self.carriers.values()]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Facts that sources may state: one warehouse and one carrier a shipment; anything may be left out."""
    story = Story()
    at_s = 0

    def told(kind: str, name: str, data: f.Data) -> Fact:
        nonlocal at_s
        at_s += 1
        return Fact(name, data, at_s, f"{kind} {at_s}")

    def lines_of(some: dict[str, int]) -> Any:
        return order_lines(*((i, LINES[i], q) for i, q in sorted(some.items())))

    wants = {"1": draw(UNITS), "2": draw(UNITS)}
    story.oms.append(told("oms", "order.placed", placed(*((i, LINES[i], q) for i, q in wants.items()))))
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
        s = f"s{n}"
        units = {i: draw(UNITS) for i in draw(st.lists(LINE, min_size=1, max_size=2, unique=True))}
        parts = [(i, LINES[i], q) for i, q in sorted(units.items())]
        here: list[Fact] = []
        for name in draw(st.lists(st.sampled_from(["released", "picked", "packed", "shipped"]), unique=True)):
            data = released(s, "A", *parts) if name == "released" else step(s, *parts, location="A")
            here.append(told("wms", f"shipment.{name}", data))
        if draw(st.integers(0, 3)) == 0:
            here.append(told("wms", "shipment.voided", f.ShipmentVoided(shipment_id=s, reason="x")))
        story.warehouses[s] = here
        there: list[Fact] = []
        for status in draw(st.lists(st.sampled_from(["in_transit", "attempted", "delivered"]), max_size=4)):
            there.append(told("ups", "parcel.scanned", scan(s, status)))
            if status == "delivered" and draw(st.booleans()):
                data = f.DeliveryCorrected(shipment_id=s, cancels=there[-1].event_id.split()[1])
                there.append(told("ups", "delivery.corrected", data))
        story.carriers[s] = there
    return story


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
    return not isinstance(fact.data, f.OrderCancelled)


@st.composite
def stories_told_twice(draw: st.DrawFn) -> tuple[list[Fact], list[Fact]]:
    story = draw(stories())
    return interleave(draw, story.sources()), interleave(draw, story.sources())


def tell(log: list[Fact]) -> OrderStage:
    order = OrderStage()
    for fact in log:
        order.fact(fact.name, fact.data, at_s=fact.at_s, event_id=fact.event_id)
    return order


def seen(order: OrderStage) -> dict[str, Any]:
    """What may not depend on the order of arrival: ledgers, status, what SKUs are asked, what parcels say."""
    lines = {line_id: order.ledger(line_id) for line_id in LINES}
    asks = {}
    for sku in LINES.values():
        demand = order.asked(sku)
        asks[sku] = (
            {x.line_id: (x.want, x.location, x.released, x.shipped) for x in demand.lines},
            sorted(demand.shipments),
        )
    return {
        "lines": lines,
        "status": order.status,
        "asks": asks,
        "parcels": {s: shipment.parcel_status() for s, shipment in order.order.shipments.items()},
        "holds": {h: hold.released_us for h, hold in order.order.holds.items()},
        # What was reached and undone leaves a mark only where it was seen to be reached.
        "milestones": {
            m.name for m in order.order.milestones if not m.superseded and not m.name.startswith("cancelled")
        },
    }


@given(stories_told_twice())
def test_any_order_of_arrival_gives_the_same_order(logs):
    one, other = (seen(tell(log)) for log in logs)
    assert {what for what in one if one[what] != other[what]} == set()


# --- the ledgers against sums over the facts ---


def naive_ledgers(facts: list[Fact]) -> dict[str, Ledger]:
    """Counted from the whole list, fact by fact, with no state in between."""
    oms = [x.data for x in facts if x.event_id.startswith("oms")]
    shipments = {x.data.shipment_id for x in facts if hasattr(x.data, "shipment_id")}
    found = {line_id: Ledger() for line_id in LINES}
    for shipment in shipments:
        about = [x for x in facts if getattr(x.data, "shipment_id", None) == shipment]
        if any(x.name == "shipment.voided" for x in about):
            continue
        corrected = {x.data.cancels for x in about if isinstance(x.data, f.DeliveryCorrected)}
        delivered = any(
            isinstance(x.data, f.ParcelScanned)
            and x.data.status == "delivered"
            and x.event_id.split()[1] not in corrected
            for x in about
        )
        units: dict[str, Counter[str]] = {}
        for x in about:
            if isinstance(x.data, f.ShipmentStep | f.ShipmentReleased):
                units[x.name.removeprefix("shipment.")] = Counter({p.line_id: p.qty for p in x.data.lines})
        names = ["released", "picked", "packed", "shipped"]
        furthest = max((names.index(name) for name in units), default=-1)
        if furthest >= 0:
            whole = units[names[furthest]]
            reached = [*names[: furthest + 1]] if not delivered else [*names, "delivered"]
            for line_id, qty in whole.items():
                for name in reached:
                    setattr(found[line_id], name, getattr(found[line_id], name) + qty)
    for line_id in LINES:
        ordered, asked, rest = 0, 0, False
        for data in oms:
            if isinstance(data, f.OrderPlaced | f.OrderChanged):
                named = {line.line_id: line.qty for line in data.lines}
                if line_id in named:
                    asked = max(asked, ordered) if rest == "all" else asked
                    ordered, rest = named[line_id], False
                elif rest != "all":
                    rest = "removed"
            elif isinstance(data, f.OrderCancelled) and data.lines is None:
                rest = "all"
            elif isinstance(data, f.OrderCancelled) and not rest:
                asked = min(
                    max(ordered, asked), asked + sum(x.qty for x in data.lines or () if x.line_id == line_id)
                )
        ledger = found[line_id]
        ledger.ordered = ordered
        ledger.cancelled = min(ordered if rest else asked, max(0, ordered - ledger.shipped))
    return found


@given(stories_told_twice())
def test_ledgers_are_sums_over_the_facts(logs):
    log = logs[0]
    order = tell(log)
    seen_once: list[Fact] = []
    for fact in log:
        if fact not in seen_once:
            seen_once.append(fact)
    assert {line_id: order.ledger(line_id) for line_id in LINES} == naive_ledgers(seen_once)
    total = order.total()
    for name in ("ordered", "cancelled", "released", "picked", "packed", "shipped", "delivered"):
        assert getattr(total, name) == sum(getattr(order.ledger(i), name) for i in LINES)


# --- facts that can't be ---

ids = st.sampled_from(["1", "2", "3"])
skus = st.sampled_from(["tea", "mug", "pot"])
shipment_ids = st.sampled_from(["s1", "s2"])
dates = st.sampled_from([None, "1970-01-01", "1970-01-02", "1970-02-30", "9999-99-99", "1970-01-02T25:61"])
places = st.sampled_from(["A", "B"])
some_lines = st.lists(
    st.builds(
        f.OrderLine, line_id=ids, sku=skus, qty=UNITS, requested_date=dates, location=places | st.none()
    ),
    min_size=1,
    max_size=3,
).map(tuple)
some_parts = st.lists(
    st.builds(f.ShipmentLine, line_id=ids, sku=skus, qty=UNITS), min_size=1, max_size=3
).map(tuple)
some_units = st.lists(st.builds(f.LineQty, line_id=ids, qty=UNITS), max_size=2).map(tuple)
reasons: Any = st.sampled_from(["credit_hold", "data_error"])
statuses: Any = st.sampled_from(["pre_transit", "in_transit", "delivered", "lost", "returned_to_sender"])
steps = st.builds(f.ShipmentStep, shipment_id=shipment_ids, lines=some_parts, location=places | st.none())
event_ids = st.sampled_from(["e 1", "e 2", "e 3"])

anything: st.SearchStrategy[tuple[str, f.Data]] = st.one_of(
    st.tuples(
        st.just("order.placed"),
        st.builds(
            f.OrderPlaced,
            order_id=st.just("o1"),
            customer_id=st.just("c"),
            channel=st.just("web"),
            currency=st.just("EUR"),
            lines=some_lines,
            ship_complete=st.booleans(),
        ),
    ),
    st.tuples(
        st.just("order.changed"), st.builds(f.OrderChanged, revision=st.integers(0, 5), lines=some_lines)
    ),
    st.tuples(st.just("order.confirmed"), st.just(f.OrderConfirmed())),
    st.tuples(st.just("order.rejected"), st.just(f.OrderRejected(reason="no"))),
    st.tuples(st.just("order.cancelled"), st.builds(f.OrderCancelled, lines=some_units | st.none())),
    st.tuples(st.just("order.hold_placed"), st.builds(f.OrderHoldPlaced, hold_id=ids, reason=reasons)),
    st.tuples(st.just("order.hold_released"), st.builds(f.OrderHoldReleased, hold_id=ids)),
    st.tuples(
        st.just("shipment.released"),
        st.builds(f.ShipmentReleased, shipment_id=shipment_ids, location=places, lines=some_parts),
    ),
    st.tuples(st.sampled_from(["shipment.picked", "shipment.packed", "shipment.shipped"]), steps),
    st.tuples(
        st.just("shipment.voided"), st.builds(f.ShipmentVoided, shipment_id=shipment_ids, reason=st.just("x"))
    ),
    st.tuples(
        st.just("parcel.scanned"),
        st.builds(f.ParcelScanned, shipment_id=shipment_ids, tracking=st.just("t"), status=statuses),
    ),
    st.tuples(
        st.just("parcel.exception"),
        st.builds(f.ParcelException, shipment_id=shipment_ids, kind=st.sampled_from(["weather", "lost"])),  # type: ignore[arg-type]
    ),
    st.tuples(
        st.just("delivery.corrected"),
        st.builds(f.DeliveryCorrected, shipment_id=shipment_ids, cancels=event_ids | st.just("1")),
    ),
    st.tuples(
        st.just("pick.short"), st.builds(f.PickShort, shipment_id=shipment_ids, line_id=ids, qty=UNITS)
    ),
)

RANK = [
    "RECEIVED",
    "CONFIRMED",
    "BACKORDERED",
    "PARTIALLY_ALLOCATED",
    "ALLOCATED",
    "IN_FULFILMENT",
    "ON_HOLD",
]


@given(st.lists(st.tuples(anything, event_ids, st.integers(0, 9)), max_size=30))
def test_no_fact_raises_and_what_is_published_is_counted(log):
    order = OrderStage()
    for (name, data), event_id, at_s in log:
        sent = msgspec.msgpack.decode(msgspec.msgpack.encode(data), type=type(data))
        order.fact(name, sent, at_s=at_s, event_id=event_id)  # asserts: one version for one published change
        if order.order.placed:
            total = order.total()
            assert 0 <= total.cancelled <= total.ordered
            assert total.delivered <= total.shipped <= total.packed <= total.picked <= total.released
            for line in order.order.lines.values():
                assert 0 <= line.cancelled <= line.ordered
    assert order.order.version == len(order.published)
    names = [m.name for m in order.order.milestones]
    assert len(names) == len(set(names))
    for sku, demand in order.asks:
        assert all(x.want >= 0 for x in demand.lines), sku
