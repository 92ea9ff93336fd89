"""Published examples of available-to-promise, told as events and asked as the API is asked.

A period of a table is a day here. Supply of a period is scheduled and firm, demand is an order's line to be
shipped that day.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from story import Story, curve, day, line, number


class Table(NamedTuple):
    source: str
    on_hand: int
    supply: tuple[int, ...]
    demand: tuple[int, ...]
    look_ahead: tuple[int, ...] | None = None
    cumulative: tuple[int, ...] | None = None
    discrete: dict[int, int] | None = None
    """Period, from 0 -> its figure; the others stay blank."""


TABLES = (
    Table(
        "Oracle Inventory R11, ATP calculation",
        0,
        (6, 4, 2, 4, 8, 4, 4, 4),
        (6, 2, 3, 6, 6, 1, 2, 2),
        look_ahead=(-1, -1, -1, -1, 1, 4, 6, 8),
    ),
    Table(
        "JD Edwards 9.2, cumulative ATP",
        80,
        (0, 0, 60, 0, 0, 60, 0, 0),
        (30, 25, 30, 10, 0, 35, 0, 0),
        look_ahead=(25, 25, 45, 45, 45, 70, 70, 70),
    ),
    Table(
        "MPS exercise, weeks 2 to 9",
        65,
        (250, 0, 0, 200, 0, 0, 150, 0),
        (25, 150, 49, 26, 75, 22, 68, 10),
        look_ahead=(91, 91, 91, 168, 168, 168, 240, 240),
        cumulative=(290, 140, 91, 265, 190, 168, 250, 240),
        discrete={0: 91, 3: 77, 6: 72},
    ),
    Table(
        "Pumps exercise",
        64,
        (0, 0, 70, 0, 70, 0, 70, 70),
        (33, 20, 10, 4, 2, 0, 0, 0),
        look_ahead=(11, 11, 67, 67, 135, 135, 205, 275),
        discrete={0: 11, 2: 56, 4: 68, 6: 70, 7: 70},
    ),
    Table(
        "public test",
        8,
        (16, 20, 25, 20, 20),
        (24, 18, 25, 10, 0),
        discrete={0: 0, 1: 2, 2: 0, 3: 10, 4: 20},
    ),
    Table(
        "public doc CPT-0086",
        40,
        (0, 100, 0, 80),
        (30, 50, 20, 60),
        look_ahead=(10, 40, 40, 60),
        discrete={0: 10, 1: 30, 3: 20},
    ),
    Table(
        "published but wrong: claimed to give 70 70 70",
        100,
        (0, 150, 0),
        (80, 60, 40),
        look_ahead=(20, 70, 70),
    ),
    Table(
        "published but wrong: claimed to give 45 0 0 0 0 0 34 28",
        56,
        (30, 35, 0, 24, 0, 25, 44, 28),
        (41, 19, 39, 11, 25, 20, 10, 0),
        look_ahead=(10, 10, 10, 10, 10, 15, 49, 77),
        discrete={0: 10, 1: 0, 3: 0, 5: 5, 6: 34, 7: 28},
    ),
    Table(
        "counting a future deficit twice would give 8 6 4",
        0,
        (10, 0, 10),
        (0, 0, 12),
        look_ahead=(8, 8, 8),
    ),
)


def _told(table: Table) -> Story:
    story = Story()
    story.counted(0.1, "PUMP", table.on_hand)
    for due, units in enumerate(table.supply):
        if units:
            story.supply(0.1, "PUMP", units, due)
    for ships, units in enumerate(table.demand):
        if units:
            story.placed(0.2, f"O{ships}", line("PUMP", units, ships))
    return story


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.source)
@pytest.mark.parametrize("location", [None, "BER"])
def test_published_table(table: Table, location: str | None) -> None:
    asked: dict[str, Any] = {} if location is None else {"location": location}
    body = _told(table).atp("PUMP", **asked)
    periods = len(table.supply)
    assert [point["date"] for point in body["curve"][:periods]] == [day(n) for n in range(periods)]
    assert len(body["curve"]) == 90
    if table.look_ahead is not None:
        assert tuple(curve(body, days=periods)) == table.look_ahead
    if table.cumulative is not None:
        assert tuple(curve(body, "cumulative", periods)) == table.cumulative
    if table.discrete is not None:
        found = {number(bucket["date"]): bucket["atp"] for bucket in body["discrete"][:periods]}
        assert {n: units for n, units in found.items() if units is not None} == table.discrete


def test_public_test_promises_twelve_in_its_fourth_bucket() -> None:
    table = next(table for table in TABLES if table.source == "public test")
    assert _told(table).atp("PUMP", qty=12)["earliest"]["date"] == day(3)


def test_dynamics_365_order_promising() -> None:
    # given a purchase order of 200 three days late, one of 100 due in 10 days, and a sales order of 75 that
    # is one day late
    story = Story()
    story.policy(supply_fence_days=7, supply_offset_days=1, demand_fence_days=7, demand_offset_days=1, at=-30)
    story.supply(-10, "PUMP", 200, -3)
    story.supply(-10, "PUMP", 100, 10)
    story.placed(-10, "SO", line("PUMP", 75, -1))
    # when it is asked on day 0
    body = story.atp("PUMP", now=0.4, qty=150)
    # then
    found = curve(body)
    assert (found[0], found[1], found[10]) == (0, 125, 225)
    assert body["earliest"]["date"] == day(10)
    assert body["stale_supply"] == []


def test_dynamics_365_supply_beyond_its_fence_is_stale() -> None:
    story = Story()
    story.policy(supply_fence_days=2, supply_offset_days=1, at=-30)
    late = story.supply(-10, "PUMP", 200, -3)
    story.supply(-10, "PUMP", 100, 10)
    body = story.atp("PUMP", now=0.4)
    assert curve(body)[9:11] == [0, 100]
    assert [stale["supply_id"] for stale in body["stale_supply"]] == [late]


def test_netsuite() -> None:
    # given supply on 1 January, 10 and 15 February and 1 March, told here as days 0, 40, 45 and 59
    story = Story()
    for due, units in ((0, 50), (40, 40), (45, 50), (59, 50)):
        story.supply(0.1, "PUMP", units, due)
    for ships, units in ((20, 30), (42, 40), (50, 10)):
        story.placed(0.2, f"O{ships}", line("PUMP", units, ships))
    body = story.atp("PUMP")
    found = {number(b["date"]): b["atp"] for b in body["discrete"] if b["atp"] is not None}
    assert found == {0: 20, 40: 0, 45: 40, 59: 50}
    assert [curve(body)[n] for n in (0, 40, 45, 59)] == [20, 20, 60, 110]


def test_without_carrying_a_shortage_what_is_missed_is_lost() -> None:
    # given supply 6 4 2 4, demand 6 2 6 2: short of 2 on the third day
    story = Story()
    story.policy(carry_shortage=False)
    for due, units in enumerate((6, 4, 2, 4)):
        story.supply(0.1, "PUMP", units, due)
    for ships, units in enumerate((6, 2, 6, 2)):
        story.placed(0.2, f"O{ships}", line("PUMP", units, ships))
    body = story.atp("PUMP")
    assert curve(body, "cumulative", 4) == [0, 2, -2, 2]
