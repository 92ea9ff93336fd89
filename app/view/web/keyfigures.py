"""The leaders' figures as tables and plots, from bodies of `GET /v1/kpis`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from springtide.app.view.web.asking import rows_of
from springtide.app.view.web.charts import Series, plot
from springtide.app.view.web.sentences import cause_label

Row = Mapping[str, Any]

DIMENSIONS: Final = ("region", "channel", "process")
SERIES_MAX: Final = 4
"""Groups drawn in one plot, those with most orders; the table has all."""
GROUPS_MAX: Final = 60
_TONES: Final = ("a", "b", "c", "d")
_HOUR_S: Final = 3_600


def whole(body: Row) -> dict[str, Any]:
    """The figures of all orders together."""
    found = rows_of(body, "groups")
    return _figures(found[0]) if found else {}


def groups(body: Row, by: str) -> list[dict[str, Any]]:
    """One row for each value of the dimension, those with most orders first."""
    found = [{"name": _name(row.get(by)), **_figures(row)} for row in rows_of(body, "groups")]
    found.sort(key=lambda row: -(row["orders"] or 0))
    return found[:GROUPS_MAX]


def _figures(row: Row) -> dict[str, Any]:
    letters = row.get("dead_letters")
    return {
        "orders": row.get("orders"),
        "cancelled": row.get("cancelled"),
        "delivered": row.get("delivered"),
        "cycle_p50_s": _part(row, "cycle_time_s", "p50"),
        "cycle_p90_s": _part(row, "cycle_time_s", "p90"),
        "kept": _part(row, "promises_kept", "rate"),
        "perfect": _part(row, "perfect_orders", "rate"),
        "exceptions": _part(row, "exceptions", "rate"),
        "failed_updates": row.get("failed_shipment_updates"),
        "invoice_p50_s": _part(row, "shipment_to_invoice_s", "p50"),
        "invoice_p90_s": _part(row, "shipment_to_invoice_s", "p90"),
        "dead_letters": sum(letters.values()) if isinstance(letters, Mapping) else letters,
    }


def backlog(body: Row) -> dict[str, Any]:
    """Open orders by status and age: `{ages: [label], rows: [{status, orders, by_age: [count]}], most}`."""
    found = rows_of(body, "groups")
    statuses = found[0].get("backlog") if found else None
    if not isinstance(statuses, Mapping):
        return {"ages": [], "rows": [], "most": 0}
    ages: dict[str, None] = {}
    for entry in statuses.values():
        ages |= dict.fromkeys(_aged(entry))
    rows = [
        {
            "status": status,
            "orders": entry.get("orders") or 0,
            "by_age": [_aged(entry).get(age) or 0 for age in ages],
        }
        for status, entry in statuses.items()
        if isinstance(entry, Mapping)
    ]
    rows.sort(key=lambda row: -row["orders"])
    return {"ages": list(ages), "rows": rows, "most": max((row["orders"] for row in rows), default=0)}


def lateness(body: Row) -> dict[str, Any]:
    """Late orders by cause, the most time lost first: `{rows: [{cause, orders, lateness_s}], most}`."""
    found = rows_of(body, "groups")
    causes = found[0].get("lateness") if found else None
    rows: list[dict[str, Any]] = [
        {
            "cause": cause_label(cause),
            "orders": entry.get("orders"),
            "lateness_s": entry.get("lateness_s") or 0,
        }
        for cause, entry in (causes.items() if isinstance(causes, Mapping) else ())
        if isinstance(entry, Mapping)
    ]
    rows.sort(key=lambda row: -row["lateness_s"])
    return {"rows": rows, "most": max((row["lateness_s"] for row in rows), default=0)}


def plots(body: Row, by: str) -> list[dict[str, Any]]:
    """Plots over days, one line for each of the largest groups: `{title, spec, label}`."""
    # Dead letters count on the day they came, which may lie far from the days of the orders.
    found = [row for row in rows_of(body, "groups") if row.get("day") and row.get("orders")]
    days = sorted({str(row["day"]) for row in found})
    orders: dict[str, int] = {}
    cells: dict[tuple[str, str], Row] = {}
    for row in found:
        name = _name(row.get(by))
        orders[name] = orders.get(name, 0) + (row.get("orders") or 0)
        cells[name, str(row["day"])] = row
    largest = sorted(orders, key=lambda name: (-orders[name], name))[:SERIES_MAX]
    drawn = []
    for title, unit, read in _DRAWN:
        series = [
            Series(name, [_read(cells.get((name, day)), read) for day in days], tone)
            for name, tone in zip(largest, _TONES, strict=False)
        ]
        spec = plot(days, series, unit) if any(v is not None for s in series for v in s.values) else None
        if spec:
            drawn.append(
                {"title": title, "spec": spec, "label": f"{title}, by day and {by}: {_listed(largest)}."}
            )
    return drawn


def _orders(row: Row) -> float | None:
    return row.get("orders")


def _kept(row: Row) -> float | None:
    rate = _part(row, "promises_kept", "rate")
    return None if rate is None else 100 * rate


def _cycle_h(row: Row) -> float | None:
    seconds = _part(row, "cycle_time_s", "p50")
    return None if seconds is None else seconds / _HOUR_S


def _perfect(row: Row) -> float | None:
    rate = _part(row, "perfect_orders", "rate")
    return None if rate is None else 100 * rate


_DRAWN: Final = (
    ("Orders placed", "", _orders),
    ("Cycle time, median, by day of placing", "h", _cycle_h),
    ("Promises kept", "%", _kept),
    ("Perfect orders", "%", _perfect),
)


def _read(row: Row | None, read: Any) -> float | None:
    return None if row is None else read(row)


def _part(row: Row, name: str, part: str) -> Any:
    entry = row.get(name)
    return entry.get(part) if isinstance(entry, Mapping) else None


def _aged(entry: Any) -> dict[str, Any]:
    """Age -> orders, whether told as a mapping or as a list of `{age, orders}`."""
    by_age = entry.get("by_age") if isinstance(entry, Mapping) else None
    if isinstance(by_age, Mapping):
        return dict(by_age)
    if isinstance(by_age, Sequence) and not isinstance(by_age, str):
        return {str(e.get("age")): e.get("orders") for e in by_age if isinstance(e, Mapping)}
    return {}


def _name(value: Any) -> str:
    return "not known" if value is None or value == "" else str(value)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
