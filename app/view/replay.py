"""The past of entities again: their own messages through the same actors, each at its own stream time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from springtide.agents.work import Work
from springtide.app.standing import Emitted, StandingActor
from springtide.app.view.problems import Problem
from springtide.app.view.questions import At
from springtide.app.view.world import Heard, Past
from springtide.codecs.messages import InboxMessage, Tick, decode, encode
from springtide.codecs.records import Record
from springtide.codecs.times import rfc3339

Told: TypeAlias = Callable[[str, InboxMessage | None, list[Emitted]], None]
"""Called with the entity after each message it took, and with None after each instant at which something of
it fell due by itself; with what its actor sent then."""


class Replay:
    """Entities side by side, each with rows of its own."""

    def __init__(self, pasts: Mapping[str, Past]) -> None:
        self._pasts = pasts
        self._actors = {
            name: StandingActor(past.behaviour, past.partition, past.dedup_retention_us, past.begin)
            for name, past in pasts.items()
        }

    def work(self, name: str) -> Work:
        return self._actors[name].work

    def run(self, told: Told | None = None) -> None:
        """All messages, across the entities in the order of stream time; then time moves on to the end."""
        queue = sorted(
            (
                (heard.before_us, heard.record.offset, name, heard.record)
                for name, past in self._pasts.items()
                for heard in past.heard
            ),
            key=lambda entry: entry[:3],
        )
        for before_us, _, name, record in queue:
            message = decode(record.value or b"")
            for other in self._actors:
                self._pass(other, before_us, told)
            self._pass(name, message.time_us, told)  # what falls due on the way comes before the message
            sent = self._actors[name].apply(record)
            if told is not None:
                told(name, message, sent)
        for name, past in self._pasts.items():
            self._pass(name, past.now_us, told)

    def _pass(self, name: str, until_us: int, told: Told | None) -> None:
        """Time passes; what is due happens, each at its own instant."""
        actor = self._actors[name]
        while (first := actor.work.timers.first()) is not None and first[0] <= until_us:
            sent = self._tick(actor, max(first[0], actor.work.meta.time_us))
            if told is not None:
                told(name, None, sent)
            if actor.work.timers.first() == first:
                break  # it failed, and would be due for ever
        if until_us > actor.work.meta.time_us:
            self._tick(actor, until_us)

    def _tick(self, actor: StandingActor, at_us: int) -> list[Emitted]:
        topic = actor.behaviour.inputs[0]
        tick = encode(Tick(at_us, {}))
        return actor.apply(Record(topic, actor.partition, -1, at_us // 1_000, b"", tick))


class JoinedRows:
    """Rows of SKUs that were replayed side by side; what concerns all SKUs is that of the first."""

    def __init__(self, replay: Replay, skus: list[str]) -> None:
        self._works = {sku.encode(): replay.work(sku) for sku in skus}
        self._first = replay.work(skus[0])

    def get(self, key: bytes) -> Any:
        return self._of(key).get(key)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, Any]]:
        return self._of(prefix).scan(prefix)

    def _of(self, key: bytes) -> Work:
        return self._works.get(key.partition(b"\x00")[0], self._first)


def beyond_history(from_us: int) -> Problem:
    return Problem(
        422,
        "beyond-history",
        "This reaches further back than is kept",
        f"Messages are kept from {rfc3339(from_us)} on (history_days). Ask about a later instant, or replay the "
        "log by `springtide simulate`.",
    )


def until(past: Past, at: At) -> Past:
    """The same past as far as it had occurred, and was known, at an instant; Problem if that is before all
    that is kept of it."""
    now_us = past.begin_us
    for limit_us in (at.as_of_us, at.known_at_us):
        if limit_us is not None and limit_us < now_us:
            raise beyond_history(now_us)
    heard = []
    for one in past.heard:
        message = decode(one.record.value or b"")
        if at.as_of_us is not None and message.time_us > at.as_of_us:
            continue
        if at.known_at_us is not None and getattr(message, "recorded_us", 0) > at.known_at_us:
            continue
        limit_us = max(now_us, at.known_at_us or 0) if at.as_of_us is None else at.as_of_us
        heard.append(Heard(min(one.before_us, limit_us), one.record))
        now_us = max(now_us, message.time_us)
    end_us = at.as_of_us if at.as_of_us is not None else at.known_at_us
    return past._replace(heard=heard, now_us=max(now_us, past.now_us if end_us is None else end_us))
