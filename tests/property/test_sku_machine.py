"""One SKU under random facts and demands, compared after each with a naive second implementation."""

from __future__ import annotations

from collections import Counter
from typing import Any

from domain import SkuStage, want
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from naive_sku import NaiveSku

from springtide.codecs import facts as f
from springtide.tables.sku import Queue

PLACES = st.sampled_from(["A", "B"])
ORDERS = st.sampled_from(["o1", "o2", "o3", "o4"])
LINES = st.sampled_from(["1", "2"])
HOLDS = st.sampled_from(["h1", "h2", "h3", "h4"])
BUCKETS = st.sampled_from(["sellable", "sellable", "damaged", "quality_control"])
FEW = st.integers(1, 9)
TTL = st.integers(1, 30)


class Basket:
    """What an order's own actor would say: wants and shipments, as totals."""

    def __init__(self, order_id: str, placed: int, flags: dict[str, Any]) -> None:
        self.order_id = order_id
        self.placed = placed
        self.flags = flags
        self.request = 0
        self.lines: dict[str, tuple[int, str | None]] = {}
        self.shipments: dict[str, tuple[str, str, int, bool]] = {}
        """shipment -> (line, location, units, whether it left)"""

    def units(self, line_id: str, left_only: bool) -> dict[str, int]:
        found: Counter[str] = Counter()
        for line, at, units, left in self.shipments.values():
            if line == line_id and (left or not left_only):
                found[at] += units
        return dict(found)


class SkuMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sku = SkuStage()
        self.naive = NaiveSku()
        self.baskets: dict[str, Basket] = {}
        self.shipments = 0

    @initialize(
        a=st.integers(0, 15), b=st.integers(0, 15), kinds=st.lists(st.integers(0, 4), min_size=4, max_size=4)
    )
    def begin(self, a: int, b: int, kinds: list[int]) -> None:
        self.count("A", a, "sellable", True)
        self.count("B", b, "sellable", True)
        flags: list[dict[str, Any]] = [
            {},
            {"complete": True},
            {"single": True},
            {"max_splits": 1},
            {"complete": True, "single": True},
        ]
        for n, kind in enumerate(kinds, 1):
            # o4 ranks first and o1 last, so that rank is not the order of the log
            self.baskets[f"o{n}"] = Basket(f"o{n}", 10 - n, flags[kind])

    # --- stock ---

    @rule(at=PLACES, units=st.integers(0, 20), bucket=BUCKETS, includes=st.booleans())
    def count(self, at: str, units: int, bucket: Any, includes: bool) -> None:
        basis: Any = "includes_committed" if includes else "excludes_committed"
        self.sku.fact(f.InventoryCounted(location=at, on_hand=units, basis=basis, bucket=bucket))
        self.naive.counted(at, units, bucket, includes)

    @rule(at=PLACES, delta=st.integers(-9, 9), bucket=BUCKETS)
    def adjust(self, at: str, delta: int, bucket: Any) -> None:
        self.sku.fact(f.InventoryAdjusted(location=at, delta=delta, bucket=bucket))
        self.naive.add(at, bucket, delta)

    @rule(at=PLACES, units=FEW, origin=BUCKETS, goal=BUCKETS)
    def move(self, at: str, units: int, origin: Any, goal: Any) -> None:
        self.sku.fact(f.InventoryMoved(location=at, qty=units, from_bucket=origin, to_bucket=goal))
        self.naive.stock[at, origin] -= units
        self.naive.add(at, goal, units)

    @rule(at=PLACES, units=FEW)
    def receive(self, at: str, units: int) -> None:
        self.sku.fact(f.InventoryReceived(location=at, qty=units))
        self.naive.add(at, "sellable", units)

    @rule(at=PLACES, units=st.integers(0, 9))
    def set_safety_stock(self, at: str, units: int) -> None:
        self.sku.fact(f.SafetyStockSet(location=at, qty=units))
        self.naive.safety[at] = units
        self.naive.settle()

    @rule(at=PLACES, units=FEW, order_id=ORDERS | st.none())
    def issue(self, at: str, units: int, order_id: str | None) -> None:
        self.sku.fact(f.InventoryIssued(location=at, qty=units, order_id=order_id))
        self.naive.issue(at, units, order_id, None)

    # --- holds ---

    @rule(seconds=st.integers(1, 20))
    def wait(self, seconds: int) -> None:
        now = self.naive.now + seconds
        self.sku.clock(now)
        self.naive.clock(now)

    @rule(hold_id=HOLDS, units=FEW, ttl=TTL, at=PLACES | st.none(), late=st.integers(0, 10))
    def place_hold(self, hold_id: str, units: int, ttl: int, at: str | None, late: int) -> None:
        told = max(0, self.naive.now - late)
        data = f.HoldPlaced(hold_id=hold_id, qty=units, ttl_s=ttl, owner="cart", location=at)
        self.sku.fact(data, at_s=told)
        self.naive.hold(hold_id, units, ttl, at, told)

    @rule(hold_id=HOLDS, ttl=TTL)
    def extend_hold(self, hold_id: str, ttl: int) -> None:
        self.sku.fact(f.HoldExtended(hold_id=hold_id, ttl_s=ttl))
        self.naive.extend(hold_id, ttl, self.naive.now)

    @rule(hold_id=HOLDS)
    def release_hold(self, hold_id: str) -> None:
        self.sku.fact(f.HoldReleased(hold_id=hold_id))
        self.naive.release(hold_id)

    @rule(hold_id=HOLDS, order_id=ORDERS, line_id=LINES)
    def convert_hold(self, hold_id: str, order_id: str, line_id: str) -> None:
        self.sku.fact(f.HoldConverted(hold_id=hold_id, order_id=order_id, line_id=line_id))
        self.naive.convert(hold_id, order_id, line_id)

    # --- orders ---

    @rule(order_id=ORDERS, line_id=LINES, units=st.integers(0, 12), at=PLACES | st.none())
    def ask(self, order_id: str, line_id: str, units: int, at: str | None) -> None:
        self.baskets[order_id].lines[line_id] = (units, at)
        self.send(order_id)

    @rule(order_id=ORDERS, parked=st.booleans())
    def park(self, order_id: str, parked: bool) -> None:
        basket = self.baskets[order_id]
        if basket.flags.get("complete"):
            basket.flags = basket.flags | {"parked": parked}
            self.send(order_id)

    @rule(order_id=ORDERS, line_id=LINES, at=PLACES, units=FEW, leaves=st.booleans())
    def release(self, order_id: str, line_id: str, at: str, units: int, leaves: bool) -> None:
        self.shipments += 1
        self.baskets[order_id].shipments[f"s{self.shipments}"] = (line_id, at, units, leaves)
        self.send(order_id)

    def _shipment(self, data: st.DataObject) -> tuple[Basket, str]:
        known = [(b, s) for b in self.baskets.values() for s in b.shipments]
        return data.draw(st.sampled_from(known))

    @precondition(lambda self: any(basket.shipments for basket in self.baskets.values()))
    @rule(data=st.data())
    def ship(self, data: st.DataObject) -> None:
        basket, shipment = self._shipment(data)
        line, at, units, _ = basket.shipments[shipment]
        basket.shipments[shipment] = (line, at, units, True)
        self.send(basket.order_id)

    @precondition(lambda self: any(basket.shipments for basket in self.baskets.values()))
    @rule(data=st.data())
    def void(self, data: st.DataObject) -> None:
        basket, shipment = self._shipment(data)
        del basket.shipments[shipment]
        self.send(basket.order_id)

    @precondition(lambda self: any(basket.shipments for basket in self.baskets.values()))
    @rule(data=st.data(), names_order=st.booleans(), units=FEW | st.none())
    def issue_shipment(self, data: st.DataObject, names_order: bool, units: int | None) -> None:
        basket, shipment = self._shipment(data)
        _, at, whole, _ = basket.shipments[shipment]
        order_id = basket.order_id if names_order else None
        fact = f.InventoryIssued(location=at, qty=units or whole, order_id=order_id, shipment_id=shipment)
        self.sku.fact(fact)
        self.naive.issue(at, units or whole, order_id, shipment)

    @rule(ahead=st.integers(0, 1), at=PLACES, units=FEW)
    def issue_before_anybody_knows(self, ahead: int, at: str, units: int) -> None:
        """The next shipment's stock fact, before the shipment itself is told."""
        shipment = f"s{self.shipments + 1 + ahead}"
        self.sku.fact(f.InventoryIssued(location=at, qty=units, shipment_id=shipment))
        self.naive.issue(at, units, None, shipment)

    def send(self, order_id: str) -> None:
        self.baskets[order_id].request += 1
        self._send(order_id)

    def _send(self, order_id: str) -> None:
        basket = self.baskets[order_id]
        named = {line for line, *_ in basket.shipments.values()}
        lines = {
            line_id: (
                *basket.lines.get(line_id, (0, None)),
                basket.units(line_id, False),
                basket.units(line_id, True),
            )
            for line_id in [*basket.lines, *sorted(named - basket.lines.keys())]
        }
        shipments = [(s, at, units if left else 0) for s, (_, at, units, left) in basket.shipments.items()]
        self.sku.demand(
            order_id,
            *(want(i, q, at=at, released=out, shipped=gone) for i, (q, at, out, gone) in lines.items()),
            placed_s=basket.placed,
            request=basket.request,
            shipments=tuple(shipments),
            **basket.flags,
        )
        self.naive.demand(order_id, basket.request, basket.placed, basket.flags, lines, shipments)

    @rule(order_id=ORDERS, older=st.integers(0, 3))
    def ask_again(self, order_id: str, older: int) -> None:
        """The same or an older request comes once more, with whatever it says: no row changes."""
        basket = self.baskets[order_id]
        if basket.request == 0:
            return
        before = {key: raw for key, raw in self.sku.rows.raw.items() if key != b"tea"}
        rows_only = {key for key in before if b"\x00a" not in key and b"\x00z" not in key}
        figures, cells = self.figures(), self.cells()
        assert not self.sku.demand(order_id, 99, placed_s=1, request=max(0, basket.request - older))
        assert (self.figures(), self.cells()) == (figures, cells)
        assert all(self.sku.rows.raw[key] == before[key] for key in rows_only)

    # --- what must hold ---

    def figures(self) -> dict[str | None, tuple[int, ...]]:
        names = ("sellable", "damaged", "quality_control", "safety_stock", "committed", "held", "backordered")
        return {at: self.sku.figures(*names, "available_now", location=at) for at in (None, "A", "B")}

    def cells(self) -> dict[tuple[str, str], tuple[dict[str, int], int]]:
        return {
            (row.order_id, line.line_id): (dict(sorted(line.cells.items())), line.backordered)
            for row in self.sku.open_rows()
            for line in row.lines.values()
        }

    @invariant()
    def agrees_with_the_naive_model(self) -> None:
        naive, places = self.naive, ("A", "B")
        note(f"figures {self.figures()}, cells {self.cells()}")
        expected: dict[str | None, tuple[int, ...]] = {
            at: (
                naive.sellable(at),
                naive.stock[at, "damaged"],
                naive.stock[at, "quality_control"],
                naive.safety[at],
                naive.committed(at),
                naive.held(at),
                naive.backordered(at),
                naive.available_now(at),
            )
            for at in places
        }
        network = [sum(expected[at][n] for at in places) for n in range(8)]
        network[6] += naive.backordered(None)
        network[7] = naive.available_now()
        assert self.figures() == expected | {None: tuple(network)}
        assert self.cells() == {
            (order.order_id, line_id): ({at: n for at, n in sorted(line.cells.items()) if n}, line.lacks)
            for order in naive.orders.values()
            for line_id, line in order.lines.items()
        }

    @invariant()
    def nothing_is_granted_beyond_what_is_sellable(self) -> None:
        for at, cell in self.sku.head.cells.items():
            if cell.committed > max(0, cell.sellable):
                rows = self.sku.open_rows()
                loose = [
                    line.cells[at] - line.protected(at)
                    for r in rows
                    for line in r.lines.values()
                    if at in line.cells
                ]
                ahead = sum(self.naive.orders[r.order_id].committed(at) for r in rows) < sum(
                    line.cells.get(at, 0) for r in rows for line in r.lines.values()
                )
                assert ahead or not any(loose), f"{at}: committed {cell.committed} of {cell.sellable}"

    @invariant()
    def the_queue_has_who_waits_by_rank(self) -> None:
        queue: Queue = self.sku.rows.get(b"tea\x00q") or Queue()
        waiting = sorted(row.rank for row in self.sku.open_rows() if row.waits)
        assert queue.entries == waiting
        assert self.sku.head.waiting == len(waiting)

    @invariant()
    def a_row_lies_where_its_state_says(self) -> None:
        for key in self.sku.rows.raw:
            if key[3:5] in (b"\x00a", b"\x00z"):
                assert self.sku.rows.get(key).is_open == (key[3:5] == b"\x00a")

    @invariant()
    def orders_know_what_they_have(self) -> None:
        told = {order_id: {x.line_id: x for x in m.lines} for order_id, m in self.sku.answers}
        for row in self.sku.open_rows():
            for line in row.lines.values():
                last = told.get(row.order_id, {}).get(line.line_id)
                known = (0, 0) if last is None else (last.allocated, last.backordered)
                assert known == (line.allocated, line.backordered)


TestSku = SkuMachine.TestCase
