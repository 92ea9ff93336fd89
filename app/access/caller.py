"""Who asks: what a key or a token says of its bearer."""

from __future__ import annotations

from typing import Final, NamedTuple

from springtide.app.access.scopes import EXCEPTIONS_WRITE, SCOPES, SUBSCRIPTIONS_WRITE
from springtide.codecs.access import Key


class Bound(NamedTuple):
    """Whose orders someone is kept to; an empty tuple is no bound."""

    customers: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()

    def sees(self, customer: str | None, channel: str | None) -> bool:
        """Whether what belongs to this customer and channel is theirs."""
        return (not self.customers or customer in self.customers) and (
            not self.channels or channel in self.channels
        )

    def __bool__(self) -> bool:
        return bool(self.customers or self.channels)


NO_BOUND: Final = Bound()


class Caller(NamedTuple):
    """See the module. `name` is what its requests are counted by."""

    name: str
    partner: str
    scopes: frozenset[str]
    bound: Bound = NO_BOUND
    rate_per_s: float = 0.0
    """0: no limit."""
    burst: int = 0
    quota_per_day: int | None = None
    key: Key | None = None
    """The key by which it asks; None: a token, or nobody was asked for one."""
    expires_ms: int | None = None
    sources: tuple[str, ...] = ()
    """The sources whose events it may write; empty is no bound."""

    @property
    def who(self) -> str:
        """As people name it: the name of its key, or whose its token is."""
        if self.key is not None:
            return self.key.name
        return self.partner or self.name

    @property
    def is_operator(self) -> bool:
        """Whether it may do what pages offer beside reading: mend exceptions, and keep subscriptions."""
        return not self.bound and self.scopes.issuperset((EXCEPTIONS_WRITE, SUBSCRIPTIONS_WRITE))


ANYONE: Final = Caller("anyone", "", frozenset(SCOPES))
"""Whoever asks where access is open."""
