"""A receiver of status changes that can be slow, fail, or be gone, and that keeps account of what it was told."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal

import msgspec

from springtide.app.push.signing import signatures
from springtide.codecs.subscriptions import Secret

Mood = Literal["well", "slow", "failing", "busy"]
MOODS: Final[tuple[Mood, ...]] = ("well", "slow", "failing", "busy")
SLOW_S: Final = 0.05
SHOWN_MAX: Final = 20
_BODY_BYTES_MAX: Final = 1 << 20
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class Receiver:
    """See the module. It answers at `url` between `open` and `close`, always on the same port."""

    def __init__(self) -> None:
        self.secret = ""
        self.mood: Mood = "well"
        self.taken: dict[tuple[str, int], int] = {}
        """(order, version) -> how often it was told."""
        self.wrong: list[str] = []
        """What must not be: a change after a newer one of its order, or one that is not signed."""
        self.asked: dict[Mood, int] = dict.fromkeys(MOODS, 0)
        """How often it was asked in each mood."""
        self._newest: dict[str, int] = {}
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._connections: dict[socket.socket, None] = {}
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    @property
    def changes(self) -> int:
        return len(self.taken)

    @property
    def repeats(self) -> int:
        with self._lock:
            return sum(self.taken.values()) - len(self.taken)

    def open(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                receiver._connections[self.request] = None
                super().setup()

            def handle(self) -> None:
                with suppress(ConnectionError):  # nobody waits for the answer any more
                    super().handle()

            def finish(self) -> None:
                receiver._connections.pop(self.request, None)
                with suppress(OSError):  # it was closed from outside
                    super().finish()

            def do_POST(self) -> None:
                body = self.rfile.read(min(_BODY_BYTES_MAX, int(self.headers.get("Content-Length", "0"))))
                status = receiver._answer(self.headers, body)
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Not a line for each change."""

        server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        server.daemon_threads = True
        self._port = int(server.server_address[1])
        self._server = server
        threading.Thread(target=server.serve_forever, name="drill-receiver", daemon=True).start()

    def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            for connection in list(self._connections):  # those who keep one open would still be answered
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _answer(self, headers: Any, body: bytes) -> int:
        mood = self.mood
        with self._lock:
            self.asked[mood] += 1
        if mood == "slow":
            time.sleep(SLOW_S)
        elif mood != "well":
            return 500 if mood == "failing" else 429
        message, at = str(headers.get("webhook-id", "")), str(headers.get("webhook-timestamp", "0"))
        due = signatures((Secret(self.secret),), message, int(at), body, 0)
        change = _decode(body)["data"]
        order_id, version = str(change["order_id"]), int(change["version"])
        with self._lock:
            if headers.get("webhook-signature") != due:
                self._blame(f"{message} is not signed by the secret")
            if (order_id, version) not in self.taken and version < self._newest.get(order_id, 0):
                self._blame(f"{message} came after version {self._newest[order_id]}")
            self.taken[order_id, version] = self.taken.get((order_id, version), 0) + 1
            self._newest[order_id] = max(version, self._newest.get(order_id, 0))
        return 204

    def _blame(self, why: str) -> None:
        if len(self.wrong) < SHOWN_MAX:
            self.wrong.append(why)
