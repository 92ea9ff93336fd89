"""One order twice: as the domain keeps it and as the naive model does, fed the same; they must agree after each.

pair = Pair()
pair.fact("order.placed", data, at_s=3, event_id="oms 1")      # AssertionError where the two differ
pair.order, pair.naive                                          # both as they stand
"""

from __future__ import annotations

from typing import Any

import msgspec

from springtide.app.verify.compare import difference, order_picture
from springtide.app.verify.naive_course import course as naive_course
from springtide.app.verify.naive_course import promise
from springtide.app.verify.naive_delay import answer
from springtide.app.verify.naive_order import NaiveOrder
from springtide.app.verify.naive_order_steps import Applying, Outcome
from springtide.app.verify.naive_picture import picture
from springtide.codecs import facts as f
from springtide.codecs.letters import MilestoneTold, StatusChange
from springtide.codecs.messages import (
    CustomerHolds,
    CustomerOrder,
    Demand,
    Message,
    PromiseAsked,
    Supplied,
    SuppliedLine,
)
from springtide.codecs.times import SECOND_US, rfc3339
from springtide.tables.catalog import Goods
from springtide.tables.causes import gate
from springtide.tables.delay import delay
from springtide.tables.lifecycle import Change
from springtide.tables.order import Order

NOWHERE = (0, 0, -1)


class Pair:
    """See the module. `asks` has all requests to SKUs, `told` all changes, `accounts` what the customer hears."""

    def __init__(self, order_id: str = "o1") -> None:
        self.order = Order(order_id)
        self.naive = NaiveOrder(order_id)
        self.products: dict[str, f.ProductUpserted] = {}
        self.now_us = 0
        self.asks: list[tuple[str, Demand]] = []
        self.changes: list[StatusChange] = []
        self.accounts: list[CustomerOrder] = []
        self._waiting: list[tuple[str, f.Data, int, str, int]] = []
        self._answers: dict[str, int] = {}
        self._facts = 0

    # --- given, when ---

    def product(self, sku: str, **more: Any) -> None:
        told = {"sku": sku, "name": sku, "uom": "EA", **more}
        self.products[sku] = msgspec.convert(told, f.ProductUpserted)

    def fact(
        self,
        name: str,
        data: f.Data,
        at_s: float | None = None,
        event_id: str | None = None,
        sequence: int = 0,
    ) -> None:
        """A fact of the order; before it is placed it waits."""
        self._facts += 1
        at_us = self.now_us if at_s is None else int(at_s * SECOND_US)
        self.now_us = max(self.now_us, at_us)
        stated = (name, data, at_us, event_id or f"src {self._facts}", sequence)
        if not self.order.placed and name != "order.placed":
            self._waiting.append(stated)
            return
        waiting, self._waiting = self._waiting, []
        for one in (stated, *waiting):
            self._fact(*one)

    def _fact(self, name: str, data: f.Data, at_us: int, event_id: str, sequence: int) -> None:
        real, naive = self._both(at_us, event_id, sequence)
        real.apply(data, f.FACT_BY_NAME[name].code)
        naive.fact(name, data)
        self._conclude(real, naive)

    def answer(self, sku: str, *lines: Any, cause: str | None = None) -> None:
        """The SKU says what lines have: (line_id, cells, backordered) or with promises (day, location, units)."""
        self._answers[sku] = self._answers.get(sku, 0) + 1
        request = self.order.needs[sku].request
        told = tuple(supplied_line(cause, *line) for line in lines)
        self.tell(
            Supplied(sku, request, self._answers[sku], self.now_us, self.now_us, NOWHERE, "wms 1", told)
        )

    def tell(self, message: Message) -> None:
        """What another actor tells the order."""
        assert isinstance(message, Supplied | CustomerHolds | PromiseAsked)
        self.now_us = max(self.now_us, message.time_us)
        real, naive = self._both(message.time_us, message.event_id)
        for change in (real, naive):
            if isinstance(message, Supplied):
                change.supplied(message)
            elif isinstance(message, CustomerHolds):
                change.customer_told(message)
            else:
                change.promise_asked(message)
        self._conclude(real, naive)

    def clock(self, now_s: float) -> None:
        """Time passes, and brings about what it brings about."""
        self.now_us = max(self.now_us, int(now_s * SECOND_US))
        real, naive = self._both(self.now_us, self.order.stated_by)
        real.time_came()
        naive.time_came()
        self._conclude(real, naive)

    def _both(self, at_us: int, event_id: str, sequence: int = 0) -> tuple[Change, Applying]:
        real = Change(self.order, at_us, at_us, event_id, self.now_us, sequence)
        real.goods = {sku: Goods(product=product) for sku, product in self.products.items()}
        naive = Applying(self.naive, at_us, at_us, event_id, self.now_us, sequence, self.products)
        return real, naive

    # --- then ---

    def _conclude(self, real: Change, naive: Applying) -> None:
        order = self.order
        due = Outcome()
        naive.conclude(due, NOWHERE)
        real.settle()
        asks = [(sku, real.ask(sku, NOWHERE)) for sku in real.touched]
        version = order.version
        published = real.conclude()
        assert order.version == version + (published is not None)
        told = [] if published is None else [change_of(real, *published)]
        account = real.credit_news(NOWHERE)
        agree(dict(map(sorted_ask, asks)), dict(map(sorted_ask, due.demands)))
        agree([sorted_change(c) for c in told], [sorted_change(c) for c in due.changes])
        agree([] if account is None else [account], [one for _, one in due.accounts])
        raw = msgspec.msgpack.encode(order)
        self.order = msgspec.msgpack.decode(raw, type=Order)
        assert msgspec.msgpack.encode(self.order) == raw
        agree(order_picture(self.order), picture(self.naive))
        self.asks += asks
        self.changes += told
        self.accounts += [] if account is None else [account]

    def check_delay(self, at_us: int, plan: f.Plan) -> dict[str, Any]:
        """Both say the same of why the order is late, as of an instant; and what they say."""
        found = delay(self.order, at_us, plan).as_answer()
        plans_s = {"allocation": plan.allocate_s, "warehouse": plan.warehouse_s, "transit": plan.transit_s}
        due = answer(naive_course(self.naive, at_us), plans_s, promise(self.naive, plans_s["transit"]))
        agree(found, due)
        return found


