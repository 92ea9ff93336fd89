"""Rules of an order's status two and three at a time: what was shipped, cancelled, lost, held, taken back and
paid in one order, worked out by hand from the definitions and asked as the API is asked.
"""

from __future__ import annotations

from typing import Any

import pytest
from story import Story, line, moment

Json = dict[str, Any]
QUANTITIES = [
    "ordered",
    "cancelled",
    "allocated",
    "backordered",
    "released",
    "picked",
    "packed",
    "shipped",
    "delivered",
    "lost",
    "returned",
    "restocked",
    "invoiced",
    "credited",
]


def ledger(body: Json, line_id: str = "1") -> dict[str, int]:
    """The quantities of a line that are not 0."""
    found = next(one for one in body["lines"] if one["line_id"] == line_id)
    return {name: found[name] for name in QUANTITIES if found[name]}


def kinds(body: Json) -> list[str]:
    return sorted(found["kind"] for found in body["exceptions"])


def reached(body: Json) -> dict[str, str]:
    """Milestones that stand -> when they occurred."""
    return {m["name"]: m["occurred_at"] for m in body["milestones"] if not m["superseded"]}


def marks(body: Json, name: str) -> list[tuple[str, bool, bool]]:
    return [
        (m["occurred_at"], m["inferred"], m["superseded"]) for m in body["milestones"] if m["name"] == name
    ]


def invoice(
    story: Story, at: float, name: str, *lines: tuple[str, int], order: str = "O1", each: int = 1
) -> str:
    """Posts an invoice; every unit costs `each`."""
    total = sum(units for _, units in lines) * each
    stated = [{"line_id": line_id, "qty": units, "amount": f"{units * each}"} for line_id, units in lines]
    return story.tell(
        at, "invoice.posted", order, invoice_id=name, lines=stated, total=f"{total}", currency="EUR"
    )


def memo(story: Story, at: float, name: str, *lines: tuple[str, int], order: str = "O1", **more: Any) -> str:
    stated = [{"line_id": line_id, "qty": units, "amount": f"{units}"} for line_id, units in lines]
    return story.tell(at, "credit_memo.issued", order, memo_id=name, lines=stated, **more)


def back(
    story: Story, at: float, step: str, name: str, *lines: tuple[str, int], order: str = "O1", **more: Any
) -> str:
    """A step of a return; `more` goes to each line if it is a disposition or reason."""
    of_line = {key: more.pop(key) for key in ("disposition", "reason") if key in more}
    if step == "received":
        more.setdefault("location", "BER")
    stated = [{"line_id": line_id, "qty": units, **of_line} for line_id, units in lines]
    return story.tell(at, f"return.{step}", order, return_id=name, lines=stated, **more)


def cancel(story: Story, at: float, *lines: tuple[str, int], order: str = "O1") -> str:
    if not lines:
        return story.tell(at, "order.cancelled", order)
    return story.tell(
        at, "order.cancelled", order, lines=[{"line_id": name, "qty": units} for name, units in lines]
    )


def hold(story: Story, at: float, name: str, reason: str, order: str = "O1", **more: Any) -> str:
    return story.tell(at, "order.hold_placed", order, hold_id=name, reason=reason, **more)


def free(story: Story, at: float, name: str, order: str = "O1") -> str:
    return story.tell(at, "order.hold_released", order, hold_id=name)


def two_lines() -> Story:
    """O1 of 6 A and 4 B, all allocated."""
    story = Story()
    story.counted(0.1, "A", 10)
    story.counted(0.1, "B", 10)
    story.placed(0.2, "O1", line("A", 6, price="1"), line("B", 4, price="1"))
    return story


def one_line(units: int = 4, stock: int = 10) -> Story:
    """O1 of so many A."""
    story = Story()
    story.counted(0.1, "A", stock)
    story.placed(0.2, "O1", line("A", units, price="1"))
    return story


# --- split shipments with cancellations, losses and returns ---


def test_cancelled_lost_and_returned_units_of_split_shipments() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 3), ("2", "B", 1))
    story.scanned(2, "O1", "S1", "delivered")
    story.shipment(2, "shipped", "O1", "S2", ("1", "A", 2))
    cancel(story, 2.5, ("1", 1))
    cancel(story, 2.6, ("2", 2))
    story.scanned(3, "O1", "S2", "lost")
    # N = 10 - 3 = 7; delivered 4
    body = story.order("O1")
    assert body["status"] == "PARTIALLY_DELIVERED"
    assert ledger(body, "1") == {
        "ordered": 6,
        "cancelled": 1,
        "allocated": 5,
        "released": 5,
        "picked": 5,
        "packed": 5,
        "shipped": 5,
        "delivered": 3,
        "lost": 2,
    }
    memo(story, 4, "M1", ("1", 2), reason="lost")
    # N = 10 - 3 - 2 = 5
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("PARTIALLY_DELIVERED", ["credited_beyond_invoiced"])
    story.shipment(5, "shipped", "O1", "S3", ("2", "B", 1))
    story.scanned(6, "O1", "S3", "delivered")
    assert story.order("O1")["status"] == "DELIVERED"
    invoice(story, 6, "I1", ("1", 5), ("2", 2))
    # b = 7 - 2 = 5, shipped 7
    body = story.order("O1")
    assert (body["axes"]["finance"], kinds(body)) == ("PARTIALLY_INVOICED", [])
    back(story, 7, "received", "R1", ("1", 1))
    assert story.order("O1")["status"] == "PARTIALLY_RETURNED"
    back(story, 8, "received", "R2", ("1", 2), ("2", 2))
    body = story.order("O1")
    assert (body["status"], body["axes"]["returns"]) == ("RETURNED", "RECEIVED")
    assert kinds(body) == []


