"""Promises of units that are not covered yet: when and where a line's rest is to ship, and what it rests on.

The room of a location on a day is what is there and to come by then, less what is planned by then: sellable
less committed less held, and supply. Safety stock may be eaten. A plan is kept until the room no longer
covers it; then the last in rank give way and are planned anew. Who plans or takes units leaves those before it in
rank what they lack, from the day on which they want it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
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
    """The room of a SKU's locations by day. It heeds what changes while it stands, but for supply, the network
    and the policy."""

    def __init__(self, head: Head, days: Dated, network: Network, policy: Policy, now_us: int) -> None:
        self.head = head
        self.days = days
        self.network = network
        self.policy = policy
        self.now_us = now_us
        self.count = policy.horizon_days
        self._todays: dict[str, int] = {}
        self._coming: dict[str, list[int]] = {}

    def places(self) -> list[str]:
        """Open locations of the SKU."""
        return [name for name in self.head.cells if name and self.network.place(name).open]

    def today(self, location: str | None) -> int:
        """A location's date; of all (None) the least."""
        if location is not None:
            today = self._todays.get(location)
            if today is None:
                today = self._todays[location] = self.network.place(location).today(self.now_us)
            return today
        return min((self.today(name) for name in self.places()), default=0)

    @property
    def is_even(self) -> bool:
        """Whether it is the same day at all open locations."""
        return len({self.today(name) for name in self.places()}) < 2

    def fenced(self, location: str | None) -> bool:
        """Whether a fence there keeps anything, now or later."""
        return any(
            fence.location == location and fence.left and (fence.to_us is None or fence.to_us > self.now_us)
            for fence in self.head.fences.values()
        )

    def _points(
        self, location: str | None, lacks: Lacks = NO_LACKS, without: Sequence[Plan] = ()
    ) -> list[int]:
        """Days, by their place after today, on which anything changes at a location (None: at any); from each
        to the next all figures stay as they are. There are few where little is planned and to come."""
        first, last = self.today(location), self.count - 1
        points = {0}
        for name in self.places() if location is None else [location]:
            late = self.today(name) - first
            points.add(late)
            for by_day in self.days.plans.get(name, {}).values():
                points.update(day - first for day in by_day)
            points.update(day - first for day, where, _ in without if where == name)
            if self.days.supply.get(name):
                supplied = self._supplied(name)
                points.update(at + late for at in range(1, self.count) if supplied[at] != supplied[at - 1])
        for by_day in lacks.values():
            points.update(day - first for day in by_day)
        if self.head.fences:
            points.add(1)
            for fence in self.head.fences.values():
                zone = "UTC" if fence.location is None else self.network.place(fence.location).timezone
                for at_us in (fence.from_us, fence.to_us):
                    if at_us is not None:
                        day = calendar.today(zone, at_us) - first
                        points.update((day, day + 1))
        return sorted({min(last, max(0, at)) for at in points})

    def _each_day(self, points: list[int], units: list[int]) -> list[int]:
        """Figures at points as those of each day."""
        if len(points) == self.count:
            return units
        found: list[int] = []
        for at, end, there in zip(points, [*points[1:], self.count], units, strict=True):
            found += [there] * (end - at)
        return found

    def _sum(self, units: Callable[[str, Sequence[int]], list[int]], points: Sequence[int]) -> list[int]:
        """Units of all open locations by date; one where it is a later date already counts as on its own
        today till then."""
        first = self.today(None)
        found = [0] * len(points)
        for name in self.places():
            late = self.today(name) - first
            there = units(name, [max(0, at - late) for at in points] if late else points)
            found = list(map(add, found, there))
        return found

    def level(self, location: str | None, points: Sequence[int]) -> list[int]:
        """What is there and to come up to each of such days, nothing planned taken out; None: at all open
        ones."""
        if location is None:
            return self._sum(self.level, points)
        now, supplied = self._open(location), self._supplied(location)
        return [now + supplied[at] for at in points]

    def _open(self, location: str) -> int:
        cell = self.head.cells.get(location)
        return 0 if cell is None else cell.open

    def _supplied(self, location: str) -> list[int]:
        """Supply up to each day."""
        found = self._coming.get(location)
        if found is None:
            days = self.days.supply.get(location)
            if days:
                today = self.today(location)
                found = list(accumulate(supply_by_day(days, self.policy, today, self.count)))
            else:
                found = [0] * self.count
            self._coming[location] = found
        return found

    def most(self, location: str) -> int:
        """Units that can be planned at a location at the most: room only grows from day to day."""
        planned = sum(sum(days.values()) for days in self.days.plans.get(location, {}).values())
        return self._open(location) + self._supplied(location)[-1] - planned

    def _channels(self, location: str | None) -> dict[str, None]:
        """Channels for which something is planned."""
        names = self.places() if location is None else [location]
        return dict.fromkeys(channel for name in names for channel in self.days.plans.get(name, {}))

    def _planned(
        self, location: str | None, channel: str, without: Sequence[Plan], points: Sequence[int]
    ) -> list[int]:
        """Units planned for a channel up to each of such days."""
        if location is None:
            return self._sum(lambda name, points: self._planned(name, channel, without, points), points)
        by_day = self.days.plans.get(location, {}).get(channel, {})
        return self._up_to(self._on(location, [by_day], without), points)

    def _on(
        self, location: str | None, units: Iterable[Mapping[int, int]], without: Sequence[Plan] = ()
    ) -> dict[int, int]:
        """Place of a day after today -> units, those of past days being today's, of late ones the last's."""
        today, last = self.today(location), self.count - 1
        found: dict[int, int] = {}
        for by_day in units:
            for day, more in by_day.items():
                at = min(last, max(0, day - today))
                found[at] = found.get(at, 0) + more
        for day, where, more in without:
            if where == location:
                at = min(last, max(0, day - today))
                found[at] = found.get(at, 0) - more
        return found

    def _up_to(self, on: dict[int, int], points: Sequence[int]) -> list[int]:
        if not on:
            return [0] * len(points)
        units, found, days = 0, [], sorted(on, reverse=True)
        for at in points:
            while days and days[-1] <= at:
                units += on[days.pop()]
            found.append(units)
        return found

    def _lefts(self, location: str | None, at: int) -> list[fences.Left]:
        """What fences there keep on a day, by its place after today."""
        if at == 0:
            return fences.lefts(self.head, location, self.now_us, self.now_us + 1)
        zone = "UTC" if location is None else self.network.place(location).timezone
        day = self.today(location) + at
        start, end = calendar.midnight_us(zone, day), calendar.midnight_us(zone, day + 1)
        return fences.lefts(self.head, location, start, end)

    def _spare(
        self, location: str | None, channel: str | None, without: Sequence[Plan], points: Sequence[int]
    ) -> list[int]:
        """Level less all that is planned, and less what fences keep beyond that for channels but this one.
        None as channel: for all channels."""
        level = self.level(location, points)
        if location is not None and not self.fenced(location):
            changes = self._changes(location, without if channel is not None else ())
            return list(map(sub, level, self._up_to(changes, points))) if changes else level
        planned = {
            name: self._planned(location, name, without if name == channel else (), points)
            for name in self._channels(location)
        }
        if without and channel is not None and channel not in planned:
            planned[channel] = self._planned(location, channel, without, points)
        if not self.fenced(location):
            for units in planned.values():
                level = list(map(sub, level, units))
            return level
        found = []
        for i, (at, there) in enumerate(zip(points, level, strict=True)):
            kept = fences.kept_for(there, self._lefts(location, at))
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
        points = self._points(location, lacks, without)
        if location is None:
            left = self._spare(location, channel, without, points)
        elif self.network.place(location).open:
            left = self._left(location, channel, without, lacks, points)
        else:
            return [0] * self.count
        return self._each_day(points, dated.look_ahead(left))

    def _left(
        self, location: str, channel: str, without: Sequence[Plan], lacks: Lacks, points: Sequence[int]
    ) -> list[int]:
        """What is spare at a location, less what is kept there for lines that ask for this very one."""
        spare = self._spare(location, channel, without, points)
        if any(place == location for _, place in lacks):
            spare = list(map(sub, spare, self._kept_ahead(location, channel, lacks, points)))
        return spare

    def _kept_ahead(
        self,
        location: str | None,
        channel: str,
        lacks: Lacks,
        points: Sequence[int],
        seen: list[int] | None = None,
    ) -> list[int]:
        """Units that those before in rank lack of a location (None: of any) up to each of such days: no more
        than their channels see, nor than this one does, with all that is promised left to whom it was promised."""
        asked = len(points)
        if location is not None and not self.is_even:  # asked by another's days, which may end before its own
            points = [*points, *(at for at in self._points(location, lacks) if at > points[-1])]
        found = [0] * len(points)
        for (name, place), by_day in lacks.items():
            if place != location:
                continue
            up_to = self._up_to(self._on(location, [by_day]), points)
            if name != channel and self.head.fences:
                up_to = dated.takeable(up_to, self._seen(location, name, points))
            found = list(map(add, found, up_to))
        if any(found):
            found = dated.takeable(found, self._seen(location, channel, points) if seen is None else seen)
        return found[:asked]

    def _seen(self, location: str | None, channel: str, points: Sequence[int]) -> list[int]:
        """What is spare for a channel's next line, 0 where it is short."""
        if location is None:
            seen = self._in_sum(channel, (), NO_LACKS, False, points)
        else:
            seen = self._spare(location, channel, (), points)
        return [max(0, units) for units in seen]

    def _in_sum(
        self, channel: str, without: Sequence[Plan], lacks: Lacks, safety: bool, points: Sequence[int]
    ) -> list[int]:
        """What open locations have for a channel's next line in sum, those that are short not counted."""

        def left(name: str, points: Sequence[int]) -> list[int]:
            kept = self.head.cells[name].safety_stock if safety else 0
            return [max(0, units - kept) for units in self._left(name, channel, without, lacks, points)]

        found = self._sum(left, points)
        if self.fenced(None):
            found = list(map(min, found, self._spare(None, channel, without, points)))
        return found

    def by_rank(
        self, channel: str, lacks: Lacks, without: Sequence[Plan] = (), safety: bool = False
    ) -> list[int]:
        """What all locations leave a channel's line for each day once those before it in rank have what they
        lack; `safety`: with safety stock kept."""
        points = self._points(None, lacks, without)
        whole = self._in_sum(channel, without, lacks, safety, points)
        plain = not without and not safety and all(place is None for _, place in lacks)
        kept = self._kept_ahead(None, channel, lacks, points, whole if plain else None)
        return self._each_day(points, dated.look_ahead(list(map(sub, whole, kept))))

    def least_by_rank(
        self, channel: str, lacks: Lacks, without: Sequence[Plan] = (), safety: bool = False
    ) -> int:
        """The least of `by_rank`'s days; 0 for less."""
        if not without and not self.head.fences and self.is_even:
            # Room only grows from day to day: where the last one has none to spare, no other has.
            spare = sum(max(0, self.most(name)) for name in self.places())
            if sum(sum(days.values()) for (_, place), days in lacks.items() if place is None) >= spare:
                return 0
        return max(0, self.by_rank(channel, lacks, without, safety)[0])

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
        supplied, planned = self._supplied(location), self._changes(location, without)
        found, taken = supplied[0] - planned.get(0, 0), 0
        for at in sorted(planned):
            taken += planned[at]
            found = min(found, supplied[at] - taken)
        return found + self._open(location)

    def _changes(self, location: str, without: Sequence[Plan]) -> dict[int, int]:
        """Place of a day after today -> units planned for it, of all channels."""
        return self._on(location, self.days.plans.get(location, {}).values(), without)

    def _has_more(self, location: str, without: Sequence[Plan]) -> bool:
        """Whether anything more can be planned at a location on any day; True where fences make it hard to
        tell. Room only grows from day to day, so the last one has the most."""
        if self.fenced(location):
            return True
        more = self.most(location)
        for _, where, units in without:
            if where == location:
                more += units
        return more > 0

    def breaks(self, location: str | None) -> list[tuple[int, int]]:
        """(index of the day, units) of each lack under what is planned at a location, or at all."""
        if location is not None and not self.network.place(location).open:
            return [(self.count - 1, 1 << 62)]
        if location is not None and not self.fenced(location) and self._least(location) >= 0:
            return []
        spare = self._spare(location, None, (), self._points(location))
        if min(spare) >= 0:
            return []
        days = range(self.count)
        spare = self._spare(location, None, (), days)
        planned = [0] * self.count
        for channel in self._channels(location):
            planned = list(map(add, planned, self._planned(location, channel, (), days)))
        return [(i, -units) for i, units in enumerate(spare) if units < 0 and planned[i]]

    def gives_way(self, location: str | None, channel: str, at: int) -> bool:
        """Whether taking out what is planned for a channel helps on that day: it has more than its fence."""
        if not self.fenced(location):
            return True
        kept = fences.kept_for(self.level(location, [at])[0], self._lefts(location, at))
        return self._planned(location, channel, (), [at])[0] > kept.get(channel, 0)

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
