"""What was done about exceptions, in the view's store.

A<exception id>         ExceptionAction, as JSON
T<place> <exception id> the same; a place is when it was done, the newest first
"""

from __future__ import annotations

from collections.abc import Iterator

from springtide.app.view.index import newest_first
from springtide.app.view.rows import Puts, Rows
from springtide.codecs.actions import ExceptionAction, decode_action, encode_action
from springtide.codecs.records import Record
from springtide.codecs.times import instant

ACTION, BY_TIME = b"A", b"T"


def entries(record: Record, before_us: int, found: Puts) -> int:
    """Adds what is kept of a record of the actions' topic."""
    found.update(rows_of(decode_action(record.value or b"")))
    return before_us


def rows_of(action: ExceptionAction) -> Puts:
    raw, name = encode_action(action), action.id.encode()
    return {ACTION + name: raw, BY_TIME + newest_first(instant(action.at)) + name: raw}


def action_of(rows: Rows, exception_id: str) -> ExceptionAction | None:
    raw = rows.get(ACTION + exception_id.encode())
    return None if raw is None else decode_action(raw)


def newest_actions(rows: Rows, after: tuple[int, str] | None) -> Iterator[ExceptionAction]:
    """What was last done about each exception; begins at the place `after`."""
    start = BY_TIME if after is None else BY_TIME + newest_first(after[0]) + after[1].encode()
    for _, raw in rows.scan(BY_TIME, start):
        action = decode_action(raw)
        if action_of(rows, action.id) == action:
            yield action
