"""JSON Schemas of all that lies on topics and goes to webhooks, as AsyncAPI wants them: draft 7."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import inspect

from springtide.app.view.contract.channels import TOPICS
from springtide.app.view.questions import STATUSES
from springtide.codecs.cloudevents import Envelope
from springtide.codecs.facts import FACT_TYPES
from springtide.codecs.letters import StatusChange, StatusChanged, WebhookHeaders

Json = dict[str, Any]
REF: Final = "#/components/schemas/{name}"
CE: Final = "ce_"
"""Begins the name of a header that is an attribute of an event in binary mode."""


class Schemas:
    """JSON Schemas (draft 7, which AsyncAPI's own are) of all types; what is a row's is an array."""

    def __init__(self) -> None:
        kinds: list[Any] = [Envelope, StatusChanged, WebhookHeaders]
        kinds += [fact.data for fact in FACT_TYPES]
        kinds += [kept.type for topic in TOPICS.values() for kept in topic.kept]
        refs, components = msgspec.json.schema_components(kinds, ref_template=REF)
        self._refs = dict(zip(kinds, refs, strict=True))
        structs: dict[type, inspect.StructType] = {}
        for kind in dict.fromkeys(kinds):
            _gather(inspect.type_info(kind), structs)
        rows = {}
        for kind, info in structs.items():
            name = _component(kind, components)
            if info.array_like:
                rows[name] = ([] if info.tag is None else ["tag"]) + [field.name for field in info.fields]
        self.components: dict[str, Json] = {
            name: _draft_7(schema, rows.get(name)) for name, schema in components.items()
        }
        self.components[StatusChange.__name__]["properties"]["status"]["enum"] = list(STATUSES)
        self.components["Envelope"]["properties"]["specversion"] = {"const": "1.0"}
        self.components["BinaryAttributes"] = self._binary()

    def of(self, kind: Any) -> Json:
        found: Json = self._refs[kind]
        return found

    def _binary(self) -> Json:
        """The envelope as headers of a record, which are texts."""
        envelope = self.components["Envelope"]
        texts = {name: _text(schema) for name, schema in envelope["properties"].items() if name != "data"}
        return {
            "title": "BinaryAttributes",
            "description": "Attributes of an event in binary mode: headers, in UTF-8; the value is `data`.",
            "type": "object",
            "properties": {
                **{CE + name: schema for name, schema in texts.items()},
                "content-type": {"type": "string", "pattern": "json(;.*)?$"},
            },
            "required": [CE + name for name in envelope["required"] if name != "data"],
        }


def _text(schema: Json) -> Json:
    """That part of a schema which is of texts."""
    for one in schema.get("anyOf", ()):
        if one.get("type") == "string":
            found: Json = one
            return found
    return schema


def _gather(info: inspect.Type, found: dict[type, inspect.StructType]) -> None:
    """Every struct that a type is made of."""
    if isinstance(info, inspect.StructType):
        if info.cls in found:
            return
        found[info.cls] = info
        parts: Iterable[inspect.Type] = [field.type for field in info.fields]
    elif isinstance(info, inspect.UnionType):
        parts = info.types
    elif isinstance(info, inspect.TupleType):
        parts = info.item_types
    elif isinstance(info, inspect.DictType):
        parts = (info.key_type, info.value_type)
    elif isinstance(info, inspect.CollectionType):
        parts = (info.item_type,)
    elif isinstance(info, inspect.Metadata):
        parts = (info.type,)
    else:
        return
    for part in parts:
        _gather(part, found)


def _component(kind: type, components: Mapping[str, Any]) -> str:
    """What a type is called among the components: where two have one name, its module's stands before it."""
    whole = f"{kind.__module__}.{kind.__qualname__}"
    return whole if whole in components else kind.__name__


def _draft_7(schema: Any, names: list[str] | None = None) -> Any:
    """The same in the words of draft 7; `names` of the places of a row become their titles."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {word: _draft_7(value) for word, value in schema.items()}
    if isinstance(found.get("description"), str):
        found["description"] = " ".join(found["description"].split())  # a docstring has lines
    if "$ref" in found and len(found) > 1:  # in draft 7 nothing counts beside a reference
        found = {"allOf": [{"$ref": found.pop("$ref")}], **found}
    if "prefixItems" in found:
        places = found.pop("prefixItems")
        if names is not None:
            places = [
                {"title": name, "allOf": [place]} if "$ref" in place else {"title": name, **place}
                for name, place in zip(names, places, strict=True)
            ]
        found["items"] = places
    return found
