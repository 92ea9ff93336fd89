"""What is true of one order: facts keyed by their own ids, from which every quantity follows.

A line is a ledger of quantities; shipments are facts of which the ledgers are sums, so that duplicates and
the order of arrival do not matter. This one row is the `order-status` projection too.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from springtide.codecs.messages import SuppliedLine
from springtide.tables.finance import Finance, Stamp, finance_axis, payment_axis
from springtide.tables.money import billionths
from springtide.tables.returns import Return, restocked, returned, returns_axis

FACTS_MAX: Final = 10_000
"""Facts one order takes; beyond it they become dead letters. It bounds the row's size."""
WAITING_MAX: Final = 200
"""Facts kept for an order that has not been placed yet."""
SCANS_MAX: Final = 200
EXCEPTIONS_MAX: Final = 200
WAITS_MAX: Final = 100
"""Stretches of shortage kept with an order."""


Dated: TypeAlias = tuple[int, str, int, str]
"""(ship day, location, units of the line, SKU)"""


class Leg(msgspec.Struct, array_like=True, gc=False):
    """One SKU that a line is asked of: a component of its kit, the SKU itself, or one that may stand for it."""

    per: int
    """Units of it that make one of the line."""
    from_us: int = 0
    """When it may first stand for the line's own."""
    waits: bool = False
    """Whether it supersedes the line's SKU: what that one has no supply for waits here."""
    cap: int | None = None
    """Of a component: most kits it may take now, since another has no more; None: all."""
    asked: int = 0
    """Of a substitute: units of the line that are asked of it."""
    given: int = 0
    """Units of the line that it covers, or that wait there; the line's own SKU is asked for the rest."""
    queued: bool = False
    """Whether any wait there."""


class Ways(msgspec.Struct, array_like=True, gc=False):
    """How a line is had that is not simply its SKU's, by what was known of the product when it was placed."""

    legs: dict[str, Leg]
    """SKU -> what is asked of it. Of a kit its components; else the line's own, then in order what stands
    for it."""
    kit: bool = False
    turn: int = -1
    """Which leg is asked next for what is short; -1: none is being asked."""
    short: int = 0
    """Units that were short when all had been asked; more than that, and they are asked again."""
    probes: bool = False
    """Of an order that ships complete: takes parts for now, to see whether all together have enough."""


