"""Why an order is late: every cause alone, causes that overlap, plans that are eaten, and promises that move."""

from __future__ import annotations

from typing import Any

import pytest
from story import Story, day, line, moment

Json = dict[str, Any]
DAY_S = 86_400


def planned(allocate: float = 0, warehouse: float = 0, transit: float = 0, **more: Any) -> Story:
    story = Story()
    plan = {
        "allocate_s": int(allocate * DAY_S),
        "warehouse_s": int(warehouse * DAY_S),
        "transit_s": int(transit * DAY_S),
    }
    story.policy(plan=plan, **more)
    return story


def segments(delay: Json) -> list[tuple[str, str, float, float, float]]:
    """(stage, cause, planned, actual, excess) in days."""
    return [
        (s["stage"], s["cause"], s["planned_s"] / DAY_S, s["actual_s"] / DAY_S, s["excess_s"] / DAY_S)
        for s in delay["segments"]
    ]


def days(delay: Json, name: str) -> float | None:
    return None if delay[name] is None else delay[name] / DAY_S


def test_a_shortage_within_and_beyond_the_plan_of_allocation() -> None:
    story = planned(1, 1, 2)
    story.placed(0, "O1", line("A", 2), promised_by=day(6))
    story.received(2, "A", 2)
    story.shipment(3, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(5, "O1", "S1", "delivered")
    delay = story.order("O1")["delay"]
    assert segments(delay) == [
        ("allocation", "stock_shortage", 1, 2, 1),
        ("warehouse", "warehouse_backlog", 1, 1, 0),
        ("transit", "carrier_delay", 2, 2, 0),
    ]
    # promised until the end of day 6; slack 7 - 4
    assert (days(delay, "lateness_s"), days(delay, "slack_eaten_s"), delay["primary"]) == (
        0,
        1,
        "stock_shortage",
    )
    assert (delay["cause"], delay["since"], delay["eta"], delay["at_risk"]) == (None, None, moment(5), False)
    delay = story.order("O1", as_of=moment(0.5))["delay"]
    assert segments(delay) == [("allocation", "stock_shortage", 0.5, 0.5, 0)]
    assert delay["primary"] is None
    delay = story.order("O1", as_of=moment(4))["delay"]
    assert segments(delay)[2] == ("transit", "carrier_delay", 1, 1, 0)
    assert (delay["cause"], delay["eta"], delay["at_risk"]) == (None, moment(5), False)


def test_holds_that_overlap_and_customs() -> None:
    story = planned()
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2), promised_by=moment(3))
    story.tell(0, "order.hold_placed", "O1", hold_id="F", reason="fraud_review")
    story.tell(0.5, "order.hold_placed", "O1", hold_id="C", reason="compliance_hold")
    story.tell(1, "order.hold_released", "O1", hold_id="F")
    story.tell(3, "order.hold_released", "O1", hold_id="C")
    story.shipment(4, "shipped", "O1", "S1", ("1", "A", 2))
    story.tell(4.5, "parcel.exception", "O1", shipment_id="S1", kind="customs")
    story.scanned(5.5, "O1", "S1", "in_transit")
    story.scanned(6, "O1", "S1", "delivered")
    delay = story.order("O1")["delay"]
    assert segments(delay) == [
        ("allocation", "fraud_review", 0, 1, 1),
        ("allocation", "compliance_hold", 0, 2, 2),
        ("warehouse", "warehouse_backlog", 0, 1, 1),
        ("transit", "carrier_delay", 0, 1, 1),
        ("transit", "customs", 0, 1, 1),
    ]
    assert (days(delay, "lateness_s"), days(delay, "slack_eaten_s"), delay["primary"]) == (
        3,
        3,
        "compliance_hold",
    )
    for at, cause, since in ((0.7, "fraud_review", 0), (2, "compliance_hold", 1), (5, "customs", 4.5)):
        delay = story.order("O1", as_of=moment(at))["delay"]
        assert (delay["cause"], delay["since"]) == (cause, moment(since))


