"""Events written on schedule into a running system, each timed until its effect is answered over HTTP.

A probe is one event about a SKU or an order of its own, so that what is answered can be told exactly. It is due
at a fixed moment whatever became of those before (an open model), and its time counts from then: waiting to be
sent is part of it. No one asks in vain: when the broker has acknowledged the event, one GET with its position as
`min_position` waits in the view until the view shows it; and what an order leads to further on is seen by
following the projections as a view does, and then confirmed by one such GET.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp
from aiokafka import AIOKafkaProducer

from benchmarks.latencies import Latencies
from benchmarks.springtide_hot_orders import adjusted, counted, placed
from springtide.agents.order import decode_order
from springtide.agents.sku import decode_head
from springtide.agents.topics import ATP, ORDER_STATUS
from springtide.agents.work import MARKER
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.trade.emission import Emission
from springtide.codecs.records import Record, partition_for
from springtide.tables.order import ledgers

STOCK: Final = "stock fact -> GET its SKU"
PLACED: Final = "order.placed -> GET the order"
COMMITTED: Final = "order.placed -> its unit committed in the SKU's ATP"
GRANTED: Final = "order.placed -> its unit allocated in the order"
WAYS: Final = (STOCK, PLACED, COMMITTED, GRANTED)

_UNITS: Final = 10
_TICK_S: Final = 0.002
_PATIENCE_S: Final = 30.0
_CONNECTIONS_MAX: Final = 256


def sku_of(number: int) -> str:
    """The SKU of a probe."""
    return f"PROBE-{number:06d}"


def order_of(number: int) -> str:
    """The order of a probe."""
    return f"PROBE-ORDER-{number:06d}"


def openings(count: int) -> list[Emission]:
    """The counts that must be done before the probes: ten units of each probe's SKU."""
    return [counted(sku_of(number), _UNITS, f"probe-count-{number}") for number in range(count)]


@dataclass(slots=True)
class Outcome:
    """Latencies by way, from the moment due to the answer; and what went wrong."""

    ways: dict[str, Latencies] = field(default_factory=lambda: {way: Latencies() for way in WAYS})
    all_readable: Latencies = field(default_factory=Latencies)
    """Of the probes' own events: STOCK and PLACED together."""
    wrong: list[str] = field(default_factory=list)
    late_p99_ms: float = 0.0
    """How late the probes themselves were handed to the producer."""


