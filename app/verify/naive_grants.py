"""Who gets the units of a naive SKU, who gives them up, and what is promised for the rest.

`settle` after any message: what the stock no longer covers is taken back, promises that nothing covers any more
give way, who waits is served, and what is still lacking is promised for when it comes. Always by rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from springtide.app.verify import naive_calendar as calendar
from springtide.app.verify import naive_moves as moves
from springtide.app.verify.naive_atp import lefts_on
from springtide.app.verify.naive_fences import effective, kept_from
from springtide.app.verify.naive_network import sourcing
from springtide.app.verify.naive_plans import (
    bound_by_rank,
    find,
    first_day,
    is_fenced,
    is_firm,
    lacks_before,
    open_places,
    planned,
    planned_by,
    room,
    spare,
    there,
)
from springtide.app.verify.naive_wish import Line, Share, Units, Wish, added, merged, positive

if TYPE_CHECKING:
    from springtide.app.verify.naive_sku import NaiveSku


def is_single(sku: NaiveSku, wish: Wish) -> bool:
    return wish.single or (not wish.sourced and sourcing(sku.policy())[0])


def max_splits(sku: NaiveSku, wish: Wish) -> int:
    return wish.max_splits or sourcing(sku.policy())[1]


def settle(sku: NaiveSku) -> None:
    for at in sorted(sku.committed):
        if sku.committed.get(at, 0) > max(0, sku.sellable(at)):
            take_back(sku, at)
    mend(sku)
    freed = sku.freed
    fill(sku)
    sku.freed = freed or sku.gained  # what was granted was free before
    for wish in list(sku.touched.values()):
        give_up(sku, wish)
    plan(sku)
    for wish in sku.touched.values():
        promise(sku, wish)


# --- what is lost ---


def take_back(sku: NaiveSku, at: str) -> None:
    """Stock was lost: the last in rank give up first, never what a warehouse works on."""
    having = [wish for wish in sku.wishes.values() if wish.counted[0].get(at)]
    for wish in sorted(having, key=sku.rank, reverse=True):
        for line_id in sorted(wish.lines, reverse=True):
            over = sku.committed.get(at, 0) - max(0, sku.sellable(at))
            if over <= 0:
                return
            line = wish.lines[line_id]
            has = line.cells.get(at, 0) - line.at_work(at)
            units = min(over, wish.counted[0].get(at, 0), has)
            if units > 0:
                line.cells = positive(added(line.cells, {at: -units}))
                moves.give_back(line, sum(line.has().values()) % line.lot)
                moves.all_or_nothing(wish, is_single(sku, wish))
                sku.count(wish)


def mend(sku: NaiveSku) -> None:
    """Where on any day more is promised than there is and will be, the last in rank give way."""
    places: list[str | None] = [*dict.fromkeys(one.location for one in planned(sku))]
    for at in [*places, None] if is_fenced(sku, None) else places:
        while any(give_way(sku, at, t, units) for t, units in breaks(sku, at)):
            pass


def breaks(sku: NaiveSku, at: str | None) -> list[tuple[int, int]]:
    """(place of the day after today, units) of each lack under what is promised; of a closed place all is
    lacking."""
    plans = planned(sku)
    if at is not None and not sku.network.is_open(at):
        last = sku.policy().horizon_days - 1
        return [(last, 1 << 62)] if any(one.location == at for one in plans) else []
    by_channel = planned_by(sku, at, plans)
    return [
        (t, -units)
        for t, units in enumerate(spare(sku, at, None))
        if units < 0 and any(curve[t] for curve in by_channel.values())
    ]


def give_way(sku: NaiveSku, at: str | None, t: int, units: int) -> bool:
    last = sku.policy().horizon_days - 1
    until = None if t == last else first_day(sku, at) + t

    def counts(share: Share) -> bool:
        here = share[1] == at or (at is None and sku.network.is_open(share[1]))
        return here and (until is None or share[0] <= until)

    for wish in sorted(sku.unsettled.values(), key=sku.rank, reverse=True):
        if not is_firm(wish) or not wish.tracked:
            continue
        for line_id in sorted(wish.lines, reverse=True):
            line = wish.lines[line_id]
            mine = [share for share in line.plan if counts(share)]
            if not mine or not helps(sku, wish.channel_of(line), at, t):
                continue
            if wish.complete:
                for each in wish.lines.values():
                    each.plan = []
            elif is_single(sku, wish):
                line.plan = []
            else:
                others = [share for share in line.plan if share not in mine]
                line.plan = merged([*others, *moves.without(mine, units)])
            sku.count(wish)
            return True
    return False


def helps(sku: NaiveSku, channel: str, at: str | None, t: int) -> bool:
    """Whether fewer promises to a channel help on a day: not if they are all within its own fence."""
    if not is_fenced(sku, at) or (at is not None and not sku.network.is_open(at)):
        return True
    today = first_day(sku, at)
    kept = effective(there(sku, at)[t], lefts_on(sku, at, today, today + t))
    by_channel = planned_by(sku, at, planned(sku))
    promised = by_channel[channel][t] if channel in by_channel else 0
    return promised > sum(left.units for left in kept if left.channel == channel)


# --- who waits ---


def fill(sku: NaiveSku) -> None:
    """Who waits is served by rank; what the first can't have yet is not given to those behind."""
    if not sku.freed and not any(wish.waits() for wish in sku.touched.values()):
        return  # what they could not take before they can't now
    left = {at: sku.unpromised(at) for at in open_places(sku)}
    for order_id in sorted(sku.waiting, key=lambda order_id: sku.rank(sku.wishes[order_id])):
        if all(units <= 0 for units in left.values()):
            return
        wish = sku.wishes[order_id]
        before = dict(wish.counted[0])
        granted = grants(sku, wish, left)
        for line_id, cells in granted.items():
            wish.lines[line_id].cells = added(wish.lines[line_id].cells, cells)
        for line_id, cells in granted.items():
            keep_plans_that_hold(sku, wish, wish.lines[line_id], cells)
        if granted:
            sku.count(wish)
        for at in left:  # what is committed now; some of it may have left already
            left[at] -= wish.counted[0].get(at, 0) - before.get(at, 0)
        for line in wish.lines.values():
            if line.queues:
                waits = line.short()
                mine = reach(sku, wish, line, left, {})
                for at in [line.at] if line.at is not None else list(left):
                    aside = min(waits, max(0, mine.get(at, 0)))
                    if aside:
                        left[at] -= aside
                        waits -= aside


