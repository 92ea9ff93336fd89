"""Local stores as machines keep them: they fail to write, lose their newest part, or turn out another's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Final

from springtide.app.engine.memory_store import MemoryStore
from springtide.app.engine.store import POSITION_KEY, StoreFailed, position_value

COPIES_MAX: Final = 3
COPY_SHARE: Final = 0.1


class Disk(MemoryStore):
    """A store that keeps a few older copies of itself. `fail_next` makes its next write or read fail."""

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self.fail_next = False
        self._rng = rng
        self._copies: list[dict[bytes, bytes]] = []

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self._maybe_fail()
        return super().get_many(keys)

    def write(self, puts: Iterable[tuple[bytes, bytes | None]], identity: str, position: int) -> None:
        self._maybe_fail()
        super().write(puts, identity, position)
        if self._rng.random() < COPY_SHARE:
            self._copies.append(self.snapshot())
            del self._copies[:-COPIES_MAX]

    def _maybe_fail(self) -> None:
        if self.fail_next:
            self.fail_next = False
            raise StoreFailed("the simulated disk failed")

    def entries(self) -> dict[bytes, bytes]:
        """All that is stored but the position."""
        entries = self.snapshot()
        entries.pop(POSITION_KEY, None)
        return entries

    def tear(self) -> str:
        """Damages what is stored, as a crash, a restore or a mix-up would; tells how."""
        self.fail_next = False
        how = self._rng.choice(("older", "older", "emptied", "foreign", "garbled", "ahead"))
        if how == "older":
            self.restore(self._rng.choice(self._copies) if self._copies else {})
        elif how == "emptied":
            self.reset()
        elif how == "foreign":
            self.write([(b"rX", b"\x01junk")], "another log", self._rng.randrange(50))
        elif how == "garbled":
            self.restore(self.snapshot() | {POSITION_KEY: b"\xff\x00"})
        else:
            self.restore({b"rX": b"\x01junk", POSITION_KEY: position_value("memory", 1 << 40)})
        return how
