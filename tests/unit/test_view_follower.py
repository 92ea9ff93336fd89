"""What a follower shows, and when: whole steps, with what they say of themselves, whatever was cut where."""

import asyncio

import msgspec
import pytest

from springtide.agents.sku import STATE_VERSION, decode_row
from springtide.agents.topics import ATP, CUSTOMERS, ORDER_STATUS
from springtide.agents.work import MARKER, Meta
from springtide.app.engine.log import Followed, LogUnavailable
from springtide.app.engine.memory_log import MemoryLog
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.engine.store import StoreFailed
from springtide.app.view import figures as figures_module
from springtide.app.view import partition as partition_module
from springtide.app.view.figures import Figures
from springtide.app.view.follower import Follower
from springtide.app.view.ingress import IngressWatch
from springtide.app.view.live import SkuRows
from springtide.app.view.partition import Partition
from springtide.app.view.problems import Problem
from springtide.app.view.questions import AtpQuestion
from springtide.app.view.rows import Rows
from springtide.codecs import facts as f
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.records import Record, partition_for
from springtide.codecs.times import SECOND_US
from springtide.tables.catalog import Goods
from springtide.tables.sku import Cell, Head, Hold

DEADLINE_S = 10
TOPICS = {ATP: 2, ORDER_STATUS: 1, CUSTOMERS: 1}


def marker(steps, time_us=0, **seen):
    named = {name.replace("_", "/"): offset for name, offset in seen.items()}
    return msgspec.msgpack.encode(Meta(steps=steps, time_us=time_us, seen=named))


class Stage:
    """One partition of `atp` and its rows; records are given as (key, value) and numbered."""

    def __init__(self):
        self.partition = Partition((ATP, 0), b"a")
        self.rows = Rows(MemoryStore(), "memory")
        self.offset = 0
        self.partition.resume(0, 0)

    def take(self, *records, end=None, heard_ms=1_000):
        made = []
        for key, value in records:
            made.append(Record(ATP, 0, self.offset, 900, key, value))
            self.offset += 1
        end = self.offset if end is None else end
        return self.partition.take(Followed((ATP, 0), made, self.offset, end, heard_ms), self.rows)

    def row(self, key):
        return self.rows.get(b"a" + key)


def test_rows_are_shown_with_their_marker_and_not_before():
    stage = Stage()
    stage.take((b"tea", b"1"), end=3)
    assert stage.row(b"tea") is None
    stage.take((b"milk", b"1"), end=3)
    stage.take((MARKER, marker(1, orders_0=7)))
    assert (stage.row(b"tea"), stage.row(b"milk")) == (b"1", b"1")
    assert stage.partition.positions() == {"atp/0": 2, "orders/0": 7}


def test_the_rows_of_a_step_whose_marker_is_not_read_do_not_mix_with_the_step_before():
    stage = Stage()
    stage.take((b"tea", b"1"), (MARKER, marker(1)), (b"tea", b"2"), end=4)
    assert stage.row(b"tea") == b"1"
    assert stage.partition.exact
    assert stage.partition.marker == 1


def test_a_deleted_row_is_gone():
    stage = Stage()
    stage.take((b"tea", b"1"), (MARKER, marker(1)), (b"tea", None), (MARKER, marker(2)))
    assert stage.row(b"tea") is None


def test_where_compaction_took_markers_nothing_is_answered_until_the_end():
    stage = Stage()
    stage.take((b"tea", b"1"), (MARKER, marker(1)))
    assert stage.partition.exact
    stage.take((b"tea", b"5"), (MARKER, marker(5)), end=7)  # markers 2 to 4 are gone
    assert not stage.partition.exact
    stage.take((b"milk", b"6"), (MARKER, marker(6)), end=7)
    assert not stage.partition.exact
    stage.take((MARKER, marker(7)), end=7)
    assert stage.partition.exact


def test_a_step_larger_than_is_held_back_is_not_answered_from_until_its_marker(monkeypatch):
    monkeypatch.setattr(partition_module, "HELD_ROWS_MAX", 2)
    stage = Stage()
    stage.take((b"tea", b"1"), (MARKER, marker(1)))
    stage.take((b"tea", b"2"), (b"milk", b"2"), (b"salt", b"2"), end=6)
    assert not stage.partition.exact
    stage.take((MARKER, marker(2)), end=6)
    assert stage.partition.exact
    assert [stage.row(key) for key in (b"tea", b"milk", b"salt")] == [b"2"] * 3


