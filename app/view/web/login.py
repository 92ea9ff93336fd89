"""Signing in and out of the pages, by the same keys and tokens as the API."""

from __future__ import annotations

from aiohttp import web

from springtide.app.view.bodies import form_of
from springtide.app.view.gate import GATE
from springtide.app.view.problems import Problem
from springtide.app.view.web import guard
from springtide.app.view.web.rendering import page, see


def add_login(app: web.Application) -> None:
    app.router.add_get("/login", _ask)
    app.router.add_post("/login", _sign_in)
    app.router.add_post("/logout", _sign_out)


async def _ask(request: web.Request) -> web.Response:
    there = guard.local_path(request.query.get("next"))
    gate = request.app.get(GATE)
    if gate is None or await gate.by_session(request) is not None:
        return see(there)
    return _form(request, there, 200, ended=guard.session_of(request) is not None)


async def _sign_in(request: web.Request) -> web.Response:
    form = await form_of(request)
    there = guard.local_path(str(form.get("next", "")))
    gate = request.app.get(GATE)
    if gate is None:
        return see(there)
    try:
        session, lifetime_s = await gate.sign_in(request, str(form.get("credential", "")).strip())
    except Problem as problem:
        response = _form(request, there, problem.status, problem=problem)
        if problem.retry_after_s is not None:
            response.headers["Retry-After"] = str(problem.retry_after_s)
        return response
    response = see(there)
    guard.sign_in(request, response, session, lifetime_s)
    return response


async def _sign_out(request: web.Request) -> web.Response:
    response = see("/login" if GATE in request.app else "/")
    guard.sign_out(request, response)
    return response


def _form(
    request: web.Request, there: str, status: int, *, problem: Problem | None = None, ended: bool = False
) -> web.Response:
    context = {"there": there, "problem": problem, "ended": ended}
    return page(request, "login.html", "Sign in", context, status=status)
