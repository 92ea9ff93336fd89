"""What is kept of the past: each message of an inbox under the entity it is to, by day of the log.

    h<day, 2 bytes><kind><entity> 0 <offset, 8 bytes>     Told: one message, and stream time before it
    f<day, 2 bytes><order or correlation id> 0 <digest>   About: a fact about something else that names it
    H<hold>                                                the SKU it is at
    N<day, 2 bytes>                                       something is kept of that day

    E<kind><partition, 4 bytes><l or g><subject> 0 <offset>   the same of what concerns every entity there: l of
                                                          places and the policy of all, g of one SKU

A day's keys lie together, so that days that are over go as a whole; what concerns everybody stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.app.view.rows import Puts, Rows
from springtide.app.view.world import Heard
from springtide.codecs.facts import CATALOG, FACT_BY_CODE, FACT_BY_NAME
from springtide.codecs.messages import Fact, decode, decode_data
from springtide.codecs.records import Record
from springtide.codecs.times import DAY_MS

HEARD, ABOUT, HOLD, DAY, EVERYBODY = b"h", b"f", b"H", b"N", b"E"
OF_ALL, OF_GOODS = b"l", b"g"
KINDS: Final = {INBOX_SKU: b"s", INBOX_ORDER: b"o", INBOX_CUSTOMER: b"c"}
HEARD_MAX: Final = 200_000
"""Messages that are gone through again for one answer."""
_CATALOG_CODES: Final = frozenset(code for code, fact in FACT_BY_CODE.items() if fact.topic == CATALOG)
_LOCATION: Final = FACT_BY_NAME["location.upserted"].code
_POLICY: Final = FACT_BY_NAME["policy.set"].code
_HOLD_PLACED: Final = FACT_BY_NAME["hold.placed"].code
_NAME_ORDERS: Final = frozenset(FACT_BY_NAME[name].code for name in ("inventory.issued", "hold.converted"))
_TELL_MORE: Final = _NAME_ORDERS | {_HOLD_PLACED}
_FACT_TAG: Final = b"\x65"  # how MessagePack writes the tag of `Fact`


class TooMuch(Exception):  # noqa: N818 - a verdict
    """More than HEARD_MAX messages would have to be gone through again."""


class Told(msgspec.Struct, array_like=True, gc=False):
    """A message as it was taken. `before_us`: stream time of its partition until then."""

    before_us: int
    timestamp_ms: int
    value: bytes
    key: bytes = b""
    """Whom it names, where it stands under everybody."""


class About(msgspec.Struct, array_like=True, gc=False):
    subject: str
    value: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
decode_told: Final = msgspec.msgpack.Decoder(Told).decode
decode_about: Final = msgspec.msgpack.Decoder(About).decode


def goes_to_all(record: Record) -> bytes | None:
    """Whether a message to an inbox concerns every entity there: OF_ALL for places and the policy of all,
    OF_GOODS for what orders are told of a SKU; None if it is to one entity."""
    value = record.value or b""
    if value[1:2] != _FACT_TAG:
        return None
    message = decode(value)
    return _concerns_all(message, record) if isinstance(message, Fact) else None


def _concerns_all(fact: Fact, record: Record) -> bytes | None:
    if fact.code not in _CATALOG_CODES:
        return None
    if fact.code == _LOCATION or (fact.code == _POLICY and record.key == b"*"):
        return OF_ALL
    return OF_GOODS if record.topic == INBOX_ORDER else None


def is_about(fact: Fact, order_id: str, correlation: str | None) -> bool:
    """Whether a fact about something else names an order, or the business transaction it belongs to."""
    if correlation is not None and fact.correlation == correlation:
        return True
    return fact.code in _NAME_ORDERS and getattr(decode_data(fact), "order_id", None) == order_id


def entries(record: Record, before_us: int, found: Puts) -> int:
    """Adds the rows that are kept of a message; stream time after it."""
    value = record.value or b""
    message = decode(value)
    time_us: int = message.time_us
    if time_us < before_us:
        time_us = before_us
    key = record.key
    if not key:
        return time_us
    topic = record.topic
    fact = message if isinstance(message, Fact) else None
    if fact is None and topic == INBOX_CUSTOMER:
        return time_us
    to_all = None if fact is None else _concerns_all(fact, record)
    offset = record.offset.to_bytes(8, "big")
    if to_all is not None:
        told = _encode(Told(before_us, record.timestamp_ms, value, key))
        found[everybody(KINDS[topic], record.partition, to_all) + key + b"\x00" + offset] = told
        return time_us
    day = day_of(record.timestamp_ms)
    if fact is not None:
        _note_others(fact, key, value, day, found)
    found[DAY + day] = b""
    if topic != INBOX_CUSTOMER:
        told = _encode(Told(before_us, record.timestamp_ms, value))
        found[b"%b%b%b%b\x00%b" % (HEARD, day, KINDS[topic], key, offset)] = told
    return time_us


def _note_others(fact: Fact, key: bytes, value: bytes, day: bytes, found: Puts) -> None:
    """What is found by whom a fact names beside the one it is to."""
    data = decode_data(fact) if fact.code in _TELL_MORE else None
    for name in (fact.correlation, getattr(data, "order_id", None)):
        if name and name.encode() != key:
            about = _encode(About(key.decode(), value))
            found[ABOUT + day + name.encode() + b"\x00" + fact.digest] = about
    if fact.code == _HOLD_PLACED:
        found[HOLD + getattr(data, "hold_id", "").encode()] = key


def days(rows: Rows) -> list[bytes]:
    """Days of which something is kept, the first first."""
    return [key[1:] for key, _ in rows.scan(DAY)]


def heard(rows: Rows, prefixes: Iterable[bytes], inbox: str, partition: int, entity: bytes) -> list[Heard]:
    """The messages whose keys begin so, in the order in which they came."""
    found: list[Heard] = []
    for prefix in prefixes:
        for key, raw in rows.scan(prefix):
            told = decode_told(raw)
            offset = int.from_bytes(key[-8:], "big")
            record = Record(inbox, partition, offset, told.timestamp_ms, told.key or entity, told.value)
            found.append(Heard(told.before_us, record))
        if len(found) > HEARD_MAX:
            raise TooMuch
    found.sort(key=lambda one: one.record.offset)
    return found


def to_everybody(kind: bytes, partition: int, skus: Iterable[str]) -> list[bytes]:
    """Prefixes of what concerns everybody there, and of what orders are told of these SKUs."""
    goods = everybody(kind, partition, OF_GOODS)
    return [everybody(kind, partition, OF_ALL), *(goods + sku.encode() + b"\x00" for sku in skus)]


def everybody(kind: bytes, partition: int, of: bytes) -> bytes:
    """Under what stands what concerns every entity of an inbox's partition."""
    return EVERYBODY + kind + partition.to_bytes(4, "big") + of


def day_of(timestamp_ms: int) -> bytes:
    return _day(timestamp_ms // DAY_MS)


@lru_cache(maxsize=8)
def _day(number: int) -> bytes:
    return max(0, number).to_bytes(2, "big")
