"""Benchmarks: programs of the project's folder, which a wheel does not bring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from springtide.app.commands.errors import USAGE, CommandError
from springtide.app.commands.options import AsJson

PASSES_ON: Final = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Arguments that a command does not know go to the program it calls."""
NAMES: Final = (
    "engine",
    "pipeline",
    "hot-sku",
    "latency",
    "http",
    "atp",
    "orders",
    "push",
    "stream",
    "views",
    "recovery",
    "memory",
    "all",
)


def bench(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(NAMES)}.")],
    as_json: AsJson = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes and one round: shows that it runs.")
    ] = False,
) -> None:
    """Measure one kind of work, against peers in the same run. Further options go to the benchmark."""
    if name not in NAMES:
        raise CommandError(
            f"There is no benchmark {name!r}.", f"Name one of {', '.join(NAMES)}.", status=USAGE
        )
    module = name.replace("-", "_")
    root = _project_root()
    if not (root / "benchmarks" / f"{module}.py").is_file():
        raise CommandError(
            f"The benchmark {name} is not at {root / 'benchmarks'}: an installed Springtide does not bring it.",
            "Run it in a checkout of the project, as `uv run springtide bench ...`.",
        )
    arguments = [*context.args, *(["--json"] if as_json else []), *(["--quick"] if quick else [])]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", f"benchmarks.{module}", *arguments], cwd=root, check=False
    )
    # A negative status is the signal that ended it; shells tell it as 128 and more.
    raise typer.Exit(done.returncode if done.returncode >= 0 else 128 - done.returncode)


def _project_root() -> Path:
    import springtide  # noqa: PLC0415

    return Path(springtide.__file__).absolute().parents[1]
