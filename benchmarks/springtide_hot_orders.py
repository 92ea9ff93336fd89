"""One hot SKU from end to end: orders a second from `order.placed` in ingress to the grant at the order.

A private broker; a count of stock lies in ingress and is done first, then the orders, one line of one unit of
the same SKU each. One worker with all kinds of actor does them: from the first gateway step to the last commit
of any. Exactly as many orders as there is stock must have been granted.

    python -m benchmarks.springtide_hot_orders --orders 50000
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import live
from benchmarks.peers.measure import end_on_sigterm
from benchmarks.springtide_hot_sku import SKU, check_grants, granted_units
from springtide.app import logs
from springtide.app.trade.emission import Emission
from springtide.app.trade.load import load

_TIME: Final = "2026-03-02T06:00:00Z"


def _event(kind: str, source: str, subject: str, number: str, data: str) -> bytes:
    return (
        f'{{"specversion":"1.0","id":"{number}","source":"{source}","type":"springtide.{kind}.v1",'
        f'"subject":"{subject}","time":"{_TIME}","data":{data}}}'
    ).encode()


def counted(sku: str, on_hand: int, number: str) -> Emission:
    """So many units of a SKU are counted at BER."""
    data = f'{{"location":"BER","on_hand":{on_hand},"basis":"includes_committed"}}'
    value = _event("inventory.counted", "wms", sku, number, data)
    return Emission("inventory", sku.encode(), value, ())


def adjusted(sku: str, delta: int, number: str) -> Emission:
    """So many units more of a SKU are found at BER."""
    value = _event("inventory.adjusted", "wms", sku, number, f'{{"location":"BER","delta":{delta}}}')
    return Emission("inventory", sku.encode(), value, ())


def placed(order_id: str, sku: str) -> Emission:
    """An order of one unit of a SKU."""
    data = (
        f'{{"order_id":"{order_id}","customer_id":"C1","channel":"web","currency":"EUR",'
        f'"lines":[{{"line_id":"1","sku":"{sku}","qty":1}}]}}'
    )
    value = _event("order.placed", "oms", order_id, f"placed-{order_id}", data)
    return Emission("orders", order_id.encode(), value, ())


def orders(count: int) -> Iterator[Emission]:
    """Orders that all want the hot SKU."""
    for number in range(count):
        yield placed(f"order-{number:07d}", SKU)


def run(count: int, stock: int) -> dict[str, Any]:
    """One measurement; what it prints."""
    with live.stack(workers=0, views=0) as stack:
        asyncio.run(load(stack.connection, [counted(SKU, stock, "count")]))
        live.backlog(stack, 1)
        asyncio.run(load(stack.connection, orders(count)))
        outcome = live.backlog(stack, count)
        units = asyncio.run(granted_units(stack.connection, stack.settings.inbox_partitions))
    return {
        "peer": "springtide, end to end",
        "orders": count,
        "stock": stock,
        "granted": check_grants(units, stock, count),
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
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--stock", type=int, help="units there are; by default one in a hundred too few")
    args = parser.parse_args()
    end_on_sigterm()
    logs.configure("warning", json=True)
    stock = args.orders - args.orders // 100 if args.stock is None else args.stock
    print(json.dumps(run(args.orders, stock)), flush=True)


if __name__ == "__main__":
    main()
