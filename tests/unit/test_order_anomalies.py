"""Facts that can't be: each makes an exception on the order, none raises, none changes what it can't."""

import pytest
from domain import OrderStage, placed, released, scan, step

from springtide.codecs import facts as f

CANNOT_BE = [
    ("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="9", qty=1),)), "cancel_unknown_line"),
    ("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=6),)), "cancel_beyond_open"),
    ("order.hold_released", f.OrderHoldReleased(hold_id="h9"), "release_unknown_hold"),
    ("shipment.released", released("s1", "A", ("9", "tea", 1)), "ships_unknown_line"),
    ("shipment.shipped", step("s1", ("1", "pot", 1)), "shipped_other_sku"),
    ("shipment.shipped", step("s1", ("1", "tea", 6)), "shipped_beyond_open"),
    ("order.rejected", f.OrderRejected(reason="too late"), "rejected_after_confirmed"),
]


@pytest.mark.parametrize(("name", "data", "kind"), CANNOT_BE)
def test_what_can_not_be_is_shown(name, data, kind):
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5)))
    order.fact("order.confirmed", f.OrderConfirmed())
    order.fact(name, data, event_id="wms 42", at_s=7)
    assert order.exceptions() == [kind]
    assert (order.order.exceptions[0].event_id, order.order.exceptions[0].at_us) == ("wms 42", 7_000_000)


def test_a_substitute_is_no_anomaly_where_it_is_allowed():
    order = OrderStage()
    order.fact("order.placed", placed(f.OrderLine(line_id="1", sku="tea", qty=5, substitutes_ok=True)))
    order.fact("shipment.shipped", step("s1", ("1", "pot", 5), location="A"))
    assert order.exceptions() == []
    assert order.status == "SHIPPED"


def test_scans_of_a_shipment_nobody_knows_are_kept():
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5)))
    order.fact("parcel.scanned", scan("s9", "in_transit"))
    assert order.order.shipments["s9"].parcel_status() == "in_transit"
    assert order.status == "RECEIVED"


def test_confirmed_after_rejected():
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5)))
    order.fact("order.rejected", f.OrderRejected(reason="no"))
    order.fact("order.confirmed", f.OrderConfirmed())
    assert (order.status, order.exceptions()) == ("REJECTED", ["confirmed_after_rejected"])
    assert order.asked("tea").lines[0].want == 0


def test_exceptions_have_a_limit_and_the_oldest_go():
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5)))
    for n in range(205):
        order.fact("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id=f"{n}x", qty=1),)))
    assert len(order.order.exceptions) == 200
    assert order.order.exceptions[0].detail == "line 5x is not in the order"
