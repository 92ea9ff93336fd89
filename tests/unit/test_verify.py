"""`verify` accepts what the actors write, and finds each thing that they must never write, at its place."""

from random import Random

import msgspec
import pytest
from installation import Installation

from springtide.agents.customer import decode_customer
from springtide.agents.sku import decode_head
from springtide.agents.work import META, decode_meta
from springtide.app.settings import Settings
from springtide.app.simulation.events import Trade
from springtide.app.trade.generate import generate
from springtide.app.trade.spec import TradeSpec
from springtide.app.verify import Verdict, verify
from springtide.codecs.letters import decode_status_change, encode_letter
from springtide.codecs.messages import (
    CustomerHolds,
    CustomerOrder,
    Demand,
    Fact,
    Supplied,
    decode,
    encode,
)

pack = msgspec.msgpack.encode


def counted(story: Installation, sku: str, on_hand: int, at_s: float, location: str = "ber") -> int:
    return story.say(
        "inventory.counted", "wms", sku, at_s, location=location, on_hand=on_hand, basis="includes_committed"
    )


def placed(story: Installation, order_id: str, qty: int, at_s: float, sku: str = "tea") -> int:
    return story.say(
        "order.placed",
        "oms",
        order_id,
        at_s,
        order_id=order_id,
        customer_id="c1",
        channel="web",
        currency="EUR",
        lines=[{"line_id": "1", "sku": sku, "qty": qty}],
    )


@pytest.fixture
async def story() -> Installation:
    """10 tea: o1 gets 4, o2 gets 6 of 8 and waits for 2; then 5 come, o2 has 8 and 3 are left. o1 ships.
    One event is no JSON."""
    story = Installation(seed=1)
    counted(story, "tea", 10, 0)
    await story.run()
    placed(story, "o1", 4, 10)
    await story.run()
    placed(story, "o2", 8, 20)
    await story.run()
    story.say("inventory.received", "wms", "tea", 30, location="ber", qty=5)
    lines = [{"line_id": "1", "sku": "tea", "qty": 4}]
    story.say("shipment.shipped", "wms", "o1", 40, shipment_id="s1", location="ber", lines=lines)
    story.put("orders", b"o3", b"{")
    await story.run()
    return story


async def proof_of(story: Installation) -> Verdict:
    return await verify(story.log, story.settings)


def messages(story: Installation, topic: str, kind: type) -> list:
    """(record, message) of one kind in an inbox."""
    found = [(record, decode(record.value)) for record in story.records(topic)]
    return [(record, message) for record, message in found if isinstance(message, kind)]


