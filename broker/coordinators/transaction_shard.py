"""All transactional ids whose records share one partition of `__transaction_state`.

A shard decides, and replays what was written. It is the same after a load as it was before: what `replay` made of the
log is all that lasts. Kafka: `TransactionCoordinator`, `TransactionStateManager`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from . import transaction_end, transaction_init, transaction_partitions
from .transaction_decision import Answer, Decision, Transaction
from .transaction_metadata import TransactionMetadata
from .transaction_records import TransactionRecord, record_of
from .transaction_state import PREPARED, TransactionState

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.errors import ErrorCode
    from .transaction_init import ProducerIdAndEpoch
    from .transaction_metadata import TopicPartition

NO_TIMEOUT_MS: Final = 2_147_483_647
"""A transaction with this timeout belongs to a two-phase commit (KIP-939), which is never aborted by time."""

_ONGOING: Final = TransactionState.ONGOING
# What a NamedTuple's own constructor ends in.
_new_tuple = tuple.__new__
TOMBSTONE_BATCH_BYTES: Final = 16_384
_TOMBSTONE_OVERHEAD_BYTES: Final = 20


class Completion(NamedTuple):
    """What ends a prepared transaction: a marker in each partition, then a record."""

    prepared: TransactionMetadata
    record: TransactionRecord

    @property
    def is_commit(self) -> bool:
        """Which way it ends."""
        return self.prepared.state is TransactionState.PREPARE_COMMIT


class TransactionShard:
    """The transactional ids of one partition."""

    __slots__ = ("_new_producer_id", "_open", "transactions")

    def __init__(self, new_producer_id: Callable[[], int]) -> None:
        """`new_producer_id` gives an id that nobody has had; what it raises, the requests that need one raise."""
        self._new_producer_id = new_producer_id
        self.transactions: dict[str, Transaction] = {}
        self._open: dict[str, Transaction] = {}
        """Those with an open transaction, which alone can time out."""

    # ---- records

    def replay(self, record: TransactionRecord) -> None:
        """Take over one record, from the log or just written to it: the only place where what lasts changes."""
        transactional_id, metadata = record
        if metadata is None:
            self.transactions.pop(transactional_id, None)
            self._open.pop(transactional_id, None)
            return
        transaction = self.transactions.get(transactional_id)
        if transaction is None:
            transaction = self.transactions[transactional_id] = Transaction(metadata)
        transaction.metadata = metadata
        transaction.pending_state = None
        state = metadata.state
        if state in PREPARED:
            transaction.markers_left = set(metadata.partitions)
        elif transaction.markers_left:
            transaction.markers_left = set()
        if state is _ONGOING:
            self._open[transactional_id] = transaction
        else:
            self._open.pop(transactional_id, None)

    def forget(self, decision: Decision) -> None:
        """The records of a decision could not be written: it was never taken."""
        for record in decision.records:
            transaction = self.transactions.get(record.transactional_id)
            if transaction is not None:
                transaction.pending_state = None

    # ---- requests

    def init_producer_id(
        self,
        transactional_id: str,
        timeout_ms: int,
        expected: ProducerIdAndEpoch | None,
        server_transaction_version: int,
        now_ms: int,
    ) -> Decision:
        """Let a producer begin; a transactional id that is not known comes to be."""
        transaction = self.transactions.get(transactional_id)
        if transaction is None:
            created = TransactionMetadata(
                transactional_id, self._new_producer_id(), timeout_ms=timeout_ms, last_update_timestamp_ms=now_ms
            )
            transaction = self.transactions[transactional_id] = Transaction(created)
        return transaction_init.init_producer_id(
            transaction,
            timeout_ms,
            expected,
            server_transaction_version=server_transaction_version,
            new_producer_id=self._new_producer_id,
            now_ms=now_ms,
        )

    def add_partitions(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        partitions: frozenset[TopicPartition],
        transaction_version: int,
        now_ms: int,
    ) -> Decision:
        """Let partitions join a transaction."""
        transaction = self.transactions.get(transactional_id)
        return transaction_partitions.add_partitions(
            transaction, producer.producer_id, producer.epoch, partitions, transaction_version, now_ms
        )

    def verify_partition(
        self, transactional_id: str, producer: ProducerIdAndEpoch, partition: TopicPartition
    ) -> ErrorCode:
        """Ask whether a partition is part of a transaction."""
        transaction = self.transactions.get(transactional_id)
        return transaction_partitions.verify_partition(transaction, producer.producer_id, producer.epoch, partition)

    def end_transaction(
        self,
        transactional_id: str,
        producer: ProducerIdAndEpoch,
        transaction_version: int,
        now_ms: int,
        *,
        is_commit: bool,
    ) -> Decision:
        """Commit or abort."""
        return transaction_end.end_transaction(
            self.transactions.get(transactional_id),
            producer.producer_id,
            producer.epoch,
            is_commit=is_commit,
            transaction_version=transaction_version,
            new_producer_id=self._new_producer_id,
            now_ms=now_ms,
        )

    # ---- completion

    def prepared_ids(self) -> list[str]:
        """The transactional ids whose markers are not all written; after a load they are to be completed."""
        return [
            transactional_id
            for transactional_id, transaction in self.transactions.items()
            if transaction.metadata.state.is_prepared
        ]

    def begin_completion(self, transactional_id: str, now_ms: int) -> Completion | None:
        """What is to be written now that the end is on record; None where nothing is to be completed, or it is being.

        Until the record is replayed the transaction takes no requests.
        """
        transaction = self.transactions.get(transactional_id)
        if transaction is None or transaction.pending_state is not None:
            return None
        metadata = transaction.metadata
        if metadata.state not in PREPARED:
            return None
        completed = metadata.completed(now_ms)
        transaction.pending_state = completed.state
        return _new_tuple(Completion, (metadata, record_of(completed)))

    def marker_written(self, transactional_id: str, partition: TopicPartition) -> None:
        """One partition has its marker, or is gone."""
        transaction = self.transactions.get(transactional_id)
        if transaction is not None:
            transaction.markers_left.discard(partition)

    # ---- time

    def timed_out_ids(self, now_ms: int) -> list[str]:
        """The transactional ids whose open transaction has lasted longer than its producer allowed."""
        return [
            transactional_id
            for transactional_id, transaction in self._open.items()
            if transaction.pending_state is None and _has_timed_out(transaction.metadata, now_ms)
        ]

    def abort_timed_out(self, transactional_id: str, server_transaction_version: int, now_ms: int) -> Decision:
        """Abort an open transaction and fence its producer."""
        transaction = self.transactions[transactional_id]
        return transaction_end.abort_by_fencing(transaction, server_transaction_version, self._new_producer_id, now_ms)

    def expire(self, expiration_ms: int, now_ms: int, batch_bytes_max: int = TOMBSTONE_BATCH_BYTES) -> list[Decision]:
        """End the transactional ids that nobody has used for so long; their tombstones in batches that fit."""
        batches: list[list[TransactionRecord]] = []
        room = 0
        for transactional_id, transaction in self.transactions.items():
            if transaction.pending_state is not None or not _has_expired(transaction.metadata, expiration_ms, now_ms):
                continue
            transaction.pending_state = TransactionState.DEAD
            size = _TOMBSTONE_OVERHEAD_BYTES + len(transactional_id.encode())
            if not batches or size > room:
                batches.append([])
                room = batch_bytes_max
            batches[-1].append(TransactionRecord(transactional_id, None))
            room -= size
        return [Decision(Answer(), tuple(batch)) for batch in batches]


def _has_timed_out(metadata: TransactionMetadata, now_ms: int) -> bool:
    return metadata.timeout_ms != NO_TIMEOUT_MS and metadata.start_timestamp_ms + metadata.timeout_ms < now_ms


def _has_expired(metadata: TransactionMetadata, expiration_ms: int, now_ms: int) -> bool:
    return metadata.state.is_at_rest and metadata.last_update_timestamp_ms <= now_ms - expiration_ms
