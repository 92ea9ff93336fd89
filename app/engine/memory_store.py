"""A `Store` in memory, for simulation and unit tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from springtide.app.engine.store import POSITION_KEY, parse_position, position_value


class MemoryStore:
    """A dict; looked through when scanned. `snapshot` and `restore` let a simulator tear it."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}

    def position(self, identity: str) -> int:
        position = parse_position(self._entries.get(POSITION_KEY), identity)
        if position is None:
            self.reset()
            return 0
        return position

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        get = self._entries.get
        return [get(key) for key in keys]

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        for key in sorted(key for key in self._entries if key.startswith(prefix) and key >= start):
            yield key, self._entries[key]

    def write(self, puts: Iterable[tuple[bytes, bytes | None]], identity: str, position: int) -> None:
        entries = self._entries
        for key, value in puts:
            if value is None:
                entries.pop(key, None)
            else:
                entries[key] = value
        entries[POSITION_KEY] = position_value(identity, position)

    def reset(self) -> None:
        self._entries = {}

    def close(self) -> None:
        """Nothing to release: the entries stay for the next owner, as a folder would."""

    def snapshot(self) -> dict[bytes, bytes]:
        return dict(self._entries)

    def restore(self, entries: dict[bytes, bytes]) -> None:
        self._entries = dict(entries)
