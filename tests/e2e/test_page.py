"""The pages over a Springtide that runs, as a person uses them: found, live, and with hostile names."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.sync_api import expect
from running import counted, placed

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def page(opened, running):
    return opened(running.url)


def test_a_sku_is_found_and_stays_live(page, running):
    running.tell(counted("E2E-PAGE", 12))
    running.until("/v1/atp/E2E-PAGE", lambda body: body["on_hand"] == 12, "it is counted")
    page.goto(running.url + "/")
    page.fill("#q", "E2E-PAGE")
    page.press("#q", "Enter")
    page.wait_for_url("**/sku/E2E-PAGE")
    expect(page.locator(".headline")).to_contain_text("12 available now")
    running.tell(counted("E2E-PAGE", 15))
    expect(page.locator(".headline")).to_contain_text("15 available now")
    assert "behind" in page.inner_text("#fresh")


def test_an_order_is_found_by_keyboard_alone(page, running):
    running.tell(counted("E2E-KEYS", 3), placed("E2E-KEYED", ("E2E-KEYS", 1)))
    running.until("/v1/orders/E2E-KEYED", lambda body: body["status"] == "ALLOCATED", "it is allocated")
    page.goto(running.url + "/")
    page.keyboard.type("E2E-KEYED")
    page.keyboard.press("Enter")
    page.wait_for_url("**/order/E2E-KEYED")
    expect(page.locator(".headline")).to_contain_text("Allocated")
    expect(page.locator("#sentence")).to_contain_text("The item is set aside")
    assert "E2E-KEYS" in page.inner_text("main")


def test_an_unknown_name_says_so_and_the_page_comes_when_it_is_known(page, running):
    page.goto(running.url + "/find?q=E2E-NOBODY")
    expect(page.locator("main")).to_contain_text("No order and no SKU is called E2E-NOBODY")
    page.goto(running.url + "/sku/E2E-SOON")
    expect(page.locator("#problem")).to_have_text("Unknown SKU")
    running.tell(counted("E2E-SOON", 2))
    expect(page.locator(".headline")).to_contain_text("2 available now")


def test_hostile_names_are_shown_as_text(page, running):
    order = f"O{HOSTILE}"
    running.tell(counted(HOSTILE, 2, location=HOSTILE), placed(order, (HOSTILE, 1), channel=HOSTILE))
    running.until(
        f"/v1/orders/{quote(order, safe='')}", lambda body: body["status"] == "ALLOCATED", "it is allocated"
    )
    for name in (HOSTILE, order):
        page.goto(running.url + "/")
        page.fill("#q", name)
        page.press("#q", "Enter")
        expect(page.locator("h1")).to_have_text(name)
        assert page.locator("img").count() == 0
        assert HOSTILE in page.inner_text("#live")


@pytest.mark.parametrize("path", ["/", "/orders", "/exceptions", "/kpis", "/kpis?by=process", "/system"])
def test_each_page_stands_on_the_answers_there_are(page, running, path):
    running.tell(counted("E2E-EACH", 3), placed("E2E-EACH-1", ("E2E-EACH", 1)))
    running.until("/v1/orders/E2E-EACH-1", lambda body: body["status"] == "ALLOCATED", "it is allocated")
    response = page.goto(running.url + path)
    assert response.status == 200
    assert "not answered by this version" not in page.inner_text("main")


def test_it_fits_a_phone_and_the_dark(opened, running):
    running.tell(counted("E2E-PHONE", 4))
    running.until("/v1/atp/E2E-PHONE", lambda body: body["on_hand"] == 4, "it is counted")
    page = opened(running.url, viewport={"width": 320, "height": 640}, color_scheme="dark")
    page.goto(running.url + "/sku/E2E-PHONE")
    expect(page.locator(".headline")).to_contain_text("4 available now")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
