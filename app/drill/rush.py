"""A rush on one SKU: far more orders than units, from many producers at once, some told twice.

What it must come to: exactly as many units granted as there are, no order granted twice, and the same winners
wherever they are asked for: in the view, and in a replay of the log by another implementation.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from springtide.app.broker.connection import BrokerConnection
from springtide.app.drill.traffic import Traffic
from springtide.app.trade.emission import Emission, stamp
from springtide.app.trade.generate import generate
from springtide.app.trade.load import LoadProgress, load
from springtide.app.trade.spec import TradeSpec

SKU: Final = "RUSH-1"
LOCATION: Final = "BER"
PRODUCERS: Final = 12
DUPLICATE_SHARE: Final = 0.05
AGAIN_SHARE: Final = 0.02
_encode: Final = msgspec.json.Encoder().encode


def order_ids(orders: int) -> list[str]:
    return [f"RUSH-{number:05d}" for number in range(orders)]


class Rush(Traffic):
    """Traffic with a rush in it: `orders` orders of one unit for `units` units, over some `seconds`."""

    def __init__(
        self,
        connection: BrokerConnection,
        background: TradeSpec,
        rate_per_s: float,
        *,
        orders: int,
        units: int,
        seconds: float,
    ) -> None:
        super().__init__(connection, background, rate_per_s)
        self.orders = orders
        self.units = units
        self.rushed = 0
        """Orders handed over, told twice or not."""
        self._seconds = seconds

    async def _load(self) -> None:
        self._task = asyncio.current_task()
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        background = generate(self._spec)
        opening = self._spec.opening_events
        at_ms = self._spec.start_ms
        await self._part(iter([_counted(self.units, at_ms)]), None, None)
        await self._part(background, None, opening)
        if self._stop.is_set():
            return
        rate_per_s = self.orders / self._seconds / PRODUCERS
        shares = [order_ids(self.orders)[number::PRODUCERS] for number in range(PRODUCERS)]
        await asyncio.gather(
            self._part(background, self._rate_per_s, None),
            *(
                self._part(_told(share, number, self._spec.seed, at_ms), rate_per_s, None, rush=True)
                for number, share in enumerate(shares)
            ),
        )

    async def _part(
        self,
        emissions: Iterator[Emission],
        rate_per_s: float | None,
        events_max: int | None,
        *,
        rush: bool = False,
    ) -> None:
        told = 0

        def take(progress: LoadProgress) -> None:
            nonlocal told
            self._written += progress.events - told
            if rush:
                self.rushed += progress.events - told
            told = progress.events

        result = await load(
            self._connection,
            emissions,
            rate_per_s=rate_per_s,
            events_max=events_max,
            progress=take,
            stop=None if rush else self._stop,  # a rush is told to its end
        )
        self.results.append(result)


def _counted(units: int, at_ms: int) -> Emission:
    data = {"location": LOCATION, "on_hand": units, "basis": "includes_committed"}
    return _event("inventory", "inventory.counted", "wms/rush", "count", SKU, at_ms, data)


def _told(share: list[str], producer: int, seed: int, at_ms: int) -> Iterator[Emission]:
    """The orders of one producer; some events twice, some orders again under another id, a little later."""
    chance = random.Random(f"{seed} {producer}")  # noqa: S311 - it is to be predictable
    later: list[tuple[int, Emission]] = []
    for number, order_id in enumerate(share):
        data = {
            "order_id": order_id,
            "customer_id": f"RUSH-C{producer}",
            "channel": "web",
            "currency": "EUR",
            "lines": [{"line_id": "1", "sku": SKU, "qty": 1}],
        }
        source = f"oms/{producer}"
        told = _event("orders", "order.placed", source, order_id, order_id, at_ms + number, data)
        yield told
        luck = chance.random()
        if luck < DUPLICATE_SHARE:
            later.append((number + chance.randrange(1, 20), told))
        elif luck < DUPLICATE_SHARE + AGAIN_SHARE:
            again = _event(
                "orders", "order.placed", source, f"{order_id}/again", order_id, at_ms + number, data
            )
            later.append((number + chance.randrange(1, 20), again))
        while later and min(later, key=_due)[0] <= number:
            first = min(later, key=_due)
            later.remove(first)
            yield first[1]
    for _, told in sorted(later, key=_due):
        yield told


def _due(entry: tuple[int, Emission]) -> int:
    return entry[0]


def _event(
    topic: str, fact: str, source: str, event_id: str, subject: str, at_ms: int, data: dict[str, Any]
) -> Emission:
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"springtide.{fact}.v1",
        "subject": subject,
        "time": stamp(at_ms),
        "data": data,
    }
    return Emission(topic, subject.encode(), _encode(event), ())


def judged(granted: dict[str, int], replayed: dict[str, int], orders: int, units: int) -> list[str]:
    """What is wrong, in sentences: order -> units, as the view answers and as a replay of the log gives."""
    wrong = []
    for who, found in (("The view", granted), ("A replay of the log", replayed)):
        if len(found) != orders:
            wrong.append(f"{who} knows {len(found)} of the {orders} orders of the rush.")
        if sum(found.values()) != units:
            wrong.append(f"{who} has {sum(found.values())} units granted; there were {units}.")
        wrong += [f"{who} has {n} units granted to {name}." for name, n in found.items() if not 0 <= n <= 1]
    if granted != replayed:
        other = next(name for name in granted | replayed if granted.get(name) != replayed.get(name))
        wrong.append(f"The winners differ: {other} has {granted.get(other)}, replayed {replayed.get(other)}.")
    return wrong
