"""Holds with a time to live in stream time. Seconds; a hold with expiry e is dead at t >= e."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US
from springtide.tables import stock
from springtide.tables.atp import figures


def hold(hold_id, qty, ttl_s=60, **more):
    return f.HoldPlaced(hold_id=hold_id, qty=qty, ttl_s=ttl_s, owner="cart", **more)


@pytest.fixture
def tea():
    stage = SkuStage()
    stage.counted(A=10)
    return stage


@pytest.mark.parametrize(("now_s", "held"), [(0, 4), (59.999999, 4), (60, 0), (61, 0)])
def test_a_hold_is_dead_at_its_expiry(tea, now_s, held):
    tea.fact(hold("h1", 4, ttl_s=60))
    tea.clock(now_s)
    assert tea.figures("held", "available_now") == (held, 10 - held)


def test_a_reading_at_the_expiry_agrees_though_nobody_came_by(tea):
    tea.fact(hold("h1", 4, ttl_s=60))
    assert figures(tea.rows, tea.key, 59 * SECOND_US)["available_now"] == 6
    assert figures(tea.rows, tea.key, 60 * SECOND_US)["available_now"] == 10
    assert figures(tea.rows, tea.key, 60 * SECOND_US, "A")["held"] == 0
    assert figures(tea.rows, tea.key, 60 * SECOND_US, "B")["held"] == 0


def test_a_hold_takes_all_it_asks_for_or_nothing_and_keeps_safety_stock(tea):
    tea.fact(f.SafetyStockSet(location="A", qty=3))
    tea.fact(hold("h1", 8))
    assert tea.figure("held") == 0
    assert tea.past_hold("h1").state == "refused"
    assert tea.past_hold("h1").left == 7
    tea.fact(hold("h2", 7))
    assert tea.figures("held", "available_now") == (7, 0)


def test_the_nearest_location_gives_first():
    tea = SkuStage()
    tea.counted(B=6, A=4)
    tea.fact(hold("h1", 5))
    assert tea.head.holds["h1"].cells == {"A": 4, "B": 1}
    assert (tea.figure("held", "A"), tea.figure("held", "B")) == (4, 1)


def test_a_hold_for_one_location_takes_from_it_alone():
    tea = SkuStage()
    tea.counted(A=4, B=6)
    tea.fact(hold("h1", 5, location="A"))
    tea.fact(hold("h2", 6, location="B"))
    assert (tea.figure("held", "A"), tea.figure("held", "B")) == (0, 6)


def test_a_hold_may_take_what_its_location_has_though_another_is_short():
    tea = SkuStage()
    tea.counted(A=10, B=0)
    tea.fact(f.SafetyStockSet(location="B", qty=20))
    assert tea.figure("available", "A") == 10
    tea.fact(hold("h1", 10, location="A"))
    assert tea.figure("held", "A") == 10


def test_a_hold_at_a_location_takes_nothing_that_an_order_waits_for():
    tea = SkuStage()
    tea.counted(A=6, B=6)
    tea.demand("o1", 8, single=True)
    assert tea.lacks("o1") == 8
    tea.fact(hold("h1", 5, location="A"))
    assert tea.figure("held") == 0, "12 are there, 8 of them waited for"
    tea.fact(hold("h2", 4))
    assert tea.figure("held") == 4


def test_the_same_hold_again_changes_nothing(tea):
    tea.fact(hold("h1", 4))
    tea.fact(hold("h1", 4), at_s=30)
    assert tea.figure("held") == 4
    tea.clock(60)
    tea.fact(hold("h1", 4))
    assert tea.figure("held") == 0, "it has ended once"


def test_a_hold_told_after_it_died_never_lives(tea):
    tea.clock(100)
    tea.fact(hold("h1", 4, ttl_s=60), at_s=40)
    assert tea.figure("held") == 0
    assert tea.past_hold("h1").state == "expired"
    tea.fact(hold("h2", 4, ttl_s=61), at_s=40)
    assert tea.figure("held") == 4
    tea.clock(101)
    assert tea.figure("held") == 0


def test_extension_counts_from_when_it_was_asked_for(tea):
    tea.fact(hold("h1", 4, ttl_s=60))
    tea.fact(f.HoldExtended(hold_id="h1", ttl_s=60), at_s=30)
    tea.clock(89)
    assert tea.figure("held") == 4
    tea.clock(90)
    assert tea.figure("held") == 0


def test_extension_never_shortens(tea):
    tea.fact(hold("h1", 4, ttl_s=60))
    tea.fact(f.HoldExtended(hold_id="h1", ttl_s=1), at_s=30)
    tea.clock(59)
    assert tea.figure("held") == 4


def test_extension_of_a_dead_hold_is_refused(tea):
    tea.fact(hold("h1", 4, ttl_s=60))
    tea.fact(f.HoldExtended(hold_id="h1", ttl_s=60), at_s=60)
    assert tea.figure("held") == 0
    assert tea.notes() == ["hold_not_extended"]


def test_release_twice_frees_once(tea):
    tea.fact(hold("h1", 4))
    tea.fact(f.HoldReleased(hold_id="h1"))
    assert tea.figures("held", "available_now") == (0, 10)
    tea.fact(f.HoldReleased(hold_id="h1"))
    assert tea.figures("held", "available_now") == (0, 10)
    assert tea.past_hold("h1").state == "released"
    tea.clock(60)
    assert tea.figures("held", "available_now") == (0, 10)


def test_what_a_hold_frees_goes_to_who_waits(tea):
    tea.fact(hold("h1", 4, ttl_s=60))
    tea.demand("o1", 9)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 6}, 3)
    tea.clock(60)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 9}, 0)
    assert tea.figure("available_now") == 1
    assert tea.answers[-1][1].lines[0].allocated == 9


# --- conversion ---


def convert(hold_id="h1", order_id="o1", line_id="1"):
    return f.HoldConverted(hold_id=hold_id, order_id=order_id, line_id=line_id)


def test_a_converted_hold_becomes_the_orders_units_when_the_order_asked_first(tea):
    tea.fact(hold("h1", 8))
    tea.demand("o1", 8)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 2}, 6)
    tea.fact(convert())
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 8}, 0)
    assert tea.figures("committed", "held", "available_now") == (8, 0, 2)


def test_a_converted_hold_waits_for_an_order_that_has_not_asked(tea):
    tea.fact(hold("h1", 8))
    tea.fact(convert())
    assert tea.figures("committed", "held", "available_now") == (0, 8, 2)
    tea.demand("o0", 9)
    assert tea.has("o0") == {"A": 2}, "an earlier order does not get what is held for another"
    tea.demand("o1", 8)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 8}, 0)
    assert tea.figures("committed", "held", "backordered") == (10, 0, 7)


def test_a_pledge_dies_with_the_hold(tea):
    tea.fact(hold("h1", 8, ttl_s=60))
    tea.fact(convert())
    tea.clock(60)
    assert tea.figures("held", "available_now") == (0, 10)
    tea.demand("o1", 8)
    assert tea.has("o1") == {"A": 8}


def test_a_released_pledge_stays_pledged(tea):
    tea.fact(hold("h1", 8))
    tea.fact(convert())
    tea.fact(f.HoldReleased(hold_id="h1"))
    assert tea.figure("held") == 8


def test_units_beyond_what_the_line_lacks_become_free(tea):
    tea.fact(hold("h1", 8))
    tea.demand("o1", 3)
    tea.fact(convert())
    assert tea.has("o1") == {"A": 3}
    assert tea.figures("committed", "held", "available_now") == (3, 0, 7)


def test_conversion_twice_gives_once(tea):
    tea.fact(hold("h1", 8))
    tea.demand("o1", 10)
    tea.fact(convert())
    tea.fact(convert())
    assert tea.figures("committed", "held") == (10, 0)
    assert tea.notes() == []


def test_a_late_conversion_is_refused_with_what_is_left(tea):
    tea.fact(hold("h1", 8, ttl_s=60))
    tea.clock(60)
    tea.demand("o9", 3)
    tea.fact(convert())
    assert tea.figures("committed", "held", "available_now") == (3, 0, 7)
    note = tea.head.notes[-1]
    assert note.kind == "hold_not_converted"
    assert note.detail == "hold h1 was expired; 7 are left"


def test_conversion_of_an_unknown_hold_is_refused(tea):
    tea.fact(convert("h9"))
    assert tea.head.notes[-1].detail == "hold h9 is not known; 10 are left"


def test_a_conversion_gives_an_all_or_nothing_order_all_or_nothing(tea):
    """An order for 13 of 10, `complete`: the 4 that were held for it must not lie with it."""
    tea.fact(hold("h1", 4))
    tea.demand("o1", 13, complete=True)
    tea.fact(convert())
    assert (tea.has("o1"), tea.lacks("o1")) == ({}, 13)
    tea.fact(f.InventoryReceived(location="A", qty=3))
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 13}, 0)


def test_a_conversion_completes_an_all_or_nothing_order(tea):
    tea.fact(hold("h1", 8))
    tea.demand("o1", 8, complete=True)
    assert tea.lacks("o1") == 8
    tea.fact(convert())
    assert tea.has("o1") == {"A": 8}


def test_a_conversion_gives_a_parked_order_nothing(tea):
    tea.fact(hold("h1", 4))
    tea.demand("o1", 4, complete=True, parked=True)
    tea.fact(convert())
    assert (tea.has("o1"), tea.lacks("o1")) == ({}, 4)


def test_a_conversion_from_two_locations_gives_a_single_sourced_line_nothing():
    tea = SkuStage()
    tea.counted(A=3, B=3)
    tea.fact(hold("h1", 6))
    tea.demand("o1", 6, single=True)
    tea.fact(convert())
    assert (tea.has("o1"), tea.lacks("o1")) == ({}, 6)


def test_a_conversion_respects_the_location_a_line_asks_for():
    tea = SkuStage()
    tea.counted(A=3, B=3)
    tea.fact(hold("h1", 6))
    tea.demand("o1", want("1", 6, at="B"))
    tea.fact(convert())
    assert (tea.has("o1"), tea.lacks("o1")) == ({"B": 3}, 3)


def test_a_sku_takes_so_many_holds_and_no_more(tea, monkeypatch):
    monkeypatch.setattr(stock, "HOLDS_MAX", 2)
    for hold_id in ("h1", "h2", "h3"):
        tea.fact(hold(hold_id, 1))
    assert tea.figure("held") == 2
    assert tea.past_hold("h3").state == "refused"
    tea.fact(f.HoldReleased(hold_id="h1"))
    tea.fact(hold("h4", 1))
    assert tea.figure("held") == 2


def test_a_hold_that_frees_units_serves_who_waits_for_all_of_them_whatever_it_was_promised_where() -> None:
    # given 6 free units of which one is held for o2, and o1 that wants 4 and 2, all or nothing
    tea = SkuStage("tea")
    tea.fact(f.InventoryReceived(location="A", qty=1))
    tea.fact(f.InventoryReceived(location="B", qty=5))
    tea.fact(f.HoldPlaced(hold_id="h", qty=1, ttl_s=100, owner="cart"))
    tea.fact(f.HoldConverted(hold_id="h", order_id="o2", line_id="2"))
    tea.demand("o1", want("1", 4), want("4", 2), complete=True, placed_s=0)
    assert tea.has("o1", "1") == {}
    # when o2 comes and has no such line here, so that the held unit becomes free
    tea.demand("o2", want("1", 3), complete=True, placed_s=0)
    # then o1 has all it wants
    assert sum(tea.has("o1", "1").values()) == 4
    assert sum(tea.has("o1", "4").values()) == 2
