"""Memory of one worker: a million SKUs on 8 partitions, counted through the whole pipeline, and some trade on top.

One worker process with all its actors (gateway, OrderActors, SkuActors) does a backlog of the opening counts, one
location for each SKU, and then of the trade; its mailboxes are full all the time. It is measured when it is done, and
at its most. Resident memory is what the kernel counts for the process, RocksDB's cache and memtables and mapped
libraries included; the proportional set counts pages that processes share in parts.

    python -m benchmarks.memory [--skus 1000000] [--events 100000] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import live, program
from benchmarks.harness import say
from benchmarks.report import Report
from springtide.app.trade.spec import TradeSpec

_PARTITIONS: Final = 8
_TIMEOUT_S: Final = 1_800.0


def measure(args: argparse.Namespace) -> Report:
    """One report; the largest of both processes counts."""
    skus = program.sized(args, args.skus, 1_000_000, 5_000)
    events = program.sized(args, args.events, 100_000, 2_000)
    spec = TradeSpec(skus=skus, locations=1, streams="main")
    report = Report("memory")
    with tempfile.TemporaryDirectory(prefix="springtide-trade-") as folder:
        trade = live.Trade(spec, Path(folder) / "trade", skus + events)
        with live.stack(workers=0, views=0, inbox_partitions=_PARTITIONS) as stack:
            trade.load(stack.connection, skus + events)
            outcome = live.backlog(stack, skus + events, _TIMEOUT_S)
            say(f"{skus:,} SKUs counted and {events:,} events of trade at {outcome['events_per_s']:,.0f}/s")
    name = f"worker, {skus:,} SKUs on {_PARTITIONS} partitions"
    report.add(f"{name}, resident at most", outcome["rss_max_mb"], "MB", target="< 600 MB")
    report.add("resident at the end", outcome["rss_mb"], "MB")
    report.add("proportional set at the end", outcome["pss_mb"], "MB")
    return report


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__, rounds=1)
    parser.add_argument("--skus", type=int, help="SKUs, one location each (1,000,000)")
    parser.add_argument("--events", type=int, help="events of trade on top (100,000)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
