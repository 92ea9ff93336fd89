"""What if: the same answers as if events had happened, of rows that stay as they are."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from shown import Shown
from story import Json, Story, day, line

from springtide.app.simulate import Simulation
from springtide.app.view.answers import answer
from springtide.app.view.problems import Problem
from springtide.app.view.whatif import whatif_answer


def simulated(story: Story) -> Simulation:
    simulation = Simulation()
    for number, told in enumerate(story.lines, 1):
        simulation.apply(told.encode(), number)
    return simulation


def asked(shown: Shown, events: list[str], *paths: str) -> list[Json]:
    body: dict[str, Any] = {"events": [json.loads(event) for event in events], "ask": list(paths)}
    answers: list[Json] = whatif_answer(shown.world, shown.settings, msgspec.json.encode(body))["answers"]
    return answers


def given() -> Story:
    story = Story()
    story.counted(0, "A", 10)
    story.counted(0, "B", 6)
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
    story.placed(0.1, "O1", line("A", 4))
    story.supply(0.2, "A", 10, due=4, name="PO")
    story.placed(0.3, "O2", line("A", 9))
    return story


async def test_the_answers_are_those_of_a_log_with_these_events() -> None:
    story = given()
    told = len(story.lines)
    simulation = simulated(story)
    # what if the supply slips, four kits are ordered, and the first order ships
    story.tell(0.4, "supply.rescheduled", "A", supply_id="PO", due=day(9))
    story.placed(0.5, "O3", line("SET", 4), line("B", 1))
    story.shipment(0.6, "shipped", "O1", "S1", ("1", "A", 4))
    paths = ("/v1/atp/A?qty=5", "/v1/atp/B", "/v1/orders/O1", "/v1/orders/O2", "/v1/orders/O3", "/v1/at-risk")
    expected = simulated(story)
    async with Shown(simulation) as shown:
        before = shown.store.snapshot()
        for path, body in zip(paths, asked(shown, story.lines[told:], *paths), strict=True):
            assert body == answer(path, expected)[1], path
        # then nothing of it has happened
        assert shown.store.snapshot() == before
        assert answer("/v1/orders/O3", shown.world)[0] == 404
        assert answer("/v1/at-risk", shown.world)[1]["promises"] == []


async def test_without_events_it_is_what_there_is() -> None:
    async with Shown(simulated(given())) as shown:
        (body,) = asked(shown, [], "/v1/atp/A")
        assert body == answer("/v1/atp/A", shown.world)[1]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", ""),
        (b'{"ask": ["/v1/kpis"]}', "ask[0]"),
        (b'{"ask": ["/v1/atp/A?as_of=2026-03-02T00:00:00Z"]}', "ask[0]"),
        (b'{"ask": ["/v1/atp/A?lcation=BER"]}', "lcation"),
        (b'{"asked": []}', ""),
        (b'{"events": [{"type": "x"}], "ask": []}', "events[0]"),
        (b'{"events": [1], "ask": []}', "events[0]"),
        (b'{"ask": [' + b",".join([b'"/v1/atp/A"'] * 51) + b"]}", "ask"),
    ],
)
async def test_what_can_not_be_taken_is_told(body: bytes, path: str) -> None:
    async with Shown(simulated(given())) as shown:
        with pytest.raises(Problem) as told:
            whatif_answer(shown.world, shown.settings, body)
        assert told.value.status == 400
        assert told.value.errors[0]["path"].startswith(path)
