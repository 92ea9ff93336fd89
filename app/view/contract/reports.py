"""Types of the other answers: explanations, key figures, what was written, subscriptions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from springtide.app.view.contract.figures import Day, Decimal, Fresh, Instant
from springtide.app.view.contract.orders import Action, Paged, Status
from springtide.codecs.subscriptions import Filter


class Contribution(Struct, kw_only=True):
    """Contributions of a figure sum exactly to its value."""

    event_id: str | None
    source: str | None
    type: str | None
    at: Instant
    delta: int


class Explained(Struct, kw_only=True):
    value: int
    contributions: list[Contribution]


class ExplainedAtp(Fresh, kw_only=True):
    sku: str
    location: str | None
    channel: str | None
    now: Instant
    figures: dict[str, Explained]


class Rule(Struct, kw_only=True):
    name: str
    status: Status
    text: str
    quantities: dict[str, int]
    holds: bool | None = None


class ExplainedFact(Struct, kw_only=True):
    event_id: str | None
    source: str | None
    type: str
    at: Instant


class ExplainedLine(Struct, kw_only=True):
    line_id: str
    sku: str | None
    quantities: dict[str, Explained]


class ExplainedHold(Struct, kw_only=True):
    hold_id: str
    reason: str
    since: Instant


class ExplainedOrder(Fresh, kw_only=True):
    """The rule that holds, those before it that do not, and the facts."""

    order_id: str
    status: Status
    version: int
    rule: Rule
    rules_before: list[Rule]
    quantities: dict[str, int]
    holds: list[ExplainedHold]
    facts: list[ExplainedFact]
    lines: list[ExplainedLine]


class WhatIfAnswers(Fresh, kw_only=True):
    """One answer for each path, each as the GET would answer it, or its problem."""

    answers: list[dict[str, Any]]


class Spread(Struct, kw_only=True):
    count: int
    p50: float | None
    p90: float | None


class Share(Struct, kw_only=True):
    count: int
    of: int
    rate: float | None


class BacklogOf(Struct, kw_only=True):
    orders: int
    by_age: dict[str, int]


class LatenessOf(Struct, kw_only=True):
    orders: int
    lateness_s: int


class KpiGroup(Struct, kw_only=True):
    """One value of each thing that `by` names; with `process`, the figures of that process alone."""

    process: str | None = None
    region: str | None = None
    channel: str | None = None
    day: Day | None = None
    orders: int | None = None
    cancelled: int | None = None
    delivered: int | None = None
    cycle_time_s: Spread | None = None
    backlog: dict[str, BacklogOf] | None = None
    perfect_orders: Share | None = None
    exceptions: Share | None = None
    promises_kept: Share | None = None
    lateness: dict[str, LatenessOf] | None = None
    failed_shipment_updates: int | None = None
    shipment_to_invoice_s: Spread | None = None
    dead_letters: dict[str, int] | int


class Kpis(Fresh, kw_only=True, rename={"from_": "from"}):
    by: list[str]
    from_: Day | None
    to: Day | None
    now: Instant
    groups: list[KpiGroup]


class Reconciled(Struct, kw_only=True):
    """Counts of a group's orders and units, and amounts at prices."""

    orders: int
    open_orders: int
    open_lines: int
    shipped: int
    invoiced: int
    credited: int
    over_invoiced: int
    under_invoiced: int
    credited_shipped: int
    invoice_late: int
    unpriced_lines: int
    shipped_amount: Decimal
    invoiced_amount: Decimal
    credited_amount: Decimal
    over_invoiced_amount: Decimal
    under_invoiced_amount: Decimal
    invoice_late_amount: Decimal


class ReconciledGroup(Reconciled, kw_only=True):
    """One value of each thing that `by` names, and one currency. `change` is against the month before."""

    region: str | None = None
    channel: str | None = None
    currency: str
    change: Reconciled


class Reconciliation(Fresh, kw_only=True):
    """Of the orders placed in a month what was shipped, invoiced and credited."""

    month: str
    before: str
    by: list[str]
    groups: list[ReconciledGroup]


