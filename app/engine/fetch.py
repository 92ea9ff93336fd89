# ruff: noqa: SLF001 - it reaches into aiokafka's fetcher; see the module's own words
"""Records as aiokafka has fetched them, taken out in whole batches and as the engine's own `Record`.

aiokafka hands each record through two generators and builds a dataclass of eleven fields for it, which
costs more than all else on a record's way through the engine. Here the batches of a fetch are read directly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from itertools import chain, islice
from time import time
from typing import Any, Final

from aiokafka.consumer.fetcher import FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException

from springtide.codecs.records import Record, TopicPartition

# A fetch asks for all partitions, and every small transaction of any actor would end it: the broker gathers what
# comes for a moment, or until it is much. A partition that was just drained is only in the next fetch, so the one
# under way must not wait long.
FETCH_WAIT_MS: Final = 40
FETCH_BYTES_MIN: Final = 256 << 10


def unpack(fetched: Any, records_max: int) -> tuple[list[Record], bool]:
    """The next records of one partition's fetch, at most `records_max`; and whether that was all of it.
    Leaves `next_fetch_offset` after what was read.

    The same rules as in aiokafka's `PartitionRecords`: batches of aborted transactions and control batches
    give nothing, and each batch ends where it says it ends, whatever compaction has left of it.
    """
    topic, partition = fetched._tp
    batches = fetched._records
    found: list[Record] = []
    append = found.append
    while True:
        begun = fetched.__dict__.pop("_begun", None)  # one that an earlier call has read in part
        if begun is None:
            if not batches.has_next():
                return found, True
            batch = batches.next_batch()
            if fetched._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {topic}/{partition}")
            if not _is_visible(fetched, batch):
                fetched.next_fetch_offset = batch.next_offset
                continue
            # A batch can be iterated once; the chain is what can be stopped and gone on with.
            begun = (chain(batch), batch.next_offset)
        rest, next_offset = begun
        start = fetched.next_fetch_offset
        room = records_max - len(found)
        for record in islice(rest, room):
            room -= 1
            offset = record.offset
            if offset >= start:
                headers = record.headers
                append(
                    Record(
                        topic,
                        partition,
                        offset,
                        record.timestamp,
                        record.key,
                        record.value,
                        tuple(headers) if headers else (),
                    )
                )
        if room == 0:
            fetched._begun = begun
            if found:
                fetched.next_fetch_offset = found[-1].offset + 1
            return found, False
        fetched.next_fetch_offset = next_offset


def _is_visible(fetched: Any, batch: Any) -> bool:
    """Whether a batch's records are for readers: no control batch, no aborted transaction."""
    if batch.producer_id is not None:
        fetched._consume_aborted_up_to(batch.base_offset)
        if batch.is_control_batch and fetched._contains_abort_marker(batch):
            fetched._aborted_producers.discard(batch.producer_id)
        if batch.is_transactional and batch.producer_id in fetched._aborted_producers:
            return False
    return not batch.is_control_batch


def _take(result: Any, tp: Any, records_max: int) -> list[Record]:
    """What `FetchResult.getall` does, by `unpack`."""
    if not result.check_assignment(tp) or not result.has_more():
        return []
    fetched: PartitionRecords = result._partition_records
    records, ended = unpack(fetched, records_max)
    result._update_position()
    if ended:
        result._partition_records = None
    return records


def drain(
    fetcher: Any, partitions: Collection[Any] | None, records_max: int
) -> dict[TopicPartition, list[Record]]:
    """All that is fetched for `partitions` (None: any), about `records_max` of each, without waiting.

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
            records = _take(result, tp, records_max)
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
    fetcher: Any,
    partitions: Collection[Any] | None,
    timeout_s: float,
    records_max: int,
    is_open: Callable[[], bool] = lambda: True,
) -> dict[TopicPartition, list[Record]]:
    """The same, waiting up to `timeout_s` for something to come. Nothing is taken while it is not `is_open`,
    so that what a rebalance would drop stays where it is."""
    if fetcher._subscriptions.reassignment_in_progress:
        await fetcher._subscriptions.wait_for_assignment()
    drained = drain(fetcher, partitions, records_max) if is_open() else {}
    if drained or timeout_s <= 0:
        return drained
    waiter = fetcher._create_fetch_waiter()
    done, _ = await asyncio.wait([waiter], timeout=timeout_s)
    if not done:
        waiter.cancel()
        return {}
    waiter.result()  # authorization errors
    return drain(fetcher, partitions, records_max) if is_open() else {}


def wake(fetcher: Any) -> None:
    """Ends the waiting of every `fetch`, in the thread of its loop."""
    for waiter in list(fetcher._fetch_waiters):
        fetcher._notify(waiter)


async def fetched(fetcher: Any, timeout_s: float) -> list[Any]:
    """The partitions of which something is fetched, or that met an error; none after `timeout_s`."""
    if not fetcher._records:
        waiter = fetcher._create_fetch_waiter()
        done, _ = await asyncio.wait([waiter], timeout=timeout_s)
        if not done:
            waiter.cancel()
            return []
        waiter.result()
    return list(fetcher._records)


def standing(fetcher: Any, tp: Any) -> tuple[int, int, int] | None:
    """(next offset to read, offset after the last committed record, wall clock in ms of the fetch that told);
    None until a fetch has told."""
    assignment = fetcher._subscriptions.subscription.assignment
    state = assignment.state_value(tp)
    if state is None or not state.has_valid_position or state.lso is None:
        return None
    return state.position, state.lso, state.timestamp or int(time() * 1_000)
