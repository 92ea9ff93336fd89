"""Each call's parameters, body and answer, by the types that read and make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple, get_type_hints

from msgspec import Meta, defstruct, structs

from springtide.app.view import batch, deeds, mending, subscriptions, whatif
from springtide.app.view.contract import figures, orders, reports
from springtide.app.view.contract.figures import Instant, Method
from springtide.app.view.contract.orders import Status
from springtide.app.view.delivery import STANDINGS
from springtide.app.view.parameters import LIMIT_DEFAULT, LIMIT_MAX, MONTH_PATTERN, STALENESS_MAX_MS
from springtide.app.view.positions import PATTERN, TOKEN_MAX
from springtide.app.view.questions import DIMENSIONS, FORMATS, RECONCILED_BY, STREAMED_MAX
from springtide.codecs.cloudevents import TYPE_PREFIX, TYPE_SUFFIX, Envelope
from springtide.codecs.facts import FACT_TYPES, QTY_MAX
from springtide.tables.causes import CAUSES

EVENT: Final = "application/cloudevents+json"
EVENTS: Final = "application/cloudevents-batch+json"


def _one_of(*words: str) -> Any:
    return Annotated[str, Meta(extra_json_schema={"enum": list(words)})]


def _event() -> Any:
    """The envelope that is read. What `data` has to be the event contract says, by type: here it would be said
    some fifty times."""
    hints = get_type_hints(Envelope, include_extras=True)
    types = [f"{TYPE_PREFIX}{fact.name}{TYPE_SUFFIX}" for fact in FACT_TYPES]
    hints |= {"data": dict[str, Any], "specversion": Literal["1.0"], "type": _one_of(*types)}
    fields = [
        (field.name, hints[field.name]) if field.required else (field.name, hints[field.name], field.default)
        for field in structs.fields(Envelope)
    ]
    return defstruct("CloudEvent", fields, kw_only=True)


CloudEvent: Final[Any] = _event()
"""An event as CloudEvents 1.0 has it."""
ReplayAsked: Final[Any] = defstruct(
    "ReplayAsked",
    [("event", CloudEvent | None, None), ("reason", mending.Reason | None, None)],
    kw_only=True,
    forbid_unknown_fields=True,
)
"""`event` is the mended event; without one it is the original."""


class Parameter(NamedTuple):
    """A parameter of queries. `many`: how lists come: "twice" is a parameter for each, "commas" one with commas."""

    type: Any
    text: str
    many: Literal["", "twice", "commas"] = ""


_ID = Annotated[str, Meta(min_length=1, max_length=256)]
_Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, extra_json_schema={"default": LIMIT_DEFAULT})]
_OrderId = Annotated[str, Meta(min_length=1, max_length=subscriptions.ORDER_ID_MAX)]
_Bound = Annotated[str, Meta(extra_json_schema={"anyOf": [{"format": "date"}, {"format": "date-time"}]})]
"""A day, or an instant of it."""


PARAMETERS: Final[Mapping[str, Parameter]] = {
    "as_of": Parameter(Instant, "Count what had occurred by then."),
    "at": Parameter(_Bound, "Prices in force then, an instant or a day; else now."),
    "attention": Parameter(bool, "Whether they fail, have ended or have parked something."),
    "at_risk": Parameter(bool, "Whether the promise is at risk."),
    "atp": Parameter(_ID, "The SKU whose figures are to be explained."),
    "by": Parameter(_Bound, "What can be had by this day, at the location."),
    "cause": Parameter(_one_of(*CAUSES), "The cause of the delay."),
    "channel": Parameter(_ID, "Of this sales channel."),
    "cursor": Parameter(mending.Cursor, "The `cursor` of the page before."),
    "customer": Parameter(_ID, "Of this customer."),
    "exclude_order": Parameter(_ID, "As if this order wanted nothing."),
    "format": Parameter(_one_of(*FORMATS), "JSON, or all of it as a file."),
    "from": Parameter(_Bound, "The first day, in UTC."),
    "id": Parameter(_ID, "The one of this name."),
    "kind": Parameter(_ID, "Exceptions of this kind."),
    "known_at": Parameter(Instant, "Count what had been recorded by then."),
    "limit": Parameter(_Limit, "Entries of a page."),
    "list": Parameter(_ID, "Of this price list alone."),
    "location": Parameter(_ID, "Of this location alone."),
    "max_staleness": Parameter(
        Annotated[int, Meta(ge=0, le=STALENESS_MAX_MS)],
        "Milliseconds; 503 rather than an older answer.",
    ),
    "method": Parameter(Method, "How the curve is computed, over the policy's."),
    "min_position": Parameter(
        Annotated[str, Meta(max_length=TOKEN_MAX, pattern=PATTERN)],
        "Wait until what this position names is in the answer.",
    ),
    "month": Parameter(Annotated[str, Meta(pattern=MONTH_PATTERN)], "A month, such as 2026-03."),
    "order": Parameter(_ID, "Of this order."),
    "order_id": Parameter(
        Annotated[list[_ID], Meta(min_length=1, max_length=STREAMED_MAX)], "Orders to follow.", many="twice"
    ),
    "parked": Parameter(bool, "What is parked, and nothing else."),
    "process": Parameter(_ID, "Of this process: an ingress topic."),
    "qty": Parameter(Annotated[int, Meta(ge=1, le=QTY_MAX)], "Units wanted; answers `earliest`."),
    "region": Parameter(_ID, "Of this region."),
    "sku": Parameter(_ID, "Of this SKU."),
    "source": Parameter(_ID, "Of this source."),
    "standing": Parameter(_one_of(*STANDINGS), "Those that stand so."),
    "state": Parameter(_one_of("open", "replayed", "discarded", "all"), "What was done; else open ones."),
    "status": Parameter(Status, "Orders in this status."),
    "to": Parameter(_Bound, "The last day, included, in UTC."),
    "type": Parameter(_ID, "Of events of this type."),
    "what": Parameter(_one_of("dead_letter", "anomaly", "waiting"), "What sort of exception."),
}
SKUS: Final = Parameter(
    Annotated[list[_ID], Meta(min_length=1, max_length=STREAMED_MAX)], "SKUs to follow.", many="twice"
)


def _groups(names: tuple[str, ...]) -> Parameter:
    one: Any = _one_of(*names)
    kind = Annotated[list[one], Meta(min_length=1, extra_json_schema={"uniqueItems": True})]
    return Parameter(kind, "What to group by, with commas between them.", many="commas")


INSTANTS: Final = Parameter(Instant, "A bound on when the change happened.")

FRESH: Final = ("min_position", "max_staleness")
PAGE: Final = ("cursor", "limit", *FRESH)
_PAST: Final = ("as_of", "known_at")


class Call(NamedTuple):
    """What a call takes and gives. `answer` None: no JSON, a tuple: one of these. `bodies` are types by media,
    of which there has to be one unless `optional`. `own` are parameters that mean something else here."""

    answer: Any
    query: tuple[str, ...] = ()
    bodies: Mapping[str, Any] = {}
    optional: bool = False
    status: int = 200
    required: tuple[str, ...] = ()
    own: Mapping[str, Parameter] = {}
    gives: str = "application/json"
    headers: tuple[str, ...] = ()


_ATP: Final = ("location", "channel", "qty", "by", "method", *_PAST, "exclude_order", *FRESH)


def _json(kind: Any) -> Mapping[str, Any]:
    return {"application/json": kind}


CALLS: Final[Mapping[tuple[str, str], Call]] = {
    ("GET", "/v1/atp/{sku}"): Call(figures.Atp, _ATP),
    ("POST", "/v1/atp:batch"): Call(figures.Batch, FRESH, _json(batch.BatchAsked)),
    ("POST", "/v1/promises"): Call(
        figures.Promised, bodies=_json(deeds.PromiseWanted), headers=("Idempotency-Key",)
    ),
    ("POST", "/v1/holds"): Call(figures.Hold, bodies=_json(deeds.HoldAsked), status=201),
    ("POST", "/v1/holds/{hold_id}:extend"): Call(figures.Hold, bodies=_json(deeds.Extended)),
    ("POST", "/v1/holds/{hold_id}:release"): Call(figures.Hold, bodies=_json(deeds.Released), optional=True),
    ("POST", "/v1/holds/{hold_id}:convert"): Call(figures.Hold, bodies=_json(deeds.Converted)),
    ("GET", "/v1/orders"): Call(
        orders.Orders, ("status", "cause", "region", "channel", "customer", "at_risk", *PAGE)
    ),
    ("GET", "/v1/orders/{order_id}"): Call(orders.Order, (*_PAST, *FRESH)),
    ("GET", "/v1/orders/{order_id}/timeline"): Call(orders.Timeline, FRESH),
    ("GET", "/v1/explain"): Call(
        (reports.ExplainedAtp, reports.ExplainedOrder),
        ("atp", "location", "channel", "order", *_PAST, *FRESH),
    ),
    ("POST", "/v1/whatif"): Call(reports.WhatIfAnswers, FRESH, _json(whatif.WhatIfAsked)),
    ("GET", "/v1/at-risk"): Call(orders.AtRisk, ("sku", "region", "channel", *PAGE)),
    ("GET", "/v1/exceptions"): Call(
        orders.Exceptions, ("id", "order", "kind", "what", "process", "source", "type", "state", *PAGE)
    ),
    ("GET", "/v1/exceptions/actions"): Call(reports.Actions, PAGE),
    ("POST", "/v1/exceptions/{id}:replay"): Call(
        reports.Acted, bodies=_json(ReplayAsked), optional=True, status=202
    ),
    ("POST", "/v1/exceptions/{id}:discard"): Call(reports.Acted, bodies=_json(mending.DiscardAsked)),
    ("POST", "/v1/exceptions:replay"): Call(
        reports.ActedOnMany, bodies=_json(mending.ReplayManyAsked), status=202
    ),
    ("POST", "/v1/exceptions:discard"): Call(reports.ActedOnMany, bodies=_json(mending.DiscardManyAsked)),
    ("GET", "/v1/kpis"): Call(reports.Kpis, ("by", "from", "to", *FRESH), own={"by": _groups(DIMENSIONS)}),
    ("GET", "/v1/finance/mismatches"): Call(
        orders.Mismatches, ("region", "channel", "from", "to", "format", *PAGE)
    ),
    ("GET", "/v1/finance/reconciliation"): Call(
        reports.Reconciliation,
        ("month", "by", "format", *FRESH),
        required=("month",),
        own={"by": _groups(RECONCILED_BY)},
    ),
    ("GET", "/v1/credit/{customer_id}"): Call(orders.Credit, FRESH),
    ("GET", "/v1/prices/{sku}"): Call(figures.Prices, ("list", "at", *FRESH)),
    ("POST", "/v1/events"): Call(
        reports.Written,
        bodies={EVENT: CloudEvent, EVENTS: Annotated[list[CloudEvent], Meta(min_length=1)]},
        status=202,
    ),
    ("GET", "/v1/stream/orders"): Call(
        orders.OrderTold,
        ("order_id",),
        required=("order_id",),
        gives="text/event-stream",
        headers=("Last-Event-ID",),
    ),
    ("GET", "/v1/stream/atp"): Call(
        figures.AtpTold,
        ("sku", "location", "channel"),
        required=("sku",),
        own={"sku": SKUS},
        gives="text/event-stream",
        headers=("Last-Event-ID",),
    ),
    ("GET", "/v1/subscriptions"): Call(
        reports.SubscriptionsShown, ("standing", "attention", "cursor", "limit")
    ),
    ("POST", "/v1/subscriptions"): Call(
        reports.SubscriptionShown, bodies=_json(subscriptions.Wish), status=201
    ),
    ("GET", "/v1/subscriptions/{id}"): Call(reports.SubscriptionShown),
    ("PUT", "/v1/subscriptions/{id}"): Call(reports.SubscriptionShown, bodies=_json(subscriptions.Change)),
    ("DELETE", "/v1/subscriptions/{id}"): Call(None, status=204),
    ("POST", "/v1/subscriptions/{id}:replay"): Call(
        reports.ReplayTaken,
        ("order_id", "from", "to", "parked"),
        status=202,
        own={"order_id": Parameter(_OrderId, "Changes of this order."), "from": INSTANTS, "to": INSTANTS},
    ),
    ("POST", "/v1/subscriptions/{id}:retry"): Call(reports.SubscriptionShown, status=202),
    ("GET", "/livez"): Call(reports.Alive),
    ("GET", "/readyz"): Call(reports.Ready),
    ("GET", "/metrics"): Call(None, gives="text/plain"),
    ("GET", "/openapi.json"): Call(dict[str, Any]),
    ("GET", "/asyncapi.json"): Call(dict[str, Any]),
}
"""(method, path) -> what it takes and gives."""

HEADERS: Final[Mapping[str, tuple[Any, str]]] = {
    "Idempotency-Key": (
        Annotated[str, Meta(min_length=1, max_length=deeds.KEY_MAX)],
        "The same key again is the same promise, for 24 h; without one, each call makes another.",
    ),
    "Last-Event-ID": (
        str,
        "The last `id` that was read: what has changed since is told.",
    ),
}
