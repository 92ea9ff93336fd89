"""The rows of one SKU, opened for one event: read when asked for, kept in step, written at its end."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from heapq import merge
from typing import Final

from springtide.codecs.messages import SuppliedLine
from springtide.tables.catalog import NETWORK_KEY, NO_GOODS, NO_NETWORK, Goods, Network, Policy, goods_key
from springtide.tables.footprint import (
    Footprint,
    footprint,
    settle_dated,
    settle_fences,
    settle_footprint,
)
from springtide.tables.lines import (
    is_worse,
)
from springtide.tables.planning import Rooms
from springtide.tables.ranks import Ranks
from springtide.tables.rows import Rows
from springtide.tables.sku import (
    WATCH_PREFIX,
    Allocation,
    Dated,
    Head,
    Queue,
    Rank,
    ShipmentOf,
    Told,
)

INDEXED_MAX: Final = 8_192
"""SKUs of a partition whose open orders' ranks are kept at hand."""


class OpenSku:
    """See the module. `close` writes the rows and answers who must be told; `cause`: why promises get worse in
    the event, as a cause of delay.
    """

    __slots__ = (
        "_allocations",
        "_asker",
        "_dated",
        "_dated_changed",
        "_queue",
        "_rooms",
        "_rows",
        "_touched",
        "_was_open",
        "cause",
        "freed",
        "goods",
        "head",
        "key",
        "network",
        "policy",
        "retime",
        "time_us",
    )

    def __init__(self, rows: Rows, sku: str, time_us: int, cause: str | None = None) -> None:
        self.key = sku.encode()
        self.time_us = time_us
        self.cause = cause
        self.head: Head = rows.get(self.key) or Head(sku)
        self.network: Network = rows.get(NETWORK_KEY) or NO_NETWORK
        self.goods: Goods = (rows.get(goods_key(self.key)) if self.head.goods else None) or NO_GOODS
        self.policy: Policy = self.goods.policy or self.network.policy
        self._asker: str | None = None
        self._queue: Queue | None = None
        self._dated: Dated | None = None
        self._dated_changed = False
        self._rooms: Rooms | None = None
        self._rows = rows
        self._allocations: dict[str, Allocation] = {}
        self._was_open: dict[str, bool] = {}
        self._touched: dict[str, Allocation] = {}
        self.freed = False
        """Whether the event may have made units free: then those who wait are looked at."""
        self.retime = False
        """Whether it may have changed when something is due here."""

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

    def open_rows(self) -> list[Allocation]:
        """All orders that are open here, by id; as this event left them."""
        found = []
        for _, stored in list(self._rows.scan(self.key + b"\x00a")):
            row = self.allocation(stored.order_id)
            if row is not None:
                found.append(row)
        return found

    def _new_allocation(self, order_id: str, placed_us: int) -> Allocation:
        row = self._allocations[order_id] = Allocation(order_id, placed_us)
        row.tracked = self.head.tracked
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

    def row_key(self, row: Allocation) -> bytes:
        """Where an order's row is kept now."""
        return self._row_key(row.order_id, row.is_open)

    def _row_key(self, order_id: str, is_open: bool) -> bytes:
        return self.key + (b"\x00a" if is_open else b"\x00z") + order_id.encode()

    @property
    def dated(self) -> Dated:
        """What is known by day; whoever changes it calls `date`."""
        if self._dated is None:
            self._dated = (self._rows.get(self.key + b"\x00d") if self.head.dated else None) or Dated()
        return self._dated

    def date(self) -> Dated:
        """The same, to be changed."""
        self._dated_changed = self.retime = True
        return self.dated

    def date_supply(self) -> Dated:
        """The same, for its supply to be changed."""
        self._rooms = None
        self._unsettle()
        return self.date()

    @property
    def rooms(self) -> Rooms:
        if self._rooms is None:
            self._rooms = Rooms(self.head, self.dated, self.network, self.policy, self.time_us)
        return self._rooms

    def open_locations(self) -> list[str]:
        """Open locations of the SKU, nearest first."""
        network = self.network
        names = network.nearest_first(list(self.head.cells))
        return [n for n in names if network.place(n).open] if network.locations else names

    def _is_single(self, row: Allocation) -> bool:
        return row.single or (not row.sourced and self.policy.single)

    def _max_splits(self, row: Allocation) -> int:
        return row.max_splits or self.policy.max_splits

    # --- in step ---

    def _settle_row(self, row: Allocation, before: Footprint) -> bool:
        """Whether fences leave more to other channels by it."""
        after = footprint(row, bool(self.head.fences))
        if before.backordered or before.is_dated or after.plans or after.leads:
            self._unsettle()
        if settle_footprint(self.head, before, after):
            self.freed = True
        if before.plans and any(after.plans.get(plan, 0) < units for plan, units in before.plans.items()):
            self.freed = True
        if before.later and any(after.later.get(day, 0) < units for day, units in before.later.items()):
            self.freed = True  # they may be kept for it from those behind
        if before.is_dated or after.is_dated:
            settle_dated(self.date(), before, after)
        gained = False
        if before.used or after.used:
            gained = settle_fences(self.head, before, after)
            self.freed = self.freed or gained
        self._touched[row.order_id] = row
        return gained

    def _unsettle(self) -> None:
        """Plans must be gone through again: others' may rest on what changes now."""
        ranks: Ranks | None = self._rows.scratch.get(self.key)
        if ranks is not None:
            ranks.steady = None

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
            if self.head.open_orders:
                for _, row in self._rows.scan(self.key + b"\x00a"):
                    ranks.put(row)
        return ranks

    def _dequeue(self, rank: Rank) -> None:
        entries = self._waiting().entries
        at = bisect_left(entries, rank)
        if at < len(entries) and entries[at] == rank:
            del entries[at]
            self.head.waiting = len(entries)
            self._rows.put(self.key + b"\x00q", self._waiting())

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

    def close(self, facts: int = 1) -> list[Allocation]:
        """Writes all rows; answers the orders whose units differ from what they were last told. `facts`: how
        many were applied."""
        head = self.head
        head.facts += facts
        head.changed_us = self.time_us
        if self._dated_changed:
            self._close_dated()
        watched = head.waiting > 0 or head.dated or bool(head.fences)
        if watched != head.watched:
            head.watched = watched
            if watched:
                self._rows.put(WATCH_PREFIX + self.key, True)
            else:
                self._rows.delete(WATCH_PREFIX + self.key)
        changed: list[Allocation] = []
        scratch = self._rows.scratch
        ranks: Ranks | None = scratch.get(self.key)
        if ranks is None and self._touched and not head.open_orders and len(scratch) < INDEXED_MAX:
            ranks = scratch[self.key] = Ranks()  # all that is open here is touched: nothing to look up later
        for order_id, row in self._touched.items():
            is_open = row.is_open
            if ranks is not None:
                ranks.put(row)
            was_open = self._was_open.get(order_id)
            if is_open != bool(was_open):
                head.open_orders += 1 if is_open else -1
            if was_open is not None and was_open != is_open:
                self._rows.delete(self._row_key(order_id, was_open))
            self._rows.put(self._row_key(order_id, is_open), row)
            for line in row.lines.values():
                if line.is_news:
                    changed.append(row)
                    break
        self._rows.put(self.key, head)
        return changed

    def _close_dated(self) -> None:
        key = self.key + b"\x00d"
        if not self.dated.is_empty:
            self.head.dated = True
            self._rows.put(key, self.dated)
        elif self.head.dated:
            self.head.dated = False
            self._rows.delete(key)

    def tell(self, row: Allocation) -> tuple[SuppliedLine, ...]:
        """What an order has, to be answered now; remembered as told."""
        row.seq += 1
        lines = []
        for line in row.lines.values():
            promises = line.promises
            cause = None
            if self.cause is not None and self._asker != row.order_id and is_worse(line):
                cause = self.cause
            line.told = Told(line.want, line.backordered, line.by_location(), promises)
            lines.append(
                SuppliedLine(
                    line.line_id, line.allocated, line.backordered, dict(line.cells), tuple(promises), cause
                )
            )
        return tuple(lines)
