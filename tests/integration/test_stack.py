"""A whole stack as processes: it starts, mends itself, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from springtide.app import wiring
from springtide.app.broker import ports
from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.topics import describe_topics
from springtide.app.settings import Settings
from springtide.app.trade.generate import generate
from springtide.app.trade.load import load
from springtide.app.trade.names import order_name, sku_name
from springtide.app.trade.spec import TradeSpec
from springtide.app.up import examples
from springtide.app.up.errors import StackError
from springtide.app.up.instance import find
from springtide.app.up.scrape import scrape
from springtide.app.up.stack import Stack

LIMIT_S = 60.0


def settings_in(folder, **given):
    return Settings(
        data_dir=folder,
        port=0,
        ingress_partitions=2,
        inbox_partitions=2,
        broker_heap_mb=256,
        access="open",
        **given,
    )


def until(holds, what):
    deadline = time.monotonic() + LIMIT_S
    while not holds():
        assert time.monotonic() < deadline, f"within {LIMIT_S:.0f} s: {what}"
        time.sleep(0.02)


def ask(url):
    """(status, body) of a GET."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def ours(folder):
    """Processes that have the folder on their command line, or as their settings."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and (
                str(folder) in " ".join(process.cmdline())
                or process.environ().get("SPRINGTIDE_DATA_DIR") == str(folder)
            ):
                found.append(process.pid)
        except psutil.Error:
            pass
    return found


def units_counted(spec, sku):
    """What all counts of a SKU in a trade come to, each location counted once."""
    events = [json.loads(emission.value) for emission in generate(spec) if emission.key == sku.encode()]
    counts = [event["data"] for event in events if event["type"] == "springtide.inventory.counted.v1"]
    assert len({count["location"] for count in counts}) == len(counts)
    return sum(count["on_hand"] for count in counts)


def run_up(folder, *arguments):
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "springtide.app.cli",
            "up",
            "--data",
            str(folder),
            "--plain",
            *arguments,
        ],
        env=os.environ
        | {
            "SPRINGTIDE_BROKER_HEAP_MB": "256",
            "SPRINGTIDE_INBOX_PARTITIONS": "2",
            "SPRINGTIDE_ACCESS": "open",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A worker and a view, for the tests that leave them as they were."""
    with Stack(settings_in(tmp_path_factory.mktemp("stack")), workers=1, views=1) as stack:
        stack.wait_until_ready(LIMIT_S)
        yield stack


def test_makes_the_topics_and_tells_where_everything_is(running):
    specs = wiring.topic_specs(running.settings)
    states = asyncio.run(describe_topics(running.connection, [spec.name for spec in specs], offsets=False))
    assert {state.name: len(state.partitions) for state in states} == wiring.partition_counts(specs)

    found = find(running.data_dir)
    assert found.broker == running.bootstrap
    assert found.local
    assert found.view == running.view_url
    assert [worker.pid for worker in found.workers] == running.worker_pids
    assert scrape("127.0.0.1", found.workers[0].metrics_port) is not None


def test_events_go_in_and_figures_come_out(running):
    spec = TradeSpec(skus=20, orders=30, broken_share=0.0)
    written = asyncio.run(load(running.connection, spec))
    assert written.exhausted

    order = f"{running.view_url}/v1/orders/{order_name(spec.seed, 1)}"
    until(lambda: ask(order)[0] == 200, "the first order is in the view")
    until(lambda: ask(f"{running.view_url}/v1/atp/{sku_name(0)}")[0] == 200, "the first SKU is in the view")

    found = asyncio.run(examples.find(running.connection))
    assert ask(f"{running.view_url}/v1/atp/{found.sku}")[0] == 200
    assert ask(f"{running.view_url}/v1/orders/{found.order}")[0] == 200


def test_verify_finds_the_instance_and_proves_it(running):
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-m",
            "springtide.app.cli",
            "verify",
            "--json",
            "--data",
            str(running.data_dir),
        ],
        env=os.environ | {"SPRINGTIDE_INGRESS_PARTITIONS": "2", "SPRINGTIDE_INBOX_PARTITIONS": "2"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    found = json.loads(done.stdout)
    assert (done.returncode, found["ok"], found["first_violation"]) == (0, True, None)
    assert found["events"] > 0


def test_a_killed_worker_and_a_killed_view_are_started_again(running):
    worker, view = running.worker_pids[0], running.views[0].pid
    os.kill(worker, signal.SIGKILL)
    os.kill(view, signal.SIGKILL)
    until(lambda: running.worker_pids[0] not in (0, worker), "another worker runs")
    until(lambda: running.views[0].pid not in (0, view), "another view runs")
    running.wait_until_ready(LIMIT_S)
    assert find(running.data_dir).workers[0].pid == running.worker_pids[0]
    assert not psutil.pid_exists(worker)
    assert any("worker 0 was ended by signal 9" in told for told in running.happenings)


def test_a_held_worker_stays_down_until_it_is_started(running):
    running.kill_worker(0, hold=True)
    assert running.worker_pids == [0]
    assert running.workers[0].state == "held"
    assert running.worker_dir(0).is_dir()
    running.start_worker(0)
    assert running.worker_pids != [0]
    running.wait_until_ready(LIMIT_S)


def test_kills_that_were_asked_for_are_not_held_against_a_worker(running):
    before = running.workers[0].starts
    for number in range(1, 7):
        running.kill_worker(0)
        until(lambda number=number: running.workers[0].starts == before + number, "it is started again")
    running.check()
    running.wait_until_ready(LIMIT_S)


def test_a_killed_broker_is_started_again_and_its_clients_come_back(running):
    pid = running.broker.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: running.broker.pid not in (None, pid), "the broker runs again")
    running.wait_until_ready(LIMIT_S)
    assert running.bootstrap == find(running.data_dir).broker


