"""A small trade under high contention, from a seed: few SKUs, many orders, all kinds of facts, some broken."""

from __future__ import annotations

from random import Random
from typing import Any, Final, NamedTuple

import msgspec

from springtide.app.simulation import money
from springtide.codecs.facts import FACT_BY_NAME
from springtide.codecs.times import DAY_US, SECOND_US, day_start, rfc3339

START_US: Final = day_start("2026-03-02") + 6 * 3_600 * SECOND_US
LOCATIONS: Final = ("ber", "muc", "ham")
ZONES: Final = ("UTC", "Europe/Berlin", "America/Los_Angeles", "Asia/Tokyo", "Asia/Kolkata")
_SOURCES: Final = {
    "orders": "oms",
    "inventory": "wms/ber",
    "shipments": "wms/floor",
    "parcel": "carrier/x",
    "hold": "storefront",
    "supply": "erp",
    "catalog": "erp",
    "customer": "crm",
    "invoices": "erp",
    "returns": "wms/floor",
    "credits": "erp",
}
_encode: Final = msgspec.json.Encoder().encode

Json = dict[str, Any]


class Event(NamedTuple):
    """A record for an ingress topic. `broken` is the code of the dead letter that must follow, if any."""

    topic: str
    key: bytes
    value: bytes
    source: str
    id: str
    broken: str | None = None


