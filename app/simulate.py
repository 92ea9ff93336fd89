"""The same answers with no broker: events of a file in, bodies of the API out, by the same actors."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from springtide.agents.topics import INBOX_ORDER, INBOX_SKU
from springtide.app import wiring
from springtide.app.settings import Settings, SettingsError, load
from springtide.app.standing import Emitted, StandingActor
from springtide.app.view.answers import answer
from springtide.app.view.problems import of_status
from springtide.codecs.cloudevents import Refused, topic_of
from springtide.codecs.facts import ORDERS
from springtide.codecs.messages import Tick, encode
from springtide.codecs.records import Record
from springtide.codecs.times import instant, micros
from springtide.tables.order import Order
from springtide.tables.sku import Head

POST_ONLY: Final = frozenset(("/v1/atp:batch", "/v1/events"))
_line: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


class Malformed(Exception):  # noqa: N818 - a verdict on a file
    """A line that is no JSON object. `line` counts from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line} is no JSON object: {reason}. Write one structured CloudEvent a line")
        self.line = line


class Simulation:
    """One installation with one partition of everything; each event has all its effects before the next."""

    def __init__(self, settings: Settings | None = None) -> None:
        base = Settings.model_construct() if settings is None else settings
        one = base.model_copy(update={"ingress_partitions": 1, "inbox_partitions": 1})
        retention_us = one.dedup_retention_s * 1_000_000
        actors = {
            behaviour.kind: StandingActor(behaviour, 0, retention_us) for behaviour in wiring.behaviours(one)
        }
        self._gateway = actors["gateway"]
        self._order = actors["order"]
        self._sku = actors["sku"]
        self._by_inbox = {INBOX_ORDER: self._order, INBOX_SKU: self._sku}
        self._offsets: dict[str, int] = {}
        self._waiting: deque[Record] = deque()
        self._now_ms = 0

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
        recorded_us = _micros(time)
        if recorded_us is not None:
            self._now_ms = recorded_us // 1_000
            if recorded_us % 1_000 and "recordedtime" not in event:
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

    def advance(self, until_us: int) -> None:
        """Time passes, and nothing else; what is due by then happens, each at its own instant."""
        self._let_pass(until_us)
        self._tick(until_us)

    def _let_pass(self, until_us: int) -> None:
        """Whatever falls due first happens first, whichever actor it is due at."""
        while True:
            due = [
                first[0]
                for first in (self._order.work.timers.first(), self._sku.work.timers.first())
                if first is not None and first[0] <= until_us
            ]
            if not due:
                return
            self._tick(max(min(due), self.now_us))

    def _tick(self, at_us: int) -> None:
        tick = encode(Tick(at_us, {}))
        self._send([Emitted(INBOX_ORDER, b"", tick, 0), Emitted(INBOX_SKU, b"", tick, 0)])
        self._settle()

    def _send(self, messages: Iterable[Emitted]) -> None:
        for message in messages:
            if message.topic in self._by_inbox:
                self._waiting.append(self._record(message.topic, message.key, message.value))

    def _settle(self) -> None:
        """All that follows, until nothing waits and nobody has anything to pass on."""
        waiting = self._waiting
        while True:
            while waiting:
                record = waiting.popleft()
                self._send(self._by_inbox[record.topic].apply(record))
            self._send(self._gateway.idle())
            self._send(self._order.idle())
            if not waiting:
                return

    def _record(self, topic: str, key: bytes | None, value: bytes | None) -> Record:
        offset = self._offsets.get(topic, 0)
        self._offsets[topic] = offset + 1
        return Record(topic, 0, offset, self._now_ms, key, value)

    # --- answers ---

    @property
    def now_us(self) -> int:
        """Stream time."""
        return max(self._sku.work.meta.time_us, self._order.work.meta.time_us)

    def head(self, sku: str) -> tuple[Head | None, int]:
        return self._sku.work.get(sku.encode()), self.now_us

    def order(self, order_id: str) -> tuple[Order | None, int]:
        return self._order.work.get(order_id.encode()), self.now_us

    def get(self, path: str) -> dict[str, Any]:
        """The body that the API would answer, `freshness` left out; for an error, the problem."""
        bare = path.partition("?")[0]
        if bare in POST_ONLY:
            return of_status(405, f"{bare} does not answer GET; use POST.").body(bare)
        return answer(path, self)[1]


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
    if until_us is not None and until_us > simulation.now_us:
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
