"""What is asked about orders besides one order itself: lists, reports, explanations, credit, prices, and what
is asked wrongly.
"""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from story import Story, day, line, moment

from springtide.app.simulate import simulate

Json = dict[str, Any]


# --- timeline ---


def test_the_timeline_goes_by_time_with_both_clocks_and_who_said_it() -> None:
    story = Story()
    story.counted(0.1, "A", 4)
    story.placed(0.2, "O1", line("A", 4))
    story.tell(
        2,
        "shipment.shipped",
        "O1",
        recorded=2.5,
        shipment_id="S1",
        location="BER",
        lines=[{"line_id": "1", "sku": "A", "qty": 4}],
    )
    story.tell(
        1,
        "shipment.picked",
        "O1",
        recorded=3,
        shipment_id="S1",
        location="BER",
        lines=[{"line_id": "1", "sku": "A", "qty": 4}],
    )
    scan = story.scanned(4, "O1", "S1", "delivered")
    story.tell(5, "delivery.corrected", "O1", shipment_id="S1", cancels=scan)
    facts = [fact for fact in story.ask("/v1/orders/O1/timeline")["facts"] if fact["kind"] != "milestone"]
    assert [fact["event_id"] for fact in facts] == ["e2", "e4", "e3", "e5", "e6"]
    by_id = {fact["event_id"]: fact for fact in facts}
    assert (by_id["e4"]["time"], by_id["e4"]["recordedtime"], by_id["e4"]["source"]) == (
        moment(1),
        moment(3),
        "wms",
    )
    assert (by_id["e3"]["time"], by_id["e3"]["recordedtime"]) == (moment(2), moment(2.5))
    assert by_id["e5"]["superseded"] is True
    assert by_id["e3"]["superseded"] is False


# --- explain ---


def test_the_rule_and_the_facts_behind_a_status() -> None:
    story = Story()
    story.counted(0.1, "A", 9)
    story.placed(0.2, "O1", line("A", 4))
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 1))
    story.shipment(2, "shipped", "O1", "S2", ("1", "A", 2))
    body = story.ask("/v1/explain?order=O1")
    assert body["status"] == "PARTIALLY_SHIPPED"
    text = str(body)
    (mine,) = body["lines"]
    shipped = mine["quantities"]["shipped"]
    assert shipped["value"] == 3
    assert [(c["event_id"], c["delta"]) for c in shipped["contributions"]] == [("e3", 1), ("e4", 2)]
    for quantity in mine["quantities"].values():
        assert sum(c["delta"] for c in quantity["contributions"]) == quantity["value"]
    assert "PARTIALLY_SHIPPED" in text


# --- lists ---


def trade() -> Story:
    """Six orders, O0 to O5, one every tenth of a day; even ones of the north and the web, O3 held, O4 without
    stock, O5 delivered."""
    story = Story()
    story.counted(0, "A", 100)
    for number in range(6):
        is_even = number % 2 == 0
        story.placed(
            0.1 * (number + 1),
            f"O{number}",
            line("B" if number == 4 else "A", 2),
            region="north" if is_even else "south",
            channel="web" if is_even else "b2b",
            customer_id=f"C{number % 3}",
        )
    story.tell(0.8, "order.hold_placed", "O3", hold_id="H", reason="fraud_review")
    story.shipment(1, "shipped", "O5", "S5", ("1", "A", 2))
    story.scanned(2, "O5", "S5", "delivered")
    return story


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", ["O5", "O4", "O3", "O2", "O1", "O0"]),
        ("status=ALLOCATED", ["O2", "O1", "O0"]),
        ("status=ON_HOLD", ["O3"]),
        ("status=DELIVERED", ["O5"]),
        ("region=north", ["O4", "O2", "O0"]),
        ("region=north&channel=b2b", []),
        ("channel=b2b&status=ALLOCATED", ["O1"]),
        ("customer=C1", ["O4", "O1"]),
        ("customer=C1&region=south", ["O1"]),
        ("cause=fraud_review", ["O3"]),
        ("cause=stock_shortage", ["O4"]),
        ("cause=stock_shortage&customer=C2", []),
        ("status=PARTIALLY_RETURNED", []),
    ],
)
def test_lists_of_orders_leave_what_was_asked_for(asked: str, found: list[str]) -> None:
    body = trade().ask(f"/v1/orders?{asked}" if asked else "/v1/orders")
    assert [order["order_id"] for order in body["orders"]] == found
    assert body["cursor"] is None


