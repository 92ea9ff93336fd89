"""Line ledgers of an order: sums of facts keyed by their own ids, and what the order wants of each SKU."""

import pytest
from domain import OrderStage, order_lines, placed, released, scan, step

from springtide.codecs import facts as f
from springtide.codecs.messages import DemandLine, Supplied, SuppliedLine


@pytest.fixture
def order():
    """Five tea on line 1, three mugs on line 2."""
    stage = OrderStage()
    stage.fact("order.placed", placed(("1", "tea", 5), ("2", "mug", 3)))
    return stage


def cancel(*lines):
    return f.OrderCancelled(lines=tuple(f.LineQty(line_id=i, qty=q) for i, q in lines) or None)


def changed(revision, *lines):
    return f.OrderChanged(revision=revision, lines=order_lines(*lines))


def line(ledger, *names):
    return tuple(getattr(ledger, name) for name in names)


def steps(order, line_id="1"):
    return line(order.ledger(line_id), "released", "picked", "packed", "shipped", "delivered")


def test_what_is_ordered_is_asked_for(order):
    assert order.asked("tea").lines == (DemandLine("1", 5, None, {}, {}),)
    assert order.asked("mug").lines == (DemandLine("2", 3, None, {}, {}),)
    assert line(order.total(), "ordered", "cancelled", "net") == (8, 0, 8)


def test_what_the_order_says_of_itself_goes_with_what_it_asks():
    order = OrderStage()
    sourcing = f.Sourcing(mode="split", max_splits=2)
    order.fact(
        "order.placed", placed(("1", "tea", 5), priority=7, ship_complete=True, sourcing=sourcing), at_s=9
    )
    asked = order.asked("tea")
    assert (asked.placed_us, asked.priority, asked.channel) == (9_000_000, 7, "web")
    assert (asked.complete, asked.parked, asked.single, asked.max_splits) == (True, False, False, 2)


@pytest.mark.parametrize(
    ("mode", "max_splits", "asked"),
    [("single", None, (True, 0)), ("split", None, (False, 0)), ("split", 3, (False, 3))],
)
def test_sourcing_goes_with_what_it_asks(mode, max_splits, asked):
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5), sourcing=f.Sourcing(mode=mode, max_splits=max_splits)))
    assert (order.asked("tea").single, order.asked("tea").max_splits) == asked


def test_requests_rise(order):
    order.fact("order.cancelled", cancel(("1", 1)))
    assert [demand.request for sku, demand in order.asks if sku == "tea"] == [1, 2]
    assert [demand.request for sku, demand in order.asks if sku == "mug"] == [1]


# --- allocated, backordered ---


def test_what_a_sku_answers_is_allocated_and_backordered(order):
    order.answer("tea", ("1", {"A": 3, "B": 1}, 1))
    assert line(order.ledger("1"), "allocated", "backordered") == (4, 1)
    assert order.order.lines["1"].cells == {"A": 3, "B": 1}
    assert line(order.total(), "allocated", "backordered") == (4, 1)


def test_an_older_answer_says_nothing_new(order):
    for seq, units in ((2, 4), (1, 5), (2, 3)):
        told = (SuppliedLine("1", units, 0, {"A": units}),)
        order.supplied(Supplied("tea", 1, seq, 0, 0, (0, 0, 0), "", told))
    assert order.ledger("1").allocated == 4


# --- cancelled ---


def test_a_part_is_cancelled(order):
    order.fact("order.cancelled", cancel(("1", 2)))
    assert line(order.ledger("1"), "ordered", "cancelled", "net") == (5, 2, 3)
    assert order.asked("tea").lines[0].want == 3


def test_all_is_cancelled(order):
    order.fact("order.cancelled", cancel())
    assert line(order.total(), "ordered", "cancelled", "net") == (8, 8, 0)
    assert (order.asked("tea").lines[0].want, order.asked("mug").lines[0].want) == (0, 0)


def test_all_means_all_that_has_not_shipped(order):
    order.fact("shipment.shipped", step("s1", ("1", "tea", 2), location="A"))
    order.fact("order.cancelled", cancel())
    assert line(order.ledger("1"), "ordered", "cancelled", "shipped") == (5, 3, 2)
    assert line(order.ledger("2"), "ordered", "cancelled", "shipped") == (3, 3, 0)
    assert order.status == "SHIPPED"


def test_a_shipment_told_after_all_was_cancelled_had_left_before(order):
    """The other order of arrival of the same two facts: the same ledgers."""
    order.fact("order.cancelled", cancel())
    order.fact("shipment.shipped", step("s1", ("1", "tea", 2), location="A"))
    assert line(order.ledger("1"), "ordered", "cancelled", "shipped") == (5, 3, 2)
    assert order.status == "SHIPPED"
    assert order.asked("tea").lines == (DemandLine("1", 2, None, {"A": 2}, {"A": 2}),)


