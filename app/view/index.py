"""Which orders are what: keys in the view's store by which lists are read, kept up to date order by order.

    i<field><value> 0 <place>   an order under each thing it can be asked for by; see `Indexed.keys`
    x<order>                    Indexed: what it stands under, and what it adds to the leaders' figures
    y<order>                    it has changed since, and is still to be looked at

A place is when the order was placed, so that keys are in the order in which lists are shown. What a crash
leaves behind is looked at again (`y`), and readers check each order they find.

To look at an order costs more than all else that its changes cost, and they come close together: so it is
looked at some seconds after the first of them, or once somebody asks for a list.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from time import perf_counter
from typing import Final

import msgspec

from springtide.agents.order import decode_order
from springtide.app.view.at_risk import breaks
from springtide.app.view.exceptions import noted
from springtide.app.view.questions import OrdersQuestion
from springtide.app.view.rows import Puts, Rows
from springtide.app.view.world import Place, Slot, rank_of
from springtide.codecs.facts import Plan
from springtide.codecs.times import DAY_US
from springtide.tables.delay import outlook
from springtide.tables.kpis import Totals, totals_from
from springtide.tables.order import Order, ledgers

INDEX, INDEXED, CHANGED = b"i", b"x", b"y"
TIME, STATUS, CAUSE, REGION, CHANNEL, CUSTOMER = b"t", b"s", b"c", b"r", b"h", b"u"
AT_RISK, BREAKS, BILLED, NOTED, NAMED, OPEN = b"k", b"b", b"m", b"e", b"n", b"o"
ORDER: Final = b"o"
SLICE: Final = 16
"""Orders looked at before the clock is looked at: a millisecond or two."""
AFTER_S: Final = 5.0
WAITING_MAX: Final = 5_000
"""Orders that may wait for AFTER_S: whoever asks for a list waits for all of them, a fraction of a second."""
_LAST: Final = (1 << 63) - 1
_OVER: Final = frozenset(("CLOSED", "RETURNED", "CANCELLED", "REJECTED"))

_encode: Final = msgspec.msgpack.Encoder().encode


class Indexed(msgspec.Struct, array_like=True):
    """What one order stands under. Of an order that is not placed only `noted` counts."""

    placed_us: int = 0
    status: str = ""
    cause: str | None = None
    region: str | None = None
    channel: str = ""
    customer: str = ""
    at_risk: bool = False
    breaks: Place | None = None
    """Its rank, if a promise of it breaks."""
    billed: bool = False
    """Finance and the warehouses do not say the same of it."""
    noted: list[tuple[int, str]] = []
    """(when, id) of what can't be of it, and of facts that wait for it."""
    totals: Totals = msgspec.field(default_factory=Totals)

    @property
    def slot(self) -> Slot:
        return Slot(self.placed_us // DAY_US, self.region, self.channel)

    def is_wanted(self, wanted: OrdersQuestion) -> bool:
        return (
            wanted.status in (None, self.status)
            and wanted.cause in (None, self.cause)
            and wanted.region in (None, self.region)
            and wanted.channel in (None, self.channel)
            and wanted.customer in (None, self.customer)
            and wanted.at_risk in (None, self.at_risk)
        )

    def keys(self, order_id: str) -> Iterator[bytes]:
        """All its keys in the index."""
        name = order_id.encode()
        for at_us, exception_id in self.noted:
            yield key(NOTED, "", newest_first(at_us), exception_id.encode())
            yield key(NAMED, exception_id)
        if not self.status:
            return
        place = newest_first(self.placed_us)
        for field, value in (
            (TIME, ""),
            (STATUS, self.status),
            (CAUSE, self.cause),
            (REGION, self.region),
            (CHANNEL, self.channel),
            (CUSTOMER, self.customer),
            (AT_RISK, "" if self.at_risk else None),
            (BILLED, "" if self.billed else None),
            (OPEN, None if self.status in _OVER else ""),
        ):
            if value is not None:
                yield key(field, value, place, name)
        if self.breaks is not None:
            yield key(BREAKS, "", ranked(self.breaks))


decode_indexed: Final = msgspec.msgpack.Decoder(Indexed).decode


def ranked(rank: Place) -> bytes:
    return (rank[0] + (1 << 62)).to_bytes(8, "big") + rank[1].encode()


def newest_first(at_us: int) -> bytes:
    return (_LAST - at_us).to_bytes(8, "big")


def key(field: bytes, value: str, place: bytes = b"", name: bytes = b"") -> bytes:
    return INDEX + field + value.encode() + b"\x00" + place + name


def indexed(order: Order, now_us: int, plan: Plan | None, by_priority: bool = False) -> Indexed:
    """What an order stands under at a stream time."""
    found = Indexed(noted=[(at_us, exception_id) for at_us, exception_id, _ in noted(order)])
    if not order.placed:
        return found
    cause, at_risk = outlook(order, now_us, plan)
    quantities = ledgers(order)
    found.placed_us, found.status, found.cause = order.placed_us, order.status, cause
    found.region, found.channel, found.customer = order.sold_in, order.channel, order.customer_id
    found.at_risk = at_risk
    found.breaks = rank_of(order, by_priority) if breaks(order, quantities) else None
    # Only such orders have lines that disagree; what was shipped, invoiced and credited since has none.
    found.billed = any(
        q.invoiced - q.credited > q.shipped or q.invoiced < q.shipped for q in quantities.values()
    )
    found.totals = totals_from(order, plan, quantities)
    return found


class OrderIndex:
    """See the module. `measures` says how long the ways of orders are planned to be, and whether ranks are by
    priority; `now_us` what time it is for an order."""

    def __init__(
        self,
        measures: Callable[[Sequence[Order]], tuple[list[Plan | None], bool]],
        now_us: Callable[[str], int],
    ) -> None:
        self._measures = measures
        self._now_us = now_us
        self._changed: OrderedDict[bytes, float] = OrderedDict()
        """Order -> when it changed first since it was looked at, the first one first."""
        self._sweep = b""
        self.totals: dict[Slot, Totals] = {}
        self.letters: dict[tuple[Slot, str], int] = {}
        """Dead letters by slot and process."""
        self.loaded = False

    @property
    def waiting(self) -> int:
        """Orders still to be looked at."""
        return len(self._changed)

    @property
    def behind_s(self) -> float:
        """For how long the first of them has been waiting."""
        first_s = next(iter(self._changed.values()), None)
        return 0.0 if first_s is None else perf_counter() - first_s

    def changed(self, shown: Puts | None, rows: Rows | None) -> None:
        """Rows that are shown anew; None: all are gone."""
        if shown is None or rows is None:
            self._changed.clear()
            self.totals, self.loaded, self._sweep = {}, False, b""
            return
        if not next(iter(shown), b"").startswith(ORDER):  # rows that are shown together are of one kind
            return
        marks: Puts = {}
        now_s = perf_counter()
        for key in shown:
            name = key[1:]
            if name not in self._changed and name[:1] != b"\x00":
                self._changed[name] = now_s
                marks[CHANGED + name] = b""
        rows.put(marks)

    def load(self, rows: Rows) -> Iterator[None]:
        """Sums up what stands in the store; gives way now and then."""
        self.totals = {}
        since_s = perf_counter()
        for name, _ in rows.scan(CHANGED):
            self._changed.setdefault(name[1:], since_s)
        for number, (_, raw) in enumerate(rows.scan(INDEXED)):
            self._count(decode_indexed(raw), 1)
            if number % 2_000 == 1_999:
                yield
        self.loaded = True

    def settle(self, rows: Rows, for_s: float, after_s: float = 0.0) -> bool:
        """Looks for so long at orders that changed `after_s` ago, at any where too many wait; whether there are
        none left."""
        now_s = perf_counter()
        until_s = now_s + for_s
        while names := self._due(now_s - after_s):
            for name in names:
                del self._changed[name]
            self._look(names, rows, dict.fromkeys(CHANGED + name for name in names))
            if perf_counter() >= until_s:
                return not self._due(now_s - after_s)
        return True

    def _due(self, changed_s: float) -> list[bytes]:
        """Some of the orders that changed at an instant or before."""
        some = islice(self._changed.items(), SLICE)
        if len(self._changed) > WAITING_MAX:
            return [name for name, _ in some]
        return [name for name, first_s in some if first_s <= changed_s]

    def sweep(self, rows: Rows, most: int = SLICE) -> bool:
        """Looks at some open orders of which nothing was told: time alone makes an order late. Whether that
        was the end of a round."""
        prefix = key(OPEN, "")
        names: list[bytes] = []
        at = b""
        for at, _ in rows.scan(prefix, self._sweep):
            if len(names) == most:
                break
            names.append(at[len(prefix) + 8 :])
        self._sweep = at if len(names) == most else b""
        self._look(names, rows, {})
        return not self._sweep

    def _look(self, names: list[bytes], rows: Rows, puts: Puts) -> None:
        """`puts` are written with what is found."""
        raws = rows.get_many([ORDER + name for name in names])
        known = rows.get_many([INDEXED + name for name in names])
        orders = [None if raw is None else decode_order(raw) for raw in raws]
        plans, by_priority = self._measures([order for order in orders if order is not None])
        following = iter(plans)
        for name, order, before in zip(names, orders, known, strict=True):
            old = None if before is None else decode_indexed(before)
            new = None
            if order is not None:
                new = indexed(order, self._now_us(order.order_id), next(following), by_priority)
            if new == old:
                continue
            order_id = name.decode()
            gone = {} if old is None else dict.fromkeys(old.keys(order_id))
            if old is not None:
                self._count(old, -1)
            if new is not None:
                self._count(new, 1)
                for entry in new.keys(order_id):
                    if entry in gone:
                        del gone[entry]
                    else:
                        puts[entry] = name
            puts |= dict.fromkeys(gone)
            puts[INDEXED + name] = None if new is None else _encode(new)
        rows.put(puts)

    def _count(self, one: Indexed, sign: int) -> None:
        if not one.status:
            return
        totals = self.totals.get(one.slot)
        if totals is None:
            totals = self.totals[one.slot] = Totals()
        totals.merge(one.totals, sign)
        if totals.is_empty:
            del self.totals[one.slot]
