"""The unit of work of one step: rows read and written, duplicates known, timers, messages to send.

A step is a function of a `Work` and the records; all it does is recorded here and nothing happens until
the engine commits it. If the step raises, the engine drops the `Work` and nothing has happened.

Keys of a partition's state, by first byte:

    r<row key>            a row: the state of an entity, or of a part of it
    t<due, 8 bytes><key>  a timer: the entity `key` wants to be called when stream time reaches `due`
    d<digest>             an event that was applied, with its slice of stream time (never in the changelog)
    D<number, 8 bytes>    a segment: the digests one step has added in one slice of stream time
    m                     the meta row: input positions, stream time, how far ingress was seen
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Any, Final, Protocol

import msgspec

from springtide.codecs.records import Record, TopicPartition

ROW, TIMER, DIGEST, SEGMENT, META = b"r", b"t", b"d", b"D", b"m"
DIGEST_BYTES: Final = 16
EXPIRED_SEGMENTS_PER_STEP_MAX: Final = 64
DEDUP_SLICES: Final = 256
"""Into how many slices the retention window is cut: what is remembered of when an event was applied is its
slice, so that what counts as a duplicate does not depend on how events were batched."""
MARKER: Final = b"\x00position"
"""Key of the record by which each step tells a projection's followers its meta row: positions, time, seen."""


class Meta(msgspec.Struct, array_like=True, gc=False):
    """What a partition knows of itself; written with every step, so never ahead of its rows."""

    version: int = 1
    positions: dict[str, int] = {}
    """`topic/partition` -> next offset to apply."""
    time_us: int = 0
    """Stream time: the newest `time` applied."""
    seen: dict[str, int] = {}
    """`topic/partition` of ingress -> highest offset that had an effect here, or passed by in a tick."""
    segment_next: int = 0
    segment_oldest: int = 0
    steps: int = 0


class Reader(Protocol):
    """A partition's committed state, by raw key."""

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of the keys, in their order; None where there is none."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All (key, value) below a prefix, in the order of the keys."""
        ...


class Timers:
    """When which entity of one partition is due. Lives as long as the partition; rebuilt from its rows."""

    __slots__ = ("_due", "_heap")

    def __init__(self, rows: Iterable[tuple[int, bytes]] = ()) -> None:
        self._due: dict[bytes, int] = {key: due for due, key in rows}
        self._heap: list[tuple[int, bytes]] = [(due, key) for key, due in self._due.items()]
        heapify(self._heap)

    def get(self, key: bytes) -> int | None:
        return self._due.get(key)

    def set(self, key: bytes, due_us: int | None) -> None:
        if due_us is None:
            self._due.pop(key, None)
        else:
            self._due[key] = due_us
            heappush(self._heap, (due_us, key))

    def first(self) -> tuple[int, bytes] | None:
        """The earliest timer that still stands, ties by key."""
        while self._heap:
            due, key = self._heap[0]
            if self._due.get(key) == due:
                return due, key
            heappop(self._heap)
        return None


class RowCodec(Protocol):
    """How one kind of actor writes its rows, and which of them others may follow."""

    projection: str | None
    """The compacted topic that gets each changed row whose `projection_key` is not None."""

    def projection_key(self, key: bytes) -> bytes | None: ...

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        """The row; an unknown version raises ValueError."""
        ...

    def encode_row(self, key: bytes, row: Any) -> bytes:
        """The row's bytes, version first."""
        ...


def timer_key(due_us: int, key: bytes) -> bytes:
    return TIMER + due_us.to_bytes(8, "big") + key


