"""`Stack`: what `springtide up` runs, for commands, drills, benches and tests alike."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import resource
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from springtide.app import wiring
from springtide.app.broker import ports
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.distribution import Progress
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.topics import ensure_topics
from springtide.app.settings import Settings
from springtide.app.up.child import Child, now_s
from springtide.app.up.errors import StackError
from springtide.app.up.instance import Claim, Instance, ViewPlace, WorkerPlace
from springtide.app.up.keeper import Keeper, Told, end_broker
from springtide.app.up.scrape import connect

_OPEN_FILES: Final = 65_536
_PROCESSES_MAX: Final = 64
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


class Stack:
    """Broker, workers and views as child processes, started again when they die.

    Every method blocks; from asyncio call them through `asyncio.to_thread`. All are safe from any thread.
    A thread of the stack's own looks at the processes twenty times a second. A process that ended unasked is
    started again at once, then after ever longer pauses; when it has ended five times in a row within 30 s
    of its start the stack gives up on it, and `check` raises. Ends that were asked for by the
    methods here do not count.
    """

    def __init__(
        self,
        settings: Settings,
        workers: int = 1,
        views: int = 1,
        *,
        pushes: int = 0,
        told: Told | None = None,
    ) -> None:
        """Starts nothing yet. `settings.broker` None starts the embedded broker in `data_dir/broker`.

        The first view answers on `settings.port`, further ones on the ports after it; 0 takes free ones.
        `told` is called with a sentence for each thing worth a line, from the stack's thread.
        """
        if not all(0 <= count <= _PROCESSES_MAX for count in (workers, views, pushes)):
            raise StackError(
                f"{workers} workers, {views} views and {pushes} push processes are asked for.",
                f"Ask for 0 to {_PROCESSES_MAX} of each; more belong on more machines.",
            )
        self.data_dir = settings.data_dir.absolute()
        self.settings = settings.model_copy(update={"data_dir": self.data_dir})
        self._told = told
        self._connection: BrokerConnection | None = None
        self._broker: EmbeddedBroker | None = None
        self._claim: Claim | None = None
        self._keeper: Keeper | None = None
        self._hurried = threading.Event()
        logs = self.data_dir / "logs"
        self._workers = [Child("worker", index, 0, logs / f"worker-{index}.log") for index in range(workers)]
        self._views = [Child("view", index, 0, logs / f"view-{index}.log") for index in range(views)]
        self._pushes = [Child("push", index, 0, logs / f"push-{index}.log") for index in range(pushes)]

    # --- what there is ---------------------------------------------------------------------------

    @property
    def connection(self) -> BrokerConnection:
        """How to reach the broker; known once started."""
        if self._connection is None:
            raise StackError("The stack has not been started.", "Call start() first.")
        return self._connection

    @property
    def bootstrap(self) -> str:
        """The broker's "host:port[,host:port...]"."""
        return self.connection.bootstrap

    @property
    def broker(self) -> EmbeddedBroker | None:
        """The broker the stack started, None if it uses another one."""
        return self._broker

    @property
    def view_urls(self) -> list[str]:
        host = "127.0.0.1" if self.settings.host in _EVERYWHERE else self.settings.host
        scheme = "http" if self.settings.tls_cert_file is None else "https"
        return [f"{scheme}://{host}:{view.port}" for view in self._views]

    @property
    def view_url(self) -> str:
        """Where the first view answers, without a slash at the end."""
        if not self._views:
            raise StackError("The stack has no view.", "Start it with at least one.")
        return self.view_urls[0]

    @property
    def workers(self) -> Sequence[Child]:
        """To be read, not changed: pid, metrics port, state, log file of each."""
        return self._workers

    @property
    def views(self) -> Sequence[Child]:
        return self._views

    @property
    def pushes(self) -> Sequence[Child]:
        """The processes that tell subscribers."""
        return self._pushes

    def metrics_places(self) -> dict[str, tuple[str, int, bool]]:
        """Name -> (host, port, whether by TLS) of each process that runs; `/metrics` is there."""
        return {
            child.name: (self._address(child), child.port, self._by_tls(child))
            for child in self._children
            if child.pid
        }

    @property
    def worker_pids(self) -> list[int]:
        """One for each worker, 0 for one that is not running."""
        return [worker.pid for worker in self._workers]

    def worker_dir(self, index: int) -> Path:
        """Where a worker keeps its state. Wipe or damage it only while the worker is held."""
        return self.data_dir / f"worker-{index}"

    def check(self) -> None:
        """Raises the StackError that made the stack give up, if one did."""
        if self._keeper is not None and self._keeper.failure is not None:
            raise self._keeper.failure

    @property
    def happenings(self) -> list[str]:
        """The last sentences that `told` got, oldest first."""
        return [] if self._keeper is None else list(self._keeper.happenings)

    # --- beginning and end -----------------------------------------------------------------------

    def start(self, progress: Progress | None = None) -> None:
        """Starts broker, topics, workers and views; returns when all are begun, not when they are ready.

        `progress` is told about the first fetch of the embedded broker. Raises StackError (folder in use,
        port taken) or BrokerError; nothing is left running then.
        """
        if self._claim is not None:
            raise StackError("The stack is running.", "Stop it first.")
        _raise_open_files()
        self._hurried.clear()
        self._claim = Claim(self.data_dir)
        try:
            self._choose_view_ports()
            self._start_broker(progress)
            asyncio.run(ensure_topics(self.connection, wiring.topic_specs(self.settings)))
            self._keeper = Keeper(
                self._children,
                settings=self.settings,
                connection=self.connection,
                broker=self._broker,
                lock_fd=self._claim.fd,
                changed=self._publish,
                told=self._told,
                hurried=self._hurried,
            )
            self._keeper.start()
        except BaseException:  # Ctrl-C too must leave nothing behind
            self.stop()
            raise

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Returns when every worker answers and every view is ready. Raises StackError if not in time."""
        deadline = now_s() + timeout_s
        waiting = self._children
        while waiting:
            self.check()
            waiting = [child for child in waiting if not self._is_ready(child)]
            if not waiting:
                return
            if now_s() > deadline:
                slow = ", ".join(child.name for child in waiting)
                raise StackError(
                    f"Not ready within {timeout_s:.0f} s: {slow}.{waiting[0].quoted()}",
                    f"See {waiting[0].log_file}; on a slow machine, wait longer.",
                )
            if self._running.wait():
                raise StackError("The stack was stopped before it was ready.", "Start it again.")

    def stop(self) -> None:
        """Stops views and workers (SIGTERM, after 10 s SIGKILL), then the broker. No harm if it is down."""
        if self._keeper is not None:
            self._keeper.stop()
        if self._broker is not None:
            end_broker(self._broker, self._hurried)
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    def hurry(self) -> None:
        """Makes a stop that is under way kill what has not ended yet. Safe in a signal handler."""
        self._hurried.set()

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

    # --- faults, for drills ----------------------------------------------------------------------

    def kill_worker(self, index: int, *, hold: bool = False) -> None:
        """kill -9; it is started again at once, or with `hold` by `start_worker` only."""
        self._running.take_down(self._workers[index], hold=hold, clean=False)

    def stop_worker(self, index: int) -> None:
        """Ends it cleanly; `start_worker` starts it again."""
        self._running.take_down(self._workers[index], hold=True, clean=True)

    def start_worker(self, index: int) -> None:
        """Starts a worker that is held."""
        self._running.bring_up(self._workers[index])

    def kill_view(self, index: int = 0, *, hold: bool = False) -> None:
        self._running.take_down(self._views[index], hold=hold, clean=False)

    def start_view(self, index: int = 0) -> None:
        self._running.bring_up(self._views[index])

    def kill_push(self, index: int = 0, *, hold: bool = False) -> None:
        self._running.take_down(self._pushes[index], hold=hold, clean=False)

    def start_push(self, index: int = 0) -> None:
        self._running.bring_up(self._pushes[index])

    def pause_worker(self, index: int) -> None:
        """SIGSTOP: it stands still and knows nothing of it, which makes it a zombie to the others."""
        self._workers[index].signal(signal.SIGSTOP)

    def resume_worker(self, index: int) -> None:
        self._workers[index].signal(signal.SIGCONT)

    def restart_broker(self, *, kill: bool = False) -> None:
        """Stops (or kills) the embedded broker and starts it again on its port."""
        if self._broker is None:
            raise StackError("The broker is not this stack's.", "Restart it where it runs.")
        self._running.broker_held = True
        try:
            if kill:
                self._broker.kill()
            self._broker.restart()
        finally:
            self._running.broker_held = False

    # --- inside ----------------------------------------------------------------------------------

    @property
    def _children(self) -> list[Child]:
        return [*self._workers, *self._views, *self._pushes]

    @property
    def _running(self) -> Keeper:
        if self._keeper is None:
            raise StackError("The stack has not been started.", "Call start() first.")
        return self._keeper

    def _choose_view_ports(self) -> None:
        for view in self._views:
            wanted = self.settings.port + view.index
            if self.settings.port == 0:
                view.port = ports.choose(1)[0]
            elif ports.is_free(wanted):
                view.port = wanted
            else:
                raise StackError(
                    f"Port {wanted}, where {view.name} is to answer, is taken by {ports.holder(wanted)}.",
                    "Name another with --port PORT (0 takes a free one), or end that process.",
                )

    def _start_broker(self, progress: Progress | None) -> None:
        if self.settings.broker is not None:
            self._connection = self.settings.connection()
            return
        self._broker = EmbeddedBroker(self.data_dir / "broker", heap_mb=self.settings.broker_heap_mb)
        self._broker.start(progress)
        self._connection = self.settings.connection(self._broker.bootstrap)

    def _is_ready(self, child: Child) -> bool:
        path = "/readyz" if child.kind == "view" else "/livez"
        return child.state == "held" or (
            child.pid != 0 and _answers(self._address(child), child.port, path, tls=self._by_tls(child))
        )

    def _by_tls(self, child: Child) -> bool:
        return child.kind == "view" and self.settings.tls_cert_file is not None

    def _address(self, child: Child) -> str:
        here = child.kind != "view" or self.settings.host in _EVERYWHERE
        return "127.0.0.1" if here else self.settings.host

    def _publish(self) -> None:
        if self._claim is None:
            return
        urls = self.view_urls
        self._claim.publish(
            Instance(
                pid=os.getpid(),
                broker=self.bootstrap,
                local=self._broker is not None,
                view=urls[0] if urls else None,
                workers=tuple(WorkerPlace(worker.index, worker.pid, worker.port) for worker in self._workers),
                views=tuple(
                    ViewPlace(view.index, view.pid, url) for view, url in zip(self._views, urls, strict=True)
                ),
            )
        )


def _answers(host: str, port: int, path: str, *, tls: bool) -> bool:
    connection = connect(host, port, 1.0, tls=tls)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _raise_open_files() -> None:
    """Stores and broker open many files, and the soft limit is often a thousand; children inherit this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
