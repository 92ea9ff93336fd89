"""The leaders' figures as an answer: grouped as asked, from sums by day, region and channel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from springtide.app.view.exceptions import process_of
from springtide.app.view.questions import KpisQuestion
from springtide.app.view.world import Slot, World
from springtide.codecs.facts import INGRESS_TOPICS, INVOICES, ORDERS, SHIPMENTS
from springtide.codecs.letters import DeadLetter
from springtide.codecs.times import DAY_US, instant, rfc3339
from springtide.tables.calendar import iso
from springtide.tables.kpis import Totals, ages
from springtide.tables.order import Order


class _Group:
    def __init__(self) -> None:
        self.totals = Totals()
        self.letters: dict[str, int] = {}


def kpis_answer(world: World, question: KpisQuestion) -> dict[str, Any]:
    """A group for each value of what `by` names, and one of all if it names nothing. An order counts on the
    day it was placed, a dead letter on the day it came."""
    groups: dict[tuple[Any, ...], _Group] = {}
    by = [name for name in question.by if name != "process"]
    for slot, totals in world.totals():
        if _is_within(slot.day, question):
            groups.setdefault(_key(slot, by), _Group()).totals.merge(totals)
    for slot, process, count in world.letter_counts():
        if _is_within(slot.day, question):
            letters = groups.setdefault(_key(slot, by), _Group()).letters
            letters[process] = letters.get(process, 0) + count
    if not by:
        groups.setdefault((), _Group())
    now_us = world.now_us
    bodies = []
    for key, group in sorted(groups.items(), key=lambda item: [str(part) for part in item[0]]):
        named = dict(zip(by, key, strict=True))
        bodies += [named | body for body in _bodies(group, now_us // DAY_US, "process" in question.by)]
    return {
        "by": list(question.by),
        "from": None if question.from_day is None else iso(question.from_day),
        "to": None if question.to_day is None else iso(question.to_day),
        "now": rfc3339(now_us),
        "groups": bodies,
    }


def _bodies(group: _Group, today: int, by_process: bool) -> Iterable[dict[str, Any]]:
    totals, letters = group.totals, group.letters
    of_orders: dict[str, Any] = {
        "orders": totals.orders,
        "cancelled": totals.cancelled,
        "delivered": totals.delivered,
        "cycle_time_s": _spread(totals.cycle_s),
        "backlog": {
            status: {"orders": sum(days.values()), "by_age": ages(days.items(), today)}
            for status, days in sorted(totals.backlog.items())
        },
        "perfect_orders": _share(totals.perfect, totals.delivered),
        "exceptions": _share(totals.with_exceptions, totals.orders),
    }
    of_shipments: dict[str, Any] = {
        "promises_kept": _share(totals.kept, totals.promised),
        "lateness": {
            cause: {"orders": totals.late_orders[cause], "lateness_s": totals.late_s[cause]}
            for cause in sorted(totals.late_s)
        },
        "failed_shipment_updates": totals.failed_updates + letters.get(SHIPMENTS, 0),
    }
    of_invoices: dict[str, Any] = {"shipment_to_invoice_s": _spread(totals.invoice_gap_s)}
    if not by_process:
        told = {process: letters[process] for process in INGRESS_TOPICS if process in letters}
        return [of_orders | of_shipments | of_invoices | {"dead_letters": told}]
    own: dict[str, dict[str, Any]] = {ORDERS: of_orders, SHIPMENTS: of_shipments, INVOICES: of_invoices}
    return [
        {"process": process, **own.get(process, {}), "dead_letters": letters.get(process, 0)}
        for process in INGRESS_TOPICS
        if process in own or process in letters
    ]


def letter_slot(letter: DeadLetter, order: Order | None) -> tuple[Slot, str]:
    """Where a dead letter counts: on the day it came, under the region and channel of the order it names."""
    day = instant(letter.at) // DAY_US
    process = process_of(letter) or "unknown"
    if order is None or not order.placed:
        return Slot(day, None, ""), process
    return Slot(day, order.sold_in, order.channel), process


def _key(slot: Slot, by: list[str]) -> tuple[Any, ...]:
    parts = {"region": slot.region, "channel": slot.channel or None, "day": iso(slot.day)}
    return tuple(parts[name] for name in by)


def _is_within(day: int, question: KpisQuestion) -> bool:
    return (question.from_day is None or question.from_day <= day) and (
        question.to_day is None or day <= question.to_day
    )


def _spread(spread: Any) -> dict[str, Any]:
    return {"count": spread.count, "p50": spread.quantile(0.5), "p90": spread.quantile(0.9)}


def _share(part: int, whole: int) -> dict[str, Any]:
    """`rate` null of nothing."""
    return {"count": part, "of": whole, "rate": round(part / whole, 4) if whole else None}
