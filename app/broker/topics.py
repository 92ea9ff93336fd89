"""Topics on a broker: made as specified, never changed, and described."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, for_code

from springtide.app.broker.connection import BrokerConnection
from springtide.app.broker.errors import BrokerError

_REQUEST_TIMEOUT_MS = 15_000
_READY_S = 30.0
_LOOK_EVERY_S = 0.05
_ALREADY_EXISTS = 36
_BAD_REPLICATION = 38


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be.

    `compacted` keeps the last record of each key; with `retention_ms` too, old records go as well. A
    `retention_ms` of -1 keeps everything, None leaves it to the broker, as does None for
    `max_message_bytes`. `extra` is further topic configuration by Kafka's names, and wins.
    """

    name: str
    partitions: int
    compacted: bool = False
    retention_ms: int | None = None
    max_message_bytes: int | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def configuration(self) -> dict[str, str]:
        """The topic's configuration by Kafka's names."""
        config = {"cleanup.policy": "delete"}
        if self.compacted:
            config["cleanup.policy"] = "compact" if self.retention_ms is None else "compact,delete"
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        if self.max_message_bytes is not None:
            config["max.message.bytes"] = str(self.max_message_bytes)
        return config | self.extra


@dataclass(frozen=True, slots=True)
class PartitionState:
    """One partition: offsets of its first record and of the next one to come; leader -1 if there is none."""

    partition: int
    leader: int
    start_offset: int
    end_offset: int


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is."""

    name: str
    partitions: tuple[PartitionState, ...]
    cleanup_policy: str

    @property
    def records(self) -> int:
        """At most so many records: offsets also count what compaction removed and transaction markers."""
        return sum(part.end_offset - part.start_offset for part in self.partitions)


async def ensure_topics(
    connection: BrokerConnection, specs: Sequence[TopicSpec], *, timeout_s: float = _READY_S
) -> list[str]:
    """Makes the topics that are missing and returns their names; waits until every partition has a leader.

    Existing topics are never changed. Raises BrokerError if one has another number of partitions than
    wanted (nothing is made then), if the broker refuses one, or if it is not ready within `timeout_s` seconds.
    """
    async with _admin(connection) as admin:
        existing = await _partitions(admin)
        _refuse_mismatches(connection, specs, existing)
        missing = [spec for spec in specs if spec.name not in existing]
        made = await _create(admin, connection, missing) if missing else []
        deadline = time.monotonic() + timeout_s
        waiting = {spec.name: spec.partitions for spec in specs}
        while waiting:
            seen = await _partitions(admin)
            # Someone else may have made one at the same time, and otherwise.
            _refuse_mismatches(connection, specs, {name: seen[name] for name in waiting if seen.get(name)})
            waiting = {
                name: count
                for name, count in waiting.items()
                if len([leader for leader in seen.get(name, {}).values() if leader >= 0]) < count
            }
            if waiting and time.monotonic() > deadline:
                raise BrokerError(
                    f"After {timeout_s:.0f} s not every partition of {', '.join(sorted(waiting))} at "
                    f"{connection.bootstrap} has a leader.",
                    "See the broker's log; start again once all its nodes are up.",
                )
            if waiting:
                await asyncio.sleep(_LOOK_EVERY_S)
        return made


async def describe_topics(
    connection: BrokerConnection, names: Sequence[str] | None = None, *, offsets: bool = True
) -> list[TopicState]:
    """The topics by name, those of `names` that exist or, for None, all but Kafka's own.

    Without `offsets` they are all 0, which spares a client. Raises BrokerError if the broker does not answer.
    """
    async with _admin(connection) as admin:
        seen = await _partitions(admin)
        chosen = sorted(
            name for name in seen if (name in names if names is not None else not name.startswith("__"))
        )
        policies = await _cleanup_policies(admin, chosen)
        wanted = [TopicPartition(name, number) for name in chosen for number in seen[name]]
        starts: dict[Any, int] = {}
        ends: dict[Any, int] = {}
        if offsets and wanted:
            starts, ends = await _offsets(connection, wanted)
        return [
            TopicState(
                name,
                tuple(
                    PartitionState(number, leader, starts.get((name, number), 0), ends.get((name, number), 0))
                    for number, leader in sorted(seen[name].items())
                ),
                policies.get(name, ""),
            )
            for name in chosen
        ]


@asynccontextmanager
async def _admin(connection: BrokerConnection) -> AsyncIterator[Any]:
    """An admin client; turns what Kafka's client raises into a BrokerError."""
    admin = AIOKafkaAdminClient(**connection.aiokafka_options(), request_timeout_ms=_REQUEST_TIMEOUT_MS)
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerError(
            f"The broker at {connection.bootstrap} could not be asked about its topics: "
            f"{str(error).rstrip('.') or type(error).__name__}.",  # Kafka's errors name their class themselves
            "See that it runs and that address, security protocol and sign-in are right.",
        ) from error
    finally:
        await admin.close()


