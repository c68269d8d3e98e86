"""`__cluster_metadata-0` as a KRaft log of one voter: what was decided, in the order in which it was decided.

A batch is one decision, whole or not at all, and on the disk before its client is told of it. Each start of the broker
is a new leader epoch, opened by a LeaderChange control batch and remembered in `quorum-state`, as in Kafka
(`KafkaRaftClient`, `FileQuorumStateStore`). Reading changes nothing: a log that cannot be understood is refused before
anything is written.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from ...protocol.control_records import ControlRecordType, control_record_type, leader_change_batch
from ...protocol.errors import ErrorCode, ProtocolError
from ...protocol.records import Record, build_batch, read_records
from ...storage.append import AppendError, AppendOrigin
from ...storage.log_config import LogConfig
from .metadata_records import decode_record, encode_record
from .quorum_state import QuorumState, read_quorum_state, write_quorum_state
from .snapshots import newest_snapshot, snapshot_batches

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...protocol.record_batch import BatchHeader
    from ...protocol.schema import Message
    from ...storage.files import Files
    from ...storage.log import Log
    from ..clock import Clock
    from ..config.broker_config import BrokerConfig
    from ..runtime.commit_barrier import CommitBarrier

logger = logging.getLogger(__name__)

METADATA_TOPIC_ID: Final = bytes(15) + b"\x01"
"""The id that Kafka reserves for the metadata log: AAAAAAAAAAAAAAAAAAAAAQ."""
BOOTSTRAP_FILE: Final = "bootstrap.checkpoint"

_CONTROL_RECORDS = frozenset(
    {
        ControlRecordType.LEADER_CHANGE,
        ControlRecordType.SNAPSHOT_HEADER,
        ControlRecordType.SNAPSHOT_FOOTER,
        ControlRecordType.KRAFT_VERSION,
        ControlRecordType.KRAFT_VOTERS,
    }
)
"""Control records that may stand in the log; what they say matters to a quorum of several."""


def metadata_log_config(config: BrokerConfig) -> LogConfig:
    """A log of which no retention takes anything; a batch has at most the 8 MiB that Kafka's quorum allows."""
    return LogConfig(
        segment_bytes=config.metadata_log_segment_bytes,
        segment_ms=config.metadata_log_segment_ms,
        retention_ms=-1,
        max_message_bytes=8 << 20,
        cleanup_policy=frozenset(),
    )


class UnreadableMetadata(Exception):
    """A metadata log with something that this broker does not understand; the message names it and its offset."""


class MetadataLog:
    """The log, and the epoch in which this broker leads it."""

    def __init__(self, log: Log, files: Files, clock: Clock, node_id: int, commits: CommitBarrier) -> None:
        self._log = log
        self._commits = commits
        log.sync.listener = self
        self._files = files
        self._clock = clock
        self._node_id = node_id
        self._failure: str | None = None
        self.leader_epoch = -1

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        return self._log.log_end_offset

    def read(self) -> Iterator[tuple[int, Message]]:
        """Every record with its offset, from the newest snapshot on. UnreadableMetadata at the first strange one."""
        directory = self._log.directory
        start_offset = self._log.log_start_offset
        snapshot = newest_snapshot(directory)
        if snapshot is not None:
            for batch, header in snapshot_batches(os.path.join(directory, snapshot.file_name)):
                for _, record in _records_of(batch, header):
                    yield snapshot.end_offset - 1, record
            start_offset = max(start_offset, snapshot.end_offset)
        elif start_offset > 0:
            raise UnreadableMetadata(
                f"{directory} begins at offset {start_offset} without a snapshot of what was before"
            )
        for batch, header in self._log.batches(start_offset):
            yield from _records_of(batch, header)

    def bootstrap_records(self) -> list[Message]:
        """What `kafka-storage format` left for the first start: `bootstrap.checkpoint` beside the log's directory."""
        path = os.path.join(os.path.dirname(self._log.directory), BOOTSTRAP_FILE)
        try:
            batches = list(snapshot_batches(path))
        except FileNotFoundError:
            return []
        return [record for batch, header in batches for _, record in _records_of(batch, header, path)]

    def begin_epoch(self) -> None:
        """Take the lead in a new epoch: quorum-state first, so that no epoch is ever used twice."""
        directory = self._log.directory
        state = read_quorum_state(directory) or QuorumState()
        self.leader_epoch = max(state.leader_epoch, self._log.leader_epochs.latest_epoch, 0) + 1
        write_quorum_state(self._files, directory, state.led_by(self._node_id, self.leader_epoch))
        self._append(
            leader_change_batch(
                self._node_id,
                [self._node_id],
                base_offset=self._log.log_end_offset,
                partition_leader_epoch=self.leader_epoch,
                timestamp_ms=self._clock.now_ms(),
            )
        )

    def append(self, records: Sequence[Message]) -> int:
        """Append `records` as one batch; return the offset of the first. Raises AppendError."""
        if self.leader_epoch < 0:
            raise RuntimeError("the metadata log is not led yet")
        now_ms = self._clock.now_ms()
        base_offset = self._log.log_end_offset
        return self._append(
            build_batch(
                [Record(base_offset + i, now_ms, None, encode_record(record)) for i, record in enumerate(records)],
                base_offset=base_offset,
                partition_leader_epoch=self.leader_epoch,
            )
        )

    def close(self) -> None:
        """Flush and give the files back. Raises OSError."""
        self._log.close()

    def _append(self, batch: bytearray) -> int:
        if self._failure is not None:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, self._failure)
        appended = self._log.append(
            memoryview(batch),
            leader_epoch=self.leader_epoch,
            now_ms=self._clock.now_ms(),
            origin=AppendOrigin.RAFT,
        )
        end_offset = self._log.high_watermark = self._log.log_end_offset
        self._log.sync.request(end_offset)
        if self._log.recovery_point < end_offset:
            self._commits.pending.append(lambda told: self._log.sync.when_synced(end_offset, told))
        return appended.base_offset

    def log_synced(self) -> None:
        """Those who wait are told by the log itself."""

    def log_failed(self, error: OSError) -> None:
        """Take no more decisions: whether the last ones are on the disk is not known."""
        self._failure = f"{error.filename or self._log.directory}: {error.strerror or error}"
        logger.critical("the metadata cannot be changed any more: %s", self._failure)


def _records_of(
    batch: memoryview, header: BatchHeader, source: str = "__cluster_metadata-0"
) -> Iterator[tuple[int, Message]]:
    """The records of one batch, without control records. UnreadableMetadata names the offset of what is not known."""
    for record in read_records(batch, 0, header):
        try:
            if header.is_control:
                _check_control_record(record)
            else:
                yield record.offset, decode_record(record.value or b"")
        except ProtocolError as error:
            raise UnreadableMetadata(f"{source} at offset {record.offset}: {error}") from error


def _check_control_record(record: Record) -> None:
    kind = control_record_type(record)
    if kind not in _CONTROL_RECORDS:
        raise ProtocolError(f"control record {kind!r} does not belong into a metadata log")
