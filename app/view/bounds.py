"""What someone sees who is kept to customers or channels: a world without the others' orders.

An order of others is answered as one that never was, so that nothing is told by the refusal.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import Any

import msgspec

from springtide.app.access.caller import Bound
from springtide.app.view.answers import body_of
from springtide.app.view.figures import Figure, figure_of
from springtide.app.view.gate import not_for_bound
from springtide.app.view.order_answers import placed_order
from springtide.app.view.problems import bad_request
from springtide.app.view.questions import (
    At,
    AtpQuestion,
    ExplainQuestion,
    OrderQuestion,
    OrdersQuestion,
    Question,
)
from springtide.app.view.world import Entities, Past, Place, Slot, World
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.facts import Plan
from springtide.codecs.letters import DeadLetter
from springtide.codecs.messages import Fact
from springtide.tables.customer import Customer
from springtide.tables.kpis import Totals
from springtide.tables.order import Order
from springtide.tables.rows import ReadRows


def body_for(question: Question, world: World, bound: Bound) -> dict[str, Any]:
    """The answer to a question for someone who is bound, or not. Raises Problem."""
    if not bound:
        return body_of(question, world)
    _check(question, bound)
    body = body_of(question, world_for(world, bound))
    return _own_holds(body, bound) if isinstance(question, AtpQuestion) else body


def world_for(world: World, bound: Bound) -> World:
    """What someone sees who is bound, or not."""
    return BoundWorld(world, bound) if bound else world


def bound_figure(question: AtpQuestion | OrderQuestion, world: World, bound: Bound) -> Figure:
    """The same as a figure, made for this one answer. Its body has no `now` of its own: see `Figure`."""
    body = body_for(question, world, bound)
    if isinstance(question, AtpQuestion):
        del body["now"]
    return figure_of(body, None)


def _check(question: Question, bound: Bound) -> None:
    """Problem for what can't be told of some orders alone."""
    if isinstance(question, ExplainQuestion) and question.atp is not None:
        raise not_for_bound("a SKU's figure is made of everybody's orders")
    if isinstance(question, AtpQuestion) and question.exclude_order is not None and bound.customers:
        raise not_for_bound("exclude_order may name an order of others")


def checked_channel(channel: str | None, bound: Bound) -> None:
    """Problem if what is asked for is to be of a channel that is not theirs."""
    if bound.channels and channel not in bound.channels:
        raise bad_request(
            f"The channel has to be one of {', '.join(bound.channels)}, to which the key is bound.",
            "channel",
            "not a channel of the key",
        )


def checked_owner(owner: str | None, bound: Bound) -> None:
    """Problem if a hold is to be somebody else's: who is kept to customers owns holds as these."""
    if bound.customers and owner not in bound.customers:
        raise bad_request(
            f"The owner has to be one of {', '.join(bound.customers)}, to which the key is bound.",
            "owner",
            "not a customer of the key",
        )


def checked_order(world: Entities, order_id: str, bound: Bound) -> None:
    """Problem if there is such an order, and it is somebody else's."""
    order, _ = world.order(order_id)
    if bound and order is not None and order.placed and not bound.sees(order.customer_id, order.channel):
        placed_order(None, order_id)


def _own_holds(body: dict[str, Any], bound: Bound) -> dict[str, Any]:
    """A SKU's answer without the holds and remarks of others. A hold is of its owner and its channel."""
    holds = [hold for hold in body["holds"] if bound.sees(hold["owner"], hold["channel"])]
    fences = [f for f in body.get("fences", ()) if not bound.channels or f["channel"] in bound.channels]
    return body | {"holds": holds, "fences": fences, "notes": []}


class BoundEntities:
    """See the module."""

    def __init__(self, world: Entities, bound: Bound) -> None:
        self._entities = world
        self._bound = bound

    @property
    def now_us(self) -> int:
        return self._entities.now_us

    def sku_rows(self, sku: str) -> tuple[ReadRows, int]:
        return self._entities.sku_rows(sku)

    def order(self, order_id: str) -> tuple[Order | None, int]:
        order, now_us = self._entities.order(order_id)
        return (order if order is not None and self._sees(order) else None), now_us

    def plan(self, order: Order) -> Plan | None:
        return self._entities.plan(order)

    def at(self, at: At) -> Entities:
        return self if at.is_now else BoundEntities(self._entities.at(at), self._bound)

    def past_of_sku(self, sku: str) -> Past:
        return self._entities.past_of_sku(sku)

    def past_of_order(self, order_id: str) -> Past:
        return self._entities.past_of_order(order_id)

    def _sees(self, order: Order) -> bool:
        return order.placed and self._bound.sees(order.customer_id, order.channel)


