"""One partition of `status-changes`: its cursors, fed by one reader, and what of them is kept in the log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final

import msgspec
import structlog

from springtide.agents.topics import STATUS_CHANGES
from springtide.app.engine.log import ActorId, Commit, Fenced, Log, LogUnavailable, Writer
from springtide.app.push.channel import Channel
from springtide.app.push.cursor import Cursor, Place
from springtide.app.push.delivery import Change
from springtide.app.wiring import PUSH
from springtide.codecs.letters import decode_status_change
from springtide.codecs.records import Record, TopicPartition
from springtide.codecs.subscriptions import Replay, Subscription

KIND: Final = PUSH
TAIL_MAX: Final = 10_000
"""Changes kept in memory for the cursors that are not far behind."""
SAVE_EVERY_S: Final = 0.5
REPLAYED_MAX: Final = 100_000
"""Changes that one replay tells in one partition."""
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Place).decode

_log = structlog.get_logger("springtide.push")


class Lane:
    """See the module. Raises Fenced, by `run`, when another process has taken the partition over."""

    def __init__(self, log: Log, app: str, partition: int) -> None:
        self.cursors: dict[str, Cursor] = {}
        self._log = log
        self._actor = ActorId(app, KIND, partition)
        self._partition = partition
        self._place: TopicPartition = (STATUS_CHANGES, partition)
        self._places: dict[str, Place] = {}
        self._tail: deque[Change] = deque(maxlen=TAIL_MAX)
        self._tail_from = 0
        self._tail_to = 0
        self._grown = asyncio.Event()
        self._dirty: dict[str, None] = {}
        self._feeding: dict[str, asyncio.Task[None]] = {}
        self._replaying: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._writer: Writer | None = None

    @property
    def end(self) -> int:
        return self._tail_to

    @property
    def known(self) -> list[str]:
        """Subscriptions of which a place is kept."""
        return list(self._places)

    async def run(self, loaded: asyncio.Event) -> None:
        """Until cancelled. 1. Fence who had it before. 2. Where each cursor stands. 3. Read on, tell, keep."""
        # 1
        self._writer = await self._log.open_writer(self._actor, f"{self._actor.app}-{KIND}")
        try:
            # 2
            end = await self._log.end(self._actor.changelog)
            async with aclosing(self._log.read(self._actor.changelog, 0, end)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    for record in batch:
                        self._recover(record)
            self._tail_from = self._tail_to = await self._log.end(self._place)
            loaded.set()
            # 3
            tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._keep())]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        except Fenced:
            self._dirty.clear()  # another one keeps it now
            raise
        finally:
            await self._close()

    def _recover(self, record: Record) -> None:
        name = (record.key or b"").decode()
        if record.value is None:
            self._places.pop(name, None)
        else:
            self._places[name] = _decode(record.value)

    async def _close(self) -> None:
        for task in (*self._feeding.values(), *self._replaying.values()):
            task.cancel()
        await asyncio.gather(*self._feeding.values(), *self._replaying.values(), return_exceptions=True)
        for cursor in self.cursors.values():
            await cursor.close()
        writer = self._writer
        if writer is not None:
            with suppress(Exception):  # whoever comes next takes it from what is kept
                await self._save(writer)
            await writer.close()

    # --- what is subscribed ---

    def use(self, channels: Mapping[str, Channel], replays: Sequence[Replay]) -> None:
        """From now on these are the subscriptions; a channel that is another one than before begins anew where
        the old one stood."""
        for name in [
            name for name, cursor in self.cursors.items() if channels.get(name) is not cursor.channel
        ]:
            self._drop(name)
        for name, channel in channels.items():
            if name not in self.cursors:
                self._begin(name, channel)
        for replay in replays:
            cursor = self.cursors.get(replay.subscription)
            key = (replay.subscription, replay.id)
            if cursor is not None and replay.id not in cursor.place.replays and key not in self._replaying:
                self._replaying[key] = asyncio.create_task(self._replay(cursor, replay))

    def forget(self, name: str) -> None:
        """The subscription was deleted: what was kept of it goes."""
        self._drop(name)
        if self._places.pop(name, None) is not None:
            self._dirty[name] = None

    def _begin(self, name: str, channel: Channel) -> None:
        place = self._places.get(name)
        if place is None:
            place = Place(position=channel.subscription.positions.get(str(self._partition), 0))
            self._places[name] = place

        def changed() -> None:
            self._dirty[name] = None

        cursor = Cursor(channel, place, changed)
        self.cursors[name] = cursor
        self._feeding[name] = asyncio.create_task(self._feed(cursor))

    def _drop(self, name: str) -> None:
        cursor = self.cursors.pop(name, None)
        if cursor is None:
            return
        cursor.snapshot()
        self._feeding.pop(name).cancel()
        for key in [key for key in self._replaying if key[0] == name]:
            self._replaying.pop(key).cancel()
        task = asyncio.create_task(cursor.close())
        self._replaying[name, "closing"] = task

    # --- reading ---

    async def _read(self) -> None:
        while True:
            try:
                async with aclosing(self._log.follow({self._place: self._tail_to})) as stream:  # type: ignore[type-var]
                    async for followed in stream:
                        for record in followed.records:
                            if (change := _change(record)) is not None:
                                if len(self._tail) == TAIL_MAX:
                                    self._tail_from = self._tail[0].offset + 1
                                self._tail.append(change)
                        moved, self._tail_to = followed.position != self._tail_to, followed.position
                        if moved:
                            self._grown.set()
                            self._grown = asyncio.Event()
            except LogUnavailable as error:
                _log.warning("status changes are not read", partition=self._partition, why=str(error))
                await asyncio.sleep(1.0)

    async def _feed(self, cursor: Cursor) -> None:
        while True:
            try:
                await self._feed_on(cursor)
            except LogUnavailable as error:
                _log.warning("status changes are not read", partition=self._partition, why=str(error))
                await asyncio.sleep(1.0)

    async def _feed_on(self, cursor: Cursor) -> None:
        while True:
            await cursor.room()
            at = cursor.read_to
            if at >= self._tail_to:
                await self._grown.wait()
            elif at >= self._tail_from:
                changes = [change for change in self._tail if change.offset >= at][:500]
                cursor.take(changes, changes[-1].offset + 1 if len(changes) == 500 else self._tail_to)
            else:
                await self._catch_up(cursor, at)

    async def _catch_up(self, cursor: Cursor, at: int) -> None:
        """Reads of the log what is no more in memory. The tail grows meanwhile, and what comes then is not read."""
        end = self._tail_to
        async with aclosing(self._log.read(self._place, at, end)) as batches:  # type: ignore[type-var]
            async for batch in batches:
                found = [change for record in batch if (change := _change(record)) is not None]
                cursor.take(found, batch[-1].offset + 1 if batch else cursor.read_to)
                await cursor.room()
                if cursor.read_to >= self._tail_from:
                    return
        cursor.take([], end)  # what is left up to there are marks of transactions

    async def _replay(self, cursor: Cursor, replay: Replay) -> None:
        found: list[Change] = []
        begin, end, parked = 0, cursor.read_to, None
        if replay.parked:
            parked = {one.offset: None for one in cursor.place.parked}
            begin, end = min(parked, default=end), max(parked, default=end - 1) + 1
        try:
            async with aclosing(self._log.read(self._place, begin, end)) as batches:  # type: ignore[type-var]
                async for batch in batches:
                    for record in batch:
                        if parked is not None and record.offset not in parked:
                            continue
                        if not replay.from_ms <= record.timestamp_ms < replay.to_ms:
                            continue
                        change = _change(record)
                        if change is not None and replay.order_id in (None, change.letter.order_id):
                            found.append(change)
                    if len(found) >= REPLAYED_MAX:
                        break
        except LogUnavailable as error:
            _log.warning("a replay is put off", replay=replay.id, why=str(error))
            del self._replaying[replay.subscription, replay.id]
            return
        cursor.replay(replay.id, found[:REPLAYED_MAX])

    # --- keeping ---

    async def _keep(self) -> None:
        assert self._writer is not None
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self._save(self._writer)

    async def _save(self, writer: Writer) -> None:
        if not self._dirty:
            return
        names, self._dirty = list(self._dirty), {}
        for name in names:
            cursor = self.cursors.get(name)
            if cursor is not None:
                cursor.snapshot()
        changelog = [
            (name.encode(), None if name not in self._places else _encode(self._places[name]))
            for name in names
        ]
        await writer.append(Commit(changelog=changelog))


def _change(record: Record) -> Change | None:
    if record.value is None:
        return None
    try:
        return Change(record.offset, record.timestamp_ms, decode_status_change(record.value))
    except msgspec.DecodeError as error:
        _log.error("a status change can't be read", offset=record.offset, why=str(error))
        return None


def wanted(subscriptions: Mapping[str, Subscription]) -> dict[str, Subscription]:
    """Those that are told."""
    return {name: s for name, s in subscriptions.items() if s.state == "active"}
