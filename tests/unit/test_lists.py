"""Lists over all orders: pages, what can't be, promises that break, finance, the leaders' figures, credit."""

from __future__ import annotations

from story import Json, Story, day, line, moment


def ids(body: Json) -> list[str]:
    return [order["order_id"] for order in body["orders"]]


def five() -> Story:
    story = Story()
    story.counted(0, "A", 10)
    for n, (channel, region, customer) in enumerate(
        [
            ("web", "EU", "C1"),
            ("b2b", "EU", "C2"),
            ("web", "US", "C1"),
            ("b2b", "US", "C2"),
            ("web", "EU", "C3"),
        ]
    ):
        story.placed(1 + n / 10, f"O{n}", line("A", 3), channel=channel, region=region, customer_id=customer)
    return story


def test_pages_follow_each_other_and_leave_none_out() -> None:
    story = five()
    first = story.ask("/v1/orders?limit=2")
    second = story.ask(f"/v1/orders?limit=2&cursor={first['cursor']}")
    third = story.ask(f"/v1/orders?limit=2&cursor={second['cursor']}")
    assert ids(first) + ids(second) + ids(third) == ["O4", "O3", "O2", "O1", "O0"]
    assert third["cursor"] is None


def test_each_filter_leaves_what_it_says() -> None:
    story = five()
    assert ids(story.ask("/v1/orders?channel=b2b")) == ["O3", "O1"]
    assert ids(story.ask("/v1/orders?region=US&channel=web")) == ["O2"]
    assert ids(story.ask("/v1/orders?customer=C1")) == ["O2", "O0"]
    # 10 were there: three orders are whole, the fourth has 1, the fifth none
    assert ids(story.ask("/v1/orders?status=ALLOCATED")) == ["O2", "O1", "O0"]
    assert ids(story.ask("/v1/orders?status=BACKORDERED")) == ["O4"]
    assert ids(story.ask("/v1/orders?cause=stock_shortage")) == ["O4", "O3"]


def test_at_risk_is_what_will_come_after_it_was_promised() -> None:
    story = Story()
    story.policy(plan={"warehouse_s": 86_400, "transit_s": 86_400})
    story.counted(0, "A", 10)
    story.placed(1, "SOON", line("A", 1), promised_by=day(1))
    story.placed(1, "LATER", line("A", 1), promised_by=day(9))
    assert ids(story.ask("/v1/orders?at_risk=true")) == ["SOON"]
    assert ids(story.ask("/v1/orders?at_risk=false")) == ["LATER"]


def test_promises_that_break_are_listed_by_rank_with_cause_and_new_date() -> None:
    # given 6 units due on day 4, promised to two orders
    story = Story()
    story.supply(0.1, "A", 6, due=4, name="PO")
    story.placed(0.2, "FIRST", line("A", 4))
    story.placed(0.3, "SECOND", line("A", 2))
    assert story.ask("/v1/at-risk")["promises"] == []
    # when they come on day 8
    story.tell(1, "supply.rescheduled", "A", supply_id="PO", due=day(8))
    told = story.ask("/v1/at-risk")["promises"]
    assert [(p["order_id"], p["qty"], p["promised"], p["date"], p["cause"]) for p in told] == [
        ("FIRST", 4, day(4), day(8), "supplier_late"),
        ("SECOND", 2, day(4), day(8), "supplier_late"),
    ]


def test_ranks_are_by_priority_where_the_policy_says_so() -> None:
    for ranking, order in (("fifo", ["FIRST", "URGENT"]), ("priority_fifo", ["URGENT", "FIRST"])):
        story = Story()
        story.policy(ranking=ranking)
        story.supply(0.1, "A", 6, due=4, name="PO")
        story.placed(0.2, "FIRST", line("A", 4))
        story.placed(0.3, "URGENT", line("A", 2), priority=1)
        story.tell(1, "supply.rescheduled", "A", supply_id="PO", due=day(8))
        assert [p["order_id"] for p in story.ask("/v1/at-risk")["promises"]] == order
        first = story.ask("/v1/at-risk?limit=1")
        second = story.ask(f"/v1/at-risk?limit=1&cursor={first['cursor']}")
        assert [p["order_id"] for page in (first, second) for p in page["promises"]] == order
        # what is cancelled is no promise any more
        story.tell(2, "order.cancelled", "URGENT")
        story.tell(2, "order.rejected", "FIRST", reason="no credit")
        assert story.ask("/v1/at-risk")["promises"] == []


def test_exceptions_are_what_could_not_be_applied_with_whom_it_concerns() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(0.1, "O1", line("A", 2), channel="b2b")
    story.scanned(0.2, "O9", "S9", "delivered")
    story.tell(0.3, "order.cancelled", "O1", lines=[{"line_id": "7", "qty": 1}])
    story.tell(0.4, "shipment.voided", "O1", shipment_id="S1")  # no reason
    told = story.ask("/v1/exceptions")["exceptions"]
    assert [(e["state"], e["kind"], e["event_id"]) for e in told] == [
        ("dead_letter", "missing_field", "e5"),
        ("anomaly", "cancel_unknown_line", "e4"),
        ("waiting", "order_unknown", "e3"),
    ]
    letter = told[0]
    assert (letter["field"], letter["process"]) == ("data.reason", "shipments")
    assert (letter["impact"]["orders"], letter["impact"]["shipments"]) == (["O1"], ["S1"])
    assert letter["impact"]["open_orders"][0]["channel"] == "b2b"
    assert [e["event_id"] for e in story.ask("/v1/exceptions?order=O9")["exceptions"]] == ["e3"]
    # once the order comes, nothing waits
    story.placed(0.5, "O9", line("A", 1))
    assert all(e["state"] != "waiting" for e in story.ask("/v1/exceptions")["exceptions"])


