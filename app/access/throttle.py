"""How often keys and tokens may be shown that are not good: a few at once, then slowly, by address and in all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil
from time import monotonic
from typing import Final

ADDRESSES_MAX: Final = 10_000
"""Addresses remembered; the one that failed longest ago goes first."""
AT_ONCE: Final = 20
EVERY_S: Final = 3.0
ALL_AT_ONCE: Final = 500
ALL_EVERY_S: Final = 0.1


class Throttle:
    """See the module. What is kept of an address is when all its failures will be forgotten."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._forgotten_s: OrderedDict[str, float] = OrderedDict()
        self._all_forgotten_s = 0.0

    def wait_s(self, address: str | None) -> int:
        """Seconds until another failure from there is answered as such; 0: it is now."""
        now_s = self._clock()
        own_s = self._forgotten_s.get(_place(address), now_s) - (AT_ONCE - 1) * EVERY_S - now_s
        all_s = self._all_forgotten_s - (ALL_AT_ONCE - 1) * ALL_EVERY_S - now_s
        return max(0, ceil(max(own_s, all_s)))

    def failed(self, address: str | None) -> int:
        """Counts a failure, unless there were too many: then seconds to wait, and this one is not counted."""
        wait_s = self.wait_s(address)
        if wait_s == 0:
            place, now_s = _place(address), self._clock()
            self._forgotten_s[place] = max(now_s, self._forgotten_s.pop(place, now_s)) + EVERY_S
            self._all_forgotten_s = max(now_s, self._all_forgotten_s) + ALL_EVERY_S
            if len(self._forgotten_s) > ADDRESSES_MAX:
                self._forgotten_s.popitem(last=False)
        return wait_s

    @property
    def addresses(self) -> int:
        return len(self._forgotten_s)


def _place(address: str | None) -> str:
    """An address, or the network of 64 bits that one bearer of IPv6 has to choose from."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or int(found) >> 64)
    return str(found)
