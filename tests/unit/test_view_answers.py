"""Bodies of answers from rows, and how strictly questions are read."""

import msgspec
import pytest
from domain import OrderStage, placed

from springtide.app.view import positions
from springtide.app.view.answers import answer, atp_answer, order_answer, stands_until_us
from springtide.app.view.batch import question, read_items
from springtide.app.view.figures import matches
from springtide.app.view.problems import Problem
from springtide.app.view.questions import AtpQuestion, Freshness, OrderQuestion, parse_target
from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US
from springtide.tables.order import Order
from springtide.tables.sku import Cell, Fence, Head, Hold, Supply

HOUR_US = 3_600 * SECOND_US


def tea(**given) -> Head:
    """10 sellable and 1 damaged in BER with 2 of safety stock and 3 committed; 5 sellable in HAM."""
    cells = {"BER": Cell(sellable=10, damaged=1, safety_stock=2, committed=3), "HAM": Cell(sellable=5)}
    return Head("tea", cells, known=True, **given)


class Stand:
    """Rows as `answer` reads them."""

    def __init__(self, heads=(), orders=(), now_us=0):
        self.heads = {head.sku: head for head in heads}
        self.orders = {order.order_id: order for order in orders}
        self.now_us = now_us

    def head(self, sku):
        return self.heads.get(sku), self.now_us

    def order(self, order_id):
        return self.orders.get(order_id), self.now_us


# --- available to promise ---


def test_the_figure_of_all_locations():
    body = atp_answer(tea(), 0, "tea")
    figures = {name: body[name] for name in ("on_hand", "safety_stock", "committed", "held", "backordered")}
    assert figures == {"on_hand": 16, "safety_stock": 2, "committed": 3, "held": 0, "backordered": 0}
    assert body["buckets"] == {"sellable": 15, "damaged": 1, "quality_control": 0, "reserved_other": 0}
    assert (body["available_now"], body["available"], body["shortage"]) == (10, 10, 0)
    assert (body["sku"], body["location"], body["channel"], body["uom"]) == ("tea", None, None, None)
    assert body["now"] == "1970-01-01T00:00:00Z"
    assert [(at["location"], at["available_now"]) for at in body["locations"]] == [("BER", 5), ("HAM", 5)]


def test_the_figure_of_one_location_and_channel():
    body = atp_answer(tea(), 0, "tea", "BER", "web")
    assert (body["location"], body["channel"]) == ("BER", "web")
    assert (body["on_hand"], body["available_now"]) == (11, 5)
    assert "locations" not in body


def test_a_shortage_is_signed_and_never_clamped():
    body = atp_answer(Head("tea", {"BER": Cell(sellable=1)}, backordered=4, known=True), 0, "tea")
    assert (body["available_now"], body["available"], body["shortage"]) == (-3, 0, 3)


def test_a_hold_counts_until_it_is_dead_and_not_at_that_instant():
    hold = Hold("h1", HOUR_US, "cart-7", "web", {"BER": 4}, 0)
    head = tea(holds={"h1": hold})
    head.cells["BER"].held = 4
    before, dead = (atp_answer(head, now_us, "tea") for now_us in (HOUR_US - 1, HOUR_US))
    assert (before["held"], before["available_now"], [h["qty"] for h in before["holds"]]) == (4, 6, [4])
    assert (dead["held"], dead["available_now"], dead["holds"]) == (0, 10, [])
    assert stands_until_us(head, 0) == HOUR_US
    assert stands_until_us(head, HOUR_US) is None


def test_what_later_versions_will_count_is_shown():
    supply = Supply("HAM", 40, "2026-03-09", "firm", received=10)
    fence = Fence(None, "web", 3, None, None, 1)
    head = tea(supply={"po-1": supply}, fences={"f": fence})
    assert atp_answer(head, 0, "tea", "BER")["supply"] == []
    body = atp_answer(head, 0, "tea", "HAM")
    assert body["supply"] == [
        {
            "supply_id": "po-1",
            "location": "HAM",
            "qty": 40,
            "due": "2026-03-09",
            "firmness": "firm",
            "received": 10,
            "cancelled": False,
        }
    ]
    assert body["fences"][0]["channel"] == "web"
    msgspec.json.encode(body)


@pytest.mark.parametrize("head", [None, Head("tea", backordered=3)])
def test_a_sku_that_only_orders_name_is_unknown_and_never_zero(head):
    with pytest.raises(Problem) as told:
        atp_answer(head, 0, "tea")
    assert (told.value.status, told.value.kind) == (404, "unknown-sku")


def test_an_unknown_location_is_a_problem_that_names_the_known_ones():
    with pytest.raises(Problem, match="it is at BER, HAM") as told:
        atp_answer(tea(), 0, "tea", "MUC")
    assert (told.value.status, told.value.kind) == (404, "unknown-location")


def test_a_channel_is_not_answered_where_there_are_fences():
    with pytest.raises(Problem, match="channel") as told:
        atp_answer(tea(fences={"f": Fence(None, "web", 3, None, None, 1)}), 0, "tea", None, "web")
    assert (told.value.status, told.value.kind) == (400, "unsupported-parameter")


# --- orders ---


