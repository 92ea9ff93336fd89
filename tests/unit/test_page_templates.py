"""The pages as HTML: whole, escaped, small, told what is unchanged, and honest about what is not there."""

from html.parser import HTMLParser

import aiohttp
import pytest
from page_bodies import PageServer, answers, dead_letter, kettle, late_order, listed, standing

PAGES = (
    "/",
    "/sku/KETTLE-7",
    "/sku/KETTLE-7?qty=150",
    "/order/SO1-000042",
    "/orders",
    "/orders?status=SHIPPED&at_risk=true",
    "/exceptions",
    "/exceptions?open=shipments%2F0%2F17",
    "/exceptions?many=discard",
    "/kpis",
    "/kpis?by=channel",
    "/kpis?by=process",
    "/push",
    "/push/sub_1",
    "/system",
    "/find?q=nobody",
)
HOSTILE = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>&amp;\u202e"
BYTES_MAX = 200_000


class Page(HTMLParser):
    """Tags with their attributes, ids, and what a label is for."""

    VOID = frozenset(("meta", "link", "input", "img", "br", "rect", "path"))

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.open = []
        self.text = text
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), list(self.open)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), list(self.open)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def all(self, tag):
        return [attrs for name, attrs, _ in self.tags if name == tag]

    def with_attribute(self, name):
        return [attrs[name] for _, attrs, _ in self.tags if name in attrs]


@pytest.fixture
def bodies():
    return answers()


@pytest.fixture
def server(bodies):
    with PageServer(bodies) as running:
        yield running


