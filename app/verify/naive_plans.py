"""What a naive SKU may still promise for units that it does not have, and what it promised already.

A place's room on a day is what is there and to come by then (safety stock may be eaten), less what is promised
of it by then, less what fences keep for channels beyond what these were promised. Worked out anew at each
question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from springtide.app.verify import naive_calendar as calendar
from springtide.app.verify.naive_atp import lefts_on, supply_of
from springtide.app.verify.naive_curves import Curve, by_day, cumulative, look_ahead
from springtide.app.verify.naive_fences import effective
from springtide.app.verify.naive_wish import Line, Share, Wish

if TYPE_CHECKING:
    from springtide.app.verify.naive_sku import NaiveSku


class Planned(NamedTuple):
    """Units that nothing covers yet and that are promised from a place. Lines that may not take what is
    there, since they lack something elsewhere, keep nothing from others."""

    location: str
    channel: str
    day: int
    units: int


def is_firm(wish: Wish) -> bool:
    if wish.parked:
        return False
    for line in wish.lines.values():
        if line.cap is not None and sum(line.has().values()) >= line.cap < line.want:
            return False
        promised = sum(units for _, _, units in [*line.plan, *line.leads])
        if wish.complete and promised < line.lacks():
            return False
    return True


def planned(sku: NaiveSku, but: Line | None = None, given: Sequence[Share] = ()) -> list[Planned]:
    """All but one line's; of its own order those of the other lines in any case, but for those `given` up."""
    found = []
    for wish in sku.unsettled.values():
        is_own = any(line is but for line in wish.lines.values())
        firm = is_firm(wish)
        if not wish.tracked or not (firm or is_own):
            continue
        for line in wish.lines.values():
            if line is but:
                channel = wish.channel_of(line)
                found += [Planned(location, channel, day, -units) for day, location, units in given]
            else:  # those that nobody else heeds count as of the asker's channel
                channel = wish.channel_of(line if firm or but is None else but)
                found += [Planned(location, channel, day, units) for day, location, units in line.plan]
    return found


class Lack(NamedTuple):
    """Units that an order lacks from a day on, of a place or (None) of any; negative: it is promised them then."""

    location: str | None
    channel: str
    day: int | None
    units: int


def lacks_before(sku: NaiveSku, wish: Wish) -> list[Lack]:
    """What orders before this one in rank lack from the day on which they want it shipped until they are promised
    it."""
    found = []
    for other in sku.unsettled.values():
        if not other.tracked or sku.rank(other) >= sku.rank(wish):
            continue
        for line in other.lines.values():
            if not line.queues or not line.lacks():
                continue
            channel = other.channel_of(line)
            found.append(Lack(line.at, channel, None if line.due else line.day, line.lacks()))
            if is_firm(other):
                found += [Lack(line.at, channel, day, -units) for day, _, units in line.plan]
    return found


def kept_ahead(sku: NaiveSku, at: str | None, channel: str, lacks: Sequence[Lack]) -> Curve:
    """Units kept at a place (None: at any) for those before in rank: no more than their channels see, nor than
    this one does, with all that is promised left to whom it was promised."""
    horizon, first = sku.policy().horizon_days, first_day(sku, at)
    found = [0] * horizon
    if all(lack.location != at for lack in lacks):
        return found
    for name in {lack.channel: None for lack in lacks if lack.location == at}:
        curve = [0] * horizon
        for lack in lacks:
            if lack.location == at and lack.channel == name:
                index = 0 if lack.day is None else max(0, lack.day - first)
                for t in range(min(index, horizon - 1), horizon):
                    curve[t] += lack.units
        if name != channel and sku.fences:
            curve = had_of(curve, spare_at(sku, at, name))
        found = [a + b for a, b in zip(found, curve, strict=True)]
    return had_of(found, spare_at(sku, at, channel))


def had_of(curve: Curve, spare: Curve) -> Curve:
    """What those who lack so much on each day could have on it of what is spare: it is gone on all later days as
    well, up to the day on which they have what they are promised."""
    there = [max(0, units) for units in spare]
    always = look_ahead(there)
    found = []
    for t in range(len(curve)):
        most = curve[t]
        if most > always[t]:
            most = min(most, *(there[u] + max(0, curve[t] - curve[u]) for u in range(t, len(curve))))
        found.append(most)
    return found


