"""What the API says of itself is what it answers: types against real answers, parameters against the parsers."""

from __future__ import annotations

import re
from functools import cache

import msgspec
import pytest
from described import FRESH, check, described
from jsonschema import Draft202012Validator
from story import Story, line
from story import day as on

from springtide.app.access.scopes import SCOPES
from springtide.app.broker.connection import BrokerConnection
from springtide.app.settings import Settings
from springtide.app.view import deeds, mending
from springtide.app.view.bodies import read_body
from springtide.app.view.contract import calls
from springtide.app.view.contract.calls import CALLS
from springtide.app.view.contract.openapi import openapi, routes_of
from springtide.app.view.contract.pages import DESCRIPTIONS, readable
from springtide.app.view.operations import BY_ROUTE, OPEN, OPERATIONS, PAGE_DEEDS, PAGES
from springtide.app.view.parameters import CURSOR_MAX, cursor_of, day, page
from springtide.app.view.positions import parse
from springtide.app.view.problems import Problem
from springtide.app.view.questions import atp_stream, orders_stream, question
from springtide.app.view.view import View


@cache
def a_trade():
    """A story in which most of what there is has happened."""
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    story.policy(version="7", supply_fence_days=1, demand_fence_days=1, horizon_days=14, invoice_late_days=1)
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
    story.product("A", pack={"CS": 4})
    price = {"list": "LIST", "amount": "9.90", "currency": "EUR", "valid_from": on(-3)}
    story.tell(-3, "price.set", "A", sku="A", **price)
    story.tell(-3, "customer.upserted", "C1", customer_id="C1", name="Ada")
    story.tell(-3, "credit.limit_set", "C1", limit="1000.00", currency="EUR")
    story.tell(-3, "credit.hold_placed", "C1", hold_id="CH")
    story.counted(0, "A", 10)
    story.counted(0, "B", 6, "HAM")
    story.supply(0, "A", 5, due=-9, name="OLD")
    story.supply(0, "A", 20, due=4, name="PO")
    fence = {"location": "BER", "channel": "web", "qty": 2, "rank": 1, "valid_to": on(9)}
    story.tell(0, "fence.set", "A", **fence)
    story.tell(0.1, "hold.placed", "A", hold_id="H1", qty=1, ttl_s=604_800, owner="cart")
    story.placed(0.2, "O1", line("A", 4, ships=1, price="9.90"), line("B", 1), correlation_id="K")
    story.placed(0.3, "O2", line("A", 9, ships=2), promised_by=on(2))
    story.placed(0.3, "O3", line("SET", 1))
    story.tell(0.4, "order.hold_placed", "O2", hold_id="X", reason="fraud_review")
    story.tell(0.5, "order.confirmed", "O1")
    for step in ("released", "picked", "packed", "shipped"):
        story.shipment(0.6, step, "O1", "S1", ("1", "A", 4), carrier="DHL", tracking="T-S1")
    story.scanned(0.7, "O1", "S1", "in_transit")
    story.scanned(0.8, "O1", "S1", "delivered")
    story.tell(
        0.9,
        "invoice.posted",
        "O1",
        invoice_id="I1",
        total="59.40",
        currency="EUR",
        lines=[{"line_id": "1", "qty": 6, "amount": "59.40"}],
    )
    story.shipment(1, "shipped", "O8", "S8", ("1", "A", 1))  # waits for its order
    story.counted(1, "A", -4)  # a dead letter
    story.tell(1.1, "supply.rescheduled", "A", supply_id="PO", due=on(9))
    story.counted(3.5, "B", 6, "HAM")
    return story


ASKED = {
    "/v1/atp/{sku}": [
        "/v1/atp/A?qty=30&by=" + on(5),
        "/v1/atp/A?location=BER&channel=web&method=discrete",
        "/v1/atp/SET",
        "/v1/atp/B",
    ],
    "/v1/orders/{order_id}": ["/v1/orders/O1", "/v1/orders/O2", "/v1/orders/O3"],
    "/v1/orders/{order_id}/timeline": ["/v1/orders/O1/timeline"],
    "/v1/orders": ["/v1/orders", "/v1/orders?limit=1"],
    "/v1/explain": ["/v1/explain?atp=A", "/v1/explain?order=O1", "/v1/explain?order=O2"],
    "/v1/at-risk": ["/v1/at-risk"],
    "/v1/exceptions": ["/v1/exceptions", "/v1/exceptions?limit=1"],
    "/v1/kpis": ["/v1/kpis", "/v1/kpis?by=region,channel,day", "/v1/kpis?by=process"],
    "/v1/finance/mismatches": ["/v1/finance/mismatches"],
    "/v1/finance/reconciliation": ["/v1/finance/reconciliation?month=2026-03&by=region"],
    "/v1/credit/{customer_id}": ["/v1/credit/C1"],
    "/v1/prices/{sku}": ["/v1/prices/A", "/v1/prices/A?list=LIST"],
}
LISTS = {
    "/v1/orders": "orders",
    "/v1/at-risk": "promises",
    "/v1/exceptions": "exceptions",
    "/v1/finance/mismatches": "mismatches",
    "/v1/kpis": "groups",
    "/v1/finance/reconciliation": "groups",
}


