"""What one view process answers: its routes, and how fresh each answer must be and is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from time import time
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from springtide.agents.authority import Authority
from springtide.agents.topics import (
    ATP,
    DEAD_LETTERS,
    EXCEPTION_ACTIONS,
    INBOX_CUSTOMER,
    INBOX_ORDER,
    INBOX_SKU,
    ORDER_STATUS,
)
from springtide.app.access.caller import NO_BOUND, Bound
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import LogUnavailable
from springtide.app.engine.rocks_store import RocksStore, StoreResources
from springtide.app.settings import Settings
from springtide.app.view import actions, history, letters
from springtide.app.view.asking import Asking
from springtide.app.view.atp_answers import atp_path
from springtide.app.view.batch import question, read_items
from springtide.app.view.bodies import json_of, whole
from springtide.app.view.bounds import bound_figure
from springtide.app.view.contract.pages import describe
from springtide.app.view.deeds import Deeds
from springtide.app.view.edge import SERVER, allow_origins, refuse_crossing
from springtide.app.view.figures import Figures
from springtide.app.view.folding import Folding
from springtide.app.view.follower import Follower
from springtide.app.view.gate import Gate, caller_of
from springtide.app.view.index import OrderIndex
from springtide.app.view.ingress import IngressWatch
from springtide.app.view.intake import Intake
from springtide.app.view.keeping import Keeping
from springtide.app.view.live import LiveWorld, SkuRows
from springtide.app.view.mending import Mending
from springtide.app.view.metrics import Metrics, Reading
from springtide.app.view.one_writer import OneWriter
from springtide.app.view.originals import Originals
from springtide.app.view.pages import add_pages
from springtide.app.view.parameters import Freshness
from springtide.app.view.partition import Partition
from springtide.app.view.positions import token
from springtide.app.view.problems import Problem
from springtide.app.view.questions import (
    AtpQuestion,
    OrderQuestion,
    atp_question,
    freshness_question,
    order_question,
)
from springtide.app.view.responses import (
    JSON,
    answering_problems,
    body_too_large,
    figure_bytes,
    figure_response,
    json_response,
)
from springtide.app.view.rows import Puts
from springtide.app.view.stream import Streams
from springtide.app.view.submission import Posted, read_events
from springtide.app.view.subscriptions import Subscriptions
from springtide.app.view.web.pulse import Pulse, standing
from springtide.app.view.web.workers import Workers, members
from springtide.app.wiring import PUSH
from springtide.codecs.facts import INGRESS_TOPICS

POSITION_WAIT_S: Final = 5.0
DOUBTED_AFTER_S: Final = 1.0
"""So long a position is waited for before it is looked up whether the log has it at all."""
ITEMS_AT_ONCE: Final = 50
_ASKED: Final = (
    "/v1/orders",
    "/v1/orders/{order_id}/timeline",
    "/v1/explain",
    "/v1/at-risk",
    "/v1/exceptions",
    "/v1/exceptions/actions",
    "/v1/kpis",
    "/v1/finance/mismatches",
    "/v1/finance/reconciliation",
    "/v1/credit/{customer_id}",
    "/v1/prices/{sku}",
)

_encode: Final = msgspec.json.Encoder().encode


class View:
    """Everything one view process answers from. `stopping` makes it unready, so that no one asks any more."""

    def __init__(self, settings: Settings, connection: BrokerConnection, *, index: int) -> None:
        self._settings = settings
        self._connection = connection
        folder = settings.data_dir / f"view-{index}"
        resources = StoreResources(settings.rocksdb_cache_mb, settings.rocksdb_write_buffer_mb)
        self._resources = resources
        self.log = KafkaLog(connection)
        self.figures = Figures()
        self.orders = OrderIndex(
            lambda orders: self.world().measures(orders),
            lambda order_id: self.follower.partition_of(ORDER_STATUS, order_id.encode()).meta.time_us,
        )
        feeds = {DEAD_LETTERS: letters.entries, EXCEPTION_ACTIONS: actions.entries}
        if settings.history_days:
            feeds |= dict.fromkeys((INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER), history.entries)
        self.follower = Follower(
            self.log, lambda: RocksStore(folder / "rows", resources), self._changed, feeds
        )
        self.keeping = Keeping(self.follower, self.orders, settings.history_days, self._folding)
        self._world_of: tuple[object, LiveWorld] | None = None
        self.watch = IngressWatch(self.log, self.follower)
        self.intake = Intake(connection, f"{settings.app}-view-{index}")
        self.metrics = Metrics(self._readings)
        self.stopping = False
        self._authority = Authority(settings.authority, settings.sources, strict=settings.strict_sources)
        self._ingress: dict[str, int] = {}
        self.gate = Gate(settings, connection, self.log, index) if settings.access == "keys" else None
        self.streams = Streams(
            self.follower,
            self.figures,
            self.world,
            (lambda _: True) if self.gate is None else self.gate.is_still_good,
        )
        if self.gate is not None:
            self.gate.registry.changed = self.streams.look_again
        self.asking = Asking(self.follower, self.keeping, settings, self.world, self._caught_up, self._lag_ms)
        self.deeds = Deeds(self.follower, self.intake, settings, self.world, self._events)
        originals = Originals(KafkaLog(connection))
        one_writer = OneWriter(
            connection,
            f"{settings.app}-mending",
            self.log,
            self.follower,
            lambda name: self.world().action_of(name),
        )
        self.mending = Mending(self.keeping, one_writer, originals, self.world, self._events)

    def world(self) -> LiveWorld:
        """All that is shown, as answers read it."""
        rows = self.follower.rows
        if self._world_of is None or self._world_of[0] is not rows:
            self._world_of = (rows, LiveWorld(self.follower, self.orders, self._settings))
        return self._world_of[1]

    def _folding(self) -> Folding:
        world = self.world()
        retention_us = self._settings.dedup_retention_s * 1_000_000
        partitions = len(self.follower.partitions[ATP])
        return Folding(world.behaviours, partitions, retention_us, world.skus_of)

    def _sku_rows(self) -> SkuRows:
        return self.world().skus

    def _changed(self, shown: Puts | None) -> None:
        self.streams.changed(shown, self.figures.changed(shown))
        self.keeping.changed(shown)
        self.deeds.changed()

    def app(self) -> web.Application:
        limit = self._settings.body_bytes_max
        app = web.Application(middlewares=[answering_problems(self.metrics, limit)], client_max_size=limit)
        router = app.router
        router.add_get("/v1/atp/{sku}", self.get_atp)
        router.add_post("/v1/atp:batch", self.post_atp_batch)
        router.add_get("/v1/orders/{order_id}", self.get_order)
        for path in _ASKED:
            router.add_get(path, self.asking.get)
        Subscriptions(self._settings, self._connection, self.world).add_to(app)
        self.mending.add_to(app)
        router.add_post("/v1/events", self.post_events)
        router.add_post("/v1/whatif", self.asking.post_whatif)
        router.add_post("/v1/holds", self.post_hold)
        for deed in ("extend", "release", "convert"):
            router.add_post(f"/v1/holds/{{hold_id}}:{deed}", self.post_hold_deed)
        router.add_post("/v1/promises", self.post_promise)
        self.streams.add_to(app)
        router.add_get("/livez", self.get_livez)
        router.add_get("/readyz", self.get_readyz)
        router.add_get("/metrics", self.get_metrics)
        pulse = Pulse(lambda: standing(self.follower, stopping=self.stopping))
        add_pages(app, pulse, self._members(""), self._members(f"-{PUSH}"))
        describe(app, self._settings, is_open=self.gate is None)
        app.on_response_prepare.append(_tell_no_versions)
        if self.gate is not None:
            self.gate.add_to(app)
        else:
            refuse_crossing(app, self._settings.cors_origins)
        if self._settings.cors_origins:
            allow_origins(app, self._settings.cors_origins)
        return app

    def _members(self, suffix: str) -> Workers:
        return Workers(partial(members, self._connection, self._settings.app + suffix))

    # --- figures ---

    async def get_atp(self, request: web.Request) -> web.StreamResponse:
        sku = request.match_info["sku"]
        question = AtpQuestion(sku)
        if request.query_string:
            question = atp_question(sku, request.query.items())
        if not question.at.is_now or caller_of(request).bound:
            return await self.asking.answer(request, question)
        key = sku.encode()
        freshness = question.freshness
        partition = self.follower.partition(ATP, key)
        if freshness.min_position:
            await self._caught_up(freshness, (partition,))
            partition = self.follower.partition(ATP, key)
        lag_ms = self._lag_ms(partition, freshness)
        figure = self.figures.atp(self._sku_rows(), partition, key, question)
        return figure_response(request, figure, partition, lag_ms)

    async def get_order(self, request: web.Request) -> web.StreamResponse:
        order_id = request.match_info["order_id"]
        question = OrderQuestion(order_id)
        if request.query_string:
            question = order_question(order_id, request.query.items())
        if not question.at.is_now or caller_of(request).bound:
            return await self.asking.answer(request, question)
        freshness = question.freshness
        key = order_id.encode()
        partition = self.follower.partition(ORDER_STATUS, key)
        if freshness.min_position:
            await self._caught_up(freshness, (partition,))
            partition = self.follower.partition(ORDER_STATUS, key)
        lag_ms = self._lag_ms(partition, freshness)
        figure = self.figures.order(self.follower, self._sku_rows(), partition, order_id)
        return figure_response(request, figure, partition, lag_ms)

    async def post_atp_batch(self, request: web.Request) -> web.Response:
        """An element for each item, in their order; what the single answer would be, be it a problem."""
        freshness = freshness_question(request.query.items())
        items = read_items(await json_of(request))
        questions = [question(item) for item in items]
        if freshness.min_position:
            partitions = {(p := self.follower.partition(ATP, item.sku.encode())).name: p for item in items}
            await self._caught_up(freshness, list(partitions.values()))
        bound = caller_of(request).bound
        elements: list[bytes] = []
        for at, (item, asked) in enumerate(zip(items, questions, strict=True)):
            elements.append(self._element(item.sku, asked, freshness, bound))
            if at % ITEMS_AT_ONCE == ITEMS_AT_ONCE - 1:
                await asyncio.sleep(0)
        return web.Response(body=b'{"items":[' + b",".join(elements) + b"]}", content_type=JSON)

    def _element(
        self, sku: str, asked: AtpQuestion | Problem, freshness: Freshness, bound: Bound = NO_BOUND
    ) -> bytes:
        key = sku.encode()
        partition = self.follower.partition(ATP, key)
        lag_ms = self._lag_ms(partition, freshness)
        try:
            if isinstance(asked, Problem):
                raise asked
            if bound:
                figure = bound_figure(asked, self.world(), bound)
            else:
                figure = self.figures.atp(self._sku_rows(), partition, key, asked)
        except Problem as problem:
            return _encode(problem.body(atp_path(sku)))
        return figure_bytes(figure, partition, lag_ms)

    async def _caught_up(self, freshness: Freshness, partitions: Sequence[Partition]) -> None:
        counts = await self._ingress_partitions()
        for name in freshness.min_position:
            topic, _, number = name.rpartition("/")
            there_are = len(self.follower.partitions.get(topic, ())) or counts.get(topic, 0)
            if int(number) >= there_are:
                raise _unknown_position(f"'{name}' is no partition there is")
        try:
            await self.follower.wait_for(freshness.min_position, partitions, DOUBTED_AFTER_S)
        except Problem as problem:
            if problem.status != 504:
                raise
            await self._check_there_is(freshness.min_position)
            wait_s = max(0.0, POSITION_WAIT_S - DOUBTED_AFTER_S)
            await self.follower.wait_for(freshness.min_position, partitions, wait_s)

    async def _check_there_is(self, positions: Mapping[str, int]) -> None:
        """Problem for what lies beyond the log's end: nobody can have been told of it."""
        places = {
            (topic, int(number)): name for name in positions for topic, _, number in [name.rpartition("/")]
        }
        try:
            ends = await self.log.ends(list(places))
        except LogUnavailable:
            return  # then it can't be told
        for place, end in ends.items():
            if positions[places[place]] >= end:
                raise _unknown_position(f"'{places[place]}' ends before {positions[places[place]]}")

    def _lag_ms(self, partition: Partition, freshness: Freshness, behind_ms: int = 0) -> int:
        """How old a figure of a partition is, that of lists which are `behind_ms` included."""
        lag_ms = max(behind_ms, partition.lag_ms(int(time() * 1_000)))
        limit_ms = freshness.max_staleness_ms
        if limit_ms is not None and lag_ms > limit_ms:
            raise Problem(
                503,
                "too-stale",
                "The figure is older than asked for",
                f"The view is {lag_ms} ms behind, and max_staleness is {limit_ms} ms. Ask again in a moment, or "
                "allow more.",
                retry_after_s=1,
            )
        return lag_ms

    # --- events ---

    async def post_events(self, request: web.Request) -> web.Response:
        limit = self._settings.body_bytes_max
        if (request.content_length or 0) > limit:
            raise body_too_large(limit)
        body = await whole(request)
        posted = await self._events(request.content_type, body, caller_of(request).sources)
        positions = await self.intake.write(posted)
        answer = {"events": len(posted), "positions": positions, "position": token(positions)}
        return json_response(answer, 202)

    async def _events(self, content_type: str, body: bytes, sources: tuple[str, ...] = ()) -> list[Posted]:
        partitions = await self._ingress_partitions()
        return await read_events(content_type, body, self._authority, partitions, sources)

    async def post_hold(self, request: web.Request) -> web.Response:
        return json_response(await self.deeds.place(await json_of(request), caller_of(request).bound), 201)

    async def post_hold_deed(self, request: web.Request) -> web.Response:
        deed = request.rel_url.raw_path.rpartition(":")[2]
        body = await json_of(request, optional=deed == "release")
        bound = caller_of(request).bound
        return json_response(await self.deeds.act(request.match_info["hold_id"], deed, body, bound))

    async def post_promise(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key")
        caller = caller_of(request)
        return json_response(
            await self.deeds.promise(await json_of(request), key, caller.bound, caller.partner)
        )

    async def _ingress_partitions(self) -> dict[str, int]:
        if not self._ingress:
            try:
                self._ingress = {topic: await self.log.partitions(topic) for topic in INGRESS_TOPICS}
            except (LogUnavailable, ValueError) as error:
                raise Problem(
                    503,
                    "log-unavailable",
                    "The log does not answer",
                    f"{error}; nothing was written. See that the broker runs, then ask again.",
                    retry_after_s=1,
                ) from error
        return self._ingress

    # --- probes ---

    async def get_livez(self, _: web.Request) -> web.Response:
        return json_response({"status": "ok"})

    async def get_readyz(self, _: web.Request) -> web.Response:
        """503 until every partition was read to its end once and lists can be asked for, and again while
        stopping."""
        done, whole = self.follower.progress()
        ready = self.follower.loaded and self.orders.loaded and not self.stopping
        body = {
            "status": "stopping" if self.stopping else "ready" if ready else "loading",
            "records": done,
            "of_records": whole,
            "lag_ms": self.follower.lag_ms() if ready else None,
            "trouble": self.follower.trouble,
        }
        return json_response(body, 200 if ready else 503)

    async def get_metrics(self, _: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(self.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    def _readings(self) -> Iterator[Reading]:
        follower, figures = self.follower, self.figures
        lag_ms = follower.lag_ms()
        yield "springtide_view_ready", "1 once loaded.", float(follower.loaded), False
        yield "springtide_view_records", "Projection records read.", follower.records, True
        yield "springtide_view_steps", "Steps shown.", follower.steps, True
        if lag_ms is not None:
            yield "springtide_view_lag_seconds", "Of the partition furthest behind.", lag_ms / 1_000, False
        yield "springtide_view_unlisted_orders", "Changed, not yet in the lists.", self.orders.waiting, False
        yield "springtide_view_unwritten_rows", "Shown, not yet in RocksDB.", _unwritten(follower), False
        yield "springtide_view_figure_hits", "Figures answered as kept.", figures.hits, True
        yield "springtide_view_figure_misses", "Figures computed.", figures.misses, True
        yield "springtide_view_streams", "Live streams open.", self.streams.open, False
        yield "springtide_view_stream_events", "Events told to them.", self.streams.events, True
        yield "springtide_view_events_posted", "Events written.", self.intake.events, True
        yield "springtide_view_transactions", "Transactions they took.", self.intake.transactions, True
        blocks, memtables = self._resources.memory_bytes()
        yield "springtide_view_rocksdb_block_bytes", "Blocks in the cache.", blocks, False
        yield "springtide_view_rocksdb_memtable_bytes", "Memtables.", memtables, False


async def _tell_no_versions(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = SERVER


def _unknown_position(why: str) -> Problem:
    return Problem(
        404,
        "unknown-position",
        "Unknown position",
        f"min_position names what the log does not have: {why}. Pass on the `position` of an answer as it came.",
        errors=[{"path": "min_position", "message": why}],
    )


def _unwritten(follower: Follower) -> int:
    return 0 if follower.rows is None else follower.rows.unwritten
