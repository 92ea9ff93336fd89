"""The view over a real broker, with every actor at work: what is written over HTTP is read over HTTP."""

import asyncio
import io
import json
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from pipeline import Pipeline, settings_in

from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.view import view as view_module
from springtide.app.view.server import serve

LIMIT_S = 30
ONE = {"Content-Type": "application/cloudevents+json"}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}
PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("view-broker"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


def event(number, type_name, subject, data, source="wms/ber", **more):
    return {
        "id": str(number),
        "source": source,
        "specversion": "1.0",
        "type": f"springtide.{type_name}.v1",
        "subject": subject,
        "time": "2026-03-02T06:00:00Z",
        "data": data,
    } | more


def counted(number, sku, units, location="BER"):
    data = {"location": location, "on_hand": units, "basis": "includes_committed"}
    return event(number, "inventory.counted", sku, data)


def placed(number, order_id, *lines):
    data = {
        "order_id": order_id,
        "customer_id": "c1",
        "channel": "web",
        "currency": "EUR",
        "lines": [{"line_id": line_id, "sku": sku, "qty": qty} for line_id, sku, qty in lines],
    }
    return event(number, "order.placed", order_id, data, source="oms")


class Client:
    """Asks one view; `until` asks again until the answer is as wanted."""

    def __init__(self, session, port):
        self._session = session
        self.port = port
        self._base = f"http://127.0.0.1:{port}"

    async def get(self, path, *, raw=False, headers=None, **query):
        async with self._session.get(self._base + path, params=query, headers=headers) as response:
            body = await response.read()
            return response, body if raw or not body else json.loads(body)

    async def post(self, path, body, headers, **query):
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        async with self._session.post(
            self._base + path, data=data, headers=headers, params=query
        ) as response:
            return response, json.loads(await response.read())

    async def ask(self, method, path):
        async with self._session.request(method, self._base + path) as response:
            return response, json.loads(await response.read() or b"null")

    async def write(self, *events):
        response, body = await self.post("/v1/events", list(events), BATCH)
        assert response.status == 202, body
        return body

    async def until(self, path, holds, **query):
        async with asyncio.timeout(LIMIT_S):
            while True:
                response, body = await self.get(path, **query)
                if holds(response, body):
                    return body
                await asyncio.sleep(0.02)

    async def loaded(self):
        await self.until("/readyz", lambda response, _: response.status == 200)
        return self


@asynccontextmanager
async def serving(settings, bootstrap, index=0, port=0):
    """A view in this process; it ends cleanly or the test fails."""
    stop, listening = asyncio.Event(), asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        serve(
            settings,
            settings.connection(bootstrap),
            index=index,
            port=port,
            stop=stop,
            ready=listening.set_result,
        )
    )
    done, _ = await asyncio.wait([running, listening], return_when=asyncio.FIRST_COMPLETED)
    if running in done:
        running.result()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(LIMIT_S)) as session:
            yield Client(session, listening.result())
    finally:
        stop.set()
        async with asyncio.timeout(LIMIT_S):
            await running


@pytest.fixture
def settings(tmp_path):
    """A data folder of the test's own; topics are shared, so that each test names ids of its own."""
    return settings_in(tmp_path)


@asynccontextmanager
async def at_work(settings, broker):
    """Actors and a loaded view."""
    async with (
        Pipeline(settings, settings.connection(broker.bootstrap)),
        serving(settings, broker.bootstrap) as client,
    ):
        yield await client.loaded()


async def test_what_is_written_is_read(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("w1", "tea/w", 10), placed("w2", "O-w", ("1", "tea/w", 4)))
        assert written["events"] == 2
        assert {name.split("/")[0] for name in written["positions"]} == {"inventory", "orders"}

        response, figure = await client.get("/v1/atp/tea%2Fw", min_position=written["position"])
        assert response.status == 200
        assert (figure["sku"], figure["on_hand"], figure["now"]) == ("tea/w", 10, "2026-03-02T06:00:00Z")
        assert (figure["committed"], figure["available_now"]) == (4, 6)
        freshness = figure["freshness"]
        assert freshness["source"] == "replica"
        assert freshness["lag_ms"] < LIMIT_S * 1_000
        for name, offset in written["positions"].items():
            assert freshness["positions"][name] >= offset
        name, offset = figure["position"].split(":")
        assert freshness["positions"][name] == int(offset)

        response, order = await client.get("/v1/orders/O-w", min_position=written["position"])
        assert (response.status, order["order_id"]) == (200, "O-w")
        order = await client.until("/v1/orders/O-w", lambda _, body: body["status"] == "ALLOCATED")
        assert [(line["ordered"], line["allocated"]) for line in order["lines"]] == [(4, 4)]
        assert order["version"] >= 2


