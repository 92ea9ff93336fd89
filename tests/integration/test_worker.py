"""Workers on a real broker with real stores, killed, stopped, stalled and robbed: every sum comes out exactly."""

import asyncio
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from springtide.agents.work import META, ROW, decode_meta
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.topics import TopicSpec, ensure_topics
from springtide.app.engine.actor import replayed
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import ActorId
from springtide.app.engine.memory_store import MemoryStore
from springtide.app.engine.rocks_store import RocksStore, StoreResources
from springtide.codecs.records import partition_for

LIMIT_S = 90
TAKE_OVER_S = 8 * 2  # a busy machine may be twice as slow as the promise
SCRIPT = Path(__file__).with_name("sum_worker.py")
PARTITIONS = 4
_names = itertools.count()
KEYS = [b"sku-%03d" % n for n in range(200)]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    broker = EmbeddedBroker(tmp_path_factory.mktemp("workers"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


class Running:
    """One worker process and what it has told."""

    def __init__(self, command, output, environment):
        self.output = output
        self.from_line = len(self.lines())
        self.started_s = time.time()
        with output.open("a") as file, output.with_suffix(".err").open("a") as errors:
            self.process = subprocess.Popen(command, stdout=file, stderr=errors, env=environment)

    def lines(self):
        """(unix seconds, what, detail...) of each line that is whole."""
        if not self.output.exists():
            return []
        whole = self.output.read_text().rpartition("\n")[0]
        return [(float(at), *rest) for at, *rest in (line.split() for line in whole.splitlines())]

    def told(self, what, after_s=0.0):
        return [line for line in self.lines()[self.from_line :] if line[1] == what and line[0] >= after_s]

    def timeline(self, since_s):
        """When it first did what, in seconds since."""
        firsts = {}
        for line in self.lines()[self.from_line :]:
            firsts.setdefault(line[1], round(line[0] - since_s, 2))
        return firsts

    def partitions_stepped(self, after_s):
        return {line[2] for line in self.told("step", after_s)}


class Bench:
    """An app of its own on the shared broker: its topics, its workers, and what was sent to it."""

    def __init__(self, broker, name, folder, partitions=PARTITIONS, session_timeout_s=6.0, limits=()):
        self.broker = broker
        self.app = name
        self.folder = folder
        self.partitions = partitions
        self.connection = BrokerConnection(broker.bootstrap)
        self.expected = Counter()
        self.sent = 0
        self.poisoned = 0
        self.workers = {}
        self._session_timeout_s = session_timeout_s
        self._limits = limits
        self._feeding = None
        self._enough = asyncio.Event()

    async def begin(self):
        plain = [f"{self.app}-{name}" for name in ("events", "sums", "set-aside")]
        specs = [TopicSpec(name, self.partitions) for name in plain]
        specs.append(TopicSpec(ActorId(self.app, "sum", 0).changelog[0], self.partitions, True))
        await ensure_topics(self.connection, specs)

    def start(self, index):
        command = [sys.executable, str(SCRIPT), "--bootstrap", self.broker.bootstrap, "--app", self.app]
        command += ["--index", str(index), "--partitions", str(self.partitions), "--data", str(self.folder)]
        command += ["--session-timeout-s", str(self._session_timeout_s)]
        for limit in self._limits:
            command += ["--limit", limit]
        # Libraries are compiled once for all tests, as they are for all starts of an installation.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(self.broker.data_dir.parent / "bytecode")
        self.workers[index] = Running(command, self.folder / f"worker-{index}.out", environment)
        return self.workers[index]

    async def ends(self, worker):
        """Waits until a process is gone; its exit status."""
        await holds(lambda: worker.process.poll() is not None, "a worker ends")
        return worker.process.returncode

    async def kill(self, index):
        worker = self.workers.pop(index)
        worker.process.kill()
        await self.ends(worker)

    async def stop(self, index):
        worker = self.workers.pop(index)
        worker.process.terminate()
        assert await self.ends(worker) == 0, self.errors(worker)

    async def close(self):
        await self.feed_no_more()
        for worker in self.workers.values():
            worker.process.send_signal(signal.SIGCONT)
            worker.process.kill()
            worker.process.wait(LIMIT_S)

    # --- events ---

    def feed(self, per_second=1_500, poison_share=0.0, seed=1):
        """Sends events until `feed_no_more`."""
        self._enough.clear()
        self._feeding = asyncio.create_task(self._feed(per_second, poison_share, random.Random(seed)))

    async def feed_no_more(self):
        if self._feeding is not None:
            self._enough.set()
            feeding, self._feeding = self._feeding, None
            await feeding

    async def _feed(self, per_second, poison_share, rng):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.broker.bootstrap,
            enable_idempotence=True,
            linger_ms=5,
            request_timeout_ms=60_000,
        )
        await producer.start()
        began, mine = time.monotonic(), 0
        try:
            while not self._enough.is_set():
                due = int((time.monotonic() - began) * per_second) - mine
                for _ in range(min(due, 1_000)):
                    mine += 1
                    await self._send(producer, rng, poison_share)
                await asyncio.sleep(0.01)
        finally:
            await producer.stop()

    async def send(self, count, poison_share=0.0, seed=2):
        producer = AIOKafkaProducer(
            bootstrap_servers=self.broker.bootstrap, enable_idempotence=True, linger_ms=5
        )
        rng = random.Random(seed)
        await producer.start()
        for _ in range(count):
            await self._send(producer, rng, poison_share)
        await producer.stop()

    async def _send(self, producer, rng, poison_share):
        key, number = rng.choice(KEYS), rng.randrange(1, 100)
        place = (f"{self.app}-events", partition_for(key, self.partitions))
        if rng.random() < poison_share:
            self.poisoned += 1
            await producer.send(place[0], b"poison", key, partition=place[1])
        else:
            self.expected[key] += number
            self.sent += 1
            await producer.send(place[0], b"%d" % number, key, partition=place[1])

    # --- waiting and proof ---

    async def works(self, worker, after_s=0.0, count=None, but=()):
        """Waits until a worker has stepped on that many partitions since, `but` some; when the last of them
        was first stepped on."""
        wanted = self.partitions - len(but) if count is None else count

        def firsts():
            first = {}
            for line in worker.told("step", after_s):
                if line[2] not in but:
                    first.setdefault(line[2], line[0])
            return sorted(first.values())

        await holds(
            lambda: len(firsts()) >= wanted or worker.process.poll() is not None,
            f"a worker steps on {wanted} partitions",
        )
        assert worker.process.poll() is None, self.errors(worker)
        return firsts()[wanted - 1]

    async def all_work(self, after_s):
        """Waits until every partition was stepped on since, by whichever worker."""

        def stepped():
            return set().union(*(worker.partitions_stepped(after_s) for worker in self.workers.values()))

        def is_alive():
            return all(worker.process.poll() is None for worker in self.workers.values())

        await holds(
            lambda: len(stepped()) == self.partitions or not is_alive(), "all partitions are stepped on"
        )
        for worker in self.workers.values():
            assert worker.process.poll() is None, self.errors(worker)

    def latest_first_s(self, after_s):
        first = {}
        for worker in self.workers.values():
            for line in worker.told("step", after_s):
                first.setdefault(line[2], line[0])
        return max(first.values()) - after_s

    def tell(self, what):
        """For people: pytest shows it with -s, or with a failure."""
        print(what)  # noqa: T201

    def errors(self, worker):
        return worker.output.with_suffix(".err").read_text()[-6_000:]

    async def proves(self):
        """Each event was applied once, in order, and told once: by the outputs, the changelog and the stores."""
        await self.feed_no_more()
        log = KafkaLog(self.connection)
        await log.start()
        try:
            told = await self._read(log, "sums", self.sent)
            set_aside = await self._read(log, "set-aside", self.poisoned)
            state = {
                p: await _all(log, ActorId(self.app, "sum", p).changelog) for p in range(self.partitions)
            }
        finally:
            await log.close()
        assert len(set_aside) == self.poisoned
        assert {record.value for record in set_aside} <= {b"poison"}
        last = {record.key: int(record.value) for record in told}
        assert last == {key: total for key, total in self.expected.items() if total}
        assert len(told) == self.sent
        rows = {}
        for records in state.values():
            rows |= {r.key[1:]: int(r.value) for r in records if r.key[:1] == ROW}
        assert rows == last
        return state

    async def stores_are_as_the_log_says(self, state):
        """Every store that a worker has left holds just what its changelog says up to where it stands."""
        for index in list(self.workers):
            await self.stop(index)
        log = KafkaLog(self.connection)
        identity = await log.identity()
        looked_at = 0
        resources = StoreResources(8, 8)
        for folder in sorted(self.folder.glob("worker-*/sum-*")):
            store = RocksStore(folder, resources)
            actor = ActorId(self.app, "sum", int(folder.name.rpartition("-")[2]))
            mine = f"{identity} {actor.transactional_id}"
            position = store.position(mine)
            replay = MemoryStore()
            for record in state[actor.partition]:
                if record.offset < position:
                    replay.write(replayed(replay, [record]), mine, position)
            assert dict(store.scan(b"")) == dict(replay.scan(b"")), folder
            if position:
                looked_at += 1
                assert decode_meta(store.get_many([META])[0]).positions
            store.close()
        assert looked_at

    async def _read(self, log, name, count):
        """All records of an output, once there are as many as there should be."""
        found = []

        async def are_there():
            found.clear()
            for partition in range(self.partitions):
                found.extend(await _all(log, (f"{self.app}-{name}", partition)))
            return len(found) >= count

        ends_s = time.monotonic() + LIMIT_S
        while not await are_there():
            assert time.monotonic() < ends_s, f"{name}: {len(found)} of {count}"
            for worker in self.workers.values():
                assert worker.process.poll() is None, self.errors(worker)
            await asyncio.sleep(0.1)
        return found


async def _all(log, place):
    found = []
    async for batch in log.read(place, 0, await log.end(place)):
        found += batch
    return found


async def holds(condition, what):
    try:
        async with asyncio.timeout(LIMIT_S):
            while not condition():  # noqa: ASYNC110 - what is watched is another process
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"{what}: not within {LIMIT_S} s") from None


