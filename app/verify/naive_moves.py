"""How one line of a naive order goes to what the order now says of it, and gives units back."""

from __future__ import annotations

from springtide.app.verify.naive_wish import Line, Share, Wish, added, positive
from springtide.codecs.messages import DemandLine


def ship(line: Line, shipped: dict[str, int]) -> None:
    """To new totals of what left; a voided shipment's units are back, and still the line's."""
    was, line.shipped = line.shipped, positive(shipped)
    for at, units in was.items():
        back = units - line.shipped.get(at, 0)
        if back > 0:
            line.cells = added(line.cells, {at: back})
    for at, units in line.shipped.items():  # from that very place first, else from where the line has any
        more = units - was.get(at, 0)
        for place in [at, *sorted(line.cells.keys() - {at})]:
            gone = max(0, min(more, line.cells.get(place, 0)))
            line.cells = positive(added(line.cells, {place: -gone}))
            more -= gone


def give_back(line: Line, units: int) -> None:
    """Up to so many units, the last place's first, but for those at work."""
    for at in sorted(line.cells, reverse=True):
        back = min(units, line.cells[at] - line.at_work(at))
        if back > 0:
            line.cells = positive(added(line.cells, {at: -back}))
            units -= back


def give_up(line: Line) -> None:
    """What the order wants no more, those at work last."""
    wanted = max(0, line.want - sum(line.shipped.values()))
    give_back(line, sum(line.cells.values()) - wanted)
    for at in sorted(line.cells, reverse=True):
        back = min(max(0, sum(line.cells.values()) - wanted), line.cells[at])
        line.cells = positive(added(line.cells, {at: -back}))


def give_back_elsewhere(line: Line, at: str | None) -> None:
    for place in line.cells:
        if place != at:
            back = line.cells[place] - line.at_work(place)
            line.cells = added(line.cells, {place: -back})
    line.cells = positive(line.cells)


def go_to(line: Line, asked: DemandLine, is_new: bool, due: bool) -> None:
    """To what the order now says. Another place, or a later day that has not come, gives back what it has;
    and so do units beyond what is wanted or may be had."""
    moved = not is_new and asked.location is not None and asked.location != line.at
    later = asked.day is not None and (line.day is None or asked.day > line.day)
    moved = moved or (not is_new and not due and later)
    line.want, line.at, line.day, line.due = asked.want, asked.location, asked.day, due
    line.released, line.cap, line.queues, line.pool = asked.released, asked.cap, asked.queues, asked.pool
    line.lot, line.given_up = asked.lot, 0
    ship(line, asked.shipped)
    if moved:
        give_back_elsewhere(line, asked.location if due else None)
    give_up(line)
    if line.cap is not None:
        give_back(line, sum(line.has().values()) - line.cap)
    trim(line)


def planned(line: Line) -> int:
    return sum(units for _, _, units in [*line.plan, *line.leads])


def without(shares: list[Share], units: int, first: bool = False, at: str | None = None) -> list[Share]:
    """So many units fewer, the latest first, or the `first`; of one place or of all."""
    kept = []
    for day, place, count in sorted(shares, reverse=not first):
        out = min(units, count) if at in (None, place) else 0
        units -= out
        if count > out:
            kept.append((day, place, count - out))
    return sorted(kept)


def trim(line: Line) -> None:
    """No more is promised than it lacks: what is promised for after the lead time goes first, then the
    latest."""
    over = planned(line) - line.lacks()
    leads = sum(units for _, _, units in line.leads)
    if over > 0:
        line.leads = without(line.leads, over)
        line.plan = without(line.plan, max(0, over - leads))


def all_or_nothing(wish: Wish, single: bool) -> None:
    """Who must have all of it keeps no part, but for what a warehouse works on."""
    nothing = wish.parked or (wish.complete and any(line.lacks() for line in wish.lines.values()))
    for line in wish.lines.values():
        if nothing or (single and line.short() and line.cap is None):
            give_back(line, sum(line.cells.values()))


def cover_issued(wish: Wish, single: bool) -> None:
    """Units that left for an order before it had any there are its own: it lacks them no more."""
    if not wish.issued or wish.parked or wish.complete or single or not wish.tracked:
        return
    for at, units in wish.ahead().items():
        spare = units - sum(line.cells.get(at, 0) for line in wish.lines.values())
        for line in wish.lines.values():
            more = min(spare, line.short()) if line.at in (None, at) else 0
            if more > 0:
                line.cells = added(line.cells, {at: more})
                trim(line)
                spare -= more
