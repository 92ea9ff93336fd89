"""Money as whole billionths of a currency's unit, so that sums are exact; as a decimal string at the edges."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

DECIMALS: Final = 9
"""Most decimals that the event contract takes."""
_ONE: Final = 10**DECIMALS
_DECIMALS_SHOWN_MIN: Final = 2


@lru_cache(maxsize=16_384)
def billionths(text: str) -> int:
    """Of a decimal string of the contract, e.g. "12.50"."""
    whole, _, fraction = text.partition(".")
    found = int(whole.lstrip("-")) * _ONE + int(fraction.ljust(DECIMALS, "0") or "0")
    return -found if text.startswith("-") else found


def decimal(amount: int) -> str:
    """Billionths as a decimal string, with two decimals or as many more as it needs."""
    whole, rest = divmod(abs(amount), _ONE)
    fraction = f"{rest:0{DECIMALS}d}".rstrip("0").ljust(_DECIMALS_SHOWN_MIN, "0")
    return f"{'-' if amount < 0 else ''}{whole}.{fraction}"
