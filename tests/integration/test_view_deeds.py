"""Holds, promises, lists, the past and what if, over HTTP and a real broker with every actor at work."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from test_view import BATCH, at_work, broker, counted, event, placed, settings

__all__ = ["broker", "settings"]  # fixtures

JSON = {"Content-Type": "application/json"}


def in_hours(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


async def test_a_hold_from_its_placing_to_its_end(settings, broker):
    async with at_work(settings, broker) as client:
        await client.write(counted("h1", "tea-h", 10))
        asked = {"sku": "tea-h", "qty": 6, "ttl_s": 600, "owner": "cart-1", "location": "BER"}
        response, hold = await client.post("/v1/holds", asked, JSON)
        assert (response.status, hold["state"], hold["qty"], hold["cells"]) == (201, "active", 6, {"BER": 6})
        path = f"/v1/holds/{hold['hold_id']}"
        _, figure = await client.get("/v1/atp/tea-h", min_position=hold["position"])
        assert (figure["held"], figure["available_now"]) == (6, 4)

        # more than is left is refused, with what is left
        response, problem = await client.post("/v1/holds", asked | {"qty": 5}, JSON)
        assert (response.status, problem["left"]) == (409, 4)
        assert problem["type"].endswith("hold-refused")

        response, longer = await client.post(f"{path}:extend", {"ttl_s": 1_200}, JSON)
        assert response.status == 200
        assert longer["expires_at"] > hold["expires_at"]

        # releasing twice is one release
        for _ in range(2):
            response, released = await client.post(f"{path}:release", {}, JSON)
            assert (response.status, released["state"]) == (200, "released")
        _, figure = await client.get("/v1/atp/tea-h")
        assert (figure["held"], figure["available_now"]) == (0, 10)
        response, problem = await client.post(f"{path}:convert", {"order_id": "O-h", "line_id": "1"}, JSON)
        assert (response.status, problem["left"]) == (409, 10)

        response, problem = await client.post("/v1/holds/none:release", {}, JSON)
        assert (response.status, problem["type"]) == (404, "urn:springtide:problem:unknown-hold")
        response, problem = await client.post("/v1/holds", asked | {"qty": 0}, JSON)
        assert (response.status, problem["errors"][0]["path"]) == (400, "qty")


async def test_a_hold_becomes_an_orders_units(settings, broker):
    async with at_work(settings, broker) as client:
        await client.write(counted("c1", "tea-c", 5))
        asked = {"sku": "tea-c", "qty": 4, "ttl_s": 600, "owner": "cart-2"}
        _, hold = await client.post("/v1/holds", asked, JSON)
        deed = {"order_id": "O-c", "line_id": "1"}
        response, converted = await client.post(f"/v1/holds/{hold['hold_id']}:convert", deed, JSON)
        assert (response.status, converted["state"]) == (200, "converted")
        order = placed("c2", "O-c", ("1", "tea-c", 4)) | {"time": in_hours(0)}
        await client.write(order)
        body = await client.until("/v1/orders/O-c", lambda _, body: body.get("status") == "ALLOCATED")
        assert body["lines"][0]["allocated"] == 4


async def test_a_promise_is_kept_and_the_same_key_is_the_same_promise(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("p1", "tea-p", 10) | {"time": in_hours(0)})
        await client.get("/v1/atp/tea-p", min_position=written["position"])
        basket = {"channel": "web", "lines": [{"line_id": "1", "sku": "tea-p", "qty": 7}]}
        response, dry = await client.post("/v1/promises", basket | {"dry_run": True}, JSON)
        assert (response.status, dry["outcome"]) == (200, "confirmed"), dry
        _, figure = await client.get("/v1/atp/tea-p")
        assert figure["curve"][0]["atp"] == 10  # nothing was kept

        for key in ("", "k" * 129):
            response, problem = await client.post("/v1/promises", basket, JSON | {"Idempotency-Key": key})
            assert (response.status, problem["errors"][0]["path"]) == (400, "Idempotency-Key")
        smuggled = basket | {"order_id": "O\u0000p"}
        response, problem = await client.post("/v1/promises", smuggled, JSON)
        assert (response.status, problem["errors"][0]["path"]) == (400, "order_id")
        keyed = JSON | {"Idempotency-Key": "basket-1"}
        response, first = await client.post("/v1/promises", basket, keyed)
        assert (response.status, first["outcome"]) == (200, "confirmed"), first
        assert first["lines"][0]["promises"][0]["qty"] == 7
        _, again = await client.post("/v1/promises", basket, keyed)
        assert again == first
        await client.until("/v1/atp/tea-p", lambda _, body: body["curve"][0]["atp"] == 3)
        other = JSON | {"Idempotency-Key": "basket-2"}
        _, second = await client.post("/v1/promises", basket, other)
        assert second["outcome"] != "confirmed"
        without = [(await client.post("/v1/promises", basket, JSON))[1] for _ in range(2)]
        assert without[0]["promise_id"] != without[1]["promise_id"]


async def test_lists_explanations_and_the_past(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(
            counted("l1", "tea-l", 10),
            placed("l2", "O-l", ("1", "tea-l", 4)),
            event("l3", "inventory.received", "tea-l", {"location": "BER", "qty": 2})
            | {"time": "2026-03-02T09:00:00Z"},
            event(
                "l4", "parcel.scanned", "O-none", {"shipment_id": "S", "tracking": "T", "status": "delivered"}
            ),
        )
        bad = event("l5", "order.cancelled", "O-l", {"lines": [{"line_id": "7", "qty": 1}]}, source="oms")
        await client.write(bad)
        where = {"min_position": written["position"]}
        await client.until("/v1/orders/O-l", lambda _, body: body.get("status") == "ALLOCATED")
        _, page = await client.get("/v1/orders", customer="c1", status="ALLOCATED", **where)
        assert "O-l" in [order["order_id"] for order in page["orders"]]
        assert page["freshness"]["source"] == "replica"
        _, found = await client.get("/v1/explain", atp="tea-l", **where)
        on_hand = found["figures"]["on_hand"]
        assert [(part["event_id"], part["delta"]) for part in on_hand["contributions"]] == [
            ("l1", 10),
            ("l3", 2),
        ]
        assert on_hand["value"] == 12
        _, found = await client.get("/v1/explain", order="O-l")
        assert found["rule"]["name"] == "ALLOCATED"
        _, then = await client.get("/v1/atp/tea-l", as_of="2026-03-02T08:00:00Z")
        assert (then["on_hand"], then["now"]) == (10, "2026-03-02T08:00:00Z")
        _, found = await client.get("/v1/orders/O-l/timeline")
        assert [fact["event_id"] for fact in found["facts"] if fact["kind"] == "fact"] == ["l2", "l5"]
        _, found = await client.get("/v1/exceptions", **where)
        kinds = {(e["kind"], e["event_id"]) for e in found["exceptions"]}
        assert kinds >= {("order_unknown", "l4"), ("cancel_unknown_line", "l5")}
        response, found = await client.get("/v1/kpis", by="channel")
        assert response.status == 200
        assert {group["channel"] for group in found["groups"]} >= {"web"}
        for path in ("/v1/at-risk", "/v1/finance/mismatches", "/v1/credit/c1"):
            response, _ = await client.get(path)
            assert response.status == 200, path
        response, found = await client.get("/v1/prices/tea-l")
        assert response.status == 404
        etag = (await client.get("/v1/kpis"))[0].headers["ETag"]
        response, _ = await client.get("/v1/kpis", headers={"If-None-Match": etag})
        assert response.status == 304


async def test_what_if_changes_nothing(settings, broker):
    async with at_work(settings, broker) as client:
        written = await client.write(counted("i1", "tea-i", 10))
        body = {
            "events": [placed("i2", "O-i", ("1", "tea-i", 4))],
            "ask": ["/v1/atp/tea-i", "/v1/orders/O-i"],
        }
        response, found = await client.post("/v1/whatif", body, JSON, min_position=written["position"])
        figure, order = found["answers"]
        assert (response.status, figure["available_now"], order["status"]) == (200, 6, "ALLOCATED")
        _, figure = await client.get("/v1/atp/tea-i")
        assert figure["available_now"] == 10
        response, _ = await client.get("/v1/orders/O-i")
        assert response.status == 404
        response, _ = await client.post("/v1/whatif", body, BATCH)
        assert response.status == 415


async def test_lists_are_there_again_after_a_restart(settings, broker):
    async with at_work(settings, broker) as client:
        await client.write(counted("r1", "tea-r", 10), placed("r2", "O-r", ("1", "tea-r", 4)))
        await client.until("/v1/orders/O-r", lambda _, body: body.get("status") == "ALLOCATED")
        _, before = await client.get("/v1/kpis")
    async with at_work(settings, broker) as client:
        async with asyncio.timeout(30):
            after = await client.until("/v1/kpis", lambda response, _: response.status == 200)
        assert after["groups"] == before["groups"]
