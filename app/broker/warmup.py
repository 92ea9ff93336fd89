"""The JVM's ahead-of-time cache: made once by a broker that only starts and stops, it halves every start.

It is an extra: if it cannot be made, brokers start without it, about one and a half seconds slower.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from springtide.app.broker import ports
from springtide.app.broker.distribution import Distribution, Progress
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.launch import Launch, PortLost

_WHAT = "preparing fast starts"
_START_S = 60.0
_DUMP_S = 120.0
_HEAP_MB = 512


def ensure_startup_cache(distribution: Distribution, progress: Progress | None = None) -> bool:
    """Makes the startup cache if it is missing (some ten seconds, 70 MB); whether it is there now.

    `progress` is called with ("preparing fast starts", steps done, 2). A failure is remembered in the Kafka
    folder and not tried again, so that it costs its seconds only once.
    """
    target = distribution.startup_cache
    if target.exists():
        return True
    failed = target.with_suffix(".failed")
    if failed.exists():
        return False
    try:
        with tempfile.TemporaryDirectory(dir=distribution.home, prefix="warmup-") as folder:
            made = _train(distribution, Path(folder), progress)
            if made is not None:
                # Two processes may both have made one; either will do, and the rename is atomic.
                made.replace(target)
                return True
        failed.touch()
    except OSError:
        pass  # a folder that is read-only or full: nothing can be kept there, not even the failure
    return False


def _train(distribution: Distribution, folder: Path, progress: Progress | None) -> Path | None:
    cache = folder / "cache.aot"
    broker_port, controller_port = ports.choose(2)
    launch = Launch(
        distribution,
        folder,
        broker_port,
        controller_port,
        _HEAP_MB,
        extra_flags=[f"-XX:AOTCacheOutput={cache}"],
    )
    _tell(progress, 0)
    try:
        process = launch.run(time.monotonic() + _START_S)
    except (BrokerError, PortLost):
        return None
    _tell(progress, 1)
    process.end(_DUMP_S)  # the JVM writes the cache on its way out
    _tell(progress, 2)
    return cache if cache.exists() and process.exit_code in (0, 143) else None


def _tell(progress: Progress | None, done: int) -> None:
    if progress:
        progress(_WHAT, done, 2)
