"""Who is promised what for which day, of units that are not covered yet; and who gives way when it breaks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from springtide.codecs.times import DAY_US
from springtide.tables.ahead import Ahead, Lacks
from springtide.tables.footprint import (
    Footprint,
    footprint,
)
from springtide.tables.grants import Grants
from springtide.tables.lines import (
    is_later,
    is_worse,
    less,
    merge_plans,
    take_out,
    without_at,
)
from springtide.tables.planning import NO_LACKS
from springtide.tables.ranks import Ranks, Steady, may_hope, may_plan
from springtide.tables.sku import (
    Allocation,
    Plan,
    Taken,
)

BREAKS_MAX: Final = 1_000_000
"""Rounds in which plans give way at one location in one event: a guard against a rule that never ends."""


class Promising(Grants):
    """See the module."""

    __slots__ = ()

    def _mend(self) -> None:
        """Where plans are more than what is there and to come, the last in rank give way."""
        places: list[str | None] = list(self.dated.plans)
        if self.head.fences and self.rooms.fenced(None):
            places.append(None)
        for location in places:
            for _ in range(BREAKS_MAX):
                broken = self.rooms.breaks(location) if self.dated.plans else []
                if not any(self._give_way(location, at, units) for at, units in broken):
                    break

    def _give_way(self, location: str | None, at: int, units: int) -> bool:
        """Takes planned units out of the last in rank; whether there were any to take."""
        rooms = self.rooms
        for rank in self._last_first():
            row = self.allocation(rank[2])
            if row is None or row.rank != rank or not row.is_firm:
                continue
            for line_id in sorted(row.lines, reverse=True):
                line = row.lines[line_id]
                if not line.plan or not any(rooms.counts(plan, location, at) for plan in line.plan):
                    continue
                if not rooms.gives_way(location, row.channel_of(line), at):
                    continue
                before = footprint(row, bool(self.head.fences))
                if row.complete:
                    for each in row.lines.values():
                        each.plan = []
                elif self._is_single(row):
                    line.plan = []
                else:
                    take_out(line, units, lambda plan: rooms.counts(plan, location, at))
                self._settle_row(row, before)
                return True
        return False

    def _plan(self) -> None:
        """Plans what is not covered: of orders that this event touched and, where there may be room for
        more or sooner, of those that hope for it, by rank."""
        head = self.head
        lead = self.goods.lead_time_days
        wanting: dict[str, None] = {}
        is_dated = head.dated or (self._dated_changed and not self.dated.is_empty)
        has_more = is_dated or lead is not None
        for row in self._touched.values():
            for line in row.lines.values():
                if (line.backordered or line.later) and (has_more or may_plan(row)) and may_hope(row, line):
                    wanting[row.order_id] = None
                    break
        ranks: Ranks | None = None
        steady: Steady | None = None
        if (self.freed and (is_dated or lead is not None)) or (is_dated and self.dated.soft):
            # What is not kept for an order must be looked up again, unless nothing it rests on has changed.
            ranks = self._ranks()
            if ranks.hopes and not head.fences:
                steady = self._rests_on()
            if (
                steady is None
                or ranks.steady != steady
                or any(self._touched[order_id].rank < ranks.in_order[-1] for order_id in wanting)
            ):
                wanting |= ranks.hopes
                ranks.steady = None
        if not wanting:
            return
        rows = self._by_rank(wanting)
        order = self.network.nearest_first(list(head.cells))
        most = self._most()
        ahead: Ahead | None = None
        changed = False
        for row in rows:
            lacks = NO_LACKS
            room = most > 0
            if room or lead is not None or any(line.plan or line.leads for line in row.lines.values()):
                if ahead is None:
                    ahead = Ahead(self._ranks(), self._touched, row.rank)
                lacks = ahead.upto(row.rank)
                room = room and (bool(head.fences) or not self.rooms.is_even or most > _lacking(lacks))
            for line in row.lines.values():
                if not line.uncovered or not may_hope(row, line) or not line.queues:
                    continue
                if lead is None and not line.plan and not line.leads and not room:
                    continue
                if self._plan_line(row, line, order, lead, lacks):
                    changed = True
                    most = self._most()
                    room = most > 0
        if ranks is not None:
            ranks.steady = None if changed else steady

    def _by_rank(self, order_ids: Iterable[str]) -> list[Allocation]:
        found = [row for row in (self.allocation(order_id) for order_id in order_ids) if row is not None]
        found.sort(key=lambda row: row.rank)
        return found

    def _rests_on(self) -> Steady:
        """What plans rest on beside what `_unsettle` tells of: stock, and the clock of each location."""
        place, now_us = self.network.place, self.time_us
        return [
            (name, cell.open, cell.safety_stock, place(name).today(now_us), place(name).ship_day(0, now_us))
            for name, cell in self.head.cells.items()
        ]

    def _most(self) -> int:
        """Units that can still be planned, on whatever days, at the most."""
        return sum(max(0, self.rooms.most(location)) for location in self.rooms.places())

    def _plan_line(
        self, row: Allocation, line: Taken, order: list[str], lead: int | None, lacks: Lacks
    ) -> bool:
        """Finds days for what a line lacks; whether that changed anything. What was promised stays as it is,
        unless all of it can be had sooner. `lacks`: of those before the order in rank."""
        old, firm = (line.plan, line.leads), row.is_firm
        single, max_splits = self._is_single(row), self._max_splits(row)
        anew = line.hoped is not None or not firm or bool(line.leads) or single
        fenced = bool(self.head.fences)
        before: Footprint | None = None
        if anew and (line.plan or line.leads):
            if firm:  # its own units are kept from itself as well, till they are given up
                before = footprint(row, fenced)
                line.plan, line.leads = [], []
                self._settle_row(row, before)
                before = footprint(row, fenced)
            else:
                line.plan, line.leads = [], []
        short = line.uncovered - line.planned
        found = self.rooms.find(row, line, short, single, max_splits, order, lacks)
        if line.lot > 1:
            odd = (line.allocated + line.planned + sum(units for _, _, units in found)) % line.lot
            found, _ = less(sorted(found), odd)
        leads: list[Plan] = []
        if lead is not None:
            leads = self._lead(line, lead, old[1], line.uncovered - line.planned, found)
            if leads:
                found = [plan for plan in found if plan[0] <= leads[0][0]]
        plan = merge_plans(line.plan, found)
        if firm and is_later(plan + leads, old[0] + old[1]):
            plan, leads = old
        is_same = (plan, leads) == old
        if before is None:
            line.plan, line.leads = old
            if is_same:
                return False
            before = footprint(row, fenced)
        line.plan, line.leads = plan, leads
        self._settle_row(row, before)
        return not is_same

    def _lead(self, line: Taken, lead: int, known: list[Plan], units: int, found: list[Plan]) -> list[Plan]:
        """What a line is promised for after the lead time: all that can't be had before."""
        where = line.location or self.network.nearest_open(list(self.head.cells))
        place = self.network.place(where)
        if where is None or not place.open:
            return []
        day = place.ship_day(max(place.today(self.time_us) + lead, line.day or 0), self.time_us)
        if known:
            day, where = min(day, known[0][0]), known[0][1]
        units -= sum(planned for when, _, planned in found if when <= day)
        return [(day, where, units)] if units > 0 else []

    def _promise(self, row: Allocation) -> None:
        """Brings the promises of allocated units in step with where they are, and what a line hopes for with
        what it is promised."""
        for line in row.lines.values():
            has = line.by_location() if line.shipped else line.cells
            if not line.sure:
                line.sure = sorted([(self._ships_on(where, line), where, has[where]) for where in has])
                had = has
            else:
                had = {}
                for _, where, units in line.sure:
                    had[where] = had.get(where, 0) + units
            if had != has:
                for where, units in had.items():
                    over = units - has.get(where, 0)
                    if over > 0:
                        line.sure = without_at(line.sure, where, over)
                for where, units in has.items():
                    more = units - had.get(where, 0)
                    if more > 0:
                        line.sure = merge_plans(line.sure, [(self._ships_on(where, line), where, more)])
            if line.hoped is not None:
                promises = line.promises
                if not line.uncovered or (line.planned == line.uncovered and promises[-1][0] <= line.hoped):
                    line.hoped = None
                    self._unsettle()
            elif line.uncovered and self._asker != row.order_id and line.told.promises and is_worse(line):
                line.hoped = line.told.promises[-1][0]
                self._unsettle()

    def _ships_on(self, location: str, line: Taken) -> int:
        """The day on which units that a line gets now ship."""
        place = self.network.place(location)
        if not self.network.locations or place.is_plain:
            today = self.time_us // DAY_US
            return today if line.day is None or line.day < today else line.day
        return place.ship_day(line.day or 0, self.time_us)


def _lacking(lacks: Lacks) -> int:
    """Units that are kept for those before, wherever they can be had."""
    return sum(sum(days.values()) for (_, location), days in lacks.items() if location is None)
