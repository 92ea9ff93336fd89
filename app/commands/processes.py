"""The kinds of process that `up` starts; on a cluster of machines they are started one by one."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from springtide.app.commands.errors import FAILED
from springtide.app.commands.options import Options, connection_of

if TYPE_CHECKING:
    import asyncio

WORKER_NICE = 5
"""On a machine that also runs the broker and the view, a worker that catches up leaves them the processor."""

Index = Annotated[int, typer.Option(min=0, help="Which one of its kind; each has its own data folder.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Where it answers.")]
LocalBroker = Annotated[
    str | None, typer.Option(metavar="HOST:PORT", help="A broker on this machine, whatever is configured.")
]


def worker(options: Options, index: Index, port: Port, local_broker: LocalBroker = None) -> None:
    """Run one worker: Faust agents and the actors of its partitions. Metrics on loopback at the port."""
    from springtide.app.worker import run_worker  # noqa: PLC0415

    settings = options.settings()
    connection = connection_of(settings) if local_broker is None else settings.connection(local_broker)
    if local_broker is not None:
        os.nice(WORKER_NICE)
    _run(
        settings.log_level,
        lambda stop: run_worker(settings, connection, index=index, stop=stop, metrics_port=port),
    )


def view(options: Options, index: Index, port: Port, local_broker: LocalBroker = None) -> None:
    """Run one view: it follows the projections and answers the HTTP API at the port."""
    from springtide.app.view.server import serve  # noqa: PLC0415

    settings = options.settings()
    connection = connection_of(settings) if local_broker is None else settings.connection(local_broker)
    _run(
        settings.log_level,
        lambda stop: serve(settings, connection, index=index, port=port, stop=stop),
    )


def push(options: Options, index: Index, port: Port, local_broker: LocalBroker = None) -> None:
    """Run one push process: it tells subscribers each status change. Metrics on loopback at the port."""
    from springtide.app.push.run import run_push  # noqa: PLC0415

    settings = options.settings()
    connection = connection_of(settings) if local_broker is None else settings.connection(local_broker)
    if local_broker is not None:
        os.nice(WORKER_NICE)
    _run(
        settings.log_level,
        lambda stop: run_push(settings, connection, index=index, stop=stop, port=port),
    )


def _run(log_level: str, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Until SIGTERM or SIGINT, logging JSON lines."""
    import asyncio  # noqa: PLC0415

    import structlog  # noqa: PLC0415
    import uvloop  # noqa: PLC0415

    from springtide.app.logs import configure  # noqa: PLC0415

    configure(log_level, json=True)

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await work(stop)

    try:
        uvloop.run(until_stopped())
    except Exception as error:
        log = structlog.get_logger("springtide.process")
        told = f"{type(error).__name__}: {error}"
        if hasattr(error, "next_step") or type(error).__name__ == "WorkerFailed":
            log.error("process failed", error=told)  # noqa: TRY400 - its traceback says nothing more
        else:
            log.exception("process failed", error=told)
        raise typer.Exit(FAILED) from None
