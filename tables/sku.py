"""What is true of one SKU, over all its locations, as the state its one writer keeps.

The state is several rows, so that an event costs what it changes and not what there is:

    <sku>                 Head        stock by cell, active holds, totals: what ATP is computed from
    <sku> 0 a<order>      Allocation  what an order wants, has and lacks here, while anything is open
    <sku> 0 z<order>      Allocation  the same once nothing is open
    <sku> 0 q             Queue       who waits for stock, by rank
    <sku> 0 h<hold>       PastHold    how a hold ended
    <sku> 0 s<shipment>   ShipmentOf  whose a shipment is, for stock facts that name only the shipment

All quantities are integers in base units, signed where a figure can be short.
"""

from __future__ import annotations

from typing import Final

import msgspec

STATE_VERSION: Final = 1
HOLDS_MAX: Final = 10_000
"""Holds that stand on one SKU at a time; more are refused. It bounds the head's size."""
NOTES_MAX: Final = 20
"""Remarks kept on a SKU; the oldest go first, their events stay in the log."""


class Cell(msgspec.Struct, array_like=True, gc=False):
    """Stock of a SKU at one location."""

    sellable: int = 0
    damaged: int = 0
    quality_control: int = 0
    reserved_other: int = 0
    safety_stock: int = 0
    committed: int = 0
    """Allocated and not yet shipped."""
    held: int = 0
    """By holds that have not expired in stream time."""
    backordered: int = 0
    """Due and not covered, of lines that ask for this very location."""

    @property
    def on_hand(self) -> int:
        return self.sellable + self.damaged + self.quality_control + self.reserved_other

    @property
    def open(self) -> int:
        """What is neither promised nor held, safety stock included; signed."""
        return self.sellable - self.committed - self.held

    @property
    def free(self) -> int:
        """`open` less what waits for this very location; signed."""
        return self.sellable - self.committed - self.held - self.backordered


class Hold(msgspec.Struct, array_like=True, gc=False):
    """An active hold. `cells` location -> units; it is dead at stream time >= `expires_us`."""

    hold_id: str
    expires_us: int
    owner: str
    channel: str | None
    cells: dict[str, int]
    placed_us: int
    pledged_to: tuple[str, str] | None = None
    """(order_id, line_id) it was converted to, while that order has not asked for units yet."""


class Supply(msgspec.Struct, array_like=True, gc=False):
    """A supply as its source last stated it; kept for dated promises."""

    location: str
    qty: int
    due: str
    firmness: str
    received: int = 0
    cancelled: bool = False


class Fence(msgspec.Struct, array_like=True, gc=False):
    """A ring-fence as its source last stated it; kept for channel figures."""

    location: str | None
    channel: str
    qty: int
    valid_from: str | None
    valid_to: str | None
    rank: int


class Note(msgspec.Struct, array_like=True, gc=False):
    """Something a person may want to know: a refused hold, units taken back, stock below zero."""

    at_us: int
    kind: str
    detail: str
    event_id: str


class Head(msgspec.Struct, array_like=True, gc=False):
    """See the module. This row is the `atp` projection too."""

    sku: str
    cells: dict[str, Cell] = {}
    backordered: int = 0
    """Due and not covered, of lines that take any location."""
    holds: dict[str, Hold] = {}
    supply: dict[str, Supply] = {}
    fences: dict[str, Fence] = {}
    notes: list[Note] = []
    waiting: int = 0
    """Orders in the queue row."""
    facts: int = 0
    """Facts applied so far, demands included."""
    changed_us: int = 0
    """Stream time of the last change."""
    pledges: dict[str, str] = {}
    """Hold -> order, of holds that were converted before the order asked here."""
    short: dict[str, int] = {}
    """Location -> units committed beyond the stock that can't be taken back: warehouses work on them."""
    known: bool = False
    """Whether any stock or supply fact ever named this SKU; orders alone do not make one."""

    def cell(self, location: str) -> Cell:
        cell = self.cells.get(location)
        if cell is None:
            cell = self.cells[location] = Cell()
        return cell

    def note(self, at_us: int, kind: str, detail: str, event_id: str) -> None:
        self.notes.append(Note(at_us, kind, detail, event_id))
        del self.notes[:-NOTES_MAX]

    def next_expiry_us(self) -> int | None:
        return min(hold.expires_us for hold in self.holds.values()) if self.holds else None


