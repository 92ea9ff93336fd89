"""Promises: when and where units that are not there yet are to ship, and what becomes of them.

Orders rank by id: o1 before o2. Days count from 1970-01-01, which is day 0.
"""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f

DAY = 86_400


def scheduled(supply_id="p1", qty=10, due="1970-01-11", location="A"):
    return f.SupplyScheduled(supply_id=supply_id, location=location, qty=qty, due=due, firmness="firm")


def slips(due, supply_id="p1"):
    return f.SupplyRescheduled(supply_id=supply_id, due=due)


@pytest.fixture
def tea():
    stage = SkuStage()
    stage.counted(A=0)
    return stage


# --- lines for later ---


def test_a_line_for_later_takes_nothing_until_its_day(tea):
    tea.counted(A=10)
    tea.demand("o1", want("1", 4, day=3))
    assert (tea.has("o1"), tea.lacks("o1"), tea.figure("committed")) == ({}, 0, 0)
    assert tea.promises("o1") == [(3, "A", 4)]
    assert tea.figures("available_now", "backordered") == (10, 0)
    assert [p["atp"] for p in tea.atp()["curve"]][:5] == [6, 6, 6, 6, 6]
    tea.clock(3 * DAY - 1)
    assert tea.has("o1") == {}
    tea.clock(3 * DAY)
    assert tea.has("o1") == {"A": 4}
    assert tea.promises("o1") == [(3, "A", 4)]
    assert tea.figures("available_now", "committed") == (6, 4)


def test_its_day_comes_at_its_locations_midnight():
    tea = SkuStage()
    tea.fact(f.LocationUpserted(location="A", name="Tokyo", rank=1, timezone="Asia/Tokyo"))
    tea.counted(A=10)
    tea.demand("o1", want("1", 4, day=3))
    tea.clock(3 * DAY - 9 * 3_600 - 1)
    assert tea.has("o1") == {}
    tea.clock(3 * DAY - 9 * 3_600)
    assert tea.has("o1") == {"A": 4}


def test_its_day_comes_also_where_there_was_never_any_stock(tea):
    tea.fact(f.LocationUpserted(location="T", name="Tokyo", rank=9, timezone="Asia/Tokyo"))
    tea.demand("o1", want("1", 4, at="T", day=3))
    tea.clock(3 * DAY - 9 * 3_600 - 1)
    assert tea.lacks("o1") == 0
    tea.clock(3 * DAY - 9 * 3_600)
    assert tea.lacks("o1") == 4


def test_an_order_due_now_breaks_no_promise_for_later(tea):
    tea.counted(A=10)
    tea.demand("o2", want("1", 4, day=3))
    tea.demand("o1", 10)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 6}, 4)
    tea.clock(3 * DAY)
    assert tea.has("o2") == {"A": 4}


def test_supply_before_the_later_day_frees_the_stock(tea):
    tea.counted(A=10)
    tea.fact(scheduled(qty=4, due="1970-01-03"))
    tea.demand("o2", want("1", 4, day=3))
    tea.demand("o1", 10)
    assert tea.has("o1") == {"A": 10}
    assert tea.promises("o2") == [(3, "A", 4)]


def test_a_line_moved_to_a_later_day_gives_its_units_back(tea):
    tea.counted(A=10)
    tea.demand("o1", 10)
    tea.demand("o1", want("1", 10, day=5))
    assert (tea.has("o1"), tea.figure("committed")) == ({}, 0)
    assert tea.promises("o1") == [(5, "A", 10)]
    tea.demand("o1", want("1", 10))
    assert tea.has("o1") == {"A": 10}


def test_a_line_moved_to_another_location_gives_its_units_back(tea):
    tea.counted(A=10, B=4)
    tea.demand("o1", 10)
    tea.demand("o1", want("1", 10, at="B"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 4}, 6)


def test_a_hold_converted_to_a_line_for_later_keeps_its_units(tea):
    tea.counted(A=10)
    tea.fact(f.HoldPlaced(hold_id="h1", qty=4, ttl_s=60, owner="cart"))
    tea.demand("o1", want("1", 6, day=5))
    tea.fact(f.HoldConverted(hold_id="h1", order_id="o1", line_id="1"))
    assert (tea.has("o1"), tea.lacks("o1"), tea.figure("held")) == ({"A": 4}, 0, 0)
    assert tea.promises("o1") == [(5, "A", 6)]


# --- what is not there is planned ---


