"""A partition's local state: an ordered map with one atomic write and the changelog position inside it.

It is a cache of the changelog, never ahead of it. Implementations: RocksDB (`rocks_store`) and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

POSITION_KEY = b"\x00position"
"""Reserved: not a first byte of `agents.work`. Holds `<log identity> <position>` as text."""


class StoreFailed(Exception):  # noqa: N818
    """The local state can't be read or written now (disk full, input/output error)."""


class Store(Protocol):
    def position(self, identity: str) -> int:
        """The changelog position the state stands at; 0 if it is empty, foreign (other identity) or damaged.

        A foreign or damaged state is thrown away here, so that 0 always means empty.
        """
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]: ...

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """All entries below a prefix, from the key `start` on, in the order of their keys."""
        ...

    def write(self, puts: Iterable[tuple[bytes, bytes | None]], identity: str, position: int) -> None:
        """Writes all (None deletes) and the position, in one atomic batch."""
        ...

    def reset(self) -> None:
        """Throws everything away."""
        ...

    def close(self) -> None: ...


def position_value(identity: str, position: int) -> bytes:
    return f"{identity} {position}".encode()


def parse_position(raw: bytes | None, identity: str) -> int | None:
    """The position in a stored value; None if it is absent, foreign or no such value."""
    if raw is None:
        return None
    try:
        stored, position = raw.decode().rsplit(" ", 1)
        return int(position) if stored == identity and int(position) >= 0 else None
    except ValueError:
        return None