class Written(Struct, kw_only=True):
    events: int
    positions: dict[str, int]
    position: str


class Acted(Action, kw_only=True):
    """What was done about an exception."""

    id: str
    position: str | None = None


class ActionListed(Action, kw_only=True):
    id: str


class Actions(Paged, kw_only=True):
    """What was last done about each exception, the newest first."""

    actions: list[ActionListed]


class ActedOnMany(Struct, kw_only=True):
    """For each exception what was done, or the problem that kept it open."""

    results: list[dict[str, Any]]
    cursor: str | None
    replayed: int | None = None
    discarded: int | None = None
    failed: int | None = None
    position: str | None = None


class SubscriptionOAuth(Struct, kw_only=True):
    token_url: str
    client_id: str
    scope: str | None = None


class SubscriptionUpsert(Struct, kw_only=True):
    fields: dict[str, str]
    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    oauth: SubscriptionOAuth | None = None


class DeliveryTrouble(Struct, kw_only=True):
    why: str
    at: Instant
    failures: Annotated[int, Meta(description="In a row; 0: something was taken afterwards.")]
    since: Annotated[Instant | None, Meta(description="Since when nothing was taken.")]
    next_try_at: Instant | None


class ParkedImpact(Struct, kw_only=True):
    behind: Annotated[bool, Meta(description="Whether the receiver is wrong about the order by now.")]
    over: Annotated[bool, Meta(description="Whether nothing of the order is to come any more.")]
    status: Annotated[str | None, Meta(description="Of the order now.")]
    units: int | None
    consequence: str


class Parked(Struct, kw_only=True):
    order_id: str
    version: int
    status: str
    previous: str | None
    why: str
    at: Instant
    customer_id: str | None
    channel: str | None
    region: str | None
    impact: ParkedImpact


class ReplayShown(Struct, kw_only=True):
    id: str
    order_id: str | None
    from_: Annotated[Instant | None, Meta(description="Changes written from then on.")] = field(name="from")
    to: Instant | None
    parked: bool
    asked_at: Instant
    done: bool


class Delivery(Struct, kw_only=True):
    standing: Literal["delivering", "failing", "broken", "paused", "ended"]
    told: int
    per_s: Annotated[float, Meta(description="Changes taken, over the last ten seconds.")]
    coalesced: int
    backlog: Annotated[
        int,
        Meta(description="Changes to be told, at most: those not read yet are counted whatever the filter."),
    ]
    oldest_at: Annotated[Instant | None, Meta(description="When the oldest of them was written.")]
    trouble: DeliveryTrouble | None
    parked_total: int
    parked: Annotated[
        list[Parked] | None, Meta(description="By business impact, the first 100; not in lists.")
    ] = None
    replays: list[ReplayShown] | None = None


class SubscriptionShown(Struct, kw_only=True):
    """A subscription without its secrets; `secret` is shown when it is made or rotated, and never again."""

    id: str
    url: str
    name: str = ""
    filter: Filter = Filter()
    secrets: Annotated[int, Meta(description="How many sign.")]
    secret: str | None = None
    upsert: SubscriptionUpsert | None = None
    coalesce_ms: int = 0
    rate_per_s: float = 1_000.0
    in_flight_max: int = 32
    timeout_ms: int = 10_000
    give_up_s: int = 259_200
    state: Literal["active", "paused", "ended"]
    why: str | None = None
    created_at: Instant
    delivery: Delivery | None = None


class SubscriptionsShown(Struct, kw_only=True):
    subscriptions: list[SubscriptionShown]
    cursor: str | None


class ReplayTaken(Struct, kw_only=True):
    replay: str
    subscription: str


class Ready(Struct, kw_only=True):
    status: Literal["ready", "loading", "stopping"]
    records: int
    of_records: int
    lag_ms: int | None
    trouble: str | None


class Alive(Struct, kw_only=True):
    status: Literal["ok"]


class Fault(Struct, kw_only=True):
    path: str
    message: str
    code: str | None = None


class Problem(Struct, kw_only=True):
    """RFC 9457. Some kinds have further members."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[Fault] | None = None
