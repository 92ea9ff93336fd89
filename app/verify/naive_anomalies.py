"""What can't be of a naive order, worked out from all that was told: (kind, event id, instant, about)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from springtide.app.verify.naive_order import NaiveOrder
from springtide.app.verify.naive_parcel import ENDS, STEPS, Parcel, Stamp

Anomaly = tuple[str, str, int, str]


def anomalies(order: NaiveOrder) -> list[Anomaly]:
    found = _rulings(order)
    found += [one for line_id, ledger in order.ledgers().items() for one in _line(order, line_id, ledger)]
    for name, parcel in order.parcels.items():
        found += _parcel(f"shipment {name}", parcel)
    found += _money(order)
    found += _returns(order)
    found += [
        _found("release_unknown_hold", stop.released, f"hold {name}")
        for name, stop in order.stops.items()
        if not stop.reason and stop.released is not None
    ]
    return found


def _rulings(order: NaiveOrder) -> list[Anomaly]:
    """Both confirmed and rejected: the later of the two can't be."""
    confirmed, rejected = order.ruled("confirmed"), order.ruled("rejected")
    if confirmed is None or rejected is None:
        return []
    if order.confirmed:
        return [_found("rejected_after_confirmed", rejected[0], "order")]
    return [_found("confirmed_after_rejected", confirmed[0], "order")]


def _found(kind: str, stamp: Stamp | None, about: str) -> Anomaly:
    at_us, _, event_id = stamp or (0, 0, "")
    return kind, event_id, at_us, about


def _last(stamps: Iterable[Stamp | None]) -> Stamp | None:
    return max((stamp for stamp in stamps if stamp is not None), default=None)


def _line(order: NaiveOrder, line_id: str, has: dict[str, int]) -> list[Anomaly]:
    """Quantities of a line against each other; each is blamed on the last fact that made the greater one."""
    about = f"line {line_id}"
    line = order.lines.get(line_id)
    parcels = list(order.parcels.values())
    of_line = [p for p in parcels if line_id in {key.split("\x00")[0] for key in p.units("shipped")}]
    shipped = _last(p.first("shipped") or p.first("packed") or p.first("released") for p in of_line)
    memo = _last(min(m.told) for m in order.money.memos.values() if line_id in m.lines)
    backs = [back for back in order.backs.by_id.values() if back.returned(line_id)]
    returned = _last(back.first("received") or back.first("inspected") for back in backs)
    found: list[Anomaly] = []
    if line is None:
        if has["released"]:
            naming = [p for p in parcels if line_id in {key.split("\x00")[0] for key in p.skus}]
            of_lines = tuple(f"{step} " for step in STEPS)
            told = [p.first(w) for p in naming for w, _ in p.heard if not w.startswith(of_lines)]
            found.append(_found("ships_unknown_line", _last(told), about))
    else:
        wanted = line.ordered - (0 if line.cancel_rest else line.to_cancel())
        if has["shipped"] > line.ordered:
            found.append(_found("shipped_beyond_open", shipped, about))
        elif has["shipped"] > wanted and (line.dropped or line_id not in order.cancels):
            found.append(_found("changed_below_shipped", shipped, about))
        elif has["shipped"] > wanted:
            found.append(_found("cancel_of_shipped", order.cancels[line_id], about))
    lost = order.money.credited(line_id, lost=True) if line is not None else 0
    for kind, more, less, stamp in (
        ("delivered_beyond_shipped", has["delivered"], has["shipped"], shipped),
        ("returned_beyond_delivered", has["returned"], has["delivered"], returned),
        ("credited_beyond_invoiced", has["credited"], has["invoiced"], memo),
        ("lost_beyond_shipped", lost, has["shipped"], memo),
        ("restocked_beyond_shipped", has["restocked"], has["shipped"], memo or returned),
    ):
        if more > less:
            found.append(_found(kind, stamp, about))
    return found


def _parcel(name: str, parcel: Parcel) -> list[Anomaly]:
    """Scans of what is void, and of a parcel after what ended its way."""
    voided = parcel.first("voided")
    found = []
    for scan in parcel.counting():
        same = [other for other in parcel.counting() if other.tracking == scan.tracking]
        ends = [(s.at_us, s.sequence, s.status) for s in same if s.status in ENDS]
        if voided is not None and parcel.voided is not None and scan.at_us >= voided[0]:
            found.append(_found("scan_of_voided_shipment", scan.stamp(), f"{name} {scan.event_id}"))
        elif ends and (scan.at_us, scan.sequence) > min(ends)[:2]:
            found.append(_found("scan_after_terminal", scan.stamp(), f"{name} {scan.event_id}"))
    return found


def _money(order: NaiveOrder) -> list[Anomaly]:
    found = []
    currency = None if order.placed is None else order.placed.currency
    for name, bill in order.money.bills.items():
        about = f"invoice {name}"
        if not bill.stated:
            found.append(_found("reverses_unknown_invoice", min(bill.reversed), about))
        elif bill.counts():
            if bill.currency() != currency:
                found.append(_found("other_currency", bill.posted(), about))
            unknown = [line_id for line_id in bill.lines() if line_id not in order.lines]
            found += [_found("invoices_unknown_line", bill.posted(), f"{about} {x}") for x in unknown]
    for name, memo in order.money.memos.items():
        unknown = [line_id for line_id in memo.lines if line_id not in order.lines]
        found += [_found("credits_unknown_line", min(memo.told), f"memo {name} {x}") for x in unknown]
    captured = sum((paid.worth() for paid in order.money.captured.values()), Decimal(0))
    refunded = sum((paid.worth() for paid in order.money.refunded.values()), Decimal(0))
    if refunded > captured:
        last = _last(paid.made() for paid in order.money.refunded.values())
        found.append(_found("refunded_beyond_captured", last, "payments"))
    return found


def _returns(order: NaiveOrder) -> list[Anomaly]:
    found = []
    for name, back in order.backs.by_id.items():
        authorized, received = back.first("authorized"), back.first("received")
        came = received or back.first("inspected")
        for line_id in back.line_ids():
            about = f"return {name} {line_id}"
            units, judged = back.returned(line_id), back.judged(line_id)
            if line_id not in order.lines:
                found.append(_found("returns_unknown_line", came or authorized, about))
            if authorized is not None and units > back.units("authorized").get(line_id, 0):
                found.append(_found("received_beyond_authorized", came, about))
            if received is not None and judged > back.units("received").get(line_id, 0):
                found.append(_found("inspected_beyond_received", back.first("inspected"), about))
    return found
