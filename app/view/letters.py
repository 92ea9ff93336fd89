"""Dead letters in the view's store: the newest first, and by the order they concern.

l<place> <id>          DeadLetter, as JSON; a place is when it was written
L<order> 0 <place><id> the same letter
j<id>                  its key under l
"""

from __future__ import annotations

from collections.abc import Iterator

from springtide.app.view.index import newest_first
from springtide.app.view.rows import Puts, Rows
from springtide.codecs.letters import DeadLetter, decode_dead_letter
from springtide.codecs.records import Record
from springtide.codecs.times import instant

LETTER, OF_ORDER, BY_ID = b"l", b"L", b"j"


def entries(record: Record, before_us: int, found: Puts) -> int:
    """Adds what is kept of a record of the dead letters' topic."""
    raw = record.value or b""
    letter = decode_dead_letter(raw)
    place = newest_first(instant(letter.at)) + letter.id.encode()
    found[LETTER + place] = raw
    found[BY_ID + letter.id.encode()] = LETTER + place
    for order_id in letter.impact.orders:
        found[OF_ORDER + order_id.encode() + b"\x00" + place] = raw
    return before_us


def newest_letters(rows: Rows, after: tuple[int, str] | None) -> Iterator[DeadLetter]:
    start = LETTER if after is None else LETTER + newest_first(after[0]) + after[1].encode()
    return (decode_dead_letter(raw) for _, raw in rows.scan(LETTER, start))


def letter_named(rows: Rows, letter_id: str) -> DeadLetter | None:
    key = rows.get(BY_ID + letter_id.encode())
    raw = None if key is None else rows.get(key)
    return None if raw is None else decode_dead_letter(raw)


def letters_of(rows: Rows, order_id: str) -> Iterator[DeadLetter]:
    return (decode_dead_letter(raw) for _, raw in rows.scan(OF_ORDER + order_id.encode() + b"\x00"))
