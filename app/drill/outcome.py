"""What became of the faults of a drill."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import msgspec

from springtide.app.drill.plan import Fault
from springtide.app.verify.verdict import Recovery


class DrillFailed(Exception):  # noqa: N818 - a verdict
    """The system did not come back in time; the message says what was waited for."""


class Recovered(msgspec.Struct, frozen=True):
    """One recovery: from `since` to the first committed step of the last actor that was hit."""

    what: str
    """`same` worker back at work, `other` worker took over, `both` of them, the `broker` or the `view` back."""
    seconds: float
    first_s: float
    """Until the first of the actors that were hit had committed a step."""
    parts: dict[str, float] = {}
    """What the time went into, in seconds, by the log of the process that did the work: `notice` (until it is
    started or told), `start` (Python and its imports), `join` (until it has its partitions), `recover`
    (until the last actor's first step is committed)."""


class Outcome(msgspec.Struct):
    """A fault that was made. `recovered` None: the system did not come back."""

    fault: Fault
    at_event: int
    """How many events had been written."""
    recovered: Recovered | None = None
    whole_s: float | None = None
    """Until every process was back and every actor had committed a step: what a rebalance costs counts too."""
    told: list[str] = []
    """What was seen or done in particular."""
    trouble: str | None = None


def recovery(outcomes: Iterable[Outcome]) -> Recovery:
    """p50 and max over the recoveries, in seconds; nothing if there is none."""
    found = [outcome.recovered.seconds for outcome in outcomes if outcome.recovered is not None]
    return Recovery(round(median(found), 3), round(max(found), 3)) if found else Recovery()


def by_kind(outcomes: Iterable[Outcome]) -> dict[str, list[float]]:
    """`kind/what` -> seconds of each recovery, in the order of the faults."""
    found: dict[str, list[float]] = {}
    for outcome in outcomes:
        if outcome.recovered is not None:
            name = f"{outcome.fault.kind}/{outcome.recovered.what}"
            found.setdefault(name, []).append(round(outcome.recovered.seconds, 3))
    return dict(sorted(found.items()))
