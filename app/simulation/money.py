"""What the simulated trade says of money: invoices, credit memos, payments, returns, and customers' credit."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, Final

Json = dict[str, Any]
Say = Callable[..., None]
"""(instant, name of the fact, subject, **data)"""
At = Callable[[int], int]
"""An instant at or after another, within the trade."""
CUSTOMERS: Final = ("c1", "c2", "c3")


def of_order(rng: Random, say: Say, at: At, order_id: str, lines: list[Json], placed: int) -> None:
    """Money and returns of one order; some of it before it was placed, some that can't be."""
    chance = rng.random

    def some(units_max: int = 3) -> list[Json]:
        named = rng.sample(lines, rng.randint(1, len(lines)))
        found = [{"line_id": x["line_id"], "qty": rng.choice((x["qty"], units_max))} for x in named]
        return found if chance() < 0.95 else [*found, {"line_id": "9", "qty": 1}]

    def priced() -> list[Json]:
        return [part | {"amount": f"{part['qty']}.50"} for part in some()]

    for n in range(rng.choice((0, 0, 1, 1, 2))):
        name = f"{order_id}-i{n}"
        bill = {"invoice_id": name, "lines": priced(), "total": f"{rng.randint(1, 9)}.50", "currency": "EUR"}
        posted = at(placed)
        say(posted, "invoice.posted", order_id, **bill)
        if chance() < 0.1:  # told again, perhaps otherwise
            again = bill if chance() < 0.5 else bill | {"lines": priced()}
            say(at(posted), "invoice.posted", order_id, **again)
        if chance() < 0.2:
            say(at(0 if chance() < 0.2 else posted), "invoice.reversed", order_id, invoice_id=name)
    for n in range(rng.choice((0, 0, 0, 1, 2))):
        reason = rng.choice((None, "return", "lost", "price", "other"))
        memo = {"memo_id": f"{order_id}-m{n}", "lines": priced(), "reason": reason}
        when = at(placed)
        restock = chance() < 0.3 or None
        say(when, "credit_memo.issued", order_id, **memo, restock=restock)
        if chance() < 0.1:
            say(at(when), "credit_memo.issued", order_id, **memo, restock=restock)
    for n in range(rng.choice((0, 0, 1, 1, 2))):
        way = rng.choice(("captured", "captured", "refunded"))
        say(
            at(placed),
            f"payment.{way}",
            order_id,
            payment_id=f"{order_id}-p{rng.choice((0, n))}",
            amount=f"{rng.randint(1, 12)}.50",
        )
    if chance() < 0.3:
        _return(rng, say, at, order_id, f"{order_id}-r", some, placed)


def _return(
    rng: Random,
    say: Say,
    at: At,
    order_id: str,
    return_id: str,
    some: Callable[..., list[Json]],
    placed: int,
) -> None:
    chance = rng.random
    when = at(placed)
    if chance() < 0.8:
        say(when, "return.authorized", order_id, return_id=return_id, lines=some())
    if chance() < 0.15:
        say(at(when), "return.rejected", order_id, return_id=return_id, reason="no")
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        when = at(when)
        where = rng.choice(("ber", "ber", "muc"))
        say(when, "return.received", order_id, return_id=return_id, location=where, lines=some(2))
    if chance() < 0.6:
        judged = [
            part | {"disposition": rng.choice(("sellable", "damaged", "scrapped"))}
            for part in some(1) + some(1)
        ]
        say(at(when), "return.inspected", order_id, return_id=return_id, lines=judged)


def of_customers(rng: Random, say: Say, at: At) -> None:
    """What the ERP says of customers."""
    for customer in CUSTOMERS:
        chance = rng.random
        if chance() < 0.5:
            say(
                at(0),
                "customer.upserted",
                customer,
                customer_id=customer,
                name=customer.upper(),
                region=rng.choice((None, "south")),
                **{"class": rng.choice((None, "gold"))},
            )
        if chance() < 0.5:
            say(at(0), "credit.limit_set", customer, limit=f"{rng.randint(1, 90)}.00", currency="EUR")
        if chance() < 0.4:
            say(at(0), "credit.exposure_changed", customer, exposure=f"{rng.randint(0, 90)}.00")
        for n in range(rng.choice((0, 0, 1, 2))):
            when = at(0)
            say(when, "credit.hold_placed", customer, hold_id=f"{customer}-h{n}")
            if chance() < 0.7:
                when = at(0 if chance() < 0.1 else when)
                say(when, "credit.hold_released", customer, hold_id=f"{customer}-h{n}")
