"""The live view answers what `simulate` answers, to the letter, from projections, lists and what it kept."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from shown import Shown
from story import Story, day, line, moment

from springtide.app.simulate import Malformed, Simulation
from springtide.app.trade.generate import generate
from springtide.app.trade.spec import TradeSpec
from springtide.app.view.answers import answer

NOW = 6


def trade() -> Story:
    """Two places, two channels, a kit, a hold, a supply that slips, orders at all stages, and what is wrong."""
    story = Story()
    story.place("BER", 1)
    story.place("HAM", 2)
    story.policy(plan={"warehouse_s": 86_400, "transit_s": 3 * 86_400}, invoice_late_days=2)
    story.product("A", pack={"BOX": 6})
    story.product("SET", kit=[{"sku": "A", "qty_per": 2}, {"sku": "B", "qty_per": 1}])
    story.tell(
        -3, "price.set", "A", sku="A", list="retail", amount="12.50", currency="EUR", valid_from=day(-3)
    )
    story.tell(-3, "customer.upserted", "C1", customer_id="C1", name="Ann", **{"class": "gold"}, region="EU")
    story.tell(-3, "credit.limit_set", "C1", limit="500.00", currency="EUR")
    story.counted(0.1, "A", 20)
    story.counted(0.1, "A", 5, "HAM")
    story.counted(0.1, "B", 4)
    story.tell(0.15, "safety_stock.set", "A", location="BER", qty=2)
    story.tell(0.15, "fence.set", "A", channel="b2b", qty=3, rank=1)
    story.tell(0.2, "hold.placed", "A", hold_id="H1", location="BER", qty=3, ttl_s=3_600, owner="cart")
    story.placed(0.21, "O1", line("A", 7, price="10.00"))
    story.placed(0.22, "O2", line("A", 30, ships=3), channel="b2b", region="US")
    story.placed(0.23, "O3", line("SET", 2), customer_id="C2")
    story.supply(0.25, "A", 40, due=5, name="PO")
    story.tell(0.3, "supply.rescheduled", "A", supply_id="PO", due=day(9), recorded=2)
    story.tell(0.4, "order.hold_placed", "O3", hold_id="F1", reason="fraud_review")
    story.tell(1, "order.hold_released", "O3", hold_id="F1")
    story.shipment(1, "released", "O1", "S1", ("1", "A", 7))
    story.shipment(1.2, "shipped", "O1", "S1", ("1", "A", 7))
    story.scanned(3, "O1", "S1", "delivered")
    story.tell(
        3.1,
        "invoice.posted",
        "O1",
        invoice_id="I1",
        total="80.00",
        currency="EUR",
        lines=[{"line_id": "1", "qty": 8, "amount": "80.00"}],
    )
    story.scanned(3.2, "O9", "S9", "delivered")
    story.tell(3.3, "order.cancelled", "O1", lines=[{"line_id": "1", "qty": 2}])
    story.lines.append(
        json.dumps(
            {
                "specversion": "1.0",
                "id": "bad",
                "source": "wms",
                "type": "springtide.shipment.voided.v1",
                "subject": "O2",
                "time": moment(3.3),
                "data": {"shipment_id": "S1"},
            }
        )
    )
    story.received(4, "B", 3)
    return story


PATHS = (
    "/v1/atp/A",
    "/v1/atp/A?location=BER&channel=web&qty=9",
    "/v1/atp/A?qty=60&by=2026-03-09&method=discrete",
    "/v1/atp/A?exclude_order=O2",
    "/v1/atp/SET?qty=3",
    "/v1/atp/TYPO",
    "/v1/orders/O1",
    "/v1/orders/O2",
    "/v1/orders/O3",
    "/v1/orders/O9",
    "/v1/orders/O1/timeline",
    "/v1/orders/O2/timeline",
    "/v1/orders",
    "/v1/orders?limit=2",
    "/v1/orders?status=DELIVERED",
    "/v1/orders?region=US&channel=b2b",
    "/v1/orders?customer=C2",
    "/v1/orders?cause=supplier_late",
    "/v1/orders?at_risk=true",
    "/v1/orders?at_risk=false",
    "/v1/explain?atp=A",
    "/v1/explain?atp=A&location=HAM",
    "/v1/explain?atp=SET",
    "/v1/explain?order=O1",
    "/v1/explain?order=O2",
    "/v1/explain?order=O3",
    "/v1/at-risk",
    "/v1/exceptions",
    "/v1/exceptions?order=O1",
    "/v1/exceptions?limit=1",
    "/v1/exceptions?what=anomaly",
    "/v1/exceptions?process=shipments&state=all",
    "/v1/exceptions?state=replayed",
    "/v1/kpis",
    "/v1/kpis?by=process,region,channel,day",
    "/v1/finance/mismatches",
    "/v1/finance/mismatches?from=2026-03-02&to=2026-03-02&channel=web",
    "/v1/finance/reconciliation?month=2026-03&by=region,channel",
    "/v1/finance/reconciliation?month=2026-04",
    "/v1/credit/C1",
    "/v1/credit/C2",
    "/v1/prices/A?list=retail",
    "/v1/prices/A",
)  # fmt: skip


def simulated(story: Story) -> Simulation:
    simulation = Simulation()
    for number, told in enumerate(story.lines, 1):
        simulation.apply(told.encode(), number)
    simulation.advance(simulation.now_us)
    return simulation


async def test_each_answer_is_the_same_live_and_simulated() -> None:
    simulation = simulated(trade())
    async with Shown(simulation) as shown:
        for path in PATHS:
            assert answer(path, shown.world) == answer(path, simulation), path


@pytest.mark.parametrize("at", [0.205, 0.5, 2.5, 3.05])
async def test_the_past_of_what_was_told_in_time_is_the_same(at: float) -> None:
    simulation = simulated(trade())
    async with Shown(simulation) as shown:
        for path in (
            "/v1/atp/A",
            "/v1/atp/A?location=HAM&qty=30",
            "/v1/atp/SET",
            "/v1/orders/O1",
            "/v1/orders/O3",
        ):
            asked = f"{path}{'&' if '?' in path else '?'}as_of={moment(at)}"
            assert answer(asked, shown.world) == answer(asked, simulation), asked


async def test_so_it_is_of_a_whole_trade() -> None:
    # given 25 orders of the sample trade, with duplicates, late and broken events
    simulation = Simulation()
    for emission in generate(TradeSpec(seed=5, orders=25, skus=10, binary_share=0.0)):
        with suppress(Malformed):
            simulation.apply(emission.value)
    order_ids = [key.decode() for key in simulation.actors["order"].work.rows if key[:1] != b"\x00"]
    skus = [key.decode() for key in simulation.actors["sku"].work.rows if b"\x00" not in key]
    paths = [
        "/v1/orders",
        "/v1/at-risk",
        "/v1/exceptions",
        "/v1/finance/mismatches",
        "/v1/kpis?by=region,day",
    ]
    for order_id in order_ids:
        paths += [f"/v1/orders/{order_id}{more}" for more in ("", "/timeline")]
        paths.append(f"/v1/explain?order={order_id}")
    for sku in skus:
        paths += [f"/v1/atp/{sku}?qty=20", f"/v1/explain?atp={sku}"]
    async with Shown(simulation) as shown:
        for path in paths:
            expected = answer(path, simulation)
            assert expected[0] in (200, 404), path
            assert answer(path, shown.world) == expected, path
            for figure in expected[1].get("figures", {}).values():
                assert sum(part["delta"] for part in figure["contributions"]) == figure["value"], path
