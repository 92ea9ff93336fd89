"""What is true of one order: facts keyed by their own ids, from which every quantity follows.

A line is a ledger of quantities; shipments are facts of which the ledgers are sums, so that duplicates and
the order of arrival do not matter. This one row is the `order-status` projection too.
"""

from __future__ import annotations

from typing import Final

import msgspec

STATE_VERSION: Final = 1
FACTS_MAX: Final = 10_000
"""Facts one order takes; beyond it they become dead letters. It bounds the row's size."""
WAITING_MAX: Final = 200
"""Facts kept for an order that has not been placed yet."""
SCANS_MAX: Final = 200
EXCEPTIONS_MAX: Final = 200
KEPT_MAX: Final = 200


class Line(msgspec.Struct, array_like=True, gc=False):
    """One line as ordered, and what the SKU's actor says it has."""

    line_id: str
    sku: str
    ordered: int
    cancelled: int = 0
    """What cancellations leave out, as far as it has not shipped: follows from the facts below and shipments."""
    requested_date: str | None = None
    due_us: int | None = None
    """When a line for later is to be allocated; None once that is done, or where it is due at once."""
    location: str | None = None
    pool: str | None = None
    price: str | None = None
    substitutes_ok: bool = False
    allocated: int = 0
    backordered: int = 0
    cells: dict[str, int] = {}
    """Location -> units allocated and not yet shipped when the SKU last had news."""
    cancel_asked: int = 0
    """Units that `order.cancelled` named, shipped or not."""
    rest_cancelled: bool = False
    """`order.cancelled` named all that is not shipped."""
    removed: bool = False
    """The newest revision does not name this line."""

    @property
    def open(self) -> int:
        return self.ordered - self.cancelled

    @property
    def to_cancel(self) -> int:
        """Units that facts cancel, those that have shipped included."""
        return self.ordered if self.rest_cancelled or self.removed else min(self.cancel_asked, self.ordered)

    def ships_cancelled(self, shipped: int) -> bool:
        """Whether more has shipped than facts leave wanted; "all that is not shipped" is never more."""
        return shipped > self.ordered - (0 if self.rest_cancelled else self.to_cancel)


class Scan(msgspec.Struct, array_like=True, gc=False):
    """A carrier's scan, or an exception it reported (`status` then is its kind)."""

    at_us: int
    sequence: int
    status: str
    event_id: str
    tracking: str
    detail: str | None = None
    place: str | None = None
    is_exception: bool = False


