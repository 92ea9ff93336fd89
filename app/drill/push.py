"""A drill of push: a receiver that is slow, failing, busy and gone, and processes that are killed meanwhile.

Each change of each order in the log must have come to the receiver, in order.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import msgspec

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.drill.outcome import DrillFailed
from springtide.app.drill.receiver import Mood, Receiver
from springtide.app.drill.settle import drained
from springtide.app.drill.told import Told
from springtide.app.drill.traffic import Traffic, trade
from springtide.app.drill.watch import Watch
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.settings import Settings
from springtide.app.up.stack import Stack
from springtide.codecs.letters import decode_status_change

READY_S: Final = 120.0
DELIVERED_S_MAX: Final = 300.0
SKUS: Final = 200
_LOOK_EVERY_S: Final = 0.1


class Pushed(msgspec.Struct, kw_only=True):
    """What the drill has shown."""

    ok: bool
    changes: int
    """Changes in the log."""
    delivered: int
    missing: int
    unknown: int
    """Delivered, and not in the log."""
    repeats: int
    """Told more than once: at least once is what is promised."""
    refused: int
    """Requests that the receiver answered with 500 or 429."""
    out_of_order: list[str]
    settled_s: float
    """From the end of the load until the last change was delivered."""
    trouble: list[str] = []


class PushDrill:
    """One drill. `run` blocks, and leaves nothing running."""

    def __init__(
        self, settings: Settings, *, seed: int, rate_per_s: float, down_s: float, told: Told
    ) -> None:
        self.ending = False
        self._settings = settings.model_copy(
            update={"broker": None, "port": 0, "push_allow_inside": True, "access": "open"}
        )
        self._seed = seed
        self._rate_per_s = rate_per_s
        self._down_s = down_s
        self._told = told
        self._stack = Stack(self._settings, 2, 1, pushes=2, told=told.happened)

    def hurry(self) -> None:
        self._stack.hurry()

    def run(self) -> Pushed:
        """Raises StackError, BrokerError or LogUnavailable if the drill itself can't go on."""
        receiver, watch, traffic = Receiver(), None, None
        try:
            self._told.stage("starting the stack")
            self._stack.start(self._told.fetched)
            watch = Watch(self._stack.connection, self._settings)
            traffic = Traffic(self._stack.connection, trade(self._seed, SKUS), self._rate_per_s)
            self._stack.wait_until_ready(READY_S)
            receiver.open()
            receiver.secret = self._subscribe(receiver.url)
            watch.start()
            traffic.start()
            self._trouble(receiver, traffic)
            self._told.stage("letting it come to rest")
            traffic.end()
            began_s = time.monotonic()
            trouble: list[str] = []
            due = asyncio.run(self._rested(watch, trouble))
            self._told.stage(f"waiting for the last of {len(due):,} changes")
            deadline = time.monotonic() + DELIVERED_S_MAX
            while receiver.changes < len(due) and time.monotonic() < deadline:
                self._stack.check()
                time.sleep(_LOOK_EVERY_S)
            return _judged(receiver, due, trouble, round(time.monotonic() - began_s, 1))
        finally:
            self.ending = True
            self._told.stage("stopping the stack")
            try:
                if traffic is not None:
                    traffic.abandon()
                if watch is not None:
                    watch.end()
                receiver.close()
            finally:
                self._stack.stop()

    def _subscribe(self, url: str) -> str:
        """The secret of a new subscription to everything."""
        wish = {"url": url, "start": "beginning", "name": "drill", "timeout_ms": 2_000, "in_flight_max": 16}
        request = urllib.request.Request(  # noqa: S310 - the view of this very stack
            self._stack.view_url + "/v1/subscriptions",
            data=json.dumps(wish).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return str(json.loads(answer.read())["secret"])

    def _trouble(self, receiver: Receiver, traffic: Traffic) -> None:
        short = self._down_s / 4

        def mood(name: Mood) -> Callable[[], None]:
            def be() -> None:
                receiver.mood = name

            return be

        for sentence, act, rest_s in (
            ("the receiver is well", mood("well"), short),
            ("the receiver is slow", mood("slow"), short),
            ("kill -9 of a push process", self._stack.kill_push, short),
            ("the receiver answers 500", mood("failing"), short),
            ("the receiver answers 429", mood("busy"), short),
            ("kill -9 of a worker", lambda: self._stack.kill_worker(0), short),
            ("the receiver is well", mood("well"), short),
            (f"the receiver is gone for {self._down_s:.0f} s", receiver.close, self._down_s),
            ("kill -9 of the other push process", lambda: self._stack.kill_push(1), 1.0),
            ("the receiver is back", receiver.open, short),
        ):
            self._told.stage(sentence)
            act()
            deadline = time.monotonic() + rest_s
            while time.monotonic() < deadline:
                traffic.check()
                self._stack.check()
                time.sleep(_LOOK_EVERY_S)

    async def _rested(self, watch: Watch, trouble: list[str]) -> dict[tuple[str, int], None]:
        """The changes in the log once every actor has applied all of its inputs."""
        log = KafkaLog(self._stack.connection)
        await log.start()
        try:
            try:
                await drained(log, self._settings, watch)
            except DrillFailed as error:
                trouble.append(str(error))
            return await _changes(log)
        finally:
            await log.close()


def _judged(
    receiver: Receiver, due: dict[tuple[str, int], None], trouble: list[str], settled_s: float
) -> Pushed:
    taken = dict(receiver.taken)
    missing = [change for change in due if change not in taken]
    unknown = [change for change in taken if change not in due]
    if missing:
        trouble.append(f"{len(missing)} changes did not come, such as {missing[0]}.")
    if unknown:
        trouble.append(f"{len(unknown)} changes came that are not in the log, such as {unknown[0]}.")
    trouble += receiver.wrong
    return Pushed(
        ok=not trouble and bool(due),
        changes=len(due),
        delivered=len(taken),
        missing=len(missing),
        unknown=len(unknown),
        repeats=receiver.repeats,
        refused=receiver.refused,
        out_of_order=receiver.wrong,
        settled_s=settled_s,
        trouble=trouble,
    )


async def _changes(log: KafkaLog) -> dict[tuple[str, int], None]:
    """(order, version) of each change in the log."""
    found: dict[tuple[str, int], None] = {}
    for number in range(await log.partitions(STATUS_CHANGES)):
        place = (STATUS_CHANGES, number)
        async with aclosing(log.read(place, 0, await log.end(place))) as batches:  # type: ignore[type-var]
            async for batch in batches:
                for record in batch:
                    letter = decode_status_change(record.value or b"")
                    found[letter.order_id, letter.version] = None
    return found
