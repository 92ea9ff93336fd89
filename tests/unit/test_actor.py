"""The actor of one partition, on a log and a store in memory: each record once and in order, whatever fails."""

import asyncio
import math
from collections import Counter

import pytest

from springtide.agents.work import DIGEST, MARKER, META, ROW, SEGMENT, TIMER, decode_meta
from springtide.app.engine.actor import ActorSettings, Observer, PartitionActor, SourceClosed
from springtide.app.engine.log import ActorId, Commit, Fenced, LogUnavailable
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.engine.store import StoreFailed
from springtide.codecs.records import Record, partition_for

LIMIT_S = 20
ACTOR = ActorId("app", "diary", 1)
IN, TICKS, OUT, SHOWN, LETTERS = ("in", 1), ("ticks", 1), "out", "shown", "letters"
HERE = "memory app-diary-1"
"""How a store says whose it is."""
TOPICS = {"in": 2, "ticks": 2, OUT: 4, SHOWN: 2, LETTERS: 1, ACTOR.changelog[0]: 2}


class Diary:
    """A row is what was written under its key, in order. A value's first byte says what it does:

    +x writes x; !x writes x and raises; #n schedules the key at n; @n is stream time n, which writes "due"
    where a timer is due; ?x writes x unless it is known already.
    """

    kind = "diary"
    inputs = ("in", "ticks")

    def __init__(self, *, idle_after_s=None, projection=None):
        self.idle_after_s = idle_after_s
        self.projection = projection
        self.tries = []

    def step(self, work, records):
        self.tries.append(len(records))
        if not records and work.get(b"idle") is None:
            self._write(work, b"idle", b"idle")
        for record in records:
            what, rest = record.value[:1], record.value[1:]
            if what == b"#":
                work.schedule(record.key, int(rest))
            elif what == b"@":
                work.meta.time_us = max(work.meta.time_us, int(rest))
                while (due := work.due(work.meta.time_us)) is not None:
                    work.schedule(due, None)
                    self._write(work, due, b"due")
            elif what != b"?" or work.is_new(rest.ljust(16)):
                self._write(work, record.key, rest)
            if what == b"!":
                raise ValueError("a bug on a well-formed record")

    def _write(self, work, key, text):
        row = work.get(key)
        row = text if row is None else row + b" " + text
        work.put(key, row)
        work.emit(OUT, key, row)

    def dead_letter(self, record, error):
        return LETTERS, record.key, b"%s: %s" % (record.value, str(error).encode())

    def projection_key(self, key):
        return key

    def encode_row(self, key, row):
        return row

    def decode_row(self, key, raw):
        return raw


class Script:
    """A source that gives what it was told, one batch of runs a take, and then ends or calls `at_end`."""

    def __init__(self, *batches):
        self.batches = list(batches)
        self.waits = []

    async def take(self, records_max, idle_after_s):
        self.waits.append(idle_after_s)
        if self.batches:
            batch = self.batches.pop(0)
            return batch(self) if callable(batch) else batch
        raise SourceClosed


class Notes(Observer):
    def __init__(self):
        self.recoveries = []
        self.steps = []
        self.letters = []
        self.reopenings = []

    def recovered(self, actor, records, seconds):
        self.recoveries.append(records)

    def stepped(self, actor, work, records, *seconds):
        self.steps.append([record.offset for record in records])

    def dead_lettered(self, actor, record, error):
        self.letters.append(record.offset)

    def reopened(self, actor, error):
        self.reopenings.append(type(error))


class World:
    """A log, a store, and what an actor did with them."""

    def __init__(self, checkpoint=None):
        self.log = MemoryLog(TOPICS) if checkpoint is None else MemoryLog(TOPICS, checkpoint=checkpoint)
        self.store = MemoryStore()
        self.notes = Notes()
        self.diary = Diary()

    def actor(self, source, *, open_store=None, settings=None):
        return PartitionActor(
            behaviour=self.diary,
            actor=ACTOR,
            group="group",
            log=self.log,
            open_store=open_store or (lambda: self.store),
            source=source,
            partition_counts=TOPICS,
            settings=settings,
            observer=self.notes,
        )

    async def run(self, *batches, **options):
        async with asyncio.timeout(LIMIT_S):
            await self.actor(Script(*batches), **options).run()

    def rows(self):
        return {key[1:]: value for key, value in self.store.scan(ROW)}

    def positions(self):
        return decode_meta(self.store.get_many([META])[0]).positions

    def out(self, topic=OUT):
        """(key, value) of each record on a topic, by partition and offset."""
        places = [(topic, partition) for partition in range(TOPICS[topic])]
        return [(r.key, r.value) for place in places for r in self.log.slice(place, 0, 10_000)]

    def changelog(self):
        return self.log.slice(ACTOR.changelog, 0, 100_000)

    def is_as_its_log(self):
        mine = {k: v for k, v in self.store.snapshot().items() if k[:1] in (ROW, TIMER, SEGMENT, META)}
        return mine == replay(self.changelog())


