"""Dead letters: a record that could not be applied, why, and whom it concerns as far as it can be read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.codecs.cloudevents import TYPE_PREFIX, TYPE_SUFFIX
from springtide.codecs.facts import CATALOG, CREDITS, FACT_BY_CODE, INVENTORY
from springtide.codecs.letters import DeadLetter, Impact, encode_letter, shown
from springtide.codecs.messages import Fact, decode
from springtide.codecs.records import Record
from springtide.codecs.times import rfc3339

IDS_MAX: Final = 50
_READ_BYTES_MAX: Final = 1 << 20
_any: Final = msgspec.json.Decoder().decode


def dead_letter(record: Record, code: str, field: str, reason: str) -> tuple[bytes, bytes]:
    """(key, value) of the letter for an ingress record. The record itself stays where it is in the log."""
    name = f"{record.topic}/{record.partition}/{record.offset}"
    value = record.value
    event = _readable(record)
    text, is_base64 = shown(value)
    letter = DeadLetter(
        id=name,
        code=code,
        field=field,
        reason=reason[:2_000],
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=rfc3339(max(0, record.timestamp_ms) * 1_000),
        key=None if record.key is None else record.key[:256].decode(errors="replace"),
        event_type=_text(event, "type"),
        event_id=_text(event, "id"),
        source=_text(event, "source"),
        impact=_impact(record, event),
        value=text,
        value_base64=is_base64,
        value_bytes=0 if value is None else len(value),
    )
    return name.encode(), encode_letter(letter)


def _readable(record: Record) -> dict[str, Any]:
    """What can be read of a record's event, whatever is wrong with it; empty if nothing can."""
    value = record.value
    if not value or len(value) > _READ_BYTES_MAX:
        return {}
    if record.topic in (INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER):
        return _of_message(value)
    try:
        read = _any(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    headers = {name.lower(): raw for name, raw in record.headers}
    if "ce_id" in headers:
        return {
            name[3:]: raw.decode(errors="replace") for name, raw in headers.items() if name.startswith("ce_")
        } | {"data": read}
    return read if isinstance(read, dict) else {}


def _of_message(value: bytes) -> dict[str, Any]:
    """The same of an inbox message."""
    try:
        message = decode(value)
    except msgspec.DecodeError:
        return {}
    if not isinstance(message, Fact):
        return {"type": type(message).__name__}
    fact = FACT_BY_CODE.get(message.code)
    return {
        "type": None if fact is None else f"{TYPE_PREFIX}{fact.name}{TYPE_SUFFIX}",
        "id": message.id,
        "source": message.source,
    }


def _impact(record: Record, event: dict[str, Any]) -> Impact:
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    lines = data.get("lines")
    lines = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
    subject = _text(event, "subject") or (
        None if record.key is None else record.key[:128].decode(errors="replace")
    )
    is_stock = record.topic in (INVENTORY, INBOX_SKU)
    is_credit = record.topic in (CREDITS, INBOX_CUSTOMER)
    is_order = not is_stock and not is_credit and record.topic != CATALOG
    orders = [_text(data, "order_id"), subject if is_order else None]
    skus = [subject if is_stock else None, _text(data, "sku"), *(_text(line, "sku") for line in lines)]
    customers = [_text(data, "customer_id"), subject if is_credit else None]
    shipments = [_text(data, "shipment_id")]
    return Impact(_ids(orders), _ids(skus), _ids(shipments), _ids(customers))


def _ids(found: list[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in found if name))[:IDS_MAX]


def _text(event: dict[str, Any], name: str) -> str | None:
    value = event.get(name)
    return value[:256] if isinstance(value, str) else None
