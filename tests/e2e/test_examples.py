"""The quick starts and the examples do what they say: every block and every program, against a real stack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from springtide.app.broker.ports import choose

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
QUICKSTARTS = sorted((ROOT / "docs/quickstart").glob("*.md"))
DEMO = "http://127.0.0.1:8080"
LIMIT_S = 60
MARK = "=== block"
SERVERS = {"receiver.py", "upsert_sink.py"}
"""Examples that serve until they are ended: the quick start of a CRM runs them."""
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    code: str
    told: str | None
    """What the page says that it prints; "..." is whatever there is, alone on a line any lines."""


def blocks(page):
    """The page's blocks that run, as bash: those of Python too."""
    found = []
    for language, text in _FENCED.findall(page.read_text()):
        if language == "sh":
            found.append(Block(text, None))
        elif language == "python":
            found.append(Block(f"python3 - <<'PYTHON'\n{text}PYTHON\n", None))
        elif language == "text":
            found[-1] = found[-1]._replace(told=text)
    return found


def pattern(told):
    lines = (
        "(?:[^\n]*\n)*" if line == "..." else "[^\n]*".join(map(re.escape, line.split("..."))) + "\n"
        for line in told.splitlines()
    )
    return re.compile("".join(lines))


@pytest.fixture
def shell(trading, tmp_path):
    """Runs bash as a newcomer does: in a folder with the examples, beside a demo; on free ports, though."""
    (tmp_path / "examples").symlink_to(EXAMPLES)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "python3").symlink_to(sys.executable)
    first, second = choose(2)
    places = {DEMO: trading.url, "9000": str(first), "9010": "0", "9020": str(second)}
    environment = {name: value for name, value in os.environ.items() if name != "KEY"} | {
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
    }

    def run(script):
        for named, place in places.items():
            script = re.sub(rf"(?<!\d){re.escape(named)}(?!\d)", place, script)
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f"{script}\nwait"],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=LIMIT_S)
        finally:
            if process.poll() is None or process.returncode:
                end_group(process.pid)  # a page that broke off leaves its receivers behind
            process.wait()
        return process.returncode, output

    return run


def end_group(group):
    try:
        os.killpg(group, 9)
    except ProcessLookupError:
        return


@pytest.mark.parametrize("page", QUICKSTARTS, ids=lambda page: page.stem)
def test_a_quick_start_runs_as_written_and_prints_what_it_says(shell, page):
    ran = blocks(page)
    status, output = shell("".join(f"echo '{MARK}'\n{block.code}" for block in ran))
    told = output.split(f"{MARK}\n")[1:]
    assert status == 0, output
    assert len(told) == len(ran)
    for block, said in zip(ran, told, strict=True):
        if block.told is not None:
            assert pattern(block.told).fullmatch(said), (
                f"{block.code}\nprints\n{said}\ninstead of\n{block.told}"
            )


def test_what_is_compared_could_differ():
    assert pattern("a=... b\n...\nend\n").fullmatch("a=1 b\nx\ny\nend\n")
    assert not pattern("a=... b\n").fullmatch("a=1 c\n")
    assert not pattern("one\n").fullmatch("one\ntwo\n")


def test_every_example_is_used_in_a_quick_start():
    assert len(QUICKSTARTS) == 3
    pages = "".join(page.read_text() for page in QUICKSTARTS)
    for path in sorted(EXAMPLES.iterdir()):
        if path.suffix in (".py", ".sh"):
            assert f"../../examples/{path.name}" in pages or f"examples/{path.name} " in pages, path.name


COMMANDS = {
    "storefront.py": ("python3 examples/storefront.py {url}", "live: on hand 10 -> 20, available 14\n"),
    "storefront.sh": ("bash examples/storefront.sh {url}", "outcome=confirmed\noutcome=confirmed\n"),
    "crm.py": ("python3 examples/crm.py {url} --port 0", "row: SHIPPED\n"),
    "service_desk.sh": ("bash examples/service_desk.sh {url} SO1-000002", "SO1-000002 "),
    "mend.py": ("python3 examples/mend.py {url}", "again: 409 It is replayed already\n"),
}


def test_every_example_that_ends_by_itself_is_run_here():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(COMMANDS) | SERVERS


@pytest.mark.parametrize("name", COMMANDS)
def test_an_example_runs_and_says_how_it_went(shell, name):
    command, said = COMMANDS[name]
    status, output = shell(command.format(url=DEMO))
    assert status == 0, output
    assert said in output


def test_an_example_says_what_is_wrong_when_nobody_answers(shell):
    status, output = shell(f"bash examples/service_desk.sh http://127.0.0.1:{choose(1)[0]}")
    assert status != 0
    assert "curl:" in output