def test_a_backordered_line_is_promised_for_the_day_of_its_supply(tea):
    tea.counted(A=3)
    tea.fact(scheduled())
    tea.demand("o1", 8)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 3}, 5)
    assert tea.promises("o1") == [(0, "A", 3), (10, "A", 5)]
    assert tea.told("o1").promises == ((0, "A", 3), (10, "A", 5))
    assert tea.told("o1").cause is None
    # it counts where it is planned: 3 - 3 - 5
    assert tea.figures("backordered", "available_now", location="A") == (5, -5)
    assert [p["atp"] for p in tea.atp()["curve"]][9:12] == [-5, 5, 5]


def test_what_nothing_covers_is_promised_nowhere(tea):
    tea.fact(scheduled(qty=3))
    tea.demand("o1", 8)
    assert tea.promises("o1") == [(10, "A", 3)]
    tea.fact(scheduled("p2", qty=9, due="1970-01-21"))
    assert tea.promises("o1") == [(10, "A", 3), (20, "A", 5)]


def test_first_come_first_promised(tea):
    tea.fact(scheduled())
    tea.demand("o2", 8)
    tea.demand("o1", 8)
    assert tea.promises("o2") == [(10, "A", 8)]
    assert tea.promises("o1") == [(10, "A", 2)]


def test_supply_that_comes_goes_to_who_was_promised_it(tea):
    tea.fact(scheduled())
    tea.demand("o2", 8)
    tea.demand("o1", 8)
    tea.clock(10 * DAY)
    tea.fact(f.InventoryReceived(location="A", qty=10, supply_id="p1"))
    assert (tea.has("o1"), tea.has("o2")) == ({"A": 2}, {"A": 8})
    assert tea.promises("o2") == [(10, "A", 8)]


def test_stock_that_comes_unexpected_goes_by_rank(tea):
    tea.fact(scheduled())
    tea.demand("o2", 8)
    tea.demand("o1", 8)
    tea.fact(f.InventoryReceived(location="A", qty=6))
    # o1 takes 6 now; of the 10 to come 8 stay promised to o2, 2 to o1
    assert (tea.has("o1"), tea.has("o2")) == ({"A": 6}, {})
    assert tea.promises("o1") == [(0, "A", 6), (10, "A", 2)]


def test_units_had_sooner_are_promised_sooner(tea):
    tea.fact(scheduled())
    tea.demand("o1", 4)
    tea.clock(2 * DAY)
    tea.fact(f.InventoryReceived(location="A", qty=10, supply_id="p1"))
    assert tea.promises("o1") == [(2, "A", 4)]
    assert tea.told("o1").promises == ((2, "A", 4),)


def test_a_cancelled_order_leaves_its_place(tea):
    tea.fact(scheduled())
    tea.demand("o2", 10)
    tea.demand("o1", 4)
    assert tea.promises("o1") == []
    tea.demand("o2", 5)
    assert tea.promises("o2") == [(10, "A", 5)]
    assert tea.promises("o1") == [(10, "A", 4)]


def test_split_and_single(tea):
    tea.counted(A=0, B=0)
    tea.fact(scheduled("p1", 4, "1970-01-03", "A"))
    tea.fact(scheduled("p2", 5, "1970-01-03", "B"))
    tea.fact(scheduled("p3", 9, "1970-01-09", "B"))
    tea.demand("o1", 6)
    assert tea.promises("o1") == [(2, "A", 4), (2, "B", 2)]
    tea.demand("o2", 6, single=True)
    assert tea.promises("o2") == [(8, "B", 6)]
    tea.demand("o3", want("1", 3, at="A"))
    assert tea.promises("o3") == []


# --- what breaks a promise ---


def test_supply_that_slips_makes_the_last_in_rank_late(tea):
    tea.fact(scheduled("p1", 5))
    tea.fact(scheduled("p2", 5))
    tea.demand("o1", 5)
    tea.demand("o2", 5)
    tea.fact(slips("1970-01-21", "p1"))
    assert tea.promises("o1") == [(10, "A", 5)]
    assert tea.promises("o2") == [(20, "A", 5)]
    assert tea.told("o2").cause == "supplier_late"
    assert [order_id for order_id, _ in tea.answers] == ["o1", "o2", "o2"], "o1 has no news"


def test_what_got_worse_gets_better_when_it_can(tea):
    tea.fact(scheduled())
    tea.demand("o1", 5)
    tea.fact(slips("1970-01-21"))
    assert tea.promises("o1") == [(20, "A", 5)]
    tea.fact(slips("1970-01-13"))
    assert tea.promises("o1") == [(12, "A", 5)]
    assert tea.told("o1").cause is None
    tea.fact(slips("1970-01-06"))
    assert tea.promises("o1") == [(5, "A", 5)]


