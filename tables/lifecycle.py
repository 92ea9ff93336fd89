"""What each fact of `orders` and `shipments` does to an order, and what the order then wants of each SKU."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from springtide.codecs import facts as f
from springtide.codecs.messages import DemandLine, Supplied
from springtide.codecs.times import day_start
from springtide.tables.order import (
    EXCEPTIONS_MAX,
    KEPT_MAX,
    PARCEL_RANK,
    SCANS_MAX,
    STEPS,
    Kept,
    Ledger,
    Line,
    Milestone,
    Need,
    Order,
    OrderException,
    OrderHold,
    Scan,
    Shipment,
    header_status,
    total,
)

_MILESTONES: Final = {"released": "released_to_warehouse", "attempted": "delivery_attempted"}
UNKNOWN_LOCATION: Final = "?"
"""Where units left from if no fact, line or allocation tells."""


class Change(msgspec.Struct, gc=False):
    """One fact applied to one order: what the caller must publish and ask for."""

    order: Order
    at_us: int
    """When the fact occurred."""
    recorded_us: int
    event_id: str
    now_us: int
    """Stream time."""
    sequence: int = 0
    moves: bool = True
    """Whether the fact may change a quantity, a hold or the confirmation: most scans do not."""
    touched: dict[str, None] = {}
    """SKUs that must be asked anew."""
    reached: list[str] = []
    """Names of milestones added."""

    def reach(self, name: str, inferred: bool = False) -> None:
        """Marks a milestone, once; a fact replaces what was only inferred, or no longer so."""
        for milestone in self.order.milestones:
            if milestone.name == name:
                if milestone.superseded or (milestone.inferred and not inferred):
                    if milestone.superseded:
                        self.reached.append(name)
                    milestone.superseded = False
                    milestone.inferred = inferred
                    milestone.occurred_us = self.at_us
                    milestone.recorded_us = self.recorded_us
                    milestone.event_id = self.event_id
                return
        self.order.milestones.append(Milestone(name, self.at_us, self.recorded_us, self.event_id, inferred))
        self.reached.append(name)

    def refuse(self, kind: str, detail: str) -> None:
        """Shows what can't be on the order; the oldest go first once there are too many."""
        self.order.exceptions.append(OrderException(kind, detail, self.event_id, self.at_us))
        del self.order.exceptions[:-EXCEPTIONS_MAX]

    def apply(self, data: f.Data, code: int) -> None:
        """Applies one fact of a placed order (or the one that places it)."""
        _APPLY[code](self, data)
        if self.moves:
            self._settle_cancelled()

    # --- orders ---

    def placed(self, d: f.OrderPlaced) -> None:
        order = self.order
        if order.placed:
            return  # the same order sent again under another event id
        order.placed = True
        order.placed_us = self.at_us
        order.customer_id = d.customer_id
        order.channel = d.channel
        order.region = d.region
        order.currency = d.currency
        order.placed_by = d.placed_by
        order.opportunity_id = d.opportunity_id
        order.priority = d.priority
        order.ship_complete = d.ship_complete
        order.promised_by = d.promised_by
        if d.sourcing is not None:
            order.single = d.sourcing.mode == "single"
            order.max_splits = d.sourcing.max_splits or 0
        if d.ship_to is not None:
            order.ship_to = (d.ship_to.country, d.ship_to.region, d.ship_to.postcode)
        self._set_lines(d.lines)
        self.reach("received")
        self.reach("validated")

    def changed(self, d: f.OrderChanged) -> None:
        order = self.order
        if d.revision <= order.revision:
            return
        order.revision = d.revision
        kept = {line.line_id for line in d.lines}
        for line in order.lines.values():
            if line.line_id not in kept:
                line.removed = True
                self.touched[line.sku] = None
        self._set_lines(d.lines)
        shipped = self._shipped()
        for line in order.lines.values():
            if line.ships_cancelled(shipped.get(line.line_id, 0)):
                self.refuse(
                    "changed_below_shipped",
                    f"line {line.line_id}: {line.ordered - line.to_cancel} wanted, more has shipped",
                )

    def _set_lines(self, lines: Iterable[f.OrderLine]) -> None:
        for new in lines:
            line = self.order.lines.get(new.line_id)
            if line is None:
                line = self.order.lines[new.line_id] = Line(new.line_id, new.sku, new.qty)
            elif line.sku != new.sku:
                self.refuse(
                    "sku_changed", f"line {new.line_id} names {new.sku}, it was {line.sku}: not taken"
                )
                continue
            if line.rest_cancelled:  # what was cancelled stays so; what is new is wanted
                line.cancel_asked = max(line.cancel_asked, line.ordered)
                line.rest_cancelled = False
            line.removed = False
            line.ordered = new.qty
            line.requested_date = new.requested_date
            line.location = new.location
            line.pool = new.pool
            line.price = new.price
            line.substitutes_ok = new.substitutes_ok
            line.due_us = None
            if new.requested_date is not None:
                try:
                    due_us = day_start(new.requested_date[:10])
                except ValueError as error:
                    self.refuse(
                        "bad_requested_date", f"line {new.line_id}: {new.requested_date} is no day ({error})"
                    )
                    due_us = self.now_us
                line.due_us = due_us if due_us > self.now_us else None
            self.touched[line.sku] = None

    def confirmed(self, _: f.OrderConfirmed) -> None:
        if self.order.rejected is not None:
            self.refuse("confirmed_after_rejected", "the order was rejected before")
            return
        self.order.confirmed = True
        self.reach("confirmed")

    def rejected(self, d: f.OrderRejected) -> None:
        if self.order.confirmed:
            self.refuse(
                "rejected_after_confirmed", f"the order was confirmed before; reason given: {d.reason}"
            )
            return
        self.order.rejected = d.reason
        self.reach("rejected")
        self._touch_all()

    def cancelled(self, d: f.OrderCancelled) -> None:
        order = self.order
        shipped = self._shipped()
        before = sum(line.cancelled for line in order.lines.values())
        if d.lines is None:
            for line in order.lines.values():
                line.rest_cancelled = True
        for part in d.lines or ():
            known = order.lines.get(part.line_id)
            if known is None:
                self.refuse("cancel_unknown_line", f"line {part.line_id} is not in the order")
                continue
            left = max(0, known.ordered - known.to_cancel - shipped.get(part.line_id, 0))
            if part.qty > left:
                self.refuse(
                    "cancel_beyond_open", f"line {part.line_id}: {part.qty} cancelled, {left} were open"
                )
            known.cancel_asked += min(part.qty, known.ordered - known.to_cancel)
        self._settle_cancelled()
        if sum(line.cancelled for line in order.lines.values()) > before:
            whole = all(line.open <= 0 for line in order.lines.values())
            self.reach("cancelled(all)" if whole else "cancelled(part)")

    def _settle_cancelled(self) -> None:
        """What has shipped can't be cancelled, whichever was told first; what a void brings back can."""
        lines = [line for line in self.order.lines.values() if line.to_cancel or line.cancelled]
        if not lines:
            return
        shipped = self._shipped()
        for line in lines:
            cancelled = min(line.to_cancel, max(0, line.ordered - shipped.get(line.line_id, 0)))
            if cancelled != line.cancelled:
                line.cancelled = cancelled
                self.touched[line.sku] = None

    def hold_placed(self, d: f.OrderHoldPlaced) -> None:
        known = self.order.holds.get(d.hold_id)
        if known is not None and known.reason:
            return
        hold = OrderHold(d.hold_id, d.reason, self.at_us, d.scope)
        self.order.holds[d.hold_id] = hold
        self.reach(f"held({d.reason})")
        if known is not None:  # its release was told first
            hold.released_us = known.released_us
            self.reach(f"hold_released({d.reason})")

    def hold_released(self, d: f.OrderHoldReleased) -> None:
        hold = self.order.holds.get(d.hold_id)
        if hold is None:
            self.refuse("release_unknown_hold", f"hold {d.hold_id} is not known")
            self.order.holds[d.hold_id] = OrderHold(d.hold_id, "", self.at_us, None, self.at_us)
        elif hold.released_us is None:
            hold.released_us = self.at_us
            self.reach(f"hold_released({hold.reason})")

    # --- shipments ---

    def released(self, d: f.ShipmentReleased) -> None:
        shipment = self._shipment(d.shipment_id)
        shipment.location = d.location
        self._add_units(shipment, "released", d.lines)

    def picked(self, d: f.ShipmentStep) -> None:
        self._step(d, "picked")

    def packed(self, d: f.ShipmentStep) -> None:
        self._step(d, "packed")

    def shipped(self, d: f.ShipmentStep) -> None:
        self._step(d, "shipped")

    def _step(self, d: f.ShipmentStep, step: str) -> None:
        shipment = self._shipment(d.shipment_id)
        shipment.location = shipment.location or d.location
        shipment.carrier = d.carrier or shipment.carrier
        shipment.tracking = d.tracking or shipment.tracking
        self._add_units(shipment, step, d.lines)

    def voided(self, d: f.ShipmentVoided) -> None:
        shipment = self._shipment(d.shipment_id)
        if shipment.voided is None:
            shipment.voided = d.reason
            self._touch_shipment(shipment)
            self._supersede()

    def scanned(self, d: f.ParcelScanned) -> None:
        shipment = self._shipment(d.shipment_id)
        scan = Scan(self.at_us, self.sequence, d.status, self.event_id, d.tracking, d.detail, d.place)
        self._add_scan(shipment, scan)
        if shipment.voided is not None:
            self.refuse("scan_of_voided_shipment", f"shipment {d.shipment_id} is void; scanned {d.status}")
            return
        if shipment.is_corrected(scan):
            return
        self.moves = d.status == "delivered"
        ended = shipment.ended_before(scan)
        if ended is not None:
            what = f"shipment {d.shipment_id} was {ended.status} before"
            self.refuse("scan_after_terminal", f"{what}; scanned {d.status}")
        if d.status == "delivered":
            self._left(shipment)
        if d.status != "pre_transit":
            self.reach(_MILESTONES.get(d.status, d.status))

    def parcel_exception(self, d: f.ParcelException) -> None:
        self.moves = False
        shipment = self._shipment(d.shipment_id)
        self._add_scan(
            shipment,
            Scan(self.at_us, self.sequence, d.kind, self.event_id, "", d.detail, None, is_exception=True),
        )
        self.reach(f"carrier_exception({d.kind})")

    def delivery_corrected(self, d: f.DeliveryCorrected) -> None:
        shipment = self._shipment(d.shipment_id)
        if d.cancels not in shipment.corrected:
            shipment.corrected.append(d.cancels)
            del shipment.corrected[:-SCANS_MAX]
            if not shipment.shipped:
                self._touch_shipment(shipment)
        self._supersede()

    def _supersede(self) -> None:
        """After a counter-fact: marks the milestones that no shipment has reached any more."""
        whole = total(self.order)
        standing = {step for step in STEPS if getattr(whole, step)}
        for shipment in self.order.shipments.values():
            if shipment.voided is None:
                standing.update(
                    s.status for s in shipment.scans if not s.is_exception and not shipment.is_corrected(s)
                )
        gone = {_MILESTONES.get(name, name) for name in (*STEPS, *PARCEL_RANK) if name not in standing}
        for milestone in self.order.milestones:
            if milestone.name in gone:
                milestone.superseded = True

    def pick_short(self, d: f.PickShort) -> None:
        shipment = self._shipment(d.shipment_id)
        shipment.short[d.line_id] = shipment.short.get(d.line_id, 0) + d.qty
        kept = Kept("pick.short", self.at_us, self.event_id, msgspec.Raw(msgspec.msgpack.encode(d)))
        self.order.kept.append(kept)
        del self.order.kept[:-KEPT_MAX]

    def _shipment(self, shipment_id: str) -> Shipment:
        shipment = self.order.shipments.get(shipment_id)
        if shipment is None:
            shipment = self.order.shipments[shipment_id] = Shipment(shipment_id)
        return shipment

    def _add_units(self, shipment: Shipment, step: str, lines: Iterable[f.ShipmentLine]) -> None:
        """Units of a shipment's line at a step are stated once; the same again, by whatever event, is the same.
        Stated differently it is an exception, and the greater count stands, whichever came first."""
        known: dict[str, int] = getattr(shipment, step)
        stated: dict[str, int] = {}
        for part in lines:
            line = self.order.lines.get(part.line_id)
            if line is not None and line.sku != part.sku and not line.substitutes_ok:
                self.refuse("shipped_other_sku", f"line {part.line_id} is {line.sku}, {step} says {part.sku}")
            elif line is None:
                self.refuse("ships_unknown_line", f"line {part.line_id} is not in the order")
            stated[part.line_id] = stated.get(part.line_id, 0) + part.qty
            shipment.skus[part.line_id] = part.sku
        tell = step in ("released", "shipped") or shipment.is_delivered
        for line_id, units in stated.items():
            before = known.get(line_id, 0)
            if before not in (0, units):
                self.refuse(
                    "restated_differently",
                    f"shipment {shipment.shipment_id}, line {line_id}: {step} {units}, before it was {before}",
                )
            known[line_id] = max(before, units)
            tell = tell or units > shipment.released.get(line_id, 0)
        if tell:  # what is released or shipped is greater now, said or inferred
            self._touch_shipment(shipment)
        if shipment.voided is None:
            for earlier in STEPS[: STEPS.index(step)]:
                self.reach(_MILESTONES.get(earlier, earlier), inferred=True)
            self.reach(_MILESTONES.get(step, step))
            if shipment.is_delivered:
                self._left(shipment)
            if step == "shipped":
                self._check_shipped(stated)

    def _left(self, shipment: Shipment) -> None:
        """Delivered, so it was shipped; its units left the stock though no `shipment.shipped` said so."""
        if not shipment.shipped and shipment.skus:
            for step in STEPS:
                self.reach(_MILESTONES.get(step, step), inferred=True)
            self._touch_shipment(shipment)

    def _add_scan(self, shipment: Shipment, scan: Scan) -> None:
        shipment.scans.append(scan)
        if len(shipment.scans) > SCANS_MAX:  # a delivery is the last to go: it counts, however old
            del shipment.scans[next((i for i, s in enumerate(shipment.scans) if s.status != "delivered"), 0)]

    def _check_shipped(self, line_ids: Iterable[str]) -> None:
        shipped = self._shipped()
        for line_id in line_ids:
            line = self.order.lines.get(line_id)
            units = shipped.get(line_id, 0)
            if line is not None and line.ships_cancelled(units):
                wanted = line.ordered - line.to_cancel
                self.refuse("shipped_beyond_open", f"line {line_id}: {units} shipped, {wanted} wanted")

    def _shipped(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for shipment in self.order.shipments.values():
            for line_id, units in shipment.gone().items():
                found[line_id] = found.get(line_id, 0) + units
        return found

    def _touch_shipment(self, shipment: Shipment) -> None:
        """The SKUs that a shipment says it ships, and those that its lines were ordered as."""
        for line_id, sku in shipment.skus.items():
            self.touched[sku] = None
            line = self.order.lines.get(line_id)
            if line is not None:
                self.touched[line.sku] = None

    def _touch_all(self) -> None:
        for line in self.order.lines.values():
            self.touched[line.sku] = None

    # --- answers ---

    def supplied(self, m: Supplied) -> None:
        """Takes in what a SKU's actor answered; older answers than the last one say nothing new."""
        order = self.order
        need = order.needs.setdefault(m.sku, Need())
        if m.seq <= need.seq:
            return
        need.seq = m.seq
        need.lines = {line.line_id: (line.allocated, line.backordered, line.cells) for line in m.lines}
        if m.request == need.request:
            short = any(backordered for _, backordered, _ in need.lines.values())
            if not order.ship_complete:
                need.state = "answered"
            elif need.state != "parked":
                need.state = "short" if short else "granted"
        if order.ship_complete:
            self._advance_saga()
        self._take_in()

    def _advance_saga(self) -> None:
        """All or nothing over several SKUs. Nobody keeps units while another is short: the granted ones are
        parked (they keep their rank), and asked again once every short one has its units. All SKUs rank
        orders alike, so the first in rank always gets through."""
        needs = self.order.needs
        states = {need.state for need in needs.values()}
        if "asked" in states:
            return
        if "short" in states:
            move, to = "granted", "parked"
        elif "parked" in states:
            move, to = "parked", "asked"
        else:
            return
        if to == "parked" and self._is_at_work():
            return  # a warehouse is at work: nothing is taken from it any more
        for sku, need in needs.items():
            if need.state == move:
                need.state = to
                self.touched[sku] = None

    def _is_at_work(self) -> bool:
        """Whether a warehouse works on any units; a shipment that only scans tell of names none."""
        return any(shipment.voided is None and shipment.skus for shipment in self.order.shipments.values())

    def _take_in(self) -> None:
        """Line figures from the answers. While a saga is not through, its grants are tentative: not shown, and
        nothing that was shown before is taken away until a SKU says that it is short."""
        order = self.order
        tentative = order.ship_complete and any(need.state != "granted" for need in order.needs.values())
        tentative = tentative and not self._is_at_work()
        if tentative and all(need.state != "short" for need in order.needs.values()):
            return
        for line in order.lines.values():
            answer = order.needs.get(line.sku, _NO_NEED).lines.get(line.line_id)
            if answer is None:
                continue
            line.allocated, line.backordered, line.cells = answer
            if tentative:
                line.allocated, line.cells = 0, {}
                line.backordered = line.open if line.due_us is None else 0

    # --- what follows ---

    def due_lines(self) -> None:
        """Lines for later whose day has come in stream time."""
        for line in self.order.lines.values():
            if line.due_us is not None and line.due_us <= self.now_us:
                line.due_us = None
                self.touched[line.sku] = None

    def conclude(self) -> tuple[str, str] | None:
        """After all else: quantity milestones and the header status. (previous, new) if something is to be
        published, and then the version has risen."""
        order = self.order
        if not order.placed:
            return None
        previous = order.status
        if self.moves:
            whole = total(order)
            self._reach_allocated(whole)
            order.status = header_status(order, whole)
        order.changed_us = max(order.changed_us, self.at_us)
        if order.status == previous and not self.reached:
            return None
        order.version += 1
        return previous, order.status

    def _reach_allocated(self, whole: Ledger) -> None:
        if whole.backordered:
            self.reach("backordered")
        if whole.allocated >= whole.net > 0:
            self.reach("allocated")
        elif whole.allocated > 0:
            self.reach("partially_allocated")

    def demand_lines(self, sku: str) -> tuple[tuple[DemandLine, ...], tuple[tuple[str, str, int], ...]]:
        """All that the order wants of one SKU now, and its shipments with what of it left by each: 0 while it
        is only released, so that the SKU knows whose a shipment is before stock facts name it."""
        order = self.order
        released: dict[str, dict[str, int]] = {}
        shipped: dict[str, dict[str, int]] = {}
        as_other: dict[str, int] = {}
        left: list[tuple[str, str, int]] = []
        for shipment in order.shipments.values():
            if shipment.voided is not None:
                continue
            named = False
            gone = 0
            place = shipment.location or ""
            left_here = shipment.gone()
            for line_id, of in shipment.skus.items():
                units = left_here.get(line_id, 0)
                if of != sku:
                    line = order.lines.get(line_id)
                    if line is not None and line.sku == sku:
                        as_other[line_id] = as_other.get(line_id, 0) + units
                    continue
                if not named:
                    named = True
                    place = shipment.location = place or self._place_of(shipment, sku)
                at_work = max(units, shipment.at_work(line_id))
                if at_work:
                    cells = released.setdefault(line_id, {})
                    cells[place] = cells.get(place, 0) + at_work
                if units:
                    cells = shipped.setdefault(line_id, {})
                    cells[place] = cells.get(place, 0) + units
                    gone += units
            if named:
                left.append((shipment.shipment_id, place, gone))
        lines = []
        for line_id in dict.fromkeys(
            [line.line_id for line in order.lines.values() if line.sku == sku] + [*released]
        ):
            line = order.lines.get(line_id)
            wanted = 0
            if line is not None and line.sku == sku and line.due_us is None and not self._is_rejected():
                wanted = max(0, line.open - as_other.get(line_id, 0))
            lines.append(
                DemandLine(
                    line_id,
                    wanted,
                    None if line is None else line.location,
                    released.get(line_id, {}),
                    shipped.get(line_id, {}),
                )
            )
        return tuple(lines), tuple(left)

    def _is_rejected(self) -> bool:
        return self.order.rejected is not None

    def _place_of(self, shipment: Shipment, sku: str) -> str:
        for line_id, of in shipment.skus.items():
            line = self.order.lines.get(line_id)
            if of == sku and line is not None:
                if line.cells:
                    return max(sorted(line.cells), key=line.cells.__getitem__)
                if line.location is not None:
                    return line.location
        return UNKNOWN_LOCATION


_NO_NEED: Final = Need()

_HANDLERS: Final[dict[str, Callable[[Change, Any], None]]] = {
    "order.placed": Change.placed,
    "order.changed": Change.changed,
    "order.confirmed": Change.confirmed,
    "order.rejected": Change.rejected,
    "order.cancelled": Change.cancelled,
    "order.hold_placed": Change.hold_placed,
    "order.hold_released": Change.hold_released,
    "shipment.released": Change.released,
    "shipment.picked": Change.picked,
    "shipment.packed": Change.packed,
    "shipment.shipped": Change.shipped,
    "shipment.voided": Change.voided,
    "parcel.scanned": Change.scanned,
    "parcel.exception": Change.parcel_exception,
    "delivery.corrected": Change.delivery_corrected,
    "pick.short": Change.pick_short,
}
_APPLY: Final = {f.FACT_BY_NAME[name].code: handler for name, handler in _HANDLERS.items()}
