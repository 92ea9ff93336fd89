"""Lines that several SKUs make up, naively: kits by their components, SKUs by what may stand for them.

A kit's components are capped to what the scarcest allows; what a SKU can't cover is asked of its substitutes in
turn. Where a line stands in that is part of what actors tell each other, so it is kept as they keep it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from springtide.app.verify.naive_parcel import Units
from springtide.codecs import facts as f
from springtide.codecs.messages import SuppliedLine
from springtide.codecs.times import day_start

Answers = Callable[[str], SuppliedLine]
"""What a SKU answered last of the line."""
Dated = tuple[int, str, int, str]
"""(ship day, location, units of the line, SKU)"""


class Part(msgspec.Struct, array_like=True):
    """A SKU that a line is had by; `per` units of it are one of the line."""

    sku: str
    per: int
    from_us: int = 0
    successor: bool = False
    cap: int | None = None
    asked: int = 0
    given: int = 0
    queued: bool = False


class Makeup(msgspec.Struct, array_like=True):
    """Of a kit its components, else the line's own SKU and then what may stand for it, in order."""

    parts: list[Part]
    kit: bool = False
    turn: int = -1
    short: int = 0
    probes: bool = False

    def others(self) -> list[Part]:
        """What may stand for the line's own SKU."""
        return [] if self.kit else self.parts[1:]

    def part(self, sku: str) -> Part | None:
        return next((part for part in self.parts if part.sku == sku), None)

    def skus(self) -> list[str]:
        return [part.sku for part in self.parts]

    def picture(self) -> dict[str, Any]:
        return {
            "kit": self.kit,
            "stands": (self.turn, self.short, self.probes),
            "parts": {
                x.sku: (x.per, x.from_us, x.successor, x.cap, x.asked, x.given, x.queued) for x in self.parts
            },
        }


def makeup(product: f.ProductUpserted | None, line: f.OrderLine) -> Makeup | None:
    """None: the line is simply had as its SKU."""
    if product is None:
        return None
    if product.kit:
        names = dict.fromkeys(part.sku for part in product.kit)
        return Makeup(
            [Part(sku, sum(p.qty_per for p in product.kit if p.sku == sku)) for sku in names], kit=True
        )
    named: list[tuple[str, float, str | None, bool]] = []
    if product.superseded_by is not None:
        named.append((product.superseded_by.sku, 1, product.superseded_by.valid_from, True))
    named += [
        (other.sku, other.ratio, other.valid_from, False)
        for other in product.substitutes or ()
        if line.substitutes_ok or not other.needs_consent
    ]
    parts: dict[str, Part] = {}
    for sku, ratio, valid_from, successor in named:
        if sku not in parts and ratio >= 1 and ratio % 1 == 0:
            try:
                from_us = 0 if valid_from is None else day_start(valid_from)
            except ValueError:
                continue
            parts[sku] = Part(sku, int(ratio), from_us, successor)
    parts.pop(line.sku, None)
    return Makeup([Part(line.sku, 1), *parts.values()]) if parts else None


def carried_over(old: Makeup | None, new: Makeup | None) -> Makeup | None:
    """A line that is stated again the same goes on from where it stood."""
    if old is not None and new is not None and old.kit == new.kit:
        for part in new.parts:
            was = old.part(part.sku)
            if was is not None and was.per == part.per:
                part.cap, part.asked, part.given, part.queued = was.cap, was.asked, was.given, was.queued
    return new


# --- what the line has ---


