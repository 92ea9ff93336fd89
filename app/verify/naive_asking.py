"""What a naive order asks of SKUs."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.app.verify.naive_act import Act, Outcome
from springtide.app.verify.naive_back import brought_back
from springtide.app.verify.naive_line import Need, OrderLine
from springtide.app.verify.naive_order import NOWHERE
from springtide.app.verify.naive_parcel import Parcel, Units
from springtide.app.verify.naive_ways import carried_over, makeup
from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine, Origin
from springtide.codecs.times import DAY_US, day_start


class Asking(Act):
    """See the module."""

    def state_lines(self, lines: Iterable[f.OrderLine]) -> None:
        """Lines as an order, a revision, or a question for a promise has them."""
        order = self.order
        anew = False
        for new in lines:
            line = order.lines.get(new.line_id)
            day = self._day(new.requested_date)
            made = makeup(self.products.get(new.sku), new)
            if line is not None and line.sku != new.sku:
                told = order.ledger(new.line_id)
                steps = ("released", "shipped", "delivered", "returned", "invoiced", "credited")
                if any(told[name] for name in steps):
                    self.note("sku_changed")
                    continue
                self.ask_line(line)
                anew, line = True, None
            if line is None:
                line = order.lines[new.line_id] = OrderLine(new.sku, new.qty)
            else:
                same_place = (line.day, line.at, line.pool) == (day, new.location, new.pool)
                if not same_place or line.ordered != new.qty:  # what was promised for it is void
                    anew = True
                    line.first = []
                if line.made is not None:
                    self.ask_line(line)
                    made = carried_over(line.made, made) if same_place else made
            if line.cancel_rest:  # what was cancelled stays so, what is new is wanted
                line.cancel_named, line.cancel_rest = max(line.cancel_named, line.ordered), False
            line.dropped = False
            line.ordered, line.price, line.substitutes_ok = new.qty, new.price, new.substitutes_ok
            line.requested, line.day, line.at, line.pool = new.requested_date, day, new.location, new.pool
            line.made = made
            order.compound = order.compound or made is not None
            self.ask_line(line)
        order.stated_by = self.event_id
        if anew:
            self.awaits, self.heard = True, False
            self.mark("promise_set", None)
            self.mark("promise_changed", None)

    def _day(self, text: str | None) -> int | None:
        """As days since 1970-01-01."""
        try:
            return None if text is None else day_start(text[:10]) // DAY_US
        except ValueError:
            self.note("bad_requested_date")
            return None

    def ask_line(self, line: OrderLine) -> None:
        """What it is had by; of substitutes only those that were ever asked."""
        kit = line.made is not None and line.made.kit
        self.ask |= {sku: None for sku in line.skus() if kit or sku == line.sku or sku in self.order.needs}

    def ask_all(self) -> None:
        for line in self.order.lines.values():
            self.ask_line(line)

    def ask_for(self, parcel: Parcel) -> None:
        """The SKUs that a shipment ships, and those its lines are had by; a kit itself is no SKU with stock."""
        for key, sku in parcel.skus.items():
            line = self.order.lines.get(key.split("\x00")[0])
            if line is None or line.made is None or not line.made.kit or sku != line.sku:
                self.ask[sku] = None
            if line is not None:
                self.ask_line(line)

    # --- requests ---

    def request(self, outcome: Outcome, origin: Origin) -> None:
        """All that the order wants of each SKU that is to be asked."""
        order = self.order
        for sku in self.ask:
            need = order.needs.setdefault(sku, Need())
            need.request += 1
            need.state = "parked" if need.state == "parked" else "asked"
            left = self._places(sku)
            wanted = self._wanted(sku)
            need.wanted = sum(line.want for line in wanted)
            probing = any(
                line.made is not None and line.made.probes and line.made.part(sku) is not None
                for line in order.lines.values()
            )
            about = order.about
            demand = Demand(
                order_id=order.order_id,
                request=need.request,
                time_us=self.at_us,
                origin=origin,
                event_id=self.event_id,
                placed_us=order.ranked_us(),
                priority=about.priority,
                channel=about.channel,
                complete=about.ship_complete and not probing,
                parked=need.state == "parked",
                single=about.single,
                max_splits=about.max_splits,
                shipments=left,
                lines=wanted,
                recorded_us=self.recorded_us,
                keeps_safety=order.placed is None,
                returns=brought_back(order, sku),
                sourced=about.sourced,
                awaits=self.awaits or about.ship_complete or order.compound or order.placed is None,
            )
            outcome.demands.append((sku, demand))

    def _per(self, key: str, named: str, sku: str) -> int:
        """How many units of a SKU one unit is that a shipment has under a key and calls by a name; 0: none."""
        line = self.order.lines.get(key.split("\x00", maxsplit=1)[0])
        if line is not None and line.made is not None and line.made.kit and named == line.sku:
            part = line.made.part(sku)  # it ships whole kits
            return 0 if part is None else part.per
        return int(named == sku)

    def _places(self, sku: str) -> tuple[tuple[str, str, int], ...]:
        """(shipment, location, units of the SKU that left, 0 if none yet). A shipment that says no place takes
        it from its lines, once and for all."""
        order = self.order
        left = []
        for shipment_id, parcel in order.parcels.items():
            here = [key for key, named in parcel.skus.items() if self._per(key, named, sku)]
            if parcel.voided is not None or not here:
                continue
            if not parcel.at:
                parcel.at = self._place_of(parcel, sku)
            gone = parcel.units("shipped")
            units = sum(gone.get(key, 0) * self._per(key, parcel.skus[key], sku) for key in here)
            left.append((shipment_id, parcel.at, units))
        return tuple(left)

    def _place_of(self, parcel: Parcel, sku: str) -> str:
        for key, named in parcel.skus.items():
            line_id = key.split("\x00")[0]
            line = self.order.lines.get(line_id)
            if line is not None and named in (sku, line.sku):
                cells = self.order.told(sku, line_id).cells
                most = sorted(at for at, units in cells.items() if units == max(cells.values()))
                if most or line.at is not None:
                    return most[0] if most else line.at or NOWHERE
        return NOWHERE

    def _wanted(self, sku: str) -> tuple[DemandLine, ...]:
        order = self.order
        moved: dict[str, dict[str, Units]] = {"released": {}, "shipped": {}}
        for parcel in order.parcels.values():
            for step, keyed in (("released", parcel.busy()), ("shipped", parcel.units("shipped"))):
                by_line = moved[step]
                for key, units in keyed.items():
                    per = self._per(key, parcel.skus[key], sku)
                    if per and units > 0:
                        cells = by_line.setdefault(key.split("\x00")[0], {})
                        at = parcel.at or NOWHERE
                        cells[at] = cells.get(at, 0) + units * per
        own = {line_id: line for line_id, line in order.lines.items() if sku in line.skus()}
        found = []
        for line_id in [*own, *(name for name in moved["released"] if name not in own)]:
            released = moved["released"].get(line_id, {})
            shipped = moved["shipped"].get(line_id, {})
            line = order.lines.get(line_id)
            if line is None or line_id not in own:
                asked_at = None if line is None else line.at
                found.append(DemandLine(line_id, 0, asked_at, released, shipped))
            else:
                found.append(self._line(line_id, line, sku, released, shipped))
        return tuple(found)

    def _line(self, line_id: str, line: OrderLine, sku: str, released: Units, shipped: Units) -> DemandLine:
        order = self.order
        wanted = max(0, order.wanted(line_id) - self._as_other(line_id, line, sku))
        cap: int | None = None
        queues, per = True, 1
        part = None if line.made is None else line.made.part(sku)
        if line.made is not None and part is not None:
            per = part.per
            if line.made.kit:
                cap = None if part.cap is None or order.about.ship_complete else part.cap * per
            elif sku == line.sku:
                wanted = max(0, wanted - sum(other.given for other in line.made.others()))
            else:
                wanted, queues = min(wanted, part.asked), part.queued
        return DemandLine(
            line_id=line_id,
            want=wanted * per,
            location=line.at,
            released=released,
            shipped=shipped,
            day=order.ship_day if order.about.ship_complete else line.day,
            cap=cap,
            queues=queues,
            pool=line.pool,
            lot=per,
        )

    def _as_other(self, line_id: str, line: OrderLine, sku: str) -> int:
        """Units of a line that were shipped as something that is not among what it is had by."""
        return sum(
            parcel.units("shipped").get(line_id, 0)
            for parcel in self.order.parcels.values()
            if parcel.skus.get(line_id, line.sku) != line.sku
            and not self._per(line_id, parcel.skus[line_id], sku)
        )
