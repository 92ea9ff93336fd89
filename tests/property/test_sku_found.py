"""What the machine has found, told step by step: each failed once."""

from __future__ import annotations

from typing import Any, Final

from test_sku_machine import SkuMachine

from springtide.app.verify.compare import dated_picture, sku_picture

PLAIN: Final = [0, 0, 0, 0]


class Told:
    """A machine that looks at its invariants after each step."""

    def __init__(self, a: int, b: int, kinds: list[int] = PLAIN) -> None:
        self.machine = SkuMachine()
        self.machine.begin(a=a, b=b, kinds=kinds)

    def ask(self, order_id: str, units: int, **more: Any) -> None:
        stated = {
            "line_id": "1",
            "at": None,
            "day": None,
            "cap": None,
            "queues": True,
            "pool": None,
            "lot": 1,
        }
        self.then("ask", order_id=order_id, units=units, **stated | more)

    def then(self, step: str, **told: Any) -> None:
        getattr(self.machine, step)(**told)
        pair = self.machine.pair
        naive = pair.naive.skus["tea"]
        assert sku_picture(pair.get(b"tea")) == naive.picture()
        assert dated_picture(pair.get(b"tea\x00d")) == naive.dated()
        self.machine.a_row_lies_where_its_state_says()


def test_a_capped_line_that_lacks_nothing_holds_its_order_back_all_the_same() -> None:
    told = Told(a=0, b=14)
    told.ask("o1", 5, cap=4)
    told.ask("o1", 11, line_id="2", pool="web")
    told.then("issue", at="A", units=1, order_id="o1")


def test_what_the_first_in_rank_could_use_is_not_taken_from_what_another_was_promised() -> None:
    told = Told(a=0, b=15)
    told.ask("o1", 12, day=1)
    with told.machine.pair.nobody_loses(but="o2"):
        told.ask("o2", 4, day=1, lot=2)
        told.then("wait_long", hours=5)


def test_what_was_had_of_no_place_is_at_no_place_of_its_own() -> None:
    told = Told(a=0, b=15)
    place = {"rank": 1, "zone": "Europe/Berlin", "cutoff": None, "days": None}
    for at in ("A", "B"):
        told.then("say_place", at=at, is_open=False, **place)
    told.then("say_product", lead=None, sure=False, tracked=False)
    told.ask("o1", 11)
    told.then("say_product", lead=None, sure=False, tracked=True)
    told.then("say_place", at="A", is_open=True, **place)
    told.then("wait_long", hours=3)  # to 23:00 in UTC, which is the next day in Berlin
    told.then("ask_atp", at=None, channel=None, method=None)


def test_nothing_is_promised_from_no_place() -> None:
    told = Told(a=12, b=5)
    place = {"rank": 1, "zone": "UTC", "cutoff": None, "days": None}
    told.then("say_product", lead=None, sure=False, tracked=False)
    for at in ("A", "B"):
        told.then("say_place", at=at, is_open=False, **place)
    told.ask("o3", 11)
    told.then("say_product", lead=3, sure=True, tracked=True)


def test_a_horizon_of_a_day_where_it_is_tomorrow_already_is_within_the_fence_of_all() -> None:
    told = Told(a=3, b=8)
    told.then("fence", at=None, channel="web", units=6, rank=2, begins=None, ends=None)
    policy = {"method": "look_ahead", "supply": (0, 0), "demand": (None, 0), "firmness": ("firm",)}
    rules = {"carry": True, "ranking": "fifo", "sourcing": None}
    told.then("say_policy", scope="*", horizon=1, **policy, **rules)
    told.ask("o3", 11, at="A", pool="shop", day=6)
    told.then("say_place", at="A", cutoff="00:00", days=None, is_open=True, rank=1, zone="Asia/Tokyo")


def test_a_lead_time_that_has_passed_is_nothing_to_lose() -> None:
    told = Told(a=0, b=8)
    told.ask("o3", 2, line_id="2", lot=1)
    told.ask("o2", 8)
    told.then("say_product", lead=0, sure=True, tracked=True)
    told.then("wait_long", hours=5)
    with told.machine.pair.nobody_loses(but="o3"):
        told.ask("o3", 0, line_id="2")
