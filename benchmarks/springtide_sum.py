"""Springtide's engine alone: the sum of delta per SKU, exactly once, in RocksDB, under Faust.

Measures events/s and CPU microseconds per event, from the first step's begin to the commit of the last one.
The step decodes each JSON event and adds its delta to the row of its SKU; nothing else is left out or added.

    python -m benchmarks.springtide_sum --bootstrap HOST:PORT --topic sums --events 1000000
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.peers import measure
from springtide.agents.work import Work
from springtide.app import logs
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.topics import TopicSpec, describe_topics, ensure_topics
from springtide.app.engine.log import ActorId
from springtide.app.settings import Settings
from springtide.app.worker import Worker
from springtide.codecs.records import Record


class _Movement(msgspec.Struct, gc=False):
    sku: str
    delta: int


class Sum:
    """A kind of actor whose row is a SKU's sum."""

    kind = "sum"
    projection: str | None = None
    idle_after_s: float | None = None

    def __init__(self, topic: str, watch: measure.Stopwatch) -> None:
        self.inputs: tuple[str, ...] = (topic,)
        self._watch = watch
        self._decode = msgspec.json.Decoder(_Movement).decode

    def step(self, work: Work, records: Sequence[Record]) -> None:
        self._watch.mark()
        decode = self._decode
        sums: dict[bytes, int] = {}
        for record in records:
            key = record.key or b""
            sums[key] = sums.get(key, 0) + decode(record.value or b"").delta
        work.prefetch(sums, ())
        for key, delta in sums.items():
            work.put(key, (work.get(key) or 0) + delta)

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        raise error

    def projection_key(self, key: bytes) -> bytes | None:
        return None

    def encode_row(self, key: bytes, row: Any) -> bytes:
        return b"%d" % row

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        return int(raw)


async def run(args: Any, folder: Path) -> str:
    """Runs one worker until it has committed all events."""
    connection = BrokerConnection.from_url(args.bootstrap)
    partitions = len((await describe_topics(connection, [args.topic], offsets=False))[0].partitions)
    app = f"sum-{uuid.uuid4().hex[:8]}"
    changelog = ActorId(app, "sum", 0).changelog[0]
    await ensure_topics(connection, [TopicSpec(changelog, partitions, compacted=True)])
    settings = Settings(app=app, data_dir=folder)
    watch, stop = measure.Stopwatch(), asyncio.Event()
    worker = Worker(settings, connection, index=0, behaviours=[Sum(args.topic, watch)], counts={})
    left = args.events
    steps = 0
    stepped = worker.metrics.stepped

    def count(actor: ActorId, work: Work, records: Sequence[Record], *seconds: float) -> None:
        nonlocal left, steps
        stepped(actor, work, records, *seconds)
        left -= len(records)
        steps += 1
        if left <= 0:
            watch.stop()
            stop.set()

    worker.metrics.stepped = count  # type: ignore[method-assign,assignment]  # no hook
    await worker.run(stop)
    return measure.result(
        "springtide",
        args.events,
        watch.seconds,
        watch.cpu_seconds,
        steps=steps,
        **measure.state(sums(folder)),
    )


def sums(folder: Path) -> list[tuple[str, int]]:
    """The state as it lies in RocksDB after the worker has ended."""
    from rocksdict import AccessType, Options, Rdict  # noqa: PLC0415 - beside the one use

    found = []
    for current in folder.rglob("CURRENT"):
        database = Rdict(
            str(current.parent), options=Options(raw_mode=True), access_type=AccessType.read_only()
        )
        found += [(key[1:].decode(), int(value)) for key, value in database.items() if key[:1] == b"r"]
        database.close()
    return found


def main() -> None:
    """Runs once in a fresh folder and prints the result."""
    args = measure.sum_arguments(__doc__).parse_args()
    logs.configure("warning", json=True)
    folder = Path(tempfile.mkdtemp(prefix="springtide-sum-"))
    try:
        print(uvloop.run(run(args, folder)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
