"""Live streams over a real broker, behind keys."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager

import msgspec
import pytest
from pipeline import settings_in
from test_access import at_work, bearer, make, placed, taken, write
from test_view import LIMIT_S, counted

from springtide.app.access.registry import Keeper
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.view import stream as stream_module


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("live-broker"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


async def event(content):
    """(id, data) of the next event; None at the end."""
    fields = {}
    async with asyncio.timeout(LIMIT_S):
        async for raw in content:
            name, _, value = raw.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "data" in fields:
                return fields["id"], json.loads(fields["data"])
    return None


@asynccontextmanager
async def streaming(client, path, key, last=None):
    headers = bearer(key) | ({} if last is None else {"Last-Event-ID": last})
    async with client._session.get(client._base + path, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.content_type == "text/event-stream"
        yield response.content


async def test_a_change_is_told_as_the_get_answers_it(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)
        await write(client, key, counted("l1", "tea", 100))
        async with streaming(client, "/v1/stream/atp?sku=tea", key) as content:
            while (await event(content))[1].get("on_hand") != 100:
                pass  # it may not be there yet
            waits_s = []
            for number in range(20):
                began = time.monotonic()
                await write(client, key, placed(f"L-{number}", "C-1", "web"))
                committed = number
                while committed == number:  # a figure of it may move first
                    seen, body = await event(content)
                    assert seen == body["position"]
                    committed = body["committed"]
                assert committed == number + 1
                waits_s.append(time.monotonic() - began)
            assert sorted(waits_s)[10] < 2.0  # from the post on, over two transactions and more
            _, now = await client.get("/v1/atp/tea", headers=bearer(key))
            for one in (body, now):
                for name in ("now", "position", "freshness"):
                    del one[name]
            assert body == now
        # what was missed is told to who comes back
        await write(client, key, placed("L-more", "C-1", "web"))
        await client.until("/v1/atp/tea", lambda _, body: body["committed"] == 21, headers=bearer(key))
        async with streaming(client, "/v1/stream/atp?sku=tea", key, last=seen) as content:
            assert (await event(content))[1]["committed"] == 21


async def test_a_stream_needs_its_scopes_and_ends_with_its_key(broker, tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "HEARTBEAT_S", 3_600.0)  # so that it is the revocation that ends it
    async with at_work(broker, tmp_path) as client:
        for scopes in (["atp:read"], ["stream:read"], ["stream:read", "orders:read"]):
            key = await make(broker, *scopes)
            await taken(client, key)
            response, problem = await client.get("/v1/stream/atp?sku=tea", headers=bearer(key))
            assert (response.status, problem["type"].rsplit(":", 1)[1]) == (403, "insufficient-scope")
        key = await make(broker, "stream:read", "atp:read")
        await taken(client, key)
        async with streaming(client, "/v1/stream/atp?sku=never-seen", key) as content:
            assert (await event(content))[1]["status"] == 404
            keeper = Keeper(settings_in(tmp_path).connection(broker.bootstrap))
            await keeper.keep(msgspec.structs.replace(key["record"], revoked_ms=1))
            await keeper.close()
            assert await event(content) is None