async def test_the_same_event_again_changes_nothing(settings, broker):
    async with at_work(settings, broker) as client:
        adjusted = event("d1", "inventory.adjusted", "tea-d", {"location": "BER", "delta": 5})
        await client.write(adjusted)
        again = await client.write(adjusted, adjusted)
        _, figure = await client.get("/v1/atp/tea-d", min_position=again["position"])
        assert figure["on_hand"] == 5


async def test_a_batch_is_the_single_answers(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("b1", "tea-b", 7), counted("b2", "salt-b", 3, "HAM"))
        asked = [
            {"sku": "tea-b"},
            {"sku": "salt-b", "location": "HAM", "channel": "web"},
            {"sku": "nothing-b"},
            {"sku": "tea-b", "location": "MUC"},
            {"sku": "tea-b", "qty": 0},
        ]
        response, batch = await client.post(
            "/v1/atp:batch",
            {"items": asked},
            {"Content-Type": "application/json"},
            min_position=written["position"],
        )
        assert response.status == 200
        for item, element in zip(asked, batch["items"], strict=True):
            query = {name: value for name, value in item.items() if name != "sku"}
            _, single = await client.get(f"/v1/atp/{item['sku']}", **query)
            for body in (element, single):
                body.get("freshness", {}).pop("lag_ms", None)
            assert element == single
        assert [element.get("status") for element in batch["items"]] == [None, None, 404, 404, 400]


async def test_a_figure_that_did_not_change_is_not_sent_again(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("e1", "tea-e", 7))
        first, figure = await client.get("/v1/atp/tea-e", min_position=written["position"])
        tag = first.headers["ETag"]
        same, nothing = await client.get("/v1/atp/tea-e", headers={"If-None-Match": tag})
        assert (same.status, nothing, same.headers["ETag"]) == (304, b"", tag)
        assert same.headers["Springtide-Position"].split(":")[0] == figure["position"].split(":")[0]

        written = await client.write(counted("e2", "tea-e", 8))
        changed, figure = await client.get(
            "/v1/atp/tea-e", headers={"If-None-Match": tag}, min_position=written["position"]
        )
        assert (changed.status, figure["on_hand"]) == (200, 8)
        assert changed.headers["ETag"] != tag


async def test_facts_that_wait_for_their_order_are_told(settings, broker):
    async with at_work(settings, broker) as client:
        early = event("o1", "order.confirmed", "O-early", {}, source="oms")
        written = await client.write(early)
        response, problem = await client.get("/v1/orders/O-early", min_position=written["position"])
        assert (response.status, response.content_type) == (404, PROBLEM)
        assert problem["detail"].startswith("1 fact waits for order 'O-early'")
        await client.write(placed("o2", "O-early", ("1", "tea-o", 1)))
        order = await client.until("/v1/orders/O-early", lambda response, _: response.status == 200)
        assert "confirmed" in [milestone["name"] for milestone in order["milestones"]]


async def test_a_position_that_does_not_come_is_a_problem_and_not_an_old_figure(
    settings, broker, monkeypatch
):
    monkeypatch.setattr(view_module, "POSITION_WAIT_S", 0.1)
    monkeypatch.setattr(view_module, "DOUBTED_AFTER_S", 0.05)
    async with at_work(settings, broker) as client:
        written = await client.write(counted("p1", "tea-p", 7))
        (name,) = written["positions"]
        await client.until("/v1/atp/tea-p", lambda response, _: response.status == 200)
        for token in (f"{name}:999999999", "inventory/99:1", "nowhere/0:1", "atp/99:0"):
            response, problem = await client.get("/v1/atp/tea-p", min_position=token)
            assert (response.status, problem["errors"][0]["path"]) == (404, "min_position")
            assert problem["type"].endswith("unknown-position")
    # what is in the log, and nobody is at work to apply
    async with serving(settings, broker.bootstrap) as client:
        await client.loaded()
        written = await client.write(counted("p2", "tea-p", 8))
        response, problem = await client.get("/v1/atp/tea-p", min_position=written["position"])
        assert (response.status, response.headers["Retry-After"]) == (504, "1")
        assert problem["type"].endswith("position-not-reached")


