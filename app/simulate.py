"""The same answers with no broker: events of a file in, bodies of the API out, by the same actors."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from springtide.agents.topics import DEAD_LETTERS, INBOX_ORDER, INBOX_SKU
from springtide.app import wiring
from springtide.app.settings import Settings, SettingsError, load
from springtide.app.standing import Begin, Emitted, StandingActor
from springtide.app.view.answers import answer
from springtide.app.view.exceptions import noted
from springtide.app.view.history import OF_ALL, goes_to_all, is_about
from springtide.app.view.kpis import letter_slot
from springtide.app.view.problems import of_status
from springtide.app.view.questions import At, OrdersQuestion
from springtide.app.view.world import Heard, Past, Place, Slot, rank_of, slot_of
from springtide.codecs.actions import ExceptionAction
from springtide.codecs.cloudevents import Refused, topic_of
from springtide.codecs.facts import ORDERS, Plan
from springtide.codecs.letters import DeadLetter, decode_dead_letter
from springtide.codecs.messages import Fact, Tick, decode, encode
from springtide.codecs.records import Record
from springtide.codecs.times import instant, micros
from springtide.tables.customer import Customer
from springtide.tables.kpis import Totals, totals_of
from springtide.tables.order import Order
from springtide.tables.plans import invoice_late_days, plan_of, ranks_by_priority
from springtide.tables.rows import ReadRows

POST_ONLY: Final = frozenset(
    (
        "/v1/atp:batch",
        "/v1/events",
        "/v1/promises",
        "/v1/holds",
        "/v1/whatif",
        "/v1/exceptions:replay",
        "/v1/exceptions:discard",
    )
)
_DEEDS: Final = frozenset(("extend", "release", "convert", "replay", "discard"))
PASTS_MAX: Final = 32
"""Replays of the log that are kept for further questions about the same instant."""
_line: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Malformed(Exception):  # noqa: N818 - a verdict on a file
    """A line that is no JSON object. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} is no JSON object: {reason}. Write one structured CloudEvent a line")
        self.line = line


class _Line(NamedTuple):
    """One event as it stands in the log, and its two clocks in microseconds; None where it has none."""

    raw: bytes
    time_us: int | None
    recorded_us: int | None


