"""An order's invoices, credit memos and payments, each by its own id: what is billed, credited and paid.

Sums are over sets, so that duplicates and the order of arrival do not matter. The axes are as the definitions
of order status give them, with b = invoiced less credited, over the whole order.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from springtide.codecs import facts as f
from springtide.tables.money import billionths, decimal

Stamp: TypeAlias = tuple[int, int, str]
"""(occurred, recorded, event id) of a fact; instants in microseconds."""
Amounts: TypeAlias = dict[str, tuple[int, str]]
"""line_id -> (units, amount as a decimal string)."""


class Invoice(msgspec.Struct, array_like=True, gc=False):
    """`posted` None: only its reversal is known yet; it counts for nothing until the invoice comes, nor then."""

    invoice_id: str
    lines: Amounts = {}
    total: str = "0"
    currency: str = ""
    posted: Stamp | None = None
    reversed: Stamp | None = None

    @property
    def stands(self) -> bool:
        return self.posted is not None and self.reversed is None


class Memo(msgspec.Struct, array_like=True, gc=False):
    memo_id: str
    lines: Amounts
    reason: str | None
    restock: bool
    issued: Stamp

    @property
    def amount(self) -> int:
        """In billionths."""
        return sum(billionths(amount) for _, amount in self.lines.values())


class Payment(msgspec.Struct, array_like=True, gc=False):
    amount: str
    made: Stamp


class Finance(msgspec.Struct, array_like=True, gc=False):
    """See the module. `captured` and `refunded` go by payment_id, each for itself."""

    invoices: dict[str, Invoice] = {}
    memos: dict[str, Memo] = {}
    captured: dict[str, Payment] = {}
    refunded: dict[str, Payment] = {}

    # --- units ---

    def invoiced(self) -> dict[str, int]:
        """line_id -> units on invoices that stand."""
        return _units(invoice.lines for invoice in self.invoices.values() if invoice.stands)

    def credited(self) -> dict[str, int]:
        return _units(memo.lines for memo in self.memos.values())

    def lost_credited(self) -> dict[str, int]:
        """line_id -> units that left the order's open quantity: lost, and credited for it."""
        return _units(memo.lines for memo in self.memos.values() if memo.reason == "lost")

    def restocked(self) -> dict[str, int]:
        """line_id -> units that credit memos put back into stock."""
        return _units(memo.lines for memo in self.memos.values() if memo.restock)

    # --- money, in billionths ---

    def invoiced_amount(self) -> int:
        return sum(billionths(invoice.total) for invoice in self.invoices.values() if invoice.stands)

    def credited_amount(self) -> int:
        return sum(memo.amount for memo in self.memos.values())

    def captured_amount(self) -> int:
        return sum(billionths(payment.amount) for payment in self.captured.values())

    def refunded_amount(self) -> int:
        return sum(billionths(payment.amount) for payment in self.refunded.values())

    # --- when ---

    def first_invoiced(self) -> Stamp | None:
        """The first invoice that stands."""
        return _first(invoice.posted for invoice in self.invoices.values() if invoice.stands)

    def first_reversed(self) -> Stamp | None:
        """The first invoice that was posted and reversed."""
        return _first(invoice.posted for invoice in self.invoices.values() if invoice.reversed is not None)

    def first_credited(self) -> Stamp | None:
        return _first(memo.issued for memo in self.memos.values())

    def first_paid(self) -> Stamp | None:
        """When, by the facts' own time, what was captured first covered all that was invoiced, and not credited,
        until then."""
        steps: list[tuple[Stamp, int, int]] = [
            (invoice.posted, billionths(invoice.total), 0)
            for invoice in self.invoices.values()
            if invoice.posted is not None and invoice.reversed is None
        ]
        steps += [(memo.issued, -memo.amount, 0) for memo in self.memos.values()]
        steps += [(payment.made, 0, billionths(payment.amount)) for payment in self.captured.values()]
        steps += [(payment.made, 0, -billionths(payment.amount)) for payment in self.refunded.values()]
        steps.sort(key=lambda step: (step[0][0], -step[1], step[0][2]))
        billed = due = paid = 0
        for stamp, invoiced, captured in steps:
            billed += max(0, invoiced)
            due += invoiced
            paid += captured
            if billed and paid > 0 and due <= paid:
                return stamp
        return None