@pytest.mark.parametrize("path", ASKED)
def test_answers_are_of_the_type_that_is_described(path):
    for target in ASKED[path]:
        body = a_trade().ask(target)
        assert "type" not in body or "status" not in body, body
        if path in LISTS:
            assert body[LISTS[path]], f"{target} is empty, which shows nothing"
        check("GET", path, body | FRESH)


NAMES = {
    "Atp": "sku location channel uom now on_hand buckets safety_stock committed held available_now available shortage "
    "curve discrete earliest stale_supply policy_version freshness",
    "CurvePoint": "date cumulative atp",
    "Earliest": "qty date lines",
    "Promise": "date qty location sku",
    "Order": "order_id status version axes holds lines milestones delay exceptions freshness",
    "Axes": "finance payment returns",
    "OrderHold": "hold_id reason since",
    "Line": "line_id sku promises",
    "Milestone": "name occurred_at recorded_at inferred superseded",
    "Delay": "cause since segments lateness_s slack_eaten_s primary eta at_risk",
    "Segment": "cause stage planned_s actual_s excess_s",
    "OrderException": "id kind detail event_id at",
    "Freshness": "lag_ms positions source",
    "Item": "sku location channel qty by",
    "PromiseWanted": "order_id lines channel ship_complete sourcing dry_run",
    "WhatIfAsked": "events ask",
    "Problem": "type title status detail instance errors",
    "Fault": "path message",
}
"""Type -> the names that everybody who asks relies on."""


@pytest.mark.parametrize("name", NAMES)
def test_names_are_those_that_the_contract_promises(name):
    schema = described()["components"]["schemas"][name]
    assert set(NAMES[name].split()) <= set(schema["properties"])


def test_where_access_is_open_no_call_says_that_it_needs_a_key():
    document = openapi(list(CALLS), is_open=True)
    assert all(one["security"] == [] for item in document["paths"].values() for one in item.values())
    assert described()["paths"]["/v1/orders"]["get"]["security"] == [{"bearer": ["orders:read"]}]


CURSOR = "1772434800000000.TzE"
POSITIONS = ["orders/0:-1", "atp/1:17,orders/0:3"]


def test_what_the_patterns_describe_is_what_is_read():
    def pattern(name):
        parameters = described()["paths"]["/v1/orders"]["get"]["parameters"]
        return next(one["schema"]["pattern"] for one in parameters if one["name"] == name)

    assert cursor_of((1_772_434_800_000_000, "O1")) == CURSOR
    assert page({"cursor": CURSOR}).after == (1_772_434_800_000_000, "O1")
    longest = cursor_of((-(10**18 - 1), "\U0001f600" * 256))
    assert len(longest) <= CURSOR_MAX
    for found in (CURSOR, longest):
        assert re.search(pattern("cursor"), found)
    for text in POSITIONS:
        assert re.search(pattern("min_position"), text)
        assert parse(text)
    for text in ("", "orders:1", "orders/0:1,", "orders/0:1 "):
        assert not re.search(pattern("min_position"), text)


@pytest.mark.parametrize(
    ("text", "days"),
    [("0001-01-01", 0), ("2026-03-02", 20514), ("9999-12-31", 84005), ("1969-12-31T23:59:59-00:30", 0)],
)
def test_days_on_which_nothing_happens_are_the_nearest_on_which_something_may(text, days):
    assert day({"from": text}, "from") == days


@pytest.mark.parametrize("text", ["20260302", "2026-W10-1", "2026-02-30", "2026-03-02T06Z", "2026-3-2"])
def test_what_is_no_day_of_rfc_3339_is_none(text):
    with pytest.raises(Problem, match="is not a day"):
        day({"from": text}, "from")


