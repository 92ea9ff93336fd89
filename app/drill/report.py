"""A drill's result as people read it, and as programs do."""

from __future__ import annotations

from typing import Any, Final, Self

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from springtide.app.commands.verdict import show as show_verdict
from springtide.app.drill.outcome import Outcome, by_kind
from springtide.app.drill.push import Pushed
from springtide.app.drill.run import Result
from springtide.app.drill.told import Told

TARGETS_S: Final = {"same": 3.0, "other": 8.0}
"""Seconds within which a worker that was killed is back at work, or another has taken over."""
_WHO: Final = {
    "same": "same worker back",
    "other": "another took over",
    "both": "shared by both",
    "broker": "broker back",
    "view": "view back",
}


class Screen(Told):
    """Tells on standard error: a line for each fault, and what goes on in between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def fetched(self, what: str, done: int, total: int) -> None:
        self._status.update(f"{escape(what)} {done * 100 // total}%" if total else escape(what))

    def stage(self, sentence: str) -> None:
        self._status.update(escape(sentence))
        if not self._console.is_terminal:
            self._line(sentence)

    def happened(self, sentence: str) -> None:
        self._line(f"  - {sentence}")

    def outcome(self, outcome: Outcome) -> None:
        fault, recovered = outcome.fault, outcome.recovered
        who = f"worker {fault.worker} of {fault.workers}"
        came = "NOT BACK" if recovered is None else f"{_WHO[recovered.what]} after {recovered.seconds:.1f} s"
        parts = "" if recovered is None else _parts(recovered.parts)
        self._line(f"{fault.number}. {fault.kind} ({who}): {came}{f' ({parts})' if parts else ''}")
        for told in [*outcome.told, *([outcome.trouble] if outcome.trouble else [])]:
            self._line(f"     {told}")

    def read(self, what: str, done: int, total: int) -> None:
        self._status.update(f"{escape(what)} {done * 100 // total}%" if total else escape(what))

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def show(result: Result, console: Console) -> None:
    """Prints the faults with their times, and the proof."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head, justify in (
        ("fault", "left"),
        ("workers", "right"),
        ("recovery", "left"),
        ("times", "right"),
        ("p50 s", "right"),
        ("max s", "right"),
        ("target s", "right"),
    ):
        table.add_column(head, justify=justify)  # type: ignore[arg-type]
    for (kind, workers, what), seconds in _grouped(result.outcomes).items():
        target = TARGETS_S.get(what) if kind in ("kill", "takeover") else None
        table.add_row(
            kind,
            str(workers),
            _WHO[what],
            str(len(seconds)),
            f"{sorted(seconds)[len(seconds) // 2]:.1f}",
            f"{max(seconds):.1f}",
            "" if target is None else f"< {target:.0f}",
        )
    console.print(table)
    console.print()
    show_verdict(result.verdict)
    compared = result.compared
    console.print(
        f"view: {compared.skus:,} SKUs and {compared.orders:,} orders asked for, {compared.different:,} answers "
        "differ from what the logs say",
        highlight=False,
    )
    for sentence in result.trouble:
        console.print(f"[red]{escape(sentence)}[/]", highlight=False, soft_wrap=True)


def show_pushed(result: Pushed, console: Console) -> None:
    console.print(
        f"{result.changes:,} changes in the log, {result.delivered:,} delivered, {result.repeats:,} of them told "
        f"again, {result.asked['failing'] + result.asked['busy']:,} requests refused; the last came "
        f"{result.settled_s:.0f} s after the load",
        highlight=False,
        soft_wrap=True,
    )
    for sentence in result.trouble:
        console.print(f"[red]{escape(sentence)}[/]", highlight=False, soft_wrap=True)
    console.print(
        "proven: each change came, in order" if result.ok else "[red]not proven[/]", highlight=False
    )


def as_json(result: Result, seed: int) -> dict[str, Any]:
    """The verdict with the faults in it, for JSON."""
    body: dict[str, Any] = msgspec.to_builtins(result.verdict)
    body |= {
        "seed": seed,
        "written": result.written,
        "trouble": result.trouble,
        "recoveries": by_kind(result.outcomes),
        "injected": msgspec.to_builtins(result.outcomes),
        "view": msgspec.to_builtins(result.compared),
        "load_behind_ms_max": round(result.behind_ms_max, 1),
        "drill_seconds": result.seconds,
    }
    return body


def _grouped(outcomes: list[Outcome]) -> dict[tuple[str, int, str], list[float]]:
    found: dict[tuple[str, int, str], list[float]] = {}
    for outcome in outcomes:
        if outcome.recovered is not None:
            key = (str(outcome.fault.kind), outcome.fault.workers, outcome.recovered.what)
            found.setdefault(key, []).append(outcome.recovered.seconds)
    return dict(sorted(found.items()))


def _parts(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in parts.items())
