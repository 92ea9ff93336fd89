"""A storefront: asks what can be promised, holds a cart's units, promises the basket, and follows changes.

    python3 examples/storefront.py [http://127.0.0.1:8080]

Nothing but the standard library is needed; where the API asks for a key, it is taken from KEY. A SKU of its own is
put on stock first, as a warehouse would, so that the figures are the same whenever this runs.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

TRIES_MAX = 6
LIMIT_S = 60.0
TTL_S = 30 * 86_400
"""Ten minutes would do for a cart, but a demo's time runs up to 5,000 times as fast as the clock."""


class Refused(Exception):  # noqa: N818 - a verdict
    """The API's problem (RFC 9457): `type` is for programs, `detail` for people."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem["detail"])
        self.problem = problem
        self.kind = problem["type"].rpartition(":")[2]


class Springtide:
    """The calls that a storefront needs. `etags` keeps what was answered, so that the same is not sent twice."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}
        self.etags: dict[str, tuple[str, dict[str, Any]]] = {}

    def ask(self, path: str, body: Any = None, **more: str) -> dict[str, Any]:
        """A GET, or with a body a POST. What says "later" (429, 503, 504) is asked again after `Retry-After`, so
        what is posted has to have a name: a hold its hold_id, a promise its Idempotency-Key."""
        headers = self.headers | {name.replace("_", "-"): value for name, value in more.items()}
        headers.setdefault("Content-Type", "application/json")
        if body is None and path in self.etags:
            headers["If-None-Match"] = self.etags[path][0]
        for attempt in range(TRIES_MAX):
            request = urllib.request.Request(
                self.url + path, None if body is None else json.dumps(body).encode(), headers
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    found: dict[str, Any] = json.load(answer)
                    if "ETag" in answer.headers:
                        self.etags[path] = (answer.headers["ETag"], found)
                    return found
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 304:
                        return self.etags[path][1]
                    problem = json.load(error)
                if error.code not in (429, 503, 504) or attempt + 1 == TRIES_MAX:
                    raise Refused(problem) from None
                time.sleep(float(error.headers.get("Retry-After", "1")))
        raise AssertionError

    def follow(self, sku: str, last_event_id: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """(event id, figures) at once and then with each change. Who comes back with the last id goes on there."""
        headers = self.headers | ({"Last-Event-ID": last_event_id} if last_event_id else {})
        request = urllib.request.Request(f"{self.url}/v1/stream/atp?sku={sku}", headers=headers)
        with urllib.request.urlopen(request, timeout=LIMIT_S) as stream:
            event_id, kind = "", "message"
            for raw in stream:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "id":
                    event_id = value
                elif name == "event":
                    kind = value
                elif name == "data" and kind == "message":
                    yield event_id, json.loads(value)
                elif not name:
                    kind = "message"


def main(url: str) -> None:
    shop = Springtide(url, os.environ.get("KEY"))
    sku = f"TEAPOT-{uuid.uuid4().hex[:8]}"
    position = count(shop, sku, 10)

    figures = shop.ask(f"/v1/atp/{sku}?qty=3&min_position={position}")
    print(f"{sku}: {figures['available']} available, 3 of them by {figures['earliest']['date']}")

    items = [{"sku": sku, "location": "BER"}, {"sku": "LAMP-00001"}, {"sku": "TYPO"}]
    for item in shop.ask("/v1/atp:batch", {"items": items})["items"]:
        print("  in a batch:", item.get("available", item.get("title")))

    cart = f"cart-{sku}"
    hold = shop.ask("/v1/holds", {"sku": sku, "qty": 2, "ttl_s": TTL_S, "owner": cart, "hold_id": cart})
    print(f"held: {hold['qty']} until {hold['expires_at'][:16]}, {hold['state']}")
    try:
        shop.ask(
            "/v1/holds",
            {"sku": sku, "qty": 9, "ttl_s": TTL_S, "owner": "another cart", "hold_id": cart + "-2"},
        )
    except Refused as refused:
        print(f"refused: {refused.kind}, {refused.problem['left']} left")

    basket = {"channel": "web", "lines": [{"line_id": "1", "sku": sku, "qty": 4}]}
    promises = [shop.ask("/v1/promises", basket, Idempotency_Key=cart) for _ in range(2)]
    print(f"promised: {promises[0]['outcome']}; asked twice, the same: {promises[0] == promises[1]}")

    # The stream's first event is how it stands; the change comes while we listen.
    changes = shop.follow(sku)
    _, first = next(changes)
    threading.Thread(target=count, args=(shop, sku, 20), daemon=True).start()
    last = next(figures for _, figures in changes if figures["on_hand"] == 20)
    print(f"live: on hand {first['on_hand']} -> {last['on_hand']}, available {last['available']}")


def count(shop: Springtide, sku: str, units: int) -> str:
    """Tells what a warehouse has counted; the position to read it at."""
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "wms/ber",
        "type": "springtide.inventory.counted.v1",
        "subject": sku,
        "time": datetime.now(UTC).isoformat(),
        "data": {"location": "BER", "on_hand": units, "basis": "includes_committed"},
    }
    return str(shop.ask("/v1/events", event, Content_Type="application/cloudevents+json")["position"])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080")
