"""What one order wants and has at one SKU, as the naive model keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from springtide.codecs.messages import (
    DemandLine,
)

Units = dict[str, int]


class Line(msgspec.Struct, array_like=True):
    """What one order line wants and has at the SKU."""

    want: int = 0
    at: str | None = None
    cells: Units = {}
    released: Units = {}
    shipped: Units = {}
    told: tuple[int, Units] = (0, {})

    def lacks(self) -> int:
        return max(0, self.want - sum(self.shipped.values()) - sum(self.cells.values()))

    def at_work(self, location: str) -> int:
        """Units in the cell that a released shipment works on."""
        working = self.released.get(location, 0) - self.shipped.get(location, 0)
        return max(0, min(working, self.cells.get(location, 0)))

    def beyond(self) -> int:
        """Units in its cells that the order does not want, but for those at work."""
        has, left = sum(self.cells.values()), sum(self.shipped.values())
        return max(0, has - max(0, self.want - left, sum(self.at_work(at) for at in self.cells)))

    def news(self) -> tuple[int, Units]:
        """(backordered, allocated by location, shipped ones included): a change of it is told."""
        return self.lacks(), added(self.cells, self.shipped)


class Wish(msgspec.Struct, array_like=True):
    """One order at the SKU."""

    order_id: str
    placed_us: int
    request: int = 0
    seq: int = 0
    complete: bool = False
    parked: bool = False
    single: bool = False
    max_splits: int = 0
    lines: dict[str, Line] = {}
    left: dict[str, Units] = {}
    """shipment -> location -> units that left, as the order says."""
    issued: dict[str, Units] = {}
    """shipment or "" -> location -> units that left, as the warehouse says."""
    counted: tuple[Units, Units, Units] = ({}, {}, {})
    """What of it stands in the SKU's sums: committed, gone, backordered ("": any location)."""

    def rank(self) -> tuple[int, str]:
        return self.placed_us, self.order_id

    def waits(self) -> bool:
        return any(line.lacks() for line in self.lines.values())

    def is_open(self) -> bool:
        return any(line.cells or line.lacks() for line in self.lines.values())

    def count(self) -> tuple[Units, Units, Units]:
        """(committed, gone, backordered) by location, from the lines, what was shipped and what was issued."""
        cells: Units = {}
        short: Units = {}
        for line in self.lines.values():
            cells = added(cells, line.cells)
            lacks = line.lacks()
            if lacks:
                short = added(short, {line.at or "": lacks})
        shipped: Units = {}
        for units in self.left.values():
            shipped = added(shipped, units)
        ahead = self.ahead() if self.issued else {}
        # What was issued and is not yet told as shipped has left, though it is still in the line's cells.
        committed = {at: units - ahead.get(at, 0) for at, units in cells.items()}
        return positive(committed), added(shipped, ahead), short

    def ahead(self) -> Units:
        """Location -> units that the warehouse says have left and the order does not. Shipped and issued are
        two tellings of one leaving: by shipment and location the greater counts. An issue that names no
        shipment tells of shipped units that no other issue has told of."""
        untold: Units = {}
        for units in self.left.values():
            untold = added(untold, units)
        found: Units = {}
        for shipment, units in self.issued.items():
            by_order = self.left.get(shipment, {})
            if shipment:
                found = added(found, {at: max(0, n - by_order.get(at, 0)) for at, n in units.items()})
                untold = added(untold, {at: -min(n, by_order.get(at, 0)) for at, n in units.items()})
        unnamed = self.issued.get("", {})
        return added(found, {at: max(0, n - untold.get(at, 0)) for at, n in unnamed.items()})


def added(one: Mapping[str, int], other: Mapping[str, int]) -> Units:
    """Both, location by location."""
    found = dict(one)
    for name, units in other.items():
        found[name] = found.get(name, 0) + units
    return found


def nonzero(units: Mapping[str, int]) -> Units:
    return {name: count for name, count in units.items() if count}


def positive(units: Mapping[str, int]) -> Units:
    return {name: count for name, count in units.items() if count > 0}


def pick(line: Line, left: Mapping[str, int], single: bool, max_splits: int) -> Units:
    """Where up to all that a line lacks is taken from: one place for the whole if `single`, else the first
    places in order, over at most `max_splits` places with those it already has (0: no limit)."""
    lacks = line.lacks()
    has = [at for at, units in line.cells.items() if units]
    places = sorted(left) if line.at is None else [line.at]
    if single:
        fitting = [at for at in has or places if left.get(at, 0) >= lacks]
        return {fitting[0]: lacks} if fitting else {}
    chosen: Units = {}
    for at in places:
        units = min(lacks, left.get(at, 0))
        used = {*has, *chosen}
        if units > 0 and (at in used or not max_splits or len(used) < max_splits):
            chosen[at] = units
            lacks -= units
    return chosen


def grants_for(wish: Wish, left: Mapping[str, int]) -> dict[str, Units]:
    """line -> location -> units an order gets now; nothing where all of it can't be had and it must be."""
    left = dict(left)
    grants: dict[str, Units] = {}
    for line_id, line in wish.lines.items():
        lacks = line.lacks()
        if not lacks:
            continue
        cells = pick(line, left, wish.single, wish.max_splits)
        if wish.complete and sum(cells.values()) < lacks:
            return {}
        if cells:
            grants[line_id] = cells
            for at, units in cells.items():
                left[at] -= units
    return grants


def move(line: Line, asked: DemandLine) -> None:
    """To what the order now says of the line; units it wants no more go back, the last location's first."""
    line.want = asked.want
    line.at = asked.location
    line.released = asked.released
    was, line.shipped = line.shipped, positive(asked.shipped)
    for at, units in was.items():  # voided: they are back, and still the line's
        back = units - line.shipped.get(at, 0)
        if back > 0:
            line.cells = added(line.cells, {at: back})
    for (
        at,
        units,
    ) in line.shipped.items():  # left: from that very place first, else from where the line has any
        more = units - was.get(at, 0)
        if more > 0:
            for place in [at, *sorted(line.cells.keys() - {at})]:
                gone = min(more, line.cells.get(place, 0))
                line.cells = positive(added(line.cells, {place: -gone}))
                more -= gone
    surplus = sum(line.cells.values()) - max(0, line.want - sum(line.shipped.values()))
    _give_back(line, surplus)


def _give_back(line: Line, units: int) -> None:
    for at in sorted(line.cells, reverse=True):
        back = min(units, line.cells[at] - line.at_work(at))
        if back > 0:
            line.cells = positive(added(line.cells, {at: -back}))
            units -= back


def cover_issued(wish: Wish) -> None:
    """Units that left for an order before it had any there are its own: it lacks them no more."""
    if not wish.issued or wish.parked or wish.complete or wish.single:
        return
    for at, units in wish.ahead().items():
        spare = units - sum(line.cells.get(at, 0) for line in wish.lines.values())
        for line in wish.lines.values():
            more = min(spare, line.lacks()) if line.at in (None, at) else 0
            if more > 0:
                line.cells = added(line.cells, {at: more})
                spare -= more


def all_or_nothing(wish: Wish) -> None:
    """Who must have all of it keeps no part, but for what a warehouse works on."""
    nothing = wish.parked or (wish.complete and wish.waits())
    for line in wish.lines.values():
        if nothing or (wish.single and line.lacks()):
            _give_back(line, sum(line.cells.values()))


pack: Final = msgspec.msgpack.Encoder().encode
unpack: Final = msgspec.msgpack.Decoder(Wish).decode
