"""What every log promises the engine, asked of the one in memory and of the one on Kafka alike."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.topics import TopicSpec, ensure_topics
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId, Commit, Fenced
from springtide.app.engine.memory_log import MemoryLog

LIMIT_S = 60
GROUP = "readers"
MAX_MESSAGE_BYTES = 16 << 20
_names = itertools.count()


class MemoryWorld:
    """A log in memory: what is open in it is nowhere until it is appended."""

    def __init__(self):
        self.log = MemoryLog({}, clock_ms=lambda: 1_000)

    async def topics(self, counts):
        for name, count in counts.items():
            self.log._topics[name] = count
            self.log._records |= {(name, p): [] for p in range(count)}

    @asynccontextmanager
    async def another(self):
        yield self.log

    async def put(self, place, records):
        for key, value in records:
            self.log.put(*place, key, value)

    @asynccontextmanager
    async def left_open(self, actor, records):
        await self.log.open_writer(actor, GROUP)
        yield

    async def abort(self, actor, place, records):
        """As Kafka shows it: offsets that hold nothing."""
        self.log._records[place] += [None] * (len(records) + 1)

    async def group_offset(self, place):
        return self.log.group_offsets.get((GROUP, place))


class KafkaWorld:
    """A log on a real broker; what is left open is left by a producer that was never told to end."""

    def __init__(self, broker):
        self.connection = BrokerConnection(broker.bootstrap)
        self.log = KafkaLog(self.connection)

    async def topics(self, counts):
        await ensure_topics(
            self.connection,
            [TopicSpec(name, n, False, -1, MAX_MESSAGE_BYTES) for name, n in counts.items()],
        )

    @asynccontextmanager
    async def another(self):
        log = KafkaLog(self.connection)
        await log.start()
        try:
            yield log
        finally:
            await log.close()

    async def put(self, place, records):
        async with self._producer() as producer:
            for key, value in records:
                await producer.send(place[0], value, key, partition=place[1])
            await producer.flush()

    @asynccontextmanager
    async def left_open(self, actor, records):
        async with self._producer(transactional_id=actor.transactional_id) as producer:
            await producer.begin_transaction()
            for place, key, value in records:
                await producer.send_and_wait(place[0], value, key, partition=place[1])
            yield

    async def abort(self, actor, place, records):
        async with self._producer(transactional_id=actor.transactional_id) as producer:
            await producer.begin_transaction()
            for key, value in records:
                await producer.send_and_wait(place[0], value, key, partition=place[1])
            await producer.abort_transaction()

    async def group_offset(self, place):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.connection.bootstrap)
        await admin.start()
        try:
            offsets = await admin.list_consumer_group_offsets(GROUP)
        finally:
            await admin.close()
        found = offsets.get(TopicPartition(*place))
        return None if found is None else found.offset

    @asynccontextmanager
    async def _producer(self, **options):
        producer = AIOKafkaProducer(bootstrap_servers=self.connection.bootstrap, linger_ms=0, **options)
        await producer.start()
        try:
            yield producer
        finally:
            producer._closed = True  # a transaction that is open stays open: stop() would wait for it
            await producer._sender.close()
            await producer.client.close()


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("log"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture(params=["memory", "kafka"])
async def world(request):
    if request.param == "memory":
        yield MemoryWorld()
        return
    world = KafkaWorld(request.getfixturevalue("broker"))
    await world.log.start()
    yield world
    await world.log.close()


@pytest.fixture
def actor():
    return ActorId(f"app{next(_names)}", "sum", 0)


@pytest.fixture
async def opened():
    """Opens writers, and closes them at the end."""
    writers = []

    async def opened(log, actor):
        writers.append(await log.open_writer(actor, GROUP))
        return writers[-1]

    yield opened
    for writer in writers:
        await writer.close()


@pytest.fixture
async def out(world, actor):
    """An output topic of two partitions beside the actor's changelog."""
    out = f"{actor.app}-out"
    await world.topics({actor.changelog[0]: 1, out: 2})
    return out


def pairs(records):
    return [(record.key, record.value) for record in records]


