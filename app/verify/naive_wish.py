"""What one order wants and has at one SKU, as the naive model keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

Units = dict[str, int]
Share = tuple[int, str, int]
"""(ship day, location, units)."""


class Told(msgspec.Struct, array_like=True):
    """What the order was last told of a line."""

    want: int = 0
    backordered: int = 0
    has: Units = {}
    promises: list[Share] = []

    def news(self) -> tuple[int, Units, list[Share]]:
        return self.backordered, self.has, self.promises


class Line(msgspec.Struct, array_like=True):
    """What one order line wants and has at the SKU."""

    want: int = 0
    at: str | None = None
    cells: Units = {}
    released: Units = {}
    shipped: Units = {}
    day: int | None = None
    cap: int | None = None
    queues: bool = True
    pool: str | None = None
    lot: int = 1
    """It has only whole multiples of so many."""
    due: bool = True
    """Whether its day had come when it was last looked at."""
    sure: list[Share] = []
    """When what it has ships, what left included."""
    plan: list[Share] = []
    """When what it lacks ships, as far as that is promised: stock and supply are kept for it."""
    leads: list[Share] = []
    """The same of what is promised for after the lead time, whatever there is then."""
    given_up: int = 0
    """Units it wants, but does not wait for."""
    hoped: int | None = None
    """The last day of what was promised before it got worse; None if it did not."""
    told: Told = msgspec.field(default_factory=Told)

    def has(self) -> Units:
        """Location -> units it has, those that left included."""
        return added(self.cells, self.shipped)

    def lacks(self) -> int:
        """Units that nothing covers, whether its day has come or not."""
        return max(0, self.want - self.given_up - sum(self.has().values()))

    def short(self) -> int:
        """Backordered: its day has come and nothing covers them."""
        return self.lacks() if self.due else 0

    def takes(self) -> int:
        """Units it may be given now."""
        room = self.short()
        return room if self.cap is None else max(0, min(room, self.cap - sum(self.has().values())))

    def at_work(self, location: str) -> int:
        """Units in the cell that a released shipment works on."""
        working = self.released.get(location, 0) - self.shipped.get(location, 0)
        return max(0, min(working, self.cells.get(location, 0)))

    def beyond(self) -> int:
        """Units in its cells that the order does not want."""
        has, left = sum(self.cells.values()), sum(self.shipped.values())
        return max(0, has - max(0, self.want - left))

    def promises(self) -> list[Share]:
        """When all of its units ship; what nothing covers is in none of them."""
        return merged([*self.sure, *self.plan, *self.leads])

    def news(self) -> tuple[int, Units, list[Share]]:
        """A change of it is told."""
        return self.short(), nonzero(self.has()), self.promises()

    def places_lacking(self) -> list[tuple[str, int]]:
        """(location, units) where what it lacks is to come from; "" where that is open."""
        found = []
        rest = self.lacks()
        for _, location, units in [*self.plan, *self.leads]:
            part = min(rest, units)
            if part:
                found.append((location, part))
            rest -= part
        return [*found, (self.at or "", rest)] if rest else found


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
    heeded: dict[str, int] = {}
    """What of its promises was kept from others when it was counted."""
    used: dict[str, dict[str, int]] = {}
    """channel -> location -> units it had, those that left included, when it was counted."""
    priority: int = 100
    channel: str = ""
    keeps_safety: bool = False
    returns: dict[str, tuple[int, int, int]] = {}
    """location -> units in quality control, sellable, damaged."""
    sourced: bool = False
    """Whether the order says how it is sourced."""
    tracked: bool = True
    """False: its units move no stock."""

    def channel_of(self, line: Line) -> str:
        return self.channel if line.pool is None else line.pool

    def uses(self) -> dict[str, dict[str, int]]:
        """channel -> location -> units it has or had."""
        found: dict[str, dict[str, int]] = {}
        for line in self.lines.values() if self.tracked else ():
            channel = self.channel_of(line)
            found[channel] = added(found.get(channel, {}), line.has())
        return found

    def waits(self) -> bool:
        return any(line.short() for line in self.lines.values())

    def is_open(self) -> bool:
        return any(line.cells or line.lacks() for line in self.lines.values())

    def is_unsettled(self) -> bool:
        """Whether it lacks units or has some for a day."""
        return any(
            line.lacks() or line.plan or line.leads or (line.cells and line.day is not None)
            for line in self.lines.values()
        )

    def count(self) -> tuple[Units, Units, Units]:
        """(committed, gone, backordered) by location, from the lines, what was shipped and what was issued."""
        if not self.tracked:
            return {}, {}, {}
        cells: Units = {}
        short: Units = {}
        for line in self.lines.values():
            cells = added(cells, line.cells)
            if line.due:
                for at, units in line.places_lacking():
                    short = added(short, {at: units})
        shipped: Units = {}
        for units_left in self.left.values():
            shipped = added(shipped, units_left)
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


def merged(shares: list[Share]) -> list[Share]:
    """By day and place, each once."""
    keys = sorted({(day, at) for day, at, _ in shares})
    return [(day, at, sum(units for d, a, units in shares if (d, a) == (day, at))) for day, at in keys]


pack: Final = msgspec.msgpack.Encoder().encode
unpack: Final = msgspec.msgpack.Decoder(Wish).decode
