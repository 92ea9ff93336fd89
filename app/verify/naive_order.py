"""One order, as the naive model keeps it: the oracle for what OrderActors do.

Written from the definitions of order status; it shares no code with the domain. Quantities are summed anew
from the shipments each time.

    order = NaiveOrder("o-1")
    applying = Applying(order, at_us, recorded_us, event_id, now_us)    # of `naive_order_steps`
    applying.fact("order.placed", data)
    applying.conclude(outcome, origin)                                  # requests and published changes
    order.picture()                                                     # every figure, as plain values
"""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from springtide.codecs import facts as f
from springtide.codecs.messages import Fact, Origin

FACTS_MAX: Final = 10_000
WAITING_MAX: Final = 200
LIST_MAX: Final = 200
NO_ORIGIN: Final[Origin] = (0, 0, -1)
NOWHERE: Final = "?"
STEPS: Final = ("released", "picked", "packed", "shipped")
MARKS: Final = ("released_to_warehouse", "picked", "packed", "shipped")
"""Milestones of these steps."""
SCAN_MARKS: Final = {"attempted": "delivery_attempted"}
"""Milestones of scans, where they have another name than the status."""
OF_PARCELS: Final = {*MARKS, *(SCAN_MARKS.get(name, name) for name in get_args(f.ParcelStatus))}
Units = dict[str, int]


class OrderLine(msgspec.Struct, array_like=True):
    sku: str
    ordered: int
    cancelled: int = 0
    day: str | None = None
    due_us: int | None = None
    at: str | None = None
    price: str | None = None
    pool: str | None = None
    substitutes_ok: bool = False
    allocated: int = 0
    backordered: int = 0
    cells: Units = {}
    cancel_named: int = 0
    """Units that cancellations named."""
    cancel_rest: bool = False
    """A cancellation named all that has not shipped."""
    dropped: bool = False
    """The newest revision names the line no more."""

    def to_cancel(self) -> int:
        """Units that facts cancel, shipped or not."""
        return self.ordered if self.cancel_rest or self.dropped else min(self.cancel_named, self.ordered)

    def exceeded(self, shipped: int) -> bool:
        """More has shipped than facts leave wanted; "all that has not shipped" leaves what has."""
        return (not self.cancel_rest and shipped > self.ordered - self.to_cancel()) or shipped > self.ordered

    def open(self) -> int:
        return self.ordered - self.cancelled


class Scan(msgspec.Struct, array_like=True):
    at_us: int
    sequence: int
    status: str
    event_id: str
    exception: bool


class Parcel(msgspec.Struct, array_like=True):
    """A shipment: step -> line -> units as stated."""

    at: str | None = None
    stated: dict[str, Units] = {}
    short: Units = {}
    skus: dict[str, str] = {}
    carrier: str | None = None
    tracking: str | None = None
    voided: str | None = None
    scans: list[Scan] = []
    corrected: list[str] = []

    def delivered(self) -> bool:
        return any(
            s.status == "delivered" and not s.exception and not self.is_corrected(s) for s in self.scans
        )

    def is_corrected(self, scan: Scan) -> bool:
        return any(c in (scan.event_id, scan.event_id.split(" ", 1)[1]) for c in self.corrected)

    def units(self, step: str) -> Units:
        """line -> units at a step or beyond it. Delivered units were shipped, though nobody said so."""
        if self.voided is not None:
            return {}
        delivered = bool(self.scans) and self.delivered()
        if step == "delivered" and not delivered:
            return {}
        stated = self.stated
        found = stated.get("shipped", {})
        if delivered and not found:
            found = stated.get("packed") or stated.get("picked") or stated.get("released") or {}
        if step in ("delivered", "shipped"):
            return found
        for name in ("packed", "picked", "released")[: 3 - STEPS.index(step)]:
            also = stated.get(name, {})
            if also and also != found:
                found = found | {line_id: max(n, found.get(line_id, 0)) for line_id, n in also.items()}
        return found


class Stop(msgspec.Struct, array_like=True):
    """A hold on the order."""

    reason: str
    since_us: int
    scope: tuple[str, ...] | None
    released_us: int | None = None


class Mark(msgspec.Struct, array_like=True):
    """A milestone."""

    name: str
    occurred_us: int
    recorded_us: int
    event_id: str
    inferred: bool
    superseded: bool = False


class Need(msgspec.Struct, array_like=True):
    request: int = 0
    seq: int = 0
    state: str = "none"
    lines: dict[str, tuple[int, int, Units]] = {}