def test_lag_is_nothing_at_the_end_and_grows_while_the_log_is_silent():
    stage = Stage()
    stage.take((b"tea", b"1"), (MARKER, marker(1)), heard_ms=1_000)
    assert stage.partition.lag_ms(1_400) == 0
    assert stage.partition.lag_ms(9_000) == 8_000


def test_lag_behind_is_never_more_than_the_age_of_what_is_shown():
    stage = Stage()
    stage.take((b"tea", b"1"), (MARKER, marker(1)), end=100, heard_ms=50_000)  # written at 900
    assert stage.partition.lag_ms(50_000) == 49_100
    idle = Stage()
    idle.take((b"tea", b"1"), (MARKER, marker(1)), heard_ms=49_900)  # at the end
    idle.take(end=100, heard_ms=50_000)  # something new, not read yet
    assert idle.partition.lag_ms(50_000) == 100


# --- rows ---


async def test_a_row_is_found_before_while_and_after_it_is_written():
    store = MemoryStore()
    rows = Rows(store, "memory")
    rows.show({b"atea": b"1"}, (b"n", b"note"))
    assert rows.get(b"atea") == b"1"
    flushing = asyncio.create_task(rows.flush())
    await asyncio.sleep(0)  # it gives way after each slice
    assert rows.get(b"atea") == b"1"
    await flushing
    assert rows.unwritten == 0
    assert store.get_many([b"atea", b"n"]) == [b"1", b"note"]


async def test_what_could_not_be_written_is_kept_and_written_later():
    class Full(MemoryStore):
        full = True

        def write(self, puts, identity, position):
            if self.full:
                raise StoreFailed("no space left")
            super().write(puts, identity, position)

    store = Full()
    rows = Rows(store, "memory")
    rows.show({b"atea": b"1", b"amilk": b"1"}, (b"n", b"1"))
    with pytest.raises(StoreFailed):
        await rows.flush()
    rows.show({b"atea": b"2"}, (b"n", b"2"))
    assert (rows.get(b"atea"), rows.get(b"amilk")) == (b"2", b"1")
    store.full = False
    await rows.flush()
    assert store.get_many([b"atea", b"amilk", b"n"]) == [b"2", b"1", b"2"]


# --- following a log ---


async def give_way(_):
    await asyncio.sleep(0)


