"""A local single-node Kafka, for trying Springtide out, for tests and for small installations."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from springtide.app.broker import ports
from springtide.app.broker.distribution import Progress, ensure_distribution
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.launch import Launch, PortLost
from springtide.app.broker.process import ChildProcess
from springtide.app.broker.settings import HOST
from springtide.app.broker.warmup import ensure_startup_cache

_PORT_TRIES = 3


class EmbeddedBroker:
    """Kafka in a process of its own, broker and controller in one, listening on 127.0.0.1 only.

    Everything it has is in `data_dir`: the records in `kafka/`, its log in `broker.log`, its ports in
    `broker.json`. All methods block; from asyncio call them through `asyncio.to_thread`. Any thread may call
    `start`, but one at a time: see `process` for why the caller's thread may end before the broker does.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        heap_mb: int = 512,
        *,
        die_with_parent: bool = True,
        start_timeout_s: float = 60.0,
    ) -> None:
        """Starts nothing yet.

        `port` None takes the port of the last start if it is free, else any free one. `heap_mb` is the
        JVM's largest heap in MiB. With `die_with_parent` the broker gets SIGTERM when this process ends in
        whatever way (Linux). `start_timeout_s` is for one start, without the first fetch.
        """
        self.data_dir = Path(data_dir).absolute()
        self._wanted_port = port
        self._heap_mb = heap_mb
        self._die_with_parent = die_with_parent
        self._start_timeout_s = start_timeout_s
        self._port: int | None = None
        self._process: ChildProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The address for clients, "127.0.0.1:PORT". Known once started, and kept after a stop."""
        if self._port is None:
            raise BrokerError(f"The broker in {self.data_dir} has not been started.", "Call start() first.")
        return f"{HOST}:{self._port}"

    @property
    def port(self) -> int | None:
        """The broker's port, None before the first start."""
        return self._port

    @property
    def pid(self) -> int | None:
        """The broker's process id, None if it is not running."""
        return self._process.pid if self._process is not None and self.running else None

    @property
    def running(self) -> bool:
        """Whether the process is there; it may still be stuck or shutting down."""
        return self._process is not None and self._process.exit_code is None

    @property
    def log_file(self) -> Path:
        """Where the broker logs its warnings and errors."""
        return self.data_dir / "broker.log"

    def start(self, progress: Progress | None = None) -> None:
        """Starts the broker and returns when it answers: a second or two, longer on the very first start.

        The very first start fetches Kafka and prepares fast starts; `progress` is told about both. Does
        nothing if this object's broker is running. Raises BrokerError if it cannot be fetched, if the port
        is taken, if another broker runs on the same folder, or if it fails or is not up in time.
        """
        if self.running:
            return
        distribution = ensure_distribution(progress)
        ensure_startup_cache(distribution, progress)
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.data_dir / "broker.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise BrokerError(
                f"The broker's folder {self.data_dir} cannot be used: {error}.",
                "Name a folder you can write to.",
            ) from error
        try:
            self._take(lock)
            deadline = time.monotonic() + self._start_timeout_s
            for attempt in range(1, _PORT_TRIES + 1):
                broker_port, controller_port = self._choose_ports()
                launch = Launch(
                    distribution,
                    self.data_dir,
                    broker_port,
                    controller_port,
                    self._heap_mb,
                    die_with_parent=self._die_with_parent,
                    pass_fds=(lock,),
                )
                # No process id yet: someone who finds the folder locked now must not be told an old one.
                self._remember(broker_port, controller_port, pid=0)
                try:
                    process = launch.run(deadline)
                    break
                except PortLost as lost:
                    if attempt == _PORT_TRIES or self._wanted_port is not None:
                        raise self._port_taken(broker_port) from lost
            self._process, self._port = process, broker_port
            self._remember(broker_port, controller_port, process.pid)
        except OSError as error:
            self.kill()  # in case it was up already and only its ports could not be written down
            raise BrokerError(
                f"The broker in {self.data_dir} could not be started: {error}.",
                "Check that the folder can be written to and that its disk has space, then start again.",
            ) from error
        finally:
            os.close(lock)  # the broker holds it open from here on

    def stop(self, timeout_s: float = 20.0) -> None:
        """Asks the broker to stop and waits up to `timeout_s` seconds, then kills it. No harm if it is down."""
        if self._process is not None:
            self._process.end(timeout_s)

    def kill(self) -> None:
        """Kills the broker without warning, as a power cut would, and waits until it is gone."""
        if self._process is not None:
            self._process.kill()

    def restart(self, timeout_s: float = 20.0) -> None:
        """Stops the broker (see `stop`) if it runs and starts it again, on the same port if that is free."""
        self.stop(timeout_s)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _take(self, lock: int) -> None:
        """Takes the folder's lock, which the broker inherits.

        It lies on the open file, not on a process id written down somewhere: the kernel drops it when the
        last process that has it open is gone, so a killed run leaves nothing stale.
        """
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            known = self._remembered()
            pid, port = known.get("pid"), known.get("broker_port")
            raise BrokerError(
                f"A broker is already running on {self.data_dir}"
                + (f" (process {pid}, {HOST}:{port})." if pid and port else "."),
                (f"Use it with --broker {HOST}:{port}, or stop it first" if port else "Stop it first")
                + ", or name another data folder.",
            ) from error

    def _choose_ports(self) -> tuple[int, int]:
        known = self._remembered()
        # After a first start the object keeps its port, so that clients find the broker again.
        wanted = (
            self._wanted_port if self._wanted_port is not None else self._port or known.get("broker_port")
        )
        if self._wanted_port is not None and not ports.is_free(self._wanted_port):
            raise self._port_taken(self._wanted_port)
        new_broker, new_controller = ports.choose(2)
        broker = wanted if wanted and ports.is_free(wanted) else new_broker
        controller = known.get("controller_port")
        if not controller or controller == broker or not ports.is_free(controller):
            controller = new_controller
        return broker, controller

    def _port_taken(self, port: int) -> BrokerError:
        return BrokerError(
            f"Port {port} on {HOST} is taken by {ports.holder(port)}.",
            f"Name another port with --port, end that process, or, if it is a Kafka you want to use, "
            f"connect to it with --broker {HOST}:{port}.",
        )

    def _remembered(self) -> dict[str, int]:
        """What the last start wrote down; empty if there is nothing to be read."""
        try:
            found = json.loads((self.data_dir / "broker.json").read_text())
            return {name: value for name, value in found.items() if isinstance(value, int)}
        except (OSError, ValueError, AttributeError):
            return {}

    def _remember(self, broker_port: int, controller_port: int, pid: int) -> None:
        text = json.dumps({"broker_port": broker_port, "controller_port": controller_port, "pid": pid})
        temporary = self.data_dir / "broker.json.new"
        temporary.write_text(text + "\n")
        temporary.replace(self.data_dir / "broker.json")
