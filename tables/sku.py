"""What is true of one SKU, over all its locations, as the state its one writer keeps.

The state is several rows, so that an event costs what it changes and not what there is:

    <sku>                 Head        stock by cell, active holds, fences, totals: what ATP now is made of
    <sku> 0 a<order>      Allocation  what an order wants, has and lacks here, while anything is open
    <sku> 0 z<order>      Allocation  the same once nothing is open
    <sku> 0 d             Dated       supply, demand and plans by day, in sum; absent where there is none
    <sku> 0 p<supply>     Supply      one supply
    <sku> 0 q             Queue       who waits for stock, by rank
    <sku> 0 h<hold>       PastHold    how a hold ended
    <sku> 0 s<shipment>   ShipmentOf  whose a shipment is, for stock facts that name only the shipment
    0 W<sku>              True        while the SKU has anything that a change of the network may move

and those of the catalog, see there. All quantities are integers in base units, signed where a figure can be
short; days are days since 1970-01-01.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

STATE_VERSION: Final = 2
HOLDS_MAX: Final = 10_000
"""Holds that stand on one SKU at a time; more are refused. It bounds the head's size."""
FENCES_MAX: Final = 1_000
"""Ring-fences of one SKU; more are noted and not taken."""
NOTES_MAX: Final = 20
"""Remarks kept on a SKU; the oldest go first, their events stay in the log."""
ANYWHERE: Final = ""
"""Stands for the location of demand that names none, in keys of dated demand."""
Rank: TypeAlias = tuple[int, int, str]
"""(priority where the policy ranks by it, placed_us, order_id): the least comes first."""
WATCH_PREFIX: Final = b"\x00W"


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
    """A supply as its source last stated it. `due` is a day there. Until it is `scheduled` only what was
    received for it is known."""

    supply_id: str
    location: str = ""
    qty: int = 0
    due: int = 0
    firmness: str = "planned"
    received: int = 0
    cancelled: bool = False
    scheduled: bool = False
    event_id: str = ""

    @property
    def open(self) -> int:
        """Units still to come."""
        return 0 if self.cancelled or not self.scheduled else max(0, self.qty - self.received)


class Fence(msgspec.Struct, array_like=True, gc=False):
    """A ring-fence as its source last stated it. In force from `from_us` on and before `to_us`."""

    location: str | None
    channel: str
    qty: int
    rank: int
    valid_from: str | None = None
    valid_to: str | None = None
    from_us: int | None = None
    to_us: int | None = None
    used: int = 0
    """Units of the channel there that are committed, held, or shipped since the fence was first set."""

    @property
    def left(self) -> int:
        return max(0, self.qty - self.used)

    def in_force(self, from_us: int, until_us: int) -> bool:
        """At any instant from `from_us` on and before `until_us`."""
        return (self.from_us is None or self.from_us < until_us) and (
            self.to_us is None or from_us < self.to_us
        )


class Note(msgspec.Struct, array_like=True, gc=False):
    """Something a person may want to know: a refused hold, units taken back, stock below zero."""

    at_us: int
    kind: str
    detail: str
    event_id: str


class Head(msgspec.Struct, array_like=True, gc=False):
    """See the module."""

    sku: str
    cells: dict[str, Cell] = {}
    backordered: int = 0
    """Due and not covered, of lines that take any location."""
    holds: dict[str, Hold] = {}
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
    """Whether any stock, supply or catalog fact ever named this SKU; orders alone do not make one."""
    dated: bool = False
    """Whether there is a Dated row."""
    goods: bool = False
    """Whether there is a Goods row."""
    tracked: bool = True
    watched: bool = False
    """Whether there is a row by which a change of the network finds this SKU."""
    by_priority: bool = False
    """Whether the ranks of its orders count their priority."""
    open_orders: int = 0
    """Orders that are open here."""

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


Plan: TypeAlias = tuple[int, str, int]
"""(ship day, location, units)."""


