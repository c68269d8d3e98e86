"""One partition of `__transaction_state` as the coordinator reads and writes it: transactional ids, not bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.plain_batch import build_plain_batch
from ..coordinators.transaction_records import decode_record, encode_record, usual_batch
from ..coordinators.transaction_state import FLEXIBLE_RECORDS_SINCE
from .coordinator_records import decoded_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..coordinators.transaction_records import TransactionRecord
    from .partitions import Partition


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
        built = None
        if len(records) == 1 and transaction_version >= FLEXIBLE_RECORDS_SINCE:
            metadata = records[0].metadata
            built = usual_batch(metadata, now_ms) if metadata else None
        if built is None:
            entries = [encode_record(record, transaction_version) for record in records]
            built = build_plain_batch(entries, now_ms)
        batch, header = built
        self.partition.append_built(batch, header, now_ms)

    def when_committed(self, told: Callable[[OSError | None], None]) -> None:
        """Call back when all that is written now may be acted on, or never will be."""
        self.partition.when_committed(self.partition.log.log_end_offset, told)

    def read(self, start_offset: int, records_max: int) -> tuple[list[TransactionRecord], int | None]:
        """Some records from `start_offset` on, and where to go on; None at the end.

        Whole batches are read, so there may be more than `records_max`. Raises OSError, ProtocolError.
        """
        records: list[TransactionRecord] = []
        for batch, header in self.partition.log.batches(start_offset):
            if header.next_offset <= start_offset:
                continue
            if not header.is_control:
                name = self.partition.name
                records += [record for _, record in decoded_records(batch, header, decode_record, name)]
            if len(records) >= records_max:
                return records, header.next_offset
        return records, None
