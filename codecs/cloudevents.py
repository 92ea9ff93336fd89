"""CloudEvents 1.0 from Kafka or HTTP: structured and binary mode to one envelope, or a clear refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from springtide.codecs.facts import (
    FACT_BY_NAME,
    ID_FIELDS,
    INGRESS_TOPICS,
    NO_CONTROL,
    CustomerUpserted,
    Data,
    FactType,
    FenceSet,
    Id,
    LocationUpserted,
    OrderChanged,
    OrderPlaced,
    PolicySet,
    PriceSet,
    ProductDiscontinued,
    ProductUpserted,
    SupplyRescheduled,
    SupplyScheduled,
)
from springtide.codecs.times import TIME_MAX_US, TIME_MIN_US, day_start, micros

EVENT_BYTES_MAX: Final = 1 << 20
"""Largest event that is decoded, in bytes. Larger ones become dead letters that point at the log."""
STRUCTURED: Final = b"application/cloudevents+json"
TYPE_PREFIX: Final = "springtide."
TYPE_SUFFIX: Final = ".v1"
CORRELATION_MAX: Final = 256
SEQUENCE_MAX: Final = (1 << 63) - 1

SourceName = Annotated[str, Meta(min_length=1, max_length=256), NO_CONTROL]


class Refused(Exception):  # noqa: N818 - it is a verdict on an event, not an error of ours
    """An event that can't be taken. `code` is for machines, `field` names the place, as a path."""

    def __init__(self, code: str, field: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.field = field
        self.reason = reason


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """Attributes of one event."""

    id: SourceName
    source: SourceName
    type: str
    specversion: str
    subject: Id
    time: Annotated[datetime, Meta(tz=True)]  # keeps its offset until `micros` drops it
    data: msgspec.Raw
    recordedtime: Annotated[datetime, Meta(tz=True)] | None = None
    sequence: int | str | None = None
    correlationid: Annotated[str, Meta(max_length=CORRELATION_MAX)] | None = None
    causationid: Annotated[str, Meta(max_length=CORRELATION_MAX)] | None = None
    traceparent: Annotated[str, Meta(max_length=CORRELATION_MAX)] | None = None


_envelope: Final = msgspec.json.Decoder(Envelope)
_any: Final = msgspec.json.Decoder()
_encode_json: Final = msgspec.json.Encoder().encode
_data: Final[dict[str, msgspec.json.Decoder[Data]]] = {
    name: msgspec.json.Decoder(fact.data) for name, fact in FACT_BY_NAME.items()
}
_BINARY_ATTRIBUTES: Final = frozenset(Envelope.__struct_fields__) - {"data"}
_DAY_FIELDS: Final[dict[type[Data], tuple[str, ...]]] = {
    OrderPlaced: ("promised_by",),
    OrderChanged: (),
    SupplyScheduled: ("due",),
    SupplyRescheduled: ("due",),
    FenceSet: ("valid_from", "valid_to"),
    PriceSet: ("valid_from", "valid_to"),
    ProductUpserted: (),
}
SUBJECT_FIELDS: Final[dict[type[Data], str]] = {
    OrderPlaced: "order_id",
    OrderChanged: "order_id",
    ProductUpserted: "sku",
    ProductDiscontinued: "sku",
    PriceSet: "sku",
    LocationUpserted: "location",
    CustomerUpserted: "customer_id",
    PolicySet: "scope",
}
"""Which field of data says again what the subject is."""
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INTEGER: Final = re.compile(r"^-?[0-9]{1,19}$", re.ASCII)
_PATH: Final = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING: Final = re.compile(r"^Object missing required field `([^`]+)`")


class Event(msgspec.Struct, frozen=True, gc=False):
    """A well-formed event: its envelope, its type and its typed data."""

    envelope: Envelope
    fact: FactType
    data: Data
    time_us: int
    recorded_us: int | None
    sequence: int | None


def _refusal(error: msgspec.ValidationError, within: str) -> Refused:
    """Turns msgspec's message into a code and the path of the field, e.g. `data.lines[...].qty`."""
    text = str(error)
    match = _PATH.search(text)
    path = match.group(1) if match else ""
    missing = _MISSING.match(text)
    if missing:
        path = f"{path}.{missing.group(1)}" if path else missing.group(1)
    if within:
        path = f"{within}.{path}" if path else within
    reason = _PATH.sub("", text)
    if missing:
        return Refused("missing_field", path, f"{path} is missing")
    if "to have a timezone" in reason or "timezone component" in reason:
        return Refused("time_without_offset", path, f"{path} has no offset: write e.g. 2026-03-02T06:00:00Z")
    code = (
        "out_of_range"
        if any(w in reason for w in ("`int` >", "`int` <", "of length", "matching"))
        else "wrong_type"
    )
    return Refused(code, path, f"{path}: {reason}")


def decode(topic: str, key: bytes | None, value: bytes | None, headers: Mapping[str, bytes]) -> Event:
    """Decodes and checks one event as it came on an ingress topic, but not who may state it.

    Raises Refused with one of the codes `not_json, too_large, missing_field, wrong_type, out_of_range,
    time_without_offset, unknown_type, wrong_topic, key_mismatch, unsupported_content`.
    """
    if not value:
        raise Refused("not_json", "", "the record has no value")
    if len(value) > EVENT_BYTES_MAX:
        raise Refused("too_large", "", f"{len(value)} bytes; at most {EVENT_BYTES_MAX} are taken")
    if headers:
        value = structured(value, headers)
    try:
        envelope = _envelope.decode(value)
    except msgspec.ValidationError as error:
        raise _refusal(error, "") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("not_json", "", f"the value is no JSON: {error}") from None
    return check(envelope, topic, key, escaped=b"\\" in value)


def structured(value: bytes, headers: Mapping[str, bytes]) -> bytes:
    """The event of a record as one JSON object, which it is already unless it came in binary mode. Raises
    Refused."""
    if "ce_id" in headers or any(name.lower() == "ce_id" for name in headers):
        return _from_binary(value, headers)
    return value


def check(envelope: Envelope, topic: str | None, key: bytes | None, *, escaped: bool = True) -> Event:
    """The second half of `decode`, for an envelope; `topic` None takes the type's own. `escaped` False says
    that its JSON had no backslash, so that no string in it can hold a control character."""
    if envelope.specversion != "1.0":
        raise Refused(
            "unsupported_content", "specversion", f"specversion is '{envelope.specversion}'; this is 1.0"
        )
    fact = _fact_type(envelope.type)
    if topic is not None and fact.topic != topic:
        raise Refused(
            "wrong_topic", "type", f"{envelope.type} belongs on topic '{fact.topic}', not '{topic}'"
        )
    if key is not None and key != envelope.subject.encode():
        shown = key[:128].decode(errors="replace")
        raise Refused(
            "key_mismatch", "subject", f"the record's key '{shown}' is not its subject '{envelope.subject}'"
        )
    try:
        data = _data[fact.name].decode(envelope.data)
    except msgspec.ValidationError as error:
        raise _refusal(error, "data") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("not_json", "data", f"data is no JSON: {error}") from None
    if escaped:
        named_so = {"id": envelope.id, "source": envelope.source, "subject": envelope.subject}
        refuse_control_characters(named_so, "")
        refuse_control_characters(msgspec.to_builtins(data), "data")
    field = SUBJECT_FIELDS.get(type(data))
    if field is not None:
        named = getattr(data, field)
        if named is not None and named != envelope.subject:
            raise Refused(
                "key_mismatch",
                f"data.{field}",
                f"data.{field} '{named}' is not the event's subject '{envelope.subject}'",
            )
        if isinstance(data, LocationUpserted):
            _check_calendar(data)
    if type(data) in _DAY_FIELDS:
        for path, text in _days(data):
            _check_day(path, text)
    time_us = _in_range("time", envelope.time)
    recorded = envelope.recordedtime
    return Event(
        envelope=envelope,
        fact=fact,
        data=data,
        time_us=time_us,
        recorded_us=None if recorded is None else _in_range("recordedtime", recorded),
        sequence=_sequence(envelope.sequence),
    )


def refuse_control_characters(found: Any, path: str) -> None:
    """Refused for an id that holds one. JSON can smuggle them in by escapes alone, so only escaped texts need come
    here."""
    if isinstance(found, dict):
        for name, value in found.items():
            place = f"{path}.{name}" if path else str(name)
            texts = value if isinstance(value, (list, tuple)) else (value,)
            for text in texts:
                if name in ID_FIELDS and isinstance(text, str) and any(ord(mark) < 32 for mark in text):
                    raise Refused("out_of_range", place, f"{place} holds a control character")
            refuse_control_characters(value, place)
    elif isinstance(found, (list, tuple)):
        for value in found:
            refuse_control_characters(value, f"{path}[...]")


@lru_cache(maxsize=1_024)
def _fact_type(name: str) -> FactType:
    short = name.removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX)
    fact = FACT_BY_NAME.get(short)
    if fact is None or name != f"{TYPE_PREFIX}{short}{TYPE_SUFFIX}":
        raise Refused(
            "unknown_type", "type", f"unknown type '{name[:200]}'; known: springtide.order.placed.v1, ..."
        )
    return fact


