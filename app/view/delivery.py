"""How deliveries to a subscription stand: what waits and since when, what fails, and what was given up."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.engine.log import Log, LogUnavailable
from springtide.app.push.channel import Trouble
from springtide.app.push.cursor import Parked, Place
from springtide.app.push.progress import Progress
from springtide.app.view.world import Entities
from springtide.codecs.subscriptions import Replay, Subscription
from springtide.codecs.times import rfc3339
from springtide.tables.order import is_over, ledgers

STANDINGS: Final = ("delivering", "failing", "broken", "paused", "ended")
"""What is told is taken; attempts fail; they fail so often that the circuit is open; stopped by hand; by 410."""
PARKED_SHOWN_MAX: Final = 100
REPLAYS_SHOWN_MAX: Final = 20
LOOKED_UP_MAX: Final = 20
"""Ages of a paused backlog that are looked up in the log for one answer."""
ENDS_LAST_S: Final = 0.25
"""So long one look at where the changes end does for all who ask."""
ENDS_WAIT_S: Final = 0.5
ENDS_FIRST_WAIT_S: Final = 2.0
ENDS_AGAIN_S: Final = 3.0
"""After the broker has not said it in time, the ends that are known do so long."""

Ends = Mapping[int, int]
"""Partition of `status-changes` -> where it ends."""


def standing(subscription: Subscription, trouble: Trouble | None) -> str:
    """One of STANDINGS."""
    if subscription.state != "active":
        return subscription.state
    if trouble is None or not trouble.failures:
        return "delivering"
    return "broken" if trouble.circuit_open else "failing"


def needs_attention(delivery: Mapping[str, Any]) -> bool:
    return delivery["standing"] in ("failing", "broken", "ended") or delivery["parked_total"] > 0


class Deliveries:
    """See the module."""

    def __init__(self, log: Log, progress: Progress) -> None:
        self._log = log
        self._progress = progress
        self._reading = asyncio.Lock()
        self._written: dict[tuple[int, int], int | None] = {}
        """(partition, position) -> when the first record from there on was written."""
        self._looked_up = 0
        self._ends: dict[int, int] = {}
        self._ends_until_s = 0.0

    def begin(self) -> None:
        """A new answer is made."""
        self._looked_up = 0

    async def ends(self) -> dict[int, int]:
        """Where each partition of the changes ends now. Raises LogUnavailable."""
        try:
            count = await self._log.partitions(STATUS_CHANGES)
        except ValueError as error:
            raise LogUnavailable(str(error)) from error
        ends = await self._log.ends([(STATUS_CHANGES, number) for number in range(count)])
        return {number: end for (_, number), end in ends.items()}

    async def ends_lately(self) -> dict[int, int]:
        """The same as of a moment ago; while the log does not answer, as it last did: nobody waits long for it.
        Raises LogUnavailable if it never did."""
        if monotonic() < self._ends_until_s:
            return self._ends
        try:
            async with asyncio.timeout(ENDS_WAIT_S if self._ends else ENDS_FIRST_WAIT_S):
                self._ends = await self.ends()
            lasts_s = ENDS_LAST_S
        except (LogUnavailable, TimeoutError) as error:
            if not self._ends:
                raise LogUnavailable(f"where the changes end is not known: {error!r}") from error
            lasts_s = ENDS_AGAIN_S
        self._ends_until_s = monotonic() + lasts_s
        return self._ends

    async def of(self, subscription: Subscription, ends: Ends) -> dict[str, Any]:
        """Its figures, by what the push processes kept half a second ago at most."""
        places = self.places(subscription, ends)
        trouble = worst([place.trouble for place in places.values()])
        backlog, oldest_ms = 0, []
        for number, place in places.items():
            unread = max(0, ends[number] - place.read_to)
            backlog += place.waiting + unread
            if place.waiting:
                oldest_ms.append(place.oldest_ms)
            elif unread and subscription.state != "active":
                at_ms = await self._written_ms(number, place)
                oldest_ms += [] if at_ms is None else [at_ms]
        return {
            "standing": standing(subscription, trouble),
            "told": sum(place.told for place in places.values()),
            "per_s": round(self._progress.told_per_s(subscription.id), 1),
            "coalesced": sum(place.skipped for place in places.values()),
            "backlog": backlog,
            "oldest_at": rfc3339(min(oldest_ms) * 1_000) if oldest_ms else None,
            "trouble": None if trouble is None else _trouble(trouble),
            "parked_total": sum(len(place.parked) for place in places.values()),
        }

    def places(self, subscription: Subscription, ends: Ends) -> dict[int, Place]:
        """By partition; where no push process has kept any, it is where it begins."""
        found = {}
        for number in ends:
            start = subscription.positions.get(str(number), 0)
            found[number] = Place(position=start, read_to=start)
        for number, place in self._progress.places(subscription.id):
            if number in found:
                found[number] = place
        return found

    async def _written_ms(self, number: int, place: Place) -> int | None:
        """When the oldest change was written that a stopped subscription has not read."""
        key = (number, place.read_to)
        if key not in self._written and self._looked_up < LOOKED_UP_MAX:
            self._looked_up += 1
            try:
                async with asyncio.timeout(ENDS_WAIT_S), self._reading:
                    end = await self._log.end((STATUS_CHANGES, number))
                    record = await self._log.first((STATUS_CHANGES, number), place.read_to, end)
            except (LogUnavailable, TimeoutError):
                return None
            if record is None:
                return None
            self._written[key] = record.timestamp_ms
            if len(self._written) > 10_000:
                del self._written[next(iter(self._written))]
        return self._written.get(key)


def worst(troubles: list[Trouble | None]) -> Trouble | None:
    """What is to be told of several: a failure before one that is over, then the newest."""
    known = [trouble for trouble in troubles if trouble is not None]
    return max(known, key=lambda t: (t.circuit_open, t.failures > 0, t.at_ms), default=None)


def _trouble(trouble: Trouble) -> dict[str, Any]:
    failing = trouble.failures > 0
    return {
        "why": trouble.why,
        "at": rfc3339(trouble.at_ms * 1_000),
        "failures": trouble.failures,
        "since": rfc3339(trouble.since_ms * 1_000) if failing else None,
        "next_try_at": rfc3339(trouble.next_ms * 1_000) if failing and trouble.next_ms else None,
    }


# --- what was given up, by what it means for the trade ---


def parked(places: Mapping[int, Place], world: Entities) -> list[dict[str, Any]]:
    """Of each change that was given up: whom it concerns and whether its receiver is wrong about the order by now.

    Where it is comes first, then orders that are under way, then those of more units; the first
    PARKED_SHOWN_MAX.
    """
    found = [_parked(one, world) for place in places.values() for one in place.parked]
    found.sort(
        key=lambda row: (
            not row["impact"]["behind"],
            row["impact"]["over"],
            -(row["impact"]["units"] or 0),
            row["at"],
            row["order_id"],
            row["version"],
        )
    )
    return found[:PARKED_SHOWN_MAX]


def _parked(one: Parked, world: Entities) -> dict[str, Any]:
    order, _ = world.order(one.order_id)
    known = order is not None and order.placed
    behind = not known or order is None or order.version <= one.version
    over = order is not None and known and is_over(order)
    if behind:
        consequence = f"the receiver still shows it as {one.previous or 'unknown'}"
    else:
        consequence = "the receiver was told what came after it"
    return {
        "order_id": one.order_id,
        "version": one.version,
        "status": one.status,
        "previous": one.previous,
        "why": one.why,
        "at": rfc3339(one.at_ms * 1_000),
        "customer_id": one.customer_id,
        "channel": one.channel,
        "region": one.region,
        "impact": {
            "behind": behind,
            "over": over,
            "status": order.status if order is not None and known else None,
            "units": sum(led.ordered - led.cancelled for led in ledgers(order).values())
            if order is not None and known
            else None,
            "consequence": consequence,
        },
    }


def replays(
    subscription: Subscription, places: Mapping[int, Place], asked: Mapping[str, Replay]
) -> list[dict[str, Any]]:
    """What was asked to be told again, the newest first."""
    own = [replay for replay in asked.values() if replay.subscription == subscription.id]
    own.sort(key=lambda replay: (-replay.asked_ms, replay.id))
    return [
        {
            "id": replay.id,
            "order_id": replay.order_id,
            "from": rfc3339(replay.from_ms * 1_000) if replay.from_ms else None,
            "to": rfc3339(replay.to_ms * 1_000) if replay.to_ms < 1 << 62 else None,
            "parked": replay.parked,
            "asked_at": rfc3339(replay.asked_ms * 1_000),
            "done": all(replay.id in place.replays for place in places.values()),
        }
        for replay in own[:REPLAYS_SHOWN_MAX]
    ]
