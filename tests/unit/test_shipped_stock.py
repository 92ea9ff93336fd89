"""Units that leave: told by the order's shipments, by the warehouse's issues, or by both. They leave once."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f

SHIPPED = (want("1", 5, released={"A": 5}, shipped={"A": 5}),)
S1 = (("s1", "A", 5),)


def issued(qty, location="A", **more):
    return f.InventoryIssued(location=location, qty=qty, **more)


@pytest.fixture
def tea():
    """Ten at A; o1 has five of them at work in a warehouse, o2 has five more."""
    stage = SkuStage()
    stage.counted(A=10)
    stage.demand("o1", 5)
    stage.demand("o2", 5)
    return stage


def test_shipping_takes_units_out_of_stock_and_commitment(tea):
    tea.demand("o1", *SHIPPED, shipments=S1)
    assert tea.figures("sellable", "committed", "available_now") == (5, 5, 0)
    assert tea.has("o1") == {}
    assert tea.row("o1").lines["1"].allocated == 5, "shipped units stay allocated to the line"


@pytest.mark.parametrize(
    "names",
    [{"order_id": "o1", "shipment_id": "s1"}, {"order_id": "o1"}, {"shipment_id": "s1"}],
    ids=["order and shipment", "order", "shipment"],
)
@pytest.mark.parametrize("first", ["shipped", "issued"])
def test_shipped_and_issued_is_one_leaving(tea, names, first):
    def ship():
        tea.demand("o1", *SHIPPED, shipments=S1)

    def issue():
        tea.fact(issued(5, **names))

    for act in (ship, issue) if first == "shipped" else (issue, ship):
        act()
    assert tea.figures("sellable", "committed", "available_now") == (5, 5, 0)
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2")) == ({}, {"A": 5}, 0)


def test_an_issue_for_an_order_takes_its_own_units_before_the_order_says_so(tea):
    tea.fact(issued(5, order_id="o1", shipment_id="s1"))
    assert tea.figures("sellable", "committed", "available_now") == (5, 5, 0)
    assert (tea.has("o2"), tea.lacks("o2")) == ({"A": 5}, 0)


def test_an_issue_for_a_released_shipment_takes_its_orders_units(tea):
    """The stock fact names only the shipment; whose it is was said when it was released."""
    tea.demand("o1", want("1", 5, released={"A": 5}), shipments=(("s1", "A", 0),))
    tea.fact(issued(5, shipment_id="s1"))
    assert tea.figures("sellable", "committed", "available_now") == (5, 5, 0)
    assert (tea.has("o2"), tea.lacks("o2")) == ({"A": 5}, 0)


def test_an_issue_for_nobody_is_a_loss(tea):
    tea.fact(issued(2))
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2")) == ({"A": 5}, {"A": 3}, 2)


def test_an_issue_in_parts(tea):
    tea.fact(issued(2, shipment_id="s1", order_id="o1"))
    tea.fact(issued(3, shipment_id="s1", order_id="o1"))
    tea.demand("o1", *SHIPPED, shipments=S1)
    assert tea.figures("sellable", "committed") == (5, 5)


def test_more_issued_than_shipped_counts_what_was_issued(tea):
    tea.demand("o1", *SHIPPED, shipments=S1)
    tea.fact(issued(6, shipment_id="s1"))
    assert tea.figures("sellable", "committed") == (4, 4)
    assert tea.lacks("o2") == 1


def test_two_shipments_and_issues_that_name_only_the_order(tea):
    tea.demand("o1", want("1", 5, released={"A": 2}, shipped={"A": 2}), shipments=(("s1", "A", 2),))
    tea.fact(issued(2, order_id="o1"))
    assert tea.figures("sellable", "committed") == (8, 8)
    tea.fact(issued(3, order_id="o1"))
    assert tea.figures("sellable", "committed") == (5, 5)
    tea.demand(
        "o1",
        want("1", 5, released={"A": 5}, shipped={"A": 5}),
        shipments=(("s1", "A", 2), ("s2", "A", 3)),
    )
    assert tea.figures("sellable", "committed") == (5, 5)


def test_issued_before_the_order_asks(tea):
    tea.fact(issued(4, order_id="o3"))
    assert tea.figures("sellable", "committed") == (6, 6)
    tea.demand("o3", want("1", 4, released={"A": 4}, shipped={"A": 4}), shipments=(("s3", "A", 4),))
    assert tea.figures("sellable", "committed") == (6, 6)


def test_a_voided_shipment_brings_units_back_to_the_line(tea):
    tea.demand("o1", *SHIPPED, shipments=S1)
    tea.demand("o1", want("1", 5))
    assert tea.figures("sellable", "committed", "available_now") == (10, 10, 0)
    assert tea.has("o1") == {"A": 5}


def test_a_voided_shipment_of_a_cancelled_order_brings_units_back_to_stock(tea):
    tea.demand("o1", *SHIPPED, shipments=S1)
    tea.demand("o1", want("1", 0))
    assert tea.figures("sellable", "committed", "available_now") == (10, 5, 5)


def test_a_voided_shipment_of_more_than_was_wanted(tea):
    tea.fact(f.InventoryReceived(location="A", qty=2))
    tea.demand("o1", want("1", 5, released={"A": 7}, shipped={"A": 7}), shipments=(("s1", "A", 7),))
    assert tea.figures("sellable", "committed") == (5, 5)
    tea.demand("o1", want("1", 5))
    assert tea.figures("sellable", "committed", "available_now") == (12, 10, 2)
    assert tea.has("o1") == {"A": 5}


def test_shipping_what_was_backordered_takes_it_from_who_ranks_last(tea):
    tea.demand("o0", 3)
    assert tea.lacks("o0") == 3
    tea.demand("o0", want("1", 3, released={"A": 3}, shipped={"A": 3}), shipments=(("s0", "A", 3),))
    assert tea.lacks("o0") == 0
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2")) == ({"A": 5}, {"A": 2}, 3)
    assert tea.figures("sellable", "committed") == (7, 7)


def test_shipping_from_another_location_frees_the_units_kept_for_it():
    tea = SkuStage()
    tea.counted(A=5, B=5)
    tea.demand("o1", 5)
    tea.demand("o1", want("1", 5, released={"B": 5}, shipped={"B": 5}), shipments=(("s1", "B", 5),))
    assert tea.has("o1") == {}
    assert tea.figures("sellable", "committed", location="A") == (5, 0)
    assert tea.figures("sellable", "committed", location="B") == (0, 0)


def test_a_loss_takes_nothing_back_that_has_left_already(tea):
    """o2 ranks last, but its five are out of the door: the loss is o1's."""
    tea.fact(issued(5, order_id="o2", shipment_id="s2"))
    tea.fact(f.InventoryAdjusted(location="A", delta=-2))
    assert (tea.has("o2"), tea.lacks("o2")) == ({"A": 5}, 0)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 3}, 2)
    assert tea.figures("sellable", "committed", "backordered") == (3, 3, 2)


