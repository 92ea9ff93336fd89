"""A SKU and an order on a small stage: what their actors do with each message, without any log.

Rows are kept as bytes, as a store keeps them, so that nothing a test sees is an object the domain still
holds. Times are seconds in tests and microseconds inside.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from springtide.codecs import facts as f
from springtide.codecs.messages import (
    Demand,
    DemandLine,
    PromiseAsked,
    Supplied,
    SuppliedLine,
    decode,
    encode,
)
from springtide.codecs.times import SECOND_US
from springtide.tables import atp
from springtide.tables.allocation import Sku
from springtide.tables.answers import due_us
from springtide.tables.catalog import NO_NETWORK, Goods, apply_to_network
from springtide.tables.lifecycle import Change
from springtide.tables.order import Ledger, Order, ledgers, total
from springtide.tables.sku import Allocation, Head, PastHold
from springtide.tables.stock import Stock

NOWHERE = (0, 0, -1)


class WireRows:
    """Rows that are encoded when put and decoded when got."""

    def __init__(self) -> None:
        self.raw: dict[bytes, tuple[type[Any], bytes]] = {}
        self.scratch: dict[bytes, Any] = {}

    def get(self, key: bytes) -> Any:
        found = self.raw.get(key)
        return None if found is None else msgspec.msgpack.decode(found[1], type=found[0])

    def put(self, key: bytes, row: Any) -> None:
        self.raw[key] = (type(row), msgspec.msgpack.encode(row))

    def delete(self, key: bytes) -> None:
        self.raw.pop(key, None)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        for key in sorted(self.raw):
            if key.startswith(prefix):
                yield key, self.get(key)


def want(
    line_id: str = "1",
    qty: int = 0,
    *,
    at: str | None = None,
    released: dict[str, int] | None = None,
    shipped: dict[str, int] | None = None,
    day: int | None = None,
    cap: int | None = None,
    queues: bool = True,
    pool: str | None = None,
) -> DemandLine:
    """One line of a Demand."""
    return DemandLine(line_id, qty, at, released or {}, shipped or {}, day, cap, queues, pool)


class SkuStage:
    """One SKU and its rows; `answers` collects what orders are told."""

    def __init__(self, sku: str = "tea") -> None:
        self.key = sku
        self.rows = WireRows()
        self.now_us = 0
        self.due_us: int | None = None
        self.answers: list[tuple[str, Supplied]] = []
        self._requests: dict[str, int] = {}
        self._events = 0

    # --- given, when ---

    def clock(self, now_s: float) -> None:
        """Stream time moves on; what is due on the way happens at its own instant."""
        until_us = int(now_s * SECOND_US)
        while self.due_us is not None and self.due_us <= until_us:
            due_us = self.due_us
            self.now_us = max(self.now_us, due_us)
            sku = Sku(self.rows, self.key, self.now_us)
            Stock(self.rows, sku, self.now_us, self.now_us, "").come_by()
            self._close(sku)
            assert self.due_us is None or self.due_us > due_us, f"what is due at {due_us} us stays due"
        self.now_us = max(self.now_us, until_us)

    def fact(self, data: f.Data, at_s: float | None = None) -> None:
        """A fact about the SKU, or about its network, told in order or (`at_s` before now) late."""
        at_us = self.now_us if at_s is None else int(at_s * SECOND_US)
        self.clock(at_us / SECOND_US)
        self._events += 1
        of_all = isinstance(data, f.LocationUpserted) or (isinstance(data, f.PolicySet) and data.scope == "*")
        cause = apply_to_network(self.rows, data) if of_all else None
        sku = Sku(self.rows, self.key, self.now_us, cause)
        if of_all:
            sku.rank_anew()
            sku.come_due()
            sku.settle()
        else:
            Stock(self.rows, sku, self.now_us, at_us, f"wms {self._events}").apply(data)
        self._close(sku)

    def counted(self, **on_hand: int) -> None:
        """Sellable stock by location, all that is committed there included."""
        for location, units in on_hand.items():
            self.fact(f.InventoryCounted(location=location, on_hand=units, basis="includes_committed"))

    def demand(
        self,
        order_id: str,
        *lines: DemandLine | int,
        placed_s: float | None = None,
        request: int | None = None,
        complete: bool = False,
        parked: bool = False,
        single: bool = False,
        max_splits: int = 0,
        shipments: tuple[tuple[str, str, int], ...] = (),
        channel: str = "web",
        priority: int = 100,
        **more: Any,
    ) -> bool:
        """What an order wants; a bare number is the quantity of line 1. Placed by default in order of id."""
        if request is None:
            request = self._requests.get(order_id, 0) + 1
        self._requests[order_id] = max(request, self._requests.get(order_id, 0))
        message = Demand(
            order_id,
            request,
            self.now_us,
            NOWHERE,
            f"oms {order_id} {request}",
            0 if placed_s is None else int(placed_s * SECOND_US),
            priority,
            channel,
            complete,
            parked,
            single,
            max_splits,
            shipments,
            tuple(want(qty=line) if isinstance(line, int) else line for line in lines),
            **more,
        )
        return self.receive(message)

    def receive(self, demand: Demand) -> bool:
        sent = decode(encode(demand))
        assert isinstance(sent, Demand)
        sku = Sku(self.rows, self.key, self.now_us, "allocation_policy")
        taken_in = sku.demand(sent)
        if taken_in:
            sku.settle()
        self._close(sku, sent.order_id if sent.awaits or sent.complete else None)
        return taken_in

    def _close(self, sku: Sku, answer_to: str | None = None) -> None:
        changed = sku.close()
        if sku.retime:
            self.due_us = sku.next_due_us()
        if answer_to is not None and all(row.order_id != answer_to for row in changed):
            asked = sku.allocation(answer_to)
            assert asked is not None
            changed.append(asked)
        for row in changed:
            lines = sku.tell(row)
            self.rows.put(sku.row_key(row), row)
            answer = Supplied(self.key, row.request, row.seq, self.now_us, self.now_us, NOWHERE, "", lines)
            sent = decode(encode(answer))
            assert isinstance(sent, Supplied)
            self.answers.append((row.order_id, sent))

    # --- then ---

    @property
    def head(self) -> Head:
        return self.rows.get(self.key.encode()) or Head(self.key)

    def row(self, order_id: str) -> Allocation | None:
        return Sku(self.rows, self.key, self.now_us).allocation(order_id)

    def open_rows(self) -> list[Allocation]:
        prefixes = [f"{self.key}\x00{kind}".encode() for kind in "az"]
        return [row for prefix in prefixes for _, row in self.rows.scan(prefix)]

    def has(self, order_id: str, line_id: str = "1") -> dict[str, int]:
        """Cells of an order's line: location -> units allocated and not shipped."""
        row = self.row(order_id)
        return {} if row is None or line_id not in row.lines else row.lines[line_id].cells

    def lacks(self, order_id: str, line_id: str = "1") -> int:
        """Backordered units of an order's line."""
        row = self.row(order_id)
        return 0 if row is None or line_id not in row.lines else row.lines[line_id].backordered

    def figure(self, name: str, location: str | None = None) -> int:
        found = atp.figures(self.rows, self.key, self.now_us, location)
        if found is None:
            return 0
        value = found["buckets"][name] if name in found["buckets"] else found[name]
        assert isinstance(value, int)
        return value

    def atp(self, location: str | None = None, **more: Any) -> dict[str, Any]:
        """The whole answer."""
        found = atp.figures(self.rows, self.key, self.now_us, location, **more)
        assert found is not None, f"{self.key} is unknown"
        return found

    def promises(self, order_id: str, line_id: str = "1") -> list[tuple[int, str, int]]:
        """(day, location, units) of an order's line."""
        row = self.row(order_id)
        return [] if row is None or line_id not in row.lines else row.lines[line_id].promises

    def told(self, order_id: str, line_id: str = "1") -> SuppliedLine:
        """What an order was last told of a line."""
        lines = [s.lines for o, s in self.answers if o == order_id][-1]
        return next(line for line in lines if line.line_id == line_id)

    def figures(self, *names: str, location: str | None = None) -> tuple[int, ...]:
        return tuple(self.figure(name, location) for name in names)

    def past_hold(self, hold_id: str) -> PastHold | None:
        return self.rows.get(f"{self.key}\x00h{hold_id}".encode())

    def notes(self) -> list[str]:
        return [note.kind for note in self.head.notes]


