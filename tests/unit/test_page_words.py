"""What the pages say: figures as words, the sentence for a customer, and the drawings beside the tables."""

import json
from itertools import pairwise

import pytest
from page_bodies import group, kettle, kpi_groups, late_order, segment, standing

from springtide.app.view.web import charts, keyfigures, shapes, words
from springtide.app.view.web.pulse import Pulse
from springtide.app.view.web.sentences import CAUSES, customer_sentence
from springtide.tables.causes import CAUSES as KNOWN_CAUSES

THIN = "\u202f"
MINUS = "\u2212"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PARTIALLY_SHIPPED", "Partially shipped"),
        ("OVER_INVOICED(2)", "Over invoiced (2)"),
        ("held(credit_hold)", "Held (credit hold)"),
        (None, words.NONE),
        ("", words.NONE),
    ],
)
def test_names_are_said_as_words(name, said):
    assert words.words(name) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3_600, "1 h"),
        (5_400, "1 h 30 min"),
        (2 * 86_400 + 4 * 3_600, "2 d 4 h"),
        (-86_400, f"{MINUS}1 d"),
        (None, words.NONE),
        ("soon", "soon"),
    ],
)
def test_spans_are_said_in_their_two_largest_units(seconds, said):
    assert words.span(seconds) == said


def test_quantities_instants_and_lag_are_said_for_people():
    assert words.qty(-12_345) == f"{MINUS}12{THIN}345"
    assert words.signed(3) == "+3"
    assert words.when("2026-03-02T07:05:00+01:00") == "2 Mar 2026 06:05"
    assert words.when("2026-03-02") == "2 Mar 2026"
    assert words.when("not a time") == "not a time"
    assert [words.lag(ms) for ms in (12, 3_400, 120_000, None)] == ["12 ms", "3.4 s", "2 min", words.NONE]
    assert words.percent(0.875) == "87.5 %"
    assert words.tone("OVER_INVOICED(2)") == "bad"


# --- the sentence ---


def line(ordered, **ledger):
    return {"line_id": "1", "ordered": ordered, "cancelled": 0} | ledger


def test_a_late_order_is_told_with_how_late_and_why():
    assert customer_sentence(late_order()) == (
        "All 3 items were delivered on Sunday 15 March. "
        "That was 3 days later than promised; the main reason: an item was short in stock."
    )


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"status": "RECEIVED"}, "We have received the order and are checking it."),
        (
            {"status": "REJECTED", "lines": [line(2)]},
            "We could not accept this order, and nothing of it will be shipped.",
        ),
        ({"status": "BACKORDERED", "lines": [line(1)]}, "We are waiting for stock of the item."),
        (
            {"status": "PARTIALLY_SHIPPED", "lines": [line(5, cancelled=1, shipped=1)]},
            "1 of 4 items is on the way.",
        ),
        (
            {"status": "IN_FULFILMENT", "lines": [line(4, released=2, backordered=1)]},
            "2 of 4 items are being prepared in our warehouse; 1 waits for stock.",
        ),
        (
            {"status": "ON_HOLD", "holds": [{"reason": "payment_pending"}]},
            "The order is waiting: the payment has not reached us yet.",
        ),
        (
            {
                "status": "SHIPPED",
                "lines": [line(2, shipped=2)],
                "shipments": [{"carrier": "dhl", "tracking": "JJD1", "shipped": {"1": 2}}],
                "delay": {"eta": "2026-03-09T12:00:00Z", "cause": "weather"},
            },
            (
                "All 2 items are on the way with DHL (tracking JJD1). We expect delivery on Monday 9 March. "
                "What holds it up: the weather holds up the carrier."
            ),
        ),
        (
            {"status": "CONFIRMED", "delay": {"eta": None, "at_risk": True, "cause": None}},
            "The order is confirmed. Delivery may be later than promised; we can't name the day yet.",
        ),
        ({"status": "SOMETHING_NEW"}, "The order stands at: something new."),
        ({}, "The order stands at: \u2013."),
    ],
)
def test_a_customer_is_told_where_the_order_stands(order, said):
    assert customer_sentence(order) == said


def test_the_answers_own_story_goes_before_ours():
    order = {"status": "RECEIVED", "delay": {"sentence": "Held for credit since 2 March.", "at_risk": True}}
    assert customer_sentence(order).endswith("are checking it. Held for credit since 2 March.")


def test_every_cause_of_delay_has_words_for_a_customer():
    assert tuple(CAUSES) == KNOWN_CAUSES


# --- drawings ---


def test_the_waterfall_goes_from_planned_to_actual_without_a_gap():
    bars = charts.waterfall(late_order()["delay"])
    assert [bar.label for bar in bars] == [
        "Planned",
        "Credit hold",
        "Stock shortage",
        "Warehouse backlog",
        "Weather",
        "Actual",
    ]
    assert (bars[0].planned_s, bars[-1].actual_s, bars[-1].excess_s) == (4 * 86_400, 13 * 86_400, 9 * 86_400)
    for before, after in pairwise(bars[:-1]):
        assert after.x == pytest.approx(before.x + before.width, abs=0.2)
    assert bars[-2].x + bars[-2].width == pytest.approx(charts.WIDTH, abs=0.2)
    assert (bars[-1].x, bars[-1].width) == (0, charts.WIDTH)


