"""Every figure by the events that made it, and every status by its rule and facts; contributions sum exactly."""

from __future__ import annotations

import pytest
from story import Json, Story, line, moment


def parts(figure: Json) -> list[tuple[str, int]]:
    return [(part["event_id"], part["delta"]) for part in figure["contributions"]]


def assert_sums(figures: dict[str, Json]) -> None:
    for name, figure in figures.items():
        assert sum(delta for _, delta in parts(figure)) == figure["value"], name


def explained(story: Story, sku: str, now: float | None = None, **asked: str) -> dict[str, Json]:
    query = "".join(f"&{name}={value}" for name, value in asked.items())
    figures = story.ask(f"/v1/explain?atp={sku}{query}", now)["figures"]
    assert_sums(figures)
    shown = story.atp(sku, now, **asked)
    for name, figure in figures.items():
        assert figure["value"] == (shown[name] if name in shown else shown["buckets"][name]), name
    return figures  # type: ignore[no-any-return]


def test_each_event_has_its_part() -> None:
    # given 10 counted, 3 held, 5 ordered of which 5 ship, 2 found broken
    story = Story()
    count = story.counted(0.1, "A", 10)
    hold = story.tell(0.2, "hold.placed", "A", hold_id="H", location="BER", qty=3, ttl_s=86_400, owner="cart")
    order = story.placed(0.3, "O1", line("A", 5))
    shipped = story.shipment(0.4, "shipped", "O1", "S1", ("1", "A", 5))
    moved = story.tell(
        0.5, "inventory.moved", "A", location="BER", qty=2, **{"from": "sellable", "to": "damaged"}
    )
    figures = explained(story, "A")
    assert parts(figures["sellable"]) == [(count, 10), (shipped, -5), (moved, -2)]
    assert parts(figures["damaged"]) == [(moved, 2)]
    assert parts(figures["on_hand"]) == [(count, 10), (shipped, -5)]
    assert parts(figures["held"]) == [(hold, 3)]
    assert parts(figures["committed"]) == [(order, 5), (shipped, -5)]
    assert parts(figures["available_now"]) == [(count, 10), (hold, -3), (order, -5), (moved, -2)]
    assert [part["type"] for part in figures["available_now"]["contributions"]] == [
        *("inventory.counted", "hold.placed", "order.placed", "inventory.moved")
    ]


def test_what_a_holds_end_brings_is_the_holds() -> None:
    # given a hold of 4 on 5, an hour long, and an order that waits for 2
    story = Story()
    count = story.counted(0.1, "A", 5)
    hold = story.tell(0.2, "hold.placed", "A", hold_id="H", qty=4, ttl_s=3_600, owner="cart")
    order = story.placed(0.21, "O1", line("A", 3))
    before = explained(story, "A")
    assert parts(before["backordered"]) == [(order, 2)]
    # when the hour is over
    after = explained(story, "A", now=0.25)
    assert parts(after["held"]) == []
    assert parts(after["committed"]) == [(order, 1), (hold, 2)]
    assert parts(after["backordered"]) == [(order, 2), (hold, -2)] or after["backordered"]["value"] == 0
    assert parts(after["available_now"]) == [(count, 5), (order, -3)]


def test_a_line_that_falls_due_is_the_orders() -> None:
    story = Story()
    count = story.counted(0.1, "A", 5)
    order = story.placed(0.2, "O1", line("A", 3, ships=2))
    assert parts(explained(story, "A")["committed"]) == []
    figures = explained(story, "A", now=2)
    assert parts(figures["committed"]) == [(order, 3)]
    assert parts(figures["available_now"]) == [(count, 5), (order, -3)]


def test_a_location_has_its_own_parts() -> None:
    story = Story()
    here = story.counted(0.1, "A", 5)
    there = story.counted(0.2, "A", 7, "HAM")
    assert parts(explained(story, "A", location="HAM")["on_hand"]) == [(there, 7)]
    assert parts(explained(story, "A", location="BER")["on_hand"]) == [(here, 5)]


def test_a_kit_follows_from_its_components() -> None:
    # given kits of two A and one B
    story = Story()
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
    story.counted(0.1, "A", 8)
    second = story.counted(0.2, "B", 3)
    third = story.received(0.3, "B", 2)
    figures = story.ask("/v1/explain?atp=SET")["figures"]
    assert_sums(figures)
    assert parts(figures["available_now"]) == [(second, 3), (third, 1)]  # 8 A make 4


def test_duplicates_have_no_part() -> None:
    story = Story()
    count = story.counted(0.1, "A", 5)
    story.lines.append(story.lines[-1])
    assert parts(explained(story, "A")["on_hand"]) == [(count, 5)]


def test_the_past_is_explained_by_what_had_happened() -> None:
    story = Story()
    count = story.counted(0.1, "A", 5)
    story.received(2, "A", 4)
    figures = story.ask(f"/v1/explain?atp=A&as_of={moment(1)}")["figures"]
    assert parts(figures["on_hand"]) == [(count, 5)]


# --- status ---


def test_a_status_has_its_rule_and_the_facts_behind_each_quantity() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    order = story.placed(0.2, "O1", line("A", 6))
    cancel = story.tell(0.3, "order.cancelled", "O1", lines=[{"line_id": "1", "qty": 2}])
    first = story.shipment(0.4, "shipped", "O1", "S1", ("1", "A", 3))
    body = story.ask("/v1/explain?order=O1")
    assert (body["status"], body["rule"]["name"]) == ("PARTIALLY_SHIPPED", "PARTIALLY_SHIPPED")
    assert body["rule"]["quantities"] == {"shipped": 3}
    before = {rule["name"]: rule["quantities"] for rule in body["rules_before"]}
    assert before["SHIPPED"] == {"shipped": 3, "net": 4}
    assert "PARTIALLY_SHIPPED" not in before
    assert "ON_HOLD" not in before  # it comes after
    (told,) = body["lines"]
    assert_sums(told["quantities"])
    assert parts(told["quantities"]["ordered"]) == [(order, 6)]
    assert parts(told["quantities"]["cancelled"]) == [(cancel, 2)]
    assert parts(told["quantities"]["shipped"]) == [(first, 3)]
    assert [fact["event_id"] for fact in body["facts"]] == [order, cancel, first]


def test_what_waited_for_the_order_has_its_own_part() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    shipped = story.shipment(0.2, "shipped", "O1", "S1", ("1", "A", 6))
    order = story.placed(0.3, "O1", line("A", 6))
    (told,) = story.ask("/v1/explain?order=O1")["lines"]
    assert parts(told["quantities"]["ordered"]) == [(order, 6)]
    assert parts(told["quantities"]["shipped"]) == [(shipped, 6)]


def test_units_that_a_receipt_brought_are_the_receipts() -> None:
    story = Story()
    story.counted(0.1, "A", 2)
    order = story.placed(0.2, "O1", line("A", 5))
    receipt = story.received(0.3, "A", 3)
    (told,) = story.ask("/v1/explain?order=O1")["lines"]
    assert parts(told["quantities"]["allocated"]) == [(order, 2), (receipt, 3)]
    assert told["quantities"]["backordered"]["value"] == 0
    assert [part["type"] for part in told["quantities"]["allocated"]["contributions"]] == [
        *("order.placed", "inventory.received")
    ]


@pytest.mark.parametrize("path", ["/v1/explain?order=NONE", "/v1/explain?atp=NONE"])
def test_what_is_unknown_has_no_explanation(path: str) -> None:
    assert Story().ask(path)["status"] == 404