def test_of_equal_excesses_the_upstream_cause_is_primary() -> None:
    story = planned()
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2))
    story.tell(0, "order.hold_placed", "O1", hold_id="C", reason="compliance_hold")
    story.tell(2, "order.hold_released", "O1", hold_id="C")
    story.tell(2, "order.hold_placed", "O1", hold_id="P", reason="payment_pending")
    story.tell(4, "order.hold_released", "O1", hold_id="P")
    story.shipment(6, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(8, "O1", "S1", "delivered")
    delay = story.order("O1")["delay"]
    assert [s[4] for s in segments(delay)] == [2, 2, 2, 2]
    assert delay["primary"] == "payment_pending"


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
def test_every_hold_is_upstream_of_a_shortage(reason: str) -> None:
    story = planned()
    story.placed(0, "O1", line("A", 2))
    story.tell(1, "order.hold_placed", "O1", hold_id="H", reason=reason)
    story.tell(2, "order.hold_released", "O1", hold_id="H")
    story.received(3, "A", 2)
    story.shipment(4, "shipped", "O1", "S1", ("1", "A", 2))
    assert segments(story.order("O1", now=4.5)["delay"]) == [
        ("allocation", "stock_shortage", 0, 2, 2),
        ("allocation", reason, 0, 1, 1),
        ("warehouse", "warehouse_backlog", 0, 1, 1),
        ("transit", "carrier_delay", 0, 0.5, 0.5),
    ]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("carrier_delay", "carrier_delay"),
        ("customs", "customs"),
        ("weather", "weather"),
        ("refused", "attempt_failed"),
        ("damaged", "damaged_in_transit"),
        ("lost", "lost"),
    ],
)
def test_what_a_carrier_reports_until_it_moves(kind: str, cause: str) -> None:
    story = planned(transit=1)
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2))
    story.shipment(0, "shipped", "O1", "S1", ("1", "A", 2))
    story.tell(2, "parcel.exception", "O1", shipment_id="S1", kind=kind)
    assert story.order("O1", now=3)["delay"]["cause"] == cause
    story.scanned(4, "O1", "S1", "out_for_delivery")
    story.scanned(5, "O1", "S1", "delivered")
    delay = story.order("O1")["delay"]
    total = sum(s[4] for s in segments(delay))
    assert total == 5 - 1
    if cause != "carrier_delay":
        assert segments(delay) == [("transit", "carrier_delay", 1, 3, 2), ("transit", cause, 0, 2, 2)]


def test_an_address_problem_on_the_way_is_upstream_of_a_failed_attempt() -> None:
    story = planned()
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2))
    story.shipment(0, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(1, "O1", "S1", "attempted")
    story.tell(2, "parcel.exception", "O1", shipment_id="S1", kind="address")
    story.scanned(3, "O1", "S1", "out_for_delivery")
    story.scanned(4, "O1", "S1", "delivered")
    assert segments(story.order("O1")["delay"]) == [
        ("transit", "carrier_delay", 0, 2, 2),
        ("transit", "attempt_failed", 0, 1, 1),
        ("transit", "address_problem", 0, 1, 1),
    ]


def test_a_missed_pickup_and_a_short_pick_in_the_warehouse() -> None:
    story = planned(warehouse=1)
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2))
    story.shipment(0, "released", "O1", "S1", ("1", "A", 2))
    story.tell(2, "pick.short", "O1", shipment_id="S1", line_id="1", qty=1)
    assert story.order("O1", now=2.5)["delay"]["cause"] == "pick_short"
    story.shipment(3, "picked", "O1", "S1", ("1", "A", 2))
    story.tell(4, "parcel.exception", "O1", shipment_id="S1", kind="pickup_missed")
    story.shipment(5, "shipped", "O1", "S1", ("1", "A", 2))
    delay = story.order("O1")["delay"]
    assert segments(delay)[:3] == [
        ("warehouse", "warehouse_backlog", 1, 3, 2),
        ("warehouse", "pick_short", 0, 1, 1),
        ("warehouse", "carrier_pickup_missed", 0, 1, 1),
    ]


