"""A `Store` in RocksDB, with one block cache and one bound on memtables for all partitions of a process."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import time
from typing import Any

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

from springtide.app.engine.store import POSITION_KEY, StoreFailed, parse_position, position_value

MIB = 1 << 20
STALE_AFTER_S = 3 * 86_400
"""A folder that was not written for so long is thrown away and rebuilt. A compacted log forgets deletions
in time (`delete.retention.ms`, which must be longer): a store that stood still meanwhile would keep the rows."""
_TOUCH_EVERY_S = 60.0
_FILES_MAX = 256
# RocksDB's words when another process, or this one, has the folder open. A bare "lock" would be found in
# "block checksum mismatch" too, and in any path.
_LOCKED = ("While lock file: ", "lock hold by current process")


class StoreResources:
    """What all stores of one process share. `cache_mb` bounds blocks, `write_buffer_mb` memtables."""

    def __init__(self, cache_mb: int, write_buffer_mb: int) -> None:
        # Memtables are charged to the cache, so that both can be seen as one sum; they must not push out blocks,
        # and least of all the filters and indexes without which each look-up of a row reads several of them.
        self.cache = Cache((cache_mb + write_buffer_mb) * MIB)
        self.write_buffers = WriteBufferManager.new_write_buffer_manager_with_cache(
            write_buffer_mb * MIB, False, self.cache
        )
        self._write_buffer_bytes = max(MIB, min(16 * MIB, write_buffer_mb * MIB // 4))

    def options(self) -> Any:
        """Options of one store: point look-ups by bloom filter, small files, no log of statistics."""
        tables = BlockBasedOptions()
        tables.set_block_cache(self.cache)
        tables.set_bloom_filter(10, False)
        tables.set_cache_index_and_filter_blocks(True)
        tables.set_pin_l0_filter_and_index_blocks_in_cache(True)
        # In parts: a large table's whole filter is larger than what a shard of the cache has room for, and would
        # be read anew with each look-up.
        tables.set_index_type(BlockBasedIndexType.two_level_index_search())
        tables.set_partition_filters(True)
        tables.set_pin_top_level_index_and_filter(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(tables)
        options.set_write_buffer_manager(self.write_buffers)
        options.set_write_buffer_size(self._write_buffer_bytes)
        options.set_max_write_buffer_number(3)
        options.set_max_open_files(_FILES_MAX)
        options.set_max_background_jobs(2)
        options.set_keep_log_file_num(2)
        options.set_max_total_wal_size(64 * MIB)
        options.set_paranoid_checks(True)
        options.set_stats_dump_period_sec(0)
        return options

    def memory_bytes(self) -> tuple[int, int]:
        """(blocks in the cache, memtables), in bytes."""
        return int(self.cache.get_usage()), int(self.write_buffers.get_usage())


class RocksStore:
    """See the module. One folder, one owner: RocksDB's own lock file keeps others out."""

    def __init__(self, folder: Path, resources: StoreResources) -> None:
        """Opens the folder; one that is damaged is thrown away and begun anew.

        Raises StoreFailed if it can't be used at all: another process has it, the disk is full, no right.
        """
        self._folder = folder
        self._resources = resources
        self._written = folder / "written"
        self._written_s = 0.0
        self._db: Any = None
        if self._is_stale():
            self._throw_away()
        try:
            self._open()
        except StoreFailed as error:
            if any(words in str(error.__cause__) for words in _LOCKED):
                raise
            self._throw_away()
            self._open()

    def position(self, identity: str) -> int:
        position = parse_position(self.get_many([POSITION_KEY])[0], identity)
        if position is None:
            self.reset()
            return 0
        return position

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        try:
            found: list[bytes | None] = self._db.get(list(keys))
        except Exception as error:
            raise StoreFailed(f"{self._folder} can't be read: {error}") from error
        return found

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        options = ReadOptions()
        after = _after(prefix)
        if after is not None:
            options.set_iterate_upper_bound(after)
        found: Any = None
        try:
            # `items` would end at a damaged block as if it were the last.
            found = self._db.iter(options)
            found.seek(max(prefix, start))
            while found.valid():
                yield found.key(), found.value()
                found.next()
            found.status()
        except Exception as error:
            found = None  # it would hold the folder open for as long as someone looks at the error
            raise StoreFailed(f"{self._folder} can't be read: {error}") from error

    def write(self, puts: Iterable[tuple[bytes, bytes | None]], identity: str, position: int) -> None:
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in puts:
            if value is None:
                delete(key)
            else:
                put(key, value)
        put(POSITION_KEY, position_value(identity, position))
        try:
            self._db.write(batch)
            now_s = time()
            if not 0 <= now_s - self._written_s < _TOUCH_EVERY_S:
                self._written.touch()
                self._written_s = now_s
        except Exception as error:
            raise StoreFailed(f"{self._folder} can't be written: {error}") from error

    def reset(self) -> None:
        self.close()
        self._throw_away()
        self._open()

    def close(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            # A damaged one can't write out what it has in memory; it lets go of its folder all the same.
            with suppress(Exception):
                db.close()

    def disk_bytes(self) -> int:
        """Size of the table files."""
        return int(self._db.property_int_value("rocksdb.total-sst-files-size") or 0)

    def _open(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._db = Rdict(str(self._folder), self._resources.options())
        except Exception as error:
            raise StoreFailed(f"{self._folder} can't be opened: {error}") from error

    def _is_stale(self) -> bool:
        """Whether the folder was last written so long ago that the log may have dropped deletions since."""
        try:
            written_s = self._written.stat().st_mtime
        except FileNotFoundError:
            return self._folder.is_dir() and any(self._folder.iterdir())
        except OSError as error:
            raise StoreFailed(f"{self._folder} can't be looked at: {error}") from error
        return time() - written_s > STALE_AFTER_S

    def _throw_away(self) -> None:
        try:
            shutil.rmtree(self._folder, ignore_errors=False)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise StoreFailed(
                f"{self._folder} is damaged and can't be thrown away: {error}; delete it by hand"
            ) from error


def _after(prefix: bytes) -> bytes | None:
    """The first key after all keys that begin with `prefix`; None if there is none."""
    for at in range(len(prefix) - 1, -1, -1):
        if prefix[at] < 0xFF:
            return prefix[:at] + bytes([prefix[at] + 1])
    return None