def topic_of(type_name: str) -> str:
    """The ingress topic of an event type; Refused if the type is unknown."""
    topic = _fact_type(type_name).topic
    assert topic in INGRESS_TOPICS
    return topic


def _in_range(field: str, at: datetime) -> int:
    at_us = micros(at)
    if not TIME_MIN_US <= at_us <= TIME_MAX_US:
        raise Refused("out_of_range", field, f"{field} lies outside the years 1970 to 2200")
    return at_us


def _days(data: Data) -> Iterator[tuple[str, str]]:
    """(path, text) of each calendar day in an event's data, and of each instant that may stand for one."""
    for name in _DAY_FIELDS[type(data)]:
        text = getattr(data, name)
        if text is not None:
            yield f"data.{name}", text
    if isinstance(data, ProductUpserted):
        if data.superseded_by is not None:
            yield "data.superseded_by.valid_from", data.superseded_by.valid_from
        for at, substitute in enumerate(data.substitutes or ()):
            if substitute.valid_from is not None:
                yield f"data.substitutes[{at}].valid_from", substitute.valid_from
    if isinstance(data, OrderPlaced | OrderChanged):
        for at, line in enumerate(data.lines):
            if line.requested_date is not None:
                yield f"data.lines[{at}].requested_date", line.requested_date


