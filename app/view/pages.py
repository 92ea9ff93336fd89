"""The pages for people: each asks the API's own routes, and is whole without JavaScript.

A page has a `live` part that the browser asks for again every few seconds; it is sent only when it has changed
(304 otherwise), and how fresh it is goes along in a header either way.
"""

from __future__ import annotations

from time import time
from typing import Final

import aiohttp_jinja2
from aiohttp import web

from springtide.app.view.web import charts, deliveries, keyfigures, sentences, shapes, words
from springtide.app.view.web.asking import NOTHING_THERE, Answer, ask, cursor_of, path, rows_of, with_query
from springtide.app.view.web.assets import Assets
from springtide.app.view.web.exceptions import add_exceptions
from springtide.app.view.web.guard import guard
from springtide.app.view.web.login import add_login
from springtide.app.view.web.pulse import Pulse
from springtide.app.view.web.push import add_push
from springtide.app.view.web.refused import readable
from springtide.app.view.web.rendering import PULSE, environment, page, see, version_of
from springtide.app.view.web.workers import Workers

FEW: Final = 5
"""Rows of what needs attention on the first page."""
CHANNELS_MAX: Final = 8
"""Channels whose own figures a SKU's page asks for."""
_ASSETS: Final = web.AppKey("assets", Assets)
_WORKERS: Final = web.AppKey("workers", Workers)


def add_pages(app: web.Application, pulse: Pulse, workers: Workers, pushers: Workers) -> None:
    """Adds the pages and `/static/`; `pulse` tells how the system stands, `workers` and `pushers` who works in
    it."""
    app[_ASSETS] = Assets()
    app[PULSE] = pulse
    app[_WORKERS] = workers
    app.cleanup_ctx.append(pulse.beat)
    app.middlewares.extend((readable, guard))
    env = environment()
    env.globals["asset"] = app[_ASSETS].url
    app[aiohttp_jinja2.APP_KEY] = env
    router = app.router
    router.add_get("/static/{name}", app[_ASSETS].get)
    router.add_get("/", _home)
    router.add_get("/find", _find)
    router.add_get("/sku/{sku}", _sku)
    router.add_get("/order/{order_id}", _order)
    router.add_get("/orders", _orders)
    router.add_get("/kpis", _kpis)
    router.add_get("/system", _system)
    add_exceptions(app)
    add_push(app, pushers)
    add_login(app)


# --- pages ---


async def _home(request: web.Request) -> web.Response:
    pulse = request.app[PULSE]
    exceptions = await ask(request, f"/v1/exceptions?limit={FEW}")
    at_risk = await ask(request, f"/v1/at-risk?limit={FEW}")
    mismatches = await ask(request, f"/v1/finance/mismatches?limit={FEW}")
    push = await ask(request, f"/v1/subscriptions?attention=true&limit={FEW}")
    now_s = time()
    course = pulse.course()
    return page(
        request,
        "home.html",
        "Home",
        {
            "standing": pulse.look(),
            "rates": pulse.rates(),
            "plot": charts.plot(
                course["at"], [charts.Series("Events each second", course["events"], fill=True)], "/s"
            ),
            "exceptions": [shapes.exception(row) for row in rows_of(exceptions.body, "exceptions")[:FEW]],
            "at_risk": [shapes.at_risk(row) for row in rows_of(at_risk.body, "promises")[:FEW]],
            "mismatches": [shapes.mismatch(row) for row in rows_of(mismatches.body, "mismatches")[:FEW]],
            "push": deliveries.by_need(
                [deliveries.subscription(row, now_s) for row in rows_of(push.body, "subscriptions")[:FEW]]
            ),
            "answers": {"exceptions": exceptions, "at_risk": at_risk, "mismatches": mismatches, "push": push},
        },
        every_s=3,
    )


async def _find(request: web.Request) -> web.Response:
    """Straight to the order or the SKU of that name; a choice where there are both, and help where neither."""
    wanted = request.query.get("q", "").strip()
    if not wanted:
        return see("/")
    order = await ask(request, path("v1", "orders", wanted))
    sku = await ask(request, path("v1", "atp", wanted))
    unplaced = str(order.body.get("type", "")).endswith("order-not-placed")
    found = [
        (kind, path(kind, wanted))
        for kind, answer in (("order", order), ("sku", sku))
        if answer.ok or (kind == "order" and unplaced)
    ]
    if len(found) == 1:
        return see(found[0][1])
    context = {"wanted": wanted, "found": found, "answer": sku}
    busy = max(order.status, sku.status) if not found else 200
    return page(request, "find.html", "Find", context, status=busy)


