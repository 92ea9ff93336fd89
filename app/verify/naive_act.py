"""One fact, answer or instant on its way into a naive order: what all kinds of them have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from springtide.app.verify.naive_line import Mark
from springtide.app.verify.naive_order import LIST_MAX, NaiveOrder
from springtide.app.verify.naive_parcel import Stamp
from springtide.codecs import facts as f
from springtide.codecs.letters import StatusChange
from springtide.codecs.messages import CustomerOrder, Demand


class Outcome(msgspec.Struct):
    """What one message must leave in the log."""

    demands: list[tuple[str, Demand]] = []
    """(SKU, request)"""
    changes: list[StatusChange] = []
    accounts: list[tuple[str, CustomerOrder]] = []
    """(customer, what an order means to its credit)"""
    refused: list[tuple[str, str]] = []
    """(id of the ingress record, code) of dead letters."""


class Due(NamedTuple):
    """A milestone as it must stand by all that was told. Standing beats taken back, said beats inferred, and
    of several facts the one that occurred first counts."""

    superseded: bool
    inferred: bool
    stamp: Stamp

    def rank(self) -> tuple[bool, bool, int]:
        return self.superseded, self.inferred, self.stamp[0]


class Act:
    """See the module. `ask` has the SKUs to be asked anew, `reached` the milestones that were added or changed."""

    def __init__(
        self,
        order: NaiveOrder,
        at_us: int,
        recorded_us: int,
        event_id: str,
        now_us: int,
        sequence: int = 0,
        products: Mapping[str, f.ProductUpserted] | None = None,
        places: Mapping[str, f.LocationUpserted] | None = None,
    ) -> None:
        self.order = order
        self.at_us = at_us
        self.recorded_us = recorded_us
        self.event_id = event_id
        self.now_us = now_us
        self.sequence = sequence
        self.products = products or {}
        self.places = places or {}
        self.awaits = False
        """Whether SKUs are to answer though they have nothing new to say."""
        self.heard = False
        """Whether promises were heard, since the lines were stated."""
        self.answered = ""
        """The SKU whose answer this is, if it says anything new."""
        self.ask: dict[str, None] = {}
        self.reached: dict[str, None] = {}

    @property
    def stamp(self) -> Stamp:
        return self.at_us, self.recorded_us, self.event_id

    def mark(self, name: str, due: Due | None) -> None:
        """Brings a milestone to where it must stand; None: nothing states it (any more)."""
        known = self.order.mark(name)
        if known is not None and due is not None:
            if (known.superseded, known.inferred, known.occurred_us) == due.rank():
                return
            known.occurred_us, known.recorded_us, known.event_id = due.stamp
            known.inferred, known.superseded = due.inferred, due.superseded
        elif known is not None:
            if known.superseded:
                return
            known.superseded = True
        elif due is not None:
            self.order.marks.append(Mark(name, *due.stamp, due.inferred, due.superseded))
        else:
            return
        self.reached[name] = None

    def say(self, name: str, stamp: Stamp | None = None) -> None:
        """A milestone that a fact states."""
        said = self.order.said.setdefault(name, [])
        said.append(self.stamp if stamp is None else stamp)
        self.mark(name, Due(False, False, min(said, key=lambda one: one[0])))

    def reach(self, name: str) -> None:
        """A milestone that quantities have come to: once, and again if it was no longer so."""
        known = self.order.mark(name)
        if known is None or known.superseded:
            self.mark(name, Due(False, False, self.stamp))

    def note(self, kind: str) -> None:
        """Something that can't be; the oldest go first once there are too many."""
        self.order.exceptions = [*self.order.exceptions, (kind, self.event_id, self.at_us)][-LIST_MAX:]
