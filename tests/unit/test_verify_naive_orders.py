"""The naive model of an order against tables that a reader can check by hand."""

import pytest

from springtide.app.verify.naive_course import course, promise
from springtide.app.verify.naive_delay import Course, Span, answer, segments
from springtide.app.verify.naive_order import NaiveOrder
from springtide.app.verify.naive_order_steps import Applying, Outcome
from springtide.codecs import facts as f
from springtide.codecs.messages import CustomerHold, CustomerHolds, Supplied, SuppliedLine

NOWHERE = (0, 0, -1)


def placed(*lines, **more):
    rows = tuple(f.OrderLine(line_id=line_id, sku=sku, qty=qty) for line_id, sku, qty in lines)
    return f.OrderPlaced(order_id="o1", customer_id="c", channel="web", currency="EUR", lines=rows, **more)


def parts(*lines):
    return tuple(f.ShipmentLine(line_id=line_id, sku=sku, qty=qty) for line_id, sku, qty in lines)


def shipped(*lines):
    return f.ShipmentStep(shipment_id="s", location="A", lines=parts(*lines))


def scanned(status):
    return f.ParcelScanned(shipment_id="s", tracking="t", status=status)


def supplied(sku, request, seq, *lines):
    """Lines are (line_id, cells, backordered)."""
    told = tuple(SuppliedLine(name, sum(has.values()), short, has) for name, has, short in lines)
    return Supplied(sku, request, seq, 0, 0, NOWHERE, "wms 1", told)


def follow(*story):
    """An order after (name, fact) and answers; with all that it must ask and publish."""
    order, outcome = NaiveOrder("o1"), Outcome()
    for number, what in enumerate(story):
        applying = Applying(order, number, number, f"src {number}", number)
        if isinstance(what, Supplied):
            applying.supplied(what)
        elif isinstance(what, CustomerHolds):
            applying.customer_told(what)
        else:
            applying.fact(*what)
        applying.conclude(outcome, NOWHERE)
    return order, outcome


ONE = ("order.placed", placed(("1", "tea", 5)))
CANCEL = ("order.cancelled", f.OrderCancelled())


# fmt: off
ORDER_STORIES = [
    ([ONE], "RECEIVED", 1),
    ([ONE, ONE], "RECEIVED", 1),
    ([ONE, ("order.confirmed", f.OrderConfirmed())], "CONFIRMED", 2),
    ([ONE, ("order.rejected", f.OrderRejected(reason="no"))], "REJECTED", 2),
    ([ONE, supplied("tea", 1, 1, ("1", {}, 5))], "BACKORDERED", 2),
    ([ONE, supplied("tea", 1, 1, ("1", {"A": 2}, 3))], "PARTIALLY_ALLOCATED", 2),
    ([ONE, supplied("tea", 1, 1, ("1", {"A": 5}, 0)), supplied("tea", 1, 1, ("1", {}, 5))], "ALLOCATED", 2),
    ([ONE, ("shipment.released", f.ShipmentReleased(shipment_id="s", location="A", lines=parts(("1", "tea", 5))))],
     "IN_FULFILMENT", 2),
    ([ONE, ("order.hold_placed", f.OrderHoldPlaced(hold_id="h", reason="credit_hold"))], "ON_HOLD", 2),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 2)))], "PARTIALLY_SHIPPED", 2),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 5))), ("shipment.shipped", shipped(("1", "tea", 5)))], "SHIPPED", 2),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 2))), CANCEL], "SHIPPED", 3),
    ([ONE, ("shipment.shipped", shipped(("1", "tea", 5))), ("parcel.scanned", scanned("delivered")),
      ("parcel.scanned", scanned("in_transit"))], "DELIVERED", 4),
    ([ONE, CANCEL, CANCEL], "CANCELLED", 2),
]
# fmt: on


@pytest.mark.parametrize(("story", "status", "versions"), ORDER_STORIES)
def test_the_header_is_the_first_rule_that_holds(story, status, versions):
    order, outcome = follow(*story)
    assert order.status == status
    assert [change.version for change in outcome.changes] == list(range(1, versions + 1))


