"""Topics and webhooks as AsyncAPI 3.0, made from the topics' specifications and the types by which records are
read and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from springtide.app import wiring
from springtide.app.broker.topics import TopicSpec
from springtide.app.settings import Settings
from springtide.app.view.contract.channels import CHANGELOG, TOPICS, Kept, Topic
from springtide.app.view.contract.examples import example
from springtide.app.view.contract.openapi import package_version
from springtide.app.view.contract.schemas import CE, REF, Json, Schemas
from springtide.codecs.cloudevents import (
    EVENT_BYTES_MAX,
    STRUCTURED,
    SUBJECT_FIELDS,
    TYPE_PREFIX,
    TYPE_SUFFIX,
    Envelope,
)
from springtide.codecs.facts import CREDITS, FACT_TYPES, INVENTORY, FactType
from springtide.codecs.letters import STATUS_CHANGED, StatusChanged, WebhookHeaders

WEBHOOK: Final = "webhook"
UPSERT: Final = "upsert"
BINARY: Final = ".binary"
"""Ends the name of an event's message in binary mode."""
_KAFKA_BINDING: Final = "0.5.0"
_HTTP_BINDING: Final = "0.3.0"
_JSON: Final = "application/json"
_EVENT: Final = STRUCTURED.decode()
_ABOUT: Final = f"""What Springtide hears and tells: CloudEvents 1.0 in, at most {EVENT_BYTES_MAX >> 20} MiB each, in \
structured or binary mode; status changes, dead letters and projections out. What it writes is written in \
transactions: read it with `isolation.level=read_committed`. An entity's partition is the CRC-32 of its key modulo \
the number of partitions. The HTTP API has a description of its own, `/openapi.json`."""
_USES: Final[Mapping[str, tuple[str, ...]]] = {
    "in": ("receive",),
    "out": ("send",),
    "own": ("send", "receive"),
}
_SUBJECTS: Final[Mapping[str, str]] = {INVENTORY: "sku", CREDITS: "customer_id"}
"""What the subject is, where no field of data says it again; else the order."""


def asyncapi(settings: Settings) -> Json:
    """The document of an installation with these settings."""
    schemas = Schemas()
    messages: dict[str, Json] = {}
    channels: dict[str, Json] = {}
    for spec in wiring.topic_specs(settings):
        topic = TOPICS.get(spec.name, CHANGELOG)
        told = dict(_told(spec, topic, schemas))
        messages |= told
        channels[spec.name] = _channel(spec, topic, told)
    messages |= _webhooks(schemas)
    for name, text in (
        (
            WEBHOOK,
            "Each change that a subscription's filter wants, signed, in order per order, until it is taken.",
        ),
        (
            UPSERT,
            "The same as an upsert by external id, in the manner of Salesforce: what the subscription maps.",
        ),
    ):
        channels[name] = {
            "address": None,
            "title": name,
            "description": f"{text} Where it goes is the subscription's `url`.",
            "servers": [{"$ref": "#/servers/receiver"}],
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Springtide",
            "version": package_version(),
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {
            "kafka": {
                "host": "{broker}",
                "protocol": "kafka-secure" if "SSL" in settings.security_protocol else "kafka",
                "description": "The broker; `springtide topics --json` says where it is.",
                "variables": {"broker": {"default": "127.0.0.1:9092"}},
            },
            "receiver": {
                "host": "{receiver}",
                "protocol": "https",
                "description": "Whoever has subscribed by `POST /v1/subscriptions`.",
                "variables": {"receiver": {"default": "crm.example.com"}},
            },
        },
        "channels": channels,
        "operations": dict(_operations(channels)),
        "components": {"messages": messages, "schemas": schemas.components},
    }


# --- messages ---


def _told(spec: TopicSpec, topic: Topic, schemas: Schemas) -> Iterator[tuple[str, Json]]:
    """(name, message) of each kind of record on a topic."""
    for fact in FACT_TYPES:
        if fact.topic == spec.name:
            yield fact.name, _structured(fact, topic, schemas)
            yield fact.name + BINARY, _binary(fact, topic, schemas)
    for kept in topic.kept:
        yield kept.name, _record(kept, schemas)
    if topic is CHANGELOG:
        yield (
            spec.name,
            {
                "name": spec.name,
                "contentType": "application/octet-stream",
                "summary": "A row; none deletes it.",
                "payload": {"type": ["string", "null"], "format": "binary"},
                "bindings": _keyed(topic.key),
            },
        )


def _structured(fact: FactType, topic: Topic, schemas: Schemas) -> Json:
    event = _event(fact)
    return {
        "name": event["type"],
        "title": fact.name,
        "summary": f"Stated by {' or '.join(fact.sources)}.",
        "contentType": _EVENT,
        "headers": {"type": "object", "properties": {"content-type": {"type": "string"}}},
        "payload": {
            "allOf": [
                schemas.of(Envelope),
                {
                    "type": "object",
                    "properties": {"type": {"const": event["type"]}, "data": schemas.of(fact.data)},
                },
            ]
        },
        "correlationId": {"location": "$message.payload#/correlationid"},
        "bindings": _keyed(f"{topic.key}: the event's `subject`; or none"),
        "examples": [{"headers": {"content-type": _EVENT}, "payload": event}],
    }


