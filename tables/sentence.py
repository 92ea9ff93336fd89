"""A delay in words, as a service agent can read them to a customer.

    Held for credit from 2 to 4 March; waiting for stock of SKU-17 until 8 March; expected on 12 March.

Days are calendar days in UTC. What takes no longer than planned is not told.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from springtide.codecs.facts import Plan
from springtide.codecs.times import EPOCH
from springtide.tables.causes import CAUSES
from springtide.tables.course import course
from springtide.tables.delay import DAY_S, Piece, delay, pieces, promised_day
from springtide.tables.order import Order

_WORDS: Final = {
    "credit_hold": "held for credit",
    "payment_pending": "waiting for payment",
    "fraud_review": "held for a security check",
    "address_problem": "waiting for the right address",
    "data_error": "waiting for its data to be put right",
    "customer_requested": "kept back as asked for",
    "compliance_hold": "held for a compliance check",
    "stock_shortage": "waiting for stock of {sku}",
    "supplier_late": "waiting for a late supply of {sku}",
    "allocation_policy": "waiting for stock of {sku} that is not kept for others",
    "quality_hold": "waiting for a quality check of {sku}",
    "count_discrepancy": "waiting for stock of {sku}, of which a count found less",
    "location_outage": "waiting for stock of {sku} while a location is closed",
    "warehouse_backlog": "waiting in the warehouse",
    "pick_short": "waiting for units that were missing at the shelf",
    "packing_or_label": "waiting to be packed",
    "carrier_pickup_missed": "waiting for the carrier to pick it up",
    "carrier_delay": "delayed by the carrier",
    "customs": "in customs",
    "weather": "held up by weather",
    "attempt_failed": "waiting for another try to deliver it",
    "damaged_in_transit": "damaged on its way",
    "lost": "lost on its way",
    "return_to_sender": "on its way back to the sender",
    "integration_failure": "held up between our systems",
    "unknown": "held up for a reason not known",
}
assert tuple(_WORDS) == CAUSES


def sentence(order: Order, at_us: int, plan: Plan | None = None) -> str:
    """The order's delay as of an instant, what held it in order of time, and when it comes."""
    way = course(order, at_us)
    if way is None:
        return "Nothing is to be delivered."
    found = delay(order, at_us, plan)
    excess = {(s.stage, s.cause) for s in found.segments if s.excess_s > 0}
    told: list[str] = []
    before: Piece | None = None
    for run in _runs([p for p in pieces(way) if p.span is not None or (p.stage, p.cause) in excess]):
        lasts = run.end_s == way.at_s and run.cause == found.cause
        sku = run.span.sku if run.span is not None else ""
        words = _WORDS[run.cause].format(sku=sku or "its items")
        told.append(f"{words} {_when(order, run, lasts, before)}")
        before = run
    if way.is_delivered:
        told.append(f"delivered on {_day(way.until_s)}")
    elif found.eta_s is None:
        told.append("no date yet")
    else:
        told.append(f"expected on {_day(found.eta_s)}")
    whole = "; ".join(told)
    return f"{whole[0].upper()}{whole[1:]}."


def _runs(found: list[Piece]) -> list[Piece]:
    """Neighbours of one cause made one, whatever the stage."""
    runs: list[Piece] = []
    for piece in found:
        last = runs[-1] if runs else None
        if last is not None and last.cause == piece.cause and last.end_s == piece.begin_s:
            runs[-1] = last._replace(end_s=piece.end_s)
        else:
            runs.append(piece)
    return runs


def _when(order: Order, run: Piece, lasts: bool, before: Piece | None) -> str:
    if lasts:
        until = promised_day(order) if run.span is not None and run.span.sku else None
        if until is None or until * DAY_S <= run.end_s:
            return f"since {_day(run.begin_s)}"
        end_s = until * DAY_S
    else:
        end_s = run.end_s
    if before is not None and before.end_s == run.begin_s:
        return f"until {_day(end_s)}"
    first, last = _day(run.begin_s), _day(end_s)
    if first == last:
        return f"on {first}"
    if first.partition(" ")[2] == last.partition(" ")[2]:
        first = first.partition(" ")[0]
    return f"from {first} to {last}"


def _day(at_s: int) -> str:
    at = EPOCH + timedelta(seconds=at_s)
    return f"{at.day} {_MONTHS[at.month - 1]}"


_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