def replay(records):
    """A store's entries as the changelog alone gives them."""
    state = {}
    for record in records:
        state.pop(record.key, None)
        if record.value is not None:
            state[record.key] = record.value
    return state


def run(place, first, *values, key=b"k"):
    return [Record(*place, first + n, 0, key, value) for n, value in enumerate(values)]


def writes(first, count, key=b"k"):
    return run(IN, first, *(b"+%d" % n for n in range(first, first + count)), key=key)


def numbers(first, count):
    return b" ".join(b"%d" % n for n in range(first, first + count))


class FailingAt:
    """Raises at the given checkpoints: name -> {which time it is passed: error}."""

    def __init__(self, plan):
        self._plan = plan
        self._passed = Counter()

    async def __call__(self, name):
        self._passed[name] += 1
        error = self._plan.get(name, {}).get(self._passed[name])
        if error is not None:
            raise error


# --- the plain way ---


async def test_records_are_applied_in_order_and_one_take_is_one_step_and_one_commit():
    world = World()

    await world.run([writes(0, 3), run(TICKS, 5, b"+tick", key=b"t")], [writes(3, 2)])

    assert world.rows() == {b"k": b"0 1 2 3 4", b"t": b"tick"}
    assert world.notes.steps == [[0, 1, 2, 5], [3, 4]]
    assert world.positions() == {"in/1": 5, "ticks/1": 6}
    assert world.log.group_offsets == {("group", IN): 5, ("group", TICKS): 6}
    assert world.is_as_its_log()


async def test_messages_go_to_the_partition_of_their_key_and_in_the_order_of_emission():
    world = World()
    await world.run([writes(0, 2, key=b"a") + writes(2, 2, key=b"b")])
    for key, values in ((b"a", [b"0", b"0 1"]), (b"b", [b"2", b"2 3"])):
        records = world.log.slice((OUT, partition_for(key, TOPICS[OUT])), 0, 10)
        assert [record.value for record in records if record.key == key] == values


async def test_a_step_changes_the_changelog_once_for_each_row_and_ends_with_the_meta_row():
    world = World()
    await world.run([writes(0, 500, key=b"a") + writes(500, 1, key=b"b")])
    assert [record.key for record in world.changelog()] == [ROW + b"a", ROW + b"b", META]


async def test_what_lies_below_the_position_is_skipped_whole_or_in_part():
    world = World()
    await world.run([writes(0, 4)])
    await world.run([writes(0, 2)], [writes(2, 4)], [writes(0, 6)], [writes(5, 2)])
    assert world.rows() == {b"k": numbers(0, 7)}
    assert world.notes.steps == [[0, 1, 2, 3], [4, 5], [6]]


async def test_runs_that_overlap_in_one_take_are_applied_once():
    world = World()
    await world.run([writes(0, 4), writes(2, 4), writes(0, 3), writes(6, 1)])
    assert world.rows() == {b"k": numbers(0, 7)}


async def test_positions_of_different_topics_are_kept_apart():
    world = World()
    await world.run([writes(0, 5)])
    await world.run([run(TICKS, 0, b"+tick")])
    assert world.rows() == {b"k": numbers(0, 5) + b" tick"}


# --- records that can't be applied ---


@pytest.mark.parametrize("at", [0, 3, 9])
async def test_a_poison_record_becomes_a_dead_letter_and_all_others_are_applied_in_order(at):
    world = World()
    records = writes(0, 10)
    records[at] = run(IN, at, b"!boom")[0]

    await world.run([records])

    assert world.rows()[b"k"] == b" ".join(b"%d" % n for n in range(10) if n != at)
    assert world.out(LETTERS) == [(b"k", b"!boom: a bug on a well-formed record")]
    assert world.notes.letters == [at]
    assert [offset for step in world.notes.steps for offset in step] == list(range(10))
    assert world.positions() == {"in/1": 10}
    assert world.is_as_its_log()


async def test_a_poison_record_among_many_costs_a_few_steps_and_not_one_for_each():
    world = World()
    records = writes(0, 1_024)
    records[700] = run(IN, 700, b"!")[0]

    await world.run([records])

    # Halved ten times: at each level the half with the record is tried, and the other one.
    assert len(world.diary.tries) == 1 + 2 * math.log2(1_024)
    assert world.rows()[b"k"].split() == [b"%d" % n for n in range(1_024) if n != 700]


