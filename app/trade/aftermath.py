"""What follows a shipment: its invoice and payment, and what comes back of it."""

from __future__ import annotations

import random
from typing import Final, NamedTuple

from springtide.app.trade.agenda import Agenda, Effects
from springtide.app.trade.emission import DAY_MS, HOUR_MS, MINUTE_MS, Pen
from springtide.app.trade.names import cents_of, money
from springtide.app.trade.spec import TradeSpec
from springtide.app.trade.stock import Book

_ERP: Final = "erp/finance"
_OMS: Final = "oms/returns"
_WHY_BACK: Final = ("too small", "not as described", "broken", "no longer needed", "wrong item")
_WHY_NOT: Final = ("sent back too late", "not ours", "seal broken")
_NOTHING: Final[Effects] = ()


class Part(NamedTuple):
    """Units of one order line on one shipment."""

    line_id: str
    sku: int
    qty: int


class Consignee(NamedTuple):
    """Whom an order goes to."""

    order_id: str
    key: bytes
    town: str
    pays_later: bool
    """A business pays days after its invoice; all others when it is posted."""


class Aftermath:
    """Plans all that will be told once a shipment has left. Of three things a shipment can come to: `delivered`,
    `lost` and `returned`."""

    def __init__(self, spec: TradeSpec, rng: random.Random, pen: Pen, agenda: Agenda, book: Book) -> None:
        self._spec = spec
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        self._book = book

    def follow(
        self,
        to: Consignee,
        shipment: str,
        location: int,
        parts: list[Part],
        shipped_ms: int,
        end: str,
        end_ms: int,
    ) -> None:
        """Plans it for one shipment, that left and came to an end at these times."""
        paid_ms = self._bill(to, shipment, parts, shipped_ms)
        if end == "lost":
            self._credit(to, shipment, parts, "lost", max(end_ms, paid_ms) + DAY_MS, paid_ms)
        elif end == "returned":
            # It was never delivered, so nothing is returned: its units go back to the shelf.
            good = tuple(
                [effect for part in parts for effect in self._book.coming_back(part.sku, location, part.qty)]
            )
            at_ms = max(end_ms, paid_ms) + 4 * HOUR_MS
            self._credit(to, shipment, parts, "other", at_ms, paid_ms, ',"restock":true', good)
        elif self._random() < self._spec.return_share:
            back = [part for part in parts if part.sku < self._spec.skus][:1]
            if back:
                why = _WHY_BACK[int(self._random() * len(_WHY_BACK))]
                asked_ms = end_ms + 6 * HOUR_MS + int(self._random() * 2 * DAY_MS)
                back = [back[0]._replace(qty=1 + int(self._random() * back[0].qty))]
                self._take_back(to, shipment, location, back, why, asked_ms, paid_ms)

    def _bill(self, to: Consignee, shipment: str, parts: list[Part], shipped_ms: int) -> int:
        """Invoice and payment; when it is paid."""
        luck, spec = self._random, self._spec
        invoice = f"IN{shipment[2:]}"
        at_ms = shipped_ms + 10 * MINUTE_MS + int(luck() * 4 * HOUR_MS)
        fate = luck() - spec.invoice_late_share
        if fate < 0:
            at_ms += 3 * DAY_MS + int(luck() * 2 * DAY_MS)
        elif fate < spec.over_invoiced_share:
            wrong = [parts[0]._replace(qty=parts[0].qty + 1), *parts[1:]]
            self._post(to, f"{invoice}-A", wrong, at_ms)
            at_ms += 4 * HOUR_MS + int(luck() * DAY_MS)
            self._tell("invoice.reversed", to, at_ms, f'{{"invoice_id":"{invoice}-A"}}')
            at_ms += MINUTE_MS
        cents = self._post(to, invoice, parts, at_ms)
        at_ms += MINUTE_MS
        if to.pays_later:
            at_ms += 2 * DAY_MS + int(luck() * 3 * DAY_MS)
        self._pay("payment.captured", to, f"PAY{shipment[2:]}", cents, at_ms)
        return at_ms

    def _post(self, to: Consignee, invoice: str, parts: list[Part], at_ms: int) -> int:
        lines, cents = _lines(parts)
        data = f'{{"invoice_id":"{invoice}","lines":[{lines}],"total":"{money(cents)}","currency":"EUR"}}'
        self._tell("invoice.posted", to, at_ms, data)
        return cents

    def _pay(self, fact: str, to: Consignee, payment: str, cents: int, at_ms: int) -> None:
        data = f'{{"payment_id":"{payment}","amount":"{money(cents)}"}}'
        self._tell(fact, to, at_ms, data)

    def _credit(
        self,
        to: Consignee,
        shipment: str,
        parts: list[Part],
        reason: str,
        at_ms: int,
        paid_ms: int,
        restock: str = "",
        effects: Effects = _NOTHING,
    ) -> None:
        lines, cents = _lines(parts)
        data = f'{{"memo_id":"CM{shipment[2:]}","reason":"{reason}","lines":[{lines}]{restock}}}'
        self._tell("credit_memo.issued", to, at_ms, data, effects)
        if paid_ms <= at_ms:
            self._pay("payment.refunded", to, f"REF{shipment[2:]}", cents, at_ms + HOUR_MS)

    def _take_back(
        self,
        to: Consignee,
        shipment: str,
        location: int,
        parts: list[Part],
        why: str,
        at_ms: int,
        paid_ms: int,
    ) -> None:
        """A return from its authorization on; some are rejected, some never come, a few are credited unseen."""
        luck, book = self._random, self._book
        back = f"RT{shipment[2:]}"
        asked = ",".join([f'{{"line_id":"{p.line_id}","qty":{p.qty},"reason":"{why}"}}' for p in parts])
        self._tell("return.authorized", to, at_ms, f'{{"return_id":"{back}","lines":[{asked}]}}', source=_OMS)
        fate = luck()
        if fate < 0.05:
            return
        at_ms += DAY_MS + int(luck() * DAY_MS)
        if fate < 0.12:
            reason = _WHY_NOT[int(luck() * len(_WHY_NOT))]
            data = f'{{"return_id":"{back}","reason":"{reason}"}}'
            self._tell("return.rejected", to, at_ms, data, source=_OMS)
            return
        source, place = book.sources[location], book.places[location]
        came = ",".join([f'{{"line_id":"{p.line_id}","qty":{p.qty}}}' for p in parts])
        data = f'{{"return_id":"{back}","location":"{place}","lines":[{came}]}}'
        self._tell("return.received", to, at_ms, data, source=source)
        at_ms += HOUR_MS + int(luck() * 20 * HOUR_MS)
        good = tuple([effect for part in parts for effect in book.coming_back(part.sku, location, part.qty)])
        if fate < 0.2:  # credited by what the customer says
            self._credit(to, shipment, parts, "return", at_ms, paid_ms, ',"restock":true', good)
            return
        how = "sellable" if fate < 0.8 else "damaged" if fate < 0.95 else "scrapped"
        seen = ",".join([f'{{"line_id":"{p.line_id}","qty":{p.qty},"disposition":"{how}"}}' for p in parts])
        data = f'{{"return_id":"{back}","lines":[{seen}]}}'
        effects = good if how == "sellable" else _NOTHING
        self._tell("return.inspected", to, at_ms, data, effects, source=source)
        self._credit(to, shipment, parts, "return", at_ms + 2 * HOUR_MS, paid_ms)

    def _tell(
        self,
        fact: str,
        to: Consignee,
        at_ms: int,
        data: str,
        effects: Effects = _NOTHING,
        source: str = _ERP,
    ) -> None:
        written = self._pen.write(fact, source, to.order_id, to.key, at_ms, data)
        self._agenda.put(at_ms, written, effects)


def _lines(parts: list[Part]) -> tuple[str, int]:
    """(the lines of an invoice or memo, what they come to in cents)."""
    lines = []
    cents = 0
    for line_id, sku, qty in parts:
        amount = cents_of(sku) * qty
        cents += amount
        lines.append(f'{{"line_id":"{line_id}","qty":{qty},"amount":"{money(amount)}"}}')
    return ",".join(lines), cents
