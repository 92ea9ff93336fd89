"""Available-to-promise over time, naively: each figure is worked out from lists, for each day anew.

A curve is a list, its first entry today, one entry a day. Supply and demand are units by day of the curve.

    cum = cumulative(80, supply, demand)           # what is left at the end of each day, if nobody comes
    look_ahead(cum)                                # what may be promised from each day on
    discrete(80, supply, demand)                   # the same in buckets, each from one supply to the next
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Curve = list[int]


class Scheduled(NamedTuple):
    """A supply that is still open. `due` is a day."""

    supply_id: str
    location: str
    open: int
    due: int
    firmness: str


class Share(NamedTuple):
    """Part of a promise."""

    day: int
    location: str
    units: int


def counts_at(due: int, today: int, fence_days: int, offset_days: int) -> int | None:
    """The day at which supply counts; None if it is stale."""
    if due >= today:
        return due
    return today + offset_days if today - due <= fence_days else None


def by_day(units: Iterable[tuple[int, int]], today: int, horizon: int) -> Curve:
    """(day, units) as a list of days; what lies beyond the horizon is in none."""
    found = [0] * horizon
    for day, count in units:
        if today <= day < today + horizon:
            found[day - today] += count
    return found


def cumulative(start: int, supply: Sequence[int], demand: Sequence[int], carry: bool = True) -> Curve:
    """`start` and all supply less all demand up to each day. Without `carry` what a day lacks is lost at its
    end."""
    found: Curve = []
    left = start
    for more, fewer in zip(supply, demand, strict=True):
        if found and not carry:
            left = max(0, left)
        left += more - fewer
        found.append(left)
    return found


def look_ahead(cum: Sequence[int]) -> Curve:
    """The least of all days from each day on."""
    found: Curve = []
    for units in reversed(cum):
        found.append(min(units, found[-1]) if found else units)
    return found[::-1]


def discrete(start: int, supply: Sequence[int], demand: Sequence[int]) -> list[int | None]:
    """A bucket begins today and with each later supply; None on other days. A bucket that lacks units takes
    them from the nearest earlier ones; what they do not have stays lacking."""
    opening = [supply[t] if t and supply[t] else None for t in range(len(supply))]
    return less([start + supply[0], *opening[1:]], demand)


def less(buckets: Sequence[int | None], demand: Sequence[int]) -> list[int | None]:
    """Buckets less the demand of their days, after borrowing."""
    days = [t for t, units in enumerate(buckets) if units is not None]
    found = {}
    for number, first in enumerate(days):
        until = days[number + 1] if number + 1 < len(days) else len(buckets)
        found[first] = (buckets[first] or 0) - sum(demand[first:until])
    for first in days:
        for earlier in reversed([day for day in days if day < first]):
            lent = max(0, min(-found[first], found[earlier]))
            found[first] += lent
            found[earlier] -= lent
    return [found.get(t) for t in range(len(buckets))]


def running(buckets: Sequence[int | None]) -> Curve:
    """The sum of all buckets up to each day."""
    return [sum(b for b in buckets[: t + 1] if b is not None) for t in range(len(buckets))]


def earliest(atp: Sequence[int], qty: int, ships: Callable[[int], bool] = lambda _: True) -> int | None:
    """The first day of the curve at which so much may be promised and that something leaves on."""
    return next((t for t, units in enumerate(atp) if units >= qty and ships(t)), None)


def taken(cum: Sequence[int], day: int, units: int) -> Curve:
    """The curve once so many units are promised for a day of it."""
    return [left - (units if t >= day else 0) for t, left in enumerate(cum)]
