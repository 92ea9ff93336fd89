"""Available-to-promise over time, as published tables and textbooks have it; and where those are wrong.

Each table is checked by hand: cumulative is opening + supply - demand so far, look-ahead its least from there
on, discrete the buckets between two supplies after borrowing back.
"""

from itertools import pairwise

import pytest

from springtide.tables.dated import (
    cumulative,
    curve,
    discrete,
    earliest,
    look_ahead,
    rises,
    running,
    split,
)

NONE = None

# Oracle Inventory R11, ATP calculation: one period's supply and demand each
ORACLE = (0, [6, 4, 2, 4, 8, 4, 4, 4], [6, 2, 3, 6, 6, 1, 2, 2])
# JD Edwards 9.2, cumulative ATP: sales orders only, the forecast left out
JDE = (80, [0, 0, 60, 0, 0, 60, 0, 0], [30, 25, 30, 10, 0, 35, 0, 0])
# Master schedule exercise, weeks 2 to 9
MPS = (65, [250, 0, 0, 200, 0, 0, 150, 0], [25, 150, 49, 26, 75, 22, 68, 10])
# Pumps exercise, weeks 1 to 8
PUMPS = (64, [0, 0, 70, 0, 70, 0, 70, 70], [33, 20, 10, 4, 2, 0, 0, 0])
# Dynamics 365, order promising: purchase 200 three days late and sale 75 one day late, fences 7, offsets 1;
# purchase 100 in ten days
DYNAMICS = (0, [0, 200, *[0] * 8, 100], [0, 75, *[0] * 9])
# NetSuite: supply on 1 January, 10 and 15 February, 1 March, demand between them
NETSUITE = (0, [50, 40, 50, 50], [30, 40, 10, 0])
# A public test of an open ERP
PUBLIC_TEST = (8, [16, 20, 25, 20, 20], [24, 18, 25, 10, 0])
# Public document CPT-0086
CPT_0086 = (40, [0, 100, 0, 80], [30, 50, 20, 60])


@pytest.mark.parametrize(
    ("table", "period"),
    [
        (ORACLE, [0, 2, -1, -2, 2, 3, 2, 2]),
    ],
)
def test_net_of_each_period(table, period):
    _, supply, demand = table
    assert [s - d for s, d in zip(supply, demand, strict=True)] == period


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(ORACLE, [-1, -1, -1, -1, 1, 4, 6, 8], id="oracle"),
        pytest.param(JDE, [25, 25, 45, 45, 45, 70, 70, 70], id="jd edwards"),
        pytest.param(MPS, [91, 91, 91, 168, 168, 168, 240, 240], id="mps"),
        pytest.param(PUMPS, [11, 11, 67, 67, 135, 135, 205, 275], id="pumps"),
        pytest.param(NETSUITE, [20, 20, 60, 110], id="netsuite"),
        pytest.param(PUBLIC_TEST, [0, 2, 2, 12, 32], id="public test"),
        pytest.param(CPT_0086, [10, 40, 40, 60], id="cpt-0086"),
        pytest.param(DYNAMICS, [0, *[125] * 9, 225], id="dynamics"),
    ],
)
def test_look_ahead(table, expected):
    cum, atp = curve(*table)
    assert atp == expected
    assert look_ahead(cum) == expected
    assert all(a <= b for a, b in pairwise(atp)), "look-ahead never falls"


def test_cumulative_of_the_master_schedule():
    assert cumulative(*MPS) == [290, 140, 91, 265, 190, 168, 250, 240]
    assert curve(*MPS, method="cumulative") == (cumulative(*MPS), cumulative(*MPS))


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        pytest.param(MPS, [91, NONE, NONE, 77, NONE, NONE, 72, NONE], id="mps"),
        pytest.param(PUMPS, [11, NONE, 56, NONE, 68, NONE, 70, 70], id="pumps"),
        pytest.param(NETSUITE, [20, 0, 40, 50], id="netsuite"),
        pytest.param(PUBLIC_TEST, [0, 2, 0, 10, 20], id="public test"),
        pytest.param(CPT_0086, [10, 30, NONE, 20], id="cpt-0086"),
    ],
)
def test_discrete(table, expected):
    assert discrete(*table) == expected
    assert running(expected) == look_ahead(cumulative(*table)), "no bucket is short: both say the same"
    assert curve(*table, method="discrete")[1] == running(expected)


def test_dynamics_promises_150_for_day_10():
    assert earliest(curve(*DYNAMICS)[1], 150) == 10
    assert earliest(curve(*DYNAMICS)[1], 125) == 1
    assert earliest(curve(*DYNAMICS)[1], 226) is None


