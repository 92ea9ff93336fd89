"""What people did about exceptions: what the `exception-actions` topic holds, as JSON under the exception's id."""

from __future__ import annotations

from typing import Final, Literal

import msgspec


class ExceptionAction(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The last thing that was done about one exception; a newer record of the same id replaces it."""

    schema: int = 1
    id: str
    action: Literal["replayed", "discarded"]
    by: str
    """The name of the key, whose the token is, or "anonymous" where access is open."""
    at: str
    """RFC 3339."""
    reason: str | None = None
    source: str | None = None
    event_id: str | None = None
    """Of the event that was written; None: none was."""
    mended: bool = False
    """Whether another event than the original was written."""
    positions: dict[str, int] = {}
    """`topic/partition` -> offset of that event."""


encode_action: Final = msgspec.json.Encoder().encode
decode_action: Final = msgspec.json.Decoder(ExceptionAction).decode