def test_all_that_is_left_is_cancelled_after_a_part_has_shipped_and_come_back() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 2))
    cancel(story, 1.5)
    # N = 2
    body = story.order("O1")
    assert body["status"] == "SHIPPED"
    assert ledger(body, "1")["cancelled"] == 4
    assert ledger(body, "2") == {"ordered": 4, "cancelled": 4}
    assert "cancelled(part)" in reached(body)
    assert "cancelled(all)" not in reached(body)
    story.scanned(2, "O1", "S1", "delivered")
    back(story, 3, "received", "R1", ("1", 2))
    assert story.order("O1")["status"] == "RETURNED"
    assert story.atp("A")["buckets"]["quality_control"] == 2
    assert story.atp("B")["available_now"] == 10


def test_a_cancellation_of_one_line_leaves_the_other_to_decide() -> None:
    story = two_lines()
    cancel(story, 0.5, ("2", 4))
    body = story.order("O1")
    assert (body["status"], list(reached(body))[-1]) == ("ALLOCATED", "cancelled(part)")
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 6))
    assert story.order("O1")["status"] == "SHIPPED"


def test_cancelled_line_by_line_is_cancelled_as_a_whole() -> None:
    story = two_lines()
    cancel(story, 0.5, ("2", 4))
    cancel(story, 0.6, ("1", 6))
    body = story.order("O1")
    assert body["status"] == "CANCELLED"
    assert (reached(body)["cancelled(part)"], reached(body)["cancelled(all)"]) == (moment(0.5), moment(0.6))
    assert story.atp("A")["committed"] == 0


@pytest.mark.parametrize("order", ["cancel ship", "ship cancel"])
def test_all_that_had_not_left_is_cancelled_whichever_is_heard_first(order: str) -> None:
    story = two_lines()
    for fact in order.split():
        if fact == "cancel":
            cancel(story, 0.6)
        else:
            story.shipment(0.5, "shipped", "O1", "S1", ("1", "A", 2))
    body = story.order("O1")
    found = {name: at for name, at in reached(body).items() if name.startswith("cancelled")}
    assert (body["status"], found) == ("SHIPPED", {"cancelled(part)": moment(0.6)})


@pytest.mark.parametrize(
    "order", ["ship cancel void", "ship void cancel", "void ship cancel", "cancel void ship"]
)
def test_all_is_cancelled_once_what_had_shipped_is_void(order: str) -> None:
    story = one_line()
    for fact in order.split():
        if fact == "cancel":
            cancel(story, 0.6)
        elif fact == "void":
            story.tell(0.7, "shipment.voided", "O1", shipment_id="S1", reason="it never left")
        else:
            story.shipment(0.5, "shipped", "O1", "S1", ("1", "A", 4))
    body = story.order("O1")
    found = {name: at for name, at in reached(body).items() if name.startswith("cancelled")}
    assert (body["status"], found) == ("CANCELLED", {"cancelled(all)": moment(0.6)})


def test_what_is_cancelled_whole_was_never_allocated_in_part() -> None:
    story = two_lines()
    cancel(story, 0.5)
    body = story.order("O1")
    assert (body["status"], list(reached(body))) == (
        "CANCELLED",
        ["received", "validated", "allocated", "promise_set", "cancelled(all)"],
    )


def test_an_order_of_several_skus_is_allocated_in_part_only_if_it_gets_a_part() -> None:
    story = Story()
    story.counted(0.1, "A", 9)
    story.counted(0.1, "B", 1)
    story.placed(0.2, "WHOLE", line("A", 1), line("B", 1))
    story.placed(0.3, "PART", line("A", 1), line("B", 1))
    assert list(reached(story.order("WHOLE"))) == ["received", "validated", "allocated", "promise_set"]
    body = story.order("PART")
    assert (body["status"], list(reached(body))) == (
        "PARTIALLY_ALLOCATED",
        ["received", "validated", "partially_allocated", "backordered"],
    )


def test_lost_before_it_is_credited_is_no_delivery_and_shipping_again_completes_it() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "lost")
    body = story.order("O1")
    # N = 4, shipped 4
    assert (body["status"], ledger(body)["lost"]) == ("SHIPPED", 4)
    assert body["delay"]["cause"] == "lost"
    memo(story, 3, "M1", ("1", 4), reason="lost")
    assert story.order("O1")["status"] == "CANCELLED"


def test_a_memo_of_another_reason_leaves_the_lost_units_in_the_order() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "lost")
    invoice(story, 2, "I1", ("1", 4))
    memo(story, 3, "M1", ("1", 4), reason="other")
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("SHIPPED", "UNINVOICED")


def test_returned_to_sender_is_neither_delivered_nor_lost() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "attempted")
    story.scanned(3, "O1", "S1", "returned_to_sender")
    body = story.order("O1")
    assert body["status"] == "SHIPPED"
    assert "delivered" not in ledger(body)
    assert "lost" not in ledger(body)
    assert reached(body)["returned_to_sender"] == moment(3)
    assert reached(body)["delivery_attempted"] == moment(2)
    assert body["delay"]["cause"] == "return_to_sender"


