"""Whose page a form came from: cookies of a browser, and that only our own pages can do anything by them.

A page that changes something needs both: the browser says that it is asked by a page of this origin, and the form
shows the token of the cookie that comes along. The cookie is the session, or else one that means nothing.
"""

from __future__ import annotations

from hmac import compare_digest
from secrets import token_urlsafe
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from springtide.app.access.session import form_token
from springtide.app.view.bodies import form_of
from springtide.app.view.edge import READING, is_own_page
from springtide.app.view.problems import Problem

FORM_HEADER: Final = "X-CSRF-Token"
FORM_FIELD: Final = "csrf"
_SESSION, _VISIT = "springtide-session", "springtide-visit"
_NEW_VISIT: Final = web.RequestKey("new_visit", str)
_PATH_MAX: Final = 2_000


def session_of(request: web.Request) -> str | None:
    """The cookie of who is signed in, not yet believed."""
    return request.cookies.get(_name(request, _SESSION))


def token_of(request: web.Request) -> str:
    """What forms of the page that is being made have to show. `remember` has to follow."""
    cookie = _secret(request)
    if cookie is None:
        cookie = request[_NEW_VISIT] = token_urlsafe(24)
    return form_token(cookie)


def remember(request: web.Request, response: web.StreamResponse) -> None:
    """Gives a browser that has no cookie the one that its forms' token is of."""
    visit = request.get(_NEW_VISIT)
    if visit is not None:
        _set(request, response, _VISIT, visit, None)


def sign_in(request: web.Request, response: web.StreamResponse, session: str, lifetime_s: int) -> None:
    _set(request, response, _SESSION, session, lifetime_s)


def sign_out(request: web.Request, response: web.StreamResponse) -> None:
    secure = _is_tls(request)
    response.del_cookie(_name(request, _SESSION), path="/", secure=secure, httponly=True, samesite="Strict")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every route: pages' own ones that change something are for our own forms. The API takes no cookie."""
    resource = request.match_info.route.resource
    if request.method in READING or resource is None or resource.canonical.startswith("/v1/"):
        return await handler(request)
    if not is_own_page(request):
        raise _not_ours("The browser does not say that a page of this address asks for it.")
    shown = request.headers.get(FORM_HEADER)
    if shown is None:
        shown = str((await form_of(request)).get(FORM_FIELD, ""))
    cookie = _secret(request)
    if cookie is None or not compare_digest(shown.encode(), form_token(cookie).encode()):
        raise _not_ours(
            "The form is of no page that this browser has opened since you signed in or out. Open it again."
        )
    return await handler(request)


def local_path(wanted: str | None) -> str:
    """Where to go on: a path of this view and nothing else; "/" if it is none."""
    if wanted is None or not wanted.startswith("/") or len(wanted) > _PATH_MAX:
        return "/"
    if wanted[1:2] in ("/", "\\") or not wanted.isascii() or not wanted.isprintable() or "\\" in wanted:
        return "/"
    return wanted


def to_sign_in(request: web.Request) -> web.Response:
    """For a browser whose reader is not signed in, or no longer; afterwards it comes back to where it was."""
    by_script = request.headers.get("HX-Request") == "true"
    here = request.rel_url.raw_path_qs
    if by_script or request.method not in READING:
        shown = request.headers.get("HX-Current-URL", request.headers.get("Referer", ""))
        at = urlsplit(shown)
        here = local_path(at.path + (f"?{at.query}" if at.query else ""))
    there = "/login" if here == "/" else f"/login?next={quote(here, safe='')}"
    headers = {"Cache-Control": "no-store", "HX-Redirect" if by_script else "Location": there}
    return web.Response(status=401 if by_script else 303, headers=headers)


def _secret(request: web.Request) -> str | None:
    return session_of(request) or request.cookies.get(_name(request, _VISIT)) or None


def _set(
    request: web.Request, response: web.StreamResponse, name: str, value: str, lifetime_s: int | None
) -> None:
    response.set_cookie(
        _name(request, name),
        value,
        max_age=lifetime_s,
        path="/",
        secure=_is_tls(request),
        httponly=True,
        samesite="Strict",
    )


def _name(request: web.Request, name: str) -> str:
    """With TLS a browser takes a name like this from nobody but this very host."""
    return f"__Host-{name}" if _is_tls(request) else name


def _is_tls(request: web.Request) -> bool:
    """Also through a proxy that ends TLS: who lies about it is believed only about its own cookies."""
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"


def _not_ours(detail: str) -> Problem:
    return Problem(403, "not-from-our-page", "Nothing was done", detail)
