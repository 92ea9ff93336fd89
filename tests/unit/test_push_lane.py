"""One partition of push on a log in memory: nothing of the log is passed over, whenever it is written."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager

from aiohttp import web

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.engine.log import ActorId, Commit
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.push.channel import Channel
from springtide.app.push.lane import Lane
from springtide.app.push.progress import Progress
from springtide.app.push.signing import new_secret
from springtide.app.view.delivery import Deliveries
from springtide.codecs.letters import StatusChange, encode_letter
from springtide.codecs.subscriptions import Replay, Secret, Subscription

LIMIT_S = 20.0
APP = "unit"
ORDERS = ActorId(APP, "order", 0)
PLACE = (STATUS_CHANGES, 0)


async def until(holds, what):
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, what()
        await asyncio.sleep(0.001)


def change(order_id, version):
    letter = StatusChange(
        order_id=order_id,
        version=version,
        status="SHIPPED",
        previous=None,
        milestones=(),
        at="2026-03-02T06:00:00Z",
        event_id=f"oms {order_id}/{version}",
    )
    return order_id.encode(), encode_letter(letter)


class Changes:
    """`status-changes` as the order actors write it: each change in a transaction, whose mark lies behind it."""

    def __init__(self):
        self.during_a_read = []
        """Changes that are written once a reader has begun, before it gets anything."""
        self.lane = None
        self.log = MemoryLog(
            {STATUS_CHANGES: 1, ORDERS.changelog[0]: 1, f"{APP}-push-changelog": 1},
            checkpoint=self.checkpoint,
            clock_ms=lambda: 1_772_431_200_000,
        )

    async def write(self, *changes):
        writer = await self.log.open_writer(ORDERS, "orders")
        for one in changes:
            await writer.append(Commit(changelog=[(b"k", b"v")], messages={PLACE: [one]}))

    async def checkpoint(self, name):
        await asyncio.sleep(0)
        if name == "read" and self.lane is not None and self.during_a_read:
            found, self.during_a_read = self.during_a_read, []
            await self.write(*found)
            end = self.log.size(PLACE)
            await until(
                lambda: self.lane.end == end, lambda: f"the lane stands at {self.lane.end}, not {end}"
            )


@asynccontextmanager
async def receiver(status=lambda: 204):
    """(url, message ids that it took, in the order in which they came)."""
    told = []

    async def take(request):
        found = status()
        if found < 300:
            told.append(request.headers["webhook-id"])
        return web.Response(status=found)

    app = web.Application()
    app.router.add_post("/", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/", told
    finally:
        await runner.cleanup()


@asynccontextmanager
async def running(log):
    lane, loaded = Lane(log, APP, 0), asyncio.Event()
    task = asyncio.create_task(lane.run(loaded))
    await asyncio.wait_for(loaded.wait(), LIMIT_S)
    try:
        yield lane
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def subscription(url, **given):
    return Subscription(id="s", url=url, secrets=(Secret(new_secret()),), created_ms=0, **given)


@asynccontextmanager
async def following(log):
    progress = Progress(log, APP)
    task = asyncio.create_task(progress.run())
    await asyncio.wait_for(progress.loaded.wait(), LIMIT_S)
    try:
        yield progress
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_that_is_written_while_older_ones_are_read_is_told_too():
    changes = Changes()
    # given a change that was there before the process began
    await changes.write(change("O-1", 1))
    async with receiver() as (url, told), running(changes.log) as lane:
        channel = Channel(subscription(url), allow_inside=True)
        # when the next one is written in the middle of catching up with it
        changes.lane, changes.during_a_read = lane, [change("O-1", 2)]
        lane.use({"s": channel}, [])
        # then both are told, and what comes afterwards
        await until(lambda: lane.cursors["s"].read_to == 4, lambda: lane.cursors["s"].read_to)
        await changes.write(change("O-1", 3))
        await until(lambda: "O-1/3" in told, lambda: told)
        assert told == ["O-1/1", "O-1/2", "O-1/3"]
        await channel.close()


async def test_what_waits_and_fails_is_kept_and_shown_until_it_is_taken():
    changes, status = Changes(), 503
    async with (
        receiver(lambda: status) as (url, told),
        running(changes.log) as lane,
        following(changes.log) as progress,
    ):
        wanted = subscription(url)
        channel = Channel(wanted, allow_inside=True)
        deliveries = Deliveries(changes.log, progress)

        async def shown():
            return await deliveries.of(wanted, {0: changes.log.size(PLACE)})

        async def until_shown(holds):
            deadline = time.monotonic() + LIMIT_S
            while not holds(found := await shown()):
                assert time.monotonic() < deadline, found
                await asyncio.sleep(0.01)
            return found

        lane.use({"s": channel}, [])
        await changes.write(change("O-1", 1), change("O-2", 1))
        # when its receiver is down
        found = await until_shown(lambda found: found["standing"] == "broken" and found["backlog"] == 2)
        # then what waits is shown with its age, what failed, and when it is tried again
        assert found["oldest_at"] == "2026-03-02T06:00:00Z", "the log's clock"
        assert found["trouble"]["why"] == "503 from the receiver"
        assert found["trouble"]["failures"] >= 5
        assert found["trouble"]["next_try_at"] > found["trouble"]["at"] >= found["trouble"]["since"]
        # when it is back, and someone has the circuit closed
        status = 204
        again = Channel(subscription(url, retried_ms=1), allow_inside=True)
        lane.use({"s": again}, [])
        # then all is told at once, and the failure is a thing of the past
        found = await until_shown(lambda found: found["standing"] == "delivering" and found["told"] == 2)
        assert (found["backlog"], found["oldest_at"]) == (0, None)
        assert found["trouble"]["why"] == "503 from the receiver"
        assert (found["trouble"]["failures"], found["trouble"]["next_try_at"]) == (0, None)
        assert sorted(told) == ["O-1/1", "O-2/1"]
        assert found["per_s"] == 0.2, "two within ten seconds"
        for one in (channel, again):
            await one.close()


async def test_what_waits_for_a_paused_subscription_is_counted_with_its_age():
    changes = Changes()
    async with following(changes.log) as progress:
        paused = subscription("http://127.0.0.1:9/", state="paused", positions={"0": 2})
        await changes.write(change("O-1", 1), change("O-1", 2))
        found = await Deliveries(changes.log, progress).of(paused, {0: changes.log.size(PLACE)})
        # 4 offsets, 2 of them marks of transactions; those before its beginning are none of its
        assert (found["standing"], found["backlog"]) == ("paused", 2)
        assert found["oldest_at"] == "2026-03-02T06:00:00Z"


async def test_what_is_parked_is_told_alone_and_is_no_longer_parked():
    changes, status = Changes(), 400
    async with receiver(lambda: status) as (url, told), running(changes.log) as lane:
        channel = Channel(subscription(url, give_up_s=1), allow_inside=True)
        lane.use({"s": channel}, [])
        await changes.write(change("O-1", 1))
        place = lane.cursors["s"].place
        await until(lambda: len(place.parked) == 1, lambda: place)
        status = 204
        await changes.write(change("O-1", 2), change("O-2", 1))
        await until(lambda: len(told) == 2, lambda: told)
        # when what is parked is wanted again
        lane.use({"s": channel}, [Replay(id="r", subscription="s", parked=True, asked_ms=0)])
        await until(lambda: place.replays == ["r"], lambda: place)
        # then that one is told, and nothing else
        assert sorted(told[:2]) == ["O-1/2", "O-2/1"]
        assert told[2:] == ["O-1/1"]
        assert place.parked == []
        await channel.close()
