"""One line of an order at a SKU: how it takes, gives back and ships units, and how its promises follow."""

from __future__ import annotations

from collections.abc import Callable

from springtide.tables.footprint import ahead
from springtide.tables.sku import (
    Allocation,
    Plan,
    Taken,
)


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
    if line.lot > 1:
        over = (line.allocated + sum(chosen.values())) % line.lot
        for location in reversed(list(chosen)):
            fewer = min(over, chosen[location])
            chosen[location] -= fewer
            over -= fewer
            if not chosen[location]:
                del chosen[location]
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


def give_up(line: Taken, units: int) -> None:
    """Returns units that the order wants no more to the cells they were taken from, those at work in a
    warehouse last."""
    units = give_back(line, units)
    for location in sorted(line.cells, reverse=True):
        back = min(units, line.cells[location])
        take(line, location, back)
        units -= back


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


def give_back_elsewhere(line: Taken, location: str | None) -> int:
    """Gives back all units but those at a location and those a warehouse works on; how many that was."""
    units = 0
    for where in list(line.cells):
        if where != location:
            back = line.cells[where] - line.protected(where)
            take(line, where, back)
            units += back
    return units


def ship(line: Taken, shipped: dict[str, int]) -> None:
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


def cover_issued(row: Allocation) -> None:
    """Units that left for an order before it had any there are its own all the same: it lacks them no more,
    and no stock is needed for them."""
    if row.parked or row.complete or not row.tracked:
        return
    for location, units in ahead(row).items():
        uncovered = units - sum(line.cells.get(location, 0) for line in row.lines.values())
        for line in row.lines.values():
            more = min(uncovered, line.backordered)
            if more > 0 and line.location in (None, location):
                line.cells[location] = line.cells.get(location, 0) + more
                line.backordered -= more
                trim(line)
                uncovered -= more


def is_dated_row(row: Allocation) -> bool:
    """Whether a row may have anything in the dated one."""
    if row.complete or row.parked:
        return True
    return any(
        line.day is not None or line.cap is not None or line.plan or line.leads for line in row.lines.values()
    )


def merge_plans(plans: list[Plan], more: list[Plan]) -> list[Plan]:
    """Plans in sum, by day and location."""
    if not plans:
        return sorted(more)
    found: dict[tuple[int, str], int] = {}
    for day, where, units in [*plans, *more]:
        found[day, where] = found.get((day, where), 0) + units
    return [(day, where, found[day, where]) for day, where in sorted(found)]


def without_at(plans: list[Plan], location: str, units: int) -> list[Plan]:
    """Plans with so many units fewer at a location, the latest first."""
    kept: list[Plan] = []
    for day, where, planned in reversed(plans):
        out = min(units, planned) if where == location else 0
        units -= out
        if planned > out:
            kept.append((day, where, planned - out))
    return kept[::-1]


def is_later(plans: list[Plan], old: list[Plan]) -> bool:
    """Whether on some day less is planned than before."""
    for day, _, _ in old:
        before = sum(units for d, _, units in old if d <= day)
        if sum(units for d, _, units in plans if d <= day) < before:
            return True
    return False


def trim(line: Taken) -> bool:
    """Takes out of a line's plans what it lacks no more, the latest first; whether that was any."""
    if not line.plan and not line.leads:
        return False
    over = line.planned - line.uncovered
    if over <= 0:
        return False
    line.leads, over = less(line.leads, over)
    line.plan, over = less(line.plan, over)
    return True


def less(plan: list[Plan], units: int) -> tuple[list[Plan], int]:
    """(a plan with so many units fewer, the latest first; units it did not have)."""
    kept: list[Plan] = []
    for day, location, planned in reversed(plan):
        out = min(units, planned)
        units -= out
        if planned > out:
            kept.append((day, location, planned - out))
    return kept[::-1], units


def take_out(line: Taken, units: int, counts: Callable[[Plan], bool]) -> None:
    """Takes up to `units` out of those of a line's plans that count, the latest first."""
    kept: list[Plan] = []
    for plan in reversed(line.plan):
        day, where, planned = plan
        out = min(units, planned) if counts(plan) else 0
        units -= out
        if planned > out:
            kept.append((day, where, planned - out))
    line.plan = kept[::-1]


def use_up(line: Taken, location: str, units: int) -> None:
    """A line gets units at a location: they are of those planned for it there, the earliest first, so that
    what stays planned is still covered."""
    kept: list[Plan] = []
    for day, where, planned in line.plan:
        out = min(units, planned) if where == location else 0
        units -= out
        if planned > out:
            kept.append((day, where, planned - out))
    line.plan = kept


def is_worse(line: Taken) -> bool:
    """Whether on some day a line lacks more than its order was told."""
    told = line.told
    days = dict.fromkeys(day for plans in (told.promises, line.promises) for day, _, _ in plans)
    for day in days:
        before = told.want - sum(units for d, _, units in told.promises if d <= day)
        now = line.want - sum(units for d, _, units in line.promises if d <= day)
        if now > max(0, before):
            return True
    return False
