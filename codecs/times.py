"""Instants as integer microseconds since 1970-01-01T00:00Z, and as RFC 3339 text at the edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
DAY_MS = 86_400_000
DAY_US = DAY_MS * 1_000
TIME_MIN_US = 0
TIME_MAX_US = 7_258_118_400 * SECOND_US  # the year 2200


def micros(at: datetime) -> int:
    """Microseconds since the epoch of an instant that has an offset."""
    delta = at - EPOCH
    return (delta.days * 86_400 + delta.seconds) * SECOND_US + delta.microseconds


def instant(text: str) -> int:
    """Microseconds of an RFC 3339 instant; ValueError if it has no offset or is no instant."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"'{text}' has no offset: write e.g. {text}Z")
    return micros(at)


@lru_cache(maxsize=4_096)
def _day(days: int) -> str:
    return (EPOCH + timedelta(days=days)).date().isoformat()


@lru_cache(maxsize=8_192)
def rfc3339(at_us: int) -> str:
    """An instant as RFC 3339 in UTC, with as many decimals as it needs (none, 3 or 6)."""
    days, rest_us = divmod(at_us, DAY_US)
    seconds, fraction_us = divmod(rest_us, SECOND_US)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    text = f"{_day(days)}T{hour:02d}:{minute:02d}:{second:02d}"
    if fraction_us == 0:
        return text + "Z"
    milliseconds, rest = divmod(fraction_us, 1_000)
    return f"{text}.{fraction_us:06d}Z" if rest else f"{text}.{milliseconds:03d}Z"


def day_start(text: str) -> int:
    """Microseconds of a calendar day's first instant, or of an instant itself; ValueError if neither."""
    if len(text) > 10:
        return instant(text)
    return micros(datetime.combine(date.fromisoformat(text), clock(tzinfo=UTC)))
