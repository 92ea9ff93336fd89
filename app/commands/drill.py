"""Drills: faults on purpose, and the proof that they did no harm."""

from __future__ import annotations

from typing import Final

import typer

PASSES_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""All arguments, `--help` too, go to the program it calls."""


def drill(context: typer.Context) -> None:
    """Load, break things on purpose, and prove that nothing was lost or doubled."""
    from springtide.app.drill import main  # noqa: PLC0415

    raise typer.Exit(main(context.args))