@pytest.fixture
async def bench(broker, tmp_path, request):
    options = request.param if hasattr(request, "param") else {}
    bench = Bench(broker, f"app{next(_names)}", tmp_path, **options)
    await bench.begin()
    yield bench
    await bench.close()


async def test_two_workers_share_the_partitions_and_one_takes_over_from_a_killed_one(bench):
    bench.feed()
    first = bench.start(0)
    await bench.works(first)
    second = bench.start(1)
    await bench.works(second, count=2)
    kept = first.partitions_stepped(second.told("step")[-1][0])

    killed_s = time.time()
    await bench.kill(1)
    taken_s = await bench.works(first, killed_s, but=kept) - killed_s

    bench.tell(f"taken over {taken_s:.2f} s after the kill")
    assert taken_s < TAKE_OVER_S
    await bench.stores_are_as_the_log_says(await bench.proves())


@pytest.mark.parametrize("bench", [{"session_timeout_s": 30.0}], indirect=True)
async def test_a_killed_worker_is_back_at_work_by_its_old_membership_when_it_is_started_again(bench):
    bench.feed()
    other = bench.start(1)
    await bench.works(other)
    worker = bench.start(0)
    await bench.works(worker, count=2)
    for _ in range(3):
        killed_s = time.time()
        await bench.kill(0)
        worker = bench.start(0)
        await bench.works(worker, killed_s, count=2)
        bench.tell(f"back after {worker.timeline(killed_s)}")
        # It came back into its old place: the other one was not disturbed.
        assert not other.told("assigned", killed_s)
    await bench.stores_are_as_the_log_says(await bench.proves())