class Taken(msgspec.Struct, array_like=True, gc=False):
    """One line of an order at this SKU."""

    line_id: str
    want: int = 0
    location: str | None = None
    cells: dict[str, int] = {}
    """Location -> units allocated to the line and not yet shipped."""
    released: dict[str, int] = {}
    """Location -> units on released shipments, those that left included. Such units are not taken back."""
    shipped: dict[str, int] = {}
    backordered: int = 0
    told: tuple[int, dict[str, int]] = (0, {})
    """(backordered, allocated by location) as last answered."""

    @property
    def allocated(self) -> int:
        return sum(self.cells.values()) + sum(self.shipped.values())

    def by_location(self) -> dict[str, int]:
        """Location -> units allocated, shipped ones included: shipping alone is no news to the order."""
        found = dict(self.cells)
        for location, units in self.shipped.items():
            found[location] = found.get(location, 0) + units
        return found

    @property
    def is_news(self) -> bool:
        """Whether the line has something else than its order was last told."""
        backordered, cells = self.told
        return self.backordered != backordered or cells != (
            self.by_location() if self.shipped else self.cells
        )

    def protected(self, location: str) -> int:
        """Units at a location that a warehouse already works on."""
        at_work = self.released.get(location, 0) - self.shipped.get(location, 0)
        return max(0, min(at_work, self.cells.get(location, 0)))


class Allocation(msgspec.Struct, array_like=True, gc=False):
    """What one order has at this SKU."""

    order_id: str
    placed_us: int
    priority: int = 100
    channel: str = ""
    request: int = 0
    seq: int = 0
    complete: bool = False
    parked: bool = False
    single: bool = False
    max_splits: int = 0
    lines: dict[str, Taken] = {}
    shipments: dict[str, dict[str, int]] = {}
    """shipment_id -> location -> units that left, as the order's facts say."""
    issued: dict[str, dict[str, int]] = {}
    """shipment_id (or "") -> location -> units issued, as the warehouse's stock facts say."""

    @property
    def rank(self) -> tuple[int, str]:
        """First in line comes first: `fifo` by when the order was placed, ties by its id, so that all SKUs
        of a basket agree on who is first."""
        return (self.placed_us, self.order_id)

    @property
    def is_open(self) -> bool:
        for line in self.lines.values():
            if line.backordered or line.cells:
                return True
        return False

    @property
    def waits(self) -> bool:
        for line in self.lines.values():
            if line.backordered:
                return True
        return False


class Queue(msgspec.Struct, array_like=True, gc=False):
    """Orders with backordered units here, sorted by rank."""

    entries: list[tuple[int, str]] = []


class PastHold(msgspec.Struct, array_like=True, gc=False):
    """How a hold ended: released, expired, converted or refused; `left` are units still available then."""

    state: str
    at_us: int
    qty: int
    left: int = 0


class ShipmentOf(msgspec.Struct, array_like=True, gc=False):
    """Whose a shipment is (`order_id`), or what was issued before anybody said so."""

    order_id: str | None
    issued: dict[str, int] = {}


class Footprint(msgspec.Struct, array_like=True, gc=False):
    """What one allocation contributes to its SKU's head; the head moves by the difference of two."""

    committed: dict[str, int]
    backordered: dict[str | None, int]
    gone: dict[str, int]


NO_FOOTPRINT: Final = Footprint({}, {}, {})


def footprint(allocation: Allocation) -> Footprint:
    """Committed and gone units by location, and backordered ones by the location asked for (None: any).

    The same shipment can be told twice, by `shipment.shipped` and by `inventory.issued`; its units leave
    once: per shipment and location the greater of the two counts. Issues that name no shipment stand for
    shipped units that no other issue explains. Units issued but not yet told as shipped are still in the
    lines' cells, but no longer committed: they have left.
    """
    committed: dict[str, int] = {}
    backordered: dict[str | None, int] = {}
    for line in allocation.lines.values():
        for location, units in line.cells.items():
            committed[location] = committed.get(location, 0) + units
        if line.backordered:
            backordered[line.location] = backordered.get(line.location, 0) + line.backordered
    gone: dict[str, int] = {}
    for cells in allocation.shipments.values():
        for location, units in cells.items():
            gone[location] = gone.get(location, 0) + units
    for location, units in ahead(allocation, gone).items():
        gone[location] = gone.get(location, 0) + units
        if location in committed:
            committed[location] = max(0, committed[location] - units)
    return Footprint(committed, backordered, gone)


