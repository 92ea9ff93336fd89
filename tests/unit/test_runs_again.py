"""An actor that is given records again, before or beside the ones it waits for, applies each of them once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from springtide.agents.work import ROW, Work
from springtide.app.engine.actor import PartitionActor, Run, SourceClosed
from springtide.app.engine.log import ActorId
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.engine.memory_store import MemoryStore
from springtide.codecs.records import Record

SUMS = ActorId("app", "sums", 0)


class Sums:
    """Adds up what comes under each key."""

    kind = "sums"
    inputs = ("in",)
    projection = None
    idle_after_s = None

    def step(self, work: Work, records: Sequence[Record]) -> None:
        for record in records:
            assert record.key is not None
            work.put(record.key, (work.get(record.key) or 0) + int(record.value or b"0"))

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        raise AssertionError

    def projection_key(self, key: bytes) -> bytes | None:
        return None

    def encode_row(self, key: bytes, row: Any) -> bytes:
        return str(row).encode()

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        return int(raw)


class Takes:
    """A source that gives what it was given, take by take."""

    def __init__(self, *takes: list[Run]) -> None:
        self._takes = list(takes)

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        if not self._takes:
            raise SourceClosed
        return self._takes.pop(0)


def run_of(*offsets: int) -> Run:
    """Records whose values are powers of two, so that a sum names the records in it."""
    return [Record("in", 0, offset, 0, b"k", str(1 << offset).encode()) for offset in offsets]


async def total(*takes: list[Run]) -> int:
    store = MemoryStore()
    actor = PartitionActor(
        behaviour=Sums(),
        actor=SUMS,
        group="g",
        log=MemoryLog({"in": 1, SUMS.changelog[0]: 1}),
        open_store=lambda: store,
        source=Takes(*takes),
        partition_counts={},
    )
    await actor.run()
    return int(store.get_many([ROW + b"k"])[0] or 0)


async def test_a_run_that_comes_again_in_a_later_take() -> None:
    assert await total([run_of(0, 1, 2)], [run_of(1, 2, 3)]) == 0b1111


async def test_a_run_that_overlaps_the_one_before_it_in_the_same_take() -> None:
    assert await total([run_of(0, 1, 2), run_of(1, 2, 3)]) == 0b1111


async def test_an_older_run_behind_a_newer_one_in_the_same_take() -> None:
    assert await total([run_of(0, 1, 2), run_of(0, 1)], [run_of(2), run_of(3)]) == 0b1111
