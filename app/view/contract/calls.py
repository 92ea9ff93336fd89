"""Each call's parameters, body and answer, by the types that read and make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from springtide.app.view import batch, deeds, mending, subscriptions, whatif
from springtide.app.view.contract import figures, orders, reports
from springtide.app.view.contract.figures import Day, Instant, Method
from springtide.app.view.contract.orders import Status
from springtide.app.view.delivery import STANDINGS
from springtide.app.view.parameters import LIMIT_DEFAULT, LIMIT_MAX, STALENESS_MAX_MS
from springtide.app.view.questions import DIMENSIONS, FORMATS, STREAMED_MAX
from springtide.codecs.facts import QTY_MAX
from springtide.tables.causes import CAUSES

EVENT: Final = "application/cloudevents+json"
EVENTS: Final = "application/cloudevents-batch+json"


class CloudEvent(Struct, kw_only=True):
    """An event as CloudEvents 1.0 has it; `data` is by its type, as the event contract says."""

    specversion: Literal["1.0"]
    id: Annotated[str, Meta(min_length=1, max_length=256)]
    source: Annotated[str, Meta(min_length=1, max_length=256)]
    type: Annotated[str, Meta(examples=["springtide.order.placed.v1"])]
    subject: str
    time: Instant
    data: dict[str, Any]
    recordedtime: Instant | None = None
    correlationid: str | None = None
    sequence: int | str | None = None


class ReplayAsked(Struct, kw_only=True):
    """`event` is the mended event; without one it is the original."""

    event: CloudEvent | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=1_000)] | None = None


class Parameter(NamedTuple):
    """A parameter of queries. `many`: it may come more than once."""

    type: Any
    text: str
    many: bool = False


_ID = Annotated[str, Meta(min_length=1, max_length=256)]
_Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX, extra_json_schema={"default": LIMIT_DEFAULT})]
_Words = Annotated[str, Meta(max_length=256)]


def _one_of(*words: str) -> Any:
    return Annotated[str, Meta(extra_json_schema={"enum": list(words)})]


PARAMETERS: Final[Mapping[str, Parameter]] = {
    "as_of": Parameter(Instant, "Count what had occurred by then."),
    "at": Parameter(str, "Prices in force then, an instant or a day; else now."),
    "attention": Parameter(bool, "Whether they fail, have ended or have parked something."),
    "at_risk": Parameter(bool, "Whether the promise is at risk."),
    "atp": Parameter(_ID, "The SKU whose figures are to be explained."),
    "by": Parameter(Day, "What can be had by this day."),
    "cause": Parameter(_one_of(*CAUSES), "The cause of the delay."),
    "channel": Parameter(_ID, "Of this sales channel."),
    "cursor": Parameter(str, "The `cursor` of the page before."),
    "customer": Parameter(_ID, "Of this customer."),
    "exclude_order": Parameter(_ID, "As if this order wanted nothing."),
    "format": Parameter(_one_of(*FORMATS), "JSON, or all of it as a file."),
    "from": Parameter(Day, "The first day."),
    "id": Parameter(_ID, "The one of this name."),
    "kind": Parameter(_Words, "Exceptions of this kind."),
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
        Annotated[str, Meta(max_length=8_192)],
        "Wait until what this position names is in the answer.",
    ),
    "month": Parameter(Annotated[str, Meta(pattern=r"^\d{4}-\d{2}$")], "A month, such as 2026-03."),
    "order": Parameter(_ID, "Of this order."),
    "order_id": Parameter(
        Annotated[list[_ID], Meta(min_length=1, max_length=STREAMED_MAX)], "Orders to follow.", many=True
    ),
    "parked": Parameter(bool, "What is parked, and nothing else."),
    "process": Parameter(_Words, "Of this process: an ingress topic."),
    "qty": Parameter(Annotated[int, Meta(ge=1, le=QTY_MAX)], "Units wanted; answers `earliest`."),
    "region": Parameter(_ID, "Of this region."),
    "sku": Parameter(_ID, "Of this SKU."),
    "source": Parameter(_Words, "Of this source."),
    "standing": Parameter(_one_of(*STANDINGS), "Those that stand so."),
    "state": Parameter(_one_of("open", "replayed", "discarded", "all"), "What was done; else open ones."),
    "status": Parameter(Status, "Orders in this status."),
    "to": Parameter(Day, "The last day, included."),
    "type": Parameter(_Words, "Of events of this type."),
    "what": Parameter(_one_of("dead_letter", "anomaly", "waiting"), "What sort of exception."),
}
SKUS: Final = Parameter(
    Annotated[list[_ID], Meta(min_length=1, max_length=STREAMED_MAX)], "SKUs to follow.", many=True
)
GROUPS: Final = Parameter(
    Annotated[str, Meta(description=f"Some of {', '.join(DIMENSIONS)}, with commas between them.")],
    "What to group by.",
)
INSTANTS: Final = Parameter(Instant, "A bound on when the change happened.")

FRESH: Final = ("min_position", "max_staleness")
PAGE: Final = ("cursor", "limit", *FRESH)
_PAST: Final = ("as_of", "known_at")


class Call(NamedTuple):
    """What a call takes and gives. `answer` None: no JSON, a tuple: one of these. `own` are parameters that mean
    something else here."""

    answer: Any
    query: tuple[str, ...] = ()
    body: Any = None
    status: int = 200
    required: tuple[str, ...] = ()
    media: tuple[str, ...] = ("application/json",)
    own: Mapping[str, Parameter] = {}
    gives: str = "application/json"
    headers: tuple[str, ...] = ()


_ATP: Final = ("location", "channel", "qty", "by", "method", *_PAST, "exclude_order", *FRESH)
_REPORT: Final = {"by": GROUPS}

CALLS: Final[Mapping[tuple[str, str], Call]] = {
    ("GET", "/v1/atp/{sku}"): Call(figures.Atp, _ATP),
    ("POST", "/v1/atp:batch"): Call(figures.Batch, FRESH, batch.BatchAsked),
    ("POST", "/v1/promises"): Call(figures.Promised, body=deeds.PromiseWanted, headers=("Idempotency-Key",)),
    ("POST", "/v1/holds"): Call(figures.Hold, body=deeds.HoldAsked, status=201),
    ("POST", "/v1/holds/{hold_id}:extend"): Call(figures.Hold, body=deeds.Extended),
    ("POST", "/v1/holds/{hold_id}:release"): Call(figures.Hold, body=deeds.Released),
    ("POST", "/v1/holds/{hold_id}:convert"): Call(figures.Hold, body=deeds.Converted),
    ("GET", "/v1/orders"): Call(
        orders.Orders, ("status", "cause", "region", "channel", "customer", "at_risk", *PAGE)
    ),
    ("GET", "/v1/orders/{order_id}"): Call(orders.Order, (*_PAST, *FRESH)),
    ("GET", "/v1/orders/{order_id}/timeline"): Call(orders.Timeline, FRESH),
    ("GET", "/v1/explain"): Call(
        (reports.ExplainedAtp, reports.ExplainedOrder),
        ("atp", "location", "channel", "order", *_PAST, *FRESH),
    ),
    ("POST", "/v1/whatif"): Call(reports.WhatIfAnswers, FRESH, whatif.WhatIfAsked),
    ("GET", "/v1/at-risk"): Call(orders.AtRisk, ("sku", "region", "channel", *PAGE)),
    ("GET", "/v1/exceptions"): Call(
        orders.Exceptions, ("id", "order", "kind", "what", "process", "source", "type", "state", *PAGE)
    ),
    ("GET", "/v1/exceptions/actions"): Call(reports.Actions, PAGE),
    ("POST", "/v1/exceptions/{id}:replay"): Call(reports.Acted, body=ReplayAsked, status=202),
    ("POST", "/v1/exceptions/{id}:discard"): Call(reports.Acted, body=mending.DiscardAsked),
    ("POST", "/v1/exceptions:replay"): Call(reports.ActedOnMany, body=mending.ManyAsked, status=202),
    ("POST", "/v1/exceptions:discard"): Call(reports.ActedOnMany, body=mending.ManyAsked),
    ("GET", "/v1/kpis"): Call(reports.Kpis, ("by", "from", "to", *FRESH), own=_REPORT),
    ("GET", "/v1/finance/mismatches"): Call(
        orders.Mismatches, ("region", "channel", "from", "to", "format", *PAGE)
    ),
    ("GET", "/v1/finance/reconciliation"): Call(
        reports.Reconciliation, ("month", "by", "format", *FRESH), required=("month",), own=_REPORT
    ),
    ("GET", "/v1/credit/{customer_id}"): Call(orders.Credit, FRESH),
    ("GET", "/v1/prices/{sku}"): Call(figures.Prices, ("list", "at", *FRESH)),
    ("POST", "/v1/events"): Call(
        reports.Written, body=CloudEvent | list[CloudEvent], status=202, media=(EVENT, EVENTS)
    ),
    ("GET", "/v1/stream/orders"): Call(
        orders.Order,
        ("order_id",),
        required=("order_id",),
        gives="text/event-stream",
        headers=("Last-Event-ID",),
    ),
    ("GET", "/v1/stream/atp"): Call(
        figures.Atp,
        ("sku", "location", "channel"),
        required=("sku",),
        own={"sku": SKUS},
        gives="text/event-stream",
        headers=("Last-Event-ID",),
    ),
    ("GET", "/v1/subscriptions"): Call(
        reports.SubscriptionsShown, ("standing", "attention", "cursor", "limit")
    ),
    ("POST", "/v1/subscriptions"): Call(reports.SubscriptionShown, body=subscriptions.Wish, status=201),
    ("GET", "/v1/subscriptions/{id}"): Call(reports.SubscriptionShown),
    ("PUT", "/v1/subscriptions/{id}"): Call(reports.SubscriptionShown, body=subscriptions.Wish),
    ("DELETE", "/v1/subscriptions/{id}"): Call(None, status=204),
    ("POST", "/v1/subscriptions/{id}:replay"): Call(
        reports.ReplayTaken,
        ("order_id", "from", "to", "parked"),
        status=202,
        own={"order_id": Parameter(_ID, "Changes of this order."), "from": INSTANTS, "to": INSTANTS},
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
        Annotated[str, Meta(min_length=1, max_length=128)],
        "The same key again is the same promise, for 24 h; a dry run needs none.",
    ),
    "Last-Event-ID": (str, "The last `id` that was read: what has changed since is told."),
}
