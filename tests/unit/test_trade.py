"""The sample trade: the same for the same spec, well-formed but for what is broken on purpose, and plausible."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from decimal import Decimal
from itertools import islice, pairwise

import pytest

from springtide.agents.authority import Authority
from springtide.app.trade.broken import KINDS, spoil
from springtide.app.trade.emission import Broken, id_of, local_stamp, stamp
from springtide.app.trade.file import read_file, write_file
from springtide.app.trade.generate import generate
from springtide.app.trade.spec import TradeSpec
from springtide.codecs.cloudevents import Refused, decode
from springtide.codecs.facts import FACT_BY_NAME

SMALL = TradeSpec(skus=400, orders=3_000)
CLEAN = replace(SMALL, duplicate_share=0, late_share=0, disorder_share=0, broken_share=0)
SECOND_US = 1_000_000


@pytest.fixture(scope="module")
def trade():
    return list(generate(SMALL))


@pytest.fixture(scope="module")
def clean():
    return [decoded(emission) for emission in generate(CLEAN)]


def decoded(emission):
    return decode(emission.topic, emission.key, emission.value, dict(emission.headers))


def verdict(emission):
    """(code, field) with which it is refused, or None."""
    try:
        Authority().check(decoded(emission))
    except Refused as refused:
        return refused.code, refused.field
    return None


def digest(emissions):
    whole = hashlib.sha256()
    for emission in emissions:
        whole.update(repr(tuple(emission)).encode())
    return whole.hexdigest()


# --- the same bytes ---


def test_the_same_spec_gives_the_same_bytes_whatever_the_hash_seed():
    program = (
        "import sys; sys.path[:0] = ['tests/unit']; from itertools import islice; import test_trade as t;"
        "print(t.digest(islice(t.generate(t.SMALL), 5_000)))"
    )
    seen = {digest(islice(generate(SMALL), 5_000))}
    for hash_seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        run = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        seen.add(run.stdout.strip())
    assert len(seen) == 1


def test_trades_of_two_seeds_share_no_event_and_no_order(trade):
    other = list(generate(replace(SMALL, seed=2, orders=300)))
    good = [emission for emission in trade if not isinstance(emission, Broken)]
    assert not {id_of(e) for e in good} & {id_of(e) for e in other if not isinstance(e, Broken)}
    assert not {e.key for e in good if e.topic == "orders"} & {e.key for e in other if e.topic == "orders"}


def test_instants_are_written_in_utc_and_by_carriers_in_local_time():
    assert stamp(1_772_431_200_000) == "2026-03-02T06:00:00.000Z"
    assert stamp(1_772_495_999_999) == "2026-03-02T23:59:59.999Z"
    assert local_stamp(1_772_495_999_999) == "2026-03-03T00:59:59.999+01:00"


# --- well-formed, or refused for the reason intended ---


def test_every_event_is_taken_or_refused_as_intended(trade):
    wrong = [
        (emission, told)
        for emission in trade
        if (told := verdict(emission))
        != ((emission.code, emission.field) if isinstance(emission, Broken) else None)
    ]
    assert wrong == []


def test_each_kind_of_broken_event_occurs():
    broken = Counter(e.code for e in generate(replace(SMALL, broken_share=0.05)) if isinstance(e, Broken))
    assert set(broken) == set(KINDS)
    assert min(broken.values()) > 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fact", sorted(FACT_BY_NAME))
def test_any_fact_can_be_broken_in_each_way(trade, kind, fact):
    name = f'"springtide.{fact}.v1"'.encode()
    good = next(e for e in trade if name in e.value and not isinstance(e, Broken))
    broken = spoil(good, kind, "a-new-id")
    assert verdict(good) is None
    assert verdict(broken) == (broken.code, broken.field)
    assert broken.code == kind


def test_binary_mode_says_the_same():
    emissions = islice(generate(replace(CLEAN, binary_share=1.0)), 3_000)
    for emission in emissions:
        assert ("content-type", b"application/json") in emission.headers
        assert decoded(emission).envelope.id == id_of(emission)


# --- what is in it ---


def test_every_type_of_fact_occurs(trade):
    facts = {decoded(e).fact.name for e in trade if not isinstance(e, Broken)}
    assert facts == set(FACT_BY_NAME)


def test_shares_come_out_as_asked(trade):
    good = [e for e in trade if not isinstance(e, Broken)]
    opening = SMALL.start_ms * 1_000
    later = [e for e in good if decoded(e).time_us >= opening]
    again = len(good) - len({id_of(e) for e in good})
    assert again == pytest.approx(SMALL.duplicate_share * len(later), rel=0.25)
    assert len(trade) - len(good) == pytest.approx(SMALL.broken_share * len(trade), rel=0.4)
    assert sum(b"recordedtime" in e.value for e in good) == pytest.approx(
        SMALL.late_share * len(later), rel=0.25
    )
    binary = sum(any(name == "ce_id" for name, _ in e.headers) for e in good)
    assert binary == pytest.approx(SMALL.binary_share * len(good), rel=0.2)
    assert sum(b'"ship_complete":true' in e.value for e in good) == pytest.approx(
        SMALL.ship_complete_share * SMALL.orders, rel=0.25
    )


def test_a_duplicate_is_the_same_record_again(trade):
    first = {}
    for emission in trade:
        if not isinstance(emission, Broken):
            assert first.setdefault(id_of(emission), emission) == emission


def test_only_what_is_late_again_or_out_of_order_is_older_than_what_came_before(trade):
    newest, old = 0, 0
    for emission in trade:
        if not isinstance(emission, Broken):
            event = decoded(emission)
            old += event.time_us < newest - SECOND_US
            newest = max(newest, event.time_us)
    per_event = SMALL.duplicate_share + SMALL.late_share + SMALL.disorder_share / 8
    assert 0.005 * len(trade) < old < per_event * 1.1 * len(trade)


def test_a_clean_trade_is_in_order_of_time(clean):
    times = [event.time_us for event in clean]
    assert all(late >= early - 1_000 for early, late in pairwise(times))


def test_popular_skus_are_asked_for_more_the_more_so_with_skew():
    def share_of_first(skew):
        lines = Counter()
        for emission in generate(replace(CLEAN, skew=skew, orders=1_000, opening=False, streams="main")):
            if b"order.placed.v1" in emission.value:
                lines.update(line["sku"] for line in json.loads(emission.value)["data"]["lines"])
        return lines["LAMP-00001"] / lines.total()

    assert share_of_first(0.0) < 0.01  # of 400 alike, each has 0.0025
    assert 0.3 < share_of_first(1.5) < 0.45  # 1 / sum(k ** -1.5) = 0.40


def test_a_single_sku_at_a_single_location_is_a_trade_too():
    spec = TradeSpec(skus=1, locations=1, orders=50, binary_share=0)
    placed = [e for e in generate(spec) if b"order.placed.v1" in e.value and not isinstance(e, Broken)]
    assert len({e.key for e in placed}) == 50


def test_a_trade_of_no_orders_is_its_opening():
    facts = {decoded(e).fact.topic for e in generate(replace(CLEAN, orders=0))}
    assert facts == {"catalog", "credits", "inventory"}
    facts = {decoded(e).fact.topic for e in generate(replace(CLEAN, orders=0, streams="main"))}
    assert facts == {"inventory"}
    assert list(generate(TradeSpec(skus=5, orders=0, opening=False))) == []


# --- lives of orders and parcels ---


def test_orders_are_placed_first_and_ship_what_was_ordered_at_most(clean):
    ordered, shipped, gone = {}, Counter(), set()
    for event in clean:
        order, data = event.envelope.subject, event.data
        if event.fact.topic in ("inventory", "credits", "catalog"):
            continue
        if event.fact.name == "order.placed":
            assert order not in ordered
            ordered[order] = {line.line_id: (line.sku, line.qty) for line in data.lines}
        assert order in ordered, f"{event.fact.name} before the order was placed"
        if event.fact.name == "order.changed":
            ordered[order] = {line.line_id: (line.sku, line.qty) for line in data.lines}
        elif event.fact.name == "order.cancelled" and data.lines is None:
            gone.add(order)
        elif event.fact.name == "shipment.shipped":
            for line in data.lines:
                assert ordered[order][line.line_id][0] == line.sku
                shipped[order, line.line_id] += line.qty
    assert len(ordered) == CLEAN.orders
    assert all(units <= ordered[order][line][1] for (order, line), units in shipped.items())
    assert not gone & {order for order, _ in shipped}
    assert len({order for order, _ in shipped}) > 0.9 * CLEAN.orders


def test_shipments_go_step_by_step_and_parcels_come_to_one_end(clean):
    told = defaultdict(list)
    for event in clean:
        if event.fact.topic == "shipments":
            step = getattr(event.data, "status", event.fact.name.removeprefix("shipment."))
            told[event.data.shipment_id].append(step)
    ways = Counter()
    for steps in told.values():
        if "voided" in steps:
            assert steps == ["released", "voided"]
            continue
        main = [step for step in steps if step in ("released", "picked", "packed", "pre_transit", "shipped")]
        assert main[:3] == ["released", "picked", "packed"]
        assert sorted(main[3:]) == ["pre_transit", "shipped"]
        assert steps.index("in_transit") > steps.index("shipped")
        ways[steps[-1]] += 1
    assert set(ways) == {"delivered", "lost", "returned_to_sender"}
    assert ways["delivered"] > 0.98 * ways.total()


def test_stock_never_falls_below_nothing_and_counts_find_what_is_there(clean):
    stock, placed_us, counts = {}, CLEAN.start_ms * 1_000, 0
    parts, untracked, ordered, came = {}, set(), {}, {}
    for event in clean:
        data, sku = event.data, event.envelope.subject
        match event.fact.name:
            case "inventory.counted":
                if event.time_us >= placed_us:
                    counts += 1
                    assert stock[sku, data.location] == data.on_hand
                stock[sku, data.location] = data.on_hand
            case "inventory.received":
                stock[sku, data.location] += data.qty
            case "inventory.adjusted":
                stock[sku, data.location] += data.delta
            case "inventory.moved":
                sign = 1 if data.to_bucket == "sellable" else -1 if data.from_bucket == "sellable" else 0
                stock[sku, data.location] += sign * data.qty
            case "product.upserted":
                parts[sku] = [(part.sku, part.qty_per) for part in data.kit or ()] or [(sku, 1)]
                if not data.tracked:
                    untracked.add(sku)
            case "order.placed":
                ordered |= {(data.order_id, line.line_id): line.sku for line in data.lines}
            case "shipment.shipped":
                came[data.shipment_id[2:]] = data.location
                for line in data.lines:
                    for part, per in () if line.sku in untracked else parts[line.sku]:
                        stock[part, data.location] -= line.qty * per
                        assert stock[part, data.location] >= 0
            case "return.received":
                came[data.return_id[2:]] = data.location
            case "return.inspected":
                for line in data.lines:
                    if line.disposition == "sellable":
                        stock[ordered[sku, line.line_id], came[data.return_id[2:]]] += line.qty
            case "credit_memo.issued" if data.restock:
                for line in data.lines:
                    back = ordered[sku, line.line_id]
                    for part, per in () if back in untracked else parts[back]:
                        stock[part, came[data.memo_id[2:]]] += line.qty * per
    assert counts > 100


def test_holds_are_released_converted_or_left_and_converted_for_their_order(clean):
    placed, orders, ends = {}, set(), Counter()
    for event in clean:
        if event.fact.name == "order.placed":
            orders.add(event.envelope.subject)
        elif event.fact.name == "hold.placed":
            placed[event.data.hold_id] = event.envelope.subject
        elif event.fact.name.startswith("hold."):
            assert placed[event.data.hold_id] == event.envelope.subject
            ends[event.fact.name] += 1
            if event.fact.name == "hold.converted":
                assert event.data.order_id in orders
    assert ends["hold.converted"] > 100
    assert ends["hold.released"] > 50
    assert ends["hold.converted"] + ends["hold.released"] < len(placed)


# --- what all streams tell beside ---


def named(events, *names):
    return [event for event in events if event.fact.name in names]


def test_the_main_streams_are_orders_inventory_and_shipments():
    topics = Counter(decoded(e).fact.topic for e in generate(replace(CLEAN, streams="main", orders=500)))
    assert set(topics) == {"orders", "inventory", "shipments"}


@pytest.mark.parametrize("streams", ["main", "all"])
def test_how_many_events_come_before_the_first_order_is_about_known(streams):
    spec = replace(CLEAN, streams=streams)
    first = next(i for i, e in enumerate(generate(spec)) if e.topic == "orders")
    assert first == pytest.approx(spec.opening_events, rel=0.3)
    assert replace(spec, opening=False).opening_events == 0


def test_the_catalog_is_told_before_anything_is_counted(clean):
    first = next(i for i, event in enumerate(clean) if event.fact.topic == "inventory")
    told = {(event.fact.name, event.envelope.subject) for event in clean[:first]}
    assert ("policy.set", "*") in told
    for event in clean[first:]:
        match event.fact.name:
            case "inventory.counted":
                assert ("location.upserted", event.data.location) in told
                assert ("product.upserted", event.envelope.subject) in told
            case "order.placed":
                assert ("customer.upserted", event.data.customer_id) in told
                assert all(("price.set", line.sku) in told for line in event.data.lines)


def test_products_of_every_kind_are_known_and_ordered(clean):
    products = {event.data.sku: event.data for event in named(clean, "product.upserted")}
    assert sum(product.kit is not None for product in products.values()) == CLEAN.skus // 50
    ordered = Counter(line.sku for event in named(clean, "order.placed") for line in event.data.lines)
    kinds = {
        "kit": lambda p: p.kit,
        "untracked": lambda p: not p.tracked,
        "pack": lambda p: p.pack,
        "substitutes": lambda p: p.substitutes,
        "superseded": lambda p: p.superseded_by,
        "lead time": lambda p: p.unconditional_after_lead_time,
    }
    for kind, is_so in kinds.items():
        assert sum(count for sku, count in ordered.items() if is_so(products[sku])) > 10, kind
    parts = [part.sku for product in products.values() for part in product.kit or ()]
    assert all(products[part].kit is None and products[part].tracked for part in parts)


def test_what_has_shipped_is_invoiced_once_the_wrong_invoices_are_reversed(clean):
    reversed_ids = {event.data.invoice_id for event in named(clean, "invoice.reversed")}
    units = Counter()
    for event in named(clean, "shipment.shipped", "invoice.posted"):
        posted = event.fact.name == "invoice.posted"
        if posted and event.data.invoice_id in reversed_ids:
            continue
        for line in event.data.lines:
            units[event.envelope.subject, line.line_id] += -line.qty if posted else line.qty
    assert len(reversed_ids) > 10
    assert not any(units.values())


def test_invoices_add_up_follow_their_shipment_and_are_late_as_often_as_asked(clean):
    shipped = {event.data.shipment_id: event.time_us for event in named(clean, "shipment.shipped")}
    posted = named(clean, "invoice.posted")
    late = 0
    for event in posted:
        data = event.data
        assert sum(Decimal(line.amount) for line in data.lines) == Decimal(data.total)
        waited_us = event.time_us - shipped[f"SH{data.invoice_id[2:].removesuffix('-A')}"]
        assert waited_us > 0
        late += waited_us > 3 * 86_400 * SECOND_US
    assert late == pytest.approx(CLEAN.invoice_late_share * len(posted), rel=0.3)


def test_no_more_is_refunded_than_was_captured(clean):
    paid = defaultdict(Decimal)
    for event in named(clean, "payment.captured", "payment.refunded"):
        sign = 1 if event.fact.name == "payment.captured" else -1
        paid[event.envelope.subject] += sign * Decimal(event.data.amount)
        assert paid[event.envelope.subject] >= 0
    assert any(amount == 0 for amount in paid.values())


def test_returns_go_step_by_step_and_bring_no_more_than_was_shipped(clean):
    shipped, back, steps = Counter(), Counter(), defaultdict(list)
    for event in clean:
        order = event.envelope.subject
        if event.fact.name == "shipment.shipped":
            for line in event.data.lines:
                shipped[order, line.line_id] += line.qty
        elif event.fact.topic == "returns":
            steps[event.data.return_id].append(event.fact.name.removeprefix("return."))
            if event.fact.name == "return.received":
                for line in event.data.lines:
                    back[order, line.line_id] += line.qty
    ways = Counter(tuple(way) for way in steps.values())
    assert set(ways) == {
        ("authorized",),
        ("authorized", "rejected"),
        ("authorized", "received"),
        ("authorized", "received", "inspected"),
    }
    assert min(ways.values()) > 5
    assert all(count <= shipped[line] for line, count in back.items())


def test_lost_parcels_are_credited_as_lost(clean):
    lost = {e.data.shipment_id for e in named(clean, "parcel.scanned") if e.data.status == "lost"}
    memos = {e.data.memo_id for e in named(clean, "credit_memo.issued") if e.data.reason == "lost"}
    assert {f"CM{shipment[2:]}" for shipment in lost} == memos


def test_a_businesss_orders_wait_for_its_credit(clean):
    """Each customer's hold is released; no order that brought one about is shipped before."""
    limits = {event.envelope.subject for event in named(clean, "credit.limit_set")}
    placed, held = {}, {}
    for event in clean:
        subject = event.envelope.subject
        match event.fact.name:
            case "order.placed" if event.data.channel == "b2b":
                placed[event.data.customer_id] = subject
                assert event.data.customer_id in limits
            case "credit.hold_placed":
                held[event.data.hold_id] = placed[subject]
            case "credit.hold_released":
                del held[event.data.hold_id]
            case "shipment.shipped":
                assert subject not in held.values()
    assert not held
    assert len(named(clean, "credit.hold_placed")) > 10


