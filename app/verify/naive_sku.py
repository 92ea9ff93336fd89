"""One SKU, replayed naively: the oracle for what SkuActors do.

Written from the definitions (due lines are allocated at once; what is short is backordered and comes first
in rank when stock comes; holds die at their instant in stream time; a shipment's units leave once, however
often they are told). It shares no code with the domain: plain records, and quantities that follow from them.
Four sums are carried along for speed; `recount` makes them from scratch.

    sku = NaiveSku("tea")
    answers = stock_fact(sku, data, now_us, fact_us, event_id)    # of `naive_stock`
    answers = sku.demand(demand, now_us)                          # what must be answered, and what room there was
    sku.picture()                                                 # every figure, as plain values
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

import msgspec

from springtide.app.verify.naive_wish import (
    Line,
    Units,
    Wish,
    added,
    all_or_nothing,
    cover_issued,
    grants_for,
    move,
    nonzero,
    pack,
    pick,
    positive,
    unpack,
)
from springtide.codecs.messages import (
    Demand,
    DemandLine,
    Origin,
    Supplied,
    SuppliedLine,
)

BUCKETS: Final = ("sellable", "damaged", "quality_control", "reserved_other")
NOTES_MAX: Final = 20
NO_ORIGIN: Final[Origin] = (0, 0, -1)


class Hold(msgspec.Struct):
    expires_us: int
    cells: Units
    owner: str
    channel: str | None
    placed_us: int
    pledge: tuple[str, str] | None = None


class Answer(NamedTuple):
    """An answer that must stand in the log."""

    order_id: str
    supplied: Supplied
    wants: Units
    """line -> units the order wanted in all."""
    room: Units
    """location -> sellable units that nobody has, after this answer."""
    beyond: Units
    """line -> units it has beyond what the order wants, though no warehouse works on them."""


class Oversold(NamedTuple):
    location: str
    granted: int
    sellable: int
    at_work: int


class NaiveSku:
    """See the module. Each method applies one message at stream time `now_us` and returns whom it tells what."""

    def __init__(self, sku: str) -> None:
        self.sku = sku
        self.stock: dict[str, Units] = {}
        """location -> bucket -> units by the stock facts; what orders took from `sellable` is in `gone`."""
        self.safety: Units = {}
        self.wishes: dict[str, Wish] = {}
        self.finished: dict[str, bytes] = {}
        """Orders with nothing open, packed."""
        self.holds: dict[str, Hold] = {}
        self.ended: dict[str, str] = {}
        """hold -> how it ended."""
        self.owners: dict[str, str] = {}
        """shipment -> order."""
        self.orphans: dict[str, Units] = {}
        """shipment nobody has claimed -> location -> units issued."""
        self.supply: dict[str, dict[str, Any]] = {}
        self.fences: dict[str, tuple[Any, ...]] = {}
        self.notes: list[tuple[int, str, str]] = []
        self.facts = 0
        self.changed_us = 0
        self.known = False
        self.committed: Units = {}
        self.gone: Units = {}
        self.short: Units = {}
        self.held: Units = {}
        self.oversold: list[Oversold] = []
        """Cells that stand above what is sellable after the last message, though no warehouse works on it."""
        self._queue: list[tuple[int, str]] = []
        self.expiries: list[tuple[int, str]] = []
        self.pledged: dict[str, None] = {}
        self.touched: dict[str, Wish] = {}
        self._until_recount = 0

    # --- figures ---

    def sellable(self, location: str) -> int:
        return self.stock.get(location, {}).get("sellable", 0) - self.gone.get(location, 0)

    def unpromised(self, location: str) -> int:
        """Neither committed nor held, safety stock included; signed."""
        return self.sellable(location) - self.committed.get(location, 0) - self.held.get(location, 0)

    def free(self, location: str) -> int:
        """What a new promise may take at one location; signed."""
        waiting = self.short.get(location, 0)
        return self.unpromised(location) - waiting - self.safety.get(location, 0)

    def locations(self) -> list[str]:
        return sorted({*self.stock, *self.committed, *self.gone, *self.safety})

    def available_now(self) -> int:
        """`sellable - safety_stock - committed - held - backordered` over all locations; signed."""
        short_elsewhere = sum(self.short.get(at, 0) for at in self.short if at not in self.locations())
        return sum(self.free(at) for at in self.locations()) - short_elsewhere

    def cells(self) -> dict[str, dict[str, int]]:
        """location -> figure -> units; locations where all is 0 are left out."""
        found = {}
        for at in sorted({*self.locations(), *self.short} - {""}):
            figures = {
                **{name: self.stock.get(at, {}).get(name, 0) for name in BUCKETS},
                "sellable": self.sellable(at),
                "safety_stock": self.safety.get(at, 0),
                "committed": self.committed.get(at, 0),
                "held": self.held.get(at, 0),
                "backordered": self.short.get(at, 0),
            }
            if any(figures.values()):
                found[at] = figures
        return found

    def picture(self) -> dict[str, Any]:
        """All that the `atp` projection says of the SKU, as plain values."""
        return {
            "sku": self.sku,
            "known": self.known,
            "facts": self.facts,
            "changed_us": self.changed_us,
            "waiting": len(self._queue),
            "backordered": self.short.get("", 0),
            "cells": self.cells(),
            "holds": {
                name: {
                    "expires_us": hold.expires_us,
                    "cells": positive(hold.cells),
                    "owner": hold.owner,
                    "channel": hold.channel,
                    "placed_us": hold.placed_us,
                    "pledge": hold.pledge,
                }
                for name, hold in self.holds.items()
            },
            "supply": self.supply,
            "fences": self.fences,
            "notes": self.notes,
        }

    def wish(self, order_id: str) -> Wish | None:
        """What an order has here, whether anything is still open or not."""
        found = self.wishes.get(order_id)
        if found is None and order_id in self.finished:
            found = unpack(self.finished[order_id])
        return found

    # --- messages ---

    def demand(self, demand: Demand, now_us: int) -> list[Answer]:
        """All that an order wants now; a repeated request changes nothing. All-or-nothing is always answered."""
        wish = self.open(demand.order_id)
        if wish is None or demand.request > wish.request:
            if wish is None:
                wish = self.wishes[demand.order_id] = Wish(demand.order_id, demand.placed_us)
            self._want(wish, demand)
            self.settle()
        self.touched[demand.order_id] = wish
        return self.tell(now_us, demand.order_id if demand.complete else None)

    def next_expiry_us(self) -> int | None:
        while self.expiries:
            expires_us, name = self.expiries[0]
            if name in self.holds and self.holds[name].expires_us == expires_us:
                return expires_us
            heappop(self.expiries)  # released, converted or extended since
        return None

    def expire(self, now_us: int) -> list[Answer]:
        """Holds with expiry e are dead at t >= e; what they held goes to who waits."""
        while (due_us := self.next_expiry_us()) is not None and due_us <= now_us:
            name = heappop(self.expiries)[1]
            if self.let_go(name).pledge is None:
                self.ended[name] = "expired"
        self.settle()
        return self.tell(now_us, None)

    def let_go(self, name: str) -> Hold:
        """The hold, which holds nothing any more."""
        hold = self.holds.pop(name)
        self.pledged.pop(name, None)
        self.held = added(self.held, {at: -units for at, units in hold.cells.items()})
        return hold

    def keep(self, name: str, hold: Hold) -> None:
        self.holds[name] = hold
        self.held = added(self.held, hold.cells)
        heappush(self.expiries, (hold.expires_us, name))

    # --- what an order wants ---

    def open(self, order_id: str) -> Wish | None:
        packed = self.finished.pop(order_id, None)
        if packed is not None:
            self.wishes[order_id] = unpack(packed)
        return self.wishes.get(order_id)

    def _want(self, wish: Wish, demand: Demand) -> None:
        wish.request = demand.request
        wish.placed_us = demand.placed_us
        wish.complete = demand.complete
        wish.parked = demand.parked
        wish.single = demand.single
        wish.max_splits = demand.max_splits
        self._claim(wish, demand.shipments)
        asked = {line.line_id: line for line in demand.lines}
        for line_id in [*asked, *(name for name in wish.lines if name not in asked)]:
            line = wish.lines.setdefault(line_id, Line())
            move(line, asked.get(line_id) or DemandLine(line_id, 0, None, {}, {}))
        cover_issued(wish)
        all_or_nothing(wish)
        self.count(wish)
        for name in list(self.pledged):
            pledge = self.holds[name].pledge
            if pledge is not None and pledge[0] == wish.order_id:
                self.convert(self.let_go(name).cells, wish, pledge[1])

    def _claim(self, wish: Wish, shipments: Sequence[tuple[str, str, int]]) -> None:
        """What left, by shipment. What the warehouse issued for a shipment of unknown order is this order's
        once it names the shipment; a voided shipment has left in no telling."""
        left: dict[str, Units] = {}
        for shipment, location, units in shipments:
            left[shipment] = added(left.get(shipment, {}), {location: units})
        for shipment in wish.left:
            if shipment not in left:
                wish.issued.pop(shipment, None)
        for shipment in left:
            if shipment not in wish.left and shipment not in self.owners:
                self.owners[shipment] = wish.order_id
                for location, units in self.orphans.pop(shipment, {}).items():
                    wish.issued[shipment] = added(wish.issued.get(shipment, {}), {location: units})
                    self.add(location, "sellable", units)
        wish.left = left

    def convert(self, cells: Mapping[str, int], wish: Wish, line_id: str) -> None:
        """Units that were held go to the line they were held for, as far as it lacks them."""
        line = wish.lines.get(line_id)
        if line is None or wish.parked or not line.lacks():
            return
        offered = {at: min(units, self.unpromised(at)) for at, units in sorted(cells.items())}
        line.cells = added(line.cells, pick(line, offered, wish.single, wish.max_splits))
        all_or_nothing(wish)
        self.count(wish)

    # --- sums ---

    def add(self, location: str, bucket: str, units: int) -> None:
        cell = self.stock.setdefault(location, {})
        cell[bucket] = cell.get(bucket, 0) + units

    def count(self, wish: Wish) -> None:
        """Brings the sums and the queue in step with one order."""
        self.touched[wish.order_id] = wish
        now = wish.count()
        for sums, old, new in zip((self.committed, self.gone, self.short), wish.counted, now, strict=True):
            if old != new:
                for at in {*old, *new}:
                    total = sums.get(at, 0) + new.get(at, 0) - old.get(at, 0)
                    if total:
                        sums[at] = total
                    else:
                        sums.pop(at, None)
        wish.counted = now
        rank = wish.rank()
        place = bisect_left(self._queue, rank)
        queued = place < len(self._queue) and self._queue[place] == rank
        if wish.waits() and not queued:
            insort(self._queue, rank)
        elif queued and not wish.waits():
            del self._queue[place]

    def recount(self, whole: bool = True) -> None:
        """The carried sums against sums from scratch; `whole` counts finished orders too.

        Raises ArithmeticError: the model itself is then at fault.
        """
        committed: Units = {}
        short: Units = {}
        gone: Units = {}
        for wish in self.wishes.values():
            one, left, lacking = wish.count()
            committed, short, gone = added(committed, one), added(short, lacking), added(gone, left)
        held: Units = {}
        for hold in self.holds.values():
            held = added(held, hold.cells)
        carried, anew = (self.committed, self.short, nonzero(self.held)), (nonzero(committed), short, held)
        if carried != anew:
            raise ArithmeticError(f"SKU {self.sku}: sums {carried}, from scratch {anew}")
        if whole:
            for packed in self.finished.values():
                gone = added(gone, unpack(packed).count()[1])
            if nonzero(gone) != self.gone:
                raise ArithmeticError(f"SKU {self.sku}: {self.gone} left, from scratch {gone}")

    # --- who gets what ---

    def settle(self) -> None:
        self.oversold = []
        for location in sorted(self.committed):
            if self.committed.get(location, 0) > max(0, self.sellable(location)):
                self._take_back(location)
        self._fill()
        for location, granted in self.committed.items():
            sellable = max(0, self.sellable(location))
            if granted > sellable:
                at_work = sum(
                    min(
                        wish.counted[0].get(location, 0),
                        sum(line.at_work(location) for line in wish.lines.values()),
                    )
                    for wish in self.wishes.values()
                )
                if granted > max(sellable, at_work):
                    self.oversold.append(Oversold(location, granted, sellable, at_work))
        self._until_recount -= 1
        if self._until_recount < 0:
            self.recount(whole=False)
            self._until_recount = 16 + 4 * (len(self.wishes) + len(self.holds))

    def _take_back(self, location: str) -> None:
        """Stock was lost: the last in rank give up first, never what a warehouse works on."""
        having = [wish for wish in self.wishes.values() if wish.counted[0].get(location)]
        for wish in sorted(having, key=Wish.rank, reverse=True):
            for line_id in sorted(wish.lines, reverse=True):
                over = self.committed.get(location, 0) - max(0, self.sellable(location))
                if over <= 0:
                    return
                line = wish.lines[line_id]
                has = line.cells.get(location, 0) - line.at_work(location)
                units = min(over, wish.counted[0].get(location, 0), has)
                if units > 0:
                    line.cells = positive(added(line.cells, {location: -units}))
                    all_or_nothing(wish)
                    self.count(wish)

    def _fill(self) -> None:
        """Who waits is served by rank; what the first can't have yet is not given to those behind."""
        if not self._queue:
            return
        left = {at: self.unpromised(at) for at in self.locations()}
        if all(units <= 0 for units in left.values()):
            return
        for _, order_id in list(self._queue):
            if all(units <= 0 for units in left.values()):
                return
            wish = self.wishes[order_id]
            grants = {} if wish.parked else grants_for(wish, left)
            if grants:
                for line_id, cells in grants.items():
                    wish.lines[line_id].cells = added(wish.lines[line_id].cells, cells)
                before = wish.counted[0]
                self.count(wish)
                for at in left:  # what is committed now; some of it may have left already
                    left[at] -= wish.counted[0].get(at, 0) - before.get(at, 0)
            for line in wish.lines.values():
                waiting = line.lacks()
                for at in [line.at] if line.at is not None else sorted(left):
                    units = min(waiting, max(0, left.get(at, 0)))
                    if units:
                        left[at] -= units
                        waiting -= units

    def tell(self, now_us: int, asked: str | None) -> list[Answer]:
        """Whoever has other units than last told, and who asked all or nothing."""
        self.facts += 1
        self.changed_us = now_us
        answers = []
        told = {
            order_id: wish
            for order_id, wish in self.touched.items()
            if any(line.told != line.news() for line in wish.lines.values())
        }
        if asked is not None:
            told.setdefault(asked, self.wishes[asked])
        for order_id, wish in told.items():
            wish.seq += 1
            lines = []
            for line_id, line in wish.lines.items():
                line.told = line.news()
                lines.append(
                    SuppliedLine(line_id, sum(line.told[1].values()), line.told[0], dict(line.cells))
                )
            answers.append(
                Answer(
                    order_id,
                    Supplied(self.sku, wish.request, wish.seq, now_us, 0, NO_ORIGIN, "", tuple(lines)),
                    {line_id: line.want for line_id, line in wish.lines.items()},
                    {
                        at: max(0, self.sellable(at)) - self.committed.get(at, 0)
                        for at in self.committed | self.stock
                    },
                    {line_id: line.beyond() for line_id, line in wish.lines.items() if line.beyond()},
                )
            )
        for order_id in [*self.touched, *told]:
            wish_now = self.wishes.get(order_id)
            if wish_now is not None and not wish_now.is_open():
                self.finished[order_id] = pack(self.wishes.pop(order_id))
        self.touched = {}
        return answers
