"""Makes the faults of a plan, and measures until the system works again."""

from __future__ import annotations

import http.client
import random
import shutil
import time
import urllib.parse
from collections.abc import Callable, Collection
from typing import Final

from springtide.app.drill.damage import damage
from springtide.app.drill.hosts import Journal, hosted
from springtide.app.drill.outcome import DrillFailed, Outcome, Recovered
from springtide.app.drill.plan import Fault, Kind
from springtide.app.drill.traffic import Traffic
from springtide.app.drill.watch import Actor, Mark, Watch
from springtide.app.up.stack import Stack

RECOVERY_S_MAX: Final = 60.0
"""Longer than that is no recovery any more."""
_LOOK_EVERY_S: Final = 0.02
_LOOK_AT_PROCESSES_EVERY_S: Final = 0.1
_PAST_SESSION_S: Final = 1.5


class Injector:
    """See the module. Raises DrillFailed when something does not come back within `RECOVERY_S_MAX`."""

    def __init__(self, stack: Stack, watch: Watch, traffic: Traffic) -> None:
        self._stack = stack
        self._watch = watch
        self._traffic = traffic
        self._workers = 0

    def use_workers(self, count: int) -> None:
        """Has this many workers run, and waits until all actors are at work in them."""
        for index in range(len(self._stack.workers)):
            if index < count:
                self._stack.start_worker(index)
            else:
                self._stack.stop_worker(index)
        self._workers = count
        self.until_whole()

    def make(self, fault: Fault) -> Outcome:
        """Makes the fault; its outcome also where the system did not come back."""
        self._rest(fault.pause_s)
        outcome = Outcome(fault, self._traffic.events)
        began_s = time.monotonic()
        try:
            outcome.recovered = _WAYS[fault.kind](self, fault, outcome)
            self.until_whole()
            outcome.whole_s = round(time.monotonic() - began_s, 3)
        except DrillFailed as error:
            outcome.trouble = str(error)
        return outcome

    def until_whole(self) -> None:
        """Waits until each actor is in one of the workers, none of which is idle, and has committed a step,
        and the view is ready."""
        self._until(self._is_spread, "every actor is in a worker", every_s=_LOOK_AT_PROCESSES_EVERY_S)
        mark = self._watch.mark()
        self._until(lambda: mark.reached(self._watch.actors), lambda: f"steps of {self._missing(mark)}")
        self._until(self._view_is_ready, "the view is ready", every_s=_LOOK_AT_PROCESSES_EVERY_S)

    # --- faults ----------------------------------------------------------------------------------

    def _kill(self, fault: Fault, outcome: Outcome) -> Recovered:
        return self._bring_back(fault.worker, outcome, lambda: self._stack.kill_worker(fault.worker))

    def _kill_twice(self, fault: Fault, outcome: Outcome) -> Recovered:
        worker = self._stack.workers[fault.worker]
        hit = hosted(self._stack, fault.worker)
        starts = worker.starts
        self._stack.kill_worker(fault.worker)
        self._until(lambda: worker.starts > starts and worker.pid != 0, f"{worker.name} is started again")
        self._rest(fault.again_s)
        outcome.told.append(f"killed again {fault.again_s:.1f} s after its start")
        return self._bring_back(fault.worker, outcome, lambda: self._stack.kill_worker(fault.worker), hit)

    def _folder_deleted(self, fault: Fault, outcome: Outcome) -> Recovered:
        def delete() -> None:
            self._stack.kill_worker(fault.worker, hold=True)
            shutil.rmtree(self._stack.worker_dir(fault.worker))
            self._stack.start_worker(fault.worker)

        return self._bring_back(fault.worker, outcome, delete)

    def _folder_damaged(self, fault: Fault, outcome: Outcome) -> Recovered:
        def ruin() -> None:
            self._stack.kill_worker(fault.worker, hold=True)
            chance = random.Random(fault.seed)  # noqa: S311 - it is to be predictable
            outcome.told += damage(self._stack.worker_dir(fault.worker), chance)
            self._stack.start_worker(fault.worker)

        return self._bring_back(fault.worker, outcome, ruin)

    def _kill_all(self, _: Fault, outcome: Outcome) -> Recovered:
        def kill() -> None:
            for index in range(self._workers):
                self._stack.kill_worker(index)

        journals = [Journal(worker.log_file) for worker in self._stack.workers]
        began_s = time.monotonic()
        kill()
        mark = self._watch.mark(since_s=began_s)
        actors = self._watch.actors
        self._until(lambda: mark.reached(actors), lambda: f"steps of {self._missing(mark)}")
        parts = [
            self._parts(mark, actors, journal, started_s=self._stack.workers[index].started_s)
            for index, journal in enumerate(journals[: self._workers])
        ]
        slowest = max(parts, key=lambda part: part.get("join", 0.0), default={})
        outcome.told.append(f"all {self._workers} at once")
        return Recovered("same", _s(mark.passed_s(actors)), _s(mark.least_s(actors)), slowest)

    def _takeover(self, fault: Fault, outcome: Outcome) -> Recovered:
        hit = hosted(self._stack, fault.worker)
        other = self._other(fault.worker)
        journal = Journal(self._stack.workers[other].log_file)
        began_s = time.monotonic()
        self._stack.kill_worker(fault.worker, hold=True)
        mark = self._watch.mark(since_s=began_s)
        self._until(lambda: mark.reached(hit), lambda: f"steps of {self._missing(mark, hit)}")
        recovered = Recovered(
            "other", _s(mark.passed_s(hit)), _s(mark.least_s(hit)), self._parts(mark, hit, journal)
        )
        began_s = time.monotonic()
        self._stack.start_worker(fault.worker)
        self.until_whole()
        outcome.told.append(f"it was back and had its share after {time.monotonic() - began_s:.1f} s")
        return recovered

    def _zombie(self, fault: Fault, outcome: Outcome) -> Recovered:
        worker = self._stack.workers[fault.worker]
        hit = hosted(self._stack, fault.worker)
        own = Journal(worker.log_file)
        process = worker.pid
        others = Journal(self._stack.workers[self._other(fault.worker)].log_file)
        session_s = self._stack.settings.session_timeout_s
        began_s = time.monotonic()
        self._stack.pause_worker(fault.worker)
        recovered = None
        try:
            mark = self._watch.mark(since_s=began_s)
            if self._workers > 1:
                self._until(lambda: mark.reached(hit), lambda: f"steps of {self._missing(mark, hit)}")
                parts = self._parts(mark, hit, others)
                recovered = Recovered("other", _s(mark.passed_s(hit)), _s(mark.least_s(hit)), parts)
            self._rest(max(0.0, began_s + session_s + _PAST_SESSION_S - time.monotonic()))
        finally:
            stood_s = time.monotonic() - began_s
            self._stack.resume_worker(fault.worker)
        mark = self._watch.mark()
        if recovered is None:
            self._until(lambda: mark.reached(hit), lambda: f"steps of {self._missing(mark, hit)}")
            recovered = Recovered("same", _s(mark.passed_s(hit)), _s(mark.least_s(hit)))
        self.until_whole()
        outcome.told.append(f"stood still for {stood_s:.1f} s")
        if own.tells_of("Fenced"):
            outcome.told.append("fenced at its next step, as it should be")
        elif worker.pid == process:
            outcome.told.append("gave its partitions up before another step")
        if worker.pid != process:
            outcome.told.append("ended and was started anew")
        return recovered

    def _broker_restart(self, _: Fault, outcome: Outcome) -> Recovered:
        return self._broker_back(outcome, kill=False)

    def _broker_kill(self, _: Fault, outcome: Outcome) -> Recovered:
        return self._broker_back(outcome, kill=True)

    def _view_kill(self, _: Fault, __: Outcome) -> Recovered:
        began_s = time.monotonic()
        self._stack.kill_view()
        return self._view_back(began_s)

    def _view_damaged(self, fault: Fault, outcome: Outcome) -> Recovered:
        began_s = time.monotonic()
        self._stack.kill_view(hold=True)
        chance = random.Random(fault.seed)  # noqa: S311 - it is to be predictable
        outcome.told += damage(self._stack.data_dir / "view-0", chance)
        self._stack.start_view()
        return self._view_back(began_s)

    # --- measuring -------------------------------------------------------------------------------

    def _bring_back(
        self, index: int, outcome: Outcome, act: Callable[[], None], hit: frozenset[Actor] | None = None
    ) -> Recovered:
        """`act` kills a worker and has it started again. Who then works on its partitions is seen, not
        supposed: if it is slow to come back, the other takes over."""
        worker = self._stack.workers[index]
        actors = hosted(self._stack, index) if hit is None else hit
        if not actors:
            raise DrillFailed(f"{worker.name} had no actors to take away")
        own, others = Journal(worker.log_file), Journal(self._stack.workers[self._other(index)].log_file)
        starts = worker.starts
        began_s = time.monotonic()
        act()
        mark = self._watch.mark(since_s=began_s)
        self._until(lambda: mark.reached(actors), lambda: f"steps of {self._missing(mark, actors)}")
        seconds, first_s = _s(mark.passed_s(actors)), _s(mark.least_s(actors))
        if worker.starts > starts + 1:
            outcome.told.append(f"it took {worker.starts - starts} starts")
        if actors <= hosted(self._stack, index):
            parts = self._parts(mark, actors, own, started_s=worker.started_s)
            return Recovered("same", seconds, first_s, parts)
        if self._workers > 1 and actors <= hosted(self._stack, self._other(index)):
            return Recovered("other", seconds, first_s, self._parts(mark, actors, others))
        return Recovered("both", seconds, first_s)

    def _broker_back(self, outcome: Outcome, *, kill: bool) -> Recovered:
        starts = [worker.starts for worker in self._stack.workers]
        began_s = time.monotonic()
        self._stack.restart_broker(kill=kill)
        back_s = time.monotonic() - began_s
        # What is committed before it answers again is not told apart from what was committed before it went.
        mark = self._watch.mark(since_s=began_s)
        actors = self._watch.actors
        self._until(lambda: mark.reached(actors), lambda: f"steps of {self._missing(mark)}")
        again = sum(
            worker.starts - before for worker, before in zip(self._stack.workers, starts, strict=True)
        )
        if again:
            outcome.told.append(f"workers were started {again} times")
        seconds = _s(mark.passed_s(actors))
        parts = {"broker": _s(back_s), "recover": _s(seconds - back_s)}
        return Recovered("broker", seconds, _s(mark.least_s(actors)), parts)

    def _view_back(self, began_s: float) -> Recovered:
        view = self._stack.views[0]
        self._until(self._view_is_ready, "the view is ready")
        seconds = _s(time.monotonic() - began_s)
        notice = _s(max(0.0, view.started_s - began_s))
        return Recovered("view", seconds, seconds, {"notice": notice, "start": _s(seconds - notice)})

    def _parts(
        self, mark: Mark, actors: Collection[Actor], journal: Journal, *, started_s: float | None = None
    ) -> dict[str, float]:
        """What the time went into. With `started_s` (`time.monotonic`) of a process that was started anew."""
        from_ms = mark.wall_ms - (mark.made_s - mark.at_s) * 1_000
        parts: dict[str, float] = {}
        at = 0.0

        def add(name: str, until: float | None) -> None:
            nonlocal at
            if until is not None and until >= at:
                parts[name] = _s(until - at)
                at = until

        def logged(event: str) -> float | None:
            at_ms = journal.wall_ms(event, from_ms)
            return None if at_ms is None else (at_ms - from_ms) / 1_000

        if started_s is not None:
            add("notice", started_s - mark.at_s)
            add("start", logged("worker begins"))
        else:
            add("notice", logged("partitions revoked"))
        add("join", logged("partitions assigned"))
        add("recover", mark.passed_s(actors))
        return parts

    def _other(self, index: int) -> int:
        return 1 - index if len(self._stack.workers) > 1 else index

    def _missing(self, mark: Mark, actors: Collection[Actor] | None = None) -> str:
        wanted = self._watch.actors if actors is None else sorted(actors)
        return ", ".join(f"{kind}-{number}" for kind, number in wanted if (kind, number) not in mark.first_s)

    def _is_spread(self) -> bool:
        shares = [hosted(self._stack, index) for index in range(self._workers)]
        return all(shares) and sum(map(len, shares)) == len(self._watch.actors)

    def _view_is_ready(self) -> bool:
        return answers(self._stack.view_url, "/readyz")

    # --- waiting ---------------------------------------------------------------------------------

    def _rest(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._check()
            time.sleep(min(left, _LOOK_EVERY_S))

    def _until(
        self, holds: Callable[[], bool], what: str | Callable[[], str], *, every_s: float = _LOOK_EVERY_S
    ) -> None:
        deadline = time.monotonic() + RECOVERY_S_MAX
        while not holds():
            self._check()
            if time.monotonic() > deadline:
                waited_for = what if isinstance(what, str) else what()
                raise DrillFailed(f"Within {RECOVERY_S_MAX:.0f} s there was no: {waited_for}.")
            time.sleep(every_s)

    def _check(self) -> None:
        self._stack.check()
        self._traffic.check()


_WAYS: Final[dict[Kind, Callable[[Injector, Fault, Outcome], Recovered]]] = {
    Kind.KILL: Injector._kill,  # noqa: SLF001 - the class's own table
    Kind.KILL_TWICE: Injector._kill_twice,  # noqa: SLF001
    Kind.TAKEOVER: Injector._takeover,  # noqa: SLF001
    Kind.KILL_ALL: Injector._kill_all,  # noqa: SLF001
    Kind.ZOMBIE: Injector._zombie,  # noqa: SLF001
    Kind.BROKER_RESTART: Injector._broker_restart,  # noqa: SLF001
    Kind.BROKER_KILL: Injector._broker_kill,  # noqa: SLF001
    Kind.FOLDER_DELETED: Injector._folder_deleted,  # noqa: SLF001
    Kind.FOLDER_DAMAGED: Injector._folder_damaged,  # noqa: SLF001
    Kind.VIEW_KILL: Injector._view_kill,  # noqa: SLF001
    Kind.VIEW_DAMAGED: Injector._view_damaged,  # noqa: SLF001
}


def answers(url: str, path: str, timeout_s: float = 1.0) -> bool:
    """Whether a GET is answered with 200."""
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _s(seconds: float) -> float:
    return round(seconds, 3)
