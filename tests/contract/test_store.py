"""What every store promises an actor, asked of the one in memory and of the one in RocksDB alike."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from springtide.app.engine.memory_store import MemoryStore
from springtide.app.engine.rocks_store import STALE_AFTER_S, RocksStore, StoreResources
from springtide.app.engine.store import POSITION_KEY, StoreFailed

LIMIT_S = 60
HERE = "log-1"


class MemoryPlace:
    """Where a store in memory lies: the object itself."""

    def __init__(self):
        self._store = MemoryStore()

    def open(self):
        return self._store

    def close(self):
        pass


class RocksPlace:
    """A folder; several stores of one process share their memory."""

    def __init__(self, folder):
        self.folder = folder
        self.resources = StoreResources(8, 8)
        self._opened = []

    def open(self, resources=None):
        self._opened.append(RocksStore(self.folder, resources or self.resources))
        return self._opened[-1]

    def close(self):
        for store in self._opened:
            store.close()


@pytest.fixture(params=["memory", "rocks"])
def place(request, tmp_path):
    place = MemoryPlace() if request.param == "memory" else RocksPlace(tmp_path / "store")
    yield place
    place.close()


@pytest.fixture
def rocks(tmp_path):
    place = RocksPlace(tmp_path / "store")
    yield place
    place.close()


def contents(store):
    return dict(store.scan(b""))


def test_a_new_store_is_empty_and_stands_at_0(place):
    store = place.open()
    assert store.position(HERE) == 0
    assert store.get_many([b"a"]) == [None]
    assert list(store.scan(b"")) == []


def test_what_was_written_is_there_with_its_position_after_the_store_is_opened_again(place):
    store = place.open()
    store.write([(b"a", b"1"), (b"b", b"2")], HERE, 5)
    store.write([(b"a", b"3"), (b"b", None), (b"never", None)], HERE, 9)
    store.close()

    store = place.open()

    assert store.position(HERE) == 9
    assert store.get_many([b"b", b"a", b"c", b"a"]) == [None, b"3", None, b"3"]
    assert store.get_many([]) == []


def test_of_two_writes_to_one_key_in_a_batch_the_later_counts(place):
    store = place.open()
    store.write([(b"a", b"1"), (b"a", None), (b"b", None), (b"b", b"2")], HERE, 1)
    assert store.get_many([b"a", b"b"]) == [None, b"2"]


def test_keys_and_values_are_any_bytes(place):
    store = place.open()
    odd = {b"\xff\xff": b"", b"k\x00": b"\x00" * 3, "é".encode(): b"1" * 100_000}
    store.write(odd.items(), HERE, 1)
    assert store.get_many(list(odd)) == list(odd.values())


def test_a_scan_begins_where_it_is_told_to(place):
    store = place.open()
    store.write([(key, b"") for key in (b"q9", b"r1", b"r2", b"r3", b"s1")], HERE, 1)
    assert [key for key, _ in store.scan(b"r", b"r2")] == [b"r2", b"r3"]
    assert [key for key, _ in store.scan(b"r", b"r20")] == [b"r3"]
    assert [key for key, _ in store.scan(b"r", b"a")] == [b"r1", b"r2", b"r3"]
    assert list(store.scan(b"r", b"s")) == []


def test_a_scan_gives_what_lies_below_a_prefix_in_the_order_of_the_keys(place):
    store = place.open()
    keys = [
        b"r\xff\xffz",
        b"r\xff",
        b"ra",
        b"s",
        b"r",
        b"r\xff\xff",
        b"q\xff",
        b"r\x00",
        b"\xff",
        b"\xff\xff1",
    ]
    store.write([(key, b"v" + key) for key in keys], HERE, 1)
    store.write([(b"ra", None)], HERE, 2)

    assert [k for k, _ in store.scan(b"r")] == [b"r", b"r\x00", b"r\xff", b"r\xff\xff", b"r\xff\xffz"]
    assert list(store.scan(b"r\xff\xff")) == [(b"r\xff\xff", b"vr\xff\xff"), (b"r\xff\xffz", b"vr\xff\xffz")]
    assert [k for k, _ in store.scan(b"\xff")] == [b"\xff", b"\xff\xff1"]
    assert list(store.scan(b"ra")) == []
    assert [k for k, _ in store.scan(b"")] == sorted({*keys, POSITION_KEY} - {b"ra"})


def test_the_state_of_another_log_is_thrown_away(place):
    store = place.open()
    store.write([(b"a", b"1")], "log-of-old", 7)

    assert store.position(HERE) == 0
    assert contents(store) == {}
    store.write([(b"b", b"2")], HERE, 3)
    assert (store.position(HERE), store.get_many([b"a", b"b"])) == (3, [None, b"2"])


def test_rows_without_a_position_are_thrown_away(place):
    store = place.open()
    store.write([(b"a", b"1")], HERE, -1)  # a position that can't be: as if it were damaged
    assert store.position(HERE) == 0
    assert contents(store) == {}


def test_a_reset_store_is_empty_and_works(place):
    store = place.open()
    store.write([(b"a", b"1")], HERE, 7)
    store.reset()
    assert contents(store) == {}
    store.write([(b"a", b"2")], HERE, 1)
    assert (store.position(HERE), store.get_many([b"a"])) == (1, [b"2"])


# --- a folder can be hurt in ways that memory can't ---


def test_stores_of_one_process_share_cache_and_write_buffers_and_stay_apart(rocks, tmp_path):
    stores = [RocksStore(tmp_path / f"part-{n}", rocks.resources) for n in range(4)]
    for n, store in enumerate(stores):
        store.write([(b"k%d" % i, os.urandom(1_000)) for i in range(2_000)], HERE, n + 1)
        store.write([(b"mine", b"%d" % n)], HERE, n + 1)
    assert [store.get_many([b"mine"]) for store in stores] == [[b"0"], [b"1"], [b"2"], [b"3"]]
    assert [store.position(HERE) for store in stores] == [1, 2, 3, 4]
    # 8 MB of rows through 8 MB of memtables for all: RocksDB counts them in one place, within reason
    blocks, memtables = rocks.resources.memory_bytes()
    assert 0 < memtables < 16 << 20
    assert blocks > 0
    for store in stores:
        store.close()


def test_a_folder_that_another_owner_has_open_is_told_and_left_alone(rocks):
    mine = rocks.open()
    mine.write([(b"a", b"1")], HERE, 1)
    with pytest.raises(StoreFailed, match="lock"):
        rocks.open(StoreResources(8, 8))
    assert mine.get_many([b"a"]) == [b"1"]
    mine.write([(b"a", b"2")], HERE, 2)
    mine.close()
    assert rocks.open().get_many([b"a"]) == [b"2"]


WRITER = """
import os, sys
from pathlib import Path
from springtide.app.engine.rocks_store import STALE_AFTER_S, RocksStore, StoreResources
store = RocksStore(Path(sys.argv[1]), StoreResources(8, 8))
position = store.position("log-1")
while True:
    position += 1
    # Each write moves all of 50 rows to the same number, in a random order of sizes, so that files fill up.
    store.write([(b"row%d" % n, b"%d " % position + os.urandom(n * 40)) for n in range(50)], "log-1", position)
    if position % 20 == 0:
        print(position, flush=True)
