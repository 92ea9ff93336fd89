"""What things and places of the sample trade are called."""

from __future__ import annotations

from typing import Final

LOCATIONS: Final = (
    "BER",
    "HAM",
    "MUC",
    "CGN",
    "LEJ",
    "FRA",
    "STR",
    "HAJ",
    "NUE",
    "DTM",
    "VIE",
    "PRG",
    "WAW",
    "AMS",
    "BRU",
    "CDG",
)
"""Warehouses, by the airport they are near."""

TIME_ZONES: Final = {
    "VIE": "Europe/Vienna",
    "PRG": "Europe/Prague",
    "WAW": "Europe/Warsaw",
    "AMS": "Europe/Amsterdam",
    "BRU": "Europe/Brussels",
    "CDG": "Europe/Paris",
}
"""Of warehouses that are not in Germany."""

_FAMILIES: Final = (
    "LAMP",
    "BOOT",
    "TENT",
    "MUG",
    "CHAIR",
    "SHIRT",
    "PAN",
    "BIKE",
    "DESK",
    "SOCK",
    "TOWEL",
    "KETTLE",
    "JACKET",
    "SHELF",
    "PILLOW",
    "KNIFE",
    "ROPE",
    "CLOCK",
    "VASE",
    "PACK",
)

CHANNELS: Final = ("web",) * 11 + ("app",) * 4 + ("marketplace",) * 3 + ("b2b",) * 2
"""One entry for each twentieth of the orders."""

REGIONS: Final = (
    ("DE-BE", "DE", "Berlin", "10"),
    ("DE-HH", "DE", "Hamburg", "20"),
    ("DE-BY", "DE", "München", "80"),
    ("DE-NW", "DE", "Köln", "50"),
    ("DE-HE", "DE", "Frankfurt", "60"),
    ("DE-BW", "DE", "Stuttgart", "70"),
    ("DE-SN", "DE", "Leipzig", "04"),
    ("DE-NI", "DE", "Hannover", "30"),
    ("AT-9", "AT", "Wien", "10"),
    ("NL-NH", "NL", "Amsterdam", "10"),
)
"""(region, country, town, how its postcodes begin)."""

CARRIERS: Final = (("dhl", "JJD"), ("dhl", "JJD"), ("ups", "1Z"), ("dpd", "0998"), ("gls", "ZK"))
"""(carrier, how its tracking numbers begin)."""

HUBS: Final = ("Leipzig", "Köln-Niehl", "Hannover-Langenhagen", "Nürnberg", "Hamburg-Altona", "Kassel")


def sku_name(number: int) -> str:
    """The SKU of a number from 0 on; the lower, the more it is asked for."""
    return f"{_FAMILIES[number % len(_FAMILIES)]}-{number + 1:05d}"


def order_name(seed: int, number: int) -> str:
    """The order of a number from 1 on, in the order in which they are placed."""
    return f"SO{seed}-{number:06d}"


def kit_name(number: int) -> str:
    """The kit of a number from 0 on."""
    return f"SET-{number + 1:05d}"


SERVICES: Final = ("GIFT-WRAP", "ENGRAVING")
"""What is sold and lies in no warehouse."""


def customer_name(number: int) -> str:
    """The customer of a number from 0 on; the lower, the more orders."""
    return f"C-{number + 1:06d}"


def cents_of(number: int) -> int:
    """A SKU's list price in cents."""
    return 299 + number * 7_919 % 14_600


def price_of(number: int) -> str:
    """A SKU's list price, a decimal string."""
    return money(cents_of(number))


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"