def test_a_supply_that_slips_makes_the_supplier_late_and_the_promise_break() -> None:
    story = planned(0, 1, 2)
    supply = story.supply(0, "A", 2, due=4)
    story.placed(0.5, "O1", line("A", 2), promised_by=day(6))
    body = story.order("O1", now=1)
    assert body["lines"][0]["promises"] == [{"date": day(4), "qty": 2, "location": "BER", "sku": "A"}]
    assert (body["delay"]["cause"], body["delay"]["eta"], body["delay"]["at_risk"]) == (
        "stock_shortage",
        moment(7),
        False,
    )
    story.tell(1.5, "supply.rescheduled", "A", supply_id=supply, due=day(5))
    body = story.order("O1", now=2)
    assert (body["delay"]["cause"], body["delay"]["eta"], body["delay"]["at_risk"]) == (
        "supplier_late",
        moment(8),
        True,
    )
    names = [m["name"] for m in body["milestones"] if not m["superseded"]]
    assert names[-2:] == ["promise_set", "promise_changed"]
    (broken,) = story.ask("/v1/at-risk", now=2)["promises"]
    assert (broken["order_id"], broken["promised"], broken["date"], broken["cause"]) == (
        "O1",
        day(4),
        day(5),
        "supplier_late",
    )
    story.received(5.2, "A", 2, supply_id=supply)
    story.shipment(6, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(8, "O1", "S1", "delivered")
    delay = story.order("O1")["delay"]
    assert segments(delay) == [
        ("allocation", "stock_shortage", 0, 1, 1),
        ("allocation", "supplier_late", 0, pytest.approx(3.7), pytest.approx(3.7)),
        ("warehouse", "warehouse_backlog", pytest.approx(1), pytest.approx(0.8), pytest.approx(-0.2)),
        ("transit", "carrier_delay", 2, 2, 0),
    ]
    # placed 0.5, delivered 8, planned 3
    assert sum(s[4] for s in segments(delay)) == pytest.approx(4.5)
    assert (days(delay, "lateness_s"), days(delay, "slack_eaten_s"), delay["primary"]) == (
        1,
        3.5,
        "supplier_late",
    )


def test_faster_than_planned_takes_away_from_the_excess() -> None:
    story = planned(0, 2, 3)
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2), promised_by=moment(6))
    story.shipment(3, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(4, "O1", "S1", "delivered")
    delay = story.order("O1")["delay"]
    assert segments(delay) == [
        ("warehouse", "warehouse_backlog", 2, 3, 1),
        ("transit", "carrier_delay", 3, 1, -2),
    ]
    assert (days(delay, "lateness_s"), days(delay, "slack_eaten_s")) == (0, 0)


def test_late_against_our_own_promise_plus_transit() -> None:
    story = planned(0, 0, 2)
    story.counted(-1, "A", 2)
    story.placed(0.5, "O1", line("A", 2))
    # promised to ship on day 0, so to be there by the end of day 2
    story.shipment(2, "shipped", "O1", "S1", ("1", "A", 2))
    assert story.order("O1")["delay"]["at_risk"] is True
    story.scanned(4, "O1", "S1", "delivered")
    assert days(story.order("O1")["delay"], "lateness_s") == 1


def test_nothing_promised_is_late_against_nothing() -> None:
    story = planned()
    story.placed(0, "O1", line("A", 2))
    delay = story.order("O1", now=3)["delay"]
    assert (delay["lateness_s"], delay["slack_eaten_s"], delay["eta"]) == (None, None, None)


def test_stages_end_with_their_last_unit() -> None:
    story = planned()
    story.counted(-1, "A", 1)
    story.counted(-1, "B", 1)
    story.placed(0, "O1", line("A", 1), line("B", 1))
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 1))
    story.scanned(2, "O1", "S1", "delivered")
    story.shipment(4, "shipped", "O1", "S2", ("2", "B", 1))
    story.scanned(5, "O1", "S2", "delivered")
    assert segments(story.order("O1")["delay"]) == [
        ("warehouse", "warehouse_backlog", 0, 4, 4),
        ("transit", "carrier_delay", 0, 1, 1),
    ]


def test_what_is_cancelled_ends_its_stage() -> None:
    story = planned()
    story.counted(-1, "A", 1)
    story.placed(0, "O1", line("A", 1), line("B", 1))
    story.tell(2, "order.cancelled", "O1", lines=[{"line_id": "2", "qty": 1}])
    story.shipment(3, "shipped", "O1", "S1", ("1", "A", 1))
    story.scanned(4, "O1", "S1", "delivered")
    assert segments(story.order("O1")["delay"]) == [
        ("allocation", "stock_shortage", 0, 2, 2),
        ("warehouse", "warehouse_backlog", 0, 1, 1),
        ("transit", "carrier_delay", 0, 1, 1),
    ]


