"""The subscriptions as the log has them, followed as they change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from springtide.agents.topics import SUBSCRIPTIONS
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.log import Log, LogUnavailable
from springtide.codecs.subscriptions import (
    Replay,
    Subscription,
    decode_replay,
    decode_subscription,
    encode,
    replay_key,
    subscription_key,
)

SUBSCRIPTIONS_MAX: Final = 10_000
_REPLAYS_MAX: Final = 1_000
_REPLAYS_OF_ONE_MAX: Final = 50
"""Of one subscription: fewer than a cursor remembers to have done, so that none is told anew after a restart."""
_PLACE: Final = (SUBSCRIPTIONS, 0)
_PAUSE_S: Final = 1.0
_WAIT_S: Final = 10.0

_log = structlog.get_logger("springtide.push")


class Registry:
    """See the module. `loaded` is set once all that was there has been read; `changed` is told afterwards."""

    def __init__(self, log: Log, changed: Callable[[], None] = lambda: None) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        self.replays: dict[str, Replay] = {}
        self.loaded = asyncio.Event()
        self.position = 0
        self._log = log
        self._changed = changed
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Follows until cancelled; while the log does not answer, what is known stands."""
        while True:
            try:
                await self._follow()
            except LogUnavailable as error:
                _log.warning("the subscriptions are not followed", why=str(error))
            await asyncio.sleep(_PAUSE_S)

    async def _follow(self) -> None:
        end = await self._log.end(_PLACE)
        self._settle(end)
        async with aclosing(self._log.follow({_PLACE: self.position})) as stream:  # type: ignore[type-var]
            async for followed in stream:
                for record in followed.records:
                    self._take((record.key or b"").decode(errors="replace"), record.value)
                self.position = followed.position
                self._settle(end)
                if followed.records and self.loaded.is_set():
                    self._changed()
                self._moved.set()
                self._moved = asyncio.Event()

    def _settle(self, end: int) -> None:
        if self.position >= end and not self.loaded.is_set():
            self.loaded.set()
            self._changed()

    def _take(self, key: str, value: bytes | None) -> None:
        kind, _, name = key.partition("/")
        try:
            if kind == "s":
                if value is None:
                    self.subscriptions.pop(name, None)
                else:
                    self.subscriptions[name] = decode_subscription(value)
            elif kind == "r" and value is not None:
                replay = decode_replay(value)
                self.replays[replay.id] = replay
                own = [one.id for one in self.replays.values() if one.subscription == replay.subscription]
                for old in own[:-_REPLAYS_OF_ONE_MAX]:
                    del self.replays[old]
                if len(self.replays) > _REPLAYS_MAX:
                    del self.replays[next(iter(self.replays))]
        except msgspec.DecodeError as error:
            _log.error("a subscription can't be read", key=key, why=str(error))

    async def reached(self, offset: int) -> bool:
        """Waits until the record at `offset` has been taken in; False if that takes too long."""
        try:
            async with asyncio.timeout(_WAIT_S):
                while self.position <= offset:
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


class Keeper:
    """Writes subscriptions and wishes for replays. `close` at the end."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def keep(self, subscription: Subscription) -> int:
        """Its offset. Raises LogUnavailable."""
        return await self._write(subscription_key(subscription.id), encode(subscription))

    async def delete(self, subscription_id: str) -> int:
        return await self._write(subscription_key(subscription_id), None)

    async def ask(self, replay: Replay) -> int:
        return await self._write(replay_key(replay), encode(replay))

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _write(self, key: bytes, value: bytes | None) -> int:
        try:
            async with self._lock:
                if self._producer is None:
                    producer = AIOKafkaProducer(
                        **self._connection.aiokafka_options(), acks="all", enable_idempotence=True
                    )
                    try:
                        await producer.start()
                    except BaseException:
                        await producer.stop()
                        raise
                    self._producer = producer
            sent = await self._producer.send_and_wait(SUBSCRIPTIONS, value, key=key, partition=0)
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"the subscription is not written: {error!r}") from error
        return int(sent.offset)
