"""Causes of delay, and what of them an order's row has to write down: when units were waited for, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from springtide.codecs.messages import SuppliedLine
from springtide.tables.order import WAITS_MAX, Order, Wait

STAGES: Final = ("allocation", "warehouse", "transit")
OWN: Final = {"allocation": "stock_shortage", "warehouse": "warehouse_backlog", "transit": "carrier_delay"}
"""Stage -> whose time it is while nothing else is the cause."""
CAUSES: Final = (
    "credit_hold",
    "payment_pending",
    "fraud_review",
    "address_problem",
    "data_error",
    "customer_requested",
    "compliance_hold",
    "stock_shortage",
    "supplier_late",
    "allocation_policy",
    "quality_hold",
    "count_discrepancy",
    "location_outage",
    "warehouse_backlog",
    "pick_short",
    "packing_or_label",
    "carrier_pickup_missed",
    "carrier_delay",
    "customs",
    "weather",
    "attempt_failed",
    "damaged_in_transit",
    "lost",
    "return_to_sender",
    "integration_failure",
    "unknown",
)
RANK: Final = {cause: rank for rank, cause in enumerate(CAUSES)}
"""Of several causes at once the one of the lowest rank counts: the upstream gate."""
SHORTAGE: Final = OWN["allocation"]
NOT_DUE: Final = "customer_requested"
_PLAIN: Final = (None, "count_discrepancy")
"""Reasons for which a line is simply short: a count that finds less says why a promise broke, and from then on
the stock is missing as any other is."""


def gate(order: Order) -> str | None:
    """The cause that holds an order up by what its row says now: an open hold, else what it waits for; the
    upstream gate if several do. What happens in a warehouse or on the way is left to `delay`."""
    found: str | None = None
    for hold in order.holds.values():
        if hold.released_us is None and (found is None or RANK[hold.reason] < RANK[found]):
            found = hold.reason
    if found is None and order.waits and order.waits[-1].until_us is None:
        found = order.waits[-1].cause
    return found


def note_wait(order: Order, answers: Iterable[SuppliedLine], at_us: int) -> None:
    """Writes down what the order waits for from `at_us` on, after a SKU's answers were taken in.

    A line that is due and short waits for stock, or for the reason its SKU gave since it became short; one
    that is not due yet waits because it was asked for later. Stretches do not overlap: an answer that is dated
    back moves an end to its stretch's begin at most, and a stretch of no length goes.
    """
    for answer in answers:
        if answer.cause is not None and answer.line_id in order.lines:
            order.lines[answer.line_id].cause = answer.cause
    cause: str | None = None
    sku = ""
    for line in order.lines.values():
        if line.backordered:
            why = SHORTAGE if line.cause in _PLAIN else line.cause
        elif line.allocated < line.open and line.day is not None:
            why = NOT_DUE
        else:
            line.cause = None
            continue
        if cause is None or RANK[why] < RANK[cause]:
            cause, sku = why, line.sku
    waits = order.waits
    if waits and waits[-1].until_us is None:
        last = waits[-1]
        if last.cause == cause:
            return
        last.until_us = max(last.since_us, at_us)
        if last.until_us == last.since_us:
            waits.pop()
    if cause is None:
        return
    since_us = at_us
    if waits and waits[-1].until_us is not None:
        last = waits[-1]
        since_us = max(since_us, waits[-1].until_us)
        if last.cause == cause and last.until_us == since_us:
            last.until_us = None
            return
    waits.append(Wait(since_us, None, cause, sku))
    del waits[:-WAITS_MAX]
