"""Why an order is late: segments that sum exactly, as of any instant. Times are in days of 24 hours."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from springtide.codecs import facts as f
from springtide.codecs.messages import Supplied, SuppliedLine
from springtide.codecs.times import DAY_US
from springtide.tables.causes import CAUSES, OWN, RANK, STAGES
from springtide.tables.course import course
from springtide.tables.delay import delay
from springtide.tables.lifecycle import Change
from springtide.tables.order import Order
from springtide.tables.sentence import sentence

DAY_S = 86_400
PLAN = f.Plan(allocate_s=0, warehouse_s=DAY_S, transit_s=3 * DAY_S)
FIRST = 20_514  # 2026-03-02, a Monday
"""Day 0 of these tests, as days since 1970-01-01."""


def us(day):
    return int((FIRST + day) * DAY_US)


class Tale:
    """One order of 3 units of SKU-17, and what its SKU answers."""

    def __init__(self, at=0, qty=3, **order):
        self.order = Order("O-1")
        self._answers = {}
        lines = order.pop("lines", (f.OrderLine(line_id="1", sku="SKU-17", qty=qty),))
        self.tell(
            at,
            "order.placed",
            f.OrderPlaced(
                order_id="O-1", customer_id="C-1", channel="web", currency="EUR", lines=lines, **order
            ),
        )

    def tell(self, at, name, data, event_id="x", **more):
        change = Change(self.order, us(at), us(at), event_id, us(at), **more)
        change.apply(data, f.FACT_BY_NAME[name].code)
        change.settle()
        change.conclude()
        return self

    def has(self, at, allocated, backordered=0, cause=None, line_id="1", sku="SKU-17", promises=()):
        """What the SKU's actor answers."""
        seq = self._answers[sku] = self._answers.get(sku, 0) + 1
        line = SuppliedLine(line_id, allocated, backordered, {}, promises, cause)
        change = Change(self.order, us(at), us(at), "wms 1", us(at))
        change.supplied(Supplied(sku, 1, seq, us(at), us(at), (0, 0, -1), "", (line,)))
        change.settle()
        change.conclude()
        return self

    def held(self, since, until=None, reason="credit_hold", hold_id="H", **more):
        self.tell(since, "order.hold_placed", f.OrderHoldPlaced(hold_id=hold_id, reason=reason, **more))
        if until is not None:
            self.tell(until, "order.hold_released", f.OrderHoldReleased(hold_id=hold_id))
        return self

    def step(self, at, step, qty=3, shipment="S-1", line_id="1", sku="SKU-17"):
        lines = (f.ShipmentLine(line_id=line_id, sku=sku, qty=qty),)
        kind = f.ShipmentReleased if step == "released" else f.ShipmentStep
        return self.tell(at, f"shipment.{step}", kind(shipment_id=shipment, location="BER", lines=lines))

    def scan(self, at, status, shipment="S-1", **more):
        return self.tell(
            at, "parcel.scanned", f.ParcelScanned(shipment_id=shipment, tracking="T", status=status), **more
        )

    def trouble(self, at, kind, shipment="S-1"):
        return self.tell(at, "parcel.exception", f.ParcelException(shipment_id=shipment, kind=kind))

    def at(self, day, plan=PLAN):
        return delay(self.order, us(day), plan)

    def segments(self, day, plan=PLAN):
        """(cause, planned, actual, excess) in days."""
        found = self.at(day, plan).segments
        return [(s.cause, s.planned_s / DAY_S, s.actual_s / DAY_S, s.excess_s / DAY_S) for s in found]


def example():
    """The example of the definitions."""
    tale = Tale(promised_by="2026-03-12T00:00:00Z").has(0, 3).held(0, 2)
    tale.has(1, 0, 3).has(6, 3)
    tale.step(8, "picked").step(8, "shipped")
    return tale.scan(8.5, "in_transit").trouble(11, "weather").scan(13, "delivered")


