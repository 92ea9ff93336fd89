"""How answers leave: figures with their freshness, and every error as `application/problem+json`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from springtide.app.engine.store import StoreFailed
from springtide.app.view.edge import check_sizes, compress
from springtide.app.view.figures import Figure, matches
from springtide.app.view.metrics import Metrics
from springtide.app.view.partition import Partition
from springtide.app.view.positions import token
from springtide.app.view.problems import Problem, of_status, shown

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"

_encode: Final = msgspec.json.Encoder().encode
_log = structlog.get_logger("springtide.view")


def json_response(answer: object, status: int = 200) -> web.Response:
    return web.Response(status=status, body=_encode(answer), content_type=JSON)


def figure_bytes(figure: Figure, partition: Partition, lag_ms: int) -> bytes:
    """The whole body of a figure."""
    return b"%s%s%d}}" % (figure.body, partition.tail(), lag_ms)


def figure_response(request: web.Request, figure: Figure, partition: Partition, lag_ms: int) -> web.Response:
    """The figure, or 304 to who has it already."""
    headers = {"ETag": figure.etag, "Cache-Control": "no-cache"}
    asked = request.headers.get("If-None-Match")
    if asked is not None and matches(asked, figure.etag):
        # Nothing new to tell, and yet it is known to be as fresh as this.
        headers["Springtide-Position"] = token({partition.name: partition.marker})
        headers["Springtide-Lag-Ms"] = str(lag_ms)
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = JSON
    return web.Response(body=figure_bytes(figure, partition, lag_ms), headers=headers)


def problem_response(request: web.Request, problem: Problem) -> web.Response:
    return plain_problem(problem, request.rel_url.raw_path)


def plain_problem(problem: Problem, instance: str) -> web.Response:
    headers = {"Content-Type": PROBLEM, "Cache-Control": "no-store", **problem.headers}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    return web.Response(status=problem.status, body=_encode(problem.body(instance)), headers=headers)


def body_too_large(limit: int) -> Problem:
    return Problem(
        413,
        "too-large",
        "The body is too large",
        f"A body may have {limit} bytes. Send less at once; nothing was written.",
    )


def unsupported_content(content_type: str, wanted: str) -> Problem:
    return Problem(
        415,
        "unsupported-content",
        "Unsupported content type",
        f"The content type is '{shown(content_type)}'; send {wanted}.",
    )


def answering_problems(metrics: Metrics, body_bytes_max: int) -> Middleware:
    """The middleware around every handler: whatever it raises becomes a problem, and all is counted."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        response = await _answer(request, handler, body_bytes_max)
        if not response.prepared:
            response.headers["X-Content-Type-Options"] = "nosniff"
            compress(request, response)
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        metrics.answered(route, response.status, perf_counter() - began)
        return response

    return answer


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]], body_bytes_max: int
) -> web.StreamResponse:
    try:
        check_sizes(request)
        return await handler(request)
    except Problem as problem:
        return problem_response(request, problem)
    except web.HTTPRequestEntityTooLarge:
        return problem_response(request, body_too_large(body_bytes_max))
    except web.HTTPException as error:
        response = problem_response(request, _explained(request, error))
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except StoreFailed as error:
        _log.error("the view's rows can't be read", why=str(error))
        return problem_response(request, _ROWS_UNAVAILABLE)
    except Exception:  # noqa: BLE001 - a bug in one answer must not end the connection without one
        _log.exception("a request was not answered", method=request.method, path=shown(request.path))
        return problem_response(request, of_status(500, "The view failed on this request; its log says why."))


_ROWS_UNAVAILABLE: Final = Problem(
    503,
    "rows-unavailable",
    "The view can't read its rows",
    "The view's own storage does not answer; it is being mended. Ask again in a moment.",
    retry_after_s=1,
)


def _explained(request: web.Request, error: web.HTTPException) -> Problem:
    path = shown(request.path)
    if error.status == 404:
        return of_status(404, f"There is nothing at {path}.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return of_status(405, f"{path} does not answer {shown(request.method)}; use {allowed}.")
    return of_status(error.status, f"{error.reason}: {path}.")
