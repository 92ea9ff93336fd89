"""The kinds of message between actors and to the outside: what must be in the log, and what is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from springtide.app.verify.compare import difference
from springtide.app.verify.naive_sku import Answer
from springtide.app.verify.pairing import Expected, Pairing, Seen
from springtide.app.verify.verdict import Findings
from springtide.codecs.letters import StatusChange
from springtide.codecs.messages import CustomerHolds, CustomerOrder, Demand, Fact, Origin, Supplied


class Messages:
    """A pairing for each kind, by its key; what is wrong goes to the findings."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.in_flight = 0
        self.facts: Pairing[tuple[Origin, str, int], tuple[bytes, Fact], None] = Pairing(self._fact_differs)
        """By origin, inbox and its partition."""
        self.requests: Pairing[tuple[str, str, int], tuple[int, Demand], None] = Pairing(
            self._request_differs
        )
        """By (order, SKU, number); with the partition of the inbox."""
        self.answers: Pairing[tuple[str, str, int], tuple[int, Supplied], Answer] = Pairing(
            self._answer_differs
        )
        """By (SKU, order, number)."""
        self.changes: Pairing[tuple[str, int], tuple[int, StatusChange], None] = Pairing(self._change_differs)
        """By (order, version)."""
        self.accounts: Pairing[tuple[str, int], tuple[int, str, CustomerOrder], None] = Pairing(
            self._account_differs
        )
        """By (order, number); with the partition of the inbox, and the customer."""
        self.holds: Pairing[tuple[str, str, int, int], tuple[int, CustomerHolds], None] = Pairing(
            self._holds_differ
        )
        """By (customer, order, number, how many times before)."""
        self._holds_told: dict[tuple[str, str, int], list[int]] = {}
        """[due, seen] so far."""

    def expect_holds(self, order_id: str, told: CustomerHolds, expected: Expected[Any, None]) -> None:
        """An order may be told the same again, where it has come back to its customer."""
        self.holds.expect(self._times(order_id, told, 0), expected)

    def see_holds(self, order_id: str, told: CustomerHolds, seen: Seen[Any]) -> None:
        self.holds.see(self._times(order_id, told, 1), seen)

    def _times(self, order_id: str, told: CustomerHolds, side: int) -> tuple[str, str, int, int]:
        key = (told.customer_id, order_id, told.seq)
        counted = self._holds_told.setdefault(key, [0, 0])
        counted[side] += 1
        return (*key, counted[side])

    def _fact_differs(
        self, _key: tuple[Origin, str, int], expected: Expected[Any, None], seen: Seen[Any]
    ) -> None:
        told = difference(seen.value, expected.value)
        entity = expected.value[0].decode()
        self._findings.add("wrong", "fact", "ingress", entity, f"{told}", seen.place, expected.cause)

    def _request_differs(
        self, key: tuple[str, str, int], expected: Expected[Any, None], seen: Seen[Any]
    ) -> None:
        """In which order lines and shipments are named is of no meaning."""
        if _sorted(seen.value) == _sorted(expected.value):
            return
        detail = f"request {key[2]} at {key[1]}: {difference(seen.value, expected.value)}"
        self._findings.add("wrong", "request", "order", key[0], detail, seen.place, expected.cause)

    def _answer_differs(
        self, key: tuple[str, str, int], expected: Expected[Any, Answer], seen: Seen[tuple[int, Supplied]]
    ) -> None:
        """Units that were granted beyond what the model grants are judged by the room that there was."""
        sku, order_id, seq = key
        due, answer = expected.more, seen.value[1]
        detail = f"answer {seq} to {order_id}: {difference(seen.value, expected.value)}"
        self._findings.add("wrong", "answer", "sku", sku, detail, seen.place, expected.cause)
        more: dict[str, int] = {}
        for sign, supplied in ((1, answer), (-1, due.supplied)):
            for line in supplied.lines:
                for location, units in line.cells.items():
                    more[location] = more.get(location, 0) + sign * units
        for location, units in more.items():
            room = max(0, due.room.get(location, 0))
            if units > room:
                self._findings.add(
                    "oversold",
                    "oversold",
                    "sku",
                    sku,
                    f"answer {seq} grants {order_id} {units} more at {location}, where {room} were left",
                    seen.place,
                    expected.cause,
                )
        for line in answer.lines:
            units = line.allocated - due.wants.get(line.line_id, 0)
            before = sum(one.allocated for one in due.supplied.lines if one.line_id == line.line_id)
            if units > 0 and line.allocated > before:
                self.beyond(sku, order_id, line.line_id, units, seen.place)

    def beyond(self, sku: str, order_id: str, line_id: str, units: int, name: str) -> None:
        detail = f"line {line_id} of {order_id} has {units} more than it wants"
        self._findings.add("doubled", "beyond_wanted", "sku", sku, detail, name)

    def _change_differs(self, key: tuple[str, int], expected: Expected[Any, None], seen: Seen[Any]) -> None:
        detail = f"version {key[1]}: {difference(seen.value, expected.value)}"
        self._findings.add("wrong", "change", "order", key[0], detail, seen.place, expected.cause)

    def _account_differs(self, key: tuple[str, int], expected: Expected[Any, None], seen: Seen[Any]) -> None:
        detail = f"{key[1]}: {difference(seen.value, expected.value)}"
        self._findings.add("wrong", "account", "order", key[0], detail, seen.place, expected.cause)

    def _holds_differ(
        self, key: tuple[str, str, int, int], expected: Expected[Any, None], seen: Seen[Any]
    ) -> None:
        detail = f"what {key[1]} hears ({key[2]}): {difference(seen.value, expected.value)}"
        self._findings.add("wrong", "holds", "customer", key[0], detail, seen.place, expected.cause)

    def leftovers(
        self,
        check: str,
        stage: str,
        pairing: Pairing[Any, Any, Any],
        was_due: Callable[[Any], bool],
        is_set_aside: Callable[[str], bool],
    ) -> None:
        """What has no counterpart: lost, doubled if `was_due` says that its like was paired, or without a
        cause; but for what is not sure to be there yet."""
        for key, expected in pairing.missing():
            if expected.surely:
                detail = f"{check} {key} is due and is not in the log"
                self._findings.add("lost", check, stage, _entity(key), detail, expected.cause)
            else:
                self.in_flight += 1
        for key, seen in pairing.unexplained():
            if is_set_aside(seen.place):
                continue  # whoever wrote it, it was set aside and has its dead letter
            if seen.late:
                self.in_flight += 1
            elif was_due(key):
                detail = f"{check} {key} is in the log once more"
                self._findings.add("doubled", check, stage, _entity(key), detail, seen.place)
            else:
                detail = f"nothing accounts for {check} {key}"
                self._findings.add("wrong", check, stage, _entity(key), detail, seen.place)


def _entity(key: Any) -> str:
    """The order or SKU that a message is about; of a fact, where it came from."""
    return key[0] if isinstance(key[0], str) else str(key[0])


def _sorted(request: tuple[int, Demand]) -> tuple[int, Demand]:
    partition, demand = request
    lines = tuple(sorted(demand.lines, key=lambda line: line.line_id))
    return partition, msgspec.structs.replace(demand, lines=lines, shipments=tuple(sorted(demand.shipments)))


def in_order(change: StatusChange) -> StatusChange:
    """In which order a change names its milestones is of no meaning."""
    return msgspec.structs.replace(change, milestones=tuple(sorted(change.milestones, key=lambda m: m.name)))
