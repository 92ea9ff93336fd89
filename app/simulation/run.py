"""Plays seeds and says which of them break an invariant: `python -m springtide.app.simulation`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from hashlib import blake2b

from springtide.app.simulation.invariants import check
from springtide.app.simulation.stage import PLANTS, Stage
from springtide.app.simulation.violation import Violation

_CHUNK = 20


@dataclass(frozen=True)
class Outcome:
    """How one seed ended. `digest` names all that is in its logs: the same seed, the same digest."""

    seed: int
    plant: str | None
    violation: str | None
    digest: str
    events: int
    turns: int
    faults: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.violation is None

    @property
    def command(self) -> str:
        """The command that plays this very seed again."""
        plant = "" if self.plant is None else f" --plant {self.plant}"
        return f"python -m springtide.app.simulation --seed {self.seed}{plant}"


def run_seed(seed: int, plant: str | None = None) -> Outcome:
    """Plays one seed, with a known bug planted if asked, and checks what it left."""
    stage = Stage(seed, plant)
    violation = None
    try:
        stage.run()
        check(stage)
    except Violation as found:
        violation = str(found)
    finally:
        stage.close()
    return Outcome(
        seed,
        plant,
        violation,
        _digest(stage),
        len(stage.puts),
        stage.turns,
        dict(sorted(stage.faults.items())),
    )


def _digest(stage: Stage) -> str:
    summed = blake2b(digest_size=8)
    for topic, partitions in stage.layout.topics.items():
        for partition in range(partitions):
            for record in stage.log.records((topic, partition)):
                summed.update(repr(record).encode())
    summed.update(repr((stage.turns, sorted(stage.faults.items()))).encode())
    return summed.hexdigest()


def _run_many(seeds: Sequence[int], plant: str | None) -> list[Outcome]:
    gc.disable()  # what a seed leaves is dropped whole
    try:
        return [run_seed(seed, plant) for seed in seeds]
    finally:
        gc.enable()
        gc.collect()


def run_seeds(seeds: Sequence[int], plant: str | None = None, jobs: int = 1) -> Iterator[Outcome]:
    """Outcomes in the order of the seeds, played in `jobs` processes."""
    chunks = [seeds[at : at + _CHUNK] for at in range(0, len(seeds), _CHUNK)]
    if jobs <= 1:
        for chunk in chunks:
            yield from _run_many(chunk, plant)
        return
    with ProcessPoolExecutor(jobs) as pool:
        for outcomes in pool.map(_run_many, chunks, [plant] * len(chunks)):
            yield from outcomes


def _range(text: str) -> range:
    first, _, last = text.partition(":")
    try:
        return range(int(first), int(last)) if last else range(int(first), int(first) + 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no range of seeds: write e.g. 0:2000") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Plays the seeds asked for; 1 if any of them breaks an invariant, with the command that shows it."""
    parser = argparse.ArgumentParser(prog="python -m springtide.app.simulation", description=__doc__)
    parser.add_argument("--seeds", type=_range, default=range(2_000), help="FIRST:LAST, LAST left out")
    parser.add_argument("--seed", type=int, help="one seed alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--plant", choices=PLANTS, help="a known bug that must be found")
    parser.add_argument("--failures", type=int, default=10, help="stop after so many failing seeds")
    given = parser.parse_args(arguments)
    seeds = given.seeds if given.seed is None else range(given.seed, given.seed + 1)
    return _play(seeds, given.plant, 1 if given.seed is not None else given.jobs, given.failures)


def _play(seeds: range, plant: str | None, jobs: int, failures_max: int) -> int:
    began = time.perf_counter()
    out, shown = sys.stdout, sys.stderr.isatty()
    events = turns = done = 0
    faults: dict[str, int] = {}
    failed: list[Outcome] = []
    for outcome in run_seeds(seeds, plant, jobs):
        done += 1
        events += outcome.events
        turns += outcome.turns
        for what, count in outcome.faults.items():
            faults[what] = faults.get(what, 0) + count
        if not outcome.ok:
            failed.append(outcome)
            out.write(f"seed {outcome.seed}: {outcome.violation}\n  again with: {outcome.command}\n")
            if len(failed) >= failures_max:
                break
        if shown and done % _CHUNK == 0:
            rate = done / (time.perf_counter() - began)
            sys.stderr.write(f"\r{done} of {len(seeds)} seeds, {rate:.0f}/s, {len(failed)} failed ")
    if shown:
        sys.stderr.write("\r\x1b[K")
    seconds = time.perf_counter() - began
    out.write(
        f"{done} seeds in {seconds:.1f} s ({done / seconds:.0f}/s): {events} events, {turns} turns, "
        f"{sum(faults.values())} faults, {len(failed)} failed\n"
    )
    if len(seeds) == 1:
        out.write("".join(f"  {count:5} {what}\n" for what, count in sorted(faults.items())))
    return 1 if failed else 0