class Simulation:
    """One installation with one partition of everything; each event has all its effects before the next."""

    def __init__(
        self,
        settings: Settings | None = None,
        begins: Mapping[str, Begin] | None = None,
    ) -> None:
        """`begins`: kind of actor -> what it begins with, if not with nothing."""
        self._settings = settings
        base = Settings.model_construct() if settings is None else settings
        one = base.model_copy(update={"ingress_partitions": 1, "inbox_partitions": 1})
        self._retention_us = one.dedup_retention_s * 1_000_000
        actors = {
            behaviour.kind: StandingActor(
                behaviour, 0, self._retention_us, (begins or {}).get(behaviour.kind)
            )
            for behaviour in wiring.behaviours(one)
        }
        self._gateway = actors.pop("gateway")
        self.actors = actors
        """By kind, the gateway's aside."""
        self._by_inbox = {topic: actor for actor in actors.values() for topic in actor.behaviour.inputs}
        self._offsets: dict[str, int] = {}
        self._waiting: deque[Record] = deque()
        self._now_ms = 0
        self._log: list[_Line] = []
        self.raw_letters: list[bytes] = []
        self.heard: dict[tuple[str, bytes | None], list[Heard]] = {}
        """Inbox and key -> messages; under key None those that concern every key of the inbox."""
        self._past: OrderedDict[At, Simulation] = OrderedDict()

    # --- events ---

    def apply(self, line: bytes, number: int = 1) -> None:
        """One structured CloudEvent. One that is refused is a dead letter and changes nothing; Malformed if
        the line is no JSON object at all."""
        try:
            line.decode()
            event = _line.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Malformed(number, str(error)) from None
        time = _text(event, "time")
        time_us = _micros(time)
        recorded_us = _micros(_text(event, "recordedtime"))
        self._log.append(_Line(line, time_us, time_us if recorded_us is None else recorded_us))
        if time_us is not None:
            self._now_ms = time_us // 1_000
            if time_us % 1_000 and "recordedtime" not in event:
                # Records carry milliseconds; what was recorded at its time was recorded at all of it.
                line = _encode(event | {"recordedtime": event["time"]})
        subject = _text(event, "subject")
        self._take(_topic(_text(event, "type")), None if subject is None else subject.encode(), line)

    def _take(self, topic: str, key: bytes | None, value: bytes) -> None:
        gateway = self._gateway
        before_us = gateway.work.meta.time_us
        sent = gateway.apply(self._record(topic, key, value))
        now_us = gateway.work.meta.time_us
        if now_us > before_us:
            self._let_pass(now_us)
        self._send(sent)
        self._settle()

    def tell(self, topic: str, key: bytes, value: bytes) -> None:
        """A message right into an inbox, and all that follows of it."""
        self._send([Emitted(topic, key, value, 0)])
        self._settle()

    def advance(self, until_us: int) -> None:
        """Time passes, and nothing else; what is due by then happens, each at its own instant."""
        if until_us > self.now_us:
            self._let_pass(until_us)
            self._tick(until_us)

    def _let_pass(self, until_us: int) -> None:
        """Whatever falls due first happens first, whichever actor it is due at."""
        while True:
            due = [
                first[0]
                for first in (actor.work.timers.first() for actor in self.actors.values())
                if first is not None and first[0] <= until_us
            ]
            if not due:
                return
            self._tick(max(min(due), self.now_us))

    def _tick(self, at_us: int) -> None:
        tick = encode(Tick(at_us, {}))
        self._send([Emitted(topic, b"", tick, 0) for topic in self._by_inbox])
        self._settle()

    def _send(self, messages: Iterable[Emitted]) -> None:
        for message in messages:
            if message.topic in self._by_inbox:
                self._waiting.append(self._record(message.topic, message.key, message.value))
            elif message.topic == DEAD_LETTERS:
                self.raw_letters.append(message.value or b"")

    def _settle(self) -> None:
        """All that follows, until nothing waits and nobody has anything to pass on."""
        waiting = self._waiting
        while True:
            while waiting:
                record = waiting.popleft()
                actor = self._by_inbox[record.topic]
                if record.key:
                    key = None if goes_to_all(record) is not None else record.key
                    heard = Heard(actor.work.meta.time_us, record)
                    self.heard.setdefault((record.topic, key), []).append(heard)
                self._send(actor.apply(record))
            self._send(self._gateway.idle())
            for actor in self.actors.values():
                self._send(actor.idle())
            if not waiting:
                return

    def _record(self, topic: str, key: bytes | None, value: bytes | None) -> Record:
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        return Record(topic, 0, offset, self._now_ms, key, value)

    # --- rows, as answers read them ---

    @property
    def now_us(self) -> int:
        """Stream time."""
        return max(actor.work.meta.time_us for actor in self.actors.values())

    def sku_rows(self, sku: str) -> tuple[ReadRows, int]:  # noqa: ARG002 - there is one partition
        return self.actors["sku"].work, self.now_us

    def order(self, order_id: str) -> tuple[Order | None, int]:
        row = self.actors["order"].work.get(order_id.encode())
        return row if isinstance(row, Order) else None, self.now_us

    def customer(self, customer_id: str) -> tuple[Customer | None, int]:
        return self.actors["customer"].work.get(customer_id.encode()), self.now_us

    def orders(self, wanted: OrdersQuestion) -> Iterator[tuple[Place, Order | None, int]]:
        return self.orders_billed(wanted.page.after)

    def orders_billed(self, after: Place | None) -> Iterator[tuple[Place, Order | None, int]]:
        for order in sorted(self._orders(), key=lambda order: (-order.placed_us, order.order_id)):
            place = (order.placed_us, order.order_id)
            if order.placed and (after is None or (-place[0], place[1]) > (-after[0], after[1])):
                yield place, order, self.now_us

    def orders_at_risk(self, after: Place | None) -> Iterator[tuple[Place, Order]]:
        by_priority = ranks_by_priority(self.actors["sku"].work.get)
        ranked = [(rank_of(order, by_priority), order) for order in self._orders() if order.placed]
        for place, order in sorted(ranked, key=lambda one: one[0]):
            if after is None or place > after:
                yield place, order

    def noted(self, after: Place | None) -> Iterator[tuple[int, str, dict[str, Any]]]:  # noqa: ARG002
        found = [entry for order in self._orders() for entry in noted(order)]
        return iter(sorted(found, key=lambda entry: (-entry[0], entry[1])))

    def totals(self) -> Iterator[tuple[Slot, Totals]]:
        for order in self._orders():
            if order.placed:
                yield slot_of(order), totals_of(order, self.plan(order))

    def plan(self, order: Order) -> Plan | None:
        return plan_of(self.actors["sku"].work.get, order)

    def invoice_late_days(self) -> int | None:
        return invoice_late_days(self.actors["sku"].work.get)

    def _orders(self) -> list[Order]:
        rows = self.actors["order"].work.rows
        return [row for _, row in sorted(rows.items()) if isinstance(row, Order)]

    def action_of(self, exception_id: str) -> ExceptionAction | None:  # noqa: ARG002 - nobody is there to act
        return None

    def actions(self, after: Place | None) -> Iterator[ExceptionAction]:  # noqa: ARG002
        return iter(())

    def letter(self, letter_id: str) -> DeadLetter | None:
        return next((letter for letter in self.dead_letters() if letter.id == letter_id), None)

    def noted_as(self, exception_id: str) -> tuple[int, str, dict[str, Any]] | None:
        return next((entry for entry in self.noted(None) if entry[1] == exception_id), None)

    def dead_letters(self, after: Place | None = None) -> Iterator[DeadLetter]:  # noqa: ARG002
        letters = [decode_dead_letter(raw) for raw in self.raw_letters]
        return iter(sorted(letters, key=lambda letter: (-instant(letter.at), letter.id)))

    @property
    def refused(self) -> int:
        """Dead letters so far."""
        return len(self.raw_letters)

    def last_refused(self) -> DeadLetter | None:
        return decode_dead_letter(self.raw_letters[-1]) if self.raw_letters else None

    def letters_of_order(self, order_id: str) -> Iterator[DeadLetter]:
        return (letter for letter in self.dead_letters() if order_id in letter.impact.orders)

    def letter_counts(self) -> Iterator[tuple[Slot, str, int]]:
        for letter in self.dead_letters():
            named = letter.impact.orders
            yield *letter_slot(letter, self.order(named[0])[0] if named else None), 1

    def facts_about(self, order_id: str, correlation: str | None) -> Iterator[tuple[str, Fact]]:
        for (topic, key), messages in self.heard.items():
            if key is None or (topic == INBOX_ORDER and key == order_id.encode()):
                continue
            for _, record in messages:
                message = decode(record.value or b"")
                if isinstance(message, Fact) and is_about(message, order_id, correlation):
                    yield key.decode(), message

    # --- the past ---

    def at(self, at: At) -> Simulation:
        """The log again with only those events that had occurred, and were recorded, by then."""
        if at.is_now:
            return self
        past = self._past.get(at)
        if past is None:
            past = self._past[at] = Simulation(self._settings)
            if len(self._past) > PASTS_MAX:
                self._past.popitem(last=False)
            for line in self._log:
                if _is_by(line.time_us, at.as_of_us) and _is_by(line.recorded_us, at.known_at_us):
                    past.apply(line.raw)
            until_us = at.known_at_us if at.as_of_us is None else at.as_of_us
            assert until_us is not None
            past.advance(until_us)
        return past

    def past_of_sku(self, sku: str) -> Past:
        return self._past_of("sku", INBOX_SKU, sku, {})

    def past_of_order(self, order_id: str) -> Past:
        order, _ = self.order(order_id)
        skus = {} if order is None else {line.sku.encode(): None for line in order.lines.values()}
        return self._past_of("order", INBOX_ORDER, order_id, skus)

    def _past_of(self, kind: str, topic: str, name: str, skus: dict[bytes, None]) -> Past:
        """What one entity has heard, what concerns everybody and these SKUs included."""
        heard = [
            one
            for one in self.heard.get((topic, None), ())
            if one.record.key in skus or goes_to_all(one.record) == OF_ALL
        ]
        heard += self.heard.get((topic, name.encode()), ())
        heard.sort(key=lambda one: one.record.offset)
        return Past(self.actors[kind].behaviour, 0, heard, self.now_us, self._retention_us)

    # --- answers ---

    def get(self, path: str) -> dict[str, Any]:
        """The body that the API would answer, `freshness` left out; for an error, the problem."""
        path = path.encode(errors="surrogateescape").decode(errors="replace")  # whatever a command line holds
        bare = path.partition("?")[0]
        if _is_post_only(bare):
            return of_status(405, f"{bare} does not answer GET; use POST.").body(bare)
        try:
            return answer(path, self)[1]
        except Exception as error:  # noqa: BLE001 - as over HTTP, a bug in one answer takes none of the others
            return of_status(500, f"The answer failed: {error!r}.").body(bare)


