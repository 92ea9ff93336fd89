"""What each fact about a SKU does to it: `inventory` facts, and its own part of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from springtide.codecs import facts as f
from springtide.codecs.times import SECOND_US
from springtide.tables import calendar
from springtide.tables.allocation import Sku
from springtide.tables.catalog import Goods, Prices, policy_of, prices_key
from springtide.tables.footprint import schedule_supply, use_fences
from springtide.tables.picture import NOBODY, Picture
from springtide.tables.rows import Rows
from springtide.tables.sku import (
    FENCES_MAX,
    HOLDS_MAX,
    Cell,
    Fence,
    Hold,
    PastHold,
    Supply,
)


class Stock:
    """One fact about a SKU, applied: `event_id` and `fact_us` are the fact's own, `now_us` is stream time."""

    __slots__ = ("event_id", "fact_us", "now_us", "rows", "sku")

    def __init__(self, rows: Rows, sku: Sku, now_us: int, fact_us: int, event_id: str) -> None:
        self.rows = rows
        self.sku = sku
        self.now_us = now_us
        self.fact_us = fact_us
        self.event_id = event_id

    def apply(self, data: f.Data) -> None:
        """Applies the fact and settles who gets what."""
        head = self.sku.head
        head.known = head.known or not isinstance(data, SAY_NOTHING_OF_A_SKU)
        self.sku.cause = _CAUSES.get(type(data), "stock_shortage")
        self.sku.see_policy()
        _APPLY[type(data)](self, data)
        self.sku.freed = True
        self.sku.settle()

    def come_by(self) -> None:
        """What is due at `now_us` takes effect: holds die, lines come due, fences start and end, a new day
        begins."""
        self.sku.see_policy()
        self.sku.cause = "supplier_late"
        for fence in self.sku.head.fences.values():
            if self.now_us in (fence.from_us, fence.to_us):
                self.sku.cause = "allocation_policy"
        for hold in sorted(self.sku.head.holds.values(), key=lambda h: (h.expires_us, h.hold_id)):
            if hold.expires_us <= self.now_us:
                self._free(hold)
                if hold.pledged_to is None:
                    self._end(hold.hold_id, "expired", sum(hold.cells.values()), 0)
        self.sku.come_due()
        self.sku.freed = self.sku.retime = True
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
        if d.from_bucket == "sellable":
            self.sku.cause = "quality_hold" if d.to_bucket != "reserved_other" else "stock_shortage"
        setattr(cell, d.from_bucket, getattr(cell, d.from_bucket) - d.qty)
        setattr(cell, d.to_bucket, getattr(cell, d.to_bucket) + d.qty)

    def received(self, d: f.InventoryReceived) -> None:
        self._cell(d.location).sellable += d.qty
        if d.supply_id is not None:
            supply = self._supply(d.supply_id) or Supply(d.supply_id, d.location)
            was_open = supply.open
            supply.received += d.qty
            self._put_supply(supply, supply.open - was_open)

    def issued(self, d: f.InventoryIssued) -> None:
        self.sku.issue(d.location, d.qty, d.order_id, d.shipment_id)

    def safety_stock(self, d: f.SafetyStockSet) -> None:
        self._cell(d.location).safety_stock = d.qty

    # --- supply ---

    def supply_scheduled(self, d: f.SupplyScheduled) -> None:
        supply = self._supply(d.supply_id) or Supply(d.supply_id)
        self._put_supply(supply, -supply.open)
        self._cell(d.location)
        supply.location, supply.qty, supply.firmness = d.location, d.qty, d.firmness
        supply.due = self._day(d.due, d.location)
        supply.scheduled, supply.cancelled = True, False
        self._put_supply(supply, supply.open)

    def supply_rescheduled(self, d: f.SupplyRescheduled) -> None:
        supply = self._known_supply(d.supply_id, "rescheduled")
        if supply is not None:
            self._put_supply(supply, -supply.open)
            supply.due = supply.due if d.due is None else self._day(d.due, supply.location)
            supply.qty = supply.qty if d.qty is None else d.qty
            self._put_supply(supply, supply.open)

    def supply_cancelled(self, d: f.SupplyCancelled) -> None:
        supply = self._known_supply(d.supply_id, "cancelled")
        if supply is not None:
            self._put_supply(supply, -supply.open)
            supply.cancelled = True
            self._put_supply(supply, 0)

    def _day(self, due: str, location: str) -> int:
        return calendar.day_of(due, self.sku.network.place(location).timezone)

    def _supply(self, supply_id: str) -> Supply | None:
        row: Supply | None = self.rows.get(self._supply_key(supply_id))
        return row

    def _known_supply(self, supply_id: str, what: str) -> Supply | None:
        supply = self._supply(supply_id)
        if supply is None or not supply.scheduled:
            self._note("supply_unknown", f"supply {supply_id} was {what} before it was scheduled")
            return None
        return supply

    def _put_supply(self, supply: Supply, more: int) -> None:
        """Writes a supply of which `more` units are to come than before."""
        if more:
            schedule_supply(self.sku.date_supply(), supply, more)
        supply.event_id = self.event_id
        self.rows.put(self._supply_key(supply.supply_id), supply)

    def _supply_key(self, supply_id: str) -> bytes:
        return self.sku.key + b"\x00p" + supply_id.encode()

    # --- fences ---

    def fence(self, d: f.FenceSet) -> None:
        sku = self.sku
        fences = sku.head.fences
        key = f"{d.location or '*'} {d.channel}"
        known = fences.get(key)
        sku.retime = True
        if d.qty == 0:
            fences.pop(key, None)
            return
        if known is None and len(fences) >= FENCES_MAX:
            self._note("fence_refused", f"a fence for {d.channel} came when {FENCES_MAX} stood already")
            return
        zone = "UTC" if d.location is None else sku.network.place(d.location).timezone
        from_us, to_us = calendar.span_us(d.valid_from, d.valid_to, zone)
        fences[key] = Fence(
            *(d.location, d.channel, d.qty, d.rank, d.valid_from, d.valid_to, from_us, to_us),
            self._used(d.channel, d.location) if known is None else known.used,
        )

    def _used(self, channel: str, location: str | None) -> int:
        """Units of a channel that are committed or held at a location, or (None) anywhere."""
        used = 0
        for row in self.sku.open_rows():
            for line in row.lines.values():
                if row.tracked and row.channel_of(line) == channel:
                    used += sum(units for where, units in line.cells.items() if location in (None, where))
        for hold in self.sku.head.holds.values():
            if hold.channel == channel:
                used += sum(units for where, units in hold.cells.items() if location in (None, where))
        return used

    # --- the catalog ---

    def product(self, d: f.ProductUpserted) -> None:
        goods = self.sku.goods
        self.sku.set_goods(Goods(d, goods.discontinued, goods.policy))

    def discontinued(self, _: f.ProductDiscontinued) -> None:
        goods = self.sku.goods
        self.sku.set_goods(Goods(goods.product, True, goods.policy))

    def own_policy(self, d: f.PolicySet) -> None:
        goods = self.sku.goods
        version = 0 if goods.policy is None else goods.policy.version
        self.sku.set_goods(Goods(goods.product, goods.discontinued, policy_of(d, version + 1)))

    def price(self, d: f.PriceSet) -> None:
        key = prices_key(self.sku.key)
        prices: Prices = self.rows.get(key) or Prices()
        prices.set(d)
        self.rows.put(key, prices)

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
        places, room, left = self._promisable(d.location, d.channel)
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
                wanted -= units
        hold = head.holds[d.hold_id] = Hold(d.hold_id, expires_us, d.owner, d.channel, cells, self.fact_us)
        for place, units in cells.items():
            self._hold(hold, place, units)
        self.sku.retime = True

    def _promisable(self, location: str | None, channel: str | None) -> tuple[list[str], dict[str, int], int]:
        """(locations nearest first, what a new promise may take from each now, and from all)."""
        sku = self.sku
        head = sku.head
        places = sku.open_locations()
        if location is not None:
            places = [location] if sku.network.place(location).open else []
        if not (head.dated or head.fences or sku.goods.policy or sku.network.policy.version):
            none = Cell()
            cells = {place: head.cells.get(place, none) for place in places}
            room = {place: max(0, cell.free - cell.safety_stock) for place, cell in cells.items()}
            others = cells if location is not None else {p: head.cells[p] for p in places}
            whole = sum(cell.free - cell.safety_stock for cell in others.values()) - head.backordered
            return places, room, max(0, min(sum(room.values()), whole))
        picture = Picture(self.rows, head.sku, self.now_us)
        who = NOBODY if channel is None else channel
        room = {place: max(0, picture.series(place, who, "look_ahead").atp[0]) for place in places}
        whole = picture.network_series(who, "look_ahead").atp[0] if location is None else sum(room.values())
        if location is not None and sku.policy.carry_shortage:
            whole -= picture.backordered_anywhere()  # who takes any location waits for this one too
        return places, room, max(0, min(sum(room.values()), whole))

    def hold_extended(self, d: f.HoldExtended) -> None:
        hold = self._active(d.hold_id, "extended")
        if hold is not None:
            self.sku.retime = True
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
                self._hold(hold, location, units)

    def _active(self, hold_id: str, wish: str) -> Hold | None:
        hold = self.sku.head.holds.get(hold_id)
        if hold is not None and hold.pledged_to is None:
            return hold
        past = self._past(hold_id)
        if wish != "released" and (past is None or past.state != wish):
            why = "is not known" if past is None else f"was {past.state}"
            left = self._promisable(None, None)[2]
            self._note(f"hold_not_{wish}", f"hold {hold_id} {why}; {left} are left")
        return None

    def _free(self, hold: Hold) -> None:
        del self.sku.head.holds[hold.hold_id]
        self.sku.head.pledges.pop(hold.hold_id, None)
        self.sku.retime = True
        for location, units in hold.cells.items():
            self._hold(hold, location, -units)

    def _hold(self, hold: Hold, location: str, units: int) -> None:
        self._cell(location).held += units
        if self.sku.head.fences:
            use_fences(self.sku.head, hold.channel, location, units)

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


SAY_NOTHING_OF_A_SKU: Final = (
    *(f.HoldPlaced, f.HoldExtended, f.HoldReleased, f.HoldConverted),
    *(f.SupplyRescheduled, f.SupplyCancelled, f.PolicySet, f.PriceSet),
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
    f.ProductUpserted: Stock.product,
    f.ProductDiscontinued: Stock.discontinued,
    f.PolicySet: Stock.own_policy,
    f.PriceSet: Stock.price,
}
_CAUSES: Final[dict[type[f.Data], str]] = {
    f.SupplyScheduled: "supplier_late",
    f.SupplyRescheduled: "supplier_late",
    f.SupplyCancelled: "supplier_late",
    f.InventoryCounted: "count_discrepancy",
    f.InventoryAdjusted: "count_discrepancy",
    f.FenceSet: "allocation_policy",
    f.PolicySet: "allocation_policy",
}
"""Why promises get worse by a fact; any other takes stock away."""
