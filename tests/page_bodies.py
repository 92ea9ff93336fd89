"""Example bodies of answers for the pages, and a server of the pages over any bodies."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta

from aiohttp import web

from springtide.app.view.pages import add_pages
from springtide.app.view.web.pulse import PartitionStanding, Pulse, Standing
from springtide.app.view.web.workers import Worker, Workers

FRESHNESS = {"lag_ms": 12, "positions": {"atp/0": 4711}, "source": "replica"}
MONDAY = date(2026, 3, 2)


def standing(**given):
    """A view that is ready and has read all."""
    known = {
        "status": "ready",
        "lag_ms": 12,
        "trouble": None,
        "records": 90_210,
        "steps": 812,
        "ingress": {"inventory/0": 4_711, "orders/0": 8_150},
        "done": 90_210,
        "whole": 90_210,
        "partitions": [
            PartitionStanding("atp/0", 4_712, 4_712, 400, True, 12, "2026-03-02T06:00:00Z"),
            PartitionStanding("order-status/0", 8_000, 8_150, 412, True, 350, "2026-03-02T06:00:00Z"),
        ],
    }
    return Standing(**(known | given))


def kettle(**given):
    """60 sellable in BER and 20 in HAM; 100 come on day 5; 150 are wanted by day 9: 21 are left until day 14."""
    curve = []
    for n in range(30):
        cumulative = 41 if n < 5 else 141 if n < 9 else 21 if n < 14 else 51
        atp = 21 if n < 14 else 51
        curve.append({"date": str(MONDAY + timedelta(days=n)), "cumulative": cumulative, "atp": atp})
    places = (("BER", 31, 60), ("HAM", 10, 20))
    return {
        "sku": "KETTLE-7",
        "location": None,
        "channel": None,
        "uom": "EA",
        "now": "2026-03-02T06:00:00Z",
        "on_hand": 85,
        "buckets": {"sellable": 80, "damaged": 3, "quality_control": 2, "reserved_other": 0},
        "safety_stock": 8,
        "committed": 22,
        "held": 9,
        "backordered": 0,
        "available_now": 41,
        "available": 41,
        "shortage": 0,
        "curve": curve,
        "discrete": [
            {"date": "2026-03-02", "atp": 21},
            {"date": "2026-03-03", "atp": None},
            {"date": "2026-03-16", "atp": 30},
        ],
        "earliest": None,
        "stale_supply": [
            {
                "supply_id": "PO-9",
                "location": "BER",
                "qty": 40,
                "due": "2026-02-10",
                "firmness": "firm",
                "overdue_days": 20,
            }
        ],
        "stale_demand": [],
        "locations": [
            {
                "location": name,
                "available_now": now,
                "on_hand": on_hand,
                "committed": 11,
                "held": 4,
                "backordered": 0,
                "safety_stock": 4,
            }
            for name, now, on_hand in places
        ],
        "holds": [
            {
                "hold_id": "H-1",
                "owner": "cart-77",
                "channel": "web",
                "qty": 9,
                "cells": {"BER": 9},
                "placed_at": "2026-03-02T05:58:00Z",
                "expires_at": "2026-03-02T06:13:00Z",
            }
        ],
        "supply": [
            {
                "supply_id": "PO-11",
                "location": "BER",
                "qty": 100,
                "due": "2026-03-07",
                "firmness": "firm",
                "received": 0,
                "cancelled": False,
            }
        ],
        "fences": [
            {
                "location": None,
                "channel": "marketplace",
                "qty": 12,
                "used": 3,
                "rank": 1,
                "valid_from": None,
                "valid_to": "2026-04-01",
            }
        ],
        "notes": [],
        "policy_version": 2,
        "freshness": FRESHNESS,
    } | given


def segment(cause, stage, planned_d, actual_d):
    return {
        "cause": cause,
        "stage": stage,
        "planned_s": planned_d * 86_400,
        "actual_s": actual_d * 86_400,
        "excess_s": (actual_d - planned_d) * 86_400,
    }


def late_order(**given):
    """The example of the definitions: 13 days for 4 planned, 3 later than promised."""
    return {
        "order_id": "SO1-000042",
        "status": "DELIVERED",
        "version": 11,
        "axes": {"finance": "PARTIALLY_INVOICED", "payment": "UNPAID", "returns": "NONE"},
        "customer_id": "C-7",
        "channel": "web",
        "region": "DE-BE",
        "placed_at": "2026-03-02T06:00:00Z",
        "promised_by": "2026-03-12",
        "correlation_id": "SO1-000042",
        "holds": [],
        "lines": [
            {
                "line_id": "1",
                "sku": "KETTLE-7",
                "ordered": 3,
                "cancelled": 0,
                "allocated": 0,
                "backordered": 0,
                "released": 3,
                "picked": 3,
                "packed": 3,
                "shipped": 3,
                "delivered": 3,
                "lost": 0,
                "returned": 0,
                "restocked": 0,
                "invoiced": 2,
                "credited": 0,
                "promises": [{"date": "2026-03-08", "qty": 3, "location": "BER", "sku": "KETTLE-7"}],
            }
        ],
        "milestones": [
            {
                "name": name,
                "occurred_at": f"2026-03-{day:02}T06:00:00Z",
                "recorded_at": f"2026-03-{day:02}T06:00:00Z",
                "inferred": name == "packed",
                "superseded": False,
            }
            for name, day in (
                ("received", 2),
                ("held(credit_hold)", 2),
                ("hold_released(credit_hold)", 4),
                ("allocated", 8),
                ("packed", 10),
                ("shipped", 10),
                ("delivered", 15),
            )
        ],
        "delay": {
            "cause": None,
            "since": None,
            "segments": [
                segment("credit_hold", "allocation", 0, 2),
                segment("stock_shortage", "allocation", 0, 4),
                segment("warehouse_backlog", "warehouse", 1, 2),
                segment("weather", "transit", 3, 5),
            ],
            "lateness_s": 3 * 86_400,
            "slack_eaten_s": 6 * 86_400,
            "primary": "stock_shortage",
            "eta": "2026-03-15T06:00:00Z",
            "at_risk": False,
        },
        "shipments": [
            {
                "shipment_id": "S-1",
                "location": "BER",
                "carrier": "dhl",
                "tracking": "JJD0042",
                "parcel": "delivered",
                "voided": False,
                "released": {"1": 3},
                "picked": {"1": 3},
                "packed": {"1": 3},
                "shipped": {"1": 3},
                "scans": [
                    {
                        "at": "2026-03-11T09:00:00Z",
                        "status": "weather",
                        "is_exception": True,
                        "place": "Leipzig",
                        "detail": "snow",
                    }
                ],
            }
        ],
        "exceptions": [],
        "freshness": FRESHNESS,
    } | given


def listed(n, **given):
    """One order of a list."""
    return {
        "order_id": f"SO1-{n:06}",
        "status": "BACKORDERED" if n % 3 else "SHIPPED",
        "customer_id": f"C-{n % 5}",
        "channel": "web",
        "region": "DE-BE",
        "placed_at": "2026-03-02T06:00:00Z",
        "promised_by": "2026-03-12",
        "cause": "stock_shortage" if n % 3 else None,
        "at_risk": bool(n % 3),
        "eta": "2026-03-14T06:00:00Z",
    } | given


def dead_letter(**given):
    return {
        "id": "shipments/0/17",
        "kind": "missing_field",
        "detail": "data.lines is missing; send the lines that were shipped",
        "field": "data.lines",
        "event_id": "e-17",
        "source": "wms/ber",
        "type": "springtide.shipment.shipped.v1",
        "at": "2026-03-02T06:00:00Z",
        "state": "dead_letter",
        "process": "shipments",
        "impact": {
            "orders": ["SO1-000042"],
            "skus": [],
            "shipments": ["S-1"],
            "customers": ["C-7"],
            "consequence": "an order's shipment looks less far than it is",
            "open_orders": [
                {
                    "order_id": "SO1-000042",
                    "status": "IN_FULFILMENT",
                    "customer_id": "C-7",
                    "channel": "web",
                    "region": "DE-BE",
                }
            ],
        },
        "place": {"topic": "shipments", "partition": 0, "offset": 17},
        "value": '{"specversion":"1.0","id":"e-17","data":{"shipment_id":"S-1"}}',
    } | given


def done(**given):
    """Something that was done about an exception."""
    return {
        "id": "inventory/1/4",
        "action": "replayed",
        "by": "service desk",
        "at": "2026-03-02T07:10:00Z",
        "reason": "a text, not a number",
        "source": "wms/ber",
        "event_id": "e-4",
        "mended": True,
        "positions": {"inventory/1": 9},
    } | given


def broken_promise(**given):
    return {
        "order_id": "SO1-000042",
        "line_id": "1",
        "sku": "KETTLE-7",
        "qty": 3,
        "promised": "2026-03-08",
        "date": "2026-03-14",
        "cause": "supplier_late",
    } | given


def group(**given):
    """One group of `GET /v1/kpis`."""
    return {
        "orders": 120,
        "cancelled": 3,
        "delivered": 80,
        "cycle_time_s": {"count": 80, "p50": 160_000, "p90": 300_000},
        "backlog": {
            "BACKORDERED": {"orders": 12, "by_age": {"0-1 d": 10, "2-7 d": 2}},
            "SHIPPED": {"orders": 25, "by_age": {"0-1 d": 5, "2-7 d": 20}},
        },
        "perfect_orders": {"count": 70, "of": 80, "rate": 0.875},
        "exceptions": {"count": 6, "of": 120, "rate": 0.05},
        "promises_kept": {"count": 76, "of": 80, "rate": 0.95},
        "lateness": {
            "stock_shortage": {"orders": 4, "lateness_s": 345_600},
            "weather": {"orders": 1, "lateness_s": 86_400},
        },
        "failed_shipment_updates": 2,
        "shipment_to_invoice_s": {"count": 60, "p50": 7_200, "p90": 90_000},
        "dead_letters": {"shipments": 2},
    } | given


def kpi_groups(by):
    """Groups for `by`, a comma list, as the answer has them."""
    names = by.split(",") if by else []
    rows = [{}]
    for name in names:
        values = {
            "region": ["DE-BE", "DE-HH", "AT-9"],
            "channel": ["web", "app", "b2b"],
            "day": [str(MONDAY + timedelta(days=n)) for n in range(14)],
            "process": ["orders", "shipments", "invoices"],
        }[name]
        rows = [row | {name: value} for row in rows for value in values]
    return [row | group(orders=100 + 37 * n % 90) for n, row in enumerate(rows)]


def ago(seconds):
    """An instant so long before now."""
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def delivery(**given):
    """One that is well."""
    return {
        "standing": "delivering",
        "told": 48_120,
        "per_s": 41.5,
        "coalesced": 0,
        "backlog": 0,
        "oldest_at": None,
        "trouble": None,
        "parked_total": 0,
    } | given


def trouble(**given):
    """A receiver that is down for twelve minutes."""
    return {
        "why": "503 from the receiver",
        "at": ago(15),
        "failures": 17,
        "since": ago(725),
        "next_try_at": ago(-42),
    } | given


def parked_change(**given):
    return {
        "order_id": "SO1-000042",
        "version": 7,
        "status": "SHIPPED",
        "previous": "IN_FULFILMENT",
        "why": "400 from the receiver",
        "at": "2026-03-02T06:00:00Z",
        "customer_id": "C-7",
        "channel": "web",
        "region": "DE-BE",
        "impact": {
            "behind": True,
            "over": False,
            "status": "SHIPPED",
            "units": 3,
            "consequence": "the receiver still shows it as IN_FULFILMENT",
        },
    } | given


def subscribed(n=1, **given):
    """One subscription."""
    return {
        "id": f"sub_{n}",
        "url": f"https://crm{n}.example.com/hooks/springtide",
        "name": "CRM of the north",
        "filter": {"status": ["SHIPPED", "DELIVERED"], "region": ["north"]},
        "secrets": 1,
        "coalesce_ms": 0,
        "rate_per_s": 1_000.0,
        "in_flight_max": 32,
        "timeout_ms": 10_000,
        "give_up_s": 259_200,
        "state": "active",
        "created_at": "2026-03-01T06:00:00Z",
        "delivery": delivery(),
    } | given


def broken_subscription(**given):
    """Its receiver is down; something is parked, and told again."""
    return subscribed(
        delivery=delivery(
            standing="broken",
            per_s=0.0,
            backlog=1_204,
            oldest_at=ago(725),
            trouble=trouble(),
            parked_total=2,
            parked=[
                parked_change(),
                parked_change(
                    order_id="SO1-000007",
                    impact={
                        "behind": False,
                        "over": True,
                        "status": "DELIVERED",
                        "units": 1,
                        "consequence": "the receiver was told what came after it",
                    },
                ),
            ],
            replays=[
                {
                    "id": "rep_1",
                    "order_id": "SO1-000009",
                    "from": None,
                    "to": None,
                    "parked": False,
                    "asked_at": "2026-03-02T06:00:00Z",
                    "done": True,
                }
            ],
        ),
        **given,
    )


def subscriptions():
    """One of each standing."""
    upsert = {"fields": {"Status__c": "status", "Cause__c": "cause"}, "method": "PATCH"}
    failing = trouble(failures=3, since=ago(4), why="no answer within 10000 ms", next_try_at=ago(-1.5))
    found = [
        subscribed(2, name="Help desk", filter={}),
        broken_subscription(),
        subscribed(3, name="Data lake", filter={}, delivery=delivery(per_s=212.4, told=1_204_113)),
        subscribed(
            4,
            name="Salesforce",
            upsert=upsert,
            delivery=delivery(
                standing="failing", backlog=18, oldest_at=ago(4), trouble=failing, parked_total=0
            ),
        ),
        subscribed(
            5,
            name="",
            state="paused",
            delivery=delivery(standing="paused", backlog=530, oldest_at=ago(7_400)),
        ),
        subscribed(
            6,
            name="Old shop",
            state="ended",
            why="410 from the receiver",
            delivery=delivery(standing="ended", backlog=40),
        ),
    ]
    for row in found:
        row["delivery"] = {
            name: v for name, v in row["delivery"].items() if name not in ("parked", "replays")
        }
    return found


def answers():
    """Path -> body, of a small trade."""
    return {
        "/v1/subscriptions": {"subscriptions": subscriptions(), "cursor": None},
        "/v1/subscriptions/sub_1": broken_subscription(),
        "/v1/atp/KETTLE-7": kettle(),
        "/v1/orders/SO1-000042": late_order(),
        "/v1/orders/SO1-000042/timeline": {
            "order_id": "SO1-000042",
            "facts": [
                {
                    "time": "2026-03-02T06:00:00Z",
                    "recordedtime": "2026-03-02T07:30:00Z",
                    "source": "oms/main",
                    "event_id": "e-1",
                    "type": "order.placed",
                    "kind": "fact",
                    "milestones": ["received"],
                    "inferred": False,
                    "superseded": False,
                    "data": {"customer_id": "C-7"},
                },
                {
                    "time": "2026-03-10T12:00:00Z",
                    "recordedtime": "2026-03-10T12:00:00Z",
                    "source": "erp",
                    "event_id": "e-9",
                    "type": "invoice.posted",
                    "kind": "fact",
                    "milestones": ["invoiced"],
                    "inferred": False,
                    "superseded": False,
                    "data": {
                        "invoice_id": "INV-1",
                        "lines": [{"line_id": "1", "qty": 2, "amount": "59.80"}],
                        "total": "59.80",
                        "currency": "EUR",
                    },
                },
            ],
        },
        "/v1/orders": {"orders": [listed(n) for n in range(1, 21)], "cursor": "NEXT"},
        "/v1/exceptions": {"exceptions": [dead_letter()], "cursor": None},
        "/v1/exceptions/actions": {"actions": [done()], "cursor": None},
        "/v1/at-risk": {"promises": [broken_promise()], "cursor": None},
        "/v1/finance/mismatches": {
            "mismatches": [
                {
                    "order_id": "SO1-000042",
                    "finance": "PARTIALLY_INVOICED",
                    "kinds": ["INVOICE_LATE"],
                    "shipped": 3,
                    "invoiced": 2,
                    "credited": 0,
                }
            ]
        },
    }


class PageServer:
    """The pages over `bodies` (path -> body) on a port of loopback, in a thread of its own; or over `answer`,
    which gives (status, body) for a target."""

    def __init__(self, bodies=None, look=standing, answer=None):
        self.bodies = bodies
        self._give = answer
        self.asked = []
        self.told = []
        """(method, target, body) of what pages have done."""
        self.done = {}
        """(method, path) -> (status, body)"""
        self._look = look
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def app(self):
        app = web.Application()
        app.router.add_route("*", "/v1/{tail:.*}", self._answer)
        add_pages(app, Pulse(self._look), Workers(self._workers), Workers(self._pushers))
        return app

    async def _workers(self):
        return [Worker("springtide-worker-0", "127.0.0.1", {"inbox-sku": [0, 1], "orders": [0]})]

    async def _pushers(self):
        return [Worker("springtide-push-0", "127.0.0.1", {"status-changes": [0, 1]})]

    async def _answer(self, request):
        self.asked.append(str(request.rel_url))
        if request.method != "GET":
            body = await request.json() if request.can_read_body else None
            self.told.append((request.method, str(request.rel_url), body))
            if self._give is None:
                status, answer = self.done.get((request.method, request.path), (202, {}))
                return web.Response(status=204) if status == 204 else web.json_response(answer, status=status)
        if self._give is not None:
            status, body = self._give(str(request.rel_url))
            return web.json_response(body, status=status)
        if request.path == "/v1/kpis":
            return web.json_response(
                {"groups": kpi_groups(request.query.get("by", "")), "now": "2026-03-16T06:00:00Z"}
            )
        body = self.bodies.get(request.path)
        if body is None:
            problem = {
                "type": "urn:springtide:problem:unknown",
                "title": "Unknown",
                "detail": f"No {request.path}",
            }
            return web.json_response(problem, status=404)
        return web.json_response(body)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._stop = asyncio.Event()
        runner = web.AppRunner(self.app())
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()
