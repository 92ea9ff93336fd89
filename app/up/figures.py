"""What the processes' metrics say together: rates and quantiles of the last seconds."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from springtide.app.up.scrape import Labels, Sample

WINDOW_S: Final = 5.0
_VIEW_LAG: Final[tuple[str, Labels]] = ("springtide_view_lag_seconds", ())
_BUCKET: Final = "_bucket"
_RISING: Final = ("_total", "_count", "_sum", _BUCKET)
_Sums: TypeAlias = defaultdict[tuple[str, Labels], float]


@dataclass(frozen=True, slots=True)
class KindFigures:
    """One kind of actor over all workers. Rates and quantiles are None while nothing has happened lately."""

    kind: str
    events_per_s: float
    lag_records: int
    mailbox_records: int
    step_records: float | None
    """Records of a step, on average."""
    transaction_p50_ms: float | None
    transaction_p99_ms: float | None
    running: int
    recovering: int


@dataclass(frozen=True, slots=True)
class Figures:
    kinds: tuple[KindFigures, ...] = ()
    dead_letters: dict[str, int] = field(default_factory=dict)
    """Code -> how many since the processes' first start that was seen."""
    view_lag_ms: float | None = None
    """How far behind the actors the view that is furthest behind is; None if none tells."""

    @property
    def lag_records(self) -> int:
        return sum(kind.lag_records for kind in self.kinds)


class Meter:
    """Turns samples that follow each other into figures."""

    def __init__(self, kinds: Iterable[str]) -> None:
        """`kinds` of actor, in the order in which they are to be shown."""
        self._kinds = tuple(kinds)
        self._last: dict[str, Sample] = {}
        self._rising: _Sums = defaultdict(float)
        self._window: deque[tuple[float, dict[tuple[str, Labels], float]]] = deque()

    def update(self, samples: Mapping[str, Sample], at_s: float) -> Figures:
        """Process -> its sample, taken at `at_s` on a clock that only rises."""
        for process, sample in samples.items():
            before = self._last.get(process, {})
            for key, value in sample.items():
                if key[0].endswith(_RISING):
                    then = before.get(key, 0.0)
                    # A counter that fell is that of a process that was started anew.
                    self._rising[key] += value - then if value >= then else value
            self._last[process] = sample
        self._window.append((at_s, dict(self._rising)))
        while len(self._window) > 2 and self._window[1][0] <= at_s - WINDOW_S:
            self._window.popleft()
        began_s, begin = self._window[0]
        gained: _Sums = defaultdict(float)
        for key, value in self._rising.items():
            gained[key] = value - begin.get(key, 0.0)
        gauges: _Sums = defaultdict(float)
        for sample in samples.values():
            for key, value in sample.items():
                if not key[0].endswith(_RISING):
                    gauges[key] += value
        view_lags_s = [sample[_VIEW_LAG] for sample in samples.values() if _VIEW_LAG in sample]
        return Figures(
            kinds=tuple(self._of_kind(kind, gained, gauges, at_s - began_s) for kind in self._kinds),
            dead_letters={
                dict(labels).get("code", ""): round(value)
                for (name, labels), value in sorted(self._rising.items())
                if name == "springtide_dead_letters_total" and value
            },
            view_lag_ms=_ms(max(view_lags_s, default=None)),
        )

    def _of_kind(
        self,
        kind: str,
        gained: _Sums,
        gauges: _Sums,
        seconds: float,
    ) -> KindFigures:
        labels: Labels = (("kind", kind),)
        events = gained["springtide_events_total", labels]
        steps = gained["springtide_steps_total", labels]
        transactions = _histogram(gained, "springtide_transaction_seconds", labels)
        return KindFigures(
            kind=kind,
            events_per_s=events / seconds if seconds > 0 else 0.0,
            lag_records=round(gauges["springtide_lag_records", labels]),
            mailbox_records=round(gauges["springtide_mailbox_records", labels]),
            step_records=events / steps if steps else None,
            transaction_p50_ms=_ms(quantile(transactions, 0.5)),
            transaction_p99_ms=_ms(quantile(transactions, 0.99)),
            running=round(gauges["springtide_actors", (*labels, ("state", "running"))]),
            recovering=round(gauges["springtide_actors", (*labels, ("state", "recovering"))]),
        )


def quantile(histogram: Mapping[float, float], q: float) -> float | None:
    """The q-quantile of {upper bound: how many are at most that}, taken as even within a bucket.

    None if the histogram is empty; past the last finite bound, that bound.
    """
    bounds = sorted(histogram)
    if not bounds or histogram[bounds[-1]] <= 0:
        return None
    rank = q * histogram[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if histogram[bound] >= rank:
            if math.isinf(bound):
                return low
            inside = histogram[bound] - below
            return low + (bound - low) * ((rank - below) / inside if inside else 1.0)
        low, below = bound, histogram[bound]
    return low


def _histogram(gained: _Sums, name: str, labels: Labels) -> dict[float, float]:
    """Bounds and counts of one histogram; labels beside `labels` and the bound are summed over."""
    found: dict[float, float] = {}
    for (sample, given), value in gained.items():
        if sample == name + _BUCKET and set(labels) <= set(given):
            bound = float(dict(given)["le"])
            found[bound] = found.get(bound, 0.0) + value
    return found


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1_000
