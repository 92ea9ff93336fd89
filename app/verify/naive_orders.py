"""All orders of one inbox partition, replayed naively message by message.

partition = NaiveOrderPartition(customer_partitions=4, retention_us=..., grace_us=...)
outcome = partition.apply(b"o-1", message)      # requests, published changes and refusals due in the log
picture(partition.orders["o-1"])                # of `naive_picture`: every figure of the order, as plain values
"""

from __future__ import annotations

from heapq import heappop, heappush

from springtide.agents.topics import INBOX_ORDER
from springtide.app.verify.naive_order import FACTS_MAX, NO_ORIGIN, WAITING_MAX, NaiveOrder
from springtide.app.verify.naive_order_steps import Applying, Outcome
from springtide.app.verify.naive_seen import NaiveSeen
from springtide.app.verify.window import Window
from springtide.codecs import facts as f
from springtide.codecs.facts import FACT_BY_CODE, INGRESS_TOPICS
from springtide.codecs.messages import (
    CustomerHolds,
    Fact,
    Message,
    Origin,
    PromiseAsked,
    Supplied,
    Tick,
    decode_data,
)


class NaiveOrderPartition:
    """All orders of one inbox partition, with its stream time, its duplicates and how far ingress was seen."""

    def __init__(
        self, customer_partitions: int, retention_us: int, grace_us: int = 7 * 86_400_000_000
    ) -> None:
        self.orders: dict[str, NaiveOrder] = {}
        self.products: dict[str, f.ProductUpserted] = {}
        self.places: dict[str, f.LocationUpserted] = {}
        self.time_us = 0
        self.duplicates = 0
        self.sight = NaiveSeen(INBOX_ORDER, customer_partitions)
        self._grace_us = grace_us
        self._window = Window(retention_us)
        self._due: list[tuple[int, str]] = []
        self._pushed: dict[str, int] = {}

    @property
    def seen(self) -> dict[str, int]:
        return self.sight.positions

    def apply(self, key: bytes, message: Message) -> Outcome:
        """One message of the inbox, as the log has it. Raises TypeError on one that has no business there,
        LookupError on an answer to an order that never asked."""
        outcome = Outcome()
        known = (Fact, Supplied, Tick, CustomerHolds, PromiseAsked)
        if not isinstance(message, known):
            raise TypeError(f"{type(message).__name__} has no business in the inbox of orders")
        self._until(message.time_us, outcome)
        if isinstance(message, Tick):
            self.sight.tick(message)
        elif isinstance(message, Fact):
            self.sight.fact(message)
            if self._window.is_new(message.digest, self.time_us):
                self._fact(key.decode(), message, outcome)
            else:
                self.duplicates += 1
        else:
            self._told(key.decode(), message, outcome)
        return outcome

    def _told(
        self, order_id: str, message: Supplied | CustomerHolds | PromiseAsked, outcome: Outcome
    ) -> None:
        order = self.orders.get(order_id)
        if isinstance(message, PromiseAsked):
            self.sight.saw(message.origin)
            if order is None:
                order = self.orders[order_id] = NaiveOrder(order_id)
        if order is None or (isinstance(message, CustomerHolds) and order.placed is None):
            raise LookupError(f"{type(message).__name__} is for order {order_id}, which never asked")
        # What time brings about, or that the order came, has its cause in what stated the order.
        event_id = message.event_id or order.stated_by
        applying = self._applying(order, message.time_us, message.recorded_us, event_id)
        if isinstance(message, Supplied):
            applying.supplied(message)
        elif isinstance(message, CustomerHolds):
            applying.customer_told(message)
        else:
            applying.promise_asked(message)
        self._conclude(applying, outcome, message.origin)

    def _applying(
        self, order: NaiveOrder, at_us: int, recorded_us: int, event_id: str, sequence: int = 0
    ) -> Applying:
        return Applying(
            order, at_us, recorded_us, event_id, self.time_us, sequence, self.products, self.places
        )

    def _fact(self, order_id: str, fact: Fact, outcome: Outcome) -> None:
        name = FACT_BY_CODE[fact.code].name
        if FACT_BY_CODE[fact.code].topic == "catalog":
            data = decode_data(fact)
            if isinstance(data, f.ProductUpserted):
                self.products[data.sku] = data
            elif isinstance(data, f.LocationUpserted):
                self.places[data.location] = data
            return
        order = self.orders.get(order_id)
        if order is None:
            order = self.orders[order_id] = NaiveOrder(order_id)
        if order.facts >= FACTS_MAX:
            outcome.refused.append((_record(fact), "too_many_facts"))
            return
        if order.placed is None and name != "order.placed" and len(order.waiting) >= WAITING_MAX:
            outcome.refused.append((_record(fact), "order_unknown"))
            return
        order.facts += 1
        if name == "order.placed" and fact.correlation != order_id:
            order.correlation = fact.correlation
        order.correlation = order.correlation or fact.correlation
        if order.placed is None and name != "order.placed":
            if not order.waiting:
                order.orphan_us = self.time_us + self._grace_us
            order.waiting.append(fact)
            self._schedule(order)
            return
        waiting = order.waiting if name == "order.placed" else []
        order.waiting = []
        for one in [fact, *waiting]:
            applying = self._applying(order, one.time_us, one.recorded_us, one.event_id, one.sequence or 0)
            applying.fact(FACT_BY_CODE[one.code].name, decode_data(one))
            self._conclude(applying, outcome, fact.origin)

    # --- time ---

    def _until(self, time_us: int, outcome: Outcome) -> None:
        """Stream time moves on; what is due on the way happens at its own instant."""
        while self._due and self._due[0][0] <= time_us:
            due_us, order_id = heappop(self._due)
            if self._pushed.get(order_id) != due_us:
                continue  # it is due at another instant by now, or not at all
            del self._pushed[order_id]
            self.time_us = max(self.time_us, due_us)
            order = self.orders[order_id]
            if order.placed is None and order.waiting and order.orphan_us <= self.time_us:
                outcome.refused += [(_record(fact), "order_unknown") for fact in order.waiting]
                order.waiting = []
                if order.promise is None:
                    del self.orders[order_id]
                    continue
            applying = self._applying(order, self.time_us, self.time_us, order.stated_by)
            applying.time_came()
            self._conclude(applying, outcome, NO_ORIGIN)
        self.time_us = max(self.time_us, time_us)

    def _conclude(self, applying: Applying, outcome: Outcome, origin: Origin) -> None:
        applying.conclude(outcome, origin)
        self._schedule(applying.order)

    def _schedule(self, order: NaiveOrder) -> None:
        due_us = order.next_us(self.time_us)
        if due_us is None:
            self._pushed.pop(order.order_id, None)
        elif self._pushed.get(order.order_id) != due_us:
            self._pushed[order.order_id] = due_us
            heappush(self._due, (due_us, order.order_id))


def _record(fact: Fact) -> str:
    """`topic/partition/offset` of the ingress record."""
    return f"{INGRESS_TOPICS[fact.origin[0]]}/{fact.origin[1]}/{fact.origin[2]}"
