"""Holds answers against what the API says of itself."""

from __future__ import annotations

import copy
from functools import cache

from jsonschema import Draft202012Validator, FormatChecker

from springtide.app.view.contract.calls import CALLS
from springtide.app.view.contract.openapi import openapi

FRESH = {
    "position": "atp/0:1",
    "freshness": {"source": "replica", "positions": {"atp/0": 1}, "lag_ms": 0},
}


@cache
def described():
    return openapi(list(CALLS))


def strict(schema):
    """The same, with no member allowed that is not named: what answers have too is found."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: strict(value) for name, value in schema.items()}
    if "properties" in found:
        found.setdefault("additionalProperties", False)
    return found


def check(method, path, body, status="200"):
    """Holds a body against the type that the call says it answers."""
    answer = described()["paths"][path][method.lower()]["responses"][status]
    (content,) = answer["content"].values()
    schema = strict(copy.deepcopy(content["schema"])) | {"components": strict(described()["components"])}
    errors = Draft202012Validator(schema, format_checker=FormatChecker()).iter_errors(body)
    found = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}"[:300] for error in errors]
    assert found == [], found
