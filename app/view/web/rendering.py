"""How a page leaves: its template, its policy, how fresh it is, and whether it has changed at all."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from springtide.app.view.gate import CALLER, GATE
from springtide.app.view.web import charts, guard, sentences, words
from springtide.app.view.web.asking import path
from springtide.app.view.web.pulse import Pulse

PULSE: Final = web.AppKey("pulse", Pulse)
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",  # with none at all a browser would not say which origin a form is of
    "Cache-Control": "private, no-cache",
    "Vary": "HX-Request, Accept-Encoding",
}
_LATE_MS: Final = 5_000


def environment() -> jinja2.Environment:
    """Templates, with the words and drawings that they use. Fields that an answer lacks are empty, not errors."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        name: getattr(words, name)
        for name in (
            "words",
            "tone",
            "qty",
            "signed",
            "plain",
            "when",
            "day",
            "span",
            "signed_span",
            "lag",
            "rate",
            "percent",
        )
    }
    env.globals |= {
        "version": version_of(),
        "path": path,
        "share": charts.share,
        "cause_label": sentences.cause_label,
    }
    env.globals["ui"] = env.get_template("parts.html").module
    return env


def page(
    request: web.Request,
    template: str,
    title: str,
    context: Mapping[str, Any],
    *,
    body: Mapping[str, Any] | None = None,
    status: int = 200,
    every_s: int = 0,
) -> web.Response:
    found, whole = _made(request, template, title, context, body or {}, status, every_s)
    live = "".join(found.blocks["live"](found.new_context(whole)))
    tag = f'W/"{blake2b(live.encode(), digest_size=12).hexdigest()}"'
    headers = {
        **_HEADERS,
        "Springtide-Fresh": whole["fresh"],
        "Springtide-Fresh-Tone": whole["fresh_tone"],
        "Springtide-Tag": tag,
    }
    if request.headers.get("HX-Request") == "true":
        if request.headers.get("Springtide-Page", whole["page"]) != whole["page"]:
            return _html("", 200, {**headers, "HX-Refresh": "true"})  # a problem is over, or there is one now
        if request.headers.get("Springtide-Have") == tag:
            return web.Response(status=304, headers=headers)
        return _html(live, 200, headers)
    response = _html(found.render({**whole, "tag": tag, "live": Markup(live)}), status, headers)  # noqa: S704
    guard.remember(request, response)
    return response


def fragment(request: web.Request, template: str, block: str, context: Mapping[str, Any]) -> web.Response:
    """One block of a template, for a form of the page that is sent by htmx."""
    found, whole = _made(request, template, "", context, {}, 200, 0)
    return _html("".join(found.blocks[block](found.new_context(whole))), 200, {**_HEADERS})


def _made(
    request: web.Request,
    template: str,
    title: str,
    context: Mapping[str, Any],
    body: Mapping[str, Any],
    status: int,
    every_s: int,
) -> tuple[jinja2.Template, dict[str, Any]]:
    """A template, and all that it is filled with."""
    fresh, fresh_tone = _freshness(request, body)
    caller = request.get(CALLER)
    is_open = GATE not in request.app
    return aiohttp_jinja2.get_env(request.app).get_template(template), {
        "csrf": guard.token_of(request),
        "is_open": is_open,
        "who": None if caller is None else caller.who,
        "operator": is_open or (caller is not None and caller.is_operator),
        "title": title,
        "page": template.removesuffix(".html"),
        "fresh": fresh,
        "fresh_tone": fresh_tone,
        "every_s": every_s,
        "here": request.rel_url.raw_path_qs,
        "method": request.method,
        "status": status,
        **context,
    }


def _html(text: str, status: int, headers: dict[str, str]) -> web.Response:
    response = web.Response(text=text, status=status, headers=headers, content_type="text/html")
    response.enable_compression()
    return response


def see(path_there: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path_there, "Cache-Control": "no-store"})


def _freshness(request: web.Request, body: Mapping[str, Any]) -> tuple[str, str]:
    """How old what is shown is, in ASCII since it travels in a header, and how that looks."""
    freshness = body.get("freshness")
    now = request.app[PULSE].look()
    lag_ms = freshness.get("lag_ms") if isinstance(freshness, dict) else now.lag_ms
    if now.status != "ready" or lag_ms is None:
        return f"{words.words(now.status)}: {now.done} of {now.whole} records read", "late"
    now_at = body.get("now")
    as_of = "" if words.instant_of(now_at) is None else f", as of {words.when(now_at)} UTC"
    if lag_ms > _LATE_MS:
        return f"Stale: {words.lag(lag_ms)} behind{as_of}", "late"
    return f"{words.lag(lag_ms)} behind{as_of}", "fresh"


def version_of(name: str = "springtide") -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a tree that is not installed
        return "development"
