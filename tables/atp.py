"""The figures of a SKU as `GET /v1/atp` answers them, from its rows.

    available_now = sellable - safety_stock - committed - held - backordered

signed; `available` and `shortage` are its positive and negative parts. Days are ISO dates here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from springtide.codecs.times import rfc3339
from springtide.tables import calendar, dated
from springtide.tables.picture import Picture, Series, is_stale_demand
from springtide.tables.rows import ReadRows
from springtide.tables.sku import Allocation, Cell, Supply
from springtide.tables.ways import join_legs, whole_lots

BUCKETS: Final = ("sellable", "damaged", "quality_control", "reserved_other")
LISTED_MAX: Final = 1_000
"""Stale supplies or demands listed in one answer; the oldest come first."""
Source: TypeAlias = tuple[str, str | None]
"""(SKU, location) that gives units."""


def figures(
    rows: ReadRows,
    sku: str,
    now_us: int,
    location: str | None = None,
    channel: str | None = None,
    qty: int | None = None,
    by: int | None = None,
    method: str | None = None,
    exclude_order: str | None = None,
) -> dict[str, Any] | None:
    """All figures of a SKU at stream time `now_us`, of one location or all; None if it is unknown.

    `by` is a day; `method` (look_ahead, cumulative, discrete) overrides the policy's. `rows` must also reach
    the rows of a kit's components and of substitutes.
    """
    picture = Picture(rows, sku, now_us, exclude_order)
    if not picture.known:
        return None
    goods, policy = picture.goods, picture.policy
    method = method or policy.method
    product = goods.product
    body: dict[str, Any] = {
        "sku": sku,
        "location": location,
        "channel": channel,
        "uom": None if product is None else product.uom,
        "now": rfc3339(now_us),
        "untracked": not goods.tracked,
        "discontinued": goods.discontinued,
        "policy_version": policy.version,
    }
    if not goods.tracked:
        nothing = (*FIGURES, "packs", "curve", "discrete", "earliest", "stale_supply", "stale_demand")
        return body | dict.fromkeys(nothing)
    names = picture.open if location is None else [location]
    body |= stock(picture, names, whole=location is None)
    parts = _parts(rows, picture, now_us, exclude_order)
    now = _now(parts, location, channel)
    body |= {"available_now": now, "available": max(0, now), "shortage": max(0, -now)}
    packs = None if product is None else product.pack
    body["packs"] = {
        uom: {"factor": factor, "available": max(0, now) // factor} for uom, factor in (packs or {}).items()
    }
    series = _series(parts, location, channel, method)
    body["method"] = method
    body["curve"] = [
        {"date": calendar.iso(series.first + i), "cumulative": cum, "atp": atp}
        for i, (cum, atp) in enumerate(zip(series.cumulative, series.atp, strict=True))
    ]
    body["discrete"] = [
        {"date": calendar.iso(series.first + i), "atp": units} for i, units in enumerate(series.discrete)
    ]
    body["earliest"] = None if qty is None else earliest(rows, picture, qty, location, channel, method)
    if by is not None:
        body["by"] = {"date": calendar.iso(by), "available": series.at(by)}
    body["stale_supply"] = stale_supply(picture, location)
    body["stale_demand"] = stale_demand(picture, location)
    return body


FIGURES: Final = (
    *("on_hand", "buckets", "safety_stock", "committed", "held", "backordered"),
    *("available_now", "available", "shortage"),
)


def stock(picture: Picture, names: Sequence[str], whole: bool) -> dict[str, Any]:
    """Stock now at some locations in sum; `whole`: with what is backordered at none of them."""
    total = Cell()
    for name in names:
        cell = picture.cell(name)
        for field in Cell.__struct_fields__:
            setattr(total, field, getattr(total, field) + getattr(cell, field))
    return {
        "on_hand": total.on_hand,
        "buckets": {name: getattr(total, name) for name in BUCKETS},
        "safety_stock": total.safety_stock,
        "committed": total.committed,
        "held": total.held,
        "backordered": total.backordered + (picture.backordered_anywhere() if whole else 0),
    }


def stock_now(
    rows: ReadRows, sku: str, now_us: int, location: str | None = None, channel: str | None = None
) -> dict[str, int] | None:
    """The figures now alone, each bucket by its name; None if the SKU is unknown or untracked."""
    picture = Picture(rows, sku, now_us)
    if not picture.known or not picture.goods.tracked:
        return None
    found = stock(picture, picture.open if location is None else [location], whole=location is None)
    buckets: dict[str, int] = found.pop("buckets")
    now = _now(_parts(rows, picture, now_us, None), location, channel)
    return found | buckets | {"available_now": now, "available": max(0, now), "shortage": max(0, -now)}


def by_location(
    rows: ReadRows, sku: str, now_us: int, exclude_order: str | None = None
) -> list[dict[str, Any]]:
    """The figures now of each location of a SKU, by name."""
    picture = Picture(rows, sku, now_us, exclude_order)
    parts = _parts(rows, picture, now_us, exclude_order)
    return [
        {
            "location": name,
            "open": picture.place(name).open,
            **stock(picture, [name], whole=False),
            "available_now": _now(parts, name, None),
        }
        for name in sorted(picture.locations)
    ]


# --- kits ---


Parts: TypeAlias = list[tuple[Picture, int]]
"""What a unit is made of: itself, or a kit's components with how many it takes of each."""


