"""A SKU and an order that are there, so that what is printed to be tried works when it is tried."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from springtide.agents.topics import ATP, ORDER_STATUS
from springtide.app.broker.connection import BrokerConnection

_TAIL_RECORDS: Final = 100
_LIMIT_S: Final = 3.0


@dataclass(frozen=True, slots=True)
class Examples:
    """None: nothing has been published yet."""

    sku: str | None = None
    order: str | None = None

    def lines(self, url: str, *, with_key: bool = False, push_inside: bool = False) -> list[str]:
        """What to open and ask, a line each; with a key where one is needed. What is not guarded is said."""
        shown = ' -H "Authorization: Bearer $KEY"' if with_key else ""
        lines = [
            f"open  {url}/" + ("  with the key as the password" if with_key else ""),
            f"ask   curl{shown} {url}/v1/atp/{self.sku or 'SKU'}",
            f"      curl{shown} {url}/v1/orders/{self.order or 'ORDER'}",
        ]
        if with_key:
            lines.insert(0, "key   springtide keys create NAME --scope read  shows one, once")
        else:
            lines.append("      Access is open: whoever reaches this address may ask, without a key.")
        if push_inside:
            lines.append("      Webhooks may go to this machine and its network, and by plain http.")
        if self.sku is None:
            lines.append("      Nothing is in yet; `springtide load` writes a sample trade.")
        return lines


async def find(connection: BrokerConnection) -> Examples:
    """From the newest records of the projections; what can't be found in a few seconds is None."""
    try:
        async with asyncio.timeout(_LIMIT_S):
            return Examples(await _newest_key(connection, ATP), await _newest_key(connection, ORDER_STATUS))
    except (KafkaError, OSError, TimeoutError):
        return Examples()


async def _newest_key(connection: BrokerConnection, topic: str) -> str | None:
    consumer: Any = AIOKafkaConsumer(
        **connection.aiokafka_options(), enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await consumer.start()
        numbers = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - topics() leaves partitions out
        places = [TopicPartition(topic, number) for number in numbers.partitions_for_topic(topic) or ()]
        if not places:
            return None
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        starts = await consumer.beginning_offsets(places)
        for place in sorted(places, key=lambda place: ends[place] - starts[place], reverse=True):
            if ends[place] == starts[place]:
                return None
            consumer.assign([place])
            consumer.seek(place, max(starts[place], ends[place] - _TAIL_RECORDS))
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in reversed(records):
                    # Keys with a zero byte are the actors' own positions, or parts of an entity.
                    if record.key and record.value and 0 not in record.key:
                        return str(record.key.decode())
        return None
    finally:
        await consumer.stop()
