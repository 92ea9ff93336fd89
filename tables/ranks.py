"""Which orders are open at a SKU, in order of rank, and which of them hope for more."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TypeAlias

from springtide.tables.sku import (
    Allocation,
    Rank,
    Taken,
)

Steady: TypeAlias = list[tuple[str, int, int, int, int]]
"""(location, open units, safety stock, today, the day on which it ships next) of each location of a SKU."""
Lack: TypeAlias = tuple[str, str | None, int, int]
"""(channel, location asked for or None for any, day, units lacking from then on); of a line that is due the day
is 0. Negative units: promised for that day."""


class Ranks:
    """Open orders and their ranks, in order of rank; and which of them wait for a day or hope for a better."""

    __slots__ = ("hopes", "in_order", "lacks", "later", "of", "steady", "sums")

    def __init__(self) -> None:
        self.of: dict[str, Rank] = {}
        self.in_order: list[Rank] = []
        self.later: dict[str, int] = {}
        """Order -> the first day for which it asks and that has not come."""
        self.hopes: dict[str, None] = {}
        """Orders that have units not covered which are not promised, or for later than they were once."""
        self.lacks: dict[str, tuple[Lack, ...]] = {}
        """Order -> what it lacks and is not promised for the day on which it wants it."""
        self.sums: dict[tuple[str, str | None], dict[int, int]] = {}
        """Channel and location -> day -> units, of all of them."""
        self.steady: Steady | None = None
        """What plans rested on when they were last gone through and nothing changed; None: they must be gone
        through again."""

    def put(self, row: Allocation) -> None:
        """Brings all up to date with an order's row."""
        order_id = row.order_id
        rank = row.rank if row.is_open else None
        known = self.of.get(order_id)
        if known != rank:
            if known is not None:
                del self.in_order[bisect_left(self.in_order, known)]
                del self.of[order_id]
            if rank is not None:
                insort(self.in_order, rank)
                self.of[order_id] = rank
        later, hopes = None, False
        if rank is not None:
            for line in row.lines.values():
                if line.later and line.day is not None and (later is None or line.day < later):
                    later = line.day
                if line.later or line.backordered:
                    hopes = hopes or may_hope(row, line)
        if later is not None:
            self.later[order_id] = later
        elif self.later:
            self.later.pop(order_id, None)
        if hopes:
            self.hopes[order_id] = None
        elif self.hopes:
            self.hopes.pop(order_id, None)
        lacks = () if rank is None else lacks_of(row)
        if lacks or self.lacks:
            self._put_lacks(order_id, lacks)

    def _put_lacks(self, order_id: str, lacks: tuple[Lack, ...]) -> None:
        known = self.lacks.pop(order_id, ())
        if lacks:
            self.lacks[order_id] = lacks
        if known == lacks:
            return
        for sign, changes in ((-1, known), (1, lacks)):
            for channel, location, day, units in changes:
                days = self.sums.setdefault((channel, location), {})
                days[day] = days.get(day, 0) + sign * units
                if not days[day]:
                    del days[day]
                    if not days:
                        del self.sums[channel, location]

    def lack_behind(self, rank: Rank) -> bool:
        """Whether any order from a rank on lacks anything."""
        return any(
            order_id in self.lacks for *_, order_id in self.in_order[bisect_left(self.in_order, rank) :]
        )


def lacks_of(row: Allocation) -> tuple[Lack, ...]:
    """What an order lacks from the day on which it wants it; less what it is promised, from that day on, if this
    is kept from others. Empty where it is promised all on its days."""
    found: list[Lack] = []
    for line in row.lines.values():
        if not (line.backordered or line.later) or not line.queues:
            continue
        channel, wanted = row.channel_of(line), 0 if line.due else line.day or 0
        found.append((channel, line.location, wanted, line.uncovered))
        if row.is_firm:
            found += [(channel, line.location, day, -units) for day, _, units in line.plan]
    if all(sum(units for *_, day, units in found if day <= at) == 0 for *_, at, _ in found):
        return ()
    return tuple(found)


def may_hope(row: Allocation, line: Taken) -> bool:
    """Whether a line that lacks units may be promised more or sooner than it is."""
    return line.hoped is not None or bool(line.leads) or not row.is_firm or line.planned < line.uncovered


def may_plan(row: Allocation) -> bool:
    """Whether an order may be promised units of a SKU that has nothing dated: it did not take what is there,
    since it wants it later or not without something else."""
    if row.complete or row.parked:
        return True
    return any(line.later or line.cap is not None for line in row.lines.values())
