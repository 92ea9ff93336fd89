"""A naive order's way from receipt to delivery, as it was known at an instant: what naive delay is made from."""

from __future__ import annotations

from typing import Final, NamedTuple

from springtide.app.verify.naive_delay import CAUSES, OWN, Course, Promise, Span, stretches
from springtide.app.verify.naive_order import NaiveOrder
from springtide.app.verify.naive_parcel import STEPS, Parcel, Scan, Units
from springtide.codecs.times import DAY_US, SECOND_US, day_start

_OF_EXCEPTION: Final = {
    "address": "address_problem",
    "refused": "attempt_failed",
    "damaged": "damaged_in_transit",
    "pickup_missed": "carrier_pickup_missed",
}
_OF_SCAN: Final = {"attempted": "attempt_failed", "returned_to_sender": "return_to_sender", "lost": "lost"}
DAY_S: Final = DAY_US // SECOND_US
_MOVES: Final = ("in_transit", "out_for_delivery", "available_for_pickup", "delivered")


def course(order: NaiveOrder, at_us: int) -> Course | None:
    """None if there is none: not placed by then, rejected, or nothing of it is wanted."""
    net = order.net()
    rejected = order.rejected is not None
    if order.placed is None or at_us < order.placed_us or rejected or net <= 0:
        return None
    placed_s = second(order.placed_us)
    parcels = [Known(parcel, at_us) for parcel in order.parcels.values()]
    parcels = [parcel for parcel in parcels if not parcel.void]
    shipped_s = reached(order, [part for parcel in parcels for part in parcel.left], net, placed_s)
    delivered_s = None
    if shipped_s is not None:
        delivered_s = reached(order, [part for parcel in parcels for part in parcel.arrived], net, shipped_s)
    gates = [
        span(stop.reason, stop.since_us, stop.released_us, at_us)
        for stop in order.stops.values()
        if stop.reason and stop.since_us <= at_us
    ]
    states = stretches(order.wait_states)
    waits = [span(cause, since, until, at_us) for cause, since, until in states if since <= at_us]
    if shipped_s is not None:  # what was waited for and cancelled in the end kept nothing that is on its way
        waits = [
            wait._replace(until_s=max(wait.since_s, shipped_s))
            if wait.until_s is None or wait.until_s > shipped_s
            else wait
            for wait in waits
        ]
    gates += waits
    if not states and sum(line.allocated for line in order.lines.values()) < net:
        gates.append(Span("stock_shortage", placed_s))
    work_s = min((s for parcel in parcels for s in parcel.work()), default=None)
    free_s = gates_open(gates, placed_s, work_s)
    ends: dict[str, int] = {}
    if shipped_s is not None:
        ends = {"allocation": shipped_s if free_s is None else min(free_s, shipped_s), "warehouse": shipped_s}
        if delivered_s is not None:
            ends["transit"] = delivered_s
    elif free_s is not None:
        ends = {"allocation": free_s}
    troubles = [trouble for parcel in parcels for trouble in parcel.troubles(shipped_s)]
    waiting = any(wait.until_s is None for wait in waits)
    return Course(placed_s, second(at_us), ends, (*gates, *troubles), waiting)


def second(at_us: int) -> int:
    return at_us // SECOND_US


def span(cause: str, since_us: int, until_us: int | None, at_us: int) -> Span:
    ended = until_us is not None and until_us <= at_us
    return Span(cause, second(since_us), second(until_us) if ended and until_us is not None else None)


def reached(order: NaiveOrder, parts: list[Passed], wanted: int, from_s: int) -> int | None:
    """The first instant by which so many units had passed."""
    for at_s in sorted({part.at_s for part in parts}):
        keyed: Units = {}
        for part in parts:
            if part.at_s <= at_s:
                keyed[part.key] = keyed.get(part.key, 0) + part.units
        if sum(order.in_lines(keyed).values()) >= wanted:
            return max(at_s, from_s)
    return None


def gates_open(gates: list[Span], placed_s: int, work_s: int | None) -> int | None:
    """When the order was allocated and free of holds, None if it is not. A gate that shuts after a warehouse
    has begun, when all were open, belongs to the stages that follow."""
    free_s = placed_s
    for gate in sorted(gates, key=lambda gate: gate.since_s):
        if work_s is not None and gate.since_s >= work_s and gate.since_s > free_s:
            return free_s
        if gate.until_s is None:
            return None
        free_s = max(free_s, gate.until_s)
    return free_s


def wait_cause(order: NaiveOrder) -> str | None:
    """What the order's lines wait for now: of several causes the one that comes first in the list."""
    found: list[str] = []
    for line in order.lines.values():
        if line.backordered:
            told = None if line.cause == "count_discrepancy" else line.cause
            found.append(told or OWN["allocation"])
        elif line.allocated < line.open() and line.day is not None:
            found.append("customer_requested")
    return min(found, key=CAUSES.index, default=None)


class Passed(NamedTuple):
    """Units that passed at an instant; by the key that the shipment has them under."""

    at_s: int
    key: str
    units: int


