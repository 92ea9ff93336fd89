"""The scheduler: who goes on next, what fails when, and who owns which partition; all from one seed."""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.app.engine.actor import ActorSettings, Observer, PartitionActor
from springtide.app.engine.log import ActorId, Fenced, LogUnavailable
from springtide.app.engine.store import StoreFailed
from springtide.app.simulation.disk import Disk
from springtide.app.simulation.events import Event, Trade
from springtide.app.simulation.hosted import Feed, Hosted
from springtide.app.simulation.layout import APP, layout
from springtide.app.simulation.logbook import TAKE, SimulatedLog
from springtide.app.simulation.violation import Violation
from springtide.codecs.messages import InboxMessage, Supplied, decode, encode
from springtide.codecs.records import Record, TopicPartition, partition_for

TURNS_MAX: Final = 200_000
TIME_STEP_MS: Final = 7
START_MS: Final = 1_772_431_200_000  # 2026-03-02T06:00Z
PLANTS: Final = ("store_first", "no_dedup", "no_fencing")
_KEEP_ALL_US: Final = -(1 << 60)


def _decoded(value: bytes | None) -> InboxMessage | None:
    try:
        message: InboxMessage = decode(value or b"")
    except msgspec.DecodeError:
        return None
    return message


class Failures(Observer):
    """Records on which a step raised, by their place in the log."""

    def __init__(self) -> None:
        self.raised: dict[tuple[str, int, int], Exception] = {}

    def dead_lettered(self, actor: ActorId, record: Record, error: Exception) -> None:  # noqa: ARG002
        self.raised[record.topic, record.partition, record.offset] = error


