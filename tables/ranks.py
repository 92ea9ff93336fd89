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


class Ranks:
    """Open orders and their ranks, in order of rank; and which of them wait for a day or hope for a better."""

    __slots__ = ("hopes", "in_order", "later", "of", "steady")

    def __init__(self) -> None:
        self.of: dict[str, Rank] = {}
        self.in_order: list[Rank] = []
        self.later: dict[str, int] = {}
        """Order -> the first day for which it asks and that has not come."""
        self.hopes: dict[str, None] = {}
        """Orders that have units not covered which are not promised, or for later than they were once."""
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


def may_hope(row: Allocation, line: Taken) -> bool:
    """Whether a line that lacks units may be promised more or sooner than it is."""
    return line.hoped is not None or bool(line.leads) or not row.is_firm or line.planned < line.uncovered


def may_plan(row: Allocation) -> bool:
    """Whether an order may be promised units of a SKU that has nothing dated: it did not take what is there,
    since it wants it later or not without something else."""
    if row.complete or row.parked:
        return True
    return any(line.later or line.cap is not None for line in row.lines.values())
