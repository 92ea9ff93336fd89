"""The trade's own book of stock: how much lies where, what is promised, and when more is ordered.

It gives units out as the nearest location has them, so that what ships is what was there to be promised.
"""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from typing import Final, NamedTuple

from springtide.app.trade.agenda import Agenda, Effect, Effects
from springtide.app.trade.emission import DAY_MS, HOUR_MS, MINUTE_MS, Emission, Pen, stamp
from springtide.app.trade.names import SERVICES, kit_name, sku_name
from springtide.app.trade.spec import TradeSpec

UNITS_PER_ORDER: Final = 5.7
"""Mean over all channels; only stock levels depend on it."""
_LEVEL_MIN: Final = 10
_REORDER_AT: Final = 0.55
"""Of the level: with the default cover, about twice what is asked for while a supply is on its way."""
_WIDE: Final = 2
"""One SKU in so many, the most wanted, lies at every location; the others at the first and at most one more."""
_TO_FIRST: Final = 0.6
"""Of supplies: those that go to the first location."""
OPENING_MS: Final = 6 * HOUR_MS
_KIT_EVERY: Final = 50
"""One kit for so many SKUs."""


class Share(NamedTuple):
    """Units of one line from one location, there from `ready_ms` on."""

    location: int
    qty: int
    ready_ms: int


class Coming(NamedTuple):
    """The supply that those who wait are served from; `free` units of it are not spoken for."""

    arrives_ms: int
    location: int
    free: int


