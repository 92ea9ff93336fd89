"""The whole trade, one emission after the other as they arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import log
from typing import Final

from springtide.app.trade.aftermath import Aftermath
from springtide.app.trade.agenda import Agenda
from springtide.app.trade.broken import KINDS, spoil
from springtide.app.trade.catalog import Catalog
from springtide.app.trade.credit import Credit
from springtide.app.trade.emission import HOUR_MS, Emission, Pen
from springtide.app.trade.floor import Floor
from springtide.app.trade.orders import Orders
from springtide.app.trade.shipments import Parcels
from springtide.app.trade.spec import TradeSpec
from springtide.app.trade.stock import Book
from springtide.codecs.times import TIME_MAX_US

_DAY_PROFILE: Final = tuple(
    weight * 24 / 240
    for weight in (3, 2, 1, 1, 1, 2, 5, 8, 11, 13, 14, 13, 12, 12, 12, 12, 13, 14, 16, 19, 21, 18, 11, 6)
)
"""How many orders come in each hour of the day, against the day's mean."""
_END_MS: Final = TIME_MAX_US // 1_000 - 100 * 24 * HOUR_MS


def generate(spec: TradeSpec) -> Iterator[Emission]:
    """The trade of a spec: the catalog and opening counts, then the interleaved lives of its orders.

    It is ordered by arrival, and never ends if `spec.orders` is None. What must be refused is a `Broken`,
    which says why; a duplicate is the same object once more. Takes some 100 bytes of memory for each SKU
    and location, and 10 kB for each order that is on its way.
    """
    rng = random.Random(spec.seed)  # noqa: S311 - it is to be predictable
    pen = Pen(rng, spec.binary_share)
    agenda = Agenda(spec, rng)
    book = Book(spec, rng, pen, agenda)
    catalog = aftermath = credit = None
    if spec.is_whole:
        catalog = Catalog(spec, rng, pen, agenda, book)
        aftermath = Aftermath(spec, rng, pen, agenda, book)
        credit = Credit(spec, rng, pen, agenda)
    parcels = Parcels(spec, rng, pen, agenda, book, aftermath)
    orders = Orders(spec, rng, pen, agenda, book, parcels, credit)
    floor = Floor(spec, rng, pen, agenda, book, catalog)
    if catalog is not None and spec.opening:
        yield from catalog.opening()
    yield from book.opening()
    luck, heap, pop, apply = rng.random, agenda.heap, agenda.pop, book.apply
    broken_share = spec.broken_share
    last = -1 if spec.orders is None else spec.orders
    order_odds = 1 / (1 + floor.per_order)
    now = float(spec.start_ms)
    gap_ms = HOUR_MS / spec.orders_per_hour * order_odds
    while True:
        open_still = orders.placed != last and now < _END_MS
        while heap and (heap[0][0] <= now or not open_still):
            _at_ms, _number, emission, effects = pop()
            if effects:
                apply(effects)
            yield emission
            if luck() < broken_share and emission.value.startswith(b'{"specversion"'):
                yield spoil(emission, KINDS[int(luck() * len(KINDS))], pen.next_id())
        if not open_still:
            return
        if luck() < order_odds:
            orders.place(int(now))
        else:
            floor.happen(int(now))
        now -= log(1.0 - luck()) * gap_ms / _DAY_PROFILE[int(now // HOUR_MS % 24)]