def keep_plans_that_hold(sku: NaiveSku, wish: Wish, line: Line, cells: Mapping[str, int]) -> None:
    """Of what was promised the latest goes, as the line has those units now; but the earliest of those very
    places where what is left would not be covered."""
    plan = list(line.plan)
    moves.trim(line)
    sku.count(wish)
    if plan and any(breaks(sku, at) for _, at, _ in line.plan):
        line.plan = used_up(plan, cells)[1]
        moves.trim(line)
        sku.count(wish)


def grants(sku: NaiveSku, wish: Wish, left: Mapping[str, int]) -> dict[str, Units]:
    """line -> location -> units an order gets now; nothing where all of it can't be had and it must be."""
    if wish.parked:
        return {}
    taken: Units = {}
    given: list[Share] = []
    found: dict[str, Units] = {}
    single = is_single(sku, wish)
    for line_id, line in wish.lines.items():
        if not line.short():
            continue
        cells: Units = {}
        if not single or line.takes() == line.short():
            mine = reach(sku, wish, line, left, taken, given)
            cells = pick(line, mine, line.takes(), single, max_splits(sku, wish))
        if wish.complete and sum(cells.values()) < line.short():
            return {}
        if cells:
            found[line_id] = cells
            taken = added(taken, cells)
            # Who gets all that it lacks is promised nothing any more.
            whole = sum(cells.values()) == line.lacks()
            given += line.plan if whole else used_up(line.plan, cells)[0]
    return found


def used_up(shares: list[Share], cells: Mapping[str, int]) -> tuple[list[Share], list[Share]]:
    """(shares of what was promised at these places that the units there are, the earliest first; the rest)."""
    rest = dict(cells)
    used: list[Share] = []
    left: list[Share] = []
    for day, at, units in shares:
        part = min(units, rest.get(at, 0))
        rest[at] = rest.get(at, 0) - part
        used += [(day, at, part)] if part else []
        left += [(day, at, units - part)] if part < units else []
    return used, left


