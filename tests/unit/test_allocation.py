"""Who gets what: grants and backorders in log order, by rank where units become free.

Orders rank by when they were placed, then by id: here o1 before o2 before o3.
"""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f


def received(qty, location="A"):
    return f.InventoryReceived(location=location, qty=qty)


def lost(qty, location="A"):
    return f.InventoryAdjusted(location=location, delta=-qty)


@pytest.fixture
def tea():
    stage = SkuStage()
    stage.counted(A=10)
    return stage


def test_grants_follow_the_log(tea):
    tea.demand("o2", 7)
    tea.demand("o1", 7)
    assert (tea.has("o2"), tea.lacks("o2")) == ({"A": 7}, 0)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 3}, 4)
    assert tea.figures("committed", "backordered", "available_now") == (10, 4, -4)


def test_orders_are_told_what_they_have(tea):
    tea.demand("o1", 7)
    tea.demand("o2", 7)
    told = [
        (order_id, s.request, s.seq, [(x.allocated, x.backordered, x.cells) for x in s.lines])
        for order_id, s in tea.answers
    ]
    assert told == [("o1", 1, 1, [(7, 0, {"A": 7})]), ("o2", 1, 1, [(3, 4, {"A": 3})])]


def test_a_repeat_of_a_request_changes_nothing(tea):
    assert tea.demand("o1", 7, request=2)
    assert not tea.demand("o1", 3, request=2)
    assert not tea.demand("o1", 1, request=1)
    assert tea.has("o1") == {"A": 7}


def test_new_stock_goes_to_the_first_in_rank(tea):
    tea.demand("o3", 10)
    tea.demand("o2", 5)
    tea.demand("o1", 5)
    tea.fact(received(7))
    assert (tea.lacks("o1"), tea.lacks("o2")) == (0, 3)
    tea.fact(received(7))
    assert (tea.lacks("o1"), tea.lacks("o2")) == (0, 0)
    assert tea.figure("available_now") == 4


def test_rank_is_when_the_order_was_placed(tea):
    tea.demand("o9", 10)
    tea.demand("o1", 5, placed_s=20)
    tea.demand("o2", 5, placed_s=10)
    tea.fact(received(5))
    assert (tea.lacks("o1"), tea.lacks("o2")) == (5, 0)


@pytest.mark.parametrize("how", ["complete", "single"])
def test_nobody_overtakes_who_waits_for_all_or_nothing(how):
    tea = SkuStage()
    tea.counted(A=10)
    tea.demand("o1", 12, **{how: True})
    tea.demand("o2", 4)
    assert (tea.has("o1"), tea.has("o2")) == ({}, {})
    tea.fact(received(3))
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2")) == ({"A": 12}, {"A": 1}, 3)


def test_a_parked_order_keeps_its_rank_and_takes_nothing(tea):
    tea.demand("o1", 8, complete=True, parked=True)
    tea.demand("o2", 5)
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2")) == ({}, {"A": 2}, 3)
    tea.demand("o1", 8, complete=True)
    assert tea.has("o1") == {"A": 8}


def test_parking_gives_units_back(tea):
    tea.demand("o1", 8, complete=True)
    tea.demand("o1", 8, complete=True, parked=True)
    assert (tea.has("o1"), tea.lacks("o1")) == ({}, 8)
    assert tea.figures("committed", "backordered", "available_now") == (0, 8, 2)


# --- fewer, more ---


def test_cancelled_units_return_to_the_very_cells_they_came_from():
    tea = SkuStage()
    tea.counted(A=4, B=10)
    tea.demand("o1", 9)
    assert tea.has("o1") == {"A": 4, "B": 5}
    tea.demand("o1", 0)
    assert tea.has("o1") == {}
    assert (tea.figure("available_now", "A"), tea.figure("available_now", "B")) == (4, 10)
    assert tea.figures("committed", "available_now") == (0, 14)


def test_a_part_cancelled_comes_off_what_waits_first(tea):
    tea.demand("o1", 13)
    tea.demand("o1", 11)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 10}, 1)
    tea.demand("o1", 8)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 8}, 0)


def test_cancelled_units_go_to_who_waits(tea):
    tea.demand("o1", 10)
    tea.demand("o2", 6)
    tea.demand("o1", 7)
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2")) == ({"A": 7}, {"A": 3}, 3)
    assert [order_id for order_id, _ in tea.answers[-2:]] == ["o1", "o2"]


