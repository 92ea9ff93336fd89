"""What OWASP's API Security Top 10 (2023) warns of, a section each, over a real broker."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import ssl
import time
import warnings
from contextlib import asynccontextmanager, suppress

import aiohttp
import pytest
from aiohttp import web
from described import check
from issuer import Issuer
from pipeline import settings_in
from test_access import JSON, at_work, bearer, certificate, make, placed, taken, two_customers, write
from test_view import BATCH, LIMIT_S, counted, serving
from test_view_exceptions import put

from springtide.app.access.keys import new_key
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.push.address import Guarded
from springtide.app.push.delivery import Change, Meaning, Sender
from springtide.app.push.signing import new_secret
from springtide.app.settings import Settings
from springtide.app.view import bodies, stream
from springtide.app.view.operations import OPERATIONS
from springtide.app.wiring import topic_specs
from springtide.codecs.letters import StatusChange
from springtide.codecs.subscriptions import Secret, Subscription

__all__ = ["certificate"]  # a fixture

LISTS = (
    *("/v1/orders", "/v1/at-risk", "/v1/exceptions", "/v1/exceptions/actions", "/v1/finance/mismatches"),
    "/v1/subscriptions",
)


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("security-broker"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


async def event_of(client, path, key):
    """The first line of data of a stream."""
    async with client._session.get(client._base + path, headers=bearer(key)) as response:
        async with asyncio.timeout(LIMIT_S):
            async for raw in response.content:
                if raw.startswith(b"data: "):
                    return raw
    raise AssertionError("the stream ended")


# --- API1: broken object level authorization ---


async def test_api1_objects_of_others_are_not_reached_by_their_ids(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        body = {"sku": "tea", "qty": 1, "ttl_s": 600, "owner": "C-2", "hold_id": "H-2"}
        await client.post("/v1/holds", body, JSON | bearer(every))
        key = await make(broker, "*", customers=("C-1",))
        await taken(client, key)
        for path in ("/v1/orders/O-2", "/v1/orders/O-2/timeline", "/v1/explain?order=O-2", "/v1/credit/C-2"):
            assert (await client.get(path, headers=bearer(key)))[0].status == 404, path
            assert (await client.get(path, headers=bearer(every)))[0].status == 200, path
        assert b"unknown-order" in await event_of(client, "/v1/stream/orders?order_id=O-2", key)
        for deed in ("extend", "release", "convert"):
            more = {"extend": {"ttl_s": 60}, "convert": {"order_id": "O-1", "line_id": "1"}}.get(deed, {})
            response, _ = await client.post(
                f"/v1/holds/H-2:{deed}", {"sku": "tea", **more}, JSON | bearer(key)
            )
            assert response.status == 404, deed
        for path in ("/v1/orders?customer=C-2", "/v1/orders?status=ALLOCATED"):
            _, listed = await client.get(path, headers=bearer(key))
            assert {order["customer_id"] for order in listed["orders"]} <= {"C-1"}


async def test_api1_objects_of_others_are_in_no_list_file_past_or_what_if(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        key = await make(broker, "*", customers=("C-1",))
        await taken(client, key)
        mine, others = "O-1", "O-2"
        for path in (
            "/v1/orders",
            "/v1/at-risk",
            "/v1/finance/mismatches",
            "/v1/finance/mismatches?format=csv",
        ):
            response, body = await client.get(path, raw=True, headers=bearer(key))
            assert (response.status, others.encode() in body) == (200, False), path
        _, body = await client.get("/v1/orders", raw=True, headers=bearer(key))
        assert mine.encode() in body  # it is not that lists are empty
        past = "as_of=2026-03-02T06:00:00Z"
        assert (await client.get(f"/v1/orders/{mine}?{past}", headers=bearer(key)))[0].status == 200
        assert (await client.get(f"/v1/orders/{others}?{past}", headers=bearer(key)))[0].status == 404
        assert (await client.get(f"/v1/orders/{others}?{past}", headers=bearer(every)))[0].status == 200
        line = {"line_id": "1", "sku": "tea", "qty": 1}
        basket = {"channel": "web", "lines": [line], "order_id": others, "dry_run": True}
        response, told = await client.post("/v1/promises", basket, JSON | bearer(key))
        assert response.status == 404
        assert "C-2" not in str(told)
        for path, body in (
            ("/v1/whatif", {"events": [], "ask": [f"/v1/orders/{others}"]}),
            ("/v1/exceptions:discard", {"filter": {}, "reason": "none"}),
        ):
            response, problem = await client.post(path, body, JSON | bearer(key))
            assert (response.status, problem["type"].rsplit(":", 1)[1]) == (403, "not-for-bound"), path
        for path in (f"/v1/exceptions?order={others}", "/v1/kpis", "/v1/subscriptions"):
            assert (await client.get(path, headers=bearer(key)))[0].status == 403, path
        exclude = f"/v1/atp/tea?exclude_order={others}"  # what it leaves out would tell of the order
        assert (await client.get(exclude, headers=bearer(key)))[0].status == 403


# --- API2: broken authentication ---


async def test_api2_nobody_passes_for_somebody_else(broker, tmp_path):
    issuer = Issuer()
    async with issuer.open(), at_work(broker, tmp_path, **issuer.settings()) as client:
        good = await make(broker, "*")
        await taken(client, good)
        revoked = await make(broker, "*", revoked_ms=1)
        expired = await make(broker, "*", expires_ms=int(time.time() * 1_000) - 1)
        last = await make(broker, "*")  # once this one is taken, those before it are known too
        await taken(client, last)
        told = set()
        for shown in (
            new_key()[2],
            good["key"][:-1] + ("A" if good["key"][-1] != "A" else "B"),
            f"sk_{good['id']}_",
            f"sk_{good['id']}_{last['key'].rpartition('_')[2]}",
            revoked["key"],
            expired["key"],
            good["record"].hash,
        ):
            response, problem = await client.get("/v1/orders", headers=bearer(shown))
            assert response.status == 401, shown
            if shown.startswith("sk_"):
                told.add(problem["detail"])
        assert len(told) == 1  # what was wrong is not told
        for forged in (issuer.token(key=Issuer().keys["rsa-1"][0]), issuer.token(exp=1), "e30.e30."):
            assert (await client.get("/v1/orders", headers=bearer(forged)))[0].status == 401
        for header in ({}, {"Authorization": good["key"]}, {"X-API-Key": good["key"]}):
            assert (await client.get("/v1/orders", headers=header))[0].status == 401
        assert (await client.get("/v1/orders?api_key=" + good["key"]))[0].status == 401


# --- API3: broken object property level authorization ---


async def test_api3_members_of_others_are_neither_shown_nor_written(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        body = {"sku": "tea", "qty": 1, "ttl_s": 600, "owner": "C-2"}
        assert (await client.post("/v1/holds", body, JSON | bearer(every)))[0].status == 201
        key = await make(broker, "*", customers=("C-1",))
        await taken(client, key)
        _, whole = await client.get("/v1/atp/tea", headers=bearer(every))
        assert "C-2" in str(whole["holds"])
        _, figure = await client.get("/v1/atp/tea", headers=bearer(key))
        _, batch = await client.post("/v1/atp:batch", {"items": [{"sku": "tea"}]}, JSON | bearer(key))
        for shown in (figure, batch["items"][0]):
            assert "C-2" not in str(shown)
            assert shown["held"] == whole["held"]
        for more in ({"state": "converted"}, {"expires_at": "2030-01-01T00:00:00Z"}, {"scopes": ["*"]}):
            response, _ = await client.post("/v1/holds", body | more, JSON | bearer(every))
            assert response.status == 400
        wish = {"url": "https://hooks.example/x"}
        _, made = await client.post("/v1/subscriptions", wish, JSON | bearer(every))
        _, again = await client.get(f"/v1/subscriptions/{made['id']}", headers=bearer(every))
        assert made["secret"].startswith("whsec_")
        assert made["secret"] not in str(again)


async def test_api3_who_is_kept_to_sources_writes_events_of_no_other(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        free = await make(broker, "*")
        own = await make(broker, "*", sources=("wms/ham",))
        await taken(client, free)
        await taken(client, own)
        theirs = counted("s-1", "tea-s", 5)
        mine = counted("s-2", "tea-s", 7, "HAM") | {"source": "wms/ham"}
        response, problem = await client.post("/v1/events", [mine, theirs], BATCH | bearer(own))
        assert (response.status, problem["type"].rsplit(":", 1)[1]) == (403, "not-its-source")
        assert [fault["path"] for fault in problem["errors"]] == ["[1].source"]
        response, problem = await client.post(
            "/v1/events", theirs, {"Content-Type": "application/cloudevents+json"} | bearer(own)
        )
        assert (response.status, problem["errors"][0]["path"]) == (403, "source")
        position = await write(client, own, mine)
        _, figure = await client.get("/v1/atp/tea-s", headers=bearer(free), min_position=position)
        assert figure["on_hand"] == 7  # of what was refused nothing is there
        position = await write(client, free, theirs)
        _, figure = await client.get("/v1/atp/tea-s", headers=bearer(free), min_position=position)
        assert figure["on_hand"] == 12

        # nor by mending what another source has told
        name = "inventory/{}/{}".format(
            *await put(broker, "inventory", "tea-s", counted("s-4", "tea-s", "9"))
        )
        letters = "/v1/exceptions?source=wms/ber&what=dead_letter"
        await client.until(letters, lambda _, body: name in str(body), headers=bearer(free))
        mended = {"event": counted("s-4", "tea-s", 9)}
        for key, status in ((own, 403), (free, 202)):
            response, _ = await client.post(f"/v1/exceptions/{name}:replay", mended, JSON | bearer(key))
            assert response.status == status


# --- API4: unrestricted resource consumption ---


async def test_api4_what_is_asked_for_has_a_bound(broker, tmp_path):
    async with at_work(broker, tmp_path, body_bytes_max=100_000) as client:
        key = await make(broker, "*", rate=0.01, burst=8)
        await taken(client, key)
        headers = bearer(key)
        response, _ = await client.post("/v1/events", b"x" * 200_000, BATCH | headers)
        assert response.status == 413
        items = [{"sku": "tea"}] * 501
        assert (await client.post("/v1/atp:batch", {"items": items}, JSON | headers))[0].status == 400
        assert (await client.get("/v1/orders?limit=501", headers=headers))[0].status == 400
        skus = "&".join(f"sku=S{number}" for number in range(51))
        assert (await client.get(f"/v1/stream/atp?{skus}", headers=headers))[0].status == 400
        deep = b"[" * 90_000
        assert (await client.post("/v1/atp:batch", deep, JSON | headers))[0].status == 400
        statuses = [(await client.get("/v1/orders/O", headers=headers))[0].status for _ in range(5)]
        assert statuses[-1] == 429


async def test_api4_a_small_body_that_becomes_a_large_one_is_refused(broker, tmp_path):
    async with at_work(broker, tmp_path, body_bytes_max=100_000) as client:
        key = await make(broker, "*")
        await taken(client, key)
        bomb = gzip.compress(b" " * 50_000_000)
        assert len(bomb) < 100_000
        headers = bearer(key) | {"Content-Encoding": "gzip"}
        for path, kind in (("/v1/events", BATCH), ("/v1/atp:batch", JSON), ("/v1/whatif", JSON)):
            response, problem = await client.post(path, bomb, kind | headers)
            assert (response.status, problem["status"]) == (413, 413), path


async def test_api4_a_body_that_does_not_come_is_not_waited_for(broker, tmp_path, monkeypatch):
    monkeypatch.setattr(bodies, "BODY_S", 0.1)
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)

        async def slowly():
            yield b"["
            await asyncio.Event().wait()

        form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        for path, headers in (("/v1/events", BATCH | bearer(key)), ("/login", form)):
            async with client._session.post(client._base + path, data=slowly(), headers=headers) as response:
                problem = await response.json()
            assert (response.status, problem["type"].rsplit(":", 1)[1]) == (408, "body-too-slow"), path


async def test_api4_cursors_and_positions_that_nobody_gave_cost_nothing(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)
        ends = ("9" * 18 + ".", "-" + "9" * 18 + ".AAAA", "0." + "A" * 400, "-1.__8")
        for path in LISTS:
            for cursor in ends:
                response, body = await client.get(path, headers=bearer(key), cursor=cursor)
                assert response.status == 200, (path, cursor, body)
            for cursor in ("9" * 19 + ".", "1", "1.A", "kwHEAA", "1." + "A" * 3_000):
                response, _ = await client.get(path, headers=bearer(key), cursor=cursor)
                assert response.status == 400, (path, cursor)
        began = time.monotonic()
        for position in ("nowhere/0:1", "orders/99:0"):
            response, _ = await client.get("/v1/orders", headers=bearer(key), min_position=position)
            assert response.status == 404
        assert time.monotonic() - began < 5


async def test_api4_streams_of_one_partner_have_a_bound(broker, tmp_path, monkeypatch):
    monkeypatch.setattr(stream, "STREAMS_PER_PARTNER_MAX", 1)
    async with two_customers(broker, tmp_path) as (client, _):
        first, second = [await make(broker, "*", partner="P") for _ in range(2)]
        await taken(client, second)
        path = client._base + "/v1/stream/orders?order_id=O-1"
        async with client._session.get(path, headers=bearer(first)) as open_one:
            assert open_one.status == 200
            async with client._session.get(path, headers=bearer(second)) as refused:
                assert refused.status == 503
                assert (await refused.json())["type"].endswith("too-many-streams")


# --- API5: broken function level authorization ---


async def test_api5_a_reader_has_no_function_but_reading(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "reader")
        await taken(client, key)
        refused = 0
        for operation in OPERATIONS:
            if operation.scope in ("atp:read", "orders:read", "explain:read", "prices:read", "stream:read"):
                continue
            path = operation.path.replace("{", "").replace("}", "")
            session = client._session
            headers = bearer(key) | {"X-Forwarded-For": "192.0.2.1"}
            async with session.request(operation.method, client._base + path, headers=headers) as response:
                assert response.status == 403, operation
                assert (await response.json())["scope"] == operation.scope
            refused += 1
        assert refused > 15


# --- API6: unrestricted access to sensitive business flows ---


async def test_api6_stock_is_not_hoarded_by_a_partner_with_many_keys(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        keys = [
            await make(broker, "holds:write", "atp:read", partner="scalper", quota_per_day=6)
            for _ in range(3)
        ]
        for key in keys:
            await taken(client, key, "/v1/atp/tea")  # one each of the six
        _, before = await client.get("/v1/atp/tea", headers=bearer(every))
        statuses = []
        for number in range(5):
            body = {"sku": "tea", "qty": 1, "ttl_s": 600}
            response, _ = await client.post("/v1/holds", body, JSON | bearer(keys[number % 3]))
            statuses.append(response.status)
        assert statuses == [201, 201, 201, 429, 429]
        _, figure = await client.get("/v1/atp/tea", headers=bearer(every))
        assert figure["held"] == before["held"] + 3


async def test_api6_promises_are_not_hoarded_either(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        key = await make(broker, "promises:write", "atp:read", rate=0.001, burst=4)
        await taken(client, key, "/v1/atp/tea")  # takes the first
        _, before = await client.get("/v1/atp/tea", headers=bearer(every))
        basket = {"channel": "web", "lines": [{"line_id": "1", "sku": "tea", "qty": 1}]}
        statuses = []
        for number in range(4):
            headers = JSON | bearer(key) | {"Idempotency-Key": f"basket-{number}"}
            statuses.append((await client.post("/v1/promises", basket, headers))[0].status)
        assert statuses == [200, 200, 200, 429]
        _, figure = await client.get("/v1/atp/tea", headers=bearer(every))
        assert figure["available"] == before["available"] - 3


# --- API7: server side request forgery ---


async def test_api7_the_system_asks_nobody_inside_for_who_wishes_it(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)
        for url in (
            "https://127.0.0.1/hook",
            "https://[::1]/hook",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/hook",
            "http://hooks.example/plain",
            "https://localhost/hook",
        ):
            response, problem = await client.post("/v1/subscriptions", {"url": url}, JSON | bearer(key))
            assert (response.status, problem["errors"][0]["path"]) == (400, "url"), url


async def test_api7_nor_by_a_change_a_token_url_or_a_url_that_is_none(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)
        wish = {"url": "https://hooks.example/x"}
        _, made = await client.post("/v1/subscriptions", wish, JSON | bearer(key))
        one = client._base + f"/v1/subscriptions/{made['id']}"
        inside = {"url": "https://192.168.1.1/hook"}
        async with client._session.put(one, json=inside, headers=bearer(key)) as response:
            assert response.status == 400
        oauth = {"token_url": "https://127.0.0.1/token", "client_id": "c", "client_secret": "s"}
        body = wish | {"upsert": {"fields": {"Status": "status"}, "oauth": oauth}}
        response, problem = await client.post("/v1/subscriptions", body, JSON | bearer(key))
        assert (response.status, problem["errors"][0]["path"]) == (400, "upsert.oauth.token_url")
        for url in (
            "https://a\u2100b.example/",
            "https://[::1",
            "https://h.example:99999/",
            "https://u:p@h/",
        ):
            response, problem = await client.post("/v1/subscriptions", {"url": url}, JSON | bearer(key))
            assert response.status == 400, url


async def test_api7_a_receiver_leads_nobody_elsewhere():
    asked = []

    async def answer(request):
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with receiver(answer) as url:
        assert (await told_to(url + "/hook", allow_inside=True)).meaning == Meaning.REFUSED
    assert asked == ["/hook"]


async def test_api7_a_name_that_was_outside_and_now_leads_inside_is_not_asked():
    """By rebinding: the URL shows a name, and where it leads is looked at when it is asked."""
    asked = []

    async def answer(request):
        asked.append(request.path)
        return web.Response()

    async with receiver(answer) as url:
        port = url.rpartition(":")[2]
        connector = aiohttp.TCPConnector(resolver=Guarded(allow_inside=False))
        async with aiohttp.ClientSession(connector=connector) as session:
            for host in ("localhost", "127.1", "0x7f.1", "2130706433"):
                with pytest.raises(aiohttp.ClientError):
                    await session.post(f"http://{host}:{port}/hook")
    assert asked == []


@asynccontextmanager
async def receiver(answer):
    """A server that answers everything so; its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def told_to(url, **given):
    """What becomes of a change that is told to a receiver."""
    subscription = Subscription(id="sub_1", url=url, secrets=(Secret(new_secret()),), created_ms=0)
    letter = StatusChange(
        order_id="O-1",
        version=1,
        status="SHIPPED",
        previous=None,
        milestones=(),
        at="2026-03-02T06:00:00Z",
        event_id="oms 1",
    )
    sender = Sender(subscription, **given)
    try:
        return await sender.tell(Change(0, 0, letter))
    finally:
        await sender.close()


