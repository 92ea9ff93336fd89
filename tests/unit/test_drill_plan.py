"""What a drill will do is known from its seed."""

from __future__ import annotations

from collections import Counter

import pytest

from springtide.app.drill.outcome import Outcome, Recovered, by_kind, recovery
from springtide.app.drill.plan import Fault, Kind, plan, short_plan

FOR_TWO = {Kind.TAKEOVER, Kind.KILL_ALL}


def test_the_same_seed_gives_the_same_plan_and_another_one_another():
    assert plan(7, 20) == plan(7, 20)
    assert plan(7, 20) != plan(8, 20)
    assert short_plan(7) == short_plan(7)
    assert short_plan(7) != short_plan(8)


def test_faults_are_numbered_and_one_worker_comes_before_two():
    faults = plan(1, 9)
    assert [fault.number for fault in faults] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert [fault.workers for fault in faults] == [1, 1, 1, 1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("seed", range(20))
def test_what_needs_another_worker_is_not_done_to_one_alone(seed):
    faults = plan(seed, 40)
    alone = [fault for fault in faults if fault.workers == 1]
    assert {fault.kind for fault in alone} == set(Kind) - FOR_TWO
    assert {fault.worker for fault in alone} == {0}
    assert {fault.worker for fault in faults if fault.workers == 2} == {0, 1}


def test_no_kind_comes_again_before_all_have_come():
    # 11 kinds, of which the deck holds two twice.
    counted = Counter(fault.kind for fault in plan(3, 13, (2,)))
    assert counted == Counter(Kind) + Counter((Kind.KILL, Kind.ZOMBIE))


@pytest.mark.parametrize("workers", [1, 2])
def test_one_number_of_workers_can_be_asked_for(workers):
    assert {fault.workers for fault in plan(1, 5, (workers,))} == {workers}


def test_the_short_plan_has_a_death_a_zombie_a_broker_and_a_damaged_folder():
    faults = short_plan(1)
    assert {fault.kind for fault in faults} == {
        Kind.KILL,
        Kind.ZOMBIE,
        Kind.BROKER_KILL,
        Kind.FOLDER_DAMAGED,
    }
    assert {fault.workers for fault in faults} == {2}


@pytest.mark.parametrize(
    ("faults", "workers", "told"),
    [
        (0, (1,), "0 faults"),
        (1_001, (1,), "1001 faults"),
        (1, (3,), r"\[3\] workers"),
        (1, (), r"\[\] workers"),
    ],
)
def test_what_can_not_be_planned_is_refused_by_name(faults, workers, told):
    with pytest.raises(ValueError, match=told):
        plan(1, faults, workers)


def outcome(kind, what, seconds):
    return Outcome(
        Fault(1, kind, 2, 0, 0.0, 0.0, 0),
        100,
        None if seconds is None else Recovered(what, seconds, seconds / 2),
    )


def test_recovery_times_are_those_of_the_faults_that_were_recovered_from():
    outcomes = [
        outcome(Kind.KILL, "same", 1.0),
        outcome(Kind.KILL, "other", 7.0),
        outcome(Kind.KILL, "same", 3.0),
        outcome(Kind.VIEW_KILL, "view", None),
    ]
    assert (recovery(outcomes).p50, recovery(outcomes).max) == (3.0, 7.0)
    assert by_kind(outcomes) == {"kill/other": [7.0], "kill/same": [1.0, 3.0]}
    assert (recovery([]).p50, recovery([]).max) == (None, None)
