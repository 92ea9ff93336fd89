"""What comes back of an order, each return by its own id, and where its units are in stock.

A return's units of a line are stated once for each step; the same again is the same, a different count is
shown and the greater stands. What was inspected was received, though nobody said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from springtide.codecs import facts as f

Stamp: TypeAlias = tuple[int, int, str]
"""(occurred, recorded, event id) of a fact; instants in microseconds."""
Units: TypeAlias = dict[str, int]
"""line_id -> units."""


class Return(msgspec.Struct, array_like=True, gc=False):
    """`inspected`: disposition -> units. `places`: line_id -> where it was received. `told`: when each of
    authorized, received, inspected, rejected first occurred."""

    return_id: str
    authorized: Units = {}
    received: Units = {}
    inspected: dict[str, Units] = {}
    places: dict[str, str] = {}
    rejected: str | None = None
    told: dict[str, Stamp] = {}

    def decided(self, line_id: str) -> int:
        """Units of a line that were inspected, whatever came of it."""
        return sum(units.get(line_id, 0) for units in self.inspected.values())

    def back(self) -> Units:
        """Units that are back: received, or inspected though nobody said received."""
        found = dict(self.received)
        for line_id in {line_id: None for units in self.inspected.values() for line_id in units}:
            found[line_id] = max(found.get(line_id, 0), self.decided(line_id))
        return found

    @property
    def is_outstanding(self) -> bool:
        """Authorized, and neither received nor rejected."""
        return "authorized" in self.told and self.told.keys().isdisjoint(
            ("received", "inspected", "rejected")
        )


# --- facts ---


def authorize(one: Return, d: f.ReturnAuthorized, stamp: Stamp) -> list[str]:
    """Takes a fact in. What is wrong, a text for each line that was stated differently before."""
    _note(one, "authorized", stamp)
    return _state(one.authorized, d.lines, f"return {one.return_id}: authorized")


def receive(one: Return, d: f.ReturnReceived, stamp: Stamp) -> list[str]:
    _note(one, "received", stamp)
    for line in d.lines:
        one.places.setdefault(line.line_id, d.location)
    return _state(one.received, d.lines, f"return {one.return_id}: received")


def inspect(one: Return, d: f.ReturnInspected, stamp: Stamp) -> list[str]:
    _note(one, "inspected", stamp)
    wrong: list[str] = []
    for disposition in dict.fromkeys(line.disposition for line in d.lines):
        lines = [line for line in d.lines if line.disposition == disposition]
        known = one.inspected.setdefault(disposition, {})
        wrong += _state(known, lines, f"return {one.return_id}: {disposition}")
    return wrong


def reject(one: Return, d: f.ReturnRejected, stamp: Stamp) -> None:
    if "rejected" not in one.told or stamp < one.told["rejected"]:
        one.rejected = d.reason
    _note(one, "rejected", stamp)


def _note(one: Return, what: str, stamp: Stamp) -> None:
    known = one.told.get(what)
    one.told[what] = stamp if known is None else min(known, stamp)


def _state(
    known: Units, lines: Iterable[f.ReturnAskedLine | f.LineQty | f.InspectedLine], what: str
) -> list[str]:
    stated: Units = {}
    for line in lines:
        stated[line.line_id] = stated.get(line.line_id, 0) + line.qty
    wrong: list[str] = []
    for line_id, units in stated.items():
        before = known.get(line_id, 0)
        if before not in (0, units):
            wrong.append(f"{what} {units} of line {line_id}, before it was {before}; the greater stands")
        known[line_id] = max(before, units)
    return wrong


# --- sums ---


def returned(returns: Mapping[str, Return]) -> Units:
    return _sum(one.back() for one in returns.values())


def sellable(returns: Mapping[str, Return]) -> Units:
    """Units that were found good."""
    return _sum(one.inspected.get("sellable", {}) for one in returns.values())


def restocked(returns: Mapping[str, Return], by_memos: Units) -> Units:
    """Units back for sale: found good, or put back by credit memos, and not twice."""
    found = sellable(returns)
    for line_id, units in by_memos.items():
        found[line_id] = max(found.get(line_id, 0), units)
    return found


def _sum(parts: Iterable[Units]) -> Units:
    found: Units = {}
    for units in parts:
        for line_id, count in units.items():
            found[line_id] = found.get(line_id, 0) + count
    return found


def returns_axis(returns: Mapping[str, Return]) -> str:
    """Of all returns together: how far what is expected back has come."""
    if not returns:
        return "NONE"
    back = decided = expected = 0
    for one in returns.values():
        here = sum(one.back().values())
        back += here
        decided += sum(sum(units.values()) for units in one.inspected.values())
        expected += here if one.rejected is not None else max(here, sum(one.authorized.values()))
    if back == 0:
        return "REJECTED" if all(one.rejected is not None for one in returns.values()) else "AUTHORIZED"
    if back < expected:
        return "PARTIALLY_RECEIVED"
    return "INSPECTED" if decided >= back else "RECEIVED"


# --- stock ---


def moves(
    returns: Mapping[str, Return], by_memos: Units, gone_from: Mapping[str, list[tuple[str, int]]]
) -> Iterator[tuple[str, str, int, int, int]]:
    """(line_id, location, units in quality control, sellable, damaged) that came into stock.

    Units that a memo restocks and no inspection has decided on are taken out of quality control if they are
    there, else they go to where they were shipped from (`gone_from`: line_id -> (location, units) that left).
    What was inspected and has no place where it was received is in no stock yet.
    """
    decided: Units = {}
    for one in returns.values():
        for units in one.inspected.values():
            for line_id, count in units.items():
                decided[line_id] = decided.get(line_id, 0) + count
    left = {line_id: max(0, count - decided.get(line_id, 0)) for line_id, count in by_memos.items()}
    for _, one in sorted(returns.items()):
        for line_id, count in one.back().items():
            place = one.places.get(line_id)
            if place is None:
                continue
            good = one.inspected.get("sellable", {}).get(line_id, 0)
            bad = one.inspected.get("damaged", {}).get(line_id, 0)
            waits = count - one.decided(line_id)
            freed = min(waits, left.get(line_id, 0))
            if freed:
                left[line_id] -= freed
            yield line_id, place, waits - freed, good + freed, bad
    for line_id, wanted in left.items():
        for place, count in gone_from.get(line_id, ()):
            here = min(count, wanted)
            if here:
                wanted -= here  # noqa: PLW2901 - what is left of it
                yield line_id, place, 0, here, 0
