"""Names of the topics that actors read and write; ingress topics are named by the event contract."""

from __future__ import annotations

from typing import Final

INBOX_SKU: Final = "inbox-sku"
INBOX_ORDER: Final = "inbox-order"
INBOX_CUSTOMER: Final = "inbox-customer"
ATP: Final = "atp"
ORDER_STATUS: Final = "order-status"
CUSTOMERS: Final = "customers"
STATUS_CHANGES: Final = "status-changes"
DEAD_LETTERS: Final = "dead-letters"
SUBSCRIPTIONS: Final = "subscriptions"
ACCESS: Final = "access"
EXCEPTION_ACTIONS: Final = "exception-actions"