# --- API8: security misconfiguration ---


async def test_api8_it_is_closed_unless_it_is_opened(broker, tmp_path):
    defaults = Settings()
    assert (defaults.access, defaults.host, defaults.cors_origins) == ("keys", "127.0.0.1", ())
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)
        for path in ("/v1/orders", "/v1/orders/O-1", "/livez", "/docs", "/nothing"):
            headers = bearer(key) | {"Origin": "https://evil.example"}
            response, _ = await client.get(path, raw=True, headers=headers)
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in response.headers
        for path in ("/docs", "/docs/topics"):
            response, _ = await client.get(path, raw=True)
            assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
        for path in ("/v1/atp/%00", "/v1/orders/%ff%fe", "/v1/orders?cursor=AAAA", "/v1/explain?order=%00"):
            response, problem = await client.get(path, headers=bearer(key))
            assert response.status in (400, 404), path
            assert "Traceback" not in str(problem)
        # and a key is no password that a browser would keep and send along
        basic = "Basic " + base64.b64encode(b"me:" + key["key"].encode()).decode()
        for path in ("/v1/orders", "/orders"):
            assert (await client.get(path, headers={"Authorization": basic}))[0].status == 401


async def test_pages_of_others_do_not_write_where_access_is_open(broker, tmp_path):
    async with at_work(broker, tmp_path, access="open") as client:
        path = "/v1/exceptions/inventory/0/0:replay"
        for crossing in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
            response, problem = await client.post(path, b"", crossing)
            assert (response.status, problem["type"].rpartition(":")[2]) == (403, "cross-origin")
        assert (await client.post(path, b"", {}))[0].status != 403  # what is no browser says nothing


