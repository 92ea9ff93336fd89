"""What must be true once nothing moves: invariants 1 to 5, from the logs alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from springtide.agents.topics import ATP, CUSTOMERS, DEAD_LETTERS, INBOX_SKU, ORDER_STATUS, STATUS_CHANGES
from springtide.agents.work import MARKER, META, ROW, Meta, decode_meta
from springtide.app.engine.log import ActorId
from springtide.app.simulation import promises, second, second_orders
from springtide.app.simulation.layout import APP
from springtide.app.simulation.replay import Replay, asked_in_fact, new_facts, replay
from springtide.app.simulation.stage import Stage
from springtide.app.simulation.violation import Violation
from springtide.app.standing import StandingActor
from springtide.app.verify.naive_ingress import ways
from springtide.codecs.facts import FACT_BY_CODE, INGRESS_TOPICS, INVENTORY
from springtide.codecs.letters import StatusChange, decode_dead_letter, decode_status_change
from springtide.codecs.messages import Demand, Fact, Origin, decode
from springtide.codecs.records import Record, partition_for
from springtide.tables.order import Order
from springtide.tables.sku import Allocation, Head

PROJECTIONS = {"sku": ATP, "order": ORDER_STATUS, "customer": CUSTOMERS}


def check(stage: Stage) -> None:
    """Raises Violation for the first thing that is not as it must be."""
    _nothing_waits(stage)
    _every_event_arrived_once(stage)
    due = second_orders.orders_due(stage)
    refused = [letter for one in due for letter in one.refused]
    _every_broken_event_is_a_dead_letter(stage, refused)
    _freshness_is_true(stage)
    for actor_id in stage.layout.inputs:
        if actor_id.kind == "sku":
            decode = stage.layout.behaviours["sku"].decode_row
            promises.check_book(actor_id, stage.log.books.get(actor_id), decode)
    replays = [
        replay(stage, actor_id, _watch_sku if actor_id.kind == "sku" else _watch_nothing)
        for actor_id in stage.layout.inputs
        if actor_id.kind in PROJECTIONS
    ]
    for one in replays:
        _replay_gives_the_same(stage, one, refused)
        if one.actor_id.kind == "sku":
            second.check_skus(stage, one)
        elif one.actor_id.kind == "order":
            second_orders.check_orders(stage, one, due[one.actor_id.partition])
        else:
            second_orders.check_customers(stage, one)
    orders: dict[str, Order] = {}
    heads: dict[str, Head] = {}
    rows: dict[tuple[str, str], Allocation] = {}
    for one in replays:
        for key, row in one.actor.work.rows.items():
            if isinstance(row, Order):
                orders[row.order_id] = row
            elif isinstance(row, Head):
                heads[row.sku] = row
            elif isinstance(row, Allocation):
                rows[key.split(b"\x00")[0].decode(), row.order_id] = row
    promises.check_totals(heads, rows)
    promises.check_orders(orders, rows)
    _changes_explain_themselves(stage, orders)


# --- 1: nothing lost, nothing twice ---


def _nothing_waits(stage: Stage) -> None:
    """Every input record lies behind its reader, and the group's offsets say so too."""
    for actor_id, places in stage.layout.inputs.items():
        meta = _last_meta(stage, actor_id)
        for place in places:
            end = stage.log.size(place)
            position = meta.positions.get(f"{place[0]}/{place[1]}", 0)
            records = stage.log.records(place)
            last = records[-1].offset + 1 if records else 0
            if not last <= position <= end:
                raise Violation(
                    "1", f"{actor_id.transactional_id} stands at {position} of {place}, end {end}"
                )
            if stage.log.group_offsets.get((APP, place), 0) != position:
                raise Violation("1", f"the group's offset of {place} is not {position}")


