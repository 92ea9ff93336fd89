"""Live streams: from a change in the log to every client that watches, with thousands of streams on one view.

A whole stack runs, with one view; SKUs that are counted beforehand are each watched by some of the streams, all of
them in this one process. Then units are found, one SKU after the other, at a fixed rate, while the sample trade may
come in beside them. The clock of a change is the timestamp of its projection's record, which the worker gives it
before it is in the log; it stops at each stream that has got the figure. None may miss one.

    python -m benchmarks.stream [--streams 5000] [--rate 0] [--seconds 20] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import re
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import aclosing, nullcontext
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import live, program
from benchmarks.harness import BenchError, say
from benchmarks.latencies import Latencies
from benchmarks.report import Report
from benchmarks.springtide_hot_orders import adjusted, counted
from springtide.agents.sku import decode_head
from springtide.agents.topics import ATP
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.trade.load import load
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack

_SKUS: Final = 200
_CHANGES_PER_S: Final = 25
_OPENING: Final = 10
_AT_ONCE: Final = 100
_FILES_BESIDE: Final = 200
_PATIENCE_S: Final = 30.0
_SPARE_S: Final = 60
_ON_HAND: Final = re.compile(rb'"on_hand":(\d+)')


def measure(args: argparse.Namespace) -> Report:
    """One report."""
    streams = program.sized(args, args.streams, 5_000, 50)
    seconds = program.sized(args, args.seconds, 20, 2)
    warmup_s = 1 if args.quick else live.WARMUP_S
    _allow_files(streams + _FILES_BESIDE)
    report = Report("stream")
    spec = TradeSpec(skus=program.sized(args, None, 10_000, 100), streams="main")
    with tempfile.TemporaryDirectory(prefix="springtide-trade-") as folder:
        trade: live.Trade | None = None
        opening = spec.skus * spec.locations
        if args.rate:
            count = opening + int((warmup_s + seconds + _SPARE_S) * args.rate)
            trade = live.Trade(spec, Path(folder) / "trade", count)
        with live.stack(workers=1, views=1) as stack:
            counts = [counted(_sku(number), _OPENING, f"stream-count-{number}") for number in range(_SKUS)]
            asyncio.run(load(stack.connection, counts))
            if trade is not None:
                trade.load(stack.connection, opening)
            live.wait_until_drained(stack, _SKUS + (0 if trade is None else opening))
            with nullcontext() if trade is None else live.feeding(trade, stack.bootstrap, args.rate) as feed:
                if feed is not None:
                    feed.wait_until_begun()
                spent = live.Spent(stack)
                watchers = Watchers(stack, streams)
                uvloop.run(watchers.run(warmup_s * _CHANGES_PER_S, seconds * _CHANGES_PER_S, spent))
    report.add("streams open on one view", streams, "streams")
    report.add("changes meanwhile", _CHANGES_PER_S, "changes/s")
    report.add("events of the trade meanwhile", args.rate, "events/s")
    report.add("told", watchers.latencies.count, "events")
    report.add("change in the log -> client, p50", watchers.latencies.percentile_ms(50), "ms")
    report.add(
        "change in the log -> client, p99", watchers.latencies.percentile_ms(99), "ms", target="< 300 ms"
    )
    report.add("CPU of the view", spent.cores[stack.views[0].name], "cores")
    return report


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchError(
            f"{count} open files are needed, the hard limit is {hard}: raise it, or ask for fewer."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def _sku(number: int) -> str:
    return f"STREAM-{number % _SKUS:03d}"


class Watchers:
    """Streams that each watch one SKU, and what they are told; see the module."""

    def __init__(self, stack: Stack, streams: int) -> None:
        self._connection: BrokerConnection = stack.connection
        self._port = stack.views[0].port
        self._streams = streams
        self._written_ms: dict[tuple[bytes, int], int] = {}
        self._got: defaultdict[tuple[bytes, int], list[float]] = defaultdict(list)
        self._opened = asyncio.Semaphore(_AT_ONCE)
        self._ready = 0
        self._log = KafkaLog(stack.connection)
        self.latencies = Latencies()

    async def run(self, warmups: int, count: int, spent: live.Spent) -> None:
        """Opens all, makes the changes, and waits until each was told to all who watch."""
        await self._log.start()
        tasks = [asyncio.create_task(self._follow())]
        try:
            tasks += [asyncio.create_task(self._watch(_sku(number))) for number in range(self._streams)]
            await self._until(lambda: self._ready == self._streams, tasks, "all streams are open")
            say(f"{self._streams:,} streams are open")
            self._got.clear()
            await self._change(0, warmups)
            spent.begin()
            await self._change(warmups, warmups + count)
            spent.end()
            wanted = {
                (_sku(number).encode(), _OPENING + 1 + number // _SKUS)
                for number in range(warmups, warmups + count)
            }
            watchers = Counter(_sku(number).encode() for number in range(self._streams))
            await self._until(
                lambda: all(len(self._got[one]) >= watchers[one[0]] for one in wanted),
                tasks,
                "each change was told to all who watch",
            )
            for one in wanted:
                for at_s in self._got[one]:
                    self.latencies.record(max(0.0, at_s - self._written_ms[one] / 1_000))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._log.close()

    async def _until(self, holds: Callable[[], bool], tasks: list[asyncio.Task[None]], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_S
        while not holds():
            for task in tasks:
                if task.done() and task.exception() is not None:
                    raise BenchError(f"A stream broke: {task.exception()!r}.")
            if time.monotonic() > deadline:
                raise BenchError(f"Not so within {_PATIENCE_S:.0f} s: {what}.")
            await asyncio.sleep(0.05)

    async def _change(self, first: int, last: int) -> None:
        began = time.monotonic()
        changes = [adjusted(_sku(number), 1, f"stream-{number}") for number in range(first, last)]
        await load(self._connection, changes, rate_per_s=_CHANGES_PER_S)
        say(f"{last - first:,} changes made in {time.monotonic() - began:.1f} s")

    async def _follow(self) -> None:
        """When each figure was given to the log."""
        places = [(ATP, partition) for partition in range(await self._log.partitions(ATP))]
        ends = await self._log.ends(places)
        async with aclosing(self._log.follow(ends)) as stream:  # type: ignore[type-var]  # a generator
            async for followed in stream:
                for record in followed.records:
                    key = record.key or b""
                    if key.startswith(b"STREAM-") and b"\x00" not in key and record.value is not None:
                        units = sum(cell.on_hand for cell in decode_head(record.value).cells.values())
                        self._written_ms.setdefault((key, units), record.timestamp_ms)

    async def _watch(self, sku: str) -> None:
        """Reads one stream. HTTP/1.0: what comes is then the stream as it is, not in chunks."""
        name = sku.encode()
        async with self._opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(b"GET /v1/stream/atp?sku=%s HTTP/1.0\r\nHost: localhost\r\n\r\n" % name)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head.partition(b"\r\n")[0]:
                raise BenchError(f"A stream was answered with {head!r}.")
        is_open = False
        try:
            while True:
                event = await reader.readuntil(b"\n\n")
                found = _ON_HAND.search(event)
                if found is None:
                    continue
                if not is_open:
                    is_open = True
                    self._ready += 1
                self._got[name, int(found[1])].append(time.time())
        finally:
            writer.close()


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__, rounds=1)
    parser.add_argument("--streams", type=int, help="open at once (5,000)")
    parser.add_argument("--rate", type=float, default=0, help="events/s of the trade beside (0)")
    parser.add_argument("--seconds", type=int, help="how long changes are made (20)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
