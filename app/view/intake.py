"""Writes posted events to the ingress topics: requests that wait together share one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError

from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import abandon
from springtide.app.view.problems import Problem
from springtide.app.view.submission import Posted
from springtide.codecs.cloudevents import EVENT_BYTES_MAX
from springtide.codecs.records import TopicPartition

WAITING_MAX: Final = 512
"""Requests that wait to be written; more are told to come again."""
GROUP_BYTES_MAX: Final = 4 << 20
ANSWER_S: Final = 20.0
REQUEST_TIMEOUT_MS: Final = 10_000
TRANSACTION_TIMEOUT_MS: Final = 30_000
RETRY_BACKOFF_MS: Final = 3
BATCH_BYTES: Final = EVENT_BYTES_MAX + (64 << 10)
REQUEST_BYTES_MAX: Final = 16 << 20

_log = structlog.get_logger("springtide.view")

_Waiting = tuple[Sequence[Posted], "asyncio.Future[dict[str, int]]"]
Sent = tuple[list[int], Awaitable[Any]]
"""Numbers of the events of one batch, and what the log says of it."""


class Intake:
    """See the module. `transactional_id` is this process's own: who starts with it ends what was left open."""

    def __init__(self, connection: BrokerConnection, transactional_id: str) -> None:
        self._connection = connection
        self._transactional_id = transactional_id
        self._waiting: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING_MAX)
        self._producer: AIOKafkaProducer | None = None
        self.events = 0
        self.transactions = 0

    async def write(self, posted: Sequence[Posted]) -> dict[str, int]:
        """`topic/partition` -> offset of its last event, all in one transaction. Problem if that failed."""
        future: asyncio.Future[dict[str, int]] = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait((posted, future))
        except asyncio.QueueFull:
            raise Problem(
                503, "busy", "Too many wait", "Too many requests wait to be written.", retry_after_s=1
            ) from None
        return await future

    async def run(self) -> None:
        """Writes until cancelled; a failure fails those in that transaction and opens the writer anew."""
        try:
            await self._open_early()
            while True:
                await self._write_group(await self._group())
        finally:
            await self._drop()
            while not self._waiting.empty():
                _, future = self._waiting.get_nowait()
                _fail(future, "the view is stopping")

    async def _group(self) -> list[_Waiting]:
        group = [await self._waiting.get()]
        size = _size(group[0])
        while size < GROUP_BYTES_MAX and not self._waiting.empty():
            group.append(self._waiting.get_nowait())
            size += _size(group[-1])
        return group

    async def _write_group(self, group: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                if self._producer is None:
                    self._producer = await open_producer(self._connection, self._transactional_id)
                written = await _transact(self._producer, group)
        except (KafkaError, IllegalOperation, asyncio.InvalidStateError, OSError, TimeoutError) as error:
            _log.warning("posted events were not written", why=repr(error))
            for _, future in group:
                _fail(future, f"the log did not take it ({error!r})")
            await self._drop()
        except BaseException:
            for _, future in group:
                _fail(future, "the view is stopping")
            raise
        else:
            self.transactions += 1
            for (posted, future), positions in zip(group, written, strict=True):
                self.events += len(posted)
                if not future.done():
                    future.set_result(positions)

    async def _open_early(self) -> None:
        """So that the first request does not wait for it; if it fails now, it is tried again then."""
        with suppress(KafkaError, OSError, TimeoutError):
            self._producer = await open_producer(self._connection, self._transactional_id)

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)


async def open_producer(connection: BrokerConnection, transactional_id: str) -> AIOKafkaProducer:
    """Who opens a transactional id ends what was left open under it, and who had it before can commit no more."""
    producer = AIOKafkaProducer(
        **connection.aiokafka_options(),
        client_id=transactional_id,
        transactional_id=transactional_id,
        transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
        retry_backoff_ms=RETRY_BACKOFF_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES_MAX,
    )
    try:
        async with asyncio.timeout(ANSWER_S):
            await producer.start()
    except BaseException:
        await abandon(producer)
        raise
    return producer


async def _transact(producer: AIOKafkaProducer, group: Sequence[_Waiting]) -> list[dict[str, int]]:
    """The positions of each request."""
    await producer.begin_transaction()
    sent = await send(producer, [event for posted, _ in group for event in posted])
    await producer.commit_transaction()
    return _positions(group, await sent_offsets(sent))


def _positions(group: Sequence[_Waiting], offsets: Sequence[int]) -> list[dict[str, int]]:
    of_each = iter(offsets)
    return [
        {f"{topic}/{partition}": next(of_each) for topic, partition in (event.place for event in posted)}
        for posted, _ in group
    ]


async def send(producer: AIOKafkaProducer, events: Sequence[Posted]) -> list[Sent]:
    """A batch for each partition while it has room."""
    by_place: dict[TopicPartition, list[int]] = {}
    for at, event in enumerate(events):
        by_place.setdefault(event.place, []).append(at)
    sent: list[Sent] = []
    for (topic, partition), numbers in by_place.items():
        batch = producer.create_batch()
        within: list[int] = []
        for number in numbers:
            event = events[number]
            if batch.append(key=event.key, value=event.value, timestamp=None) is None:
                sent.append((within, await producer.send_batch(batch, topic, partition=partition)))
                batch, within = producer.create_batch(), []
                if batch.append(key=event.key, value=event.value, timestamp=None) is None:
                    raise KafkaError(f"an event of {len(event.value)} bytes is larger than a batch may be")
            within.append(number)
        sent.append((within, await producer.send_batch(batch, topic, partition=partition)))
    return sent


async def sent_offsets(sent: Sequence[Sent]) -> list[int]:
    """Those of the events, in their order. Raises what kept the first of them from being written."""
    offsets = [-1] * sum(len(within) for within, _ in sent)
    told = await asyncio.gather(*(future for _, future in sent), return_exceptions=True)
    for (within, _), metadata in zip(sent, told, strict=True):
        if isinstance(metadata, BaseException):
            raise metadata
        base = int(metadata.offset)
        for at, number in enumerate(within):
            offsets[number] = base + at
    return offsets


def _fail(future: asyncio.Future[dict[str, int]], why: str) -> None:
    if not future.done():
        future.set_exception(
            Problem(
                503,
                "not-written",
                "The events may not be written",
                f"It is not known that the events are written: {why}. Send them again as they are: "
                "an event with the same source and id counts once.",
                retry_after_s=1,
            )
        )


def _size(waiting: _Waiting) -> int:
    return sum(len(event.value) for event in waiting[0])
