"""What can't be, worked out anew from all facts of an order: so it does not matter which of them came first,
and it goes when a later fact makes it right. Nothing is clamped for it, and nothing stops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from springtide.tables.finance import Finance, Stamp
from springtide.tables.order import Ledger, Order, OrderException, Shipment, ledgers


def anomalies(order: Order) -> list[OrderException]:
    """In a fixed order: what was ruled, by line, by shipment, then money, returns and holds."""
    found: list[OrderException] = []
    confirmed, rejected = order.told.get("confirmed"), order.told.get("rejected")
    if confirmed is not None and rejected is not None:
        if order.confirmed:
            detail = "the order was confirmed before it was rejected"
            found.append(_found("rejected_after_confirmed", detail, rejected, "order"))
        else:
            detail = f"the order was rejected before it was confirmed; reason given: {order.rejected}"
            found.append(_found("confirmed_after_rejected", detail, confirmed, "order"))
    quantities = ledgers(order)
    for line_id, ledger in quantities.items():
        found += _of_line(order, line_id, ledger)
    for _, shipment in sorted(order.shipments.items()):
        found += _of_shipment(shipment)
    if order.finance is not None:
        found += _of_finance(order, order.finance)
    found += _of_returns(order)
    for hold in order.holds.values():
        if not hold.reason and hold.release is not None:
            detail = f"hold {hold.hold_id} is released, and nobody has placed it"
            found.append(_found("release_unknown_hold", detail, hold.release, f"hold {hold.hold_id}"))
    return found


def _found(kind: str, detail: str, stamp: Stamp | None, about: str) -> OrderException:
    at_us, _, event_id = stamp or (0, 0, "")
    return OrderException(kind, detail, event_id, at_us, about)


def _of_line(order: Order, line_id: str, q: Ledger) -> Iterator[OrderException]:
    about = f"line {line_id}"
    line = order.lines.get(line_id)
    shipped = _last(
        shipment.told.get("shipped") or shipment.told.get("packed") or shipment.told.get("released")
        for shipment in order.shipments.values()
        if _names(line_id, shipment.gone())
    )
    if line is None:
        if q.released:
            told = _last(
                stamp
                for shipment in order.shipments.values()
                if _names(line_id, shipment.skus)
                for stamp in shipment.told.values()
            )
            yield _found("ships_unknown_line", f"{about} is not in the order", told, about)
    elif line.ships_cancelled(q.shipped):
        wanted = line.ordered - (0 if line.rest_cancelled else line.to_cancel)
        detail = f"{about}: {q.shipped} shipped, {wanted} wanted"
        cancelled = order.told.get(f"cancel {line_id}")
        if q.shipped > line.ordered:
            yield _found("shipped_beyond_open", detail, shipped, about)
        elif line.removed or cancelled is None:
            yield _found("changed_below_shipped", detail, shipped, about)
        else:
            yield _found("cancel_of_shipped", detail, cancelled, about)
    if q.delivered > q.shipped:
        detail = f"{about}: {q.delivered} delivered, {q.shipped} shipped"
        yield _found("delivered_beyond_shipped", detail, shipped, about)
    if q.returned > q.delivered:
        detail = f"{about}: {q.returned} returned, {q.delivered} delivered"
        yield _found("returned_beyond_delivered", detail, _returned(order, line_id), about)
    memo = _memo(order, line_id)
    if q.credited > q.invoiced:
        detail = f"{about}: {q.credited} credited, {q.invoiced} invoiced"
        yield _found("credited_beyond_invoiced", detail, memo, about)
    if q.lost_credited > q.shipped:
        detail = f"{about}: {q.lost_credited} credited as lost, {q.shipped} shipped"
        yield _found("lost_beyond_shipped", detail, memo, about)
    if q.restocked > q.shipped:
        detail = f"{about}: {q.restocked} restocked, {q.shipped} shipped"
        yield _found("restocked_beyond_shipped", detail, memo or _returned(order, line_id), about)


def _of_shipment(shipment: Shipment) -> Iterator[OrderException]:
    name = f"shipment {shipment.shipment_id}"
    voided = shipment.told.get("voided")
    ends = {scan.tracking: shipment.ends(scan.tracking) for scan in shipment.scans if not scan.is_exception}
    if voided is None and not any(ends.values()):
        return
    for scan in shipment.scans:
        if scan.is_exception or shipment.is_corrected(scan):
            continue
        about = f"{name} {scan.event_id}"
        end = ends[scan.tracking]
        if shipment.voided is not None and voided is not None and scan.at_us >= voided[0]:
            detail = f"{name} is void; scanned {scan.status}"
            yield _found("scan_of_voided_shipment", detail, scan.stamp, about)
        elif end is not None and (scan.at_us, scan.sequence) > (end.at_us, end.sequence):
            detail = f"{name} was {end.status} before; scanned {scan.status}"
            yield _found("scan_after_terminal", detail, scan.stamp, about)


def _of_finance(order: Order, finance: Finance) -> Iterator[OrderException]:
    for invoice in finance.invoices.values():
        about = f"invoice {invoice.invoice_id}"
        if invoice.posted is None:
            detail = f"{about} is reversed, and nobody has posted it"
            yield _found("reverses_unknown_invoice", detail, invoice.reversed, about)
        elif invoice.stands:
            if invoice.currency != order.currency:
                detail = f"{about} is in {invoice.currency}, the order in {order.currency}"
                yield _found("other_currency", detail, invoice.posted, about)
            for line_id in _unknown(order, invoice.lines):
                detail = f"{about}: line {line_id} is not in the order"
                yield _found("invoices_unknown_line", detail, invoice.posted, f"{about} {line_id}")
    for memo in finance.memos.values():
        about = f"memo {memo.memo_id}"
        for line_id in _unknown(order, memo.lines):
            detail = f"{about}: line {line_id} is not in the order"
            yield _found("credits_unknown_line", detail, memo.issued, f"{about} {line_id}")
    if finance.refunded_amount() > finance.captured_amount():
        last = _last(payment.made for payment in finance.refunded.values())
        yield _found("refunded_beyond_captured", "more is refunded than was captured", last, "payments")


def _of_returns(order: Order) -> Iterator[OrderException]:
    for one in order.returns.values():
        name = f"return {one.return_id}"
        received, inspected = one.told.get("received"), one.told.get("inspected")
        back = one.back()
        told = received or inspected or one.told.get("authorized")
        for line_id in _unknown(order, one.authorized | back):
            detail = f"{name}: line {line_id} is not in the order"
            yield _found("returns_unknown_line", detail, told, f"{name} {line_id}")
        for line_id, units in back.items():
            about = f"{name} {line_id}"
            asked = one.authorized.get(line_id, 0)
            if "authorized" in one.told and units > asked:
                detail = f"{name}, line {line_id}: {units} received, {asked} authorized"
                yield _found("received_beyond_authorized", detail, received or inspected, about)
            known = one.received.get(line_id, 0)
            if received is not None and one.decided(line_id) > known:
                detail = f"{name}, line {line_id}: {one.decided(line_id)} inspected, {known} received"
                yield _found("inspected_beyond_received", detail, inspected, about)


def _names(line_id: str, units: Iterable[str]) -> bool:
    """Whether units of a shipment are of a line; those of a kit's parts go by line and part."""
    return any(key.partition("\x00")[0] == line_id for key in units)


def _unknown(order: Order, line_ids: Iterable[str]) -> list[str]:
    return [line_id for line_id in line_ids if line_id not in order.lines]


def _returned(order: Order, line_id: str) -> Stamp | None:
    return _last(
        one.told.get("received") or one.told.get("inspected")
        for one in order.returns.values()
        if line_id in one.back()
    )


def _memo(order: Order, line_id: str) -> Stamp | None:
    if order.finance is None:
        return None
    return _last(memo.issued for memo in order.finance.memos.values() if line_id in memo.lines)


def _last(stamps: Iterable[Stamp | None]) -> Stamp | None:
    return max((stamp for stamp in stamps if stamp is not None), default=None)
