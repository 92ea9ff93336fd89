"""When a warehouse works on an order that ships complete, its units stay; a parcel's scan alone is no work."""

from __future__ import annotations

from domain import OrderStage, placed, released, scan


def two_skus() -> OrderStage:
    """o1 wants 1 of a and 1 of b, all or nothing; neither has answered."""
    stage = OrderStage()
    stage.fact("order.placed", placed(("1", "a", 1), ("2", "b", 1), ship_complete=True))
    return stage


def test_a_scan_that_names_no_units_keeps_nobody_from_being_parked() -> None:
    stage = two_skus()
    stage.fact("parcel.scanned", scan("s1", "in_transit"))
    stage.answer("a", ("1", {"ber": 1}, 0))
    stage.answer("b", ("2", {}, 1))
    assert stage.asked("a").parked
    assert stage.total().allocated == 0


def test_a_released_shipment_keeps_what_is_granted() -> None:
    stage = two_skus()
    stage.fact("shipment.released", released("s1", "ber", ("1", "a", 1)))
    stage.answer("a", ("1", {"ber": 1}, 0))
    stage.answer("b", ("2", {}, 1))
    assert not stage.asked("a").parked
