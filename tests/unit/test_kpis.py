"""Sums over orders that can be merged and taken back, and spreads with their quantiles."""

from __future__ import annotations

import random
import statistics

from story import Story, line

from springtide.app.simulate import Simulation
from springtide.tables.kpis import EXACT_MAX, Spread, Totals, ages, totals_of


def spread(*values: int) -> Spread:
    found = Spread()
    for value in values:
        found.add(value)
    return found


def test_quantiles_lie_between_the_two_nearest() -> None:
    assert spread().quantile(0.5) is None
    assert spread(7).quantile(0.9) == 7
    assert spread(1, 3).quantile(0.5) == 2
    assert spread(1, 2, 3, 4).quantile(0.5) == statistics.median([1, 2, 3, 4])
    assert spread(*range(11)).quantile(0.9) == 9
    assert spread(0, 10).quantile(0.9) == 9


def test_many_different_values_are_rounded_to_a_hundredth_part() -> None:
    values = random.Random(3).sample(range(1, 10_000_000), 3 * EXACT_MAX)
    found = spread(*values)
    assert found.coarse
    assert found.count == len(values)
    for part in (0.1, 0.5, 0.9):
        exact = statistics.quantiles(values, n=10, method="inclusive")[round(part * 10) - 1]
        told = found.quantile(part)
        assert told is not None
        assert abs(told - exact) <= 0.02 * exact


def test_what_was_added_can_be_taken_out_again() -> None:
    found = spread(5, 5, 9)
    found.add(5, -1)
    found.add(9, -1)
    assert (found.counts, found.count) == ({5: 1}, 1)


def test_totals_are_sums_and_an_order_can_be_taken_out() -> None:
    story = Story()
    story.counted(0, "A", 10)
    for n in range(3):
        story.placed(1, f"O{n}", line("A", 2), promised_by="2026-03-05")
    story.shipment(2, "shipped", "O0", "S0", ("1", "A", 2))
    story.scanned(6, "O0", "S0", "delivered")
    simulation = Simulation()
    for number, told in enumerate(story.lines, 1):
        simulation.apply(told.encode(), number)
    each = []
    for n in range(3):
        order, _ = simulation.order(f"O{n}")
        assert order is not None
        each.append(totals_of(order, None))
    whole = Totals()
    for one in each:
        whole.merge(one)
    assert (whole.orders, whole.delivered, whole.promised, whole.kept) == (3, 1, 1, 0)
    assert whole.late_s == {"carrier_delay": 2 * 86_400}
    assert sum(whole.backlog["ALLOCATED"].values()) == 2
    whole.merge(each[0], -1)
    rest = Totals()
    rest.merge(each[1])
    rest.merge(each[2])
    assert whole == rest
    whole.merge(rest, -1)
    assert whole.is_empty
    assert whole == Totals()


def test_ages_are_by_the_day_an_order_was_placed() -> None:
    found = ages([(100, 1), (99, 2), (97, 3), (93, 4), (70, 5), (69, 6)], 100)
    assert found == {"0d": 1, "1d": 2, "2-3d": 3, "4-7d": 4, "8-30d": 5, "31d+": 6}