@pytest.mark.parametrize("first", ["cancelled", "shipped"])
def test_cancelling_what_has_shipped_is_an_exception_and_cancels_the_rest(order, first):
    def cancelled():
        order.fact("order.cancelled", cancel(("1", 4)))

    def shipped():
        order.fact("shipment.shipped", step("s1", ("1", "tea", 3), location="A"))

    for act in (cancelled, shipped) if first == "cancelled" else (shipped, cancelled):
        act()
    assert line(order.ledger("1"), "ordered", "cancelled", "shipped", "net") == (5, 2, 3, 3)
    assert len(order.exceptions()) == 1


def test_a_voided_shipment_can_be_cancelled_after_all(order):
    order.fact("shipment.shipped", step("s1", ("1", "tea", 3), location="A"))
    order.fact("order.cancelled", cancel(("1", 4)))
    order.fact("shipment.voided", f.ShipmentVoided(shipment_id="s1", reason="never left"))
    assert line(order.ledger("1"), "cancelled", "shipped", "net") == (4, 0, 1)
    assert order.asked("tea").lines[0].want == 1


def test_cancelling_more_than_was_ordered_is_an_exception(order):
    order.fact("order.cancelled", cancel(("1", 4)))
    order.fact("order.cancelled", cancel(("1", 4)))
    assert line(order.ledger("1"), "ordered", "cancelled") == (5, 5)
    assert order.exceptions() == ["cancel_beyond_open"]


# --- changed ---


def test_a_revision_replaces_the_lines(order):
    order.fact("order.changed", changed(1, ("1", "tea", 7), ("3", "pot", 1)))
    assert line(order.ledger("1"), "ordered", "cancelled") == (7, 0)
    assert order.ledger("2").net == 0
    assert line(order.ledger("3"), "ordered", "cancelled") == (1, 0)
    assert [order.asked(sku).lines[0].want for sku in ("tea", "mug", "pot")] == [7, 0, 1]


@pytest.mark.parametrize("revision", [1, 2])
def test_a_revision_at_or_below_the_known_one_is_ignored(order, revision):
    order.fact("order.changed", changed(2, ("1", "tea", 7), ("2", "mug", 3)))
    order.fact("order.changed", changed(revision, ("1", "tea", 1), ("2", "mug", 1)))
    assert line(order.total(), "ordered", "cancelled") == (10, 0)


def test_a_line_that_comes_back_is_wanted_again(order):
    order.fact("order.changed", changed(1, ("1", "tea", 5)))
    order.fact("order.changed", changed(2, ("1", "tea", 5), ("2", "mug", 3)))
    assert order.ledger("2").net == 3
    assert order.asked("mug").lines[0].want == 3


def test_what_was_cancelled_stays_cancelled_when_a_line_is_restated(order):
    order.fact("order.cancelled", cancel(("1", 2)))
    order.fact("order.changed", changed(1, ("1", "tea", 6), ("2", "mug", 3)))
    assert line(order.ledger("1"), "ordered", "cancelled") == (6, 2)


def test_a_revision_after_all_was_cancelled_wants_only_what_is_new(order):
    order.fact("order.cancelled", cancel(("1", 5)))
    order.fact("order.changed", changed(1, ("1", "tea", 1), ("2", "mug", 3)))
    assert line(order.ledger("1"), "ordered", "cancelled") == (1, 1)
    order.fact("order.cancelled", cancel())
    order.fact("order.changed", changed(2, ("1", "tea", 7), ("2", "mug", 4)))
    assert line(order.ledger("1"), "ordered", "cancelled") == (7, 5)
    assert line(order.ledger("2"), "ordered", "cancelled") == (4, 3)


def test_a_revision_keeps_what_has_shipped(order):
    order.fact("shipment.shipped", step("s1", ("2", "mug", 1), location="A"))
    order.fact("order.changed", changed(1, ("1", "tea", 5)))
    assert line(order.ledger("2"), "shipped", "net") == (1, 1)
    assert order.asked("mug").lines == (DemandLine("2", 1, None, {"A": 1}, {"A": 1}),)


def test_a_revision_below_what_has_shipped_is_an_exception(order):
    order.fact("shipment.shipped", step("s1", ("1", "tea", 4), location="A"))
    order.fact("order.changed", changed(1, ("1", "tea", 3), ("2", "mug", 3)))
    assert order.exceptions() == ["shipped_beyond_open"]
    assert order.ledger("1").shipped == 4


