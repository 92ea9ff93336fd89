"""Drills: a stack of its own under load, faults on purpose, and the proof that they did no harm.

A drill acts on processes and folders alone, as a machine that fails would, and reads its figures from the
broker, the processes' logs and the HTTP API. Nothing here may be needed by what it drills.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Runs `springtide drill` with these arguments; the exit status: 0 proven, 1 not, 2 wrong usage."""
    from springtide.app.drill.command import run  # noqa: PLC0415

    return run(arguments)


__all__ = ["main"]
