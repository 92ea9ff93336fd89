"""Every bench, one after the other; the top rate of the main job gives the rates that others need.

With --json the last line is {"benches": [...]}, each as its own --json gives it. What fails is told at the end,
after the others are done.

    python -m benchmarks.all [--json] [--quick] [--without memory]
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Final

from benchmarks.harness import BenchError, ended_by_sigterm, run_program, say
from springtide.app.commands import bench

NAMES: Final = tuple(name for name in bench.NAMES if name != "all")
_TIMEOUT_S: Final = 3_600.0


def rates_from(report: dict[str, Any]) -> dict[str, list[str]]:
    """What other benches are told of the main job's top rate: bench -> further arguments."""
    top = next(figure["value"] for figure in report["figures"] if figure["name"] == "main job")
    return {"latency": ["--rate", f"{top / 10:.0f}"], "http": ["--rate", f"{top / 2:.0f}"]}


def run(args: argparse.Namespace) -> tuple[list[dict[str, Any]], list[str]]:
    """The reports, and the names of those that failed."""
    common = ["--json", *(["--quick"] if args.quick else [])]
    common += [] if args.rounds is None else ["--rounds", str(args.rounds)]
    more: dict[str, list[str]] = {}
    reports: list[dict[str, Any]] = []
    failed: list[str] = []
    for name in NAMES:
        if name in args.without:
            continue
        say(f"--- {name}")
        try:
            report = run_program(
                f"benchmarks.{name.replace('-', '_')}",
                [*common, *more.get(name, [])],
                timeout_s=_TIMEOUT_S,
                verbose=True,
            )
        except BenchError as error:
            say(str(error))
            failed.append(name)
            continue
        assert isinstance(report, dict)
        reports.append(report)
        if name == "pipeline" and not args.quick:
            more |= rates_from(report)
    return reports, failed


def main() -> None:
    """Runs all and prints what they print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout at the end")
    parser.add_argument("--quick", action="store_true", help="small sizes and one round")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--without", action="append", default=[], choices=NAMES, help="leave a bench out")
    args = parser.parse_args()
    with ended_by_sigterm():
        reports, failed = run(args)
    if args.json:
        print(json.dumps({"benches": reports}), flush=True)
    if failed:
        print(f"bench: these failed, see above: {', '.join(failed)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
