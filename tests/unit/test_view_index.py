"""When an order is looked at for the lists: some time after it changed, or once somebody asks."""

from __future__ import annotations

import pytest
from shown import Shown
from story import Story, line
from test_view_same_answers import simulated

from springtide.app.view import index
from springtide.app.view.answers import answer
from springtide.app.view.rows import Puts

LONG_S = 3_600.0


def trade() -> Story:
    story = Story()
    story.counted(0, "A", 10)
    for number in range(20):
        story.placed(0.1, f"O{number:02}", line("A", 1))
    return story


async def changed(shown: Shown) -> None:
    """Tells the index that all orders have changed."""
    rows = shown.follower.rows
    assert rows is not None
    puts: Puts = dict(rows.scan(index.ORDER))
    shown.orders.changed(puts, rows)
    assert shown.orders.waiting == 20


async def test_an_order_that_has_just_changed_waits_until_it_is_due_or_asked_for() -> None:
    async with Shown(simulated(trade())) as shown:
        rows = shown.follower.rows
        assert rows is not None
        await changed(shown)

        # when those are looked at that changed long ago, then none is
        assert shown.orders.settle(rows, 1.0, LONG_S)
        assert shown.orders.waiting == 20
        assert len(list(rows.scan(index.CHANGED))) == 20

        # when somebody asks, then all are
        await shown.keeping.settled()
        assert shown.orders.waiting == 0
        assert not list(rows.scan(index.CHANGED))
        assert len(answer("/v1/orders", shown.world)[1]["orders"]) == 20


async def test_no_more_may_wait_than_somebody_who_asks_can_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Shown(simulated(trade())) as shown:
        rows = shown.follower.rows
        assert rows is not None
        monkeypatch.setattr(index, "WAITING_MAX", 5)
        await changed(shown)
        assert shown.orders.settle(rows, 1.0, LONG_S)
        assert 0 < shown.orders.waiting <= 5


async def test_a_round_over_the_open_orders_ends_with_the_last_of_them() -> None:
    async with Shown(simulated(trade())) as shown:
        rows = shown.follower.rows
        assert rows is not None
        await changed(shown)
        assert not shown.orders.sweep(rows, 12)
        assert shown.orders.sweep(rows, 12)
        # what changed is still to be looked at: a sweep is no look for it
        assert shown.orders.waiting == 20
