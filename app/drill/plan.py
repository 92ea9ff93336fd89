"""Which faults a drill makes, in which order, from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

FAULTS_MAX: Final = 1_000
WORKERS_MAX: Final = 2
_PAUSE_S: Final = (0.5, 2.5)
_BETWEEN_KILLS_S: Final = (0.2, 2.0)


class Kind(StrEnum):
    """What is done. `worker` here is the one that the plan picks."""

    KILL = "kill"
    """kill -9 of the worker; it is started again at once."""
    KILL_TWICE = "kill_twice"
    """The same, and once more while it starts, joins or recovers."""
    TAKEOVER = "takeover"
    """kill -9 of the worker, which stays down until the other has taken over; then it comes back."""
    KILL_ALL = "kill_all"
    """kill -9 of all workers at once."""
    ZOMBIE = "zombie"
    """SIGSTOP of the worker for longer than its session lasts, then SIGCONT."""
    BROKER_RESTART = "broker_restart"
    """The broker is stopped and started."""
    BROKER_KILL = "broker_kill"
    """kill -9 of the broker, which is started again."""
    FOLDER_DELETED = "folder_deleted"
    """The worker's data folder is deleted while it is dead."""
    FOLDER_DAMAGED = "folder_damaged"
    """Files in the worker's data folder are scribbled over or cut while it is dead."""
    VIEW_KILL = "view_kill"
    """kill -9 of the view; it is started again at once."""
    VIEW_DAMAGED = "view_damaged"
    """Files in the view's data folder are scribbled over or cut while it is dead."""


_NEEDS_ANOTHER: Final = frozenset((Kind.TAKEOVER, Kind.KILL_ALL))
# Most of what happens to a worker is its death, so it comes up more often.
_DECK: Final = (*Kind, Kind.KILL, Kind.ZOMBIE)
_SHORT: Final = (Kind.KILL, Kind.ZOMBIE, Kind.BROKER_KILL, Kind.FOLDER_DAMAGED)


class Fault(msgspec.Struct, frozen=True):
    """One fault. `number` counts from 1."""

    number: int
    kind: Kind
    workers: int
    """How many work at the time."""
    worker: int
    """The one it happens to, where it happens to one."""
    pause_s: float
    """How long all goes well before it."""
    again_s: float
    """Between the two ends of `kill_twice`, from the second start."""
    seed: int
    """Of the damage."""


def plan(seed: int, faults: int, workers: Sequence[int] = (1, 2)) -> list[Fault]:
    """`faults` faults. With one worker first, if both numbers are asked for, the second half with two.

    Kinds are drawn like cards: none comes again before all that apply have come, but for those that the deck
    holds twice. Raises ValueError.
    """
    _check(faults, workers)
    chance = random.Random(seed)  # noqa: S311 - it is to be predictable
    found: list[Fault] = []
    for number_of_workers, count in _shares(faults, sorted(set(workers))):
        deck: list[Kind] = []
        for _ in range(count):
            if not deck:
                deck = [kind for kind in _DECK if number_of_workers > 1 or kind not in _NEEDS_ANOTHER]
                chance.shuffle(deck)
            found.append(_fault(chance, len(found) + 1, deck.pop(), number_of_workers))
    return found


def short_plan(seed: int) -> list[Fault]:
    """One fault of each sort that matters most, with two workers."""
    chance = random.Random(seed)  # noqa: S311
    kinds = list(_SHORT)
    chance.shuffle(kinds)
    return [_fault(chance, number, kind, WORKERS_MAX) for number, kind in enumerate(kinds, 1)]


def rush_plan(seed: int) -> list[Fault]:
    """Three kills and, by the one that stays down until another has taken over, two rebalances."""
    chance = random.Random(seed)  # noqa: S311
    kinds = (Kind.KILL, Kind.TAKEOVER, Kind.KILL)
    return [_fault(chance, number, kind, WORKERS_MAX) for number, kind in enumerate(kinds, 1)]


def _fault(chance: random.Random, number: int, kind: Kind, workers: int) -> Fault:
    return Fault(
        number,
        kind,
        workers,
        chance.randrange(workers),
        round(chance.uniform(*_PAUSE_S), 3),
        round(chance.uniform(*_BETWEEN_KILLS_S), 3),
        chance.getrandbits(32),
    )


def _shares(faults: int, workers: Sequence[int]) -> list[tuple[int, int]]:
    if len(workers) == 1:
        return [(workers[0], faults)]
    first = faults // 2
    return [(workers[0], first), (workers[1], faults - first)]


def _check(faults: int, workers: Sequence[int]) -> None:
    if not 1 <= faults <= FAULTS_MAX:
        raise ValueError(f"{faults} faults are asked for: give a number from 1 to {FAULTS_MAX}.")
    if not workers or not set(workers) <= set(range(1, WORKERS_MAX + 1)):
        raise ValueError(f"{list(workers)} workers are asked for: give 1, 2, or both.")
