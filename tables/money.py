"""Money as whole billionths of a currency's unit, so that sums are exact; as a decimal string at the edges."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

DECIMALS: Final = 9
"""Most decimals that the event contract takes."""
_ONE: Final = 10**DECIMALS
_SCALE: Final[tuple[int, ...]] = tuple(10**places for places in range(DECIMALS, -1, -1))
"""Billionths of the last digit, by how many decimals there are."""
_CENT: Final = _SCALE[2]


@lru_cache(maxsize=16_384)
def billionths(text: str) -> int:
    """Of a decimal string of the contract, e.g. "12.50"."""
    whole, _, fraction = text.partition(".")
    return int(whole + fraction) * _SCALE[len(fraction)]


def decimal(amount: int) -> str:
    """Billionths as a decimal string, with two decimals or as many more as it needs."""
    sign = "-" if amount < 0 else ""
    cents, finer = divmod(abs(amount), _CENT)
    if not finer:
        return f"{sign}{cents // 100}.{cents % 100:02d}"
    whole, rest = divmod(abs(amount), _ONE)
    fraction = f"{rest:0{DECIMALS}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}"
