"""Who works: the members of the workers' group as the broker knows them, and what each has been given."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final, NamedTuple

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from springtide.app.broker.connection import BrokerConnection

ASK_EVERY_S: Final = 5.0
ANSWER_S: Final = 4.0
PATIENCE_S: Final = 0.15
"""How long a page waits for the broker; what comes later is on the next one."""

_log = structlog.get_logger("springtide.view")


class Worker(NamedTuple):
    name: str
    """The one it goes by in the group: it stays the same over restarts."""
    host: str
    partitions: dict[str, list[int]]
    """Topic -> its partitions there."""


class Workers:
    """Remembers who works. `ask` is asked only while someone looks, and at most every ASK_EVERY_S."""

    def __init__(self, ask: Callable[[], Awaitable[list[Worker] | None]]) -> None:
        self._ask = ask
        self._known: list[Worker] | None = None
        self._asked_s: float | None = None
        self._asking: asyncio.Task[None] | None = None

    async def known(self) -> list[Worker] | None:
        """By name, as of a few seconds ago; None while it is not known."""
        if self._asking is None and (self._asked_s is None or monotonic() - self._asked_s > ASK_EVERY_S):
            self._asking = asyncio.create_task(self._look())
        if self._asking is not None:
            await asyncio.wait([self._asking], timeout=PATIENCE_S)
        return self._known

    async def _look(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                self._known = await self._ask()
        except (KafkaError, OSError, TimeoutError) as error:
            self._known = None
            _log.debug("the workers are not known", why=repr(error))
        finally:
            self._asked_s, self._asking = monotonic(), None


async def members(connection: BrokerConnection, group: str) -> list[Worker] | None:
    """The members of a group; None if the broker does not say. Raises KafkaError, OSError."""
    client = AIOKafkaAdminClient(**connection.aiokafka_options(), client_id="springtide-view")
    try:
        await client.start()
        responses = await client.describe_consumer_groups([group])
    finally:
        await client.close()
    code, _, _, _, _, found = responses[0].groups[0][:6]
    return None if code else sorted(map(_worker, found))


def _worker(member: tuple[Any, ...]) -> Worker:
    member_id, _, host, _, assignment = member[:5]
    given = ConsumerProtocolMemberAssignment.decode(assignment).assignment if assignment else []
    # A static member's id is its own name and what the broker put after it, a UUID.
    name = "-".join(str(member_id).split("-")[:-5]) or str(member_id)
    return Worker(name, str(host).lstrip("/"), {topic: sorted(numbers) for topic, numbers in sorted(given)})