def test_finance_mismatches_are_lines_that_are_over_and_units_that_wait() -> None:
    story = Story()
    story.policy(invoice_late_days=3)
    story.counted(0, "A", 20)
    for n, order_id in enumerate(("RIGHT", "OVER", "LATE")):
        story.placed(0.1, order_id, line("A", 4, price="2.50"))
        story.shipment(1, "shipped", order_id, f"S{n}", ("1", "A", 4))
    for order_id, qty in (("RIGHT", 4), ("OVER", 5)):
        lines = [{"line_id": "1", "qty": qty, "amount": "10.00"}]
        story.tell(
            2,
            "invoice.posted",
            order_id,
            invoice_id=f"I-{order_id}",
            lines=lines,
            total="10.00",
            currency="EUR",
        )
    assert [m["order_id"] for m in story.ask("/v1/finance/mismatches", now=3)["mismatches"]] == ["OVER"]
    told = {m["order_id"]: m for m in story.ask("/v1/finance/mismatches", now=4.5)["mismatches"]}
    assert sorted(told) == ["LATE", "OVER"]
    (over,) = told["OVER"]["lines"]
    assert (over["kinds"], over["difference"], over["amount"]) == (["OVER_INVOICED(1)"], 1, "2.50")
    (late,) = told["LATE"]["lines"]
    assert (late["kinds"], late["late_units"], late["difference"]) == (["INVOICE_LATE"], 4, -4)


def test_the_leaders_figures() -> None:
    # given orders delivered after 1, 2 and 4 days, promised for the end of day 2
    story = Story()
    story.counted(0, "A", 20)
    for n, (days, region) in enumerate(((1, "EU"), (2, "EU"), (4, "US"))):
        order_id = f"O{n}"
        story.placed(0.5, order_id, line("A", 1), promised_by=day(2), region=region)
        story.shipment(0.6, "shipped", order_id, f"S{n}", ("1", "A", 1))
        story.scanned(0.5 + days, order_id, f"S{n}", "delivered")
        lines = [{"line_id": "1", "qty": 1, "amount": "1.00"}]
        story.tell(
            1.6, "invoice.posted", order_id, invoice_id=f"I{n}", lines=lines, total="1.00", currency="EUR"
        )
    story.placed(5, "OPEN", line("A", 1), region="US")
    story.tell(5.5, "shipment.voided", "OPEN", shipment_id="S1")
    (all_,) = story.ask("/v1/kpis", now=6)["groups"]
    assert (all_["orders"], all_["delivered"]) == (4, 3)
    assert all_["cycle_time_s"] == {"count": 3, "p50": 2 * 86_400, "p90": 3.6 * 86_400}
    assert all_["promises_kept"] == {"count": 2, "of": 3, "rate": 0.6667}
    assert all_["perfect_orders"]["count"] == 2
    assert all_["shipment_to_invoice_s"]["p50"] == 86_400
    assert all_["lateness"] == {"carrier_delay": {"orders": 1, "lateness_s": 1.5 * 86_400}}
    assert all_["backlog"]["ALLOCATED"]["by_age"]["1d"] == 1
    assert (all_["failed_shipment_updates"], all_["dead_letters"]) == (1, {"shipments": 1})
    by_region = {g["region"]: g for g in story.ask("/v1/kpis?by=region", now=6)["groups"]}
    assert by_region["EU"]["cycle_time_s"]["p50"] == 1.5 * 86_400
    assert (by_region["US"]["orders"], by_region["US"]["dead_letters"]) == (2, {"shipments": 1})
    later = story.ask(f"/v1/kpis?from={day(5)}", now=6)["groups"]
    assert [g["orders"] for g in later] == [1]


def test_credit_is_the_limit_less_what_the_erp_or_else_open_orders_say() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.tell(0, "customer.upserted", "C1", customer_id="C1", name="Ann", region="EU", **{"class": "gold"})
    story.tell(0, "credit.limit_set", "C1", limit="100.00", currency="EUR")
    story.placed(0.1, "O1", line("A", 3, price="12.50"))
    body = story.ask("/v1/credit/C1")
    assert (body["name"], body["class"], body["region"]) == ("Ann", "gold", "EU")
    assert (body["open_orders"], body["open_amount"]) == (1, {"EUR": "37.50"})
    assert (body["limit"], body["exposure"], body["available"]) == ("100.00", None, "62.50")
    story.tell(0.2, "credit.exposure_changed", "C1", exposure="90.00")
    story.tell(0.3, "credit.hold_placed", "C1", hold_id="CH")
    body = story.ask("/v1/credit/C1")
    assert (body["exposure"], body["available"]) == ("90.00", "10.00")
    assert body["holds"] == [{"hold_id": "CH", "since": moment(0.3)}]
    assert story.ask("/v1/credit/NOBODY")["status"] == 404


def test_a_price_is_that_in_force() -> None:
    story = Story()
    story.tell(0, "price.set", "A", sku="A", list="retail", amount="10.00", currency="EUR", valid_from=day(0))
    story.tell(
        0,
        "price.set",
        "A",
        sku="A",
        list="retail",
        amount="9.00",
        currency="EUR",
        valid_from=day(5),
        valid_to=day(6),
    )
    at = {d: story.ask(f"/v1/prices/A?list=retail&at={moment(d)}")["amount"] for d in (1, 5, 6.9, 7)}
    assert at == {1: "10.00", 5: "9.00", 6.9: "9.00", 7: "10.00"}
    assert story.ask(f"/v1/prices/A?at={moment(-1)}")["prices"][0]["amount"] is None
    assert story.ask("/v1/prices/A?list=none")["status"] == 404
