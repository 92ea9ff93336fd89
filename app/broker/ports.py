"""Loopback ports for a local broker: free ones, and who holds one that is not."""

from __future__ import annotations

import itertools
import random
import socket

import psutil  # type: ignore[import-untyped]

from springtide.app.broker.errors import BrokerError
from springtide.app.broker.settings import HOST

_RANGE = range(20_000, 30_000)


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        # As the broker does: connections that linger after a stop do not count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def choose(count: int) -> list[int]:
    """`count` different free ports. Another process may take one before it is used.

    They lie below the range systems give to outgoing connections. In that range a client that keeps trying
    to reach a stopped broker on this machine can be given the broker's own port, connect to itself and keep
    the broker from starting again.
    """
    candidates = random.sample(_RANGE, len(_RANGE))
    ports = list(itertools.islice(filter(is_free, candidates), count))
    if len(ports) < count:
        raise BrokerError(
            f"No free port on {HOST} between {_RANGE.start} and {_RANGE.stop - 1}.",
            "End some of the processes that listen there, or name a port with --port.",
        )
    return ports


def holder(port: int) -> str:
    """Who listens on the port, for a message: "process 17 (java)", or "another process" if not to be known."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1] == port and connection.pid:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except (psutil.Error, OSError):  # some systems show other users' sockets to root only
        pass
    return "another process"
