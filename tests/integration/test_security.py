"""What OWASP's API Security Top 10 (2023) warns of, one test each, over a real broker."""

from __future__ import annotations

import asyncio
import base64
import time

import pytest
from described import check
from issuer import Issuer
from test_access import JSON, at_work, bearer, make, placed, taken, two_customers
from test_view import BATCH, LIMIT_S

from springtide.app.access.keys import new_key
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.settings import Settings
from springtide.app.view.operations import OPERATIONS
from springtide.app.wiring import topic_specs


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


async def test_api10_what_others_answer_is_not_trusted(broker, tmp_path):
    issuer = Issuer()
    async with issuer.open(), at_work(broker, tmp_path, **issuer.settings()) as client:
        for answers in (b"no json", b'{"keys": 7}', b'{"keys": [{"kty": "RSA"}, 7]}', b" " * 300_000):
            issuer.raw = answers
            response, _ = await client.get("/v1/orders/O", headers=bearer(issuer.token("rsa-1")))
            assert response.status in (401, 503)


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
