"""What was shipped, invoiced and credited of the orders placed in a month, and what changed against the month
before: in sum, by region and channel, each currency for itself.

Per line, exactly: shipped + over_invoiced - under_invoiced - credited_shipped = invoiced - credited.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from springtide.app.view.mismatches import mismatch, waiting_units
from springtide.app.view.parameters import Page
from springtide.app.view.questions import OrdersQuestion, ReconciliationQuestion
from springtide.app.view.world import Place, World
from springtide.codecs.times import DAY_US
from springtide.tables.money import billionths, decimal
from springtide.tables.order import Order, ledgers

UNITS: Final = (
    *("orders", "open_orders", "open_lines", "shipped", "invoiced", "credited"),
    *("over_invoiced", "under_invoiced", "credited_shipped", "invoice_late", "unpriced_lines"),
)
"""Counts. `open_*`: with a difference that `mismatches` lists; `under_invoiced`: shipped, and on no invoice;
`credited_shipped`: shipped and invoiced, and credited since; `unpriced_lines`: shipped or billed, and in no
amount at a price."""
AMOUNTS: Final = (
    *("shipped_amount", "invoiced_amount", "credited_amount"),
    *("over_invoiced_amount", "under_invoiced_amount", "invoice_late_amount"),
)
"""Units at their line's price; what is invoiced and credited, as invoices and memos say it."""
FIGURES: Final = (*UNITS, *AMOUNTS)

Group: TypeAlias = tuple[str | None, ...]
"""The values of what groups are by, and the currency."""
Figures: TypeAlias = dict[str, int]
"""Counts, and amounts in billionths."""


class Reconciliation:
    """See the module. It takes orders in until `done`, some at a time."""

    def __init__(self, question: ReconciliationQuestion) -> None:
        self._question = question
        self._now: dict[Group, Figures] = {}
        self._before: dict[Group, Figures] = {}
        self._after: Place = (question.month.following.first_day * DAY_US, "")
        self.done = False

    def take(self, world: World, most: int | None = None) -> None:
        """Takes in the next `most` orders or some more, the newest first; all that are left if it is None."""
        month = self._question.month
        begin_us, before_us = month.first_day * DAY_US, month.before.first_day * DAY_US
        end_us = month.following.first_day * DAY_US
        late_days = world.invoice_late_days()
        last = self._after
        found = world.orders(OrdersQuestion(page=Page(self._after)))
        for looked_at, (place, order, now_us) in enumerate(found):
            if place[0] < before_us:
                break
            if most is not None and looked_at >= most and last != self._after:
                self._after = last
                return
            last = place
            if order is not None and order.placed_us < end_us:
                sums = self._now if order.placed_us >= begin_us else self._before
                self._add(sums, order, now_us, late_days)
        self.done = True

    def _add(self, sums: dict[Group, Figures], order: Order, now_us: int, late_days: int | None) -> None:
        own = self._figures(sums, order, order.currency)
        own["orders"] += 1
        waits = waiting_units(order, now_us, late_days)
        differs = False
        for line_id, ledger in ledgers(order).items():
            shipped, invoiced, billed = ledger.shipped, ledger.invoiced, ledger.invoiced - ledger.credited
            if not (shipped or invoiced or billed):
                continue
            differs = differs or billed != shipped
            over, under = max(0, billed - shipped), max(0, shipped - invoiced)
            late = waits.get(line_id, 0)
            own["shipped"] += shipped
            own["invoiced"] += invoiced
            own["credited"] += ledger.credited
            own["over_invoiced"] += over
            own["under_invoiced"] += under
            own["credited_shipped"] += max(0, shipped - billed) - under
            own["invoice_late"] += late
            line = order.lines.get(line_id)
            if line is None or line.price is None:
                own["unpriced_lines"] += 1
                continue
            price = billionths(line.price)
            own["shipped_amount"] += price * shipped
            own["over_invoiced_amount"] += price * over
            own["under_invoiced_amount"] += price * under
            own["invoice_late_amount"] += price * late
        if differs and (told := mismatch(order, now_us, late_days)) is not None:
            own["open_orders"] += 1
            own["open_lines"] += len(told["lines"])
        if order.finance is not None:
            own["credited_amount"] += order.finance.credited_amount()
            for invoice in order.finance.invoices.values():
                if invoice.stands:
                    billed_in = self._figures(sums, order, invoice.currency or order.currency)
                    billed_in["invoiced_amount"] += billionths(invoice.total)

    def _figures(self, sums: dict[Group, Figures], order: Order, currency: str) -> Figures:
        values = {"region": order.sold_in, "channel": order.channel}
        group = (*(values[name] for name in self._question.by), currency)
        found = sums.get(group)
        if found is None:
            found = sums[group] = dict.fromkeys(FIGURES, 0)
        return found

    def body(self) -> dict[str, Any]:
        """The answer, once it is done."""
        question = self._question
        nothing = dict.fromkeys(FIGURES, 0)
        groups = []
        for group in sorted(self._now | self._before, key=lambda names: [name or "" for name in names]):
            now, before = self._now.get(group, nothing), self._before.get(group, nothing)
            change = {name: now[name] - before[name] for name in FIGURES}
            named = dict(zip((*question.by, "currency"), group, strict=True))
            groups.append(named | _shown(now) | {"change": _shown(change)})
        return {
            "month": question.month.name,
            "before": question.month.before.name,
            "by": list(question.by),
            "groups": groups,
        }


def reconciliation_answer(world: World, question: ReconciliationQuestion) -> dict[str, Any]:
    report = Reconciliation(question)
    report.take(world)
    return report.body()


def _shown(figures: Figures) -> dict[str, Any]:
    return {name: decimal(figures[name]) if name in AMOUNTS else figures[name] for name in FIGURES}


def rows(body: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The report as a table: what changed stands in columns of its own."""
    for group in body["groups"]:
        flat = {name: value for name, value in group.items() if name != "change"}
        change = {f"change_{name}": value for name, value in group["change"].items()}
        yield {"month": body["month"], "region": None, "channel": None, **flat, **change}
