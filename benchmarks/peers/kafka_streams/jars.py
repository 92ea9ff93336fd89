"""The jars Kafka Streams needs beside those of the broker, fetched once into the user's cache.

The broker's jars hold kafka-clients, Jackson and the logging already, of the same Kafka version.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

from benchmarks.peers.kafka_streams.unavailable import UnavailableError
from springtide.app.broker.distribution import ensure_distribution, kafka_home
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.jars import JARS, KAFKA_VERSION, Jar

STREAMS_JARS = (
    Jar(
        f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}",
        2051917,
        "e554318dbc2b07461f714be32bb324744ba993eb7a49f938792beff577d7044b",
    ),
    Jar(
        "org.rocksdb:rocksdbjni:9.7.3",
        70837810,
        "5ca63e0e955f101f7af1c1fb8ce260b5d3a5701cea7d8c2852b9d56031a57221",
    ),
)
_REQUEST_TIMEOUT_S = 60


def class_path() -> list[Path]:
    """All jars, fetched if they are not there (44 MB for the broker's, 73 MB for these).

    Raises UnavailableError if they cannot be fetched or are not the bytes they should be.
    """
    try:
        broker = ensure_distribution()
    except BrokerError as error:
        raise UnavailableError(str(error)) from error
    folder = kafka_home().with_name(f"kafka-streams-{KAFKA_VERSION}")
    missing = [jar for jar in STREAMS_JARS if not _is_whole(folder / jar.file_name, jar)]
    if missing:
        _fetch(missing, folder)
    return [
        *(broker.home / "jars" / jar.file_name for jar in JARS),
        *(folder / jar.file_name for jar in STREAMS_JARS),
    ]


def _is_whole(path: Path, jar: Jar) -> bool:
    """Its size is enough: the bytes were checked before it got its name."""
    return path.is_file() and path.stat().st_size == jar.size


def _fetch(jars: list[Jar], folder: Path) -> None:
    from jgo.config import GlobalSettings  # noqa: PLC0415 - slow to import, needed on the first run only
    from jgo.constants import MAVEN_CENTRAL_URL, default_maven_repo  # noqa: PLC0415
    from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    # A folder of this fetch alone: another one may be under way, and half a jar would be taken for a whole one.
    with tempfile.TemporaryDirectory(dir=folder, prefix="incoming-") as incoming:
        context = MavenContext(
            resolver=PythonResolver(),
            repo_cache=Path(incoming),
            local_repos=[default_maven_repo()],
            remote_repos={**GlobalSettings.load().repositories, "central": MAVEN_CENTRAL_URL},
            timeout=_REQUEST_TIMEOUT_S,
        )
        for jar in jars:
            try:
                got = Path(context.create_dependency(jar.coordinate).artifact.resolve())
                _put(got, jar, Path(incoming), folder)
            except (OSError, RuntimeError, AssertionError) as error:  # requests' errors are OSErrors
                raise UnavailableError(
                    f"{jar.coordinate} could not be fetched: {error}. "
                    "Check that this machine reaches the Maven repository, and run it again."
                ) from error


def _put(got: Path, jar: Jar, incoming: Path, folder: Path) -> None:
    """Checks the bytes, and puts the jar in place in one move."""
    whole = incoming / jar.file_name
    shutil.copyfile(got, whole)  # Maven's own folder is not ours to move from
    found = hashlib.sha256(whole.read_bytes()).hexdigest()
    if found != jar.sha256:
        raise RuntimeError(f"SHA-256 of {got} is {found}, wanted is {jar.sha256}")
    whole.replace(folder / jar.file_name)
