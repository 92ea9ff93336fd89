"""What an idle actor wanted to tell is told, though the log or the store failed just then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from springtide.agents.work import Work
from springtide.app.engine.actor import PartitionActor, Run, SourceClosed
from springtide.app.engine.log import ActorId, LogUnavailable
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.engine.store import StoreFailed
from springtide.codecs.records import Record

TELLER = ActorId("app", "teller", 0)


class Teller:
    """Tells once that nothing more comes, whenever something has come."""

    kind = "teller"
    inputs = ("in",)
    projection = None
    idle_after_s = 0.01

    def step(self, work: Work, records: Sequence[Record]) -> None:
        if records:
            work.put(b"told", False)
        elif not work.get(b"told"):
            work.put(b"told", True)
            work.emit("out", b"k", b"nothing more")

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        raise AssertionError

    def projection_key(self, key: bytes) -> bytes | None:
        return None

    def encode_row(self, key: bytes, row: Any) -> bytes:
        return b"1" if row else b"0"

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        return raw == b"1"


class OneRecord:
    """One record, then nothing; closes once the actor waits without wanting to idle."""

    def __init__(self) -> None:
        self._runs: list[Run] = [[Record("in", 0, 0, 0, b"k", b"v")]]

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        if self._runs:
            return [self._runs.pop()]
        if idle_after_s is None:
            raise SourceClosed
        return []


class FailsAt:
    """Passes every checkpoint but the `number`th append."""

    def __init__(self, number: int) -> None:
        self._left = number

    async def __call__(self, checkpoint: str) -> None:
        if checkpoint == "append":
            self._left -= 1
            if self._left == 0:
                raise LogUnavailable("planted")


class FailsOnce(MemoryStore):
    """Fails on its second write, that of the idle step."""

    writes = 0

    def write(self, puts: Iterable[tuple[bytes, bytes | None]], identity: str, position: int) -> None:
        self.writes += 1
        if self.writes == 2:
            raise StoreFailed("planted")
        super().write(puts, identity, position)


async def outcome(log: MemoryLog, store: MemoryStore) -> list[bytes | None]:
    actor = PartitionActor(
        behaviour=Teller(),
        actor=TELLER,
        group="g",
        log=log,
        open_store=lambda: store,
        source=OneRecord(),
        partition_counts={"out": 1},
    )
    await actor.run()
    return [record.value for record in log.slice(("out", 0), 0, 10)]


TOPICS = {"in": 1, "out": 1, TELLER.changelog[0]: 1}


@pytest.mark.parametrize("number", [1, 2])
async def test_the_log_is_away_at_an_append(number: int) -> None:
    assert await outcome(MemoryLog(TOPICS, checkpoint=FailsAt(number)), MemoryStore()) == [b"nothing more"]


async def test_the_store_fails_at_the_idle_step() -> None:
    assert await outcome(MemoryLog(TOPICS), FailsOnce()) == [b"nothing more"]
