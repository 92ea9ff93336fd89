"""SKUs under random facts and demands: after each, their actor says and holds what the naive model does."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import Any

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sku_pair import Pair

from springtide.app.verify import naive_answer
from springtide.app.verify.compare import dated_picture, difference, sku_picture
from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine
from springtide.codecs.times import DAY_US, SECOND_US, day_start, rfc3339
from springtide.tables import atp
from springtide.tables.sku import Head

START_US = day_start("2026-03-02") + 20 * 3_600 * SECOND_US  # a Monday evening: midnight is near
PLACES = st.sampled_from(["A", "B"])
ORDERS = st.sampled_from(["o1", "o2", "o3", "o4"])
LINES = st.sampled_from(["1", "2"])
HOLDS = st.sampled_from(["h1", "h2", "h3", "h4"])
BUCKETS = st.sampled_from(["sellable", "sellable", "damaged", "quality_control"])
FEW = st.integers(1, 9)
TTL = st.integers(1, 30)
HOURS = st.sampled_from([0, 0, 0, 1, 6, 30])
MONDAY = START_US // DAY_US
DAYS = st.sampled_from([-3, -1, 0, 0, 1, 1, 2, 3, 6])
"""From the first day of the story."""
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo"])
CHANNELS = st.sampled_from(["web", "shop"])
SUPPLIES = st.sampled_from(["p1", "p2", "p3"])
FIRMNESS = st.sampled_from(["firm", "firm", "in_transit", "planned"])


def date(day: int) -> str:
    return rfc3339((MONDAY + day) * DAY_US)[:10]


class Basket:
    """What an order's own actor would say: wants and shipments, as totals."""

    def __init__(self, order_id: str, placed: int, flags: dict[str, Any]) -> None:
        self.order_id = order_id
        self.placed = placed
        self.flags: dict[str, Any] = {"complete": False, "parked": False, "single": False, "max_splits": 0}
        self.flags |= flags
        self.request = 0
        self.lines: dict[str, dict[str, Any]] = {}
        self.shipments: dict[str, tuple[str, str, int, bool]] = {}
        """shipment -> (line, location, units, whether it left)"""
        self.returns: dict[str, tuple[int, int, int]] = {}
        self.priority = 100
        self.channel = "web"

    def units(self, line_id: str, left_only: bool) -> dict[str, int]:
        found: Counter[str] = Counter()
        for line, at, units, left in self.shipments.values():
            if line == line_id and (left or not left_only):
                found[at] += units
        return dict(found)

    def demand(self, now_us: int) -> Demand:
        named = {line for line, *_ in self.shipments.values()}
        lines = tuple(
            DemandLine(
                line_id=line_id,
                released=self.units(line_id, False),
                shipped=self.units(line_id, True),
                **self.lines.get(line_id, {"want": 0, "location": None}),
            )
            for line_id in [*self.lines, *sorted(named - self.lines.keys())]
        )
        shipments = tuple((s, at, units if left else 0) for s, (_, at, units, left) in self.shipments.items())
        return Demand(
            order_id=self.order_id,
            request=self.request,
            time_us=now_us,
            origin=(0, 0, self.request),
            event_id=f"oms {self.order_id} {self.request}",
            placed_us=START_US + self.placed,
            priority=self.priority,
            channel=self.channel,
            shipments=shipments,
            lines=lines,
            awaits=self.flags["complete"],
            sourced=self.flags["single"],
            returns=tuple((at, *units) for at, units in self.returns.items()),
            **self.flags,
        )


class SkuMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(START_US)
        self.baskets: dict[str, Basket] = {}
        self.shipments = 0

    @initialize(
        a=st.integers(0, 15), b=st.integers(0, 15), kinds=st.lists(st.integers(0, 5), min_size=4, max_size=4)
    )
    def begin(self, a: int, b: int, kinds: list[int]) -> None:
        self.count("A", a, "sellable", True, 0)
        self.count("B", b, "sellable", True, 0)
        flags: list[dict[str, Any]] = [
            {},
            {"complete": True},
            {"single": True},
            {"max_splits": 1},
            {"complete": True, "single": True},
            {"keeps_safety": True},
        ]
        for n, kind in enumerate(kinds, 1):
            # o4 ranks first and o1 last, so that rank is not the order of the log
            basket = self.baskets[f"o{n}"] = Basket(f"o{n}", 10 - n, flags[kind])
            basket.priority, basket.channel = (100, 1)[n % 2], ("web", "shop")[n // 3]

    def fact(self, name: str, data: f.Data, late_h: int = 0) -> None:
        self.pair.fact(name, "tea", data, late_h * 3_600 * SECOND_US)

    # --- stock ---

    @rule(at=PLACES, units=st.integers(0, 20), bucket=BUCKETS, includes=st.booleans(), late_h=HOURS)
    def count(self, at: str, units: int, bucket: Any, includes: bool, late_h: int) -> None:
        basis: Any = "includes_committed" if includes else "excludes_committed"
        data = f.InventoryCounted(location=at, on_hand=units, basis=basis, bucket=bucket)
        self.fact("inventory.counted", data, late_h)

    @rule(at=PLACES, delta=st.integers(-9, 9), bucket=BUCKETS)
    def adjust(self, at: str, delta: int, bucket: Any) -> None:
        self.fact("inventory.adjusted", f.InventoryAdjusted(location=at, delta=delta, bucket=bucket))

    @rule(at=PLACES, units=FEW, origin=BUCKETS, goal=BUCKETS)
    def move(self, at: str, units: int, origin: Any, goal: Any) -> None:
        data = f.InventoryMoved(location=at, qty=units, from_bucket=origin, to_bucket=goal)
        self.fact("inventory.moved", data)

    @rule(at=PLACES, units=FEW)
    def receive(self, at: str, units: int) -> None:
        self.fact("inventory.received", f.InventoryReceived(location=at, qty=units))

    @rule(at=PLACES, units=st.integers(0, 9))
    def set_safety_stock(self, at: str, units: int) -> None:
        self.fact("safety_stock.set", f.SafetyStockSet(location=at, qty=units))

    @rule(at=PLACES, units=FEW, order_id=ORDERS | st.none())
    def issue(self, at: str, units: int, order_id: str | None) -> None:
        self.fact("inventory.issued", f.InventoryIssued(location=at, qty=units, order_id=order_id))

    # --- supply, fences, catalog ---

    @rule(supply_id=SUPPLIES, at=PLACES, units=FEW, due=DAYS, firmness=FIRMNESS, late_h=HOURS)
    def schedule(self, supply_id: str, at: str, units: int, due: int, firmness: Any, late_h: int) -> None:
        data = f.SupplyScheduled(
            supply_id=supply_id, location=at, qty=units, due=date(due), firmness=firmness
        )
        self.fact("supply.scheduled", data, late_h)

    @rule(supply_id=SUPPLIES, units=st.integers(0, 9) | st.none(), due=DAYS | st.none())
    def reschedule(self, supply_id: str, units: int | None, due: int | None) -> None:
        when = None if due is None else date(due)
        self.fact("supply.rescheduled", f.SupplyRescheduled(supply_id=supply_id, due=when, qty=units))

    @rule(supply_id=SUPPLIES)
    def cancel_supply(self, supply_id: str) -> None:
        self.fact("supply.cancelled", f.SupplyCancelled(supply_id=supply_id))

    @rule(supply_id=SUPPLIES, at=PLACES, units=FEW)
    def receive_supply(self, supply_id: str, at: str, units: int) -> None:
        data = f.InventoryReceived(location=at, qty=units, supply_id=supply_id)
        self.fact("inventory.received", data)

    @rule(
        at=PLACES | st.none(),
        channel=CHANNELS,
        units=st.integers(0, 6),
        rank=st.integers(1, 2),
        begins=DAYS | st.none(),
        ends=DAYS | st.none(),
    )
    def fence(
        self, at: str | None, channel: str, units: int, rank: int, begins: int | None, ends: int | None
    ) -> None:
        data = f.FenceSet(
            location=at,
            channel=channel,
            qty=units,
            rank=rank,
            valid_from=None if begins is None else date(begins),
            valid_to=None if ends is None else date(ends),
        )
        self.fact("fence.set", data)

    @rule(
        at=PLACES,
        rank=st.integers(1, 2),
        zone=ZONES,
        cutoff=st.sampled_from([None, "00:00", "12:00", "21:30"]),
        days=st.sampled_from([None, (1, 2, 3, 4, 5), ("Tue", "friday")]),
        is_open=st.sampled_from([True, True, False]),
    )
    def say_place(self, at: str, rank: int, zone: str, cutoff: Any, days: Any, is_open: bool) -> None:
        data = f.LocationUpserted(
            location=at, name=at, rank=rank, timezone=zone, cutoff=cutoff, working_days=days, open=is_open
        )
        self.pair.fact("location.upserted", at, data)

    @rule(
        scope=st.sampled_from(["*", "tea"]),
        horizon=st.sampled_from([1, 4, 90]),
        method=st.sampled_from(["look_ahead", "look_ahead", "cumulative", "discrete"]),
        supply=st.sampled_from([(0, 0), (1, 0), (3, 1)]),
        demand=st.sampled_from([(None, 0), (0, 0), (2, 1)]),
        firmness=st.sampled_from([("firm", "in_transit"), ("firm",), ("firm", "planned")]),
        carry=st.booleans(),
        ranking=st.sampled_from(["fifo", "priority_fifo"]),
        sourcing=st.sampled_from([None, None, f.Sourcing(mode="single"), f.Sourcing(max_splits=1)]),
    )
    def say_policy(
        self,
        scope: str,
        horizon: int,
        method: Any,
        supply: tuple[int, int],
        demand: tuple[int | None, int],
        firmness: Any,
        carry: bool,
        ranking: Any,
        sourcing: f.Sourcing | None,
    ) -> None:
        data = f.PolicySet(
            scope=scope,
            horizon_days=horizon,
            method=method,
            supply_fence_days=supply[0],
            supply_offset_days=supply[1],
            demand_fence_days=demand[0],
            demand_offset_days=demand[1],
            firmness=firmness,
            carry_shortage=carry,
            ranking=ranking,
            sourcing=sourcing,
        )
        self.pair.fact("policy.set", scope, data)

    @rule(
        tracked=st.sampled_from([True, True, False]), lead=st.integers(0, 4) | st.none(), sure=st.booleans()
    )
    def say_product(self, tracked: bool, lead: int | None, sure: bool) -> None:
        data = f.ProductUpserted(
            sku="tea",
            name="tea",
            uom="box",
            tracked=tracked,
            lead_time_days=lead,
            unconditional_after_lead_time=sure,
        )
        self.fact("product.upserted", data)

    @rule()
    def discontinue(self) -> None:
        self.fact("product.discontinued", f.ProductDiscontinued(sku="tea"))

    # --- time and holds ---

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        self.pair.wait(self.pair.now_us + seconds * SECOND_US)

    @rule(hours=st.sampled_from([1, 3, 5, 12, 24, 60]))
    def wait_long(self, hours: int) -> None:
        self.pair.wait(self.pair.now_us + hours * 3_600 * SECOND_US)

    @rule(
        hold_id=HOLDS,
        units=FEW,
        ttl=TTL | st.just(86_400),
        at=PLACES | st.none(),
        channel=CHANNELS | st.none(),
        late=st.integers(0, 10),
    )
    def place_hold(
        self, hold_id: str, units: int, ttl: int, at: str | None, channel: str | None, late: int
    ) -> None:
        data = f.HoldPlaced(hold_id=hold_id, qty=units, ttl_s=ttl, owner="cart", location=at, channel=channel)
        sku = self.pair.naive.skus["tea"]
        policy = sku.policy()
        # What lies beyond the horizon, is stale or lost does not count in ATP: a hold may break it.
        counts_all = policy.carry_shortage and policy.demand_fence_days is None and policy.horizon_days > 9
        with self.pair.nobody_loses() if counts_all else nullcontext():
            self.pair.fact("hold.placed", "tea", data, late * SECOND_US)

    @rule(hold_id=HOLDS, ttl=TTL)
    def extend_hold(self, hold_id: str, ttl: int) -> None:
        self.fact("hold.extended", f.HoldExtended(hold_id=hold_id, ttl_s=ttl))

    @rule(hold_id=HOLDS)
    def release_hold(self, hold_id: str) -> None:
        self.fact("hold.released", f.HoldReleased(hold_id=hold_id))

    @rule(hold_id=HOLDS, order_id=ORDERS, line_id=LINES)
    def convert_hold(self, hold_id: str, order_id: str, line_id: str) -> None:
        data = f.HoldConverted(hold_id=hold_id, order_id=order_id, line_id=line_id)
        self.fact("hold.converted", data)

    # --- orders ---

    @rule(
        order_id=ORDERS,
        line_id=LINES,
        units=st.integers(0, 12),
        at=PLACES | st.none(),
        day=DAYS | st.none(),
        cap=st.integers(0, 6) | st.none(),
        queues=st.sampled_from([True, True, False]),
        pool=st.none() | CHANNELS,
        lot=st.sampled_from([1, 1, 2]),
    )
    def ask(
        self,
        order_id: str,
        line_id: str,
        units: int,
        at: str | None,
        day: int | None,
        cap: int | None,
        queues: bool,
        pool: str | None,
        lot: int,
    ) -> None:
        self.baskets[order_id].lines[line_id] = {
            "want": units * lot,
            "location": at,
            "day": None if day is None else MONDAY + day,
            "cap": None if cap is None else cap * lot,
            "queues": queues,
            "pool": pool,
            "lot": lot,
        }
        with self.pair.nobody_loses(but=order_id):
            self.ask_for(order_id)

    @rule(order_id=ORDERS, at=PLACES, units=st.tuples(*[st.integers(0, 4)] * 3))
    def bring_back(self, order_id: str, at: str, units: tuple[int, int, int]) -> None:
        self.baskets[order_id].returns[at] = units
        self.ask_for(order_id)

    @rule(order_id=ORDERS, parked=st.booleans())
    def park(self, order_id: str, parked: bool) -> None:
        basket = self.baskets[order_id]
        if basket.flags.get("complete"):
            basket.flags |= {"parked": parked}
            self.ask_for(order_id)

    @rule(order_id=ORDERS, line_id=LINES, at=PLACES, units=FEW, leaves=st.booleans())
    def release(self, order_id: str, line_id: str, at: str, units: int, leaves: bool) -> None:
        self.shipments += 1
        self.baskets[order_id].shipments[f"s{self.shipments}"] = (line_id, at, units, leaves)
        self.ask_for(order_id)

    def _shipment(self, data: st.DataObject) -> tuple[Basket, str]:
        known = [(b, s) for b in self.baskets.values() for s in b.shipments]
        return data.draw(st.sampled_from(known))

    @precondition(lambda self: any(basket.shipments for basket in self.baskets.values()))
    @rule(data=st.data())
    def ship(self, data: st.DataObject) -> None:
        basket, shipment = self._shipment(data)
        line, at, units, _ = basket.shipments[shipment]
        basket.shipments[shipment] = (line, at, units, True)
        self.ask_for(basket.order_id)

    @precondition(lambda self: any(basket.shipments for basket in self.baskets.values()))
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        basket, shipment = self._shipment(data)
        del basket.shipments[shipment]
        self.ask_for(basket.order_id)

    @precondition(lambda self: any(basket.shipments for basket in self.baskets.values()))
    @rule(data=st.data(), names_order=st.booleans(), units=FEW | st.none())
    def issue_shipment(self, data: st.DataObject, names_order: bool, units: int | None) -> None:
        basket, shipment = self._shipment(data)
        _, at, whole, _ = basket.shipments[shipment]
        order_id = basket.order_id if names_order else None
        fact = f.InventoryIssued(location=at, qty=units or whole, order_id=order_id, shipment_id=shipment)
        self.fact("inventory.issued", fact)

    @rule(ahead=st.integers(0, 1), at=PLACES, units=FEW)
    def issue_before_anybody_knows(self, ahead: int, at: str, units: int) -> None:
        """The next shipment's stock fact, before the shipment itself is told."""
        shipment = f"s{self.shipments + 1 + ahead}"
        self.fact("inventory.issued", f.InventoryIssued(location=at, qty=units, shipment_id=shipment))

    def ask_for(self, order_id: str) -> None:
        basket = self.baskets[order_id]
        basket.request += 1
        self.pair.send("tea", basket.demand(self.pair.now_us))

    @rule(which=st.integers(0, 60))
    def again(self, which: int) -> None:
        self.pair.again(which)

    # --- what is asked ---

    @rule(
        at=PLACES | st.none(),
        channel=CHANNELS | st.none(),
        method=st.sampled_from([None, "look_ahead", "cumulative", "discrete"]),
    )
    def ask_atp(self, at: str | None, channel: str | None, method: str | None) -> None:
        sku = self.pair.naive.skus["tea"]
        sku.now_us = self.pair.now_us
        body = atp.figures(self.pair, "tea", self.pair.now_us, at, channel, method=method)
        if not sku.goods.tracked:
            assert body is not None
            assert body["untracked"]
            assert body["available_now"] is None
            return
        due = naive_answer.figures(sku, at, channel, method)
        assert body is not None
        stands = {name: body[name] for name in due}
        assert stands == due, difference(stands, due)
        if due["method"] == "look_ahead":
            ahead = [point["atp"] for point in body["curve"]]
            assert ahead == sorted(ahead)

    # --- what must hold ---

    @invariant()
    def agrees_with_the_naive_model(self) -> None:
        for name, sku in self.pair.naive.skus.items():
            head = self.pair.get(name.encode())
            assert isinstance(head, Head)
            note(f"{sku.picture()}")
            stands, due = sku_picture(head), sku.picture()
            assert stands == due, difference(stands, due)
            stands, due = dated_picture(self.pair.get(name.encode() + b"\x00d")), sku.dated()
            assert stands == due, difference(stands, due)

    @invariant()
    def the_naive_model_counts_right(self) -> None:
        for sku in self.pair.naive.skus.values():
            sku.recount()

    @invariant()
    def a_row_lies_where_its_state_says(self) -> None:
        for kind in (b"a", b"z"):
            for _, row in self.pair.scan(b"tea\x00" + kind):
                assert row.is_open == (kind == b"a")


TestSku = SkuMachine.TestCase
