"""All orders of one inbox partition, replayed naively message by message.

partition = NaiveOrderPartition(retention_us=...)
outcome = partition.apply(b"o-1", message)      # requests, published changes and refusals due in the log
partition.orders["o-1"].picture()               # every figure of the order, as plain values
"""

from __future__ import annotations

from heapq import heappop, heappush

from springtide.app.verify.naive_order import (
    FACTS_MAX,
    NO_ORIGIN,
    WAITING_MAX,
    NaiveOrder,
)
from springtide.app.verify.naive_order_steps import Applying, Outcome
from springtide.app.verify.window import Window
from springtide.codecs.facts import FACT_BY_CODE, INGRESS_TOPICS
from springtide.codecs.messages import Fact, Message, Origin, Supplied, Tick, decode_data


class NaiveOrderPartition:
    """All orders of one inbox partition, with its stream time, its duplicates and how far ingress was seen."""

    def __init__(self, retention_us: int) -> None:
        self.orders: dict[str, NaiveOrder] = {}
        self.time_us = 0
        self.seen: dict[str, int] = {}
        self.duplicates = 0
        self._window = Window(retention_us)
        self._due: list[tuple[int, str]] = []
        self._pushed: dict[str, int] = {}

    def apply(self, key: bytes, message: Message) -> Outcome:
        """One message of the inbox, as the log has it. Raises TypeError on one that has no business there,
        LookupError on an answer to an order that never asked."""
        outcome = Outcome()
        if isinstance(message, Fact):
            self._until(message.time_us, outcome)
            self._see(f"{INGRESS_TOPICS[message.origin[0]]}/{message.origin[1]}", message.origin[2])
            if self._window.is_new(message.digest, self.time_us):
                self._fact(key.decode(), message, outcome)
            else:
                self.duplicates += 1
        elif isinstance(message, Supplied):
            self._until(message.time_us, outcome)
            order = self.orders.get(key.decode())
            if order is None:
                raise LookupError(f"SKU {message.sku} answers order {key.decode()}, which never asked")
            applying = Applying(order, message.time_us, message.recorded_us, message.event_id, self.time_us)
            applying.supplied(message)
            self._conclude(applying, outcome, message.origin)
        elif isinstance(message, Tick):
            self._until(message.time_us, outcome)
            for name, offset in message.seen.items():
                self._see(name, offset)
        else:
            raise TypeError(f"{type(message).__name__} has no business in the inbox of orders")
        return outcome

    def _see(self, name: str, offset: int) -> None:
        self.seen[name] = max(offset, self.seen.get(name, -1))

    def _fact(self, order_id: str, fact: Fact, outcome: Outcome) -> None:
        order = self.orders.get(order_id)
        if order is None:
            order = self.orders[order_id] = NaiveOrder(order_id)
        record = f"{INGRESS_TOPICS[fact.origin[0]]}/{fact.origin[1]}/{fact.origin[2]}"
        name = FACT_BY_CODE[fact.code].name
        if order.facts >= FACTS_MAX:
            outcome.refused.append((record, "too_many_facts"))
            return
        if order.placed is None and name != "order.placed" and len(order.waiting) >= WAITING_MAX:
            outcome.refused.append((record, "order_unknown"))
            return
        order.facts += 1
        if name == "order.placed" and fact.correlation != order_id:
            order.correlation = fact.correlation
        order.correlation = order.correlation or fact.correlation
        if order.placed is None and name != "order.placed":
            order.waiting.append(fact)
            return
        waiting = order.waiting if name == "order.placed" else []
        for one in [fact, *waiting]:
            applying = Applying(
                order, one.time_us, one.recorded_us, one.event_id, self.time_us, one.sequence or 0
            )
            applying.fact(FACT_BY_CODE[one.code].name, decode_data(one))
            self._conclude(applying, outcome, fact.origin)
        if waiting:
            order.waiting = []

    def _until(self, time_us: int, outcome: Outcome) -> None:
        """Stream time moves on; lines whose day comes on the way are asked for at that instant."""
        while self._due and self._due[0][0] <= time_us:
            due_us, order_id = heappop(self._due)
            order = self.orders[order_id]
            if self._pushed.get(order_id) == due_us:
                del self._pushed[order_id]
            if order.next_due_us() == due_us:
                self.time_us = max(self.time_us, due_us)
                applying = Applying(order, self.time_us, self.time_us, "", self.time_us)
                applying.due()
                self._conclude(applying, outcome, NO_ORIGIN)
        self.time_us = max(self.time_us, time_us)

    def _conclude(self, applying: Applying, outcome: Outcome, origin: Origin) -> None:
        applying.conclude(outcome, origin)
        order = applying.order
        due_us = order.next_due_us()
        if due_us is not None and self._pushed.get(order.order_id) != due_us:
            self._pushed[order.order_id] = due_us
            heappush(self._due, (due_us, order.order_id))
