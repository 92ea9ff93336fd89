"""The API as OpenAPI 3.1, made from its routes, its operations and the types of its calls."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec
from aiohttp import web

from springtide.app.access.scopes import SCOPES, SETS
from springtide.app.view.contract.calls import CALLS, HEADERS, PARAMETERS, Call, Parameter
from springtide.app.view.contract.reports import Problem
from springtide.app.view.operations import BY_ROUTE, Operation

_REF: Final = "#/components/schemas/{name}"
_PATH_NAME: Final = re.compile(r"\{(\w+)\}")
_PROBLEM: Final = "application/problem+json"
_OPEN: Final = {
    ("GET", "/livez"): "Whether the process answers",
    ("GET", "/readyz"): "Whether every projection was read to its end",
    ("GET", "/openapi.json"): "This description",
    ("GET", "/asyncapi.json"): "The topics and webhooks, as AsyncAPI 3.0",
}
_TAGS: Final = (
    ("atp", "What there is to promise"),
    ("promises", "Promises for baskets"),
    ("holds", "Units set aside for a while"),
    ("orders", "Where orders stand"),
    ("at-risk", "Promises that break"),
    ("explain", "Why a figure is what it is"),
    ("whatif", "As if events had happened"),
    ("exceptions", "What could not be applied"),
    ("kpis", "The leaders' figures"),
    ("finance", "Invoices and shipments"),
    ("credit", "Credit of customers"),
    ("prices", "Prices"),
    ("events", "What happens, told"),
    ("stream", "Live streams"),
    ("subscriptions", "Webhooks"),
    ("probes", "Whether it works"),
    ("descriptions", "What it says of itself"),
)
_FAILURES: Final = {
    400: "What is asked can't be taken; `errors` says where.",
    401: "Who asks is not known.",
    403: "The key or token lacks the scope, or is bound to others.",
    404: "There is no such thing, or it is not for who asks.",
    408: "The body does not come.",
    409: "It is not so any more; the body says what is.",
    413: "The body is too large.",
    414: "The path and query are too long.",
    415: "The content type is another one.",
    429: "Too many requests; `Retry-After` says when to come again.",
    431: "The headers are too large.",
    503: "Not now; `Retry-After` says when.",
    504: "It did not come about in time.",
}
_LIMITS: Final = {
    "RateLimit": "What is left of the limit, and when it is whole again.",
    "RateLimit-Policy": "The limit.",
}
_FIGURE: Final = {"ETag": "A tag of what the answer says, position and lag aside."}


def openapi(routes: Iterable[tuple[str, str]], *, is_open: bool = False) -> dict[str, Any]:
    """The description of these routes, (method, path) each; those that are no calls of the API are left out.
    `is_open`: whoever asks is answered, and no key is needed."""
    known = [route for route in CALLS if route in set(routes)]
    schemas = _Schemas([CALLS[route] for route in known])
    paths: dict[str, dict[str, Any]] = {}
    for method, path in known:
        described = _operation(method, path, CALLS[method, path], BY_ROUTE.get((method, path)), schemas)
        if is_open:
            described["security"] = []
        paths.setdefault(path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Springtide",
            "version": package_version(),
            "summary": "Available-to-promise and order status from event streams.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": _scopes_told(),
                }
            },
        },
    }


def routes_of(app: web.Application) -> list[tuple[str, str]]:
    """(method, path) of each route of an application."""
    return [
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    ]


class _Schemas:
    """JSON Schemas of all types of the calls; types with a name stand once, in `components`."""

    def __init__(self, calls: Iterable[Call]) -> None:
        types: list[Any] = [Problem]
        for call in calls:
            answers = call.answer if isinstance(call.answer, tuple) else (call.answer,)
            types += [one for one in (*answers, *call.bodies.values()) if one is not None]
            types += [_parameter(call, name).type for name in call.query]
            types += [HEADERS[name][0] for name in call.headers]
        schemas, self.components = msgspec.json.schema_components(types, ref_template=_REF)
        self._by_type = list(zip(types, schemas, strict=True))

    def of(self, wanted: Any) -> dict[str, Any]:
        if isinstance(wanted, tuple):
            return {"anyOf": [self.of(one) for one in wanted]}
        return next(schema for known, schema in self._by_type if known is wanted or known == wanted)


def _operation(
    method: str, path: str, call: Call, operation: Operation | None, schemas: _Schemas
) -> dict[str, Any]:
    summary = _OPEN[method, path] if operation is None else operation.summary
    body: dict[str, Any] = {
        "operationId": _name(method, path),
        "summary": summary,
        "tags": [_tag(path)],
        "parameters": [
            *(_path_parameter(name) for name in _PATH_NAME.findall(path)),
            *(_query_parameter(call, name, schemas) for name in call.query),
            *(_header(name, schemas) for name in call.headers),
        ],
        "responses": _responses(method, path, call, operation, schemas),
        "security": [],
    }
    if operation is not None:
        needed = [operation.scope, *operation.more_scopes]
        body["security"] = [{"bearer": needed}]
        body["description"] = f"Needs the scope {' and '.join(needed)}." + (
            "" if operation.bound else " Not for keys that are bound to customers or channels."
        )
    if call.bodies:
        content = {media: {"schema": schemas.of(kind)} for media, kind in call.bodies.items()}
        body["requestBody"] = {"required": not call.optional, "content": content}
    return body


def _responses(
    method: str, path: str, call: Call, operation: Operation | None, schemas: _Schemas
) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": "The answer."}
    if call.gives == "text/event-stream":
        answer["description"] = (
            "Server-sent events, each as below: `data` is JSON, of an event `problem` a problem."
        )
    if call.answer is not None or call.gives != "application/json":
        schema = {"type": "string"} if call.answer is None else schemas.of(call.answer)
        answer["content"] = {call.gives: {"schema": schema}}
    told = dict(_LIMITS) if operation is not None else {}
    is_figure = method == "GET" and "min_position" in call.query
    if is_figure:
        told |= _FIGURE
    if told:
        answer["headers"] = {n: {"description": t, "schema": {"type": "string"}} for n, t in told.items()}
    responses: dict[str, Any] = {str(call.status): answer}
    if is_figure:
        responses["304"] = {"description": "It says what `If-None-Match` names."}
    failures = [414, 431, 503]
    if operation is not None:
        failures += [400, 401, 403, 429]
        if "{" in path or call.query:
            failures.append(404)
        if "min_position" in call.query or path.startswith(("/v1/holds", "/v1/promises")):
            failures.append(504)
        if call.bodies:
            failures += [408, 409, 413, 415]
    problem = {_PROBLEM: {"schema": schemas.of(Problem)}}
    for status in sorted(failures):
        responses[str(status)] = {"description": _FAILURES[status], "content": problem}
    return responses


def _parameter(call: Call, name: str) -> Parameter:
    return call.own.get(name) or PARAMETERS[name]


def _path_parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 256}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameter(call: Call, name: str, schemas: _Schemas) -> dict[str, Any]:
    parameter = _parameter(call, name)
    found: dict[str, Any] = {
        "name": name,
        "in": "query",
        "required": name in call.required,
        "description": parameter.text,
        "schema": schemas.of(parameter.type),
    }
    if parameter.many:
        found |= {"style": "form", "explode": parameter.many == "twice"}
    return found


def _header(name: str, schemas: _Schemas) -> dict[str, Any]:
    kind, text = HEADERS[name]
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": text,
        "schema": schemas.of(kind),
    }


def _tag(path: str) -> str:
    parts = re.split(r"[/:]", path)
    if parts[1] == "v1":
        return parts[2]
    return "descriptions" if path.endswith(".json") else "probes"


def _name(method: str, path: str) -> str:
    words = [word for word in re.split(r"[/:{}\-_.]+", path.removeprefix("/v1")) if word]
    return method.lower() + "".join(word.capitalize() for word in words)


def _scopes_told() -> str:
    scopes = "".join(f"\n- `{name}`: {text}" for name, text in SCOPES.items())
    sets = "".join(f"\n- `{name}`: {', '.join(names)}" for name, names in SETS.items() if name != "*")
    return f"An API key (`sk_...`) or an OAuth 2 access token (JWT). Scopes:{scopes}\n\nSets of them:{sets}\n- `*`: all"


def package_version() -> str:
    try:
        return version("springtide")
    except PackageNotFoundError:  # run from a tree that is not installed
        return "development"
