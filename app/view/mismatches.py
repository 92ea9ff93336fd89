"""Where finance and the warehouses disagree, by order and line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from springtide.app.view.parameters import cursor_of
from springtide.app.view.questions import MismatchesQuestion
from springtide.app.view.world import Place, World
from springtide.codecs.times import DAY_US, rfc3339
from springtide.tables.finance import finance_axis
from springtide.tables.money import billionths, decimal
from springtide.tables.order import Ledger, Order, in_lines, ledgers

LOOKED_AT_MAX = 1_000
"""Orders looked at for one page; it may then be short, and leads on."""
INVOICE_LATE = "INVOICE_LATE"
UNDER_INVOICED = "UNDER_INVOICED"


def mismatches_answer(world: World, question: MismatchesQuestion) -> dict[str, Any]:
    """A page of the orders whose lines or sums disagree, the newest first. An order counts in the period in
    which it was placed."""
    found: list[dict[str, Any]] = []
    last: Place | None = None
    for looked_at, (place, body) in enumerate(mismatches(world, question, question.page.after)):
        is_full = body is not None and len(found) == question.page.limit
        if last is not None and (looked_at == LOOKED_AT_MAX or is_full):
            return {"mismatches": found, "cursor": cursor_of(last)}
        if body is not None:
            found.append(body)
        last = place
    return {"mismatches": found, "cursor": None}


def mismatches(
    world: World, question: MismatchesQuestion, after: Place | None
) -> Iterator[tuple[Place, dict[str, Any] | None]]:
    """Orders of which finance and the warehouses do not say the same, the newest first, from a place on; None
    where one is not wanted or has no line that disagrees."""
    if after is None and question.to_day is not None:
        after = ((question.to_day + 1) * DAY_US, "")
    late_days = world.invoice_late_days()
    for place, order, now_us in world.orders_billed(after):
        if question.from_day is not None and place[0] < question.from_day * DAY_US:
            return
        is_wanted = order is not None and _is_wanted(order, question)
        yield place, mismatch(order, now_us, late_days) if order is not None and is_wanted else None


def _is_wanted(order: Order, question: MismatchesQuestion) -> bool:
    day = order.placed_us // DAY_US
    return (
        question.region in (None, order.sold_in)
        and question.channel in (None, order.channel)
        and (question.from_day is None or question.from_day <= day)
        and (question.to_day is None or day <= question.to_day)
    )


def mismatch(order: Order, now_us: int, late_days: int | None) -> dict[str, Any] | None:
    """An order's lines that disagree; None if none does. By line: `OVER_INVOICED(n)` where invoiced less
    credited exceeds shipped by n, `INVOICE_LATE` where shipped units wait longer than the policy allows,
    `UNDER_INVOICED(n)` where the order has another line that is over."""
    quantities = ledgers(order)
    whole = Ledger()
    lines: list[dict[str, Any]] = []
    over_all = any(q.invoiced - q.credited > q.shipped for q in quantities.values())
    waits = waiting_units(order, now_us, late_days)
    for line_id, ledger in quantities.items():
        for name in ("shipped", "invoiced", "credited"):
            setattr(whole, name, getattr(whole, name) + getattr(ledger, name))
        difference = ledger.invoiced - ledger.credited - ledger.shipped
        kinds = []
        if difference > 0:
            kinds.append(f"OVER_INVOICED({difference})")
        late = waits.get(line_id, 0)
        if late:
            kinds.append(INVOICE_LATE)
        if difference < 0 and over_all:
            kinds.append(f"{UNDER_INVOICED}({-difference})")
        if kinds:
            lines.append(
                {
                    "line_id": line_id,
                    "sku": None if line_id not in order.lines else order.lines[line_id].sku,
                    "kinds": kinds,
                    "shipped": ledger.shipped,
                    "invoiced": ledger.invoiced,
                    "credited": ledger.credited,
                    "difference": difference,
                    "late_units": late,
                    "amount": _amount(order, line_id, difference),
                }
            )
    if not lines:
        return None
    return {
        "order_id": order.order_id,
        "status": order.status,
        "finance": finance_axis(whole.invoiced, whole.credited, whole.shipped),
        "kinds": sorted({kind.partition("(")[0] for line in lines for kind in line["kinds"]}),
        "shipped": whole.shipped,
        "invoiced": whole.invoiced,
        "credited": whole.credited,
        "difference": whole.invoiced - whole.credited - whole.shipped,
        "customer_id": order.customer_id,
        "channel": order.channel,
        "region": order.sold_in,
        "currency": order.currency,
        "placed_at": rfc3339(order.placed_us),
        "lines": lines,
    }


def _amount(order: Order, line_id: str, difference: int) -> str | None:
    """What the difference comes to at the line's price."""
    line = order.lines.get(line_id)
    return None if line is None or line.price is None else decimal(billionths(line.price) * difference)


def waiting_units(order: Order, now_us: int, late_days: int | None) -> dict[str, int]:
    """Line -> units that shipped longer ago than the policy allows, and that no invoice covers yet. What was
    credited since was invoiced before."""
    if late_days is None:
        return {}
    limit_us = now_us - late_days * DAY_US
    found: dict[str, int] = {}
    long_ago = in_lines(order, _shipped_before(order, limit_us))
    for line_id, ledger in ledgers(order).items():
        late = long_ago.get(line_id, 0) - ledger.invoiced
        if late > 0:
            found[line_id] = late
    return found


def _shipped_before(order: Order, limit_us: int) -> dict[str, int]:
    """Units that left before an instant, by their key in shipments."""
    found: dict[str, int] = {}
    for shipment in order.shipments.values():
        for key, units in shipment.gone().items():
            if shipment.shipped_at.get(key, shipment.times.get("shipped", 0)) < limit_us:
                found[key] = found.get(key, 0) + units
    return found