def test_whole_numbers_may_come_with_a_point():
    raw = b'{"sku": "A", "qty": 2.0, "ttl_s": 6e2}'
    decoder = msgspec.json.Decoder(deeds.HoldAsked)
    asked = read_body(decoder, raw)
    assert (asked.qty, asked.ttl_s) == (2, 600)
    with pytest.raises(Problem, match="got `float`"):
        read_body(decoder, raw.replace(b"2.0", b"2.5"))


def test_problems_are_of_the_type_that_is_described():
    check("GET", "/v1/atp/{sku}", a_trade().ask("/v1/atp/nothing"), "404")
    check("GET", "/v1/atp/{sku}", a_trade().ask("/v1/atp/A?qty=0"), "400")


def test_a_type_that_answers_outgrow_is_found():
    body = a_trade().ask("/v1/orders/O1") | FRESH
    with pytest.raises(AssertionError, match="surprise"):
        check("GET", "/v1/orders/{order_id}", body | {"surprise": 1})
    del body["delay"]
    with pytest.raises(AssertionError, match="delay"):
        check("GET", "/v1/orders/{order_id}", body)


# --- the document ---


def test_it_is_openapi_that_points_to_nothing_missing():
    document = described()
    assert document["openapi"] == "3.1.0"
    text = msgspec.json.encode(document).decode()
    names = set(re.findall(r'"\$ref":"#/components/schemas/([^"]+)"', text))
    assert names <= set(document["components"]["schemas"])
    operations = [one for item in document["paths"].values() for one in item.values()]
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids)) == len(CALLS)
    tags = {tag["name"] for tag in document["tags"]}
    assert all(set(one["tags"]) <= tags for one in operations)
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def view_app():
    settings = Settings(access="open")
    return View(settings, BrokerConnection.from_url("127.0.0.1:1"), index=0).app()


async def test_every_route_is_described_and_needs_a_scope_or_says_that_it_needs_none():
    routes = {(method, path) for method, path in routes_of(view_app()) if method != "HEAD"}
    of_the_api = {route for route in routes if route[1].startswith("/v1/")}
    assert of_the_api <= BY_ROUTE.keys(), "nobody could ask these with a key"
    assert of_the_api <= CALLS.keys(), "nobody could read of these"
    others = {path for method, path in routes - of_the_api if (method, path) not in BY_ROUTE}
    assert others <= OPEN | PAGES.keys() | PAGE_DEEDS.keys()
    assert {route for route in BY_ROUTE if route[1].startswith("/v1/")} == set(CALLS) - {
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        *DESCRIPTIONS,
    }


def test_scopes_that_calls_need_are_scopes_that_can_be_given():
    for operation in OPERATIONS:
        assert {operation.scope, *operation.more_scopes} <= SCOPES.keys()
    assert {scope for operation in OPERATIONS for scope in (operation.scope, *operation.more_scopes)} == set(
        SCOPES
    )


def parameters_taken(path):
    """Names that the parser takes, as it says them when it is given one more."""
    target = re.sub(r"\{\w+\}", "X", path)
    needed = {"/v1/explain": [[("order", "O")], [("atp", "A")]]}.get(path, [[]])
    found = set()
    for given in needed:
        with pytest.raises(Problem) as told:
            if path == "/v1/stream/orders":
                orders_stream([("order_id", "O"), ("zzz", "1")])
            elif path == "/v1/stream/atp":
                atp_stream([("sku", "A"), ("zzz", "1")])
            else:
                question(target, [("zzz", "1"), *given])
        found |= set(told.value.detail.partition("there are ")[2].rstrip(".").split(", "))
    return found | ({"sku"} if path == "/v1/stream/atp" else set())


@pytest.mark.parametrize(
    "path",
    [
        path
        for method, path in CALLS
        if method == "GET" and path.startswith("/v1/") and "subscriptions" not in path
    ],
)
def test_parameters_are_those_that_are_taken(path):
    assert set(CALLS["GET", path].query) == parameters_taken(path)


def test_bodies_that_are_described_apart_have_the_fields_that_are_read():
    assert calls.ReplayAsked.__struct_fields__ == mending.ReplayAsked.__struct_fields__
    assert CALLS["POST", "/v1/holds"].bodies == {"application/json": deeds.HoldAsked}


def test_the_page_has_every_call_and_type_and_asks_for_nothing():
    html = readable(described(), "")
    for (_, path), operation in BY_ROUTE.items():
        assert path in html
        assert operation.scope in html
    assert all(f'id="{name}"' in html for name in described()["components"]["schemas"])
    assert not re.search(r"<script|<img|<link|@import|url\(|src=", html)
    assert set(re.findall(r'href="([^"#]+)', html)) == {"/openapi.json", "/docs/topics"}
