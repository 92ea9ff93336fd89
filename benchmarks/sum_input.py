"""The input of the sum bench: a million stock movements of about 150 bytes, keyed by SKU.

`events(n, seed)` gives the same bytes on every machine, so the sum each peer must come to is known without
reading Kafka. As a program it writes them into a topic and prints one JSON line with the expected result:

    python -m benchmarks.sum_input --bootstrap HOST:PORT --topic sums --events 1000000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

PARTITIONS = 4
SKUS = 10_000
_BATCH_BYTES = 256 * 1024
_SECONDS_FROM = 1_750_000_000
_SPREAD_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Expected:
    """What a right sum looks like: how many keys, their sums' total, and a digest over each (key, sum)."""

    events: int
    keys: int
    total: int
    digest: int


def events(count: int, skus: int = SKUS, seed: int = 1) -> Iterator[tuple[bytes, bytes, int]]:
    """`count` events as (key, JSON value, delta), SKUs uniform. The same for the same arguments."""
    rng = random.Random(seed)
    names = [f"SKU-{number:06d}" for number in range(skus)]
    keys = [name.encode() for name in names]
    pick, bits = rng.random, rng.getrandbits
    for position in range(count):
        sku = int(pick() * skus)
        delta = int(pick() * 30) - 9
        day = time_of(position)
        value = (
            f'{{"sku": "{names[sku]}", "location": "L{sku % 4 + 1}", "delta": {delta}, '
            f'"id": "{bits(128):032x}", "time": "{day}"}}'
        )
        yield keys[sku], value.encode(), delta


def time_of(position: int) -> str:
    """The event time of the event at `position`, RFC 3339: a thousand events a second."""
    second, rest = divmod(position, _SPREAD_PER_SECOND)
    stamp = time.gmtime(_SECONDS_FROM + second)
    return time.strftime("%Y-%m-%dT%H:%M:%S", stamp) + f".{rest:03d}000+00:00"


def digest(sums: Iterable[tuple[str, int]]) -> int:
    """An order-free digest of (key, sum) pairs: the CRC-32 of "key=sum", added up to 48 bits."""
    return sum(zlib.crc32(f"{key}={value}".encode()) for key, value in sums) & 0xFFFF_FFFF_FFFF


def expect(sums: dict[str, int], count: int) -> Expected:
    """The expected result, given the sums themselves."""
    return Expected(count, len(sums), sum(sums.values()), digest(sums.items()))


def expected_sums(count: int, skus: int = SKUS, seed: int = 1) -> dict[str, int]:
    """The sum of delta for each SKU that occurs, worked out without Kafka."""
    sums: dict[str, int] = {}
    for key, _value, delta in events(count, skus, seed):
        name = key.decode()
        sums[name] = sums.get(name, 0) + delta
    return sums


async def create_topic(bootstrap: str, topic: str, partitions: int = PARTITIONS) -> bool:
    """Makes the topic if it is missing; False if it was there."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(topic, partitions, 1)])
        code = made.topic_errors[0][1]
        if code == TopicAlreadyExistsError.errno:
            return False
        if code:
            raise for_code(code)(f"Topic {topic} could not be created on {bootstrap}.")
    except TopicAlreadyExistsError:
        return False
    finally:
        await admin.close()
    return True


async def delete_topics(bootstrap: str, topics: list[str]) -> None:
    """Deletes topics, without complaint about those that are gone."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(topics)
    finally:
        await admin.close()


async def write(
    bootstrap: str,
    topic: str,
    count: int,
    *,
    partitions: int = PARTITIONS,
    skus: int = SKUS,
    seed: int = 1,
) -> Expected:
    """Writes `count` events into a new topic, uncompressed, partition crc32(key) % partitions.

    Returns what a sum over the whole topic must come to. Raises ValueError if the topic is there already,
    since its old events would be summed as well.
    """
    if not await create_topic(bootstrap, topic, partitions):
        raise ValueError(f"Topic {topic} is there already: name a new one, or delete it first.")
    where = {
        key: zlib.crc32(key) % partitions for key in (f"SKU-{number:06d}".encode() for number in range(skus))
    }
    sums: dict[bytes, int] = {}
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_batch_size=_BATCH_BYTES, acks="all")
    await producer.start()
    try:
        batches = [producer.create_batch() for _ in range(partitions)]
        now = int(time.time() * 1000)
        for key, value, delta in events(count, skus, seed):
            sums[key] = sums.get(key, 0) + delta
            partition = where[key]
            if batches[partition].append(key=key, value=value, timestamp=now) is None:
                await producer.send_batch(batches[partition], topic, partition=partition)
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=now)
        for partition, batch in enumerate(batches):
            if batch.record_count():
                await producer.send_batch(batch, topic, partition=partition)
        await producer.flush()
    finally:
        await producer.stop()
    return expect({key.decode(): value for key, value in sums.items()}, count)


def main() -> None:
    """Writes the events and prints the expected result as one JSON line, with the seconds it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bootstrap", required=True, help="a running Kafka, HOST:PORT")
    parser.add_argument("--topic", required=True, help="a topic that is not there yet")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    parser.add_argument("--skus", type=int, default=SKUS)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    began = time.monotonic()
    expected = asyncio.run(
        write(
            args.bootstrap,
            args.topic,
            args.events,
            partitions=args.partitions,
            skus=args.skus,
            seed=args.seed,
        )
    )
    seconds = round(time.monotonic() - began, 3)
    print(
        json.dumps(
            {"topic": args.topic, "partitions": args.partitions, **asdict(expected), "seconds": seconds}
        )
    )


if __name__ == "__main__":
    main()
