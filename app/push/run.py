"""The push process: which partitions it has, and its life from start to clean end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import Fenced, LogUnavailable
from springtide.app.push.channel import Channel
from springtide.app.push.lane import KIND, Lane, wanted
from springtide.app.push.registry import Keeper, Registry
from springtide.app.settings import Settings

_POLL_MS: Final = 200
_PAUSE_S: Final = 1.0

_log = structlog.get_logger("springtide.push")


class Push:
    """See the module."""

    def __init__(self, settings: Settings, connection: BrokerConnection, *, index: int) -> None:
        self._settings = settings
        self._connection = connection
        self._index = index
        self.log = KafkaLog(connection)
        self.registry = Registry(self.log, self._use)
        self.keeper = Keeper(connection)
        self.lanes: dict[int, Lane] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._again: dict[int, float] = {}
        """Partition that was given up -> when it is tried again."""
        self._channels: dict[str, Channel] = {}
        self._ending: set[asyncio.Task[Any]] = set()

    async def run(self) -> None:
        """Until cancelled. Raises LogUnavailable if the broker is not there at the start."""
        await self.log.start()
        following = asyncio.create_task(self.registry.run())
        try:
            await self.registry.loaded.wait()
            await self._membership()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self.close()

    async def close(self) -> None:
        """Gives all partitions up and closes what is open."""
        await self._revoke(list(self._running))
        for channel in self._channels.values():
            await channel.close()
        await asyncio.gather(*self._ending, return_exceptions=True)
        await self.keeper.close()
        await self.log.close()

    # --- partitions ---

    async def _membership(self) -> None:
        """Has the group give this process its partitions; records are read elsewhere."""
        while True:
            consumer = AIOKafkaConsumer(
                **self._connection.aiokafka_options(),
                group_id=f"{self._settings.app}-{KIND}",
                group_instance_id=f"{self._settings.app}-{KIND}-{self._index}",
                enable_auto_commit=False,
                session_timeout_ms=int(self._settings.session_timeout_s * 1_000),
                heartbeat_interval_ms=int(self._settings.session_timeout_s * 1_000 / 3),
            )
            try:
                consumer.subscribe([STATUS_CHANGES], listener=_Assigned(self))
                await consumer.start()
                while True:
                    if running := consumer.assignment() - consumer.paused():
                        consumer.pause(*running)
                    await consumer.getmany(timeout_ms=_POLL_MS)
                    await self._look()
            except (KafkaError, OSError) as error:
                _log.warning("push has lost its group", why=repr(error))
            finally:
                await self._revoke(list(self._running))
                with suppress(KafkaError, OSError):
                    await consumer.stop()
            await asyncio.sleep(_PAUSE_S)

    async def assign(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            if partition not in self._running:
                lane = Lane(self.log, self._settings.app, partition)
                self._running[partition] = asyncio.create_task(self._host(partition, lane))
        _log.info("partitions assigned", partitions=sorted(self._running))

    async def revoke(self, partitions: Iterable[int]) -> None:
        await self._revoke(partitions)

    async def _revoke(self, partitions: Iterable[int]) -> None:
        tasks = [task for partition in partitions if (task := self._running.pop(partition, None)) is not None]
        for task in tasks:
            task.cancel()
        self._again = {number: at for number, at in self._again.items() if number in self._running}
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _host(self, partition: int, lane: Lane) -> None:
        loaded = asyncio.Event()
        running = asyncio.create_task(lane.run(loaded))
        try:
            ready = asyncio.create_task(loaded.wait())
            await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if loaded.is_set():
                self.lanes[partition] = lane
                self._use()
            await running
        finally:
            self.lanes.pop(partition, None)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def _look(self) -> None:
        """Lanes that have failed begin anew; subscriptions that their receiver has ended are written so.

        Who was fenced waits until the group would have told it that the partition is another's: else two
        would take it from each other in turn.
        """
        now = monotonic()
        for partition, task in list(self._running.items()):
            if not task.done():
                continue
            if partition not in self._again:
                error = None if task.cancelled() else task.exception()
                wait_s = self._settings.session_timeout_s if isinstance(error, Fenced) else _PAUSE_S
                self._again[partition] = now + wait_s
                _log.warning("a partition is given up", partition=partition, why=repr(error))
            elif self._again[partition] <= now:
                del self._again[partition], self._running[partition]
                await self.assign([partition])
        for name, channel in list(self._channels.items()):
            known = self.registry.subscriptions.get(name)
            if channel.ended is not None and known is not None and known.state == "active":
                _log.warning("a subscription has ended", subscription=name, why=channel.ended)
                ended = msgspec.structs.replace(known, state="ended", why=channel.ended)
                with suppress(LogUnavailable):
                    await self.registry.reached(await self.keeper.keep(ended))

    # --- subscriptions ---

    def _use(self) -> None:
        active = wanted(self.registry.subscriptions)
        for name, channel in list(self._channels.items()):
            if active.get(name) != channel.subscription:
                del self._channels[name]
                task = asyncio.create_task(channel.close())
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        for name, subscription in active.items():
            if name not in self._channels:
                self._channels[name] = Channel(subscription, allow_inside=self._settings.push_allow_inside)
        replays = list(self.registry.replays.values())
        for lane in self.lanes.values():
            lane.use(self._channels, replays)
            for name in [name for name in lane.known if name not in self.registry.subscriptions]:
                lane.forget(name)

    # --- figures ---

    def readings(self) -> list[Metric]:
        metrics = {
            name: GaugeMetricFamily(f"springtide_push_{name}", text, labels=["subscription"])
            for name, text in (
                ("backlog", "Changes written and not yet settled, by offsets."),
                ("told", "Changes taken by the receiver."),
                ("parked", "Changes given up."),
                ("circuit_open", "1 while the receiver is not asked."),
            )
        }
        for name, channel in self._channels.items():
            cursors = [(lane, lane.cursors[name]) for lane in self.lanes.values() if name in lane.cursors]
            behind = sum(max(0, lane.end - cursor.place.position) for lane, cursor in cursors)
            metrics["backlog"].add_metric([name], behind)
            metrics["told"].add_metric([name], sum(cursor.place.told for _, cursor in cursors))
            metrics["parked"].add_metric([name], sum(len(cursor.place.parked) for _, cursor in cursors))
            metrics["circuit_open"].add_metric([name], float(channel.breaker.is_open))
        return list(metrics.values())


class _Assigned(ConsumerRebalanceListener):  # type: ignore[misc]  # untyped
    def __init__(self, push: Push) -> None:
        self._push = push

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        await self._push.revoke([tp.partition for tp in revoked])

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        await self._push.assign([tp.partition for tp in assigned])


class _Collector(Collector):
    def __init__(self, push: Push) -> None:
        self._push = push

    def collect(self) -> list[Metric]:
        return self._push.readings()


async def run_push(
    settings: Settings, connection: BrokerConnection, *, index: int, stop: asyncio.Event, port: int
) -> None:
    """Pushes until `stop` is set; `/livez` and `/metrics` on loopback at `port`."""
    push = Push(settings, connection, index=index)
    registry = CollectorRegistry()
    registry.register(_Collector(push))
    app = web.Application()

    async def livez(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "partitions": sorted(push.lanes)})

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/livez", livez)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    _log.info("push begins", index=index, port=port)
    running = asyncio.create_task(push.run())
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([running, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if running.done():
            running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await runner.cleanup()
        _log.info("push ended", index=index)
