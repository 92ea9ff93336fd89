"""Rebuilding state from the changelog, and coming back to work after a kill -9 under load.

Rebuild: real SkuActors first count SKUs, so that the changelog is what the engine writes; then every one of them
is recovered into an empty RocksDB, in one process. Kill: a stack does the sample trade at a rate while a worker
is killed; the time runs from the kill until every actor, of each kind and partition, has committed a step again,
as the log tells. Once with the one worker started again at once (Python's start is in it), and once with two
workers, of which the killed one stays down until the other has taken over; medians of three kills each.

    python -m benchmarks.recovery [--records 1000000] [--rate 2000] [--kills 3] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import back_at_work, harness, live, program
from benchmarks.harness import BenchError, median, run_program, say
from benchmarks.report import LeftOut, Report
from benchmarks.springtide_hot_sku import counted
from benchmarks.writing import write_records
from springtide.agents.topics import INBOX_SKU
from springtide.app import wiring
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.topics import ensure_topics
from springtide.app.settings import Settings
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.scrape import scrape
from springtide.app.up.stack import Stack

_RATE: Final = 2_000
_SETTLE_S: Final = 3.0
_KILL_S: Final = 40.0
"""How long one kill and what follows may take."""


def measure(args: argparse.Namespace) -> Report:
    """One report of all three."""
    report = Report("recovery")
    records = program.sized(args, args.records, 1_000_000, 20_000)
    kills = program.sized(args, args.kills, 3, 1)
    rate = program.sized(args, args.rate, _RATE, 300)
    skus = program.sized(args, args.skus, 10_000, 200)
    _rebuild(report, records, program.rounds_of(args))
    for workers, name, target in (
        (1, "kill -9, the same worker back at work", "< 3 s"),
        (2, "kill -9, another worker takes over", "< 8 s"),
    ):
        took = _kills(workers, kills, rate, skus, _SETTLE_S if args.quick else live.WARMUP_S)
        report.add(f"{name}, median of {kills}", statistics.median(took), "s", target=target)
        report.add(f"{name}, longest", max(took), "s")
    return report


def _rebuild(report: Report, records: int, rounds: int) -> None:
    with (
        harness.broker() as broker,
        tempfile.TemporaryDirectory(prefix="springtide-bench-", ignore_cleanup_errors=True) as folder,
    ):
        settings = Settings(data_dir=Path(folder), broker=None)
        connection = BrokerConnection.from_url(broker.bootstrap)
        asyncio.run(ensure_topics(connection, wiring.topic_specs(settings)))
        asyncio.run(write_records(connection, INBOX_SKU, settings.inbox_partitions, _counts(records)))
        where = ["--bootstrap", broker.bootstrap]
        filled = run_program(
            "benchmarks.watched_worker",
            [
                *(*where, "--data-dir", folder, "--events", str(records)),
                *("--kinds", "sku", "--quiet-s", "0"),
            ],
            timeout_s=900,
        )
        assert isinstance(filled, dict)
        say(f"{records:,} SKUs counted at {filled['events_per_s']:,.0f}/s, outside the clock")
        found = harness.in_turns(
            {"rebuild": lambda: run_program("benchmarks.springtide_rebuild", where)}, rounds
        )["rebuild"]
    assert not isinstance(found, LeftOut)
    for outcome in found:
        if outcome["records"] < records:
            raise BenchError(f"{outcome['records']} records were read, {records} rows must be among them.")
    report.add("rebuild from the changelog", median(found, "events_per_s"), "records/s", target=">= 200,000")
    report.add("CPU of a record", median(found, "cpu_us_per_event"), "us")


def _counts(count: int) -> Iterator[tuple[bytes, bytes]]:
    for number in range(count):
        sku = f"SKU-{number:07d}"
        yield sku.encode(), counted(sku, 100, number)


def _kills(workers: int, kills: int, rate: float, skus: int, warmup_s: float) -> list[float]:
    spec = TradeSpec(skus=skus, streams="main")
    opening = spec.skus * spec.locations
    took: list[float] = []
    with tempfile.TemporaryDirectory(prefix="springtide-trade-") as folder:
        count = opening + int((warmup_s + (kills + 1) * _KILL_S) * rate)
        trade = live.Trade(spec, Path(folder) / "trade", count)
        with live.stack(workers=workers, views=1) as stack:
            trade.load(stack.connection, opening)
            live.wait_until_drained(stack, opening)
            with live.feeding(trade, stack.bootstrap, rate) as feed:
                feed.wait_until_begun()
                time.sleep(warmup_s)
                for number in range(kills):
                    asyncio.run(back_at_work.wait_for_steps(stack))
                    _wait_until_shared(stack)
                    time.sleep(_SETTLE_S)
                    took.append(back_at_work.kill_and_time(stack, 0, hold=workers > 1))
                    say(f"[{number + 1}/{kills}] {workers} worker(s), kill -9: {took[-1]:.2f} s")
                    if workers > 1:
                        stack.start_worker(0)
    return took


def _wait_until_shared(stack: Stack) -> None:
    """Returns when each worker has actors that run, and none recovers."""
    deadline = time.monotonic() + _KILL_S
    while True:
        samples = [scrape("127.0.0.1", worker.port) for worker in stack.workers]
        if all(
            sample is not None
            and live.total([sample], "springtide_actors", state="running")
            and not live.total([sample], "springtide_actors", state="recovering")
            for sample in samples
        ):
            return
        if time.monotonic() > deadline:
            raise BenchError(f"Not every worker had actors at work within {_KILL_S:.0f} s.")
        time.sleep(0.1)


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--records", type=int, help="rows in the changelog, one SKU each (1,000,000)")
    parser.add_argument("--kills", type=int, help="kills of each kind (3)")
    parser.add_argument("--rate", type=float, help=f"events/s under which workers are killed ({_RATE:,})")
    parser.add_argument("--skus", type=int, help="SKUs of the trade, in 4 locations (10,000)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
