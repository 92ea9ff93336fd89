"""`GET /v1/atp/{sku}` on one view process against bare aiohttp, and its latency while events come in.

A whole stack holds the stock of the SKUs. First the top rate of both, in turns: 64 connections that ask again as
soon as they are answered, for each SKU in turn; bare aiohttp answers a fixed body of the same size to the same
requests. Then, while another process writes the sample trade at half the top rate of the main job, requests come
at a fixed rate whatever the view does (open model), and their latency counts from when each was due: single
GETs, and then batches of 200 SKUs; these before as well, 200 of them a second. The client is one process of its
own, on the same machine.

    python -m benchmarks.http [--rate 3800] [--rps 500] [--seconds 10] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import uvloop

from benchmarks import harness, http_load, live, program
from benchmarks.harness import BenchError, Run, median, say
from benchmarks.http_load import Result
from benchmarks.peers import bare_aiohttp
from benchmarks.report import LeftOut, Report
from springtide.app.trade.names import sku_name
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack

RATE: Final = 3_800
"""Events/s: half of what one worker does on two cores of a small server."""
_CONNECTIONS: Final = 64
_RPS: Final = 500
_BATCH_RPS: Final = 200
_BATCH_RPS_UNDER_EVENTS: Final = 10
_SETTLE_S: Final = 2.0
_SPARE_S: Final = 30.0
_CLIENT_BUSY: Final = 0.9


def measure(args: argparse.Namespace) -> Report:
    """One report; rates are medians of the rounds."""
    rate = program.sized(args, args.rate, RATE, 300)
    seconds = program.sized(args, args.seconds, 10, 2)
    spec = TradeSpec(skus=program.sized(args, args.skus, 10_000, 200), streams="main")
    skus = [sku_name(number) for number in range(spec.skus)]
    paths = [f"/v1/atp/{quote(sku)}".encode() for sku in skus]
    report = Report("http")
    with tempfile.TemporaryDirectory(prefix="springtide-trade-") as folder:
        opening = spec.skus * spec.locations
        fed_s = 2 * (seconds + _SPARE_S)
        trade = live.Trade(spec, Path(folder) / "trade", opening + int(fed_s * rate))
        with live.stack(workers=1, views=1) as stack:
            trade.load(stack.connection, opening)
            live.wait_until_drained(stack, opening)
            found = harness.in_turns(_runs(stack, paths, seconds), program.rounds_of(args))
            warmup_s = _SETTLE_S if args.quick else live.WARMUP_S
            port = stack.views[0].port
            # Not `checked`: what this rate is too much for is to be told as a latency.
            quiet = uvloop.run(http_load.batches(bare_aiohttp.HOST, port, skus, _BATCH_RPS, seconds))
            single, batches, behind_ms = _under_events(
                stack, trade, rate, skus, paths, args.rps, seconds, warmup_s
            )
    _add_rates(report, found)
    report.add(f"batch of {http_load.BATCH}, {_BATCH_RPS} a second, p50", quiet.p50_ms, "ms")
    report.add(
        f"batch of {http_load.BATCH}, {_BATCH_RPS} a second, p99", quiet.p99_ms, "ms", target="< 25 ms"
    )
    report.add("GET while events come in, p50", single.p50_ms, "ms")
    report.add("GET while events come in, p99", single.p99_ms, "ms", target="< 10 ms")
    report.add(f"batch of {http_load.BATCH} while events come in, p50", batches.p50_ms, "ms")
    report.add(f"batch of {http_load.BATCH} while events come in, p99", batches.p99_ms, "ms")
    report.add("events meanwhile", rate, "events/s")
    report.add("events late against their schedule, at most", behind_ms, "ms")
    return report


def _runs(stack: Stack, paths: list[bytes], seconds: float) -> dict[str, Run]:
    host, port = bare_aiohttp.HOST, stack.views[0].port
    size = len(_body(stack, paths[0]))

    async def ours() -> dict[str, Any]:
        return http_load.checked(await http_load.closed(host, port, paths, _CONNECTIONS, seconds))

    async def bare() -> dict[str, Any]:
        async with bare_aiohttp.served(size) as bare_port:
            return http_load.checked(await http_load.closed(host, bare_port, paths, _CONNECTIONS, seconds))

    say(f"answers have {size} bytes")
    return {"springtide": lambda: uvloop.run(ours()), "bare": lambda: uvloop.run(bare())}


def _body(stack: Stack, path: bytes) -> bytes:
    found = live.get(stack.view_url + path.decode())
    if not found:
        raise BenchError(f"The view does not answer {path.decode()} though its stock was counted.")
    return found


def _under_events(
    stack: Stack,
    trade: live.Trade,
    rate: float,
    skus: list[str],
    paths: list[bytes],
    rps: float,
    seconds: float,
    warmup_s: float,
) -> tuple[Result, Result, float]:
    """Latencies of single GETs and of batches, and how late the trade was written, in ms at most."""
    host, port = bare_aiohttp.HOST, stack.views[0].port

    def loaded(load: Coroutine[Any, Any, Result]) -> Result:
        result = uvloop.run(load)
        http_load.checked(result)
        return result

    with live.feeding(trade, stack.bootstrap, rate) as feed:
        feed.wait_until_begun()
        single = loaded(http_load.open_rate(host, port, paths, rps, seconds, warmup_s=warmup_s))
        batches = loaded(http_load.batches(host, port, skus, _BATCH_RPS_UNDER_EVENTS, seconds))
    say(
        f"single GETs: {single.rps:,.0f}/s, client late by {single.late_p99_ms:.2f} ms at p99; "
        f"events: {feed.outcome['events_per_s']:,.0f}/s"
    )
    return single, batches, float(feed.outcome["behind_ms_max"])


def _add_rates(report: Report, found: dict[str, list[dict[str, Any]] | LeftOut]) -> None:
    ours, theirs = found["springtide"], found["bare"]
    assert not isinstance(ours, LeftOut)
    assert not isinstance(theirs, LeftOut)
    report.add(
        "GET /v1/atp/{sku}",
        median(ours, "rps"),
        "1/s",
        target=">= 0.5 x",
        peer="bare aiohttp, a fixed body",
        peer_value=median(theirs, "rps"),
    )
    report.add(
        f"GET p99, {_CONNECTIONS} connections at full speed",
        median(ours, "p99_ms"),
        "ms",
        peer="bare aiohttp",
        peer_value=median(theirs, "p99_ms"),
    )
    busy = median(theirs, "client_cpu")
    report.add("CPU of the client against bare aiohttp", busy, "cores")
    if busy > _CLIENT_BUSY:
        say(f"the client used {busy:.0%} of a core against bare aiohttp: that rate is a lower bound")


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--rate", type=float, help=f"events/s that come in meanwhile ({RATE:,})")
    parser.add_argument("--rps", type=float, default=_RPS, help=f"single GETs a second meanwhile ({_RPS})")
    parser.add_argument("--seconds", type=int, help="of each measurement (10)")
    parser.add_argument("--skus", type=int, help="SKUs of the trade, in 4 locations (10,000)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
