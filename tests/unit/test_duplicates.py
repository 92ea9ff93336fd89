"""Which events count as duplicates: by stream time alone, however they were batched and whoever recovered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from springtide.agents.work import DIGEST, EXPIRED_SEGMENTS_PER_STEP_MAX, SEGMENT, Meta, Timers, Work
from springtide.app.engine.actor import replayed
from springtide.app.engine.memory_store import MemoryStore
from springtide.codecs.records import Record

SECOND_US = 1_000_000
RETENTION_S = 100
Seen = tuple[int, str]
"""(stream time in seconds, name of an event)."""


class NoRows:
    projection = None

    def projection_key(self, key: bytes) -> bytes | None:
        return None

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        raise AssertionError

    def encode_row(self, key: bytes, row: Any) -> bytes:
        raise AssertionError


class Partition:
    """Steps that only ask whether events are new, committed to a store and a changelog."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.changelog: list[Record] = []
        self._meta = Meta()

    def step(self, *seen: Seen) -> list[bool]:
        meta = Meta(
            1,
            {},
            self._meta.time_us,
            {},
            self._meta.segment_next,
            self._meta.segment_oldest,
            self._meta.steps,
        )
        work = Work(
            partition=0,
            reader=self.store,
            codec=NoRows(),
            meta=meta,
            timers=Timers(),
            rows={},
            dedup_retention_us=RETENTION_S * SECOND_US,
        )
        verdicts = []
        for at_s, name in seen:
            meta.time_us = max(meta.time_us, at_s * SECOND_US)
            verdicts.append(work.is_new(digest(name)))
        changelog, local = work.writes()
        self.changelog += [
            Record("c", 0, len(self.changelog) + i, 0, key, value) for i, (key, value) in enumerate(changelog)
        ]
        self.store.write(changelog + local, "x", len(self.changelog))
        self._meta = meta
        return verdicts

    def recover(self, batch: int) -> None:
        """Loses the store and reads the changelog again, in batches."""
        self.store = MemoryStore()
        for at in range(0, len(self.changelog), batch):
            part = self.changelog[at : at + batch]
            self.store.write(replayed(self.store, part), "x", part[-1].offset + 1)

    def digests(self) -> list[bytes]:
        return [key for key, _ in self.store.scan(DIGEST)]


def digest(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def told(partition: Partition, steps: Iterable[Sequence[Seen]]) -> list[bool]:
    return [verdict for step in steps for verdict in partition.step(*step)]


@pytest.mark.parametrize("gap_s", [1, 60, 98, 99, 100, 101, 102, 150])
def test_batching_does_not_decide_what_a_duplicate_is(gap_s: int) -> None:
    seen = [(1_000, "a"), (1_000 + gap_s // 2, "b"), (1_000 + gap_s, "a"), (1_000 + gap_s, "b")]
    one_by_one = told(Partition(), [[one] for one in seen])
    in_pairs = told(Partition(), [seen[:2], seen[2:]])
    at_once = told(Partition(), [seen])
    assert one_by_one == in_pairs == at_once


def test_within_the_window_it_is_a_duplicate_and_long_after_it_is_new() -> None:
    partition = Partition()
    assert partition.step((1_000, "a")) == [True]
    assert partition.step((1_100, "a")) == [False]
    assert partition.step((1_200, "a")) == [True]


def test_what_comes_again_after_the_window_is_not_forgotten_with_its_first_time() -> None:
    partition = Partition()
    partition.step((1_000, "a"))
    assert partition.step((1_200, "a")) == [True]
    assert partition.step((1_210, "a")) == [False]


def test_nor_when_one_step_spans_the_whole_window() -> None:
    partition = Partition()
    assert partition.step((1_000, "a"), (1_200, "a")) == [True, True]
    assert partition.step((1_201, "b")) == [True]
    assert partition.step((1_202, "a")) == [False]


def test_nor_when_more_has_expired_than_one_step_clears() -> None:
    partition = Partition()
    for at_s in range(EXPIRED_SEGMENTS_PER_STEP_MAX + 5):
        partition.step((1_000 + at_s, f"n{at_s}"))
    last = f"n{EXPIRED_SEGMENTS_PER_STEP_MAX + 4}"
    assert partition.step((5_000, last)) == [True]
    assert partition.step((5_001, "other")) == [True]
    assert partition.step((5_002, last)) == [False]


@pytest.mark.parametrize("batch", [1, 2, 3, 1_000])
def test_a_recovered_store_knows_the_same_digests(batch: int) -> None:
    partition = Partition()
    for at_s in (1_000, 1_050, 1_090, 1_200, 1_210, 1_400):
        partition.step((at_s, f"n{at_s}"), (at_s, "again and again"))
    stood = partition.digests()
    partition.recover(batch)
    assert partition.digests() == stood
    assert [key[:1] for key, _ in partition.store.scan(SEGMENT)] == [SEGMENT]
