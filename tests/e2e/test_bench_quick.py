"""A bench as a user runs it, with small sizes: it measures, checks the sums, and tells what it left out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

LIMIT_S = 240


def bench(*arguments):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPRINGTIDE_")}
    return subprocess.run(
        [sys.executable, "-m", "springtide.app.cli", "bench", *arguments],
        env=environment | {"COLUMNS": "140"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.mark.skipif(find_spec("quixstreams") is None, reason="needs the dependency group bench")
def test_the_engine_is_measured_against_the_peers_that_are_here():
    done = bench("engine", "--quick", "--json", "--events", "20000", "--without", "kafka-streams")

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["bench"] == "engine"
    assert report["left_out"] == [{"peer": "kafka-streams", "why": "--without"}]
    rates = {figure["peer"]: figure for figure in report["figures"] if figure["name"] == "sum per SKU"}
    assert len(rates) == 3
    for peer, figure in rates.items():
        assert figure["value"] > 0
        if peer.startswith("Kafka Streams"):
            assert (figure["peer_value"], figure["ratio"], figure["met"]) == (None, None, None)
        else:
            assert figure["ratio"] == pytest.approx(figure["value"] / figure["peer_value"])
            assert figure["met"] is not None
    # The table is for people, on the other stream.
    assert "bench engine" in done.stderr


def test_what_a_bench_does_not_know_is_refused_by_name():
    done = bench("engine", "--evnets", "5")
    assert done.returncode == 2
    assert "--evnets" in done.stderr
