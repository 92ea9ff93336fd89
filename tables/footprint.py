"""What an order contributes to the sums of a SKU, and how these follow it."""

from __future__ import annotations

from typing import Final

import msgspec

from springtide.tables.sku import (
    ANYWHERE,
    FIRMNESS,
    Allocation,
    Dated,
    Head,
    Supply,
)


class Footprint(msgspec.Struct, array_like=True, gc=False):
    """What one allocation contributes to its SKU's head and dated row, which move by the difference of two."""

    committed: dict[str, int]
    backordered: dict[str | None, int]
    gone: dict[str, int]
    dated: dict[tuple[str, int], tuple[int, int, int]] = {}
    plans: dict[tuple[str, str, int], int] = {}
    used: dict[tuple[str, str], int] = {}
    """(channel, location) -> units committed or shipped; only where there are fences."""
    soft: int = 0
    leads: int = 0
    later: dict[int, int] = {}
    """Day that has not come -> units not covered."""

    @property
    def is_dated(self) -> bool:
        return bool(self.dated or self.plans or self.soft or self.leads)


NO_FOOTPRINT: Final = Footprint({}, {}, {})
_NOTHING: Final = (0, 0, 0)


def footprint(allocation: Allocation, fenced: bool = False) -> Footprint:
    """Committed and gone units by location, and backordered ones by where they are to come from (None: any).

    The same shipment can be told twice, by `shipment.shipped` and by `inventory.issued`; its units leave
    once: per shipment and location the greater of the two counts. Issues that name no shipment stand for
    shipped units that no other issue explains. Units issued but not yet told as shipped are still in the
    lines' cells, but no longer committed: they have left.
    """
    if not allocation.tracked:
        return NO_FOOTPRINT
    committed: dict[str, int] = {}
    backordered: dict[str | None, int] = {}
    is_dated = fenced
    is_short = False
    is_held_back = allocation.complete or allocation.parked
    for line in allocation.lines.values():
        is_held_back = is_held_back or line.cap is not None
        for location, units in line.cells.items():
            committed[location] = committed.get(location, 0) + units
        if line.plan or line.leads or line.day is not None:
            is_dated = True
        if line.backordered:
            is_short = True
            short = line.backordered
            for _, location, units in line.plan + line.leads:
                part = min(short, units)
                if part:
                    backordered[location] = backordered.get(location, 0) + part
                    short -= part
            if short:
                backordered[line.location] = backordered.get(line.location, 0) + short
    gone: dict[str, int] = {}
    for cells in allocation.shipments.values():
        for location, units in cells.items():
            gone[location] = gone.get(location, 0) + units
    early = ahead(allocation, gone)
    found = Footprint(committed, backordered, gone)
    if is_dated or (is_short and is_held_back):
        _date(found, allocation, early, fenced)
    for location, units in early.items():
        gone[location] = gone.get(location, 0) + units
        if location in committed:
            committed[location] = max(0, committed[location] - units)
    return found


def _date(found: Footprint, allocation: Allocation, early: dict[str, int], fenced: bool) -> None:
    """Adds what an allocation contributes by day, and to ring-fences. `early`: see `ahead`."""
    dated: dict[tuple[str, int], tuple[int, int, int]] = {}
    plans: dict[tuple[str, str, int], int] = {}
    used: dict[tuple[str, str], int] = {}
    later: dict[int, int] = {}
    is_firm = allocation.is_firm
    undated = {
        location: sum(line.cells.get(location, 0) for line in allocation.lines.values() if line.day is None)
        for location in early
    }
    for line in allocation.lines.values():
        channel = allocation.channel_of(line)
        if (line.backordered or line.later) and (line.cap is not None or not is_firm):
            found.soft = 1
        if line.leads:
            found.leads = 1
        if line.plan and is_firm:
            for day, location, units in line.plan:
                key = (location, channel, day)
                plans[key] = plans.get(key, 0) + units
        if line.day is not None:
            for location, units in line.cells.items():
                left = units
                if location in early:  # what was issued before it was told as shipped is demand no more
                    over = max(0, min(units, early[location] - undated[location]))
                    undated[location] += over
                    left -= over
                if left:
                    a, u, d = dated.get((location, line.day), _NOTHING)
                    dated[location, line.day] = (a + left, u, d)
            if line.later:
                later[line.day] = later.get(line.day, 0) + line.later
            short = line.uncovered
            for _, location, units in line.plan + line.leads:
                part = min(short, units)
                if part:
                    a, u, d = dated.get((location, line.day), _NOTHING)
                    dated[location, line.day] = (a, u + part, d + (part if line.due else 0))
                    short -= part
            if short:
                asked = line.location or ANYWHERE
                a, u, d = dated.get((asked, line.day), _NOTHING)
                dated[asked, line.day] = (a, u + short, d + (short if line.due else 0))
        if fenced:
            for cells in (line.cells, line.shipped):
                for location, units in cells.items():
                    used[channel, location] = used.get((channel, location), 0) + units
    found.dated, found.plans, found.used, found.later = dated, plans, used, later


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


def settle_dated(dated: Dated, before: Footprint, after: Footprint) -> None:
    """The same for what is known by day."""
    dated.soft += after.soft - before.soft
    dated.leads += after.leads - before.leads
    for key in before.dated | after.dated:
        had, has = before.dated.get(key, _NOTHING), after.dated.get(key, _NOTHING)
        if had != has:
            location, day = key
            days = dated.demand.setdefault(location, {})
            units = [n + b - a for n, a, b in zip(days.get(day, _NOTHING), had, has, strict=True)]
            if any(units):
                days[day] = units
            else:
                days.pop(day, None)
                if not days:
                    del dated.demand[location]
    for plan in before.plans | after.plans:
        change = after.plans.get(plan, 0) - before.plans.get(plan, 0)
        if change:
            location, channel, day = plan
            channels = dated.plans.setdefault(location, {})
            planned = channels.setdefault(channel, {})
            planned[day] = planned.get(day, 0) + change
            if not planned[day]:
                del planned[day]
                if not planned:
                    del channels[channel]
                    if not channels:
                        del dated.plans[location]


def settle_fences(head: Head, before: Footprint, after: Footprint) -> bool:
    """The same for what channels have used of their fences. Whether more may be left to other channels by it:
    units that a fence counts as used now, though they left the stock before."""
    freed = False
    for key in before.used | after.used:
        change = after.used.get(key, 0) - before.used.get(key, 0)
        if change:
            channel, location = key
            use_fences(head, channel, location, change)
            taken = after.committed.get(location, 0) - before.committed.get(location, 0)
            taken += after.gone.get(location, 0) - before.gone.get(location, 0)
            freed = freed or change > max(0, taken)
    return freed


def use_fences(head: Head, channel: str | None, location: str, units: int) -> None:
    """A channel uses so many units more of a location."""
    for fence in head.fences.values():
        if fence.channel == channel and fence.location in (None, location):
            fence.used += units


def schedule_supply(dated: Dated, supply: Supply, units: int) -> None:
    """So many units more are to come by a supply; what is 0 goes."""
    if not units:
        return
    days = dated.supply.setdefault(supply.location, {})
    by_firmness = days.setdefault(supply.due, [0, 0, 0])
    by_firmness[FIRMNESS.index(supply.firmness)] += units
    if not any(by_firmness):
        del days[supply.due]
        if not days:
            del dated.supply[supply.location]
