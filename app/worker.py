"""One worker process: Faust agents that hand what they read to the partition actors of this process.

Faust is the membership, the agents and their life cycle; the engine below it owns state and commits.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import faust
import structlog
import uvloop
from aiohttp import web
from aiokafka import TopicPartition as KafkaPlace
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from yarl import URL

from springtide.agents.work import Behaviour
from springtide.app import wiring
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.actor import ActorSettings
from springtide.app.engine.host import ActorHost
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.metrics import Metrics
from springtide.app.engine.rocks_store import StoreResources
from springtide.app.engine.transport import BatchSchema, BatchTransport, NoTables
from springtide.app.interpreter import tune
from springtide.app.settings import Settings

STOP_AFTER_FAILURE_S: Final = 5.0
OBSERVE_EVERY_S: Final = 1.0

_log = structlog.get_logger("springtide.worker")


class WorkerFailed(Exception):  # noqa: N818 - an outcome
    """An actor ended by itself, e.g. because another worker took its partition over; start the worker anew."""


class Worker:
    """See the module. `behaviours` are the kinds of actor it runs, by default the main job's."""

    def __init__(
        self,
        settings: Settings,
        connection: BrokerConnection,
        *,
        index: int,
        behaviours: Sequence[Behaviour] | None = None,
        counts: dict[str, int] | None = None,
    ) -> None:
        self.metrics = Metrics()
        folder = settings.data_dir / f"worker-{index}"
        folder.mkdir(parents=True, exist_ok=True)
        self._log = KafkaLog(connection)
        self._behaviours = wiring.behaviours(settings) if behaviours is None else behaviours
        self.app = _faust_app(settings, connection, index, folder)
        self.host = ActorHost(
            app=settings.app,
            group=settings.app,
            behaviours=self._behaviours,
            counts=wiring.partition_counts(wiring.topic_specs(settings)) if counts is None else counts,
            log=self._log,
            folder=folder,
            resources=StoreResources(settings.rocksdb_cache_mb, settings.rocksdb_write_buffer_mb),
            settings=ActorSettings(
                step_records_max=settings.step_records_max,
                cached_rows_max=settings.cached_rows_max,
                dedup_retention_us=settings.dedup_retention_s * 1_000_000,
            ),
            mailbox_records_max=settings.mailbox_records_max,
            pause=lambda place: self.app.consumer.pause_partitions([faust.types.TP(*place)]),
            resume=lambda place: self.app.consumer.resume_partitions([faust.types.TP(*place)]),
            metrics=self.metrics,
        )
        for behaviour in self._behaviours:
            self._agent(behaviour)
        # Faust wants strong references to what is connected to its signals.
        self._on_revoked = self._revoked
        self._on_assigned = self._assigned
        self.app.on_partitions_revoked.connect(self._on_revoked)
        self.app.on_partitions_assigned.connect(self._on_assigned)

    def _agent(self, behaviour: Behaviour) -> None:
        """One Faust agent for each kind of actor: it reads batches and puts them into mailboxes."""
        topic = self.app.topic(*behaviour.inputs, schema=BatchSchema(), acks=False, internal=False)
        offer = self.host.offer

        async def read(stream: Any) -> None:
            async for batch in stream:
                offer(batch)

        self.app.agent(topic, name=behaviour.kind)(read)

    async def _revoked(self, _app: Any, revoked: Any, **_: Any) -> None:
        _log.info("partitions revoked", count=len(revoked))
        await self.host.revoke()

    async def _assigned(self, _app: Any, assigned: Any, **_: Any) -> None:
        _log.info("partitions assigned", count=len(assigned))
        self.host.assign((tp.topic, tp.partition) for tp in assigned)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; WorkerFailed when an actor ended by itself."""
        tune()  # Faust's consumer has a thread of its own
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # for the loop of Faust's consumer thread
        await self._log.start()
        try:
            self.app.finalize()
            await self.app.start()
            observing = asyncio.create_task(self._observe())
            waits = [
                asyncio.create_task(stop.wait()),
                asyncio.create_task(self.host.failed.wait()),
                asyncio.create_task(self.app._crashed.wait()),  # noqa: SLF001 - mode has no public way to wait
            ]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in [*waits, observing]:
                    task.cancel()
            await self.host.revoke()
            await self._stop()
        finally:
            await self._log.close()
        if self.host.failure is not None:
            raise WorkerFailed(f"{type(self.host.failure).__name__}: {self.host.failure}")
        crash = self.app.crash_reason
        if crash is not None:
            raise WorkerFailed(f"Faust ended with {type(crash).__name__}: {crash}")

    async def _stop(self) -> None:
        """Stops Faust. After a failure that must not take long: a consumer that stood still can keep its thread
        for a minute, and all that is lost by an end at once is that minute."""
        failure = self.host.failure
        stopping = asyncio.create_task(self.app.stop())
        # Not by `asyncio.timeout`: Faust takes a cancellation for the end, while its thread lives on.
        await asyncio.wait([stopping], timeout=None if failure is None else STOP_AFTER_FAILURE_S)
        if not stopping.done():
            _log.error("worker ends at once", why=f"{type(failure).__name__}: {failure}")
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            os._exit(1)
        stopping.result()

    async def _observe(self) -> None:
        while True:
            self.host.observe()
            consumer = getattr(self.app.consumer, "_thread", None)
            kafka = getattr(consumer, "_consumer", None)
            lags: dict[str, int] = {behaviour.kind: 0 for behaviour in self._behaviours}
            for topic, partition in self.host.places():
                if kafka is not None:
                    lags[self.host.kind_of(topic)] += _unfetched(kafka, KafkaPlace(topic, partition))
            for kind, waiting in self.host.waiting().items():
                lags[kind] += waiting
            for kind, lag in lags.items():
                self.metrics.lag.labels(kind).set(lag)
            await asyncio.sleep(OBSERVE_EVERY_S)


def _unfetched(consumer: Any, place: Any) -> int:
    """Offsets between what was fetched and the last stable one, as the latest fetch told; 0 if the partition
    is not ours just now. What was fetched is past the transaction markers, so at rest this is 0."""
    try:
        end = consumer.last_stable_offset(place)
        state = consumer._subscription.subscription.assignment.state_value(place)  # noqa: SLF001
        return max(0, int(end) - int(state.position))
    except Exception:  # noqa: BLE001 - aiokafka raises whatever an assertion gives when it is not assigned
        return 0


def _faust_app(settings: Settings, connection: BrokerConnection, index: int, folder: Path) -> Any:
    app = faust.App(
        settings.app,
        broker=f"kafka://{connection.addresses[0]}",
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        reply_create_topic=False,
        stream_wait_empty=False,
        stream_recovery_delay=0.0,
        stream_buffer_maxsize=256,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{settings.app}-worker-{index}",
        broker_session_timeout=settings.session_timeout_s,
        # Also how soon the others hear of a rebalance when one of them is gone.
        broker_heartbeat_interval=max(0.3, settings.session_timeout_s / 12),
        broker_request_timeout=max(20.0, settings.session_timeout_s * 2),
        broker_rebalance_timeout=max(10.0, settings.session_timeout_s * 2),
        broker_commit_interval=60.0,
        broker_check_crcs=True,
        datadir=str(folder / "faust"),
        web_port=6066 + index,
        loghandlers=[],
        TableManager=NoTables,
    )
    app.transport = BatchTransport(
        connection, [URL(f"kafka://{address}") for address in connection.addresses], app
    )
    app.producer_transport = app.transport
    return app


async def run_worker(
    settings: Settings,
    connection: BrokerConnection,
    *,
    index: int,
    stop: asyncio.Event,
    metrics_port: int,
) -> None:
    """Runs one worker and its `/metrics`, `/livez` on 127.0.0.1:`metrics_port` until `stop` is set.

    State lies in `data_dir/worker-<index>`. Raises WorkerFailed when the worker should be started anew.
    """
    worker = Worker(settings, connection, index=index)
    runner = await serve_metrics(worker.metrics, metrics_port)
    _log.info("worker begins", index=index, pid=os.getpid(), broker=connection.bootstrap)
    try:
        await worker.run(stop)
    finally:
        await runner.cleanup()
        _log.info("worker ended", index=index)


async def serve_metrics(metrics: Metrics, port: int) -> web.AppRunner:
    """Answers `/metrics` and `/livez` on loopback; `cleanup` the runner at the end."""

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def alive(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    server = web.Application()
    server.router.add_get("/metrics", scrape)
    server.router.add_get("/livez", alive)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    return runner
