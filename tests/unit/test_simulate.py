"""`springtide simulate`: small files of events whose answers can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from springtide.app.simulate import Malformed, main_simulate, simulate

Json = dict[str, Any]
_SOURCE = {"order": "oms", "inventory": "wms", "shipment": "wms", "parcel": "carrier", "hold": "storefront"}


def event(clock: str, name: str, subject: str, event_id: str = "", **data: Any) -> str:
    """A line of a file, at a clock time of 2 March 2026 UTC; the id is by default the clock time."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": event_id or f"{name} {clock}",
            "source": _SOURCE[name.split(".", 1)[0]],
            "type": f"springtide.{name}.v1",
            "subject": subject,
            "time": f"2026-03-02T{clock}Z",
            "data": data,
        }
    )


def counted(clock: str, sku: str, on_hand: int, location: str = "ber") -> str:
    return event(
        clock, "inventory.counted", sku, location=location, on_hand=on_hand, basis="includes_committed"
    )


def placed(clock: str, order_id: str, *lines: tuple[str, int], **more: Any) -> str:
    """Lines are (sku, qty), numbered from 1."""
    stated = [{"line_id": f"{n}", "sku": sku, "qty": qty} for n, (sku, qty) in enumerate(lines, 1)]
    return event(
        clock,
        "order.placed",
        order_id,
        order_id=order_id,
        customer_id="c1",
        channel="web",
        currency="EUR",
        lines=stated,
        **more,
    )


def ask(lines: list[str], path: str, now: str | None = None) -> Json:
    return simulate(lines, [path], now)[0]


def figures(body: Json, *names: str) -> tuple[Any, ...]:
    return tuple(body[name] for name in names)


# --- stock and orders ---


def test_an_order_takes_what_there_is_and_waits_for_the_rest() -> None:
    lines = [
        counted("06:00:00", "tea", 5),
        placed("06:01:00", "o1", ("tea", 3)),
        placed("06:02:00", "o2", ("tea", 4)),
    ]
    tea, o1, o2 = simulate(lines, ["/v1/atp/tea", "/v1/orders/o1", "/v1/orders/o2"], None)
    # 5 on hand, 3 + 2 committed, 2 backordered: 5 - 5 - 2 = -2
    assert figures(tea, "on_hand", "committed", "backordered", "available_now", "available", "shortage") == (
        5,
        5,
        2,
        -2,
        0,
        2,
    )
    assert tea["now"] == "2026-03-02T06:02:00Z"
    assert o1["status"] == "ALLOCATED"
    assert o2["status"] == "PARTIALLY_ALLOCATED"
    assert figures(o2["lines"][0], "ordered", "allocated", "backordered") == (4, 2, 2)
    assert "freshness" not in tea
    assert "freshness" not in o1


def test_a_receipt_fills_the_first_in_line_before_the_second() -> None:
    lines = [
        counted("06:00:00", "tea", 0),
        placed("06:01:00", "o1", ("tea", 3)),
        placed("06:02:00", "o2", ("tea", 3)),
        event("06:03:00", "inventory.received", "tea", location="ber", qty=4),
    ]
    o1, o2 = simulate(lines, ["/v1/orders/o1", "/v1/orders/o2"], None)
    assert (o1["status"], o2["status"]) == ("ALLOCATED", "PARTIALLY_ALLOCATED")
    assert o2["lines"][0]["allocated"] == 1


def test_shipping_takes_the_units_out_of_stock_and_of_what_is_committed() -> None:
    part = [{"line_id": "1", "sku": "tea", "qty": 3}]
    lines = [
        counted("06:00:00", "tea", 5),
        placed("06:01:00", "o1", ("tea", 3)),
        event("07:00:00", "shipment.shipped", "o1", shipment_id="s1", location="ber", lines=part),
    ]
    tea, o1 = simulate(lines, ["/v1/atp/tea", "/v1/orders/o1"], None)
    assert figures(tea, "on_hand", "committed", "available_now") == (2, 0, 2)
    assert o1["status"] == "SHIPPED"
    assert [(m["name"], m["inferred"]) for m in o1["milestones"] if m["name"] in ("picked", "shipped")] == [
        ("picked", True),
        ("shipped", False),
    ]