class Known:
    """A parcel as it was known at an instant."""

    def __init__(self, parcel: Parcel, at_us: int) -> None:
        self.parcel = parcel
        self.at_us = at_us
        voided_us = parcel.first_us("voided")
        self.void = parcel.voided is not None and (voided_us or 0) <= at_us
        self.scans = sorted(
            (scan for scan in parcel.scans if scan.at_us <= at_us and not self._corrected(scan)),
            key=lambda scan: (scan.at_us, scan.sequence),
        )
        delivered = [second(s.at_us) for s in self.scans if s.status == "delivered" and not s.exception]
        there_s = min(delivered, default=None)
        stated = parcel.stated
        self.left: list[Passed] = []
        for key, units in stated.get("shipped", {}).items():
            when_us = parcel.first_us(f"shipped {key}")
            assert when_us is not None
            if there_s is not None:
                self.left.append(Passed(min(second(when_us), there_s), key, units))
            elif when_us <= at_us:
                self.left.append(Passed(second(when_us), key, units))
        if there_s is not None and not stated.get("shipped"):
            guessed = stated.get("packed") or stated.get("picked") or stated.get("released") or {}
            self.left = [Passed(there_s, key, units) for key, units in guessed.items()]
        self.arrived = [] if there_s is None else [part._replace(at_s=there_s) for part in self.left]
        self.gone_s = max((part.at_s for part in self.left), default=None)

    def _corrected(self, scan: Scan) -> bool:
        names = (scan.event_id, scan.event_id.split(" ", 1)[-1])
        told = [self.parcel.first_us(f"corrected {c}") for c in self.parcel.corrected if c in names]
        return any(us is not None and us <= self.at_us for us in told)

    def work(self) -> list[int]:
        """When a warehouse was heard to work on it."""
        steps = [self.parcel.first_us(step) for step in STEPS]
        heard = [second(us) for us in steps if us is not None and us <= self.at_us]
        return heard + [part.at_s for part in self.left]

    def troubles(self, shipped_s: int | None) -> list[Span]:
        """What kept it. On its way it counts only once all of the order is on its way."""
        found = []
        short_us = self.parcel.first_us("short")
        if short_us is not None and short_us <= self.at_us:
            found.append(Span("pick_short", second(short_us), self._picked_s(short_us)))
        for scan in self.scans:
            after = [s for s in self.scans if not s.exception and when(s) > when(scan)]
            if scan.exception:
                cause = _OF_EXCEPTION.get(scan.status, scan.status)
                after = [s for s in after if s.status in _MOVES]
            elif scan.status in _OF_SCAN:
                cause = _OF_SCAN[scan.status]
            else:
                continue
            since_s = second(scan.at_us)
            until_s = second(after[0].at_us) if after else None
            if self.gone_s is not None and self.gone_s <= since_s:
                if shipped_s is None:
                    continue
                since_s = max(since_s, shipped_s)
            elif cause == "carrier_pickup_missed" and self.gone_s is not None:
                until_s = self.gone_s if until_s is None else min(until_s, self.gone_s)
            if until_s is None or until_s > since_s:
                found.append(Span(cause, since_s, until_s))
        return found

    def _picked_s(self, short_us: int) -> int | None:
        """Until it is picked in full after all, or leaves."""
        stated, picked_us = self.parcel.stated, self.parcel.first_us("picked")
        released, picked = stated.get("released", {}), stated.get("picked", {})
        short = {key: n for key, n in released.items() if key.split("\x00")[0] in self.parcel.short}
        full = all(picked.get(key, 0) >= n for key, n in short.items())
        if picked_us is not None and short_us <= picked_us <= self.at_us and released and full:
            return second(picked_us)
        return self.gone_s


def when(scan: Scan) -> tuple[int, int]:
    return scan.at_us, scan.sequence


def last_day(order: NaiveOrder, promised: dict[str, list[tuple[int, int]]]) -> int | None:
    """Of (day, units) by line: the day by which each unit that is wanted has one; None if some have none."""
    last: list[int] = []
    for line_id, line in order.lines.items():
        for n in range(1, len(promised[line_id]) + 1):
            some = sorted(promised[line_id])[:n]
            if line.open() > sum(units for _, units in some[:-1]):
                last.append(some[-1][0])
        if line.open() > sum(units for _, units in promised[line_id]):
            return None
    return max(last, default=None)


def promise(order: NaiveOrder, transit_s: int) -> Promise:
    """By when it was promised to be there: to the customer, else by our own first promise and the way."""
    text = None if order.placed is None else order.placed.promised_by
    until_s: int | None = None
    if text is not None:
        try:
            until_s = second(day_start(text)) + (DAY_S if len(text) == len("2026-03-02") else 0)
        except ValueError:
            until_s = None
    else:
        first = last_day(order, {line_id: line.first for line_id, line in order.lines.items()})
        until_s = None if first is None else (first + 1) * DAY_S + transit_s
    now = {line_id: [(one[0], one[2]) for one in line.promises] for line_id, line in order.lines.items()}
    ships = last_day(order, now)
    return Promise(until_s, None if ships is None else ships * DAY_S)