def test_a_return_before_its_delivery_is_an_anomaly_until_that_comes() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    back(story, 3, "received", "R1", ("1", 1))
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("PARTIALLY_RETURNED", ["returned_beyond_delivered"])
    assert ledger(body)["returned"] == 1
    story.scanned(2, "O1", "S1", "delivered")
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("PARTIALLY_RETURNED", [])


def test_a_return_of_a_return_that_was_rejected_does_not_open_the_order() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "delivered")
    invoice(story, 2, "I1", ("1", 4))
    back(story, 3, "authorized", "R1", ("1", 1), reason="late")
    assert story.order("O1")["status"] == "DELIVERED"
    story.tell(4, "return.rejected", "O1", return_id="R1", reason="worn")
    body = story.order("O1")
    assert (body["status"], body["axes"]["returns"]) == ("CLOSED", "REJECTED")
    back(story, 5, "authorized", "R2", ("1", 1), reason="late")
    body = story.order("O1")
    assert (body["status"], body["axes"]["returns"]) == ("DELIVERED", "AUTHORIZED")


def test_two_returns_of_one_line_with_all_dispositions() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "delivered")
    back(story, 3, "received", "R1", ("1", 2))
    back(story, 3, "received", "R2", ("1", 1), location="MUC")
    back(story, 4, "inspected", "R1", ("1", 1), disposition="sellable")
    body = story.order("O1")
    assert (body["axes"]["returns"], ledger(body)["restocked"], ledger(body)["returned"]) == (
        "RECEIVED",
        1,
        3,
    )
    back(story, 5, "inspected", "R1", ("1", 1), disposition="scrapped")
    back(story, 5, "inspected", "R2", ("1", 1), disposition="damaged")
    body = story.order("O1")
    assert (body["axes"]["returns"], ledger(body)["restocked"]) == ("INSPECTED", 1)
    assert story.atp("A", location="BER")["buckets"] == {
        "sellable": 7,
        "damaged": 0,
        "quality_control": 0,
        "reserved_other": 0,
    }
    assert story.atp("A", location="MUC")["buckets"]["damaged"] == 1


def test_an_over_return_is_shown_as_it_was_stated() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 6), ("2", "B", 4))
    story.scanned(2, "O1", "S1", "delivered")
    back(story, 3, "received", "R1", ("1", 8))
    body = story.order("O1")
    assert (body["status"], ledger(body)["returned"]) == ("PARTIALLY_RETURNED", 8)
    assert kinds(body) == ["returned_beyond_delivered"]
    assert body["exceptions"][0]["event_id"] == "e6"


# --- holds ---


def test_two_holds_that_overlap_hold_until_the_last_is_released() -> None:
    story = one_line()
    hold(story, 1, "H1", "credit_hold")
    hold(story, 2, "H2", "fraud_review")
    free(story, 3, "H1")
    body = story.order("O1")
    assert body["status"] == "ON_HOLD"
    assert [(h["hold_id"], h["reason"], h["since"]) for h in body["holds"]] == [
        ("H2", "fraud_review", moment(2))
    ]
    assert body["delay"]["cause"] == "fraud_review"
    free(story, 4, "H2")
    body = story.order("O1")
    assert (body["status"], body["holds"]) == ("ALLOCATED", [])
    names = {name: at for name, at in reached(body).items() if "(" in name}
    assert names == {
        "held(credit_hold)": moment(1),
        "held(fraud_review)": moment(2),
        "hold_released(credit_hold)": moment(3),
        "hold_released(fraud_review)": moment(4),
    }


def test_a_hold_after_a_part_has_shipped_is_beside_the_status() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 1))
    hold(story, 1.5, "H1", "customer_requested")
    body = story.order("O1")
    assert (body["status"], len(body["holds"])) == ("PARTIALLY_SHIPPED", 1)
    story.tell(2, "shipment.voided", "O1", shipment_id="S1", reason="it never left")
    assert story.order("O1")["status"] == "ON_HOLD"
    free(story, 3, "H1")
    assert story.order("O1")["status"] == "ALLOCATED"


def test_a_hold_on_a_released_order_wins_over_in_fulfilment() -> None:
    story = one_line()
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    assert story.order("O1")["status"] == "IN_FULFILMENT"
    hold(story, 1.5, "H1", "compliance_hold")
    assert story.order("O1")["status"] == "ON_HOLD"
    free(story, 1.6, "H1")
    assert story.order("O1")["status"] == "IN_FULFILMENT"


@pytest.mark.parametrize(
    "reason",
    [
        "credit_hold",
        "payment_pending",
        "fraud_review",
        "address_problem",
        "data_error",
        "customer_requested",
        "compliance_hold",
    ],
)
def test_a_hold_keeps_a_delivered_and_reconciled_order_open(reason: str) -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    hold(story, 1.5, "H1", reason)
    story.scanned(2, "O1", "S1", "delivered")
    invoice(story, 2, "I1", ("1", 4))
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("DELIVERED", "RECONCILED")
    free(story, 3, "H1")
    body = story.order("O1")
    assert (body["status"], reached(body)["closed"]) == ("CLOSED", moment(3))


def test_a_hold_of_one_line_and_a_cancelled_order() -> None:
    story = two_lines()
    hold(story, 0.5, "H1", "data_error", scope=["2"])
    body = story.order("O1")
    assert (body["status"], body["holds"][0]["scope"]) == ("ON_HOLD", ("2",))
    cancel(story, 0.6)
    assert story.order("O1")["status"] == "CANCELLED"


