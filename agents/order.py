"""OrderActor: the one writer of an order; runs its reservation over several SKUs as a saga."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from springtide.agents import passage
from springtide.agents.gateway import EVERYWHERE
from springtide.agents.impact import dead_letter
from springtide.agents.topics import (
    DEAD_LETTERS,
    INBOX_CUSTOMER,
    INBOX_ORDER,
    INBOX_SKU,
    ORDER_STATUS,
    STATUS_CHANGES,
)
from springtide.agents.work import Work
from springtide.codecs import facts as f
from springtide.codecs.cloudevents import TYPE_PREFIX, TYPE_SUFFIX
from springtide.codecs.facts import CATALOG, FACT_BY_CODE, FACT_BY_NAME
from springtide.codecs.letters import DeadLetter, Impact, MilestoneTold, StatusChange, encode_letter
from springtide.codecs.messages import (
    CustomerHolds,
    Fact,
    Origin,
    PromiseAsked,
    Supplied,
    Tick,
    decode,
    decode_data,
    encode,
)
from springtide.codecs.records import Record
from springtide.codecs.times import SECOND_US, rfc3339
from springtide.tables import catalog
from springtide.tables.answers import due_us
from springtide.tables.causes import gate
from springtide.tables.lifecycle import Change
from springtide.tables.order import FACTS_MAX, WAITING_MAX, Order

STATE_VERSION: Final = b"\x02"
GOODS_PREFIX: Final = b"\x00g"
"""Before a SKU in the key of what orders must know of it."""
_encode: Final = msgspec.msgpack.Encoder().encode
_order: Final = msgspec.msgpack.Decoder(Order).decode
_OWN_ROWS: Final = {
    passage.PASSED_KEY: msgspec.msgpack.Decoder(passage.Passed).decode,
    passage.VIA_PREFIX: msgspec.msgpack.Decoder(dict[str, int]).decode,
    catalog.NETWORK_KEY: msgspec.msgpack.Decoder(catalog.Network).decode,
    GOODS_PREFIX: msgspec.msgpack.Decoder(catalog.Goods).decode,
}
"""Rows that are no orders, by the first two bytes of their keys."""
_PLACED: Final = FACT_BY_NAME["order.placed"].code
_STATES_LINES: Final = frozenset((_PLACED, FACT_BY_NAME["order.changed"].code))
_CATALOG_CODES: Final = frozenset(code for code, fact in FACT_BY_CODE.items() if fact.topic == CATALOG)


class OrderActor:
    """See the module. Reads facts about orders and what SkuActors answer; asks SkuActors."""

    kind = "order"
    inputs: tuple[str, ...] = (INBOX_ORDER,)
    projection: str | None = ORDER_STATUS
    idle_after_s: float | None = 0.03

    def __init__(self, inbox_partitions: int, orphan_grace_s: int = 7 * 86_400) -> None:
        self._inbox_partitions = inbox_partitions
        self._orphan_grace_us = orphan_grace_s * SECOND_US

    def step(self, work: Work, records: Sequence[Record]) -> None:
        """Applies the messages in the order of the log."""
        messages = [decode(record.value or b"") for record in records]
        work.prefetch(
            [record.key for record in records if record.key],
            [message.digest for message in messages if isinstance(message, Fact)],
        )
        for record, message in zip(records, messages, strict=True):
            if isinstance(message, Fact):
                self._fact(work, record, message)
            elif isinstance(message, Supplied):
                self._supplied(work, record.key or b"", message)
            elif isinstance(message, Tick):
                work.count("ticks")
                self._advance(work, message.time_us)
                passage.take_in(work, INBOX_ORDER, message, self._inbox_partitions)
            elif isinstance(message, CustomerHolds):
                self._customer(work, record.key or b"", message)
            elif isinstance(message, PromiseAsked):
                self._promise(work, record.key or b"", message)
            else:
                raise TypeError(f"an OrderActor has no use for {type(message).__name__}")
        log_ms = records[-1].timestamp_ms if records else None
        passage.pass_on(work, (INBOX_SKU, INBOX_CUSTOMER), self._inbox_partitions, log_ms)

    # --- messages ---

    def _fact(self, work: Work, record: Record, fact: Fact) -> None:
        self._advance(work, fact.time_us)
        passage.saw_fact(work, fact.origin)
        if not work.is_new(fact.digest):
            work.count("duplicates")
            return
        work.count("facts")
        key = record.key or b""
        if fact.code in _CATALOG_CODES:
            self._catalog(work, decode_data(fact))
            return
        order: Order = work.get(key) or Order(key.decode())
        waits = not order.placed and fact.code != _PLACED
        if order.facts >= FACTS_MAX:
            why = f"order {order.order_id} has {FACTS_MAX} facts already"
            self._refuse(work, key, record.timestamp_ms * 1_000, fact, "too_many_facts", why)
            return
        if waits and len(order.waiting) >= WAITING_MAX:
            why = f"order {order.order_id} is not placed and {WAITING_MAX} facts wait"
            self._refuse(work, key, record.timestamp_ms * 1_000, fact, "order_unknown", why)
            return
        order.facts += 1
        if order.correlation is None or (fact.code == _PLACED and fact.correlation != order.order_id):
            order.correlation = fact.correlation
        if waits:
            if not order.waiting:
                order.orphan_us = work.meta.time_us + self._orphan_grace_us
            order.waiting.append(record.value or b"")
            work.count("waiting")
            work.schedule(key, due_us(order, work.meta.time_us))
            work.put(key, order)
            return
        change = self._apply(work, order, fact)
        if fact.code == _PLACED and order.waiting:
            waiting, order.waiting = order.waiting, []
            for raw in waiting:
                held_back = decode(raw)
                assert isinstance(held_back, Fact)
                self._conclude(work, key, change, fact.origin)
                change = self._apply(work, order, held_back)
        self._conclude(work, key, change, fact.origin)

    def _apply(self, work: Work, order: Order, fact: Fact) -> Change:
        change = Change(
            order, fact.time_us, fact.recorded_us, fact.event_id, work.meta.time_us, fact.sequence or 0
        )
        if fact.code in _STATES_LINES:
            change.goods = _goods(work)
        change.apply(decode_data(fact), fact.code)
        return change

    def _supplied(self, work: Work, key: bytes, message: Supplied) -> None:
        work.count("answers")
        self._advance(work, message.time_us)
        order: Order | None = work.get(key)
        if order is None:
            raise LookupError(f"SKU {message.sku} answers order {key!r}, which never asked")
        event_id = message.event_id or order.stated_by  # what time brings about, the order itself has
        change = Change(order, message.time_us, message.recorded_us, event_id, work.meta.time_us)
        if order.promise is not None and not order.promise.lines:
            change.network = work.get(catalog.NETWORK_KEY)
        change.supplied(message)
        self._conclude(work, key, change, message.origin)

    def _promise(self, work: Work, key: bytes, message: PromiseAsked) -> None:
        work.count("promises")
        self._advance(work, message.time_us)
        passage.saw_fact(work, message.origin)
        order: Order = work.get(key) or Order(key.decode())
        now_us = work.meta.time_us
        change = Change(order, message.time_us, message.recorded_us, message.event_id, now_us)
        change.goods = _goods(work)
        change.promise_asked(message)
        self._conclude(work, key, change, message.origin)

    def _customer(self, work: Work, key: bytes, message: CustomerHolds) -> None:
        work.count("customers")
        self._advance(work, message.time_us)
        order: Order | None = work.get(key)
        if order is None or not order.placed:
            raise LookupError(f"customer {message.customer_id} tells order {key!r}, which never told it")
        event_id = message.event_id or order.stated_by
        change = Change(order, message.time_us, message.recorded_us, event_id, work.meta.time_us)
        change.customer_told(message)
        self._conclude(work, key, change, message.origin)

    def _catalog(self, work: Work, data: f.Data) -> None:
        """Keeps of the catalog what orders must know, the same in every partition."""
        if isinstance(data, f.LocationUpserted) or (
            isinstance(data, f.PolicySet) and data.scope == EVERYWHERE
        ):
            network: catalog.Network = work.get(catalog.NETWORK_KEY) or catalog.Network()
            if isinstance(data, f.LocationUpserted):
                network.locations[data.location] = catalog.place_of(data)
            else:
                network.policy = catalog.policy_of(data, network.policy.version + 1)
            work.put(catalog.NETWORK_KEY, network)
            return
        sku = data.scope if isinstance(data, f.PolicySet) else getattr(data, "sku", "")
        key = GOODS_PREFIX + sku.encode()
        known: catalog.Goods | None = work.get(key)
        goods = known or catalog.Goods()
        if isinstance(data, f.PolicySet):
            goods.policy = catalog.policy_of(data, 1 if goods.policy is None else goods.policy.version + 1)
        elif isinstance(data, f.ProductUpserted):
            goods.product = data
            goods.discontinued = False
        elif isinstance(data, f.ProductDiscontinued):
            goods.discontinued = True
        at_hand = _goods(work)
        if goods.matters_to_orders:
            work.put(key, goods)
            at_hand[sku] = goods
        elif known is not None:
            work.delete(key)
            at_hand.pop(sku, None)

    def _advance(self, work: Work, until_us: int) -> None:
        """Moves stream time on; what is due on the way happens first, each at its own instant."""
        if until_us > work.meta.time_us:
            work.advance(until_us, lambda key: self._due(work, key))

    def _due(self, work: Work, key: bytes) -> None:
        order: Order = work.get(key)
        now_us = work.meta.time_us
        if not order.placed and order.waiting and order.orphan_us <= now_us:
            work.count("orphans")
            why = f"order {order.order_id} was not placed within {self._orphan_grace_us // SECOND_US} s"
            for raw in order.waiting:
                fact = decode(raw)
                assert isinstance(fact, Fact)
                self._refuse(work, key, fact.recorded_us, fact, "order_unknown", why)
            order.waiting = []
            if order.promise is None:
                work.schedule(key, None)
                work.delete(key)
                return
        change = Change(order, now_us, now_us, order.stated_by, now_us)
        change.time_came()
        self._conclude(work, key, change, (0, 0, -1))

    # --- what follows ---

    def _conclude(self, work: Work, key: bytes, change: Change, origin: Origin) -> None:
        order = change.order
        change.settle()
        for sku in change.touched:
            work.emit(INBOX_SKU, sku.encode(), encode(change.ask(sku, origin)))
        published = change.conclude()
        if published is not None:
            self._publish(work, key, change, *published)
        news = change.credit_news(origin)
        if news is not None:
            work.emit(INBOX_CUSTOMER, order.customer_id.encode(), encode(news))
        work.schedule(key, due_us(order, change.now_us))
        work.put(key, order)

    def _publish(self, work: Work, key: bytes, change: Change, previous: str, status: str) -> None:
        order = change.order
        reached = change.reached
        milestones: list[MilestoneTold] = []
        for name, one in reached.items():
            occurred_at, recorded_at = rfc3339(one.occurred_us), rfc3339(one.recorded_us)
            milestones.append(MilestoneTold(name, occurred_at, recorded_at, one.inferred, one.superseded))
        letter = StatusChange(
            order_id=order.order_id,
            version=order.version,
            status=status,
            previous=previous or None,
            milestones=tuple(milestones),
            at=rfc3339(change.at_us),
            event_id=change.event_id,
            customer_id=order.customer_id,
            channel=order.channel,
            region=order.sold_in,
            correlation_id=order.correlation,
            holds=tuple(hold.reason for hold in order.holds.values() if hold.released_us is None),
            cause=gate(order),
            customer_class=order.customer_class,
        )
        work.emit(STATUS_CHANGES, key, encode_letter(letter), work.partition)

    def _refuse(self, work: Work, key: bytes, at_us: int, fact: Fact, code: str, reason: str) -> None:
        work.count(f"dead_letters.{code}")
        topic, partition, offset = passage.origin_name(fact.origin), fact.origin[1], fact.origin[2]
        order_id = key.decode(errors="replace")
        letter = DeadLetter(
            id=f"{topic}/{offset}",
            code=code,
            field="",
            reason=reason,
            topic=topic.rsplit("/", 1)[0],
            partition=partition,
            offset=offset,
            at=rfc3339(max(0, at_us)),
            key=order_id,
            event_type=f"{TYPE_PREFIX}{FACT_BY_CODE[fact.code].name}{TYPE_SUFFIX}",
            event_id=fact.id,
            source=fact.source,
            impact=Impact(orders=(order_id,)),
        )
        work.emit(DEAD_LETTERS, letter.id.encode(), encode_letter(letter))

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        return (
            DEAD_LETTERS,
            *dead_letter(record, "step_failed", "", f"the order's actor failed on it: {error!r}"),
        )

    # --- rows ---

    def projection_key(self, key: bytes) -> bytes | None:
        return None if key.startswith(b"\x00") else key

    def encode_row(self, key: bytes, row: Any) -> bytes:  # noqa: ARG002 - the row knows its type
        return STATE_VERSION + _encode(row)

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        if raw[:1] != STATE_VERSION:
            raise ValueError(f"row {key!r} has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
        return (_OWN_ROWS[key[:2]] if key.startswith(b"\x00") else _order)(raw[1:])


def _goods(work: Work) -> dict[str, catalog.Goods]:
    """SKU -> what orders must know of it, kept at hand beside the rows: every line of every order asks."""
    found: dict[str, catalog.Goods] | None = work.scratch.get(GOODS_PREFIX)
    if found is None:
        at = len(GOODS_PREFIX)
        found = work.scratch[GOODS_PREFIX] = {k[at:].decode(): row for k, row in work.scan(GOODS_PREFIX)}
    return found


def decode_order(raw: bytes) -> Order:
    """An order from a value of the `order-status` projection; ValueError if its version is unknown."""
    if raw[:1] != STATE_VERSION:
        raise ValueError(f"this order has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
    return _order(raw[1:])