"""


def test_another_process_is_kept_out_while_the_owner_lives(rocks):
    with _writer(rocks.folder) as owner:
        owner.stdout.readline()
        with pytest.raises(StoreFailed, match="lock"):
            rocks.open()
        owner.kill()
        owner.wait(LIMIT_S)
    assert _whole(rocks.open()) >= 20


def test_a_kill_in_the_middle_of_writes_leaves_rows_and_position_in_step(rocks):
    told = 0
    for kill in range(4):
        with _writer(rocks.folder) as owner:
            for _ in range(15 * (kill + 1)):
                told = int(owner.stdout.readline())
            owner.send_signal(signal.SIGKILL)
            owner.wait(LIMIT_S)
        store = rocks.open()
        # A process's death loses nothing that it has written: only the machine's could.
        assert _whole(store) >= told
        store.close()


def _writer(folder):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True)


def _whole(store):
    """The position, after a look whether every row is as of it."""
    position = store.position(HERE)
    rows = list(store.scan(b"row"))
    assert len(rows) == (50 if position else 0)
    assert {int(value.split(b" ", 1)[0]) for _, value in rows} <= {position}
    assert store.get_many([key for key, _ in rows]) == [value for _, value in rows]
    return position


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A folder with several table files and a write-ahead log, as a kill leaves it."""
    folder = tmp_path_factory.mktemp("used") / "store"
    with _writer(folder) as owner:
        for _ in range(40):
            owner.stdout.readline()
        owner.kill()
        owner.wait(LIMIT_S)
    assert {path.suffix for path in folder.iterdir()} >= {".log", ".sst"}
    return folder


