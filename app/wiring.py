"""What feeds what, read from top to bottom: topics, actors, and what each reads, owns and writes.

orders, inventory, ...       -> gateway       -> inbox-sku, inbox-order, inbox-customer, dead-letters
inbox-customer               -> CustomerActor -> customers, inbox-order, dead-letters
inbox-order                  -> OrderActor    -> order-status, status-changes, the other inboxes, dead-letters
inbox-sku                    -> SkuActor      -> atp, inbox-order, dead-letters
atp, order-status, customers -> view
view                         -> orders, inventory, ..., inbox-order, exception-actions
"""

from __future__ import annotations

from collections.abc import Sequence

from springtide.agents.authority import Authority
from springtide.agents.customer import CustomerActor
from springtide.agents.gateway import Gateway
from springtide.agents.order import OrderActor
from springtide.agents.sku import SkuActor
from springtide.agents.topics import (
    ACCESS,
    ATP,
    CUSTOMERS,
    DEAD_LETTERS,
    EXCEPTION_ACTIONS,
    INBOX_CUSTOMER,
    INBOX_ORDER,
    INBOX_SKU,
    ORDER_STATUS,
    STATUS_CHANGES,
    SUBSCRIPTIONS,
)
from springtide.agents.work import Behaviour
from springtide.app.broker.settings import MAX_MESSAGE_BYTES
from springtide.app.broker.topics import TopicSpec
from springtide.app.engine.log import ActorId
from springtide.app.engine.rocks_store import STALE_AFTER_S
from springtide.app.settings import Settings
from springtide.codecs.facts import INGRESS_TOPICS

PUSH = "push"
"""The kind of those who keep, for each partition of `status-changes`, what subscribers were told."""
_DAY_MS = 86_400_000
_CHANGELOG_EXTRA = {
    "min.cleanable.dirty.ratio": "0.3",
    "segment.ms": str(7 * _DAY_MS),
    # Twice as long as a store may lie unused: see STALE_AFTER_S.
    "delete.retention.ms": str(2 * int(STALE_AFTER_S) * 1_000),
}


def behaviours(settings: Settings) -> tuple[Behaviour, ...]:
    """The kinds of actor, upstream first."""
    authority = Authority(settings.authority, settings.sources, strict=settings.strict_sources)
    return (
        Gateway(settings.inbox_partitions, authority),
        CustomerActor(settings.inbox_partitions),
        OrderActor(settings.inbox_partitions, settings.orphan_grace_s),
        SkuActor(settings.inbox_partitions),
    )


def actor_partitions(settings: Settings) -> dict[str, int]:
    """Kind -> how many actors of it there are: one for each partition it reads."""
    return {
        "gateway": settings.ingress_partitions,
        "customer": settings.inbox_partitions,
        "order": settings.inbox_partitions,
        "sku": settings.inbox_partitions,
    }


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic as it should be. Projections and changelogs are compacted; the rest is kept whole."""
    keep_ms = -1 if settings.retention_days is None else settings.retention_days * _DAY_MS
    inboxes = settings.inbox_partitions
    specs = [
        TopicSpec(name, settings.ingress_partitions, False, keep_ms, MAX_MESSAGE_BYTES)
        for name in INGRESS_TOPICS
    ]
    specs += [
        TopicSpec(name, inboxes, False, keep_ms, MAX_MESSAGE_BYTES)
        for name in (INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER, STATUS_CHANGES)
    ]
    specs.append(TopicSpec(DEAD_LETTERS, inboxes, False, keep_ms, MAX_MESSAGE_BYTES))
    specs += [
        TopicSpec(name, inboxes, True, None, MAX_MESSAGE_BYTES, _CHANGELOG_EXTRA)
        for name in (ATP, ORDER_STATUS, CUSTOMERS)
    ]
    specs += [
        TopicSpec(name, 1, True, None, MAX_MESSAGE_BYTES, _CHANGELOG_EXTRA)
        for name in (SUBSCRIPTIONS, ACCESS, EXCEPTION_ACTIONS)
    ]
    specs += [
        TopicSpec(
            ActorId(settings.app, kind, 0).changelog[0],
            count,
            True,
            None,
            MAX_MESSAGE_BYTES,
            _CHANGELOG_EXTRA,
        )
        for kind, count in (*actor_partitions(settings).items(), (PUSH, inboxes))
    ]
    return specs


def partition_counts(specs: Sequence[TopicSpec]) -> dict[str, int]:
    return {spec.name: spec.partitions for spec in specs}
