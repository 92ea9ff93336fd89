"""SkuActor: the one writer of a SKU over all its locations; that is why nothing can oversell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from springtide.agents import passage
from springtide.agents.impact import dead_letter
from springtide.agents.topics import ATP, DEAD_LETTERS, INBOX_ORDER, INBOX_SKU
from springtide.agents.work import Work
from springtide.codecs.messages import Demand, Fact, Message, Supplied, Tick, decode, decode_data, encode
from springtide.codecs.records import Record
from springtide.tables.allocation import Sku, tell
from springtide.tables.sku import Allocation, Head, PastHold, Queue, ShipmentOf
from springtide.tables.stock import SAY_NOTHING_OF_A_SKU, Stock

STATE_VERSION: Final = b"\x01"
_encode: Final = msgspec.msgpack.Encoder().encode
_head: Final = msgspec.msgpack.Decoder(Head).decode
_BY_SUFFIX: Final = {
    b"a": msgspec.msgpack.Decoder(Allocation).decode,
    b"z": msgspec.msgpack.Decoder(Allocation).decode,
    b"q": msgspec.msgpack.Decoder(Queue).decode,
    b"h": msgspec.msgpack.Decoder(PastHold).decode,
    b"s": msgspec.msgpack.Decoder(ShipmentOf).decode,
    b"v": msgspec.msgpack.Decoder(dict[str, int]).decode,
}


class SkuActor:
    """See the module. Reads facts about SKUs and what orders want of them; answers orders."""

    kind = "sku"
    inputs: tuple[str, ...] = (INBOX_SKU,)
    projection: str | None = ATP
    idle_after_s: float | None = None

    def __init__(self, inbox_partitions: int) -> None:
        self._inbox_partitions = inbox_partitions

    def step(self, work: Work, records: Sequence[Record]) -> None:
        """Applies the messages in the order of the log."""
        messages = [decode(record.value or b"") for record in records]
        self._prefetch(work, records, messages)
        for record, message in zip(records, messages, strict=True):
            if isinstance(message, Demand):
                self._demand(work, record.key or b"", message)
            elif isinstance(message, Fact):
                self._fact(work, record.key or b"", message)
            elif isinstance(message, Tick):
                work.count("ticks")
                self._advance(work, message.time_us)
                passage.take_in(work, message, self._inbox_partitions)
            else:
                raise TypeError(f"a SkuActor has no use for {type(message).__name__}")

    def _prefetch(self, work: Work, records: Sequence[Record], messages: Sequence[Message]) -> None:
        keys: list[bytes] = []
        digests: list[bytes] = []
        for record, message in zip(records, messages, strict=True):
            key = record.key or b""
            if isinstance(message, Demand):
                order_id = message.order_id.encode()
                keys += (key, key + b"\x00a" + order_id)
                if message.request == 1:
                    keys.append(key + b"\x00z" + order_id)  # stock facts may have named the order already
                keys += [key + b"\x00s" + shipment[0].encode() for shipment in message.shipments]
            elif isinstance(message, Fact):
                keys.append(key)
                digests.append(message.digest)
        work.prefetch(keys, digests)

    def _fact(self, work: Work, key: bytes, fact: Fact) -> None:
        self._advance(work, fact.time_us)
        passage.saw(work, passage.origin_name(fact.origin), fact.origin[2])
        if not work.is_new(fact.digest):
            work.count("duplicates")
            return
        work.count("facts")
        now_us = work.meta.time_us
        sku = Sku(work, key.decode(), now_us)
        data = decode_data(fact)
        sku.head.known = sku.head.known or not isinstance(data, SAY_NOTHING_OF_A_SKU)
        Stock(work, sku, now_us, fact.time_us, fact.event_id).apply(data)
        self._close(work, sku, fact.time_us, fact.recorded_us, fact.origin, fact.event_id, None)
        if isinstance(data, SAY_NOTHING_OF_A_SKU):
            work.schedule(sku.key, sku.head.next_expiry_us())

    def _demand(self, work: Work, key: bytes, demand: Demand) -> None:
        work.count("demands")
        self._advance(work, demand.time_us)
        sku = Sku(work, key.decode(), work.meta.time_us)
        holds = len(sku.head.holds)
        if sku.demand(demand):
            sku.settle()
        if len(sku.head.holds) != holds:  # one was pledged to this order
            work.schedule(sku.key, sku.head.next_expiry_us())
        # Whoever asks all or nothing waits for the answer, also when it says nothing new.
        answer_to = demand.order_id if demand.complete else None
        self._close(work, sku, demand.time_us, demand.recorded_us, demand.origin, demand.event_id, answer_to)

    def _close(
        self,
        work: Work,
        sku: Sku,
        at_us: int,
        recorded_us: int,
        origin: tuple[int, int, int],
        event_id: str,
        answer_to: str | None,
    ) -> None:
        changed = sku.close()
        if answer_to is not None and all(row.order_id != answer_to for row in changed):
            asked = sku.allocation(answer_to)
            if asked is not None:
                work.put(sku.row_key(asked), asked)
                changed.append(asked)
        for row in changed:
            lines = tell(row)
            work.emit(
                INBOX_ORDER,
                row.order_id.encode(),
                encode(
                    Supplied(
                        sku.head.sku,
                        row.request,
                        row.seq,
                        at_us,
                        recorded_us,
                        origin,
                        event_id,
                        lines,
                    )
                ),
            )

    def _advance(self, work: Work, until_us: int) -> None:
        """Moves stream time on; holds that die on the way do so first, each at its own instant."""
        if until_us > work.meta.time_us:
            work.advance(until_us, lambda key: self._holds_due(work, key))

    def _holds_due(self, work: Work, key: bytes) -> None:
        now_us = work.meta.time_us
        sku = Sku(work, key.decode(), now_us)
        Stock(work, sku, now_us, now_us, "").expire()
        self._close(work, sku, now_us, now_us, (0, 0, -1), "", None)
        work.schedule(key, sku.head.next_expiry_us())

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        return (
            DEAD_LETTERS,
            *dead_letter(record, "step_failed", "", f"the SKU's actor failed on it: {error!r}"),
        )

    # --- rows ---

    def projection_key(self, key: bytes) -> bytes | None:
        return None if b"\x00" in key else key

    def encode_row(self, key: bytes, row: Any) -> bytes:  # noqa: ARG002 - the row knows its type
        return STATE_VERSION + _encode(row)

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        if raw[:1] != STATE_VERSION:
            raise ValueError(f"row {key!r} has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
        at = key.find(b"\x00")
        return _head(raw[1:]) if at < 0 else _BY_SUFFIX[key[at + 1 : at + 2]](raw[1:])


def decode_head(raw: bytes) -> Head:
    """A SKU's head from a value of the `atp` projection; ValueError if its version is unknown."""
    if raw[:1] != STATE_VERSION:
        raise ValueError(f"this head has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
    return _head(raw[1:])
