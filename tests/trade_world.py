"""Orders and SKUs that talk through channels, each in order, all of them at any pace: a log in miniature.

One channel leads from each order to each SKU and one back. Nothing is lost or repeated on the way; which
channel goes next is the test's to say. Everything is synchronous.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from domain import OrderStage, SkuStage

from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, Supplied, decode, encode

Channel = tuple[str, str]


class World:
    def __init__(self, skus: tuple[str, ...], *products: f.ProductUpserted) -> None:
        self.products = products
        self.skus = {sku: SkuStage(sku) for sku in skus}
        self.orders: dict[str, OrderStage] = {}
        self.channels: dict[Channel, deque[Demand | Supplied]] = {}
        self.delivered = 0

    # --- what happens outside ---

    def stock(self, sku: str, data: f.Data) -> None:
        self.skus[sku].fact(data)
        self._collect()

    def order(self, order_id: str, name: str, data: f.Data, at_s: float | None = None) -> None:
        self._stage(order_id).fact(name, data, at_s=at_s)
        self._collect()

    def promise(self, order_id: str, *lines: f.OrderLine, **more: Any) -> None:
        self._stage(order_id).promise_asked(*lines, **more)
        self._collect()

    def _stage(self, order_id: str) -> OrderStage:
        known = self.orders.get(order_id)
        if known is None:
            known = self.orders[order_id] = OrderStage(order_id, *self.products)
        return known

    def clock(self, now_s: float) -> None:
        for stage in (*self.skus.values(), *self.orders.values()):
            stage.clock(now_s)
        self._collect()

    # --- what happens inside ---

    def _collect(self) -> None:
        for order_id, order in self.orders.items():
            for sku, demand in order.asks:
                self.channels.setdefault((order_id, sku), deque()).append(demand)
            order.asks.clear()
        for sku, stage in self.skus.items():
            for order_id, supplied in stage.answers:
                self.channels.setdefault((sku, order_id), deque()).append(supplied)
            stage.answers.clear()

    def busy(self) -> list[Channel]:
        return sorted(channel for channel, queue in self.channels.items() if queue)

    def deliver(self, channel: Channel) -> None:
        message = decode(encode(self.channels[channel].popleft()))
        if isinstance(message, Demand):
            self.skus[channel[1]].receive(message)
        else:
            assert isinstance(message, Supplied)
            self.orders[channel[1]].supplied(message)
        self.delivered += 1
        self._collect()

    def run(self, choose: Callable[[list[Channel]], Channel] = min, messages_max: int = 2_000) -> None:
        """Until nothing is under way; AssertionError if that does not come."""
        for _ in range(messages_max):
            busy = self.busy()
            if not busy:
                return
            self.deliver(choose(busy))
        raise AssertionError(f"{messages_max} messages, and no end: {self.busy()}")

    # --- what is then true ---

    def allocated(self, order_id: str) -> dict[str, int]:
        """Line -> units allocated, as the order believes."""
        return {line.line_id: line.allocated for line in self.orders[order_id].order.lines.values()}

    def held(self, order_id: str, sku: str) -> dict[str, tuple[int, int]]:
        """Line -> (allocated, backordered) as the SKU has it."""
        row = self.skus[sku].row(order_id)
        return {} if row is None else {x.line_id: (x.allocated, x.backordered) for x in row.lines.values()}
