"""One subscription in one process: everything its partitions share, so that its limits are those of all."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

import structlog

from springtide.app.push.delivery import Answer, Change, Meaning, Sender
from springtide.app.push.pace import Breaker, Bucket, retry_s
from springtide.codecs.subscriptions import Subscription

REFUSALS_MAX: Final = 5
"""So often a receiver may refuse a change before it is parked: perhaps it was being mended."""

_log = structlog.get_logger("springtide.push")


class Channel:
    """Tells changes one by one, each until it is taken, parked or the subscription ends."""

    def __init__(self, subscription: Subscription, *, allow_inside: bool) -> None:
        self.subscription = subscription
        self.breaker = Breaker()
        self.ended: str | None = None
        self.last_failure: str | None = None
        self.attempts = 0
        self.taken = 0
        self._bucket = Bucket(subscription.rate_per_s)
        self._slots = asyncio.Semaphore(subscription.in_flight_max)
        self._sender = Sender(subscription, allow_inside=allow_inside)

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
            self.last_failure = answer.why
            attempt += 1
            refusals += answer.meaning is Meaning.REFUSED
            if refusals >= REFUSALS_MAX or monotonic() - began > self.subscription.give_up_s:
                return Answer(Meaning.REFUSED, answer.why)
            await asyncio.sleep(
                min(retry_s(attempt), max(0.0, began + self.subscription.give_up_s - monotonic()))
            )

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
        return answer

    def _end(self) -> Answer | None:
        return None if self.ended is None else Answer(Meaning.ENDED, self.ended)
