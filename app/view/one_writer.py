"""What is done about exceptions, by one writer at a time in the whole installation, so that nothing is done twice.

All views write it under one transactional id. Who opens it ends what another view had begun under it, and that view
can commit nothing more before it opens it again (Kafka fences it); and who has opened it first reads all that was
done before. So whoever commits has seen each earlier deed, and the order of deeds is that of the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from random import uniform
from typing import Final

import msgspec
import structlog
from aiohttp import web
from aiokafka import AIOKafkaProducer
from aiokafka.errors import IllegalOperation, KafkaError

from springtide.agents.topics import EXCEPTION_ACTIONS
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.kafka_log import abandon
from springtide.app.engine.log import Log, LogUnavailable
from springtide.app.view.follower import Follower
from springtide.app.view.intake import open_producer, send, sent_offsets
from springtide.app.view.problems import Problem
from springtide.app.view.submission import Posted
from springtide.codecs.actions import ExceptionAction, encode_action
from springtide.codecs.records import TopicPartition

ANSWER_S: Final = 20.0
TRIES: Final = 8
"""So often it is opened again where another view has opened it since,"""
PAUSE_S: Final = (0.1, 0.4)
"""after a while between these that grows with the tries: the other one has something to do, too."""
WAITING_MAX: Final = 256
LOOK_AGAIN_S: Final = 0.005
_PLACE: Final[TopicPartition] = (EXCEPTION_ACTIONS, 0)

Done = Callable[[str], ExceptionAction | None]
"""What was last done about an exception; None: nothing."""

_log = structlog.get_logger("springtide.view")


class OneWriter:
    """See the module. `known` tells what was done as far as the view has followed it."""

    def __init__(
        self,
        connection: BrokerConnection,
        transactional_id: str,
        log: Log,
        follower: Follower,
        known: Done,
    ) -> None:
        self._connection = connection
        self._transactional_id = transactional_id
        self._log = log
        self._follower = follower
        self._known = known
        self._producer: AIOKafkaProducer | None = None
        self._from = 0
        """What was done before this offset has to be followed before anything else is done."""
        self._own: dict[str, tuple[int, ExceptionAction]] = {}
        """Exception -> (offset, action) of what was written here and is not followed yet."""
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def life(self, _: web.Application) -> AsyncIterator[None]:
        yield
        await self._drop()

    async def write(
        self, choose: Callable[[Done], Sequence[ExceptionAction]], posted: Sequence[Posted] = ()
    ) -> list[ExceptionAction]:
        """Writes the actions that `choose` finds right, given all that was done before, and the events with them;
        all or nothing. The actions as they are written, with the events' positions. Problem if that failed, or
        from `choose`, which may be asked again."""
        if self._waiting >= WAITING_MAX:
            raise Problem(
                503, "busy", "Too many wait", "Too many exceptions wait to be done.", retry_after_s=1
            )
        self._waiting += 1
        try:
            async with self._lock, asyncio.timeout(ANSWER_S):
                return await self._write(choose, posted)
        except (LogUnavailable, KafkaError, IllegalOperation, OSError, TimeoutError) as error:
            _log.warning("what was done about exceptions is not written", why=repr(error))
            raise Problem(
                503,
                "not-written",
                "It may not be done",
                f"It is not known that it is done: the log did not take it ({error!r}). Ask again: what was done "
                "already is not done twice.",
                retry_after_s=1,
            ) from error
        finally:
            self._waiting -= 1

    async def _write(
        self, choose: Callable[[Done], Sequence[ExceptionAction]], posted: Sequence[Posted]
    ) -> list[ExceptionAction]:
        for tried in range(1, TRIES + 1):
            producer = await self._opened()
            actions = choose(self._done)
            if not actions:
                return []
            try:
                return await self._transact(producer, actions, posted)
            except (KafkaError, IllegalOperation, asyncio.InvalidStateError) as error:
                await self._drop()
                if tried == TRIES:
                    raise
                _log.info("opened by another view, or failed; once more", why=repr(error))
                await asyncio.sleep(tried * uniform(*PAUSE_S))  # noqa: S311 - only keeps views apart
            except BaseException:
                await self._drop()
                raise
        raise AssertionError

    async def _transact(
        self, producer: AIOKafkaProducer, actions: Sequence[ExceptionAction], posted: Sequence[Posted]
    ) -> list[ExceptionAction]:
        """1. Begin. 2. The events, and where they stand. 3. The actions. 4. Commit."""
        # 1
        await producer.begin_transaction()
        # 2
        offsets = await sent_offsets(await send(producer, posted))
        positions = {
            f"{topic}/{partition}": offset
            for (topic, partition), offset in zip((event.place for event in posted), offsets, strict=True)
        }
        # 3
        done = [msgspec.structs.replace(action, positions=positions) for action in actions]
        records = [Posted(_PLACE, action.id.encode(), encode_action(action)) for action in done]
        places = await sent_offsets(await send(producer, records))
        # 4
        await producer.commit_transaction()
        self._own |= {action.id: (at, action) for action, at in zip(done, places, strict=True)}
        return done

    async def _opened(self) -> AIOKafkaProducer:
        """The one writer, once all that was done before is known."""
        if self._producer is None:
            self._producer = await open_producer(self._connection, self._transactional_id)
            self._from = max(self._from, await self._log.end(_PLACE))
        while (followed := self._followed()) < self._from:  # noqa: ASYNC110 - a feed tells nobody
            await asyncio.sleep(LOOK_AGAIN_S)
        for name in [name for name, (at, _) in self._own.items() if at < followed]:
            self._from = max(self._from, self._own.pop(name)[0] + 1)
        return self._producer

    def _followed(self) -> int:
        """The offset before which all is followed; -1 while nothing is."""
        feeds = self._follower.feeds.get(EXCEPTION_ACTIONS)
        return feeds[0].position if feeds else -1

    def _done(self, name: str) -> ExceptionAction | None:
        own = self._own.get(name)
        return self._known(name) if own is None else own[1]

    async def _drop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await abandon(producer)