def test_a_line_that_becomes_another_product_asks_for_that_one(order):
    order.fact("order.changed", changed(1, ("1", "pot", 4), ("2", "mug", 3)))
    assert order.exceptions() == []
    assert order.asked("tea").lines == ()
    assert order.asked("pot").lines == (DemandLine("1", 4, None, {}, {}),)


def test_a_line_of_which_a_warehouse_has_begun_does_not_become_another_product(order):
    order.fact("shipment.released", step("s1", ("1", "tea", 1), location="A"))
    order.fact("order.changed", changed(1, ("1", "pot", 5), ("2", "mug", 3)))
    assert order.exceptions() == ["sku_changed"]
    assert order.order.lines["1"].sku == "tea"


# --- for later ---


def test_a_line_for_later_is_asked_for_with_its_day():
    order = OrderStage()
    later = f.OrderLine(line_id="1", sku="tea", qty=5, requested_date="1970-01-03")
    order.fact("order.placed", placed(later, ("2", "tea", 1)))
    assert [(x.want, x.day) for x in order.asked("tea").lines] == [(5, 2), (1, None)]


@pytest.mark.parametrize("date", ["1970-02-30", "1970-13-01", "0000-01-01"])
def test_a_day_that_does_not_exist_is_an_exception_and_means_today(date):
    order = OrderStage()
    order.fact("order.placed", placed(f.OrderLine(line_id="1", sku="tea", qty=5, requested_date=date)))
    assert order.exceptions() == ["bad_requested_date"]
    assert order.asked("tea").lines[0].want == 5


# --- shipments ---


def test_each_step_is_a_sum_over_shipments(order):
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 3), ("2", "mug", 2)))
    order.fact("shipment.released", released("s2", "B", ("1", "tea", 2)))
    order.fact("shipment.picked", step("s1", ("1", "tea", 3), ("2", "mug", 2)))
    order.fact("shipment.packed", step("s1", ("1", "tea", 3), ("2", "mug", 2)))
    order.fact("shipment.shipped", step("s1", ("1", "tea", 3), ("2", "mug", 2)))
    order.fact("parcel.scanned", scan("s1", "delivered"))
    assert steps(order, "1") == (5, 3, 3, 3, 3)
    assert steps(order, "2") == (2, 2, 2, 2, 2)
    assert order.asked("tea").lines == (DemandLine("1", 5, None, {"A": 3, "B": 2}, {"A": 3}),)
    assert {s: n for s, _, n in order.asked("tea").shipments} == {"s1": 3, "s2": 0}


def test_the_sku_learns_whose_a_shipment_is_as_soon_as_it_is_released(order):
    """A stock fact may name the shipment alone, before anybody says that it shipped."""
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))
    assert order.asked("tea").shipments == (("s1", "A", 0),)


@pytest.mark.parametrize("again", [1, 3])
def test_the_same_step_of_a_shipment_again_counts_once(order, again):
    for _ in range(again):
        order.fact("shipment.released", released("s1", "A", ("1", "tea", 3)))
        order.fact("shipment.shipped", step("s1", ("1", "tea", 3)))
    assert steps(order) == (3, 3, 3, 3, 0)


@pytest.mark.parametrize("units", [(2, 3), (3, 2)])
def test_a_step_stated_differently_is_an_exception_and_the_greater_counts(order, units):
    for n in units:
        order.fact("shipment.shipped", step("s1", ("1", "tea", n), location="A"))
    assert steps(order) == (3, 3, 3, 3, 0)
    assert order.exceptions() == ["restated_differently"]


@pytest.mark.parametrize(
    ("facts", "reached"),
    [
        (["released"], (5, 0, 0, 0, 0)),
        (["picked"], (5, 5, 0, 0, 0)),
        (["packed"], (5, 5, 5, 0, 0)),
        (["shipped"], (5, 5, 5, 5, 0)),
        (["shipped", "delivered"], (5, 5, 5, 5, 5)),
        (["released", "delivered"], (5, 5, 5, 5, 5)),
        (["delivered", "released"], (5, 5, 5, 5, 5)),
        (["delivered", "picked"], (5, 5, 5, 5, 5)),
        (["delivered"], None),
    ],
)
def test_missing_steps_are_inferred(order, facts, reached):
    for name in facts:
        if name == "released":
            order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))
        elif name == "delivered":
            order.fact("parcel.scanned", scan("s1", "delivered"))
        else:
            order.fact(f"shipment.{name}", step("s1", ("1", "tea", 5), location="A"))
    assert steps(order) == (reached or (0, 0, 0, 0, 0))
    # and the SKU knows of it what concerns stock
    told = order.asked("tea").lines[0]
    assert told.released == ({"A": 5} if reached else {})
    assert told.shipped == ({"A": 5} if reached and reached[3] else {})