def test_it_is_closed_since_the_last_of_its_facts_in_whichever_order_they_came():
    """Its second shipment arrives when it is closed already."""
    bill = f.InvoicePosted(
        invoice_id="i", lines=(f.AmountLine(line_id="1", qty=5, amount="5.00"),), total="5.00", currency="EUR"
    )
    arrives = ("parcel.scanned", scanned("delivered"))
    again = ("parcel.scanned", f.ParcelScanned(shipment_id="t", tracking="t", status="delivered"))
    order, outcome = follow(
        ONE, ("shipment.shipped", shipped(("1", "tea", 5))), arrives, ("invoice.posted", bill), again
    )
    assert [change.status for change in outcome.changes][-2:] == ["CLOSED", "CLOSED"]
    assert [mark.occurred_us for mark in order.marks if mark.name == "closed"] == [4]


def test_an_order_asks_each_sku_for_totals_with_a_rising_number():
    _, outcome = follow(
        ("order.placed", placed(("1", "tea", 5), ("2", "pot", 1))),
        ("order.cancelled", f.OrderCancelled(lines=(f.LineQty(line_id="1", qty=2),))),
        ("shipment.shipped", shipped(("1", "tea", 3))),
    )
    asked = [
        (sku, d.request, [(x.line_id, x.want, x.shipped) for x in d.lines]) for sku, d in outcome.demands
    ]
    assert asked == [
        ("tea", 1, [("1", 5, {})]),
        ("pot", 1, [("2", 1, {})]),
        ("tea", 2, [("1", 3, {})]),
        ("tea", 3, [("1", 3, {"A": 3})]),
    ]


def test_a_basket_parks_what_it_got_while_another_sku_is_short_and_asks_again_then():
    order, outcome = follow(
        ("order.placed", placed(("1", "tea", 5), ("2", "pot", 1), ship_complete=True)),
        supplied("tea", 1, 1, ("1", {"A": 5}, 0)),
        supplied("pot", 1, 1, ("2", {}, 1)),
        supplied("tea", 2, 2, ("1", {}, 5)),
        supplied("pot", 1, 2, ("2", {"A": 1}, 0)),
    )
    assert [(sku, d.request, d.parked) for sku, d in outcome.demands] == [
        ("tea", 1, False),
        ("pot", 1, False),
        ("tea", 2, True),
        ("tea", 3, False),
    ]
    assert {sku: need.state for sku, need in order.needs.items()} == {"tea": "asked", "pot": "granted"}


# --- money and returns ---

TWO = ("order.placed", placed(("1", "tea", 2)))
SHIP = ("shipment.shipped", shipped(("1", "tea", 2)))
ARRIVE = ("parcel.scanned", scanned("delivered"))


def amounts(*lines):
    return tuple(f.AmountLine(line_id=line_id, qty=qty, amount=amount) for line_id, qty, amount in lines)


def bill(name, qty, total="5.00"):
    lines = amounts(("1", qty, total))
    return "invoice.posted", f.InvoicePosted(invoice_id=name, lines=lines, total=total, currency="EUR")


def memo(name, qty, reason=None, restock=False):
    lines = amounts(("1", qty, "1.00"))
    return "credit_memo.issued", f.CreditMemoIssued(memo_id=name, lines=lines, reason=reason, restock=restock)


def paid(name, amount, way="captured"):
    return f"payment.{way}", f.Payment(payment_id=name, amount=amount)


def asked_back(qty):
    lines = (f.ReturnAskedLine(line_id="1", qty=qty),)
    return "return.authorized", f.ReturnAuthorized(return_id="r", lines=lines)


def came_back(qty, at="B"):
    lines = (f.LineQty(line_id="1", qty=qty),)
    return "return.received", f.ReturnReceived(return_id="r", location=at, lines=lines)


