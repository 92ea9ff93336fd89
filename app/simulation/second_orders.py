"""What OrderActors and CustomerActors said and hold, against the naive second implementation over the very same
inboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU, STATUS_CHANGES
from springtide.app.simulation.layout import GRACE_S
from springtide.app.simulation.replay import Replay
from springtide.app.simulation.stage import Stage
from springtide.app.simulation.violation import Violation
from springtide.app.verify.compare import customer_picture, difference, order_picture
from springtide.app.verify.messages import in_order
from springtide.app.verify.naive_customers import NaiveCustomerPartition
from springtide.app.verify.naive_orders import NaiveOrderPartition
from springtide.app.verify.naive_picture import picture
from springtide.codecs.letters import StatusChange, decode_status_change
from springtide.codecs.messages import CustomerHolds, CustomerOrder, Demand, InboxMessage
from springtide.codecs.records import Record, partition_for
from springtide.codecs.times import SECOND_US
from springtide.tables.customer import Customer
from springtide.tables.order import Order


@dataclass
class Due:
    """What one partition of orders must hold and have said."""

    partition: NaiveOrderPartition
    demands: dict[tuple[str, str, int], Demand] = field(default_factory=dict)
    """(order, SKU, number) -> request."""
    accounts: dict[tuple[str, int], CustomerOrder] = field(default_factory=dict)
    changes: dict[tuple[str, int], StatusChange] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    """(id of the ingress record, code) of dead letters."""


def orders_due(stage: Stage) -> list[Due]:
    """By partition of the inbox."""
    inboxes = stage.layout.inbox_partitions
    found = []
    for number in range(inboxes):
        due = Due(NaiveOrderPartition(inboxes, stage.retention_us, GRACE_S * SECOND_US))
        for record, message in _good(stage, (INBOX_ORDER, number)):
            outcome = due.partition.apply(record.key or b"", message)
            due.demands |= {(d.order_id, sku, d.request): d for sku, d in outcome.demands}
            due.accounts |= {(told.order_id, told.request): told for _, told in outcome.accounts}
            due.changes |= {(change.order_id, change.version): in_order(change) for change in outcome.changes}
            due.refused += outcome.refused
        found.append(due)
    return found


def check_orders(stage: Stage, one: Replay, due: Due) -> None:
    """Every request, every change, every figure of one OrderActor; Violation where they differ."""
    number, inboxes = one.actor_id.partition, stage.layout.inbox_partitions
    demands: dict[tuple[str, str, int], Demand] = {}
    accounts: dict[tuple[str, int], CustomerOrder] = {}
    for topic in (INBOX_SKU, INBOX_CUSTOMER):
        for partition in range(inboxes):
            for record, message in _good(stage, (topic, partition)):
                if not isinstance(message, Demand | CustomerOrder):
                    continue
                if partition_for(message.order_id.encode(), inboxes) == number:
                    if isinstance(message, Demand):
                        demands[message.order_id, (record.key or b"").decode(), message.request] = message
                    else:
                        accounts[message.order_id, message.request] = message
    told = [decode_status_change(r.value or b"") for r in stage.log.records((STATUS_CHANGES, number))]
    _same("request", demands, due.demands)
    _same("account", accounts, due.accounts)
    _same("change", {(c.order_id, c.version): in_order(c) for c in told}, due.changes)
    stands = {row.order_id: row for row in one.actor.work.rows.values() if isinstance(row, Order)}
    pictures = {name: order_picture(row) for name, row in stands.items()}
    _same("order", pictures, {name: picture(order) for name, order in due.partition.orders.items()})


def check_customers(stage: Stage, one: Replay) -> None:
    """The same of one CustomerActor."""
    (inbox,) = stage.layout.inputs[one.actor_id]
    inboxes = stage.layout.inbox_partitions
    naive = NaiveCustomerPartition(inboxes, stage.retention_us)
    due: dict[tuple[str, str], list[CustomerHolds]] = {}
    for record, message in _good(stage, inbox):
        for order_id, told in naive.apply(record.key or b"", message):
            due.setdefault((told.customer_id, order_id), []).append(told)
    sent: dict[tuple[str, str], list[CustomerHolds]] = {}
    for number in range(inboxes):
        for record, message in _good(stage, (INBOX_ORDER, number)):
            if isinstance(message, CustomerHolds):
                key = (message.customer_id, (record.key or b"").decode())
                if partition_for(message.customer_id.encode(), inboxes) == one.actor_id.partition:
                    sent.setdefault(key, []).append(message)
    _same("holds", sent, due)
    stands = {row.customer_id: row for row in one.actor.work.rows.values() if isinstance(row, Customer)}
    pictures = {name: customer_picture(row) for name, row in stands.items()}
    _same("customer", pictures, {name: one.picture() for name, one in naive.customers.items()})


def _good(stage: Stage, place: tuple[str, int]) -> list[tuple[Record, InboxMessage]]:
    """Messages of an inbox on which a step does not raise."""
    return [
        (record, message)
        for record, message in stage.messages()[place]
        if message is not None and (record.topic, record.partition, record.offset) not in stage.poison
    ]


def _same(what: str, stands: dict[Any, Any], due: dict[Any, Any]) -> None:
    for key in {**due, **stands}:
        one, other = stands.get(key), due.get(key)
        if isinstance(one, Demand) and isinstance(other, Demand):
            one, other = _sorted(one), _sorted(other)
        if one != other:
            raise Violation("second", f"{what} {key}: {difference(one, other)}")


def _sorted(demand: Demand) -> Demand:
    """In which order lines and shipments are named is of no meaning."""
    lines = tuple(sorted(demand.lines, key=lambda line: line.line_id))
    return msgspec.structs.replace(demand, lines=lines, shipments=tuple(sorted(demand.shipments)))
