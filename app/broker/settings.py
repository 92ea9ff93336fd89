"""What a local broker is told: its properties, its logging and the flags of its JVM."""

from __future__ import annotations

import os
from pathlib import Path

from springtide.app.broker.distribution import Distribution

HOST = "127.0.0.1"
NODE_ID = 1
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
# Flags that reach into a JVM from outside would also make its startup cache useless.
_JVM_VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH")


def server_properties(log_dir: Path, broker_port: int, controller_port: int) -> str:
    """The text of server.properties for a broker and controller in one process, on loopback only."""
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": NODE_ID,
        "listeners": f"BROKER://{HOST}:{broker_port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"BROKER://{HOST}:{broker_port}",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        # A fixed voter rather than a stored one: the controller's port may change between starts.
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
        "log.dirs": str(log_dir).replace("\\", "\\\\"),
        # One node: nothing to replicate to.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 8,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 8,
        "transaction.max.timeout.ms": 900_000,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Topics come from their specs; a typing error must not make one.
        "auto.create.topics.enable": "false",
        # Groups form at once, and a dead member is noticed within a second if its session asks for that.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1_000,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.max.bytes": MAX_MESSAGE_BYTES,
        "replica.fetch.response.max.bytes": 2 * MAX_MESSAGE_BYTES,
        "fetch.max.bytes": 4 * MAX_MESSAGE_BYTES,
        # The log is the truth: nothing is dropped by age. Smaller segments let compaction reach them sooner.
        "log.retention.ms": -1,
        "log.segment.bytes": 128 * 1024 * 1024,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "log.cleaner.threads": 1,
        # A small machine's worth of threads, and no idle chatter in the metadata log.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 4,
        "group.coordinator.threads": 1,
        "num.recovery.threads.per.data.dir": 2,
        "auto.leader.rebalance.enable": "false",
        "metadata.max.idle.interval.ms": 5_000,
        # After a kill the controller lets the same node in again only when its old session has run out.
        "broker.session.timeout.ms": 2_000,
        "broker.heartbeat.interval.ms": 500,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def log4j2_properties(log_file: Path) -> str:
    """The text of log4j2.properties: warnings and worse to `log_file`, at most about 16 MB with its backup."""
    return f"""\
status = ERROR
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {log_file}
appender.file.filePattern = {log_file}.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %-5p %c - %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 8MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 1
rootLogger.level = WARN
rootLogger.appenderRef.file.ref = file
"""


def jvm_command(distribution: Distribution, heap_mb: int, log4j2_file: Path, extra: list[str]) -> list[str]:
    """The command up to, not including, the main class. `heap_mb` is the largest heap in MiB.

    `extra` flags come last. The startup cache is used if it is there; one that does not fit is passed over
    by the JVM without a word.
    """
    cache = distribution.startup_cache
    return [
        str(distribution.java),
        f"-Xms{min(heap_mb, 128)}m",
        f"-Xmx{heap_mb}m",
        "-XX:TieredStopAtLevel=1",  # the optimizing compiler takes more of a small machine than it gives back
        "-XX:+UseSerialGC",  # the cheapest to start and to keep for a heap this small
        "-XX:+ExitOnOutOfMemoryError",  # a broker that limps is worse than one that is gone
        "-XX:-UsePerfData",  # no files outside the data folder
        "-Xlog:disable",
        "-Xlog:all=error:stderr",
        "--enable-native-access=ALL-UNNAMED",  # for the compression libraries
        "--sun-misc-unsafe-memory-access=allow",
        "-Djava.awt.headless=true",
        f"-Dlog4j2.configurationFile={log4j2_file.as_uri()}",
        *([f"-XX:AOTCache={cache}"] if cache.exists() else []),
        *extra,
        "-cp",
        distribution.class_path,
    ]


def jvm_environment() -> dict[str, str]:
    """This process's environment without the variables that change a JVM."""
    return {name: value for name, value in os.environ.items() if name not in _JVM_VARIABLES}
