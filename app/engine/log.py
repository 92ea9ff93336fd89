"""The log as the engine knows it: fence, append atomically, read what is committed.

Two implementations run the same contract tests: Kafka (`kafka_log`) and memory (`memory_log`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from springtide.codecs.records import Record, TopicPartition


class Fenced(Exception):  # noqa: N818 - a verdict: another owner has taken over
    """This writer's actor has been opened by someone else; it must stop and write nothing more."""


class LogUnavailable(Exception):  # noqa: N818
    """The log did not answer in time. Whether the last append counts is unknown: open again and look."""


@dataclass(frozen=True, slots=True)
class ActorId:
    """One actor: a kind and a partition. `app` sets installations on one broker apart."""

    app: str
    kind: str
    partition: int

    @property
    def changelog(self) -> TopicPartition:
        return f"{self.app}-{self.kind}-changelog", self.partition

    @property
    def transactional_id(self) -> str:
        return f"{self.app}-{self.kind}-{self.partition}"


@dataclass(slots=True)
class Commit:
    """What one step appends, all or nothing."""

    changelog: list[tuple[bytes, bytes | None]]
    messages: dict[TopicPartition, list[tuple[bytes | None, bytes | None]]] = field(default_factory=dict)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    """Next input offsets, for the consumer group's lag figures; the truth is in the changelog's meta row."""


class Followed(NamedTuple):
    """What following one partition has brought: records, or only news of where its end is."""

    place: TopicPartition
    records: Sequence[Record]
    position: int
    """The next offset to read after these records."""
    end: int
    """The offset after the last committed record, as the log last said."""
    heard_ms: int
    """The reader's clock when the log last said so; it stands still while the log does not answer."""


class Writer(Protocol):
    """The one open writer of an actor."""

    async def append(self, commit: Commit) -> int:
        """Appends atomically; returns the changelog position after it (next offset to read).

        Raises Fenced if another writer was opened for the actor since, LogUnavailable if the outcome is
        unknown; after either, this writer is of no more use.
        """
        ...

    async def close(self) -> None: ...


class Log(Protocol):
    async def open_writer(self, actor: ActorId, group: str) -> Writer:
        """Opens the actor's writer: every earlier one is fenced, and what it left open is aborted."""
        ...

    async def end(self, topic_partition: TopicPartition) -> int:
        """The offset after the last committed record (records in open transactions do not count)."""
        ...

    async def ends(self, topic_partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """The same of many partitions, asked for at once."""
        ...

    async def first(self, topic_partition: TopicPartition, position: int, end: int) -> Record | None:
        """The first committed record from `position` on and before `end`; None if there is none."""
        ...

    def read(
        self, topic_partition: TopicPartition, position: int, end: int | None = None
    ) -> AsyncIterator[Sequence[Record]]:
        """Committed records from `position` on, in batches; stops at `end`, or never if it is None.

        A batch may be empty (nothing new yet). Raises LogUnavailable.
        """
        ...

    def follow(self, positions: Mapping[TopicPartition, int]) -> AsyncIterator[Followed]:
        """Committed records of many partitions from their positions on, with one reader, without end.

        Between records each partition is heard of now and then with none. While the log does not answer,
        nothing comes; the reader finds it again by itself. Raises LogUnavailable if it can't begin.
        """
        ...

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; LogUnavailable if it can't be known, ValueError if there is none."""
        ...

    async def identity(self) -> str:
        """A name of this log that changes when it is another or a new one (Kafka: the cluster id)."""
        ...

    async def pause(self, seconds: float) -> None:
        """Waits before a retry (the simulator's clock is not the machine's)."""
        ...
