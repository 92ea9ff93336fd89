"""Why an order is late: its way cut into segments whose excesses sum exactly to actual minus planned.

    found = delay(order, at_us, plan)
    sum(s.excess_s for s in found.segments) == elapsed - planned

The same question can be asked as of any instant; what occurred later is left out. Lengths are whole seconds.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Final, NamedTuple

from springtide.codecs.facts import Plan
from springtide.codecs.times import DAY_US, SECOND_US, day_start, rfc3339
from springtide.tables.causes import OWN, RANK
from springtide.tables.course import Course, Span, course
from springtide.tables.order import Order

DAY_S: Final = DAY_US // SECOND_US
NO_PLAN: Final = Plan()
_ENDS_BADLY: Final = frozenset(("lost", "return_to_sender"))


class Segment(NamedTuple):
    """The time of one stage that belongs to one cause, and how much of it was planned."""

    cause: str
    stage: str
    planned_s: int
    actual_s: int

    @property
    def excess_s(self) -> int:
        return self.actual_s - self.planned_s


class Delay(NamedTuple):
    """The answer. `lateness_s` is None where nobody promised anything, `eta_s` where nobody knows."""

    cause: str | None = None
    """What it waits for now; None while all goes as planned, and once it is delivered."""
    since_s: int | None = None
    segments: tuple[Segment, ...] = ()
    lateness_s: int | None = None
    slack_eaten_s: int | None = None
    primary: str | None = None
    """The cause of the largest excess; of equal ones the upstream."""
    eta_s: int | None = None
    at_risk: bool = False

    def as_answer(self) -> dict[str, Any]:
        """As the API names it."""
        return {
            "cause": self.cause,
            "since": _text(self.since_s),
            "segments": [{**s._asdict(), "excess_s": s.excess_s} for s in self.segments],
            "lateness_s": self.lateness_s,
            "slack_eaten_s": self.slack_eaten_s,
            "primary": self.primary,
            "eta": _text(self.eta_s),
            "at_risk": self.at_risk,
        }


class Piece(NamedTuple):
    """A time in which one cause counts. `span` is what was active; None: the stage's own time."""

    stage: str
    cause: str
    begin_s: int
    end_s: int
    span: Span | None

    @property
    def length_s(self) -> int:
        return self.end_s - self.begin_s


def delay(order: Order, at_us: int, plan: Plan | None) -> Delay:
    """Why the order is late, as of an instant. Without a plan every stage is planned to take no time."""
    way = course(order, at_us)
    if way is None:
        return Delay()
    planned = _planned(plan)
    found = pieces(way)
    segments = _segments(way, found, planned)
    cause, since_s = _current(way, found, planned)
    excess_s = sum(segment.excess_s for segment in segments)
    promise_s = promised_until_s(order, planned["transit"])
    eta_s = _eta_s(order, way, planned)
    lateness_s = slack_eaten_s = None
    at_risk = False
    if promise_s is not None:
        lateness_s = max(0, way.until_s - promise_s)
        slack_s = promise_s - way.placed_s - sum(planned.values())
        slack_eaten_s = max(0, min(slack_s, excess_s))
        at_risk = _is_at_risk(way, eta_s, promise_s)
    return Delay(
        cause, since_s, tuple(segments), lateness_s, slack_eaten_s, _primary(segments), eta_s, at_risk
    )


def outlook(order: Order, at_us: int, plan: Plan | None) -> tuple[str | None, bool]:
    """(`cause`, `at_risk`) of `delay`, by which orders are listed, for less than all of it costs."""
    way = course(order, at_us)
    if way is None or way.is_delivered:
        return None, False
    planned = _planned(plan)
    now = way.active(way.at_s)
    cause = _current(way, pieces(way), planned)[0] if now is None else now.cause
    promise_s = promised_until_s(order, planned["transit"])
    if promise_s is None:
        return cause, False
    return cause, _is_at_risk(way, _eta_s(order, way, planned), promise_s)


def _is_at_risk(way: Course, eta_s: int | None, promise_s: int) -> bool:
    return not way.is_delivered and (eta_s is None or eta_s > promise_s)


def _planned(plan: Plan | None) -> dict[str, int]:
    return {stage: getattr(plan or NO_PLAN, name) for stage, name in _PLANNED.items()}


_PLANNED: Final = {"allocation": "allocate_s", "warehouse": "warehouse_s", "transit": "transit_s"}


def pieces(way: Course) -> list[Piece]:
    """The way cut wherever a cause begins or ends, neighbours alike made one."""
    found: list[Piece] = []
    for stage, begin, end, _ in way.stages():
        edges = {begin, end}
        for span in way.spans:
            edges.add(span.since_s)
            if span.until_s is not None:
                edges.add(span.until_s)
        cuts = sorted(edge for edge in edges if begin <= edge <= end)
        for one, following in pairwise(cuts):
            counts = way.active(one)
            cause = OWN[stage] if counts is None else counts.cause
            last = found[-1] if found else None
            if last is not None and (last.stage, last.cause, last.end_s) == (stage, cause, one):
                found[-1] = last._replace(end_s=following)
            else:
                found.append(Piece(stage, cause, one, following, counts))
    return found


