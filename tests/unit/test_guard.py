"""Forms of pages: taken from our own pages, of who opened them, and from nobody else."""

from __future__ import annotations

import re

import aiohttp
import pytest
from page_bodies import PageServer, answers, done

FORM = {"id": "shipments/0/17", "reason": "a test of theirs"}


@pytest.fixture
def server():
    discarded = {"id": "shipments/0/17", **done(action="discarded", event_id=None)}
    with PageServer(answers() | {"/v1/exceptions/shipments/0/17:discard": discarded}) as running:
        yield running


async def opened(session, server, path="/exceptions"):
    """The token of a page that was just opened."""
    async with session.get(server.url + path) as response:
        return re.search(r'<meta name="csrf-token" content="([\w-]+)">', await response.text())[1]


async def send(session, server, headers, form=FORM, path="/exceptions/discard"):
    asked = session.post(server.url + path, data=form, headers=headers, allow_redirects=False)
    async with asked as response:
        return response.status, await response.text()


def posted(server):
    return [target for target in server.asked if target.endswith(":discard")]


def a_browser():
    """One that keeps cookies of an address, as browsers do."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Accept": "text/html"})


async def test_a_form_of_the_own_page_is_taken_by_header_or_by_field(server):
    async with a_browser() as session:
        token = await opened(session, server)
        for own in ({"Origin": server.url}, {"Sec-Fetch-Site": "same-origin"}):
            assert (await send(session, server, own | {"X-CSRF-Token": token}))[0] == 303
            assert (await send(session, server, own, FORM | {"csrf": token}))[0] == 303
        assert len(posted(server)) == 4


async def test_a_token_is_the_same_on_each_page_and_another_for_each_browser(server):
    async with a_browser() as one, a_browser() as other:
        token = await opened(one, server)
        assert await opened(one, server, "/orders") == token
        assert await opened(other, server) != token
        own = {"Origin": server.url, "X-CSRF-Token": token}
        status, text = await send(other, server, own)
        assert status == 403
        assert "Open it again" in text
    assert posted(server) == []


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
async def test_a_form_that_the_browser_does_not_say_is_ours_is_not_taken(server, other):
    async with a_browser() as session:
        token = await opened(session, server)
        status, text = await send(session, server, other | {"X-CSRF-Token": token})
        assert status == 403
        assert "Nothing was done" in text
    assert posted(server) == []


async def test_a_form_without_a_token_or_with_a_wrong_one_is_not_taken(server):
    async with a_browser() as session:
        token = await opened(session, server)
        for shown in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": token[:-1]}, {"X-CSRF-Token": "\u00e9"}):
            assert (await send(session, server, {"Origin": server.url, **shown}))[0] == 403
    async with a_browser() as session:  # who has no cookie has no token either
        assert (await send(session, server, {"Origin": server.url, "X-CSRF-Token": token}))[0] == 403
    assert posted(server) == []


async def test_cookies_are_for_the_server_alone(server):
    async with a_browser() as session, session.get(server.url + "/exceptions") as response:
        (told,) = response.headers.getall("Set-Cookie")
        assert told.startswith("springtide-visit=")
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(told.split("; "))
    async with a_browser() as session:
        behind_tls = session.get(server.url + "/exceptions", headers={"X-Forwarded-Proto": "https"})
        async with behind_tls as response:
            (told,) = response.headers.getall("Set-Cookie")
            assert told.startswith("__Host-springtide-visit=")
            assert "Secure" in told.split("; ")


async def test_a_page_by_script_has_a_token_for_each_request(server):
    async with a_browser() as session:
        token = await opened(session, server)
        async with session.get(server.url + "/exceptions") as response:
            assert f"""hx-headers='{{"X-CSRF-Token": "{token}"}}'""" in await response.text()
