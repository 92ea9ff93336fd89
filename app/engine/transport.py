"""Faust's Kafka transport with batches: an agent gets one message for each (topic partition, fetch).

The value of such a message is the list of its records, and its offset the last one's. What Faust keeps for
each event (acks, gaps between offsets, commits by interval) is left out: positions are committed by the
actors, with what they stand for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any, ClassVar

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.tables import TableManager
from faust.transport.drivers import aiokafka as faust_kafka
from faust.types import TP, ConsumerMessage
from faust.types.transports import ConsumerT, ProducerT

from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.fetch import FETCH_BYTES_MIN, FETCH_WAIT_MS, fetch, wake
from springtide.app.engine.patience import patient

FETCH_RECORDS_MAX = 4_096
FETCH_BYTES = 1 << 20


class BatchSchema(faust.Schema):
    """Hands a batch through as it is."""

    def compile(self, app: Any, **_: Any) -> Any:
        create_event = app.create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return create_event(None, message.value, message.headers, message)

        return decode


class _Thread(faust_kafka.AIOKafkaConsumerThread):
    """The thread that Faust's consumer lives in."""

    def _create_worker_consumer(self, transport: Any) -> Any:
        conf = self.app.conf
        # Faust's own assignor gives one worker the same partition of all topics that have as many, and
        # leaves partitions where they are.
        self._assignor = self.app.assignor
        return patient(
            AIOKafkaConsumer(
                **transport.connection.aiokafka_options(),
                client_id=conf.broker_client_id,
                group_id=conf.id,
                group_instance_id=conf.consumer_group_instance_id,
                partition_assignment_strategy=[self._assignor],
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_poll_interval_ms=int(conf.broker_max_poll_interval * 1_000),
                max_partition_fetch_bytes=FETCH_BYTES,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                fetch_min_bytes=FETCH_BYTES_MIN,
                request_timeout_ms=int(conf.broker_request_timeout * 1_000),
                session_timeout_ms=int(conf.broker_session_timeout * 1_000),
                rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1_000),
                heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1_000),
                metadata_max_age_ms=conf.consumer_metadata_max_age_ms,
                connections_max_idle_ms=conf.consumer_connections_max_idle_ms,
                retry_backoff_ms=20,
            )
        )

    def highwater(self, tp: Any) -> Any:
        return self._ensure_consumer().last_stable_offset(tp)

    async def seek_to_committed(self) -> Any:
        return await self.call_thread(self._seek_to_committed, self._ensure_consumer())

    async def _seek_to_committed(self, consumer: Any) -> Any:
        """A partition without a committed position goes back to its beginning: aiokafka leaves it where the
        last fetch ended, and what a rebalance made us drop of it would never be read again."""
        committed = await consumer.seek_to_committed()
        uncommitted = [place for place, offset in committed.items() if not offset]
        if uncommitted:
            await consumer.seek_to_beginning(*uncommitted)
        return committed

    async def _fetch_records(
        self,
        consumer: Any,
        active_partitions: Collection[Any],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,  # noqa: ARG002 - Faust's signature
    ) -> Any:
        """(generation, records): what was drained, and of which assignment it is. Both are read in one go in
        the thread where assignments change, so that neither can belong to another rebalance."""
        fetcher = consumer._fetcher  # noqa: SLF001 - see app.engine.fetch
        if consumer._closed or fetcher._closed:  # noqa: SLF001
            raise faust_kafka.ConsumerStoppedError
        with fetcher._subscriptions.fetch_context():  # noqa: SLF001
            records = await fetch(
                fetcher,
                active_partitions,
                timeout or 0.0,
                FETCH_RECORDS_MAX,
                lambda: self.consumer.flow_active,
            )
        return self.app.consumer_generation_id, records

    async def on_thread_stop(self) -> None:
        """A clean stop gives the partitions back at once. A static member would not say that it leaves, since
        it could be on its way back; whoever is killed is."""
        if self._consumer is not None and self._consumer._coordinator is not None:  # noqa: SLF001
            self._consumer._coordinator._group_instance_id = None  # noqa: SLF001 - what it looks at to leave
        try:
            await super().on_thread_stop()
        except (asyncio.CancelledError, KafkaError):
            # Where the broker does not answer, aiokafka trips over the fetch that it has cancelled itself. That
            # would end the thread without a word, and Faust would wait a minute for one.
            if self._consumer is not None:
                await self._consumer._client.close()  # noqa: SLF001 - what was left to do

    def wake(self) -> None:
        """Has a fetch that waits look again: a partition that it passed over may be wanted now."""
        if self._consumer is not None and self.thread_loop.is_running():
            self.thread_loop.call_soon_threadsafe(wake, self._consumer._fetcher)  # noqa: SLF001


class BatchConsumer(faust_kafka.Consumer):
    """Faust's consumer, giving batches and committing nothing."""

    _sought = False
    """Whether the fetches stand where this assignment begins."""

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._sought = False
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        generation = self.app.consumer_generation_id
        self._sought = True
        await super().perform_seek()
        self._sought = self._sought and generation == self.app.consumer_generation_id

    def resume_flow(self) -> None:
        """Only for the assignment that was sought for: Faust may come here late, in the middle of the next
        rebalance, and what was fetched then would be dropped and not read again."""
        if self._sought:
            super().resume_flow()

    def _new_consumer_thread(self) -> Any:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
        """One message for each partition that something was fetched of."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            if self.should_stop:
                return
        generation, records = await self._getmany(self._get_active_partitions(), timeout)
        for tp, batch in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation or self.should_stop:
                # A rebalance has begun since these were drained. Its assignment begins where the group's
                # positions are, so they are read again by whoever has their partitions then.
                return
            last = batch[-1]
            yield (
                tp,
                ConsumerMessage(
                    tp.topic,
                    tp.partition,
                    last.offset,
                    last.timestamp_ms / 1_000,
                    0,
                    (),
                    None,
                    batch,
                    None,
                    0,
                    0,
                    TP(tp.topic, tp.partition),
                    generation_id=generation,
                ),
            )

    def resume_partitions(self, tps: Iterable[TP]) -> None:
        super().resume_partitions(tps)
        self._thread.wake()

    def ack(self, message: Any) -> bool:
        message.acked = True
        return True

    async def _add_gap(self, tp: Any, offset_from: int, offset_to: int) -> None:
        """Offsets have gaps (compaction, transaction markers); nobody counts them here."""

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: ARG002
        return False

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Stalls are seen in the lag figures."""


class _Producer(faust_kafka.Producer):
    """Faust's own producer, which only Faust itself uses."""

    def _settings_auth(self) -> Mapping[str, Any]:
        transport: Any = self.transport
        options = transport.connection.aiokafka_options()
        return {name: value for name, value in options.items() if name != "bootstrap_servers"}


class BatchTransport(faust_kafka.Transport):
    """See the module."""

    Consumer: ClassVar[type[ConsumerT]] = BatchConsumer
    Producer: ClassVar[type[ProducerT]] = _Producer

    def __init__(self, connection: BrokerConnection, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connection = connection


class NoTables(TableManager):
    """Faust's own waits a second for tables to be declared, a third of a restart's time. There are none."""

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


__all__ = ["BatchConsumer", "BatchSchema", "BatchTransport", "NoTables"]
