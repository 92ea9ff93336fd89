"""What is asked: paths and queries, read strictly. A parameter that would be ignored is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from springtide.app.view.parameters import (
    Freshness,
    Given,
    Month,
    Page,
    day,
    freshness,
    given,
    moment,
    moment_or_day,
    month,
    one_of,
    page,
    quantity,
    several_of,
    yes_or_no,
)
from springtide.app.view.problems import bad_request, of_status, shown
from springtide.tables.causes import CAUSES

METHODS: Final = ("look_ahead", "cumulative", "discrete")
FORMATS: Final = ("json", "csv", "parquet")
DIMENSIONS: Final = ("process", "region", "channel", "day")
RECONCILED_BY: Final = ("region", "channel")
WHATS: Final = ("dead_letter", "anomaly", "waiting")
"""What an exception is."""
STATES: Final = ("open", "replayed", "discarded", "all")
"""What was done about it."""
EXCEPTION_FILTERS: Final = ("order", "kind", "what", "process", "source", "type")
ID_MAX: Final = 256
_FIRST_DAY, _LAST_DAY, _NO_DAY = "1970-01-01", "2199-12-31", "2200-01-01"
STREAMED_MAX: Final = 50
"""Entities of one stream."""
STATUSES: Final = (
    *("RECEIVED", "CONFIRMED", "BACKORDERED", "PARTIALLY_ALLOCATED", "ALLOCATED", "IN_FULFILMENT", "ON_HOLD"),
    *("PARTIALLY_SHIPPED", "SHIPPED", "PARTIALLY_DELIVERED", "DELIVERED", "CLOSED"),
    *("PARTIALLY_RETURNED", "RETURNED", "CANCELLED", "REJECTED"),
)


class At(msgspec.Struct, frozen=True):
    """Which past a question is about: `as_of` counts what had occurred, `known_at` what was recorded by then;
    both in microseconds, None is no bound."""

    as_of_us: int | None = None
    known_at_us: int | None = None

    @property
    def is_now(self) -> bool:
        return self.as_of_us is None and self.known_at_us is None


class AtpQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/atp/{sku}`, or one item of a batch."""

    sku: str
    location: str | None = None
    channel: str | None = None
    qty: int | None = None
    by: str | None = None
    """A day, or an instant that stands for its day at the location."""
    method: str | None = None
    exclude_order: str | None = None
    at: At = At()
    freshness: Freshness = Freshness()


class OrderQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/orders/{id}`."""

    order_id: str
    at: At = At()
    freshness: Freshness = Freshness()


class TimelineQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/orders/{id}/timeline`."""

    order_id: str
    freshness: Freshness = Freshness()


class OrdersQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/orders`: what each order of the page must be; None is anything."""

    status: str | None = None
    cause: str | None = None
    region: str | None = None
    channel: str | None = None
    customer: str | None = None
    at_risk: bool | None = None
    page: Page = Page()
    freshness: Freshness = Freshness()


class ExplainQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/explain`: one of both."""

    atp: AtpQuestion | None = None
    order: OrderQuestion | None = None
    freshness: Freshness = Freshness()


class AtRiskQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/at-risk`."""

    sku: str | None = None
    region: str | None = None
    channel: str | None = None
    page: Page = Page()
    freshness: Freshness = Freshness()


class ExceptionsQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/exceptions`: what each of the page must be; None is anything."""

    id: str | None = None
    order: str | None = None
    kind: str | None = None
    what: str | None = None
    """One of WHATS."""
    process: str | None = None
    source: str | None = None
    type: str | None = None
    state: str = "open"
    """What was done about it: one of STATES."""
    page: Page = Page()
    freshness: Freshness = Freshness()


class ActionsQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/exceptions/actions`."""

    page: Page = Page()
    freshness: Freshness = Freshness()


class KpisQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/kpis`. Days since 1970-01-01 in UTC, `to_day` included; None is no bound."""

    by: tuple[str, ...] = ()
    from_day: int | None = None
    to_day: int | None = None
    freshness: Freshness = Freshness()


class MismatchesQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/finance/mismatches`."""

    region: str | None = None
    channel: str | None = None
    from_day: int | None = None
    to_day: int | None = None
    format: str = "json"
    page: Page = Page()
    freshness: Freshness = Freshness()


class ReconciliationQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/finance/reconciliation`."""

    month: Month
    by: tuple[str, ...] = ()
    format: str = "json"
    freshness: Freshness = Freshness()


class CreditQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/credit/{customer}`."""

    customer_id: str
    freshness: Freshness = Freshness()


class PriceQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/prices/{sku}`: of one list or all, at an instant or now."""

    sku: str
    price_list: str | None = None
    at_us: int | None = None
    freshness: Freshness = Freshness()