# --- the example ---


def test_the_example_of_the_definitions():
    found = example().at(13)
    assert found.as_answer() == {
        "cause": None,
        "since": None,
        "segments": [
            {
                "cause": c,
                "stage": s,
                "planned_s": p * DAY_S,
                "actual_s": a * DAY_S,
                "excess_s": (a - p) * DAY_S,
            }
            for c, s, p, a in [
                ("credit_hold", "allocation", 0, 2),
                ("stock_shortage", "allocation", 0, 4),
                ("warehouse_backlog", "warehouse", 1, 2),
                ("carrier_delay", "transit", 3, 3),
                ("weather", "transit", 0, 2),
            ]
        ],
        "lateness_s": 3 * DAY_S,
        "slack_eaten_s": 6 * DAY_S,
        "primary": "stock_shortage",
        "eta": "2026-03-15T00:00:00Z",
        "at_risk": False,
    }


@pytest.mark.parametrize(
    ("day", "cause", "since", "excess", "late", "eaten", "primary", "eta", "at_risk"),
    [
        (0, "credit_hold", 0, {}, 0, 0, None, 4, False),
        (1, "credit_hold", 0, {"credit_hold": 1}, 0, 1, "credit_hold", None, True),
        (2, "stock_shortage", 2, {"credit_hold": 2}, 0, 2, "credit_hold", None, True),
        (3, "stock_shortage", 2, {"credit_hold": 2, "stock_shortage": 1}, 0, 3, "credit_hold", None, True),
        (4, "stock_shortage", 2, {"credit_hold": 2, "stock_shortage": 2}, 0, 4, "credit_hold", None, True),
        (5, "stock_shortage", 2, {"credit_hold": 2, "stock_shortage": 3}, 0, 5, "stock_shortage", None, True),
        (6, None, None, {"credit_hold": 2, "stock_shortage": 4}, 0, 6, "stock_shortage", 10, False),
        (7, None, None, {"credit_hold": 2, "stock_shortage": 4}, 0, 6, "stock_shortage", 10, False),
        (8, None, None, {"credit_hold": 2, "stock_shortage": 4, "warehouse_backlog": 1}, 0, 6, "s", 11, True),
        (9, None, None, {"credit_hold": 2, "stock_shortage": 4, "warehouse_backlog": 1}, 0, 6, "s", 11, True),
        (
            10,
            None,
            None,
            {"credit_hold": 2, "stock_shortage": 4, "warehouse_backlog": 1},
            0,
            6,
            "s",
            11,
            True,
        ),
        (
            11,
            "weather",
            11,
            {"credit_hold": 2, "stock_shortage": 4, "warehouse_backlog": 1},
            1,
            6,
            "s",
            11,
            True,
        ),
        (
            12,
            "weather",
            11,
            {"credit_hold": 2, "stock_shortage": 4, "warehouse_backlog": 1, "weather": 1},
            *(2, 6, "s", 12, True),
        ),
        (
            13,
            None,
            None,
            {"credit_hold": 2, "stock_shortage": 4, "warehouse_backlog": 1, "weather": 2},
            *(3, 6, "s", 13, False),
        ),
    ],
)
def test_the_example_as_of_each_day(day, cause, since, excess, late, eaten, primary, eta, at_risk):
    found = example().at(day)
    assert (found.cause, found.since_s) == (cause, None if since is None else (FIRST + since) * DAY_S)
    told = {s.cause: s.excess_s / DAY_S for s in found.segments if s.excess_s}
    assert told == excess
    assert (found.lateness_s, found.slack_eaten_s) == (late * DAY_S, eaten * DAY_S)
    assert found.primary == ("stock_shortage" if primary == "s" else primary)
    assert found.eta_s == (None if eta is None else (FIRST + eta) * DAY_S)
    assert found.at_risk is at_risk


