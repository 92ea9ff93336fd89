"""The pages of push: who is told, how it goes, and what an operator does about it."""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any, Final

from aiohttp import web

from springtide.app.view.bodies import form_of
from springtide.app.view.web import deliveries, sentences, words
from springtide.app.view.web.asking import Answer, ask, cursor_of, path, rows_of, tell, with_query
from springtide.app.view.web.rendering import page, see
from springtide.app.view.web.workers import Workers

PUSHERS: Final = web.AppKey("pushers", Workers)
LISTED_MAX: Final = 100
DONE: Final = {
    "pause": "It is paused: nothing is told until it is resumed.",
    "resume": "It goes on from where it stood.",
    "retry": "The circuit is closed, and what waits is tried now.",
    "replay": "It will be told again; see below how far that is.",
    "delete": "The subscription is deleted, and so is what was kept of it.",
}
"""What was done -> what is said about it."""
_HOUR_S: Final = 3_600


def add_push(app: web.Application, pushers: Workers) -> None:
    """`pushers` tells which processes push."""
    app[PUSHERS] = pushers
    app.router.add_get("/push", _list)
    app.router.add_post("/push", _create)
    app.router.add_get("/push/{id}", _one)
    app.router.add_post("/push/{id}", _do)


async def _list(request: web.Request) -> web.Response:
    return await _listed(request, {}, [])


async def _listed(
    request: web.Request,
    form: Mapping[str, Any],
    faults: list[deliveries.Fault],
    problem: Answer | None = None,
) -> web.Response:
    """The list, and the form with what was sent and what is wrong with it."""
    standing = request.query.get("standing", "").strip()
    cursor = request.query.get("cursor", "")
    asked = {"standing": standing, "cursor": cursor, "limit": str(LISTED_MAX)}
    answer = await ask(request, with_query("/v1/subscriptions", asked))
    now_s = time()
    rows = [deliveries.subscription(row, now_s) for row in rows_of(answer.body, "subscriptions")]
    following = cursor_of(answer.body) if answer.ok else None
    status = answer.status if problem is None and not faults else 422 if problem is None else problem.status
    context = {
        "answer": answer,
        "rows": deliveries.by_need(rows),
        "whole": deliveries.summary(rows),
        "pushers": await request.app[PUSHERS].known(),
        "standings": deliveries.STANDINGS,
        "standing": standing,
        "done": DONE.get(request.query.get("done", "")),
        "form": form,
        "faults": {fault["path"]: fault["message"] for fault in reversed(faults)},
        "problem": problem,
        "statuses": words.STATUSES,
        "causes": list(sentences.CAUSES),
        "cursor": cursor,
        "first": with_query("/push", {"standing": standing}),
        "next": with_query("/push", {"standing": standing, "cursor": following}) if following else None,
    }
    return page(request, "push.html", "Push", context, status=status, every_s=2)


async def _create(request: web.Request) -> web.Response:
    sent = await form_of(request)
    form = {name: str(value) for name, value in sent.items()}
    statuses = [str(value) for value in sent.getall("status", [])]
    wanted, faults = deliveries.wish(form, statuses)
    shown = {**form, "status": statuses, "open": True}
    shown.pop("client_secret", None)
    if faults:
        return await _listed(request, shown, faults)
    answer = await tell(request, "POST", "/v1/subscriptions", wanted)
    if not answer.ok:
        return await _listed(request, shown, deliveries.faults_of(answer.body), answer)
    return _secret(request, answer.body, "made")


async def _one(request: web.Request) -> web.Response:
    return await _shown(request)


async def _shown(request: web.Request, refused: Answer | None = None) -> web.Response:
    """One subscription, and why what was wanted of it was not done."""
    name = request.match_info["id"]
    answer = await ask(request, path("v1", "subscriptions", name))
    if not answer.ok:
        problem = {"kind": "push", "name": name, "answer": answer}
        return page(request, "problem.html", name, problem, status=answer.status, every_s=3)
    now_s = time()
    row = deliveries.subscription(answer.body, now_s)
    delivery = answer.body.get("delivery") or {}
    context = {
        "one": row,
        "parked": [deliveries.parked(one) for one in rows_of(delivery, "parked")],
        "replays": [deliveries.replay(one) for one in rows_of(delivery, "replays")],
        "done": DONE.get(request.query.get("done", "")),
        "refused": refused,
    }
    status = 200 if refused is None else refused.status
    return page(request, "push_one.html", row["title"], context, status=status, every_s=2)


async def _do(request: web.Request) -> web.Response:
    form = {name: str(value).strip() for name, value in (await form_of(request)).items()}
    here = path("v1", "subscriptions", request.match_info["id"])
    deed = form.get("deed", "")
    if deed == "pause":
        answer = await tell(request, "PUT", here, {"state": "paused"})
    elif deed == "resume":
        answer = await tell(request, "PUT", here, {"state": "active"})
    elif deed == "retry":
        answer = await tell(request, "POST", here + ":retry")
    elif deed == "replay":
        given = {name: form.get(name, "") for name in ("order_id", "from", "to", "parked")}
        answer = await tell(request, "POST", with_query(here + ":replay", given))
    elif deed == "rotate":
        hours = form.get("hours", "")
        wanted: dict[str, Any] = {"rotate_secret": True}
        if hours.isascii() and hours.isdigit() and len(hours) < 6:
            wanted["rotation_s"] = int(hours) * _HOUR_S
        answer = await tell(request, "PUT", here, wanted)
        if answer.ok:
            return _secret(request, answer.body, "rotated")
    elif deed == "delete":
        answer = await tell(request, "DELETE", here)
    else:
        raise web.HTTPBadRequest(reason="There is no such deed")
    if not answer.ok:
        return await _shown(request, answer)
    there = "/push" if deed == "delete" else path("push", request.match_info["id"])
    return see(with_query(there, {"done": deed}))


def _secret(request: web.Request, body: Mapping[str, Any], how: str) -> web.Response:
    """The only page that ever shows it."""
    row = deliveries.subscription(body, time())
    context = {"one": row, "secret": body.get("secret"), "how": how}
    response = page(request, "push_secret.html", "The secret, once", context)
    response.headers["Cache-Control"] = "no-store"
    return response
