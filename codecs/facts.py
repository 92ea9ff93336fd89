"""The facts of event contract version 1: what `data` holds for each type, as typed structs.

Quantities are integers in the SKU's base unit; times inside `data` are RFC 3339 instants or calendar
days kept as text; money is a decimal string. Unknown fields are ignored here and stay in the ingress log.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

QTY_MAX = 1_000_000_000_000
"""Largest quantity in base units. Sums of a million such still fit 64 bits."""
LINES_MAX = 1_000
"""Most lines in one order or shipment."""
TTL_MAX_S = 366 * 86_400

NO_CONTROL: Final = Meta(extra_json_schema={"pattern": r"^[^\x00-\x1f]*$"})
Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=128), NO_CONTROL]
"""No control characters either, which `cloudevents.check` sees to: a pattern that is checked here would cost a
regular expression for each id, twice on an event's way."""
ID_FIELDS: frozenset[str] = frozenset(
    (
        *("order_id", "customer_id", "channel", "opportunity_id", "line_id", "sku", "location", "pool"),
        *("hold_id", "supply_id", "shipment_id", "scope", "id", "source", "subject"),
        *("invoice_id", "payment_id", "memo_id", "return_id"),
    )
)
"""Names of the fields that hold ids, in envelopes and in data."""
Text: TypeAlias = Annotated[str, Meta(max_length=2_000)]
Qty: TypeAlias = Annotated[int, Meta(ge=1, le=QTY_MAX)]
QtyOrZero: TypeAlias = Annotated[int, Meta(ge=0, le=QTY_MAX)]
Delta: TypeAlias = Annotated[int, Meta(ge=-QTY_MAX, le=QTY_MAX)]
Ttl: TypeAlias = Annotated[int, Meta(ge=1, le=TTL_MAX_S)]
Rank: TypeAlias = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
_A_DAY: Final = Meta(extra_json_schema={"anyOf": [{"format": "date"}, {"format": "date-time"}]})
When: TypeAlias = Annotated[str, Meta(max_length=40, pattern=r"^\d{4}-\d\d-\d\d"), _A_DAY]
"""A day, or an instant of it."""
Money: TypeAlias = Annotated[str, Meta(max_length=40, pattern=r"^-?\d{1,30}(\.\d{1,9})?$")]
Bucket: TypeAlias = Literal["sellable", "damaged", "quality_control", "reserved_other"]
HoldReason: TypeAlias = Literal[
    "credit_hold",
    "payment_pending",
    "fraud_review",
    "address_problem",
    "data_error",
    "customer_requested",
    "compliance_hold",
]
ParcelStatus: TypeAlias = Literal[
    "pre_transit",
    "in_transit",
    "out_for_delivery",
    "available_for_pickup",
    "attempted",
    "delivered",
    "returned_to_sender",
    "lost",
]
ExceptionKind: TypeAlias = Literal[
    "carrier_delay", "customs", "weather", "address", "refused", "damaged", "pickup_missed", "lost"
]