def _every_event_arrived_once(stage: Stage) -> None:
    """Each well-formed ingress record is one message in each inbox partition that it concerns, in the order
    it came."""
    inboxes = stage.layout.inbox_partitions
    arrived: dict[Origin, dict[tuple[str, int], str]] = {}
    last: dict[tuple[tuple[str, int], str, int], int] = {}
    for place, messages in stage.messages().items():
        for record, message in messages:
            if not isinstance(message, Fact):
                continue
            topic = INGRESS_TOPICS[message.origin[0]]
            origin = (topic, *message.origin[1:])
            places = arrived.setdefault(message.origin, {})
            if place in places:
                raise Violation("1", f"{origin} arrived twice, again in {place} at {record.offset}")
            event = stage.puts.get(origin)
            if event is None or event.broken is not None:
                raise Violation(
                    "1", f"{place} at {record.offset} comes from {origin}, where no good event is"
                )
            if (message.source, message.id, record.key) != (event.source, event.id, event.key):
                raise Violation("1", f"{origin} is {event.source} {event.id}, {place} has {message.event_id}")
            way = (place, topic, message.origin[1])
            if last.get(way, -1) > message.origin[2]:
                raise Violation("1", f"{origin} came into {place} behind a later one")
            last[way] = message.origin[2]
            places[place] = FACT_BY_CODE[message.code].name
    for (topic, partition, offset), event in stage.puts.items():
        if event.broken is not None:
            continue
        places = arrived.get((INGRESS_TOPICS.index(topic), partition, offset), {})
        expected = {
            (way.inbox, number)
            for name in places.values()
            for way in ways(name, topic, event.key.decode())
            for number in (range(inboxes) if way.to_all else (partition_for(event.key, inboxes),))
        }
        if not places or places.keys() != expected:
            raise Violation(
                "1", f"{event.source} {event.id} of {topic} is in {list(places)}, not in {sorted(expected)}"
            )


# --- 5: bad input ---


def _every_broken_event_is_a_dead_letter(stage: Stage, refused: list[tuple[str, str]]) -> None:
    """Exactly one dead letter for each, with its code, and for what orders refuse; none for anything else."""
    found: Counter[tuple[str, str]] = Counter()
    for partition in range(stage.layout.topics[DEAD_LETTERS]):
        for record in stage.log.records((DEAD_LETTERS, partition)):
            letter = decode_dead_letter(record.value or b"")
            found[letter.id, letter.code] += 1
    expected = Counter(
        (f"{topic}/{partition}/{offset}", event.broken)
        for (topic, partition, offset), event in stage.puts.items()
        if event.broken is not None
    )
    expected.update(
        (f"{topic}/{partition}/{offset}", "step_failed") for topic, partition, offset in stage.poison
    )
    expected.update(refused)
    if found != expected:
        missing, strange = expected - found, found - expected
        raise Violation(
            "5", f"dead letters missing: {dict(missing)}; too many or unexpected: {dict(strange)}"
        )


# --- 4: how fresh ---


def _freshness_is_true(stage: Stage) -> None:
    """Positions told with a projection never run back, and what they say has been seen was applied."""
    direct = _direct_demands(stage)
    for actor_id in stage.layout.inputs:
        book = stage.log.books.get(actor_id)
        if actor_id.kind not in PROJECTIONS:
            continue
        (inbox,) = stage.layout.inputs[actor_id]
        offsets: dict[str, list[tuple[int, int]]] = {}
        for record, message in stage.messages()[inbox]:
            origin = message.origin if isinstance(message, Fact) else None
            if isinstance(message, Demand):
                origin = direct.get((record.key or b"", message.order_id, message.request))
            if origin is not None:
                name = f"{INGRESS_TOPICS[origin[0]]}/{origin[1]}"
                offsets.setdefault(name, []).append((origin[2], record.offset))
        before = Meta()
        for entry in [] if book is None else book.entries:
            markers = [
                decode_meta(value or b"")
                for place, batch in entry.commit.messages.items()
                if place == (PROJECTIONS[actor_id.kind], actor_id.partition)
                for key, value in batch
                if key == MARKER
            ]
            if len(markers) != 1:
                raise Violation(
                    "4", f"{actor_id.transactional_id} told its position {len(markers)} times at once"
                )
            meta = markers[0]
            backwards = meta.time_us < before.time_us or any(
                meta.seen.get(name, -1) < offset for name, offset in before.seen.items()
            )
            if backwards:
                raise Violation("4", f"{actor_id.transactional_id} went back before {entry.end}")
            position = meta.positions.get(f"{inbox[0]}/{inbox[1]}", 0)
            for name, offset in meta.seen.items():
                if offset == before.seen.get(name):
                    continue
                for caused_by, at in offsets.get(name, ()):
                    if caused_by <= offset and at >= position:
                        raise Violation(
                            "4",
                            f"{actor_id.transactional_id} has seen {name} to {offset}, but not {caused_by}",
                        )
            before = meta
        _everything_is_seen(stage, actor_id, before)


