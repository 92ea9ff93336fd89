"""An example of a type, made from the type: the words are those of the sample trade, all else is as the type says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec import inspect

_AT: Final = "2026-03-02T06:00:00Z"
_WORDS: Final[Mapping[str, Any]] = {
    "DeadLetter.id": "orders/1/17",
    "ExceptionAction.id": "orders/1/17",
    "Key.id": "4f0c1d2e3a4b5c6d",
    "Key.name": "shop",
    "Replay.id": "5a6b7c8d",
    "Subscription.id": "1a2b3c4d",
    "Subscription.name": "CRM of the north",
    "MilestoneTold.name": "released",
    "ShipTo.region": "Berlin",
    "amount": "59.80",
    "at": _AT,
    "by": "ops",
    "cancels": "carrier/dhl scan-17",
    "carrier": "dhl",
    "cause": "stock_shortage",
    "channel": "web",
    "class": "retail",
    "channels": "b2b",
    "client_id": "springtide",
    "client_secret": "its secret",
    "code": "wrong_type",
    "correlation_id": "SO1-000001",
    "correlationid": "SO1-000001",
    "country": "DE",
    "currency": "EUR",
    "customer_class": "retail",
    "customer_id": "C-000001",
    "cutoff": "14:00",
    "due": "2026-03-09",
    "event_id": "oms/main order-1",
    "event_type": "springtide.order.placed.v1",
    "exposure": "420.00",
    "field": "data.lines[0].qty",
    "fields": "Status__c",
    "fields[]": "status",
    "hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "hold_id": "H-1",
    "holds": "fraud_review",
    "id": "order-1",
    "invoice_id": "IN1-000001",
    "limit": "5000.00",
    "line_id": "1",
    "list": "LIST",
    "location": "BER",
    "memo_id": "CM1-000001",
    "name": "A name",
    "occurred_at": _AT,
    "order_id": "SO1-000001",
    "orders": "SO1-000001",
    "owner": "cart-7",
    "partner": "shop",
    "payment_id": "PAY1-000001",
    "place": "Leipzig",
    "positions": "orders/2",
    "postcode": "10115",
    "previous": "ALLOCATED",
    "price": "29.90",
    "promised_by": "2026-03-06",
    "qty_per": 2,
    "reason": "as the customer wishes",
    "recorded_at": _AT,
    "recordedtime": "2026-03-02T06:00:02Z",
    "region": "DE-BE",
    "requested_date": "2026-03-04",
    "return_id": "R1-000001",
    "scope": "*",
    "scope[]": "1",
    "scopes": "atp:read",
    "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "shipment_id": "SH1-000001",
    "shipments": "SH1-000001",
    "sku": "LAMP-00001",
    "skus": "LAMP-00001",
    "customers": "C-000001",
    "customer": "C-000001",
    "source": "oms/main",
    "sources": "oms/main",
    "status": "IN_FULFILMENT",
    "subscription": "1a2b3c4d",
    "supply_id": "PO-1",
    "time": _AT,
    "timezone": "Europe/Berlin",
    "token_url": "https://crm.example.com/token",
    "topic": "orders",
    "total": "59.80",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "tracking": "JJD000000001",
    "ttl_s": 600,
    "uom": "PCE",
    "url": "https://crm.example.com/hooks/springtide",
    "valid_from": "2026-03-01",
    "valid_to": "2026-12-31",
    "value": '{"specversion": "1.0", ...}',
    "value_bytes": 27,
    "working_days[]": 1,
}
"""By the name of a field, or first by that of its type and itself; of what is in a list or a map by the field's name
with `[]`, else its name."""


def example(kind: Any, name: str = "") -> Any:
    """A value of a type, as it stands in JSON, with every field that a word or a default can fill."""
    return _made(inspect.type_info(kind), name)


def _field(kind: inspect.StructType, field: inspect.Field) -> Any:
    own = f"{kind.cls.__name__}.{field.encode_name}"
    if own in _WORDS:
        return _WORDS[own]
    if isinstance(field.default, bool | int | float) or (isinstance(field.default, str) and field.default):
        return field.default
    return _made(field.type, field.encode_name)


def _made(kind: inspect.Type, name: str) -> Any:
    if isinstance(kind, inspect.StructType):
        found = {field.encode_name: _field(kind, field) for field in kind.fields}
        return {name: value for name, value in found.items() if value is not None}
    if isinstance(kind, inspect.Metadata):
        return _made(kind.type, name)
    if isinstance(kind, inspect.UnionType):
        return next((made for one in kind.types if (made := _made(one, name)) is not None), None)
    if isinstance(kind, inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, inspect.VarTupleType | inspect.ListType):
        return [_made(kind.item_type, f"{name}[]" if f"{name}[]" in _WORDS else name)]
    if isinstance(kind, inspect.DictType):
        return {
            str(_WORDS.get(name, "CS" if name == "pack" else "name")): _made(kind.value_type, f"{name}[]")
        }
    if isinstance(kind, inspect.BoolType):
        return False
    word = _WORDS.get(name)
    if isinstance(kind, inspect.StrType | inspect.DateTimeType):
        return word if isinstance(word, str) else None
    if isinstance(kind, inspect.IntType):
        return word if isinstance(word, int) else max(1, kind.ge or 1)
    return 1.0 if isinstance(kind, inspect.FloatType) else None
