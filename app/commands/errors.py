"""How a command fails: one message on standard error, and an exit status."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Final, NoReturn

FAILED: Final = 1
USAGE: Final = 2
DEBUG_VARIABLE: Final = "SPRINGTIDE_DEBUG"


class CommandError(Exception):
    """A command can't do what it was asked to; `next_step` says what to do now."""

    def __init__(self, message: str, next_step: str, *, status: int = FAILED) -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step
        self.status = status

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}"


def leave(error: Exception) -> NoReturn:
    """Tells the error and exits: with 2 if what was given is wrong, else with 1."""
    if os.environ.get(DEBUG_VARIABLE, "") not in ("", "0"):
        traceback.print_exception(error)
    else:
        print(f"springtide: {_told(error)}", file=sys.stderr)  # noqa: T201
    sys.exit(_status(error))


def _told(error: Exception) -> str:
    # Errors that know the next step, and settings that name what is wrong, are made to be read.
    if hasattr(error, "next_step") or type(error).__name__ == "SettingsError":
        return str(error)
    if type(error).__name__ == "LogUnavailable":
        return f"{error}. See that the broker runs and answers; `springtide doctor` looks."
    if isinstance(error, ImportError) and (error.name or "").startswith("springtide"):
        return f"This installation lacks {error.name}, or a part of it. Install Springtide again, whole."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}. Correct the path or its permissions."
    return (
        f"Unexpected {type(error).__name__}: {str(error) or 'without a message'}. "
        f"Run it again with {DEBUG_VARIABLE}=1 to see where it comes from."
    )


def _status(error: Exception) -> int:
    if type(error).__name__ == "SettingsError":
        return USAGE
    return int(getattr(error, "status", FAILED))
