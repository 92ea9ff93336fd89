"""Peers run as programs: their last line, their reasons, their turns, and their end."""

import os
import textwrap
import time
from pathlib import Path

import pytest

from benchmarks import harness
from benchmarks.harness import BenchError
from benchmarks.report import LeftOut
from benchmarks.sum_input import expect, expected_sums


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a module of the text given, to be run from a folder of its own."""
    monkeypatch.setattr(harness, "ROOT", tmp_path)

    def make(text):
        (tmp_path / "some_peer.py").write_text(textwrap.dedent(text))
        return "some_peer"

    return make


def test_the_last_line_is_the_outcome(program):
    name = program("""
        import json, sys
        print("starting")
        print(json.dumps({"peer": "some", "args": sys.argv[1:]}))
        """)
    assert harness.run_program(name, ["--events", "5"]) == {"peer": "some", "args": ["--events", "5"]}


def test_status_3_means_left_out_and_says_why(program):
    name = program("""
        from sys import exit
        print('{"peer": "some", "left_out": "no JDK was found."}')
        exit(3)
        """)
    assert harness.run_program(name) == LeftOut("some", "no JDK was found.")


def test_a_failure_tells_what_the_program_said(program):
    name = program("raise SystemExit('the broker is gone')")
    with pytest.raises(BenchError, match=r"status 1:\nthe broker is gone"):
        harness.run_program(name)


@pytest.mark.parametrize("line", ["", "well done", "[1]"])
def test_no_json_object_is_an_error(program, line):
    name = program(f"print({line!r})")
    with pytest.raises(BenchError, match="no JSON"):
        harness.run_program(name)


def test_a_program_that_takes_too_long_is_ended(program):
    name = program("import time; time.sleep(600)")
    began = time.monotonic()
    with pytest.raises(BenchError, match="not done after"):
        harness.run_program(name, timeout_s=0.5)
    assert time.monotonic() - began < 60


def test_what_a_program_left_running_is_ended_too(program):
    name = program("""
        import json, subprocess, sys
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], **quiet)
        print(json.dumps({"child": child.pid}))
        """)
    assert gone(harness.run_program(name)["child"])


def gone(pid, patience_s=5.0):
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":  # dead, and waiting only for its new parent to take note
            return True
        time.sleep(0.01)
    return False


def test_runs_take_turns_and_one_left_out_is_not_tried_again():
    order = []

    def run(name, outcomes):
        left = iter(outcomes)

        def once():
            order.append(name)
            return next(left)

        return once

    found = harness.in_turns(
        {
            "ours": run("ours", [{"n": 1}, {"n": 5}, {"n": 3}]),
            "absent": run("absent", [LeftOut("absent", "not here")]),
            "peer": run("peer", [{"n": 9}, {"n": 7}, {"n": 8}]),
        },
        rounds=3,
        progress=lambda _text: None,
    )

    assert order == ["ours", "absent", "peer", "ours", "peer", "ours", "peer"]
    assert found["absent"] == LeftOut("absent", "not here")
    assert (harness.median(found["ours"], "n"), harness.median(found["peer"], "n")) == (3, 8)


def test_a_median_of_nothing_is_an_error():
    with pytest.raises(BenchError, match="rps"):
        harness.median([], "rps")
    with pytest.raises(BenchError, match="rps"):
        harness.median([{"tps": 1}], "rps")


def test_a_wrong_sum_does_not_count():
    # two events of A, +2 and +3, one of B, -1
    right = expect({"A": 5, "B": -1}, 3)
    outcome = {"peer": "some", "events": 3, "keys": 2, "total": 4, "digest": right.digest}
    harness.check_sum(outcome, right)
    with pytest.raises(BenchError, match="some came to digest"):
        # A and B swapped: as many keys and the same total
        harness.check_sum(outcome | {"digest": expect({"A": -1, "B": 5}, 3).digest}, right)
    with pytest.raises(BenchError, match="total 5, right is 4"):
        harness.check_sum(outcome | {"total": 5}, right)


def test_the_input_is_the_same_every_time_and_its_sum_is_known():
    sums = expected_sums(1000, skus=10)
    assert sums == expected_sums(1000, skus=10)
    assert sums != expected_sums(1000, skus=10, seed=2)
    assert len(sums) == 10
