"""Who gets the units of a SKU: grants and backorders in log order, by rank where units become free.

One `Sku` opens a SKU's rows for one event, changes them, and says which orders now have other units than
they were last told. The rule that nothing breaks: at every position `committed <= sellable` in each cell,
unless all that is committed there is already at work in a warehouse.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import merge
from typing import Final, TypeAlias

from springtide.codecs.messages import Demand, DemandLine, SuppliedLine
from springtide.tables.rows import Rows
from springtide.tables.sku import (
    NO_FOOTPRINT,
    Allocation,
    Footprint,
    Head,
    Queue,
    ShipmentOf,
    Taken,
    ahead,
    choose,
    consume,
    footprint,
    give_back,
    locations_by_rank,
    set_aside,
    settle_footprint,
    take,
)

INDEXED_MAX: Final = 8_192
"""SKUs of a partition whose open orders' ranks are kept at hand."""
Rank: TypeAlias = tuple[int, str]


class Ranks:
    """Orders and their ranks, in order of rank."""

    __slots__ = ("in_order", "of")

    def __init__(self) -> None:
        self.of: dict[str, Rank] = {}
        self.in_order: list[Rank] = []

    def put(self, order_id: str, rank: Rank | None) -> None:
        """Sets an order's rank; None takes the order out."""
        known = self.of.get(order_id)
        if known == rank:
            return
        if known is not None:
            del self.in_order[bisect_left(self.in_order, known)]
            del self.of[order_id]
        if rank is not None:
            insort(self.in_order, rank)
            self.of[order_id] = rank


