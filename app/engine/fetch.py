# ruff: noqa: SLF001 - it reaches into aiokafka's fetcher; see the module's own words
"""Records as aiokafka has fetched them, taken out in whole batches and as the engine's own `Record`.

aiokafka builds a dataclass of eleven fields for each record, which costs more than all else on the way of a
record through the engine. Its `PartitionRecords` makes them in one overridable method, replaced here on the
instances that a fetch has left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from aiokafka.consumer.fetcher import FetchResult

from springtide.codecs.records import Record, TopicPartition


def _record(tp: Any, record: Any) -> Record:
    return Record(
        tp[0],
        tp[1],
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers) if record.headers else (),
    )


def drain(
    fetcher: Any, partitions: Collection[Any] | None, records_max: int
) -> dict[TopicPartition, list[Record]]:
    """All that is fetched for `partitions` (None: any), at most `records_max` of each, without waiting.

    Raises the error that a fetch met, if nothing else is there to give.
    """
    drained: dict[TopicPartition, list[Record]] = {}
    for tp in list(fetcher._records):
        if partitions is not None and tp not in partitions:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if type(result) is FetchResult:
            if result.has_more():
                result._partition_records._consumer_record = _record
            records = result.getall(records_max)
            if not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if records:
                drained[tp] = records
        elif not drained:
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
    return drained


async def fetch(
    fetcher: Any, partitions: Collection[Any] | None, timeout_s: float, records_max: int
) -> dict[TopicPartition, list[Record]]:
    """The same, waiting up to `timeout_s` for something to come."""
    if fetcher._subscriptions.reassignment_in_progress:
        await fetcher._subscriptions.wait_for_assignment()
    drained = drain(fetcher, partitions, records_max)
    if drained or timeout_s <= 0:
        return drained
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout_s)
    if not done:
        waiter.cancel()
        return {}
    waiter.result()  # authorization errors
    return drain(fetcher, partitions, records_max)
