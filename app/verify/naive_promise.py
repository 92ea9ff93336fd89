"""A promise that was asked for before the order, as the naive model keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from springtide.app.verify.naive_calendar import ship_day
from springtide.app.verify.naive_line import OrderLine
from springtide.app.verify.naive_ways import Dated
from springtide.codecs import facts as f

Places = Mapping[str, f.LocationUpserted]


class About(msgspec.Struct, array_like=True):
    """How an order, or a question for a promise, is to be served."""

    channel: str = ""
    priority: int = 100
    ship_complete: bool = False
    single: bool = False
    max_splits: int = 0
    sourced: bool = False

    @staticmethod
    def of(channel: str, priority: int, ship_complete: bool, sourcing: f.Sourcing | None) -> About:
        single = sourcing is not None and sourcing.mode == "single"
        most = 0 if sourcing is None else sourcing.max_splits or 0
        return About(channel, priority, ship_complete, single, most, sourcing is not None)


class PromisedLine(msgspec.Struct, array_like=True):
    sku: str
    qty: int
    outcome: str
    promises: tuple[Dated, ...] = ()


def outcome(line: OrderLine, complete: bool, places: Places, now_us: int) -> PromisedLine:
    """What a line that is asked for can have. It is backordered if nothing of it ships on the first day, from
    the one asked for, on which anything does."""
    wanted, promises = line.open(), line.promises
    has = sum(units for _, _, units, _ in promises)
    if has == 0 or (complete and has < wanted):
        return PromisedLine(line.sku, wanted, "refused")
    late = line.day is None or line.backordered > 0
    if line.day is not None and not late:
        first, at = promises[0][:2]
        late = first > ship_day(places.get(at), line.day, now_us)
    if has < wanted:
        name = "partial"
    elif late and not line.allocated:
        name = "backordered"
    else:
        name = "split" if len({(when, at, sku) for when, at, _, sku in promises}) > 1 else "confirmed"
    if line.made is not None and not line.made.kit:  # in units of what ships
        per = {part.sku: part.per for part in line.made.parts}
        promises = tuple((when, at, units * per[sku], sku) for when, at, units, sku in promises)
    return PromisedLine(line.sku, wanted, name, promises)


class Asked(msgspec.Struct, array_like=True):
    """The question and its answer; `kept`: line -> units that are kept for the order to come."""

    key: str
    asked_us: int
    expires_us: int
    event_id: str
    state: str = "asked"
    lines: dict[str, PromisedLine] | None = None
    kept: dict[str, int] = {}

    def picture(self) -> dict[str, Any]:
        lines = {} if self.lines is None else self.lines
        return {
            "asked": (self.key, self.asked_us, self.expires_us, self.event_id),
            "state": self.state,
            "lines": {name: (x.sku, x.qty, x.outcome, x.promises) for name, x in lines.items()},
            "kept": self.kept,
        }
