"""When shipments reached what, worked out anew from all that was told of them: needed after counter-facts.

Fact by fact the same follows from `Wants.fact`, which is quicker.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from springtide.tables.finance import Stamp
from springtide.tables.order import STEPS, Order

NAMES: Final = {"released": "released_to_warehouse", "attempted": "delivery_attempted"}
"""Milestones of steps and scans that have another name."""
UNTOLD_SCANS: Final = frozenset(("pre_transit",))
"""Scans that are no milestone."""


def milestone_of(what: str) -> str:
    return NAMES.get(what, what)


class Reached(NamedTuple):
    """Standing beats what a counter-fact took back, said beats inferred, and then the earliest counts."""

    superseded: bool
    inferred: bool
    occurred_us: int
    stamp: Stamp


def of_shipments(order: Order) -> dict[str, Reached]:
    """Milestone -> how it was reached, of all that facts of shipments and parcels reach."""
    found: dict[str, Reached] = {}

    def add(name: str, superseded: bool, inferred: bool, stamp: Stamp) -> None:
        reached = Reached(superseded, inferred, stamp[0], stamp)
        known = found.get(name)
        if known is None or reached[:3] < known[:3]:
            found[name] = reached

    for shipment in order.shipments.values():
        void = shipment.voided is not None
        later: Stamp | None = None
        taken_back: Stamp | None = None
        if shipment.skus and not shipment.shipped:
            arrived = shipment.deliveries()
            later = min((scan.stamp for scan in arrived), key=_occurred, default=None)
            if len(arrived) < len(shipment.scans):
                taken_back = min(
                    (s.stamp for s in shipment.scans if s.status == "delivered" and not s.is_exception),
                    key=_occurred,
                    default=None,
                )
        for step in reversed(STEPS):
            stamp = shipment.told.get(step)
            if stamp is not None:
                add(milestone_of(step), void, False, stamp)
                later = stamp if later is None or stamp[0] < later[0] else later
            elif later is not None:
                add(milestone_of(step), void, True, later)
            elif taken_back is not None:
                add(milestone_of(step), True, True, taken_back)
        for scan in shipment.scans:
            gone = void or shipment.is_corrected(scan)
            if scan.is_exception:
                add(f"carrier_exception({scan.status})", gone, False, scan.stamp)
            elif scan.status not in UNTOLD_SCANS:
                add(milestone_of(scan.status), gone, False, scan.stamp)
    return found


def _occurred(stamp: Stamp) -> int:
    return stamp[0]
