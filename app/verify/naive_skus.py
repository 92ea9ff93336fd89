"""All SKUs of one inbox partition, replayed naively message by message.

partition = NaiveSkuPartition(order_partitions=4, retention_us=...)
answers = partition.apply(b"tea", message)      # what the log must answer, and how much room there was
partition.skus["tea"].picture()                 # every figure of the SKU, as plain values
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

import msgspec

from springtide.agents.topics import INBOX_SKU
from springtide.app.verify.naive_network import Network
from springtide.app.verify.naive_seen import NaiveSeen
from springtide.app.verify.naive_sku import NO_ORIGIN, Answer, NaiveSku, Oversold
from springtide.app.verify.naive_stock import network_fact, stock_fact
from springtide.app.verify.window import Window
from springtide.codecs.facts import LocationUpserted, PolicySet
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
        self.network = Network()
        self.time_us = 0
        self.sight = NaiveSeen(INBOX_SKU, order_partitions)
        self.duplicates = 0
        self.oversold: list[tuple[str, Oversold]] = []
        """(SKU, cell) that the last message left above what is sellable."""
        self._window = Window(retention_us)
        self._due: list[tuple[int, str]] = []
        self._pushed: dict[str, int] = {}

    @property
    def seen(self) -> dict[str, int]:
        return self.sight.positions

    def apply(self, key: bytes, message: Message) -> list[Answer]:
        """One message of the inbox, as the log has it. Raises TypeError on one that has no business there."""
        self.oversold = []
        if isinstance(message, Fact):
            answers = self._until(message.time_us)
            self.sight.fact(message)
            if not self._window.is_new(message.digest, self.time_us):
                self.duplicates += 1
                return answers
            data = decode_data(message)
            if isinstance(data, LocationUpserted) or (isinstance(data, PolicySet) and data.scope == "*"):
                self.network.take(data)
                for sku in self.skus.values():
                    answers += self._after(sku, network_fact(sku, data, self.time_us), message)
                return answers
            sku = self._sku(key.decode())
            found = stock_fact(sku, data, self.time_us, message.time_us, message.event_id)
            return answers + self._after(sku, found, message)
        if isinstance(message, Demand):
            answers = self._until(message.time_us)
            sku = self._sku(key.decode())
            found = sku.demand(message, self.time_us)
            return answers + self._after(sku, found, message)
        if isinstance(message, Tick):
            answers = self._until(message.time_us)
            self.sight.tick(message)
            return answers
        raise TypeError(f"{type(message).__name__} has no business in the inbox of SKUs")

    def _sku(self, name: str) -> NaiveSku:
        sku = self.skus.get(name)
        if sku is None:
            sku = self.skus[name] = NaiveSku(name, self.network)
        return sku

    def _until(self, time_us: int) -> list[Answer]:
        """Stream time moves on; what is due on the way takes effect at its own instant."""
        answers: list[Answer] = []
        while self._due and self._due[0][0] <= time_us:
            due_us, name = heappop(self._due)
            sku = self.skus[name]
            if self._pushed.get(name) == due_us:
                del self._pushed[name]
            if sku.next_due_us() == due_us:
                self.time_us = max(self.time_us, due_us)
                answers += self._after(sku, sku.come_by(self.time_us), None)
        self.time_us = max(self.time_us, time_us)
        return answers

    def _after(self, sku: NaiveSku, answers: list[Answer], cause: Fact | Demand | None) -> list[Answer]:
        """Each answer says what caused it; None: the time has come."""
        self.oversold += [(sku.sku, cell) for cell in sku.oversold]
        due_us = sku.next_due_us()
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
