"""Bodies of answers, as pure functions of rows: the HTTP API and `simulate` give the same ones.

`freshness` and `position` are not here; whoever reads the rows knows how far they stand.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, Protocol
from urllib.parse import quote

import msgspec

from springtide.app.view.problems import Problem, shown
from springtide.app.view.questions import AtpQuestion, parse_target
from springtide.codecs.times import rfc3339
from springtide.tables.atp import figures
from springtide.tables.order import STEPS, Ledger, Order, Shipment, ledgers
from springtide.tables.sku import Head

_LEDGER: Final = Ledger.__struct_fields__


class Rows(Protocol):
    """Where rows are read: each with the stream time of its partition, in microseconds."""

    def head(self, sku: str) -> tuple[Head | None, int]: ...

    def order(self, order_id: str) -> tuple[Order | None, int]: ...


def answer(target: str, rows: Rows) -> tuple[int, dict[str, Any]]:
    """(status, body) for a path with its query; the body of an error is its problem."""
    try:
        question = parse_target(target)
        if isinstance(question, AtpQuestion):
            head, now_us = rows.head(question.sku)
            return 200, atp_answer(head, now_us, question.sku, question.location, question.channel)
        order, _ = rows.order(question.order_id)
        return 200, order_answer(order, question.order_id)
    except Problem as problem:
        return problem.status, problem.body(target.partition("?")[0])


def atp_path(sku: str) -> str:
    return "/v1/atp/" + quote(sku, safe="")


# --- available to promise ---


def atp_answer(
    head: Head | None, now_us: int, sku: str, location: str | None = None, channel: str | None = None
) -> dict[str, Any]:
    """The figures of a SKU at stream time `now_us`, of one location or all.

    Raises Problem if the SKU or the location is unknown, or if the channel's figure would need its fences.
    """
    if head is None or not head.known:
        raise Problem(
            404,
            "unknown-sku",
            "Unknown SKU",
            f"No stock or supply fact has named SKU '{shown(sku)}'. Check its spelling; a SKU is known from "
            "its first inventory event on.",
        )
    if location is not None and location not in head.cells:
        raise Problem(
            404,
            "unknown-location",
            "Unknown location",
            f"SKU '{shown(sku)}' has never been at location '{shown(location)}'; "
            f"it is at {_some(list(head.cells))}.",
            errors=[{"path": "location", "message": "unknown for this SKU"}],
        )
    if channel is not None and head.fences:
        raise Problem(
            400,
            "unsupported-parameter",
            "This version can't answer that",
            f"SKU '{shown(sku)}' has ring-fenced stock, and this version does not answer a channel's part of "
            "it; leave 'channel' out to get the figure of all channels together.",
            errors=[{"path": "channel", "message": "not answered by this version where there are fences"}],
        )
    found = figures(head, now_us, location)
    body: dict[str, Any] = {
        "sku": found.pop("sku"),
        "location": found.pop("location"),
        "channel": channel,
        "uom": None,
    }
    body |= found
    if location is None:
        body["locations"] = [
            {
                "location": name,
                **{k: v for k, v in figures(head, now_us, name).items() if k in _BY_LOCATION},
            }
            for name in sorted(head.cells)
        ]
    body["holds"] = [
        {
            "hold_id": hold.hold_id,
            "owner": hold.owner,
            "channel": hold.channel,
            "qty": sum(hold.cells.values()) if location is None else hold.cells[location],
            "cells": hold.cells,
            "placed_at": rfc3339(hold.placed_us),
            "expires_at": rfc3339(hold.expires_us),
        }
        for hold in head.holds.values()
        if hold.expires_us > now_us and (location is None or location in hold.cells)
    ]
    body["supply"] = [
        {"supply_id": supply_id, **msgspec.structs.asdict(supply)}
        for supply_id, supply in head.supply.items()
        if location in (None, supply.location)
    ]
    body["fences"] = [
        msgspec.structs.asdict(fence)
        for fence in head.fences.values()
        if location is None or fence.location in (None, location)
    ]
    body["notes"] = [
        {"kind": note.kind, "detail": note.detail, "event_id": note.event_id, "at": rfc3339(note.at_us)}
        for note in head.notes
    ]
    return body


_BY_LOCATION: Final = frozenset(
    ("on_hand", "safety_stock", "committed", "held", "backordered", "available_now")
)


def stands_until_us(head: Head, now_us: int) -> int | None:
    """The stream time up to which the answer at `now_us` stays the same if the row does; None: for ever."""
    return min((hold.expires_us for hold in head.holds.values() if hold.expires_us > now_us), default=None)


# --- orders ---


def order_answer(order: Order | None, order_id: str) -> dict[str, Any]:
    """Where an order stands. Raises Problem if it is unknown, or not placed yet though facts wait for it."""
    if order is None:
        raise Problem(
            404,
            "unknown-order",
            "Unknown order",
            f"No fact has named order '{shown(order_id)}'. Check its id; an order is known once it is placed.",
        )
    if not order.placed:
        count = len(order.waiting)
        facts = "fact waits" if count == 1 else "facts wait"
        raise Problem(
            404,
            "order-not-placed",
            "Order not placed yet",
            f"{count} {facts} for order '{shown(order_id)}', which has not been placed; "
            "it appears, with them, when order.placed comes.",
        )
    return {
        "order_id": order.order_id,
        "status": order.status,
        "version": order.version,
        "axes": {"finance": None, "payment": None, "returns": None},
        "customer_id": order.customer_id,
        "channel": order.channel,
        "region": order.region,
        "currency": order.currency,
        "placed_at": rfc3339(order.placed_us),
        "placed_by": order.placed_by,
        "opportunity_id": order.opportunity_id,
        "correlation_id": order.correlation,
        "priority": order.priority,
        "ship_complete": order.ship_complete,
        "promised_by": order.promised_by,
        "ship_to": None
        if order.ship_to is None
        else dict(zip(("country", "region", "postcode"), order.ship_to, strict=True)),
        "rejected": order.rejected,
        "holds": [
            {
                "hold_id": hold.hold_id,
                "reason": hold.reason,
                "since": rfc3339(hold.since_us),
                "scope": hold.scope,
            }
            for hold in order.holds.values()
            if hold.released_us is None
        ],
        "lines": _lines(order),
        "milestones": [
            {
                "name": milestone.name,
                "occurred_at": rfc3339(milestone.occurred_us),
                "recorded_at": rfc3339(milestone.recorded_us),
                "inferred": milestone.inferred,
                "superseded": milestone.superseded,
                "event_id": milestone.event_id,
            }
            for milestone in sorted(order.milestones, key=lambda m: m.occurred_us)
        ],
        "shipments": [_shipment(shipment) for shipment in order.shipments.values()],
        "exceptions": [
            {
                "id": _exception_id(order_id, exception.kind, exception.event_id, exception.detail),
                "kind": exception.kind,
                "detail": exception.detail,
                "event_id": exception.event_id,
                "at": rfc3339(exception.at_us),
            }
            for exception in order.exceptions
        ],
        "kept": [
            {
                "fact": kept.name,
                "at": rfc3339(kept.at_us),
                "event_id": kept.event_id,
                "data": msgspec.msgpack.decode(kept.data),
            }
            for kept in order.kept
        ],
    }


def _lines(order: Order) -> list[dict[str, Any]]:
    quantities = ledgers(order)
    lines: list[dict[str, Any]] = []
    for line_id, ledger in quantities.items():
        line = order.lines.get(line_id)
        lines.append(
            {
                "line_id": line_id,
                "sku": _sku_of(order, line_id) if line is None else line.sku,
                **{name: getattr(ledger, name) for name in _LEDGER},
                "requested_date": None if line is None else line.requested_date,
                "location": None if line is None else line.location,
                "price": None if line is None else line.price,
                "promises": [],
            }
        )
    return lines


def _sku_of(order: Order, line_id: str) -> str | None:
    """What a line that nobody ordered is, as its shipments say."""
    return next((s.skus[line_id] for s in order.shipments.values() if line_id in s.skus), None)


def _shipment(shipment: Shipment) -> dict[str, Any]:
    return {
        "shipment_id": shipment.shipment_id,
        "location": shipment.location,
        "carrier": shipment.carrier,
        "tracking": shipment.tracking,
        "parcel": shipment.parcel_status(),
        "voided": shipment.voided,
        **{step: getattr(shipment, step) for step in STEPS},
        "short": shipment.short,
        "scans": [
            {
                "at": rfc3339(scan.at_us),
                "sequence": scan.sequence,
                "status": scan.status,
                "is_exception": scan.is_exception,
                "corrected": shipment.is_corrected(scan),
                "tracking": scan.tracking,
                "place": scan.place,
                "detail": scan.detail,
                "event_id": scan.event_id,
            }
            for scan in sorted(shipment.scans, key=lambda s: (s.at_us, s.sequence))
        ],
    }


def _exception_id(order_id: str, *parts: str) -> str:
    """The same for the same exception, wherever it is asked for."""
    return blake2b("\x00".join((order_id, *parts)).encode(), digest_size=8).hexdigest()


def _some(names: list[str], most: int = 10) -> str:
    if not names:
        return "none yet"
    listed = ", ".join(shown(name) for name in sorted(names)[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