def test_ship_complete_over_two_skus_keeps_nothing_until_it_can_have_all() -> None:
    short = [
        counted("06:00:00", "tea", 5),
        counted("06:00:01", "cup", 0),
        placed("06:01:00", "o1", ("tea", 2), ("cup", 1), ship_complete=True),
    ]
    tea, o1 = simulate(short, ["/v1/atp/tea", "/v1/orders/o1"], None)
    assert tea["committed"] == 0
    assert o1["status"] == "BACKORDERED"
    tea, o1 = simulate(
        [*short, event("06:02:00", "inventory.received", "cup", location="ber", qty=1)],
        ["/v1/atp/tea", "/v1/orders/o1"],
        None,
    )
    assert tea["committed"] == 2
    assert o1["status"] == "ALLOCATED"


def test_a_location_has_its_own_figures() -> None:
    lines = [counted("06:00:00", "tea", 5), counted("06:00:01", "tea", 2, "muc")]
    both, muc, ham = simulate(
        lines, ["/v1/atp/tea", "/v1/atp/tea?location=muc", "/v1/atp/tea?location=ham"], None
    )
    assert (both["available_now"], muc["available_now"]) == (7, 2)
    assert ham["status"] == 404


# --- time ---


HELD = [
    counted("06:00:00", "tea", 5),
    event("06:01:00", "hold.placed", "tea", hold_id="h1", qty=4, ttl_s=600, owner="basket"),
    placed("06:02:00", "o1", ("tea", 3)),
]


def test_a_hold_keeps_units_from_an_order() -> None:
    tea, o1 = simulate(HELD, ["/v1/atp/tea", "/v1/orders/o1"], None)
    assert figures(tea, "held", "committed", "backordered") == (4, 1, 2)
    assert o1["lines"][0]["allocated"] == 1


@pytest.mark.parametrize(
    ("now", "held", "status"), [("06:10:59", 4, "PARTIALLY_ALLOCATED"), ("06:11:00", 0, "ALLOCATED")]
)
def test_at_its_expiry_a_hold_is_dead_and_who_waits_gets_its_units(now: str, held: int, status: str) -> None:
    tea, o1 = simulate(HELD, ["/v1/atp/tea", "/v1/orders/o1"], f"2026-03-02T{now}Z")
    assert tea["held"] == held
    assert o1["status"] == status
    assert tea["now"] == f"2026-03-02T{now}Z"


def test_time_passes_for_a_sku_though_its_events_are_about_another() -> None:
    tea, o1 = simulate([*HELD, counted("06:30:00", "cup", 1)], ["/v1/atp/tea", "/v1/orders/o1"], None)
    assert tea["held"] == 0
    assert o1["status"] == "ALLOCATED"
    assert {m["name"]: m["occurred_at"] for m in o1["milestones"]}["allocated"] == "2026-03-02T06:11:00Z"


def test_a_line_for_later_is_allocated_when_its_day_comes_before_what_came_after_it() -> None:
    later = {"line_id": "1", "sku": "tea", "qty": 3, "requested_date": "2026-03-03"}
    order = event(
        "06:01:00",
        "order.placed",
        "o1",
        order_id="o1",
        customer_id="c1",
        channel="web",
        currency="EUR",
        lines=[later],
    )
    base = [counted("06:00:00", "tea", 3), order]
    assert ask(base, "/v1/atp/tea")["committed"] == 0
    assert ask(base, "/v1/atp/tea", "2026-03-03T00:00:00Z")["committed"] == 3
    # The same, read later: a hold the day after finds the units gone already.
    hold = event("06:00:00", "hold.placed", "tea", hold_id="h1", qty=1, ttl_s=600, owner="basket")
    tea = ask([*base, hold.replace("2026-03-02T06", "2026-03-03T06")], "/v1/atp/tea")
    assert (tea["committed"], tea["held"]) == (3, 0)


