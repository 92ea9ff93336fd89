"""One subscription in one process: everything its partitions share, so that its limits are those of all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic, time
from typing import Final

import msgspec
import structlog

from springtide.app.push.delivery import Answer, Change, Meaning, Sender
from springtide.app.push.pace import Breaker, Bucket, retry_s
from springtide.codecs.subscriptions import Subscription

REFUSALS_MAX: Final = 5
"""So often a receiver may refuse a change before it is parked: perhaps it was being mended."""

_log = structlog.get_logger("springtide.push")


class Trouble(msgspec.Struct, frozen=True, array_like=True):
    """The last failure of a receiver, and how it goes on."""

    why: str
    at_ms: int
    since_ms: int = 0
    """Since when nothing was taken; of no meaning without failures."""
    failures: int = 0
    """In a row; 0: something was taken afterwards."""
    next_ms: int | None = None
    """When it is tried again."""
    circuit_open: bool = False

    def over(self) -> Trouble:
        """The same as a thing of the past."""
        return Trouble(self.why, self.at_ms)


class Channel:
    """Tells changes one by one, each until it is taken, parked or the subscription ends."""

    def __init__(self, subscription: Subscription, *, allow_inside: bool) -> None:
        self.subscription = subscription
        self.breaker = Breaker()
        self.ended: str | None = None
        self.watchers: dict[Callable[[], None], None] = {}
        """Called whenever `trouble` is another one."""
        self.attempts = 0
        self.taken = 0
        self._bucket = Bucket(subscription.rate_per_s)
        self._slots = asyncio.Semaphore(subscription.in_flight_max)
        self._sender = Sender(subscription, allow_inside=allow_inside)
        self._trouble: Trouble | None = None
        self._due: dict[object, float] = {}
        """For each change that waits for its next attempt, when (monotonic) that is."""

    @property
    def trouble(self) -> Trouble | None:
        """None as long as nothing has failed."""
        known = self._trouble
        if known is None or not known.failures:
            return known
        due_s = self.breaker.until_s or min(self._due.values(), default=None)
        next_ms = None if due_s is None else int((time() + due_s - monotonic()) * 1_000)
        return msgspec.structs.replace(known, next_ms=next_ms, circuit_open=self.breaker.is_open)

    async def close(self) -> None:
        await self._sender.close()

    async def deliver(self, change: Change, failing_since_s: float | None = None) -> Answer:
        """TAKEN, REFUSED (it is to be parked) or ENDED. Takes as long as it takes, at most `give_up_s`.

        `failing_since_s` (monotonic) is when it was first tried, if that was before.
        """
        began = monotonic() if failing_since_s is None else failing_since_s
        attempt = refusals = 0
        while True:
            answer = await self._attempt(change)
            if answer.meaning in (Meaning.TAKEN, Meaning.ENDED):
                return answer
            attempt += 1
            refusals += answer.meaning is Meaning.REFUSED
            if refusals >= REFUSALS_MAX or monotonic() - began > self.subscription.give_up_s:
                return Answer(Meaning.REFUSED, answer.why)
            wait_s = min(retry_s(attempt), max(0.0, began + self.subscription.give_up_s - monotonic()))
            waits = object()
            self._due[waits] = monotonic() + wait_s
            try:
                await asyncio.sleep(wait_s)
            finally:
                del self._due[waits]

    async def _attempt(self, change: Change) -> Answer:
        if (ended := self._end()) is not None:
            return ended
        async with self._slots:
            await self.breaker.pass_through()
            if (ended := self._end()) is not None:
                self.breaker.let_go()
                return ended
            wait_s = self._bucket.wait_s()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            self.attempts += 1
            try:
                answer = await self._sender.tell(change)
            except Exception as error:  # noqa: BLE001
                # A bug in the telling must not end the telling: it shows in the log and as a failure.
                _log.exception("a change was not told", subscription=self.subscription.id)
                answer = Answer(Meaning.LATER, repr(error))
            except BaseException:
                self.breaker.let_go()
                raise
        if answer.meaning is Meaning.LATER:
            self.breaker.failed(answer.retry_after_s)
        else:
            self.breaker.succeeded()  # it answers, whatever it says
        if answer.meaning is Meaning.TAKEN:
            self.taken += 1
        elif answer.meaning is Meaning.ENDED:
            self.ended = answer.why
        self._note(answer)
        return answer

    def _note(self, answer: Answer) -> None:
        known = self._trouble
        if answer.meaning is Meaning.TAKEN:
            if known is None or not known.failures:
                return
            self._trouble = known.over()
        else:
            now_ms = int(time() * 1_000)
            if known is None or not known.failures:
                known = Trouble(answer.why, now_ms, since_ms=now_ms)
            self._trouble = msgspec.structs.replace(
                known, why=answer.why, at_ms=now_ms, failures=known.failures + 1
            )
        for changed in self.watchers:
            changed()

    def _end(self) -> Answer | None:
        return None if self.ended is None else Answer(Meaning.ENDED, self.ended)
