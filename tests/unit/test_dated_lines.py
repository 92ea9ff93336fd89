"""Lines for later are told to their SKUs at once; what ships complete ships on the latest day asked for."""

from __future__ import annotations

import pytest
from domain import OrderStage, order_lines, placed

from springtide.codecs import facts as f


def later(line_id: str, sku: str, qty: int, day: int) -> f.OrderLine:
    return f.OrderLine(line_id=line_id, sku=sku, qty=qty, requested_date=f"1970-01-{day + 1:02d}")


def days(order: OrderStage, sku: str) -> dict[str, int | None]:
    return {line.line_id: line.day for line in order.asked(sku).lines}


def test_a_line_for_later_is_told_with_its_day() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(later("1", "tea", 5, 2), ("2", "tea", 1)))
    assert order.wants("tea") == {"1": 5, "2": 1}
    assert days(order, "tea") == {"1": 2, "2": None}
    # not due is not backordered
    order.answer("tea", ("1", {}, 0), ("2", {"A": 1}, 0))
    assert (order.total().allocated, order.total().backordered) == (1, 0)
    assert order.status == "PARTIALLY_ALLOCATED"


def test_the_sku_says_when_it_is_due() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(later("1", "tea", 5, 2)))
    order.answer("tea", ("1", {}, 0))
    assert (order.status, len(order.asks)) == ("RECEIVED", 1)
    order.answer("tea", ("1", {"A": 3}, 2))
    assert (order.status, len(order.asks)) == ("PARTIALLY_ALLOCATED", 1)


def test_an_instant_counts_by_its_date() -> None:
    order = OrderStage()
    line = f.OrderLine(line_id="1", sku="tea", qty=5, requested_date="1970-01-03T22:00:00Z")
    order.fact("order.placed", placed(line))
    assert days(order, "tea") == {"1": 2}


def test_a_day_that_is_none_is_an_exception_and_due_at_once() -> None:
    order = OrderStage()
    line = f.OrderLine(line_id="1", sku="tea", qty=5, requested_date="1970-02-31")
    order.fact("order.placed", placed(line))
    assert order.exceptions() == ["bad_requested_date"]
    assert days(order, "tea") == {"1": None}


@pytest.fixture
def whole() -> OrderStage:
    """Tea for now and a mug for day 3, which ship together."""
    stage = OrderStage()
    stage.fact("order.placed", placed(("1", "tea", 5), later("2", "mug", 1, 3), ship_complete=True))
    return stage


def test_what_ships_complete_ships_on_its_latest_day(whole: OrderStage) -> None:
    assert (days(whole, "tea"), days(whole, "mug")) == ({"1": 3}, {"2": 3})
    whole.answer("tea", ("1", {}, 0))
    whole.answer("mug", ("2", {}, 0))
    assert (whole.total().allocated, whole.total().backordered) == (0, 0)
    assert len(whole.asks) == 2


def test_who_is_due_first_waits_for_the_others(whole: OrderStage) -> None:
    """Where places have other calendars, one SKU may be due hours before another."""
    whole.answer("tea", ("1", {}, 0))
    whole.answer("mug", ("2", {}, 0))
    whole.answer("tea", ("1", {"A": 5}, 0))
    assert whole.asked("tea").parked
    assert (whole.total().allocated, whole.total().backordered) == (0, 0)
    whole.answer("tea", ("1", {}, 5))
    assert whole.total().backordered == 0
    # when the mug is due too, and there
    whole.answer("mug", ("2", {"A": 1}, 0))
    assert not whole.asked("tea").parked
    whole.answer("tea", ("1", {"A": 5}, 0))
    assert (whole.status, whole.total().allocated) == ("ALLOCATED", 6)


def test_without_its_latest_line_it_ships_earlier(whole: OrderStage) -> None:
    whole.fact("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="2", qty=1),)))
    assert days(whole, "tea") == {"1": None}
    assert whole.wants("mug") == {"2": 0}


def test_a_revision_may_make_it_later(whole: OrderStage) -> None:
    lines = (*order_lines(("1", "tea", 5)), later("2", "mug", 1, 6))
    whole.fact("order.changed", f.OrderChanged(revision=1, lines=lines))
    assert (days(whole, "tea"), days(whole, "mug")) == ({"1": 6}, {"2": 6})
