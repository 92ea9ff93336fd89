"""A promise asked for, at the actors: answered by the row, given back by a timer, taken over by its order."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from domain import placed

from springtide.agents.order import OrderActor
from springtide.agents.sku import SkuActor
from springtide.agents.topics import INBOX_ORDER, INBOX_SKU
from springtide.app.standing import StandingActor
from springtide.codecs import facts as f
from springtide.codecs.messages import Fact, Message, PromiseAsked, Tick, digest, encode, encode_data
from springtide.codecs.records import Record
from springtide.codecs.times import DAY_US, SECOND_US
from springtide.tables.order import Order
from springtide.tables.promise import promise_outcome

HOUR_US = 3_600 * SECOND_US


class Stage:
    """One partition of both actors, with five of tea at A. Messages go round until none is left."""

    def __init__(self) -> None:
        self.actors = {
            INBOX_ORDER: StandingActor(OrderActor(1, orphan_grace_s=2 * 86_400), 0, DAY_US),
            INBOX_SKU: StandingActor(SkuActor(1), 0, DAY_US),
        }
        self.letters: list[bytes] = []
        self.count = 0
        self.fact("tea", "inventory.received", f.InventoryReceived(location="A", qty=5), 0)

    def send(self, topic: str, key: str, message: Message) -> None:
        waiting = deque([(topic, key.encode(), encode(message))])
        while waiting:
            to, to_key, value = waiting.popleft()
            self.count += 1
            for sent in self.actors[to].apply(Record(to, 0, self.count, 0, to_key, value)):
                if sent.topic in self.actors:
                    waiting.append((sent.topic, sent.key or b"", sent.value or b""))
                elif sent.topic == "dead-letters":
                    self.letters.append(sent.value or b"")

    def fact(self, key: str, name: str, data: f.Data, at_us: int) -> None:
        self.count += 1
        event_id = f"e{self.count}"
        code = f.FACT_BY_NAME[name].code
        origin = (0, 0, self.count)
        seen = digest("src", event_id, key)
        raw = encode_data(data)
        message = Fact(code, at_us, at_us, seen, "src", event_id, origin, None, None, raw)
        self.send(INBOX_SKU if name.startswith("inventory.") else INBOX_ORDER, key, message)

    def ask(self, qty: int, at_us: int = 0, key: str = "k1") -> None:
        lines = (f.OrderLine(line_id="1", sku="tea", qty=qty),)
        asked = PromiseAsked(
            key, at_us, at_us, (0, 0, self.count), f"asked {key}", at_us + DAY_US, "web", lines
        )
        self.send(INBOX_ORDER, "o1", asked)

    def tick(self, at_us: int) -> None:
        for topic in self.actors:
            self.send(topic, "", Tick(at_us, {}))

    @property
    def order(self) -> Order:
        row = self.actors[INBOX_ORDER].work.get(b"o1")
        assert isinstance(row, Order)
        return row

    @property
    def committed(self) -> int:
        committed: int = self.actors[INBOX_SKU].work.get(b"tea").cells["A"].committed
        return committed

    def outcome(self) -> Any:
        body = promise_outcome(self.order)
        return None if body is None else body["outcome"]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_it_is_answered_by_the_row(stage: Stage) -> None:
    stage.ask(4)
    assert (stage.outcome(), stage.committed) == ("confirmed", 4)


def test_what_it_can_not_have_it_gives_back(stage: Stage) -> None:
    stage.ask(7)
    assert (stage.outcome(), stage.committed) == ("partial", 5)
    # so what comes is free for others
    stage.fact("tea", "inventory.received", f.InventoryReceived(location="A", qty=3), HOUR_US)
    assert stage.committed == 5


def test_it_expires_in_stream_time(stage: Stage) -> None:
    stage.ask(4)
    stage.tick(DAY_US - 1)
    assert stage.committed == 4
    stage.tick(DAY_US)
    assert (stage.committed, stage.outcome()) == (0, "confirmed")


def test_its_order_keeps_the_units(stage: Stage) -> None:
    stage.ask(4)
    stage.fact("o1", "order.placed", placed(("1", "tea", 4)), HOUR_US)
    stage.tick(2 * DAY_US)
    assert (stage.committed, stage.order.status) == (4, "ALLOCATED")


def test_facts_that_wait_for_the_order_outlive_the_promise(stage: Stage) -> None:
    stage.ask(4)
    stage.fact("o1", "order.confirmed", f.OrderConfirmed(), HOUR_US)
    stage.tick(DAY_US)
    assert (stage.committed, len(stage.order.waiting), stage.letters) == (0, 1, [])
    stage.tick(HOUR_US + 2 * DAY_US)
    assert (len(stage.order.waiting), len(stage.letters)) == (0, 1)
    # the answer to the key stays
    assert stage.outcome() == "confirmed"


def test_what_time_brings_about_names_the_event_that_placed_the_line(stage: Stage) -> None:
    later = f.OrderLine(line_id="1", sku="tea", qty=4, requested_date="1970-01-03")
    stage.fact("o1", "order.placed", placed(later), HOUR_US)
    assert stage.committed == 0
    stage.tick(2 * DAY_US)
    allocated = stage.order.milestones["allocated"]
    assert (allocated.occurred_us, allocated.event_id) == (2 * DAY_US, stage.order.stated_by)
    assert stage.order.stated_by.startswith("src e")
