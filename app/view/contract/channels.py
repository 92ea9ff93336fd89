"""What lies on each topic: who writes it for whom, under which keys, and of which types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from springtide.agents import customer, order, sku
from springtide.agents import topics as t
from springtide.agents.work import Meta
from springtide.codecs import messages
from springtide.codecs.access import Key, Usage
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.facts import CATALOG, CREDITS, INVENTORY, INVOICES, ORDERS, RETURNS, SHIPMENTS
from springtide.codecs.letters import DeadLetter, StatusChange
from springtide.codecs.subscriptions import Replay, Subscription
from springtide.tables.catalog import Goods, Network, Prices
from springtide.tables.customer import Customer
from springtide.tables.order import Order
from springtide.tables.sku import Allocation, Dated, Head, PastHold, Queue, ShipmentOf, Supply

Use: TypeAlias = Literal["in", "out", "own"]
"""Whether others write it, others may read it, or it is Springtide's own."""


class Kept(NamedTuple):
    """One kind of record. `version` None: the value is JSON; else it is MessagePack, after these bytes."""

    name: str
    type: Any
    key: str
    text: str
    version: bytes | None = None


class Topic(NamedTuple):
    """`kept` is empty where events lie (their types say what they are), and where only bytes do."""

    use: Use
    key: str
    text: str
    kept: tuple[Kept, ...] = ()


_MARKER: Final = "0 and `position`"
_ORDER: Final = "the order"
_SKU: Final = sku.STATE_VERSION
_PLAIN: Final = b""

_ATP: Final = (
    Kept("sku", Head, "the SKU", "Stock by location, holds, fences and totals.", _SKU),
    Kept("allocation", Allocation, "the SKU, 0, `a` or `z`, the order", "What an order has and lacks.", _SKU),
    Kept("dated", Dated, "the SKU, 0, `d`", "Supply, demand and plans by day.", _SKU),
    Kept("supply", Supply, "the SKU, 0, `p`, the supply", "One supply.", _SKU),
    Kept("queue", Queue, "the SKU, 0, `q`", "Who waits for stock, by rank.", _SKU),
    Kept("past-hold", PastHold, "the SKU, 0, `h`, the hold", "How a hold ended.", _SKU),
    Kept("shipment-of", ShipmentOf, "the SKU, 0, `s`, the shipment", "Whose a shipment is.", _SKU),
    Kept("goods", Goods, "the SKU, 0, `g`", "The product, and its policy.", _SKU),
    Kept("prices", Prices, "the SKU, 0, `$`", "Its prices by list.", _SKU),
    Kept("network", Network, "0 and `L`", "Places, and the policy of all.", _SKU),
    Kept("atp-marker", Meta, _MARKER, "How far the partition's actor is, after each step.", _PLAIN),
)
_INBOX: Final = tuple(
    Kept(name, kind, key, text, _PLAIN)
    for name, kind, key, text in (
        ("fact", messages.Fact, "its entity", "An event that was checked."),
        ("tick", messages.Tick, "none", "Time passes, and all of ingress up to a place is on its way."),
        ("demand", messages.Demand, "the SKU", "All that an order wants of a SKU."),
        ("supplied", messages.Supplied, _ORDER, "What an order has at a SKU."),
        (
            "customer-order",
            messages.CustomerOrder,
            "the customer",
            "What an order is to its customer's credit.",
        ),
        ("customer-holds", messages.CustomerHolds, _ORDER, "What an order is to know of its customer."),
        ("promise-asked", messages.PromiseAsked, _ORDER, "A promise is asked for."),
    )
)
_BY_INBOX: Final = {
    t.INBOX_SKU: ("fact", "tick", "demand"),
    t.INBOX_ORDER: ("fact", "tick", "supplied", "customer-holds", "promise-asked"),
    t.INBOX_CUSTOMER: ("fact", "tick", "customer-order"),
}

TOPICS: Final[Mapping[str, Topic]] = {
    ORDERS: Topic("in", _ORDER, "What is ordered, changed, held and cancelled."),
    INVENTORY: Topic("in", "the SKU", "Stock, supply, holds and fences."),
    SHIPMENTS: Topic("in", _ORDER, "What warehouses and carriers do for an order."),
    INVOICES: Topic("in", _ORDER, "Invoices, payments and credit memos."),
    RETURNS: Topic("in", _ORDER, "What comes back."),
    CREDITS: Topic("in", "the customer", "Limits, exposure and holds of customers."),
    CATALOG: Topic(
        "in", "what the fact is about, or `*`", "Products, places, prices, customers and policies."
    ),
    t.STATUS_CHANGES: Topic(
        "out",
        _ORDER,
        "Each published change of each order, in order; webhooks are told from here.",
        (Kept("status-change", StatusChange, _ORDER, "One published change of one order."),),
    ),
    t.DEAD_LETTERS: Topic(
        "out",
        "where the record lies: topic, partition and offset",
        "What could not be applied, why, and whom it concerns.",
        (
            Kept(
                "dead-letter", DeadLetter, "`topic/partition/offset`", "One record that could not be applied."
            ),
        ),
    ),
    t.ATP: Topic(
        "out", "the SKU, and a part of it", "What figures of a SKU are made of: views follow it.", _ATP
    ),
    t.ORDER_STATUS: Topic(
        "out",
        _ORDER,
        "Where each order stands, whole: views follow it.",
        (
            Kept("order", Order, _ORDER, "An order, with all that is known of it.", order.STATE_VERSION),
            Kept("order-marker", Meta, _MARKER, "How far the partition's actor is, after each step.", _PLAIN),
        ),
    ),
    t.CUSTOMERS: Topic(
        "out",
        "the customer",
        "What is known of each customer's credit: views follow it.",
        (
            Kept("customer", Customer, "the customer", "A customer.", customer.STATE_VERSION),
            Kept(
                "customer-marker", Meta, _MARKER, "How far the partition's actor is, after each step.", _PLAIN
            ),
        ),
    ),
    t.EXCEPTION_ACTIONS: Topic(
        "out",
        "the exception's id",
        "Who did what about exceptions.",
        (Kept("exception-action", ExceptionAction, "the exception's id", "The last thing that was done."),),
    ),
    t.SUBSCRIPTIONS: Topic(
        "own",
        "`s/` and the subscription, `r/`, the subscription and the replay",
        "Who is told of status changes, with the secrets that sign, and what is to be told again.",
        (
            Kept("subscription", Subscription, "`s/` and its id", "A subscription."),
            Kept(
                "replay",
                Replay,
                "`r/`, the subscription's id, `/` and its own",
                "A replay that was asked for.",
            ),
        ),
    ),
    t.ACCESS: Topic(
        "own",
        "`k/` and the key, `u/`, the view and the partner",
        "Keys, hashed, and what was used of quotas.",
        (
            Kept("api-key", Key, "`k/` and its id", "A key, without its secret."),
            Kept("usage", Usage, "`u/`, the view, `/` and the partner", "Requests of a partner on a day."),
        ),
    ),
    **{
        inbox: Topic(
            "own",
            "the entity",
            "What an actor is told by the gateway and by other actors.",
            tuple(kept._replace(name=f"{inbox}.{kept.name}") for kept in _INBOX if kept.name in names),
        )
        for inbox, names in _BY_INBOX.items()
    },
}
CHANGELOG: Final = Topic(
    "own", "the row", "The state of an actor's partition, row by row, to be rebuilt from."
)