def _check_day(path: str, text: str) -> None:
    try:
        day_us = day_start(text)
    except ValueError:
        raise Refused("out_of_range", path, f"{path}: '{text}' is neither a day nor an instant") from None
    if not TIME_MIN_US <= day_us <= TIME_MAX_US:
        raise Refused("out_of_range", path, f"{path} lies outside the years 1970 to 2200")


def _check_calendar(data: LocationUpserted) -> None:
    if not _is_timezone(data.timezone):
        raise Refused(
            "out_of_range",
            "data.timezone",
            f"data.timezone '{data.timezone}' is no IANA time zone: write e.g. Europe/Berlin",
        )
    if data.working_days is not None:
        if not data.working_days:
            raise Refused("out_of_range", "data.working_days", "data.working_days names no day; leave it out")
        for at, day in enumerate(data.working_days):
            if not _is_weekday(day):
                path = f"data.working_days[{at}]"
                raise Refused(
                    "out_of_range", path, f"{path}: '{day}' is no weekday: write 1 (Monday) to 7, or a name"
                )


@lru_cache(maxsize=1_024)
def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _is_weekday(day: int | str) -> bool:
    if isinstance(day, str):
        name = day.strip().lower()
        if not name.isdigit():
            return len(name) >= 2 and any(known.startswith(name) for known in _WEEKDAYS)
        day = int(name) if len(name) == 1 else 0
    return 1 <= day <= 7


def _sequence(value: int | str | None) -> int | None:
    if isinstance(value, str):
        if not _INTEGER.match(value):
            raise Refused("wrong_type", "sequence", f"sequence '{value[:40]}' is no integer")
        value = int(value)
    if value is not None and not -SEQUENCE_MAX <= value <= SEQUENCE_MAX:
        raise Refused("out_of_range", "sequence", f"sequence is not within {SEQUENCE_MAX} of 0")
    return value


def _from_binary(value: bytes, headers: Mapping[str, bytes]) -> bytes:
    """A binary-mode record (`ce_*` headers, the value is `data`) as a structured one."""
    attributes: dict[str, Any] = {}
    for name, raw in headers.items():
        lower = name.lower()
        if lower == "content-type" and not raw.split(b";")[0].strip().endswith(b"json"):
            raise Refused(
                "unsupported_content", "content-type", f"content-type {raw[:80]!r}: data must be JSON"
            )
        if lower.startswith("ce_") and lower[3:] in _BINARY_ATTRIBUTES:
            try:
                attributes[lower[3:]] = raw.decode()
            except UnicodeDecodeError:
                raise Refused("wrong_type", lower[3:], f"header {lower} is no UTF-8") from None
    try:
        _any.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("not_json", "data", f"data is no JSON: {error}") from None
    return _encode_json(attributes | {"data": msgspec.Raw(value)})