def test_a_line_for_later_is_customer_requested_and_promised_on_a_working_day() -> None:
    story = planned(0, 0, 1)
    story.place("BER", 1, working_days=[1, 2, 3, 4, 5])
    story.counted(-1, "A", 2)
    story.placed(0, "O1", line("A", 2, ships=5))  # a Saturday
    body = story.order("O1", now=1)
    assert body["delay"]["cause"] == "customer_requested"
    assert [p["date"] for p in body["lines"][0]["promises"]] == [day(7)]
    # ships on Monday, a day on the way
    assert body["delay"]["eta"] == moment(8)


def test_a_customers_credit_hold_is_a_cause_of_each_of_its_orders() -> None:
    story = planned()
    story.counted(-1, "A", 9)
    story.placed(0, "O1", line("A", 2))
    story.tell(0, "credit.hold_placed", "C1", hold_id="K")
    story.placed(1, "O2", line("A", 2))
    story.tell(3, "credit.hold_released", "C1", hold_id="K")
    for name in ("O1", "O2"):
        story.shipment(4, "shipped", name, f"S-{name}", ("1", "A", 2))
    assert segments(story.order("O1")["delay"])[0] == ("allocation", "credit_hold", 0, 3, 3)
    assert segments(story.order("O2")["delay"])[0] == ("allocation", "credit_hold", 0, 2, 2)


def test_lost_again_shipped_and_delivered() -> None:
    story = planned()
    story.counted(-1, "A", 4)
    story.placed(0, "O1", line("A", 2))
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(2, "O1", "S1", "lost")
    story.tell(4, "shipment.voided", "O1", shipment_id="S1", reason="lost")
    story.shipment(5, "shipped", "O1", "S2", ("1", "A", 2))
    story.scanned(6, "O1", "S2", "delivered")
    body = story.order("O1")
    assert body["status"] == "DELIVERED"
    delay = body["delay"]
    assert sum(s[3] for s in segments(delay)) == 6


def test_segments_are_exact_as_of_each_day() -> None:
    story = planned(1, 1, 1)
    story.counted(-1, "A", 1)
    story.placed(0, "O1", line("A", 2), promised_by=moment(5))
    story.tell(1, "order.hold_placed", "O1", hold_id="H", reason="credit_hold")
    story.received(2, "A", 1)
    story.tell(3, "order.hold_released", "O1", hold_id="H")
    story.shipment(5, "shipped", "O1", "S1", ("1", "A", 2))
    story.scanned(8, "O1", "S1", "delivered")
    expected = {
        1: ([("allocation", "stock_shortage", 1, 1, 0)], "credit_hold"),
        2: (
            [("allocation", "stock_shortage", 1, 1, 0), ("allocation", "credit_hold", 0, 1, 1)],
            "credit_hold",
        ),
        3: ([("allocation", "stock_shortage", 1, 1, 0), ("allocation", "credit_hold", 0, 2, 2)], None),
        4: (
            [
                ("allocation", "stock_shortage", 1, 1, 0),
                ("allocation", "credit_hold", 0, 2, 2),
                ("warehouse", "warehouse_backlog", 1, 1, 0),
            ],
            None,
        ),
        5: (
            [
                ("allocation", "stock_shortage", 1, 1, 0),
                ("allocation", "credit_hold", 0, 2, 2),
                ("warehouse", "warehouse_backlog", 1, 2, 1),
            ],
            None,
        ),
        7: (
            [
                ("allocation", "stock_shortage", 1, 1, 0),
                ("allocation", "credit_hold", 0, 2, 2),
                ("warehouse", "warehouse_backlog", 1, 2, 1),
                ("transit", "carrier_delay", 1, 2, 1),
            ],
            "carrier_delay",
        ),
    }
    for at, (cut, cause) in expected.items():
        delay = story.order("O1", as_of=moment(at))["delay"]
        assert ([s for s in segments(delay) if s[3] or s[4]], delay["cause"]) == (cut, cause), at
