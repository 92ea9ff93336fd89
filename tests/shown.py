"""What `simulate` has come to, as a live view shows it: its projections and inboxes over a log in memory."""

from __future__ import annotations

import asyncio
from typing import Self

import msgspec

from springtide.agents.topics import (
    ATP,
    CUSTOMERS,
    DEAD_LETTERS,
    INBOX_CUSTOMER,
    INBOX_ORDER,
    INBOX_SKU,
    ORDER_STATUS,
)
from springtide.agents.work import MARKER
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.settings import Settings
from springtide.app.simulate import Simulation
from springtide.app.view import history, letters
from springtide.app.view.folding import Folding
from springtide.app.view.follower import Follower
from springtide.app.view.index import OrderIndex
from springtide.app.view.keeping import Keeping
from springtide.app.view.live import LiveWorld
from springtide.app.view.world import Heard
from springtide.codecs.messages import Tick, encode
from springtide.codecs.records import Record

DEADLINE_S = 20
PROJECTIONS = {"sku": ATP, "order": ORDER_STATUS, "customer": CUSTOMERS}
INBOXES = (INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER)


async def give_way(_: str) -> None:
    await asyncio.sleep(0)


class Shown:
    """`async with`: a follower and what keeps its lists, until all is shown. `world` is what answers read."""

    def __init__(self, simulation: Simulation, history_days: int = 90) -> None:
        self.settings = Settings.model_construct(inbox_partitions=1, history_days=history_days)
        self._now_ms = 0
        topics = dict.fromkeys((*PROJECTIONS.values(), *INBOXES, DEAD_LETTERS), 1)
        self.log = MemoryLog(topics, checkpoint=give_way, clock_ms=lambda: self._now_ms)
        self.show(simulation)
        self.orders = OrderIndex(
            lambda orders: self.world.measures(orders),  # noqa: PLW0108 - there is no world yet
            lambda order_id: self.follower.partition_of(ORDER_STATUS, order_id.encode()).meta.time_us,
        )
        feeds = {DEAD_LETTERS: letters.entries}
        if history_days:
            feeds |= dict.fromkeys(INBOXES, history.entries)
        self.store = MemoryStore()
        self.follower = Follower(self.log, lambda: self.store, self._changed, feeds)
        self.keeping = Keeping(self.follower, self.orders, history_days, self.folding)

    def folding(self) -> Folding:
        retention_us = self.settings.dedup_retention_s * 1_000_000
        return Folding(self.world.behaviours, 1, retention_us, self.world.skus_of)

    def _changed(self, shown: dict[bytes, bytes | None] | None) -> None:
        self.keeping.changed(shown)

    def show(self, simulation: Simulation) -> None:
        """Writes to the log what a simulation has come to, where it is not there yet."""
        for kind, topic in PROJECTIONS.items():
            actor = simulation.actors[kind]
            for key, raw in actor.rows().items():
                if actor.behaviour.projection_key(key) is not None:
                    self.log.put(topic, 0, key, raw)
            actor.work.meta.steps += 1
            self.log.put(topic, 0, MARKER, msgspec.msgpack.encode(actor.work.meta))
        for topic in INBOXES:
            (actor,) = (a for a in simulation.actors.values() if topic in a.behaviour.inputs)
            heard: dict[int, Heard] = {}
            for (inbox, _), messages in simulation.heard.items():
                if inbox == topic:
                    heard |= {one.record.offset: one for one in messages}
            end = actor.work.meta.positions.get(f"{topic}/0", 0)
            time_us = actor.work.meta.time_us
            records: list[Record] = []
            for offset in range(end - 1, self.log.size((topic, 0)) - 1, -1):
                if offset in heard:
                    time_us = heard[offset].before_us
                    records.append(heard[offset].record)
                else:  # a tick, which a simulation does not keep
                    records.append(Record(topic, 0, offset, 0, b"", encode(Tick(time_us, {}))))
            for record in reversed(records):
                self._now_ms = record.timestamp_ms
                self.log.put(topic, 0, record.key, record.value)
        for raw in simulation.raw_letters[self.log.size((DEAD_LETTERS, 0)) :]:
            self.log.put(DEAD_LETTERS, 0, None, raw)

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self.follower.run()), asyncio.create_task(self.keeping.run())]
        await self.settled()
        return self

    async def settled(self) -> None:
        """Waits until all that the log has is shown, and in the lists."""
        async with asyncio.timeout(DEADLINE_S):
            while not self._is_read():
                assert not any(task.done() for task in self._tasks)
                await asyncio.sleep(0)
            while self.orders.waiting:
                await self.keeping.settled()

    def _is_read(self) -> bool:
        follower = self.follower
        ends = [
            one.position >= self.log.size(one.place)
            for of in (*follower.partitions.values(), *follower.feeds.values())
            for one in of
        ]
        return follower.loaded and all(ends) and self.orders.loaded

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    @property
    def world(self) -> LiveWorld:
        return LiveWorld(self.follower, self.orders, self.settings)
