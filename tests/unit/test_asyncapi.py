"""What is said of topics and webhooks is so: the document against its specification, and records, events and pushed
bodies of the sample trade against their messages."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from copy import deepcopy
from functools import cache
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from jsonschema import Draft7Validator

from springtide.agents.authority import Authority
from springtide.agents.topics import ATP, CUSTOMERS, DEAD_LETTERS, INBOX_ORDER, ORDER_STATUS, STATUS_CHANGES
from springtide.agents.work import encode_meta
from springtide.app import wiring
from springtide.app.commands import reading
from springtide.app.commands.options import Options
from springtide.app.push.delivery import Change, Meaning, Sender
from springtide.app.push.signing import new_secret
from springtide.app.settings import Settings
from springtide.app.simulate import Simulation
from springtide.app.trade.emission import Broken
from springtide.app.trade.generate import generate
from springtide.app.trade.spec import TradeSpec
from springtide.app.view.contract.asyncapi import asyncapi
from springtide.app.view.contract.pages import readable_topics
from springtide.codecs import cloudevents, messages
from springtide.codecs.facts import FACT_TYPES
from springtide.codecs.letters import decode_status_change
from springtide.codecs.subscriptions import Secret, Subscription, Upsert

OFFICIAL = Path(__file__).parents[1] / "schemas/asyncapi-3.0.0.json"
SETTINGS = Settings()
TRADE = TradeSpec(skus=40, customers=30, orders=120, broken_share=0.05)
_FORM = {"missing_field", "wrong_type", "out_of_range", "unknown_type"}
"""Codes of what a schema can see."""


@cache
def document():
    return json.loads(json.dumps(asyncapi(SETTINGS)))


@cache
def validator(message, part="payload"):
    schema = document()["components"]["messages"][message][part]
    return Draft7Validator({"allOf": [schema], "components": document()["components"]})


def faults(message, found, part="payload"):
    return [
        f"{message} {'/'.join(map(str, error.absolute_path))}: {error.message}"[:300]
        for error in validator(message, part).iter_errors(found)
    ]


class Told(Simulation):
    """The same, and all that its actors sent."""

    def __init__(self):
        super().__init__()
        self.sent = []

    def _send(self, sent):
        sent = list(sent)
        self.sent += sent
        super()._send(sent)


@cache
def emissions():
    return list(generate(TRADE))


@cache
def trade():
    """The trade, gone through by the actors as far as most orders are under way, and one order that nobody can fill."""
    told = Told()
    for emission in emissions()[: len(emissions()) * 2 // 3]:
        line = emission.value
        if not isinstance(emission, Broken):
            line = cloudevents.structured(line, dict(emission.headers))
        elif emission.headers or emission.code == "not_json":
            continue
        told.apply(line)
    wanted = deepcopy(document()["components"]["messages"]["order.placed"]["examples"][0]["payload"])
    wanted["data"] |= {
        "order_id": "WAITS",
        "lines": [{"line_id": "1", "sku": "LAMP-00001", "qty": 1_000_000}],
    }
    told.apply(json.dumps(wanted | {"subject": "WAITS"}).encode())
    return told


# --- the document ---


def test_it_is_what_the_specification_asks_for():
    official = Draft7Validator(json.loads(OFFICIAL.read_text()))
    found = [
        f"{list(error.absolute_path)}: {error.message[:200]}" for error in official.iter_errors(document())
    ]
    assert found == []
    assert list(official.iter_errors(document() | {"channels": {"x": {"adress": "x"}}})), "anything would do"


def test_every_schema_is_one_and_nothing_points_nowhere():
    text = json.dumps(document())
    assert "$defs" not in text
    assert "prefixItems" not in text
    for ref in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        place = document()
        for step in ref.split("/"):
            assert step in place, ref
            place = place[step]
    for schema in document()["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_every_topic_is_in_it_as_it_is_made():
    channels = {one["address"]: one for one in document()["channels"].values() if one["address"] is not None}
    specs = wiring.topic_specs(SETTINGS)
    assert list(channels) == [spec.name for spec in specs]
    for spec in specs:
        kafka = channels[spec.name]["bindings"]["kafka"]
        assert (kafka["topic"], kafka["partitions"]) == (spec.name, spec.partitions)
        written = {
            name: ",".join(value) if isinstance(value, list) else str(value)
            for name, value in kafka["topicConfiguration"].items()
        }
        assert written == spec.configuration()


def test_every_event_type_is_in_it_in_both_modes_on_its_own_topic():
    for topic, channel in document()["channels"].items():
        facts = [fact.name for fact in FACT_TYPES if fact.topic == topic]
        if facts:
            assert list(channel["messages"]) == [name for fact in facts for name in (fact, f"{fact}.binary")]
    types = {message["name"] for message in document()["components"]["messages"].values()}
    assert {f"springtide.{fact.name}.v1" for fact in FACT_TYPES} <= types


def test_every_channel_says_who_speaks_on_it():
    spoken = {one["channel"]["$ref"].rpartition("/")[2] for one in document()["operations"].values()}
    assert spoken == set(document()["channels"])


@pytest.mark.parametrize("fact", FACT_TYPES, ids=lambda fact: fact.name)
def test_examples_are_events_that_are_taken(fact):
    for mode in (fact.name, f"{fact.name}.binary"):
        (example,) = document()["components"]["messages"][mode]["examples"]
        assert faults(mode, example["payload"]) == []
        assert faults(mode, example["headers"], "headers") == []
        subject = example["headers"].get("ce_subject") or example["payload"]["subject"]
        headers = {name: value.encode() for name, value in example["headers"].items()}
        event = cloudevents.decode(
            fact.topic, subject.encode(), json.dumps(example["payload"]).encode(), headers
        )
        Authority().check(event)
        assert event.fact == fact


def test_examples_of_all_else_that_is_json_are_of_their_type():
    seen = Counter()
    for name, message in document()["components"]["messages"].items():
        for example in message.get("examples", ()):
            for part, value in example.items():
                assert faults(name, value, part) == []
                seen[part] += 1
    assert seen["payload"] > 2 * len(FACT_TYPES)


def test_the_command_prints_it_without_a_broker(capsys):
    reading.topics(Options(), as_asyncapi=True)
    assert json.loads(capsys.readouterr().out) == document()


def test_the_page_has_every_channel_message_and_type_and_asks_for_nothing():
    html = readable_topics(document(), "")
    assert all(f'id="on-{name}"' in html for name in document()["channels"])
    assert all(f">{fact.name}<" in html for fact in FACT_TYPES)
    assert all(f'id="{name}"' in html for name in document()["components"]["schemas"])
    assert set(re.findall(r'href="#([^"]+)"', html)) <= set(re.findall(r'id="([^"]+)"', html))
    assert not re.search(r"<script|<img|<link|@import|url\(|src=", html)
    assert len(html) < 200_000


# --- the sample trade ---


def test_every_event_of_the_sample_trade_is_of_its_message():
    seen, refused = Counter(), Counter()
    for emission in emissions():
        headers = {name: value.decode() for name, value in emission.headers}
        if isinstance(emission, Broken) and emission.code not in _FORM:
            continue
        payload = json.loads(emission.value)
        is_binary = "ce_id" in headers
        kind = headers["ce_type"] if is_binary else payload["type"]
        name = (
            kind.removeprefix("springtide.").removesuffix(".v1").removesuffix(".v7") + ".binary" * is_binary
        )
        found = faults(name, payload) + (faults(name, headers, "headers") if is_binary else [])
        if isinstance(emission, Broken):
            assert found, f"{emission.code} is not seen: {emission.value!r}"
            refused[emission.code] += 1
        else:
            assert found == []
            seen[name.removesuffix(".binary")] += 1
            seen["binary"] += is_binary
    assert set(refused) == _FORM
    assert seen["binary"] > 10
    assert len(seen) > 30, "the trade tells of too little to show anything"


def test_what_the_actors_tell_of_it_is_of_its_message():
    names = {STATUS_CHANGES: "status-change", DEAD_LETTERS: "dead-letter"}
    seen = Counter()
    for sent in trade().sent:
        if sent.topic in names:
            assert faults(names[sent.topic], json.loads(sent.value)) == []
            seen[sent.topic] += 1
        elif sent.topic.startswith("inbox-"):
            kind = type(messages.decode(sent.value)).__name__
            name = f"{sent.topic}.{re.sub(r'(?<!^)(?=[A-Z])', '-', kind).lower()}"
            assert faults(name, as_json(msgspec.msgpack.decode(sent.value))) == []
            seen[name] += 1
    assert seen[STATUS_CHANGES] > 500
    assert seen[DEAD_LETTERS] > 10
    told_apart = {name for name in document()["components"]["messages"] if name.startswith("inbox-")}
    assert told_apart - set(seen) == {f"{INBOX_ORDER}.promise-asked"}, (
        "nobody asks for a promise in the trade"
    )


_PARTS = {
    "": "sku",
    "a": "allocation",
    "z": "allocation",
    "d": "dated",
    "p": "supply",
    "q": "queue",
    "h": "past-hold",
    "s": "shipment-of",
    "g": "goods",
    "$": "prices",
}


@pytest.mark.parametrize(
    ("kind", "topic", "plain"),
    [("sku", ATP, ""), ("order", ORDER_STATUS, "order"), ("customer", CUSTOMERS, "customer")],
)
def test_every_row_that_is_projected_of_it_is_of_its_message(kind, topic, plain):
    actor = trade().actors[kind]
    seen = Counter()
    for key, row in actor.rows().items():
        shown = actor.behaviour.projection_key(key)
        if shown is None:
            continue
        if shown.startswith(b"\x00"):
            name = "network"
        else:
            name = plain or _PARTS[shown.partition(b"\x00")[2][:1].decode()]
        version = document()["components"]["messages"][name]["description"]
        assert f"({row[0]})" in version
        assert faults(name, as_json(msgspec.msgpack.decode(row[1:]))) == []
        seen[name] += 1
    marker = f"{plain or 'atp'}-marker"
    assert faults(marker, as_json(msgspec.msgpack.decode(encode_meta(actor.work.meta)))) == []
    assert set(seen) | {marker} == set(document()["channels"][topic]["messages"])


def as_json(value):
    """What MessagePack has and JSON has not, as the schemas say it."""
    return msgspec.to_builtins(value)


# --- webhooks ---


def changes(count):
    """Status changes of the trade, each as push reads it from the log."""
    sent = [one.value for one in trade().sent if one.topic == STATUS_CHANGES]
    return [
        Change(at, 0, decode_status_change(value)) for at, value in enumerate(sent[:: len(sent) // count])
    ]


async def pushed(subscription, told):
    """(headers in lower case, body) of each request that a subscription's receiver gets."""
    got = []

    async def take(request):
        got.append(({name.lower(): value for name, value in request.headers.items()}, await request.json()))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app, host="127.0.0.1") as server:
        subscription = msgspec.structs.replace(subscription, url=str(server.make_url("/")) + subscription.url)
        sender = Sender(subscription, allow_inside=True)
        try:
            answers = await asyncio.gather(*(sender.tell(change) for change in told))
        finally:
            await sender.close()
    assert {answer.meaning for answer in answers} == {Meaning.TAKEN}
    return got


