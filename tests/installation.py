"""The real actors over a log in memory, run until nothing is left to do; batches are as the seed has it."""

from __future__ import annotations

from collections.abc import Collection
from random import Random
from typing import Any, Final

import msgspec

from springtide.app.engine.actor import ActorSettings, PartitionActor, Run, SourceClosed
from springtide.app.engine.log import ActorId
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.settings import Settings
from springtide.app.wiring import actor_partitions, behaviours, partition_counts, topic_specs
from springtide.codecs.facts import FACT_BY_NAME
from springtide.codecs.records import Record, partition_for
from springtide.codecs.times import SECOND_US, day_start, rfc3339

START_US: Final = day_start("2026-03-02") + 6 * 3_600 * SECOND_US


class Waiting:
    """What waits for an actor in its inputs, in batches of random size; then idle once, then closed."""

    def __init__(
        self, log: MemoryLog, topics: tuple[str, ...], partition: int, rng: Random, records_max: int
    ) -> None:
        self._log = log
        self._positions = {(topic, partition): 0 for topic in topics}
        self._rng = rng
        self._records_max = records_max
        self._idle = False
        self.actor: PartitionActor | None = None

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        assert self.actor is not None
        runs: list[Run] = []
        for place in self._positions:
            position = max(self._positions[place], self.actor.meta.positions.get(f"{place[0]}/{place[1]}", 0))
            found: list[Record] = self._log.slice(place, position, self._rng.randint(1, self._records_max))
            if found:
                self._positions[place] = found[-1].offset + 1
                runs.append(found)
        if runs:
            self._idle = False
            return runs
        if idle_after_s is None or self._idle:
            raise SourceClosed
        self._idle = True
        return []


class Installation:
    """One log and its actors. `run` lets them all work until the log is at rest."""

    def __init__(self, seed: int = 1, *, settings: Settings | None = None, records_max: int = 40) -> None:
        self.settings = settings or Settings(ingress_partitions=2, inbox_partitions=2)
        self.specs = partition_counts(topic_specs(self.settings))
        self.now_ms = 1_000
        self._events = 0
        self.log = MemoryLog(self.specs, clock_ms=self._clock_ms)
        self._rng = Random(seed)
        self._records_max = records_max
        self._stores: dict[ActorId, MemoryStore] = {}

    def _clock_ms(self) -> int:
        self.now_ms += 1
        return self.now_ms

    def put(self, topic: str, key: bytes, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> int:
        """An event as it comes; its offset."""
        partition = partition_for(key, self.specs[topic])
        offset = self.log.put(topic, partition, key, value)
        if headers:
            records = self.log._records[topic, partition]
            records[offset] = msgspec.structs.replace(records[offset], headers=headers)
        return offset

    def say(self, fact: str, source: str, subject: str, at_s: float, /, **data: Any) -> int:
        """A well-formed event that occurred `at_s` seconds after the start; its offset."""
        self._events += 1
        event = {
            "specversion": "1.0",
            "id": f"e{self._events}",
            "source": source,
            "type": f"springtide.{fact}.v1",
            "subject": subject,
            "time": rfc3339(START_US + int(at_s * SECOND_US)),
            "data": data,
        }
        return self.put(FACT_BY_NAME[fact].topic, subject.encode(), msgspec.json.encode(event))

    async def run(self, kinds: Collection[str] = ("gateway", "customer", "order", "sku")) -> None:
        """Until the actors of these kinds have nothing left to do."""
        before = -1
        while before != (before := sum(len(r) for r in self.log._records.values())):
            for behaviour in behaviours(self.settings):
                for partition in range(actor_partitions(self.settings)[behaviour.kind]):
                    if behaviour.kind in kinds:
                        await self._run_one(behaviour, partition)

    # --- the log as it stands, and what no actor would do to it ---

    def records(self, topic: str) -> list[Record]:
        """All records of a topic, partition by partition."""
        return [
            record
            for partition in range(self.specs[topic])
            for record in self.log._records[topic, partition]
            if record is not None
        ]

    def replace(self, record: Record, value: bytes | None = None) -> None:
        """Puts another value in a record's place, or none: then it is gone."""
        changed = None if value is None else msgspec.structs.replace(record, value=value)
        self.log._records[record.topic, record.partition][record.offset] = changed

    def append(self, record: Record, partition: int | None = None) -> int:
        """Writes a record once more, at the end of its own or another partition; its offset."""
        at = record.partition if partition is None else partition
        return self.log.put(record.topic, at, record.key, record.value)

    async def _run_one(self, behaviour, partition: int) -> None:
        actor_id = ActorId(self.settings.app, behaviour.kind, partition)
        store = self._stores.setdefault(actor_id, MemoryStore())
        source = Waiting(self.log, behaviour.inputs, partition, self._rng, self._records_max)
        source.actor = PartitionActor(
            behaviour=behaviour,
            actor=actor_id,
            group="test",
            log=self.log,
            open_store=lambda: store,
            source=source,
            partition_counts=self.specs,
            settings=ActorSettings(dedup_retention_us=self.settings.dedup_retention_s * 1_000_000),
        )
        await source.actor.run()
