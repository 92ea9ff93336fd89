"""Who may ask a view, over a real broker: keys made by the command, tokens, limits, and whose orders are seen."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import ssl
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from issuer import Issuer
from pipeline import Pipeline, settings_in
from test_view import BATCH, LIMIT_S, counted, event, serving

from springtide.app.access.keys import new_key
from springtide.app.access.registry import Keeper
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.settings import SettingsError
from springtide.codecs.access import Key

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("access-broker"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


def run_keys(broker, *arguments):
    """What `springtide keys` prints, with --json."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPRINGTIDE_")}
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-m", "springtide.app.cli", "keys", *arguments),
            *("--json", "--broker", broker.bootstrap),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def make(broker, *scopes, rate=1_000.0, burst=2_000, **more):
    """A key of these scopes as the log has it, `key` the whole of it: as the command does, in less time."""
    key_id, key_hash, shown = new_key()
    given = {"id": key_id, "name": "test", "hash": key_hash, "scopes": scopes, "created_ms": 0}
    key = Key(**{"partner": key_id, "rate_per_s": rate, "burst": burst, **given, **more})
    keeper = Keeper(settings_in(Path()).connection(broker.bootstrap))
    await keeper.keep(key)
    await keeper.close()
    return {"id": key_id, "key": shown, "record": key}


def bearer(key, **more):
    return {"Authorization": f"Bearer {key['key'] if isinstance(key, dict) else key}", **more}


@asynccontextmanager
async def at_work(broker, folder, **given):
    """Actors and a view that asks for keys."""
    settings = settings_in(folder, **{"access": "keys", **given})
    async with (
        Pipeline(settings, settings.connection(broker.bootstrap)),
        serving(settings, broker.bootstrap) as client,
    ):
        yield await client.loaded()


async def taken(client, key, path="/v1/orders"):
    """How long it took until the key was taken."""
    began = time.monotonic()
    await client.until(path, lambda response, _: response.status not in (401, 429, 503), headers=bearer(key))
    return time.monotonic() - began


async def listing(client, path, key):
    """Lists are there a moment after what they are of."""
    await client.until(path, lambda response, _: response.status == 200, headers=bearer(key))


def placed(order_id, customer, channel, sku="tea"):
    data = {
        "order_id": order_id,
        "customer_id": customer,
        "channel": channel,
        "currency": "EUR",
        "lines": [{"line_id": "1", "sku": sku, "qty": 1}],
    }
    return event(f"placed {order_id}", "order.placed", order_id, data, source="oms")


async def write(client, key, *events):
    response, body = await client.post("/v1/events", list(events), BATCH | bearer(key))
    assert response.status == 202, body
    return body["position"]


# --- keys ---


