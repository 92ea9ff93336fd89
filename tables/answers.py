"""What an order makes of its SKUs' answers: line figures, what else to ask for, and promises."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.codecs import facts as f
from springtide.codecs.messages import PromiseAsked, Supplied
from springtide.tables.catalog import NO_NETWORK
from springtide.tables.causes import note_wait
from springtide.tables.order import Dated, Ledger, Line, Need, Order, Promise
from springtide.tables.promise import extend_first, outcome_of, promised, together, units_by_day
from springtide.tables.wants import Wants
from springtide.tables.ways import cut, dated, figures, next_us, settle_kit, settle_substitutes


class Answers(Wants, gc=False):
    """See the module. `settle` comes after each message, before the SKUs it touched are asked."""

    def supplied(self, m: Supplied) -> None:
        """Takes in what a SKU's actor answered; older answers than the last one say nothing new."""
        order = self.order
        need = order.needs.setdefault(m.sku, Need())
        if m.seq <= need.seq:
            return
        need.seq = m.seq
        need.lines = {line.line_id: line for line in m.lines}
        self.answered = m.sku
        if m.request == need.request:
            if not order.ship_complete:
                need.state = "answered"
            elif need.state != "parked":
                if any(line.backordered for line in m.lines):
                    need.state = "short"
                else:
                    has = sum(line.allocated for line in m.lines)
                    need.state = "granted" if has >= need.wanted else "later"

    def settle(self) -> None:
        """What follows from what was taken in: further requests, line figures, the answer to a promise."""
        order = self.order
        if order.compound:
            self._settle_ways()
        if order.ship_complete:
            self._settle_ship_day()
            if self.answered:
                self._advance_saga()
        if self.answered:
            self._take_in()
            note_wait(order, order.needs[self.answered].lines.values(), self.at_us)
        if order.promise is not None and not order.promise.lines:
            self._decide()

    # --- what else to ask ---

    def _settle_ways(self) -> None:
        """Kits and substitutes, line by line, each once all that it asked have answered."""
        order = self.order
        gone = self.gone()
        for line in order.lines.values():
            ways = line.ways
            if ways is None:
                continue
            wanted = self.wanted(line)
            if not ways.kit:
                shipped = {
                    sku: gone.get(f"{line.line_id}\x00{sku}", 0) // leg.per for sku, leg in ways.legs.items()
                }
                shipped[line.sku] = gone.get(line.line_id, 0)
                self.touched.update(cut(line, wanted, shipped, order.needs))
            if any(self._is_pending(sku) for sku in ways.legs):
                continue
            if ways.kit:
                if not order.ship_complete:
                    self.touched.update(settle_kit(line, wanted, order.needs))
            elif self._state(line.sku) not in ("parked", "none"):
                self.touched.update(
                    settle_substitutes(line, wanted, order.ship_complete, self.now_us, order.needs)
                )

    def _state(self, sku: str) -> str:
        need = self.order.needs.get(sku)
        return "none" if need is None else need.state

    def _is_pending(self, sku: str) -> bool:
        """Whether a SKU's answer to all that is wanted of it is still to come."""
        return sku in self.touched or self._state(sku) == "asked"

    def _settle_ship_day(self) -> None:
        """All lines of an order that ships complete ship on the latest day that any of them asks for."""
        order = self.order
        days = [line.day for line in order.lines.values() if line.day is not None and line.open > 0]
        day = max(days, default=None)
        if day != order.ship_day:
            order.ship_day = day
            for line in order.lines.values():
                self.touch(line)

    def _advance_saga(self) -> None:
        """All or nothing over several SKUs. Nobody keeps units while another is short or not due yet: the
        granted ones are parked (they keep their rank), and asked again once each of the others has its units.
        All SKUs rank orders alike, so the first in rank always gets through."""
        needs = self.order.needs
        states = {need.state for need in needs.values()}
        if "asked" in states or self.touched:
            return
        if "short" in states or "later" in states:
            move, to = "granted", "parked"
        elif "parked" in states:
            move, to = "parked", "asked"
        else:
            return
        if to == "parked" and self._is_at_work():
            return  # a warehouse is at work: nothing is taken from it any more
        for sku, need in needs.items():
            if need.state == move and (need.wanted or to == "asked"):
                need.state = to
                self.touched[sku] = None

    def _is_at_work(self) -> bool:
        """Whether a warehouse works on any units; a shipment that only scans tell of names none."""
        return any(shipment.voided is None and shipment.skus for shipment in self.order.shipments.values())

    # --- line figures ---

    def _take_in(self) -> None:
        order = self.order
        if order.ship_complete:
            self._take_in_whole()
            return
        for line in order.lines.values():
            ways = line.ways
            if line.sku != self.answered if ways is None else self.answered not in ways.legs:
                continue
            line.allocated, line.backordered, line.cells = figures(line, self.wanted(line), order.needs)
            if ways is None or (ways.turn < 0 and not any(self._is_pending(sku) for sku in ways.legs)):
                self._promise(line, dated(line, order.needs))

    def _take_in_whole(self) -> None:
        """While a saga is not through, its grants are tentative: not shown, and nothing that was shown before
        is taken away until a SKU says that it is short."""
        order = self.order
        states = {need.state for need in order.needs.values()}
        at_work = self._is_at_work()
        tentative = (bool(self.touched) or states != {"granted"}) and not at_work
        if not tentative or not states.isdisjoint(("short", "later")):
            for line in order.lines.values():
                line.allocated, line.backordered, line.cells = figures(line, self.wanted(line), order.needs)
                if tentative:
                    line.allocated, line.cells = 0, {}
                    line.backordered = 0 if "later" in states else self.wanted(line)
        if "asked" in states or self.touched:
            return
        promises = [(line, dated(line, order.needs)) for line in order.lines.values()]
        for line, told in promises if at_work else together(promises):
            self._promise(line, told)

    def _promise(self, line: Line, told: tuple[Dated, ...]) -> None:
        """Takes what a line is promised now; what it was first promised stays."""
        if told != line.promises:
            known = self.order.milestones.get("promise_set") if line.promises else None
            if known is not None and not known.superseded:
                net = line.open
                if units_by_day(line.promises, net) != units_by_day(told, net):
                    self.reach("promise_changed")
            line.promises = told
        extend_first(line)
        self.dated = True

    def reach_allocated(self, whole: Ledger) -> None:
        """Marks what the quantities and promises have come to. While a SKU has not answered for a line that is
        due nobody knows whether the order gets a part only."""
        if whole.allocated >= whole.net > 0:
            self.reach("allocated")
        elif 0 < whole.allocated < whole.net and all(
            line.day is not None or line.allocated + line.backordered >= line.open
            for line in self.order.lines.values()
        ):
            self.reach("partially_allocated")
        if whole.backordered:
            self.reach("backordered")
        if self.dated and whole.net > 0:
            for line in self.order.lines.values():
                if promised(line) < line.open:
                    return
            self.reach("promise_set")

    # --- a promise asked for before the order ---

    def promise_asked(self, m: PromiseAsked) -> None:
        """Asks for what a promise is wanted of. The same question again changes nothing; one about an order
        that is placed already is answered by what its lines have."""
        order = self.order
        known = order.promise
        if known is not None and known.key == m.key:
            return
        order.promise = Promise(m.key, m.time_us, m.expires_us, m.event_id)
        if order.placed:
            order.promise.state = "taken"
            order.promise.asked_us = (
                order.placed_us if known is None else min(known.asked_us, order.placed_us)
            )
            self.awaits = True
            for line in order.lines.values():
                self.touch(line)
            return
        order.channel = m.channel
        order.priority = m.priority
        order.ship_complete = m.ship_complete
        self.source(m.sourcing)
        self._forget(m.lines)
        self.state_lines(m.lines)

    def take_over(self, lines: Iterable[f.OrderLine]) -> None:
        """The order has come: its lines keep what the promise for them has."""
        promise = self.order.promise
        if promise is None:
            return
        if promise.state in ("asked", "given"):
            promise.state = "taken"
            self.dated = True
            self._forget(lines)
        else:
            self._forget(())
        self.awaits = True
        for need in self.order.needs.values():
            if need.state == "parked":
                need.state = "asked"

    def _forget(self, kept: Iterable[f.OrderLine]) -> None:
        """Lines of a promise that are not asked for any more, by id and SKU."""
        order = self.order
        named = {(line.line_id, line.sku) for line in kept}
        for line in list(order.lines.values()):
            if (line.line_id, line.sku) not in named:
                self.touch(line)
                del order.lines[line.line_id]

    def _decide(self) -> None:
        """Once all SKUs have told theirs: what the promise is, for good. What has no date is given back."""
        order = self.order
        promise = order.promise
        assert promise is not None
        for line in order.lines.values():
            skus = (line.sku,) if line.ways is None else line.ways.legs
            if any(self._is_pending(sku) for sku in skus) or (line.ways is not None and line.ways.turn >= 0):
                return
        promise.lines = [
            outcome_of(line, order.ship_complete, self.network or NO_NETWORK, self.now_us)
            for line in order.lines.values()
            if line.open > 0
        ]
        if promise.state != "asked":
            return
        promise.kept = {
            line.line_id: promised(order.lines[line.line_id])
            for line in promise.lines
            if line.outcome != "refused"
        }
        promise.state = "given" if promise.kept else "refused"
        for line in order.lines.values():
            if promise.kept.get(line.line_id, 0) < line.open:
                self.touch(line)

    # --- time ---

    def time_came(self) -> None:
        """What stands until an instant ends: a promise that no order took, and what may not stand for a line
        yet."""
        order = self.order
        promise = order.promise
        stands = promise is not None and promise.state in ("asked", "given")
        if promise is not None and stands and promise.expires_us <= self.now_us:
            promise.state, promise.kept = "expired", {}
            for line in order.lines.values():
                self.touch(line)
        for line in order.lines.values():
            ways = line.ways
            if ways is not None and any(0 < leg.from_us <= self.now_us for leg in ways.legs.values()):
                ways.short = 0


def due_us(order: Order, now_us: int) -> int | None:
    """When `time_came` is to be called next, or waiting facts are given up."""
    if order.placed and not order.compound:
        return None
    due = [us for us in (next_us(line, now_us) for line in order.lines.values()) if us is not None]
    if not order.placed:
        if order.waiting:
            due.append(order.orphan_us)
        if order.promise is not None and order.promise.state in ("asked", "given"):
            due.append(order.promise.expires_us)
    return min(due, default=None)
