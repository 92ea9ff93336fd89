"""What a bench prints: figures beside a peer's, with the target and whether it was met."""

from __future__ import annotations

import re
import sys
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

_TARGET = re.compile(r"^\s*(>=|<=|>|<)\s*([0-9][0-9_,.]*)")


class Figure(msgspec.Struct, frozen=True):
    """One measured value.

    `ratio` is value / peer_value as a plain number, so for a time or a cost a small one is good. `target`
    is for people, such as ">= 40 x" or "< 60 ms"; `met` is None where there is nothing to hold it against.
    """

    name: str
    value: float
    unit: str
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None


class LeftOut(msgspec.Struct, frozen=True):
    """A peer that was not measured, and why."""

    peer: str
    why: str


class Report(msgspec.Struct):
    """All figures of one bench."""

    bench: str
    figures: list[Figure] = []
    left_out: list[LeftOut] = []

    def add(
        self,
        name: str,
        value: float,
        unit: str,
        *,
        target: str | None = None,
        peer: str | None = None,
        peer_value: float | None = None,
    ) -> Figure:
        """Adds a figure. With a `peer_value` the target is held against the ratio, else against the value.

        Naming a peer without its value says it was left out: then a target stays open (`met` is None).
        """
        ratio = value / peer_value if peer_value else None
        judged = value if peer is None else ratio
        met = is_met(target, judged) if target is not None and judged is not None else None
        figure = Figure(name, value, unit, peer, peer_value, ratio, target, met)
        self.figures.append(figure)
        return figure

    def leave_out(self, peer: str, why: str) -> None:
        """Notes a peer that could not be measured here."""
        self.left_out.append(LeftOut(peer, why))

    def to_json(self) -> str:
        """The report as one line: {"bench", "figures": [...], "left_out": [...]}."""
        return msgspec.json.encode(self).decode()

    def print_table(self, console: Console | None = None) -> None:
        """Prints the figures for people, to stdout unless told otherwise."""
        console = console or Console(file=sys.stdout)
        table = Table(title=f"bench {self.bench}")
        table.add_column("figure")
        for title in ("value", "unit", "peer", "peer's value", "ratio", "target", "met"):
            align: Literal["left", "right"] = (
                "right" if title in {"value", "peer's value", "ratio"} else "left"
            )
            table.add_column(title, justify=align)
        for figure in self.figures:
            table.add_row(
                figure.name,
                number(figure.value),
                figure.unit,
                figure.peer or "",
                number(figure.peer_value),
                "" if figure.ratio is None else f"{figure.ratio:.3g} x",
                figure.target or "",
                {True: "[green]yes[/]", False: "[red]no[/]", None: ""}[figure.met],
            )
        console.print(table)
        for left in self.left_out:
            console.print(f"left out: {left.peer}: {left.why}", style="yellow", markup=False)


def is_met(target: str, value: float) -> bool:
    """Whether `value` reaches a target such as ">= 40 x" or "< 10 ms", whose unit is the value's own."""
    found = _TARGET.match(target)
    if found is None:
        raise ValueError(f'The target "{target}" cannot be read: write it as ">= 40 x" or "< 10 ms".')
    bound = float(found[2].replace(",", "").replace("_", ""))
    return {
        ">=": value >= bound,
        "<=": value <= bound,
        ">": value > bound,
        "<": value < bound,
    }[found[1]]


def number(value: float | None) -> str:
    """A number with as many digits as help: 123,456 or 4.56."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