class Trade:
    """Makes the events of one seed; `events` has them by source, each source's in the order it sends them."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._facts: list[tuple[int, str, str, Json]] = []
        self._number = 0
        # Few SKUs fight over units; many leave some alone for long, with holds and dated lines pending.
        self.skus = [f"sku{n}" for n in range(rng.choice((1, 2, 3, 4, 4, 15)))]
        self._dated_share = rng.choice((0.0, 0.1, 0.4))
        self._holds_of_12 = rng.choice((2, 4, 8))
        self._locations = LOCATIONS[: rng.randint(1, 3)]
        self._length_us = rng.choice((600, 3_600, 6 * 3_600, 3 * 86_400, 9 * 86_400)) * SECOND_US
        self._order_lines: list[tuple[str, str, str]] = []
        for n in range(rng.randint(3, 12)):
            self._order(f"o{n}")
        money.of_customers(rng, self._say, self._at)
        self._stock(rng.randint(6, 24))
        if rng.random() < 0.6:
            self._catalog()
        self.events = self._by_source()

    # --- facts ---

    def _at(self, after_us: int = 0) -> int:
        return self._rng.randrange(after_us, max(after_us + 1, self._length_us))

    def _say(self, at_us: int, name: str, subject: str, /, **data: Any) -> None:
        self._facts.append((at_us, name, subject, {k: v for k, v in data.items() if v is not None}))

    def _order(self, order_id: str) -> None:
        rng = self._rng
        at = self._at()
        lines = [self._line(f"{n}", at) for n in range(1, rng.choice((1, 1, 2, 2, 3)) + 1)]
        self._order_lines += [(order_id, line["line_id"], line["sku"]) for line in lines]
        sourcing = rng.choice((None, None, None, {"mode": "single"}, {"mode": "split", "max_splits": 1}))
        self._say(
            at,
            "order.placed",
            order_id,
            order_id=order_id,
            customer_id=rng.choice(money.CUSTOMERS),
            channel=rng.choice(("web", "shop")),
            region=rng.choice((None, None, "north")),
            promised_by=rng.choice((None, None, rfc3339(START_US + at + DAY_US), "2026-03-04")),
            currency="EUR",
            priority=rng.choice((None, 1, 200)),
            ship_complete=rng.random() < 0.4,
            sourcing=sourcing,
            lines=lines,
        )
        if rng.random() < 0.02:  # the same order once more, under another event id
            self._facts.append((self._at(at), *self._facts[-1][1:]))
        chance = rng.random
        if chance() < 0.5:
            self._say(self._at(at), "order.confirmed", order_id)
        if chance() < 0.15:
            self._say(self._at(at), "order.cancelled", order_id)
        if chance() < 0.2:
            part = [{"line_id": rng.choice(("1", "2", "9")), "qty": rng.randint(1, 3)}]
            self._say(self._at(at), "order.cancelled", order_id, lines=part)
        for revision in range(1, rng.choice((1, 1, 1, 2, 3))):
            after = self._at(at)
            changed = [self._changed(line, after) for line in lines if chance() < 0.8]
            if chance() < 0.3 or not changed:
                changed.append(self._line("4", after))
            self._say(after, "order.changed", order_id, revision=revision, lines=changed)
        if chance() < 0.15:
            after = self._at(at)
            self._say(after, "order.hold_placed", order_id, hold_id="h1", reason="credit_hold")
            if chance() < 0.7:
                self._say(self._at(after), "order.hold_released", order_id, hold_id="h1")
        if chance() < 0.05:
            self._say(self._at(at), "order.rejected", order_id, reason="no")
        for n in range(rng.choice((0, 0, 1, 1, 2))):
            self._shipment(order_id, f"{order_id}-s{n}", lines, self._at(at))
        money.of_order(rng, self._say, self._at, order_id, lines, at)

    def _line(self, line_id: str, at_us: int) -> Json:
        rng = self._rng
        line: Json = {"line_id": line_id, "sku": rng.choice(self.skus), "qty": rng.randint(1, 5)}
        if rng.random() < 0.3:
            line["location"] = rng.choice(self._locations)
        if rng.random() < 0.7:
            line["price"] = f"{rng.randint(1, 3)}.50"
        if rng.random() < self._dated_share:
            line["requested_date"] = self._day(at_us, rng.choice((-1, 0, 0, 1, 1, 2, 3, 6)))
        return line

    def _changed(self, line: Json, at_us: int) -> Json:
        if self._rng.random() < 0.05:
            return self._line(line["line_id"], at_us)
        return line | {"qty": self._rng.randint(1, 6)}

    def _shipment(self, order_id: str, shipment_id: str, lines: list[Json], at: int) -> None:
        rng = self._rng
        chance = rng.random
        place = rng.choice(self._locations)
        parts = [
            {"line_id": line["line_id"], "sku": line["sku"], "qty": rng.randint(1, line["qty"])}
            for line in lines
            if chance() < 0.8
        ] or [{"line_id": "7", "sku": rng.choice(self.skus), "qty": 1}]
        if chance() < 0.85:
            self._say(at, "shipment.released", order_id, shipment_id=shipment_id, location=place, lines=parts)
        for step in ("picked", "packed", "shipped"):
            at = self._at(at)
            if chance() < 0.6:
                where = place if chance() < 0.5 else None
                self._say(
                    at,
                    f"shipment.{step}",
                    order_id,
                    shipment_id=shipment_id,
                    location=where,
                    lines=parts,
                )
        if chance() < 0.3:
            part = rng.choice(parts)
            named: Json = rng.choice(({"shipment_id": shipment_id}, {"order_id": order_id}))
            if chance() < 0.5:
                named = {"shipment_id": shipment_id, "order_id": order_id}
            self._say(self._at(at), "inventory.issued", part["sku"], location=place, qty=part["qty"], **named)
        if chance() < 0.15:
            self._say(self._at(at), "shipment.voided", order_id, shipment_id=shipment_id, reason="no")
        if chance() < 0.1:
            part = rng.choice(parts)
            self._say(
                at, "pick.short", order_id, shipment_id=shipment_id, line_id=part["line_id"], qty=part["qty"]
            )
        for status in (
            "in_transit",
            "attempted",
            rng.choice(("delivered", "delivered", "delivered", "lost")),
        ):
            at = self._at(at)
            if chance() < 0.4:
                self._say(
                    at, "parcel.scanned", order_id, shipment_id=shipment_id, tracking="t", status=status
                )
        if chance() < 0.05:
            self._say(at, "parcel.exception", order_id, shipment_id=shipment_id, kind="weather")
            self._say(
                self._at(at), "delivery.corrected", order_id, shipment_id=shipment_id, cancels="carrier/x 1"
            )

    def _stock(self, count: int) -> None:
        rng = self._rng
        for sku in self.skus:
            for location in self._locations:
                if rng.random() < 0.7:
                    at = 0 if rng.random() < 0.7 else self._at()
                    self._counted(at, sku, location, rng.randint(0, 8))
        for n in range(count):
            sku, location, at = rng.choice(self.skus), rng.choice(self._locations), self._at()
            qty = rng.randint(1, 5)
            if rng.randrange(12) < self._holds_of_12:
                self._hold(at, sku, location, f"b{n}", qty)
            else:
                self._stock_fact(at, sku, location, f"p{n}", qty)

    def _stock_fact(self, at: int, sku: str, location: str, supply_id: str, qty: int) -> None:
        rng = self._rng
        kind = rng.randrange(10)
        if kind < 2:
            self._counted(at, sku, location, rng.randint(0, 8))
        elif kind == 2:
            self._say(at, "inventory.adjusted", sku, location=location, delta=rng.randint(-4, 4))
        elif kind == 3:
            buckets = rng.sample(("sellable", "damaged", "quality_control", "reserved_other"), 2)
            between = {"from": buckets[0], "to": buckets[1]}
            self._say(at, "inventory.moved", sku, location=location, qty=qty, **between)
        elif kind < 6:
            self._say(at, "inventory.received", sku, location=location, qty=qty)
        elif kind == 6:
            self._say(at, "inventory.issued", sku, location=location, qty=1)
        elif kind == 7:
            self._say(at, "safety_stock.set", sku, location=location, qty=rng.randint(0, 3))
        elif kind == 8:
            self._fence(at, sku, location, qty)
        else:
            self._supply(at, sku, location, supply_id, qty)

    def _counted(self, at: int, sku: str, location: str, on_hand: int) -> None:
        rng = self._rng
        basis = rng.choice(("includes_committed", "includes_committed", "excludes_committed"))
        bucket = "damaged" if rng.random() < 0.1 else None
        self._say(
            at, "inventory.counted", sku, location=location, on_hand=on_hand, basis=basis, bucket=bucket
        )

    def _fence(self, at: int, sku: str, location: str, qty: int) -> None:
        rng = self._rng
        self._say(
            at,
            "fence.set",
            sku,
            channel=rng.choice(("web", "web", "shop")),
            location=location if rng.random() < 0.6 else None,
            qty=rng.choice((0, qty, qty)),
            rank=rng.randint(1, 3),
            valid_from=self._when(at) if rng.random() < 0.3 else None,
            valid_to=self._when(at) if rng.random() < 0.3 else None,
        )

    def _supply(self, at: int, sku: str, location: str, supply_id: str, qty: int) -> None:
        rng = self._rng
        told = at if rng.random() < 0.9 else self._at(at)  # what is received may come before it is scheduled
        firmness = rng.choice(("firm", "firm", "in_transit", "planned"))
        said: Json = {"supply_id": supply_id, "location": location, "qty": qty}
        self._say(told, "supply.scheduled", sku, due=self._when(at), firmness=firmness, **said)
        later = self._at(at)
        if rng.random() < 0.4:
            due, units = rng.choice(((self._when(at), None), (None, qty + 1), (self._when(later), 1)))
            self._say(later, "supply.rescheduled", sku, supply_id=supply_id, due=due, qty=units)
            later = self._at(later)
        if rng.random() < 0.6:
            self._say(later, "inventory.received", sku, **said | {"qty": rng.choice((qty, qty, 1))})
        elif rng.random() < 0.4:
            self._say(later, "supply.cancelled", sku, supply_id=supply_id)

    def _day(self, at_us: int, days: int) -> str:
        return rfc3339(START_US + at_us + days * DAY_US)[:10]

    def _when(self, at_us: int) -> str:
        """A date or an instant around or after `at_us`."""
        rng = self._rng
        days = rng.choice((-2, -1, 0, 0, 1, 1, 2, 3, 5, 100))
        instant = rfc3339(START_US + at_us + days * DAY_US + rng.randrange(-3_600, 3_600) * SECOND_US)
        return instant if rng.random() < 0.2 else instant[:10]

    # --- the catalog ---

    def _catalog(self) -> None:
        """What shapes promises: places with their days, policies, products; each may change on the way."""
        rng = self._rng
        for rank, location in enumerate(self._locations):
            for n in range(rng.choice((0, 1, 1, 2))):
                self._location(0 if n == 0 and rng.random() < 0.8 else self._at(), location, 3 - rank)
        for scope in ("*", *self.skus):
            for n in range(rng.choice((0, 0, 1, 2))):
                self._policy(0 if n == 0 and rng.random() < 0.8 else self._at(), scope)
        for sku in self.skus:
            if rng.random() < 0.5:
                self._product(0 if rng.random() < 0.8 else self._at(), sku)
            if rng.random() < 0.1:
                self._say(self._at(), "product.discontinued", sku, sku=sku)

    def _location(self, at: int, location: str, rank: int) -> None:
        rng = self._rng
        self._say(
            at,
            "location.upserted",
            location,
            location=location,
            name=location.upper(),
            rank=rank,
            timezone=rng.choice(ZONES),
            cutoff=rng.choice((None, None, "00:00", "12:00", "23:59:59")),
            working_days=rng.choice((None, None, [1, 2, 3, 4, 5], ["Mon", "thursday", 6])),
            open=rng.random() < 0.8,
        )

    def _policy(self, at: int, scope: str) -> None:
        rng = self._rng
        choice = rng.choice
        self._say(
            at,
            "policy.set",
            scope,
            scope=scope,
            horizon_days=choice((None, 1, 3, 10)),
            method=choice((None, None, "cumulative", "discrete")),
            supply_fence_days=choice((None, 0, 1, 3)),
            supply_offset_days=choice((None, 0, 1)),
            demand_fence_days=choice((None, 0, 2)),
            demand_offset_days=choice((None, 0, 1)),
            firmness=choice((None, ["firm"], ["firm", "in_transit", "planned"])),
            carry_shortage=choice((None, True, False)),
            ranking=choice((None, "fifo", "priority_fifo")),
            sourcing=choice((None, None, {"mode": "single"}, {"mode": "split", "max_splits": 1})),
            invoice_late_days=choice((None, 1)),
            plan=choice((None, {"allocate_s": 60, "warehouse_s": 3_600, "transit_s": 86_400})),
        )

    def _product(self, at: int, sku: str) -> None:
        rng = self._rng
        others = [other for other in self.skus if other != sku]
        more: Json = {}
        if others and rng.random() < 0.25:
            parts = rng.sample(others, min(len(others), rng.choice((1, 2))))
            more["kit"] = [{"sku": part, "qty_per": rng.choice((1, 1, 2))} for part in parts]
        elif others and rng.random() < 0.3:
            more["substitutes"] = [
                {"sku": rng.choice(others), "ratio": rng.choice((1, 2)), "needs_consent": rng.random() < 0.5}
            ]
        elif others and rng.random() < 0.2:
            more["superseded_by"] = {"sku": rng.choice(others), "valid_from": self._day(at, 0)}
        self._say(
            at,
            "product.upserted",
            sku,
            sku=sku,
            name=sku,
            uom="piece",
            tracked=rng.random() < 0.9,
            lead_time_days=rng.choice((None, 0, 4)),
            unconditional_after_lead_time=rng.random() < 0.3,
            **more,
        )

    def _hold(self, at: int, sku: str, location: str, hold_id: str, qty: int) -> None:
        rng = self._rng
        self._say(
            at,
            "hold.placed",
            sku,
            hold_id=hold_id,
            qty=qty,
            location=location if rng.random() < 0.4 else None,
            channel=rng.choice((None, "web", "shop")),
            ttl_s=rng.choice((30, 300, 1_800, 7_200)),
            owner="basket",
        )
        roll = rng.random()
        soon = at + rng.randrange(1, 600) * SECOND_US
        if roll < 0.25:
            self._say(soon, "hold.extended", sku, hold_id=hold_id, ttl_s=rng.choice((60, 900)))
        elif roll < 0.45:
            self._say(soon, "hold.released", sku, hold_id=hold_id)
        elif roll < 0.65:
            mine = [known for known in self._order_lines if known[2] == sku] or [("o99", "1", sku)]
            order_id, line_id, _ = rng.choice(mine)
            self._say(soon, "hold.converted", sku, hold_id=hold_id, order_id=order_id, line_id=line_id)

    # --- events ---

    def _by_source(self) -> dict[str, list[Event]]:
        rng = self._rng
        found: dict[str, list[Event]] = {}
        for at_us, name, subject, data in sorted(self._facts, key=lambda fact: fact[0]):
            topic = FACT_BY_NAME[name].topic
            source = _SOURCES.get(name.split(".", 1)[0], _SOURCES[topic])
            late_us = rng.randrange(600) * SECOND_US if rng.random() < 0.1 else 0
            event = self._event(START_US + max(0, at_us - late_us), name, topic, source, subject, data)
            sent = found.setdefault(source, [])
            if rng.random() < 0.04:
                sent.append(self._broken(event))
            sent.append(event)
        return found

    def _event(self, at_us: int, name: str, topic: str, source: str, subject: str, data: Json) -> Event:
        self._number += 1
        event_id = str(self._number)
        envelope: Json = {
            "specversion": "1.0",
            "id": event_id,
            "source": source,
            "type": f"springtide.{name}.v1",
            "subject": subject,
            "time": rfc3339(at_us),
            "data": data,
        }
        if self._rng.random() < 0.3:
            envelope["recordedtime"] = rfc3339(at_us + SECOND_US)
        return Event(topic, subject.encode(), _encode(envelope), source, event_id)

    def _broken(self, event: Event) -> Event:
        rng = self._rng
        self._number += 1
        event_id = f"broken{self._number}"
        body = msgspec.json.decode(event.value)
        body["id"] = event_id
        topic, key = event.topic, event.key
        code = rng.choice(
            (
                "not_json",
                "missing_field",
                "wrong_type",
                "unknown_type",
                "time_without_offset",
                "not_authoritative",
                "key_mismatch",
                "wrong_topic",
            )
        )
        if code == "not_json":
            return Event(topic, key, rng.choice((b"", b"{", b"\xff\xfe", b"no")), "", event_id, code)
        if code == "missing_field":
            del body["time"]
        elif code == "wrong_type":
            body["subject"] = 4711
        elif code == "unknown_type":
            body["type"] = "springtide.order.teleported.v1"
        elif code == "time_without_offset":
            body["time"] = "2026-03-02T06:00:00"
        elif code == "not_authoritative":
            body["source"] = "storefront" if body["source"] == "crm" else "crm"
        elif code == "key_mismatch":
            key = b"?" + key
        else:
            topic = "shipments" if topic == "inventory" else "inventory"
        return Event(topic, key, _encode(body), event.source, event_id, code)
