"""Looks over everything Springtide stands on and says what is wrong and how to mend it."""

from __future__ import annotations

import asyncio
import importlib
import os
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.distribution import (
    HOME_VARIABLE,
    cached_distribution,
    find_java,
    kafka_home,
)
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.jars import KAFKA_VERSION, TOTAL_BYTES
from springtide.app.broker.topics import TopicSpec, describe_topics

Status = Literal["ok", "warn", "fail"]

_PYTHON = (3, 11)
_PACKAGES = ("rocksdict", "uvloop", "cramjam")
_GB = 1_000_000_000
_DISK_WARN, _DISK_FAIL = 5 * _GB, 1 * _GB
_FILES_WARN = 4096
_BROKER_S = 10.0
_SLOW_MS = 250.0
_EARLIEST = 1_735_689_600  # 2025-01-01 UTC in seconds; a clock before it has never been set
_CLOCK_WATCH_S = 0.05
_CLOCK_JUMP_S = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `mend` says what to do about it; empty when there is nothing to do."""

    name: str
    status: Status
    detail: str
    mend: str = ""


async def run_checks(
    connection: BrokerConnection | None, data_dir: Path, specs: list[TopicSpec]
) -> list[Check]:
    """Every check, in the order a person would go through them. Changes nothing and never raises.

    `connection` None means no broker is running or named: broker and topics are then left out with a word
    about it. Takes at most some ten seconds, if the broker does not answer.
    """
    checks = [
        _python(),
        _packages(),
        _java(),
        await asyncio.to_thread(_kafka, connection),
        *await _broker_and_topics(connection, specs),
        _disk(data_dir),
        _open_files(),
        await _clock(),
        _broker_clock(connection),
    ]
    return [check for check in checks if check is not None]


def _python() -> Check:
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < _PYTHON:
        return Check("Python", "fail", f"{found} is too old.", "Use Python 3.11 or newer.")
    return Check("Python", "ok", found)


def _packages() -> Check:
    broken = []
    for name in _PACKAGES:
        try:
            importlib.import_module(name)
        except Exception as error:  # noqa: BLE001 - a native module can fail on import in any way
            broken.append(f"{name} ({type(error).__name__}: {error})")
    if broken:
        return Check(
            "native packages",
            "fail",
            f"Cannot be imported: {', '.join(broken)}.",
            "Install Springtide again in this environment; its wheels must fit this Python and processor.",
        )
    return Check("native packages", "ok", ", ".join(_PACKAGES))


def _java() -> Check:
    try:
        java, version = find_java()
    except BrokerError as error:
        return Check("Java runtime", "fail", error.message, error.next_step)
    return Check("Java runtime", "ok", f"{version} at {java}")


def _kafka(connection: BrokerConnection | None) -> Check:
    name = f"Kafka {KAFKA_VERSION}"
    try:
        found = cached_distribution()
    except BrokerError as error:
        return Check(name, "fail", error.message, error.next_step)
    if found is not None:
        fast = "" if found.startup_cache.exists() else ", without a startup cache"
        return Check(name, "ok", f"at {found.home}{fast}")
    if connection is not None:
        return Check(name, "ok", "not fetched, and not needed with the broker in use")
    return Check(
        name,
        "warn",
        f"not fetched yet ({kafka_home()} is absent or incomplete)",
        f"The first start of the local broker fetches it ({TOTAL_BYTES / 1e6:.0f} MB); without a network, name "
        f"a copy in {HOME_VARIABLE} or use a broker of your own with --broker HOST:PORT.",
    )


async def _broker_and_topics(connection: BrokerConnection | None, specs: list[TopicSpec]) -> list[Check]:
    if connection is None:
        start = "Start Springtide, or name a running broker with --broker HOST:PORT, and check again."
        return [
            Check("broker", "warn", "none is running or named, so it was not looked at", start),
            Check("topics", "warn", "not looked at, for want of a broker", start),
        ]
    try:
        async with asyncio.timeout(_BROKER_S):
            # The first answer pays for connecting and signing in; the second is the broker's own latency.
            await describe_topics(connection, [], offsets=False)
            begin = time.perf_counter()
            states = await describe_topics(connection, [spec.name for spec in specs], offsets=False)
            took_ms = (time.perf_counter() - begin) * 1000
    except (BrokerError, TimeoutError) as error:
        message, step = (
            (error.message, error.next_step)
            if isinstance(error, BrokerError)
            else (
                f"{connection.bootstrap} did not answer within {_BROKER_S:.0f} s.",
                "See that it runs and can be reached.",
            )
        )
        return [
            Check("broker", "fail", message, step),
            Check("topics", "fail", "not looked at: the broker did not answer", "Mend the broker first."),
        ]
    detail = f"{connection.bootstrap} answers; connecting and listing topics takes {took_ms:.0f} ms"
    broker = Check("broker", "ok", detail)
    if took_ms > _SLOW_MS:
        broker = Check(
            "broker", "warn", detail, "Every commit waits for the broker: move it closer or lighten its load."
        )
    have = {state.name: len(state.partitions) for state in states}
    leaderless = [state.name for state in states if any(part.leader < 0 for part in state.partitions)]
    return [broker, _topics(specs, have, leaderless)]


def _topics(specs: list[TopicSpec], have: dict[str, int], leaderless: list[str]) -> Check:
    wrong = [
        f"{spec.name} has {have[spec.name]} partitions, wanted are {spec.partitions}"
        for spec in specs
        if spec.name in have and have[spec.name] != spec.partitions
    ]
    if wrong:
        return Check(
            "topics",
            "fail",
            "; ".join(wrong),
            "Start with the number of partitions the topics have, or use new topic names.",
        )
    if leaderless:
        return Check(
            "topics",
            "fail",
            f"without a leader for some partition: {', '.join(leaderless)}",
            "Bring the broker's missing nodes back.",
        )
    missing = [spec.name for spec in specs if spec.name not in have]
    if missing:
        return Check(
            "topics", "warn", f"not there yet: {', '.join(missing)}", "Starting Springtide makes them."
        )
    return Check("topics", "ok", f"all {len(specs)} as wanted")


def _disk(data_dir: Path) -> Check:
    # The folder itself may not be there yet: its nearest ancestor is on the disk it will be on.
    place = data_dir.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / _GB:.1f} GB free at {place}"
    mend = "Free some space or name a data folder on another disk."
    if not os.access(place, os.W_OK):
        return Check("disk", "fail", f"{place} cannot be written to", "Name a data folder you can write to.")
    if free < _DISK_FAIL:
        return Check("disk", "fail", detail, mend)
    if free < _DISK_WARN:
        return Check("disk", "warn", detail, mend)
    return Check("disk", "ok", detail)


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _FILES_WARN:
        return Check("open files", "ok", "no limit" if soft == resource.RLIM_INFINITY else f"limit {soft}")
    reach = "" if hard == resource.RLIM_INFINITY or hard >= _FILES_WARN else f" (the hard limit is {hard})"
    return Check(
        "open files",
        "warn",
        f"limit {soft}: stores and broker may run out",
        f"Run 'ulimit -n {_FILES_WARN}' or more before starting{reach}.",
    )


async def _clock() -> Check:
    wall, steady = time.time(), time.monotonic()
    await asyncio.sleep(_CLOCK_WATCH_S)
    drift = (time.time() - wall) - (time.monotonic() - steady)
    mend = "Set this machine's clock and keep it in step with NTP."
    if wall < _EARLIEST:
        return Check("clock", "fail", f"it stands at {time.strftime('%Y-%m-%d', time.gmtime(wall))}", mend)
    if abs(drift) > _CLOCK_JUMP_S:
        return Check("clock", "warn", f"it jumped by {drift:+.2f} s while being watched", mend)
    return Check("clock", "ok", f"steady, {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(wall))} UTC")


def _broker_clock(connection: BrokerConnection | None) -> Check | None:
    if connection is None:
        return None
    if connection.is_local:
        return Check("broker clock", "ok", "the broker is on this machine and has the same clock")
    # Kafka tells its time only by stamping a record, and a check must not write any.
    return Check("broker clock", "ok", "not measured: that would take writing a record")
