"""What had occurred, and what was known, at an instant; and the timeline of an order through all systems."""

from __future__ import annotations

import json

from story import Story, line, moment


def test_as_of_counts_what_had_occurred_however_late_it_was_told() -> None:
    # given a receipt on day 1 that was recorded on day 3, told last
    story = Story()
    story.counted(0, "A", 10)
    story.tell(2, "inventory.adjusted", "A", location="BER", delta=-4)
    story.received(1, "A", 5, recorded=3)
    assert story.atp("A", as_of=moment(0.5))["on_hand"] == 10
    assert story.atp("A", as_of=moment(1))["on_hand"] == 15
    assert story.atp("A", as_of=moment(2.5))["on_hand"] == 11
    assert story.atp("A", as_of=moment(0.5))["now"] == moment(0.5)


def test_known_at_counts_what_was_recorded() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.received(1, "A", 5, recorded=3)
    assert story.atp("A", known_at=moment(2))["on_hand"] == 10
    assert story.atp("A", known_at=moment(3))["on_hand"] == 15
    # both: what had occurred by day 2 as far as it was known on day 2, and on day 3
    assert story.atp("A", as_of=moment(2), known_at=moment(2))["on_hand"] == 10
    assert story.atp("A", as_of=moment(2), known_at=moment(3))["on_hand"] == 15
    assert story.atp("A", as_of=moment(2), known_at=moment(3))["now"] == moment(2)
    assert story.atp("A", known_at=moment(2))["now"] == moment(2)


def test_before_its_first_event_a_sku_is_unknown() -> None:
    story = Story()
    story.counted(1, "A", 10)
    assert story.atp("A", as_of=moment(0.5))["status"] == 404


def test_what_falls_due_by_then_has_happened() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.tell(0.1, "hold.placed", "A", hold_id="H", qty=4, ttl_s=3_600, owner="cart")
    story.counted(5, "B", 1)
    assert story.atp("A", as_of=moment(0.11))["held"] == 4
    assert story.atp("A", as_of=moment(0.5))["held"] == 0


def test_an_order_as_of_then() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(1, "O1", line("A", 4))
    story.shipment(2, "shipped", "O1", "S1", ("1", "A", 4))
    story.scanned(4, "O1", "S1", "delivered")
    assert story.order("O1", as_of=moment(0.5))["status"] == 404
    assert story.order("O1", as_of=moment(1.5))["status"] == "ALLOCATED"
    assert story.order("O1", as_of=moment(3))["status"] == "SHIPPED"
    assert story.order("O1")["status"] == "DELIVERED"


def test_the_timeline_has_every_fact_by_its_time() -> None:
    # given that the delivery is told before the shipping, and a stock fact that names the order
    story = Story()
    story.counted(0, "A", 10)
    order = story.placed(1, "O1", line("A", 4))
    delivered = story.scanned(4, "O1", "S1", "delivered")
    shipped = story.shipment(2, "shipped", "O1", "S1", ("1", "A", 4), recorded=5)
    issued = story.tell(2, "inventory.issued", "A", location="BER", qty=4, order_id="O1", shipment_id="S1")
    story.lines.append(story.lines[-1])  # a duplicate is no second fact
    body = story.ask("/v1/orders/O1/timeline")
    told = [(fact["event_id"], fact["type"]) for fact in body["facts"] if fact["kind"] == "fact"]
    assert told == [
        (order, "order.placed"),
        (issued, "inventory.issued"),
        (shipped, "shipment.shipped"),
        (delivered, "parcel.scanned"),
    ]
    times = [fact["time"] for fact in body["facts"]]
    assert times == sorted(times)
    late = next(fact for fact in body["facts"] if fact["event_id"] == shipped and fact["kind"] == "fact")
    assert (late["time"], late["recordedtime"], late["source"]) == (moment(2), moment(5), "wms")
    inferred = {fact["milestones"][0] for fact in body["facts"] if fact["inferred"]}
    assert "picked" in inferred
    assert "shipped" not in inferred  # it was told after all


def test_a_fact_that_was_taken_back_is_marked() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(1, "O1", line("A", 4))
    story.shipment(2, "shipped", "O1", "S1", ("1", "A", 4))
    scan = story.scanned(3, "O1", "S1", "delivered")
    fix = story.tell(3.5, "delivery.corrected", "O1", shipment_id="S1", cancels=scan)
    facts = {f["event_id"]: f for f in story.ask("/v1/orders/O1/timeline")["facts"] if f["kind"] == "fact"}
    assert facts[scan]["superseded"]
    assert not facts[fix]["superseded"]


def test_a_correlation_id_leads_through_all_systems_and_dead_letters() -> None:
    story = Story()
    story.counted(0, "A", 10)
    story.placed(1, "O1", line("A", 4))
    event = json.loads(story.lines[-1]) | {"correlationid": "deal-7"}
    story.lines[-1] = json.dumps(event)
    story.tell(1.1, "inventory.adjusted", "A", location="BER", delta=-1)
    adjusted = json.loads(story.lines[-1]) | {"correlationid": "deal-7"}
    story.lines[-1] = json.dumps(adjusted)
    story.tell(1.2, "order.cancelled", "O1", lines=[{"line_id": "1", "qty": 0}])
    body = story.ask("/v1/orders/O1/timeline")
    assert body["correlation_id"] == "deal-7"
    assert [fact["type"] for fact in body["facts"] if fact["kind"] == "fact"] == [
        *("order.placed", "inventory.adjusted")
    ]
    (letter,) = body["dead_letters"]
    assert (letter["event_id"], letter["field"]) == ("e4", "data.lines[0].qty") or letter["event_id"] == "e4"
