"""Lines that several SKUs make up: kits by their components, SKUs by what may stand for them.

A kit takes of each component as many units as make whole kits, so that nobody's units are kept in vain: what
one has beyond the scarcest is capped, and the cap rises with it. What a SKU can't cover is asked of its
substitutes one after the other; what none has stays with the SKU, or waits at what supersedes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from springtide.codecs import facts as f
from springtide.codecs.messages import SuppliedLine
from springtide.codecs.times import day_start
from springtide.tables.order import Dated, Leg, Line, Need, Ways

_NOTHING: Final = SuppliedLine("", 0, 0, {})


def ways_of(product: f.ProductUpserted | None, line: f.OrderLine) -> Ways | None:
    """How a line is had by what is known of its product; None: simply as its SKU."""
    if product is None:
        return None
    legs: dict[str, Leg] = {}
    if product.kit:
        for part in product.kit:
            known = legs.get(part.sku)
            legs[part.sku] = Leg(part.qty_per + (0 if known is None else known.per))
        return Ways(legs, kit=True)
    if product.superseded_by is not None:
        _add(legs, product.superseded_by.sku, 1, product.superseded_by.valid_from, waits=True)
    for other in product.substitutes or ():
        if other.ratio == int(other.ratio) and (line.substitutes_ok or not other.needs_consent):
            _add(legs, other.sku, int(other.ratio), other.valid_from)
    legs.pop(line.sku, None)
    return Ways({line.sku: Leg(1)} | legs) if legs else None


def _add(legs: dict[str, Leg], sku: str, ratio: int, valid_from: str | None, waits: bool = False) -> None:
    if sku in legs or ratio < 1:
        return
    try:
        from_us = 0 if valid_from is None else day_start(valid_from)
    except ValueError:  # no day at all: it never may
        return
    legs[sku] = Leg(ratio, from_us, waits)


def keep(old: Ways | None, new: Ways | None) -> Ways | None:
    """The ways of a line stated again, with where they stood as far as the product is the same."""
    if old is None or new is None or old.kit != new.kit:
        return new
    for sku, leg in new.legs.items():
        known = old.legs.get(sku)
        if known is not None and known.per == leg.per:
            leg.cap, leg.asked, leg.given, leg.queued = known.cap, known.asked, known.given, known.queued
    return new


# --- what the answers come to ---


def answer_of(needs: Mapping[str, Need], sku: str, line_id: str) -> SuppliedLine:
    need = needs.get(sku)
    return _NOTHING if need is None else need.lines.get(line_id, _NOTHING)


def figures(line: Line, wanted: int, needs: Mapping[str, Need]) -> tuple[int, int, dict[str, int]]:
    """(allocated, backordered, cells) of a line in its own units, whole ones only."""
    ways = line.ways
    if ways is None:
        told = answer_of(needs, line.sku, line.line_id)
        return told.allocated, told.backordered, told.cells
    answers = [(leg.per, answer_of(needs, sku, line.line_id)) for sku, leg in ways.legs.items()]
    cells: dict[str, int] = {}
    if ways.kit:
        allocated = min(answer.allocated // per for per, answer in answers)
        for location in answers[0][1].cells:
            kits = min(answer.cells.get(location, 0) // per for per, answer in answers)
            if kits:
                cells[location] = kits
        short = any(answer.backordered for _, answer in answers)
        return allocated, max(0, wanted - allocated) if short else 0, cells
    allocated = backordered = 0
    for per, answer in answers:
        allocated += answer.allocated // per
        backordered += -(-answer.backordered // per)
        for location, units in answer.cells.items():
            cells[location] = cells.get(location, 0) + units // per
    return allocated, backordered, cells


def dated(line: Line, needs: Mapping[str, Need]) -> tuple[Dated, ...]:
    """When and where the units of a line ship, by day. A kit ships when and where its last component does."""
    ways = line.ways
    if ways is None:
        told = answer_of(needs, line.sku, line.line_id).promises
        return tuple([(day, location, units, line.sku) for day, location, units in told])
    found: dict[tuple[int, str, str], int] = {}
    by_leg = {
        sku: whole_lots(answer_of(needs, sku, line.line_id).promises, leg.per)
        for sku, leg in ways.legs.items()
    }
    if not ways.kit:
        for sku, parts in by_leg.items():
            for day, location, units in parts:
                found[day, location, sku] = found.get((day, location, sku), 0) + units
    else:
        for day, location, kits in join_legs(list(by_leg.values())):
            found[day, location, line.sku] = kits
    return tuple([(day, location, found[day, location, sku], sku) for day, location, sku in sorted(found)])


def join_legs(legs: Sequence[Sequence[tuple[int, str, int]]]) -> list[tuple[int, str, int]]:
    """Kits by day from (day, location, units for so many kits) of each component: each is had when and where
    its last one is."""
    found: dict[tuple[int, str], int] = {}
    at = [0] * len(legs)
    used = [0] * len(legs)
    while legs and all(place < len(told) for place, told in zip(at, legs, strict=True)):
        heads = [told[place] for place, told in zip(at, legs, strict=True)]
        kits = min(head[2] - n for head, n in zip(heads, used, strict=True))
        day, location, _ = max(heads, key=lambda head: head[0])
        found[day, location] = found.get((day, location), 0) + kits
        for i, head in enumerate(heads):
            used[i] += kits
            if used[i] == head[2]:
                at[i], used[i] = at[i] + 1, 0
    return [(day, location, found[day, location]) for day, location in sorted(found)]


def whole_lots(promises: Iterable[tuple[int, str, int]], per: int) -> list[tuple[int, str, int]]:
    """Promises of a part as promises of what `per` of it make one of."""
    found: list[tuple[int, str, int]] = []
    units = had = 0
    for day, location, more in promises:
        units += more
        if units // per > had:
            found.append((day, location, units // per - had))
            had = units // per
    return found


# --- what to ask next ---


def settle_kit(line: Line, wanted: int, needs: Mapping[str, Need]) -> dict[str, None]:
    """Sets the caps of a kit's components once all have answered; gives the SKUs to ask anew. One that has
    less than its cap is short of stock: of those the scarcest says how many kits there can be."""
    assert line.ways is not None
    legs = line.ways.legs
    have = {sku: answer_of(needs, sku, line.line_id).allocated // leg.per for sku, leg in legs.items()}
    short = [
        sku for sku, leg in legs.items() if have[sku] < wanted and (leg.cap is None or have[sku] < leg.cap)
    ]
    kits = min((have[sku] for sku in short), default=wanted)
    touched: dict[str, None] = {}
    for sku, leg in legs.items():
        cap = None if kits >= wanted or (sku in short and have[sku] == kits) else kits
        if cap != leg.cap:
            leg.cap = cap
            touched[sku] = None
    return touched


def cut(line: Line, wanted: int, shipped: Mapping[str, int], needs: Mapping[str, Need]) -> dict[str, None]:
    """After a change of what is wanted or shipped: substitutes cover no more than is wanted beyond what the
    line has of its own SKU, the last one gives up first, and no less than they have shipped (`shipped` SKU ->
    units of the line). Gives the SKUs to ask anew."""
    assert line.ways is not None
    touched: dict[str, None] = {}
    subs = [(sku, leg) for sku, leg in line.ways.legs.items() if sku != line.sku]
    for sku, leg in subs:
        gone = shipped.get(sku, 0)
        if leg.given < gone:
            leg.given, leg.asked = gone, max(leg.asked, gone)
            touched[sku] = touched[line.sku] = None
    has = max(shipped.get(line.sku, 0), answer_of(needs, line.sku, line.line_id).allocated)
    over = sum(leg.given for _, leg in subs) + has - wanted
    for sku, leg in reversed(subs):
        fewer = min(over, leg.given - shipped.get(sku, 0))
        if fewer > 0:
            leg.given -= fewer
            leg.asked = min(leg.asked, leg.given)
            over -= fewer
            touched[sku] = touched[line.sku] = None
    return touched


def settle_substitutes(
    line: Line, wanted: int, complete: bool, now_us: int, needs: Mapping[str, Need]
) -> dict[str, None]:
    """Asks for what is short where it may be had, once all that were asked have answered; gives the SKUs to
    ask anew. First comes what each has now, then the SKU itself for the rest, and so on. What no supply of
    the SKU will cover waits at its successor. `complete`: the order takes all or nothing."""
    ways = line.ways
    assert ways is not None
    touched: dict[str, None] = {}
    subs = [(sku, leg) for sku, leg in ways.legs.items() if sku != line.sku]
    for sku, leg in subs:
        if leg.queued:
            continue
        covers = min(leg.asked, answer_of(needs, sku, line.line_id).allocated // leg.per)
        if covers != leg.given:
            touched[line.sku] = None
        if covers != leg.asked:
            touched[sku] = None
        leg.given = leg.asked = covers
    if touched:
        return touched
    own = answer_of(needs, line.sku, line.line_id)
    short = own.backordered
    if ways.turn < 0:
        ways.short = min(ways.short, short)
        if short > ways.short and any(leg.from_us <= now_us for _, leg in subs):
            ways.turn = 0
            if complete:
                ways.probes = True
                return {line.sku: None}
    while 0 <= ways.turn < len(subs) and short:
        sku, leg = subs[ways.turn]
        ways.turn += 1
        if leg.from_us <= now_us and not leg.queued:
            leg.asked = leg.given + short
            return {sku: None}
    if ways.turn >= 0:
        ways.turn = -1
        ways.short = short
        if ways.probes:
            ways.probes = False
            ways.short = wanted  # until the SKU has all of it, since it may lack another line's units
            touched[line.sku] = None
            for sku, leg in subs:
                # One that gives nothing may have parts for another line by now.
                if leg.given or (sku in needs and any(name != line.line_id for name in needs[sku].lines)):
                    touched[sku] = None
                    if short:
                        leg.given = leg.asked = 0
            return touched
    here = wanted - sum(leg.given for _, leg in subs)
    nowhere = here - max(own.allocated, sum(units for _, _, units in own.promises))
    for sku, leg in subs:
        if leg.waits and nowhere > 0 and leg.from_us <= now_us:
            leg.queued = True
            leg.given += nowhere
            leg.asked = leg.given
            touched[sku] = touched[line.sku] = None
    return touched


def next_us(line: Line, now_us: int) -> int | None:
    """When something may first stand for a line that is short."""
    ways = line.ways
    if ways is None or ways.kit or line.allocated >= line.open:
        return None
    return min((leg.from_us for leg in ways.legs.values() if leg.from_us > now_us), default=None)
