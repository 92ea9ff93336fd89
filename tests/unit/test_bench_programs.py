"""What the bench programs hold against each other: sizes, rates, grants, and the requests they write."""

from __future__ import annotations

import pytest

from benchmarks import all as every
from benchmarks import program
from benchmarks.springtide_hot_orders import adjusted, counted, orders, placed
from benchmarks.springtide_hot_sku import SKU, check_grants, requests
from springtide.agents.authority import Authority
from springtide.agents.topics import INBOX_ORDER
from springtide.app import wiring
from springtide.app.settings import Settings
from springtide.app.standing import StandingActor
from springtide.codecs.cloudevents import decode as decode_event
from springtide.codecs.messages import Supplied, decode
from springtide.codecs.records import Record


def options(*given):
    return program.options("", rounds=3).parse_args(given)


def test_what_was_given_wins_over_the_usual_size_and_that_of_quick():
    assert program.sized(options(), None, 1_000, 10) == 1_000
    assert program.sized(options("--quick"), None, 1_000, 10) == 10
    assert program.sized(options("--quick"), 500, 1_000, 10) == 500


def test_rounds_are_the_usual_ones_one_if_quick_and_never_none():
    assert program.rounds_of(options()) == 3
    assert program.rounds_of(options("--quick")) == 1
    assert program.rounds_of(options("--quick", "--rounds", "2")) == 2
    assert program.rounds_of(options("--rounds", "0")) == 1


def test_other_benches_run_at_parts_of_the_top_rate_of_the_main_job():
    report = {"bench": "pipeline", "figures": [{"name": "main job", "value": 17_000.4}]}
    assert every.rates_from(report) == {"latency": ["--rate", "1700"], "http": ["--rate", "8500"]}


def test_no_more_reservations_are_granted_than_there_is_stock():
    sku = next(one for one in wiring.behaviours(Settings(inbox_partitions=1)) if one.kind == "sku")
    actor = StandingActor(sku, 0, 86_400_000_000)
    units = {}
    for offset, (key, value) in enumerate(requests(count=5, stock=3)):
        for emitted in actor.apply(Record("inbox-sku", 0, offset, 0, key, value)):
            if emitted.topic == INBOX_ORDER:
                message = decode(emitted.value)
                assert isinstance(message, Supplied)
                assert message.sku == SKU
                units[emitted.key.decode()] = sum(line.allocated for line in message.lines)
    assert units == {f"order-{n:07d}": 1 if n < 3 else 0 for n in range(5)}
    assert check_grants(units, stock=3, orders=5) == 3


@pytest.mark.parametrize("units", [{"a": 1, "b": 1}, {"a": 0}, {"a": 2, "b": -1}])
def test_grants_that_do_not_add_up_end_the_bench(units):
    with pytest.raises(SystemExit, match="do not count"):
        check_grants(units, stock=1, orders=2)


def test_the_events_it_writes_are_good_ones():
    authority = Authority(strict=True)
    events = [counted("S", 5, "c1"), adjusted("S", 1, "a1"), placed("O", "S"), *orders(2)]
    for event in events:
        found = decode_event(event.topic, event.key, event.value, {})
        authority.check(found)
    assert [event.key for event in events[3:]] == [b"order-0000000", b"order-0000001"]