def test_a_hold_on_a_backordered_order() -> None:
    story = one_line(4, stock=0)
    assert story.order("O1")["status"] == "BACKORDERED"
    hold(story, 1, "H1", "payment_pending")
    assert story.order("O1")["status"] == "ON_HOLD"
    free(story, 2, "H1")
    assert story.order("O1")["status"] == "BACKORDERED"
    story.received(3, "A", 3)
    body = story.order("O1")
    assert (body["status"], ledger(body)) == (
        "PARTIALLY_ALLOCATED",
        {"ordered": 4, "allocated": 3, "backordered": 1},
    )


def test_rejected_wins_over_a_hold_and_frees_the_stock() -> None:
    story = one_line()
    hold(story, 0.5, "H1", "credit_hold")
    story.tell(0.6, "order.rejected", "O1", reason="no credit")
    body = story.order("O1")
    assert (body["status"], reached(body)["rejected"]) == ("REJECTED", moment(0.6))
    assert story.atp("A")["available_now"] == 10


def test_rejected_after_it_was_confirmed_is_an_anomaly() -> None:
    story = one_line()
    story.tell(0.5, "order.confirmed", "O1")
    story.tell(0.6, "order.rejected", "O1", reason="no credit")
    body = story.order("O1")
    assert (body["status"], len(body["exceptions"])) == ("ALLOCATED", 1)


@pytest.mark.parametrize("first", ["rejected", "confirmed"])
@pytest.mark.parametrize("rejected_at", [0.5, 0.7])
def test_what_occurred_first_stands_of_a_rejection_and_a_confirmation(first: str, rejected_at: float) -> None:
    story = one_line()
    for fact in (first, "confirmed" if first == "rejected" else "rejected"):
        if fact == "rejected":
            story.tell(rejected_at, "order.rejected", "O1", reason="no credit")
        else:
            story.tell(0.6, "order.confirmed", "O1")
    body = story.order("O1")
    found = (body["status"], kinds(body), body["rejected"], story.atp("A")["committed"])
    if rejected_at == 0.5:
        assert found == ("REJECTED", ["confirmed_after_rejected"], "no credit", 0)
        assert (reached(body).get("confirmed"), reached(body)["rejected"]) == (None, moment(0.5))
    else:
        assert found == ("ALLOCATED", ["rejected_after_confirmed"], None, 4)
        assert (reached(body)["confirmed"], reached(body).get("rejected")) == (moment(0.6), None)


# --- voids and parcels ---


def test_a_void_after_scans_takes_all_of_the_shipment_back() -> None:
    story = one_line()
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    story.shipment(1.2, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(1.5, "O1", "S1", "in_transit")
    story.scanned(2, "O1", "S1", "delivered")
    story.tell(3, "shipment.voided", "O1", shipment_id="S1", reason="another order's")
    body = story.order("O1")
    assert (body["status"], ledger(body)) == ("ALLOCATED", {"ordered": 4, "allocated": 4})
    assert [
        name
        for name in ("released_to_warehouse", "shipped", "in_transit", "delivered")
        if name in reached(body)
    ] == []
    assert marks(body, "delivered") == [(moment(2), False, True)]
    assert kinds(body) == []
    # and it ships anew
    story.shipment(4, "shipped", "O1", "S2", ("1", "A", 4))
    body = story.order("O1")
    assert (body["status"], reached(body)["shipped"]) == ("SHIPPED", moment(4))
    story.scanned(5, "O1", "S1", "in_transit")
    assert kinds(story.order("O1")) == ["scan_of_voided_shipment"]


def test_a_void_of_one_of_two_shipments_lowers_the_status_to_what_the_other_is() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 6))
    story.shipment(1.1, "shipped", "O1", "S2", ("2", "B", 4))
    assert story.order("O1")["status"] == "SHIPPED"
    story.tell(2, "shipment.voided", "O1", shipment_id="S2", reason="lost label")
    body = story.order("O1")
    assert (body["status"], reached(body)["shipped"]) == ("PARTIALLY_SHIPPED", moment(1))
    assert ledger(body, "2") == {"ordered": 4, "allocated": 4}
    story.scanned(3, "O1", "S1", "delivered")
    assert story.order("O1")["status"] == "PARTIALLY_DELIVERED"


def test_scans_out_of_order_end_at_the_last_by_time_and_sequence() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(3, "O1", "S1", "out_for_delivery")
    story.scanned(2, "O1", "S1", "in_transit")
    body = story.order("O1")
    assert body["shipments"][0]["parcel"] == "out_for_delivery"
    assert body["status"] == "SHIPPED"
    assert (reached(body)["in_transit"], reached(body)["out_for_delivery"]) == (moment(2), moment(3))
    assert kinds(body) == []


def test_a_scan_told_late_that_was_before_the_end_is_no_anomaly_and_one_after_it_is() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(3, "O1", "S1", "delivered")
    story.scanned(2, "O1", "S1", "in_transit")
    assert kinds(story.order("O1")) == []
    story.scanned(4, "O1", "S1", "out_for_delivery")
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("DELIVERED", ["scan_after_terminal"])