class NaiveOrder(msgspec.Struct, array_like=True):
    """See the module. `Applying` changes it."""

    order_id: str
    placed: f.OrderPlaced | None = None
    placed_us: int = 0
    revision: int = -1
    confirmed: bool = False
    rejected: str | None = None
    lines: dict[str, OrderLine] = {}
    parcels: dict[str, Parcel] = {}
    stops: dict[str, Stop] = {}
    marks: list[Mark] = []
    exceptions: list[tuple[str, str, int]] = []
    """(kind, event id, instant)"""
    kept: list[tuple[str, str, int]] = []
    needs: dict[str, Need] = {}
    waiting: list[Fact] = []
    status: str = ""
    version: int = 0
    facts: int = 0
    changed_us: int = 0
    correlation: str | None = None

    # --- figures ---

    def total(self, step: str) -> int:
        """Units of the whole order at a step or beyond it."""
        return sum(sum(parcel.units(step).values()) for parcel in self.parcels.values())

    def shipped(self, line_id: str) -> int:
        return sum(parcel.units("shipped").get(line_id, 0) for parcel in self.parcels.values())

    def net(self) -> int:
        return sum(line.open() for line in self.lines.values())

    def header(self) -> str:
        """The first rule of the definition that holds."""
        net = self.net()
        if self.rejected is not None and not self.confirmed:
            return "REJECTED"
        if net <= 0:
            return "CANCELLED"
        if self.parcels:
            delivered = self.total("delivered")
            if delivered:
                return "DELIVERED" if delivered >= net else "PARTIALLY_DELIVERED"
            shipped = self.total("shipped")
            if shipped:
                return "SHIPPED" if shipped >= net else "PARTIALLY_SHIPPED"
        if any(stop.released_us is None for stop in self.stops.values()):
            return "ON_HOLD"
        if self.total("released"):
            return "IN_FULFILMENT"
        allocated = sum(line.allocated for line in self.lines.values())
        if allocated:
            return "ALLOCATED" if allocated >= net else "PARTIALLY_ALLOCATED"
        if any(line.backordered for line in self.lines.values()):
            return "BACKORDERED"
        return "CONFIRMED" if self.confirmed else "RECEIVED"

    def next_due_us(self) -> int | None:
        return min((line.due_us for line in self.lines.values() if line.due_us is not None), default=None)

    def at_work(self) -> bool:
        """Whether any shipment stands that names units."""
        return any(parcel.voided is None and parcel.skus for parcel in self.parcels.values())

    def is_basket(self) -> bool:
        """All or nothing, over all its SKUs."""
        return self.placed is not None and self.placed.ship_complete

    def picture(self) -> dict[str, Any]:
        """All that the `order-status` projection says of the order, as plain values."""
        d = self.placed
        return {
            "order_id": self.order_id,
            "placed": d is not None,
            "placed_us": self.placed_us,
            "about": None
            if d is None
            else (d.customer_id, d.channel, d.region, d.currency, d.priority, d.ship_complete, d.promised_by),
            "revision": self.revision,
            "confirmed": self.confirmed,
            "rejected": self.rejected,
            "status": self.status,
            "version": self.version,
            "facts": self.facts,
            "changed_us": self.changed_us,
            "correlation": self.correlation,
            "waiting": len(self.waiting),
            "lines": {
                line_id: {
                    "sku": line.sku,
                    "ordered": line.ordered,
                    "cancelled": line.cancelled,
                    "requested_date": line.day,
                    "due_us": line.due_us,
                    "location": line.at,
                    "allocated": line.allocated,
                    "backordered": line.backordered,
                    "cells": line.cells,
                }
                for line_id, line in self.lines.items()
            },
            "shipments": {
                name: {
                    "location": parcel.at,
                    **{step: parcel.stated.get(step, {}) for step in STEPS},
                    "short": parcel.short,
                    "skus": parcel.skus,
                    "carrier": parcel.carrier,
                    "tracking": parcel.tracking,
                    "voided": parcel.voided,
                    "scans": [(s.at_us, s.sequence, s.status, s.event_id) for s in parcel.scans],
                    "corrected": parcel.corrected,
                }
                for name, parcel in self.parcels.items()
            },
            "holds": {
                name: (stop.reason, stop.since_us, stop.scope, stop.released_us)
                for name, stop in self.stops.items()
            },
            "milestones": [
                (m.name, m.occurred_us, m.recorded_us, m.event_id, m.inferred, m.superseded)
                for m in self.marks
            ],
            "exceptions": self.exceptions,
            "kept": self.kept,
            "needs": {
                sku: (need.request, need.seq, need.state, need.lines) for sku, need in self.needs.items()
            },
        }
