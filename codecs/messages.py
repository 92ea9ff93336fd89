"""What actors write into each other's inboxes: compact, tagged, versioned (the tag is version x 100 + kind).

Times are stream time in microseconds. `origin` names the ingress record that led to the message, as
(index in INGRESS_TOPICS, partition, offset): it makes every effect traceable and every read answerable
to "is my write in it yet".
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec

from springtide.codecs.facts import FACT_BY_CODE, Data

Origin: TypeAlias = tuple[int, int, int]


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Base of all inbox messages."""


class Fact(Message, frozen=True, array_like=True, gc=False, tag=101):
    """An outside event, checked by the gateway. `digest` names it for one addressee (dedup)."""

    code: int
    time_us: int
    recorded_us: int
    digest: bytes
    source: str
    id: str
    origin: Origin
    sequence: int | None
    correlation: str | None
    data: msgspec.Raw

    @property
    def event_id(self) -> str:
        """How answers name this event: its source and id."""
        return f"{self.source} {self.id}"


class Tick(Message, frozen=True, array_like=True, gc=False, tag=102):
    """Time passes, though nothing else happens; and all of ingress up to `seen` is on its way or done.

    `via` is the OrderActor partition that passes it on to SkuActors; -1 for the gateway's own.
    """

    time_us: int
    seen: dict[str, int]
    """`topic/partition` of ingress -> highest offset whose effects come before this message."""
    via: int = -1


class DemandLine(Message, frozen=True, array_like=True, gc=False):
    """One line of an order at one SKU. All quantities are totals since the order began, never deltas."""

    line_id: str
    want: int
    """Ordered minus cancelled, shipped units included."""
    location: str | None
    released: dict[str, int]
    """Location -> units on shipments that are released, shipped or not."""
    shipped: dict[str, int]
    """Location -> units on shipments that left."""


class Demand(Message, frozen=True, array_like=True, gc=False, tag=103):
    """OrderActor -> SkuActor: all that an order wants of a SKU now, absolutely.

    `request` rises with each Demand of the same order at the same SKU; a repeat is answered, not applied.
    `complete` grants every line whole or nothing; `parked` keeps the rank but takes nothing.
    """

    order_id: str
    request: int
    time_us: int
    origin: Origin
    event_id: str
    placed_us: int
    priority: int
    channel: str
    complete: bool
    parked: bool
    single: bool
    max_splits: int
    """0: no limit."""
    shipments: tuple[tuple[str, str, int], ...]
    """(shipment_id, location, units of this SKU that left) for each shipment; 0 while it is only released."""
    lines: tuple[DemandLine, ...]
    recorded_us: int = 0
    """When the fact behind it was recorded; `time_us` is when that fact occurred."""


class SuppliedLine(Message, frozen=True, array_like=True, gc=False):
    """What one line has: `cells` location -> units held for it and not yet shipped."""

    line_id: str
    allocated: int
    backordered: int
    cells: dict[str, int]


class Supplied(Message, frozen=True, array_like=True, gc=False, tag=104):
    """SkuActor -> OrderActor: what the order has at this SKU now, absolutely. `seq` rises per (SKU, order).

    `time_us` is when the fact behind it occurred: the order's own, or the stock fact that freed the units.
    """

    sku: str
    request: int
    seq: int
    time_us: int
    recorded_us: int
    origin: Origin
    event_id: str
    lines: tuple[SuppliedLine, ...]


InboxMessage: TypeAlias = Fact | Tick | Demand | Supplied

_decoder: Final = msgspec.msgpack.Decoder(InboxMessage)
_encoder: Final = msgspec.msgpack.Encoder()
_data_decoders: Final = {code: msgspec.msgpack.Decoder(fact.data) for code, fact in FACT_BY_CODE.items()}

decode = _decoder.decode
encode = _encoder.encode


def encode_data(data: Data) -> msgspec.Raw:
    """A fact's data as it travels inside `Fact.data`."""
    return msgspec.Raw(_encoder.encode(data))


def decode_data(fact: Fact) -> Data:
    """The typed data of a fact."""
    return _data_decoders[fact.code].decode(fact.data)


def digest(source: str, event_id: str, addressee: str) -> bytes:
    """16 bytes that name an event for one addressee: the same (source, id) there again is a duplicate."""
    return blake2b(f"{source}\x00{event_id}\x00{addressee}".encode(), digest_size=16).digest()
