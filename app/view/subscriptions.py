"""`/v1/subscriptions`: who is told of status changes, kept in the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from secrets import token_hex
from time import time
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import LogUnavailable
from springtide.app.push.address import refusal
from springtide.app.push.progress import Progress
from springtide.app.push.registry import SUBSCRIPTIONS_MAX, Keeper, Registry
from springtide.app.push.signing import key_of, new_secret
from springtide.app.settings import Settings
from springtide.app.view.bodies import json_of, read_body
from springtide.app.view.delivery import STANDINGS, Deliveries, needs_attention, parked, replays
from springtide.app.view.parameters import cursor_of, given, moment, one_of, page, yes_or_no
from springtide.app.view.problems import Problem, bad_request, shown
from springtide.app.view.responses import json_response
from springtide.app.view.world import Entities
from springtide.codecs.subscriptions import (
    SECRET_PREFIX,
    Filter,
    Replay,
    Secret,
    Subscription,
    Upsert,
    Url,
)
from springtide.codecs.times import rfc3339

T = TypeVar("T")
ROTATION_S: Final = 86_400
"""So long the secret before the newest still signs beside it, unless another time is given."""
ROTATION_MAX_S: Final = 30 * 86_400
_B64: Final = "[A-Za-z0-9+/]"
SecretText: TypeAlias = Annotated[
    str,
    Meta(
        pattern=f"^{SECRET_PREFIX}(({_B64}{{4}}){{8,20}}({_B64}{{4}}|{_B64}{{3}}=|{_B64}{{2}}==)?"
        f"|({_B64}{{4}}){{21}}({_B64}{{2}}==)?)$"
    ),
]
"""24 to 64 bytes as base64."""
ORDER_ID_MAX: Final = 128
_PAUSE_S: Final = 1.0
_AT_ONCE: Final = 100
"""Looked at before others in this process have a turn."""


class Change(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a PUT says; what it leaves out stays as it is. With `secret` there is that new one, with `rotate_secret`
    else one that is made, and the one before signs too for `rotation_s` more."""

    url: Url | None = None
    name: Annotated[str, Meta(max_length=200)] | None = None
    filter: Filter | None = None
    upsert: Upsert | None = None
    secret: SecretText | None = None
    coalesce_ms: Annotated[int, Meta(ge=0, le=3_600_000)] | None = None
    rate_per_s: Annotated[float, Meta(gt=0, le=100_000)] | None = None
    in_flight_max: Annotated[int, Meta(ge=1, le=1_000)] | None = None
    timeout_ms: Annotated[int, Meta(ge=100, le=60_000)] | None = None
    give_up_s: Annotated[int, Meta(ge=1, le=30 * 86_400)] | None = None
    state: Literal["active", "paused"] | None = None
    rotate_secret: bool = False
    rotation_s: Annotated[int, Meta(ge=0, le=ROTATION_MAX_S)] = ROTATION_S


class Wish(Change, kw_only=True):
    """What a POST says: a PUT's fields, of which it needs the URL, and where to begin."""

    url: Url
    start: Literal["now", "beginning"] = "now"


_wish: Final = msgspec.json.Decoder(Wish)
_change: Final = msgspec.json.Decoder(Change)
_PLAIN: Final = (
    "name",
    "filter",
    "upsert",
    "coalesce_ms",
    "rate_per_s",
    "in_flight_max",
    "timeout_ms",
    "give_up_s",
)


