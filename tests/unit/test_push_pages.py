"""What the pages of push say of a subscription, what its forms mean, and which deeds they lead to."""

from __future__ import annotations

import re

import aiohttp
import pytest
from page_bodies import PageServer, ago, answers, delivery, parked_change, subscribed, trouble

from springtide.app.view.web import deliveries

NOW_S = 1_772_431_200.0  # 2026-03-02T06:00:00Z


def at(seconds_ago):
    """An instant before NOW_S."""
    minutes, seconds = divmod(seconds_ago, 60)
    return (
        f"2026-03-02T05:{59 - minutes:02}:{60 - seconds:02}Z"
        if seconds
        else f"2026-03-02T05:{60 - minutes}:00Z"
    )


def said(**given):
    state = {name: given.pop(name) for name in ("state", "why") if name in given}
    return deliveries.subscription(subscribed(delivery=delivery(**given), **state), NOW_S)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "What its receiver is told it takes. Nothing waits."),
        (
            {"backlog": 1, "oldest_at": at(20)},
            "What its receiver is told it takes. 1 change waits, the oldest for 20 s.",
        ),
        (
            {
                "standing": "failing",
                "backlog": 3,
                "oldest_at": at(90),
                "trouble": {
                    "why": "no answer",
                    "at": at(5),
                    "failures": 1,
                    "since": at(5),
                    "next_try_at": None,
                },
            },
            "Its receiver did not take what it was told, once for 5 s. 3 changes wait, the oldest for 1 min.",
        ),
        (
            {
                "standing": "broken",
                "backlog": 1_204,
                "oldest_at": at(720),
                "trouble": {
                    "why": "503",
                    "at": at(15),
                    "failures": 17,
                    "since": at(720),
                    "next_try_at": "2026-03-02T06:00:42Z",
                },
            },
            (
                "The circuit is open: nothing was taken for 12 min, it failed 17 times in a row. 1\u202f204 changes "
                "wait, the oldest for 12 min. One request tries until one is taken. Next try in 42 s."
            ),
        ),
        (
            {"standing": "paused", "backlog": 2, "state": "paused"},
            "Stopped by hand. 2 changes wait. Resuming goes on from there.",
        ),
        (
            {"standing": "ended", "state": "ended", "why": "410 from the receiver"},
            "Its receiver wants no more: 410 from the receiver. Nothing waits.",
        ),
    ],
)
def test_how_a_subscription_stands_is_said_in_a_sentence(given, sentence):
    assert said(**given)["sentence"] == sentence


def test_those_that_need_someone_come_first():
    rows = [
        said(),
        said(standing="paused", state="paused"),
        said(backlog=9),
        said(parked_total=1),
        said(standing="failing"),
        said(standing="ended"),
        said(standing="broken"),
    ]
    found = [(row["standing"], row["parked_total"], row["backlog"]) for row in deliveries.by_need(rows)]
    assert found == [
        ("broken", 0, 0),
        ("failing", 0, 0),
        ("ended", 0, 0),
        ("delivering", 1, 0),
        ("paused", 0, 0),
        ("delivering", 0, 9),
        ("delivering", 0, 0),
    ]


def test_all_together_are_summed_and_the_oldest_is_the_oldest():
    rows = [
        said(backlog=3, oldest_at=at(60), per_s=1.5),
        said(standing="broken", backlog=4, oldest_at=at(120), parked_total=2),
    ]
    whole = deliveries.summary(rows)
    assert whole == {
        "subscriptions": 2,
        "failing": 1,
        "backlog": 7,
        "oldest_s": 120,
        "per_s": 43.0,
        "parked": 2,
    }


def test_a_filter_and_a_pace_are_said_in_words():
    wanted = {"status": ["PARTIALLY_SHIPPED", "SHIPPED"], "region": ["north"]}
    assert deliveries.filter_words(wanted) == "status Partially shipped or Shipped; region north"
    assert deliveries.filter_words({}) == "every change"
    row = subscribed(rate_per_s=2.5, coalesce_ms=500)
    assert deliveries.pace_words(row) == (
        "at most 2.5/s, 32 at once, 10 s for an answer; given up after 3 d; the last change within 0.5 s"
    )


