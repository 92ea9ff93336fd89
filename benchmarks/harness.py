"""Runs programs of this folder as processes of their own, in turns, and gathers what they print.

A program prints one JSON object as its last line; one that cannot be measured here prints
{"peer", "left_out"} and ends with status 3. Progress goes to stderr, so stdout stays the bench's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.measure import LEFT_OUT_STATUS
from benchmarks.report import LeftOut
from benchmarks.sum_input import Expected
from springtide.app.broker.embedded import EmbeddedBroker

ROOT = Path(__file__).parents[1]
_END_S = 30.0
_TAIL_LINES = 20

Run = Callable[[], "dict[str, Any] | LeftOut"]
"""One measurement, from start to end."""


class BenchError(Exception):
    """A measurement failed or is not to be trusted; the text says which, why, and what to do."""


def say(text: str) -> None:
    """A line of progress, to stderr."""
    print(text, file=sys.stderr, flush=True)


def run_program(
    module: str, args: Sequence[str] = (), *, timeout_s: float = 600.0, verbose: bool = False
) -> dict[str, Any] | LeftOut:
    """Runs `python -m module args` and gives the JSON object of its last line, or why it was left out.

    What it writes to stderr is shown only if `verbose` or if it fails. Raises BenchError if it fails, prints no
    JSON, or takes longer than `timeout_s`. However this ends, the program and all it started have ended.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *args],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if verbose else subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # a group of its own, so that its children can be ended with it
    )
    try:
        out, told = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"{module} was not done after {timeout_s:.0f} s and was ended. See what else this machine is doing, "
            f"or run it alone: python -m {module} {' '.join(args)}"
        ) from error
    finally:
        _end_group(process)
    lines = out.strip().splitlines()
    if process.returncode not in (0, LEFT_OUT_STATUS):
        tail = "\n".join((told or "").strip().splitlines()[-_TAIL_LINES:])
        raise BenchError(f"{module} ended with status {process.returncode}:\n{tail or 'it said nothing'}")
    try:
        found = json.loads(lines[-1])
    except (IndexError, ValueError) as error:
        raise BenchError(f"{module} ended well but its last line is no JSON: {lines[-1:]}") from error
    if not isinstance(found, dict):
        raise BenchError(f"{module} ended well but its last line is no JSON object: {lines[-1]}")
    if process.returncode == LEFT_OUT_STATUS:
        return LeftOut(str(found.get("peer", module)), str(found.get("left_out", "it did not say why")))
    return found


def run_peer(module: str, args: Sequence[str] = (), *, timeout_s: float = 600.0) -> dict[str, Any] | LeftOut:
    """`run_program` for `benchmarks.peers.<module>`."""
    return run_program(f"benchmarks.peers.{module}", args, timeout_s=timeout_s)


def _end_group(process: subprocess.Popen[str]) -> None:
    """Ends the program if it still runs, and whatever it left running."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    # The group is ours by `start_new_session`, and lives as long as one of its members.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def in_turns(
    runs: Mapping[str, Run], rounds: int, progress: Callable[[str], None] = say
) -> dict[str, list[dict[str, Any]] | LeftOut]:
    """Runs A B C, A B C, ... `rounds` times, so that a slow minute of the machine falls on all alike.

    One that is left out is not tried again. An error of any run is raised at once.
    """
    found: dict[str, list[dict[str, Any]] | LeftOut] = {}
    for turn in range(1, rounds + 1):
        for name, run in runs.items():
            so_far = found.setdefault(name, [])
            if isinstance(so_far, LeftOut):
                continue
            began = time.monotonic()
            outcome = run()
            took_s = time.monotonic() - began
            if isinstance(outcome, LeftOut):
                found[name] = outcome
                progress(f"[{turn}/{rounds}] {name}: left out: {outcome.why}")
            else:
                so_far.append(outcome)
                progress(f"[{turn}/{rounds}] {name}: {_brief(outcome)} ({took_s:.0f} s with its start)")
    return found


def _brief(outcome: Mapping[str, Any]) -> str:
    """The figures of an outcome that tell most, for a line of progress."""
    shown = (
        "events_per_s",
        "cpu_us_per_event",
        "hot_tps",
        "spread_tps",
        "rps",
        "p50_ms",
        "p99_ms",
        "seconds",
    )
    told = [f"{name} {outcome[name]:,}" for name in shown if isinstance(outcome.get(name), int | float)]
    return ", ".join(told) or "done"


def median(outcomes: Sequence[Mapping[str, Any]], field: str) -> float:
    """The median of one field over the rounds. Raises BenchError if an outcome lacks it or there is none."""
    try:
        return float(statistics.median(outcome[field] for outcome in outcomes))
    except (KeyError, TypeError, statistics.StatisticsError) as error:
        raise BenchError(f"No median of {field}: {len(outcomes)} outcomes, {error!r}.") from error


def check_sum(outcome: Mapping[str, Any], expected: Expected) -> None:
    """Raises BenchError unless the state a sum program came to is the right one: a fast wrong sum is no figure."""
    for field in ("events", "keys", "total", "digest"):
        found, wanted = outcome.get(field), getattr(expected, field)
        if found != wanted:
            raise BenchError(
                f"{outcome.get('peer', 'a sum')} came to {field} {found}, right is {wanted}: its figures do not count."
            )


def checked(run: Run, expected: Expected) -> Run:
    """The same run, its sum held against the right one."""

    def run_and_check() -> dict[str, Any] | LeftOut:
        outcome = run()
        if not isinstance(outcome, LeftOut):
            check_sum(outcome, expected)
        return outcome

    return run_and_check


def write_sum_input(bootstrap: str, topic: str, events: int, *, partitions: int | None = None) -> Expected:
    """Writes `events` stock movements into a new topic; what their sum must come to."""
    args = ["--bootstrap", bootstrap, "--topic", topic, "--events", str(events)]
    if partitions is not None:
        args += ["--partitions", str(partitions)]
    found = run_program("benchmarks.sum_input", args)
    assert isinstance(found, dict)
    say(f"{events:,} events written to {topic} in {found['seconds']} s")
    return Expected(found["events"], found["keys"], found["total"], found["digest"])


@contextmanager
def broker(heap_mb: int = 512) -> Iterator[EmbeddedBroker]:
    """A Kafka of this bench alone, in a temporary folder that is deleted afterwards."""
    with (
        ended_by_sigterm(),
        tempfile.TemporaryDirectory(prefix="springtide-bench-", ignore_cleanup_errors=True) as folder,
    ):
        one = EmbeddedBroker(Path(folder) / "broker", heap_mb=heap_mb)
        shown = FetchProgress()
        one.start(shown)
        try:
            yield one
        finally:
            one.stop()


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM leaves the block by its `finally`s, as Ctrl-C does. No effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class FetchProgress:
    """Tells of the broker's first fetch, a line for each tenth of it. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: tuple[str, int] | None = None

    def __call__(self, what: str, done: int, total: int) -> None:
        tenth = done * 10 // total if total else 0
        with self._lock:
            if self._told == (what, tenth):
                return
            self._told = (what, tenth)
        say(f"{what}: {tenth * 10} %" if total else what)
