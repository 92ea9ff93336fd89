"""One partition of one kind of actor: recover, then take, step, commit, store, for ever.

The same class runs under Faust on Kafka and under the deterministic simulator in memory, so it awaits
nothing but its log, its source and their pauses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from time import perf_counter
from typing import Any, Protocol, TypeAlias

from springtide.agents.work import (
    META,
    ROW,
    SEGMENT,
    TIMER,
    Behaviour,
    Meta,
    Timers,
    Work,
    decode_meta,
    derived_from,
)
from springtide.app.engine.log import ActorId, Commit, Log, LogUnavailable, Writer
from springtide.app.engine.store import Store, StoreFailed
from springtide.codecs.records import Record, TopicPartition, partition_for


class SourceClosed(Exception):  # noqa: N818 - how a clean stop reaches the actor
    """The source has ended: the partition was revoked or the worker stops."""


Run: TypeAlias = Sequence[Record]
"""Records of one topic partition, in its order; never empty."""


class Source(Protocol):
    """Where an actor's records come from."""

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        """All that waits, up to the bound; waits if there is nothing, but gives nothing after `idle_after_s`.
        Raises SourceClosed at the end."""
        ...


@dataclass(frozen=True, slots=True)
class ActorSettings:
    """Limits of one actor."""

    step_records_max: int = 8_192
    cached_rows_max: int = 8_192
    dedup_retention_us: int = 7 * 86_400 * 1_000_000
    reopen_pause_s: float = 0.2
    reopen_tries_max: int = 300
    """A minute or more: a broker that restarts on a busy machine must not cost the workers' restart as well."""
    unsafe_store_first: bool = False
    """Plants a known bug, for the tests that show the simulator finds it: the store runs ahead of the log."""


class Observer:
    """What happens in an actor, for metrics; the base class ignores it all."""

    def recovered(self, actor: ActorId, records: int, seconds: float) -> None: ...

    def stepped(
        self,
        actor: ActorId,
        work: Work,
        records: Sequence[Record],
        step_s: float,
        commit_s: float,
        store_s: float,
    ) -> None: ...

    def dead_lettered(self, actor: ActorId, record: Record, error: Exception) -> None: ...

    def reopened(self, actor: ActorId, error: Exception) -> None: ...


