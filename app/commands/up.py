"""`up` and `demo`: a whole Springtide on this machine, in the foreground."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from springtide.app.commands.options import Options

if TYPE_CHECKING:
    from rich.console import Console

    from springtide.app.settings import Settings
    from springtide.app.up.examples import Examples
    from springtide.app.up.stack import Stack

Workers = Annotated[int, typer.Option(min=0, max=64, help="Processes that run the actors.")]
Views = Annotated[int, typer.Option(min=0, max=64, help="Processes that answer the HTTP API.")]
Pushes = Annotated[int, typer.Option(min=0, max=64, help="Processes that tell subscribers.")]
PortOption = Annotated[
    int | None,
    typer.Option(min=0, max=65_535, help="Where the first view answers (8080); 0 takes a free one."),
]
Plain = Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")]

_ANSWER_BYTES_MAX = 65_536
_ONCE_EVENTS = 20_000  # ten seconds at the default rate


def up(
    options: Options,
    workers: Workers = 1,
    views: Views = 1,
    pushes: Pushes = 1,
    port: PortOption = None,
    plain: Plain = False,
) -> None:
    """Start a local Kafka (or use --broker), the workers and the view, and show them live until Ctrl-C."""
    from springtide.app.up.run import run, tell_what_to_ask  # noqa: PLC0415
    from springtide.app.up.stack import Stack  # noqa: PLC0415

    console = _console()
    plain = plain or not console.is_terminal
    told = _teller(console) if plain else None
    stack = Stack(options.settings(port=port), workers, views, pushes=pushes, told=told)
    run(stack, console, plain=plain, ready=lambda: tell_what_to_ask(stack, console))


def demo(
    options: Options,
    workers: Workers = 1,
    views: Views = 1,
    pushes: Pushes = 1,
    port: PortOption = None,
    rate: Annotated[float, typer.Option(min=0.1, metavar="PER_S", help="Events a second.")] = 2_000.0,
    events: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="At most so many events after the opening counts."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=999_999,
            help="This very trade; else the first, or the one after what the folder has seen.",
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option(
            "--once", help=f"Stop when all is written and applied ({_ONCE_EVENTS:,} events without --events)."
        ),
    ] = False,
    exit_after: Annotated[
        float | None, typer.Option(min=0.0, metavar="SECONDS", help="Stop after so long.")
    ] = None,
    plain: Plain = False,
) -> None:
    """Do as `up`, and write a realistic sample trade all the while: 10,000 SKUs in 4 locations."""
    from springtide.app.up.demo import Demo  # noqa: PLC0415
    from springtide.app.up.run import run, tell_what_to_ask  # noqa: PLC0415
    from springtide.app.up.stack import Stack  # noqa: PLC0415

    console = _console()
    plain = plain or not console.is_terminal
    told = _teller(console) if plain else None
    stack = Stack(opened(options.settings(port=port)), workers, views, pushes=pushes, told=told)
    trade = Demo(
        rate_per_s=rate, events_max=_ONCE_EVENTS if once and events is None else events, seed=seed, once=once
    )
    run(
        stack,
        console,
        plain=plain,
        beside=trade,
        exit_after_s=exit_after,
        ready=lambda: tell_what_to_ask(stack, console, trade.examples),
        last=lambda: _answers(stack, console, trade.examples),
    )
    if trade.result is not None:
        from springtide.app.commands.loading import in_words  # noqa: PLC0415

        console.print(in_words(trade.result), highlight=False, soft_wrap=True)


def opened(settings: Settings) -> Settings:
    """The settings of a demo: on this machine alone it asks nobody for a key, and may tell receivers that are
    here too, unless that is set otherwise."""
    from springtide.app.settings import is_loopback  # noqa: PLC0415

    if not is_loopback(settings.host):
        return settings
    for_here = {"access": "open", "push_allow_inside": True}
    unset = {name: value for name, value in for_here.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unset)


def _console() -> Console:
    from rich.console import Console  # noqa: PLC0415

    return Console()


def _teller(console: Console) -> Callable[[str], None]:
    return lambda sentence: console.print(f"- {sentence}", highlight=False, soft_wrap=True)


def _answers(stack: Stack, console: Console, examples: Examples) -> None:
    """Asks what was printed to be asked, and prints the answers."""
    import http.client  # noqa: PLC0415
    import urllib.parse  # noqa: PLC0415

    from springtide.app.up.scrape import connect  # noqa: PLC0415

    if not stack.views:
        return
    address = urllib.parse.urlsplit(stack.view_url)
    for path in (f"/v1/atp/{examples.sku}", f"/v1/orders/{examples.order}"):
        tls = address.scheme == "https"
        connection = connect(address.hostname or "", address.port or 0, 5.0, tls=tls)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read(_ANSWER_BYTES_MAX).decode(errors="replace").strip()
            console.print(f"{path}: {answer.status}\n{body}", highlight=False, markup=False, soft_wrap=True)
        except (OSError, http.client.HTTPException) as error:
            console.print(f"{path}: no answer ({error})", highlight=False, markup=False)
        finally:
            connection.close()
