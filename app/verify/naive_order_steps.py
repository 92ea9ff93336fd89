"""What one fact, answer or instant does to a naive order, and what must follow in the log."""

from __future__ import annotations

from springtide.app.verify.naive_act import Due, Outcome
from springtide.app.verify.naive_money_steps import MoneyActs
from springtide.app.verify.naive_order_facts import OrderActs
from springtide.app.verify.naive_parcel_steps import ParcelActs
from springtide.codecs import facts as f
from springtide.codecs.letters import MilestoneTold, StatusChange
from springtide.codecs.messages import CustomerOrder, Origin
from springtide.codecs.times import rfc3339

__all__ = ["Applying", "Outcome"]


class Applying(OrderActs, ParcelActs, MoneyActs):
    """One fact, answer or instant applied to one order."""

    def fact(self, name: str, data: f.Data) -> None:
        getattr(self, "_" + name.replace(".", "_"))(data)
        self.settle_cancelled()

    def conclude(self, outcome: Outcome, origin: Origin) -> None:
        """Requests to SKUs, then the status, and its change if there is one."""
        self.settle()
        self.request(outcome, origin)
        if self.order.placed is not None:
            before = self.order.status
            self._status()
            self._publish(before, outcome)
            self._account(outcome, origin)

    def _status(self) -> None:
        order = self.order
        net = order.net()
        allocated = sum(line.allocated for line in order.lines.values())
        unanswered = [
            line
            for line in order.lines.values()
            if line.day is None and line.open() > line.allocated + line.backordered
        ]
        if allocated >= net > 0:
            self.reach("allocated")
        elif 0 < allocated < net and not unanswered:
            self.reach("partially_allocated")
        if any(line.backordered for line in order.lines.values()):
            self.reach("backordered")
        promised = [sum(one[2] for one in x.promises) >= x.open() for x in order.lines.values()]
        if self.heard and net > 0 and all(promised):
            self.reach("promise_set")
        before, order.status = order.status, order.header()
        if order.status == "CLOSED":
            self.mark("reopened", None)
            self.mark("closed", Due(False, False, order.settled()))
        elif before == "CLOSED":
            self.mark("closed", None)
            self.reach("reopened")
        order.changed_us = max(order.changed_us, self.at_us)

    def _publish(self, before: str, outcome: Outcome) -> None:
        order, d = self.order, self.order.placed
        assert d is not None
        if order.status != before or self.reached:
            order.version += 1
            outcome.changes.append(
                StatusChange(
                    order_id=order.order_id,
                    version=order.version,
                    status=order.status,
                    previous=before or None,
                    milestones=tuple(self._told(name) for name in self.reached),
                    at=rfc3339(self.at_us),
                    event_id=self.event_id,
                    customer_id=d.customer_id,
                    channel=d.channel,
                    region=d.region if d.region is not None else order.customer_region,
                    correlation_id=order.correlation,
                    holds=tuple(stop.reason for stop in order.stops.values() if stop.released_us is None),
                    cause=order.gate(),
                    customer_class=order.customer_class,
                )
            )

    def _told(self, name: str) -> MilestoneTold:
        mark = self.order.mark(name)
        assert mark is not None
        at, recorded = rfc3339(mark.occurred_us), rfc3339(mark.recorded_us)
        return MilestoneTold(name, at, recorded, mark.inferred, mark.superseded)

    def _account(self, outcome: Outcome, origin: Origin) -> None:
        """What its customer is to know, where it is not what it was told last."""
        order, d = self.order, self.order.placed
        assert d is not None
        is_open = not order.out_of_the_world()
        held = any(stop.of_customer and stop.released is None for stop in order.stops.values())
        now = (is_open, held, order.net(), order.total("shipped"), order.revision)
        if now == order.account or (order.account is None and not is_open):
            return
        order.account = now
        order.account_request += 1
        amount = order.open_amount() if is_open else "0.00"
        told = CustomerOrder(
            order.order_id, order.account_request, self.at_us, is_open, held, d.currency, amount, origin
        )
        outcome.accounts.append((d.customer_id, told))
