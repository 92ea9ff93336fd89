"""Stock ring-fenced for channels: what one channel sees of the units there are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from springtide.tables.sku import Head

Left: TypeAlias = tuple[int, str, int]
"""(rank, channel, units of a fence that its channel has not used)."""


def lefts(head: Head, location: str | None, from_us: int, until_us: int) -> list[Left]:
    """What is left of the fences of one location, or (None) of those over all of them, that are in force at
    any instant from `from_us` on and before `until_us`; the lowest rank first."""
    return sorted(
        (fence.rank, fence.channel, fence.left)
        for fence in head.fences.values()
        if fence.location == location and fence.left and fence.in_force(from_us, until_us)
    )


def kept_for(units: int, fences: Iterable[Left]) -> dict[str, int]:
    """Channel -> units that fences keep for it of so many. A loss eats what is shared first, then fences from
    the lowest rank up."""
    fences = list(fences)
    over = sum(left for _, _, left in fences) - max(0, units)
    kept: dict[str, int] = {}
    for _, channel, left in fences:
        gives_up = max(0, min(over, left))
        over -= gives_up
        kept[channel] = kept.get(channel, 0) + left - gives_up
    return kept


def kept_from(units: int, fences: list[Left], channel: str | None) -> int:
    """Units that fences keep from a channel of so many; None: who has no channel sees only what is shared."""
    if not fences:
        return 0
    return sum(kept for name, kept in kept_for(units, fences).items() if name != channel)