def test_between_days_the_running_stage_counts_as_far_as_it_has_come():
    assert example().segments(7.25) == [
        ("credit_hold", 0, 2, 2),
        ("stock_shortage", 0, 4, 4),
        ("warehouse_backlog", 1, 1.25, 0.25),
    ]
    found = example().at(7.25)
    assert (found.cause, found.since_s) == ("warehouse_backlog", (FIRST + 7) * DAY_S)


# --- who counts ---


def test_of_causes_at_once_the_upstream_gate_counts():
    tale = Tale().has(0, 0, 3).held(1, 3, "fraud_review", "A").held(2, 5, "credit_hold", "B").has(6, 3)
    tale.step(6, "shipped").scan(6, "delivered")
    assert tale.segments(6, None) == [
        ("stock_shortage", 0, 2, 2),  # day 0 to 1, and 5 to 6
        ("fraud_review", 0, 1, 1),
        ("credit_hold", 0, 3, 3),
    ]


def test_a_skus_reason_for_a_shortage_stands_until_the_line_has_its_units():
    tale = Tale().has(0, 0, 3).has(2, 0, 3, "supplier_late").has(3, 1, 2).has(5, 3)
    assert tale.segments(5, None) == [("stock_shortage", 0, 2, 2), ("supplier_late", 0, 3, 3)]
    tale.has(6, 2, 1)
    assert tale.at(7, None).cause == "stock_shortage"


def test_what_a_count_did_not_find_is_a_shortage_as_any_other():
    tale = Tale().has(0, 3).has(1, 0, 3, "count_discrepancy")
    assert (tale.at(2, None).cause, tale.order.lines["1"].cause) == ("stock_shortage", "count_discrepancy")


def test_a_line_for_later_waits_because_it_was_asked_for_later():
    tale = Tale(lines=(f.OrderLine(line_id="1", sku="SKU-17", qty=3, requested_date="2026-03-06"),))
    tale.has(0, 0).has(4, 3).step(4, "shipped").scan(4, "delivered")
    assert tale.segments(4, None) == [("customer_requested", 0, 4, 4)]


def test_a_hold_of_one_line_holds_the_order():
    tale = Tale().has(0, 3).held(0, 2, scope=("1",)).step(3, "shipped").scan(3, "delivered")
    assert tale.segments(3, None) == [("credit_hold", 0, 2, 2), ("warehouse_backlog", 0, 1, 1)]


# --- stages ---


def test_a_stage_shorter_than_its_plan_makes_its_own_cause_negative():
    tale = Tale().has(0, 3).step(0.25, "shipped").trouble(1, "customs").scan(2.25, "delivered")
    assert tale.segments(3) == [
        ("warehouse_backlog", 1, 0.25, -0.75),
        ("carrier_delay", 1.75, 0.75, -1),
        ("customs", 1.25, 1.25, 0),
    ]


def test_the_rest_of_a_plan_is_taken_from_the_other_causes_in_order_of_time():
    tale = Tale().has(0, 3).step(0, "shipped")
    tale.trouble(0.5, "customs").scan(2, "in_transit").trouble(2, "weather").scan(6, "delivered")
    assert tale.segments(6) == [
        ("warehouse_backlog", 1, 0, -1),
        ("carrier_delay", 0.5, 0.5, 0),
        ("customs", 1.5, 1.5, 0),
        ("weather", 1, 4, 3),
    ]


def test_a_hold_soon_after_receipt_belongs_to_allocation_and_a_late_one_to_the_warehouse():
    tale = Tale().has(0, 3).held(0.5, 2).step(3, "released").held(4, 5, "address_problem", "late")
    tale.step(6, "shipped").scan(6, "delivered")
    found = tale.at(6, None).segments
    assert [(s.stage, s.cause, s.actual_s / DAY_S) for s in found] == [
        ("allocation", "stock_shortage", 0.5),
        ("allocation", "credit_hold", 1.5),
        ("warehouse", "warehouse_backlog", 3),
        ("warehouse", "address_problem", 1),
    ]


