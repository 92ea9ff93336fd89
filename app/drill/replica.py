"""Compares what the view answers over HTTP with what verify has recomputed from the logs."""

from __future__ import annotations

import http.client
import random
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from springtide.app.drill.outcome import DrillFailed
from springtide.app.view.positions import token

CAUGHT_UP_S_MAX: Final = 60.0
ORDERS_MAX: Final = 3_000
"""Orders asked for; of more, a sample."""
KEPT_MAX: Final = 20
_BATCH: Final = 500
_TIMEOUT_S: Final = 30.0
_FIGURES: Final = ("on_hand", "safety_stock", "committed", "held", "backordered", "available_now")
_QUANTITIES: Final = ("sku", "ordered", "cancelled", "allocated", "backordered")
_STEPS: Final = ("released", "picked", "packed", "shipped", "short")

Picture = tuple[str, dict[str, Any]]
"""(id, what verify says of it)"""


class Compared(msgspec.Struct):
    """What the comparison has found."""

    skus: int = 0
    orders: int = 0
    different: int = 0
    shown: list[str] = []
    """The first differences, in words."""


class Asker:
    """One connection to a view. Raises OSError or HTTPException when it does not answer."""

    def __init__(self, url: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._connection = http.client.HTTPConnection(
            address.hostname or "", address.port, timeout=_TIMEOUT_S
        )

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask("GET", path, None)

    def post(self, path: str, body: object) -> tuple[int, Any]:
        return self._ask("POST", path, msgspec.json.encode(body))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: bytes | None) -> tuple[int, Any]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())


def compare(
    url: str, skus: Iterable[Picture], orders: Sequence[Picture], positions: Mapping[str, int], seed: int
) -> Compared:
    """Asks the view for all SKUs and for orders, at these positions or later. Raises DrillFailed if it does
    not get there."""
    asker = Asker(url)
    found = Compared()
    try:
        _catch_up(asker, positions)
        for batch in _batches(skus):
            _, body = asker.post("/v1/atp:batch", {"items": [{"sku": sku} for sku, _ in batch]})
            for (sku, picture), answer in zip(batch, body["items"], strict=True):
                found.skus += 1
                _note(found, sku, sku_difference(picture, answer))
        chance = random.Random(seed)  # noqa: S311 - it is to be predictable
        for order_id, picture in orders if len(orders) <= ORDERS_MAX else chance.sample(orders, ORDERS_MAX):
            _, answer = asker.get("/v1/orders/" + urllib.parse.quote(order_id, safe=""))
            found.orders += 1
            _note(found, order_id, order_difference(picture, answer))
    except (OSError, http.client.HTTPException) as error:
        raise DrillFailed(f"The view at {url} does not answer: {error!r}.") from error
    finally:
        asker.close()
    return found


def allocated(url: str, order_ids: Sequence[str]) -> dict[str, int]:
    """Order -> units allocated to all its lines, of those that the view knows. Raises DrillFailed."""
    asker = Asker(url)
    found: dict[str, int] = {}
    try:
        for order_id in order_ids:
            status, answer = asker.get("/v1/orders/" + urllib.parse.quote(order_id, safe=""))
            if status == http.HTTPStatus.OK:
                found[order_id] = sum(line["allocated"] for line in answer["lines"])
    except (OSError, http.client.HTTPException) as error:
        raise DrillFailed(f"The view at {url} does not answer: {error!r}.") from error
    finally:
        asker.close()
    return found


def sku_difference(picture: Mapping[str, Any], answer: Mapping[str, Any]) -> str | None:
    """The first figure of an answer that is not what was recomputed, in words; None if there is none."""
    if not picture["known"]:
        return None if answer.get("status") == http.HTTPStatus.NOT_FOUND else "answered, but no fact names it"
    if answer.get("untracked"):
        return None if answer["on_hand"] is None else "answered with units, but nothing is counted of it"
    if "locations" not in answer:
        return f"not answered: {answer.get('detail')}"
    due = {place: _figures(cell) for place, cell in picture["cells"].items()}
    stands = {one["location"]: {name: one[name] for name in _FIGURES} for one in answer["locations"]}
    nothing = dict.fromkeys(_FIGURES, 0)
    for place in {**due, **stands}:
        if stands.get(place, nothing) != due.get(place, nothing):
            return f"at {place} it answers {stands.get(place)}, recomputed {due.get(place)}"
    total = {name: sum(figures[name] for figures in due.values()) for name in _FIGURES}
    closed = [one["location"] for one in answer["locations"] if not one.get("open", True)]
    total["available_now"] -= sum(due[place]["available_now"] for place in closed if place in due)
    total["backordered"] += picture["backordered"]
    total["available_now"] -= picture["backordered"]
    if not due:
        del total["available_now"]  # a kit that never lay anywhere: what its components give
    for name, figure in total.items():
        if answer[name] != figure:
            return f"{name} is answered as {answer[name]}, recomputed {figure}"
    holds = {hold["hold_id"]: hold["qty"] for hold in answer["holds"]}
    if holds != (due_holds := {name: sum(hold["cells"].values()) for name, hold in picture["holds"].items()}):
        return f"holds are answered as {holds}, recomputed {due_holds}"
    return None


