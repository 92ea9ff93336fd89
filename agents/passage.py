"""How far ingress has come, told from actor to actor: the answer to "is my write in it yet".

The gateway ticks into every inbox partition now and then, and once when it falls idle; OrderActors pass on
what they have seen to SkuActors and CustomerActors, CustomerActors to OrderActors. A tick comes after all
messages that the events before it caused on the same way, so what an actor has seen of a topic is the least
of what came on each way that the topic's events take to it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

import msgspec

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.agents.work import Work
from springtide.codecs.facts import (
    CATALOG,
    CREDITS,
    INGRESS_TOPICS,
    INVENTORY,
    INVOICES,
    ORDERS,
    RETURNS,
    SHIPMENTS,
)
from springtide.codecs.messages import Origin, Tick, encode

TICK_EVERY_MS: Final = 250
"""Log time between two ticks of one actor while records keep coming."""
PASSED_KEY: Final = b"\x00p"
VIA_PREFIX: Final = b"\x00v"

_OF_ORDERS: Final = frozenset((ORDERS, SHIPMENTS, INVOICES, RETURNS))
DIRECT: Final[Mapping[str, frozenset[str]]] = {
    INBOX_SKU: frozenset((INVENTORY, CATALOG)),
    INBOX_ORDER: _OF_ORDERS | {CATALOG},
    INBOX_CUSTOMER: frozenset((CREDITS, CATALOG)),
}
"""Inbox -> ingress topics whose events the gateway writes there."""
PASSED_ON: Final[Mapping[str, frozenset[str]]] = {
    INBOX_SKU: _OF_ORDERS | {CREDITS, CATALOG},
    INBOX_CUSTOMER: _OF_ORDERS,
    INBOX_ORDER: frozenset((CREDITS, CATALOG)),
}
"""Inbox -> ingress topics whose events have their effect there through other actors."""
_CATALOG_INDEX: Final = INGRESS_TOPICS.index(CATALOG)

_names: Final[dict[tuple[int, int], str]] = {}


class Passed(msgspec.Struct, array_like=True, gc=False):
    """What an actor last passed on, and the log time then."""

    log_ms: int = 0
    seen: dict[str, int] = {}


def origin_name(origin: Origin) -> str:
    """`topic/partition` of an origin."""
    place = (origin[0], origin[1])
    name = _names.get(place)
    if name is None:
        name = _names[place] = f"{INGRESS_TOPICS[place[0]]}/{place[1]}"
    return name


def saw(work: Work, name: str, offset: int) -> None:
    """Ingress up to `offset` has had its effect here."""
    seen = work.meta.seen
    if offset > seen.get(name, -1):
        seen[name] = offset


def saw_fact(work: Work, origin: Origin) -> None:
    """A fact came from the gateway. Those of the catalog take more than one way, so only ticks tell of them."""
    if origin[0] != _CATALOG_INDEX:
        saw(work, origin_name(origin), origin[2])


def is_time(work: Work, log_ms: int | None) -> bool:
    """Whether it is long enough in log time since something was passed on. None: nothing else comes now."""
    passed: Passed | None = work.get(PASSED_KEY)
    return log_ms is None or passed is None or log_ms - passed.log_ms >= TICK_EVERY_MS


def is_news(work: Work, seen: dict[str, int], log_ms: int | None) -> bool:
    """Whether `seen` is more than was last passed on; from now on it counts as passed on."""
    passed: Passed = work.get(PASSED_KEY) or Passed()
    if seen == passed.seen:
        return False
    passed.seen = dict(seen)
    passed.log_ms = passed.log_ms if log_ms is None else log_ms
    work.put(PASSED_KEY, passed)
    return True


@lru_cache(maxsize=8_192)
def _topic(name: str) -> str:
    return name.rpartition("/")[0]


def of_topics(seen: Mapping[str, int], topics: Collection[str]) -> dict[str, int]:
    """The part of `seen` that is of these topics."""
    return {name: offset for name, offset in seen.items() if _topic(name) in topics}


def broadcast(work: Work, topic: str, partitions: int, seen: dict[str, int], via: int = -1) -> None:
    raw = encode(Tick(work.meta.time_us, seen, via))
    for partition in range(partitions):
        work.emit(topic, b"", raw, partition)


def pass_on(work: Work, inboxes: tuple[str, ...], partitions: int, log_ms: int | None) -> None:
    """Tells the actors behind these inboxes how far it has come, if it is time and there is news."""
    if not is_time(work, log_ms):
        return
    seen = of_topics(work.meta.seen, _together(inboxes))
    if is_news(work, seen, log_ms):
        for inbox in inboxes:
            part = of_topics(seen, PASSED_ON[inbox])
            if part:
                broadcast(work, inbox, partitions, part, work.partition)


@lru_cache(maxsize=16)
def _together(inboxes: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(PASSED_ON[inbox] for inbox in inboxes))


def take_in(work: Work, inbox: str, tick: Tick, partitions: int) -> None:
    """What a tick in an inbox says of how far ingress has come, `partitions` actors passing ticks on to it."""
    passed_on = PASSED_ON[inbox]
    several = {}
    for name, offset in tick.seen.items():
        if tick.via < 0 and _topic(name) not in passed_on:
            saw(work, name, offset)
        else:
            several[name] = offset
    if not several:
        return
    key = _via_key(tick.via)
    known: dict[str, int] = work.get(key) or {}
    # A gateway tells of its own partition only.
    work.put(key, known | several if tick.via < 0 else several)
    others: list[dict[str, int]] = [work.get(_via_key(via)) or {} for via in range(partitions)]
    gateway: dict[str, int] = work.get(_via_key(-1)) or {}
    direct = DIRECT[inbox]
    for name in several:
        least = min(way.get(name, -1) for way in others)
        if _topic(name) in direct:
            least = min(least, gateway.get(name, -1))
        saw(work, name, least)


def _via_key(via: int) -> bytes:
    return VIA_PREFIX + via.to_bytes(4, "big", signed=True)
