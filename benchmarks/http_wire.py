"""One HTTP/1.1 client connection with one request at a time, and no more parsing than counting needs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

_HEAD_BYTES_MAX = 32 * 1024
_BODY_BYTES_MAX = 16 * 1024 * 1024


class Reply(NamedTuple):
    """Status, length of head and body in bytes, and whether the server closes the connection after it."""

    status: int
    head_bytes: int
    body_bytes: int
    close: bool


class BadReplyError(Exception):
    """The bytes are no answer this client can count."""


def parse_head(data: bytes) -> Reply | None:
    """What the head at the start of `data` says, None while it is incomplete.

    Raises BadReplyError for what is not HTTP/1.x, has no Content-Length (chunked), or is too long.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > _HEAD_BYTES_MAX:
            raise BadReplyError(f"its head is longer than {_HEAD_BYTES_MAX} bytes")
        return None
    if not data.startswith(b"HTTP/1.") or not data[9:12].isdigit():
        raise BadReplyError(f"it is not HTTP/1.x: {data[:20]!r}")
    status = int(data[9:12])
    head = data[: end + 2].lower()
    close = b"\r\nconnection: close\r\n" in head
    if status in (204, 304):
        return Reply(status, end + 4, 0, close)
    start = head.find(b"\r\ncontent-length:")
    if start < 0:
        raise BadReplyError("it has no Content-Length, which this client needs")
    value = head[start + 17 : head.find(b"\r\n", start + 17)].strip()
    if not value.isdigit():
        raise BadReplyError(f"its Content-Length is {value!r}")
    if int(value) > _BODY_BYTES_MAX:
        raise BadReplyError(f"its body has {int(value)} bytes, the limit is {_BODY_BYTES_MAX}")
    return Reply(status, end + 4, int(value), close)


class Connection(asyncio.Protocol):
    """Sends a request when told to, and tells when its answer is complete or the connection is lost.

    `due` is the moment the request counts from, in monotonic seconds; `busy` says whether one is under way.
    """

    __slots__ = ("_answered", "_expected", "_lost", "_rest", "_transport", "busy", "closed", "due", "why")

    def __init__(
        self, answered: Callable[[Connection, Reply], None], lost: Callable[[Connection, str], None]
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._expected: Reply | None = None
        self.busy = self.closed = False
        self.due = 0.0
        self.why = "the server closed it"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]  # uvloop's own class, of the same shape

    def send(self, request: bytes, due: float) -> None:
        """Sends `request`, which was due at `due`."""
        assert self._transport is not None
        assert not self.busy, "one request at a time"
        self.busy, self.due = True, due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        reply = self._expected
        if reply is None:
            try:
                reply = parse_head(data)
            except BadReplyError as error:
                self._refuse(f"its answer cannot be counted: {error}")
                return
            if reply is None:
                self._rest = data
                return
        extra = len(data) - reply.head_bytes - reply.body_bytes
        if extra < 0:
            self._rest, self._expected = data, reply
            return
        if extra > 0 or not self.busy:
            self._refuse("it sent more than was asked for")
            return
        self._rest, self._expected = b"", None
        self.busy = False
        self._answered(self, reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if exc is not None:
            self.why = str(exc)
        self._lost(self, self.why)

    def _refuse(self, why: str) -> None:
        self.why = why
        if self._transport is not None:
            self._transport.abort()

    def drop(self) -> None:
        """Closes the connection without being told of it."""
        self.closed = True
        self._lost = _ignore
        if self._transport is not None:
            self._transport.abort()


def _ignore(_connection: Connection, _why: str) -> None:
    pass
