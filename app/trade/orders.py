"""The life of an order, from the cart to the last scan. All of it is planned when the order comes up."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from springtide.app.trade.aftermath import Consignee, Part
from springtide.app.trade.agenda import Agenda
from springtide.app.trade.catalog import BUSINESS_EVERY
from springtide.app.trade.credit import Credit
from springtide.app.trade.emission import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Pen, day_text
from springtide.app.trade.names import CHANNELS, REGIONS, cents_of, customer_name, order_name, price_of
from springtide.app.trade.shipments import Parcels
from springtide.app.trade.spec import TradeSpec
from springtide.app.trade.stock import Book, Share

_LINES: Final = (1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6)
_QTYS: Final = (1, 1, 1, 1, 1, 1, 2, 2, 3, 4)
_CART_TTLS_S: Final = (600, 900, 1_200, 1_800)
_HOLD_REASONS: Final = (
    "payment_pending",
    "payment_pending",
    "fraud_review",
    "credit_hold",
    "address_problem",
    "customer_requested",
)
_CANCEL_REASONS: Final = ("changed my mind", "found it cheaper", "ordered twice", "arrives too late")
_REJECT_REASONS: Final = ("credit refused", "address unknown", "customer blocked")


class Line(NamedTuple):
    """One line as ordered. `due_ms` is when it may ship at the earliest; `location` is -1 for any."""

    line_id: str
    sku: int
    qty: int
    due_ms: int
    location: int
    text: str
    """Its JSON without the quantity, and without the closing brace."""

    @property
    def json(self) -> str:
        return f'{self.text},"qty":{self.qty}}}'


class Told(NamedTuple):
    """A fact of the OMS, not written yet: its sequence is known once all of them are."""

    at_ms: int
    fact: str
    data: str


class Orders:
    """Places orders and plans all that follows."""

    def __init__(
        self,
        spec: TradeSpec,
        rng: random.Random,
        pen: Pen,
        agenda: Agenda,
        book: Book,
        parcels: Parcels,
        credit: Credit | None,
    ) -> None:
        self.placed = 0
        self._spec = spec
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        self._book = book
        self._parcels = parcels
        self._credit = credit

    def place(self, now_ms: int) -> None:
        """The next order, placed at `now_ms` or, where its cart held stock before, minutes later."""
        luck, spec = self._random, self._spec
        self.placed += 1
        order_id = order_name(spec.seed, self.placed)
        key = order_id.encode()
        customer = int(luck() ** 2 * spec.customers)
        channel = CHANNELS[int(luck() * len(CHANNELS))]
        is_business = channel == "b2b"
        if is_business and spec.is_whole:
            customer -= customer % BUSINESS_EVERY
        lines = self._lines(now_ms, 2 + int(luck() * 5) if is_business else 1)
        at_ms = now_ms
        if channel in ("web", "app") and luck() < spec.cart_hold_share:
            at_ms = self._cart(order_id, customer, lines[0], channel, now_ms)
        complete = luck() < spec.ship_complete_share
        single = luck() < spec.single_source_share
        region, country, town, postcode = REGIONS[customer % len(REGIONS)]
        digits = 3 if country == "DE" else 2
        extra = ""
        if is_business:
            extra = f',"priority":50,"placed_by":"rep-{customer % 23:02d}","opportunity_id":"OPP-{self.placed:06d}"'
        elif spec.is_whole and luck() < spec.express_share:
            extra = ',"priority":20'
        if complete:
            extra += ',"ship_complete":true'
        if single:
            extra += ',"sourcing":{"mode":"single"}'
        if luck() < 0.6:
            extra += f',"promised_by":"{day_text(at_ms // DAY_MS + 4)}"'
        data = (
            f'{{"order_id":"{order_id}","customer_id":"{customer_name(customer)}","channel":"{channel}",'
            f'"region":"{region}","currency":"EUR"{extra},"lines":[{",".join([line.json for line in lines])}],'
            f'"ship_to":{{"country":"{country}","region":"{region}",'
            f'"postcode":"{postcode}{customer * 37 % 10**digits:0{digits}d}"}}}}'
        )
        told = [Told(at_ms, "order.placed", data)]
        lines, ready_ms = self._fate(told, order_id, lines, at_ms)
        if is_business and self._credit is not None:
            cents = sum([cents_of(line.sku) * line.qty for line in lines])
            ready_ms = max(ready_ms, self._credit.check(customer, cents, at_ms))
        told.sort()
        write, put = self._pen.write, self._agenda.put
        for sequence, (told_ms, fact, data) in enumerate(told, 1):
            put(told_ms, write(fact, "oms/main", order_id, key, told_ms, data, sequence))
        to = Consignee(order_id, key, town, is_business)
        self._ship(to, lines, at_ms, ready_ms, complete, single)

    def _lines(self, now_ms: int, bulk: int) -> list[Line]:
        luck, spec, book = self._random, self._spec, self._book
        due_ms = 0
        if luck() < spec.requested_later_share:
            due_ms = (now_ms // DAY_MS + 2 + int(luck() * 4)) * DAY_MS
        wished = int(luck() * spec.locations) if luck() < spec.located_share else -1
        lines: list[Line] = []
        skus: set[int] = set()
        for number in range(1, 1 + _LINES[int(luck() * 12)]):
            sku = book.pick()
            if sku in skus:
                continue
            skus.add(sku)
            text = f'{{"line_id":"{number}","sku":"{book.names[sku]}","price":"{price_of(sku)}"'
            location = -1
            if wished >= 0 and wished in book.stocked(sku):
                location = wished
                text += f',"location":"{book.places[location]}"'
            line_due_ms = 0
            if due_ms and (number == 1 or luck() < 0.5):
                line_due_ms = due_ms
                text += f',"requested_date":"{day_text(due_ms // DAY_MS)}"'
            if spec.is_whole and luck() < spec.substitutes_ok_share:
                text += ',"substitutes_ok":true'
            qty = _QTYS[int(luck() * 10)] * bulk
            lines.append(Line(str(number), sku, qty, line_due_ms, location, text))
        if spec.is_whole:
            lines += self._specials(len(lines) + 10)
        return lines

    def _specials(self, number: int) -> list[Line]:
        """Now and then a kit, or a service."""
        luck, spec, book = self._random, self._spec, self._book
        found: list[int] = []
        if luck() < spec.kit_share and book.kits:
            found.append(spec.skus + int(luck() ** 2 * len(book.kits)))
        if luck() < spec.service_share:
            found.append(book.services[int(luck() * len(book.services))])
        lines = []
        for at, sku in enumerate(found, number):
            text = f'{{"line_id":"{at}","sku":"{book.names[sku]}","price":"{price_of(sku)}"'
            lines.append(Line(str(at), sku, 1, 0, -1, text))
        return lines

    def _cart(self, order_id: str, customer: int, line: Line, channel: str, now_ms: int) -> int:
        """A hold for the first line while its customer checks out, converted after; when the order is placed."""
        luck, book, write, put = self._random, self._book, self._pen.write, self._agenda.put
        name, key = book.names[line.sku], book.keys[line.sku]
        ttl_s = _CART_TTLS_S[int(luck() * 4)]
        hold = f"CART-{order_id}"
        place = "" if line.location < 0 else f'"location":"{book.places[line.location]}",'
        data = (
            f'{{"hold_id":"{hold}",{place}"channel":"{channel}","qty":{line.qty},"ttl_s":{ttl_s},'
            f'"owner":"C-{customer + 1:06d}"}}'
        )
        put(now_ms, write("hold.placed", "storefront/web", name, key, now_ms, data))
        at_ms = now_ms + MINUTE_MS + int(luck() * 7 * MINUTE_MS)
        if luck() < 0.2:
            longer_ms = at_ms - 20 * SECOND_MS
            data = f'{{"hold_id":"{hold}","ttl_s":600}}'
            put(longer_ms, write("hold.extended", "storefront/web", name, key, longer_ms, data))
        data = f'{{"hold_id":"{hold}","order_id":"{order_id}","line_id":"{line.line_id}"}}'
        after_ms = at_ms + 200 + int(luck() * 2 * SECOND_MS)
        put(after_ms, write("hold.converted", "storefront/web", name, key, after_ms, data))
        return at_ms

    def _fate(self, told: list[Told], order_id: str, lines: list[Line], at_ms: int) -> tuple[list[Line], int]:
        """What becomes of the order: (what is left to ship, when that may begin)."""
        luck, spec = self._random, self._spec
        soon_ms = at_ms + 10 * SECOND_MS + int(luck() * 4 * MINUTE_MS)
        fate = luck() - spec.reject_share
        if fate < 0:
            reason = _REJECT_REASONS[int(luck() * len(_REJECT_REASONS))]
            told.append(Told(soon_ms, "order.rejected", f'{{"reason":"{reason}"}}'))
            return [], soon_ms
        told.append(Told(soon_ms, "order.confirmed", "{}"))
        then_ms = soon_ms + 2 * MINUTE_MS + int(luck() * HOUR_MS)
        if (fate := fate - spec.cancel_share) < 0:
            told.append(Told(then_ms, "order.cancelled", self._cancel("")))
            return [], then_ms
        if (fate := fate - spec.cancel_part_share) < 0:
            return self._cancel_part(told, lines, then_ms), then_ms
        if (fate := fate - spec.change_share) < 0:
            lines = [lines[0]._replace(qty=lines[0].qty + 1 + int(luck() * 2)), *lines[1:]]
            text = ",".join([line.json for line in lines])
            data = f'{{"order_id":"{order_id}","revision":1,"lines":[{text}]}}'
            told.append(Told(then_ms, "order.changed", data))
            return lines, then_ms
        if (fate - spec.order_hold_share) < 0:
            return self._hold(told, order_id, lines, soon_ms)
        return lines, soon_ms

    def _cancel(self, lines: str) -> str:
        reason = _CANCEL_REASONS[int(self._random() * len(_CANCEL_REASONS))]
        return f'{{{lines}"reason":"{reason}"}}'

    def _cancel_part(self, told: list[Told], lines: list[Line], at_ms: int) -> list[Line]:
        *others, last = lines
        gone = 1 if last.qty > 1 and self._random() < 0.5 else last.qty
        text = f'"lines":[{{"line_id":"{last.line_id}","qty":{gone}}}],'
        told.append(Told(at_ms, "order.cancelled", self._cancel(text)))
        return [*others, last._replace(qty=last.qty - gone)] if gone < last.qty else others

    def _hold(self, told: list[Told], order_id: str, lines: list[Line], at_ms: int) -> tuple[list[Line], int]:
        luck = self._random
        hold = f"H-{order_id[2:]}"
        reason = _HOLD_REASONS[int(luck() * len(_HOLD_REASONS))]
        scope = f',"scope":["{lines[0].line_id}"]' if luck() < 0.1 else ""
        held_ms = at_ms + SECOND_MS
        told.append(Told(held_ms, "order.hold_placed", f'{{"hold_id":"{hold}","reason":"{reason}"{scope}}}'))
        if luck() < 0.1:
            end_ms = held_ms + DAY_MS + int(luck() * DAY_MS)
            told.append(Told(end_ms, "order.cancelled", '{"reason":"hold not cleared"}'))
            return [], end_ms
        end_ms = held_ms + 10 * MINUTE_MS + int(luck() ** 2 * 20 * HOUR_MS)
        told.append(Told(end_ms, "order.hold_released", f'{{"hold_id":"{hold}"}}'))
        return lines, end_ms

    def _ship(
        self, to: Consignee, lines: list[Line], at_ms: int, ready_ms: int, complete: bool, single: bool
    ) -> None:
        """One shipment for each location and time at which units are there; complete orders wait for all."""
        take = self._book.take
        found: list[tuple[Line, Share]] = []
        for line in lines:
            for share in take(line.sku, line.qty, at_ms, line.location, single):
                from_ms = max(share.ready_ms, ready_ms, line.due_ms)
                found.append((line, Share(share.location, share.qty, from_ms)))
        if complete and found:
            last_ms = max(share.ready_ms for _, share in found)
            found = [(line, share._replace(ready_ms=last_ms)) for line, share in found]
        groups: dict[tuple[int, int], list[Part]] = {}
        for line, share in found:
            part = Part(line.line_id, line.sku, share.qty)
            groups.setdefault((share.ready_ms, share.location), []).append(part)
        number = 1
        for (from_ms, location), parts in sorted(groups.items()):
            number = self._parcels.ship(to, number, location, parts, from_ms)
