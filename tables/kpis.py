"""What operations leaders read, as sums over orders: mergeable, and an order can be taken out again.

An order counts on the day it was placed (UTC), under its region and channel. All of it follows from the
order's row alone, so that a sum kept up to date order by order is the sum over all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, log
from typing import Any, Final

import msgspec

from springtide.codecs.facts import Plan
from springtide.codecs.times import SECOND_US
from springtide.tables.delay import DAY_S, delay, promised_until_s
from springtide.tables.order import Ledger, Order, ledgers

EXACT_MAX: Final = 512
"""Distinct values a spread keeps as they are; beyond it they are rounded to one part in a hundred."""
_GROWTH: Final = log(1.01)
OVER: Final = frozenset(("DELIVERED", "CLOSED", "PARTIALLY_RETURNED", "RETURNED", "CANCELLED", "REJECTED"))
"""Statuses with nothing left to do for the order's way to the customer."""
NEVER_WAS: Final = frozenset(("CANCELLED", "REJECTED"))
AGES: Final = ((0, "0d"), (1, "1d"), (3, "2-3d"), (7, "4-7d"), (30, "8-30d"))
"""(days up to which, name) of an open order's age."""
OLDER: Final = "31d+"


class Spread(msgspec.Struct, array_like=True):
    """Counts by value, whole seconds; `coarse` once there were too many distinct ones."""

    counts: dict[int, int] = {}
    coarse: bool = False

    def add(self, value: int, count: int = 1) -> None:
        """`count` may be negative: what was added before is taken out."""
        key = _rounded(value) if self.coarse else value
        left = self.counts.get(key, 0) + count
        if left:
            self.counts[key] = left
        else:
            self.counts.pop(key, None)
        if not self.coarse and len(self.counts) > EXACT_MAX:
            counts, self.counts, self.coarse = self.counts, {}, True
            for known, times in counts.items():
                self.add(known, times)

    def merge(self, other: Spread) -> None:
        for value, count in other.counts.items():
            self.add(value, count)

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    def quantile(self, part: float) -> float | None:
        """Linear between the two nearest values, so that the quantile at 0.5 is the median; None of none."""
        total = self.count
        if total <= 0:
            return None
        place = part * (total - 1)
        low, high = self._at(int(place)), self._at(ceil(place))
        found = low + (high - low) * (place - int(place))
        return int(found) if found == int(found) else round(found, 3)

    def _at(self, place: int) -> int:
        for value, count in sorted(self.counts.items()):
            place -= count
            if place < 0:
                return value
        raise AssertionError(f"a spread of {self.count} has no value at {place}")


def _rounded(value: int) -> int:
    if -100 <= value <= 100:
        return value
    power = round(log(abs(value)) / _GROWTH)
    return round(1.01**power) * (1 if value > 0 else -1)


class Totals(msgspec.Struct, array_like=True):
    """Sums over orders. `backlog` counts open orders by status and by the day they were placed."""

    orders: int = 0
    cancelled: int = 0
    delivered: int = 0
    promised: int = 0
    """Delivered orders for which somebody had promised a time."""
    kept: int = 0
    perfect: int = 0
    with_exceptions: int = 0
    failed_updates: int = 0
    """Facts about shipments that can't be, by what else is known."""
    cycle_s: Spread = msgspec.field(default_factory=Spread)
    """From receipt to delivery of all."""
    invoice_gap_s: Spread = msgspec.field(default_factory=Spread)
    """From the first shipment to the first invoice."""
    late_s: dict[str, int] = {}
    """Primary cause -> seconds by which delivered orders were late."""
    late_orders: dict[str, int] = {}
    backlog: dict[str, dict[int, int]] = {}

    def merge(self, other: Totals, sign: int = 1) -> None:
        """Adds another's sums, or (-1) takes them out."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + sign * getattr(other, name))
        for name in ("cycle_s", "invoice_gap_s"):
            spread: Spread = getattr(self, name)
            for value, count in getattr(other, name).counts.items():
                spread.add(value, sign * count)
        for cause in other.late_s:
            _count(self.late_s, cause, sign * other.late_s[cause])
            _count(self.late_orders, cause, sign * other.late_orders[cause])
        for status, days in other.backlog.items():
            mine = self.backlog.setdefault(status, {})
            for day, count in days.items():
                _count(mine, day, sign * count)
            if not mine:
                del self.backlog[status]

    @property
    def is_empty(self) -> bool:
        return self.orders == 0


_COUNTS: Final = (
    *("orders", "cancelled", "delivered", "promised", "kept", "perfect"),
    *("with_exceptions", "failed_updates"),
)
_OF_SHIPMENTS: Final = ("scan", "ship", "deliver", "void", "restated", "pick")


def _count(counts: dict[Any, int], key: Any, more: int) -> None:
    left = counts.get(key, 0) + more
    if left:
        counts[key] = left
    else:
        counts.pop(key, None)


def totals_of(order: Order, plan: Plan | None) -> Totals:
    """What one placed order adds."""
    return totals_from(order, plan, ledgers(order))


def totals_from(order: Order, plan: Plan | None, quantities: dict[str, Ledger]) -> Totals:
    """The same where its ledgers are known."""
    found = Totals(orders=1)
    if order.exceptions:
        found.with_exceptions = 1
        found.failed_updates = sum(e.kind.startswith(_OF_SHIPMENTS) for e in order.exceptions)
    shipped_us, invoiced_us = _reached(order, "shipped"), _reached(order, "invoiced")
    if shipped_us is not None and invoiced_us is not None:
        found.invoice_gap_s.add((invoiced_us - shipped_us) // SECOND_US)
    if order.status in NEVER_WAS:
        found.cancelled = 1
        return found
    if order.status not in OVER:
        found.backlog[order.status] = {order.placed_us // SECOND_US // DAY_S: 1}
        return found
    why = delay(order, order.changed_us, plan)
    if why.eta_s is None:
        return found
    found.delivered = 1
    found.cycle_s.add(why.eta_s - order.placed_us // SECOND_US)
    promise_s = promised_until_s(order, 0 if plan is None else plan.transit_s)
    late = promise_s is not None and why.eta_s > promise_s
    if promise_s is not None:
        found.promised = 1
        found.kept = int(not late)
        if late:
            cause = why.primary or "unknown"
            found.late_s[cause] = why.eta_s - promise_s
            found.late_orders[cause] = 1
    found.perfect = int(not late and _is_whole(order, quantities))
    return found


def _is_whole(order: Order, quantities: dict[str, Ledger]) -> bool:
    """Delivered as ordered, nothing cancelled, lost, returned or credited, and nothing that can't be."""
    return not order.exceptions and all(
        ledger.delivered == ledger.ordered and not (ledger.returned or ledger.credited or ledger.lost)
        for ledger in quantities.values()
    )


def _reached(order: Order, name: str) -> int | None:
    milestone = order.milestones.get(name)
    return None if milestone is None or milestone.superseded else milestone.occurred_us


def ages(days: Iterable[tuple[int, int]], today: int) -> dict[str, int]:
    """Age -> orders, of (day placed, orders)."""
    found = dict.fromkeys([*(name for _, name in AGES), OLDER], 0)
    for day, count in days:
        age = max(0, today - day)
        found[next((name for most, name in AGES if age <= most), OLDER)] += count
    return found
