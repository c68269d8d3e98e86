"""What a partition knows of each producer id: its epoch, its last five batches, its open transaction.

A batch is checked before it is written (`check`) and counted after (`record`), so that a failed write leaves no
trace. A batch that is among the last five is a duplicate and answers with the offsets it has; otherwise it must carry
the next sequence number. A producer id that is not known may begin anywhere: its state may have been deleted with
its records, or expired.
Kafka: `ProducerStateManager`, `ProducerAppendInfo`, `ProducerStateEntry`; KIP-98, KIP-360.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..protocol.errors import ErrorCode
from ..protocol.record_batch import CONTROL_BIT, TRANSACTIONAL_BIT
from .append import AppendError, AppendOrigin

if TYPE_CHECKING:
    from ..protocol.record_batch import BatchHeader

NO_PRODUCER_ID = -1
NO_PRODUCER_EPOCH = -1
NO_SEQUENCE = -1
MAX_SEQUENCE = (1 << 31) - 1
BATCHES_KEPT = 5
# A member of an enumeration costs five times a look-up of a global (Python 3.11).
_CLIENT = AppendOrigin.CLIENT
_REPLICATION = AppendOrigin.REPLICATION
# What a NamedTuple's own constructor ends in; each batch of an idempotent producer is noted.
_new_tuple = tuple.__new__
_MAX_EPOCH = (1 << 15) - 1
_STRICT_MARKERS_SINCE = 2  # the transaction version of KIP-890


class EndTxnMarker(NamedTuple):
    """The control record that ends a transaction."""

    is_abort: bool
    coordinator_epoch: int


class BatchMetadata(NamedTuple):
    """One batch that was written: enough to recognise it again and to answer as the first time."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def first_sequence(self) -> int:
        """Its first sequence number; sequences wrap after 2^31 - 1."""
        return (self.last_sequence - self.offset_delta) % (MAX_SEQUENCE + 1)

    @property
    def first_offset(self) -> int:
        """Its base offset."""
        return self.last_offset - self.offset_delta


class CompletedTxn(NamedTuple):
    """A transaction whose marker was appended; `last_offset` is the marker's."""

    producer_id: int
    first_offset: int
    last_offset: int
    is_aborted: bool


class Verification(NamedTuple):
    """A transactional producer was asked for whose transaction this partition has no batch of yet (KIP-890).

    Until its first batch is written no batch may come before the one with the lowest sequence number seen: that one
    may have been turned away and will be sent again.
    """

    epoch: int
    lowest_sequence: int
    supports_epoch_bump: bool
    started_ms: int


class ProducerEntry:
    """The state of one producer id."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "last_timestamp", "producer_id", "txn_first_offset")

    def __init__(
        self,
        producer_id: int,
        epoch: int = NO_PRODUCER_EPOCH,
        coordinator_epoch: int = -1,
        last_timestamp: int = -1,
        txn_first_offset: int = -1,
        batches: list[BatchMetadata] | None = None,
    ) -> None:
        self.producer_id = producer_id
        self.epoch = epoch
        self.coordinator_epoch = coordinator_epoch
        self.last_timestamp = last_timestamp
        self.txn_first_offset = txn_first_offset  # -1: no open transaction
        self.batches = batches or []  # oldest first, at most five

    @property
    def last_sequence(self) -> int:
        """The last sequence number written in this epoch; -1 when there is none."""
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def duplicate_of(self, header: BatchHeader) -> BatchMetadata | None:
        """The batch that this one repeats, when it is among the last five of the same epoch."""
        if header.producer_epoch == self.epoch:
            last_sequence = header.last_sequence
            for batch in self.batches:
                if batch.last_sequence == last_sequence and batch.first_sequence == header.base_sequence:
                    return batch
        return None

    def move_to_epoch(self, epoch: int) -> None:
        """Sequence numbers begin again with each epoch."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.batches = []


