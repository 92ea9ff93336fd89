"""What every bench program shares: its options, its report at the end, and how it fails.

The table goes to people: to stdout, or with --json to stderr, so that stdout is the one JSON object.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Final

from rich.console import Console

from benchmarks.harness import BenchError
from benchmarks.report import Report
from springtide.app import logs
from springtide.app.broker.errors import BrokerError
from springtide.app.up.errors import StackError

_WIDTH: Final = 132
"""Of a table that goes to a file."""


def options(description: str | None, *, rounds: int = 3) -> argparse.ArgumentParser:
    """The options of every bench; a bench adds its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout, the table on stderr")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes and one round: shows that it runs, no figure to trust",
    )
    parser.add_argument(
        "--rounds", type=int, default=None, help=f"turns of ours and each peer ({rounds}); medians count"
    )
    parser.set_defaults(rounds_usual=rounds)
    return parser


def rounds_of(args: argparse.Namespace) -> int:
    """How many rounds were asked for."""
    if args.rounds is not None:
        return max(1, int(args.rounds))
    return 1 if args.quick else int(args.rounds_usual)


def sized(args: argparse.Namespace, given: float | None, usual: float, quick: float) -> int:
    """A size: what was given, else the usual one, or the quick one."""
    if given is not None:
        return int(given)
    return int(quick if args.quick else usual)


def run(parser: argparse.ArgumentParser, measure: Callable[[argparse.Namespace], Report]) -> None:
    """Measures, prints the report, and exits with 1 and one sentence if it could not be measured.

    A target that was missed is a figure and no failure.
    """
    args = parser.parse_args()
    logs.configure("warning", json=False)
    try:
        report = measure(args)
    except (BenchError, BrokerError, StackError, ConnectionError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    out = sys.stderr if args.json else sys.stdout
    report.print_table(Console(file=out, width=None if out.isatty() else _WIDTH))
    if args.json:
        print(report.to_json(), flush=True)
    if args.quick:
        print("--quick: small sizes, one round; these figures show only that it runs.", file=sys.stderr)
