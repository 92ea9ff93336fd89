"""Quix Streams: the sum of delta per SKU in its RocksDB state.

Measures events/s and CPU microseconds per event, from the first event in the dataframe to the end of the
last checkpoint (changelog delivered, offsets committed, RocksDB written). Commit settings are Quix's defaults:
a checkpoint every 5 s, at least once. With --guarantee exactly-once the checkpoint is a Kafka transaction.

    python -m benchmarks.peers.quix_sum --bootstrap HOST:PORT --topic sums --events 1000000
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rocksdict import AccessType, Options, Rdict

from benchmarks.peers import measure

try:
    from quixstreams import Application, State
except ImportError as error:  # the group "bench" brings it, a plain install does not
    measure.leave_out("quix", f"{error}. Run it with the dependency group bench: uv run --group bench.")


def run(args: Any, folder: Path) -> str:
    """Runs the application until it has counted all events, and gives the result's line."""
    watch = measure.Stopwatch()
    app = Application(
        broker_address=args.bootstrap,
        consumer_group=f"quix-sum-{uuid.uuid4().hex[:8]}",
        auto_offset_reset="earliest",
        processing_guarantee=args.guarantee,
        state_dir=folder,
        loglevel="ERROR",
    )

    def add(value: dict[str, Any], state: State[Any, Any]) -> None:
        watch.mark()
        state.set("sum", state.get("sum", 0) + value["delta"])

    topic = app.topic(args.topic, key_deserializer="str", value_deserializer="json")
    app.dataframe(topic).update(add, stateful=True)

    commit = app._processing_context.commit_checkpoint

    def commit_and_time(force: bool = False, **more: Any) -> None:
        commit(force=force, **more)
        if force and watch.running and not more.get("revoking"):  # leaving the group is no part of the work
            watch.stop()

    app._processing_context.commit_checkpoint = commit_and_time  # type: ignore[method-assign, assignment]  # no hook
    app.run(count=args.events, collect=False)
    return measure.result(
        "quix",
        args.events,
        watch.seconds,
        watch.cpu_seconds,
        guarantee=args.guarantee,
        version=version("quixstreams"),
        **measure.state(sums(folder)),
    )


def sums(folder: Path) -> Iterator[tuple[str, int]]:
    """The state as it lies in RocksDB: keys are SKU|"sum", each value a JSON number."""
    for current in folder.rglob("CURRENT"):
        database = Rdict(
            str(current.parent), options=Options(raw_mode=True), access_type=AccessType.read_only()
        )
        for key, value in database.items():
            sku, separator, name = bytes(key).rpartition(b"|")
            if separator and name == b'"sum"':
                yield sku.decode().strip('"'), json.loads(value)
        database.close()


def main() -> None:
    """Runs once in a fresh folder and prints the result."""
    parser = measure.sum_arguments(__doc__)
    parser.add_argument("--guarantee", choices=["at-least-once", "exactly-once"], default="at-least-once")
    args = parser.parse_args()
    measure.end_on_sigterm()
    logging.getLogger("quixstreams").setLevel(logging.ERROR)
    folder = Path(tempfile.mkdtemp(prefix="quix-sum-"))
    try:
        line = run(args, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(line, flush=True)


if __name__ == "__main__":
    main()
