"""Where an order stands, in a sentence that a service agent can read to a customer.

It promises nothing that the answer does not say, names no internal reason, and puts the date before the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from springtide.app.view.web.words import instant_of, weekday, words

_DAY_S: Final = 86_400
_LATE_FROM_S: Final = 3_600

CAUSES: Final[dict[str, str]] = {
    "credit_hold": "a check on the account",
    "payment_pending": "the payment has not reached us yet",
    "fraud_review": "a routine check of the order",
    "address_problem": "a question about the delivery address",
    "data_error": "a detail of the order had to be put right",
    "customer_requested": "we were asked to wait with it",
    "compliance_hold": "a check that the law asks for",
    "stock_shortage": "an item was short in stock",
    "supplier_late": "our supplier delivers late",
    "allocation_policy": "the stock there was had to be shared out",
    "quality_hold": "the goods are in a quality check",
    "count_discrepancy": "less was in stock than our books said",
    "location_outage": "a warehouse could not work",
    "warehouse_backlog": "our warehouse is busier than planned",
    "pick_short": "an item was not found where it should be",
    "packing_or_label": "the parcel had to be packed or labelled again",
    "carrier_pickup_missed": "the carrier missed its pickup",
    "carrier_delay": "the carrier is running late",
    "customs": "the parcel is held at customs",
    "weather": "the weather holds up the carrier",
    "attempt_failed": "a delivery was tried and did not succeed",
    "damaged_in_transit": "the parcel was damaged on its way",
    "lost": "the parcel was lost on its way",
    "return_to_sender": "the parcel is on its way back to us",
    "integration_failure": "news of it reached us late",
    "unknown": "we are still looking into the reason",
}


def cause_label(cause: Any) -> str:
    return words(cause)


def customer_sentence(order: Mapping[str, Any]) -> str:
    """One to three sentences: what has happened, when it arrives, and what holds it up."""
    delay = order.get("delay") or {}
    said = [_standing(order)]
    status = order.get("status")
    story = order.get("sentence") or delay.get("sentence")
    if isinstance(story, str) and story:  # the answer tells it itself
        said.append(story)
    elif status not in _OVER:
        said += _arrival(delay)
    elif status in ("DELIVERED", "CLOSED"):
        late = _lateness(delay)
        if late:
            said.append(f"That was {late} later than promised{_because(delay.get('primary'))}.")
    return " ".join(said)


_OVER: Final = frozenset(("REJECTED", "CANCELLED", "RETURNED", "PARTIALLY_RETURNED", "CLOSED", "DELIVERED"))


def _standing(order: Mapping[str, Any]) -> str:
    status = order.get("status")
    total = _sum(order, "ordered") - _sum(order, "cancelled")
    items = _items(total)
    done = {name: _sum(order, name) for name in ("allocated", "shipped", "delivered", "returned")}
    match status:
        case "REJECTED":
            return "We could not accept this order, and nothing of it will be shipped."
        case "CANCELLED":
            return "This order is cancelled."
        case "RETURNED":
            return f"We have received {_all(total)} back."
        case "PARTIALLY_RETURNED":
            return f"We have received {done['returned']} of {items} back."
        case "CLOSED" | "DELIVERED":
            on = _on(_reached(order, "delivered"))
            arrived = f"{_were(total)} delivered{on}" if on else f"{_have(total)} been delivered"
            complete = ", and the order is complete" if status == "CLOSED" else ""
            return f"{_all(total).capitalize()} {arrived}{complete}."
        case "PARTIALLY_DELIVERED":
            return f"{done['delivered']} of {items} {_have(done['delivered'])} been delivered."
        case "SHIPPED":
            return f"{_all(total).capitalize()} {_are(total)} on the way{_with(order)}."
        case "PARTIALLY_SHIPPED":
            return f"{done['shipped']} of {items} {_are(done['shipped'])} on the way{_with(order)}{_waiting(order)}."
        case "ON_HOLD":
            reasons = [hold.get("reason") for hold in order.get("holds") or [] if isinstance(hold, Mapping)]
            known = next((CAUSES[reason] for reason in reasons if reason in CAUSES), None)
            return f"The order is waiting{': ' + known if known else ''}."
        case "IN_FULFILMENT":
            prepared = _sum(order, "released")
            if prepared >= total:
                return f"{_all(total).capitalize()} {_are(total)} being prepared in our warehouse."
            return f"{prepared} of {items} {_are(prepared)} being prepared in our warehouse{_waiting(order)}."
        case "ALLOCATED":
            return (
                f"{_all(total).capitalize()} {_are(total)} set aside, and our warehouse prepares them next."
            )
        case "PARTIALLY_ALLOCATED":
            return f"{done['allocated']} of {items} {_are(done['allocated'])} set aside; we wait for stock of the rest."
        case "BACKORDERED":
            return f"We are waiting for stock of {_all(total)}."
        case "CONFIRMED":
            return "The order is confirmed."
        case "RECEIVED":
            return "We have received the order and are checking it."
    return f"The order stands at: {words(status).lower()}."


def _arrival(delay: Mapping[str, Any]) -> list[str]:
    said = []
    eta = delay.get("eta")
    late = _lateness(delay)
    if instant_of(eta) is not None:
        after = f", {late} later than promised" if late else ""
        said.append(f"We expect delivery on {weekday(eta)}{after}.")
    elif delay.get("at_risk"):
        said.append("Delivery may be later than promised; we can't name the day yet.")
    cause = delay.get("cause") or (delay.get("primary") if late or delay.get("at_risk") else None)
    if cause in CAUSES:
        said.append(f"What holds it up: {CAUSES[cause]}.")
    return said


def _lateness(delay: Mapping[str, Any]) -> str:
    """`3 days`; "" if it is in time. An eta past the promise counts as soon as the answer says how far."""
    seconds = delay.get("lateness_s")
    if not isinstance(seconds, int | float) or seconds < _LATE_FROM_S:
        return ""
    if seconds < _DAY_S:
        hours = round(seconds / 3_600)
        return f"{hours} hour{'' if hours == 1 else 's'}"
    days = round(seconds / _DAY_S)
    return f"{days} day{'' if days == 1 else 's'}"


def _because(cause: Any) -> str:
    return f"; the main reason: {CAUSES[cause]}" if cause in CAUSES else ""


def _sum(order: Mapping[str, Any], name: str) -> int:
    found = (line.get(name) for line in order.get("lines") or [] if isinstance(line, Mapping))
    return sum(value for value in found if isinstance(value, int))


def _waiting(order: Mapping[str, Any]) -> str:
    short = _sum(order, "backordered")
    return f"; {short} {'waits' if short == 1 else 'wait'} for stock" if short else ""


def _reached(order: Mapping[str, Any], name: str) -> Any:
    """When a milestone was last reached."""
    return next(
        (
            m.get("occurred_at")
            for m in reversed(order.get("milestones") or [])
            if isinstance(m, Mapping) and m.get("name") == name
        ),
        None,
    )


def _with(order: Mapping[str, Any]) -> str:
    """The carriers and tracking numbers, as far as there are one or two."""
    known = [
        f"{str(s['carrier']).upper() if len(str(s['carrier'])) <= 4 else s['carrier']}"
        + (f" (tracking {s['tracking']})" if s.get("tracking") else "")
        for s in order.get("shipments") or []
        if isinstance(s, Mapping) and s.get("carrier") and s.get("shipped") and not s.get("voided")
    ]
    return f" with {' and '.join(known)}" if 0 < len(known) <= 2 else ""


def _on(value: Any) -> str:
    return f" on {weekday(value)}" if instant_of(value) is not None else ""


def _items(count: int) -> str:
    return "1 item" if count == 1 else f"{count} items"


def _all(count: int) -> str:
    return "the item" if count == 1 else f"all {count} items"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
