"""The commands as a person runs them, one beside the other on one data folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

LIMIT_S = 120


def springtide(*arguments, folder=None):
    """A finished command."""
    told = [] if folder is None else ["--data", str(folder)]
    return subprocess.run(
        [sys.executable, "-m", "springtide.app.cli", *arguments, *told],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A demo that runs, its folder and the first lines it printed."""
    folder = tmp_path_factory.mktemp("demo")
    process = subprocess.Popen(
        [
            *(sys.executable, "-u", "-m", "springtide.app.cli", "demo", "--plain", "--port", "0"),
            *("--rate", "400", "--seed", "7", "--data", str(folder)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"SPRINGTIDE_BROKER_HEAP_MB": "256"},
    )
    lines = []
    deadline = time.monotonic() + LIMIT_S
    while not (lines and "/v1/orders/" in lines[-1]):
        assert time.monotonic() < deadline, lines
        line = process.stdout.readline()
        assert line, lines
        lines.append(line)
    yield process, folder, lines
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LIMIT_S)


def test_what_it_prints_to_open_and_ask_answers(demo):
    _, _, lines = demo
    urls = [word for line in lines for word in line.split() if word.startswith("http://")]
    assert len(urls) == 3
    deadline = time.monotonic() + LIMIT_S
    for url in urls:
        while True:
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    assert answer.status == 200
                    break
            except urllib.error.HTTPError as error:  # the sample trade may not have come so far
                assert error.code in (404, 503) and time.monotonic() < deadline, url


def test_verify_proves_it_while_it_runs(demo):
    done = springtide("verify", "--json", folder=demo[1])
    verdict = json.loads(done.stdout)
    assert done.returncode == 0, verdict["first_violation"]
    assert verdict["ok"] is True
    assert verdict["events"] > 10_000
    assert (verdict["lost"], verdict["doubled"], verdict["oversold"]) == (0, 0, 0)


def test_topics_and_doctor_find_it(demo):
    topics = json.loads(springtide("topics", "--json", folder=demo[1]).stdout)
    assert {"orders", "inbox-sku", "atp", "dead-letters"} <= {t["name"] for t in topics["topics"]}
    doctor = springtide("doctor", "--json", folder=demo[1])
    assert doctor.returncode == 0, doctor.stdout
    assert {"broker", "topics", "disk"} <= {check["name"] for check in json.loads(doctor.stdout)["checks"]}


def test_a_second_one_on_the_same_folder_is_refused(demo):
    done = springtide("up", "--plain", folder=demo[1])
    assert done.returncode == 1
    assert str(demo[1]) in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_stops_all_of_it(demo):
    process, folder, _ = demo
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0
    assert springtide("topics", folder=folder).returncode == 1


def test_simulate_answers_without_a_broker(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text(
        json.dumps(
            {
                "specversion": "1.0",
                "id": "1",
                "source": "wms/ber",
                "type": "springtide.inventory.counted.v1",
                "subject": "TEA",
                "time": "2026-03-02T06:00:00Z",
                "data": {"location": "BER", "on_hand": 4, "basis": "includes_committed"},
            }
        )
        + "\n"
    )
    done = springtide("simulate", str(log), "--get", "/v1/atp/TEA", "--get", "/v1/atp/COFFEE")
    assert done.returncode == 0, done.stderr
    tea, coffee = (json.loads(line) for line in done.stdout.splitlines())
    assert tea["available_now"] == 4
    assert "freshness" not in tea
    assert coffee["status"] == 404
    log.write_text(log.read_text() + "{broken\n")
    broken = springtide("simulate", str(log), "--get", "/v1/atp/TEA")
    assert broken.returncode == 2
    assert "2" in broken.stderr
