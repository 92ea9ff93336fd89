"""The naive reading of ingress, and what it takes for a duplicate, against tables and the gateway's own reading."""

import json

import msgspec
import pytest

from springtide.agents.authority import Authority
from springtide.app.verify.naive_ingress import NaiveIngress, Refused, Way
from springtide.app.verify.window import Window
from springtide.codecs import cloudevents
from springtide.codecs.records import Record


def test_an_event_is_a_duplicate_within_the_window_only():
    window = Window(256)
    assert window.is_new(b"a", 0)
    assert not window.is_new(b"a", 256)
    assert window.is_new(b"a", 257)


def event(**other):
    whole = {
        "specversion": "1.0",
        "id": "1",
        "source": "wms",
        "type": "springtide.inventory.received.v1",
        "subject": "tea",
        "time": "2026-03-02T06:00:00Z",
        "data": {"location": "A", "qty": 1},
    } | other
    return {name: value for name, value in whole.items() if value is not ...}


GOOD = [
    {},
    {"time": "2026-03-02T07:00:00.123456+01:00"},
    {"sequence": "12"},
    {"sequence": 12, "recordedtime": "2026-03-02T06:00:01Z", "correlationid": "c"},
    {"unknown": [1, {"a": 2}]},
    {"source": "/of/no/known/kind"},
    {"data": {"location": "A", "qty": 1, "more": None}},
]
BAD = [
    {"specversion": "0.3"},
    {"id": ""},
    {"id": 1},
    {"id": "a\nb"},
    {"source": ...},
    {"source": "crm"},
    {"type": "springtide.inventory.teleported.v1"},
    {"type": "inventory.received"},
    {"type": "springtide.order.confirmed.v1"},
    {"subject": "x" * 129},
    {"subject": "pot"},
    {"time": "2026-03-02T06:00:00"},
    {"time": "yesterday"},
    {"time": "1969-12-31T23:59:59Z"},
    {"time": ...},
    {"recordedtime": "2026-03-02T06:00:00"},
    {"sequence": "first"},
    {"sequence": 1.5},
    {"correlationid": "x" * 257},
    {"data": ...},
    {"data": None},
    {"data": []},
    {"data": {"location": "A"}},
    {"data": {"location": "A", "qty": 0}},
    {"data": {"location": "A", "qty": "1"}},
    {"data": {"location": "A", "qty": 10**30}},
    {"data": {"location": "", "qty": 1}},
]


def record(value, topic="inventory", key=b"tea", headers=()):
    return Record(topic, 1, 7, 1_000, key, value, headers)


@pytest.mark.parametrize("other", GOOD)
def test_a_good_event_becomes_the_fact_that_the_contract_says(other):
    whole = event(**other)
    subject, fact, ways = NaiveIngress().fact(record(json.dumps(whole).encode()))
    known = cloudevents.decode("inventory", b"tea", json.dumps(whole).encode(), {})
    assert (subject, fact.code, fact.time_us, fact.sequence) == ("tea", 23, known.time_us, known.sequence)
    assert ways == (Way("inbox-sku"),)
    assert fact.origin == (1, 1, 7)
    assert fact.recorded_us == (known.recorded_us or 1_000_000)
    assert msgspec.msgpack.decode(fact.data) == {"location": "A", "qty": 1}


@pytest.mark.parametrize("other", BAD)
def test_a_bad_event_is_refused_by_both_readings(other):
    value = json.dumps(event(**other)).encode()
    with pytest.raises(Refused):
        NaiveIngress().fact(record(value))
    with pytest.raises(cloudevents.Refused):
        Authority().check(cloudevents.decode("inventory", b"tea", value, {}))


@pytest.mark.parametrize(
    "value", [None, b"", b"{", b"\xff", b"null", b"[]", b'"a"', b"{" * 5_000, b" " * (1 << 20) + b" "]
)
def test_bytes_that_are_no_event_are_refused(value):
    with pytest.raises(Refused):
        NaiveIngress().fact(record(value))


def test_binary_mode_says_the_same():
    whole = event()
    headers = tuple((f"ce_{name}", str(text).encode()) for name, text in whole.items() if name != "data")
    structured = NaiveIngress().fact(record(json.dumps(whole).encode()))
    assert NaiveIngress().fact(record(json.dumps(whole["data"]).encode(), headers=headers)) == structured