def judged(**units):
    lines = tuple(f.InspectedLine(line_id="1", qty=qty, disposition=d) for d, qty in units.items())
    return "return.inspected", f.ReturnInspected(return_id="r", lines=lines)


REVERSED = ("invoice.reversed", f.InvoiceReversed(invoice_id="i1"))
REJECTED = ("return.rejected", f.ReturnRejected(return_id="r", reason="no"))


# fmt: off
MONEY_STORIES = [
    ([SHIP, ARRIVE], "DELIVERED", ("UNINVOICED", "UNPAID", "NONE")),
    ([SHIP, bill("i1", 2)], "SHIPPED", ("RECONCILED", "UNPAID", "NONE")),
    ([SHIP, ARRIVE, bill("i1", 1)], "DELIVERED", ("PARTIALLY_INVOICED", "UNPAID", "NONE")),
    ([SHIP, ARRIVE, bill("i1", 2)], "CLOSED", ("RECONCILED", "UNPAID", "NONE")),
    ([bill("i1", 2), ARRIVE, SHIP], "CLOSED", ("RECONCILED", "UNPAID", "NONE")),
    ([SHIP, ARRIVE, bill("i1", 2), bill("i1", 2)], "CLOSED", ("RECONCILED", "UNPAID", "NONE")),
    ([SHIP, ARRIVE, bill("i1", 2), bill("i2", 1)], "DELIVERED", ("OVER_INVOICED(1)", "UNPAID", "NONE")),
    ([SHIP, ARRIVE, bill("i2", 2), REVERSED, bill("i1", 1)], "CLOSED", ("RECONCILED", "UNPAID", "NONE")),
    ([SHIP, ARRIVE, bill("i1", 2), memo("m", 1), memo("m", 1)], "DELIVERED",
     ("PARTIALLY_INVOICED", "UNPAID", "NONE")),
    # lost and credited units are wanted no more
    ([SHIP, memo("m", 1, "lost")], "SHIPPED", ("PARTIALLY_INVOICED", "UNPAID", "NONE")),
    ([memo("m", 2, "lost")], "CANCELLED", ("PARTIALLY_INVOICED", "UNPAID", "NONE")),
    # payments
    ([bill("i1", 2), paid("p", "2.00")], "RECEIVED", ("OVER_INVOICED(2)", "PARTIALLY_PAID", "NONE")),
    ([bill("i1", 2), paid("p", "5.00"), paid("p", "5.00")], "RECEIVED", ("OVER_INVOICED(2)", "PAID", "NONE")),
    ([bill("i1", 2), paid("p", "5.00"), paid("p", "1.00", "refunded")], "RECEIVED",
     ("OVER_INVOICED(2)", "PARTIALLY_PAID", "NONE")),
    ([bill("i1", 2), paid("p", "5.00"), paid("p", "5.0", "refunded")], "RECEIVED",
     ("OVER_INVOICED(2)", "REFUNDED", "NONE")),
    ([paid("p", "5.00")], "RECEIVED", ("UNINVOICED", "PARTIALLY_PAID", "NONE")),
    # returns
    ([SHIP, ARRIVE, bill("i1", 2), asked_back(1)], "DELIVERED", ("RECONCILED", "UNPAID", "AUTHORIZED")),
    ([SHIP, ARRIVE, bill("i1", 2), asked_back(1), REJECTED], "CLOSED", ("RECONCILED", "UNPAID", "REJECTED")),
    ([SHIP, ARRIVE, asked_back(2), came_back(1)], "PARTIALLY_RETURNED",
     ("UNINVOICED", "UNPAID", "PARTIALLY_RECEIVED")),
    ([SHIP, ARRIVE, came_back(2), came_back(2)], "RETURNED", ("UNINVOICED", "UNPAID", "RECEIVED")),
    ([SHIP, ARRIVE, judged(sellable=1, scrapped=1)], "RETURNED", ("UNINVOICED", "UNPAID", "INSPECTED")),
]
# fmt: on


