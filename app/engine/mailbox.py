"""The bounded mailbox of one actor: a `Source` that a worker fills as records come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from springtide.app.engine.actor import Run, SourceClosed
from springtide.codecs.records import Record, TopicPartition


class Mailbox:
    """Holds whole runs. Over `records_max` records it asks for its partitions to be paused, under half of
    it for more; what was fetched by then is still taken in, so `records_max` is passed by one fetch at most.
    """

    def __init__(
        self,
        records_max: int,
        pause: Callable[[TopicPartition], None],
        resume: Callable[[TopicPartition], None],
    ) -> None:
        self._records_max = records_max
        self._pause = pause
        self._resume = resume
        self._runs: deque[Run] = deque()
        self._count = 0
        self._paused: set[TopicPartition] = set()
        self._came = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def offer(self, run: Sequence[Record]) -> None:
        """Adds a run; dropped if the mailbox is closed, since its partition is no longer ours."""
        if self._closed or not run:
            return
        self._runs.append(run)
        self._count += len(run)
        self._came.set()
        if self._count > self._records_max:
            place = (run[0].topic, run[0].partition)
            if place not in self._paused:
                self._paused.add(place)
                self._pause(place)

    def close(self) -> None:
        self._closed = True
        self._came.set()

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        """What waits, in whole or part, up to `records_max`; see `Source`."""
        while not self._runs:
            if self._closed:
                raise SourceClosed
            self._came.clear()
            try:
                async with asyncio.timeout(idle_after_s):
                    await self._came.wait()
            except TimeoutError:
                return []
        if self._closed:
            raise SourceClosed
        taken: list[Run] = []
        room = records_max
        while self._runs and room > 0:
            run = self._runs.popleft()
            if len(run) > room:
                self._runs.appendleft(run[room:])
                run = run[:room]
            taken.append(run)
            room -= len(run)
        self._count -= records_max - room
        if self._paused and self._count * 2 < self._records_max:
            for place in self._paused:
                self._resume(place)
            self._paused.clear()
        return taken