def test_an_order_as_placed():
    stage = OrderStage("O-1")
    stage.fact("order.placed", placed(("1", "tea", 4), order_id="O-1"))
    body = order_answer(stage.order, "O-1")
    assert (body["order_id"], body["status"], body["axes"]["finance"]) == ("O-1", "RECEIVED", None)
    (line,) = body["lines"]
    ledger = ("ordered", "cancelled", "allocated", "backordered", "released", "picked", "packed", "shipped")
    ledger += ("delivered", "lost", "returned", "restocked", "invoiced", "credited")
    assert [line[name] for name in ledger] == [4] + [0] * 13
    assert (line["line_id"], line["sku"], line["promises"]) == ("1", "tea", [])
    assert [milestone["name"] for milestone in body["milestones"]] == ["received", "validated"]
    msgspec.json.encode(body)


def test_milestones_come_in_order_of_occurrence():
    stage = OrderStage("O-1")
    stage.fact("order.placed", placed(("1", "tea", 4), order_id="O-1"), at_s=100)
    stage.fact("order.hold_placed", f.OrderHoldPlaced(hold_id="h", reason="credit_hold"), at_s=300)
    stage.fact("order.confirmed", f.OrderConfirmed(), at_s=200)  # heard of later, happened earlier
    names = [milestone["name"] for milestone in order_answer(stage.order, "O-1")["milestones"]]
    assert names.index("confirmed") < names.index("held(credit_hold)")
    assert order_answer(stage.order, "O-1")["holds"][0]["reason"] == "credit_hold"


def test_an_order_that_is_not_placed_says_how_many_facts_wait():
    with pytest.raises(Problem, match="2 facts wait for order 'O-9'") as told:
        order_answer(Order("O-9", waiting=[b"", b""]), "O-9")
    assert (told.value.status, told.value.kind) == (404, "order-not-placed")


def test_an_unknown_order():
    with pytest.raises(Problem) as told:
        order_answer(None, "O-9")
    assert (told.value.status, told.value.kind) == (404, "unknown-order")


# --- questions ---


def test_a_target_is_answered_without_any_server():
    stand = Stand([tea()])
    status, body = answer("/v1/atp/tea?location=HAM", stand)
    assert (status, body["available_now"]) == (200, 5)
    status, body = answer("/v1/atp/coffee?location=HAM", stand)
    assert (status, body["status"], body["instance"]) == (404, 404, "/v1/atp/coffee")
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert answer("/v2/atp/tea", stand)[0] == 404


def test_ids_in_paths_are_unquoted():
    assert parse_target("/v1/atp/a%2Fb%20c") == AtpQuestion("a/b c")
    assert parse_target("/v1/orders/O%231") == OrderQuestion("O#1")


def test_freshness_is_read_from_the_query():
    found = parse_target("/v1/orders/O-1?min_position=orders/0:7,inventory/1:9&max_staleness=250")
    assert found == OrderQuestion("O-1", Freshness({"orders/0": 7, "inventory/1": 9}, 250))


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("qty=3", "qty"),
        ("by=2026-03-09", "by"),
        ("method=discrete", "method"),
        ("as_of=2026-03-02T00:00:00Z", "as_of"),
        ("known_at=2026-03-02T00:00:00Z", "known_at"),
        ("exclude_order=O-1", "exclude_order"),
        ("lcation=BER", "lcation"),
        ("location=BER&location=HAM", "location"),
        ("location=", "location"),
        ("max_staleness=-1", "max_staleness"),
        ("max_staleness=1.5", "max_staleness"),
        ("max_staleness=" + "9" * 5_000, "max_staleness"),
        ("max_staleness=²", "max_staleness"),
        ("min_position=x", "min_position"),
        ("min_position=orders/0:-1", "min_position"),
        ("min_position=" + "a" * 9_000, "min_position"),
        ("min_position=" + ",".join(["a/0:1"] * 300), "min_position"),
    ],
)
def test_what_would_be_ignored_is_refused_by_name(query, path):
    status, body = answer(f"/v1/atp/tea?{query}", Stand([tea()]))
    assert status == 400
    assert [fault["path"] for fault in body["errors"]] == [path]


def test_position_tokens_go_there_and_back():
    text = positions.token({"orders/1": 3, "inventory/0": 12})
    assert text == "inventory/0:12,orders/1:3"
    assert positions.parse(text) == {"orders/1": 3, "inventory/0": 12}
    assert positions.parse("orders/0:2,orders/0:5") == {"orders/0": 5}


# --- batches and tags ---


def test_items_of_a_batch_are_the_single_questions():
    items = read_items(
        b'{"items":[{"sku":"tea","location":"BER"},{"sku":"tea","qty":3},{"sku":"tea","channel":""}]}'
    )
    first, second, third = (question(item) for item in items)
    assert first == AtpQuestion("tea", "BER")
    assert isinstance(second, Problem)
    assert second.errors[0]["path"] == "qty"
    assert isinstance(third, Problem)
    assert third.errors[0]["path"] == "channel"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"{}", ""),
        (b'{"items":[{}]}', "items[0]"),
        (b'{"items":[{"sku":3}]}', "items[0].sku"),
        (b'{"items":[{"sku":"a","lcation":"x"}]}', "items[0]"),
        (b'{"items":[{"sku":"\xff"}]}', ""),
        (b'{"items":[' + b",".join([b'{"sku":"a"}'] * 501) + b"]}", "items"),
        (b"[" * 100_000, ""),
    ],
)
def test_a_body_that_is_no_batch_is_refused(body, path):
    with pytest.raises(Problem) as told:
        read_items(body)
    assert told.value.status == 400
    assert told.value.errors[0]["path"] == path


@pytest.mark.parametrize(
    ("asked", "same"),
    [('W/"a"', True), ('"a"', True), ('"b", W/"a"', True), ("*", True), ('"b"', False), ("", False)],
)
def test_tags_are_compared_weakly(asked, same):
    assert matches(asked, 'W/"a"') is same