async def test_every_body_that_is_pushed_is_of_its_message():
    told = changes(60)
    told[0] = told[0]._replace(replay="r-1")
    subscription = Subscription(
        id="S", url="hook", secrets=(Secret(new_secret()), Secret(new_secret())), created_ms=0
    )
    got = await pushed(subscription, told)
    assert len(got) == len(told) >= 60
    for headers, body in got:
        assert faults("webhook", body) == []
        assert faults("webhook", headers, "headers") == []
        assert headers["content-type"] == document()["components"]["messages"]["webhook"]["contentType"]
        assert headers["webhook-id"] == body["id"] == f"{body['subject']}/{body['data']['version']}"
    assert [headers.get("springtide-replay") for headers, _ in got].count("r-1") == 1
    unsigned = {name: value for name, value in got[0][0].items() if name != "webhook-signature"}
    assert faults("webhook", unsigned, "headers")


async def test_every_upsert_that_is_pushed_is_of_its_message():
    upsert = Upsert(fields={"Status__c": "status", "Version__c": "version"})
    subscription = Subscription(id="S", url="Order/{external_id}", secrets=(), upsert=upsert, created_ms=0)
    told = changes(5)
    for (_, body), change in zip(await pushed(subscription, told[:1]), told, strict=False):
        assert faults("upsert", body) == []
        assert body == {"Status__c": change.letter.status, "Version__c": change.letter.version}