def _parts(rows: ReadRows, picture: Picture, now_us: int, exclude_order: str | None) -> Parts:
    product = picture.goods.product
    if product is None or not product.kit:
        return [(picture, 1)]
    needed: dict[str, int] = {}
    for part in product.kit:
        needed[part.sku] = needed.get(part.sku, 0) + part.qty_per
    return [(Picture(rows, sku, now_us, exclude_order), qty) for sku, qty in needed.items()]


def _tracked(parts: Parts) -> Parts:
    """The parts that can be short."""
    return [(picture, qty) for picture, qty in parts if picture.goods.tracked]


def _now(parts: Parts, location: str | None, channel: str | None) -> int:
    found = [_one_now(picture, location, channel) // qty_per for picture, qty_per in _tracked(parts)]
    return min(found, default=0)


def _one_now(picture: Picture, location: str | None, channel: str | None) -> int:
    if location is None:
        return picture.network_now(channel)
    here = picture.seen_now(location, channel)
    fenced = channel is not None and any(f.location is None for f in picture.head.fences.values())
    return min(here, picture.network_now(channel)) if fenced else here


def _series(parts: Parts, location: str | None, channel: str | None, method: str) -> Series:
    all_series = [
        picture.series(location, channel, method).each(qty_per)
        if qty_per > 1
        else picture.series(location, channel, method)
        for picture, qty_per in _tracked(parts)
    ]
    if len(all_series) == 1:
        return all_series[0]
    first = min((s.first for s in all_series), default=0)
    count = min((len(s.atp) for s in all_series), default=0)

    def least(name: str) -> list[int]:
        return [
            min(getattr(s, name)[max(0, i - (s.first - first))] for s in all_series) for i in range(count)
        ]

    ahead = least("atp")
    discrete: list[int | None] = []
    had = 0
    for i, units in enumerate(ahead):
        discrete.append(units - had if i == 0 or units != had else None)
        had = units
    return Series(first, least("cumulative"), ahead, discrete)


# --- when a quantity can be had ---


Had: TypeAlias = list[tuple[int, str | None, int, str]]
"""(day, location, units, SKU) by day."""


def earliest(
    rows: ReadRows, picture: Picture, qty: int, location: str | None, channel: str | None, method: str
) -> dict[str, Any]:
    """When all of `qty` can be had, and from where, as a promise would be made: own units first, then those
    of substitutes that need no consent. `date` is None if it can't, with what can be had in `lines`."""
    product = picture.goods.product
    if product is not None and product.kit:
        lines = _kits(rows, picture, qty, location, channel, method)
    else:
        lines = _units(rows, picture, _stand_ins(picture), qty, location, channel, method)
    lines = _after_lead_time(picture, lines, qty, location)
    whole = sum(units for _, _, units, _ in lines) == qty
    return {
        "qty": qty,
        "date": calendar.iso(max(day for day, _, _, _ in lines)) if whole and lines else None,
        "lines": [
            {"date": calendar.iso(day), "qty": units, "location": where, "sku": sku}
            for day, where, units, sku in lines
        ],
    }


def _kits(
    rows: ReadRows, kit: Picture, qty: int, location: str | None, channel: str | None, method: str
) -> Had:
    """Whole kits, each when and where its last component can be had; the components may lie apart."""
    legs = []
    for part, per in _tracked(_parts(rows, kit, kit.now_us, kit.excluded)):
        units = qty * per
        lines = _units(rows, part, [], units, location, channel, method)
        lines = _after_lead_time(part, lines, units, location)
        legs.append(whole_lots([(day, where or "", more) for day, where, more, _ in lines], per))
    return [(day, where, kits, kit.sku) for day, where, kits in join_legs(legs)]


def _units(
    rows: ReadRows,
    picture: Picture,
    stand_ins: list[tuple[str, int]],
    qty: int,
    location: str | None,
    channel: str | None,
    method: str,
) -> Had:
    sources, bounds, first, starts = _sources(rows, picture, stand_ins, location, channel, method)
    weeks = {source: picture.place(source[1]).week for source in sources}

    def ships(source: Source, at: int) -> bool:
        return first + at >= starts[source] and calendar.works(weeks[source], first + at)

    policy = picture.policy
    found = dated.split(
        sources, qty, ships=ships, single=policy.single, max_splits=policy.max_splits, bounds=bounds
    )
    return [(first + at, source[1], units, source[0]) for at, source, units in found]


def _after_lead_time(picture: Picture, lines: Had, qty: int, location: str | None) -> Had:
    """What can't be had before is promised for after the lead time, if the product is."""
    lead = picture.goods.lead_time_days
    if lead is None:
        return lines
    where = location or picture.network.nearest_open(picture.locations)
    place = picture.place(where)
    by_then = place.ship_day(place.today(picture.now_us) + lead, picture.now_us)
    lines = [line for line in lines if line[0] <= by_then]
    rest = qty - sum(units for _, _, units, _ in lines)
    if rest and (where is None or place.open):
        lines.append((by_then, where, rest, picture.sku))
    return lines


def _sources(
    rows: ReadRows,
    picture: Picture,
    stand_ins: list[tuple[str, int]],
    location: str | None,
    channel: str | None,
    method: str,
) -> tuple[dict[Source, Sequence[int]], list[tuple[list[Source], Sequence[int]]], int, dict[Source, int]]:
    """(figures by source, nearest first and own before others', what they give in sum, the first day, the
    first day on which each ships)."""
    now_us = picture.now_us
    count = picture.policy.horizon_days
    found: dict[Source, Sequence[int]] = {}
    bounds: list[tuple[list[Source], Sequence[int]]] = []
    first = picture.today if location is None else picture.place(location).today(now_us)
    starts: dict[Source, int] = {}
    for sku, ratio in [(picture.sku, 1), *stand_ins]:
        other = picture if sku == picture.sku else Picture(rows, sku, now_us, picture.excluded)
        if not other.known or not other.goods.tracked:
            continue
        parts = _parts(rows, other, now_us, picture.excluded)
        names = dict.fromkeys(name for part, _ in parts for name in part.open)
        places = picture.network.nearest_first(list(names))
        mine: list[Source] = []
        for name in places if location is None else [n for n in places if n == location]:
            series = _series(parts, name, channel, method)
            found[sku, name] = [series.at(max(series.first, first + i)) // ratio for i in range(count)]
            place = picture.place(name)
            starts[sku, name] = place.ship_day(place.today(now_us), now_us)
            mine.append((sku, name))
        if location is None:
            whole = _series(parts, None, channel, method)
            bounds.append((mine, [whole.at(max(whole.first, first + i)) // ratio for i in range(count)]))
    return found, bounds, first, starts


def _stand_ins(picture: Picture) -> list[tuple[str, int]]:
    """(SKU, units of it that stand for one) of what takes a SKU's place without consent, the first to be
    asked first."""
    product = picture.goods.product
    if product is None:
        return []
    found: list[tuple[str, int]] = []
    successor = product.superseded_by
    if successor is not None and _is_valid(successor.valid_from, picture.now_us):
        found.append((successor.sku, 1))
    for substitute in product.substitutes or ():
        is_whole = substitute.ratio == int(substitute.ratio)
        valid = substitute.valid_from is None or _is_valid(substitute.valid_from, picture.now_us)
        if is_whole and valid and not substitute.needs_consent:
            found.append((substitute.sku, int(substitute.ratio)))
    return [(sku, ratio) for sku, ratio in dict(reversed(found)).items()][::-1]


def _is_valid(valid_from: str, now_us: int) -> bool:
    start, _ = calendar.span_us(valid_from, None)
    return start is None or start <= now_us


# --- what counts nowhere ---


def stale_supply(picture: Picture, location: str | None = None) -> list[dict[str, Any]]:
    """Supply overdue for longer than the policy waits, the oldest first."""
    fence = picture.policy.supply_fence_days
    known = picture.dated.supply
    late = {
        name: picture.place(name).today(picture.now_us) - fence for name in known if location in (None, name)
    }
    if not any(min(known[name]) < oldest for name, oldest in late.items()):
        return []
    found: list[tuple[int, Supply]] = []
    for _, supply in picture.rows.scan(picture.sku.encode() + b"\x00p"):
        if supply.open and supply.location in late and supply.due < late[supply.location]:
            found.append((late[supply.location] + fence - supply.due, supply))
    found.sort(key=lambda pair: (pair[1].due, pair[1].supply_id))
    return [
        {
            "supply_id": supply.supply_id,
            "location": supply.location,
            "qty": supply.open,
            "due": calendar.iso(supply.due),
            "firmness": supply.firmness,
            "overdue_days": overdue,
        }
        for overdue, supply in found[:LISTED_MAX]
    ]


def stale_demand(picture: Picture, location: str | None = None) -> list[dict[str, Any]]:
    """Demand overdue for longer than the policy waits and not allocated, the oldest first."""
    policy, now_us = picture.policy, picture.now_us
    if policy.demand_fence_days is None or not picture.dated.demand:
        return []
    found = []
    row: Allocation
    for _, row in picture.rows.scan(picture.sku.encode() + b"\x00a"):
        if row.order_id == picture.excluded:
            continue
        for line in row.lines.values():
            if line.day is None or not line.uncovered or location not in (None, line.location):
                continue
            today = picture.today if line.location is None else picture.place(line.location).today(now_us)
            if is_stale_demand(line.day, policy, today):
                found.append((line.day, row.order_id, line, today - line.day))
    found.sort(key=lambda item: (item[0], item[1], item[2].line_id))
    return [
        {
            "order_id": order_id,
            "line_id": line.line_id,
            "location": line.location,
            "qty": line.uncovered,
            "requested_date": calendar.iso(day),
            "overdue_days": overdue,
        }
        for day, order_id, line, overdue in found[:LISTED_MAX]
    ]


def stands_until_us(rows: ReadRows, sku: str, now_us: int) -> int | None:
    """The stream time up to which the answer at `now_us` stays the same if the rows do; None: for ever."""
    picture = Picture(rows, sku, now_us)
    ends = [hold.expires_us for hold in picture.head.holds.values() if hold.expires_us > now_us]
    zones = dict.fromkeys(picture.place(name).timezone for name in picture.locations) or {"UTC": None}
    ends += [calendar.midnight_us(zone, calendar.today(zone, now_us) + 1) for zone in zones]
    for fence in picture.head.fences.values():
        ends += [at for at in (fence.from_us, fence.to_us) if at is not None and at > now_us]
    for name in picture.locations:
        place = picture.place(name)
        if place.cutoff_s is not None:
            today = place.today(now_us)
            cutoff_us = calendar.midnight_us(place.timezone, today) + place.cutoff_s * 1_000_000
            ends += [cutoff_us] if cutoff_us > now_us else []
    return min(ends, default=None)
