"""Who wants to be told of status changes, and how: what the `subscriptions` topic holds, as JSON."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - how every secret begins
NAMES_MAX: Final = 100
FIELDS_MAX: Final = 200
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
Url: TypeAlias = Annotated[str, Meta(min_length=8, max_length=2_000, pattern=r"^https?://[^\s/]+")]
Names: TypeAlias = Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)]


class Filter(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Which changes are told: a change has to be in each list that is not empty."""

    status: Names = ()
    cause: Names = ()
    channel: Names = ()
    region: Names = ()
    customer_class: Names = ()


class Secret(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signing secret, `whsec_` and base64. One that was rotated out signs beside the new one until it ends."""

    secret: str
    ends_ms: int | None = None


class OAuth(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Client credentials (RFC 6749, 4.4), by which a token for the receiver is got."""

    token_url: Url
    client_id: Annotated[str, Meta(min_length=1, max_length=512)]
    client_secret: Annotated[str, Meta(min_length=1, max_length=2_000)]
    scope: Annotated[str, Meta(max_length=1_000)] | None = None


class Upsert(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A request for each change in the manner of Salesforce: `{external_id}` in the URL is the order's id, the
    body has for each field the part of the change that a dotted path names."""

    fields: Annotated[dict[Name, Name], Meta(min_length=1, max_length=FIELDS_MAX)]
    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    oauth: OAuth | None = None


class Subscription(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One subscription as the log keeps it. A newer record of the same id replaces it; none deletes it."""

    schema: int = 1
    id: Name
    url: Url
    name: str = ""
    filter: Filter = Filter()
    secrets: tuple[Secret, ...]
    upsert: Upsert | None = None
    """None: CloudEvents, signed as Standard Webhooks say."""
    coalesce_ms: Annotated[int, Meta(ge=0, le=3_600_000)] = 0
    """Changes of one order within so long are told by the last of them."""
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] = 1_000.0
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000)] = 32
    timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] = 10_000
    give_up_s: Annotated[int, Meta(ge=1, le=30 * 86_400)] = 3 * 86_400
    """So long a change is tried again before it is parked."""
    state: Literal["active", "paused", "ended"] = "active"
    why: str | None = None
    """Why it has ended."""
    retried_ms: int = 0
    """When someone last wanted it to be tried at once: the circuit closes, nobody waits for his turn."""
    created_ms: int
    positions: dict[str, int] = {}
    """Partition of `status-changes` -> the offset it begins at; 0 where none is given."""


class Replay(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Asks that changes be told again: those of one order, of a span of time, those that are parked."""

    schema: int = 1
    id: Name
    subscription: Name
    order_id: Name | None = None
    from_ms: int = 0
    to_ms: int = 1 << 62
    parked: bool = False
    asked_ms: int


encode: Final = msgspec.json.Encoder().encode
decode_subscription: Final = msgspec.json.Decoder(Subscription).decode
decode_replay: Final = msgspec.json.Decoder(Replay).decode


def subscription_key(subscription_id: str) -> bytes:
    return b"s/" + subscription_id.encode()


def replay_key(replay: Replay) -> bytes:
    return f"r/{replay.subscription}/{replay.id}".encode()
