"""Invariant 2, nothing is promised twice, and what orders believe against what SKUs hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from springtide.agents.sku import decode_head
from springtide.agents.work import ROW
from springtide.app.engine.log import ActorId
from springtide.app.simulation.logbook import Logbook
from springtide.app.simulation.violation import Violation
from springtide.tables.footprint import footprint
from springtide.tables.order import Order
from springtide.tables.sku import Allocation, Head

AtWork = Callable[[], dict[str, int]]
"""Location -> committed units that a warehouse already works on; asked for only where it matters."""


def check_head(head: Head, units_at_work: AtWork, where: str = "") -> None:
    """In each cell no more is committed than there is, units at work in a warehouse excepted; what is held
    is what its holds hold."""
    held: dict[str, int] = {}
    for hold in head.holds.values():
        for location, units in hold.cells.items():
            held[location] = held.get(location, 0) + units
    for location, cell in head.cells.items():
        if cell.held != held.get(location, 0):
            raise Violation(
                "2",
                f"{head.sku} in {location} has {cell.held} held, its holds {held.get(location, 0)}{where}",
            )
        if cell.committed < 0 or cell.backordered < 0:
            raise Violation("2", f"{head.sku} in {location} counts below zero: {cell}{where}")
        if cell.committed > max(0, cell.sellable):
            protected = units_at_work().get(location, 0)
            if cell.committed > max(cell.sellable, 0) and cell.committed > protected:
                raise Violation(
                    "2",
                    f"{head.sku} in {location}: {cell.committed} granted of {cell.sellable}, "
                    f"{protected} at work in a warehouse{where}",
                )


def at_work(rows: Mapping[bytes, Any], sku: str) -> dict[str, int]:
    """See `AtWork`; `rows` by row key."""
    found: dict[str, int] = {}
    prefix = sku.encode() + b"\x00a"
    for key, row in rows.items():
        if isinstance(row, Allocation) and key.startswith(prefix):
            for line in row.lines.values():
                for location in line.cells:
                    found[location] = found.get(location, 0) + line.protected(location)
    return found


def check_book(actor_id: ActorId, book: Logbook | None, decode: Callable[[bytes, bytes], Any]) -> None:
    """Invariant 2 after every commit of a SkuActor, from its changelog alone."""
    rows: dict[bytes, bytes] = {}
    for entry in [] if book is None else book.entries:
        heads: list[Head] = []
        for key, value in entry.commit.changelog:
            if key[:1] != ROW:
                continue
            if value is None:
                rows.pop(key[1:], None)
            else:
                rows[key[1:]] = value
                if b"\x00" not in key:
                    heads.append(decode_head(value))
        for head in heads:
            name = head.sku

            def units(name: str = name) -> dict[str, int]:
                prefix = name.encode() + b"\x00a"
                return at_work({k: decode(k, raw) for k, raw in rows.items() if k.startswith(prefix)}, name)

            check_head(head, units, f", at {entry.end} of {actor_id.changelog}")


def check_totals(heads: dict[str, Head], rows: dict[tuple[str, str], Allocation]) -> None:
    """At rest each head's totals are the sums of what its orders have and lack."""
    committed: dict[tuple[str, str], int] = {}
    short: dict[tuple[str, str | None], int] = {}
    for (sku, _), row in rows.items():
        mark = footprint(row)
        for location, units in mark.committed.items():
            committed[sku, location] = committed.get((sku, location), 0) + units
        for asked, units in mark.backordered.items():
            short[sku, asked] = short.get((sku, asked), 0) + units
    for sku, head in heads.items():
        if head.backordered != short.get((sku, None), 0):
            raise Violation(
                "2", f"{sku} lacks {head.backordered} anywhere, its orders {short.get((sku, None), 0)}"
            )
        for location, cell in head.cells.items():
            sums = (committed.get((sku, location), 0), short.get((sku, location), 0))
            if (cell.committed, cell.backordered) != sums:
                raise Violation(
                    "2",
                    f"{sku} in {location} has {cell.committed} granted and {cell.backordered} short, "
                    f"its orders {sums[0]} and {sums[1]}",
                )
        waiting = sum(1 for (of, _), row in rows.items() if of == sku and row.waits)
        if head.waiting != waiting:
            raise Violation("2", f"{head.waiting} orders wait for {sku}, in fact {waiting}")


def check_orders(orders: dict[str, Order], rows: dict[tuple[str, str], Allocation]) -> None:
    """What an order believes is what its SKUs hold; a ship_complete order has all of it or nothing."""
    for order in orders.values():
        for sku, need in order.needs.items():
            row = rows.get((sku, order.order_id))
            if row is None or row.request != need.request:
                asked = None if row is None else row.request
                raise Violation(
                    "saga", f"{order.order_id} asked {sku} {need.request} times, it heard {asked}"
                )
            # Shipping is no news to an order, so cells are compared only where nothing ever shipped.
            cells = not order.shipments
            believed = {
                line_id: (told.allocated, told.backordered, told.cells if cells else {})
                for line_id, told in need.lines.items()
                if told.allocated or told.backordered
            }
            held = {
                line.line_id: (line.allocated, line.backordered, line.cells if cells else {})
                for line in row.lines.values()
                if line.allocated or line.backordered
            }
            if believed != held:
                raise Violation("saga", f"{order.order_id} believes of {sku} {believed}, it holds {held}")
            if need.state == "asked" and order.ship_complete:
                raise Violation("saga", f"{order.order_id} still waits for {sku}'s answer")
        if order.ship_complete and order.placed:
            _all_or_nothing(order, rows)
    for (sku, order_id), row in rows.items():
        order = orders.get(order_id) or Order(order_id)
        if row.lines and (sku not in order.needs):
            raise Violation("saga", f"{sku} holds a row for {order_id}, which never asked")


def _all_or_nothing(order: Order, rows: dict[tuple[str, str], Allocation]) -> None:
    if any(shipment.voided is None and shipment.skus for shipment in order.shipments.values()):
        return  # a warehouse works on it: what it has, it keeps
    held = wanted = 0
    for sku in order.needs:
        row = rows[sku, order.order_id]
        if not row.tracked:
            continue  # what it has is nobody's stock
        held += sum(sum(line.cells.values()) for line in row.lines.values())
        wanted += sum(line.backordered + sum(line.cells.values()) for line in row.lines.values())
    if 0 < held < wanted:
        raise Violation("saga", f"{order.order_id} ships complete, yet has {held} of {wanted}")
