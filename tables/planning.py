"""Promises of units that are not covered yet: when and where a line's rest is to ship, and what it rests on.

The room of a location on a day is what is there and to come by then, less what is planned by then: sellable
less committed less held, and supply. Safety stock may be eaten. A plan is kept until the room no longer
covers it; then the last in rank give way and are planned anew. Who plans or takes units leaves those before it in
rank what they lack, from the day on which they want it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import add, sub
from typing import Final

from springtide.tables import calendar, dated, fences
from springtide.tables.ahead import Lacks
from springtide.tables.catalog import Network, Policy
from springtide.tables.picture import supply_by_day
from springtide.tables.sku import Allocation, Dated, Head, Plan, Taken

NO_LACKS: Final[Lacks] = {}


class Rooms:
    """The room of a SKU's locations by day. Whoever changes what it is made of says so by `forget`."""

    def __init__(self, head: Head, days: Dated, network: Network, policy: Policy, now_us: int) -> None:
        self.head = head
        self.days = days
        self.network = network
        self.policy = policy
        self.now_us = now_us
        self.count = policy.horizon_days
        self._levels: dict[str | None, list[int]] = {}

    def forget(self) -> None:
        self._levels.clear()

    def places(self) -> list[str]:
        """Open locations of the SKU."""
        return [name for name in self.head.cells if name and self.network.place(name).open]

    def today(self, location: str | None) -> int:
        """A location's date; of all (None) the least."""
        if location is not None:
            return self.network.place(location).today(self.now_us)
        return min((self.today(name) for name in self.places()), default=0)

    def fenced(self, location: str | None) -> bool:
        """Whether a fence there keeps anything, now or later."""
        return any(
            fence.location == location and fence.left and (fence.to_us is None or fence.to_us > self.now_us)
            for fence in self.head.fences.values()
        )

    def _sum(self, units: Callable[[str], list[int]]) -> list[int]:
        """Units of all open locations by date; one where it is a later date already counts as on its own
        today till then."""
        first = self.today(None)
        found = [0] * self.count
        for name in self.places():
            late = self.today(name) - first
            there = units(name)
            for i in range(self.count):
                found[i] += there[max(0, i - late)]
        return found

    def level(self, location: str | None) -> list[int]:
        """What is there and to come up to each day, nothing planned taken out; None: at all open ones."""
        found = self._levels.get(location)
        if found is None:
            if location is None:
                found = self._sum(self.level)
            else:
                today = self.today(location)
                days = self.days.supply.get(location, {})
                supply = supply_by_day(days, self.policy, today, self.count)
                cell = self.head.cells.get(location)
                supply[0] += 0 if cell is None else cell.open
                found = list(accumulate(supply))
            self._levels[location] = found
        return found

    def _channels(self, location: str | None) -> dict[str, None]:
        """Channels for which something is planned."""
        names = self.places() if location is None else [location]
        return dict.fromkeys(channel for name in names for channel in self.days.plans.get(name, {}))

    def _planned(self, location: str | None, channel: str, without: Sequence[Plan] = ()) -> list[int]:
        """Units planned for a channel up to each day."""
        if location is None:
            return self._sum(lambda name: self._planned(name, channel, without))
        today, last = self.today(location), self.count - 1
        found = [0] * self.count
        for day, units in self.days.plans.get(location, {}).get(channel, {}).items():
            at = day - today
            found[at if 0 <= at <= last else 0 if at < 0 else last] += units
        for day, where, units in without:
            if where == location:
                found[min(last, max(0, day - today))] -= units
        return list(accumulate(found))

    def _lefts(self, location: str | None, at: int) -> list[fences.Left]:
        """What fences there keep on a day, by its place after today."""
        if at == 0:
            return fences.lefts(self.head, location, self.now_us, self.now_us + 1)
        zone = "UTC" if location is None else self.network.place(location).timezone
        day = self.today(location) + at
        start, end = calendar.midnight_us(zone, day), calendar.midnight_us(zone, day + 1)
        return fences.lefts(self.head, location, start, end)

    def _spare(self, location: str | None, channel: str | None, without: Sequence[Plan]) -> list[int]:
        """Level less all that is planned, and less what fences keep beyond that for channels but this one.
        None as channel: for all channels."""
        level = self.level(location)
        if location is not None and not self.fenced(location):
            changes = self._changes(location, without if channel is not None else ())
            if not changes:
                return level
            planned_on = [0] * self.count
            for at, more in changes.items():
                planned_on[at] = more
            return list(map(sub, level, accumulate(planned_on)))
        planned = {
            name: self._planned(location, name, without if name == channel else ())
            for name in self._channels(location)
        }
        if without and channel is not None and channel not in planned:
            planned[channel] = self._planned(location, channel, without)
        if not self.fenced(location):
            for units in planned.values():
                level = [a - b for a, b in zip(level, units, strict=True)]
            return level
        found = []
        for i, there in enumerate(level):
            kept = fences.kept_for(there, self._lefts(location, i))
            left = there
            for name in dict.fromkeys([*planned, *kept]):
                wanted = planned[name][i] if name in planned else 0
                left -= wanted if name == channel else max(wanted, kept.get(name, 0))
            found.append(left)
        return found

    def room(
        self, location: str | None, channel: str, without: Sequence[Plan] = (), lacks: Lacks = NO_LACKS
    ) -> list[int]:
        """What a channel's line may still plan or take for each day, so that no other plan breaks; `without`
        are plans that it would give up for it (negative ones come on top), `lacks` what those before it in rank
        lack. None: what all locations give in sum."""
        if location is None:
            return dated.look_ahead(self._spare(location, channel, without))
        if not self.network.place(location).open:
            return [0] * self.count
        return dated.look_ahead(self._left(location, channel, without, lacks))

    def _left(self, location: str, channel: str, without: Sequence[Plan], lacks: Lacks) -> list[int]:
        """What is spare at a location, less what is kept there for lines that ask for this very one."""
        spare = self._spare(location, channel, without)
        if any(place == location for _, place in lacks):
            spare = list(map(sub, spare, self._kept_ahead(location, channel, lacks)))
        return spare

    def _kept_ahead(
        self, location: str | None, channel: str, lacks: Lacks, seen: list[int] | None = None
    ) -> list[int]:
        """Units that those before in rank lack of a location (None: of any) up to each day: no more than their
        channels see, nor than this one does, with all that is promised left to whom it was promised."""
        today, last = self.today(location), self.count - 1
        found = [0] * self.count
        for (name, place), days in lacks.items():
            if place != location:
                continue
            on = [0] * self.count
            for day, units in days.items():
                on[min(last, max(0, day - today))] += units
            up_to = list(accumulate(on))
            if name != channel and self.head.fences:
                up_to = list(map(min, up_to, dated.look_ahead(self._seen(location, name))))
            found = list(map(add, found, up_to))
        if not any(found):
            return found
        return list(map(min, found, self._seen(location, channel) if seen is None else seen))

    def _seen(self, location: str | None, channel: str) -> list[int]:
        """What is spare for a channel's next line, 0 where it is short."""
        seen = self._in_sum(channel) if location is None else self._spare(location, channel, ())
        return [max(0, units) for units in seen]

    def _in_sum(
        self, channel: str, without: Sequence[Plan] = (), lacks: Lacks = NO_LACKS, safety: bool = False
    ) -> list[int]:
        """What open locations have for a channel's next line in sum, those that are short not counted."""

        def left(name: str) -> list[int]:
            kept = self.head.cells[name].safety_stock if safety else 0
            return [max(0, units - kept) for units in self._left(name, channel, without, lacks)]

        found = self._sum(left)
        if self.fenced(None):
            found = list(map(min, found, self._spare(None, channel, without)))
        return found

    def by_rank(
        self, channel: str, lacks: Lacks, without: Sequence[Plan] = (), safety: bool = False
    ) -> list[int]:
        """What all locations leave a channel's line for each day once those before it in rank have what they
        lack; `safety`: with safety stock kept."""
        whole = self._in_sum(channel, without, lacks, safety)
        plain = not without and not safety and all(place is None for _, place in lacks)
        kept = self._kept_ahead(None, channel, lacks, whole if plain else None)
        return dated.look_ahead(list(map(sub, whole, kept)))

    def least(self, location: str | None, channel: str, without: Sequence[Plan] = ()) -> int:
        """The least of `room`'s days, which is what may be taken today."""
        if location is None or self.fenced(location):
            return self.room(location, channel, without)[0]
        if not self.network.place(location).open:
            return 0
        return self._least(location, without)

    def _least(self, location: str, without: Sequence[Plan] = ()) -> int:
        """The least spare of a location without fences: supply only adds, so it is today's, or that of a day
        for which something is planned."""
        level, planned = self.level(location), self._changes(location, without)
        found, taken = level[0] - planned.get(0, 0), 0
        for at in sorted(planned):
            taken += planned[at]
            found = min(found, level[at] - taken)
        return found

    def _changes(self, location: str, without: Sequence[Plan]) -> dict[int, int]:
        """Place of a day after today -> units planned for it, of all channels."""
        today, last = self.today(location), self.count - 1
        planned: dict[int, int] = {}
        for by_day in self.days.plans.get(location, {}).values():
            for day, units in by_day.items():
                at = min(last, max(0, day - today))
                planned[at] = planned.get(at, 0) + units
        for day, where, units in without:
            if where == location:
                at = min(last, max(0, day - today))
                planned[at] = planned.get(at, 0) - units
        return planned

    def _has_more(self, location: str, without: Sequence[Plan]) -> bool:
        """Whether anything more can be planned at a location on any day; True where fences make it hard to
        tell. Room only grows from day to day, so the last one has the most."""
        if self.fenced(location):
            return True
        return self.level(location)[-1] > sum(self._changes(location, without).values())

    def breaks(self, location: str | None) -> list[tuple[int, int]]:
        """(index of the day, units) of each lack under what is planned at a location, or at all."""
        if location is not None and not self.network.place(location).open:
            return [(self.count - 1, 1 << 62)]
        if location is not None and not self.fenced(location) and self._least(location) >= 0:
            return []
        spare = self._spare(location, None, ())
        if min(spare) >= 0:
            return []
        planned = [0] * self.count
        for channel in self._channels(location):
            planned = [a + b for a, b in zip(planned, self._planned(location, channel), strict=True)]
        return [(i, -units) for i, units in enumerate(spare) if units < 0 and planned[i]]

    def gives_way(self, location: str | None, channel: str, at: int) -> bool:
        """Whether taking out what is planned for a channel helps on that day: it has more than its fence."""
        if not self.fenced(location):
            return True
        kept = fences.kept_for(self.level(location)[at], self._lefts(location, at))
        return self._planned(location, channel)[at] > kept.get(channel, 0)

    def counts(self, plan: Plan, location: str | None, at: int) -> bool:
        """Whether a plan takes units of a location, or of any, up to a day by its place after today."""
        day, where, _ = plan
        if location is None:
            if not self.network.place(where).open:
                return False
        elif where != location:
            return False
        return day - self.today(location) <= at or at == self.count - 1

    def find(
        self,
        row: Allocation,
        line: Taken,
        qty: int,
        single: bool,
        max_splits: int,
        order: list[str],
        lacks: Lacks,
    ) -> list[Plan]:
        """Days and locations for up to `qty` units of a line, as soon as they can be had; `lacks`: what is kept
        for those before it in rank."""
        places = order if line.location is None else [line.location]
        places = [name for name in places if self.network.place(name).open]
        if single and line.cells:
            places = [name for name in places if line.cells.get(name)]
        channel = row.channel_of(line)
        beside: list[Plan] = []
        if not row.is_firm:  # others need not heed its plans, but its own lines heed each other's
            others = [other for other in row.lines.values() if other is not line]
            beside += [(day, where, -units) for other in others for day, where, units in other.plan]
        rooms: dict[str, list[int]] = {}
        starts: dict[str, int] = {}
        for name in places:
            if not self._has_more(name, beside):
                continue
            room = self.room(name, channel, beside, lacks)
            if row.keeps_safety and name in self.head.cells:
                kept = self.head.cells[name].safety_stock
                room = [units - kept for units in room]
            if room[-1] > 0:
                rooms[name] = room
                place = self.network.place(name)
                today = place.today(self.now_us)
                starts[name] = place.ship_day(today if line.day is None else line.day, self.now_us)
        if not rooms:
            return []
        first = min(self.today(name) for name in rooms)
        last = self.count - 1
        for name, room in rooms.items():
            late = self.today(name) - first
            if late:
                rooms[name] = [room[0]] * late + room[: self.count - late]
        weeks = {name: self.network.place(name).week for name in rooms}

        def ships(name: str, at: int) -> bool:
            start = starts[name] - first
            if start >= last:
                return at == last
            return at >= start and calendar.works(weeks[name], first + at)

        begin = min(last, min(starts.values()) - first)
        used = dict.fromkeys([*line.cells, *(where for _, where, _ in line.plan)])
        late = first - self.today(None)
        bounds = []
        if lacks:  # only for the days that are within the horizon everywhere
            units = self.by_rank(channel, lacks, beside, row.keeps_safety)[late:]
            bounds.append((list(rooms), units + [1 << 62] * (self.count - len(units))))
        if self.fenced(None):
            units = self.room(None, channel, beside)
            bounds.append((list(rooms), [units[min(last, i + late)] for i in range(self.count)]))
        found = dated.split(
            rooms,
            qty,
            first=begin,
            ships=ships,
            single=single,
            max_splits=max_splits,
            used=used,
            bounds=bounds,
        )
        return [(max(first + at, starts[name]), name, units) for at, name, units in found]
