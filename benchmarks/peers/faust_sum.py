"""Stock Faust: the sum of delta per SKU in a RocksDB table.

Measures events/s and CPU microseconds per event, from the first event in the agent to the commit of the last.
Everything is at Faust's defaults, asyncio's own event loop included; only the data folder and the web server's
port are kept out of the way.

    python -m benchmarks.peers.faust_sum --bootstrap HOST:PORT --topic sums --events 60000
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faust
from faust.types import TP

from benchmarks.peers import measure

_POLL_S = 0.005


def build(
    args: Any, partitions: int, folder: Path, watch: measure.Stopwatch, counted: asyncio.Event
) -> tuple[Any, Any]:
    """The app and its table. `counted` is set when the agent has had all events."""
    app = faust.App(
        f"faust-sum-{uuid.uuid4().hex[:8]}",
        broker=f"kafka://{args.bootstrap}",
        store="rocksdb://",
        processing_guarantee=args.guarantee,
        datadir=str(folder),
        topic_partitions=partitions,
        topic_replication_factor=1,
        web_enabled=False,
    )
    table = app.Table(
        "sums",
        default=int,
        key_type=str,
        value_type=int,
        partitions=partitions,
        options={"driver": "rocksdict"},
    )
    topic = app.topic(args.topic, key_type=str, key_serializer="raw", value_serializer="json", internal=False)
    left = args.events

    @app.agent(topic)  # type: ignore[untyped-decorator]  # Faust is untyped
    async def add(stream: Any) -> None:
        nonlocal left
        async for event in stream:
            watch.mark()
            table[event["sku"]] += event["delta"]
            left -= 1
            if not left:
                counted.set()

    return app, table


async def commit_all(app: Any, wanted: int) -> None:
    """Commits until the input's committed offsets cover `wanted` events, as the next interval would."""
    consumer = app.consumer
    while (
        sum(value for tp, value in consumer._committed_offset.items() if value and is_input(app, tp)) < wanted
    ):
        await consumer.commit()
        await asyncio.sleep(_POLL_S)


def is_input(app: Any, tp: TP) -> bool:
    """Whether the partition is one of the input's, not of a changelog."""
    return tp.topic not in app.tables.changelog_topics and not tp.topic.startswith(app.conf.id)


async def run(args: Any, partitions: int, folder: Path) -> str:
    """Starts the app, waits for the last commit, reads the table, and stops."""
    watch, counted = measure.Stopwatch(), asyncio.Event()
    app, table = build(args, partitions, folder, watch, counted)
    app.finalize()
    await app.start()
    await counted.wait()
    await commit_all(app, args.events)
    watch.stop()
    sums = measure.state(table.items())
    await app.stop()
    return measure.result(
        "faust",
        args.events,
        watch.seconds,
        watch.cpu_seconds,
        guarantee=args.guarantee,
        version=faust.__version__,
        **sums,
    )


async def partition_count(bootstrap: str, topic: str) -> int:
    """How many partitions the input has: a Faust table must have as many."""
    from aiokafka import AIOKafkaConsumer  # noqa: PLC0415 - beside the one use

    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap)
    await consumer.start()
    try:
        found = await consumer._client.fetch_all_metadata()
        partitions = found.partitions_for_topic(topic)
    finally:
        await consumer.stop()
    if not partitions:
        raise SystemExit(f"Topic {topic} is not on {bootstrap}: write it first with benchmarks.sum_input.")
    return len(partitions)


def main(end: Callable[[int], None] = os._exit) -> None:
    """Runs once in a fresh folder and prints the result. Ends at once: Faust's threads need no farewell."""
    parser = measure.sum_arguments(__doc__, events=60_000)
    parser.add_argument("--guarantee", choices=["exactly_once", "at_least_once"], default="exactly_once")
    args = parser.parse_args()
    measure.end_on_sigterm()
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    partitions = asyncio.run(partition_count(args.bootstrap, args.topic))
    folder = Path(tempfile.mkdtemp(prefix="faust-sum-"))
    try:
        line = asyncio.run(run(args, partitions, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(line, flush=True)
    end(0)


if __name__ == "__main__":
    main()
