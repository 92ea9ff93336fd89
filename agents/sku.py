"""SkuActor: the one writer of a SKU over all its locations; that is why nothing can oversell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from springtide.agents import passage
from springtide.agents.impact import dead_letter
from springtide.agents.topics import ATP, DEAD_LETTERS, INBOX_ORDER, INBOX_SKU
from springtide.agents.work import Work
from springtide.codecs.facts import LocationUpserted, PolicySet
from springtide.codecs.messages import (
    Demand,
    Fact,
    Message,
    Origin,
    Supplied,
    Tick,
    decode,
    decode_data,
    encode,
)
from springtide.codecs.records import Record
from springtide.tables.allocation import Sku
from springtide.tables.catalog import NETWORK_KEY, Goods, Network, Prices, apply_to_network
from springtide.tables.sku import (
    WATCH_PREFIX,
    Allocation,
    Dated,
    Head,
    PastHold,
    Queue,
    ShipmentOf,
    Supply,
)
from springtide.tables.stock import Stock

STATE_VERSION: Final = b"\x02"
ALL: Final = "*"
"""The scope of a policy of all SKUs."""
_encode: Final = msgspec.msgpack.Encoder().encode
_head: Final = msgspec.msgpack.Decoder(Head).decode
_BY_SUFFIX: Final = {
    b"a": msgspec.msgpack.Decoder(Allocation).decode,
    b"z": msgspec.msgpack.Decoder(Allocation).decode,
    b"q": msgspec.msgpack.Decoder(Queue).decode,
    b"h": msgspec.msgpack.Decoder(PastHold).decode,
    b"s": msgspec.msgpack.Decoder(ShipmentOf).decode,
    b"d": msgspec.msgpack.Decoder(Dated).decode,
    b"p": msgspec.msgpack.Decoder(Supply).decode,
    b"g": msgspec.msgpack.Decoder(Goods).decode,
    b"$": msgspec.msgpack.Decoder(Prices).decode,
}
_OF_PARTITION: Final = {
    passage.VIA_PREFIX: msgspec.msgpack.Decoder(dict[str, int]).decode,
    NETWORK_KEY: msgspec.msgpack.Decoder(Network).decode,
    WATCH_PREFIX: msgspec.msgpack.Decoder(bool).decode,
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
                passage.take_in(work, INBOX_SKU, message, self._inbox_partitions)
            else:
                raise TypeError(f"a SkuActor has no use for {type(message).__name__}")

    def _prefetch(self, work: Work, records: Sequence[Record], messages: Sequence[Message]) -> None:
        keys: list[bytes] = [NETWORK_KEY]
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
        passage.saw_fact(work, fact.origin)
        if not work.is_new(fact.digest):
            work.count("duplicates")
            return
        work.count("facts")
        data = decode_data(fact)
        if isinstance(data, LocationUpserted) or (isinstance(data, PolicySet) and data.scope == ALL):
            self._network(work, fact, data)
            return
        now_us = work.meta.time_us
        sku = Sku(work, key.decode(), now_us)
        Stock(work, sku, now_us, fact.time_us, fact.event_id).apply(data)
        self._close(work, sku, fact.time_us, fact.recorded_us, fact.origin, fact.event_id, None)

    def _network(self, work: Work, fact: Fact, data: LocationUpserted | PolicySet) -> None:
        """Places and the policy of all change for all SKUs; those for which that may matter settle anew."""
        cause = apply_to_network(work, data)
        if cause is None:
            work.count("locations_refused")
            return
        for key, _ in list(work.scan(WATCH_PREFIX)):
            sku = Sku(work, key[len(WATCH_PREFIX) :].decode(), work.meta.time_us, cause)
            sku.rank_anew()
            sku.come_due()
            sku.settle()
            self._close(work, sku, fact.time_us, fact.recorded_us, fact.origin, fact.event_id, None, facts=0)

    def _demand(self, work: Work, key: bytes, demand: Demand) -> None:
        work.count("demands")
        self._advance(work, demand.time_us)
        sku = Sku(work, key.decode(), work.meta.time_us, "allocation_policy")
        if sku.demand(demand):
            sku.settle()
        answer_to = demand.order_id if demand.awaits else None
        self._close(work, sku, demand.time_us, demand.recorded_us, demand.origin, demand.event_id, answer_to)

    def _close(
        self,
        work: Work,
        sku: Sku,
        at_us: int,
        recorded_us: int,
        origin: Origin,
        event_id: str,
        answer_to: str | None,
        facts: int = 1,
    ) -> None:
        changed = sku.close(facts)
        if sku.retime:
            work.schedule(sku.key, sku.next_due_us())
        if answer_to is not None and all(row.order_id != answer_to for row in changed):
            asked = sku.allocation(answer_to)
            if asked is not None:
                work.put(sku.row_key(asked), asked)
                changed.append(asked)
        for row in changed:
            lines = sku.tell(row)
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
        """Moves stream time on; what is due on the way happens first, each at its own instant."""
        if until_us > work.meta.time_us:
            work.advance(until_us, lambda key: self._due(work, key))

    def _due(self, work: Work, key: bytes) -> None:
        now_us = work.meta.time_us
        sku = Sku(work, key.decode(), now_us)
        Stock(work, sku, now_us, now_us, "").come_by()
        self._close(work, sku, now_us, now_us, (0, 0, -1), "", None, facts=0)

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        return (
            DEAD_LETTERS,
            *dead_letter(record, "step_failed", "", f"the SKU's actor failed on it: {error!r}"),
        )

    # --- rows ---

    def projection_key(self, key: bytes) -> bytes | None:
        """All that figures are made of is shown; what a partition keeps for itself is not."""
        return None if key[:1] == b"\x00" and key != NETWORK_KEY else key

    def encode_row(self, key: bytes, row: Any) -> bytes:  # noqa: ARG002 - the row knows its type
        return STATE_VERSION + _encode(row)

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        return decode_row(key, raw)


def decode_row(key: bytes, raw: bytes) -> Any:
    """A row, also as a value of the `atp` projection; ValueError if its version is unknown."""
    if raw[:1] != STATE_VERSION:
        raise ValueError(f"row {key!r} has version {raw[:1]!r}, this reads {STATE_VERSION!r}")
    at = key.find(b"\x00")
    if at < 0:
        return _head(raw[1:])
    return (_OF_PARTITION[key[:2]] if at == 0 else _BY_SUFFIX[key[at + 1 : at + 2]])(raw[1:])


def decode_head(raw: bytes) -> Head:
    """A SKU's head from its value of the `atp` projection; ValueError if its version is unknown."""
    head: Head = decode_row(b"sku", raw)
    return head
