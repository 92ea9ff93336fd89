"""A shipment and its parcel, as the naive model keeps them: steps as they were stated, and scans.

Quantities follow from them each time anew.
"""

from __future__ import annotations

from typing import Final

import msgspec

STEPS: Final = ("released", "picked", "packed", "shipped")
MARKS: Final = ("released_to_warehouse", "picked", "packed", "shipped")
"""Milestones of these steps."""
SCAN_MARKS: Final = {"attempted": "delivery_attempted"}
"""Milestones of scans, where they have another name than the status."""
ENDS: Final = ("delivered", "returned_to_sender", "lost")
"""Where a parcel's way ends."""
RANKS: Final = (
    "pre_transit",
    "in_transit",
    "out_for_delivery",
    "attempted",
    "available_for_pickup",
    "returned_to_sender",
    "lost",
    "delivered",
)
"""Of two scans of one instant and sequence the later in this row counts."""
Units = dict[str, int]
Stamp = tuple[int, int, str]
"""(occurred, recorded, event id)"""


class Scan(msgspec.Struct, array_like=True):
    at_us: int
    sequence: int
    status: str
    event_id: str
    exception: bool
    recorded_us: int = 0
    tracking: str = ""

    def stamp(self) -> Stamp:
        return self.at_us, self.recorded_us, self.event_id


class Parcel(msgspec.Struct, array_like=True):
    """A shipment: step -> line -> units as stated."""

    at: str | None = None
    stated: dict[str, Units] = {}
    short: Units = {}
    skus: dict[str, str] = {}
    carrier: str | None = None
    tracking: str | None = None
    voided: str | None = None
    scans: list[Scan] = []
    corrected: list[str] = []
    heard: list[tuple[str, Stamp]] = []
    """(what, when): a step, "step line", "voided", "short" or "corrected EVENT_ID", as often as it was said."""

    def first(self, what: str) -> Stamp | None:
        """When it first occurred, by all that was said."""
        told = [stamp for said, stamp in self.heard if said == what]
        return min(told, key=lambda stamp: stamp[0], default=None)

    def first_us(self, what: str) -> int | None:
        stamp = self.first(what)
        return None if stamp is None else stamp[0]

    def is_corrected(self, scan: Scan) -> bool:
        return bool(self.corrected) and any(
            c in (scan.event_id, scan.event_id.split(" ", 1)[1]) for c in self.corrected
        )

    def counting(self) -> list[Scan]:
        """Scans that nobody has corrected."""
        return [scan for scan in self.scans if not scan.exception and not self.is_corrected(scan)]

    def delivered(self) -> bool:
        return any(scan.status == "delivered" for scan in self.counting())

    def standing(self) -> str | None:
        """What the carrier's scans say in the end: a delivery; else what ended its way first; else the latest."""
        scans = sorted(self.counting(), key=lambda s: (s.at_us, s.sequence, RANKS.index(s.status)))
        if any(scan.status == "delivered" for scan in scans):
            return "delivered"
        ends = sorted(
            (scan for scan in scans if scan.status in ENDS), key=lambda s: (s.at_us, s.sequence, s.status)
        )
        return ends[0].status if ends else scans[-1].status if scans else None

    def units(self, step: str) -> Units:
        """line -> units at a step or beyond it. Delivered units were shipped, though nobody said so."""
        if self.voided is not None:
            return {}
        delivered = bool(self.scans) and self.delivered()
        if step == "delivered" and not delivered:
            return {}
        stated = self.stated
        found = stated.get("shipped", {})
        if delivered and not found:
            found = stated.get("packed") or stated.get("picked") or stated.get("released") or {}
        if step == "lost":
            return found if self.standing() == "lost" else {}
        if step in ("delivered", "shipped"):
            return found
        for name in ("packed", "picked", "released")[: 3 - STEPS.index(step)]:
            also = stated.get(name, {})
            if also and also != found:
                found = found | {line_id: max(n, found.get(line_id, 0)) for line_id, n in also.items()}
        return found

    def busy(self) -> Units:
        """line -> units that a warehouse has been told to ship and may still, or that have left."""
        left = self.units("shipped")
        if self.stated.get("shipped") or self.voided is not None:
            return left
        asked = self.stated.get("released", {})
        found = {name: units - self.short.get(name, 0) for name, units in asked.items()}
        for step in ("picked", "packed"):
            for name, units in self.stated.get(step, {}).items():
                found[name] = max(units, found.get(name, 0))
        return {name: max(found.get(name, 0), left.get(name, 0)) for name in found | left}
