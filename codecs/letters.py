"""What leaves for people and other systems as JSON: dead letters and status changes."""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

VALUE_SHOWN_BYTES_MAX: Final = 16_384


class Impact(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom an event that could not be applied concerns, as far as it can be read from it."""

    orders: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()
    shipments: tuple[str, ...] = ()
    customers: tuple[str, ...] = ()


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One record that could not be applied; `topic/partition/offset` is where it still lies, whole."""

    version: int = 1
    id: str
    code: str
    field: str
    reason: str
    topic: str
    partition: int
    offset: int
    at: str
    """When it was written to the log it came by, RFC 3339."""
    key: str | None = None
    event_type: str | None = None
    event_id: str | None = None
    source: str | None = None
    impact: Impact = Impact()
    value: str | None = None
    """The value as text, or base64 where it is no UTF-8; cut to VALUE_SHOWN_BYTES_MAX."""
    value_base64: bool = False
    value_bytes: int = 0


class MilestoneTold(msgspec.Struct, frozen=True):
    """A milestone as it stands after a change, which added it or changed its clocks or marks."""

    name: str
    occurred_at: str
    recorded_at: str
    inferred: bool
    superseded: bool


class StatusChange(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One published change of one order. `version` rises by one from each to the next."""

    schema: int = 1
    order_id: str
    version: int
    status: str
    previous: str | None
    milestones: tuple[MilestoneTold, ...]
    """The milestones that this change added, or whose clocks or marks it changed."""
    at: str
    """When the fact behind it occurred, RFC 3339."""
    event_id: str
    """`source id` of that fact."""
    customer_id: str | None = None
    channel: str | None = None
    region: str | None = None
    correlation_id: str | None = None
    holds: tuple[str, ...] = ()
    cause: str | None = None
    """What holds the order up before a warehouse works on it: a hold, or what it waits for."""
    customer_class: str | None = None


STATUS_CHANGED: Final = "springtide.order.status_changed.v1"


class StatusChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A status change as subscribers are told it: a CloudEvent."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, Meta(description="Order and version: the same whenever this change is told.")]
    source: Literal["springtide"] = "springtide"
    type: Literal["springtide.order.status_changed.v1"] = STATUS_CHANGED
    subject: Annotated[str, Meta(description="The order.")]
    time: Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
    datacontenttype: Literal["application/json"] = "application/json"
    data: StatusChange


class WebhookHeaders(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, rename="kebab"):
    """Headers of a status change that is told, as Standard Webhooks 1.0 say."""

    webhook_id: Annotated[str, Meta(description="The event's `id`: count each once.")]
    webhook_timestamp: Annotated[
        str, Meta(pattern=r"^[0-9]+$", description="Seconds since 1970; refuse what is older than 5 minutes.")
    ]
    webhook_signature: Annotated[
        str,
        Meta(
            pattern=r"^v1,[A-Za-z0-9+/=]+( v1,[A-Za-z0-9+/=]+)*$",
            description="HMAC-SHA256 of `id.timestamp.body` by each secret that is valid, in base64.",
        ),
    ]
    springtide_replay: Annotated[str, Meta(description="The replay by which it is told again.")] | None = None


encode_letter: Final = msgspec.json.Encoder().encode
decode_dead_letter: Final = msgspec.json.Decoder(DeadLetter).decode
decode_status_change: Final = msgspec.json.Decoder(StatusChange).decode


def shown(value: bytes | None) -> tuple[str | None, bool]:
    """A value as a dead letter shows it: (text, is base64)."""
    if value is None:
        return None, False
    cut = value[:VALUE_SHOWN_BYTES_MAX]
    try:
        return cut.decode(), False
    except UnicodeDecodeError:
        return b64encode(cut).decode(), True
