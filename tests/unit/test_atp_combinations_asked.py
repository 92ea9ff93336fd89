"""What may be asked of available-to-promise, how the answers hang together, and what is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from story import Story, curve, day, line, moment, number

from springtide.app.simulate import simulate

Json = dict[str, Any]


def eventful() -> Story:
    """Two places with stock, safety stock, supply, fences, holds, orders of all kinds and a kit."""
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    story.policy(supply_fence_days=2, supply_offset_days=1, demand_fence_days=4, demand_offset_days=1)
    story.product("A", pack={"BOX": 4})
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 3}])
    story.counted(0.1, "A", 14)
    story.counted(0.1, "A", 6, "HAM")
    story.counted(0.1, "B", 20)
    story.tell(0.1, "safety_stock.set", "A", location="BER", qty=2)
    story.supply(0.11, "A", 8, due=-1, name="LATE")
    story.supply(0.11, "A", 9, due=-3, name="STALE")
    story.supply(0.11, "A", 10, due=5, location="HAM", name="PO")
    story.tell(0.12, "fence.set", "A", channel="web", qty=5, rank=1, location="BER")
    story.tell(0.2, "hold.placed", "A", hold_id="H", qty=3, ttl_s=7_200, owner="cart", location="BER")
    story.tell(0.2, "hold.placed", "A", hold_id="K", qty=1, ttl_s=86_400, owner="cart", channel="web")
    story.placed(0.3, "O1", line("A", 9))
    story.placed(0.31, "O2", line("A", 4, ships=2), channel="shop")
    story.placed(0.32, "O3", line("SET", 1), line("A", 1))
    story.placed(0.33, "O4", line("A", 30))
    story.tell(0.34, "order.cancelled", "O4", lines=[{"line_id": "1", "qty": 12}])
    story.shipment(0.4, "shipped", "O1", "S1", ("1", "A", 2))
    story.tell(0.41, "inventory.issued", "A", location="BER", qty=2, shipment_id="S1")
    story.tell(0.42, "inventory.moved", "A", location="BER", qty=1, **{"from": "sellable", "to": "damaged"})
    story.tell(0.43, "supply.rescheduled", "A", supply_id="PO", due=day(7))
    story.counted(0.44, "A", 5, "HAM", basis="excludes_committed")
    return story


ASKED = [
    {"location": location, "channel": channel, "now": now}
    for location, channel, now in product((None, "BER", "HAM"), (None, "web", "shop"), (0.5, 2.2))
]


def ask(story: Story, sku: str, location: str | None, channel: str | None, now: float, **more: Any) -> Json:
    named = {"location": location, "channel": channel, **more}
    return story.atp(sku, now=now, **{name: value for name, value in named.items() if value is not None})


@pytest.mark.parametrize("asked", ASKED)
def test_figures_hang_together(asked: dict[str, Any]) -> None:
    story = eventful()
    body = ask(story, "A", **asked)
    assert body["on_hand"] == sum(body["buckets"].values())
    assert (body["available"], body["shortage"]) == (
        max(0, body["available_now"]),
        max(0, -body["available_now"]),
    )
    if asked["channel"] is None:
        by_definition = body["buckets"]["sellable"] - body["safety_stock"] - body["committed"]
        by_definition -= body["held"] + body["backordered"]
        assert body["available_now"] == by_definition
    atp, cum = curve(body), curve(body, "cumulative")
    assert atp == sorted(atp)
    assert len(atp) == 90
    assert atp == [min(cum[t:]) for t in range(90)] or asked["channel"] is not None
    # earliest is the first day whose figure is at least so much
    for qty in (1, 3, 8):
        found = ask(story, "A", **asked, qty=qty)["earliest"]
        first = next((t for t, units in enumerate(atp) if units >= qty), None)
        start = number(body["curve"][0]["date"])
        assert start is not None
        assert number(found["date"]) == (None if first is None else start + first)
        assert sum(p["qty"] for p in found["lines"]) == min(qty, max(0, atp[-1]))


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("sku", ["A", "B", "SET"])
def test_explanations_sum_to_each_figure(sku: str, asked: dict[str, Any]) -> None:
    story = eventful()
    body = ask(story, sku, **asked)
    query = "".join(f"&{name}={asked[name]}" for name in ("location", "channel") if asked[name] is not None)
    found = story.ask(f"/v1/explain?atp={sku}{query}", asked["now"])["figures"]
    figures = {**body["buckets"], **{name: body[name] for name in found if name in body}}
    assert {"on_hand", "committed", "held", "backordered", "available_now", "available", "shortage"} <= set(
        found
    )
    for name, told in found.items():
        assert told["value"] == figures[name], name
        assert sum(part["delta"] for part in told["contributions"]) == figures[name], name
        assert all(part["event_id"] for part in told["contributions"]), name


def test_the_past_is_what_the_log_up_to_then_says() -> None:
    story = eventful()
    for n in range(len(story.lines), 0, -3):
        instant = _time_of(story.lines[n - 1])
        upto = [told for told in story.lines if _time_of(told) <= instant]
        then = simulate(upto, ["/v1/atp/A?qty=3", "/v1/orders/O1"], instant)
        now = simulate(story.lines, [f"/v1/atp/A?qty=3&as_of={instant}", f"/v1/orders/O1?as_of={instant}"])
        assert [_bare(body) for body in now] == [_bare(body) for body in then]


def _time_of(told: str) -> str:
    return told.partition('"time": "')[2].partition('"')[0]


def _bare(body: Json) -> Json:
    return {name: value for name, value in body.items() if name != "instance"}


def test_known_at_leaves_out_what_was_recorded_later_and_as_of_what_occurred_later() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(1.1, "O1", line("A", 4), recorded=3.1)  # heard of two days late
    story.placed(2.1, "O2", line("A", 8))
    seen = [
        ({}, (10, 2)),
        ({"as_of": moment(2)}, (4, 0)),
        ({"known_at": moment(2.5)}, (8, 0)),
        ({"as_of": moment(2), "known_at": moment(2.5)}, (0, 0)),
        ({"as_of": moment(2.5), "known_at": moment(3.5)}, (10, 2)),
    ]
    for asked, (committed, backordered) in seen:
        body = story.atp("A", **asked)
        assert (body["committed"], body["backordered"]) == (committed, backordered), asked


def test_exclude_order_is_as_if_it_had_never_asked() -> None:
    story = Story()
    story.counted(0.1, "A", 10)
    story.placed(0.2, "O1", line("A", 4))
    story.placed(0.3, "O2", line("A", 9, ships=2))
    body = story.atp("A", exclude_order="O2")
    assert (body["available_now"], curve(body, days=4)) == (6, [6, 6, 6, 6])
    body = story.atp("A", exclude_order="O1")
    assert (body["available_now"], curve(body, days=4)) == (10, [1, 1, 1, 1])
    assert story.atp("A", exclude_order="NOBODY")["available_now"] == 6


def test_packs_count_whole_ones() -> None:
    story = eventful()
    body = story.atp("A", now=0.5, location="HAM")
    assert body["packs"]["BOX"] == {"factor": 4, "available": body["available"] // 4}


def test_at_risk_by_rank_and_by_filters() -> None:
    story = Story()
    story.policy(ranking="priority_fifo")
    for sku in ("A", "B"):
        story.supply(0.1, sku, 9, due=3, name=f"P-{sku}")
    story.placed(0.2, "SLOW", line("A", 4), channel="web", region="north")
    story.placed(0.3, "URGENT", line("A", 5), line("B", 9), priority=1, channel="shop")
    assert story.ask("/v1/at-risk")["promises"] == []
    story.tell(0.4, "supply.rescheduled", "A", supply_id="P-A", due=day(8))
    story.tell(0.5, "supply.cancelled", "B", supply_id="P-B")

    def seen(query: str = "") -> list[tuple[str, str, int, str, str | None]]:
        found = story.ask(f"/v1/at-risk{query}")["promises"]
        return [(p["order_id"], p["sku"], p["qty"], p["promised"], p["date"]) for p in found]

    slow = ("SLOW", "A", 4, day(3), day(8))
    urgent = [("URGENT", "A", 5, day(3), day(8)), ("URGENT", "B", 9, day(3), None)]
    assert seen() == [*urgent, slow]
    assert seen("?sku=B") == urgent[1:]
    assert seen("?channel=web") == [slow]
    assert seen("?region=north") == [slow]
    first = story.ask("/v1/at-risk?limit=2")
    assert [p["order_id"] for p in first["promises"]] == ["URGENT", "URGENT"]
    assert seen(f"?limit=2&cursor={first['cursor']}") == [slow]


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("qty=0", "qty"),
        ("qty=-1", "qty"),
        ("qty=1.5", "qty"),
        ("qty=x", "qty"),
        ("qty=", "qty"),
        ("qty=1&qty=2", "qty"),
        ("by=tomorrow", "by"),
        ("by=2026-02-30", "by"),
        ("method=lookahead", "method"),
        ("as_of=2026-03-02", "as_of"),
        ("as_of=2026-03-02T06:00:00", "as_of"),
        ("known_at=now", "known_at"),
        ("colour=red", "colour"),
        ("location=", "location"),
        ("max_staleness=-1", "max_staleness"),
        ("min_position=nowhere", "min_position"),
    ],
)
def test_what_is_ill_formed_is_refused_by_name(query: str, path: str) -> None:
    story = Story()
    story.counted(0.1, "A", 1)
    body = story.ask(f"/v1/atp/A?{query}")
    assert (body["status"], body["type"].rpartition(":")[2]) == (400, "bad-request")
    assert [fault["path"] for fault in body["errors"]] == [path]


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/atp/TYPO", 404, "unknown-sku"),
        ("/v1/atp/A?location=NOWHERE", 404, "unknown-location"),
        ("/v1/orders/NOBODY", 404, "unknown-order"),
        ("/v1/explain?atp=TYPO", 404, "unknown-sku"),
        ("/v1/explain?order=NOBODY", 404, "unknown-order"),
        ("/v1/explain", 400, "bad-request"),
        ("/v1/explain?atp=A&order=O1", 400, "bad-request"),
        ("/v1/at-risk?limit=0", 400, "bad-request"),
        ("/v1/at-risk?cursor=nonsense", 400, "bad-request"),
        ("/v1/nothing", 404, "not-found"),
        ("/v1/whatif", 405, "method-not-allowed"),
        ("/v1/atp:batch", 405, "method-not-allowed"),
    ],
)
def test_problems(path: str, status: int, kind: str) -> None:
    story = Story()
    story.counted(0.1, "A", 1)
    body = story.ask(path)
    assert (body["status"], body["type"].rpartition(":")[2]) == (status, kind)
    assert body["title"]
    assert body["detail"]
    assert body["instance"] == path.partition("?")[0]


def test_an_untracked_sku_is_null_for_every_question() -> None:
    story = Story()
    story.product("CARD", tracked=False)
    story.placed(0.1, "O1", line("CARD", 2, ships=4))
    for asked in ({}, {"qty": 5}, {"by": day(3)}, {"channel": "web"}, {"method": "discrete"}):
        body = story.atp("CARD", **asked)
        assert body["untracked"] is True
        assert (body["available_now"], body["available"], body["curve"]) == (None, None, None)
