"""One process of a stack: how it is started, when it is started again, and what it last said."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, Final, Literal

import msgspec
from pydantic import SecretStr

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.process import ChildProcess
from springtide.app.settings import Settings

State = Literal["running", "waiting", "held", "ended"]
"""`waiting` to be started again, `held` down on purpose."""
USAGE_STATUS: Final = 2
"""Exit status of a process that will not do better the next time: a setting is wrong."""

DEATHS_MAX: Final = 5
DEATH_SOON_S: Final = 30.0
_PAUSES_S: Final = (0.0, 0.5, 1.0, 2.0)
_PREFIX: Final = "SPRINGTIDE_"
_LOG_BYTES_MAX: Final = 32 << 20
_TAIL_BYTES: Final = 16_384
_TAIL_LINES: Final = 8
_LINE_CHARS_MAX: Final = 400


@dataclass(slots=True)
class Deaths:
    """Ends of one process that nobody asked for, and what follows from them."""

    in_a_row: int = 0
    """How often it has ended soon after its start."""

    def add(self, lived_s: float) -> float | None:
        """How long to wait before the next start, in seconds; None when it has died too often to go on."""
        self.in_a_row = self.in_a_row + 1 if lived_s < DEATH_SOON_S else 1
        return None if self.in_a_row >= DEATHS_MAX else _PAUSES_S[self.in_a_row - 1]


class Child:
    """A worker or a view. Not safe to use from several threads: the stack has a lock."""

    def __init__(self, kind: str, index: int, port: int, log_file: Path) -> None:
        self.kind = kind
        self.index = index
        self.port = port
        self.log_file = log_file
        self.state: State = "ended"
        self.deaths = Deaths()
        self.starts = 0
        self.start_at_s = 0.0
        self.started_s = 0.0
        self.expected_end = False
        self.process: ChildProcess | None = None

    @property
    def name(self) -> str:
        return f"{self.kind} {self.index}"

    @property
    def pid(self) -> int:
        """0 while it is not running."""
        return self.process.pid if self.process is not None and self.process.exit_code is None else 0

    def start(self, command: Sequence[str], environment: dict[str, str], lock: int) -> None:
        """Starts it. Raises OSError if the machine has no room for another process."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self.process = ChildProcess(
            command, output=self.log_file, env=environment, pass_fds=(lock,), append=True
        )
        self.state = "running"
        self.started_s = now_s()
        self.starts += 1
        self.expected_end = False

    def signal(self, number: Signals) -> None:
        """Sends it a signal; nothing happens if it is not running."""
        if self.process is not None:
            self.process.send(number)

    def trim_log(self) -> None:
        """Keeps the log file within its bound: the older part moves to `<name>.1`, over what was there.

        The process goes on writing into the same open file, at its new end.
        """
        try:
            if self.log_file.stat().st_size > _LOG_BYTES_MAX:
                shutil.copyfile(self.log_file, self.log_file.with_name(self.log_file.name + ".1"))
                os.truncate(self.log_file, 0)
        except OSError:
            pass  # a full disk is told by those who write what matters

    def last_words(self) -> list[str]:
        """The last lines of its log, shortened, for a message."""
        try:
            with self.log_file.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return []
        return [_readable(line)[:_LINE_CHARS_MAX] for line in lines if line.strip()][-_TAIL_LINES:]

    def quoted(self) -> str:
        """Its last words, to be put behind a sentence."""
        words = "".join(f"  {line}\n" for line in self.last_words())
        return f"\nIts last lines:\n{words}" if words else " It logged nothing."


def command_of(kind: str, index: int, port: int, connection: BrokerConnection, *, local: bool) -> list[str]:
    """The command line of a worker or view; nothing secret is in it."""
    return [
        sys.executable,
        "-P",  # the folder where the command is run may hold anything
        "-X",
        "faulthandler",
        "-m",
        "springtide.app.cli",
        kind,
        "--index",
        str(index),
        "--port",
        str(port),
        *(["--local-broker", connection.bootstrap] if local else []),
    ]


def environment_of(settings: Settings) -> dict[str, str]:
    """This process's environment, in which every setting of Springtide is as in `settings`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_PREFIX)}
    for name in ("CONFIG", "DEBUG", "KAFKA_HOME"):
        if _PREFIX + name in os.environ:
            environment[_PREFIX + name] = os.environ[_PREFIX + name]
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if value is not None:
            environment[_PREFIX + name.upper()] = _as_text(value)
    if sys.dont_write_bytecode:
        # Whoever wants none beside the sources gets it in the data folder: without it each start compiles all
        # libraries anew, which takes longer than all the rest of a restart after a kill.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment.setdefault("PYTHONPYCACHEPREFIX", str((settings.data_dir / "bytecode").absolute()))
    return environment


def _as_text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _readable(line: str) -> str:
    """A log line for people: JSON lines without their braces, tracebacks cut to their last line."""
    try:
        entry = msgspec.json.decode(line.encode(), type=dict[str, Any])
    except msgspec.DecodeError:
        return line.rstrip()
    told = f"{entry.pop('level', '')} {entry.pop('event', '')}".strip()
    trace = str(entry.pop("exception", "")).strip().splitlines()
    rest = [f"{name}={value}" for name, value in sorted(entry.items()) if name not in ("timestamp", "logger")]
    return " ".join([told, *rest, *trace[-1:]])


def now_s() -> float:
    return time.monotonic()
