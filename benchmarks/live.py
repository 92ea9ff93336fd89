"""Springtide's own processes for a bench: a stack in a temporary folder, a sample trade, and what is left to do."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # it has no types

from benchmarks.harness import ROOT, BenchError, FetchProgress, ended_by_sigterm, run_program, say
from springtide.app.broker.connection import BrokerConnection
from springtide.app.settings import Settings
from springtide.app.trade.file import read_file, write_file
from springtide.app.trade.load import LoadResult, load
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.scrape import Sample, scrape
from springtide.app.up.stack import Stack

_READY_S: Final = 120.0
_LOOK_EVERY_S: Final = 0.2
_QUIET_S: Final = 1.5
WARMUP_S: Final = 20
"""A broker's JVM compiles what it runs in its first half minute, on the cores that all need."""


@contextmanager
def stack(workers: int = 1, views: int = 1, pushes: int = 0, **given: Any) -> Iterator[Stack]:
    """A stack of its own, ready, in a temporary folder that is deleted afterwards."""
    with (
        ended_by_sigterm(),
        tempfile.TemporaryDirectory(prefix="springtide-bench-", ignore_cleanup_errors=True) as folder,
    ):
        settings = Settings(
            **{
                "data_dir": Path(folder),
                "broker": None,
                "port": 0,
                "access": "open",
                "log_level": "warning",
                **given,
            }
        )
        one = Stack(settings, workers=workers, views=views, pushes=pushes, told=say)
        try:
            one.start(FetchProgress())
            one.wait_until_ready(_READY_S)
            yield one
        finally:
            one.stop()


class Trade:
    """A sample trade that was written to a file beforehand, so that making it up costs nothing later."""

    def __init__(self, spec: TradeSpec, path: Path, count: int) -> None:
        began = time.monotonic()
        self.path = path
        self.opening = spec.opening_events
        self.count = write_file(spec, path, count)
        if self.count < count:
            raise BenchError(f"The trade has {self.count:,} events, {count:,} are needed: ask for fewer.")
        say(f"{count:,} events of the sample trade made in {time.monotonic() - began:.0f} s")
        self._events = read_file(path)
        self.read = 0

    def load(self, connection: BrokerConnection, count: int) -> LoadResult:
        """Writes the next `count` events at full speed."""
        result = asyncio.run(load(connection, self._events, events_max=count))
        if result.events < count:
            raise BenchError(f"The trade's file ended after {result.events:,} of {count:,} events.")
        self.read += count
        say(f"{count:,} events written at {result.events_per_s:,.0f}/s")
        return result


