"""The price of a SKU on its lists at an instant."""

from __future__ import annotations

from typing import Any

from springtide.app.view.problems import Problem, shown
from springtide.app.view.questions import PriceQuestion
from springtide.app.view.world import World
from springtide.codecs.times import rfc3339
from springtide.tables.calendar import span_us
from springtide.tables.catalog import Price, Prices, prices_key


def price_answer(world: World, question: PriceQuestion) -> dict[str, Any]:
    """The price in force on each list, or on the one that is asked for: of those that are in force the one
    that began last. Days are in UTC. Problem if the SKU has no price there at all."""
    rows, now_us = world.sku_rows(question.sku)
    prices: Prices | None = rows.get(prices_key(question.sku.encode()))
    at_us = now_us if question.at_us is None else question.at_us
    wanted = question.price_list
    lists = {} if prices is None else {n: p for n, p in prices.lists.items() if wanted in (None, n)}
    if not lists:
        where = "any list" if wanted is None else f"list '{shown(wanted)}'"
        raise Problem(
            404,
            "unknown-price",
            "Unknown price",
            f"No price.set has named SKU '{shown(question.sku)}' on {where}.",
        )
    found = [_body(name, _in_force(of, at_us)) for name, of in sorted(lists.items())]
    body: dict[str, Any] = {"sku": question.sku, "list": wanted, "at": rfc3339(at_us)}
    if wanted is not None:
        body |= found[0]
    return body | {"prices": found}


def _in_force(prices: list[Price], at_us: int) -> Price | None:
    found: tuple[int, Price] | None = None
    for price in prices:
        start, end = span_us(price.valid_from, price.valid_to)
        begins_us = start or 0
        if begins_us <= at_us and (end is None or at_us < end) and (found is None or begins_us >= found[0]):
            found = (begins_us, price)
    return None if found is None else found[1]


def _body(name: str, price: Price | None) -> dict[str, Any]:
    """`amount` null: the list knows the SKU, and has no price in force."""
    return {
        "list": name,
        "amount": None if price is None else price.amount,
        "currency": None if price is None else price.currency,
        "valid_from": None if price is None else price.valid_from,
        "valid_to": None if price is None else price.valid_to,
    }