async def _sku(request: web.Request) -> web.Response:
    sku = request.match_info["sku"]
    query = _given(request, "location", "channel", "qty", "by")
    if "by" in query and "qty" not in query:
        query["qty"] = "1"
    answer = await ask(request, with_query(path("v1", "atp", sku), query))
    body = answer.body
    if not answer.ok:
        return _problem_page(request, "sku", sku, answer)
    risks = await ask(request, path("v1", "at-risk", sku=sku))
    channels = []
    if "channel" not in query:
        for channel in shapes.fenced_channels(body)[:CHANNELS_MAX]:
            one = await ask(request, path("v1", "atp", sku, channel=channel, location=query.get("location")))
            if one.ok:
                channels.append({**one.body, "name": channel})
    curve = charts.points(body)
    context = {
        "sku": sku,
        "body": body,
        "query": query,
        "plot": charts.curve_plot(body),
        "turns": charts.turns(curve),
        "horizon": curve[-1]["date"] if curve else None,
        "channels": channels,
        "discrete": shapes.discrete(body),
        "risks": [shapes.at_risk(row) for row in rows_of(risks.body, "promises")],
        "headline": shapes.available(body),
    }
    return page(request, "sku.html", sku, context, body=body, every_s=2)


async def _order(request: web.Request) -> web.Response:
    order_id = request.match_info["order_id"]
    query = _given(request, "as_of")
    answer = await ask(request, with_query(path("v1", "orders", order_id), query))
    body = answer.body
    if not answer.ok:
        return _problem_page(request, "order", order_id, answer)
    timeline = await ask(request, path("v1", "orders", order_id, "timeline"))
    facts = shapes.occurred_by(rows_of(timeline.body, "facts"), query.get("as_of"))
    delay = body.get("delay") or {}
    context = {
        "order_id": order_id,
        "body": body,
        "query": query,
        "sentence": sentences.customer_sentence(body),
        "delay": delay,
        "waterfall": charts.waterfall(delay),
        "width": charts.WIDTH,
        "steps": shapes.ledger_steps(body),
        "shipments": shapes.shipments(body),
        "billing": shapes.billing(body),
        "papers": shapes.papers(facts),
        "facts": [shapes.fact(row) for row in facts],
        "exceptions": [shapes.exception(row) for row in body.get("exceptions") or []],
    }
    # What was does not change.
    return page(request, "order.html", order_id, context, body=body, every_s=0 if query else 2)


async def _orders(request: web.Request) -> web.Response:
    filters = _given(request, "status", "cause", "region", "channel", "customer", "at_risk")
    cursor = request.query.get("cursor", "")
    answer = await ask(request, with_query("/v1/orders", {**filters, "cursor": cursor}))
    following = cursor_of(answer.body) if answer.ok else None
    context = {
        "answer": answer,
        "orders": [shapes.order_row(row) for row in rows_of(answer.body, "orders")],
        "filters": filters,
        "statuses": words.STATUSES,
        "causes": list(sentences.CAUSES),
        "cursor": cursor,
        "first": with_query("/orders", filters),
        "next": with_query("/orders", {**filters, "cursor": following}) if following else None,
    }
    return page(request, "orders.html", "Orders", context, body=answer.body, status=answer.status, every_s=5)


async def _kpis(request: web.Request) -> web.Response:
    query = _given(request, "from", "to")
    by = request.query.get("by", "region")
    by = by if by in keyfigures.DIMENSIONS else "region"
    whole = await ask(request, with_query("/v1/kpis", query))
    groups = await ask(request, with_query("/v1/kpis", {"by": by, **query}))
    daily = NOTHING_THERE
    if by != "process":  # a process has no course of its own to draw
        daily = await ask(request, with_query("/v1/kpis", {"by": f"{by},day", **query}))
    context = {
        "answer": groups,
        "query": query,
        "by": by,
        "dimensions": keyfigures.DIMENSIONS,
        "whole": keyfigures.whole(whole.body),
        "groups": keyfigures.groups(groups.body, by),
        "plots": keyfigures.plots(daily.body, by) if daily.ok else [],
        "backlog": keyfigures.backlog(whole.body),
        "lateness": keyfigures.lateness(whole.body),
    }
    return page(request, "kpis.html", "KPIs", context, body=groups.body, status=groups.status, every_s=15)


async def _system(request: web.Request) -> web.Response:
    pulse = request.app[PULSE]
    course = pulse.course()
    now = pulse.look()
    ingress: dict[str, dict[str, int]] = {}
    for name, offset in now.ingress.items():
        topic, _, number = name.rpartition("/")
        ingress.setdefault(topic, {})[number] = offset
    context = {
        "standing": now,
        "ingress": ingress,
        "rates": pulse.rates(),
        "workers": await request.app[_WORKERS].known(),
        "versions": _versions(),
        "plot": charts.plot(
            course["at"], [charts.Series("Behind", course["lag_ms"], "late", fill=True)], "ms"
        ),
    }
    return page(request, "system.html", "System", context, every_s=2)


def _problem_page(request: web.Request, kind: str, name: str, answer: Answer) -> web.Response:
    context = {"kind": kind, "name": name, "answer": answer}
    return page(request, "problem.html", name, context, status=answer.status, every_s=3)


def _given(request: web.Request, *names: str) -> dict[str, str]:
    """The parameters that are given and not empty."""
    return {name: value for name in names if (value := request.query.get(name, "").strip())}


def _versions() -> dict[str, str]:
    return {"springtide": version_of()} | {
        name: version_of(name) for name in ("faust-streaming", "aiokafka", "rocksdict", "aiohttp")
    }
