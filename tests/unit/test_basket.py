"""All or nothing over several SKUs: nobody keeps units while it waits for others, and it ends.

Orders rank by id: o1 before o2. Messages go in the order of their channels' names unless a test says else.
"""

import pytest
from domain import order_lines, placed, released, step
from trade_world import World

from springtide.codecs import facts as f

BASKET = (("1", "tea", 5), ("2", "mug", 3))


def received(qty, location="A"):
    return f.InventoryReceived(location=location, qty=qty)


def basket(order_id, *lines, **more):
    return placed(*(lines or BASKET), order_id=order_id, ship_complete=True, **more)


@pytest.fixture
def world():
    """Ten tea, no mugs."""
    stage = World(("tea", "mug"))
    stage.stock("tea", received(10))
    return stage


def place(world, order_id, *lines, **more):
    world.order(order_id, "order.placed", basket(order_id, *lines, **more))
    world.run()


def free(world, sku):
    return world.skus[sku].figure("sellable") - world.skus[sku].figure("committed")


def status(world, order_id="o1"):
    return world.orders[order_id].status


def test_all_is_there(world):
    world.stock("mug", received(3))
    place(world, "o1")
    assert world.allocated("o1") == {"1": 5, "2": 3}
    assert status(world) == "ALLOCATED"


def test_what_is_granted_is_given_back_while_the_rest_is_short(world):
    place(world, "o1")
    assert world.allocated("o1") == {"1": 0, "2": 0}
    assert status(world) == "BACKORDERED"
    assert free(world, "tea") == 10
    assert world.held("o1", "tea") == {"1": (0, 5)}


def test_it_is_granted_whole_when_the_rest_comes(world):
    place(world, "o1")
    world.stock("mug", received(2))
    world.run()
    assert status(world) == "BACKORDERED"
    world.stock("mug", received(1))
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 3}
    assert status(world) == "ALLOCATED"
    assert world.orders["o1"].milestones()[2:] == ["backordered", "allocated", "promise_set"]


def test_while_parked_it_keeps_its_rank(world):
    place(world, "o1")
    world.order("o2", "order.placed", placed(("1", "tea", 8), order_id="o2"))
    world.run()
    assert world.allocated("o2") == {"1": 5}
    world.stock("mug", received(3))
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 3}


@pytest.mark.parametrize("first", ["o1", "o2"])
def test_two_that_want_the_same_last_units_do_not_block_each_other(first):
    """Each is first at another SKU."""
    world = World(("tea", "mug"))
    world.stock("tea", received(5))
    world.stock("mug", received(3))
    for order_id in ("o1", "o2"):
        world.order(order_id, "order.placed", basket(order_id))
    world.deliver(("o1", "tea"))
    world.deliver(("o2", "mug"))
    other = {"o1": "o2", "o2": "o1"}[first]
    world.run(lambda busy: min(busy, key=lambda channel: (other in channel, channel)))
    assert world.allocated("o1") == {"1": 5, "2": 3}
    assert world.allocated("o2") == {"1": 0, "2": 0}
    assert (status(world, "o1"), status(world, "o2")) == ("ALLOCATED", "BACKORDERED")


def test_cancelling_the_short_line_lets_the_rest_go(world):
    place(world, "o1")
    lines = (f.LineQty(line_id="2", qty=3),)
    world.order("o1", "order.cancelled", f.OrderCancelled(lines=lines))
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 0}
    assert status(world) == "ALLOCATED"


def test_cancelling_all_gives_all_back(world):
    world.stock("mug", received(3))
    place(world, "o1")
    world.order("o1", "order.cancelled", f.OrderCancelled())
    world.run()
    assert world.allocated("o1") == {"1": 0, "2": 0}
    assert (free(world, "tea"), free(world, "mug")) == (10, 3)
    assert status(world) == "CANCELLED"


def test_a_part_cancelled_of_what_is_granted_is_never_seen_as_less_than_granted(world):
    world.stock("mug", received(3))
    place(world, "o1")
    lines = (f.LineQty(line_id="1", qty=1), f.LineQty(line_id="2", qty=1))
    world.order("o1", "order.cancelled", f.OrderCancelled(lines=lines))
    world.run()
    assert world.allocated("o1") == {"1": 4, "2": 2}
    assert world.orders["o1"].published[-1] == ("ALLOCATED", "ALLOCATED")
    assert {new for _, new in world.orders["o1"].published[-2:]} == {"ALLOCATED"}


def test_stock_lost_at_one_gives_back_the_other(world):
    world.stock("mug", received(3))
    place(world, "o1")
    world.stock("mug", f.InventoryAdjusted(location="A", delta=-1))
    world.run()
    assert world.allocated("o1") == {"1": 0, "2": 0}
    assert (free(world, "tea"), free(world, "mug")) == (10, 2)
    assert status(world) == "BACKORDERED"
    world.stock("mug", received(1))
    world.run()
    assert status(world) == "ALLOCATED"


def test_what_a_warehouse_works_on_is_kept_though_another_is_short(world):
    world.stock("mug", received(3))
    place(world, "o1")
    world.order("o1", "shipment.released", released("s1", "A", ("1", "tea", 5)))
    world.run()
    world.stock("mug", f.InventoryAdjusted(location="A", delta=-1))
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 0}
    assert status(world) == "IN_FULFILMENT"


def test_a_product_added_to_an_order_for_one_makes_it_all_or_nothing_over_both(world):
    place(world, "o1", ("1", "tea", 5))
    assert status(world) == "ALLOCATED"
    world.order("o1", "order.changed", f.OrderChanged(revision=1, lines=order_lines(*BASKET)))
    world.run()
    assert world.allocated("o1") == {"1": 0, "2": 0}
    assert free(world, "tea") == 10
    world.stock("mug", received(3))
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 3}
    assert status(world) == "ALLOCATED"


def test_nothing_is_taken_before_the_latest_line_is_due(world):
    world.stock("mug", received(3))
    later = f.OrderLine(line_id="3", sku="tea", qty=4, requested_date="1970-01-03")
    place(world, "o1", ("1", "tea", 5), ("2", "mug", 3), later)
    lines = world.orders["o1"].order.lines
    assert {i: (line.allocated, line.backordered) for i, line in lines.items()} == {
        "1": (0, 0),
        "2": (0, 0),
        "3": (0, 0),
    }
    world.clock(2 * 86_400)
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 3, "3": 4}


def test_an_order_that_may_be_split_keeps_what_it_gets(world):
    world.order("o1", "order.placed", placed(*BASKET))
    world.run()
    assert world.allocated("o1") == {"1": 5, "2": 0}
    assert status(world) == "PARTIALLY_ALLOCATED"


def test_shipped_and_issued_by_way_of_the_order(world):
    """The stock fact names only the shipment, and comes between release and shipping."""
    world.order("o1", "order.placed", placed(("1", "tea", 5)))
    world.order("o2", "order.placed", placed(("1", "tea", 5), order_id="o2"))
    world.run()
    world.order("o1", "shipment.released", released("s1", "A", ("1", "tea", 5)))
    world.run()
    world.stock("tea", f.InventoryIssued(location="A", qty=5, shipment_id="s1"))
    world.run()
    assert world.allocated("o2") == {"1": 5}
    assert world.skus["tea"].figures("sellable", "committed") == (5, 5)
    world.order("o1", "shipment.shipped", step("s1", ("1", "tea", 5)))
    world.run()
    assert world.skus["tea"].figures("sellable", "committed") == (5, 5)
    assert world.orders["o2"].milestones()[2:] == ["allocated", "promise_set"]
