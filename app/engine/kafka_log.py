"""The `Log` on Kafka: one transactional producer for each open actor, readers that see committed records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced
from aiokafka.producer import sender

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.topics import describe_topics
from springtide.app.engine.fetch import FETCH_BYTES_MIN, FETCH_WAIT_MS, drain, fetch, fetched, standing
from springtide.app.engine.log import ActorId, Commit, Fenced, Followed, LogUnavailable
from springtide.app.engine.patience import patient
from springtide.codecs.records import Record
from springtide.codecs.records import TopicPartition as Place

BATCH_BYTES: Final = 1 << 20
REQUEST_BYTES_MAX: Final = 16 << 20
READ_RECORDS_MAX: Final = 20_000
FOLLOW_BYTES: Final = 1 << 20
FOLLOW_RECORDS_MAX: Final = 1_000
"""About a millisecond of work: whoever follows has other things to do in the same loop."""
FETCH_BYTES: Final = 4 << 20
# Each step of a transaction that the broker answers with "not yet" is asked again after so long.
RETRY_BACKOFF_MS: Final = 3
# The first step of a transaction has a pause of its own, of 20 ms, for as long as the markers of the one before
# are written: about as much as all else that a small transaction takes.
sender.BACKOFF_OVERRIDE = RETRY_BACKOFF_MS / 1_000
TRANSACTION_TIMEOUT_MS: Final = 60_000
REQUEST_TIMEOUT_MS: Final = 15_000
READ_WAIT_S: Final = 0.5
# The truth about positions is in the changelog, in every step; the group's offsets are for lag figures and
# for where to begin to read, and they cost two more round trips.
OFFSETS_EVERY_S: Final = 0.5
_NO_HEADERS: Final[list[tuple[str, bytes]]] = []
PROBE_BYTES: Final = 16 << 10
PROBE_WAIT_MS: Final = 1_000
END_TIMEOUT_S: Final = 20.0


class KafkaLog:
    """See the module. `start` before use, `close` at the end; all in one event loop."""

    def __init__(self, connection: BrokerConnection, *, offsets_every_s: float = OFFSETS_EVERY_S) -> None:
        """`offsets_every_s`: how often at most an actor's transaction also carries the group's offsets."""
        self._connection = connection
        self._offsets_every_s = offsets_every_s
        self._counts: dict[str, int] = {}
        self._identity: str | None = None
        self._identifying = asyncio.Lock()
        self._ends: Any = None
        self._probe: Any = None

    async def start(self) -> None:
        """Raises LogUnavailable if the broker does not answer."""
        self._ends = self._consumer()
        await _answered(self._ends.start(), "the broker could not be reached")

    async def close(self) -> None:
        for consumer in (self._ends, self._probe):
            if consumer is not None:
                await _stop(consumer)

    async def open_writer(self, actor: ActorId, group: str) -> KafkaWriter:
        producer = patient(
            AIOKafkaProducer(
                **self._connection.aiokafka_options(),
                client_id=actor.transactional_id,
                transactional_id=actor.transactional_id,
                transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
                retry_backoff_ms=RETRY_BACKOFF_MS,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                max_batch_size=BATCH_BYTES,
                max_request_size=REQUEST_BYTES_MAX,
            )
        )
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                await producer.start()
                # Having a producer id means that every earlier one is fenced and its transaction ended.
                await asyncio.shield(producer._txn_manager.wait_for_pid())  # noqa: SLF001 - begin() would do it later
        except (KafkaError, OSError, TimeoutError) as error:
            await abandon(producer)
            raise LogUnavailable(f"{actor.transactional_id} could not be opened: {error!r}") from error
        except BaseException:
            await abandon(producer)
            raise
        return KafkaWriter(producer, actor, group, self._offsets_every_s)

    async def end(self, topic_partition: Place) -> int:
        tp = TopicPartition(*topic_partition)
        ends = await _answered(self._ends.end_offsets([tp]), f"{_name(topic_partition)} has no known end")
        return int(ends[tp])

    async def ends(self, topic_partitions: Sequence[Place]) -> dict[Place, int]:
        tps = {TopicPartition(*place): place for place in topic_partitions}
        ends = await _answered(self._ends.end_offsets(list(tps)), "partitions have no known end")
        return {tps[tp]: int(end) for tp, end in ends.items()}

    async def first(self, topic_partition: Place, position: int, end: int) -> Record | None:
        tp, problem = (
            TopicPartition(*topic_partition),
            f"{_name(topic_partition)} can't be read at {position}",
        )
        if self._probe is None:
            self._probe = self._consumer(fetch_bytes=PROBE_BYTES)
            await _answered(self._probe.start(), problem)
        self._probe.assign([tp])
        self._probe.seek(tp, position)
        while position < end:
            found = await _answered(self._probe.getmany(tp, timeout_ms=PROBE_WAIT_MS, max_records=1), problem)
            for record in found.get(tp, ()):
                headers = tuple(record.headers)
                value = Record(
                    *topic_partition, record.offset, record.timestamp, record.key, record.value, headers
                )
                return value if record.offset < end else None
            at = int(await _answered(self._probe.position(tp), problem))
            if at == position:
                raise LogUnavailable(f"{problem}: nothing came")
            position = at
        return None

    async def read(
        self, topic_partition: Place, position: int, end: int | None = None
    ) -> AsyncIterator[Sequence[Record]]:
        if end is not None and position >= end:
            return
        tp = TopicPartition(*topic_partition)
        consumer = self._consumer()
        try:
            await _answered(consumer.start(), f"{_name(topic_partition)} can't be read")
            consumer.assign([tp])
            consumer.seek(tp, position)
            while end is None or position < end:
                found = await _answered(
                    fetch(consumer._fetcher, None, READ_WAIT_S, READ_RECORDS_MAX),  # noqa: SLF001 - see fetch
                    f"{_name(topic_partition)} can't be read at {position}",
                )
                records = found.get(tp, [])
                # Past the records there may be transaction markers, or what compaction left out.
                position = int(
                    await _answered(
                        consumer.position(tp), f"{_name(topic_partition)} can't be read at {position}"
                    )
                )
                if end is not None and records and records[-1].offset >= end:
                    records = [record for record in records if record.offset < end]
                yield records
        finally:
            await _stop(consumer)

    async def follow(self, positions: Mapping[Place, int]) -> AsyncIterator[Followed]:
        places = {TopicPartition(*place): place for place in positions}
        consumer = self._consumer(fetch_bytes=FOLLOW_BYTES, gathered=FETCH_BYTES_MIN)
        try:
            await _answered(consumer.start(), "the projections can't be followed")
            consumer.assign(list(places))
            for tp, place in places.items():
                consumer.seek(tp, positions[place])
            fetcher = consumer._fetcher  # noqa: SLF001 - see fetch
            told = dict.fromkeys(places, 0)
            while True:
                for tp in await _answered(fetched(fetcher, READ_WAIT_S), "the projections can't be followed"):
                    try:
                        records = drain(fetcher, (tp,), FOLLOW_RECORDS_MAX).get(tp, ())
                    except KafkaError as error:
                        raise LogUnavailable(f"{_name(places[tp])} can't be read: {error!r}") from error
                    now = standing(fetcher, tp)
                    if now is not None:
                        told[tp] = now[2]
                        yield Followed(places[tp], records, *now)
                    elif records:
                        raise LogUnavailable(f"{_name(places[tp])} has moved while it was read")
                for tp, place in places.items():
                    now = standing(fetcher, tp)
                    if now is not None and now[2] != told[tp]:
                        told[tp] = now[2]
                        yield Followed(place, (), *now)
        finally:
            await _stop(consumer)

    async def partitions(self, topic: str) -> int:
        count = self._counts.get(topic)
        if count is None:
            try:
                states = await describe_topics(self._connection, [topic], offsets=False)
            except Exception as error:
                raise LogUnavailable(f"topic '{topic}' could not be looked up: {error}") from error
            if not states:
                raise ValueError(f"there is no topic '{topic}'")
            count = self._counts[topic] = len(states[0].partitions)
        return count

    async def identity(self) -> str:
        async with self._identifying:  # all actors of a process ask at once, and one answer does for all
            return await self._identify()

    async def _identify(self) -> str:
        if self._identity is None:
            admin = AIOKafkaAdminClient(
                **self._connection.aiokafka_options(), request_timeout_ms=REQUEST_TIMEOUT_MS
            )
            try:
                await _answered(admin.start(), "the broker could not be reached")
                cluster = await _answered(admin.describe_cluster(), "the cluster has no known id")
            finally:
                with suppress(KafkaError):
                    await admin.close()
            self._identity = f"kafka-{cluster['cluster_id']}"
        return self._identity

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _consumer(self, fetch_bytes: int = FETCH_BYTES, gathered: int = 1) -> Any:
        """`gathered`: bytes for which the broker waits a moment; by itself nothing is waited for."""
        return patient(
            AIOKafkaConsumer(
                **self._connection.aiokafka_options(),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                max_partition_fetch_bytes=fetch_bytes,
                fetch_max_wait_ms=FETCH_WAIT_MS,
                fetch_min_bytes=gathered,
                check_crcs=True,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                retry_backoff_ms=20,
            )
        )


class KafkaWriter:
    """The open writer of one actor."""

    def __init__(
        self, producer: AIOKafkaProducer, actor: ActorId, group: str, offsets_every_s: float
    ) -> None:
        self._producer = producer
        self._actor = actor
        self._group = group
        self._offsets_every_s = offsets_every_s
        self._offsets_at = 0.0
        self._offsets: dict[Place, int] = {}

    async def append(self, commit: Commit) -> int:
        """One transaction: 1. begin. 2. The group's offsets, if it is time: before the records, since a broker
        answers "not yet" to records that come while it still adds the group. 3. All records, in as few batches
        as they fit. 4. Commit. The position is the one after the last changelog record; the marker behind it is no
        record, and reading from there skips it."""
        producer = self._producer
        futures: list[asyncio.Future[Any]] = []
        try:
            async with asyncio.timeout(END_TIMEOUT_S):
                # 1
                await producer.begin_transaction()
                # 2
                now = monotonic()
                self._offsets.update(commit.positions)
                if self._offsets and now - self._offsets_at >= self._offsets_every_s:
                    offsets = {TopicPartition(*place): offset for place, offset in self._offsets.items()}
                    await producer.send_offsets_to_transaction(offsets, self._group)
                    self._offsets_at = now
                    self._offsets = {}
                # 3
                in_last = await self._send(self._actor.changelog, commit.changelog, futures)
                last = futures[-1]
                for place, records in commit.messages.items():
                    await self._send(place, records, futures)
                # 4
                await producer.commit_transaction()
                for future in futures:
                    future.result()
        except (ProducerFenced, InvalidProducerEpoch) as error:
            _forget(futures)
            raise Fenced(f"{self._actor.transactional_id} was opened by another writer") from error
        except (KafkaError, IllegalOperation, asyncio.InvalidStateError, OSError, TimeoutError) as error:
            _forget(futures)
            if any(isinstance(_error(future), (ProducerFenced, InvalidProducerEpoch)) for future in futures):
                raise Fenced(f"{self._actor.transactional_id} was opened by another writer") from error
            raise LogUnavailable(
                f"a step of {self._actor.transactional_id} did not end: {error!r}"
            ) from error
        return int(last.result().offset) + in_last

    async def close(self) -> None:
        await abandon(self._producer)

    async def _send(
        self,
        place: Place,
        records: Sequence[tuple[bytes | None, bytes | None]],
        futures: list[asyncio.Future[Any]],
    ) -> int:
        """Adds the batches' futures; returns how many records the last batch has."""
        producer = self._producer
        now_ms = int(time() * 1_000)
        batch = producer.create_batch()
        # Its `append` wraps this one, at several times the cost, for serializers that there are none of here.
        append: Callable[..., Any] = batch._builder.append  # noqa: SLF001
        count = 0
        for key, value in records:
            if append(count, now_ms, key, value, _NO_HEADERS) is None:
                batch._relative_offset = count  # noqa: SLF001
                batch.close()
                futures.append(await producer.send_batch(batch, place[0], partition=place[1]))
                batch = producer.create_batch()
                append = batch._builder.append  # noqa: SLF001
                count = 0
                if append(count, now_ms, key, value, _NO_HEADERS) is None:
                    raise ValueError(f"a record for {_name(place)} is larger than a batch may be")
            count += 1
        batch._relative_offset = count  # noqa: SLF001
        futures.append(await producer.send_batch(batch, place[0], partition=place[1]))
        return count


