"""A SkuActor and the naive model of its partition, told the same messages.

The actor's rows are kept as bytes, each step begins with none decoded, and its timers live on: as in the
engine. What it sends is compared with what the model says is due after every message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from springtide.agents.sku import SkuActor
from springtide.agents.topics import INBOX_ORDER, INBOX_SKU
from springtide.agents.work import META, Meta, Timers, Work, decode_meta
from springtide.app.verify.compare import difference
from springtide.app.verify.naive_plans import is_firm
from springtide.app.verify.naive_skus import NaiveSkuPartition
from springtide.codecs import facts as f
from springtide.codecs.messages import (
    Fact,
    InboxMessage,
    Supplied,
    SuppliedLine,
    Tick,
    decode,
    digest,
    encode,
    encode_data,
)
from springtide.codecs.records import Record
from springtide.codecs.times import DAY_US

RETENTION_US = 365 * 86_400_000_000
CODES = {fact.name: fact.code for fact in f.FACT_TYPES}


def is_worse(was: SuppliedLine, now: SuppliedLine, today: int) -> bool:
    """Whether fewer units are promised up to some day from today on, or fewer are allocated. What was promised
    for after a lead time rests on nothing: its day may have passed."""
    days = {max(day, today) for day, _, _ in was.promises}
    late = any(units_by(now, day) < units_by(was, day) for day in days)
    return late or now.allocated < was.allocated


def units_by(line: SuppliedLine, day: int) -> int:
    return sum(units for ships, _, units in line.promises if ships <= day)


class Stored:
    """A partition's committed state in a dict."""

    def __init__(self) -> None:
        self.raw: dict[bytes, bytes] = {}

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return [self.raw.get(key) for key in keys]

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter([(key, self.raw[key]) for key in sorted(self.raw) if key.startswith(prefix)])


class Pair:
    """See the module. Times are microseconds."""

    def __init__(self, start_us: int) -> None:
        self.actor = SkuActor(1)
        self.naive = NaiveSkuPartition(1, RETENTION_US)
        self.now_us = start_us
        self.told: dict[tuple[str, str], Supplied] = {}
        """(SKU, order) -> the last answer."""
        self.sent: list[tuple[str, InboxMessage]] = []
        self.scratch: dict[bytes, Any] = {}
        self._store = Stored()
        self._timers = Timers()
        self._scratch: dict[bytes, Any] = {}
        self._facts = 0

    # --- what comes ---

    def fact(self, name: str, key: str, data: f.Data, late_us: int = 0) -> None:
        """A fact that nobody has told before."""
        self._facts += 1
        at_us = self.now_us - late_us
        event = str(self._facts)
        said = digest("src", event, key)
        origin = (1, 0, self._facts)
        raw = encode_data(data)
        message = Fact(CODES[name], at_us, at_us, said, "src", event, origin, None, None, raw)
        self.send(key, message)

    def wait(self, until_us: int) -> None:
        self.now_us = max(self.now_us, until_us)
        self.send("", Tick(self.now_us, {}))

    def again(self, index: int) -> None:
        """A message that came before, once more: no unit moves, and a fact changes no row but the head."""
        key, message = self.sent[index % len(self.sent)]
        if isinstance(message, Tick):
            return
        before, figures = self._rows(), {name: sku.cells() for name, sku in self.naive.skus.items()}
        self.send(key, message)
        assert {name: sku.cells() for name, sku in self.naive.skus.items()} == figures
        if isinstance(message, Fact):
            assert self._rows() == before

    @contextmanager
    def nobody_loses(self, but: str | None = None) -> Iterator[None]:
        """What comes meanwhile makes nobody's promise later or smaller, `but` for this order's own."""
        before = {
            (sku, order_id): told
            for (sku, order_id), told in self.told.items()
            if order_id in self.naive.skus[sku].wishes and is_firm(self.naive.skus[sku].wishes[order_id])
        }
        yield
        for name, was in before.items():
            if name[1] != but:
                now = {line.line_id: line for line in self.told[name].lines}
                for line in was.lines:
                    assert not is_worse(line, now[line.line_id], self.now_us // DAY_US), (
                        f"{name}: {line} became {now[line.line_id]}"
                    )

    def send(self, key: str, message: InboxMessage) -> None:
        """One message to both; Raises AssertionError where they do not say the same."""
        self.sent.append((key, message))
        sent = self._step(Record(INBOX_SKU, 0, len(self.sent), 0, key.encode(), encode(message)))
        answers = self.naive.apply(key.encode(), decode(encode(message)))
        due = [(answer.order_id, answer.supplied) for answer in answers]
        # Each order is told on its own, in whatever order.
        by_order = sorted(sent, key=lambda told: told[0]), sorted(due, key=lambda told: told[0])
        assert by_order[0] == by_order[1], difference(*by_order)
        for order_id, supplied in sent:
            self.told[supplied.sku, order_id] = supplied
        assert self.naive.oversold == [], self.naive.oversold

    def _step(self, record: Record) -> list[tuple[str, Supplied]]:
        work = Work(
            partition=0,
            reader=self._store,
            codec=self.actor,
            meta=decode_meta(self._store.raw[META]) if META in self._store.raw else Meta(),
            timers=self._timers,
            rows={},
            scratch=self._scratch,
            dedup_retention_us=RETENTION_US,
        )
        self.actor.step(work, (record,))
        sent = [
            ((key or b"").decode(), decode(value or b"")) for key, value, _ in work.out.get(INBOX_ORDER, ())
        ]
        changelog, local = work.writes()
        for key, value in [*changelog, *local]:
            if value is None:
                self._store.raw.pop(key, None)
            else:
                self._store.raw[key] = value
        return [(order_id, message) for order_id, message in sent if isinstance(message, Supplied)]

    # --- what stands ---

    def _rows(self) -> dict[bytes, bytes]:
        return {key[1:]: raw for key, raw in self._store.raw.items() if key[:1] == b"r"}

    def get(self, key: bytes) -> Any:
        """A row of the actor's, decoded; None if there is none."""
        raw = self._store.raw.get(b"r" + key)
        return None if raw is None else self.actor.decode_row(key, raw)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return iter([(key, self.get(key)) for key in sorted(self._rows()) if key.startswith(prefix)])
