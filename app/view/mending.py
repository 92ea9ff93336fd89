"""Replaying and discarding exceptions, one or many, with a record of who did what.

Event and record are written in one transaction, so that neither is there without the other; and by one writer at a
time, so that an exception is replayed once, however many ask for it and wherever.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import monotonic, time
from typing import Annotated, Any, Final, Literal

import msgspec
from aiohttp import web
from msgspec import Meta

from springtide.app.access.caller import ANYONE
from springtide.app.view.actions import rows_of
from springtide.app.view.bodies import json_of, read_body
from springtide.app.view.exceptions import action_body, exceptions_answer
from springtide.app.view.gate import caller_of
from springtide.app.view.keeping import Keeping
from springtide.app.view.live import LiveWorld
from springtide.app.view.one_writer import Done, OneWriter
from springtide.app.view.originals import Originals, under_new_id
from springtide.app.view.parameters import CURSOR_MAX, CURSOR_PATTERN, LIMIT_MAX, VALUE_MAX
from springtide.app.view.positions import token
from springtide.app.view.problems import Problem, shown
from springtide.app.view.questions import exceptions_question
from springtide.app.view.responses import json_response
from springtide.app.view.submission import ONE, Posted
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.times import SECOND_US, rfc3339

BULK_S_MAX: Final = 60.0
"""So long one replay of many may take; what it leaves, the next one goes on with."""
RATE_MAX: Final = 1_000.0
Reason = Annotated[str, Meta(min_length=1, max_length=1_000)]
Value = Annotated[str, Meta(min_length=1, max_length=VALUE_MAX)]
Cursor = Annotated[str, Meta(max_length=CURSOR_MAX, pattern=CURSOR_PATTERN)]


class ReplayAsked(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/exceptions/{id}:replay`."""

    event: msgspec.Raw = msgspec.Raw()
    """The mended event; empty: the original."""
    reason: Reason | None = None


class DiscardAsked(msgspec.Struct, forbid_unknown_fields=True):
    """`POST /v1/exceptions/{id}:discard`."""

    reason: Reason


