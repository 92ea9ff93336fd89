"""Which event made which part of a figure: differences from message to message, each under its event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from springtide.app.view.events import id_of, source_of, type_of
from springtide.app.view.world import Entities, Past
from springtide.codecs.messages import Fact, decode
from springtide.codecs.times import rfc3339


class Cause(NamedTuple):
    """An event, by the name that actors give it (source and id), its type, and when it occurred."""

    name: str
    type: str | None
    at_us: int


class Types:
    """Types of events by their names, as the entities they were told to have heard them."""

    def __init__(self, world: Entities) -> None:
        self._world = world
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    def of_sku(self, sku: str, name: str) -> str | None:
        known = self._known.get(("sku", sku))
        if known is None:
            known = self._known["sku", sku] = _types(self._world.past_of_sku(sku))
        return known.get(name)

    def of_order(self, order_id: str, name: str) -> str | None:
        known = self._known.get(("order", order_id))
        if known is None:
            known = self._known["order", order_id] = _types(self._world.past_of_order(order_id))
        return known.get(name)


def _types(past: Past) -> dict[str, str]:
    messages = (decode(heard.record.value or b"") for heard in past.heard)
    return {message.event_id: type_of(message) for message in messages if isinstance(message, Fact)}


class Ledger:
    """Figures and their contributions; they sum exactly to what each figure is."""

    def __init__(self) -> None:
        self._values: dict[str, int] = {}
        self._parts: dict[str, dict[str, tuple[Cause, int]]] = {}

    def move(self, figures: Mapping[str, int], causes: Mapping[Cause, Mapping[str, int]]) -> None:
        """What the figures are now. Each cause takes the part it is known to have made; the rest of a change
        is the first one's."""
        first = next(iter(causes))
        for name, value in figures.items():
            delta = value - self._values.get(name, 0)
            self._values[name] = value
            if not delta:
                continue
            for cause, parts in causes.items():
                if cause is not first:
                    part = parts.get(name, 0)
                    self._add(name, cause, part)
                    delta -= part
            self._add(name, first, delta)

    def _add(self, name: str, cause: Cause, delta: int) -> None:
        if not delta:
            return
        parts = self._parts.setdefault(name, {})
        known = parts.get(cause.name)
        parts[cause.name] = (cause, delta) if known is None else (known[0], known[1] + delta)

    def body(self) -> dict[str, Any]:
        """Figure -> `{value, contributions: [{event_id, source, type, at, delta}]}`, in the order of causes."""
        return {
            name: {
                "value": value,
                "contributions": [
                    {
                        "event_id": id_of(cause.name),
                        "source": source_of(cause.name),
                        "type": cause.type,
                        "at": rfc3339(cause.at_us),
                        "delta": delta,
                    }
                    for cause, delta in self._parts.get(name, {}).values()
                    if delta
                ],
            }
            for name, value in self._values.items()
        }
