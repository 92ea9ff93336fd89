"""Where an order stands, as bodies of answers: one order, and pages of many."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

import msgspec

from springtide.app.view.events import id_of, source_of
from springtide.app.view.exceptions import exception_body
from springtide.app.view.parameters import cursor_of
from springtide.app.view.problems import Problem, shown
from springtide.app.view.questions import OrdersQuestion
from springtide.app.view.world import Place, World
from springtide.codecs.facts import Plan
from springtide.codecs.times import rfc3339
from springtide.tables.delay import Delay, delay
from springtide.tables.order import QUANTITIES, STEPS, Order, Shipment, axes, ledgers
from springtide.tables.promise import as_shipped
from springtide.tables.promise import shown as shown_promises
from springtide.tables.sentence import sentence

_US: Final = 1_000_000


def order_path(order_id: str) -> str:
    return "/v1/orders/" + quote(order_id, safe="")


def placed_order(order: Order | None, order_id: str) -> Order:
    """The order; Problem if it is unknown, or not placed yet though facts wait for it."""
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
        if not count and order.promise is not None:
            facts = "facts wait, but a promise is kept,"
        raise Problem(
            404,
            "order-not-placed",
            "Order not placed yet",
            f"{count} {facts} for order '{shown(order_id)}', which has not been placed; "
            "it appears, with them, when order.placed comes.",
        )
    return order


def order_answer(order: Order | None, order_id: str, now_us: int, plan: Plan | None = None) -> dict[str, Any]:
    """One order at stream time `now_us`. Problem as by `placed_order`."""
    order = placed_order(order, order_id)
    return {
        "order_id": order.order_id,
        "status": order.status,
        "version": order.version,
        "axes": msgspec.structs.asdict(axes(order)),
        "customer_id": order.customer_id,
        "channel": order.channel,
        "region": order.sold_in,
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
                "name": name,
                "occurred_at": rfc3339(milestone.occurred_us),
                "recorded_at": rfc3339(milestone.recorded_us),
                "inferred": milestone.inferred,
                "superseded": milestone.superseded,
                "event_id": id_of(milestone.event_id),
                "source": source_of(milestone.event_id),
            }
            for name, milestone in sorted(order.milestones.items(), key=lambda m: m[1].occurred_us)
        ],
        "delay": delay(order, now_us, plan).as_answer(),
        "sentence": sentence(order, now_us, plan),
        "shipments": [_shipment(shipment) for shipment in order.shipments.values()],
        "exceptions": [exception_body(order, exception) for exception in order.exceptions],
    }


def summary(order: Order, why: Delay) -> dict[str, Any]:
    """One order in a list."""
    return {
        "order_id": order.order_id,
        "status": order.status,
        "version": order.version,
        "axes": msgspec.structs.asdict(axes(order)),
        "customer_id": order.customer_id,
        "channel": order.channel,
        "region": order.sold_in,
        "placed_at": rfc3339(order.placed_us),
        "promised_by": order.promised_by,
        "holds": [hold.reason for hold in order.holds.values() if hold.released_us is None],
        "cause": why.cause,
        "at_risk": why.at_risk,
        "eta": None if why.eta_s is None else rfc3339(why.eta_s * _US),
        "exceptions": len(order.exceptions),
    }


LOOKED_AT_MAX: Final = 2_000
"""Orders looked at for one page; it may then be short, and leads on."""


def orders_answer(world: World, question: OrdersQuestion) -> dict[str, Any]:
    """A page of orders, the newest first. With filters it may be short though there are more."""
    found: list[dict[str, Any]] = []
    last: Place | None = None
    for looked_at, (place, order, now_us) in enumerate(world.orders(question)):
        if looked_at == LOOKED_AT_MAX and last is not None:
            return {"orders": found, "cursor": cursor_of(last)}
        if order is not None and _is_wanted(order, question):
            why = delay(order, now_us, world.plan(order))
            if question.cause in (None, why.cause) and question.at_risk in (None, why.at_risk):
                if len(found) == question.page.limit:
                    assert last is not None
                    return {"orders": found, "cursor": cursor_of(last)}
                found.append(summary(order, why))
        last = place
    return {"orders": found, "cursor": None}


def _is_wanted(order: Order, question: OrdersQuestion) -> bool:
    return (
        question.status in (None, order.status)
        and question.region in (None, order.sold_in)
        and question.channel in (None, order.channel)
        and question.customer in (None, order.customer_id)
    )


def _lines(order: Order) -> list[dict[str, Any]]:
    quantities = ledgers(order)
    lines: list[dict[str, Any]] = []
    for line_id, ledger in quantities.items():
        line = order.lines.get(line_id)
        lines.append(
            {
                "line_id": line_id,
                "sku": _sku_of(order, line_id) if line is None else line.sku,
                **{name: getattr(ledger, name) for name in QUANTITIES},
                "requested_date": None if line is None else line.requested_date,
                "location": None if line is None else line.location,
                "price": None if line is None else line.price,
                "promises": [] if line is None else shown_promises(as_shipped(line)),
            }
        )
    return lines


def _sku_of(order: Order, line_id: str) -> str | None:
    """What a line that nobody ordered is, as its shipments say."""
    return next((s.skus[line_id] for s in order.shipments.values() if line_id in s.skus), None)


def _by_line(units: dict[str, int]) -> dict[str, int]:
    """Units by line; by line and SKU where the line is had of several."""
    return {key.replace("\x00", " "): count for key, count in units.items()}


def _shipment(shipment: Shipment) -> dict[str, Any]:
    return {
        "shipment_id": shipment.shipment_id,
        "location": shipment.location,
        "carrier": shipment.carrier,
        "tracking": shipment.tracking,
        "parcel": shipment.parcel_status(),
        "voided": shipment.voided,
        **{step: _by_line(getattr(shipment, step)) for step in STEPS},
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
                "event_id": id_of(scan.event_id),
                "source": source_of(scan.event_id),
            }
            for scan in sorted(shipment.scans, key=lambda s: (s.at_us, s.sequence))
        ],
    }
