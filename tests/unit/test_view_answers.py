"""Bodies of answers from rows, and how strictly questions are read."""

import msgspec
import pytest
from domain import OrderStage, placed
from story import Story, day, line

from springtide.app.view import positions
from springtide.app.view.batch import question, read_items
from springtide.app.view.figures import matches
from springtide.app.view.order_answers import order_answer
from springtide.app.view.parameters import Freshness, Page, cursor_of
from springtide.app.view.problems import Problem
from springtide.app.view.questions import (
    At,
    AtpQuestion,
    ExplainQuestion,
    KpisQuestion,
    OrderQuestion,
    OrdersQuestion,
    PriceQuestion,
    TimelineQuestion,
    parse_target,
)
from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US
from springtide.tables.order import Order


def tea() -> Story:
    """10 sellable and 1 damaged in BER with 2 of safety stock and 3 committed; 5 sellable in HAM."""
    story = Story()
    story.counted(0.1, "tea", 10)
    story.counted(0.1, "tea", 1, bucket="damaged")
    story.tell(0.1, "safety_stock.set", "tea", location="BER", qty=2)
    story.placed(0.15, "O1", line("tea", 3, location="BER"))
    story.counted(0.2, "tea", 5, "HAM")
    return story


# --- available to promise ---


def test_the_figure_of_all_locations():
    body = tea().atp("tea")
    figures = {name: body[name] for name in ("on_hand", "safety_stock", "committed", "held", "backordered")}
    assert figures == {"on_hand": 16, "safety_stock": 2, "committed": 3, "held": 0, "backordered": 0}
    assert body["buckets"] == {"sellable": 15, "damaged": 1, "quality_control": 0, "reserved_other": 0}
    assert (body["available_now"], body["available"], body["shortage"]) == (10, 10, 0)
    assert (body["sku"], body["location"], body["channel"], body["uom"]) == ("tea", None, None, None)
    assert [(at["location"], at["available_now"]) for at in body["locations"]] == [("BER", 5), ("HAM", 5)]
    assert (len(body["curve"]), body["curve"][0]["date"]) == (90, day(0))


def test_the_figure_of_one_location_and_channel():
    body = tea().atp("tea", location="BER", channel="web")
    assert (body["location"], body["channel"]) == ("BER", "web")
    assert (body["on_hand"], body["available_now"]) == (11, 5)
    assert "locations" not in body


def test_what_figures_are_made_of_is_shown():
    story = tea()
    story.supply(0.3, "tea", 40, due=7, name="po-1", location="HAM")
    story.tell(0.3, "fence.set", "tea", channel="b2b", qty=3, rank=1)
    assert story.atp("tea", location="BER")["supply"] == []
    body = story.atp("tea", location="HAM")
    (supply,) = body["supply"]
    assert (supply["supply_id"], supply["open"], supply["due"]) == ("po-1", 40, day(7))
    assert (body["fences"][0]["channel"], body["fences"][0]["left"]) == ("b2b", 3)


def test_a_sku_that_only_orders_name_is_unknown_and_never_zero():
    story = Story()
    story.placed(0.1, "O1", line("tea", 3))
    for sku in ("tea", "coffee"):
        body = story.atp(sku)
        assert (body["status"], body["type"]) == (404, "urn:springtide:problem:unknown-sku")


def test_an_unknown_location_is_a_problem_that_names_the_known_ones():
    body = tea().atp("tea", location="MUC")
    assert (body["status"], body["errors"][0]["path"]) == (404, "location")
    assert "it is at BER, HAM" not in body["detail"]
    assert "the SKU is at BER, HAM" in body["detail"]


# --- orders ---


def test_an_order_as_placed():
    stage = OrderStage("O-1")
    stage.fact("order.placed", placed(("1", "tea", 4), order_id="O-1"))
    body = order_answer(stage.order, "O-1", stage.now_us)
    assert (body["order_id"], body["status"], body["axes"]["finance"]) == ("O-1", "RECEIVED", "UNINVOICED")
    (told,) = body["lines"]
    ledger = ("ordered", "cancelled", "allocated", "backordered", "released", "picked", "packed", "shipped")
    ledger += ("delivered", "lost", "returned", "restocked", "invoiced", "credited")
    assert [told[name] for name in ledger] == [4] + [0] * 13
    assert (told["line_id"], told["sku"], told["promises"]) == ("1", "tea", [])
    assert [milestone["name"] for milestone in body["milestones"]] == ["received", "validated"]
    msgspec.json.encode(body)