def post(finance: Finance, d: f.InvoicePosted, stamp: Stamp) -> str | None:
    """Takes an invoice in. What is wrong, if it was stated differently before; the greater stands then."""
    stated = amounts(d.lines)
    known = finance.invoices.get(d.invoice_id)
    if known is None:
        finance.invoices[d.invoice_id] = Invoice(d.invoice_id, stated, d.total, d.currency, stamp)
        return None
    if known.posted is None:
        known.lines, known.total, known.currency, known.posted = stated, d.total, d.currency, stamp
        return None
    known.posted = min(known.posted, stamp)
    if (known.lines, known.total, known.currency) == (stated, d.total, d.currency):
        return None
    for line_id, line in stated.items():
        known.lines[line_id] = max(known.lines.get(line_id, line), line, key=_size)
    known.total = max(known.total, d.total, key=billionths)
    known.currency = min(known.currency, d.currency)
    return (
        f"invoice {d.invoice_id}: {d.total} {d.currency} stated, before it was otherwise; the greater stands"
    )


def reverse(finance: Finance, d: f.InvoiceReversed, stamp: Stamp) -> None:
    """What cancels an invoice, whichever of the two comes first."""
    invoice = finance.invoices.get(d.invoice_id)
    if invoice is None:
        invoice = finance.invoices[d.invoice_id] = Invoice(d.invoice_id)
    invoice.reversed = stamp if invoice.reversed is None else min(invoice.reversed, stamp)


def credit(finance: Finance, d: f.CreditMemoIssued, stamp: Stamp) -> str | None:
    """Takes a credit memo in, once. What is wrong, if it was stated differently before."""
    stated = amounts(d.lines)
    known = finance.memos.get(d.memo_id)
    if known is None:
        finance.memos[d.memo_id] = Memo(d.memo_id, stated, d.reason, d.restock, stamp)
        return None
    known.issued = min(known.issued, stamp)
    if (known.lines, known.reason, known.restock) == (stated, d.reason, d.restock):
        return None
    return f"memo {d.memo_id} was stated otherwise before, and that stands"


def pay(payments: dict[str, Payment], d: f.Payment, stamp: Stamp) -> str | None:
    """Takes a payment in, once. What is wrong, if it was stated differently before; the greater stands then."""
    known = payments.get(d.payment_id)
    if known is None:
        payments[d.payment_id] = Payment(d.amount, stamp)
        return None
    known.made = min(known.made, stamp)
    before = known.amount
    known.amount = max(before, d.amount, key=billionths)
    if billionths(before) == billionths(d.amount):
        return None
    return f"payment {d.payment_id}: {d.amount} stated, before it was {before}; the greater stands"


def amounts(lines: Iterable[f.AmountLine]) -> Amounts:
    """Lines of a fact, those that name the same line in sum."""
    found: Amounts = {}
    for line in lines:
        known = found.get(line.line_id)
        if known is None:
            found[line.line_id] = (line.qty, line.amount)
        else:
            found[line.line_id] = (known[0] + line.qty, _sum(known[1], line.amount))
    return found


# --- axes ---


def finance_axis(invoiced: int, credited: int, shipped: int) -> str:
    billed = invoiced - credited
    if billed == 0:
        return "UNINVOICED"
    if billed < shipped:
        return "PARTIALLY_INVOICED"
    return "RECONCILED" if billed == shipped else f"OVER_INVOICED({billed - shipped})"


def payment_axis(finance: Finance | None, priced: int | None) -> str:
    """`priced`: what the order comes to by its own prices, in billionths; it is due until there is an invoice.
    None if not all lines have prices."""
    if finance is None:
        return "UNPAID"
    captured, refunded = finance.captured_amount(), finance.refunded_amount()
    if captured <= 0:
        return "UNPAID"
    if refunded >= captured:
        return "REFUNDED"
    due = priced or None
    if finance.first_invoiced() is not None:
        due = finance.invoiced_amount() - finance.credited_amount()
    return "PAID" if due is not None and due <= captured - refunded else "PARTIALLY_PAID"


def _units(lines: Iterable[Amounts]) -> dict[str, int]:
    found: dict[str, int] = {}
    for of in lines:
        for line_id, (units, _) in of.items():
            found[line_id] = found.get(line_id, 0) + units
    return found


def _size(line: tuple[int, str]) -> tuple[int, int]:
    return line[0], billionths(line[1])


def _sum(one: str, other: str) -> str:
    return decimal(billionths(one) + billionths(other))


def _first(stamps: Iterable[Stamp | None]) -> Stamp | None:
    return min((stamp for stamp in stamps if stamp is not None), default=None)
