"""Events that must be refused, each for one reason: copies of good ones with one thing wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import msgspec

from springtide.app.trade.emission import Broken, Emission
from springtide.codecs.cloudevents import TYPE_PREFIX, TYPE_SUFFIX
from springtide.codecs.facts import FACT_BY_NAME, INVENTORY

NOT_AUTHORITATIVE: Final = "not_authoritative"
_HTML: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
Verdict = tuple[str, str]
"""(code, field)."""


def _required(name: str) -> str:
    for field in msgspec.structs.fields(FACT_BY_NAME[name].data):
        if field.required:
            return field.encode_name
    return ""


_REQUIRED: Final = {name: _required(name) for name in FACT_BY_NAME}


def _fact(event: dict[str, Any]) -> str:
    return str(event["type"]).removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX)


def _without_field(event: dict[str, Any]) -> Verdict:
    name = _REQUIRED[_fact(event)]
    if name:
        del event["data"][name]
        return "missing_field", f"data.{name}"
    del event["time"]
    return "missing_field", "time"


def _with_wrong_type(event: dict[str, Any]) -> Verdict:
    data = event["data"]
    if "qty" in data:
        data["qty"] = f"{data['qty']} pcs"
        return "wrong_type", "data.qty"
    if data.get("lines"):
        data["lines"][0]["qty"] = "two"
        return "wrong_type", "data.lines[0].qty"
    event["subject"] = 4711
    return "wrong_type", "subject"


def _out_of_range(event: dict[str, Any]) -> Verdict:
    data = event["data"]
    if "qty" in data:
        data["qty"] = -5
        return "out_of_range", "data.qty"
    if data.get("lines"):
        data["lines"][0]["qty"] = 10**15
        return "out_of_range", "data.lines[0].qty"
    event["subject"] = ""
    return "out_of_range", "subject"


def _of_unknown_type(event: dict[str, Any]) -> Verdict:
    event["type"] = f"{TYPE_PREFIX}{_fact(event)}{TYPE_SUFFIX[:-1]}7"
    return "unknown_type", "type"


def _without_offset(event: dict[str, Any]) -> Verdict:
    event["time"] = event["time"][:23]
    return "time_without_offset", "time"


def _without_authority(event: dict[str, Any]) -> Verdict:
    inventory = FACT_BY_NAME[_fact(event)].topic == INVENTORY
    event["source"] = "carrier/dhl" if inventory else "storefront/web"
    return NOT_AUTHORITATIVE, "source"


_CHANGES: Final[dict[str, Callable[[dict[str, Any]], Verdict]]] = {
    "missing_field": _without_field,
    "wrong_type": _with_wrong_type,
    "out_of_range": _out_of_range,
    "unknown_type": _of_unknown_type,
    "time_without_offset": _without_offset,
    NOT_AUTHORITATIVE: _without_authority,
}
KINDS: Final = (*_CHANGES, "key_mismatch", "not_json")
"""Codes that `spoil` can bring about."""


def spoil(emission: Emission, kind: str, event_id: str) -> Broken:
    """A copy of a structured emission under another event id, which is refused with the code `kind`."""
    if kind == "not_json":
        value = _HTML if len(emission.value) % 2 else emission.value[: len(emission.value) // 2]
        return _broken(emission, emission.key, value, kind, "")
    event = json.loads(emission.value)
    event["id"] = event_id
    if kind == "key_mismatch":
        return _broken(emission, emission.key[::-1] + b"?", _bytes(event), kind, "subject")
    _code, field = _CHANGES[kind](event)
    return _broken(emission, emission.key, _bytes(event), kind, field)


def _bytes(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _broken(emission: Emission, key: bytes, value: bytes, code: str, field: str) -> Broken:
    broken = Broken(emission.topic, key, value, emission.headers)
    broken.code, broken.field = code, field
    return broken
