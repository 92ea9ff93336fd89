"""What must stand in the log and what stands there, paired by key, whichever of the two is read first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
E = TypeVar("E")


class Expected(NamedTuple, Generic[V, E]):
    value: V
    more: E
    """What a difference is judged by."""
    cause: str
    """`topic/partition/offset` of the record that it follows from."""
    surely: bool
    """False while the step that writes it may not have been committed when the log's end was read."""


class Seen(NamedTuple, Generic[V]):
    value: V
    place: str
    late: bool
    """Written after the end up to which every cause was sure to be read."""


class Pairing(Generic[K, V, E]):
    """Keeps only what has no counterpart yet. `differs` is called for a pair whose values are not equal."""

    def __init__(self, differs: Callable[[K, Expected[V, E], Seen[V]], None]) -> None:
        self._differs = differs
        self._expected: dict[K, Expected[V, E]] = {}
        self._seen: dict[K, list[Seen[V]]] = {}
        self.pairs = 0

    def expect(self, key: K, expected: Expected[V, E]) -> None:
        seen = self._seen.get(key)
        if seen is None:
            self._expected[key] = expected
            return
        self._pair(key, expected, seen.pop(0))
        if not seen:
            del self._seen[key]

    def see(self, key: K, seen: Seen[V]) -> None:
        expected = self._expected.pop(key, None)
        if expected is None:
            self._seen.setdefault(key, []).append(seen)
        else:
            self._pair(key, expected, seen)

    def _pair(self, key: K, expected: Expected[V, E], seen: Seen[V]) -> None:
        self.pairs += 1
        if expected.value != seen.value:
            self._differs(key, expected, seen)

    def missing(self) -> Iterator[tuple[K, Expected[V, E]]]:
        """What must be in the log and is not."""
        return iter(self._expected.items())

    def unexplained(self) -> Iterator[tuple[K, Seen[V]]]:
        """What is in the log, once more or without a cause."""
        return ((key, seen) for key, several in self._seen.items() for seen in several)
