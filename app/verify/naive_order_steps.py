"""What one fact, answer or instant does to a naive order, and what must follow in the log."""

from __future__ import annotations

import msgspec

from springtide.app.verify.naive_order import (
    LIST_MAX,
    MARKS,
    NOWHERE,
    OF_PARCELS,
    SCAN_MARKS,
    STEPS,
    Mark,
    NaiveOrder,
    Need,
    OrderLine,
    Parcel,
    Scan,
    Stop,
    Units,
)
from springtide.codecs import facts as f
from springtide.codecs.letters import StatusChange
from springtide.codecs.messages import Demand, DemandLine, Origin, Supplied
from springtide.codecs.times import day_start, rfc3339


class Outcome(msgspec.Struct):
    """What one message must leave in the log."""

    demands: list[tuple[str, Demand]] = []
    """(SKU, request)"""
    changes: list[StatusChange] = []
    refused: list[tuple[str, str]] = []
    """(id of the ingress record, code) of dead letters."""


class Applying:
    """One fact, answer or instant applied to one order."""

    def __init__(
        self, order: NaiveOrder, at_us: int, recorded_us: int, event_id: str, now_us: int, sequence: int = 0
    ) -> None:
        self.order = order
        self.at_us = at_us
        self.recorded_us = recorded_us
        self.event_id = event_id
        self.now_us = now_us
        self.sequence = sequence
        self.ask: dict[str, None] = {}
        self.reached: list[str] = []

    def fact(self, name: str, data: f.Data) -> None:
        getattr(self, "_" + name.replace(".", "_"))(data)
        self._settle_cancelled()

    def _reach(self, name: str, inferred: bool = False) -> None:
        known = next((mark for mark in self.order.marks if mark.name == name), None)
        if known is None:
            self.order.marks.append(Mark(name, self.at_us, self.recorded_us, self.event_id, inferred))
            self.reached.append(name)
        elif known.superseded or (known.inferred and not inferred):  # the fact came (again)
            if known.superseded:
                self.reached.append(name)
            known.superseded, known.inferred = False, inferred
            known.occurred_us, known.recorded_us, known.event_id = self.at_us, self.recorded_us, self.event_id

    def _except(self, kind: str) -> None:
        self.order.exceptions = [*self.order.exceptions, (kind, self.event_id, self.at_us)][-LIST_MAX:]

    def _ask_all(self) -> None:
        self.ask.update((line.sku, None) for line in self.order.lines.values())

    # --- orders ---

    def _order_placed(self, d: f.OrderPlaced) -> None:
        if self.order.placed is not None:
            return
        self.order.placed = d
        self.order.placed_us = self.at_us
        self._set_lines(d.lines)
        self._reach("received")
        self._reach("validated")

    def _order_changed(self, d: f.OrderChanged) -> None:
        order = self.order
        if d.revision <= order.revision:
            return
        order.revision = d.revision
        named = {line.line_id for line in d.lines}
        for line_id, line in order.lines.items():
            if line_id not in named:
                line.dropped = True
                self.ask[line.sku] = None
        self._set_lines(d.lines)
        for line_id, line in order.lines.items():
            if line.exceeded(order.shipped(line_id)):
                self._except("changed_below_shipped")

    def _set_lines(self, lines: tuple[f.OrderLine, ...]) -> None:
        for new in lines:
            line = self.order.lines.get(new.line_id)
            if line is not None and line.sku != new.sku:
                self._except("sku_changed")
                continue
            if line is None:
                line = self.order.lines[new.line_id] = OrderLine(new.sku, new.qty)
            if line.cancel_rest:  # what was cancelled stays so, what is new is wanted
                line.cancel_named, line.cancel_rest = max(line.cancel_named, line.ordered), False
            line.dropped = False
            line.ordered = new.qty
            line.day, line.at, line.price, line.pool = new.requested_date, new.location, new.price, new.pool
            line.substitutes_ok = new.substitutes_ok
            line.due_us = None
            if new.requested_date is not None:
                try:
                    due_us = day_start(new.requested_date[:10])
                except ValueError:
                    self._except("bad_requested_date")
                else:
                    line.due_us = due_us if due_us > self.now_us else None
            self.ask[line.sku] = None

    def _order_confirmed(self, _: f.OrderConfirmed) -> None:
        if self.order.rejected is not None:
            self._except("confirmed_after_rejected")
            return
        self.order.confirmed = True
        self._reach("confirmed")

    def _order_rejected(self, d: f.OrderRejected) -> None:
        if self.order.confirmed:
            self._except("rejected_after_confirmed")
            return
        self.order.rejected = d.reason
        self._reach("rejected")
        self._ask_all()

    def _order_cancelled(self, d: f.OrderCancelled) -> None:
        lines = self.order.lines
        before = sum(line.cancelled for line in lines.values())
        if d.lines is None:
            for line in lines.values():
                line.cancel_rest = True
        for part in d.lines or ():
            known = lines.get(part.line_id)
            if known is None:
                self._except("cancel_unknown_line")
                continue
            uncancelled = known.ordered - known.to_cancel()
            if part.qty > max(0, uncancelled - self.order.shipped(part.line_id)):
                self._except("cancel_beyond_open")
            known.cancel_named += min(part.qty, uncancelled)
        self._settle_cancelled()
        if sum(line.cancelled for line in lines.values()) > before:
            nothing_left = all(line.open() <= 0 for line in lines.values())
            self._reach("cancelled(all)" if nothing_left else "cancelled(part)")

    def _settle_cancelled(self) -> None:
        """What has shipped can't be cancelled, whichever was told first."""
        for line_id, line in self.order.lines.items():
            if line.cancelled or line.to_cancel():
                cancelled = min(line.to_cancel(), max(0, line.ordered - self.order.shipped(line_id)))
                if cancelled != line.cancelled:
                    line.cancelled = cancelled
                    self.ask[line.sku] = None

    def _order_hold_placed(self, d: f.OrderHoldPlaced) -> None:
        stop = self.order.stops.get(d.hold_id)
        if stop is not None and stop.reason:
            return
        early_us = None if stop is None else stop.released_us
        self.order.stops[d.hold_id] = Stop(d.reason, self.at_us, d.scope, early_us)
        self._reach(f"held({d.reason})")
        if early_us is not None:
            self._reach(f"hold_released({d.reason})")

    def _order_hold_released(self, d: f.OrderHoldReleased) -> None:
        stop = self.order.stops.get(d.hold_id)
        if stop is None:
            self._except("release_unknown_hold")
            self.order.stops[d.hold_id] = Stop("", self.at_us, None, self.at_us)
        elif stop.released_us is None:
            stop.released_us = self.at_us
            self._reach(f"hold_released({stop.reason})")

    # --- shipments ---

    def _parcel(self, shipment_id: str) -> Parcel:
        parcel = self.order.parcels.get(shipment_id)
        if parcel is None:
            parcel = self.order.parcels[shipment_id] = Parcel()
        return parcel

    def _shipment_released(self, d: f.ShipmentReleased) -> None:
        parcel = self._parcel(d.shipment_id)
        parcel.at = d.location
        self._state(parcel, "released", d.lines)

    def _shipment_picked(self, d: f.ShipmentStep) -> None:
        self._step(d, "picked")

    def _shipment_packed(self, d: f.ShipmentStep) -> None:
        self._step(d, "packed")

    def _shipment_shipped(self, d: f.ShipmentStep) -> None:
        self._step(d, "shipped")

    def _step(self, d: f.ShipmentStep, step: str) -> None:
        parcel = self._parcel(d.shipment_id)
        parcel.at = parcel.at or d.location
        parcel.carrier = d.carrier or parcel.carrier
        parcel.tracking = d.tracking or parcel.tracking
        self._state(parcel, step, d.lines)

    def _state(self, parcel: Parcel, step: str, lines: tuple[f.ShipmentLine, ...]) -> None:
        """Units of a shipment's line at a step are stated once; stated differently the greater count stands."""
        order = self.order
        stated: Units = {}
        for part in lines:
            line = order.lines.get(part.line_id)
            if line is None:
                self._except("ships_unknown_line")
            elif line.sku != part.sku and not line.substitutes_ok:
                self._except("shipped_other_sku")
            stated[part.line_id] = stated.get(part.line_id, 0) + part.qty
            parcel.skus[part.line_id] = part.sku
        before = parcel.stated.get(step, {})
        for line_id, units in stated.items():
            if before.get(line_id, units) != units:
                self._except("restated_differently")
        parcel.stated[step] = before | {name: max(n, before.get(name, 0)) for name, n in stated.items()}
        released = parcel.stated.get("released", {})
        beyond = any(units > released.get(line_id, 0) for line_id, units in stated.items())
        if step in ("released", "shipped") or parcel.delivered() or beyond:
            self._ask_for(parcel)
        if parcel.voided is not None:
            return
        reached = STEPS.index(step)
        for earlier in MARKS[:reached]:
            self._reach(earlier, inferred=True)
        self._reach(MARKS[reached])
        if parcel.delivered():
            self._infer_shipped(parcel)
        if step == "shipped":
            for line_id in stated:
                known = order.lines.get(line_id)
                if known is not None and known.exceeded(order.shipped(line_id)):
                    self._except("shipped_beyond_open")

    def _ask_for(self, parcel: Parcel) -> None:
        """The SKUs that a shipment ships, and those its lines were ordered as."""
        for line_id, sku in parcel.skus.items():
            self.ask[sku] = None
            line = self.order.lines.get(line_id)
            if line is not None:
                self.ask[line.sku] = None

    def _shipment_voided(self, d: f.ShipmentVoided) -> None:
        parcel = self._parcel(d.shipment_id)
        if parcel.voided is None:
            parcel.voided = d.reason
            self._ask_for(parcel)
            self._supersede()

    def _parcel_scanned(self, d: f.ParcelScanned) -> None:
        parcel = self._parcel(d.shipment_id)
        scan = self._scan(parcel, d.status, False)
        if parcel.voided is not None:
            self._except("scan_of_voided_shipment")
            return
        if parcel.is_corrected(scan):
            return
        when = (scan.at_us, scan.sequence)
        ends = ("delivered", "returned_to_sender", "lost")
        standing = [s for s in parcel.scans if not s.exception and not parcel.is_corrected(s)]
        if any(s.status in ends and (s.at_us, s.sequence) < when for s in standing):
            self._except("scan_after_terminal")
        if d.status == "delivered":
            self._infer_shipped(parcel)
        if d.status != "pre_transit":
            self._reach(SCAN_MARKS.get(d.status, d.status))

    def _infer_shipped(self, parcel: Parcel) -> None:
        """What is delivered has gone every step before, though nobody said so."""
        if not parcel.stated.get("shipped") and parcel.skus:
            for mark in MARKS:
                self._reach(mark, inferred=True)
            self._ask_for(parcel)

    def _parcel_exception(self, d: f.ParcelException) -> None:
        self._scan(self._parcel(d.shipment_id), d.kind, True)
        self._reach(f"carrier_exception({d.kind})")

    def _scan(self, parcel: Parcel, status: str, exception: bool) -> Scan:
        scan = Scan(self.at_us, self.sequence, status, self.event_id, exception)
        parcel.scans = [*parcel.scans, scan]
        if len(parcel.scans) > LIST_MAX:  # the oldest goes, but a delivery counts however old it is
            others = [at for at, one in enumerate(parcel.scans) if one.status != "delivered"]
            del parcel.scans[others[0] if others else 0]
        return scan

    def _delivery_corrected(self, d: f.DeliveryCorrected) -> None:
        parcel = self._parcel(d.shipment_id)
        if d.cancels not in parcel.corrected:
            parcel.corrected = [*parcel.corrected, d.cancels][-LIST_MAX:]
            if not parcel.stated.get("shipped"):
                self._ask_for(parcel)
        self._supersede()

    def _supersede(self) -> None:
        """After a counter-fact: what no shipment has reached, and no scan that counts says, is marked so."""
        order = self.order
        standing = {mark for step, mark in zip(STEPS, MARKS, strict=True) if order.total(step)}
        for parcel in order.parcels.values():
            if parcel.voided is None:
                for scan in parcel.scans:
                    if not scan.exception and not parcel.is_corrected(scan):
                        standing.add(SCAN_MARKS.get(scan.status, scan.status))
        for mark in order.marks:
            if mark.name in OF_PARCELS and mark.name not in standing:
                mark.superseded = True

    def _pick_short(self, d: f.PickShort) -> None:
        parcel = self._parcel(d.shipment_id)
        parcel.short[d.line_id] = parcel.short.get(d.line_id, 0) + d.qty
        self.order.kept = [*self.order.kept, ("pick.short", self.event_id, self.at_us)][-LIST_MAX:]

    # --- answers ---

    def supplied(self, m: Supplied) -> None:
        order = self.order
        need = order.needs.setdefault(m.sku, Need())
        if m.seq <= need.seq:
            return
        need.seq = m.seq
        need.lines = {line.line_id: (line.allocated, line.backordered, line.cells) for line in m.lines}
        if m.request == need.request:
            if not order.is_basket():
                need.state = "answered"
            elif need.state != "parked":
                need.state = "short" if any(line.backordered for line in m.lines) else "granted"
        if order.is_basket():
            self._basket()
        self._show()

    def _basket(self) -> None:
        """All or nothing over several SKUs: while one is short, nobody keeps units for it."""
        states = [need.state for need in self.order.needs.values()]
        if "asked" in states:
            return
        if "short" in states:
            if not self.order.at_work():
                self._turn("granted", "parked")
        elif "parked" in states:
            self._turn("parked", "asked")

    def _turn(self, old: str, new: str) -> None:
        for sku, need in self.order.needs.items():
            if need.state == old:
                need.state = new
                self.ask[sku] = None

    def _show(self) -> None:
        """Line figures. While a basket is not through, its grants are tentative: they are not shown, and what
        was shown before stands until a SKU is short."""
        order = self.order
        states = {need.state for need in order.needs.values()}
        tentative = order.is_basket() and states != {"granted"} and not order.at_work()
        if tentative and "short" not in states:
            return
        for line_id, line in order.lines.items():
            need = order.needs.get(line.sku)
            if need is None or line_id not in need.lines:
                continue
            line.allocated, line.backordered, line.cells = need.lines[line_id]
            if tentative:
                line.allocated, line.backordered, line.cells = (
                    0,
                    line.open() if line.due_us is None else 0,
                    {},
                )

    # --- what follows ---

    def due(self) -> None:
        """Lines for later whose day has come."""
        for line in self.order.lines.values():
            if line.due_us is not None and line.due_us <= self.now_us:
                line.due_us = None
                self.ask[line.sku] = None

    def conclude(self, outcome: Outcome, origin: Origin) -> None:
        """Requests to SKUs, then the status, and its change if there is one."""
        order = self.order
        d = order.placed
        for sku in self.ask:
            assert d is not None
            need = order.needs.setdefault(sku, Need())
            need.request += 1
            need.state = "parked" if need.state == "parked" else "asked"
            left = self._places(sku)
            outcome.demands.append(
                (
                    sku,
                    Demand(
                        order.order_id,
                        need.request,
                        self.at_us,
                        origin,
                        self.event_id,
                        order.placed_us,
                        d.priority,
                        d.channel,
                        d.ship_complete,
                        need.state == "parked",
                        d.sourcing is not None and d.sourcing.mode == "single",
                        (d.sourcing.max_splits or 0) if d.sourcing is not None else 0,
                        left,
                        self._wanted(sku),
                        self.recorded_us,
                    ),
                )
            )
        if d is None:
            return
        net = order.net()
        allocated = sum(line.allocated for line in order.lines.values())
        if any(line.backordered for line in order.lines.values()):
            self._reach("backordered")
        if allocated >= net > 0:
            self._reach("allocated")
        elif allocated > 0:
            self._reach("partially_allocated")
        previous, order.status = order.status, order.header()
        order.changed_us = max(order.changed_us, self.at_us)
        if order.status != previous or self.reached:
            order.version += 1
            outcome.changes.append(
                StatusChange(
                    order_id=order.order_id,
                    version=order.version,
                    status=order.status,
                    previous=previous or None,
                    milestones=tuple(self.reached),
                    at=rfc3339(self.at_us),
                    event_id=self.event_id,
                    customer_id=d.customer_id,
                    channel=d.channel,
                    region=d.region,
                    correlation_id=order.correlation,
                    holds=tuple(stop.reason for stop in order.stops.values() if stop.released_us is None),
                )
            )

    def _places(self, sku: str) -> tuple[tuple[str, str, int], ...]:
        """(shipment, location, units of the SKU that left, 0 if none yet). A shipment that says no place takes it from its
        lines, once and for all."""
        order = self.order
        left = []
        for shipment_id, parcel in order.parcels.items():
            if parcel.voided is not None or sku not in parcel.skus.values():
                continue
            if not parcel.at:
                parcel.at = NOWHERE
                for line_id, named in parcel.skus.items():
                    line = order.lines.get(line_id)
                    if named == sku and line is not None and (line.cells or line.at is not None):
                        most = max(line.cells.values(), default=0)
                        full = sorted(at for at, units in line.cells.items() if units == most)
                        parcel.at = full[0] if full else line.at
                        break
            units = sum(
                n for line_id, n in parcel.units("shipped").items() if parcel.skus.get(line_id) == sku
            )
            assert parcel.at is not None
            left.append((shipment_id, parcel.at, units))
        return tuple(left)

    def _wanted(self, sku: str) -> tuple[DemandLine, ...]:
        order = self.order
        moved: dict[str, dict[str, Units]] = {"released": {}, "shipped": {}}
        for parcel in order.parcels.values():
            if parcel.voided is None and sku in parcel.skus.values():
                assert parcel.at is not None
                for step, by_line in moved.items():
                    for line_id, units in parcel.units(step).items():
                        if parcel.skus.get(line_id) == sku:
                            cells = by_line.setdefault(line_id, {})
                            cells[parcel.at] = cells.get(parcel.at, 0) + units
        own = [line_id for line_id, line in order.lines.items() if line.sku == sku]
        wanted = []
        for line_id in [*own, *(name for name in moved["released"] if name not in own)]:
            line = order.lines.get(line_id)
            due = line is not None and line.sku == sku and line.due_us is None and order.rejected is None
            wanted.append(
                DemandLine(
                    line_id,
                    max(0, line.open() - self._as_other(line_id, sku)) if due and line is not None else 0,
                    None if line is None else line.at,
                    moved["released"].get(line_id, {}),
                    moved["shipped"].get(line_id, {}),
                )
            )
        return tuple(wanted)

    def _as_other(self, line_id: str, sku: str) -> int:
        """Units of a line that were shipped as another SKU than the one ordered."""
        return sum(
            parcel.units("shipped").get(line_id, 0)
            for parcel in self.order.parcels.values()
            if parcel.skus.get(line_id, sku) != sku
        )
