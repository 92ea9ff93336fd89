"""The peers' own readings: pgbench's report, the JDK to take, the body to serve."""

import hashlib
import json

import pytest

from benchmarks.peers import kafka_streams_sum, measure
from benchmarks.peers.kafka_streams import jars
from benchmarks.peers.kafka_streams.unavailable import UnavailableError
from benchmarks.peers.postgres_hot_row import Outcome, read_outcome
from springtide.app.broker.jars import JARS, KAFKA_VERSION

PGBENCH = """pgbench (15.18)
transaction type: reserve.sql
number of clients: 32
number of transactions actually processed: 16274
number of failed transactions: 0 (0.000%)
latency average = 19.663 ms
initial connection time = 60.1 ms
tps = 1627.417331 (without initial connection time)
"""


def test_pgbench_is_read():
    assert read_outcome(PGBENCH) == Outcome(1627.417331, 16274, 19.663)


def test_failed_transactions_or_missing_figures_are_no_figure():
    with pytest.raises(RuntimeError, match="7 of pgbench's transactions failed"):
        read_outcome(PGBENCH.replace("failed transactions: 0", "failed transactions: 7"))
    with pytest.raises(RuntimeError, match="no figures"):
        read_outcome("pgbench: error: connection refused")


def executable(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_java_home_is_taken_before_the_path(tmp_path, monkeypatch):
    wanted = executable(tmp_path / "home/bin/javac"), executable(tmp_path / "home/bin/java")
    other = executable(tmp_path / "path/javac"), executable(tmp_path / "path/java")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert kafka_streams_sum.find_jdk() == wanted
    monkeypatch.delenv("JAVA_HOME")
    assert kafka_streams_sum.find_jdk() == other


def test_a_runtime_without_a_compiler_is_no_jdk(tmp_path, monkeypatch):
    executable(tmp_path / "bin/java")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UnavailableError, match="no JDK was found"):
        kafka_streams_sum.find_jdk()


def test_kafka_streams_has_the_version_of_the_brokers_client():
    coordinates = {jar.coordinate for jar in JARS} | {jar.coordinate for jar in jars.STREAMS_JARS}
    assert f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}" in coordinates
    assert f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}" in coordinates
    names = [jar.file_name for jar in (*JARS, *jars.STREAMS_JARS)]
    assert len(set(names)) == len(names)


def test_a_result_counts_events_a_second_and_cpu_for_each():
    # 1,000 events in 0.5 s with 2 ms of CPU: 2,000/s, 2 us each
    line = json.loads(measure.result("some", 1000, 0.5, 0.002, keys=3))
    assert line == {
        "peer": "some",
        "events": 1000,
        "seconds": 0.5,
        "events_per_s": 2000.0,
        "cpu_us_per_event": 2.0,
        "keys": 3,
    }


def test_leaving_out_prints_why_and_ends_with_status_3(capsys):
    with pytest.raises(SystemExit) as ended:
        measure.leave_out("some", "not installed")
    assert ended.value.code == 3
    assert json.loads(capsys.readouterr().out) == {"peer": "some", "left_out": "not installed"}


def test_a_jar_with_other_bytes_is_refused_and_not_kept(tmp_path):
    jar = jars.Jar("org.example:some:1.0", 5, hashlib.sha256(b"right").hexdigest())
    incoming, folder, got = tmp_path / "incoming", tmp_path / "jars", tmp_path / "some.jar"
    incoming.mkdir()
    folder.mkdir()

    got.write_bytes(b"wrong")
    with pytest.raises(RuntimeError, match="SHA-256"):
        jars._put(got, jar, incoming, folder)
    assert list(folder.iterdir()) == []

    got.write_bytes(b"right")
    jars._put(got, jar, incoming, folder)
    assert (folder / "some-1.0.jar").read_bytes() == b"right"
