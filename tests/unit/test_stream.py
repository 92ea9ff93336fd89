"""Live streams over a log in memory: what is told, when, and what a client that comes back is told."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import msgspec
import pytest
from aiohttp import web
from shown import Shown
from story import Story, line

from springtide.agents.topics import ATP
from springtide.agents.work import MARKER
from springtide.app.access.caller import ANYONE, Bound, Caller
from springtide.app.simulate import Simulation
from springtide.app.view import stream as stream_module
from springtide.app.view.figures import Figures
from springtide.app.view.gate import CALLER
from springtide.app.view.metrics import Metrics
from springtide.app.view.responses import answering_problems
from springtide.app.view.stream import Streams

LIMIT_S = 10


class Client:
    """One stream as a client reads it."""

    def __init__(self, response):
        self._response = response

    async def event(self):
        """The next event: its fields, `data` decoded; None at the end of the stream."""
        fields = {}
        async with asyncio.timeout(LIMIT_S):
            async for raw in self._response.content:
                text = raw.decode().rstrip("\n")
                if text.startswith(":"):
                    continue
                if text:
                    name, _, value = text.partition(": ")
                    fields[name] = json.loads(value) if name == "data" else value
                elif "data" in fields:
                    return fields
        return None

    async def beat(self):
        """Waits for a heartbeat."""
        async with asyncio.timeout(LIMIT_S):
            while not (await self._response.content.readline()).startswith(b":"):
                pass


class Watched:
    """A view of a story that goes on, with its streams behind a server of the test's own."""

    def __init__(self, story):
        self.story = story
        self.simulation = Simulation()
        self._told = 0
        self.caller = ANYONE
        self.good = True

    async def tell(self):
        """Applies what the story has got since, and has it shown."""
        for text in self.story.lines[self._told :]:
            self._told += 1
            self.simulation.apply(text.encode(), self._told)
        self.shown.show(self.simulation)
        await self.shown.settled()

    async def step(self):
        """A step that changes no row."""
        meta = self.simulation.actors["sku"].work.meta
        meta.steps += 1
        self.shown.log.put(ATP, 0, MARKER, msgspec.msgpack.encode(meta))
        await self.shown.settled()

    def _changed(self, rows):
        self.shown.keeping.changed(rows)
        self.streams.changed(rows, self.figures.changed(rows))

    @asynccontextmanager
    async def open(self):
        for text in self.story.lines:
            self._told += 1
            self.simulation.apply(text.encode(), self._told)
        self.shown = Shown(self.simulation)
        self.shown._changed = self._changed
        self.shown.follower._changed = self._changed
        self.figures = Figures()
        self.streams = Streams(
            self.shown.follower, self.figures, lambda: self.shown.world, lambda _: self.good
        )

        @web.middleware
        async def admit(request, handler):
            request[CALLER] = self.caller
            return await handler(request)

        app = web.Application(middlewares=[answering_problems(Metrics(lambda: iter(())), 1 << 20), admit])
        self.streams.add_to(app)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=LIMIT_S)
        async with self.shown:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                async with aiohttp.ClientSession() as self.session:
                    yield self
            finally:
                async with asyncio.timeout(LIMIT_S):  # open streams do not hold the end up
                    await runner.cleanup()

    @asynccontextmanager
    async def stream(self, path, last=None):
        headers = {} if last is None else {"Last-Event-ID": last}
        async with self.session.get(self.url + path, headers=headers) as response:
            assert response.status == 200, await response.text()
            yield Client(response)

    async def refused(self, path, **headers):
        async with self.session.get(self.url + path, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
def story():
    story = Story()
    story.counted(0, "A", 10)
    story.counted(0, "B", 6)
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
    story.placed(0.1, "O1", line("A", 4))
    return story


async def test_the_state_comes_first_and_then_each_change(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=A") as client:
        first = await client.event()
        assert (first["data"]["sku"], first["data"]["available_now"]) == ("A", 6)
        assert first["id"] == first["data"]["position"]
        story.placed(0.2, "O2", line("A", 1))
        await view.tell()
        second = await client.event()
        assert second["data"]["available_now"] == 5
        assert second["id"] != first["id"]


async def test_an_order_is_told_as_it_changes(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/orders?order_id=O1") as client:
        first = await client.event()
        assert first["data"]["status"] == "ALLOCATED"
        story.shipment(0.3, "shipped", "O1", "S1", ("1", "A", 4))
        await view.tell()
        assert (await client.event())["data"]["status"] == "SHIPPED"


async def test_an_order_that_is_not_there_yet_is_told_once_it_is(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/orders?order_id=O9") as client:
        first = await client.event()
        assert (first["event"], first["data"]["status"]) == ("problem", 404)
        story.placed(0.2, "O9", line("A", 1))
        await view.tell()
        assert (await client.event())["data"]["order_id"] == "O9"


async def test_a_kit_is_told_when_what_it_is_made_of_changes(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=SET") as client:
        assert (await client.event())["data"]["available_now"] == 3
        row = view.shown.follower.rows.get(b"aA")
        story.placed(0.2, "O2", line("A", 2))
        await view.tell()
        assert view.shown.follower.rows.get(b"aA") != row
        assert (await client.event())["data"]["available_now"] == 2


async def test_what_is_not_asked_for_is_not_told(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=B") as client:
        await client.event()
        story.placed(0.2, "O2", line("A", 1))
        await view.tell()
        story.placed(0.3, "O3", line("B", 1))
        await view.tell()
        assert (await client.event())["data"]["available_now"] == 5


async def test_who_comes_back_is_told_what_was_missed_and_nothing_twice(story):
    async with Watched(story).open() as view:
        async with view.stream("/v1/stream/atp?sku=A") as client:
            seen = (await client.event())["id"]
        await view.step()  # nothing of it changes
        async with view.stream("/v1/stream/atp?sku=A", seen) as client:
            story.placed(0.2, "O2", line("A", 1))
            await view.tell()
            again = await client.event()
            assert again["data"]["available_now"] == 5  # and not 6 once more
        story.placed(0.3, "O3", line("A", 2))
        await view.tell()
        async with view.stream("/v1/stream/atp?sku=A", again["id"]) as client:
            assert (await client.event())["data"]["available_now"] == 3


async def test_who_was_away_longer_than_is_remembered_is_told_the_state(story, monkeypatch):
    monkeypatch.setattr(stream_module, "REMEMBERED_MAX", 1)
    async with Watched(story).open() as view:
        async with view.stream("/v1/stream/atp?sku=A") as client:
            seen = (await client.event())["id"]
        await view.tell()  # all rows, of which one is remembered
        async with view.stream("/v1/stream/atp?sku=A", seen) as client:
            assert (await client.event())["data"]["available_now"] == 6


async def test_an_id_never_says_more_than_was_told(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=A&sku=B") as client:
        both = [await client.event() for _ in range(2)]
        assert [event["data"]["sku"] for event in both] == ["A", "B"]
        assert both[1]["id"] == both[1]["data"]["position"]
        assert both[0]["id"] == "atp/0:0"  # who has seen only A has not seen all of this partition
        async with view.stream("/v1/stream/atp?sku=A&sku=B", both[1]["id"]) as again:
            story.placed(0.2, "O2", line("B", 1))
            await view.tell()
            assert (await again.event())["data"]["sku"] == "B"


async def test_a_client_that_does_not_read_holds_no_queue(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=A") as client:
        await client.event()
        (stream,) = view.streams._streams
        told = view.streams.events
        for number in range(50):  # before its task has a turn
            stream.wake.clear()
            view.streams.changed({b"aA": b"", b"aA\x00p%d" % number: b""}, ())
        assert stream.dirty == {b"aA": None}
        story.placed(0.2, "O2", line("A", 1))
        await view.tell()
        assert (await client.event())["data"]["available_now"] == 5
        assert view.streams.events == told + 1


async def test_a_quiet_stream_beats_and_tells_what_time_alone_has_changed(story, monkeypatch):
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 0.02)
    story.tell(0.2, "hold.placed", "A", hold_id="H", qty=2, ttl_s=600, owner="cart")
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=A") as client:
        assert (await client.event())["data"]["available_now"] == 4
        meta = view.simulation.actors["sku"].work.meta
        meta.time_us += 601 * 1_000_000
        await view.step()  # the hold has expired, and no row says so yet
        assert (await client.event())["data"]["available_now"] == 6
        await client.beat()


async def test_streams_have_a_bound(story, monkeypatch):
    monkeypatch.setattr(stream_module, "STREAMS_MAX", 1)
    async with Watched(story).open() as view:
        async with view.stream("/v1/stream/atp?sku=A") as client:
            await client.event()
            status, problem = await view.refused("/v1/stream/atp?sku=B")
            assert (status, problem["type"].rsplit(":", 1)[1]) == (503, "too-many-streams")
        async with asyncio.timeout(LIMIT_S):
            while view.streams.open:  # the server notices at the next change or beat
                await view.tell()
                story.placed(0.2, f"O{view._told}", line("A", 1))
        async with view.stream("/v1/stream/atp?sku=B") as client:
            assert (await client.event())["data"]["sku"] == "B"
    assert (view.streams.open, view.streams._watched, view.streams._watching) == (0, {}, 0)


async def test_one_partner_does_not_take_all_streams(story, monkeypatch):
    monkeypatch.setattr(stream_module, "STREAMS_PER_PARTNER_MAX", 1)
    async with Watched(story).open() as view:
        view.caller = Caller("key/1", "portal", frozenset())
        async with view.stream("/v1/stream/atp?sku=A"):
            assert (await view.refused("/v1/stream/atp?sku=A"))[0] == 503
            view.caller = Caller("key/2", "shop", frozenset())
            async with view.stream("/v1/stream/atp?sku=A") as client:
                assert await client.event()


async def test_who_is_let_in_no_more_is_told_no_more(story):
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=A") as client:
        await client.event()
        view.good = False
        view.streams.look_again()
        assert await client.event() is None


async def test_orders_of_others_are_not_streamed(story):
    async with Watched(story).open() as view:
        (customer,) = {order.customer_id for order in view.simulation._orders()}
        view.caller = Caller("key/1", "", frozenset(), Bound(("somebody-else",)))
        async with view.stream("/v1/stream/orders?order_id=O1") as client:
            first = await client.event()
            assert (first["event"], first["data"]["type"].rsplit(":", 1)[1]) == ("problem", "unknown-order")
        view.caller = Caller("key/1", "", frozenset(), Bound((customer,)))
        async with view.stream("/v1/stream/orders?order_id=O1") as client:
            assert (await client.event())["data"]["order_id"] == "O1"


async def test_what_can_not_be_streamed_is_said(story):
    async with Watched(story).open() as view:
        many = "&".join(f"sku=S{n}" for n in range(51))
        for path in ("/v1/stream/atp", "/v1/stream/orders?sku=A", f"/v1/stream/atp?{many}"):
            assert (await view.refused(path))[0] == 400


async def test_who_comes_back_from_another_server_is_told_the_state(story):
    """A browser that got an error for the id it was given would not come again."""
    async with Watched(story).open() as view, view.stream("/v1/stream/atp?sku=A", "yesterday") as client:
        assert (await client.event())["data"]["sku"] == "A"


async def test_who_watched_before_there_was_anything_comes_back_with_what_it_was_given():
    story = Story()
    async with Watched(story).open() as view:
        view.shown.follower.partitions[ATP][0].marker = -1  # as of a log in which no step has been taken
        async with view.stream("/v1/stream/atp?sku=A") as client:
            first = await client.event()
        assert (first["event"], first["id"]) == ("problem", "atp/0:-1")
        story.counted(0, "A", 3)
        await view.tell()
        async with view.stream("/v1/stream/atp?sku=A", first["id"]) as client:
            assert (await client.event())["data"]["available_now"] == 3
