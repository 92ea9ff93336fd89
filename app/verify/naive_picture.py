"""Every figure of a naive order, as plain values: all that the `order-status` projection says of it."""

from __future__ import annotations

from typing import Any

from springtide.app.verify.naive_anomalies import anomalies
from springtide.app.verify.naive_delay import stretches
from springtide.app.verify.naive_order import LIST_MAX, NaiveOrder
from springtide.app.verify.naive_parcel import STEPS


def picture(order: NaiveOrder) -> dict[str, Any]:
    """All that the `order-status` projection says of the order, as plain values."""
    d = order.placed
    return {
        "order_id": order.order_id,
        "placed": d is not None,
        "placed_us": order.placed_us,
        "about": None
        if d is None
        else (d.customer_id, d.channel, d.region, d.currency, d.priority, d.ship_complete, d.promised_by),
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
                "requested_date": line.requested,
                "day": line.day,
                "location": line.at,
                "allocated": line.allocated,
                "backordered": line.backordered,
                "cells": line.cells,
                "cause": line.cause,
                "made": None if line.made is None else line.made.picture(),
                "promises": line.promises,
                "first": line.first,
            }
            for line_id, line in order.lines.items()
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
            for name, parcel in order.parcels.items()
        },
        "holds": {
            name: (stop.reason, stop.since_us, stop.scope, stop.released, stop.of_customer)
            for name, stop in order.stops.items()
        },
        "ledgers": order.ledgers(),
        "axes": order.axes(),
        "money": order.money.picture(),
        "returns": {name: back.picture() for name, back in order.backs.by_id.items()},
        "customer": (order.customer_seq, order.customer_class, order.customer_region, order.account_request),
        "milestones": {
            m.name: (m.occurred_us, m.recorded_us, m.event_id, m.inferred, m.superseded) for m in order.marks
        },
        "exceptions": sorted([*((*one, "") for one in order.exceptions), *anomalies(order)])[:LIST_MAX],
        "needs": {
            sku: (need.request, need.seq, need.state, need.lines, need.wanted)
            for sku, need in order.needs.items()
        },
        "ship_day": order.ship_day,
        "stated_by": order.stated_by,
        "promise": None if order.promise is None else order.promise.picture(),
        "waits": stretches(order.wait_states),
    }