def spare_at(sku: NaiveSku, at: str | None, channel: str) -> Curve:
    return in_sum(sku, channel) if at is None else spare(sku, at, channel)


def in_sum(
    sku: NaiveSku,
    channel: str,
    but: Line | None = None,
    given: Sequence[Share] = (),
    lacks: Sequence[Lack] = (),
    safety: bool = False,
) -> Curve:
    """What open places have for a channel's next line in sum, those that are short not counted."""
    horizon, first = sku.policy().horizon_days, first_day(sku, None)
    found = [0] * horizon
    for at in open_places(sku):
        own = first_day(sku, at)
        here = left_at(sku, at, channel, but, given, lacks)
        for t in range(horizon):
            kept = sku.safety.get(at, 0) if safety else 0
            found[t] += max(0, here[max(0, first + t - own)] - kept)
    if is_fenced(sku, None):
        found = [min(a, b) for a, b in zip(found, spare(sku, None, channel, but, given), strict=True)]
    return found


def left_at(
    sku: NaiveSku,
    at: str,
    channel: str,
    but: Line | None = None,
    given: Sequence[Share] = (),
    lacks: Sequence[Lack] = (),
) -> Curve:
    """A place's spare units less those that are kept there for lines that ask for this very place."""
    ahead = kept_ahead(sku, at, channel, lacks)
    return [a - b for a, b in zip(spare(sku, at, channel, but, given), ahead, strict=True)]


def bound_by_rank(
    sku: NaiveSku,
    channel: str,
    lacks: Sequence[Lack],
    but: Line | None = None,
    given: Sequence[Share] = (),
    safety: bool = False,
) -> Curve:
    """What all open places leave for each day once those before in rank have what they lack."""
    whole = in_sum(sku, channel, but, given, lacks, safety)
    ahead = kept_ahead(sku, None, channel, lacks)
    return look_ahead([a - b for a, b in zip(whole, ahead, strict=True)])


def open_places(sku: NaiveSku) -> list[str]:
    return [at for at in sku.network.nearest(sku.named) if sku.network.is_open(at)]


def first_day(sku: NaiveSku, at: str | None) -> int:
    """A place's today; of all (None) the least."""
    return sku.today(at) if at is not None else min((sku.today(n) for n in open_places(sku)), default=0)


def is_fenced(sku: NaiveSku, at: str | None) -> bool:
    """Whether a fence there keeps anything, now or later."""
    return any(
        fence.location == at
        and fence.qty > sku.used(fence)
        and (fence.to_us is None or fence.to_us > sku.now_us)
        for fence in sku.fences.values()
    )


def there(sku: NaiveSku, at: str | None) -> Curve:
    """What is there and to come by each day, the first of them the place's today. None: in all open places by
    date; one where a date has not come counts with its own today."""
    horizon, first = sku.policy().horizon_days, first_day(sku, at)
    if at is None:
        parts = [(first_day(sku, name), there(sku, name)) for name in open_places(sku)]
        return [sum(part[max(0, first + t - day)] for day, part in parts) for t in range(horizon)]
    supply = by_day(supply_of(sku, at, first), first, horizon)
    return cumulative(sku.unpromised(at), supply, [0] * horizon)


def planned_by(sku: NaiveSku, at: str | None, plans: Sequence[Planned]) -> dict[str, Curve]:
    """Channel -> units promised of a place (None: of all open ones) by each day. What is promised for after
    the horizon counts on its last day; where a date has not come, the place's own today counts."""
    horizon, first = sku.policy().horizon_days, first_day(sku, at)
    days = {one.location: sku.today(one.location) for one in plans}
    found: dict[str, Curve] = {}
    for one in plans:
        if one.location == at or (at is None and sku.network.is_open(one.location)):
            own = days[one.location]
            curve = found.setdefault(one.channel, [0] * horizon)
            for t in range(horizon):
                index = max(0, first + t - own)
                if one.day <= own + index or index == horizon - 1:
                    curve[t] += one.units
    return found


