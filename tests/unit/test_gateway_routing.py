"""Where the gateway sends which fact, and how positions get from actor to actor."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from installation import Installation

from springtide.agents.topics import INBOX_CUSTOMER, INBOX_ORDER, INBOX_SKU
from springtide.agents.work import MARKER, decode_meta
from springtide.codecs.facts import FACT_BY_NAME
from springtide.codecs.messages import Fact, decode
from springtide.codecs.records import partition_for

PARTITIONS = 2
PLACE = {"location": "BER", "name": "Berlin", "rank": 1, "timezone": "Europe/Berlin"}
PRICE = {"sku": "tea", "list": "retail", "amount": "1", "currency": "EUR", "valid_from": "2026-03-01"}
ROUTES: list[tuple[str, str, dict[str, Any], dict[str, str]]] = [
    ("location.upserted", "BER", PLACE, {INBOX_SKU: "all", INBOX_ORDER: "all"}),
    ("policy.set", "*", {"scope": "*"}, {INBOX_SKU: "all", INBOX_ORDER: "all"}),
    ("policy.set", "tea", {"scope": "tea"}, {INBOX_SKU: "own", INBOX_ORDER: "all"}),
    (
        "product.upserted",
        "tea",
        {"sku": "tea", "name": "Tea", "uom": "EA"},
        {INBOX_SKU: "own", INBOX_ORDER: "all"},
    ),
    ("product.discontinued", "tea", {"sku": "tea"}, {INBOX_SKU: "own", INBOX_ORDER: "all"}),
    ("price.set", "tea", PRICE, {INBOX_SKU: "own"}),
    ("customer.upserted", "c1", {"customer_id": "c1", "name": "Ada"}, {INBOX_CUSTOMER: "own"}),
    ("credit.limit_set", "c1", {"limit": "5", "currency": "EUR"}, {INBOX_CUSTOMER: "own"}),
    ("invoice.reversed", "o1", {"invoice_id": "i1"}, {INBOX_ORDER: "own"}),
    ("return.rejected", "o1", {"return_id": "r1", "reason": "late"}, {INBOX_ORDER: "own"}),
    ("order.confirmed", "o1", {}, {INBOX_ORDER: "own"}),
    ("supply.cancelled", "tea", {"supply_id": "p1"}, {INBOX_SKU: "own"}),
]


def arrived(installation: Installation) -> dict[str, list[tuple[int, str]]]:
    """Inbox -> (partition, record key) of each fact in it."""
    found: dict[str, list[tuple[int, str]]] = {}
    for inbox in (INBOX_SKU, INBOX_ORDER, INBOX_CUSTOMER):
        for record in installation.records(inbox):
            if isinstance(decode(record.value or b""), Fact):
                found.setdefault(inbox, []).append((record.partition, (record.key or b"").decode()))
    return found


@pytest.mark.parametrize(("fact", "subject", "data", "inboxes"), ROUTES)
def test_a_fact_goes_to_whom_it_concerns(
    fact: str, subject: str, data: dict[str, Any], inboxes: dict[str, str]
) -> None:
    installation = Installation()
    installation.say(fact, FACT_BY_NAME[fact].sources[0], subject, 1, **data)
    asyncio.run(installation.run(("gateway",)))
    own = partition_for(subject.encode(), PARTITIONS)
    assert arrived(installation) == {
        inbox: [(p, subject) for p in (range(PARTITIONS) if to == "all" else (own,))]
        for inbox, to in inboxes.items()
    }


def seen(installation: Installation, projection: str) -> list[dict[str, int]]:
    """What each partition of a projection says it has seen of ingress, at the end."""
    last: dict[int, bytes] = {}
    for record in installation.records(projection):
        if record.key == MARKER:
            last[record.partition] = record.value or b""
    return [dict(decode_meta(last[partition]).seen) for partition in sorted(last)]


def test_each_projection_says_how_far_it_has_seen_each_topic_that_reaches_it() -> None:
    installation = Installation()
    say = installation.say
    say("location.upserted", "erp", "BER", 0, **PLACE)
    say("inventory.counted", "wms", "tea", 1, location="BER", on_hand=9, basis="includes_committed")
    lines = [{"line_id": "1", "sku": "tea", "qty": 2}]
    say(
        "order.placed",
        "oms",
        "o1",
        2,
        order_id="o1",
        customer_id="c1",
        channel="w",
        currency="EUR",
        lines=lines,
    )
    say("credit.hold_placed", "erp", "c1", 3, hold_id="h1")
    say("return.rejected", "oms", "o1", 4, return_id="r1", reason="late")
    asyncio.run(installation.run())
    ends = {
        f"{topic}/{partition}": len(records) - 1
        for (topic, partition), records in installation.log._records.items()
        if topic in {fact.topic for fact in FACT_BY_NAME.values()} and records
    }
    of_orders = {name: at for name, at in ends.items() if not name.startswith("inventory/")}
    assert len(ends) == 5
    assert seen(installation, "atp") == [ends] * PARTITIONS
    assert seen(installation, "order-status") == [of_orders] * PARTITIONS
    assert seen(installation, "customers") == [of_orders] * PARTITIONS


def test_a_hold_is_seen_at_a_sku_only_once_all_orders_have_seen_it() -> None:
    installation = Installation()
    installation.say("credit.hold_placed", "erp", "c1", 3, hold_id="h1")
    asyncio.run(installation.run(("gateway", "customer", "sku")))
    assert all("credits" not in name for part in seen(installation, "atp") for name in part)
    asyncio.run(installation.run())
    assert all(any("credits" in name for name in part) for part in seen(installation, "atp"))


def test_what_waits_for_its_order_too_long_becomes_dead_letters_and_its_row_goes() -> None:
    installation = Installation()
    day_s = 86_400
    installation.say("invoice.reversed", "erp", "o1", 0, invoice_id="i1")
    installation.say("order.confirmed", "oms", "o1", 1)
    installation.say("order.confirmed", "oms", "o2", 7 * day_s - 1)
    asyncio.run(installation.run())
    assert installation.records("dead-letters") == []
    installation.say("order.confirmed", "oms", "o2", 7 * day_s + 2)
    asyncio.run(installation.run())
    letters = [record.value or b"" for record in installation.records("dead-letters")]
    assert len(letters) == 2
    assert all(b'"order_unknown"' in letter and b'"o1"' in letter for letter in letters)
    rows = {
        record.key: record.value for record in installation.records("order-status") if record.key != MARKER
    }
    assert (rows[b"o1"], rows[b"o2"] is None) == (None, False)