class Data(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of every fact's data."""


# --- orders ---------------------------------------------------------------------------------------


class Sourcing(Data, frozen=True):
    mode: Literal["single", "split"] = "split"
    max_splits: Annotated[int, Meta(ge=1, le=1_000)] | None = None


class ShipTo(Data, frozen=True):
    country: Text | None = None
    region: Text | None = None
    postcode: Text | None = None


class OrderLine(Data, frozen=True):
    line_id: Id
    sku: Id
    qty: Qty
    requested_date: When | None = None
    location: Id | None = None
    pool: Id | None = None
    price: Money | None = None
    substitutes_ok: bool = False


Lines: TypeAlias = Annotated[tuple[OrderLine, ...], Meta(min_length=1, max_length=LINES_MAX)]


class OrderPlaced(Data, frozen=True):
    order_id: Id
    customer_id: Id
    channel: Id
    currency: Annotated[str, Meta(min_length=3, max_length=3)]
    lines: Lines
    region: Text | None = None
    placed_by: Text | None = None
    opportunity_id: Id | None = None
    priority: Rank = 100
    ship_complete: bool = False
    sourcing: Sourcing | None = None
    promised_by: When | None = None
    ship_to: ShipTo | None = None


class OrderChanged(Data, frozen=True):
    revision: Annotated[int, Meta(ge=0, le=QTY_MAX)]
    lines: Lines
    order_id: Id | None = None


class OrderConfirmed(Data, frozen=True):
    pass


class OrderRejected(Data, frozen=True):
    reason: Text


class LineQty(Data, frozen=True):
    line_id: Id
    qty: Qty


class OrderCancelled(Data, frozen=True):
    lines: Annotated[tuple[LineQty, ...], Meta(max_length=LINES_MAX)] | None = None
    reason: Text | None = None


class OrderHoldPlaced(Data, frozen=True):
    hold_id: Id
    reason: HoldReason
    scope: Annotated[tuple[Id, ...], Meta(max_length=LINES_MAX)] | None = None


class OrderHoldReleased(Data, frozen=True):
    hold_id: Id


# --- inventory ------------------------------------------------------------------------------------


class InventoryCounted(Data, frozen=True):
    location: Id
    on_hand: QtyOrZero
    basis: Literal["includes_committed", "excludes_committed"]
    bucket: Bucket = "sellable"


class InventoryAdjusted(Data, frozen=True):
    location: Id
    delta: Delta
    bucket: Bucket = "sellable"
    reason: Text | None = None


class InventoryMoved(Data, frozen=True, rename={"from_bucket": "from", "to_bucket": "to"}):
    location: Id
    qty: Qty
    from_bucket: Bucket
    to_bucket: Bucket


class InventoryReceived(Data, frozen=True):
    location: Id
    qty: Qty
    supply_id: Id | None = None


class InventoryIssued(Data, frozen=True):
    location: Id
    qty: Qty
    order_id: Id | None = None
    shipment_id: Id | None = None


class SupplyScheduled(Data, frozen=True):
    supply_id: Id
    location: Id
    qty: Qty
    due: When
    firmness: Literal["firm", "in_transit", "planned"]


class SupplyRescheduled(Data, frozen=True):
    supply_id: Id
    due: When | None = None
    qty: QtyOrZero | None = None


class SupplyCancelled(Data, frozen=True):
    supply_id: Id


class HoldPlaced(Data, frozen=True):
    hold_id: Id
    qty: Qty
    ttl_s: Ttl
    owner: Text
    location: Id | None = None
    channel: Id | None = None


class HoldExtended(Data, frozen=True):
    hold_id: Id
    ttl_s: Ttl


class HoldReleased(Data, frozen=True):
    hold_id: Id


class HoldConverted(Data, frozen=True):
    hold_id: Id
    order_id: Id
    line_id: Id


class FenceSet(Data, frozen=True):
    channel: Id
    qty: QtyOrZero
    rank: Rank
    location: Id | None = None
    valid_from: When | None = None
    valid_to: When | None = None


class SafetyStockSet(Data, frozen=True):
    location: Id
    qty: QtyOrZero


# --- shipments ------------------------------------------------------------------------------------


class ShipmentLine(Data, frozen=True):
    line_id: Id
    sku: Id
    qty: Qty


ShipmentLines: TypeAlias = Annotated[tuple[ShipmentLine, ...], Meta(min_length=1, max_length=LINES_MAX)]


class ShipmentReleased(Data, frozen=True):
    shipment_id: Id
    location: Id
    lines: ShipmentLines


class ShipmentStep(Data, frozen=True):
    """`shipment.picked`, `shipment.packed` and `shipment.shipped`."""

    shipment_id: Id
    lines: ShipmentLines
    location: Id | None = None
    carrier: Text | None = None
    tracking: Text | None = None


class ShipmentVoided(Data, frozen=True):
    shipment_id: Id
    reason: Text


class ParcelScanned(Data, frozen=True):
    shipment_id: Id
    tracking: Text
    status: ParcelStatus
    detail: Text | None = None
    place: Text | None = None


class ParcelException(Data, frozen=True):
    shipment_id: Id
    kind: ExceptionKind
    detail: Text | None = None


class DeliveryCorrected(Data, frozen=True):
    shipment_id: Id
    cancels: Annotated[str, Meta(min_length=1, max_length=512)]


class PickShort(Data, frozen=True):
    shipment_id: Id
    line_id: Id
    qty: Qty


# --- invoices -------------------------------------------------------------------------------------

Currency: TypeAlias = Annotated[str, Meta(min_length=3, max_length=3)]


class AmountLine(Data, frozen=True):
    line_id: Id
    qty: Qty
    amount: Money


AmountLines: TypeAlias = Annotated[tuple[AmountLine, ...], Meta(min_length=1, max_length=LINES_MAX)]


class InvoicePosted(Data, frozen=True):
    invoice_id: Id
    lines: AmountLines
    total: Money
    currency: Currency


class InvoiceReversed(Data, frozen=True):
    invoice_id: Id


class Payment(Data, frozen=True):
    """`payment.captured` and `payment.refunded`."""

    payment_id: Id
    amount: Money


class CreditMemoIssued(Data, frozen=True):
    memo_id: Id
    lines: AmountLines
    reason: Literal["return", "lost", "price", "other"] | None = None
    restock: bool = False


# --- returns --------------------------------------------------------------------------------------


class ReturnAskedLine(Data, frozen=True):
    line_id: Id
    qty: Qty
    reason: Text | None = None


class ReturnAuthorized(Data, frozen=True):
    return_id: Id
    lines: Annotated[tuple[ReturnAskedLine, ...], Meta(min_length=1, max_length=LINES_MAX)]


class ReturnReceived(Data, frozen=True):
    return_id: Id
    location: Id
    lines: Annotated[tuple[LineQty, ...], Meta(min_length=1, max_length=LINES_MAX)]


class InspectedLine(Data, frozen=True):
    line_id: Id
    qty: Qty
    disposition: Literal["sellable", "damaged", "scrapped"]


class ReturnInspected(Data, frozen=True):
    return_id: Id
    lines: Annotated[tuple[InspectedLine, ...], Meta(min_length=1, max_length=LINES_MAX)]


class ReturnRejected(Data, frozen=True):
    return_id: Id
    reason: Text


# --- credits --------------------------------------------------------------------------------------


class CreditLimitSet(Data, frozen=True):
    limit: Money
    currency: Currency


class CreditExposureChanged(Data, frozen=True):
    exposure: Money


class CreditHold(Data, frozen=True):
    """`credit.hold_placed` and `credit.hold_released`."""

    hold_id: Id


# --- catalog --------------------------------------------------------------------------------------

Days: TypeAlias = Annotated[int, Meta(ge=0, le=3_650)]
Factor: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000_000)]