def _is_by(at_us: int | None, limit_us: int | None) -> bool:
    return limit_us is None or (at_us is not None and at_us <= limit_us)


def _is_post_only(path: str) -> bool:
    return path in POST_ONLY or (
        path.startswith(("/v1/holds/", "/v1/exceptions/")) and path.rpartition(":")[2] in _DEEDS
    )


def simulate(
    lines: Iterable[str | bytes], paths: list[str], now: str | None = None, settings: Settings | None = None
) -> list[dict[str, Any]]:
    """Applies the events in the order of the lines and answers each path.

    `now`: an RFC 3339 instant to which stream time moves on before the questions; it never moves back.
    Raises Malformed for a line that is no JSON object, ValueError if `now` is no instant.
    """
    until_us = None if now is None else instant(now)
    simulation = Simulation(settings)
    for number, line in enumerate(lines, 1):
        raw = line.encode(errors="surrogateescape") if isinstance(line, str) else line
        if raw.strip():
            simulation.apply(raw, number)
    if until_us is not None:
        simulation.advance(until_us)
    return [simulation.get(path) for path in paths]


def main_simulate(log: Path, get: list[str], now: str | None) -> int:
    """Prints the answer to each path as one line of JSON; 2 if the file or `now` can't be used, and says why."""
    if now is not None:
        try:
            instant(now)
        except ValueError as error:
            return _refused(f"--now can't be used: {error}. Write an instant such as 2026-03-02T06:00:00Z.")
    try:
        settings = load()
        with log.open("rb") as lines:
            answers = simulate(lines, get, now, settings)
    except Malformed as malformed:
        return _refused(f"{log}: {malformed}.")
    except OSError as error:
        return _refused(
            f"{log} can't be read: {error.strerror or error}. Correct the path or its permissions."
        )
    except SettingsError as error:
        return _refused(str(error))
    sys.stdout.write("".join(f"{_encode(body).decode()}\n" for body in answers))
    return 0


def _refused(why: str) -> int:
    sys.stderr.write(f"springtide: {why}\n")
    return 2


def _text(event: dict[str, msgspec.Raw], name: str) -> str | None:
    raw = event.get(name)
    if raw is None:
        return None
    try:
        found = _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, str) else None


def _micros(text: str | None) -> int | None:
    try:
        at = None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if at is None or at.tzinfo is None else micros(at)


def _topic(type_name: str | None) -> str:
    """Where an event of this type belongs; one of no known type is refused wherever it comes."""
    try:
        return ORDERS if type_name is None else topic_of(type_name)
    except Refused:
        return ORDERS
