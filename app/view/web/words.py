"""How figures are said: names as words, spans and instants for people, tones for colours.

All of it takes what an answer may hold, None and strangers included, and never fails: a page that shows an
odd value as it came is better than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import jinja2

NONE: Final = "\u2013"
_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_GOOD: Final = frozenset(("DELIVERED", "CLOSED", "SHIPPED", "ALLOCATED", "RECONCILED", "PAID", "INSPECTED"))
_WARN: Final = frozenset(
    (
        "PARTIALLY_ALLOCATED",
        "BACKORDERED",
        "ON_HOLD",
        "PARTIALLY_RETURNED",
        "RETURNED",
        "PARTIALLY_INVOICED",
        "PARTIALLY_PAID",
    )
)
_BAD: Final = frozenset(("REJECTED",))

STATUSES: Final = (
    "RECEIVED",
    "CONFIRMED",
    "BACKORDERED",
    "PARTIALLY_ALLOCATED",
    "ALLOCATED",
    "IN_FULFILMENT",
    "ON_HOLD",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "PARTIALLY_DELIVERED",
    "DELIVERED",
    "CLOSED",
    "PARTIALLY_RETURNED",
    "RETURNED",
    "CANCELLED",
    "REJECTED",
)


def missing(value: Any) -> bool:
    """None, and what a template did not find."""
    return value is None or isinstance(value, jinja2.Undefined)


def words(value: Any) -> str:
    """`PARTIALLY_SHIPPED` -> `Partially shipped`; `held(credit_hold)` -> `Held (credit hold)`."""
    if missing(value) or value == "":
        return NONE
    text = str(value).replace("_", " ").replace("(", " (").replace("  (", " (")
    if text.isupper():
        text = text.lower()
    return text[:1].upper() + text[1:]


def tone(status: Any) -> str:
    """How a status looks: good, warn, bad or calm."""
    name = str(status).partition("(")[0]
    if name in _GOOD:
        return "good"
    if name in _WARN:
        return "warn"
    return "bad" if name in _BAD or name == "OVER_INVOICED" else "calm"


def qty(value: Any) -> str:
    """A quantity with its thousands apart, and a true minus."""
    if missing(value):
        return NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return plain(value)
    shown = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"
    return shown.replace(",", "\u202f").replace("-", "\u2212")


def signed(value: Any) -> str:
    """A difference: `+3`, `0`."""
    if isinstance(value, int | float) and value > 0:
        return "+" + qty(value)
    return qty(value)


def plain(value: Any) -> str:
    """Any value in one line of text."""
    if missing(value) or value == "" or value == [] or value == {}:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(plain(inner) for inner in value)
    return str(value)


def instant_of(value: Any) -> datetime | None:
    """An RFC 3339 instant or a date as the aware instant it begins at; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def when(value: Any) -> str:
    """`2026-03-02T06:00:00Z` -> `2 Mar 2026 06:00`; a date stays one. UTC."""
    at = instant_of(value)
    if at is None:
        return plain(value)
    day_only = isinstance(value, str) and len(value) == len("2026-03-02")
    shown = f"{at.day} {at:%b %Y}"
    return shown if day_only else f"{shown} {at:%H:%M}"


def day(value: Any) -> str:
    """The day of an instant: `2 March 2026`."""
    at = instant_of(value)
    return plain(value) if at is None else f"{at.day} {at:%B %Y}"


def weekday(value: Any) -> str:
    """A day as one says it to a customer: `Monday 2 March`."""
    at = instant_of(value)
    return plain(value) if at is None else f"{at:%A} {at.day} {at:%B}"


def span(seconds: Any) -> str:
    """A length of time in its two largest units: `2 d 4 h`, `35 min`."""
    if missing(seconds) or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return NONE if missing(seconds) else plain(seconds)
    sign = "\u2212" if seconds < 0 else ""
    left = round(abs(seconds))
    if left < _MINUTE_S:
        return f"{sign}{left} s"
    if left < _HOUR_S:
        return f"{sign}{left // _MINUTE_S} min"
    if left < _DAY_S:
        hours, rest = divmod(left, _HOUR_S)
        minutes = rest // _MINUTE_S
        return f"{sign}{hours} h {minutes} min" if minutes else f"{sign}{hours} h"
    days, rest = divmod(left, _DAY_S)
    hours = rest // _HOUR_S
    return f"{sign}{days} d {hours} h" if hours else f"{sign}{days} d"


def signed_span(seconds: Any) -> str:
    """What came on top: `+2 d`, `0 s`."""
    if isinstance(seconds, int | float) and not isinstance(seconds, bool) and seconds > 0:
        return "+" + span(seconds)
    return span(seconds)


def lag(ms: Any) -> str:
    """`12 ms`, `3.4 s`, `2 min`."""
    if missing(ms) or isinstance(ms, bool) or not isinstance(ms, int | float):
        return NONE
    if ms < 1_000:
        return f"{round(ms)} ms"
    return f"{ms / 1_000:.1f} s" if ms < _MINUTE_S * 1_000 else span(ms / 1_000)


def rate(per_s: Any) -> str:
    """`1 234`, `12.5`, `0.3`; by second."""
    if missing(per_s) or not isinstance(per_s, int | float):
        return NONE
    return qty(round(per_s)) if per_s >= 100 or per_s == 0 else f"{per_s:.1f}"


def percent(rate: Any) -> str:
    """A rate of 0 to 1: `98.3 %`."""
    if missing(rate) or isinstance(rate, bool) or not isinstance(rate, int | float):
        return NONE
    return f"{100 * rate:.1f} %"
