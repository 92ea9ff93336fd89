"""What the API answers, call by call: the scope each needs, and what it says of itself.

Every route has to be here or under `PAGES` and `OPEN`: what is not is answered to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from springtide.app.access import scopes


class Operation(NamedTuple):
    """One call. `bound`: whether it may be asked by someone who is kept to customers or channels."""

    method: str
    path: str
    scope: str
    summary: str
    bound: bool = True
    more_scopes: tuple[str, ...] = ()


OPERATIONS: Final = (
    Operation("GET", "/v1/atp/{sku}", scopes.ATP_READ, "What there is to promise of a SKU"),
    Operation("POST", "/v1/atp:batch", scopes.ATP_READ, "The same of up to 500 SKUs"),
    Operation("POST", "/v1/promises", scopes.PROMISES_WRITE, "A promise for a basket"),
    Operation("POST", "/v1/holds", scopes.HOLDS_WRITE, "Place a hold"),
    Operation("POST", "/v1/holds/{hold_id}:extend", scopes.HOLDS_WRITE, "Extend a hold"),
    Operation("POST", "/v1/holds/{hold_id}:release", scopes.HOLDS_WRITE, "Release a hold"),
    Operation("POST", "/v1/holds/{hold_id}:convert", scopes.HOLDS_WRITE, "Make a hold an order's"),
    Operation("GET", "/v1/orders", scopes.ORDERS_READ, "A page of orders"),
    Operation("GET", "/v1/orders/{order_id}", scopes.ORDERS_READ, "Where an order stands"),
    Operation("GET", "/v1/orders/{order_id}/timeline", scopes.ORDERS_READ, "Every fact about an order"),
    Operation("GET", "/v1/explain", scopes.EXPLAIN_READ, "The events behind a figure or a status"),
    Operation("POST", "/v1/whatif", scopes.WHATIF, "Answers as if events had happened", bound=False),
    Operation("GET", "/v1/at-risk", scopes.ORDERS_READ, "Promises that break"),
    Operation(
        "GET", "/v1/exceptions", scopes.EXCEPTIONS_READ, "What could not be applied, by impact", bound=False
    ),
    Operation(
        "GET", "/v1/exceptions/actions", scopes.EXCEPTIONS_READ, "Who did what about exceptions", bound=False
    ),
    Operation(
        "POST", "/v1/exceptions/{id}:replay", scopes.EXCEPTIONS_WRITE, "Apply an exception again", bound=False
    ),
    Operation(
        "POST", "/v1/exceptions/{id}:discard", scopes.EXCEPTIONS_WRITE, "Discard an exception", bound=False
    ),
    Operation(
        "POST", "/v1/exceptions:replay", scopes.EXCEPTIONS_WRITE, "Apply many exceptions again", bound=False
    ),
    Operation(
        "POST", "/v1/exceptions:discard", scopes.EXCEPTIONS_WRITE, "Discard many exceptions", bound=False
    ),
    Operation("GET", "/v1/kpis", scopes.KPIS_READ, "The leaders' figures"),
    Operation("GET", "/v1/finance/mismatches", scopes.FINANCE_READ, "Where invoices and shipments disagree"),
    Operation(
        "GET", "/v1/finance/reconciliation", scopes.FINANCE_READ, "A month's shipments against its invoices"
    ),
    Operation("GET", "/v1/credit/{customer_id}", scopes.CREDIT_READ, "What a customer may order on credit"),
    Operation("GET", "/v1/prices/{sku}", scopes.PRICES_READ, "Prices of a SKU"),
    Operation("POST", "/v1/events", scopes.EVENTS_WRITE, "Post events", bound=False),
    Operation(
        "GET",
        "/v1/stream/orders",
        scopes.STREAM_READ,
        "Orders as they change",
        more_scopes=(scopes.ORDERS_READ,),
    ),
    Operation(
        "GET", "/v1/stream/atp", scopes.STREAM_READ, "SKUs as they change", more_scopes=(scopes.ATP_READ,)
    ),
    Operation(
        "GET", "/v1/subscriptions", scopes.SUBSCRIPTIONS_READ, "Who is told of status changes", bound=False
    ),
    Operation("POST", "/v1/subscriptions", scopes.SUBSCRIPTIONS_WRITE, "Make a subscription", bound=False),
    Operation("GET", "/v1/subscriptions/{id}", scopes.SUBSCRIPTIONS_READ, "A subscription", bound=False),
    Operation(
        "PUT", "/v1/subscriptions/{id}", scopes.SUBSCRIPTIONS_WRITE, "Change a subscription", bound=False
    ),
    Operation(
        "DELETE", "/v1/subscriptions/{id}", scopes.SUBSCRIPTIONS_WRITE, "Delete a subscription", bound=False
    ),
    Operation(
        "POST",
        "/v1/subscriptions/{id}:replay",
        scopes.SUBSCRIPTIONS_WRITE,
        "Tell changes again",
        bound=False,
    ),
    Operation(
        "POST",
        "/v1/subscriptions/{id}:retry",
        scopes.SUBSCRIPTIONS_WRITE,
        "Try again at once",
        bound=False,
    ),
    Operation("GET", "/metrics", scopes.METRICS_READ, "Metrics for Prometheus", bound=False),
)

BY_ROUTE: Final[Mapping[tuple[str, str], Operation]] = {(o.method, o.path): o for o in OPERATIONS}

OPEN: Final = frozenset(
    (
        "/livez",
        "/readyz",
        "/openapi.json",
        "/asyncapi.json",
        "/docs",
        "/docs/topics",
        "/static/{name}",
        "/login",
        "/logout",
    )
)
"""Paths that anybody may ask: they tell nothing of anybody's trade."""

PAGES: Final[Mapping[str, str | None]] = {
    "/": None,
    "/find": None,
    "/sku/{sku}": None,
    "/order/{order_id}": None,
    "/orders": None,
    "/exceptions": None,
    "/kpis": None,
    "/push": None,
    "/push/{id}": None,
    "/system": scopes.METRICS_READ,
}
"""Pages for people, and a scope where one is needed: what a page shows it asks the API for, as who opened it."""

PAGE_DEEDS: Final[Mapping[str, str | None]] = {
    **dict.fromkeys(
        ("/exceptions/replay", "/exceptions/discard", "/exceptions/many"), scopes.EXCEPTIONS_WRITE
    ),
    **dict.fromkeys(("/push", "/push/{id}"), scopes.SUBSCRIPTIONS_WRITE),
}
"""Where pages' own forms are sent (POST), and the scope that is needed."""
