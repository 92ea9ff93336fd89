"""How fast a receiver is told: a token bucket for its rate, a circuit breaker for when it does not answer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Final

BURST_S: Final = 1.0
OPEN_AFTER: Final = 5
"""Failures in a row that open the circuit."""
RETRY_FIRST_S: Final = 0.5
RETRY_MOST_S: Final = 3_600.0
PROBE_FIRST_S: Final = 1.0
PROBE_MOST_S: Final = 60.0


class Bucket:
    """Lets `rate_per_s` a second through, and what a second brings at once. Waiters pass in their order."""

    def __init__(self, rate_per_s: float, now: Callable[[], float] = monotonic) -> None:
        self._rate_per_s = rate_per_s
        self._now = now
        self._burst = max(1.0, rate_per_s * BURST_S)
        self._level = self._burst
        self._at = now()

    def wait_s(self) -> float:
        """Takes one; how long to wait before going on. Negative levels are debts of those who wait."""
        now = self._now()
        self._level = min(self._burst, self._level + (now - self._at) * self._rate_per_s)
        self._at = now
        self._level -= 1.0
        return 0.0 if self._level >= 0 else -self._level / self._rate_per_s


class Breaker:
    """Closed: all may go. Open: nobody, until it is time for one to try. That one closes it or opens it anew."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._failures = 0
        self._opened = 0
        self._until: float | None = None
        """When one may try; None while the circuit is closed."""
        self._probing = False
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        return self._until is not None

    @property
    def until_s(self) -> float | None:
        """When one may try next, by the clock that was given; None while the circuit is closed."""
        return self._until

    @property
    def failures(self) -> int:
        """In a row."""
        return self._failures

    async def pass_through(self) -> None:
        """Returns when the caller may try; if the circuit is open that is one of all who wait."""
        while self._until is not None:
            wait_s = self._until - self._now()
            if wait_s <= 0 and not self._probing:
                self._probing = True
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if self._probing else wait_s):
                    await self._changed.wait()

    def succeeded(self) -> None:
        self._failures = self._opened = 0
        self._until = None
        self._turn()

    def failed(self, retry_after_s: float | None = None) -> None:
        """Counts a failure; a receiver that says when to come again is believed."""
        self._failures += 1
        if self._until is not None and not self._probing:
            return  # it was on its way when the circuit opened
        if self._until is None and retry_after_s is None and self._failures < OPEN_AFTER:
            return
        wait_s = min(PROBE_MOST_S, PROBE_FIRST_S * 2**self._opened) * random.uniform(0.5, 1.0)  # noqa: S311
        self._opened = min(self._opened + 1, 16)
        if retry_after_s is not None:
            wait_s = min(retry_after_s, RETRY_MOST_S)
        self._until = self._now() + wait_s
        self._turn()

    def let_go(self) -> None:
        """Who was let through has not tried after all."""
        self._turn()

    def _turn(self) -> None:
        self._probing = False
        self._changed.set()
        self._changed = asyncio.Event()


def retry_s(attempt: int) -> float:
    """How long to wait before the next attempt, the first being 1: doubling, with full jitter."""
    most: float = min(RETRY_MOST_S, RETRY_FIRST_S * 2.0 ** min(attempt - 1, 20))
    return most * random.uniform(0.2, 1.0)  # noqa: S311 - only spreads the load
