"""The log in memory with a logbook: every commit in its order, which compaction does not touch."""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field

from springtide.agents.work import SEGMENT, derived_from
from springtide.app.engine.log import ActorId, Commit
from springtide.app.engine.memory_log import MemoryLog
from springtide.codecs.records import Record, TopicPartition

TAKE = "take"


@types.coroutine
def passing(checkpoint: str) -> Generator[str, None, None]:
    """Hands the turn back to the scheduler."""
    yield checkpoint


def _pass(checkpoint: str) -> Awaitable[None]:
    return passing(checkpoint)


@dataclass(slots=True)
class Entry:
    """One commit of an actor: `end` is its changelog position after it."""

    commit: Commit
    end: int


@dataclass(slots=True)
class Logbook:
    """What one actor has committed: whole commits, and its changelog record by record."""

    entries: list[Entry] = field(default_factory=list)
    changelog: list[tuple[int, bytes, bytes | None]] = field(default_factory=list)

    def state_at(self, position: int) -> dict[bytes, bytes]:
        """The store's entries that follow from the changelog before `position`."""
        state: dict[bytes, bytes] = {}
        for offset, key, value in self.changelog:
            if offset >= position:
                break
            if value is None:
                state.pop(key, None)
            else:
                state[key] = value
        for key in sorted(key for key in state if key[:1] == SEGMENT):
            state |= {k: v for k, v in derived_from(key, state[key]) if v is not None}
        return state


class SimulatedLog(MemoryLog):
    """See the module. Each await hands the turn to the scheduler, which may raise there."""

    def __init__(
        self, topics: dict[str, int], clock_ms: Callable[[], int], *, unsafe_no_fencing: bool = False
    ) -> None:
        super().__init__(topics, checkpoint=_pass, clock_ms=clock_ms, unsafe_no_fencing=unsafe_no_fencing)
        self.books: dict[ActorId, Logbook] = {}

    def _append(self, commit: Commit, actor: ActorId, group: str) -> int:
        at = self.size(actor.changelog)
        position = super()._append(commit, actor, group)
        book = self.books.setdefault(actor, Logbook())
        book.entries.append(Entry(commit, position))
        book.changelog += [(at + i, key, value) for i, (key, value) in enumerate(commit.changelog)]
        return position

    def records(self, topic_partition: TopicPartition) -> list[Record]:
        """All committed records, those that compaction removed excepted."""
        return [record for record in self._partition(topic_partition) if record is not None]

    def compact(self, topic_partition: TopicPartition) -> None:
        """Removes each record that a later one of the same key replaces; deletions stay."""
        records = self._partition(topic_partition)
        last = {record.key: record.offset for record in records if record is not None}
        for offset, record in enumerate(records):
            if record is not None and last[record.key] != offset:
                records[offset] = None
