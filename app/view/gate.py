"""Who may pass: every request is admitted by its key or token, its scope and its limits, or answered why not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
from time import time
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from springtide.app.access import keys, session
from springtide.app.access.caller import ANYONE, Caller
from springtide.app.access.limits import DAY_S, Limits, Verdict
from springtide.app.access.registry import Keeper, Registry
from springtide.app.access.scopes import METRICS_READ
from springtide.app.access.throttle import Throttle
from springtide.app.access.tokens import KeysUnavailable, Refused, Tokens
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.log import Log, LogUnavailable
from springtide.app.settings import Settings
from springtide.app.view.operations import BY_ROUTE, OPEN, PAGE_DEEDS, PAGES
from springtide.app.view.problems import Problem
from springtide.app.view.web.guard import session_of, to_sign_in
from springtide.codecs.access import Usage

CALLER: Final = web.RequestKey("caller", Caller)
_VERDICT: Final = web.RequestKey("verdict", Verdict)
COUNTED_EVERY_S: Final = 2.0
"""So often a view tells the others what of partners' quotas it has let through."""
_REALM: Final = 'realm="springtide"'
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "Via", "X-Real-IP")

_log = structlog.get_logger("springtide.access")


def caller_of(request: web.Request) -> Caller:
    """Who asks; anyone where access is open."""
    found: Caller = request.get(CALLER, ANYONE)
    return found