def _direct_demands(stage: Stage) -> dict[tuple[bytes, str, int], Origin]:
    """(SKU, order, request) -> the ingress record that led to it, of each Demand that was sent in the very
    step that applied the fact; what answers led to later is not promised by positions."""
    found: dict[tuple[bytes, str, int], Origin] = {}
    for actor_id, (inbox, *_) in stage.layout.inputs.items():
        book = stage.log.books.get(actor_id)
        if actor_id.kind != "order" or book is None:
            continue
        facts = [(r.offset, m.origin) for r, m in stage.messages()[inbox] if isinstance(m, Fact)]
        position = at = 0
        for entry in book.entries:
            position = entry.commit.positions.get(inbox, position)
            applied: set[Origin] = set()
            while at < len(facts) and facts[at][0] < position:
                applied.add(facts[at][1])
                at += 1
            if not applied:
                continue
            for place, batch in entry.commit.messages.items():
                for key, value in batch if place[0] == INBOX_SKU else ():
                    message = decode(value or b"")
                    if isinstance(message, Demand) and message.origin in applied:
                        found[key or b"", message.order_id, message.request] = message.origin
    return found


def _everything_is_seen(stage: Stage, actor_id: ActorId, meta: Meta) -> None:
    """At rest each projection says that it has seen all of ingress that it depends on."""
    topics = INGRESS_TOPICS if actor_id.kind == "sku" else [t for t in INGRESS_TOPICS if t != INVENTORY]
    for topic in topics:
        for partition in range(stage.layout.ingress_partitions):
            end = stage.log.size((topic, partition))
            seen = meta.seen.get(f"{topic}/{partition}", -1)
            if seen != end - 1:
                raise Violation(
                    "4",
                    f"{actor_id.transactional_id} rests, has seen {topic}/{partition} to {seen} of {end - 1}",
                )


def _changes_explain_themselves(stage: Stage, orders: dict[str, Order]) -> None:
    """Status changes: versions rise by one to the order's own, and each names an event that came."""
    known = {f"{event.source} {event.id}" for event in stage.puts.values()}
    changes: dict[str, list[StatusChange]] = {}
    for partition in range(stage.layout.topics[STATUS_CHANGES]):
        for record in stage.log.records((STATUS_CHANGES, partition)):
            change = decode_status_change(record.value or b"")
            changes.setdefault(change.order_id, []).append(change)
    for order_id, told in changes.items():
        versions = [change.version for change in told]
        if versions != list(range(1, len(told) + 1)) or versions[-1] != orders[order_id].version:
            raise Violation("4", f"order {order_id} told versions {versions}, has {orders[order_id].version}")
        if told[-1].status != orders[order_id].status:
            raise Violation("4", f"order {order_id} told {told[-1].status}, is {orders[order_id].status}")
        previous = None
        for change in told:
            if change.previous != previous:
                raise Violation(
                    "4", f"order {order_id} version {change.version} does not follow on {previous}"
                )
            previous = change.status
            # What time alone brings about (a hold expires, a line's day comes) has no event of its own.
            if change.event_id and change.event_id not in known:
                raise Violation(
                    "4", f"order {order_id} version {change.version} names no event: {change.event_id}"
                )
    silent = [order_id for order_id, order in orders.items() if order.placed and order_id not in changes]
    if silent:
        raise Violation("4", f"order {silent[0]} was placed and never told a change")


# --- 3: the same log, the same bytes ---


def _watch_nothing(actor: StandingActor, record: Record) -> None:
    pass


