"""A topic that the view follows beside the projections, for what it keeps of each record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from springtide.agents.work import position_key
from springtide.app.engine.log import Followed
from springtide.app.view.partition import NOTE
from springtide.app.view.rows import Puts, Rows
from springtide.codecs.records import Record, TopicPartition
from springtide.codecs.times import DAY_MS

Entries = Callable[[Record, int, Puts], int]
"""(a record, stream time before it, where it adds the rows it leaves) -> stream time after it."""


class FeedNote(msgspec.Struct, array_like=True):
    """What is stored of a feed beside its rows: those of records before `position`, stream time then, and the
    latest log time until then."""

    position: int = 0
    time_us: int = 0
    log_ms: int = 0


_log = structlog.get_logger("springtide.view")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(FeedNote).decode


class Feed:
    """One partition of such a topic. Its records may be told again after a crash: rows are the same then."""

    def __init__(self, place: TopicPartition, entries: Entries) -> None:
        self.place = place
        self.name = position_key(place)
        self.note_key = NOTE + self.name.encode()
        self._entries = entries
        self.begin(None)

    def begin(self, stored: bytes | None) -> None:
        self.note = FeedNote() if stored is None else _decode(stored)
        self.position = self.shown_at = self.note.position
        self.end = self.position

    def resume(self, end: int, now_ms: int) -> None:  # noqa: ARG002 - the same as a projection's
        self.position = self.shown_at
        self.end = end

    @property
    def is_at_end(self) -> bool:
        return self.position >= self.end

    def take(self, followed: Followed, rows: Rows) -> list[Puts]:
        """Takes records in, in their order."""
        self.end = followed.end
        note, entries = self.note, self._entries
        log_ms, time_us = note.log_ms, note.time_us
        found: Puts = {}
        for record in followed.records:
            # What came later must not be kept under an earlier day.
            if record.timestamp_ms > log_ms:
                log_ms = record.timestamp_ms
            elif record.timestamp_ms < log_ms - log_ms % DAY_MS:
                record = _at(record, log_ms)  # noqa: PLW2901 - as it counts from here on
            try:
                time_us = entries(record, time_us, found)
            except (msgspec.DecodeError, ValueError, LookupError) as error:
                # Nobody could apply it either: it must not keep the view from all that comes after it.
                _log.error("a record is left out", place=self.name, offset=record.offset, why=repr(error))
        note.log_ms, note.time_us = log_ms, time_us
        self.position = self.shown_at = note.position = followed.position
        if followed.records:
            rows.show(found, (self.note_key, _encode(note)))
        return [found] if found else []


def _at(record: Record, timestamp_ms: int) -> Record:
    return msgspec.structs.replace(record, timestamp_ms=timestamp_ms)
