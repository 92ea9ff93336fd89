"""The body of a batch of questions, read strictly."""

from __future__ import annotations

from typing import Final

import msgspec

from springtide.app.view.problems import Problem, bad_request
from springtide.app.view.questions import AtpQuestion, atp_question

ITEMS_MAX: Final = 500


class Item(msgspec.Struct, forbid_unknown_fields=True):
    """One item."""

    sku: str
    location: str | None = None
    channel: str | None = None
    qty: int | None = None
    by: str | None = None


class BatchAsked(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Item]


_batch: Final = msgspec.json.Decoder(BatchAsked)


def read_items(body: bytes) -> list[Item]:
    """The items of a batch; Problem if the body is none."""
    try:
        batch = _batch.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        raise bad_request(
            f'The batch can\'t be taken: {error}. Send {{"items": [{{"sku": ...}}]}}.',
            path.strip("`").lstrip("."),
            reason,
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"The body is no JSON: {error}.", "", str(error)) from None
    if len(batch.items) > ITEMS_MAX:
        raise bad_request(
            f"The batch has {len(batch.items)} items; ask for at most {ITEMS_MAX} at once.",
            "items",
            f"more than {ITEMS_MAX}",
        )
    return batch.items


def question(item: Item) -> AtpQuestion | Problem:
    """What the single question would be, its own refusal included."""
    pairs = [
        ("location", item.location),
        ("channel", item.channel),
        ("qty", None if item.qty is None else str(item.qty)),
        ("by", item.by),
    ]
    try:
        return atp_question(item.sku, [(name, value) for name, value in pairs if value is not None])
    except Problem as problem:
        return problem
