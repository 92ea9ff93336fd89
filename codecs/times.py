"""Instants as integer microseconds since 1970-01-01T00:00Z, and as RFC 3339 text at the edges."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
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


def rfc3339(at_us: int) -> str:
    """An instant as RFC 3339 in UTC, with as many decimals as it needs (none, 3 or 6)."""
    at = EPOCH + timedelta(microseconds=at_us)
    fraction = at_us % SECOND_US
    spec = "seconds" if fraction == 0 else "milliseconds" if fraction % 1_000 == 0 else "microseconds"
    return at.replace(tzinfo=None).isoformat(timespec=spec) + "Z"


def day_start(text: str) -> int:
    """Microseconds of a calendar day's first instant, or of an instant itself; ValueError if neither."""
    if len(text) > 10:
        return instant(text)
    return micros(datetime.combine(date.fromisoformat(text), clock(tzinfo=UTC)))
