"""What each fact of `shipments` does to an order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from springtide.codecs import facts as f
from springtide.tables.milestones import UNTOLD_SCANS, milestone_of, of_shipments
from springtide.tables.order import SCANS_MAX, STEPS, Scan, Shipment, part_key
from springtide.tables.wants import Wants


class Shipping(Wants, gc=False):
    """See the module."""

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
        shipment.note("voided", self.stamp)
        self.suspect = True
        if shipment.voided is None:
            shipment.voided = d.reason
            self.touch_shipment(shipment)
            self._recount()

    def scanned(self, d: f.ParcelScanned) -> None:
        shipment = self._shipment(d.shipment_id)
        scan = Scan(
            self.at_us,
            self.sequence,
            d.status,
            self.event_id,
            d.tracking,
            d.detail,
            d.place,
            False,
            self.recorded_us,
        )
        self._add_scan(shipment, scan)
        if shipment.voided is not None or shipment.is_corrected(scan):
            self.suspect = True
            self._recount()
            return
        if len(shipment.scans) > 1:
            end = shipment.ends(d.tracking)
            self.suspect = self.suspect or (end is not None and shipment.is_scanned_after(end))
        self.moves = d.status == "delivered"
        if d.status == "delivered":
            self._left(shipment)
        if d.status not in UNTOLD_SCANS:
            self.fact(milestone_of(d.status))

    def parcel_exception(self, d: f.ParcelException) -> None:
        self.moves = False
        shipment = self._shipment(d.shipment_id)
        scan = Scan(
            self.at_us, self.sequence, d.kind, self.event_id, "", d.detail, None, True, self.recorded_us
        )
        self._add_scan(shipment, scan)
        if shipment.voided is not None or shipment.is_corrected(scan):
            self._recount()
        else:
            self.fact(f"carrier_exception({d.kind})")

    def delivery_corrected(self, d: f.DeliveryCorrected) -> None:
        shipment = self._shipment(d.shipment_id)
        shipment.note(f"corrected {d.cancels}", self.stamp)
        self.suspect = True
        if d.cancels not in shipment.corrected:
            shipment.corrected.append(d.cancels)
            for gone in shipment.corrected[:-SCANS_MAX]:
                shipment.told.pop(f"corrected {gone}", None)
            del shipment.corrected[:-SCANS_MAX]
            if not shipment.shipped:
                self.touch_shipment(shipment)
        self._recount()

    def pick_short(self, d: f.PickShort) -> None:
        """Stated once for a line of a shipment, as its steps are."""
        shipment = self._shipment(d.shipment_id)
        before = shipment.short.get(d.line_id, 0)
        if before not in (0, d.qty):
            self.refuse(
                "restated_differently",
                f"shipment {shipment.shipment_id}, line {d.line_id}: short of {d.qty}, before it was {before};"
                " the greater stands",
            )
        shipment.short[d.line_id] = max(before, d.qty)
        shipment.note("short", self.stamp)
        self.touch_shipment(shipment)

    def _recount(self) -> None:
        """After a counter-fact, or a fact that one came before: milestones anew from all shipments."""
        for name, (superseded, inferred, _, stamp) in of_shipments(self.order).items():
            self.stands(name, stamp, inferred, superseded)

    def _shipment(self, shipment_id: str) -> Shipment:
        shipment = self.order.shipments.get(shipment_id)
        if shipment is None:
            shipment = self.order.shipments[shipment_id] = Shipment(shipment_id)
        return shipment

    def _add_units(self, shipment: Shipment, step: str, lines: Iterable[f.ShipmentLine]) -> None:
        """Units of a shipment's line at a step are stated once; the same again, by whatever event, is the same.
        Stated differently it is an exception, and the greater count stands, whichever came first."""
        known: dict[str, int] = getattr(shipment, step)
        at_work = bool(shipment.released or shipment.picked or shipment.packed)
        stated: dict[str, int] = {}
        for part in lines:
            key = part.line_id
            line = self.order.lines.get(key)
            if line is None:
                self.suspect = True
            elif line.sku != part.sku:
                key = part_key(line, part.line_id, part.sku)
                if key == part.line_id and not line.substitutes_ok:
                    self.refuse("shipped_other_sku", f"line {key} is {line.sku}, {step} says {part.sku}")
            stated[key] = stated.get(key, 0) + part.qty
            shipment.skus[key] = part.sku
        shipment.note(step, self.stamp)
        if step == "shipped":
            for line_id in stated:
                first_us = shipment.shipped_at.get(line_id, self.at_us)
                shipment.shipped_at[line_id] = min(first_us, self.at_us)
        is_delivered = bool(shipment.scans) and shipment.is_delivered
        tell = step in _TELLING or is_delivered
        # That more of what is at work is picked or packed changes no status.
        self.moves = tell or not at_work or self.order.compound
        for line_id, units in stated.items():
            before = known.get(line_id, 0)
            if before not in (0, units):
                self.refuse(
                    "restated_differently",
                    f"shipment {shipment.shipment_id}, line {line_id}: {step} {units}, before it was {before}",
                )
            if units > before:
                known[line_id] = units
            tell = tell or units > shipment.released.get(line_id, 0) - shipment.short.get(line_id, 0)
        if tell:  # what is released or shipped is greater now, said or inferred
            self.touch_shipment(shipment)
        if is_delivered:  # what is delivered may be less now, since it is better known
            self.suspect = True
        elif step == "shipped" and not self.suspect:
            self.suspect = self._is_too_much_shipped()
        if is_delivered or shipment.voided is not None or shipment.corrected:
            self._recount()
            return
        *earlier, own = _REACHED[step]
        for name in earlier:
            self.fact(name, inferred=True)
        self.fact(own)

    def _is_too_much_shipped(self) -> bool:
        shipped = self._shipped()
        return any(line.ships_cancelled(shipped.get(line.line_id, 0)) for line in self.order.lines.values())

    def _left(self, shipment: Shipment) -> None:
        """Delivered, so it was shipped; its units left the stock though no `shipment.shipped` said so."""
        if not shipment.shipped and shipment.skus:
            self.suspect = True
            self._recount()
            self.touch_shipment(shipment)

    def _add_scan(self, shipment: Shipment, scan: Scan) -> None:
        shipment.scans.append(scan)
        if len(shipment.scans) > SCANS_MAX:  # a delivery is the last to go: it counts, however old
            del shipment.scans[next((i for i, s in enumerate(shipment.scans) if s.status != "delivered"), 0)]


_REACHED: Final = {step: [milestone_of(one) for one in STEPS[: at + 1]] for at, step in enumerate(STEPS)}
"""Step -> milestones of it and of the steps before it."""
_TELLING: Final = ("released", "shipped")
"""Steps of which SKUs are told at once."""
