"""Prometheus metrics of one worker, for each stage of a record's way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from springtide.agents.work import Work
from springtide.app.engine.actor import Observer
from springtide.app.engine.log import ActorId
from springtide.codecs.records import Record

_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_RECORDS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)


class Metrics(Observer):
    """All figures of a worker in one registry; labels: `kind` of actor, and what is named."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.events = Counter("springtide_events", "Records applied, committed.", ["kind"], registry=registry)
        self.counted = Counter(
            "springtide_counted",
            "What steps counted: facts, duplicates, demands, ticks.",
            ["kind", "what"],
            registry=registry,
        )
        self.dead_letters = Counter(
            "springtide_dead_letters", "Records set aside, by reason.", ["code"], registry=registry
        )
        self.steps = Counter("springtide_steps", "Steps committed.", ["kind"], registry=registry)
        self.step_records = Histogram(
            "springtide_step_records", "Records in a step.", ["kind"], buckets=_RECORDS, registry=registry
        )
        self.step_s = Histogram(
            "springtide_step_seconds",
            "Applying a step, without its commit.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.transaction_s = Histogram(
            "springtide_transaction_seconds",
            "One atomic append to the log.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.store_s = Histogram(
            "springtide_store_seconds",
            "Writing a step to the local store.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.recovery_s = Histogram(
            "springtide_recovery_seconds",
            "From fencing to ready.",
            ["kind"],
            buckets=(*_SECONDS, 10.0, 30.0, 120.0),
            registry=registry,
        )
        self.recovered_records = Counter(
            "springtide_recovered_records",
            "Changelog records read by recoveries.",
            ["kind"],
            registry=registry,
        )
        self.reopened_total = Counter(
            "springtide_reopened",
            "Times an actor had to open the log or its store again.",
            ["kind"],
            registry=registry,
        )
        self.lag = Gauge(
            "springtide_lag_records", "Committed records not yet applied.", ["kind"], registry=registry
        )
        self.mailbox = Gauge(
            "springtide_mailbox_records", "Records fetched and waiting.", ["kind"], registry=registry
        )
        self.actors = Gauge("springtide_actors", "Actors here.", ["kind", "state"], registry=registry)
        self.stream_time_s = Gauge(
            "springtide_stream_time_seconds", "Newest event time applied.", ["kind"], registry=registry
        )
        self.rocksdb_bytes = Gauge(
            "springtide_rocksdb_bytes", "RocksDB's sizes.", ["part"], registry=registry
        )

    def recovered(self, actor: ActorId, records: int, seconds: float) -> None:
        self.recovery_s.labels(actor.kind).observe(seconds)
        self.recovered_records.labels(actor.kind).inc(records)

    def stepped(
        self,
        actor: ActorId,
        work: Work,
        records: Sequence[Record],
        step_s: float,
        commit_s: float,
        store_s: float,
    ) -> None:
        kind = actor.kind
        self.events.labels(kind).inc(len(records))
        self.steps.labels(kind).inc()
        self.step_records.labels(kind).observe(len(records))
        self.step_s.labels(kind).observe(step_s)
        self.transaction_s.labels(kind).observe(commit_s)
        self.store_s.labels(kind).observe(store_s)
        for name, count in work.counts.items():
            code = name.removeprefix("dead_letters.")
            if code == name:
                self.counted.labels(kind, name).inc(count)
            else:
                self.dead_letters.labels(code).inc(count)

    def dead_lettered(self, actor: ActorId, record: Record, error: Exception) -> None:  # noqa: ARG002
        self.dead_letters.labels("step_failed").inc()

    def reopened(self, actor: ActorId, error: Exception) -> None:  # noqa: ARG002
        self.reopened_total.labels(actor.kind).inc()