async def test_nothing_of_a_failed_try_stays_neither_rows_nor_messages_nor_timers():
    world = World()
    await world.run([run(IN, 0, b"+before", b"#50")])
    # The first four change the cached row and move the timer in place; the fifth raises.
    await world.run([run(IN, 2, b"+a", b"#10", b"+b", b"#20", b"!lost", b"@15", b"@30")])
    assert world.rows()[b"k"] == b"before a b due"
    assert [v for k, v in world.out() if k == b"k"] == [
        b"before",
        b"before a",
        b"before a b",
        b"before a b due",
    ]
    assert list(world.store.scan(TIMER)) == []
    assert world.is_as_its_log()


async def test_every_record_is_poison():
    world = World()
    await world.run([run(IN, 0, *[b"!x"] * 8)])
    assert world.rows() == {}
    assert len(world.out(LETTERS)) == 8
    assert world.positions() == {"in/1": 8}
    await world.run([run(IN, 0, *[b"!x"] * 8)])
    assert len(world.out(LETTERS)) == 8


async def test_poison_in_a_mixture_of_topics_leaves_each_position_right():
    world = World()
    await world.run([run(IN, 3, b"+a", b"!x"), run(TICKS, 8, b"+b", b"+c"), run(IN, 5, b"+d")])
    assert world.rows() == {b"k": b"a b c d"}
    assert world.positions() == {"in/1": 6, "ticks/1": 10}


# --- idle steps ---


async def test_an_idle_step_comes_once_after_records_and_commits_only_if_it_does_something():
    world = World()
    world.diary.idle_after_s = 0.5
    source = Script([writes(0, 1)], [], [writes(1, 1)], [])

    async with asyncio.timeout(LIMIT_S):
        await world.actor(source).run()

    # After an idle step the actor waits without end; the second idle step had nothing to do.
    assert source.waits == [0.5, 0.5, None, 0.5, None]
    assert world.diary.tries == [1, 0, 1, 0]
    assert world.notes.steps == [[0], [], [1]]
    assert world.rows() == {b"k": b"0 1", b"idle": b"idle"}
    assert world.positions() == {"in/1": 2}


# --- the log fails ---


@pytest.mark.parametrize("checkpoint", ["append", "appended"])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_an_append_without_an_answer_counts_once_whether_it_took_effect_or_not(checkpoint, number):
    world = World(FailingAt({checkpoint: {number: LogUnavailable("planted")}}))
    await world.run([writes(0, 2)], [writes(2, 2)], [writes(4, 2)])
    assert world.rows() == {b"k": numbers(0, 6)}
    assert [value for _, value in world.out()] == [numbers(0, n) for n in range(1, 7)]
    assert world.notes.reopenings == [LogUnavailable]
    assert len(world.notes.recoveries) == 2
    assert world.is_as_its_log()


@pytest.mark.parametrize("checkpoint", ["append", "appended"])
async def test_an_append_without_an_answer_in_the_middle_of_isolating_a_record(checkpoint):
    world = World(FailingAt({checkpoint: {2: LogUnavailable("planted")}}))
    records = writes(0, 8)
    records[5] = run(IN, 5, b"!x")[0]
    await world.run([records])
    assert world.rows() == {b"k": b"0 1 2 3 4 6 7"}
    assert len(world.out(LETTERS)) == 1
    assert len(world.out()) == 7


async def test_a_log_that_stays_away_is_tried_again_with_pauses_and_then_given_up():
    failing = {n: LogUnavailable("away") for n in range(1, 100)}
    world = World(FailingAt({"open": failing}))
    with pytest.raises(LogUnavailable, match="away"):
        await world.run([writes(0, 1)], settings=ActorSettings(reopen_tries_max=4))
    assert world.notes.reopenings == [LogUnavailable] * 4

    world = World(FailingAt({"open": {1: LogUnavailable("away"), 2: LogUnavailable("away")}}))
    await world.run([writes(0, 1)], settings=ActorSettings(reopen_tries_max=4))
    assert world.rows() == {b"k": b"0"}


@pytest.mark.parametrize("checkpoint", ["open", "opened", "end", "read"])
async def test_a_recovery_that_breaks_off_anywhere_is_begun_again(checkpoint):
    before = World()
    await before.run([writes(0, 3)])

    world = World(FailingAt({checkpoint: {1: LogUnavailable("planted")}}))
    world.log._records = before.log._records
    await world.run([writes(0, 5)])
    assert world.rows() == {b"k": numbers(0, 5)}
    assert world.notes.reopenings == [LogUnavailable]


