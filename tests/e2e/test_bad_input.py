"""Bad input on both ways in: each gets a clear answer, none stops what stands around it, nothing is lost."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from running import LIMIT_S, counted, event, placed

ADJUSTED = {"location": "BER", "delta": 1}


def adjusted(sku, data=ADJUSTED, **more):
    return event("inventory.adjusted", sku, data, source="wms/ber", **more)


def without(name, told):
    return {key: value for key, value in told.items() if key != name}


def bad_events(sku):
    """What -> (topic, key, value as bytes, code, field)."""

    def row(told, code, field, topic="inventory", key=sku):
        return (
            topic,
            key.encode(),
            told if isinstance(told, bytes) else json.dumps(told).encode(),
            code,
            field,
        )

    order = placed("E2E-LONG", *[(sku, 1)] * 10_000)
    return {
        "no JSON": row(b"\xff\xfenot json", "not_json", ""),
        "empty": row(b"", "not_json", ""),
        "wrong type": row(adjusted(sku, {"location": "BER", "delta": "many"}), "wrong_type", "data.delta"),
        "unknown type": row(event("inventory.vanished", sku, {}, source="wms/ber"), "unknown_type", "type"),
        "missing field": row(adjusted(sku, {"location": "BER"}), "missing_field", "data.delta"),
        "missing attribute": row(without("id", adjusted(sku)), "missing_field", "id"),
        "5 MB": row(adjusted(sku, ADJUSTED | {"reason": "x" * 5_000_000}), "too_large", ""),
        "key disagrees": row(adjusted(sku), "key_mismatch", "subject", key="OTHER"),
        "negative quantity": row(
            event("inventory.received", sku, {"location": "BER", "qty": -5}, source="wms/ber"),
            "out_of_range",
            "data.qty",
        ),
        "huge quantity": row(
            event("inventory.received", sku, {"location": "BER", "qty": 10**30}, source="wms/ber"),
            "out_of_range",
            "data.qty",
        ),
        "time without offset": row(adjusted(sku, time_="2026-03-02T06:00:00"), "time_without_offset", "time"),
        "10,000 lines": row(order, "out_of_range", "data.lines", topic="orders", key="E2E-LONG"),
        "wrong authority": row(adjusted(sku) | {"source": "erp/main"}, "not_authoritative", "source"),
        "wrong topic": row(adjusted(sku), "wrong_topic", "type", topic="orders"),
    }


async def write(bootstrap, rows):
    """Sends records to partition 0 and answers their places."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=16 << 20)
    await producer.start()
    try:
        places = []
        for topic, key, value in rows:
            sent = await producer.send_and_wait(topic, value, key, partition=0)
            places.append(f"{topic}/0/{sent.offset}")
        return places
    finally:
        await producer.stop()


async def letters(bootstrap, wanted):
    """Dead letters by the place of their record, once there are all that are wanted."""
    consumer = AIOKafkaConsumer(
        "dead-letters",
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    await consumer.start()
    try:
        found = {}
        async with asyncio.timeout(LIMIT_S):
            while not wanted <= found.keys():
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        letter = json.loads(record.value)
                        found.setdefault(letter["id"], []).append(letter)
        return found
    finally:
        await consumer.stop()


async def test_each_bad_record_becomes_one_letter_and_its_neighbours_are_applied(running):
    sku = "E2E-BAD"
    bad = bad_events(sku)
    rows = [("inventory", sku.encode(), json.dumps(counted(sku, 100)).encode())]
    for topic, key, value, _, _ in bad.values():
        rows.append((topic, key, value))
        rows.append(("inventory", sku.encode(), json.dumps(adjusted(sku)).encode()))

    places = await write(running.stack.bootstrap, rows)
    of_bad = dict(zip(bad, places[1::2], strict=True))
    found = await letters(running.stack.bootstrap, set(of_bad.values()))

    for what, place in of_bad.items():
        assert len(found[place]) == 1, what
        letter = found[place][0]
        assert (letter["code"], letter.get("field", "")) == bad[what][3:], (what, letter["reason"])
    assert not [place for place in places[2::2] if place in found]
    figure = await asyncio.to_thread(
        running.until,
        f"/v1/atp/{sku}",
        lambda body: body["on_hand"] == 100 + len(bad),
        "each good event beside the bad ones is applied once",
    )
    assert figure["available_now"] == 100 + len(bad)


@pytest.mark.parametrize(
    ("body", "content_type", "status", "says"),
    [
        (b"{not json", "application/cloudevents+json", 400, "JSON"),
        (b"[]", "application/cloudevents-batch+json", 400, "event"),
        (b"{}", "text/plain", 415, "cloudevents"),
        (b"x" * 5_000_000, "application/cloudevents+json", 413, "bytes"),
    ],
)
def test_a_bad_body_is_refused_with_a_problem(running, body, content_type, status, says):
    answered, problem = running.post(body, content_type)
    assert answered == status, problem
    assert problem["status"] == status
    assert says.lower() in json.dumps(problem).lower()


def test_one_bad_event_refuses_the_whole_batch_and_names_the_place(running):
    sku = "E2E-BATCH"
    good = counted(sku, 7)
    status, problem = running.post(
        json.dumps([good, adjusted(sku, {"location": "BER", "delta": "x"})]).encode(),
        "application/cloudevents-batch+json",
    )
    assert status == 400
    assert "delta" in problem["errors"][0]["path"]
    token = running.tell(counted(sku, 9))
    assert running.get(f"/v1/atp/{sku}?min_position={token}")[1]["on_hand"] == 9


def test_unknown_things_are_errors_and_never_zero(running):
    token = running.tell(placed("E2E-UNKNOWN-SKU", ("E2E-NEVER-COUNTED", 3)))
    running.until(
        f"/v1/orders/E2E-UNKNOWN-SKU?min_position={token}",
        lambda body: body["status"] == "BACKORDERED",
        "what nobody has is backordered",
    )
    status, problem = running.get("/v1/atp/E2E-NEVER-COUNTED")
    assert (status, problem["status"]) == (404, 404)
    assert running.get("/v1/orders/E2E-NO-SUCH-ORDER")[0] == 404
    assert running.get("/v1/nothing")[0] == 404