def test_who_was_not_made_late_is_not_moved(tea):
    tea.fact(scheduled())
    tea.demand("o1", 5)
    tea.fact(scheduled("p2", 10, "1970-01-06"))
    assert tea.promises("o1") == [(10, "A", 5)]


def test_a_cancelled_supply_leaves_nothing(tea):
    tea.fact(scheduled())
    tea.demand("o1", 5)
    tea.fact(f.SupplyCancelled(supply_id="p1"))
    assert tea.promises("o1") == []
    assert (tea.told("o1").promises, tea.told("o1").cause) == ((), "supplier_late")


def test_supply_overdue_breaks_a_promise_though_nobody_says_so(tea):
    tea.fact(scheduled())
    tea.demand("o1", 5)
    tea.clock(11 * DAY - 1)
    assert tea.promises("o1") == [(10, "A", 5)]
    tea.clock(11 * DAY)
    assert tea.promises("o1") == []
    assert tea.told("o1").cause == "supplier_late"


def test_overdue_supply_within_the_fence_moves_the_promise_day_by_day(tea):
    tea.fact(f.PolicySet(scope="*", supply_fence_days=2, supply_offset_days=1))
    tea.fact(scheduled())
    tea.demand("o1", 5)
    tea.clock(11 * DAY)
    assert tea.promises("o1") == [(12, "A", 5)]
    tea.clock(12 * DAY)
    assert tea.promises("o1") == [(13, "A", 5)]
    tea.clock(13 * DAY)
    assert tea.promises("o1") == []


@pytest.mark.parametrize(
    ("loss", "cause"),
    [
        (f.InventoryAdjusted(location="A", delta=-5), "count_discrepancy"),
        (
            f.InventoryCounted(location="A", on_hand=5, basis="includes_committed"),
            "count_discrepancy",
        ),
        (
            f.InventoryMoved(location="A", qty=5, from_bucket="sellable", to_bucket="damaged"),
            "quality_hold",
        ),
        (f.InventoryIssued(location="A", qty=5), "stock_shortage"),
        (f.LocationUpserted(location="A", name="A", rank=1, timezone="UTC", open=False), "location_outage"),
        (f.FenceSet(location="A", channel="shop", qty=5, rank=1), "allocation_policy"),
    ],
)
def test_why_a_promise_got_worse(tea, loss, cause):
    tea.counted(A=10)
    tea.demand("o1", want("1", 10, day=5))
    assert tea.promises("o1") == [(5, "A", 10)]
    tea.fact(loss)
    assert sum(units for _, _, units in tea.promises("o1")) == (0 if cause == "location_outage" else 5)
    assert tea.told("o1").cause == cause


def test_allocated_units_that_are_lost_are_planned_anew(tea):
    tea.counted(A=5)
    tea.fact(scheduled())
    tea.demand("o1", 5)
    tea.fact(f.InventoryAdjusted(location="A", delta=-2))
    assert tea.promises("o1") == [(0, "A", 3), (10, "A", 2)]
    assert tea.told("o1").cause == "count_discrepancy"


def test_shipped_units_stay_as_promised(tea):
    tea.counted(A=5)
    tea.demand("o1", 5)
    tea.clock(DAY)
    tea.demand("o1", want("1", 5, shipped={"A": 5}), shipments=(("s1", "A", 5),))
    assert tea.promises("o1") == [(0, "A", 5)]
    assert tea.figure("sellable") == 0


# --- beyond the lead time ---


def product(**more):
    return f.ProductUpserted(sku="tea", name="Tea", uom="each", **more)


def test_any_quantity_is_promised_after_the_lead_time(tea):
    tea.fact(product(lead_time_days=14, unconditional_after_lead_time=True))
    tea.fact(scheduled(qty=3))
    tea.demand("o1", 100)
    assert tea.promises("o1") == [(10, "A", 3), (14, "A", 97)]
    assert tea.atp(qty=7)["earliest"]["date"] == "1970-01-15"


def test_what_is_promised_after_the_lead_time_keeps_its_day_or_gets_a_better_one(tea):
    tea.fact(product(lead_time_days=14, unconditional_after_lead_time=True))
    tea.demand("o1", 100)
    tea.clock(4 * DAY)
    tea.fact(scheduled(qty=60))
    assert tea.promises("o1") == [(10, "A", 60), (14, "A", 40)]


