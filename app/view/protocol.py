"""What is no HTTP, answered as every other error: as a problem, and without a word of what reads it."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

from springtide.app.view.edge import SERVER
from springtide.app.view.problems import of_status
from springtide.app.view.responses import plain_problem


class _Protocol(RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        super().handle_error(request, status, exc, message)  # raises if there is nobody to tell any more
        if isinstance(exc, LineTooLong):
            problem = of_status(400, "A line of the request is too long. Ask for less at once.")
        elif status < 500:
            problem = of_status(status, "This is no HTTP request.")
        else:
            problem = of_status(500, "The view failed on this request; its log says why.")
        response = plain_problem(problem, "")
        response.headers["Server"] = SERVER
        response.force_close()
        return response


class Runner(web.AppRunner):
    """The usual one, with the protocol above."""

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # aiohttp has no way to say which protocol its server speaks
        return server


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        protocol = super().__call__()
        protocol.__class__ = _Protocol
        return protocol