def test_an_event_without_recordedtime_was_recorded_at_its_time() -> None:
    o1 = ask([placed("06:00:00.123456", "o1", ("tea", 1))], "/v1/orders/o1")
    received = o1["milestones"][0]
    assert received["occurred_at"] == received["recorded_at"] == "2026-03-02T06:00:00.123456Z"


def test_now_never_moves_back() -> None:
    assert ask(HELD, "/v1/atp/tea", "2026-03-01T00:00:00Z")["now"] == "2026-03-02T06:02:00Z"


# --- what is refused ---


def test_the_same_event_again_changes_nothing() -> None:
    receipt = event("06:01:00", "inventory.received", "tea", location="ber", qty=2)
    assert ask([receipt, receipt, receipt], "/v1/atp/tea")["on_hand"] == 2


@pytest.mark.parametrize(
    "broken",
    [
        '{"no": "event"}',
        "{}",
        event("06:05:00", "inventory.received", "tea", location="ber", qty=-3),
        event("06:05:00", "inventory.received", "tea", location="ber"),
        event("06:05:00", "inventory.received", "tea", location="ber", qty=3).replace("wms", "crm"),
        event("06:05:00", "inventory.received", "tea", location="ber", qty=3).replace(
            "received", "teleported"
        ),
        event("06:05:00", "inventory.received", "tea", location="ber", qty=3).replace("00Z", "00"),
        event("06:05:00", "inventory.received", "tea", location="ber", qty=3).replace('"tea"', "4711"),
    ],
)
def test_an_event_that_is_refused_changes_nothing_and_stops_nothing(broken: str) -> None:
    lines = [
        counted("06:00:00", "tea", 5),
        broken,
        event("06:01:00", "inventory.received", "tea", location="ber", qty=1),
    ]
    tea = ask(lines, "/v1/atp/tea")
    assert (tea["on_hand"], tea["now"]) == (6, "2026-03-02T06:01:00Z")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/atp/unknown", 404),
        ("/v1/orders/unknown", 404),
        ("/v1/nothing", 404),
        ("/v1/atp:batch", 405),
        ("/v1/events", 405),
        ("/v1/atp/tea?colour=green", 400),
    ],
)
def test_what_has_no_answer_has_a_problem(path: str, status: int) -> None:
    problem = ask([counted("06:00:00", "tea", 5)], path)
    assert problem["status"] == status
    assert set(problem) >= {"type", "title", "detail", "instance"}
    assert problem["instance"] == path.partition("?")[0]


@pytest.mark.parametrize("line", ["no json", "[]", '"text"', "{", "\udcff{}", "1"])
def test_a_line_that_is_no_object_is_named_by_its_number(line: str) -> None:
    with pytest.raises(Malformed, match="line 3 is no JSON object"):
        simulate([counted("06:00:00", "tea", 5), "", line], [], None)


# --- the command ---


def written(folder: Path, *lines: str) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_it_prints_a_line_for_each_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = written(tmp_path, *HELD)
    assert main_simulate(log, ["/v1/atp/tea", "/v1/orders/none"], "2026-03-02T09:00:00+01:00") == 0
    tea, none = capsys.readouterr().out.splitlines()
    assert json.loads(tea)["now"] == "2026-03-02T08:00:00Z"
    assert json.loads(none)["status"] == 404


def test_a_malformed_file_gives_2_and_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = written(tmp_path, HELD[0], "{broken")
    assert main_simulate(log, ["/v1/atp/tea"], None) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "line 2" in told.err


def test_a_file_that_is_not_there_and_a_time_that_is_none_give_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_simulate(tmp_path / "none.jsonl", ["/v1/atp/tea"], None) == 2
    assert "none.jsonl" in capsys.readouterr().err
    assert main_simulate(written(tmp_path, *HELD), ["/v1/atp/tea"], "today") == 2
    assert "--now" in capsys.readouterr().err