def reach(
    sku: NaiveSku,
    wish: Wish,
    line: Line,
    left: Mapping[str, int],
    taken: Mapping[str, int],
    given: Sequence[Share] = (),
) -> Units:
    """Units the line may take at each place: of those left for it, what neither other channels' fences keep
    nor anybody was promised, nor those before it in rank lack. `taken` is what lines before it in its order get, `given` what these were
    promised."""
    channel = wish.channel_of(line)
    lacks = lacks_before(sku, wish)
    found: Units = {}
    for at, units in left.items():
        if units <= 0 or line.at not in (None, at):
            continue
        kept = kept_from(sku.unpromised(at), lefts_on(sku, at, 0, 0), channel)
        most = min(units - kept, room(sku, at, channel, line, given, lacks)[0])
        if wish.keeps_safety:
            most -= sku.safety.get(at, 0)
        found[at] = most - taken.get(at, 0)
    if is_fenced(sku, None):
        whole = sum(sku.unpromised(at) for at in open_places(sku))
        most = whole - kept_from(whole, lefts_on(sku, None, 0, 0), channel)
        most = max(0, min(most, room(sku, None, channel, line, given)[0]) - sum(taken.values()))
        lower(found, most)
    if lacks:
        safety = wish.keeps_safety
        most = bound_by_rank(sku, channel, lacks, line, given, safety)[0] - sum(taken.values())
        lower(found, max(0, most))
    return found


def lower(found: Units, most: int) -> None:
    """To so much in sum, the first places kept first."""
    for at, units in found.items():
        found[at] = min(units, most)
        most -= max(0, found[at])


def pick(line: Line, left: Mapping[str, int], units: int, single: bool, most_places: int) -> Units:
    """Where up to so many units are taken from: one place for the whole if `single`, else the first places in
    order, over at most `most_places` places with those it already has (0: no limit)."""
    has = [at for at, count in line.cells.items() if count]
    places = list(left) if line.at is None else [line.at]
    if single:
        fitting = [at for at in has or places if left.get(at, 0) >= units]
        return {fitting[0]: units} if fitting and units else {}
    chosen: Units = {}
    for at in places:
        part = min(units, left.get(at, 0))
        used = {*has, *chosen}
        if part > 0 and (at in used or not most_places or len(used) < most_places):
            chosen[at] = part
            units -= part
    odd = (sum(line.has().values()) + sum(chosen.values())) % line.lot
    for at in reversed(chosen):
        less = min(odd, chosen[at])
        chosen[at] -= less
        odd -= less
    return positive(chosen)


def give_up(sku: NaiveSku, wish: Wish) -> None:
    """Lines that do not queue want no more than they got."""
    for line in wish.lines.values():
        if not line.queues and line.lacks():
            line.given_up += line.lacks()
            line.plan, line.leads = [], []
    sku.count(wish)


# --- what is promised ---


def hopes(wish: Wish, line: Line) -> bool:
    """Whether more or sooner may be promised of what it lacks."""
    if not line.lacks() or not line.queues:
        return False
    return (
        line.hoped is not None or bool(line.leads) or not is_firm(wish) or moves.planned(line) < line.lacks()
    )


def plan(sku: NaiveSku) -> None:
    """Whoever hopes for more or sooner is looked at, by rank. Where nothing has a date, who might take what is
    there has it: the rest is set aside for those before."""
    dated = sku.was_dated or sku.is_dated() or sku.goods.lead_time_days is not None
    everybody = (sku.freed and dated) or any(is_soft(wish) for wish in sku.unsettled.values())
    hoping = [
        wish
        for wish in sku.unsettled.values()
        if wish.tracked and any(hopes(wish, line) for line in wish.lines.values())
        if everybody or (wish.order_id in sku.touched and (dated or is_held_back(wish)))
    ]
    for wish in sorted(hoping, key=sku.rank):
        for line in wish.lines.values():
            if hopes(wish, line):
                plan_line(sku, wish, line)


def is_soft(wish: Wish) -> bool:
    """Whether it lacks units and others need not heed what it is promised, or it might not take them."""
    firm = is_firm(wish)
    return wish.tracked and any(
        line.lacks() and (line.cap is not None or not firm) for line in wish.lines.values()
    )


