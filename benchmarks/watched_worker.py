"""One worker process as `springtide worker` runs it, that watches itself and ends when the backlog is done.

It begins on topics that hold a backlog, and ends when its first kind of actor has applied --events records,
nothing was committed any more for --quiet-s, and there is no record left that any actor has not applied. Time and CPU run from the first record in a step of that
kind to the last commit of any. Prints one JSON line: those, what each kind did, and the process's memory.

    python -m benchmarks.watched_worker --bootstrap HOST:PORT --data-dir DIR --events 200000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from benchmarks.peers import measure
from springtide.agents.work import Behaviour, Work
from springtide.app import logs, wiring
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId, Log
from springtide.app.settings import Settings
from springtide.app.worker import Worker
from springtide.codecs.records import Record

_LOOK_EVERY_S: Final = 0.05


@dataclass(slots=True)
class _Kind:
    """What the actors of one kind did, all together."""

    records: int = 0
    steps: int = 0
    step_s: float = 0.0
    commit_s: float = 0.0
    store_s: float = 0.0
    dead_letters: int = 0

    def told(self) -> dict[str, float]:
        """Costs by record and by step; a commit's time is mostly waiting for the broker."""
        records, steps = max(self.records, 1), max(self.steps, 1)
        return {
            "records": self.records,
            "steps": self.steps,
            "records_per_step": round(self.records / steps, 1),
            "step_us_per_record": round(self.step_s / records * 1e6, 3),
            "store_us_per_record": round(self.store_s / records * 1e6, 3),
            "commit_ms_per_step": round(self.commit_s / steps * 1e3, 3),
            "dead_letters": self.dead_letters,
        }


class Watch:
    """Counts each commit of a worker, and says when it is done."""

    def __init__(self, worker: Worker, behaviours: Sequence[Behaviour], events: int) -> None:
        self.stopwatch = measure.Stopwatch()
        self.kinds = {behaviour.kind: _Kind() for behaviour in behaviours}
        self.began_at = self.ended_at = 0.0
        self._first = self.kinds[behaviours[0].kind]
        self._left = events
        self._committed_s = time.monotonic()
        self._stepped = worker.metrics.stepped
        worker.metrics.stepped = self._count  # type: ignore[method-assign]  # no hook
        self._mark_steps(behaviours[0])

    def done(self, quiet_s: float) -> bool:
        """Whether all was applied, and all that follows from it was too."""
        return self._first.records >= self._left and time.monotonic() - self._committed_s >= quiet_s

    def _mark_steps(self, behaviour: Behaviour) -> None:
        step = behaviour.step

        def mark_and_step(work: Work, records: Sequence[Record]) -> None:
            if not self.began_at:
                self.began_at = time.time()
            self.stopwatch.mark()
            step(work, records)

        behaviour.step = mark_and_step  # type: ignore[method-assign]  # the clock starts before it

    def _count(
        self,
        actor: ActorId,
        work: Work,
        records: Sequence[Record],
        step_s: float,
        commit_s: float,
        store_s: float,
    ) -> None:
        self._stepped(actor, work, records, step_s, commit_s, store_s)
        kind = self.kinds[actor.kind]
        kind.records += len(records)
        kind.steps += 1
        kind.step_s += step_s
        kind.commit_s += commit_s
        kind.store_s += store_s
        kind.dead_letters += sum(n for name, n in work.counts.items() if name.startswith("dead_letters."))
        self._committed_s = time.monotonic()
        self.ended_at = time.time()
        self.stopwatch.stop()


def memory_mb() -> dict[str, float]:
    """This process's memory in MB of a million bytes: resident now and at most, and its share of pages."""
    found: dict[str, float] = {}
    for file, names in _MEMORY.items():
        for line in Path("/proc/self", file).read_text().splitlines():
            name, *rest = line.split()
            if name in names:
                found[names[name]] = round(int(rest[0]) * 1024 / 1e6, 1)
    found["rss_max_mb"] = max(found["rss_max_mb"], found["rss_mb"])  # the kernel's high mark is a rough one
    return found


_MEMORY: Final = {
    # Not getrusage: its maximum is inherited from whoever started the process.
    "status": {"VmHWM:": "rss_max_mb"},
    "smaps_rollup": {"Rss:": "rss_mb", "Pss:": "pss_mb"},
}


async def is_behind(log: Log, worker: Worker) -> bool:
    """Whether any input of the worker's actors holds a record that was not applied."""
    positions = {
        (topic, actor.actor.partition): actor.meta.positions.get(f"{topic}/{actor.actor.partition}", 0)
        for actor, _mailbox, _task in worker.host._running.values()
        for topic in actor.behaviour.inputs
    }
    ends = await log.ends(list(positions))
    for place, position in positions.items():
        # Marks of transactions stand at the end: an end further on need not mean a record.
        if position < ends[place] and await log.first(place, position, ends[place]) is not None:
            return True
    return False


async def run(args: Any) -> dict[str, Any]:
    """Runs the worker until it is done; what it prints."""
    given: dict[str, Any] = {"data_dir": args.data_dir.absolute(), "broker": None}
    if args.inbox_partitions:
        given["inbox_partitions"] = args.inbox_partitions
    settings = Settings(**given)
    behaviours = [one for one in wiring.behaviours(settings) if not args.kinds or one.kind in args.kinds]
    connection = settings.connection(args.bootstrap)
    stop = asyncio.Event()
    worker = Worker(settings, connection, index=0, behaviours=behaviours)
    watch = Watch(worker, behaviours, args.events)
    memory: dict[str, float] = {}

    async def end_when_done() -> None:
        try:
            while not watch.done(args.quiet_s) or (args.quiet_s and await is_behind(log, worker)):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_EVERY_S)
            memory.update(memory_mb())
        finally:
            stop.set()

    log = KafkaLog(connection)
    await log.start()
    ending = asyncio.create_task(end_when_done())
    try:
        await worker.run(stop)
    finally:
        ending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ending
        await log.close()
    seconds, cpu_s = watch.stopwatch.seconds, watch.stopwatch.cpu_seconds
    return {
        "events": args.events,
        "seconds": round(seconds, 4),
        "events_per_s": round(args.events / seconds, 1),
        "cpu_us_per_event": round(cpu_s / args.events * 1e6, 3),
        "cpu_cores": round(cpu_s / seconds, 3),
        "began_at": watch.began_at,
        "ended_at": watch.ended_at,
        "kinds": {name: kind.told() for name, kind in watch.kinds.items()},
        **memory,
    }


def main() -> None:
    """Runs once and prints the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", required=True, help="a running Kafka with Springtide's topics")
    parser.add_argument("--data-dir", required=True, type=Path)
    parser.add_argument("--events", type=int, required=True, help="records of the first kind to wait for")
    parser.add_argument("--kinds", nargs="*", default=[], help="run these kinds of actor alone")
    parser.add_argument("--inbox-partitions", type=int, default=0)
    parser.add_argument("--quiet-s", type=float, default=0.5, help="0 ends it at once")
    args = parser.parse_args()
    measure.end_on_sigterm()
    logs.configure("warning", json=True)
    print(json.dumps(uvloop.run(run(args))), flush=True)


if __name__ == "__main__":
    main()
