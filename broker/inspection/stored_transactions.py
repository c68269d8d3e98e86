"""What `__transaction_state` knows of each transactional id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...protocol.stored.transactions import TransactionLogKey, TransactionLogValue

if TYPE_CHECKING:
    from ...protocol.schema import Message

STATES: Final = (
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "Dead",
    "PrepareEpochFence",
)
"""Kafka's `TransactionState`, by the number that is stored."""
_UNDER_WAY: Final = frozenset({"Ongoing", "PrepareCommit", "PrepareAbort", "PrepareEpochFence"})


@dataclass(frozen=True, slots=True)
class StoredTransaction:
    """The last record of a transactional id; times in ms, `partitions` those that the transaction wrote to."""

    transactional_id: str
    producer_id: int
    producer_epoch: int
    state: str
    timeout_ms: int
    started_ms: int
    updated_ms: int
    partitions: int

    @property
    def is_under_way(self) -> bool:
        """Whether readers of committed records may have to wait for it."""
        return self.state in _UNDER_WAY


def replay_transaction(transactions: dict[str, StoredTransaction], key: Message, value: Message | None) -> None:
    """Take in one record; one without a value forgets the id."""
    assert isinstance(key, TransactionLogKey)
    if not isinstance(value, TransactionLogValue):
        transactions.pop(key.transactional_id, None)
        return
    number = value.transaction_status
    transactions[key.transactional_id] = StoredTransaction(
        transactional_id=key.transactional_id,
        producer_id=value.producer_id,
        producer_epoch=value.producer_epoch,
        state=STATES[number] if 0 <= number < len(STATES) else f"unknown ({number})",
        timeout_ms=value.transaction_timeout_ms,
        started_ms=value.transaction_start_timestamp_ms,
        updated_ms=value.transaction_last_update_timestamp_ms,
        partitions=sum(len(topic.partition_ids) for topic in value.transaction_partitions or ()),
    )
