"""Facts of an order in every order of arrival give the same order: ledgers, status, milestones, exceptions."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import msgspec
import pytest
from domain import OrderStage, placed, released, scan, step

from springtide.codecs import facts as f
from springtide.tables.order import axes, ledgers

Told = tuple[str, f.Data, float]


def amounts(units: int) -> tuple[f.AmountLine, ...]:
    return (f.AmountLine(line_id="1", qty=units, amount="5.00"),)


def invoice(name: str, units: int) -> f.InvoicePosted:
    return f.InvoicePosted(invoice_id=name, lines=amounts(units), total="5.00", currency="EUR")


def correction(cancels: str) -> f.DeliveryCorrected:
    return f.DeliveryCorrected(shipment_id="s1", cancels=cancels)


BACK = (f.LineQty(line_id="1", qty=2),)
STORIES: dict[str, tuple[Told, ...]] = {
    "a straight order, billed and paid": (
        ("shipment.picked", step("s1", ("1", "tea", 4)), 9),
        ("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10),
        ("parcel.scanned", scan("s1", "delivered"), 20),
        ("invoice.posted", invoice("i1", 4), 15),
        ("payment.captured", f.Payment(payment_id="p1", amount="5.00"), 30),
    ),
    "two parcels, of which one is void": (
        ("shipment.released", released("s1", "A", ("1", "tea", 2)), 5),
        ("shipment.shipped", step("s1", ("1", "tea", 2), location="A"), 8),
        ("shipment.voided", f.ShipmentVoided(shipment_id="s1", reason="label"), 9),
        ("shipment.shipped", step("s2", ("1", "tea", 4), location="A"), 10),
        ("parcel.scanned", scan("s1", "in_transit"), 11),
        ("parcel.exception", f.ParcelException(shipment_id="s2", kind="weather"), 12),
    ),
    "a delivery that was none, then one": (
        ("shipment.packed", step("s1", ("1", "tea", 4)), 9),
        ("parcel.scanned", scan("s1", "delivered"), 20),
        ("delivery.corrected", correction("e1"), 21),
        ("parcel.scanned", scan("s1", "attempted"), 22),
        ("parcel.scanned", scan("s1", "delivered"), 30),
    ),
    "a scan after the end": (
        ("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10),
        ("parcel.scanned", scan("s1", "lost"), 20),
        ("parcel.scanned", scan("s1", "in_transit"), 21),
        ("credit_memo.issued", f.CreditMemoIssued(memo_id="m1", lines=amounts(1), reason="lost"), 30),
        ("invoice.posted", invoice("i1", 4), 15),
    ),
    "holds, told in any order": (
        ("order.hold_placed", f.OrderHoldPlaced(hold_id="h1", reason="fraud_review"), 2),
        ("order.hold_released", f.OrderHoldReleased(hold_id="h1"), 4),
        ("order.hold_placed", f.OrderHoldPlaced(hold_id="h2", reason="fraud_review"), 5),
        ("order.hold_released", f.OrderHoldReleased(hold_id="h2"), 7),
        ("order.hold_released", f.OrderHoldReleased(hold_id="h3"), 8),
    ),
    "an invoice too many, reversed": (
        ("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10),
        ("parcel.scanned", scan("s1", "delivered"), 20),
        ("invoice.posted", invoice("i2", 1), 31),
        ("invoice.reversed", f.InvoiceReversed(invoice_id="i2"), 32),
        ("invoice.posted", invoice("i1", 3), 33),
    ),
    "a return, inspected and credited": (
        ("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10),
        ("parcel.scanned", scan("s1", "delivered"), 20),
        ("return.received", f.ReturnReceived(return_id="r1", location="B", lines=BACK), 30),
        (
            "return.inspected",
            f.ReturnInspected(
                return_id="r1", lines=(f.InspectedLine(line_id="1", qty=1, disposition="damaged"),)
            ),
            31,
        ),
        (
            "credit_memo.issued",
            f.CreditMemoIssued(memo_id="m1", lines=amounts(2), reason="return", restock=True),
            32,
        ),
    ),
    "cancelled after it shipped": (
        ("shipment.shipped", step("s1", ("1", "tea", 3), location="A"), 10),
        ("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=2),)), 11),
        ("parcel.scanned", scan("s1", "delivered"), 20),
        ("shipment.shipped", step("s2", ("9", "tea", 1), location="A"), 12),
    ),
}


def picture(facts: tuple[Told, ...], story: tuple[Told, ...]) -> dict[str, Any]:
    """The order after the facts, each under the id it has in the story."""
    order = OrderStage()
    order.fact("order.placed", placed(f.OrderLine(line_id="1", sku="tea", qty=4, price="1.25")), 1)
    for one in facts:
        name, data, at_s = one
        order.fact(name, data, at_s, f"src e{story.index(one)}")
    row = order.order
    return {
        "status": order.status,
        "axes": axes(row),
        "ledgers": {line_id: msgspec.structs.asdict(q) for line_id, q in sorted(ledgers(row).items())},
        "milestones": sorted(
            (name, m.occurred_us, m.inferred, m.superseded)
            for name, m in row.milestones.items()
            if name not in ("closed", "reopened") and not name.startswith("cancelled")
        ),
        "exceptions": sorted((e.kind, e.detail, e.event_id, e.at_us) for e in row.exceptions),
        "parcels": sorted((s.shipment_id, s.parcel_status() or "") for s in row.shipments.values()),
        "returns": order.asked("tea").returns,
    }


@pytest.mark.parametrize("name", STORIES)
def test_facts_in_any_order_give_the_same_order(name: str) -> None:
    story = STORIES[name]
    told = picture(story, story)
    for facts in permutations(story):
        assert picture(facts, story) == told
        assert picture((*facts, facts[0]), story)["ledgers"] == told["ledgers"]


def test_the_stories_come_out_as_they_should() -> None:
    def told(name: str) -> tuple[str, str, list[str]]:
        found = picture(STORIES[name], STORIES[name])
        return found["status"], found["axes"].finance, [kind for kind, *_ in found["exceptions"]]

    assert told("a straight order, billed and paid") == ("CLOSED", "RECONCILED", [])
    assert told("two parcels, of which one is void") == (
        "SHIPPED",
        "UNINVOICED",
        ["scan_of_voided_shipment"],
    )
    assert told("a delivery that was none, then one") == ("DELIVERED", "UNINVOICED", [])
    assert told("a scan after the end") == ("SHIPPED", "PARTIALLY_INVOICED", ["scan_after_terminal"])
    assert told("holds, told in any order") == ("RECEIVED", "UNINVOICED", ["release_unknown_hold"])
    assert told("an invoice too many, reversed") == ("DELIVERED", "PARTIALLY_INVOICED", [])
    assert told("a return, inspected and credited") == (
        "PARTIALLY_RETURNED",
        "PARTIALLY_INVOICED",
        ["credited_beyond_invoiced"],
    )
    assert told("cancelled after it shipped") == (
        "DELIVERED",
        "UNINVOICED",
        ["cancel_of_shipped", "ships_unknown_line"],
    )


def test_a_milestone_that_becomes_sure_or_moves_is_published_anew() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 4)), 1)
    order.fact("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10)
    before = order.order.version
    order.fact("shipment.picked", step("s1", ("1", "tea", 4)), 9)
    assert (order.order.version, "picked" in order.milestones()) == (before + 1, True)
    order.fact("shipment.picked", step("s2", ("1", "tea", 4)), 12)
    assert order.order.version == before + 1
    order.fact("shipment.picked", step("s3", ("1", "tea", 4)), 8)
    assert order.order.version == before + 2
    assert order.order.milestones["picked"].occurred_us == 8_000_000


def test_closed_is_when_the_last_of_the_facts_occurred_whichever_came_last() -> None:
    order = OrderStage()
    order.fact("order.placed", placed(("1", "tea", 4)), 1)
    order.fact("invoice.posted", invoice("i1", 4), 40)
    order.fact("parcel.scanned", scan("s1", "delivered"), 20)
    order.fact("shipment.shipped", step("s1", ("1", "tea", 4), location="A"), 10)
    assert order.status == "CLOSED"
    assert order.order.milestones["closed"].occurred_us == 40_000_000