def test_what_is_promised_after_the_lead_time_gets_a_better_day_though_it_is_discontinued_since(tea):
    """o1 wants 2 from one place: the one that comes is set aside for it, and promised to nobody else."""
    tea.fact(product(lead_time_days=14, unconditional_after_lead_time=True))
    tea.demand("o2", 1)
    tea.fact(f.ProductDiscontinued(sku="tea"))
    assert tea.promises("o2") == [(14, "A", 1)]
    tea.demand("o1", 2, single=True)
    tea.counted(A=1)
    assert (tea.has("o2"), tea.promises("o2")) == ({}, [(14, "A", 1)])
    tea.fact(scheduled(qty=2))
    assert tea.promises("o2") == [(10, "A", 1)]


def test_a_discontinued_product_promises_what_comes_and_no_more(tea):
    tea.fact(product(lead_time_days=14, unconditional_after_lead_time=True))
    tea.fact(f.ProductDiscontinued(sku="tea"))
    tea.fact(scheduled(qty=3))
    tea.demand("o1", 5)
    assert tea.promises("o1") == [(10, "A", 3)]
    assert tea.atp()["discontinued"] is True


# --- asked for before there is an order ---


def test_a_promise_asked_for_keeps_safety_stock(tea):
    tea.counted(A=10)
    tea.fact(f.SafetyStockSet(location="A", qty=4))
    tea.fact(scheduled(qty=2))
    tea.demand("o1", 9, keeps_safety=True)
    assert (tea.has("o1"), tea.promises("o1")) == ({"A": 6}, [(0, "A", 6), (10, "A", 2)])


# --- caps, and lines that do not queue ---


def test_no_more_than_the_cap_is_allocated_and_the_rest_keeps_its_rank(tea):
    tea.counted(A=10)
    tea.demand("o1", want("1", 8, cap=3))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 3}, 5)
    assert tea.promises("o1") == [(0, "A", 8)]
    tea.demand("o2", 9)
    assert tea.has("o2") == {"A": 2}, "5 are set aside for o1"
    tea.demand("o1", want("1", 8, cap=8))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 8}, 0)


def test_a_lower_cap_gives_units_back(tea):
    tea.counted(A=10)
    tea.demand("o1", want("1", 8))
    tea.demand("o1", want("1", 8, cap=2))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 2}, 6)


def test_what_does_not_queue_takes_what_is_there_and_waits_for_nothing(tea):
    tea.counted(A=3)
    tea.fact(scheduled())
    tea.demand("o1", want("1", 8, queues=False))
    assert (tea.has("o1"), tea.lacks("o1"), tea.promises("o1")) == ({"A": 3}, 0, [(0, "A", 3)])
    assert tea.figures("backordered", "available_now") == (0, 0)
    tea.counted(A=9)
    assert tea.has("o1") == {"A": 3}
    tea.counted(A=1)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 1}, 0)


def test_a_whole_order_is_planned_whole_and_then_kept(tea):
    tea.counted(A=5)
    tea.fact(scheduled(qty=3))
    tea.demand("o2", 8, complete=True)
    assert (tea.has("o2"), tea.lacks("o2")) == ({}, 8)
    assert tea.promises("o2") == [(0, "A", 5), (10, "A", 3)]
    tea.demand("o1", 4)
    assert tea.has("o1") == {}, "they are promised to o2"
    tea.fact(f.InventoryReceived(location="A", qty=3, supply_id="p1"))
    assert tea.has("o2") == {"A": 8}


def test_where_nothing_has_a_date_what_is_set_aside_is_promised_to_nobody_behind(tea):
    """That o1 must have all or nothing, and is served again at once, makes no difference to who is behind."""
    tea.counted(A=2, B=2)
    tea.demand("o1", 1, complete=True)
    tea.demand("o3", 1)
    tea.demand("o2", 3, single=True)
    tea.counted(A=0)
    assert (tea.has("o1"), tea.has("o2"), tea.has("o3")) == ({"B": 1}, {}, {})
    assert (tea.promises("o2"), tea.promises("o3")) == ([], [])


def test_a_whole_order_for_later_keeps_no_part_that_came_back(tea):
    tea.counted(A=5)
    tea.demand("o1", want("1", 2, day=3, shipped={"A": 1}), complete=True, shipments=(("s1", "A", 1),))
    tea.demand("o1", want("1", 2, day=3), complete=True)
    assert tea.has("o1") == {}
    tea.clock(3 * DAY)
    assert tea.has("o1") == {"A": 2}