ERRORS = [
    ("GET", "/v1/atp/never-seen", 404),
    ("GET", "/v1/atp/%ff", 404),
    ("GET", "/v1/atp/" + "x" * 4_000, 404),
    ("GET", "/v1/orders/never-seen", 404),
    ("GET", "/v1/atp/", 404),
    ("GET", "/v1/nothing", 404),
    ("GET", "/static/../view.py", 404),
    ("DELETE", "/v1/atp/tea", 405),
    ("GET", "/v1/events", 405),
    ("GET", "/v1/atp/tea?qty=0", 400),
    ("GET", "/v1/orders/O-1?as_of=2026-03-02", 400),
    ("GET", "/v1/atp/tea?min_position=%00", 400),
    ("GET", "/v1/atp/tea?max_staleness=soon", 400),
    ("POST", "/v1/events", 415),
    ("POST", "/v1/atp:batch", 415),
]


async def test_each_error_is_a_problem(settings, broker):
    async with at_work(settings, broker) as client:
        for method, path, status in ERRORS:
            response, problem = await client.ask(method, path)
            assert (response.status, response.content_type) == (status, PROBLEM), path
            assert {"type", "title", "status", "detail", "instance"} <= problem.keys()
            assert problem["status"] == status


async def ends(broker, *topics):
    """Where the topics end now."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in topics for number in range(2)]
        return await consumer.end_offsets(places)
    finally:
        await consumer.stop()


async def test_bad_input_is_refused_with_nothing_written(settings, broker):
    async with at_work(settings, broker) as client:
        before = await ends(broker, "orders", "inventory", "shipments")
        good = counted("x1", "tea-x", 7)
        many_lines = [(str(n), "tea-x", 1) for n in range(10_000)]
        refused = [
            (b"x" * 5_000_000, ONE, 413),
            (b"[" + b"x" * 5_000_000, BATCH, 413),
            (json.dumps(counted("x2", "tea-x" * 300_000, 1)).encode(), ONE, 413),
            (b"", ONE, 400),
            (b"{no json", ONE, 400),
            (b"\xff\xfe\x00", ONE, 400),
            (b"[1, 2]", BATCH, 400),
            ([good, counted("x3", "tea-x", -1)], BATCH, 400),
            ([good, counted("x4", "tea-x", 10**13)], BATCH, 400),
            ([good, counted("x5", "tea-x", "7")], BATCH, 400),
            ([good, good | {"type": "springtide.tea.brewed.v1"}], BATCH, 400),
            ([good, good | {"time": "2026-03-02T06:00:00"}], BATCH, 400),
            ([good, good | {"source": "oms"}], BATCH, 400),
            ([good, placed("x6", "O-x", *many_lines)], BATCH, 400),
            ([good, placed("x7", "O-x", ("1", "tea-x", 1)) | {"subject": "O-y"}], BATCH, 400),
            (good, {"Content-Type": "application/json"}, 415),
            (good, {"Content-Type": "text/plain"}, 415),
        ]
        for body, headers, status in refused:
            response, problem = await client.post("/v1/events", body, headers)
            assert (response.status, response.content_type) == (status, PROBLEM), problem
        assert await ends(broker, "orders", "inventory", "shipments") == before
        # and the view goes on
        written = await client.write(good)
        _, figure = await client.get("/v1/atp/tea-x", min_position=written["position"])
        assert figure["on_hand"] == 7


async def test_without_workers_the_view_answers_what_it_has(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("s1", "tea-s", 7))
        await client.get("/v1/atp/tea-s", min_position=written["position"])
    # no actor runs; the same folder, so that nothing is read twice
    async with serving(settings, broker.bootstrap) as client:
        await client.loaded()
        _, state = await client.get("/readyz")
        assert state["of_records"] <= 16  # the end mark of a transaction in each partition it follows
        _, figure = await client.get("/v1/atp/tea-s")
        assert figure["on_hand"] == 7


async def test_a_view_says_that_it_is_stale_when_it_is_the_workers_that_do_not_work(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("l1", "tea-l", 7))
        await client.get("/v1/atp/tea-l", min_position=written["position"])
    async with serving(settings, broker.bootstrap) as client:
        await client.loaded()
        _, figure = await client.get("/v1/atp/tea-l", max_staleness="0")
        assert figure["freshness"]["lag_ms"] == 0
        await client.write(counted("l2", "tea-l", 8))
        stale = await client.until("/v1/atp/tea-l", lambda _, body: body["freshness"]["lag_ms"] > 0)
        assert stale["on_hand"] == 7
        await client.until("/v1/atp/tea-l", lambda response, _: response.status == 503, max_staleness="0")
        async with Pipeline(settings, settings.connection(broker.bootstrap)):
            await client.until(
                "/v1/atp/tea-l",
                lambda response, body: response.status == 200 and body["on_hand"] == 8,
                max_staleness="0",
            )


async def test_two_views_share_a_port(settings, broker):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with (
        Pipeline(settings, settings.connection(broker.bootstrap)),
        serving(settings, broker.bootstrap, index=0, port=port) as first,
        serving(settings, broker.bootstrap, index=1, port=port) as second,
    ):
        await first.loaded()
        await second.loaded()
        written = await first.write(counted("t1", "tea-t", 7))
        for _ in range(20):  # whichever of them takes the connection
            async with aiohttp.ClientSession() as session:
                client = Client(session, port)
                _, figure = await client.get("/v1/atp/tea-t", min_position=written["position"])
                assert figure["on_hand"] == 7


async def test_probes_metrics_and_the_first_page(settings, broker):
    async with at_work(settings, broker) as client:
        response, body = await client.get("/livez")
        assert (response.status, body) == (200, {"status": "ok"})
        _, state = await client.get("/readyz")
        assert (state["status"], state["trouble"]) == ("ready", None)
        response, page = await client.get("/", raw=True)
        assert (response.status, response.content_type) == (200, "text/html")
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
        assert b"<script src=" in page
        assert b"http" not in page.replace(b"http-equiv", b"")  # nothing from elsewhere
        for name in ("springtide.css", "springtide.js", "icon.svg"):
            response, _ = await client.get(f"/static/{name}", raw=True)
            assert response.status == 200
        _, metrics = await client.get("/metrics", raw=True)
        assert b'springtide_view_requests_total{route="/livez",status="200"} 1.0' in metrics
        assert b"springtide_view_ready 1.0" in metrics


async def test_a_broker_that_goes_away_makes_the_view_stale_and_not_silent(tmp_path):
    broker = EmbeddedBroker(tmp_path / "own", heap_mb=256)
    broker.start()
    settings = settings_in(tmp_path)
    try:
        async with (
            Pipeline(settings, settings.connection(broker.bootstrap)),
            serving(settings, broker.bootstrap) as client,
        ):
            await client.loaded()
            written = await client.write(counted("g1", "tea-g", 7))
            await client.get("/v1/atp/tea-g", min_position=written["position"])
            broker.kill()
            late = await client.until("/v1/atp/tea-g", lambda _, body: body["freshness"]["lag_ms"] > 500)
            assert late["on_hand"] == 7
            response, problem = await client.get("/v1/atp/tea-g", max_staleness="100")
            assert (response.status, response.headers["Retry-After"]) == (503, "1")
            assert problem["type"].endswith("too-stale")
            await asyncio.to_thread(broker.start)
            await client.until("/v1/atp/tea-g", lambda _, body: body["freshness"]["lag_ms"] == 0)
            written = await client.write(counted("g2", "tea-g", 8))
            assert written["events"] == 1
    finally:
        broker.kill()


async def test_a_view_without_a_broker_says_that_it_is_not_ready(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    async with serving(settings_in(tmp_path), nowhere) as client:
        response, state = await client.get("/readyz")
        assert (response.status, state["status"]) == (503, "loading")
        response, problem = await client.get("/v1/atp/tea")
        assert (response.status, problem["type"].rsplit(":", 1)[1]) == (503, "catching-up")
        response, _ = await client.post("/v1/events", [counted("n", "tea", 1)], BATCH)
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