async def test_api8_nothing_says_what_it_is_made_of(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        for method, path, status in (
            ("TRACE", "/v1/orders", 405),
            ("GET", "/v1/orders", 401),
            ("GET", "/nothing", 404),
            ("GET", "/livez", 200),
        ):
            async with client._session.request(method, client._base + path) as response:
                assert response.status == status, (method, path)
                assert response.headers["Server"] == "springtide"
                text = await response.text()
                assert not any(word in text for word in ("aiohttp", "Python", "Traceback"))
        port = int(client._base.rpartition(":")[2])
        for raw in (
            b"HELLO\r\n\r\n",
            b"GET /v1/orders HTTP/9.9\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
            b"GET /" + b"x" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ):
            head, body = await said(port, raw)
            assert b" 400 " in head.split(b"\r\n")[0], raw[:60]
            assert b"application/problem+json" in head
            assert json.loads(body)["status"] == 400
            assert not any(word in head + body for word in (b"aiohttp", b"Python", b"bytearray"))


async def said(port, raw):
    """(head, body) of what is answered to some bytes; the server closes then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        async with asyncio.timeout(LIMIT_S):
            answer = await reader.read()
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def test_api8_tls_is_of_a_version_that_is_good(broker, tmp_path, certificate):
    settings = settings_in(tmp_path, tls_cert_file=certificate[0], tls_key_file=certificate[1])
    async with serving(settings, broker.bootstrap) as client:
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.raises(aiohttp.ClientError):
            await client._session.get(client._base.replace("http:", "https:") + "/livez", ssl=old)


# --- API9: improper inventory management ---


async def test_api9_what_there_is_is_described_and_nothing_else_is_there(broker, tmp_path):
    defaults = Settings()
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "*")
        await taken(client, key)
        _, described = await client.get("/openapi.json")
        there = {(method.upper(), path) for path, item in described["paths"].items() for method in item}
        assert {(operation.method, operation.path) for operation in OPERATIONS} <= there
        _, topics = await client.get("/asyncapi.json")
        assert {spec.name for spec in topic_specs(defaults)} <= topics["channels"].keys()
        for path in ("/v0/orders", "/v2/orders", "/v1/keys", "/v1/admin", "/debug", "/v1"):
            assert (await client.get(path, headers=bearer(key)))[0].status == 404


# --- API10: unsafe consumption of APIs ---


async def test_api10_what_others_answer_is_not_trusted(broker, tmp_path):
    issuer = Issuer()
    async with issuer.open(), at_work(broker, tmp_path, **issuer.settings()) as client:
        for answers in (b"no json", b'{"keys": 7}', b'{"keys": [{"kty": "RSA"}, 7]}', b" " * 300_000):
            issuer.raw = answers
            response, _ = await client.get("/v1/orders/O", headers=bearer(issuer.token("rsa-1")))
            assert response.status in (401, 503)


async def test_api10_an_issuer_leads_nobody_elsewhere(broker, tmp_path):
    issuer = Issuer()
    async with issuer.open(), at_work(broker, tmp_path, **issuer.settings()) as client:
        issuer.answers = 302  # with the keys as its body, and nowhere to go
        response, _ = await client.get("/v1/orders/O", headers=bearer(issuer.token("rsa-1")))
        assert response.status in (401, 503)
        assert issuer.asked == 1


async def test_api10_a_receivers_answer_is_read_to_a_bound():
    sent = 0

    async def answer(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while sent < 200_000_000:
                await response.write(b"x" * 100_000)
                sent += 100_000
        return response

    async with receiver(answer) as url:
        assert (await told_to(url + "/hook", allow_inside=True)).meaning == Meaning.TAKEN
    assert 0 < sent < 50_000_000


# --- what is written is answered as it is described ---


async def test_answers_to_writing_are_of_the_type_that_is_described(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        headers = JSON | bearer(every)
        _, body = await client.post("/v1/events", [placed("O-7", "C-1", "web")], BATCH | bearer(every))
        check("POST", "/v1/events", body, "202")
        _, hold = await client.post("/v1/holds", {"sku": "tea", "qty": 1, "ttl_s": 600}, headers)
        check("POST", "/v1/holds", hold, "201")
        for deed, more in (("extend", {"ttl_s": 900}), ("release", {}), ("release", {})):
            _, body = await client.post(f"/v1/holds/{hold['hold_id']}:{deed}", more, headers)
            check("POST", f"/v1/holds/{{hold_id}}:{deed}", body)
        basket = {"channel": "web", "lines": [{"line_id": "1", "sku": "tea", "qty": 1}]}
        for more in ({"dry_run": True}, {}):
            _, body = await client.post("/v1/promises", basket | more, headers | {"Idempotency-Key": "B"})
            check("POST", "/v1/promises", body)
        _, body = await client.post("/v1/atp:batch", {"items": [{"sku": "tea"}, {"sku": "no"}]}, headers)
        check("POST", "/v1/atp:batch", body)
        _, body = await client.post("/v1/whatif", {"events": [], "ask": ["/v1/atp/tea"]}, headers)
        check("POST", "/v1/whatif", body)
        _, made = await client.post("/v1/subscriptions", {"url": "https://hooks.example/x"}, headers)
        check("POST", "/v1/subscriptions", made, "201")
        one = f"/v1/subscriptions/{made['id']}"
        _, body = await client.get(one, headers=bearer(every))
        check("GET", "/v1/subscriptions/{id}", body)
        _, body = await client.get("/v1/subscriptions", headers=bearer(every))
        check("GET", "/v1/subscriptions", body)
        _, body = await client.post(f"{one}:replay", {}, headers, order_id="O-7")
        check("POST", "/v1/subscriptions/{id}:replay", body, "202")
        _, body = await client.get("/readyz")
        check("GET", "/readyz", body)