class Line(msgspec.Struct, array_like=True, gc=False):
    """One line as ordered, and what the SKU's actor says it has."""

    line_id: str
    sku: str
    ordered: int
    cancelled: int = 0
    """What cancellations leave out, as far as it has not shipped: follows from the facts below and shipments."""
    requested_date: str | None = None
    day: int | None = None
    """The day of `requested_date`, as days since 1970-01-01; None: as soon as can be."""
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
    cause: str | None = None
    """Why it waits longer than it was told before, as its SKU said; None once it has all it wants."""
    ways: Ways | None = None
    promises: tuple[Dated, ...] = ()
    """When and where its units ship as of now, by day, those that shipped included; what nothing covers is in
    none of them."""
    first: tuple[tuple[int, int], ...] = ()
    """(ship day, units) as first promised: the n-th unit by day when first n units were promised."""

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
    recorded_us: int = 0

    @property
    def stamp(self) -> Stamp:
        return self.at_us, self.recorded_us, self.event_id


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
    told: dict[str, Stamp] = {}
    """When first: a step (its name), "short", "voided", or "corrected EVENT_ID"."""
    shipped_at: dict[str, int] = {}
    """line_id -> when it was first said to have shipped."""

    def note(self, what: str, stamp: Stamp) -> None:
        """Keeps when something first occurred, whatever comes first."""
        known = self.told.get(what)
        if known is None or stamp[0] < known[0]:
            self.told[what] = stamp

    @property
    def times(self) -> dict[str, int]:
        """What was noted -> when it occurred."""
        return {what: stamp[0] for what, stamp in self.told.items()}

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
        """Units of a line that a warehouse works on, or that have left. It works on no more than it finds, and
        once the shipment has left on none that it went without."""
        if self.shipped:
            return self.shipped.get(line_id, 0)
        units = self.released.get(line_id, 0)
        if self.short:
            units -= self.short.get(line_id, 0)
        if self.picked or self.packed:
            units = max(units, self.picked.get(line_id, 0), self.packed.get(line_id, 0))
        return units

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

    def deliveries(self) -> list[Scan]:
        """The scans that say delivered, and that nobody corrected."""
        return [
            scan
            for scan in self.scans
            if scan.status == "delivered" and not scan.is_exception and not self.is_corrected(scan)
        ]

    def ends(self, tracking: str | None = None) -> Scan | None:
        """The scan that first ended the way, by time, then sequence, of one of its parcels if `tracking` says
        of which; corrected ones do not count."""
        found = [s for s in self.scans if s.status in TERMINAL and not s.is_exception]
        if tracking is not None:
            found = [s for s in found if s.tracking == tracking]
        if self.corrected:
            found = [s for s in found if not self.is_corrected(s)]
        if len(found) > 1:
            return min(found, key=lambda s: (s.at_us, s.sequence, s.status))
        return found[0] if found else None

    def is_scanned_after(self, end: Scan) -> bool:
        """Whether the carrier scanned the same parcel though its way had ended."""
        return any(
            (scan.at_us, scan.sequence) > (end.at_us, end.sequence)
            for scan in self.scans
            if not scan.is_exception and scan.tracking == end.tracking
        )

    def parcel_status(self) -> str | None:
        """The scan that counts: a delivery, else the first that ended the parcel's way, else the last by time,
        then sequence, then rank. Corrected ones do not count."""
        scans = [s for s in self.scans if not s.is_exception and not self.is_corrected(s)]
        if not scans:
            return None
        if any(s.status == "delivered" for s in scans):
            return "delivered"
        end = self.ends()
        if end is not None:
            return end.status
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
    """A hold on the order, or on lines of it. `reason` is empty while only its release is known."""

    hold_id: str
    reason: str
    since_us: int
    scope: tuple[str, ...] | None = None
    released_us: int | None = None
    release: Stamp | None = None
    of_customer: bool = False
    """Its customer is held, and with it all its open orders."""


class Wait(msgspec.Struct, array_like=True, gc=False):
    """A stretch in which units were due and not there, or not due yet; `until_us` None: it lasts still."""

    since_us: int
    until_us: int | None
    cause: str
    sku: str


class Milestone(msgspec.Struct, array_like=True, gc=False):
    """Reached once. `inferred`: nobody said so, but a later fact implies it. `superseded`: no longer so."""

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
    about: str = ""
    """What it is about, where it is worked out anew from the ledgers and its detail may change."""


class Need(msgspec.Struct, array_like=True, gc=False):
    """The order's dealings with one SKU: its last request and the last answer taken in."""

    request: int = 0
    seq: int = 0
    state: str = "none"
    """For `ship_complete`: asked, granted, short, later (its day has not come) or parked. Otherwise asked,
    then answered."""
    lines: dict[str, SuppliedLine] = {}
    """line_id -> what it was last answered."""
    wanted: int = 0
    """Units that were last asked for, over all lines."""


class PromisedLine(msgspec.Struct, array_like=True, gc=False):
    line_id: str
    sku: str
    qty: int
    outcome: str
    """confirmed, split, partial, backordered or refused"""
    promises: tuple[Dated, ...] = ()


class Promise(msgspec.Struct, array_like=True, gc=False):
    """A promise that was asked for before the order: what was answered, for good."""

    key: str
    asked_us: int
    expires_us: int
    event_id: str
    state: str = "asked"
    """asked, given, refused, taken (the order came) or expired."""
    lines: list[PromisedLine] = []
    """The answer, once all SKUs have told theirs."""
    kept: dict[str, int] = {}
    """line_id -> units that are kept for the order to come."""