class BoundWorld(BoundEntities):
    """The same with its lists."""

    def __init__(self, world: World, bound: Bound) -> None:
        super().__init__(world, bound)
        self._world = world

    def customer(self, customer_id: str) -> tuple[Customer | None, int]:
        customer, now_us = self._world.customer(customer_id)
        return (customer if customer_id in self._bound.customers else None), now_us

    def invoice_late_days(self) -> int | None:
        return self._world.invoice_late_days()

    def orders(self, wanted: OrdersQuestion) -> Iterator[tuple[Place, Order | None, int]]:
        bound = self._bound
        if wanted.customer is None and bound.customers:
            of_each = [msgspec.structs.replace(wanted, customer=customer) for customer in bound.customers]
        elif wanted.channel is None and len(bound.channels) == 1:
            of_each = [msgspec.structs.replace(wanted, channel=bound.channels[0])]
        else:
            of_each = [wanted]
        found = [self._world.orders(one) for one in of_each]
        return self._own(merge(*found, key=lambda one: (-one[0][0], one[0][1])))

    def orders_billed(self, after: Place | None) -> Iterator[tuple[Place, Order | None, int]]:
        return self._own(self._world.orders_billed(after))

    def orders_at_risk(self, after: Place | None) -> Iterator[tuple[Place, Order]]:
        return (one for one in self._world.orders_at_risk(after) if self._sees(one[1]))

    def noted(self, after: Place | None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        return (entry for entry in self._world.noted(after) if self._sees_all(entry[2]["impact"]["orders"]))

    def action_of(self, exception_id: str) -> ExceptionAction | None:
        return self._world.action_of(exception_id)

    def actions(self, after: Place | None) -> Iterator[ExceptionAction]:
        return self._world.actions(after)

    def letter(self, letter_id: str) -> DeadLetter | None:
        found = self._world.letter(letter_id)
        return found if found is not None and self._sees_all(found.impact.orders) else None

    def noted_as(self, exception_id: str) -> tuple[int, str, dict[str, Any]] | None:
        found = self._world.noted_as(exception_id)
        return found if found is not None and self._sees_all(found[2]["impact"]["orders"]) else None

    def dead_letters(self, after: Place | None = None) -> Iterator[DeadLetter]:
        return (letter for letter in self._world.dead_letters(after) if self._sees_all(letter.impact.orders))

    def letters_of_order(self, order_id: str) -> Iterator[DeadLetter]:
        return (
            letter
            for letter in self._world.letters_of_order(order_id)
            if self._sees_all(letter.impact.orders)
        )

    def letter_counts(self) -> Iterator[tuple[Slot, str, int]]:
        return (entry for entry in self._world.letter_counts() if self._sums(entry[0]))

    def totals(self) -> Iterator[tuple[Slot, Totals]]:
        return (entry for entry in self._world.totals() if self._sums(entry[0]))

    def facts_about(self, order_id: str, correlation: str | None) -> Iterator[tuple[str, Fact]]:
        return self._world.facts_about(order_id, correlation)

    def _own(
        self, found: Iterator[tuple[Place, Order | None, int]]
    ) -> Iterator[tuple[Place, Order | None, int]]:
        """Places lead on from page to page, and must not name orders of others."""
        last: Place = (-1, "")
        for place, order, now_us in found:
            if order is not None and self._sees(order):
                last = place
                yield place, order, now_us
            else:
                yield (last if last[0] == place[0] else (place[0], "")), None, now_us

    def _sees_all(self, order_ids: tuple[str, ...] | list[str]) -> bool:
        return bool(order_ids) and all(self.order(order_id)[0] is not None for order_id in order_ids)

    def _sums(self, slot: Slot) -> bool:
        if self._bound.customers:
            raise not_for_bound("these sums are not kept by customer")
        return slot.channel in self._bound.channels
