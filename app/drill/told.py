"""Where a drill tells how it goes."""

from __future__ import annotations

from springtide.app.drill.outcome import Outcome


class Told:
    """Where a drill tells how it goes. The base class tells nobody."""

    def fetched(self, what: str, done: int, total: int) -> None:
        """The first fetch of the broker."""

    def stage(self, sentence: str) -> None:
        """What is done from now on."""

    def happened(self, sentence: str) -> None:
        """Something in the stack."""

    def outcome(self, outcome: Outcome) -> None:
        """A fault is over."""

    def read(self, what: str, done: int, total: int) -> None:
        """How far the proof is."""
