"""One order, as the naive model keeps it: the oracle for what OrderActors do.

Written from the definitions of order status; it shares no code with the domain. Quantities are summed anew
from the shipments, invoices and returns each time.

    order = NaiveOrder("o-1")
    applying = Applying(order, at_us, recorded_us, event_id, now_us)    # of `naive_order_steps`
    applying.fact("order.placed", data)
    applying.conclude(outcome, origin)                                  # requests and published changes
    picture(order)                                                      # of `naive_picture`: every figure
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from springtide.app.verify.naive_delay import CAUSES, WaitState, stretches
from springtide.app.verify.naive_finance import Money, text
from springtide.app.verify.naive_line import Mark, Need, OrderLine, Stop
from springtide.app.verify.naive_parcel import STEPS, Parcel, Stamp, Units
from springtide.app.verify.naive_promise import About, Asked
from springtide.app.verify.naive_returns import Backs
from springtide.app.verify.naive_ways import figures
from springtide.codecs import facts as f
from springtide.codecs.messages import Fact, Origin, SuppliedLine

FACTS_MAX: Final = 10_000
WAITING_MAX: Final = 200
LIST_MAX: Final = 200
NO_ORIGIN: Final[Origin] = (0, 0, -1)
NOWHERE: Final = "?"
QUANTITIES: Final = (
    *("ordered", "cancelled", "allocated", "backordered", *STEPS, "delivered", "lost"),
    *("returned", "restocked", "invoiced", "credited"),
)


class NaiveOrder(msgspec.Struct, array_like=True):
    """See the module. `Applying` changes it."""

    order_id: str
    placed: f.OrderPlaced | None = None
    placed_us: int = 0
    revision: int = -1
    rulings: list[tuple[Stamp, str, str]] = []
    """(when, confirmed or rejected, reason), as often as it was said."""
    lowered: Stamp | None = None
    """When a revision last wanted less of a line."""
    cancels: dict[str, Stamp] = {}
    """Line -> the last cancellation that named it."""
    lines: dict[str, OrderLine] = {}
    parcels: dict[str, Parcel] = {}
    money: Money = msgspec.field(default_factory=Money)
    backs: Backs = msgspec.field(default_factory=Backs)
    stops: dict[str, Stop] = {}
    marks: list[Mark] = []
    said: dict[str, list[Stamp]] = {}
    """Milestone that facts state -> when, each time."""
    exceptions: list[tuple[str, str, int]] = []
    """(kind, event id, instant)"""
    wait_states: list[WaitState] = []
    needs: dict[str, Need] = {}
    waiting: list[Fact] = []
    status: str = ""
    version: int = 0
    facts: int = 0
    changed_us: int = 0
    correlation: str | None = None
    customer_seq: int = 0
    customer_class: str | None = None
    customer_region: str | None = None
    account: tuple[bool, bool, int, int, int] | None = None
    """What its customer was told last: open, held, wanted and shipped units, revision."""
    account_request: int = 0
    about: About = msgspec.field(default_factory=About)
    compound: bool = False
    """Whether any line is, or was, had by several SKUs."""
    ship_day: int | None = None
    stated_by: str = ""
    """What stated the lines last."""
    promise: Asked | None = None
    orphan_us: int = 0
    """When the facts that wait are given up."""

    def ruled(self, what: str) -> tuple[Stamp, str, str] | None:
        """The first time that it was confirmed, or rejected."""
        return min((one for one in self.rulings if one[1] == what), key=lambda one: one[0][0], default=None)

    @property
    def rejected(self) -> str | None:
        """Why, if it was rejected before it was confirmed."""
        confirmed, rejected = self.ruled("confirmed"), self.ruled("rejected")
        if rejected is None:
            return None
        if confirmed is not None:
            first = min((confirmed, rejected), key=lambda one: (one[0][0], self.rulings.index(one)))
            return None if first is confirmed else rejected[2]
        return rejected[2]

    @property
    def confirmed(self) -> bool:
        return self.ruled("confirmed") is not None and self.rejected is None

    # --- figures ---

    def by_key(self, step: str) -> Units:
        """Units at a step or beyond it as shipments name them: by line, and the SKU if it is one of several."""
        found: Units = {}
        for parcel in self.parcels.values():
            for key, units in parcel.units(step).items():
                found[key] = found.get(key, 0) + units
        return found

    def by_line(self, step: str) -> Units:
        """The same in units of lines: whole kits, and what substitutes stand for."""
        return self.in_lines(self.by_key(step))

    def in_lines(self, keyed: Units) -> Units:
        """Units as shipments name them in units of lines."""
        if not self.compound:
            return keyed
        found = {key: units for key, units in keyed.items() if "\x00" not in key}
        for line_id, line in self.lines.items():
            if line.made is not None:
                parts = [keyed.get(f"{line_id}\x00{p.sku}", 0) // p.per for p in line.made.parts]
                units = min(parts) if line.made.kit else sum(parts)
                found[line_id] = found.get(line_id, 0) + units
        return found

    def total(self, step: str) -> int:
        """Units of the whole order at a step or beyond it."""
        return sum(self.by_line(step).values())

    def shipped(self, line_id: str) -> int:
        return self.by_line("shipped").get(line_id, 0)

    def ledger(self, line_id: str) -> dict[str, int]:
        """Every quantity of a line, ordered or only named by facts."""
        line = self.lines.get(line_id) or OrderLine("", 0)
        return {
            "ordered": line.ordered,
            "cancelled": line.cancelled,
            "allocated": line.allocated,
            "backordered": line.backordered,
            **{step: self.by_line(step).get(line_id, 0) for step in (*STEPS, "delivered", "lost")},
            "returned": self.backs.returned(line_id),
            "restocked": max(self.backs.found_good(line_id), self.money.credited(line_id, restock=True)),
            "invoiced": self.money.invoiced(line_id),
            "credited": self.money.credited(line_id),
        }

    def ledgers(self) -> dict[str, dict[str, int]]:
        """Of all lines; of those that are named and not ordered, where there is anything to tell."""
        named = dict.fromkeys(self.lines)
        named |= dict.fromkeys(self.by_line("released"))
        named |= self.money.line_ids() | self.backs.line_ids()
        found = {line_id: self.ledger(line_id) for line_id in named}
        return {name: ledger for name, ledger in found.items() if name in self.lines or any(ledger.values())}

    def net(self) -> int:
        """N: ordered, less what is cancelled, less what is lost and credited."""
        lost = sum(self.money.credited(line_id, lost=True) for line_id in self.lines)
        return sum(line.open() for line in self.lines.values()) - lost

    def held(self) -> bool:
        return any(stop.released_us is None for stop in self.stops.values())

    def header(self) -> str:
        """The first rule of the definition that holds."""
        net = self.net()
        returned = sum(self.backs.returned(line_id) for line_id in self.backs.line_ids())
        delivered, shipped, released = (self.total(step) for step in ("delivered", "shipped", "released"))
        allocated = sum(line.allocated for line in self.lines.values())
        rules = (
            ("REJECTED", self.rejected is not None),
            ("CANCELLED", net <= 0),
            ("RETURNED", returned >= net),
            ("PARTIALLY_RETURNED", returned > 0),
            (
                "CLOSED",
                delivered >= net
                and self.money.finance(shipped) == "RECONCILED"
                and not self.held()
                and not self.backs.outstanding(),
            ),
            ("DELIVERED", delivered >= net),
            ("PARTIALLY_DELIVERED", delivered > 0),
            ("SHIPPED", shipped >= net),
            ("PARTIALLY_SHIPPED", shipped > 0),
            ("ON_HOLD", self.held()),
            ("IN_FULFILMENT", released > 0),
            ("ALLOCATED", allocated >= net),
            ("PARTIALLY_ALLOCATED", allocated > 0),
            ("BACKORDERED", any(line.backordered for line in self.lines.values())),
            ("CONFIRMED", self.confirmed),
        )
        return next((status for status, holds in rules if holds), "RECEIVED")

    def priced(self) -> Decimal | None:
        """What the lines come to by their own prices; None if any has none."""
        if any(line.price is None for line in self.lines.values()):
            return None
        return sum((Decimal(x.price or 0) * x.open() for x in self.lines.values()), Decimal(0))

    def axes(self) -> dict[str, str]:
        return {
            "finance": self.money.finance(self.total("shipped")),
            "payment": self.money.payment(self.priced()),
            "returns": self.backs.axis(),
        }

    def mark(self, name: str) -> Mark | None:
        return next((mark for mark in self.marks if mark.name == name), None)

    def settled(self) -> Stamp:
        """The last of the facts by which a closed order is delivered, reconciled and free."""
        received = self.mark("received")
        found = [] if received is None else [(self.placed_us, received.recorded_us, received.event_id)]
        found += [] if self.lowered is None else [self.lowered]
        for line in self.lines.values():
            if line.cancelled:
                found += [stamp for stamp in (*line.cancel_told, line.left_out) if stamp is not None]
        for parcel in self.parcels.values():
            shipped, voided = parcel.first("shipped"), parcel.first("voided")
            if parcel.voided is None:
                found += sorted(scan.stamp() for scan in parcel.counting() if scan.status == "delivered")[:1]
                found += [] if shipped is None else [shipped]
            elif shipped is not None and voided is not None:
                found.append(voided)
        for bill in self.money.bills.values():
            stamps = (bill.posted(), min(bill.reversed, default=None))
            found += [stamp for stamp in stamps if stamp is not None]
        found += [min(memo.told) for memo in self.money.memos.values()]
        found += [stop.released for stop in self.stops.values() if stop.released is not None]
        for back in self.backs.by_id.values():
            for what in {one.what for one in back.told}:
                found.append(min(one.stamp for one in back.told if one.what == what))
        return max(found)

    def gate(self) -> str | None:
        """What holds it up before a warehouse works on it: the first of its holds, else what it waits for."""
        held = [stop.reason for stop in self.stops.values() if stop.released is None]
        waits = [cause for cause, _, until in stretches(self.wait_states)[-1:] if until is None]
        return min(held, key=CAUSES.index, default=waits[0] if waits else None)

    def out_of_the_world(self) -> bool:
        """Nothing of it is to be delivered any more."""
        if self.status == "PARTIALLY_RETURNED":
            return self.total("delivered") >= self.net()
        return self.status in ("REJECTED", "CANCELLED", "RETURNED", "CLOSED", "DELIVERED")

    def open_amount(self) -> str:
        """By its own prices, what is wanted and has not shipped."""
        amounts = [
            Decimal(line.price) * max(0, line.open() - self.shipped(line_id))
            for line_id, line in self.lines.items()
            if line.price is not None
        ]
        return text(sum(amounts, Decimal(0)))

    # --- SKUs ---

    def told(self, sku: str, line_id: str) -> SuppliedLine:
        """What a SKU answered last of a line."""
        need = self.needs.get(sku) or Need()
        return need.lines.get(line_id) or SuppliedLine(line_id, 0, 0, {})

    def state(self, sku: str) -> str:
        return self.needs[sku].state if sku in self.needs else "none"

    def figures(self, line_id: str) -> tuple[int, int, Units]:
        """(allocated, backordered, cells) of a line by the last answers."""
        line = self.lines[line_id]
        if line.made is not None:
            return figures(line.made, self.wanted(line_id), lambda sku: self.told(sku, line_id))
        told = self.told(line.sku, line_id)
        return told.allocated, told.backordered, told.cells

    def wanted(self, line_id: str) -> int:
        """Units of a line that are wanted, shipped ones included; of a promise that was given what is kept."""
        line, promise = self.lines[line_id], self.promise
        if self.rejected is not None:
            return 0
        if self.placed is not None or promise is None or promise.state == "asked":
            return line.open()
        return min(line.open(), promise.kept.get(line_id, 0))

    def ranked_us(self) -> int:
        """Since when it has its rank: the order's instant, or that of the promise it took."""
        if self.promise is not None and self.promise.state in ("asked", "given", "taken"):
            return self.promise.asked_us
        return self.placed_us

    def next_us(self, now_us: int) -> int | None:
        """When time itself brings something about."""
        found = [
            part.from_us
            for line in self.lines.values()
            if line.made is not None and not line.made.kit and line.allocated < line.open()
            for part in line.made.parts
            if part.from_us > now_us
        ]
        if self.placed is None and self.waiting:
            found.append(self.orphan_us)
        if self.placed is None and self.promise is not None and self.promise.state in ("asked", "given"):
            found.append(self.promise.expires_us)
        return min(found, default=None)

    def at_work(self) -> bool:
        """Whether any shipment stands that names units."""
        return any(parcel.voided is None and parcel.skus for parcel in self.parcels.values())
