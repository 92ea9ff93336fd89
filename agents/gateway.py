"""The gateway: ingress records in, checked facts out to the inbox of the entity they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from springtide.agents import passage
from springtide.agents.authority import Authority
from springtide.agents.impact import dead_letter
from springtide.agents.topics import DEAD_LETTERS, INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.agents.work import Work
from springtide.codecs.cloudevents import Event, Refused, decode
from springtide.codecs.facts import (
    CREDITS,
    INGRESS_TOPICS,
    INVENTORY,
    INVOICES,
    ORDERS,
    RETURNS,
    SHIPMENTS,
    PolicySet,
)
from springtide.codecs.messages import Fact, digest, encode, encode_data
from springtide.codecs.records import Record

_VERSION: Final = b"\x01"
_TOPIC_INDEX: Final = {name: index for index, name in enumerate(INGRESS_TOPICS)}
_INBOX: Final = {
    INVENTORY: INBOX_SKU,
    CREDITS: INBOX_CUSTOMER,
    **dict.fromkeys((ORDERS, SHIPMENTS, INVOICES, RETURNS), INBOX_ORDER),
}
"""Where the facts of a topic go; those of the catalog each have their own way."""
EVERYWHERE: Final = "*"
"""The scope of a policy for all SKUs."""
_NO_HEADERS: Final[dict[str, bytes]] = {}
_encode_row: Final = msgspec.msgpack.Encoder().encode
_decode_row: Final = msgspec.msgpack.Decoder(passage.Passed).decode


class Gateway:
    """See the module. Its only state is how far it has told the others that it has come."""

    kind = "gateway"
    inputs: tuple[str, ...] = INGRESS_TOPICS
    projection: str | None = None
    idle_after_s: float | None = 0.03

    def __init__(self, inbox_partitions: int, authority: Authority | None = None) -> None:
        self._inbox_partitions = inbox_partitions
        self._authority = authority or Authority()

    def step(self, work: Work, records: Sequence[Record]) -> None:
        """Checks each record and passes it on, or writes a dead letter that says what is wrong with it."""
        check = self._authority.check
        emit = work.emit
        newest_us = work.meta.time_us
        for record in records:
            topic = record.topic
            try:
                event = decode(
                    topic,
                    record.key,
                    record.value,
                    dict(record.headers) if record.headers else _NO_HEADERS,
                )
                check(event)
            except Refused as refused:
                work.count(f"dead_letters.{refused.code}")
                emit(DEAD_LETTERS, *dead_letter(record, refused.code, refused.field, refused.reason))
                continue
            envelope = event.envelope
            subject = envelope.subject
            inbox = _INBOX.get(topic)
            time_us = event.time_us
            if time_us > newest_us:
                newest_us = time_us
            recorded_us = event.recorded_us
            fact = Fact(
                event.fact.code,
                time_us,
                record.timestamp_ms * 1_000 if recorded_us is None else recorded_us,
                digest(envelope.source, envelope.id, subject),
                envelope.source,
                envelope.id,
                (_TOPIC_INDEX[topic], record.partition, record.offset),
                event.sequence,
                envelope.correlationid or (subject if inbox == INBOX_ORDER else None),
                encode_data(event.data),
            )
            if inbox is None:
                self._catalog(work, event, subject.encode(), encode(fact))
            else:
                emit(inbox, subject.encode(), encode(fact))
        work.meta.time_us = newest_us
        if passage.is_time(work, records[-1].timestamp_ms if records else None):
            self._tick(work, records)

    def _tick(self, work: Work, records: Sequence[Record]) -> None:
        seen = {name: offset - 1 for name, offset in work.meta.positions.items()}
        for (topic, partition), offset in {(r.topic, r.partition): r.offset for r in records}.items():
            seen[f"{topic}/{partition}"] = offset
        if not passage.is_news(work, seen, records[-1].timestamp_ms if records else None):
            return
        for inbox, topics in passage.DIRECT.items():
            told = passage.of_topics(seen, topics)
            if told:
                passage.broadcast(work, inbox, self._inbox_partitions, told)

    def _catalog(self, work: Work, event: Event, subject: bytes, message: bytes) -> None:
        """What concerns everybody goes everywhere; what concerns a SKU to it, and to all orders too."""
        name = event.fact.name
        if name == "customer.upserted":
            work.emit(INBOX_CUSTOMER, subject, message)
            return
        data = event.data
        concerns_all = name == "location.upserted" or (
            isinstance(data, PolicySet) and data.scope == EVERYWHERE
        )
        for partition in range(self._inbox_partitions):
            if concerns_all:
                work.emit(INBOX_SKU, subject, message, partition)
            if name != "price.set":
                work.emit(INBOX_ORDER, subject, message, partition)
        if not concerns_all:
            work.emit(INBOX_SKU, subject, message)

    def dead_letter(self, record: Record, error: Exception) -> tuple[str, bytes, bytes]:
        return (
            DEAD_LETTERS,
            *dead_letter(record, "step_failed", "", f"the gateway failed on it: {error!r}"),
        )

    # --- rows ---

    def projection_key(self, key: bytes) -> bytes | None:  # noqa: ARG002 - the gateway projects nothing
        return None

    def encode_row(self, key: bytes, row: Any) -> bytes:  # noqa: ARG002 - one kind of row
        return _VERSION + _encode_row(row)

    def decode_row(self, key: bytes, raw: bytes) -> Any:
        if raw[:1] != _VERSION:
            raise ValueError(f"row {key!r} has version {raw[:1]!r}, this reads {_VERSION!r}")
        return _decode_row(raw[1:])