def test_a_greater_want_takes_more(tea):
    tea.demand("o1", 4)
    tea.demand("o1", 12)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 10}, 2)


def test_a_line_no_longer_named_wants_nothing(tea):
    tea.demand("o1", want("1", 4), want("2", 5))
    tea.demand("o1", want("1", 4))
    assert tea.has("o1", "2") == {}
    assert tea.figure("committed") == 4


def test_lines_of_one_order_share_the_stock(tea):
    tea.demand("o1", want("1", 6), want("2", 6))
    assert (tea.has("o1", "1"), tea.has("o1", "2"), tea.lacks("o1", "2")) == ({"A": 6}, {"A": 4}, 2)


# --- stock lost ---


def test_the_last_in_rank_loses_first(tea):
    tea.demand("o2", 4)
    tea.demand("o1", 3)
    tea.demand("o3", 3)
    tea.fact(lost(5))
    assert (tea.has("o1"), tea.has("o2"), tea.has("o3")) == ({"A": 3}, {"A": 2}, {})
    assert (tea.lacks("o1"), tea.lacks("o2"), tea.lacks("o3")) == (0, 2, 3)
    assert tea.figures("committed", "backordered", "available_now") == (5, 5, -5)
    assert {order_id for order_id, _ in tea.answers[-2:]} == {"o2", "o3"}


def test_only_the_location_that_lost_takes_back():
    tea = SkuStage()
    tea.counted(A=5, B=5)
    tea.demand("o1", want("1", 5, at="A"))
    tea.demand("o2", want("1", 5, at="B"))
    tea.fact(lost(2, "A"))
    assert (tea.has("o1"), tea.lacks("o1"), tea.has("o2")) == ({"A": 3}, 2, {"B": 5})


def test_a_loss_is_made_good_from_another_location_and_the_order_is_told():
    tea = SkuStage()
    tea.counted(A=5, B=5)
    tea.demand("o1", 5)
    tea.fact(lost(2, "A"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 3, "B": 2}, 0)
    assert tea.answers[-1][1].lines[0].cells == {"A": 3, "B": 2}


def test_what_a_warehouse_works_on_is_never_taken_back(tea):
    tea.demand("o1", 5)
    tea.demand("o2", 5)
    tea.demand("o2", want("1", 5, released={"A": 4}))
    tea.fact(lost(8))
    assert (tea.has("o2"), tea.lacks("o2")) == ({"A": 4}, 1)
    assert (tea.has("o1"), tea.lacks("o1")) == ({}, 5)
    assert tea.figures("sellable", "committed") == (2, 4)


def test_the_first_in_rank_gives_way_only_when_the_last_has_nothing_left(tea):
    tea.demand("o1", 5)
    tea.demand("o2", 5)
    tea.fact(lost(6))
    assert (tea.has("o1"), tea.has("o2")) == ({"A": 4}, {})


def test_who_lost_units_is_before_later_orders_when_stock_comes(tea):
    tea.demand("o1", 10)
    tea.fact(lost(4))
    tea.demand("o2", 4)
    tea.fact(received(5))
    assert (tea.lacks("o1"), tea.has("o2"), tea.lacks("o2")) == (0, {"A": 1}, 3)


def test_an_all_or_nothing_order_that_loses_one_unit_gives_all_back(tea):
    tea.demand("o1", want("1", 4), want("2", 6), complete=True)
    tea.fact(lost(1))
    assert (tea.has("o1", "1"), tea.has("o1", "2")) == ({}, {})
    assert (tea.lacks("o1", "1"), tea.lacks("o1", "2")) == (4, 6)
    assert tea.figures("committed", "backordered") == (0, 10)


def test_a_single_sourced_line_that_loses_units_moves_as_a_whole():
    tea = SkuStage()
    tea.counted(A=5, B=9)
    tea.demand("o1", 5, single=True)
    tea.fact(lost(1, "A"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 5}, 0)


# --- all or nothing at one SKU ---


@pytest.mark.parametrize(
    ("stock", "lines", "granted"),
    [
        (10, (10,), True),
        (10, (11,), False),
        (10, (4, 6), True),
        (10, (4, 7), False),
        (10, (11, 1), False),
    ],
)
def test_complete_grants_every_line_or_none(stock, lines, granted):
    tea = SkuStage()
    tea.counted(A=stock)
    tea.demand("o1", *(want(str(n), qty) for n, qty in enumerate(lines)), complete=True)
    has = [sum(tea.has("o1", str(n)).values()) for n in range(len(lines))]
    assert has == (list(lines) if granted else [0] * len(lines))
    assert tea.figure("backordered") == (0 if granted else sum(lines))


