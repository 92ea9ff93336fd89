"""Keeps the processes of a stack running: starts them, looks at them, starts them again, ends them."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from springtide.app.broker import ports
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.errors import BrokerError
from springtide.app.settings import Settings
from springtide.app.up.child import (
    DEATH_SOON_S,
    DEATHS_MAX,
    USAGE_STATUS,
    Child,
    Deaths,
    command_of,
    environment_of,
    now_s,
)
from springtide.app.up.errors import StackError

TICK_S: Final = 0.05
_TRIM_EVERY_S: Final = 5.0
_CHILD_STOP_S: Final = 10.0
_BROKER_STOP_S: Final = 20.0
_HAPPENINGS_MAX: Final = 50
_OFTEN: Final = f", {DEATHS_MAX} times in a row within {DEATH_SOON_S:.0f} s of its start"

Told = Callable[[str], None]


class Keeper:
    """For one run of a stack. Safe from any thread; `changed` is called when a process came or went."""

    def __init__(
        self,
        children: Sequence[Child],
        *,
        settings: Settings,
        connection: BrokerConnection,
        broker: EmbeddedBroker | None,
        lock_fd: int,
        changed: Callable[[], None],
        told: Told | None,
        hurried: threading.Event,
    ) -> None:
        """`broker` is the one to keep running, None if it is not ours. `lock_fd` stays open in the processes.
        Once `hurried` is set, ends do not wait."""
        self.happenings: deque[str] = deque(maxlen=_HAPPENINGS_MAX)
        self.failure: StackError | None = None
        self.broker_held = False
        """Whether someone else ends and starts the broker just now."""
        self._children = children
        self._environment = environment_of(settings)
        self._connection = connection
        self._broker = broker
        self._broker_deaths = Deaths()
        self._broker_started_s = now_s()
        self._broker_start_at_s = 0.0
        self._lock_fd = lock_fd
        self._changed = changed
        self._told = told
        self._hurried = hurried
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="keeper", daemon=True)

    def start(self) -> None:
        """Starts all processes, and looks after them from now on. Raises OSError."""
        with self._lock:
            for child in self._children:
                self._spawn(child)
            self._changed()
        self._thread.start()

    def stop(self) -> None:
        """Ends all processes: SIGTERM, after 10 s SIGKILL."""
        self._stopping.set()
        while self._thread.is_alive() and not self._hurried.is_set():
            self._thread.join(TICK_S)
        with self._lock:
            for child in self._children:
                child.state = "ended"
            self._end([child for child in self._children if child.pid])

    def wait(self) -> bool:
        """Waits for a moment; whether a stop has begun."""
        return self._stopping.wait(TICK_S)

    def take_down(self, child: Child, *, hold: bool, clean: bool) -> None:
        """Ends one process, with a SIGKILL unless `clean`; with `hold` it stays down until `bring_up`."""
        with self._lock:
            child.expected_end = True
            if hold:
                child.state = "held"
            if clean:
                self._end([child])
            elif child.process is not None:
                child.process.kill()
            self._changed()

    def bring_up(self, child: Child) -> None:
        """Starts one process that is down."""
        with self._lock:
            if not child.pid and not self._stopping.is_set():
                self._spawn(child)
                self._changed()

    def _spawn(self, child: Child) -> None:
        if child.kind != "view" and not (child.port and ports.is_free(child.port)):
            child.port = ports.choose(1)[0]
        local = self._broker is not None
        command = command_of(child.kind, child.index, child.port, self._connection, local=local)
        child.start(command, self._environment, self._lock_fd)

    def _end(self, children: Sequence[Child]) -> None:
        """Ends the processes together, within the time one may take."""
        for child in children:
            child.signal(signal.SIGTERM)
            child.signal(signal.SIGCONT)  # one that was paused would not hear it
        deadline = now_s() + _CHILD_STOP_S
        for child in children:
            process = child.process
            while process is not None and not process.wait(TICK_S):
                if self._hurried.is_set() or now_s() > deadline:
                    process.kill()

    # --- the keeper's thread ---

    def _watch(self) -> None:
        trim_at_s = now_s() + _TRIM_EVERY_S
        while not self._stopping.wait(TICK_S) and self.failure is None:
            try:
                self._look_after_broker()
                with self._lock:
                    for child in self._children:
                        self._look_after(child)
                if now_s() > trim_at_s:
                    trim_at_s = now_s() + _TRIM_EVERY_S
                    for child in self._children:
                        child.trim_log()
            except (StackError, BrokerError) as error:
                self.failure = StackError(error.message, error.next_step)
            except OSError as error:
                self.failure = StackError(
                    f"A process could not be started: {error}.",
                    "See that memory, disk and process limits leave room, then start again.",
                )

    def _look_after(self, child: Child) -> None:
        if self._stopping.is_set() or child.pid:
            return
        if child.state == "running":
            self._note_end(child)
        if child.state == "waiting" and now_s() >= child.start_at_s:
            self._spawn(child)
            self._tell(f"{child.name} is started again (process {child.pid})")
            self._changed()

    def _note_end(self, child: Child) -> None:
        assert child.process is not None
        status = child.process.exit_code
        pause_s: float | None = 0.0
        # While the broker is away its clients can't but fail; that is not theirs to answer for.
        if not child.expected_end and (self._broker is None or self._broker.running):
            pause_s = child.deaths.add(now_s() - child.started_s)
        how = (
            f"ended with exit status {status}"
            if (status or 0) >= 0
            else f"was ended by signal {-(status or 0)}"
        )
        self._tell(f"{child.name} {how}")
        if status == USAGE_STATUS or pause_s is None:
            often = "" if pause_s is not None else _OFTEN
            raise StackError(
                f"{child.name} {how}{often}.{child.quoted()}",
                f"Mend what it names and start again; the whole log is {child.log_file}.",
            )
        child.state, child.start_at_s = "waiting", now_s() + pause_s

    def _look_after_broker(self) -> None:
        broker = self._broker
        if broker is None or broker.running or self.broker_held or now_s() < self._broker_start_at_s:
            return
        pause_s = self._broker_deaths.add(now_s() - self._broker_started_s)
        if pause_s is None:
            raise StackError(
                f"The broker ended{_OFTEN}.",
                f"Mend what {broker.log_file} names and start again.",
            )
        self._tell("the broker ended and is started again")
        self._broker_started_s = now_s()
        try:
            broker.start()
        except BrokerError as error:
            self._tell(str(error))
        # The next start, if one is needed, has to wait; a broker that stays up makes this moot.
        self._broker_start_at_s = now_s() + pause_s

    def _tell(self, sentence: str) -> None:
        self.happenings.append(sentence)
        if self._told is not None:
            self._told(sentence)


def end_broker(broker: EmbeddedBroker, hurried: threading.Event) -> None:
    """Stops the broker; once `hurried` is set, kills it."""
    ending = threading.Thread(target=broker.stop, args=(_BROKER_STOP_S,), daemon=True)
    ending.start()
    while ending.is_alive():
        ending.join(TICK_S)
        if hurried.is_set():
            broker.kill()