def test_what_was_given_up_says_what_the_receiver_shows():
    assert deliveries.parked(parked_change())["consequence"] == "the receiver still shows in fulfilment"


@pytest.mark.parametrize("field", ["delivery", "filter", "trouble"])
def test_fields_that_are_missing_are_no_error(field):
    row = subscribed(**{field: None}) if field != "trouble" else subscribed(delivery=delivery(trouble={}))
    assert deliveries.subscription(row, NOW_S)["title"] == "CRM of the north"
    assert deliveries.subscription({}, NOW_S)["label"] == "\u2013"


# --- forms ---


def test_a_form_says_a_subscription_and_leaves_out_what_is_empty():
    wanted, faults = deliveries.wish(
        {
            "url": " https://crm.example.com/hook ",
            "name": "",
            "start": "now",
            "region": "north, south,",
            "channel": "",
            "rate_per_s": "12.5",
            "in_flight_max": "4",
            "give_up_s": "",
            "format": "cloudevents",
            "fields": "not = looked at",
        },
        ["SHIPPED"],
    )
    assert faults == []
    assert wanted == {
        "url": "https://crm.example.com/hook",
        "start": "now",
        "filter": {"status": ["SHIPPED"], "region": ["north", "south"]},
        "rate_per_s": 12.5,
        "in_flight_max": 4,
    }


def test_an_upsert_is_a_line_for_each_field():
    wanted, faults = deliveries.wish(
        {
            "format": "upsert",
            "method": "PATCH",
            "fields": "Status__c = status\n\n Cause__c=cause",
            "token_url": "https://crm.example.com/token",
            "client_id": "id",
            "client_secret": "s",
        },
        [],
    )
    assert faults == []
    assert wanted["upsert"] == {
        "fields": {"Status__c": "status", "Cause__c": "cause"},
        "method": "PATCH",
        "oauth": {"token_url": "https://crm.example.com/token", "client_id": "id", "client_secret": "s"},
    }


@pytest.mark.parametrize(
    ("form", "path"),
    [
        ({"in_flight_max": "a few"}, "in_flight_max"),
        ({"give_up_s": "-1"}, "give_up_s"),
        ({"rate_per_s": "fast"}, "rate_per_s"),
        ({"format": "upsert"}, "fields"),
        ({"format": "upsert", "fields": "Status__c"}, "fields"),
        ({"format": "upsert", "fields": "A = status", "client_id": "x"}, "token_url"),
    ],
)
def test_what_a_form_says_that_can_not_be_understood_is_named(form, path):
    _, faults = deliveries.wish(form, [])
    assert [fault["path"] for fault in faults] == [path]


def test_what_the_api_refuses_is_said_beside_the_field_of_the_form():
    problem = {"errors": [{"path": "upsert.oauth.token_url", "message": "it is not https"}]}
    assert deliveries.faults_of(problem) == [{"path": "token_url", "message": "It is not https."}]
    assert deliveries.faults_of({}) == []


# --- deeds ---


class Browser:
    """Sends forms of our own pages, as a browser does."""

    def __init__(self, server, session):
        self._server, self._session = server, session
        self._token = ""

    async def open(self, path):
        async with self._session.get(self._server.url + path) as response:
            text = await response.text()
        self._token = re.search(r'name="csrf-token" content="([^"]+)"', text)[1]
        return text

    async def send(self, path, **form):
        """(status, where it leads or what it shows)"""
        async with self._session.post(
            self._server.url + path,
            data={"csrf": self._token, **form},
            headers={"Origin": self._server.url, "Accept": "text/html"},
            allow_redirects=False,
        ) as response:
            return (
                response.status,
                response.headers.get("Location") or await response.text(),
                response.headers,
            )