@contextmanager
def feeding(trade: Trade, bootstrap: str, rate: float) -> Iterator[Feed]:
    """Writes on with the trade at `rate` events/s, from another process, as long as the block runs."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "benchmarks.feed", "--bootstrap", bootstrap, "--file", str(trade.path)),
            *("--skip", str(trade.read), "--rate", str(rate)),
        ],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    feed = Feed(process)
    try:
        yield feed
        trade.read += feed.end()
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


class Feed:
    """A load in a process of its own. After the end `outcome` says how many events, and how late at most."""

    _END_S: Final = 30.0

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.outcome: dict[str, Any] = {}

    def wait_until_begun(self) -> None:
        """Returns when it writes. Raises BenchError if it ended instead."""
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise BenchError(f"The feed ended with status {self._process.wait()} before it wrote anything.")

    def end(self) -> int:
        """Ends it; how many events it has written. Raises BenchError if it failed or ran out of events."""
        try:
            out, _ = self._process.communicate("", timeout=self._END_S)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"The feed did not end within {self._END_S:.0f} s.") from error
        lines = out.strip().splitlines()
        if self._process.returncode or not lines:
            raise BenchError(f"The feed failed with status {self._process.returncode}.")
        self.outcome = json.loads(lines[-1])
        if self.outcome["exhausted"]:
            raise BenchError(
                "The trade's file ended before the measurement: this is a bench that made too few."
            )
        return int(self.outcome["events"])


class Spent:
    """What a stack's processes used between `begin` and `end`: cores by process, and the workers' steps."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.begin()
        self.cores: dict[str, float] = {}
        self.steps_per_s = self.commit_ms = 0.0

    def begin(self) -> None:
        """Starts, or starts anew."""
        self._began = self._look()

    def end(self) -> None:
        """Works it out. No process may have been started anew meanwhile."""
        began, ended = self._began, self._look()
        gained = {name: ended[name] - began[name] for name in began}
        seconds = gained.pop("seconds")
        steps, commit_s = gained.pop("steps"), gained.pop("commit_s")
        self.steps_per_s = steps / seconds
        self.commit_ms = commit_s / max(steps, 1) * 1e3
        self.cores = {name: cpu_s / seconds for name, cpu_s in gained.items()}

    def _look(self) -> dict[str, float]:
        stack = self._stack
        found = [scrape("127.0.0.1", worker.port) for worker in stack.workers]
        samples = [one for one in found if one is not None]
        return {
            "seconds": time.monotonic(),
            "steps": total(samples, "springtide_steps_total"),
            "commit_s": total(samples, "springtide_transaction_seconds_sum"),
            **{child.name: cpu_s(child.pid) for child in (*stack.workers, *stack.views)},
            "broker": cpu_s(stack.broker.pid or 0) if stack.broker else 0.0,
        }


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used, all its threads; 0 without one."""
    if not pid:
        return 0.0
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def backlog(stack: Stack, events: int, timeout_s: float = 900.0) -> dict[str, Any]:
    """Lets a watched worker of the stack's folder do a backlog of `events` records of ingress; its outcome."""
    args = [
        *("--bootstrap", stack.bootstrap, "--data-dir", str(stack.data_dir), "--events", str(events)),
        *("--inbox-partitions", str(stack.settings.inbox_partitions)),
    ]
    outcome = run_program("benchmarks.watched_worker", args, timeout_s=timeout_s)
    assert isinstance(outcome, dict)
    return outcome


def total(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of one metric over processes and over the labels that are not given."""
    return sum(
        value
        for sample in samples
        for (found, have), value in sample.items()
        if found == name and labels.items() <= dict(have).items()
    )


def wait_until_drained(stack: Stack, events: int, timeout_s: float = 600.0) -> None:
    """Returns when the workers have applied `events` records of ingress since their start, and all is quiet.

    Quiet: no actor of any kind applies anything any more, nothing waits, and the first view shows it all.
    """
    deadline = time.monotonic() + timeout_s
    last, since = -1.0, time.monotonic()
    while True:
        stack.check()
        found = [scrape("127.0.0.1", worker.port) for worker in stack.workers if worker.pid]
        samples = [one for one in found if one is not None]
        applied = total(samples, "springtide_events_total")
        waiting = total(samples, "springtide_mailbox_records")
        enough = total(samples, "springtide_events_total", kind="gateway") >= events
        if applied != last or waiting or not enough or not _view_shows_all(stack):
            last, since = applied, time.monotonic()
        elif time.monotonic() - since >= _QUIET_S:
            return
        if time.monotonic() > deadline:
            raise BenchError(
                f"{events:,} events were not applied within {timeout_s:.0f} s; {applied:,.0f} were."
            )
        time.sleep(_LOOK_EVERY_S)


def _view_shows_all(stack: Stack) -> bool:
    return not stack.views or get_json(f"{stack.view_url}/readyz").get("lag_ms") == 0


def get(url: str) -> bytes:
    """What a loopback address answers; empty if it answers nothing good."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def get_json(url: str) -> dict[str, Any]:
    """The JSON object at a loopback address; empty if nothing good answers."""
    found = json.loads(get(url) or b"{}")
    return found if isinstance(found, dict) else {}
