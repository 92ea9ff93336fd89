"""The view's rows: what RocksDB holds, below what is shown already and not yet written.

Rows are shown in one turn of the event loop, so that whoever reads sees whole steps only, and written
afterwards a few at a time, so that no reader waits for a large write. A row not yet written is found in
memory. What a crash loses is read from the log again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from typing import Final

from springtide.app.engine.store import Store

SLICE_ROWS: Final = 400
"""About a millisecond; RocksDB keeps Python's lock while it writes."""
FLUSH_ROWS: Final = 4_000
FLUSH_AFTER_S: Final = 0.1
UNWRITTEN_ROWS_MAX: Final = 50_000
"""Beyond it the follower waits, and the view grows stale rather than large."""

Puts = dict[bytes, bytes | None]


class Rows:
    """See the module. `notes` are small values (positions) that are written after the rows they follow."""

    def __init__(self, store: Store, identity: str) -> None:
        self.store = store
        self._identity = identity
        self._shown: Puts = {}
        self._writing: Puts = {}
        self._notes: Puts = {}
        self._some = asyncio.Event()
        self._many = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def get(self, key: bytes) -> bytes | None:
        if key in self._shown:
            return self._shown[key]
        if key in self._writing:
            return self._writing[key]
        return self.store.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The rows of the keys, in their order; None where there is none."""
        found = self.store.get_many(keys)
        if self._shown or self._writing:
            for at, key in enumerate(keys):
                if key in self._shown:
                    found[at] = self._shown[key]
                elif key in self._writing:
                    found[at] = self._writing[key]
        return found

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All rows below a prefix, from the key `start` on, in the order of their keys."""
        news: Puts = {}
        for rows in (self._writing, self._shown):
            for key, value in rows.items():
                if key.startswith(prefix) and key >= start:
                    news[key] = value
        stored = self.store.scan(prefix, start)
        if not news:
            yield from stored
            return
        known = ((key, value) for key, value in stored if key not in news)
        yield from merge(known, sorted((key, value) for key, value in news.items() if value is not None))

    def put(self, rows: Mapping[bytes, bytes | None]) -> None:
        """The same as `show` for rows that follow from others, and have no position of their own."""
        if rows:
            self._shown.update(rows)
            self._some.set()

    def show(self, rows: Mapping[bytes, bytes | None], note: tuple[bytes, bytes]) -> None:
        """From now on `get` finds these rows; they and the note are written soon."""
        self._shown.update(rows)
        self._notes[note[0]] = note[1]
        count = len(self._shown)
        self._some.set()
        if count >= FLUSH_ROWS:
            self._many.set()
            if count >= UNWRITTEN_ROWS_MAX:
                self._room.clear()

    @property
    def unwritten(self) -> int:
        return len(self._shown) + len(self._writing)

    async def room(self) -> None:
        """Waits until rows may be shown again."""
        await self._room.wait()

    async def keep_writing(self) -> None:
        """Writes what is shown, for ever. Raises StoreFailed; what was not written then is kept."""
        while True:
            await self._some.wait()
            try:
                async with asyncio.timeout(FLUSH_AFTER_S):
                    await self._many.wait()
            except TimeoutError:
                pass
            await self.flush()

    async def flush(self) -> None:
        """Rows first, in slices, then the notes: notes on disk never say more than the rows there do."""
        self._some.clear()
        self._many.clear()
        self._writing, self._shown = self._shown, {}
        notes, self._notes = self._notes, {}
        self._room.set()
        write, identity = self.store.write, self._identity
        try:
            rows = list(self._writing.items())
            for at in range(0, len(rows), SLICE_ROWS):
                write(rows[at : at + SLICE_ROWS], identity, 0)
                await asyncio.sleep(0)
            if notes:
                write(notes.items(), identity, 0)
        except BaseException:
            self._shown = self._writing | self._shown
            self._notes = notes | self._notes
            self._writing = {}
            self._some.set()
            raise
        self._writing = {}