class Shipment(msgspec.Struct, array_like=True, gc=False):
    """One shipment: line_id -> units for each step its facts tell."""

    shipment_id: str
    location: str | None = None
    released: dict[str, int] = {}
    picked: dict[str, int] = {}
    packed: dict[str, int] = {}
    shipped: dict[str, int] = {}
    short: dict[str, int] = {}
    skus: dict[str, str] = {}
    carrier: str | None = None
    tracking: str | None = None
    voided: str | None = None
    scans: list[Scan] = []
    corrected: list[str] = []
    """Event ids of scans that a `delivery.corrected` has cancelled."""

    def reached(self) -> dict[str, dict[str, int]]:
        """Step -> line_id -> units at that step or beyond it: what was shipped was picked, though nobody
        said so, and what was delivered was shipped. Steps may share a dict: read it only."""
        if self.voided is not None:
            return {}
        at = self.gone()
        delivered = at if self.is_delivered else _NOTHING
        packed = _at_least(self.packed, at)
        picked = _at_least(self.picked, packed)
        return {
            "delivered": delivered,
            "shipped": at,
            "packed": packed,
            "picked": picked,
            "released": _at_least(self.released, picked),
        }

    def gone(self) -> dict[str, int]:
        """Line_id -> units that have left: shipped, or delivered though nobody said shipped. Read it only."""
        if self.voided is not None:
            return _NOTHING
        if self.shipped or not self.is_delivered:
            return self.shipped
        return self.packed or self.picked or self.released

    def at_work(self, line_id: str) -> int:
        """Units of a line that are released or beyond, what has left not counted in."""
        return max(
            self.released.get(line_id, 0),
            self.picked.get(line_id, 0),
            self.packed.get(line_id, 0),
        )

    @property
    def is_delivered(self) -> bool:
        for scan in self.scans:
            if scan.status == "delivered" and not scan.is_exception and not self.is_corrected(scan):
                return True
        return False

    def is_corrected(self, scan: Scan) -> bool:
        return bool(self.corrected) and any(
            scan.event_id == c or scan.event_id.endswith(f" {c}") for c in self.corrected
        )

    def ended_before(self, scan: Scan) -> Scan | None:
        """The scan that had ended the parcel's way when `scan` was made, if one had."""
        for other in self.scans:
            if (
                other.status in TERMINAL
                and other is not scan
                and not other.is_exception
                and (other.at_us, other.sequence) < (scan.at_us, scan.sequence)
                and not self.is_corrected(other)
            ):
                return other
        return None

    def parcel_status(self) -> str | None:
        """The scan that counts: a delivery, else the first that ended the parcel's way, else the last by time,
        then sequence, then rank. Corrected ones do not count."""
        scans = [s for s in self.scans if not s.is_exception and not self.is_corrected(s)]
        if not scans:
            return None
        if any(s.status == "delivered" for s in scans):
            return "delivered"
        ends = [s for s in scans if s.status in TERMINAL]
        if ends:
            return min(ends, key=lambda s: (s.at_us, s.sequence, s.status)).status
        return max(scans, key=lambda s: (s.at_us, s.sequence, PARCEL_RANK[s.status])).status


def _at_least(stated: dict[str, int], beyond: dict[str, int]) -> dict[str, int]:
    """Line_id -> units stated for a step, or known to be beyond it, whichever are more."""
    if not beyond or stated == beyond:
        return stated
    if not stated:
        return beyond
    merged = dict(beyond)
    for line_id, units in stated.items():
        if units > merged.get(line_id, 0):
            merged[line_id] = units
    return merged


_NOTHING: Final[dict[str, int]] = {}
TERMINAL: Final = frozenset(("delivered", "returned_to_sender", "lost"))
"""A scan made after one of these is an anomaly, unless what it follows was corrected."""
STEPS: Final = ("released", "picked", "packed", "shipped")
PARCEL_RANK: Final = {
    name: rank
    for rank, name in enumerate(
        (
            "pre_transit",
            "in_transit",
            "out_for_delivery",
            "attempted",
            "available_for_pickup",
            "returned_to_sender",
            "lost",
            "delivered",
        )
    )
}


class OrderHold(msgspec.Struct, array_like=True, gc=False):
    hold_id: str
    reason: str
    since_us: int
    scope: tuple[str, ...] | None = None
    released_us: int | None = None


class Milestone(msgspec.Struct, array_like=True, gc=False):
    """Reached once. `inferred`: nobody said so, but a later fact implies it. `superseded`: no longer so."""

    name: str
    occurred_us: int
    recorded_us: int
    event_id: str
    inferred: bool = False
    superseded: bool = False


class OrderException(msgspec.Struct, array_like=True, gc=False):
    """What can't be, or can't be applied yet: shown, never clamped away."""

    kind: str
    detail: str
    event_id: str
    at_us: int


class Kept(msgspec.Struct, array_like=True, gc=False):
    """A fact whose depth comes later, as it was stated."""

    name: str
    at_us: int
    event_id: str
    data: msgspec.Raw


class Need(msgspec.Struct, array_like=True, gc=False):
    """The order's dealings with one SKU: its last request and the last answer taken in."""

    request: int = 0
    seq: int = 0
    state: str = "none"
    """For `ship_complete`: asked, granted, short or parked. Otherwise asked, then answered."""
    lines: dict[str, tuple[int, int, dict[str, int]]] = {}
    """line_id -> (allocated, backordered, cells) as last answered."""