def test_pages_of_a_list_with_a_filter() -> None:
    story = trade()
    seen: list[str] = []
    cursor = None
    for _ in range(10):
        body = story.ask("/v1/orders?channel=web&limit=1" + (f"&cursor={cursor}" if cursor else ""))
        assert len(body["orders"]) <= 1
        seen += [order["order_id"] for order in body["orders"]]
        cursor = body["cursor"]
        if cursor is None:
            break
    assert seen == ["O4", "O2", "O0"]


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/v1/orders?colour=red", "colour"),
        ("/v1/orders?status=", "status"),
        ("/v1/orders?status=SHIPPED&status=DELIVERED", "status"),
        ("/v1/orders?status=LOST", "status"),
        ("/v1/orders?cause=bad_luck", "cause"),
        ("/v1/orders?at_risk=perhaps", "at_risk"),
        ("/v1/orders?limit=0", "limit"),
        ("/v1/orders?limit=501", "limit"),
        ("/v1/orders?limit=x", "limit"),
        ("/v1/orders?cursor=xyz", "cursor"),
        ("/v1/orders/O1?as_of=2026-03-02", "as_of"),
        ("/v1/orders/O1?as_of=2026-03-02T00:00:00", "as_of"),
        ("/v1/orders/O1?as_of=yesterday", "as_of"),
        ("/v1/orders/O1?qty=1", "qty"),
        ("/v1/kpis?by=colour", "by"),
        ("/v1/kpis?by=region,region", "by"),
        ("/v1/kpis?from=2026-13-01", "from"),
        ("/v1/kpis?from=2026-03-05&to=2026-03-01", "from"),
        ("/v1/finance/mismatches?format=xml", "format"),
        ("/v1/finance/mismatches?region=", "region"),
        ("/v1/prices/A?at=2026", "at"),
        ("/v1/credit/C1?list=x", "list"),
        ("/v1/exceptions?state=broken", "state"),
        ("/v1/exceptions?what=thing", "what"),
        ("/v1/at-risk?limit=-1", "limit"),
        ("/v1/explain", "order"),
        ("/v1/explain?order=O1&atp=A", "order"),
    ],
)
def test_what_is_asked_wrongly_is_named(path: str, wrong: str) -> None:
    story = trade()
    body = story.ask(path)
    assert (body["status"], body["type"].rpartition(":")[2]) == (400, "bad-request")
    assert wrong in [error["path"] for error in body["errors"]] or path.startswith("/v1/explain")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/orders/NONE", "unknown-order"),
        ("/v1/orders/NONE/timeline", "unknown-order"),
        ("/v1/orders/EARLY", "order-not-placed"),
        ("/v1/orders/O1?as_of=2026-03-01T00:00:00Z", "unknown-order"),
        ("/v1/credit/NOBODY", "unknown-customer"),
        ("/v1/prices/NONE", "unknown-price"),
        ("/v1/explain?order=NONE", "unknown-order"),
        ("/v1/nothing", "not-found"),
    ],
)
def test_what_is_not_there(path: str, kind: str) -> None:
    story = trade()
    story.tell(2, "order.confirmed", "EARLY")
    body = story.ask(path)
    assert (body["status"], body["type"].rpartition(":")[2], body["instance"]) == (
        404,
        kind,
        path.partition("?")[0],
    )


# --- what waits for its order ---


