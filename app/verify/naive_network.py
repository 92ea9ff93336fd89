"""What all SKUs of a partition share: places, and the policy of those that have none of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from springtide.app.verify.naive_calendar import nearest
from springtide.codecs import facts as f

PRICES_MAX: Final = 1_000


class Rules(NamedTuple):
    """A policy, and how often one was set for its scope: 0 are the defaults."""

    policy: f.PolicySet
    version: int


class Network:
    """See the module."""

    def __init__(self) -> None:
        self.places: dict[str, f.LocationUpserted] = {}
        self.rules = Rules(f.PolicySet(scope="*"), 0)

    def take(self, data: f.LocationUpserted | f.PolicySet) -> None:
        if isinstance(data, f.LocationUpserted):
            self.places[data.location] = data
        else:
            self.rules = Rules(data, self.rules.version + 1)

    def is_open(self, name: str) -> bool:
        return name not in self.places or self.places[name].open

    def nearest(self, names: Iterable[str]) -> list[str]:
        return nearest(self.places, names)

    def nearest_open(self, names: Iterable[str]) -> str | None:
        """Of these places, else of all that the catalog names."""
        for several in (names, self.places):
            for name in self.nearest(several):
                if self.is_open(name):
                    return name
        return None


class Goods(msgspec.Struct):
    """What the catalog says of one SKU."""

    product: f.ProductUpserted | None = None
    discontinued: bool = False
    rules: Rules | None = None
    prices: dict[str, list[f.PriceSet]] = {}

    @property
    def tracked(self) -> bool:
        return self.product is None or self.product.tracked

    @property
    def lead_time_days(self) -> int | None:
        """After so many days any quantity is promised; None: never."""
        if self.product is None or self.discontinued or not self.product.unconditional_after_lead_time:
            return None
        return self.product.lead_time_days or 0

    def price(self, fact: f.PriceSet) -> None:
        """The last one set for a list and day counts."""
        others = [p for p in self.prices.get(fact.price_list, []) if p.valid_from != fact.valid_from]
        kept = sorted([*others, fact], key=lambda p: p.valid_from)[-PRICES_MAX:]
        self.prices = {**self.prices, fact.price_list: kept}


def sourcing(policy: f.PolicySet) -> tuple[bool, int]:
    """(one place for all, most places, 0 for no limit) where an order says nothing of it."""
    if policy.sourcing is None:
        return False, 0
    return policy.sourcing.mode == "single", policy.sourcing.max_splits or 0
