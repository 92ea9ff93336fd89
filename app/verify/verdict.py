"""What a verification has found."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from springtide.codecs.records import Record, TopicPartition

Kind = Literal["lost", "doubled", "oversold", "wrong"]
STAGES: Final = ("ingress", "sku", "order", "customer", "positions", "projections", "quiescence")
"""In the order of the way of an event: what is wrong upstream explains what is wrong downstream."""
KEPT_MAX: Final = 100


class Violation(msgspec.Struct, frozen=True):
    """One thing that can't be. `positions` are `topic/partition/offset` of the records that show it."""

    kind: Kind
    check: str
    stage: str
    entity: str
    detail: str
    positions: tuple[str, ...]


class Recovery(msgspec.Struct, frozen=True):
    """Seconds from a fault until its partitions were at work again; a drill fills them in."""

    p50: float | None = None
    max: float | None = None


class Verdict(msgspec.Struct, kw_only=True):
    """The answer of `springtide verify`. `faults` and `recovery_s` are a drill's to fill in."""

    ok: bool
    events: int
    """Ingress records that the gateway has passed and that were proven."""
    faults: int = 0
    lost: int = 0
    doubled: int = 0
    oversold: int = 0
    """Cells above what is sellable, counted at each position."""
    recovery_s: Recovery = Recovery()
    first_violation: Violation | None = None
    wrong: int = 0
    """Violations of every other kind."""
    violations: dict[str, int] = {}
    """By check."""
    shown: list[Violation] = []
    """The first of them, in the order of the way of an event."""
    records: dict[str, int] = {}
    """Records read, by topic."""
    orders: int = 0
    skus: int = 0
    customers: int = 0
    grants: int = 0
    """Answers that gave an order units it did not have before."""
    requests: int = 0
    answers: int = 0
    changes: int = 0
    """Published status changes."""
    duplicates: int = 0
    dead_letters: dict[str, int] = {}
    """By code."""
    pending: dict[str, int] = {}
    """Records that are in a topic and not yet applied by those who read it."""
    in_flight: int = 0
    """Messages that a step may or may not have written while the logs were read."""
    quiescent: bool = False
    """Nothing was pending, so that also what orders believe was compared with what SKUs hold."""
    seconds: float = 0.0


def place(record: Record) -> str:
    """`topic/partition/offset`."""
    return f"{record.topic}/{record.partition}/{record.offset}"


def at(topic_partition: TopicPartition, offset: int) -> str:
    return f"{topic_partition[0]}/{topic_partition[1]}/{offset}"


class Findings:
    """Counts violations and keeps the first of each stage."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.kinds: dict[Kind, int] = {"lost": 0, "doubled": 0, "oversold": 0, "wrong": 0}
        self._kept: dict[str, list[Violation]] = {stage: [] for stage in STAGES}

    def add(self, kind: Kind, check: str, stage: str, entity: str, detail: str, *positions: str) -> None:
        """`check` names what was compared; see the module `proof` for the list."""
        self.counts[check] = self.counts.get(check, 0) + 1
        self.kinds[kind] += 1
        kept = self._kept[stage]
        if len(kept) < KEPT_MAX:
            kept.append(Violation(kind, check, stage, entity, detail, tuple(p for p in positions if p)))

    def shown(self) -> list[Violation]:
        return [violation for stage in STAGES for violation in self._kept[stage]][:KEPT_MAX]
