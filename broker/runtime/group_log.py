"""One partition of `__consumer_offsets` as the group coordinator reads and writes it: group records, not bytes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from ...protocol.control_records import ControlRecordType, control_record_type
from ...protocol.errors import ProtocolError
from ...protocol.records import Record, build_batch, read_records
from ...storage.append import AppendOrigin
from ..coordinators.group_records import GroupRecord, decode_record, encode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ...protocol.record_batch import BatchHeader
    from .commit_barrier import CommitBarrier
    from .partitions import Partition

logger = logging.getLogger(__name__)


class LoggedRecord(NamedTuple):
    """A record and where it stands."""

    offset: int
    record: GroupRecord


class GroupLog:
    """The records of one partition."""

    __slots__ = ("_commits", "partition")

    def __init__(self, partition: Partition, commits: CommitBarrier) -> None:
        self.partition = partition
        self._commits = commits

    @property
    def is_committed(self) -> bool:
        """Whether all that was written may be spoken of."""
        log = self.partition.log
        return log.high_watermark >= log.log_end_offset

    def when_committed(self, told: Callable[[OSError | None], None]) -> None:
        """Call back when all that is written now may be spoken of, or never will be."""
        self.partition.when_committed(self.partition.log.log_end_offset, told)

    def append(self, records: Sequence[GroupRecord], now_ms: int) -> int:
        """Write records as one batch; return the offset of the first. Raises AppendError.

        A request that does so is answered when they are committed.
        """
        base_offset = self.partition.log.log_end_offset
        batch = build_batch(
            [Record(base_offset + i, now_ms, *encode_record(record)) for i, record in enumerate(records)],
            base_offset=base_offset,
        )
        appended = self.partition.append(memoryview(batch), now_ms=now_ms, origin=AppendOrigin.COORDINATOR)
        if not self.is_committed:
            end_offset = self.partition.log.log_end_offset
            self._commits.pending.append(lambda told: self.partition.when_committed(end_offset, told))
        return appended.base_offset

    def read_all(self) -> Iterator[LoggedRecord]:
        """Yield every record that holds, in the order in which it came to hold.

        Offsets that Kafka wrote in a transaction hold from the commit on; those of an aborted or unfinished one never.
        """
        log = self.partition.log
        pending: dict[int, list[LoggedRecord]] = {}
        for batch, header in log.batches(log.log_start_offset):
            if header.is_control:
                ended = pending.pop(header.producer_id, [])
                if self._is_commit(batch, header):
                    yield from ended
            elif header.is_transactional:
                pending.setdefault(header.producer_id, []).extend(self._decoded(batch, header))
            else:
                for logged in self._decoded(batch, header):
                    if logged.record.value is None:
                        _drop_pending(pending, logged.record)
                    yield logged

    @staticmethod
    def _is_commit(batch: memoryview, header: BatchHeader) -> bool:
        return any(control_record_type(record) is ControlRecordType.COMMIT for record in read_records(batch, 0, header))

    def _decoded(self, batch: memoryview, header: BatchHeader) -> Iterator[LoggedRecord]:
        for record in read_records(batch, 0, header):
            if record.key is None:
                continue
            try:
                decoded = decode_record(record.key, record.value)
            except ProtocolError as error:
                logger.error("%s: the record at %d is passed over: %s", self.partition.name, record.offset, error)
                continue
            if decoded is not None:
                yield LoggedRecord(record.offset, decoded)


def _drop_pending(pending: dict[int, list[LoggedRecord]], tombstone: GroupRecord) -> None:
    """A tombstone also ends what an open transaction would bring."""
    for producer_id, logged in pending.items():
        pending[producer_id] = [one for one in logged if one.record.key != tombstone.key]