async def read(log, place, position=0, end=None):
    """All committed records from a position to the end."""
    if end is None:
        end = await log.end(place)
    found = []
    async with asyncio.timeout(LIMIT_S):
        async for batch in log.read(place, position, end):
            found += batch
    return found


async def holds(condition):
    """Waits until an awaited condition is true."""
    async with asyncio.timeout(LIMIT_S):
        while not await condition():  # noqa: ASYNC110 - what is asked is the broker
            await asyncio.sleep(0.01)


async def read_at_least(log, place, count, position=0):
    """All records from a position on, once there are `count`: the markers of a commit may be written a little
    after its writer knows that it counts."""
    found = []

    async def are_there():
        found[:] = await read(log, place, position)
        return len(found) >= count

    await holds(are_there)
    return found


async def shows(log, place, expected, *, position=0):
    assert pairs(await read_at_least(log, place, len(expected), position)) == expected


async def test_a_commit_brings_changelog_messages_and_group_offsets(world, actor, out, opened):
    writer = await opened(world.log, actor)

    await writer.append(
        Commit(
            [(b"k", b"1"), (b"m", b"meta")],
            {(out, 0): [(b"a", b"x"), (None, b"y")], (out, 1): [(b"b", None)]},
            {(out, 0): 7},
        )
    )

    await writer.append(Commit([(b"k", b"2")]))
    await shows(world.log, actor.changelog, [(b"k", b"1"), (b"m", b"meta"), (b"k", b"2")])
    await shows(world.log, (out, 0), [(b"a", b"x"), (None, b"y")])
    await shows(world.log, (out, 1), [(b"b", None)])
    assert await world.group_offset((out, 0)) == 7
    assert await world.group_offset((out, 1)) is None


async def test_the_returned_position_is_where_to_go_on_reading(world, actor, out, opened):
    writer = await opened(world.log, actor)
    first = await writer.append(Commit([(b"a", b"1"), (b"b", b"1")]))
    second = await writer.append(Commit([(b"a", b"2")]))
    third = await writer.append(Commit([(b"b", b"3")]))

    await read_at_least(world.log, actor.changelog, 4)
    assert first < second < third <= await world.log.end(actor.changelog)
    assert pairs(await read(world.log, actor.changelog, 0, first)) == [(b"a", b"1"), (b"b", b"1")]
    assert pairs(await read(world.log, actor.changelog, first)) == [(b"a", b"2"), (b"b", b"3")]
    assert pairs(await read(world.log, actor.changelog, first, second)) == [(b"a", b"2")]
    assert pairs(await read(world.log, actor.changelog, third)) == []


async def test_records_keep_topic_partition_rising_offsets_and_tombstones(world, actor, out, opened):
    writer = await opened(world.log, actor)
    await writer.append(Commit([(b"a", b"1")]))
    await writer.append(Commit([(b"a", None), (b"", b"")]))

    records = await read_at_least(world.log, actor.changelog, 3)

    assert pairs(records) == [(b"a", b"1"), (b"a", None), (b"", b"")]
    assert {(record.topic, record.partition) for record in records} == {actor.changelog}
    offsets = [record.offset for record in records]
    assert offsets == sorted(set(offsets))
    assert all(record.headers == () for record in records)
    assert all(record.timestamp_ms > 0 for record in records)
    again = await read(world.log, actor.changelog, records[1].offset)
    assert pairs(again) == [(b"a", None), (b"", b"")]


async def test_an_empty_partition_ends_at_0_and_reads_as_nothing(world, actor, out, opened):
    assert await world.log.end((out, 1)) == 0
    assert await read(world.log, (out, 1), 0, 0) == []


async def test_a_read_without_end_waits_for_what_comes(world, actor, out, opened):
    place = (out, 0)
    await world.put(place, [(b"a", b"1")])
    reader = world.log.read(place, 0)
    found = []
    async with asyncio.timeout(LIMIT_S):
        while not found:
            found += await anext(reader)
        await world.put(place, [(b"b", b"2")])
        while len(found) < 2:
            found += await anext(reader)
    await reader.aclose()
    assert pairs(found) == [(b"a", b"1"), (b"b", b"2")]


