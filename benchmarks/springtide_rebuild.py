"""Recovery alone: every actor of one kind rebuilds its empty RocksDB from its changelog, in one process.

The actors are the engine's own, side by side in one loop as a worker has them; each fences, reads its changelog
to its end, and stops as soon as it could work. Rows are written, timers found and duplicates known again. Time
runs from the first actor's begin to the last one's readiness.

    python -m benchmarks.springtide_rebuild --bootstrap HOST:PORT --kind sku
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.peers import measure
from springtide.app import logs, wiring
from springtide.app.engine.actor import Observer, PartitionActor, Run, SourceClosed
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId
from springtide.app.engine.rocks_store import RocksStore, StoreResources
from springtide.app.interpreter import tune
from springtide.app.settings import Settings


class _Nothing:
    """A source that ends at once: the actor recovers and is done."""

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        raise SourceClosed


class _Count(Observer):
    """Records read, and when the last actor was ready."""

    def __init__(self, watch: measure.Stopwatch) -> None:
        self.records = 0
        self.seconds: list[float] = []
        self._watch = watch

    def recovered(self, actor: ActorId, records: int, seconds: float) -> None:
        self.records += records
        self.seconds.append(seconds)
        self._watch.stop()


async def run(args: Any, folder: Path) -> dict[str, Any]:
    """One rebuild into empty stores below `folder`; what it prints."""
    settings = Settings(data_dir=folder, broker=None)
    log = KafkaLog(settings.connection(args.bootstrap))
    await log.start()
    watch = measure.Stopwatch()
    count = _Count(watch)
    try:
        behaviour = next(one for one in wiring.behaviours(settings) if one.kind == args.kind)
        partitions = await log.partitions(ActorId(settings.app, args.kind, 0).changelog[0])
        resources = StoreResources(settings.rocksdb_cache_mb, settings.rocksdb_write_buffer_mb)
        open_store: Callable[[int], RocksStore] = lambda number: RocksStore(  # noqa: E731
            folder / f"{args.kind}-{number}", resources
        )
        actors = [
            PartitionActor(
                behaviour=behaviour,
                actor=ActorId(settings.app, args.kind, number),
                group=settings.app,
                log=log,
                open_store=partial(open_store, number),
                source=_Nothing(),
                partition_counts={},
                observer=count,
            )
            for number in range(partitions)
        ]
        tune()
        watch.mark()
        await asyncio.gather(*(actor.run() for actor in actors))
    finally:
        await log.close()
    return {
        "records": count.records,
        "partitions": partitions,
        "seconds": round(watch.seconds, 4),
        "events_per_s": round(count.records / watch.seconds, 1),
        "cpu_us_per_event": round(watch.cpu_seconds / max(count.records, 1) * 1e6, 3),
        "slowest_s": round(max(count.seconds), 3),
    }


def main() -> None:
    """Rebuilds once and prints one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", required=True, help="a Kafka that holds Springtide's changelogs")
    parser.add_argument("--kind", default="sku")
    args = parser.parse_args()
    measure.end_on_sigterm()
    logs.configure("warning", json=True)
    with tempfile.TemporaryDirectory(prefix="springtide-rebuild-") as folder:
        print(json.dumps(uvloop.run(run(args, Path(folder)))), flush=True)


if __name__ == "__main__":
    main()
