"""What a customer may still order on credit."""

from __future__ import annotations

from typing import Any

from springtide.app.view.problems import Problem, shown
from springtide.app.view.world import World
from springtide.codecs.times import rfc3339
from springtide.tables.customer import Customer
from springtide.tables.money import billionths, decimal


def credit_answer(world: World, customer_id: str) -> dict[str, Any]:
    """Limit, exposure and holds of a customer; `available` is the limit less the exposure that the ERP has
    stated, else less what its open orders in the limit's currency come to. Problem if nothing names it."""
    customer, now_us = world.customer(customer_id)
    if customer is None:
        raise Problem(
            404,
            "unknown-customer",
            "Unknown customer",
            f"No fact has named customer '{shown(customer_id)}'. Check the id; a customer is known by its "
            "credit, its master record or its first order.",
        )
    holds = [
        {"hold_id": hold.hold_id, "since": rfc3339(hold.placed[0])}
        for hold in customer.holds.values()
        if hold.placed is not None and hold.released is None
    ]
    return {
        "customer_id": customer.customer_id,
        "name": customer.name,
        "class": customer.customer_class,
        "region": customer.region,
        "now": rfc3339(now_us),
        "limit": customer.limit,
        "currency": customer.currency,
        "exposure": customer.exposure,
        "open_orders": customer.open_orders,
        "open_amount": dict(sorted(customer.open_amount.items())),
        "available": _available(customer),
        "on_hold": bool(holds),
        "holds": holds,
    }


def _available(customer: Customer) -> str | None:
    if customer.limit is None:
        return None
    used = customer.exposure
    if used is None:
        used = customer.open_amount.get(customer.currency or "", "0")
    return decimal(billionths(customer.limit) - billionths(used))