def order_difference(picture: Mapping[str, Any], answer: Mapping[str, Any]) -> str | None:
    """The same of an order."""
    if not picture["placed"]:
        return None if answer.get("status") == http.HTTPStatus.NOT_FOUND else "answered, but not placed"
    if "lines" not in answer:
        return f"not answered: {answer.get('detail')}"
    lines = {line["line_id"]: line for line in answer["lines"]}
    shipments = {shipment["shipment_id"]: shipment for shipment in answer["shipments"]}
    pairs: list[tuple[str, Any, Any]] = [
        (name, answer[name], picture[name]) for name in ("status", "version", "rejected")
    ]
    pairs += [
        ("correlation_id", answer["correlation_id"], picture["correlation"]),
        (
            "holds",
            {hold["hold_id"]: hold["reason"] for hold in answer["holds"]},
            # Those of its customer have a mark before their names.
            {name.lstrip("\x00"): hold[0] for name, hold in picture["holds"].items() if hold[3] is None},
        ),
        ("shipments", set(shipments), set(picture["shipments"])),
        # Lines that nobody ordered follow from shipments alone.
        ("lines", {name for name, line in lines.items() if line["ordered"]}, set(picture["lines"])),
        (
            "milestones",
            sorted((m["name"], _event(m), m["inferred"], m["superseded"]) for m in answer["milestones"]),
            sorted((name, m[2], m[3], m[4]) for name, m in picture["milestones"].items()),
        ),
        (
            "exceptions",
            sorted((e["kind"], _event(e)) for e in answer["exceptions"]),
            sorted((e[0], e[1]) for e in picture["exceptions"]),
        ),
    ]
    pairs += [
        (f"{name} of line {line_id}", lines.get(line_id, {}).get(name), line[name])
        for line_id, line in picture["lines"].items()
        for name in _QUANTITIES
    ]
    pairs += [
        (f"{step} of shipment {name}", shipments.get(name, {}).get(step), shipment[step])
        for name, shipment in picture["shipments"].items()
        for step in (*_STEPS, "carrier", "tracking", "voided")
    ]
    for name, stands, due in pairs:
        if stands != due:
            return f"{name}: answered {stands}, recomputed {due}"
    return None


def _event(named: Mapping[str, Any]) -> str:
    """An event as actors name it."""
    source, event_id = named["source"], named["event_id"]
    return f"{source} {event_id}" if source is not None else event_id or ""


def _figures(cell: Mapping[str, int]) -> dict[str, int]:
    taken = cell["committed"] + cell["held"] + cell["backordered"]
    return {
        "on_hand": cell["sellable"] + cell["damaged"] + cell["quality_control"] + cell["reserved_other"],
        "safety_stock": cell["safety_stock"],
        "committed": cell["committed"],
        "held": cell["held"],
        "backordered": cell["backordered"],
        "available_now": cell["sellable"] - cell["safety_stock"] - taken,
    }


def _catch_up(asker: Asker, positions: Mapping[str, int]) -> None:
    """Waits by the API's own means: an answer at `min_position`."""
    body = {"items": [{"sku": "any"}]}
    path = "/v1/atp:batch?min_position=" + urllib.parse.quote(token(positions))
    deadline = time.monotonic() + CAUGHT_UP_S_MAX
    while (answered := asker.post(path, body))[0] != http.HTTPStatus.OK:
        if time.monotonic() > deadline:
            raise DrillFailed(f"The view did not catch up: {answered[1].get('detail')}")
        time.sleep(0.1)


def _batches(skus: Iterable[Picture]) -> Iterator[list[Picture]]:
    batch: list[Picture] = []
    for one in skus:
        batch.append(one)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _note(found: Compared, name: str, difference: str | None) -> None:
    if difference is not None:
        found.different += 1
        if len(found.shown) < KEPT_MAX:
            found.shown.append(f"{name}: {difference}")
