"""Customers: credit as stated, holds on all open orders, and what open orders come to."""

from __future__ import annotations

from typing import Any

from story import Story, line, moment

from springtide.codecs import facts as f
from springtide.codecs.facts import FACT_BY_NAME
from springtide.codecs.messages import CustomerOrder
from springtide.tables.customer import HOLDS_MAX, Customer, CustomerChange, take_order


def apply(customer: Customer, name: str, data: f.Data, at_us: int, sequence: int = 0) -> bool:
    change = CustomerChange(customer, at_us, at_us, f"erp {name}{at_us}", sequence)
    change.apply(data, FACT_BY_NAME[name].code)
    return change.tells


def status(story: Story, *names: str) -> list[str]:
    return [story.order(name)["status"] for name in names]


# --- what was stated ---


def test_the_newest_statement_by_time_counts_whenever_it_comes() -> None:
    customer = Customer("c1")
    apply(customer, "credit.limit_set", f.CreditLimitSet(limit="500", currency="EUR"), 20)
    apply(customer, "credit.limit_set", f.CreditLimitSet(limit="100", currency="EUR"), 10)
    apply(customer, "credit.exposure_changed", f.CreditExposureChanged(exposure="7"), 10, sequence=2)
    apply(customer, "credit.exposure_changed", f.CreditExposureChanged(exposure="9"), 10, sequence=1)
    assert (customer.limit, customer.exposure) == ("500", "7")


def test_orders_are_told_only_what_concerns_them() -> None:
    customer = Customer("c1")
    assert not apply(customer, "credit.limit_set", f.CreditLimitSet(limit="1", currency="EUR"), 1)
    assert apply(customer, "customer.upserted", f.CustomerUpserted(customer_id="c1", name="A", region="n"), 2)
    assert not apply(
        customer, "customer.upserted", f.CustomerUpserted(customer_id="c1", name="B", region="n"), 3
    )
    assert not apply(customer, "credit.hold_released", f.CreditHold(hold_id="h"), 9)
    assert customer.told_holds() == ()
    assert apply(customer, "credit.hold_placed", f.CreditHold(hold_id="h"), 4)
    assert [(h.placed[0], h.released and h.released[0]) for h in customer.told_holds()] == [(4, 9)]
    assert customer.seq == 2


def test_holds_have_a_limit_and_the_longest_released_go_first() -> None:
    customer = Customer("c1")
    for n in range(HOLDS_MAX):
        apply(customer, "credit.hold_placed", f.CreditHold(hold_id=f"h{n}"), n)
    apply(customer, "credit.hold_released", f.CreditHold(hold_id="h7"), 900)
    apply(customer, "credit.hold_placed", f.CreditHold(hold_id="new"), 901)
    assert (len(customer.holds), "h7" in customer.holds, "h0" in customer.holds) == (HOLDS_MAX, False, True)


def test_sums_follow_what_orders_told_last() -> None:
    customer = Customer("c1")

    def told(order_id: str, request: int, is_open: bool, amount: str, currency: str = "EUR") -> CustomerOrder:
        return CustomerOrder(order_id, request, 0, is_open, False, currency, amount, (0, 0, 0))

    first = take_order(customer, None, told("o1", 1, True, "10.00"))
    take_order(customer, None, told("o2", 1, True, "0.50", "USD"))
    assert (customer.open_orders, customer.open_amount) == (2, {"EUR": "10.00", "USD": "0.50"})
    second = take_order(customer, first, told("o1", 2, True, "2.50"))
    assert customer.open_amount["EUR"] == "2.50"
    assert take_order(customer, second, told("o1", 3, False, "0.00")) is None
    assert (customer.open_orders, customer.open_amount) == (1, {"USD": "0.50"})


# --- with orders ---


def two_orders() -> Story:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4, price="2.50"))
    story.placed(0.3, "O2", line("A", 1, price="1.00"))
    return story