class Gate:
    """See the module. `log` is the view's own, `index` the view's number."""

    def __init__(self, settings: Settings, connection: BrokerConnection, log: Log, index: int) -> None:
        self.registry = Registry(log)
        self.limits = Limits(lambda partner, day: self.registry.used_elsewhere(index, partner, day))
        self._keeper = Keeper(connection)
        self._index = index
        self._settings = settings
        self._tokens: Tokens | None = None
        self._throttle = Throttle()

    def add_to(self, app: web.Application) -> None:
        app[GATE] = self
        app.middlewares.append(self._admit)
        app.on_response_prepare.append(_tell_limits)
        app.cleanup_ctx.append(self._life)

    def is_still_good(self, caller: Caller) -> bool:
        """Whether who was admitted a while ago would be admitted now."""
        now_ms = int(time() * 1_000)
        if caller.expires_ms is not None and now_ms >= caller.expires_ms:
            return False
        if caller.key is None:
            return True
        known = self.registry.callers.get(caller.key.id)
        return known is not None and known.key is not None and keys.is_good(known.key, now_ms)

    async def run(self) -> None:
        """Follows the keys until cancelled; the log is started."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.registry.run())
            group.create_task(self._count())

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        if self._settings.oauth_jwks_url is not None:
            self._tokens = Tokens(self._settings)
        yield
        await self._keeper.close()
        if self._tokens is not None:
            await self._tokens.close()

    # --- admission ---

    @web.middleware
    async def _admit(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """1. What the route needs. 2. Who asks. 3. Whether they may. 4. Whether they may again so soon."""
        # 1
        resource = request.match_info.route.resource
        if resource is None or resource.canonical in OPEN:
            return await handler(request)
        method = "GET" if request.method == "HEAD" else request.method
        path = resource.canonical
        operation = BY_ROUTE.get((method, path))
        pages = {"GET": PAGES, "POST": PAGE_DEEDS}.get(method, {})
        if operation is None and path not in pages:
            raise _forbidden("No scope allows this call.", None)
        if operation is not None and operation.scope == METRICS_READ and _is_local(request):
            return await handler(request)
        # 2
        known = request.get(CALLER)  # a page asks as who opened it
        caller = known or await self._caller(request, on_page=operation is None)
        if caller is None:
            return to_sign_in(request)
        # 3
        needed = (operation.scope, *operation.more_scopes) if operation is not None else (pages[path],)
        for scope in needed:
            if scope is not None and scope not in caller.scopes:
                raise _forbidden(f"This needs the scope {scope}, which {caller.name} lacks.", scope)
        if caller.bound and operation is not None and not operation.bound:
            raise not_for_bound()
        # 4
        if known is None:
            request[CALLER] = caller
            if caller.rate_per_s:
                verdict = self.limits.take(
                    caller.name, caller.rate_per_s, caller.burst, caller.partner, caller.quota_per_day
                )
                request[_VERDICT] = verdict
                if not verdict.passes:
                    raise _too_many(verdict)
        return await handler(request)

    async def _caller(self, request: web.Request, *, on_page: bool) -> Caller | None:
        """By what the request shows, or on a page by its session; None: a browser whose reader has to sign in."""
        shown = _credential(request)
        if shown is not None:
            try:
                return await self._bearer(shown)
            except Problem as problem:
                raise self._counted(request, problem) from None
        if on_page:
            found = await self.by_session(request)
            if found is not None or _is_browser(request):
                return found
        raise _unauthenticated("Show an API key or a token: Authorization: Bearer ...", "")

    def _counted(self, request: web.Request, problem: Problem) -> Problem:
        """The same, or that too many from there were not good. A good key passes, whatever others have shown."""
        if problem.status != 401:
            return problem
        wait_s = self._throttle.failed(request.remote)
        return _too_many_failed(wait_s) if wait_s else problem

    async def _bearer(self, shown: str) -> Caller:
        if shown.startswith(keys.PREFIX):
            return self._bearer_of_key(shown)
        if self._tokens is None:
            raise _unauthenticated("This is no API key; tokens are not taken here.", "invalid_token")
        try:
            return await self._tokens.caller(shown)
        except Refused as error:
            raise _unauthenticated(f"The token is not good: {error}.", "invalid_token") from None
        except KeysUnavailable as error:
            raise _unavailable(f"Nothing can be said of the token: {error}.") from None

    def _bearer_of_key(self, shown: str) -> Caller:
        if not self.registry.loaded.is_set():
            raise _unavailable("The keys are not read yet.")
        presented = keys.parse(shown)
        if presented is not None:
            caller = self.registry.callers.get(presented.id)
            key = None if caller is None else caller.key
            if keys.is_valid(presented, key, int(time() * 1_000)):
                assert caller is not None
                return caller
        raise _unauthenticated(
            "The API key is unknown, expired or revoked. `springtide keys list` shows.", "invalid_token"
        )

    # --- sessions ---

    async def by_session(self, request: web.Request) -> Caller | None:
        """Who is signed in; None: nobody, or no longer. Problem while that can't be told."""
        cookie = session_of(request)
        opened = None if cookie is None else session.read(cookie)
        if opened is None:
            return None
        if opened.token:
            try:
                return await self._bearer(opened.token)
            except Problem as problem:
                if problem.status != 401:
                    raise
                return None
        if not self.registry.loaded.is_set():
            raise _unavailable("The keys are not read yet.")
        caller = self.registry.callers.get(opened.key_id)
        key = None if caller is None else caller.key
        return caller if session.is_valid(opened, key, int(time() * 1_000)) else None

    async def sign_in(self, request: web.Request, shown: str) -> tuple[str, int]:
        """A new session for the bearer of a key or token, and the seconds it lasts. Problem if it is not good, or
        if too many from there were not: then it is not looked at."""
        wait_s = self._throttle.wait_s(request.remote)
        if wait_s:
            raise _too_many_failed(wait_s)
        try:
            caller = await self._bearer(shown)
        except Problem as problem:
            raise self._counted(request, problem) from None
        now_s = time()
        if caller.key is not None:
            return session.of_key(caller.key, int(now_s)), session.LIFETIME_S
        if len(shown) > session.TOKEN_CHARS_MAX:
            raise Problem(
                400,
                "bad-request",
                "The token is too long",
                f"A browser can keep {session.TOKEN_CHARS_MAX} characters of a token, and this has {len(shown)}. "
                "Ask for one with fewer claims, or use a key.",
            )
        assert caller.expires_ms is not None
        lifetime_s = min(session.LIFETIME_S, int(caller.expires_ms / 1_000 - now_s))
        return session.of_token(shown), max(1, lifetime_s)

    # --- quotas ---

    async def _count(self) -> None:
        """Tells other views, and who comes after this one, what was let through of quotas."""
        await self.registry.loaded.wait()
        for partner, by_view in self.registry.usages.items():
            own = by_view.get(self._index)
            if own is not None and own.day == int(time()) // DAY_S:
                day, used = self.limits.used.get(partner, (own.day, 0))
                self.limits.used[partner] = (day, used + own.requests)
        told: dict[str, tuple[int, int]] = {}
        while True:
            await asyncio.sleep(COUNTED_EVERY_S)
            for partner, (day, requests) in list(self.limits.used.items()):
                if told.get(partner) == (day, requests):
                    continue
                try:
                    await self._keeper.count(
                        Usage(partner=partner, view=self._index, day=day, requests=requests)
                    )
                except LogUnavailable as error:
                    _log.warning("the use of a quota is not told", partner=partner, why=str(error))
                    break
                told[partner] = (day, requests)


