"""A CRM that is told each status change: receives, verifies, counts once, upserts by external id, and asks for more.

    python3 examples/crm.py [http://127.0.0.1:8080] [--port 9010]

It subscribes for one order, lets that order go its way, and prints what it was told; then has it told again, which
changes nothing here; and leaves no subscription behind. Standard library only; KEY holds the API key, if one is asked
for. `examples/receiver.py` is a receiver to run by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from receiver import is_signed

LIMIT_S = 60.0
BODY_BYTES_MAX = 1 << 20


class Orders:
    """The CRM's table of orders, by external id. In a real one `seen` and `rows` change in one transaction."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: set[str] = set()
        self.rows: dict[str, dict[str, Any]] = {}
        self.history: list[str] = []
        self.again = 0

    def upsert(self, message_id: str, change: dict[str, Any]) -> None:
        with self.lock:
            if message_id in self.seen:  # told at least once: the second time counts nothing
                self.again += 1
                return
            self.seen.add(message_id)
            row = self.rows.setdefault(change["order_id"], {"Version__c": 0})
            if change["version"] > row["Version__c"]:
                row |= {"Status__c": change["status"], "Version__c": change["version"]}
            self.history.append(change["status"])


def receiver(port: int, secret: Callable[[], str], orders: Orders) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            if length > BODY_BYTES_MAX:
                self.answer(413)
                return
            body = self.rfile.read(length)
            headers = {name.lower(): value for name, value in self.headers.items()}
            if not is_signed([secret()], headers, body, time.time()):
                self.answer(401)
                return
            orders.upsert(headers["webhook-id"], json.loads(body)["data"])
            self.answer(204)  # only now: what is answered with 2xx is not told again

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """One line a request is too much."""

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def ask(url: str, method: str = "GET", body: Any = None, content_type: str = "application/json") -> Any:
    headers = {"Content-Type": content_type}
    if key := os.environ.get("KEY"):
        headers["Authorization"] = f"Bearer {key}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{method} {url}: {error.code} {error.read().decode()}") from None


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {LIMIT_S:g} s")
        time.sleep(0.05)


def order_told(order_id: str, sku: str) -> list[dict[str, Any]]:
    """What OMS and WMS say of an order that ships in full."""
    now = datetime.now(UTC)
    line = {"line_id": "1", "sku": sku, "qty": 1}
    shipped = {"shipment_id": f"SH-{order_id}", "location": "BER", "lines": [line]}
    placed = {
        "order_id": order_id,
        "customer_id": "C-7",
        "channel": order_id,
        "currency": "EUR",
        "lines": [line],
    }
    told = [
        (
            "wms/ber",
            "inventory.counted",
            sku,
            {"location": "BER", "on_hand": 5, "basis": "includes_committed"},
        ),
        ("oms", "order.placed", order_id, placed),
        ("oms", "order.confirmed", order_id, {}),
        *(
            ("wms/ber", f"shipment.{step}", order_id, shipped)
            for step in ("released", "picked", "packed", "shipped")
        ),
    ]
    return [
        {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "source": source,
            "type": f"springtide.{name}.v1",
            "subject": subject,
            "time": (now + timedelta(milliseconds=at)).isoformat(),
            "data": data,
        }
        for at, (source, name, subject, data) in enumerate(told)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--port", type=int, default=9010)
    arguments = parser.parse_args()
    url = arguments.url.rstrip("/")
    orders, secrets = Orders(), [""]
    order_id = f"CRM-{uuid.uuid4().hex[:8]}"
    with receiver(arguments.port, lambda: secrets[0], orders) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        hook = f"http://127.0.0.1:{server.server_address[1]}/hook"
        # A channel of its own, so that it is told of its own order alone.
        made = ask(f"{url}/v1/subscriptions", "POST", {"url": hook, "filter": {"channel": [order_id]}})
        secrets[0] = made["secret"]
        try:
            events = order_told(order_id, f"MUG-{order_id}")
            ask(f"{url}/v1/events", "POST", events, "application/cloudevents-batch+json")
            until(lambda: "SHIPPED" in orders.history, "the order's way is told")
            print("told in order:", " -> ".join(dict.fromkeys(orders.history)))
            print("row:", orders.rows[order_id]["Status__c"])

            told = len(orders.seen)
            ask(f"{url}/v1/subscriptions/{made['id']}:replay?order_id={order_id}", "POST", {})
            until(lambda: orders.again >= told, "it is told again")
            print(
                f"told again: {orders.again} changes; counted once each: {len(orders.history) == len(orders.seen)}"
            )
        finally:
            ask(f"{url}/v1/subscriptions/{made['id']}", "DELETE")
            server.shutdown()


if __name__ == "__main__":
    main()
