"""What a view does beside answering and following: keeps its lists up to date, and lets go of what is too old."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog

from springtide.agents.order import decode_order
from springtide.agents.sku import decode_row
from springtide.agents.topics import ATP, DEAD_LETTERS, ORDER_STATUS
from springtide.app.engine.store import StoreFailed
from springtide.app.view import letters
from springtide.app.view.folding import Folding
from springtide.app.view.follower import PREFIXES, Follower
from springtide.app.view.index import AFTER_S, WAITING_MAX, OrderIndex
from springtide.app.view.kpis import letter_slot
from springtide.app.view.rows import Puts, Rows
from springtide.codecs.letters import DeadLetter, decode_dead_letter
from springtide.tables.catalog import Goods, goods_key

SLICE_S: Final = 0.002
PAUSE_S: Final = 0.005
IDLE_S: Final = 0.05
SWEEP_ORDERS: Final = 20
"""Open orders looked at in each idle turn: 400 a second,"""
BUSY_TURNS: Final = 5
BUSY_S: Final = 2.0
"""and where records have come within so long, in one turn of so many: 80 a second."""
FOLD_EVERY_S: Final = 30.0
SETTLED_WITHIN_S: Final = 1.0

COMPOUND: Final = b"Q"
"""Before a SKU in the key of what orders must know of it: how it is had in another way than as itself."""
_ATP: Final = PREFIXES[ATP]
_GOODS: Final = goods_key(b"")

_log = structlog.get_logger("springtide.view")


class Keeping:
    """See the module. `run` until cancelled."""

    def __init__(
        self, follower: Follower, index: OrderIndex, history_days: int, folding: Callable[[], Folding]
    ) -> None:
        self._follower = follower
        self._index = index
        self._history_days = history_days
        self._folding = folding
        self._counts_letters = False
        self._turns = 0
        self._heard_s = 0.0
        self._heard = self._round = self._swept = -1
        """Records read by the last turn, by the begin of this round of sweeping, and by that of the last one."""

    def changed(self, shown: Puts | None) -> None:
        """Told by the follower, in the turn of the loop in which rows are shown."""
        rows = self._follower.rows
        self._index.changed(shown, rows)
        if shown is None or rows is None:
            self._counts_letters = False
            return
        kind = next(iter(shown), b"")[:1]  # rows that are shown together are of one kind
        if kind == _ATP:
            goods: Puts = {}
            for key, raw in shown.items():
                if key.endswith(_GOODS):
                    goods[COMPOUND + key[1 : -len(_GOODS)]] = raw if _matters(key[1:], raw) else None
            rows.put(goods)
        elif self._counts_letters:
            for key, raw in shown.items():
                if key[:1] == letters.LETTER and raw is not None:
                    self._count(decode_dead_letter(raw), rows)

    async def run(self) -> None:
        folded_s = 0.0
        while True:
            rows = self._follower.rows
            if rows is None or not self._follower.loaded:
                await asyncio.sleep(IDLE_S)
                continue
            try:
                if not self._index.loaded:
                    await self._load(rows)
                if not self._index.settle(rows, SLICE_S, AFTER_S):
                    await asyncio.sleep(PAUSE_S if self._is_busy() else 0)
                    continue
                self._sweep(rows)
                is_time = self._history_days > 0 and perf_counter() - folded_s > FOLD_EVERY_S
                if is_time and not self._folding().some(rows, self._history_days):
                    folded_s = perf_counter()
            except StoreFailed as error:
                _log.warning("the view's lists are not kept up to date", why=str(error))
            await asyncio.sleep(IDLE_S)

    def _is_busy(self) -> bool:
        """Whether records have come of late."""
        records, now_s = self._follower.records, perf_counter()
        if records != self._heard:
            self._heard, self._heard_s = records, now_s
        return now_s - self._heard_s < BUSY_S

    def _sweep(self, rows: Rows) -> None:
        """Time moves with records: where none have come since a round began that is over, the next would find
        nothing."""
        is_busy, records = self._is_busy(), self._follower.records
        if records == self._swept:
            return
        self._turns += 1
        if is_busy and self._turns % BUSY_TURNS:
            return
        if self._index.sweep(rows, SWEEP_ORDERS):
            self._swept, self._round = self._round, records

    async def settled(self) -> None:
        """Waits until the lists have all that is shown, or for SETTLED_WITHIN_S; then they are behind, and
        `behind_ms` tells."""
        rows = self._follower.rows
        if rows is None or not self._index.loaded:
            raise self._follower.not_ready()
        until_s = perf_counter() + SETTLED_WITHIN_S
        # Where far too many wait, nobody is helped if each who asks works at them for so long.
        while self._index.waiting <= WAITING_MAX and perf_counter() < until_s:
            if self._index.settle(rows, SLICE_S):
                return
            await asyncio.sleep(0)

    @property
    def behind_ms(self) -> int:
        """How old the oldest change is that lists do not have yet."""
        return round(self._index.behind_s * 1_000)

    async def _load(self, rows: Rows) -> None:
        for feed in self._follower.feeds.get(DEAD_LETTERS, ()):
            if not feed.is_at_end:
                return
        self._index.letters = {}
        self._counts_letters = True
        stored = rows.scan(letters.LETTER)  # as of now: what is shown from now on is counted as it comes
        for number, (_, raw) in enumerate(stored):
            self._count(decode_dead_letter(raw), rows)
            if number % 500 == 499:
                await asyncio.sleep(0)
        for _ in self._index.load(rows):
            await asyncio.sleep(0)

    def _count(self, letter: DeadLetter, rows: Rows) -> None:
        order = None
        for order_id in letter.impact.orders[:1]:
            raw = rows.get(PREFIXES[ORDER_STATUS] + order_id.encode())
            order = None if raw is None else decode_order(raw)
        slot = letter_slot(letter, order)
        counts = self._index.letters
        counts[slot] = counts.get(slot, 0) + 1


def _matters(key: bytes, raw: bytes | None) -> bool:
    if raw is None:
        return False
    goods: Goods = decode_row(key, raw)
    return goods.matters_to_orders