class Told(msgspec.Struct, array_like=True, gc=False):
    """What an order was last told of a line."""

    want: int = 0
    backordered: int = 0
    allocated: dict[str, int] = {}
    """Location -> units, shipped ones included: shipping alone is no news to the order."""
    promises: list[Plan] = []


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
    """Due and not covered."""
    later: int = 0
    """Not covered of a line whose day has not come."""
    day: int | None = None
    """When it is to ship; None: today, whenever today is."""
    due: bool = True
    """Whether its day has come."""
    cap: int | None = None
    queues: bool = True
    pool: str | None = None
    sure: list[Plan] = []
    """When and where its allocated units ship, those that left included: as promised when they were taken."""
    plan: list[Plan] = []
    """When and where units that are not covered are to ship: stock and supply are kept for them."""
    leads: list[Plan] = []
    """The same for units that are promised for after the lead time, whatever there is then."""
    hoped: int | None = None
    """The last day of what was promised before it got worse; None: it has not."""
    told: Told = msgspec.field(default_factory=Told)
    lot: int = 1
    """It takes whole multiples of this only."""

    @property
    def allocated(self) -> int:
        return sum(self.cells.values()) + sum(self.shipped.values())

    @property
    def uncovered(self) -> int:
        return self.backordered + self.later

    @property
    def planned(self) -> int:
        if not self.plan and not self.leads:
            return 0
        return sum(units for _, _, units in self.plan) + sum(units for _, _, units in self.leads)

    @property
    def takes(self) -> int:
        """Units it may be given now."""
        if self.cap is None:
            return self.backordered
        return max(0, min(self.backordered, self.cap - self.allocated))

    @property
    def promises(self) -> list[Plan]:
        """When all its units ship, by day; what nothing covers is in none of them."""
        if not self.plan and not self.leads:
            return self.sure
        merged: dict[tuple[int, str], int] = {}
        for day, location, units in self.sure + self.plan + self.leads:
            merged[day, location] = merged.get((day, location), 0) + units
        return [(day, location, merged[day, location]) for day, location in sorted(merged)]

    def lose(self, units: int) -> None:
        """Units it had are not covered any more."""
        if self.due:
            self.backordered += units
        else:
            self.later += units

    def by_location(self) -> dict[str, int]:
        """Location -> units allocated, shipped ones included."""
        found = dict(self.cells)
        for location, units in self.shipped.items():
            found[location] = found.get(location, 0) + units
        return found

    @property
    def is_news(self) -> bool:
        """Whether the line has something else than its order was last told."""
        told = self.told
        return (
            self.backordered != told.backordered
            or (self.by_location() if self.shipped else self.cells) != told.allocated
            or self.promises != told.promises
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
    sourced: bool = False
    """Whether the order says how it is sourced."""
    keeps_safety: bool = False
    returns: dict[str, tuple[int, int, int]] = {}
    """Location -> units in quality control, sellable and damaged that its returns have brought."""
    ranks_first: int = 0
    """Its priority where the policy ranks by it, else 0."""
    tracked: bool = True
    """False: its units move no stock."""

    @property
    def rank(self) -> Rank:
        """First in line comes first: by when the order was placed, after its priority if the policy says so,
        ties by its id, so that all SKUs of a basket agree on who is first."""
        return (self.ranks_first, self.placed_us, self.order_id)

    @property
    def is_open(self) -> bool:
        for line in self.lines.values():
            if line.backordered or line.cells or line.later:
                return True
        return False

    @property
    def waits(self) -> bool:
        for line in self.lines.values():
            if line.backordered:
                return True
        return False

    @property
    def is_firm(self) -> bool:
        """Whether what is planned for it is kept from others. What it may not take though it is there, since
        it lacks something elsewhere, is only set aside by rank: nobody's units are kept in vain."""
        if self.parked:
            return False
        for line in self.lines.values():
            if line.cap is not None and line.allocated >= line.cap < line.want:
                return False
            if self.complete and line.planned < line.uncovered:
                return False
        return True

    def channel_of(self, line: Taken) -> str:
        return self.channel if line.pool is None else line.pool


class Queue(msgspec.Struct, array_like=True, gc=False):
    """Orders with backordered units here, sorted by rank."""

    entries: list[Rank] = []


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


class Dated(msgspec.Struct, array_like=True, gc=False):
    """What is known of a SKU by day, in sum over supplies and lines; what is 0 is left out."""

    supply: dict[str, dict[int, list[int]]] = {}
    """Location -> due day -> open units by firmness, in the order of FIRMNESS."""
    demand: dict[str, dict[int, list[int]]] = {}
    """Location or ANYWHERE -> requested day -> [allocated, not covered, of these due] units that have not
    shipped, of lines that name a day. Units not covered count where they are planned, else where the line
    asks for them."""
    plans: dict[str, dict[str, dict[int, int]]] = {}
    """Location -> channel -> ship day -> units that are not covered and promised for then."""
    soft: int = 0
    """Orders that may be promised more though nothing else is dated, as they may not take what is there: they
    are looked at again with each event."""
    leads: int = 0
    """Orders that are promised units for after the lead time, and may have them sooner."""

    @property
    def is_empty(self) -> bool:
        return not (self.supply or self.demand or self.plans or self.soft or self.leads)


FIRMNESS: Final = ("firm", "in_transit", "planned")
