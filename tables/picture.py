"""A SKU as its rows show it at an instant: its figures by location, and by day from today on."""

from __future__ import annotations

from itertools import accumulate
from typing import Final

import msgspec

from springtide.tables import calendar, dated, fences
from springtide.tables.catalog import (
    DEFAULT_POLICY,
    NETWORK_KEY,
    NO_GOODS,
    NO_NETWORK,
    Goods,
    Network,
    Place,
    Policy,
    goods_key,
)
from springtide.tables.footprint import (
    NO_FOOTPRINT,
    footprint,
    settle_dated,
    settle_fences,
    settle_footprint,
)
from springtide.tables.rows import ReadRows
from springtide.tables.sku import (
    ANYWHERE,
    FIRMNESS,
    Cell,
    Dated,
    Head,
)

NO_DATED: Final = Dated()
NO_CELL: Final = Cell()
NOBODY: Final = ""
"""A channel that no fence is for: it sees what is shared."""


def supply_by_day(days: dict[int, list[int]], policy: Policy, today: int, count: int) -> list[int]:
    """Units that are to come on each of `count` days from today on, as the policy counts them."""
    found = [0] * count
    firm, in_transit, planned = (1 if firmness in policy.firmness else 0 for firmness in FIRMNESS)
    for due, units in days.items():
        at = due - today
        if at < 0:
            if -at > policy.supply_fence_days:
                continue
            at = policy.supply_offset_days
        if at < count:
            found[at] += units[0] * firm + units[1] * in_transit + units[2] * planned
    return found


def is_stale_demand(day: int, policy: Policy, today: int) -> bool:
    """Whether demand of a day that is not allocated counts nowhere any more."""
    return policy.demand_fence_days is not None and today - day > policy.demand_fence_days


