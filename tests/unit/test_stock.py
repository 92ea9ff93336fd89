"""Buckets, counts, moves, safety stock: one fact after another, and the figures they leave."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f


def counted(on_hand, basis="includes_committed", location="A", bucket="sellable"):
    return f.InventoryCounted(location=location, on_hand=on_hand, basis=basis, bucket=bucket)


def adjusted(delta, location="A", bucket="sellable"):
    return f.InventoryAdjusted(location=location, delta=delta, bucket=bucket)


def moved(qty, source, target, location="A"):
    return f.InventoryMoved(location=location, qty=qty, from_bucket=source, to_bucket=target)


def received(qty, location="A"):
    return f.InventoryReceived(location=location, qty=qty)


def issued(qty, location="A"):
    return f.InventoryIssued(location=location, qty=qty)


# (sellable, damaged, quality_control, reserved_other) after each list of facts
@pytest.mark.parametrize(
    ("facts", "buckets"),
    [
        ([], (0, 0, 0, 0)),
        ([counted(7)], (7, 0, 0, 0)),
        ([counted(7), counted(5)], (5, 0, 0, 0)),
        ([counted(7), received(3), issued(4)], (6, 0, 0, 0)),
        ([counted(7), adjusted(-2), adjusted(1)], (6, 0, 0, 0)),
        ([counted(2), adjusted(-5)], (-3, 0, 0, 0)),
        ([counted(7), counted(4, bucket="damaged"), adjusted(2, bucket="damaged")], (7, 6, 0, 0)),
        ([counted(7), moved(3, "sellable", "quality_control")], (4, 0, 3, 0)),
        (
            [counted(7), moved(3, "sellable", "quality_control"), moved(1, "quality_control", "damaged")],
            (4, 1, 2, 0),
        ),
        ([counted(7), moved(9, "sellable", "reserved_other")], (-2, 0, 0, 9)),
        ([counted(7), moved(7, "sellable", "sellable")], (7, 0, 0, 0)),
        ([counted(7, location="B"), adjusted(-1, location="C")], (6, 0, 0, 0)),
    ],
)
def test_buckets(facts, buckets):
    tea = SkuStage()
    for fact in facts:
        tea.fact(fact)
    assert tea.figures("sellable", "damaged", "quality_control", "reserved_other") == buckets
    assert tea.figure("on_hand") == sum(buckets)
    assert tea.figure("available_now") == buckets[0], "no bucket but sellable takes part in a promise"


def test_a_count_that_excludes_what_is_committed_adds_it():
    tea = SkuStage()
    tea.counted(A=10)
    tea.demand("o1", 4)
    tea.fact(counted(9, "excludes_committed"))
    assert tea.figures("sellable", "committed", "available_now") == (13, 4, 9)


def test_what_is_held_is_counted_with_the_rest():
    tea = SkuStage()
    tea.counted(A=10)
    tea.fact(f.HoldPlaced(hold_id="h1", qty=4, ttl_s=60, owner="cart"))
    tea.fact(counted(9, "excludes_committed"))
    assert tea.figures("sellable", "held", "available_now") == (9, 4, 5)


def test_a_count_that_includes_what_is_committed_stands_as_it_is():
    tea = SkuStage()
    tea.counted(A=10)
    tea.demand("o1", 4)
    tea.fact(counted(9, "includes_committed"))
    assert tea.figures("sellable", "committed", "available_now") == (9, 4, 5)


def test_a_count_of_another_bucket_has_nothing_committed_in_it():
    tea = SkuStage()
    tea.counted(A=10)
    tea.demand("o1", 4)
    tea.fact(counted(9, "excludes_committed", bucket="damaged"))
    assert tea.figures("sellable", "damaged", "on_hand") == (10, 9, 19)


def test_safety_stock_is_kept_from_new_promises_and_not_from_orders():
    tea = SkuStage()
    tea.counted(A=10)
    tea.fact(f.SafetyStockSet(location="A", qty=4))
    assert tea.figures("available_now", "available", "shortage") == (6, 6, 0)
    tea.demand("o1", 9)
    assert tea.has("o1") == {"A": 9}
    assert tea.figures("available_now", "available", "shortage") == (-3, 0, 3)
    tea.fact(f.SafetyStockSet(location="A", qty=1))
    assert tea.figures("available_now", "available", "shortage") == (0, 0, 0)


def test_all_parts_of_available_now_at_once():
    tea = SkuStage()
    tea.counted(A=30)
    tea.fact(f.SafetyStockSet(location="A", qty=3))
    tea.demand("o1", 8)
    tea.fact(f.HoldPlaced(hold_id="h1", qty=7, ttl_s=60, owner="cart"))
    tea.demand("o2", 20)
    # 30 - 8 - 7 = 15 go to o2, which lacks 5: 30 - 3 - 23 - 7 - 5 = -8
    assert tea.figures("sellable", "safety_stock", "committed", "held", "backordered") == (30, 3, 23, 7, 5)
    assert tea.figures("available_now", "available", "shortage") == (-8, 0, 8)


def test_the_network_is_the_locations_in_sum_less_who_waits_anywhere():
    tea = SkuStage()
    tea.counted(A=5, B=2)
    tea.demand("o1", 9)
    assert tea.figures("committed", "backordered", "available_now") == (7, 2, -2)
    assert tea.figures("committed", "backordered", "available_now", location="A") == (5, 0, 0)
    assert tea.figures("committed", "backordered", "available_now", location="B") == (2, 0, 0)
    assert tea.figures("sellable", "available_now", location="nowhere") == (0, 0)


def test_who_waits_for_one_location_counts_there():
    tea = SkuStage()
    tea.counted(A=5, B=2)
    tea.demand("o1", want("1", 4, at="B"))
    assert tea.figures("committed", "backordered", "available_now", location="B") == (2, 2, -2)
    assert tea.figures("available_now", location="A") == (5,)
    assert tea.figure("available_now") == 3


def test_fences_are_kept_as_last_stated():
    tea = SkuStage()
    tea.fact(f.FenceSet(channel="web", qty=5, rank=1))
    tea.fact(f.FenceSet(channel="web", qty=8, rank=2))
    tea.fact(f.FenceSet(channel="web", qty=3, rank=1, location="A"))
    assert sorted((x.location or "*", x.qty) for x in tea.head.fences.values()) == [("*", 8), ("A", 3)]
