"""The broker properties that decide how transactions behave."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TransactionSettings:
    """Kafka's defaults; each comment names the property."""

    timeout_max_ms: int = 900_000  # transaction.max.timeout.ms
    expiration_ms: int = 604_800_000  # transactional.id.expiration.ms
    expiration_check_interval_ms: int = 3_600_000  # transaction.remove.expired.transaction.cleanup.interval.ms
    timeout_check_interval_ms: int = 10_000  # transaction.abort.timed.out.transaction.cleanup.interval.ms
