"""One order from the storefront's post to its delivery, over HTTP alone, on the real broker."""

from __future__ import annotations

from running import counted, event, placed


def shipment(kind, order_id, sku, qty, minute, **more):
    data = {"shipment_id": f"SH-{order_id}", "lines": [{"line_id": "1", "sku": sku, "qty": qty}]} | more
    return event(f"shipment.{kind}", order_id, data, "wms/ber", f"2026-03-02T07:{minute:02d}:00Z")


def test_from_reservation_to_delivery(running):
    sku, order = "E2E-BOOT", "E2E-1"
    token = running.tell(counted(sku, 10), placed(order, (sku, 4)))
    figure = running.get(f"/v1/atp/{sku}?min_position={token}")[1]
    assert (figure["committed"], figure["available_now"]) == (4, 6)

    running.tell(
        shipment("released", order, sku, 4, 1, location="BER"), shipment("shipped", order, sku, 4, 5)
    )
    shipped = running.until(
        f"/v1/orders/{order}", lambda body: body["status"] == "SHIPPED", "the order is shipped"
    )
    marks = {mark["name"]: mark["inferred"] for mark in shipped["milestones"]}
    assert marks["picked"] is True
    assert marks["shipped"] is False
    running.until(
        f"/v1/atp/{sku}",
        lambda body: (body["on_hand"], body["committed"], body["available_now"]) == (6, 0, 6),
        "what was shipped has left the stock once",
    )

    scan = {"shipment_id": f"SH-{order}", "tracking": "1Z", "status": "delivered"}
    token = running.tell(event("parcel.scanned", order, scan, "carrier/ups", "2026-03-03T10:00:00Z"))
    status, delivered = running.get(f"/v1/orders/{order}?min_position={token}")
    assert (status, delivered["status"]) == (200, "DELIVERED")
    assert delivered["version"] > shipped["version"]


def test_duplicates_change_nothing_and_cancels_give_back(running):
    sku, order = "E2E-TENT", "E2E-2"
    count, order_event = counted(sku, 5), placed(order, (sku, 3))
    running.tell(count, order_event)
    running.until(f"/v1/atp/{sku}", lambda body: body["available_now"] == 2, "three are committed")
    token = running.tell(order_event, count, order_event)
    assert running.get(f"/v1/atp/{sku}?min_position={token}")[1]["available_now"] == 2

    token = running.tell(event("order.cancelled", order, {"reason": "changed their mind"}))
    assert running.get(f"/v1/orders/{order}?min_position={token}")[1]["status"] == "CANCELLED"
    running.until(f"/v1/atp/{sku}", lambda body: body["available_now"] == 5, "all are given back")


def test_ship_complete_takes_all_or_nothing_until_stock_comes(running):
    token = running.tell(
        counted("E2E-A", 5),
        counted("E2E-B", 1),
        placed("E2E-3", ("E2E-A", 2), ("E2E-B", 2), ship_complete=True),
    )
    running.until(
        f"/v1/orders/E2E-3?min_position={token}",
        lambda body: (
            body["status"] == "BACKORDERED" and all(line["allocated"] == 0 for line in body["lines"])
        ),
        "one SKU is short, so nothing is taken",
    )
    received = {"location": "BER", "qty": 1}
    running.tell(event("inventory.received", "E2E-B", received, "wms/ber", "2026-03-02T09:00:00Z"))
    running.until(
        "/v1/orders/E2E-3", lambda body: body["status"] == "ALLOCATED", "with the last unit all are taken"
    )
