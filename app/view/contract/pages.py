"""`/openapi.json` and `/asyncapi.json`, and `/docs`: the same for people, as pages that ask for nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from gzip import compress
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

import jinja2
import msgspec
from aiohttp import web
from markupsafe import Markup, escape

from springtide.app.settings import Settings
from springtide.app.view.contract.asyncapi import BINARY, asyncapi
from springtide.app.view.contract.openapi import openapi, routes_of

_HERE: Final = Path(__file__).parent
DESCRIPTIONS: Final = (("GET", "/openapi.json"), ("GET", "/asyncapi.json"))
"""Calls that describe the others and themselves."""
_Piece: TypeAlias = tuple[str, str | None]
_ANYTHING: Final[_Piece] = ("anything", None)
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


def describe(app: web.Application, settings: Settings, *, is_open: bool) -> None:
    """Adds the descriptions: of all routes that the application has by now, and of the topics."""
    described = openapi([*routes_of(app), *DESCRIPTIONS], is_open=is_open)
    topics = asyncapi(settings)
    style = (_HERE / "docs.css").read_text()
    policy = (
        f"default-src 'none'; style-src 'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    guarded = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    for path, page in {
        "/openapi.json": _Page(_encode(described), "application/json", {}),
        "/asyncapi.json": _Page(_encode(topics), "application/json", {}),
        "/docs": _Page(readable(described, style).encode(), "text/html", guarded),
        "/docs/topics": _Page(readable_topics(topics, style).encode(), "text/html", guarded),
    }.items():
        app.router.add_get(path, page.get)


def readable(described: Mapping[str, Any], style: str) -> str:
    """The description of the API as HTML."""
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
    return _templates().get_template("docs.html").render(api=described, tags=tags, style=style)


def readable_topics(described: Mapping[str, Any], style: str) -> str:
    """The description of topics and webhooks as HTML."""
    actions: dict[str, list[str]] = {}
    for operation in described["operations"].values():
        name = operation["channel"]["$ref"].rpartition("/")[2]
        actions.setdefault(name, []).append(operation["action"])
    known = described["components"]["messages"]
    channels = [
        {
            "name": name,
            "actions": actions[name],
            "kept": {word: _plain(value) for word, value in _configuration(channel).items()},
            "told": {one: known[one] for one in channel["messages"] if not one.endswith(BINARY)},
            **channel,
        }
        for name, channel in described["channels"].items()
    ]
    channels.sort(key=lambda channel: len(channel["actions"]))  # what is Springtide's own comes last
    return _templates().get_template("topics.html").render(api=described, channels=channels, style=style)


def _templates() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    env.globals["told"] = _told
    env.filters["marked"] = _marked
    return env


def _marked(text: str) -> Markup:
    """What stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts)
    )


def _configuration(channel: Mapping[str, Any]) -> dict[str, Any]:
    kafka = channel.get("bindings", {}).get("kafka", {})
    return {"partitions": kafka["partitions"], **kafka["topicConfiguration"]} if kafka else {}


def _plain(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


def _told(schema: Mapping[str, Any]) -> list[_Piece]:
    """A schema in words: (text, the component it names) piece by piece."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return [(name, name)]
    if "allOf" in schema:
        return [piece for one in schema["allOf"] for piece in _told(one) if piece != _ANYTHING]
    if "const" in schema:
        return [(str(schema["const"]), None)]
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return _between([_told(one) for one in schema[word]], " or ")
    if "enum" in schema:
        return [(", ".join(str(value) for value in schema["enum"]), None)]
    kind = schema.get("type", _ANYTHING[0])
    if isinstance(schema.get("items"), list):
        return [("row of ", None), *_between([_told(one) for one in schema["items"]], ", ")]
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


def _between(parts: list[list[_Piece]], word: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    for part in parts:
        pieces += [(word, None), *part]
    return pieces[1:]
