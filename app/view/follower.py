"""Follows the projections into the view's rows, from wherever those stand, and never gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from time import perf_counter, time
from typing import Final

import structlog

from springtide.agents.topics import ATP, CUSTOMERS, INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU, ORDER_STATUS
from springtide.app.engine.log import Log, LogUnavailable
from springtide.app.engine.store import Store, StoreFailed
from springtide.app.view.feed import Entries, Feed
from springtide.app.view.partition import Partition, Unseen
from springtide.app.view.problems import Problem
from springtide.app.view.rows import Puts, Rows
from springtide.codecs.records import TopicPartition, partition_for

PREFIXES: Final = {ATP: b"a", ORDER_STATUS: b"o", CUSTOMERS: b"c"}
LAYOUT: Final = "rows-3"
"""What a view keeps of each record; it changes whenever that does."""
_QUIET: Final = frozenset((INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER))
"""What is kept of their records follows from nothing else, and nothing follows from it."""
BACKOFF_S: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
WRITE_TRIES: Final = 3
"""So often a failed write is tried again before the local rows are thrown away and read anew."""
SLICE_S: Final = 0.002
WAITERS_MAX: Final = 2_000

_log = structlog.get_logger("springtide.view")


class Restart(Exception):  # noqa: N818
    """The log is not the one these rows were made from: they are read anew."""


class Follower:
    """See the module. `partitions` is empty until the log was reached once.

    `changed` is told the rows that are shown anew, in the same turn of the loop; None means all. `feeds`:
    further topics, and what is kept of their records.
    """

    def __init__(
        self,
        log: Log,
        open_store: Callable[[], Store],
        changed: Callable[[Puts | None], None] = lambda _: None,
        feeds: Mapping[str, Entries] | None = None,
    ) -> None:
        self._log = log
        self._open_store = open_store
        self._changed = changed
        self._store: Store | None = None
        self._topics = feeds or {}
        self._by_place: dict[TopicPartition, Partition] = {}
        self._feeds: dict[TopicPartition, Feed] = {}
        self._failed_writes = 0
        self.partitions: dict[str, list[Partition]] = {}
        self.feeds: dict[str, list[Feed]] = {}
        self.rows: Rows | None = None
        self.unseen: dict[str, Unseen] = {}
        """Ingress partition -> its first event known not to be seen everywhere."""
        self.trouble: str | None = "the log is not reached yet"
        """What keeps the view from following just now."""
        self.records = 0
        self.steps = 0

    # --- for answers ---

    def partition(self, topic: str, key: bytes) -> Partition:
        """The partition of an entity; Problem while nothing can be answered from it."""
        partitions = self.partitions.get(topic)
        if partitions:
            partition = partitions[partition_for(key, len(partitions))]
            if partition.exact:
                return partition
        raise self.not_ready()

    def partition_of(self, topic: str, key: bytes) -> Partition:
        """The same, exact or not."""
        partitions = self.partitions[topic]
        return partitions[partition_for(key, len(partitions))]

    def not_ready(self) -> Problem:
        done, whole = self.progress()
        reason = f"; {self.trouble}" if self.trouble else ""
        return Problem(
            503,
            "catching-up",
            "The view is catching up",
            f"{done} of {whole} projection records are read{reason}. Ask again in a moment.",
            retry_after_s=1,
        )

    def progress(self) -> tuple[int, int]:
        """(records read, records there were to read) since the view began."""
        done = whole = 0
        for partition in self._by_place.values():
            whole += max(0, partition.end - partition.began_at)
            done += max(0, min(partition.position, partition.end) - partition.began_at)
        return done, whole

    @property
    def loaded(self) -> bool:
        """Whether each partition was exact once since the view began."""
        return bool(self._by_place) and all(p.loaded for p in self._by_place.values())

    def lag_ms(self) -> int | None:
        """Of the partition that is furthest behind; None before the log was reached."""
        now_ms = int(time() * 1_000)
        return max((p.lag_ms(now_ms) for p in self._by_place.values()), default=None)

    def seen(self, name: str) -> int | None:
        """The offset of an ingress partition that all partitions it concerns have seen; None while loading."""
        if not self.loaded:
            return None
        return min(p.meta.seen.get(name, -1) for p in self._by_place.values() if p.sees(name))

    async def wait_for(
        self, positions: Mapping[str, int], partitions: Sequence[Partition], timeout_s: float
    ) -> None:
        """Waits until the positions of a token have had their effect in the partitions that are to answer.

        A position of a projection is waited for where it belongs; one of stock, which orders do not see
        pass, in all of `atp`. Raises Problem when it takes too long.
        """
        wanted = [
            (partition, name, offset)
            for name, offset in positions.items()
            for partition in self._concerned(name, partitions)
            if not (partition.exact and partition.reached(name, offset))
        ]
        if not wanted:
            return
        if sum(len(p.waiters) for p in self._by_place.values()) + len(wanted) > WAITERS_MAX:
            raise Problem(
                503, "busy", "Too many wait", "Too many requests wait for a position.", retry_after_s=1
            )
        futures: list[asyncio.Future[None]] = []
        for partition, name, offset in wanted:
            future = asyncio.get_running_loop().create_future()
            partition.waiters.append((name, offset, future))
            futures.append(future)
        try:
            _, missing = await asyncio.wait(futures, timeout=timeout_s)
            if not missing:
                return
            partition, name, offset = next(w for w, f in zip(wanted, futures, strict=True) if f in missing)
            stands = partition.positions().get(name, -1)
            raise Problem(
                504,
                "position-not-reached",
                "The position is not reached yet",
                f"After {timeout_s:g} s {partition.name} stands at {stands} of {name}, and {offset} is asked "
                "for. Ask again in a moment; if that does not help, see that workers run.",
                retry_after_s=1,
            )
        finally:
            for future in futures:
                future.cancel()

    def _concerned(self, name: str, partitions: Sequence[Partition]) -> Sequence[Partition]:
        topic, _, number = name.rpartition("/")
        of_topic = self.partitions.get(topic)
        if of_topic is not None:
            return of_topic[int(number) : int(number) + 1]
        if not all(partition.sees(name) for partition in partitions):
            return self.partitions[ATP]
        return partitions

    # --- following ---

    async def run(self) -> None:
        """Follows until cancelled, whatever happens; what is shown is written at the end."""
        failures = 0
        try:
            while True:
                began = perf_counter()
                try:
                    await self._follow()
                except LogUnavailable as error:
                    self.trouble = str(error)
                except Restart as error:
                    self.trouble = str(error)
                    self._throw_away()
                except StoreFailed as error:
                    self.trouble = str(error)
                    self._failed_writes += 1
                    if self._failed_writes > WRITE_TRIES:
                        self._throw_away()
                if perf_counter() - began > BACKOFF_S[-1]:
                    failures = self._failed_writes = 0
                _log.warning("the projections are not followed", why=self.trouble)
                await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
                failures += 1
        finally:
            if self.rows is not None:
                with suppress(StoreFailed):
                    await self.rows.flush()
            self._close()

    async def _follow(self) -> None:
        """1. Stand where the rows stand. 2. Read from there for ever, while what is shown is written."""
        # 1
        rows = self.rows or await self._begin()
        followed_places: dict[TopicPartition, Partition | Feed] = {**self._by_place, **self._feeds}
        for one in followed_places.values():
            end = await self._log.end(one.place)
            if one.shown_at > end:
                raise Restart(f"{one.name} ends at {end}, before what was read of it")
            one.resume(end, int(time() * 1_000))
        self.trouble = None
        _log.info("following the projections", partitions=len(self._by_place))
        # 2
        writing = asyncio.create_task(rows.keep_writing())
        try:
            places = {place: one.position for place, one in followed_places.items()}
            async with aclosing(self._log.follow(places)) as stream:  # type: ignore[type-var]  # a generator
                async for followed in stream:
                    if writing.done():
                        writing.result()
                    one = followed_places[followed.place]
                    if followed.position < one.position:
                        raise Restart(f"{one.name} begins anew at {followed.position}")
                    for shown in one.take(followed, rows):
                        if followed.place[0] not in _QUIET:
                            self._changed(shown)
                            self.steps += 1
                    if followed.records:
                        self.records += len(followed.records)
                        await asyncio.sleep(0)
                        await rows.room()
        finally:
            writing.cancel()
            await asyncio.wait([writing])

    async def _begin(self) -> Rows:
        """Opens the rows; those of another log, or kept in another way, are thrown away."""
        identity = f"{await self._log.identity()} {LAYOUT}"
        counts: dict[str, int] = {}
        for topic in (*PREFIXES, *self._topics):
            try:
                counts[topic] = await self._log.partitions(topic)
            except ValueError as error:
                raise LogUnavailable(f"{error}; it is made when the workers are started") from error
        if self._store is None:
            self._store = self._open_store()
        store = self._store
        store.position(identity)
        found = {
            (topic, number): Partition((topic, number), prefix, self.unseen)
            for topic, prefix in PREFIXES.items()
            for number in range(counts[topic])
        }
        feeds = {
            (topic, number): Feed((topic, number), entries)
            for topic, entries in self._topics.items()
            for number in range(counts[topic])
        }
        places: list[Partition | Feed] = [*found.values(), *feeds.values()]
        for one, note in zip(places, store.get_many([one.note_key for one in places]), strict=True):
            one.begin(note)
        self._by_place, self._feeds = found, feeds
        self.partitions = {topic: [found[topic, n] for n in range(counts[topic])] for topic in PREFIXES}
        self.feeds = {topic: [feeds[topic, n] for n in range(counts[topic])] for topic in self._topics}
        self.rows = Rows(store, identity)
        return self.rows

    def _throw_away(self) -> None:
        """All is read anew from the log."""
        _log.warning("the view's rows are thrown away and read anew", why=self.trouble)
        self.rows, self._by_place, self.partitions = None, {}, {}
        self._feeds, self.feeds = {}, {}
        self._failed_writes = 0
        self._changed(None)
        try:
            if self._store is not None:
                self._store.reset()
        except StoreFailed as error:
            self.trouble = str(error)
            self._close()

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()