def test_scans_of_another_parcel_of_the_shipment_are_no_scans_after_the_end() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "delivered", tracking="T1")
    late = story.scanned(3, "O1", "S1", "in_transit", tracking="T2")
    assert kinds(story.order("O1")) == []
    story.scanned(2.5, "O1", "S1", "lost", tracking="T2")
    body = story.order("O1")
    assert [(e["kind"], e["event_id"]) for e in body["exceptions"]] == [("scan_after_terminal", late)]


def test_a_delivery_that_is_corrected_twice() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    first = story.scanned(2, "O1", "S1", "delivered")
    story.tell(2.5, "delivery.corrected", "O1", shipment_id="S1", cancels=first)
    assert story.order("O1")["status"] == "SHIPPED"
    second = story.scanned(3, "O1", "S1", "delivered")
    assert story.order("O1")["status"] == "DELIVERED"
    story.tell(3.5, "delivery.corrected", "O1", shipment_id="S1", cancels=second)
    story.tell(3.6, "delivery.corrected", "O1", shipment_id="S1", cancels=second)
    body = story.order("O1")
    assert (body["status"], "delivered" in reached(body)) == ("SHIPPED", False)
    story.scanned(4, "O1", "S1", "delivered")
    body = story.order("O1")
    assert (body["status"], reached(body)["delivered"], kinds(body)) == ("DELIVERED", moment(4), [])


def test_lost_and_found_by_a_correction() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    lost = story.scanned(2, "O1", "S1", "lost")
    assert ledger(story.order("O1"))["lost"] == 4
    story.tell(2.5, "delivery.corrected", "O1", shipment_id="S1", cancels=lost)
    body = story.order("O1")
    assert "lost" not in ledger(body)
    assert "lost" not in reached(body)
    story.scanned(3, "O1", "S1", "delivered")
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("DELIVERED", [])


@pytest.mark.parametrize("first", ["report", "correction"])
def test_what_the_carrier_reported_is_taken_back_with_its_milestone(first: str) -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    name = "e4" if first == "report" else "e5"
    for fact in (first, "correction" if first == "report" else "report"):
        if fact == "report":
            story.tell(2, "parcel.exception", "O1", shipment_id="S1", kind="weather")
        else:
            story.tell(3, "delivery.corrected", "O1", shipment_id="S1", cancels=name)
    body = story.order("O1", now=4)
    assert marks(body, "carrier_exception(weather)") == [(moment(2), False, True)]
    assert body["delay"]["cause"] == "carrier_delay"
    assert story.order("O1", as_of=moment(2.5))["delay"]["cause"] == "weather"


def test_a_correction_reopens_a_closed_order() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    scan = story.scanned(2, "O1", "S1", "delivered")
    invoice(story, 2.2, "I1", ("1", 4))
    before = story.order("O1")
    assert before["status"] == "CLOSED"
    story.tell(3, "delivery.corrected", "O1", shipment_id="S1", cancels=scan)
    body = story.order("O1")
    assert (body["status"], "closed" in reached(body), reached(body)["reopened"]) == (
        "SHIPPED",
        False,
        moment(3),
    )
    assert body["version"] == before["version"] + 1


# --- steps that are inferred ---


def test_a_part_that_is_delivered_without_more_is_inferred_and_the_rest_is_not() -> None:
    story = one_line()
    story.shipment(1, "released", "O1", "S1", ("1", "A", 1))
    story.shipment(1, "released", "O1", "S2", ("1", "A", 3))
    story.scanned(2, "O1", "S1", "delivered")
    body = story.order("O1")
    assert body["status"] == "PARTIALLY_DELIVERED"
    assert ledger(body) == {
        "ordered": 4,
        "allocated": 4,
        "released": 4,
        "picked": 1,
        "packed": 1,
        "shipped": 1,
        "delivered": 1,
    }
    assert marks(body, "shipped") == [(moment(2), True, False)]
    story.shipment(1.5, "shipped", "O1", "S1", ("1", "A", 1))
    body = story.order("O1")
    assert marks(body, "shipped") == [(moment(1.5), False, False)]
    assert marks(body, "picked") == [(moment(1.5), True, False)]
    story.shipment(1.2, "picked", "O1", "S2", ("1", "A", 3))
    body = story.order("O1")
    assert marks(body, "picked") == [(moment(1.2), False, False)]
    assert ledger(body)["picked"] == 4


def test_shipped_before_released_infers_the_release() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    assert marks(story.order("O1"), "released_to_warehouse") == [(moment(1), True, False)]
    story.shipment(0.5, "released", "O1", "S1", ("1", "A", 4))
    assert marks(story.order("O1"), "released_to_warehouse") == [(moment(0.5), False, False)]


# --- what a warehouse works on ---


def test_a_short_pick_is_shipped_from_elsewhere() -> None:
    story = Story()
    story.place("BER", 1)
    story.place("MUC", 2)
    story.counted(0.1, "A", 4)
    story.placed(0.2, "O1", line("A", 4))
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    story.tell(1.1, "pick.short", "O1", shipment_id="S1", line_id="1", qty=1)
    body = story.order("O1")
    assert (body["status"], body["delay"]["cause"]) == ("IN_FULFILMENT", "pick_short")
    story.shipment(1.2, "shipped", "O1", "S1", ("1", "A", 3))
    body = story.order("O1")
    assert (body["status"], ledger(body)["shipped"]) == ("PARTIALLY_SHIPPED", 3)
    story.counted(1.3, "A", 0)
    assert ledger(story.order("O1"))["backordered"] == 1
    story.received(2, "A", 5, location="MUC")
    body = story.order("O1")
    assert (ledger(body)["allocated"], ledger(body).get("backordered", 0)) == (4, 0)
    story.shipment(3, "shipped", "O1", "S2", ("1", "A", 1), location="MUC")
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("SHIPPED", [])


