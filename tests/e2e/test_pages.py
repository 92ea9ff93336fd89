"""Each page in a real browser, on example answers: drawn, live, by keyboard, in the dark, on a phone, without
JavaScript, and with hostile text in every field."""

from __future__ import annotations

import re

import pytest
from page_bodies import PageServer, answers, kettle, late_order
from playwright.sync_api import expect

PAGES = (
    "/",
    "/sku/KETTLE-7?qty=150",
    "/order/SO1-000042",
    "/orders",
    "/exceptions?open=shipments%2F0%2F17",
    "/exceptions?many=replay&source=wms%2Fber",
    "/kpis",
    "/push",
    "/push/sub_1",
    "/system",
    "/find?q=nobody",
)
DRAWN = {"/sku/KETTLE-7?qty=150": 1, "/kpis": 4}
HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(2)</script>"
CONTRAST_MIN = 4.5

# Every text that is seen, its colour over the first ground below it that is not clear: those of too little contrast.
PALE = """(least) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (color, below) => {
    canvas.fillStyle = `rgb(${below.join(" ")})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    const below = element.parentElement ? ground(element.parentElement) : [255, 255, 255];
    return rgba(getComputedStyle(element).backgroundColor, below);
  };
  const pale = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest(".unseen, option, .uplot")) continue;
    const below = ground(element);
    const [a, b] = [luminance(rgba(getComputedStyle(element).color, below)), luminance(below)].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least) pale.push(`${texts.currentNode.data.trim().slice(0, 40)}: ${contrast.toFixed(2)}`);
  }
  return pale;
}"""

# Whether the next update that is due is kept back.
KEPT_BACK = """new Promise((told) => document.addEventListener(
  "htmx:beforeRequest", (event) => setTimeout(() => told(event.defaultPrevented)), { once: true }))"""


@pytest.fixture
def bodies():
    return answers()


@pytest.fixture
def server(bodies):
    with PageServer(bodies) as running:
        yield running


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_shown_and_drawn(server, opened, path):
    page = opened(server.url)
    page.goto(server.url + path)
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".plot canvas")).to_have_count(DRAWN.get(path, page.locator(".plot").count()))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_all_text_can_be_read_by_day_and_by_night(server, opened, path, scheme):
    page = opened(server.url, color_scheme=scheme)
    page.goto(server.url + path)
    assert page.evaluate(PALE, CONTRAST_MIN) == []
    red, green, blue = page.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (red + green + blue < 200) == (scheme == "dark")


@pytest.mark.parametrize("path", PAGES)
def test_each_page_fits_the_narrowest_phone(server, opened, path):
    page = opened(server.url, viewport={"width": 320, "height": 640})
    page.goto(server.url + path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_in_every_field_stays_text(server, bodies, opened, path):
    for name in list(bodies):
        bodies[name] = hostile(bodies[name])
    page = opened(server.url)
    page.goto(server.url + path)
    expect(page.locator("h1")).to_be_visible()
    assert page.locator("img").count() == 0
    assert page.locator("script:not([src])").count() == 0


def hostile(value):
    if isinstance(value, dict):
        return {name: hostile(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [hostile(inner) for inner in value]
    return HOSTILE if isinstance(value, str) else value


def test_a_figure_stays_live_and_nothing_a_reader_did_is_undone(server, bodies, opened):
    page = opened(server.url)
    page.goto(server.url + "/sku/KETTLE-7")
    page.click("summary")
    page.focus("a[href='/sku/KETTLE-7?location=HAM']")
    bodies["/v1/atp/KETTLE-7"] = kettle(available_now=-4)
    expect(page.locator(".headline")).to_contain_text("4 short")
    assert page.evaluate("document.querySelector('details').open")
    assert page.evaluate("document.activeElement.textContent") == "HAM"
    expect(page.locator(".plot canvas")).to_have_count(1)


def test_a_plot_follows_the_figures(server, bodies, opened):
    page = opened(server.url)
    page.goto(server.url + "/sku/KETTLE-7")
    page.wait_for_selector(".plot canvas")
    page.evaluate("window.first = document.querySelector('.plot canvas')")
    body = kettle()
    body["curve"] = [point | {"atp": 7} for point in body["curve"]]
    bodies["/v1/atp/KETTLE-7"] = body
    expect(page.locator(".plot")).to_have_attribute("data-plot", re.compile(r'"values":\[7,7'))
    assert page.evaluate("window.first === document.querySelector('.plot canvas')")


def test_what_is_typed_is_not_overwritten(server, bodies, opened):
    page = opened(server.url)
    page.goto(server.url + "/sku/KETTLE-7")
    page.fill("#ask-qty", "12")
    page.click("h1")
    bodies["/v1/atp/KETTLE-7"] = kettle(available_now=5)
    expect(page.locator(".headline")).to_contain_text("5 available")
    expect(page.locator("#ask-qty")).to_have_value("12")


def test_updates_can_be_paused(server, bodies, opened):
    page = opened(server.url)
    page.goto(server.url + "/order/SO1-000042")
    page.click("#pause")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    bodies["/v1/orders/SO1-000042"] = late_order(status="CLOSED")
    assert page.evaluate(KEPT_BACK)
    expect(page.locator(".headline")).to_contain_text("Delivered")
    page.click("#pause")
    expect(page.locator(".headline")).to_contain_text("Closed")


def test_a_server_that_is_gone_is_said_to_be(opened):
    with PageServer(answers()) as server:
        page = opened(server.url)
        page.goto(server.url + "/sku/KETTLE-7")
        expect(page.locator(".headline")).to_contain_text("41 available")
    expect(page.locator("#trouble")).to_contain_text("does not answer")
    expect(page.locator(".headline")).to_contain_text("41 available")


def test_everything_is_reached_by_keyboard(server, opened):
    page = opened(server.url)
    page.goto(server.url + "/orders")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "status"
    page.keyboard.type("Back")
    for _ in range(5):
        page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**/orders?status=BACKORDERED&**")
    assert "at_risk=true" in page.url
    assert server.asked[-1] == "/v1/orders?status=BACKORDERED&at_risk=true"
    page.keyboard.press("Shift+Tab")
    reached = set()
    for _ in range(90):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none" or page.evaluate("document.activeElement === document.body")
    assert {"Home", "Exceptions", "Find", "SO1-000001", "SO1-000020", "Next page"} <= reached


def test_a_search_by_keyboard_alone(server, opened):
    page = opened(server.url)
    page.goto(server.url + "/")
    page.keyboard.type("SO1-000042")
    page.keyboard.press("Enter")
    page.wait_for_url("**/order/SO1-000042")
    expect(page.locator("#sentence")).to_contain_text("All 3 items were delivered on Sunday 15 March.")


@pytest.mark.parametrize("path", PAGES)
def test_each_page_says_the_same_without_javascript(server, opened, path):
    page = opened(server.url, java_script_enabled=False)
    page.goto(server.url + path)
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator("#pause")).to_be_hidden()
    if page.locator("details").count():
        page.locator("summary").first.click()
        expect(page.locator("details").first.locator("table, ol, form").first).to_be_visible()


def test_a_search_and_a_filter_without_javascript(server, opened):
    page = opened(server.url, java_script_enabled=False)
    page.goto(server.url + "/")
    page.fill("#q", "KETTLE-7")
    page.press("#q", "Enter")
    expect(page.locator(".headline")).to_contain_text("41 available now")
    page.goto(server.url + "/orders")
    page.select_option("select[name=cause]", "weather")
    page.click(".filters button")
    assert "cause=weather" in page.url
