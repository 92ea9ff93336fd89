"""The way of a shipment: released, picked, packed, on the truck, then scan by scan to the door."""

from __future__ import annotations

import random
from typing import Final

from springtide.app.trade.aftermath import Aftermath, Consignee, Part
from springtide.app.trade.agenda import Agenda, Effects, Step
from springtide.app.trade.emission import DAY_MS, HOUR_MS, MINUTE_MS, Emission, Pen, id_of
from springtide.app.trade.names import CARRIERS, HUBS
from springtide.app.trade.spec import TradeSpec
from springtide.app.trade.stock import Book

_TRUCK_EVERY_MS: Final = 2 * HOUR_MS
_NOTHING: Final[Effects] = ()
_VOID_REASONS: Final = ("label printer down", "wrong box", "address corrected", "picked to the wrong tote")
_DELAYS: Final = (
    ("carrier_delay", "sorting centre overloaded"),
    ("weather", "road closed by snow"),
    ("address", "house number missing"),
    ("customs", "papers incomplete"),
    ("damaged", "outer box dented, repacked"),
)


class Parcels:
    """Plans shipments. One call plans all that will be told about one of them."""

    def __init__(
        self,
        spec: TradeSpec,
        rng: random.Random,
        pen: Pen,
        agenda: Agenda,
        book: Book,
        aftermath: Aftermath | None,
    ) -> None:
        self._spec = spec
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        self._book = book
        self._aftermath = aftermath

    def ship(self, to: Consignee, first: int, location: int, parts: list[Part], ready_ms: int) -> int:
        """Ships parts of an order from a location, in one or more shipments numbered from `first` on.

        Nothing is told before `ready_ms`. Returns the next free number.
        """
        luck, spec = self._random, self._spec
        released_ms = ready_ms + 5 * MINUTE_MS + int(luck() * 2 * HOUR_MS)
        later: list[Part] = []
        if luck() < spec.split_share:
            parts, later = self._split(parts)
        if luck() < spec.void_share:
            self._void(to, first, location, parts, released_ms)
            first += 1
            released_ms += 2 * HOUR_MS
        short: list[Part] = []
        if luck() < spec.short_share and parts[0].qty > 1:
            short = [parts[0]._replace(qty=1)]
        self._send(to, first, location, parts, short, released_ms)
        first += 1
        if short:
            self._send(to, first, location, short, [], released_ms + DAY_MS)
            first += 1
        if later:
            self._send(to, first, location, later, [], released_ms + 5 * HOUR_MS)
            first += 1
        return first

    def _split(self, parts: list[Part]) -> tuple[list[Part], list[Part]]:
        if len(parts) > 1:
            return parts[:1], parts[1:]
        only = parts[0]
        if only.qty == 1:
            return parts, []
        half = only.qty // 2
        return [only._replace(qty=only.qty - half)], [only._replace(qty=half)]

    def _lines(self, parts: list[Part]) -> str:
        names = self._book.names
        return ",".join(
            [f'{{"line_id":"{line}","sku":"{names[sku]}","qty":{qty}}}' for line, sku, qty in parts]
        )

    def _void(self, to: Consignee, number: int, location: int, parts: list[Part], at_ms: int) -> None:
        order_id, key = to.order_id, to.key
        source, place = self._book.sources[location], self._book.places[location]
        shipment = f"SH{order_id[2:]}-{number}"
        data = f'{{"shipment_id":"{shipment}","location":"{place}","lines":[{self._lines(parts)}]}}'
        write, put = self._pen.write, self._agenda.put
        put(at_ms, write("shipment.released", source, order_id, key, at_ms, data))
        at_ms += 10 * MINUTE_MS + int(self._random() * HOUR_MS)
        reason = _VOID_REASONS[int(self._random() * len(_VOID_REASONS))]
        data = f'{{"shipment_id":"{shipment}","reason":"{reason}"}}'
        put(at_ms, write("shipment.voided", source, order_id, key, at_ms, data))

    def _send(
        self,
        to: Consignee,
        number: int,
        location: int,
        parts: list[Part],
        short: list[Part],
        released_ms: int,
    ) -> None:
        luck, write, book = self._random, self._pen.write, self._book
        order_id, key = to.order_id, to.key
        source, place = self._book.sources[location], self._book.places[location]
        shipment = f"SH{order_id[2:]}-{number}"
        lines = self._lines(parts)
        steps: list[Step] = []

        def tell(fact: str, at_ms: int, data: str, effects: Effects = _NOTHING) -> None:
            steps.append((at_ms, write(fact, source, order_id, key, at_ms, data), effects))

        data = f'{{"shipment_id":"{shipment}","location":"{place}","lines":[{lines}]}}'
        tell("shipment.released", released_ms, data)
        at_ms = released_ms + 15 * MINUTE_MS + int(luck() * 90 * MINUTE_MS)
        if short:
            missing = short[0]
            parts = [missing._replace(qty=parts[0].qty - missing.qty), *parts[1:]]
            lines = self._lines(parts)
            data = f'{{"shipment_id":"{shipment}","line_id":"{missing.line_id}","qty":{missing.qty}}}'
            tell("pick.short", at_ms - MINUTE_MS, data)
            data = f'{{"shipment_id":"{shipment}","location":"{place}","lines":[{lines}]}}'
        tell("shipment.picked", at_ms, data)
        at_ms += 5 * MINUTE_MS + int(luck() * 30 * MINUTE_MS)
        tell("shipment.packed", at_ms, data)
        packed_ms = at_ms
        carrier, prefix = CARRIERS[int(luck() * len(CARRIERS))]
        tracking = f"{prefix}{int(luck() * 1e12):012d}"
        # Trucks leave every two hours, and a location's lots with them.
        truck_ms = at_ms + 10 * MINUTE_MS
        at_ms = truck_ms + (-truck_ms + location * 17 * MINUTE_MS) % _TRUCK_EVERY_MS
        at_ms += int(luck() * 4 * MINUTE_MS)
        data = f'{data[:-1]},"carrier":"{carrier}","tracking":"{tracking}"}}'
        gone = tuple([effect for _, sku, qty in parts for effect in book.leaving(sku, location, qty)])
        tell("shipment.shipped", at_ms, data, gone)
        if luck() < self._spec.issue_share:
            self._issue(order_id, shipment, location, parts, at_ms)
        scans = _Scans(self._pen, order_id, key, f"carrier/{carrier}", shipment, tracking, steps)
        scans.tell("pre_transit", packed_ms + 2 * MINUTE_MS + int(luck() * 5 * MINUTE_MS), place)
        end, end_ms = self._carry(scans, at_ms, to.town)
        self._hand_over(steps)
        if self._aftermath is not None:
            self._aftermath.follow(to, shipment, location, parts, at_ms, end, end_ms)

    def _issue(self, order_id: str, shipment: str, location: int, parts: list[Part], at_ms: int) -> None:
        book = self._book
        for _, sku, qty in parts:
            if sku >= self._spec.skus:
                continue
            data = (
                f'{{"location":"{book.places[location]}","qty":{qty},"order_id":"{order_id}",'
                f'"shipment_id":"{shipment}"}}'
            )
            told_ms = at_ms + int(self._random() * 2 * MINUTE_MS)
            issued = self._pen.write(
                "inventory.issued", book.sources[location], book.names[sku], book.keys[sku], told_ms, data
            )
            self._agenda.put(told_ms, issued)

    def _carry(self, scans: _Scans, shipped_ms: int, town: str) -> tuple[str, int]:
        """From the truck to one of the ends a parcel can come to: (which, when)."""
        luck, spec = self._random, self._spec
        at_ms = shipped_ms + HOUR_MS + int(luck() * 4 * HOUR_MS)
        hub = HUBS[int(luck() * len(HUBS))]
        scans.tell("in_transit", at_ms, hub)
        if luck() < 0.4:
            at_ms += 4 * HOUR_MS + int(luck() * 6 * HOUR_MS)
            scans.tell("in_transit", at_ms, town)
        trouble = luck() < spec.trouble_share
        fate = luck() if trouble else 1.0
        if fate < 0.4:
            kind, detail = _DELAYS[int(luck() * len(_DELAYS))]
            scans.trouble(kind, detail, at_ms + HOUR_MS)
            at_ms += DAY_MS
        elif fate < 0.45:
            scans.tell("lost", at_ms + 3 * DAY_MS, hub)
            return "lost", at_ms + 3 * DAY_MS
        at_ms += 7 * HOUR_MS + int(luck() * 10 * HOUR_MS)
        scans.tell("out_for_delivery", at_ms, town)
        at_ms += HOUR_MS + int(luck() * 5 * HOUR_MS)
        if 0.45 <= fate < 0.75:
            scans.tell("attempted", at_ms, town)
            at_ms += 18 * HOUR_MS
            scans.tell("out_for_delivery", at_ms, town)
            at_ms += HOUR_MS + int(luck() * 5 * HOUR_MS)
        elif 0.75 <= fate < 0.95:
            scans.tell("attempted", at_ms, town)
            scans.tell("available_for_pickup", at_ms + 2 * HOUR_MS, town)
            at_ms += 8 * HOUR_MS + int(luck() * 2 * DAY_MS)
        elif 0.95 <= fate < 1.0:
            scans.trouble("refused", "recipient refused it", at_ms)
            scans.tell("returned_to_sender", at_ms + 2 * DAY_MS, town)
            return "returned", at_ms + 2 * DAY_MS
        delivered = scans.tell("delivered", at_ms, town)
        if luck() < spec.correction_share:
            scans.correct(delivered, at_ms + HOUR_MS)
            at_ms += 20 * HOUR_MS
            scans.tell("delivered", at_ms, town)
        return "delivered", at_ms

    def _hand_over(self, steps: list[Step]) -> None:
        """Puts a shipment's steps on the agenda; one of them may arrive only after the one that follows it."""
        steps.sort(key=_when)
        if self._random() < self._spec.disorder_share:
            place = int(self._random() * (len(steps) - 1))
            steps[place] = (steps[place + 1][0] + 1, *steps[place][1:])
        put = self._agenda.put
        for at_ms, emission, effects in steps:
            put(at_ms, emission, effects)


