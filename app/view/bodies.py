"""Bodies of requests, read strictly: what there is to be is a type, and anything else a Problem that says where."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from multidict import MultiDictProxy

from springtide.app.view.problems import Problem, bad_request
from springtide.app.view.responses import JSON, unsupported_content

T = TypeVar("T")
BODY_S: Final = 30.0
_FIELD: Final = re.compile(r"Object (?:missing required|contains unknown) field `(.*)`$")


def read_body(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        if "got `float`" in str(error):
            with suppress(msgspec.ValidationError):
                return msgspec.convert(_integral(msgspec.json.decode(raw)), decoder.type)
        reason, _, path = str(error).partition(" - at `$")
        named = _FIELD.match(reason)
        path = f"{path.strip('`')}.{named[1]}" if named else path.strip("`")
        raise bad_request(f"The body can't be taken: {error}.", path.lstrip("."), reason) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"The body is no JSON: {error}.", "", str(error)) from None


async def json_of(request: web.Request, *, optional: bool = False) -> bytes:
    """The bytes of a JSON body; of none at all `{}` if it may be left out."""
    if optional and not request.can_read_body:
        return b"{}"
    if request.content_type != JSON:
        raise unsupported_content(request.content_type, JSON)
    return await whole(request) or (b"{}" if optional else b"")


async def whole(request: web.Request) -> bytes:
    """All of a body; Problem if it does not come."""
    return await _in_time(request.read())


async def form_of(request: web.Request) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
    """What a page's form says; Problem if it does not come."""
    return await _in_time(request.post())


async def _in_time(reading: Awaitable[T]) -> T:
    """Problem for a body that does not come: who sends a byte now and then holds a place for ever."""
    try:
        async with asyncio.timeout(BODY_S):
            return await reading
    except TimeoutError:
        raise Problem(
            408,
            "body-too-slow",
            "The body does not come",
            f"A body has {BODY_S:g} s to come whole. Nothing was written; send it again.",
            headers={"Connection": "close"},
        ) from None


def _integral(value: Any) -> Any:
    """The same with 2.0 as 2: to JSON Schema both are integers."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, list):
        return [_integral(one) for one in value]
    if isinstance(value, dict):
        return {name: _integral(one) for name, one in value.items()}
    return value