def _watch_sku(actor: StandingActor, record: Record) -> None:
    """Invariant 2 at every single record, whatever the batches were."""
    head = actor.work.rows.get(record.key or b"")
    if isinstance(head, Head):
        now_us = actor.work.meta.time_us
        for hold in head.holds.values():
            if hold.expires_us <= now_us:
                raise Violation("2", f"{head.sku} holds units for {hold.hold_id}, dead at {now_us}")
        promises.check_head(head, lambda: promises.at_work(actor.work.rows, head.sku))


def _replay_gives_the_same(stage: Stage, one: Replay, refused: list[tuple[str, str]]) -> None:
    actor_id, actor = one.actor_id, one.actor
    name = actor_id.transactional_id
    (inbox,) = stage.layout.inputs[actor_id]
    applied, duplicates = new_facts(stage, inbox)
    counted = (actor.work.counts.get("facts", 0), actor.work.counts.get("duplicates", 0))
    if counted != (sum(applied.values()), duplicates):
        raise Violation(
            "1", f"{name} applied {counted} facts and duplicates, {sum(applied.values())}, {duplicates} came"
        )
    for event, _ in refused:  # given up, since the order did not come
        topic, partition, offset = event.split("/")
        key = stage.puts[topic, int(partition), int(offset)].key
        applied[key] = applied.get(key, 0) - 1
    for key, row in actor.work.rows.items():
        if isinstance(row, Order) and row.facts != applied.get(key, 0):
            raise Violation("1", f"order {row.order_id} has {row.facts} facts, {applied.get(key, 0)} came")
    sent = asked_in_fact(stage, actor_id)
    if sent != one.asked:
        place = min(p for p in sent.keys() | one.asked.keys() if sent.get(p) != one.asked.get(p))
        ours, theirs = sent.get(place, []), one.asked.get(place, [])
        at = next(
            (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b),
            min(len(ours), len(theirs)),
        )
        raise Violation(
            "3", f"{name} sent {len(ours)} messages to {place}, again {len(theirs)}; number {at} differs"
        )
    projection = PROJECTIONS[actor_id.kind]
    shown = {
        record.key or b"": record.value
        for record in stage.log.records((projection, actor_id.partition))
        if record.key != MARKER
    }
    rows = actor.rows()
    again = {}
    for key, raw in rows.items():
        shown_as = actor.behaviour.projection_key(key)
        if shown_as is not None:
            again[shown_as] = raw
    _same(f"the projection of {name}", shown, again)
    book = stage.log.books.get(actor_id)
    kept = {} if book is None else book.state_at(stage.log.size(actor_id.changelog))
    own = {key[1:]: raw for key, raw in kept.items() if key[:1] == ROW and not key.startswith(b"r\x00p")}
    _same(f"the changelog of {name}", own, {k: raw for k, raw in rows.items() if not k.startswith(b"\x00p")})
    meta = _last_meta(stage, actor_id)
    if (meta.time_us, meta.seen) != (actor.work.meta.time_us, actor.work.meta.seen):
        raise Violation("3", f"{name} stands at {meta}, again at {actor.work.meta}")
    if actor_id.kind == "order":
        told = [(r.key, r.value) for r in stage.log.records((STATUS_CHANGES, actor_id.partition))]
        again_told = [(sent.key, sent.value) for sent in one.told if sent.topic == STATUS_CHANGES]
        if told != again_told:
            raise Violation("3", f"{name} told {len(told)} changes, again {len(again_told)}, or others")


def _same(what: str, found: Mapping[bytes, bytes | None], again: Mapping[bytes, bytes | None]) -> None:
    keys = sorted(key for key in found.keys() | again.keys() if found.get(key) != again.get(key))
    if keys:
        key = keys[0]
        raise Violation(
            "3",
            f"{what} differs in {len(keys)} rows, first {key!r}: {found.get(key)!r}, again {again.get(key)!r}",
        )


def _last_meta(stage: Stage, actor_id: ActorId) -> Meta:
    book = stage.log.books.get(actor_id)
    if book is None:
        return Meta()
    return decode_meta(next(value for _, key, value in reversed(book.changelog) if key == META) or b"")