async def _answered(question: Awaitable[Any], problem: str) -> Any:
    """The answer; LogUnavailable with what could not be done if there is none."""
    try:
        async with asyncio.timeout(END_TIMEOUT_S):
            return await question
    except (KafkaError, OSError, TimeoutError) as error:
        raise LogUnavailable(f"{problem}: {error!r}") from error


async def _stop(consumer: Any) -> None:
    # A consumer that is stopped soon after its start cancels a task of its own and trips over it; then its
    # fetcher and its connections are still open.
    for close in (consumer.stop, getattr(consumer._fetcher, "close", None), consumer._client.close):  # noqa: SLF001
        if close is not None:
            with suppress(KafkaError, OSError, asyncio.CancelledError):
                await close()


async def abandon(producer: AIOKafkaProducer) -> None:
    """Lets a producer go without waiting for what it has not sent: a transaction it left open is aborted by
    whoever opens the actor next, or by the broker in time."""
    sender = producer._sender  # noqa: SLF001 - stop() would flush first, and hang if it can't
    producer._closed = True  # noqa: SLF001
    for close in (sender.close, producer.client.close):
        with suppress(KafkaError, OSError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await close()


def _forget(futures: Sequence[asyncio.Future[Any]]) -> None:
    """The step has failed as a whole: what became of its parts interests nobody any more."""
    for future in futures:
        future.add_done_callback(_error)


def _error(future: asyncio.Future[Any]) -> BaseException | None:
    return future.exception() if future.done() and not future.cancelled() else None


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"
