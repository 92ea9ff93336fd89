"""Supply: what its facts make of it, and from which day it counts."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f

DAY = 86_400  # day 0 is 1970-01-01


def scheduled(supply_id="p1", qty=50, due="1970-01-11", location="A", firmness="firm"):
    return f.SupplyScheduled(supply_id=supply_id, location=location, qty=qty, due=due, firmness=firmness)


def policy(**more):
    return f.PolicySet(scope="*", **more)


def curve(tea, **more):
    return {point["date"]: point["atp"] for point in tea.atp(**more)["curve"]}


def rises(tea, **more):
    """Date -> ATP where it is other than the day before."""
    found, had = {}, 0
    for date, atp in curve(tea, **more).items():
        if atp != had:
            found[date] = atp
        had = atp
    return found


@pytest.fixture
def tea():
    stage = SkuStage()
    stage.counted(A=10)
    return stage


def test_supply_counts_from_its_day_on(tea):
    tea.fact(scheduled())
    assert rises(tea) == {"1970-01-01": 10, "1970-01-11": 60}
    assert tea.figure("available_now") == 10
    assert len(tea.atp()["curve"]) == 90


def test_supply_is_as_last_stated(tea):
    tea.fact(scheduled())
    tea.fact(f.SupplyRescheduled(supply_id="p1", due="1970-02-09"))
    tea.fact(f.SupplyRescheduled(supply_id="p1", qty=40))
    assert rises(tea) == {"1970-01-01": 10, "1970-02-09": 50}
    tea.fact(f.InventoryReceived(location="A", qty=15, supply_id="p1"))
    assert rises(tea) == {"1970-01-01": 25, "1970-02-09": 50}
    tea.fact(f.SupplyCancelled(supply_id="p1"))
    assert rises(tea) == {"1970-01-01": 25}


def test_what_was_received_before_it_was_scheduled_counts(tea):
    tea.fact(f.InventoryReceived(location="A", qty=15, supply_id="p1"))
    tea.fact(scheduled(qty=50))
    assert rises(tea) == {"1970-01-01": 25, "1970-01-11": 60}


def test_more_received_than_scheduled_leaves_nothing_open(tea):
    tea.fact(scheduled(qty=5))
    tea.fact(f.InventoryReceived(location="A", qty=7, supply_id="p1"))
    assert rises(tea) == {"1970-01-01": 17}


def test_a_supply_that_is_scheduled_again_moves(tea):
    tea.fact(scheduled(qty=5))
    tea.fact(scheduled(qty=6, due="1970-01-03", location="B"))
    assert rises(tea) == {"1970-01-01": 10, "1970-01-03": 16}
    assert rises(tea, location="A") == {"1970-01-01": 10}
    assert rises(tea, location="B") == {"1970-01-03": 6}


def test_what_is_said_of_an_unknown_supply_is_noted(tea):
    tea.fact(f.SupplyRescheduled(supply_id="p9", qty=1))
    tea.fact(f.SupplyCancelled(supply_id="p9"))
    assert tea.notes() == ["supply_unknown", "supply_unknown"]
    assert rises(tea) == {"1970-01-01": 10}


def test_planned_supply_counts_where_the_policy_says_so(tea):
    tea.fact(scheduled(firmness="planned"))
    tea.fact(scheduled("p2", qty=7, due="1970-01-05", firmness="in_transit"))
    assert rises(tea) == {"1970-01-01": 10, "1970-01-05": 17}
    tea.fact(policy(firmness=("firm", "planned")))
    assert rises(tea) == {"1970-01-01": 10, "1970-01-11": 60}


def test_supply_beyond_the_horizon_is_not_in_the_curve(tea):
    tea.fact(policy(horizon_days=10))
    tea.fact(scheduled(due="1970-01-11"))
    tea.fact(scheduled("p2", qty=1, due="1970-01-10"))
    assert rises(tea) == {"1970-01-01": 10, "1970-01-10": 11}


def test_overdue_supply_counts_later_and_then_nowhere(tea):
    tea.fact(policy(supply_fence_days=3, supply_offset_days=2))
    tea.fact(scheduled(due="1970-01-02"))
    tea.clock(2 * DAY)  # 3 January, one day overdue
    assert rises(tea) == {"1970-01-03": 10, "1970-01-05": 60}
    assert tea.atp()["stale_supply"] == []
    tea.clock(4 * DAY)  # 5 January, three days
    assert rises(tea) == {"1970-01-05": 10, "1970-01-07": 60}
    tea.clock(5 * DAY)
    assert rises(tea) == {"1970-01-06": 10}
    assert tea.atp()["stale_supply"] == [
        {
            "supply_id": "p1",
            "location": "A",
            "qty": 50,
            "due": "1970-01-02",
            "firmness": "firm",
            "overdue_days": 4,
        }
    ]


def test_by_default_overdue_supply_is_stale_on_the_next_day(tea):
    tea.fact(scheduled(due="1970-01-01"))
    assert rises(tea) == {"1970-01-01": 60}
    tea.clock(DAY)
    assert rises(tea) == {"1970-01-02": 10}


def test_an_instant_is_a_day_of_the_location():
    tea = SkuStage()
    tea.fact(f.LocationUpserted(location="A", name="Auckland", rank=1, timezone="Pacific/Auckland"))
    tea.fact(scheduled(due="1970-01-10T20:00:00Z"))
    assert rises(tea) == {"1970-01-11": 50}


def test_the_dynamics_case():
    """Purchase 200 three days late, sale 75 one day late, purchase 100 in ten days; fences 7, offsets 1."""
    tea = SkuStage()
    tea.fact(policy(supply_fence_days=7, supply_offset_days=1, demand_fence_days=7, demand_offset_days=1))
    tea.fact(scheduled("late", 200, "1970-01-01"))
    tea.fact(scheduled("next", 100, "1970-01-14"))
    tea.demand("o1", want("1", 75, day=2))
    tea.clock(3 * DAY)
    assert rises(tea) == {"1970-01-05": 125, "1970-01-14": 225}
    answer = tea.atp(qty=150)["earliest"]
    assert answer["date"] == "1970-01-14"
    assert [(line["date"], line["qty"]) for line in answer["lines"]] == [
        ("1970-01-05", 125),
        ("1970-01-14", 25),
    ]


def rows_touched(supplies):
    """Rows read and written by one more supply, and by one more order, on a SKU with so many of both."""
    tea = SkuStage()
    for n in range(supplies):
        tea.fact(scheduled(f"p{n}", 10, f"1970-02-{1 + n % 28:02d}"))
        tea.demand(f"o{n:03d}", want("1", 5, day=40 + n % 28))
    touched = []
    get, put = tea.rows.get, tea.rows.put
    tea.rows.get = lambda key: touched.append(("get", key)) or get(key)
    tea.rows.put = lambda key, row: touched.append(("put", key)) or put(key, row)
    tea.fact(scheduled("one more", 1, "1970-02-03"))
    tea.demand("o one more", want("1", 1, day=50))
    return [what for what, _ in touched]


def test_an_event_touches_as_few_rows_however_many_there_are():
    assert rows_touched(200) == rows_touched(5)
