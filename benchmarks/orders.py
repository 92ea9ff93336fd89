"""Reading orders: one with 200 facts, and pages of 50 out of a million by any filter.

A whole stack takes the orders in first (so many `order.placed`, of which some are shipped, some held), and its
view makes its index of them; that takes minutes. Then requests come at a fixed rate whatever the view does, and
each latency counts from when the request was due.

    python -m benchmarks.orders [--orders 1000000] [--seconds 10] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.request
from collections.abc import Iterator
from typing import Any, Final

import uvloop

from benchmarks import http_load, live, program
from benchmarks.harness import BenchError, say
from benchmarks.peers import bare_aiohttp
from benchmarks.report import Report
from springtide.app.trade.emission import Emission, event
from springtide.app.trade.load import load
from springtide.app.up.stack import Stack

_TIME: Final = "2026-03-02T06:00:00Z"
_FACTS: Final = 200
_LONG_ORDERS: Final = 20
_RPS: Final = 20
_REGIONS: Final = ("north", "south", "east", "west")
_CHANNELS: Final = ("web", "shop", "b2b")
_INDEXED_S_MAX: Final = 1_800.0
_LAG_MS_MAX: Final = 1_000
_FILTERS: Final = (
    "status=BACKORDERED",
    "status=SHIPPED",
    "status=ON_HOLD",
    "cause=stock_shortage",
    "cause=credit_hold",
    "region=north",
    "channel=b2b",
    "customer=C-00017",
    "at_risk=true",
    "status=ON_HOLD&region=east",
    "region=west&channel=shop",
    "",
)


def measure(args: argparse.Namespace) -> Report:
    """One report."""
    orders = program.sized(args, args.orders, 1_000_000, 2_000)
    seconds = program.sized(args, args.seconds, 10, 2)
    report = Report("orders")
    with live.stack(workers=1, views=1) as stack:
        began = time.monotonic()
        count = uvloop.run(load(stack.connection, _world(orders))).events
        live.wait_until_drained(stack, count)
        say(f"{count:,} events applied after {time.monotonic() - began:.0f} s")
        _wait_until_indexed(stack, orders + _LONG_ORDERS)
        say(f"indexed after {time.monotonic() - began:.0f} s")
        long = [f"/v1/orders/LONG-{number:03d}".encode() for number in range(_LONG_ORDERS)]
        found = uvloop.run(_asked(stack, long, seconds))
        report.add(f"GET of an order with {_FACTS} facts, p50", found.p50_ms, "ms")
        report.add(f"GET of an order with {_FACTS} facts, p99", found.p99_ms, "ms", target="< 10 ms")
        for wanted in _FILTERS:
            query = "&".join(part for part in (wanted, "limit=50") if part)
            found = uvloop.run(_asked(stack, [f"/v1/orders?{query}".encode()], max(2, seconds // 3)))
            name = wanted or "no filter"
            report.add(f"page of 50 of {orders:,}, {name}, p99", found.p99_ms, "ms", target="< 50 ms")
    return report


async def _asked(stack: Stack, paths: list[bytes], seconds: float) -> http_load.Result:
    found = await http_load.open_rate(bare_aiohttp.HOST, stack.views[0].port, paths, _RPS, seconds)
    if found.errors or not found.answers:
        raise BenchError(
            f"{found.errors} of {found.answers} answers to {paths[0]!r} were errors ({found.statuses}; unanswered: "
            f"{found.unanswered}; p50 {found.p50_ms:.0f} ms)."
        )
    return found


def _wait_until_indexed(stack: Stack, orders: int) -> None:
    """All orders are in the lists, and as they are now."""
    deadline = time.monotonic() + _INDEXED_S_MAX
    known = 0
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{stack.view_url}/v1/kpis", timeout=60) as answer:
            body = json.loads(answer.read())
        known = sum(group["orders"] for group in body["groups"])
        if known >= orders and body["freshness"]["lag_ms"] < _LAG_MS_MAX:
            return
        time.sleep(1.0)
    raise BenchError(f"After {_INDEXED_S_MAX:.0f} s the view has indexed {known:,} of {orders:,} orders.")


def _world(orders: int) -> Iterator[Emission]:
    for number in range(orders):
        order_id = f"O-{number:07d}"
        yield _placed(order_id, number)
        if number % 10 == 1:
            line = {"line_id": "1", "sku": "A", "qty": 2}
            data: dict[str, Any] = {"shipment_id": f"S-{number}", "location": "BER", "lines": [line]}
            yield event("shipment.shipped", "wms", order_id, f"ship {number}", _TIME, data)
        elif number % 10 == 2:
            data = {"hold_id": f"H-{number}", "reason": "credit_hold"}
            yield event("order.hold_placed", "oms", order_id, f"hold {number}", _TIME, data)
    for number in range(_LONG_ORDERS):
        order_id = f"LONG-{number:03d}"
        yield _placed(order_id, number)
        for scan in range(_FACTS - 1):
            data = {
                "shipment_id": f"S{scan % 20}",
                "tracking": f"T{scan % 20}",
                "status": ("in_transit", "out_for_delivery", "attempted")[scan // 20 % 3],
            }
            yield event("parcel.scanned", "carrier", order_id, f"{order_id} {scan}", _TIME, data)


def _placed(order_id: str, number: int) -> Emission:
    data = {
        "order_id": order_id,
        "customer_id": f"C-{number % 20_000:05d}",
        "currency": "EUR",
        "channel": _CHANNELS[number % 3],
        "region": _REGIONS[number // 3 % 4],
        "lines": [{"line_id": "1", "sku": f"SKU-{number % 10_000:05d}", "qty": 2}],
        **({"promised_by": "2026-03-01"} if number % 50 == 0 else {}),
    }
    return event("order.placed", "oms", order_id, f"place {order_id}", _TIME, data)


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--orders", type=int, help="orders in the view (1,000,000)")
    parser.add_argument("--seconds", type=int, help="of each measurement (10)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