@pytest.fixture
async def browser():
    with PageServer(answers()) as server:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            found = Browser(server, session)
            found.server = server
            yield found


@pytest.mark.parametrize(
    ("form", "call"),
    [
        ({"deed": "pause"}, ("PUT", "", {"state": "paused"})),
        ({"deed": "resume"}, ("PUT", "", {"state": "active"})),
        ({"deed": "retry"}, ("POST", ":retry", None)),
        ({"deed": "replay", "order_id": "O/1"}, ("POST", ":replay?order_id=O%2F1", None)),
        (
            {"deed": "replay", "order_id": "", "from": "2026-03-02T06:00:00Z", "to": ""},
            ("POST", ":replay?from=2026-03-02T06:00:00Z", None),
        ),
        ({"deed": "replay", "parked": "true"}, ("POST", ":replay?parked=true", None)),
    ],
)
async def test_a_deed_is_one_call_of_the_api_and_leads_back(browser, form, call):
    await browser.open("/push/sub_1")
    status, there, _ = await browser.send("/push/sub_1", **form)
    assert (status, there) == (303, f"/push/sub_1?done={form['deed']}")
    method, target, body = browser.server.told[0]
    assert (method, target.replace("%3A", ":"), body) == (
        call[0],
        "/v1/subscriptions/sub_1" + call[1],
        call[2],
    )


async def test_deleting_leads_to_the_list(browser):
    browser.server.done["DELETE", "/v1/subscriptions/sub_1"] = (204, None)
    await browser.open("/push/sub_1")
    status, there, _ = await browser.send("/push/sub_1", deed="delete")
    assert (status, there) == (303, "/push?done=delete")


async def test_a_new_secret_is_shown_once_and_kept_by_nobody(browser):
    browser.server.done["PUT", "/v1/subscriptions/sub_1"] = (200, subscribed() | {"secret": "whsec_bmV3"})
    await browser.open("/push/sub_1")
    status, text, headers = await browser.send("/push/sub_1", deed="rotate", hours="48")
    assert status == 200
    assert 'value="whsec_bmV3"' in text
    assert headers["Cache-Control"] == "no-store"
    assert browser.server.told[0][2] == {"rotate_secret": True, "rotation_s": 172_800}
    assert "whsec_" not in await browser.open("/push/sub_1")


async def test_what_is_refused_stays_in_the_form_but_for_the_client_secret(browser):
    browser.server.done["POST", "/v1/subscriptions"] = (
        400,
        {
            "title": "No",
            "detail": "url can't be used.",
            "errors": [{"path": "url", "message": "it is not https"}],
        },
    )
    await browser.open("/push")
    status, text, _ = await browser.send(
        "/push",
        url="http://crm.example.com/",
        format="upsert",
        fields="A = status",
        token_url="https://crm.example.com/token",
        client_id="id",
        client_secret="very secret",
    )
    assert status == 400
    assert 'value="http://crm.example.com/"' in text
    assert "It is not https." in text
    assert 'aria-invalid="true" aria-describedby="e-url h-url"' in text
    assert "very secret" not in text


async def test_a_form_of_another_page_does_nothing(browser):
    await browser.open("/push/sub_1")
    browser._token = "forged"
    status, _, _ = await browser.send("/push/sub_1", deed="delete")
    assert status == 403
    assert browser.server.told == []


async def test_a_page_of_many_subscriptions_stays_small(browser):
    long = "x" * 1_900
    rows = [
        subscribed(
            n,
            url=f"https://{long}.example.com/",
            name="n" * 200,
            filter={"region": [f"region-{k}" for k in range(100)]},
            delivery=delivery(standing="broken", trouble=trouble(why=long), oldest_at=ago(9)),
        )
        for n in range(100)
    ]
    browser.server.bodies["/v1/subscriptions"] = {"subscriptions": rows, "cursor": None}
    assert len(await browser.open("/push")) < 120_000