class Book:
    """Figures by cell, that is by SKU number x locations + location."""

    def __init__(self, spec: TradeSpec, rng: random.Random, pen: Pen, agenda: Agenda) -> None:
        self.spec = spec
        self.names = [sku_name(number) for number in range(spec.skus)]
        self.kits: dict[int, tuple[tuple[int, int], ...]] = {}
        """Number of a kit -> (SKU, units of it in one kit). Kits and services have numbers beyond the SKUs'."""
        if spec.is_whole and spec.skus > 1:
            for kit in range(-(-spec.skus // _KIT_EVERY)):
                parts = ((kit * 3 % spec.skus, 1), ((kit * 3 + 1) % spec.skus, 2))
                self.kits[len(self.names)] = parts
                self.names.append(kit_name(kit))
        self.services = range(len(self.names), len(self.names) + (len(SERVICES) if spec.is_whole else 0))
        self.names += SERVICES[: len(self.services)]
        self.keys = [name.encode() for name in self.names]
        self.places = spec.location_names
        self.physical = [0] * (spec.skus * spec.locations)
        self.open = [0] * (spec.skus * spec.locations)
        self.sources = [f"wms/{place.lower()}" for place in self.places]
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        weights = [(number + 1) ** -spec.skew for number in range(spec.skus)]
        self._cumulative = list(accumulate(weights))
        self._weight = self._cumulative[-1]
        cover = 24 * spec.orders_per_hour * UNITS_PER_ORDER * spec.cover_days / self._weight
        self._levels = [max(_LEVEL_MIN, int(cover * weight)) for weight in weights]
        self._coming: dict[int, Coming] = {}
        self._on_order = [0] * spec.skus
        self._supplies = 0

    def pick(self) -> int:
        """A SKU, as customers want them."""
        return min(bisect(self._cumulative, self._random() * self._weight), self.spec.skus - 1)

    def stocked(self, sku: int) -> list[int]:
        """The locations a SKU lies at."""
        count = self.spec.locations
        if sku * _WIDE < self.spec.skus:
            return list(range(count))
        return sorted({0, sku * 31 % count})

    def opening(self) -> Iterator[Emission]:
        """Counts of every cell, safety stock, and a first few supplies, in order of time."""
        count, levels, write = self.spec.locations, self._levels, self._pen.write
        at_ms = float(self.spec.start_ms - OPENING_MS)
        step_ms = OPENING_MS / (self.spec.skus * (count + 2))
        for sku, name in enumerate(self.names[: self.spec.skus]):
            places = self.stocked(sku)
            for place in places:
                units = levels[sku] // len(places) + int(self._random() * 3)
                self.physical[sku * count + place] = self.open[sku * count + place] = units
                if not self.spec.opening:
                    continue
                basis = "excludes" if sku % 7 == 3 else "includes"
                data = f'{{"location":"{self.places[place]}","on_hand":{units},"basis":"{basis}_committed"}}'
                at_ms += step_ms
                yield write("inventory.counted", self.sources[place], name, self.keys[sku], int(at_ms), data)
            if self.spec.opening and sku % 3 == 0:
                units = max(1, levels[sku] // 50)
                data = f'{{"location":"{self.places[places[0]]}","qty":{units}}}'
                at_ms += step_ms
                yield write("safety_stock.set", "erp/main", name, self.keys[sku], int(at_ms), data)
            if sku % 13 == 5:
                self._order_supply(sku, self.spec.start_ms, 0)

    def take(self, sku: int, qty: int, now_ms: int, place: int = -1, single: bool = False) -> list[Share]:
        """Promises units of a SKU: from `place` if one is named, else from the first that have any.

        What is not there is promised from a supply on its way, and one is ordered if need be.
        """
        count, cells = self.spec.locations, self.open
        if sku >= self.spec.skus:
            return [self._take_special(sku, qty, now_ms)]
        base = sku * count
        shares: list[Share] = []
        left = qty
        for location in range(count) if place < 0 else (place,):
            here = cells[base + location]
            if here <= 0 or (single and here < qty):
                continue
            units = min(left, here)
            cells[base + location] = here - units
            shares.append(Share(location, units, now_ms))
            left -= units
            if not left:
                break
        if left:
            coming = self._coming.get(sku)
            if coming is None or coming.free < left or coming.arrives_ms <= now_ms:
                coming = self._order_supply(sku, now_ms, left)
            self._coming[sku] = coming._replace(free=coming.free - left)
            cells[base + coming.location] -= left
            shares.append(Share(coming.location, left, coming.arrives_ms))
        if sum(cells[base : base + count]) + self._on_order[sku] < self._levels[sku] * _REORDER_AT:
            self._order_supply(sku, now_ms, 0)
        return shares

    def _take_special(self, sku: int, qty: int, now_ms: int) -> Share:
        """Kits are made at the first location, where their parts may have to come first; services are there."""
        ready_ms = now_ms
        for part, per in self.kits.get(sku, ()):
            needed = qty * per
            cell = part * self.spec.locations
            self.open[cell] -= needed
            if self.open[cell] < 0:
                coming = self._order_supply(part, now_ms, needed, 0)
                self._coming[part] = coming._replace(free=coming.free - needed)
                ready_ms = max(ready_ms, coming.arrives_ms)
        return Share(0, qty, ready_ms)

    def leaving(self, sku: int, location: int, qty: int) -> Effects:
        """What it does to a location's stock that units leave it; of a kit its parts do."""
        if sku < self.spec.skus:
            return (Effect(sku * self.spec.locations + location, -qty, 0),)
        return tuple([self.leaving(part, location, qty * per)[0] for part, per in self.kits.get(sku, ())])

    def coming_back(self, sku: int, location: int, qty: int) -> Effects:
        """What it does that they are on its shelf again."""
        return tuple([Effect(cell, -units, -units) for cell, units, _, _ in self.leaving(sku, location, qty)])

    def apply(self, effects: Effects) -> None:
        """Books what has arrived."""
        for cell, physical, free, arrived in effects:
            self.physical[cell] += physical
            self.open[cell] += free
            if arrived:
                self._on_order[cell // self.spec.locations] -= arrived

    def _order_supply(self, sku: int, now_ms: int, need: int, to_place: int = -1) -> Coming:
        """Orders enough for those who wait, and to reach the level again; tells its way until it is received."""
        luck, count = self._random, self.spec.locations
        places = self.stocked(sku)
        place = to_place
        if place < 0:
            place = 0 if luck() < _TO_FIRST else places[int(luck() * len(places))]
        name, key, to = self.names[sku], self.keys[sku], self.places[place]
        position = sum(self.open[sku * count : sku * count + count]) + self._on_order[sku]
        pack = (1, 6, 12, 24)[sku % 4] if self._levels[sku] > 24 else 1
        qty = max(need + 1, self._levels[sku] - position + need, self._levels[sku] // 2)
        qty = -(-qty // pack) * pack
        self._supplies += 1
        supply = f"PO{self.spec.seed}-{self._supplies:06d}"
        due_ms = now_ms + 6 * HOUR_MS + int(luck() * DAY_MS)
        firmness = ("firm", "firm", "in_transit", "planned")[int(luck() * 4)]
        due = stamp(due_ms) if firmness == "in_transit" else stamp(due_ms)[:10]
        data = (
            f'{{"supply_id":"{supply}","location":"{to}","qty":{qty},"due":"{due}","firmness":"{firmness}"}}'
        )
        told_ms = now_ms + int(luck() * 5 * MINUTE_MS)
        write, put = self._pen.write, self._agenda.put
        put(told_ms, write("supply.scheduled", "erp/main", name, key, told_ms, data))
        if luck() < 0.01:  # a plan that came to nothing, beside the one that holds
            plan = data.replace(supply, f"{supply}-A", 1)
            put(told_ms + 1, write("supply.scheduled", "erp/main", name, key, told_ms + 1, plan))
            end_ms = told_ms + HOUR_MS
            data = f'{{"supply_id":"{supply}-A"}}'
            put(end_ms, write("supply.cancelled", "erp/main", name, key, end_ms, data))
        if luck() < self.spec.supply_late_share:
            known_ms = due_ms - 2 * HOUR_MS
            due_ms += 2 * DAY_MS + int(luck() * 2 * DAY_MS)
            if not self.spec.is_whole or luck() >= self.spec.supply_silent_share:
                data = f'{{"supply_id":"{supply}","due":"{stamp(due_ms)[:10]}"}}'
                put(known_ms, write("supply.rescheduled", "erp/main", name, key, known_ms, data))
        data = f'{{"location":"{to}","qty":{qty},"supply_id":"{supply}"}}'
        received = write("inventory.received", self.sources[place], name, key, due_ms, data)
        put(due_ms, received, (Effect(sku * count + place, qty, qty, qty),))
        self._on_order[sku] += qty
        self._coming[sku] = coming = Coming(due_ms, place, qty)
        return coming
