"""What happens in warehouses and carts beside the orders: counts, corrections, moves, holds that lapse."""

from __future__ import annotations

import random
from typing import Final

from springtide.app.trade.agenda import Agenda, Effect
from springtide.app.trade.catalog import CHANGES_PER_ORDER, Catalog
from springtide.app.trade.emission import DAY_MS, HOUR_MS, MINUTE_MS, Pen, day_text
from springtide.app.trade.spec import TradeSpec
from springtide.app.trade.stock import Book

COUNTS_PER_ORDER: Final = 0.12
ADJUSTMENTS_PER_ORDER: Final = 0.06
MOVES_PER_ORDER: Final = 0.04
FENCES_PER_ORDER: Final = 0.004
_FOUND: Final = ("breakage", "theft", "found in a wrong bin", "count corrected")


class Floor:
    """Each call makes one such happening at a given time."""

    def __init__(
        self,
        spec: TradeSpec,
        rng: random.Random,
        pen: Pen,
        agenda: Agenda,
        book: Book,
        catalog: Catalog | None,
    ) -> None:
        self._spec = spec
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        self._book = book
        self._carts = 0
        rates = [
            (self.count, COUNTS_PER_ORDER),
            (self.adjust, ADJUSTMENTS_PER_ORDER),
            (self.move, MOVES_PER_ORDER),
            (self.fence, FENCES_PER_ORDER),
            (self.abandon_cart, spec.abandoned_cart_rate),
        ]
        if catalog is not None:
            rates.append((catalog.change, CHANGES_PER_ORDER))
        self._rates = rates
        self.per_order: float = sum(rate for _, rate in rates)
        """Happenings for each order, on average."""

    def happen(self, now_ms: int) -> None:
        """One of them, as often as its rate says."""
        left = self._random() * self.per_order
        for happening, rate in self._rates:
            left -= rate
            if left < 0:
                happening(now_ms)
                return

    def count(self, now_ms: int) -> None:
        """Somebody counts a cell. The figure is what left and came by now, so it is never told late."""
        sku, place, cell = self._cell()
        book = self._book
        on_hand = max(0, book.physical[cell])
        book.physical[cell] = on_hand
        data = f'{{"location":"{book.places[place]}","on_hand":{on_hand},"basis":"includes_committed"}}'
        source = book.sources[place]
        counted = self._pen.write("inventory.counted", source, book.names[sku], book.keys[sku], now_ms, data)
        self._agenda.put_punctual(now_ms, counted)

    def adjust(self, now_ms: int) -> None:
        """A unit or two too few, or too many."""
        sku, place, cell = self._cell()
        kind = int(self._random() * len(_FOUND))
        delta = 1 + int(self._random() * 2)
        if kind < 2 or self._random() < 0.3:
            delta = -min(delta, max(0, self._book.open[cell]))
        if delta:
            data = f'{{"location":"{self._book.places[place]}","delta":{delta},"reason":"{_FOUND[kind]}"}}'
            self._tell("inventory.adjusted", sku, place, now_ms, data, Effect(cell, delta, delta))

    def move(self, now_ms: int) -> None:
        """Units go to quality control; most come back, some are found to be damaged."""
        sku, place, cell = self._cell()
        qty = min(1 + int(self._random() * 3), self._book.open[cell] // 2)
        if qty <= 0:
            return
        name = self._book.places[place]
        data = f'{{"location":"{name}","qty":{qty},"from":"sellable","to":"quality_control"}}'
        self._tell("inventory.moved", sku, place, now_ms, data, Effect(cell, -qty, -qty))
        back_ms = now_ms + HOUR_MS + int(self._random() * 24 * HOUR_MS)
        good = self._random() < 0.8
        to = "sellable" if good else "damaged"
        data = f'{{"location":"{name}","qty":{qty},"from":"quality_control","to":"{to}"}}'
        units = qty if good else 0
        self._tell("inventory.moved", sku, place, back_ms, data, Effect(cell, units, units))

    def fence(self, now_ms: int) -> None:
        """Stock is fenced for the business channel."""
        sku, place, _cell = self._cell()
        until = ""
        if self._spec.is_whole and self._random() < 0.5:
            days = 1 + int(self._random() * 6)
            until = f',"valid_to":"{day_text(now_ms // DAY_MS + days)}"'
        data = f'{{"location":"{self._book.places[place]}","channel":"b2b","qty":2,"rank":10{until}}}'
        fenced = self._pen.write(
            "fence.set", "erp/main", self._book.names[sku], self._book.keys[sku], now_ms, data
        )
        self._agenda.put(now_ms, fenced)

    def abandon_cart(self, now_ms: int) -> None:
        """A hold that no order follows: released, extended once, or left until it expires."""
        luck, book, put = self._random, self._book, self._agenda.put
        self._carts += 1
        sku = book.pick()
        name, key = book.names[sku], book.keys[sku]
        hold = f"CART-{self._spec.seed}-X{self._carts:06d}"
        owner = f"C-{int(luck() * self._spec.customers) + 1:06d}"
        data = f'{{"hold_id":"{hold}","channel":"web","qty":{1 + int(luck() * 2)},"ttl_s":900,"owner":"{owner}"}}'

        def tell(fact: str, at_ms: int, data: str) -> None:
            put(at_ms, self._pen.write(fact, "storefront/web", name, key, at_ms, data))

        tell("hold.placed", now_ms, data)
        end = luck()
        at_ms = now_ms + 2 * MINUTE_MS + int(luck() * 10 * MINUTE_MS)
        if end < 0.2:
            tell("hold.extended", at_ms, f'{{"hold_id":"{hold}","ttl_s":1800}}')
            at_ms += 5 * MINUTE_MS
        if end < 0.5:
            tell("hold.released", at_ms, f'{{"hold_id":"{hold}"}}')

    def _cell(self) -> tuple[int, int, int]:
        sku = self._book.pick()
        places = self._book.stocked(sku)
        place = places[int(self._random() * len(places))]
        return sku, place, sku * self._spec.locations + place

    def _tell(self, fact: str, sku: int, place: int, at_ms: int, data: str, effect: Effect) -> None:
        book = self._book
        told = self._pen.write(fact, book.sources[place], book.names[sku], book.keys[sku], at_ms, data)
        self._agenda.put(at_ms, told, (effect,))
