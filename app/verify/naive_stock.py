"""What each `inventory` fact does to a naive SKU; a kind of note is returned where there is something to note.

answers = stock_fact(sku, data, now_us, fact_us, event_id)
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any, Final

from springtide.app.verify.naive_sku import NOTES_MAX, Answer, Hold, NaiveSku
from springtide.app.verify.naive_wish import Units, Wish, added, cover_issued, positive
from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US

_WISHES: Final = (
    *(f.HoldPlaced, f.HoldExtended, f.HoldReleased, f.HoldConverted),
    *(f.SupplyRescheduled, f.SupplyCancelled),
)


HOLDS_MAX: Final = 10_000


def stock_fact(sku: NaiveSku, data: f.Data, now_us: int, fact_us: int, event_id: str) -> list[Answer]:
    """A fact that is no duplicate, at stream time `now_us`; `fact_us` is its own time."""
    if not isinstance(data, _WISHES):
        sku.known = True
    note = _STOCK[type(data)](sku, data, now_us, fact_us)
    if note is not None:
        sku.notes = [*sku.notes, (fact_us, note, event_id)][-NOTES_MAX:]
    sku.settle()
    return sku.tell(now_us, None)


def _counted(sku: NaiveSku, d: f.InventoryCounted, _now_us: int, _fact_us: int) -> None:
    # Absolute: whatever had left before is not in the count.
    already = sku.gone.get(d.location, 0) if d.bucket == "sellable" else 0
    with_committed = d.bucket == "sellable" and d.basis == "excludes_committed"
    committed = sku.committed.get(d.location, 0) if with_committed else 0
    sku.stock.setdefault(d.location, {})[d.bucket] = d.on_hand + already + committed


def _adjusted(sku: NaiveSku, d: f.InventoryAdjusted, _now_us: int, _fact_us: int) -> None:
    sku.add(d.location, d.bucket, d.delta)


def _moved(sku: NaiveSku, d: f.InventoryMoved, _now_us: int, _fact_us: int) -> None:
    sku.add(d.location, d.from_bucket, -d.qty)
    sku.add(d.location, d.to_bucket, d.qty)


def _received(sku: NaiveSku, d: f.InventoryReceived, _now_us: int, _fact_us: int) -> None:
    sku.add(d.location, "sellable", d.qty)
    if d.supply_id in sku.supply:
        sku.supply[d.supply_id]["received"] += d.qty


def _issued(sku: NaiveSku, d: f.InventoryIssued, now_us: int, _fact_us: int) -> None:
    order_id = d.order_id
    if order_id is None and d.shipment_id is not None:
        order_id = sku.owners.get(d.shipment_id)
        if order_id is None:
            sku.orphans[d.shipment_id] = added(sku.orphans.get(d.shipment_id, {}), {d.location: d.qty})
    if order_id is None:
        sku.add(d.location, "sellable", -d.qty)
        return
    wish = sku.open(order_id)
    if wish is None:
        wish = sku.wishes[order_id] = Wish(order_id, now_us)
    shipment = d.shipment_id or ""
    wish.issued[shipment] = added(wish.issued.get(shipment, {}), {d.location: d.qty})
    cover_issued(wish)
    sku.count(wish)


def _safety_stock(sku: NaiveSku, d: f.SafetyStockSet, _now_us: int, _fact_us: int) -> None:
    sku.safety[d.location] = d.qty


def _supply_scheduled(sku: NaiveSku, d: f.SupplyScheduled, _now_us: int, _fact_us: int) -> None:
    received = sku.supply.get(d.supply_id, {}).get("received", 0)
    sku.supply[d.supply_id] = {
        "location": d.location,
        "qty": d.qty,
        "due": d.due,
        "firmness": d.firmness,
        "received": received,
        "cancelled": False,
    }


def _supply_rescheduled(sku: NaiveSku, d: f.SupplyRescheduled, _now_us: int, _fact_us: int) -> str | None:
    known = sku.supply.get(d.supply_id)
    if known is None:
        return "supply_unknown"
    known["due"] = d.due or known["due"]
    known["qty"] = known["qty"] if d.qty is None else d.qty
    return None


def _supply_cancelled(sku: NaiveSku, d: f.SupplyCancelled, _now_us: int, _fact_us: int) -> str | None:
    if d.supply_id not in sku.supply:
        return "supply_unknown"
    sku.supply[d.supply_id]["cancelled"] = True
    return None


def _fence(sku: NaiveSku, d: f.FenceSet, _now_us: int, _fact_us: int) -> None:
    name = f"{d.location or '*'} {d.channel}"
    sku.fences[name] = (d.location, d.channel, d.qty, d.valid_from, d.valid_to, d.rank)


# --- holds ---


def _hold_placed(sku: NaiveSku, d: f.HoldPlaced, now_us: int, fact_us: int) -> str | None:
    """All or nothing, with safety stock kept, and nothing that somebody waits for."""
    if d.hold_id in sku.holds or d.hold_id in sku.ended:
        return None
    expires_us = fact_us + d.ttl_s * SECOND_US
    if expires_us <= now_us:
        sku.ended[d.hold_id] = "expired"
        return None
    places = sku.locations() if d.location is None else [d.location]
    room = {place: max(0, sku.free(place)) for place in places}
    at, anywhere = d.location, sku.short.get("", 0)  # who takes any location waits for this one too
    available = sku.available_now() if at is None else sku.free(at) - anywhere
    if d.qty > max(0, min(sum(room.values()), available)) or len(sku.holds) >= HOLDS_MAX:
        sku.ended[d.hold_id] = "refused"
        return "hold_refused"
    cells: Units = {}
    wanted = d.qty
    for place in places:
        cells[place] = min(wanted, room[place])
        wanted -= cells[place]
    sku.keep(d.hold_id, Hold(expires_us, positive(cells), d.owner, d.channel, fact_us))
    return None


def _hold_extended(sku: NaiveSku, d: f.HoldExtended, _now_us: int, fact_us: int) -> str | None:
    hold = sku.holds.get(d.hold_id)
    if hold is None or hold.pledge is not None:
        return "hold_not_extended"
    hold.expires_us = max(hold.expires_us, fact_us + d.ttl_s * SECOND_US)
    heappush(sku.expiries, (hold.expires_us, d.hold_id))
    return None


def _hold_released(sku: NaiveSku, d: f.HoldReleased, _now_us: int, _fact_us: int) -> None:
    hold = sku.holds.get(d.hold_id)
    if hold is not None and hold.pledge is None:
        sku.let_go(d.hold_id)
        sku.ended[d.hold_id] = "released"


def _hold_converted(sku: NaiveSku, d: f.HoldConverted, _now_us: int, _fact_us: int) -> str | None:
    """To the order's line; if the order has not asked here yet, the units stay held for it."""
    hold = sku.holds.get(d.hold_id)
    if hold is None or hold.pledge is not None:
        return None if sku.ended.get(d.hold_id) == "converted" else "hold_not_converted"
    sku.ended[d.hold_id] = "converted"
    wish = sku.open(d.order_id)
    if wish is None or d.line_id not in wish.lines:
        hold.pledge = (d.order_id, d.line_id)
        sku.keep(d.hold_id, sku.let_go(d.hold_id))
        sku.pledged[d.hold_id] = None
        return None
    sku.let_go(d.hold_id)
    sku.touched[d.order_id] = wish
    sku.convert(hold.cells, wish, d.line_id)
    return None


_STOCK: Final[dict[type[f.Data], Callable[[NaiveSku, Any, int, int], str | None]]] = {
    f.InventoryCounted: _counted,
    f.InventoryAdjusted: _adjusted,
    f.InventoryMoved: _moved,
    f.InventoryReceived: _received,
    f.InventoryIssued: _issued,
    f.SupplyScheduled: _supply_scheduled,
    f.SupplyRescheduled: _supply_rescheduled,
    f.SupplyCancelled: _supply_cancelled,
    f.HoldPlaced: _hold_placed,
    f.HoldExtended: _hold_extended,
    f.HoldReleased: _hold_released,
    f.HoldConverted: _hold_converted,
    f.FenceSet: _fence,
    f.SafetyStockSet: _safety_stock,
}
