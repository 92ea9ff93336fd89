"""Live streams: orders and SKUs as they change, as server-sent events.

An event's `id` is the position its state was shown at, its data the body that the GET would answer. A client
holds no queue, only which of its entities have changed since it was told: one that reads slowly is told the
newest state, and never what was in between.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from random import randint
from time import time
from typing import Final

import msgspec
from aiohttp import web

from springtide.agents.topics import ATP, ORDER_STATUS
from springtide.app.access.caller import Caller
from springtide.app.view.atp_answers import atp_path
from springtide.app.view.bounds import bound_figure
from springtide.app.view.figures import Figure, Figures
from springtide.app.view.follower import PREFIXES, Follower
from springtide.app.view.gate import caller_of
from springtide.app.view.live import LiveWorld
from springtide.app.view.order_answers import order_path
from springtide.app.view.partition import Partition
from springtide.app.view.positions import parse, token
from springtide.app.view.problems import Problem
from springtide.app.view.questions import AtpQuestion, OrderQuestion, atp_stream, orders_stream
from springtide.app.view.responses import figure_bytes
from springtide.app.view.rows import Puts

STREAMS_MAX: Final = 5_000
"""Open in one process,"""
STREAMS_PER_PARTNER_MAX: Final = 1_000
"""and of one partner."""
WATCHED_MAX: Final = 50_000
"""Entities that all streams of a process watch together."""
HEARTBEAT_S: Final = 15.0
WRITE_S: Final = 30.0
"""A client that takes nothing for so long is let go."""
REMEMBERED_MAX: Final = 100_000
"""Entities of which it is remembered when they changed, for clients that come back."""
_RETRY_MS: Final = (500, 2_500)
"""Clients that were cut off together come back one after the other."""
_ATP: Final = PREFIXES[ATP]
_ORDER: Final = PREFIXES[ORDER_STATUS]
_TOPICS: Final = {_ATP: ATP, _ORDER: ORDER_STATUS}
_NETWORK: Final = _ATP + b"\x00L"
_HEARTBEAT: Final = b":\n\n"

_encode: Final = msgspec.json.Encoder().encode


class _Late(msgspec.Struct, frozen=True):
    """What time alone may change of an order that is worth telling."""

    cause: str | None = None
    primary: str | None = None
    at_risk: bool = False


class _Order(msgspec.Struct):
    delay: _Late = _Late()


_order: Final = msgspec.json.Decoder(_Order).decode
Asked = AtpQuestion | OrderQuestion


class _Stream:
    """One client: what it watches, what of it is still to be told, and as of when it knows the rest."""

    __slots__ = ("asked", "caller", "dirty", "known", "seen", "topic", "wake")

    def __init__(self, topic: str, asked: Mapping[bytes, Asked], caller: Caller) -> None:
        self.topic = topic
        self.asked = asked
        self.caller = caller
        self.dirty: dict[bytes, None] = {}
        self.known: dict[bytes, tuple[str, _Late | None]] = {}
        """Entity -> tag of the state it was last told, and what of it time alone may change."""
        self.seen: dict[str, int] = {}
        """Partition -> offset until which it has been told all."""
        self.wake = asyncio.Event()


class Streams:
    """See the module. `is_good` says whether somebody who was let in still would be."""

    def __init__(
        self,
        follower: Follower,
        figures: Figures,
        world: Callable[[], LiveWorld],
        is_good: Callable[[Caller], bool],
    ) -> None:
        self._follower = follower
        self._figures = figures
        self._world = world
        self._is_good = is_good
        self._watched: dict[bytes, dict[_Stream, None]] = {}
        self._streams: dict[_Stream, None] = {}
        self._partners: Counter[str] = Counter()
        self._watching = 0
        self._changed_at: OrderedDict[bytes, int] | None = None
        """Entity -> offset of its last change; None until the first stream."""
        self._remembered_from: dict[str, int] = {}
        """Partition -> offset from which on all changes are remembered."""
        self._stopping = False
        self.events = 0

    @property
    def open(self) -> int:
        return len(self._streams)

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/v1/stream/orders", self.get_orders, allow_head=False)
        app.router.add_get("/v1/stream/atp", self.get_atp, allow_head=False)
        app.on_shutdown.append(self._stop)

    async def _stop(self, _: web.Application) -> None:
        self._stopping = True
        self.look_again()

    def look_again(self) -> None:
        """Has every stream see whether it may go on."""
        for stream in self._streams:
            stream.wake.set()

    # --- what has changed ---

    def changed(self, shown: Puts | None, also: Iterable[bytes]) -> None:
        """Rows of one partition that are shown anew, and names of others whose answers are made of them; None:
        all rows."""
        remembered = self._changed_at
        if remembered is None:
            return
        if shown is None or _NETWORK in shown:
            remembered.clear()
            self._remembered_from = {} if shown is None else self._markers()
            for stream in self._streams:
                if shown is None or stream.topic == ATP:
                    self._mark(stream, stream.asked)
            return
        marker: int | None = None
        last = b""
        for key in shown:
            name = key.partition(b"\x00")[0]
            if name == last or name[:1] not in _TOPICS or len(name) == 1:
                continue
            last = name
            if marker is None:
                marker = self._partition(name).marker
            self._note(remembered, name, marker)
        for name in also:
            self._note(remembered, name, self._partition(name).marker)

    def _note(self, remembered: OrderedDict[bytes, int], name: bytes, marker: int) -> None:
        remembered[name] = marker
        remembered.move_to_end(name)
        if len(remembered) > REMEMBERED_MAX:
            forgotten, at = remembered.popitem(last=False)
            place = self._partition(forgotten).name
            self._remembered_from[place] = max(at, self._remembered_from.get(place, -1))
        for stream in self._watched.get(name, ()):
            self._mark(stream, (name,))

    def _mark(self, stream: _Stream, names: Iterable[bytes]) -> None:
        for name in names:
            stream.dirty[name] = None
        stream.wake.set()

    def _partition(self, name: bytes) -> Partition:
        return self._follower.partition_of(_TOPICS[name[:1]], name[1:])

    def _markers(self) -> dict[str, int]:
        return {
            partition.name: partition.marker
            for topic in _TOPICS.values()
            for partition in self._follower.partitions.get(topic, ())
        }

    # --- streams ---

    async def get_orders(self, request: web.Request) -> web.StreamResponse:
        asked = {_ORDER + q.order_id.encode(): q for q in orders_stream(request.query.items())}
        return await self._serve(request, _Stream(ORDER_STATUS, asked, caller_of(request)))

    async def get_atp(self, request: web.Request) -> web.StreamResponse:
        asked = {_ATP + q.sku.encode(): q for q in atp_stream(request.query.items())}
        return await self._serve(request, _Stream(ATP, asked, caller_of(request)))

    async def _serve(self, request: web.Request, stream: _Stream) -> web.StreamResponse:
        """1. Stand in line for what changes. 2. Find what the client has missed. 3. Tell it, and what follows."""
        # 1
        seen = _seen(request)
        self._follower.partition(stream.topic, next(iter(stream.asked))[1:])  # Problem while there is none
        self._open(stream)
        try:
            # 2
            self._resume(stream, seen)
            response = web.StreamResponse(
                headers={
                    "Content-Type": "text/event-stream",
                    "Cache-Control": "no-store",
                    "X-Accel-Buffering": "no",
                    "X-Content-Type-Options": "nosniff",
                }
            )
            await response.prepare(request)
            await response.write(b"retry: %d\n\n" % randint(*_RETRY_MS))  # noqa: S311 - only spreads them
            # 3
            await self._tell(request, response, stream)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._close(stream)
        return response

    async def _tell(self, request: web.Request, response: web.StreamResponse, stream: _Stream) -> None:
        """Until the client goes, is let in no more, or takes nothing for WRITE_S (TimeoutError)."""
        while not self._stopping and self._is_good(stream.caller):
            stream.wake.clear()
            chunk = self._news(stream)
            if chunk:
                async with asyncio.timeout(WRITE_S):
                    await response.write(chunk)
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await stream.wake.wait()
            except TimeoutError:
                if request.transport is None or request.transport.is_closing():
                    return
                chunk = self._moved_by_time(stream) or _HEARTBEAT
                async with asyncio.timeout(WRITE_S):
                    await response.write(chunk)

    def _open(self, stream: _Stream) -> None:
        if (
            len(self._streams) >= STREAMS_MAX
            or self._watching + len(stream.asked) > WATCHED_MAX
            or (stream.caller.partner and self._partners[stream.caller.partner] >= STREAMS_PER_PARTNER_MAX)
        ):
            raise Problem(
                503,
                "too-many-streams",
                "Too many streams are open",
                f"A view has at most {STREAMS_MAX} streams, {STREAMS_PER_PARTNER_MAX} of one partner, with "
                f"{WATCHED_MAX} entities in all. Come again later, or ask another view.",
                retry_after_s=5,
            )
        if self._changed_at is None:
            self._changed_at = OrderedDict()
            self._remembered_from = self._markers()
        self._streams[stream] = None
        self._partners[stream.caller.partner] += 1
        self._watching += len(stream.asked)
        for name in stream.asked:
            self._watched.setdefault(name, {})[stream] = None

    def _close(self, stream: _Stream) -> None:
        del self._streams[stream]
        self._partners[stream.caller.partner] -= 1
        if not self._partners[stream.caller.partner]:
            del self._partners[stream.caller.partner]
        self._watching -= len(stream.asked)
        for name in stream.asked:
            others = self._watched[name]
            del others[stream]
            if not others:
                del self._watched[name]

    def _resume(self, stream: _Stream, seen: dict[str, int]) -> None:
        """Marks what a client that has seen these positions has not seen as it is now."""
        assert self._changed_at is not None
        for name in stream.asked:
            partition = self._partition(name)
            offset = seen.get(partition.name)
            stream.seen[partition.name] = offset or 0
            if offset is None or not partition.exact:
                stream.dirty[name] = None
                continue
            since = self._remembered_from.get(partition.name)
            if offset < partition.marker and (
                since is None or offset < since or self._changed_at.get(name, -1) > offset
            ):
                stream.dirty[name] = None
            else:
                stream.known[name] = self._state(stream, name, partition)[1:]

    # --- what is told ---

    def _news(self, stream: _Stream) -> bytes:
        """The states of what has changed since the client was told. What can't be told now stays to be told."""
        names, stream.dirty = stream.dirty, {}
        now_ms = int(time() * 1_000)
        told: list[tuple[Partition, bytes]] = []
        for name in names:
            partition = self._partition_or_none(name)
            if partition is None or not partition.exact:
                stream.dirty[name] = None
                continue
            data, etag, late = self._state(stream, name, partition, now_ms)
            known = stream.known.get(name)
            if known is None or known[0] != etag:
                stream.known[name] = (etag, late)
                told.append((partition, data))
        last = {partition.name: number for number, (partition, _) in enumerate(told)}
        chunks: list[bytes] = []
        for number, (partition, data) in enumerate(told):
            if last[partition.name] == number:  # an id may not say more than was told
                stream.seen[partition.name] = partition.marker
            chunks.append(b"id: %s\n%s\n\n" % (token(stream.seen).encode(), data))
        self.events += len(chunks)
        return b"".join(chunks)

    def _moved_by_time(self, stream: _Stream) -> bytes:
        """The same of what has changed though no row of it did. An order's delay grows by the second: only what
        it comes to is told."""
        for name, question in stream.asked.items():
            partition = self._partition_or_none(name)
            if partition is None or not partition.exact:
                continue
            _, etag, late = self._state(stream, name, partition)
            known = stream.known.get(name)
            if known is None or (
                known[1] != late if isinstance(question, OrderQuestion) else known[0] != etag
            ):
                stream.dirty[name] = None
        return self._news(stream)

    def _state(
        self, stream: _Stream, name: bytes, partition: Partition, now_ms: int = 0
    ) -> tuple[bytes, str, _Late | None]:
        """(lines of its event, tag, what of it time alone may change)."""
        question = stream.asked[name]
        try:
            figure = self._figure(stream.caller, question, name, partition)
        except Problem as problem:
            if isinstance(question, OrderQuestion):
                path = order_path(question.order_id)
            else:
                path = atp_path(question.sku)
            body = _encode(problem.body(path))
            return b"event: problem\ndata: " + body, f"{problem.status} {problem.detail}", None
        late = _order(figure.body + b"}").delay if isinstance(question, OrderQuestion) else None
        return b"data: " + figure_bytes(figure, partition, partition.lag_ms(now_ms)), figure.etag, late

    def _figure(self, caller: Caller, question: Asked, name: bytes, partition: Partition) -> Figure:
        world = self._world()
        if caller.bound:
            return bound_figure(question, world, caller.bound)
        if isinstance(question, AtpQuestion):
            return self._figures.atp(world.skus, partition, name[1:], question)
        return self._figures.order(self._follower, world.skus, partition, question.order_id)

    def _partition_or_none(self, name: bytes) -> Partition | None:
        return self._partition(name) if self._follower.partitions else None


def _seen(request: web.Request) -> dict[str, int]:
    """The positions that a client which comes back has seen."""
    last = request.headers.get("Last-Event-ID", "")
    if not last:
        return {}
    try:
        return parse(last)
    except ValueError:
        return {}  # of another server: a browser that got an error for it would not come again
