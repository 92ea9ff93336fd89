"""The pages for people: one template, plain CSS and script of our own, nothing from elsewhere."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web

_HERE: Final = Path(__file__).parent
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def add_pages(app: web.Application) -> None:
    """Adds `/` and `/static/`."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    app.router.add_get("/", _first)
    app.router.add_static("/static/", _HERE / "static")


async def _first(request: web.Request) -> web.Response:
    context: dict[str, Any] = {"version": _version()}
    response = aiohttp_jinja2.render_template("first.html", request, context)
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-cache"
    return response


def _version() -> str:
    try:
        return version("springtide")
    except PackageNotFoundError:  # run from a tree that is not installed
        return "development"
