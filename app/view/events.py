"""Events as answers name them."""

from __future__ import annotations

from typing import Any

import msgspec

from springtide.codecs.facts import FACT_BY_CODE, INGRESS_TOPICS
from springtide.codecs.messages import Fact
from springtide.codecs.times import rfc3339


def id_of(name: str) -> str | None:
    """The `id` of an event that is named by its source and id; None where time alone was the cause."""
    return name.partition(" ")[2] or name or None


def source_of(name: str) -> str | None:
    source, _, event_id = name.partition(" ")
    return source if event_id else None


def type_of(fact: Fact) -> str:
    """The type without prefix and version, such as `order.placed`."""
    return FACT_BY_CODE[fact.code].name


def fact_body(subject: str, fact: Fact) -> dict[str, Any]:
    """A fact as it was stated, with both clocks."""
    data = msgspec.msgpack.decode(fact.data)
    return {
        "time": rfc3339(fact.time_us),
        "recordedtime": rfc3339(fact.recorded_us),
        "source": fact.source,
        "event_id": fact.id,
        "type": type_of(fact),
        "subject": subject,
        "correlation_id": fact.correlation,
        "sequence": fact.sequence,
        "topic": INGRESS_TOPICS[fact.origin[0]],
        "data": data,
    }
