"""A verdict as people read it: for `verify`, and for drills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from springtide.app.verify import Verdict


def show(verdict: Verdict) -> None:
    """Prints what was read, what was found, and the first violation with its positions."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    rows: list[tuple[str, int, str]] = [
        ("events", verdict.events, f"{verdict.duplicates:,} of them duplicates"),
        ("dead letters", sum(verdict.dead_letters.values()), _counts(verdict.dead_letters)),
        ("SKUs", verdict.skus, ""),
        ("orders", verdict.orders, f"{verdict.changes:,} changes of status"),
        ("requests", verdict.requests, f"{verdict.answers:,} answers, {verdict.grants:,} grants"),
        ("pending", sum(verdict.pending.values()), _counts(verdict.pending)),
        *([("faults", verdict.faults, "")] if verdict.faults else []),
        ("lost", verdict.lost, ""),
        ("doubled", verdict.doubled, ""),
        ("oversold", verdict.oversold, ""),
        ("wrong", verdict.wrong, _counts(verdict.violations)),
    ]
    for name, count, more in rows:
        table.add_row(name, f"{count:,}", more)
    console.print(table)
    if verdict.recovery_s.p50 is not None and verdict.recovery_s.max is not None:
        console.print(f"recovery: p50 {verdict.recovery_s.p50:.1f} s, max {verdict.recovery_s.max:.1f} s")
    first = verdict.first_violation
    if first is not None:
        console.print(f"\nfirst violation: {first.kind}, {first.check}, {first.entity}", markup=False)
        console.print(f"  {first.detail}", markup=False, soft_wrap=True)
        console.print(f"  at {', '.join(first.positions) or 'no one position'}", markup=False, soft_wrap=True)
    records = sum(verdict.records.values())
    console.print(
        f"{'[green]proven[/]' if verdict.ok else '[red]not proven[/]'} from {records:,} records "
        f"in {verdict.seconds:.1f} s"
        f"{'' if verdict.quiescent else '; events were still on their way, which leaves the last of them out'}"
    )


def _counts(by_name: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(by_name.items()) if count)
