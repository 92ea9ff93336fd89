"""What may be told of one order, drawn at random: facts that sources may state, and anything at all."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from springtide.codecs import facts as f
from springtide.codecs.messages import CustomerHold, CustomerHolds, PromiseAsked, Supplied, SuppliedLine

UNITS = st.integers(1, 6)
NOWHERE = (0, 0, -1)

# --- anything ---

ids = st.sampled_from(["1", "2", "3"])
SKUS = ["tea", "mug", "pot", "set"]
skus = st.sampled_from(SKUS)
shipment_ids = st.sampled_from(["s1", "s2"])
names = st.sampled_from(["x", "y"])
dates = st.sampled_from([None, "1970-01-01", "1970-01-02", "1970-02-30", "9999-99-99", "1970-01-02T25:61"])
places = st.sampled_from(["A", "B"])
amounts = st.sampled_from(["0", "1.5", "1.50", "3", "-2.25", "10.00"])
some_lines = st.lists(
    st.builds(
        f.OrderLine,
        line_id=ids,
        sku=skus,
        qty=UNITS,
        requested_date=dates,
        location=places | st.none(),
        price=amounts | st.none(),
        pool=st.none() | st.just("web"),
        substitutes_ok=st.booleans(),
    ),
    min_size=1,
    max_size=3,
).map(tuple)
some_parts = st.lists(
    st.builds(f.ShipmentLine, line_id=ids, sku=skus, qty=UNITS), min_size=1, max_size=3
).map(tuple)
some_units = st.lists(st.builds(f.LineQty, line_id=ids, qty=UNITS), min_size=1, max_size=2).map(tuple)
some_amounts = st.lists(
    st.builds(f.AmountLine, line_id=ids, qty=UNITS, amount=amounts), min_size=1, max_size=2
).map(tuple)
some_asked = st.lists(st.builds(f.ReturnAskedLine, line_id=ids, qty=UNITS), min_size=1, max_size=2).map(tuple)
dispositions: Any = st.sampled_from(["sellable", "damaged", "scrapped"])
some_judged = st.lists(
    st.builds(f.InspectedLine, line_id=ids, qty=UNITS, disposition=dispositions), min_size=1, max_size=3
).map(tuple)
reasons: Any = st.sampled_from(["credit_hold", "data_error"])
statuses: Any = st.sampled_from(
    ["pre_transit", "in_transit", "attempted", "delivered", "delivered", "lost", "returned_to_sender"]
)
kinds: Any = st.sampled_from(["weather", "lost", "pickup_missed", "refused"])
memo_reasons: Any = st.sampled_from([None, "lost", "lost", "price"])
modes: Any = st.sampled_from(["single", "split"])
sourcing = st.none() | st.builds(f.Sourcing, mode=modes, max_splits=st.none() | st.just(1))
steps = st.builds(f.ShipmentStep, shipment_id=shipment_ids, lines=some_parts, location=places | st.none())
event_ids = st.sampled_from(["e 1", "e 2", "e 3"])
times = st.integers(0, 9)

FACTS: dict[str, st.SearchStrategy[Any]] = {
    "order.placed": st.builds(
        f.OrderPlaced,
        order_id=st.just("o1"),
        customer_id=st.just("c"),
        channel=st.just("web"),
        currency=st.just("EUR"),
        region=st.none() | st.just("north"),
        promised_by=st.none() | st.sampled_from(["1970-01-01", "1970-01-01T00:00:07Z"]),
        lines=some_lines,
        sourcing=sourcing,
        ship_complete=st.booleans(),
    ),
    "order.changed": st.builds(f.OrderChanged, revision=st.integers(0, 5), lines=some_lines),
    "order.confirmed": st.just(f.OrderConfirmed()),
    "order.rejected": st.just(f.OrderRejected(reason="no")),
    "order.cancelled": st.builds(f.OrderCancelled, lines=some_units | st.none()),
    "order.hold_placed": st.builds(f.OrderHoldPlaced, hold_id=ids, reason=reasons),
    "order.hold_released": st.builds(f.OrderHoldReleased, hold_id=ids),
    "shipment.released": st.builds(
        f.ShipmentReleased, shipment_id=shipment_ids, location=places, lines=some_parts
    ),
    "shipment.picked": steps,
    "shipment.packed": steps,
    "shipment.shipped": steps,
    "shipment.voided": st.builds(f.ShipmentVoided, shipment_id=shipment_ids, reason=st.just("x")),
    "parcel.scanned": st.builds(
        f.ParcelScanned, shipment_id=shipment_ids, tracking=st.just("t"), status=statuses
    ),
    "parcel.exception": st.builds(f.ParcelException, shipment_id=shipment_ids, kind=kinds),
    "delivery.corrected": st.builds(
        f.DeliveryCorrected, shipment_id=shipment_ids, cancels=event_ids | st.just("1")
    ),
    "pick.short": st.builds(f.PickShort, shipment_id=shipment_ids, line_id=ids, qty=UNITS),
    "invoice.posted": st.builds(
        f.InvoicePosted, invoice_id=names, lines=some_amounts, total=amounts, currency=st.just("EUR")
    ),
    "invoice.reversed": st.builds(f.InvoiceReversed, invoice_id=names),
    "payment.captured": st.builds(f.Payment, payment_id=names, amount=amounts),
    "payment.refunded": st.builds(f.Payment, payment_id=names, amount=amounts),
    "credit_memo.issued": st.builds(
        f.CreditMemoIssued, memo_id=names, lines=some_amounts, reason=memo_reasons, restock=st.booleans()
    ),
    "return.authorized": st.builds(f.ReturnAuthorized, return_id=names, lines=some_asked),
    "return.received": st.builds(f.ReturnReceived, return_id=names, location=places, lines=some_units),
    "return.inspected": st.builds(f.ReturnInspected, return_id=names, lines=some_judged),
    "return.rejected": st.builds(f.ReturnRejected, return_id=names, reason=st.just("no")),
}
assert set(FACTS) == {
    fact.name for fact in f.FACT_TYPES if fact.topic in ("orders", "shipments", "invoices", "returns")
}
anything: st.SearchStrategy[tuple[str, f.Data]] = st.one_of(
    [st.tuples(st.just(name), data) for name, data in FACTS.items()]
)


@st.composite
def products(draw: st.DrawFn) -> dict[str, f.ProductUpserted]:
    """A kit, or substitutes, or neither, of some SKUs."""
    found: dict[str, f.ProductUpserted] = {}
    for sku in draw(st.lists(skus, max_size=2, unique=True)):
        others = st.sampled_from([other for other in SKUS if other != sku])
        parts = st.builds(f.KitPart, sku=others, qty_per=st.integers(1, 2))
        subs = st.builds(
            f.Substitute,
            sku=others,
            ratio=st.sampled_from([1.0, 2.0, 1.5]),
            valid_from=st.none() | st.just("1970-01-01T00:00:05Z"),
            needs_consent=st.booleans(),
        )
        newer = st.builds(f.Successor, sku=others, valid_from=st.sampled_from(["1970-01-01", "1970-01-02"]))
        is_kit = draw(st.booleans())
        found[sku] = f.ProductUpserted(
            sku=sku,
            name=sku,
            uom="EA",
            kit=draw(st.lists(parts, min_size=1, max_size=2).map(tuple)) if is_kit else None,
            substitutes=draw(st.lists(subs, max_size=2).map(tuple)),
            superseded_by=None if is_kit else draw(st.none() | newer),
        )
    return found


# --- what other actors tell ---

cells = st.dictionaries(places, st.integers(1, 6), max_size=2)
dated = st.lists(st.tuples(st.integers(0, 3), places, UNITS), max_size=2).map(lambda p: tuple(sorted(p)))
causes = st.none() | st.sampled_from(["supplier_late", "quality_hold"])
supplied_lines = st.builds(
    lambda line_id, held, short, promises, cause: SuppliedLine(
        line_id, sum(held.values()), short, held, promises, cause
    ),
    ids,
    cells,
    st.sampled_from([0, 0, 1, 4]),
    dated,
    causes,
)


def supplied(sku: str, request: int, seq: int, at_us: int) -> st.SearchStrategy[Supplied]:
    lines = st.lists(supplied_lines, max_size=3, unique_by=lambda line: line.line_id).map(tuple)
    return lines.map(lambda told: Supplied(sku, request, seq, at_us, at_us, NOWHERE, f"wms {seq}", told))


@st.composite
def customer_holds(draw: st.DrawFn, seq: int) -> CustomerHolds:
    stamps = st.integers(0, 9).map(lambda at: (at * 1_000_000, at * 1_000_000, f"erp {at}"))
    holds = st.builds(CustomerHold, hold_id=ids, placed=stamps, released=st.none() | stamps)
    told = draw(st.lists(holds, max_size=2, unique_by=lambda hold: hold.hold_id).map(tuple))
    return CustomerHolds("c", seq, 1, 1, NOWHERE, "erp 1", None, draw(st.none() | st.just("south")), told)


promises_asked = st.builds(
    lambda key, lines, complete: PromiseAsked(
        key, 0, 0, NOWHERE, "promise 1", 6_000_000, "web", lines, complete
    ),
    names,
    some_lines,
    st.booleans(),
)