class OrderStage:
    """One order; `asked` has the latest Demand per SKU, `published` each (previous, new) status."""

    def __init__(self, order_id: str = "o1", *products: f.ProductUpserted) -> None:
        self.order = Order(order_id)
        self.goods = {product.sku: Goods(product) for product in products}
        self.network = NO_NETWORK
        self.now_us = 0
        self.asks: list[tuple[str, Demand]] = []
        self.published: list[tuple[str, str]] = []
        self._facts = 0
        self._waiting: list[tuple[f.Data, str, int, str, int]] = []
        self._answers = 0

    # --- given, when ---

    def fact(
        self,
        name: str,
        data: f.Data,
        at_s: float | None = None,
        event_id: str | None = None,
        sequence: int = 0,
    ) -> None:
        """A fact of `orders` or `shipments`; before the order is placed it waits."""
        self._facts += 1
        at_us = self.now_us if at_s is None else int(at_s * SECOND_US)
        self.now_us = max(self.now_us, at_us)
        stated = (data, name, at_us, event_id or f"src {self._facts}", sequence)
        if not self.order.placed and name != "order.placed":
            self._waiting.append(stated)
            return
        self._apply(*stated)
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            self._apply(*one)

    def _apply(self, data: f.Data, name: str, at_us: int, event_id: str, sequence: int) -> None:
        change = Change(self.order, at_us, at_us, event_id, self.now_us, sequence)
        change.goods = self.goods
        change.apply(data, f.FACT_BY_NAME[name].code)
        self._conclude(change)

    def clock(self, now_s: float) -> None:
        """Stream time moves on; what is due on the way happens at its own instant."""
        until_us = int(now_s * SECOND_US)
        while (at_us := due_us(self.order, self.now_us)) is not None and at_us <= until_us:
            self.now_us = max(self.now_us, at_us)
            change = Change(self.order, self.now_us, self.now_us, "", self.now_us)
            change.time_came()
            self._conclude(change)
        self.now_us = max(self.now_us, until_us)

    def supplied(self, message: Supplied) -> None:
        self.now_us = max(self.now_us, message.time_us)
        change = Change(self.order, self.now_us, self.now_us, "sku", self.now_us)
        change.network = self.network
        change.supplied(message)
        self._conclude(change)

    def promise_asked(self, *lines: tuple[str, str, int] | f.OrderLine, key: str = "k1", **more: Any) -> None:
        """A promise is asked for, to be given back after 24 hours."""
        message = PromiseAsked(
            key,
            self.now_us,
            self.now_us,
            NOWHERE,
            f"asked {key}",
            self.now_us + 24 * 3_600 * SECOND_US,
            "web",
            order_lines(*lines),
            **more,
        )
        sent = decode(encode(message))
        assert isinstance(sent, PromiseAsked)
        change = Change(self.order, self.now_us, self.now_us, sent.event_id, self.now_us)
        change.goods = self.goods
        change.promise_asked(sent)
        self._conclude(change)

    def answer(
        self,
        sku: str,
        *lines: tuple[str, dict[str, int], int],
        promises: tuple[tuple[int, str, int], ...] = (),
        cause: str | None = None,
    ) -> None:
        """The SKU says what lines have: (line_id, cells, backordered), all not shipped; each is promised the
        same."""
        self._answers += 1
        told = tuple(
            SuppliedLine(line_id, sum(cells.values()), backordered, cells, promises, cause)
            for line_id, cells, backordered in lines
        )
        request = self.order.needs[sku].request
        self.supplied(Supplied(sku, request, self._answers, self.now_us, self.now_us, NOWHERE, "", told))

    def _conclude(self, change: Change) -> None:
        order = self.order
        change.settle()
        for sku in change.touched:
            self.asks.append((sku, change.ask(sku, NOWHERE)))
        version = order.version
        published = change.conclude()
        assert order.version == version + (published is not None)
        if published is not None:
            self.published.append(published)
        raw = msgspec.msgpack.encode(order)
        self.order = msgspec.msgpack.decode(raw, type=Order)
        assert msgspec.msgpack.encode(self.order) == raw

    # --- then ---

    @property
    def status(self) -> str:
        return self.order.status

    def asked(self, sku: str) -> Demand:
        return [demand for name, demand in self.asks if name == sku][-1]

    def wants(self, sku: str) -> dict[str, int]:
        """Line -> units that a SKU was last asked for."""
        return {line.line_id: line.want for line in self.asked(sku).lines}

    def promises(self, line_id: str = "1") -> list[tuple[int, str, int, str]]:
        """(day, location, units, SKU) of a line."""
        return list(self.order.lines[line_id].promises)

    def ledger(self, line_id: str) -> Ledger:
        return ledgers(self.order)[line_id]

    def total(self) -> Ledger:
        return total(self.order)

    def exceptions(self) -> list[str]:
        return [e.kind for e in self.order.exceptions]

    def milestones(self) -> list[str]:
        """Names in order of appearance; `~` marks what is inferred, `-` what no longer holds."""
        return [
            ("-" if m.superseded else "~" if m.inferred else "") + name
            for name, m in self.order.milestones.items()
        ]


