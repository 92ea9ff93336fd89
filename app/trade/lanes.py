"""One lane for each partition: a batch that is filled while the one before is on its way.

So batches are as small as the rate allows and grow with it, the order within a partition is kept, and what
is unacknowledged is bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from springtide.app.trade.emission import Emission
from springtide.codecs.records import TopicPartition, partition_for

UNACKNOWLEDGED_MAX: Final = 20_000
"""Events handed over and not acknowledged at which `room` begins to wait."""
_STOP_S: Final = 5.0


class _Lane:
    """`filling` takes events; `full` are closed batches that wait their turn."""

    __slots__ = ("filling", "full", "partition", "task", "topic")

    def __init__(self, topic: str, partition: int) -> None:
        self.topic = topic
        self.partition = partition
        self.filling: Any = None
        self.full: deque[Any] = deque()
        self.task: asyncio.Task[None] | None = None


class Lanes:
    """Sends over a started producer; `partitions` gives the number of partitions of each topic."""

    def __init__(self, producer: Any, partitions: Mapping[str, int]) -> None:
        self.acknowledged = 0
        self.offsets: dict[TopicPartition, tuple[int, int]] = {}
        self._producer = producer
        self._lanes = {
            topic: [_Lane(topic, partition) for partition in range(count)]
            for topic, count in partitions.items()
        }
        self._handed = 0
        self._progress = asyncio.Event()
        self._error: BaseException | None = None

    def append(self, emission: Emission, timestamp_ms: int) -> None:
        """Hands one event over. It is on its way as soon as its lane is free."""
        topic, key, value, headers = emission
        lanes = self._lanes[topic]
        lane = lanes[partition_for(key, len(lanes))]
        batch = lane.filling
        if batch is None:
            batch = lane.filling = self._producer.create_batch()
        if batch.append(key=key, value=value, timestamp=timestamp_ms, headers=list(headers)) is None:
            lane.full.append(batch)
            batch = lane.filling = self._producer.create_batch()
            # A first record is taken whatever its size; the broker says if it is too large.
            batch.append(key=key, value=value, timestamp=timestamp_ms, headers=list(headers))
        self._handed += 1
        if lane.task is None:
            lane.task = asyncio.get_running_loop().create_task(self._drive(lane))

    async def room(self) -> None:
        """Waits while too much is unacknowledged. Raises what sending raised."""
        while self._error is None and self._handed - self.acknowledged >= UNACKNOWLEDGED_MAX:
            self._progress.clear()
            await self._progress.wait()
        self._raise()

    async def flush(self, limit_s: float | None) -> None:
        """Waits until all is acknowledged, or the limit is over. Raises what sending raised."""
        try:
            async with asyncio.timeout(limit_s):
                while self._error is None and self.acknowledged < self._handed:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return
        self._raise()

    async def close(self) -> None:
        """Ends the lanes' tasks; what is not on its way by now is dropped."""
        tasks = [lane.task for lanes in self._lanes.values() for lane in lanes if lane.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_STOP_S)

    async def _drive(self, lane: _Lane) -> None:
        """Sends one batch after the other until the lane is empty."""
        try:
            while lane.full or lane.filling is not None:
                if lane.full:
                    batch = lane.full.popleft()
                else:
                    batch, lane.filling = lane.filling, None
                count = batch.record_count()
                batch.close()
                sent = await self._producer.send_batch(batch, lane.topic, partition=lane.partition)
                self._took((await sent).offset, count, lane)
        except Exception as error:  # noqa: BLE001 - raised again by `room` and `flush`, in the caller's task
            self._error = error
            self._progress.set()
        finally:
            lane.task = None

    def _took(self, offset: int, count: int, lane: _Lane) -> None:
        self.acknowledged += count
        self._progress.set()
        if offset < 0:
            return  # a retry that the broker knew already: it does not say where it lies
        place = (lane.topic, lane.partition)
        first, _ = self.offsets.get(place, (offset, 0))
        self.offsets[place] = (first, offset + count - 1)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error
