"""What facts of invoices, payments, credit memos and returns do to a naive order."""

from __future__ import annotations

from collections.abc import Iterable

from springtide.app.verify.naive_act import Act, Due
from springtide.app.verify.naive_back import comes_back_as
from springtide.app.verify.naive_finance import Bill, Memo, Paid, Stated, amounts
from springtide.app.verify.naive_parcel import Stamp
from springtide.app.verify.naive_returns import Back, Telling, by_line
from springtide.codecs import facts as f


class MoneyActs(Act):
    """Methods are named as facts are."""

    # --- invoices ---

    def _invoice_posted(self, d: f.InvoicePosted) -> None:
        bill = self.order.money.bills.setdefault(d.invoice_id, Bill())
        new = Stated(self.stamp, amounts(d.lines), d.total, d.currency)
        stood = (bill.lines(), bill.total(), bill.currency())
        if bill.stated and stood != (new.lines, new.total, new.currency):
            self.note("restated_differently")
        bill.stated.append(new)
        self._mark_money()

    def _invoice_reversed(self, d: f.InvoiceReversed) -> None:
        self.order.money.bills.setdefault(d.invoice_id, Bill()).reversed.append(self.stamp)
        self._mark_money()

    def _payment_captured(self, d: f.Payment) -> None:
        self._pay(self.order.money.captured, d)

    def _payment_refunded(self, d: f.Payment) -> None:
        self._pay(self.order.money.refunded, d)

    def _pay(self, payments: dict[str, Paid], d: f.Payment) -> None:
        known = payments.get(d.payment_id)
        new = Paid([(self.stamp, d.amount)])
        if known is None:
            payments[d.payment_id] = new
        else:
            if known.worth() != new.worth():
                self.note("restated_differently")
            known.told.append((self.stamp, d.amount))
        self._mark_money()

    def _credit_memo_issued(self, d: f.CreditMemoIssued) -> None:
        memos = self.order.money.memos
        new = Memo(amounts(d.lines), d.reason, d.restock, [self.stamp])
        known = memos.setdefault(d.memo_id, new)
        if known is not new:
            known.told.append(self.stamp)
            if (known.lines, known.reason, known.restock) != (new.lines, new.reason, new.restock):
                self.note("restated_differently")
        if d.restock:
            self._ask_back(d.lines)
        self._mark_money()

    def _mark_money(self) -> None:
        money = self.order.money
        invoiced, undone = money.first_invoiced(), money.first_undone()
        if invoiced is not None:
            self.mark("invoiced", Due(False, False, invoiced))
        elif undone is not None:
            self.mark("invoiced", Due(True, False, undone))
        for name, stamp in (
            ("credited", money.first_credited()),
            ("paid", money.first_paid()),
        ):
            self.mark(name, None if stamp is None else Due(False, False, stamp))

    # --- returns ---

    def _return_authorized(self, d: f.ReturnAuthorized) -> None:
        self._tell(d.return_id, Telling("authorized", self.stamp, by_line(d.lines)))

    def _return_received(self, d: f.ReturnReceived) -> None:
        self._tell(d.return_id, Telling("received", self.stamp, by_line(d.lines), d.location))
        self._ask_back(d.lines)

    def _return_inspected(self, d: f.ReturnInspected) -> None:
        self._tell(d.return_id, Telling("inspected", self.stamp, by_line(d.lines)))
        self._ask_back(d.lines)

    def _return_rejected(self, d: f.ReturnRejected) -> None:
        self._tell(d.return_id, Telling("rejected", self.stamp, reason=d.reason))

    def _tell(self, return_id: str, new: Telling) -> None:
        back = self.order.backs.by_id.setdefault(return_id, Back())
        for (line_id, disposition), units in new.units.items():
            if back.units(new.what, disposition).get(line_id, units) != units:
                self.note("restated_differently")
        back.told.append(new)
        self._mark_returns()

    def _mark_returns(self) -> None:
        authorized, received, inspected = (self._first(w) for w in ("authorized", "received", "inspected"))
        came = received or inspected  # what was inspected was received, though nobody said so
        for name, stamp, inferred in (
            ("return_authorized", authorized, False),
            ("return_received", came, received is None),
            ("return_inspected", inspected, False),
        ):
            self.mark(name, None if stamp is None else Due(False, inferred, stamp))

    def _first(self, what: str) -> Stamp | None:
        told = [one for back in self.order.backs.by_id.values() for one in back.told]
        return min((one.stamp for one in told if one.what == what), default=None)

    def _ask_back(self, lines: Iterable[f.AmountLine | f.LineQty | f.InspectedLine]) -> None:
        """The SKUs to whose stock it comes."""
        for line in lines:
            self.ask |= comes_back_as(self.order, line.line_id)
