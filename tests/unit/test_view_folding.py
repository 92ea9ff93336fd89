"""What is too old to be kept message by message: folded, and all that came after it is answered as before."""

from __future__ import annotations

from shown import Shown
from story import Story, line, moment

from springtide.app.simulate import Simulation
from springtide.app.view import history
from springtide.app.view.answers import answer


def story() -> Story:
    """Day 0 and 1 are to be folded, days 3 and 4 are kept."""
    story = Story()
    story.place("BER", 1)
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}])
    story.counted(0.1, "A", 20)
    story.tell(0.2, "hold.placed", "A", hold_id="H", qty=3, ttl_s=4 * 86_400, owner="cart")
    story.placed(0.3, "O1", line("A", 4))
    story.placed(1.1, "O2", line("A", 5, ships=4), line("SET", 1))
    story.shipment(1.2, "released", "O1", "S1", ("1", "A", 4))
    story.shipment(3.1, "shipped", "O1", "S1", ("1", "A", 4))
    story.received(3.2, "A", 2)
    story.lines.append(story.lines[2])  # the first count again: a duplicate within the window
    story.received(4.3, "A", 1)
    return story


def simulated() -> Simulation:
    simulation = Simulation()
    for number, told in enumerate(story().lines, 1):
        simulation.apply(told.encode(), number)
    return simulation


PATHS = (
    "/v1/atp/A?as_of=" + moment(3.15),
    "/v1/atp/A?as_of=" + moment(4.25),
    "/v1/atp/SET?as_of=" + moment(3.15),
    "/v1/orders/O1?as_of=" + moment(3.05),
    "/v1/orders/O1?as_of=" + moment(3.5),
    "/v1/orders/O2?as_of=" + moment(4.1),
)


async def test_what_came_after_is_answered_as_before() -> None:
    simulation = simulated()
    async with Shown(simulation, history_days=3) as shown:
        rows = shown.follower.rows
        assert rows is not None
        kept = len(list(rows.scan(history.HEARD)))
        # when all days but the last three are folded
        while shown.folding().some(rows, 2):
            pass
        assert len(list(rows.scan(history.HEARD))) < kept
        # then what is still kept is answered from it
        for path in PATHS:
            assert answer(path, shown.world) == answer(path, simulation), path
        # the hold that was placed on a day that is folded has died on day 4
        assert answer("/v1/atp/A?as_of=" + moment(4.19), shown.world)[1]["held"] == 3
        assert answer("/v1/atp/A?as_of=" + moment(4.25), shown.world)[1]["held"] == 0
        # and what came before says so
        for path in ("/v1/atp/A", "/v1/orders/O1"):
            status, body = answer(f"{path}?as_of={moment(0.35)}", shown.world)
            assert (status, body["type"]) == (422, "urn:springtide:problem:beyond-history")


async def test_contributions_still_sum_exactly() -> None:
    simulation = simulated()
    async with Shown(simulation, history_days=3) as shown:
        assert shown.follower.rows is not None
        while shown.folding().some(shown.follower.rows, 2):
            pass
        figures = answer("/v1/explain?atp=A", shown.world)[1]["figures"]
        expected = answer("/v1/atp/A", shown.world)[1]
        for name in ("on_hand", "committed", "held", "available_now"):
            parts = figures[name]["contributions"]
            assert sum(part["delta"] for part in parts) == figures[name]["value"] == expected[name], name
        on_hand = [(part["type"], part["delta"]) for part in figures["on_hand"]["contributions"]]
        assert on_hand == [
            ("before_history", 20),
            ("shipment.shipped", -4),
            ("inventory.received", 2),
            ("inventory.received", 1),
        ]
        body = answer("/v1/explain?order=O1", shown.world)[1]
        (told,) = body["lines"]
        shipped = told["quantities"]["shipped"]["contributions"]
        assert [part["type"] for part in shipped] == ["shipment.shipped"]
        timeline = answer("/v1/orders/O1/timeline", shown.world)[1]
        assert timeline["from"] is not None
        assert [f["type"] for f in timeline["facts"] if f["kind"] == "fact"] == ["shipment.shipped"]