def ahead(allocation: Allocation, shipped: dict[str, int] | None = None) -> dict[str, int]:
    """Location -> units that stock facts say have left for an order beyond what its shipments say."""
    found: dict[str, int] = {}
    if allocation.issued:
        if shipped is None:
            shipped = {}
            for cells in allocation.shipments.values():
                for location, units in cells.items():
                    shipped[location] = shipped.get(location, 0) + units
        unexplained = dict(shipped)
        for shipment, cells in allocation.issued.items():
            told = allocation.shipments.get(shipment, {})
            for location, units in cells.items():
                if shipment:
                    found[location] = found.get(location, 0) + max(0, units - told.get(location, 0))
                    unexplained[location] = unexplained.get(location, 0) - min(units, told.get(location, 0))
        for location, units in allocation.issued.get("", {}).items():
            found[location] = found.get(location, 0) + max(0, units - unexplained.get(location, 0))
    return found


def settle_footprint(head: Head, before: Footprint, after: Footprint) -> bool:
    """Moves the head by what an allocation's footprint has changed; in the order of dicts, never of sets,
    since cells are written in the order in which they appear. Whether units may have become free by it."""
    freed = False
    for location in before.committed | after.committed:
        change = after.committed.get(location, 0) - before.committed.get(location, 0)
        if change:
            head.cell(location).committed += change
            left = after.gone.get(location, 0) - before.gone.get(location, 0)
            freed = freed or change + left < 0
    for asked in before.backordered | after.backordered:
        change = after.backordered.get(asked, 0) - before.backordered.get(asked, 0)
        freed = freed or change < 0  # units that were set aside for it
        if change and asked is None:
            head.backordered += change
        elif change and asked is not None:
            head.cell(asked).backordered += change
    for location in before.gone | after.gone:
        change = after.gone.get(location, 0) - before.gone.get(location, 0)
        if change:
            head.cell(location).sellable -= change
            freed = freed or change < 0
    return freed


def locations_by_rank(head: Head) -> list[str]:
    """Locations in the order in which they are asked; nearest first once locations have ranks."""
    return sorted(head.cells)


def choose(
    open_by_location: dict[str, int], order: list[str], line: Taken, qty: int, single: bool, max_splits: int
) -> dict[str, int]:
    """Which cells give up to `qty` units to a line: location -> units, possibly nothing.

    `single`: one location gives all or none does. Otherwise the first in order give what they have, from at
    most `max_splits` locations (0: no limit), those the line already has included.
    """
    candidates = order if line.location is None else [line.location]
    if single:
        wanted = [loc for loc in line.cells if line.cells[loc]] or candidates
        for location in wanted:
            if open_by_location.get(location, 0) >= qty:
                return {location: qty}
        return {}
    used = {loc for loc, units in line.cells.items() if units}
    chosen: dict[str, int] = {}
    for location in candidates:
        if qty <= 0:
            break
        units = min(qty, open_by_location.get(location, 0))
        if units <= 0 or (max_splits and location not in used and len(used) >= max_splits):
            continue
        used.add(location)
        chosen[location] = units
        qty -= units
    return chosen


def set_aside(open_by_location: dict[str, int], order: list[str], location: str | None, qty: int) -> None:
    """Takes units that wait out of what those behind may have: a rank is kept, not only a place."""
    for name in order if location is None else [location]:
        units = min(qty, max(0, open_by_location.get(name, 0)))
        if units:
            open_by_location[name] -= units
            qty -= units
        if qty == 0:
            return


def give_back(line: Taken, units: int) -> int:
    """Returns up to `units` to the cells they were taken from, the last first, those at work in a
    warehouse never; how many could not be returned."""
    for location in sorted(line.cells, reverse=True):
        back = min(units, line.cells[location] - line.protected(location))
        if back > 0:
            take(line, location, back)
            units -= back
        if units == 0:
            break
    return units


def consume(line: Taken, location: str, units: int) -> None:
    """Units of a line have left from `location`: they come out of its cells, that very one first."""
    here = min(units, line.cells.get(location, 0))
    if here:
        take(line, location, here)
        units -= here
    for other in sorted(line.cells):
        if units == 0:
            return
        there = min(units, line.cells[other])
        take(line, other, there)
        units -= there


def take(line: Taken, location: str, units: int) -> None:
    """Takes units out of one cell of a line; none if there are none to take."""
    if units <= 0:
        return
    left = line.cells[location] - units
    if left:
        line.cells[location] = left
    else:
        del line.cells[location]
