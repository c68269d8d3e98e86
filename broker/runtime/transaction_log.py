"""One partition of `__transaction_state` as the coordinator reads and writes it: transactional ids, not bytes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...protocol.errors import ProtocolError
from ...protocol.records import Record, build_batch, read_records
from ...storage.append import AppendOrigin
from ..coordinators.transaction_records import decode_record, encode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...protocol.record_batch import BatchHeader
    from ..coordinators.transaction_records import TransactionRecord
    from .partitions import Partition

logger = logging.getLogger(__name__)


class TransactionLog:
    """The records of one partition."""

    __slots__ = ("partition",)

    def __init__(self, partition: Partition) -> None:
        self.partition = partition

    @property
    def coordinator_epoch(self) -> int:
        """The epoch of the coordinator of this partition's transactional ids, which markers carry."""
        return self.partition.leader_epoch

    def append(self, records: Sequence[TransactionRecord], transaction_version: int, now_ms: int) -> None:
        """Write records as one batch. Raises AppendError."""
        base_offset = self.partition.log.log_end_offset
        batch = build_batch(
            [
                Record(base_offset + i, now_ms, *encode_record(record, transaction_version))
                for i, record in enumerate(records)
            ],
            base_offset=base_offset,
        )
        self.partition.append(memoryview(batch), now_ms=now_ms, origin=AppendOrigin.COORDINATOR)

    def when_committed(self, end_offset: int, told: Callable[[OSError | None], None]) -> None:
        """Call back when everything below `end_offset` may be acted on, or never will be."""
        self.partition.when_committed(end_offset, told)

    def read(self, start_offset: int, records_max: int) -> tuple[list[TransactionRecord], int | None]:
        """Some records from `start_offset` on, and where to go on; None at the end.

        Whole batches are read, so there may be more than `records_max`. Raises OSError, ProtocolError.
        """
        records: list[TransactionRecord] = []
        for batch, header in self.partition.log.batches(start_offset):
            if header.next_offset <= start_offset:
                continue
            if not header.is_control:
                records += self._decoded(batch, header)
            if len(records) >= records_max:
                return records, header.next_offset
        return records, None

    def _decoded(self, batch: memoryview, header: BatchHeader) -> Iterator[TransactionRecord]:
        for record in read_records(batch, 0, header):
            if record.key is None:
                continue
            try:
                decoded = decode_record(record.key, record.value)
            except ProtocolError as error:
                logger.error("%s: the record at %d is passed over: %s", self.partition.name, record.offset, error)
                continue
            if decoded is not None:
                yield decoded
