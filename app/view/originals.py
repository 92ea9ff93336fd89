"""The events behind dead letters, as they still lie in the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiohttp import web

from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import LogUnavailable
from springtide.app.view.problems import Problem
from springtide.codecs.cloudevents import Refused, structured
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.letters import DeadLetter
from springtide.codecs.messages import Fact, decode
from springtide.codecs.records import Record, TopicPartition

HEARD: Final = ("order_unknown", "too_many_facts")
"""Letters of events that came to their order, which takes none twice with the same source and id."""

_event: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode
_encode: Final = msgspec.json.Encoder().encode


class Originals:
    """See the module. `log` is read by nobody else: it reads one place at a time."""

    def __init__(self, log: KafkaLog) -> None:
        self._log = log
        self._reading = asyncio.Lock()

    async def life(self, _: web.Application) -> AsyncIterator[None]:
        yield
        await self._log.close()

    async def of(self, letter: DeadLetter) -> bytes:
        """The event as one JSON object. Problem with the reason if there is none to be had."""
        record = await self._record((letter.topic, letter.partition), letter.offset)
        if letter.topic not in INGRESS_TOPICS:
            record = await self._behind(record)
        if not record.value:
            raise _none("the record has no value")
        try:
            return structured(record.value, dict(record.headers))
        except Refused as refused:
            raise _none(refused.reason) from None

    async def _behind(self, record: Record) -> Record:
        """The record of ingress that led to a message on which an actor failed."""
        try:
            message = decode(record.value or b"")
        except msgspec.DecodeError as error:
            raise _none(f"what the actor failed on is no message: {error}") from None
        if not isinstance(message, Fact):
            raise _none(
                f"the actor failed on a message of another actor ({type(message).__name__}), and the event behind "
                "it was applied"
            )
        topic, partition, offset = message.origin
        if not 0 <= topic < len(INGRESS_TOPICS) or offset < 0:
            raise _none("the message does not say which event led to it")
        return await self._record((INGRESS_TOPICS[topic], partition), offset)

    async def _record(self, place: TopicPartition, offset: int) -> Record:
        name = f"{place[0]}/{place[1]}"
        try:
            async with self._reading:
                record = await self._log.first(place, offset, offset + 1)
        except LogUnavailable as error:
            raise Problem(
                503,
                "log-unavailable",
                "The log does not answer",
                f"{error}; nothing was written. See that the broker runs, then ask again.",
                retry_after_s=1,
            ) from error
        if record is None:
            raise _none(f"offset {offset} of {name} is not in the log any more")
        return record


def under_new_id(raw: bytes, letter: DeadLetter) -> bytes:
    """The event as it can be applied: one that its order has heard of gets an id of its own, always the same."""
    if letter.code not in HEARD:
        return raw
    try:
        event = _event(raw)
        named = _text(event["source"]), _text(event["id"])
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return raw  # it will be refused, in better words
    if named != (letter.source, letter.event_id):
        return raw
    new_id = f"{letter.event_id}~{letter.partition}.{letter.offset}"
    return _encode(event | {"id": new_id})


def _none(why: str) -> Problem:
    return Problem(
        409,
        "no-original",
        "There is no event to replay",
        f"The event behind this exception can't be had: {why}. Send the event that is to be applied as `event`, or "
        "discard the exception.",
    )
