"""Returns of an order: ledgers, status, axis, and what comes back to stock."""

from __future__ import annotations

from typing import Any

import pytest
from domain import OrderStage, placed, scan, step

from springtide.codecs import facts as f
from springtide.tables.order import axes


def units(count: int, line_id: str = "1") -> tuple[f.LineQty, ...]:
    return (f.LineQty(line_id=line_id, qty=count),)


def authorized(count: int, name: str = "r1") -> f.ReturnAuthorized:
    return f.ReturnAuthorized(return_id=name, lines=(f.ReturnAskedLine(line_id="1", qty=count),))


def received(count: int, name: str = "r1", location: str = "A", line_id: str = "1") -> f.ReturnReceived:
    return f.ReturnReceived(return_id=name, location=location, lines=units(count, line_id))


def inspected(name: str = "r1", **dispositions: int) -> f.ReturnInspected:
    lines: Any = tuple(
        f.InspectedLine(line_id="1", qty=count, disposition=disposition)  # type: ignore[arg-type]
        for disposition, count in dispositions.items()
    )
    return f.ReturnInspected(return_id=name, lines=lines)


def memo(count: int, name: str = "m1", **more: Any) -> f.CreditMemoIssued:
    line = f.AmountLine(line_id="1", qty=count, amount="1.00")
    return f.CreditMemoIssued(memo_id=name, lines=(line,), restock=True, **more)


def invoice(count: int) -> f.InvoicePosted:
    line = f.AmountLine(line_id="1", qty=count, amount="10.00")
    return f.InvoicePosted(invoice_id="i1", lines=(line,), total="10.00", currency="EUR")


@pytest.fixture
def order() -> OrderStage:
    """4 tea, shipped from A at 10 s, delivered at 20 s, invoiced: closed."""
    stage = OrderStage()
    stage.fact("order.placed", placed(("1", "tea", 4)), 1)
    stage.fact("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10)
    stage.fact("parcel.scanned", scan("s1", "delivered"), 20)
    stage.fact("invoice.posted", invoice(4), 21)
    assert stage.status == "CLOSED"
    return stage


def test_a_return_step_by_step(order: OrderStage) -> None:
    order.fact("return.authorized", authorized(3), 30)
    assert (order.status, axes(order.order).returns) == ("DELIVERED", "AUTHORIZED")
    order.fact("return.received", received(2), 31)
    assert (order.status, axes(order.order).returns) == ("PARTIALLY_RETURNED", "PARTIALLY_RECEIVED")
    order.fact("return.received", received(3), 32)
    assert axes(order.order).returns == "RECEIVED"
    assert order.exceptions() == ["restated_differently"]
    order.fact("return.inspected", inspected(sellable=1, damaged=1, scrapped=1), 33)
    ledger = order.ledger("1")
    assert (axes(order.order).returns, ledger.returned, ledger.restocked) == ("INSPECTED", 3, 1)
    assert [m for m in order.milestones() if m.startswith("return_")] == [
        "return_authorized",
        "return_received",
        "return_inspected",
    ]


def test_all_that_was_delivered_comes_back(order: OrderStage) -> None:
    order.fact("return.received", received(4), 30)
    assert (order.status, axes(order.order).returns) == ("RETURNED", "RECEIVED")


def test_a_rejected_return_is_no_longer_open(order: OrderStage) -> None:
    order.fact("return.authorized", authorized(3), 30)
    assert order.status == "DELIVERED"
    order.fact("return.rejected", f.ReturnRejected(return_id="r1", reason="too late"), 31)
    assert (order.status, axes(order.order).returns) == ("CLOSED", "REJECTED")
    assert "reopened" not in order.milestones()


def test_what_was_inspected_was_received_though_nobody_said_so(order: OrderStage) -> None:
    order.fact("return.inspected", inspected(sellable=2), 33)
    assert (order.ledger("1").returned, order.status) == (2, "PARTIALLY_RETURNED")
    assert "~return_received" in order.milestones()
    assert order.asked("tea").returns == ()  # nobody knows where
    order.fact("return.received", received(2), 32)
    assert "return_received" in order.milestones()
    assert order.asked("tea").returns == (("A", 0, 2, 0),)


def test_returns_beyond_what_was_delivered_or_authorized_are_shown(order: OrderStage) -> None:
    order.fact("return.authorized", authorized(1), 30)
    order.fact("return.received", received(5), 31)
    order.fact("return.received", received(1, "r2", line_id="9"), 32)
    assert order.exceptions() == [
        "returned_beyond_delivered",
        "returned_beyond_delivered",
        "received_beyond_authorized",
        "returns_unknown_line",
    ]
    assert (order.ledger("1").returned, order.ledger("9").returned) == (5, 1)


# --- stock ---


def test_received_units_are_in_quality_control_and_inspected_ones_where_they_belong(
    order: OrderStage,
) -> None:
    order.fact("return.received", received(3, location="B"), 30)
    assert order.asked("tea").returns == (("B", 3, 0, 0),)
    order.fact("return.inspected", inspected(sellable=1, damaged=1), 31)
    assert order.asked("tea").returns == (("B", 1, 1, 1),)
    order.fact("return.inspected", inspected(scrapped=1), 32)
    assert order.asked("tea").returns == (("B", 0, 1, 1),)


def test_a_memo_that_restocks_brings_units_back_to_where_they_shipped_from(order: OrderStage) -> None:
    order.fact("credit_memo.issued", memo(2), 30)
    assert order.asked("tea").returns == (("A", 0, 2, 0),)
    assert (order.ledger("1").restocked, order.ledger("1").returned, order.status) == (2, 0, "DELIVERED")


def test_units_are_not_restocked_twice(order: OrderStage) -> None:
    # given two units in quality control in B, and a memo that restocks them
    order.fact("return.received", received(2, location="B"), 30)
    order.fact("credit_memo.issued", memo(2), 31)
    assert order.asked("tea").returns == (("B", 0, 2, 0),)
    # when they are found good, nothing more comes
    order.fact("return.inspected", inspected(sellable=2), 32)
    assert order.asked("tea").returns == (("B", 0, 2, 0),)
    assert order.ledger("1").restocked == 2


def test_a_memo_of_reason_price_without_restock_moves_nothing(order: OrderStage) -> None:
    asks = len(order.asks)
    line = f.AmountLine(line_id="1", qty=2, amount="1.00")
    order.fact("credit_memo.issued", f.CreditMemoIssued(memo_id="m1", lines=(line,), reason="price"), 30)
    assert (len(order.asks), order.ledger("1").restocked) == (asks, 0)


def test_a_return_of_a_substitute_goes_to_the_sku_that_shipped() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(f.OrderLine(line_id="1", sku="tea", qty=4, substitutes_ok=True)), 1)
    order.fact("shipment.shipped", step("s1", ("1", "chai", 4), location="A"), 10)
    order.fact("parcel.scanned", scan("s1", "delivered"), 20)
    order.fact("return.received", received(1), 30)
    assert order.asked("chai").returns == (("A", 1, 0, 0),)