def figures(made: Makeup, wanted: int, told: Answers) -> tuple[int, int, Units]:
    """(allocated, backordered, cells) in whole units of the line."""
    has = [(part.per, told(part.sku)) for part in made.parts]
    places = {at: None for _, one in has for at in one.cells}
    if made.kit:
        allocated = min(one.allocated // per for per, one in has)
        lacks = any(one.backordered for _, one in has)
        by_place = {at: min(one.cells.get(at, 0) // per for per, one in has) for at in places}
        cells = {at: kits for at, kits in by_place.items() if kits}
        return allocated, max(0, wanted - allocated) if lacks else 0, cells
    backordered = sum((one.backordered + per - 1) // per for per, one in has)
    cells = {at: sum(one.cells.get(at, 0) // per for per, one in has) for at in places}
    return sum(one.allocated // per for per, one in has), backordered, cells


def promises(sku: str, made: Makeup | None, told: Answers) -> tuple[Dated, ...]:
    """When and where the units of a line ship, by day. The n-th kit ships when and where the last of its
    components does."""
    if made is None:
        return tuple((day, at, units, sku) for day, at, units in told(sku).promises)
    sums: dict[tuple[int, str, str], int] = {}
    if made.kit:
        steps = [rises(told(part.sku).promises, part.per) for part in made.parts]
        whole = min(one[-1][0] if one else 0 for one in steps)
        ends = sorted({count for one in steps for count, _, _ in one if count <= whole} | {whole})
        for begin, end in zip([0, *ends], ends, strict=False):
            if end > begin:
                heads = [next(step for step in one if step[0] > begin) for one in steps]
                last = max(day for _, day, _ in heads)
                at = next(at for _, day, at in heads if day == last)
                sums[last, at, sku] = sums.get((last, at, sku), 0) + end - begin
    else:
        for part in made.parts:
            begin = 0
            for count, day, at in rises(told(part.sku).promises, part.per):
                sums[day, at, part.sku] = sums.get((day, at, part.sku), 0) + count - begin
                begin = count
    return tuple((day, at, units, name) for (day, at, name), units in sorted(sums.items()))


def rises(told: tuple[tuple[int, str, int], ...], per: int) -> list[tuple[int, int, str]]:
    """(units of the line in all, day, location) each time that one more is whole."""
    found: list[tuple[int, int, str]] = []
    units = 0
    for day, at, more in told:
        units += more
        if units // per > (found[-1][0] if found else 0):
            found.append((units // per, day, at))
    return found


# --- what is asked next; each gives the SKUs to ask ---


def cap_kit(made: Makeup, wanted: int, told: Answers) -> dict[str, None]:
    """A component that has less than it may have is short. The scarcest of those takes what it can get, all
    others as much as it has."""
    has = {part.sku: told(part.sku).allocated // part.per for part in made.parts}
    short = [p.sku for p in made.parts if has[p.sku] < (wanted if p.cap is None else min(wanted, p.cap))]
    kits = min((has[sku] for sku in short), default=wanted)
    ask: dict[str, None] = {}
    for part in made.parts:
        free = kits >= wanted or (part.sku in short and has[part.sku] == kits)
        cap = None if free else kits
        if cap != part.cap:
            part.cap = cap
            ask[part.sku] = None
    return ask


def give_back(made: Makeup, sku: str, wanted: int, shipped: Units, told: Answers) -> dict[str, None]:
    """What stands for the line's own covers what it has shipped at least, and beyond that no more than the own
    leaves; the last in order gives up first."""
    ask: dict[str, None] = {}
    for part in made.others():
        gone = shipped.get(part.sku, 0)
        if part.given < gone:
            part.given, part.asked = gone, max(part.asked, gone)
            ask |= {part.sku: None, sku: None}
    own = max(shipped.get(sku, 0), told(sku).allocated)
    for part in reversed(made.others()):
        over = own + sum(one.given for one in made.others()) - wanted
        fewer = min(over, part.given - shipped.get(part.sku, 0))
        if fewer > 0:
            part.given -= fewer
            part.asked = min(part.asked, part.given)
            ask |= {part.sku: None, sku: None}
    return ask


def ask_others(
    made: Makeup,
    sku: str,
    wanted: int,
    complete: bool,
    now_us: int,
    told: Answers,
    has_others: Callable[[str], bool],
) -> dict[str, None]:
    """Once all have answered: what is short is asked of each in turn; the own is asked for the rest each time.
    A basket first takes parts of its own to see whether all together have enough, and gives them back at the end,
    also what other lines got meanwhile of a SKU that was asked (`has_others`). What no supply of the own will
    cover waits at its successor."""
    ask: dict[str, None] = {}
    for part in made.others():
        if not part.queued:
            has = min(part.asked, told(part.sku).allocated // part.per)
            if has != part.given:
                ask[sku] = None
            if has != part.asked:
                ask[part.sku] = None
            part.given = part.asked = has
    if ask:
        return ask
    own = told(sku)
    short = own.backordered
    if made.turn < 0:
        made.short = min(made.short, short)
        if short > made.short and any(part.from_us <= now_us for part in made.others()):
            made.turn = 0
            if complete:
                made.probes = True
                return {sku: None}
    while short and 0 <= made.turn < len(made.others()):
        part = made.others()[made.turn]
        made.turn += 1
        if part.from_us <= now_us and not part.queued:
            part.asked = part.given + short
            return {part.sku: None}
    if made.turn >= 0:
        made.turn, made.short = -1, short
        if made.probes:
            made.probes = False
            made.short = wanted  # until the own has all of it: what lacks may be another line's
            asked = [part for part in made.others() if part.given or has_others(part.sku)]
            for part in asked if short else ():
                part.given = part.asked = 0
            return {sku: None} | {part.sku: None for part in asked}
    left = wanted - sum(part.given for part in made.others())
    nowhere = left - max(own.allocated, sum(units for _, _, units in own.promises))
    for part in made.others():
        if nowhere > 0 and part.successor and part.from_us <= now_us:
            part.queued = True
            part.given += nowhere
            part.asked = part.given
            ask |= {part.sku: None, sku: None}
    return ask


def together(lines: list[tuple[int, tuple[Dated, ...]]]) -> list[tuple[Dated, ...]]:
    """Promises of a basket, of (wanted units, promises) by line: all on the day of the last, or none at all."""
    wanted = [(units, dated) for units, dated in lines if units > 0]
    if any(sum(one[2] for one in dated) < units for units, dated in wanted):
        return [() for _ in lines]
    last = max((dated[-1][0] for _, dated in wanted), default=0)
    found = []
    for _, dated in lines:
        places = sorted({(at, sku) for _, at, _, sku in dated})
        found.append(
            tuple(
                (last, at, sum(one[2] for one in dated if (one[1], one[3]) == (at, sku)), sku)
                for at, sku in places
            )
        )
    return found
