"""Writing the sample trade to a real broker: all of it, once, in order, on schedule."""

import asyncio
from collections import Counter, defaultdict
from itertools import islice

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.topics import TopicSpec, describe_topics, ensure_topics
from springtide.app.trade.emission import Broken
from springtide.app.trade.generate import generate
from springtide.app.trade.load import load
from springtide.app.trade.spec import TradeSpec
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.records import partition_for

LIMIT_S = 60
PARTITIONS = dict.fromkeys(INGRESS_TOPICS, 1) | {"orders": 3, "shipments": 2}
TRADE = TradeSpec(skus=50, orders=200, broken_share=0.02)


@pytest.fixture
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("load"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def connection(broker):
    connection = BrokerConnection(broker.bootstrap)
    await ensure_topics(connection, [TopicSpec(name, count) for name, count in PARTITIONS.items()])
    return connection


async def read_all(connection):
    """(topic, partition) -> its records, in order."""
    states = await describe_topics(connection, INGRESS_TOPICS)
    left = {(s.name, p.partition): p.end_offset for s in states for p in s.partitions if p.end_offset}
    found = defaultdict(list)
    consumer = AIOKafkaConsumer(**connection.aiokafka_options(), auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([TopicPartition(*place) for place in left])
        async with asyncio.timeout(LIMIT_S):
            while any(len(found[place]) < end for place, end in left.items()):
                record = await consumer.getone()
                found[record.topic, record.partition].append(record)
    finally:
        await consumer.stop()
    return found


async def test_every_event_lies_once_in_its_partition_in_the_order_of_the_trade(connection):
    expected = defaultdict(list)
    for emission in generate(TRADE):
        place = (emission.topic, partition_for(emission.key, PARTITIONS[emission.topic]))
        expected[place].append((emission.key, emission.value, emission.headers))

    result = await load(connection, TRADE)

    found = {
        place: [(record.key, record.value, record.headers) for record in records]
        for place, records in (await read_all(connection)).items()
    }
    assert found == expected
    assert result.exhausted
    assert result.events == sum(len(records) for records in expected.values())
    assert result.offsets == {place: (0, len(records) - 1) for place, records in expected.items()}
    assert result.per_topic == {
        topic: sum(len(records) for (name, _), records in expected.items() if name == topic)
        for topic in INGRESS_TOPICS
    }
    assert result.broken == Counter(e.code for e in generate(TRADE) if isinstance(e, Broken))


async def test_at_a_rate_each_event_bears_the_time_it_was_due(connection):
    seen = []
    result = await load(connection, TRADE, rate_per_s=500, duration_s=0.5, progress=seen.append)

    records = [record for part in (await read_all(connection)).values() for record in part]
    times = sorted(record.timestamp for record in records)
    assert result.events == len(records) == 250
    assert times[-1] - times[0] == pytest.approx(249 * 2, abs=1)  # one each 2 ms
    assert result.seconds >= 0.498
    assert (seen[-1].events, seen[-1].acknowledged) == (250, 250)


async def test_stops_at_the_wish_of_another_task_with_all_it_wrote(connection):
    stop = asyncio.Event()

    def enough(progress):
        stop.set()

    async with asyncio.timeout(LIMIT_S):
        result = await load(connection, TradeSpec(), rate_per_s=1_000, progress=enough, stop=stop)
    records = sum(len(part) for part in (await read_all(connection)).values())
    assert result.events == records > 0
    assert not result.exhausted


async def test_flushes_what_it_has_when_it_is_cancelled(connection):
    handed = []
    begun = asyncio.Event()

    def trade():
        for emission in generate(TradeSpec(skus=1_000)):
            handed.append(emission)
            yield emission

    def progress(_):
        begun.set()

    task = asyncio.create_task(load(connection, trade(), rate_per_s=2_000, progress=progress))
    async with asyncio.timeout(LIMIT_S):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    found = await read_all(connection)
    assert sum(len(part) for part in found.values()) == len(handed)


async def test_continues_through_a_restart_of_the_broker_and_writes_nothing_twice(connection, broker):
    begun = asyncio.Event()
    task = asyncio.create_task(
        load(
            connection,
            islice(generate(TradeSpec(skus=500)), 6_000),
            rate_per_s=2_000,
            progress=lambda _: begun.set(),
        )
    )
    async with asyncio.timeout(LIMIT_S):
        await begun.wait()
        await asyncio.to_thread(broker.stop)
        await asyncio.to_thread(broker.start)
        result = await task
    found = await read_all(connection)
    ids = Counter((r.topic, r.key, r.value) for part in found.values() for r in part)
    sent = Counter((e.topic, e.key, e.value) for e in islice(generate(TradeSpec(skus=500)), 6_000))
    assert ids == sent
    assert result.events == 6_000


async def test_says_which_topics_are_missing(broker):
    connection = BrokerConnection(broker.bootstrap)
    await ensure_topics(connection, [TopicSpec("inventory", 1)])
    with pytest.raises(BrokerError, match=r"no topics orders, shipments, .*springtide up"):
        await load(connection, TRADE)
    assert [state.name for state in await describe_topics(connection)] == ["inventory"]


async def test_an_event_the_broker_refuses_is_an_error_that_says_so(broker):
    connection = BrokerConnection(broker.bootstrap)
    specs = [TopicSpec(name, 1, max_message_bytes=1_000) for name in PARTITIONS]
    await ensure_topics(connection, specs)
    huge = next(generate(TRADE))._replace(value=b"x" * 5_000)
    with pytest.raises(BrokerError, match="MessageSizeTooLarge"):
        await load(connection, [huge])


@pytest.mark.parametrize("limit", ["rate_per_s", "events_max", "duration_s"])
async def test_limits_must_be_positive(limit):
    with pytest.raises(ValueError, match=f"{limit} is 0"):
        await load(BrokerConnection("127.0.0.1:1"), TRADE, **{limit: 0})
