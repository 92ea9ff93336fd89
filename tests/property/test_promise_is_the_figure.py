"""A new order is last in rank, so it is promised for each day what was said could be had just before it asked."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st
from story import Story, day, line

Json = dict[str, Any]
UNITS = st.integers(1, 9)
PLACES = st.sampled_from(["BER", "HAM"])
DAYS = st.none() | st.integers(0, 5)
SOURCING = st.sampled_from([None, {"mode": "single"}, {"mode": "split", "max_splits": 1}])
STEPS = st.one_of(
    st.tuples(st.just("received"), UNITS, PLACES),
    st.tuples(st.just("counted"), UNITS, PLACES),
    st.tuples(st.just("supply"), UNITS, PLACES, st.integers(0, 6)),
    st.tuples(st.just("slips"), st.integers(0, 9), st.integers(1, 8)),
    st.tuples(st.just("order"), UNITS, DAYS, SOURCING),
    st.tuples(st.just("basket"), UNITS, UNITS, DAYS),
    st.tuples(st.just("kit"), st.integers(1, 4), DAYS),
    st.tuples(st.just("cancel"), st.integers(0, 9), UNITS),
    st.tuples(st.just("hold"), UNITS, st.none() | PLACES),
    st.tuples(st.just("wait"), st.sampled_from([0.3, 1.0])),
)


class World:
    def __init__(self) -> None:
        self.story = Story()
        self.at = 0.1
        self.orders: list[str] = []
        self.supplies: list[str] = []
        self.story.place("BER", 1)
        self.story.place("HAM", 2)
        self.story.product("KIT", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
        self.story.counted(0.05, "A", 5, "BER")
        self.story.counted(0.05, "B", 3, "HAM")

    def step(self, name: str, *more: Any) -> None:
        self.at = round(self.at + 0.01, 2)
        getattr(self, name)(*more)

    def received(self, units: int, place: str) -> None:
        self.story.received(self.at, "A", units, place)

    def counted(self, units: int, place: str) -> None:
        self.story.counted(self.at, "A", units, place)

    def supply(self, units: int, place: str, due: int) -> None:
        self.supplies.append(self.story.supply(self.at, "A", units, int(self.at) + due, location=place))

    def slips(self, which: int, days: int) -> None:
        if self.supplies:
            name = self.supplies[which % len(self.supplies)]
            due = day(int(self.at) + days)
            self.story.tell(self.at, "supply.rescheduled", "A", supply_id=name, due=due)

    def order(self, units: int, ships: int | None, sourcing: Json | None) -> None:
        stated = line("A", units, None if ships is None else int(self.at) + ships)
        self.place(stated, **({} if sourcing is None else {"sourcing": sourcing}))

    def basket(self, units: int, of_b: int, ships: int | None) -> None:
        when = None if ships is None else int(self.at) + ships
        self.place(line("A", units, when), line("B", of_b, when), ship_complete=True)

    def kit(self, kits: int, ships: int | None) -> None:
        self.place(line("KIT", kits, None if ships is None else int(self.at) + ships))

    def place(self, *lines: Json, **more: Any) -> None:
        self.orders.append(f"O{len(self.orders) + 1:02}")
        self.story.placed(self.at, self.orders[-1], *lines, **more)

    def cancel(self, which: int, units: int) -> None:
        if self.orders:
            name = self.orders[which % len(self.orders)]
            self.story.tell(self.at, "order.cancelled", name, lines=[{"line_id": "1", "qty": units}])

    def hold(self, units: int, place: str | None) -> None:
        more = {} if place is None else {"location": place}
        told = {"hold_id": f"H{self.at}", "qty": units, "ttl_s": 40_000, "owner": "cart", **more}
        self.story.tell(self.at, "hold.placed", "A", **told)

    def wait(self, days: float) -> None:
        self.at = round(self.at + days, 2)


def by_day(promises: list[Json]) -> dict[str, int]:
    """Date -> units of all places."""
    return dict(sum((Counter({p["date"]: p["qty"]}) for p in promises), Counter()))


@given(steps=st.lists(STEPS, max_size=12), qty=UNITS)
def test_a_new_order_is_promised_what_was_said(steps: list[tuple[Any, ...]], qty: int) -> None:
    world = World()
    for name, *more in steps:
        world.step(name, *more)
    at = round(world.at + 0.01, 2)
    said = world.story.atp("A", now=at, qty=qty)
    world.story.placed(at, "NEW", line("A", qty))
    told = world.story.order("NEW")["lines"][0]["promises"]
    for one in world.story.lines:
        note(one)
    assert by_day(told) == by_day(said["earliest"]["lines"]), said
