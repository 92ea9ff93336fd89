"""Logging of every process: structlog on top, the standard library's loggers through the same formatter.

A process that `up` starts writes JSON lines to standard error, a command writes for a person. What is bound
with `structlog.contextvars.bind_contextvars` (a correlation id, an actor) stands in each line of that task.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final

import msgspec
import structlog
from structlog.types import Processor

_NOISY: Final = (
    "aiohttp",
    "aiohttp.access",
    "aiokafka",
    "asyncio",
    "faust",
    "mode",
    "rocksdict",
    "springtide.app.engine.transport",  # Faust's services log under the name of the subclass's module
)
"""Libraries that tell of each of their connections at level info."""
_SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure(level: str = "info", *, json: bool) -> None:
    """Sets up logging of this process, to standard error, from `level` on (debug, info, warning, error).

    `json` gives one object a line with `timestamp, level, logger, event` and what was bound; else lines for
    people. Libraries that talk much are heard from warning on in a process and not at all in a command, which
    tells what they raise; at level debug, from info on.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(json=json)],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(threshold)
    quiet = max(threshold, logging.WARNING) if json else logging.CRITICAL
    if threshold <= logging.DEBUG:
        quiet = logging.INFO
    for name in _NOISY:
        library = logging.getLogger(name)
        library.setLevel(quiet)
        library.handlers.clear()  # Faust brings handlers of its own
        library.propagate = True
    logging.captureWarnings(True)


def _rendering(*, json: bool) -> list[Processor]:
    if json:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_json)]
    return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]


def _json(event: Any, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()
