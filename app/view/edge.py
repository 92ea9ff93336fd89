"""What holds for every answer, whoever asks: sizes, compression, and pages of other origins (CORS)."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from springtide.app.view.problems import Problem

TARGET_CHARS_MAX: Final = 32_768
"""Of a path with its query. A position of the largest size, each of its characters quoted, is 25,000."""
HEADERS_MAX: Final = 64
HEADER_BYTES_MAX: Final = 16_384
"""Of all headers together."""
LINE_BYTES_MAX: Final = 131_072
"""Of the first line,"""
FIELD_BYTES_MAX: Final = 32_768
"""or of one header: the server itself refuses more, before any handler."""
SERVER: Final = "springtide"
"""What a view calls itself: of which version it is, and by what library it answers, is nobody's business."""
COMPRESSED_FROM_BYTES: Final = 1_024
_COMPRESSED: Final = ("application/json", "application/problem+json", "text/plain", "text/html")
_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))", re.IGNORECASE)
_EXPOSED: Final = (
    "ETag, Location, RateLimit, RateLimit-Policy, Retry-After, Springtide-Position, Springtide-Lag-Ms"
)
_ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID"
_ALLOWED_METHODS: Final = "GET, POST, PUT, DELETE"
_REMEMBERED_S: Final = 600
READING: Final = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing."""


def check_sizes(request: web.Request) -> None:
    """Problem for a request that says too much before its body."""
    if len(request.raw_path) > TARGET_CHARS_MAX:
        raise Problem(
            414,
            "uri-too-long",
            "The path and query are too long",
            f"A path with its query may have {TARGET_CHARS_MAX} characters. Ask for less at once.",
        )
    headers = request.raw_headers
    size = 0
    for name, value in headers:
        size += len(name) + len(value)
    if size > HEADER_BYTES_MAX or len(headers) > HEADERS_MAX:
        raise Problem(
            431,
            "headers-too-large",
            "The headers are too large",
            f"A request may have {HEADERS_MAX} headers, of {HEADER_BYTES_MAX} bytes together.",
        )


def is_own_page(request: web.Request) -> bool:
    """Whether a browser says that a page of this very origin asks."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc.lower() == request.host.lower()


def is_crossing(request: web.Request) -> bool:
    """Whether a browser says that a page of another origin asks; what is no browser says nothing."""
    return ("Origin" in request.headers or "Sec-Fetch-Site" in request.headers) and not is_own_page(request)


def refuse_crossing(app: web.Application, origins: Sequence[str]) -> None:
    """Where nobody is asked for a key, keeps pages of other origins from writing by a reader's browser."""
    allowed = frozenset(origins)

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        is_allowed = "*" in allowed or origin in allowed
        if request.method not in READING and is_crossing(request) and not is_allowed:
            raise Problem(
                403,
                "cross-origin",
                "Asked by a page of another origin",
                "Pages of other origins may only read. Name the origin in cors_origins if it is to write.",
            )
        return await handler(request)

    app.middlewares.append(refuse)


def compress(request: web.Request, response: web.StreamResponse) -> None:
    """Has a large answer compressed for who asks for it."""
    if not isinstance(response, web.Response):
        return
    body = response.body
    if not isinstance(body, bytes) or len(body) < COMPRESSED_FROM_BYTES:
        return
    if response.content_type in _COMPRESSED and "Vary" not in response.headers:
        response.headers["Vary"] = "Accept-Encoding"
        if _GZIP.search(request.headers.get("Accept-Encoding", "")):
            # The fastest level: a figure of some kilobytes takes as long to compress as to look up.
            response.body = gzip.compress(body, 1, mtime=0)
            response.headers["Content-Encoding"] = "gzip"


def allow_origins(app: web.Application, origins: Sequence[str]) -> None:
    """Lets pages of these origins ask from a browser, with what they say in Authorization. Nothing else that a
    browser keeps goes along."""
    allowed = frozenset(origins)

    def allows(request: web.Request) -> str | None:
        origin = request.headers.get("Origin")
        if origin is None or not (origin in allowed or "*" in allowed):
            return None
        return "*" if "*" in allowed else origin

    @web.middleware
    async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method != "OPTIONS" or "Access-Control-Request-Method" not in request.headers:
            return await handler(request)
        headers = {"Vary": "Origin"}
        if allows(request) is not None:
            headers |= {
                "Access-Control-Allow-Methods": _ALLOWED_METHODS,
                "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
                "Access-Control-Max-Age": str(_REMEMBERED_S),
            }
        return web.Response(status=204, headers=headers)

    async def tell(request: web.Request, response: web.StreamResponse) -> None:
        origin = allows(request)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        if "*" not in allowed:
            known = response.headers.get("Vary", "")
            if "Origin" not in known:
                response.headers["Vary"] = f"{known}, Origin" if known else "Origin"

    app.middlewares.insert(0, preflight)
    app.on_response_prepare.append(tell)
