"""How far ingress has come at one inbox partition: of each topic the least that was told on all of its ways."""

from __future__ import annotations

from typing import Final

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.messages import Fact, Origin, Tick

GATEWAY: Final = -1
_OF_ORDERS: Final = ("orders", "shipments", "invoices", "returns")
FROM_GATEWAY: Final = {
    INBOX_SKU: ("inventory", "catalog"),
    INBOX_ORDER: (*_OF_ORDERS, "catalog"),
    INBOX_CUSTOMER: ("credits", "catalog"),
}
FROM_ACTORS: Final = {
    INBOX_SKU: (*_OF_ORDERS, "credits", "catalog"),
    INBOX_ORDER: ("credits", "catalog"),
    INBOX_CUSTOMER: _OF_ORDERS,
}
"""Topics that have their effect through what other actors pass on: orders to SKUs and customers, customers to
orders."""


class NaiveSeen:
    """`told[way]` is what each way has told, `positions` what follows: `topic/partition` -> offset."""

    def __init__(self, inbox: str, actors: int) -> None:
        self._inbox = inbox
        self._told: dict[int, dict[str, int]] = {way: {} for way in (GATEWAY, *range(actors))}
        self._actors = actors
        self.positions: dict[str, int] = {}

    def fact(self, fact: Fact) -> None:
        self.saw(fact.origin)

    def saw(self, origin: Origin) -> None:
        """An event of the catalog goes to many, so that one alone says nothing of how far all have come."""
        topic = INGRESS_TOPICS[origin[0]]
        if topic != "catalog":
            self._rise(f"{topic}/{origin[1]}", origin[2])

    def tick(self, tick: Tick) -> None:
        told = self._told[tick.via]
        told.update(tick.seen)
        for name in tick.seen:
            topic = name.rpartition("/")[0]
            ways = [GATEWAY] if topic in FROM_GATEWAY[self._inbox] else []
            if topic in FROM_ACTORS[self._inbox]:
                ways += range(self._actors)
            least = min((self._told[way].get(name, -1) for way in ways), default=-1)
            if least >= 0:
                self._rise(name, least)

    def _rise(self, name: str, offset: int) -> None:
        self.positions[name] = max(offset, self.positions.get(name, -1))
