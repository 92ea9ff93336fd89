"""Answers as bytes, kept until their row changes: most requests decode and encode nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from springtide.agents.order import decode_order
from springtide.agents.sku import decode_head
from springtide.agents.topics import ATP, ORDER_STATUS
from springtide.app.view.answers import atp_answer, order_answer, stands_until_us
from springtide.app.view.follower import PREFIXES, Follower
from springtide.app.view.partition import Partition
from springtide.app.view.rows import Puts

ENTRIES_MAX: Final = 20_000
"""Entities kept; about a kilobyte each."""
ANSWERS_MAX: Final = 32
"""Answers kept for one entity: its locations and channels."""
_ATP: Final = PREFIXES[ATP]
_ORDER: Final = PREFIXES[ORDER_STATUS]

_encode: Final = msgspec.json.Encoder().encode


class Figure(NamedTuple):
    """A body without its end (see `Partition.tail`) and its closing brace, and the tag of what it says."""

    body: bytes
    etag: str
    until_us: int | None
    """The stream time at which it changes though its row does not."""


class _Entry:
    __slots__ = ("answers", "row")

    def __init__(self, row: Any) -> None:
        self.row = row
        self.answers: dict[Any, Figure] = {}


class Figures:
    """See the module. All methods raise Problem where there is no figure."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def changed(self, rows: Puts | None) -> None:
        """Forgets what was made of these rows; None: of all."""
        entries = self._entries
        if rows is None:
            entries.clear()
        elif entries:
            for key in entries.keys() & rows.keys():
                del entries[key]

    def atp(
        self,
        follower: Follower,
        partition: Partition,
        sku: str,
        key: bytes,
        location: str | None,
        channel: str | None,
    ) -> Figure:
        now_us = partition.meta.time_us
        entry = self._entry(follower, _ATP + key, decode_head)
        asked = (location, channel)
        figure = entry.answers.get(asked)
        if figure is not None and (figure.until_us is None or now_us < figure.until_us):
            self.hits += 1
            return figure
        self.misses += 1
        body = atp_answer(entry.row, now_us, sku, location, channel)
        del body["now"]  # it is in the tail: it moves with every step
        return self._keep(entry, asked, body, stands_until_us(entry.row, now_us))

    def order(self, follower: Follower, order_id: str, key: bytes) -> Figure:
        entry = self._entry(follower, _ORDER + key, decode_order)
        figure = entry.answers.get(None)
        if figure is not None:
            self.hits += 1
            return figure
        self.misses += 1
        return self._keep(entry, None, order_answer(entry.row, order_id), None)

    def _entry(self, follower: Follower, key: bytes, decode: Callable[[bytes], Any]) -> _Entry:
        entries = self._entries
        entry = entries.get(key)
        if entry is not None:
            entries.move_to_end(key)
            return entry
        assert follower.rows is not None
        raw = follower.rows.get(key)
        entry = _Entry(None if raw is None else decode(raw))
        if raw is not None:  # what is not there is not kept, or anybody could fill this with names
            entries[key] = entry
            if len(entries) > ENTRIES_MAX:
                entries.popitem(last=False)
        return entry

    def _keep(self, entry: _Entry, asked: Any, body: dict[str, Any], until_us: int | None) -> Figure:
        raw = _encode(body)[:-1]
        etag = f'W/"{blake2b(raw, digest_size=12).hexdigest()}"'
        if len(entry.answers) >= ANSWERS_MAX:
            entry.answers.clear()
        figure = entry.answers[asked] = Figure(raw, etag, until_us)
        return figure


def matches(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match names this tag, by weak comparison."""
    opaque = etag.removeprefix("W/")
    return if_none_match.strip() == "*" or any(
        candidate.strip().removeprefix("W/") == opaque for candidate in if_none_match.split(",")
    )
