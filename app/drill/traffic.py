"""The load that runs while faults are made: the sample trade, with more duplicates than is usual."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Final

from springtide.app.broker.connection import BrokerConnection
from springtide.app.trade.generate import generate
from springtide.app.trade.load import LoadProgress, LoadResult, load
from springtide.app.trade.spec import TradeSpec

_END_S: Final = 60.0


def trade(seed: int, skus: int) -> TradeSpec:
    """Few SKUs, so that orders compete; much that comes twice, late, in the wrong order, or broken."""
    return TradeSpec(
        seed=seed,
        skus=skus,
        orders_per_hour=240.0,
        duplicate_share=0.08,
        late_share=0.02,
        disorder_share=0.05,
        broken_share=0.005,
    )


class Traffic:
    """A load in a thread of its own, until it is ended. The catalog and opening counts come first,
    as fast as they go."""

    def __init__(self, connection: BrokerConnection, spec: TradeSpec, rate_per_s: float) -> None:
        self.results: list[LoadResult] = []
        self._connection = connection
        self._spec = spec
        self._rate_per_s = rate_per_s
        self._written = 0
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="drill-load", daemon=True)

    @property
    def events(self) -> int:
        """Handed over so far."""
        return self._written

    @property
    def acknowledged(self) -> int:
        """Events that the broker has acknowledged, once the load has ended."""
        return sum(result.events for result in self.results)

    @property
    def last_offsets(self) -> dict[str, int]:
        """`topic/partition` -> offset of its newest event, once the load has ended."""
        found: dict[str, int] = {}
        for result in self.results:
            for (topic, number), (_, last) in result.offsets.items():
                name = f"{topic}/{number}"
                found[name] = max(last, found.get(name, last))
        return found

    @property
    def behind_ms_max(self) -> float:
        return max((result.behind_ms_max for result in self.results), default=0.0)

    def start(self) -> None:
        self._thread.start()

    def check(self) -> None:
        """Raises what ended the load."""
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Writes nothing more, and waits for what the broker has not acknowledged. Raises what went wrong."""
        self._ask_to_end(lambda stop, _: stop.set())
        if self._thread.is_alive():
            self._thread.join(_END_S)
            if self._thread.is_alive():
                raise TimeoutError(f"The load did not end within {_END_S:.0f} s.")
        self.check()

    def abandon(self) -> None:
        """Ends it without waiting for what is not acknowledged. No harm if it has ended."""
        self._ask_to_end(lambda _, task: task.cancel())

    def _ask_to_end(self, ask: Callable[[asyncio.Event, asyncio.Task[None]], object]) -> None:
        loop, stop, task = self._loop, self._stop, self._task
        if loop is not None and stop is not None and task is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it ended meanwhile
                loop.call_soon_threadsafe(ask, stop, task)

    def _run(self) -> None:
        try:
            with contextlib.suppress(asyncio.CancelledError):
                asyncio.run(self._load())
        except Exception as error:  # noqa: BLE001 - told by the thread that makes the faults
            self._error = error

    async def _load(self) -> None:
        self._task = asyncio.current_task()
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        emissions = generate(self._spec)
        opening = self._spec.opening_events
        for rate_per_s, events_max in ((None, opening), (self._rate_per_s, None)):
            if self._stop.is_set():
                return
            before = self._written

            def take(progress: LoadProgress, before: int = before) -> None:
                self._written = before + progress.events

            result = await load(
                self._connection,
                emissions,
                rate_per_s=rate_per_s,
                events_max=events_max,
                progress=take,
                stop=self._stop,
            )
            self.results.append(result)
            self._written = before + result.events