class Stage:
    """One seed's installation. `run` plays it to quiescence; what it leaves is for the invariants."""

    def __init__(self, seed: int, plant: str | None = None) -> None:
        if plant is not None and plant not in PLANTS:
            raise ValueError(f"there is no plant '{plant}'; there are {', '.join(PLANTS)}")
        rng = self.rng = Random(seed)  # noqa: S311 - repeatable is what it must be
        self.turns = 0
        self.faults: dict[str, int] = {}
        self.layout = layout(rng.randint(1, 3), rng.randint(1, 3))
        self.log = SimulatedLog(self.layout.topics, self._clock_ms, unsafe_no_fencing=plant == "no_fencing")
        self.retention_us = rng.choice((7 * 86_400, 7 * 86_400, 1_800)) * 1_000_000
        self.settings = ActorSettings(
            step_records_max=rng.choice((1, 16, 512)),
            cached_rows_max=rng.choice((1, 20, 8_192)),
            dedup_retention_us=_KEEP_ALL_US if plant == "no_dedup" else self.retention_us,
            unsafe_store_first=plant == "store_first",
        )
        self.trade = Trade(rng)
        self.puts: dict[tuple[str, int, int], Event] = {}
        """Where each ingress event was written."""
        self.poison: set[tuple[str, int, int]] = set()
        """Where records were written into inboxes on which a step must raise."""
        self.failures = Failures()
        self._queues = {source: list(reversed(sent)) for source, sent in self.trade.events.items()}
        self._again: list[Event] = []
        self._duplicate_share = rng.choice((0.0, 0.1, 0.4))
        self._fault_share = rng.choice((0.0, 0.01, 0.03, 0.08))
        self._put_share = rng.choice((0.05, 0.2, 0.5))
        self._messages: dict[TopicPartition, list[tuple[Record, InboxMessage | None]]] = {}
        self._workers = rng.randint(1, 3)
        self._disks: dict[tuple[int, ActorId], Disk] = {}
        self._owners: dict[ActorId, Hosted | None] = dict.fromkeys(self.layout.inputs)
        self._zombies: list[Hosted] = []

    def _clock_ms(self) -> int:
        return START_MS + self.turns * TIME_STEP_MS

    # --- the play ---

    def run(self) -> None:
        """Chaos until all events are written and some time after, then calm until nothing moves.

        Raises Violation when an actor ends that should not, or calm never comes.
        """
        rng = self.rng
        rest = rng.randrange(20, 200)
        while rest > 0:
            self.turns += 1
            if self.turns > TURNS_MAX:
                raise Violation("progress", f"after {TURNS_MAX} turns there are still events to write")
            roll = rng.random()
            writing = bool(self._queues or self._again)
            rest -= not writing
            if writing and roll < self._put_share:
                self._write()
            elif rng.random() < self._fault_share / 4:
                self._fault()
            else:
                self._turn()
        self._calm()

    def _calm(self) -> None:
        """All wake, are restarted, and work until nothing is left to do; a few last appends fail on the way,
        so that also the last words of an idle actor are interrupted."""
        last_faults = self.rng.choice((0, 0, 1, 3)) if self._fault_share else 0
        self._end_zombies()
        for place, disk in self._disks.items():
            disk.fail_next = False
            owner = self._owners[place[1]]
            if owner is not None and owner.disk is disk:
                owner.asleep_until = 0
        end = self.turns + TURNS_MAX
        resting = False
        while True:
            self.turns += 1
            if self.turns > end:
                raise Violation(
                    "progress", f"nothing fails any more, yet after {TURNS_MAX} turns it never rests"
                )
            for actor_id, owner in self._owners.items():
                if owner is None:
                    self._start(actor_id)
            ready = [hosted for hosted in self._owners.values() if hosted is not None and hosted.can_run]
            if not ready:
                ready = [hosted for hosted in self._owners.values() if hosted is not None and hosted.can_idle]
                if not ready:
                    break
                resting = True
                for hosted in ready:
                    hosted.feed.may_idle = True
            hosted = self.rng.choice(ready)
            self._step(hosted)
            failing = last_faults and resting and hosted.at.startswith("append") and self._is_alive(hosted)
            if failing and self.rng.random() < 0.3:
                last_faults -= 1
                self._fault_at(hosted)
                hosted.asleep_until = 0
                self._end_zombies()
        for owner in self._owners.values():
            assert owner is not None
            self.check_disk(owner)

    def _end_zombies(self) -> None:
        for zombie in self._zombies:
            zombie.kill()
        self._zombies = []

    def _turn(self) -> None:
        """One actor goes on to its next await, where it may fail."""
        rng = self.rng
        missing = [actor_id for actor_id, owner in self._owners.items() if owner is None]
        if missing and rng.random() < 0.3:
            self._start(rng.choice(missing))
            return
        now = self.turns
        awake = [
            h for h in (*self._owners.values(), *self._zombies) if h is not None and h.asleep_until <= now
        ]
        ready = [hosted for hosted in awake if hosted.can_run]
        if not ready or rng.random() < 0.05:
            idle = [hosted for hosted in awake if hosted.can_idle]
            if not ready and not idle:
                return
            if idle:
                hosted = rng.choice(idle)
                hosted.feed.may_idle = True
                self._step(hosted)
                return
        hosted = rng.choice(ready)
        self._step(hosted)
        if hosted.at != TAKE and rng.random() < self._fault_share and self._is_alive(hosted):
            self._fault_at(hosted)

    def _is_alive(self, hosted: Hosted) -> bool:
        return hosted is self._owners[hosted.actor_id] or hosted in self._zombies

    def _step(self, hosted: Hosted, error: Exception | None = None) -> None:
        try:
            hosted.step(error)
        except StopIteration:
            if not hosted.feed.closed:
                raise Violation(
                    "5", f"{hosted.actor_id.transactional_id} ended though its source had not"
                ) from None
            self._count("revoked")
            self._gone(hosted)
        except Fenced:
            if not hosted.is_zombie and not hosted.had_rival:
                raise Violation(
                    "fencing", f"{hosted.actor_id.transactional_id} was fenced, but nobody took it over"
                ) from None
            self._count("fenced")
            self._gone(hosted)
        except (StoreFailed, LogUnavailable):  # the worker ends itself and is started anew
            self._count("gave up")
            self._gone(hosted)
        except Violation:
            raise
        except Exception as raised:
            raise Violation("5", f"{hosted.actor_id.transactional_id} stopped: {raised!r}") from raised

    def _gone(self, hosted: Hosted) -> None:
        if hosted.is_zombie:
            self._zombies.remove(hosted)
        else:
            self._owners[hosted.actor_id] = None

    def messages(self) -> dict[TopicPartition, list[tuple[Record, InboxMessage | None]]]:
        """All records of the inboxes, decoded (None: no message at all); to be asked once nothing moves."""
        if not self._messages:
            for topic in (INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER):
                for partition in range(self.layout.inbox_partitions):
                    self._messages[topic, partition] = [
                        (record, _decoded(record.value)) for record in self.log.records((topic, partition))
                    ]
        return self._messages

    # --- events ---

    def _write(self) -> None:
        """Some events of some source; each source keeps its order, the sources do not."""
        rng = self.rng
        for _ in range(rng.choice((1, 1, 2, 5, 20))):
            if self._again and (not self._queues or rng.random() < 0.2):
                self._put(self._again.pop(rng.randrange(len(self._again))))
                continue
            if not self._queues:
                return
            source = rng.choice(list(self._queues))
            queue = self._queues[source]
            event = queue.pop()
            if not queue:
                del self._queues[source]
            self._put(event)
            if event.broken is None and rng.random() < self._duplicate_share:
                self._again.append(event)

    def _put(self, event: Event) -> None:
        partitions = self.layout.ingress_partitions
        at = partition_for(event.key, partitions)
        if self.rng.random() < 0.02:  # another producer, with another partitioner
            at = self.rng.randrange(partitions)
        offset = self.log.put(event.topic, at, event.key, event.value)
        self.puts[event.topic, at, offset] = event

    def _put_poison(self) -> None:
        """A record no gateway writes, among good ones: on each of them a step raises."""
        topic = self.rng.choice((INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER))
        partition = self.rng.randrange(self.layout.inbox_partitions)
        stray = Supplied("sku0", 1, 1, self._clock_ms() * 1_000, 0, (0, 0, 0), "x", ())
        value = self.rng.choice((b"", b"\xc1", b"junk", encode(stray)))
        self.poison.add((topic, partition, self.log.put(topic, partition, b"nobody", value)))

    # --- faults ---

    def _count(self, what: str) -> None:
        self.faults[what] = self.faults.get(what, 0) + 1

    def _fault_at(self, hosted: Hosted) -> None:
        """Something fails exactly here, at an await between the actor and its log."""
        roll = self.rng.random()
        if roll < 0.45:
            self._crash(hosted)
        elif roll < 0.7:
            self._count(f"unavailable at {hosted.at}")
            self._step(hosted, LogUnavailable("the simulated log does not answer"))
        elif roll < 0.85:
            self._leave_behind(hosted)
        else:
            self._sleep(hosted)

    def _fault(self) -> None:
        rng = self.rng
        running = [hosted for hosted in self._owners.values() if hosted is not None]
        roll = rng.randrange(8)
        if roll == 0 and self._zombies:
            self._crash(rng.choice(self._zombies))
        elif not running:
            return
        elif roll <= 1:
            worker = rng.randrange(self._workers)
            for hosted in running:
                if hosted.worker == worker:
                    self._crash(hosted)
        elif roll == 2:
            hosted = rng.choice(running)
            hosted.feed.closed = True  # revoked: it ends in order at its next take
        elif roll == 3:
            hosted = rng.choice(running)
            self._count("read again")
            positions = hosted.feed.positions
            for place in positions:
                positions[place] = rng.randrange(positions[place] + 1)
        elif roll == 4:
            self._count("disk failed")
            rng.choice(running).disk.fail_next = True
        elif roll == 5:
            self._count("compacted")
            self.log.compact(rng.choice(list(self._owners)).changelog)
        elif roll == 6:
            self._put_poison()
        else:
            self._leave_behind(rng.choice(running))

    def _crash(self, hosted: Hosted) -> None:
        """kill -9; the folder stays, possibly damaged."""
        self._count(f"crash at {hosted.at}")
        hosted.kill()
        if hosted.was_recovered:
            self.check_disk(hosted)
        self._gone(hosted)
        if self.rng.random() < 0.3:
            self._count(f"disk {hosted.disk.tear()}")

    def _leave_behind(self, hosted: Hosted) -> None:
        """A zombie: the partition moves to another worker, the old one does not know and works on."""
        if self._workers < 2 or hosted.is_zombie:
            self._crash(hosted)
            return
        self._count(f"zombie at {hosted.at}")
        hosted.is_zombie = True
        self._owners[hosted.actor_id] = None
        self._zombies.append(hosted)
        if self.rng.random() < 0.5:
            self._sleep(hosted)
        self._start(hosted.actor_id)

    def _sleep(self, hosted: Hosted) -> None:
        self._count("asleep")
        hosted.asleep_until = self.turns + self.rng.randrange(300)

    # --- ownership ---

    def _start(self, actor_id: ActorId) -> None:
        rng = self.rng
        taken = [zombie.worker for zombie in self._zombies if zombie.actor_id == actor_id]
        free = [worker for worker in range(self._workers) if worker not in taken]
        if not free:  # every worker still runs an old one: the last of them dies first
            self._crash(next(zombie for zombie in self._zombies if zombie.actor_id == actor_id))
            return
        worker = rng.choice(free)
        disk = self._disks.get((worker, actor_id))
        if disk is None:
            disk = self._disks[worker, actor_id] = Disk(rng)
        positions = {
            place: rng.choice((1, 1, 0)) * self.log.group_offsets.get((APP, place), 0)
            for place in self.layout.inputs[actor_id]
        }
        feed = Feed(self.log, rng, positions)
        actor = PartitionActor(
            behaviour=self.layout.behaviours[actor_id.kind],
            actor=actor_id,
            group=APP,
            log=self.log,
            open_store=lambda: disk,
            source=feed,
            partition_counts=self.layout.topics,
            settings=self.settings,
            observer=self.failures,
        )
        hosted = Hosted(actor_id, worker, actor, feed, disk)
        # A zombie that stood before its own opening may still fence the true owner, who then starts anew.
        hosted.had_rival = bool(taken)
        self._owners[actor_id] = hosted

    def close(self) -> None:
        """Ends all actors; the log stays to be read."""
        for hosted in (*self._owners.values(), *self._zombies):
            if hosted is not None:
                hosted.kill()

    def check_disk(self, hosted: Hosted) -> None:
        """What a recovered actor left on its disk is what the log says at that position, nothing more."""
        disk, actor_id = hosted.disk, hosted.actor_id
        position = disk.position("memory")
        end = self.log.size(actor_id.changelog)
        if position > end:
            raise Violation(
                "1", f"the store of {actor_id.transactional_id} is at {position}, its log at {end}"
            )
        book = self.log.books.get(actor_id)
        expected = {} if book is None else book.state_at(position)
        found = disk.entries()
        if found != expected:
            key = min(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
            raise Violation(
                "1",
                f"the store of {actor_id.transactional_id} at {position} has {key!r} = {found.get(key)!r}, "
                f"the log {expected.get(key)!r}",
            )
