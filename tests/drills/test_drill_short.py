"""The command itself, short: real processes, real kills, and a proof from the logs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

LIMIT_S = 400.0
"""It takes a minute on a machine of its own."""


def start(folder, *arguments, name="kill"):
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "springtide.app.cli",
            "drill",
            name,
            "--data",
            str(folder),
            *arguments,
        ],
        env={name: value for name, value in os.environ.items() if not name.startswith("SPRINGTIDE_")}
        | {"SPRINGTIDE_BROKER_HEAP_MB": "384"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(folder):
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


def test_a_short_drill_loses_and_doubles_nothing(tmp_path):
    folder = tmp_path / "drill"
    drill = start(folder, "--short", "--seed", "1", "--json")
    try:
        told, progress = drill.communicate(timeout=LIMIT_S)
    finally:
        drill.kill()
    assert drill.returncode == 0, progress + told
    found = json.loads(told)
    assert found["ok"], progress
    assert found["faults"] == 4
    assert (found["lost"], found["doubled"], found["oversold"]) == (0, 0, 0)
    assert found["first_violation"] is None
    assert found["events"] == found["written"] > 0
    assert found["duplicates"] > 0
    assert 0 < found["recovery_s"]["p50"] <= found["recovery_s"]["max"]
    assert found["view"]["skus"] > 0
    assert found["view"]["orders"] > 0
    assert found["view"]["different"] == 0
    assert {outcome["fault"]["kind"] for outcome in found["injected"]} == {
        "kill",
        "zombie",
        "broker_kill",
        "folder_damaged",
    }
    assert left(folder) == []


@pytest.mark.parametrize("how", [(), ("--promises",)])
def test_a_rush_grants_exactly_what_there_is(tmp_path, how):
    folder = tmp_path / "drill"
    drill = start(folder, "--orders", "300", "--units", "100", "--seed", "1", "--json", *how, name="rush")
    try:
        told, progress = drill.communicate(timeout=LIMIT_S)
    finally:
        drill.kill()
    assert drill.returncode == 0, progress + told
    found = json.loads(told)
    assert (found["ok"], found["trouble"], found["faults"]) == (True, [], 3)
    assert (found["lost"], found["doubled"], found["oversold"]) == (0, 0, 0)
    assert left(folder) == []


def test_each_change_of_each_order_comes_to_a_receiver_that_fails(tmp_path):
    folder = tmp_path / "drill"
    drill = start(folder, "--down", "3", "--rate", "60", "--json", name="push")
    try:
        told, progress = drill.communicate(timeout=LIMIT_S)
    finally:
        drill.kill()
    assert drill.returncode == 0, progress + told
    found = json.loads(told)
    assert (found["ok"], found["trouble"], found["missing"], found["unknown"]) == (True, [], 0, 0)
    assert found["out_of_order"] == []
    assert found["changes"] == found["delivered"] > 0
    assert min(found["asked"].values()) > 0, "slow, 500 and 429 were all met with"
    assert left(folder) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_drill_that_is_stopped_leaves_no_process(tmp_path, number):
    folder = tmp_path / "drill"
    drill = start(folder, "--kills", "3")
    try:
        deadline = time.monotonic() + LIMIT_S
        while not (folder / "logs" / "worker-0.log").exists() and drill.poll() is None:
            assert time.monotonic() < deadline, "no worker was started"
            time.sleep(0.05)
        drill.send_signal(number)
        _, progress = drill.communicate(timeout=LIMIT_S)
    finally:
        drill.kill()
    assert drill.returncode == 130, progress
    assert left(folder) == []


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "precious").write_text("keep me")
    drill = start(tmp_path)
    told, progress = drill.communicate(timeout=LIMIT_S)
    assert (drill.returncode, told) == (2, "")
    assert "is not empty" in progress
    assert (tmp_path / "precious").read_text() == "keep me"
