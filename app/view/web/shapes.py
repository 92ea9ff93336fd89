"""Rows of answers as the pages list them: what a reader looks for first, whichever of its fields are there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from springtide.app.view.web.asking import path, with_query
from springtide.app.view.web.words import instant_of

Row = Mapping[str, Any]

LEDGER: Final = (
    "ordered",
    "cancelled",
    "allocated",
    "backordered",
    "released",
    "picked",
    "packed",
    "shipped",
    "delivered",
    "lost",
    "returned",
    "restocked",
    "invoiced",
    "credited",
)
_STEPS: Final = ("released", "picked", "packed", "shipped")
SHIPMENTS_MAX: Final = 30
PAPERS_MAX: Final = 60
_ALWAYS: Final = ("ordered", "allocated", "shipped", "delivered")
_TYPE: Final = re.compile(r"springtide\.([a-z_.]+)\.v\d+")
VALUE_SHOWN_MAX: Final = 6_000
"""Characters of an event's text on a page."""


# --- SKUs ---


def available(body: Row) -> dict[str, Any]:
    """The one figure of a SKU, in words: `12 available`, `3 short`, `not tracked`."""
    now = body.get("available_now")
    if body.get("untracked") or now is None:
        return {"figure": None, "said": "not tracked", "tone": "calm"}
    if now < 0:
        return {"figure": -now, "said": "short", "tone": "bad"}
    return {"figure": now, "said": "available now", "tone": "good" if now else "warn"}


def fenced_channels(body: Row) -> list[str]:
    """Channels with a fence, in the order of the answer."""
    return list(dict.fromkeys(f["channel"] for f in _dicts(body.get("fences")) if f.get("channel")))


def discrete(body: Row) -> list[dict[str, Any]]:
    """The buckets of the discrete row that are not blank."""
    return [entry for entry in _dicts(body.get("discrete")) if entry.get("atp") is not None]


def at_risk(row: Row) -> dict[str, Any]:
    """A promise that breaks."""
    order_id = str(row.get("order_id", ""))
    return {
        "order_id": order_id,
        "href": path("order", order_id),
        "line_id": row.get("line_id"),
        "sku": row.get("sku"),
        "sku_href": path("sku", str(row["sku"])) if row.get("sku") else None,
        "qty": row.get("qty"),
        "was": row.get("promised"),
        "now": row.get("date"),
        "cause": row.get("cause"),
    }


# --- orders ---


def order_row(row: Row) -> dict[str, Any]:
    """One order of a list."""
    order_id = str(row.get("order_id", ""))
    return {
        "order_id": order_id,
        "href": path("order", order_id),
        "status": row.get("status"),
        "customer_id": row.get("customer_id"),
        "channel": row.get("channel"),
        "region": row.get("region"),
        "placed_at": row.get("placed_at"),
        "cause": row.get("cause"),
        "promised_by": row.get("promised_by"),
        "eta": row.get("eta"),
        "at_risk": bool(row.get("at_risk")),
    }


def ledger_steps(body: Row) -> list[str]:
    """The quantities worth a column: those every order has, and those that some line has."""
    lines = _dicts(body.get("lines"))
    return [name for name in LEDGER if name in _ALWAYS or any(line.get(name) for line in lines)]


def shipments(body: Row) -> list[dict[str, Any]]:
    """Shipments, each with `progress`: a row of units for each line, a column for each step it has reached."""
    found = []
    for shipment in _dicts(body.get("shipments"))[:SHIPMENTS_MAX]:
        units = {
            step: shipment[step]
            for step in _STEPS
            if isinstance(shipment.get(step), Mapping) and shipment[step]
        }
        lines = dict.fromkeys(line_id for of_step in units.values() for line_id in of_step)
        rows = [
            {"line_id": line_id, "units": [of_step.get(line_id) for of_step in units.values()]}
            for line_id in lines
        ]
        found.append({**shipment, "progress": {"steps": list(units), "rows": rows} if rows else None})
    return found


def papers(facts: Sequence[Row]) -> list[dict[str, Any]]:
    """Invoices, credit memos and payments of a timeline, in its order, each once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in facts:
        name, data = row.get("type"), row.get("data")
        if not isinstance(data, Mapping):
            continue
        if name == "invoice.reversed":
            found.get(("Invoice", str(data.get("invoice_id"))), {})["reversed"] = True
        for kind, of_fact, key in _PAPERS:
            if name == of_fact and (kind, str(data.get(key))) not in found:
                found[kind, str(data.get(key))] = {
                    "kind": kind,
                    "id": data.get(key),
                    "at": row.get("time"),
                    "amount": data.get("total") or data.get("amount") or _sum_of(data.get("lines")),
                    "currency": data.get("currency"),
                    "reason": data.get("reason"),
                    "units": {line.get("line_id"): line.get("qty") for line in _dicts(data.get("lines"))},
                    "reversed": False,
                }
    return list(found.values())[:PAPERS_MAX]


_PAPERS: Final = (
    ("Invoice", "invoice.posted", "invoice_id"),
    ("Credit memo", "credit_memo.issued", "memo_id"),
    ("Payment", "payment.captured", "payment_id"),
    ("Refund", "payment.refunded", "payment_id"),
)


def _sum_of(lines: Any) -> str | None:
    """The amounts of lines together, a decimal string; None if one can't be read."""
    try:
        return str(sum((Decimal(line["amount"]) for line in _dicts(lines)), Decimal(0))) if lines else None
    except (KeyError, TypeError, ArithmeticError):
        return None


