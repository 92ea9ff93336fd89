"""An order's way from receipt to delivery as its facts tell it: when each stage ended, and what held it when.

Times are whole seconds since 1970-01-01T00:00Z (an instant counts from its second on), so that lengths sum
exactly. All of it follows from facts keyed by their own ids, so the order in which they came does not matter;
only stretches of shortage are written down as SKUs tell them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from springtide.codecs.times import SECOND_US
from springtide.tables.causes import OWN, RANK, STAGES
from springtide.tables.order import STEPS, Order, Scan, Shipment, in_lines, total

_OF_EXCEPTION: Final = {
    "address": "address_problem",
    "refused": "attempt_failed",
    "damaged": "damaged_in_transit",
    "pickup_missed": "carrier_pickup_missed",
}
_OF_SCAN: Final = {"attempted": "attempt_failed", "returned_to_sender": "return_to_sender", "lost": "lost"}
_MOVES: Final = frozenset(("in_transit", "out_for_delivery", "available_for_pickup", "delivered"))
"""Scans that end what a carrier reported before."""


Units: TypeAlias = tuple[int, str, int]
"""(when, key of a shipment's units, how many)"""


class Span(NamedTuple):
    """A cause was active from `since_s` on, until `until_s`, exclusive (None: it still is)."""

    cause: str
    since_s: int
    until_s: int | None = None
    sku: str = ""
    """For a shortage: what is short."""


class Course(NamedTuple):
    """The way as known at `at_s`. `ends_s` has the ends of the stages that are over, in their order."""

    placed_s: int
    at_s: int
    ends_s: tuple[int, ...]
    spans: tuple[Span, ...]

    @property
    def is_delivered(self) -> bool:
        return len(self.ends_s) == len(STAGES)

    @property
    def until_s(self) -> int:
        """The end of the way, or of what of it is known."""
        return self.ends_s[-1] if self.is_delivered else self.at_s

    def stages(self) -> Iterator[tuple[str, int, int, bool]]:
        """(stage, begin, end, whether it is over) of those that have begun."""
        begin = self.placed_s
        for stage, end in zip(STAGES, self.ends_s, strict=False):
            yield stage, begin, end, True
            begin = end
        if not self.is_delivered:
            yield STAGES[len(self.ends_s)], begin, max(begin, self.at_s), False

    def active(self, at_s: int) -> Span | None:
        """The cause that counts at an instant."""
        found: Span | None = None
        for span in self.spans:
            is_active = span.since_s <= at_s and (span.until_s is None or at_s < span.until_s)
            if is_active and (found is None or RANK[span.cause] < RANK[found.cause]):
                found = span
        return found


def course(order: Order, at_us: int) -> Course | None:
    """The order's way as of an instant: facts that occurred later are left out. None if there is none to
    speak of: not placed by then, rejected, or all of it cancelled."""
    whole = total(order)
    rejected = order.rejected is not None and not order.confirmed
    if not order.placed or at_us < order.placed_us or rejected or whole.net <= 0:
        return None
    parcels = [_Parcel(shipment, at_us) for shipment in order.shipments.values()]
    parcels = [parcel for parcel in parcels if not parcel.is_void]
    placed_s, at_s = order.placed_us // SECOND_US, at_us // SECOND_US
    left = [unit for parcel in parcels for unit in parcel.left]
    shipped_s = _passed(order, left, whole.net, placed_s)
    delivered_s = None
    if shipped_s is not None:
        there = [unit for parcel in parcels for unit in parcel.delivered]
        delivered_s = _passed(order, there, whole.net, shipped_s)
    gates = [*_holds(order, at_us), *_waits(order, at_us, shipped_s)]
    if not order.waits and whole.allocated < whole.net:
        gates.append(Span(OWN["allocation"], placed_s))  # no SKU has answered
    work_s = min((parcel.work_s for parcel in parcels if parcel.work_s is not None), default=None)
    free_s = _free(gates, placed_s, work_s)
    ends: list[int] = []
    if shipped_s is not None:
        ends = [shipped_s if free_s is None else min(free_s, shipped_s), shipped_s]
        if delivered_s is not None:
            ends.append(delivered_s)
    elif free_s is not None:
        ends = [free_s]
    spans = [*gates, *(span for parcel in parcels for span in parcel.troubles(shipped_s))]
    return Course(placed_s, at_s, tuple(ends), tuple(spans))


def _free(gates: list[Span], placed_s: int, work_s: int | None) -> int | None:
    """When the order was allocated and free of holds; None if it still is not. What comes only after a
    warehouse began to work on it, and after it was free, belongs to the stages that follow."""
    free_s = placed_s
    for gate in sorted(gates, key=lambda gate: gate.since_s):
        if work_s is not None and gate.since_s >= work_s and gate.since_s > free_s:
            break
        if gate.until_s is None:
            return None
        free_s = max(free_s, gate.until_s)
    return free_s


def _passed(order: Order, units: list[Units], wanted: int, from_s: int) -> int | None:
    """When the last of the wanted units passed; None if they have not."""
    passed: dict[str, int] = {}
    for at_s, key, count in sorted(units):
        passed[key] = passed.get(key, 0) + count
        if sum(in_lines(order, passed).values()) >= wanted:
            return max(at_s, from_s)
    return None


def _holds(order: Order, at_us: int) -> Iterator[Span]:
    for hold in order.holds.values():
        if hold.reason and hold.since_us <= at_us:
            yield _span(hold.reason, hold.since_us, hold.released_us, at_us)


def _waits(order: Order, at_us: int, shipped_s: int | None) -> Iterator[Span]:
    """Units that were waited for and cancelled in the end kept nothing that is on its way."""
    for wait in order.waits:
        if wait.since_us > at_us:
            continue
        span = _span(wait.cause, wait.since_us, wait.until_us, at_us, wait.sku)
        if shipped_s is not None and (span.until_s is None or span.until_s > shipped_s):
            span = span._replace(until_s=max(span.since_s, shipped_s))
        yield span


def _span(cause: str, since_us: int, until_us: int | None, at_us: int, sku: str = "") -> Span:
    until_s = None if until_us is None or until_us > at_us else until_us // SECOND_US
    return Span(cause, since_us // SECOND_US, until_s, sku)


class _Parcel:
    """One shipment as known at an instant."""

    def __init__(self, shipment: Shipment, at_us: int) -> None:
        self._shipment = shipment
        self._at_us = at_us
        self._times = shipment.times
        voided_us = self._times.get("voided", 0)
        self.is_void = shipment.voided is not None and voided_us <= at_us
        self._scans = sorted(
            (scan for scan in shipment.scans if scan.at_us <= at_us and not self._is_corrected(scan)),
            key=_when,
        )
        arrived = [s.at_us for s in self._scans if s.status == "delivered" and not s.is_exception]
        delivered_s = min(arrived) // SECOND_US if arrived else None
        self.left: list[Units] = []
        """What left: shipped, or delivered though nobody said shipped."""
        for key, units in shipment.shipped.items():
            shipped_us = shipment.shipped_at.get(key, 0)
            if delivered_s is not None:
                self.left.append((min(shipped_us // SECOND_US, delivered_s), key, units))
            elif shipped_us <= at_us:
                self.left.append((shipped_us // SECOND_US, key, units))
        if delivered_s is not None and not shipment.shipped:
            stated = shipment.packed or shipment.picked or shipment.released
            self.left = [(delivered_s, key, units) for key, units in stated.items()]
        self.delivered: list[Units] = []
        if delivered_s is not None:
            self.delivered = [(delivered_s, key, units) for _, key, units in self.left]
        self.left_s = max((when for when, _, _ in self.left), default=None)
        steps = [us for step in STEPS if (us := self._times.get(step)) is not None and us <= at_us]
        began = [us // SECOND_US for us in steps] + [when for when, _, _ in self.left]
        self.work_s = min(began, default=None)
        """When a warehouse was first heard to work on it."""

    def _is_corrected(self, scan: Scan) -> bool:
        if not self._shipment.corrected:
            return False
        corrected_us = self._times.get(f"corrected {scan.event_id}")
        if corrected_us is None:
            corrected_us = self._times.get(f"corrected {scan.event_id.partition(' ')[2]}")
        return corrected_us is not None and corrected_us <= self._at_us

    def troubles(self, shipped_s: int | None) -> Iterator[Span]:
        """What kept it. What befalls a parcel on its way counts only once all of the order is on its way."""
        short_us = self._times.get("short")
        if short_us is not None and short_us <= self._at_us:
            yield Span("pick_short", short_us // SECOND_US, self._short_until_s(short_us))
        for place, scan in enumerate(self._scans):
            if scan.is_exception:
                cause = _OF_EXCEPTION.get(scan.status, scan.status)
                ends = (s for s in self._scans[place + 1 :] if s.status in _MOVES and not s.is_exception)
            elif scan.status in _OF_SCAN:
                cause = _OF_SCAN[scan.status]
                ends = (s for s in self._scans[place + 1 :] if not s.is_exception)
            else:
                continue
            end = next((s for s in ends if _when(s) > _when(scan)), None)
            since_s = scan.at_us // SECOND_US
            until_s = None if end is None else end.at_us // SECOND_US
            if self.left_s is not None and self.left_s <= since_s:
                if shipped_s is None:
                    continue
                since_s = max(since_s, shipped_s)
            elif cause == "carrier_pickup_missed" and self.left_s is not None:
                until_s = self.left_s if until_s is None else min(until_s, self.left_s)
            if until_s is None or until_s > since_s:
                yield Span(cause, since_s, until_s)

    def _short_until_s(self, short_us: int) -> int | None:
        """A pick that fell short counts until the shipment leaves, or is picked in full after all."""
        shipment = self._shipment
        picked_us = self._times.get("picked")
        if picked_us is None or not short_us <= picked_us <= self._at_us or not shipment.released:
            return self.left_s
        lacks = any(
            shipment.picked.get(key, 0) < units
            for key, units in shipment.released.items()
            if key.partition("\x00")[0] in shipment.short
        )
        return self.left_s if lacks else picked_us // SECOND_US


def _when(scan: Scan) -> tuple[int, int]:
    return scan.at_us, scan.sequence
