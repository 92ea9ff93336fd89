"""The keys as the log has them, followed as they change; and what each view has let through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from springtide.agents.topics import ACCESS
from springtide.app.access.caller import Bound, Caller
from springtide.app.access.scopes import expanded
from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.log import Log, LogUnavailable
from springtide.codecs.access import Key, Usage, decode_key, decode_usage, encode, key_key, usage_key

KEYS_MAX: Final = 10_000
PARTNERS_MAX: Final = 10_000
_PLACE: Final = (ACCESS, 0)
_PAUSE_S: Final = 1.0
_WAIT_S: Final = 10.0

_log = structlog.get_logger("springtide.access")


class Registry:
    """See the module. `loaded` is set once all that was there has been read; until then nobody is known."""

    def __init__(self, log: Log) -> None:
        self.keys: dict[str, Key] = {}
        self.callers: dict[str, Caller] = {}
        """Key id -> who asks by it."""
        self.usages: dict[str, dict[int, Usage]] = {}
        """Partner -> view -> what it has let through on the last day it was asked."""
        self.loaded = asyncio.Event()
        self.position = 0
        self.changed: Callable[[], None] = lambda: None
        """Told when keys have changed."""
        self._log = log

    async def run(self) -> None:
        """Follows until cancelled; while the log does not answer, what is known stands."""
        while True:
            try:
                await self._follow()
            except LogUnavailable as error:
                _log.warning("the keys are not followed", why=str(error))
            except Exception:  # noqa: BLE001 - else a key that is revoked would be good for ever
                _log.exception("the keys are not followed")
            await asyncio.sleep(_PAUSE_S)

    async def read(self) -> None:
        """Reads what is there, once. Raises LogUnavailable."""
        end = await self._log.end(_PLACE)
        async for records in self._log.read(_PLACE, 0, end):
            for record in records:
                self._take((record.key or b"").decode(errors="replace"), record.value)
        self.loaded.set()

    def used_elsewhere(self, view: int, partner: str, day: int) -> int:
        """Requests of a partner on a day that other views have told of."""
        return sum(
            usage.requests
            for number, usage in self.usages.get(partner, {}).items()
            if number != view and usage.day == day
        )

    async def _follow(self) -> None:
        end = await self._log.end(_PLACE)
        if end < self.position:  # another log
            self.position, self.keys, self.callers, self.usages = 0, {}, {}, {}
            self.loaded.clear()
        self._settle(end)
        async with aclosing(self._log.follow({_PLACE: self.position})) as stream:  # type: ignore[type-var]
            async for followed in stream:
                for record in followed.records:
                    self._take((record.key or b"").decode(errors="replace"), record.value)
                self.position = followed.position
                self._settle(end)
                if any((record.key or b"").startswith(b"k/") for record in followed.records):
                    self.changed()

    def _settle(self, end: int) -> None:
        if self.position >= end:
            self.loaded.set()

    def _take(self, name: str, value: bytes | None) -> None:
        kind, _, rest = name.partition("/")
        try:
            if kind == "k":
                self.keys.pop(rest, None)
                self.callers.pop(rest, None)
                if value is not None and len(self.keys) < KEYS_MAX:
                    key = self.keys[rest] = decode_key(value)
                    self.callers[rest] = _caller(key)
            elif kind == "u" and value is not None:
                usage = decode_usage(value)
                if usage.partner in self.usages or len(self.usages) < PARTNERS_MAX:
                    self.usages.setdefault(usage.partner, {})[usage.view] = usage
        except msgspec.DecodeError as error:
            _log.error("a record of access can't be read", key=name, why=str(error))


def _caller(key: Key) -> Caller:
    return Caller(
        name=f"key/{key.id}",
        partner=key.partner,
        scopes=expanded(key.scopes),
        bound=Bound(key.customers, key.channels),
        rate_per_s=key.rate_per_s,
        burst=key.burst,
        quota_per_day=key.quota_per_day,
        key=key,
        expires_ms=key.expires_ms,
        sources=key.sources,
    )


class Keeper:
    """Writes keys and usages. `close` at the end."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None
        self._lock = asyncio.Lock()

    async def keep(self, key: Key) -> int:
        """Its offset. Raises LogUnavailable."""
        return await self._write(key_key(key.id), encode(key))

    async def count(self, usage: Usage) -> int:
        return await self._write(usage_key(usage), encode(usage))

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def _write(self, key: bytes, value: bytes) -> int:
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
                producer = self._producer
            async with asyncio.timeout(_WAIT_S):
                sent = await producer.send_and_wait(ACCESS, value, key=key, partition=0)
        except (KafkaError, OSError, TimeoutError) as error:
            raise LogUnavailable(f"the access record is not written: {error!r}") from error
        return int(sent.offset)
