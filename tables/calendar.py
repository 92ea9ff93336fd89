"""Days of a place: calendar dates by its time zone, working days and cut-off.

A day is an int, days since 1970-01-01; a week's days are the bits of an int, Monday lowest. Instants are
microseconds. A time zone that nobody knows counts as UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from springtide.codecs.times import DAY_US, EPOCH, SECOND_US, instant, micros

EVERY_DAY: Final = 0b111_1111
_EPOCH_DAY: Final = date(1970, 1, 1)
_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo | None:
    """None for UTC, by whatever name, and for what is no zone."""
    if name in ("UTC", "Etc/UTC", "Z", ""):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


@lru_cache(maxsize=65_536)
def midnight_us(zone: str, day: int) -> int:
    """The first instant of a day somewhere."""
    place = _zone(zone)
    if place is None:
        return day * DAY_US
    start = datetime.combine(_EPOCH_DAY + timedelta(days=day), datetime.min.time(), tzinfo=place)
    return micros(start.astimezone(UTC))


def today(zone: str, now_us: int) -> int:
    """The calendar date somewhere at an instant."""
    day = now_us // DAY_US
    if _zone(zone) is None:
        return day
    while midnight_us(zone, day + 1) <= now_us:
        day += 1
    while midnight_us(zone, day) > now_us:
        day -= 1
    return day


def second_of_day(zone: str, now_us: int) -> int:
    """What the clock shows somewhere, as seconds since 00:00."""
    place = _zone(zone)
    if place is None:
        return now_us % DAY_US // SECOND_US
    local = (EPOCH + timedelta(microseconds=now_us)).astimezone(place)
    return local.hour * 3_600 + local.minute * 60 + local.second


@lru_cache(maxsize=8_192)
def iso(day: int) -> str:
    """A day as `2026-03-02`."""
    return (_EPOCH_DAY + timedelta(days=day)).isoformat()


def day_of(text: str, zone: str = "UTC") -> int:
    """The day of a calendar date, or of an instant by the calendar somewhere; ValueError if it is neither."""
    if len(text) > 10:
        return today(zone, instant(text))
    return (date.fromisoformat(text) - _EPOCH_DAY).days


def span_us(valid_from: str | None, valid_to: str | None, zone: str = "UTC") -> tuple[int | None, int | None]:
    """When something is in force, as [from, to); a date is its start as `from` and its end as `to`."""
    start = end = None
    if valid_from is not None:
        start = instant(valid_from) if len(valid_from) > 10 else midnight_us(zone, day_of(valid_from))
    if valid_to is not None:
        end = instant(valid_to) if len(valid_to) > 10 else midnight_us(zone, day_of(valid_to) + 1)
    return start, end


def week(days: tuple[int | str, ...] | None) -> int:
    """The bits of working days from ISO numbers or English names; every day if none is named."""
    bits = 0
    for day in days or ():
        if isinstance(day, str) and not day.strip().isdigit():
            short = day.strip().lower()
            for number, name in enumerate(_NAMES):
                if len(short) >= 2 and name.startswith(short):
                    bits |= 1 << number
        elif 1 <= int(day) <= 7:
            bits |= 1 << (int(day) - 1)
    return bits or EVERY_DAY


def works(days: int, day: int) -> bool:
    """Whether a day is one of a week's working days."""
    return bool(days >> ((day + 3) % 7) & 1)  # 1970-01-01 was a Thursday


def next_working(days: int, day: int) -> int:
    """The first working day from `day` on."""
    while not works(days, day):
        day += 1
    return day


def seconds(clock: str | None) -> int | None:
    """`14:30` or `14:30:15` as seconds since 00:00."""
    if clock is None:
        return None
    parts = [int(part) for part in clock.split(":")]
    return parts[0] * 3_600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
