"""Writes many records into a topic as fast as the broker takes them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaProducer

from springtide.app.broker.connection import BrokerConnection
from springtide.codecs.records import partition_for

_BATCH_BYTES = 256 * 1024


async def write_records(
    connection: BrokerConnection, topic: str, partitions: int, records: Iterable[tuple[bytes, bytes]]
) -> int:
    """Writes (key, value) records, each to the partition of its key, in their order; returns how many."""
    count = 0
    producer = AIOKafkaProducer(**connection.aiokafka_options(), max_batch_size=_BATCH_BYTES, acks="all")
    await producer.start()
    try:
        batches: dict[int, Any] = {}
        now_ms = int(time.time() * 1_000)
        for key, value in records:
            partition = partition_for(key, partitions)
            batch = batches.get(partition)
            if batch is None or batch.append(key=key, value=value, timestamp=now_ms) is None:
                if batch is not None:
                    await producer.send_batch(batch, topic, partition=partition)
                batch = batches[partition] = producer.create_batch()
                batch.append(key=key, value=value, timestamp=now_ms)
            count += 1
        for partition, batch in batches.items():
            await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return count