class Sku:
    """The rows of one SKU, opened for one event. `close` writes the head and answers who must be told."""

    __slots__ = (
        "_allocations",
        "_queue",
        "_rows",
        "_touched",
        "_was_open",
        "freed",
        "head",
        "key",
        "time_us",
    )

    def __init__(self, rows: Rows, sku: str, time_us: int) -> None:
        self.key = sku.encode()
        self.time_us = time_us
        self.head: Head = rows.get(self.key) or Head(sku)
        self._queue: Queue | None = None
        self._rows = rows
        self._allocations: dict[str, Allocation] = {}
        self._was_open: dict[str, bool] = {}
        self._touched: dict[str, Allocation] = {}
        self.freed = False
        """Whether the event may have made units free: then those who wait are looked at."""

    # --- rows ---

    def allocation(self, order_id: str) -> Allocation | None:
        """An order's row, open or closed; changed rows are written by `close`."""
        known = self._allocations.get(order_id)
        if known is not None:
            return known
        row: Allocation | None = self._rows.get(self._row_key(order_id, True))
        is_open = row is not None
        if row is None:
            row = self._rows.get(self._row_key(order_id, False))
        if row is not None:
            self._allocations[order_id] = row
            self._was_open[order_id] = is_open
        return row

    def _new_allocation(self, order_id: str, placed_us: int) -> Allocation:
        row = self._allocations[order_id] = Allocation(order_id, placed_us)
        return row

    def _waiting(self) -> Queue:
        if self._queue is None:
            self._queue = (self._rows.get(self.key + b"\x00q") if self.head.waiting else None) or Queue()
        return self._queue

    def shipment_of(self, shipment_id: str) -> ShipmentOf | None:
        row: ShipmentOf | None = self._rows.get(self.key + b"\x00s" + shipment_id.encode())
        return row

    def put_shipment_of(self, shipment_id: str, row: ShipmentOf) -> None:
        self._rows.put(self.key + b"\x00s" + shipment_id.encode(), row)

    def past_hold_key(self, hold_id: str) -> bytes:
        return self.key + b"\x00h" + hold_id.encode()

    # --- demand ---

    def demand(self, demand: Demand) -> bool:
        """Takes in all that an order now wants here; False if this request was taken in before."""
        row = self.allocation(demand.order_id)
        if row is None:
            row = self._new_allocation(demand.order_id, demand.placed_us)
            before = NO_FOOTPRINT
        elif demand.request <= row.request:
            return False
        else:
            before = footprint(row)
        row.request = demand.request
        row.placed_us = demand.placed_us
        row.priority = demand.priority
        row.channel = demand.channel
        row.complete = demand.complete
        row.parked = demand.parked
        row.single = demand.single
        row.max_splits = demand.max_splits
        self._attach_shipments(row, demand.shipments)
        for asked in demand.lines:
            _want(row, asked)
        if len(row.lines) > len(demand.lines):
            named = {asked.line_id for asked in demand.lines}
            for line_id in row.lines:
                if line_id not in named:
                    _want(row, DemandLine(line_id, 0, None, {}, {}))
        _cover_issued(row)
        _keep_whole(row)
        self._settle_row(row, before)
        self._take_pledges(row)
        return True

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
        before = footprint(row)
        cells = row.issued.setdefault(shipment_id or "", {})
        cells[location] = cells.get(location, 0) + units
        _cover_issued(row)
        self._settle_row(row, before)

    def convert(self, cells: dict[str, int], order_id: str, line_id: str) -> bool:
        """Gives a hold's units, already out of `held`, to the line they were held for; False if the order
        has not asked here yet. Units beyond what the line lacks become free."""
        row = self.allocation(order_id)
        line = None if row is None else row.lines.get(line_id)
        if row is None or line is None:
            return False
        before = footprint(row)
        if line.backordered and not row.parked:
            order = sorted(cells)
            left = {location: min(cells[location], self.head.cell(location).open) for location in order}
            chosen = choose(left, order, line, line.backordered, row.single, row.max_splits)
            for location, units in chosen.items():
                line.backordered -= units
                line.cells[location] = line.cells.get(location, 0) + units
            _keep_whole(row)
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
            self.freed = True
            self.convert(hold.cells, row.order_id, hold.pledged_to[1])

    # --- settling ---

    def _settle_row(self, row: Allocation, before: Footprint) -> None:
        if settle_footprint(self.head, before, footprint(row)):
            self.freed = True
        self._touched[row.order_id] = row

    def settle(self) -> None:
        """After any change: takes back what the stock no longer covers, then fills who waits, by rank."""
        head = self.head
        short = bool(head.short)
        for cell in head.cells.values():
            short = short or cell.committed > cell.sellable > 0 or cell.committed > 0 >= cell.sellable
        if short:
            for location in sorted(head.cells):
                self._cover(location)
        self._fill()
        for row in self._touched.values():
            self._enqueue(row)

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
            row = self.allocation(rank[1])
            if row is None or row.rank != rank or not _has(row, location):
                continue
            for line_id in sorted(row.lines, reverse=True):
                line = row.lines[line_id]
                over = cell.committed - max(0, cell.sellable)
                if over <= 0:
                    return
                before = footprint(row)
                # Units in its cells that were issued are no longer committed: they have left.
                committed = before.committed.get(location, 0)
                units = min(over, committed, line.cells.get(location, 0) - line.protected(location))
                if units > 0:
                    take(line, location, units)
                    line.backordered += units
                    _keep_whole(row)
                    self._settle_row(row, before)

    def _last_first(self) -> Iterator[Rank]:
        """Ranks of all orders that are open here, the last in rank first."""
        ranks = self._ranks()
        touched = [row.rank for order_id, row in self._touched.items() if ranks.of.get(order_id) != row.rank]
        return merge(reversed(ranks.in_order), sorted(touched, reverse=True), reverse=True)

    def _ranks(self) -> Ranks:
        """Of the orders that were open here before this event. Looked up once, then kept beside the rows by
        `close`: a hot SKU has thousands."""
        scratch = self._rows.scratch
        ranks: Ranks | None = scratch.get(self.key)
        if ranks is None:
            if len(scratch) >= INDEXED_MAX:
                scratch.clear()
            ranks = scratch[self.key] = Ranks()
            for _, row in self._rows.scan(self.key + b"\x00a"):
                ranks.put(row.order_id, row.rank)
        return ranks

    def _fill(self) -> None:
        head = self.head
        wanting = [row.rank for row in self._touched.values() if row.waits]
        if not wanting and not (head.waiting and self.freed):
            return  # what those who wait could not take before the event, they can't now
        order = locations_by_rank(head)
        left = {location: head.cells[location].open for location in order}
        if not _any_units(left):
            return
        ranks = list(self._waiting().entries) if head.waiting else []
        for rank in wanting:
            at = bisect_left(ranks, rank)
            if at == len(ranks) or ranks[at] != rank:
                ranks.insert(at, rank)
        for _, order_id in ranks:
            waiting = self.allocation(order_id)
            if waiting is None:
                continue
            chosen = None if waiting.parked else self._choose(waiting, left, order)
            if chosen:
                self._grant(waiting, chosen, left)
            for line in waiting.lines.values():
                if line.backordered:
                    set_aside(left, order, line.location, line.backordered)
            if not _any_units(left):
                return

    def _grant(self, row: Allocation, chosen: dict[str, dict[str, int]], left: dict[str, int]) -> None:
        """Gives backordered lines the chosen units."""
        before = footprint(row) if row.issued else None
        for line_id, cells in chosen.items():
            line = row.lines[line_id]
            for location, units in cells.items():
                line.cells[location] = line.cells.get(location, 0) + units
                line.backordered -= units
                if before is None:  # nothing was issued ahead, so what is granted is committed
                    left[location] -= units
                    self.head.cells[location].committed += units
                    if line.location is None:
                        self.head.backordered -= units
                    else:
                        self.head.cells[line.location].backordered -= units
        if before is not None:  # some of the units have left already, and take nothing from who is behind
            had = {location: self.head.cells[location].committed for location in left}
            settle_footprint(self.head, before, footprint(row))
            for location in left:
                left[location] -= self.head.cells[location].committed - had[location]
        self._touched[row.order_id] = row

    def _choose(
        self, row: Allocation, left: dict[str, int], order: list[str]
    ) -> dict[str, dict[str, int]] | None:
        """What each backordered line of an order can get; None where `complete` can't be kept whole."""
        lines = [line for line in row.lines.values() if line.backordered]
        if len(lines) > 1:
            left = dict(left)
        chosen: dict[str, dict[str, int]] = {}
        for line in lines:
            cells = choose(left, order, line, line.backordered, row.single, row.max_splits)
            if row.complete and sum(cells.values()) < line.backordered:
                return None
            if cells:
                chosen[line.line_id] = cells
                if len(lines) > 1:
                    for location, units in cells.items():
                        left[location] -= units
        return chosen

    def _enqueue(self, row: Allocation) -> None:
        """Keeps the queue in step with whether the order waits for units."""
        if not self.head.waiting and not row.waits:
            return
        entries = self._waiting().entries
        at = bisect_left(entries, row.rank)
        queued = at < len(entries) and entries[at] == row.rank
        if row.waits and not queued:
            insort(entries, row.rank)
        elif queued and not row.waits:
            del entries[at]
        else:
            return
        self.head.waiting = len(entries)
        self._rows.put(self.key + b"\x00q", self._waiting())

    # --- the end ---

    def close(self) -> list[Allocation]:
        """Writes all rows; answers the orders whose units differ from what they were last told."""
        head = self.head
        head.facts += 1
        head.changed_us = self.time_us
        self._rows.put(self.key, head)
        changed: list[Allocation] = []
        ranks: Ranks | None = self._rows.scratch.get(self.key)
        for order_id, row in self._touched.items():
            is_open = row.is_open
            if ranks is not None:
                ranks.put(order_id, row.rank if is_open else None)
            was_open = self._was_open.get(order_id)
            if was_open is not None and was_open != is_open:
                self._rows.delete(self._row_key(order_id, was_open))
            self._rows.put(self._row_key(order_id, is_open), row)
            for line in row.lines.values():
                if line.is_news:
                    changed.append(row)
                    break
        return changed

    def row_key(self, row: Allocation) -> bytes:
        """Where an order's row is kept now."""
        return self._row_key(row.order_id, row.is_open)

    def _row_key(self, order_id: str, is_open: bool) -> bytes:
        return self.key + (b"\x00a" if is_open else b"\x00z") + order_id.encode()


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


