"""The page of exceptions: by impact, one of them whole, mended, replayed or discarded, or many by the filter."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

import msgspec
from aiohttp import web

from springtide.app.view.bodies import form_of
from springtide.app.view.questions import EXCEPTION_FILTERS, STATES, WHATS
from springtide.app.view.web import shapes
from springtide.app.view.web.asking import Answer, ask, cursor_of, path, rows_of, tell, with_query
from springtide.app.view.web.rendering import fragment, page, see
from springtide.codecs.facts import INGRESS_TOPICS

ACTIONS_SHOWN: Final = 20
COUNTED_MAX: Final = 500
"""Of how many it is said how many there are."""
MANY_MAX: Final = 100_000
AT_ONCE_S: Final = 2.0
"""So long one part of many takes, at the rate that is asked for; each part is one request."""
REPLAYS_AT_ONCE: Final = 50
DISCARDS_AT_ONCE: Final = 200
RATE_MIN, RATE, RATE_MAX = 0.5, 20.0, 1_000.0
FAILURES_SHOWN: Final = 10
_FILTERS: Final = (*EXCEPTION_FILTERS, "state")
_PAST: Final = {"replay": "replayed", "discard": "discarded"}
_decode: Final = msgspec.json.Decoder().decode


def add_exceptions(app: web.Application) -> None:
    router = app.router
    router.add_get("/exceptions", _listed)
    router.add_post("/exceptions/replay", _replay)
    router.add_post("/exceptions/discard", _discard)
    router.add_post("/exceptions/many", _many)


async def _listed(request: web.Request) -> web.Response:
    given = request.query
    many = given.get("many", "")
    return await _page(request, given, opened=given.get("open", ""), many=_PAST.get(many) and many)


async def _page(
    request: web.Request,
    given: Mapping[str, Any],
    *,
    opened: str = "",
    many: str | None = None,
    refused: Answer | None = None,
    typed: Mapping[str, str] | None = None,
    run: Mapping[str, Any] | None = None,
) -> web.Response:
    """The page with one opened, or with many about to be done or being done (`run`). `refused` and `typed` are
    what became of a form, and what stood in it."""
    here = _kept(given)
    filters = {name: value for name, value in here.items() if name != "cursor"}
    answer = await ask(request, with_query("/v1/exceptions", here))
    found = [shapes.exception(row) for row in rows_of(answer.body, "exceptions")]
    for row in found:
        row["href"] = with_query("/exceptions", {**here, "open": row["id"]}) + "#opened"
    by_script = "HX-Request" in request.headers  # it asks for the list alone
    one = await _one(request, opened) if opened and not by_script else None
    actions = await ask(request, f"/v1/exceptions/actions?limit={ACTIONS_SHOWN}")
    following = cursor_of(answer.body) if answer.ok else None
    context = {
        "answer": answer,
        "exceptions": found,
        "one": one,
        "opened": opened,
        "done": given.get("done"),
        "refused": refused,
        "typed": typed,
        "filters": filters,
        "here": with_query("/exceptions", {**here, "open": opened}),
        "whats": WHATS,
        "states": STATES,
        "processes": INGRESS_TOPICS,
        "kept": here,
        "closed": with_query("/exceptions", here),
        "actions": [shapes.action(row) for row in rows_of(actions.body, "actions")],
        "cursor": here.get("cursor", ""),
        "first": with_query("/exceptions", filters),
        "next": with_query("/exceptions", {**filters, "cursor": following}) if following else None,
        "for_many": {deed: with_query("/exceptions", {**filters, "many": deed}) for deed in _may(filters)},
        "many": many,
        "about": await _about(request, many, filters) if many and run is None else None,
        "run": run,
        "rate": {"least": RATE_MIN, "usual": RATE, "most": RATE_MAX},
        "many_max": MANY_MAX,
    }
    status = answer.status if refused is None else refused.status
    return page(request, "exceptions.html", "Exceptions", context, body=answer.body, status=status, every_s=5)


async def _one(request: web.Request, name: str) -> dict[str, Any] | None:
    """The exception of this name, whatever was done about it; None: there is none."""
    answer = await ask(request, with_query("/v1/exceptions", {"id": name, "state": "all"}))
    rows = [row for row in rows_of(answer.body, "exceptions") if row.get("id") == name]
    return shapes.exception(rows[0]) if rows else None


# --- one ---


async def _replay(request: web.Request) -> web.Response:
    """Mended if the text of the event was changed, as it came if it was not."""
    form = _texts(await form_of(request))
    name, text = form.get("id", ""), form.get("event", "").replace("\r\n", "\n").strip()
    one = await _one(request, name)
    body: dict[str, Any] = {"reason": form["reason"]} if form.get("reason") else {}
    if text and (one is None or text != one["text"]):
        try:
            _decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            fault = {"path": "event", "message": str(error)}
            problem = {"title": "The event is no JSON", "detail": "Nothing was done.", "errors": [fault]}
            return await _page(request, form, opened=name, refused=Answer(400, problem), typed=form)
        body["event"] = msgspec.Raw(text.encode())
    return await _act(request, form, "replay", body)


async def _discard(request: web.Request) -> web.Response:
    form = _texts(await form_of(request))
    if not form.get("reason"):
        fault = {"path": "reason", "message": "it is missing"}
        problem = {"title": "Say why it is discarded", "detail": "Nothing was done.", "errors": [fault]}
        return await _page(request, form, opened=form.get("id", ""), refused=Answer(400, problem), typed=form)
    return await _act(request, form, "discard", {"reason": form["reason"]})


async def _act(
    request: web.Request, form: Mapping[str, str], deed: str, body: Mapping[str, Any]
) -> web.Response:
    name = form.get("id", "")
    answer = await tell(request, "POST", f"{path('v1', 'exceptions', name)}:{deed}", body)
    if not answer.ok:
        return await _page(request, form, opened=name, refused=answer, typed=form)
    return see(with_query("/exceptions", {**_kept(form), "open": name, "done": _PAST[deed]}))


# --- many ---


def _may(filters: Mapping[str, str]) -> list[str]:
    """What can be done to all that the filter lets through: what is done already, or is no event, is left."""
    if filters.get("state", "open") != "open":
        return []
    return ["replay", "discard"] if filters.get("what", WHATS[0]) == WHATS[0] else ["discard"]


async def _about(request: web.Request, deed: str, filters: Mapping[str, str]) -> dict[str, Any]:
    """How many it concerns."""
    wanted = {**filters, **({"what": WHATS[0]} if deed == "replay" else {}), "limit": str(COUNTED_MAX)}
    answer = await ask(request, with_query("/v1/exceptions", wanted))
    count = len(rows_of(answer.body, "exceptions"))
    return {"count": count, "more": cursor_of(answer.body) is not None, "answer": answer}


async def _many(request: web.Request) -> web.Response:
    """One part of many; what it answers sends for the next one, or has a button that does."""
    form = _texts(await form_of(request))
    deed = "discard" if form.get("deed") == "discard" else "replay"
    rate = min(RATE_MAX, max(RATE_MIN, _number(form.get("rate"), RATE)))
    whole = int(min(MANY_MAX, max(1, _number(form.get("whole"), 1))))
    done, failed = (int(max(0, _number(form.get(name), 0))) for name in ("done", "failed"))
    most = DISCARDS_AT_ONCE if deed == "discard" else min(REPLAYS_AT_ONCE, max(1, int(rate * AT_ONCE_S)))
    part = min(most, whole - done - failed)
    filters = {name: form[name] for name in EXCEPTION_FILTERS if form.get(name)}
    body = {"filter": filters, "limit": max(1, part), "rate_per_s": rate}
    body |= {name: form[name] for name in ("reason", "cursor") if form.get(name)}
    began_s = monotonic()
    answer = await tell(request, "POST", f"/v1/exceptions:{deed}", body)
    failures = (await form_of(request)).getall("failure", [])
    for result in rows_of(answer.body, "results"):
        if isinstance(problem := result.get("problem"), dict):
            failures = [*failures, f"{result.get('id')}: {problem.get('detail')}"]
    done += int(answer.body.get(_PAST[deed]) or 0)
    failed += int(answer.body.get("failed") or 0)
    cursor = cursor_of(answer.body) if answer.ok else form.get("cursor")
    going = answer.ok and cursor is not None and done + failed < whole
    if going and deed == "replay":
        await asyncio.sleep(max(0.0, began_s + part / rate - monotonic()))
    run = {
        "deed": deed,
        "past": _PAST[deed],
        "rate": rate,
        "reason": form.get("reason", ""),
        "whole": whole,
        "done": done,
        "failed": failed,
        "failures": [str(failure) for failure in failures][-FAILURES_SHOWN:],
        "cursor": cursor or "",
        "going": going,
        "over": answer.ok and not going,
        "refused": None if answer.ok else answer,
    }
    if request.headers.get("HX-Request") == "true":
        return fragment(request, "exceptions.html", "part", {"run": run, "filters": filters})
    return await _page(request, filters, many=deed, run=run)


# --- forms ---


def _texts(form: Mapping[str, Any]) -> dict[str, str]:
    return {name: value.strip() for name, value in form.items() if isinstance(value, str)}


def _kept(given: Mapping[str, Any]) -> dict[str, str]:
    """The filters, and the page of the list, that are given."""
    return {name: text for name in (*_FILTERS, "cursor") if (text := str(given.get(name, "")).strip())}


def _number(text: str | None, otherwise: float) -> float:
    try:
        found = float(text or otherwise)
    except ValueError:
        return otherwise
    return found if found == found and abs(found) < 1e9 else otherwise
