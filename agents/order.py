"""OrderActor: the one writer of an order; runs its reservation over several SKUs as a saga."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from springtide.agents import passage
from springtide.agents.impact import dead_letter
from springtide.agents.topics import DEAD_LETTERS, INBOX_ORDER, INBOX_SKU, ORDER_STATUS, STATUS_CHANGES
from springtide.agents.work import Work
from springtide.codecs.cloudevents import TYPE_PREFIX, TYPE_SUFFIX
from springtide.codecs.facts import FACT_BY_CODE, FACT_BY_NAME
from springtide.codecs.letters import DeadLetter, Impact, StatusChange, encode_letter
from springtide.codecs.messages import Demand, Fact, Origin, Supplied, Tick, decode, decode_data, encode
from springtide.codecs.records import Record
from springtide.codecs.times import rfc3339
from springtide.tables.lifecycle import Change
from springtide.tables.order import FACTS_MAX, WAITING_MAX, Need, Order

STATE_VERSION: Final = b"\x01"
_encode: Final = msgspec.msgpack.Encoder().encode
_order: Final = msgspec.msgpack.Decoder(Order).decode
_passed: Final = msgspec.msgpack.Decoder(passage.Passed).decode
_PLACED: Final = FACT_BY_NAME["order.placed"].code


class OrderActor:
    """See the module. Reads facts about orders and what SkuActors answer; asks SkuActors."""

    kind = "order"
    inputs: tuple[str, ...] = (INBOX_ORDER,)
    projection: str | None = ORDER_STATUS
    idle_after_s: float | None = 0.03

    def __init__(self, inbox_partitions: int) -> None:
        self._inbox_partitions = inbox_partitions

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
                for name, offset in message.seen.items():
                    passage.saw(work, name, offset)
            else:
                raise TypeError(f"an OrderActor has no use for {type(message).__name__}")
        log_ms = records[-1].timestamp_ms if records else None
        if passage.is_time(work, log_ms) and passage.is_news(work, work.meta.seen, log_ms):
            passage.broadcast(work, INBOX_SKU, self._inbox_partitions, work.meta.seen, work.partition)

    # --- messages ---

    def _fact(self, work: Work, record: Record, fact: Fact) -> None:
        self._advance(work, fact.time_us)
        passage.saw(work, passage.origin_name(fact.origin), fact.origin[2])
        if not work.is_new(fact.digest):
            work.count("duplicates")
            return
        work.count("facts")
        key = record.key or b""
        order: Order = work.get(key) or Order(key.decode())
        waits = not order.placed and fact.code != _PLACED
        if order.facts >= FACTS_MAX:
            why = f"order {order.order_id} has {FACTS_MAX} facts already"
            self._refuse(work, record, fact, "too_many_facts", why)
            return
        if waits and len(order.waiting) >= WAITING_MAX:
            why = f"order {order.order_id} is not placed and {WAITING_MAX} facts wait"
            self._refuse(work, record, fact, "order_unknown", why)
            return
        order.facts += 1
        if order.correlation is None or (fact.code == _PLACED and fact.correlation != order.order_id):
            order.correlation = fact.correlation
        if waits:
            order.waiting.append(record.value or b"")
            work.count("waiting")
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
        change.apply(decode_data(fact), fact.code)
        return change

    def _supplied(self, work: Work, key: bytes, message: Supplied) -> None:
        work.count("answers")
        self._advance(work, message.time_us)
        order: Order | None = work.get(key)
        if order is None:
            raise LookupError(f"SKU {message.sku} answers order {key!r}, which never asked")
        change = Change(order, message.time_us, message.recorded_us, message.event_id, work.meta.time_us)
        change.supplied(message)
        self._conclude(work, key, change, message.origin)

    def _advance(self, work: Work, until_us: int) -> None:
        """Moves stream time on; lines whose day comes on the way are asked for first, at that instant."""
        if until_us > work.meta.time_us:
            work.advance(until_us, lambda key: self._lines_due(work, key))

    def _lines_due(self, work: Work, key: bytes) -> None:
        now_us = work.meta.time_us
        change = Change(work.get(key), now_us, now_us, "", now_us)
        change.due_lines()
        self._conclude(work, key, change, (0, 0, -1))

    # --- what follows ---

    def _conclude(self, work: Work, key: bytes, change: Change, origin: Origin) -> None:
        order = change.order
        for sku in change.touched:
            self._ask(work, change, sku, origin)
        published = change.conclude()
        if published is not None:
            self._publish(work, key, change, *published)
        due_us = None
        for line in order.lines.values():
            if line.due_us is not None and (due_us is None or line.due_us < due_us):
                due_us = line.due_us
        work.schedule(key, due_us)
        work.put(key, order)

    def _ask(self, work: Work, change: Change, sku: str, origin: Origin) -> None:
        order = change.order
        need = order.needs.get(sku)
        if need is None:
            need = order.needs[sku] = Need()
        need.request += 1
        if need.state != "parked":
            need.state = "asked"
        lines, shipments = change.demand_lines(sku)
        work.emit(
            INBOX_SKU,
            sku.encode(),
            encode(
                Demand(
                    order.order_id,
                    need.request,
                    change.at_us,
                    origin,
                    change.event_id,
                    order.placed_us,
                    order.priority,
                    order.channel,
                    order.ship_complete,
                    need.state == "parked",
                    order.single,
                    order.max_splits,
                    shipments,
                    lines,
                    change.recorded_us,
                )
            ),
        )

    def _publish(self, work: Work, key: bytes, change: Change, previous: str, status: str) -> None:
        order = change.order
        letter = StatusChange(
            order_id=order.order_id,
            version=order.version,
            status=status,
            previous=previous or None,
            milestones=tuple(change.reached),
            at=rfc3339(change.at_us),
            event_id=change.event_id,
            customer_id=order.customer_id,
            channel=order.channel,
            region=order.region,
            correlation_id=order.correlation,
            holds=tuple(hold.reason for hold in order.holds.values() if hold.released_us is None),
        )
        work.emit(STATUS_CHANGES, key, encode_letter(letter), work.partition)

    def _refuse(self, work: Work, record: Record, fact: Fact, code: str, reason: str) -> None:
        work.count(f"dead_letters.{code}")
        topic, partition, offset = passage.origin_name(fact.origin), fact.origin[1], fact.origin[2]
        letter = DeadLetter(
            id=f"{topic}/{offset}",
            code=code,
            field="",
            reason=reason,
            topic=topic.rsplit("/", 1)[0],
            partition=partition,
            offset=offset,
            at=rfc3339(max(0, record.timestamp_ms) * 1_000),
            key=(record.key or b"").decode(errors="replace"),
            event_type=f"{TYPE_PREFIX}{FACT_BY_CODE[fact.code].name}{TYPE_SUFFIX}",
            event_id=fact.id,
            source=fact.source,
            impact=Impact(orders=((record.key or b"").decode(errors="replace"),)),
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
        return _passed(raw[1:]) if key.startswith(b"\x00") else _order(raw[1:])


def decode_order(raw: bytes) -> Order:
    """An order from a value of the `order-status` projection; ValueError if its version is unknown."""
    if raw[:1] != STATE_VERSION:
        raise ValueError(f"this order has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
    return _order(raw[1:])
