"""EndTxn: commit or abort, in the ways of both transaction versions, and the abort that a coordinator decides alone.

In version 2 (KIP-890) each end raises the producer's epoch, so a repeated request is known by the epoch before:

| state, epoch of the request | abort | commit |
|---|---|---|
| Empty, before the current | PRODUCER_FENCED | PRODUCER_FENCED |
| Empty, current | ends with a new epoch | INVALID_TXN_STATE |
| CompleteAbort, before the current | answered again | INVALID_TXN_STATE |
| CompleteAbort, current | ends with a new epoch | INVALID_TXN_STATE |
| CompleteCommit, before the current | INVALID_TXN_STATE | answered again |
| CompleteCommit, current | ends with a new epoch | INVALID_TXN_STATE |

In version 1 a repeated request has the epoch that it had, and an end without a transaction is INVALID_TXN_STATE.
Kafka: `TransactionCoordinator.endTransaction`, `endTransactionWithTV1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from .transaction_decision import DONE, Answer, Decision, refused, written
from .transaction_metadata import LAST_USABLE_EPOCH, NO_PRODUCER_ID
from .transaction_state import TransactionState, bumps_epochs

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transaction_decision import Transaction
    from .transaction_metadata import TransactionMetadata

# To look a member up in its enum takes 0.1 µs.
_ONGOING: Final = TransactionState.ONGOING
_PREPARED = {True: TransactionState.PREPARE_COMMIT, False: TransactionState.PREPARE_ABORT}
_COMPLETE = {True: TransactionState.COMPLETE_COMMIT, False: TransactionState.COMPLETE_ABORT}


def end_transaction(
    transaction: Transaction | None,
    producer_id: int,
    producer_epoch: int,
    *,
    is_commit: bool,
    transaction_version: int,
    new_producer_id: Callable[[], int],
    now_ms: int,
) -> Decision:
    """Decide on a client's EndTxn. `new_producer_id` may raise; nothing has changed then."""
    if transaction is None:
        return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if bumps_epochs(transaction_version):
        return _end_with_new_epoch(
            transaction, producer_id, producer_epoch, is_commit, transaction_version, new_producer_id, now_ms
        )
    return _end(transaction, producer_id, producer_epoch, is_commit, now_ms)


def abort_by_fencing(
    transaction: Transaction, server_transaction_version: int, new_producer_id: Callable[[], int], now_ms: int
) -> Decision:
    """Abort an open transaction over its producer's head: it timed out, or another producer has begun."""
    metadata = transaction.metadata
    if bumps_epochs(server_transaction_version):
        return _prepare(
            transaction,
            metadata,
            TransactionState.PREPARE_ABORT,
            server_transaction_version,
            new_producer_id,
            now_ms,
        )
    return _prepare(transaction, metadata.fenced(), TransactionState.PREPARE_ABORT, 0, new_producer_id, now_ms)


def _end(transaction: Transaction, producer_id: int, producer_epoch: int, is_commit: bool, now_ms: int) -> Decision:
    """Decide as of transaction version 1 and below."""
    metadata = transaction.metadata
    if metadata.producer_id != producer_id:
        return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if metadata.producer_epoch != producer_epoch:
        return refused(ErrorCode.PRODUCER_FENCED)
    if transaction.pending_state is not None:
        return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    if metadata.state is _ONGOING:
        prepared = metadata.prepared(_PREPARED[is_commit], 0, now_ms=now_ms)
        transaction.pending_state = prepared.state
        return written(prepared)
    if metadata.state is _COMPLETE[is_commit]:
        return Decision(DONE)
    if metadata.state is _PREPARED[is_commit]:
        return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    return refused(ErrorCode.INVALID_TXN_STATE)


def _end_with_new_epoch(
    transaction: Transaction,
    producer_id: int,
    producer_epoch: int,
    is_commit: bool,
    transaction_version: int,
    new_producer_id: Callable[[], int],
    now_ms: int,
) -> Decision:
    """Decide as of transaction version 2."""
    if transaction.pending_state is not None:
        return refused(ErrorCode.CONCURRENT_TRANSACTIONS)
    metadata = transaction.metadata
    is_repeated_with_old_id = _is_repeated_with_old_id(metadata, producer_id, producer_epoch)
    is_repeated = is_repeated_with_old_id or metadata.producer_epoch == producer_epoch + 1
    if metadata.producer_id != producer_id and not is_repeated_with_old_id:
        return refused(ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if not _is_valid_epoch(metadata, producer_epoch, is_repeated):
        return refused(ErrorCode.PRODUCER_FENCED)
    if metadata.state.is_prepared:
        fits = metadata.state is _PREPARED[is_commit]
        return refused(ErrorCode.CONCURRENT_TRANSACTIONS if fits else ErrorCode.INVALID_TXN_STATE)
    if metadata.state is not _ONGOING:
        if is_repeated and metadata.state is _COMPLETE[is_commit]:
            return Decision(Answer(ErrorCode.NONE, metadata.producer_id, metadata.producer_epoch))
        if is_repeated or is_commit:
            return refused(ErrorCode.INVALID_TXN_STATE)
    return _prepare(transaction, metadata, _PREPARED[is_commit], transaction_version, new_producer_id, now_ms)


def _is_repeated_with_old_id(metadata: TransactionMetadata, producer_id: int, producer_epoch: int) -> bool:
    """Whether this is the request again with which the epochs of the old producer id ran out."""
    return (
        metadata.previous_producer_id == producer_id
        and producer_epoch == LAST_USABLE_EPOCH
        and metadata.producer_epoch == 0
    )


def _is_valid_epoch(metadata: TransactionMetadata, producer_epoch: int, is_repeated: bool) -> bool:
    if metadata.state.is_prepared:
        return metadata.producer_epoch == producer_epoch + 1
    is_current = metadata.producer_epoch == producer_epoch
    if metadata.state in (TransactionState.COMPLETE_COMMIT, TransactionState.COMPLETE_ABORT):
        return is_current or is_repeated
    return is_current


def _prepare(
    transaction: Transaction,
    metadata: TransactionMetadata,
    state: TransactionState,
    transaction_version: int,
    new_producer_id: Callable[[], int],
    now_ms: int,
) -> Decision:
    next_producer_id = NO_PRODUCER_ID
    if bumps_epochs(transaction_version) and metadata.is_epoch_exhausted:
        next_producer_id = new_producer_id()
    prepared = metadata.prepared(state, transaction_version, next_producer_id=next_producer_id, now_ms=now_ms)
    transaction.pending_state = state
    return written(prepared, Answer(ErrorCode.NONE, *prepared.producer_afterwards))
