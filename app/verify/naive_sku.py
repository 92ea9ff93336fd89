"""One SKU, replayed naively: the oracle for what SkuActors do.

Written from the definitions (due lines are allocated at once; what is short is backordered and comes first
in rank when stock comes; what has no stock is promised for when supply comes; holds die at their instant in
stream time; a shipment's units leave once, however often they are told). It shares no code with the domain:
plain records, and quantities that follow from them. Four sums are carried along, as a SKU may have a hundred
thousand orders; `recount` makes them from scratch. Whatever has a date is worked out anew whenever it is
asked for.

    sku = NaiveSku("tea", Network())
    answers = stock_fact(sku, data, now_us, fact_us, event_id)    # of `naive_stock`
    answers = sku.demand(demand, now_us)                          # what must be answered, and what room there was
    sku.picture()                                                 # every figure, as plain values
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush
from typing import Any, Final, NamedTuple

import msgspec

from springtide.app.verify import naive_calendar as calendar
from springtide.app.verify import naive_grants as grants
from springtide.app.verify import naive_moves as moves
from springtide.app.verify.naive_atp import network_today
from springtide.app.verify.naive_curves import Scheduled
from springtide.app.verify.naive_fences import Fence
from springtide.app.verify.naive_network import Goods, Network
from springtide.app.verify.naive_plans import is_firm, planned
from springtide.app.verify.naive_wish import Line, Told, Units, Wish, added, nonzero, pack, positive, unpack
from springtide.codecs.facts import LocationUpserted, PolicySet
from springtide.codecs.messages import Demand, DemandLine, Origin, Supplied, SuppliedLine

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


class Supply(msgspec.Struct):
    """As last stated; of one that is not `scheduled` only what was received for it is known."""

    location: str = ""
    qty: int = 0
    due: int = 0
    firmness: str = "planned"
    received: int = 0
    cancelled: bool = False
    scheduled: bool = False

    def open(self) -> int:
        return max(0, self.qty - self.received) if self.scheduled and not self.cancelled else 0


class Wanted(NamedTuple):
    """Units that are wanted of a place and have not left it; "" is any place."""

    location: str
    day: int | None
    units: int
    covered: bool
    due: bool


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

    def __init__(self, sku: str, network: Network | None = None) -> None:
        self.sku = sku
        self.network = Network() if network is None else network
        self.goods = Goods()
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
        self.supply: dict[str, Supply] = {}
        self.fences: dict[str, Fence] = {}
        self.named: dict[str, None] = {}
        """Every place that anything ever was said of, or that ever had or lacked units."""
        self.notes: list[tuple[int, str, str]] = []
        self.facts = 0
        self.now_us = 0
        self.known = False
        self.committed: Units = {}
        self.gone: Units = {}
        self.short: Units = {}
        self.held: Units = {}
        self.oversold: list[Oversold] = []
        """Cells that stand above what is sellable after the last message, though no warehouse works on it."""
        self.unsettled: dict[str, Wish] = {}
        """Orders that lack units or have a line with a day: all that dates and promises are about."""
        self.waiting: dict[str, None] = {}
        """Orders with something backordered."""
        self.expiries: list[tuple[int, str]] = []
        self.pledged: dict[str, None] = {}
        self.touched: dict[str, Wish] = {}
        self.asker: str | None = None
        """The order whose demand is applied now: it knows why its own promises change."""
        self.was_dated = False
        """Whether anything had a date before the message."""
        self.freed = False
        """Whether the message may have made units free, or promises possible."""
        self.gained = False
        """Whether a fence counts units as used that left the stock before: so much more is left to others."""
        self._until_recount = 0

    # --- the catalog ---

    def policy(self) -> PolicySet:
        return (self.goods.rules or self.network.rules).policy

    def place(self, at: str | None) -> LocationUpserted | None:
        return None if at is None else self.network.places.get(at)

    def places(self) -> list[str]:
        """Of which there is anything to say, the nearest first."""
        lines = [line for wish in self.wishes.values() if wish.tracked for line in wish.lines.values()]
        dated = [line for line in lines if line.day is not None]
        asked = {at for line in dated for at, _ in line.places_lacking()}
        had = {at for line in dated for at in line.cells}
        return self.network.nearest(
            {*self.named, *asked, *had, *(s.location for s in self.scheduled())} - {""}
        )

    def today(self, at: str | None) -> int:
        return calendar.today(self.place(at), self.now_us)

    def rank(self, wish: Wish) -> tuple[int, int, str]:
        """Who is first has the least."""
        first = wish.priority if self.policy().ranking == "priority_fifo" else 0
        return first, wish.placed_us, wish.order_id

    # --- figures ---

    def bucket(self, location: str, bucket: str) -> int:
        return self.stock.get(location, {}).get(bucket, 0)

    def sellable(self, location: str) -> int:
        return self.bucket(location, "sellable") - self.gone.get(location, 0)

    def unpromised(self, location: str) -> int:
        """Neither committed nor held, safety stock included; signed."""
        return self.sellable(location) - self.committed.get(location, 0) - self.held.get(location, 0)

    def backordered(self, at: str) -> int:
        """Due and not covered there, what is stale left out; "": of no place."""
        today = self.today(at) if at else network_today(self)
        fence = self.policy().demand_fence_days
        return sum(
            wanted.units
            for wanted in self.wanted()
            if wanted.location == at and wanted.due and not wanted.covered
            if wanted.day is None or fence is None or today - wanted.day <= fence
        )

    def free(self, at: str) -> int:
        """`available_now` there."""
        waiting = self.backordered(at) if self.policy().carry_shortage else 0
        return self.unpromised(at) - waiting - self.safety.get(at, 0)

    def scheduled(self) -> list[Scheduled]:
        return [
            Scheduled(name, s.location, s.open(), s.due, s.firmness)
            for name, s in self.supply.items()
            if s.open()
        ]

    def wanted(self) -> list[Wanted]:
        """All that is open of all lines. Units that were issued before they were told as shipped have left:
        they count for no line, those without a day first."""
        found = []
        for wish in self.wishes.values():
            if not wish.tracked:
                continue
            early = wish.ahead()
            for line in sorted(wish.lines.values(), key=lambda line: line.day is not None):
                for at, units in line.cells.items():
                    gone = min(units, early.get(at, 0))
                    early[at] = early.get(at, 0) - gone
                    if units > gone:
                        found.append(Wanted(at, line.day, units - gone, True, line.due))
                found += [Wanted(at, line.day, units, False, line.due) for at, units in line.places_lacking()]
        return found

    def cells(self) -> dict[str, dict[str, int]]:
        """location -> figure -> units; locations where all is 0 are left out."""
        found = {}
        for at in self.named:
            figures = {
                **{name: self.bucket(at, name) for name in BUCKETS},
                "sellable": self.sellable(at),
                "safety_stock": self.safety.get(at, 0),
                "committed": self.committed.get(at, 0),
                "held": self.held.get(at, 0),
                "backordered": self.short.get(at, 0),
            }
            if any(figures.values()):
                found[at] = figures
        return found

    def used(self, fence: Fence) -> int:
        """Units of the fence's channel there: what orders have and had since it was set, and holds."""
        holds = sum(
            units
            for hold in self.holds.values()
            if hold.channel == fence.channel
            for at, units in hold.cells.items()
            if fence.location in (None, at)
        )
        return self.taken_by(fence.channel, fence.location) + holds - fence.shipped_before

    def taken_by(self, channel: str, location: str | None, shipped_only: bool = False) -> int:
        """Units that a channel's orders have at a place or at all, those that left included."""
        finished = [unpack(packed) for packed in self.finished.values()]
        return sum(
            units
            for wish in [*self.wishes.values(), *finished]
            if wish.tracked
            for line in wish.lines.values()
            if wish.channel_of(line) == channel
            for at, units in (line.shipped if shipped_only else line.has()).items()
            if location in (None, at)
        )

    def picture(self) -> dict[str, Any]:
        """All that the `atp` projection says of the SKU, as plain values."""
        return {
            "sku": self.sku,
            "known": self.known,
            "facts": self.facts,
            "waiting": len(self.waiting),
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
            "fences": {
                name: (x.location, x.channel, x.qty, x.rank, x.valid_from, x.valid_to, self.used(x))
                for name, x in self.fences.items()
            },
            "notes": self.notes,
        }

    def dated(self) -> dict[str, Any]:
        """All that it knows by day, in sum."""
        supply: dict[str, dict[int, list[int]]] = {}
        for one in self.scheduled():
            sums = supply.setdefault(one.location, {}).setdefault(one.due, [0, 0, 0])
            sums[("firm", "in_transit", "planned").index(one.firmness)] += one.open
        demand: dict[str, dict[int, list[int]]] = {}
        for wanted in self.wanted():
            if wanted.day is not None:
                sums = demand.setdefault(wanted.location, {}).setdefault(wanted.day, [0, 0, 0])
                sums[0 if wanted.covered else 1] += wanted.units
                sums[2] += wanted.units if wanted.due and not wanted.covered else 0
        plans: dict[str, dict[str, dict[int, int]]] = {}
        for plan in planned(self):
            days = plans.setdefault(plan.location, {}).setdefault(plan.channel, {})
            days[plan.day] = days.get(plan.day, 0) + plan.units
        soft = sum(grants.is_soft(wish) for wish in self.unsettled.values())
        tracked = [wish for wish in self.unsettled.values() if wish.tracked]
        leads = sum(any(line.leads for line in wish.lines.values()) for wish in tracked)
        return {"supply": supply, "demand": demand, "plans": plans, "soft": soft, "leads": leads}

    def wish(self, order_id: str) -> Wish | None:
        """What an order has here, whether anything is still open or not."""
        found = self.wishes.get(order_id)
        if found is None and order_id in self.finished:
            found = unpack(self.finished[order_id])
        return found

    # --- messages ---

    def demand(self, demand: Demand, now_us: int) -> list[Answer]:
        """All that an order wants now; a repeated request changes nothing. Who awaits an answer gets one."""
        self.begin(now_us)
        self.facts += 1
        wish = self.open(demand.order_id)
        if wish is None or demand.request > wish.request:
            self.asker = demand.order_id
            wish = wish or self.new(demand.order_id, demand.placed_us)
            self.track(wish)
            self._want(wish, demand)
            self.settle()
        self.touch(wish)
        return self.tell("allocation_policy", demand.order_id if demand.awaits else None)

    def begin(self, now_us: int) -> None:
        """A message, or an instant at which something is due."""
        self.now_us = now_us
        self.touched = {}
        self.asker = None
        self.oversold = []
        self.was_dated = self.is_dated()
        self.freed = self.gained = False

    def is_dated(self) -> bool:
        """Whether anything has a date: supply, a line with a day, a promise for what is lacking; or an order
        lacks units that it might not take."""
        if self.scheduled():
            return True
        for wish in self.unsettled.values():
            for line in wish.lines.values() if wish.tracked else ():
                if (line.day is not None and (line.cells or line.lacks())) or line.plan or line.leads:
                    return True
                if line.lacks() and (line.cap is not None or not is_firm(wish)):
                    return True
        return False

    def new(self, order_id: str, placed_us: int) -> Wish:
        wish = self.wishes[order_id] = Wish(order_id, placed_us, tracked=self.goods.tracked)
        return wish

    def come_by(self, now_us: int) -> list[Answer]:
        """What is due takes effect: holds die, lines come due, fences begin and end, a new day begins."""
        self.begin(now_us)
        edges = [at for fence in self.fences.values() for at in (fence.from_us, fence.to_us)]
        self.freed = True
        self.expire(now_us)
        self.come_due()
        self.settle()
        return self.tell("allocation_policy" if now_us in edges else "supplier_late")

    def next_due_us(self) -> int | None:
        """The next instant at which something is due though nobody says anything."""
        due = [self.next_expiry_us()]
        due += [at for fence in self.fences.values() for at in (fence.from_us, fence.to_us)]
        lines = [line for wish in self.unsettled.values() for line in wish.lines.values() if line.lacks()]
        later = [line.day for line in lines if not line.due and line.day is not None]
        asked = [line.at for line in lines if line.at is not None]
        places = [*self.named, *asked, self.network.nearest_open(self.named)]
        if later or (lines and self.scheduled()):
            from_day = 0 if self.scheduled() else min(later)
            due += [calendar.midnight_us(self.place(at), max(from_day, self.today(at) + 1)) for at in places]
        return min((at for at in due if at is not None and at > self.now_us), default=None)

    def next_expiry_us(self) -> int | None:
        while self.expiries:
            expires_us, name = self.expiries[0]
            if name in self.holds and self.holds[name].expires_us == expires_us:
                return expires_us
            heappop(self.expiries)  # released, converted or extended since
        return None

    def expire(self, now_us: int) -> None:
        """Holds with expiry e are dead at t >= e."""
        while (due_us := self.next_expiry_us()) is not None and due_us <= now_us:
            name = heappop(self.expiries)[1]
            if self.let_go(name).pledge is None:
                self.ended[name] = "expired"

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
        wish.priority = demand.priority
        wish.channel = demand.channel
        wish.complete = demand.complete
        wish.parked = demand.parked
        wish.single = demand.single
        wish.max_splits = demand.max_splits
        wish.sourced = demand.sourced
        wish.keeps_safety = demand.keeps_safety
        self._claim(wish, demand.shipments)
        self._bring_back(wish, demand.returns)
        asked = {line.line_id: line for line in demand.lines}
        for line_id in [*asked, *(name for name in wish.lines if name not in asked)]:
            self._go_to(wish, line_id, asked.get(line_id) or DemandLine(line_id, 0, None, {}, {}))
        self._cover_untracked(wish)
        single = grants.is_single(self, wish)
        moves.cover_issued(wish, single)
        if wish.tracked:
            moves.all_or_nothing(wish, single)
        self.count(wish)
        for name in list(self.pledged):
            pledge = self.holds[name].pledge
            if pledge is not None and pledge[0] == wish.order_id:
                self.freed = True
                self.convert(self.let_go(name).cells, wish, pledge[1])

    def _go_to(self, wish: Wish, line_id: str, asked: DemandLine) -> None:
        is_new = line_id not in wish.lines
        line = wish.lines.setdefault(line_id, Line())
        if not is_new and (asked.day, asked.location) != (line.day, line.at):
            line.plan, line.leads = [], []
        # A day that has come does not go again, unless the order asks for another.
        stays = not is_new and line.due and asked.day == line.day
        at = asked.location or (line.plan[0][1] if line.plan else None)
        moves.go_to(line, asked, is_new, stays or self._has_come(asked.day, at))

    def _has_come(self, day: int | None, at: str | None) -> bool:
        """By the calendar of where it is to ship from, else of the nearest open place."""
        return day is None or day <= self.today(at or self.network.nearest_open(self.named))

    def come_due(self) -> None:
        """Lines whose day has come want their units now."""
        for wish in list(self.unsettled.values()):
            for line in wish.lines.values():
                at = line.at or (line.plan[0][1] if line.plan else None)
                if not line.due and line.lacks() and self._has_come(line.day, at):
                    line.due = True
                    self.count(wish)

    def _cover_untracked(self, wish: Wish) -> None:
        """Nobody counts the SKU: all that is wanted is there."""
        for line in wish.lines.values():
            if not wish.tracked and line.lacks():
                at = line.at or self.network.nearest_open(self.named) or ""
                line.cells = added(line.cells, {at: line.lacks()})

    def track(self, wish: Wish) -> None:
        """Brings an order in step with whether the SKU is counted; what left before stays as it was."""
        if wish.tracked == self.goods.tracked:
            return
        wish.tracked = True
        gone = wish.count()[1]
        wish.tracked = self.goods.tracked
        for at, units in nonzero(gone).items():
            self.add(at, "sellable", units if wish.tracked else -units)
        if not wish.tracked:
            for line in wish.lines.values():
                line.plan, line.leads = [], []
            self._cover_untracked(wish)
        self.count(wish)

    def _bring_back(self, wish: Wish, returns: Sequence[tuple[str, int, int, int]]) -> None:
        """By what returns have brought beyond what they had brought before."""
        had, wish.returns = wish.returns, {at: (waiting, good, bad) for at, waiting, good, bad in returns}
        for at in {**had, **wish.returns}:
            before, now = had.get(at, (0, 0, 0)), wish.returns.get(at, (0, 0, 0))
            if before != now:
                self.freed = self.freed or now[1] > before[1]
                for bucket, was, units in zip(
                    ("quality_control", "sellable", "damaged"), before, now, strict=True
                ):
                    self.add(at, bucket, units - was)

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
                    self.freed = True
        wish.left = left

    def convert(self, cells: Mapping[str, int], wish: Wish, line_id: str) -> None:
        """Units that were held go to the line they were held for, as far as it lacks them."""
        line = wish.lines.get(line_id)
        if line is None or wish.parked or not line.lacks():
            return
        single = grants.is_single(self, wish)
        lacks = line.lacks()
        if line.cap is not None:
            lacks = max(0, min(lacks, line.cap - sum(line.has().values())))
        offered = {at: min(cells[at], self.unpromised(at)) for at in self.network.nearest(cells)}
        chosen = grants.pick(line, offered, lacks, single, grants.max_splits(self, wish))
        line.cells = added(line.cells, chosen)
        moves.trim(line)
        moves.all_or_nothing(wish, single)
        self.count(wish)

    # --- sums ---

    def add(self, location: str, bucket: str, units: int) -> None:
        cell = self.stock.setdefault(location, {})
        cell[bucket] = cell.get(bucket, 0) + units
        self.named[location] = None

    def touch(self, wish: Wish) -> None:
        self.touched[wish.order_id] = wish

    def count(self, wish: Wish) -> None:
        """Brings the sums and who waits in step with one order."""
        self.touch(wish)
        now = wish.count()
        for sums, old, new in zip((self.committed, self.gone, self.short), wish.counted, now, strict=True):
            for at in {**old, **new}:
                change = new.get(at, 0) - old.get(at, 0)
                if change:
                    sums[at] = sums.get(at, 0) + change
                    if at:
                        self.named[at] = None
                    if not sums[at]:
                        del sums[at]
        (has, left, lacks), (had, gone, lacked) = now, wish.counted
        fewer = any(has.get(at, 0) + left.get(at, 0) < had.get(at, 0) + gone.get(at, 0) for at in had)
        fewer = fewer or any(left.get(at, 0) < units for at, units in gone.items())
        fewer = fewer or any(lacks.get(at, 0) < units for at, units in lacked.items())
        heeded = grants.heeded(wish)
        fewer = fewer or any(heeded.get(key, 0) < units for key, units in wish.heeded.items())
        used = wish.uses()
        for channel, places in used.items() if self.fences else ():
            for at, units in places.items():
                taken = has.get(at, 0) + left.get(at, 0) - had.get(at, 0) - gone.get(at, 0)
                more = units - wish.used.get(channel, {}).get(at, 0)
                self.gained = self.gained or more > max(0, taken)
        self.freed = self.freed or fewer or self.gained
        wish.counted, wish.heeded, wish.used = now, heeded, used
        if wish.is_unsettled():
            self.unsettled[wish.order_id] = wish
        else:
            self.unsettled.pop(wish.order_id, None)
        if wish.waits():
            self.waiting[wish.order_id] = None
        else:
            self.waiting.pop(wish.order_id, None)

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
        for order_id, wish in self.wishes.items():
            dated = wish.is_unsettled()
            if (order_id in self.unsettled) != dated:
                raise ArithmeticError(f"SKU {self.sku}: {order_id} is not where it belongs")
        if carried != anew:
            raise ArithmeticError(f"SKU {self.sku}: sums {carried}, from scratch {anew}")
        if whole:
            for packed in self.finished.values():
                gone = added(gone, unpack(packed).count()[1])
            if nonzero(gone) != self.gone:
                raise ArithmeticError(f"SKU {self.sku}: {self.gone} left, from scratch {gone}")

    # --- the end of a message ---

    def settle(self) -> None:
        """Who gets what, and what stands above what is sellable then."""
        grants.settle(self)
        self.oversold = []
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

    def tell(self, cause: str | None, awaits: str | None = None) -> list[Answer]:
        """Whoever has other units or promises than last told, and who awaits an answer in any case."""
        told = {
            order_id: wish
            for order_id, wish in self.touched.items()
            if any(line.news() != line.told.news() for line in wish.lines.values())
        }
        if awaits is not None:
            told.setdefault(awaits, self.wishes[awaits])
        answers = [self._answer(wish, cause) for wish in told.values()]
        for order_id in [*self.touched, *told]:
            wish_now = self.wishes.get(order_id)
            if wish_now is not None and not wish_now.is_open():
                self.finished[order_id] = pack(self.wishes.pop(order_id))
                self.unsettled.pop(order_id, None)
        self.touched = {}
        self.asker = None
        return answers

    def _answer(self, wish: Wish, cause: str | None) -> Answer:
        wish.seq += 1
        lines = []
        for line_id, line in wish.lines.items():
            worse = wish.order_id != self.asker and grants.is_worse(line)
            line.told = Told(line.want, *line.news())
            lines.append(
                SuppliedLine(
                    line_id,
                    sum(line.has().values()),
                    line.short(),
                    dict(line.cells),
                    tuple(line.promises()),
                    cause if worse else None,
                )
            )
        supplied = Supplied(self.sku, wish.request, wish.seq, 0, 0, NO_ORIGIN, "", tuple(lines))
        places = {**self.committed, **self.stock}
        return Answer(
            wish.order_id,
            supplied,
            {line_id: line.want for line_id, line in wish.lines.items()},
            {at: max(0, self.sellable(at)) - self.committed.get(at, 0) for at in places},
            {line_id: line.beyond() for line_id, line in wish.lines.items() if line.beyond()},
        )
