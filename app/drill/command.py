"""The arguments of `springtide drill`, and how a drill is stopped from outside."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Final, Protocol, TypeVar

import msgspec
import typer
from rich.console import Console

from springtide.app.commands.errors import USAGE, CommandError
from springtide.app.drill.plan import FAULTS_MAX, WORKERS_MAX, Fault, plan, rush_plan, short_plan
from springtide.app.drill.push import PushDrill
from springtide.app.drill.report import Screen, as_json, show, show_pushed
from springtide.app.drill.run import Drill
from springtide.app.logs import configure
from springtide.app.settings import load

T = TypeVar("T")
STOPPED: Final = 130
RUSH_RATE_PER_S: Final = 200.0
RUSH_SKUS: Final = 200
"""The trade that goes on beside a rush."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

commands = typer.Typer(
    name="springtide drill",
    help="Load, break things on purpose, and prove that nothing was lost or doubled.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@commands.callback()
def _drills() -> None:
    """Load, break things on purpose, and prove that nothing was lost or doubled."""


@commands.command("kill")
def kill(
    kills: Annotated[int, typer.Option(min=1, max=FAULTS_MAX, help="How many faults are made.")] = 12,
    seed: Annotated[int, typer.Option(min=0, max=999_999, help="The same seed, the same faults.")] = 1,
    events: Annotated[int, typer.Option(min=0, metavar="N", help="Write at least so many events.")] = 0,
    rate: Annotated[float, typer.Option(min=1.0, metavar="PER_S", help="Events a second.")] = 800.0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=WORKERS_MAX, help="Only with one worker, or only with two; else with both."),
    ] = None,
    skus: Annotated[int, typer.Option(min=1, max=100_000, help="Few make orders compete.")] = 400,
    short: Annotated[
        bool, typer.Option("--short", help="A minute with one fault of each sort, for CI.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new or empty folder, which is kept; else a temporary one."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Kill workers, broker and view under load, stop them, ruin their folders; then prove from the logs that
    nothing was lost, doubled or oversold. Exit status 1 if that fails."""
    faults = short_plan(seed) if short else plan(seed, kills, (1, 2) if workers is None else (workers,))
    _in_folder(
        data,
        lambda folder, console: _drill(folder, faults, console, seed, rate, events, skus, None, json=json),
    )


@commands.command("rush")
def rush(
    orders: Annotated[int, typer.Option(min=1, max=99_999, help="Orders of one unit each.")] = 1_000,
    units: Annotated[int, typer.Option(min=0, max=99_999, help="Units there are.")] = 300,
    promises: Annotated[
        bool, typer.Option("--promises", help="By POST /v1/promises, a repeat under the same key.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, max=999_999, help="The same seed, the same faults.")] = 1,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new or empty folder, which is kept; else a temporary one."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Far more orders than units of one SKU, from 12 producers, some told twice, while workers are killed:
    exactly the units there are must be granted, none twice, to the same orders in every replay of the log."""
    _in_folder(
        data,
        lambda folder, console: _drill(
            folder,
            rush_plan(seed),
            console,
            seed,
            RUSH_RATE_PER_S,
            0,
            RUSH_SKUS,
            (orders, units),
            promises=promises,
            json=json,
        ),
    )


@commands.command("push")
def push(
    down: Annotated[
        float, typer.Option(min=1.0, metavar="SECONDS", help="So long is the receiver gone.")
    ] = 120.0,
    seed: Annotated[int, typer.Option(min=0, max=999_999, help="Of the trade.")] = 1,
    rate: Annotated[float, typer.Option(min=1.0, metavar="PER_S", help="Events a second.")] = 300.0,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A new or empty folder, which is kept; else a temporary one."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """A receiver that is slow, failing, busy and gone, and processes killed meanwhile: each change of each order
    must come to it, in order."""

    def work(folder: Path, console: Console) -> bool:
        settings = load(data_dir=folder, access="open", host="127.0.0.1")  # its own stack, for itself
        configure(settings.log_level, json=False)
        with Screen(console) as screen:
            drill = PushDrill(settings, seed=seed, rate_per_s=rate, down_s=down, told=screen)
            result = _stoppable(drill, drill.run)
        if json:
            sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        else:
            show_pushed(result, Console())
        return result.ok

    _in_folder(data, work)


def _in_folder(data: Path | None, work: Callable[[Path, Console], bool]) -> None:
    """Does the work in a folder that stays if it was named or if something is to be looked into there."""
    if data is not None and data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise CommandError(
            f"The folder {data} is not empty, and a drill ruins what it works on.",
            "Name a new folder with --data, or none for a temporary one.",
            status=USAGE,
        )
    folder = Path(tempfile.mkdtemp(prefix="springtide-drill-")) if data is None else data
    console = Console(stderr=True)
    keep = True
    try:
        proven = work(folder, console)
        keep = data is not None or not proven
    except KeyboardInterrupt:
        keep = data is not None
        raise typer.Exit(STOPPED) from None
    finally:
        if keep:
            console.print(f"its logs and data lie in {folder}", highlight=False, soft_wrap=True)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if not proven:
        raise typer.Exit(1)


def _drill(
    folder: Path,
    faults: list[Fault],
    console: Console,
    seed: int,
    rate: float,
    events: int,
    skus: int,
    rush: tuple[int, int] | None,
    *,
    json: bool,
    promises: bool = False,
) -> bool:
    """Whether all was proven."""
    settings = load(data_dir=folder, access="open", host="127.0.0.1")  # its own stack, for itself
    configure(settings.log_level, json=False)
    with Screen(console) as screen:
        drill = Drill(
            settings,
            faults,
            seed=seed,
            rate_per_s=rate,
            events_min=events,
            skus=skus,
            told=screen,
            rush=rush,
            promises=promises,
        )
        result = _stoppable(drill, drill.run)
    if json:
        sys.stdout.write(msgspec.json.encode(as_json(result, seed)).decode() + "\n")
    else:
        show(result, Console())
    return result.verdict.ok


class _Ends(Protocol):
    ending: bool

    def hurry(self) -> None: ...


def _stoppable(drill: _Ends, work: Callable[[], T]) -> T:
    """Does the work; a signal ends it as Ctrl-C does, one that comes while it ends makes that quick."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if drill.ending:
            drill.hurry()
            return
        drill.ending = True
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        return work()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(arguments: Sequence[str]) -> int:
    """The exit status. Raises what a drill can't go on with."""
    try:
        commands(list(arguments), prog_name="springtide drill")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0
