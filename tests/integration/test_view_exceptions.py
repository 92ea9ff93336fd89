"""What could not be applied, from its refusal to its effect or its end, over HTTP and a real broker."""

from __future__ import annotations

import asyncio
import json

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from pipeline import settings_in
from test_view import at_work, broker, counted, event, placed, serving, settings

from springtide.agents.topics import EXCEPTION_ACTIONS, INBOX_ORDER
from springtide.codecs.facts import FACT_BY_NAME, INGRESS_TOPICS, ORDERS
from springtide.codecs.messages import Demand, Fact, encode
from springtide.codecs.records import partition_for

__all__ = ["broker", "settings"]  # fixtures

JSON = {"Content-Type": "application/json"}
PARTITIONS = 2


async def put(broker, topic, key, value, headers=()):
    """Writes a record past the API, as any producer may; its (partition, offset)."""
    producer = AIOKafkaProducer(bootstrap_servers=broker.bootstrap)
    await producer.start()
    try:
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        number = partition_for(key.encode(), PARTITIONS)
        told = await producer.send_and_wait(
            topic, raw, key=key.encode(), partition=number, headers=list(headers)
        )
        return told.partition, told.offset
    finally:
        await producer.stop()


async def actions(broker):
    """Exception id -> the last record of what was done about it."""
    consumer = AIOKafkaConsumer(bootstrap_servers=broker.bootstrap, isolation_level="read_committed")
    await consumer.start()
    place = TopicPartition(EXCEPTION_ACTIONS, 0)
    try:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        found = {}
        while await consumer.position(place) < end:
            for record in (await consumer.getmany(place, timeout_ms=1_000)).get(place, ()):
                found[record.key.decode()] = json.loads(record.value)
        return found
    finally:
        await consumer.stop()


async def listed(client, name, **query):
    """The entry once the list has it."""

    def has(_, body):
        return any(entry["id"] == name for entry in body.get("exceptions", ()))

    body = await client.until("/v1/exceptions", has, **query)
    return next(entry for entry in body["exceptions"] if entry["id"] == name)


async def is_listed(client, name, **query):
    _, body = await client.get("/v1/exceptions", **query)
    return name in [entry["id"] for entry in body["exceptions"]]


async def test_a_mended_event_has_its_effect_though_it_keeps_its_id(settings, broker, tmp_path):
    async with at_work(settings, broker) as client:
        # given a count that is no number
        bad = counted("m1", "tea-m", "7")
        name = "inventory/{}/{}".format(*await put(broker, "inventory", "tea-m", bad))
        entry = await listed(client, name)
        assert (entry["kind"], entry["event_id"], entry["action"]) == ("wrong_type", "m1", None)

        # when it is replayed as it came, it would be refused again, and nothing is written
        path = f"/v1/exceptions/{name}:replay"
        response, problem = await client.post(path, {}, JSON)
        assert (response.status, problem["type"].rpartition(":")[2]) == (409, "not-mended")
        assert problem["errors"][0]["path"] == "data.on_hand"
        assert await is_listed(client, name)
        response, problem = await client.post(path, {"event": bad}, JSON)
        assert (response.status, problem["type"].rpartition(":")[2]) == (400, "invalid-event")

        # when it is mended under the same id, it counts; with its slashes quoted or not
        mended = {"event": counted("m1", "tea-m", 7), "reason": "a text, not a number"}
        response, told = await client.post(path.replace("y/", "y%2F"), mended, JSON)
        assert response.status == 202, told
        _, figure = await client.get("/v1/atp/tea-m", min_position=told["position"])
        assert figure["on_hand"] == 7

        # then it is open no more, and who did it is known, here and to a view that begins anew
        assert not await is_listed(client, name)
        action = (await listed(client, name, state="replayed"))["action"]
        assert (action["by"], action["reason"], action["mended"], action["event_id"]) == (
            "anonymous",
            "a text, not a number",
            True,
            "m1",
        )
        assert action["positions"] == told["positions"]
        kept = (await actions(broker))[name]
        assert (kept["action"], kept["positions"]) == ("replayed", told["positions"])
        response, problem = await client.post(path, mended, JSON)
        assert (response.status, problem["action"]) == (409, action)
        response, _ = await client.post(f"/v1/exceptions/{name}:discard", {"reason": "it is done"}, JSON)
        assert response.status == 409
        async with serving(settings_in(tmp_path / "other"), broker.bootstrap, index=1) as other:
            await other.loaded()
            assert (await listed(other, name, state="all"))["action"] == action


