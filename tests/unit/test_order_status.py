"""Header status, milestones and version: a function of ledgers and holds, the first rule that holds."""

import pytest
from domain import OrderStage, order_lines, placed, released, scan, step

from springtide.codecs import facts as f
from springtide.tables.order import Ledger, Order, OrderHold, header_status

HOLD = f.OrderHoldPlaced(hold_id="h1", reason="credit_hold")
FREE = f.OrderHoldReleased(hold_id="h1")
CONFIRM = f.OrderConfirmed()
REJECT = f.OrderRejected(reason="no such customer")
ALL = f.OrderCancelled()
VOID = f.ShipmentVoided(shipment_id="s1", reason="never left")


def fresh():
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5), ("2", "mug", 3)))
    return order


@pytest.fixture
def order():
    return fresh()


def part(shipment_id="s1", units=5):
    return step(shipment_id, ("1", "tea", units), location="A")


def whole():
    return step("s1", ("1", "tea", 5), ("2", "mug", 3), location="A")


GIVEN = {
    "placed": [],
    "confirmed": [("order.confirmed", CONFIRM)],
    "short": [("tea", ("1", {}, 5))],
    "part short": [("tea", ("1", {"A": 5}, 0)), ("mug", ("2", {}, 3))],
    "granted": [("tea", ("1", {"A": 5}, 0)), ("mug", ("2", {"A": 3}, 0))],
    "released": [("shipment.released", released("s1", "A", ("1", "tea", 5)))],
    "picked": [("shipment.picked", part())],
    "part shipped": [("shipment.shipped", part())],
    "shipped": [("shipment.shipped", whole())],
    "part delivered": [("shipment.shipped", part()), ("parcel.scanned", scan("s1", "delivered"))],
    "delivered": [("shipment.shipped", whole()), ("parcel.scanned", scan("s1", "delivered"))],
    "rejected": [("order.rejected", REJECT)],
    "cancelled": [("order.cancelled", ALL)],
    "held": [("order.hold_placed", HOLD)],
    "free again": [("order.hold_placed", HOLD), ("order.hold_released", FREE)],
    "voided": [("shipment.voided", VOID)],
}


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("placed", "RECEIVED"),
        ("confirmed", "CONFIRMED"),
        ("confirmed, short", "BACKORDERED"),
        ("part short", "PARTIALLY_ALLOCATED"),
        ("granted", "ALLOCATED"),
        ("granted, released", "IN_FULFILMENT"),
        ("granted, picked", "IN_FULFILMENT"),
        ("granted, held", "ON_HOLD"),
        ("granted, released, held", "ON_HOLD"),
        ("granted, free again", "ALLOCATED"),
        ("part shipped", "PARTIALLY_SHIPPED"),
        ("part shipped, held", "PARTIALLY_SHIPPED"),
        ("shipped", "SHIPPED"),
        ("shipped, confirmed", "SHIPPED"),
        ("part delivered", "PARTIALLY_DELIVERED"),
        ("part delivered, cancelled", "DELIVERED"),
        ("part shipped, cancelled", "SHIPPED"),
        ("delivered", "DELIVERED"),
        ("delivered, released", "DELIVERED"),
        ("shipped, voided", "RECEIVED"),
        ("confirmed, shipped, voided", "CONFIRMED"),
        ("granted, shipped, voided", "ALLOCATED"),
        ("rejected", "REJECTED"),
        ("rejected, granted", "REJECTED"),
        ("rejected, confirmed", "REJECTED"),
        ("confirmed, rejected", "CONFIRMED"),
        ("cancelled", "CANCELLED"),
        ("granted, held, cancelled", "CANCELLED"),
        ("rejected, cancelled", "REJECTED"),
    ],
)
def test_status(order, given, status):
    for word in given.split(", "):
        for name, data in GIVEN[word]:
            if "." in name:
                order.fact(name, data)
            else:
                order.answer(name, data)
    assert order.status == status


