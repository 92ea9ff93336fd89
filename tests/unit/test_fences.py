"""Stock ring-fenced for channels: who sees what, and who gets it."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f
from springtide.tables.fences import kept_for, kept_from

DAY = 86_400


def fence(channel, qty, rank=1, **more):
    return f.FenceSet(channel=channel, qty=qty, rank=rank, **more)


@pytest.fixture
def tea():
    stage = SkuStage()
    stage.counted(A=10)
    return stage


def seen(tea, channel, location="A"):
    return tea.atp(location, channel=channel)["available_now"]


# --- what is kept ---

SHOP_AND_WEB = [(1, "shop", 4), (2, "web", 3)]


@pytest.mark.parametrize(
    ("units", "shop", "web", "others"),
    [
        (10, 7, 6, 3),  # 3 are shared
        (7, 4, 3, 0),
        (5, 2, 3, 0),  # the lowest rank gives up first
        (2, 0, 2, 0),
        (0, 0, 0, 0),
        (-4, -4, -4, -4),
    ],
)
def test_a_loss_eats_what_is_shared_first_then_fences_from_the_lowest_rank_up(units, shop, web, others):
    sees = [units - kept_from(units, SHOP_AND_WEB, channel) for channel in ("shop", "web", "phone")]
    assert sees == [shop, web, others]
    assert sum(kept_for(units, SHOP_AND_WEB).values()) <= max(0, units)


def test_channels_see_their_own_and_what_is_shared(tea):
    tea.fact(fence("shop", 4))
    assert (seen(tea, "shop"), seen(tea, "web"), seen(tea, None)) == (10, 6, 10)
    assert seen(tea, "web", None) == 6
    assert tea.atp(channel="web")["curve"][5]["atp"] == 6


def test_an_order_gets_no_more_than_its_channel_sees(tea):
    tea.fact(fence("shop", 4))
    tea.demand("o1", 9, channel="web")
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 6}, 3)
    tea.demand("o2", 4, channel="shop")
    assert tea.has("o2") == {"A": 4}


def test_a_channel_uses_its_own_fence_first(tea):
    tea.fact(fence("shop", 4))
    tea.demand("o1", 3, channel="shop")
    # 7 left, of which 1 for the shop
    assert (seen(tea, "shop"), seen(tea, "web")) == (7, 6)
    tea.demand("o2", 3, channel="shop")
    assert (seen(tea, "shop"), seen(tea, "web")) == (4, 4)


def test_what_has_shipped_stays_used(tea):
    tea.demand("o0", want("1", 2, shipped={"A": 2}), channel="shop", shipments=(("s0", "A", 2),))
    tea.fact(fence("shop", 4))
    tea.demand("o1", 3, channel="shop")
    tea.demand("o1", want("1", 3, shipped={"A": 3}), channel="shop", shipments=(("s1", "A", 3),))
    # 5 left; of the fence 1: what left before it was set does not count
    assert (seen(tea, "shop"), seen(tea, "web")) == (5, 4)
    tea.fact(fence("shop", 6))
    assert seen(tea, "web") == 2


def test_a_fence_set_over_orders_counts_what_they_have(tea):
    tea.demand("o1", 3, channel="shop")
    tea.fact(fence("shop", 4))
    assert seen(tea, "web") == 6


def test_a_fence_of_0_is_none(tea):
    tea.fact(fence("shop", 4))
    tea.fact(fence("shop", 0))
    assert tea.head.fences == {}
    assert seen(tea, "web") == 10


def test_who_waits_gets_the_units_when_a_fence_goes(tea):
    tea.fact(fence("shop", 4))
    tea.demand("o1", 9, channel="web")
    tea.fact(fence("shop", 1))
    assert tea.has("o1") == {"A": 9}


def test_a_fence_is_in_force_from_its_start_to_its_end(tea):
    tea.fact(fence("shop", 4, valid_from="1970-01-03", valid_to="1970-01-04"))
    atp = {p["date"][-2:]: p["atp"] for p in tea.atp("A", channel="web")["curve"][:6]}
    assert atp == {"01": 6, "02": 6, "03": 6, "04": 6, "05": 10, "06": 10}
    assert seen(tea, "web") == 10
    tea.clock(2 * DAY)
    assert seen(tea, "web") == 6
    tea.demand("o1", 8)
    assert tea.has("o1") == {"A": 6}
    tea.clock(4 * DAY)
    assert tea.has("o1") == {"A": 8}, "its end comes though no event does"


def test_an_instant_ends_a_fence_at_that_instant(tea):
    tea.fact(fence("shop", 4, valid_to="1970-01-01T12:00:00Z"))
    tea.demand("o1", 8)
    tea.clock(DAY / 2 - 1)
    assert tea.has("o1") == {"A": 6}
    tea.clock(DAY / 2)
    assert tea.has("o1") == {"A": 8}


def test_a_fence_over_all_locations_binds_the_network(tea):
    tea.counted(B=10)
    tea.fact(fence("shop", 15))
    assert (seen(tea, "web", None), seen(tea, "web", "A"), seen(tea, "shop", None)) == (5, 5, 20)
    tea.demand("o1", 9, channel="web")
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 5}, 4)
    tea.demand("o2", 15, channel="shop")
    assert tea.has("o2") == {"A": 5, "B": 10}


def test_holds_are_of_a_channel_too(tea):
    tea.fact(fence("shop", 4))
    tea.fact(f.HoldPlaced(hold_id="h1", qty=7, ttl_s=60, owner="cart"))
    assert tea.past_hold("h1").left == 6, "a hold of no channel sees what is shared"
    tea.fact(f.HoldPlaced(hold_id="h2", qty=7, ttl_s=60, owner="cart", channel="shop"))
    assert tea.figure("held") == 7
    assert (seen(tea, "shop"), seen(tea, "web")) == (3, 3)
    tea.clock(60)
    assert (seen(tea, "shop"), seen(tea, "web")) == (10, 6)


def test_a_line_may_name_the_channel_whose_fence_it_uses(tea):
    tea.fact(fence("shop", 4))
    tea.demand("o1", want("1", 9, pool="shop"), channel="web")
    assert tea.has("o1") == {"A": 9}
    assert seen(tea, "web") == 1


def test_plans_keep_to_fences(tea):
    tea.fact(fence("shop", 4))
    tea.demand("o1", want("1", 9, day=5), channel="web")
    assert tea.promises("o1") == [(5, "A", 6)]
    tea.demand("o2", want("1", 4, day=5), channel="shop")
    assert tea.promises("o2") == [(5, "A", 4)]


def test_units_that_left_before_their_order_asked_are_used_of_its_fence_and_leave_more_to_others(tea):
    """5 lie there, all kept for web. That o1 of web had the one that left makes it 4: one is shared."""
    tea.counted(A=6)
    tea.fact(fence("web", 5))
    tea.fact(f.InventoryIssued(location="A", qty=1, order_id="o1"))
    tea.demand("o2", 3, channel="shop")
    assert (tea.has("o2"), tea.lacks("o2")) == ({}, 3)
    tea.demand("o1", 1, channel="web")
    assert tea.head.fences["* web"].used == 1
    assert (tea.has("o2"), tea.lacks("o2")) == ({"A": 1}, 2)