def _when(step: Step) -> int:
    return step[0]


class _Scans:
    """What a carrier tells of one parcel."""

    __slots__ = ("_args", "_pen", "_steps", "shipment", "tracking")

    def __init__(
        self,
        pen: Pen,
        order_id: str,
        key: bytes,
        source: str,
        shipment: str,
        tracking: str,
        steps: list[Step],
    ) -> None:
        self._pen = pen
        self._args = (source, order_id, key)
        self._steps = steps
        self.shipment = shipment
        self.tracking = tracking

    def tell(self, status: str, at_ms: int, place: str) -> Emission:
        data = (
            f'{{"shipment_id":"{self.shipment}","tracking":"{self.tracking}","status":"{status}",'
            f'"place":"{place}"}}'
        )
        return self._add("parcel.scanned", at_ms, data)

    def trouble(self, kind: str, detail: str, at_ms: int) -> None:
        data = f'{{"shipment_id":"{self.shipment}","kind":"{kind}","detail":"{detail}"}}'
        self._add("parcel.exception", at_ms, data)

    def correct(self, scan: Emission, at_ms: int) -> None:
        data = f'{{"shipment_id":"{self.shipment}","cancels":"{self._args[0]} {id_of(scan)}"}}'
        self._add("delivery.corrected", at_ms, data)

    def _add(self, fact: str, at_ms: int, data: str) -> Emission:
        emission = self._pen.write(fact, *self._args, at_ms, data)
        self._steps.append((at_ms, emission, _NOTHING))
        return emission
