"""Which policy an order's way is measured by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from springtide.codecs.facts import Plan
from springtide.tables.catalog import NETWORK_KEY, Goods, Network, goods_key
from springtide.tables.order import Order


def plan_of(get: Callable[[bytes], Any], order: Order) -> Plan | None:
    """How long the stages of an order's way are planned to be: the longest that policies of its lines' SKUs
    say, else what the policy of all says; None: no policy says. `get` reads rows of SKUs."""
    plans = []
    for sku in dict.fromkeys(line.sku for line in order.lines.values()):
        goods: Goods | None = get(goods_key(sku.encode()))
        if goods is not None and goods.policy is not None and goods.policy.plan is not None:
            plans.append(goods.policy.plan)
    if not plans:
        network: Network | None = get(NETWORK_KEY)
        return None if network is None else network.policy.plan
    return Plan(
        allocate_s=max(plan.allocate_s for plan in plans),
        warehouse_s=max(plan.warehouse_s for plan in plans),
        transit_s=max(plan.transit_s for plan in plans),
    )


def ranks_by_priority(get: Callable[[bytes], Any]) -> bool:
    """Whether the policy of all ranks orders by their priority first."""
    network: Network | None = get(NETWORK_KEY)
    return network is not None and network.policy.by_priority


def invoice_late_days(get: Callable[[bytes], Any]) -> int | None:
    """After how many days without an invoice a shipped unit is late; None: no policy says."""
    network: Network | None = get(NETWORK_KEY)
    return None if network is None else network.policy.invoice_late_days