def test_a_hold_after_part_has_shipped_counts_while_the_rest_waits():
    tale = Tale().has(0, 3).step(1, "shipped", 2).held(2, 4).step(5, "shipped", 1, "S-2")
    tale.scan(6, "delivered").scan(7, "delivered", "S-2")
    found = tale.at(7, None).segments
    assert [(s.stage, s.cause, s.actual_s / DAY_S) for s in found] == [
        ("warehouse", "warehouse_backlog", 3),
        ("warehouse", "credit_hold", 2),
        ("transit", "carrier_delay", 2),
    ]


def test_a_shortage_of_the_rest_keeps_the_stage_open_though_part_has_shipped():
    tale = Tale().has(0, 2, 1).step(1, "released", 2).step(1, "shipped", 2).scan(2, "delivered")
    tale.has(5, 3).step(6, "shipped", 1, "S-2").scan(8, "delivered", "S-2")
    found = tale.at(8, None).segments
    assert [(s.stage, s.cause, s.actual_s / DAY_S) for s in found] == [
        ("allocation", "stock_shortage", 5),
        ("warehouse", "warehouse_backlog", 1),
        ("transit", "carrier_delay", 2),
    ]


def test_what_befalls_one_parcel_counts_once_the_last_unit_is_on_its_way():
    tale = Tale().has(0, 3).step(0, "shipped", 2).trouble(1, "weather").step(4, "shipped", 1, "S-2")
    tale.scan(6, "delivered").scan(7, "delivered", "S-2")
    found = tale.at(7, None).segments
    assert [(s.stage, s.cause, s.actual_s / DAY_S) for s in found] == [
        ("warehouse", "warehouse_backlog", 4),
        ("transit", "weather", 2),
        ("transit", "carrier_delay", 1),
    ]


def test_a_short_pick_counts_until_its_shipment_leaves():
    tale = Tale().has(0, 3).step(1, "released")
    tale.tell(2, "pick.short", f.PickShort(shipment_id="S-1", line_id="1", qty=1))
    tale.step(3, "picked", 2).step(4, "shipped", 2).step(5, "shipped", 1, "S-2")
    tale.scan(5, "delivered").scan(5, "delivered", "S-2")
    assert tale.segments(5, None) == [("warehouse_backlog", 0, 3, 3), ("pick_short", 0, 2, 2)]
    again = Tale().has(0, 3).step(1, "released")
    again.tell(2, "pick.short", f.PickShort(shipment_id="S-1", line_id="1", qty=1)).step(3, "picked")
    assert again.segments(4, None) == [("warehouse_backlog", 0, 3, 3), ("pick_short", 0, 1, 1)]


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("carrier_delay", "carrier_delay"),
        ("customs", "customs"),
        ("weather", "weather"),
        ("address", "address_problem"),
        ("refused", "attempt_failed"),
        ("damaged", "damaged_in_transit"),
        ("lost", "lost"),
    ],
)
def test_what_a_carrier_reports_counts_until_the_parcel_moves(kind, cause):
    tale = Tale().has(0, 3).step(0, "shipped").trouble(1, kind).scan(3, "out_for_delivery")
    assert tale.at(2, None).cause == cause
    found = {s.cause: s.actual_s / DAY_S for s in tale.at(4, None).segments}
    assert found == ({"carrier_delay": 4} if cause == "carrier_delay" else {"carrier_delay": 2, cause: 2})


def test_a_missed_pickup_counts_until_the_parcel_leaves():
    tale = Tale().has(0, 3).step(1, "packed").trouble(2, "pickup_missed").step(4, "shipped")
    assert tale.segments(6, None) == [
        ("warehouse_backlog", 0, 2, 2),
        ("carrier_pickup_missed", 0, 2, 2),
        ("carrier_delay", 0, 2, 2),
    ]


