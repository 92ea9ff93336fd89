"""Days and places, naively: a day is a count of days since 1970-01-01, an instant microseconds since then.

today(place, now_us)          the calendar date there
ship_day(place, day, now_us)  the first day from `day` on that something can leave there
midnight_us(place, day)       the instant at which that date begins there
nearest(places, names)        names in the order in which they are asked
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from springtide.codecs.facts import LocationUpserted

EPOCH: Final = date(1970, 1, 1)
_EPOCH_AT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAMES: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SECOND_US: Final = 1_000_000


def day_of(text: str) -> int:
    """Of a calendar date, `2026-03-02`."""
    return (date.fromisoformat(text[:10]) - EPOCH).days


def text_of(day: int) -> str:
    return (EPOCH + timedelta(days=day)).isoformat()


def zone(place: LocationUpserted | None) -> ZoneInfo:
    """UTC where the catalog does not name the place."""
    return ZoneInfo("UTC" if place is None else place.timezone)


def local(place: LocationUpserted | None, now_us: int) -> datetime:
    return (_EPOCH_AT + timedelta(microseconds=now_us)).astimezone(zone(place))


@lru_cache(maxsize=65_536)
def _date(zone_name: str, now_us: int) -> int:
    at = (_EPOCH_AT + timedelta(microseconds=now_us)).astimezone(ZoneInfo(zone_name))
    return (at.date() - EPOCH).days


def today(place: LocationUpserted | None, now_us: int) -> int:
    return _date("UTC" if place is None else place.timezone, now_us)


def midnight_us(place: LocationUpserted | None, day: int) -> int:
    return _midnight_us("UTC" if place is None else place.timezone, day)


@lru_cache(maxsize=65_536)
def _midnight_us(zone_name: str, day: int) -> int:
    at = datetime.combine(EPOCH + timedelta(days=day), time(), tzinfo=ZoneInfo(zone_name))
    return round(at.timestamp()) * _SECOND_US


def day_or_instant(place: LocationUpserted | None, text: str) -> int:
    """The day of a date, or the date that an instant has at the place."""
    if len(text) <= 10:
        return day_of(text)
    at = datetime.fromisoformat(text)
    return (at.astimezone(zone(place)).date() - EPOCH).days


def works(place: LocationUpserted | None, day: int) -> bool:
    """Whether anything leaves there on that day of the week; every day where none is named."""
    if place is None or not place.working_days:
        return True
    weekday = (EPOCH + timedelta(days=day)).isoweekday()
    name = _NAMES[weekday - 1]
    return any(
        said == weekday or str(said).strip().lower() in (str(weekday), name, name[:3])
        for said in place.working_days
    )


def past_cutoff(place: LocationUpserted | None, now_us: int) -> bool:
    if place is None or place.cutoff is None:
        return False
    return local(place, now_us).time() >= time.fromisoformat(place.cutoff)


def ship_day(place: LocationUpserted | None, day: int, now_us: int) -> int:
    here = today(place, now_us)
    day = max(day, here)
    if day == here and past_cutoff(place, now_us):
        day += 1
    while not works(place, day):
        day += 1
    return day


def is_open(places: Mapping[str, LocationUpserted], name: str) -> bool:
    return name not in places or places[name].open


def nearest(places: Mapping[str, LocationUpserted], names: Iterable[str]) -> list[str]:
    """By rank and name; those that the catalog does not name come last."""
    return sorted(names, key=lambda n: (n not in places, places[n].rank if n in places else 0, n))
