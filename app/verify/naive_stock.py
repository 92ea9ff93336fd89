"""What each fact about a SKU does to a naive one; a kind of note is returned where there is something to note.

answers = stock_fact(sku, data, now_us, fact_us, event_id)
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from typing import Any, Final

from springtide.app.verify.naive_atp import figures
from springtide.app.verify.naive_calendar import day_or_instant
from springtide.app.verify.naive_fences import Fence, stated
from springtide.app.verify.naive_grants import is_single
from springtide.app.verify.naive_moves import cover_issued
from springtide.app.verify.naive_network import Rules
from springtide.app.verify.naive_sku import NOTES_MAX, Answer, Hold, NaiveSku, Supply
from springtide.app.verify.naive_wish import Units, added, positive
from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US

_WISHES: Final = (
    *(f.HoldPlaced, f.HoldExtended, f.HoldReleased, f.HoldConverted),
    *(f.SupplyRescheduled, f.SupplyCancelled, f.PolicySet, f.PriceSet),
)
HOLDS_MAX: Final = 10_000
FENCES_MAX: Final = 1_000
NOBODY: Final = ""
"""A channel without a fence: it sees what is shared."""


def stock_fact(sku: NaiveSku, data: f.Data, now_us: int, fact_us: int, event_id: str) -> list[Answer]:
    """A fact that is no duplicate, at stream time `now_us`; `fact_us` is its own time."""
    sku.begin(now_us)
    sku.facts += 1
    sku.freed = True
    if not isinstance(data, _WISHES):
        sku.known = True
    note = _STOCK[type(data)](sku, data, fact_us)
    if note is not None:
        sku.notes = [*sku.notes, (fact_us, note, event_id)][-NOTES_MAX:]
    sku.settle()
    return sku.tell(_cause(data))


def network_fact(sku: NaiveSku, data: f.Data, now_us: int) -> list[Answer]:
    """A place or the policy of all SKUs is another one now."""
    sku.begin(now_us)
    sku.freed = True
    sku.come_due()
    sku.settle()
    return sku.tell(_cause(data))


def _cause(data: f.Data) -> str:
    """Why promises get worse by a fact."""
    match data:
        case f.SupplyScheduled() | f.SupplyRescheduled() | f.SupplyCancelled():
            return "supplier_late"
        case f.InventoryCounted() | f.InventoryAdjusted():
            return "count_discrepancy"
        case f.InventoryMoved(from_bucket="sellable", to_bucket=bucket) if bucket != "reserved_other":
            return "quality_hold"
        case f.FenceSet() | f.PolicySet():
            return "allocation_policy"
        case f.LocationUpserted(open=is_open):
            return "allocation_policy" if is_open else "location_outage"
    return "stock_shortage"


# --- stock ---


def _counted(sku: NaiveSku, d: f.InventoryCounted, _fact_us: int) -> None:
    # Absolute: whatever had left before is not in the count.
    stands = sku.sellable(d.location) if d.bucket == "sellable" else sku.bucket(d.location, d.bucket)
    with_committed = d.bucket == "sellable" and d.basis == "excludes_committed"
    committed = sku.committed.get(d.location, 0) if with_committed else 0
    sku.add(d.location, d.bucket, d.on_hand + committed - stands)


def _adjusted(sku: NaiveSku, d: f.InventoryAdjusted, _fact_us: int) -> None:
    sku.add(d.location, d.bucket, d.delta)


def _moved(sku: NaiveSku, d: f.InventoryMoved, _fact_us: int) -> None:
    sku.add(d.location, d.from_bucket, -d.qty)
    sku.add(d.location, d.to_bucket, d.qty)


def _received(sku: NaiveSku, d: f.InventoryReceived, _fact_us: int) -> None:
    sku.add(d.location, "sellable", d.qty)
    if d.supply_id is not None:
        sku.supply.setdefault(d.supply_id, Supply(d.location)).received += d.qty


def _issued(sku: NaiveSku, d: f.InventoryIssued, _fact_us: int) -> None:
    order_id = d.order_id
    if order_id is None and d.shipment_id is not None:
        order_id = sku.owners.get(d.shipment_id)
        if order_id is None:
            sku.orphans[d.shipment_id] = added(sku.orphans.get(d.shipment_id, {}), {d.location: d.qty})
    if order_id is None:
        sku.add(d.location, "sellable", -d.qty)
        return
    wish = sku.open(order_id) or sku.new(order_id, sku.now_us)
    shipment = d.shipment_id or ""
    wish.issued[shipment] = added(wish.issued.get(shipment, {}), {d.location: d.qty})
    cover_issued(wish, is_single(sku, wish))
    sku.count(wish)


def _safety_stock(sku: NaiveSku, d: f.SafetyStockSet, _fact_us: int) -> None:
    sku.safety[d.location] = d.qty
    sku.named[d.location] = None


# --- supply and fences ---


def _supply_scheduled(sku: NaiveSku, d: f.SupplyScheduled, _fact_us: int) -> None:
    """What was received for it before counts."""
    due = day_or_instant(sku.place(d.location), d.due)
    received = sku.supply[d.supply_id].received if d.supply_id in sku.supply else 0
    sku.supply[d.supply_id] = Supply(d.location, d.qty, due, d.firmness, received, scheduled=True)
    sku.named[d.location] = None


def _supply_rescheduled(sku: NaiveSku, d: f.SupplyRescheduled, _fact_us: int) -> str | None:
    known = sku.supply.get(d.supply_id)
    if known is None or not known.scheduled:
        return "supply_unknown"
    if d.due is not None:
        known.due = day_or_instant(sku.place(known.location), d.due)
    known.qty = known.qty if d.qty is None else d.qty
    return None


def _supply_cancelled(sku: NaiveSku, d: f.SupplyCancelled, _fact_us: int) -> str | None:
    known = sku.supply.get(d.supply_id)
    if known is None or not known.scheduled:
        return "supply_unknown"
    known.cancelled = True
    return None


def _fence(sku: NaiveSku, d: f.FenceSet, _fact_us: int) -> str | None:
    name = f"{d.location or '*'} {d.channel}"
    known = sku.fences.get(name)
    if d.qty == 0:
        sku.fences.pop(name, None)
        return None
    if known is None and len(sku.fences) >= FENCES_MAX:
        return "fence_refused"
    before = sku.taken_by(d.channel, d.location, shipped_only=True) if known is None else known.shipped_before
    fence = Fence(d.location, d.channel, d.qty, d.valid_from, d.valid_to, d.rank, shipped_before=before)
    sku.fences[name] = stated(fence, sku.place(d.location))
    return None


# --- the catalog ---


def _product(sku: NaiveSku, d: f.ProductUpserted, _fact_us: int) -> None:
    sku.goods.product = d
    for wish in list(sku.wishes.values()):
        sku.track(wish)


def _discontinued(sku: NaiveSku, _d: f.ProductDiscontinued, _fact_us: int) -> None:
    sku.goods.discontinued = True


def _policy(sku: NaiveSku, d: f.PolicySet, _fact_us: int) -> None:
    sku.goods.rules = Rules(d, 1 + (0 if sku.goods.rules is None else sku.goods.rules.version))


def _price(sku: NaiveSku, d: f.PriceSet, _fact_us: int) -> None:
    sku.goods.price(d)


# --- holds ---


def _hold_placed(sku: NaiveSku, d: f.HoldPlaced, fact_us: int) -> str | None:
    """All or nothing, with safety stock kept, and nothing that somebody waits for or was promised."""
    if d.hold_id in sku.holds or d.hold_id in sku.ended:
        return None
    expires_us = fact_us + d.ttl_s * SECOND_US
    if expires_us <= sku.now_us:
        sku.ended[d.hold_id] = "expired"
        return None
    channel = NOBODY if d.channel is None else d.channel
    places = sku.network.nearest(sku.named) if d.location is None else [d.location]
    room = {
        at: max(0, figures(sku, at, channel, "look_ahead").atp[0]) for at in places if sku.network.is_open(at)
    }
    if d.location is None:
        whole = figures(sku, None, channel, "look_ahead").atp[0]
    else:  # who takes any location waits for this one too
        waiting = sku.backordered("") if sku.policy().carry_shortage else 0
        whole = sum(room.values()) - waiting
    if d.qty > max(0, min(sum(room.values()), whole)) or len(sku.holds) >= HOLDS_MAX:
        sku.ended[d.hold_id] = "refused"
        return "hold_refused"
    cells: Units = {}
    wanted = d.qty
    for at, units in room.items():
        cells[at] = min(wanted, units)
        wanted -= cells[at]
    sku.keep(d.hold_id, Hold(expires_us, positive(cells), d.owner, d.channel, fact_us))
    return None


def _hold_extended(sku: NaiveSku, d: f.HoldExtended, fact_us: int) -> str | None:
    hold = sku.holds.get(d.hold_id)
    if hold is None or hold.pledge is not None:
        return "hold_not_extended"
    hold.expires_us = max(hold.expires_us, fact_us + d.ttl_s * SECOND_US)
    heappush(sku.expiries, (hold.expires_us, d.hold_id))
    return None


def _hold_released(sku: NaiveSku, d: f.HoldReleased, _fact_us: int) -> None:
    hold = sku.holds.get(d.hold_id)
    if hold is not None and hold.pledge is None:
        sku.let_go(d.hold_id)
        sku.ended[d.hold_id] = "released"


def _hold_converted(sku: NaiveSku, d: f.HoldConverted, _fact_us: int) -> str | None:
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
    sku.touch(wish)
    sku.convert(hold.cells, wish, d.line_id)
    return None


_STOCK: Final[dict[type[f.Data], Callable[[NaiveSku, Any, int], str | None]]] = {
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
    f.ProductUpserted: _product,
    f.ProductDiscontinued: _discontinued,
    f.PolicySet: _policy,
    f.PriceSet: _price,
}
