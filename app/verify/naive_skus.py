"""All SKUs of one inbox partition, replayed naively message by message.

partition = NaiveSkuPartition(order_partitions=4, retention_us=...)
answers = partition.apply(b"tea", message)      # what the log must answer, and how much room there was
partition.skus["tea"].picture()                 # every figure of the SKU, as plain values
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

import msgspec

from springtide.app.verify.naive_sku import NO_ORIGIN, Answer, NaiveSku, Oversold
from springtide.app.verify.naive_stock import stock_fact
from springtide.app.verify.window import Window
from springtide.codecs.facts import INGRESS_TOPICS, INVENTORY
from springtide.codecs.messages import (
    Demand,
    Fact,
    Message,
    Tick,
    decode_data,
)


class NaiveSkuPartition:
    """All SKUs of one inbox partition, with its stream time, its duplicates and how far ingress was seen."""

    def __init__(self, order_partitions: int, retention_us: int) -> None:
        self.skus: dict[str, NaiveSku] = {}
        self.time_us = 0
        self.seen: dict[str, int] = {}
        self.duplicates = 0
        self.oversold: list[tuple[str, Oversold]] = []
        """(SKU, cell) that the last message left above what is sellable."""
        self._window = Window(retention_us)
        self._due: list[tuple[int, str]] = []
        self._pushed: dict[str, int] = {}
        self._told: list[dict[str, int]] = [{} for _ in range(order_partitions)]

    def apply(self, key: bytes, message: Message) -> list[Answer]:
        """One message of the inbox, as the log has it. Raises TypeError on one that has no business there."""
        self.oversold = []
        if isinstance(message, Fact):
            answers = self._until(message.time_us)
            name, offset = f"{INGRESS_TOPICS[message.origin[0]]}/{message.origin[1]}", message.origin[2]
            self.seen[name] = max(offset, self.seen.get(name, -1))
            if not self._window.is_new(message.digest, self.time_us):
                self.duplicates += 1
                return answers
            sku = self._sku(key.decode())
            data = decode_data(message)
            found = stock_fact(sku, data, self.time_us, message.time_us, message.event_id)
            return answers + self._after(sku, found, message)
        if isinstance(message, Demand):
            answers = self._until(message.time_us)
            sku = self._sku(key.decode())
            found = sku.demand(message, self.time_us)
            return answers + self._after(sku, found, message)
        if isinstance(message, Tick):
            answers = self._until(message.time_us)
            self._see(message)
            return answers
        raise TypeError(f"{type(message).__name__} has no business in the inbox of SKUs")

    def _sku(self, name: str) -> NaiveSku:
        sku = self.skus.get(name)
        if sku is None:
            sku = self.skus[name] = NaiveSku(name)
        return sku

    def _until(self, time_us: int) -> list[Answer]:
        """Stream time moves on; each hold on the way dies at its own instant."""
        answers: list[Answer] = []
        while self._due and self._due[0][0] <= time_us:
            due_us, name = heappop(self._due)
            sku = self.skus[name]
            if self._pushed.get(name) == due_us:
                del self._pushed[name]
            if sku.next_expiry_us() == due_us:
                self.time_us = max(self.time_us, due_us)
                answers += self._after(sku, sku.expire(self.time_us), None)
        self.time_us = max(self.time_us, time_us)
        return answers

    def _after(self, sku: NaiveSku, answers: list[Answer], cause: Fact | Demand | None) -> list[Answer]:
        """Each answer says what caused it; None: a hold has died."""
        self.oversold += [(sku.sku, cell) for cell in sku.oversold]
        due_us = sku.next_expiry_us()
        if due_us is not None and self._pushed.get(sku.sku) != due_us:
            self._pushed[sku.sku] = due_us
            heappush(self._due, (due_us, sku.sku))
        said: dict[str, Any] = {
            "time_us": self.time_us if cause is None else cause.time_us,
            "recorded_us": self.time_us if cause is None else cause.recorded_us,
            "origin": NO_ORIGIN if cause is None else cause.origin,
            "event_id": "" if cause is None else cause.event_id,
        }
        return [
            answer._replace(supplied=msgspec.structs.replace(answer.supplied, **said)) for answer in answers
        ]

    def _see(self, tick: Tick) -> None:
        """The gateway's own tick speaks of stock; of orders, what every OrderActor has passed on."""
        told = tick.seen if tick.via < 0 else {}
        if tick.via >= 0:
            self._told[tick.via] = tick.seen
            told = {
                name: min(way.get(name, -1) for way in self._told)
                for name in tick.seen
                if not name.startswith(f"{INVENTORY}/")
            }
        for name, offset in told.items():
            if offset > self.seen.get(name, -1):
                self.seen[name] = offset
