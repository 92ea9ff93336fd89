"""Stock that is ring-fenced for channels, naively.

seen(10, lefts, "web")    # what a channel sees of 10 units, others' fences kept
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from springtide.app.verify.naive_calendar import day_of, midnight_us
from springtide.codecs.facts import LocationUpserted
from springtide.codecs.times import instant


class Fence(msgspec.Struct, array_like=True):
    """As it was last stated. `location` None: over all of them."""

    location: str | None
    channel: str
    qty: int
    valid_from: str | None
    valid_to: str | None
    rank: int
    from_us: int | None = None
    to_us: int | None = None
    """By the calendar of the place when it was stated; over all places: UTC."""
    shipped_before: int = 0
    """Units of the channel that had left before there was a fence."""


class Left(msgspec.Struct, array_like=True, frozen=True):
    """What of a fence nobody has used yet."""

    rank: int
    channel: str
    units: int


def begins_us(fence: Fence, place: LocationUpserted | None) -> int | None:
    text = fence.valid_from
    if text is None:
        return None
    return midnight_us(place, day_of(text)) if len(text) <= 10 else instant(text)


def ends_us(fence: Fence, place: LocationUpserted | None) -> int | None:
    """A date means its end."""
    text = fence.valid_to
    if text is None:
        return None
    return midnight_us(place, day_of(text) + 1) if len(text) <= 10 else instant(text)


def stated(fence: Fence, place: LocationUpserted | None) -> Fence:
    fence.from_us, fence.to_us = begins_us(fence, place), ends_us(fence, place)
    return fence


def in_force(fence: Fence, from_us: int, until_us: int) -> bool:
    """At any instant from `from_us` on and before `until_us`."""
    begins, ends = fence.from_us, fence.to_us
    return (begins is None or begins < until_us) and (ends is None or from_us < ends)


def effective(units: int, lefts: Sequence[Left]) -> list[Left]:
    """What the fences keep of so many units: a loss eats what is shared first, then the fence of the lowest
    rank, and so on up."""
    over = sum(left.units for left in lefts) - max(0, units)
    found = []
    for left in sorted(lefts, key=lambda left: (left.rank, left.channel)):
        lost = max(0, min(over, left.units))
        over -= lost
        found.append(Left(left.rank, left.channel, left.units - lost))
    return found


def kept_from(units: int, lefts: Sequence[Left], channel: str | None) -> int:
    """How many of the units other channels' fences keep from this one."""
    return sum(left.units for left in effective(units, lefts) if left.channel != channel)


def seen(units: int, lefts: Sequence[Left], channel: str | None) -> int:
    """What a channel sees of so many units: its own fence's rest and what is shared."""
    return units - kept_from(units, lefts, channel)