def _hurt(path, how, rng):
    size = path.stat().st_size
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        os.truncate(path, rng.randrange(size) if size else 0)
    else:
        with path.open("r+b") as file:
            for _ in range(3):
                file.seek(rng.randrange(max(1, size - 64)))
                file.write(rng.randbytes(64))


@pytest.mark.parametrize("how", ["missing", "empty", "cut", "scribbled"])
@pytest.mark.parametrize(
    "kind", ["*.sst", "MANIFEST-*", "CURRENT", "*.log", "rocksdict-config.json", "OPTIONS-*"]
)
def test_a_torn_file_leaves_a_store_that_is_whole_or_empty_or_says_so(rocks, used, kind, how):
    rng = random.Random(f"{kind} {how}")
    for _ in range(3):
        shutil.rmtree(rocks.folder, ignore_errors=True)
        shutil.copytree(used, rocks.folder)
        found = sorted(rocks.folder.glob(kind))
        assert found, "nothing to hurt"
        _hurt(rng.choice(found), how, rng)

        store = rocks.open()
        try:
            _whole(store)
        except StoreFailed:
            # Found when it was read: who owns the store throws it away and goes on.
            store.reset()
            assert _whole(store) == 0
        store.write([(b"row%d" % n, b"7 ") for n in range(50)], HERE, 7)
        assert _whole(store) == 7
        store.close()


def test_a_damaged_block_is_told_by_reads_and_scans_alike_and_the_store_can_be_reset(rocks):
    keys = [b"row%03d" % n for n in range(200)]
    store = rocks.open()
    store.write([(key, os.urandom(3_000)) for key in keys], HERE, 1)
    store.close()
    for path in rocks.folder.glob("*.sst"):
        with path.open("r+b") as file:
            file.seek(path.stat().st_size // 2)
            file.write(b"scribbled" * 8)

    store = rocks.open()
    with pytest.raises(StoreFailed, match="store can't be read") as of_reads:
        store.get_many(keys)
    with pytest.raises(StoreFailed, match="store can't be read") as of_scans:
        list(store.scan(b"row"))

    store.reset()  # while the errors are still looked at
    assert (of_reads.value, of_scans.value) != (None, None)
    assert (store.position(HERE), contents(store)) == (0, {})


def test_a_folder_named_like_a_lock_is_mended_like_any_other(tmp_path, used):
    folder = tmp_path / "clockwork" / "locked"
    shutil.copytree(used, folder)
    (folder / "CURRENT").write_bytes(b"no such file\n")
    store = RocksStore(folder, StoreResources(8, 8))
    assert _whole(store) == 0
    store.close()


def test_a_file_where_the_folder_should_be_is_told_with_its_path(tmp_path):
    path = tmp_path / "store"
    path.write_text("not a folder")
    with pytest.raises(StoreFailed, match=str(path)):
        RocksStore(path, StoreResources(8, 8))
    assert path.read_text() == "not a folder"


def test_a_deleted_folder_is_noticed_or_begun_anew(rocks):
    store = rocks.open()
    store.write([(b"a", b"1")], HERE, 1)
    store.close()
    shutil.rmtree(rocks.folder)
    store = rocks.open()
    assert (store.position(HERE), contents(store)) == (0, {})
    assert isinstance(rocks.folder, Path)


def test_a_folder_that_was_long_unused_is_rebuilt(tmp_path):
    """A compacted log forgets deletions in time, so a store that stood still may hold rows that are gone."""
    resources = StoreResources(8, 8)
    store = RocksStore(tmp_path / "s", resources)
    store.write([(b"r1", b"x")], "log", 5)
    store.close()
    fresh = RocksStore(tmp_path / "s", resources)
    assert fresh.position("log") == 5
    fresh.close()
    long_ago = time.time() - STALE_AFTER_S - 1
    os.utime(tmp_path / "s" / "written", (long_ago, long_ago))
    rebuilt = RocksStore(tmp_path / "s", resources)
    assert (rebuilt.position("log"), rebuilt.get_many([b"r1"])) == (0, [None])
    rebuilt.close()
