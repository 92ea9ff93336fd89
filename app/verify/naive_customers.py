"""All customers of one inbox partition, replayed naively message by message.

partition = NaiveCustomerPartition(order_partitions=4, retention_us=...)
told = partition.apply(b"c-1", message)         # (order, what it must hear), due in the log
partition.customers["c-1"].picture()            # every figure of the customer, as plain values
"""

from __future__ import annotations

from springtide.agents.topics import INBOX_CUSTOMER
from springtide.app.verify.naive_customer import NaiveCustomer
from springtide.app.verify.naive_seen import NaiveSeen
from springtide.app.verify.window import Window
from springtide.codecs.facts import FACT_BY_CODE
from springtide.codecs.messages import CustomerHolds, CustomerOrder, Fact, Message, Tick, decode_data


class NaiveCustomerPartition:
    """All customers of one inbox partition, with its stream time, its duplicates and how far ingress was seen."""

    def __init__(self, order_partitions: int, retention_us: int) -> None:
        self.customers: dict[str, NaiveCustomer] = {}
        self.time_us = 0
        self.duplicates = 0
        self.sight = NaiveSeen(INBOX_CUSTOMER, order_partitions)
        self._window = Window(retention_us)

    @property
    def seen(self) -> dict[str, int]:
        return self.sight.positions

    def apply(self, key: bytes, message: Message) -> list[tuple[str, CustomerHolds]]:
        """One message of the inbox, as the log has it. Raises TypeError on one that has no business there."""
        if not isinstance(message, Fact | CustomerOrder | Tick):
            raise TypeError(f"{type(message).__name__} has no business in the inbox of customers")
        self.time_us = max(self.time_us, message.time_us)
        if isinstance(message, Tick):
            self.sight.tick(message)
            return []
        if isinstance(message, CustomerOrder):
            return self._customer(key).order(message)
        self.sight.fact(message)
        if not self._window.is_new(message.digest, self.time_us):
            self.duplicates += 1
            return []
        return self._customer(key).fact(FACT_BY_CODE[message.code].name, decode_data(message), message)

    def _customer(self, key: bytes) -> NaiveCustomer:
        name = key.decode()
        customer = self.customers.get(name)
        if customer is None:
            customer = self.customers[name] = NaiveCustomer(name)
        return customer
