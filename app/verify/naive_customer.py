"""One customer, as the naive model keeps it: all that was said, from which every figure is made anew."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from springtide.codecs import facts as f
from springtide.codecs.messages import CustomerHold, CustomerHolds, CustomerOrder, Fact

HOLDS_MAX: Final = 200
Stamp = tuple[int, int, str]
"""(occurred, recorded, event id)"""


class CustomerStop(msgspec.Struct):
    """A hold on all of a customer's open orders; each side of it may be told first, and more than once."""

    placed: list[Stamp] = []
    released: list[Stamp] = []

    def told(self, hold_id: str) -> CustomerHold | None:
        """What orders are to know: the earliest of each; nothing before it is placed."""
        if not self.placed:
            return None
        return CustomerHold(hold_id, min(self.placed), min(self.released, default=None))


class NaiveCustomer:
    """See the module. Each method returns the orders that must hear of it."""

    def __init__(self, customer_id: str) -> None:
        self.customer_id = customer_id
        self.said: dict[type[f.Data], list[tuple[int, int, int, Any]]] = {}
        """Kind of statement -> (time, sequence, number, what it says)."""
        self.stops: dict[str, CustomerStop] = {}
        self.orders: dict[str, CustomerOrder] = {}
        """What each order told last that is open, or is held by a hold of the customer."""
        self.seq = 0
        self.known = False
        self.changed_us = 0
        self._facts = 0

    # --- figures ---

    def latest(self, kind: type[f.Data], name: str) -> Any:
        """What was stated with the greatest time, then sequence; of two such the one that came last."""
        said = self.said.get(kind)
        return getattr(max(said, key=lambda one: one[:3])[3], name) if said else None

    def holds(self) -> tuple[CustomerHold, ...]:
        told = (stop.told(hold_id) for hold_id, stop in self.stops.items())
        return tuple(hold for hold in told if hold is not None)

    def open_amounts(self) -> dict[str, Decimal]:
        """Currency -> what its open orders come to; without those that come to nothing."""
        found: dict[str, Decimal] = {}
        for told in self.orders.values():
            if told.open:
                found[told.currency] = found.get(told.currency, Decimal(0)) + Decimal(told.amount)
        return {currency: amount for currency, amount in found.items() if amount}

    def picture(self) -> dict[str, Any]:
        """All that the `customers` projection says of the customer, as plain values."""
        limit = f.CreditLimitSet
        return {
            "customer_id": self.customer_id,
            "name": self.latest(f.CustomerUpserted, "name"),
            "class": self.latest(f.CustomerUpserted, "customer_class"),
            "region": self.latest(f.CustomerUpserted, "region"),
            "limit": self.latest(limit, "limit"),
            "currency": self.latest(limit, "currency"),
            "exposure": self.latest(f.CreditExposureChanged, "exposure"),
            "holds": {
                hold_id: (min(stop.placed, default=None), min(stop.released, default=None))
                for hold_id, stop in self.stops.items()
            },
            "open_orders": sum(told.open for told in self.orders.values()),
            "open_amount": self.open_amounts(),
            "seq": self.seq,
            "known": self.known,
            "changed_us": self.changed_us,
        }

    # --- messages ---

    def fact(self, name: str, data: f.Data, fact: Fact) -> list[tuple[str, CustomerHolds]]:
        self.known = True
        self.changed_us = max(self.changed_us, fact.time_us)
        self._facts += 1
        about = ("customer_class", "region")
        before = [self.latest(f.CustomerUpserted, field) for field in about]
        told = after = None
        if isinstance(data, f.CreditHold):
            stop = self._stop(data.hold_id)
            told = stop.told(data.hold_id)
            stamps = stop.placed if name == "credit.hold_placed" else stop.released
            stamps.append((fact.time_us, fact.recorded_us, fact.event_id))
            after = stop.told(data.hold_id)
        else:
            stated = (fact.time_us, fact.sequence or 0, self._facts, data)
            self.said.setdefault(type(data), []).append(stated)
        if told == after and before == [self.latest(f.CustomerUpserted, field) for field in about]:
            return []
        self.seq += 1
        cause = (fact.time_us, fact.recorded_us, fact.origin, fact.event_id)
        return [(order_id, self._told(*cause)) for order_id in self.orders]

    def order(self, told: CustomerOrder) -> list[tuple[str, CustomerHolds]]:
        """What an order of the customer tells of itself; it hears of all holds when it is first heard of."""
        known = self.orders.get(told.order_id)
        if known is not None and told.request <= known.request:
            return []
        if not told.open and not told.held:
            self.orders.pop(told.order_id, None)
            return []
        self.orders[told.order_id] = told
        if known is not None or self.seq == 0:
            return []
        return [(told.order_id, self._told(told.time_us, told.time_us, told.origin, ""))]

    def _stop(self, hold_id: str) -> CustomerStop:
        if hold_id not in self.stops:
            while len(self.stops) >= HOLDS_MAX:  # the longest released goes
                never = (1 << 62, 0, "")
                ends = {name: min(stop.released, default=never) for name, stop in self.stops.items()}
                del self.stops[min(ends, key=lambda name: ends[name])]
            self.stops[hold_id] = CustomerStop()
        return self.stops[hold_id]

    def _told(
        self, time_us: int, recorded_us: int, origin: tuple[int, int, int], event_id: str
    ) -> CustomerHolds:
        return CustomerHolds(
            self.customer_id,
            self.seq,
            time_us,
            recorded_us,
            origin,
            event_id,
            self.latest(f.CustomerUpserted, "customer_class"),
            self.latest(f.CustomerUpserted, "region"),
            self.holds(),
        )
