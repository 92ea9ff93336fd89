"""How far ingress has come, told from actor to actor: the answer to "is my write in it yet".

The gateway ticks into every inbox partition now and then, and once when it falls idle; each OrderActor
passes on what it has seen to every SkuActor. A tick comes after all messages that the events before it
caused on the same way, so what a SkuActor has seen of `orders` is the least that all OrderActors passed on.
"""

from __future__ import annotations

from typing import Final

import msgspec

from springtide.agents.work import Work
from springtide.codecs.facts import INGRESS_TOPICS, INVENTORY
from springtide.codecs.messages import Origin, Tick, encode

TICK_EVERY_MS: Final = 250
"""Log time between two ticks of one actor while records keep coming."""
PASSED_KEY: Final = b"\x00p"
VIA_PREFIX: Final = b"\x00v"

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


def broadcast(work: Work, topic: str, partitions: int, seen: dict[str, int], via: int = -1) -> None:
    raw = encode(Tick(work.meta.time_us, seen, via))
    for partition in range(partitions):
        work.emit(topic, b"", raw, partition)


def take_in(work: Work, tick: Tick, order_partitions: int) -> None:
    """At a SkuActor: what a tick says about how far ingress has come."""
    if tick.via < 0:
        for name, offset in tick.seen.items():
            saw(work, name, offset)
        return
    work.put(VIA_PREFIX + tick.via.to_bytes(4, "big"), dict(tick.seen))
    ways: list[dict[str, int]] = [
        work.get(VIA_PREFIX + via.to_bytes(4, "big")) or {} for via in range(order_partitions)
    ]
    for name in tick.seen:
        if not name.startswith(f"{INVENTORY}/"):
            saw(work, name, min(way.get(name, -1) for way in ways))