GATE: Final = web.AppKey("gate", Gate)
"""There where access is not open."""


def _credential(request: web.Request) -> str | None:
    """The key or token that a request shows."""
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    return given.strip() or None if kind.lower() == "bearer" else None


def _is_browser(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "") or "HX-Request" in request.headers


def _is_local(request: web.Request) -> bool:
    """Whether it comes from this machine, and not through a proxy on it that says so."""
    if request.transport is None or any(name in request.headers for name in _FORWARDED):
        return False
    remote, own = (request.transport.get_extra_info(name) for name in ("peername", "sockname"))
    if not remote or not own:
        return False
    try:
        return ip_address(remote[0]).is_loopback or remote[0] == own[0]
    except ValueError:
        return False


async def _tell_limits(request: web.Request, response: web.StreamResponse) -> None:
    verdict = request.get(_VERDICT)
    if verdict is not None:
        response.headers["RateLimit-Policy"] = verdict.policy
        response.headers["RateLimit"] = verdict.left


# --- refusals ---


def _unauthenticated(detail: str, error: str) -> Problem:
    challenge = f"Bearer {_REALM}" + (f', error="{error}"' if error else "")
    return Problem(
        401, "unauthenticated", "Who asks is not known", detail, headers={"WWW-Authenticate": challenge}
    )


def _forbidden(detail: str, scope: str | None) -> Problem:
    challenge = f'Bearer {_REALM}, error="insufficient_scope"' + (f', scope="{scope}"' if scope else "")
    return Problem(
        403,
        "insufficient-scope",
        "Not allowed",
        detail,
        more={} if scope is None else {"scope": scope},
        headers={"WWW-Authenticate": challenge},
    )


def not_for_bound(why: str = "it concerns all of them") -> Problem:
    """For who is kept to customers or channels."""
    return Problem(
        403,
        "not-for-bound",
        "Not for who is kept to customers or channels",
        f"This can't be asked by a key that is bound to customers or channels: {why}.",
    )


def _too_many(verdict: Verdict) -> Problem:
    kind = "quota-used-up" if verdict.left.startswith('"day"') else "rate-limited"
    return Problem(
        429,
        kind,
        "Too many requests",
        f"{verdict.why}. Ask again in {verdict.retry_after_s} s.",
        retry_after_s=verdict.retry_after_s,
    )


def _too_many_failed(wait_s: int) -> Problem:
    return Problem(
        429,
        "too-many-failures",
        "Too many keys or tokens were not good",
        f"Too many that were not good have come from this address, or from all together. Show the right one in {wait_s} s.",
        retry_after_s=wait_s,
    )


def _unavailable(detail: str) -> Problem:
    return Problem(503, "access-unavailable", "Nobody is known yet", f"{detail} Ask again.", retry_after_s=1)
