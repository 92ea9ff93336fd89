"""A SkuActor's rows: which of them others may follow, and who is called when the network changes."""

from __future__ import annotations

import msgspec
import pytest

from springtide.agents.passage import PASSED_KEY, VIA_PREFIX
from springtide.agents.sku import STATE_VERSION, SkuActor, decode_row
from springtide.app.standing import StandingActor
from springtide.codecs import facts as f
from springtide.codecs.messages import Demand, DemandLine, Fact, Supplied, decode, digest, encode, encode_data
from springtide.codecs.records import Record
from springtide.tables.catalog import NETWORK_KEY, Goods, Network, Prices, goods_key, prices_key
from springtide.tables.sku import WATCH_PREFIX, Dated, Head, Supply

ROWS = {
    b"tea": Head("tea"),
    b"tea\x00d": Dated(supply={"A": {3: [1, 0, 0]}}),
    b"tea\x00pP1": Supply("P1", "A", 5, 3, "firm", scheduled=True),
    goods_key(b"tea"): Goods(f.ProductUpserted(sku="tea", name="Tea", uom="each"), discontinued=True),
    prices_key(b"tea"): Prices(),
    NETWORK_KEY: Network(),
}


@pytest.mark.parametrize("key", ROWS)
def test_what_figures_are_made_of_is_shown_and_can_be_read(key: bytes) -> None:
    actor = SkuActor(1)
    assert actor.projection_key(key) == key
    assert decode_row(key, actor.encode_row(key, ROWS[key])) == ROWS[key]


@pytest.mark.parametrize("key", [VIA_PREFIX + b"\x00\x00\x00\x00", PASSED_KEY, WATCH_PREFIX + b"tea"])
def test_what_a_partition_keeps_for_itself_is_not_shown(key: bytes) -> None:
    assert SkuActor(1).projection_key(key) is None


def test_a_row_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version"):
        decode_row(b"tea", b"\x01" + msgspec.msgpack.encode(Head("tea")))
    assert STATE_VERSION != b"\x01"


class Inbox:
    """A SkuActor and what it answers."""

    def __init__(self) -> None:
        self.actor = StandingActor(SkuActor(1), 0, 7 * 86_400_000_000)
        self.count = 0

    def send(self, key: str, message: Fact | Demand) -> list[tuple[str, Supplied]]:
        self.count += 1
        sent = self.actor.apply(Record("inbox-sku", 0, self.count, 0, key.encode(), encode(message)))
        found = []
        for one in sent:
            answer = decode(one.value or b"")
            assert isinstance(answer, Supplied)
            found.append((answer.sku, answer))
        return found

    def fact(self, name: str, key: str, data: f.Data) -> list[tuple[str, Supplied]]:
        code = f.FACT_BY_NAME[name].code
        said = digest("erp", str(self.count), key)
        origin = (1, 0, self.count)
        raw = encode_data(data)
        return self.send(key, Fact(code, 0, 0, said, "erp", str(self.count), origin, None, None, raw))

    def want(self, sku: str, qty: int) -> list[tuple[str, Supplied]]:
        line = DemandLine("1", qty, None, {}, {})
        ask = Demand("o1", 1, 0, (0, 0, 0), "", 0, 100, "web", False, False, False, 0, (), (line,))
        return self.send(sku, ask)


def closed(is_open: bool) -> f.LocationUpserted:
    return f.LocationUpserted(location="A", name="A", rank=1, timezone="UTC", open=is_open)


def test_a_change_of_the_network_reaches_each_sku_that_waits_for_something() -> None:
    # given two SKUs at a closed location, of which one is waited for
    inbox = Inbox()
    inbox.fact("location.upserted", "A", closed(False))
    for sku in ("tea", "mug"):
        counted = f.InventoryCounted(location="A", on_hand=5, basis="includes_committed")
        inbox.fact("inventory.counted", sku, counted)
    inbox.want("tea", 4)
    # when it opens
    answers = inbox.fact("location.upserted", "A", closed(True))
    # then that one has its units, and nobody else is told anything
    assert [(sku, told.lines[0].allocated) for sku, told in answers] == [("tea", 4)]


def test_the_same_change_again_is_a_duplicate() -> None:
    inbox = Inbox()
    data = encode_data(f.PolicySet(scope="*", horizon_days=30))
    code = f.FACT_BY_NAME["policy.set"].code
    fact = Fact(code, 0, 0, digest("erp", "p1", "*"), "erp", "p1", (6, 0, 0), None, None, data)
    inbox.send("*", fact)
    inbox.send("*", fact)
    network = inbox.actor.work.get(NETWORK_KEY)
    assert (network.policy.version, network.policy.horizon_days) == (1, 30)
