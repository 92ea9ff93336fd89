"""One hot SKU: reservations a second, each decided and durable in the log, by the one actor that owns the SKU.

A private broker; a count of stock and then the requests, one order with one line of one unit each, lie in
inbox-sku before the clock starts. One worker with SkuActors alone does them: from the first step to the last
commit. Afterwards the answers in inbox-order are read: exactly as many orders must have been granted their
unit as there was stock, and none twice.

    python -m benchmarks.springtide_hot_sku --requests 200000
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks import harness
from benchmarks.peers.measure import end_on_sigterm
from benchmarks.writing import write_records
from springtide.agents.topics import INBOX_ORDER, INBOX_SKU
from springtide.app import logs, wiring
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.topics import ensure_topics
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.settings import Settings
from springtide.codecs.facts import FACT_BY_NAME, InventoryCounted
from springtide.codecs.messages import (
    Demand,
    DemandLine,
    Fact,
    Supplied,
    decode,
    digest,
    encode,
    encode_data,
)

SKU: Final = "HOT-1"
_TIME_US: Final = 1_772_000_000_000_000
_COUNTED: Final = FACT_BY_NAME["inventory.counted"].code
_LINE: Final = DemandLine("1", 1, None, {}, {})


def counted(sku: str, on_hand: int, number: int) -> bytes:
    """The message that so many units of a SKU were counted; `number` makes its event id."""
    return encode(
        Fact(
            _COUNTED,
            _TIME_US,
            _TIME_US,
            digest("wms", f"count-{number}", sku),
            "wms",
            f"count-{number}",
            (1, 0, number),
            None,
            None,
            encode_data(InventoryCounted(location="BER", on_hand=on_hand, basis="includes_committed")),
        )
    )


def requests(count: int, stock: int) -> Iterator[tuple[bytes, bytes]]:
    """The count of stock, then one request for one unit from each of `count` orders."""
    key = SKU.encode()
    yield key, counted(SKU, stock, 0)
    for number in range(count):
        yield (
            key,
            encode(
                Demand(
                    order_id=f"order-{number:07d}",
                    request=1,
                    time_us=_TIME_US + number,
                    origin=(0, 0, number),
                    event_id=f"oms order-{number:07d}",
                    placed_us=_TIME_US + number,
                    priority=100,
                    channel="web",
                    complete=False,
                    parked=False,
                    single=False,
                    max_splits=0,
                    shipments=(),
                    lines=(_LINE,),
                )
            ),
        )


async def granted_units(connection: BrokerConnection, partitions: int) -> dict[str, int]:
    """Order -> units it has been granted, by the last answer to it in the log."""
    log = KafkaLog(connection)
    await log.start()
    units: dict[str, int] = {}
    try:
        for partition in range(partitions):
            place = (INBOX_ORDER, partition)
            async for records in log.read(place, 0, await log.end(place)):
                for record in records:
                    message = decode(record.value or b"")
                    if isinstance(message, Supplied) and message.sku == SKU:
                        order = (record.key or b"").decode()
                        units[order] = sum(line.allocated for line in message.lines)
    finally:
        await log.close()
    return units


def check_grants(units: dict[str, int], stock: int, orders: int) -> int:
    """How many orders were granted; ends the program unless it is exactly what there was."""
    granted = sum(units.values())
    right = min(stock, orders)
    if granted != right or any(have not in (0, 1) for have in units.values()):
        raise SystemExit(f"{granted} units were granted, right is {right}: these figures do not count.")
    return granted


def run(count: int, stock: int, folder: Path) -> dict[str, Any]:
    """One measurement in a folder of its own; what it prints."""
    settings = Settings(data_dir=folder / "data", broker=None)
    with harness.broker() as broker:
        connection = BrokerConnection.from_url(broker.bootstrap)
        asyncio.run(ensure_topics(connection, wiring.topic_specs(settings)))
        written = asyncio.run(
            write_records(connection, INBOX_SKU, settings.inbox_partitions, requests(count, stock))
        )
        outcome = harness.run_program(
            "benchmarks.watched_worker",
            [
                *("--bootstrap", broker.bootstrap, "--data-dir", str(settings.data_dir)),
                *("--events", str(written), "--kinds", "sku", "--quiet-s", "0"),
            ],
        )
        assert isinstance(outcome, dict)
        granted = check_grants(
            asyncio.run(granted_units(connection, settings.inbox_partitions)), stock, count
        )
    return {
        "peer": "springtide",
        "requests": count,
        "stock": stock,
        "granted": granted,
        "seconds": outcome["seconds"],
        "hot_tps": round(count / outcome["seconds"], 1),
        "cpu_us_per_event": outcome["cpu_us_per_event"],
        "kinds": outcome["kinds"],
    }


def main() -> None:
    """Measures once and prints one JSON line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--stock", type=int, help="units there are; by default one in a hundred too few")
    args = parser.parse_args()
    end_on_sigterm()
    logs.configure("warning", json=True)
    stock = args.requests - args.requests // 100 if args.stock is None else args.stock
    with tempfile.TemporaryDirectory(prefix="springtide-hot-") as folder:
        print(json.dumps(run(args.requests, stock, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