def test_facts_wait_for_their_order_no_longer_than_the_grace_time() -> None:
    story = Story()
    story.shipment(0, "shipped", "O1", "S1", ("1", "A", 1))
    story.scanned(1, "O1", "S1", "delivered")
    waiting = story.ask("/v1/exceptions", now=6)["exceptions"]
    assert [entry["state"] for entry in waiting] == ["waiting"] * 2
    # seven days after the first of them
    letters = story.ask("/v1/exceptions", now=7.1)["exceptions"]
    assert [entry["kind"] for entry in letters] == ["order_unknown"] * 2
    assert all("O1" in entry["impact"]["orders"] for entry in letters)
    story.placed(8, "O1", line("A", 1))
    assert story.order("O1")["status"] == "BACKORDERED"


def test_facts_that_waited_have_their_own_clocks() -> None:
    story = Story()
    story.counted(0, "A", 4)
    story.scanned(3, "O1", "S1", "delivered")
    story.shipment(2, "shipped", "O1", "S1", ("1", "A", 4))
    story.tell(1, "order.confirmed", "O1")
    story.placed(0.5, "O1", line("A", 4))
    body = story.order("O1")
    assert body["status"] == "DELIVERED"
    names = {m["name"]: m["occurred_at"] for m in body["milestones"]}
    assert (names["received"], names["confirmed"], names["shipped"], names["delivered"]) == (
        moment(0.5),
        moment(1),
        moment(2),
        moment(3),
    )
    assert body["exceptions"] == []


# --- credit ---


def test_credit_follows_the_open_orders_of_a_customer() -> None:
    story = Story()
    story.counted(0, "A", 100)
    story.tell(0, "credit.limit_set", "C1", limit="100.00", currency="EUR")
    story.placed(0.1, "O1", line("A", 4, price="5.00"))
    story.placed(0.2, "O2", line("A", 2, price="1.50"))
    story.placed(0.3, "O3", line("A", 1, price="7.00"), currency="USD")
    story.placed(0.4, "OTHER", line("A", 1, price="9.00"), customer_id="C2")
    body = story.ask("/v1/credit/C1")
    assert body["open_amount"] == {"EUR": "23.00", "USD": "7.00"}
    assert body["available"] == "77.00"
    story.tell(1, "order.cancelled", "O2")
    story.shipment(1, "shipped", "O1", "S1", ("1", "A", 3))
    body = story.ask("/v1/credit/C1")
    assert body["open_amount"] == {"EUR": "5.00", "USD": "7.00"}
    story.tell(2, "credit.exposure_changed", "C1", exposure="120.00")
    body = story.ask("/v1/credit/C1")
    assert (body["limit"], body["exposure"], body["currency"]) == ("100.00", "120.00", "EUR")
    assert body["available"] == "-20.00"
    story.tell(3, "credit.hold_placed", "C1", hold_id="K")
    assert [h["hold_id"] for h in story.ask("/v1/credit/C1")["holds"]] == ["K"]
    story.tell(4, "credit.hold_released", "C1", hold_id="K")
    assert story.ask("/v1/credit/C1")["holds"] == []


# --- prices ---


def test_prices_have_a_time_a_list_and_a_currency() -> None:
    story = Story()

    def price(
        at: float, name: str, amount: str, begins: int, ends: int | None = None, currency: str = "EUR"
    ) -> None:
        more = {} if ends is None else {"valid_to": day(ends)}
        story.tell(
            at,
            "price.set",
            "A",
            sku="A",
            list=name,
            amount=amount,
            currency=currency,
            valid_from=day(begins),
            **more,
        )

    price(0, "retail", "9.90", 0)
    price(0, "retail", "7.90", 5, 8)
    price(0, "trade", "6.00", 3, currency="USD")

    def asked(name: str, at: float) -> tuple[str | None, str | None]:
        body = story.ask(f"/v1/prices/A?list={name}&at={moment(at)}")
        return body["amount"], body["currency"]

    assert asked("retail", 1) == ("9.90", "EUR")
    assert [story.ask(f"/v1/prices/A?list=retail&at={day(n)}")["amount"] for n in (4, 5, 9)] == [
        "9.90",
        "7.90",
        "9.90",
    ]
    assert asked("retail", 5) == ("7.90", "EUR")
    assert asked("retail", 7.5) == ("7.90", "EUR")
    assert asked("trade", 4) == ("6.00", "USD")
    assert story.ask(f"/v1/prices/A?list=trade&at={moment(1)}").get("amount") is None