def test_a_folder_in_use_is_refused(running):
    with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
        Stack(running.settings, 0, 0).start()


def test_a_taken_port_is_told_before_anything_starts(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        stack = Stack(Settings(data_dir=tmp_path, port=port), 1, 1)
        with pytest.raises(StackError, match=rf"Port {port}, .* taken by process {os.getpid()} .*--port"):
            stack.start()
    assert ours(tmp_path) == []
    assert find(tmp_path) is None


def test_a_stop_leaves_no_process_and_the_next_start_finds_the_data(tmp_path):
    settings = settings_in(tmp_path)
    with Stack(settings, workers=2, views=1) as stack:
        stack.wait_until_ready(LIMIT_S)
        spec = TradeSpec(skus=5, orders=0, broken_share=0.0)
        asyncio.run(load(stack.connection, spec))
        sku, counted = f"/v1/atp/{sku_name(0)}", units_counted(spec, sku_name(0))
        assert counted > 0
        # The SKU is known from its catalogue entry on, and each location's count comes in an event of its own.
        until(lambda: ask(stack.view_url + sku)[1].get("on_hand") == counted, "all that was counted is there")
    assert ours(tmp_path) == []
    assert find(tmp_path) is None

    with Stack(settings, workers=1, views=1) as stack:
        stack.wait_until_ready(LIMIT_S)
        after = ask(stack.view_url + sku)[1]
    assert after["on_hand"] == counted


def test_a_worker_that_dies_over_and_over_is_given_up(tmp_path):
    with Stack(settings_in(tmp_path), workers=1, views=0) as stack:
        deadline = time.monotonic() + LIMIT_S
        with pytest.raises(StackError, match=r"worker 0 was ended by signal 9, 5 times in a row within 30 s"):
            while time.monotonic() < deadline:
                stack.check()
                if stack.worker_pids[0]:
                    os.kill(stack.worker_pids[0], signal.SIGKILL)
                time.sleep(0.02)
        assert stack.workers[0].starts == 5
    assert ours(tmp_path) == []


def test_a_worker_with_a_wrong_setting_is_given_up_at_once_with_its_last_words(tmp_path, monkeypatch):
    stack = Stack(settings_in(tmp_path), workers=1, views=0)
    monkeypatch.setenv("SPRINGTIDE_CONFIG", str(tmp_path / "missing.toml"))
    stack.start()
    try:
        with pytest.raises(
            StackError, match=r"(?s)exit status 2\..*last lines:.*missing\.toml, which is not there"
        ):
            stack.wait_until_ready(LIMIT_S)
        assert stack.workers[0].starts == 1
    finally:
        stack.stop()
    assert ours(tmp_path) == []


def test_a_broker_that_is_there_is_used_and_left_running(running, tmp_path):
    other = Settings(
        data_dir=tmp_path,
        port=0,
        app="other",
        broker=running.bootstrap,
        ingress_partitions=2,
        inbox_partitions=2,
    )
    with Stack(other, workers=0, views=0) as stack:
        assert stack.broker is None
        assert stack.bootstrap == running.bootstrap
        assert not find(tmp_path).local
    assert running.broker.running


def test_the_command_stops_cleanly_when_asked(tmp_path):
    port = ports.choose(1)[0]
    up = run_up(tmp_path, "--port", str(port))
    try:
        until(lambda: find(tmp_path) is not None or up.poll() is not None, "it runs")
        until(lambda: _ready(port) or up.poll() is not None, "the view is ready")
        done = subprocess.run(
            [sys.executable, "-P", "-m", "springtide.app.cli", "topics", "--json", "--data", str(tmp_path)],
            env=os.environ | {"SPRINGTIDE_INBOX_PARTITIONS": "2"},
            capture_output=True,
            text=True,
            check=True,
            timeout=LIMIT_S,
        )
        assert [row["problem"] for row in json.loads(done.stdout)["topics"] if row["problem"]] == []
        up.send_signal(signal.SIGINT)
        told, _ = up.communicate(timeout=LIMIT_S)
    finally:
        up.kill()
    assert up.returncode == 0
    assert f"curl http://127.0.0.1:{port}/v1/atp/" in told
    assert told.rstrip().endswith("stopped")
    assert ours(tmp_path) == []


def test_when_the_command_is_killed_all_it_started_ends(tmp_path):
    up = run_up(tmp_path, "--port", "0")
    try:
        until(lambda: find(tmp_path) is not None or up.poll() is not None, "it runs")
        address = find(tmp_path).broker
    finally:
        up.kill()
        up.communicate()
    until(lambda: ours(tmp_path) == [], "nothing is left")
    with pytest.raises(Exception, match="could not be asked"):
        asyncio.run(describe_topics(BrokerConnection.from_url(address), []))


def _ready(port):
    try:
        return ask(f"http://127.0.0.1:{port}/readyz")[0] == 200
    except OSError:
        return False
