"""What a process writes to standard error: one JSON object a line, also for what libraries log."""

from __future__ import annotations

import json
import subprocess
import sys

PROCESS = """
import logging, warnings
import structlog
from springtide.app.logs import configure

configure({level!r}, json={as_json})
log = structlog.get_logger("springtide.test")
structlog.contextvars.bind_contextvars(correlation_id="c-1")
log.info("step done", records=3, place=("orders", 1), raw=b"\\x00")
log.debug("too small to tell")
logging.getLogger("some.library").info("of %s", "a library")
logging.getLogger("aiokafka.consumer").info("chatter")
logging.getLogger("aiokafka.consumer").warning("trouble")
try:
    1 / 0
except ZeroDivisionError:
    log.exception("it failed")
warnings.warn("old ways")
"""


def lines_of(level, *, as_json):
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.format(level=level, as_json=as_json)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_each_line_is_one_object_with_what_was_bound():
    entries = [json.loads(line) for line in lines_of("info", as_json=True)]
    first = entries[0]
    assert first.pop("timestamp").endswith("Z")
    assert first.pop("raw") == "AA=="
    assert first == {
        "event": "step done",
        "level": "info",
        "logger": "springtide.test",
        "correlation_id": "c-1",
        "records": 3,
        "place": ["orders", 1],
    }
    told = [(entry["logger"], entry["event"].splitlines()[0]) for entry in entries[1:4]]
    assert told == [
        ("some.library", "of a library"),
        ("aiokafka.consumer", "trouble"),
        ("springtide.test", "it failed"),
    ]
    assert entries[3]["exception"].endswith("ZeroDivisionError: division by zero")
    assert "old ways" in entries[4]["event"]


def test_the_level_holds_for_all_and_debug_lets_libraries_speak():
    assert [json.loads(line)["event"] for line in lines_of("error", as_json=True)] == ["it failed"]
    events = [json.loads(line)["event"] for line in lines_of("debug", as_json=True)]
    assert "too small to tell" in events
    assert "chatter" in events


def test_commands_tell_people_and_leave_out_what_libraries_raise_anyway():
    text = "\n".join(lines_of("info", as_json=False))
    assert "step done" in text
    assert "trouble" not in text
