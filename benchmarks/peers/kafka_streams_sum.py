"""Kafka Streams: the sum of delta per SKU in its RocksDB store, exactly_once_v2, one stream thread.

Measures events/s and CPU microseconds per event (the whole JVM's), from the first event in the aggregator to
the commit of the last. Settings are Kafka Streams' defaults, its 10 MB record cache included; --cache-mb 0
switches that off. Needs a JDK: JAVA_HOME's, or the one on the PATH. Its jars are fetched on the first run.

    python -m benchmarks.peers.kafka_streams_sum --bootstrap HOST:PORT --topic sums --events 1000000
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path
from typing import Any

from benchmarks.peers import measure
from benchmarks.peers.kafka_streams.jars import class_path
from benchmarks.peers.kafka_streams.unavailable import UnavailableError
from springtide.app.broker.jars import KAFKA_VERSION
from springtide.app.broker.settings import jvm_environment

PEER = "kafka-streams"
_SOURCES = Path(__file__).parent / "kafka_streams"
_PROGRAM = "SumPeer"
_RELEASE = "17"
_COMPILE_S = 120
_EXIT_S = 60


def find_jdk() -> tuple[Path, Path]:
    """`javac` and the `java` beside it, JAVA_HOME's before the PATH's. Raises UnavailableError without one."""
    home = os.environ.get("JAVA_HOME")
    on_path = shutil.which("javac")
    for javac in ([Path(home) / "bin" / "javac"] if home else []) + ([Path(on_path)] if on_path else []):
        java = javac.resolve().with_name("java")
        if os.access(javac, os.X_OK) and os.access(java, os.X_OK):
            return javac, java
    raise UnavailableError(
        "no JDK was found. Install one of version 17 or newer (Debian's package default-jdk-headless), "
        "or name its folder in JAVA_HOME."
    )


def compile_program(javac: Path, jars: list[Path], folder: Path) -> None:
    """Compiles the program into `folder`. Raises UnavailableError if this JDK is too old for it."""
    done = subprocess.run(
        [
            str(javac),
            "--release",
            _RELEASE,
            "-cp",
            os.pathsep.join(map(str, jars)),
            "-d",
            str(folder),
            str(_SOURCES / f"{_PROGRAM}.java"),
        ],
        env=jvm_environment(),
        capture_output=True,
        text=True,
        timeout=_COMPILE_S,
        check=False,
    )
    if done.returncode and ("invalid flag" in done.stderr or "release version" in done.stderr):
        raise UnavailableError(f"the JDK of {javac} is older than {_RELEASE}: {done.stderr.strip()}")
    if done.returncode:
        raise SystemExit(f"{_PROGRAM}.java could not be compiled with {javac}:\n{done.stderr}")


def run(args: Any, folder: Path) -> str:
    """Compiles, runs once in `folder`, and gives the result's line."""
    javac, java = find_jdk()
    jars = class_path()
    classes = folder / "classes"
    classes.mkdir()
    compile_program(javac, jars, classes)
    cache_bytes = args.cache_mb * 1024 * 1024
    command = [
        str(java),
        "--enable-native-access=ALL-UNNAMED",  # for RocksDB and the compression libraries
        "-cp",
        os.pathsep.join(map(str, [classes, _SOURCES, *jars])),
        _PROGRAM,
        args.bootstrap,
        args.topic,
        str(args.events),
        str(folder / "state"),
        f"kafka-streams-sum-{uuid.uuid4().hex[:8]}",
        str(cache_bytes),
        str(args.timeout_s),
    ]
    # The child's errors go straight to ours; `subprocess.run` kills it if we are interrupted.
    done = subprocess.run(
        command,
        env=jvm_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=args.timeout_s + _EXIT_S,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"Kafka Streams ended with status {done.returncode}; its errors stand above.")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return measure.result(
        PEER,
        args.events,
        told.pop("seconds"),
        told.pop("cpu_seconds"),
        guarantee="exactly_once_v2",
        version=KAFKA_VERSION,
        cache_mb=args.cache_mb,
        **told,
    )


def main() -> None:
    """Runs once in a fresh folder and prints the result."""
    parser = measure.sum_arguments(__doc__)
    parser.add_argument("--cache-mb", type=int, default=10, help="record cache in MiB; 0 switches it off")
    parser.add_argument("--timeout-s", type=int, default=300, help="give up when it takes longer")
    args = parser.parse_args()
    measure.end_on_sigterm()
    folder = Path(tempfile.mkdtemp(prefix="kafka-streams-sum-"))
    try:
        line = run(args, folder)
    except UnavailableError as error:
        measure.leave_out(PEER, str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(line, flush=True)


if __name__ == "__main__":
    main()