async def test_an_open_transaction_is_invisible_and_its_end_is_before_it(world, actor, out, opened):
    writer = await opened(world.log, actor)
    await writer.append(Commit([(b"a", b"1")], {(out, 0): [(b"m", b"1")]}))
    await holds(lambda: _is_readable(world.log, (out, 0), 1))
    end = await world.log.end(actor.changelog)

    async with world.left_open(
        actor, [(actor.changelog, b"a", b"2"), (actor.changelog, b"a", b"3"), ((out, 0), b"m", b"2")]
    ):
        assert await world.log.end(actor.changelog) == end
        await shows(world.log, actor.changelog, [(b"a", b"1")])
        await shows(world.log, (out, 0), [(b"m", b"1")])


async def _is_readable(log, place, count):
    return len(await read(log, place)) == count


async def test_opening_a_writer_aborts_what_the_one_before_left_open(world, actor, out, opened):
    async with world.left_open(actor, [(actor.changelog, b"a", b"lost"), ((out, 0), b"m", b"lost")]):
        writer = await opened(world.log, actor)
        await shows(world.log, actor.changelog, [])

        await writer.append(Commit([(b"a", b"1")], {(out, 0): [(b"m", b"1")]}))

        await shows(world.log, actor.changelog, [(b"a", b"1")])
        await shows(world.log, (out, 0), [(b"m", b"1")])


async def test_a_second_writer_fences_the_first_and_nothing_of_it_is_seen(world, actor, out, opened):
    first = await opened(world.log, actor)
    await first.append(Commit([(b"a", b"1")], {(out, 0): [(b"m", b"1")]}, {(out, 0): 1}))
    async with world.another() as other:
        second = await opened(other, actor)

        with pytest.raises(Fenced, match=actor.transactional_id):
            await first.append(Commit([(b"a", b"zombie")], {(out, 0): [(b"m", b"zombie")]}, {(out, 0): 9}))

        await second.append(Commit([(b"a", b"2")], {(out, 0): [(b"m", b"2")]}, {(out, 0): 2}))
        expected = [(b"a", b"1"), (b"a", b"2")]
        await shows(other, actor.changelog, expected)
        await shows(other, (out, 0), [(b"m", b"1"), (b"m", b"2")])
        assert await world.group_offset((out, 0)) == 2


async def test_writers_of_different_actors_do_not_fence_each_other(world, actor, out, opened):
    other = ActorId(actor.app, "count", 0)
    await world.topics({other.changelog[0]: 1})
    mine = await opened(world.log, actor)
    theirs = await opened(world.log, other)

    await theirs.append(Commit([(b"a", b"2")]))
    await mine.append(Commit([(b"a", b"3")]))

    await shows(world.log, other.changelog, [(b"a", b"2")])


async def test_a_writer_that_was_closed_can_be_opened_again(world, actor, out, opened):
    writer = await opened(world.log, actor)
    await writer.append(Commit([(b"a", b"1")]))
    await writer.close()
    await opened(world.log, actor)
    # Whoever opens sees all that was committed before, at once: recovery reads right after it.
    assert pairs(await read(world.log, actor.changelog)) == [(b"a", b"1")]


async def test_reading_ends_where_markers_and_aborted_records_are_the_last(world, actor, out, opened):
    place = (out, 0)
    writer = await opened(world.log, actor)
    await writer.append(Commit([(b"a", b"1")], {place: [(b"m", b"1")]}))
    await world.abort(ActorId(actor.app, "other", 0), place, [(b"x", b"1"), (b"x", b"2")])
    await world.abort(ActorId(actor.app, "other", 0), place, [(b"x", b"3")])
    # record, marker, two aborted, marker, one aborted, marker
    await holds(lambda: _ends_at(world.log, place, 7))

    await shows(world.log, place, [(b"m", b"1")])
    assert pairs(await read(world.log, place, 2, 7)) == []
    assert pairs(await read(world.log, place, 6, 7)) == []

    await writer.append(Commit([(b"a", b"2")], {place: [(b"m", b"2")]}))
    await holds(lambda: _ends_at(world.log, place, 9))
    await shows(world.log, place, [(b"m", b"2")], position=1)


