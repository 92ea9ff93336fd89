"""The same answers with no broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    log: Annotated[Path, typer.Argument(metavar="LOG.jsonl", help="Events, a CloudEvent a line.")],
    get: Annotated[
        list[str], typer.Option(metavar="PATH", help="What to ask, as in /v1/atp/SKU; may be repeated.")
    ],
    now: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Stream time of the questions, RFC 3339.")
    ] = None,
) -> None:
    """Apply the events of a file in one process without Kafka, and print what the API would answer."""
    from springtide.app.simulate import main_simulate  # noqa: PLC0415

    raise typer.Exit(main_simulate(log, get, now))