def test_fewer_picked_than_released(order):
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))
    order.fact("shipment.picked", step("s1", ("1", "tea", 4)))
    order.fact("pick.short", f.PickShort(shipment_id="s1", line_id="1", qty=1))
    order.fact("shipment.shipped", step("s1", ("1", "tea", 4)))
    assert steps(order) == (5, 4, 4, 4, 0)


def test_a_voided_shipment_counts_nowhere(order):
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))
    order.fact("shipment.shipped", step("s1", ("1", "tea", 5)))
    order.fact("shipment.voided", f.ShipmentVoided(shipment_id="s1", reason="never left"))
    assert steps(order) == (0, 0, 0, 0, 0)
    assert order.asked("tea").lines == (DemandLine("1", 5, None, {}, {}),)
    assert order.asked("tea").shipments == ()


def test_voided_before_anything_else_was_told(order):
    order.fact("shipment.voided", f.ShipmentVoided(shipment_id="s1", reason="never left"))
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))
    assert steps(order) == (0, 0, 0, 0, 0)


def test_a_corrected_delivery_no_longer_counts(order):
    order.fact("shipment.shipped", step("s1", ("1", "tea", 5), location="A"))
    order.fact("parcel.scanned", scan("s1", "delivered"), event_id="ups 77")
    order.fact("delivery.corrected", f.DeliveryCorrected(shipment_id="s1", cancels="77"))
    assert steps(order) == (5, 5, 5, 5, 0)


def test_a_correction_that_comes_first_waits_for_its_scan(order):
    order.fact("delivery.corrected", f.DeliveryCorrected(shipment_id="s1", cancels="77"))
    order.fact("shipment.shipped", step("s1", ("1", "tea", 5), location="A"))
    order.fact("parcel.scanned", scan("s1", "delivered"), event_id="ups 77")
    assert steps(order) == (5, 5, 5, 5, 0)
    assert "delivered" not in order.milestones()


def test_a_corrected_delivery_takes_its_inferred_shipping_along(order):
    order.fact("shipment.released", released("s1", "A", ("1", "tea", 5)))
    order.fact("parcel.scanned", scan("s1", "delivered"), event_id="ups 77")
    assert order.asked("tea").lines[0].shipped == {"A": 5}
    order.fact("delivery.corrected", f.DeliveryCorrected(shipment_id="s1", cancels="77"))
    assert steps(order) == (5, 0, 0, 0, 0)
    assert order.asked("tea").lines[0].shipped == {}


def test_many_scans_push_no_delivery_out(order):
    order.fact("shipment.shipped", step("s1", ("1", "tea", 5), location="A"))
    order.fact("parcel.scanned", scan("s1", "delivered"))
    for _ in range(300):
        order.fact("parcel.scanned", scan("s1", "in_transit"))
    assert order.ledger("1").delivered == 5
    assert len(order.order.shipments["s1"].scans) <= 200


def test_a_shipment_says_where_from_or_the_allocation_does():
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 5)))
    order.answer("tea", ("1", {"A": 1, "B": 4}, 0))
    order.fact("shipment.shipped", step("s1", ("1", "tea", 4)))
    assert order.asked("tea").lines[0].shipped == {"B": 4}


def test_a_line_shipped_as_another_product_frees_what_was_kept_for_it(order):
    """What went out was mugs; the tea of line 1 is not to be shipped any more."""
    order.fact("shipment.shipped", step("s1", ("1", "mug", 5), location="A"))
    assert order.exceptions() == ["shipped_other_sku"]
    assert order.asked("tea").lines[0].want == 0
    told = {x.line_id: (x.want, x.shipped) for x in order.asked("mug").lines}
    assert told == {"2": (3, {}), "1": (0, {"A": 5})}


def test_facts_before_the_order_apply_when_it_comes():
    order = OrderStage()
    order.fact("shipment.shipped", step("s1", ("1", "tea", 5), location="A"))
    order.fact("order.confirmed", f.OrderConfirmed())
    assert (order.status, order.order.version) == ("", 0)
    order.fact("order.placed", placed(("1", "tea", 5)))
    assert steps(order) == (5, 5, 5, 5, 0)
    assert order.status == "SHIPPED"
    assert order.order.confirmed


def test_the_same_order_placed_twice_is_placed_once(order):
    asks = len(order.asks)
    order.fact("order.placed", placed(("1", "tea", 9)))
    assert order.ledger("1").ordered == 5
    assert len(order.asks) == asks
