"""A drill's parts: the damage it does, what it reads from logs, and how it compares the view."""

from __future__ import annotations

import json
import random

import pytest
from domain import OrderStage, placed

from springtide.app.drill.damage import damage
from springtide.app.drill.hosts import Journal
from springtide.app.drill.replica import order_difference, sku_difference
from springtide.app.drill.watch import Mark
from springtide.app.engine.rocks_store import RocksStore, StoreResources
from springtide.app.engine.store import StoreFailed
from springtide.app.verify.compare import order_picture
from springtide.app.view.order_answers import order_answer

ROWS = [(b"key-%d" % number, b"value-%d" % number) for number in range(2_000)]


def write_store(folder):
    """A store with 2,000 rows at position 2,000: some in a table file, as after a restart, some in its log."""
    resources = StoreResources(8, 8)
    for start in (0, 1_000):
        store = RocksStore(folder, resources)
        store.write(ROWS[start : start + 1_000], "log", start + 1_000)
        store.close()


def read_store(folder):
    """(position, rows), or None if it was found to be damaged."""
    try:
        store = RocksStore(folder, StoreResources(8, 8))
    except StoreFailed:
        return None
    try:
        return store.position("log"), store.get_many([key for key, _ in ROWS])
    except StoreFailed:
        return None
    finally:
        store.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_store_never_shows_rows_that_its_position_does_not_cover(tmp_path, seed):
    write_store(tmp_path / "sku-0")
    told = damage(tmp_path, random.Random(seed))
    assert len(told) == 1
    assert told[0].startswith("sku-0: ")
    found = read_store(tmp_path / "sku-0")
    if found is not None:
        position, rows = found
        assert position in (0, 1_000, 2_000)
        assert rows == [value for _, value in ROWS[:position]] + [None] * (2_000 - position)


def test_the_same_seed_does_the_same_damage(tmp_path):
    for name in ("one", "two"):
        write_store(tmp_path / name / "sku-0")
    assert damage(tmp_path / "one", random.Random(5)) == damage(tmp_path / "two", random.Random(5))


def test_a_folder_without_a_store_has_nothing_to_damage(tmp_path):
    assert damage(tmp_path, random.Random(1)) == []


def test_a_journal_reads_what_was_logged_since_it_was_opened(tmp_path):
    file = tmp_path / "worker-0.log"
    file.write_text(json.dumps({"event": "worker begins", "timestamp": "2026-03-02T06:00:00Z"}) + "\n")
    journal = Journal(file)
    with file.open("a") as log:
        log.write("not JSON\n")
        log.write(json.dumps({"event": "worker begins", "timestamp": "2026-03-02T06:00:01.5Z"}) + "\n")
        log.write(json.dumps({"event": "actor ended", "error": "Fenced: sku-0"}) + "\n")
    begun_ms = 1_772_431_201_500
    assert journal.wall_ms("worker begins") == begun_ms
    assert journal.wall_ms("worker begins", begun_ms + 1) is None
    assert journal.wall_ms("partitions assigned") is None
    assert journal.tells_of("Fenced")
    assert not journal.tells_of("LogUnavailable")


def test_a_mark_is_reached_when_every_actor_has_committed_since():
    mark = Mark(10.0)
    mark.first_s = {("sku", 0): 11.5, ("sku", 1): 13.0}
    assert mark.reached([("sku", 0), ("sku", 1)])
    assert not mark.reached([("sku", 0), ("order", 0)])
    assert (mark.least_s(mark.first_s), mark.passed_s(mark.first_s)) == (1.5, 3.0)


def cell(**figures):
    nothing = dict.fromkeys(
        (
            "sellable",
            "damaged",
            "quality_control",
            "reserved_other",
            "safety_stock",
            "committed",
            "held",
            "backordered",
        ),
        0,
    )
    return nothing | figures


PICTURE = {
    "known": True,
    "cells": {"BER": cell(sellable=10, damaged=1, committed=3, held=2, safety_stock=1)},
    "backordered": 5,
    "holds": {"H-1": {"cells": {"BER": 2}}},
}
"""10 sellable, of which 3 committed, 2 held and 1 kept back: 4 are free, and 5 wait for some at any place."""
AT_BER = {
    "on_hand": 11,
    "safety_stock": 1,
    "committed": 3,
    "held": 2,
    "backordered": 0,
    "available_now": 4,
}
ANSWER = {
    **AT_BER,
    "backordered": 5,
    "available_now": -1,
    "locations": [{"location": "BER", **AT_BER}, {"location": "HAM", **dict.fromkeys(AT_BER, 0)}],
    "holds": [{"hold_id": "H-1", "qty": 2}],
}


def test_an_answer_with_the_recomputed_figures_is_no_difference():
    assert sku_difference(PICTURE, ANSWER) is None


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"available_now": 4}, "available_now is answered as 4, recomputed -1"),
        ({"locations": []}, "at BER it answers None"),
        ({"holds": []}, "holds are answered as {}, recomputed {'H-1': 2}"),
        ({"locations": [*ANSWER["locations"], {"location": "MUC", **AT_BER}]}, "at MUC it answers"),
    ],
)
def test_a_figure_that_differs_is_told(changed, told):
    assert told in sku_difference(PICTURE, ANSWER | changed)


def test_an_unknown_sku_must_be_answered_as_unknown():
    assert sku_difference({"known": False}, {"status": 404}) is None
    assert sku_difference({"known": False}, ANSWER) is not None
    assert sku_difference(PICTURE, {"status": 404, "detail": "unknown"}) == "not answered: unknown"


def test_an_order_is_compared_by_status_lines_shipments_and_milestones():
    stage = OrderStage("o1")
    stage.fact("order.placed", placed(("1", "tea", 3), ("2", "mug", 1)))
    stage.answer("tea", ("1", {"BER": 2}, 1))
    picture = order_picture(stage.order)
    answer = order_answer(stage.order, "o1", stage.now_us)
    assert order_difference(picture, answer) is None

    assert "status: answered shipped" in order_difference(picture, answer | {"status": "shipped"})
    assert "version: " in order_difference(picture, answer | {"version": answer["version"] + 1})
    fewer = [line | {"allocated": 1} for line in answer["lines"]]
    assert order_difference(picture, answer | {"lines": fewer}) == (
        "allocated of line 1: answered 1, recomputed 2"
    )
    assert "lines: " in order_difference(picture, answer | {"lines": answer["lines"][:1]})
    assert "milestones: " in order_difference(picture, answer | {"milestones": []})
    assert order_difference(picture, {"status": 404, "detail": "unknown"}) == "not answered: unknown"
    assert order_difference(picture | {"placed": False}, {"status": 404}) is None
