"""Entities as they were: each asked for is replayed from its own messages, as far as they had come by then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from springtide.agents.work import Work
from springtide.app.view.questions import At
from springtide.app.view.replay import Replay, until
from springtide.app.view.world import Entities, Past
from springtide.codecs.facts import Plan
from springtide.tables.order import Order
from springtide.tables.plans import plan_of


class PastWorld:
    """See the module. What other entities did in between is as they did it: an answer that came of something
    told only later is left out, and its effects elsewhere are not."""

    def __init__(self, now: Entities, at: At) -> None:
        self._now = now
        self._at = at
        self._skus: dict[str, Work] = {}

    @property
    def now_us(self) -> int:
        limit_us = self._at.known_at_us if self._at.as_of_us is None else self._at.as_of_us
        return self._now.now_us if limit_us is None else limit_us

    def sku_rows(self, sku: str) -> tuple[PastRows, int]:
        return PastRows(self, sku), self.sku(sku).meta.time_us

    def sku(self, sku: str) -> Work:
        work = self._skus.get(sku)
        if work is None:
            replay = Replay({sku: self.past_of_sku(sku)})
            replay.run()
            work = self._skus[sku] = replay.work(sku)
        return work

    def order(self, order_id: str) -> tuple[Order | None, int]:
        replay = Replay({order_id: self.past_of_order(order_id)})
        replay.run()
        work = replay.work(order_id)
        return work.get(order_id.encode()), work.meta.time_us

    def plan(self, order: Order) -> Plan | None:
        skus = dict.fromkeys(line.sku for line in order.lines.values())
        rows = PastRows(self, next(iter(skus), ""))
        return plan_of(rows.get, order)

    def at(self, at: At) -> Entities:
        return self if at.is_now else PastWorld(self, at)

    def past_of_sku(self, sku: str) -> Past:
        return until(self._now.past_of_sku(sku), self._at)

    def past_of_order(self, order_id: str) -> Past:
        return until(self._now.past_of_order(order_id), self._at)


class PastRows:
    """Rows of any SKU then; what concerns all SKUs is what the first knew of it."""

    def __init__(self, world: PastWorld, first: str) -> None:
        self._world = world
        self._first = first

    def get(self, key: bytes) -> Any:
        return self._of(key).get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return self._of(prefix).scan(prefix)

    def _of(self, key: bytes) -> Work:
        name = key.partition(b"\x00")[0]
        return self._world.sku(name.decode() if name else self._first)
