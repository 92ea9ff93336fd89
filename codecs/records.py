"""A record of a log as steps see it, and how a key finds its partition."""

from __future__ import annotations

from typing import TypeAlias
from zlib import crc32

import msgspec


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record. `timestamp_ms` is the log's own; `headers` are empty inside the engine."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


TopicPartition: TypeAlias = tuple[str, int]


def partition_for(key: bytes, partitions: int) -> int:
    """CRC-32 modulo the count: librdkafka's `consistent` partitioner."""
    return crc32(key) % partitions
