"""What is asked: paths and queries, read strictly. A parameter that would be ignored is refused by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from springtide.app.view.positions import parse
from springtide.app.view.problems import Problem, bad_request, of_status, shown

STALENESS_MAX_MS: Final = 366 * 86_400_000
ATP_LATER: Final = ("qty", "by", "method", "as_of", "known_at", "exclude_order")
ORDER_LATER: Final = ("as_of",)
_ATP: Final = "/v1/atp/"
_ORDER: Final = "/v1/orders/"


class Freshness(msgspec.Struct, frozen=True):
    """How fresh an answer must be."""

    min_position: dict[str, int] = {}
    """`topic/partition` -> offset that must have had its effect."""
    max_staleness_ms: int | None = None


class AtpQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/atp/{sku}`, or one item of a batch."""

    sku: str
    location: str | None = None
    channel: str | None = None
    freshness: Freshness = Freshness()


class OrderQuestion(msgspec.Struct, frozen=True):
    """`GET /v1/orders/{id}`."""

    order_id: str
    freshness: Freshness = Freshness()


def parse_target(target: str) -> AtpQuestion | OrderQuestion:
    """A path with its query, such as `/v1/atp/SKU-1?location=BER`; Problem if it asks for nothing there is."""
    parts = urlsplit(target)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if parts.path.startswith(_ATP) and "/" not in parts.path[len(_ATP) :]:
        return atp_question(unquote(parts.path[len(_ATP) :]), pairs)
    if parts.path.startswith(_ORDER) and "/" not in parts.path[len(_ORDER) :]:
        return order_question(unquote(parts.path[len(_ORDER) :]), pairs)
    raise of_status(404, f"There is nothing at {shown(parts.path)}. Ask for /v1/atp/SKU or /v1/orders/ID.")


def atp_question(sku: str, pairs: Iterable[tuple[str, str]]) -> AtpQuestion:
    given = _given(pairs, ("location", "channel", "min_position", "max_staleness"), ATP_LATER)
    return AtpQuestion(sku, given.get("location"), given.get("channel"), _freshness(given))


def order_question(order_id: str, pairs: Iterable[tuple[str, str]]) -> OrderQuestion:
    given = _given(pairs, ("min_position", "max_staleness"), ORDER_LATER)
    return OrderQuestion(order_id, _freshness(given))


def freshness_question(pairs: Iterable[tuple[str, str]]) -> Freshness:
    """The query of a batch."""
    return _freshness(_given(pairs, ("min_position", "max_staleness"), ()))


def not_yet(name: str) -> Problem:
    """A parameter of the API that this version can't answer."""
    return Problem(
        400,
        "unsupported-parameter",
        "This version can't answer that",
        f"'{name}' is not answered by this version; leave it out to get the figure as of now.",
        errors=[{"path": name, "message": "not answered by this version"}],
    )


def _given(
    pairs: Iterable[tuple[str, str]], known: tuple[str, ...], later: tuple[str, ...]
) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in later:
            raise not_yet(name)
        if name not in known:
            raise bad_request(
                f"There is no parameter '{shown(name)}' here; there are {', '.join(known)}.",
                shown(name),
                "unknown parameter",
            )
        if name in given:
            raise bad_request(f"'{name}' is given twice; give it once.", name, "given twice")
        if not value:
            raise bad_request(f"'{name}' is empty; give it a value or leave it out.", name, "empty")
        given[name] = value
    return given


def _freshness(given: Mapping[str, str]) -> Freshness:
    token, staleness = given.get("min_position"), given.get("max_staleness")
    if token is None and staleness is None:
        return _ANY
    positions: dict[str, int] = {}
    if token is not None:
        try:
            positions = parse(token)
        except ValueError as error:
            raise bad_request(f"min_position can't be used: {error}.", "min_position", str(error)) from None
    limit_ms = None
    if staleness is not None:
        if not (staleness.isascii() and staleness.isdigit() and int(staleness[:16]) <= STALENESS_MAX_MS):
            message = f"not a whole number of milliseconds from 0 to {STALENESS_MAX_MS}"
            raise bad_request(f"max_staleness '{shown(staleness)}' is {message}.", "max_staleness", message)
        limit_ms = int(staleness[:16])
    return Freshness(positions, limit_ms)


_ANY: Final = Freshness()
