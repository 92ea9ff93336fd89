"""Policies, locations and products: what the catalog changes."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f

DAY = 86_400


def location(name, rank, **more):
    return f.LocationUpserted(location=name, name=name, rank=rank, timezone="UTC", **more)


def policy(scope="*", **more):
    return f.PolicySet(scope=scope, **more)


def product(**more):
    return f.ProductUpserted(sku="tea", name="Tea", uom="each", **more)


@pytest.fixture
def tea():
    stage = SkuStage()
    stage.counted(A=10)
    return stage


# --- locations ---


def test_the_nearest_comes_first_and_unknown_ones_last():
    tea = SkuStage()
    tea.fact(location("B", 2))
    tea.fact(location("C", 1))
    tea.counted(A=5, B=5, C=5)
    tea.demand("o1", 12)
    assert tea.has("o1") == {"C": 5, "B": 5, "A": 2}


def test_a_closed_location_gives_nothing_new_and_stays_visible(tea):
    tea.fact(location("A", 1))
    tea.demand("o1", 3)
    tea.fact(location("A", 1, open=False))
    tea.demand("o2", 2)
    tea.fact(f.HoldPlaced(hold_id="h1", qty=1, ttl_s=60, owner="cart"))
    assert (tea.has("o1"), tea.has("o2"), tea.lacks("o2"), tea.figure("held")) == ({"A": 3}, {}, 2, 0)
    assert tea.figures("on_hand", "committed", "backordered", "available_now") == (0, 0, 2, -2)
    assert tea.atp()["curve"][0]["atp"] == -2
    assert tea.figures("on_hand", "committed", "available_now", location="A") == (10, 3, 7)
    tea.fact(location("A", 1))
    assert tea.has("o2") == {"A": 2}


# --- ranks ---


def test_priority_ranks_where_the_policy_says_so(tea):
    tea.fact(policy(ranking="priority_fifo"))
    tea.counted(A=0)
    tea.demand("o1", 5, priority=100)
    tea.demand("o2", 5, priority=1)
    tea.counted(A=6)
    assert (tea.has("o1"), tea.has("o2")) == ({"A": 1}, {"A": 5})
    tea.counted(A=5)
    assert (tea.has("o1"), tea.has("o2")) == ({}, {"A": 5})


def test_a_change_of_ranking_reorders_who_waits(tea):
    tea.counted(A=0)
    tea.demand("o1", 5, priority=100)
    tea.demand("o2", 5, priority=1)
    tea.fact(policy(ranking="priority_fifo"))
    tea.counted(A=5)
    assert (tea.has("o1"), tea.has("o2")) == ({}, {"A": 5})
    tea.fact(policy())
    tea.counted(A=7)
    assert (tea.has("o1"), tea.has("o2")) == ({"A": 2}, {"A": 5})
    tea.counted(A=5)
    assert (tea.has("o1"), tea.has("o2")) == ({"A": 2}, {"A": 3})


# --- sourcing ---


def test_the_policys_sourcing_holds_where_the_order_says_nothing(tea):
    tea.counted(A=3, B=4, C=9)
    tea.fact(policy(sourcing=f.Sourcing(mode="single")))
    tea.demand("o1", 5)
    assert tea.has("o1") == {"C": 5}
    tea.demand("o2", 5, sourced=True)
    assert tea.has("o2") == {"A": 3, "B": 2}


def test_max_splits_of_the_policy(tea):
    tea.counted(A=3, B=4, C=9)
    tea.fact(policy(sourcing=f.Sourcing(max_splits=2)))
    tea.demand("o1", 10)
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 3, "B": 4}, 3)


def test_earliest_keeps_to_the_sourcing_of_the_policy(tea):
    tea.counted(A=3, B=4)
    assert [(x["location"], x["qty"]) for x in tea.atp(qty=5)["earliest"]["lines"]] == [("A", 3), ("B", 2)]
    tea.fact(policy(sourcing=f.Sourcing(mode="single")))
    assert tea.atp(qty=5)["earliest"] == {"qty": 5, "date": None, "lines": []}


# --- a SKU's own policy ---


def test_a_skus_own_policy_replaces_that_of_all(tea):
    assert tea.atp()["policy_version"] == 0
    tea.fact(policy(horizon_days=30))
    tea.fact(policy(horizon_days=40))
    assert (tea.atp()["policy_version"], len(tea.atp()["curve"])) == (2, 40)
    tea.fact(policy("tea", method="cumulative"))
    assert (tea.atp()["policy_version"], len(tea.atp()["curve"])) == (1, 90)
    assert tea.atp()["method"] == "cumulative"


def test_without_carry_backordered_demand_counts_nowhere(tea):
    tea.demand("o1", 15)
    assert tea.figure("available_now") == -5
    tea.fact(policy(carry_shortage=False))
    assert tea.figures("available_now", "backordered") == (0, 5)
    assert [p["cumulative"] for p in tea.atp()["curve"][:2]] == [-5, 0], "lost at the end of its day"


def test_overdue_demand_beyond_the_fence_is_stale(tea):
    tea.counted(A=0)
    tea.demand("o1", want("1", 4, day=0))
    tea.fact(policy(demand_fence_days=2))
    tea.clock(2 * DAY)
    assert tea.figures("available_now", "backordered") == (-4, 4)
    tea.clock(3 * DAY)
    assert tea.figures("available_now", "backordered") == (0, 0)
    assert tea.atp()["stale_demand"] == [
        {
            "order_id": "o1",
            "line_id": "1",
            "location": None,
            "qty": 4,
            "requested_date": "1970-01-01",
            "overdue_days": 3,
        }
    ]


# --- the answer for one order's eyes ---


def test_an_orders_own_units_can_be_left_out(tea):
    tea.fact(f.SupplyScheduled(supply_id="p1", location="A", qty=5, due="1970-01-05", firmness="firm"))
    tea.demand("o1", 12)
    tea.demand("o2", 1)
    found = tea.atp(exclude_order="o1")
    assert (found["committed"], found["backordered"], found["available_now"]) == (0, 1, 9)
    assert [p["atp"] for p in found["curve"]][3:5] == [9, 14]
    assert tea.figures("committed", "backordered") == (10, 3)


# --- products ---


def test_a_catalogued_sku_is_known_though_it_has_no_stock():
    tea = SkuStage()
    tea.fact(product(pack={"case": 12}))
    assert tea.atp()["uom"] == "each"
    tea.counted(A=30)
    assert tea.atp()["packs"] == {"case": {"factor": 12, "available": 2}}


def test_an_untracked_product_answers_null_and_covers_all(tea):
    tea.fact(product(tracked=False))
    tea.demand("o1", 99)
    assert (tea.has("o1"), tea.lacks("o1"), tea.head.cells["A"].committed) == ({"A": 99}, 0, 0)
    found = tea.atp()
    assert (found["untracked"], found["available_now"], found["on_hand"], found["curve"]) == (
        True,
        None,
        None,
        None,
    )


def test_a_product_that_is_tracked_again_takes_what_its_orders_have(tea):
    tea.fact(product(tracked=False))
    tea.demand("o1", 12)
    tea.fact(product())
    assert (tea.has("o1"), tea.lacks("o1")) == ({"A": 10}, 2)
    assert tea.figures("committed", "backordered") == (10, 2)
    tea.fact(product(tracked=False))
    assert (tea.has("o1"), tea.lacks("o1"), tea.head.cells["A"].committed) == ({"A": 12}, 0, 0)


# --- returns ---


def test_returns_move_buckets_by_what_is_new(tea):
    tea.demand("o1", 10)
    tea.demand("o2", 5)
    shipped = want("1", 10, shipped={"A": 10})
    gone = (("s1", "A", 10),)
    tea.demand("o1", shipped, shipments=gone, returns=(("A", 4, 0, 0),))
    assert tea.figures("sellable", "quality_control", "damaged") == (0, 4, 0)
    tea.demand("o1", shipped, shipments=gone, returns=(("A", 1, 2, 1),))
    assert tea.figures("sellable", "quality_control", "damaged", "on_hand") == (2, 1, 1, 4)
    assert tea.has("o2") == {"A": 2}, "who waits gets what is sellable again"


# --- kits ---


def test_a_kit_is_as_many_as_its_scarcest_component_makes():
    rows = SkuStage("leg")
    rows.counted(A=9, B=4)
    top = SkuStage("top")
    top.rows = rows.rows
    top.counted(A=5)
    top.fact(f.SupplyScheduled(supply_id="p1", location="B", qty=3, due="1970-01-03", firmness="firm"))
    table = SkuStage("table")
    table.rows = rows.rows
    table.fact(
        f.ProductUpserted(
            sku="table",
            name="Table",
            uom="each",
            kit=(f.KitPart(sku="leg", qty_per=4), f.KitPart(sku="top", qty_per=1)),
        )
    )
    assert table.atp()["available_now"] == 3  # 13 legs make 3
    assert table.atp("A")["available_now"] == 2
    assert table.atp("B")["available_now"] == 0
    assert [p["atp"] for p in table.atp("B")["curve"]][:4] == [0, 0, 1, 1]
    assert table.atp(qty=3)["earliest"] == {  # the legs of the third are at B, its top is at A
        "qty": 3,
        "date": "1970-01-01",
        "lines": [
            {"date": "1970-01-01", "qty": 2, "location": "A", "sku": "table"},
            {"date": "1970-01-01", "qty": 1, "location": "B", "sku": "table"},
        ],
    }


# --- substitutes in what can be had ---


def test_substitutes_without_consent_help_by_whole_ratios():
    tea = SkuStage()
    tea.counted(A=2)
    for sku, units in (("bag", 7), ("leaf", 50), ("brick", 50)):
        other = SkuStage(sku)
        other.rows = tea.rows
        other.counted(A=units)
    tea.fact(
        product(
            substitutes=(
                f.Substitute(sku="leaf", needs_consent=True),
                f.Substitute(sku="brick", ratio=1.5),
                f.Substitute(sku="bag", ratio=2, valid_from="1970-01-01"),
            )
        )
    )
    assert [(x["sku"], x["qty"]) for x in tea.atp(qty=9)["earliest"]["lines"]] == [("tea", 2), ("bag", 3)]
    assert tea.atp(qty=9)["earliest"]["date"] is None
    assert tea.atp(qty=5)["earliest"]["date"] == "1970-01-01"
