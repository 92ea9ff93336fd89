"""Where answers are made from: rows at one position, and how they came to be so.

`simulate`'s one process, the live view, a replay of the past and a what-if are each a `World`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from springtide.agents.work import Behaviour, decode_meta
from springtide.app.standing import Begin
from springtide.app.view.questions import At, OrdersQuestion
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.facts import Plan
from springtide.codecs.letters import DeadLetter
from springtide.codecs.messages import Fact
from springtide.codecs.records import Record
from springtide.codecs.times import DAY_US
from springtide.tables.customer import Customer
from springtide.tables.kpis import Totals
from springtide.tables.order import Order
from springtide.tables.rows import ReadRows

Place: TypeAlias = tuple[int, str]
"""(when, id): where something stands in a list."""


def rank_of(order: Order, by_priority: bool) -> Place:
    """Who is less comes first: by priority where the policy says so, then by when it was placed, then by id."""
    return (order.priority if by_priority else 0, f"{order.placed_us:017d} {order.order_id}")


class Slot(NamedTuple):
    """What sums are kept by. `day` is days since 1970-01-01."""

    day: int
    region: str | None
    channel: str


def slot_of(order: Order) -> Slot:
    return Slot(order.placed_us // DAY_US, order.sold_in, order.channel)


class Heard(NamedTuple):
    """One message as an actor took it."""

    before_us: int
    """Stream time of its partition until then."""
    record: Record


class Past(NamedTuple):
    """All that made one entity what it is: its actor, what it heard, and the stream time it has come to."""

    behaviour: Behaviour
    partition: int
    heard: Sequence[Heard]
    now_us: int
    dedup_retention_us: int
    begin: Begin | None = None
    """What it was before the first of these; None: nothing."""

    @property
    def begin_us(self) -> int:
        """Stream time before which nothing is known."""
        return 0 if self.begin is None else decode_meta(self.begin.meta).time_us


class Entities(Protocol):
    """See the module. Stream times are those of the row's partition, in microseconds."""

    @property
    def now_us(self) -> int: ...

    def sku_rows(self, sku: str) -> tuple[ReadRows, int]:
        """Rows that reach those of the SKU and of all others."""
        ...

    def order(self, order_id: str) -> tuple[Order | None, int]: ...

    def plan(self, order: Order) -> Plan | None:
        """How long the stages of an order's way are planned to be; None: no policy says."""
        ...

    def at(self, at: At) -> Entities:
        """The world as it was. Problem if that reaches further back than is known."""
        ...

    def past_of_sku(self, sku: str) -> Past: ...

    def past_of_order(self, order_id: str) -> Past: ...


class World(Entities, Protocol):
    """Entities, and lists over them. An order's place in lists is when it was placed, the newest first; each
    list begins after the place `after`. None that is wanted is left out; others may be among them."""

    def customer(self, customer_id: str) -> tuple[Customer | None, int]: ...

    def invoice_late_days(self) -> int | None:
        """After how many days without an invoice a shipped unit is late; None: never."""
        ...

    def orders(self, wanted: OrdersQuestion) -> Iterator[tuple[Place, Order | None, int]]:
        """Placed orders with their places and stream times; without the order where it is not wanted."""
        ...

    def orders_at_risk(self, after: Place | None) -> Iterator[tuple[Place, Order]]:
        """Those with a promise that breaks; who is first in rank comes first. Places are those of `rank_of`."""
        ...

    def orders_billed(self, after: Place | None) -> Iterator[tuple[Place, Order | None, int]]:
        """The same of those of which finance and the warehouses do not say the same."""
        ...

    def noted(self, after: Place | None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        """(when, id, body) of what can't be of orders and of facts that wait for one, the newest first."""
        ...

    def action_of(self, exception_id: str) -> ExceptionAction | None:
        """What was last done about an exception; None: nothing."""
        ...

    def actions(self, after: Place | None) -> Iterator[ExceptionAction]:
        """What was last done about each exception, the newest first; from the place `after` on."""
        ...

    def letter(self, letter_id: str) -> DeadLetter | None: ...

    def noted_as(self, exception_id: str) -> tuple[int, str, dict[str, Any]] | None:
        """The one of `noted` with this id."""
        ...

    def dead_letters(self, after: Place | None = None) -> Iterator[DeadLetter]:
        """The newest first."""
        ...

    def letters_of_order(self, order_id: str) -> Iterator[DeadLetter]: ...

    def letter_counts(self) -> Iterator[tuple[Slot, str, int]]:
        """(slot, process, dead letters)."""
        ...

    def totals(self) -> Iterator[tuple[Slot, Totals]]:
        """The leaders' figures by day, region and channel."""
        ...

    def facts_about(self, order_id: str, correlation: str | None) -> Iterator[tuple[str, Fact]]:
        """(subject, fact) of what was told to other entities and names the order or its correlation id."""
        ...