def test_a_count_after_an_issue_agrees(tea):
    tea.fact(issued(5, order_id="o1", shipment_id="s1"))
    tea.fact(f.InventoryCounted(location="A", on_hand=0, basis="excludes_committed"))
    assert tea.figures("sellable", "committed", "available_now") == (5, 5, 0)


def test_the_last_unit_closes_the_row_and_a_void_opens_it(tea):
    tea.demand("o1", *SHIPPED, shipments=S1)
    assert not tea.row("o1").is_open
    assert b"tea\x00zo1" in tea.rows.raw
    assert b"tea\x00ao1" not in tea.rows.raw
    tea.demand("o1", want("1", 5))
    assert b"tea\x00zo1" not in tea.rows.raw
    assert b"tea\x00ao1" in tea.rows.raw


def test_units_that_left_before_the_order_had_any_are_its_own():
    """One of two is gone already: for the other alone stock is needed, and taken as soon as it is there."""
    tea = SkuStage()
    tea.demand("o1", 2)
    tea.fact(issued(1, "B", order_id="o1"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 1}, 1)
    assert tea.figures("sellable", "committed", "backordered") == (-1, 0, 1)
    tea.fact(f.InventoryCounted(location="B", on_hand=1, basis="excludes_committed"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 2}, 0)
    assert tea.figures("sellable", "committed", "backordered", "available_now") == (1, 1, 0, 0)


@pytest.mark.parametrize("first", ["shipped", "issued"])
def test_a_void_undoes_the_leaving_whoever_told_of_it(tea, first):
    def ship():
        tea.demand("o1", *SHIPPED, shipments=S1)

    def issue():
        tea.fact(issued(5, order_id="o1", shipment_id="s1"))

    for act in (ship, issue) if first == "shipped" else (issue, ship):
        act()
    tea.demand("o1", want("1", 5))
    assert tea.figures("sellable", "committed", "available_now") == (10, 10, 0)
