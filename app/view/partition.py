"""One partition of a projection as far as it is shown: whole steps, each with its marker.

A step's records end with its marker, in the same transaction; a read may end between them. So rows are held
back until their marker comes, and rows and marker are shown together. In three cases that is not enough, and
the partition is `exact` only from when it has been read to the end that was known:

- At the beginning: what is stored may hold rows of a step whose marker is not stored.
- A step is larger than what is held back: its rows are shown before their marker.
- Compaction dropped a marker for a later one, and rows for later ones. Then the steps do not count up by
  one, and what is read there is no state that ever was; at the end of the log it is the true one again.

While it is not exact nothing is answered from it.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple

import msgspec

from springtide.agents.passage import DIRECT, PASSED_ON
from springtide.agents.topics import ATP, CUSTOMERS, INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU, ORDER_STATUS
from springtide.agents.work import MARKER, Meta, decode_meta, position_key
from springtide.app.engine.log import Followed
from springtide.app.view.positions import token
from springtide.app.view.rows import Puts, Rows
from springtide.codecs.records import Record, TopicPartition
from springtide.codecs.times import rfc3339

HELD_ROWS_MAX: Final = 20_000
NOTE: Final = b"n"
HEARD_IS_NOW_MS: Final = 500
"""The log is asked all the time and answers every 200 ms though there is nothing new."""

_encode: Final = msgspec.json.Encoder().encode


class Note(msgspec.Struct, array_like=True):
    """What is stored of a partition beside its rows."""

    position: int
    """Rows before this offset are stored."""
    marker: int
    marked_ms: int
    meta: bytes


_encode_note: Final = msgspec.msgpack.Encoder().encode
_decode_note: Final = msgspec.msgpack.Decoder(Note).decode


_SEEN: Final = {
    topic: DIRECT[inbox] | PASSED_ON[inbox]
    for topic, inbox in ((ATP, INBOX_SKU), (ORDER_STATUS, INBOX_ORDER), (CUSTOMERS, INBOX_CUSTOMER))
}
"""Projection -> ingress topics whose events have an effect in it."""


class Unseen(NamedTuple):
    """The first event of an ingress partition that some projection partition has not seen."""

    offset: int
    at_ms: int


class Partition:
    """See the module. `prefix` is put before the keys of its rows; `unseen` is shared by all partitions."""

    def __init__(self, place: TopicPartition, prefix: bytes, unseen: dict[str, Unseen] | None = None) -> None:
        self.place = place
        self.unseen = {} if unseen is None else unseen
        self.name = position_key(place)
        self.prefix = prefix
        self.note_key = NOTE + self.name.encode()
        self.waiters: list[tuple[str, int, asyncio.Future[None]]] = []
        self.begin(None)

    def begin(self, stored: bytes | None) -> None:
        """Starts from what is stored, or from nothing."""
        note = Note(0, -1, 0, b"") if stored is None else _decode_note(stored)
        self.meta = decode_meta(note.meta) if note.meta else Meta()
        self.marker = note.marker
        self.marked_ms = note.marked_ms
        self._meta_raw = note.meta
        self.began_at = self.position = self.shown_at = note.position
        self.exact_at: int | None = None
        """The position from which on it is exact; None until the log has said where its end is."""
        self.exact = False
        self.loaded = False
        self.end = note.position
        self.heard_ms = 0
        self.at_end_ms = 0
        self._held: Puts = {}
        self._steps: int | None = None
        self._tail: bytes | None = None

    def resume(self, end: int, now_ms: int) -> None:
        """Reading begins again at `shown_at`; the log ends at `end` now."""
        self._held = {}
        self.position = self.shown_at
        self.end = end
        self.heard_ms = now_ms
        if self.position >= end:
            self.at_end_ms = now_ms
        if not self.exact:
            self.exact_at = end
            self._settle()

    # --- following ---

    def take(self, followed: Followed, rows: Rows) -> list[Puts]:
        """Takes records in, in their order; gives the rows that are shown from now on, by step."""
        self.end = followed.end
        shown: list[Puts] = []
        held, prefix = self._held, self.prefix
        for record in followed.records:
            key = record.key or b""
            if key != MARKER:
                held[prefix + key] = record.value
                if len(held) >= HELD_ROWS_MAX:
                    self.exact, self.exact_at = False, max(self.end, record.offset + 1)
                    self._show(held, record.offset + 1, rows)
                    shown.append(held)
                    held = self._held = {}
                continue
            self._mark(record)
            self._show(held, record.offset + 1, rows)
            shown.append(held)
            held = self._held = {}
        self._stand(followed)
        return shown

    def _stand(self, followed: Followed) -> None:
        self.position = followed.position
        self.heard_ms = followed.heard_ms
        if self.position >= self.end:
            self.at_end_ms = self.heard_ms
        self._settle()
        if self.waiters:
            self._wake()

    def _mark(self, record: Record) -> None:
        raw = record.value or b""
        meta = decode_meta(raw)
        if self._steps is not None and meta.steps != self._steps + 1:
            self.exact, self.exact_at = False, max(self.end, record.offset + 1)
        self._steps = meta.steps
        self.meta, self._meta_raw = meta, raw
        self.marker, self.marked_ms = record.offset, record.timestamp_ms
        self._tail = None

    def _show(self, held: Puts, position: int, rows: Rows) -> None:
        self.shown_at = position
        note = Note(position, self.marker, self.marked_ms, self._meta_raw)
        rows.show(held, (self.note_key, _encode_note(note)))

    def _settle(self) -> None:
        if not self.exact and self.exact_at is not None and self.position >= self.exact_at:
            self.exact = self.loaded = True

    # --- freshness ---

    def lag_ms(self, now_ms: int) -> int:
        """How long ago what is shown was all there was, by this machine's clock: 0 if it is all there is.

        The oldest of: steps committed and not shown, silence of the log, events in ingress not seen.
        """
        lag_ms = 0
        if self.position < self.end or now_ms - self.heard_ms > HEARD_IS_NOW_MS:
            lag_ms = max(0, min(now_ms - self.at_end_ms, now_ms - self.marked_ms))
        if self.unseen:
            for name, (offset, at_ms) in self.unseen.items():
                if self.meta.seen.get(name, -1) < offset and self.sees(name):
                    lag_ms = max(lag_ms, now_ms - at_ms)
        return lag_ms

    def sees(self, name: str) -> bool:
        """Whether an ingress partition's events pass here: orders do not see those of stock."""
        return name.rpartition("/")[0] in _SEEN[self.place[0]]

    def positions(self) -> dict[str, int]:
        """The marker shown, and the ingress events that have had their effect."""
        return {self.name: self.marker, **self.meta.seen}

    def tail(self) -> bytes:
        """The end of a figure's body, up to the digits of its lag; good until the next step.

        A figure of ATP also says at what stream time it holds.
        """
        if self._tail is None:
            now = f'"now":"{rfc3339(self.meta.time_us)}",' if self.place[0] == ATP else ""
            at = token({self.name: self.marker})
            self._tail = b',%s"position":"%s","freshness":{"source":"replica","positions":%s,"lag_ms":' % (
                now.encode(),
                at.encode(),
                _encode(self.positions()),
            )
        return self._tail

    # --- waiting ---

    def reached(self, name: str, offset: int) -> bool:
        """Whether a position of a token has had its effect here."""
        if name == self.name:
            return self.marker >= offset
        return self.meta.seen.get(name, -1) >= offset

    def _wake(self) -> None:
        still: list[tuple[str, int, asyncio.Future[None]]] = []
        for waiter in self.waiters:
            name, offset, future = waiter
            if future.done():
                continue
            if self.exact and self.reached(name, offset):
                future.set_result(None)
            else:
                still.append(waiter)
        self.waiters = still