class Order(msgspec.Struct, array_like=True, gc=False):
    """See the module."""

    order_id: str
    placed: bool = False
    placed_us: int = 0
    customer_id: str = ""
    channel: str = ""
    region: str | None = None
    currency: str = ""
    placed_by: str | None = None
    opportunity_id: str | None = None
    priority: int = 100
    ship_complete: bool = False
    single: bool = False
    max_splits: int = 0
    promised_by: str | None = None
    ship_to: tuple[str | None, str | None, str | None] | None = None
    revision: int = -1
    confirmed: bool = False
    rejected: str | None = None
    lines: dict[str, Line] = {}
    shipments: dict[str, Shipment] = {}
    holds: dict[str, OrderHold] = {}
    milestones: list[Milestone] = []
    exceptions: list[OrderException] = []
    kept: list[Kept] = []
    needs: dict[str, Need] = {}
    waiting: list[bytes] = []
    """Facts that came before the order, as inbox messages, in order of arrival."""
    status: str = ""
    version: int = 0
    """Published changes so far."""
    facts: int = 0
    changed_us: int = 0
    correlation: str | None = None


class Ledger(msgspec.Struct, gc=False):
    """The quantities of one line, or of an order in sum."""

    ordered: int = 0
    cancelled: int = 0
    allocated: int = 0
    backordered: int = 0
    released: int = 0
    picked: int = 0
    packed: int = 0
    shipped: int = 0
    delivered: int = 0
    lost: int = 0
    returned: int = 0
    restocked: int = 0
    invoiced: int = 0
    credited: int = 0

    @property
    def net(self) -> int:
        """N of the status definition: what is still to be had."""
        return self.ordered - self.cancelled


def ledgers(order: Order) -> dict[str, Ledger]:
    """Line id -> ledger. Lines that only shipments name (nobody ordered them) appear with ordered 0."""
    found = {
        line.line_id: Ledger(line.ordered, line.cancelled, line.allocated, line.backordered)
        for line in order.lines.values()
    }
    for shipment in order.shipments.values():
        for step, at in shipment.reached().items():
            for line_id, units in at.items():
                ledger = found.get(line_id)
                if ledger is None:
                    ledger = found[line_id] = Ledger()
                setattr(ledger, step, getattr(ledger, step) + units)
    return found


def total(order: Order) -> Ledger:
    """The order's quantities, all lines in sum."""
    ordered = cancelled = allocated = backordered = 0
    for line in order.lines.values():
        ordered += line.ordered
        cancelled += line.cancelled
        allocated += line.allocated
        backordered += line.backordered
    released = picked = packed = shipped = delivered = 0
    for shipment in order.shipments.values():
        reached = shipment.reached()
        if not reached:
            continue
        released += sum(reached["released"].values())
        if reached["picked"]:
            picked += sum(reached["picked"].values())
            packed += sum(reached["packed"].values())
            shipped += sum(reached["shipped"].values())
            delivered += sum(reached["delivered"].values())
    return Ledger(ordered, cancelled, allocated, backordered, released, picked, packed, shipped, delivered)


def header_status(order: Order, whole: Ledger) -> str:
    """The first rule that holds, by ledgers and holds alone; so a late fact of lower rank lowers nothing."""
    net = whole.net
    if order.rejected is not None and not order.confirmed:
        return "REJECTED"
    if net <= 0:
        return "CANCELLED"
    if whole.returned:
        return "RETURNED" if whole.returned >= net else "PARTIALLY_RETURNED"
    if whole.delivered:
        return "DELIVERED" if whole.delivered >= net else "PARTIALLY_DELIVERED"
    if whole.shipped:
        return "SHIPPED" if whole.shipped >= net else "PARTIALLY_SHIPPED"
    if any(hold.released_us is None for hold in order.holds.values()):
        return "ON_HOLD"
    if whole.released:
        return "IN_FULFILMENT"
    if whole.allocated:
        return "ALLOCATED" if whole.allocated >= net else "PARTIALLY_ALLOCATED"
    if whole.backordered:
        return "BACKORDERED"
    return "CONFIRMED" if order.confirmed else "RECEIVED"
