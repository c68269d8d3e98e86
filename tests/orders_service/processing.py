"""What becomes of one record: an invoice, another try later, or a dead letter. Knows no Kafka client and no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from .messages import Invoice, Malformed, Order

if TYPE_CHECKING:
    from collections.abc import Mapping

ORDERS = "orders"
RETRIES = "orders.retry"
DEAD_LETTERS = "orders.dead-letters"
INVOICES = "invoices"

ATTEMPT = "attempt"
NOT_BEFORE_MS = "not-before-ms"
REASON = "reason"
ORIGIN = "origin"


class WarehouseUnavailable(Exception):
    """The warehouse does not answer now."""


class UnknownItem(Exception):
    """The warehouse has no such thing and will not have it."""


class Warehouse(Protocol):
    def price_cents(self, item: str) -> int:
        """Raises WarehouseUnavailable, UnknownItem."""


@dataclass(frozen=True)
class RetryPolicy:
    attempts: int = 3
    first_delay_ms: int = 30_000

    def delay_ms(self, attempt: int) -> int:
        """Twice as long each time."""
        return self.first_delay_ms << (attempt - 1)


@dataclass(frozen=True)
class Incoming:
    """A record of the orders or the retry topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    @property
    def attempt(self) -> int:
        """1 for the first one."""
        return int(self.headers.get(ATTEMPT, b"1"))

    @property
    def not_before_ms(self) -> int:
        return int(self.headers.get(NOT_BEFORE_MS, b"0"))

    @property
    def origin(self) -> bytes:
        """Where it was before it was sent on for the first time."""
        return self.headers.get(ORIGIN, f"{self.topic}-{self.partition}@{self.offset}".encode())


@dataclass(frozen=True)
class Outgoing:
    """A record to be written."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]


def decide(record: Incoming, warehouse: Warehouse, policy: RetryPolicy, now_ms: int) -> Outgoing:
    """The one record that this one becomes."""
    try:
        order = Order.from_json(record.value)
        total = order.quantity * warehouse.price_cents(order.item)
    except WarehouseUnavailable as error:
        return _later(record, policy, now_ms, str(error))
    except (Malformed, UnknownItem) as error:
        return _dead(record, str(error))
    invoice = Invoice(order.order_id, total)
    return Outgoing(INVOICES, order.order_id.encode(), invoice.to_json(), {ORIGIN: record.origin})


def _later(record: Incoming, policy: RetryPolicy, now_ms: int, reason: str) -> Outgoing:
    if record.attempt >= policy.attempts:
        return _dead(record, f"{record.attempt} attempts, {reason}")
    headers = {
        ATTEMPT: str(record.attempt + 1).encode(),
        NOT_BEFORE_MS: str(now_ms + policy.delay_ms(record.attempt)).encode(),
        ORIGIN: record.origin,
    }
    return Outgoing(RETRIES, record.key, record.value, headers)


def _dead(record: Incoming, reason: str) -> Outgoing:
    return Outgoing(DEAD_LETTERS, record.key, record.value, {REASON: reason.encode(), ORIGIN: record.origin})
