"""Sees from the broker alone which actors commit steps, and when.

Every step of an actor ends in its changelog, in one partition of its own; so a follower of the changelogs,
`read_committed`, sees each step when it counts and not before.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final

from springtide.agents.work import META, decode_meta
from springtide.app import wiring
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId, LogUnavailable
from springtide.app.settings import Settings
from springtide.codecs.records import Record, TopicPartition

Actor = tuple[str, int]
"""(kind, partition)"""
_AGAIN_AFTER_S: Final = 0.1


class Mark:
    """An instant, and the first step that each actor committed of records made after it.

    Times are counted from `at_s` (`time.monotonic`); the mark was made at `made_s` or, by the records' clock,
    `wall_ms`.
    """

    def __init__(self, at_s: float | None) -> None:
        self.made_s, self.wall_ms = time.monotonic(), time.time() * 1_000
        self.at_s = self.made_s if at_s is None else at_s
        self.first_s: dict[Actor, float] = {}

    def reached(self, actors: Iterable[Actor]) -> bool:
        """Whether all of them have committed a step since."""
        return all(actor in self.first_s for actor in actors)

    def passed_s(self, actors: Collection[Actor]) -> float:
        """Seconds until the last of them had committed its first step; they must have."""
        return max(self.first_s[actor] for actor in actors) - self.at_s

    def least_s(self, actors: Collection[Actor]) -> float:
        """Seconds until the first of them had committed a step; they must have."""
        return min(self.first_s[actor] for actor in actors) - self.at_s


class Watch:
    """Follows in a thread of its own from `start` to `end`."""

    def __init__(self, connection: BrokerConnection, settings: Settings) -> None:
        self.actors: tuple[Actor, ...] = tuple(
            (kind, number)
            for kind, count in wiring.actor_partitions(settings).items()
            for number in range(count)
        )
        self.last_step_s = 0.0
        """`time.monotonic` when the newest step was seen."""
        self.steps = 0
        self.applied: dict[TopicPartition, int] = {}
        """Input -> the offset up to which its actor has applied it, by the newest step that was seen."""
        self._places: dict[TopicPartition, Actor] = {
            ActorId(settings.app, *actor).changelog: actor for actor in self.actors
        }
        self._connection = connection
        self._marks: list[Mark] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="drill-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        loop, task = self._loop, self._task
        if loop is not None and task is not None and not loop.is_closed():
            with suppress(RuntimeError):  # it ended meanwhile
                loop.call_soon_threadsafe(task.cancel)
        if self._thread.is_alive():
            self._thread.join(10.0)

    def mark(self, *, since_s: float | None = None) -> Mark:
        """From now on, first steps of records made after now are noted; `since_s` is the instant that times
        are counted from, if it was earlier. Forgets older marks but the last few."""
        mark = Mark(since_s)
        self._marks = [*self._marks[-3:], mark]
        return mark

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        positions: dict[TopicPartition, int] = dict.fromkeys(self._places, 0)
        while True:
            log = KafkaLog(self._connection)
            try:
                await log.start()
                await self._follow(log, positions)
            except LogUnavailable:
                await asyncio.sleep(_AGAIN_AFTER_S)
            finally:
                await log.close()

    async def _follow(self, log: KafkaLog, positions: dict[TopicPartition, int]) -> None:
        following: Mapping[TopicPartition, int] = dict(positions)
        async for followed in log.follow(following):
            if not followed.records:
                continue
            positions[followed.place] = followed.position
            now_s, actor = time.monotonic(), self._places[followed.place]
            self.steps += 1
            self._take_positions(followed.records)
            self.last_step_s = now_s
            newest_ms = followed.records[-1].timestamp_ms
            for mark in self._marks:
                # What the dead had committed at the last moment is seen after its death; it is no recovery.
                if newest_ms > mark.wall_ms and actor not in mark.first_s:
                    mark.first_s[actor] = now_s

    def _take_positions(self, records: Sequence[Record]) -> None:
        row = next(
            (record.value for record in reversed(records) if record.key == META and record.value), None
        )
        positions = {} if row is None else decode_meta(row).positions
        for name, position in positions.items():
            topic, _, number = name.rpartition("/")
            self.applied[topic, int(number)] = position