def test_a_shipment_that_left_without_cancelled_units_keeps_none() -> None:
    story = one_line(4, stock=4)
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    cancel(story, 1.5, ("1", 2))
    body = story.order("O1")
    assert (body["status"], ledger(body)["allocated"], ledger(body)["released"]) == ("IN_FULFILMENT", 2, 4)
    assert (story.atp("A")["committed"], story.atp("A")["available_now"]) == (2, 2)
    story.shipment(2, "shipped", "O1", "S1", ("1", "A", 2))
    assert (story.order("O1")["status"], story.atp("A")["available_now"]) == ("SHIPPED", 2)


@pytest.mark.parametrize("fact", ["order.cancelled", "order.rejected", "order.changed"])
def test_units_at_work_that_are_wanted_no_more_are_there_for_others(fact: str) -> None:
    story = one_line(4, stock=4)
    story.placed(0.3, "O2", line("A", 3))
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    if fact == "order.changed":
        changed(story, 1.5, 1, line("A", 1))
    elif fact == "order.rejected":
        story.tell(1.5, fact, "O1", reason="no credit")
    else:
        cancel(story, 1.5, ("1", 3))
    assert story.order("O2")["status"] == "ALLOCATED"
    # and where the warehouse ships them all the same, the last in rank waits again
    story.shipment(2, "shipped", "O1", "S1", ("1", "A", 4))
    body = story.order("O2")
    assert (body["status"], ledger(body)["backordered"]) == ("BACKORDERED", 3)
    assert story.atp("A")["committed"] == 0


def test_a_short_pick_is_told_once_and_a_full_one_after_it_is_at_work() -> None:
    story = one_line(4, stock=4)
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    for at in (1.1, 1.2):
        story.tell(at, "pick.short", "O1", shipment_id="S1", line_id="1", qty=2)
    assert story.order("O1")["shipments"][0]["short"] == {"1": 2}
    story.counted(1.3, "A", 3)
    body = story.order("O1")
    assert (ledger(body)["allocated"], ledger(body)["backordered"]) == (3, 1)
    story.shipment(1.4, "picked", "O1", "S1", ("1", "A", 4))
    story.counted(1.5, "A", 2)
    # no more is taken from it than the 3 it has, all of them at work
    assert ledger(story.order("O1"))["allocated"] == 3


# --- changes of an order ---


def changed(story: Story, at: float, revision: int, *lines: Json) -> str:
    stated = [{"line_id": f"{n}", **one} for n, one in enumerate(lines, 1)]
    return story.tell(at, "order.changed", "O1", revision=revision, lines=stated)


def test_a_change_after_a_part_has_shipped() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 2))
    changed(story, 2, 1, line("A", 4), line("B", 1), line("C", 1))
    body = story.order("O1")
    assert body["status"] == "PARTIALLY_SHIPPED"
    assert ledger(body, "1")["ordered"] == 4
    assert ledger(body, "2") == {"ordered": 1, "allocated": 1}
    assert ledger(body, "3") == {"ordered": 1, "backordered": 1}
    changed(story, 3, 2, line("A", 2))
    body = story.order("O1")
    assert (body["status"], kinds(body)) == ("SHIPPED", [])


def test_a_change_below_what_has_shipped_is_an_anomaly_and_the_ledger_keeps_what_is_stated() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 3))
    changed(story, 2, 1, line("A", 2))
    body = story.order("O1")
    assert (ledger(body)["ordered"], ledger(body)["shipped"], len(body["exceptions"])) == (2, 3, 1)
    changed(story, 3, 1, line("A", 9))
    assert ledger(story.order("O1"))["ordered"] == 2
    changed(story, 4, 2, line("A", 3))
    body = story.order("O1")
    assert (body["status"], body["exceptions"]) == ("SHIPPED", [])


def test_a_line_that_is_cancelled_after_it_was_invoiced() -> None:
    story = two_lines()
    invoice(story, 0.5, "I1", ("1", 6), ("2", 4))
    cancel(story, 0.6, ("2", 4))
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 6))
    story.scanned(2, "O1", "S1", "delivered")
    body = story.order("O1")
    # N = 6; b = 10, shipped 6
    assert (body["status"], body["axes"]["finance"]) == ("DELIVERED", "OVER_INVOICED(4)")
    (entry,) = story.ask("/v1/finance/mismatches")["mismatches"]
    assert (entry["order_id"], [one["line_id"] for one in entry["lines"]]) == ("O1", ["2"])
    memo(story, 3, "M1", ("2", 4), reason="other")
    body = story.order("O1")
    assert (body["status"], body["axes"]["finance"]) == ("CLOSED", "RECONCILED")
    assert story.ask("/v1/finance/mismatches")["mismatches"] == []


def test_a_cancellation_is_refused_as_far_as_it_is_released_only_if_it_has_shipped() -> None:
    story = one_line()
    story.shipment(1, "released", "O1", "S1", ("1", "A", 4))
    cancel(story, 1.1, ("1", 1))
    body = story.order("O1")
    assert (body["status"], ledger(body)["cancelled"], kinds(body)) == ("IN_FULFILMENT", 1, [])
    story.shipment(1.2, "shipped", "O1", "S1", ("1", "A", 4))
    body = story.order("O1")
    assert (body["status"], ledger(body).get("cancelled", 0), kinds(body)) == (
        "SHIPPED",
        0,
        ["cancel_of_shipped"],
    )


