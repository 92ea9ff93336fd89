"""Scopes: what a key or token allows, and the names that stand for several of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

ATP_READ: Final = "atp:read"
ORDERS_READ: Final = "orders:read"
PROMISES_WRITE: Final = "promises:write"
HOLDS_WRITE: Final = "holds:write"
EVENTS_WRITE: Final = "events:write"
WHATIF: Final = "whatif"
EXPLAIN_READ: Final = "explain:read"
EXCEPTIONS_READ: Final = "exceptions:read"
EXCEPTIONS_WRITE: Final = "exceptions:write"
KPIS_READ: Final = "kpis:read"
FINANCE_READ: Final = "finance:read"
CREDIT_READ: Final = "credit:read"
PRICES_READ: Final = "prices:read"
SUBSCRIPTIONS_READ: Final = "subscriptions:read"
SUBSCRIPTIONS_WRITE: Final = "subscriptions:write"
STREAM_READ: Final = "stream:read"
METRICS_READ: Final = "metrics:read"

SCOPES: Final[Mapping[str, str]] = {
    ATP_READ: "What there is to promise of SKUs.",
    ORDERS_READ: "Orders, their lists and timelines.",
    PROMISES_WRITE: "Ask for promises, and have them kept.",
    HOLDS_WRITE: "Place, extend, release and convert holds.",
    EVENTS_WRITE: "Post events.",
    WHATIF: "Ask what if; nothing is written.",
    EXPLAIN_READ: "Which events a figure or a status is made of.",
    EXCEPTIONS_READ: "What could not be applied, and promises that break.",
    EXCEPTIONS_WRITE: "Replay what could not be applied, as it is or mended, and discard it.",
    KPIS_READ: "The leaders' figures.",
    FINANCE_READ: "Where invoices and shipments disagree, and a month's reconciliation.",
    CREDIT_READ: "Credit of customers.",
    PRICES_READ: "Prices.",
    SUBSCRIPTIONS_READ: "Who is told of status changes.",
    SUBSCRIPTIONS_WRITE: "Make, change, delete and replay subscriptions.",
    STREAM_READ: "Live streams; of orders with orders:read, of SKUs with atp:read.",
    METRICS_READ: "Metrics, and who works in the system.",
}
"""Each scope, and what it allows."""

_READ: Final = tuple(name for name in SCOPES if name.endswith(":read"))

SETS: Final[Mapping[str, tuple[str, ...]]] = {
    "*": tuple(SCOPES),
    "read": (*_READ, WHATIF),
    "reader": (ATP_READ, ORDERS_READ, EXPLAIN_READ, PRICES_READ, STREAM_READ),
    "operator": (
        *_READ,
        WHATIF,
        EVENTS_WRITE,
        EXCEPTIONS_WRITE,
        SUBSCRIPTIONS_WRITE,
    ),
}
"""Names that stand for several scopes: `read` for all that changes nothing, and two roles."""


def unknown(names: Iterable[str]) -> list[str]:
    """Those that are neither a scope nor a set of them."""
    return [name for name in names if name not in SCOPES and name not in SETS]


def expanded(names: Iterable[str]) -> frozenset[str]:
    """The scopes that these names stand for; a name that is unknown stands for none."""
    found: set[str] = set()
    for name in names:
        found.update(SETS.get(name, (name,) if name in SCOPES else ()))
    return frozenset(found)
