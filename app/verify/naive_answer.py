"""What must be answered to a question about a naive SKU, as plain values."""

from __future__ import annotations

from typing import Any

from springtide.app.verify import naive_atp as atp
from springtide.app.verify.naive_calendar import text_of
from springtide.app.verify.naive_sku import BUCKETS, NaiveSku


def figures(
    sku: NaiveSku, at: str | None, channel: str | None = None, method: str | None = None
) -> dict[str, Any]:
    """Of one place or of all, at the SKU's own `now_us`; for a SKU that is counted."""
    places = [place for place in sku.places() if sku.network.is_open(place)] if at is None else [at]
    now = atp.available_now(sku, at, channel)
    series = atp.figures(sku, at, channel, method)
    dates = [text_of(series.day + t) for t in range(len(series.cum))]
    backordered = sum(sku.backordered(place) for place in places)
    return {
        "buckets": {
            name: sum(
                sku.sellable(place) if name == "sellable" else sku.bucket(place, name) for place in places
            )
            for name in BUCKETS
        },
        "on_hand": sum(sku.sellable(place) for place in places)
        + sum(sku.bucket(place, name) for place in places for name in BUCKETS[1:]),
        "safety_stock": sum(sku.safety.get(place, 0) for place in places),
        "committed": sum(sku.committed.get(place, 0) for place in places),
        "held": sum(sku.held.get(place, 0) for place in places),
        "backordered": backordered + (sku.backordered("") if at is None else 0),
        "available_now": now,
        "available": max(0, now),
        "shortage": max(0, -now),
        "method": method or sku.policy().method,
        "policy_version": (sku.goods.rules or sku.network.rules).version,
        "curve": [
            {"date": date, "cumulative": cum, "atp": units}
            for date, cum, units in zip(dates, series.cum, series.atp, strict=True)
        ],
        "discrete": [{"date": date, "atp": units} for date, units in zip(dates, series.buckets, strict=True)],
    }
