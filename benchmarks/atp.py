"""Promises over time: what a change costs on a SKU with many dated rows, and how fast the curve is answered.

First, in this process, one step of the SkuActor for one event, everything it writes included: on a SKU with 10
dated rows (half supply, half orders' lines for later) and on one with 1,000, in turns. Then a whole stack holds
SKUs with dated supply and demand: `GET /v1/atp/{sku}`, which answers a curve of 90 days, against bare aiohttp
that answers a fixed body of the same size; and batches of 200 SKUs at a fixed rate whatever the view does.

    python -m benchmarks.atp [--skus 500] [--seconds 10] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, Final
from urllib.parse import quote

import uvloop

from benchmarks import harness, http_load, live, program
from benchmarks.harness import BenchError, median, say
from benchmarks.peers import bare_aiohttp
from benchmarks.report import LeftOut, Report
from springtide.agents.sku import SkuActor
from springtide.agents.work import Meta, Timers, Work
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.trade.emission import Emission, event
from springtide.app.trade.load import load
from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine, Fact, digest, encode, encode_data
from springtide.codecs.records import Record
from springtide.codecs.times import DAY_US

FEW: Final = 10
MANY: Final = 1_000
_CHANGES: Final = 3_000
_BATCH_RPS: Final = 20
_CONNECTIONS: Final = 64
_TODAY: Final = date(2026, 3, 2)
_NOW_US: Final = (_TODAY - date(1970, 1, 1)).days * DAY_US + 6 * 3_600_000_000
_TIME: Final = f"{_TODAY.isoformat()}T06:00:00Z"
_RETENTION_US: Final = 7 * DAY_US


class OneSku:
    """A SkuActor's partition with one SKU in it, stepped message by message, with all that a step writes."""

    def __init__(self, rows: int) -> None:
        self._actor = SkuActor(1)
        self._store = MemoryStore()
        self._rows: dict[bytes, Any] = {}
        self._scratch: dict[bytes, Any] = {}
        self._meta, self._timers = Meta(), Timers()
        self._number = 0
        self.take(f.InventoryCounted(location="BER", on_hand=10_000, basis="includes_committed"))
        for number in range(rows // 2):
            due = (_TODAY + timedelta(days=1 + number % 85)).isoformat()
            self.take(
                f.SupplyScheduled(supply_id=f"po{number}", location="BER", qty=10, due=due, firmness="firm")
            )
            self.want(f"later{number}", 1 + number % 85)

    def take(self, data: f.Data) -> float:
        """Applies a fact; seconds it took."""
        fact = next(kind for kind in f.FACT_TYPES if kind.data is type(data))
        self._number += 1
        name = str(self._number)
        message = Fact(
            fact.code,
            _NOW_US,
            _NOW_US,
            digest("wms", name, "A"),
            "wms",
            name,
            (1, 0, self._number),
            None,
            None,
            encode_data(data),
        )
        return self._step(encode(message))

    def want(self, order_id: str, days: int | None) -> float:
        """An order wants one unit, in so many days or today; seconds it took."""
        self._number += 1
        day = None if days is None else _NOW_US // DAY_US + days
        line = DemandLine("1", 1, None, {}, {}, day=day)
        origin = (0, 0, self._number)
        message = Demand(
            order_id, 1, _NOW_US, origin, "oms 1", _NOW_US, 100, "web", False, False, False, 0, (), (line,)
        )
        return self._step(encode(message))

    def _step(self, raw: bytes) -> float:
        record = Record("inbox-sku", 0, self._number, 0, b"A", raw)
        began = time.perf_counter()
        work = Work(
            partition=0,
            reader=self._store,
            codec=self._actor,
            meta=self._meta,
            timers=self._timers,
            rows=self._rows,
            scratch=self._scratch,
            dedup_retention_us=_RETENTION_US,
        )
        self._actor.step(work, [record])
        changelog, local = work.writes()
        took = time.perf_counter() - began
        self._store.write([*changelog, *local], "bench", self._number)
        return took


def change_us(rows: int, changes: int) -> dict[str, float]:
    """Microseconds of one event on a SKU with so many dated rows, by kind of event; medians."""
    sku = OneSku(rows)
    took: dict[str, list[float]] = {}
    for number in range(changes):
        due = (_TODAY + timedelta(days=1 + number % 85)).isoformat()
        moved = f.SupplyRescheduled(supply_id=f"po{number % (rows // 2)}", due=due)
        for name, seconds in (
            ("stock adjusted", sku.take(f.InventoryAdjusted(location="BER", delta=1))),
            ("supply rescheduled", sku.take(moved)),
            ("an order for today", sku.want(f"now{number}", None)),
            ("an order for later", sku.want(f"then{number}", 1 + number % 85)),
        ):
            took.setdefault(name, []).append(seconds)
    return {name: sorted(all_)[len(all_) // 2] * 1e6 for name, all_ in took.items()}


def measure(args: argparse.Namespace) -> Report:
    """One report."""
    report = Report("atp")
    _add_changes(report, program.sized(args, None, _CHANGES, 200))
    skus = program.sized(args, args.skus, 500, 50)
    seconds = program.sized(args, args.seconds, 10, 2)
    paths = [f"/v1/atp/{quote(_sku(number))}".encode() for number in range(skus)]
    with live.stack(workers=1, views=1) as stack:
        emissions = list(_world(skus))
        uvloop.run(load(stack.connection, emissions))
        live.wait_until_drained(stack, len(emissions))
        body = live.get(stack.view_url + paths[0].decode())
        if not body or len(json.loads(body)["curve"]) != 90:
            raise BenchError(f"The view does not answer a curve for {paths[0].decode()}.")
        host, port = bare_aiohttp.HOST, stack.views[0].port

        async def ours() -> dict[str, Any]:
            return http_load.checked(await http_load.closed(host, port, paths, _CONNECTIONS, seconds))

        async def bare() -> dict[str, Any]:
            async with bare_aiohttp.served(len(body)) as bare_port:
                return http_load.checked(
                    await http_load.closed(host, bare_port, paths, _CONNECTIONS, seconds)
                )

        say(f"answers have {len(body)} bytes")
        runs: dict[str, harness.Run] = {
            "springtide": lambda: uvloop.run(ours()),
            "bare": lambda: uvloop.run(bare()),
        }
        found = harness.in_turns(runs, program.rounds_of(args))
        names = [_sku(number) for number in range(skus)]
        batches = uvloop.run(http_load.batches(host, port, names, _BATCH_RPS, seconds))
        http_load.checked(batches)
    mine, theirs = found["springtide"], found["bare"]
    assert not isinstance(mine, LeftOut)
    assert not isinstance(theirs, LeftOut)
    report.add(
        "GET /v1/atp/{sku} with a curve of 90 days",
        median(mine, "rps"),
        "1/s",
        target=">= 0.3 x",
        peer="bare aiohttp, a fixed body",
        peer_value=median(theirs, "rps"),
    )
    report.add(f"batch of {http_load.BATCH}, p50", batches.p50_ms, "ms")
    report.add(f"batch of {http_load.BATCH}, p99", batches.p99_ms, "ms", target="< 25 ms")
    return report


def _add_changes(report: Report, changes: int) -> None:
    few: dict[str, list[float]] = {}
    many: dict[str, list[float]] = {}
    for _ in range(3):  # in turns, so that a slow minute falls on both
        for found, rows in ((few, FEW), (many, MANY)):
            for name, took in change_us(rows, changes).items():
                found.setdefault(name, []).append(took)
    for name in few:
        report.add(
            f"{name}, {MANY:,} dated rows",
            sorted(many[name])[1],
            "us",
            target="<= 3 x",
            peer=f"{FEW} dated rows",
            peer_value=sorted(few[name])[1],
        )


def _sku(number: int) -> str:
    return f"CURVE-{number:05d}"


def _world(skus: int) -> Iterator[Emission]:
    """Each SKU with stock, twenty supplies and twenty orders' lines for later, in two locations."""
    for number in range(skus):
        sku = _sku(number)
        for place in ("BER", "HAM"):
            data: dict[str, Any] = {"location": place, "on_hand": 100, "basis": "includes_committed"}
            yield event("inventory.counted", "wms", sku, f"{sku} {place}", _TIME, data)
            for days in range(1, 80, 8):
                due = (_TODAY + timedelta(days=days)).isoformat()
                name = f"{sku}-{place}-{days}"
                data = {"supply_id": name, "location": place, "qty": 10, "due": due, "firmness": "firm"}
                yield event("supply.scheduled", "erp", sku, name, _TIME, data)
        for days in range(2, 82, 4):
            order_id = f"{sku}-{days}"
            ships = (_TODAY + timedelta(days=days)).isoformat()
            line = {"line_id": "1", "sku": sku, "qty": 5, "requested_date": ships}
            data = {
                "order_id": order_id,
                "customer_id": "C",
                "channel": "web",
                "currency": "EUR",
                "lines": [line],
            }
            yield event("order.placed", "oms", order_id, order_id, _TIME, data)


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--skus", type=int, help="SKUs with dated supply and demand (500)")
    parser.add_argument("--seconds", type=int, help="of each measurement (10)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
