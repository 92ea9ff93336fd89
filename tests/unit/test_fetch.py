"""Records taken out of a fetch's batches: as aiokafka itself would give them, in parts of any size."""

import struct

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from springtide.app.engine.fetch import unpack

TP = TopicPartition("events", 3)
COMMIT, ABORT = 1, 0
_LAST_OFFSET_DELTA_AT = 23
_ATTRIBUTES_AT = 21
_CONTROL_BIT = 0x20


def batch(first, offsets, *, ends=None, producer=-1, gzip=False):
    """Records at the given offsets; `ends` is the offset after the batch where compaction left less of it."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=1 if gzip else 0,
        is_transactional=producer >= 0,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    for offset in offsets:
        builder.append(
            offset - first, 1_000 + offset, b"k%d" % offset, b"v%d" % offset, [("h", b"%d" % offset)]
        )
    raw = bytearray(builder.build())
    raw[:8] = struct.pack(">q", first)
    if ends is not None:
        raw[_LAST_OFFSET_DELTA_AT : _LAST_OFFSET_DELTA_AT + 4] = struct.pack(">i", ends - 1 - first)
    return bytes(raw)


def marker(offset, producer, kind):
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=True,
        producer_id=producer,
        producer_epoch=0,
        base_sequence=-1,
        batch_size=1_000,
    )
    builder.append(0, 0, struct.pack(">hh", 0, kind), struct.pack(">hi", 0, 0), [])
    raw = bytearray(builder.build())
    raw[:8] = struct.pack(">q", offset)
    raw[_ATTRIBUTES_AT + 1] |= _CONTROL_BIT
    return bytes(raw)


def fetch_of(raw, position=0, aborted=(), check_crcs=False):
    return PartitionRecords(
        TP, MemoryRecords(raw), list(aborted), position, None, None, check_crcs, READ_COMMITTED
    )


def fetch_from(position):
    """What a broker answers: from the batch on that holds the position, with the aborted transactions in it."""
    raw = b"".join(raw for ends, raw in BATCHES if ends > position)
    return fetch_of(raw, position, ABORTED if position < 13 else ())


def taken(fetched, records_max):
    """All records in parts of a size, and where the fetch stood after each part."""
    records, stood = [], []
    ended = False
    while not ended:
        part, ended = unpack(fetched, records_max)
        assert len(part) <= records_max
        records += part
        stood.append(fetched.next_fetch_offset)
    return records, stood


BATCHES = [  # (offset after it, bytes)
    (5, batch(0, range(5))),
    (8, batch(5, range(5, 8), producer=7)),
    (11, batch(8, range(8, 11), producer=8)),  # aborted
    (12, marker(11, 7, COMMIT)),
    (13, marker(12, 8, ABORT)),
    (18, batch(13, [13, 15], ends=18)),  # compaction took 14, 16 and 17
    (30, batch(18, range(18, 30), gzip=True, producer=8)),  # of the producer's next transaction
    (31, marker(30, 8, COMMIT)),
]
ABORTED = [(8, 8)]
VISIBLE = [*range(8), 13, 15, *range(18, 30)]


@pytest.mark.parametrize("records_max", [1, 2, 3, 5, 8, 1_000])
def test_it_gives_what_aiokafka_gives_in_parts_of_any_size_and_stands_after_the_last_marker(records_max):
    theirs = [(r.offset, r.timestamp, r.key, r.value, r.headers) for r in fetch_from(0)]

    records, stood = taken(fetch_from(0), records_max)

    assert [(r.offset, r.timestamp_ms, r.key, r.value, r.headers) for r in records] == theirs
    assert [r.offset for r in records] == VISIBLE
    assert {(r.topic, r.partition) for r in records} == {TP}
    assert stood == sorted(stood)
    assert stood[-1] == 31


@pytest.mark.parametrize("position", [3, 6, 9, 12, 14, 16, 29, 30])
def test_a_fetch_from_the_middle_of_a_batch_gives_nothing_from_before(position):
    records, stood = taken(fetch_from(position), 4)
    assert [r.offset for r in records] == [offset for offset in VISIBLE if offset >= position]
    assert stood[-1] == 31


@pytest.mark.parametrize("records_max", [1, 3, 1_000])
def test_going_on_where_any_part_ended_gives_the_rest(records_max):
    fetched = fetch_from(0)
    before, ended = [], False
    while not ended:
        part, ended = unpack(fetched, records_max)
        before += part
        rest, _ = taken(fetch_from(fetched.next_fetch_offset), 1_000)
        assert [r.offset for r in before] + [r.offset for r in rest] == VISIBLE


def test_what_holds_only_markers_and_aborted_records_gives_nothing_and_stands_after_them():
    raw = batch(4, range(4, 6), producer=8) + marker(6, 8, ABORT) + batch(7, [], ends=9)
    assert taken(fetch_of(raw, 4, [(8, 4)]), 10) == ([], [9])


def test_a_record_without_key_value_or_headers_is_as_it_is():
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000)
    builder.append(0, 5, None, None, [])
    (record,), ended = unpack(fetch_of(bytes(builder.build())), 10)
    assert (record.key, record.value, record.headers, ended) == (None, None, (), True)


def test_a_batch_with_a_wrong_checksum_is_told_with_its_partition():
    raw = bytearray(batch(0, range(3)))
    raw[-1] ^= 1
    with pytest.raises(CorruptRecordException, match="events/3"):
        unpack(fetch_of(bytes(raw), check_crcs=True), 10)
