"""What could not be applied, with whom it concerns: dead letters, what can't be of orders, facts that wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import blake2b
from heapq import merge
from itertools import islice
from typing import Any, Final

from springtide.app.view.events import id_of, source_of
from springtide.app.view.parameters import cursor_of
from springtide.app.view.questions import ActionsQuestion, ExceptionsQuestion
from springtide.app.view.world import World
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.cloudevents import TYPE_PREFIX, TYPE_SUFFIX
from springtide.codecs.facts import (
    CATALOG,
    CREDITS,
    FACT_BY_NAME,
    INGRESS_TOPICS,
    INVENTORY,
    INVOICES,
    ORDERS,
    RETURNS,
    SHIPMENTS,
)
from springtide.codecs.letters import DeadLetter, Impact
from springtide.codecs.messages import Fact, decode
from springtide.codecs.times import instant, rfc3339
from springtide.tables.order import Order, OrderException

LOOKED_AT_MAX: Final = 5_000
"""Exceptions looked at for one page."""
CONSEQUENCES: Final = {
    ORDERS: "an order is not what its system says it is",
    INVENTORY: "stock or supply is not what its system says it is",
    SHIPMENTS: "an order's shipment looks less far than it is",
    INVOICES: "an order's invoices or payments look incomplete",
    RETURNS: "an order's return looks less far than it is",
    CREDITS: "a customer's credit or holds are not what the ERP says",
    CATALOG: "a product, place, price or policy is not what the ERP says",
}


Noted = tuple[int, str, dict[str, Any]]
"""(when in microseconds, id, body) of an exception."""


def exceptions_answer(world: World, question: ExceptionsQuestion) -> dict[str, Any]:
    """The newest first, a page of them; it may be short though there are more."""
    after = question.page.after
    found: list[Noted] = []
    looked = 0
    cursor = None
    entries: Iterable[Noted]
    if question.id is not None:
        letter, one = world.letter(question.id), world.noted_as(question.id)
        entries = [_of_letter(letter)] if letter is not None else [] if one is None else [one]
    elif question.order is not None:
        order, _ = world.order(question.order)
        letters = [_of_letter(letter) for letter in world.letters_of_order(question.order)]
        entries = sorted([*letters, *(() if order is None else noted(order))], key=_newest_first)
    else:
        entries = merge(map(_of_letter, world.dead_letters(after)), world.noted(after), key=_newest_first)
    last: tuple[int, str] | None = None
    for at_us, exception_id, body in entries:
        if after is not None and _newest_first((at_us, exception_id, body)) <= (-after[0], after[1]):
            continue
        if len(found) == question.page.limit or looked == LOOKED_AT_MAX:
            cursor = None if last is None else cursor_of(last)
            break
        looked += 1
        last = (at_us, exception_id)
        if _is_wanted(body, question):
            action = world.action_of(exception_id)
            if question.state in ("all", "open" if action is None else action.action):
                body["action"] = None if action is None else action_body(action)
                found.append((at_us, exception_id, body))
    for _, _, body in found:
        _enrich(world, body["impact"])
    return {"exceptions": [body for _, _, body in found], "cursor": cursor}


def actions_answer(world: World, question: ActionsQuestion) -> dict[str, Any]:
    """What was last done about each exception, the newest first."""
    after, limit = question.page.after, question.page.limit
    found = list(islice(world.actions(after), limit + 2))
    if after is not None:
        found = [action for action in found if (instant(action.at), action.id) != after]
    more = len(found) > limit
    last = (instant(found[limit - 1].at), found[limit - 1].id) if more else None
    return {
        "actions": [{"id": action.id, **action_body(action)} for action in found[:limit]],
        "cursor": None if last is None else cursor_of(last),
    }


def _is_wanted(body: dict[str, Any], question: ExceptionsQuestion) -> bool:
    return (
        question.kind in (None, body["kind"])
        and (question.order is None or question.order in body["impact"]["orders"])
        and question.what in (None, body["state"])
        and question.process in (None, body["process"])
        and question.source in (None, body["source"])
        and question.type in (None, body.get("type"))
    )


def action_body(action: ExceptionAction) -> dict[str, Any]:
    """What was done about an exception, as answers show it."""
    return {
        "action": action.action,
        "by": action.by,
        "at": action.at,
        "reason": action.reason,
        "source": action.source,
        "event_id": action.event_id,
        "mended": action.mended,
        "positions": action.positions,
    }


def _of_letter(letter: DeadLetter) -> Noted:
    return instant(letter.at), letter.id, letter_body(letter)


def _newest_first(entry: Noted) -> tuple[int, str]:
    return -entry[0], entry[1]


def noted(order: Order) -> Iterator[Noted]:
    """What can't be of a placed order, or the facts that wait for one that is not; in no order."""
    if order.placed:
        for exception in order.exceptions:
            body = _anomaly(order, exception)
            yield exception.at_us, body["id"], body
    else:
        for body in _waiting(order):
            yield instant(body["at"]), body["id"], body


