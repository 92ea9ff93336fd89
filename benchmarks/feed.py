"""Writes a trade from its file to ingress at a rate, each event due at its own time, until its input ends.

Prints `{"begun": true}` when it begins to write, and at the end {"events", "behind_ms_max", "exhausted"}.

    python -m benchmarks.feed --bootstrap HOST:PORT --file trade --skip 40000 --rate 1700
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.peers.measure import end_on_sigterm
from springtide.app.broker.connection import BrokerConnection
from springtide.app.trade.emission import Emission
from springtide.app.trade.file import read_file
from springtide.app.trade.load import load


async def run(args: Any) -> dict[str, Any]:
    """Writes until standard input ends."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stop.set)
    events = islice(read_file(args.file), args.skip, None)
    first = next(events, None)

    def telling() -> Iterator[Emission]:
        if first is None:
            return
        print(json.dumps({"begun": True}), flush=True)
        yield first
        yield from events

    result = await load(BrokerConnection.from_url(args.bootstrap), telling(), rate_per_s=args.rate, stop=stop)
    return {
        "events": result.events,
        "events_per_s": round(result.events_per_s, 1),
        "behind_ms_max": round(result.behind_ms_max, 1),
        "exhausted": result.exhausted,
    }


def main() -> None:
    """Writes, and prints what was written."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--file", type=Path, required=True, help="written by springtide.app.trade.file")
    parser.add_argument("--skip", type=int, default=0, help="events of the file that were written before")
    parser.add_argument("--rate", type=float, required=True, help="events a second")
    args = parser.parse_args()
    end_on_sigterm()
    print(json.dumps(uvloop.run(run(args))), flush=True)


if __name__ == "__main__":
    main()