class Filter(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Parameters of the list of exceptions."""

    order: Value | None = None
    kind: Value | None = None
    what: Literal["dead_letter", "anomaly", "waiting"] | None = None
    process: Value | None = None
    source: Value | None = None
    type: Value | None = None


class ReplayManyAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`POST /v1/exceptions:replay`. At a rate at which `limit` takes longer than a request may, it is fewer, and
    `cursor` leads on."""

    filter: Filter
    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = 100
    rate_per_s: Annotated[float, Meta(gt=0, le=RATE_MAX)] = 20.0
    reason: Reason | None = None
    cursor: Cursor | None = None


class DiscardManyAsked(ReplayManyAsked, kw_only=True):
    """`POST /v1/exceptions:discard`: the same with a reason. All are discarded at once, whatever the rate."""

    reason: Reason


class _Named(msgspec.Struct):
    source: str
    id: str


_name_of: Final = msgspec.json.Decoder(_Named).decode
_replay: Final = msgspec.json.Decoder(ReplayAsked)
_discard: Final = msgspec.json.Decoder(DiscardAsked)
_replay_many: Final = msgspec.json.Decoder(ReplayManyAsked)
_discard_many: Final = msgspec.json.Decoder(DiscardManyAsked)


class Mending:
    """See the module. `read` checks a posted event as any other, and says where it goes."""

    def __init__(
        self,
        keeping: Keeping,
        writer: OneWriter,
        originals: Originals,
        world: Callable[[], LiveWorld],
        read: Callable[[str, bytes, tuple[str, ...]], Awaitable[list[Posted]]],
    ) -> None:
        self._keeping = keeping
        self._writer = writer
        self._originals = originals
        self._world = world
        self._read = read
        self._many_at_work = asyncio.Lock()

    def add_to(self, app: web.Application) -> None:
        app.cleanup_ctx.append(self._originals.life)
        app.cleanup_ctx.append(self._writer.life)
        router = app.router
        router.add_post("/v1/exceptions:replay", self.post_replay_many)
        router.add_post("/v1/exceptions:discard", self.post_discard_many)
        # An id has slashes in it, quoted or not.
        router.add_post("/v1/exceptions/{id:.+}:replay", self.post_replay)
        router.add_post("/v1/exceptions/{id:.+}:discard", self.post_discard)

    # --- one ---

    async def post_replay(self, request: web.Request) -> web.Response:
        asked: ReplayAsked = read_body(_replay, await json_of(request, optional=True))
        event = bytes(asked.event) or None
        await self._keeping.settled()
        by, sources = _name(request), caller_of(request).sources
        action = await self._do_replay(request.match_info["id"], event, asked.reason, by, sources)
        return json_response(_told(action), 202)

    async def post_discard(self, request: web.Request) -> web.Response:
        asked: DiscardAsked = read_body(_discard, await json_of(request))
        await self._keeping.settled()
        return json_response(
            _told(await self._do_discard(request.match_info["id"], asked.reason, _name(request)))
        )

    async def _do_replay(
        self, name: str, event: bytes | None, reason: str | None, by: str, sources: tuple[str, ...]
    ) -> ExceptionAction:
        """1. Find what is to be applied. 2. Check it as any event. 3. Write it with the record."""
        # 1
        world = self._world()
        _refuse_done(world.action_of(name), name, "replayed")
        letter = world.letter(name)
        if letter is None:
            if world.noted_as(name) is None:
                raise _unknown(name)
            raise Problem(
                409,
                "not-replayable",
                "This can't be replayed",
                f"'{shown(name)}' is no dead letter: its events are applied or wait for their order. Post the events "
                "that set it right, or discard it.",
            )
        raw = under_new_id(await self._originals.of(letter) if event is None else event, letter)
        # 2
        try:
            posted = await self._read(ONE, raw, sources)
        except Problem as problem:
            if event is not None or problem.kind not in ("invalid-event", "too-large"):
                raise
            raise Problem(
                409,
                "not-mended",
                "The event would be refused again",
                f"{problem.detail} Send it mended, as `event`.",
                errors=problem.errors,
            ) from None
        # 3
        source, event_id = _named(raw)
        action = ExceptionAction(
            id=name,
            action="replayed",
            by=by,
            at=_now(),
            reason=reason,
            source=source,
            event_id=event_id,
            mended=event is not None,
        )
        return await self._do(action, posted)

    async def _do_discard(self, name: str, reason: str, by: str) -> ExceptionAction:
        world = self._world()
        _refuse_done(world.action_of(name), name, "discarded")
        if world.letter(name) is None and world.noted_as(name) is None:
            raise _unknown(name)
        return await self._do(ExceptionAction(id=name, action="discarded", by=by, at=_now(), reason=reason))

    async def _do(self, action: ExceptionAction, posted: Sequence[Posted] = ()) -> ExceptionAction:
        """Writes it, unless it turns out to be done already."""

        def choose(done: Done) -> Sequence[ExceptionAction]:
            _refuse_done(done(action.id), action.id, action.action)
            return (action,)

        (written,) = await self._writer.write(choose, posted)
        return self._show(written)

    def _show(self, action: ExceptionAction) -> ExceptionAction:
        """What this view has written it knows at once; it will follow anyway."""
        self._world().rows.put(rows_of(action))
        return action

    # --- many ---

    async def post_replay_many(self, request: web.Request) -> web.Response:
        """One after the other, at the rate that is asked for; what fails stays open, and says why."""
        asked: ReplayManyAsked = read_body(_replay_many, await json_of(request))
        limit = max(1, min(asked.limit, int(asked.rate_per_s * BULK_S_MAX)))
        by, sources = _name(request), caller_of(request).sources
        results: list[dict[str, Any]] = []
        positions: dict[str, int] = {}
        async with self._alone():
            names, cursor = await self._page(asked, limit, what="dead_letter")
            began_s = monotonic()
            for number, name in enumerate(names):
                await asyncio.sleep(max(0.0, began_s + number / asked.rate_per_s - monotonic()))
                try:
                    action = await self._do_replay(name, None, asked.reason, by, sources)
                except Problem as problem:
                    results.append({"id": name, "problem": problem.body(request.path)})
                else:
                    results.append({"id": name, **action_body(action)})
                    positions |= action.positions
        replayed = sum("action" in result for result in results)
        counts = {"replayed": replayed, "failed": len(results) - replayed}
        return json_response(
            {**counts, "results": results, "cursor": cursor, "position": token(positions)}, 202
        )

    async def post_discard_many(self, request: web.Request) -> web.Response:
        """All at once, or none."""
        asked: DiscardManyAsked = read_body(_discard_many, await json_of(request))
        async with self._alone():
            names, cursor = await self._page(asked, asked.limit)
            at, by, reason = _now(), _name(request), asked.reason

            def choose(done: Done) -> Sequence[ExceptionAction]:
                return [
                    ExceptionAction(id=name, action="discarded", by=by, at=at, reason=reason)
                    for name in names
                    if done(name) is None
                ]

            written = await self._writer.write(choose)
            results = [{"id": action.id, **action_body(self._show(action))} for action in written]
        return json_response({"discarded": len(results), "results": results, "cursor": cursor})

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Problem if many are at work already."""
        if self._many_at_work.locked():
            raise Problem(
                503,
                "busy",
                "Others are at work",
                "Many exceptions are being replayed or discarded just now.",
                retry_after_s=1,
            )
        async with self._many_at_work:
            yield

    async def _page(self, asked: ReplayManyAsked, limit: int, **wanted: str) -> tuple[list[str], str | None]:
        """Ids of the newest open exceptions that are as wanted, and what leads on to older ones."""
        cursor = {} if asked.cursor is None else {"cursor": asked.cursor}
        filters = msgspec.to_builtins(asked.filter)
        question = exceptions_question(filters | wanted | {"limit": str(limit)} | cursor)
        await self._keeping.settled()
        body = exceptions_answer(self._world(), question)
        return [entry["id"] for entry in body["exceptions"]], body["cursor"]


def _refuse_done(action: ExceptionAction | None, name: str, what: str) -> None:
    """Problem if it was replayed, or is to be discarded again. What was discarded may still be replayed."""
    if action is not None and (action.action == "replayed" or what == "discarded"):
        raise Problem(
            409,
            f"exception-{action.action}",
            f"It is {action.action} already",
            f"'{shown(name)}' was {action.action} by {action.by} at {action.at}.",
            more={"action": action_body(action)},
        )


def _told(action: ExceptionAction) -> dict[str, Any]:
    position = {"position": token(action.positions)} if action.positions else {}
    return {"id": action.id, **action_body(action), **position}


def _named(raw: bytes) -> tuple[str, str]:
    event = _name_of(raw)
    return event.source, event.id


def _name(request: web.Request) -> str:
    """Who asks, as it is kept."""
    caller = caller_of(request)
    return "anonymous" if caller is ANYONE else caller.who


def _now() -> str:
    return rfc3339(int(time() * SECOND_US))


def _unknown(name: str) -> Problem:
    return Problem(
        404,
        "unknown-exception",
        "Unknown exception",
        f"No exception '{shown(name)}' is known. /v1/exceptions lists those that are open.",
    )
