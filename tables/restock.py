"""What an order's returns and credit memos bring back to a SKU's stock."""

from __future__ import annotations

from springtide.tables.order import Line, Order, Shipment, in_lines
from springtide.tables.returns import moves


def skus_of(order: Order, line_id: str) -> list[str]:
    """What comes back of a line can be of these: the parts of its kit, else what it was shipped and ordered as."""
    line = order.lines.get(line_id)
    if line is not None and line.ways is not None and line.ways.kit:
        return list(line.ways.legs)
    found = {} if line is None else {line.sku: None}
    return list(found | {sku: None for sku, _, _ in _shipped(order, line_id)})


def brought_back(order: Order, sku: str) -> tuple[tuple[str, int, int, int], ...]:
    """(location, units in quality control, sellable, damaged) of one SKU, each location once, in totals.

    Of a line that shipped as several SKUs its own is taken to come back first, then the others by id.
    """
    by_memos = {} if order.finance is None else order.finance.restocked()
    if not by_memos and not order.returns:
        return ()
    gone_from: dict[str, list[tuple[str, int]]] = {}
    for shipment in _in_order(order):
        if shipment.location is not None:
            for line_id, units in in_lines(order, shipment.gone()).items():
                gone_from.setdefault(line_id, []).append((shipment.location, units))
    found: dict[str, list[int]] = {}
    left: dict[str, list[tuple[str, int, int]]] = {}
    for line_id, place, *counts in moves(order.returns, by_memos, gone_from):
        if line_id not in left:
            left[line_id] = _shipped(order, line_id)
        per_unit = _of_kit(order.lines.get(line_id), sku)
        for bucket, units in enumerate(counts):
            if per_unit is not None:
                mine = units * per_unit
            else:
                mine = _take(left[line_id], sku, units, order.lines.get(line_id))
            if mine:
                found.setdefault(place, [0, 0, 0])[bucket] += mine
    return tuple((place, found[place][0], found[place][1], found[place][2]) for place in sorted(found))


def _of_kit(line: Line | None, sku: str) -> int | None:
    """Units of a SKU in one of the line, if the line is a kit."""
    if line is None or line.ways is None or not line.ways.kit:
        return None
    leg = line.ways.legs.get(sku)
    return 0 if leg is None else leg.per


def _take(left: list[tuple[str, int, int]], sku: str, units: int, line: Line | None) -> int:
    """Takes units of a line out of what shipped of it; how many units of `sku` they are."""
    mine = 0
    while units and left:
        name, per, count = left[0]
        taken = min(units, count)
        units -= taken
        mine += taken * per if name == sku else 0
        if taken == count:
            left.pop(0)
        else:
            left[0] = (name, per, count - taken)
    return mine + (units if line is not None and line.sku == sku else 0)


def _shipped(order: Order, line_id: str) -> list[tuple[str, int, int]]:
    """(SKU, units of it that make one of the line, units of the line) that shipped, the line's own SKU first."""
    line = order.lines.get(line_id)
    found: dict[tuple[str, int], int] = {}
    for shipment in order.shipments.values():
        for key, units in shipment.gone().items():
            if key.partition("\x00")[0] == line_id:
                sku, per = shipment.skus[key], 1
                if key != line_id and line is not None and line.ways is not None and sku in line.ways.legs:
                    per = line.ways.legs[sku].per
                found[sku, per] = found.get((sku, per), 0) + units // per
    own = "" if line is None else line.sku
    return [(sku, per, found[sku, per]) for sku, per in sorted(found, key=lambda of: (of[0] != own, of))]


def _in_order(order: Order) -> list[Shipment]:
    return [shipment for _, shipment in sorted(order.shipments.items())]
