"""One running stack for each data folder: who has it, and where the others find it.

`up.lock` is held by the stack and all it started, so the kernel frees it when the last of them is gone,
however they went. `up.json` says where broker, view and workers are; it counts only while the lock is held.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

import msgspec
import psutil  # type: ignore[import-untyped]

from springtide.app.up.errors import StackError

_LOCK: Final = "up.lock"
_FILE: Final = "up.json"
_ENDING_S: Final = 15.0
"""How long the processes of a run that was killed may take to follow it."""
_LOOK_EVERY_S: Final = 0.05


class WorkerPlace(msgspec.Struct, frozen=True):
    """`pid` 0 while it is not running."""

    index: int
    pid: int
    metrics_port: int


class ViewPlace(msgspec.Struct, frozen=True):
    index: int
    pid: int
    url: str


class Instance(msgspec.Struct, frozen=True):
    """What runs. `broker` is "host:port[,host:port...]"; `local` if the stack itself started it."""

    pid: int
    broker: str
    local: bool
    view: str | None
    workers: tuple[WorkerPlace, ...] = ()
    views: tuple[ViewPlace, ...] = ()


class Claim:
    """The data folder while it is ours."""

    def __init__(self, data_dir: Path) -> None:
        """Takes the folder, made if it is missing. Raises StackError if it is in use or can't be used."""
        self._file = data_dir / _FILE
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            self.fd = os.open(data_dir / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StackError(
                f"The data folder {data_dir} can't be used: {error.strerror or error}.",
                "Name one you can write to with --data DIR.",
            ) from error
        deadline = time.monotonic() + _ENDING_S
        while not _taken(self.fd):
            owner = _read(data_dir)
            if owner is not None and psutil.pid_exists(owner.pid):
                os.close(self.fd)
                raise StackError(
                    f"The data folder {data_dir} is in use by process {owner.pid}"
                    f"{f', which answers at {owner.view}' if owner.view else ''}.",
                    "Stop that one first (Ctrl-C where it runs), or name another folder with --data DIR.",
                )
            if time.monotonic() > deadline:
                os.close(self.fd)
                raise StackError(
                    f"The data folder {data_dir} is held by processes of an earlier run that do not end"
                    f"{_pids(owner)}.",
                    "End them, or name another folder with --data DIR.",
                )
            time.sleep(_LOOK_EVERY_S)
        self._file.unlink(missing_ok=True)

    def publish(self, instance: Instance) -> None:
        """Writes down what runs, for the commands that look for it."""
        temporary = self._file.with_suffix(".json.new")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(instance)) + b"\n")
        temporary.replace(self._file)

    def release(self) -> None:
        """Gives the folder back. Call it once, when nothing of the stack is running."""
        self._file.unlink(missing_ok=True)
        os.close(self.fd)


def find(data_dir: Path) -> Instance | None:
    """What runs on the data folder now, None if nothing does."""
    try:
        lock = os.open(data_dir / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # Held for a moment only: a claim that meets it tries again.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        found = _read(data_dir)
        return found if found is not None and psutil.pid_exists(found.pid) else None
    else:
        return None
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(data_dir: Path) -> Instance | None:
    try:
        return msgspec.json.decode((data_dir / _FILE).read_bytes(), type=Instance)
    except (OSError, msgspec.DecodeError):
        return None


def _pids(owner: Instance | None) -> str:
    if owner is None:
        return ""
    pids = [place.pid for place in owner.workers] + [place.pid for place in owner.views]
    alive = [str(pid) for pid in pids if pid and psutil.pid_exists(pid)]
    return f" ({', '.join(alive)})" if alive else ""
