"""An operating-system process of ours (broker, worker, view): it is watched, and ends with us.

Linux can signal a process when its parent goes (PR_SET_PDEATHSIG), but "parent" there means the thread that
forked. So each process has a keeper thread that forks it and waits for it: the thread lasts as long as the
process or this Python does, whichever thread called for the start. The flag is set by a tiny Python that
then becomes the program, not in `preexec_fn`: running Python between fork and exec of a process with many
threads can deadlock on a lock that some other thread held.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# SIGTERM, so that an orphaned broker still closes its files. If we died before the flag was set, the parent
# is another one by now and the program is not begun at all.
_BECOME = f"""\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, int(signal.SIGTERM), 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit(143)
os.execv(sys.argv[2], sys.argv[2:])
"""


class ChildProcess:
    """One running program. Safe to use from any thread."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        output: Path,
        env: Mapping[str, str],
        pass_fds: Sequence[int] = (),
        die_with_parent: bool = True,
        append: bool = False,
    ) -> None:
        """Starts `command`; its standard output and error go to `output`, emptied first unless `append`.

        `die_with_parent` ends it with this process even if that is killed; Linux only, elsewhere it is left
        running. `pass_fds` stay open in it. Raises OSError if it cannot be started.
        """
        self._command = list(command)
        if die_with_parent and sys.platform == "linux" and sys.executable:
            self._command = [sys.executable, "-I", "-S", "-c", _BECOME, str(os.getpid()), *command]
        self._output = output
        self._env = dict(env)
        self._pass_fds = tuple(pass_fds)
        self._mode = "ab" if append else "wb"
        self._started = threading.Event()
        self._exited = threading.Event()
        self._error: OSError | None = None
        self._process: subprocess.Popen[bytes] | None = None
        threading.Thread(target=self._keep, name="process-keeper", daemon=True).start()
        self._started.wait()
        if self._error is not None:
            raise self._error

    def _keep(self) -> None:
        try:
            with self._output.open(self._mode) as output:
                process = subprocess.Popen(  # noqa: S603 - the command is ours
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    pass_fds=self._pass_fds,
                    # Ctrl-C in a terminal is for the application, which stops the broker in its turn.
                    start_new_session=True,
                )
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self._process = process
        self._started.set()
        process.wait()
        self._exited.set()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the signal that ended it."""
        return self._process.returncode if self._process is not None and self._exited.is_set() else None

    def send(self, number: signal.Signals) -> None:
        """Sends a signal; nothing happens if the process has ended."""
        if self._process is not None and not self._exited.is_set():
            self._process.send_signal(number)

    def wait(self, timeout_s: float) -> bool:
        """Whether it has ended within `timeout_s` seconds."""
        return self._exited.wait(timeout_s)

    def end(self, timeout_s: float) -> None:
        """Asks it to end and waits up to `timeout_s` seconds, then kills it and waits until it is gone."""
        self.send(signal.SIGTERM)
        if not self.wait(timeout_s):
            self.kill()

    def kill(self) -> None:
        """Kills it without warning and waits until it is gone."""
        self.send(signal.SIGKILL)
        self._exited.wait()
