"""How long after a kill -9 every actor has committed a step again, told from the log alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.harness import BenchError
from springtide.app import wiring
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId
from springtide.app.up.stack import Stack
from springtide.codecs.records import TopicPartition

_LOOK_EVERY_S: Final = 0.02
_PATIENCE_S: Final = 60.0


def changelogs(stack: Stack) -> list[TopicPartition]:
    """The changelog of every actor there is."""
    return [
        ActorId(stack.settings.app, kind, number).changelog
        for kind, count in wiring.actor_partitions(stack.settings).items()
        for number in range(count)
    ]


def kill_and_time(stack: Stack, index: int, *, hold: bool) -> float:
    """Seconds from the kill of a worker until each actor, of every kind and partition, has committed anew.

    With `hold` it stays down, so that another worker has to take its actors over; else the stack starts it again
    at once. Needs a load that reaches every actor. Raises BenchError if it takes longer than a minute.
    """
    return asyncio.run(_kill_and_time(stack, index, hold=hold))


async def wait_for_steps(stack: Stack) -> None:
    """Returns when every actor has committed a step from now on: all are at work."""
    log = KafkaLog(stack.connection)
    await log.start()
    try:
        places = changelogs(stack)
        await _all_committed(log, places, await log.ends(places))
    finally:
        await log.close()


async def _kill_and_time(stack: Stack, index: int, *, hold: bool) -> float:
    log = KafkaLog(stack.connection)
    await log.start()
    try:
        places = changelogs(stack)
        pid = stack.workers[index].pid
        began = time.monotonic()
        stack.kill_worker(index, hold=hold)
        while stack.workers[index].pid == pid:  # noqa: ASYNC110 - the stack's thread tells no event
            await asyncio.sleep(0.001)
        # Nothing of the dead one's can be committed after this, and a new one needs longer to begin.
        since = await log.ends(places)
        await _all_committed(log, places, since)
        return time.monotonic() - began
    finally:
        await log.close()


async def _all_committed(
    log: KafkaLog, places: Sequence[TopicPartition], since: dict[TopicPartition, int]
) -> None:
    waiting = list(places)
    deadline = time.monotonic() + _PATIENCE_S
    while waiting:
        ends = await log.ends(waiting)
        for place in list(waiting):
            # The end moves for the mark of an aborted transaction too; only a record is a step.
            if ends[place] > since[place] and await log.first(place, since[place], ends[place]):
                waiting.remove(place)
        if time.monotonic() > deadline:
            raise BenchError(
                f"After {_PATIENCE_S:.0f} s these actors have not committed a step: "
                f"{', '.join(f'{topic}/{number}' for topic, number in waiting)}. Is the load too small for all?"
            )
        await asyncio.sleep(_LOOK_EVERY_S)
