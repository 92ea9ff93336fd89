"""What can be promised of a SKU, as a body of an answer."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from springtide.app.view.events import id_of, source_of
from springtide.app.view.problems import Problem, bad_request, shown
from springtide.app.view.questions import AtpQuestion
from springtide.codecs.times import rfc3339
from springtide.tables import atp
from springtide.tables.calendar import day_of, iso
from springtide.tables.picture import Picture
from springtide.tables.rows import ReadRows
from springtide.tables.sku import Supply

LISTED_MAX: Final = 1_000
"""Supplies and holds that one answer lists."""


def atp_path(sku: str) -> str:
    return "/v1/atp/" + quote(sku, safe="")


def atp_answer(rows: ReadRows, now_us: int, question: AtpQuestion) -> dict[str, Any]:
    """The figures of a SKU at stream time `now_us`; Problem if the SKU or the location is unknown."""
    sku, location = question.sku, question.location
    picture = known_picture(rows, now_us, sku, location)
    body = atp.figures(
        rows,
        sku,
        now_us,
        location,
        question.channel,
        question.qty,
        _by(picture, question),
        question.method,
        question.exclude_order,
    )
    assert body is not None
    if location is None and picture.goods.tracked:
        body["locations"] = atp.by_location(rows, sku, now_us, question.exclude_order)
    return body | _kept(rows, picture, now_us, location)


def known_picture(rows: ReadRows, now_us: int, sku: str, location: str | None) -> Picture:
    """The SKU as its rows show it; Problem if there is none, or if the location is unknown to it."""
    picture = Picture(rows, sku, now_us)
    if not picture.known:
        raise Problem(
            404,
            "unknown-sku",
            "Unknown SKU",
            f"No stock, supply or catalog fact has named SKU '{shown(sku)}'. Check its spelling; a SKU is known "
            "from its first such event on.",
        )
    places = _places(rows, picture)
    if location is not None and location not in places and location not in picture.network.locations:
        raise Problem(
            404,
            "unknown-location",
            "Unknown location",
            f"SKU '{shown(sku)}' has never been at location '{shown(location)}', and the catalog does not name "
            f"it; the SKU is at {_some(places)}.",
            errors=[{"path": "location", "message": "unknown for this SKU"}],
        )
    return picture


def _places(rows: ReadRows, picture: Picture) -> list[str]:
    """Where the SKU is, or the components of a kit are."""
    product = picture.goods.product
    kit = () if product is None else product.kit or ()
    pictures = [picture, *(Picture(rows, part.sku, picture.now_us) for part in kit)]
    return list(dict.fromkeys(name for one in pictures for name in one.locations))


def _by(picture: Picture, question: AtpQuestion) -> int | None:
    """The day that `by` means where it is asked for."""
    if question.by is None:
        return None
    zone = "UTC" if question.location is None else picture.place(question.location).timezone
    try:
        return day_of(question.by.replace(" ", "+"), zone)
    except ValueError as error:
        raise bad_request(f"by '{shown(question.by)}' is no day: {error}.", "by", "not a day") from None


def _kept(rows: ReadRows, picture: Picture, now_us: int, location: str | None) -> dict[str, Any]:
    """What the figures are made of, as it was stated."""
    head = picture.head
    holds = [
        hold
        for hold in head.holds.values()
        if hold.expires_us > now_us and (location is None or location in hold.cells)
    ]
    supplies: list[dict[str, Any]] = []
    row: Supply
    for _, row in rows.scan(picture.sku.encode() + b"\x00p"):
        if row.scheduled and location in (None, row.location) and len(supplies) < LISTED_MAX:
            supplies.append(
                {
                    "supply_id": row.supply_id,
                    "location": row.location,
                    "qty": row.qty,
                    "due": iso(row.due),
                    "firmness": row.firmness,
                    "received": row.received,
                    "open": row.open,
                    "cancelled": row.cancelled,
                    "event_id": id_of(row.event_id),
                }
            )
    return {
        "holds": [
            {
                "hold_id": hold.hold_id,
                "owner": hold.owner,
                "channel": hold.channel,
                "qty": sum(hold.cells.values()) if location is None else hold.cells[location],
                "cells": hold.cells,
                "placed_at": rfc3339(hold.placed_us),
                "expires_at": rfc3339(hold.expires_us),
            }
            for hold in holds[:LISTED_MAX]
        ],
        "supply": supplies,
        "fences": [
            {
                "location": fence.location,
                "channel": fence.channel,
                "qty": fence.qty,
                "used": fence.used,
                "left": fence.left,
                "valid_from": fence.valid_from,
                "valid_to": fence.valid_to,
                "rank": fence.rank,
            }
            for fence in head.fences.values()
            if location is None or fence.location in (None, location)
        ],
        "notes": [
            {
                "kind": note.kind,
                "detail": note.detail,
                "event_id": id_of(note.event_id),
                "source": source_of(note.event_id),
                "at": rfc3339(note.at_us),
            }
            for note in head.notes
        ],
    }


def _some(names: list[str], most: int = 10) -> str:
    if not names:
        return "none yet"
    listed = ", ".join(shown(name) for name in sorted(names)[:most])
    return listed if len(names) <= most else f"{listed} and {len(names) - most} more"
