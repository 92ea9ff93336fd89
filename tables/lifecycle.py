"""What each fact of `orders` does to an order, and what follows from any of its facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from springtide.codecs import facts as f
from springtide.codecs.messages import CustomerHolds, CustomerOrder, Origin
from springtide.tables.anomalies import anomalies
from springtide.tables.answers import Answers
from springtide.tables.billing import Billing, settled
from springtide.tables.money import billionths, decimal
from springtide.tables.order import (
    EXCEPTIONS_MAX,
    CreditTold,
    Ledger,
    OrderHold,
    header_status,
    is_over,
    total,
)
from springtide.tables.shipping import Shipping

OF_CUSTOMER: Final = "\x00"
"""Before the id of a hold of the customer, where the order keeps it: it may be an id of the order's own too."""


class Change(Shipping, Billing, Answers, gc=False):
    """See the module. `conclude` comes last."""

    whole: Ledger | None = None
    """The order's quantities in sum, once concluded; None if nothing can have changed them."""

    def apply(self, data: f.Data, code: int) -> None:
        """Applies one fact of a placed order (or the one that places it)."""
        self.suspect = bool(self.order.exceptions)
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
        self.source(d.sourcing)
        if d.ship_to is not None:
            order.ship_to = (d.ship_to.country, d.ship_to.region, d.ship_to.postcode)
        self.take_over(d.lines)
        self.state_lines(d.lines)
        self.fact("received")
        self.fact("validated")

    def changed(self, d: f.OrderChanged) -> None:
        order = self.order
        if d.revision <= order.revision:
            return
        order.revision = d.revision
        self.suspect = True
        kept = {line.line_id: line.qty for line in d.lines}
        if any(kept.get(line.line_id, 0) < line.ordered for line in order.lines.values()):
            order.told["lowered"] = max(order.told.get("lowered", self.stamp), self.stamp)
        for line in order.lines.values():
            if line.line_id not in kept:
                line.removed = True
                self._note_less(line.line_id)
                self.touch(line)
        self.state_lines(d.lines)

    def confirmed(self, _: f.OrderConfirmed) -> None:
        self._rule("confirmed", None)

    def rejected(self, d: f.OrderRejected) -> None:
        self._rule("rejected", d.reason)

    def _rule(self, what: str, reason: str | None) -> None:
        """Confirmed or rejected: what occurred first stands, whichever came first; at one instant what came."""
        order = self.order
        known = order.told.get(what)
        if known is not None and known[0] <= self.at_us:
            return
        order.told[what] = self.stamp
        self.suspect = True
        confirmed, rejected = order.told.get("confirmed"), order.told.get("rejected")
        was_rejected = order.rejected is not None
        if rejected is not None and (
            confirmed is None or (rejected[0], not was_rejected) < (confirmed[0], True)
        ):
            order.rejected = order.rejected if reason is None else reason
            order.confirmed, confirmed = False, None
        else:
            order.rejected, order.confirmed, rejected = None, True, None
        self.stands("confirmed", confirmed)
        self.stands("rejected", rejected)
        if was_rejected != (order.rejected is not None):
            self._touch_all()

    def cancelled(self, d: f.OrderCancelled) -> None:
        order = self.order
        self.suspect = True
        if d.lines is None:
            for line in order.lines.values():
                if line.to_cancel < line.ordered:
                    self._note_cancel(line.line_id)
                line.rest_cancelled = True
        for part in d.lines or ():
            known = order.lines.get(part.line_id)
            if known is None:
                self.refuse("cancel_unknown_line", f"line {part.line_id} is not in the order")
                continue
            order.told[f"cancel {part.line_id}"] = self.stamp
            left = known.ordered - known.to_cancel
            if part.qty > left:
                self.refuse(
                    "cancel_beyond_open", f"line {part.line_id}: {part.qty} cancelled, {left} were open"
                )
            if left:
                self._note_cancel(part.line_id)
            known.cancel_asked += min(part.qty, left)

    def _note_cancel(self, line_id: str) -> None:
        told, begun = self.order.told, f"cancelled from {line_id}"
        told[begun] = min(told.get(begun, self.stamp), self.stamp)
        self._note_less(line_id)

    def _note_less(self, line_id: str) -> None:
        told, done = self.order.told, f"cancelled to {line_id}"
        told[done] = max(told.get(done, self.stamp), self.stamp)

    def _settle_cancelled(self) -> None:
        """What has shipped can't be cancelled, whichever was told first; what a void brings back can."""
        lines = [
            line
            for line in self.order.lines.values()
            if line.cancelled or line.cancel_asked or line.rest_cancelled or line.removed
        ]
        if not lines:
            known = self.order.milestones  # a line of which some was cancelled may be of another SKU now
            if "cancelled(part)" in known or "cancelled(all)" in known:
                self._reach_cancelled()
            return
        shipped = self._shipped()
        for line in lines:
            cancelled = min(line.to_cancel, max(0, line.ordered - shipped.get(line.line_id, 0)))
            if cancelled != line.cancelled:
                line.cancelled = cancelled
                self.touch(line)
        self._reach_cancelled()

    def _reach_cancelled(self) -> None:
        """All of it is cancelled since the last of its lines is; before that, a part."""
        told, lines = self.order.told, self.order.lines.values()
        begun = [told.get(f"cancelled from {line.line_id}") for line in lines if line.cancelled]
        first = min((stamp for stamp in begun if stamp is not None), default=None)
        last = None
        if first is not None and all(line.open <= 0 for line in lines):
            last = max(told.get(f"cancelled to {line.line_id}", first) for line in lines)
        self.stands("cancelled(all)", last)
        self.stands("cancelled(part)", None if first == last else first)

    # --- holds ---

    def hold_placed(self, d: f.OrderHoldPlaced) -> None:
        known = self.order.holds.get(d.hold_id)
        if known is not None and known.reason:
            return
        hold = OrderHold(d.hold_id, d.reason, self.at_us, d.scope)
        self.order.holds[d.hold_id] = hold
        self.fact(f"held({d.reason})")
        if known is not None and known.release is not None:  # its release was told first
            self.suspect = True
            self._release(hold, known.release)

    def hold_released(self, d: f.OrderHoldReleased) -> None:
        hold = self.order.holds.get(d.hold_id)
        if hold is None:
            self.suspect = True
            self.order.holds[d.hold_id] = OrderHold(d.hold_id, "", self.at_us, None, self.at_us, self.stamp)
        elif hold.release is None or self.at_us < hold.release[0]:
            self._release(hold, self.stamp)

    def _release(self, hold: OrderHold, stamp: tuple[int, int, str]) -> None:
        hold.released_us, hold.release = stamp[0], stamp
        if hold.reason:
            self.fact(f"hold_released({hold.reason})", stamp=stamp)

    def customer_told(self, m: CustomerHolds) -> None:
        """Takes in what its customer's actor says: who the customer is, and the holds on all its open orders.
        A hold that was over before the order was placed is none of it; nor is a new one on an order of which
        nothing is to be delivered any more."""
        order = self.order
        if m.seq <= order.customer_seq:
            return
        order.customer_seq = m.seq
        order.customer_class, order.customer_region = m.customer_class, m.region
        for told in m.holds:
            key = OF_CUSTOMER + told.hold_id
            hold = order.holds.get(key)
            if hold is None:
                over = told.released is not None and told.released[0] <= order.placed_us
                if over or is_over(order):
                    continue
                placed = (max(told.placed[0], order.placed_us), *told.placed[1:])
                hold = order.holds[key] = OrderHold(told.hold_id, "credit_hold", placed[0], of_customer=True)
                self.fact("held(credit_hold)", stamp=placed)
            if told.released is not None and hold.release is None:
                self._release(hold, told.released)

    def credit_news(self, origin: Origin) -> CustomerOrder | None:
        """What the customer is to know of the order, if it is not what it was told last."""
        order, whole = self.order, self.whole
        if whole is None:
            return None
        is_open = not is_over(order)
        held = bool(order.holds) and any(
            hold.of_customer and hold.released_us is None for hold in order.holds.values()
        )
        last = order.credit
        if last is None:
            if not is_open:
                return None
            last = order.credit = CreditTold()
        elif (
            last.shipped == whole.shipped
            and last.open == is_open
            and last.net == whole.net
            and last.held == held
            and last.revision == order.revision
        ):
            return None
        last.open, last.held, last.revision = is_open, held, order.revision
        last.net, last.shipped = whole.net, whole.shipped
        last.request += 1
        amount = 0
        if is_open:
            shipped = self._shipped() if whole.shipped else {}
            for line in order.lines.values():
                if line.price is not None:
                    amount += billionths(line.price) * max(0, line.open - shipped.get(line.line_id, 0))
        return CustomerOrder(
            order.order_id,
            last.request,
            self.at_us,
            is_open,
            held,
            order.currency,
            decimal(amount),
            origin,
        )

    # --- what follows ---

    def _touch_all(self) -> None:
        for line in self.order.lines.values():
            self.touch(line)

    def conclude(self) -> tuple[str, str] | None:
        """After all else: quantity milestones and the header status. (previous, new) if something is to be
        published, and then the version has risen."""
        order = self.order
        if not order.placed:
            return None
        previous = order.status
        if self.moves:
            self.whole = whole = total(order)
            self.reach_allocated(whole)
            order.status = header_status(order, whole)
            if order.status == "CLOSED" or previous == "CLOSED":
                self._reach_closed(order.status == "CLOSED")
        if self.suspect:
            stated = [one for one in order.exceptions if not one.about]
            order.exceptions = (stated + anomalies(order))[:EXCEPTIONS_MAX]
        order.changed_us = max(order.changed_us, self.at_us)
        if order.status == previous and not self.reached:
            return None
        order.version += 1
        return previous, order.status

    def _reach_closed(self, is_closed: bool) -> None:
        if is_closed:
            self.supersede("reopened")
            self.stands("closed", settled(self.order))
        else:
            self.supersede("closed")
            self.reach("reopened")


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
    "invoice.posted": Change.invoice_posted,
    "invoice.reversed": Change.invoice_reversed,
    "payment.captured": Change.payment_captured,
    "payment.refunded": Change.payment_refunded,
    "credit_memo.issued": Change.memo_issued,
    "return.authorized": Change.return_authorized,
    "return.received": Change.return_received,
    "return.inspected": Change.return_inspected,
    "return.rejected": Change.return_rejected,
}
_APPLY: Final = {f.FACT_BY_NAME[name].code: handler for name, handler in _HANDLERS.items()}
