"""Bodies of requests, read strictly: what there is to be is a type, and anything else a Problem that says where."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web

from springtide.app.view.problems import bad_request
from springtide.app.view.responses import JSON, unsupported_content


def read_body(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        if "got `float`" in str(error):
            with suppress(msgspec.ValidationError):
                return msgspec.convert(_integral(msgspec.json.decode(raw)), decoder.type)
        reason, _, path = str(error).partition(" - at `$")
        raise bad_request(f"The body can't be taken: {error}.", path.strip("`").lstrip("."), reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"The body is no JSON: {error}.", "", str(error)) from None


async def json_of(request: web.Request, *, optional: bool = False) -> bytes:
    """The bytes of a JSON body; of none at all `{}` if it may be left out."""
    if optional and not request.can_read_body:
        return b"{}"
    if request.content_type != JSON:
        raise unsupported_content(request.content_type, JSON)
    return await request.read() or (b"{}" if optional else b"")


def _integral(value: Any) -> Any:
    """The same with 2.0 as 2: to JSON Schema both are integers."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_integral(one) for one in value]
    if isinstance(value, dict):
        return {name: _integral(one) for name, one in value.items()}
    return value
