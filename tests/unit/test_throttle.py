"""Keys that are not good, shown again and again: a few pass, then one every three seconds, and nothing grows."""

from __future__ import annotations

from springtide.app.access import throttle
from springtide.app.access.throttle import ADDRESSES_MAX, ALL_AT_ONCE, AT_ONCE, EVERY_S, Throttle

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Clock:
    def __init__(self):
        self.now_s = 1_000.0

    def __call__(self):
        return self.now_s


def test_some_at_once_and_then_one_by_one():
    clock = Clock()
    some = Throttle(clock)
    assert [some.failed(HERE) for _ in range(AT_ONCE)] == [0] * AT_ONCE
    assert some.failed(HERE) == 3
    clock.now_s += EVERY_S - 0.5
    assert some.wait_s(HERE) == 1
    clock.now_s += 0.5
    assert some.failed(HERE) == 0
    assert some.failed(HERE) == 3


def test_what_is_refused_does_not_make_it_longer():
    clock = Clock()
    some = Throttle(clock)
    for _ in range(AT_ONCE * 10):
        some.failed(HERE)
    assert some.wait_s(HERE) == 3


def test_others_are_not_held_up():
    some = Throttle(Clock())
    for _ in range(AT_ONCE + 1):
        some.failed(HERE)
    assert some.wait_s(THERE) == 0


def test_all_is_forgotten_after_a_minute():
    clock = Clock()
    some = Throttle(clock)
    for _ in range(AT_ONCE):
        some.failed(HERE)
    clock.now_s += AT_ONCE * EVERY_S
    assert [some.failed(HERE) for _ in range(AT_ONCE)] == [0] * AT_ONCE


def test_all_together_have_a_bound_too():
    some = Throttle(Clock())
    told = [some.failed(f"10.0.{n // 250}.{n % 250}") for n in range(ALL_AT_ONCE + 1)]
    assert told == [0] * ALL_AT_ONCE + [1]
    assert some.wait_s(HERE) == 1


def test_who_has_a_network_of_ipv6_has_one_place_in_it():
    some = Throttle(Clock())
    for n in range(AT_ONCE):
        assert some.failed(f"2001:db8::{n:x}") == 0
    assert some.failed("2001:db8::ffff") == 3
    assert some.failed("2001:db8:0:1::1") == 0
    for _ in range(AT_ONCE):
        some.failed(HERE)
    assert some.failed(f"::ffff:{HERE}") == 3


def test_what_is_kept_has_a_bound():
    clock = Clock()
    some = Throttle(clock)
    for n in range(ADDRESSES_MAX + 100):
        clock.now_s += throttle.ALL_EVERY_S
        assert some.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") == 0
    assert some.addresses == ADDRESSES_MAX
