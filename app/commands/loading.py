"""`load`: the sample trade, written to a broker."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from springtide.app.commands.errors import USAGE, CommandError
from springtide.app.commands.options import AsJson, Options, connection_of

if TYPE_CHECKING:
    from springtide.app.trade.load import LoadProgress, LoadResult
    from springtide.app.trade.spec import TradeSpec

Seed = Annotated[int, typer.Option(min=0, max=999_999, help="The same seed, the same trade.")]
Events = Annotated[int | None, typer.Option(min=1, metavar="N", help="At most so many events.")]
Skus = Annotated[int, typer.Option(min=1, max=1_000_000)]
Locations = Annotated[int, typer.Option(min=1, max=16)]


def load(
    options: Options,
    rate: Annotated[
        float | None, typer.Option(metavar="PER_S", help="Events a second; else as fast as it goes.")
    ] = None,
    events: Events = None,
    duration: Annotated[float | None, typer.Option(metavar="SECONDS", help="Stop after so long.")] = None,
    seed: Seed = 1,
    skus: Skus = 10_000,
    locations: Locations = 4,
    opening: Annotated[
        bool, typer.Option(help="Begin with the opening counts, which give the stock there is.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Write a realistic sample trade to the ingress topics. Without a limit, until Ctrl-C."""
    import asyncio  # noqa: PLC0415

    from springtide.app.trade.load import load as write  # noqa: PLC0415

    connection = connection_of(options.settings())
    spec = trade(seed=seed, skus=skus, locations=locations, opening=opening)

    async def run() -> LoadResult:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with _Bar(events, shown=not as_json) as bar:
            return await write(
                connection,
                spec,
                rate_per_s=rate,
                events_max=events,
                duration_s=duration,
                progress=bar.show,
                stop=stop,
            )

    try:
        result = asyncio.run(run())
    except ValueError as error:
        raise CommandError(str(error), "Correct it and run the command again.", status=USAGE) from None
    if as_json:
        import msgspec  # noqa: PLC0415

        typer.echo(msgspec.json.encode(summary(result)).decode())
    else:
        typer.echo(in_words(result))


def trade(**given: Any) -> TradeSpec:
    """The spec, or a CommandError that says what is wrong with it."""
    from springtide.app.trade.spec import TradeSpec  # noqa: PLC0415

    try:
        return TradeSpec(**given)
    except ValueError as error:
        raise CommandError(str(error), "Correct it and run the command again.", status=USAGE) from None


def summary(result: LoadResult) -> dict[str, object]:
    """A load's result, for JSON."""
    return {
        "events": result.events,
        "seconds": round(result.seconds, 3),
        "events_per_s": round(result.events_per_s, 1),
        "per_topic": result.per_topic,
        "broken": result.broken,
        "behind_ms_max": round(result.behind_ms_max, 1),
        "exhausted": result.exhausted,
    }


def in_words(result: LoadResult) -> str:
    """A load's result, for people."""
    topics = ", ".join(f"{name} {count:,}" for name, count in result.per_topic.items())
    broken = sum(result.broken.values())
    return (
        f"{result.events:,} events in {result.seconds:.1f} s ({result.events_per_s:,.0f}/s): {topics}"
        + (f"; {broken:,} of them broken on purpose" if broken else "")
        + (
            f"; late against the schedule by up to {result.behind_ms_max:.0f} ms"
            if result.behind_ms_max > 100
            else ""
        )
    )


class _Bar:
    """A progress bar on standard error."""

    def __init__(self, events: int | None, *, shown: bool) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not shown,
        )
        self._task = self._bars.add_task("writing", total=events)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def show(self, progress: LoadProgress) -> None:
        rate = progress.events / progress.seconds if progress.seconds > 0 else 0.0
        self._bars.update(self._task, completed=progress.events, description=f"writing, {rate:,.0f}/s")
