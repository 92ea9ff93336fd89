"""The sample trade that `demo` writes beside its stack, on from where the folder's last demo ended."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from springtide.app.trade.generate import generate
from springtide.app.trade.load import LoadProgress, LoadResult, load
from springtide.app.trade.names import order_name, sku_name
from springtide.app.trade.spec import SEED_MAX, TradeSpec
from springtide.app.up.examples import Examples
from springtide.app.up.figures import Figures
from springtide.app.up.stack import Stack

_FILE: Final = "demo.json"
_EVENTS_PER_ORDER: Final = 14
_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"
_REST_H: Final = 72
"""What one trade left under way is through by then."""
_QUIET_S: Final = 2.0
"""On top of the window that rates are taken over."""


class _Told(msgspec.Struct, frozen=True):
    """What has been written into a data folder by demos."""

    seed: int
    start: str
    events: int


class Demo:
    """A load in a thread of its own. `events_max` None goes on until it is stopped.

    With `seed` None the first demo on a data folder has seed 1 and begins now, and each later one goes on
    after it: with the next seed, later in event time, and without opening counts, since the stock is there.
    Event time is then never behind the clock, so that a hold placed by hand does not move the trade on by months.
    """

    def __init__(
        self,
        *,
        rate_per_s: float,
        events_max: int | None,
        seed: int | None,
        once: bool,
    ) -> None:
        self.result: LoadResult | None = None
        self.spec = TradeSpec(start=_now()) if seed is None else TradeSpec(seed=seed)
        self._continue = seed is None
        self._rate_per_s = rate_per_s
        self._events_max = events_max
        self._once = once
        self._progress: LoadProgress | None = None
        self._opening = 0
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._file: Path | None = None
        self._quiet_since_s: float | None = None

    @property
    def examples(self) -> Examples:
        """The SKU asked for most, and the first order."""
        return Examples(sku_name(0), order_name(self.spec.seed, 1))

    def start(self, stack: Stack) -> None:
        self._file = stack.data_dir / _FILE
        before = _read(self._file)
        if before is not None and self._continue:
            self.spec = _after(before, _now())
        self._thread = threading.Thread(target=self._run, args=(stack,), name="demo-load", daemon=True)
        self._thread.start()

    def line(self) -> str:
        if self._progress is None:
            return "sample trade: begins"
        if self.result is not None:
            return f"sample trade: all {self.result.events:,} events are written"
        if self.spec.opening and not self._opening:
            return f"sample trade: {self._progress.events:,} opening events written"
        rate = self._progress.events / self._progress.seconds if self._progress.seconds > 0 else 0.0
        late = f", {self._progress.behind_ms:,.0f} ms late" if self._progress.behind_ms > 100 else ""
        return f"sample trade: {self._progress.events:,} events written, {rate:,.0f}/s{late}"

    def done(self, stack: Stack, figures: Figures) -> bool:  # noqa: ARG002
        if self._error is not None:
            raise self._error
        if not self._once or self.result is None:
            return False
        # Lag counts the marks of transactions too, so it need not come down to nothing.
        quiet = bool(figures.kinds) and all(
            not kind.events_per_s and not kind.mailbox_records and kind.running and not kind.recovering
            for kind in figures.kinds
        )
        if not quiet:
            self._quiet_since_s = None
        elif self._quiet_since_s is None:
            self._quiet_since_s = time.monotonic()
        return self._quiet_since_s is not None and time.monotonic() - self._quiet_since_s >= _QUIET_S

    def stop(self) -> None:
        if self._thread is None:
            return
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None and not loop.is_closed():
            with contextlib.suppress(RuntimeError):  # it ended meanwhile
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(timeout=10.0)

    def _run(self, stack: Stack) -> None:
        try:
            asyncio.run(self._load(stack))
        except Exception as error:  # noqa: BLE001 - told by the thread that shows the stack
            self._error = error
        if self._file is not None and self._progress is not None:
            _write(self._file, _Told(self.spec.seed, self.spec.start, self._progress.events))

    async def _load(self, stack: Stack) -> None:
        """The catalog and opening counts as fast as they go, as what is there, then the trade at its rate."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        emissions = generate(self.spec)
        opening = self.spec.opening_events
        if opening:
            result = await load(
                stack.connection, emissions, events_max=opening, progress=self._take, stop=self._stop
            )
            self._opening = result.events
        if not self._stop.is_set():
            self.result = await load(
                stack.connection,
                emissions,
                rate_per_s=self._rate_per_s,
                events_max=self._events_max,
                progress=self._take,
                stop=self._stop,
            )

    def _take(self, progress: LoadProgress) -> None:
        self._progress = progress


def _now() -> str:
    return datetime.now(UTC).strftime(_INSTANT)


def _after(before: _Told, now: str) -> TradeSpec:
    first = TradeSpec(seed=before.seed, start=before.start)
    hours = math.ceil(before.events / _EVENTS_PER_ORDER / first.orders_per_hour) + _REST_H
    start = datetime.fromtimestamp(first.start_ms / 1_000, UTC) + timedelta(hours=hours)
    return TradeSpec(
        seed=before.seed % SEED_MAX + 1,
        start=max(start.strftime(_INSTANT), now),
        opening=False,
    )


def _read(path: Path) -> _Told | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Told)
    except (OSError, msgspec.DecodeError):
        return None


def _write(path: Path, told: _Told) -> None:
    temporary = path.with_suffix(".json.new")
    temporary.write_bytes(msgspec.json.encode(told) + b"\n")
    temporary.replace(path)
