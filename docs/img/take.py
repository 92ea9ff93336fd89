"""Takes the pictures of the pages: `just screenshots`. A stack of its own with a sample trade, and a Chromium.

Which order is shown is found by asking: the one with most to see. The SKU is told beside the trade, with supply and
demand over two months. Some four minutes; where the trade stands when a picture is taken is the machine's matter.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from base64 import b64decode
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import sync_playwright

from springtide.app.settings import Settings
from springtide.app.trade.generate import generate
from springtide.app.trade.load import load
from springtide.app.trade.names import sku_name
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

HERE = Path(__file__).parent
BYTES_MAX = 200_000
BEFORE_EVENTS, BESIDE_PER_S, BESIDE_S = 24_000, 60.0, 100.0
LIMIT_S = 600.0
LAG_MS_WANTED = 1_000
LANTERN = "LANTERN-00042"
WIDTH, SCALE, QUALITY = 1120, 2, 82


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("No Chromium on this machine: install one to take the pictures.")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), port=0, access="open", broker_heap_mb=256)
        with Stack(settings, 1, 1) as stack:
            stack.wait_until_ready()
            with trading(stack):
                url = stack.view_url
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                    take(browser, url)
                    browser.close()


@contextmanager
def trading(stack: Stack) -> Iterator[None]:
    """Nine days of a trade as fast as they go, and then on at a pace that the pictures show."""
    start = datetime.now(UTC) - timedelta(days=9)
    spec = TradeSpec(
        skus=400,
        customers=300,
        orders_per_hour=5.0,
        supply_late_share=0.3,
        start=start.strftime("%Y-%m-%dT06:00:00Z"),
    )
    emissions = generate(spec)
    asyncio.run(load(stack.connection, emissions, events_max=spec.opening_events + BEFORE_EVENTS))
    until(lambda: lag_ms(stack.view_url) < LAG_MS_WANTED, "the view keeps up")
    stack.kill_view()  # what it shows of the last minutes begins anew, without the rush before
    stack.wait_until_ready()
    tell_of_lanterns(stack.view_url)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    going = load(stack.connection, emissions, rate_per_s=BESIDE_PER_S, stop=stop)
    thread = threading.Thread(target=loop.run_until_complete, args=(going,), daemon=True)
    thread.start()
    time.sleep(BESIDE_S)
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)


def tell_of_lanterns(url: str) -> None:
    """Supply and demand of one SKU over two months."""
    now = datetime.fromisoformat(ask(url, f"/v1/atp/{sku_name(0)}")["now"])

    def event(name: str, source: str, subject: str, data: dict[str, Any]) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": f"{name}-{subject}-{sorted(data.items())}"[:256],
            "source": source,
            "type": f"springtide.{name}.v1",
            "subject": subject,
            "time": now.isoformat(),
            "data": data,
        }

    def day(number: int) -> str:
        return (now + timedelta(days=number)).date().isoformat()

    count = {"basis": "includes_committed"}
    told = [
        event("product.upserted", "erp", LANTERN, {"sku": LANTERN, "name": "Lantern, brass", "uom": "EA"}),
        event("inventory.counted", "wms/ber", LANTERN, {"location": "BER", "on_hand": 142, **count}),
        event("inventory.counted", "wms/ham", LANTERN, {"location": "HAM", "on_hand": 66, **count}),
        event("safety_stock.set", "erp", LANTERN, {"location": "BER", "qty": 12}),
        event("fence.set", "erp", LANTERN, {"location": "BER", "channel": "b2b", "qty": 20, "rank": 1}),
    ]
    for at, (due, units, firmness) in enumerate(
        ((6, 90, "firm"), (17, 160, "in_transit"), (30, 120, "firm"), (43, 200, "firm"))
    ):
        supply = {"supply_id": f"PO-88{at}", "location": ("BER", "HAM")[at % 2], "qty": units}
        told.append(
            event("supply.scheduled", "erp", LANTERN, {**supply, "due": day(due), "firmness": firmness})
        )
    for at, (wanted, units) in enumerate(
        ((0, 24), (3, 30), (5, 70), (10, 45), (14, 40), (21, 60), (26, 50), (35, 60), (40, 50), (50, 60))
    ):
        line = {"line_id": "1", "sku": LANTERN, "qty": units, "requested_date": day(wanted)}
        order = {
            "order_id": f"B2B-{at + 1:04d}",
            "customer_id": "C-000003",
            "channel": "b2b",
            "currency": "EUR",
        }
        told.append(event("order.placed", "oms/main", order["order_id"], {**order, "lines": [line]}))
    ask(url, "/v1/events", told)
    until(lambda: ask(url, f"/v1/atp/{LANTERN}")["committed"] >= 24, "the lanterns are there")


def take(browser: Browser, url: str) -> None:
    for name, asked, height, dark in (
        ("home", "/", 840, False),
        ("sku", f"/sku/{LANTERN}", 840, False),
        ("order", "/order/ORDER", 1000, False),
        ("kpis-dark", "/kpis?by=region", 840, True),
    ):
        # Chosen only now: while others are taken, an order may come to its end.
        path = asked.replace("ORDER", an_order(url)) if "ORDER" in asked else asked
        context = browser.new_context(
            viewport={"width": WIDTH, "height": height},
            device_scale_factor=SCALE,
            color_scheme="dark" if dark else "light",
        )
        page = context.new_page()
        until(partial(is_fresh, page, url + path), "a page is not stale")
        page.evaluate("document.activeElement.blur()")
        session = context.new_cdp_session(page)
        shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
        picture = b64decode(shot["data"])
        if len(picture) > BYTES_MAX:
            sys.exit(f"{name} has {len(picture):,} bytes, at most {BYTES_MAX:,} are wanted: lower QUALITY.")
        (HERE / f"{name}.webp").write_bytes(picture)
        print(f"{name}.webp: {path}, {len(picture):,} bytes")
        context.close()


def is_fresh(page: Page, address: str) -> bool:
    """Opens a page; whether it shows figures of this very moment."""
    page.goto(address, wait_until="networkidle")
    return "ms behind" in page.inner_text("main")


def an_order(url: str) -> str:
    """The order that is late for most causes, and still fits into the picture."""

    def much(order_id: str) -> tuple[int, int]:
        order = ask(url, f"/v1/orders/{order_id}")
        causes = {one["cause"] for one in order["delay"]["segments"] if abs(one["excess_s"]) > 3_600}
        fits = (
            len(order["delay"]["segments"]) < 6 and len(order["sentence"]) < 200 and len(order["lines"]) < 4
        )
        return fits * (len(causes) + (len(order["lines"]) > 1)), len(order["lines"])

    listed = ask(url, "/v1/orders?at_risk=true&limit=300")["orders"]
    return max((one["order_id"] for one in listed), key=much)


def lag_ms(url: str) -> int:
    return int(ask(url, "/v1/at-risk?limit=1")["freshness"]["lag_ms"])


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        with suppress(urllib.error.HTTPError):  # it may not be known yet
            if holds():
                return
        if time.monotonic() > deadline:
            sys.exit(
                f"It is waited in vain for {LIMIT_S:g} s until {what}: see that the machine is not busy."
            )
        time.sleep(0.2)


def ask(url: str, path: str, events: list[dict[str, Any]] | None = None) -> Any:
    body = None if events is None else json.dumps(events).encode()
    headers = {"Content-Type": "application/cloudevents-batch+json"}
    with urllib.request.urlopen(urllib.request.Request(url + path, body, headers), timeout=30) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
