"""CustomerActor: the one writer of a customer; holds and releases all open orders of a customer at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from springtide.agents import passage
from springtide.agents.impact import dead_letter
from springtide.agents.topics import CUSTOMERS, DEAD_LETTERS, INBOX_CUSTOMER, INBOX_ORDER
from springtide.agents.work import Work
from springtide.codecs.messages import (
    CustomerHolds,
    CustomerOrder,
    Fact,
    Origin,
    Tick,
    decode,
    decode_data,
    encode,
)
from springtide.codecs.records import Record
from springtide.tables.customer import Customer, CustomerChange, OpenOrder, take_order

STATE_VERSION: Final = b"\x01"
ORDER_PREFIX: Final = b"\x00o"
"""Between a customer's key and an order's id in the key of that order's row."""
_encode: Final = msgspec.msgpack.Encoder().encode
_customer: Final = msgspec.msgpack.Decoder(Customer).decode
_open_order: Final = msgspec.msgpack.Decoder(OpenOrder).decode
_passed: Final = msgspec.msgpack.Decoder(passage.Passed).decode
_seen: Final = msgspec.msgpack.Decoder(dict[str, int]).decode


class CustomerActor:
    """See the module. Reads facts about customers and what OrderActors tell of their open orders."""

    kind = "customer"
    inputs: tuple[str, ...] = (INBOX_CUSTOMER,)
    projection: str | None = CUSTOMERS
    idle_after_s: float | None = 0.03

    def __init__(self, inbox_partitions: int) -> None:
        self._inbox_partitions = inbox_partitions

    def step(self, work: Work, records: Sequence[Record]) -> None:
        """Applies the messages in the order of the log."""
        messages = [decode(record.value or b"") for record in records]
        keys: list[bytes] = []
        for record, message in zip(records, messages, strict=True):
            if record.key:
                keys.append(record.key)
                if isinstance(message, CustomerOrder):
                    keys.append(_order_key(record.key, message.order_id))
        work.prefetch(keys, [message.digest for message in messages if isinstance(message, Fact)])
        for record, message in zip(records, messages, strict=True):
            work.meta.time_us = max(work.meta.time_us, message.time_us)
            if isinstance(message, CustomerOrder):
                self._order(work, record.key or b"", message)
            elif isinstance(message, Fact):
                self._fact(work, record.key or b"", message)
            elif isinstance(message, Tick):
                work.count("ticks")
                passage.take_in(work, INBOX_CUSTOMER, message, self._inbox_partitions)
            else:
                raise TypeError(f"a CustomerActor has no use for {type(message).__name__}")
        log_ms = records[-1].timestamp_ms if records else None
        passage.pass_on(work, (INBOX_ORDER,), self._inbox_partitions, log_ms)

    def _fact(self, work: Work, key: bytes, fact: Fact) -> None:
        passage.saw_fact(work, fact.origin)
        if not work.is_new(fact.digest):
            work.count("duplicates")
            return
        work.count("facts")
        customer: Customer = work.get(key) or Customer(key.decode())
        change = CustomerChange(customer, fact.time_us, fact.recorded_us, fact.event_id, fact.sequence or 0)
        change.apply(decode_data(fact), fact.code)
        work.put(key, customer)
        if change.tells:
            for row_key, _ in work.scan(key + ORDER_PREFIX):
                order_key = row_key[len(key) + len(ORDER_PREFIX) :]
                self._tell(
                    work, customer, order_key, fact.time_us, fact.recorded_us, fact.origin, fact.event_id
                )

    def _order(self, work: Work, key: bytes, told: CustomerOrder) -> None:
        work.count("orders")
        row_key = _order_key(key, told.order_id)
        known: OpenOrder | None = work.get(row_key)
        if known is not None and told.request <= known.request:
            return
        customer: Customer = work.get(key) or Customer(key.decode())
        row = take_order(customer, known, told)
        if row is not None:
            work.put(row_key, row)
        elif known is not None:
            work.delete(row_key)
        work.put(key, customer)
        if known is None and row is not None and customer.concerns_orders:
            self._tell(work, customer, told.order_id.encode(), told.time_us, told.time_us, told.origin, "")

    def _tell(
        self,
        work: Work,
        customer: Customer,
        order_key: bytes,
        at_us: int,
        recorded_us: int,
        origin: Origin,
        event_id: str,
    ) -> None:
        message = CustomerHolds(
            customer.customer_id,
            customer.seq,
            at_us,
            recorded_us,
            origin,
            event_id,
            customer.customer_class,
            customer.region,
            customer.told_holds(),
        )
        work.emit(INBOX_ORDER, order_key, encode(message))

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        return (
            DEAD_LETTERS,
            *dead_letter(record, "step_failed", "", f"the customer's actor failed on it: {error!r}"),
        )

    # --- rows ---

    def projection_key(self, key: bytes) -> bytes | None:
        return None if b"\x00" in key else key

    def encode_row(self, key: bytes, row: Any) -> bytes:  # noqa: ARG002 - the row knows its type
        return STATE_VERSION + _encode(row)

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        if raw[:1] != STATE_VERSION:
            raise ValueError(f"row {key!r} has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
        if key == passage.PASSED_KEY:
            return _passed(raw[1:])
        if key.startswith(passage.VIA_PREFIX):
            return _seen(raw[1:])
        return _open_order(raw[1:]) if b"\x00" in key else _customer(raw[1:])


def _order_key(customer: bytes, order_id: str) -> bytes:
    return customer + ORDER_PREFIX + order_id.encode()


def decode_customer(raw: bytes) -> Customer:
    """A customer from a value of the `customers` projection; ValueError if its version is unknown."""
    if raw[:1] != STATE_VERSION:
        raise ValueError(f"this customer has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
    return _customer(raw[1:])