async def _ends_at(log, place, offset):
    return await log.end(place) == offset


async def test_a_commit_of_many_records_is_read_back_whole_and_in_order(world, actor, out, opened):
    writer = await opened(world.log, actor)
    rows = [(b"%06d" % n, b"v" * 200) for n in range(15_000)]  # 3 MB, so several batches of 1 MB
    messages = [(b"%06d" % n, b"m" * 100) for n in range(15_000)]

    position = await writer.append(Commit(rows, {(out, 0): messages, (out, 1): messages}))

    assert position == 15_000
    await shows(world.log, actor.changelog, rows)
    await shows(world.log, (out, 0), messages)
    await shows(world.log, (out, 1), messages)
    assert pairs(await read(world.log, actor.changelog, 14_998, 15_000)) == rows[14_998:]


async def test_a_record_of_5_mb_passes_between_small_ones(world, actor, out, opened):
    writer = await opened(world.log, actor)
    large = bytes(range(256)) * (5 << 12)
    rows = [(b"a", b"1"), (b"b", large), (b"c", b"3"), (b"d", large), (b"e", b"5")]

    position = await writer.append(Commit(rows, {(out, 0): [(b"m", large)]}))

    assert position == 5
    await shows(world.log, actor.changelog, rows)
    await shows(world.log, (out, 0), [(b"m", large)])


async def test_the_identity_is_the_same_for_all_who_ask(world, actor, out, opened):
    async with world.another() as other:
        assert await world.log.identity() == await world.log.identity() == await other.identity()
    assert await world.log.identity()


async def test_partitions_are_counted_and_a_missing_topic_is_told(world, actor, out, opened):
    assert await world.log.partitions(out) == 2
    assert await world.log.partitions(actor.changelog[0]) == 1
    with pytest.raises(ValueError, match="no topic 'never-made'"):
        await world.log.partitions("never-made")


async def test_following_gives_each_partitions_records_once_in_order_with_one_reader(
    world, actor, out, opened
):
    topic = f"{actor.app}-many"
    await world.topics({topic: 5})
    for partition in range(5):
        await world.put((topic, partition), [(b"k", b"%d-%d" % (partition, n)) for n in range(30)])
    places = {(topic, partition): partition for partition in range(5)}  # partition p is begun at offset p

    found = {place: [] for place in places}
    follower = world.log.follow(places)
    async with asyncio.timeout(LIMIT_S):
        while any(len(found[place]) < 30 - begin for place, begin in places.items()):
            followed = await anext(follower)
            found[followed.place] += followed.records
        await world.put((topic, 3), [(b"k", b"late")])
        while not found[topic, 3] or found[topic, 3][-1].value != b"late":
            followed = await anext(follower)
            found[followed.place] += followed.records
    await follower.aclose()

    for (_, partition), records in found.items():
        expected = [b"%d-%d" % (partition, n) for n in range(partition, 30)]
        assert [r.value for r in records] == expected + [b"late"] * (partition == 3)
    assert followed.position == 31
    assert followed.end == 31


async def test_following_tells_of_the_end_past_markers_and_where_nothing_is(world, actor, out, opened):
    writer = await opened(world.log, actor)
    await writer.append(Commit([(b"a", b"1")], {(out, 0): [(b"m", b"1")]}))
    await world.abort(ActorId(actor.app, "other", 0), (out, 0), [(b"x", b"1")])
    await holds(lambda: _ends_at(world.log, (out, 0), 4))

    heard = {}
    values = []
    follower = world.log.follow({(out, 0): 0, (out, 1): 0})
    async with asyncio.timeout(LIMIT_S):
        while heard.get((out, 0)) != (4, 4) or heard.get((out, 1)) != (0, 0):
            followed = await anext(follower)
            values += [record.value for record in followed.records]
            heard[followed.place] = (followed.position, followed.end)
            assert followed.heard_ms > 0
    await follower.aclose()
    assert values == [b"1"]
