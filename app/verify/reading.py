"""Committed records of many partitions, read together in about the order in which they were written."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from heapq import heappop, heappush
from typing import Final, cast

from springtide.app.engine.log import Log
from springtide.codecs.records import Record, TopicPartition

CHUNK: Final = 1_000
"""Records given out of one partition before another one may have its turn."""
Progress = Callable[[str, int, int], None]
"""(what is being done, records done, records in all)"""


async def ends(log: Log, topics: Sequence[str]) -> dict[TopicPartition, int]:
    """Where each partition of the topics ends now."""
    return {
        (topic, partition): await log.end((topic, partition))
        for topic in topics
        for partition in range(await log.partitions(topic))
    }


async def together(log: Log, until: Mapping[TopicPartition, int]) -> AsyncIterator[Sequence[Record]]:
    """All records of the partitions up to their given ends, in chunks of one partition each; of two
    partitions the one whose next record is older comes first, so that causes and effects lie close.

    Holds one batch of each partition.
    """
    async with AsyncExitStack() as stack:
        readers = []
        for topic_partition, end in until.items():
            if end > 0:
                readers.append(await stack.enter_async_context(aclosing(_batches(log, topic_partition, end))))
        heap: list[tuple[int, int, int, Sequence[Record]]] = []
        for number, reader in enumerate(readers):
            batch = await anext(reader, None)
            if batch is not None:
                heappush(heap, (batch[0].timestamp_ms, number, 0, batch))
        while heap:
            _, number, start, found = heappop(heap)
            stop = min(len(found), start + CHUNK)
            yield found[start:stop] if start or stop < len(found) else found
            if stop == len(found):
                batch = await anext(readers[number], None)
                if batch is None:
                    continue
                stop, found = 0, batch
            heappush(heap, (found[stop].timestamp_ms, number, stop, found))


async def _batches(
    log: Log, topic_partition: TopicPartition, end: int
) -> AsyncGenerator[Sequence[Record], None]:
    # Both logs read by generators, which hold a consumer until they are closed.
    reading = cast("AsyncGenerator[Sequence[Record], None]", log.read(topic_partition, 0, end))
    async with aclosing(reading) as batches:
        async for batch in batches:
            if batch:
                yield batch


async def last_value(
    log: Log, topic_partition: TopicPartition, key: bytes, end: int
) -> tuple[int, bytes] | None:
    """(offset, value) of the newest record with a key below `end`; None if there is none.

    Looks back from the end in growing steps: in the logs of actors the record is among the last.
    """
    span = 64
    while True:
        start = max(0, end - span)
        found: tuple[int, bytes] | None = None
        async for batch in log.read(topic_partition, start, end):
            for record in batch:
                if record.key == key and record.value is not None:
                    found = record.offset, record.value
        if found is not None or start == 0:
            return found
        span *= 16
