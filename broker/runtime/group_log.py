"""One partition of `__consumer_offsets` as the group coordinator reads and writes it: group records, not bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.plain_batch import build_plain_batch
from ...protocol.record_batch import NO_PRODUCER_ID, TRANSACTIONAL_BIT
from ...storage.producer_replay import end_txn_marker
from ..coordinators.group_records import GroupRecord, decode_record, encode_record
from .coordinator_records import decoded_records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...protocol.record_batch import BatchHeader
    from ..coordinators.transaction_init import ProducerIdAndEpoch
    from .commit_barrier import CommitBarrier
    from .partitions import Partition


class LoggedRecord(NamedTuple):
    """A record and where it stands."""

    offset: int
    record: GroupRecord
    producer_id: int
    """Whose transaction it is part of; -1: of none."""


class LoggedMarker(NamedTuple):
    """The end of a transaction."""

    producer_id: int
    is_commit: bool


class GroupLog:
    """The records of one partition."""

    __slots__ = ("_commits", "partition")

    def __init__(self, partition: Partition, commits: CommitBarrier) -> None:
        self.partition = partition
        self._commits = commits

    @property
    def is_committed(self) -> bool:
        """Whether all that was written may be spoken of."""
        return self.partition.is_committed

    def when_committed(self, told: Callable[[OSError | None], None]) -> None:
        """Call back when all that is written now may be spoken of, or never will be."""
        self.partition.when_committed(self.partition.log.log_end_offset, told)

    def append(self, records: Sequence[GroupRecord], now_ms: int, producer: ProducerIdAndEpoch | None = None) -> int:
        """Write records as one batch; return the offset of the first. Raises AppendError.

        With a producer they are part of its transaction. A request that writes is answered when that is committed.
        """
        entries = [encode_record(record) for record in records]
        if producer is None:
            batch, header = build_plain_batch(entries, now_ms)
        else:
            batch, header = build_plain_batch(
                entries,
                now_ms,
                attributes=TRANSACTIONAL_BIT,
                producer_id=producer.producer_id,
                producer_epoch=producer.epoch,
                base_sequence=0,
            )
        appended = self.partition.append_built(batch, header, now_ms)
        self._commits.wait_for(self.partition)
        return appended.base_offset

    def read_all(self) -> Iterator[LoggedRecord | LoggedMarker]:
        """Yield every record and every end of a transaction, in the order of the log."""
        log = self.partition.log
        for batch, header in log.batches(log.log_start_offset):
            if not header.is_control:
                yield from self._decoded(batch, header)
                continue
            marker = end_txn_marker(batch, header)
            if marker is not None:
                yield LoggedMarker(header.producer_id, not marker.is_abort)

    def _decoded(self, batch: memoryview, header: BatchHeader) -> Iterator[LoggedRecord]:
        producer_id = header.producer_id if header.is_transactional else NO_PRODUCER_ID
        for offset, record in decoded_records(batch, header, decode_record, self.partition.name):
            yield LoggedRecord(offset, record, producer_id)
