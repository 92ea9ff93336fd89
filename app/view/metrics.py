"""Prometheus metrics of one view process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

Reading = tuple[str, str, float, bool]
"""(name, what it says, value, whether it only grows)"""


class Metrics:
    """Requests by route and status, and whatever `readings` tells when it is asked for."""

    def __init__(self, readings: Callable[[], Iterator[Reading]]) -> None:
        registry = self.registry = CollectorRegistry()
        self.requests = Counter(
            "springtide_view_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.request_s = Histogram(
            "springtide_view_request_seconds",
            "From the handler's start to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        registry.register(_Readings(readings))
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def answered(self, route: str, status: int, seconds: float) -> None:
        """`route` is a pattern, never a path: labels must not grow with what is asked for."""
        children = self._children.get((route, status))
        if children is None:
            children = self._children[route, status] = (
                self.requests.labels(route, str(status)),
                self.request_s.labels(route),
            )
        children[0].inc()
        children[1].observe(seconds)


class _Readings(Collector):
    def __init__(self, readings: Callable[[], Iterator[Reading]]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        for name, told, value, grows in self._readings():
            family: Metric
            if grows:
                family = CounterMetricFamily(name, told, value=value)
            else:
                family = GaugeMetricFamily(name, told, value=value)
            yield family
