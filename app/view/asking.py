"""All questions but the two figures that most ask for: lists, explanations, the past, and what if."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec
from aiohttp import web

from springtide.agents.topics import ATP, CUSTOMERS, ORDER_STATUS
from springtide.app.settings import Settings
from springtide.app.view.bodies import json_of
from springtide.app.view.bounds import body_for
from springtide.app.view.figures import matches
from springtide.app.view.follower import Follower
from springtide.app.view.gate import caller_of
from springtide.app.view.keeping import Keeping
from springtide.app.view.live import LiveWorld
from springtide.app.view.parameters import Freshness
from springtide.app.view.partition import Partition
from springtide.app.view.positions import token
from springtide.app.view.questions import (
    AtpQuestion,
    CreditQuestion,
    ExplainQuestion,
    MismatchesQuestion,
    OrderQuestion,
    PriceQuestion,
    Question,
    ReconciliationQuestion,
    TimelineQuestion,
    freshness_question,
    question,
)
from springtide.app.view.reports import Reports
from springtide.app.view.responses import JSON
from springtide.app.view.whatif import whatif_answer

_encode: Final = msgspec.json.Encoder().encode
_LISTED: Final = (ORDER_STATUS,)


class Asking:
    """See the module. `caught_up` waits for a position, `lag_ms` refuses what is too stale."""

    def __init__(
        self,
        follower: Follower,
        keeping: Keeping,
        settings: Settings,
        world: Callable[[], LiveWorld],
        caught_up: Callable[[Freshness, Sequence[Partition]], Awaitable[None]],
        lag_ms: Callable[[Partition, Freshness, int], int],
    ) -> None:
        self._follower = follower
        self._keeping = keeping
        self._settings = settings
        self._world = world
        self._caught_up = caught_up
        self._lag_ms = lag_ms
        self._reports = Reports(world)

    async def get(self, request: web.Request) -> web.StreamResponse:
        asked = question(request.rel_url.raw_path, request.query.items())
        return await self.answer(request, asked)

    async def answer(self, request: web.Request, asked: Question) -> web.StreamResponse:
        partitions, lists = self._concerned(asked)
        if asked.freshness.min_position:
            await self._caught_up(asked.freshness, partitions)
        if lists:
            await self._keeping.settled()
        bound = caller_of(request).bound
        if isinstance(asked, MismatchesQuestion | ReconciliationQuestion) and asked.format != "json":
            lag_ms = self._lag(partitions, asked.freshness, lists)
            return await self._reports.file(request, asked, bound, _stands(partitions, lag_ms))
        if isinstance(asked, ReconciliationQuestion):
            body = await self._reports.body(asked, bound)
        else:
            body = body_for(asked, self._world(), bound)
        return _respond(request, body, partitions, self._lag(partitions, asked.freshness, lists))

    async def post_whatif(self, request: web.Request) -> web.Response:
        freshness = freshness_question(request.query.items())
        raw = await json_of(request)
        partitions = self._of(ATP, ORDER_STATUS, CUSTOMERS)
        if freshness.min_position:
            await self._caught_up(freshness, partitions)
        await self._keeping.settled()
        body = whatif_answer(self._world(), self._settings, raw)
        return _respond(request, body, partitions, self._lag(partitions, freshness, True))

    def _concerned(self, asked: Question) -> tuple[list[Partition], bool]:
        """(partitions an answer is made from, whether it is made from lists)."""
        if isinstance(asked, AtpQuestion | PriceQuestion):
            return [self._follower.partition(ATP, asked.sku.encode())], False
        if isinstance(asked, OrderQuestion | TimelineQuestion):
            return [self._follower.partition(ORDER_STATUS, asked.order_id.encode())], False
        if isinstance(asked, CreditQuestion):
            return [self._follower.partition(CUSTOMERS, asked.customer_id.encode())], False
        if isinstance(asked, ExplainQuestion):
            return self._concerned(asked.order or asked.atp or AtpQuestion(""))
        return self._of(*_LISTED), True

    def _of(self, *topics: str) -> list[Partition]:
        found = [partition for topic in topics for partition in self._follower.partitions.get(topic, [])]
        if not found or not all(partition.exact for partition in found):
            raise self._follower.not_ready()
        return found

    def _lag(self, partitions: Sequence[Partition], fresh: Freshness, lists: bool) -> int:
        """Of an answer made from these, and from lists or not, in milliseconds."""
        behind_ms = self._keeping.behind_ms if lists else 0
        return max(self._lag_ms(partition, fresh, behind_ms) for partition in partitions)


def _stands(partitions: Sequence[Partition], lag_ms: int) -> dict[str, str]:
    """How far what is shown has come, as headers."""
    return {"Springtide-Position": _position(partitions), "Springtide-Lag-Ms": str(lag_ms)}


def _position(partitions: Sequence[Partition]) -> str:
    return token({partition.name: partition.marker for partition in partitions})


def _respond(
    request: web.Request, body: dict[str, Any], partitions: Sequence[Partition], lag_ms: int
) -> web.Response:
    raw = _encode(body)
    etag = f'W/"{blake2b(raw, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    known = request.headers.get("If-None-Match")
    if known is not None and matches(known, etag):
        return web.Response(status=304, headers=headers | _stands(partitions, lag_ms))
    positions: dict[str, int] = {}
    for partition in partitions:
        for name, offset in partition.positions().items():
            positions[name] = min(offset, positions.get(name, offset))
    tail = {
        "position": _position(partitions),
        "freshness": {"source": "replica", "positions": positions, "lag_ms": lag_ms},
    }
    headers["Content-Type"] = JSON
    return web.Response(body=raw[:-1] + b"," + _encode(tail)[1:], headers=headers)
