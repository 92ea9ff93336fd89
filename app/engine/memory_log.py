"""A `Log` in memory with the same transactions and fencing, for simulation and unit tests.

Appended transactions take offsets like Kafka's: the records, then one marker per touched partition, which
no reader sees. Every await passes a `checkpoint`, where a simulator may stop, crash or reorder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

from springtide.app.engine.log import ActorId, Commit, Fenced, Followed
from springtide.codecs.records import Record, TopicPartition

READ_RECORDS_MAX = 500


async def _no_checkpoint(_: str) -> None:
    return None


class MemoryLog:
    """See the module. `topics` gives the partition count of each topic."""

    def __init__(
        self,
        topics: dict[str, int],
        *,
        checkpoint: Callable[[str], Awaitable[None]] = _no_checkpoint,
        clock_ms: Callable[[], int] = lambda: 0,
        unsafe_no_fencing: bool = False,
    ) -> None:
        self._records: dict[TopicPartition, list[Record | None]] = {
            (topic, p): [] for topic, count in topics.items() for p in range(count)
        }
        self._topics = dict(topics)
        self._epochs: dict[str, int] = {}
        self._checkpoint = checkpoint
        self._clock_ms = clock_ms
        self._unsafe_no_fencing = unsafe_no_fencing
        self.group_offsets: dict[tuple[str, TopicPartition], int] = {}

    # --- Log ---

    async def open_writer(self, actor: ActorId, group: str) -> MemoryWriter:
        await self._checkpoint("open")
        name = actor.transactional_id
        epoch = self._epochs[name] = self._epochs.get(name, 0) + 1
        await self._checkpoint("opened")
        return MemoryWriter(self, actor, group, epoch)

    async def end(self, topic_partition: TopicPartition) -> int:
        await self._checkpoint("end")
        return len(self._partition(topic_partition))

    async def ends(self, topic_partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {place: await self.end(place) for place in topic_partitions}

    async def first(self, topic_partition: TopicPartition, position: int, end: int) -> Record | None:
        await self._checkpoint("first")
        found = (r for r in self._partition(topic_partition)[position:end] if r is not None)
        return next(found, None)

    async def read(
        self, topic_partition: TopicPartition, position: int, end: int | None = None
    ) -> AsyncIterator[Sequence[Record]]:
        while end is None or position < end:
            await self._checkpoint("read")
            records = self._partition(topic_partition)
            stop = min(len(records), position + READ_RECORDS_MAX, len(records) if end is None else end)
            yield [r for r in records[position:stop] if r is not None]
            position = max(position, stop)

    async def follow(self, positions: Mapping[TopicPartition, int]) -> AsyncIterator[Followed]:
        at = dict(positions)
        while True:
            for place, position in at.items():
                await self._checkpoint("follow")
                end = len(self._partition(place))
                at[place] = stop = max(position, min(end, position + READ_RECORDS_MAX))
                records = [r for r in self._partition(place)[position:stop] if r is not None]
                yield Followed(place, records, stop, end, self._clock_ms())

    async def partitions(self, topic: str) -> int:
        if topic not in self._topics:
            raise ValueError(f"there is no topic '{topic}'")
        return self._topics[topic]

    async def identity(self) -> str:
        return "memory"

    async def pause(self, seconds: float) -> None:
        await self._checkpoint(f"pause {seconds}")

    # --- beyond the interface: the outside world writes and reads at once ---

    def put(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> int:
        """Appends one record outside of any transaction, as a producer of events does; its offset."""
        records = self._partition((topic, partition))
        offset = len(records)
        records.append(Record(topic, partition, offset, self._clock_ms(), key, value))
        return offset

    def slice(self, topic_partition: TopicPartition, position: int, records_max: int) -> list[Record]:
        """Committed records from a position on, at once."""
        records = self._partition(topic_partition)
        found: list[Record] = []
        while position < len(records) and len(found) < records_max:
            record = records[position]
            if record is not None:
                found.append(record)
            position += 1
        return found

    def size(self, topic_partition: TopicPartition) -> int:
        """The offset after the last one, at once."""
        return len(self._partition(topic_partition))

    def _partition(self, topic_partition: TopicPartition) -> list[Record | None]:
        try:
            return self._records[topic_partition]
        except KeyError:
            topic, partition = topic_partition
            raise ValueError(f"there is no partition {partition} of topic '{topic}'") from None

    def _append(self, commit: Commit, actor: ActorId, group: str) -> int:
        now = self._clock_ms()
        batches: dict[TopicPartition, list[tuple[bytes | None, bytes | None]]] = {
            actor.changelog: [*commit.changelog],
            **commit.messages,
        }
        for (topic, partition), batch in batches.items():
            records = self._partition((topic, partition))
            for key, value in batch:
                records.append(Record(topic, partition, len(records), now, key, value))
        position = len(self._partition(actor.changelog))
        for topic_partition in batches:
            self._partition(topic_partition).append(None)  # the transaction marker
        for topic_partition, offset in commit.positions.items():
            self.group_offsets[group, topic_partition] = offset
        return position


class MemoryWriter:
    """The open writer of one actor, good until another one is opened."""

    def __init__(self, log: MemoryLog, actor: ActorId, group: str, epoch: int) -> None:
        self._log = log
        self._actor = actor
        self._group = group
        self._epoch = epoch

    async def append(self, commit: Commit) -> int:
        await self._log._checkpoint("append")  # noqa: SLF001 - the two classes are one implementation
        log = self._log
        if log._epochs[self._actor.transactional_id] != self._epoch and not log._unsafe_no_fencing:  # noqa: SLF001
            raise Fenced(f"{self._actor.transactional_id} was opened by another writer")
        position = log._append(commit, self._actor, self._group)  # noqa: SLF001
        await log._checkpoint("appended")  # noqa: SLF001 - committed, and the writer may die before it knows
        return position

    async def close(self) -> None:
        return None
