"""The whole main job on a backlog of the sample trade, one worker and one view, against stock Faust's mere sum.

The trade is written to the log before the clock starts: first the opening counts, which are done outside the
clock, then for each round its events of steady trade. Then one worker begins (gateway, OrderActor, SkuActor),
and the view follows. The clock runs from the first record in a gateway step until the last commit of any actor
and until the view shows everything, whichever comes later. Events are ingress events: what they become on
their way, about two further messages each, is not counted. The peer sums one number per SKU, on the same broker.

    python -m benchmarks.pipeline [--events 200000] [--skus 10000] [--json] [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final, Self

from benchmarks import harness, live, program
from benchmarks.harness import BenchError, Run, checked, median, run_peer, say, write_sum_input
from benchmarks.report import LeftOut, Report
from springtide.app.trade.spec import TradeSpec
from springtide.app.up.stack import Stack

_FAUST: Final = "Faust exactly_once, a mere sum"
_LOOK_EVERY_S: Final = 0.05
_PATIENCE_S: Final = 60.0
_KINDS: Final = ("gateway", "customer", "order", "sku")


class ViewWatch:
    """Notes from another thread how many projection records a view has taken in by when."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/readyz"
        self._seen: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(_LOOK_EVERY_S):
            found = live.get_json(self._url)
            if "records" in found:
                self._seen.append((time.time(), int(found["records"])))

    def caught_up_at(self) -> float:
        """Waits until it shows everything; when that was, Unix seconds. Raises BenchError after a minute."""
        deadline = time.monotonic() + _PATIENCE_S
        found: dict[str, Any] = {}
        while found.get("lag_ms") != 0 or found["records"] != found["of_records"]:
            if time.monotonic() > deadline:
                raise BenchError(f"The view is still behind a minute after the worker: {found}.")
            time.sleep(_LOOK_EVERY_S)
            found = live.get_json(self._url)
        last = int(found["records"])
        return min((at for at, records in self._seen if records >= last), default=time.time())


def run_ours(stack: Stack, trade: live.Trade, events: int) -> dict[str, Any]:
    """One round: writes the events, lets a worker do them, and waits for the view."""
    trade.load(stack.connection, events)
    processes = {"view": stack.views[0].pid, "broker": stack.broker.pid if stack.broker else 0}
    before = {name: live.cpu_s(pid or 0) for name, pid in processes.items()}
    with ViewWatch(stack.view_url) as watch:
        outcome = live.backlog(stack, events)
        view_at = watch.caught_up_at()
    if outcome["kinds"]["gateway"]["records"] != events:
        raise BenchError(f"The gateway applied {outcome['kinds']['gateway']['records']} of {events} events.")
    seconds = max(outcome["ended_at"], view_at) - outcome["began_at"]
    return {
        **outcome,
        "seconds": round(seconds, 4),
        "events_per_s": round(events / seconds, 1),
        "view_after_ms": round((view_at - outcome["ended_at"]) * 1e3, 1),
        **{
            f"{name}_cpu_us_per_event": round((live.cpu_s(pid or 0) - before[name]) / events * 1e6, 3)
            for name, pid in processes.items()
        },
    }


def measure(args: argparse.Namespace) -> Report:
    """One report; each figure is the median of the rounds."""
    events = program.sized(args, args.events, 200_000, 5_000)
    skus = program.sized(args, args.skus, 10_000, 200)
    faust_events = program.sized(args, args.faust_events, 60_000, 2_000)
    rounds = program.rounds_of(args)
    spec = TradeSpec(skus=skus, streams=args.streams)
    report = Report("pipeline")
    with tempfile.TemporaryDirectory(prefix="springtide-trade-") as folder:
        trade = live.Trade(spec, Path(folder) / "trade", spec.opening_events + rounds * events)
        with live.stack(workers=0, views=1) as stack:
            trade.load(stack.connection, trade.opening)
            opening = live.backlog(stack, trade.opening)
            say(f"opening counts: {opening['events_per_s']:,.0f}/s, outside the clock")
            expected = write_sum_input(stack.bootstrap, "sums", faust_events)
            sums = [
                *("--bootstrap", stack.bootstrap, "--topic", "sums", "--events", str(faust_events)),
            ]
            runs: dict[str, Run] = {
                "springtide": lambda: run_ours(stack, trade, events),
                "faust": checked(lambda: run_peer("faust_sum", sums), expected),
            }
            found = harness.in_turns(runs, rounds)
    ours, theirs = found["springtide"], found["faust"]
    assert not isinstance(ours, LeftOut)
    faust_rate = None if isinstance(theirs, LeftOut) else median(theirs, "events_per_s")
    rate = median(ours, "events_per_s")
    target = ">= 5 x" if args.streams == "main" else ">= 4 x"
    report.add("main job", rate, "events/s", target=target, peer=_FAUST, peer_value=faust_rate)
    report.add("CPU of the worker", median(ours, "cpu_us_per_event"), "us/event")
    report.add("CPU of the view", median(ours, "view_cpu_us_per_event"), "us/event")
    report.add("CPU of the broker", median(ours, "broker_cpu_us_per_event"), "us/event")
    report.add("view done after the last commit", median(ours, "view_after_ms"), "ms")
    for kind in _KINDS:
        of_kind = [outcome["kinds"][kind] for outcome in ours]
        report.add(f"{kind}: records for an event", median(of_kind, "records") / events, "records")
        report.add(f"{kind}: step", median(of_kind, "step_us_per_record"), "us/record")
        report.add(f"{kind}: store", median(of_kind, "store_us_per_record"), "us/record")
        report.add(f"{kind}: records a step", median(of_kind, "records_per_step"), "records")
        report.add(f"{kind}: commit", median(of_kind, "commit_ms_per_step"), "ms/step")
    if isinstance(theirs, LeftOut):
        report.leave_out(theirs.peer, theirs.why)
    return report


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--events", type=int, help="events of a round (200,000)")
    parser.add_argument("--skus", type=int, help="SKUs of the trade, in 4 locations (10,000)")
    parser.add_argument(
        "--streams",
        choices=("main", "all"),
        default="main",
        help="orders, inventory and shipments (main), or all streams; all has its target at 4 x",
    )
    parser.add_argument("--faust-events", type=int, help="events that Faust gets (60,000)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
