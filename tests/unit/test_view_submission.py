"""Posted events: all are checked as the gateway does before any is written, and each fault is named."""

import msgspec
import pytest

from springtide.agents.authority import Authority
from springtide.app.view.problems import Problem
from springtide.app.view.submission import BATCH, ONE, read_events
from springtide.codecs.cloudevents import EVENT_BYTES_MAX
from springtide.codecs.records import partition_for

PARTITIONS = {"orders": 3, "inventory": 3, "shipments": 3}


def event(**changes):
    base = {
        "id": "1",
        "source": "wms/ber",
        "specversion": "1.0",
        "type": "springtide.inventory.adjusted.v1",
        "subject": "tea",
        "time": "2026-03-02T06:00:00Z",
        "data": {"location": "BER", "delta": 5},
    }
    return {name: value for name, value in (base | changes).items() if value is not ...}


async def read(content_type, body):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return await read_events(content_type, raw, Authority(), PARTITIONS)


async def refusal(content_type, body):
    with pytest.raises(Problem) as told:
        await read(content_type, body)
    return told.value


async def test_one_event_goes_to_its_topic_under_its_subject_as_it_came():
    raw = msgspec.json.format(msgspec.json.encode(event(unknown="kept")), indent=2)
    (posted,) = await read(ONE, raw)
    assert posted.place == ("inventory", partition_for(b"tea", 3))
    assert (posted.key, posted.value) == (b"tea", raw)


async def test_a_batch_keeps_its_order():
    posted = await read(BATCH, [event(id=str(n)) for n in range(120)])
    assert [msgspec.json.decode(one.value)["id"] for one in posted] == [str(n) for n in range(120)]


@pytest.mark.parametrize(
    ("changes", "path", "code"),
    [
        ({"id": ...}, "id", "missing_field"),
        ({"type": ...}, "type", "missing_field"),
        ({"subject": ...}, "subject", "missing_field"),
        ({"subject": 7}, "subject", "wrong_type"),
        ({"type": "springtide.tea.brewed.v1"}, "type", "unknown_type"),
        ({"time": "2026-03-02T06:00:00"}, "time", "time_without_offset"),
        ({"specversion": "0.3"}, "specversion", "unsupported_content"),
        ({"data": {"location": "BER", "delta": "5"}}, "data.delta", "wrong_type"),
        ({"data": {"location": "BER", "delta": 10**13}}, "data.delta", "out_of_range"),
        ({"data": {"delta": 5}}, "data.location", "missing_field"),
        ({"source": "oms"}, "source", "not_authoritative"),
    ],
)
async def test_a_fault_is_told_by_its_path(changes, path, code):
    problem = await refusal(ONE, event(**changes))
    assert problem.status == 400
    assert [(fault["path"], fault["code"]) for fault in problem.errors] == [(path, code)]
    problem = await refusal(BATCH, [event(), event(**changes)])
    assert [(fault["path"], fault["code"]) for fault in problem.errors] == [(f"[1].{path}", code)]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"nothing", b"[" * 100_000, b"null"])
@pytest.mark.parametrize("content_type", [ONE, BATCH])
async def test_what_is_no_event_is_refused(content_type, body):
    problem = await refusal(content_type, body)
    assert problem.status == 400
    assert problem.errors


async def test_an_event_beyond_the_limit_is_too_large_alone_and_named_in_a_batch():
    large = event(data={"location": "BER", "delta": 5, "note": "x" * EVENT_BYTES_MAX})
    assert (await refusal(ONE, large)).status == 413
    problem = await refusal(BATCH, [event(), large, event(id=...)])
    assert problem.status == 400
    assert [fault["path"] for fault in problem.errors] == ["[1]", "[2].id"]


async def test_no_more_faults_are_told_than_a_reader_can_use():
    problem = await refusal(BATCH, [event(id=...)] * 1_000)
    assert len(problem.errors) == 100
    assert "1000 of 1000 events" in problem.detail


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "", "application/octet-stream"])
async def test_another_content_type_is_refused(content_type):
    assert (await refusal(content_type, event())).status == 415


async def test_an_empty_batch_is_refused():
    assert (await refusal(BATCH, [])).status == 400
