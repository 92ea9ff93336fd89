"""Types of answers about SKUs. Names are those of the bodies; a docstring says what a type can't."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Day = Annotated[str, Meta(extra_json_schema={"format": "date"})]
Decimal = Annotated[str, Meta(description="A decimal number, exact.", pattern=r"^-?\d+(\.\d+)?$")]
Method = Literal["look_ahead", "cumulative", "discrete"]


def either(*names: str) -> Meta:
    """An object of one of these types."""
    refs = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return Meta(extra_json_schema={"anyOf": refs})


class Freshness(Struct, kw_only=True):
    """How fresh a figure is: the newest projection record and ingress events in it, by `topic/partition`, and how
    long ago it was all there was."""

    source: Literal["replica"]
    positions: dict[str, int]
    lag_ms: Annotated[int, Meta(ge=0)]


class Fresh(Struct, kw_only=True):
    position: Annotated[str, Meta(description="Where it was computed; pass it on as `min_position`.")]
    freshness: Freshness


class Promise(Struct, kw_only=True):
    date: Day
    qty: int
    location: str
    sku: str


class Earliest(Struct, kw_only=True):
    """When all of `qty` can be had, and from where; `date` null: never within the horizon."""

    qty: int
    date: Day | None
    lines: list[Promise]


class CurvePoint(Struct, kw_only=True):
    date: Day
    cumulative: int
    atp: int


class DiscretePoint(Struct, kw_only=True):
    """`atp` null: no supply starts that day."""

    date: Day
    atp: int | None


class Buckets(Struct, kw_only=True):
    sellable: int
    damaged: int
    quality_control: int
    reserved_other: int


class AtLocation(Struct, kw_only=True):
    location: str
    open: bool
    on_hand: int
    buckets: Buckets
    safety_stock: int
    committed: int
    held: int
    backordered: int
    available_now: int


class StaleSupply(Struct, kw_only=True):
    supply_id: str
    location: str
    qty: int
    due: Day
    firmness: str
    overdue_days: int


class StaleDemand(Struct, kw_only=True):
    order_id: str
    line_id: str
    location: str | None
    qty: int
    requested_date: Day
    overdue_days: int


class Pack(Struct, kw_only=True):
    factor: int
    available: int


class UntilDay(Struct, kw_only=True):
    date: Day
    available: int


class HoldListed(Struct, kw_only=True):
    hold_id: str
    owner: str
    channel: str | None
    qty: int
    cells: dict[str, int]
    placed_at: Instant
    expires_at: Instant


class SupplyListed(Struct, kw_only=True):
    supply_id: str
    location: str
    qty: int
    due: Day
    firmness: str
    received: int
    open: int
    cancelled: bool
    event_id: str | None


class FenceListed(Struct, kw_only=True):
    location: str | None
    channel: str
    qty: int
    used: int
    left: int
    valid_from: str | None
    valid_to: str | None
    rank: int | None


class Note(Struct, kw_only=True):
    kind: str
    detail: str
    event_id: str | None
    source: str | None
    at: Instant


class Atp(Fresh, kw_only=True):
    """What there is to promise of a SKU, of one location or of all in sum. Figures of a SKU that is not tracked
    are null."""

    sku: str
    location: str | None
    channel: str | None
    uom: str | None
    now: Instant
    untracked: bool
    discontinued: bool
    policy_version: int | str | None
    on_hand: int | None
    buckets: Buckets | None
    safety_stock: int | None
    committed: int | None
    held: int | None
    backordered: int | None
    available_now: Annotated[int, Meta(description="Signed.")] | None
    available: Annotated[int, Meta(ge=0)] | None
    shortage: Annotated[int, Meta(ge=0)] | None
    packs: dict[str, Pack] | None
    method: Method | None = None
    curve: Annotated[list[CurvePoint], Meta(description="A point a day from today to the horizon.")] | None
    discrete: list[DiscretePoint] | None
    earliest: Earliest | None
    by: UntilDay | None = None
    stale_supply: list[StaleSupply] | None
    stale_demand: list[StaleDemand] | None
    locations: list[AtLocation] | None = None
    holds: list[HoldListed]
    supply: list[SupplyListed]
    fences: list[FenceListed]
    notes: list[Note]


def told(name: str) -> Meta:
    """Data of a server-sent event: JSON of this type, or of an event `problem` a problem."""
    refs = [{"$ref": f"#/components/schemas/{one}"} for one in (name, "Problem")]
    return Meta(extra_json_schema={"contentMediaType": "application/json", "contentSchema": {"anyOf": refs}})


class Told(Struct, kw_only=True):
    """A server-sent event. `id` is the position until which all has been told."""

    id: str
    event: Literal["message", "problem"] = "message"


class AtpTold(Told, kw_only=True):
    data: Annotated[str, told("Atp")]


class Batch(Struct, kw_only=True):
    """An element for each item and in their order: what the single answer would be, be it a problem."""

    items: list[Annotated[dict[str, Any], either("Atp", "Problem")]]


class Hold(Struct, kw_only=True):
    """A hold that is active, or as it ended: then with `left`, the units that were still available."""

    hold_id: str
    sku: str
    state: Literal["active", "expired", "released", "converted", "refused"]
    qty: int
    cells: dict[str, int] | None = None
    owner: str | None = None
    channel: str | None = None
    placed_at: Instant | None = None
    expires_at: Instant | None = None
    left: int | None = None
    ended_at: Instant | None = None
    position: str | None = None


class PromisedLine(Struct, kw_only=True):
    line_id: str
    sku: str
    qty: int
    outcome: Literal["confirmed", "split", "partial", "backordered", "refused"]
    promises: list[Promise]


class Promised(Struct, kw_only=True):
    promise_id: str | None
    order_id: str
    outcome: Literal["confirmed", "split", "partial", "backordered", "refused"]
    expires_at: Instant | None
    lines: list[PromisedLine]
    dry_run: bool | None = None


class PriceNow(Struct, kw_only=True, rename={"list_": "list"}):
    """`amount` null: the list knows the SKU, and has no price in force."""

    list_: str
    amount: Decimal | None
    currency: str | None
    valid_from: str | None
    valid_to: str | None


class Prices(Fresh, kw_only=True, rename={"list_": "list"}):
    """With `list` asked for, its price stands at the top too."""

    sku: str
    list_: str | None
    at: Instant
    amount: Decimal | None = None
    currency: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    prices: list[PriceNow]
