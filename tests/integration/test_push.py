"""Push over a real broker to real receivers: slow, failing, gone, and a process that dies in between."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from pipeline import settings_in

from springtide.agents.topics import STATUS_CHANGES
from springtide.app import wiring
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.topics import ensure_topics
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.push.run import Push
from springtide.app.push.signing import new_secret
from springtide.codecs.letters import StatusChange, encode_letter
from springtide.codecs.records import partition_for
from springtide.codecs.subscriptions import Filter, OAuth, Replay, Secret, Subscription, Upsert

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
from receiver import Book, is_signed  # the example is what a reader is told to use

LIMIT_S = 30.0
PARTITIONS = 2


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("push-broker"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


async def until(holds, what):
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, what() if callable(what) else what
        await asyncio.sleep(0.01)


class Receiver:
    """A receiver that answers what `answers` says for (attempt, message id), and keeps a book of the rest."""

    def __init__(self, secret, answers=lambda _attempt, _message: 204, delay_s=0.0):
        self.secret, self.answers, self.delay_s = secret, answers, delay_s
        self.book = Book()
        self.attempts = 0
        self.order = []
        self.url = ""
        self.upserts = []
        self.tokens = 0

    async def take(self, request):
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.attempts += 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        assert is_signed([self.secret], headers, body, time.time())
        message = headers["webhook-id"]
        status = self.answers(self.attempts, message)
        if 200 <= status < 300:
            event = json.loads(body)
            assert event["type"] == "springtide.order.status_changed.v1"
            self.book.take(message, event["data"], replay="springtide-replay" in headers)
            self.order.append(message)
        return web.Response(status=status, headers={"Retry-After": "0"} if status == 429 else {})

    async def upsert(self, request):
        assert request.headers["Authorization"] == "Bearer T1"
        self.upserts.append((request.method, request.path, await request.json()))
        return web.Response(status=204)

    async def token(self, request):
        form = await request.post()
        assert form["grant_type"] == "client_credentials"
        self.tokens += 1
        return web.json_response({"access_token": "T1", "expires_in": 3600})

    @asynccontextmanager
    async def open(self):
        app = web.Application()
        app.router.add_post("/hook", self.take)
        app.router.add_post("/token", self.token)
        app.router.add_patch("/orders/{id:.+}", self.upsert)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


class World:
    """An installation of its own on the broker, and a writer of status changes."""

    def __init__(self, settings, connection):
        self.settings, self.connection = settings, connection
        self.versions = {}

    @asynccontextmanager
    async def pushing(self, index=0, *, leaves=False):
        """`leaves`: the subscriptions stay when it ends."""
        push = Push(self.settings, self.connection, index=index)
        task = asyncio.create_task(push.run())
        try:
            await until(lambda: len(push.lanes) == PARTITIONS or task.done(), "the lanes do not begin")
            yield push
            for name in () if leaves else list(push.registry.subscriptions):  # other tests must not see it
                await push.keeper.delete(name)
        finally:
            if task.done():
                task.result()  # what ended it
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def write(self, *order_ids, status="SHIPPED", **more):
        """One more version of each order, in turn."""
        for order_id in order_ids:
            version = self.versions[order_id] = self.versions.get(order_id, 0) + 1
            letter = StatusChange(
                order_id=order_id,
                version=version,
                status=status,
                previous=None,
                milestones=(),
                at="2026-03-02T06:00:00Z",
                event_id=f"oms {order_id}/{version}",
                **more,
            )
            place = partition_for(order_id.encode(), PARTITIONS)
            await self.producer.send(
                STATUS_CHANGES, encode_letter(letter), key=order_id.encode(), partition=place
            )
        await self.producer.flush()


_apps = iter(range(1_000))


@asynccontextmanager
async def world(broker, tmp_path):
    settings = settings_in(tmp_path).model_copy(
        update={"app": f"push{next(_apps)}", "inbox_partitions": PARTITIONS, "push_allow_inside": True}
    )
    connection = settings.connection(broker.bootstrap)
    await ensure_topics(connection, wiring.topic_specs(settings))
    found = World(settings, connection)
    found.producer = AIOKafkaProducer(**connection.aiokafka_options(), acks="all")
    await found.producer.start()
    try:
        yield found
    finally:
        await found.producer.stop()


_names = iter(range(1_000))


def subscription(receiver, **more):
    """Under a name of its own: the topic is the same for all tests."""
    given = {"url": f"{receiver.url}/hook", "secrets": (Secret(receiver.secret),), "created_ms": 0, **more}
    return Subscription(id=f"s{next(_names)}", **given)


async def ends(world):
    """Where the partitions end now, so that a test sees its own changes only."""
    log = KafkaLog(world.connection)
    await log.start()
    try:
        found = await log.ends([(STATUS_CHANGES, n) for n in range(PARTITIONS)])
    finally:
        await log.close()
    return {str(number): end for (_, number), end in found.items()}


async def test_each_change_of_each_order_arrives_in_order_whatever_the_receiver_does(broker, tmp_path):
    chance = random.Random(1)
    receiver = Receiver(
        new_secret(), lambda _attempt, _message: chance.choice((204,) * 7 + (500, 429, 503)), delay_s=0.001
    )
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        async with w.pushing() as push:
            await push.keeper.keep(subscription(receiver, positions=positions))
            orders = [f"O-{n}" for n in range(20)]
            for _ in range(5):
                await w.write(*orders)
            await until(lambda: len(receiver.book.seen) == 100, receiver.book.told)
        assert receiver.book.out_of_order == []
        assert receiver.book.version == dict.fromkeys(orders, 5)
        for order in orders:
            assert [m for m in receiver.order if m.startswith(f"{order}/")] == [
                f"{order}/{version}" for version in range(1, 6)
            ]


async def test_another_process_goes_on_where_one_stood(broker, tmp_path):
    receiver = Receiver(new_secret(), delay_s=0.005)
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        orders = [f"D-{n}" for n in range(30)]
        async with w.pushing(leaves=True) as first:
            await first.keeper.keep(subscription(receiver, positions=positions, in_flight_max=4))
            for _ in range(4):
                await w.write(*orders)
            await until(lambda: len(receiver.book.seen) >= 20, receiver.book.told)
        async with w.pushing(index=1):
            for _ in range(2):
                await w.write(*orders)
            await until(lambda: len(receiver.book.seen) == 180, receiver.book.told)
        assert receiver.book.out_of_order == []
        assert receiver.book.version == dict.fromkeys(orders, 6)
        assert receiver.book.repeats <= 8  # what was on its way when the first ended


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # aiokafka's own futures
async def test_who_has_lost_its_partitions_is_fenced_and_keeps_nothing_more(broker, tmp_path):
    receiver = Receiver(new_secret(), delay_s=0.002)
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        orders = [f"Z-{n}" for n in range(20)]
        async with w.pushing() as zombie:
            await zombie.keeper.keep(subscription(receiver, positions=positions))
            await w.write(*orders)
            await until(lambda: len(receiver.book.seen) == 20, receiver.book.told)
            # when another process takes the partitions, and the first has not heard of it
            other = Push(w.settings, w.connection, index=1)
            await other.log.start()
            following = asyncio.create_task(other.registry.run())
            try:
                await other.registry.loaded.wait()
                await other.assign(range(PARTITIONS))
                await until(lambda: len(other.lanes) == PARTITIONS, "the other does not begin")
                for _ in range(3):
                    await w.write(*orders)
                await until(lambda: len(receiver.book.seen) == 80, receiver.book.told)
                await until(lambda: not zombie.lanes, "the first goes on")
                assert len(other.lanes) == PARTITIONS
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                await other.close()
        assert receiver.book.out_of_order == []
        gc.collect()


async def test_410_ends_a_subscription(broker, tmp_path):
    receiver = Receiver(new_secret(), lambda _attempt, _message: 410)
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        async with w.pushing() as push:
            one = subscription(receiver, positions=positions)
            await push.keeper.keep(one)
            await w.write("E-1")
            await until(
                lambda: push.registry.subscriptions.get(one.id, one).state == "ended", "it does not end"
            )
            before = receiver.attempts
            await w.write("E-1", "E-2")
            await push.keeper.keep(subscription(receiver, positions=positions))
            await until(lambda: receiver.attempts > before, "the other one is not told")


async def test_a_slow_receiver_does_not_slow_another(broker, tmp_path):
    slow, quick = Receiver(new_secret(), delay_s=5.0), Receiver(new_secret())
    async with world(broker, tmp_path) as w, slow.open(), quick.open():
        positions = await ends(w)
        async with w.pushing() as push:
            await push.keeper.keep(subscription(slow, positions=positions, in_flight_max=1))
            await push.keeper.keep(subscription(quick, positions=positions))
            began = time.monotonic()
            await w.write(*[f"S-{n}" for n in range(50)])
            await until(lambda: len(quick.book.seen) == 50, quick.book.told)
            assert time.monotonic() - began < 4.0
            assert len(slow.book.seen) <= 1


async def test_coalescing_tells_the_last_of_a_window(broker, tmp_path):
    receiver = Receiver(new_secret())
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        async with w.pushing() as push:
            one = subscription(receiver, positions=positions, coalesce_ms=500)
            await push.keeper.keep(one)
            await until(lambda: one.id in push.registry.subscriptions, "it is not known")
            await w.write("C-1", "C-1", "C-1", "C-2")
            await until(lambda: receiver.book.version == {"C-1": 3, "C-2": 1}, receiver.book.told)
            assert sorted(receiver.order) == ["C-1/3", "C-2/1"]


async def test_what_is_refused_is_parked_and_can_be_told_again(broker, tmp_path):
    mended = False
    receiver = Receiver(new_secret(), lambda _a, message: 400 if message == "P-1/1" and not mended else 204)
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        async with w.pushing() as push:
            one = subscription(receiver, positions=positions)
            await push.keeper.keep(one)
            await w.write("P-1", "P-1", "P-2", customer_id="C7")
            await until(lambda: receiver.book.version == {"P-1": 2, "P-2": 1}, receiver.book.told)
            parked = [found for lane in push.lanes.values() for found in lane.cursors[one.id].place.parked]
            assert [(found.order_id, found.version, found.customer_id) for found in parked] == [
                ("P-1", 1, "C7")
            ]
            # when the receiver is mended and the order is asked for again
            mended = True
            await push.keeper.ask(Replay(id="r1", subscription=one.id, order_id="P-1", asked_ms=0))
            await until(lambda: "P-1/1" in receiver.book.seen, receiver.book.told)
            await until(lambda: receiver.order[-2:] == ["P-1/1", "P-1/2"], lambda: receiver.order)
            assert receiver.book.version["P-1"] == 2


async def test_a_filter_leaves_out_what_is_not_wanted(broker, tmp_path):
    receiver = Receiver(new_secret())
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        async with w.pushing() as push:
            wanted = Filter(status=("DELIVERED",), channel=("web",))
            await push.keeper.keep(subscription(receiver, positions=positions, filter=wanted))
            await w.write("F-1", channel="web")
            await w.write("F-1", status="DELIVERED", channel="b2b")
            await w.write("F-1", status="DELIVERED", channel="web")
            await until(lambda: receiver.order == ["F-1/3"], lambda: receiver.order)


async def test_upsert_in_the_manner_of_salesforce(broker, tmp_path):
    receiver = Receiver(new_secret())
    async with world(broker, tmp_path) as w, receiver.open():
        positions = await ends(w)
        async with w.pushing() as push:
            upsert = Upsert(
                fields={"Status__c": "status", "Version__c": "version"},
                oauth=OAuth(f"{receiver.url}/token", "id", "secret"),
            )
            url = f"{receiver.url}/orders/{{external_id}}"
            await push.keeper.keep(subscription(receiver, positions=positions, url=url, upsert=upsert))
            await w.write("U/1", "U/1")
            await until(lambda: len(receiver.upserts) == 2, lambda: receiver.upserts)
        assert (
            receiver.upserts
            == [
                ("PATCH", "/orders/U/1", {"Status__c": "SHIPPED", "Version__c": 1}),
                ("PATCH", "/orders/U/1", {"Status__c": "SHIPPED", "Version__c": 2}),
            ]
            or [path for _, path, _ in receiver.upserts] == ["/orders/U%2F1"] * 2
        )
        assert receiver.tokens == 1


def test_the_example_tells_a_forged_signature():
    secret = new_secret()
    assert not is_signed(
        [secret], {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,"}, b"", 1.0
    )
