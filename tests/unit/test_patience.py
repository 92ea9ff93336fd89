"""How often clients knock at a broker that is away."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from springtide.app.broker import ports
from springtide.app.engine.patience import PAUSE_S, patient


class Dials:
    """A producer's client that connects, or does not."""

    def __init__(self, *answers):
        self.client = self
        self._answers = list(answers)

    async def _get_conn(self, node_id, *, group=0, no_hint=False):
        return self._answers.pop(0)


async def timed(awaitable):
    began = time.monotonic()
    return await awaitable, time.monotonic() - began


async def test_who_gets_no_connection_waits_before_it_can_ask_again():
    client = patient(Dials(None, "connection")).client
    refused, waited_s = await timed(client._get_conn(1))
    assert refused is None
    assert waited_s >= PAUSE_S * 0.9
    assert await client._get_conn(1, group=1) == "connection"


@pytest.mark.parametrize("kind", [AIOKafkaProducer, AIOKafkaConsumer])
async def test_what_it_reaches_into_is_there_in_both_kinds_of_client(kind):
    (port,) = ports.choose(1)
    client = patient(kind(bootstrap_servers=f"127.0.0.1:{port}"))
    connections = client.client if kind is AIOKafkaProducer else client._client
    # It knows no broker, which is as good as one that is away.
    refused, waited_s = await timed(asyncio.wait_for(connections._get_conn(1), 5))
    assert refused is None
    assert waited_s >= PAUSE_S * 0.9
    await connections.close()
    client._closed = True  # it was never started, so there is nothing to stop
