"""Invoices, credit memos and payments of an order: ledgers, axes, closing and reopening."""

from __future__ import annotations

import pytest
from domain import OrderStage, placed, scan, step

from springtide.codecs import facts as f
from springtide.tables.finance import Finance, Payment, finance_axis, payment_axis, post
from springtide.tables.money import billionths, decimal
from springtide.tables.order import axes


def invoice(name: str, units: int, total: str = "10.00", line_id: str = "1") -> f.InvoicePosted:
    line = f.AmountLine(line_id=line_id, qty=units, amount=total)
    return f.InvoicePosted(invoice_id=name, lines=(line,), total=total, currency="EUR")


def memo(name: str, units: int, **more: object) -> f.CreditMemoIssued:
    lines = (f.AmountLine(line_id="1", qty=units, amount="1.00"),)
    return f.CreditMemoIssued(memo_id=name, lines=lines, **more)  # type: ignore[arg-type]


def paid(name: str, amount: str) -> f.Payment:
    return f.Payment(payment_id=name, amount=amount)


@pytest.fixture
def order() -> OrderStage:
    """4 tea, shipped at 10 s, delivered at 20 s."""
    stage = OrderStage()
    stage.fact("order.placed", placed(f.OrderLine(line_id="1", sku="tea", qty=4, price="2.50")), 1)
    stage.fact("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10)
    stage.fact("parcel.scanned", scan("s1", "delivered"), 20)
    return stage


def told(order: OrderStage) -> tuple[str, str, str]:
    found = axes(order.order)
    return order.status, found.finance, found.payment


# --- finance ---


@pytest.mark.parametrize(
    ("invoiced", "credited", "shipped", "axis"),
    [
        (0, 0, 0, "UNINVOICED"),
        (0, 0, 4, "UNINVOICED"),
        (4, 4, 4, "UNINVOICED"),
        (3, 0, 4, "PARTIALLY_INVOICED"),
        (1, 2, 4, "PARTIALLY_INVOICED"),
        (4, 0, 4, "RECONCILED"),
        (5, 1, 4, "RECONCILED"),
        (6, 0, 4, "OVER_INVOICED(2)"),
        (1, 0, 0, "OVER_INVOICED(1)"),
    ],
)
def test_the_finance_axis(invoiced: int, credited: int, shipped: int, axis: str) -> None:
    assert finance_axis(invoiced, credited, shipped) == axis


def test_a_delivered_order_closes_when_it_is_reconciled_and_reopens_when_it_is_not(order: OrderStage) -> None:
    assert told(order) == ("DELIVERED", "UNINVOICED", "UNPAID")
    order.fact("invoice.posted", invoice("i1", 3), 30)
    assert told(order) == ("DELIVERED", "PARTIALLY_INVOICED", "UNPAID")
    order.fact("invoice.posted", invoice("i2", 1), 40)
    assert told(order)[:2] == ("CLOSED", "RECONCILED")
    assert order.milestones()[-2:] == ["invoiced", "closed"]
    order.fact("invoice.posted", invoice("i3", 2), 50)
    assert told(order)[:2] == ("DELIVERED", "OVER_INVOICED(2)")
    assert order.milestones()[-2:] == ["-closed", "reopened"]
    order.fact("invoice.reversed", f.InvoiceReversed(invoice_id="i3"), 60)
    assert told(order)[:2] == ("CLOSED", "RECONCILED")
    assert order.milestones()[-2:] == ["closed", "-reopened"]
    assert order.order.milestones["closed"].occurred_us == 60_000_000


def test_the_same_invoice_under_another_event_changes_nothing(order: OrderStage) -> None:
    order.fact("invoice.posted", invoice("i1", 4), 30)
    version = order.order.version
    order.fact("invoice.posted", invoice("i1", 4), 40)
    assert (order.ledger("1").invoiced, order.order.version, order.exceptions()) == (4, version, [])


def test_an_invoice_stated_differently_is_an_exception_and_the_greater_stands(order: OrderStage) -> None:
    order.fact("invoice.posted", invoice("i1", 4), 30)
    order.fact("invoice.posted", invoice("i1", 3, "9.00"), 40)
    assert (order.ledger("1").invoiced, order.exceptions()) == (4, ["restated_differently"])
    assert order.order.finance is not None
    assert order.order.finance.invoices["i1"].total == "10.00"


def test_a_reversal_that_comes_first_waits_for_its_invoice(order: OrderStage) -> None:
    order.fact("invoice.reversed", f.InvoiceReversed(invoice_id="i1"), 40)
    assert order.exceptions() == ["reverses_unknown_invoice"]
    order.fact("invoice.posted", invoice("i1", 4), 30)
    assert (told(order)[:2], order.exceptions()) == (("DELIVERED", "UNINVOICED"), [])
    assert order.milestones()[-1] == "-invoiced"


def test_a_memo_counts_once_and_what_is_lost_and_credited_leaves_the_order() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 4)), 1)
    order.fact("shipment.shipped", step("s1", ("1", "tea", 3), location="A"), 10)
    order.fact("shipment.shipped", step("s2", ("1", "tea", 1), location="A"), 10)
    order.fact("parcel.scanned", scan("s1", "delivered"), 20)
    order.fact("parcel.scanned", scan("s2", "lost"), 21)
    assert (order.status, order.ledger("1").lost) == ("PARTIALLY_DELIVERED", 1)
    order.fact("invoice.posted", invoice("i1", 4), 30)
    order.fact("credit_memo.issued", memo("m1", 1, reason="lost"), 40)
    order.fact("credit_memo.issued", memo("m1", 1, reason="lost"), 41)
    assert (order.status, order.ledger("1").credited, order.total().net) == ("DELIVERED", 1, 3)
    assert order.exceptions() == []