# --- limits ---


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("skus", 0),
        ("skus", 1_000_001),
        ("skus", True),
        ("seed", -1),
        ("locations", 17),
        ("orders", -1),
        ("orders_per_hour", 0.5),
        ("orders_per_hour", float("nan")),
        ("skew", -0.1),
        ("late_share", 1.01),
        ("broken_share", "much"),
        ("cover_days", 0),
        ("start", "2026-03-02T06:00:00"),
        ("start", "1999-12-31T23:59:59Z"),
        ("start", "soon"),
        ("streams", "some"),
    ],
)
def test_a_spec_names_the_field_that_is_out_of_its_range(field, value):
    with pytest.raises(ValueError, match=f"^{field} "):
        TradeSpec(**{field: value})


def test_shares_that_exclude_each_other_may_not_exceed_one():
    with pytest.raises(ValueError, match=r"duplicate_share and late_share come to 1\.2"):
        TradeSpec(duplicate_share=0.6, late_share=0.6)
    with pytest.raises(ValueError, match="at most 1 together"):
        TradeSpec(cancel_share=0.6, order_hold_share=0.6)


# --- files ---


def test_a_file_gives_back_what_was_written(tmp_path):
    path = tmp_path / "trade"
    assert write_file(SMALL, path, 2_500) == 2_500
    assert list(read_file(path)) == [tuple(e) for e in islice(generate(SMALL), 2_500)]


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    path = tmp_path / "trade"
    write_file(SMALL, path, 2_500)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="cut short"):
        list(read_file(path))
