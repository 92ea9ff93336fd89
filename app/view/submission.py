"""Events as they are posted: decoded and checked as the gateway does, before anything is written."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from springtide.agents.authority import Authority
from springtide.app.view.problems import Fault, Problem, shown
from springtide.codecs.cloudevents import EVENT_BYTES_MAX, Refused, decode, topic_of
from springtide.codecs.records import TopicPartition, partition_for

ONE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
FAULTS_MAX: Final = 100
"""Faults told of one batch; mending these and sending again tells the rest."""
CHECKED_AT_ONCE: Final = 50

_batch: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Address(msgspec.Struct):
    type: str
    subject: str


_address: Final = msgspec.json.Decoder(_Address)
_NO_HEADERS: Final[dict[str, bytes]] = {}


class Posted(NamedTuple):
    """One event, ready to be written: the place it goes to, its key, its bytes as they came, and its source."""

    place: TopicPartition
    key: bytes
    value: bytes
    source: str = ""


async def read_events(
    content_type: str,
    body: bytes,
    authority: Authority,
    partitions: Mapping[str, int],
    sources: tuple[str, ...] = (),
) -> list[Posted]:
    """The events of a body; Problem with each fault if one can't be taken, or is of none of the `sources`, if
    there are any. Gives way to others now and then."""
    if content_type not in (ONE, BATCH):
        raise Problem(
            415,
            "unsupported-content",
            "Unsupported content type",
            f"The content type is '{content_type[:100]}'; send one event as {ONE} or a JSON array as {BATCH}.",
        )
    if content_type == ONE:
        return _own(_all_or_none([_checked(body, authority, partitions)], single=True), sources, single=True)
    try:
        raws = _batch.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _malformed(f"The body is no JSON array of events: {error}.", "", str(error)) from None
    if not raws:
        raise _malformed("The batch is empty; send at least one event.", "", "empty")
    results: list[Posted | Refused] = []
    for at, raw in enumerate(raws):
        results.append(_checked(bytes(raw), authority, partitions))
        if at % CHECKED_AT_ONCE == CHECKED_AT_ONCE - 1:
            await asyncio.sleep(0)
    return _own(_all_or_none(results, single=False), sources, single=False)


def _checked(value: bytes, authority: Authority, partitions: Mapping[str, int]) -> Posted | Refused:
    """Exactly what the gateway asks of a record, told from the event alone."""
    try:
        if len(value) > EVENT_BYTES_MAX:
            raise Refused("too_large", "", f"{len(value)} bytes; at most {EVENT_BYTES_MAX} are taken")
        try:
            address = _address.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            decode("", None, value, _NO_HEADERS)  # tells what is wrong, in the gateway's words
            raise Refused("not_json", "", "the event has no type or no subject") from None
        topic, key = topic_of(address.type), address.subject.encode()
        event = decode(topic, key, value, _NO_HEADERS)
        authority.check(event)
    except Refused as refused:
        return refused
    return Posted((topic, partition_for(key, partitions[topic])), key, value, event.envelope.source)


def _all_or_none(results: list[Posted | Refused], *, single: bool) -> list[Posted]:
    posted: list[Posted] = []
    faults: list[Fault] = []
    too_large = True
    for at, result in enumerate(results):
        if isinstance(result, Refused):
            place = result.field if single else f"[{at}].{result.field}".rstrip(".")
            faults.append({"path": place, "message": result.reason, "code": result.code})
            too_large = too_large and result.code == "too_large"
        else:
            posted.append(result)
    if not faults:
        return posted
    count = len(faults)
    what = "The event can't be taken" if single else f"{count} of {len(results)} events can't be taken"
    raise Problem(
        413 if too_large else 400,
        "too-large" if too_large else "invalid-event",
        "An event is too large"
        if too_large
        else "The event is not valid"
        if single
        else "Events are not valid",
        f"{what}, and nothing was written: {faults[0]['message']}.",
        errors=faults[:FAULTS_MAX],
    )


def _own(posted: list[Posted], sources: tuple[str, ...], *, single: bool) -> list[Posted]:
    """The same; Problem for events of a source for which the caller may not speak."""
    faults: list[Fault] = []
    for at, event in enumerate(posted):
        if sources and event.source not in sources:
            path = "source" if single else f"[{at}].source"
            faults.append({"path": path, "message": f"'{shown(event.source)}' is not a source of the key"})
    if faults:
        raise Problem(
            403,
            "not-its-source",
            "Not for this key to tell",
            f"{faults[0]['path']}: {faults[0]['message']}, which may write events of {', '.join(sources)}. Nothing "
            "was written.",
            errors=faults[:FAULTS_MAX],
        )
    return posted


def _malformed(detail: str, path: str, message: str) -> Problem:
    fault: Any = {"path": path, "message": message, "code": "not_json"}
    return Problem(400, "invalid-event", "Events are not valid", detail, errors=[fault])
