"""One running Springtide for the end-to-end tests: broker, worker and view as processes; and one Chromium."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect, sync_playwright
from running import Running

from springtide.app.settings import Settings
from springtide.app.trade.generate import generate
from springtide.app.trade.load import load
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIMIT_MS = 30_000
expect.set_options(timeout=LIMIT_MS)


@pytest.fixture(scope="module")
def browser():
    """A Chromium without a window; the tests that need it are skipped where there is none.

    Not of the session: its driver keeps an event loop in this thread, and the stack starts with one of its own.
    """
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install it to run these")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture
def opened(browser):
    """Opens an empty page for one origin: `opened(url, **context)`. At the end the test fails on a script's
    error, on what the page's policy forbade, and on any request that left the origin."""
    contexts, wrong = [], []

    def open_page(url, **given):
        context = browser.new_context(**given)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(LIMIT_MS)
        page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on(
            "console",
            lambda said: wrong.append(f"console: {said.text}") if "Content Security" in said.text else None,
        )
        page.on(
            "request", lambda asked: None if asked.url.startswith(url) else wrong.append(f"asked {asked.url}")
        )
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def settings_in(folder, **more):
    """Small, open to whoever asks, on free ports."""
    small = {"ingress_partitions": 2, "inbox_partitions": 2, "broker_heap_mb": 256}
    return Settings(data_dir=folder, port=0, access="open", **small, **more)


@pytest.fixture(scope="session")
def running(tmp_path_factory):
    with Stack(settings_in(tmp_path_factory.mktemp("springtide")), 1, 1) as stack:
        stack.wait_until_ready()
        yield Running(stack)


@pytest.fixture(scope="module")
def trading(tmp_path_factory):
    """What `springtide demo` gives a newcomer, in small: a sample trade that began now, with its exceptions, and
    webhooks to this machine. Its own, since the trade moves time on for all."""
    settings = settings_in(tmp_path_factory.mktemp("trading"), push_allow_inside=True)
    start = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    trade = TradeSpec(skus=60, customers=50, orders=150, start=start, broken_share=0.02)
    with Stack(settings, 1, 1, pushes=1) as stack:
        stack.wait_until_ready()
        loaded = asyncio.run(load(stack.connection, generate(trade), events_max=trade.opening_events + 2_000))
        running = Running(stack)
        running.until("/v1/orders/SO1-000001", lambda order: order["version"] > 3, "the trade is not applied")
        assert loaded.events > 2_000
        yield running
