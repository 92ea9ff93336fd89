"""Answers as bytes, kept until a row they were made of changes: most requests decode and encode nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from springtide.agents.order import decode_order
from springtide.agents.topics import ATP, ORDER_STATUS
from springtide.app.view.atp_answers import atp_answer
from springtide.app.view.follower import PREFIXES, Follower
from springtide.app.view.live import SkuRows
from springtide.app.view.order_answers import order_answer
from springtide.app.view.partition import Partition
from springtide.app.view.questions import AtpQuestion
from springtide.app.view.rows import Puts
from springtide.tables.atp import stands_until_us
from springtide.tables.plans import plan_of

BYTES_MAX: Final = 192 << 20
"""Of all bodies that are kept; a SKU's has some 10 kB, so that those of twenty thousand fit in."""
ENTRY_BYTES: Final = 1_000
ANSWERS_MAX: Final = 32
"""Answers kept for one entity: its locations, channels and quantities."""
ORDER_STANDS_US: Final = 1_000_000
"""An order's delay grows with the time: it is worked out anew after so long in stream time."""
_ATP: Final = PREFIXES[ATP]
_ORDER: Final = PREFIXES[ORDER_STATUS]
_NETWORK: Final = _ATP + b"\x00L"

_encode: Final = msgspec.json.Encoder().encode


class Figure(NamedTuple):
    """A body without its end (see `Partition.tail`) and its closing brace, and the tag of what it says."""

    body: bytes
    etag: str
    until_us: int | None
    """The stream time at which it changes though its row does not."""


def figure_of(body: dict[str, Any], until_us: int | None) -> Figure:
    raw = _encode(body)[:-1]
    return Figure(raw, f'W/"{blake2b(raw, digest_size=12).hexdigest()}"', until_us)


class _Entry:
    __slots__ = ("answers", "made_of", "row", "size")

    def __init__(self, row: Any = None) -> None:
        self.row = row
        self.answers: dict[Any, Figure] = {}
        self.size = ENTRY_BYTES
        """Of its answers, and its own."""
        self.made_of: dict[bytes, None] = {}
        """Other SKUs that its answers are made of."""


class Figures:
    """See the module. All methods raise Problem where there is no figure."""

    def __init__(self) -> None:
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._parts: dict[bytes, dict[bytes, None]] = {}
        """A SKU -> the SKUs whose answers are made of it too."""
        self._bytes = 0
        self.hits = 0
        self.misses = 0

    def changed(self, rows: Puts | None) -> list[bytes]:
        """Forgets what was made of these rows; None: of all. Names of other SKUs whose answers were."""
        entries = self._entries
        also: list[bytes] = []
        if rows is None or _NETWORK in rows:
            entries.clear()
            self._parts.clear()
            self._bytes = 0
        elif entries:
            for key in rows:
                name = key.partition(b"\x00")[0]
                if name in entries:
                    self._forget(name)
                if name in self._parts:
                    for other in list(self._parts[name]):
                        self._forget(other)
                        also.append(other)
        return also

    def _forget(self, name: bytes) -> None:
        entry = self._entries.pop(name, None)
        if entry is None:
            return
        self._bytes -= entry.size
        for part in entry.made_of:
            others = self._parts.get(part, {})
            others.pop(name, None)
            if not others:
                self._parts.pop(part, None)

    def atp(self, rows: SkuRows, partition: Partition, key: bytes, question: AtpQuestion) -> Figure:
        now_us = partition.meta.time_us
        name = _ATP + key
        entry = self._entries.get(name)
        asked = (
            question.location,
            question.channel,
            question.qty,
            question.by,
            question.method,
            question.exclude_order,
        )
        if entry is not None:
            self._entries.move_to_end(name)
            figure = entry.answers.get(asked)
            if figure is not None and (figure.until_us is None or now_us < figure.until_us):
                self.hits += 1
                return figure
        self.misses += 1
        read = _Read(rows)
        body = atp_answer(read, now_us, question)
        del body["now"]  # it is in the tail: it moves with every step
        if entry is None:
            entry = self._add(name, _Entry())
        for part in read.names:
            if part and part != key and _ATP + part not in entry.made_of:
                entry.made_of[_ATP + part] = None
                self._parts.setdefault(_ATP + part, {})[name] = None
        until_us = stands_until_us(read, question.sku, now_us)
        return self._keep(entry, asked, body, until_us)

    def order(self, follower: Follower, rows: SkuRows, partition: Partition, order_id: str) -> Figure:
        now_us = partition.meta.time_us
        name = _ORDER + order_id.encode()
        entry = self._entries.get(name)
        if entry is None:
            assert follower.rows is not None
            raw = follower.rows.get(name)
            entry = _Entry(None if raw is None else decode_order(raw))
            if raw is not None:  # what is not there is not kept, or anybody could fill this with names
                self._add(name, entry)
        else:
            self._entries.move_to_end(name)
        figure = entry.answers.get(None)
        if figure is not None and (figure.until_us is None or now_us < figure.until_us):
            self.hits += 1
            return figure
        self.misses += 1
        order = entry.row
        plan = None if order is None else plan_of(rows.get, order)
        body = order_answer(order, order_id, now_us, plan)
        is_over = body["status"] in ("DELIVERED", "CLOSED", "RETURNED", "CANCELLED", "REJECTED")
        return self._keep(entry, None, body, None if is_over else now_us + ORDER_STANDS_US)

    def _keep(self, entry: _Entry, asked: Any, body: dict[str, Any], until_us: int | None) -> Figure:
        if len(entry.answers) >= ANSWERS_MAX:
            entry.answers.clear()
            self._bytes -= entry.size - ENTRY_BYTES
            entry.size = ENTRY_BYTES
        known = entry.answers.get(asked)
        figure = entry.answers[asked] = figure_of(body, until_us)
        more = len(figure.body) - (0 if known is None else len(known.body))
        entry.size += more
        self._bytes += more
        self._make_room()
        return figure

    def _add(self, name: bytes, entry: _Entry) -> _Entry:
        self._entries[name] = entry
        self._bytes += entry.size
        self._make_room()
        return entry

    def _make_room(self) -> None:
        while self._bytes > BYTES_MAX and len(self._entries) > 1:
            self._forget(next(iter(self._entries)))


class _Read:
    """Rows, and which SKUs' were read."""

    def __init__(self, rows: SkuRows) -> None:
        self._rows = rows
        self.names: dict[bytes, None] = {}

    def get(self, key: bytes) -> Any:
        self.names[key.partition(b"\x00")[0]] = None
        return self._rows.get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        self.names[prefix.partition(b"\x00")[0]] = None
        return self._rows.scan(prefix)


def matches(if_none_match: str, etag: str) -> bool:
    """Whether an If-None-Match names this tag, by weak comparison."""
    opaque = etag.removeprefix("W/")
    return if_none_match.strip() == "*" or any(
        candidate.strip().removeprefix("W/") == opaque for candidate in if_none_match.split(",")
    )