def test_milestones_come_in_order_of_occurrence():
    stage = OrderStage("O-1")
    stage.fact("order.placed", placed(("1", "tea", 4), order_id="O-1"), at_s=100)
    stage.fact("order.hold_placed", f.OrderHoldPlaced(hold_id="h", reason="credit_hold"), at_s=300)
    stage.fact("order.confirmed", f.OrderConfirmed(), at_s=200)  # heard of later, happened earlier
    body = order_answer(stage.order, "O-1", stage.now_us)
    names = [milestone["name"] for milestone in body["milestones"]]
    assert names.index("confirmed") < names.index("held(credit_hold)")
    assert body["holds"][0]["reason"] == "credit_hold"


def test_an_order_that_is_not_placed_says_how_many_facts_wait():
    with pytest.raises(Problem, match="2 facts wait for order 'O-9'") as told:
        order_answer(Order("O-9", waiting=[b"", b""]), "O-9", 0)
    assert (told.value.status, told.value.kind) == (404, "order-not-placed")


def test_an_unknown_order():
    with pytest.raises(Problem) as told:
        order_answer(None, "O-9", 0)
    assert (told.value.status, told.value.kind) == (404, "unknown-order")


# --- questions ---


def test_a_problem_says_where_it_is():
    body = tea().ask("/v1/atp/coffee?location=HAM")
    assert (body["status"], body["instance"]) == (404, "/v1/atp/coffee")
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert tea().ask("/v2/atp/tea")["status"] == 404


def test_ids_in_paths_are_unquoted():
    assert parse_target("/v1/atp/a%2Fb%20c") == AtpQuestion("a/b c")
    assert parse_target("/v1/orders/O%231") == OrderQuestion("O#1")


def test_freshness_is_read_from_the_query():
    found = parse_target("/v1/orders/O-1?min_position=orders/0:7,inventory/1:9&max_staleness=250")
    assert found == OrderQuestion("O-1", At(), Freshness({"orders/0": 7, "inventory/1": 9}, 250))


