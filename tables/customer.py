"""What is true of a customer: credit as the ERP states it, holds, and what open orders come to.

Each statement counts by its own time, then sequence, so that a late one changes nothing. Orders tell absolute
amounts; the sums here follow from their rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from springtide.codecs import facts as f
from springtide.codecs.messages import CustomerHold, CustomerOrder
from springtide.tables.money import billionths, decimal

HOLDS_MAX: Final = 200
"""Holds a customer's row keeps; the released ones go first, the longest released before others."""
Stamp: TypeAlias = tuple[int, int, str]
"""(occurred, recorded, event id) of a fact, in microseconds."""


class CreditHold(msgspec.Struct, array_like=True, gc=False):
    """`placed` None: its release was told first, and the hold itself is yet to come."""

    hold_id: str
    placed: Stamp | None = None
    released: Stamp | None = None


class Customer(msgspec.Struct, array_like=True, gc=False):
    """See the module. This row is the `customers` projection too."""

    customer_id: str
    name: str | None = None
    customer_class: str | None = None
    region: str | None = None
    limit: str | None = None
    currency: str | None = None
    exposure: str | None = None
    """As the ERP stated it; None if it never did."""
    holds: dict[str, CreditHold] = {}
    open_orders: int = 0
    open_amount: dict[str, str] = {}
    """Currency -> decimal: price times units wanted and not yet shipped, over the open orders."""
    seq: int = 0
    """Rises with each change that orders must know."""
    stated: dict[str, tuple[int, int]] = {}
    """What was stated last, by kind of statement: (time, sequence)."""
    known: bool = False
    """Whether a fact named this customer; an order alone does not."""
    changed_us: int = 0

    @property
    def concerns_orders(self) -> bool:
        """Whether there is anything that an order must know."""
        return self.seq > 0

    def told_holds(self) -> tuple[CustomerHold, ...]:
        """The holds as orders are told them: all that were placed, released or not."""
        return tuple(
            CustomerHold(hold.hold_id, hold.placed, hold.released)
            for hold in self.holds.values()
            if hold.placed is not None
        )


class OpenOrder(msgspec.Struct, array_like=True, gc=False):
    """What an order of the customer last told. It goes when the order is neither open nor held."""

    request: int
    open: bool
    currency: str
    amount: str


def take_order(customer: Customer, known: OpenOrder | None, told: CustomerOrder) -> OpenOrder | None:
    """The order's row from now on, None if it needs none; the customer's sums change with it."""
    if known is not None and known.open:
        _add(customer, known, -1)
    row = OpenOrder(told.request, told.open, told.currency, told.amount)
    if told.open:
        _add(customer, row, 1)
    return row if told.open or told.held else None


def _add(customer: Customer, row: OpenOrder, sign: int) -> None:
    customer.open_orders += sign
    sums = customer.open_amount
    amount = billionths(sums.get(row.currency, "0")) + sign * billionths(row.amount)
    if amount:
        sums[row.currency] = decimal(amount)
    else:
        sums.pop(row.currency, None)


class CustomerChange(msgspec.Struct, gc=False):
    """One fact applied to one customer. `tells`: whether its orders must be told."""

    customer: Customer
    at_us: int
    recorded_us: int
    event_id: str
    sequence: int = 0
    tells: bool = False

    def apply(self, data: f.Data, code: int) -> None:
        customer = self.customer
        customer.known = True
        customer.changed_us = max(customer.changed_us, self.at_us)
        _APPLY[code](self, data)
        if self.tells:
            customer.seq += 1

    def _is_newest(self, kind: str) -> bool:
        stated = self.customer.stated
        at = (self.at_us, self.sequence)
        if kind in stated and at < tuple(stated[kind]):
            return False
        stated[kind] = at
        return True

    def upserted(self, d: f.CustomerUpserted) -> None:
        customer = self.customer
        if self._is_newest("customer"):
            before = (customer.customer_class, customer.region)
            customer.name, customer.customer_class, customer.region = d.name, d.customer_class, d.region
            self.tells = (d.customer_class, d.region) != before

    def limit_set(self, d: f.CreditLimitSet) -> None:
        if self._is_newest("limit"):
            self.customer.limit, self.customer.currency = d.limit, d.currency

    def exposure_changed(self, d: f.CreditExposureChanged) -> None:
        if self._is_newest("exposure"):
            self.customer.exposure = d.exposure

    def hold_placed(self, d: f.CreditHold) -> None:
        hold = self._hold(d.hold_id)
        stamp = (self.at_us, self.recorded_us, self.event_id)
        if hold.placed is None or stamp < hold.placed:
            hold.placed = stamp
            self.tells = True

    def hold_released(self, d: f.CreditHold) -> None:
        hold = self._hold(d.hold_id)
        stamp = (self.at_us, self.recorded_us, self.event_id)
        if hold.released is None or stamp < hold.released:
            hold.released = stamp
            self.tells = hold.placed is not None

    def _hold(self, hold_id: str) -> CreditHold:
        holds = self.customer.holds
        hold = holds.get(hold_id)
        if hold is None:
            while len(holds) >= HOLDS_MAX:
                del holds[min(holds, key=lambda name: holds[name].released or _NEVER)]
            hold = holds[hold_id] = CreditHold(hold_id)
        return hold


_NEVER: Final[Stamp] = (1 << 62, 0, "")

_HANDLERS: Final[dict[str, Callable[[CustomerChange, Any], None]]] = {
    "customer.upserted": CustomerChange.upserted,
    "credit.limit_set": CustomerChange.limit_set,
    "credit.exposure_changed": CustomerChange.exposure_changed,
    "credit.hold_placed": CustomerChange.hold_placed,
    "credit.hold_released": CustomerChange.hold_released,
}
_APPLY: Final = {f.FACT_BY_NAME[name].code: handler for name, handler in _HANDLERS.items()}