Question: TypeAlias = (
    AtpQuestion
    | OrderQuestion
    | TimelineQuestion
    | OrdersQuestion
    | ExplainQuestion
    | AtRiskQuestion
    | ExceptionsQuestion
    | ActionsQuestion
    | KpisQuestion
    | MismatchesQuestion
    | ReconciliationQuestion
    | CreditQuestion
    | PriceQuestion
)

_FRESH: Final = ("min_position", "max_staleness")
_PAGE: Final = ("cursor", "limit", *_FRESH)
_ATP: Final = (
    *("location", "channel", "qty", "by", "method", "as_of", "known_at", "exclude_order"),
    *_FRESH,
)


def parse_target(target: str) -> Question:
    """A path with its query, such as `/v1/atp/SKU-1?location=BER`; Problem if it asks for nothing there is."""
    parts = urlsplit(target)
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="replace")
    return question(parts.path, pairs)


def question(path: str, pairs: Iterable[tuple[str, str]]) -> Question:
    """The same of a path whose segments are still quoted, and of a query that is read already."""
    match [unquote(segment) for segment in path.split("/")[1:]]:
        case ["v1", "atp", sku]:
            return atp_question(_id(sku, "sku"), pairs)
        case ["v1", "orders"]:
            return _orders_question(pairs)
        case ["v1", "orders", order_id]:
            return order_question(_id(order_id, "order_id"), pairs)
        case ["v1", "orders", order_id, "timeline"]:
            return TimelineQuestion(_id(order_id, "order_id"), freshness(given(pairs, _FRESH)))
        case ["v1", "explain"]:
            return _explain_question(pairs)
        case ["v1", "at-risk"]:
            found = given(pairs, ("sku", "region", "channel", *_PAGE))
            return AtRiskQuestion(
                found.get("sku"), found.get("region"), found.get("channel"), page(found), freshness(found)
            )
        case ["v1", "exceptions"]:
            return exceptions_question(given(pairs, ("id", *EXCEPTION_FILTERS, "state", *_PAGE)))
        case ["v1", "exceptions", "actions"]:
            found = given(pairs, _PAGE)
            return ActionsQuestion(page(found), freshness(found))
        case ["v1", "kpis"]:
            return _kpis_question(pairs)
        case ["v1", "finance", "mismatches"]:
            return _mismatches_question(pairs)
        case ["v1", "finance", "reconciliation"]:
            found = given(pairs, ("month", "by", "format", *_FRESH))
            by = several_of(found, "by", RECONCILED_BY)
            return ReconciliationQuestion(month(found, "month"), by, _format(found), freshness(found))
        case ["v1", "credit", customer_id]:
            return CreditQuestion(_id(customer_id, "customer_id"), freshness(given(pairs, _FRESH)))
        case ["v1", "prices", sku]:
            found = given(pairs, ("list", "at", *_FRESH))
            at_us = moment_or_day(found, "at")
            return PriceQuestion(_id(sku, "sku"), found.get("list"), at_us, freshness(found))
    raise of_status(
        404, f"There is nothing at {shown(path)}. See /docs, or ask for /v1/atp/SKU or /v1/orders/ID."
    )


def atp_question(sku: str, pairs: Iterable[tuple[str, str]]) -> AtpQuestion:
    return _atp_question(sku, given(pairs, _ATP))


def _atp_question(sku: str, found: Given) -> AtpQuestion:
    by = found.get("by")
    if by is not None:
        day(found, "by")
        by = _FIRST_DAY if by < _FIRST_DAY else by if by < _NO_DAY else _LAST_DAY
    return AtpQuestion(
        sku,
        found.get("location"),
        found.get("channel"),
        quantity(found, "qty"),
        by,
        one_of(found, "method", METHODS),
        found.get("exclude_order"),
        _at(found),
        freshness(found),
    )


def order_question(order_id: str, pairs: Iterable[tuple[str, str]]) -> OrderQuestion:
    found = given(pairs, ("as_of", "known_at", *_FRESH))
    return OrderQuestion(order_id, _at(found), freshness(found))


def atp_stream(pairs: Iterable[tuple[str, str]]) -> list[AtpQuestion]:
    """`GET /v1/stream/atp`: one question for each `sku`."""
    skus, others = _several(pairs, "sku")
    found = given(others, ("location", "channel"))
    return [AtpQuestion(sku, found.get("location"), found.get("channel")) for sku in skus]


