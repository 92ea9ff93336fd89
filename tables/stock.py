"""What each `inventory` fact does to a SKU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US
from springtide.tables.allocation import Sku
from springtide.tables.atp import available_now
from springtide.tables.rows import Rows
from springtide.tables.sku import HOLDS_MAX, Cell, Fence, Hold, PastHold, Supply, locations_by_rank


class Stock:
    """One inventory fact, applied: `event_id` and `fact_us` are the fact's own, `now_us` is stream time."""

    __slots__ = ("event_id", "fact_us", "now_us", "rows", "sku")

    def __init__(self, rows: Rows, sku: Sku, now_us: int, fact_us: int, event_id: str) -> None:
        self.rows = rows
        self.sku = sku
        self.now_us = now_us
        self.fact_us = fact_us
        self.event_id = event_id

    def apply(self, data: f.Data) -> None:
        """Applies the fact and settles who gets what."""
        _APPLY[type(data)](self, data)
        self.sku.freed = True
        self.sku.settle()

    # --- stock ---

    def counted(self, d: f.InventoryCounted) -> None:
        cell = self._cell(d.location)
        if d.bucket != "sellable":
            setattr(cell, d.bucket, d.on_hand)
        elif d.basis == "includes_committed":
            cell.sellable = d.on_hand
        else:
            cell.sellable = d.on_hand + cell.committed

    def adjusted(self, d: f.InventoryAdjusted) -> None:
        cell = self._cell(d.location)
        setattr(cell, d.bucket, getattr(cell, d.bucket) + d.delta)

    def moved(self, d: f.InventoryMoved) -> None:
        cell = self._cell(d.location)
        setattr(cell, d.from_bucket, getattr(cell, d.from_bucket) - d.qty)
        setattr(cell, d.to_bucket, getattr(cell, d.to_bucket) + d.qty)

    def received(self, d: f.InventoryReceived) -> None:
        self._cell(d.location).sellable += d.qty
        if d.supply_id is not None and d.supply_id in self.sku.head.supply:
            self.sku.head.supply[d.supply_id].received += d.qty

    def issued(self, d: f.InventoryIssued) -> None:
        self.sku.issue(d.location, d.qty, d.order_id, d.shipment_id)

    def safety_stock(self, d: f.SafetyStockSet) -> None:
        self._cell(d.location).safety_stock = d.qty

    # --- kept for dated promises and channels ---

    def supply_scheduled(self, d: f.SupplyScheduled) -> None:
        known = self.sku.head.supply.get(d.supply_id)
        received = 0 if known is None else known.received
        self.sku.head.supply[d.supply_id] = Supply(d.location, d.qty, d.due, d.firmness, received)

    def supply_rescheduled(self, d: f.SupplyRescheduled) -> None:
        known = self.sku.head.supply.get(d.supply_id)
        if known is None:
            self._note("supply_unknown", f"supply {d.supply_id} was rescheduled before it was scheduled")
            return
        known.due = d.due or known.due
        known.qty = known.qty if d.qty is None else d.qty

    def supply_cancelled(self, d: f.SupplyCancelled) -> None:
        known = self.sku.head.supply.get(d.supply_id)
        if known is None:
            self._note("supply_unknown", f"supply {d.supply_id} was cancelled before it was scheduled")
            return
        known.cancelled = True

    def fence(self, d: f.FenceSet) -> None:
        fences = self.sku.head.fences
        fences[f"{d.location or '*'} {d.channel}"] = Fence(
            d.location, d.channel, d.qty, d.valid_from, d.valid_to, d.rank
        )

    # --- holds ---

    def hold_placed(self, d: f.HoldPlaced) -> None:
        """Holds take at most what is available with safety stock kept, the nearest location first; all or
        nothing."""
        head = self.sku.head
        if d.hold_id in head.holds or self._past(d.hold_id) is not None:
            return
        expires_us = self.fact_us + d.ttl_s * SECOND_US
        if expires_us <= self.now_us:
            self._end(d.hold_id, "expired", d.qty, 0)
            return
        places = [d.location] if d.location is not None else locations_by_rank(head)
        room = {
            p: max(0, head.cells.get(p, _NO_STOCK).free - head.cells.get(p, _NO_STOCK).safety_stock)
            for p in places
        }
        available = available_now(head, d.location)
        if d.location is not None:
            available -= head.backordered  # who takes any location waits for this one too
        left = max(0, min(sum(room.values()), available))
        if d.qty > left:
            self._end(d.hold_id, "refused", d.qty, left)
            self._note("hold_refused", f"hold {d.hold_id} asked for {d.qty}, {left} were left")
            return
        if len(head.holds) >= HOLDS_MAX:
            self._end(d.hold_id, "refused", d.qty, left)
            self._note("hold_refused", f"hold {d.hold_id} came when {HOLDS_MAX} stood already")
            return
        cells: dict[str, int] = {}
        wanted = d.qty
        for place in places:
            units = min(wanted, room[place])
            if units:
                cells[place] = units
                head.cell(place).held += units
                wanted -= units
        head.holds[d.hold_id] = Hold(d.hold_id, expires_us, d.owner, d.channel, cells, self.fact_us)

    def hold_extended(self, d: f.HoldExtended) -> None:
        hold = self._active(d.hold_id, "extended")
        if hold is not None:
            hold.expires_us = max(hold.expires_us, self.fact_us + d.ttl_s * SECOND_US)

    def hold_released(self, d: f.HoldReleased) -> None:
        hold = self._active(d.hold_id, "released")
        if hold is not None:
            self._free(hold)
            self._end(d.hold_id, "released", sum(hold.cells.values()), 0)

    def hold_converted(self, d: f.HoldConverted) -> None:
        hold = self._active(d.hold_id, "converted")
        if hold is None:
            return
        self._end(d.hold_id, "converted", sum(hold.cells.values()), 0)
        self._free(hold)
        if not self.sku.convert(hold.cells, d.order_id, d.line_id):
            # The order has not asked yet: the units stay held for it until it does, or the hold expires.
            hold.pledged_to = (d.order_id, d.line_id)
            self.sku.head.pledges[d.hold_id] = d.order_id
            self.sku.head.holds[d.hold_id] = hold
            for location, units in hold.cells.items():
                self.sku.head.cell(location).held += units

    def expire(self) -> None:
        """Ends each hold that is dead at `now_us`."""
        for hold in sorted(self.sku.head.holds.values(), key=lambda h: (h.expires_us, h.hold_id)):
            if hold.expires_us <= self.now_us:
                self._free(hold)
                if hold.pledged_to is None:
                    self._end(hold.hold_id, "expired", sum(hold.cells.values()), 0)
        self.sku.freed = True
        self.sku.settle()

    def _active(self, hold_id: str, wish: str) -> Hold | None:
        hold = self.sku.head.holds.get(hold_id)
        if hold is not None and hold.pledged_to is None:
            return hold
        past = self._past(hold_id)
        if wish != "released" and (past is None or past.state != wish):
            why = "is not known" if past is None else f"was {past.state}"
            left = max(0, available_now(self.sku.head))
            self._note(f"hold_not_{wish}", f"hold {hold_id} {why}; {left} are left")
        return None

    def _free(self, hold: Hold) -> None:
        del self.sku.head.holds[hold.hold_id]
        self.sku.head.pledges.pop(hold.hold_id, None)
        for location, units in hold.cells.items():
            self.sku.head.cell(location).held -= units

    def _past(self, hold_id: str) -> PastHold | None:
        row: PastHold | None = self.rows.get(self.sku.past_hold_key(hold_id))
        return row

    def _end(self, hold_id: str, state: str, qty: int, left: int) -> None:
        self.rows.put(self.sku.past_hold_key(hold_id), PastHold(state, self.now_us, qty, left))

    # ---

    def _cell(self, location: str) -> Cell:
        return self.sku.head.cell(location)

    def _note(self, kind: str, detail: str) -> None:
        self.sku.head.note(self.fact_us, kind, detail, self.event_id)


_NO_STOCK: Final = Cell()
SAY_NOTHING_OF_A_SKU: Final = (
    *(f.HoldPlaced, f.HoldExtended, f.HoldReleased, f.HoldConverted),
    *(f.SupplyRescheduled, f.SupplyCancelled),
)
"""Facts that a mistyped SKU may come by: it stays unknown, and an unknown SKU is never a 0."""

_APPLY: Final[dict[type[f.Data], Callable[[Stock, Any], None]]] = {
    f.InventoryCounted: Stock.counted,
    f.InventoryAdjusted: Stock.adjusted,
    f.InventoryMoved: Stock.moved,
    f.InventoryReceived: Stock.received,
    f.InventoryIssued: Stock.issued,
    f.SupplyScheduled: Stock.supply_scheduled,
    f.SupplyRescheduled: Stock.supply_rescheduled,
    f.SupplyCancelled: Stock.supply_cancelled,
    f.HoldPlaced: Stock.hold_placed,
    f.HoldExtended: Stock.hold_extended,
    f.HoldReleased: Stock.hold_released,
    f.HoldConverted: Stock.hold_converted,
    f.FenceSet: Stock.fence,
    f.SafetyStockSet: Stock.safety_stock,
}