def _binary(fact: FactType, topic: Topic, schemas: Schemas) -> Json:
    event = _event(fact)
    data = event.pop("data")
    headers = {CE + name: str(value) for name, value in event.items()} | {"content-type": _JSON}
    return {
        "name": event["type"],
        "title": f"{fact.name}, in binary mode",
        "summary": f"Stated by {' or '.join(fact.sources)}.",
        "contentType": _JSON,
        "headers": {
            "type": "object",
            "allOf": [
                {"$ref": REF.format(name="BinaryAttributes")},
                {"properties": {f"{CE}type": {"const": event["type"]}}},
            ],
        },
        "payload": schemas.of(fact.data),
        "correlationId": {"location": f"$message.header#/{CE}correlationid"},
        "bindings": _keyed(f"{topic.key}: the header `ce_subject`; or none"),
        "examples": [{"headers": headers, "payload": data}],
    }


def _event(fact: FactType) -> Json:
    """An example of an event."""
    data = example(fact.data)
    field = SUBJECT_FIELDS.get(fact.data) or _SUBJECTS.get(fact.topic, "order_id")
    envelope: Json = example(Envelope)
    return envelope | {
        "specversion": "1.0",
        "type": f"{TYPE_PREFIX}{fact.name}{TYPE_SUFFIX}",
        "source": f"{fact.sources[0]}/main",
        "subject": data.get(field) or example(str, field),
        "data": data,
    }


def _record(kept: Kept, schemas: Schemas) -> Json:
    found: Json = {
        "name": kept.name,
        "summary": kept.text,
        "contentType": _JSON,
        "payload": schemas.of(kept.type),
        "bindings": _keyed(kept.key),
    }
    if kept.version is None:
        return found | {"examples": [{"payload": example(kept.type)}]}
    if kept.version:
        found["contentType"] = "application/octet-stream"
        found["description"] = f"One byte, the version ({kept.version[0]}), then MessagePack as below."
    else:
        found["contentType"] = "application/vnd.msgpack"
    return found


def _webhooks(schemas: Schemas) -> Iterator[tuple[str, Json]]:
    change = example(StatusChanged)
    change["subject"] = change["data"]["order_id"]
    change["id"] = f"{change['subject']}/{change['data']['version']}"
    signed = {
        "webhook-id": change["id"],
        "webhook-timestamp": "1772431200",
        "webhook-signature": "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    }
    yield (
        WEBHOOK,
        {
            "name": STATUS_CHANGED,
            "title": "A status change, signed",
            "summary": "Answer 2xx once it is kept; what any other answer means is in the guide to push.",
            "contentType": _EVENT,
            "headers": schemas.of(WebhookHeaders),
            "payload": schemas.of(StatusChanged),
            "correlationId": {"location": "$message.payload#/data/correlation_id"},
            "examples": [{"headers": signed, "payload": change}],
        },
    )
    yield (
        UPSERT,
        {
            "name": UPSERT,
            "title": "A status change as an upsert",
            "summary": "For each field that the subscription maps, the part of the change that it names.",
            "contentType": _JSON,
            "headers": {
                "type": "object",
                "properties": {
                    "Authorization": {"type": "string", "description": "`Bearer`, by client credentials."}
                },
            },
            "payload": {"type": "object"},
            "examples": [
                {"payload": {"Status__c": change["data"]["status"], "Version__c": change["data"]["version"]}}
            ],
        },
    )


# --- channels and operations ---


def _channel(spec: TopicSpec, topic: Topic, told: Iterable[str]) -> Json:
    configuration = {name: _setting(name, value) for name, value in spec.configuration().items()}
    return {
        "address": spec.name,
        "title": spec.name,
        "description": f"{topic.text} Keyed by {topic.key}.",
        "servers": [{"$ref": "#/servers/kafka"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in told},
        "bindings": {
            "kafka": {
                "topic": spec.name,
                "partitions": spec.partitions,
                "topicConfiguration": configuration,
                "bindingVersion": _KAFKA_BINDING,
            }
        },
    }


def _setting(name: str, value: str) -> Any:
    if name == "cleanup.policy":
        return value.split(",")
    return int(value) if name.endswith((".ms", ".bytes")) else value


def _operations(channels: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    for name in channels:
        channel = {"$ref": f"#/channels/{name}"}
        words = "".join(word.capitalize() for word in name.split("-"))
        if name in (WEBHOOK, UPSERT):
            http = {"method": "POST" if name == WEBHOOK else "PATCH", "bindingVersion": _HTTP_BINDING}
            yield f"send{words}", {"action": "send", "channel": channel, "bindings": {"http": http}}
            continue
        for action in _USES[TOPICS.get(name, CHANGELOG).use]:
            yield f"{action}{words}", {"action": action, "channel": channel}


def _keyed(key: str) -> Json:
    return {"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": _KAFKA_BINDING}}
