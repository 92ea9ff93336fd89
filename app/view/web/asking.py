"""Pages ask as any client does: for a path of the API, by the application's own routes and middlewares.

So a page says what the API says, to the letter, and shows nobody more than the API would.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

_decode: Final = msgspec.json.Decoder().decode
_CONDITIONS: Final = ("If-None-Match", "If-Modified-Since", "Range", "Accept-Encoding")


class Answer(NamedTuple):
    """A status with its body; `body` of an error is its problem."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return self.status == 200


NOTHING_THERE: Final = Answer(404, {"title": "Not answered by this version", "detail": ""})


async def ask(request: web.Request, target: str) -> Answer:
    """The answer to GET `target`, a path with its query, for who asked for the page."""
    headers = CIMultiDict(request.headers)
    for name in _CONDITIONS:
        headers.popall(name, None)
    asked = request.clone(method="GET", rel_url=URL(target, encoded=True), headers=headers)
    response = await request.app._handle(asked)  # noqa: SLF001 - routes and middlewares have no public call
    raw = getattr(response, "body", None)
    try:
        body = _decode(raw) if isinstance(raw, bytes) else None
    except msgspec.DecodeError:
        body = None
    if isinstance(body, dict):
        return Answer(response.status, body)
    return NOTHING_THERE


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
