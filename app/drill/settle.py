"""Waits until all that was written has had its effect: no actor has anything left to apply, the view shows it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Final

from springtide.agents.topics import ATP, CUSTOMERS, INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU, ORDER_STATUS
from springtide.agents.work import MARKER
from springtide.app import wiring
from springtide.app.drill.outcome import DrillFailed
from springtide.app.drill.watch import Watch
from springtide.app.engine.kafka_log import KafkaLog
from springtide.app.engine.log import LogUnavailable
from springtide.app.settings import Settings
from springtide.app.verify.reading import last_value
from springtide.codecs.facts import INGRESS_TOPICS

DRAIN_S_MAX: Final = 180.0
QUIET_S: Final = 2.0
"""So long without a step, since idle actors still pass on how far they are."""
_LOOK_EVERY_S: Final = 0.5
_INPUTS: Final[Mapping[str, tuple[str, ...]]] = {
    "gateway": INGRESS_TOPICS,
    "customer": (INBOX_CUSTOMER,),
    "order": (INBOX_ORDER,),
    "sku": (INBOX_SKU,),
}


async def drained(log: KafkaLog, settings: Settings, watch: Watch) -> None:
    """Returns when every actor has applied all of its inputs and is quiet. Raises DrillFailed if that takes
    longer than DRAIN_S_MAX seconds."""
    deadline = time.monotonic() + DRAIN_S_MAX
    left: list[str] = []
    while True:
        try:
            left = await _unapplied(log, settings, watch)
            if not left and time.monotonic() - watch.last_step_s > QUIET_S:
                return
        except LogUnavailable as error:
            left = [str(error)]
        if time.monotonic() > deadline:
            raise DrillFailed(
                f"Within {DRAIN_S_MAX:.0f} s not all was applied: {', '.join(left) or 'steps without end'}."
            )
        await asyncio.sleep(_LOOK_EVERY_S)


async def shown_positions(log: KafkaLog, settings: Settings) -> dict[str, int]:
    """What a view must have read: `topic/partition` -> offset of the newest marker of each projection."""
    found: dict[str, int] = {}
    for topic in (ATP, ORDER_STATUS, CUSTOMERS):
        for number in range(settings.inbox_partitions):
            marker = await last_value(log, (topic, number), MARKER, await log.end((topic, number)))
            if marker is not None:
                found[f"{topic}/{number}"] = marker[0]
    return found


async def _unapplied(log: KafkaLog, settings: Settings, watch: Watch) -> list[str]:
    """Partitions that hold a record which their actor has not applied. Positions are read before the ends: so
    an empty answer was true at one instant at least."""
    applied = {
        (topic, number): watch.applied.get((topic, number), 0)
        for kind, count in wiring.actor_partitions(settings).items()
        for number in range(count)
        for topic in _INPUTS[kind]
    }
    ends = await log.ends(list(applied))
    return [
        f"{topic}/{number} from {position} on"
        for (topic, number), position in applied.items()
        if position < ends[topic, number]
        # Behind the last record there may be the mark of a transaction's end, which nobody applies.
        and await log.first((topic, number), position, ends[topic, number]) is not None
    ]