def test_a_hold_holds_open_orders_and_those_placed_later_until_it_is_released() -> None:
    story = two_orders()
    story.tell(0.5, "credit.hold_placed", "C1", hold_id="H")
    story.placed(0.6, "O3", line("A", 1))
    assert status(story, "O1", "O2", "O3") == ["ON_HOLD"] * 3
    body = story.order("O3")
    assert body["holds"] == [{"hold_id": "H", "reason": "credit_hold", "since": moment(0.6), "scope": None}]
    assert story.order("O1")["holds"][0]["since"] == moment(0.5)
    story.tell(0.7, "credit.hold_released", "C1", hold_id="H")
    assert status(story, "O1", "O2", "O3") == ["ALLOCATED"] * 3
    names = [m["name"] for m in story.order("O3")["milestones"]]
    assert names[-2:] == ["held(credit_hold)", "hold_released(credit_hold)"]


def test_an_order_told_after_a_hold_that_it_lay_under_knows_of_it() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.tell(0.5, "credit.hold_placed", "C1", hold_id="H")
    story.tell(0.7, "credit.hold_released", "C1", hold_id="H")
    story.placed(0.6, "LATE", line("A", 1))
    story.placed(0.8, "AFTER", line("A", 1))
    late = {m["name"]: m["occurred_at"] for m in story.order("LATE")["milestones"]}
    assert (late["held(credit_hold)"], late["hold_released(credit_hold)"]) == (moment(0.6), moment(0.7))
    assert "held(credit_hold)" not in {m["name"] for m in story.order("AFTER")["milestones"]}


def test_what_is_delivered_or_cancelled_is_not_held() -> None:
    story = two_orders()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "delivered")
    story.tell(2, "order.cancelled", "O2")
    story.tell(3, "credit.hold_placed", "C1", hold_id="H")
    assert [story.order(name)["holds"] for name in ("O1", "O2")] == [[], []]


def test_a_hold_on_an_order_that_is_cancelled_under_it_is_released_with_it() -> None:
    story = two_orders()
    story.tell(1, "credit.hold_placed", "C1", hold_id="H")
    story.tell(2, "order.cancelled", "O1")
    story.tell(3, "credit.hold_released", "C1", hold_id="H")
    assert story.order("O1")["holds"] == []


def test_an_orders_own_hold_of_the_same_id_is_another_hold() -> None:
    story = two_orders()
    story.tell(1, "order.hold_placed", "O1", hold_id="H", reason="fraud_review")
    story.tell(1, "credit.hold_placed", "C1", hold_id="H")
    story.tell(2, "credit.hold_released", "C1", hold_id="H")
    assert [hold["reason"] for hold in story.order("O1")["holds"]] == ["fraud_review"]


def credit(story: Story) -> dict[str, Any]:
    body = story.ask("/v1/credit/C1")
    return {name: body[name] for name in ("open_orders", "open_amount", "available")}


def test_open_orders_count_for_what_has_not_shipped() -> None:
    story = two_orders()
    story.tell(0.4, "credit.limit_set", "C1", limit="100.00", currency="EUR")
    assert credit(story) == {"open_orders": 2, "open_amount": {"EUR": "11.00"}, "available": "89.00"}
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 3))
    assert credit(story) == {"open_orders": 2, "open_amount": {"EUR": "3.50"}, "available": "96.50"}
    story.shipment(1, "shipped", "O1", "S2", ("1", "A", 1))
    story.scanned(2, "O1", "S1", "delivered")
    story.scanned(2, "O1", "S2", "delivered")
    story.tell(3, "credit.exposure_changed", "C1", exposure="40.00")
    assert credit(story) == {"open_orders": 1, "open_amount": {"EUR": "1.00"}, "available": "60.00"}


def test_an_order_without_a_region_has_its_customers() -> None:
    story = two_orders()
    story.placed(0.4, "O3", line("A", 1), region="south")
    story.tell(
        1, "customer.upserted", "C1", customer_id="C1", name="Ada", region="north", **{"class": "gold"}
    )
    assert [story.order(name)["region"] for name in ("O1", "O3")] == ["north", "south"]
    story.placed(2, "O4", line("A", 1))
    assert story.order("O4")["region"] == "north"
