"""Signing in to the pages in a real browser: by a key, with a wrong one, with one that is revoked meanwhile, and what
a reader sees beside an operator. A view that asks for keys beside the one that runs openly, on the same log."""

from __future__ import annotations

import asyncio
import json
import threading
import time
import urllib.error
import urllib.request

import msgspec
import pytest
from playwright.sync_api import expect
from running import LIMIT_S, counted

from springtide.app.access.keys import new_key
from springtide.app.access.registry import Keeper
from springtide.app.view.server import serve
from springtide.codecs.access import Key

HOSTILE = "<img src=x onerror=alert(1)>"


DESK, LOOKS, LEAVES, ODD = "service desk", "controller", "a temp", HOSTILE
SCOPES = {DESK: ("operator",), LOOKS: ("read",), LEAVES: ("operator",), ODD: ("read",)}


class Guarded:
    """A view that asks for keys, in a thread of its own. `keys`: name -> (record, the whole key)."""

    def __init__(self, running, folder):
        given = {"access": "keys", "data_dir": folder, "port": 0}
        self._settings = running.stack.settings.model_copy(update=given)
        self._connection = running.stack.connection
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.keys = {name: self._made(name) for name in SCOPES}

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(LIMIT_S)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()

    def revoke(self, name):
        revoked = msgspec.structs.replace(self.keys[name][0], revoked_ms=1)
        asyncio.run_coroutine_threadsafe(self._keep(revoked), self._loop).result(LIMIT_S)

    def _made(self, name):
        key_id, key_hash, shown = new_key()
        given = {"name": name, "hash": key_hash, "scopes": SCOPES[name], "partner": key_id}
        key = Key(id=key_id, rate_per_s=1_000.0, burst=2_000, created_ms=0, **given)
        return key, shown

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        await self._keep(*(key for key, _ in self.keys.values()))
        self._stop = asyncio.Event()
        await serve(self._settings, self._connection, index=9, port=0, stop=self._stop, ready=self._listening)

    async def _keep(self, *keys):
        keeper = Keeper(self._connection)
        for key in keys:
            await keeper.keep(key)
        await keeper.close()

    def _listening(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self._ready.set()


@pytest.fixture(scope="module")
def guarded(running, tmp_path_factory):
    with Guarded(running, tmp_path_factory.mktemp("guarded")) as view:
        until_ready(view)
        yield view


def until_ready(view):
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            with urllib.request.urlopen(view.url + "/readyz", timeout=20):
                return
        except urllib.error.HTTPError as error:
            error.close()
            assert time.monotonic() < deadline, error.code
            time.sleep(0.05)


@pytest.fixture
def page(opened, guarded):
    return opened(guarded.url)


def sign_in(page, guarded, name, path="/login"):
    page.goto(guarded.url + path)
    page.get_by_label("Key or token").fill(guarded.keys[name][1])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who")).to_have_text(name)


def test_who_is_not_signed_in_signs_in_by_keyboard_and_is_where_they_were(page, guarded):
    page.goto(guarded.url + "/orders?status=SHIPPED&at_risk=true")
    expect(page.locator("h1")).to_have_text("Sign in")
    expect(page.get_by_role("navigation", name="Pages")).to_have_count(0)
    assert page.evaluate("document.activeElement.id") == "credential"
    page.keyboard.type(guarded.keys[DESK][1])
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders?status=SHIPPED&at_risk=true")
    expect(page.locator("#who")).to_have_text(DESK)
    expect(page.locator("#role")).to_have_text("operator")
    # the cookie is nothing that a script could read, nor the key
    assert page.evaluate("document.cookie") == ""
    (cookie,) = [one for one in page.context.cookies() if one["name"] == "springtide-session"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert guarded.keys[DESK][1].rpartition("_")[2] not in cookie["value"]
    # and who signs out is out
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("h1")).to_have_text("Sign in")
    page.goto(guarded.url + "/system")
    expect(page.locator("h1")).to_have_text("Sign in")


def test_a_wrong_key_is_told_to_be_wrong(page, guarded):
    page.goto(guarded.url + "/login?next=%2F%2Fevil.example%2F")
    for wrong in ("sk_nothing", f"{guarded.keys[DESK][1][:-1]}~", HOSTILE):
        page.get_by_label("Key or token").fill(wrong)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert").filter(has_text="not known")).to_be_visible()
        expect(page.get_by_label("Key or token")).to_have_value("")
    assert page.locator("img").count() == 0
    page.get_by_label("Key or token").fill(guarded.keys[DESK][1])
    page.keyboard.press("Enter")
    page.wait_for_url(guarded.url + "/")  # and nobody is led elsewhere


def test_a_session_ends_with_its_key(page, guarded):
    sign_in(page, guarded, LEAVES, "/login?next=/exceptions")
    page.wait_for_url("**/exceptions")
    guarded.revoke(LEAVES)
    page.wait_for_url("**/login?next=%2Fexceptions")  # by the next update of what is live
    expect(page.get_by_role("status")).to_contain_text("signed out")
    page.get_by_label("Key or token").fill(guarded.keys[LEAVES][1])
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="revoked")).to_be_visible()


def test_a_reader_sees_what_there_is_and_can_do_nothing_about_it(page, guarded, running):
    name = running.refused("inventory", "E2E-READ", counted("E2E-READ", -1))
    sign_in(page, guarded, LOOKS)
    expect(page.locator("#role")).to_have_text("reader")
    page.goto(f"{guarded.url}/exceptions?open={name}&many=discard")
    expect(page.locator("#opened h2")).to_have_text("Out of range")
    expect(page.locator("#opened pre")).to_contain_text("E2E-READ")
    expect(page.locator("main form:not(.filters)")).to_have_count(0)
    expect(page.locator("a.button")).to_have_count(0)
    # not by hand either
    status = page.evaluate(
        """async (id) => (await fetch("/exceptions/discard", { method: "POST", headers: {
             "X-CSRF-Token": document.querySelector("meta[name=csrf-token]").content },
             body: new URLSearchParams({ id, reason: "by hand" }) })).status""",
        name,
    )
    assert status == 403
    _, body = running.get(f"/v1/exceptions?id={name}")
    assert [one["action"] for one in body["exceptions"]] == [None]


def test_an_operators_deed_is_told_under_the_name_of_the_key(page, guarded, running):
    name = running.refused("inventory", "E2E-NAMED", counted("E2E-NAMED", -1))
    sign_in(page, guarded, DESK)
    page.goto(f"{guarded.url}/exceptions?open={name}")
    page.get_by_label("The event", exact=True).fill(json.dumps(counted("E2E-NAMED", 6)))
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text(f"Replayed by {DESK}")
    running.until("/v1/atp/E2E-NAMED", lambda body: body["on_hand"] == 6, "it counts")
    expect(page.locator(".record tbody tr").first).to_contain_text(DESK)


def test_a_hostile_name_is_text_and_it_fits_a_phone_in_the_dark(opened, guarded):
    page = opened(guarded.url, viewport={"width": 320, "height": 640}, color_scheme="dark")
    page.goto(guarded.url + "/login")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    sign_in(page, guarded, ODD)
    assert page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
