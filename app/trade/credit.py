"""What the ERP's credit check says of the businesses that order: exposures, and holds of customers."""

from __future__ import annotations

import random
from collections import deque
from typing import Final

from springtide.app.trade.agenda import Agenda
from springtide.app.trade.emission import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Pen
from springtide.app.trade.names import customer_name, money
from springtide.app.trade.spec import TradeSpec

_SOURCE: Final = "erp/credit"
_PAID_AFTER_MS: Final = 5 * DAY_MS
_EXPOSURE_MAX: Final = 500_000
"""Cents beyond which a customer's next order is held."""
_UNPAID_MAX: Final = 100


class Credit:
    """Follows each business's exposure by the orders it placed in the last days."""

    def __init__(self, spec: TradeSpec, rng: random.Random, pen: Pen, agenda: Agenda) -> None:
        self._spec = spec
        self._random = rng.random
        self._pen = pen
        self._agenda = agenda
        self._unpaid: dict[int, deque[tuple[int, int]]] = {}
        self._holds = 0

    def check(self, customer: int, cents: int, at_ms: int) -> int:
        """Tells the exposure with a new order of so many cents; when the order may go on."""
        unpaid = self._unpaid.setdefault(customer, deque(maxlen=_UNPAID_MAX))
        while unpaid and unpaid[0][0] + _PAID_AFTER_MS <= at_ms:
            unpaid.popleft()
        unpaid.append((at_ms, cents))
        exposure = sum(amount for _, amount in unpaid)
        at_ms += 5 * SECOND_MS
        self._tell("credit.exposure_changed", customer, at_ms, f'{{"exposure":"{money(exposure)}"}}')
        luck = self._random()
        if exposure <= _EXPOSURE_MAX and luck >= self._spec.credit_hold_share:
            return at_ms
        self._holds += 1
        data = f'{{"hold_id":"CR{self._spec.seed}-{self._holds:06d}"}}'
        at_ms += SECOND_MS
        self._tell("credit.hold_placed", customer, at_ms, data)
        end_ms = at_ms + 20 * MINUTE_MS + int(self._random() ** 2 * 30 * HOUR_MS)
        self._tell("credit.hold_released", customer, end_ms, data)
        return end_ms

    def _tell(self, fact: str, customer: int, at_ms: int, data: str) -> None:
        name = customer_name(customer)
        self._agenda.put(at_ms, self._pen.write(fact, _SOURCE, name, name.encode(), at_ms, data))
