"""The view's HTTP server: one process, from its start to its clean end."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final

import structlog
from aiohttp import web

from springtide.app.broker.connection import BrokerConnection
from springtide.app.engine.log import LogUnavailable
from springtide.app.interpreter import tune
from springtide.app.settings import Settings, SettingsError
from springtide.app.view.edge import FIELD_BYTES_MAX, LINE_BYTES_MAX
from springtide.app.view.follower import BACKOFF_S
from springtide.app.view.protocol import Runner
from springtide.app.view.view import View

CLOSE_S: Final = 5.0
CANCEL_AGAIN_S: Final = 1.0
KEEP_ALIVE_S: Final = 75.0

_log = structlog.get_logger("springtide.view")


async def _following(view: View) -> None:
    """The log, as soon as it is there, and then what follows it."""
    for attempt in count():
        try:
            await view.log.start()
            break
        except LogUnavailable as error:
            view.follower.trouble = str(error)
            _log.warning("the log does not answer", why=str(error))
            await view.log.close()
            await asyncio.sleep(BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)])
    beside = [asyncio.create_task(view.watch.run()), asyncio.create_task(view.keeping.run())]
    if view.gate is not None:
        beside.append(asyncio.create_task(view.gate.run()))
    try:
        await view.follower.run()
    finally:
        await _end(beside, CANCEL_AGAIN_S)


async def _end(tasks: Sequence[asyncio.Task[None]], again_s: float) -> None:
    """Cancels until all have ended: a library that is just given an answer may swallow a cancellation."""
    running: set[asyncio.Task[None]] = set(tasks)
    while running:
        for task in running:
            task.cancel()
        ended, running = await asyncio.wait(running, timeout=again_s)
        for task in ended:
            if not task.cancelled():
                task.exception()  # it is too late for it to matter


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """How the view is known; None: it answers plain http. Raises SettingsError if the files are of no use."""
    if settings.tls_cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"tls_cert_file {settings.tls_cert_file} and tls_key_file {settings.tls_key_file} can't be used: {error}"
        ) from None
    return context


async def serve(
    settings: Settings,
    connection: BrokerConnection,
    *,
    index: int,
    port: int,
    stop: asyncio.Event,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Answers HTTP on `settings.host`:`port` until `stop` is set; several processes may share one port.

    `ready` is told the port once the server listens; whether it has loaded is what `/readyz` says. The rows
    lie in `data_dir/view-<index>`, one process a folder. Raises OSError if the port can't be had.
    """
    tune()
    view = View(settings, connection, index=index)
    runner = Runner(
        view.app(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=CLOSE_S,
        keepalive_timeout=KEEP_ALIVE_S,
        max_line_size=LINE_BYTES_MAX,
        max_field_size=FIELD_BYTES_MAX,
    )
    tasks: list[asyncio.Task[None]] = []
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, port, reuse_port=True, ssl_context=_tls(settings))
        await site.start()
        tasks += [asyncio.create_task(_following(view)), asyncio.create_task(view.intake.run())]
        gc.collect()
        gc.freeze()  # what is here now stays: collections need not go through it again and again
        listening = int(runner.addresses[0][1])
        _log.info("view begins", index=index, host=settings.host, port=listening)
        if ready is not None:
            ready(listening)
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        for task in tasks:
            if task.done():  # neither ends by itself but by a bug, which must not be silent
                task.result()
    finally:
        view.stopping = True
        await runner.cleanup()
        await _end(tasks, 5 * CANCEL_AGAIN_S)  # longer than what these wait for in their turn
        await view.log.close()
        _log.info("view ended", index=index)
