"""An order's timeline: every fact about it through all systems, and what followed without one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from springtide.app.view.events import fact_body, id_of, source_of
from springtide.app.view.exceptions import letter_body
from springtide.app.view.world import Past, World
from springtide.codecs.messages import Fact, decode
from springtide.codecs.times import rfc3339
from springtide.tables.order import Milestone, Order

DEAD_LETTERS_MAX = 200


def timeline(world: World, order: Order) -> dict[str, Any]:
    """By `time`, then by when it was recorded. A fact carries the milestones it reached and is `superseded`
    if none of them stands; what was only inferred, or came of another entity's event, is an entry of its own. `from`: since when facts are kept; null: all are."""
    past = world.past_of_order(order.order_id)
    facts = dict(_own(past, order.order_id))
    for subject, fact in world.facts_about(order.order_id, order.correlation):
        facts.setdefault(fact.event_id, (subject, fact))
    stated: dict[str, dict[str, Milestone]] = {}
    entries: list[tuple[tuple[int, int, int], dict[str, Any]]] = []
    for number, (name, milestone) in enumerate(order.milestones.items()):
        if milestone.event_id in facts and not milestone.inferred:
            stated.setdefault(milestone.event_id, {})[name] = milestone
        else:
            key = (milestone.occurred_us, milestone.recorded_us, number)
            entries.append((key, _milestone_body(name, milestone)))
    cancelled = _cancelled(order)
    for number, (name, (subject, fact)) in enumerate(facts.items()):
        reached = stated.get(name, {})
        body = fact_body(subject, fact)
        body["kind"] = "fact"
        body["milestones"] = list(reached)
        body["inferred"] = False
        body["superseded"] = name in cancelled or (
            bool(reached) and all(milestone.superseded for milestone in reached.values())
        )
        entries.append(((fact.time_us, fact.recorded_us, number), body))
    entries.sort(key=lambda entry: entry[0])
    letters = list(islice(world.letters_of_order(order.order_id), DEAD_LETTERS_MAX))
    return {
        "order_id": order.order_id,
        "correlation_id": order.correlation,
        "from": rfc3339(past.begin_us) if past.begin_us else None,
        "facts": [body for _, body in entries],
        "dead_letters": [letter_body(letter) for letter in letters],
    }


def _own(past: Past, order_id: str) -> Iterator[tuple[str, tuple[str, Fact]]]:
    """(name, (subject, fact)) of each fact told to the order, once."""
    key = order_id.encode()
    known: dict[bytes, None] = {}
    for heard in past.heard:
        if heard.record.key != key:
            continue
        message = decode(heard.record.value or b"")
        if isinstance(message, Fact) and message.digest not in known:
            known[message.digest] = None
            yield message.event_id, (order_id, message)


def _milestone_body(name: str, milestone: Milestone) -> dict[str, Any]:
    return {
        "time": rfc3339(milestone.occurred_us),
        "recordedtime": rfc3339(milestone.recorded_us),
        "source": source_of(milestone.event_id),
        "event_id": id_of(milestone.event_id),
        "type": None,
        "kind": "milestone",
        "milestones": [name],
        "inferred": milestone.inferred,
        "superseded": milestone.superseded,
    }


def _cancelled(order: Order) -> dict[str, None]:
    """Names of scans that a correction has cancelled."""
    return {
        scan.event_id: None
        for shipment in order.shipments.values()
        for scan in shipment.scans
        if shipment.is_corrected(scan)
    }
