"""What compaction leaves of one batch: the batch as it is, fewer records, an empty batch, or nothing.

A record stays while it is the newest of its key. A tombstone, and a marker whose transaction is gone, stay for
`delete.retention.ms` more: the first cleaning that meets them writes the time of their end, the delete horizon, into
the batch (KIP-534). The last batch of each producer stays, if need be without records, so that its sequence number and
its epoch survive; so does the last batch of the cleaned part, so that the log's end does.
A batch keeps its offsets, producer, sequence, leader epoch and codec whatever goes from it; one that keeps all its
records keeps its bytes.
Kafka: `Cleaner.cleanInto`, `MemoryRecords.filterTo`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from crc32c import crc32c

from ..protocol.record_batch import (
    ATTRIBUTES_POSITION,
    COMPRESSION_MASK,
    CRC_POSITION,
    DELETE_HORIZON_BIT,
    HEADER,
    HEADER_BYTES,
    LOG_OVERHEAD_BYTES,
)
from ..protocol.records import build_batch, read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..protocol.record_batch import BatchHeader
    from ..protocol.records import Record
    from .cleaned_transactions import CleanedTransactions
    from .files import Data
    from .offset_map import OffsetMap

# After so many records the work asks whether it may go on.
_BREATH_RECORDS = 64


class LastRecord(NamedTuple):
    """Where a producer that is still known wrote last: its last data batch, or only the marker with its epoch."""

    last_data_offset: int
    """-1 without data."""
    epoch: int


@dataclass(frozen=True, slots=True)
class FilterRules:
    """What one cleaning goes by; times in milliseconds."""

    now_ms: int
    delete_retention_ms: int
    last_records: Mapping[int, LastRecord]
    end_offset: int
    """Where the part of the log ends that may be cleaned."""


class BatchFilter:
    """Filters the batches of a log in their order."""

    __slots__ = (
        "_breathe",
        "_offsets",
        "_rules",
        "_transactions",
        "records_kept",
        "records_read",
        "records_without_key",
    )

    def __init__(
        self, offsets: OffsetMap, transactions: CleanedTransactions, rules: FilterRules, breathe: Callable[[], None]
    ) -> None:
        self._offsets = offsets
        self._transactions = transactions
        self._rules = rules
        self._breathe = breathe
        self.records_read = 0
        self.records_kept = 0
        self.records_without_key = 0

    def filter(self, data: memoryview, header: BatchHeader) -> Data | None:
        """What stays of a batch: `data` itself, other bytes, or None.

        Raises CorruptBatch, MissingCodec, DecompressionError.
        """
        if header.is_control:
            return self._filter_control(data, header)
        self.records_read += header.record_count
        if self._transactions.is_aborted(header):
            return self._without_records(header)
        return self._filter_records(data, header)

    def _filter_control(self, data: memoryview, header: BatchHeader) -> Data | None:
        is_obsolete = self._transactions.is_obsolete_marker(data, header)
        if not header.record_count or (is_obsolete and self._is_past_horizon(header)):
            return self._without_records(header)
        if is_obsolete and not header.has_delete_horizon:
            return self._rebuild(list(read_records(data, 0, header)), header)
        return data

    def _filter_records(self, data: memoryview, header: BatchHeader) -> Data | None:
        kept, has_tombstones = self._newest(data, header)
        if not kept:
            return self._without_records(header)
        self.records_kept += len(kept)
        if len(kept) == header.record_count and (header.has_delete_horizon or not has_tombstones):
            return data
        return self._rebuild(kept, header, sets_horizon=has_tombstones)

    def _newest(self, data: memoryview, header: BatchHeader) -> tuple[list[Record], bool]:
        """The records that stay, and whether a tombstone is among them."""
        newest_offset, latest_offset = self._offsets.get, self._offsets.latest_offset
        keeps_tombstones = not self._is_past_horizon(header)
        kept = []
        has_tombstones = False
        for number, record in enumerate(read_records(data, 0, header)):
            if not number % _BREATH_RECORDS:
                self._breathe()
            if record.offset <= latest_offset:
                if record.key is None:
                    self.records_without_key += 1
                    continue
                if record.offset < newest_offset(record.key) or (record.value is None and not keeps_tombstones):
                    continue
            has_tombstones = has_tombstones or record.value is None
            kept.append(record)
        return kept, has_tombstones

    def _is_past_horizon(self, header: BatchHeader) -> bool:
        return header.has_delete_horizon and header.base_timestamp <= self._rules.now_ms

    def _without_records(self, header: BatchHeader) -> Data | None:
        if self._is_last_of_producer(header) or header.next_offset == self._rules.end_offset:
            return empty_batch(header)
        return None

    def _is_last_of_producer(self, header: BatchHeader) -> bool:
        last = self._rules.last_records.get(header.producer_id)
        if last is None or not header.has_producer_id:
            return False
        if last.last_data_offset >= 0:
            return header.last_offset == last.last_data_offset
        return header.is_control and header.producer_epoch == last.epoch

    def _rebuild(self, records: list[Record], header: BatchHeader, *, sets_horizon: bool = True) -> bytearray:
        horizon_ms = None
        if header.has_delete_horizon:
            horizon_ms = header.base_timestamp
        elif sets_horizon:
            horizon_ms = self._rules.now_ms + self._rules.delete_retention_ms
        return build_batch(
            records,
            base_offset=header.base_offset,
            last_offset=header.last_offset,
            partition_leader_epoch=header.partition_leader_epoch,
            compression=header.compression,
            producer_id=header.producer_id,
            producer_epoch=header.producer_epoch,
            base_sequence=header.base_sequence,
            is_transactional=header.is_transactional,
            is_control=header.is_control,
            log_append_time_ms=header.max_timestamp if header.is_log_append_time else None,
            delete_horizon_ms=horizon_ms,
        )


def empty_batch(header: BatchHeader) -> bytearray:
    """A batch that keeps everything but its records."""
    batch = bytearray(HEADER_BYTES)
    emptied = header._replace(
        batch_length=HEADER_BYTES - LOG_OVERHEAD_BYTES,
        attributes=header.attributes & ~(COMPRESSION_MASK | DELETE_HORIZON_BIT),
        base_timestamp=-1,
        record_count=0,
    )
    HEADER.pack_into(batch, 0, *emptied)
    batch[CRC_POSITION:ATTRIBUTES_POSITION] = crc32c(memoryview(batch)[ATTRIBUTES_POSITION:]).to_bytes(4, "big")
    return batch