async def test_kills_of_either_worker_in_the_middle_of_anything_change_no_sum(bench):
    bench.feed()
    for index in (0, 1):
        await bench.works(bench.start(index), count=1)
    rng = random.Random(5)
    for _ in range(6):
        index = rng.randrange(2)
        # From "just started" to "in the middle of steps": wherever it happens to be.
        seen = rng.choice(["began", "run", "assigned", "recovered", "step"])
        await bench.kill(index)
        worker = bench.start(index)
        await holds(lambda worker=worker, seen=seen: worker.told(seen), f"a worker tells '{seen}'")
    await bench.stores_are_as_the_log_says(await bench.proves())


@pytest.mark.parametrize("bench", [{"session_timeout_s": 2.0}], indirect=True)
async def test_a_worker_that_is_stalled_past_its_session_writes_nothing_when_it_wakes(bench):
    bench.feed()
    zombie = bench.start(0)
    await bench.works(zombie)
    other = bench.start(1)
    await bench.works(other, count=2)

    zombie.process.send_signal(signal.SIGSTOP)
    stopped_s = time.time()
    await bench.works(other, stopped_s)
    zombie.process.send_signal(signal.SIGCONT)
    woken_s = time.time()
    # It ends by itself, since another has fenced it, or it takes its place in the group again.
    await holds(
        lambda: zombie.process.poll() is not None or zombie.told("assigned", woken_s),
        "the zombie ends or rejoins",
    )
    bench.tell(f"zombie: {zombie.process.poll()} {[t[1:] for t in zombie.told('assigned', woken_s)]}")
    if zombie.process.poll() is not None:
        bench.start(0)
    if other.process.poll() is not None:
        bench.start(1)
    await bench.proves()


