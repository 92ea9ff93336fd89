"""Invoices, credit memos and payments of a naive order: all that was stated, by its own id; sums are made anew."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from springtide.app.verify.naive_parcel import Stamp
from springtide.codecs import facts as f

Amounts = dict[str, tuple[int, str]]
"""line -> (units, amount)"""


def amounts(lines: Iterable[f.AmountLine]) -> Amounts:
    """By line; of a line that is named more than once, the sum."""
    found: Amounts = {}
    for name in {line.line_id: None for line in lines}:
        parts = [line for line in lines if line.line_id == name]
        money = sum((Decimal(part.amount) for part in parts), Decimal(0))
        found[name] = (sum(part.qty for part in parts), parts[0].amount if len(parts) == 1 else text(money))
    return found


def text(money: Decimal) -> str:
    """With two decimals, or as many more as it needs."""
    shown = f"{money:.9f}".rstrip("0")
    whole, _, fraction = shown.partition(".")
    return f"{whole}.{fraction.ljust(2, '0')}"


class Stated(msgspec.Struct, array_like=True):
    """One telling of an invoice."""

    stamp: Stamp
    lines: Amounts
    total: str
    currency: str


class Bill(msgspec.Struct, array_like=True):
    """An invoice by all its tellings, and all that reverse it. Of different tellings the greater stands."""

    stated: list[Stated] = []
    reversed: list[Stamp] = []

    def counts(self) -> bool:
        return bool(self.stated) and not self.reversed

    def posted(self) -> Stamp | None:
        return min((one.stamp for one in self.stated), default=None)

    def lines(self) -> Amounts:
        found: Amounts = {}
        for one in self.stated:
            for name, (units, amount) in one.lines.items():
                known = found.get(name, (0, "0"))
                if name not in found or (units, Decimal(amount)) > (known[0], Decimal(known[1])):
                    found[name] = (units, amount)
        return found

    def total(self) -> str:
        return max((one.total for one in self.stated), key=Decimal, default="0")

    def currency(self) -> str:
        return min((one.currency for one in self.stated), default="")


class Memo(msgspec.Struct, array_like=True):
    """A credit memo as it was told first; `told` has when it was told, each time."""

    lines: Amounts
    reason: str | None
    restock: bool
    told: list[Stamp]


class Paid(msgspec.Struct, array_like=True):
    """A payment by all its tellings: the greater stands."""

    told: list[tuple[Stamp, str]]

    def amount(self) -> str:
        return max((amount for _, amount in self.told), key=Decimal)

    def worth(self) -> Decimal:
        return Decimal(self.amount())

    def made(self) -> Stamp:
        return min(stamp for stamp, _ in self.told)


class Money(msgspec.Struct, array_like=True):
    """All that was said of an order's money."""

    bills: dict[str, Bill] = {}
    memos: dict[str, Memo] = {}
    captured: dict[str, Paid] = {}
    refunded: dict[str, Paid] = {}

    # --- units ---

    def invoiced(self, line_id: str) -> int:
        return sum(bill.lines().get(line_id, (0,))[0] for bill in self.bills.values() if bill.counts())

    def credited(self, line_id: str, *, lost: bool = False, restock: bool = False) -> int:
        """On memos; `lost`: only on those for lost units, `restock`: only on those that put them back."""
        return sum(
            memo.lines.get(line_id, (0,))[0]
            for memo in self.memos.values()
            if (not lost or memo.reason == "lost") and (not restock or memo.restock)
        )

    def line_ids(self) -> dict[str, None]:
        """Lines that any of it names; an invoice that is reversed names none."""
        found: dict[str, None] = {}
        for bill in self.bills.values():
            if bill.counts():
                found |= dict.fromkeys(bill.lines())
        for memo in self.memos.values():
            found |= dict.fromkeys(memo.lines)
        return found

    # --- axes ---

    def finance(self, shipped: int) -> str:
        """By what is invoiced and not credited against what has shipped, over the whole order."""
        standing = sum(self.invoiced(name) - self.credited(name) for name in self.line_ids())
        if standing == 0:
            return "UNINVOICED"
        if standing < shipped:
            return "PARTIALLY_INVOICED"
        return "RECONCILED" if standing == shipped else f"OVER_INVOICED({standing - shipped})"

    def payment(self, priced: Decimal | None) -> str:
        """`priced`: what the order comes to by its own prices, which is due until there is an invoice."""
        captured = sum((paid.worth() for paid in self.captured.values()), Decimal(0))
        refunded = sum((paid.worth() for paid in self.refunded.values()), Decimal(0))
        bills = [Decimal(bill.total()) for bill in self.bills.values() if bill.counts()]
        given = [Decimal(amount) for memo in self.memos.values() for _, amount in memo.lines.values()]
        due = sum(bills, Decimal(0)) - sum(given, Decimal(0)) if bills else priced
        if captured <= 0:
            return "UNPAID"
        if refunded >= captured:
            return "REFUNDED"
        if due is None or (not bills and due == 0):
            return "PARTIALLY_PAID"
        return "PAID" if captured - refunded >= due else "PARTIALLY_PAID"

    # --- when ---

    def first_invoiced(self) -> Stamp | None:
        return min((b.posted() or (0, 0, "") for b in self.bills.values() if b.counts()), default=None)

    def first_undone(self) -> Stamp | None:
        """Of the invoices that were posted and reversed."""
        undone = (bill.posted() for bill in self.bills.values() if bill.reversed)
        return min((stamp for stamp in undone if stamp is not None), default=None)

    def first_credited(self) -> Stamp | None:
        return min((stamp for memo in self.memos.values() for stamp in memo.told), default=None)

    def first_paid(self) -> Stamp | None:
        """The first fact, by time, after which what was captured covers what was invoiced and not credited until
        then. At one instant invoices come first, then what takes money back, and credit memos last."""
        facts: list[tuple[Stamp, Decimal, Decimal]] = []
        for bill in self.bills.values():
            posted = bill.posted()
            if posted is not None and not bill.reversed:
                facts.append((posted, Decimal(bill.total()), Decimal(0)))
        for memo in self.memos.values():
            worth = sum((Decimal(amount) for _, amount in memo.lines.values()), Decimal(0))
            facts.append((min(memo.told), -worth, Decimal(0)))
        facts += [(p.made(), Decimal(0), p.worth()) for p in self.captured.values()]
        facts += [(p.made(), Decimal(0), -p.worth()) for p in self.refunded.values()]
        facts.sort(key=lambda one: (one[0][0], -one[1], one[2]))
        for count in range(1, len(facts) + 1):
            due = sum((one[1] for one in facts[:count]), Decimal(0))
            paid = sum((one[2] for one in facts[:count]), Decimal(0))
            if any(one[1] > 0 for one in facts[:count]) and paid > 0 and due <= paid:
                return facts[count - 1][0]
        return None

    def picture(self) -> dict[str, Any]:
        return {
            "invoices": {
                name: (
                    bill.lines(),
                    bill.total(),
                    bill.currency(),
                    bill.posted(),
                    min(bill.reversed, default=None),
                )
                for name, bill in self.bills.items()
            },
            "memos": {
                name: (memo.lines, memo.reason, memo.restock, min(memo.told))
                for name, memo in self.memos.items()
            },
            "captured": {name: (paid.amount(), paid.made()) for name, paid in self.captured.items()},
            "refunded": {name: (paid.amount(), paid.made()) for name, paid in self.refunded.items()},
        }
