"""What the catalog says: places, policies and products, as the SKUs of a partition see them.

\\x00L          Network   every place, and the policy of all SKUs that have none of their own
<sku> \\x00 g   Goods     the product, and the SKU's own policy
<sku> \\x00 $   Prices    prices by list
"""

from __future__ import annotations

from typing import Final

import msgspec

from springtide.codecs import facts as f
from springtide.tables import calendar
from springtide.tables.rows import Rows

NETWORK_KEY: Final = b"\x00L"
LOCATIONS_MAX: Final = 10_000
"""Places one network has at most."""
PRICES_MAX: Final = 1_000
"""Prices kept for one SKU; the oldest by `valid_from` go first."""


class Place(msgspec.Struct, array_like=True, gc=False):
    """A location. `cutoff_s`: seconds of its day up to which what is promised for today ships today;
    `week`: its working days, see calendar."""

    name: str
    rank: int = 0
    timezone: str = "UTC"
    cutoff_s: int | None = None
    week: int = calendar.EVERY_DAY
    open: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether its days are those of UTC and all the same."""
        return self.timezone == "UTC" and self.cutoff_s is None and self.week == calendar.EVERY_DAY

    def today(self, now_us: int) -> int:
        return calendar.today(self.timezone, now_us)

    def ship_day(self, day: int, now_us: int) -> int:
        """The first day from `day` on, and from today on, on which something still ships from here."""
        today = self.today(now_us)
        if day <= today:
            day = today
            if self.cutoff_s is not None and calendar.second_of_day(self.timezone, now_us) >= self.cutoff_s:
                day += 1
        return calendar.next_working(self.week, day)


def place_of(fact: f.LocationUpserted) -> Place:
    return Place(
        fact.name,
        fact.rank,
        fact.timezone,
        calendar.seconds(fact.cutoff),
        calendar.week(fact.working_days),
        fact.open,
    )


class Policy(msgspec.Struct, array_like=True, gc=False):
    """How promises are made; the defaults hold where nobody set one. `version`: how often it was set."""

    version: int = 0
    horizon_days: int = 90
    method: str = "look_ahead"
    supply_fence_days: int = 0
    supply_offset_days: int = 0
    demand_fence_days: int | None = None
    demand_offset_days: int = 0
    firmness: tuple[str, ...] = ("firm", "in_transit")
    carry_shortage: bool = True
    by_priority: bool = False
    single: bool = False
    max_splits: int = 0
    """0: no limit."""
    invoice_late_days: int | None = None
    """Days after which what has shipped and is not invoiced is late."""
    plan: f.Plan | None = None


def policy_of(fact: f.PolicySet, version: int) -> Policy:
    sourcing = fact.sourcing
    return Policy(
        version,
        fact.horizon_days,
        fact.method,
        fact.supply_fence_days,
        fact.supply_offset_days,
        fact.demand_fence_days,
        fact.demand_offset_days,
        fact.firmness,
        fact.carry_shortage,
        fact.ranking == "priority_fifo",
        sourcing is not None and sourcing.mode == "single",
        (sourcing.max_splits or 0) if sourcing is not None else 0,
        fact.invoice_late_days,
        fact.plan,
    )


class Network(msgspec.Struct, array_like=True, gc=False):
    """See the module."""

    locations: dict[str, Place] = {}
    policy: Policy = msgspec.field(default_factory=Policy)

    def place(self, location: str | None) -> Place:
        """A location's place; one that the catalog does not name is open, in UTC, all days."""
        return _UNKNOWN if location is None else self.locations.get(location, _UNKNOWN)

    def nearest_first(self, names: list[str]) -> list[str]:
        """Locations by rank, then id; those that the catalog does not name come last. What was had of no place,
        while nobody counted it, lies in a cell without a name, which is none."""
        places = self.locations
        names = [name for name in names if name]
        if not places:
            return sorted(names)
        return sorted(names, key=lambda n: (0, places[n].rank, n) if n in places else (1, 0, n))

    def nearest_open(self, names: list[str]) -> str | None:
        """The first of these locations that is open, else of all that the catalog names; None if none is."""
        for candidates in (names, list(self.locations)):
            for name in self.nearest_first(candidates):
                if self.place(name).open:
                    return name
        return None


class Goods(msgspec.Struct, array_like=True, gc=False):
    """See the module."""

    product: f.ProductUpserted | None = None
    discontinued: bool = False
    policy: Policy | None = None

    @property
    def tracked(self) -> bool:
        return self.product is None or self.product.tracked

    @property
    def matters_to_orders(self) -> bool:
        """Whether an order of it is to be had in another way than one of which nothing is known."""
        policy, product = self.policy, self.product
        if policy is not None and policy.plan is not None:
            return True
        return product is not None and bool(
            product.kit or product.substitutes or product.superseded_by is not None or not product.tracked
        )

    @property
    def lead_time_days(self) -> int | None:
        """Days after which any quantity is promised; None where none is."""
        product = self.product
        if product is None or self.discontinued or not product.unconditional_after_lead_time:
            return None
        return product.lead_time_days or 0


class Price(msgspec.Struct, array_like=True, gc=False):
    amount: str
    currency: str
    valid_from: str
    valid_to: str | None = None


class Prices(msgspec.Struct, array_like=True, gc=False):
    """List -> its prices, by `valid_from`; one that is set again for the same `valid_from` replaces it."""

    lists: dict[str, list[Price]] = {}

    def set(self, fact: f.PriceSet) -> None:
        prices = [p for p in self.lists.get(fact.price_list, []) if p.valid_from != fact.valid_from]
        prices.append(Price(fact.amount, fact.currency, fact.valid_from, fact.valid_to))
        self.lists[fact.price_list] = sorted(prices, key=lambda p: p.valid_from)[-PRICES_MAX:]


def apply_to_network(rows: Rows, fact: f.LocationUpserted | f.PolicySet) -> str | None:
    """What a fact about a place, or about the policy of all SKUs, does to a partition's network; the cause of
    delay that it may be, or None if it is refused."""
    network: Network = rows.get(NETWORK_KEY) or Network()
    cause: str | None = "allocation_policy"
    if isinstance(fact, f.PolicySet):
        network.policy = policy_of(fact, network.policy.version + 1)
    elif fact.location in network.locations or len(network.locations) < LOCATIONS_MAX:
        network.locations[fact.location] = place_of(fact)
        cause = "allocation_policy" if fact.open else "location_outage"
    else:
        cause = None
    rows.put(NETWORK_KEY, network)
    return cause


_UNKNOWN: Final = Place("")
NO_NETWORK: Final = Network()
NO_GOODS: Final = Goods()
DEFAULT_POLICY: Final = Policy()


def goods_key(sku: bytes) -> bytes:
    return sku + b"\x00g"


def prices_key(sku: bytes) -> bytes:
    return sku + b"\x00$"
