"""What every peer program shares: its arguments, its stopwatch, and its one line of JSON at the end."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Iterable
from typing import Any, NoReturn

from benchmarks.sum_input import digest

LEFT_OUT_STATUS = 3


class Stopwatch:
    """Time, and CPU time of this process over all its threads, from the first event on.

    Start-up, imports and the first rebalance are not in it. `mark` may be called for every event; only the
    first call counts.
    """

    def __init__(self) -> None:
        self.running = False
        self._began = self._cpu_began = 0.0
        self.seconds = self.cpu_seconds = 0.0

    def mark(self) -> None:
        """Starts the watch, the first time it is called."""
        if not self.running:
            self.running = True
            self._began, self._cpu_began = time.monotonic(), time.process_time()

    def stop(self) -> None:
        """Takes the time, in seconds. May be called again: the last call counts."""
        self.seconds = time.monotonic() - self._began
        self.cpu_seconds = time.process_time() - self._cpu_began


def sum_arguments(description: str | None, events: int = 1_000_000) -> argparse.ArgumentParser:
    """The arguments every sum peer takes."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bootstrap", required=True, help="a running Kafka, HOST:PORT")
    parser.add_argument("--topic", required=True, help="the input topic, written by benchmarks.sum_input")
    parser.add_argument("--events", type=int, default=events, help="stop when so many are counted")
    return parser


def result(peer: str, events: int, seconds: float, cpu_seconds: float, **more: Any) -> str:
    """One line of JSON: events, seconds, events/s, CPU microseconds per event, and what else is told."""
    return json.dumps(
        {
            "peer": peer,
            "events": events,
            "seconds": round(seconds, 4),
            "events_per_s": round(events / seconds, 1),
            "cpu_us_per_event": round(cpu_seconds / events * 1e6, 3),
            **more,
        }
    )


def state(sums: Iterable[tuple[str, int]]) -> dict[str, int]:
    """What a peer says of its own state after the run, to be held against the expected sums."""
    pairs = list(sums)
    return {"keys": len(pairs), "total": sum(value for _key, value in pairs), "digest": digest(pairs)}


def end_on_sigterm() -> None:
    """Lets SIGTERM end this program by way of its `finally` blocks, which end children and delete folders."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))


def leave_out(peer: str, why: str) -> NoReturn:
    """Says why this peer cannot be measured here, and ends with status 3."""
    print(json.dumps({"peer": peer, "left_out": why}), flush=True)
    sys.exit(LEFT_OUT_STATUS)
