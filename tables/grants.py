"""Who gets the units of a SKU: by rank where units become free, from the last in rank where they are lost."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from springtide.tables import fences
from springtide.tables.ahead import Ahead, Lacks
from springtide.tables.footprint import (
    footprint,
)
from springtide.tables.lines import (
    choose,
    give_back,
    is_dated_row,
    set_aside,
    take,
    trim,
    use_up,
)
from springtide.tables.open_sku import OpenSku
from springtide.tables.planning import NO_LACKS
from springtide.tables.sku import (
    Allocation,
    Plan,
    Taken,
)


class Grants(OpenSku):
    """See the module."""

    __slots__ = ()

    def _keep_whole(self, row: Allocation) -> None:
        """Who takes all or nothing keeps no part: it waits with nothing, but for what a warehouse works on.
        Otherwise two could keep for ever what the other one needs."""
        whole_row = row.parked or (row.complete and any(line.uncovered for line in row.lines.values()))
        if not row.tracked or not (whole_row or self._is_single(row)):
            return
        for line in row.lines.values():
            if line.cells and (whole_row or line.backordered) and (line.cap is None or whole_row):
                had = sum(line.cells.values())
                line.lose(had - give_back(line, had))

    def _cover(self, location: str) -> None:
        """Takes back what is committed beyond the stock. What could not be taken back is remembered, so that
        the open orders are looked through again only when there may be something to take."""
        head = self.head
        cell = head.cells[location]
        short = cell.committed - max(0, cell.sellable)
        if short > 0 and (
            short > head.short.get(location, 0)
            or any(
                line.cells.get(location, 0) > line.protected(location)
                for row in self._touched.values()
                for line in row.lines.values()
            )
        ):
            self._take_back(location)
            short = cell.committed - max(0, cell.sellable)
        if short > 0:
            head.short[location] = short
        else:
            head.short.pop(location, None)

    def _take_back(self, location: str) -> None:
        """Units lost: the last in rank give theirs up first, but never what a warehouse works on."""
        cell = self.head.cells[location]
        for rank in self._last_first():
            row = self.allocation(rank[2])
            if row is None or row.rank != rank or not _has(row, location):
                continue
            for line_id in sorted(row.lines, reverse=True):
                line = row.lines[line_id]
                over = cell.committed - max(0, cell.sellable)
                if over <= 0:
                    return
                before = footprint(row, bool(self.head.fences))
                # Units in its cells that were issued are no longer committed: they have left.
                committed = before.committed.get(location, 0)
                units = min(over, committed, line.cells.get(location, 0) - line.protected(location))
                if units > 0:
                    take(line, location, units)
                    if line.lot > 1:
                        odd = line.allocated % line.lot
                        units += odd - give_back(line, odd)
                    line.lose(units)
                    self._keep_whole(row)
                    self._settle_row(row, before)

    def _fill(self) -> None:
        head = self.head
        wanting = [row.rank for row in self._touched.values() if row.waits]
        if not wanting and not (head.waiting and self.freed):
            return  # what those who wait could not take before the event, they can't now
        order = self.open_locations()
        left = {location: head.cells[location].open for location in order}
        if not _any_units(left):
            return
        ranks = list(self._waiting().entries) if head.waiting else []
        for rank in wanting:
            at = bisect_left(ranks, rank)
            if at == len(ranks) or ranks[at] != rank:
                ranks.insert(at, rank)
        ahead: Ahead | None = None
        if head.waiting or head.dated or len(self._touched) > 1:
            ahead = Ahead(self._ranks(), self._touched, ranks[0])
        for rank in ranks:
            waiting = self.allocation(rank[2])
            if waiting is None:
                continue
            lacks = NO_LACKS if ahead is None else ahead.upto(rank)
            reached: dict[str, dict[str, int]] = {}
            chosen = None if waiting.parked else self._choose(waiting, left, order, lacks, reached)
            if chosen:
                self._grant(waiting, chosen, left)
                reached = {}
            for line in waiting.lines.values():
                if line.backordered and line.queues:
                    within = reached.get(line.line_id) or self._reach(waiting, line, left, {}, lacks)
                    reached = {}  # what is set aside for a line is not there for the next one
                    short = line.backordered
                    if within is left:
                        set_aside(left, order, line.location, short)
                    else:
                        aside = dict(within)
                        set_aside(aside, order, line.location, short)
                        for location, units in within.items():
                            left[location] -= units - aside[location]
            if not _any_units(left):
                return

    def _reach(
        self,
        row: Allocation,
        line: Taken,
        left: dict[str, int],
        taken: dict[str, int],
        lacks: Lacks,
        given: Sequence[Plan] = (),
    ) -> dict[str, int]:
        """Units that a line may take from each location, of those that are left to who comes now; `taken`
        are units that lines before it in its order get, `given` what was planned for these, `lacks` what those
        before it in rank lack."""
        head = self.head
        plans = self.dated.plans if head.dated or self._dated_changed else {}
        own = [*line.plan, *given]
        beside: list[Plan] = []
        if not row.is_firm:  # others need not heed its plans, but its own lines heed each other's
            own = [*given]
            others = [other for other in row.lines.values() if other is not line]
            beside = [(day, where, -units) for other in others for day, where, units in other.plan]
        if not plans and not beside and not head.fences and not row.keeps_safety and not lacks:
            return {name: units - taken.get(name, 0) for name, units in left.items()} if taken else left
        own += beside
        found: dict[str, int] = {}
        channel = row.channel_of(line)
        for name, units in left.items():
            if units <= 0 or line.location not in (None, name):
                continue
            cell = head.cells[name]
            most = units
            if head.fences:
                lefts = fences.lefts(head, name, self.time_us, self.time_us + 1)
                most -= fences.kept_from(cell.open, lefts, channel)
            if beside or name in plans or self.rooms.fenced(name):
                most = min(most, self.rooms.least(name, channel, own))
            if most > 0 and any(place == name for _, place in lacks):
                most = min(most, self.rooms.room(name, channel, own, lacks)[0])
            if row.keeps_safety:
                most -= cell.safety_stock
            found[name] = most - taken.get(name, 0)
        if head.fences:
            self._bound(found, channel, sum(taken.values()), own)
        if lacks and _any_units(found):
            most = self.rooms.least_by_rank(channel, lacks, own, row.keeps_safety)
            _lower(found, max(0, most - sum(taken.values())))
        return found

    def _bound(self, found: dict[str, int], channel: str, taken: int, own: list[Plan]) -> None:
        """Lowers what a line may take to what fences over all locations leave its channel, the nearest kept
        first."""
        if not self.rooms.fenced(None):
            return
        lefts = fences.lefts(self.head, None, self.time_us, self.time_us + 1)
        there = sum(self.head.cells[name].open for name in self.open_locations())
        most = there - fences.kept_from(there, lefts, channel)
        most = min(most, self.rooms.least(None, channel, own))
        _lower(found, max(0, most - taken))

    def _choose(
        self,
        row: Allocation,
        left: dict[str, int],
        order: list[str],
        lacks: Lacks,
        reached: dict[str, dict[str, int]],
    ) -> dict[str, dict[str, int]] | None:
        """What each backordered line of an order can get; None where `complete` can't be kept whole. `reached`
        gets what each line that was looked at may take while none has taken anything."""
        taken: dict[str, int] = {}
        given: list[Plan] = []
        chosen: dict[str, dict[str, int]] = {}
        single, max_splits = self._is_single(row), self._max_splits(row)
        for line in row.lines.values():
            if not line.backordered:
                continue
            qty = line.takes
            reach = self._reach(row, line, left, taken, lacks, given)
            if not taken and not given:
                reached[line.line_id] = reach
            whole = qty if not single else line.backordered
            cells = choose(reach, order, line, qty, single, max_splits) if qty == whole else {}
            if row.complete and sum(cells.values()) < line.backordered:
                return None
            if cells:
                chosen[line.line_id] = cells
                for location, units in cells.items():
                    taken[location] = taken.get(location, 0) + units
                if sum(cells.values()) == line.uncovered:
                    given += line.plan  # it is promised nothing any more, wherever that was
                    continue
                for location, units in cells.items():
                    rest = units
                    for day, where, planned in line.plan:
                        used = min(rest, planned) if where == location else 0
                        if used:
                            given.append((day, where, used))
                            rest -= used
        return chosen

    def _grant(self, row: Allocation, chosen: dict[str, dict[str, int]], left: dict[str, int]) -> None:
        """Gives backordered lines the chosen units."""
        head = self.head
        before = None
        if row.issued or head.dated or self._dated_changed or head.fences or is_dated_row(row):
            before = footprint(row, bool(head.fences))
            planned = {line_id: list(row.lines[line_id].plan) for line_id in chosen}
        for line_id, cells in chosen.items():
            line = row.lines[line_id]
            for location, units in cells.items():
                line.cells[location] = line.cells.get(location, 0) + units
                line.backordered -= units
                if before is None:  # nothing was issued ahead, so what is granted is committed
                    left[location] -= units
                    head.cells[location].committed += units
                    if line.location is None:
                        head.backordered -= units
                    else:
                        head.cells[line.location].backordered -= units
            if before is not None:
                trim(line)
        if before is not None:  # some of the units have left already, and take nothing from who is behind
            had = {location: head.cells[location].committed for location in left}
            freed = self.freed
            freed = self._settle_row(row, before) or freed
            for line_id, plan in planned.items():
                if plan:
                    self._keep_plans_covered(row, row.lines[line_id], plan, chosen[line_id])
            self.freed = freed
            for location in left:
                left[location] -= head.cells[location].committed - had[location]
        self._touched[row.order_id] = row

    def _keep_plans_covered(
        self, row: Allocation, line: Taken, plan: list[Plan], cells: dict[str, int]
    ) -> None:
        """A line that got units gives up the latest it was promised; the earliest, as those are the ones it
        got, where what is left would not be covered otherwise."""
        if not any(self.rooms.breaks(where) for where in dict.fromkeys(w for _, w, _ in line.plan)):
            return
        before = footprint(row, bool(self.head.fences))
        line.plan = plan
        for location, units in cells.items():
            use_up(line, location, units)
        trim(line)
        self._settle_row(row, before)

    def _let_go(self, row: Allocation) -> None:
        """What does not queue waits for nothing."""
        before = footprint(row, bool(self.head.fences))
        for line in row.lines.values():
            if not line.queues:
                line.backordered = line.later = 0
                line.plan, line.leads = [], []
        self._settle_row(row, before)


def _lower(found: dict[str, int], most: int) -> None:
    """To so much in sum, the first locations kept first."""
    for name, units in found.items():
        found[name] = min(units, most)
        most -= max(0, found[name])


def _has(row: Allocation, location: str) -> bool:
    for line in row.lines.values():
        if line.cells.get(location):
            return True
    return False


def _any_units(left: dict[str, int]) -> bool:
    for units in left.values():
        if units > 0:
            return True
    return False
