"""Pages ask as any client does: for a path of the API, by the application's own routes and middlewares.

So a page says what the API says, to the letter, and shows nobody more than the API would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import StreamReader, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode
_OF_THE_PAGE: Final = (
    "If-None-Match",
    "If-Modified-Since",
    "Range",
    "Accept-Encoding",
    "Content-Type",
    "Content-Length",
    "Content-Encoding",
    "Transfer-Encoding",
    "Expect",
)


class Answer(NamedTuple):
    """A status with its body; `body` of an error is its problem."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


NOTHING_THERE: Final = Answer(404, {"title": "Not answered by this version", "detail": ""})


async def ask(request: web.Request, target: str) -> Answer:
    """The answer to GET `target`, a path with its query, for who asked for the page."""
    return await _answer(request, "GET", target, b"")


async def tell(
    request: web.Request, method: str, target: str, body: Mapping[str, Any] | None = None
) -> Answer:
    """The answer to `method` `target` with `body` as JSON, for who sent the page's form."""
    return await _answer(request, method, target, b"" if body is None else _encode(body))


async def _answer(request: web.Request, method: str, target: str, raw: bytes) -> Answer:
    headers = CIMultiDict(request.headers)
    for name in _OF_THE_PAGE:
        headers.popall(name, None)
    if raw:
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(raw))
    response = await request.app._handle(_inner(request, method, target, headers, raw))  # noqa: SLF001
    answer = getattr(response, "body", None)
    try:
        body = _decode(answer) if isinstance(answer, bytes) else None
    except msgspec.DecodeError:
        body = None
    if isinstance(body, dict):
        return Answer(response.status, body)
    return NOTHING_THERE if response.status >= 300 else Answer(response.status, {})


def _inner(
    request: web.Request, method: str, target: str, headers: CIMultiDict[str], raw: bytes
) -> web.Request:
    """A request as if it had come beside this one. `Request.clone` makes none once a form was read."""
    payload = StreamReader(request.protocol, len(raw) + 1, loop=asyncio.get_running_loop())
    payload.feed_data(raw)
    payload.feed_eof()
    message = request._message._replace(  # noqa: SLF001 - routes and middlewares have no public call
        method=method,
        path=target,
        url=URL(target, encoded=True),
        headers=CIMultiDictProxy(headers),
        raw_headers=tuple((name.encode(), value.encode()) for name, value in headers.items()),
    )
    return web.Request(
        message,
        payload,
        request.protocol,
        request.writer,
        request.task,
        asyncio.get_running_loop(),
        client_max_size=max(len(raw), request._client_max_size),  # noqa: SLF001
        state=request._state.copy(),  # noqa: SLF001
    )


def path(*parts: str, **query: str | None) -> str:
    """A path of these parts, each quoted whole, with the query's parameters that are given."""
    given = {name: value for name, value in query.items() if value}
    return "/" + "/".join(quote(part, safe="") for part in parts) + ("?" + urlencode(given) if given else "")


def with_query(base: str, query: Mapping[str, str]) -> str:
    """`base` with the parameters that are not empty."""
    given = {name: value for name, value in query.items() if value}
    return base + ("?" + urlencode(given) if given else "")


def rows_of(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects in a body under a name; [] if there is none."""
    found = body.get(name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def cursor_of(body: Mapping[str, Any]) -> str | None:
    """Where the next page begins; None on the last one."""
    found = body.get("cursor")
    return found if isinstance(found, str) and found else None
