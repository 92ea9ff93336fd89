"""Asks a broker over a plain socket whether it is up, without an event loop.

`start()` may run in any thread, with or without a loop, so the client library is of no use here. One
Metadata request (version 4, old style) tells it all: who answers, and whether the broker has been let in.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

_METADATA, _VERSION = 3, 4
_CLIENT = b"springtide-probe"
_MAX_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What the broker says of itself: its cluster's id and how many brokers are in service."""

    cluster_id: str
    brokers: int


def ask(host: str, port: int, timeout_s: float) -> Answer | None:
    """The broker's answer, or None if nothing on that port answers as a Kafka broker within `timeout_s`."""
    header = struct.pack(f">hhih{len(_CLIENT)}s", _METADATA, _VERSION, 1, len(_CLIENT), _CLIENT)
    body = struct.pack(">i?", 0, False)  # no topics, create none
    request = header + body
    try:
        with socket.create_connection((host, port), timeout_s) as connection:
            connection.settimeout(timeout_s)
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _read(connection, 4))
            if not 0 < size <= _MAX_ANSWER:
                return None
            return _parse(_read(connection, size))
    except (OSError, struct.error, UnicodeDecodeError, IndexError):
        return None


def _read(connection: socket.socket, size: int) -> bytes:
    got = bytearray()
    while len(got) < size:
        part = connection.recv(size - len(got))
        if not part:
            raise ConnectionError("the other side closed the connection")
        got += part
    return bytes(got)


def _parse(answer: bytes) -> Answer:
    at = 8  # correlation id, throttle time
    (brokers,) = struct.unpack_from(">i", answer, at)
    at += 4
    for _ in range(brokers):
        at += 4  # node id
        at = _skip_string(answer, at)  # host
        at += 4  # port
        at = _skip_string(answer, at)  # rack
    (length,) = struct.unpack_from(">h", answer, at)
    cluster_id = answer[at + 2 : at + 2 + max(length, 0)].decode()
    return Answer(cluster_id, brokers)


def _skip_string(answer: bytes, at: int) -> int:
    (length,) = struct.unpack_from(">h", answer, at)
    return int(at + 2 + max(length, 0))
