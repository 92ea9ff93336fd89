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
from springtide.app.push.signing import new_secret
from springtide.codecs.letters import StatusChange, encode_letter
from springtide.codecs.subscriptions import Secret, Subscription

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
async def receiver():
    """(url, message ids in the order in which they came)."""
    told = []

    async def take(request):
        told.append(request.headers["webhook-id"])
        return web.Response(status=204)

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


async def test_a_change_that_is_written_while_older_ones_are_read_is_told_too():
    changes = Changes()
    # given a change that was there before the process began
    await changes.write(change("O-1", 1))
    async with receiver() as (url, told), running(changes.log) as lane:
        subscription = Subscription(id="s", url=url, secrets=(Secret(new_secret()),), created_ms=0)
        channel = Channel(subscription, allow_inside=True)
        # when the next one is written in the middle of catching up with it
        changes.lane, changes.during_a_read = lane, [change("O-1", 2)]
        lane.use({"s": channel}, [])
        # then both are told, and what comes afterwards
        await until(lambda: lane.cursors["s"].read_to == 4, lambda: lane.cursors["s"].read_to)
        await changes.write(change("O-1", 3))
        await until(lambda: "O-1/3" in told, lambda: told)
        assert told == ["O-1/1", "O-1/2", "O-1/3"]
        await channel.close()