async def test_what_was_wrong_with_the_record_alone_is_replayed_as_it_came(settings, broker):
    async with at_work(settings, broker) as client:
        # given a record under another key, and one in binary mode on another topic
        number, offset = await put(broker, "inventory", "another", counted("k1", "tea-k", 3))
        attributes = {
            "ce_id": "k2",
            "ce_source": "oms",
            "ce_specversion": "1.0",
            "ce_type": "springtide.order.placed.v1",
            "ce_subject": "O-k",
            "ce_time": "2026-03-02T07:00:00Z",
        }
        headers = [(key, value.encode()) for key, value in attributes.items()]
        data = placed("k2", "O-k", ("1", "tea-k", 2))["data"]
        names = [
            f"inventory/{number}/{offset}",
            "invoices/{}/{}".format(*await put(broker, "invoices", "O-k", data, headers)),
        ]
        kinds = [(await listed(client, name))["kind"] for name in names]
        assert kinds == ["key_mismatch", "wrong_topic"]
        # when they are replayed
        positions = []
        for name in names:
            response, told = await client.post(f"/v1/exceptions/{name}:replay", b"", JSON)
            assert response.status == 202, told
            assert not told["mended"]
            positions.append(told["position"])
        # then both have their effect
        _, figure = await client.get("/v1/atp/tea-k", min_position=",".join(positions))
        assert (figure["on_hand"], figure["committed"]) == (3, 2)


async def test_a_fact_that_was_given_up_is_applied_once_its_order_is_there(tmp_path, broker):
    settings = settings_in(tmp_path, orphan_grace_s=60)
    async with at_work(settings, broker) as client:
        # given a confirmation whose order does not come within a minute
        early = event("u1", "order.confirmed", "O-u", {}, source="oms") | {"time": "2026-03-02T08:00:00Z"}
        (place,) = (await client.write(early))["positions"].items()
        name = f"{place[0]}/{place[1]}"
        await client.write(placed("u2", "O-v", ("1", "tea-u", 1)) | {"time": "2026-03-02T09:00:00Z"})
        await client.write(placed("u3", "O-u", ("1", "tea-u", 1)) | {"time": "2026-03-02T09:00:00Z"})
        entry = await listed(client, name)
        assert (entry["kind"], entry["event_id"]) == ("order_unknown", "u1")
        await client.until("/v1/orders/O-u", lambda response, _: response.status == 200)
        # when it is replayed, its order, which has heard of it, takes it under an id of its own
        response, told = await client.post(f"/v1/exceptions/{name}:replay", {}, JSON)
        assert (response.status, told["event_id"]) == (202, f"u1~{name.partition('/')[2].replace('/', '.')}")
        _, order = await client.get("/v1/orders/O-u", min_position=told["position"])
        assert "confirmed" in [one["name"] for one in order["milestones"]]


