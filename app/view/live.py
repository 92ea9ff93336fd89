"""The live view as a `World`: rows as they are shown, lists by index, and the past from what was kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from springtide.agents.customer import decode_customer
from springtide.agents.order import OrderActor, decode_order
from springtide.agents.sku import SkuActor
from springtide.agents.topics import ATP, CUSTOMERS, INBOX_ORDER, INBOX_SKU, ORDER_STATUS
from springtide.agents.work import Behaviour
from springtide.app.settings import Settings
from springtide.app.view import history, index
from springtide.app.view.actions import action_of, newest_actions
from springtide.app.view.exceptions import noted
from springtide.app.view.folding import Base
from springtide.app.view.follower import PREFIXES, Follower
from springtide.app.view.letters import letter_named, letters_of, newest_letters
from springtide.app.view.partition import Partition
from springtide.app.view.past import PastWorld
from springtide.app.view.problems import Problem
from springtide.app.view.questions import At, OrdersQuestion
from springtide.app.view.rows import Rows
from springtide.app.view.world import Entities, Past, Place, Slot
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.facts import Plan
from springtide.codecs.letters import DeadLetter
from springtide.codecs.messages import Fact, decode
from springtide.codecs.records import partition_for
from springtide.tables.catalog import NETWORK_KEY, goods_key
from springtide.tables.customer import Customer
from springtide.tables.kpis import Totals
from springtide.tables.order import Order
from springtide.tables.plans import invoice_late_days, plan_of, ranks_by_priority

READ_AT_ONCE: Final = 64
_ANY: Final = OrdersQuestion()
_ATP: Final = PREFIXES[ATP]
_ORDER: Final = PREFIXES[ORDER_STATUS]
_CUSTOMER: Final = PREFIXES[CUSTOMERS]


class SkuRows:
    """Projected rows of SKUs, decoded anew each time; nobody may change them."""

    def __init__(self, rows: Rows, decode_row: Callable[[bytes, bytes], Any]) -> None:
        self._rows = rows
        self._decode_row = decode_row

    def get(self, key: bytes) -> Any:
        raw = self._rows.get(_ATP + key)
        return None if raw is None else self._decode_row(key, raw)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, Any]:
        """The rows there are of these keys."""
        raws = self._rows.get_many([_ATP + key for key in keys])
        return {
            key: self._decode_row(key, raw) for key, raw in zip(keys, raws, strict=True) if raw is not None
        }

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        for key, raw in self._rows.scan(_ATP + prefix):
            yield key[1:], self._decode_row(key[1:], raw)


class LiveWorld:
    """See the module. Good for the turn of the loop in which it is made."""

    def __init__(self, follower: Follower, orders: index.OrderIndex, settings: Settings) -> None:
        rows = follower.rows
        if rows is None:
            raise follower.not_ready()
        self.rows = rows
        self._follower = follower
        self._index = orders
        self._settings = settings
        self.behaviours: dict[str, Behaviour] = {
            INBOX_SKU: SkuActor(settings.inbox_partitions),
            INBOX_ORDER: OrderActor(settings.inbox_partitions, settings.orphan_grace_s),
        }
        """By inbox."""
        self.skus = SkuRows(rows, self.behaviours[INBOX_SKU].decode_row)

    # --- entities ---

    @property
    def now_us(self) -> int:
        return max(p.meta.time_us for of in self._follower.partitions.values() for p in of)

    def sku_rows(self, sku: str) -> tuple[SkuRows, int]:
        return self.skus, self._follower.partition(ATP, sku.encode()).meta.time_us

    def order(self, order_id: str) -> tuple[Order | None, int]:
        key = order_id.encode()
        partition = self._follower.partition(ORDER_STATUS, key)
        raw = None if key.startswith(b"\x00") else self.rows.get(_ORDER + key)
        return None if raw is None else decode_order(raw), partition.meta.time_us

    def customer(self, customer_id: str) -> tuple[Customer | None, int]:
        key = customer_id.encode()
        partition = self._follower.partition(CUSTOMERS, key)
        raw = self.rows.get(_CUSTOMER + key)
        return None if raw is None else decode_customer(raw), partition.meta.time_us

    def plan(self, order: Order) -> Plan | None:
        return plan_of(self.skus.get, order)

    def measures(self, orders: Sequence[Order]) -> tuple[list[Plan | None], bool]:
        """(what each order's way is measured by, whether they rank by priority first)."""
        skus = dict.fromkeys(line.sku for order in orders for line in order.lines.values())
        known = self.skus.get_many([NETWORK_KEY, *(goods_key(sku.encode()) for sku in skus)])
        return [plan_of(known.get, order) for order in orders], ranks_by_priority(known.get)

    def by_priority(self) -> bool:
        return ranks_by_priority(self.skus.get)

    def invoice_late_days(self) -> int | None:
        return invoice_late_days(self.skus.get)

    # --- lists ---

    def orders(self, wanted: OrdersQuestion) -> Iterator[tuple[Place, Order | None, int]]:
        """By the index that is likely to have the fewest; what stands with each order tells the rest."""
        for field, value in (
            (index.CUSTOMER, wanted.customer),
            (index.CAUSE, wanted.cause),
            (index.AT_RISK, "" if wanted.at_risk else None),
            (index.STATUS, wanted.status),
            (index.REGION, wanted.region),
            (index.CHANNEL, wanted.channel),
            (index.TIME, ""),
        ):
            if value is not None:
                return self._newest_first(field, value, wanted.page.after, wanted)
        raise AssertionError("every order stands under its time")

    def orders_billed(self, after: Place | None) -> Iterator[tuple[Place, Order | None, int]]:
        return self._newest_first(index.BILLED, "", after, _ANY)

    def orders_at_risk(self, after: Place | None) -> Iterator[tuple[Place, Order]]:
        prefix = index.key(index.BREAKS, "")
        start = prefix if after is None else prefix + index.ranked(after) + b"\x00"
        for _, name in self.rows.scan(prefix, start):
            known, raw = self.rows.get_many([index.INDEXED + name, _ORDER + name])
            stands = None if known is None else index.decode_indexed(known)
            if raw is not None and stands is not None and stands.breaks is not None:
                yield stands.breaks, decode_order(raw)

    def _newest_first(
        self, field: bytes, value: str, after: Place | None, wanted: OrdersQuestion
    ) -> Iterator[tuple[Place, Order | None, int]]:
        prefix = index.key(field, value)
        start = prefix
        if after is not None:
            start += index.newest_first(after[0]) + after[1].encode() + b"\x00"
        return self._read((name for _, name in self.rows.scan(prefix, start)), wanted)

    def _read(
        self, names: Iterable[bytes], wanted: OrdersQuestion
    ) -> Iterator[tuple[Place, Order | None, int]]:
        partitions = self._follower.partitions[ORDER_STATUS]
        waiting = iter(names)
        at_once = 8
        while some := list(islice(waiting, at_once)):
            known = self.rows.get_many([index.INDEXED + name for name in some])
            standing = [
                (name, index.decode_indexed(raw))
                for name, raw in zip(some, known, strict=True)
                if raw is not None
            ]
            to_read = [name for name, stands in standing if stands.is_wanted(wanted)]
            raws = dict(zip(to_read, self.rows.get_many([_ORDER + name for name in to_read]), strict=True))
            for name, stands in standing:
                place = (stands.placed_us, name.decode())
                raw = raws.get(name)
                now_us = partitions[partition_for(name, len(partitions))].meta.time_us
                yield place, None if raw is None else decode_order(raw), now_us
            at_once = READ_AT_ONCE

    def noted(self, after: Place | None) -> Iterator[tuple[int, str, dict[str, Any]]]:
        prefix = index.key(index.NOTED, "")
        start = prefix if after is None else prefix + index.newest_first(after[0]) + after[1].encode()
        for key, name in self.rows.scan(prefix, start):
            exception_id = key[len(prefix) + 8 :].decode()
            raw = self.rows.get(_ORDER + name)
            if raw is None:
                continue
            for entry in noted(decode_order(raw)):
                if entry[1] == exception_id:
                    yield entry
                    break

    def noted_as(self, exception_id: str) -> tuple[int, str, dict[str, Any]] | None:
        """What can't be of an order, or a fact that waits, by its id."""
        name = self.rows.get(index.key(index.NAMED, exception_id))
        raw = None if name is None else self.rows.get(_ORDER + name)
        found = () if raw is None else noted(decode_order(raw))
        return next((entry for entry in found if entry[1] == exception_id), None)

    def letter(self, letter_id: str) -> DeadLetter | None:
        return letter_named(self.rows, letter_id)

    def action_of(self, exception_id: str) -> ExceptionAction | None:
        return action_of(self.rows, exception_id)

    def actions(self, after: Place | None) -> Iterator[ExceptionAction]:
        return newest_actions(self.rows, after)

    def dead_letters(self, after: Place | None = None) -> Iterator[DeadLetter]:
        return newest_letters(self.rows, after)

    def letters_of_order(self, order_id: str) -> Iterator[DeadLetter]:
        return letters_of(self.rows, order_id)

    def letter_counts(self) -> Iterator[tuple[Slot, str, int]]:
        for (slot, process), count in self._index.letters.items():
            yield slot, process, count

    def totals(self) -> Iterator[tuple[Slot, Totals]]:
        return iter(self._index.totals.items())

    # --- the past ---

    def at(self, at: At) -> Entities:
        return self if at.is_now else PastWorld(self, at)

    def past_of_sku(self, sku: str) -> Past:
        partition = self._follower.partition(ATP, sku.encode())
        return self._past(INBOX_SKU, partition, sku.encode(), ())

    def past_of_order(self, order_id: str) -> Past:
        partition = self._follower.partition(ORDER_STATUS, order_id.encode())
        return self._past(INBOX_ORDER, partition, order_id.encode(), self.skus_of(order_id.encode()))

    def skus_of(self, order: bytes) -> tuple[str, ...]:
        """The SKUs of an order's lines."""
        raw = self.rows.get(_ORDER + order)
        if raw is None:
            return ()
        return tuple(dict.fromkeys(line.sku for line in decode_order(raw).lines.values()))

    def _past(self, inbox: str, partition: Partition, key: bytes, skus: tuple[str, ...]) -> Past:
        """What one entity has heard, what concerns everybody and these SKUs included."""
        number = partition.place[1]
        kind = history.KINDS[inbox]
        end = partition.meta.positions.get(f"{inbox}/{number}", 0)
        feed = self._follower.feeds.get(inbox, [])
        if not feed:
            raise _nothing_kept()
        if feed[number].position < end:
            raise self._follower.not_ready()
        base = Base(self.rows, kind, key)
        prefixes = [history.HEARD + day + kind + key + b"\x00" for day in history.days(self.rows)]
        prefixes += history.to_everybody(kind, number, skus)
        try:
            heard = history.heard(self.rows, prefixes, inbox, number, key)
        except history.TooMuch:
            raise Problem(
                422,
                "too-much-history",
                "Too much has happened",
                f"More than {history.HEARD_MAX} messages would have to be gone through again.",
            ) from None
        after = base.offset
        heard = [one for one in heard if after < one.record.offset < end]
        retention_us = self._settings.dedup_retention_s * 1_000_000
        behaviour = self.behaviours[inbox]
        return Past(behaviour, number, heard, partition.meta.time_us, retention_us, base.begin())

    def facts_about(self, order_id: str, correlation: str | None) -> Iterator[tuple[str, Fact]]:
        for name in dict.fromkeys((order_id, correlation)):
            if name is None:
                continue
            for day in history.days(self.rows):
                prefix = history.ABOUT + day + name.encode() + b"\x00"
                for key, raw in self.rows.scan(prefix):
                    about = history.decode_about(raw)
                    message = decode(about.value)
                    if len(key) == len(prefix) + 16 and isinstance(message, Fact):
                        yield about.subject, message


def _nothing_kept() -> Problem:
    return Problem(
        422,
        "beyond-history",
        "No past is kept",
        "history_days is 0, so nothing is kept to answer this from. Set it, and let the view read anew.",
    )
