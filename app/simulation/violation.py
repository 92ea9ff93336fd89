"""What the simulation finds: an invariant of the design that does not hold."""

from __future__ import annotations


class Violation(Exception):  # noqa: N818 - a finding
    """`invariant` is its number in the design, or a word; `detail` says where and what."""

    def __init__(self, invariant: str, detail: str) -> None:
        super().__init__(f"invariant {invariant}: {detail}")
        self.invariant = invariant
        self.detail = detail