async def test_what_an_actor_failed_on_goes_the_way_of_its_event_again(settings, broker):
    async with at_work(settings, broker) as client:
        # given an event that did not get through, and a message of it on which the order's actor fails
        await client.write(placed("f1", "O-f", ("1", "tea-f", 1)))
        await client.until("/v1/orders/O-f", lambda response, _: response.status == 200)
        confirmed = event("f2", "order.confirmed", "O-f", {}, source="oms")
        number, offset = await put(broker, ORDERS, "another", confirmed)
        origin = (INGRESS_TOPICS.index(ORDERS), number, offset)
        code = FACT_BY_NAME["order.confirmed"].code
        at_us = 1_772_434_800_000_000
        broken = Fact(code, at_us, at_us, b"d" * 16, "oms", "f2", origin, None, None, b"\xc1")
        name = "inbox-order/{}/{}".format(*await put(broker, INBOX_ORDER, "O-f", encode(broken)))
        assert (await listed(client, name))["kind"] == "step_failed"
        # when it is replayed, it is by the event
        response, told = await client.post(f"/v1/exceptions/{name}:replay", {}, JSON)
        assert (response.status, told["event_id"], list(told["positions"])) == (
            202,
            "f2",
            [f"orders/{partition_for(b'O-f', PARTITIONS)}"],
        )
        _, order = await client.get("/v1/orders/O-f", min_position=told["position"])
        assert "confirmed" in [one["name"] for one in order["milestones"]]

        # and what has no event behind it says so, be it no message at all
        name = "inbox-order/{}/{}".format(*await put(broker, INBOX_ORDER, "O-f", b"\xc1"))
        await listed(client, name)
        response, problem = await client.post(f"/v1/exceptions/{name}:replay", {}, JSON)
        assert (response.status, problem["type"].rpartition(":")[2]) == (409, "no-original")
        demand = Demand("O-f", 1, at_us, origin, "oms f2", at_us, 1, "web", False, False, False, 0, (), ())
        name = "inbox-order/{}/{}".format(*await put(broker, INBOX_ORDER, "O-f", encode(demand)))
        await listed(client, name)
        response, problem = await client.post(f"/v1/exceptions/{name}:replay", {}, JSON)
        assert (response.status, problem["type"].rpartition(":")[2]) == (409, "no-original")
        assert "message of another actor (Demand)" in problem["detail"]


async def test_of_many_who_replay_a_letter_at_once_in_two_views_one_does(settings, broker, tmp_path):
    async with (
        at_work(settings, broker) as client,
        serving(settings_in(tmp_path / "other"), broker.bootstrap, index=1) as other,
    ):
        await other.loaded()
        # given letters that both views know
        letters = {}
        for n in range(6):
            bad = event(f"w{n}", "inventory.adjusted", f"tea-w{n}", {"location": "BER"}, "wms/ber")
            letters[n] = "inventory/{}/{}".format(*await put(broker, "inventory", f"tea-w{n}", bad))
        for view in (client, other):
            for name in letters.values():
                await listed(view, name)

        # when each is mended by two in either view at once, under four ids
        async def replay(view, n, who):
            mended = event(
                f"w{n}-{who}", "inventory.adjusted", f"tea-w{n}", {"location": "BER", "delta": 1}, "wms/ber"
            )
            return await view.post(f"/v1/exceptions/{letters[n]}:replay", {"event": mended}, JSON)

        tried = [(view, n, who) for n in letters for who, view in enumerate((client, other) * 2)]
        told = await asyncio.gather(*(replay(*one) for one in tried))
        # then one of the four has done it, the others are told who, and it counts once
        by_letter = {
            n: [answer for one, answer in zip(tried, told, strict=True) if one[1] == n] for n in letters
        }
        for n, answers in by_letter.items():
            assert sorted(response.status for response, _ in answers) == [202, 409, 409, 409], answers
            (done,) = [body for response, body in answers if response.status == 202]
            others = [body for response, body in answers if response.status == 409]
            assert {body["action"]["event_id"] for body in others} == {done["event_id"]}
            for view in (client, other):
                _, figure = await view.get(f"/v1/atp/tea-w{n}", min_position=done["position"])
                assert figure["on_hand"] == 1
        # and both views tell the same of it
        for view in (client, other):
            body = await view.until(
                "/v1/exceptions/actions", lambda _, b: len(b["actions"]) >= len(letters), limit=500
            )
            newest = {one["id"]: one["event_id"] for one in body["actions"]}
            assert {newest[letters[n]] for n in letters} <= {
                f"w{n}-{who}" for n in letters for who in range(4)
            }
            first = await view.until("/v1/exceptions/actions", lambda _, b: b["actions"], limit=2)
            _, second = await view.get("/v1/exceptions/actions", limit=2, cursor=first["cursor"])
            names = [one["id"] for one in first["actions"] + second["actions"]]
            assert names == [one["id"] for one in body["actions"][:4]]