class KitPart(Data, frozen=True):
    sku: Id
    qty_per: Factor


class Substitute(Data, frozen=True):
    """`ratio` units of `sku` stand for one; a ratio that is not whole is kept and never used."""

    sku: Id
    ratio: Annotated[float, Meta(gt=0, le=1_000_000)] = 1.0
    valid_from: When | None = None
    needs_consent: bool = False


class Successor(Data, frozen=True):
    sku: Id
    valid_from: When


class ProductUpserted(Data, frozen=True):
    sku: Id
    name: Text
    uom: Annotated[str, Meta(min_length=1, max_length=32)]
    pack: Annotated[dict[str, Factor], Meta(max_length=100)] | None = None
    kit: Annotated[tuple[KitPart, ...], Meta(max_length=200)] | None = None
    substitutes: Annotated[tuple[Substitute, ...], Meta(max_length=100)] | None = None
    superseded_by: Successor | None = None
    tracked: bool = True
    lead_time_days: Days | None = None
    unconditional_after_lead_time: bool = False


class ProductDiscontinued(Data, frozen=True):
    sku: Id


class LocationUpserted(Data, frozen=True):
    location: Id
    name: Text
    rank: Rank
    timezone: Annotated[str, Meta(min_length=1, max_length=64)]
    cutoff: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")] | None = None
    """Local time of day up to which what is promised for today ships today."""
    working_days: Annotated[tuple[int | str, ...], Meta(max_length=7)] | None = None
    """ISO numbers (1 is Monday) or English names of days, whole or their first three letters; all if absent."""
    open: bool = True