class PartitionActor:
    """See the module. `run` may be awaited once."""

    def __init__(
        self,
        *,
        behaviour: Behaviour,
        actor: ActorId,
        group: str,
        log: Log,
        open_store: Callable[[], Store],
        source: Source,
        partition_counts: Mapping[str, int],
        settings: ActorSettings | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.actor = actor
        self.meta = Meta()
        self.recovered = False
        self._group = group
        self._log = log
        self._open_store = open_store
        self._source = source
        self._counts = partition_counts
        self._settings = settings or ActorSettings()
        self._observer = observer or Observer()
        self._timers = Timers()
        self._rows: dict[bytes, Any] = {}
        self._scratch: dict[bytes, Any] = {}
        self._writer: Writer | None = None
        self._store: Store | None = None
        self._identity = ""

    async def run(self) -> None:
        """Recovers, then steps until the source is closed. Raises Fenced when another owner took over,
        LogUnavailable when the log stayed away for all tries, StoreFailed when a new store failed as well."""
        waiting: list[Run] = []
        settled = False
        try:
            await self._recover_with_tries()
            while True:
                if not waiting:
                    idle_after_s = None if settled else self.behaviour.idle_after_s
                    try:
                        waiting = await self._source.take(self._settings.step_records_max, idle_after_s)
                    except SourceClosed:
                        return
                    settled = not waiting
                try:
                    records, ends = self._unapplied(waiting)
                    if records or settled:
                        await self._apply(records, ends)
                    waiting = []
                except LogUnavailable as error:
                    # The outcome of the last append is unknown. Opening again aborts or finds it; then
                    # what waits is applied from the recovered position on.
                    self._observer.reopened(self.actor, error)
                    await self._recover_with_tries()
                    settled = False  # what an idle step wanted to say may not have been said
                except StoreFailed as error:
                    # The log has everything: the local state is thrown away and rebuilt, once for each failure.
                    self._observer.reopened(self.actor, error)
                    self._throw_store_away()
                    await self._recover_with_tries()
                    settled = False
        finally:
            self.recovered = False
            await self._close()

    def _throw_store_away(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.reset()
            store.close()

    async def _close(self) -> None:
        writer, self._writer = self._writer, None
        store, self._store = self._store, None
        try:
            if writer is not None:
                await writer.close()
        finally:
            if store is not None:
                store.close()

    # --- recovery ---

    async def _recover_with_tries(self) -> None:
        tries, rebuilding = 0, False
        while True:
            tries += 1
            try:
                return await self._recover()
            except StoreFailed as error:
                # Damage may show only when it is read. A worker that ended here would find it again for ever.
                if rebuilding:
                    raise
                rebuilding = True
                self._observer.reopened(self.actor, error)
                self._throw_store_away()
            except LogUnavailable as error:
                self._observer.reopened(self.actor, error)
                if tries >= self._settings.reopen_tries_max:
                    raise
                await self._log.pause(self._settings.reopen_pause_s)

    async def _recover(self) -> None:
        """1. Fence: every earlier writer of this actor, and what it left open, ends.
        2. Read the changelog from where the store stands to its end, into the store.
        3. Start from the meta row, the timers and an empty cache.
        """
        began = perf_counter()
        self.recovered = False
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()
        # 1
        self._writer = await self._log.open_writer(self.actor, self._group)
        # 2
        if self._store is None:
            self._store = self._open_store()
        store = self._store
        # A folder of another partition, put here by mistake, would pass for ours by its log and position alone.
        self._identity = f"{await self._log.identity()} {self.actor.transactional_id}"
        end = await self._log.end(self.actor.changelog)
        position = store.position(self._identity)
        if position > end:  # the log is not the one this folder was made from
            store.reset()
            position = 0
        count = 0
        if position < end:
            async for batch in self._log.read(self.actor.changelog, position, end):
                if batch:
                    count += len(batch)
                    position = batch[-1].offset + 1
                    store.write(replayed(store, batch), self._identity, position)
        # 3
        raw = store.get_many([META])[0]
        self.meta = Meta() if raw is None else decode_meta(raw)
        self._timers = Timers((int.from_bytes(key[1:9], "big"), key[9:]) for key, _ in store.scan(TIMER))
        self._rows = {}
        self._scratch = {}
        self.recovered = True
        self._observer.recovered(self.actor, count, perf_counter() - began)

    # --- steps ---

    def _unapplied(self, runs: Sequence[Run]) -> tuple[list[Record], dict[TopicPartition, int]]:
        """The records in one row, without what is already applied; and where their runs end."""
        positions = self.meta.positions
        records: list[Record] = []
        ends: dict[TopicPartition, int] = {}
        for run in runs:
            first, last = run[0], run[-1]
            place = (first.topic, first.partition)
            position = ends.get(place)
            if position is None:
                position = positions.get(f"{first.topic}/{first.partition}", 0)
            if last.offset >= position:
                records += run if first.offset >= position else [r for r in run if r.offset >= position]
                ends[place] = last.offset + 1
        return records, ends

    async def _apply(self, records: Sequence[Record], ends: dict[TopicPartition, int]) -> None:
        """One step and its commit. A step that raises is halved until the one record is alone, which
        becomes a dead letter; all others are applied, in their order. No records: the actor is idle."""
        began = perf_counter()
        work = self._work()
        try:
            self.behaviour.step(work, records)
            if not records and work.is_empty:
                return
            changelog, local = self._finish(work, ends)
        except (StoreFailed, MemoryError):
            raise  # the machine's fault, not the record's: nothing was applied, the worker starts anew
        except Exception as error:
            self._forget()
            if len(records) > 1:
                middle = len(records) // 2
                for half in (records[:middle], records[middle:]):
                    await self._apply(half, _ends(half))
                return
            if not records:
                raise  # an idle step stands for no record that could be set aside
            self._observer.dead_lettered(self.actor, records[0], error)
            work = self._work()
            topic, key, value = self.behaviour.dead_letter(records[0], error)
            work.emit(topic, key, value)
            changelog, local = self._finish(work, ends)
        await self._commit(work, records, ends, changelog, local, began)

    def _work(self) -> Work:
        assert self._store is not None
        meta = self.meta
        return Work(
            partition=self.actor.partition,
            reader=self._store,
            codec=self.behaviour,
            meta=Meta(
                meta.version,
                dict(meta.positions),
                meta.time_us,
                dict(meta.seen),
                meta.segment_next,
                meta.segment_oldest,
                meta.steps,
            ),
            timers=self._timers,
            rows=self._rows,
            scratch=self._scratch,
            dedup_retention_us=self._settings.dedup_retention_us,
        )

    def _finish(
        self, work: Work, ends: dict[TopicPartition, int]
    ) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes | None]]]:
        for place, offset in ends.items():
            work.meta.positions[f"{place[0]}/{place[1]}"] = offset
        return work.writes()

    def _forget(self) -> None:
        """Drops what a failed step may have changed in place: the cache, and the timers."""
        assert self._store is not None
        self._rows = {}
        self._scratch = {}
        self._timers = Timers(
            (int.from_bytes(key[1:9], "big"), key[9:]) for key, _ in self._store.scan(TIMER)
        )

    async def _commit(
        self,
        work: Work,
        records: Sequence[Record],
        ends: dict[TopicPartition, int],
        changelog: list[tuple[bytes, bytes | None]],
        local: list[tuple[bytes, bytes | None]],
        began: float,
    ) -> None:
        """1. One atomic append: changelog, messages, input positions. 2. Then, and only then, the store."""
        assert self._store is not None
        assert self._writer is not None
        commit = Commit(changelog, self._partitioned(work), ends)
        stepped = perf_counter()
        if self._settings.unsafe_store_first:
            self._store.write(changelog + local, self._identity, self._store.position(self._identity))
        # 1
        position = await self._writer.append(commit)
        appended = perf_counter()
        # 2
        self._store.write(changelog + local, self._identity, position)
        self.meta = work.meta
        if len(self._rows) > self._settings.cached_rows_max:
            # The half that came first goes: what is still in use comes back at its next turn.
            self._rows = dict(islice(self._rows.items(), len(self._rows) // 2, None))
        self._observer.stepped(
            self.actor, work, records, stepped - began, appended - stepped, perf_counter() - appended
        )

    def _partitioned(self, work: Work) -> dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]]:
        messages: dict[tuple[str, int], list[tuple[bytes | None, bytes | None]]] = {}
        for topic, emitted in work.out.items():
            count = self._counts[topic]
            for key, value, partition in emitted:
                at = partition_for(key or b"", count) if partition is None else partition
                bucket = messages.get((topic, at))
                if bucket is None:
                    bucket = messages[topic, at] = []
                bucket.append((key, value))
        return messages


def _ends(records: Sequence[Record]) -> dict[TopicPartition, int]:
    """Topic partition -> offset after its last record."""
    return {(record.topic, record.partition): record.offset + 1 for record in records}


def replayed(store: Store, batch: Sequence[Record]) -> list[tuple[bytes, bytes | None]]:
    """What a batch of changelog records means for a store that stands right before it."""
    puts: list[tuple[bytes, bytes | None]] = []
    segments: dict[bytes, bytes] = {}
    for record in batch:
        key, value = record.key or b"", record.value
        puts.append((key, value))
        if key[:1] != SEGMENT:
            continue
        if value is not None:
            segments[key] = value
            puts += derived_from(key, value)
        else:  # it expired, and all that followed from it with it
            known = segments.pop(key, None) or store.get_many([key])[0]
            puts += [(digest, None) for digest, _ in derived_from(key, known)]
    return puts


__all__ = ["ROW", "ActorSettings", "Observer", "PartitionActor", "Source", "SourceClosed"]
