"""Kits, substitutes and promises over several SKUs at any pace: it comes to rest, and then nobody's units are
kept in vain, both sides agree, and what ships complete is whole or has nothing."""

from __future__ import annotations

from random import Random

import pytest
from domain import OrderStage, placed, released, step
from trade_world import World

from springtide.codecs import facts as f
from springtide.tables.order import Line

SKUS = ("a", "b", "c", "d", "old", "kit")
DAY_S = 86_400


def product(sku: str, **more: object) -> f.ProductUpserted:
    return f.ProductUpserted(sku=sku, name=sku, uom="EA", **more)  # type: ignore[arg-type]  # passed on as is


PRODUCTS = (
    product("kit", kit=tuple(f.KitPart(sku=sku, qty_per=n) for sku, n in (("a", 2), ("b", 1), ("c", 3)))),
    product(
        "old",
        substitutes=(f.Substitute(sku="a", ratio=3), f.Substitute(sku="d", valid_from="1970-01-04")),
        superseded_by=f.Successor(sku="d", valid_from="1970-01-03"),
    ),
    product("c", substitutes=(f.Substitute(sku="b", ratio=2),)),
)


class Walk:
    """A random log and a random pace, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(SKUS, *PRODUCTS)
        self.now_s = 0
        self.number = 0

    def go(self) -> None:
        self.now_s += self.random.choice((0, 0, 0, 60, 3_600, 40_000))
        self.world.clock(self.now_s)
        acts = (
            self.stock,
            self.stock,
            self.supply,
            self.order,
            self.order,
            self.cancel,
            self.change,
            self.ship,
        )
        self.random.choice(acts)()
        if self.random.random() < 0.6:
            self.rest()

    def rest(self) -> None:
        self.world.run(self.random.choice)

    def place(self) -> str:
        return self.random.choice("AB")

    def day(self, most: int) -> str:
        return f"1970-01-{self.now_s // DAY_S + 1 + self.random.randint(0, most):02d}"

    def stock(self) -> None:
        delta = self.random.choice((-4, -1, 2, 6, 12))
        self.world.stock(
            self.random.choice(SKUS[:5]), f.InventoryAdjusted(location=self.place(), delta=delta)
        )

    def supply(self) -> None:
        self.number += 1
        self.world.stock(
            self.random.choice(SKUS[:5]),
            f.SupplyScheduled(
                supply_id=f"p{self.number}",
                location=self.place(),
                qty=self.random.randint(1, 10),
                due=self.day(6),
                firmness="firm",
            ),
        )

    def order(self) -> None:
        self.number += 1
        order_id = f"o{self.number:03d}"
        lines = []
        for line_id in "123"[: self.random.randint(1, 3)]:
            date = self.day(4) if self.random.random() < 0.25 else None
            location = self.place() if self.random.random() < 0.2 else None
            sku, qty = self.random.choice(("kit", "kit", "old", "c", "a", "b")), self.random.randint(1, 5)
            lines.append(
                f.OrderLine(line_id=line_id, sku=sku, qty=qty, requested_date=date, location=location)
            )
        complete = self.random.random() < 0.35
        if self.random.random() < 0.2:
            self.world.promise(order_id, *lines, ship_complete=complete)
        if self.random.random() < 0.8:
            fact = placed(*lines, order_id=order_id, ship_complete=complete)
            self.world.order(order_id, "order.placed", fact)

    def known(self) -> OrderStage | None:
        orders = [stage for stage in self.world.orders.values() if stage.order.placed]
        return self.random.choice(orders) if orders else None

    def cancel(self) -> None:
        stage = self.known()
        if stage is not None:
            line = (f.LineQty(line_id=self.random.choice("123"), qty=self.random.randint(1, 2)),)
            fact = f.OrderCancelled(lines=self.random.choice((None, line)))
            self.world.order(stage.order.order_id, "order.cancelled", fact)

    def change(self) -> None:
        stage = self.known()
        if stage is not None:
            order = stage.order
            lines = tuple(
                f.OrderLine(
                    line_id=line.line_id,
                    sku=line.sku,
                    qty=max(1, line.ordered + self.random.randint(-2, 2)),
                    requested_date=line.requested_date,
                    location=line.location if self.random.random() < 0.8 else self.place(),
                )
                for line in order.lines.values()
            )
            fact = f.OrderChanged(revision=order.revision + 1, lines=lines)
            self.world.order(order.order_id, "order.changed", fact)

    def ship(self) -> None:
        stage = self.known()
        if stage is None:
            return
        had = [
            (line_id, sku, told.cells)
            for sku, need in stage.order.needs.items()
            for line_id, told in need.lines.items()
            if told.cells
        ]
        if had:
            self.number += 1
            line_id, sku, cells = self.random.choice(had)
            location = self.random.choice(sorted(cells))
            part = (line_id, sku, self.random.randint(1, cells[location]))
            order_id, shipment_id = stage.order.order_id, f"s{self.number}"
            if self.random.random() < 0.7:
                self.world.order(order_id, "shipment.released", released(shipment_id, location, part))
            else:
                self.world.order(order_id, "shipment.shipped", step(shipment_id, part, location=location))


@pytest.mark.parametrize("seed", range(25))
def test_it_comes_to_rest_and_nothing_is_kept_in_vain(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(60):
        walk.go()
    walk.rest()
    for stage in walk.world.orders.values():
        both_sides_agree(walk.world, stage)
        if not any(shipment.skus for shipment in stage.order.shipments.values()):
            nothing_is_kept_in_vain(stage)


def both_sides_agree(world: World, stage: OrderStage) -> None:
    order = stage.order
    for sku, need in order.needs.items():
        held = world.held(order.order_id, sku)
        told = {line_id: (line.allocated, line.backordered) for line_id, line in need.lines.items()}
        assert told == {line_id: held[line_id] for line_id in told}
        assert all(units == (0, 0) for line_id, units in held.items() if line_id not in told)
    if order.compound or order.ship_complete:
        assert all(need.state != "asked" for need in order.needs.values())
    assert order.placed or order.promise is None or order.promise.lines


def nothing_is_kept_in_vain(stage: OrderStage) -> None:
    order = stage.order
    if order.ship_complete and order.placed:
        has = {line.line_id: line.allocated for line in order.lines.values() if line.allocated}
        assert has in ({}, {line.line_id: line.open for line in order.lines.values() if line.open})
        states = {need.state for need in order.needs.values()}
        assert "parked" not in states or not states.isdisjoint(("short", "later"))
    for line in order.lines.values():
        if line.ways is not None:
            assert (line.ways.turn, line.ways.probes) == (-1, False)
            if not order.ship_complete:
                whole_units_only(stage, line)


def whole_units_only(stage: OrderStage, line: Line) -> None:
    assert line.ways is not None
    needs = stage.order.needs
    for sku, leg in line.ways.legs.items():
        units = needs[sku].lines[line.line_id].allocated if sku in needs else 0
        if line.ways.kit:
            assert units == line.allocated * leg.per
        elif sku != line.sku and not leg.queued:
            assert units == leg.given * leg.per