def test_all_lost_and_credited_is_cancelled(order: OrderStage) -> None:
    order.fact("invoice.posted", invoice("i1", 4), 30)
    order.fact("credit_memo.issued", memo("m1", 4, reason="lost"), 40)
    assert order.status == "CANCELLED"


def test_what_can_not_be_of_money_is_shown_and_goes_when_it_is_made_right(order: OrderStage) -> None:
    order.fact("credit_memo.issued", memo("m1", 2), 40)
    order.fact("payment.refunded", paid("p1", "1.00"), 41)
    order.fact("invoice.posted", invoice("i9", 1, line_id="9"), 42)
    kinds = ["credited_beyond_invoiced", "invoices_unknown_line", "refunded_beyond_captured"]
    assert order.exceptions() == kinds
    assert order.ledger("9").invoiced == 1
    order.fact("invoice.posted", invoice("i1", 2), 30)
    order.fact("payment.captured", paid("p1", "1.00"), 31)
    order.fact("invoice.reversed", f.InvoiceReversed(invoice_id="i9"), 43)
    assert order.exceptions() == []


# --- payment ---


def test_the_payment_axis_follows_invoices_once_there_are_any(order: OrderStage) -> None:
    order.fact("payment.captured", paid("p1", "9.99"), 30)
    assert told(order)[2] == "PARTIALLY_PAID"
    order.fact("payment.captured", paid("p2", "0.01"), 31)
    assert told(order)[2] == "PAID"  # 4 at 2.50
    order.fact("invoice.posted", invoice("i1", 4, "12.00"), 32)
    assert told(order)[2] == "PARTIALLY_PAID"
    order.fact("payment.captured", paid("p3", "2.00"), 33)
    assert (told(order)[2], order.milestones()[-1]) == ("PAID", "paid")
    order.fact("payment.refunded", paid("p3", "12.00"), 34)
    assert told(order)[2] == "REFUNDED"


def test_without_prices_or_invoices_nobody_knows_what_is_due() -> None:
    finance = Finance()
    assert payment_axis(None, None) == "UNPAID"
    finance.captured["p1"] = Payment("5.00", (0, 0, "e0"))
    assert payment_axis(finance, None) == "PARTIALLY_PAID"
    post(finance, invoice("i1", 1, "5.00"), (1, 1, "e1"))
    assert payment_axis(finance, None) == "PAID"


def test_paid_is_reached_when_the_last_fact_by_time_covers_it(order: OrderStage) -> None:
    order.fact("payment.captured", paid("p1", "10.00"), 50)
    order.fact("invoice.posted", invoice("i1", 4), 30)
    assert order.order.milestones["paid"].occurred_us == 50_000_000


@pytest.mark.parametrize(
    ("text", "amount", "shown"),
    [
        ("0", 0, "0.00"),
        ("12.5", 12_500_000_000, "12.50"),
        ("-0.01", -10_000_000, "-0.01"),
        ("0.000000001", 1, "0.000000001"),
    ],
)
def test_money_is_exact(text: str, amount: int, shown: str) -> None:
    assert (billionths(text), decimal(amount)) == (amount, shown)
