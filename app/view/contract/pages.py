"""`/openapi.json`, and `/docs`: the same for people, as one page that asks for nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from gzip import compress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, Final

import jinja2
import msgspec
from aiohttp import web

from springtide.app.view.contract.openapi import openapi, routes_of

_HERE: Final = Path(__file__).parent
_encode: Final = msgspec.json.Encoder().encode


class _Page:
    """A body that does not change while the process lives."""

    def __init__(self, plain: bytes, content_type: str, headers: Mapping[str, str]) -> None:
        self._plain = plain
        self._packed = compress(plain, mtime=0)
        self._content_type = content_type
        tag = blake2b(plain, digest_size=12).hexdigest()
        self._headers = {
            "ETag": f'"{tag}"',
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
            **headers,
        }

    async def get(self, request: web.Request) -> web.Response:
        headers = dict(self._headers)
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        body = self._plain
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = self._packed
        return web.Response(body=body, headers=headers, content_type=self._content_type, charset="utf-8")


def describe(app: web.Application, *, is_open: bool) -> None:
    """Adds the description of all routes that the application has by now."""
    described = openapi(routes_of(app), is_open=is_open)
    style = (_HERE / "docs.css").read_text()
    policy = (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    page = _Page(
        readable(described, style).encode(),
        "text/html",
        {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"},
    )
    app.router.add_get("/openapi.json", _Page(_encode(described), "application/json", {}).get)
    app.router.add_get("/docs", page.get)


def readable(described: Mapping[str, Any], style: str) -> str:
    """The description as HTML."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    env.globals["told"] = _told
    tags = []
    for tag in described["tags"]:
        calls = [
            {"method": method.upper(), "path": path, **operation}
            for path, item in described["paths"].items()
            for method, operation in item.items()
            if tag["name"] in operation["tags"]
        ]
        if calls:
            tags.append({**tag, "calls": calls})
    return env.get_template("docs.html").render(api=described, tags=tags, style=style)


def _told(schema: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    """A schema in words: (text, the component it names) piece by piece."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [(name, name)]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            pieces: list[tuple[str, str | None]] = []
            for one in schema[word]:
                pieces += [(" or ", None), *_told(one)]
            return pieces[1:]
    if "enum" in schema:
        return [(", ".join(str(value) for value in schema["enum"]), None)]
    kind = schema.get("type", "anything")
    if kind == "array":
        return [("list of ", None), *_told(schema.get("items", {}))]
    if kind == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return [("by name: ", None), *_told(schema["additionalProperties"])]
    kinds = kind if isinstance(kind, list) else [kind]
    text = " or ".join(kinds) + (f" ({schema['format']})" if "format" in schema else "")
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        text += f", {'' if low is None else low} to {'' if high is None else high}".rstrip()
    return [(text, None)]
