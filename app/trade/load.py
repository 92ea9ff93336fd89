"""Writes a trade to its topics: on schedule at a given rate, or as fast as the broker takes it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.errors import BrokerError
from springtide.app.broker.topics import describe_topics
from springtide.app.trade.emission import Broken, Emission
from springtide.app.trade.generate import generate
from springtide.app.trade.lanes import Lanes
from springtide.app.trade.spec import TradeSpec
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.records import TopicPartition

TICK_MIN_S: Final = 0.002
TICK_MAX_S: Final = 0.005
"""How often what is due is handed over: each time costs a request, and each wait shows in latencies."""
_TURN: Final = 400
"""Events between two turns of the loop at full speed: some 4 ms."""
_PROGRESS_S: Final = 0.25
_BATCH_BYTES: Final = 256 * 1024
_REQUEST_TIMEOUT_MS: Final = 30_000
_FLUSH_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class LoadProgress:
    """How far a load is: events handed over, of which acknowledged; seconds since its first."""

    events: int
    acknowledged: int
    seconds: float
    behind_ms: float
    """How late the newest event was handed over, against its schedule; 0 at full speed."""


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What was written, all of it acknowledged by the broker."""

    events: int
    seconds: float
    """From the first event to the last acknowledgement."""
    per_topic: dict[str, int]
    offsets: dict[TopicPartition, tuple[int, int]]
    """(topic, partition) -> offsets of its first and last event."""
    broken: dict[str, int]
    """Code -> events that must be refused with it."""
    behind_ms_max: float
    exhausted: bool
    """Whether the trade came to its end."""

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds if self.seconds > 0 else 0.0


@dataclass(slots=True)
class _Tally:
    per_topic: dict[str, int] = field(default_factory=lambda: dict.fromkeys(INGRESS_TOPICS, 0))
    broken: dict[str, int] = field(default_factory=dict)
    events: int = 0
    behind_ms: float = 0.0
    behind_ms_max: float = 0.0
    exhausted: bool = False


async def load(
    connection: BrokerConnection,
    trade: TradeSpec | Iterable[Emission],
    *,
    rate_per_s: float | None = None,
    events_max: int | None = None,
    duration_s: float | None = None,
    progress: Callable[[LoadProgress], None] | None = None,
    stop: asyncio.Event | None = None,
) -> LoadResult:
    """Writes a trade until it ends, `events_max` are written, `duration_s` is over, or `stop` is set.

    The model is open: at a rate, each event is due at its own time whatever became of those before, and
    that time is its record's timestamp; so latency measured from it counts waiting too. An event that can't
    be handed over in time, since too much is unacknowledged, is handed over late and never left out;
    `behind_ms_max` tells. Without a rate the broker alone sets the pace.

    Partitions are those of the topics as they are, by `partition_for`; the order within one is the trade's,
    and nothing is written twice (idempotence, all replicas). What was handed over is flushed, for 10
    seconds at most, when it is cancelled too. Raises BrokerError if topics are missing, the broker is out
    of reach or refuses what it gets; ValueError if a limit is not positive.
    """
    _check(rate_per_s=rate_per_s, events_max=events_max, duration_s=duration_s)
    partitions = await _partition_counts(connection)
    emissions = iter(generate(trade) if isinstance(trade, TradeSpec) else trade)
    producer = AIOKafkaProducer(
        **connection.aiokafka_options(),
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
        retry_backoff_ms=20,
    )
    tally = _Tally()
    try:
        await producer.start()
        lanes = Lanes(producer, partitions)
        began = time.monotonic()
        try:
            await _write(lanes, emissions, tally, rate_per_s, events_max, duration_s, progress, stop)
        except asyncio.CancelledError:
            await lanes.flush(_FLUSH_S)
            raise
        else:
            await lanes.flush(None)
            seconds = time.monotonic() - began
            _tell(progress, tally, lanes, began)
        finally:
            await lanes.close()
    except (KafkaError, OSError) as error:
        raise BrokerError(
            f"Writing the trade to {connection.bootstrap} failed after {tally.events} events: {error!r}.",
            "See that the broker is up and has room; `springtide doctor` looks.",
        ) from error
    finally:
        await producer.stop()
    return LoadResult(
        events=tally.events,
        seconds=seconds,
        per_topic=tally.per_topic,
        offsets=lanes.offsets,
        broken=dict(sorted(tally.broken.items())),
        behind_ms_max=tally.behind_ms_max,
        exhausted=tally.exhausted,
    )


async def _write(
    lanes: Lanes,
    emissions: Iterator[Emission],
    tally: _Tally,
    rate: float | None,
    events_max: int | None,
    duration_s: float | None,
    progress: Callable[[LoadProgress], None] | None,
    stop: asyncio.Event | None,
) -> None:
    began = time.monotonic()
    began_ms = time.time() * 1_000
    told = began
    limit = events_max
    if rate is not None and duration_s is not None:
        within = max(1, round(rate * duration_s))
        limit = within if limit is None else min(limit, within)
    while stop is None or not stop.is_set():
        passed_s = time.monotonic() - began
        if rate is None:
            if duration_s is not None and passed_s >= duration_s:
                break
            due = tally.events + _TURN
        else:
            due = min(int(passed_s * rate) + 1, tally.events + _TURN)
        if limit is not None:
            due = min(due, limit)
        for number in range(tally.events, due):
            emission = next(emissions, None)
            if emission is None:
                tally.exhausted = True
                return
            at_ms = began_ms + (number / rate if rate is not None else passed_s) * 1_000
            lanes.append(emission, int(at_ms))
            tally.per_topic[emission.topic] += 1
            tally.events += 1
            if isinstance(emission, Broken):
                tally.broken[emission.code] = tally.broken.get(emission.code, 0) + 1
        if rate is not None and due:
            tally.behind_ms = max(0.0, (passed_s - (due - 1) / rate) * 1_000)
            tally.behind_ms_max = max(tally.behind_ms_max, tally.behind_ms)
        if tally.events == limit:
            return
        await lanes.room()
        now = time.monotonic()
        if now - told >= _PROGRESS_S:
            told = now
            _tell(progress, tally, lanes, began)
        # Behind, or at full speed, a turn for the producer's tasks is enough.
        wait_s = 0.0 if rate is None else tally.events / rate - (now - began)
        await asyncio.sleep(0 if wait_s <= 0 else min(max(wait_s, TICK_MIN_S), TICK_MAX_S))


def _tell(progress: Callable[[LoadProgress], None] | None, tally: _Tally, lanes: Lanes, began: float) -> None:
    if progress is not None:
        seconds = time.monotonic() - began
        progress(LoadProgress(tally.events, lanes.acknowledged, seconds, tally.behind_ms))


def _check(**limits: float | None) -> None:
    for name, value in limits.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}: give a number above 0, or leave it out.")


async def _partition_counts(connection: BrokerConnection) -> dict[str, int]:
    states: list[Any] = await describe_topics(connection, INGRESS_TOPICS, offsets=False)
    counts = {state.name: len(state.partitions) for state in states}
    missing = [name for name in INGRESS_TOPICS if name not in counts]
    if missing:
        raise BrokerError(
            f"There {'is no topic' if len(missing) == 1 else 'are no topics'} {', '.join(missing)} at "
            f"{connection.bootstrap}.",
            "`springtide up` makes all topics; start it first.",
        )
    return counts
