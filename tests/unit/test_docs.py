"""The pages in docs/ say what is so: their examples run, and what they must name is named."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from springtide.agents.gateway import Gateway
from springtide.agents.topics import DEAD_LETTERS
from springtide.app.engine.metrics import Metrics
from springtide.app.settings import Settings
from springtide.app.simulate import main_simulate, simulate
from springtide.app.standing import StandingActor
from springtide.codecs.cloudevents import Refused, topic_of
from springtide.codecs.facts import FACT_TYPES, ORDERS
from springtide.codecs.records import Record
from springtide.tables.order import Ledger

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = sorted((DOCS / "examples").glob("*.jsonl"))
PAGES = sorted(DOCS.glob("*.md"))
DAY_US = 86_400_000_000
_CONSOLE = re.compile(r"^```console\n\$ (springtide simulate [^\n]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHECKED = re.compile(r"<!-- checked: (.+?) -->\n\n((?:\|.*\n)+)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")

Row = dict[str, str]
"""Heading of the column -> cell."""


def page(name: str) -> str:
    return (DOCS / name).read_text()


def runs() -> list[Any]:
    """(command, what was pasted under it) of each run of `simulate` in the pages."""
    found = [(p.name, *match) for p in PAGES for match in _CONSOLE.findall(p.read_text())]
    return [
        pytest.param(command, output, id=f"{name}-{i}") for i, (name, command, output) in enumerate(found)
    ]


def tables(name: str) -> dict[str, list[Row]]:
    """Tables of a page that are to be checked, by what is to be asked."""
    found = {}
    for asked, table in _CHECKED.findall(page(name)):
        head, _, *rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in table.splitlines()]
        found[asked] = [dict(zip(head, row, strict=True)) for row in rows]
    return found


def answers(text: str) -> Iterator[Any]:
    """JSON values one after the other, however they are broken into lines."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:].lstrip()


def first_lines(path: str, count: str) -> list[str]:
    lines = (DOCS / path).read_text().splitlines()
    assert 1 <= int(count) <= len(lines)
    return lines[: int(count)]


# --- examples run ---


