"""Available-to-promise over time, as pure functions of lists: one element a day (or any period), in order.

`opening` is what can be sold before the first day's supply and demand: sellable less safety stock less what
is held. All quantities are integers, signed where a figure can be short.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def cumulative(opening: int, supply: Sequence[int], demand: Sequence[int], carry: bool = True) -> list[int]:
    """What is left after each day. Without `carry` what a day lacks is lost at its end, so that it takes
    nothing from later days."""
    left = opening
    found: list[int] = []
    for more, less in zip(supply, demand, strict=True):
        if found and not carry:
            left = max(0, left)
        left += more - less
        found.append(left)
    return found


def look_ahead(cum: Sequence[int]) -> list[int]:
    """The least that is left on a day or any later one: what can be promised for it and breaks nothing."""
    return list(accumulate(reversed(cum), min))[::-1]


def takeable(wanted: Sequence[int], spare: Sequence[int]) -> list[int]:
    """Units of those `wanted` up to each day that can be taken on it, `spare` being what is left beyond all that is
    promised: what is taken must be there on each later day too, but for units that are wanted no more by then,
    since they are promised for a day in between."""
    found: list[int] = []
    for at, (units, always) in enumerate(zip(wanted, look_ahead(spare), strict=True)):
        most = always
        if units > always:
            later = zip(spare[at:], wanted[at:], strict=True)
            most = min(there + max(0, units - still) for there, still in later)
        found.append(min(units, max(0, most)))
    return found


def discrete(opening: int, supply: Sequence[int], demand: Sequence[int]) -> list[int | None]:
    """The row of a master schedule: the first day and each later one with supply start a bucket; a bucket
    has its supply, less demand until the next. Days that start none are None."""
    found: list[int | None] = []
    bucket = 0
    for day, (more, less) in enumerate(zip(supply, demand, strict=True)):
        if day == 0 or more:
            bucket = day
            found.append(more - less + (opening if day == 0 else 0))
        else:
            found.append(None)
            units = found[bucket]
            assert units is not None
            found[bucket] = units - less
    return borrow_back(found)


def borrow_back(buckets: Sequence[int | None]) -> list[int | None]:
    """What a bucket lacks is taken from the nearest earlier one that has something; the rest stays short."""
    found = list(buckets)
    for day, units in enumerate(buckets):
        if units is None or units >= 0:
            continue
        short = -units
        for earlier in range(day - 1, -1, -1):
            there = found[earlier]
            if there is not None and there > 0:
                lent = min(there, short)
                found[earlier] = there - lent
                short -= lent
                if short == 0:
                    break
        found[day] = -short
    return found


def running(buckets: Sequence[int | None]) -> list[int]:
    """The buckets in sum up to each day."""
    return list(accumulate(units or 0 for units in buckets))


def curve(
    opening: int,
    supply: Sequence[int],
    demand: Sequence[int],
    method: str = "look_ahead",
    carry: bool = True,
) -> tuple[list[int], list[int]]:
    """(cumulative, atp) a day, atp by `look_ahead`, `cumulative` or `discrete`."""
    cum = cumulative(opening, supply, demand, carry)
    if method == "cumulative":
        return cum, cum
    if method == "discrete":
        return cum, running(discrete(opening, supply, demand))
    return cum, look_ahead(cum)


def earliest(
    atp: Sequence[int], qty: int, first: int = 0, ships: Callable[[int], bool] | None = None
) -> int | None:
    """The first day from `first` on that has `qty` and ships; None if there is none."""
    for day in range(first, len(atp)):
        if atp[day] >= qty and (ships is None or ships(day)):
            return day
    return None


def split(
    atp: Mapping[K, Sequence[int]],
    qty: int,
    *,
    first: int = 0,
    ships: Callable[[K, int], bool] | None = None,
    single: bool = False,
    max_splits: int = 0,
    bounds: Sequence[tuple[Collection[K], Sequence[int]]] = (),
    used: Iterable[K] = (),
) -> list[tuple[int, K, int]]:
    """Which days and sources (locations) give up to `qty`, as (day, source, units) by day; possibly less.

    `atp` has the sources nearest first, each with a figure a day; each of `bounds` is what some of them give
    together up to a day. `single`: one source gives all on one day, or none does. Otherwise greedy over the
    days, on each the nearest first, from at most `max_splits` sources (0: no limit), those `used` included.
    """
    found: list[tuple[int, K, int]] = []
    taken: dict[K, int] = dict.fromkeys(used, 0)
    for day in range(first, max((len(units) for units in atp.values()), default=0)):
        for source, units in atp.items():
            room = units[day] - taken.get(source, 0)
            if room <= 0 or (ships is not None and not ships(source, day)):
                continue
            for sources, total in bounds:
                if source in sources:
                    room = min(room, total[day] - sum(taken.get(other, 0) for other in sources))
            if single:
                if room >= qty:
                    return [(day, source, qty)]
                continue
            more = min(qty, room)
            if more <= 0 or (max_splits and source not in taken and len(taken) >= max_splits):
                continue
            taken[source] = taken.get(source, 0) + more
            found.append((day, source, more))
            qty -= more
            if qty == 0:
                return found
    return found


def rises(atp: Sequence[int]) -> list[tuple[int, int]]:
    """(day, units) by which what can be promised grows, from 0 up."""
    found = []
    had = 0
    for day, units in enumerate(atp):
        if units > had:
            found.append((day, units - had))
            had = units
    return found
