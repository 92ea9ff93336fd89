"""A receiver of status changes: verifies signatures, counts each change once, and proves order.

    SECRET=whsec_... python examples/receiver.py --port 9000

It answers 204 to what it takes, 401 to what is not signed by the secret, and `GET /` tells what it has seen:
orders, changes, repeats (told again, counted once), and `out_of_order`, which must stay empty. Nothing but
the standard library is needed; a real receiver keeps `seen` where its data is, in the same transaction.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import threading
import time
from base64 import b64decode, b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_S = 300
BODY_BYTES_MAX = 1 << 20


def is_signed(secrets: list[str], headers: dict[str, str], body: bytes, now_s: float) -> bool:
    """Whether one of the signatures is by one of the secrets, and is no older than TOLERANCE_S."""
    message_id, at, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    if not at.isdigit() or abs(now_s - int(at)) > TOLERANCE_S:
        return False
    signed = f"{message_id}.{at}.".encode() + body
    for secret in secrets:
        key = b64decode(secret.removeprefix("whsec_"))
        mine = "v1," + b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        if any(hmac.compare_digest(mine.encode(), one.encode()) for one in given.split()):
            return True
    return False


class Book:
    """What was received. A change is known by its id; the versions of an order only rise."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: dict[str, int] = {}
        self.version: dict[str, int] = {}
        self.status: dict[str, str] = {}
        self.repeats = 0
        self.out_of_order: list[str] = []

    def take(self, message_id: str, change: dict[str, object], *, replay: bool) -> None:
        order_id, version = str(change["order_id"]), int(str(change["version"]))
        with self.lock:
            if message_id in self.seen:
                self.repeats += 1
                return
            self.seen[message_id] = version
            if version < self.version.get(order_id, 0):
                if not replay:
                    self.out_of_order.append(message_id)
                return  # an older change never overwrites a newer one
            self.version[order_id] = version
            self.status[order_id] = str(change["status"])

    def told(self) -> dict[str, object]:
        with self.lock:
            return {
                "orders": len(self.version),
                "changes": len(self.seen),
                "repeats": self.repeats,
                "out_of_order": self.out_of_order[:100],
                "versions": dict(self.version),
            }


def server(port: int, secrets: list[str], book: Book) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            if length > BODY_BYTES_MAX:
                self.answer(413, b"")
                return
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not is_signed(secrets, headers, body, time.time()):
                self.answer(401, b"")
                return
            event = json.loads(body)
            book.take(headers["webhook-id"], event["data"], replay="springtide-replay" in headers)
            self.answer(204, b"")

        def do_GET(self) -> None:
            self.answer(200, json.dumps(book.told()).encode())

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """One line a request is too much."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=9000)
    arguments = parser.parse_args()
    secrets = os.environ["SECRET"].split()
    with server(arguments.port, secrets, Book()) as one:
        print(f"listening on http://127.0.0.1:{one.server_address[1]}", flush=True)
        one.serve_forever()


if __name__ == "__main__":
    main()