# --- facts in short ---


def placed(*lines: tuple[str, str, int] | f.OrderLine, order_id: str = "o1", **more: Any) -> f.OrderPlaced:
    """`order.placed` with lines (line_id, sku, qty)."""
    return f.OrderPlaced(
        order_id=order_id,
        customer_id="c1",
        channel="web",
        currency="EUR",
        lines=order_lines(*lines),
        **more,
    )


def order_lines(*lines: tuple[str, str, int] | f.OrderLine) -> tuple[f.OrderLine, ...]:
    return tuple(
        line if isinstance(line, f.OrderLine) else f.OrderLine(line_id=line[0], sku=line[1], qty=line[2])
        for line in lines
    )


def parts(*lines: tuple[str, str, int]) -> tuple[f.ShipmentLine, ...]:
    return tuple(f.ShipmentLine(line_id=line_id, sku=sku, qty=qty) for line_id, sku, qty in lines)


def released(shipment_id: str, location: str, *lines: tuple[str, str, int]) -> f.ShipmentReleased:
    return f.ShipmentReleased(shipment_id=shipment_id, location=location, lines=parts(*lines))


def step(shipment_id: str, *lines: tuple[str, str, int], location: str | None = None) -> f.ShipmentStep:
    return f.ShipmentStep(shipment_id=shipment_id, lines=parts(*lines), location=location)


def scan(shipment_id: str, status: Any) -> f.ParcelScanned:
    return f.ParcelScanned(shipment_id=shipment_id, tracking=f"T{shipment_id}", status=status)
