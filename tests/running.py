"""How end-to-end tests talk to a running Springtide, and the events they tell it."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from aiokafka import AIOKafkaProducer

from springtide.codecs.records import partition_for

LIMIT_S = 60.0


class Running:
    """A stack and how to talk to it; `headers` go with each request."""

    def __init__(self, stack, headers=None):
        self.stack = stack
        self.url = stack.view_url
        self._headers = headers or {}

    def get(self, path):
        """(status, body) of a GET."""
        return self._ask(urllib.request.Request(self.url + path, headers=self._headers))

    def post(self, body, content_type="application/cloudevents+json", path="/v1/events"):
        """(status, body) of a POST of bytes."""
        return self._ask(
            urllib.request.Request(
                self.url + path, data=body, headers={"Content-Type": content_type} | self._headers
            )
        )

    def tell(self, *events):
        """Posts events that must be taken; answers the position token."""
        status, body = self.post(json.dumps(list(events)).encode(), "application/cloudevents-batch+json")
        assert status == 202, body
        return body["position"]

    def refused(self, topic, key, value):
        """Writes what will be refused past the API, as any producer may; the id of its dead letter, once it is
        listed."""
        raw = value if isinstance(value, bytes) else json.dumps(value).encode()
        number = partition_for(key.encode(), self.stack.settings.ingress_partitions)

        async def put():
            producer = AIOKafkaProducer(bootstrap_servers=self.stack.bootstrap)
            await producer.start()
            try:
                return await producer.send_and_wait(topic, raw, key.encode(), partition=number)
            finally:
                await producer.stop()

        with ThreadPoolExecutor(1) as apart:  # a browser's driver has an event loop in this thread
            told = apart.submit(asyncio.run, put()).result()
        name = f"{topic}/{number}/{told.offset}"
        query = urlencode({"id": name, "state": "all"})
        self.until(f"/v1/exceptions?{query}", lambda body: body["exceptions"], f"{name} is refused")
        return name

    def until(self, path, holds, what):
        """The body of a GET once `holds` of it."""
        deadline = time.monotonic() + LIMIT_S
        while True:
            status, body = self.get(path)
            if status == 200 and holds(body):
                return body
            assert time.monotonic() < deadline, f"{what}; last {status}: {body}"
            time.sleep(0.02)

    def _ask(self, request):
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())


_ids = iter(range(1_000_000))


def event(kind, subject, data, source="oms/main", time_="2026-03-02T06:00:00Z", **attributes):
    """One CloudEvent as a dict, with an id of its own."""
    return {
        "specversion": "1.0",
        "id": f"e2e-{next(_ids)}",
        "source": source,
        "type": f"springtide.{kind}.v1",
        "subject": subject,
        "time": time_,
        "data": data,
    } | attributes


def counted(sku, on_hand, location="BER"):
    return event(
        "inventory.counted",
        sku,
        {"location": location, "on_hand": on_hand, "basis": "includes_committed"},
        source="wms/ber",
    )


def placed(order_id, *lines, **more):
    """Lines are (sku, qty)."""
    return event(
        "order.placed",
        order_id,
        {
            "order_id": order_id,
            "customer_id": "C-1",
            "channel": "web",
            "currency": "EUR",
            "lines": [{"line_id": str(n), "sku": sku, "qty": qty} for n, (sku, qty) in enumerate(lines, 1)],
        }
        | more,
    )
