"""What is drawn: plots for the browser (`data-plot`, as JSON), and bars as numbers for SVG in the page.

Every drawing stands beside a table that says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from springtide.app.view.web.sentences import cause_label
from springtide.app.view.web.words import instant_of

POINTS_MAX: Final = 400
WIDTH: Final = 1_000
"""Of a bar's coordinates."""


class Series(NamedTuple):
    label: str
    values: Sequence[float | None]
    tone: str = "tide"
    """Which colour of the palette: tide, ink, good, late, bad, a, b, c, d."""
    step: bool = False
    fill: bool = False
    dash: bool = False


def plot(times: Iterable[Any], series: Sequence[Series], unit: str = "") -> str | None:
    """JSON for `data-plot`: `{x: [epoch s], unit, series: [...]}`; None if there is nothing to draw."""
    x = [None if (at := instant_of(time)) is None else round(at.timestamp()) for time in times]
    if len(x) < 2 or None in x:
        return None
    drawn = [one._replace(values=one.values[:POINTS_MAX])._asdict() for one in series]
    spec = {"x": x[:POINTS_MAX], "unit": unit, "series": drawn}
    return msgspec.json.encode(spec).decode()


def curve_plot(body: Mapping[str, Any]) -> str | None:
    """Cumulative against what can be promised, by day."""
    curve = points(body)
    return plot(
        [point["date"] for point in curve],
        [
            Series("Cumulative", [_number(p.get("cumulative")) for p in curve], "ink", step=True, dash=True),
            Series("Can be promised (ATP)", [_number(p.get("atp")) for p in curve], step=True, fill=True),
        ],
        body.get("uom") or "",
    )


def points(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [p for p in body.get("curve") or [] if isinstance(p, dict) and "date" in p]


def turns(curve: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The days on which a figure of the curve changes, the first one included."""
    found: list[Mapping[str, Any]] = []
    for point in curve:
        last = found[-1] if found else None
        if last is None or any(point.get(n) != last.get(n) for n in ("cumulative", "atp")):
            found.append(point)
    return found


# --- the waterfall ---


class Bar(NamedTuple):
    """One row of the waterfall; `x` and `width` in parts of WIDTH."""

    label: str
    stage: str | None
    planned_s: float | None
    actual_s: float | None
    excess_s: float | None
    x: float
    width: float
    tone: str


def waterfall(delay: Mapping[str, Any]) -> list[Bar]:
    """From planned to actual: what each cause added, or won back. Each bar begins where the last one ended."""
    segments = [s for s in delay.get("segments") or [] if isinstance(s, Mapping)]
    if not segments:
        return []
    planned = sum(_number(s.get("planned_s")) or 0 for s in segments)
    actual = sum(_number(s.get("actual_s")) or 0 for s in segments)
    stands = edges = planned
    low = 0.0
    for segment in segments:
        stands += _number(segment.get("excess_s")) or 0
        edges, low = max(edges, stands), min(low, stands)
    scale = WIDTH / (max(edges, actual) - low or 1)
    bars = [_bar("Planned", None, planned, None, None, 0, planned, "planned", scale, low)]
    stands = planned
    for segment in segments:
        excess = _number(segment.get("excess_s")) or 0
        bars.append(
            _bar(
                cause_label(segment.get("cause")),
                segment.get("stage"),
                _number(segment.get("planned_s")),
                _number(segment.get("actual_s")),
                excess,
                stands,
                stands + excess,
                "bad" if excess > 0 else "good" if excess < 0 else "planned",
                scale,
                low,
            )
        )
        stands += excess
    bars.append(_bar("Actual", None, None, actual, actual - planned, 0, actual, "actual", scale, low))
    return bars


def _bar(
    label: str,
    stage: Any,
    planned_s: float | None,
    actual_s: float | None,
    excess_s: float | None,
    begin: float,
    end: float,
    tone: str,
    scale: float,
    low: float,
) -> Bar:
    x, width = (min(begin, end) - low) * scale, abs(end - begin) * scale
    return Bar(label, stage, planned_s, actual_s, excess_s, round(x, 1), round(width, 1), tone)


def share(value: Any, of: Any) -> float:
    """A bar's width in parts of WIDTH."""
    part, whole = _number(value) or 0, _number(of) or 0
    return round(WIDTH * min(1.0, max(0.0, part / whole)), 1) if whole else 0


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
