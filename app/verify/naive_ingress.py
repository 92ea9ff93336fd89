"""What must become of one ingress record, by the event contract: a fact in the inboxes of all whom it concerns,
or a dead letter.

It reads an event the slow way, attribute by attribute from plain JSON; of the codecs it takes the registry
of facts and the form of an inbox message, not the decoder that the gateway uses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.codecs import facts as f
from springtide.codecs.facts import FACT_BY_NAME, FACT_TYPES, INGRESS_TOPICS, Data, FactType
from springtide.codecs.messages import Fact
from springtide.codecs.records import Record

EVENT_BYTES_MAX: Final = 1 << 20
KINDS: Final = ("crm", "oms", "erp", "wms", "carrier", "storefront")
TEXT_MAX: Final = 256
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = datetime(2200, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_WORD: Final = re.compile(r"[a-z]+")
_Instant: Final = Annotated[datetime, msgspec.Meta(tz=True)]
_BINARY: Final = (
    "id",
    "source",
    "type",
    "specversion",
    "subject",
    "time",
    "recordedtime",
    "sequence",
    "correlationid",
    "causationid",
    "traceparent",
)
_SUBJECTS: Final = {
    "order.placed": "order_id",
    "order.changed": "order_id",
    "product.upserted": "sku",
    "product.discontinued": "sku",
    "price.set": "sku",
    "location.upserted": "location",
    "customer.upserted": "customer_id",
    "policy.set": "scope",
}
"""Which field says the subject once more."""
_WEEK: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_pack: Final = msgspec.msgpack.Encoder().encode
_json: Final = msgspec.json.Decoder().decode


class Way(NamedTuple):
    """Where a fact goes: to the inbox partition of its subject, or to all of an inbox."""

    inbox: str
    to_all: bool = False


_BY_TOPIC: Final[dict[str, tuple[Way, ...]]] = {
    **dict.fromkeys(("orders", "shipments", "invoices", "returns"), (Way(INBOX_ORDER),)),
    "inventory": (Way(INBOX_SKU),),
    "credits": (Way(INBOX_CUSTOMER),),
}


def ways(fact: str, topic: str, subject: str) -> tuple[Way, ...]:
    """What the fact is about, and who must know. The catalog concerns all orders; places, and the policy for
    all SKUs, concern all SKUs too."""
    if topic in _BY_TOPIC:
        return _BY_TOPIC[topic]
    if fact == "customer.upserted":
        return (Way(INBOX_CUSTOMER),)
    if fact == "price.set":
        return (Way(INBOX_SKU),)
    of_all_skus = fact == "location.upserted" or (fact == "policy.set" and subject == "*")
    return (Way(INBOX_SKU, of_all_skus), Way(INBOX_ORDER, True))


class Refused(Exception):  # noqa: N818 - a verdict on an event
    """The record must become a dead letter; the message says why."""


class NaiveIngress:
    """`authority` and `sources` as in the settings: fact -> kinds that may state it, source -> its kind."""

    def __init__(
        self,
        authority: Mapping[str, tuple[str, ...]] | None = None,
        sources: Mapping[str, str] | None = None,
        *,
        strict: bool = False,
    ) -> None:
        self._may_state = {fact.name: fact.sources for fact in FACT_TYPES} | dict(authority or {})
        self._sources = dict(sources or {})
        self._strict = strict
        self._kinds: dict[str, str | None] = {}

    def fact(self, record: Record) -> tuple[str, Fact, tuple[Way, ...]]:
        """(subject, the inbox message that the record must become, whom it concerns). Raises Refused."""
        event = _event(record)
        source = _name(event, "source", TEXT_MAX)
        event_id = _name(event, "id", TEXT_MAX)
        subject = _name(event, "subject", 128)
        if event.get("specversion") != "1.0":
            raise Refused("specversion is not 1.0")
        fact = _type(event.get("type"), record.topic)
        if record.key is not None and record.key != subject.encode():
            raise Refused("the key is not the subject")
        for name in ("correlationid", "causationid", "traceparent"):
            text = event.get(name)
            if text is not None and (not isinstance(text, str) or len(text) > TEXT_MAX):
                raise Refused(f"{name} is no text of at most {TEXT_MAX} characters")
        at = _instant(event.get("time"))
        recorded = event.get("recordedtime")
        said = at if recorded is None else _instant(recorded)
        if not _EPOCH <= at <= _LAST or not _EPOCH <= said <= _LAST:
            raise Refused("time or recordedtime lies outside the years 1970 to 2200")
        recorded_us = record.timestamp_ms * 1_000 if recorded is None else _micros(said)
        try:
            data = msgspec.convert(event.get("data"), fact.data)
        except (msgspec.ValidationError, OverflowError) as error:
            raise Refused(f"data: {error}") from None
        _check_days(data)
        named = _SUBJECTS.get(fact.name)
        if named is not None and getattr(data, named) not in (None, subject):
            raise Refused(f"data.{named} is not the subject")
        if isinstance(data, f.LocationUpserted):
            _check_calendar(data)
        of_order = record.topic in ("orders", "shipments", "invoices", "returns")
        self._check_authority(source, fact)
        message = Fact(
            fact.code,
            _micros(at),
            recorded_us,
            blake2b(f"{source}\x00{event_id}\x00{subject}".encode(), digest_size=16).digest(),
            source,
            event_id,
            (INGRESS_TOPICS.index(record.topic), record.partition, record.offset),
            _sequence(event.get("sequence")),
            event.get("correlationid") or (subject if of_order else None),
            msgspec.Raw(_pack(data)),
        )
        return subject, message, ways(fact.name, record.topic, subject)

    def _check_authority(self, source: str, fact: FactType) -> None:
        if source not in self._kinds:
            words = [word for word in _WORD.findall(source.lower()) if word in KINDS]
            self._kinds[source] = self._sources.get(source) or (words[0] if words else None)
        kind = self._kinds[source]
        if kind not in self._may_state[fact.name] and (kind is not None or self._strict):
            raise Refused(f"{source} may not state {fact.name}")


def _event(record: Record) -> dict[str, Any]:
    value = record.value
    if not value or len(value) > EVENT_BYTES_MAX:
        raise Refused("the value is empty or too large")
    try:
        event = _json(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the value is no JSON: {error}") from None
    headers = {name.lower(): raw for name, raw in record.headers}
    if "ce_id" in headers:
        if not headers.get("content-type", b"json").split(b";")[0].strip().endswith(b"json"):
            raise Refused("the content type is no JSON")
        attributes = {name: headers[f"ce_{name}"] for name in _BINARY if f"ce_{name}" in headers}
        try:
            return {name: raw.decode() for name, raw in attributes.items()} | {"data": event}
        except UnicodeDecodeError:
            raise Refused("a header is no UTF-8") from None
    if not isinstance(event, dict) or "data" not in event:
        raise Refused("the event is no object with data")
    return event


def _name(event: Mapping[str, Any], name: str, length_max: int) -> str:
    text = event.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= length_max or _CONTROL.search(text):
        raise Refused(f"{name} is no text of 1 to {length_max} characters")
    return text


def _type(name: Any, topic: str) -> FactType:
    if isinstance(name, str) and name.startswith("springtide.") and name.endswith(".v1"):
        fact = FACT_BY_NAME.get(name[len("springtide.") : -len(".v1")])
        if fact is not None and fact.topic == topic:
            return fact
    raise Refused("the type is unknown on this topic")


def _instant(text: Any) -> datetime:
    if not isinstance(text, str):
        raise Refused("an instant is missing")
    try:
        at: datetime = msgspec.convert(text, _Instant)
    except msgspec.ValidationError as error:
        raise Refused(f"{text[:40]} is no instant with an offset: {error}") from None
    return at


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _sequence(value: Any) -> int | None:
    if isinstance(value, str):
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
            raise Refused("sequence is no integer")
        value = int(value)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 1 << 63:
        raise Refused("sequence is no integer of 64 bits")
    return value


def _check_days(data: Data) -> None:
    """Days, and instants that may stand for one, wherever the contract has them."""
    parts = [data, *(getattr(data, "lines", None) or ()), *(getattr(data, "substitutes", None) or ())]
    for place in [*parts, getattr(data, "superseded_by", None)]:
        for name in ("promised_by", "requested_date", "due", "valid_from", "valid_to"):
            text = getattr(place, name, None)
            if text is not None:
                at = _instant(text if len(text) > len("2026-03-02") else f"{text}T00:00:00Z")
                if not _EPOCH <= at <= _LAST:
                    raise Refused(f"{name} lies outside the years 1970 to 2200")


def _check_calendar(place: f.LocationUpserted) -> None:
    """A place keeps the hours of a zone that there is, and works on days that there are."""
    try:
        ZoneInfo(place.timezone)
    except (OSError, ValueError, KeyError):
        raise Refused("timezone is none") from None
    for day in place.working_days if place.working_days is not None else (1,):
        name = str(day).strip().lower()
        number = name.isdigit() and len(name) == 1 and 1 <= int(name) <= len(_WEEK)
        short = isinstance(day, str) and len(name) > 1 and any(known.startswith(name) for known in _WEEK)
        if not number and not short:
            raise Refused(f"{day} is no day of the week")
    if place.working_days == ():
        raise Refused("working_days names no day")
