"""Parts of a naive order: its lines, holds and milestones, and its dealings with SKUs."""

from __future__ import annotations

import msgspec

from springtide.app.verify.naive_parcel import Stamp, Units
from springtide.app.verify.naive_ways import Dated, Makeup
from springtide.codecs.messages import SuppliedLine


class OrderLine(msgspec.Struct, array_like=True):
    sku: str
    ordered: int
    cancelled: int = 0
    requested: str | None = None
    day: int | None = None
    at: str | None = None
    price: str | None = None
    pool: str | None = None
    substitutes_ok: bool = False
    allocated: int = 0
    backordered: int = 0
    cells: Units = {}
    cancel_named: int = 0
    """Units that cancellations named."""
    cancel_told: list[Stamp] = []
    """When cancellations named units of it that were still wanted."""
    left_out: Stamp | None = None
    """When a revision last named it no more."""
    cancel_rest: bool = False
    """A cancellation named all that has not shipped."""
    dropped: bool = False
    """The newest revision names the line no more."""
    cause: str | None = None
    """Why it waits longer than it was told before."""
    made: Makeup | None = None
    promises: tuple[Dated, ...] = ()
    first: list[tuple[int, int]] = []
    """(day, units) as first promised."""

    def skus(self) -> list[str]:
        """What it is had by."""
        return [self.sku] if self.made is None else self.made.skus()

    def to_cancel(self) -> int:
        """Units that facts cancel, shipped or not."""
        return self.ordered if self.cancel_rest or self.dropped else min(self.cancel_named, self.ordered)

    def open(self) -> int:
        return self.ordered - self.cancelled


class Stop(msgspec.Struct, array_like=True):
    """A hold on the order. `reason` is empty while only its release is known."""

    reason: str
    since_us: int
    scope: tuple[str, ...] | None = None
    released: Stamp | None = None
    of_customer: bool = False

    @property
    def released_us(self) -> int | None:
        return None if self.released is None else self.released[0]


class Mark(msgspec.Struct, array_like=True):
    """A milestone."""

    name: str
    occurred_us: int
    recorded_us: int
    event_id: str
    inferred: bool
    superseded: bool = False


class Need(msgspec.Struct, array_like=True):
    request: int = 0
    seq: int = 0
    state: str = "none"
    lines: dict[str, SuppliedLine] = {}
    wanted: int = 0
    """Units that were asked for last."""
