"""Fetching Kafka: whole or not at all, resumed where it broke off, once however many ask. No network."""

import hashlib
import threading
from pathlib import Path

import pytest
from jgo.maven import PythonResolver

from springtide.app.broker import distribution
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.jars import JARS, TOTAL_BYTES, Jar


def content(number):
    return f"jar {number}".encode() * 1000


def small_jars():
    return tuple(
        Jar(f"org.example:kafka-{n}:1.0", len(content(n)), hashlib.sha256(content(n)).hexdigest())
        for n in range(3)
    )


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A Kafka of three small jars that come from a Maven folder on this machine."""
    jars = small_jars()
    monkeypatch.setattr(distribution, "JARS", jars)
    monkeypatch.setattr(distribution, "TOTAL_BYTES", sum(jar.size for jar in jars))
    monkeypatch.setattr(distribution.time, "sleep", lambda _s: None)
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "none.conf"))
    monkeypatch.setenv(distribution.HOME_VARIABLE, str(tmp_path / "cache" / "kafka"))
    # Whatever is not in the Maven folder is "offline".

    def offline(_self, artifact):
        raise ConnectionError(f"no network for {artifact}")

    monkeypatch.setattr(PythonResolver, "download", offline)
    return tmp_path / "cache" / "kafka"


def put(tmp_path: Path, number: int, data: bytes | None = None) -> None:
    folder = tmp_path / "m2" / "org" / "example" / f"kafka-{number}" / "1.0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"kafka-{number}-1.0.jar").write_bytes(content(number) if data is None else data)


def test_the_pinned_list_is_sound():
    names = [jar.file_name for jar in JARS]
    assert len(set(names)) == len(names)
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in JARS)
    assert sum(jar.size for jar in JARS) == TOTAL_BYTES
    kafka = [jar for jar in JARS if jar.coordinate.startswith("org.apache.kafka:")]
    assert {jar.coordinate.rpartition(":")[2] for jar in kafka} == {"4.1.1"}


def test_home_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.delenv(distribution.HOME_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert distribution.kafka_home() == tmp_path / "springtide" / "kafka-4.1.1"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert distribution.kafka_home() == Path.home() / ".cache" / "springtide" / "kafka-4.1.1"
    monkeypatch.setenv(distribution.HOME_VARIABLE, str(tmp_path / "mine"))
    assert distribution.kafka_home() == tmp_path / "mine"


def test_fetches_once_and_tells_how_far_it_is(home, tmp_path):
    for number in range(3):
        put(tmp_path, number)
    told = []
    found = distribution.ensure_distribution(lambda *args: told.append(args))
    assert found.home == home
    assert [Path(path).read_bytes() for path in found.class_path.split(":")] == [content(n) for n in range(3)]
    assert told[-1] == ("Kafka 4.1.1", distribution.TOTAL_BYTES, distribution.TOTAL_BYTES)
    assert not home.with_name("kafka.partial").exists()
    told.clear()
    assert distribution.ensure_distribution(lambda *args: told.append(args)) == found
    assert told == []


def test_a_broken_fetch_leaves_no_cache_and_is_resumed(home, tmp_path):
    put(tmp_path, 0)
    put(tmp_path, 1)
    with pytest.raises(BrokerError) as caught:
        distribution.ensure_distribution()
    assert "org.example:kafka-2:1.0 failed 3 times" in caught.value.message
    assert "no network" in caught.value.message
    assert distribution.HOME_VARIABLE in caught.value.next_step
    assert not home.exists()
    assert distribution.cached_distribution() is None
    kept = sorted(path.name for path in (home.with_name("kafka.partial") / "jars").iterdir())
    assert kept == ["kafka-0-1.0.jar", "kafka-1-1.0.jar"]
    # What was kept is not asked for again.
    for number in range(2):
        put(tmp_path, number, b"spoilt")
    put(tmp_path, 2)
    told = []
    distribution.ensure_distribution(lambda *args: told.append(args))
    assert told[0][1] == sum(jar.size for jar in small_jars()[:2])
    assert distribution.cached_distribution() is not None


def test_wrong_bytes_are_refused(home, tmp_path, monkeypatch):

    for number in range(3):
        put(tmp_path, number)
    put(tmp_path, 1, b"x" * len(content(1)))  # the right size, the wrong bytes

    def download(_self, artifact):
        artifact.cached_path.parent.mkdir(parents=True, exist_ok=True)
        artifact.cached_path.write_bytes(b"also wrong")
        return artifact.cached_path

    monkeypatch.setattr(PythonResolver, "download", download)
    with pytest.raises(BrokerError, match="SHA-256 is"):
        distribution.ensure_distribution()
    assert not home.exists()


def test_a_damaged_cache_is_mended(home, tmp_path):
    for number in range(3):
        put(tmp_path, number)
    distribution.ensure_distribution()
    (home / "jars" / "kafka-1-1.0.jar").unlink()
    (home / "startup-java-1.aot").touch()
    assert distribution.cached_distribution() is None
    distribution.ensure_distribution()
    assert distribution.is_complete(home)
    assert not list(home.glob("*.aot"))


def test_someone_elses_folder_is_left_alone(home):
    home.mkdir(parents=True)
    (home / "thesis.txt").write_text("years of work")
    with pytest.raises(BrokerError, match="holds something else"):
        distribution.ensure_distribution()
    assert (home / "thesis.txt").read_text() == "years of work"


def test_an_unusable_place_is_named(home):
    home.parent.parent.mkdir(exist_ok=True)
    home.parent.write_text("a file where the folder should go")
    with pytest.raises(BrokerError, match="could not be written") as caught:
        distribution.ensure_distribution()
    assert distribution.HOME_VARIABLE in caught.value.next_step


def test_two_at_once_fetch_once(home, tmp_path):
    for number in range(3):
        put(tmp_path, number)
    first_is_in, go_on, second_waits = threading.Event(), threading.Event(), threading.Event()
    told: list[list[str]] = [[], []]
    errors = []

    def first(what, _done, _total):
        told[0].append(what)
        first_is_in.set()
        go_on.wait(20)

    def second(what, _done, _total):
        told[1].append(what)
        second_waits.set()

    def fetch(progress):
        try:
            distribution.ensure_distribution(progress)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=fetch, args=(progress,)) for progress in (first, second)]
    threads[0].start()
    assert first_is_in.wait(20)
    threads[1].start()
    assert second_waits.wait(20)
    go_on.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert errors == []
    assert set(told[0]) == {"Kafka 4.1.1"}
    assert told[1] == ["waiting for another fetch"]