def test_the_installation_may_say_who_states_what():
    value = json.dumps(event(source="shelf-7")).encode()
    with pytest.raises(Refused, match="may not state"):
        NaiveIngress(strict=True).fact(record(value))
    with pytest.raises(Refused, match="may not state"):
        NaiveIngress(sources={"shelf-7": "crm"}).fact(record(value))
    assert NaiveIngress(sources={"shelf-7": "wms"}, strict=True).fact(record(value))
    assert NaiveIngress({"inventory.received": ("crm",)}, {"shelf-7": "crm"}).fact(record(value))


@pytest.mark.parametrize(
    ("name", "subject", "data", "ways"),
    [
        ("invoice.reversed", "o1", {"invoice_id": "i"}, (Way("inbox-order"),)),
        ("return.rejected", "o1", {"return_id": "r", "reason": "no"}, (Way("inbox-order"),)),
        ("credit.hold_placed", "c1", {"hold_id": "h"}, (Way("inbox-customer"),)),
        ("customer.upserted", "c1", {"customer_id": "c1", "name": "C"}, (Way("inbox-customer"),)),
        ("policy.set", "*", {"scope": "*"}, (Way("inbox-sku", True), Way("inbox-order", True))),
        ("policy.set", "tea", {"scope": "tea"}, (Way("inbox-sku"), Way("inbox-order", True))),
        ("product.discontinued", "tea", {"sku": "tea"}, (Way("inbox-sku"), Way("inbox-order", True))),
        (
            "price.set",
            "tea",
            {"sku": "tea", "list": "l", "amount": "1", "currency": "EUR", "valid_from": "2026-03-02"},
            (Way("inbox-sku"),),
        ),
        (
            "location.upserted",
            "ber",
            {"location": "ber", "name": "B", "rank": 1, "timezone": "Europe/Berlin"},
            (Way("inbox-sku", True), Way("inbox-order", True)),
        ),
    ],
)
def test_a_fact_goes_to_all_whom_it_concerns(name, subject, data, ways):
    topic = cloudevents.topic_of(f"springtide.{name}.v1")
    whole = event(type=f"springtide.{name}.v1", subject=subject, data=data, source="/of/no/known/kind")
    read = record(json.dumps(whole).encode(), topic, subject.encode())
    assert NaiveIngress().fact(read)[2] == ways


@pytest.mark.parametrize(
    ("name", "subject", "data"),
    [
        ("policy.set", "tea", {"scope": "*"}),
        ("product.discontinued", "tea", {"sku": "pot"}),
        ("customer.upserted", "c1", {"customer_id": "c2", "name": "C"}),
        (
            "price.set",
            "tea",
            {"sku": "tea", "list": "l", "amount": "x", "currency": "EUR", "valid_from": "2026-03-02"},
        ),
        (
            "price.set",
            "tea",
            {"sku": "tea", "list": "l", "amount": "1", "currency": "EUR", "valid_from": "2026-02-30"},
        ),
        ("location.upserted", "ber", {"location": "ber", "name": "B", "rank": 1, "timezone": "Mars/Base"}),
        (
            "location.upserted",
            "ber",
            {"location": "ber", "name": "B", "rank": 1, "timezone": "UTC", "working_days": ["Blursday"]},
        ),
        (
            "product.upserted",
            "tea",
            {
                "sku": "tea",
                "name": "T",
                "uom": "EA",
                "superseded_by": {"sku": "pot", "valid_from": "2026-02-30"},
            },
        ),
    ],
)
def test_what_makes_no_sense_is_refused_by_both_readings(name, subject, data):
    topic = cloudevents.topic_of(f"springtide.{name}.v1")
    whole = event(type=f"springtide.{name}.v1", subject=subject, data=data, source="/of/no/known/kind")
    value = json.dumps(whole).encode()
    with pytest.raises(cloudevents.Refused):
        cloudevents.decode(topic, subject.encode(), value, {})
    with pytest.raises(Refused):
        NaiveIngress().fact(record(value, topic, subject.encode()))
