"""A log of events told line by line, and what `springtide simulate` answers to it.

Day 0 is Monday, 2 March 2026; `at` is days since its midnight in UTC, so 1.5 is noon on Tuesday.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from springtide.app.simulate import simulate

Json = dict[str, Any]
MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
_SOURCES = {
    **dict.fromkeys(("order", "return"), "oms"),
    **dict.fromkeys(("inventory", "shipment", "pick", "safety_stock"), "wms"),
    **dict.fromkeys(("parcel", "delivery"), "carrier"),
    **dict.fromkeys(("supply", "fence", "invoice", "payment", "credit_memo", "credit"), "erp"),
    **dict.fromkeys(("product", "location", "price", "customer", "policy"), "erp"),
    "hold": "storefront",
}


def day(number: int) -> str:
    """The calendar date of a day."""
    return (MONDAY.date() + timedelta(days=number)).isoformat()


def moment(at: float) -> str:
    return (MONDAY + timedelta(days=at)).isoformat().replace("+00:00", "Z")


def number(text: str | None) -> int | None:
    """The day of a calendar date."""
    return None if text is None else (date.fromisoformat(text[:10]) - MONDAY.date()).days


class Story:
    """See the module. Each method adds one event; ids count up."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(
        self, at: float, name: str, subject: str, /, *, recorded: float | None = None, **data: Any
    ) -> str:
        """Adds an event; gives its id."""
        event_id = f"e{len(self.lines) + 1}"
        event = {
            "specversion": "1.0",
            "id": event_id,
            "source": _SOURCES[name.partition(".")[0]],
            "type": f"springtide.{name}.v1",
            "subject": subject,
            "time": moment(at),
            "data": data,
        }
        if recorded is not None:
            event["recordedtime"] = moment(recorded)
        self.lines.append(json.dumps(event))
        return event_id

    def counted(self, at: float, sku: str, units: int, location: str = "BER", **more: Any) -> str:
        stated = {"basis": "includes_committed", **more}
        return self.tell(at, "inventory.counted", sku, location=location, on_hand=units, **stated)

    def received(self, at: float, sku: str, units: int, location: str = "BER", **more: Any) -> str:
        return self.tell(at, "inventory.received", sku, location=location, qty=units, **more)

    def supply(
        self,
        at: float,
        sku: str,
        units: int,
        due: int,
        name: str = "",
        location: str = "BER",
        firmness: str = "firm",
    ) -> str:
        supply_id = name or f"po{len(self.lines) + 1}"
        self.tell(
            at,
            "supply.scheduled",
            sku,
            supply_id=supply_id,
            location=location,
            qty=units,
            due=day(due),
            firmness=firmness,
        )
        return supply_id

    def placed(self, at: float, order_id: str, *lines: Json, **more: Any) -> str:
        """Lines as by `line`, numbered from 1."""
        stated = [{"line_id": f"{n}", **line} for n, line in enumerate(lines, 1)]
        told = {"customer_id": "C1", "channel": "web", "currency": "EUR", **more}
        return self.tell(at, "order.placed", order_id, order_id=order_id, lines=stated, **told)

    def shipment(
        self, at: float, step: str, order_id: str, shipment_id: str, *lines: tuple[str, str, int], **more: Any
    ) -> str:
        """Lines are (line_id, sku, qty)."""
        stated = [{"line_id": line_id, "sku": sku, "qty": qty} for line_id, sku, qty in lines]
        told = {"location": "BER", **more}
        return self.tell(at, f"shipment.{step}", order_id, shipment_id=shipment_id, lines=stated, **told)

    def scanned(self, at: float, order_id: str, shipment_id: str, status: str, **more: Any) -> str:
        told = {"shipment_id": shipment_id, "tracking": f"T-{shipment_id}", "status": status, **more}
        return self.tell(at, "parcel.scanned", order_id, **told)

    def place(self, name: str, rank: int, at: float = -30, **more: Any) -> str:
        told = {"name": name, "rank": rank, "timezone": "UTC", **more}
        return self.tell(at, "location.upserted", name, location=name, **told)

    def policy(self, at: float = -30, scope: str = "*", **more: Any) -> str:
        return self.tell(at, "policy.set", scope, scope=scope, **more)

    def product(self, sku: str, at: float = -30, **more: Any) -> str:
        return self.tell(at, "product.upserted", sku, **{"sku": sku, "name": sku, "uom": "EA", **more})

    def ask(self, path: str, now: float | None = None) -> Json:
        return simulate(self.lines, [path], None if now is None else moment(now))[0]

    def atp(self, sku: str, now: float | None = None, **asked: Any) -> Json:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        return self.ask(f"/v1/atp/{sku}" + (f"?{query}" if query else ""), now)

    def order(self, order_id: str, now: float | None = None, **asked: Any) -> Json:
        query = "&".join(f"{name}={value}" for name, value in asked.items())
        return self.ask(f"/v1/orders/{order_id}" + (f"?{query}" if query else ""), now)


def line(sku: str, qty: int, ships: int | None = None, **more: Any) -> Json:
    """A line of an order; `ships` is the day it is to ship."""
    return {"sku": sku, "qty": qty, **({} if ships is None else {"requested_date": day(ships)}), **more}


def curve(body: Json, name: str = "atp", days: int | None = None) -> list[int]:
    """One figure of the curve's points, from today on."""
    points = [point[name] for point in body["curve"]]
    return points if days is None else points[:days]
