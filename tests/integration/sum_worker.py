"""One worker whose only kind of actor sums numbers by key; told by its arguments, and ended by SIGTERM.

Each event adds a number to its key's sum, which the worker tells on the output topic. "poison" can't be added.
It prints what it does and when, one line each: `<unix seconds> <what> <detail>`.
"""

# ruff: noqa: E402, T201 - it tells when it began, before what takes the time, and what it does

import time

BEGAN = time.time()

import argparse
import asyncio
import signal
from pathlib import Path

import uvloop

from springtide.agents.work import Work
from springtide.app import logs
from springtide.app.broker.connection import BrokerConnection
from springtide.app.settings import Settings
from springtide.app.worker import Worker

EVENTS, SUMS, SET_ASIDE = "events", "sums", "set-aside"
KIND = "sum"


class Sum:
    """The row of a key is its sum."""

    kind = KIND
    projection = None
    idle_after_s = None

    def __init__(self, app):
        self.inputs = (f"{app}-{EVENTS}",)
        self._sums, self._set_aside = f"{app}-{SUMS}", f"{app}-{SET_ASIDE}"

    def step(self, work: Work, records):
        work.prefetch({record.key for record in records}, ())
        for record in records:
            total = (work.get(record.key) or 0) + int(record.value)
            work.put(record.key, total)
            work.emit(self._sums, record.key, b"%d" % total)

    def dead_letter(self, record, error):
        return self._set_aside, record.key, record.value

    def projection_key(self, key):
        return None

    def encode_row(self, key, row):
        return b"%d" % row

    def decode_row(self, key, raw):
        return int(raw)


def tell(what, detail="", at=None):
    print(f"{time.time() if at is None else at:.3f} {what} {detail}", flush=True)


async def run(args):
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    counts = {f"{args.app}-{name}": args.partitions for name in (EVENTS, SUMS, SET_ASIDE)}
    worker = Worker(
        Settings(app=args.app, data_dir=args.data, session_timeout_s=args.session_timeout_s, **args.limits),
        BrokerConnection(args.bootstrap),
        index=args.index,
        behaviours=[Sum(args.app)],
        counts=counts,
    )
    stepped, recovered = worker.metrics.stepped, worker.metrics.recovered

    def tell_step(actor, work, records, *seconds):
        stepped(actor, work, records, *seconds)
        tell("step", f"{actor.partition} {len(records)}")

    def tell_recovery(actor, records, seconds):
        recovered(actor, records, seconds)
        tell("recovered", f"{actor.partition} {records} {seconds:.3f}")

    worker.metrics.stepped, worker.metrics.recovered = tell_step, tell_recovery
    assign = worker.host.assign

    def tell_assignment(places):
        places = list(places)
        tell("assigned", len(places))
        assign(places)

    worker.host.assign = tell_assignment
    tell("run")
    await worker.run(stop)
    tell("ended")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--app", required=True)
    parser.add_argument("--index", type=int, required=True)
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--session-timeout-s", type=float, default=6.0)
    parser.add_argument("--limit", action="append", default=[], help="a setting and its number, as NAME=1")
    args = parser.parse_args()
    args.limits = {name: int(number) for name, _, number in (limit.partition("=") for limit in args.limit)}
    tell("began", at=BEGAN)
    tell("imported")
    logs.configure("info", json=True)
    uvloop.run(run(args))


if __name__ == "__main__":
    main()
