"""The body of a batch of questions, read strictly."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from springtide.app.view.bodies import read_body
from springtide.app.view.problems import Problem
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
    items: Annotated[list[Item], Meta(max_length=ITEMS_MAX)]


_batch: Final = msgspec.json.Decoder(BatchAsked)


def read_items(body: bytes) -> list[Item]:
    """The items of a batch; Problem if the body is none."""
    asked: BatchAsked = read_body(_batch, body)
    return asked.items


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