# --- finance ---


def test_over_on_one_line_and_under_on_the_other_agree_in_sum_and_are_a_mismatch() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 6), ("2", "B", 4))
    invoice(story, 2, "I1", ("1", 7), ("2", 3))
    body = story.order("O1")
    assert body["axes"]["finance"] == "RECONCILED"
    (entry,) = story.ask("/v1/finance/mismatches")["mismatches"]
    found = {one["line_id"]: (one["shipped"], one["invoiced"], one["credited"]) for one in entry["lines"]}
    assert found == {"1": (6, 7, 0), "2": (4, 3, 0)}


def test_credited_beyond_invoiced_is_below_nothing_and_shown() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    invoice(story, 2, "I1", ("1", 2))
    memo(story, 3, "M1", ("1", 3), reason="price")
    body = story.order("O1")
    # b = -1 < shipped
    assert (body["axes"]["finance"], kinds(body)) == ("PARTIALLY_INVOICED", ["credited_beyond_invoiced"])


def test_reversed_and_posted_anew_under_another_id() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    invoice(story, 2, "I1", ("1", 4))
    story.tell(3, "invoice.reversed", "O1", invoice_id="I1")
    body = story.order("O1")
    assert (body["axes"]["finance"], "invoiced" in reached(body)) == ("UNINVOICED", False)
    story.tell(3.5, "invoice.reversed", "O1", invoice_id="I1")
    invoice(story, 4, "I2", ("1", 4))
    body = story.order("O1")
    assert (body["axes"]["finance"], reached(body)["invoiced"], kinds(body)) == ("RECONCILED", moment(4), [])


def test_a_memo_twice_with_restock_puts_its_units_back_once() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(2, "O1", "S1", "delivered")
    invoice(story, 2, "I1", ("1", 4))
    memo(story, 3, "M1", ("1", 2), reason="return", restock=True)
    memo(story, 3.1, "M1", ("1", 2), reason="return", restock=True)
    body = story.order("O1")
    assert (ledger(body)["credited"], ledger(body)["restocked"]) == (2, 2)
    assert story.atp("A")["buckets"]["sellable"] == 8
    assert body["status"] == "DELIVERED"
    assert body["axes"]["finance"] == "PARTIALLY_INVOICED"


def test_an_invoice_that_is_late_until_it_comes_in_part() -> None:
    story = Story()
    story.policy(invoice_late_days=2)
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4, price="2.50"))
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    assert story.ask("/v1/finance/mismatches", now=2.9)["mismatches"] == []
    (entry,) = story.ask("/v1/finance/mismatches", now=3.1)["mismatches"]
    assert "INVOICE_LATE" in str(entry)
    invoice(story, 3.2, "I1", ("1", 3))
    (entry,) = story.ask("/v1/finance/mismatches", now=3.3)["mismatches"]
    assert entry["lines"][0]["late_units"] == 1
    invoice(story, 3.4, "I2", ("1", 1))
    assert story.ask("/v1/finance/mismatches", now=9)["mismatches"] == []


@pytest.mark.parametrize(
    ("captured", "refunded", "axis"),
    [
        ((), (), "UNPAID"),
        (("3",), (), "PARTIALLY_PAID"),
        (("3", "1"), (), "PAID"),
        (("9",), (), "PAID"),
        (("4",), ("4",), "REFUNDED"),
        (("4",), ("1",), "PARTIALLY_PAID"),
        (("5",), ("1",), "PAID"),
    ],
)
def test_payments_against_an_invoice_of_4(
    captured: tuple[str, ...], refunded: tuple[str, ...], axis: str
) -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    invoice(story, 2, "I1", ("1", 4))
    for number, amount in enumerate(captured):
        for _ in range(2):  # each is told twice, under two event ids
            story.tell(3, "payment.captured", "O1", payment_id=f"P{number}", amount=amount)
    for number, amount in enumerate(refunded):
        story.tell(4, "payment.refunded", "O1", payment_id=f"R{number}", amount=amount)
    assert story.order("O1")["axes"]["payment"] == axis


def test_what_is_credited_need_not_be_paid() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    invoice(story, 2, "I1", ("1", 4))
    story.tell(3, "payment.captured", "O1", payment_id="P1", amount="3")
    assert story.order("O1")["axes"]["payment"] == "PARTIALLY_PAID"
    memo(story, 4, "M1", ("1", 1), reason="price")
    body = story.order("O1")
    assert (body["axes"]["payment"], reached(body)["paid"]) == ("PAID", moment(4))


def test_what_is_credited_and_refunded_leaves_the_rest_paid() -> None:
    story = one_line()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 4))
    invoice(story, 2, "I1", ("1", 4))
    story.tell(3, "payment.captured", "O1", payment_id="P1", amount="4")
    memo(story, 4, "M1", ("1", 1), reason="return")
    story.tell(5, "payment.refunded", "O1", payment_id="P2", amount="1")
    body = story.order("O1")
    assert (body["axes"]["payment"], reached(body)["paid"]) == ("PAID", moment(3))
    memo(story, 6, "M2", ("1", 3), reason="return")
    assert story.order("O1")["axes"]["payment"] == "PAID"
    story.tell(7, "payment.refunded", "O1", payment_id="P3", amount="3")
    assert story.order("O1")["axes"]["payment"] == "REFUNDED"