class Subscriptions:
    """See the module."""

    def __init__(
        self, settings: Settings, connection: BrokerConnection, world: Callable[[], Entities]
    ) -> None:
        self._settings = settings
        self._log = KafkaLog(connection)
        self._keeper = Keeper(connection)
        self._world = world
        self.registry = Registry(self._log)
        self.progress = Progress(self._log, settings.app)
        self._deliveries = Deliveries(self._log, self.progress)

    def add_to(self, app: web.Application) -> None:
        router = app.router
        router.add_get("/v1/subscriptions", self.list)
        router.add_post("/v1/subscriptions", self.create)
        one = "/v1/subscriptions/{id:[^/:]+}"
        router.add_get(one, self.show)
        router.add_put(one, self.change)
        router.add_delete(one, self.delete)
        router.add_post(one + ":replay", self.replay)
        router.add_post(one + ":retry", self.retry)
        app.cleanup_ctx.append(self._life)

    async def _life(self, _: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._follow())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._keeper.close()
        await self._log.close()

    async def _follow(self) -> None:
        while True:
            try:
                await self._log.start()
                break
            except LogUnavailable:
                await self._log.close()
                await asyncio.sleep(_PAUSE_S)
        await asyncio.gather(self.registry.run(), self.progress.run())

    # --- answers ---

    async def list(self, request: web.Request) -> web.Response:
        """A page of them, in the order in which they were made."""
        asked = given(request.query.items(), ("standing", "attention", "cursor", "limit"))
        wanted, attention = one_of(asked, "standing", STANDINGS), yes_or_no(asked, "attention")
        part = page(asked)
        self._ready()
        known = sorted(self.registry.subscriptions.values(), key=_made)
        ends = await _answered(self._deliveries.ends_lately())
        found: list[dict[str, Any]] = []
        last, cursor = None, None
        self._deliveries.begin()
        for number, subscription in enumerate(known):
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0)
            if part.after is not None and _made(subscription) <= part.after:
                continue
            if len(found) == part.limit:
                cursor = None if last is None else cursor_of(last)
                break
            delivery = await self._deliveries.of(subscription, ends)
            if wanted not in (None, delivery["standing"]):
                continue
            if attention not in (None, needs_attention(delivery)):
                continue
            found.append(_shown(subscription) | {"delivery": delivery})
            last = _made(subscription)
        return json_response({"subscriptions": found, "cursor": cursor})

    async def show(self, request: web.Request) -> web.Response:
        subscription = self._known(request)
        ends = await _answered(self._deliveries.ends_lately())
        self._deliveries.begin()
        places = self._deliveries.places(subscription, ends)
        delivery = await self._deliveries.of(subscription, ends) | {
            "parked": parked(places, self._world()),
            "replays": replays(subscription, places, self.registry.replays),
        }
        return json_response(_shown(subscription) | {"delivery": delivery})

    async def create(self, request: web.Request) -> web.Response:
        self._ready()
        wish: Wish = read_body(_wish, await json_of(request))
        if len(self.registry.subscriptions) >= SUBSCRIPTIONS_MAX:
            raise bad_request(
                f"There are {SUBSCRIPTIONS_MAX} subscriptions already; delete one.", "", "too many"
            )
        self._check(wish)
        secret = wish.secret or new_secret()
        subscription = Subscription(
            id=f"sub_{token_hex(8)}",
            url=wish.url,
            secrets=(Secret(secret),),
            state=wish.state or "active",
            created_ms=int(time() * 1_000),
            positions={}
            if wish.start == "beginning"
            else {str(number): end for number, end in (await _answered(self._deliveries.ends())).items()},
            **{name: value for name in _PLAIN if (value := getattr(wish, name)) is not None},
        )
        await self._kept(self._keeper.keep(subscription))
        # The secret is shown here and when it is rotated, and never again.
        answer = json_response(_shown(subscription) | {"secret": secret}, 201)
        answer.headers["Location"] = f"/v1/subscriptions/{subscription.id}"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def change(self, request: web.Request) -> web.Response:
        known = self._known(request)
        wish: Change = read_body(_change, await json_of(request))
        self._check(wish)
        changes: dict[str, Any] = {
            name: value for name in _PLAIN if (value := getattr(wish, name)) is not None
        }
        if wish.url is not None:
            changes["url"] = wish.url
        if wish.state is not None:
            changes |= {"state": wish.state, "why": None}
        body: dict[str, Any] = {}
        if wish.rotate_secret or wish.secret is not None:
            body["secret"] = wish.secret or new_secret()
            ends_ms = int((time() + wish.rotation_s) * 1_000)
            changes["secrets"] = (Secret(body["secret"]), Secret(known.secrets[0].secret, ends_ms))
        changed = msgspec.structs.replace(known, **changes)
        await self._kept(self._keeper.keep(changed))
        answer = json_response(_shown(changed) | body)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    async def delete(self, request: web.Request) -> web.Response:
        known = self._known(request)
        await self._kept(self._keeper.delete(known.id))
        return web.Response(status=204)

    async def replay(self, request: web.Request) -> web.Response:
        known = self._known(request)
        asked = given(request.query.items(), ("order_id", "from", "to", "parked"))
        only_parked = yes_or_no(asked, "parked") or False
        if not only_parked and not asked.keys() - {"parked"}:
            raise bad_request(
                "Say what is to be told again: order_id, a span by from and to, or parked=true.",
                "order_id",
                "missing",
            )
        if len(asked.get("order_id", "")) > ORDER_ID_MAX:
            raise bad_request(f"An order_id has at most {ORDER_ID_MAX} characters.", "order_id", "too long")
        replay = Replay(
            id=f"rep_{token_hex(8)}",
            subscription=known.id,
            order_id=asked.get("order_id"),
            from_ms=_ms(asked, "from", 0),
            to_ms=_ms(asked, "to", 1 << 62),
            parked=only_parked,
            asked_ms=int(time() * 1_000),
        )
        await self._kept(self._keeper.ask(replay))
        return json_response({"replay": replay.id, "subscription": known.id}, 202)

    async def retry(self, request: web.Request) -> web.Response:
        """Closes the circuit, and has all that waits for its next attempt tried now."""
        known = self._known(request)
        if known.state != "active":
            raise Problem(
                409,
                "not-active",
                "The subscription is not active",
                f"It is {known.state}, and nothing is told. PUT it with state active: then it goes on at once.",
            )
        changed = msgspec.structs.replace(known, retried_ms=int(time() * 1_000))
        await self._kept(self._keeper.keep(changed))
        return json_response(_shown(changed), 202)

    # --- inside ---

    def _ready(self) -> None:
        if not self.registry.loaded.is_set() or not self.progress.loaded.is_set():
            raise _unavailable("the subscriptions are not read yet")

    def _known(self, request: web.Request) -> Subscription:
        self._ready()
        name = request.match_info["id"]
        found = self.registry.subscriptions.get(name)
        if found is None:
            raise Problem(
                404,
                "unknown-subscription",
                "Unknown subscription",
                f"There is no subscription '{shown(name)}'.",
            )
        return found

    def _check(self, wish: Change) -> None:
        inside = self._settings.push_allow_inside
        urls = [("url", wish.url)]
        if wish.upsert is not None and wish.upsert.oauth is not None:
            urls.append(("upsert.oauth.token_url", wish.upsert.oauth.token_url))
        for path, url in urls:
            why = None if url is None else refusal(url, allow_inside=inside)
            if why is not None:
                raise bad_request(f"{path} can't be used: {why}.", path, why)
        if wish.secret is not None:
            try:
                key_of(wish.secret)
            except ValueError as error:
                raise bad_request(f"The secret can't be used: {error}.", "secret", str(error)) from None

    async def _kept(self, writing: Awaitable[int]) -> None:
        await self.registry.reached(await _answered(writing))


def _made(subscription: Subscription) -> tuple[int, str]:
    """Its place in lists."""
    return subscription.created_ms, subscription.id


def _shown(subscription: Subscription) -> dict[str, Any]:
    """A subscription without its secrets."""
    body: dict[str, Any] = msgspec.to_builtins(subscription)
    for name in ("schema", "positions", "created_ms", "retried_ms"):
        body.pop(name, None)
    if subscription.upsert is not None and subscription.upsert.oauth is not None:
        body["upsert"]["oauth"].pop("client_secret", None)
    body["secrets"] = len(subscription.secrets)
    body["state"] = subscription.state
    body["created_at"] = rfc3339(subscription.created_ms * 1_000)
    return body


def _ms(asked: Mapping[str, str], name: str, default: int) -> int:
    at_us = moment(asked, name)
    return default if at_us is None else at_us // 1_000


async def _answered(question: Awaitable[T]) -> T:
    """What the log says; a Problem if it says nothing."""
    try:
        return await question
    except LogUnavailable as error:
        raise _unavailable(str(error)) from error


def _unavailable(why: str) -> Problem:
    return Problem(
        503,
        "log-unavailable",
        "The log does not answer",
        f"{why}. See that the broker runs, then ask again.",
        retry_after_s=1,
    )
