"""The mailbox of an actor: how much it holds, when it asks for less, and what it gives at once."""

import asyncio

import pytest

from springtide.app.engine.actor import SourceClosed
from springtide.app.engine.mailbox import Mailbox
from springtide.codecs.records import Record

LIMIT_S = 10
A, B = ("events", 0), ("ticks", 0)


class Flow:
    """What the mailbox asked for, in order."""

    def __init__(self, records_max):
        self.asked = []
        self.mailbox = Mailbox(
            records_max,
            lambda place: self.asked.append(("pause", place)),
            lambda p: self.asked.append(("resume", p)),
        )


def run(place, begin, end):
    return [Record(*place, offset, 0, b"k", b"v") for offset in range(begin, end)]


def offsets(runs):
    return [(run[0].topic, [record.offset for record in run]) for run in runs]


async def test_all_that_waits_is_taken_together_in_the_order_it_came():
    mailbox = Flow(100).mailbox
    mailbox.offer(run(A, 0, 2))
    mailbox.offer(run(B, 7, 8))
    mailbox.offer(run(A, 2, 3))
    assert len(mailbox) == 4

    assert offsets(await mailbox.take(10, None)) == [("events", [0, 1]), ("ticks", [7]), ("events", [2])]
    assert len(mailbox) == 0


async def test_a_run_that_is_too_large_is_taken_in_parts():
    mailbox = Flow(100).mailbox
    mailbox.offer(run(A, 0, 5))
    mailbox.offer(run(B, 0, 2))

    assert offsets(await mailbox.take(3, None)) == [("events", [0, 1, 2])]
    assert len(mailbox) == 4
    assert offsets(await mailbox.take(3, None)) == [("events", [3, 4]), ("ticks", [0])]
    assert offsets(await mailbox.take(3, None)) == [("ticks", [1])]
    assert len(mailbox) == 0


async def test_over_its_bound_it_pauses_each_partition_once_and_under_half_of_it_resumes_them():
    flow = Flow(10)
    flow.mailbox.offer(run(A, 0, 10))
    assert flow.asked == []  # at its bound, not over it
    flow.mailbox.offer(run(A, 10, 11))
    assert flow.asked == [("pause", A)]
    flow.mailbox.offer(run(A, 11, 12))  # was fetched before the pause: taken in, and not paused again
    flow.mailbox.offer(run(B, 0, 2))
    assert flow.asked == [("pause", A), ("pause", B)]
    assert len(flow.mailbox) == 14

    await flow.mailbox.take(9, None)
    assert len(flow.mailbox) == 5
    assert len(flow.asked) == 2  # half is not under half
    await flow.mailbox.take(1, None)
    assert sorted(flow.asked[2:]) == [("resume", A), ("resume", B)]

    flow.mailbox.offer(run(A, 12, 30))
    assert flow.asked[4:] == [("pause", A)]


async def test_a_run_that_comes_wakes_who_waits():
    mailbox = Flow(10).mailbox
    waiting = asyncio.create_task(mailbox.take(10, None))
    await asyncio.sleep(0)
    assert not waiting.done()
    mailbox.offer(run(A, 3, 4))
    assert offsets(await asyncio.wait_for(waiting, LIMIT_S)) == [("events", [3])]


async def test_an_idle_wait_ends_with_nothing_and_the_next_takes_what_came():
    mailbox = Flow(10).mailbox
    assert await asyncio.wait_for(mailbox.take(10, 0.001), LIMIT_S) == []
    mailbox.offer(run(A, 0, 1))
    assert offsets(await mailbox.take(10, 0.001)) == [("events", [0])]


async def test_closing_ends_who_waits_and_drops_what_is_left():
    mailbox = Flow(10).mailbox
    waiting = asyncio.create_task(mailbox.take(10, None))
    await asyncio.sleep(0)
    mailbox.close()
    with pytest.raises(SourceClosed):
        await asyncio.wait_for(waiting, LIMIT_S)

    full = Flow(10).mailbox
    full.offer(run(A, 0, 5))
    full.close()
    full.offer(run(A, 5, 6))
    assert len(full) == 5
    with pytest.raises(SourceClosed):
        await full.take(10, None)


async def test_a_closed_mailbox_asks_for_no_pause_since_its_partition_is_no_longer_its_own():
    flow = Flow(1)
    flow.mailbox.close()
    flow.mailbox.offer(run(A, 0, 5))
    assert flow.asked == []


async def test_nothing_is_no_run():
    mailbox = Flow(10).mailbox
    mailbox.offer([])
    assert await asyncio.wait_for(mailbox.take(10, 0.001), LIMIT_S) == []
