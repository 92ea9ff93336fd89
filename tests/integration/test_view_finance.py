"""What finance takes from a running view: the month's report, lists as files, and the command that writes them."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow.parquet as pq
from test_access import bearer, make
from test_view import LIMIT_S, at_work, broker, counted, event, placed, settings

from springtide.app.view import reports

__all__ = ["broker", "settings"]  # fixtures

ORDERS = 40


async def sold(client, count=ORDERS):
    """Orders of March for one unit at 2.50, each shipped and invoiced twice over, in two regions."""
    events = [counted("stock", "tea", 1_000)]
    for n in range(count):
        order = placed(f"p{n}", f"O-{n:02}", ("1", "tea", 1))
        order["data"]["lines"][0]["price"] = "2.50"
        order["data"]["region"] = "EU" if n % 2 else "US"
        step = {
            "shipment_id": f"S{n}",
            "lines": [{"line_id": "1", "sku": "tea", "qty": 1}],
            "location": "BER",
        }
        bill = {"invoice_id": f"I{n}", "currency": "EUR", "total": "5.00"}
        bill["lines"] = [{"line_id": "1", "qty": 2, "amount": "5.00"}]
        events += [
            order,
            event(f"s{n}", "shipment.shipped", f"O-{n:02}", step),
            event(f"i{n}", "invoice.posted", f"O-{n:02}", bill, source="erp"),
        ]
    written = await client.write(*events)
    await client.get("/v1/orders", min_position=written["position"])


async def export(client, *arguments, **variables):
    """(exit status, what it said) of `springtide export finance`, run beside the view."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SPRINGTIDE_")}
    command = (sys.executable, "-P", "-m", "springtide.app.cli", "export", "finance")
    async with asyncio.timeout(LIMIT_S):
        process = await asyncio.create_subprocess_exec(
            *(*command, "--view", client._base, *map(str, arguments)),
            env=environment | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, failed = await process.communicate()
    return process.returncode, (said + failed).decode()


async def test_mismatches_as_files_are_all_pages_in_one(settings, broker, monkeypatch):
    monkeypatch.setattr(reports, "SLICE_S", 0.0)  # a turn of the loop for every third order
    monkeypatch.setattr(reports, "SLICE_ORDERS", 3)
    monkeypatch.setattr(reports, "CHUNK_BYTES", 1_000)
    async with at_work(settings, broker) as client:
        await sold(client)
        ids = [f"O-{n:02}" for n in range(ORDERS)]
        # as CSV
        path = "/v1/finance/mismatches"
        response, raw = await client.get(path, raw=True, format="csv")
        assert (response.status, response.content_type) == (200, "text/csv")
        assert response.headers["Springtide-Position"].startswith("order-status/")
        told = list(csv.DictReader(io.StringIO(raw.decode())))
        assert sorted(one["order_id"] for one in told) == ids
        assert {(one["kinds"], one["amount"]) for one in told} == {("OVER_INVOICED(1)", "2.50")}
        # as Parquet, in the same order
        response, raw = await client.get(path, raw=True, format="parquet")
        assert response.content_type == "application/vnd.apache.parquet"
        rows = pq.read_table(io.BytesIO(raw)).to_pylist()
        assert [one["order_id"] for one in rows] == [one["order_id"] for one in told]
        assert {(one["amount"], one["difference"], one["placed_at"]) for one in rows} == {
            (Decimal("2.50"), 1, datetime(2026, 3, 2, 6, tzinfo=UTC))
        }
        # filtered as the list is
        for filters, count in (({"region": "EU"}, ORDERS // 2), ({"from": "2026-03-03"}, 0)):
            _, raw = await client.get(path, raw=True, format="csv", **filters)
            assert raw.count(b"\r\n") == 1 + count
        response, nothing = await client.ask("HEAD", f"{path}?format=csv")
        assert (response.status, nothing) == (200, None)
        response, problem = await client.get(path, format="csv", limit=3)
        assert (response.status, problem["errors"][0]["path"]) == (400, "limit")


async def test_a_file_that_can_not_be_ended_is_broken_off(settings, broker, monkeypatch, tmp_path):
    async with at_work(settings, broker) as client:
        await sold(client)

        def broken(*_):
            raise ValueError("no such row")
            yield

        monkeypatch.setattr(reports, "mismatches", broken)
        out = tmp_path / "out.csv"
        status, said = await export(client, "--month", "2026-03", "--report", "mismatches", "--out", out)
        assert (status, "broke off" in said, list(tmp_path.glob("out*"))) == (1, True, [])


async def test_the_command_writes_what_the_view_answers(settings, broker, tmp_path):
    async with at_work(settings, broker) as client:
        await sold(client)
        path = "/v1/finance/reconciliation"
        response, body = await client.get(path, month="2026-03", by="region")
        assert response.status == 200
        told = [(g["region"], g["orders"], g["over_invoiced"], g["invoiced_amount"]) for g in body["groups"]]
        assert told == [("EU", 20, 20, "100.00"), ("US", 20, 20, "100.00")]

        for form in ("json", "csv", "parquet"):
            out = tmp_path / f"march.{form}"
            asked = ("--month", "2026-03", "--by", "region", "--format", form, "--out", out)
            status, said = await export(client, *asked)
            assert status == 0, said
            if form == "json":
                assert json.loads(out.read_bytes())["groups"] == body["groups"]
            elif form == "csv":
                rows = list(csv.DictReader(io.StringIO(out.read_text())))
                assert [(one["region"], one["invoiced_amount"]) for one in rows] == [
                    ("EU", "100.00"),
                    ("US", "100.00"),
                ]
            else:
                rows = pq.read_table(out).to_pylist()
                assert [one["change_invoiced_amount"] for one in rows] == [Decimal(100)] * 2
        out = tmp_path / "all.json"
        asked = ("--month", "2026-03", "--report", "mismatches", "--format", "json", "--out", out)
        status, said = await export(client, *asked)
        assert status == 0, said
        assert len(json.loads(out.read_bytes())["mismatches"]) == ORDERS
        status, said = await export(client, "--month", "March", "--out", out)
        assert (status, "a month of the years" in said) == (2, True)


async def test_who_may_take_it_and_who_did_what(settings, broker, tmp_path):
    guarded = settings.model_copy(update={"access": "keys"})
    async with at_work(guarded, broker) as client:
        reader = await make(broker, "finance:read")
        operator = await make(broker, "exceptions:read", "exceptions:write", "events:write", name="Ann")
        out = tmp_path / "march.csv"
        asked = ("--month", "2026-03", "--out", out)
        await client.until(
            "/v1/finance/mismatches", lambda response, _: response.status == 200, headers=bearer(reader)
        )
        status, said = await export(client, *asked)
        assert (status, "keys create" in said, out.exists()) == (1, True, False)
        status, said = await export(client, *asked, SPRINGTIDE_API_KEY=reader["key"])
        assert (status, out.exists()) == (0, True), said

        # an anomaly of an order, discarded by name
        cancel = event("w2", "order.cancelled", "O-w", {"lines": [{"line_id": "7", "qty": 1}]}, source="oms")
        events = [placed("w1", "O-w", ("1", "tea", 1)), cancel]
        batch = bearer(operator) | {"Content-Type": "application/cloudevents-batch+json"}
        await client.until(
            "/v1/exceptions", lambda response, _: response.status == 200, headers=bearer(operator)
        )
        response, _ = await client.post("/v1/events", events, batch)
        assert response.status == 202
        body = await client.until(
            "/v1/exceptions",
            lambda _, found: len(found["exceptions"]) == 1,
            order="O-w",
            headers=bearer(operator),
        )
        name = body["exceptions"][0]["id"]
        as_json = {"Content-Type": "application/json"}
        path = f"/v1/exceptions/{name}:discard"
        response, _ = await client.post(path, {"reason": "known"}, bearer(reader) | as_json)
        assert response.status == 403
        response, told = await client.post(path, {"reason": "known"}, bearer(operator) | as_json)
        assert (response.status, told["by"]) == (200, "Ann")