class Work:
    """See the module. `rows` maps row keys to decoded rows the step owns and may change in place."""

    __slots__ = (
        "_codec",
        "_deleted",
        "_digests",
        "_dirty",
        "_known",
        "_reader",
        "_renewed",
        "_retention_us",
        "_slice_us",
        "_timer_changes",
        "counts",
        "meta",
        "out",
        "partition",
        "rows",
        "scratch",
        "timers",
    )

    def __init__(
        self,
        *,
        partition: int,
        reader: Reader,
        codec: RowCodec,
        meta: Meta,
        timers: Timers,
        rows: dict[bytes, Any],
        scratch: dict[bytes, Any] | None = None,
        dedup_retention_us: int,
    ) -> None:
        self.partition = partition
        self.meta = meta
        self.timers = timers
        self.rows: dict[bytes, Any] = rows
        """Decoded rows by row key: the engine's cache, grown by what this step reads."""
        self.scratch: dict[bytes, Any] = {} if scratch is None else scratch
        """What the domain has worked out from rows; dropped with them when a step fails."""
        self.out: dict[str, list[tuple[bytes | None, bytes | None, int | None]]] = {}
        """topic -> (key, value, partition or None for the key's own) in the order of emission."""
        self.counts: dict[str, int] = {}
        """What this step counted, for metrics: duplicates, messages by kind, dead letters by code."""
        self._reader = reader
        self._codec = codec
        self._dirty: set[bytes] = set()
        self._deleted: set[bytes] = set()
        self._known: dict[bytes, int | None] = {}
        self._digests: dict[int, list[bytes]] = {}
        self._timer_changes: dict[bytes, tuple[int | None, int | None]] = {}
        self._retention_us = dedup_retention_us
        self._slice_us = max(1, dedup_retention_us // DEDUP_SLICES)
        self._renewed = False

    # --- rows ---

    def prefetch(self, row_keys: Iterable[bytes], digests: Iterable[bytes]) -> None:
        """Reads what the step will touch at once; what is missing here is read one by one when asked for."""
        rows = self.rows
        wanted = [key for key in dict.fromkeys(row_keys) if key not in rows]
        wanted_digests = [d for d in dict.fromkeys(digests) if d not in self._known]
        raws = self._reader.get_many([ROW + key for key in wanted] + [DIGEST + d for d in wanted_digests])
        decode = self._codec.decode_row
        for key, raw in zip(wanted, raws, strict=False):
            rows[key] = None if raw is None else decode(key, raw)
        for digest, raw in zip(wanted_digests, raws[len(wanted) :], strict=True):
            self._known[digest] = None if raw is None else int.from_bytes(raw, "big")

    def get(self, key: bytes) -> Any:
        """The row, or None. It is the step's own: change it in place, then `put` it."""
        rows = self.rows
        if key not in rows:
            raw = self._reader.get_many([ROW + key])[0]
            rows[key] = None if raw is None else self._codec.decode_row(key, raw)
        return rows[key]

    def put(self, key: bytes, row: Any) -> None:
        self.rows[key] = row
        self._dirty.add(key)
        if self._deleted:
            self._deleted.discard(key)

    def delete(self, key: bytes) -> None:
        self.rows[key] = None
        self._dirty.discard(key)
        self._deleted.add(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """All rows below a prefix as this step left them, in the order of their keys. Costs as many reads."""
        keys = {key[1:] for key, _ in self._reader.scan(ROW + prefix)}
        keys |= {key for key in self._dirty if key.startswith(prefix)}
        for key in sorted(keys - self._deleted):
            row = self.get(key)
            if row is not None:
                yield key, row

    # --- duplicates ---

    def is_new(self, digest: bytes) -> bool:
        """Whether this event was not applied here within the retention window; from now on it was."""
        known = self._known
        if digest in known:
            at = known[digest]
        else:
            raw = self._reader.get_many([DIGEST + digest])[0]
            at = None if raw is None else int.from_bytes(raw, "big")
        now = self.meta.time_us
        if at is not None:
            if at >= self._horizon(now):
                return False
            self._renewed = True
            if at in self._digests:  # one step that spans the whole window
                self._digests[at].remove(digest)
        now -= now % self._slice_us
        known[digest] = now
        added = self._digests.get(now)
        if added is None:
            added = self._digests[now] = []
        added.append(digest)
        return True

    def _horizon(self, now_us: int) -> int:
        """The oldest slice of stream time that still counts."""
        oldest = now_us - self._retention_us
        return oldest - oldest % self._slice_us

    # --- time ---

    def schedule(self, key: bytes, due_us: int | None) -> None:
        """Sets, moves or (None) drops the one timer of an entity."""
        old = self.timers.get(key)
        if old == due_us:
            return
        first, _ = self._timer_changes.get(key, (old, None))
        self._timer_changes[key] = (first, due_us)
        self.timers.set(key, due_us)

    def advance(self, until_us: int, fire: Callable[[bytes], None]) -> None:
        """Moves stream time on; what falls due on the way is fired first, each at its own instant."""
        meta = self.meta
        while (key := self.due(until_us)) is not None:
            due_us = self.timers.get(key)
            assert due_us is not None
            meta.time_us = max(meta.time_us, due_us)
            fire(key)
        meta.time_us = max(meta.time_us, until_us)

    def due(self, until_us: int) -> bytes | None:
        """The entity whose timer comes first, if it is due at `until_us` or before."""
        first = self.timers.first()
        return first[1] if first is not None and first[0] <= until_us else None

    # --- messages ---

    def emit(self, topic: str, key: bytes | None, value: bytes | None, partition: int | None = None) -> None:
        """Adds a message; its partition is that of its key unless one is given."""
        bucket = self.out.get(topic)
        if bucket is None:
            bucket = self.out[topic] = []
        bucket.append((key, value, partition))

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    @property
    def is_empty(self) -> bool:
        """Whether the step has done nothing that needs a commit."""
        return not (self.out or self._dirty or self._deleted or self._digests or self._timer_changes)

    @property
    def dirty(self) -> set[bytes]:
        """Row keys that this step has changed."""
        return self._dirty

    # --- for the engine ---

    def writes(self) -> tuple[list[tuple[bytes, bytes | None]], list[tuple[bytes, bytes | None]]]:
        """What to commit: (records for the changelog and the store, further writes for the store alone).

        Rows, timers, the segment of new digests, and last the meta row; None deletes. A projected row's
        bytes are encoded once and go to the projection too, then the marker that says how far it stands.
        """
        meta = self.meta
        encode = self._codec.encode_row
        rows = self.rows
        changelog: list[tuple[bytes, bytes | None]] = []
        projected: list[tuple[bytes | None, bytes | None, int | None]] = []
        projection_key = self._codec.projection_key
        for key in sorted(self._dirty):
            raw = encode(key, rows[key])
            changelog.append((ROW + key, raw))
            shown_as = projection_key(key)
            if shown_as is not None:
                projected.append((shown_as, raw, self.partition))
        for key in sorted(self._deleted):
            changelog.append((ROW + key, None))
            shown_as = projection_key(key)
            if shown_as is not None:
                projected.append((shown_as, None, self.partition))
        for key, (old, new) in self._timer_changes.items():
            if old is not None and old != new:
                changelog.append((timer_key(old, key), None))
            if new is not None and old != new:
                changelog.append((timer_key(new, key), b"1"))
        local: list[tuple[bytes, bytes | None]] = []
        # What expired goes before what is added: an event that came again long after is in both.
        for key, value in self._expired_segments():
            changelog.append((key, None))
            local += [(k, None) for k, _ in derived_from(key, value)]
        for at, digests in self._digests.items():
            segment = (SEGMENT + meta.segment_next.to_bytes(8, "big"), _segment(at, digests))
            meta.segment_next += 1
            changelog.append(segment)
            local += derived_from(*segment)
        meta.steps += 1
        meta_raw = encode_meta(meta)
        changelog.append((META, meta_raw))
        if self._codec.projection is not None:
            projected.append((MARKER, meta_raw, self.partition))
            self.out.setdefault(self._codec.projection, []).extend(projected)
        return changelog, local

    def _expired_segments(self) -> list[tuple[bytes, bytes]]:
        meta, horizon = self.meta, self._horizon(self.meta.time_us)
        # Where an expired event came again its first segment must go in this very step, or it would take
        # the digest with it later; segments go in their order, so all that is expired goes.
        limit = meta.segment_next if self._renewed else EXPIRED_SEGMENTS_PER_STEP_MAX
        expired: list[tuple[bytes, bytes]] = []
        while meta.segment_oldest < meta.segment_next and len(expired) < limit:
            key = SEGMENT + meta.segment_oldest.to_bytes(8, "big")
            value = self._reader.get_many([key])[0]
            if value is None or int.from_bytes(value[:8], "big") >= horizon:
                break
            expired.append((key, value))
            meta.segment_oldest += 1
        return expired


def _segment(time_us: int, digests: list[bytes]) -> bytes:
    """Segment format: 8 bytes, the start of its slice of stream time (big endian), then the digests."""
    return time_us.to_bytes(8, "big") + b"".join(digests)


def derived_from(key: bytes, value: bytes | None) -> list[tuple[bytes, bytes | None]]:
    """The store's own entries that follow from one changelog record: the digests of a segment."""
    if value is None or key[:1] != SEGMENT:
        return []
    at = value[:8]
    return [(DIGEST + value[i : i + DIGEST_BYTES], at) for i in range(8, len(value), DIGEST_BYTES)]


encode_meta: Final = msgspec.msgpack.Encoder().encode
decode_meta: Final = msgspec.msgpack.Decoder(Meta).decode


class Behaviour(RowCodec, Protocol):
    """One kind of actor: the topics it reads, its rows, and its step."""

    kind: str
    inputs: tuple[str, ...]
    idle_after_s: float | None
    """If set, `step` is called once with no records when none have come for so long after a step."""

    def step(self, work: Work, records: Sequence[Record]) -> None:
        """Applies the records in their order. Pure: all it reads and does goes through `work`."""
        ...

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        """(topic, key, value) of the dead letter for a record on which `step` raises even alone."""
        ...


def position_key(topic_partition: TopicPartition) -> str:
    """How positions are named in meta rows and answers: `topic/partition`."""
    return f"{topic_partition[0]}/{topic_partition[1]}"