@pytest.mark.parametrize(
    ("status", "cause"),
    [("attempted", "attempt_failed"), ("returned_to_sender", "return_to_sender"), ("lost", "lost")],
)
def test_scans_that_are_causes(status, cause):
    tale = Tale(promised_by="2026-03-20").has(0, 3).step(0, "shipped").scan(1, status)
    found = tale.at(3)
    assert (found.cause, found.since_s) == (cause, (FIRST + 1) * DAY_S)
    assert (found.eta_s is None) == (cause != "attempt_failed")
    assert found.at_risk == (cause != "attempt_failed")


def test_delivered_though_nobody_said_shipped_is_no_time_on_the_way():
    tale = Tale().has(0, 3).step(1, "released").scan(4, "delivered")
    assert tale.segments(4) == [("warehouse_backlog", 1, 4, 3), ("carrier_delay", 3, 0, -3)]


def test_what_was_delivered_before_it_is_said_to_have_shipped_had_left_by_then():
    tale = Tale().has(0, 3).step(5, "shipped").scan(4, "delivered")
    assert tale.at(6).eta_s == (FIRST + 4) * DAY_S
    assert tale.segments(6) == [("warehouse_backlog", 1, 4, 3), ("carrier_delay", 3, 0, -3)]


# --- ends that are not deliveries, and counter-facts ---


def test_an_order_that_is_cancelled_or_rejected_is_not_late():
    gone = Tale(promised_by="2026-03-03").has(0, 0, 3).tell(5, "order.cancelled", f.OrderCancelled())
    assert gone.at(9).as_answer() == {
        "cause": None,
        "since": None,
        "segments": [],
        "lateness_s": None,
        "slack_eaten_s": None,
        "primary": None,
        "eta": None,
        "at_risk": False,
    }
    refused = Tale().tell(1, "order.rejected", f.OrderRejected(reason="no"))
    assert refused.at(9).segments == ()
    assert Tale(at=3).at(2).segments == ()