@pytest.mark.parametrize(
    ("ledger", "status"),
    [
        (Ledger(ordered=8, returned=3, delivered=8, shipped=8), "PARTIALLY_RETURNED"),
        (Ledger(ordered=8, returned=8, delivered=8, shipped=8), "RETURNED"),
        (Ledger(ordered=8, cancelled=2, delivered=6, shipped=6), "DELIVERED"),
        (Ledger(ordered=8, cancelled=2, delivered=5, shipped=6), "PARTIALLY_DELIVERED"),
        (Ledger(ordered=8, cancelled=2, shipped=6), "SHIPPED"),
        (Ledger(ordered=8, cancelled=2, shipped=5), "PARTIALLY_SHIPPED"),
        (Ledger(ordered=8, released=1, allocated=8), "IN_FULFILMENT"),
        (Ledger(ordered=8, cancelled=2, allocated=6), "ALLOCATED"),
        (Ledger(ordered=8, allocated=7, backordered=1), "PARTIALLY_ALLOCATED"),
        (Ledger(ordered=8, backordered=8), "BACKORDERED"),
        (Ledger(ordered=8), "RECEIVED"),
        (Ledger(ordered=8, cancelled=8), "CANCELLED"),
    ],
)
def test_status_of_ledgers(ledger, status):
    assert header_status(Order("o1", placed=True), ledger) == status


def test_a_hold_counts_until_it_is_released():
    order = Order("o1", placed=True, holds={"h1": OrderHold("h1", "fraud_review", 0, released_us=5)})
    assert header_status(order, Ledger(ordered=8)) == "RECEIVED"
    order.holds["h2"] = OrderHold("h2", "credit_hold", 0)
    assert header_status(order, Ledger(ordered=8)) == "ON_HOLD"


# --- milestones ---


def test_milestones_of_a_straight_order(order):
    order.fact("order.confirmed", CONFIRM)
    order.answer("tea", ("1", {"A": 5}, 0))
    order.answer("mug", ("2", {"A": 3}, 0))
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 5), ("2", "mug", 3)))
    for name in ("picked", "packed", "shipped"):
        order.fact(f"shipment.{name}", whole())
    for status in ("in_transit", "out_for_delivery", "attempted", "available_for_pickup", "delivered"):
        order.fact("parcel.scanned", scan("s1", status))
    assert order.milestones() == [
        "received",
        "validated",
        "confirmed",
        "allocated",
        "released_to_warehouse",
        "picked",
        "packed",
        "shipped",
        "in_transit",
        "out_for_delivery",
        "delivery_attempted",
        "available_for_pickup",
        "delivered",
    ]


def test_a_missing_step_is_inferred_until_its_fact_comes(order):
    order.fact("shipment.shipped", whole(), at_s=50)
    assert order.milestones()[2:] == ["~released_to_warehouse", "~picked", "~packed", "shipped"]
    order.fact("shipment.picked", whole(), at_s=40)
    assert order.milestones()[2:] == ["~released_to_warehouse", "picked", "~packed", "shipped"]
    assert order.order.milestones["picked"].occurred_us == 40_000_000


@pytest.mark.parametrize("first", ["released", "delivered"])
def test_delivered_without_shipped_infers_all_between(order, first):
    def release():
        order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))

    def deliver():
        order.fact("parcel.scanned", scan("s1", "delivered"))

    for act in (release, deliver) if first == "released" else (deliver, release):
        act()
    assert sorted(order.milestones()[2:]) == [
        "delivered",
        "released_to_warehouse",
        "~packed",
        "~picked",
        "~shipped",
    ]


def test_a_milestone_is_reached_once(order):
    for n in range(3):
        order.fact("shipment.shipped", part(f"s{n}", 1))
    assert order.milestones().count("shipped") == 1


def test_a_corrected_delivery_is_superseded_and_a_true_one_stands(order):
    order.fact("shipment.shipped", whole())
    order.fact("parcel.scanned", scan("s1", "delivered"), event_id="ups 77", at_s=10)
    order.fact("delivery.corrected", f.DeliveryCorrected(shipment_id="s1", cancels="77"), at_s=20)
    assert (order.status, order.milestones()[-1]) == ("SHIPPED", "-delivered")
    order.fact("parcel.scanned", scan("s1", "delivered"), event_id="ups 99", at_s=30)
    assert (order.status, order.milestones()[-1]) == ("DELIVERED", "delivered")
    assert order.order.milestones["delivered"].occurred_us == 30_000_000


def test_a_voided_shipment_supersedes_what_it_alone_had_reached(order):
    order.fact("shipment.released", released("s0", "A", ("2", "mug", 3)))
    order.fact("shipment.shipped", part())
    order.fact("shipment.voided", VOID)
    assert order.milestones()[2:] == ["released_to_warehouse", "-picked", "-packed", "-shipped"]


