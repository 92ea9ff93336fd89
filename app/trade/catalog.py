"""What the trade's systems tell of things, places and customers before the first order, and how that changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from springtide.app.trade.agenda import Agenda
from springtide.app.trade.emission import DAY_MS, MINUTE_MS, Emission, Pen, day_text
from springtide.app.trade.names import REGIONS, TIME_ZONES, customer_name, price_of
from springtide.app.trade.spec import TradeSpec
from springtide.app.trade.stock import OPENING_MS, Book

CHANGES_PER_ORDER: Final = 0.02
_SOURCE: Final = "erp/main"
_LEAD_DAYS: Final = (2, 3, 5, 7, 10, 14)
_POLICY: Final = (
    '"horizon_days":60,"supply_fence_days":2,"supply_offset_days":1,"ranking":"priority_fifo",'
    '"invoice_late_days":3,"plan":{"allocate_s":0,"warehouse_s":28800,"transit_s":172800}'
)
_LIMITS: Final = ("2500.00", "5000.00", "10000.00", "25000.00")
BUSINESS_EVERY: Final = 5
"""One customer in so many is a business, and has a credit limit."""


class Catalog:
    """The opening, and later one change at a time."""

    def __init__(self, spec: TradeSpec, rng: random.Random, pen: Pen, agenda: Agenda, book: Book) -> None:
        self._spec = spec
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        self._book = book

    def opening(self) -> Iterator[Emission]:
        """The policy, then locations, products with their prices, and customers; before anything is counted."""
        spec, write = self._spec, self._pen.write
        first_ms = spec.start_ms - 2 * OPENING_MS
        count = 1 + spec.locations + 2 * len(self._book.names) + spec.customers
        step_ms = OPENING_MS / (2 * count)
        at_ms = float(first_ms)

        def told(fact: str, subject: str, data: str, source: str = _SOURCE) -> Emission:
            nonlocal at_ms
            at_ms += step_ms
            return write(fact, source, subject, subject.encode(), int(at_ms), data)

        yield told("policy.set", "*", f'{{"scope":"*",{_POLICY}}}')
        for number, place in enumerate(self._book.places):
            yield told("location.upserted", place, self._location(number))
        for sku, name in enumerate(self._book.names):
            yield told("product.upserted", name, self._product(sku))
            yield told("price.set", name, self._price(sku, "retail", price_of(sku), at_ms))
        for customer in range(spec.customers):
            name = customer_name(customer)
            yield told("customer.upserted", name, self._customer(customer), "crm/main")
            if customer % BUSINESS_EVERY == 0:
                limit = _LIMITS[customer // BUSINESS_EVERY % len(_LIMITS)]
                yield told("credit.limit_set", name, f'{{"limit":"{limit}","currency":"EUR"}}')

    def change(self, now_ms: int) -> None:
        """One of the things that happen to a catalog now and then."""
        luck = self._random()
        sku = self._book.pick()
        name = self._book.names[sku]
        if luck < 0.5:
            amount = f"{self._random() * 150 + 3:.2f}"
            self._tell("price.set", name, now_ms, self._price(sku, "retail", amount, now_ms + DAY_MS))
        elif luck < 0.6:
            customer = int(self._random() * self._spec.customers)
            self._tell("customer.upserted", customer_name(customer), now_ms, self._customer(customer))
        elif luck < 0.75:
            customer = int(self._random() * self._spec.customers) // BUSINESS_EVERY * BUSINESS_EVERY
            limit = _LIMITS[int(self._random() * len(_LIMITS))]
            data = f'{{"limit":"{limit}","currency":"EUR"}}'
            self._tell("credit.limit_set", customer_name(customer), now_ms, data)
        elif luck < 0.85:
            data = f'{{"location":"{self._book.places[self._stocked(sku)]}","qty":{1 + int(self._random() * 3)}}}'
            self._tell("safety_stock.set", name, now_ms, data)
        elif luck < 0.92:
            self._tell("product.discontinued", name, now_ms, f'{{"sku":"{name}"}}')
        elif luck < 0.97:
            policy = _POLICY.replace('"horizon_days":60', f'"horizon_days":{30 + int(self._random() * 60)}')
            self._tell("policy.set", name, now_ms, f'{{"scope":"{name}",{policy}}}')
        else:
            self._outage(now_ms)

    def _outage(self, now_ms: int) -> None:
        """A warehouse other than the first takes nothing on for some minutes."""
        places = self._book.places
        if len(places) < 2:
            return
        number = 1 + int(self._random() * (len(places) - 1))
        self._tell("location.upserted", places[number], now_ms, self._location(number, "false"))
        end_ms = now_ms + 5 * MINUTE_MS + int(self._random() * 30 * MINUTE_MS)
        self._tell("location.upserted", places[number], end_ms, self._location(number))

    def _stocked(self, sku: int) -> int:
        places = self._book.stocked(sku)
        return places[int(self._random() * len(places))]

    def _tell(self, fact: str, subject: str, at_ms: int, data: str) -> None:
        source = "crm/main" if fact == "customer.upserted" else _SOURCE
        self._agenda.put(at_ms, self._pen.write(fact, source, subject, subject.encode(), at_ms, data))

    # --- data ---

    def _location(self, number: int, is_open: str = "true") -> str:
        place = self._book.places[number]
        days = ',"working_days":[1,2,3,4,5,6]' if number % 3 == 2 else ""
        return (
            f'{{"location":"{place}","name":"Warehouse {place}","rank":{number + 1},'
            f'"timezone":"{TIME_ZONES.get(place, "Europe/Berlin")}","cutoff":"20:00"{days},"open":{is_open}}}'
        )

    def _product(self, sku: int) -> str:
        """Every eighth has a pack, every 40th a substitute; a few are superseded, or always to be had in time."""
        names, count = self._book.names, self._spec.skus
        more = ""
        parts = self._book.kits.get(sku)
        if parts is not None:
            listed = ",".join([f'{{"sku":"{names[part]}","qty_per":{per}}}' for part, per in parts])
            more = f',"kit":[{listed}]'
        elif sku >= count:
            more = ',"tracked":false'
        else:
            if sku % 8 == 3:
                more += ',"pack":{"BOX":12,"PALLET":480}'
            other = names[(sku + 1) % count]
            if sku % 40 == 7 and count > 1:
                consent = "true" if sku % 80 == 7 else "false"
                more += f',"substitutes":[{{"sku":"{other}","ratio":1,"needs_consent":{consent}}}]'
            if sku % 100 == 51 and count > 1:
                day = day_text(self._spec.start_ms // DAY_MS + 3)
                more += f',"superseded_by":{{"sku":"{other}","valid_from":"{day}"}}'
            if sku % 2:
                more += f',"lead_time_days":{_LEAD_DAYS[sku % len(_LEAD_DAYS)]}'
                if sku % 10 == 9:
                    more += ',"unconditional_after_lead_time":true'
        return f'{{"sku":"{names[sku]}","name":"{names[sku].title()}","uom":"EA"{more}}}'

    def _price(self, sku: int, price_list: str, amount: str, from_ms: float) -> str:
        day = day_text(int(from_ms) // DAY_MS)
        return (
            f'{{"sku":"{self._book.names[sku]}","list":"{price_list}","amount":"{amount}","currency":"EUR",'
            f'"valid_from":"{day}"}}'
        )

    def _customer(self, customer: int) -> str:
        region = REGIONS[customer % len(REGIONS)][0]
        kind = "business" if customer % BUSINESS_EVERY == 0 else "consumer"
        name = customer_name(customer)
        return f'{{"customer_id":"{name}","name":"Customer {customer + 1}","class":"{kind}","region":"{region}"}}'
