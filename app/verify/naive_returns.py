"""What comes back of a naive order: all that was stated of each return; where its units are follows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from springtide.app.verify.naive_parcel import Stamp, Units
from springtide.codecs import facts as f

Stated = Iterable[f.ReturnAskedLine | f.LineQty | f.InspectedLine]


class Telling(msgspec.Struct, array_like=True):
    """One fact of a return. `what`: authorized, received, inspected or rejected; units by line, of an
    inspection by (line, disposition)."""

    what: str
    stamp: Stamp
    units: dict[tuple[str, str], int] = {}
    location: str = ""
    reason: str = ""


class Back(msgspec.Struct, array_like=True):
    """A return by all that was told of it; of different counts the greater stands."""

    told: list[Telling] = []

    def has(self, *names: str) -> bool:
        return any(one.what in names for one in self.told)

    def first(self, what: str) -> Stamp | None:
        return min((one.stamp for one in self.told if one.what == what), default=None)

    def units(self, what: str, disposition: str = "") -> Units:
        """line -> units that were stated."""
        found: Units = {}
        for one in self.told:
            if one.what == what:
                for (line_id, judged), units in one.units.items():
                    if judged == disposition:
                        found[line_id] = max(units, found.get(line_id, 0))
        return found

    def judged(self, line_id: str) -> int:
        """Units that were inspected, whatever came of it."""
        return sum(self.units("inspected", d).get(line_id, 0) for d in ("sellable", "damaged", "scrapped"))

    def line_ids(self) -> dict[str, None]:
        """Lines that have come back, or were asked back."""
        return {line_id: None for one in self.told for line_id, _ in one.units}

    def returned(self, line_id: str) -> int:
        """Units that are back: what was inspected was received, though nobody said so."""
        return max(self.units("received").get(line_id, 0), self.judged(line_id))

    def place(self, line_id: str) -> str | None:
        """Where its units were received, as was said first."""
        places = [one.location for one in self.told if one.what == "received" and (line_id, "") in one.units]
        return places[0] if places else None

    def outstanding(self) -> bool:
        """Authorized, and neither received nor rejected."""
        return self.has("authorized") and not self.has("received", "inspected", "rejected")

    def picture(self) -> dict[str, Any]:
        rejections = [(one.stamp, one.reason) for one in self.told if one.what == "rejected"]
        kinds = ("sellable", "damaged", "scrapped")
        return {
            "authorized": self.units("authorized"),
            "received": self.units("received"),
            "inspected": {d: units for d in kinds if (units := self.units("inspected", d))},
            "places": {name: at for name in self.line_ids() if (at := self.place(name)) is not None},
            "rejected": min(rejections)[1] if rejections else None,
            "told": {
                what: min(one.stamp for one in self.told if one.what == what)
                for what in {one.what: None for one in self.told}
            },
        }


class Backs(msgspec.Struct, array_like=True):
    """All returns of an order."""

    by_id: dict[str, Back] = {}

    def returned(self, line_id: str) -> int:
        return sum(back.returned(line_id) for back in self.by_id.values())

    def found_good(self, line_id: str) -> int:
        return sum(back.units("inspected", "sellable").get(line_id, 0) for back in self.by_id.values())

    def line_ids(self) -> dict[str, None]:
        return {line_id: None for back in self.by_id.values() for line_id in back.line_ids()}

    def outstanding(self) -> bool:
        return any(back.outstanding() for back in self.by_id.values())

    def axis(self) -> str:
        """Of all together: how far what is expected back has come. Of a rejected return only what came is."""
        if not self.by_id:
            return "NONE"
        came = judged = expected = 0
        for back in self.by_id.values():
            here = sum(back.returned(line_id) for line_id in back.line_ids())
            came += here
            judged += sum(back.judged(line_id) for line_id in back.line_ids())
            asked = sum(back.units("authorized").values())
            expected += here if back.has("rejected") else max(here, asked)
        if came == 0:
            rejected = all(back.has("rejected") for back in self.by_id.values())
            return "REJECTED" if rejected else "AUTHORIZED"
        if came < expected:
            return "PARTIALLY_RECEIVED"
        return "INSPECTED" if judged >= came else "RECEIVED"


def by_line(lines: Stated) -> dict[tuple[str, str], int]:
    """(line, disposition) -> units, those that are named more than once in sum."""
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        key = (line.line_id, line.disposition if isinstance(line, f.InspectedLine) else "")
        found[key] = found.get(key, 0) + line.qty
    return found
