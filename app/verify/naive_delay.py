"""Why an order is late, worked out naively: by stepping through every instant at which anything changed.

    course = Course(placed_s, at_s, ends_s, spans)      # of `naive_course`, from an order
    for segment in segments(course, plans_s): ...       # their excesses sum to actual less planned

All times in whole seconds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

from springtide.codecs.times import rfc3339

STAGES: Final = ("allocation", "warehouse", "transit")
OWN: Final = {
    "allocation": "stock_shortage",
    "warehouse": "warehouse_backlog",
    "transit": "carrier_delay",
}
"""Whose time it is when no cause is active."""
CAUSES: Final = (
    *("credit_hold", "payment_pending", "fraud_review", "address_problem", "data_error"),
    *("customer_requested", "compliance_hold"),
    *("stock_shortage", "supplier_late", "allocation_policy", "quality_hold", "count_discrepancy"),
    "location_outage",
    *("warehouse_backlog", "pick_short", "packing_or_label"),
    *("carrier_pickup_missed", "carrier_delay", "customs", "weather", "attempt_failed"),
    *("damaged_in_transit", "lost", "return_to_sender"),
    *("integration_failure", "unknown"),
)
"""Of several that are active the first counts: the upstream gate wins."""


WAITS_MAX: Final = 100
WaitState = tuple[int, str | None]
"""(instant in microseconds, cause): what an order's lines wait for from then on, None if for nothing."""


class Span(NamedTuple):
    """A cause from an instant on, until another (None: it still is active)."""

    cause: str
    since_s: int
    until_s: int | None = None


class Course(NamedTuple):
    """An order's way as far as it was known at `at_s`."""

    placed_s: int
    at_s: int
    ends_s: dict[str, int]
    """Stage -> when it ended, of those that have."""
    spans: tuple[Span, ...] = ()
    waits: bool = False
    """Whether any of it still waits for its day or its units."""


class Segment(NamedTuple):
    cause: str
    stage: str
    planned_s: int
    actual_s: int

    @property
    def excess_s(self) -> int:
        return self.actual_s - self.planned_s


class Piece(NamedTuple):
    """A time in which nothing changed."""

    stage: str
    cause: str
    length_s: int


def stages(course: Course) -> list[tuple[str, int, int, bool]]:
    """(stage, begin, end, whether it is over) of those that have begun. A stage that has no end yet runs on."""
    found = []
    begin = course.placed_s
    for stage in STAGES:
        over = stage in course.ends_s
        end = max(begin, course.ends_s[stage] if over else course.at_s)
        found.append((stage, begin, end, over))
        if not over:
            break
        begin = end
    return found


def stretches(states: list[WaitState]) -> list[tuple[str, int, int | None]]:
    """(cause, since, until) from what the order waited for after each answer; none overlaps the one before, and
    those of no length vanish."""
    ended: list[tuple[str, int, int]] = []
    now: tuple[str, int] | None = None
    for at_us, cause in states:
        if now is not None:
            if now[0] == cause:
                continue
            if at_us > now[1]:
                ended.append((*now, at_us))
            now = None
        if cause is not None:
            since_us = max([at_us, *(until for _, _, until in ended[-1:])])
            now = (cause, since_us)
            if ended and (ended[-1][0], ended[-1][2]) == now:  # it goes on
                now = (cause, ended.pop()[1])
            ended = ended[len(ended) - WAITS_MAX + 1 :] if len(ended) >= WAITS_MAX else ended
    last: list[tuple[str, int, int | None]] = [] if now is None else [(*now, None)]
    return [*ended, *last]


def active(course: Course, at_s: int) -> str | None:
    """The cause that counts in the time that begins at an instant."""
    now = [s.cause for s in course.spans if s.since_s <= at_s and (s.until_s is None or at_s < s.until_s)]
    return min(now, key=CAUSES.index, default=None)


def pieces(course: Course) -> list[Piece]:
    """The way cut at each instant of change."""
    found = []
    for stage, begin, end, _ in stages(course):
        instants = {begin, end}
        for span in course.spans:
            instants |= {span.since_s, end if span.until_s is None else span.until_s}
        cuts = sorted(at_s for at_s in instants if begin <= at_s <= end)
        for one, next_one in pairwise(cuts):
            found.append(Piece(stage, active(course, one) or OWN[stage], next_one - one))
    return found