def billing(body: Row) -> list[dict[str, Any]]:
    """By line, what was shipped beside what was billed; `gap` is billed less shipped."""
    found = []
    for line in _dicts(body.get("lines")):
        shipped, invoiced, credited = (line.get(n) or 0 for n in ("shipped", "invoiced", "credited"))
        if shipped or invoiced or credited:
            found.append(
                {
                    "line_id": line.get("line_id"),
                    "sku": line.get("sku"),
                    "shipped": shipped,
                    "invoiced": invoiced,
                    "credited": credited,
                    "gap": invoiced - credited - shipped,
                }
            )
    return found


def occurred_by(facts: Sequence[Row], as_of: str | None) -> list[Row]:
    """The facts that had occurred at an instant; all of them without one."""
    until = instant_of(as_of)
    return [
        row for row in facts if until is None or (at := instant_of(row.get("time"))) is None or at <= until
    ]


def fact(row: Row) -> dict[str, Any]:
    """An entry of a timeline."""
    return {
        "time": row.get("time"),
        "recorded": row.get("recordedtime"),
        "late": _apart(row.get("time"), row.get("recordedtime")),
        "type": row.get("type"),
        "milestones": row.get("milestones") or [],
        "source": row.get("source"),
        "event_id": row.get("event_id"),
        "inferred": bool(row.get("inferred")),
        "superseded": bool(row.get("superseded")),
    }


def mismatch(row: Row) -> dict[str, Any]:
    """An order whose invoices and shipments disagree."""
    order_id = str(row.get("order_id", ""))
    return {
        "order_id": order_id,
        "href": path("order", order_id),
        "kinds": row.get("kinds") or [],
        "finance": row.get("finance"),
        "shipped": row.get("shipped"),
        "invoiced": row.get("invoiced"),
        "credited": row.get("credited"),
    }


# --- exceptions ---


def exception(row: Row) -> dict[str, Any]:
    """Something that could not be applied, or contradicts: with whom it concerns."""
    given = row.get("impact")
    impact: Row = given if isinstance(given, Mapping) else {}
    concerned = {
        name: [str(one) for one in _listed(impact.get(name))]
        for name in ("orders", "skus", "shipments", "invoices", "customers")
    }
    value = row.get("value")
    return {
        "id": str(row.get("id", "")),
        "kind": row.get("kind"),
        "field": row.get("field"),
        "reason": row.get("detail"),
        "event_id": row.get("event_id"),
        "event_name": _event_name(row.get("type")),
        "source": row.get("source"),
        "at": row.get("at"),
        "place": _place(row),
        "state": row.get("state"),
        "process": row.get("process"),
        "consequence": impact.get("consequence"),
        "open_orders": _dicts(impact.get("open_orders")),
        "concerned": concerned,
        "weight": sum(len(ids) for ids in concerned.values()),
        "event": None if value is None else _text(value)[:VALUE_SHOWN_MAX],
        "event_cut": value is not None and len(_text(value)) > VALUE_SHOWN_MAX,
        "text": _whole_event(value),
        "action": action(row["action"]) if isinstance(row.get("action"), Mapping) else None,
    }


def action(row: Row) -> dict[str, Any]:
    """What somebody did about an exception; `id` where it is of a list."""
    return {
        "id": str(row.get("id", "")),
        "href": path_to_exception(str(row.get("id", ""))),
        "action": row.get("action"),
        "by": row.get("by"),
        "at": row.get("at"),
        "reason": row.get("reason"),
        "event_id": row.get("event_id"),
        "mended": bool(row.get("mended")),
    }


def path_to_exception(name: str) -> str:
    return with_query("/exceptions", {"open": name}) + "#opened"


def _whole_event(value: Any) -> str:
    """The event as text to be mended; empty where what is known of it is none: cut, in parts, or no JSON."""
    try:
        found = msgspec.json.decode(value) if isinstance(value, str) else None
    except (msgspec.DecodeError, RecursionError):
        return ""
    return _text(value).strip() if isinstance(found, dict) and "specversion" in found else ""


def _event_name(type_name: Any) -> str | None:
    """`springtide.order.placed.v1` -> `order.placed`; what is no such type stays as it is."""
    if not isinstance(type_name, str):
        return None
    found = _TYPE.fullmatch(type_name)
    return found.group(1) if found else type_name


def _place(row: Row) -> str | None:
    place = row.get("place")
    if not isinstance(place, Mapping):
        return None
    return f"{place.get('topic')}/{place.get('partition')} at {place.get('offset')}"


# --- leniency ---


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _apart(one: Any, other: Any) -> bool:
    """Whether two clocks differ by more than what is shown of them."""
    return isinstance(one, str) and isinstance(other, str) and one[:16] != other[:16]


def _text(value: Any) -> str:
    if isinstance(value, str):
        try:
            return msgspec.json.format(value, indent=2)
        except (msgspec.DecodeError, ValueError):
            return value
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
