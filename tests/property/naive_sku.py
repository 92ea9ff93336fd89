"""A second, naive SKU: plain dicts, every figure counted anew, units moved one at a time.

It follows the definitions of available-to-promise and allocation, not the code it is compared with: nothing
is kept but what facts and demands say and which cell each granted unit came from. What a line lacks, what
is committed, who waits and what has left are counted whenever they are asked for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class NaiveLine:
    want: int = 0
    location: str | None = None
    cells: Counter[str] = field(default_factory=Counter)
    released: Counter[str] = field(default_factory=Counter)
    shipped: Counter[str] = field(default_factory=Counter)

    @property
    def lacks(self) -> int:
        return max(0, self.want - self.shipped.total() - self.cells.total())

    def movable(self, at: str) -> int:
        """Units in a cell that no warehouse works on."""
        at_work = max(0, self.released[at] - self.shipped[at])
        return max(0, self.cells[at] - at_work)


@dataclass
class NaiveOrder:
    order_id: str
    placed: int
    complete: bool = False
    parked: bool = False
    single: bool = False
    max_splits: int = 0
    request: int = 0
    lines: dict[str, NaiveLine] = field(default_factory=dict)
    shipped: dict[str, Counter[str]] = field(default_factory=dict)
    issued: dict[str | None, Counter[str]] = field(default_factory=dict)

    @property
    def rank(self) -> tuple[int, str]:
        return self.placed, self.order_id

    def left(self, at: str) -> int:
        """Units that left a location: each shipment once, however many tell of it."""
        named = sum(
            max(self.shipped.get(s, Counter())[at], self.issued.get(s, Counter())[at])
            for s in {*self.shipped, *self.issued} - {None}
        )
        explained = sum(
            min(cells[at], self.issued.get(s, Counter())[at]) for s, cells in self.shipped.items()
        )
        said = sum(cells[at] for cells in self.shipped.values())
        nameless = self.issued.get(None, Counter())[at]
        return named + max(0, nameless - (said - explained))

    def ahead(self, at: str) -> int:
        """Units already gone though the order does not know yet."""
        return max(0, self.left(at) - sum(cells[at] for cells in self.shipped.values()))

    def allocated(self, at: str) -> int:
        return sum(line.cells[at] for line in self.lines.values())

    def committed(self, at: str) -> int:
        return max(0, self.allocated(at) - self.ahead(at))

    def cover_issued(self) -> None:
        """Units that are gone need no stock any more: who lacks units and asked for them has them."""
        if self.parked or self.complete or self.single:
            return
        for at in [at for cells in self.issued.values() for at in cells]:
            for line in self.lines.values():
                while line.lacks and line.location in (None, at) and self.ahead(at) > self.allocated(at):
                    line.cells[at] += 1

    def keep_whole(self) -> None:
        short = any(line.lacks for line in self.lines.values())
        for line in self.lines.values():
            if self.parked or (self.complete and short) or (self.single and line.lacks):
                for at in list(line.cells):
                    line.cells[at] -= line.movable(at)


@dataclass
class NaiveHold:
    expires: int
    cells: Counter[str]
    pledged_to: tuple[str, str] | None = None


class NaiveSku:
    def __init__(self) -> None:
        self.now = 0
        self.stock: dict[tuple[str, str], int] = Counter()
        """(location, bucket) -> units, as if nothing had ever left for an order."""
        self.safety: Counter[str] = Counter()
        self.orders: dict[str, NaiveOrder] = {}
        self.holds: dict[str, NaiveHold] = {}
        self.ended: set[str] = set()
        self.converted: set[str] = set()
        self.nobodys: dict[str, Counter[str]] = {}
        """Shipment -> units issued before an order said that it is its own."""

    # --- figures ---

    def places(self) -> list[str]:
        named = {at for at, _ in self.stock} | set(self.safety)
        for order in self.orders.values():
            named |= {at for line in order.lines.values() for at in (*line.cells, *line.shipped)}
            named |= {at for cells in order.issued.values() for at in cells}
        return sorted(named)

    def sellable(self, at: str) -> int:
        return self.stock[at, "sellable"] - sum(order.left(at) for order in self.orders.values())

    def committed(self, at: str) -> int:
        return sum(order.committed(at) for order in self.orders.values())

    def held(self, at: str) -> int:
        return sum(hold.cells[at] for hold in self.holds.values())

    def open(self, at: str) -> int:
        return self.sellable(at) - self.committed(at) - self.held(at)

    def backordered(self, at: str | None) -> int:
        """Of lines that ask for this location; None: of those that take any."""
        return sum(
            line.lacks for o in self.orders.values() for line in o.lines.values() if line.location == at
        )

    def available_now(self, at: str | None = None) -> int:
        if at is None:
            return sum(self.available_now(p) for p in self.all_places()) - self.backordered(None)
        return self.open(at) - self.safety[at] - self.backordered(at)

    def all_places(self) -> list[str]:
        asked = {line.location for o in self.orders.values() for line in o.lines.values() if line.location}
        return sorted({*self.places(), *asked})

    def waiting(self) -> list[NaiveOrder]:
        short = [o for o in self.orders.values() if any(line.lacks for line in o.lines.values())]
        return sorted(short, key=lambda order: order.rank)

    # --- facts ---

    def counted(self, at: str, units: int, bucket: str, includes_committed: bool) -> None:
        if bucket != "sellable":
            self.stock[at, bucket] = units
            return
        wished = units if includes_committed else units + self.committed(at)
        self.stock[at, bucket] += wished - self.sellable(at)
        self.settle()

    def add(self, at: str, bucket: str, delta: int) -> None:
        self.stock[at, bucket] += delta
        self.settle()

    def issue(self, at: str, units: int, order_id: str | None, shipment: str | None) -> None:
        if order_id is None and shipment is not None:
            owners = [o.order_id for o in self.orders.values() if shipment in o.shipped]
            if owners:
                order_id = owners[0]
            else:
                self.nobodys.setdefault(shipment, Counter())[at] += units
        if order_id is None:
            self.stock[at, "sellable"] -= units
        else:
            order = self.orders.setdefault(order_id, NaiveOrder(order_id, self.now))
            order.issued.setdefault(shipment, Counter())[at] += units
            order.cover_issued()
        self.settle()

    # --- holds ---

    def clock(self, now: int) -> None:
        dying = sorted({h.expires for h in self.holds.values() if h.expires <= now})
        for instant in dying:
            self.ended |= {k for k, h in self.holds.items() if h.expires <= instant}
            self.holds = {k: h for k, h in self.holds.items() if h.expires > instant}
            self.settle()
        self.now = max(self.now, now)

    def hold(self, hold_id: str, units: int, ttl: int, at: str | None, told: int) -> None:
        if hold_id in self.holds or hold_id in self.ended:
            return
        if told + ttl <= self.now:
            self.ended.add(hold_id)
            return
        places = [at] if at else self.places_with_cells()
        room = {p: max(0, self.available_now(p)) for p in places}
        limit = self.available_now() if at is None else self.available_now(at) - self.backordered(None)
        if units > min(sum(room.values()), limit):
            self.ended.add(hold_id)
            return
        cells: Counter[str] = Counter()
        for place in places:
            while room[place] and cells.total() < units:
                cells[place] += 1
                room[place] -= 1
        self.holds[hold_id] = NaiveHold(told + ttl, cells)

    def places_with_cells(self) -> list[str]:
        return self.all_places()

    def extend(self, hold_id: str, ttl: int, told: int) -> None:
        hold = self.holds.get(hold_id)
        if hold and not hold.pledged_to:
            hold.expires = max(hold.expires, told + ttl)
            self.settle()

    def release(self, hold_id: str) -> None:
        hold = self.holds.get(hold_id)
        if hold and not hold.pledged_to:
            del self.holds[hold_id]
            self.ended.add(hold_id)
        self.settle()

    def convert(self, hold_id: str, order_id: str, line_id: str) -> None:
        hold = self.holds.get(hold_id)
        if hold and not hold.pledged_to:
            order = self.orders.get(order_id)
            self.ended.add(hold_id)
            if order is None or line_id not in order.lines:
                hold.pledged_to = (order_id, line_id)
            else:
                del self.holds[hold_id]
                self.give(hold.cells, order, line_id)
        self.settle()

    def give(self, cells: Counter[str], order: NaiveOrder, line_id: str) -> None:
        line = order.lines.get(line_id)
        if line is None or order.parked or not line.lacks:
            return
        room = {at: min(cells[at], self.open(at)) for at in sorted(cells) if cells[at]}
        for at, units in self.offer(order, line, room, line.lacks).items():
            line.cells[at] += units
        order.keep_whole()

    # --- demand ---

    def demand(
        self,
        order_id: str,
        request: int,
        placed: int,
        flags: dict[str, bool | int],
        lines: dict[str, tuple[int, str | None, dict[str, int], dict[str, int]]],
        shipments: list[tuple[str, str, int]],
    ) -> None:
        order = self.orders.setdefault(order_id, NaiveOrder(order_id, placed))
        if request <= order.request:
            return
        order.request, order.placed = request, placed
        for name, value in flags.items():
            setattr(order, name, value)
        now_shipped: dict[str, Counter[str]] = {}
        for shipment, at, units in shipments:
            now_shipped.setdefault(shipment, Counter())[at] += units
        for shipment in order.shipped:
            if shipment not in now_shipped:
                order.issued.pop(shipment, None)
        for shipment in now_shipped:
            known = self.nobodys.pop(shipment, None) if shipment not in order.shipped else None
            for at, units in (known or {}).items():
                self.stock[at, "sellable"] += units
                order.issued.setdefault(shipment, Counter())[at] += units
        order.shipped = now_shipped
        for line_id in [*lines, *(known for known in order.lines if known not in lines)]:
            want, at, released, shipped = lines.get(line_id, (0, None, {}, {}))
            line = order.lines.setdefault(line_id, NaiveLine())
            line.want, line.location, line.released = want, at, Counter(released)
            self.ship(line, Counter(shipped))
            for place in sorted(line.cells, reverse=True):
                while line.shipped.total() + line.cells.total() > max(want, line.shipped.total()):
                    if not line.movable(place):
                        break
                    line.cells[place] -= 1
        order.cover_issued()
        order.keep_whole()
        for hold_id, hold in list(self.holds.items()):
            if hold.pledged_to and hold.pledged_to[0] == order_id:
                del self.holds[hold_id]
                self.give(hold.cells, order, hold.pledged_to[1])
        self.settle()

    def ship(self, line: NaiveLine, shipped: Counter[str]) -> None:
        for at in line.shipped:
            line.cells[at] += max(0, line.shipped[at] - shipped[at])
        for at, units in shipped.items():
            for _ in range(units - line.shipped[at]):
                source = (
                    at if line.cells[at] else next((p for p in sorted(line.cells) if line.cells[p]), None)
                )
                if source is not None:
                    line.cells[source] -= 1
        line.shipped = shipped

    # --- who gets what ---

    def settle(self) -> None:
        for at in self.places():
            while self.committed(at) > max(0, self.sellable(at)) and self.take_back(at):
                pass
        self.fill()

    def take_back(self, at: str) -> bool:
        """One unit from the last in rank that has one to lose; False if there is nobody."""
        for order in sorted(self.orders.values(), key=lambda o: o.rank, reverse=True):
            for line_id in sorted(order.lines, reverse=True):
                line = order.lines[line_id]
                if order.committed(at) and line.movable(at):
                    line.cells[at] -= 1
                    order.keep_whole()
                    return True
        return False

    def fill(self) -> None:
        aside: Counter[str] = Counter()
        for order in self.waiting():
            free = Counter({at: self.open(at) - aside[at] for at in self.places()})
            for line_id, cells in self.plan(order, free).items():
                order.lines[line_id].cells.update(cells)
            free = Counter({at: self.open(at) - aside[at] for at in self.places()})
            for line in order.lines.values():
                for _ in range(line.lacks):
                    mine = [at for at in self.wished(line) if free[at] > 0]
                    if mine:
                        free[mine[0]] -= 1
                        aside[mine[0]] += 1

    def plan(self, order: NaiveOrder, free: Counter[str]) -> dict[str, Counter[str]]:
        if order.parked:
            return {}
        rest, found = Counter(free), {}
        for line_id, line in order.lines.items():
            cells = self.offer(order, line, rest, line.lacks) if line.lacks else Counter()
            if order.complete and cells.total() < line.lacks:
                return {}
            rest.subtract(cells)
            found[line_id] = cells
        return found

    def offer(self, order: NaiveOrder, line: NaiveLine, free: dict[str, int], units: int) -> Counter[str]:
        has = {at for at in line.cells if line.cells[at] > 0}
        places = [at for at in self.wished(line) if at in free]
        if order.single:
            whole = [at for at in (has or places) if free.get(at, 0) >= units]
            return Counter({whole[0]: units}) if whole else Counter()
        given: Counter[str] = Counter()
        for at in places:
            if order.max_splits and at not in has and len(has | set(given)) >= order.max_splits:
                continue
            take = max(0, min(units - given.total(), free[at]))
            if take:
                given[at] = take
        return given

    def wished(self, line: NaiveLine) -> list[str]:
        return self.places() if line.location is None else [line.location]
