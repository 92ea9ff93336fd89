"""What each fact of `invoices` and `returns` does to an order."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.codecs import facts as f
from springtide.tables import finance, returns
from springtide.tables.finance import Finance, Stamp
from springtide.tables.order import Order
from springtide.tables.restock import skus_of
from springtide.tables.returns import Return
from springtide.tables.wants import Wants


class Billing(Wants, gc=False):
    """See the module. Milestones are worked out from all facts, so their order of arrival does not matter."""

    # --- invoices ---

    def invoice_posted(self, d: f.InvoicePosted) -> None:
        self._wrong(finance.post(self._finance(), d, self.stamp))
        self._reach_finance()

    def invoice_reversed(self, d: f.InvoiceReversed) -> None:
        finance.reverse(self._finance(), d, self.stamp)
        self._reach_finance()

    def payment_captured(self, d: f.Payment) -> None:
        self.moves = False
        self._wrong(finance.pay(self._finance().captured, d, self.stamp))
        self._reach_finance()

    def payment_refunded(self, d: f.Payment) -> None:
        self.moves = False
        self._wrong(finance.pay(self._finance().refunded, d, self.stamp))
        self._reach_finance()

    def memo_issued(self, d: f.CreditMemoIssued) -> None:
        self._wrong(finance.credit(self._finance(), d, self.stamp))
        if d.restock:
            self._touch_lines(line.line_id for line in d.lines)
        self._reach_finance()

    def _finance(self) -> Finance:
        self.suspect = True
        known = self.order.finance
        if known is None:
            known = self.order.finance = Finance()
        return known

    def _reach_finance(self) -> None:
        known = self._finance()
        invoiced = known.first_invoiced()
        if invoiced is not None:
            self.stands("invoiced", invoiced)
        else:
            self.stands("invoiced", known.first_reversed(), superseded=True)
        self.stands("credited", known.first_credited())
        self.stands("paid", known.first_paid())

    # --- returns ---

    def return_authorized(self, d: f.ReturnAuthorized) -> None:
        self._wrong(*returns.authorize(self._return(d.return_id), d, self.stamp))
        self._reach_returns()

    def return_received(self, d: f.ReturnReceived) -> None:
        self._wrong(*returns.receive(self._return(d.return_id), d, self.stamp))
        self._touch_lines(line.line_id for line in d.lines)
        self._reach_returns()

    def return_inspected(self, d: f.ReturnInspected) -> None:
        self._wrong(*returns.inspect(self._return(d.return_id), d, self.stamp))
        self._touch_lines(line.line_id for line in d.lines)
        self._reach_returns()

    def return_rejected(self, d: f.ReturnRejected) -> None:
        returns.reject(self._return(d.return_id), d, self.stamp)

    def _return(self, return_id: str) -> Return:
        self.suspect = True
        known = self.order.returns.get(return_id)
        if known is None:
            known = self.order.returns[return_id] = Return(return_id)
        return known

    def _reach_returns(self) -> None:
        known = self.order.returns.values()
        received = _first(known, "received")
        inspected = _first(known, "inspected")
        self.stands("return_authorized", _first(known, "authorized"))
        self.stands("return_received", received or inspected, inferred=received is None)
        self.stands("return_inspected", inspected)

    # --- both ---

    def _wrong(self, *found: str | None) -> None:
        for text in found:
            if text is not None:
                self.refuse("restated_differently", text)

    def _touch_lines(self, line_ids: Iterable[str]) -> None:
        for line_id in line_ids:
            for sku in skus_of(self.order, line_id):
                self.touched[sku] = None


def _first(known: Iterable[Return], what: str) -> Stamp | None:
    return min((one.told[what] for one in known if what in one.told), default=None)


def settled(order: Order) -> Stamp:
    """The last of the facts by which a closed order is delivered, reconciled and free."""
    received = order.milestones.get("received")
    found = [] if received is None else [(order.placed_us, received.recorded_us, received.event_id)]
    found += [order.told["lowered"]] if "lowered" in order.told else []
    found += [
        order.told[f"cancelled to {line.line_id}"]
        for line in order.lines.values()
        if line.cancelled and f"cancelled to {line.line_id}" in order.told
    ]
    for shipment in order.shipments.values():
        if shipment.voided is None:
            found += [min(scan.stamp for scan in shipment.deliveries())] if shipment.is_delivered else []
        if "shipped" in shipment.told:
            found.append(shipment.told["shipped" if shipment.voided is None else "voided"])
    if order.finance is not None:
        for invoice in order.finance.invoices.values():
            found += [stamp for stamp in (invoice.posted, invoice.reversed) if stamp is not None]
        found += [memo.issued for memo in order.finance.memos.values()]
    found += [hold.release for hold in order.holds.values() if hold.release is not None]
    found += [stamp for one in order.returns.values() for stamp in one.told.values()]
    return max(found)
