"""Errors as RFC 9457 problems: what was wrong, where, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

TYPE_PREFIX: Final = "urn:springtide:problem:"
SHOWN_MAX: Final = 128
"""Characters of what was asked for that a problem repeats."""

Fault = dict[str, str]
"""One fault of an input: `path` to it, `message`, and `code` where there is one for machines."""


class Problem(Exception):  # noqa: N818 - the name RFC 9457 gives it
    """An answer that is a problem. `kind` is for machines and ends its `type`; `detail` is for people."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        retry_after_s: int | None = None,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.more = more or {}
        """Further members of its body, for this kind."""
        self.headers = headers or {}
        self.status = status
        self.kind = kind
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s

    def body(self, instance: str) -> dict[str, Any]:
        """`type, title, status, detail, instance`, and `errors` where the input is at fault."""
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "instance": instance,
        }
        if self.errors:
            body["errors"] = list(self.errors)
        return body | dict(self.more)


def bad_request(detail: str, path: str, message: str) -> Problem:
    """An input with one fault."""
    return Problem(
        400, "bad-request", "The request can't be taken", detail, errors=[{"path": path, "message": message}]
    )


def of_status(status: int, detail: str) -> Problem:
    """A problem for a status that HTTP itself explains, such as 405."""
    phrase = HTTPStatus(status).phrase
    return Problem(status, phrase.lower().replace(" ", "-").replace("'", ""), phrase, detail)


def shown(text: str) -> str:
    """What was asked for, short enough to repeat."""
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "..."
