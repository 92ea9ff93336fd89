"""The local broker for real: it serves transactions, survives a kill, and refuses clearly."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from springtide.app.broker import topics
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.embedded import EmbeddedBroker
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.topics import TopicSpec, describe_topics, ensure_topics
from springtide.app.doctor import run_checks

LIMIT_S = 60


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A broker most tests share; those that harm theirs start their own."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("shared"), heap_mb=256)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def own(tmp_path):
    broker = EmbeddedBroker(tmp_path / "own", heap_mb=256)
    yield broker
    broker.kill()


async def send(bootstrap, topic, values, transactional_id="t"):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=transactional_id)
    await producer.start()
    try:
        async with producer.transaction():
            for value in values:
                await producer.send(topic, value)
    finally:
        await producer.stop()


async def read(bootstrap, topic, count):
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        async with asyncio.timeout(LIMIT_S):
            return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def test_serves_transactions_and_keeps_them_through_a_kill(own):
    await asyncio.to_thread(own.start)
    first_pid, address = own.pid, own.bootstrap
    connection = BrokerConnection.from_url(address)
    assert await ensure_topics(connection, [TopicSpec("orders", 1)]) == ["orders"]
    await send(address, "orders", [b"one", b"two"])
    assert await read(address, "orders", 2) == [b"one", b"two"]

    own.kill()
    assert not own.running
    assert own.pid is None
    assert not psutil.pid_exists(first_pid)

    await asyncio.to_thread(own.start)
    assert own.bootstrap == address
    assert own.pid != first_pid
    await send(address, "orders", [b"three"])
    assert await read(address, "orders", 3) == [b"one", b"two", b"three"]


def test_a_new_object_uses_the_remembered_port(own):
    own.start()
    address = own.bootstrap
    own.stop()
    again = EmbeddedBroker(own.data_dir, heap_mb=256)
    try:
        again.start()
        assert again.bootstrap == address
    finally:
        again.kill()
    # If someone has the port by then, another one will do.
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(address.rpartition(":")[2])))
        other.listen()
        own.start()
        assert own.bootstrap != address


def test_a_taken_port_is_named_with_its_holder(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        broker = EmbeddedBroker(tmp_path, port=port)
        with pytest.raises(BrokerError) as caught:
            broker.start()
    assert f"Port {port}" in caught.value.message
    assert f"process {os.getpid()}" in caught.value.message
    assert "--port" in caught.value.next_step
    assert "--broker" in caught.value.next_step
    assert not broker.running


def test_a_second_broker_on_the_same_folder_is_refused(running):
    second = EmbeddedBroker(running.data_dir)
    with pytest.raises(BrokerError) as caught:
        second.start()
    assert "already running" in caught.value.message
    assert str(running.pid) in caught.value.message
    assert running.bootstrap in caught.value.next_step
    assert running.running
    running.start()  # its own object has nothing to do


def test_listens_on_loopback_only(running):
    listening = [
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in psutil.Process(running.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1", "127.0.0.1"]


def test_damaged_storage_is_told(own):
    own.start()
    own.stop()
    meta = own.data_dir / "kafka" / "meta.properties"
    meta.write_text("version=1\nnode.id=7\ncluster.id=" + "x" * 22 + "\n")
    with pytest.raises(BrokerError) as caught:
        own.start()
    assert "ended while starting" in caught.value.message
    assert "broker.log" in caught.value.next_step
    assert not own.running


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_a_killed_parent_takes_the_broker_along(tmp_path):
    # Started from a thread that ends at once: the broker must outlive the thread, not the process.
    code = (
        "import sys, threading\n"
        "from pathlib import Path\n"
        "from springtide.app.broker.embedded import EmbeddedBroker\n"
        "broker = EmbeddedBroker(Path(sys.argv[1]), heap_mb=256)\n"
        "thread = threading.Thread(target=broker.start)\n"
        "thread.start()\n"
        "thread.join()\n"
        "print(broker.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        broker = psutil.Process(int(parent.stdout.readline()))
        assert broker.is_running()
        parent.send_signal(signal.SIGKILL)
        parent.wait(LIMIT_S)
    psutil.wait_procs([broker], timeout=LIMIT_S)
    assert not broker.is_running() or broker.status() == psutil.STATUS_ZOMBIE
    # Nothing is left behind that would prevent a start.
    own = EmbeddedBroker(tmp_path, heap_mb=256)
    own.start()
    own.kill()


async def test_topics_are_made_as_specified_and_never_changed(running):
    connection = BrokerConnection(running.bootstrap)
    table = TopicSpec("table", 3, compacted=True, max_message_bytes=9_000_000, extra={"segment.ms": "60000"})
    stream = TopicSpec("stream", 2, retention_ms=-1)
    assert await ensure_topics(connection, [table, stream]) == ["table", "stream"]
    assert await ensure_topics(connection, [table, stream]) == []
    await send(running.bootstrap, "stream", [b"a", b"b"], "describe")
    states = {state.name: state for state in await describe_topics(connection)}
    assert states["table"].cleanup_policy == "compact"
    assert states["stream"].cleanup_policy == "delete"
    assert [part.partition for part in states["table"].partitions] == [0, 1, 2]
    assert all(part.leader == 1 for part in states["table"].partitions)
    assert states["table"].records == 0
    assert states["stream"].records >= 2
    assert not any(name.startswith("__") for name in states)
    assert await describe_topics(connection, ["absent"]) == []

    with pytest.raises(BrokerError) as caught:
        await ensure_topics(connection, [TopicSpec("table", 4), TopicSpec("never", 1)])
    assert "topic table has 3 partitions, wanted are 4" in caught.value.message
    assert await describe_topics(connection, ["never"]) == []


async def test_makers_at_the_same_time_agree(running):
    connection = BrokerConnection(running.bootstrap)
    specs = [TopicSpec(f"race-{number}", 2) for number in range(4)]
    made = await asyncio.gather(*(ensure_topics(connection, specs) for _ in range(3)))
    assert sorted(name for names in made for name in names) == [spec.name for spec in specs]


async def test_a_refused_topic_is_told_with_the_brokers_reason(running):
    connection = BrokerConnection(running.bootstrap)
    with pytest.raises(BrokerError, match=r"bad: InvalidConfigurationError.*no\.such\.setting"):
        await ensure_topics(connection, [TopicSpec("bad", 1, extra={"no.such.setting": "1"})])


async def test_large_messages_pass(running):
    connection = BrokerConnection(running.bootstrap)
    await ensure_topics(connection, [TopicSpec("large", 1)])
    large = os.urandom(15 * 1024 * 1024)
    producer = AIOKafkaProducer(bootstrap_servers=running.bootstrap, max_request_size=16 * 1024 * 1024)
    await producer.start()
    try:
        await producer.send_and_wait("large", large)
    finally:
        await producer.stop()
    assert await read(running.bootstrap, "large", 1) == [large]


async def test_an_absent_broker_is_told(monkeypatch):
    monkeypatch.setattr(topics, "_REQUEST_TIMEOUT_MS", 2_000)
    with socket.socket() as placeholder:  # bound but not listening: connections are refused
        placeholder.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{placeholder.getsockname()[1]}"
        with pytest.raises(BrokerError) as caught:
            await describe_topics(BrokerConnection(address))
    assert address in caught.value.message


async def test_doctor_finds_a_healthy_house(running, tmp_path):
    connection = BrokerConnection(running.bootstrap)
    await ensure_topics(connection, [TopicSpec("checked", 2)])
    checks = {
        check.name: check
        for check in await run_checks(connection, tmp_path / "not" / "yet", [TopicSpec("checked", 2)])
    }
    for name in (
        "Python",
        "native packages",
        "Java runtime",
        "Kafka 4.1.1",
        "topics",
        "clock",
        "broker clock",
    ):
        assert checks[name].status == "ok", checks[name]
    assert checks["broker"].status in {"ok", "warn"}  # slow on a busy machine
    assert all(check.mend for check in checks.values() if check.status != "ok")

    unwell = [TopicSpec("checked", 5), TopicSpec("missing", 1)]
    checks = {check.name: check for check in await run_checks(connection, tmp_path, unwell)}
    assert checks["topics"].status == "fail"
    assert "checked has 2 partitions, wanted are 5" in checks["topics"].detail
    checks = {check.name: check for check in await run_checks(connection, tmp_path, unwell[1:])}
    assert checks["topics"].status == "warn"


async def test_doctor_without_a_broker(tmp_path):
    begin = time.monotonic()
    checks = {check.name: check for check in await run_checks(None, tmp_path, [])}
    assert checks["broker"].status == "warn"
    assert "--broker" in checks["broker"].mend
    assert time.monotonic() - begin < LIMIT_S
