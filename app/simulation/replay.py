"""The recorded inboxes, applied once more: by actors that stand in memory, one record at a time, no faults.

What they send and hold must be what the faulty installation sent and holds, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.app.engine.log import ActorId
from springtide.app.simulation.stage import Stage
from springtide.app.standing import Emitted, StandingActor
from springtide.codecs.messages import CustomerHolds, CustomerOrder, Demand, Fact, Supplied
from springtide.codecs.records import Record, TopicPartition, partition_for

INBOXES = (INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER)
Watch = Callable[[StandingActor, Record], None]


@dataclass
class Replay:
    """One actor after its inbox: what it holds, and what it sent (ticks left out, they tell of batches)."""

    actor_id: ActorId
    actor: StandingActor
    asked: dict[TopicPartition, list[bytes]] = field(default_factory=dict)
    """Messages to other actors, by inbox partition, in order."""
    told: list[Emitted] = field(default_factory=list)
    """Messages to all other topics, in order."""


def replay(stage: Stage, actor_id: ActorId, watch: Watch) -> Replay:
    """Applies an actor's whole inbox; `watch` sees the actor after each record."""
    behaviour = stage.layout.behaviours[actor_id.kind]
    actor = StandingActor(behaviour, actor_id.partition, stage.retention_us)
    found = Replay(actor_id, actor)
    inboxes = stage.layout.inbox_partitions
    (place,) = stage.layout.inputs[actor_id]
    for record in stage.log.records(place):
        for sent in actor.apply(record):
            if sent.topic not in INBOXES:
                found.told.append(sent)
            elif sent.key:
                to = (sent.topic, partition_for(sent.key, inboxes))
                found.asked.setdefault(to, []).append(sent.value or b"")
        watch(actor, record)
    return found


def asked_in_fact(stage: Stage, actor_id: ActorId) -> dict[TopicPartition, list[bytes]]:
    """What an actor really sent to other actors, as it stands in their inboxes."""
    inboxes = stage.layout.inbox_partitions
    found: dict[TopicPartition, list[bytes]] = {}
    for place, messages in stage.messages().items():
        for record, message in messages:
            if isinstance(message, Supplied):
                kind, sender = "sku", message.sku
            elif isinstance(message, Demand | CustomerOrder):
                kind, sender = "order", message.order_id
            elif isinstance(message, CustomerHolds):
                kind, sender = "customer", message.customer_id
            else:
                continue
            if (
                kind == actor_id.kind
                and partition_for(sender.encode(), inboxes) == actor_id.partition
                and (record.topic, record.partition, record.offset) not in stage.poison
            ):
                found.setdefault(place, []).append(record.value or b"")
    return found


def new_facts(stage: Stage, place: TopicPartition) -> tuple[dict[bytes, int], int]:
    """(facts to be applied by entity, duplicates) of an inbox, by the definition: the same source and id
    again within the window of stream time is a duplicate."""
    slice_us = max(1, stage.retention_us // 256)
    now = 0
    seen: dict[tuple[str, str, bytes], int] = {}
    applied: dict[bytes, int] = {}
    duplicates = 0
    for record, message in stage.messages()[place]:
        if (record.topic, record.partition, record.offset) in stage.poison or message is None:
            continue
        now = max(now, message.time_us)
        if isinstance(message, Fact):
            key = record.key or b""
            name = (message.source, message.id, key)
            at = seen.get(name)
            if at is not None and at // slice_us >= (now - stage.retention_us) // slice_us:
                duplicates += 1
                continue
            seen[name] = now
            applied[key] = applied.get(key, 0) + 1
    return applied, duplicates