def test_the_public_test_promises_12_in_the_fourth_bucket():
    assert earliest(curve(*PUBLIC_TEST)[1], 12) == 3


# --- published, but wrong ---


def test_wrong_claim_that_later_demand_does_not_reach_back():
    """A tutorial gives 70 70 70 for on hand 100, supply 0 150 0, demand 80 60 40: who promises 70 today has
    20 left for it."""
    assert curve(100, [0, 150, 0], [80, 60, 40])[1] == [20, 70, 70]


def test_wrong_claim_that_a_short_bucket_is_a_zero():
    """A tutorial gives 45 0 0 0 0 0 34 28: what buckets 2 and 4 lack is taken from bucket 1, and week 6 has 5."""
    table = (56, [30, 35, 0, 24, 0, 25, 44, 28], [41, 19, 39, 11, 25, 20, 10, 0])
    assert discrete(*table) == [10, 0, NONE, 0, NONE, 5, 34, 28]
    assert curve(*table)[1] == [10, 10, 10, 10, 10, 15, 49, 77]


def test_wrong_formula_that_counts_a_later_deficit_twice():
    """ "Previous ATP + supply - backlog - later differences", word by word, gives 8 6 4."""
    table = (0, [10, 0, 10], [0, 0, 12])
    assert curve(*table)[1] == [8, 8, 8]
    assert discrete(*table) == [8, NONE, 0]


def test_wrong_clamp_of_each_bucket_at_0_promises_too_much():
    """Buckets 10, -4, 6 clamped give 10, 0, 6: 16 in all, where only 12 come."""
    table = (0, [10, 2, 6], [0, 6, 0])
    assert discrete(*table) == [6, 0, 6]
    assert curve(*table)[1] == [6, 6, 12]


# --- what is not carried, what can't be borrowed ---


def test_without_carry_what_a_day_lacks_is_lost():
    # day 0 lacks 5, which take nothing from the 10 of day 1
    assert cumulative(0, [0, 10, 0], [5, 0, 3]) == [-5, 5, 2]
    assert cumulative(0, [0, 10, 0], [5, 0, 3], carry=False) == [-5, 10, 7]
    assert curve(0, [0, 10, 0], [5, 0, 3], carry=False)[1] == [-5, 7, 7]


def test_a_negative_opening_counts_on_the_first_day_without_carry():
    assert cumulative(-3, [0, 2], [0, 0], carry=False) == [-3, 2]


def test_what_a_bucket_cannot_borrow_stays_short():
    assert discrete(1, [0, 5], [4, 0]) == [-3, 5]
    assert discrete(5, [0, 1], [0, 9]) == [0, -3]


# --- splitting a quantity ---


def test_rises():
    assert rises([-2, 3, 3, 7]) == [(1, 3), (3, 4)]


def test_split_takes_what_rises_day_by_day_the_nearest_first():
    atp = {"A": [3, 3, 8], "B": [2, 9, 9]}
    assert split(atp, 4) == [(0, "A", 3), (0, "B", 1)]
    assert split(atp, 10) == [(0, "A", 3), (0, "B", 2), (1, "B", 5)]
    assert split(atp, 99) == [(0, "A", 3), (0, "B", 2), (1, "B", 7), (2, "A", 5)]
    assert split(atp, 5, max_splits=1) == [(0, "A", 3), (2, "A", 2)]
    assert split(atp, 5, first=1) == [(1, "A", 3), (1, "B", 2)]


def test_single_needs_one_source_on_one_day():
    atp = {"A": [3, 3, 8], "B": [2, 9, 9]}
    assert split(atp, 8, single=True) == [(1, "B", 8)]
    assert split(atp, 3, single=True) == [(0, "A", 3)]
    assert split(atp, 10, single=True) == []


def test_split_on_ship_days_only():
    atp = {"A": [3, 3, 8], "B": [2, 9, 9]}
    assert split(atp, 4, ships=lambda name, day: name != "A" or day == 2) == [(0, "B", 2), (1, "B", 2)]


def test_split_within_a_bound_of_several_sources():
    atp = {"A": [3, 3], "B": [3, 3]}
    assert split(atp, 9, bounds=[(["A", "B"], [4, 5])]) == [(0, "A", 3), (0, "B", 1), (1, "B", 1)]


def test_accepting_a_promise_lowers_the_rest_by_no_more():
    _, supply, demand = MPS
    before = curve(*MPS)[1]
    for day in range(8):
        for qty in (1, before[day]):
            asked = [d + (qty if t == day else 0) for t, d in enumerate(demand)]
            after = curve(MPS[0], supply, asked)[1]
            assert all(0 <= b - a <= qty for a, b in zip(after, before, strict=True))
            assert min(after) >= 0, "no promise made before is broken"