def test_what_is_cancelled_is_waited_for_no_more():
    tale = Tale().has(0, 2, 1).step(1, "shipped", 2)
    assert tale.at(2, None).cause == "stock_shortage"
    tale.tell(3, "order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=1),))).has(3, 2)
    tale.scan(4, "delivered")
    assert tale.segments(4, None) == [("stock_shortage", 0, 1, 1), ("carrier_delay", 0, 3, 3)]


def test_an_order_that_no_sku_has_answered_waits_for_stock():
    found = Tale().at(2)
    assert (found.cause, found.since_s) == ("stock_shortage", FIRST * DAY_S)
    assert [(s.stage, s.excess_s) for s in found.segments] == [("allocation", 2 * DAY_S)]


def test_a_correction_takes_a_delivery_back_from_its_own_time_on():
    tale = Tale().has(0, 3).step(0, "shipped").scan(2, "delivered", event_id="dhl 7")
    tale.tell(3, "delivery.corrected", f.DeliveryCorrected(shipment_id="S-1", cancels="dhl 7"))
    assert tale.at(2.5).eta_s == (FIRST + 2) * DAY_S
    assert tale.at(3.5, None).cause == "carrier_delay"
    tale.scan(5, "delivered")
    assert tale.segments(6, None) == [("carrier_delay", 0, 5, 5)]


def test_a_voided_shipment_never_left():
    tale = Tale().has(0, 3).step(1, "shipped")
    tale.tell(2, "shipment.voided", f.ShipmentVoided(shipment_id="S-1", reason="wrong box"))
    tale.step(4, "shipped", 3, "S-2")
    assert [s.stage for s in tale.at(1.5).segments] == ["warehouse", "transit"]
    assert tale.segments(2.5, None) == [("warehouse_backlog", 0, 2.5, 2.5)]
    assert tale.segments(5, None) == [("warehouse_backlog", 0, 4, 4), ("carrier_delay", 0, 1, 1)]


def test_an_answer_that_is_dated_back_makes_no_time_run_backwards():
    tale = Tale().has(0, 0, 3).has(4, 3).has(2, 0, 3).has(6, 3)
    assert tale.segments(6, None) == [("stock_shortage", 0, 6, 6)]
    again = Tale().has(3, 0, 3).has(1, 3)
    assert again.order.waits == []


def test_stretches_are_bounded():
    tale = Tale()
    for day in range(300):
        tale.has(day, 3 * (day % 2), 3 - 3 * (day % 2))
    assert len(tale.order.waits) == 100


# --- promises ---


def promise(tale, first, now):
    """(day, units) as first promised, and as promised now."""
    line = tale.order.lines["1"]
    line.first = tuple((FIRST + day, units) for day, units in first)
    line.promises = tuple((FIRST + day, "BER", units, "SKU-17") for day, units in now)
    return tale


def test_a_date_promised_to_the_customer_means_its_end_and_an_instant_itself():
    late = Tale(promised_by="2026-03-04").has(0, 3).step(0, "shipped").scan(5, "delivered")
    assert late.at(5).lateness_s == 2 * DAY_S  # promised by the end of day 2
    late = Tale(promised_by="2026-03-04T12:00:00+02:00").has(0, 3).step(0, "shipped").scan(5, "delivered")
    assert late.at(5).lateness_s == 5 * DAY_S - (2 * DAY_S + 10 * 3_600)


def test_else_our_own_first_promise_counts_and_the_way_from_there():
    tale = promise(Tale().has(0, 0, 3), [(1, 2), (5, 1)], [(1, 2), (7, 1)])
    found = tale.at(2)
    # promised: the end of day 5 and 3 days of way, so the begin of day 9; expected: day 7, and 1 + 3 days
    assert (found.eta_s, found.at_risk) == ((FIRST + 11) * DAY_S, True)
    assert found.slack_eaten_s == 2 * DAY_S  # of 9 - 4
    assert tale.at(10).lateness_s == DAY_S
    kept = promise(Tale().has(0, 0, 3), [(5, 3)], [(5, 3)])
    assert (kept.at(2).eta_s, kept.at(2).at_risk) == ((FIRST + 9) * DAY_S, False)
    assert (
        sentence(kept.order, us(2), PLAN)
        == "Waiting for stock of SKU-17 from 2 to 7 March; expected on 11 March."
    )


def test_what_nothing_is_promised_for_is_expected_on_no_day():
    tale = promise(Tale(promised_by="2026-03-20").has(0, 2, 1), [(1, 2)], [(1, 2)])
    found = tale.at(2)
    assert (found.eta_s, found.lateness_s, found.at_risk) == (None, 0, True)
    never = promise(Tale().has(0, 2, 1), [(1, 2)], [(1, 2)]).at(2)
    assert (never.lateness_s, never.slack_eaten_s, never.at_risk) == (None, None, False)


def test_slack_that_was_never_there_is_not_eaten():
    found = Tale(promised_by="2026-03-02").has(0, 3).step(2, "shipped").at(2)  # a day, and 4 are planned
    assert (found.slack_eaten_s, found.lateness_s, found.at_risk) == (0, DAY_S, True)


# --- any order of arrival ---


def test_facts_in_any_order_give_the_same_delay():
    facts = [
        (0.5, "order.hold_placed", f.OrderHoldPlaced(hold_id="H", reason="fraud_review")),
        (2.5, "order.hold_released", f.OrderHoldReleased(hold_id="H")),
        (4.5, "shipment.shipped", None),
        (5.5, "parcel.exception", f.ParcelException(shipment_id="S-1", kind="customs")),
        (8.5, "parcel.scanned", f.ParcelScanned(shipment_id="S-1", tracking="T", status="delivered")),
    ]
    seen = set()
    for told in permutations(facts):
        tale = Tale().has(0, 3)
        for at, name, data in told:
            if data is None:
                tale.step(at, "shipped")
            else:
                tale.tell(at, name, data)
        seen.add(str(tale.at(9).as_answer()))
    assert len(seen) == 1


days = st.integers(0, 40).map(lambda quarter: quarter / 4)
happenings = st.lists(
    st.one_of(
        st.tuples(st.just("held"), days, days, st.sampled_from(CAUSES[:7])),
        st.tuples(st.just("has"), days, st.integers(0, 3), st.sampled_from((None, "supplier_late"))),
        st.tuples(
            st.just("step"),
            days,
            st.sampled_from(("released", "picked", "shipped")),
            st.integers(1, 3),
            st.sampled_from(("S-1", "S-2")),
        ),
        st.tuples(
            st.just("scan"),
            days,
            st.sampled_from(("in_transit", "attempted", "delivered", "lost", "returned_to_sender")),
            st.sampled_from(("S-1", "S-2")),
        ),
        st.tuples(
            st.just("trouble"),
            days,
            st.sampled_from(("weather", "customs", "pickup_missed", "address")),
            st.sampled_from(("S-1", "S-2")),
        ),
    ),
    max_size=12,
)
plans = st.builds(
    f.Plan,
    allocate_s=st.integers(0, DAY_S),
    warehouse_s=st.integers(0, 3 * DAY_S),
    transit_s=st.integers(0, 5 * DAY_S),
)


@settings(max_examples=300, deadline=None)
@given(happenings, plans, days)
def test_segments_sum_to_actual_minus_planned_whatever_happens(told, plan, at):
    tale = Tale(promised_by="2026-03-06")
    for number, (kind, *what) in enumerate(told):
        if kind == "held":
            tale.held(what[0], what[1], what[2], f"H{number}")
        elif kind == "has":
            tale.has(what[0], what[1], 3 - what[1], what[2])
        else:
            getattr(tale, kind)(*what)
    found = tale.at(at, plan)
    way = course(tale.order, us(at))
    assert way is not None
    stages = list(way.stages())
    assert [s.stage for s in found.segments] == sorted((s.stage for s in found.segments), key=STAGES.index)
    for stage, begin, end, over in stages:
        mine = [s for s in found.segments if s.stage == stage]
        planned = {"allocation": plan.allocate_s, "warehouse": plan.warehouse_s, "transit": plan.transit_s}[
            stage
        ]
        assert sum(s.actual_s for s in mine) == end - begin >= 0
        assert sum(s.planned_s for s in mine) == (planned if over else min(planned, end - begin))
    assert sum(s.actual_s for s in found.segments) == way.until_s - way.placed_s
    assert all(s.cause in RANK and s.actual_s >= 0 and s.planned_s >= 0 for s in found.segments)
    assert all(s.excess_s >= 0 or s.cause == OWN[s.stage] for s in found.segments)


# --- in words ---


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (1, "Held for credit since 2 March; no date yet."),
        (3, "Held for credit from 2 to 4 March; waiting for stock of SKU-17 since 4 March; no date yet."),
        (
            7,
            "Held for credit from 2 to 4 March; waiting for stock of SKU-17 until 8 March; expected on 12 March.",
        ),
        (
            13,
            "Held for credit from 2 to 4 March; waiting for stock of SKU-17 until 8 March; "  # noqa: ISC004
            "waiting in the warehouse until 10 March; held up by weather from 13 to 15 March; "
            "delivered on 15 March.",
        ),
    ],
)
def test_a_sentence_for_the_customer(day, words):
    assert sentence(example().order, us(day), PLAN) == words


def test_a_sentence_of_an_order_that_goes_as_planned():
    assert sentence(Tale().has(0, 3).order, us(0.5), PLAN) == "Expected on 6 March."
    gone = Tale().tell(1, "order.cancelled", f.OrderCancelled())
    assert sentence(gone.order, us(2), PLAN) == "Nothing is to be delivered."
