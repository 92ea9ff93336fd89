"""The pages over the answers of a small trade that the real actors have worked through."""

import json
import urllib.request

import pytest
from page_bodies import PageServer
from running import counted, event, placed

from springtide.app.simulate import Simulation
from springtide.app.view.answers import answer

T = "2026-03-{:02}T00:00:00Z".format


def trade():
    """The order of the definitions (4 days planned, 13 taken, 3 late), and what else a page can show.

    O-1 wants 3 of K, which come on day 6 only; O-2 wants 5 of it on day 9, from a supply that then slips.
    """
    lines = [{"line_id": "1", "sku": "K", "qty": 3}]
    shipped = {"shipment_id": "S-1", "location": "BER", "lines": lines, "carrier": "dhl", "tracking": "JJD1"}
    plan = {"allocate_s": 0, "warehouse_s": 86_400, "transit_s": 3 * 86_400}
    return [
        event("policy.set", "*", {"scope": "*", "plan": plan, "supply_fence_days": 0}, "erp", T(1)),
        event("product.upserted", "K", {"sku": "K", "name": "Kettle", "uom": "EA"}, "erp", T(1)),
        event("fence.set", "K", {"channel": "b2b", "qty": 2, "rank": 1}, "erp", T(1)),
        counted("K", 0) | {"time": T(1)},
        placed("O-1", ("K", 3), promised_by=T(12), region="DE-BE") | {"time": T(2)},
        event("order.hold_placed", "O-1", {"hold_id": "H", "reason": "credit_hold"}, time_=T(2)),
        event("supply.scheduled", "K", {"supply_id": "PO-1", "location": "BER", "qty": 5, "due": "2026-03-11", "firmness": "firm"}, "erp", T(3)),
        placed("O-2", ("K", 5), region="DE-HH") | {"time": T(3)},
        event("order.hold_released", "O-1", {"hold_id": "H"}, time_=T(4)),
        event("inventory.received", "K", {"location": "BER", "qty": 3}, "wms/ber", T(8)),
        event("supply.rescheduled", "K", {"supply_id": "PO-1", "due": "2026-03-20"}, "erp", T(9)),
        event("shipment.released", "O-1", {k: shipped[k] for k in ("shipment_id", "location", "lines")}, "wms/ber", T(9)),
        event("shipment.shipped", "O-1", shipped, "wms/ber", T(10)),
        event("inventory.issued", "K", {"location": "BER", "qty": 3, "shipment_id": "S-1"}, "wms/ber", T(10)),
        event("invoice.posted", "O-1", {"invoice_id": "INV-1", "lines": [{"line_id": "1", "qty": 2, "amount": "59.80"}], "total": "59.80", "currency": "EUR"}, "erp", T(10)),
        event("parcel.exception", "O-1", {"shipment_id": "S-1", "kind": "weather", "detail": "snow"}, "carrier/dhl", T(13)),
        event("parcel.scanned", "O-1", {"shipment_id": "S-1", "tracking": "JJD1", "status": "delivered"}, "carrier/dhl", T(15)),
        event("shipment.shipped", "O-1", {"shipment_id": "S-9"}, "wms/ber", T(15)),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def ask():
    """The HTML of a page over the trade."""
    simulation = Simulation()
    for one in trade():
        simulation.apply(json.dumps(one).encode())
    with PageServer(answer=lambda target: answer(target, simulation)) as server:

        def get(path):
            with urllib.request.urlopen(server.url + path, timeout=20) as response:
                return response.read().decode()

        yield get


def test_an_order_page_tells_why_it_is_late(ask):
    text = ask("/order/O-1")
    assert "Delivered</span>" in text
    assert "All 3 items were delivered on Sunday 15 March." in text
    for told in ("Credit hold", "Stock shortage", "Warehouse backlog", "Weather", "Planned", "Actual"):
        assert f'<th scope="row">{told}</th>' in text
    assert "Primary cause: <b>Stock shortage</b>" in text
    for took in ("4 d", "13 d", "+9 d", "+2 d", "+1 d"):
        assert f">{took}</td>" in text
    assert 'Invoice <span class="id">INV-1</span>' in text
    assert "59.80 EUR" in text
    assert 'tracking <span class="id">JJD1</span>' in text
    assert '<th scope="row">parcel.exception</th>' in text


def test_an_order_can_be_looked_at_as_it_stood(ask):
    text = ask("/order/O-1?as_of=2026-03-03T00:00:00Z")
    assert "Hold: credit hold" in text
    assert "Delivered</span>" not in text


def test_a_sku_page_shows_the_curve_who_waits_and_what_breaks(ask):
    text = ask("/sku/K?qty=4")
    assert 'data-plot="{' in text
    assert "PO-1" in text
    assert 'href="/sku/K?channel=b2b"' in text
    assert 'href="/order/O-2"' in text
    assert "EA" in text


def test_lists_lead_to_orders_exceptions_and_broken_promises(ask):
    assert 'href="/order/O-2"' in ask("/orders?region=DE-HH")
    assert 'href="/order/O-1"' not in ask("/orders?region=DE-HH")
    exceptions = ask("/exceptions")
    assert "shipment.shipped" in exceptions
    assert 'href="/order/O-1"' in exceptions
    home = ask("/")
    assert home.count('href="/order/O-2"') >= 1
    assert "Every promise holds" not in home
    assert "Nothing is waiting" not in home


@pytest.mark.parametrize("by", ["region", "channel", "process"])
def test_key_figures_by_each_dimension(ask, by):
    text = ask(f"/kpis?by={by}")
    assert f">By {by}</h2>" in text
    assert {"region": "DE-BE", "channel": "web", "process": "shipments"}[by] in text
    assert "Stock shortage" in text