class CreditTold(msgspec.Struct, array_like=True, gc=False):
    """What an order told its customer: the figures from which its open amount follows."""

    open: bool = False
    held: bool = False
    net: int = 0
    shipped: int = 0
    revision: int = -1
    request: int = 0


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
    sourced: bool = False
    """Whether it says itself how it is sourced."""
    promised_by: str | None = None
    ship_to: tuple[str | None, str | None, str | None] | None = None
    revision: int = -1
    confirmed: bool = False
    rejected: str | None = None
    lines: dict[str, Line] = {}
    shipments: dict[str, Shipment] = {}
    holds: dict[str, OrderHold] = {}
    milestones: dict[str, Milestone] = {}
    """By name, in the order in which they were first reached."""
    exceptions: list[OrderException] = []
    needs: dict[str, Need] = {}
    waiting: list[bytes] = []
    """Facts that came before the order, as inbox messages, in order of arrival."""
    status: str = ""
    version: int = 0
    """Published changes so far."""
    facts: int = 0
    changed_us: int = 0
    correlation: str | None = None
    waits: list[Wait] = []
    """In order of time; they do not overlap."""
    finance: Finance | None = None
    """None: no invoice, credit memo or payment was ever told."""
    returns: dict[str, Return] = {}
    told: dict[str, Stamp] = {}
    """When first: "confirmed" and "rejected", whichever of them stands; when last: "lowered", by a
    revision; of cancellations by
    line: "cancel LINE_ID", the last that named it, "cancelled from LINE_ID" and "cancelled to LINE_ID", the first and
    the last by which less was wanted."""
    customer_seq: int = 0
    """The last of its customer's messages that it took in."""
    customer_class: str | None = None
    customer_region: str | None = None
    credit: CreditTold | None = None
    """What its customer was last told of it."""

    compound: bool = False
    """Whether any line has `ways`."""
    ship_day: int | None = None
    """Of `ship_complete`: the latest day of its lines, on which all are to ship."""
    stated_by: str = ""
    """Event id of what last stated the lines."""
    promise: Promise | None = None
    orphan_us: int = 0
    """When the waiting facts are given up, if the order has not come."""

    @property
    def sold_in(self) -> str | None:
        """The order's region, else its customer's."""
        return self.region if self.region is not None else self.customer_region

    @property
    def is_held(self) -> bool:
        for hold in self.holds.values():
            if hold.released_us is None:
                return True
        return False


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
    lost_credited: int = 0
    """Units credited with reason `lost`: nobody waits for them any more."""

    @property
    def net(self) -> int:
        """N of the status definition: what is still to be had."""
        return self.ordered - self.cancelled - self.lost_credited


QUANTITIES: Final = Ledger.__struct_fields__[:-1]
"""The ledger as it is shown."""


def part_key(line: Line | None, line_id: str, sku: str) -> str:
    """Under which key a shipment keeps units of a line: its id, and the SKU where that is one of several that
    the line is had by."""
    if line is None or line.sku == sku or line.ways is None or sku not in line.ways.legs:
        return line_id
    return f"{line_id}\x00{sku}"


def in_lines(order: Order, units: dict[str, int]) -> dict[str, int]:
    """Units by key of a shipment as units of lines: whole kits, and what substitutes stand for. It may be the
    same dict: read it only."""
    if not order.compound:
        return units
    found = {key: count for key, count in units.items() if "\x00" not in key}
    for line in order.lines.values():
        if line.ways is not None:
            parts = [
                units.get(f"{line.line_id}\x00{sku}", 0) // leg.per for sku, leg in line.ways.legs.items()
            ]
            whole = min(parts) if line.ways.kit else sum(parts)
            if whole:
                found[line.line_id] = found.get(line.line_id, 0) + whole
    return found


def ledgers(order: Order) -> dict[str, Ledger]:
    """Line id -> ledger. Lines that nobody ordered, which only shipments, invoices or returns name, appear
    with ordered 0."""
    found = {
        line.line_id: Ledger(line.ordered, line.cancelled, line.allocated, line.backordered)
        for line in order.lines.values()
    }
    for name, units in _reached(order).items():
        _add(found, name, units)
    finance = order.finance
    if finance is not None:
        _add(found, "invoiced", finance.invoiced())
        _add(found, "credited", finance.credited())
        lost = finance.lost_credited()
        _add(found, "lost_credited", {line_id: lost[line_id] for line_id in lost if line_id in order.lines})
    if finance is not None or order.returns:
        _add(found, "returned", returned(order.returns))
        _add(found, "restocked", restocked(order.returns, {} if finance is None else finance.restocked()))
    return found


