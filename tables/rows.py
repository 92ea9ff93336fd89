"""The rows of one partition as the domain's functions see them: a map they may change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class ReadRows(Protocol):
    """The same, only to be read; nobody may change what it gives."""

    def get(self, key: bytes) -> Any: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """All rows below a prefix, in the order of their keys."""
        ...


class Rows(Protocol):
    scratch: dict[bytes, Any]
    """What is worked out from rows and kept beside them. It may be empty at any time, but is never ahead of
    the rows or behind them: whoever puts a row brings what is here up to date."""

    def get(self, key: bytes) -> Any:
        """The row, or None; the caller owns it and may change it before it puts it."""
        ...

    def put(self, key: bytes, row: Any) -> None: ...

    def delete(self, key: bytes) -> None: ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        """All rows below a prefix, in the order of their keys."""
        ...


class DictRows(dict[bytes, Any]):
    """Rows in a plain dict, for tests and models."""

    def __init__(self) -> None:
        super().__init__()
        self.scratch: dict[bytes, Any] = {}

    def put(self, key: bytes, row: Any) -> None:
        self[key] = row

    def delete(self, key: bytes) -> None:
        self.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return iter([(key, self[key]) for key in sorted(self) if key.startswith(prefix)])