def orders_stream(pairs: Iterable[tuple[str, str]]) -> list[OrderQuestion]:
    """`GET /v1/stream/orders`: one question for each `order_id`."""
    order_ids, others = _several(pairs, "order_id")
    given(others, ("order_id",))
    return [OrderQuestion(order_id) for order_id in order_ids]


def _several(pairs: Iterable[tuple[str, str]], name: str) -> tuple[list[str], list[tuple[str, str]]]:
    """(the values of a parameter that may come more than once, each once; what else is given)."""
    pairs = list(pairs)
    values = list(dict.fromkeys(_id(value, name) for found, value in pairs if found == name))
    if not 1 <= len(values) <= STREAMED_MAX:
        raise bad_request(
            f"Say what to stream: {name}, once to {STREAMED_MAX} times; it is given {len(values)} times.",
            name,
            f"not given 1 to {STREAMED_MAX} times",
        )
    return values, [pair for pair in pairs if pair[0] != name]


def freshness_question(pairs: Iterable[tuple[str, str]]) -> Freshness:
    """The query of a POST."""
    return freshness(given(pairs, _FRESH))


def exceptions_question(found: Given) -> ExceptionsQuestion:
    return ExceptionsQuestion(
        found.get("id"),
        found.get("order"),
        found.get("kind"),
        one_of(found, "what", WHATS),
        found.get("process"),
        found.get("source"),
        found.get("type"),
        one_of(found, "state", STATES) or "open",
        page(found),
        freshness(found),
    )


def _orders_question(pairs: Iterable[tuple[str, str]]) -> OrdersQuestion:
    found = given(pairs, ("status", "cause", "region", "channel", "customer", "at_risk", *_PAGE))
    return OrdersQuestion(
        one_of(found, "status", STATUSES),
        one_of(found, "cause", CAUSES),
        found.get("region"),
        found.get("channel"),
        found.get("customer"),
        yes_or_no(found, "at_risk"),
        page(found),
        freshness(found),
    )


def _explain_question(pairs: Iterable[tuple[str, str]]) -> ExplainQuestion:
    pairs = list(pairs)
    names = {name for name, _ in pairs}
    if ("atp" in names) == ("order" in names):
        raise bad_request(
            "Say what to explain: either atp=SKU, with the parameters of /v1/atp, or order=ID.",
            "atp",
            "exactly one of 'atp' and 'order' is needed",
        )
    if "order" in names:
        found = given(pairs, ("order", "as_of", "known_at", *_FRESH))
        return ExplainQuestion(None, OrderQuestion(found["order"], _at(found)), freshness(found))
    found = given(pairs, ("atp", "location", "channel", "as_of", "known_at", *_FRESH))
    return ExplainQuestion(_atp_question(found["atp"], found), None, freshness(found))


def _kpis_question(pairs: Iterable[tuple[str, str]]) -> KpisQuestion:
    found = given(pairs, ("by", "from", "to", *_FRESH))
    return KpisQuestion(several_of(found, "by", DIMENSIONS), *_days(found), freshness(found))


def _mismatches_question(pairs: Iterable[tuple[str, str]]) -> MismatchesQuestion:
    found = given(pairs, ("region", "channel", "from", "to", "format", *_PAGE))
    form = _format(found)
    for name in ("cursor", "limit"):
        if form != "json" and name in found:
            raise bad_request(f"'{name}' is of no use here: a file has all of it.", name, "not with a format")
    return MismatchesQuestion(
        found.get("region"), found.get("channel"), *_days(found), form, page(found), freshness(found)
    )


def _format(found: Given) -> str:
    return one_of(found, "format", FORMATS) or "json"


def _days(found: Given) -> tuple[int | None, int | None]:
    first, last = day(found, "from"), day(found, "to")
    if first is not None and last is not None and first > last:
        raise bad_request(f"'from' ({found['from']}) is after 'to' ({found['to']}).", "from", "after 'to'")
    return first, last


def _at(found: Mapping[str, str]) -> At:
    if "as_of" not in found and "known_at" not in found:
        return _NOW
    return At(moment(found, "as_of"), moment(found, "known_at"))


def _id(text: str, name: str) -> str:
    if not 0 < len(text) <= ID_MAX:
        raise bad_request(
            f"'{name}' has {len(text)} characters; it has 1 to {ID_MAX}.",
            name,
            f"not 1 to {ID_MAX} characters",
        )
    return text


_NOW: Final = At()