def tell(row: Allocation) -> tuple[SuppliedLine, ...]:
    """What an order has, to be answered now; remembered as told."""
    row.seq += 1
    lines = []
    for line in row.lines.values():
        line.told = (line.backordered, line.by_location())
        lines.append(SuppliedLine(line.line_id, line.allocated, line.backordered, dict(line.cells)))
    return tuple(lines)


def _want(row: Allocation, asked: DemandLine) -> None:
    """Moves one line to new totals; what it wants beyond what it has is backordered."""
    line = row.lines.get(asked.line_id)
    if line is None:
        line = row.lines[asked.line_id] = Taken(asked.line_id)
    line.want = asked.want
    line.location = asked.location
    line.released = asked.released
    _ship(line, asked.shipped)
    open_units = max(0, line.want - sum(line.shipped.values()))
    surplus = sum(line.cells.values()) + line.backordered - open_units
    if surplus > 0:
        fewer = min(surplus, line.backordered)
        line.backordered -= fewer
        give_back(line, surplus - fewer)
    elif surplus < 0:
        line.backordered -= surplus


def _cover_issued(row: Allocation) -> None:
    """Units that left for an order before it had any there are its own all the same: it lacks them no more,
    and no stock is needed for them."""
    if row.parked or row.complete or row.single:
        return
    for location, units in ahead(row).items():
        uncovered = units - sum(line.cells.get(location, 0) for line in row.lines.values())
        for line in row.lines.values():
            more = min(uncovered, line.backordered)
            if more > 0 and line.location in (None, location):
                line.cells[location] = line.cells.get(location, 0) + more
                line.backordered -= more
                uncovered -= more


def _keep_whole(row: Allocation) -> None:
    """Who takes all or nothing keeps no part: it waits with nothing, but for what a warehouse works on.
    Otherwise two could keep for ever what the other one needs."""
    whole_row = row.parked or (row.complete and row.waits)
    if not whole_row and not row.single:
        return
    for line in row.lines.values():
        if line.cells and (whole_row or line.backordered):
            had = sum(line.cells.values())
            line.backordered += had - give_back(line, had)


def _ship(line: Taken, shipped: dict[str, int]) -> None:
    """Moves a line to new totals of units that left; fewer than before means a shipment was voided, and its
    units are back where they were, still the line's."""
    if not shipped and not line.shipped:
        return
    for location, units in line.shipped.items():
        back = units - shipped.get(location, 0)
        if back > 0:
            line.cells[location] = line.cells.get(location, 0) + back
    for location, units in shipped.items():
        more = units - line.shipped.get(location, 0)
        if more > 0:
            consume(line, location, more)
    line.shipped = {location: units for location, units in shipped.items() if units}
