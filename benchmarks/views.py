"""Several views on one port: what one more adds, where there is a core for it.

A whole stack holds the stock of some SKUs and serves them with one view, then with several on the same port, in
turns; 64 connections ask again as soon as they are answered. On a machine whose cores broker, client and views
share, more views can't answer more than there are cores; so what counts is what a second of a core's time answers:
it stays as it is if the views don't stand in each other's way.

    python -m benchmarks.views [--views 2] [--seconds 8] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

import uvloop

from benchmarks import harness, http_load, live, program
from benchmarks.harness import median
from benchmarks.peers import bare_aiohttp
from benchmarks.report import LeftOut, Report
from benchmarks.springtide_hot_orders import counted
from springtide.app.trade.load import load
from springtide.app.up.stack import Stack

_SKUS: Final = 1_000
_CONNECTIONS: Final = 64


def measure(args: argparse.Namespace) -> Report:
    """One report; medians of the rounds."""
    most = program.sized(args, args.views, 2, 2)
    seconds = program.sized(args, args.seconds, 8, 2)
    report = Report("views")
    with live.stack(workers=1, views=1) as one, live.stack(workers=1, views=most) as several:
        for stack in (one, several):
            counts = [counted(f"V-{number:04d}", 10, f"views-{number}") for number in range(_SKUS)]
            asyncio.run(load(stack.connection, counts))
            live.wait_until_drained(stack, _SKUS)
        runs = {"one": _run(one, seconds), "several": _run(several, seconds)}
        found = harness.in_turns(runs, program.rounds_of(args))
    alone, together = found["one"], found["several"]
    assert not isinstance(alone, LeftOut)
    assert not isinstance(together, LeftOut)
    rate = median(alone, "rps")
    report.add("cores of this machine", os.cpu_count() or 1, "cores")
    report.add("GET, one view", rate, "requests/s")
    report.add(f"GET, {most} views", median(together, "rps"), "requests/s", peer="one view", peer_value=rate)
    report.add("cores one view had", median(alone, "cores"), "cores")
    report.add(f"cores {most} views had", median(together, "cores"), "cores")
    report.add(
        f"GET a core, {most} views",
        median(together, "per_core"),
        "requests/s",
        target=">= 0.9 x",
        peer="one view",
        peer_value=median(alone, "per_core"),
    )
    report.add(
        "work of the view that did the least, of an even share",
        median(together, "least_share"),
        "x",
    )
    return report


def _run(stack: Stack, seconds: float) -> Callable[[], dict[str, Any]]:
    paths = [f"/v1/atp/{quote(f'V-{number:04d}')}".encode() for number in range(_SKUS)]

    def run() -> dict[str, Any]:
        before = [live.cpu_s(view.pid) for view in stack.views]
        result = uvloop.run(
            http_load.closed(bare_aiohttp.HOST, stack.views[0].port, paths, _CONNECTIONS, seconds)
        )
        used = [live.cpu_s(view.pid) - had for view, had in zip(stack.views, before, strict=True)]
        cores = sum(used) / seconds
        return http_load.checked(result) | {
            "cores": cores,
            "per_core": result.rps / cores,
            "least_share": min(used) / sum(used) * len(used),
        }

    return run


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--views", type=int, help="views on one port (2)")
    parser.add_argument("--seconds", type=int, help="of each measurement (8)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
