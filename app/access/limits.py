"""How often one may ask: a bucket of tokens for each key, and a quota for each partner and day."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from math import ceil
from time import monotonic, time
from typing import Final, NamedTuple

BUCKETS_MAX: Final = 20_000
"""Buckets kept; the longest unused goes first, and is full when it comes again."""
DAY_S: Final = 86_400


class Verdict(NamedTuple):
    """Whether a request may pass, and what its headers say of the limit that is nearest."""

    passes: bool
    policy: str
    left: str
    retry_after_s: int
    why: str


class _Bucket:
    __slots__ = ("at_s", "tokens")

    def __init__(self, tokens: float, at_s: float) -> None:
        self.tokens = tokens
        self.at_s = at_s


class Limits:
    """See the module. `others` tells how many requests of a partner other views have let through on a day."""

    def __init__(
        self,
        others: Callable[[str, int], int] = lambda _partner, _day: 0,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self._others = others
        self._clock = clock
        self._wall = wall
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self.used: dict[str, tuple[int, int]] = {}
        """Partner with a quota -> (day, requests let through here)."""

    def take(
        self, name: str, rate_per_s: float, burst: int, partner: str = "", quota_per_day: int | None = None
    ) -> Verdict:
        """One request of `name`: it takes a token, and one of its partner's quota if there is one."""
        now_s = self._clock()
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(float(burst), now_s)
            if len(self._buckets) > BUCKETS_MAX:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
            bucket.tokens = min(burst, bucket.tokens + (now_s - bucket.at_s) * rate_per_s)
            bucket.at_s = now_s
        policy = f'"rate";q={burst};w={max(1, ceil(burst / rate_per_s))}'
        if bucket.tokens < 1:
            wait_s = max(1, ceil((1 - bucket.tokens) / rate_per_s))
            why = f"{rate_per_s:g} requests a second are allowed, {burst} at once"
            return Verdict(False, policy, f'"rate";r=0;t={wait_s}', wait_s, why)
        left = f'"rate";r={int(bucket.tokens - 1)};t={ceil((burst - bucket.tokens + 1) / rate_per_s)}'
        if quota_per_day is not None:
            day, second = divmod(int(self._wall()), DAY_S)
            used_day, used = self.used.get(partner, (day, 0))
            used = used if used_day == day else 0
            whole = used + self._others(partner, day)
            policy += f', "day";q={quota_per_day};w={DAY_S}'
            ends_s = DAY_S - second
            if whole >= quota_per_day:
                why = f"{quota_per_day} requests a day are allowed for {partner}, and are used up"
                return Verdict(False, policy, f'"day";r=0;t={ends_s}', ends_s, why)
            self.used[partner] = (day, used + 1)
            left += f', "day";r={quota_per_day - whole - 1};t={ends_s}'
        bucket.tokens -= 1
        return Verdict(True, policy, left, 0, "")
