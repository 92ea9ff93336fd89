"""A private PostgreSQL on loopback in a temporary folder, for the time of one bench."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from springtide.app.broker import ports

HOST = "127.0.0.1"
DATABASE = "postgres"
PACKAGE = "postgresql"
_USER = "postgres"
_START_S = 30.0
_STOP_S = 20.0
_COMMAND_S = 120
_NEEDED = ("initdb", "postgres", "pgbench", "psql")
_DEBIAN = Path("/usr/lib/postgresql")


class UnavailableError(Exception):
    """PostgreSQL cannot be run on this machine; the text says why and what to install."""


class _Identity(TypedDict, total=False):
    user: str
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Server:
    """A running server: how to reach it, and as whom its programs run."""

    binaries: Path
    port: int
    version: str
    _environment: dict[str, str]
    _identity: _Identity
    _folder: Path

    def run(self, program: str, *arguments: str, timeout_s: float = _COMMAND_S) -> str:
        """Runs one of PostgreSQL's programs against the server; its output. Raises RuntimeError if it fails."""
        where = ["-h", HOST, "-p", str(self.port), "-U", _USER]
        return _run(
            [str(self.binaries / program), *where, *arguments],
            self._environment,
            self._identity,
            self._folder,
            timeout_s,
        )

    def ask(self, sql: str) -> str:
        """The answer to one SQL statement, unaligned and without headings."""
        arguments = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-c", sql]
        return self.run("psql", *arguments).strip()

    def write_script(self, name: str, text: str) -> Path:
        """Puts a script where the server's programs can read it."""
        path = self._folder / name
        path.write_text(text)
        path.chmod(0o644)
        return path


def find_binaries() -> Path:
    """The folder with the newest installed server. Raises UnavailableError if there is none."""
    on_path = shutil.which("postgres")
    folders = [Path(on_path).resolve().parent] if on_path else []
    if _DEBIAN.is_dir():
        folders += sorted(_DEBIAN.glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True)
    for folder in folders:
        if all(os.access(folder / name, os.X_OK) for name in _NEEDED):
            return folder
    raise UnavailableError(
        f"no PostgreSQL server was found on the PATH or in {_DEBIAN}: it needs {', '.join(_NEEDED)}. "
        f"Install Debian's package {PACKAGE}."
    )


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else -1.0


def _identity() -> _Identity:
    """As whom to run: initdb refuses root, so root takes the user the package made."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(_USER)
    except KeyError:
        raise UnavailableError(
            f"PostgreSQL refuses to run as root and there is no user {_USER}. "
            f"Run this as another user, or install Debian's package {PACKAGE}, which makes that user."
        ) from None
    return {"user": _USER, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """Makes a cluster, starts it on a free loopback port, and afterwards stops it and deletes its folder.

    `settings` go on top of PostgreSQL's defaults. Raises UnavailableError if PostgreSQL is not here, RuntimeError
    if it does not start.
    """
    binaries, identity = find_binaries(), _identity()
    folder = Path(tempfile.mkdtemp(prefix="postgres-bench-"))
    try:
        if "user" in identity:
            shutil.chown(folder, _USER, identity["group"])
        password = secrets.token_hex(16)
        environment = {**_clean_environment(), "PGPASSWORD": password}
        _make_cluster(binaries, folder, password, environment, identity)
        with _started(binaries, folder, environment, identity, settings) as port:
            version = _run([str(binaries / "postgres"), "--version"], environment, identity, folder, 10)
            number = re.search(r"\d+(\.\d+)*", version)
            yield Server(
                binaries, port, number[0] if number else version.strip(), environment, identity, folder
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clean_environment() -> dict[str, str]:
    """Ours without the variables that send PostgreSQL's programs to another server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _make_cluster(
    binaries: Path, folder: Path, password: str, environment: dict[str, str], identity: _Identity
) -> None:
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(password + "\n")
    if "user" in identity:
        shutil.chown(secret, _USER, identity["group"])
    _run(
        [
            str(binaries / "initdb"),
            *("-D", str(folder / "data")),
            *("-U", _USER, "-A", "scram-sha-256", "--pwfile", str(secret)),
            *("-E", "UTF8", "--locale=C", "--no-sync"),
        ],
        environment,
        identity,
        folder,
        _COMMAND_S,
    )
    secret.unlink()


@contextmanager
def _started(
    binaries: Path, folder: Path, environment: dict[str, str], identity: _Identity, settings: dict[str, str]
) -> Iterator[int]:
    port = ports.choose(1)[0]
    options = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": str(folder),
        **settings,
    }
    command = [str(binaries / "postgres"), "-D", str(folder / "data")]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
            **identity,
        )
    try:
        _wait_until_up(process, port, binaries, environment, identity, folder)
        yield port
    finally:
        _stop(process)


def _wait_until_up(
    process: subprocess.Popen[bytes],
    port: int,
    binaries: Path,
    environment: dict[str, str],
    identity: _Identity,
    folder: Path,
) -> None:
    deadline = time.monotonic() + _START_S
    ask = [str(binaries / "psql"), "-h", HOST, "-p", str(port), "-U", _USER, "-d", DATABASE, "-c", "SELECT 1"]
    while time.monotonic() < deadline:
        try:
            _run(ask, environment, identity, folder, 10)
        except RuntimeError:
            if process.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return
    told = (folder / "server.log").read_text(errors="replace").strip()[-1000:]
    raise RuntimeError(f"PostgreSQL did not start in {_START_S:.0f} s: {told or 'it logged nothing'}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """A fast shutdown, then an immediate one, then none of PostgreSQL's own."""
    for number, patience_s in ((signal.SIGINT, _STOP_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)


def _run(
    command: list[str], environment: dict[str, str], identity: _Identity, folder: Path, timeout_s: float
) -> str:
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        **identity,
    )
    if done.returncode:
        raise RuntimeError(
            f"{Path(command[0]).name} ended with status {done.returncode}: {done.stderr.strip()[-1000:]}"
        )
    return done.stdout
