"""The actors of one process: begun when their partition comes, ended before it goes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from springtide.agents.work import Behaviour
from springtide.app.engine.actor import ActorSettings, PartitionActor
from springtide.app.engine.log import ActorId, Log
from springtide.app.engine.mailbox import Mailbox
from springtide.app.engine.metrics import Metrics
from springtide.app.engine.rocks_store import RocksStore, StoreResources
from springtide.codecs.records import Record, TopicPartition

STEP_END_S: Final = 5.0
Flow = Callable[[TopicPartition], None]
_log = structlog.get_logger("springtide.host")


class ActorHost:
    """See the module. `failed` is set, and `failure` says why, when an actor ended by itself: whoever runs
    the host must then end the process, since its partitions stand still."""

    def __init__(
        self,
        *,
        app: str,
        group: str,
        behaviours: Sequence[Behaviour],
        counts: Mapping[str, int],
        log: Log,
        folder: Path,
        resources: StoreResources,
        settings: ActorSettings,
        mailbox_records_max: int,
        pause: Flow,
        resume: Flow,
        metrics: Metrics,
    ) -> None:
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self._app = app
        self._group = group
        self._by_topic = {topic: behaviour for behaviour in behaviours for topic in behaviour.inputs}
        self._counts = counts
        self._log = log
        self._folder = folder
        self._resources = resources
        self._settings = settings
        self._mailbox_records_max = mailbox_records_max
        self._pause = pause
        self._resume = resume
        self._metrics = metrics
        self._running: dict[tuple[str, int], tuple[PartitionActor, Mailbox, asyncio.Task[None]]] = {}

    def offer(self, run: Sequence[Record]) -> None:
        """Hands a run to its actor; one for an actor that is not here is dropped, as it is read again."""
        first = run[0]
        found = self._running.get((self._by_topic[first.topic].kind, first.partition))
        if found is not None:
            found[1].offer(run)

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """Begins the actors of these partitions that are not running."""
        for topic, partition in sorted(places):
            behaviour = self._by_topic.get(topic)
            if behaviour is None or (behaviour.kind, partition) in self._running:
                continue
            self._begin(behaviour, partition)

    async def revoke(self) -> None:
        """Ends all actors: each finishes its step, then closes its producer, then its store.

        One that recovers, or whose step does not end, is cancelled: to be cut off is no more to it than to be
        killed, and whoever is to have its partition must not wait for a broker that does not answer.
        """
        running, self._running = self._running, {}
        for actor, mailbox, task in running.values():
            mailbox.close()
            if not actor.recovered:
                task.cancel()
        tasks = [task for _, _, task in running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STEP_END_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def observe(self) -> None:
        """Brings the gauges up to date."""
        waiting = self.waiting()
        states: Counter[tuple[str, str]] = Counter()
        newest: dict[str, int] = {}
        for (kind, _), (actor, _, _) in self._running.items():
            states[kind, "running" if actor.recovered else "recovering"] += 1
            newest[kind] = max(newest.get(kind, 0), actor.meta.time_us)
        for behaviour in dict.fromkeys(self._by_topic.values()):
            kind = behaviour.kind
            self._metrics.mailbox.labels(kind).set(waiting.get(kind, 0))
            self._metrics.stream_time_s.labels(kind).set(newest.get(kind, 0) / 1e6)
            for state in ("running", "recovering"):
                self._metrics.actors.labels(kind, state).set(states[kind, state])
        blocks, memtables = self._resources.memory_bytes()
        self._metrics.rocksdb_bytes.labels("cache").set(blocks)
        self._metrics.rocksdb_bytes.labels("memtables").set(memtables)

    def places(self) -> list[TopicPartition]:
        """What the actors here read."""
        return [
            (topic, partition)
            for kind, partition in self._running
            for topic, behaviour in self._by_topic.items()
            if behaviour.kind == kind
        ]

    def waiting(self) -> dict[str, int]:
        """Kind -> records that are fetched and not yet taken."""
        found: dict[str, int] = {}
        for (kind, _), (_, mailbox, _) in self._running.items():
            found[kind] = found.get(kind, 0) + len(mailbox)
        return found

    def kind_of(self, topic: str) -> str:
        return self._by_topic[topic].kind

    def _begin(self, behaviour: Behaviour, partition: int) -> None:
        identity = ActorId(self._app, behaviour.kind, partition)
        mailbox = Mailbox(self._mailbox_records_max, self._pause, self._resume)
        folder = self._folder / f"{behaviour.kind}-{partition}"
        actor = PartitionActor(
            behaviour=behaviour,
            actor=identity,
            group=self._group,
            log=self._log,
            open_store=lambda: RocksStore(folder, self._resources),
            source=mailbox,
            partition_counts=self._counts,
            settings=self._settings,
            observer=self._metrics,
        )
        task = asyncio.create_task(actor.run(), name=identity.transactional_id)
        self._running[behaviour.kind, partition] = (actor, mailbox, task)
        task.add_done_callback(lambda done: self._ended(identity, done))

    def _ended(self, identity: ActorId, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        _log.error("actor ended", actor=identity.transactional_id, error=f"{type(error).__name__}: {error}")
        found = self._running.get((identity.kind, identity.partition))
        if found is not None and found[2] is task and not self.failed.is_set():
            self.failure = error
            self.failed.set()
