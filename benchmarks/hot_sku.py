"""One hot SKU: reservations a second, decided and durable in the log, against PostgreSQL's row lock.

Ours: requests that lie in the SKU's inbox, decided by its one actor in steps of thousands, each step one Kafka
transaction. PostgreSQL: one transaction each, an update of the hot row and an insert, 32 clients of pgbench.
What durable means differs: PostgreSQL flushes each commit to the disk (fsync), while a Kafka broker, as it comes,
leaves that to the operating system and is meant to be safe by its replicas, of which the local broker has none.
So PostgreSQL is measured with synchronous_commit off as well, which like Kafka loses its last moments in a power
cut. Both sides are checked: what was granted adds up to what there was.

    python -m benchmarks.hot_sku [--requests 200000] [--orders 50000] [--json] [--quick]
"""

from __future__ import annotations

import argparse
from typing import Final

from benchmarks import harness, program
from benchmarks.harness import Run, median, run_peer, run_program
from benchmarks.report import LeftOut, Report

OURS: Final = "springtide"
END_TO_END: Final = "springtide, end to end"
SYNCED: Final = "postgres, fsync"
UNSYNCED: Final = "postgres, synchronous_commit off"
_TITLES: Final = {
    SYNCED: "PostgreSQL row lock, 32 clients, fsync",
    UNSYNCED: "PostgreSQL row lock, synchronous_commit off",
}


def measure(args: argparse.Namespace) -> Report:
    """One report; each figure is the median of the rounds."""
    requests = program.sized(args, args.requests, 200_000, 5_000)
    orders = program.sized(args, args.orders, 50_000, 1_000)
    seconds = str(program.sized(args, args.seconds, 10, 1))
    runs: dict[str, Run] = {
        OURS: lambda: run_program("benchmarks.springtide_hot_sku", ["--requests", str(requests)]),
        SYNCED: lambda: run_peer("postgres_hot_row", ["--seconds", seconds]),
        UNSYNCED: lambda: run_peer("postgres_hot_row", ["--seconds", seconds, "--synchronous-commit", "off"]),
        END_TO_END: lambda: run_program("benchmarks.springtide_hot_orders", ["--orders", str(orders)]),
    }
    found = harness.in_turns(runs, program.rounds_of(args))
    report = Report("hot-sku")
    ours, whole = found[OURS], found[END_TO_END]
    assert not isinstance(ours, LeftOut)
    assert not isinstance(whole, LeftOut)
    rate = median(ours, "hot_tps")
    for peer, target in ((SYNCED, ">= 20 x"), (UNSYNCED, None)):
        theirs = found[peer]
        value = None if isinstance(theirs, LeftOut) else median(theirs, "hot_tps")
        report.add(
            "reservations of one SKU", rate, "1/s", target=target, peer=_TITLES[peer], peer_value=value
        )
        if isinstance(theirs, LeftOut):
            report.leave_out(_TITLES[peer], theirs.why)
    report.add("CPU of a reservation", median(ours, "cpu_us_per_event"), "us")
    report.add("orders for one SKU, ingress to grant", median(whole, "hot_tps"), "orders/s")
    report.add("CPU of such an order", median(whole, "cpu_us_per_event"), "us")
    return report


def main() -> None:
    """Measures and prints."""
    parser = program.options(__doc__)
    parser.add_argument("--requests", type=int, help="reservations of a round (200,000)")
    parser.add_argument("--orders", type=int, help="orders of a round end to end (50,000)")
    parser.add_argument("--seconds", type=int, help="how long pgbench runs, for hot and for spread rows (10)")
    program.run(parser, measure)


if __name__ == "__main__":
    main()
