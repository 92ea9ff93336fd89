"""One launch of a local broker: its files written, its storage formatted, its process started and answering."""

from __future__ import annotations

import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from springtide.app.broker import probe
from springtide.app.broker.distribution import Distribution
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.process import ChildProcess
from springtide.app.broker.settings import (
    HOST,
    jvm_command,
    jvm_environment,
    log4j2_properties,
    server_properties,
)

_PROBE_EVERY_S = 0.02
_PROBE_TIMEOUT_S = 1.0
_TAIL_BYTES = 16_384


class PortLost(Exception):  # noqa: N818 - a verdict, dealt with by choosing another port
    """Someone took one of the ports between the choice and the broker's start."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What one launch needs. `extra_flags` go to the JVM; `pass_fds` stay open in the broker."""

    distribution: Distribution
    folder: Path
    broker_port: int
    controller_port: int
    heap_mb: int
    die_with_parent: bool = True
    extra_flags: list[str] = field(default_factory=list)
    pass_fds: Sequence[int] = ()

    @property
    def log_file(self) -> Path:
        """What Kafka itself logs, warnings and worse."""
        return self.folder / "broker.log"

    @property
    def output_file(self) -> Path:
        """What the JVM prints outside the log, of the latest start only."""
        return self.folder / "broker.out"

    @property
    def _storage(self) -> Path:
        return self.folder / "kafka"

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    def run(self, deadline: float) -> ChildProcess:
        """Starts the broker and returns once it answers and is in service.

        `deadline` is in `time.monotonic()` seconds. Raises PortLost, or BrokerError if it ended or did not
        answer; then no process is left.
        """
        self._properties.write_text(server_properties(self._storage, self.broker_port, self.controller_port))
        log4j2 = self.folder / "log4j2.properties"
        log4j2.write_text(log4j2_properties(self.log_file))
        command = jvm_command(self.distribution, self.heap_mb, log4j2, self.extra_flags)
        # Kafka writes meta.properties last, so a format that was cut short is done over.
        if not (self._storage / "meta.properties").exists():
            self._format(jvm_command(self.distribution, self.heap_mb, log4j2, []), deadline)
        logged = self.log_file.stat().st_size if self.log_file.exists() else 0
        process = ChildProcess(
            [*command, "kafka.Kafka", str(self._properties)],
            output=self.output_file,
            env=jvm_environment(),
            pass_fds=self.pass_fds,
            die_with_parent=self.die_with_parent,
        )
        try:
            self._wait_until_up(process, deadline, logged)
        except BaseException:  # Ctrl-C too must leave no broker behind
            process.kill()
            raise
        return process

    def _format(self, command: list[str], deadline: float) -> None:
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", f"--cluster-id={cluster_id}", "--config", str(self._properties)]
        try:
            done = subprocess.run(  # noqa: S603 - the command is ours
                [*command, "kafka.tools.StorageTool", *arguments, "--ignore-formatted"],
                env=jvm_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=max(1.0, deadline - time.monotonic()),
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise BrokerError(
                f"Formatting the broker's storage in {self._storage} took more than {error.timeout:.0f} s.",
                "See whether this machine is overloaded or its disk is full, then start again.",
            ) from error
        if done.returncode != 0:
            told = done.stdout.decode(errors="replace").strip()[-2000:]
            raise BrokerError(
                f"The broker's storage in {self._storage} could not be formatted (exit code {done.returncode}): "
                f"{told or 'it said nothing'}.",
                "Check that the folder can be written to and has space, then start again.",
            )

    def _wait_until_up(self, process: ChildProcess, deadline: float, logged: int) -> None:
        cluster_id = self._cluster_id()
        while True:
            # Another process may be listening on our port; only our own cluster's id will do.
            answer = probe.ask(HOST, self.broker_port, _PROBE_TIMEOUT_S)
            if answer is not None and answer.brokers > 0 and answer.cluster_id == cluster_id:
                return
            if process.wait(_PROBE_EVERY_S):
                told = self._told(logged)
                if "Address already in use" in told or "Failed to bind" in told:
                    raise PortLost(told)
                raise BrokerError(
                    f"The broker in {self.folder} ended while starting (exit code {process.exit_code}): {told}",
                    f"The whole story is in {self.log_file} and {self.output_file}; mend what it names and start again.",
                )
            if time.monotonic() > deadline:
                raise BrokerError(
                    f"The broker in {self.folder} runs but did not answer on port {self.broker_port} in time. "
                    f"{self._told(logged)}",
                    f"See {self.log_file}; if this machine is just slow, start again with a longer time limit.",
                )

    def _cluster_id(self) -> str:
        path = self._storage / "meta.properties"
        for line in path.read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "cluster.id":
                return value.strip()
        raise BrokerError(
            f"{path} names no cluster.id: the broker's storage is damaged.",
            f"Restore {self._storage} from a copy, or move it away to begin with an empty broker.",
        )

    def _told(self, logged: int) -> str:
        """The last lines of this launch that tell of trouble, for a message."""
        lines: list[str] = []
        for path, start in ((self.log_file, logged), (self.output_file, 0)):
            if not path.exists():
                continue
            size = path.stat().st_size
            begin = start if start <= size else 0  # a log that is shorter now has been rolled over
            with path.open("rb") as file:
                file.seek(max(begin, size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
            lines += [line.strip() for line in text.splitlines() if _tells(line)]
        return " | ".join(line[:300] for line in lines[-4:]) or "It logged no error."


def _tells(line: str) -> bool:
    """Whether a log line says something to a person: stack frames do not."""
    return bool(line.strip()) and not line.startswith(("\tat ", "\t..."))
