"""What is still to come, in the order in which it will arrive."""

from __future__ import annotations

import random
from heapq import heappop, heappush
from typing import Final, NamedTuple

from springtide.app.trade.emission import HOUR_MS, SECOND_MS, Emission, recorded
from springtide.app.trade.spec import TradeSpec


class Effect(NamedTuple):
    """What an arrival does to the trade's own book: the cell's index and what is added to its figures."""

    cell: int
    physical: int
    open: int
    arrived: int = 0
    """Units of a supply that are no longer on their way."""


Effects = tuple[Effect, ...]
Step = tuple[int, Emission, Effects]
"""(when it occurs in ms, what is told, what that does)."""

_NOTHING: Final[Effects] = ()


class Agenda:
    """Arrivals by event time. An event arrives when it occurs, or hours late, or once more later on."""

    __slots__ = ("_duplicate", "_late", "_number", "_random", "heap")

    def __init__(self, spec: TradeSpec, rng: random.Random) -> None:
        self.heap: list[tuple[int, int, Emission, Effects]] = []
        self._random = rng.random
        self._number = 0
        self._duplicate = spec.duplicate_share
        self._late = spec.duplicate_share + spec.late_share

    def put(self, at_ms: int, emission: Emission, effects: Effects = _NOTHING) -> None:
        """Notes what arrives at about `at_ms`; its effects are due at its first arrival."""
        luck = self._random()
        if luck < self._late:
            if luck < self._duplicate:
                # Most repeats are retries within seconds, some are replays hours later.
                delay_ms = SECOND_MS if self._random() < 0.7 else 6 * HOUR_MS
                self._push(at_ms + 50 + int(self._random() * delay_ms), emission, _NOTHING)
            else:
                at_ms += 2 * HOUR_MS + int(self._random() * 10 * HOUR_MS)
                emission = recorded(emission, at_ms)
        self._push(at_ms, emission, effects)

    def put_punctual(self, at_ms: int, emission: Emission, effects: Effects = _NOTHING) -> None:
        """For an absolute figure, that would be wrong if it were told later."""
        self._push(at_ms, emission, effects)

    def pop(self) -> tuple[int, int, Emission, Effects]:
        return heappop(self.heap)

    def _push(self, at_ms: int, emission: Emission, effects: Effects) -> None:
        self._number += 1
        heappush(self.heap, (at_ms, self._number, emission, effects))
