"""Why an order's status is what it is: the rule that holds, those before it that do not, and the facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import msgspec

from springtide.app.standing import Emitted
from springtide.app.view.attribution import Cause, Ledger, Types
from springtide.app.view.events import type_of
from springtide.app.view.explain_atp import BEFORE
from springtide.app.view.replay import Replay
from springtide.app.view.world import Entities, Heard
from springtide.codecs.facts import CATALOG, FACT_TYPES
from springtide.codecs.messages import CustomerHolds, Fact, InboxMessage, Supplied, decode
from springtide.codecs.times import rfc3339
from springtide.tables.order import QUANTITIES, Order, ledgers

RULES: Final = (
    ("REJECTED", "rejected before it was confirmed", ()),
    ("CANCELLED", "nothing is wanted any more: net = ordered - cancelled - lost and credited = 0", ("net",)),
    ("RETURNED", "returned = net", ("returned", "net")),
    ("PARTIALLY_RETURNED", "returned > 0", ("returned",)),
    (
        "CLOSED",
        "delivered = net, finance is RECONCILED (invoiced - credited = shipped > 0), and nothing is open",
        ("delivered", "net", "invoiced", "credited", "shipped"),
    ),
    ("DELIVERED", "delivered = net", ("delivered", "net")),
    ("PARTIALLY_DELIVERED", "delivered > 0", ("delivered",)),
    ("SHIPPED", "shipped = net", ("shipped", "net")),
    ("PARTIALLY_SHIPPED", "shipped > 0", ("shipped",)),
    ("ON_HOLD", "a hold is active and nothing has shipped", ("holds", "shipped")),
    ("IN_FULFILMENT", "released > 0", ("released",)),
    ("ALLOCATED", "allocated = net", ("allocated", "net")),
    ("PARTIALLY_ALLOCATED", "allocated > 0", ("allocated",)),
    ("BACKORDERED", "backordered > 0", ("backordered",)),
    ("CONFIRMED", "it was confirmed", ()),
    ("RECEIVED", "it was received, and nothing else is known", ()),
)
"""(status, rule in words, the quantities it looks at), in their order: the first that holds counts."""
CATALOG_TYPES: Final = frozenset(fact.name for fact in FACT_TYPES if fact.topic == CATALOG)


def explain_order(world: Entities, order: Order) -> dict[str, Any]:
    """The rule and the facts behind a status. Contributions sum exactly to each quantity of each line."""
    lines, facts = _replayed(world, order.order_id)
    whole = _whole(order)
    rules = [
        {"status": status, "text": text, "quantities": {name: whole[name] for name in names}}
        for status, text, names in RULES
    ]
    at = next(n for n, (status, _, _) in enumerate(RULES) if status == order.status)
    holding = rules[at]
    return {
        "order_id": order.order_id,
        "status": order.status,
        "version": order.version,
        "rule": {"name": holding["status"], **holding},
        "rules_before": [{"name": rule["status"], **rule, "holds": False} for rule in rules[:at]],
        "quantities": whole,
        "holds": [
            {"hold_id": hold.hold_id, "reason": hold.reason, "since": rfc3339(hold.since_us)}
            for hold in order.holds.values()
            if hold.released_us is None
        ],
        "facts": facts,
        "lines": [
            {"line_id": line_id, "sku": _sku(order, line_id), "quantities": ledger.body()}
            for line_id, ledger in lines.items()
        ],
    }


def _whole(order: Order) -> dict[str, int]:
    names = (*QUANTITIES, "net")
    found = dict.fromkeys(names, 0)
    for quantities in ledgers(order).values():
        for name in names:
            found[name] += getattr(quantities, name)
    found["holds"] = sum(hold.released_us is None for hold in order.holds.values())
    return found


def _replayed(world: Entities, order_id: str) -> tuple[dict[str, Ledger], list[dict[str, Any]]]:
    """Line -> its quantities with their contributions; and the facts told to the order, once each."""
    key = order_id.encode()
    types = Types(world)
    lines: dict[str, Ledger] = {}
    facts: dict[str, dict[str, Any]] = {}
    placed = Cause("", None, 0)

    def told(_: str, message: InboxMessage | None, __: list[Emitted]) -> None:
        nonlocal placed
        cause = placed  # what time alone brought was brought by what placed the order
        if isinstance(message, Fact):
            cause = Cause(message.event_id, type_of(message), message.time_us)
            if type_of(message) == "order.placed" and not placed.name:
                placed = cause
            facts.setdefault(message.event_id, _fact(message))
        elif isinstance(message, Supplied | CustomerHolds) and message.event_id:
            named = message.event_id
            kind = types.of_sku(message.sku, named) if isinstance(message, Supplied) else None
            cause = Cause(named, kind or types.of_order(order_id, named), message.time_us)
        order = cast(Order | None, replay.work(order_id).get(key))
        if order is not None and order.placed:
            for line_id, quantities in ledgers(order).items():
                figures = {name: getattr(quantities, name) for name in QUANTITIES}
                lines.setdefault(line_id, Ledger()).move(figures, {cause: {}})

    past = world.past_of_order(order_id)
    replay = Replay({order_id: past._replace(heard=_placed_first(past.heard, key))})
    before = cast(Order | None, replay.work(order_id).get(key))
    if before is not None:
        placed = Cause("", BEFORE, past.begin_us)
        for line_id, quantities in ledgers(before).items():
            figures = {name: getattr(quantities, name) for name in QUANTITIES}
            lines.setdefault(line_id, Ledger()).move(figures, {placed: {}})
    replay.run(told)
    return lines, [fact for fact in facts.values() if fact["type"] not in CATALOG_TYPES]


def _placed_first(heard: Sequence[Heard], key: bytes) -> list[Heard]:
    """What waited for the order comes after what placed it, so that each quantity has its own fact."""
    waited: list[Heard] = []
    ordered = list(heard)
    for at, one in enumerate(heard):
        message = decode(one.record.value or b"")
        if one.record.key != key or not isinstance(message, Fact):
            continue
        if type_of(message) == "order.placed":
            others = [other for other in heard[:at] if other.record.key != key]
            ordered = [*others, one, *(other._replace(before_us=one.before_us) for other in waited)]
            ordered += heard[at + 1 :]
            break
        waited.append(one)
    return [
        one._replace(record=msgspec.structs.replace(one.record, offset=n)) for n, one in enumerate(ordered)
    ]


def _fact(message: Fact) -> dict[str, Any]:
    return {
        "event_id": message.id,
        "source": message.source,
        "type": type_of(message),
        "at": rfc3339(message.time_us),
    }


def _sku(order: Order, line_id: str) -> str | None:
    line = order.lines.get(line_id)
    return None if line is None else line.sku