def test_what_was_won_back_goes_to_the_left():
    bars = charts.waterfall({"segments": [segment("warehouse_backlog", "warehouse", 4, 3)]})
    assert [(bar.x, bar.width, bar.tone) for bar in bars] == [
        (0, 1_000, "planned"),
        (750, 250, "good"),
        (0, 750, "actual"),
    ]


def test_an_order_without_segments_has_no_waterfall():
    assert charts.waterfall({}) == charts.waterfall({"segments": []}) == []


def test_the_curve_is_drawn_by_day_and_listed_where_it_turns():
    body = kettle()
    spec = json.loads(charts.curve_plot(body))
    assert (len(spec["x"]), spec["x"][1] - spec["x"][0], spec["unit"]) == (30, 86_400, "EA")
    assert [one["label"] for one in spec["series"]] == ["Cumulative", "Can be promised (ATP)"]
    assert [(p["date"], p["cumulative"], p["atp"]) for p in charts.turns(charts.points(body))] == [
        ("2026-03-02", 41, 21),
        ("2026-03-07", 141, 21),
        ("2026-03-11", 21, 21),
        ("2026-03-16", 51, 51),
    ]


@pytest.mark.parametrize(
    "body", [{}, {"curve": None}, {"curve": [{"date": "2026-03-02"}]}, {"curve": [{"date": "x"}] * 3}]
)
def test_what_is_no_curve_is_not_drawn(body):
    assert charts.curve_plot(body) is None


# --- rows ---


def test_billing_shows_the_gap_of_each_line():
    assert [(row["line_id"], row["gap"]) for row in shapes.billing(late_order())] == [("1", -1)]


def test_only_quantities_that_some_line_has_get_a_column():
    assert shapes.ledger_steps(late_order()) == [
        *("ordered", "allocated", "released", "picked", "packed", "shipped", "delivered", "invoiced"),
    ]


def test_rows_of_anything_do_not_fail():
    for shape in (shapes.exception, shapes.at_risk, shapes.order_row, shapes.mismatch, shapes.fact):
        shape({})
        shape({"impact": "x", "place": 3, "value": 4, "type": 5, "time": 6, "recordedtime": 7, "kinds": None})


# --- key figures ---


def test_key_figures_of_all_and_by_region():
    whole = keyfigures.whole({"groups": [group()]})
    assert (whole["orders"], whole["kept"], whole["dead_letters"], whole["cycle_p90_s"]) == (
        120,
        0.95,
        2,
        300_000,
    )
    rows = keyfigures.groups({"groups": kpi_groups("region")}, "region")
    assert [(row["name"], row["orders"]) for row in rows] == [("AT-9", 174), ("DE-HH", 137), ("DE-BE", 100)]


def test_key_figures_are_drawn_for_the_largest_groups():
    rows = [
        {"channel": name, "day": day, "orders": n}
        for n, name in enumerate("abcdef")
        for day in ("2026-03-02", "2026-03-03")
    ]
    (drawn,) = keyfigures.plots({"groups": rows}, "channel")
    spec = json.loads(drawn["spec"])
    assert drawn["title"] == "Orders placed"
    assert [(one["label"], one["values"]) for one in spec["series"]] == [
        *(("f", [5, 5]), ("e", [4, 4]), ("d", [3, 3]), ("c", [2, 2])),
    ]


def test_backlog_and_lateness_are_ranked():
    body = {"groups": [group()]}
    backlog = keyfigures.backlog(body)
    assert (backlog["ages"], [row["status"] for row in backlog["rows"]], backlog["most"]) == (
        ["0-1 d", "2-7 d"],
        ["SHIPPED", "BACKORDERED"],
        25,
    )
    assert [row["cause"] for row in keyfigures.lateness(body)["rows"]] == ["Stock shortage", "Weather"]
    assert keyfigures.backlog({})["rows"] == keyfigures.lateness({"groups": [{}]})["rows"] == []


# --- the pulse ---


def test_rates_are_by_second_and_do_not_count_what_was_caught_up_with():
    looks = iter(
        [
            standing(status="loading", records=0, ingress={}),
            standing(records=1_000, ingress={"orders/0": 99, "inventory/0": 9}),
            standing(records=1_030, ingress={"orders/0": 119, "inventory/0": 9}),
            standing(records=1_090, ingress={"orders/0": 119, "inventory/0": 29}),
        ]
    )
    pulse = Pulse(lambda: next(looks))
    rates = []
    for at_s in (0, 1, 3, 5):
        pulse.sample(at_s)
        rates.append(pulse.rates())
    assert rates[:2] == [{"events": None, "changes": None}] * 2
    assert rates[2:] == [{"events": 10.0, "changes": 15.0}, {"events": 10.0, "changes": 22.5}]
    assert (pulse.course()["events"], pulse.course()["at"]) == (
        [10.0, 10.0],
        ["1970-01-01T00:00:03Z", "1970-01-01T00:00:05Z"],
    )