# --- key figures and reports ---


def test_key_figures_by_region_channel_and_day() -> None:
    story = trade()
    whole = story.ask("/v1/kpis", now=2.5)["groups"][0]
    assert whole["orders"] == 6
    by_region = {g["region"]: g for g in story.ask("/v1/kpis?by=region", now=2.5)["groups"]}
    assert {name: g["orders"] for name, g in by_region.items()} == {"north": 3, "south": 3}
    assert by_region["south"]["cycle_time_s"]["p50"] == 120_960
    both = {
        (g["region"], g["channel"]): g["orders"]
        for g in story.ask("/v1/kpis?by=region,channel", now=2.5)["groups"]
    }
    assert both == {("north", "web"): 3, ("south", "b2b"): 3}
    assert [g["orders"] for g in story.ask(f"/v1/kpis?from={day(1)}", now=2.5)["groups"]] in ([], [0])


# --- the order of arrival ---


def life(story: Story, which: str) -> None:
    """One fact of O1, always with the same event id."""
    taken = len(story.lines)
    if which == "release":
        story.shipment(1, "released", "O1", "S1", ("1", "A", 3), ("2", "B", 2))
    elif which == "ship1":
        story.shipment(2, "shipped", "O1", "S1", ("1", "A", 3), ("2", "B", 2))
    elif which == "ship2":
        story.shipment(2.5, "shipped", "O1", "S2", ("1", "A", 1))
    elif which == "void":
        story.tell(3, "shipment.voided", "O1", shipment_id="S2", reason="x")
    elif which == "scan":
        story.scanned(3, "O1", "S1", "in_transit")
    elif which == "lost":
        story.scanned(4, "O1", "S1", "lost")
    elif which == "correct":
        story.tell(5, "delivery.corrected", "O1", shipment_id="S1", cancels="id-lost")
    elif which == "deliver":
        story.scanned(6, "O1", "S1", "delivered")
    elif which == "invoice":
        story.tell(
            2.2,
            "invoice.posted",
            "O1",
            invoice_id="I1",
            total="9",
            currency="EUR",
            lines=[{"line_id": "1", "qty": 4, "amount": "6"}, {"line_id": "2", "qty": 2, "amount": "3"}],
        )
    elif which == "reverse":
        story.tell(6.5, "invoice.reversed", "O1", invoice_id="I1")
    elif which == "memo":
        story.tell(
            7,
            "credit_memo.issued",
            "O1",
            memo_id="M1",
            reason="return",
            restock=True,
            lines=[{"line_id": "1", "qty": 1, "amount": "2"}],
        )
    elif which == "authorize":
        story.tell(
            6.1, "return.authorized", "O1", return_id="R1", lines=[{"line_id": "1", "qty": 1, "reason": "x"}]
        )
    elif which == "return":
        story.tell(
            6.2, "return.received", "O1", return_id="R1", location="BER", lines=[{"line_id": "1", "qty": 1}]
        )
    elif which == "inspect":
        story.tell(
            6.3,
            "return.inspected",
            "O1",
            return_id="R1",
            lines=[{"line_id": "1", "qty": 1, "disposition": "damaged"}],
        )
    elif which == "pay":
        story.tell(2.3, "payment.captured", "O1", payment_id="P1", amount="9")
    elif which == "refund":
        story.tell(7.1, "payment.refunded", "O1", payment_id="P2", amount="2")
    elif which == "short":
        story.tell(1.5, "pick.short", "O1", shipment_id="S1", line_id="1", qty=1)
    elif which == "weather":
        story.tell(3.5, "parcel.exception", "O1", shipment_id="S1", kind="weather")
    told = story.lines[taken]
    story.lines[taken] = told.replace(f'"e{taken + 1}"', f'"id-{which}"')


