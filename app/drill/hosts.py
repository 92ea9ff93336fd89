"""Which process has which actors, and what the processes have logged of it: seen from outside."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import psutil  # type: ignore[import-untyped]

from springtide.app.drill.watch import Actor
from springtide.app.up.stack import Stack

_LINES_MAX: Final = 20_000


def hosted(stack: Stack, worker: int) -> frozenset[Actor]:
    """The actors whose stores a worker has open; none if it does not run."""
    pid = stack.worker_pids[worker]
    if not pid:
        return frozenset()
    folder = str(stack.worker_dir(worker).resolve())
    found = set()
    with suppress(psutil.Error):
        for file in psutil.Process(pid).open_files():
            # RocksDB's lock file is open for as long as the store is.
            place, _, name = file.path.rpartition("/")
            above, _, actor = place.rpartition("/")
            kind, _, number = actor.rpartition("-")
            if name == "LOCK" and above == folder and number.isdigit():
                found.add((kind, int(number)))
    return frozenset(found)


class Journal:
    """What the process of one child has logged since this was made."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._from = file.stat().st_size if file.exists() else 0

    def lines(self) -> list[Mapping[str, Any]]:
        """Its JSON lines."""
        found: list[Mapping[str, Any]] = []
        with suppress(OSError), self._file.open("rb") as file:
            if self._file.stat().st_size >= self._from:  # else it was moved away for its size
                file.seek(self._from)
            for line in file:
                with suppress(msgspec.DecodeError, UnicodeDecodeError):
                    found.append(msgspec.json.decode(line, type=dict[str, Any]))
                if len(found) >= _LINES_MAX:
                    break
        return found

    def wall_ms(self, event: str, after_ms: float = 0.0) -> float | None:
        """When an event was logged first, at `after_ms` or later; milliseconds since the epoch."""
        for line in self.lines():
            at_ms = _wall_ms(line)
            if line.get("event") == event and at_ms is not None and at_ms >= after_ms:
                return at_ms
        return None

    def tells_of(self, word: str) -> bool:
        return any(word in str(value) for line in self.lines() for value in line.values())


def _wall_ms(line: Mapping[str, Any]) -> float | None:
    try:
        return datetime.fromisoformat(str(line.get("timestamp"))).timestamp() * 1_000
    except ValueError:
        return None