def letter_body(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter as an exception. Its `id` is its place in the log it came by."""
    process = process_of(letter)
    return {
        "id": letter.id,
        "kind": letter.code,
        "detail": letter.reason,
        "field": letter.field or None,
        "event_id": letter.event_id,
        "source": letter.source,
        "type": letter.event_type,
        "at": letter.at,
        "state": "dead_letter",
        "process": process,
        "impact": _impact(letter.impact, process),
        "place": {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset},
        "value": letter.value,
    }


def exception_body(order: Order, exception: OrderException) -> dict[str, Any]:
    """What can't be of an order, as the order's own answer shows it."""
    return {
        "id": _exception_id(order.order_id, exception.kind, *_named(exception)),
        "kind": exception.kind,
        "detail": exception.detail,
        "event_id": id_of(exception.event_id),
        "source": source_of(exception.event_id),
        "at": rfc3339(exception.at_us),
    }


def _named(exception: OrderException) -> tuple[str, ...]:
    """What tells it from others of its kind; the detail of what is worked out anew may change."""
    return (exception.about,) if exception.about else (exception.event_id, exception.detail)


def _anomaly(order: Order, exception: OrderException) -> dict[str, Any]:
    return exception_body(order, exception) | {
        "state": "anomaly",
        "process": ORDERS,
        "impact": _impact(
            Impact(
                orders=(order.order_id,),
                skus=tuple(dict.fromkeys(line.sku for line in order.lines.values())),
                shipments=tuple(order.shipments),
            ),
            ORDERS,
        ),
    }


def _waiting(order: Order) -> Iterator[dict[str, Any]]:
    """The facts that wait for an order to be placed."""
    for raw in order.waiting:
        message = decode(raw)
        if not isinstance(message, Fact):
            continue
        process = INGRESS_TOPICS[message.origin[0]]
        yield {
            "id": _exception_id(order.order_id, "order_unknown", message.event_id),
            "kind": "order_unknown",
            "detail": f"order {order.order_id} has not been placed; the fact waits for it",
            "event_id": message.id,
            "source": message.source,
            "at": rfc3339(message.time_us),
            "state": "waiting",
            "process": process,
            "impact": _impact(Impact(orders=(order.order_id,)), process),
        }


def _impact(impact: Impact, process: str | None) -> dict[str, Any]:
    body: dict[str, Any] = {name: list(getattr(impact, name)) for name in Impact.__struct_fields__}
    body["consequence"] = CONSEQUENCES.get(process or "")
    return body


def _enrich(world: World, impact: dict[str, Any]) -> None:
    """Whose orders they are, and where they stand."""
    told = []
    for order_id in impact["orders"]:
        order, _ = world.order(order_id)
        if order is not None and order.placed:
            told.append(
                {
                    "order_id": order_id,
                    "status": order.status,
                    "customer_id": order.customer_id,
                    "channel": order.channel,
                    "region": order.sold_in,
                }
            )
            if order.customer_id not in impact["customers"]:
                impact["customers"].append(order.customer_id)
    impact["open_orders"] = told


def process_of(letter: DeadLetter) -> str | None:
    """The ingress topic a letter's event came by or belongs to."""
    if letter.topic in INGRESS_TOPICS:
        return letter.topic
    fact = FACT_BY_NAME.get((letter.event_type or "").removeprefix(TYPE_PREFIX).removesuffix(TYPE_SUFFIX))
    return None if fact is None else fact.topic


def _exception_id(order_id: str, *parts: str) -> str:
    """The same for the same exception, wherever it is asked for."""
    return blake2b("\x00".join((order_id, *parts)).encode(), digest_size=8).hexdigest()
