"""Why a SKU's figures are what they are: each change of each figure, under the event that made it."""

from __future__ import annotations

from typing import Any, Final

from springtide.app.standing import Emitted
from springtide.app.view.attribution import Cause, Ledger, Types
from springtide.app.view.events import type_of
from springtide.app.view.questions import AtpQuestion
from springtide.app.view.replay import JoinedRows, Replay
from springtide.app.view.world import Entities
from springtide.codecs.messages import Demand, Fact, InboxMessage, Supplied, decode
from springtide.codecs.times import rfc3339
from springtide.tables import atp
from springtide.tables.catalog import Goods, goods_key
from springtide.tables.rows import ReadRows
from springtide.tables.sku import Head

BEFORE: Final = "before_history"
"""The type of what is kept no more, in sum."""


def explain_atp(world: Entities, question: AtpQuestion) -> dict[str, Any]:
    """`{sku, figures: {name: {value, contributions: [{event_id, type, at, delta}]}}}`; contributions sum
    exactly. What a hold's end brings is the hold's, what a day's coming brings is the order's that waited for
    it. A kit's figures follow from its components' events."""
    rows, now_us = world.sku_rows(question.sku)
    skus = [question.sku, *_components(rows, question.sku)]
    story = _Story(world, question, skus)
    return {
        "sku": question.sku,
        "location": question.location,
        "channel": question.channel,
        "now": rfc3339(now_us),
        "figures": story.tell(),
    }


def _components(rows: ReadRows, sku: str) -> list[str]:
    goods: Goods | None = rows.get(goods_key(sku.encode()))
    kit = None if goods is None or goods.product is None else goods.product.kit
    return [name for name in dict.fromkeys(part.sku for part in kit or ()) if name != sku]


class _Story:
    """The messages of one SKU, or of a kit and its components, and what each did to the figures."""

    def __init__(self, world: Entities, question: AtpQuestion, skus: list[str]) -> None:
        self._question = question
        pasts = {sku: world.past_of_sku(sku) for sku in skus}
        self._replay = Replay(pasts)
        self._before = Cause("", BEFORE, max(past.begin_us for past in pasts.values()))
        """What is kept no more, as one cause."""
        self._skus = skus
        self._types = Types(world)
        self._ledger = Ledger()
        self._last = self._before
        self._orders: dict[str, Cause] = {}
        """Order -> the last event of its own that led to a request."""
        self._placed: dict[str, Cause] = {}
        """Hold -> what placed it."""
        self._holds: dict[str, dict[str, int]] = {sku: {} for sku in skus}
        """SKU -> hold -> its units, as of the last message."""
        self._committed: dict[tuple[str, str], int] = {}
        """SKU and order -> units it had, as it was last told."""

    def tell(self) -> dict[str, Any]:
        if self._before.at_us:
            self._begin()
        self._replay.run(self._told)
        return self._ledger.body()

    def _begin(self) -> None:
        for sku in self._skus:
            head: Head | None = self._replay.work(sku).get(sku.encode())
            if head is not None:
                self._holds[sku] = {h.hold_id: self._units(h.cells) for h in head.holds.values()}
        self._move({self._before: {}}, self._before.at_us)

    def _told(self, sku: str, message: InboxMessage | None, sent: list[Emitted]) -> None:
        work = self._replay.work(sku)
        head: Head | None = work.get(sku.encode())
        holds = {} if head is None else {h.hold_id: self._units(h.cells) for h in head.holds.values()}
        causes = self._due(sku, holds, sent) if message is None else {self._cause(message): {}}
        first = next(iter(causes))
        for hold_id in holds:
            if hold_id not in self._holds[sku]:
                self._placed[hold_id] = first
        self._holds[sku] = holds
        for order_id, units in self._units_told(sent):
            self._committed[sku, order_id] = units
        self._move(causes, work.meta.time_us)
        if message is not None:
            self._last = first

    def _move(self, causes: dict[Cause, dict[str, int]], now_us: int) -> None:
        asked = self._question
        rows = JoinedRows(self._replay, self._skus)
        figures = atp.stock_now(rows, asked.sku, now_us, asked.location, asked.channel)
        if figures is not None:
            if len(self._skus) > 1:  # a kit's figures are not the sums of its components'
                causes = {cause: {} for cause in causes}
            self._ledger.move(figures, causes)

    def _cause(self, message: InboxMessage) -> Cause:
        if isinstance(message, Fact):
            return Cause(message.event_id, type_of(message), message.time_us)
        if isinstance(message, Demand):
            name = message.event_id
            known = self._orders.get(message.order_id)
            if not name and known is not None:
                return known
            kind = self._types.of_order(message.order_id, name)
            cause = self._orders[message.order_id] = Cause(name, kind, message.time_us)
            return cause
        return self._last

    def _due(self, sku: str, holds: dict[str, int], sent: list[Emitted]) -> dict[Cause, dict[str, int]]:
        """Whose time had come: holds that died, else orders whose lines fell due."""
        causes: dict[Cause, dict[str, int]] = {}
        for hold_id, units in self._holds[sku].items():
            if hold_id not in holds:
                parts = causes.setdefault(self._placed.get(hold_id, self._last), {})
                _add(parts, held=-units, available_now=units)
        if not causes:
            for order_id, units in self._units_told(sent):
                more = units - self._committed.get((sku, order_id), 0)
                parts = causes.setdefault(self._orders.get(order_id, self._last), {})
                _add(parts, committed=more, available_now=-more)
        return causes or {self._last: {}}

    def _units_told(self, sent: list[Emitted]) -> list[tuple[str, int]]:
        """(order, units it has here) as orders were told in a step."""
        found = []
        for emitted in sent:
            if not emitted.key or not emitted.topic.startswith("inbox"):
                continue
            message = decode(emitted.value or b"")
            if isinstance(message, Supplied):
                units = sum(self._units(line.cells) for line in message.lines)
                found.append((emitted.key.decode(), units))
        return found

    def _units(self, cells: dict[str, int]) -> int:
        location = self._question.location
        return sum(cells.values()) if location is None else cells.get(location, 0)


def _add(parts: dict[str, int], **more: int) -> None:
    for name, units in more.items():
        parts[name] = parts.get(name, 0) + units