def segments(course: Course, plans_s: dict[str, int]) -> list[Segment]:
    """By stage and cause, in order of time. A stage's plan is taken from the time of its own cause first, then
    from the others as they come; one that is over and shorter than its plan has the rest less, as its own."""
    found: list[Segment] = []
    cut = pieces(course)
    for stage, begin, end, over in stages(course):
        mine = [piece for piece in cut if piece.stage == stage]
        actual: dict[str, int] = {}
        for piece in mine:
            actual[piece.cause] = actual.get(piece.cause, 0) + piece.length_s
        plan = plans_s.get(stage, 0)
        left = plan if over else min(plan, end - begin)
        planned = dict.fromkeys(actual, 0)
        for piece in [p for p in mine if p.cause == OWN[stage]] + [p for p in mine if p.cause != OWN[stage]]:
            taken = min(left, piece.length_s)
            planned[piece.cause] += taken
            left -= taken
        if left:
            planned[OWN[stage]] = planned.get(OWN[stage], 0) + left
        found += [Segment(c, stage, planned[c], actual.get(c, 0)) for c in {**actual, **planned}]
    return found


class Promise(NamedTuple):
    """What a delay is measured by: all in whole seconds, None where nobody knows."""

    until_s: int | None
    """By when it was promised to be there."""
    ships_s: int | None
    """The start of the day on which the last of it is promised to ship now."""


def answer(course: Course | None, plans_s: dict[str, int], promise: Promise) -> dict[str, Any]:
    """As the API names it."""
    if course is None:
        names = ("cause", "since", "lateness_s", "slack_eaten_s", "primary", "eta")
        return dict.fromkeys(names) | {"segments": [], "at_risk": False}
    found = segments(course, plans_s)
    there = "transit" in course.ends_s
    until_s = course.ends_s["transit"] if there else course.at_s
    excess: dict[str, int] = {}
    for segment in found:
        excess[segment.cause] = excess.get(segment.cause, 0) + segment.excess_s
    worst = max(excess.values(), default=0)
    blamed = [cause for cause in CAUSES if excess.get(cause) == worst > 0]
    cause, since_s = (None, None) if there else current(course, plans_s)
    eta_s = until_s if there else arrival(course, plans_s, promise)
    lateness_s = slack_eaten_s = None
    if promise.until_s is not None:
        slack_s = promise.until_s - course.placed_s - sum(plans_s.values())
        lateness_s = max(0, until_s - promise.until_s)
        slack_eaten_s = max(0, min(slack_s, sum(excess.values())))
    return {
        "cause": cause,
        "since": None if since_s is None else rfc3339(since_s * 1_000_000),
        "segments": [{**s._asdict(), "excess_s": s.excess_s} for s in found],
        "lateness_s": lateness_s,
        "slack_eaten_s": slack_eaten_s,
        "primary": blamed[0] if blamed else None,
        "eta": None if eta_s is None else rfc3339(eta_s * 1_000_000),
        "at_risk": not there and promise.until_s is not None and (eta_s is None or eta_s > promise.until_s),
    }


def current(course: Course, plans_s: dict[str, int]) -> tuple[str | None, int | None]:
    """(cause, since when) now. A stage's own time is a cause only beyond its plan, from when it went beyond."""
    cut = pieces(course)
    stage, begin, _, _ = stages(course)[-1]
    cause = active(course, course.at_s)
    own = [piece for piece in cut if piece.stage == stage and piece.cause == OWN[stage]]
    beyond_s = sum(piece.length_s for piece in own) - plans_s.get(stage, 0)
    if cause is None and beyond_s <= 0:
        return None, None
    since_s = course.at_s
    for piece in reversed(cut):  # back to where it began to be the one that counts
        if piece.cause != (cause or OWN[stage]) or (cause is None and since_s <= begin):
            break
        since_s -= piece.length_s
    if cause is None:
        return OWN[stage], max(since_s, course.at_s - beyond_s)
    return cause, since_s


def arrival(course: Course, plans_s: dict[str, int], promise: Promise) -> int | None:
    """When it will be there, if all that is left goes as planned from now on."""
    stage, begin, _, _ = stages(course)[-1]
    left_s = max(0, plans_s.get(stage, 0) - (course.at_s - begin))
    if stage == "transit":
        ended_badly = active(course, course.at_s) in ("lost", "return_to_sender")
        return None if ended_badly else course.at_s + left_s
    after = {"allocation": ("warehouse", "transit"), "warehouse": ("transit",)}[stage]
    if not course.waits:
        return course.at_s + left_s + sum(plans_s.get(name, 0) for name in after)
    if promise.ships_s is None:
        return None
    return max(course.at_s, promise.ships_s) + plans_s.get("warehouse", 0) + plans_s.get("transit", 0)