class ProducerState:
    """All producers of one partition.

    `map_end_offset` is the offset up to which batches are counted. Offsets given here are absolute.
    """

    __slots__ = ("_ongoing_txns", "_verifications", "entries", "map_end_offset", "name", "unreplicated_txns")

    def __init__(self, name: str, map_end_offset: int = 0) -> None:
        self.name = name  # TOPIC-PARTITION, for messages
        self.entries: dict[int, ProducerEntry] = {}
        self.map_end_offset = map_end_offset
        self._ongoing_txns: dict[int, int] = {}  # first offset -> producer id, ascending
        self.unreplicated_txns: dict[int, int] = {}
        """First offset -> last offset, of completed transactions whose marker is not below the high watermark."""
        self._verifications: dict[int, Verification] = {}

    @property
    def first_unstable_offset(self) -> int | None:
        """Where the first transaction begins that is open, or whose marker is not below the high watermark."""
        ongoing, unreplicated = self._ongoing_txns, self.unreplicated_txns
        if not ongoing and not unreplicated:
            return None
        return min([*list(ongoing)[:1], *unreplicated])

    def open_transactions(self) -> list[tuple[int, int]]:
        """(first offset, producer id) of each open transaction, oldest first."""
        return list(self._ongoing_txns.items())

    # ------------------------------------------------------------------ before the write

    def has_ongoing_txn(self, producer_id: int, epoch: int) -> bool:
        """Whether the producer has a transaction open here, in this epoch."""
        entry = self.entries.get(producer_id)
        return entry is not None and entry.txn_first_offset >= 0 and entry.epoch == epoch

    def start_verification(self, header: BatchHeader, *, supports_epoch_bump: bool, now_ms: int) -> bool:
        """Whether the transaction coordinator must be asked before this transactional batch may be written.

        Not if the producer has a transaction open here. Raises AppendError for an epoch that has passed.
        """
        producer_id, epoch, sequence = header.producer_id, header.producer_epoch, header.base_sequence
        entry = self.entries.get(producer_id)
        if entry is not None and epoch < entry.epoch:
            raise AppendError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {producer_id} is {epoch}, which is smaller than the last seen epoch {entry.epoch}",
            )
        if entry is not None and entry.txn_first_offset >= 0 and entry.epoch == epoch:
            return False
        known = self._verifications.get(producer_id)
        if known is None:
            known = _new_tuple(Verification, (epoch, sequence, supports_epoch_bump, now_ms))
        elif epoch > known.epoch or (epoch == known.epoch and sequence < known.lowest_sequence):
            known = known._replace(epoch=epoch, lowest_sequence=sequence)
        self._verifications[producer_id] = known
        return True

    def check_marker_epoch(self, producer_id: int, epoch: int, offset: int, transaction_version: int) -> None:
        """Refuse a marker of transaction version 2 that does not raise the epoch, unless it is written again.

        It belongs to a transaction that is over, and must not end the one that is open now (KIP-890). `offset` is
        where it would be written. Raises AppendError.
        """
        entry = self.entries.get(producer_id)
        if transaction_version < _STRICT_MARKERS_SINCE or entry is None or epoch > entry.epoch:
            return
        if epoch == entry.epoch and (entry.txn_first_offset < 0 or epoch == _MAX_EPOCH):
            return
        raise AppendError(
            ErrorCode.INVALID_PRODUCER_EPOCH,
            f"Epoch of producer {producer_id} at offset {offset} in {self.name} is {epoch}, which is <= the last seen "
            f"epoch {entry.epoch} (TV{transaction_version})",
        )

    def check(
        self, header: BatchHeader, offset: int, origin: AppendOrigin, marker: EndTxnMarker | None = None
    ) -> BatchMetadata | None:
        """Refuse a batch that is out of order or from an old producer; return the batch it repeats, if any.

        `offset` is where it would be written. Raises AppendError.
        """
        entry = self.entries.get(header.producer_id)
        if entry is None:
            if self._verifications and origin is _CLIENT:
                self._check_first_sequence(header, offset, is_known=False)
            return None
        if origin is not _CLIENT:
            self._check_trusted(header, offset, origin, marker, entry)
            return None
        # Nearly every batch simply follows the last one; it cannot be a duplicate then.
        batches, epoch = entry.batches, entry.epoch
        if (
            header.producer_epoch == epoch
            and batches
            and header.base_sequence == batches[-1].last_sequence + 1
            and (header.attributes & TRANSACTIONAL_BIT or entry.txn_first_offset < 0)
        ):
            if self._verifications:
                self._check_first_sequence(header, offset, is_known=True)
            return None
        return self._check_from_client(header, offset, entry)

    def _check_trusted(
        self,
        header: BatchHeader,
        offset: int,
        origin: AppendOrigin,
        marker: EndTxnMarker | None,
        entry: ProducerEntry,
    ) -> None:
        """See that a batch of a coordinator is not from an old producer; what was replicated has been checked."""
        if origin is _REPLICATION:
            return
        if header.producer_epoch < entry.epoch:
            self._refuse_old_epoch(header, offset, entry)
        if marker is None:
            self._check_transactional(header, offset, entry)
        elif entry.coordinator_epoch > marker.coordinator_epoch:
            raise AppendError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"Invalid coordinator epoch for producerId {header.producer_id} at offset {offset} in partition "
                f"{self.name}: {marker.coordinator_epoch} (zombie), {entry.coordinator_epoch} (current)",
            )

    def _check_from_client(self, header: BatchHeader, offset: int, entry: ProducerEntry) -> BatchMetadata | None:
        duplicate = entry.duplicate_of(header)
        if duplicate is not None:
            return duplicate
        if header.producer_epoch < entry.epoch:
            self._refuse_old_epoch(header, offset, entry)
        self._check_sequence(header, offset, entry)
        self._check_transactional(header, offset, entry)
        return None

    def _check_transactional(self, header: BatchHeader, offset: int, entry: ProducerEntry) -> None:
        if entry.txn_first_offset >= 0 and not header.is_transactional:
            raise AppendError(
                ErrorCode.INVALID_TXN_STATE,
                f"Expected transactional write from producer {header.producer_id} at offset {offset} "
                f"in partition {self.name}",
            )

    def _check_first_sequence(self, header: BatchHeader, offset: int, *, is_known: bool) -> None:
        """See that the first batch of a transaction is not one of the later ones. Raises AppendError."""
        verification = self._verifications.get(header.producer_id)
        first = header.base_sequence
        if verification is None or (is_known and first <= verification.lowest_sequence):
            return
        place = f"producer {header.producer_id} at offset {offset} in partition {self.name}"
        if verification.supports_epoch_bump and first != 0 and not is_known:
            raise AppendError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Invalid sequence number for {place}: {first} (incoming seq. number). Expected sequence 0 for "
                "transactions v2 idempotent producer with no existing state.",
            )
        if first > verification.lowest_sequence:
            raise AppendError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Out of order sequence number for {place}: {first} (incoming seq. number), "
                f"{verification.lowest_sequence} (earliest seen sequence)",
            )

    def _check_sequence(self, header: BatchHeader, offset: int, entry: ProducerEntry) -> None:
        self._check_first_sequence(header, offset, is_known=bool(entry.batches))
        first, last = header.base_sequence, entry.last_sequence
        if header.producer_epoch != entry.epoch:
            if first == 0 or entry.epoch == NO_PRODUCER_EPOCH:
                return
            problem = (
                f"Invalid sequence number for new epoch of producer {header.producer_id} at offset {offset} in "
                f"partition {self.name}: {header.producer_epoch} (request epoch), {first} (seq. number), "
                f"{entry.epoch} (current producer epoch)"
            )
        else:
            if first == last + 1 or (first == 0 and last == MAX_SEQUENCE):
                return
            problem = (
                f"Out of order sequence number for producer {header.producer_id} at offset {offset} in partition "
                f"{self.name}: {first} (incoming seq. number), {last} (current end sequence number)"
            )
        raise AppendError(ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, problem)

    def _refuse_old_epoch(self, header: BatchHeader, offset: int, entry: ProducerEntry) -> None:
        raise AppendError(
            ErrorCode.INVALID_PRODUCER_EPOCH,
            f"Epoch of producer {header.producer_id} at offset {offset} in {self.name} is {header.producer_epoch}, "
            f"which is smaller than the last seen epoch {entry.epoch}",
        )

    # ------------------------------------------------------------------ after the write

    def record(self, header: BatchHeader, offset: int, marker: EndTxnMarker | None = None) -> CompletedTxn | None:
        """Count a batch that was written at `offset`; return the transaction that it ends."""
        producer_id = header.producer_id
        is_transactional = header.attributes & TRANSACTIONAL_BIT
        if is_transactional and self._verifications:
            self._verifications.pop(producer_id, None)
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry(producer_id)
        if header.attributes & CONTROL_BIT:
            return self._record_marker(header, offset, marker, entry)
        entry.move_to_epoch(header.producer_epoch)
        batches = entry.batches
        if len(batches) >= BATCHES_KEPT:
            del batches[0]
        delta = header.last_offset_delta
        timestamp = header.max_timestamp
        batches.append(_new_tuple(BatchMetadata, (header.last_sequence, offset + delta, delta, timestamp)))
        entry.last_timestamp = timestamp
        if is_transactional and entry.txn_first_offset < 0:
            entry.txn_first_offset = offset
            self._ongoing_txns[offset] = producer_id
        return None

    def _record_marker(
        self, header: BatchHeader, offset: int, marker: EndTxnMarker | None, entry: ProducerEntry
    ) -> CompletedTxn | None:
        if marker is None:  # compaction has emptied the batch: its transaction is gone as well
            return None
        entry.move_to_epoch(header.producer_epoch)
        entry.coordinator_epoch = marker.coordinator_epoch
        entry.last_timestamp = header.max_timestamp
        first_offset = entry.txn_first_offset
        entry.txn_first_offset = -1
        if first_offset < 0 or self._ongoing_txns.pop(first_offset, None) is None:
            return None
        self.unreplicated_txns[first_offset] = offset
        return _new_tuple(CompletedTxn, (header.producer_id, first_offset, offset, marker.is_abort))

    def stable_offset_after(self, completed: CompletedTxn) -> int:
        """The last stable offset once `completed` is below the high watermark; goes into the transaction index."""
        return next(iter(self._ongoing_txns), completed.last_offset + 1)

    def high_watermark_moved(self, high_watermark: int) -> None:
        """Completed transactions whose marker is now below the high watermark are stable."""
        known = self.unreplicated_txns
        for first in [first for first, last in known.items() if last < high_watermark]:
            del known[first]

    # ------------------------------------------------------------------ loading, expiry, truncation

    def load(self, entries: list[ProducerEntry], map_end_offset: int) -> None:
        """Take over a snapshot's entries."""
        self.entries = {entry.producer_id: entry for entry in entries}
        open_txns = sorted((e.txn_first_offset, e.producer_id) for e in entries if e.txn_first_offset >= 0)
        self._ongoing_txns = dict(open_txns)
        self.unreplicated_txns = {}
        self.map_end_offset = map_end_offset

    def expire(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers that were silent for `expiration_ms` and have no open transaction; return how many."""
        expired = [
            producer_id
            for producer_id, entry in self.entries.items()
            if entry.txn_first_offset < 0 and now_ms - entry.last_timestamp >= expiration_ms
        ]
        for producer_id in expired:
            del self.entries[producer_id]
        self._verifications = {
            producer_id: verification
            for producer_id, verification in self._verifications.items()
            if now_ms - verification.started_ms < expiration_ms
        }
        return len(expired)

    def clear(self, map_end_offset: int) -> None:
        """Forget everything; the log now ends at `map_end_offset`."""
        self.load([], map_end_offset)
