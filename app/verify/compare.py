"""Rows of the projections as plain values, and where two pictures first differ."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from springtide.tables.customer import Customer
from springtide.tables.finance import Finance
from springtide.tables.order import QUANTITIES, Order, Promise, Ways, axes, ledgers
from springtide.tables.returns import Return
from springtide.tables.sku import Dated, Head

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
        "fences": {
            name: (x.location, x.channel, x.qty, x.rank, x.valid_from, x.valid_to, x.used)
            for name, x in head.fences.items()
        },
        "notes": [(note.at_us, note.kind, note.event_id) for note in head.notes],
    }


def dated_picture(dated: Dated | None) -> dict[str, Any]:
    """What `NaiveSku.dated` says, read from a row of `atp`."""
    row = Dated() if dated is None else dated
    return {
        "supply": row.supply,
        "demand": row.demand,
        "plans": row.plans,
        "soft": row.soft,
        "leads": row.leads,
    }


def order_picture(order: Order) -> dict[str, Any]:
    """What `naive_picture` says, read from a row of `order-status`."""
    beside = axes(order)
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
                "day": line.day,
                "location": line.location,
                "allocated": line.allocated,
                "backordered": line.backordered,
                "cells": line.cells,
                "cause": line.cause,
                "made": None if line.ways is None else ways_picture(line.ways),
                "promises": line.promises,
                "first": list(line.first),
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
            name: (hold.reason, hold.since_us, hold.scope, hold.release, hold.of_customer)
            for name, hold in order.holds.items()
        },
        "ledgers": {
            line_id: {name: getattr(ledger, name) for name in QUANTITIES}
            for line_id, ledger in ledgers(order).items()
        },
        "axes": {"finance": beside.finance, "payment": beside.payment, "returns": beside.returns},
        "money": money_picture(order.finance or Finance()),
        "returns": {name: return_picture(one) for name, one in order.returns.items()},
        "customer": (
            order.customer_seq,
            order.customer_class,
            order.customer_region,
            0 if order.credit is None else order.credit.request,
        ),
        "milestones": {
            name: (m.occurred_us, m.recorded_us, m.event_id, m.inferred, m.superseded)
            for name, m in order.milestones.items()
        },
        "exceptions": sorted((e.kind, e.event_id, e.at_us, e.about) for e in order.exceptions),
        "needs": {
            sku: (need.request, need.seq, need.state, need.lines, need.wanted)
            for sku, need in order.needs.items()
        },
        "ship_day": order.ship_day,
        "stated_by": order.stated_by,
        "promise": None if order.promise is None else promise_picture(order.promise),
        "waits": [(wait.cause, wait.since_us, wait.until_us) for wait in order.waits],
    }


def ways_picture(ways: Ways) -> dict[str, Any]:
    """What `Makeup.picture` says."""
    return {
        "kit": ways.kit,
        "stands": (ways.turn, ways.short, ways.probes),
        "parts": {
            sku: (leg.per, leg.from_us, leg.waits, leg.cap, leg.asked, leg.given, leg.queued)
            for sku, leg in ways.legs.items()
        },
    }


def promise_picture(promise: Promise) -> dict[str, Any]:
    """What `Asked.picture` says."""
    return {
        "asked": (promise.key, promise.asked_us, promise.expires_us, promise.event_id),
        "state": promise.state,
        "lines": {line.line_id: (line.sku, line.qty, line.outcome, line.promises) for line in promise.lines},
        "kept": promise.kept,
    }


def money_picture(finance: Finance) -> dict[str, Any]:
    """What `Money.picture` says."""
    return {
        "invoices": {
            name: (invoice.lines, invoice.total, invoice.currency, invoice.posted, invoice.reversed)
            for name, invoice in finance.invoices.items()
        },
        "memos": {
            name: (memo.lines, memo.reason, memo.restock, memo.issued) for name, memo in finance.memos.items()
        },
        "captured": {name: (paid.amount, paid.made) for name, paid in finance.captured.items()},
        "refunded": {name: (paid.amount, paid.made) for name, paid in finance.refunded.items()},
    }


def return_picture(one: Return) -> dict[str, Any]:
    """What `Back.picture` says."""
    return {
        "authorized": one.authorized,
        "received": one.received,
        "inspected": one.inspected,
        "places": one.places,
        "rejected": one.rejected,
        "told": one.told,
    }


def customer_picture(customer: Customer) -> dict[str, Any]:
    """What `NaiveCustomer.picture` says, read from a row of `customers`."""
    return {
        "customer_id": customer.customer_id,
        "name": customer.name,
        "class": customer.customer_class,
        "region": customer.region,
        "limit": customer.limit,
        "currency": customer.currency,
        "exposure": customer.exposure,
        "holds": {name: (hold.placed, hold.released) for name, hold in customer.holds.items()},
        "open_orders": customer.open_orders,
        "open_amount": {currency: Decimal(amount) for currency, amount in customer.open_amount.items()},
        "seq": customer.seq,
        "known": customer.known,
        "changed_us": customer.changed_us,
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