class Probes:
    """`run` writes `count` probes, numbered from 0: odd ones are orders, even ones stock facts."""

    def __init__(self, connection: BrokerConnection, url: str, partitions: int) -> None:
        self._connection = connection
        self._url = url
        self._partitions = partitions
        self._log = KafkaLog(connection)
        self._producer: Any = None
        self._seen: dict[tuple[str, bytes], asyncio.Future[tuple[int, int]]] = {}
        self._outcome = Outcome()
        self._late = Latencies()
        self._ignored = 0
        self._warm: Callable[[], None] = lambda: None

    async def run(self, count: int, rate: float, *, ignored: int, warm: Callable[[], None]) -> Outcome:
        """Writes all, `rate` a second, and times them but for the first `ignored`; `warm` is called then."""
        self._ignored = ignored
        self._warm = warm
        self._producer = AIOKafkaProducer(
            **self._connection.aiokafka_options(), acks="all", retry_backoff_ms=20
        )
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS_MAX)
        async with aiohttp.ClientSession(self._url, connector=connector) as session:
            await self._log.start()
            await self._producer.start()
            following = asyncio.create_task(self._follow())
            try:
                await self._write(session, count, rate)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await self._producer.stop()
                await self._log.close()
        self._outcome.late_p99_ms = self._late.percentile_ms(99)
        return self._outcome

    async def _write(self, session: aiohttp.ClientSession, count: int, rate: float) -> None:
        tasks: set[asyncio.Task[None]] = set()
        began, began_ms = time.monotonic(), time.time() * 1_000
        for number in range(count):
            due = began + number / rate
            while (left := due - time.monotonic()) > 0:  # noqa: ASYNC110 - a clock tells no event
                await asyncio.sleep(min(left, _TICK_S))
            if number == self._ignored:
                await asyncio.to_thread(self._warm)
            self._late.record(time.monotonic() - due)
            due_ms = int(began_ms + number / rate * 1_000)
            probe = self._order if number % 2 else self._stock
            tasks.add(asyncio.create_task(self._guarded(number, probe(session, number, due, due_ms))))
        await asyncio.gather(*tasks)

    async def _guarded(self, number: int, probe: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await probe
        except TimeoutError:
            self._outcome.wrong.append(f"probe {number} had no effect within {_PATIENCE_S:.0f} s")
        except (OSError, aiohttp.ClientError, ValueError) as error:
            self._outcome.wrong.append(f"probe {number}: {error!r}")

    async def _stock(self, session: aiohttp.ClientSession, number: int, due: float, due_ms: int) -> None:
        sku = sku_of(number)
        at = await self._send(adjusted(sku, 1, f"probe-{number}"), due_ms)
        body = await _get(session, f"/v1/atp/{sku}", at)
        self._note(STOCK, number, due)
        if body["on_hand"] != _UNITS + 1:
            self._outcome.wrong.append(f"{sku} has {body['on_hand']} on hand, right is {_UNITS + 1}")

    async def _order(self, session: aiohttp.ClientSession, number: int, due: float, due_ms: int) -> None:
        sku, order = sku_of(number), order_of(number)
        in_atp, in_order = self._expect(ATP, sku), self._expect(ORDER_STATUS, order)
        at = await self._send(placed(order, sku), due_ms)
        await _get(session, f"/v1/orders/{order}", at)
        self._note(PLACED, number, due)
        await asyncio.gather(
            self._further(session, COMMITTED, f"/v1/atp/{sku}", ATP, in_atp, number, due),
            self._further(session, GRANTED, f"/v1/orders/{order}", ORDER_STATUS, in_order, number, due),
        )

    async def _further(
        self,
        session: aiohttp.ClientSession,
        way: str,
        path: str,
        topic: str,
        seen: asyncio.Future[tuple[int, int]],
        number: int,
        due: float,
    ) -> None:
        partition, offset = await seen
        body = await _get(session, path, f"{topic}/{partition}:{offset}")
        self._note(way, number, due)
        units = body["committed"] if way == COMMITTED else body["lines"][0]["allocated"]
        if units != 1:
            self._outcome.wrong.append(f"{path} tells of {units} units, 1 was ordered")

    def _note(self, way: str, number: int, due: float) -> None:
        if number < self._ignored:
            return
        took = time.monotonic() - due
        self._outcome.ways[way].record(took)
        if way in (STOCK, PLACED):
            self._outcome.all_readable.record(took)

    async def _send(self, event: Emission, due_ms: int) -> str:
        """Writes it; its position, as `min_position` takes it."""
        partition = partition_for(event.key, self._partitions)
        written = await self._producer.send_and_wait(
            event.topic, event.value, key=event.key, partition=partition, timestamp_ms=due_ms
        )
        return f"{event.topic}/{partition}:{written.offset}"

    # --- following ---

    def _expect(self, topic: str, entity: str) -> asyncio.Future[tuple[int, int]]:
        future: asyncio.Future[tuple[int, int]] = asyncio.get_running_loop().create_future()
        self._seen[topic, entity.encode()] = future
        return future

    async def _follow(self) -> None:
        """Looks for the rows of probes that tell of their unit, as soon as they are committed."""
        places = [
            (topic, partition)
            for topic in (ATP, ORDER_STATUS)
            for partition in range(await self._log.partitions(topic))
        ]
        ends = await self._log.ends(places)
        async with aclosing(self._log.follow(ends)) as stream:  # type: ignore[type-var]  # a generator
            async for followed in stream:
                for record in followed.records:
                    self._look(record)

    def _look(self, record: Record) -> None:
        key = record.key or b""
        future = self._seen.get((record.topic, key)) if key != MARKER else None
        if future is None or record.value is None:
            return
        if record.topic == ATP:
            there = sum(cell.committed for cell in decode_head(record.value).cells.values())
        else:
            there = sum(ledger.allocated for ledger in ledgers(decode_order(record.value)).values())
        if there and not future.done():
            future.set_result((record.partition, record.offset))
            del self._seen[record.topic, key]


async def _get(session: aiohttp.ClientSession, path: str, at: str) -> Any:
    """The answer that holds at a position; asks again as long as the view says that it is not there yet."""
    while True:
        async with session.get(path, params={"min_position": at}) as answer:
            body = await answer.json(content_type=None)
            if answer.status == 200:
                return body
            if answer.status != 504:
                raise ValueError(f"GET {path} at {at} was answered with {answer.status}: {body}")
