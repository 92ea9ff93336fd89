"""Available-to-promise of a naive SKU over time, from what its facts and its orders' lines say.

    figures(sku, "ber", channel=None)      # of one place
    figures(sku, None, channel="web")      # of all open ones, as a channel sees them

Each question works everything out from scratch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from springtide.app.verify import naive_calendar as calendar
from springtide.app.verify.naive_curves import (
    Curve,
    by_day,
    counts_at,
    cumulative,
    discrete,
    less,
    look_ahead,
    running,
)
from springtide.app.verify.naive_fences import Left, in_force, seen
from springtide.codecs.facts import PolicySet

if TYPE_CHECKING:
    from springtide.app.verify.naive_sku import NaiveSku


class Figures(NamedTuple):
    """A figure a day, the first of them `day`."""

    day: int
    cum: Curve
    atp: Curve
    buckets: list[int | None]


def demand_day(day: int | None, covered: bool, today: int, policy: PolicySet) -> int | None:
    """The day at which a demand counts; None if it counts nowhere."""
    if day is None or day >= today:
        return today if day is None else day
    if not covered and not policy.carry_shortage:
        return None
    fence = policy.demand_fence_days
    if covered or fence is None or today - day <= fence:
        return today + policy.demand_offset_days
    return None


def supply_of(sku: NaiveSku, at: str, today: int) -> list[tuple[int, int]]:
    """(day at which it counts, units) of each supply that does."""
    found = []
    policy = sku.policy()
    for supply in sku.scheduled():
        if supply.location == at and supply.firmness in policy.firmness:
            day = counts_at(supply.due, today, policy.supply_fence_days, policy.supply_offset_days)
            if day is not None:
                found.append((day, supply.open))
    return found


def demand_at(sku: NaiveSku, at: str, today: int) -> list[tuple[int, int]]:
    """(day at which it counts, units) of what is wanted there and has not left; "": of what is wanted
    anywhere."""
    found = []
    for wanted in sku.wanted():
        if wanted.location == at:
            day = demand_day(wanted.day, wanted.covered, today, sku.policy())
            if day is not None:
                found.append((day, wanted.units))
    return found


def lists(sku: NaiveSku, at: str) -> tuple[int, Curve, Curve]:
    """Opening, supply and demand of a place, its own today first."""
    today, horizon = sku.today(at), sku.policy().horizon_days
    opening = sku.sellable(at) - sku.safety.get(at, 0) - sku.held.get(at, 0)
    supply = by_day(supply_of(sku, at, today), today, horizon)
    return opening, supply, by_day(demand_at(sku, at, today), today, horizon)


def promisable(cum: Curve, buckets: list[int | None], method: str) -> Curve:
    if method == "cumulative":
        return cum
    return running(buckets) if method == "discrete" else look_ahead(cum)


def lefts_on(sku: NaiveSku, at: str | None, today: int, day: int) -> list[Left]:
    """What is unused of the fences that are in force on a day there; None: of those over all places."""
    place = sku.place(at)
    from_us, until_us = sku.now_us, sku.now_us + 1
    if day > today:
        from_us, until_us = calendar.midnight_us(place, day), calendar.midnight_us(place, day + 1)
    return [
        Left(fence.rank, fence.channel, max(0, fence.qty - sku.used(fence)))
        for fence in sku.fences.values()
        if fence.location == at and fence.qty and in_force(fence, from_us, until_us)
    ]


def opened(buckets: Curve, supply: Curve) -> list[int | None]:
    """What can be promised for each day, as buckets that begin with each supply and sum up to it."""
    days = [t for t in range(len(buckets)) if t == 0 or supply[t]]
    before = {t: buckets[days[n - 1]] if n else 0 for n, t in enumerate(days)}
    return [buckets[t] - before[t] if t in before else None for t in range(len(buckets))]


def is_fenced(sku: NaiveSku, at: str | None) -> bool:
    return any(fence.location == at for fence in sku.fences.values())


def seen_by(sku: NaiveSku, at: str | None, today: int, units: Curve, channel: str) -> Curve:
    """A figure a day as a channel sees it."""
    return [seen(there, lefts_on(sku, at, today, today + t), channel) for t, there in enumerate(units)]


def own(sku: NaiveSku, at: str, channel: str | None, method: str) -> Figures:
    """Of one place; what fences over all places keep is not looked at."""
    policy, today = sku.policy(), sku.today(at)
    opening, supply, demand = lists(sku, at)
    cum = cumulative(opening, supply, demand, policy.carry_shortage)
    buckets = discrete(opening, supply, demand)
    if channel is None or not is_fenced(sku, at):
        return Figures(today, cum, promisable(cum, buckets, method), buckets)
    cum = seen_by(sku, at, today, cum, channel)
    atp = cum if method == "cumulative" else look_ahead(cum)
    return Figures(today, cum, atp, opened(look_ahead(cum), supply))


def network_today(sku: NaiveSku) -> int:
    return min((sku.today(at) for at in sku.places()), default=sku.today(None))


def of_network(sku: NaiveSku, channel: str | None, method: str) -> Figures:
    """Of all open places in sum by calendar date, less what is wanted of any. Where a date has not come the
    place counts with its own today."""
    first, horizon = network_today(sku), sku.policy().horizon_days
    parts = [own(sku, at, channel, method) for at in sku.places() if sku.network.is_open(at)]
    wanted = by_day(demand_at(sku, "", first), first, horizon)

    def on(part: Figures, t: int) -> int:
        return max(0, first + t - part.day)

    there = [sum(part.cum[on(part, t)] for part in parts) for t in range(horizon)]
    if sku.policy().carry_shortage:
        waits = [sum(wanted[: t + 1]) for t in range(horizon)]
    else:  # what a day lacks is lost at its end: the next day no more waits than there was
        waits = []
        for t in range(horizon):
            waits.append(wanted[t] + (min(waits[-1], max(0, there[t - 1])) if waits else 0))
    cum = [there[t] - waits[t] for t in range(horizon)]
    atp = [sum(part.atp[on(part, t)] for part in parts) - waits[t] for t in range(horizon)]
    opening: list[int] = [0] * horizon
    begins = [t == 0 for t in range(horizon)]
    for part in parts:
        for t, units in enumerate(part.buckets):
            place = 0 if t == 0 else t + part.day - first
            if units is not None and place < horizon:
                opening[place] += units
                begins[place] = True
    kept = is_fenced(sku, None) and channel is not None
    buckets: list[int | None] = [opening[t] if begins[t] else None for t in range(horizon)]
    if any(wanted):
        buckets = less(buckets, wanted)
    if kept and channel is not None:
        seen_cum = seen_by(sku, None, first, cum, channel)
        atp = [a - (b - c) for a, b, c in zip(atp, cum, seen_cum, strict=True)]
        cum = seen_cum
        buckets = opened(look_ahead(atp), [int(begun) for begun in begins])
    if method == "discrete" and (any(wanted) or kept):
        atp = running(buckets)
    elif method == "look_ahead":
        atp = look_ahead(atp)
    return Figures(first, cum, atp, buckets)


def figures(sku: NaiveSku, at: str | None, channel: str | None, method: str | None = None) -> Figures:
    """Of one place or of all. A place has no more for a channel than all of them have."""
    method = method or sku.policy().method
    if at is None:
        return of_network(sku, channel, method)
    found = own(sku, at, channel, method)
    if channel is None or not is_fenced(sku, None):
        return found
    whole = of_network(sku, channel, method)
    ends = len(whole.atp) - 1
    atp = [
        min(units, whole.atp[min(ends, found.day + t - whole.day)])
        if found.day + t >= whole.day
        else min(units, 0)
        for t, units in enumerate(found.atp)
    ]
    return found._replace(atp=atp)


def now_at(sku: NaiveSku, at: str, channel: str | None) -> int:
    """What a new promise may take there now, as a channel sees it."""
    units = sku.free(at)
    return units if channel is None else seen(units, lefts_on(sku, at, 0, 0), channel)


def now_of_network(sku: NaiveSku, channel: str | None) -> int:
    waiting = sku.backordered("") if sku.policy().carry_shortage else 0
    units = sum(now_at(sku, at, channel) for at in sku.places() if sku.network.is_open(at)) - waiting
    return units if channel is None else seen(units, lefts_on(sku, None, 0, 0), channel)


def available_now(sku: NaiveSku, at: str | None, channel: str | None) -> int:
    if at is None:
        return now_of_network(sku, channel)
    here = now_at(sku, at, channel)
    fenced = channel is not None and is_fenced(sku, None)
    return min(here, now_of_network(sku, channel)) if fenced else here
