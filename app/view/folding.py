"""The past that is too old to be kept message by message, folded into what it had come to.

    B<kind><entity> 0 <key>    the state of the entity's actor, as if it had a partition of its own: keys are
                               those of `agents.work`, and `OFFSET` has the last message that is in it

Messages are taken in by the same actor, some at a time, and go in the same write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, NamedTuple

from springtide.agents.topics import INBOX_ORDER, INBOX_SKU
from springtide.agents.work import META, TIMER, Behaviour, Meta, Timers, Work, decode_meta
from springtide.app.standing import Begin
from springtide.app.view import history
from springtide.app.view.rows import Puts, Rows
from springtide.app.view.world import Heard
from springtide.codecs.messages import Tick, encode
from springtide.codecs.records import Record, partition_for

FOLDED: Final = b"B"
OFFSET: Final = b"\x00offset"
AT_ONCE: Final = 100
"""Messages taken in at once: some tens of milliseconds."""
_INBOX: Final = {history.KINDS[topic]: topic for topic in (INBOX_SKU, INBOX_ORDER)}


class Base:
    """An entity's folded past, as a partition's committed state."""

    def __init__(self, rows: Rows, kind: bytes, entity: bytes) -> None:
        self._rows = rows
        self.prefix = FOLDED + kind + entity + b"\x00"

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self._rows.get_many([self.prefix + key for key in keys])

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._rows.scan(self.prefix + prefix):
            yield key[len(self.prefix) :], value

    @property
    def offset(self) -> int:
        """Of the last message that is in it; -1 of none."""
        raw = self.get_many([OFFSET])[0]
        return -1 if raw is None else int.from_bytes(raw, "big")

    def begin(self) -> Begin | None:
        """What a replay begins with; None: with nothing."""
        meta = self.get_many([META])[0]
        return None if meta is None else Begin(self, meta, self._timers())

    def _timers(self) -> tuple[tuple[int, bytes], ...]:
        return tuple((int.from_bytes(key[1:9], "big"), key[9:]) for key, _ in self.scan(TIMER))

    def take(self, behaviour: Behaviour, partition: int, heard: Sequence[Heard], retention_us: int) -> Puts:
        """What there is to write once these messages are in it."""
        try:
            return self._take(behaviour, partition, heard, retention_us)
        except Exception:
            if len(heard) > 1:  # they go in one by one then
                raise
            return {}  # it was a dead letter when it was told, too

    def _take(self, behaviour: Behaviour, partition: int, heard: Sequence[Heard], retention_us: int) -> Puts:
        raw = self.get_many([META])[0]
        work = Work(
            partition=partition,
            reader=self,
            codec=behaviour,
            meta=Meta() if raw is None else decode_meta(raw),
            timers=Timers(self._timers()),
            rows={},
            dedup_retention_us=retention_us,
        )
        for before_us, record in heard:
            if before_us > work.meta.time_us:
                tick = Record(
                    record.topic, partition, -1, record.timestamp_ms, b"", encode(Tick(before_us, {}))
                )
                behaviour.step(work, (tick,))
            behaviour.step(work, (record,))
        changelog, local = work.writes()
        return {self.prefix + key: value for key, value in (*changelog, *local)}


class Folding(NamedTuple):
    """See the module. `skus_of` tells which SKUs an order is about."""

    behaviours: Mapping[str, Behaviour]
    """By inbox."""
    partitions: int
    retention_us: int
    skus_of: Callable[[bytes], Sequence[str]]

    def some(self, rows: Rows, history_days: int) -> bool:
        """Folds some messages of the oldest day that is over; whether there may be more."""
        kept = history.days(rows)
        if not kept or int.from_bytes(kept[0], "big") > int.from_bytes(kept[-1], "big") - history_days:
            return False
        day = kept[0]
        first = next((key for key, _ in rows.scan(history.HEARD + day)), None)
        if first is not None:
            self._fold(rows, first[:-8])
            return True
        about = [key for key, _ in islice(rows.scan(history.ABOUT + day), 10 * AT_ONCE)]
        rows.put(dict.fromkeys(about) if about else {history.DAY + day: None})
        return True

    def _fold(self, rows: Rows, prefix: bytes) -> None:
        """Some messages of one entity; `prefix` is that of their keys."""
        kind, entity = prefix[3:4], prefix[4:-1]
        base = Base(rows, kind, entity)
        keys = [key for key, _ in islice(rows.scan(prefix), AT_ONCE)]
        last = int.from_bytes(keys[-1][-8:], "big")
        number = partition_for(entity, self.partitions)
        skus = self.skus_of(entity) if kind == history.KINDS[INBOX_ORDER] else ()
        prefixes = [prefix, *history.to_everybody(kind, number, skus)]
        after = base.offset
        heard = [
            one
            for one in history.heard(rows, prefixes, _INBOX[kind], number, entity)
            if after < one.record.offset <= last
        ]
        behaviour = self.behaviours[_INBOX[kind]]
        done: Puts = dict.fromkeys(keys)
        done[base.prefix + OFFSET] = last.to_bytes(8, "big")
        try:
            rows.put(base.take(behaviour, number, heard, self.retention_us) | done)
        except Exception:  # noqa: BLE001 - whatever a step raises stands for one of them
            for one in heard:
                rows.put(base.take(behaviour, number, [one], self.retention_us))
            rows.put(done)
