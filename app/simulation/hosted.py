"""One actor on one simulated worker: its coroutine, stepped by hand, and the records it is fed."""

from __future__ import annotations

from random import Random
from typing import Final

from springtide.app.engine.actor import PartitionActor, Run, SourceClosed
from springtide.app.engine.log import ActorId
from springtide.app.simulation.disk import Disk
from springtide.app.simulation.logbook import TAKE, SimulatedLog, passing
from springtide.codecs.records import TopicPartition

LIMITS: Final = (1, 2, 3, 8, 64, 512)
REPEAT_SHARE: Final = 0.02


class Feed:
    """A `Source` that gives whatever the scheduler lets through, in runs of random length, now and then
    some of it again."""

    def __init__(self, log: SimulatedLog, rng: Random, positions: dict[TopicPartition, int]) -> None:
        self.closed = False
        self.may_idle = False
        self.idle_after_s: float | None = None
        self._log = log
        self._rng = rng
        self.positions = positions

    def has_records(self) -> bool:
        size = self._log.size
        return any(size(place) > position for place, position in self.positions.items())

    async def take(self, records_max: int, idle_after_s: float | None) -> list[Run]:
        self.idle_after_s = idle_after_s
        while True:
            await passing(TAKE)
            if self.closed:
                raise SourceClosed
            runs = self._gather(min(records_max, self._rng.choice(LIMITS)))
            if runs:
                return runs
            if self.may_idle and idle_after_s is not None:
                self.may_idle = False
                return []

    def _gather(self, records_max: int) -> list[Run]:
        rng, log = self._rng, self._log
        runs: list[Run] = []
        places = list(self.positions)
        if len(places) > 1:
            rng.shuffle(places)
        for place in places:
            run = log.slice(place, self.positions[place], records_max)
            if not run:
                self.positions[place] = log.size(place)
                continue
            self.positions[place] = run[-1].offset + 1
            if len(run) > 1 and rng.random() < 0.2:
                cut = rng.randrange(1, len(run))
                runs += [run[:cut], run[cut:]]
            else:
                runs.append(run)
            if rng.random() < REPEAT_SHARE:
                again = log.slice(place, rng.randrange(run[0].offset + 1), records_max)
                if again:
                    runs.append(again)
            records_max -= len(run)
            if records_max <= 0:
                break
        return runs


class Hosted:
    """See the module. `at` is the checkpoint it waits at."""

    def __init__(self, actor_id: ActorId, worker: int, actor: PartitionActor, feed: Feed, disk: Disk) -> None:
        self.actor_id = actor_id
        self.worker = worker
        self.actor = actor
        self.feed = feed
        self.disk = disk
        self.at = "start"
        self.asleep_until = 0
        self.is_zombie = False
        self.had_rival = False
        self.was_recovered = False
        """Whether it had recovered when it was killed."""
        self._coroutine = actor.run()

    @property
    def can_run(self) -> bool:
        return self.at != TAKE or self.feed.closed or self.feed.has_records()

    @property
    def can_idle(self) -> bool:
        return self.at == TAKE and self.feed.idle_after_s is not None

    def step(self, error: Exception | None = None) -> None:
        """Goes on to the next checkpoint, or raises there. StopIteration when it ended by itself."""
        if error is None:
            self.at = self._coroutine.send(None)
        else:
            self.at = self._coroutine.throw(error)

    def kill(self) -> None:
        """Ends it where it stands. What a coroutine does on its way out touches neither log nor store."""
        self.was_recovered = self.actor.recovered
        self._coroutine.close()
