"""What finance reads: a month's report, late units, and the same tables as files."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from shown import Shown
from story import Json, Story, line
from test_view_same_answers import simulated

from springtide.app.access.caller import NO_BOUND, Bound
from springtide.app.view.questions import parse_target
from springtide.app.view.reconciliation import AMOUNTS, UNITS, Reconciliation, rows
from springtide.app.view.reports import MISMATCH_COLUMNS, RECONCILIATION_COLUMNS, Reports
from springtide.app.view.sheets import sheet_of
from springtide.tables.money import billionths

PATH = "/v1/finance/reconciliation"


def invoiced(
    story: Story, at: float, order_id: str, qty: int, total: str, currency: str = "EUR", name: str = ""
) -> None:
    lines = [{"line_id": "1", "qty": qty, "amount": total}]
    invoice_id = name or f"I-{order_id}"
    more = {"invoice_id": invoice_id, "lines": lines, "total": total, "currency": currency}
    story.tell(at, "invoice.posted", order_id, **more)


def credited(story: Story, at: float, order_id: str, qty: int, amount: str) -> None:
    lines = [{"line_id": "1", "qty": qty, "amount": amount}]
    story.tell(at, "credit_memo.issued", order_id, memo_id=f"M-{order_id}", lines=lines)


def sold(
    story: Story, at: float, order_id: str, qty: int, region: str = "EU", channel: str = "web", **more: Json
) -> None:
    """Placed and shipped, at 2.50 a piece."""
    story.placed(at, order_id, line("A", qty, price="2.50"), region=region, channel=channel, **more)
    story.shipment(at + 0.1, "shipped", order_id, f"S-{order_id}", ("1", "A", qty))


@pytest.fixture
def trade() -> Story:
    """Day 0 is 2 March. One order of February, four of March, one of April; late after three days."""
    story = Story()
    story.policy(invoice_late_days=3)
    story.counted(-20, "A", 1_000)
    sold(story, -10, "FEB", 6)
    invoiced(story, -9, "FEB", 6, "15.00")
    sold(story, 1, "RIGHT", 4)
    invoiced(story, 2, "RIGHT", 4, "10.00")
    credited(story, 3, "RIGHT", 1, "2.50")
    sold(story, 1, "OVER", 2)
    invoiced(story, 2, "OVER", 5, "12.50")
    sold(story, 1, "LATE", 8, channel="b2b")
    invoiced(story, 2, "LATE", 3, "7.50")
    sold(story, 1, "US", 1, region="US", currency="USD")
    invoiced(story, 2, "US", 1, "3.00", currency="EUR")
    sold(story, 30, "APR", 9)
    return story


def figures(group: Json) -> Json:
    """Those that are not nothing, and no change."""
    return {
        name: value
        for name, value in group.items()
        if name in (*UNITS, *AMOUNTS) and value not in (0, "0.00")
    }


def test_what_was_credited_is_not_late() -> None:
    # given 4 shipped on day 1, late after three days
    story = Story()
    story.policy(invoice_late_days=3)
    story.counted(0, "A", 10)
    sold(story, 1, "O1", 4)
    # when 4 are invoiced and 2 credited, nothing waits for an invoice
    invoiced(story, 2, "O1", 4, "10.00")
    credited(story, 3, "O1", 2, "5.00")
    assert story.ask("/v1/finance/mismatches", now=9)["mismatches"] == []
    # when the invoice is reversed, all 4 do; with one of 3 in its place, 1 does
    story.tell(5, "invoice.reversed", "O1", invoice_id="I-O1")
    (told,) = story.ask("/v1/finance/mismatches", now=9)["mismatches"]
    assert (told["kinds"], told["lines"][0]["late_units"]) == (["INVOICE_LATE"], 4)
    invoiced(story, 6, "O1", 3, "7.50", name="I-2")
    (told,) = story.ask("/v1/finance/mismatches", now=9)["mismatches"]
    assert told["lines"][0]["late_units"] == 1


def test_a_months_report_in_sum_and_what_changed(trade: Story) -> None:
    body = trade.ask(f"{PATH}?month=2026-03", now=20)
    assert (body["month"], body["before"], body["by"]) == ("2026-03", "2026-02", [])
    euro, dollar = body["groups"]
    assert figures(euro) == {
        "orders": 3,
        "open_orders": 2,  # OVER and LATE
        "open_lines": 2,
        "shipped": 14,
        "invoiced": 12,
        "credited": 1,
        "over_invoiced": 3,
        "under_invoiced": 5,
        "credited_shipped": 1,
        "invoice_late": 5,
        "shipped_amount": "35.00",
        "invoiced_amount": "33.00",  # what the order in dollars was invoiced in euros included
        "credited_amount": "2.50",
        "over_invoiced_amount": "7.50",
        "under_invoiced_amount": "12.50",
        "invoice_late_amount": "12.50",
    }
    assert (euro["currency"], euro["change"]["orders"], euro["change"]["shipped_amount"]) == (
        "EUR",
        2,
        "20.00",
    )
    assert (dollar["currency"], dollar["orders"], dollar["invoiced_amount"]) == ("USD", 1, "0.00")


def test_by_region_and_channel_and_each_line_adds_up(trade: Story) -> None:
    body = trade.ask(f"{PATH}?month=2026-03&by=channel,region", now=20)
    groups = {(g["region"], g["channel"], g["currency"]): g for g in body["groups"]}
    assert list(groups) == [
        ("EU", "b2b", "EUR"),
        ("EU", "web", "EUR"),
        ("US", "web", "EUR"),
        ("US", "web", "USD"),
    ]
    assert groups["EU", "b2b", "EUR"]["invoice_late"] == 5
    assert groups["US", "web", "EUR"] | {"change": None} == groups["US", "web", "EUR"] | {
        "orders": 0,
        "invoiced_amount": "3.00",
        "change": None,
    }
    for group in groups.values():
        billed = group["invoiced"] - group["credited"]
        over, under, gone = (group[n] for n in ("over_invoiced", "under_invoiced", "credited_shipped"))
        assert group["shipped"] + over - under - gone == billed


def test_a_group_that_had_orders_only_the_month_before_is_told(trade: Story) -> None:
    b2b, _, _ = trade.ask(f"{PATH}?month=2026-04&by=channel", now=40)["groups"]
    assert (b2b["channel"], b2b["orders"], b2b["change"]["orders"]) == ("b2b", 0, -1)
    assert (b2b["shipped_amount"], b2b["change"]["shipped_amount"]) == ("0.00", "-20.00")


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ("", "month"),
        ("?month=2026-3", "month"),
        ("?month=2026-13", "month"),
        ("?month=2026-03&by=customer", "by"),
        ("?month=2026-03&format=pdf", "format"),
        ("?month=2026-03&format=csv", "format"),
        ("?month=2026-03&limit=3", "limit"),
    ],
)
def test_what_is_asked_wrongly_is_named(query: str, path: str) -> None:
    problem = Story().ask(PATH + query)
    assert (problem["status"], problem["errors"][0]["path"]) == (400, path)


def test_the_mismatches_of_a_period_are_those_of_orders_placed_in_it(trade: Story) -> None:
    def told(query: str) -> list[str]:
        page = trade.ask(f"/v1/finance/mismatches?{query}", now=40)
        return [one["order_id"] for one in page["mismatches"]]

    assert told("") == ["APR", "LATE", "OVER"]
    assert told("from=2026-03-03&to=2026-03-03") == ["LATE", "OVER"]
    assert told("from=2026-03-04") == ["APR"]
    assert told("to=2026-03-02") == []
    assert told("to=2026-03-03&channel=b2b") == ["LATE"]


async def test_a_live_view_says_the_same_however_it_is_cut(trade: Story) -> None:
    simulation = simulated(trade)
    path = f"{PATH}?month=2026-03&by=region,channel"
    asked = parse_target(path)
    async with Shown(simulation) as shown:
        report = Reconciliation(asked)
        turns = 0
        while not report.done:
            report.take(shown.world, 1)
            turns += 1
        assert turns > 3
        assert report.body() == simulation.get(path)
        assert await Reports(lambda: shown.world).body(asked, NO_BOUND) == simulation.get(path)
        own = await Reports(lambda: shown.world).body(asked, Bound(channels=("b2b",)))
        assert [group["channel"] for group in own["groups"]] == ["b2b"]


# --- files ---


async def test_a_report_as_csv_has_amounts_as_they_are(trade: Story) -> None:
    body = trade.ask(f"{PATH}?month=2026-03&by=region,channel", now=20)
    sheet = await sheet_of("csv", RECONCILIATION_COLUMNS)
    text = (sheet.add(rows(body)) + sheet.end()).decode()
    told = list(csv.DictReader(io.StringIO(text)))
    assert len(told) == len(body["groups"])
    first = told[0]
    assert (first["month"], first["region"], first["channel"], first["currency"]) == (
        "2026-03",
        "EU",
        "b2b",
        "EUR",
    )
    assert (first["shipped"], first["shipped_amount"], first["change_orders"]) == ("8", "20.00", "1")


async def test_a_report_as_parquet_is_exact(trade: Story) -> None:
    body = trade.ask(f"{PATH}?month=2026-03", now=20)
    sheet = await sheet_of("parquet", RECONCILIATION_COLUMNS)
    table = pq.read_table(io.BytesIO(sheet.add(rows(body)) + sheet.end()))
    assert table.schema.field("shipped_amount").type == pa.decimal128(38, 9)
    (euro, _) = table.to_pylist()
    assert (euro["shipped_amount"], euro["invoice_late"], euro["region"]) == (Decimal(35), 5, None)
    assert sum(billionths(str(group["shipped_amount"])) for group in body["groups"]) == 37_500_000_000


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_rows_come_out_as_they_went_in_over_many_parts(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("springtide.app.view.sheets.GROUP_ROWS", 3)
    row = {column.name: None for column in MISMATCH_COLUMNS} | {
        "placed_at": "2026-03-02T06:00:00Z",
        "kinds": 'OVER_INVOICED(1) "x", INVOICE_LATE',
        "amount": "-0.000000001",
    }
    sheet = await sheet_of(form, MISMATCH_COLUMNS)
    parts = [sheet.add([row | {"order_id": f"O{n}", "shipped": n}]) for n in range(10)]
    raw = b"".join((*parts, sheet.end()))
    if form == "csv":
        read = list(csv.DictReader(io.StringIO(raw.decode())))
        assert [(one["order_id"], one["shipped"]) for one in read] == [(f"O{n}", f"{n}") for n in range(10)]
        assert {(one["kinds"], one["amount"], one["region"]) for one in read} == {
            (row["kinds"], "-0.000000001", "")
        }
    else:
        table = pq.ParquetFile(io.BytesIO(raw))
        assert table.num_row_groups == 4
        told = table.read().to_pylist()
        assert [(one["order_id"], one["shipped"]) for one in told] == [(f"O{n}", n) for n in range(10)]
        assert told[0]["amount"] == Decimal("-0.000000001")
        assert told[0]["placed_at"] == datetime(2026, 3, 2, 6, tzinfo=UTC)
