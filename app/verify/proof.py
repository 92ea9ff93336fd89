"""`springtide verify`: what the logs must hold, replayed naively, against what they hold.

Ingress topics, inboxes, status changes and dead letters are kept whole: each record counts. Projections and
changelogs are compacted: of them the newest row of each key counts, and the newest meta row.

    stage        check                    from                       proves
    ingress      fact, letter             ingress, inboxes, letters  each event is one fact in the inbox of each
                                                                     whom it concerns, or one dead letter; none is
                                                                     lost or doubled
    sku          answer, oversold,        inbox-sku, inbox-order     each grant follows from the facts and demands
                 beyond_wanted                                       before it; granted <= sellable after each
                                                                     message, at each cell; none twice
    order        request, change,         inbox-order, inbox-sku,    each request and each version follows from the
                 refusal, account         status-changes, letters,   order's facts and answers, once; customers hear
                                          inbox-customer             what it means to their credit
    customer     holds                    inbox-customer,            orders hear of each hold of their customer, once
                                          inbox-order
    positions    stream_time, seen,       changelogs, projections    what an actor says it has applied is what its
                 projection_behind                                   stream time and its rows stand for
    projections  atp, order_status,       the same                   each figure of each newest row, recomputed
                 customers
    quiescence   belief                   both inboxes               what orders believe is what SKUs hold

Where stock is lost, units that a warehouse already works on stay committed: they are the one exception to
granted <= sellable, as the definitions say.

It may run while actors write. Ends are read against the way of an event: changelogs (what was surely
applied), then what is written, then the inboxes twice, then ingress. So whatever is read has its cause in
what is read, and only what follows from records that were surely applied must be there; the rest is
`in_flight` or `pending`, and counted. A topic that retention has cut can't be proven, and shows as lost.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, Final
from zlib import crc32

import msgspec

from springtide.agents.customer import decode_customer
from springtide.agents.order import decode_order
from springtide.agents.sku import decode_head, decode_row
from springtide.agents.topics import (
    ATP,
    CUSTOMERS,
    DEAD_LETTERS,
    INBOX_CUSTOMER,
    INBOX_ORDER,
    INBOX_SKU,
    ORDER_STATUS,
    STATUS_CHANGES,
)
from springtide.agents.work import MARKER, META, Meta, decode_meta
from springtide.app.engine.log import ActorId, Log
from springtide.app.settings import Settings
from springtide.app.verify.compare import (
    customer_picture,
    dated_picture,
    difference,
    order_picture,
    sku_picture,
)
from springtide.app.verify.messages import Messages, in_order
from springtide.app.verify.naive_customers import NaiveCustomerPartition
from springtide.app.verify.naive_ingress import NaiveIngress, Refused
from springtide.app.verify.naive_order_steps import Outcome
from springtide.app.verify.naive_orders import NaiveOrderPartition
from springtide.app.verify.naive_picture import picture as order_figures
from springtide.app.verify.naive_skus import NaiveSkuPartition
from springtide.app.verify.pairing import Expected, Seen
from springtide.app.verify.reading import Progress, ends, last_value, together
from springtide.app.verify.verdict import Findings, Verdict, at, place
from springtide.codecs.facts import INGRESS_TOPICS
from springtide.codecs.letters import decode_dead_letter, decode_status_change
from springtide.codecs.messages import (
    CustomerHolds,
    CustomerOrder,
    Demand,
    Fact,
    Origin,
    Supplied,
    decode,
)
from springtide.codecs.records import Record, TopicPartition

NOT_BY_GATEWAY: Final = ("order_unknown", "too_many_facts")
"""Codes of dead letters that OrderActors write, about facts that passed the gateway."""
SECOND_US: Final = 1_000_000
_PROJECTIONS: Final = {INBOX_SKU: ATP, INBOX_ORDER: ORDER_STATUS, INBOX_CUSTOMER: CUSTOMERS}
_INBOXES: Final = {"sku": INBOX_SKU, "order": INBOX_ORDER, "customer": INBOX_CUSTOMER}
_KINDS: Final = {inbox: kind for kind, inbox in _INBOXES.items()}


async def verify(log: Log, settings: Settings, progress: Progress | None = None) -> Verdict:
    """Reads the logs and says whether they prove what they must.

    Holds the state of all entities in memory, and the newest row of each. Raises LogUnavailable, and
    ValueError if a topic is missing.
    """
    return (await prove(log, settings, progress)).verdict()


async def prove(log: Log, settings: Settings, progress: Progress | None = None) -> Proof:
    """The same, with all that was recomputed."""
    proof = Proof(log, settings, progress or (lambda *_: None))
    # Nearly all that is made here lives to the end: looking for garbage among it costs a fifth of the time.
    thresholds = gc.get_threshold()
    gc.set_threshold(500_000, 100, 100)
    try:
        await proof.run()
    finally:
        gc.set_threshold(*thresholds)
    return proof


class Place(msgspec.Struct):
    """One partition of an inbox."""

    topic: str
    number: int
    applied: int
    """Next offset, as the newest meta row of the changelog says."""
    sure: int
    """End read before the other inbox's: whatever lies below has its cause in what is read."""
    stops: list[tuple[int, Callable[[Place, int], None]]] = []
    """What is to be compared once all below an offset is replayed."""
    pending: int = 0


