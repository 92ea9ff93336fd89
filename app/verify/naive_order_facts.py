"""What facts of orders do to a naive order."""

from __future__ import annotations

from springtide.app.verify.naive_act import Due
from springtide.app.verify.naive_answers import Answering
from springtide.app.verify.naive_line import Stop
from springtide.app.verify.naive_parcel import Stamp
from springtide.app.verify.naive_promise import About
from springtide.codecs import facts as f
from springtide.codecs.messages import CustomerHolds

OF_CUSTOMER = "\x00"
"""Before the name of a customer's hold at an order, which may have a hold of that name itself."""


class OrderActs(Answering):
    """Methods are named as facts are."""

    def _order_placed(self, d: f.OrderPlaced) -> None:
        if self.order.placed is not None:
            return
        self.order.placed = d
        self.order.placed_us = self.at_us
        self.order.about = About.of(d.channel, d.priority, d.ship_complete, d.sourcing)
        self.take_over(d.lines)
        self.state_lines(d.lines)
        self.say("received")
        self.say("validated")

    def _order_changed(self, d: f.OrderChanged) -> None:
        order = self.order
        if d.revision <= order.revision:
            return
        order.revision = d.revision
        named = {line.line_id: line.qty for line in d.lines}
        if any(line.ordered > named.get(line_id, 0) for line_id, line in order.lines.items()):
            order.lowered = self.stamp if order.lowered is None else max(order.lowered, self.stamp)
        for line_id, line in order.lines.items():
            if line_id not in named:
                line.dropped = True
                line.left_out = self.stamp if line.left_out is None else max(line.left_out, self.stamp)
                self.ask_line(line)
        self.state_lines(d.lines)

    def _order_confirmed(self, _: f.OrderConfirmed) -> None:
        self._rule("confirmed", "")

    def _order_rejected(self, d: f.OrderRejected) -> None:
        self._rule("rejected", d.reason)

    def _rule(self, what: str, reason: str) -> None:
        order = self.order
        before = order.rejected
        order.rulings = [*order.rulings, (self.stamp, what, reason)]
        stands = "confirmed" if order.rejected is None else "rejected"
        for name in ("confirmed", "rejected"):
            first = order.ruled(name)
            self.mark(name, Due(False, False, first[0]) if first is not None and name == stands else None)
        if (before is None) != (order.rejected is None):
            self.ask_all()

    def _order_cancelled(self, d: f.OrderCancelled) -> None:
        lines = self.order.lines
        if d.lines is None:
            for line in lines.values():
                if line.to_cancel() < line.ordered:
                    line.cancel_told = [*line.cancel_told, self.stamp]
                line.cancel_rest = True
        for part in d.lines or ():
            known = lines.get(part.line_id)
            if known is None:
                self.note("cancel_unknown_line")
                continue
            uncancelled = known.ordered - known.to_cancel()
            self.order.cancels[part.line_id] = self.stamp
            if part.qty > uncancelled:
                self.note("cancel_beyond_open")
            if uncancelled:
                known.cancel_told = [*known.cancel_told, self.stamp]
            known.cancel_named += min(part.qty, uncancelled)

    def settle_cancelled(self) -> None:
        """What has shipped can't be cancelled, whichever was told first."""
        for line_id, line in self.order.lines.items():
            if line.cancelled or line.to_cancel():
                cancelled = min(line.to_cancel(), max(0, line.ordered - self.order.shipped(line_id)))
                if cancelled != line.cancelled:
                    line.cancelled = cancelled
                    self.ask_line(line)
        self._mark_cancelled()

    def _mark_cancelled(self) -> None:
        """The whole order is cancelled since the last of its lines is; a part since the first is."""
        lines = self.order.lines.values()
        first = min((stamp for line in lines if line.cancelled for stamp in line.cancel_told), default=None)
        all_due = part_due = None
        if first is not None:
            ends = [stamp for line in lines for stamp in (*line.cancel_told, line.left_out) if stamp]
            part_due = Due(False, False, first)
            if all(line.open() <= 0 for line in lines):
                all_due = Due(False, False, max(ends))
                part_due = None if max(ends) == first else part_due
        self.mark("cancelled(all)", all_due)
        self.mark("cancelled(part)", part_due)

    # --- holds ---

    def _order_hold_placed(self, d: f.OrderHoldPlaced) -> None:
        stop = self.order.stops.get(d.hold_id)
        if stop is not None and stop.reason:
            return
        early = None if stop is None else stop.released
        stop = self.order.stops[d.hold_id] = Stop(d.reason, self.at_us, d.scope)
        self.say(f"held({d.reason})")
        if early is not None:
            self._release(stop, early)

    def _order_hold_released(self, d: f.OrderHoldReleased) -> None:
        stop = self.order.stops.get(d.hold_id)
        if stop is None:
            self.order.stops[d.hold_id] = Stop("", self.at_us, None, self.stamp)
        elif stop.released is None or self.at_us < stop.released[0]:
            self._release(stop, self.stamp)

    def _release(self, stop: Stop, stamp: Stamp) -> None:
        stop.released = stamp
        if stop.reason:
            self.say(f"hold_released({stop.reason})", stamp)

    def customer_told(self, m: CustomerHolds) -> None:
        """The holds of its customer are holds of the order, but for those that were over before it was placed,
        and new ones once nothing of it is to be delivered any more."""
        order = self.order
        if m.seq <= order.customer_seq:
            return
        order.customer_seq = m.seq
        order.customer_class, order.customer_region = m.customer_class, m.region
        for hold in m.holds:
            name = OF_CUSTOMER + hold.hold_id
            over = hold.released is not None and hold.released[0] <= order.placed_us
            if name not in order.stops:
                if over or order.out_of_the_world():
                    continue
                since = (max(hold.placed[0], order.placed_us), hold.placed[1], hold.placed[2])
                order.stops[name] = Stop("credit_hold", since[0], of_customer=True)
                self.say("held(credit_hold)", since)
            if hold.released is not None and order.stops[name].released is None:
                self._release(order.stops[name], hold.released)