class Series(msgspec.Struct, gc=False):
    """Figures a day, `first` being the day of the first."""

    first: int
    cumulative: list[int]
    atp: list[int]
    discrete: list[int | None]

    def at(self, day: int) -> int:
        """What can be promised for a day; on days after the last as on the last, 0 before the first."""
        if day < self.first or not self.atp:
            return 0
        return self.atp[min(day - self.first, len(self.atp) - 1)]

    def each(self, qty: int) -> Series:
        """How many times `qty` fits."""
        return Series(
            self.first,
            [units // qty for units in self.cumulative],
            [units // qty for units in self.atp],
            [None if units is None else units // qty for units in self.discrete],
        )


class Picture:
    """See the module. `exclude_order` leaves an order's own open units out, as if it had never asked."""

    def __init__(self, rows: ReadRows, sku: str, now_us: int, exclude_order: str | None = None) -> None:
        self.excluded = exclude_order
        key = sku.encode()
        head: Head | None = rows.get(key)
        self.rows = rows
        self.sku = sku
        self.now_us = now_us
        self.known = head is not None and head.known
        self.head: Head = head or Head(sku)
        self.goods: Goods = rows.get(goods_key(key)) or NO_GOODS
        self.network: Network = rows.get(NETWORK_KEY) or NO_NETWORK
        self.policy: Policy = self.goods.policy or self.network.policy or DEFAULT_POLICY
        self.dated: Dated = (rows.get(key + b"\x00d") if self.head.dated else None) or NO_DATED
        if exclude_order is not None:
            self._exclude(exclude_order)
        self._lose_dead_holds()
        names = dict.fromkeys([*self.head.cells, *self.dated.supply])
        names |= dict.fromkeys(self.dated.demand)
        self.locations = self.network.nearest_first(list(names))
        self.open = [name for name in self.locations if self.network.place(name).open]
        places = [self.network.place(name) for name in self.locations]
        self.today = min((p.today(now_us) for p in places), default=calendar.today("UTC", now_us))

    def _exclude(self, order_id: str) -> None:
        row = self.rows.get(self.sku.encode() + b"\x00a" + order_id.encode())
        if row is None:
            return
        self.head = msgspec.msgpack.decode(msgspec.msgpack.encode(self.head), type=Head)
        self.dated = msgspec.msgpack.decode(msgspec.msgpack.encode(self.dated), type=Dated)
        before = footprint(row, bool(self.head.fences))
        after = msgspec.structs.replace(NO_FOOTPRINT, gone=before.gone)
        settle_footprint(self.head, before, after)
        settle_dated(self.dated, before, after)
        settle_fences(self.head, before, after)

    def _lose_dead_holds(self) -> None:
        """Holds that are dead do not count, though the actor may not have come by yet: what they free is
        either available or goes to who waits, and both ways ATP is the same."""
        dead = [hold for hold in self.head.holds.values() if hold.expires_us <= self.now_us]
        if not dead:
            return
        self.head = msgspec.msgpack.decode(msgspec.msgpack.encode(self.head), type=Head)
        for hold in dead:
            for location, units in hold.cells.items():
                self.head.cell(location).held -= units

    def place(self, location: str | None) -> Place:
        return self.network.place(location)

    def cell(self, location: str) -> Cell:
        """Stock at a location; `backordered` has what no longer counts left out."""
        cell = self.head.cells.get(location, NO_CELL)
        stale = self._stale(location, self.place(location).today(self.now_us))
        return msgspec.structs.replace(cell, backordered=cell.backordered - stale) if stale else cell

    def backordered_anywhere(self) -> int:
        """Due and not covered, of demand that counts at no location."""
        return self.head.backordered - self._stale(ANYWHERE, self.today)

    def _stale(self, location: str, today: int) -> int:
        return sum(
            due
            for day, (_, _, due) in self.dated.demand.get(location, {}).items()
            if due and is_stale_demand(day, self.policy, today)
        )

    def available_now(self, location: str) -> int:
        cell = self.cell(location)
        now = cell.sellable - cell.safety_stock - cell.committed - cell.held
        return now - cell.backordered if self.policy.carry_shortage else now

    def seen_now(self, location: str, channel: str | None) -> int:
        """`available_now` of a location as a channel sees it; None: all there is."""
        units = self.available_now(location)
        if channel is None or not self.head.fences:
            return units
        return units - fences.kept_from(units, self._lefts_now(location), channel)

    def network_now(self, channel: str | None) -> int:
        """`available_now` of all open locations, as a channel sees it."""
        waits = self.backordered_anywhere() if self.policy.carry_shortage else 0
        units = sum(self.seen_now(name, channel) for name in self.open) - waits
        if channel is None or not self.head.fences:
            return units
        return units - fences.kept_from(units, self._lefts_now(None), channel)

    def _lefts_now(self, location: str | None) -> list[fences.Left]:
        return fences.lefts(self.head, location, self.now_us, self.now_us + 1)

    # --- by day ---

    def demand_by_day(self, location: str, today: int, count: int) -> list[int]:
        """Open demand on each of `count` days from today on, as the policy counts it."""
        policy = self.policy
        found = [0] * count
        if location == ANYWHERE:
            committed, waits = 0, self.head.backordered
        else:
            cell = self.head.cells.get(location, NO_CELL)
            committed, waits = cell.committed, cell.backordered
        for day, (allocated, uncovered, due) in self.dated.demand.get(location, {}).items():
            committed -= allocated
            waits -= due
            at, units = day - today, allocated + uncovered
            if at < 0:
                # What is overdue and not covered is lost with its day where shortages are not carried.
                if not policy.carry_shortage or is_stale_demand(day, policy, today):
                    units = allocated
                at = policy.demand_offset_days
            if at < count:
                found[at] += units
        found[0] += committed + waits
        return found

    def location_series(self, location: str, channel: str | None, method: str) -> Series:
        """A location's figures from its own today on, as a channel sees them (None: all there is)."""
        policy = self.policy
        count = policy.horizon_days
        today = self.place(location).today(self.now_us)
        cell = self.head.cells.get(location, NO_CELL)
        opening = cell.sellable - cell.safety_stock - cell.held
        supply = supply_by_day(self.dated.supply.get(location, {}), policy, today, count)
        demand = self.demand_by_day(location, today, count)
        cum, atp = dated.curve(opening, supply, demand, method, policy.carry_shortage)
        discrete = dated.discrete(opening, supply, demand)
        if channel is not None and self._fenced(location):
            cum = self._seen(location, today, cum, channel)
            ahead = dated.look_ahead(cum)
            discrete = _increments(ahead, supply)
            atp = cum if method == "cumulative" else ahead
        return Series(today, cum, atp, discrete)

    def network_series(self, channel: str | None, method: str) -> Series:
        """All open locations' figures in sum by calendar date, less demand without a location."""
        first, count = self.today, self.policy.horizon_days
        cum, atp, supplied = [0] * count, [0] * count, [0] * count
        discrete: list[int | None] = [None] * count
        for location in self.open:
            series = self.location_series(location, channel, method)
            late = series.first - first  # a later date elsewhere: till then it counts as on its own today
            for i in range(count):
                cum[i] += series.cumulative[max(0, i - late)]
                atp[i] += series.atp[max(0, i - late)]
                units = series.discrete[i - late] if i >= late else None
                if i == 0 and late:
                    units = series.discrete[0]
                elif i == late and late:
                    units = None
                if units is not None:
                    discrete[i] = (discrete[i] or 0) + units
                    supplied[i] = 1
        if discrete[0] is None:
            discrete[0] = 0
        anywhere = self.demand_by_day(ANYWHERE, first, count)
        if any(anywhere):
            bucket = 0
            for i, units in enumerate(anywhere):
                bucket = bucket if discrete[i] is None else i
                discrete[bucket] = (discrete[bucket] or 0) - units
            discrete = dated.borrow_back(discrete)
        if any(anywhere) or (channel is not None and self._fenced(None)):
            waits = _waits(cum, anywhere, self.policy.carry_shortage)
            cum = [a - b for a, b in zip(cum, waits, strict=True)]
            atp = [a - b for a, b in zip(atp, waits, strict=True)]
            if channel is not None and self._fenced(None):
                before = cum
                cum = self._seen(None, first, cum, channel)
                atp = [a - (b - c) for a, b, c in zip(atp, before, cum, strict=True)]
                discrete = _increments(dated.look_ahead(atp), supplied)
            if method == "discrete":
                atp = dated.running(discrete)
            elif method != "cumulative":
                atp = dated.look_ahead(atp)
        return Series(first, cum, atp, discrete)

    def series(self, location: str | None, channel: str | None, method: str) -> Series:
        """The figures of one location, or of all. A location has no more for a channel than the network."""
        if location is None:
            return self.network_series(channel, method)
        found = self.location_series(location, channel, method)
        if channel is not None and self._fenced(None):
            whole = self.network_series(channel, method)
            days = range(found.first, found.first + len(found.atp))
            found.atp = [min(units, whole.at(day)) for day, units in zip(days, found.atp, strict=True)]
        return found

    def _fenced(self, location: str | None) -> bool:
        return any(fence.location == location for fence in self.head.fences.values())

    def _seen(self, location: str | None, today: int, units: list[int], channel: str) -> list[int]:
        """What a channel sees of so many units a day."""
        zone = "UTC" if location is None else self.place(location).timezone
        found = []
        for i, there in enumerate(units):
            if i == 0:
                lefts = self._lefts_now(location)
            else:
                start = calendar.midnight_us(zone, today + i)
                lefts = fences.lefts(self.head, location, start, calendar.midnight_us(zone, today + i + 1))
            found.append(there - fences.kept_from(there, lefts, channel))
        return found


def _waits(cum: list[int], demand: list[int], carry: bool) -> list[int]:
    """What demand takes from `cum` up to each day. Without `carry` what a day lacks is lost at its end."""
    if carry:
        return list(accumulate(demand))
    found: list[int] = []
    waits = 0
    for there, less in zip([0, *cum[:-1]], demand, strict=True):
        waits = min(waits, max(0, there)) + less
        found.append(waits)
    return found


def _increments(ahead: list[int], supply: list[int]) -> list[int | None]:
    """Buckets whose running sum is the look-ahead figure, one a day with supply."""
    found: list[int | None] = []
    had = 0
    for day, units in enumerate(ahead):
        if day == 0 or supply[day]:
            found.append(units - had)
            had = units
        else:
            found.append(None)
    return found
