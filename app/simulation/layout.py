"""The topics and actors of one simulated installation, as `app.wiring` lays them out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from springtide.agents.work import Behaviour
from springtide.app import wiring
from springtide.app.engine.log import ActorId
from springtide.app.settings import Settings
from springtide.codecs.records import TopicPartition

APP: Final = "simulated"
GRACE_S: Final = 3 * 86_400
"""Sources run apart by days here: facts of some orders are given up before they are placed."""


@dataclass(frozen=True)
class Layout:
    """Partition counts by topic, and for each actor its behaviour and the topic partitions it reads."""

    ingress_partitions: int
    inbox_partitions: int
    topics: dict[str, int]
    behaviours: dict[str, Behaviour]
    inputs: dict[ActorId, tuple[TopicPartition, ...]]


@lru_cache(maxsize=64)
def layout(ingress_partitions: int, inbox_partitions: int) -> Layout:
    # Constructed without validation: the environment and files of the machine have no say in a simulation.
    settings = Settings.model_construct(
        app=APP,
        ingress_partitions=ingress_partitions,
        inbox_partitions=inbox_partitions,
        orphan_grace_s=GRACE_S,
    )
    behaviours = {behaviour.kind: behaviour for behaviour in wiring.behaviours(settings)}
    inputs = {
        ActorId(APP, kind, p): tuple((topic, p) for topic in behaviours[kind].inputs)
        for kind, count in wiring.actor_partitions(settings).items()
        for p in range(count)
    }
    topics = wiring.partition_counts(wiring.topic_specs(settings))
    return Layout(ingress_partitions, inbox_partitions, topics, behaviours, inputs)