async def test_an_actor_that_another_one_took_over_from_ends_and_has_written_nothing():
    world = World()
    rival = World()
    rival.log = world.log

    def overtaken(script):
        """While the first actor waits for records a second one is opened and applies them."""
        script.batches.insert(0, [writes(2, 3)])
        rival.task = asyncio.ensure_future(rival.run([writes(2, 1)]))
        return []

    source = Script([writes(0, 2)], overtaken, lambda _: [])

    async def take(records_max, idle_after_s, original=source.take):
        runs = await original(records_max, idle_after_s)
        if hasattr(rival, "task"):
            await rival.task
        return runs

    source.take = take
    with pytest.raises(Fenced):
        async with asyncio.timeout(LIMIT_S):
            await world.actor(source).run()

    assert rival.rows() == {b"k": b"0 1 2"}
    assert world.rows() == {b"k": b"0 1"}  # what it stored is what it had appended
    assert [value for _, value in world.out()] == [b"0", b"0 1", b"0 1 2"]
    assert rival.is_as_its_log()


# --- the store fails, or is not what it should be ---


class Failing(MemoryStore):
    """Fails once, at the `number`th call of one method."""

    def __init__(self, method, number):
        super().__init__()
        self._left = number
        self.was_thrown_away = False

        def failing(*args, original=getattr(self, method)):
            self._left -= 1
            if self._left == 0:
                raise StoreFailed("planted")
            return original(*args)

        setattr(self, method, failing)

    def reset(self):
        super().reset()
        self.was_thrown_away = self._left <= 0


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("method", ["write", "get_many", "scan"])
async def test_a_store_that_fails_is_thrown_away_and_rebuilt_from_the_changelog(method, number):
    world = World()
    await world.run([writes(0, 2, key=b"old")])
    world.store = Failing(method, number)
    # A record that raises has the timers read again, which is a third scan.
    await world.run([writes(2, 2)], [run(IN, 4, b"!x", b"+4")], [writes(6, 1)])
    assert world.rows() == {b"old": b"0 1", b"k": b"2 3 4 6"}
    assert world.notes.reopenings == [StoreFailed]
    assert world.store.was_thrown_away
    assert len(world.out(LETTERS)) == 1
    assert world.is_as_its_log()


async def test_a_store_that_can_not_be_opened_is_tried_twice():
    world = World()
    opened = []

    def open_store():
        opened.append(len(opened))
        if len(opened) == 1:
            raise StoreFailed("another owner has it")
        return world.store

    await world.run([writes(0, 1)], open_store=open_store)
    assert world.rows() == {b"k": b"0"}

    def never():
        raise StoreFailed("the disk is full")

    with pytest.raises(StoreFailed, match="the disk is full"):
        await World().run([writes(0, 1)], open_store=never)


async def test_a_store_that_fails_again_when_new_ends_the_actor():
    class Broken(MemoryStore):
        def write(self, puts, identity, position):
            raise StoreFailed("the disk is full")

    world = World()
    await world.run([writes(0, 2)])
    with pytest.raises(StoreFailed, match="the disk is full"):
        await world.run([writes(2, 2)], open_store=Broken)


@pytest.mark.parametrize(
    "stands_at", ["nothing", "an earlier step", "its end", "ahead", "another log", "another partition"]
)
async def test_wherever_the_store_stands_recovery_gives_what_the_log_says(stands_at):
    world = World()
    await world.run([writes(0, 3)])
    earlier = world.store.snapshot()
    await world.run([run(IN, 3, b"+3", b"#70"), writes(5, 1, key=b"other")])
    expected = world.store.snapshot()
    if stands_at == "nothing":
        world.store.reset()
    elif stands_at == "an earlier step":
        world.store.restore(earlier)
    elif stands_at == "ahead":  # a folder of a log that was longer: nothing in it is to be trusted
        world.store.write([(ROW + b"phantom", b"x")], HERE, world.log.size(ACTOR.changelog) + 1)
    elif stands_at == "another log":
        world.store.write([(ROW + b"phantom", b"x")], HERE.replace("memory", "elsewhere"), 2)
    elif stands_at == "another partition":
        world.store.write([(ROW + b"phantom", b"x")], HERE.replace("-1", "-0"), 2)

    world.notes.recoveries.clear()
    await world.run()

    assert {k: v for k, v in world.store.snapshot().items() if k[0]} == {
        k: v for k, v in expected.items() if k[0]
    }
    # changelog: [row k, meta, marker], [row k, row other, timer, meta, marker]
    read = {"an earlier step": 4, "its end": 0}.get(stands_at, 6)
    assert world.notes.recoveries == [read]

    await world.run([run(IN, 5, b"+again"), run(TICKS, 0, b"@70")])
    assert world.rows() == {b"k": b"0 1 2 3 due", b"other": b"5"}


