"""The live view of a stack: a table that is redrawn in a terminal, or a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from springtide.app.up.child import Child
from springtide.app.up.figures import Figures, KindFigures
from springtide.app.up.stack import Stack

_HAPPENINGS_SHOWN: Final = 3
_DOTS: Final = {"running": "green", "waiting": "yellow", "held": "yellow", "ended": "red"}


def frame(stack: Stack, figures: Figures, beside: str = "") -> RenderableType:
    """One picture of the stack; `beside` is a line of what runs along with it."""
    parts: list[RenderableType] = [_processes(stack), _actors(figures), _below(figures)]
    if beside:
        parts.append(Text(beside, style="cyan"))
    parts += [Text(f"- {sentence}", style="yellow") for sentence in stack.happenings[-_HAPPENINGS_SHOWN:]]
    parts.append(Text("Ctrl-C stops it all; the data stays.", style="dim"))
    return Group(*parts)


def line(stack: Stack, figures: Figures, beside: str = "") -> str:
    """The same in one line, for logs."""
    actors = "; ".join(
        f"{kind.kind} {kind.events_per_s:,.0f}/s lag {kind.lag_records:,}"
        f"{'' if kind.transaction_p99_ms is None else f' txn p99 {kind.transaction_p99_ms:.0f} ms'}"
        for kind in figures.kinds
    )
    parts = [
        f"workers {sum(bool(worker.pid) for worker in stack.workers)}/{len(stack.workers)}",
        actors,
        "" if figures.view_lag_ms is None else f"view lag {_ms(figures.view_lag_ms)}",
        f"dead letters {sum(figures.dead_letters.values()):,}",
        *([beside] if beside else []),
    ]
    return " | ".join(part for part in parts if part)


def _processes(stack: Stack) -> RenderableType:
    text = Text()
    broker = stack.broker
    up = broker is None or broker.running
    text.append("● ", style="green" if up else "red")
    text.append(f"broker {stack.bootstrap}   ")
    for child in (*stack.workers, *stack.views, *stack.pushes):
        text.append("● ", style=_DOTS[child.state])
        text.append(f"{child.name}{_about(child)}   ")
    return text


def _about(child: Child) -> str:
    if child.state != "running":
        return f" {child.state}"
    again = f", started {child.starts} times" if child.starts > 1 else ""
    where = f" :{child.port}" if child.kind == "view" else ""
    return f"{where} (pid {child.pid}{again})"


def _actors(figures: Figures) -> RenderableType:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("actor")
    for name in ("here", "events/s", "lag", "waiting", "step size", "txn p50", "txn p99"):
        table.add_column(name, justify="right")
    for kind in figures.kinds:
        table.add_row(*_cells(kind))
    return table


def _cells(kind: KindFigures) -> Sequence[str]:
    here = f"{kind.running}" + (f" +{kind.recovering} recovering" if kind.recovering else "")
    step = "-" if kind.step_records is None else f"{kind.step_records:,.1f}"
    return (
        kind.kind,
        here,
        f"{kind.events_per_s:,.0f}",
        f"{kind.lag_records:,}",
        f"{kind.mailbox_records:,}",
        step,
        _ms(kind.transaction_p50_ms),
        _ms(kind.transaction_p99_ms),
    )


def _below(figures: Figures) -> RenderableType:
    text = Text()
    if figures.view_lag_ms is not None:
        text.append(f"view lag: {_ms(figures.view_lag_ms)}   ")
    total = sum(figures.dead_letters.values())
    codes = ", ".join(f"{code} {count:,}" for code, count in sorted(figures.dead_letters.items()))
    text.append(f"dead letters: {total:,}" + (f" ({codes})" if codes else ""))
    return text


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} ms"
