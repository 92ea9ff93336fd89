"""A rush on one SKU: far more orders than units, from many producers at once, some told twice.

What it must come to: exactly as many units granted as there are, no order granted twice, and the same winners
wherever they are asked for: in the view, and in a replay of the log by another implementation.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any, Final

import aiohttp

from springtide.app.broker.connection import BrokerConnection
from springtide.app.drill.traffic import Traffic
from springtide.app.trade.emission import Emission, event, stamp
from springtide.app.trade.generate import generate
from springtide.app.trade.load import LoadProgress, load
from springtide.app.trade.spec import TradeSpec

SKU: Final = "RUSH-1"
LOCATION: Final = "BER"
PRODUCERS: Final = 12
DUPLICATE_SHARE: Final = 0.05
AGAIN_SHARE: Final = 0.02
_ANSWER_S: Final = 30.0
_AGAIN_S: Final = 0.5
_TRIES_MAX: Final = 120


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
            *(self._share(share, number, rate_per_s) for number, share in enumerate(shares)),
        )

    async def _share(self, share: list[str], producer: int, rate_per_s: float) -> None:
        """The orders of one producer."""
        told = _told(share, producer, self._spec.seed, self._spec.start_ms)
        await self._part(told, rate_per_s, None, rush=True)

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


class PromiseRush(Rush):
    """The same by `POST /v1/promises`: a repeat carries the same Idempotency-Key, and so does who asks again
    since no answer came."""

    def __init__(
        self, connection: BrokerConnection, background: TradeSpec, rate_per_s: float, **more: Any
    ) -> None:
        self._url: str = more.pop("url")
        super().__init__(connection, background, rate_per_s, **more)
        self.granted: dict[str, int] = {}
        self.wrong: list[str] = []

    async def _share(self, share: list[str], producer: int, rate_per_s: float) -> None:
        chance = random.Random(f"{self._spec.seed} {producer}")  # noqa: S311 - it is to be predictable
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_S)) as session:
            asked: list[asyncio.Task[None]] = []
            for order_id in share:
                times = 2 if chance.random() < DUPLICATE_SHARE + AGAIN_SHARE else 1
                asked += [asyncio.create_task(self._ask(session, order_id)) for _ in range(times)]
                await asyncio.sleep(1 / rate_per_s)
                self.rushed += 1
            await asyncio.gather(*asked)

    async def _ask(self, session: aiohttp.ClientSession, order_id: str) -> None:
        wanted = {"order_id": order_id, "channel": "web", "lines": [{"line_id": "1", "sku": SKU, "qty": 1}]}
        for _ in range(_TRIES_MAX):
            try:
                async with session.post(
                    f"{self._url}/v1/promises", json=wanted, headers={"Idempotency-Key": f"key {order_id}"}
                ) as response:
                    body = await response.json(content_type=None)
                    if response.status < 500 and response.status != 429:
                        self._note(order_id, response.status, body)
                        return
            except (aiohttp.ClientError, OSError, TimeoutError):
                pass  # no answer: asked again, under the same key
            await asyncio.sleep(_AGAIN_S)
        self.wrong.append(f"{order_id} was never answered.")

    def _note(self, order_id: str, status: int, body: dict[str, Any]) -> None:
        if status not in (200, 201):
            self.wrong.append(f"{order_id} was answered {status}: {body.get('detail')}")
            return
        units = sum(promise["qty"] for line in body["lines"] for promise in line["promises"])
        if self.granted.setdefault(order_id, units) != units:
            self.wrong.append(f"{order_id} was promised {self.granted[order_id]} and, asked again, {units}.")


def _counted(units: int, at_ms: int) -> Emission:
    data = {"location": LOCATION, "on_hand": units, "basis": "includes_committed"}
    return event("inventory.counted", "wms/rush", SKU, "count", stamp(at_ms), data)


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
        time = stamp(at_ms + number)
        told = event("order.placed", source, order_id, order_id, time, data)
        yield told
        luck = chance.random()
        if luck < DUPLICATE_SHARE:
            later.append((number + chance.randrange(1, 20), told))
        elif luck < DUPLICATE_SHARE + AGAIN_SHARE:
            again = event("order.placed", source, order_id, f"{order_id}/again", time, data)
            later.append((number + chance.randrange(1, 20), again))
        while later and min(later, key=_due)[0] <= number:
            first = min(later, key=_due)
            later.remove(first)
            yield first[1]
    for _, told in sorted(later, key=_due):
        yield told


def _due(entry: tuple[int, Emission]) -> int:
    return entry[0]


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


def promised(granted: dict[str, int], committed: int | None, orders: int, units: int) -> list[str]:
    """What is wrong, in sentences: order -> units as answered, and what a replay of the log has committed."""
    wrong = []
    if len(granted) != orders:
        wrong.append(f"{len(granted)} of {orders} promises were answered.")
    if sum(granted.values()) != units:
        wrong.append(f"{sum(granted.values())} units were promised; there were {units}.")
    if committed != units:
        wrong.append(f"A replay of the log has {committed} units committed; there were {units}.")
    wrong += [f"{name} was promised {n} units and asked for one." for name, n in granted.items() if n > 1]
    return wrong
