"""A drill of push: a receiver that is slow, failing, busy and gone, and processes that are killed meanwhile.

Each change of each order in the log must have come to the receiver, in order.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any, Final

import msgspec

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.drill.outcome import DrillFailed
from springtide.app.drill.receiver import MOODS, Mood, Receiver
from springtide.app.drill.settle import drained
from springtide.app.drill.told import Told
from springtide.app.drill.traffic import Traffic, trade
from springtide.app.drill.watch import Watch
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.settings import Settings
from springtide.app.up.stack import Stack
from springtide.codecs.letters import decode_status_change

READY_S: Final = 120.0
MET_S: Final = 60.0
"""So long at most until the receiver has been asked in each mood, or is known to be gone."""
ASKED_MIN: Final = 2
"""So often in each mood at least."""
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
    asked: dict[str, int]
    """Requests by what the receiver was: well, slow, failing (500), busy (429)."""
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
            trouble: list[str] = []
            self._told.stage("starting the stack")
            self._stack.start(self._told.fetched)
            watch = Watch(self._stack.connection, self._settings)
            traffic = Traffic(self._stack.connection, trade(self._seed, SKUS), self._rate_per_s)
            self._stack.wait_until_ready(READY_S)
            receiver.open()
            name, receiver.secret = self._subscribe(receiver.url)
            watch.start()
            traffic.start()
            self._trouble(receiver, traffic, name, trouble)
            self._told.stage("letting it come to rest")
            traffic.end()
            began_s = time.monotonic()
            due = asyncio.run(self._rested(watch, trouble))
            self._told.stage(f"waiting for the last of {len(due):,} changes")
            deadline = time.monotonic() + DELIVERED_S_MAX
            while receiver.changes < len(due) and time.monotonic() < deadline:
                self._stack.check()
                if self._delivery(name).get("backlog") == 0 and receiver.changes < len(due):
                    break  # nothing more is to come
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

    def _subscribe(self, url: str) -> tuple[str, str]:
        """Id and secret of a new subscription to everything."""
        wish = {"url": url, "start": "beginning", "name": "drill", "timeout_ms": 2_000, "in_flight_max": 16}
        made = self._ask("", wish)
        return str(made["id"]), str(made["secret"])

    def _delivery(self, name: str) -> dict[str, Any]:
        """How the view says that it stands; empty while it can't say."""
        try:
            found: dict[str, Any] = self._ask("/" + name)["delivery"]
        except urllib.error.HTTPError as error:
            with error:
                return {}
        return found

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the view of this very stack
            self._stack.view_url + "/v1/subscriptions" + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def _trouble(self, receiver: Receiver, traffic: Traffic, name: str, trouble: list[str]) -> None:
        """Each lasts its time, and until it has been met with: else it would prove nothing."""
        short = self._down_s / 4

        def mood(wanted: Mood) -> Callable[[], None]:
            def be() -> None:
                receiver.mood = wanted

            return be

        def asked() -> Callable[[], bool]:
            was, before = receiver.mood, receiver.asked[receiver.mood]
            return lambda: receiver.asked[was] >= before + ASKED_MIN

        def missed() -> Callable[[], bool]:
            return lambda: self._delivery(name).get("standing") in ("failing", "broken")

        def at_once() -> Callable[[], bool]:
            return lambda: True

        kill, kill_other = self._stack.kill_push, partial(self._stack.kill_push, 1)
        for sentence, act, met, rest_s in (
            ("the receiver is well", mood("well"), asked, short),
            ("the receiver is slow", mood("slow"), asked, short),
            ("kill -9 of a push process", kill, asked, short),
            ("the receiver answers 500", mood("failing"), asked, short),
            ("the receiver answers 429", mood("busy"), asked, short),
            ("kill -9 of a worker", partial(self._stack.kill_worker, 0), at_once, short),
            ("the receiver is well", mood("well"), asked, short),
            (f"the receiver is gone for {self._down_s:.0f} s", receiver.close, missed, self._down_s),
            ("kill -9 of the other push process", kill_other, at_once, 1.0),
            ("the receiver is back", receiver.open, asked, short),
        ):
            self._told.stage(sentence)
            act()
            is_met = met()
            began_s = time.monotonic()
            while time.monotonic() < began_s + rest_s or not is_met():
                traffic.check()
                self._stack.check()
                if time.monotonic() > began_s + max(rest_s, MET_S):
                    trouble.append(f"For {MET_S:.0f} s nobody noticed that {sentence}.")
                    break
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
        asked={name: receiver.asked[name] for name in MOODS},
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