# --- roll-up ---


def test_header_status_sums_over_lines() -> None:
    story = Story()
    story.counted(0.1, "A", 6)
    story.placed(0.2, "O1", line("A", 6), line("B", 4))
    assert story.order("O1")["status"] == "PARTIALLY_ALLOCATED"
    story.shipment(1, "released", "O1", "S1", ("1", "A", 6))
    assert story.order("O1")["status"] == "IN_FULFILMENT"
    story.shipment(1.1, "shipped", "O1", "S1", ("1", "A", 6))
    assert story.order("O1")["status"] == "PARTIALLY_SHIPPED"
    story.scanned(2, "O1", "S1", "delivered")
    assert story.order("O1")["status"] == "PARTIALLY_DELIVERED"
    cancel(story, 3, ("2", 4))
    assert story.order("O1")["status"] == "DELIVERED"


def test_one_line_returned_and_the_other_still_open() -> None:
    story = two_lines()
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 6))
    story.scanned(2, "O1", "S1", "delivered")
    back(story, 3, "received", "R1", ("1", 6))
    assert story.order("O1")["status"] == "PARTIALLY_RETURNED"
    cancel(story, 4, ("2", 4))
    assert story.order("O1")["status"] == "RETURNED"


def test_an_order_closes_with_the_fact_that_leaves_nothing_open_and_by_its_clocks() -> None:
    def closed(*facts: str) -> tuple[str, Json]:
        story = one_line()
        story.shipment(1, "shipped", "O1", "S1", ("1", "A", 3))
        for fact in facts:
            if fact == "cancel":
                cancel(story, 5)
            elif fact == "revise":
                changed(story, 6, 1, line("A", 3))
            elif fact == "deliver":
                story.scanned(2, "O1", "S1", "delivered")
            elif fact == "ship more":
                story.shipment(3, "shipped", "O1", "S2", ("1", "A", 1))
            elif fact == "void":
                story.tell(7, "shipment.voided", "O1", shipment_id="S2", reason="it never left")
            else:
                stated = [{"line_id": "1", "qty": 3, "amount": "3"}]
                told = {"invoice_id": "I1", "lines": stated, "total": "3", "currency": "EUR"}
                story.tell(3, "invoice.posted", "O1", recorded=4, **told)
        body = story.order("O1")
        return body["status"], next(
            m for m in body["milestones"] if m["name"] == "closed" and not m["superseded"]
        )

    for facts, occurred, recorded in (
        (("deliver", "invoice", "cancel"), 5, 5),
        (("cancel", "invoice", "deliver"), 5, 5),
        (("deliver", "invoice", "revise"), 6, 6),
        (("ship more", "deliver", "revise", "invoice", "void"), 7, 7),
    ):
        status, found = closed(*facts)
        assert (status, found["occurred_at"], found["recorded_at"]) == (
            "CLOSED",
            moment(occurred),
            moment(recorded),
        )
    story = one_line(3)
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 3))
    stated = {"invoice_id": "I1", "lines": [{"line_id": "1", "qty": 3, "amount": "3"}], "total": "3"}
    story.tell(3, "invoice.posted", "O1", recorded=4, currency="EUR", **stated)
    story.scanned(2, "O1", "S1", "delivered")
    found = next(m for m in story.order("O1")["milestones"] if m["name"] == "closed")
    assert (found["occurred_at"], found["recorded_at"], found["event_id"]) == (moment(3), moment(4), "e4")


def test_from_opportunity_to_completed() -> None:
    story = Story()
    story.counted(0.1, "A", 4)
    story.placed(
        0.2, "O1", line("A", 4, price="1"), opportunity_id="OPP-7", placed_by="rep-3", region="north"
    )
    assert story.order("O1")["status"] == "ALLOCATED"
    story.tell(0.3, "order.confirmed", "O1")
    seen = []
    for at, step in ((0.4, "released"), (0.5, "picked"), (0.6, "packed"), (0.7, "shipped")):
        story.shipment(at, step, "O1", "S1", ("1", "A", 4))
        seen.append(story.order("O1")["status"])
    for at, status in (
        (1, "in_transit"),
        (2, "out_for_delivery"),
        (2.5, "available_for_pickup"),
        (3, "delivered"),
    ):
        story.scanned(at, "O1", "S1", status)
        seen.append(story.order("O1")["status"])
    assert seen == ["IN_FULFILMENT"] * 3 + ["SHIPPED"] * 4 + ["DELIVERED"]
    invoice(story, 4, "I1", ("1", 4))
    story.tell(5, "payment.captured", "O1", payment_id="P1", amount="4")
    body = story.order("O1")
    assert (body["status"], body["opportunity_id"], body["placed_by"]) == ("CLOSED", "OPP-7", "rep-3")
    assert body["axes"] == {"finance": "RECONCILED", "payment": "PAID", "returns": "NONE"}
    assert [m["name"] for m in body["milestones"]] == [
        "received",
        "validated",
        "allocated",
        "promise_set",
        "confirmed",
        "released_to_warehouse",
        "picked",
        "packed",
        "shipped",
        "in_transit",
        "out_for_delivery",
        "available_for_pickup",
        "delivered",
        "invoiced",
        "closed",
        "paid",
    ]
    assert not any(m["inferred"] or m["superseded"] for m in body["milestones"])
