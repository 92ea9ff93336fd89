"""Promises that break: units that ship later than they were first promised, or that nothing covers any more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from springtide.app.view.parameters import cursor_of
from springtide.app.view.questions import AtRiskQuestion
from springtide.app.view.world import Place, World
from springtide.codecs.times import rfc3339
from springtide.tables.calendar import iso
from springtide.tables.kpis import NEVER_WAS
from springtide.tables.order import Ledger, Order, ledgers
from springtide.tables.promise import as_shipped, risk, shown


def at_risk_answer(world: World, question: AtRiskQuestion) -> dict[str, Any]:
    """A page of the promises that break, by rank: who was first in line comes first."""
    found: list[dict[str, Any]] = []
    last: Place | None = None
    for place, order in world.orders_at_risk(question.page.after):
        lines = list(_lines(order, question)) if _is_wanted(order, question) else []
        if not lines:
            continue
        if found and len(found) + len(lines) > question.page.limit:
            assert last is not None
            return {"promises": found, "cursor": cursor_of(last)}
        found += lines
        last = place
    return {"promises": found, "cursor": None}


def breaks(order: Order, quantities: dict[str, Ledger]) -> bool:
    """Whether any promise of an order breaks, by its ledgers."""
    if order.status in NEVER_WAS:
        return False
    return any(risk(line, quantities[line_id].shipped) is not None for line_id, line in order.lines.items())


def _is_wanted(order: Order, question: AtRiskQuestion) -> bool:
    if order.status in NEVER_WAS:
        return False
    return question.region in (None, order.sold_in) and question.channel in (None, order.channel)


def _lines(order: Order, question: AtRiskQuestion) -> Iterator[dict[str, Any]]:
    shipped = {line_id: ledger.shipped for line_id, ledger in ledgers(order).items()}
    for line in order.lines.values():
        if question.sku not in (None, line.sku):
            continue
        broken = risk(line, shipped.get(line.line_id, 0))
        if broken is None:
            continue
        yield {
            "order_id": order.order_id,
            "line_id": line.line_id,
            "sku": line.sku,
            "qty": broken.qty,
            "promised": iso(broken.first_day),
            "date": None if broken.day is None else iso(broken.day),
            "cause": broken.cause,
            "promises": shown(as_shipped(line)),
            "customer_id": order.customer_id,
            "channel": order.channel,
            "region": order.sold_in,
            "priority": order.priority,
            "placed_at": rfc3339(order.placed_us),
            "promised_by": order.promised_by,
        }
