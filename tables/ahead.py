"""What orders before one in rank lack: units that are kept for them from those behind, from the day on which they
are wanted until the day for which they are promised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from springtide.tables.ranks import Lack, Ranks, lacks_of
from springtide.tables.sku import Allocation, Rank

Lacks: TypeAlias = Mapping[tuple[str, str | None], dict[int, int]]
"""(channel, location asked for or None for any) -> day -> units lacking from that day on; negative: promised."""


class Ahead:
    """What all open orders lack, summed up along their ranks: `upto` must be asked in order of rank."""

    def __init__(self, ranks: Ranks, touched: Mapping[str, Allocation], first: Rank) -> None:
        self._touched = touched
        self._sums: dict[tuple[str, str | None], dict[int, int]] = {}
        self._coming: list[tuple[Rank, str]] = [(row.rank, order_id) for order_id, row in touched.items()]
        self._ranks = ranks
        if ranks.lack_behind(first):
            self._coming += [(ranks.of[name], name) for name in ranks.lacks if name not in touched]
        else:
            for order_id in touched:
                if order_id in ranks.lacks:
                    self._add(ranks.lacks[order_id], -1)
            for key, days in ranks.sums.items():
                for day, units in days.items():
                    self._put(key, day, units)
        self._coming.sort(reverse=True)

    def upto(self, rank: Rank) -> Lacks:
        """What orders before a rank lack, as of now."""
        while self._coming and self._coming[-1][0] < rank:
            _, order_id = self._coming.pop()
            row = self._touched.get(order_id)
            self._add(self._ranks.lacks[order_id] if row is None else lacks_of(row), 1)
        return self._sums

    def _add(self, lacks: tuple[Lack, ...], sign: int) -> None:
        for channel, location, day, units in lacks:
            self._put((channel, location), day, sign * units)

    def _put(self, key: tuple[str, str | None], day: int, units: int) -> None:
        days = self._sums.setdefault(key, {})
        days[day] = days.get(day, 0) + units
        if not days[day]:
            del days[day]
            if not days:
                del self._sums[key]
