"""Runs a stack in the foreground: start, tell what to open, show it live, stop it when asked."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Protocol

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from springtide.app import wiring
from springtide.app.up import examples, screen
from springtide.app.up.figures import Figures, Meter
from springtide.app.up.scrape import Scraper
from springtide.app.up.stack import Stack

_FRAME_S: Final = 1.0
_LINE_S: Final = 5.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Beside(Protocol):
    """What runs along with the stack, such as a load."""

    def start(self, stack: Stack) -> None:
        """Begins; the stack is ready."""

    def line(self) -> str:
        """How it goes, in a few words."""

    def done(self, stack: Stack, figures: Figures) -> bool:
        """Whether all is done, so that the stack is to be stopped. Raises what went wrong."""

    def stop(self) -> None:
        """Ends it and waits."""


def run(
    stack: Stack,
    console: Console,
    *,
    plain: bool,
    beside: Beside | None = None,
    exit_after_s: float | None = None,
    ready: Callable[[], None] | None = None,
    last: Callable[[], None] | None = None,
) -> None:
    """Returns when it has been stopped by a signal, after `exit_after_s`, or since what runs beside is done.

    `ready` is called when the stack answers, `last` before it is stopped in the two latter cases. Raises
    what `Stack` raises. The first Ctrl-C, SIGTERM or SIGHUP stops, the second hurries.
    """
    asked = _Asked(stack)
    with asked.listening():
        try:
            try:
                _start(stack, console)
                if ready is not None:
                    ready()
                if beside is not None:
                    beside.start(stack)
            except KeyboardInterrupt:
                return
            asked.started.set()
            deadline = None if exit_after_s is None else time.monotonic() + exit_after_s
            _watch(stack, console, asked, plain=plain, beside=beside, deadline=deadline)
            if last is not None and not asked.stop.is_set():
                last()
        finally:
            was_up = asked.started.is_set()
            asked.started.set()
            if was_up:
                console.print("stopping ...", highlight=False)
            if beside is not None:
                beside.stop()
            stack.stop()
            if was_up:
                console.print("stopped", highlight=False)


class _Asked:
    """What the signals of the terminal ask for."""

    def __init__(self, stack: Stack) -> None:
        self.started = threading.Event()
        self.stop = threading.Event()
        self._stack = stack

    @contextmanager
    def listening(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._take) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop.is_set():
            self._stack.hurry()
            return
        self.stop.set()
        if not self.started.is_set():
            raise KeyboardInterrupt  # whatever the start is waiting for


def _start(stack: Stack, console: Console) -> None:
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=console,
        transient=True,
    ) as bars:
        task = None

        def fetching(what: str, done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task(what, total=total or None)
            bars.update(task, description=what, completed=done, total=total or None)

        stack.start(fetching)
    with console.status("waiting until it is ready"):
        stack.wait_until_ready()


def _watch(
    stack: Stack,
    console: Console,
    asked: _Asked,
    *,
    plain: bool,
    beside: Beside | None,
    deadline: float | None,
) -> None:
    meter = Meter(wiring.actor_partitions(stack.settings))
    scraper = Scraper()
    live = None if plain else Live(console=console, auto_refresh=False, transient=True)
    next_line_s = time.monotonic()
    try:
        if live is not None:
            live.start()
        while not asked.stop.is_set():
            stack.check()
            samples = scraper.scrape(stack.metrics_places())
            figures = meter.update(samples, time.monotonic())
            told = "" if beside is None else beside.line()
            if live is not None:
                live.update(screen.frame(stack, figures, told), refresh=True)
            elif time.monotonic() >= next_line_s:
                next_line_s += _LINE_S
                console.print(screen.line(stack, figures, told), highlight=False, soft_wrap=True)
            if beside is not None and beside.done(stack, figures):
                return
            if deadline is not None and time.monotonic() >= deadline:
                return
            asked.stop.wait(
                _FRAME_S if deadline is None else max(0.0, min(_FRAME_S, deadline - time.monotonic()))
            )
    finally:
        scraper.close()
        if live is not None:
            live.stop()


def tell_what_to_ask(stack: Stack, console: Console, found: examples.Examples | None = None) -> None:
    """Prints what to open and ask."""
    if found is None:
        found = asyncio.run(examples.find(stack.connection))
    if not stack.views:
        return
    settings = stack.settings
    for told in found.lines(
        stack.view_url, with_key=settings.access == "keys", push_inside=settings.push_allow_inside
    ):
        console.print(told, highlight=False, soft_wrap=True)
