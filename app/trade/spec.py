"""What a sample trade is like, in figures."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from springtide.app.trade.names import LOCATIONS
from springtide.codecs.times import instant

SKUS_MAX: Final = 1_000_000
ORDERS_MAX: Final = 1_000_000_000
ORDERS_PER_HOUR_MAX: Final = 1_000.0
"""Bounds what is on its way at once: an order lives for two or three days, some for ten, in memory as well."""
CUSTOMERS_MAX: Final = 10_000_000
SEED_MAX: Final = 999_999
SKEW_MAX: Final = 3.0
STREAMS: Final = ("main", "all")
_START_FROM: Final = instant("2000-01-01T00:00:00Z")
_START_TO: Final = instant("2100-01-01T00:00:00Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeSpec:
    """One trade. The same spec gives the same bytes, whatever the day and the machine.

    Two specs with different seeds share SKUs and locations but no order, shipment or event id, so both can
    be written to the same topics. Shares lie between 0 and 1; those with no other word are shares of orders.
    Raises ValueError that names the field if one is out of its range.
    """

    seed: int = 1
    skus: int = 10_000
    locations: int = 4
    """The first so many of `names.LOCATIONS`."""
    customers: int = 5_000
    orders: int | None = None
    """How many orders are placed; the trade ends when the last of them is through. None: endless."""
    orders_per_hour: float = 60.0
    """In event time, on average over a day. An order makes about 20 events, with all streams about 24."""
    start: str = "2026-03-02T06:00:00Z"
    """When the first orders come, RFC 3339. In the hours before the catalog is told and stock is counted."""
    streams: str = "all"
    """What is told: "main" is orders, inventory and shipments; "all" is invoices, returns, credits and the
    catalog too, with kits and services among what is ordered."""
    skew: float = 0.8
    """The k-th SKU is asked for in proportion to k ** -skew; 0: all alike."""
    opening: bool = True
    """Whether the catalog and opening counts are told. Without, things start where an earlier load left them."""

    duplicate_share: float = 0.01
    """Of events: sent again, byte by byte, up to six hours later."""
    late_share: float = 0.005
    """Of events: told two to twelve hours after they occurred."""
    disorder_share: float = 0.02
    """Of shipments: a step or scan arrives only after the one that follows it."""
    broken_share: float = 0.002
    """Of events: followed by one that must be refused."""
    binary_share: float = 0.02
    """Of events: CloudEvents in binary mode."""

    cancel_share: float = 0.03
    cancel_part_share: float = 0.02
    change_share: float = 0.02
    reject_share: float = 0.003
    order_hold_share: float = 0.05
    ship_complete_share: float = 0.1
    single_source_share: float = 0.03
    requested_later_share: float = 0.05
    """A line asks to be shipped two to five days later."""
    located_share: float = 0.1
    """The OMS names the location its lines are to come from, as far as they lie there."""
    cart_hold_share: float = 0.15
    """The storefront holds a line's units before the order, and converts the hold."""
    abandoned_cart_rate: float = 0.1
    """Holds for each order that end without one: released, or left to expire."""
    split_share: float = 0.08
    """Of shipments: sent in two."""
    void_share: float = 0.01
    """Of shipments: voided before they left, and made again."""
    short_share: float = 0.01
    """Of shipments: a line is picked short, and the rest is sent later."""
    issue_share: float = 0.03
    """Of shipments: the stock system tells the issue too."""
    correction_share: float = 0.005
    """Of parcels: scanned as delivered by mistake."""
    trouble_share: float = 0.06
    """Of parcels: something delays them, or they come back, or are lost."""

    cover_days: float = 3.0
    """Stock is kept for so many days of expected demand."""
    supply_late_share: float = 0.1
    """Of supplies: two to four days late, which is what backorders come from."""
    supply_silent_share: float = 0.2
    """Of late supplies: nobody tells before. With all streams."""

    kit_share: float = 0.02
    """With all streams, like what follows."""
    service_share: float = 0.02
    express_share: float = 0.03
    substitutes_ok_share: float = 0.1
    """Of lines: a substitute is welcome."""
    credit_hold_share: float = 0.03
    """Of a business's orders: its credit is checked first, and all its orders are held."""
    invoice_late_share: float = 0.03
    """Of invoices: posted three to five days later."""
    over_invoiced_share: float = 0.01
    """Of invoices: first posted with a unit too many, then reversed and posted anew."""
    return_share: float = 0.07
    """Of delivered shipments: part of it comes back."""

    def __post_init__(self) -> None:
        self._check_whole("seed", 0, SEED_MAX)
        self._check_whole("skus", 1, SKUS_MAX)
        self._check_whole("locations", 1, len(LOCATIONS))
        self._check_whole("customers", 1, CUSTOMERS_MAX)
        if self.streams not in STREAMS:
            raise ValueError(f"streams is {self.streams!r}: give one of {', '.join(STREAMS)}.")
        if self.orders is not None:
            self._check_whole("orders", 0, ORDERS_MAX)
        self._check_number("orders_per_hour", 1.0, ORDERS_PER_HOUR_MAX)
        self._check_number("skew", 0.0, SKEW_MAX)
        self._check_number("cover_days", 0.1, 365.0)
        self._check_number("abandoned_cart_rate", 0.0, 10.0)
        for field in fields(self):
            if field.name.endswith("_share"):
                self._check_number(field.name, 0.0, 1.0)
        together = self.duplicate_share + self.late_share
        if together > 1:
            raise ValueError(
                f"duplicate_share and late_share come to {together}: an event is one or the other, so they "
                "may be at most 1 together."
            )
        fates = self.reject_share + self.cancel_share + self.cancel_part_share + self.change_share
        if fates + self.order_hold_share > 1:
            raise ValueError(
                f"reject_share, cancel_share, cancel_part_share, change_share and order_hold_share come to "
                f"{fates + self.order_hold_share}: an order has one such fate, so they may be at most 1 together."
            )
        if not _START_FROM <= self._start_us() < _START_TO:
            raise ValueError(f"start is {self.start}: give an instant between the years 2000 and 2100.")

    @property
    def is_whole(self) -> bool:
        """Whether all streams are told."""
        return self.streams == "all"

    @property
    def opening_events(self) -> int:
        """About how many events come before the first order."""
        if not self.opening:
            return 0
        counts = self.skus * self.locations
        return counts + (2 * self.skus + self.customers if self.is_whole else 0)

    @property
    def start_ms(self) -> int:
        """`start` in milliseconds since the epoch."""
        return self._start_us() // 1_000

    @property
    def location_names(self) -> tuple[str, ...]:
        """The trade's locations, in the order of their names."""
        return tuple(sorted(LOCATIONS[: self.locations]))

    def _start_us(self) -> int:
        try:
            return instant(self.start)
        except ValueError as error:
            raise ValueError(f"start can't be read: {error}.") from None

    def _check_whole(self, name: str, low: int, high: int) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name} is {value!r}: give a whole number from {low} to {high}.")

    def _check_number(self, name: str, low: float, high: float) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{name} is {value!r}: give a number from {low:g} to {high:g}.")
