"""What comes back of a naive order to the stock of which SKUs, and where."""

from __future__ import annotations

from typing import NamedTuple

from springtide.app.verify.naive_order import NaiveOrder

BUCKETS = ("quality_control", "sellable", "damaged")


class Came(NamedTuple):
    """Units of a line that came into a bucket somewhere."""

    at: str
    bucket: str
    units: int


def came(order: NaiveOrder, line_id: str) -> list[Came]:
    """Of one line, to where it was received. What memos restock and no inspection has judged is taken out of
    quality control where it is there, else it goes to where it was shipped from."""
    backs = order.backs.by_id.values()
    judged = sum(back.judged(line_id) for back in backs)
    restock = max(0, order.money.credited(line_id, restock=True) - judged)
    found = []
    for back in backs:
        at = back.place(line_id)
        if at is not None:
            waits = back.returned(line_id) - back.judged(line_id)
            freed = min(waits, restock)
            restock -= freed
            good, bad = (back.units("inspected", d).get(line_id, 0) for d in ("sellable", "damaged"))
            counts = (waits - freed, good + freed, bad)
            found += [Came(at, bucket, units) for bucket, units in zip(BUCKETS, counts, strict=True)]
    for _, parcel in sorted(order.parcels.items()):
        here = min(restock, order.in_lines(parcel.units("shipped")).get(line_id, 0))
        if parcel.at is not None:
            restock -= here
            found.append(Came(parcel.at, "sellable", here))
    return found


def went_as(order: NaiveOrder, line_id: str) -> list[tuple[str, int, int]]:
    """(SKU, units of it that make one of the line, units of the line) that shipped: its own first, then by id."""
    line = order.lines.get(line_id)
    found: dict[tuple[str, int], int] = {}
    for parcel in order.parcels.values():
        for key, units in parcel.units("shipped").items():
            if key.split("\x00")[0] == line_id:
                part = None if line is None or line.made is None else line.made.part(parcel.skus[key])
                per = part.per if part is not None and key != line_id else 1
                went = (parcel.skus[key], per)
                found[went] = found.get(went, 0) + units // per
    own = None if line is None else line.sku
    return [(sku, per, found[sku, per]) for sku, per in sorted(found, key=lambda of: (of[0] != own, of))]


def comes_back_as(order: NaiveOrder, line_id: str) -> dict[str, None]:
    """All SKUs that units of a line may come back as."""
    line = order.lines.get(line_id)
    if line is not None and line.made is not None and line.made.kit:
        return dict.fromkeys(line.skus())
    own = {} if line is None else {line.sku: None}
    return own | {sku: None for sku, _, _ in went_as(order, line_id)}


def brought_back(order: NaiveOrder, sku: str) -> tuple[tuple[str, int, int, int], ...]:
    """(location, units in quality control, sellable, damaged) of one SKU. What shipped as several comes back in
    that order, and what never shipped as its own."""
    sums: dict[tuple[str, str], int] = {}
    for line_id in order.backs.line_ids() | order.money.line_ids():
        line = order.lines.get(line_id)
        went = went_as(order, line_id)
        for at, bucket, units in came(order, line_id):
            if line is not None and line.made is not None and line.made.kit:
                part = line.made.part(sku)
                mine = 0 if part is None else units * part.per
            else:
                mine, rest = 0, units
                for number, (name, per, left) in enumerate(went):
                    taken = min(rest, left)
                    went[number] = (name, per, left - taken)
                    rest -= taken
                    mine += taken * per if name == sku else 0
                mine += rest if line is not None and line.sku == sku else 0
            sums[at, bucket] = sums.get((at, bucket), 0) + mine
    places = sorted({at for (at, _), units in sums.items() if units})
    return tuple(
        (at, sums.get((at, BUCKETS[0]), 0), sums.get((at, BUCKETS[1]), 0), sums.get((at, BUCKETS[2]), 0))
        for at in places
    )
