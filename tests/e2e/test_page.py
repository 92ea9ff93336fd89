"""The first page in a real browser, as a person uses it: by mouse, by keyboard, and with hostile ids."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import expect, sync_playwright
from running import counted, placed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium on this machine: install it to run these"
)
LIMIT_MS = 30_000
expect.set_options(timeout=LIMIT_MS)
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def browser():
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
def page(browser, running):
    """An empty page that fails the test on a script's error, and on any request that leaves this machine."""
    opened = browser.new_page()
    opened.set_default_timeout(LIMIT_MS)
    errors, outside = [], []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "request", lambda asked: None if asked.url.startswith(running.url) else outside.append(asked.url)
    )
    yield opened
    opened.close()
    assert errors == []
    assert outside == []


def test_a_sku_is_found_and_stays_live(page, running):
    running.tell(counted("E2E-PAGE", 12))
    running.until("/v1/atp/E2E-PAGE", lambda body: body["on_hand"] == 12, "it is counted")
    page.goto(running.url + "/")
    page.fill("#id", "E2E-PAGE")
    page.click("button[type=submit]")
    expect(page.locator("#headline")).to_have_text("12 available")
    assert page.url.endswith("?kind=sku&id=E2E-PAGE")
    running.tell(counted("E2E-PAGE", 15))
    expect(page.locator("#headline")).to_have_text("15 available")
    assert "behind" in page.inner_text("#fresh")


def test_an_order_is_found_by_keyboard_alone(page, running):
    running.tell(counted("E2E-KEYS", 3), placed("E2E-KEYED", ("E2E-KEYS", 1)))
    running.until("/v1/orders/E2E-KEYED", lambda body: body["status"] == "ALLOCATED", "it is allocated")
    page.goto(running.url + "/")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.type("E2E-KEYED")
    page.keyboard.press("Enter")
    expect(page.locator("#headline")).to_have_text("allocated")
    assert "E2E-KEYS" in page.inner_text("#sections")


def test_an_unknown_id_says_so(page, running):
    page.goto(running.url + "/?kind=order&id=E2E-NOBODY")
    page.wait_for_selector("#problem:not([hidden])")
    assert "E2E-NOBODY" in page.inner_text("#problem")
    assert page.is_hidden("#figure")


def test_hostile_ids_are_shown_as_text(page, running):
    order = f"O{HOSTILE}"
    running.tell(counted(HOSTILE, 2, location=HOSTILE), placed(order, (HOSTILE, 1), channel=HOSTILE))
    page.goto(running.url + "/")
    for kind, identity in (("sku", HOSTILE), ("order", order)):
        page.check(f"input[value={kind}]")
        page.fill("#id", identity)
        page.press("#id", "Enter")
        expect(page.locator("#figure-title")).to_have_text(identity)
        page.wait_for_selector("#figure:not([hidden])")
        assert page.locator("main img").count() == 0
        assert HOSTILE in page.inner_text("#sections") + page.inner_text("#figure-title")
        assert page.title() != "1"


def test_it_fits_a_phone_and_the_dark(browser, running):
    running.tell(counted("E2E-PHONE", 4))
    running.until("/v1/atp/E2E-PHONE", lambda body: body["on_hand"] == 4, "it is counted")
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark")
    opened = context.new_page()
    opened.goto(running.url + "/?kind=sku&id=E2E-PHONE")
    expect(opened.locator("#headline")).to_have_text("4 available")
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    background = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    red, green, blue = (int(part) for part in background.removeprefix("rgb(").removesuffix(")").split(","))
    assert red + green + blue < 200
    context.close()