def agree(stands: Any, due: Any) -> None:
    found = difference(stands, due)
    assert found is None, f"{found}: {stands} for {due}"


def supplied_line(
    cause: str | None,
    line_id: str,
    cells: dict[str, int],
    short: int,
    promises: tuple[tuple[int, str, int], ...] = (),
) -> SuppliedLine:
    return SuppliedLine(line_id, sum(cells.values()), short, cells, promises, cause)


def change_of(real: Change, previous: str, status: str) -> StatusChange:
    order = real.order
    return StatusChange(
        order_id=order.order_id,
        version=order.version,
        status=status,
        previous=previous or None,
        milestones=tuple(
            MilestoneTold(name, rfc3339(m.occurred_us), rfc3339(m.recorded_us), m.inferred, m.superseded)
            for name, m in real.reached.items()
        ),
        at=rfc3339(real.at_us),
        event_id=real.event_id,
        customer_id=order.customer_id,
        channel=order.channel,
        region=order.sold_in,
        correlation_id=order.correlation,
        holds=tuple(hold.reason for hold in order.holds.values() if hold.released_us is None),
        cause=gate(order),
        customer_class=order.customer_class,
    )


def sorted_ask(ask: tuple[str, Demand]) -> tuple[str, Demand]:
    sku, demand = ask
    lines = tuple(sorted(demand.lines, key=lambda line: line.line_id))
    return sku, msgspec.structs.replace(demand, lines=lines, shipments=tuple(sorted(demand.shipments)))


def sorted_change(change: StatusChange) -> StatusChange:
    return msgspec.structs.replace(change, milestones=tuple(sorted(change.milestones, key=lambda m: m.name)))
