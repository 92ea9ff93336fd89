"""The one error of this folder."""

from __future__ import annotations


class StackError(Exception):
    """A stack could not be started, found or kept running.

    `message` says what was wrong and where, `next_step` what to do now. `str()` gives both.
    """

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message, next_step)
        self.message = message
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message} {self.next_step}"
