"""Rows of the projections as plain values, and where two pictures first differ."""

from __future__ import annotations

from typing import Any, Final

from springtide.tables.order import Order
from springtide.tables.sku import Head

_FIGURES: Final = (
    "sellable",
    "damaged",
    "quality_control",
    "reserved_other",
    "safety_stock",
    "committed",
    "held",
    "backordered",
)


def sku_picture(head: Head) -> dict[str, Any]:
    """What `NaiveSku.picture` says, read from a row of `atp`."""
    cells = {at: {name: getattr(cell, name) for name in _FIGURES} for at, cell in head.cells.items()}
    return {
        "sku": head.sku,
        "known": head.known,
        "facts": head.facts,
        "changed_us": head.changed_us,
        "waiting": head.waiting,
        "backordered": head.backordered,
        "cells": {at: figures for at, figures in cells.items() if any(figures.values())},
        "holds": {
            name: {
                "expires_us": hold.expires_us,
                "cells": {at: units for at, units in hold.cells.items() if units},
                "owner": hold.owner,
                "channel": hold.channel,
                "placed_us": hold.placed_us,
                "pledge": hold.pledged_to,
            }
            for name, hold in head.holds.items()
        },
        "supply": {
            name: {
                "location": s.location,
                "qty": s.qty,
                "due": s.due,
                "firmness": s.firmness,
                "received": s.received,
                "cancelled": s.cancelled,
            }
            for name, s in head.supply.items()
        },
        "fences": {
            name: (x.location, x.channel, x.qty, x.valid_from, x.valid_to, x.rank)
            for name, x in head.fences.items()
        },
        "notes": [(note.at_us, note.kind, note.event_id) for note in head.notes],
    }


def order_picture(order: Order) -> dict[str, Any]:
    """What `NaiveOrder.picture` says, read from a row of `order-status`."""
    return {
        "order_id": order.order_id,
        "placed": order.placed,
        "placed_us": order.placed_us,
        "about": (
            order.customer_id,
            order.channel,
            order.region,
            order.currency,
            order.priority,
            order.ship_complete,
            order.promised_by,
        )
        if order.placed
        else None,
        "revision": order.revision,
        "confirmed": order.confirmed,
        "rejected": order.rejected,
        "status": order.status,
        "version": order.version,
        "facts": order.facts,
        "changed_us": order.changed_us,
        "correlation": order.correlation,
        "waiting": len(order.waiting),
        "lines": {
            line_id: {
                "sku": line.sku,
                "ordered": line.ordered,
                "cancelled": line.cancelled,
                "requested_date": line.requested_date,
                "due_us": line.due_us,
                "location": line.location,
                "allocated": line.allocated,
                "backordered": line.backordered,
                "cells": line.cells,
            }
            for line_id, line in order.lines.items()
        },
        "shipments": {
            name: {
                "location": shipment.location,
                "released": shipment.released,
                "picked": shipment.picked,
                "packed": shipment.packed,
                "shipped": shipment.shipped,
                "short": shipment.short,
                "skus": shipment.skus,
                "carrier": shipment.carrier,
                "tracking": shipment.tracking,
                "voided": shipment.voided,
                "scans": [(s.at_us, s.sequence, s.status, s.event_id) for s in shipment.scans],
                "corrected": shipment.corrected,
            }
            for name, shipment in order.shipments.items()
        },
        "holds": {
            name: (hold.reason, hold.since_us, hold.scope, hold.released_us)
            for name, hold in order.holds.items()
        },
        "milestones": [
            (m.name, m.occurred_us, m.recorded_us, m.event_id, m.inferred, m.superseded)
            for m in order.milestones
        ],
        "exceptions": [(e.kind, e.event_id, e.at_us) for e in order.exceptions],
        "kept": [(k.name, k.event_id, k.at_us) for k in order.kept],
        "needs": {sku: (need.request, need.seq, need.state, need.lines) for sku, need in order.needs.items()},
    }


def difference(stands: Any, due: Any, path: str = "") -> str | None:
    """The first place where what stands in the log is not what is due, in words; None if they are equal."""
    if stands == due:
        return None
    if isinstance(stands, dict) and isinstance(due, dict):
        for name in {**due, **stands}:
            found = difference(stands.get(name), due.get(name), f"{path}.{name}" if path else str(name))
            if found is not None:
                return found
    if isinstance(stands, list | tuple) and isinstance(due, list | tuple):
        for number, (one, other) in enumerate(zip(stands, due, strict=False)):
            found = difference(one, other, f"{path}[{number}]")
            if found is not None:
                return found
        if len(stands) != len(due):
            return f"{path} has {len(stands)} entries, {len(due)} are due"
    if hasattr(stands, "__struct_fields__") and type(stands) is type(due):
        for name in stands.__struct_fields__:
            found = difference(getattr(stands, name), getattr(due, name), f"{path}.{name}" if path else name)
            if found is not None:
                return found
    return f"{path or 'it'} is {_short(stands)}, due is {_short(due)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