def test_a_complete_order_that_wants_more_than_there_is_keeps_nothing(tea):
    """Two that keep what they have while they wait for each other's would wait for ever."""
    tea.demand("o1", 5, complete=True)
    tea.demand("o2", 4, complete=True)
    tea.demand("o1", 8, complete=True)
    assert (tea.has("o1"), tea.lacks("o1")) == ({}, 8)
    tea.demand("o2", 7, complete=True)
    assert tea.has("o1") == {"A": 8}
    assert (tea.has("o2"), tea.lacks("o2")) == ({}, 7)


def test_a_complete_order_keeps_what_a_warehouse_works_on(tea):
    tea.demand("o1", 5, complete=True)
    tea.demand("o1", want("1", 12, released={"A": 5}), complete=True)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 5}, 7)


# --- sourcing ---


@pytest.mark.parametrize(
    ("stock", "qty", "sourcing", "cells"),
    [
        # nearest first, as many locations as it takes
        ({"A": 3, "B": 4, "C": 9}, 6, {}, {"A": 3, "B": 3}),
        ({"A": 3, "B": 4, "C": 9}, 12, {}, {"A": 3, "B": 4, "C": 5}),
        # at most so many
        ({"A": 3, "B": 4, "C": 9}, 12, {"max_splits": 2}, {"A": 3, "B": 4}),
        ({"A": 3, "B": 4, "C": 9}, 12, {"max_splits": 1}, {"A": 3}),
        ({"A": 0, "B": 4, "C": 9}, 12, {"max_splits": 2}, {"B": 4, "C": 8}),
        # one covers all or none does
        ({"A": 3, "B": 4, "C": 9}, 6, {"single": True}, {"C": 6}),
        ({"A": 3, "B": 4, "C": 9}, 4, {"single": True}, {"B": 4}),
        ({"A": 3, "B": 4, "C": 9}, 10, {"single": True}, {}),
    ],
)
def test_sourcing(stock, qty, sourcing, cells):
    tea = SkuStage()
    tea.counted(**stock)
    tea.demand("o1", qty, **sourcing)
    assert tea.has("o1") == cells
    assert tea.lacks("o1") == qty - sum(cells.values())


def test_a_line_with_a_location_is_served_there_alone():
    tea = SkuStage()
    tea.counted(A=9, B=2)
    tea.demand("o1", want("1", 5, at="B"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 2}, 3)
    tea.fact(received(9, "A"))
    assert tea.lacks("o1") == 3
    tea.fact(received(9, "B"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 5}, 0)


def test_a_line_that_waits_at_one_location_keeps_nobody_from_another():
    tea = SkuStage()
    tea.counted(A=9)
    tea.demand("o1", want("1", 5, at="B"))
    tea.demand("o2", 9)
    assert tea.has("o2") == {"A": 9}


def test_splits_already_used_count():
    tea = SkuStage()
    tea.counted(A=2, B=0, C=0)
    tea.demand("o1", 9, max_splits=2)
    tea.fact(received(3, "C"))
    tea.fact(received(3, "B"))
    assert tea.has("o1") == {"A": 2, "C": 3}
    tea.fact(received(4, "A"))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 6, "C": 3}, 0)


def test_a_single_sourced_line_that_wants_more_moves_as_a_whole():
    tea = SkuStage()
    tea.counted(A=5, B=9)
    tea.demand("o1", 5, single=True)
    tea.demand("o1", 8, single=True)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 8}, 0)


# --- held stock ---


def test_an_order_gets_nothing_that_is_held(tea):
    tea.fact(f.HoldPlaced(hold_id="h1", qty=6, ttl_s=60, owner="cart"))
    tea.demand("o1", 10)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 4}, 6)


def test_lost_stock_is_taken_from_what_is_free_then_from_holds_then_from_orders(tea):
    tea.demand("o1", 5)
    tea.fact(f.HoldPlaced(hold_id="h1", qty=3, ttl_s=60, owner="cart"))
    tea.fact(lost(4))
    assert tea.has("o1") == {"A": 5}
    assert tea.figures("sellable", "committed", "held", "available_now") == (6, 5, 3, -2)
