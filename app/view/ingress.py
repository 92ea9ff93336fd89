"""Watches how far ingress is ahead of what has had its effect: so a view says that it is stale, also when
it is the workers that do not work, and the projections have nothing new to tell.

What an actor has seen of ingress stands in its markers. The end of a partition does not tell whether there
is an event before it: it may be the end of a transaction. So the first event that was not seen is looked
for, and its time in the log is how old the figures are. That takes up to WATCH_EVERY_S to be noticed.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from springtide.agents.work import position_key
from springtide.app.engine.log import Log, LogUnavailable
from springtide.app.view.follower import Follower
from springtide.app.view.partition import Unseen
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.records import TopicPartition

WATCH_EVERY_S: Final = 0.5
PROBES_MAX: Final = 4
"""Partitions looked into at one time; the others have their turn next time."""

_log = structlog.get_logger("springtide.view")


class IngressWatch:
    """See the module. `run` until cancelled; it tells the follower's partitions what they have not seen."""

    def __init__(self, log: Log, follower: Follower) -> None:
        self._log = log
        self._follower = follower
        self._places: list[TopicPartition] = []
        self._clear: dict[TopicPartition, int] = {}
        """Before this offset there is no event that was not seen."""

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except (LogUnavailable, ValueError) as error:
                _log.debug("ingress is not watched", why=str(error))
            await asyncio.sleep(WATCH_EVERY_S)

    async def look(self) -> None:
        """Compares the ends of ingress with what each partition has seen, and looks into where they differ."""
        if not self._places:
            self._places = [
                (topic, number)
                for topic in INGRESS_TOPICS
                for number in range(await self._log.partitions(topic))
            ]
        probes = 0
        ends = await self._log.ends(self._places)
        for place in list(self._places):
            name, end = position_key(place), ends[place]
            seen = self._follower.seen(name)
            if seen is None:
                continue
            unseen = self._follower.unseen.get(name)
            if unseen is not None and unseen.offset > seen:
                continue  # known to be behind, and still so
            self._follower.unseen.pop(name, None)
            if seen + 1 >= end or self._clear.get(place, 0) >= end or probes == PROBES_MAX:
                continue
            probes += 1
            self._places.remove(place)  # to the end of the queue
            self._places.append(place)
            event = await self._log.first(place, max(seen + 1, self._clear.get(place, 0)), end)
            if event is None:
                self._clear[place] = end
            else:
                self._follower.unseen[name] = Unseen(event.offset, event.timestamp_ms)