async def test_what_is_discarded_is_open_no_more(settings, broker):
    async with at_work(settings, broker) as client:
        # given a dead letter, and what can't be of an order
        letter = "inventory/{}/{}".format(
            *await put(broker, "inventory", "tea-d", counted("x1", "tea-d", -1))
        )
        await client.write(placed("x2", "O-x", ("1", "tea-d", 1)))
        cancel = event("x3", "order.cancelled", "O-x", {"lines": [{"line_id": "7", "qty": 1}]}, source="oms")
        await client.write(cancel)
        body = await client.until(
            "/v1/exceptions", lambda r, b: r.status == 200 and len(b["exceptions"]) == 1, order="O-x"
        )
        anomaly = body["exceptions"][0]["id"]
        await listed(client, letter)

        response, problem = await client.post(f"/v1/exceptions/{letter}:discard", {}, JSON)
        assert (response.status, problem["errors"][0]["message"]) == (
            400,
            "Object missing required field `reason`",
        )
        response, problem = await client.post(f"/v1/exceptions/{anomaly}:replay", {}, JSON)
        assert (response.status, problem["type"].rpartition(":")[2]) == (409, "not-replayable")
        for name in (letter, anomaly):
            response, told = await client.post(f"/v1/exceptions/{name}:discard", {"reason": "known"}, JSON)
            assert (response.status, told["action"], told["reason"]) == (200, "discarded", "known")
            assert not await is_listed(client, name)
            assert (await listed(client, name, state="discarded"))["action"]["reason"] == "known"
            assert (await actions(broker))[name]["action"] == "discarded"
        # the order itself still shows it
        _, order = await client.get("/v1/orders/O-x")
        assert [one["id"] for one in order["exceptions"]] == [anomaly]
        response, _ = await client.post("/v1/exceptions/nothing:discard", {"reason": "known"}, JSON)
        assert response.status == 404


async def test_many_by_filter_at_a_rate(settings, broker):
    async with at_work(settings, broker) as client:
        # given three records under wrong keys and one that has to be mended, all of one source
        names = []
        for n in range(3):
            bad = event(f"n{n}", "inventory.adjusted", "tea-n", {"location": "BER", "delta": 1}, "wms/many")
            names.append("inventory/{}/{}".format(*await put(broker, "inventory", "another", bad)))
        broken = event("n9", "inventory.adjusted", "tea-n", {"location": "BER"}, "wms/many")
        names.append("inventory/{}/{}".format(*await put(broker, "inventory", "tea-n", broken)))
        for name in names:
            await listed(client, name, source="wms/many")
        wanted = {"filter": {"source": "wms/many"}, "rate_per_s": 100}

        # when all of the source are replayed, two and then the rest
        response, first = await client.post("/v1/exceptions:replay", wanted | {"limit": 2}, JSON)
        assert response.status == 202, first
        more = wanted | {"cursor": first["cursor"]}
        _, second = await client.post("/v1/exceptions:replay", more, JSON)
        # then three count, and the one that failed says why and is still open
        assert first["replayed"] + second["replayed"] == 3
        assert (first["failed"] + second["failed"], second["cursor"]) == (1, None)
        (failed,) = [one for one in first["results"] + second["results"] if "problem" in one]
        assert (failed["id"], failed["problem"]["status"]) == (names[3], 409)
        position = ",".join(filter(None, (first["position"], second["position"])))
        _, figure = await client.get("/v1/atp/tea-n", min_position=position)
        assert figure["on_hand"] == 3
        _, left = await client.get("/v1/exceptions", source="wms/many")
        assert [one["id"] for one in left["exceptions"]] == [names[3]]

        # and what is left is discarded
        response, problem = await client.post("/v1/exceptions:discard", wanted, JSON)
        assert (response.status, problem["errors"][0]["path"]) == (400, "reason")
        response, told = await client.post(
            "/v1/exceptions:discard", wanted | {"reason": "a test of theirs"}, JSON
        )
        assert (response.status, told["discarded"]) == (200, 1)
        _, left = await client.get("/v1/exceptions", source="wms/many")
        assert left["exceptions"] == []

        slow = {"filter": {"source": "nobody"}, "rate_per_s": 0.001}
        response, told = await client.post("/v1/exceptions:replay", slow, JSON)
        assert (response.status, told["results"]) == (202, [])
        response, problem = await client.post("/v1/exceptions:replay", {"filter": {"sku": "A"}}, JSON)
        assert (response.status, problem["errors"][0]["path"]) == (400, "filter.sku")