async def get(server, path, **headers):
    """(response, text), redirects left alone."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url + path, headers=headers, allow_redirects=False) as response,
    ):
        return response, await response.text()


async def weight(server, path):
    """Bytes of a page with all that it loads, not compressed."""
    _, text = await get(server, path)
    page = Page(text)
    size = len(text.encode())
    for link in [*page.with_attribute("src"), *(a["href"] for a in page.all("link"))]:
        asset, body = await get(server, link)
        assert asset.status == 200
        assert "immutable" in asset.headers["Cache-Control"]
        size += len(body.encode())
    return size


def hostile(value):
    """The same body with every text in it hostile, but those that are read as figures."""
    if isinstance(value, dict):
        return {(HOSTILE if k == "BER" else k): hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(v) for v in value]
    return HOSTILE if isinstance(value, str) else value


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_whole_and_small_and_asks_nobody_else(server, path):
    response, text = await get(server, path)
    assert response.status == (404 if path.startswith("/find") else 200)
    page = Page(text)
    assert page.open == []
    ids = page.with_attribute("id")
    assert len(ids) == len(set(ids)), "an id is given twice"
    assert not page.with_attribute("style")
    assert not [name for _, attrs, _ in page.tags for name in attrs if name.startswith("on")]
    assert all(attrs.get("src") for attrs in page.all("script")), "a script within the page"
    links = [*page.with_attribute("href"), *page.with_attribute("src"), *page.with_attribute("action")]
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
    assert await weight(server, path) < BYTES_MAX


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_can_be_used_without_seeing_it(server, path):
    _, text = await get(server, path)
    page = Page(text)
    assert len(page.all("h1")) == len(page.all("main")) == 1
    labelled = {attrs.get("for") for attrs in page.all("label")}
    for tag, attrs, above in page.tags:
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            assert "label" in above or attrs.get("id") in labelled, f"{attrs} has no label"
        if tag == "th":
            assert attrs.get("scope") in ("col", "row")
        if attrs.get("role") in ("region", "group") or tag == "nav":
            assert attrs.get("aria-label")
        if tag == "section":
            assert attrs.get("aria-labelledby") in page.with_attribute("id")
        if tag == "svg":
            assert attrs.get("aria-hidden") == "true"
        if "data-plot" in attrs:
            assert attrs["role"] == "img"
            assert attrs["aria-label"]
    assert page.all("html")[0]["lang"] == "en"
    assert page.all("a")[0] == {"class": "skip", "href": "#main"}


@pytest.mark.parametrize("path", PAGES)
async def test_text_of_events_is_text_wherever_it_stands(server, bodies, path):
    calm = Page((await get(server, path))[1])
    for name in list(bodies):
        bodies[name] = hostile(bodies[name])
    _, text = await get(server, path)
    page = Page(text)
    assert "<img" not in text
    assert "alert(1)</script>" not in text
    assert page.all("script") == calm.all("script")
    links = [*page.with_attribute("href"), *page.with_attribute("action"), *page.with_attribute("hx-get")]
    assert all(link.startswith(("/", "#")) and "<" not in link for link in links)


async def test_a_hostile_name_is_shown_as_it_is(server, bodies):
    name = "<b>K</b>"
    bodies["/v1/atp/<b>K</b>"] = kettle(sku=name)
    response, text = await get(server, "/sku/%3Cb%3EK%3C%2Fb%3E")
    assert response.status == 200
    assert '<h1 class="id">&lt;b&gt;K&lt;/b&gt;</h1>' in text
    assert "/v1/atp/%3Cb%3EK%3C%2Fb%3E" in server.asked


async def test_nothing_may_run_but_what_the_package_brings(server):
    for path in PAGES:
        response, _ = await get(server, path)
        policy = response.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert response.headers["Referrer-Policy"] == "same-origin"


async def test_a_live_part_is_sent_only_when_it_has_changed(server, bodies):
    first, whole = await get(server, "/sku/KETTLE-7")
    tag = first.headers["Springtide-Tag"]
    asks = {"HX-Request": "true", "Springtide-Have": tag}
    again, nothing = await get(server, "/sku/KETTLE-7", **asks)
    assert (again.status, nothing) == (304, "")
    assert again.headers["Springtide-Fresh"] == "12 ms behind, as of 2 Mar 2026 06:00 UTC"
    bodies["/v1/atp/KETTLE-7"] = kettle(available_now=40)
    changed, part = await get(server, "/sku/KETTLE-7", **asks)
    assert changed.status == 200
    assert changed.headers["Springtide-Tag"] != tag
    assert "<b>40</b>" in part
    assert "<html" not in part
    assert "<html" in whole


async def test_a_page_that_has_become_another_is_loaded_anew(server, bodies):
    body = bodies.pop("/v1/atp/KETTLE-7")
    gone, text = await get(server, "/sku/KETTLE-7")
    assert gone.status == 404
    assert 'data-page="problem"' in text
    bodies["/v1/atp/KETTLE-7"] = body
    asks = {"HX-Request": "true", "Springtide-Page": "problem"}
    response, _ = await get(server, "/sku/KETTLE-7", **asks)
    assert response.headers["HX-Refresh"] == "true"


async def test_what_is_searched_is_found_or_said_to_be_unknown(server, bodies):
    for wanted, there in (("KETTLE-7", "/sku/KETTLE-7"), ("SO1-000042", "/order/SO1-000042"), ("", "/")):
        response, _ = await get(server, f"/find?q={wanted}")
        assert (response.status, response.headers["Location"]) == (303, there)
    bodies["/v1/atp/SO1-000042"] = kettle()
    response, text = await get(server, "/find?q=SO1-000042")
    assert response.status == 200
    assert 'href="/sku/SO1-000042"' in text
    assert 'href="/order/SO1-000042"' in text


async def test_filters_stand_in_the_address_and_lead_on(server):
    _, text = await get(server, "/orders?status=BACKORDERED&region=DE-BE&customer=&at_risk=true")
    assert server.asked[-1] == "/v1/orders?status=BACKORDERED&region=DE-BE&at_risk=true"
    page = Page(text)
    chosen = [a["value"] for a in page.all("option") if "selected" in a]
    assert chosen == ["BACKORDERED"]
    assert "/orders?status=BACKORDERED&region=DE-BE&at_risk=true&cursor=NEXT" in page.with_attribute("href")


async def test_a_question_about_a_quantity_is_passed_on(server):
    await get(server, "/sku/KETTLE-7?qty=150&by=2026-03-09&location=&channel=web")
    assert "/v1/atp/KETTLE-7?channel=web&qty=150&by=2026-03-09" in server.asked


async def test_a_channels_own_figure_is_asked_for_where_it_has_a_fence(server):
    _, text = await get(server, "/sku/KETTLE-7")
    assert "/v1/atp/KETTLE-7?channel=marketplace" in server.asked
    assert 'href="/sku/KETTLE-7?channel=marketplace"' in text


async def test_an_exception_is_opened_with_its_event_and_whom_it_concerns(server):
    _, text = await get(server, "/exceptions?open=shipments%2F0%2F17")
    assert "data.lines is missing; send the lines that were shipped" in text
    assert "an order&#39;s shipment looks less far than it is" in text
    assert "&#34;shipment_id&#34;: &#34;S-1&#34;" in text
    assert "shipment.shipped" in text
    assert "shipments/0 at 17" in text


async def test_a_view_that_is_behind_says_so_in_words():
    for given, said in (
        ({"lag_ms": 65_000}, "Stale: 1 min behind"),
        ({"status": "loading", "done": 3, "whole": 9}, "Loading: 3 of 9 records read"),
    ):
        with PageServer(answers(), lambda given=given: standing(**given)) as server:
            response, text = await get(server, "/system")
            assert response.headers["Springtide-Fresh"].startswith(said)
            assert 'class="fresh late"' in text


@pytest.mark.parametrize("path", PAGES)
async def test_fields_that_an_answer_lacks_are_empty_and_not_errors(server, bodies, path):
    for name in list(bodies):
        bodies[name] = {}
    assert (await get(server, path))[0].status in (200, 404)
    bodies["/v1/atp/KETTLE-7"] = dict.fromkeys(kettle())
    bodies["/v1/orders/SO1-000042"] = dict.fromkeys(late_order())
    bodies["/v1/orders"] = {"orders": [dict.fromkeys(listed(1))]}
    bodies["/v1/exceptions"] = {"exceptions": [dict.fromkeys(dead_letter())]}
    assert (await get(server, path))[0].status in (200, 404)


async def test_a_large_order_and_sku_stay_small_pages(server, bodies):
    order = late_order()
    order["lines"] = [order["lines"][0] | {"line_id": str(n)} for n in range(2_000)]
    order["milestones"] *= 200
    order["shipments"] = [order["shipments"][0] | {"shipment_id": f"S-{n}"} for n in range(500)]
    bodies["/v1/orders/SO1-000042"] = order
    figure = kettle()
    for name in ("holds", "supply", "stale_supply", "fences", "locations"):
        figure[name] *= 1_000
    bodies["/v1/atp/KETTLE-7"] = figure
    bodies["/v1/exceptions"] = {"exceptions": [dead_letter(value="x" * 16_000, id=str(n)) for n in range(50)]}
    for path in ("/order/SO1-000042", "/sku/KETTLE-7", "/exceptions?open=7"):
        assert await weight(server, path) < BYTES_MAX, path