def place(record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


# --- what is right is accepted ---


async def test_a_story_told_by_the_actors_is_proven(story):
    # when
    verdict = await proof_of(story)

    # then: three answers gave units, 4 to o1, 6 and then 8 to o2
    assert verdict.ok, verdict.first_violation
    assert verdict.first_violation is None
    assert (verdict.lost, verdict.doubled, verdict.oversold, verdict.wrong) == (0, 0, 0, 0)
    assert (verdict.events, verdict.orders, verdict.skus, verdict.grants) == (6, 2, 1, 3)
    assert verdict.dead_letters == {"not_json": 1}
    assert verdict.quiescent
    assert verdict.pending == {}
    assert verdict.records["inventory"] == 2


async def test_the_json_has_the_agreed_names(story):
    found = msgspec.json.decode(msgspec.json.encode(await proof_of(story)))
    names = ("ok", "events", "faults", "lost", "doubled", "oversold", "recovery_s", "first_violation")
    assert tuple(found)[: len(names)] == names
    assert found["recovery_s"] == {"p50": None, "max": None}


async def test_an_empty_log_is_proven():
    verdict = await proof_of(Installation())
    assert verdict.ok
    assert verdict.events == 0


@pytest.mark.parametrize("seed", range(25))
async def test_whatever_actors_make_of_a_hard_trade_is_proven(seed):
    # given few SKUs, many orders, all kinds of facts, duplicates, disorder, broken events, odd batches
    rng = Random(seed)
    settings = Settings(
        ingress_partitions=rng.randint(1, 3),
        inbox_partitions=rng.randint(1, 3),
        dedup_retention_s=rng.choice((60, 3_600, 604_800)),
    )
    story = Installation(seed, settings=settings, records_max=rng.choice((1, 5, 100)))
    sources = {name: list(sent) for name, sent in Trade(rng).events.items()}
    while sources:
        name = rng.choice(sorted(sources))
        event = sources[name].pop(0)
        for _ in range(rng.choice((1, 1, 1, 1, 2))):
            story.put(event.topic, event.key, event.value)
        if not sources[name]:
            del sources[name]
        if rng.random() < 0.05:
            await story.run()

    # when
    await story.run()
    verdict = await proof_of(story)

    # then
    assert verdict.ok, verdict.first_violation
    assert verdict.quiescent


async def test_a_sample_trade_with_binary_events_is_proven():
    # given
    story = Installation(7, records_max=300)
    events = 0
    for event in generate(TradeSpec(seed=3, skus=15, customers=20, orders=60)):
        story.put(event.topic, event.key, event.value, event.headers)
        events += 1

    # when
    await story.run()
    verdict = await proof_of(story)

    # then
    assert verdict.ok, verdict.first_violation
    assert verdict.events == events
    assert verdict.duplicates > 0
    assert verdict.orders == 60


@pytest.mark.parametrize("kinds", [(), ("gateway",), ("gateway", "order"), ("gateway", "sku")])
async def test_what_is_not_yet_applied_is_pending_and_no_fault(story, kinds):
    # given events that only some actors have seen
    placed(story, "o4", 1, 50)
    counted(story, "pot", 3, 60)

    # when
    await story.run(kinds)
    verdict = await proof_of(story)

    # then
    assert verdict.ok, verdict.first_violation
    assert not verdict.quiescent
    assert verdict.pending
    assert verdict.events == (8 if kinds else 6)


async def test_an_answer_that_only_its_step_has_not_yet_seen_is_in_flight(story):
    # given a request that the SKU's actor has read, and a changelog that ends before it did
    placed(story, "o4", 1, 50)
    await story.run(("gateway", "order"))
    changelog = story.log._records["springtide-sku-changelog", story.records("atp")[0].partition]
    before = len(changelog)
    await story.run()
    del changelog[before:]

    # when
    verdict = await proof_of(story)

    # then: the answer may be there or not
    assert verdict.ok, verdict.first_violation
    assert verdict.pending


@pytest.mark.parametrize("seed", range(10))
async def test_actors_that_work_meanwhile_are_no_fault(seed):
    """Each time an end is asked for, one actor does some work: no two ends are of one moment."""
    # given
    rng = Random(seed)
    story = Installation(seed, records_max=3)
    for event in generate(TradeSpec(seed=seed, skus=5, customers=5, orders=15)):
        story.put(event.topic, event.key, event.value, event.headers)
        if rng.random() < 0.02:
            await story.run((rng.choice(("gateway", "customer", "order", "sku")),))
    end_of, working = story.log.end, False

    async def end(place):
        nonlocal working
        if not working:
            working = True
            await story.run((rng.choice(("gateway", "customer", "order", "sku")),))
            working = False
        return await end_of(place)

    # when
    story.log.end = end
    verdict = await proof_of(story)

    # then
    assert verdict.ok, verdict.first_violation
    story.log.end = end_of
    await story.run()
    at_rest = await proof_of(story)
    assert at_rest.ok
    assert at_rest.quiescent


async def test_progress_is_told(story):
    told = []
    await verify(story.log, story.settings, lambda *what: told.append(what))
    assert told[-1][0] == "replaying"
    assert told[-1][1] <= told[-1][2]
    assert [done for what, done, _ in told if what == "replaying"] == sorted(
        done for what, done, _ in told if what == "replaying"
    )


# --- what is wrong is found ---


def found(verdict: Verdict, kind: str, check: str, entity: str, *positions: str) -> None:
    """The first violation is this one, at these places."""
    first = verdict.first_violation
    assert not verdict.ok
    assert first is not None
    assert (first.kind, first.check, first.entity) == (kind, check, entity), first
    assert first.positions == positions, first
    assert verdict.violations[check] > 0
    assert getattr(verdict, kind) > 0


async def test_a_fact_that_never_reached_its_inbox_is_lost(story):
    record, fact = messages(story, "inbox-sku", Fact)[1]
    story.replace(record)
    verdict = await proof_of(story)
    found(verdict, "lost", "fact", str(fact.origin), f"inventory/{fact.origin[1]}/{fact.origin[2]}")


async def test_a_fact_that_reached_its_inbox_twice_is_doubled(story):
    record, fact = messages(story, "inbox-order", Fact)[0]
    offset = story.append(record)
    found(
        await proof_of(story), "doubled", "fact", str(fact.origin), f"inbox-order/{record.partition}/{offset}"
    )


async def test_a_fact_in_another_partition_is_lost_where_it_is_due_and_one_too_many_there(story):
    record, fact = messages(story, "inbox-order", Fact)[0]
    story.replace(record)
    offset = story.append(record, 1 - record.partition)
    verdict = await proof_of(story)
    found(verdict, "lost", "fact", str(fact.origin), f"orders/{fact.origin[1]}/{fact.origin[2]}")
    there = next(one for one in verdict.shown if one.check == "fact" and one.kind == "doubled")
    assert there.positions == (f"inbox-order/{1 - record.partition}/{offset}",)


async def test_a_fact_that_says_something_else_than_its_event_is_wrong(story):
    record, fact = messages(story, "inbox-sku", Fact)[0]
    story.replace(record, encode(msgspec.structs.replace(fact, time_us=fact.time_us + 1)))
    cause = f"inventory/{fact.origin[1]}/{fact.origin[2]}"
    found(await proof_of(story), "wrong", "fact", "tea", place(record), cause)


async def test_a_broken_event_without_dead_letter_is_lost(story):
    (letter,) = story.records("dead-letters")
    story.replace(letter)
    name = msgspec.json.decode(letter.value)["id"]
    found(await proof_of(story), "lost", "letter", name, name)


async def test_two_dead_letters_for_one_event_are_one_too_many(story):
    (letter,) = story.records("dead-letters")
    offset = story.append(letter)
    name = msgspec.json.decode(letter.value)["id"]
    again = f"dead-letters/{letter.partition}/{offset}"
    found(await proof_of(story), "doubled", "letter", name, name, place(letter), again)


async def test_a_dead_letter_for_a_good_event_is_wrong(story):
    _, fact = messages(story, "inbox-sku", Fact)[0]
    (letter,) = story.records("dead-letters")
    said = msgspec.json.decode(letter.value) | {
        "topic": "inventory",
        "partition": fact.origin[1],
        "offset": fact.origin[2],
    }
    offset = story.log.put("dead-letters", 0, b"", msgspec.json.encode(said))
    name = f"inventory/{fact.origin[1]}/{fact.origin[2]}"
    found(await proof_of(story), "wrong", "letter", name, name, f"dead-letters/0/{offset}")


async def test_an_answer_that_grants_what_is_not_there_oversells(story):
    # given o2's first answer: 6 of 8, all that was left
    record, answer = next(one for one in messages(story, "inbox-order", Supplied) if one[0].key == b"o2")
    (line,) = answer.lines
    assert line.cells == {"ber": 6}

    # when it grants 8
    more = msgspec.structs.replace(line, allocated=8, backordered=0, cells={"ber": 8})
    story.replace(record, encode(msgspec.structs.replace(answer, lines=(more,))))
    verdict = await proof_of(story)

    # then
    assert verdict.oversold == 1
    oversold = next(one for one in verdict.shown if one.kind == "oversold")
    assert oversold.entity == "tea"
    assert oversold.positions[0] == place(record)
    assert "2 more at ber, where 0 were left" in oversold.detail
    assert verdict.first_violation.positions[0] == place(record)


async def test_an_answer_that_grants_more_than_the_order_wants_is_doubled(story):
    # given o2's last answer: 8 of 8; 3 more are in stock
    record, answer = [one for one in messages(story, "inbox-order", Supplied) if one[0].key == b"o2"][-1]
    (line,) = answer.lines
    more = msgspec.structs.replace(line, allocated=10, cells={"ber": 10})
    story.replace(record, encode(msgspec.structs.replace(answer, lines=(more,))))

    # when
    verdict = await proof_of(story)

    # then: nothing is oversold, but it has 2 that it does not want
    assert verdict.oversold == 0
    assert verdict.violations["beyond_wanted"] == 1
    assert verdict.doubled == 1


async def test_a_lost_answer_is_found_at_what_caused_it(story):
    record, _ = next(one for one in messages(story, "inbox-order", Supplied) if one[0].key == b"o1")
    demand, _ = next(one for one in messages(story, "inbox-sku", Demand) if one[1].order_id == "o1")
    story.replace(record)
    verdict = await proof_of(story)
    found(verdict, "lost", "answer", "tea", place(demand))


async def test_an_answer_given_twice_is_doubled(story):
    record, _ = messages(story, "inbox-order", Supplied)[0]
    offset = story.append(record)
    found(await proof_of(story), "doubled", "answer", "tea", f"inbox-order/{record.partition}/{offset}")


async def test_an_answer_that_nothing_accounts_for_is_wrong(story):
    record, answer = messages(story, "inbox-order", Supplied)[0]
    offset = story.log.put(
        record.topic, record.partition, record.key, encode(msgspec.structs.replace(answer, seq=99))
    )
    found(await proof_of(story), "wrong", "answer", "tea", f"inbox-order/{record.partition}/{offset}")


async def test_a_request_that_asks_for_something_else_is_wrong(story):
    record, demand = next(one for one in messages(story, "inbox-sku", Demand) if one[1].order_id == "o1")
    cause, _ = next(one for one in messages(story, "inbox-order", Fact) if one[0].key == b"o1")
    line = msgspec.structs.replace(demand.lines[0], want=3)
    story.replace(record, encode(msgspec.structs.replace(demand, lines=(line,))))
    verdict = await proof_of(story)
    assert verdict.violations["request"] == 1
    request = next(one for one in verdict.shown if one.check == "request")
    assert request.entity == "o1"
    assert request.positions == (place(record), place(cause))
    assert "want is 3, due is 4" in request.detail


async def test_a_lost_request_is_found_at_what_caused_it(story):
    record, _ = next(one for one in messages(story, "inbox-sku", Demand) if one[1].order_id == "o2")
    cause, _ = next(one for one in messages(story, "inbox-order", Fact) if one[0].key == b"o2")
    story.replace(record)
    verdict = await proof_of(story)
    lost = next(one for one in verdict.shown if one.check == "request")
    assert (lost.kind, lost.entity, lost.positions) == ("lost", "o2", (place(cause),))


async def test_a_version_left_out_is_lost(story):
    record = next(r for r in story.records("status-changes") if decode_status_change(r.value).version == 2)
    order_id = record.key.decode()
    story.replace(record)
    verdict = await proof_of(story)
    first = verdict.first_violation
    assert (first.kind, first.check, first.entity) == ("lost", "change", order_id)
    assert f"('{order_id}', 2)" in first.detail
    assert verdict.lost == 1


async def test_a_version_published_twice_is_doubled(story):
    record = story.records("status-changes")[0]
    offset = story.append(record)
    found(
        await proof_of(story),
        "doubled",
        "change",
        record.key.decode(),
        f"status-changes/{record.partition}/{offset}",
    )


async def test_another_status_than_the_facts_give_is_wrong(story):
    record = story.records("status-changes")[0]
    change = decode_status_change(record.value)
    story.replace(record, encode_letter(msgspec.structs.replace(change, status="DELIVERED")))
    verdict = await proof_of(story)
    assert verdict.first_violation.check == "change"
    assert verdict.first_violation.positions[0] == place(record)
    assert "DELIVERED" in verdict.first_violation.detail


async def test_a_figure_that_the_facts_do_not_give_is_wrong(story):
    record = [r for r in story.records("atp") if r.key == b"tea"][-1]
    head = decode_head(record.value)
    head.cells["ber"].sellable += 1
    story.replace(record, record.value[:1] + pack(head))
    verdict = await proof_of(story)
    first = verdict.first_violation
    assert (first.kind, first.check, first.entity) == ("wrong", "atp", "tea")
    assert first.positions[0] == place(record)
    assert "cells.ber.sellable is 12, due is 11" in first.detail
    assert verdict.wrong == 1


async def test_an_old_row_where_a_newer_one_is_due_is_wrong(story):
    newest = [r for r in story.records("order-status") if r.key == b"o2"][-1]
    story.replace(newest)
    verdict = await proof_of(story)
    assert verdict.first_violation.check == "order_status"
    assert verdict.first_violation.entity == "o2"


async def test_a_row_that_is_not_there_is_lost(story):
    for record in story.records("order-status"):
        if record.key == b"o2":
            story.replace(record)
    verdict = await proof_of(story)
    assert verdict.first_violation.kind == "lost"
    assert (verdict.first_violation.check, verdict.first_violation.entity) == ("order_status", "o2")


async def test_a_row_that_nothing_accounts_for_is_wrong(story):
    record = [r for r in story.records("atp") if r.key == b"tea"][-1]
    offset = story.log.put("atp", record.partition, b"coffee", record.value)
    found(await proof_of(story), "wrong", "atp", "coffee", f"atp/{record.partition}/{offset}")


async def test_a_stream_time_that_no_event_told_is_wrong(story):
    record = [r for r in story.records("springtide-sku-changelog") if r.key == META][-1]
    meta = decode_meta(record.value)
    story.replace(record, pack(msgspec.structs.replace(meta, time_us=meta.time_us + 1)))
    verdict = await proof_of(story)
    assert verdict.first_violation.check == "stream_time"
    assert verdict.first_violation.entity == f"sku/{record.partition}"


async def test_an_actor_that_says_to_be_further_than_its_inbox_is_found(story):
    record = [r for r in story.records("springtide-order-changelog") if r.key == META][-1]
    meta = decode_meta(record.value)
    name = f"inbox-order/{record.partition}"
    story.replace(record, pack(msgspec.structs.replace(meta, positions={name: meta.positions[name] + 100})))
    verdict = await proof_of(story)
    assert verdict.violations["inbox_cut"] == 1
    assert verdict.violations["projection_behind"] == 1


async def test_a_message_that_no_actor_writes_is_found_and_the_rest_is_proven(story):
    offset = story.log.put("inbox-sku", 0, b"tea", b"\xff")
    verdict = await proof_of(story)
    found(verdict, "wrong", "inapplicable", "tea", f"inbox-sku/0/{offset}")
    assert verdict.wrong == 1


async def test_a_message_set_aside_with_its_dead_letter_is_no_violation(story):
    # given a message on which the actor's step raises
    story.log.put("inbox-order", 0, b"o9", encode(messages(story, "inbox-order", Supplied)[0][1]))
    await story.run()

    # when
    verdict = await proof_of(story)

    # then
    assert verdict.dead_letters == {"not_json": 1, "step_failed": 1}
    assert verdict.ok, verdict.first_violation


# --- customers ---


@pytest.fixture
async def held(story) -> Installation:
    """The story, and then a credit hold on the customer of both orders."""
    story.say("credit.hold_placed", "erp", "c1", 50, hold_id="h1")
    await story.run()
    return story


async def test_a_hold_of_a_customer_is_proven(held):
    verdict = await proof_of(held)
    assert verdict.ok, verdict.first_violation
    assert verdict.customers == 1


async def test_an_order_that_does_not_hear_of_its_customer_s_hold_is_found(held):
    record, _ = next(
        one for one in messages(held, "inbox-order", CustomerHolds) if one[0].key == b"o2" and one[1].holds
    )
    cause, _ = next(one for one in messages(held, "inbox-customer", Fact))
    held.replace(record)
    verdict = await proof_of(held)
    lost = next(one for one in verdict.shown if one.check == "holds")
    assert (lost.kind, lost.entity, lost.positions) == ("lost", "c1", (place(cause),))


async def test_an_order_that_tells_its_customer_something_else_is_wrong(held):
    record, told = next(one for one in messages(held, "inbox-customer", CustomerOrder) if one[1].request == 1)
    held.replace(record, encode(msgspec.structs.replace(told, amount="99.00")))
    verdict = await proof_of(held)
    wrong = next(one for one in verdict.shown if one.check == "account")
    assert (wrong.kind, wrong.entity, wrong.positions[0]) == ("wrong", told.order_id, place(record))
    assert "99.00" in wrong.detail


async def test_a_figure_of_a_customer_that_nothing_accounts_for_is_wrong(held):
    record = [r for r in held.records("customers") if r.key == b"c1"][-1]
    customer = decode_customer(record.value)
    customer.open_orders += 1
    held.replace(record, record.value[:1] + pack(customer))
    verdict = await proof_of(held)
    first = verdict.first_violation
    assert (first.kind, first.check, first.entity) == ("wrong", "customers", "c1")
    assert "open_orders" in first.detail
