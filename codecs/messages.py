"""What actors write into each other's inboxes: compact, tagged, versioned (the tag is version x 100 + kind).

Times are stream time in microseconds. `origin` names the ingress record that led to the message, as
(index in INGRESS_TOPICS, partition, offset): it makes every effect traceable and every read answerable
to "is my write in it yet".
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final, TypeAlias

import msgspec

from springtide.codecs.facts import FACT_BY_CODE, Data, OrderLine, Sourcing

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

    `via` is the partition of the actor that passes it on (an OrderActor to SkuActors and CustomerActors, a
    CustomerActor to OrderActors); -1 for the gateway's own.
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
    day: int | None = None
    """The day it is to ship, as days since 1970-01-01 in the location's calendar; None: today, whenever
    today is."""
    cap: int | None = None
    """Most units that may be allocated now, those that shipped included; the rest waits with its rank. None:
    all. How all-or-nothing over several SKUs and whole kits keep nobody's units in vain."""
    queues: bool = True
    """False: takes what there is now and waits for nothing (what a substitute gives)."""
    pool: str | None = None
    """The channel whose ring-fence the line uses; None: the order's own."""
    lot: int = 1
    """Units are of use in whole multiples of this only: what a kit takes of a component, or how many stand for
    one of what was ordered."""


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
    keeps_safety: bool = False
    """A promise asked for before there is an order: safety stock is not touched."""
    returns: tuple[tuple[str, int, int, int], ...] = ()
    """(location, units in quality control, sellable, damaged): what returns of this order have brought here,
    each location once, in totals."""
    sourced: bool = False
    """Whether the order says how it is sourced; else `single` may also come from the policy. A `max_splits`
    of 0 leaves it to the policy in any case."""
    awaits: bool = False
    """Whether the order waits for the answer, also when it says nothing new."""


class SuppliedLine(Message, frozen=True, array_like=True, gc=False):
    """What one line has: `cells` location -> units held for it and not yet shipped."""

    line_id: str
    allocated: int
    backordered: int
    cells: dict[str, int]
    promises: tuple[tuple[int, str, int], ...] = ()
    """(ship day as days since 1970-01-01, location, units), by day: when the line's units ship. What no
    supply covers is in none of them."""
    cause: str | None = None
    """Why the promises are worse than they were told before, as a cause of delay."""


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


class CustomerOrder(Message, frozen=True, array_like=True, gc=False, tag=105):
    """OrderActor -> CustomerActor: what an order means to its customer's credit now, absolutely.

    `request` rises with each of the same order; one at or below a known one says nothing new.
    """

    order_id: str
    request: int
    time_us: int
    open: bool
    """Whether the customer's holds are to hold it: it is neither delivered nor out of the world."""
    held: bool
    """Whether a hold of the customer holds it now."""
    currency: str
    amount: str
    """Decimal: price times units wanted and not yet shipped."""
    origin: Origin


class CustomerHold(Message, frozen=True, array_like=True, gc=False):
    """A hold on all open orders of a customer. Instants as (occurred, recorded, event id)."""

    hold_id: str
    placed: tuple[int, int, str]
    released: tuple[int, int, str] | None = None


class CustomerHolds(Message, frozen=True, array_like=True, gc=False, tag=106):
    """CustomerActor -> OrderActor: what an order is to know of its customer, absolutely. `seq` rises per
    customer with each change."""

    customer_id: str
    seq: int
    time_us: int
    recorded_us: int
    origin: Origin
    event_id: str
    customer_class: str | None
    region: str | None
    holds: tuple[CustomerHold, ...]


class PromiseAsked(Message, frozen=True, array_like=True, gc=False, tag=107):
    """A promise is asked for, before there is an order: to the actor of the order that may come of it.

    `key` names the question: the same again is answered, not applied. The record's key is the order's id, or
    one made up for the question.
    """

    key: str
    time_us: int
    recorded_us: int
    origin: Origin
    event_id: str
    expires_us: int
    """When it is given back if no order has come."""
    channel: str
    lines: tuple[OrderLine, ...]
    ship_complete: bool = False
    sourcing: Sourcing | None = None
    priority: int = 100


InboxMessage: TypeAlias = Fact | Tick | Demand | Supplied | CustomerOrder | CustomerHolds | PromiseAsked

_decoder: Final = msgspec.msgpack.Decoder(InboxMessage)
_encoder: Final = msgspec.msgpack.Encoder()
_decode_data: Final = {code: msgspec.msgpack.Decoder(fact.data).decode for code, fact in FACT_BY_CODE.items()}

decode = _decoder.decode
encode = _encoder.encode


def encode_data(data: Data) -> msgspec.Raw:
    """A fact's data as it travels inside `Fact.data`."""
    return msgspec.Raw(_encoder.encode(data))


def decode_data(fact: Fact) -> Data:
    """The typed data of a fact."""
    return _decode_data[fact.code](fact.data)


def digest(source: str, event_id: str, addressee: str) -> bytes:
    """16 bytes that name an event for one addressee: the same (source, id) there again is a duplicate."""
    return blake2b(f"{source}\x00{event_id}\x00{addressee}".encode(), digest_size=16).digest()
