"""Who may ask the HTTP API, and how much: what the `access` topic holds, as JSON."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

NAMES_MAX: Final = 100
RATE_MAX: Final = 1_000_000
QUOTA_MAX: Final = 10**12
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128)]
Names: TypeAlias = Annotated[tuple[Name, ...], Meta(max_length=NAMES_MAX)]


class Key(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One API key as the log keeps it: never the secret, only its hash. A newer record of the same id replaces
    it; one that is revoked stays, so that it can be told from one that never was."""

    schema: int = 1
    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{16}$")]
    name: Name
    hash: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of the secret, in hex."""
    scopes: Names
    partner: Name
    """Whom its requests count for."""
    rate_per_s: Annotated[float, Meta(gt=0, le=RATE_MAX)]
    burst: Annotated[int, Meta(ge=1, le=RATE_MAX)]
    """Requests that may come at once, before the rate holds them back."""
    quota_per_day: Annotated[int, Meta(ge=1, le=QUOTA_MAX)] | None = None
    """Requests of the partner on one day in UTC; None: no such limit."""
    customers: Names = ()
    """Only orders of these customers; none: of all."""
    channels: Names = ()
    """Only orders of these channels; none: of all."""
    sources: Names = ()
    """Only events of these sources may be written; none: of all."""
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one partner on one day that one view has let through."""

    schema: int = 1
    partner: str
    view: int
    day: int
    """Days since 1970-01-01 in UTC."""
    requests: int


encode: Final = msgspec.json.Encoder().encode
decode_key: Final = msgspec.json.Decoder(Key).decode
decode_usage: Final = msgspec.json.Decoder(Usage).decode


def key_key(key_id: str) -> bytes:
    return b"k/" + key_id.encode()


def usage_key(usage: Usage) -> bytes:
    """One record for each view and partner, whatever the day: what is kept does not grow with days."""
    return f"u/{usage.view}/{usage.partner}".encode()
