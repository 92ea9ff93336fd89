"""What an order wants of each SKU: its lines as stated, less what is cancelled, by day and place."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine, Origin
from springtide.tables.applied import Applied
from springtide.tables.calendar import day_of
from springtide.tables.order import (
    Line,
    Need,
    Shipment,
    in_lines,
    ledgers,
)
from springtide.tables.restock import brought_back
from springtide.tables.ways import answer_of, keep, ways_of

UNKNOWN_LOCATION: Final = "?"
"""Where units left from if no fact, line or allocation tells."""


class Wants(Applied, gc=False):
    """See the module."""

    # --- lines ---

    def state_lines(self, lines: Iterable[f.OrderLine]) -> None:
        """Takes lines as an order, a revision of it or a question for a promise states them. A line that is
        stated otherwise than before starts its promises anew."""
        order = self.order
        anew = False
        for new in lines:
            line = order.lines.get(new.line_id)
            day = None if new.requested_date is None else self._day(new)
            goods = self.goods.get(new.sku)
            ways = None if goods is None else ways_of(goods.product, new)
            if line is not None and line.sku != new.sku:
                if self._has_begun(line):
                    self.refuse(
                        "sku_changed",
                        f"line {new.line_id} names {new.sku}, but facts tell of its {line.sku}: not taken",
                    )
                    continue
                self.touch(line)
                for bound in ("from", "to"):
                    order.told.pop(f"cancelled {bound} {new.line_id}", None)
                anew, line = True, None
            if line is None:
                line = order.lines[new.line_id] = Line(new.line_id, new.sku, new.qty)
            else:
                same_place = (line.day, line.location, line.pool) == (day, new.location, new.pool)
                if not same_place or line.ordered != new.qty:
                    anew = True
                    line.first = ()
                if line.ways is not None:
                    self.touch(line)
                    ways = keep(line.ways, ways) if same_place else ways
            if line.rest_cancelled:  # what was cancelled stays so; what is new is wanted
                line.cancel_asked = max(line.cancel_asked, line.ordered)
                line.rest_cancelled = False
            line.removed = False
            line.ordered = new.qty
            line.requested_date = new.requested_date
            line.day = day
            line.location = new.location
            line.pool = new.pool
            line.price = new.price
            line.substitutes_ok = new.substitutes_ok
            line.ways = ways
            order.compound = order.compound or ways is not None
            self.touch(line)
        order.stated_by = self.event_id
        if anew:
            self.awaits, self.dated = True, False
            self.supersede("promise_set")
            self.supersede("promise_changed")

    def _has_begun(self, line: Line) -> bool:
        """Whether a warehouse, an invoice or a return tells of units of the line."""
        told = ledgers(self.order)[line.line_id]
        return any((told.released, told.shipped, told.delivered, told.returned, told.invoiced, told.credited))

    def source(self, sourcing: f.Sourcing | None) -> None:
        """Takes how the order is sourced, if it says."""
        order = self.order
        order.sourced = sourcing is not None
        order.single = sourcing is not None and sourcing.mode == "single"
        order.max_splits = 0 if sourcing is None else sourcing.max_splits or 0

    def _day(self, new: f.OrderLine) -> int | None:
        assert new.requested_date is not None
        try:
            return day_of(new.requested_date[:10])
        except ValueError as error:
            self.refuse("bad_requested_date", f"line {new.line_id}: {new.requested_date} is no day ({error})")
            return None

    def touch(self, line: Line) -> None:
        """The SKUs that a line is had by are to be asked anew; not a substitute that never was."""
        ways = line.ways
        if ways is None:
            self.touched[line.sku] = None
            return
        for sku in ways.legs:
            if ways.kit or sku == line.sku or sku in self.order.needs:
                self.touched[sku] = None

    def touch_shipment(self, shipment: Shipment) -> None:
        """The SKUs that a shipment says it ships, and those that its lines are had by."""
        for key, sku in shipment.skus.items():
            line = self.order.lines.get(key.partition("\x00")[0])
            if line is None or line.ways is None or not (line.ways.kit and sku == line.sku):
                self.touched[sku] = None
            if line is not None:
                self.touch(line)

    def wanted(self, line: Line) -> int:
        """Units of a line that are wanted, those that shipped included."""
        order = self.order
        if order.rejected is not None:
            return 0
        if order.placed or order.promise is None:
            return line.open
        if order.promise.state == "asked":
            return line.open
        return min(line.open, order.promise.kept.get(line.line_id, 0))

    def gone(self) -> dict[str, int]:
        """Key of a shipment's units -> units that have left, over all shipments. Read it only."""
        shipments = self.order.shipments
        if len(shipments) == 1:
            return next(iter(shipments.values())).gone()
        found: dict[str, int] = {}
        for shipment in shipments.values():
            for key, units in shipment.gone().items():
                found[key] = found.get(key, 0) + units
        return found

    def _shipped(self) -> dict[str, int]:
        """Line id -> units that have left."""
        return in_lines(self.order, self.gone())

    # --- requests ---

    def ask(self, sku: str, origin: Origin) -> Demand:
        """A new request to a SKU's actor: all that the order now wants there."""
        order = self.order
        need = order.needs.get(sku)
        if need is None:
            need = order.needs[sku] = Need()
        need.request += 1
        if need.state != "parked":
            need.state = "asked"
        lines, shipments = self.demand_lines(sku)
        need.wanted = sum([line.want for line in lines])
        complete = order.ship_complete
        if order.compound and complete:
            complete = not any(
                line.ways is not None and line.ways.probes and sku in line.ways.legs
                for line in order.lines.values()
            )
        placed_us = order.placed_us
        promise = order.promise
        if promise is not None and promise.state in ("asked", "given", "taken"):
            placed_us = promise.asked_us
        return Demand(
            order.order_id,
            need.request,
            self.at_us,
            origin,
            self.event_id,
            placed_us,
            order.priority,
            order.channel,
            complete,
            need.state == "parked",
            order.single,
            order.max_splits,
            shipments,
            lines,
            self.recorded_us,
            not order.placed,
            brought_back(order, sku),
            order.sourced,
            self.awaits or order.ship_complete or order.compound or not order.placed,
        )

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
            for key, of in shipment.skus.items():
                units = left_here.get(key, 0)
                line_id, per = key, 1 if of == sku else 0
                if order.compound:
                    line_id, per = self._part(key, of, sku)
                if not per:
                    line = order.lines.get(line_id)
                    if line is not None and of != line.sku and key == line_id:
                        as_other[line_id] = as_other.get(line_id, 0) + units
                    continue
                if not named:
                    named = True
                    place = shipment.location = place or self._place_of(shipment, sku)
                at_work = max(units, shipment.at_work(key)) * per
                if at_work:
                    cells = released.setdefault(line_id, {})
                    cells[place] = cells.get(place, 0) + at_work
                if units:
                    cells = shipped.setdefault(line_id, {})
                    cells[place] = cells.get(place, 0) + units * per
                    gone += units * per
            if named:
                left.append((shipment.shipment_id, place, gone))
        lines = []
        day = order.ship_day
        for line in order.lines.values():
            line_id = line.line_id
            if line.ways is not None:
                if sku not in line.ways.legs:
                    continue
                lines.append(
                    self._leg_line(
                        line,
                        sku,
                        as_other.get(line_id, 0),
                        released.pop(line_id, _NOWHERE),
                        shipped.get(line_id, _NOWHERE),
                    )
                )
            elif line.sku == sku:
                wanted = self.wanted(line)
                if as_other:
                    wanted = max(0, wanted - as_other.get(line_id, 0))
                lines.append(
                    DemandLine(
                        line_id,
                        wanted,
                        line.location,
                        released.pop(line_id, _NOWHERE),
                        shipped.get(line_id, _NOWHERE),
                        day if order.ship_complete else line.day,
                        None,
                        True,
                        line.pool,
                    )
                )
        for line_id, cells in released.items():
            other = order.lines.get(line_id)
            at = None if other is None else other.location
            lines.append(DemandLine(line_id, 0, at, cells, shipped.get(line_id, _NOWHERE)))
        return tuple(lines), tuple(left)

    def _leg_line(
        self, line: Line, sku: str, as_other: int, released: dict[str, int], shipped: dict[str, int]
    ) -> DemandLine:
        """One line at one of the SKUs that it is had by."""
        order = self.order
        wanted = max(0, self.wanted(line) - as_other)
        ways = line.ways
        assert ways is not None
        leg = ways.legs[sku]
        cap: int | None = None
        queues = True
        if ways.kit:
            cap = None if leg.cap is None or order.ship_complete else leg.cap * leg.per
        elif sku == line.sku:
            wanted = max(0, wanted - sum(other.given for other in ways.legs.values()))
        else:
            wanted = min(wanted, leg.asked)
            queues = leg.queued
        return DemandLine(
            line.line_id,
            wanted * leg.per,
            line.location,
            released,
            shipped,
            order.ship_day if order.ship_complete else line.day,
            cap,
            queues,
            line.pool,
            leg.per,
        )

    def _part(self, key: str, of: str, sku: str) -> tuple[str, int]:
        """Of units that a shipment keeps under a key and says to be `of`: their line, and how many units of
        `sku` each of them is; 0 if none."""
        line_id = key.partition("\x00")[0]
        line = self.order.lines.get(line_id)
        if line is not None and line.ways is not None and line.ways.kit and of == line.sku:
            leg = line.ways.legs.get(sku)
            return line_id, 0 if leg is None else leg.per
        return line_id, 1 if of == sku else 0

    def _place_of(self, shipment: Shipment, sku: str) -> str:
        for key, of in shipment.skus.items():
            line = self.order.lines.get(key.partition("\x00")[0])
            if line is not None and (of == sku or of == line.sku):
                cells = answer_of(self.order.needs, sku, line.line_id).cells
                if cells:
                    return max(sorted(cells), key=cells.__getitem__)
                if line.location is not None:
                    return line.location
        return UNKNOWN_LOCATION


_NOWHERE: Final[dict[str, int]] = {}
