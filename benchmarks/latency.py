"""From ingress to readable over HTTP, while the sample trade comes in at a tenth of the top rate.

A whole stack runs: broker, one worker, one view; another process writes the trade at the rate. Beside it come the
probes (see `benchmarks.probe`), each an event about a SKU or an order of its own. The clock of a probe starts at
the moment it is due, on a fixed schedule, and stops when a GET that asks for exactly its effect is answered; so it
holds the wait to be written, gateway, actors, projections, view and HTTP. Percentiles are of an HDR histogram.

    python -m benchmarks.latency [--rate 1700] [--seconds 60] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import live, probe, program
from benchmarks.harness import BenchError, say
from benchmarks.latencies import Latencies
from benchmarks.report import Report
from springtide.app.trade.load import load
from springtide.app.trade.spec import TradeSpec

RATE: Final = 1_700
"""Events/s: a tenth of what one worker does on two cores of a small server."""
_PROBES_PER_S: Final = 50
_SPARE_S: Final = 60
_WRONG_TOLD: Final = 5


def measure(args: argparse.Namespace) -> Report:
    """One report of one run: the rounds of other benches are this one's many probes."""
    rate = program.sized(args, args.rate, RATE, 200)
    seconds = program.sized(args, args.seconds, 60, 3)
    skus = program.sized(args, args.skus, 10_000, 100)
    warmup_s = 1 if args.quick else live.WARMUP_S
    count, warmups = seconds * _PROBES_PER_S, warmup_s * _PROBES_PER_S
    spec = TradeSpec(skus=skus, streams="main")
    report = Report("latency")
    with tempfile.TemporaryDirectory(prefix="springtide-trade-") as folder:
        opening = spec.skus * spec.locations
        trade = live.Trade(
            spec, Path(folder) / "trade", opening + int((warmup_s + seconds + _SPARE_S) * rate)
        )
        with live.stack(workers=1, views=1) as stack:
            trade.load(stack.connection, opening)
            counts = probe.openings(count + warmups)
            asyncio.run(load(stack.connection, counts))
            live.wait_until_drained(stack, opening + len(counts))
            with live.feeding(trade, stack.bootstrap, rate) as feed:
                feed.wait_until_begun()
                probes = probe.Probes(stack.connection, stack.view_url, stack.settings.ingress_partitions)
                spent = live.Spent(stack)
                outcome = uvloop.run(
                    probes.run(count + warmups, _PROBES_PER_S, ignored=warmups, warm=spent.begin)
                )
                spent.end()
    if outcome.wrong:
        told = "; ".join(outcome.wrong[:_WRONG_TOLD])
        raise BenchError(f"{len(outcome.wrong)} probes did not come to what is right: {told}.")
    say(
        f"probes late by {outcome.late_p99_ms:.1f} ms at p99, the trade by {feed.outcome['behind_ms_max']} ms"
    )
    report.add("trade while measuring", feed.outcome["events_per_s"], "events/s")
    _add(report, "event -> readable", outcome.all_readable, targets=True)
    for way, latencies in outcome.ways.items():
        _add(report, way, latencies, targets=False)
    for name, cores in spent.cores.items():
        report.add(f"CPU of the {name}", cores, "cores")
    report.add("steps, each a transaction", spent.steps_per_s, "1/s")
    report.add("a step's commit, on average", spent.commit_ms, "ms")
    return report


def _add(report: Report, name: str, latencies: Latencies, *, targets: bool) -> None:
    p50, p99 = latencies.percentile_ms(50), latencies.percentile_ms(99)
    report.add(f"{name}, p50", p50, "ms", target="< 60 ms" if targets else None)
    report.add(f"{name}, p99", p99, "ms", target="< 250 ms" if targets else None)


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__, rounds=1)
    parser.add_argument("--rate", type=float, help=f"events/s of the trade ({RATE:,})")
    parser.add_argument("--seconds", type=int, help="how long to probe (60)")
    parser.add_argument("--skus", type=int, help="SKUs of the trade, in 4 locations (10,000)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
