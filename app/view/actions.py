"""What was done about exceptions, in the view's store.

A<exception id>   ExceptionAction, as JSON
"""

from __future__ import annotations

from springtide.app.view.rows import Puts, Rows
from springtide.codecs.actions import ExceptionAction, decode_action
from springtide.codecs.records import Record

ACTION = b"A"


def entries(record: Record, before_us: int, found: Puts) -> int:
    """Adds what is kept of a record of the actions' topic."""
    found[ACTION + (record.key or b"")] = record.value
    return before_us


def action_of(rows: Rows, exception_id: str) -> ExceptionAction | None:
    raw = rows.get(ACTION + exception_id.encode())
    return None if raw is None else decode_action(raw)
