"""The rules of an order's status, delay and money in combination, told as logs and asked as the API is asked."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from story import MONDAY, Story, day, line, moment

Json = dict[str, Any]
DAY_S = 86_400


def told(body: Json, *names: str, line_id: str = "1") -> tuple[Any, ...]:
    found = next(ledger for ledger in body["lines"] if ledger["line_id"] == line_id)
    return tuple(found[name] for name in names)


def milestones(body: Json) -> list[str]:
    return [m["name"] for m in body["milestones"] if not m["superseded"]]


def kinds(body: Json) -> list[str]:
    return [found["kind"] for found in body["exceptions"]]


def delivered_order(units: int = 4) -> Story:
    """O1 of so many A at 2.50, shipped as S1 on day 1 and delivered on day 2."""
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", units, price="2.50"))
    story.shipment(1.1, "shipped", "O1", "S1", ("1", "A", units))
    story.scanned(2.1, "O1", "S1", "delivered")
    return story


def posted(story: Story, at: float, name: str, units: int, amount: str) -> str:
    return story.tell(
        at,
        "invoice.posted",
        "O1",
        invoice_id=name,
        lines=[{"line_id": "1", "qty": units, "amount": amount}],
        total=amount,
        currency="EUR",
    )


def memo(story: Story, at: float, name: str, units: int, **more: Any) -> str:
    lines = [{"line_id": "1", "qty": units, "amount": "1.00"}]
    return story.tell(at, "credit_memo.issued", "O1", memo_id=name, lines=lines, **more)


# --- finance ---


def test_an_order_closes_when_invoices_and_shipments_agree() -> None:
    story = delivered_order()
    assert story.order("O1")["axes"]["finance"] == "UNINVOICED"
    posted(story, 2.2, "I1", 3, "7.50")
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("DELIVERED", "PARTIALLY_INVOICED")
    posted(story, 2.3, "I2", 1, "2.50")
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("CLOSED", "RECONCILED")
    assert "closed" in milestones(body)
    assert body["axes"]["payment"] == "UNPAID"
    story.tell(2.4, "payment.captured", "O1", payment_id="P1", amount="4.00")
    assert story.order("O1")["axes"]["payment"] == "PARTIALLY_PAID"
    story.tell(2.5, "payment.captured", "O1", payment_id="P2", amount="6.00")
    assert story.order("O1")["axes"]["payment"] == "PAID"
    story.tell(2.6, "payment.refunded", "O1", payment_id="P3", amount="10.00")
    assert story.order("O1")["axes"]["payment"] == "REFUNDED"


def test_over_invoiced_then_reversed_reopens_and_closes() -> None:
    story = delivered_order()
    posted(story, 2.2, "I1", 4, "10.00")
    assert story.order("O1")["status"] == "CLOSED"
    posted(story, 2.3, "I2", 2, "5.00")
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("DELIVERED", "OVER_INVOICED(2)")
    assert "reopened" in milestones(body)
    found = story.ask("/v1/finance/mismatches")
    assert "O1" in str(found)
    story.tell(2.4, "invoice.reversed", "O1", invoice_id="I2")
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("CLOSED", "RECONCILED")


def test_an_invoice_before_its_shipment_is_over_invoiced_until_it_ships() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4))
    posted(story, 0.3, "I1", 4, "10.00")
    assert story.order("O1")["axes"]["finance"] == "OVER_INVOICED(4)"
    story.shipment(1.1, "shipped", "O1", "S1", ("1", "A", 4))
    assert story.order("O1")["axes"]["finance"] == "RECONCILED"


def test_a_memo_told_twice_counts_once_and_moves_no_stock() -> None:
    story = delivered_order()
    posted(story, 2.2, "I1", 4, "10.00")
    memo(story, 2.3, "M1", 1, reason="price")
    memo(story, 2.4, "M1", 1, reason="price")  # under another event id
    body = story.order("O1")
    assert told(body, "invoiced", "credited", "restocked") == (4, 1, 0)
    assert body["axes"]["finance"] == "PARTIALLY_INVOICED"
    assert story.atp("A")["on_hand"] == 6


def test_units_lost_and_credited_leave_the_order() -> None:
    # given an order of 4 in two parcels of which one is lost
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4))
    story.shipment(1.1, "shipped", "O1", "S1", ("1", "A", 3))
    story.shipment(1.1, "shipped", "O1", "S2", ("1", "A", 1), tracking="T2")
    story.scanned(2.1, "O1", "S1", "delivered")
    story.scanned(2.2, "O1", "S2", "lost")
    body = story.order("O1")
    assert (body["status"], told(body, "delivered", "lost")) == ("PARTIALLY_DELIVERED", (3, 1))
    posted(story, 2.3, "I1", 4, "10.00")
    memo(story, 2.4, "M1", 1, reason="lost")
    # then what is left of it is delivered
    assert story.order("O1")["status"] == "DELIVERED"


# --- returns ---


def test_a_return_with_dispositions() -> None:
    story = delivered_order()
    lines = [{"line_id": "1", "qty": 3}]
    story.tell(3.1, "return.authorized", "O1", return_id="R1", lines=[{**lines[0], "reason": "wrong"}])
    assert story.order("O1")["status"] == "DELIVERED"
    story.tell(4.1, "return.received", "O1", return_id="R1", location="BER", lines=lines)
    body = story.order("O1")
    assert (body["status"], told(body, "returned", "restocked")) == ("PARTIALLY_RETURNED", (3, 0))
    assert story.atp("A")["buckets"]["quality_control"] == 3
    story.tell(
        5.1,
        "return.inspected",
        "O1",
        return_id="R1",
        lines=[
            {"line_id": "1", "qty": 1, "disposition": "sellable"},
            {"line_id": "1", "qty": 1, "disposition": "damaged"},
            {"line_id": "1", "qty": 1, "disposition": "scrapped"},
        ],
    )
    assert story.atp("A")["buckets"] == {
        "sellable": 7,
        "damaged": 1,
        "quality_control": 0,
        "reserved_other": 0,
    }
    assert told(story.order("O1"), "returned", "restocked") == (3, 1)
    assert [m for m in milestones(story.order("O1")) if m.startswith("return")] == [
        "return_authorized",
        "return_received",
        "return_inspected",
    ]


def test_all_returned() -> None:
    story = delivered_order()
    story.tell(
        4.1, "return.received", "O1", return_id="R1", location="BER", lines=[{"line_id": "1", "qty": 4}]
    )
    assert story.order("O1")["status"] == "RETURNED"


def test_what_cannot_be_is_an_anomaly() -> None:
    story = delivered_order()
    story.tell(
        4.1, "return.received", "O1", return_id="R1", location="BER", lines=[{"line_id": "1", "qty": 5}]
    )
    memo(story, 4.2, "M1", 2, reason="price")
    body = story.order("O1")
    assert told(body, "returned", "delivered", "credited", "invoiced") == (5, 4, 2, 0)
    assert len(body["exceptions"]) >= 2
    assert len({found["id"] for found in body["exceptions"]}) == len(body["exceptions"])


# --- status and order of arrival ---


def test_facts_in_any_order_give_the_same_order() -> None:
    def tell(story: Story, which: str) -> None:
        if which == "ship":
            story.shipment(1.1, "shipped", "O1", "S1", ("1", "A", 4))
        elif which == "deliver":
            story.scanned(2.1, "O1", "S1", "delivered")
        elif which == "invoice":
            posted(story, 1.5, "I1", 4, "10.00")
        else:
            story.tell(2.5, "payment.captured", "O1", payment_id="P1", amount="10.00")

    seen: list[Json] = []
    for order in permutations(("ship", "deliver", "invoice", "pay")):
        story = Story()
        story.counted(0.1, "A", 10)
        story.placed(0.2, "O1", line("A", 4))
        for which in order:
            tell(story, which)
        body = story.order("O1")
        kept = {name: body[name] for name in ("status", "axes", "delay")}
        kept["ledger"] = told(body, "shipped", "delivered", "invoiced", "credited")
        kept["milestones"] = sorted(
            (m["name"], m["occurred_at"], m["inferred"], m["superseded"]) for m in body["milestones"]
        )
        seen.append(kept)
    assert seen[0]["status"] == "CLOSED"
    assert all(body == seen[0] for body in seen)


def test_facts_wait_for_their_order_and_are_seen_as_exceptions() -> None:
    story = Story()
    story.shipment(1.1, "shipped", "O1", "S1", ("1", "A", 4))
    assert story.order("O1")["status"] == 404
    assert "O1" in str(story.ask("/v1/exceptions"))
    story.placed(1.2, "O1", line("A", 4))
    assert story.order("O1")["status"] == "SHIPPED"
    assert "O1" not in str(story.ask("/v1/exceptions"))


def test_a_credit_hold_holds_all_open_orders_of_the_customer() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 1))
    story.tell(0.3, "credit.hold_placed", "C1", hold_id="CH")
    story.placed(0.4, "O2", line("A", 1))
    story.placed(0.4, "OTHER", line("A", 1), customer_id="C2")
    assert [story.order(o)["status"] for o in ("O1", "O2", "OTHER")] == ["ON_HOLD", "ON_HOLD", "ALLOCATED"]
    assert story.order("O1")["holds"][0]["reason"] == "credit_hold"
    story.tell(0.5, "credit.hold_released", "C1", hold_id="CH")
    assert [story.order(o)["status"] for o in ("O1", "O2")] == ["ALLOCATED", "ALLOCATED"]


def test_credit_and_price_checks() -> None:
    story = Story()
    story.tell(0.1, "credit.limit_set", "C1", limit="1000.00", currency="EUR")
    story.tell(0.1, "credit.exposure_changed", "C1", exposure="400.00")
    body = story.ask("/v1/credit/C1")
    assert (body["limit"], body["exposure"], body["available"]) == ("1000.00", "400.00", "600.00")
    story.tell(
        0.1, "price.set", "A", sku="A", list="retail", amount="9.90", currency="EUR", valid_from=day(0)
    )
    story.tell(
        0.1, "price.set", "A", sku="A", list="retail", amount="8.90", currency="EUR", valid_from=day(5)
    )
    assert story.ask(f"/v1/prices/A?list=retail&at={moment(1)}")["amount"] == "9.90"
    assert story.ask(f"/v1/prices/A?list=retail&at={moment(6)}")["amount"] == "8.90"


# --- delay ---


def late_order() -> Story:
    """The example of the definitions, in days: placed 0, promised by the start of day 10; credit hold 0 to 2;
    short of stock from 1, stock at 6; shipped at 8; delivered 13; weather."""
    story = Story()
    story.policy(at=-1, plan={"allocate_s": 0, "warehouse_s": DAY_S, "transit_s": 3 * DAY_S})
    story.counted(-1, "A", 4)
    story.placed(0, "O1", line("A", 4), promised_by=moment(10))
    story.tell(0, "order.hold_placed", "O1", hold_id="H", reason="credit_hold")
    story.tell(1, "inventory.adjusted", "A", location="BER", delta=-4)
    story.tell(2, "order.hold_released", "O1", hold_id="H")
    story.received(6, "A", 4)
    story.shipment(8, "picked", "O1", "S1", ("1", "A", 4))
    story.shipment(8, "shipped", "O1", "S1", ("1", "A", 4))
    story.tell(8, "parcel.exception", "O1", shipment_id="S1", kind="weather")
    story.scanned(13, "O1", "S1", "delivered")
    return story


def test_the_delay_of_the_example() -> None:
    delay = late_order().order("O1")["delay"]
    excess: dict[str, float] = {}
    for segment in delay["segments"]:
        excess[segment["cause"]] = excess.get(segment["cause"], 0) + segment["excess_s"] / DAY_S
        assert segment["excess_s"] == segment["actual_s"] - segment["planned_s"]
    assert {cause: days for cause, days in excess.items() if days} == {
        "credit_hold": 2,
        "stock_shortage": 4,
        "warehouse_backlog": 1,
        "weather": 2,
    }
    assert sum(segment["actual_s"] for segment in delay["segments"]) == 13 * DAY_S
    assert sum(segment["planned_s"] for segment in delay["segments"]) == 4 * DAY_S
    assert (delay["lateness_s"], delay["slack_eaten_s"]) == (3 * DAY_S, 6 * DAY_S)
    assert delay["primary"] == "stock_shortage"
    assert delay["cause"] is None


@pytest.mark.parametrize(
    ("at", "cause"),
    [(0.5, "credit_hold"), (1.5, "credit_hold"), (3, "stock_shortage"), (9, "weather"), (12, "weather")],
)
def test_the_cause_as_of_a_day(at: float, cause: str) -> None:
    delay = late_order().order("O1", as_of=moment(at))["delay"]
    assert delay["cause"] == cause
    actual = sum(segment["actual_s"] for segment in delay["segments"])
    assert actual == at * DAY_S


def test_the_timeline_tells_every_fact_by_time() -> None:
    found = late_order().ask("/v1/orders/O1/timeline")
    text = str(found)
    assert all(f"e{n}" in text for n in (3, 4, 6, 8, 9, 10, 11))
    assert MONDAY.date().isoformat() in text


def test_lists_filter() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4), region="north")
    story.placed(0.3, "O2", line("B", 4), region="south", channel="b2b")
    found = story.ask("/v1/orders?status=ALLOCATED")
    assert [order["order_id"] for order in found["orders"]] == ["O1"]
    found = story.ask("/v1/orders?region=south&channel=b2b")
    assert [order["order_id"] for order in found["orders"]] == ["O2"]


def test_a_sentence_that_a_service_agent_can_read_to_a_customer() -> None:
    assert late_order().order("O1", as_of=moment(7))["sentence"] == (
        "Held for credit from 2 to 4 March; waiting for stock of A until 8 March; expected on 12 March."
    )
