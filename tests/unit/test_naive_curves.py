"""The naive curves against published tables, and a calendar that a reader can check by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from springtide.app.verify import naive_calendar as calendar
from springtide.app.verify import naive_curves as curves
from springtide.app.verify import naive_fences as fences
from springtide.codecs.facts import LocationUpserted
from springtide.codecs.times import instant as at


def test_oracle_inventory_r11():
    supply, demand = [6, 4, 2, 4, 8, 4, 4, 4], [6, 2, 3, 6, 6, 1, 2, 2]
    assert [s - d for s, d in zip(supply, demand, strict=True)] == [0, 2, -1, -2, 2, 3, 2, 2]
    assert curves.look_ahead(curves.cumulative(0, supply, demand)) == [-1, -1, -1, -1, 1, 4, 6, 8]


# fmt: off
TABLES = [
    # on hand, supply, demand, cumulative, discrete with borrow-back, look-ahead; None: not published
    ("jd edwards 9.2", 80, [0, 0, 60, 0, 0, 60, 0, 0], [30, 25, 30, 10, 0, 35, 0, 0],
     None, None, [25, 25, 45, 45, 45, 70, 70, 70]),
    ("mps exercise", 65, [250, 0, 0, 200, 0, 0, 150, 0], [25, 150, 49, 26, 75, 22, 68, 10],
     [290, 140, 91, 265, 190, 168, 250, 240], [91, None, None, 77, None, None, 72, None],
     [91, 91, 91, 168, 168, 168, 240, 240]),
    ("pumps", 64, [0, 0, 70, 0, 70, 0, 70, 70], [33, 20, 10, 4, 2, 0, 0, 0],
     None, [11, None, 56, None, 68, None, 70, 70], [11, 11, 67, 67, 135, 135, 205, 275]),
    ("netsuite", 0, [50, 40, 50, 50], [30, 40, 10, 0], None, [20, 0, 40, 50], [20, 20, 60, 110]),
    ("public test", 8, [16, 20, 25, 20, 20], [24, 18, 25, 10, 0], None, [0, 2, 0, 10, 20], None),
    ("cpt-0086", 40, [0, 100, 0, 80], [30, 50, 20, 60], None, [10, 30, None, 20], [10, 40, 40, 60]),
    ("claimed to be 70 70 70", 100, [0, 150, 0], [80, 60, 40], None, [20, 50, None], [20, 70, 70]),
    ("claimed to be 45 0 0 0 0 0 34 28", 56, [30, 35, 0, 24, 0, 25, 44, 28], [41, 19, 39, 11, 25, 20, 10, 0],
     None, [10, 0, None, 0, None, 5, 34, 28], [10, 10, 10, 10, 10, 15, 49, 77]),
    ("a future deficit counts once", 0, [10, 0, 10], [0, 0, 12], None, [8, None, 0], [8, 8, 8]),
    ("what can't be borrowed stays", 3, [0, 2], [0, 9], None, [0, -4], [-4, -4]),
]
# fmt: on


@pytest.mark.parametrize(
    ("on_hand", "supply", "demand", "cum", "buckets", "ahead"),
    [t[1:] for t in TABLES],
    ids=[t[0] for t in TABLES],
)
def test_published_tables(on_hand, supply, demand, cum, buckets, ahead):
    found = curves.cumulative(on_hand, supply, demand)
    assert cum is None or found == cum
    assert buckets is None or curves.discrete(on_hand, supply, demand) == buckets
    assert ahead is None or curves.look_ahead(found) == ahead


def test_earliest_in_the_public_test_is_the_fourth_bucket():
    cum = curves.cumulative(8, [16, 20, 25, 20, 20], [24, 18, 25, 10, 0])
    assert curves.earliest(curves.look_ahead(cum), 12) == 3
    assert curves.earliest(curves.look_ahead(cum), 12, lambda t: t != 3) == 4
    assert curves.earliest(curves.look_ahead(cum), 33) is None


def test_dynamics_365_overdue_supply_and_demand_within_their_fences():
    today = 100
    supply = [
        (curves.counts_at(today - 3, today, 7, 1), 200),
        (curves.counts_at(today + 10, today, 7, 1), 100),
    ]
    demand = [(today + 1, 75)]
    lists = [curves.by_day(units, today, 30) for units in (supply, demand)]
    atp = curves.look_ahead(curves.cumulative(0, *lists))
    assert (atp[0], atp[1], atp[10]) == (0, 125, 225)
    assert curves.earliest(atp, 150) == 10


def test_supply_overdue_beyond_its_fence_is_stale_and_beyond_the_horizon_in_no_day():
    assert [curves.counts_at(due, 100, 2, 5) for due in (97, 98, 100, 101)] == [None, 105, 100, 101]
    assert curves.by_day([(99, 1), (100, 2), (102, 4), (103, 8)], 100, 3) == [2, 0, 4]


def test_without_carry_what_a_day_lacks_is_lost_at_its_end():
    assert curves.cumulative(2, [0, 5, 0], [6, 0, 1]) == [-4, 1, 0]
    assert curves.cumulative(2, [0, 5, 0], [6, 0, 1], carry=False) == [-4, 5, 4]


UNITS = st.integers(0, 20)
DAYS = st.lists(st.tuples(UNITS, UNITS), min_size=1, max_size=12)


@given(UNITS, DAYS)
def test_look_ahead_never_falls(start, days):
    ahead = curves.look_ahead(curves.cumulative(start, *map(list, zip(*days, strict=True))))
    assert ahead == sorted(ahead)


@given(UNITS, DAYS)
def test_borrow_back_discrete_sums_up_to_look_ahead_if_no_bucket_stays_negative(start, days):
    supply, demand = map(list, zip(*days, strict=True))
    buckets = curves.discrete(start, supply, demand)
    if all(b is None or b >= 0 for b in buckets):
        assert curves.running(buckets) == curves.look_ahead(curves.cumulative(start, supply, demand))


@given(UNITS, DAYS, st.data())
def test_what_is_accepted_for_a_day_lowers_no_day_by_more_and_breaks_nothing(start, days, data):
    cum = curves.cumulative(start, *map(list, zip(*days, strict=True)))
    before = curves.look_ahead(cum)
    day = data.draw(st.integers(0, len(cum) - 1))
    units = data.draw(st.integers(0, max(0, before[day])))
    after = curves.look_ahead(curves.taken(cum, day, units))
    assert all(b - units <= a <= b for a, b in zip(after, before, strict=True))
    assert min(after) >= min(0, *before)


# --- the calendar ---


def place(**more):
    return LocationUpserted(**({"location": "A", "name": "A", "rank": 1, "timezone": "Europe/Berlin"} | more))


def test_today_is_the_date_of_the_place():
    late = at("2026-03-02T23:30:00Z")
    names = ("UTC", "Europe/Berlin", "America/Los_Angeles")
    days = [calendar.text_of(calendar.today(place(timezone=name), late)) for name in names]
    assert days == ["2026-03-02", "2026-03-03", "2026-03-02"]
    assert calendar.text_of(calendar.today(None, late)) == "2026-03-02"


def test_a_day_begins_at_midnight_of_the_place_also_when_clocks_change():
    day = calendar.day_of("2026-03-30")  # the clocks in Berlin went forward on the 29th
    assert calendar.midnight_us(place(), day) == at("2026-03-29T22:00:00Z")
    assert calendar.midnight_us(place(), day - 1) == at("2026-03-28T23:00:00Z")


@pytest.mark.parametrize(
    ("now", "asked", "ships"),
    [
        ("2026-03-06T10:00:00Z", "2026-03-06", "2026-03-06"),  # Friday, before the cutoff
        ("2026-03-06T13:00:00Z", "2026-03-06", "2026-03-09"),  # 14:00 in Berlin is too late: Monday
        ("2026-03-06T10:00:00Z", "2026-03-07", "2026-03-09"),
        ("2026-03-06T13:00:00Z", "2026-03-09", "2026-03-09"),
        ("2026-03-09T09:00:00Z", "2026-03-06", "2026-03-09"),  # what is past is today
    ],
)
def test_what_leaves_leaves_on_a_working_day_before_the_cutoff(now, asked, ships):
    berlin = place(cutoff="14:00", working_days=(1, "tue", "Wednesday", "Thu", "friday"))
    day = calendar.ship_day(berlin, calendar.day_of(asked), at(now))
    assert calendar.text_of(day) == ships


def test_the_nearest_come_first_and_what_the_catalog_does_not_name_last():
    places = {name: place(location=name, rank=rank) for name, rank in (("B", 1), ("A", 2), ("C", 1))}
    assert calendar.nearest(places, ["0", "A", "B", "C"]) == ["B", "C", "A", "0"]


def test_an_instant_is_due_on_the_date_it_has_at_the_place():
    assert calendar.text_of(calendar.day_or_instant(place(), "2026-03-02T23:30:00Z")) == "2026-03-03"
    assert calendar.text_of(calendar.day_or_instant(place(), "2026-03-02")) == "2026-03-02"


# --- fences ---


def left(channel, units, rank):
    return fences.Left(rank, channel, units)


@pytest.mark.parametrize(
    ("units", "web", "shop", "other"),
    [
        (20, 16, 10, 6),  # 6 are shared beside the web's 10 and the shop's 4
        (14, 10, 4, 0),
        (12, 8, 4, 0),  # a loss eats what is shared, then the fence of the lowest rank
        (4, 0, 4, 0),
        (3, 0, 3, 0),
        (0, 0, 0, 0),
        (-2, -2, -2, -2),
    ],
)
def test_a_loss_eats_what_is_shared_first_then_the_lowest_rank(units, web, shop, other):
    lefts = [left("shop", 4, 2), left("web", 10, 1)]
    assert [fences.seen(units, lefts, c) for c in ("web", "shop", "mail")] == [web, shop, other]


def test_a_fence_is_in_force_from_the_start_of_a_date_to_the_end_of_one():
    there = place()
    fence = fences.stated(fences.Fence("A", "web", 5, "2026-03-02", "2026-03-03", 1), there)
    edges = ["2026-03-01T22:59:59Z", "2026-03-01T23:00:00Z", "2026-03-03T22:59:59Z", "2026-03-03T23:00:00Z"]
    assert [fences.in_force(fence, at(t), at(t) + 1) for t in edges] == [False, True, True, False]
    exact = fences.stated(
        fences.Fence("A", "web", 5, "2026-03-02T12:00:00Z", "2026-03-02T13:00:00Z", 1), there
    )
    day = calendar.day_of("2026-03-02")
    whole = [
        fences.in_force(exact, calendar.midnight_us(there, d), calendar.midnight_us(there, d + 1))
        for d in (day - 1, day, day + 1)
    ]
    assert whole == [False, True, False]
