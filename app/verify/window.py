"""Which events were applied within the retention window, by digest."""

from __future__ import annotations

from collections import deque
from typing import Final

SLICES: Final = 256
"""What is remembered of when an event was applied is which of so many slices of the window it was in."""


class Window:
    """What is older than the window is forgotten, a whole slice at once."""

    __slots__ = ("_applied", "_queue", "_retention_us", "_slice_us")

    def __init__(self, retention_us: int) -> None:
        self._retention_us = retention_us
        self._slice_us = max(1, retention_us // SLICES)
        self._applied: set[bytes] = set()
        self._queue: deque[tuple[int, bytes]] = deque()
        """(number of the slice, digest)"""

    def is_new(self, digest: bytes, now_us: int) -> bool:
        """Whether the event was not applied since `now_us` less the retention; from now on it was."""
        oldest = (now_us - self._retention_us) // self._slice_us
        queue = self._queue
        while queue and queue[0][0] < oldest:
            self._applied.discard(queue.popleft()[1])
        if digest in self._applied:
            return False
        self._applied.add(digest)
        queue.append((now_us // self._slice_us, digest))
        return True