async def test_a_clean_stop_gives_the_partitions_back_at_once(bench):
    bench.feed()
    first = bench.start(0)
    await bench.works(first)
    second = bench.start(1)
    await bench.works(second, count=2)
    kept = first.partitions_stepped(second.told("step")[-1][0])

    stopped_s = time.time()
    await bench.stop(1)
    ended_s = time.time() - stopped_s
    taken_s = await bench.works(first, stopped_s, but=kept) - stopped_s

    bench.tell(f"ended after {ended_s:.2f} s, given back after {taken_s:.2f} s")
    assert taken_s < ended_s + 5  # and not only after the session timeout of 6 s
    await bench.stores_are_as_the_log_says(await bench.proves())


async def test_a_stop_while_the_broker_is_away_ends_soon(bench):
    await bench.send(1_000)
    worker = bench.start(0)
    await bench.works(worker)
    bench.broker.kill()
    try:
        began_s = time.monotonic()
        worker.process.terminate()
        await bench.ends(worker)
        assert time.monotonic() - began_s < 30, bench.errors(worker)
    finally:
        await asyncio.to_thread(bench.broker.start)
    del bench.workers[0]
    bench.start(0)
    await bench.proves()


async def test_a_broker_that_restarts_in_the_middle_loses_and_doubles_nothing(bench):
    bench.feed()
    for index in (0, 1):
        await bench.works(bench.start(index), count=1)
    for harm in (bench.broker.stop, bench.broker.kill):
        await asyncio.to_thread(harm)
        await asyncio.to_thread(bench.broker.start)
        back_s = time.time()
        await bench.all_work(back_s)
        bench.tell(f"all partitions work {bench.latest_first_s(back_s):.2f} s after the broker was back")
    await bench.proves()


async def test_poison_records_are_set_aside_and_all_others_are_summed(bench):
    bench.start(0)
    await bench.send(20_000, poison_share=0.002)
    await bench.kill(0)
    bench.start(0)
    await bench.send(5_000, poison_share=0.02, seed=3)
    assert bench.poisoned > 50
    await bench.stores_are_as_the_log_says(await bench.proves())


@pytest.mark.parametrize("harm", ["deleted", "emptied", "of another partition", "torn"])
async def test_a_data_folder_that_was_harmed_while_its_worker_was_down_is_made_anew(bench, harm):
    await bench.send(10_000)
    worker = bench.start(0)
    await bench.proves()
    await bench.kill(0)
    folder = bench.folder / "worker-0"
    if harm == "deleted":
        shutil.rmtree(folder)
    elif harm == "emptied":
        for path in folder.glob("sum-*/*"):
            path.write_bytes(b"")
    elif harm == "of another partition":
        # Its position may well fit; what is in it does not. Nobody does this but by mistake with a backup.
        shutil.rmtree(folder / "sum-0")
        (folder / "sum-1").rename(folder / "sum-0")
    else:
        for path in folder.glob("sum-*/*.log"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])

    worker = bench.start(0)
    await bench.send(10_000, seed=3)

    await bench.stores_are_as_the_log_says(await bench.proves())
    assert worker.process.returncode == 0


@pytest.mark.parametrize(
    "bench",
    [{"partitions": 1, "limits": ("mailbox_records_max=500", "step_records_max=100")}],
    indirect=True,
)
async def test_a_mailbox_that_is_full_all_the_time_holds_up_nothing(bench):
    await bench.send(60_000)
    began_s = time.time()
    worker = bench.start(0)
    await bench.proves()
    steps = worker.told("step", began_s)
    longest_s = max(after[0] - before[0] for before, after in itertools.pairwise(steps))
    bench.tell(f"60000 events in {steps[-1][0] - steps[0][0]:.2f} s, longest pause {longest_s:.2f} s")
    assert longest_s < 0.9  # a reader that waits for its timeout would take a second each time