class PriceSet(Data, frozen=True, rename={"price_list": "list"}):
    sku: Id
    price_list: Id
    amount: Money
    currency: Currency
    valid_from: When
    valid_to: When | None = None


class CustomerUpserted(Data, frozen=True, rename={"customer_class": "class"}):
    customer_id: Id
    name: Text
    customer_class: Text | None = None
    region: Text | None = None


Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=TTL_MAX_S)]
Firmness: TypeAlias = Literal["firm", "in_transit", "planned"]


class Plan(Data, frozen=True):
    """Planned length of the stages of an order's way, in seconds."""

    allocate_s: Seconds = 0
    warehouse_s: Seconds = 0
    transit_s: Seconds = 0


class PolicySet(Data, frozen=True):
    """What is absent is as by default; a policy is replaced as a whole."""

    scope: Id
    horizon_days: Annotated[int, Meta(ge=1, le=730)] = 90
    method: Literal["look_ahead", "cumulative", "discrete"] = "look_ahead"
    supply_fence_days: Days = 0
    supply_offset_days: Days = 0
    demand_fence_days: Days | None = None
    """None: overdue demand always counts."""
    demand_offset_days: Days = 0
    firmness: Annotated[tuple[Firmness, ...], Meta(max_length=3)] = ("firm", "in_transit")
    carry_shortage: bool = True
    ranking: Literal["fifo", "priority_fifo"] = "fifo"
    sourcing: Sourcing | None = None
    invoice_late_days: Days | None = None
    plan: Plan | None = None


# --- the registry ---------------------------------------------------------------------------------


class FactType(msgspec.Struct, frozen=True):
    """One event type. `code` is its number in inbox messages and never changes its meaning."""

    code: int
    name: str
    topic: str
    data: type[Data]
    sources: tuple[str, ...]
    """Kinds of system that may state this fact, by default configuration."""


ORDERS, INVENTORY, SHIPMENTS = "orders", "inventory", "shipments"
INVOICES, RETURNS, CREDITS, CATALOG = "invoices", "returns", "credits", "catalog"
INGRESS_TOPICS: tuple[str, ...] = (ORDERS, INVENTORY, SHIPMENTS, INVOICES, RETURNS, CREDITS, CATALOG)
"""Their places in this tuple are what `Origin.topic` counts; append only."""

