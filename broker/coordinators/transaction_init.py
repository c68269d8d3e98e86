"""InitProducerId of a transactional id: a producer begins, and whoever had the id before is fenced.

An open transaction of the one before is aborted first; the new one is asked to come again (CONCURRENT_TRANSACTIONS).
A producer that names the id and epoch it had (KIP-360) goes on only if nobody else has begun since.
Kafka: `TransactionCoordinator.prepareInitProducerIdTransit`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode
from .transaction_decision import Answer, Decision, refused, written
from .transaction_end import abort_by_fencing
from .transaction_metadata import NO_PRODUCER_EPOCH, is_epoch_exhausted
from .transaction_state import TransactionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transaction_decision import Transaction
    from .transaction_metadata import TransactionMetadata


class ProducerIdAndEpoch(NamedTuple):
    """Who a producer believes to be."""

    producer_id: int
    epoch: int


def init_producer_id(
    transaction: Transaction,
    timeout_ms: int,
    expected: ProducerIdAndEpoch | None,
    *,
    server_transaction_version: int,
    new_producer_id: Callable[[], int],
    now_ms: int,
) -> Decision:
    """Decide who may go on with the transactional id. `new_producer_id` may raise; nothing has changed then."""
    metadata = transaction.metadata
    if transaction.pending_state is not None:
        return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    if expected is not None and not _may_be(expected, metadata):
        return refused(ErrorCode.PRODUCER_FENCED)
    if metadata.state.is_prepared:
        return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    if metadata.state is TransactionState.ONGOING:
        decision = abort_by_fencing(transaction, server_transaction_version, new_producer_id, now_ms)
        return decision._replace(answer=Answer(ErrorCode.CONCURRENT_TRANSACTIONS))
    if metadata.is_epoch_exhausted and (expected is None or expected.epoch == metadata.producer_epoch):
        begun: TransactionMetadata | None = metadata.with_new_producer_id(
            new_producer_id(), timeout_ms, keeps_last_epoch=expected is not None, now_ms=now_ms
        )
    else:
        begun = metadata.with_next_epoch(timeout_ms, None if expected is None else expected.epoch, now_ms)
    if begun is None:
        return refused(ErrorCode.PRODUCER_FENCED)
    transaction.pending_state = begun.state
    return written(begun, Answer(ErrorCode.NONE, begun.producer_id, begun.producer_epoch))


def _may_be(expected: ProducerIdAndEpoch, metadata: TransactionMetadata) -> bool:
    """Whether nobody else has begun since, as far as the producer id tells.

    A transactional id that is new here takes anybody: its producer comes back after its state was lost. So does one
    whose producer repeats the request with which its last epoch ran out, and does not know its new id yet.
    """
    return (
        metadata.producer_epoch == NO_PRODUCER_EPOCH
        or expected.producer_id == metadata.producer_id
        or (expected.producer_id == metadata.previous_producer_id and is_epoch_exhausted(expected.epoch))
    )
