"""The command line as a user meets it: help, wrong usage, and what is said when nothing runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

COMMANDS = ("up", "demo", "load", "simulate", "bench", "drill", "verify", "topics", "doctor")
LIMIT_S = 60
PACKAGE = Path(find_spec("springtide").origin).parent


def springtide(*arguments, folder=None, **variables):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPRINGTIDE_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "springtide.app.cli", *map(str, arguments)],
        env=environment | {"COLUMNS": "200"} | variables,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def test_help_lists_the_commands_and_not_the_inner_ones():
    done = springtide("--help")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert "worker" not in listed
    assert "view" not in listed


def test_help_imports_nothing_that_is_slow():
    slow = ("pydantic", "aiokafka", "faust", "rocksdict", "aiohttp", "structlog", "rich.markdown", "asyncio")
    code = (
        "import sys\n"
        "from springtide.app import cli\n"
        "try:\n    cli.app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {slow!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "drill"])
def test_each_command_explains_itself(command):
    done = springtide(command, "--help")
    assert done.returncode == 0
    assert f"Usage: springtide {command}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["upp"], "No such command 'upp'"),
        (["up", "--wrokers", "2"], "No such option: --wrokers"),
        (["up", "--workers", "two"], "--workers"),
        (["up", "--workers", "65"], "less than or equal to 64"),
        (["simulate"], "LOG.jsonl"),
        (["bench", "everything"], "There is no benchmark 'everything'. Name one of engine,"),
        (["load", "--seed", "1000000"], "less than or equal to 999999"),
    ],
)
def test_wrong_usage_is_told_with_status_2(arguments, told):
    done = springtide(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("command", ["topics", "verify", "load"])
def test_commands_that_need_a_broker_say_so_in_one_line(command, tmp_path):
    done = springtide(command, "--data", tmp_path / "empty", folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    (told,) = done.stderr.splitlines()
    assert f"Nothing runs on the data folder {tmp_path / 'empty'}" in told
    assert "springtide up" in told


def test_a_broker_out_of_reach_is_told_in_one_line(tmp_path):
    done = springtide("topics", "--broker", "127.0.0.1:1", folder=tmp_path)
    assert done.returncode == 1
    (told,) = done.stderr.splitlines()
    assert "127.0.0.1:1" in told


def test_a_wrong_setting_is_named_with_status_2(tmp_path):
    done = springtide("topics", folder=tmp_path, SPRINGTIDE_PORT="harbour")
    assert done.returncode == 2
    (told,) = done.stderr.splitlines()
    assert told.startswith("springtide: port: ")


def test_tls_files_without_tls_are_refused(tmp_path):
    done = springtide("topics", "--broker", "127.0.0.1:1", "--ca-file", "ca.pem", folder=tmp_path)
    assert done.returncode == 1
    assert "security protocol PLAINTEXT encrypts nothing" in done.stderr


def test_a_password_file_that_is_missing_is_told(tmp_path):
    done = springtide("topics", "--sasl-password-file", tmp_path / "none", folder=tmp_path)
    assert done.returncode == 2
    assert "password file" in done.stderr


def test_a_traceback_is_shown_for_those_who_ask(tmp_path):
    done = springtide("topics", "--broker", "nonsense", folder=tmp_path, SPRINGTIDE_DEBUG="1")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "Traceback" not in springtide("topics", "--broker", "nonsense", folder=tmp_path).stderr


def test_doctor_looks_at_what_it_can_without_a_broker(tmp_path):
    done = springtide("doctor", "--json", "--data", tmp_path, folder=tmp_path)
    found = json.loads(done.stdout)
    by_name = {check["name"]: check for check in found["checks"]}
    assert by_name["Python"]["status"] == "ok"
    assert by_name["broker"]["status"] == "warn"
    assert "--broker" in by_name["broker"]["mend"]
    assert done.returncode == (0 if found["ok"] else 1)


def test_doctor_fails_when_the_broker_does_not_answer(tmp_path):
    done = springtide("doctor", "--json", "--broker", "127.0.0.1:1", folder=tmp_path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert {check["name"]: check["status"] for check in found["checks"]}["broker"] == "fail"


def test_a_data_folder_that_can_not_be_one_is_told_before_anything_starts(tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("here first")
    done = springtide("up", "--data", in_the_way, folder=tmp_path)
    assert done.returncode == 1
    assert f"data folder {in_the_way} can't be used" in done.stderr
    assert in_the_way.read_text() == "here first"


def test_bench_needs_the_project_and_says_so(tmp_path):
    """As installed: the package without the folder of benchmarks beside it."""
    (tmp_path / "springtide").symlink_to(PACKAGE)
    code = "from springtide.app.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "bench", "engine"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 1
    assert "uv run springtide bench" in done.stderr


def test_keys_are_made_listed_and_revoked_by_one_command():
    done = springtide("keys", "--help")
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert listed[:3] == ["create", "list", "revoke"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--scope", "atp:write"), "There is no scope 'atp:write'"),
        (("--scope", "read", "--expires", "soon"), "--expires 'soon' can't be used"),
        (("--scope", "read", "--expires", "2020-01-01T00:00:00Z"), "is past"),
        (("--scope", "read", "--customer", ""), "The key can't be made"),
    ],
)
def test_a_key_that_can_not_be_made_is_told_before_anything_is_asked(given, told, tmp_path):
    done = springtide("keys", "create", "shop", *given, "--broker", "127.0.0.1:1", folder=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
