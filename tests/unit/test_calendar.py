"""Days of a place: time zones, working days, cut-offs; and what they do to ship dates."""

import pytest
from domain import SkuStage, want

from springtide.codecs import facts as f
from springtide.codecs.times import instant
from springtide.tables import calendar
from springtide.tables.catalog import Place

DAY = 86_400


@pytest.mark.parametrize(
    ("zone", "at", "date"),
    [
        ("UTC", "2026-03-02T00:00:00Z", "2026-03-02"),
        ("UTC", "2026-03-01T23:59:59.999999Z", "2026-03-01"),
        ("Europe/Berlin", "2026-03-01T23:00:00Z", "2026-03-02"),
        ("Europe/Berlin", "2026-03-01T22:59:59Z", "2026-03-01"),
        ("America/Los_Angeles", "2026-03-02T07:59:59Z", "2026-03-01"),
        ("Pacific/Kiritimati", "2026-03-01T10:00:00Z", "2026-03-02"),
        ("no/such_zone", "2026-03-02T00:00:00Z", "2026-03-02"),
    ],
)
def test_today(zone, at, date):
    assert calendar.iso(calendar.today(zone, instant(at))) == date


@pytest.mark.parametrize(
    ("date", "start"),
    [
        ("2026-03-29", "2026-03-28T23:00:00Z"),  # summer time begins on this day
        ("2026-03-30", "2026-03-29T22:00:00Z"),
        ("2026-10-25", "2026-10-24T22:00:00Z"),  # and ends on this one
        ("2026-10-26", "2026-10-25T23:00:00Z"),
    ],
)
def test_midnight_where_clocks_change(date, start):
    assert calendar.midnight_us("Europe/Berlin", calendar.day_of(date)) == instant(start)


def test_a_date_is_its_start_as_from_and_its_end_as_to():
    assert calendar.span_us("2026-03-02", "2026-03-02", "Europe/Berlin") == (
        instant("2026-03-01T23:00:00Z"),
        instant("2026-03-02T23:00:00Z"),
    )
    at = "2026-03-02T08:00:00Z"
    assert calendar.span_us(at, at) == (instant(at), instant(at))
    assert calendar.span_us(None, None) == (None, None)


@pytest.mark.parametrize(
    ("named", "days"),
    [
        (None, [1, 2, 3, 4, 5, 6, 7]),
        ((), [1, 2, 3, 4, 5, 6, 7]),
        ((1, 2, 3, 4, 5), [1, 2, 3, 4, 5]),
        (("mon", "Wednesday", "FRI"), [1, 3, 5]),
        (("6", 7), [6, 7]),
    ],
)
def test_working_days(named, days):
    monday = calendar.day_of("2026-03-02")
    bits = calendar.week(named)
    assert [n for n in range(1, 8) if calendar.works(bits, monday + n - 1)] == days


@pytest.mark.parametrize(
    ("asked", "at", "ships"),
    [
        ("2026-03-02", "2026-03-02T12:59:59Z", "2026-03-02"),  # 13:59:59 in Berlin
        ("2026-03-02", "2026-03-02T13:00:00Z", "2026-03-03"),  # the cut-off itself is too late
        ("2026-03-01", "2026-03-02T13:00:00Z", "2026-03-03"),  # overdue: as today
        ("2026-03-06", "2026-03-02T20:00:00Z", "2026-03-06"),  # the cut-off is for today alone
        ("2026-03-07", "2026-03-02T08:00:00Z", "2026-03-09"),  # Saturday: Monday
        ("2026-03-06", "2026-03-06T13:00:00Z", "2026-03-09"),  # Friday after the cut-off: Monday
    ],
)
def test_ship_day(asked, at, ships):
    berlin = Place("Berlin", 1, "Europe/Berlin", calendar.seconds("14:00"), calendar.week((1, 2, 3, 4, 5)))
    assert calendar.iso(berlin.ship_day(calendar.day_of(asked), instant(at))) == ships


# --- what they do to promises; 1970-01-01 is a Thursday, day 0 ---


def location(name="A", rank=1, **more):
    return f.LocationUpserted(
        location=name, name=name, rank=rank, timezone=more.pop("timezone", "UTC"), **more
    )


def test_an_order_after_the_cut_off_is_promised_for_tomorrow():
    tea = SkuStage()
    tea.fact(location(cutoff="14:00"))
    tea.counted(A=10)
    tea.clock(14 * 3_600)
    tea.demand("o1", 4)
    assert tea.has("o1") == {"A": 4}
    assert tea.promises("o1") == [(1, "A", 4)]
    assert tea.atp(qty=1)["earliest"]["date"] == "1970-01-02"


def test_supply_of_a_saturday_ships_on_monday():
    tea = SkuStage()
    tea.fact(location(working_days=("mon", "tue", "wed", "thu", "fri")))
    tea.fact(f.SupplyScheduled(supply_id="p1", location="A", qty=5, due="1970-01-03", firmness="firm"))
    tea.demand("o1", 4)
    assert tea.promises("o1") == [(4, "A", 4)]
    assert tea.atp(qty=1)["earliest"]["date"] == "1970-01-05"
    assert tea.atp()["curve"][2] == {"date": "1970-01-03", "cumulative": 1, "atp": 1}


def test_the_network_begins_with_the_least_of_its_days():
    tea = SkuStage()
    tea.fact(location("L", 1, timezone="America/Los_Angeles"))
    tea.fact(location("T", 2, timezone="Asia/Tokyo"))
    tea.counted(L=3, T=4)
    tea.clock(5 * DAY)  # midnight UTC: 5 January in Los Angeles, 6 January in Tokyo
    assert tea.atp()["curve"][0] == {"date": "1970-01-05", "cumulative": 7, "atp": 7}
    assert tea.atp("T")["curve"][0]["date"] == "1970-01-06"
    assert len(tea.atp()["curve"]) == len(tea.atp("T")["curve"]) == 90


def test_beyond_the_horizon_a_promise_counts_at_its_end():
    tea = SkuStage()
    tea.fact(f.PolicySet(scope="*", horizon_days=10))
    tea.counted(A=5)
    tea.demand("o1", want("1", 5, day=400))
    assert tea.promises("o1") == [(400, "A", 5)]
    tea.demand("o2", 5)
    assert tea.has("o2") == {}