class Proof:
    """See the module."""

    def __init__(self, log: Log, settings: Settings, progress: Progress) -> None:
        self._log = log
        self._settings = settings
        self._progress = progress
        self._findings = Findings()
        self._ingress = NaiveIngress(settings.authority, settings.sources, strict=settings.strict_sources)
        self._metas: dict[tuple[str, int], Meta] = {}
        self._passed: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._places: dict[TopicPartition, Place] = {}
        self._skus: list[NaiveSkuPartition] = []
        self._orders: list[NaiveOrderPartition] = []
        self._customers: list[NaiveCustomerPartition] = []
        self._letters: dict[str, list[tuple[str, str]]] = {}
        """id -> (code, place) of each dead letter."""
        self._refused: set[Origin] = set()
        self._rows: dict[TopicPartition, dict[bytes, tuple[int, bytes]]] = {}
        self._newest_us: dict[int, int] = {}
        self._messages = Messages(self._findings)
        self._verdict = Verdict(ok=False, events=0)

    async def run(self) -> None:
        began = perf_counter()
        await self._read_ends()
        await self._read_letters()
        await self._read_rows()
        await self._replay()
        self._leftovers()
        self._beliefs()
        self._verdict.seconds = round(perf_counter() - began, 3)

    def verdict(self) -> Verdict:
        found, verdict = self._findings, self._verdict
        shown = found.shown()
        verdict.ok = not found.counts
        verdict.lost, verdict.doubled = found.kinds["lost"], found.kinds["doubled"]
        verdict.oversold, verdict.wrong = found.kinds["oversold"], found.kinds["wrong"]
        verdict.violations = dict(sorted(found.counts.items()))
        verdict.shown = shown
        verdict.first_violation = shown[0] if shown else None
        verdict.skus = sum(len(partition.skus) for partition in self._skus)
        verdict.orders = sum(len(partition.orders) for partition in self._orders)
        verdict.customers = sum(len(partition.customers) for partition in self._customers)
        partitions: tuple[Any, ...] = (*self._skus, *self._orders, *self._customers)
        verdict.duplicates = sum(partition.duplicates for partition in partitions)
        verdict.requests, verdict.answers = self._messages.requests.pairs, self._messages.answers.pairs
        verdict.changes = self._messages.changes.pairs
        return verdict

    def sku_pictures(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """What was recomputed of each SKU, after `run`: its name, and `NaiveSku.picture`."""
        for partition in self._skus:
            for name, sku in partition.skus.items():
                yield name, sku.picture()

    def order_pictures(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The same of each order."""
        for partition in self._orders:
            for name, order in partition.orders.items():
                yield name, order_figures(order)

    # --- what is read ---

    async def _read_ends(self) -> None:
        """In the order that the module gives."""
        log, app = self._log, self._settings.app
        for kind in ("gateway", *_INBOXES):
            changelog = ActorId(app, kind, 0).changelog[0]
            for (_, number), end in (await ends(log, [changelog])).items():
                found = await last_value(log, (changelog, number), META, end)
                self._metas[kind, number] = Meta() if found is None else decode_meta(found[1])
        self._ends |= await ends(log, [*_PROJECTIONS.values(), STATUS_CHANGES, DEAD_LETTERS])
        sure = await ends(log, list(_PROJECTIONS))
        self._ends |= await ends(log, list(_PROJECTIONS))
        self._ends |= await ends(log, INGRESS_TOPICS)
        for (kind, number), meta in self._metas.items():
            if kind == "gateway":
                for topic in INGRESS_TOPICS:
                    self._passed[topic, number] = meta.positions.get(f"{topic}/{number}", 0)
            else:
                topic = _INBOXES[kind]
                applied = meta.positions.get(f"{topic}/{number}", 0)
                inbox = Place(topic, number, applied, sure[topic, number])
                inbox.stops.append((applied, self._check_meta))
                self._places[topic, number] = inbox
        retention_us = self._settings.dedup_retention_s * SECOND_US
        orders, skus = await log.partitions(INBOX_ORDER), await log.partitions(INBOX_SKU)
        self._skus = [NaiveSkuPartition(orders, retention_us) for _ in range(skus)]
        grace_us = self._settings.orphan_grace_s * SECOND_US
        self._orders = [NaiveOrderPartition(orders, retention_us, grace_us) for _ in range(orders)]
        self._customers = [NaiveCustomerPartition(orders, retention_us) for _ in range(orders)]

    async def _read_letters(self) -> None:
        for batch in [b async for b in together(self._log, self._until([DEAD_LETTERS]))]:
            self._count(batch)
            for record in batch:
                letter = decode_dead_letter(record.value or b"")
                name = f"{letter.topic}/{letter.partition}/{letter.offset}"
                self._letters.setdefault(name, []).append((letter.code, place(record)))
                codes = self._verdict.dead_letters
                codes[letter.code] = codes.get(letter.code, 0) + 1

    async def _read_rows(self) -> None:
        """The newest row of each key, and up to where in its inbox each partition of a projection stands."""
        until = self._until(_PROJECTIONS.values())
        total, done = sum(until.values()), 0
        self._rows = {place: {} for place in until}
        async for batch in together(self._log, until):
            self._count(batch)
            rows = self._rows[batch[0].topic, batch[0].partition]
            for record in batch:
                if record.value is None:
                    rows.pop(record.key or b"", None)
                else:
                    rows[record.key or b""] = record.offset, record.value
            done += len(batch)
            self._progress("reading projections", done, total)
        for (topic, number), rows in self._rows.items():
            marker = rows.pop(MARKER, None)
            inbox = self._places[next(name for name, shown in _PROJECTIONS.items() if shown == topic), number]
            meta = Meta() if marker is None else decode_meta(marker[1])
            stands = meta.positions.get(f"{inbox.topic}/{number}", 0)
            if stands < inbox.applied:
                self._findings.add(
                    "lost",
                    "projection_behind",
                    "positions",
                    f"{topic}/{number}",
                    f"it stands at {stands} of {inbox.topic}, its actor has applied up to {inbox.applied}",
                    "" if marker is None else f"{topic}/{number}/{marker[0]}",
                )
            checks = {
                ATP: self._check_heads,
                ORDER_STATUS: self._check_orders,
                CUSTOMERS: self._check_customers,
            }
            inbox.stops.append((stands, checks[topic]))

    def _until(self, topics: Iterable[str]) -> dict[TopicPartition, int]:
        wanted = set(topics)
        return {place: end for place, end in self._ends.items() if place[0] in wanted}

    def _count(self, batch: Sequence[Record]) -> None:
        records = self._verdict.records
        records[batch[0].topic] = records.get(batch[0].topic, 0) + len(batch)

    # --- replay ---

    async def _replay(self) -> None:
        for inbox in self._places.values():
            inbox.stops.sort(key=lambda stop: stop[0])
        until = self._until([*INGRESS_TOPICS, *_PROJECTIONS, STATUS_CHANGES])
        total, done = sum(until.values()), 0
        by_topic = {
            **dict.fromkeys(_PROJECTIONS, self._replay_inbox),
            STATUS_CHANGES: self._read_changes,
        }
        async for batch in together(self._log, until):
            self._count(batch)
            by_topic.get(batch[0].topic, self._read_ingress)(batch)
            done += len(batch)
            self._progress("replaying", done, total)
        for inbox in self._places.values():
            self._stop(inbox, self._ends[inbox.topic, inbox.number])
            for offset, _ in inbox.stops:
                self._findings.add(
                    "lost",
                    "inbox_cut",
                    "positions",
                    f"{inbox.topic}/{inbox.number}",
                    f"an actor has applied up to {offset}, beyond the inbox's end",
                )
            if inbox.pending:
                self._verdict.pending[f"{inbox.topic}/{inbox.number}"] = inbox.pending
        self._check_gateway()

    def _read_ingress(self, batch: Sequence[Record]) -> None:
        """A fact in each inbox that it concerns, or one letter, for each record that the gateway has passed."""
        topic, number = batch[0].topic, batch[0].partition
        index, passed = INGRESS_TOPICS.index(topic), self._passed.get((topic, number), 0)
        counts = dict.fromkeys(_PROJECTIONS, len(self._orders)) | {INBOX_SKU: len(self._skus)}
        for record in batch:
            surely = record.offset < passed
            name = place(record)
            letters = [one for one in self._letters.get(name, ()) if one[0] not in NOT_BY_GATEWAY]
            refused: str | None = None
            try:
                subject, fact, ways = self._ingress.fact(record)
            except Refused as error:
                refused = str(error)
            if surely:
                self._verdict.events += 1
            else:
                self._verdict.pending[topic] = self._verdict.pending.get(topic, 0) + 1
            if len(letters) > 1:
                self._letter("doubled", name, "it has more than one dead letter", *(at for _, at in letters))
            if refused is None and (not letters or letters[0][0] != "step_failed"):
                if letters:
                    self._letter(
                        "wrong", name, f"it is refused ({letters[0][0]}) and need not be", letters[0][1]
                    )
                key = subject.encode()
                expected = Expected((key, fact), None, name, surely and not letters)
                for inbox, to_all in ways:
                    own = crc32(key) % counts[inbox]
                    for partition in range(counts[inbox]) if to_all else (own,):
                        self._messages.facts.expect((fact.origin, inbox, partition), expected)
                if surely and fact.time_us > self._newest_us.get(number, 0):
                    self._newest_us[number] = fact.time_us
            else:
                self._refused.add((index, number, record.offset))
                if surely and not letters:
                    self._letter("lost", name, f"it must be refused ({refused}) and has no dead letter")

    def _letter(self, kind: Any, name: str, detail: str, *positions: str) -> None:
        self._findings.add(kind, "letter", "ingress", name, detail, name, *positions)

    def _replay_inbox(self, batch: Sequence[Record]) -> None:
        inbox = self._places[batch[0].topic, batch[0].partition]
        applies = {
            INBOX_SKU: self._apply_sku,
            INBOX_ORDER: self._apply_order,
            INBOX_CUSTOMER: self._apply_customer,
        }
        apply = applies[inbox.topic]
        for record in batch:
            offset = record.offset
            if inbox.stops and inbox.stops[0][0] <= offset:
                self._stop(inbox, offset)
            surely = offset < inbox.applied
            if not surely:
                inbox.pending += 1
            name = place(record)
            failed = self._has_failed(name)
            try:
                message = decode(record.value or b"")
                if isinstance(message, Fact):
                    way = (message.origin, record.topic, record.partition)
                    found = (record.key or b"", message)
                    self._messages.facts.see(way, Seen(found, name, offset >= inbox.sure))
                apply(record, message, name, surely, offset >= inbox.sure, failed)
            except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, LookupError, ValueError) as error:
                if not failed:
                    entity = (record.key or b"").decode(errors="replace")
                    kind = _KINDS[inbox.topic]
                    self._findings.add("wrong", "inapplicable", kind, entity, f"{error!r}", name)

    def _has_failed(self, name: str) -> bool:
        """Whether the record was set aside, because a step raised on it."""
        return bool(self._letters) and any(code == "step_failed" for code, _ in self._letters.get(name, ()))

    def _stop(self, inbox: Place, offset: int) -> None:
        """Compares what stands for all below an offset, before more is replayed."""
        while inbox.stops and inbox.stops[0][0] <= offset:
            position, check = inbox.stops.pop(0)
            check(inbox, position)

    def _apply_sku(
        self, record: Record, message: Any, name: str, surely: bool, late: bool, failed: bool
    ) -> None:
        key = record.key or b""
        if isinstance(message, Demand):
            request = (message.order_id, key.decode(), message.request)
            self._messages.requests.see(request, Seen((record.partition, message), name, late))
        if failed:
            return
        partition = self._skus[record.partition]
        count = len(self._orders)
        for answer in partition.apply(key, message):
            supplied = answer.supplied
            where = crc32(answer.order_id.encode()) % count
            self._messages.answers.expect(
                (supplied.sku, answer.order_id, supplied.seq),
                Expected((where, supplied), answer, name, surely),
            )
            if any(line.cells for line in supplied.lines):
                self._verdict.grants += 1
            for line_id, units in answer.beyond.items():
                self._messages.beyond(supplied.sku, answer.order_id, line_id, units, name)
        for sku, cell in partition.oversold:
            self._findings.add(
                "oversold",
                "oversold",
                "sku",
                sku,
                f"{cell.granted} are granted at {cell.location} where {cell.sellable} are sellable and "
                f"{cell.at_work} at work",
                name,
            )

    def _apply_order(
        self, record: Record, message: Any, name: str, surely: bool, late: bool, failed: bool
    ) -> None:
        key = record.key or b""
        if isinstance(message, Supplied):
            answer = (message.sku, key.decode(), message.seq)
            self._messages.answers.see(answer, Seen((record.partition, message), name, late))
        if isinstance(message, CustomerHolds):
            self._messages.see_holds(key.decode(), message, Seen((record.partition, message), name, late))
        if failed:
            return
        outcome: Outcome = self._orders[record.partition].apply(key, message)
        count = len(self._skus)
        for sku, demand in outcome.demands:
            self._messages.requests.expect(
                (demand.order_id, sku, demand.request),
                Expected((crc32(sku.encode()) % count, demand), None, name, surely),
            )
        for customer, told in outcome.accounts:
            self._messages.accounts.expect(
                (told.order_id, told.request),
                Expected(
                    (crc32(customer.encode()) % len(self._customers), customer, told), None, name, surely
                ),
            )
        for change in outcome.changes:
            self._messages.changes.expect(
                (change.order_id, change.version),
                Expected((record.partition, in_order(change)), None, name, surely),
            )
        for event, code in outcome.refused:
            letters = self._letters.get(event, [])
            if not any(found == code for found, _ in letters) and surely:
                self._findings.add("lost", "refusal", "order", event, f"no dead letter says {code}", name)

    def _apply_customer(
        self, record: Record, message: Any, name: str, surely: bool, late: bool, failed: bool
    ) -> None:
        key = record.key or b""
        if isinstance(message, CustomerOrder):
            found = (record.partition, key.decode(), message)
            self._messages.accounts.see((message.order_id, message.request), Seen(found, name, late))
        if failed:
            return
        for order_id, told in self._customers[record.partition].apply(key, message):
            where = crc32(order_id.encode()) % len(self._orders)
            self._messages.expect_holds(order_id, told, Expected((where, told), None, name, surely))

    def _read_changes(self, batch: Sequence[Record]) -> None:
        for record in batch:
            name = place(record)
            try:
                change = decode_status_change(record.value or b"")
            except msgspec.MsgspecError as error:
                self._findings.add("wrong", "change", "order", name, f"it can't be read: {error}", name)
                continue
            self._messages.changes.see(
                (change.order_id, change.version), Seen((record.partition, in_order(change)), name, False)
            )

    # --- rows ---

    def _check_meta(self, inbox: Place, position: int) -> None:
        kind = _KINDS[inbox.topic]
        models: dict[str, Any] = {
            INBOX_SKU: self._skus,
            INBOX_ORDER: self._orders,
            INBOX_CUSTOMER: self._customers,
        }
        model = models[inbox.topic][inbox.number]
        meta = self._metas[kind, inbox.number]
        entity, where = f"{kind}/{inbox.number}", at((inbox.topic, inbox.number), position)
        for check, stands, due in (
            ("stream_time", meta.time_us, model.time_us),
            ("seen", meta.seen, model.seen),
        ):
            if stands != due:
                detail = f"the meta row of its changelog says {stands}, recomputed {due}"
                self._findings.add("wrong", check, "positions", entity, detail, where)

    def _check_gateway(self) -> None:
        for (kind, number), meta in self._metas.items():
            due = self._newest_us.get(number, 0)
            if kind == "gateway" and meta.time_us != due:
                detail = f"the meta row of its changelog says {meta.time_us}, recomputed {due}"
                where = [at((topic, number), self._passed[topic, number]) for topic in INGRESS_TOPICS]
                self._findings.add("wrong", "stream_time", "positions", f"gateway/{number}", detail, *where)

    def _check_heads(self, inbox: Place, position: int) -> None:
        whole = self._rows.pop((ATP, inbox.number))
        rows = {key: row for key, row in whole.items() if b"\x00" not in key}  # the rest are parts of SKUs
        models = {name.encode(): sku.picture for name, sku in self._skus[inbox.number].skus.items()}
        self._check_rows(ATP, inbox, position, rows, models, lambda raw: sku_picture(decode_head(raw)))
        days = {key: row for key, row in whole.items() if key.endswith(b"\x00d")}
        by_day = {
            name.encode() + b"\x00d": sku.dated
            for name, sku in self._skus[inbox.number].skus.items()
            if any(sku.dated().values())
        }
        self._check_rows(
            ATP, inbox, position, days, by_day, lambda raw: dated_picture(decode_row(b"?\x00d", raw))
        )

    def _check_orders(self, inbox: Place, position: int) -> None:
        rows = self._rows.pop((ORDER_STATUS, inbox.number))
        orders = self._orders[inbox.number].orders.items()
        models = {name.encode(): partial(order_figures, order) for name, order in orders}
        self._check_rows(
            ORDER_STATUS, inbox, position, rows, models, lambda raw: order_picture(decode_order(raw))
        )

    def _check_customers(self, inbox: Place, position: int) -> None:
        rows = self._rows.pop((CUSTOMERS, inbox.number))
        models = {name.encode(): c.picture for name, c in self._customers[inbox.number].customers.items()}
        self._check_rows(
            CUSTOMERS, inbox, position, rows, models, lambda raw: customer_picture(decode_customer(raw))
        )

    def _check_rows(
        self,
        topic: str,
        inbox: Place,
        position: int,
        rows: dict[bytes, tuple[int, bytes]],
        models: Mapping[bytes, Callable[[], dict[str, Any]]],
        read: Callable[[bytes], dict[str, Any]],
    ) -> None:
        check = topic.replace("-", "_")
        until = at((inbox.topic, inbox.number), position)
        for key, picture in models.items():
            entity = key.decode()
            row = rows.pop(key, None)
            if row is None:
                self._findings.add("lost", check, "projections", entity, "it has no row", until)
                continue
            where = f"{topic}/{inbox.number}/{row[0]}"
            try:
                found = difference(read(row[1]), picture())
            except (msgspec.MsgspecError, ValueError) as error:
                found = f"it can't be read: {error}"
            if found is not None:
                self._findings.add("wrong", check, "projections", entity, found, where, until)
        for key, (offset, _) in rows.items():
            entity = key.decode(errors="replace")
            detail = "nothing in the inbox accounts for this row"
            self._findings.add(
                "wrong", check, "projections", entity, detail, f"{topic}/{inbox.number}/{offset}"
            )

    # --- the end ---

    def _leftovers(self) -> None:
        sent, failed = self._messages, self._has_failed
        sent.leftovers("fact", "ingress", sent.facts, self._fact_was_due, failed)
        sent.leftovers("request", "order", sent.requests, self._request_was_due, failed)
        sent.leftovers("answer", "sku", sent.answers, self._answer_was_due, failed)
        sent.leftovers("change", "order", sent.changes, self._change_was_due, failed)
        sent.leftovers("account", "order", sent.accounts, self._account_was_due, failed)
        sent.leftovers("holds", "customer", sent.holds, self._holds_were_due, failed)
        self._verdict.in_flight = sent.in_flight

    def _fact_was_due(self, key: tuple[Origin, str, int]) -> bool:
        origin = key[0]
        end = self._ends.get((INGRESS_TOPICS[origin[0]], origin[1]), 0)
        return origin not in self._refused and origin[2] < end

    def _request_was_due(self, key: tuple[str, str, int]) -> bool:
        order = self._orders[crc32(key[0].encode()) % len(self._orders)].orders.get(key[0])
        return order is not None and key[1] in order.needs and key[2] <= order.needs[key[1]].request

    def _answer_was_due(self, key: tuple[str, str, int]) -> bool:
        sku = self._skus[crc32(key[0].encode()) % len(self._skus)].skus.get(key[0])
        wish = None if sku is None else sku.wish(key[1])
        return wish is not None and key[2] <= wish.seq

    def _change_was_due(self, key: tuple[str, int]) -> bool:
        order = self._orders[crc32(key[0].encode()) % len(self._orders)].orders.get(key[0])
        return order is not None and key[1] <= order.version

    def _account_was_due(self, key: tuple[str, int]) -> bool:
        order = self._orders[crc32(key[0].encode()) % len(self._orders)].orders.get(key[0])
        return order is not None and key[1] <= order.account_request

    def _holds_were_due(self, key: tuple[str, str, int, int]) -> bool:
        """The customer has told this order so much before."""
        customers = self._customers[crc32(key[0].encode()) % len(self._customers)].customers
        return key[0] in customers and key[2] <= customers[key[0]].seq

    def _beliefs(self) -> None:
        """Once nothing is on its way, what an order believes to have is what the SKU holds for it."""
        for partition in self._skus:
            for sku in partition.skus.values():
                sku.recount()
        verdict = self._verdict
        verdict.quiescent = not verdict.pending and not verdict.in_flight
        if not verdict.quiescent:
            return
        for partition in self._skus:
            for sku in partition.skus.values():
                for order_id in [*sku.wishes, *sku.finished]:
                    wish = sku.wish(order_id)
                    order = self._orders[crc32(order_id.encode()) % len(self._orders)].orders.get(order_id)
                    if wish is None or (order is None and not wish.lines):
                        continue  # only the warehouse has named this order
                    need = None if order is None else order.needs.get(sku.sku)
                    believed = {} if need is None else need.lines
                    held = {
                        line_id: (sum(line.news()[1].values()), line.news()[0])
                        for line_id, line in wish.lines.items()
                    }
                    for line_id, units in held.items():
                        told = believed.get(line_id)
                        has = (0, 0) if told is None else (told.allocated, told.backordered)
                        if has != units:
                            detail = (
                                f"line {line_id} of {order_id} has (allocated, backordered) {units}, "
                                f"the order believes {has}"
                            )
                            self._findings.add("wrong", "belief", "quiescence", sku.sku, detail)