def _segments(way: Course, found: list[Piece], planned: dict[str, int]) -> list[Segment]:
    """By stage and cause, in order of time. A stage's plan is taken from its own cause's time first, then from
    the others as they come; what a stage that is over did not need of it makes its own cause's excess less."""
    segments: list[Segment] = []
    for stage, begin, end, over in way.stages():
        own = OWN[stage]
        mine = [piece for piece in found if piece.stage == stage]
        actual: dict[str, int] = {}
        for piece in mine:
            actual[piece.cause] = actual.get(piece.cause, 0) + piece.length_s
        left = planned[stage] if over else min(planned[stage], end - begin)
        taken = dict.fromkeys(actual, 0)
        for piece in sorted(mine, key=lambda piece: piece.cause != own):
            part = min(left, piece.length_s)
            taken[piece.cause] += part
            left -= part
        if left:
            actual.setdefault(own, 0)
            taken[own] = taken.get(own, 0) + left
        segments += [Segment(cause, stage, taken[cause], length) for cause, length in actual.items()]
    return segments


def _current(way: Course, found: list[Piece], planned: dict[str, int]) -> tuple[str | None, int | None]:
    """(cause, since when): what is active now, else the stage's own once its time is beyond the plan."""
    if way.is_delivered:
        return None, None
    now = way.active(way.at_s)
    cause, since_s = (None, way.at_s) if now is None else (now.cause, way.at_s)
    stage = list(way.stages())[-1][0]
    for piece in reversed(found):
        if piece.cause != (cause or OWN[stage]) or piece.end_s != since_s:
            break
        if cause is None and piece.stage != stage:
            break
        since_s = piece.begin_s
    if cause is not None:
        return cause, since_s
    own_s = sum(p.length_s for p in found if p.stage == stage and p.cause == OWN[stage])
    beyond_s = own_s - planned[stage]
    if beyond_s <= 0:
        return None, None
    return OWN[stage], max(since_s, way.at_s - beyond_s)


def _primary(segments: list[Segment]) -> str | None:
    excess: dict[str, int] = {}
    for segment in segments:
        excess[segment.cause] = excess.get(segment.cause, 0) + segment.excess_s
    late = [cause for cause, seconds in excess.items() if seconds > 0]
    return min(late, key=lambda cause: (-excess[cause], RANK[cause]), default=None)


def promised_until_s(order: Order, transit_s: int) -> int | None:
    """By when delivery was promised: to the customer, else our own first promise to ship and the way."""
    if order.promised_by is not None:
        try:
            until_us = day_start(order.promised_by)
        except ValueError:
            return None
        return until_us // SECOND_US + (DAY_S if len(order.promised_by) == 10 else 0)
    day = first_promised_day(order)
    return None if day is None else (day + 1) * DAY_S + transit_s


def _eta_s(order: Order, way: Course, planned: dict[str, int]) -> int | None:
    """When it was delivered, or will be if all that is left goes as planned from now on."""
    if way.is_delivered:
        return way.until_s
    stage, begin, _, _ = list(way.stages())[-1]
    left_s = max(0, planned[stage] - (way.at_s - begin))
    if stage == "transit":
        now = way.active(way.at_s)
        return None if now is not None and now.cause in _ENDS_BADLY else way.at_s + left_s
    if not any(span.sku and span.until_s is None for span in way.spans):
        return way.at_s + left_s + planned["transit"] + (planned["warehouse"] if stage == "allocation" else 0)
    day = promised_day(order)
    if day is None:
        return None
    return max(way.at_s, day * DAY_S) + planned["warehouse"] + planned["transit"]


def first_promised_day(order: Order) -> int | None:
    """The day by which all of the order was to ship as first promised; None if it never was, for some of it."""
    return _last_day(order, {name: line.first for name, line in order.lines.items()})


def promised_day(order: Order) -> int | None:
    """The day by which all of it ships as promised now; None if nothing is promised for some of it."""
    return _last_day(
        order, {name: tuple((p[0], p[2]) for p in line.promises) for name, line in order.lines.items()}
    )


def _last_day(order: Order, promised: dict[str, tuple[tuple[int, int], ...]]) -> int | None:
    """Of (day, units) by line, the day by which no unit that is still wanted is without one."""
    last: int | None = None
    for name, line in order.lines.items():
        left = line.open
        for day, units in sorted(promised[name]):
            if left <= 0:
                break
            left -= units
            last = day if last is None else max(last, day)
        if left > 0:
            return None
    return last


def _text(at_s: int | None) -> str | None:
    return None if at_s is None else rfc3339(at_s * SECOND_US)
