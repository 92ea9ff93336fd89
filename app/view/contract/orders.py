"""Types of answers about orders and customers. Names are those of the bodies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from springtide.app.view.contract.figures import Day, Decimal, Fresh, Instant, Promise, Told, told
from springtide.app.view.questions import STATUSES

Status = Annotated[str, Meta(extra_json_schema={"enum": list(STATUSES)})]


class Axes(Struct, kw_only=True):
    """What stands beside the status."""

    finance: str
    payment: str
    returns: str


class Address(Struct, kw_only=True):
    country: str | None
    region: str | None
    postcode: str | None


class OrderHold(Struct, kw_only=True):
    hold_id: str
    reason: str
    since: Instant
    scope: Annotated[list[str], Meta(description="Line ids; null: the whole order.")] | None


class Line(Struct, kw_only=True):
    """A line with each quantity of its ledger. What a quantity of a kit line counts is kits."""

    line_id: str
    sku: str | None
    ordered: int
    cancelled: int
    allocated: int
    backordered: int
    released: int
    picked: int
    packed: int
    shipped: int
    delivered: int
    lost: int
    returned: int
    restocked: int
    invoiced: int
    credited: int
    requested_date: Day | None
    location: str | None
    price: Decimal | None
    promises: list[Promise]


class Milestone(Struct, kw_only=True):
    name: str
    occurred_at: Instant
    recorded_at: Instant
    inferred: bool
    superseded: bool
    event_id: str | None
    source: str | None


class Segment(Struct, kw_only=True):
    cause: str
    stage: str
    planned_s: int
    actual_s: int
    excess_s: int


class Delay(Struct, kw_only=True):
    """Why the order is late; lengths in seconds."""

    cause: str | None
    since: Instant | None
    segments: list[Segment]
    lateness_s: int | None
    slack_eaten_s: int | None
    primary: str | None
    eta: Instant | None
    at_risk: bool


class Scan(Struct, kw_only=True):
    at: Instant
    sequence: int
    status: str
    is_exception: bool
    corrected: bool
    tracking: str | None
    place: str | None
    detail: str | None
    event_id: str | None
    source: str | None


class Shipment(Struct, kw_only=True):
    shipment_id: str
    location: str | None
    carrier: str | None
    tracking: str | None
    parcel: str | None
    voided: str | None
    released: dict[str, int]
    picked: dict[str, int]
    packed: dict[str, int]
    shipped: dict[str, int]
    short: dict[str, int]
    scans: list[Scan]


class OrderException(Struct, kw_only=True):
    id: str
    kind: str
    detail: str
    event_id: str | None
    source: str | None
    at: Instant


class Order(Fresh, kw_only=True):
    """Where an order stands, and why it is late. Milestones are in order of occurrence."""

    order_id: str
    status: Status
    version: int
    axes: Axes
    customer_id: str
    channel: str
    region: str | None
    currency: str
    placed_at: Instant
    placed_by: str | None
    opportunity_id: str | None
    correlation_id: str | None
    priority: int
    ship_complete: bool
    promised_by: str | None
    ship_to: Address | None
    rejected: str | None
    holds: list[OrderHold]
    lines: list[Line]
    milestones: list[Milestone]
    delay: Delay
    sentence: Annotated[str, Meta(description="Where it stands, for the customer.")]
    shipments: list[Shipment]
    exceptions: list[OrderException]


class OrderTold(Told, kw_only=True):
    data: Annotated[str, told("Order")]


class OrderListed(Struct, kw_only=True):
    order_id: str
    status: Status
    version: int
    axes: Axes
    customer_id: str
    channel: str
    region: str | None
    placed_at: Instant
    promised_by: str | None
    holds: list[str]
    cause: str | None
    at_risk: bool
    eta: Instant | None
    exceptions: int


class Paged(Fresh, kw_only=True):
    cursor: Annotated[str, Meta(description="Leads on to the next page; null: there is none.")] | None


class Orders(Paged, kw_only=True):
    """A page of orders, the newest first. With filters it may be short though there are more."""

    orders: list[OrderListed]


class Entry(Struct, kw_only=True):
    """A fact as it was stated, or a milestone that followed without one of its own."""

    kind: Literal["fact", "milestone"]
    time: Instant
    recordedtime: Instant
    source: str | None
    event_id: str | None
    type: str | None
    milestones: list[str]
    inferred: bool
    superseded: bool
    subject: str | None = None
    correlation_id: str | None = None
    sequence: int | str | None = None
    topic: str | None = None
    data: dict[str, Any] | None = None


class OpenOrder(Struct, kw_only=True):
    order_id: str
    status: Status
    customer_id: str
    channel: str
    region: str | None


class Impact(Struct, kw_only=True):
    orders: list[str]
    skus: list[str]
    shipments: list[str]
    customers: list[str]
    consequence: str | None
    open_orders: list[OpenOrder] | None = None


class LetterPlace(Struct, kw_only=True):
    topic: str
    partition: int
    offset: int


class Action(Struct, kw_only=True):
    action: Literal["replayed", "discarded"]
    by: str
    at: Instant
    reason: str | None
    source: str | None
    event_id: str | None
    mended: bool
    positions: dict[str, int]


class ExceptionListed(Struct, kw_only=True):
    """What could not be applied, by whom it concerns. `value` is what lay in the log, as text."""

    id: str
    kind: str
    detail: str
    event_id: str | None
    source: str | None
    at: Instant
    state: Literal["dead_letter", "anomaly", "waiting"]
    process: str | None
    impact: Impact
    field: str | None = None
    type: str | None = None
    place: LetterPlace | None = None
    value: str | None = None
    action: Action | None = None


class Timeline(Fresh, kw_only=True, rename={"from_": "from"}):
    """Every fact about an order through all systems, by `time`. `from`: since when facts are kept; null: all
    are."""

    order_id: str
    correlation_id: str | None
    from_: Instant | None
    facts: list[Entry]
    dead_letters: list[ExceptionListed]


class Exceptions(Paged, kw_only=True):
    """The newest first."""

    exceptions: list[ExceptionListed]


class AtRiskLine(Struct, kw_only=True):
    """A promise that breaks: `promised` was said first, `date` is said now; null: nothing covers it."""

    order_id: str
    line_id: str
    sku: str
    qty: int
    promised: Day
    date: Day | None
    cause: str | None
    promises: list[Promise]
    customer_id: str
    channel: str
    region: str | None
    priority: int
    placed_at: Instant
    promised_by: str | None


class AtRisk(Paged, kw_only=True):
    """By rank: who was first in line comes first."""

    promises: list[AtRiskLine]


class MismatchedLine(Struct, kw_only=True):
    line_id: str
    sku: str | None
    kinds: list[str]
    shipped: int
    invoiced: int
    credited: int
    difference: int
    late_units: int
    amount: Decimal | None


class Mismatch(Struct, kw_only=True):
    order_id: str
    status: Status
    finance: str
    kinds: list[str]
    shipped: int
    invoiced: int
    credited: int
    difference: int
    customer_id: str
    channel: str
    region: str | None
    currency: str
    placed_at: Instant
    lines: list[MismatchedLine]


class Mismatches(Paged, kw_only=True):
    mismatches: list[Mismatch]


class CreditHold(Struct, kw_only=True):
    hold_id: str
    since: Instant


class Credit(Fresh, kw_only=True, rename={"class_": "class"}):
    customer_id: str
    name: str | None
    class_: Annotated[str, Meta(description="The customer's class.")] | None
    region: str | None
    now: Instant
    limit: Decimal | None
    currency: str | None
    exposure: Decimal | None
    open_orders: int
    open_amount: dict[str, Decimal]
    available: Decimal | None
    on_hold: bool
    holds: list[CreditHold]