async def _partitions(admin: Any) -> dict[str, dict[int, int]]:
    """Topic -> partition -> leader's node id, or -1.

    Always asks for all topics: asked by name, a broker that makes topics of itself would make them.
    """
    found: dict[str, dict[int, int]] = {}
    for topic in await admin.describe_topics():
        if not topic["error_code"]:
            found[topic["topic"]] = {
                part["partition"]: -1 if part["error_code"] else part["leader"]
                for part in topic["partitions"]
            }
    return found


def _refuse_mismatches(
    connection: BrokerConnection, specs: Sequence[TopicSpec], existing: dict[str, dict[int, int]]
) -> None:
    wrong = [spec for spec in specs if spec.name in existing and len(existing[spec.name]) != spec.partitions]
    if wrong:
        told = "; ".join(
            f"topic {spec.name} has {len(existing[spec.name])} partitions, wanted are {spec.partitions}"
            for spec in wrong
        )
        raise BrokerError(
            f"At {connection.bootstrap}, {told}.",
            "Start with the number of partitions the topics have; to change it, use new topic names or an "
            "empty broker, since records would no longer be found in the partition of their key.",
        )


async def _create(admin: Any, connection: BrokerConnection, specs: list[TopicSpec]) -> list[str]:
    # -1 is the broker's own default; aiokafka lets it through only with an (empty) assignment beside it.
    made, refused = await _create_with(admin, specs, -1)
    again = [spec for spec in specs if refused.get(spec.name, (0, ""))[0] == _BAD_REPLICATION]
    if again:
        nodes = len((await admin.describe_cluster())["brokers"])
        made_now, refused_now = await _create_with(admin, again, min(3, nodes))
        made += made_now
        refused = {name: why for name, why in refused.items() if name not in made_now} | refused_now
    if refused:
        told = "; ".join(
            f"{name}: {for_code(code).__name__} {message or ''}".strip()
            for name, (code, message) in sorted(refused.items())
        )
        raise BrokerError(
            f"The broker at {connection.bootstrap} refused to make topics: {told}.",
            "Correct the topic's settings, or let someone who may make it on the broker.",
        )
    return made


async def _create_with(
    admin: Any, specs: list[TopicSpec], replication: int
) -> tuple[list[str], dict[str, tuple[int, str | None]]]:
    """The names made, and (error code, message) of those refused. One made meanwhile is neither."""
    answer = await admin.create_topics(
        [
            NewTopic(
                spec.name,
                spec.partitions,
                replication,
                replica_assignments={} if replication < 0 else None,
                topic_configs=spec.configuration(),
            )
            for spec in specs
        ],
        timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    codes = {name: (code, message) for name, code, message in answer.topic_errors}
    made = [spec.name for spec in specs if codes[spec.name][0] == 0]
    return made, {name: why for name, why in codes.items() if why[0] not in (0, _ALREADY_EXISTS)}


async def _cleanup_policies(admin: Any, names: list[str]) -> dict[str, str]:
    if not names:
        return {}
    # aiokafka takes the keys wanted from a dictionary, whatever its values.
    resources = [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": None}) for name in names]
    policies: dict[str, str] = {}
    for answer in await admin.describe_configs(resources):
        for code, _message, _kind, name, entries, *_ in answer.resources:
            if not code:
                policies[name] = dict(entry[:2] for entry in entries).get("cleanup.policy", "")
    return policies


async def _offsets(
    connection: BrokerConnection, partitions: list[Any]
) -> tuple[dict[Any, int], dict[Any, int]]:
    consumer = AIOKafkaConsumer(
        **connection.aiokafka_options(),
        enable_auto_commit=False,
        request_timeout_ms=_REQUEST_TIMEOUT_MS,
    )
    try:
        await consumer.start()
        return await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()