async def test_the_store_is_never_written_before_the_log():
    seen = []

    class Watching(MemoryStore):
        def write(self, puts, identity, position):
            seen.append((position, world.log.size(ACTOR.changelog)))
            super().write(puts, identity, position)

    world = World()
    world.store = Watching()
    await world.run([writes(0, 3)], [writes(3, 3)])
    assert seen == [(2, 3), (5, 6)]


# --- duplicates and timers through recoveries ---


async def test_a_duplicate_is_known_after_a_recovery_and_forgotten_with_its_window():
    settings = ActorSettings(dedup_retention_us=1_000)
    world = World()
    await world.run([run(IN, 0, b"@100", b"?a", b"?a", b"?b")], settings=settings)
    assert world.rows() == {b"k": b"a b"}

    world.store.reset()
    await world.run([run(IN, 4, b"@900", b"?b", b"?c")], settings=settings)
    assert world.rows() == {b"k": b"a b c"}

    # At 1500 what was applied at 100 is past the window, what was applied at 900 is not.
    await world.run([run(IN, 7, b"@1500", b"?a", b"?c")], settings=settings)
    assert world.rows() == {b"k": b"a b c a"}
    # Nothing of what expired is left, neither here nor in a store that is made anew.
    for _ in ("as it is", "rebuilt"):
        assert {key[1:].strip() for key, _ in world.store.scan(DIGEST)} == {b"a", b"c"}
        assert len(list(world.store.scan(SEGMENT))) == 2
        world.store.reset()
        await world.run(settings=settings)


async def test_timers_survive_a_recovery_and_fire_once_in_their_order():
    world = World()
    await world.run(
        [
            run(IN, 0, b"#30", key=b"late")
            + run(IN, 1, b"#10", key=b"early")
            + run(IN, 2, b"#20", key=b"gone")
        ],
        [run(IN, 3, b"#10", key=b"gone") + run(IN, 4, b"#40", key=b"early")],
    )
    world.store.reset()
    await world.run([run(TICKS, 0, b"@35", key=b"clock")])
    assert world.rows() == {b"gone": b"due", b"late": b"due"}
    world.store.reset()
    await world.run([run(TICKS, 1, b"@50", b"@60", key=b"clock")])
    assert world.rows() == {b"gone": b"due", b"late": b"due", b"early": b"due"}
    assert [k for k, _ in world.out() if k in (b"gone", b"late", b"early")].count(b"early") == 1


# --- what followers of a projection get ---


async def test_each_step_ends_a_projection_with_the_marker_that_says_how_far_it_stands():
    world = World()
    world.diary.projection = SHOWN
    await world.run([writes(0, 2, key=b"a") + writes(2, 1, key=b"b")], [run(TICKS, 4, b"@7")])

    shown = world.log.slice((SHOWN, ACTOR.partition), 0, 100)

    assert [(r.key, r.value) for r in shown if r.key != MARKER] == [(b"a", b"0 1"), (b"b", b"2")]
    assert [r.key for r in shown] == [b"a", b"b", MARKER, MARKER]
    told = [decode_meta(r.value) for r in shown if r.key == MARKER]
    assert [meta.positions for meta in told] == [{"in/1": 3}, {"in/1": 3, "ticks/1": 5}]
    assert [meta.time_us for meta in told] == [0, 7]


async def test_a_cache_that_may_hold_little_changes_nothing_but_the_cost():
    small, large = World(), World()
    for world, rows_max in ((small, 1), (large, 10_000)):
        batches = [[writes(n * 10, 10, key=b"k%d" % (n % 7))] for n in range(30)]
        await world.run(*batches, settings=ActorSettings(cached_rows_max=rows_max))
    assert small.rows() == large.rows()
    assert [r.value for r in small.changelog()] == [r.value for r in large.changelog()]


async def test_a_closed_source_ends_the_actor_which_can_be_followed_by_another():
    world = World()
    actor = world.actor(Script([writes(0, 2)]))
    async with asyncio.timeout(LIMIT_S):
        await actor.run()
    assert not actor.recovered
    with pytest.raises(Fenced):
        stale = await world.log.open_writer(ACTOR, "group")
        await world.run([writes(2, 1)])
        await stale.append(Commit([(b"x", b"y")]))
    assert world.rows() == {b"k": b"0 1 2"}
