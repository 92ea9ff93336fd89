"""What a bench reports: targets held against values and ratios, one JSON object, peers left out plainly."""

import json

import pytest
from rich.console import Console

from benchmarks.report import LeftOut, Report, is_met, number


@pytest.mark.parametrize(
    ("target", "value", "met"),
    [
        (">= 40 x", 40.0, True),
        (">= 40 x", 39.99, False),
        ("<= 0.5 x", 0.5, True),
        ("<= 0.5 x", 0.51, False),
        ("> 10", 10, False),
        ("> 10", 10.1, True),
        ("< 60 ms", 60, False),
        ("< 60 ms", 59.9, True),
        ("  >=200,000 records/s", 200_000, True),
        (">= 200_000 records/s", 199_999, False),
    ],
)
def test_a_target_is_met_at_its_bound_or_not(target, value, met):
    assert is_met(target, value) is met


@pytest.mark.parametrize("target", ["40 x", "at least 40", "= 40", ""])
def test_a_target_that_cannot_be_read_is_refused(target):
    with pytest.raises(ValueError, match="cannot be read"):
        is_met(target, 1.0)


def test_with_a_peer_the_target_is_held_against_the_ratio():
    # given 200,000 events/s beside a peer's 5,000: 40 times as many
    figure = Report("engine").add(
        "sum", 200_000, "events/s", target=">= 40 x", peer="faust", peer_value=5_000
    )
    assert figure.ratio == 40
    assert figure.met is True


def test_a_cost_is_met_by_a_small_ratio():
    figure = Report("engine").add("cpu", 3.0, "us", target="<= 0.5 x", peer="streams", peer_value=9.0)
    assert figure.ratio == pytest.approx(1 / 3)
    assert figure.met is True


def test_without_a_peer_the_target_is_held_against_the_value():
    figure = Report("latency").add("p99", 251, "ms", target="< 250 ms")
    assert (figure.ratio, figure.met) == (None, False)


def test_a_peer_without_a_value_leaves_the_target_open():
    # 1,000 would miss ">= 2 x" as little as it would meet it: there is nothing to hold it against
    figure = Report("engine").add("sum", 1_000, "events/s", target=">= 2 x", peer="streams")
    assert (figure.ratio, figure.met) == (None, None)


def test_a_figure_without_a_target_is_neither_met_nor_missed():
    assert Report("engine").add("sum", 1, "events/s", peer="faust", peer_value=2).met is None


def test_the_json_is_one_object_on_one_line_with_every_field():
    report = Report("engine")
    report.add("sum", 10, "events/s", target=">= 4 x", peer="faust", peer_value=2)
    report.add("start", 1.5, "s")
    report.leave_out("kafka-streams", "no JDK was found.")

    text = report.to_json()

    assert "\n" not in text
    assert json.loads(text) == {
        "bench": "engine",
        "figures": [
            {
                "name": "sum",
                "value": 10,
                "unit": "events/s",
                "peer": "faust",
                "peer_value": 2,
                "ratio": 5.0,
                "target": ">= 4 x",
                "met": True,
            },
            {
                "name": "start",
                "value": 1.5,
                "unit": "s",
                "peer": None,
                "peer_value": None,
                "ratio": None,
                "target": None,
                "met": None,
            },
        ],
        "left_out": [{"peer": "kafka-streams", "why": "no JDK was found."}],
    }


def test_two_reports_share_no_figures():
    one = Report("engine")
    one.add("sum", 1, "events/s")
    one.leave_out("faust", "not here")
    other = Report("engine")
    assert (other.figures, other.left_out) == ([], [])


def test_the_table_shows_figures_ratio_verdict_and_who_was_left_out(capsys):
    report = Report("engine")
    report.add("sum", 123_456, "events/s", target=">= 40 x", peer="faust", peer_value=5_000)
    report.left_out.append(LeftOut("kafka-streams", "no JDK [yet] was found."))

    report.print_table(Console(width=200, force_terminal=False))

    shown = capsys.readouterr().out
    for text in ("bench engine", "123,456", "5,000", "24.7 x", ">= 40 x", "no"):
        assert text in shown
    # brackets in a reason are its own, not markup
    assert "left out: kafka-streams: no JDK [yet] was found." in shown


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (123_456.4, "123,456"), (4.5649, "4.565"), (-2000, "-2,000"), (0, "0")]
)
def test_numbers_have_the_digits_that_help(value, text):
    assert number(value) == text
