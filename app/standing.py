"""Actors that stand in memory and never commit: the same steps, one record at a time, with nothing to lose.

What `springtide simulate` runs on, and what the simulation compares a faulty run with.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from springtide.agents.work import ROW, Behaviour, Meta, Reader, Timers, Work, decode_meta, encode_meta
from springtide.codecs.records import Record


class Emitted(NamedTuple):
    """A message an actor sent; `partition` None is that of its key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None


class _Nothing:
    """A `Reader` with nothing in it: all there is stands in the unit of work."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [None] * len(keys)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:  # noqa: ARG002
        return iter(())


_NOTHING: Final = _Nothing()


class Begin(NamedTuple):
    """What a partition begins with. Nothing of it is changed."""

    reader: Reader
    meta: bytes = encode_meta(Meta())
    timers: tuple[tuple[int, bytes], ...] = ()
    """(due, key)"""


class StandingWork(Work):
    """A unit of work that spans a partition's whole life: rows stay decoded, duplicates stay known."""

    __slots__ = ("_behind", "_keys")

    def __init__(
        self, partition: int, codec: Behaviour, dedup_retention_us: int, begin: Begin | None = None
    ) -> None:
        self._behind = None if begin is None else begin.reader
        super().__init__(
            partition=partition,
            reader=_NOTHING if begin is None else begin.reader,
            codec=codec,
            meta=Meta() if begin is None else decode_meta(begin.meta),
            timers=Timers() if begin is None else Timers(begin.timers),
            rows={},
            dedup_retention_us=dedup_retention_us,
        )
        self._keys: list[bytes] = []

    def put(self, key: bytes, row: Any) -> None:
        keys = self._keys
        at = bisect_left(keys, key)
        if at == len(keys) or keys[at] != key:
            keys.insert(at, key)
        self.rows[key] = row

    def delete(self, key: bytes) -> None:
        keys = self._keys
        at = bisect_left(keys, key)
        if at < len(keys) and keys[at] == key:
            del keys[at]
        self.rows[key] = None

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        keys = self._keys
        at = bisect_left(keys, prefix)
        found = []
        while at < len(keys) and keys[at].startswith(prefix):
            found.append(keys[at])
            at += 1
        if self._behind is not None:
            stored = (key[len(ROW) :] for key, _ in self._behind.scan(ROW + prefix))
            found = sorted(dict.fromkeys([*found, *stored]))
        return iter([(key, row) for key in found if (row := self.get(key)) is not None])


class StandingActor:
    """One partition of one kind of actor in memory. `failed` counts the records on which a step raised."""

    def __init__(
        self,
        behaviour: Behaviour,
        partition: int,
        dedup_retention_us: int,
        begin: Begin | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.partition = partition
        self.failed = 0
        self._retention_us = dedup_retention_us
        self._begin = begin
        self._applied: list[Record] = []
        self.work = self._new_work()

    def apply(self, record: Record) -> list[Emitted]:
        """What the actor sends on this record; a record on which it raises gives a dead letter alone, and
        changes nothing."""
        try:
            self.behaviour.step(self.work, (record,))
        except Exception as error:  # noqa: BLE001 - whatever a step raises stands for that one record
            self.failed += 1
            self._rebuild()
            topic, key, value = self.behaviour.dead_letter(record, error)
            self._positioned(record)
            return [Emitted(topic, key, value, None)]
        self._applied.append(record)
        self._positioned(record)
        return self._sent()

    def idle(self) -> list[Emitted]:
        """What it sends once nothing more comes."""
        if self.behaviour.idle_after_s is None:
            return []
        self.behaviour.step(self.work, ())
        return self._sent()

    def rows(self) -> dict[bytes, bytes]:
        """All rows, encoded, by row key."""
        encode = self.behaviour.encode_row
        return {key: encode(key, row) for key, row in self.work.rows.items() if row is not None}

    def _positioned(self, record: Record) -> None:
        self.work.meta.positions[f"{record.topic}/{record.partition}"] = record.offset + 1

    def _sent(self) -> list[Emitted]:
        out = self.work.out
        if not out:
            return []
        sent = [Emitted(topic, *message) for topic, messages in out.items() for message in messages]
        self.work.out = {}
        return sent

    def _new_work(self) -> StandingWork:
        return StandingWork(self.partition, self.behaviour, self._retention_us, self._begin)

    def _rebuild(self) -> None:
        # The failed step may have changed rows in place: all before it is applied again to empty rows.
        self.work = self._new_work()
        for record in self._applied:
            self.behaviour.step(self.work, (record,))
            self._positioned(record)
        self.work.out = {}
