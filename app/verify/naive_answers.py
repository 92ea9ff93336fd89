"""What a naive order makes of its SKUs' answers: line figures, promises, and what is to be asked next."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.app.verify.naive_asking import Asking
from springtide.app.verify.naive_course import wait_cause
from springtide.app.verify.naive_line import Need, OrderLine
from springtide.app.verify.naive_promise import About, Asked, outcome
from springtide.app.verify.naive_ways import Dated, ask_others, cap_kit, give_back, promises, together
from springtide.codecs import facts as f
from springtide.codecs.messages import PromiseAsked, Supplied

OPEN = ("asked", "given")
"""States of a promise that no order has taken and that stands."""


class Answering(Asking):
    """See the module."""

    def supplied(self, m: Supplied) -> None:
        order = self.order
        need = order.needs.setdefault(m.sku, Need())
        if m.seq <= need.seq:
            return
        need.seq = m.seq
        need.lines = {line.line_id: line for line in m.lines}
        self.answered = m.sku
        if m.request != need.request:
            return
        if not order.about.ship_complete:
            need.state = "answered"
        elif need.state != "parked":
            has = sum(line.allocated for line in m.lines)
            short = any(line.backordered for line in m.lines)
            need.state = "short" if short else "granted" if has >= need.wanted else "later"

    def settle(self) -> None:
        """Comes after each message, before anything is asked."""
        order = self.order
        for line_id, line in order.lines.items():
            if line.made is not None:
                self._settle_made(line_id, line)
        if order.about.ship_complete:
            days = [x.day for x in order.lines.values() if x.day is not None and x.open() > 0]
            if max(days, default=None) != order.ship_day:
                order.ship_day = max(days, default=None)
                self.ask_all()
            if self.answered:
                self._basket()
        if self.answered:
            self._show()
            self._wait()
        if order.promise is not None and order.promise.lines is None:
            self._decide()

    def _settle_made(self, line_id: str, line: OrderLine) -> None:
        order, made = self.order, line.made
        assert made is not None
        wanted = order.wanted(line_id)

        if not made.kit:
            gone = order.by_key("shipped")
            shipped = {p.sku: gone.get(f"{line_id}\x00{p.sku}", 0) // p.per for p in made.others()}
            shipped[line.sku] = gone.get(line_id, 0)
            self.ask |= give_back(made, line.sku, wanted, shipped, lambda sku: order.told(sku, line_id))
        if self._pending(line):
            return
        if made.kit and not order.about.ship_complete:
            self.ask |= cap_kit(made, wanted, lambda sku: order.told(sku, line_id))
        elif not made.kit and order.state(line.sku) not in ("parked", "none"):
            self.ask |= ask_others(
                made,
                line.sku,
                wanted,
                order.about.ship_complete,
                self.now_us,
                lambda sku: order.told(sku, line_id),
                lambda sku: sku in order.needs and any(name != line_id for name in order.needs[sku].lines),
            )

    def _pending(self, line: OrderLine) -> bool:
        """Whether an answer to all that is wanted of a SKU of the line is still to come."""
        return any(sku in self.ask or self.order.state(sku) == "asked" for sku in line.skus())

    def _basket(self) -> None:
        """All or nothing over several SKUs: while one is short, nobody keeps units for it."""
        states = [need.state for need in self.order.needs.values()]
        if "asked" in states or self.ask:
            return
        if "short" in states or "later" in states:
            if not self.order.at_work():
                self._turn("granted", "parked")
        elif "parked" in states:
            self._turn("parked", "asked")

    def _turn(self, old: str, new: str) -> None:
        for sku, need in self.order.needs.items():
            if need.state == old and (need.wanted or new == "asked"):  # what wants nothing keeps nothing
                need.state = new
                self.ask[sku] = None

    # --- what lines have ---

    def _show(self) -> None:
        order = self.order
        if order.about.ship_complete:
            self._show_basket()
            return
        for line_id, line in order.lines.items():
            if self.answered in line.skus():
                line.allocated, line.backordered, line.cells = order.figures(line_id)
                if line.made is None or (line.made.turn < 0 and not self._pending(line)):
                    self._promise(line, self._dated(line_id, line))

    def _show_basket(self) -> None:
        """While a basket is not through, its grants are tentative: they are not shown, and what was shown before
        stands until a SKU is short, or is not due yet."""
        order = self.order
        states = {need.state for need in order.needs.values()}
        tentative = not order.at_work() and (bool(self.ask) or states != {"granted"})
        if not tentative or "short" in states or "later" in states:
            for line_id, line in order.lines.items():
                line.allocated, line.backordered, line.cells = order.figures(line_id)
                if tentative:
                    lacks = 0 if "later" in states else order.wanted(line_id)
                    line.allocated, line.backordered, line.cells = 0, lacks, {}
        if "asked" in states or self.ask:
            return
        lines = list(order.lines.values())
        dated = [self._dated(line_id, line) for line_id, line in order.lines.items()]
        if not order.at_work():
            dated = together([(line.open(), one) for line, one in zip(lines, dated, strict=True)])
        for line, one in zip(lines, dated, strict=True):
            self._promise(line, one)

    def _dated(self, line_id: str, line: OrderLine) -> tuple[Dated, ...]:
        return promises(line.sku, line.made, lambda sku: self.order.told(sku, line_id))

    def _promise(self, line: OrderLine, told: tuple[Dated, ...]) -> None:
        known = self.order.mark("promise_set")
        others = bool(line.promises) and days(line.promises, line.open()) != days(told, line.open())
        if others and known is not None and not known.superseded:
            self.reach("promise_changed")
        line.promises = told
        # Units that have a day for the first time: from the last day on, what is more than there was.
        more = sum(units for _, _, units, _ in told) - sum(units for _, units in line.first)
        first = dict(line.first)
        for day, units in reversed(days(told, sum(one[2] for one in told))):
            new = min(more, units - first.get(day, 0))
            if new > 0:
                first[day] = first.get(day, 0) + new
                more -= new
        line.first = sorted(first.items())
        self.heard = True

    def _wait(self) -> None:
        order = self.order
        for told in order.needs[self.answered].lines.values():
            if told.cause is not None and told.line_id in order.lines:
                order.lines[told.line_id].cause = told.cause
        for line in order.lines.values():
            if not line.backordered and not (line.allocated < line.open() and line.day is not None):
                line.cause = None
        order.wait_states.append((self.at_us, wait_cause(order)))

    # --- a promise asked for before the order ---

    def promise_asked(self, m: PromiseAsked) -> None:
        """The same question again changes nothing; of an order that is there it asks what its lines have."""
        order, known = self.order, self.order.promise
        if known is not None and known.key == m.key:
            return
        order.promise = Asked(m.key, m.time_us, m.expires_us, m.event_id)
        if order.placed is not None:
            order.promise.state = "taken"
            asked_us = order.placed_us if known is None else known.asked_us
            order.promise.asked_us = min(order.placed_us, asked_us)
            self.awaits = True
            self.ask_all()
            return
        order.about = About.of(m.channel, m.priority, m.ship_complete, m.sourcing)
        self._keep_only(m.lines)
        self.state_lines(m.lines)

    def take_over(self, lines: Iterable[f.OrderLine]) -> None:
        """The order has come: it has what was kept for it, if that still is."""
        promise = self.order.promise
        if promise is None:
            return
        stands = promise.state in OPEN
        if stands:
            promise.state = "taken"
            self.heard = True
        self._keep_only(lines if stands else ())
        self.awaits = True
        for need in self.order.needs.values():
            need.state = "asked" if need.state == "parked" else need.state

    def _keep_only(self, lines: Iterable[f.OrderLine]) -> None:
        named = {(line.line_id, line.sku) for line in lines}
        gone = {n: line for n, line in self.order.lines.items() if (n, line.sku) not in named}
        for line_id, line in gone.items():
            self.ask_line(line)
            del self.order.lines[line_id]

    def _decide(self) -> None:
        """Once all SKUs have told theirs, the promise is answered for good; what has no date is given back."""
        order, promise = self.order, self.order.promise
        assert promise is not None
        for line in order.lines.values():
            if self._pending(line) or (line.made is not None and line.made.turn >= 0):
                return
        complete = order.about.ship_complete
        promise.lines = {
            line_id: outcome(line, complete, self.places, self.now_us)
            for line_id, line in order.lines.items()
            if line.open() > 0
        }
        if promise.state == "asked":
            promise.kept = {
                line_id: sum(units for _, _, units, _ in order.lines[line_id].promises)
                for line_id, line in promise.lines.items()
                if line.outcome != "refused"
            }
            promise.state = "given" if promise.kept else "refused"
            for line_id, line in order.lines.items():
                if promise.kept.get(line_id, 0) < line.open():
                    self.ask_line(line)

    # --- time ---

    def time_came(self) -> None:
        """A promise that no order took ends, and something may stand for a line from now on."""
        order, promise = self.order, self.order.promise
        if promise is not None and promise.state in OPEN and promise.expires_us <= self.now_us:
            promise.state, promise.kept = "expired", {}
            self.ask_all()
        for line in order.lines.values():
            if line.made is not None and any(0 < p.from_us <= self.now_us for p in line.made.parts):
                line.made.short = 0


def days(promised: Iterable[Dated], most: int) -> list[tuple[int, int]]:
    """(day, units) of the first `most` units."""
    found: dict[int, int] = {}
    for day, _, units, _ in promised:
        taken = min(units, most)
        if taken > 0:
            found[day] = found.get(day, 0) + taken
            most -= taken
    return list(found.items())