FACTS = [
    "release",
    "ship1",
    "ship2",
    "void",
    "scan",
    "lost",
    "correct",
    "deliver",
    "invoice",
    "reverse",
    "memo",
    "authorize",
    "return",
    "inspect",
    "pay",
    "refund",
    "short",
    "weather",
]


def settled(story: Story, lines: list[str]) -> Json:
    (body,) = simulate(lines, ["/v1/orders/O1"], None)
    kept = {name: body[name] for name in ("status", "axes", "lines", "holds", "delay", "sentence")}
    for one in kept["lines"]:
        one.pop("promises")
    kept["milestones"] = [
        {name: m[name] for name in ("name", "occurred_at", "recorded_at", "inferred")}
        for m in sorted(body["milestones"], key=lambda m: m["name"])
        if not m["superseded"] and m["name"] not in ("reopened", "closed")
    ]
    kept["exceptions"] = sorted((e["kind"], e["detail"]) for e in body["exceptions"])
    kept["shipments"] = sorted(
        ({**s, "scans": sorted(map(str, s["scans"]))} for s in body["shipments"]),
        key=lambda s: s["shipment_id"],
    )
    return kept


@pytest.mark.parametrize("seed", range(12))
def test_facts_of_different_systems_in_any_order_and_twice(seed: int) -> None:
    chance = random.Random(seed)
    facts = chance.sample(FACTS, chance.randint(5, len(FACTS)))
    seen: list[Json] = []
    for turn in range(4):
        story = Story()
        story.counted(0.1, "A", 10)
        story.counted(0.1, "B", 10)
        story.placed(0.2, "O1", line("A", 4, price="1.50"), line("B", 2, price="1.50"))
        order = sorted(facts, key=FACTS.index) if turn == 0 else chance.sample(facts, len(facts))
        for which in order:
            life(story, which)
        lines = list(story.lines)
        if turn > 1:
            lines += chance.sample(lines[3:], 3)
        seen.append(settled(story, lines))
    for other in seen[1:]:
        assert other == seen[0]


def test_all_orders_of_a_small_life() -> None:
    seen: list[Json] = []
    for facts in itertools.permutations(("ship1", "void", "ship2", "deliver", "return")):
        story = Story()
        story.counted(0.1, "A", 10)
        story.counted(0.1, "B", 10)
        story.placed(0.2, "O1", line("A", 4), line("B", 2))
        for which in facts:
            life(story, which)
        seen.append(settled(story, story.lines))
    for other in seen[1:]:
        assert other == seen[0]


def whole_life() -> list[str]:
    """All of FACTS about O1, told in order of their time."""
    story = Story()
    story.counted(0.1, "A", 10)
    story.counted(0.1, "B", 10)
    story.placed(0.2, "O1", line("A", 4, price="1.50"), line("B", 2, price="1.50"))
    for which in FACTS:
        life(story, which)
    return sorted(story.lines, key=lambda told: json.loads(told)["time"])


def test_an_order_as_of_then_is_what_it_was_then() -> None:
    log = whole_life()
    for half_days in range(1, 16):
        then = moment(half_days / 2)
        (before,) = simulate(
            [told for told in log if json.loads(told)["time"] <= then], ["/v1/orders/O1"], then
        )
        (asked,) = simulate(log, [f"/v1/orders/O1?as_of={then}"], None)
        assert asked == before, then


def test_contributions_sum_to_each_quantity_whatever_was_taken_back() -> None:
    log = whole_life()
    for facts in range(3, len(log) + 1):
        (body,) = simulate(log[:facts], ["/v1/explain?order=O1"], None)
        for one in body["lines"]:
            for name, quantity in one["quantities"].items():
                assert sum(c["delta"] for c in quantity["contributions"]) == quantity["value"], (facts, name)
