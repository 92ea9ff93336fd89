"""What an order's lines were first promised and are promised now, and the answer to a promise asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from springtide.codecs.times import rfc3339
from springtide.tables.calendar import iso
from springtide.tables.catalog import Network
from springtide.tables.order import Dated, Line, Order, PromisedLine

OUTCOMES = ("refused", "partial", "backordered", "split", "confirmed")
"""Of a line; the order's is the first of these that any of its lines has, and refused only if all are."""


class Risk(msgspec.Struct, gc=False):
    """A promise that breaks: units that ship later than first promised, or that nothing covers any more."""

    qty: int
    first_day: int
    """The latest day that these units were first promised for."""
    day: int | None
    """The latest day that they are promised for now; None: some have none."""
    cause: str | None


def units_by_day(promises: Iterable[Dated], most: int) -> list[tuple[int, int]]:
    """(day, units) of the first `most` units by day."""
    found: list[tuple[int, int]] = []
    for day, _, units, _ in promises:
        taken = min(units, most)
        if taken <= 0:
            break
        most -= taken
        if found and found[-1][0] == day:
            found[-1] = (day, found[-1][1] + taken)
        else:
            found.append((day, taken))
    return found


def promised(line: Line) -> int:
    """Units that have a date."""
    found = 0
    for _, _, units, _ in line.promises:
        found += units
    return found


def extend_first(line: Line) -> None:
    """Units that have a date for the first time: it stays what was first promised for them."""
    if not line.first and len(line.promises) == 1:
        line.first = ((line.promises[0][0], line.promises[0][2]),)
        return
    more = promised(line) - sum([units for _, units in line.first])
    if more <= 0:
        return
    by_day = dict(line.first)
    for day, units in reversed(units_by_day(line.promises, promised(line))):
        taken = min(more, units - by_day.get(day, 0))
        if taken > 0:
            by_day[day] = by_day.get(day, 0) + taken
            more -= taken
    line.first = tuple(sorted(by_day.items()))


def risk(line: Line, shipped: int) -> Risk | None:
    """Whether the line's promise breaks: unit by unit in order of day, those that have shipped left out."""
    first = _between(line.first, shipped, line.open)
    if not first:
        return None
    now = _between(units_by_day(line.promises, line.open), shipped, line.open)
    late = 0
    first_day: int | None = None
    day: int | None = None
    lost = False
    while first:
        was, units = first.pop(0)
        if not now:
            late, first_day, lost = late + units, was, True
            continue
        at, more = now.pop(0)
        both = min(units, more)
        if at > was:
            late, first_day, day = late + both, was, at
        if units > both:
            first.insert(0, (was, units - both))
        if more > both:
            now.insert(0, (at, more - both))
    if first_day is None:
        return None
    return Risk(late, first_day, None if lost else day, line.cause)


def _between(by_day: Sequence[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    """Of units in order of day those from the `start`-th to the `end`-th."""
    found: list[tuple[int, int]] = []
    at = 0
    for day, units in by_day:
        part = min(at + units, end) - max(at, start)
        at += units
        if part > 0:
            found.append((day, part))
    return found


def together(promises: Sequence[tuple[Line, tuple[Dated, ...]]]) -> list[tuple[Line, tuple[Dated, ...]]]:
    """Promises of an order that ships complete: all on the day of the last, and none while any unit has no
    day."""
    open_lines = [(line, dated) for line, dated in promises if line.open > 0]
    if any(sum(units for _, _, units, _ in dated) < line.open for line, dated in open_lines):
        return [(line, ()) for line, _ in promises]
    last = max((dated[-1][0] for _, dated in open_lines), default=0)
    found = []
    for line, dated in promises:
        places: dict[tuple[str, str], int] = {}
        for _, location, units, sku in dated:
            places[location, sku] = places.get((location, sku), 0) + units
        merged = [(last, location, units, sku) for (location, sku), units in sorted(places.items())]
        found.append((line, tuple(merged)))
    return found


# --- a promise asked for ---


def outcome_of(line: Line, complete: bool, network: Network, now_us: int) -> PromisedLine:
    """What a line that is asked for can have."""
    has = promised(line)
    places = {(location, day, sku) for day, location, _, sku in line.promises}
    if not has or (complete and has < line.open):
        return PromisedLine(line.line_id, line.sku, line.open, "refused")
    if has < line.open:
        outcome = "partial"
    elif not line.allocated and _is_late(line, network, now_us):
        outcome = "backordered"
    else:
        outcome = "confirmed" if len(places) == 1 else "split"
    return PromisedLine(line.line_id, line.sku, line.open, outcome, as_shipped(line))


def _is_late(line: Line, network: Network, now_us: int) -> bool:
    """Whether none of what it is promised ships on the first day from the one asked for on which anything
    does."""
    if line.day is None or line.backordered:
        return True
    day, location, _, _ = line.promises[0]
    return day > network.place(location).ship_day(line.day, now_us)


def promise_outcome(order: Order) -> dict[str, Any] | None:
    """Body of the answer to a promise asked for; None: not all SKUs have told theirs yet."""
    promise = order.promise
    if promise is None or not promise.lines:
        return None
    outcomes = {line.outcome for line in promise.lines}
    whole = next((o for o in OUTCOMES[1:] if o in outcomes), "refused")
    if "refused" in outcomes and len(outcomes) > 1:
        whole = "partial"
    return {
        "promise_id": promise.key,
        "order_id": order.order_id,
        "outcome": whole,
        "expires_at": None if whole == "refused" else rfc3339(promise.expires_us),
        "lines": [
            {
                "line_id": line.line_id,
                "sku": line.sku,
                "qty": line.qty,
                "outcome": line.outcome,
                "promises": shown(line.promises),
            }
            for line in promise.lines
        ],
    }


def as_shipped(line: Line) -> tuple[Dated, ...]:
    """A line's promises in units of the SKU that ships: what stands for it counts its own."""
    ways = line.ways
    if ways is None or ways.kit:
        return line.promises
    return tuple(
        [(day, location, units * ways.legs[sku].per, sku) for day, location, units, sku in line.promises]
    )


def shown(promises: Iterable[Dated]) -> list[dict[str, Any]]:
    """Promises as answers give them."""
    return [
        {"date": iso(day), "qty": units, "location": location, "sku": sku}
        for day, location, units, sku in promises
    ]
