"""Available-to-promise now, from a SKU's head.

    available_now = sellable - safety_stock - committed - held - backordered

signed; `available` and `shortage` are its positive and negative parts. The network's figure is the sum of
its locations', less what is backordered without naming a location.
"""

from __future__ import annotations

from typing import Any, Final

from springtide.codecs.times import rfc3339
from springtide.tables.sku import Cell, Head

BUCKETS: Final = ("sellable", "damaged", "quality_control", "reserved_other")


def available_now(head: Head, location: str | None = None) -> int:
    """Units that a new promise may take now, signed; of one location, or of all."""
    if location is not None:
        cell = head.cells.get(location)
        return 0 if cell is None else cell.free - cell.safety_stock
    return sum(cell.free - cell.safety_stock for cell in head.cells.values()) - head.backordered


def figures(head: Head, now_us: int, location: str | None = None) -> dict[str, Any]:
    """The figures of a SKU at stream time `now_us`, as `GET /v1/atp/{sku}` answers them.

    Holds that are dead at `now_us` do not count, though the actor may not have come by yet: what they free
    is either available or goes to who waits, and both ways `available_now` is the same.
    """
    cells = (
        head.cells.values() if location is None else [head.cells[location]] if location in head.cells else []
    )
    total = _sum(cells)
    held = total.held - sum(
        units
        for hold in head.holds.values()
        if hold.expires_us <= now_us
        for place, units in hold.cells.items()
        if location in (None, place)
    )
    backordered = total.backordered + (head.backordered if location is None else 0)
    now = total.sellable - total.safety_stock - total.committed - held - backordered
    return {
        "sku": head.sku,
        "location": location,
        "now": rfc3339(now_us),
        "on_hand": total.on_hand,
        "buckets": {name: getattr(total, name) for name in BUCKETS},
        "safety_stock": total.safety_stock,
        "committed": total.committed,
        "held": held,
        "backordered": backordered,
        "available_now": now,
        "available": max(0, now),
        "shortage": max(0, -now),
    }


def _sum(cells: Any) -> Cell:
    total = Cell()
    for cell in cells:
        total.sellable += cell.sellable
        total.damaged += cell.damaged
        total.quality_control += cell.quality_control
        total.reserved_other += cell.reserved_other
        total.safety_stock += cell.safety_stock
        total.committed += cell.committed
        total.held += cell.held
        total.backordered += cell.backordered
    return total
