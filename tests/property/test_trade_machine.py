"""Orders and SKUs together, their messages delivered at any pace: whatever the interleaving, when all is
quiet nothing is oversold, all or nothing holds, both sides agree, and who can be served is served."""

from __future__ import annotations

from collections import Counter
from typing import Any

from domain import OrderStage, order_lines, placed, released, step
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from trade_world import World

from springtide.codecs import facts as f

SKUS = ("tea", "mug", "pot")
LINES = {"1": "tea", "2": "mug", "3": "pot", "4": "tea"}
ORDERS = ("o1", "o2", "o3", "o4")
PLACES = st.sampled_from(["A", "B"])
SKU = st.sampled_from(SKUS)
ORDER = st.sampled_from(ORDERS)
FEW = st.integers(1, 6)


class TradeMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World(SKUS)
        self.now = 0
        self.numbers = 0
        self.revisions: Counter[str] = Counter()
        self.shipments: dict[str, tuple[str, list[tuple[str, str, int]]]] = {}
        self.holds: list[tuple[str, str, str]] = []

    @initialize(data=st.data(), units=st.lists(st.integers(0, 8), min_size=6, max_size=6))
    def begin(self, data: st.DataObject, units: list[int]) -> None:
        for n, (sku, at) in enumerate((sku, at) for sku in SKUS for at in ("A", "B")):
            if units[n]:
                self.world.stock(sku, f.InventoryReceived(location=at, qty=units[n]))
        for order_id in ORDERS:
            complete = order_id in ("o1", "o2") or data.draw(st.booleans())
            order = placed(*self.lines(data), order_id=order_id, ship_complete=complete)
            self.world.order(order_id, "order.placed", order, at_s=data.draw(st.integers(0, 2)))

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    # --- messages ---

    @precondition(lambda self: self.world.busy())
    @rule(data=st.data(), count=st.integers(1, 4))
    def deliver(self, data: st.DataObject, count: int) -> None:
        for _ in range(count):
            busy = self.world.busy()
            if busy:
                self.world.deliver(data.draw(st.sampled_from(busy)))

    @rule(seed=st.randoms(use_true_random=False))
    def settle(self, seed: Any) -> None:
        self.world.run(seed.choice)
        self.all_is_quiet()

    # --- stock ---

    @rule(sku=SKU, at=PLACES, delta=st.integers(-6, 6))
    def adjust(self, sku: str, at: str, delta: int) -> None:
        self.world.stock(sku, f.InventoryAdjusted(location=at, delta=delta))

    @rule(sku=SKU, at=PLACES, units=FEW)
    def receive(self, sku: str, at: str, units: int) -> None:
        self.world.stock(sku, f.InventoryReceived(location=at, qty=units))

    @rule(sku=SKU, units=FEW, ttl=st.integers(1, 20))
    def hold(self, sku: str, units: int, ttl: int) -> None:
        hold_id = f"h{self.number()}"
        self.holds.append((sku, hold_id, "1"))
        self.world.stock(sku, f.HoldPlaced(hold_id=hold_id, qty=units, ttl_s=ttl, owner="cart"))

    @precondition(lambda self: self.holds)
    @rule(data=st.data(), order_id=ORDER, line_id=st.sampled_from(sorted(LINES)), gone=st.booleans())
    def end_hold(self, data: st.DataObject, order_id: str, line_id: str, gone: bool) -> None:
        sku, hold_id, _ = data.draw(st.sampled_from(self.holds))
        converted = f.HoldConverted(hold_id=hold_id, order_id=order_id, line_id=line_id)
        self.world.stock(sku, f.HoldReleased(hold_id=hold_id) if gone else converted)

    @rule(seconds=st.integers(1, 10))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.world.clock(self.now)

    # --- orders ---

    def lines(self, data: st.DataObject) -> tuple[f.OrderLine, ...]:
        names = data.draw(st.lists(st.sampled_from(sorted(LINES)), min_size=1, max_size=4, unique=True))
        return order_lines(*((i, LINES[i], data.draw(FEW)) for i in names))

    @rule(data=st.data(), order_id=ORDER)
    def change(self, data: st.DataObject, order_id: str) -> None:
        self.revisions[order_id] += 1
        change = f.OrderChanged(revision=self.revisions[order_id], lines=self.lines(data))
        self.world.order(order_id, "order.changed", change)

    @rule(data=st.data(), order_id=ORDER, whole=st.booleans())
    def cancel(self, data: st.DataObject, order_id: str, whole: bool) -> None:
        some = (f.LineQty(line_id=data.draw(st.sampled_from(sorted(LINES))), qty=data.draw(FEW)),)
        self.world.order(order_id, "order.cancelled", f.OrderCancelled(lines=None if whole else some))

    # --- warehouse ---

    @rule(data=st.data(), order_id=ORDER, leaves=st.booleans())
    def ship(self, data: st.DataObject, order_id: str, leaves: bool) -> None:
        """The warehouse works on what the order says is allocated, one location a shipment."""
        stage = self.world.orders[order_id]
        if stage.order.ship_complete and stage.status != "ALLOCATED":
            return
        at = data.draw(PLACES)
        free = {line_id: self.unworked(stage, line_id).get(at, 0) for line_id in stage.order.lines}
        parts = [(i, stage.order.lines[i].sku, n) for i, n in free.items() if n > 0]
        if parts:
            shipment_id = f"s{self.number()}"
            self.shipments[shipment_id] = (order_id, parts)
            self.world.order(order_id, "shipment.released", released(shipment_id, at, *parts))
            if leaves:
                self.world.order(order_id, "shipment.shipped", step(shipment_id, *parts))

    def unworked(self, stage: OrderStage, line_id: str) -> Counter[str]:
        """What a line has by location, less what its shipments work on."""
        free = Counter(stage.order.lines[line_id].cells)
        for shipment in stage.order.shipments.values():
            if shipment.voided is None:
                free[shipment.location or "?"] -= shipment.released.get(line_id, 0)
        return free

    @precondition(lambda self: self.shipments)
    @rule(data=st.data(), what=st.sampled_from(["shipped", "issued", "issued to", "voided"]))
    def go_on(self, data: st.DataObject, what: str) -> None:
        shipment_id = data.draw(st.sampled_from(sorted(self.shipments)))
        order_id, parts = self.shipments[shipment_id]
        at = self.world.orders[order_id].order.shipments[shipment_id].location
        if what == "shipped":
            self.world.order(order_id, "shipment.shipped", step(shipment_id, *parts))
        elif what == "voided":
            del self.shipments[shipment_id]
            void = f.ShipmentVoided(shipment_id=shipment_id, reason="x")
            self.world.order(order_id, "shipment.voided", void)
        else:
            for sku, units in Counter({sku: n for _, sku, n in parts}).items():
                named = order_id if what == "issued to" else None
                issued = f.InventoryIssued(
                    location=at or "A", qty=units, shipment_id=shipment_id, order_id=named
                )
                self.world.stock(sku, issued)

    @rule(order_id=ORDER, line_id=st.sampled_from(sorted(LINES)), at=PLACES, units=FEW, good=st.booleans())
    def comes_back(self, order_id: str, line_id: str, at: str, units: int, good: bool) -> None:
        """Units come back, more than ever shipped perhaps; what is found good is for whoever waits."""
        return_id = f"r{self.number()}"
        lines = (f.LineQty(line_id=line_id, qty=units),)
        came = f.ReturnReceived(return_id=return_id, location=at, lines=lines)
        self.world.order(order_id, "return.received", came)
        if good:
            judged = (f.InspectedLine(line_id=line_id, qty=units, disposition="sellable"),)
            inspected = f.ReturnInspected(return_id=return_id, lines=judged)
            self.world.order(order_id, "return.inspected", inspected)

    # --- always ---

    @invariant()
    def nothing_is_oversold(self) -> None:
        for sku in self.world.skus.values():
            for at, cell in sku.head.cells.items():
                if cell.committed > max(0, cell.sellable):
                    cells = [
                        line for row in sku.open_rows() for line in row.lines.values() if at in line.cells
                    ]
                    at_work = sum(min(x.cells[at], x.released.get(at, 0)) for x in cells)
                    assert cell.committed <= at_work, f"{sku.key} at {at}: {cell}"

    def teardown(self) -> None:
        self.world.run()
        self.all_is_quiet()

    # --- when all is quiet ---

    def all_is_quiet(self) -> None:
        for order_id, stage in self.world.orders.items():
            note(f"{order_id} {stage.status} {[(n.state, s) for s, n in stage.order.needs.items()]}")
            self.both_sides_agree(stage)
            if stage.order.ship_complete and not at_work(stage):
                self.all_or_nothing(stage)
        self.who_can_be_served_is_served()

    def both_sides_agree(self, stage: OrderStage) -> None:
        order = stage.order
        whole = not order.ship_complete or all(n.state == "granted" for n in order.needs.values())
        for line in order.lines.values():
            told = self.world.held(order.order_id, line.sku).get(line.line_id, (0, 0))
            assert whole or not at_work(stage) or told == (line.allocated, line.backordered)
            if whole or line.allocated or told[0]:
                assert told == (line.allocated, line.backordered), f"{order.order_id} line {line.line_id}"
            else:
                assert line.backordered == line.open == told[1]

    def all_or_nothing(self, stage: OrderStage) -> None:
        order = stage.order
        wanted = {i: line.open for i, line in order.lines.items() if line.open}
        has = {i: line.allocated for i, line in order.lines.items() if line.allocated}
        assert has in ({}, wanted), f"{order.order_id} has {has} of {wanted}"
        if not order.returns:  # else its status tells of them
            assert (stage.status == "ALLOCATED") == bool(wanted and has)

    def who_can_be_served_is_served(self) -> None:
        """In order of rank; what those before wait for is not theirs who come after."""
        free = {s: sum(max(0, c.open) for c in sku.head.cells.values()) for s, sku in self.world.skus.items()}
        for stage in sorted(self.world.orders.values(), key=lambda o: (o.order.placed_us, o.order.order_id)):
            lacks: Counter[str] = Counter()
            for sku in self.world.skus:
                lacks[sku] = sum(b for _, b in self.world.held(stage.order.order_id, sku).values())
            short = {sku: units for sku, units in lacks.items() if units}
            if short and stage.order.ship_complete and not at_work(stage):
                assert any(free[sku] < units for sku, units in short.items()), f"{stage.order.order_id} waits"
            elif not stage.order.ship_complete:
                assert not any(free[sku] for sku in short), (
                    f"{stage.order.order_id} waits for {short} of {free}"
                )
            for sku, units in short.items():
                free[sku] = max(0, free[sku] - units)


def at_work(stage: OrderStage) -> bool:
    return any(shipment.voided is None for shipment in stage.order.shipments.values())


TestTrade = TradeMachine.TestCase
