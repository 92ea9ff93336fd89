"""How the system stands, second by second: what the home and system pages show beside the API's answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from itertools import pairwise
from time import time
from typing import Any, Final, NamedTuple

from aiohttp import web

from springtide.app.view.follower import Follower
from springtide.codecs.times import rfc3339

EVERY_S: Final = 1.0
KEPT: Final = 301
"""Five minutes of them."""
RATE_OVER_S: Final = 10


class PartitionStanding(NamedTuple):
    """One partition of a projection, as this view shows it."""

    name: str
    position: int
    end: int
    steps: int
    exact: bool
    lag_ms: int
    stream_time: str


class Standing(NamedTuple):
    """One view at one moment. Counts only rise while the process lives."""

    status: str
    """ready, loading or stopping"""
    lag_ms: int | None
    trouble: str | None
    records: int
    """Projection records read."""
    steps: int
    """Steps of actors shown."""
    ingress: dict[str, int]
    """Ingress `topic/partition` -> the highest offset known to have had its effect."""
    done: int
    whole: int
    """Of the records there were when the view began: read, and in all."""
    partitions: list[PartitionStanding]


def standing(follower: Follower, *, stopping: bool) -> Standing:
    """How a view's follower stands now."""
    now_ms = int(time() * 1_000)
    ingress: dict[str, int] = {}
    partitions: list[PartitionStanding] = []
    for of_topic in follower.partitions.values():
        for one in of_topic:
            partitions.append(
                PartitionStanding(
                    one.name,
                    one.position,
                    one.end,
                    one.meta.steps,
                    one.exact,
                    one.lag_ms(now_ms),
                    rfc3339(one.meta.time_us),
                )
            )
            for name, offset in one.meta.seen.items():
                ingress[name] = max(offset, ingress.get(name, -1))
    done, whole = follower.progress()
    return Standing(
        "stopping" if stopping else "ready" if follower.loaded else "loading",
        follower.lag_ms(),
        follower.trouble,
        follower.records,
        follower.steps,
        dict(sorted(ingress.items())),
        done,
        whole,
        partitions,
    )


class _Sample(NamedTuple):
    at_s: float
    events: int
    records: int
    lag_ms: int | None


class Pulse:
    """Samples of a standing, each second, and what they say: rates and their course."""

    def __init__(self, look: Callable[[], Standing]) -> None:
        self.look = look
        self._samples: deque[_Sample] = deque(maxlen=KEPT)

    async def beat(self, _: web.Application) -> AsyncIterator[None]:
        """For an application's `cleanup_ctx`."""
        task = asyncio.create_task(self._run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def _run(self) -> None:
        while True:
            self.sample(time())
            await asyncio.sleep(EVERY_S)

    def sample(self, at_s: float) -> None:
        """Takes one, at an instant of the clock in seconds."""
        now = self.look()
        if now.status != "ready":  # what is caught up with is no rate
            self._samples.clear()
            return
        events = sum(offset + 1 for offset in now.ingress.values())
        self._samples.append(_Sample(at_s, events, now.records, now.lag_ms))

    def rates(self) -> dict[str, float | None]:
        """By second, over the last RATE_OVER_S: `events` of ingress that had their effect, counted in offsets
        of the log; `changes` of projections. None until there are two samples."""
        if len(self._samples) < 2:
            return {"events": None, "changes": None}
        last = self._samples[-1]
        first = self._samples[max(0, len(self._samples) - 1 - RATE_OVER_S)]
        seconds = last.at_s - first.at_s
        if seconds <= 0:
            return {"events": None, "changes": None}
        return {
            "events": max(0.0, (last.events - first.events) / seconds),
            "changes": max(0.0, (last.records - first.records) / seconds),
        }

    def course(self) -> dict[str, list[Any]]:
        """`at` (RFC 3339), `events` by second since the sample before, and `lag_ms`."""
        samples = list(self._samples)
        found: dict[str, list[Any]] = {"at": [], "events": [], "lag_ms": []}
        for before, after in pairwise(samples):
            seconds = after.at_s - before.at_s
            found["at"].append(rfc3339(int(after.at_s * 1_000_000)))
            found["events"].append(
                max(0.0, (after.events - before.events) / seconds) if seconds > 0 else None
            )
            found["lag_ms"].append(after.lag_ms)
        return found