async def test_a_key_is_taken_within_a_second_and_refused_within_one(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        response, problem = await client.get("/v1/orders")
        assert (response.status, response.content_type) == (401, "application/problem+json")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="springtide"'
        assert problem["type"].endswith(":unauthenticated")

        key = await asyncio.to_thread(run_keys, broker, "create", "shop", "--scope", "orders:read")
        assert await taken(client, key) < 1.0
        response, body = await client.get("/v1/orders", headers=bearer(key))
        assert response.status == 200, body

        revoked = await asyncio.to_thread(run_keys, broker, "revoke", key["id"])
        assert revoked["state"] == "revoked"
        began = time.monotonic()
        await client.until("/v1/orders", lambda response, _: response.status == 401, headers=bearer(key))
        assert time.monotonic() - began < 1.0
        response, _ = await client.get("/v1/orders", headers=bearer(key))
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


async def test_a_list_shows_what_keys_allow_and_no_key(broker):
    options = "--scope read --scope holds:write --partner P --quota 7 --expires 90d --customer A --customer B"
    options += " --source wms/ber"
    key = await asyncio.to_thread(run_keys, broker, "create", "portal", *options.split())
    listed = await asyncio.to_thread(run_keys, broker, "list")
    assert key["key"] not in json.dumps(listed)
    (found,) = [one for one in listed["keys"] if one["id"] == key["id"]]
    assert (found["scopes"], found["partner"], found["quota_per_day"]) == (["read", "holds:write"], "P", 7)
    assert (found["customers"], found["state"]) == (["A", "B"], "active")
    assert found["sources"] == ["wms/ber"]
    assert "hash" not in found


async def test_a_scope_is_needed_and_named(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "atp:read")
        await taken(client, key)
        response, problem = await client.get("/v1/orders/O-1", headers=bearer(key))
        assert (response.status, problem["scope"]) == (403, "orders:read")
        assert 'scope="orders:read"' in response.headers["WWW-Authenticate"]
        response, _ = await client.get("/v1/atp/nothing-here", headers=bearer(key))
        assert response.status == 404
        response, problem = await client.post("/v1/events", [counted("s1", "tea", 1)], BATCH | bearer(key))
        assert (response.status, problem["scope"]) == (403, "events:write")


async def test_probes_are_open_and_metrics_are_for_this_machine_or_a_scope(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        for path in ("/livez", "/readyz"):
            assert (await client.get(path))[0].status == 200
        assert (await client.get("/metrics", raw=True))[0].status == 200
        response, _ = await client.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"})
        assert response.status == 401
        key = await make(broker, "metrics:read")
        await taken(client, key)
        forwarded = bearer(key) | {"X-Forwarded-For": "192.0.2.1"}
        assert (await client.get("/metrics", raw=True, headers=forwarded))[0].status == 200


class Browser:
    """Keeps cookies and follows nothing by itself."""

    def __init__(self, session, port):
        self._session = session
        self._base = f"http://127.0.0.1:{port}"
        self.page = ""

    async def open(self, path, **headers):
        asked = {"Accept": "text/html", **headers}
        async with self._session.get(self._base + path, headers=asked, allow_redirects=False) as response:
            self.page = await response.text()
            return response

    async def send(self, path, **form):
        """The form of the page that was opened last."""
        token = re.search(r'name="csrf-token" content="([\w-]+)"', self.page)[1]
        headers = {"Accept": "text/html", "Origin": self._base}
        async with self._session.post(
            self._base + path, data={"csrf": token, **form}, headers=headers, allow_redirects=False
        ) as response:
            self.page = await response.text()
            return response

    async def sign_in(self, credential, there="/"):
        await self.open("/login")
        return await self.send("/login", credential=credential, next=there)


@asynccontextmanager
async def a_browser(client):
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        yield Browser(session, client.port)


async def test_pages_are_opened_by_who_has_signed_in(broker, tmp_path):
    async with at_work(broker, tmp_path) as client, a_browser(client) as browser:
        response, _ = await client.get("/orders", raw=True)
        assert response.status == 401  # for what is no browser
        key = await make(broker, "orders:read", name="<desk>")
        await taken(client, key)
        response = await browser.open("/orders?status=SHIPPED")
        assert (response.status, response.headers["Location"]) == (
            303,
            "/login?next=%2Forders%3Fstatus%3DSHIPPED",
        )
        response = await browser.open(
            "/orders", **{"HX-Request": "true", "HX-Current-URL": "http://x/orders?a=b"}
        )
        assert (response.status, response.headers["HX-Redirect"]) == (401, "/login?next=%2Forders%3Fa%3Db")

        response = await browser.sign_in(key["key"], "/orders?status=SHIPPED")
        assert (response.status, response.headers["Location"]) == (303, "/orders?status=SHIPPED")
        told = response.headers["Set-Cookie"]
        assert "Max-Age=43200" in told and "HttpOnly" in told and "SameSite=Strict" in told
        assert (await browser.open("/orders")).status == 200
        assert "&lt;desk&gt;" in browser.page
        assert "reader" in browser.page
        # what a page shows it asks for as who opened it, and its cookie is nothing to the API
        assert (await browser.open("/v1/orders")).status == 401
        assert (await browser.open("/exceptions")).status == 403
        assert "exceptions:read" in browser.page
        assert (await browser.open("/system")).status == 403
        response = await browser.send("/exceptions/discard", id="inventory/0/0", reason="by hand")
        assert response.status == 403

        # any view takes it, until the key is revoked
        settings = settings_in(tmp_path / "other", access="keys")
        async with serving(settings, broker.bootstrap, index=1) as other:
            await listing(other, "/v1/orders", key)
            there = Browser(browser._session, other.port)
            assert (await there.open("/orders")).status == 200
        await asyncio.to_thread(run_keys, broker, "revoke", key["id"])
        await client.until(
            "/v1/orders", lambda response, _: response.status in (401, 429), headers=bearer(key)
        )
        assert (await browser.open("/orders")).status == 303
        assert (await browser.open("/login")).status == 200
        assert "signed out" in browser.page


async def test_who_signs_out_is_out(broker, tmp_path):
    async with at_work(broker, tmp_path) as client, a_browser(client) as browser:
        key = await make(broker, "operator")
        await taken(client, key)
        assert (await browser.sign_in(key["key"], "https://evil.example/")).headers["Location"] == "/"
        assert (await browser.open("/")).status == 200
        assert "operator" in browser.page
        assert (await browser.open("/login?next=/orders")).headers["Location"] == "/orders"
        await browser.open("/")
        response = await browser.send("/logout")
        assert (response.status, response.headers["Location"]) == (303, "/login")
        assert (await browser.open("/")).status == 303


async def test_a_token_opens_pages_for_as_long_as_it_is_good(broker, tmp_path):
    issuer = Issuer()
    async with (
        issuer.open(),
        at_work(broker, tmp_path, **issuer.settings()) as client,
        a_browser(client) as browser,
    ):
        token = issuer.token(scope="operator", client_id="sso", exp=int(time.time()) + 600)
        response = await browser.sign_in(token)
        lasts_s = int(re.search(r"Max-Age=(\d+)", response.headers["Set-Cookie"])[1])
        assert 560 <= lasts_s <= 630
        await listing(client, "/v1/exceptions", token)
        assert (await browser.open("/exceptions")).status == 200
        assert ">sso</b>" in browser.page
        async with a_browser(client) as other:
            assert (await other.sign_in(issuer.token(aud="payroll"))).status == 401
            assert "another audience" in other.page
            assert (await other.sign_in(issuer.token(scope="x" * 5_000))).status == 400


async def test_who_shows_wrong_keys_again_and_again_has_to_wait(broker, tmp_path):
    async with at_work(broker, tmp_path) as client, a_browser(client) as browser:
        key = await make(broker, "orders:read")
        await taken(client, key)
        while (response := (await client.get("/v1/orders", headers=bearer(new_key()[2])))[0]).status == 401:
            pass
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 3
        # a good key is not held up by them where programs ask
        assert (await client.get("/v1/orders", headers=bearer(key)))[0].status == 200
        # where people sign in nothing is looked at before it is time
        while (response := await browser.sign_in(new_key()[2])).status == 401:
            pass
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 3
        assert "Too many" in browser.page


# --- limits ---


async def test_over_the_limit_says_when_to_come_again(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        key = await make(broker, "orders:read", rate=0.01, burst=3)
        await taken(client, key)  # takes the first
        response, _ = await client.get("/v1/orders", headers=bearer(key))
        assert response.headers["RateLimit-Policy"] == '"rate";q=3;w=300'
        assert response.headers["RateLimit"].startswith('"rate";r=1;t=')
        await client.get("/v1/orders", headers=bearer(key))
        response, problem = await client.get("/v1/orders", headers=bearer(key))
        assert (response.status, problem["type"].rsplit(":", 1)[1]) == (429, "rate-limited")
        assert 1 <= int(response.headers["Retry-After"]) <= 100
        assert response.headers["RateLimit"].startswith('"rate";r=0;t=')


async def test_a_quota_is_a_partners_over_all_its_keys_and_views(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        first = await make(broker, "orders:read", partner="portal", quota_per_day=3)
        second = await make(broker, "orders:read", partner="portal", quota_per_day=3)
        await taken(client, first)
        await taken(client, second)
        response, _ = await client.get("/v1/orders", headers=bearer(first))
        assert '"day";r=0' in response.headers["RateLimit"]
        response, problem = await client.get("/v1/orders", headers=bearer(second))
        assert (response.status, problem["type"].rsplit(":", 1)[1]) == (429, "quota-used-up")

        settings = settings_in(tmp_path / "other", access="keys")
        async with serving(settings, broker.bootstrap, index=1) as other:
            await other.loaded()
            await other.until(  # it is told within some seconds
                "/v1/orders", lambda response, _: response.status == 429, headers=bearer(first)
            )


# --- tokens ---


async def test_tokens_of_the_issuer_are_taken(broker, tmp_path):
    issuer = Issuer()
    async with issuer.open(), at_work(broker, tmp_path, **issuer.settings()) as client:
        good = bearer(issuer.token(scope="orders:read"))
        await client.until("/v1/orders", lambda response, _: response.status == 200, headers=good)
        response, problem = await client.get("/v1/orders", headers=bearer(issuer.token()))
        assert (response.status, problem["scope"]) == (403, "orders:read")
        response, problem = await client.get("/v1/orders", headers=bearer(issuer.token(aud="payroll")))
        assert response.status == 401
        assert "audience" in problem["detail"]


# --- whose orders ---


@asynccontextmanager
async def two_customers(broker, folder):
    """(client, key of everything): orders of C-1 by web and by edi, and of C-2 by web."""
    async with at_work(broker, folder) as client:
        every = await make(broker, "*")
        await taken(client, every)
        position = await write(
            client,
            every,
            counted("tea", "tea", 100),
            placed("O-1", "C-1", "web"),
            placed("O-2", "C-2", "web"),
            placed("O-3", "C-1", "edi"),
        )
        for order in ("O-1", "O-2", "O-3"):
            await client.until(
                f"/v1/orders/{order}",
                lambda response, body: response.status == 200 and body["status"] == "ALLOCATED",
                headers=bearer(every),
                min_position=position,
            )
        yield client, every


async def test_orders_of_others_are_as_if_they_were_not(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, _):
        key = await make(broker, "*", customers=("C-1",), channels=("web",))
        await taken(client, key)

        async def ask(path):
            return await client.get(path, headers=bearer(key))

        assert (await ask("/v1/orders/O-1"))[1]["customer_id"] == "C-1"
        for path in ("/v1/orders/{}", "/v1/orders/{}/timeline", "/v1/explain?order={}"):
            assert (await ask(path.format("O-1")))[0].status == 200
            _, unknown = await ask(path.format("O-9"))
            for others in ("O-2", "O-3"):
                response, problem = await ask(path.format(others))
                assert response.status == 404
                assert json.loads(json.dumps(problem).replace(others, "O-9")) == unknown
        _, listed = await ask("/v1/orders")
        assert [order["order_id"] for order in listed["orders"]] == ["O-1"]
        assert "O-2" not in base64.urlsafe_b64decode((listed["cursor"] or "") + "==").decode(errors="replace")
        for path in ("/v1/exceptions", "/v1/explain?atp=tea", "/v1/kpis", "/v1/subscriptions"):
            response, problem = await ask(path)
            assert (response.status, problem["type"].rsplit(":", 1)[1]) == (403, "not-for-bound"), path
        assert (await ask("/v1/credit/C-2"))[0].status == 404


async def test_holds_of_others_are_neither_shown_nor_touched(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):

        async def hold(key, **more):
            body = {"sku": "tea", "qty": 1, "ttl_s": 600} | more
            return await client.post("/v1/holds", body, JSON | bearer(key))

        _, others = await hold(every, owner="C-2")
        key = await make(broker, "*", customers=("C-1",))
        await taken(client, key)
        assert (await hold(key, owner="C-2"))[0].status == 400
        response, own = await hold(key, owner="C-1")
        assert response.status == 201
        _, figure = await client.get("/v1/atp/tea", headers=bearer(key))
        assert [one["hold_id"] for one in figure["holds"]] == [own["hold_id"]]
        assert figure["held"] == 2  # what there is to promise is the same for all
        path = f"/v1/holds/{others['hold_id']}:release"
        assert (await client.post(path, {}, JSON | bearer(key)))[0].status == 404
        body = {"order_id": "O-2", "line_id": "1"}
        path = f"/v1/holds/{own['hold_id']}:convert"
        assert (await client.post(path, body, JSON | bearer(key)))[0].status == 404
        path = f"/v1/holds/{own['hold_id']}:release"
        assert (await client.post(path, {}, JSON | bearer(key)))[1]["state"] == "released"


async def test_one_partners_idempotency_key_is_not_anothers(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, _):
        answers = []
        for partner in ("shop", "portal"):
            key = await make(broker, "promises:write", partner=partner, channels=("web",))
            await taken(client, key, "/v1/atp/tea")
            body = {"channel": "web", "lines": [{"line_id": "1", "sku": "tea", "qty": 1}]}
            headers = JSON | bearer(key) | {"Idempotency-Key": "basket-1"}
            answers += [(await client.post("/v1/promises", body, headers))[1] for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[2] == answers[3]
        assert answers[0]["order_id"] != answers[2]["order_id"]


# --- the edge ---


async def test_large_answers_are_compressed_for_who_asks(broker, tmp_path):
    async with two_customers(broker, tmp_path) as (client, every):
        headers = bearer(every)
        response, plain = await client.get(
            "/v1/orders/O-1", headers=headers | {"Accept-Encoding": "identity"}
        )
        assert "Content-Encoding" not in response.headers
        assert response.headers["Vary"] == "Accept-Encoding"
        response, zipped = await client.get("/v1/orders/O-1", headers=headers | {"Accept-Encoding": "gzip"})
        assert response.headers["Content-Encoding"] == "gzip"
        assert int(response.headers["Content-Length"]) < 1_024
        assert zipped["lines"] == plain["lines"]


async def test_what_says_too_much_before_its_body_is_refused(broker, tmp_path):
    async with at_work(broker, tmp_path) as client:
        response, problem = await client.get("/v1/orders?customer=" + "x" * 33_000)
        assert (response.status, problem["status"]) == (414, 414)
        response, problem = await client.get("/v1/orders", headers={f"X-{n}": "x" * 1_000 for n in range(20)})
        assert (response.status, problem["status"]) == (431, 431)


async def test_pages_of_named_origins_may_ask(broker, tmp_path):
    async with at_work(broker, tmp_path, cors_origins=("https://shop.example",)) as client:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}

        async def preflight(origin):
            session = client._session
            async with session.options(client._base + "/v1/orders", headers=asked | {"Origin": origin}) as r:
                return r

        allowed = await preflight("https://shop.example")
        assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (
            204,
            "https://shop.example",
        )
        assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
        refused = await preflight("https://evil.example")
        assert "Access-Control-Allow-Origin" not in refused.headers
        response, _ = await client.get("/v1/orders", headers={"Origin": "https://shop.example"})
        assert response.status == 401  # being let in is another matter
        assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert "Access-Control-Allow-Credentials" not in response.headers
        response, _ = await client.get("/v1/orders", headers={"Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.fixture
def certificate(tmp_path):
    """(certificate, key) of this machine's own, as PEM files."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    return certificate, key


async def test_a_view_answers_by_tls(broker, tmp_path, certificate):
    settings = settings_in(tmp_path, tls_cert_file=certificate[0], tls_key_file=certificate[1])
    async with serving(settings, broker.bootstrap) as client:
        trusted = ssl.create_default_context(cafile=certificate[0])
        address = client._base.replace("http:", "https:")
        async with (
            aiohttp.ClientSession() as session,
            session.get(address + "/livez", ssl=trusted) as response,
        ):
            assert await response.json() == {"status": "ok"}


async def test_files_that_are_no_certificate_are_told(broker, tmp_path):
    (tmp_path / "cert.pem").write_text("hello")
    settings = settings_in(tmp_path, tls_cert_file=tmp_path / "cert.pem", tls_key_file=tmp_path / "cert.pem")
    with pytest.raises(SettingsError, match="tls_cert_file"):
        async with serving(settings, broker.bootstrap):
            pass
