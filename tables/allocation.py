"""Who gets the units of a SKU: grants and backorders in log order, by rank where units become free.

One `Sku` opens a SKU's rows for one event, changes them, and says which orders now have other units than
they were last told. The rule that nothing breaks: at every position `committed <= sellable` in each cell,
unless all that is committed there is already at work in a warehouse.
"""

from __future__ import annotations

import msgspec

from springtide.codecs.messages import Demand, DemandLine
from springtide.codecs.times import DAY_US
from springtide.tables import calendar
from springtide.tables.catalog import Goods, goods_key
from springtide.tables.footprint import (
    NO_FOOTPRINT,
    Footprint,
    footprint,
    settle_dated,
    settle_fences,
    settle_footprint,
    use_fences,
)
from springtide.tables.lines import (
    choose,
    cover_issued,
    give_back,
    give_back_elsewhere,
    give_up,
    ship,
    trim,
)
from springtide.tables.promising import Promising
from springtide.tables.sku import (
    ANYWHERE,
    Allocation,
    Queue,
    Rank,
    ShipmentOf,
    Taken,
)


class Sku(Promising):
    """One SKU, opened for one event: what orders want of it, and what time and the catalog change."""

    __slots__ = ()

    # --- demand ---

    def demand(self, demand: Demand) -> bool:
        """Takes in all that an order now wants here; False if this request was taken in before."""
        self.see_policy()
        row = self.allocation(demand.order_id)
        fenced = bool(self.head.fences)
        if row is None:
            row = self._new_allocation(demand.order_id, demand.placed_us)
            before = NO_FOOTPRINT
        elif demand.request <= row.request:
            return False
        else:
            if row.tracked != self.head.tracked:  # it had nothing open when that changed
                self._track(row, self.head.tracked)
            before = footprint(row, fenced)
        self._asker = demand.order_id
        rank, waited = row.rank, row.waits
        row.request = demand.request
        row.placed_us = demand.placed_us
        row.priority = demand.priority
        row.channel = demand.channel
        row.complete = demand.complete
        row.parked = demand.parked
        row.single = demand.single
        row.max_splits = demand.max_splits
        row.sourced = demand.sourced
        row.keeps_safety = demand.keeps_safety
        row.ranks_first = demand.priority if self.head.by_priority else 0
        if waited and row.rank != rank:
            self._dequeue(rank)
        self._attach_shipments(row, demand.shipments)
        if demand.returns or row.returns:
            self._bring_back(row, demand.returns)
        for asked in demand.lines:
            self._want(row, asked)
        if len(row.lines) > len(demand.lines):
            named = {asked.line_id for asked in demand.lines}
            for line_id in row.lines:
                if line_id not in named:
                    self._want(row, DemandLine(line_id, 0, None, {}, {}))
        if not row.tracked:
            self._cover_untracked(row)
        if not self._is_single(row):
            cover_issued(row)
        self._keep_whole(row)
        self._settle_row(row, before)
        self._take_pledges(row)
        return True

    def _is_due(self, line: Taken, day: int | None) -> bool:
        """Whether a line's day has come, by the calendar of where it is to ship from."""
        if day is None:
            return True
        where = line.location
        if where is None and line.plan:
            where = line.plan[0][1]
        if where is None and self.network.locations:
            where = self.network.nearest_open(list(self.head.cells))
        return day <= self.network.place(where).today(self.time_us)

    def _want(self, row: Allocation, asked: DemandLine) -> None:
        """Moves one line to new totals; what it wants beyond what it has is not covered."""
        line = row.lines.get(asked.line_id)
        is_new = line is None
        if line is None:
            line = row.lines[asked.line_id] = Taken(asked.line_id)
        day = asked.day
        moved = not is_new and asked.location is not None and asked.location != line.location
        if not is_new and (day != line.day or asked.location != line.location):
            line.plan, line.leads = [], []
        line.want = asked.want
        line.location = asked.location
        line.released = asked.released
        line.cap = asked.cap
        line.queues = asked.queues
        line.pool = asked.pool
        line.lot = asked.lot
        if day is not None or line.day is not None:
            # A day that has come does not go again, unless the order asks for a later one.
            due = (line.due and not is_new and day == line.day) or self._is_due(line, day)
            moved = moved or (not is_new and not due and (line.day is None or (day or 0) > line.day))
            line.day = day
            if due != line.due:
                line.due = due
                line.backordered, line.later = line.later, line.backordered
        ship(line, asked.shipped)
        if moved:
            line.lose(give_back_elsewhere(line, None if not line.due else asked.location))
        open_units = max(0, line.want - sum(line.shipped.values())) if line.shipped else line.want
        surplus = line.backordered + line.later - open_units
        if line.cells:
            surplus += sum(line.cells.values())
        if surplus > 0:
            fewer = min(surplus, line.uncovered)
            line.lose(-fewer)
            give_up(line, surplus - fewer)
        elif surplus < 0:
            line.lose(-surplus)
        if line.cap is not None and line.allocated > line.cap:
            over = line.allocated - line.cap
            line.lose(over - give_back(line, over))
        trim(line)

    def _cover_untracked(self, row: Allocation) -> None:
        """Nobody counts this SKU: all that is wanted is there."""
        for line in row.lines.values():
            short = line.uncovered
            if short:
                where = line.location or self.network.nearest_open(list(self.head.cells)) or ANYWHERE
                line.cells[where] = line.cells.get(where, 0) + short
                line.backordered = line.later = 0

    def _bring_back(self, row: Allocation, returns: tuple[tuple[str, int, int, int], ...]) -> None:
        """Moves the buckets by what returns have brought beyond what they had brought before."""
        had, row.returns = row.returns, {where: (q, s, d) for where, q, s, d in returns}
        for where in had | row.returns:
            before, now = had.get(where, (0, 0, 0)), row.returns.get(where, (0, 0, 0))
            if before != now:
                cell = self.head.cell(where)
                cell.quality_control += now[0] - before[0]
                cell.sellable += now[1] - before[1]
                cell.damaged += now[2] - before[2]
                self.freed = self.freed or now[1] > before[1]

    def _attach_shipments(self, row: Allocation, shipments: tuple[tuple[str, str, int], ...]) -> None:
        """Replaces what left by shipment; stock facts that named only the shipment find their order here."""
        current: dict[str, dict[str, int]] = {}
        for shipment_id, location, units in shipments:
            cells = current.setdefault(shipment_id, {})
            cells[location] = cells.get(location, 0) + units
        for shipment_id in row.shipments:
            if shipment_id not in current:  # voided: told by shipment and by issue, it was one leaving
                row.issued.pop(shipment_id, None)
        for shipment_id in current:
            if shipment_id in row.shipments:
                continue
            known = self.shipment_of(shipment_id)
            if known is None:
                self.put_shipment_of(shipment_id, ShipmentOf(row.order_id))
            elif known.order_id is None:
                # These units left the stock when the fact came; from here on the order's row counts them.
                issued = row.issued.setdefault(shipment_id, {})
                for location, units in known.issued.items():
                    issued[location] = issued.get(location, 0) + units
                    self.head.cell(location).sellable += units
                self.freed = True
                self.put_shipment_of(shipment_id, ShipmentOf(row.order_id))
        row.shipments = current

    def issue(self, location: str, units: int, order_id: str | None, shipment_id: str | None) -> None:
        """The warehouse says units left. Named by order or shipment they are matched with what the order
        ships, so that they leave once."""
        if order_id is None and shipment_id is not None:
            known = self.shipment_of(shipment_id)
            if known is None or known.order_id is None:
                known = known or ShipmentOf(None)
                known.issued[location] = known.issued.get(location, 0) + units
                self.put_shipment_of(shipment_id, known)
            else:
                order_id = known.order_id
        row = None if order_id is None else self.allocation(order_id)
        if row is None:
            if order_id is None:
                self.head.cell(location).sellable -= units
                return
            row = self._new_allocation(order_id, self.time_us)
        before = footprint(row, bool(self.head.fences))
        cells = row.issued.setdefault(shipment_id or "", {})
        cells[location] = cells.get(location, 0) + units
        if not self._is_single(row):
            cover_issued(row)
        self._settle_row(row, before)

    def convert(self, cells: dict[str, int], order_id: str, line_id: str) -> bool:
        """Gives a hold's units, already out of `held`, to the line they were held for; False if the order
        has not asked here yet. Units beyond what the line lacks become free."""
        row = self.allocation(order_id)
        line = None if row is None else row.lines.get(line_id)
        if row is None or line is None:
            return False
        before = footprint(row, bool(self.head.fences))
        short = line.uncovered
        if line.cap is not None:
            short = max(0, min(short, line.cap - line.allocated))
        if short and not row.parked:
            order = self.network.nearest_first(list(cells))
            left = {location: min(cells[location], self.head.cell(location).open) for location in order}
            chosen = choose(left, order, line, short, self._is_single(row), self._max_splits(row))
            for location, units in chosen.items():
                line.lose(-units)
                line.cells[location] = line.cells.get(location, 0) + units
            trim(line)
            self._keep_whole(row)
        self._settle_row(row, before)
        return True

    def _take_pledges(self, row: Allocation) -> None:
        head = self.head
        pledged = [hold_id for hold_id, order_id in head.pledges.items() if order_id == row.order_id]
        for hold_id in pledged:
            del head.pledges[hold_id]
            hold = head.holds.pop(hold_id)
            assert hold.pledged_to is not None
            for location, units in hold.cells.items():
                head.cell(location).held -= units
                if head.fences:
                    use_fences(head, hold.channel, location, -units)
            self.freed = self.retime = True
            self.convert(hold.cells, row.order_id, hold.pledged_to[1])

    # --- settling ---

    def settle(self) -> None:
        """After any change: takes back what the stock no longer covers, lets plans give way that nothing
        covers, then fills who waits, by rank, and plans for the rest."""
        head = self.head
        short = bool(head.short)
        for cell in head.cells.values():
            short = short or cell.committed > cell.sellable > 0 or cell.committed > 0 >= cell.sellable
        if short:
            for location in sorted(head.cells):
                self._cover(location)
        if head.dated or self._dated_changed:
            self._mend()
        self._fill()
        for row in list(self._touched.values()):
            for line in row.lines.values():
                if not line.queues and line.uncovered:
                    self._let_go(row)
                    break
        self._plan()
        for row in self._touched.values():
            self._promise(row)
            self._enqueue(row)

    # --- time and the catalog ---

    def come_due(self) -> None:
        """Lines whose day has come want their units now."""
        if not self.head.dated:
            return
        latest = self.time_us // DAY_US + 1  # somewhere it may be tomorrow already
        for order_id in [o for o, day in self._ranks().later.items() if day <= latest]:
            row = self.allocation(order_id)
            if row is None:
                continue
            before = footprint(row, bool(self.head.fences))
            for line in row.lines.values():
                if line.later and self._is_due(line, line.day):
                    line.due = True
                    line.backordered, line.later = line.later, 0
            self._settle_row(row, before)

    def see_policy(self) -> None:
        """Ranks and the network may have changed since the SKU was last called."""
        if self.head.by_priority != self.policy.by_priority:
            self.rank_anew()

    def rank_anew(self) -> None:
        """Brings all that hangs on the policy and the network in step with them."""
        self.freed = self.retime = True
        self._unsettle()
        head, by_priority = self.head, self.policy.by_priority
        if head.by_priority != by_priority:
            head.by_priority = by_priority
            entries: list[Rank] = []
            for row in self.open_rows():
                row.ranks_first = row.priority if by_priority else 0
                self._touched[row.order_id] = row
                if row.waits:
                    entries.append(row.rank)
            self._queue = Queue(sorted(entries))
            self._rows.scratch.pop(self.key, None)
            if head.waiting:
                self._rows.put(self.key + b"\x00q", self._queue)
        if head.tracked != self.goods.tracked:
            head.tracked = self.goods.tracked
            for row in self.open_rows():
                self._track(row, head.tracked)

    def _track(self, row: Allocation, tracked: bool) -> None:
        """An order's units move stock from now on, or no longer do; what left before stays as it was."""
        fenced = bool(self.head.fences)
        before = footprint(row, fenced)
        row.tracked = True
        stays = footprint(row, fenced).gone
        row.tracked = tracked
        if not tracked:
            for line in row.lines.values():
                line.plan, line.leads = [], []
            self._cover_untracked(row)
        after = footprint(row, fenced)
        before, after = (msgspec.structs.replace(mark, gone=stays) for mark in (before, after))
        self._settle_row_from(row, before, after)

    def _settle_row_from(self, row: Allocation, before: Footprint, after: Footprint) -> None:
        self._unsettle()
        settle_footprint(self.head, before, after)
        settle_dated(self.date(), before, after)
        settle_fences(self.head, before, after)
        self._touched[row.order_id] = row

    def set_goods(self, goods: Goods) -> None:
        """The SKU is another product now."""
        self.goods = goods
        self.policy = goods.policy or self.network.policy
        self._rooms = None
        self.head.goods = True
        self._rows.put(goods_key(self.key), goods)
        self.rank_anew()

    def next_due_us(self) -> int | None:
        """When the SKU is to be called next, though no event comes: a hold's end, a fence's start or end, the
        day of a line for later, the next day while plans rest on supply."""
        head, now_us = self.head, self.time_us
        due: list[int] = []
        for fence in head.fences.values():
            due += [at for at in (fence.from_us, fence.to_us) if at is not None and at > now_us]
        if head.dated:
            place = self.network.place
            dated = self.dated
            names = [*head.cells, *dated.demand, self.network.nearest_open(list(head.cells))]
            zones = list(dict.fromkeys(place(name).timezone for name in names))
            days = [
                day
                for by_day in dated.demand.values()
                for day, (_, uncovered, late) in by_day.items()
                if uncovered > late
            ]
            today = min(calendar.today(zone, now_us) for zone in zones)
            if days:
                first = max(min(days), today)
                due += [calendar.midnight_us(zone, day) for zone in zones for day in (first, first + 1)]
            if dated.supply and (dated.plans or head.waiting or days):
                due += [calendar.midnight_us(zone, calendar.today(zone, now_us) + 1) for zone in zones]
        due = [at for at in due if at > now_us]
        if head.holds:
            due.append(head.next_expiry_us() or 0)
        return min(due, default=None)
