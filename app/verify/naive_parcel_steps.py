"""What facts of shipments and parcels do to a naive order."""

from __future__ import annotations

from springtide.app.verify.naive_act import Due
from springtide.app.verify.naive_asking import Asking
from springtide.app.verify.naive_order import LIST_MAX
from springtide.app.verify.naive_parcel import MARKS, SCAN_MARKS, STEPS, Parcel, Scan, Stamp, Units
from springtide.codecs import facts as f


class ParcelActs(Asking):
    """Methods are named as facts are."""

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
            key = part.line_id
            if line is not None and line.sku != part.sku:
                if part.sku in line.skus():  # one of several that the line is had by
                    key = f"{key}\x00{part.sku}"
                elif not line.substitutes_ok:
                    self.note("shipped_other_sku")
            stated[key] = stated.get(key, 0) + part.qty
            parcel.skus[key] = part.sku
        parcel.heard += [(what, self.stamp) for what in (step, *(f"{step} {name}" for name in stated))]
        before = parcel.stated.get(step, {})
        for line_id, units in stated.items():
            if before.get(line_id, units) != units:
                self.note("restated_differently")
        parcel.stated[step] = before | {name: max(n, before.get(name, 0)) for name, n in stated.items()}
        released = parcel.stated.get("released", {})
        beyond = any(units > released.get(x, 0) - parcel.short.get(x, 0) for x, units in stated.items())
        if step in ("released", "shipped") or parcel.delivered() or beyond:
            self.ask_for(parcel)
        self._mark_ways()

    def _shipment_voided(self, d: f.ShipmentVoided) -> None:
        parcel = self._parcel(d.shipment_id)
        parcel.heard.append(("voided", self.stamp))
        if parcel.voided is None:
            parcel.voided = d.reason
            self.ask_for(parcel)
        self._mark_ways()

    def _parcel_scanned(self, d: f.ParcelScanned) -> None:
        parcel = self._parcel(d.shipment_id)
        scan = self._scan(parcel, d.status, False, d.tracking)
        counts = parcel.voided is None and not parcel.is_corrected(scan)
        if counts and d.status == "delivered" and not parcel.stated.get("shipped"):
            self.ask_for(parcel)
        self._mark_ways()

    def _parcel_exception(self, d: f.ParcelException) -> None:
        self._scan(self._parcel(d.shipment_id), d.kind, True)
        self._mark_ways()

    def _scan(self, parcel: Parcel, status: str, exception: bool, tracking: str = "") -> Scan:
        scan = Scan(self.at_us, self.sequence, status, self.event_id, exception, self.recorded_us, tracking)
        parcel.scans = [*parcel.scans, scan]
        if len(parcel.scans) > LIST_MAX:  # the oldest goes, but a delivery counts however old it is
            others = [at for at, one in enumerate(parcel.scans) if one.status != "delivered"]
            del parcel.scans[others[0] if others else 0]
        return scan

    def _delivery_corrected(self, d: f.DeliveryCorrected) -> None:
        parcel = self._parcel(d.shipment_id)
        parcel.heard.append((f"corrected {d.cancels}", self.stamp))
        if d.cancels not in parcel.corrected:
            parcel.corrected = [*parcel.corrected, d.cancels][-LIST_MAX:]
            if not parcel.stated.get("shipped"):
                self.ask_for(parcel)
        self._mark_ways()

    def _pick_short(self, d: f.PickShort) -> None:
        parcel = self._parcel(d.shipment_id)
        parcel.heard.append(("short", self.stamp))
        before = parcel.short.get(d.line_id, d.qty)
        if before != d.qty:
            self.note("restated_differently")
        parcel.short[d.line_id] = max(before, d.qty)
        self.ask_for(parcel)

    def _mark_ways(self) -> None:
        """All milestones of all parcels, from the beginning."""
        found: dict[str, list[Due]] = {}
        for parcel in self.order.parcels.values():
            for name, due in marks(parcel):
                found.setdefault(name, []).append(due)
        for name, dues in found.items():
            self.mark(name, min(dues, key=Due.rank))


def marks(parcel: Parcel) -> list[tuple[str, Due]]:
    """What one parcel has reached. A step that nobody told is inferred from the earliest that comes after it; of
    a delivery that it was shipped."""
    void = parcel.voided is not None
    found: list[tuple[str, Due]] = []
    later: list[Stamp] = []
    undone: list[Stamp] = []
    if parcel.skus and not parcel.stated.get("shipped"):
        later += [s.stamp() for s in parcel.counting() if s.status == "delivered"]
        undone += [s.stamp() for s in parcel.scans if s.status == "delivered" and not s.exception]
    for step, name in reversed(tuple(zip(STEPS, MARKS, strict=True))):
        told = parcel.first(step)
        if told is not None:
            found.append((name, Due(void, False, told)))
            later.append(told)
        elif later:
            found.append((name, Due(void, True, min(later, key=lambda stamp: stamp[0]))))
        elif undone:  # it was inferred, and is no more
            found.append((name, Due(True, True, min(undone, key=lambda stamp: stamp[0]))))
    for scan in parcel.scans:
        due = Due(void or parcel.is_corrected(scan), False, scan.stamp())
        if scan.exception:
            found.append((f"carrier_exception({scan.status})", due))
        elif scan.status != "pre_transit":
            found.append((SCAN_MARKS.get(scan.status, scan.status), due))
    return found