class Following:
    """`async with`: a follower runs over a log in memory; `wait` until something holds."""

    def __init__(self, log, store):
        self.log, self.store = log, store
        self.figures = Figures()
        self.follower = Follower(log, lambda: store, self.figures.changed)

    async def __aenter__(self):
        self._task = asyncio.create_task(self.follower.run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.wait([self._task])
        assert self._task.cancelled(), self._task.exception()

    async def wait(self, holds):
        async with asyncio.timeout(DEADLINE_S):
            while not holds():  # noqa: ASYNC110 - the log in memory moves only when it is given way
                await asyncio.sleep(0)


def step(log, number, steps, *rows, time_us=0, **seen):
    """One step of an actor: its rows, then its marker."""
    for key, value in rows:
        log.put(ATP, number, key, value)
    return log.put(ATP, number, MARKER, marker(steps, time_us, **seen))


def tea(sellable, **given):
    return STATE_VERSION + msgspec.msgpack.encode(Head("tea", {"BER": Cell(sellable)}, known=True, **given))


def new_log():
    return MemoryLog(TOPICS, checkpoint=give_way, clock_ms=lambda: 1_000)


async def test_a_view_loads_then_follows():
    log, store = new_log(), MemoryStore()
    step(log, 0, 1, (b"tea", b"1"))
    async with Following(log, store) as view:
        with pytest.raises(Problem) as told:
            view.follower.partition(ATP, b"tea")
        assert (told.value.status, told.value.kind) == (503, "catching-up")
        await view.wait(lambda: view.follower.loaded)
        assert view.follower.progress() == (2, 2)
        assert view.follower.rows.get(b"atea") == b"1"
        step(log, 0, 2, (b"tea", b"2"))
        await view.wait(lambda: view.follower.rows.get(b"atea") == b"2")


async def test_a_view_that_starts_again_goes_on_where_its_rows_stand():
    log, store = new_log(), MemoryStore()
    step(log, 0, 1, (b"tea", b"1"), orders_0=3)
    async with Following(log, store) as view:
        await view.wait(lambda: view.follower.loaded)
    step(log, 0, 2, (b"milk", b"2"))
    async with Following(log, store) as again:
        await again.wait(lambda: again.follower.loaded)
        assert again.follower.records == 2  # the two new ones
        assert (again.follower.rows.get(b"atea"), again.follower.rows.get(b"amilk")) == (b"1", b"2")


async def test_rows_of_another_log_are_thrown_away():
    store = MemoryStore()
    first = new_log()
    step(first, 0, 1, (b"tea", b"1"), (b"milk", b"1"))
    async with Following(first, store) as view:
        await view.wait(lambda: view.follower.loaded)
    shorter = new_log()  # the same name, and it ends before what was read
    step(shorter, 0, 1, (b"salt", b"1"))
    async with Following(shorter, store) as view:
        await view.wait(lambda: view.follower.loaded)
        assert view.follower.rows.get(b"atea") is None
        assert view.follower.rows.get(b"asalt") == b"1"


async def test_a_log_that_goes_away_is_found_again_and_meanwhile_answers_go_on():
    class Flickering(MemoryLog):
        away = False

        async def follow(self, positions):
            async for followed in super().follow(positions):
                if self.away:
                    raise LogUnavailable("the broker is gone")
                yield followed

    log = Flickering(TOPICS, checkpoint=give_way, clock_ms=lambda: 1_000)
    step(log, 0, 1, (b"tea", b"1"))
    async with Following(log, MemoryStore()) as view:
        await view.wait(lambda: view.follower.loaded)
        log.away = True
        await view.wait(lambda: view.follower.trouble == "the broker is gone")
        assert view.follower.partition(ATP, b"tea").exact
        step(log, 0, 2, (b"tea", b"2"))
        log.away = False
        await view.wait(lambda: view.follower.rows.get(b"atea") == b"2")
        assert view.follower.trouble is None


async def test_who_waits_for_a_position_is_answered_when_it_is_reached():
    log = new_log()
    step(log, 0, 1, (b"tea", b"1"), orders_0=3)
    async with Following(log, MemoryStore()) as view:
        await view.wait(lambda: view.follower.loaded)
        partition = view.follower.partition(ATP, b"tea")
        waiting = asyncio.create_task(view.follower.wait_for({"orders/0": 4}, [partition], DEADLINE_S))
        await view.wait(lambda: partition.waiters)
        offset = step(log, 0, 2, (b"tea", b"2"), orders_0=4)
        await waiting
        assert view.follower.rows.get(b"atea") == b"2"
        await view.follower.wait_for({"atp/0": offset}, [partition], 0)  # reached: no wait
        with pytest.raises(Problem) as told:
            await view.follower.wait_for({"atp/0": offset + 1}, [partition], 0.01)
        assert (told.value.status, told.value.retry_after_s) == (504, 1)
        assert not [w for w in partition.waiters if not w[2].done()]


async def test_events_that_no_actor_has_seen_make_what_is_shown_old():
    topics = TOPICS | dict.fromkeys(INGRESS_TOPICS, 1)
    log = MemoryLog(topics, checkpoint=give_way, clock_ms=lambda: 1_000)
    log.put("inventory", 0, b"tea", b"seen")
    for number in range(2):
        step(log, number, 1, (b"tea", b"1"), inventory_0=0)
    for topic in (ORDER_STATUS, CUSTOMERS):
        log.put(topic, 0, MARKER, marker(1))
    async with Following(log, MemoryStore()) as view:
        await view.wait(lambda: view.follower.loaded)
        watch = IngressWatch(log, view.follower)
        now_ms = 1_000
        for partition in view.follower.partitions[ATP]:
            partition.heard_ms = now_ms
        await watch.look()
        assert view.follower.unseen == {}
        log.put("inventory", 0, b"tea", b"not seen")  # at log time 1,000
        await watch.look()
        tea, other = view.follower.partitions[ATP]
        (orders,) = view.follower.partitions[ORDER_STATUS]
        assert view.follower.unseen == {"inventory/0": (1, 1_000)}
        assert (tea.lag_ms(1_400), other.lag_ms(1_400)) == (400, 400)
        assert "inventory/0" not in orders.meta.seen
        assert orders.lag_ms(1_400) == 0  # stock does not pass there
        step(log, 0, 2, inventory_0=1)
        await view.wait(lambda: tea.meta.steps == 2)
        assert (tea.lag_ms(1_400), other.lag_ms(1_400)) == (0, 400)
        step(log, 1, 2, inventory_0=1)
        await view.wait(lambda: other.meta.steps == 2)
        await watch.look()
        assert view.follower.unseen == {}


# --- figures ---


async def test_a_figure_is_kept_until_its_row_or_a_hold_of_it_changes():
    log = new_log()
    hold = Hold("h", 5 * SECOND_US, "cart", None, {"BER": 4}, 0)
    row = STATE_VERSION + msgspec.msgpack.encode(
        Head("tea", {"BER": Cell(10, held=4)}, holds={"h": hold}, known=True)
    )
    step(log, 0, 1, (b"tea", row))
    async with Following(log, MemoryStore()) as view:
        await view.wait(lambda: view.follower.loaded)
        figures, follower = view.figures, view.follower
        partition = follower.partitions[ATP][0]

        def ask():
            rows = SkuRows(follower.rows, decode_row)
            body = figures.atp(rows, partition, b"tea", AtpQuestion("tea")).body
            return msgspec.json.decode(body + b"}")["available_now"]

        assert (ask(), ask(), figures.hits, figures.misses) == (6, 6, 1, 1)
        step(log, 0, 2, time_us=5 * SECOND_US)  # nothing but time, and the hold is dead
        await view.wait(lambda: partition.meta.time_us)
        assert (ask(), figures.misses) == (10, 2)
        step(log, 0, 3, (b"tea", tea(7)))
        await view.wait(lambda: partition.meta.steps == 3)
        assert (ask(), figures.misses) == (7, 3)


async def test_figures_take_no_more_room_than_they_may(monkeypatch):
    monkeypatch.setattr(figures_module, "BYTES_MAX", 100_000)  # some ten figures
    log = new_log()
    names = [b"sku%d" % number for number in range(50)]
    for number in range(2):
        rows = [(n, tea(1)) for n in names if partition_for(n, 2) == number]
        step(log, number, 1, *rows)
    async with Following(log, MemoryStore()) as view:
        await view.wait(lambda: view.follower.loaded)
        rows = SkuRows(view.follower.rows, decode_row)
        for name in names:
            partition = view.follower.partition(ATP, name)
            view.figures.atp(rows, partition, name, AtpQuestion(name.decode()))
        assert 1 < len(view.figures._entries) < 20
        hits = view.figures.hits
        view.figures.atp(rows, partition, name, AtpQuestion(name.decode()))
        assert view.figures.hits == hits + 1  # the newest is kept


async def test_a_kits_figure_goes_when_a_component_changes():
    log = new_log()
    product = f.ProductUpserted(sku="set", name="Set", uom="EA", kit=(f.KitPart(sku="tea", qty_per=2),))
    goods = STATE_VERSION + msgspec.msgpack.encode(Goods(product))
    kit = STATE_VERSION + msgspec.msgpack.encode(Head("set", known=True, goods=True))
    step(log, partition_for(b"set", 2), 1, (b"set", kit), (b"set\x00g", goods))
    if partition_for(b"set", 2) != partition_for(b"tea", 2):
        step(log, partition_for(b"tea", 2), 1, (b"tea", tea(8)))
    else:
        step(log, partition_for(b"tea", 2), 2, (b"tea", tea(8)))
    async with Following(log, MemoryStore()) as view:
        await view.wait(lambda: view.follower.loaded)

        def ask():
            rows = SkuRows(view.follower.rows, decode_row)
            partition = view.follower.partition(ATP, b"set")
            body = view.figures.atp(rows, partition, b"set", AtpQuestion("set")).body
            return msgspec.json.decode(body + b"}")["available_now"]

        assert (ask(), ask(), view.figures.misses) == (4, 4, 1)
        partition = view.follower.partition(ATP, b"tea")
        step(log, partition.place[1], partition.meta.steps + 1, (b"tea", tea(3)))
        await view.wait(lambda: view.follower.rows.get(b"atea") == tea(3))
        assert (ask(), view.figures.misses) == (1, 2)
