"""Facts of an order from all its sources, in any order that these may come in, give the same order.

The OMS keeps the order of what it says; everything else may come in any order, and much of it contradicts
itself. Milestones that follow from the order of arrival itself are left out: closed and reopened, and a `paid`
or cancelled that was true only until an earlier fact was heard of.
"""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
from domain import OrderStage, placed, released, scan, step
from hypothesis import given
from hypothesis import strategies as st

from springtide.codecs import facts as f
from springtide.tables.order import axes, ledgers

Told = tuple[str, f.Data, float, str]
SKUS = {"1": "tea", "2": "mug", "3": "tea"}


class Story:
    """Random facts of order o1: 4 tea and 3 mugs; line 3 comes by a revision, or never."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.oms: list[Told] = []
        self.others: list[Told] = []
        self._count = 0
        for name in ("s1", "s2"):
            self._shipment(name)
        for name in ("i1", "i2"):
            self._money(name)
        for name in ("r1", "r2"):
            self._return(name)
        for name in ("h1", "h2"):
            self._maybe(0.3, "order.hold_placed", f.OrderHoldPlaced(hold_id=name, reason="fraud_review"))
            self._maybe(0.3, "order.hold_released", f.OrderHoldReleased(hold_id=name))
        more = (f.OrderLine(line_id="1", sku="tea", qty=rng.randint(1, 6)), line("3", 2))
        self._maybe(0.4, "order.changed", f.OrderChanged(revision=1, lines=more), self.oms)
        part = (f.LineQty(line_id=rng.choice("12"), qty=rng.randint(1, 3)),)
        cancelled = f.OrderCancelled(lines=part if rng.random() < 0.6 else None)
        self._maybe(0.4, "order.cancelled", cancelled, self.oms)

    def arrival(self) -> list[Told]:
        """One order in which they may come."""
        others, oms = self.others[:], self.oms[:]
        self.rng.shuffle(others)
        found: list[Told] = []
        while others or oms:
            from_oms = oms and self.rng.random() * (len(others) + len(oms)) < len(oms)
            found.append(oms.pop(0) if from_oms or not others else others.pop())
        return found

    def _maybe(self, chance: float, name: str, data: f.Data, to: list[Told] | None = None) -> None:
        if self.rng.random() < chance:
            self._count += 1
            at_s = self.rng.randint(2, 30) + self._count / 100
            (self.others if to is None else to).append((name, data, at_s, f"src e{self._count}"))

    def _shipment(self, name: str) -> None:
        rng = self.rng
        for what in ("released", "picked", "packed", "shipped"):
            line_id = rng.choice("123")
            part = (line_id, SKUS[line_id], rng.randint(1, 3))
            data = released(name, "A", part) if what == "released" else step(name, part, location="A")
            self._maybe(0.5, f"shipment.{what}", data)
        for status in ("in_transit", "delivered", "delivered", "lost", "attempted", "pre_transit"):
            self._maybe(0.25, "parcel.scanned", scan(name, status))
        self._maybe(0.15, "shipment.voided", f.ShipmentVoided(shipment_id=name, reason="label"))
        wrong = f"e{rng.randint(1, 12)}"
        self._maybe(0.25, "delivery.corrected", f.DeliveryCorrected(shipment_id=name, cancels=wrong))
        self._maybe(0.2, "parcel.exception", f.ParcelException(shipment_id=name, kind="weather"))

    def _money(self, name: str) -> None:
        rng = self.rng
        amounts = (f.AmountLine(line_id=rng.choice("123"), qty=rng.randint(1, 4), amount="2.00"),)
        invoice = f.InvoicePosted(
            invoice_id=name, lines=amounts, total="2.00", currency=rng.choice(("EUR", "USD"))
        )
        self._maybe(0.5, "invoice.posted", invoice)
        self._maybe(0.3, "invoice.reversed", f.InvoiceReversed(invoice_id=name))
        reason: Any = rng.choice(("lost", "return", None))
        memo = f.CreditMemoIssued(memo_id=name, lines=amounts, reason=reason, restock=rng.random() < 0.5)
        self._maybe(0.3, "credit_memo.issued", memo)
        self._maybe(0.3, "payment.captured", f.Payment(payment_id=name, amount=rng.choice(("1.00", "4.00"))))
        self._maybe(0.2, "payment.refunded", f.Payment(payment_id=name, amount="1.00"))

    def _return(self, name: str) -> None:
        rng = self.rng
        asked = (f.ReturnAskedLine(line_id=rng.choice("12"), qty=2),)
        self._maybe(0.4, "return.authorized", f.ReturnAuthorized(return_id=name, lines=asked))
        back = (f.LineQty(line_id=rng.choice("123"), qty=rng.randint(1, 3)),)
        self._maybe(
            0.4, "return.received", f.ReturnReceived(return_id=name, location=rng.choice("AB"), lines=back)
        )
        disposition: Any = rng.choice(("sellable", "damaged", "scrapped"))
        found = (f.InspectedLine(line_id=rng.choice("12"), qty=1, disposition=disposition),)
        self._maybe(0.4, "return.inspected", f.ReturnInspected(return_id=name, lines=found))
        self._maybe(0.2, "return.rejected", f.ReturnRejected(return_id=name, reason="late"))


def line(line_id: str, qty: int) -> f.OrderLine:
    return f.OrderLine(line_id=line_id, sku=SKUS[line_id], qty=qty, price="1.25")


def picture(facts: list[Told]) -> dict[str, Any]:
    order = OrderStage()
    order.fact("order.placed", placed(line("1", 4), line("2", 3)), 1, "src p")
    for told in facts:
        order.fact(*told)
    row = order.order
    return {
        "status": order.status,
        "axes": axes(row),
        "ledgers": {line_id: msgspec.structs.asdict(q) for line_id, q in sorted(ledgers(row).items())},
        "milestones": sorted(
            (name, m.occurred_us, m.event_id, m.inferred, m.superseded)
            for name, m in row.milestones.items()
            if name not in ("closed", "reopened")
            and (name, m.superseded)
            not in (("paid", True), ("cancelled(part)", True), ("cancelled(all)", True))
        ),
        "closed": [
            m.occurred_us for name, m in row.milestones.items() if (name, m.superseded) == ("closed", False)
        ],
        "exceptions": sorted((e.kind, e.detail, e.event_id, e.at_us) for e in row.exceptions if e.about),
        "parcels": sorted((s.shipment_id, s.parcel_status() or "") for s in row.shipments.values()),
        "returns": {sku: order.asked(sku).returns for sku in ("tea", "mug")},
    }


@given(st.integers(0, 1 << 40))
def test_facts_in_any_order_give_the_same_order(seed: int) -> None:
    story = Story(Random(seed))
    told = picture(story.arrival())
    for _ in range(3):
        assert picture(story.arrival()) == told
