"""The engine alone: the sum of delta per SKU, exactly once, in RocksDB, against stock stream processors.

Ours and each peer read the same topic of 150-byte JSON events over 10,000 SKUs with 4 partitions, one process
each, in turns; each must come to the right sum for every SKU, or its figures do not count. Events/s and CPU
time run from the first event to the commit of the last. Stock Faust gets fewer events, since it is slow.

    python -m benchmarks.engine [--events 1000000] [--without kafka-streams] [--json] [--quick]
"""

from __future__ import annotations

import argparse
from typing import Any, Final

from benchmarks import harness, program
from benchmarks.harness import Run, checked, median, run_peer, run_program, write_sum_input
from benchmarks.report import LeftOut, Report

OURS: Final = "springtide"
FAUST, QUIX, STREAMS = "faust", "quix", "kafka-streams"
PEERS: Final = (FAUST, QUIX, STREAMS)
_FAUST_EVENTS: Final = 60_000
_TIMEOUT_S: Final = 900.0


def measure(args: argparse.Namespace) -> Report:
    """One report; each figure is the median of the rounds."""
    events = program.sized(args, args.events, 1_000_000, 100_000)
    faust_events = min(events, program.sized(args, args.faust_events, _FAUST_EVENTS, 2_000))
    report = Report("engine")
    with harness.broker() as broker:
        where = ["--bootstrap", broker.bootstrap]
        expected = write_sum_input(broker.bootstrap, "sums", events)
        sums = [*where, "--topic", "sums", "--events", str(events)]
        runs: dict[str, Run] = {
            OURS: checked(
                lambda: run_program("benchmarks.springtide_sum", sums, timeout_s=_TIMEOUT_S), expected
            )
        }
        if FAUST not in args.without:
            few_expected = write_sum_input(broker.bootstrap, "sums-few", faust_events)
            few = [*where, "--topic", "sums-few", "--events", str(faust_events)]
            runs[FAUST] = checked(lambda: run_peer("faust_sum", few, timeout_s=_TIMEOUT_S), few_expected)
        if QUIX not in args.without:
            runs[QUIX] = checked(lambda: run_peer("quix_sum", sums, timeout_s=_TIMEOUT_S), expected)
        if STREAMS not in args.without:
            runs[STREAMS] = checked(
                lambda: run_peer("kafka_streams_sum", sums, timeout_s=_TIMEOUT_S), expected
            )
        found = harness.in_turns(runs, program.rounds_of(args))
    for peer in args.without:
        found[peer] = LeftOut(peer, "--without")
    _compare(report, found)
    return report


def _compare(report: Report, found: dict[str, list[dict[str, Any]] | LeftOut]) -> None:
    ours = found[OURS]
    assert not isinstance(ours, LeftOut)
    rate, cost = median(ours, "events_per_s"), median(ours, "cpu_us_per_event")
    for peer, target in ((FAUST, ">= 40 x"), (QUIX, ">= 2.5 x"), (STREAMS, ">= 1.0 x")):
        theirs = found[peer]
        value = None if isinstance(theirs, LeftOut) else median(theirs, "events_per_s")
        report.add("sum per SKU", rate, "events/s", target=target, peer=_TITLES[peer], peer_value=value)
    for peer, limit in ((STREAMS, "<= 0.5 x"), (QUIX, None), (FAUST, None)):
        theirs = found[peer]
        value = None if isinstance(theirs, LeftOut) else median(theirs, "cpu_us_per_event")
        report.add("CPU per event", cost, "us", target=limit, peer=_TITLES[peer], peer_value=value)
    for theirs in found.values():
        if isinstance(theirs, LeftOut):
            report.leave_out(theirs.peer, theirs.why)


_TITLES: Final = {
    FAUST: "Faust exactly_once",
    QUIX: "Quix Streams at least once",
    STREAMS: "Kafka Streams exactly_once_v2, cache on",
}


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--events", type=int, help="events of the common input (1,000,000)")
    parser.add_argument("--faust-events", type=int, help=f"events that Faust gets ({_FAUST_EVENTS:,})")
    parser.add_argument("--without", action="append", default=[], choices=PEERS, help="leave a peer out")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
