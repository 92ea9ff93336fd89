"""Latencies of many requests, kept in bounded memory and read as percentiles."""

from __future__ import annotations

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it has no types

MAX_US = 60_000_000
_DIGITS = 3


class Latencies:
    """A histogram of latencies from 1 us to 60 s, right to three digits; longer ones count as 60 s.

    Recording goes through a small buffer: one call of the histogram costs as much as a whole request does
    elsewhere, one for each distinct microsecond far less.
    """

    _BUFFERED = 65_536

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, MAX_US, _DIGITS)
        self._buffer: dict[int, int] = {}

    def record(self, seconds: float) -> None:
        """Adds one latency, in seconds."""
        microseconds = int(seconds * 1e6)
        buffer = self._buffer
        buffer[microseconds] = buffer.get(microseconds, 0) + 1
        if len(buffer) >= self._BUFFERED:
            self._empty()

    def record_all(self, seconds: Iterable[float]) -> None:
        """Adds several latencies, in seconds."""
        for one in seconds:
            self.record(one)

    def _empty(self) -> None:
        for microseconds, count in self._buffer.items():
            self._histogram.record_value(min(max(microseconds, 1), MAX_US), count)
        self._buffer.clear()

    @property
    def count(self) -> int:
        """How many were recorded."""
        self._empty()
        return int(self._histogram.get_total_count())

    def percentile_ms(self, percentile: float) -> float:
        """The latency in ms that `percentile` (0 to 100) of the requests did not exceed; 0 if there are none."""
        self._empty()
        if not self._histogram.get_total_count():
            return 0.0
        return float(self._histogram.get_value_at_percentile(percentile)) / 1000

    @property
    def max_ms(self) -> float:
        """The longest, in ms; 0 if there are none."""
        self._empty()
        return float(self._histogram.get_max_value()) / 1000