@pytest.mark.parametrize(("command", "output"), runs())
def test_a_pasted_run_of_simulate_is_what_it_prints(
    command: str,
    output: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "docs").symlink_to(DOCS)
    monkeypatch.chdir(tmp_path)  # where no springtide.toml can change what is accepted
    for name in [name for name in os.environ if name.startswith("SPRINGTIDE_")]:
        monkeypatch.delenv(name)
    _, _, log, *options = shlex.split(command)
    assert options[::2] == ["--get"] * (len(options) // 2), "this test runs --get alone"

    assert main_simulate(Path(log), options[1::2], None) == 0

    assert list(answers(output)) == list(answers(capsys.readouterr().out))


def test_each_example_is_run_and_pasted_somewhere() -> None:
    commands = " ".join(command for p in PAGES for command, _ in _CONSOLE.findall(p.read_text()))
    assert EXAMPLES
    assert [path.name for path in EXAMPLES if f"docs/examples/{path.name} " not in commands] == []


@pytest.mark.parametrize(("name", "rows_min"), [("atp.md", 12), ("order-status.md", 14)])
def test_a_table_line_by_line_is_what_simulate_answers(name: str, rows_min: int) -> None:
    ((asked, rows),) = tables(name).items()
    log, path = asked.split()
    assert len(rows) >= rows_min
    for row in rows:
        body = simulate(first_lines(log, row["line"]), [path])[0]
        wanted = {column: cell for column, cell in row.items() if column != "line" and cell}
        told = {
            column: str(
                sum(line[column] for line in body["lines"])
                if "lines" in body and column in Ledger.__struct_fields__
                else body[column]
            )
            for column in wanted
        }
        assert told == wanted, f"after line {row['line']} of {log}"


def test_each_refused_example_is_refused_as_the_table_says() -> None:
    ((asked, rows),) = tables("events.md").items()
    log = asked.split()[-1]
    told = []
    for number, line in enumerate((DOCS / log).read_text().splitlines(), 1):
        event = json.loads(line)
        try:
            topic = topic_of(event["type"])
        except Refused:
            topic = ORDERS
        record = Record(topic, 0, 0, 0, event["subject"].encode(), line.encode())
        sent = StandingActor(Gateway(1), 0, 7 * DAY_US).apply(record)
        (letter,) = [json.loads(message.value or b"") for message in sent if message.topic == DEAD_LETTERS]
        assert all(message.topic == DEAD_LETTERS or message.key == b"" for message in sent), (
            "only ticks go on"
        )
        told.append({"line": str(number), "code": letter["code"], "field": letter["field"]})
    assert told == rows


# --- what must be named ---


def test_operations_names_each_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \|", page("operations.md"), re.MULTILINE))
    wanted = {name: default(field.default) for name, field in Settings.model_fields.items()}
    assert {name: cell.strip("`") for name, cell in rows.items() if name in wanted} == wanted


def default(value: object) -> str:
    """A default as the page writes it."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_events_names_each_type_with_its_sources() -> None:
    text = page("events.md")
    for fact in FACT_TYPES:
        lines = [line for line in text.splitlines() if line.startswith("| `") and f"`{fact.name}`" in line]
        assert any(line.endswith(f"| {', '.join(fact.sources)} |") for line in lines), fact.name


def test_events_names_each_code_of_a_dead_letter() -> None:
    codes: set[str] = set()
    for folder in ("codecs", "agents"):
        for path in (ROOT / folder).glob("*.py"):
            text = path.read_text()
            codes |= set(re.findall(r'Refused\(\s*"([a-z_]+)"', text))
            codes |= set(re.findall(r'dead_letter\(record, "([a-z_]+)"', text))
            codes |= set(re.findall(r'_refuse\([^"]*"([a-z_]+)"', text))
    assert {"missing_field", "step_failed", "order_unknown", "not_authoritative"} <= codes
    assert [code for code in sorted(codes) if f"| `{code}` |" not in page("events.md")] == []


def test_order_status_names_each_kind_of_exception() -> None:
    kinds: set[str] = set()
    for path in (ROOT / "tables").glob("*.py"):
        kinds |= set(re.findall(r'(?:self\.refuse|_found)\(\s*"([a-z_]+)"', path.read_text()))
    assert {"restated_differently", "returned_beyond_delivered"} <= kinds
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in page("order-status.md")] == []


def test_api_names_each_kind_of_problem() -> None:
    kinds: set[str] = set()
    for path in (ROOT / "app/view").glob("*.py"):
        kinds |= set(re.findall(r'Problem\(\s*\d+,\s*"([a-z-]+)"', path.read_text()))
    assert {"unknown-sku", "too-stale", "not-written"} <= kinds
    assert [kind for kind in sorted(kinds) if f"`{kind}`" not in page("api.md")] == []


def test_engine_names_each_metric() -> None:
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in Metrics().registry.collect()
    }
    for path in (ROOT / "app/view").glob("*.py"):
        for name, grows in re.findall(
            r'yield "(springtide_view_\w+)", .*?, (\w+)$', path.read_text(), re.MULTILINE
        ):
            names.add(name + ("_total" if grows == "True" else ""))
    assert {"springtide_steps_total", "springtide_view_lag_seconds"} <= names
    assert [name for name in sorted(names) if f"`{name}`" not in page("engine.md")] == []


# --- links ---


@pytest.mark.parametrize(
    "path", [*PAGES, *sorted(DOCS.glob("quickstart/*.md")), ROOT / "README.md"], ids=lambda path: path.name
)
def test_relative_links_lead_somewhere(path: Path) -> None:
    dead = []
    for link in _LINK.findall(path.read_text()):
        if "://" in link or link.startswith("mailto:"):
            continue
        file, _, heading = link.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (heading and heading not in headings(target)):
            dead.append(link)
    assert dead == []


def headings(path: Path) -> set[str]:
    """The names by which headings of a page are linked to."""
    return {
        re.sub(r"[^\w\- ]", "", text).strip().lower().replace(" ", "-")
        for text in re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    }