def heeded(wish: Wish) -> dict[str, int]:
    """What it is promised and others heed, by place, channel and day; and what it will lack, by day."""
    found: dict[str, int] = {}
    for line in wish.lines.values() if wish.tracked else ():
        if line.lacks() and not line.due:
            found[f"later {line.day}"] = found.get(f"later {line.day}", 0) + line.lacks()
    for line in wish.lines.values() if wish.tracked and is_firm(wish) else ():
        for day, at, units in line.plan:
            key = f"{at} {wish.channel_of(line)} {day}"
            found[key] = found.get(key, 0) + units
    return found


def is_held_back(wish: Wish) -> bool:
    """Whether an order may not take all that is there."""
    if wish.complete or wish.parked:
        return True
    return any((line.lacks() and not line.due) or line.cap is not None for line in wish.lines.values())


def plan_line(sku: NaiveSku, wish: Wish, line: Line) -> None:
    """What was promised stays as it is, unless all of it can be had no later."""
    old, firm = (line.plan, line.leads), is_firm(wish)
    single = is_single(sku, wish)
    if line.hoped is not None or not firm or line.leads or single:
        line.plan, line.leads = [], []
    lacks = line.lacks() - moves.planned(line)
    found = find(sku, wish, line, lacks, single, max_splits(sku, wish))
    whole = sum(line.has().values()) + moves.planned(line) + sum(units for _, _, units in found)
    found = moves.without(found, whole % line.lot)
    leads = lead(sku, line, old[1], lacks, found)
    if leads:
        found = [share for share in found if share[0] <= leads[0][0]]
    line.plan, line.leads = merged([*line.plan, *found]), leads
    if firm and is_later([*line.plan, *line.leads], [*old[0], *old[1]]):
        line.plan, line.leads = old
    sku.touch(wish)
    sku.count(wish)


def lead(sku: NaiveSku, line: Line, known: list[Share], units: int, found: list[Share]) -> list[Share]:
    """After the lead time any quantity is promised: all that can't be had before."""
    days = sku.goods.lead_time_days
    at = line.at or sku.network.nearest_open(sku.named)
    if days is None or at is None or not sku.network.is_open(at):
        return []
    day = calendar.ship_day(sku.place(at), max(sku.today(at) + days, line.day or 0), sku.now_us)
    if known:
        day, at = min(day, known[0][0]), known[0][1]
    units -= sum(count for when, _, count in found if when <= day)
    return [(day, at, units)] if units > 0 else []


def is_later(shares: list[Share], old: list[Share]) -> bool:
    """Whether up to some day fewer units are promised than before."""
    return any(up_to(shares, day) < up_to(old, day) for day, _, _ in old)


def up_to(shares: list[Share], day: int) -> int:
    return sum(units for when, _, units in shares if when <= day)


def promise(sku: NaiveSku, wish: Wish) -> None:
    """What it has ships when it was promised as it came to be there; and whether it hopes for what it was
    promised once."""
    for line in wish.lines.values():
        has = positive(line.has())
        had = {at: sum(units for _, place, units in line.sure if place == at) for _, at, _ in line.sure}
        for at in {**had, **has}:
            more = has.get(at, 0) - had.get(at, 0)
            if more > 0:
                today = sku.today(at)
                day = calendar.ship_day(sku.place(at), max(today, line.day or 0), sku.now_us)
                line.sure = merged([*line.sure, (day, at, more)])
            else:
                line.sure = moves.without(line.sure, -more, at=at)
        shares = line.promises()
        if line.hoped is not None:
            whole = moves.planned(line) == line.lacks()
            if not line.lacks() or (whole and shares[-1][0] <= line.hoped):
                line.hoped = None
        elif line.lacks() and sku.asker != wish.order_id and line.told.promises and is_worse(line):
            line.hoped = line.told.promises[-1][0]


def is_worse(line: Line) -> bool:
    """Whether up to some day more is lacking than its order was told."""
    was, now = line.told.promises, line.promises()
    return any(
        line.want - up_to(now, day) > max(0, line.told.want - up_to(was, day)) for day, _, _ in [*was, *now]
    )
