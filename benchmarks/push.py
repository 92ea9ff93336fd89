"""Deliveries a second of one push process to a receiver on this machine, and what a slow receiver costs another.

Status changes are written to the log beforehand; a push process of its own then tells them, signed, to a
receiver in another process, which verifies nothing and answers 204. Then the same with a second subscription
whose receiver takes 100 ms for each.

    python -m benchmarks.push [--changes 20000] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from typing import Any, Final, Self

import uvloop
from aiohttp import web
from aiokafka import AIOKafkaProducer

from benchmarks import live, program
from benchmarks.harness import ROOT, BenchError, say
from benchmarks.report import Report
from springtide.agents.topics import STATUS_CHANGES
from springtide.app.up.stack import Stack
from springtide.codecs.letters import StatusChange, encode_letter
from springtide.codecs.records import partition_for

_TARGET: Final = 2_000
_TOLD_S_MAX: Final = 300.0
_SLOW_S: Final = 0.1


def measure(args: argparse.Namespace) -> Report:
    """One report."""
    changes = program.sized(args, args.changes, 20_000, 500)
    report = Report("push")
    with (
        live.stack(workers=0, views=1, push_allow_inside=True, pushes=1) as stack,
        _Receiver(0.0) as quick,
        _Receiver(_SLOW_S) as slow,
    ):
        _subscribe(stack, quick.url)
        alone = _rate(stack, quick, changes, "A")
        _subscribe(stack, slow.url)
        beside = _rate(stack, quick, changes, "B")
    report.add("deliveries of one push process", alone, "1/s", target=f">= {_TARGET:,}")
    report.add(
        "the same beside a receiver that takes 100 ms",
        beside,
        "1/s",
        peer="alone",
        peer_value=alone,
    )
    return report


def _rate(stack: Stack, receiver: _Receiver, changes: int, name: str) -> float:
    before = receiver.taken
    uvloop.run(_write(stack, changes, name))
    began = time.monotonic()
    first: float | None = None
    while (taken := receiver.taken - before) < changes:
        now = time.monotonic()
        if taken and first is None:
            first = now
        if now - began > _TOLD_S_MAX:
            raise BenchError(f"Within {_TOLD_S_MAX:.0f} s {taken:,} of {changes:,} changes were delivered.")
        time.sleep(0.02)
    took = time.monotonic() - (first or began)
    say(f"{changes:,} deliveries in {took:.1f} s")
    return changes / took


async def _write(stack: Stack, changes: int, name: str) -> None:
    producer = AIOKafkaProducer(**stack.connection.aiokafka_options(), acks="all", linger_ms=5)
    await producer.start()
    partitions = stack.settings.inbox_partitions
    try:
        sent = []
        for number in range(changes):
            order_id = f"{name}-{number % (changes // 4 or 1):06d}"
            letter = StatusChange(
                order_id=order_id,
                version=1 + number // (changes // 4 or 1),
                status="SHIPPED",
                previous="ALLOCATED",
                milestones=(),
                at="2026-03-02T06:00:00Z",
                event_id=f"wms {number}",
                channel="web",
                region="north",
            )
            place = partition_for(order_id.encode(), partitions)
            sent.append(
                await producer.send(
                    STATUS_CHANGES, encode_letter(letter), key=order_id.encode(), partition=place
                )
            )
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _subscribe(stack: Stack, url: str) -> None:
    wish: dict[str, Any] = {"url": url, "rate_per_s": 100_000, "in_flight_max": 64}
    request = urllib.request.Request(
        stack.view_url + "/v1/subscriptions",
        data=json.dumps(wish).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


class _Receiver:
    """A receiver in a process of its own."""

    def __init__(self, delay_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.push", "--receive", str(delay_s)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{json.loads(self._process.stdout.readline())['port']}/"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    @property
    def taken(self) -> int:
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            return int(json.loads(answer.read())["taken"])


async def _receive(delay_s: float) -> None:
    taken = 0

    async def post(request: web.Request) -> web.Response:
        nonlocal taken
        await request.read()
        if delay_s:
            await asyncio.sleep(delay_s)
        taken += 1
        return web.Response(status=204)

    async def get(_: web.Request) -> web.Response:
        return web.json_response({"taken": taken})

    app = web.Application()
    app.router.add_post("/", post)
    app.router.add_get("/", get)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    with suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--changes", type=int, help="status changes to be told, twice (20,000)")
    parser.add_argument("--receive", type=float, help=argparse.SUPPRESS)
    args, _ = parser.parse_known_args()
    if args.receive is not None:
        uvloop.run(_receive(args.receive))
        return
    program.run(parser, measure)


if __name__ == "__main__":
    main()
