"""What an operator does on the page of exceptions, in a real browser over a Springtide that runs: from the click to
the effect, one and many, by keyboard alone, without scripts, and with hostile text in the event."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect
from running import counted, event, placed

HOSTILE = "\"'></textarea><img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
def page(opened, running):
    return opened(running.url)


def adjusted(sku, delta=1, source="wms/ber"):
    return event("inventory.adjusted", sku, {"location": "BER", "delta": delta}, source=source)


def misplaced(running, source, count):
    """Events under keys that are not theirs, so that each is refused; they can be applied as they are. Their ids."""
    return [
        running.refused("inventory", "NOT-ITS-KEY", adjusted("E2E-MANY-" + source[-1], source=source))
        for _ in range(count)
    ]


def open_one(page, running, name, **query):
    page.goto(running.url + "/exceptions?" + "&".join(f"{key}={value}" for key, value in query.items()))
    page.locator(f"a[href*='{name.replace('/', '%2F')}']").first.click()
    expect(page.locator("#opened h2")).to_be_visible()


def test_a_dead_letter_is_mended_and_replayed_from_the_click_to_its_effect(page, running):
    # given a count that is a text
    told = counted("E2E-MEND", "7")
    name = running.refused("inventory", "E2E-MEND", told)
    # when an operator opens it, and sees the event and the reason
    open_one(page, running, name, kind="wrong_type")
    expect(page.locator("#opened")).to_contain_text("data.on_hand")
    event_box = page.get_by_label("The event", exact=True)
    assert json.loads(event_box.input_value()) == told
    # and replays it as it came, it is refused again, and what was typed still stands there
    page.get_by_label("Reason").fill("they sent a text")
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="refused again")).to_contain_text("data.on_hand")
    assert page.evaluate("document.activeElement.id") == "refused"
    expect(page.get_by_label("Reason")).to_have_value("they sent a text")
    # and mends it badly, it says where
    event_box.fill(event_box.input_value().replace('"7"', "7,"))
    page.get_by_role("button", name="Replay", exact=True).click()
    expect(page.locator("#refused")).to_contain_text("no JSON")
    # and mends it well
    event_box.fill(event_box.input_value().replace("7,", "7"))
    page.get_by_role("button", name="Replay", exact=True).click()
    # then it has its effect, is open no more, and who did it is told
    expect(page.locator("#outcome")).to_contain_text("Replayed by anonymous")
    expect(page.locator("#outcome")).to_contain_text("they sent a text")
    running.until("/v1/atp/E2E-MEND", lambda body: body["on_hand"] == 7, "it counts")
    expect(page.locator("#list")).not_to_contain_text(told["id"])
    expect(page.locator(".record tbody tr").first).to_contain_text("they sent a text")
    expect(page.get_by_role("button", name="Replay", exact=True)).to_have_count(0)
    page.reload()
    page.get_by_role("link", name="E2E-MEND", exact=True).click()
    expect(page.locator(".headline")).to_contain_text("7 available now")


def test_it_is_discarded_with_a_reason_and_nothing_else_changes(page, running):
    name = running.refused("inventory", "E2E-DISCARD", counted("E2E-DISCARD", -1))
    open_one(page, running, name)
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("#refused")).to_contain_text("Say why")
    page.get_by_label("Reason").fill("a test of theirs")
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text("Discarded by anonymous")
    assert running.get("/v1/atp/E2E-DISCARD")[0] == 404
    page.goto(running.url + "/exceptions?state=discarded")
    expect(page.locator("#list tbody")).to_contain_text("Discarded")


def test_what_can_be_of_no_order_is_only_discarded(page, running):
    running.tell(
        counted("E2E-ANOMALY", 5),
        placed("E2E-ANOM-1", ("E2E-ANOMALY", 1)),
        event("order.cancelled", "E2E-ANOM-1", {"lines": [{"line_id": "9", "qty": 1}]}),
    )
    running.until("/v1/exceptions?order=E2E-ANOM-1", lambda body: body["exceptions"], "it is listed")
    page.goto(running.url + "/exceptions?order=E2E-ANOM-1")
    expect(page.locator("#discard-many")).to_be_visible()
    page.locator("#list tbody a").first.click()
    expect(page.locator("#opened")).to_contain_text("This can't be replayed")
    expect(page.locator("#replay")).to_have_count(0)
    page.get_by_label("Reason").fill("known")
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text("Discarded")


def test_many_are_replayed_at_a_rate_with_progress_and_without_those_that_fail(page, running):
    # given eight that can be applied as they came, and one that can't
    source = "wms/many-a"
    misplaced(running, source, 8)
    bad = adjusted("E2E-MANY-a", delta="x", source=source)
    failing = running.refused("inventory", "E2E-MANY-a", bad)
    # when all of the filter are replayed, two a second, in parts of four
    page.goto(running.url + "/exceptions")
    page.get_by_label("Source").fill(source)
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("link", name="Replay all of these").click()
    expect(page.locator("#many")).to_contain_text("9 are open like that")
    page.get_by_label("Each second").fill("2")
    page.get_by_label("Reason").fill("their keys were wrong")
    page.get_by_role("button", name="Replay them").click()
    # then it is told how far it is, and what failed
    expect(page.locator("#many-said")).to_contain_text("so far")
    assert page.evaluate("document.activeElement.id") == "stop"
    expect(page.locator("#many-said")).to_have_text("Done: 8 replayed, 1 not.")
    expect(page.locator("#part")).to_contain_text(failing)
    expect(page.locator("#stop")).to_have_text("Back to the list")
    running.until("/v1/atp/E2E-MANY-a", lambda body: body["on_hand"] == 8, "all of them count")
    # and only that one is left
    page.locator("#stop").click()
    expect(page.locator("#list tbody").locator("tr")).to_have_count(1)
    expect(page.locator(".record")).to_contain_text("their keys were wrong")
    assert "source=wms%2Fmany-a" in page.url


def test_many_are_discarded_at_once(page, running):
    misplaced(running, "wms/many-d", 3)
    page.goto(running.url + "/exceptions?source=wms%2Fmany-d&many=discard")
    page.get_by_role("button", name="Discard them").click()  # the browser asks for the reason
    assert page.evaluate("document.activeElement.name") == "reason"
    page.keyboard.type("a test of theirs")
    page.keyboard.press("Enter")
    expect(page.locator("#many-said")).to_have_text("Done: 3 discarded.")
    _, body = running.get("/v1/exceptions?source=wms%2Fmany-d&state=discarded")
    assert {one["action"]["reason"] for one in body["exceptions"]} == {"a test of theirs"}


def test_many_go_on_by_a_button_where_there_are_no_scripts(opened, running):
    misplaced(running, "wms/many-n", 3)
    page = opened(running.url, java_script_enabled=False)
    page.goto(running.url + "/exceptions?source=wms%2Fmany-n&many=replay")
    page.get_by_label("Each second").fill("0.5")
    page.get_by_role("button", name="Replay them").click()
    for done in ("1 replayed, so far.", "2 replayed, so far."):
        expect(page.locator("#many-said")).to_have_text(done)
        page.get_by_role("button", name="Go on").click()
    expect(page.locator("#many-said")).to_have_text("Done: 3 replayed.")


def test_it_is_done_by_keyboard_alone(page, running):
    name = running.refused("inventory", "E2E-KEYBOARD", counted("E2E-KEYBOARD", "3", location="KBD"))
    page.goto(running.url + "/exceptions?kind=wrong_type&process=inventory")

    def tab_to(holds):
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate(holds):
                return
        raise AssertionError(f"the keyboard does not reach {holds}")

    tab_to(f"document.activeElement.href?.includes('{name.replace('/', '%2F')}')")
    page.keyboard.press("Enter")
    expect(page.locator("#opened")).to_be_visible()
    tab_to("document.activeElement.id === 'event'")
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(json.dumps(counted("E2E-KEYBOARD", 3, location="KBD")))
    tab_to("document.activeElement.id === 'reason'")
    page.keyboard.type("by keyboard")
    tab_to("document.activeElement.id === 'replay'")
    page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_contain_text("by keyboard")
    assert page.evaluate("document.activeElement.id") == "outcome"
    running.until("/v1/atp/E2E-KEYBOARD", lambda body: body["on_hand"] == 3, "it counts")


def test_a_hostile_event_is_text_to_be_mended(page, running):
    told = counted(HOSTILE, HOSTILE, location=HOSTILE)
    name = running.refused("inventory", HOSTILE, told)
    open_one(page, running, name, kind="wrong_type")
    assert json.loads(page.get_by_label("The event", exact=True).input_value()) == told
    page.get_by_label("Reason").fill(HOSTILE)
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("#outcome")).to_contain_text(HOSTILE)
    assert page.locator("img").count() == 0
    assert page.locator("script:not([src])").count() == 0


def test_a_form_that_was_opened_elsewhere_is_not_taken(page, running):
    name = running.refused("inventory", "E2E-CROSS", counted("E2E-CROSS", -2))
    open_one(page, running, name)
    page.context.clear_cookies()
    page.get_by_label("Reason").fill("by another's cookie")
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.locator("h1")).to_have_text("Nothing was done")
    _, body = running.get(f"/v1/exceptions?id={name}")
    assert [one["action"] for one in body["exceptions"]] == [None]


def test_it_fits_a_phone(opened, running):
    name = running.refused("inventory", "E2E-PHONE-X", counted("E2E-PHONE-X", "x" * 200))
    page = opened(running.url, viewport={"width": 320, "height": 640}, color_scheme="dark")
    for path in (f"?open={name}", "?many=replay", "?many=discard"):
        page.goto(running.url + "/exceptions" + path)
        expect(page.locator(".opened")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        small = page.evaluate(
            """[...document.querySelectorAll("main button, main input")]
               .filter((one) => one.checkVisibility() && one.offsetHeight < 24).map((one) => one.outerHTML)"""
        )
        assert small == []
