"""The whole way of an event in this process: every actor over a real broker, with no membership around it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from springtide.app import wiring
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.topics import ensure_topics
from springtide.app.engine.actor import PartitionActor, Run, SourceClosed
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.settings import Settings


class LogSource:
    """The records of some partitions from the log's beginning on, as an actor takes them."""

    def __init__(self, log: KafkaLog, places: Sequence[tuple[str, int]]) -> None:
        self._runs: asyncio.Queue[Run | None] = asyncio.Queue(64)
        self._reading = asyncio.create_task(self._read(log, places))

    async def _read(self, log: KafkaLog, places: Sequence[tuple[str, int]]) -> None:
        async for followed in log.follow(dict.fromkeys(places, 0)):
            if followed.records:
                await self._runs.put(list(followed.records))

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        try:
            async with asyncio.timeout(idle_after_s):
                run = await self._runs.get()
        except TimeoutError:
            return []
        if run is None:
            raise SourceClosed
        return [run]

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        while not self._runs.empty():
            self._runs.get_nowait()
        self._runs.put_nowait(None)


class Pipeline:
    """`async with Pipeline(...)`: all actors run; afterwards none does, and the projections stay."""

    def __init__(self, settings: Settings, connection: BrokerConnection) -> None:
        self._settings = settings
        self._connection = connection
        self._log = KafkaLog(connection)
        self._sources: list[LogSource] = []
        self._running: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        specs = wiring.topic_specs(self._settings)
        await ensure_topics(self._connection, specs)
        await self._log.start()
        counts = wiring.actor_partitions(self._settings)
        for behaviour in wiring.behaviours(self._settings):
            for partition in range(counts[behaviour.kind]):
                source = LogSource(self._log, [(topic, partition) for topic in behaviour.inputs])
                actor = PartitionActor(
                    behaviour=behaviour,
                    actor=ActorId(self._settings.app, behaviour.kind, partition),
                    group=self._settings.app,
                    log=self._log,
                    open_store=MemoryStore,
                    source=source,
                    partition_counts=wiring.partition_counts(specs),
                )
                self._sources.append(source)
                self._running.append(asyncio.create_task(actor.run()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for source in self._sources:
            await source.close()
        await asyncio.gather(*self._running)
        await self._log.close()


def settings_in(folder: Path, **given: Any) -> Settings:
    """Small, and open to whoever asks, unless something else is given."""
    return Settings(
        **{"data_dir": folder, "ingress_partitions": 2, "inbox_partitions": 2, "access": "open", **given}
    )