def _reached(order: Order) -> dict[str, dict[str, int]]:
    """Step (or lost) -> line_id -> units of all shipments at that step or beyond it."""
    found: dict[str, dict[str, int]] = {}
    for shipment in order.shipments.values():
        reached = shipment.reached()
        if shipment.scans and shipment.parcel_status() == "lost":
            reached["lost"] = shipment.gone()
        for step, at in reached.items():
            units = found.setdefault(step, {})
            for key, count in at.items():
                units[key] = units.get(key, 0) + count
    return {step: in_lines(order, units) for step, units in found.items()} if order.compound else found


def _add(found: dict[str, Ledger], name: str, units: dict[str, int]) -> None:
    for line_id, count in units.items():
        ledger = found.get(line_id)
        if ledger is None:
            ledger = found[line_id] = Ledger()
        setattr(ledger, name, getattr(ledger, name) + count)


def total(order: Order) -> Ledger:
    """The order's quantities, all lines in sum, but for those on which nothing depends: of `released` only
    whether there is any, and nothing of `picked`, `packed`, `lost` and `restocked`."""
    ordered = cancelled = allocated = backordered = 0
    for line in order.lines.values():
        ordered += line.ordered
        cancelled += line.cancelled
        allocated += line.allocated
        backordered += line.backordered
    released = shipped = delivered = 0
    if order.compound:
        at = _reached(order)
        released, shipped, delivered = (
            sum(at.get(step, _NOTHING).values()) for step in ("released", "shipped", "delivered")
        )
    else:
        for shipment in order.shipments.values():
            gone = shipment.gone()
            if gone:
                units = sum(gone.values())
                shipped += units
                if shipment.is_delivered:
                    delivered += units
            elif shipment.voided is None:
                released += sum((shipment.released or shipment.picked or shipment.packed).values())
        released += shipped
    whole = Ledger(ordered, cancelled, allocated, backordered, released, 0, 0, shipped, delivered)
    finance = order.finance
    if finance is not None:
        whole.invoiced = sum(finance.invoiced().values())
        whole.credited = sum(finance.credited().values())
        lost = finance.lost_credited()
        whole.lost_credited = sum(units for line_id, units in lost.items() if line_id in order.lines)
    if order.returns:
        whole.returned = sum(returned(order.returns).values())
    return whole


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
        if whole.delivered < net:
            return "PARTIALLY_DELIVERED"
        return "CLOSED" if order.finance is not None and _is_settled(order, whole) else "DELIVERED"
    if whole.shipped:
        return "SHIPPED" if whole.shipped >= net else "PARTIALLY_SHIPPED"
    if order.is_held:
        return "ON_HOLD"
    if whole.released:
        return "IN_FULFILMENT"
    if whole.allocated:
        return "ALLOCATED" if whole.allocated >= net else "PARTIALLY_ALLOCATED"
    if whole.backordered:
        return "BACKORDERED"
    return "CONFIRMED" if order.confirmed else "RECEIVED"


def _is_settled(order: Order, whole: Ledger) -> bool:
    """Whether a delivered order is reconciled and nothing of it is open."""
    if finance_axis(whole.invoiced, whole.credited, whole.shipped) != "RECONCILED" or order.is_held:
        return False
    return not any(one.is_outstanding for one in order.returns.values())


def is_over(order: Order) -> bool:
    """Whether nothing of it is to be delivered any more: a hold of its customer does not hold it then."""
    if order.status == "PARTIALLY_RETURNED":
        whole = total(order)
        return whole.delivered >= whole.net
    return order.status in _OVER


_OVER: Final = frozenset(("REJECTED", "CANCELLED", "RETURNED", "CLOSED", "DELIVERED"))


class Axes(msgspec.Struct, frozen=True):
    """What stands beside the status."""

    finance: str
    payment: str
    returns: str


def axes(order: Order) -> Axes:
    whole = total(order)
    return Axes(
        finance_axis(whole.invoiced, whole.credited, whole.shipped),
        payment_axis(order.finance, priced_amount(order)),
        returns_axis(order.returns),
    )


def priced_amount(order: Order) -> int | None:
    """What the order comes to by its lines' own prices, in billionths; None if any line has none."""
    amount = 0
    for line in order.lines.values():
        if line.price is None:
            return None
        amount += billionths(line.price) * line.open
    return amount
