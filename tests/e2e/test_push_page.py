"""The pages of push in a real browser: over a running Springtide with a receiver that comes and goes, by an operator
and by a reader; and over example answers by keyboard alone, without JavaScript, and with hostile text."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from page_bodies import PageServer, answers, subscribed
from playwright.sync_api import expect
from running import Running, counted, placed

from springtide.app.access.keys import new_key
from springtide.app.access.registry import Keeper
from springtide.app.settings import Settings
from springtide.app.up.stack import Stack
from springtide.codecs.access import Key

HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"


class Receiver:
    """Answers on one port whatever `status` is, and notes what it took: (message id, whether it was a replay)."""

    def __init__(self):
        self.status = 204
        self.taken = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.status
                if status < 300:
                    receiver.taken.append((self.headers["webhook-id"], "springtide-replay" in self.headers))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class Keyed(Running):
    """A stack that asks for keys, its operator's and its reader's."""

    def __init__(self, stack):
        super().__init__(stack)
        self.operator, self.reader = self._key("ops", "operator"), self._key("service desk", "read")
        self._as = self._key("system", "*")

    def _key(self, name, *scopes):
        key_id, key_hash, shown = new_key()
        key = Key(
            id=key_id, name=name, hash=key_hash, scopes=scopes, partner=key_id, rate_per_s=1_000, burst=2_000,
            created_ms=0,
        )  # fmt: skip

        async def keep():
            keeper = Keeper(self.stack.connection)
            await keeper.keep(key)
            await keeper.close()

        asyncio.run(keep())
        return shown

    def _ask(self, request):
        request.add_header("Authorization", f"Bearer {self._as}")
        return super()._ask(request)

    def subscribe(self, receiver, name):
        """The id of a new subscription."""
        body = json.dumps({"url": receiver.url, "name": name}).encode()
        status, made = self.post(body, "application/json", "/v1/subscriptions")
        assert status == 201, made
        return made["id"]

    def unsubscribe(self, name):
        request = urllib.request.Request(f"{self.url}/v1/subscriptions/{name}", method="DELETE")
        request.add_header("Authorization", f"Bearer {self._as}")
        urllib.request.urlopen(request, timeout=20).close()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory):
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("push-page"),
        port=0,
        ingress_partitions=2,
        inbox_partitions=2,
        broker_heap_mb=256,
        access="keys",
        push_allow_inside=True,
    )
    with Stack(settings, 1, 1, pushes=1) as stack:
        stack.wait_until_ready()
        running = Keyed(stack)
        running.until("/v1/kpis", lambda _: True, "the keys are not known")
        running.tell(counted("PUSHED-1", 100))
        yield running


@pytest.fixture
def subscribed_to(keyed):
    """A receiver and the subscription to it, deleted at the end."""
    with Receiver() as receiver:
        name = keyed.subscribe(receiver, "CRM of the north")
        yield receiver, name
        if keyed.get(f"/v1/subscriptions/{name}")[0] == 200:
            keyed.unsubscribe(name)


def sign_in(page, running, key):
    page.goto(running.url + "/login")
    page.fill("#credential", key)
    page.press("#credential", "Enter")
    page.wait_for_url(re.compile(r"/(?!login)"))


def test_a_receiver_that_is_down_shows_with_its_backlog_and_its_recovery(keyed, subscribed_to, opened):
    receiver, name = subscribed_to
    page = opened(keyed.url)
    sign_in(page, keyed, keyed.operator)
    page.goto(f"{keyed.url}/push/{name}")
    expect(page.locator(".headline")).to_contain_text("Active")
    # when its receiver goes down and orders change
    receiver.status = 503
    keyed.tell(*[placed(f"DOWN-{n}", ("PUSHED-1", 1)) for n in range(8)])
    # then the page says so by itself, with what waits and what the receiver says
    expect(page.locator(".headline")).to_contain_text("Circuit open")
    expect(page.locator("#why")).to_have_text("503 from the receiver")
    expect(page.locator("#sentence")).to_contain_text(re.compile(r"changes wait, the oldest for \d+ (s|min)"))
    row = page.context.new_page()
    row.goto(keyed.url + "/push")
    expect(row.locator("tr", has_text="CRM of the north")).to_contain_text("503 from the receiver")
    row.goto(keyed.url + "/")
    expect(row.locator(".card", has_text="Push to subscribers")).to_contain_text("Circuit open")
    # when the receiver is back and the operator does not want to wait
    receiver.status = 204
    page.click("#do-retry")
    expect(page.locator("#done")).to_contain_text("The circuit is closed")
    expect(page.locator(".headline")).to_contain_text("Active")
    expect(page.locator("#sentence")).to_contain_text("Nothing waits.")
    expect(row.locator(".card", has_text="Push to subscribers")).to_contain_text("Every subscriber is told.")
    assert {f"DOWN-{n}/1" for n in range(8)} <= {message for message, _ in receiver.taken}


def test_an_order_is_told_again_from_the_click_to_the_receiver(keyed, subscribed_to, opened):
    receiver, name = subscribed_to
    keyed.tell(placed("AGAIN-1", ("PUSHED-1", 1)))
    keyed.until(f"/v1/subscriptions/{name}", lambda one: one["delivery"]["told"] > 0, "it is not told")
    before = list(receiver.taken)
    assert ("AGAIN-1/1", False) in before
    page = opened(keyed.url)
    sign_in(page, keyed, keyed.operator)
    page.goto(f"{keyed.url}/push/{name}")
    page.fill("#again-order", "AGAIN-1")
    page.click("#do-again")
    expect(page.locator("#done")).to_contain_text("It will be told again")
    expect(page.locator("#replays")).to_contain_text("order AGAIN-1")
    expect(page.locator("#replays li").first).to_contain_text("done")
    assert ("AGAIN-1/1", True) in receiver.taken[len(before) :]


def test_what_was_refused_is_parked_with_whom_it_concerns_and_told_when_asked(keyed, subscribed_to, opened):
    receiver, name = subscribed_to
    receiver.status = 400
    keyed.tell(placed("PARKED-1", ("PUSHED-1", 1), region="DE-BE"))
    page = opened(keyed.url)
    sign_in(page, keyed, keyed.operator)
    page.goto(f"{keyed.url}/push/{name}")
    row = page.locator("tr", has_text="PARKED-1").first
    expect(row).to_contain_text("400 from the receiver", timeout=60_000)
    expect(row).to_contain_text("C-1, web, DE-BE")
    receiver.status = 204
    page.click("#do-parked")
    expect(page.locator("#done")).to_contain_text("It will be told again")
    expect(page.locator("#h-parked")).to_have_count(0)
    assert any(message.startswith("PARKED-1/") and again for message, again in receiver.taken)


def test_a_subscription_is_made_paused_given_a_new_secret_and_deleted_on_the_page(keyed, opened):
    with Receiver() as receiver:
        page = opened(keyed.url)
        sign_in(page, keyed, keyed.operator)
        page.goto(keyed.url + "/push")
        page.click("#make > summary")
        # what can't be used is said where it was written, and stays written
        page.fill("#f-url", "https://user:secret@crm.example.com/")
        page.fill("#f-name", "Help desk")
        page.click("#make button[type=submit]")
        expect(page.locator("#e-url")).to_have_text("It holds a user name or password.")
        expect(page.locator("#f-name")).to_have_value("Help desk")
        page.fill("#f-url", receiver.url)
        page.click("#make button[type=submit]")
        first = page.locator("#secret").input_value()
        assert first.startswith("whsec_")
        page.click("text=on to the subscription")
        expect(page.locator("h1")).to_have_text("Help desk")
        assert first not in page.content()
        page.click("#do-pause")
        expect(page.locator(".headline")).to_contain_text("Paused")
        page.click("#do-resume")
        expect(page.locator(".headline")).to_contain_text("Active")
        page.click("#do-rotate")
        second = page.locator("#secret").input_value()
        assert second.startswith("whsec_")
        assert second != first
        page.click("text=on to the subscription")
        expect(page.locator(".facts")).to_contain_text("2 secrets")
        page.click(".danger summary")
        page.click("#do-delete")
        expect(page.locator("#done")).to_contain_text("is deleted")
        expect(page.locator("#live")).not_to_contain_text("Help desk")


def test_a_reader_sees_all_and_is_offered_nothing(keyed, subscribed_to, opened):
    _, name = subscribed_to
    page = opened(keyed.url)
    sign_in(page, keyed, keyed.reader)
    for path in ("/push", f"/push/{name}"):
        page.goto(keyed.url + path)
        expect(page.locator("#live")).to_contain_text("Active")
        assert page.locator("main form[method=post]").count() == 0
        assert page.locator("#make").count() == 0
    csrf = page.locator("meta[name=csrf-token]").get_attribute("content")
    refused = page.evaluate(
        """async ([path, csrf]) => (await fetch(path, { method: "POST", headers: { "X-CSRF-Token": csrf },
           body: new URLSearchParams({ deed: "pause" }) })).status""",
        [f"/push/{name}", csrf],
    )
    assert refused == 403
    assert keyed.get(f"/v1/subscriptions/{name}")[1]["state"] == "active"


# --- over example answers ---


@pytest.fixture
def server():
    with PageServer(answers()) as running:
        yield running


def tab_to(page, wanted):
    """Goes on by Tab until the element of that id is reached."""
    for _ in range(80):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
        if page.evaluate("document.activeElement.id") == wanted:
            return
    raise AssertionError(f"{wanted} is not reached")


def test_an_operator_needs_no_mouse(server, opened):
    page = opened(server.url)
    page.goto(server.url + "/push/sub_1")
    page.click("#pause")  # else the page would be made anew while it is gone through
    tab_to(page, "do-retry")
    page.keyboard.press("Enter")
    page.wait_for_url("**/push/sub_1?done=retry")
    assert page.evaluate("document.activeElement.id") == "done", "what was done is read out"
    tab_to(page, "again-order")
    page.keyboard.type("SO1-000042")
    page.keyboard.press("Enter")
    page.wait_for_url("**/push/sub_1?done=replay")
    assert server.told == [
        ("POST", "/v1/subscriptions/sub_1:retry", None),
        ("POST", "/v1/subscriptions/sub_1:replay?order_id=SO1-000042", None),
    ]


def test_what_is_typed_and_focused_stays_while_figures_move_on(server, opened):
    page = opened(server.url)
    page.goto(server.url + "/push/sub_1")
    page.fill("#again-order", "SO1-0000")
    page.focus("#do-pause")
    server.bodies["/v1/subscriptions/sub_1"]["delivery"]["backlog"] = 4_711
    expect(page.locator("#sentence")).to_contain_text("4\u202f711 changes wait")
    expect(page.locator("#again-order")).to_have_value("SO1-0000")
    assert page.evaluate("document.activeElement.id") == "do-pause"


def test_everything_can_be_done_without_javascript(server, opened):
    server.done["POST", "/v1/subscriptions"] = (201, subscribed(9) | {"secret": "whsec_c2VjcmV0"})
    page = opened(server.url, java_script_enabled=False)
    page.goto(server.url + "/push")
    page.click("#make > summary")
    page.fill("#f-url", "https://crm.example.com/hook")
    page.click("#make details >> nth=0 >> summary")
    page.check("input[value=SHIPPED]")
    page.fill("#f-region", "north, south")
    page.click("#make button[type=submit]")
    expect(page.locator("#secret")).to_have_value("whsec_c2VjcmV0")
    wanted = server.told[0][2]
    assert wanted["url"] == "https://crm.example.com/hook"
    assert wanted["filter"] == {"status": ["SHIPPED"], "region": ["north", "south"]}
    assert "upsert" not in wanted


def test_the_form_and_the_secret_fit_the_narrowest_phone(server, opened):
    server.done["POST", "/v1/subscriptions"] = (201, subscribed(9) | {"secret": "whsec_" + "c2VjcmV0" * 8})
    page = opened(server.url, viewport={"width": 320, "height": 640})
    page.goto(server.url + "/push")
    page.click("#make > summary")
    for summary in page.locator("#make details > summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.fill("#f-url", "https://crm.example.com/hook")
    page.click("#make button[type=submit]")
    expect(page.locator("#secret")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_fault_leads_to_its_field(server, opened):
    page = opened(server.url)
    page.goto(server.url + "/push")
    page.click("#make > summary")
    page.fill("#f-url", "https://crm.example.com/hook")
    page.fill("#f-in_flight_max", "a few")
    page.press("#f-in_flight_max", "Enter")
    assert page.evaluate("document.activeElement.id") == "refused"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.type("4")
    expect(page.locator("#f-in_flight_max")).to_have_value(re.compile("4"))
    expect(page.locator("#e-in_flight_max")).to_have_text("It has to be a whole number.")
    assert server.told == []


def test_hostile_text_of_a_subscription_and_of_a_refusal_stays_text(server, opened):
    for name in ("/v1/subscriptions", "/v1/subscriptions/sub_1"):
        server.bodies[name] = hostile(server.bodies[name])
    problem = {"title": HOSTILE, "detail": HOSTILE, "errors": [{"path": "url", "message": HOSTILE}]}
    server.done["POST", "/v1/subscriptions"] = (400, problem)
    server.done["POST", "/v1/subscriptions/sub_1:replay"] = (400, problem)
    page = opened(server.url)
    page.goto(server.url + "/push")
    page.click("#make > summary")
    page.fill("#f-url", "https://crm.example.com/hook")
    page.fill("#f-name", HOSTILE)
    page.click("#make button[type=submit]")
    expect(page.locator("#refused")).to_contain_text(HOSTILE)
    expect(page.locator("#e-url")).to_have_text(HOSTILE + ".")
    expect(page.locator("#f-name")).to_have_value(HOSTILE)
    assert page.locator("img").count() == 0
    page.goto(server.url + "/push/sub_1")
    expect(page.locator("h1")).to_have_text(HOSTILE)
    page.fill("#again-order", HOSTILE)
    page.click("#do-again")
    expect(page.locator("#refused")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.locator("script:not([src])").count() == 0


def hostile(value):
    """The same with hostile text wherever there is any, but in ids and states."""
    if isinstance(value, dict):
        return {
            name: inner if name in ("id", "state", "standing") else hostile(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) else value