HOUR_US = 3_600 * SECOND_US


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (
            "/v1/atp/tea?qty=3&by=2026-03-09&method=discrete&exclude_order=O-1",
            AtpQuestion("tea", qty=3, by="2026-03-09", method="discrete", exclude_order="O-1"),
        ),
        (
            "/v1/atp/tea?as_of=1970-01-01T02:00:00%2B01:00&known_at=1970-01-01T02:00:00Z",
            AtpQuestion("tea", at=At(HOUR_US, 2 * HOUR_US)),
        ),
        ("/v1/atp/tea?as_of=1970-01-01T02:00:00+01:00", AtpQuestion("tea", at=At(HOUR_US))),
        ("/v1/orders/a%2Fb/timeline", TimelineQuestion("a/b")),
        (
            "/v1/orders?status=ON_HOLD&cause=weather&at_risk=true&limit=7",
            OrdersQuestion(status="ON_HOLD", cause="weather", at_risk=True, page=Page(None, 7)),
        ),
        (f"/v1/orders?cursor={cursor_of((5, 'O-1'))}", OrdersQuestion(page=Page((5, "O-1")))),
        ("/v1/explain?atp=tea&location=BER", ExplainQuestion(AtpQuestion("tea", "BER"))),
        ("/v1/explain?order=O-1", ExplainQuestion(None, OrderQuestion("O-1"))),
        ("/v1/kpis?by=channel,process&from=1970-01-02", KpisQuestion(("process", "channel"), 1)),
        ("/v1/prices/tea?list=retail&at=1970-01-01T01:00:00Z", PriceQuestion("tea", "retail", HOUR_US)),
    ],
)
def test_each_question_is_read(target, asked):
    assert parse_target(target) == asked


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/v1/atp/tea?qty=0", "qty"),
        ("/v1/atp/tea?qty=1.5", "qty"),
        ("/v1/atp/tea?qty=-1", "qty"),
        ("/v1/atp/tea?qty=" + "9" * 30, "qty"),
        ("/v1/atp/tea?by=tomorrow", "by"),
        ("/v1/atp/tea?by=2026-02-30", "by"),
        ("/v1/atp/tea?method=best", "method"),
        ("/v1/atp/tea?as_of=2026-03-02", "as_of"),
        ("/v1/atp/tea?as_of=2026-03-02T00:00:00", "as_of"),
        ("/v1/atp/tea?known_at=yesterday", "known_at"),
        ("/v1/atp/tea?lcation=BER", "lcation"),
        ("/v1/atp/tea?location=BER&location=HAM", "location"),
        ("/v1/atp/tea?location=", "location"),
        ("/v1/atp/tea?location=" + "x" * 300, "location"),
        ("/v1/atp/tea?max_staleness=-1", "max_staleness"),
        ("/v1/atp/tea?max_staleness=1.5", "max_staleness"),
        ("/v1/atp/tea?max_staleness=" + "9" * 5_000, "max_staleness"),
        ("/v1/atp/tea?max_staleness=\u00b2", "max_staleness"),
        ("/v1/atp/tea?min_position=x", "min_position"),
        ("/v1/atp/tea?min_position=orders/0:-2", "min_position"),
        ("/v1/atp/tea?min_position=" + "a" * 9_000, "min_position"),
        ("/v1/atp/tea?min_position=" + ",".join(["a/0:1"] * 300), "min_position"),
        ("/v1/orders/O1?qty=1", "qty"),
        ("/v1/orders/O1/timeline?as_of=2026-03-02T00:00:00Z", "as_of"),
        ("/v1/orders?status=FINE", "status"),
        ("/v1/orders?cause=laziness", "cause"),
        ("/v1/orders?at_risk=maybe", "at_risk"),
        ("/v1/orders?limit=0", "limit"),
        ("/v1/orders?limit=501", "limit"),
        ("/v1/orders?cursor=%21", "cursor"),
        ("/v1/orders?cursor=AAAA", "cursor"),
        ("/v1/explain", "atp"),
        ("/v1/explain?atp=tea&order=O1", "atp"),
        ("/v1/explain?order=O1&location=BER", "location"),
        ("/v1/kpis?by=weather", "by"),
        ("/v1/kpis?by=region,region", "by"),
        ("/v1/kpis?from=2026-03-03&to=2026-03-02", "from"),
        ("/v1/prices/tea?at=noon", "at"),
        ("/v1/credit/C1?at=noon", "at"),
    ],
)
def test_what_would_be_ignored_or_is_not_of_its_kind_is_refused_by_name(target, path):
    body = tea().ask(target)
    assert body["status"] == 400
    assert [fault["path"] for fault in body["errors"]] == [path]


def test_position_tokens_go_there_and_back():
    text = positions.token({"orders/1": 3, "inventory/0": 12})
    assert text == "inventory/0:12,orders/1:3"
    assert positions.parse(text) == {"orders/1": 3, "inventory/0": 12}
    assert positions.parse("orders/0:2,orders/0:5") == {"orders/0": 5}
    assert positions.parse(positions.token({"atp/0": -1})) == {"atp/0": -1}  # where there is nothing yet


# --- batches and tags ---


def test_items_of_a_batch_are_the_single_questions():
    items = read_items(
        b'{"items":[{"sku":"tea","location":"BER"},{"sku":"tea","qty":3,"by":"2026-03-09"},'
        b'{"sku":"tea","qty":0},{"sku":"tea","channel":""}]}'
    )
    first, second, third, fourth = (question(item) for item in items)
    assert first == AtpQuestion("tea", "BER")
    assert second == AtpQuestion("tea", qty=3, by="2026-03-09")
    assert isinstance(third, Problem)
    assert third.errors[0]["path"] == "qty"
    assert isinstance(fourth, Problem)
    assert fourth.errors[0]["path"] == "channel"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"[]", ""),
        (b"{}", "items"),
        (b'{"items":[{}]}', "items[0].sku"),
        (b'{"items":[{"sku":3}]}', "items[0].sku"),
        (b'{"items":[{"sku":"a","lcation":"x"}]}', "items[0].lcation"),
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