def spare(
    sku: NaiveSku,
    at: str | None,
    channel: str | None,
    but: Line | None = None,
    given: Sequence[Share] = (),
) -> Curve:
    """What is left of it for a channel's next line. None: of all that fences keep and lines were promised."""
    plans = planned_by(sku, at, planned(sku, but, given))
    today, fenced = first_day(sku, at), is_fenced(sku, at)
    found = []
    for t, units in enumerate(there(sku, at)):
        by_channel = {name: curve[t] for name, curve in plans.items()}
        if fenced:
            for left in effective(units, lefts_on(sku, at, today, today + t)):
                if left.channel != channel:
                    by_channel[left.channel] = max(by_channel.get(left.channel, 0), left.units)
        found.append(units - sum(by_channel.values()))
    return found


def room(
    sku: NaiveSku,
    at: str | None,
    channel: str,
    but: Line | None = None,
    given: Sequence[Share] = (),
    lacks: Sequence[Lack] = (),
) -> Curve:
    """What may be promised for each day so that nothing promised breaks."""
    if at is not None and not sku.network.is_open(at):
        return [0] * sku.policy().horizon_days
    if at is None:
        return look_ahead(spare(sku, at, channel, but, given))
    return look_ahead(left_at(sku, at, channel, but, given, lacks))


def find(sku: NaiveSku, wish: Wish, line: Line, units: int, single: bool, max_splits: int) -> list[Share]:
    """The soonest days and nearest places for up to so many units."""
    places = sku.network.nearest(sku.named) if line.at is None else [line.at]
    places = [at for at in places if sku.network.is_open(at)]
    if single and line.cells:
        places = [at for at in places if line.cells.get(at)]
    horizon = sku.policy().horizon_days
    whole = line if not line.plan else None
    channel = wish.channel_of(line)
    lacks = lacks_before(sku, wish)
    rooms: dict[str, dict[int, int]] = {}
    starts: dict[str, int] = {}
    for at in places:
        today = sku.today(at)
        left = room(sku, at, channel, whole, lacks=lacks)
        if wish.keeps_safety:
            left = [units_left - sku.safety.get(at, 0) for units_left in left]
        if left[-1] > 0:
            rooms[at] = {today + t: units_left for t, units_left in enumerate(left)}
            starts[at] = calendar.ship_day(sku.place(at), today if line.day is None else line.day, sku.now_us)
    if not rooms:
        return []
    first = min(min(by_date) for by_date in rooms.values())
    last = first + horizon - 1
    whole_first = first_day(sku, None)
    bounds: list[dict[int, int]] = []
    if lacks:
        curve = bound_by_rank(sku, channel, lacks, whole, safety=wish.keeps_safety)
        bounds.append({whole_first + t: units_left for t, units_left in enumerate(curve)})
    if is_fenced(sku, None):
        curve = room(sku, None, channel, whole)
        whole_last = whole_first + horizon - 1
        bounds.append(
            {day: curve[min(day, whole_last) - whole_first] for day in range(whole_first, last + 1)}
        )
    used = dict.fromkeys([*line.cells, *(at for _, at, _ in line.plan)], 0)
    found: list[Share] = []
    for day in range(first, last + 1):
        for at, by_date in rooms.items():
            # A place where this date has not come gives what it gives then.
            here = by_date.get(day, by_date[min(by_date)])
            is_last = day == last
            begins = min(starts[at], last)
            if day < begins or not (calendar.works(sku.place(at), day) or (is_last and starts[at] >= last)):
                continue
            if single:
                if min([here, *(bound[day] for bound in bounds if day in bound)]) >= units:
                    return [(max(day, starts[at]), at, units)]
                continue
            part = min(units, here - used.get(at, 0))
            part = min([part, *(bound[day] - sum(used.values()) for bound in bounds if day in bound)])
            if part > 0 and (at in used or not max_splits or len(used) < max_splits):
                used[at] = used.get(at, 0) + part
                found.append((max(day, starts[at]), at, part))
                units -= part
    return found
