"""One message applied to one order: when and by what, the milestones it reaches, whom it makes ask."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from springtide.tables.catalog import Goods, Network
from springtide.tables.finance import Stamp
from springtide.tables.order import EXCEPTIONS_MAX, Milestone, Order, OrderException


class Applied(msgspec.Struct, gc=False):
    """One fact applied to one order: what the caller must publish and ask for."""

    order: Order
    at_us: int
    """When the fact occurred."""
    recorded_us: int
    event_id: str
    now_us: int
    """Stream time."""
    sequence: int = 0
    moves: bool = True
    """Whether the fact may change a quantity, a hold or the confirmation: most scans do not."""
    suspect: bool = False
    """Whether what can't be is to be looked for anew."""
    touched: dict[str, None] = {}
    """SKUs that must be asked anew."""
    reached: dict[str, Milestone] = {}
    """Milestones that were added, or whose clocks or marks changed, by name."""
    goods: Mapping[str, Goods] = {}
    """SKU -> what is known of it, of those that orders must know."""
    network: Network | None = None
    """Places; None where nothing depends on their calendars."""
    awaits: bool = False
    """Whether SKUs are to answer though they have nothing new to say."""
    answered: str = ""
    """The SKU whose answer this is, if it is one and says anything new."""
    dated: bool = False
    """Whether promises may have changed."""

    @property
    def stamp(self) -> Stamp:
        return self.at_us, self.recorded_us, self.event_id

    def reach(self, name: str) -> None:
        """Marks a milestone that follows from quantities, once; again only if it was no longer so."""
        known = self.order.milestones.get(name)
        if known is None or known.superseded:
            self._mark(known, name, self.stamp, False)

    def fact(self, name: str, inferred: bool = False, stamp: Stamp | None = None) -> None:
        """Marks a milestone that a fact states, or implies. What is stated replaces what was inferred; of
        several facts the one that occurred first counts, whichever comes first."""
        known = self.order.milestones.get(name)
        if known is not None and not known.superseded:
            if known.inferred == inferred:
                if (self.at_us if stamp is None else stamp[0]) >= known.occurred_us:
                    return
            elif inferred:
                return
        self._mark(known, name, self.stamp if stamp is None else stamp, inferred)

    def stands(
        self, name: str, stamp: Stamp | None, inferred: bool = False, superseded: bool = False
    ) -> None:
        """Marks a milestone as it is worked out from all facts; None if none of them states it (any more)."""
        known = self.order.milestones.get(name)
        if stamp is None:
            self.supersede(name)
        elif known is None or (known.superseded, known.inferred, known.occurred_us) != (
            superseded,
            inferred,
            stamp[0],
        ):
            self._mark(known, name, stamp, inferred, superseded)

    def supersede(self, name: str) -> None:
        known = self.order.milestones.get(name)
        if known is not None and not known.superseded:
            known.superseded = True
            self.reached[name] = known

    def _mark(
        self, known: Milestone | None, name: str, stamp: Stamp, inferred: bool, superseded: bool = False
    ) -> None:
        if known is None:
            known = self.order.milestones[name] = Milestone(*stamp, inferred, superseded)
        else:
            known.occurred_us, known.recorded_us, known.event_id = stamp
            known.inferred, known.superseded = inferred, superseded
        self.reached[name] = known

    def refuse(self, kind: str, detail: str) -> None:
        """Shows what can't be on the order; the oldest go first once there are too many."""
        self.order.exceptions.append(OrderException(kind, detail, self.event_id, self.at_us))
        del self.order.exceptions[:-EXCEPTIONS_MAX]
