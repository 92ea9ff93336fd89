"""What a page's reader is told where a program would get a problem."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

from springtide.app.view.problems import Problem
from springtide.app.view.web.rendering import page


@web.middleware
async def readable(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Around every route: a browser that opens a page or sends its form gets a page in any case."""
    try:
        return await handler(request)
    except Problem as problem:
        resource = request.match_info.route.resource
        of_page = resource is not None and not resource.canonical.startswith("/v1/")
        by_script = "HX-Request" in request.headers
        if by_script or not of_page or "text/html" not in request.headers.get("Accept", ""):
            raise
        context = {"problem": problem}
        response = page(request, "refused.html", problem.title, context, status=problem.status)
        response.headers.update(problem.headers)
        if problem.retry_after_s is not None:
            response.headers["Retry-After"] = str(problem.retry_after_s)
        return response