def test_a_hold_released_before_it_was_placed_is_released(order):
    order.fact("order.hold_released", FREE)
    order.fact("order.hold_placed", HOLD)
    assert order.status == "RECEIVED"
    assert order.milestones()[2:] == ["held(credit_hold)", "hold_released(credit_hold)"]


def test_holds_make_milestones_by_reason(order):
    order.fact("order.hold_placed", HOLD)
    order.fact("order.hold_placed", HOLD)
    order.fact("order.hold_released", FREE)
    order.fact("order.hold_released", FREE)
    assert order.milestones()[2:] == ["held(credit_hold)", "hold_released(credit_hold)"]


def test_a_carriers_trouble_is_a_milestone_by_kind(order):
    order.fact("parcel.exception", f.ParcelException(shipment_id="s1", kind="weather"))
    assert order.milestones()[2:] == ["carrier_exception(weather)"]


@pytest.mark.parametrize(
    ("given", "lines", "milestone"),
    [
        ("placed", None, "cancelled(all)"),
        ("placed", (("1", 5),), "cancelled(part)"),
        ("placed", (("1", 5), ("2", 3)), "cancelled(all)"),
        ("part shipped", None, "cancelled(part)"),
        ("placed", (), None),
        ("placed", (("9", 1),), None),
        ("shipped", None, None),
        ("shipped", (("1", 1),), None),
    ],
)
def test_cancelled_says_how_much(order, given, lines, milestone):
    for name, data in GIVEN[given]:
        order.fact(name, data)
    told = None if lines is None else tuple(f.LineQty(line_id=i, qty=q) for i, q in lines)
    order.fact("order.cancelled", f.OrderCancelled(lines=told))
    assert [m for m in order.milestones() if m.startswith("cancelled")] == ([milestone] if milestone else [])


def test_backorders_and_allocation_are_milestones(order):
    order.answer("tea", ("1", {"A": 2}, 3))
    assert order.milestones()[2:] == ["backordered"]  # mug has not answered
    order.answer("mug", ("2", {"A": 3}, 0))
    order.answer("tea", ("1", {"A": 5}, 0))
    assert order.milestones()[2:] == ["backordered", "partially_allocated", "allocated"]


# --- version ---


def test_the_version_rises_by_one_with_each_published_change(order):
    assert order.published == [("", "RECEIVED")]
    order.fact("order.confirmed", CONFIRM)
    order.fact("order.confirmed", CONFIRM)
    order.fact(
        "order.changed", f.OrderChanged(revision=1, lines=order_lines(("1", "tea", 6), ("2", "mug", 3)))
    )
    order.fact("order.hold_placed", HOLD)
    order.fact("order.hold_released", FREE)
    assert order.published == [
        ("", "RECEIVED"),
        ("RECEIVED", "CONFIRMED"),
        ("CONFIRMED", "ON_HOLD"),
        ("ON_HOLD", "CONFIRMED"),
    ]
    assert order.order.version == 4


def test_a_milestone_without_a_new_status_is_published_too(order):
    order.fact("shipment.shipped", whole())
    order.fact("parcel.scanned", scan("s1", "in_transit"))
    assert order.published[-1] == ("SHIPPED", "SHIPPED")


def test_a_late_fact_of_lower_rank_lowers_nothing(order):
    order.fact("shipment.shipped", whole())
    order.fact("parcel.scanned", scan("s1", "delivered"), at_s=50)
    order.fact("parcel.scanned", scan("s1", "in_transit"), at_s=20)
    order.fact("shipment.packed", whole(), at_s=5)
    order.answer("tea", ("1", {}, 5))
    assert order.status == "DELIVERED"


@pytest.mark.parametrize(
    ("scans", "status"),
    [
        ([], None),
        ([(10, 0, "in_transit"), (20, 0, "out_for_delivery")], "out_for_delivery"),
        ([(20, 0, "out_for_delivery"), (10, 0, "in_transit")], "out_for_delivery"),
        ([(10, 2, "in_transit"), (10, 1, "out_for_delivery")], "in_transit"),
        ([(10, 0, "out_for_delivery"), (10, 0, "in_transit")], "out_for_delivery"),
        ([(10, 0, "delivered"), (10, 0, "lost")], "delivered"),
    ],
)
def test_within_one_parcel_time_counts_then_sequence_then_rank(order, scans, status):
    order.fact("shipment.shipped", whole(), at_s=1)
    for at_s, sequence, name in scans:
        order.fact("parcel.scanned", scan("s1", name), at_s=at_s, sequence=sequence)
    assert order.order.shipments["s1"].parcel_status() == status
