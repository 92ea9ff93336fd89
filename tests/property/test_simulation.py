"""Whole installations under faults, thousands of seeds; and the bugs that the simulation must find."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from springtide.app.simulation.run import main, run_seed, run_seeds

SEEDS = int(os.environ.get("SPRINGTIDE_SIMULATION_SEEDS", "2000"))
JOBS = min(4, os.cpu_count() or 1)


def test_no_seed_breaks_an_invariant() -> None:
    failed = []
    faults: dict[str, int] = {}
    for outcome in run_seeds(range(SEEDS), jobs=JOBS):
        if not outcome.ok:
            failed.append(f"{outcome.violation}\n  again with: {outcome.command}")
        for what, count in outcome.faults.items():
            faults[what] = faults.get(what, 0) + count
    assert not failed, "\n".join(failed[:10])
    # What never happened was not tested.
    expected = [
        "crash at append",
        "crash at appended",
        "crash at read",
        "crash at opened",
        "fenced",
        "revoked",
    ]
    expected += ["unavailable at append", "unavailable at appended", "zombie at append", "disk failed"]
    expected += ["disk older", "disk emptied", "disk foreign", "disk garbled", "disk ahead", "compacted"]
    assert [what for what in expected if what not in faults] == []


@pytest.mark.parametrize(("plant", "seeds_max"), [("store_first", 20), ("no_dedup", 20), ("no_fencing", 60)])
def test_a_planted_bug_is_found(plant: str, seeds_max: int) -> None:
    found = [outcome for outcome in run_seeds(range(seeds_max), plant) if not outcome.ok]
    assert found
    again = run_seed(found[0].seed, plant)
    assert again.violation == found[0].violation
    assert f"--seed {again.seed} --plant {plant}" in again.command


def test_a_seed_is_the_same_every_time() -> None:
    first = [run_seed(seed).digest for seed in range(10)]
    assert [run_seed(seed).digest for seed in range(10)] == first
    assert len(set(first)) == 10


def test_a_seed_is_the_same_in_every_process() -> None:
    """Sets of strings have another order in each process; nothing that is written may depend on it."""
    program = (
        "from springtide.app.simulation.run import run_seeds\n"
        "for outcome in run_seeds(range(40)): print(outcome.digest)"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout
        for hash_seed in ("1", "2", "3")
    }
    assert len(told) == 1
    assert len(told.pop().splitlines()) == 40


def test_the_command_tells_how_to_see_a_failure_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "0:20", "--jobs", "1", "--plant", "store_first", "--failures", "1"]) == 1
    assert "python -m springtide.app.simulation --seed" in capsys.readouterr().out
    assert main(["--seed", "0"]) == 0