@pytest.mark.parametrize(("story", "status", "axes"), MONEY_STORIES)
def test_status_and_axes_follow_from_all_that_was_told(story, status, axes):
    order, _ = follow(TWO, *story)
    assert order.status == status
    assert tuple(order.axes().values()) == axes


def test_the_ledger_counts_each_return_and_memo_once():
    order, _ = follow(TWO, SHIP, ARRIVE, came_back(2), came_back(2), judged(sellable=1), memo("m", 1))
    ledger = order.ledger("1")
    assert (ledger["returned"], ledger["restocked"], ledger["credited"], ledger["lost"]) == (2, 1, 1, 0)


@pytest.mark.parametrize(
    ("story", "returns"),
    [
        ([came_back(2)], (("B", 2, 0, 0),)),
        ([came_back(2), judged(sellable=1)], (("B", 1, 1, 0),)),
        ([judged(sellable=1), came_back(2)], (("B", 1, 1, 0),)),
        ([came_back(2), judged(damaged=1, scrapped=1)], (("B", 0, 0, 1),)),
        ([memo("m", 1)], ()),
        ([memo("m", 1, restock=True)], (("A", 0, 1, 0),)),
        ([came_back(2), memo("m", 1, restock=True)], (("B", 1, 1, 0),)),
    ],
)
def test_what_comes_back_is_told_to_its_sku_in_totals(story, returns):
    _, outcome = follow(TWO, SHIP, ARRIVE, *story, SHIP)
    assert outcome.demands[-1][1].returns == returns


def test_a_customer_s_hold_holds_the_order_and_lets_go():
    told = [CustomerHold("h", (1, 1, "erp 1"), None), CustomerHold("h", (1, 1, "erp 1"), (2, 2, "erp 2"))]
    holds = [
        CustomerHolds("c", n, n, n, NOWHERE, f"erp {n}", None, None, (x,)) for n, x in enumerate(told, 1)
    ]
    _, outcome = follow(TWO, *holds, holds[0])
    assert [change.status for change in outcome.changes] == ["RECEIVED", "ON_HOLD", "RECEIVED"]
    accounts = [(told.request, told.open, told.held) for _, told in outcome.accounts]
    assert accounts == [(1, True, False), (2, True, True), (3, True, False)]


# --- delay ---

DAY = 86_400


def test_the_example_of_the_definitions():
    """Placed 0; credit hold 0 to 2; short of stock from 1 to 6; shipped at 8, delivered at 13, by weather."""
    spans = (Span("credit_hold", 0, 2), Span("stock_shortage", 1, 6), Span("weather", 8, 13))
    whole = Course(0, 13, {"allocation": 6, "warehouse": 8, "transit": 13}, spans)
    found = [
        (s.cause, s.planned_s, s.actual_s)
        for s in segments(whole, {"allocation": 0, "warehouse": 1, "transit": 3})
    ]
    assert found == [
        ("credit_hold", 0, 2),
        ("stock_shortage", 0, 4),
        ("warehouse_backlog", 1, 2),
        ("weather", 3, 5),
    ]


def test_a_stage_that_is_quicker_than_planned_has_time_left():
    whole = Course(0, 3, {"allocation": 1, "warehouse": 1, "transit": 3}, (Span("weather", 1, 3),))
    found = segments(whole, {"warehouse": 5, "transit": 1})
    excess = [(s.cause, s.stage, s.excess_s) for s in found]
    assert excess == [
        ("stock_shortage", "allocation", 1),
        ("warehouse_backlog", "warehouse", -5),
        ("weather", "transit", 1),
    ]


def test_an_order_says_why_it_waits():
    order, _ = follow(TWO, supplied("tea", 1, 1, ("1", {}, 2)))
    said = answer(course(order, 9_000_000), {"allocation": 2}, promise(order, 0))
    assert (said["cause"], said["primary"]) == ("stock_shortage", "stock_shortage")
    assert [(s["planned_s"], s["actual_s"]) for s in said["segments"]] == [(2, 9)]
