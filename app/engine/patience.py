"""Clients that wait a moment before they knock again at a broker that is away.

aiokafka has several loops in each client that try again after `retry_backoff_ms`, which must be a few
milliseconds for transactions. With a dozen producers in a process that is two thousand attempts a second, and
a core taken from the very broker that is to start.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

PAUSE_S: Final = 0.2


def patient(client: Any) -> Any:
    """An aiokafka producer or consumer that was not started yet; the same, with the pause built in."""
    connections = client.client if hasattr(client, "client") else client._client  # noqa: SLF001
    connect = connections._get_conn  # noqa: SLF001 - what every loop asks

    async def wait_if_refused(*args: Any, **kwargs: Any) -> Any:
        connection = await connect(*args, **kwargs)
        if connection is None:
            await asyncio.sleep(PAUSE_S)
        return connection

    connections._get_conn = wait_if_refused  # noqa: SLF001
    return client