FACT_TYPES: tuple[FactType, ...] = (
    FactType(1, "order.placed", ORDERS, OrderPlaced, ("oms",)),
    FactType(2, "order.changed", ORDERS, OrderChanged, ("oms",)),
    FactType(3, "order.confirmed", ORDERS, OrderConfirmed, ("oms",)),
    FactType(4, "order.rejected", ORDERS, OrderRejected, ("oms",)),
    FactType(5, "order.cancelled", ORDERS, OrderCancelled, ("oms",)),
    FactType(6, "order.hold_placed", ORDERS, OrderHoldPlaced, ("oms",)),
    FactType(7, "order.hold_released", ORDERS, OrderHoldReleased, ("oms",)),
    FactType(20, "inventory.counted", INVENTORY, InventoryCounted, ("wms",)),
    FactType(21, "inventory.adjusted", INVENTORY, InventoryAdjusted, ("wms",)),
    FactType(22, "inventory.moved", INVENTORY, InventoryMoved, ("wms",)),
    FactType(23, "inventory.received", INVENTORY, InventoryReceived, ("wms",)),
    FactType(24, "inventory.issued", INVENTORY, InventoryIssued, ("wms",)),
    FactType(25, "supply.scheduled", INVENTORY, SupplyScheduled, ("erp",)),
    FactType(26, "supply.rescheduled", INVENTORY, SupplyRescheduled, ("erp",)),
    FactType(27, "supply.cancelled", INVENTORY, SupplyCancelled, ("erp",)),
    FactType(28, "hold.placed", INVENTORY, HoldPlaced, ("storefront",)),
    FactType(29, "hold.extended", INVENTORY, HoldExtended, ("storefront",)),
    FactType(30, "hold.released", INVENTORY, HoldReleased, ("storefront",)),
    FactType(31, "hold.converted", INVENTORY, HoldConverted, ("storefront", "oms")),
    FactType(32, "fence.set", INVENTORY, FenceSet, ("erp", "wms", "oms")),
    FactType(33, "safety_stock.set", INVENTORY, SafetyStockSet, ("erp", "wms")),
    FactType(50, "shipment.released", SHIPMENTS, ShipmentReleased, ("wms", "carrier")),
    FactType(51, "shipment.picked", SHIPMENTS, ShipmentStep, ("wms", "carrier")),
    FactType(52, "shipment.packed", SHIPMENTS, ShipmentStep, ("wms", "carrier")),
    FactType(53, "shipment.shipped", SHIPMENTS, ShipmentStep, ("wms", "carrier")),
    FactType(54, "shipment.voided", SHIPMENTS, ShipmentVoided, ("wms", "carrier")),
    FactType(55, "parcel.scanned", SHIPMENTS, ParcelScanned, ("wms", "carrier")),
    FactType(56, "parcel.exception", SHIPMENTS, ParcelException, ("wms", "carrier")),
    FactType(57, "delivery.corrected", SHIPMENTS, DeliveryCorrected, ("wms", "carrier")),
    FactType(58, "pick.short", SHIPMENTS, PickShort, ("wms", "carrier")),
    FactType(70, "invoice.posted", INVOICES, InvoicePosted, ("erp",)),
    FactType(71, "invoice.reversed", INVOICES, InvoiceReversed, ("erp",)),
    FactType(72, "payment.captured", INVOICES, Payment, ("erp",)),
    FactType(73, "payment.refunded", INVOICES, Payment, ("erp",)),
    FactType(74, "credit_memo.issued", INVOICES, CreditMemoIssued, ("erp",)),
    FactType(80, "return.authorized", RETURNS, ReturnAuthorized, ("oms", "wms")),
    FactType(81, "return.received", RETURNS, ReturnReceived, ("oms", "wms")),
    FactType(82, "return.inspected", RETURNS, ReturnInspected, ("oms", "wms")),
    FactType(83, "return.rejected", RETURNS, ReturnRejected, ("oms", "wms")),
    FactType(90, "credit.limit_set", CREDITS, CreditLimitSet, ("erp",)),
    FactType(91, "credit.exposure_changed", CREDITS, CreditExposureChanged, ("erp",)),
    FactType(92, "credit.hold_placed", CREDITS, CreditHold, ("erp",)),
    FactType(93, "credit.hold_released", CREDITS, CreditHold, ("erp",)),
    FactType(100, "product.upserted", CATALOG, ProductUpserted, ("erp",)),
    FactType(101, "product.discontinued", CATALOG, ProductDiscontinued, ("erp",)),
    FactType(102, "location.upserted", CATALOG, LocationUpserted, ("erp",)),
    FactType(103, "price.set", CATALOG, PriceSet, ("erp",)),
    FactType(104, "customer.upserted", CATALOG, CustomerUpserted, ("erp", "crm")),
    FactType(105, "policy.set", CATALOG, PolicySet, ("erp",)),
)
FACT_BY_NAME: dict[str, FactType] = {f.name: f for f in FACT_TYPES}
FACT_BY_CODE: dict[int, FactType] = {f.code: f for f in FACT_TYPES}
