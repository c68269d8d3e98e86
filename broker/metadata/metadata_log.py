"""`__cluster_metadata-0` as a KRaft log of one voter: what was decided, in the order in which it was decided.

A batch is one decision, whole or not at all, and on the disk before its client is told of it. Each start of the broker
is a new leader epoch, opened by a LeaderChange control batch and remembered in `quorum-state`, as in Kafka
(`KafkaRaftClient`, `FileQuorumStateStore`). Reading changes nothing: a log that cannot be understood is refused before
anything is written.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Final

from ...protocol.control_records import leader_change_batch
from ...protocol.errors import ErrorCode
from ...protocol.records import Record, build_batch
from ...storage.append import AppendError, AppendOrigin
from ...storage.files import remove_if_present
from ...storage.log_config import LogConfig
from .image_records import image_records
from .metadata_reader import MetadataReader
from .metadata_records import LATEST_METADATA_VERSION, encode_record
from .quorum_state import QuorumState, read_quorum_state, write_quorum_state
from .snapshots import SnapshotId, leftovers_in, snapshot_content, snapshots_in, write_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ...protocol.schema import Message
    from ...storage.environment import StorageEnvironment
    from ...storage.log import Log
    from ..clock import Clock
    from ..config.broker_config import BrokerConfig
    from ..runtime.commit_barrier import CommitBarrier
    from .image import MetadataImage

logger = logging.getLogger(__name__)

METADATA_TOPIC_ID: Final = bytes(15) + b"\x01"
"""The id that Kafka reserves for the metadata log: AAAAAAAAAAAAAAAAAAAAAQ."""

_VALUES_AT_A_TIME = 32


def metadata_log_config(config: BrokerConfig) -> LogConfig:
    """A log of which no retention takes anything; a batch has at most the 8 MiB that Kafka's quorum allows."""
    return LogConfig(
        segment_bytes=config.internal_metadata_log_segment_bytes or config.metadata_log_segment_bytes,
        segment_ms=config.metadata_log_segment_ms,
        retention_ms=-1,
        max_message_bytes=8 << 20,
        cleanup_policy=frozenset(),
    )


class MetadataLog:
    """The log, and the epoch in which this broker leads it."""

    def __init__(
        self, log: Log, environment: StorageEnvironment, clock: Clock, node_id: int, commits: CommitBarrier
    ) -> None:
        self._log = log
        self._commits = commits
        log.sync.listener = self
        self.background = environment.background
        self.files = environment.files
        self.clock = clock
        self._node_id = node_id
        self._failure: str | None = None
        self._reader = MetadataReader(log)
        self.leader_epoch = -1
        self.last_timestamp_ms = 0
        self.bytes_since_snapshot = 0
        self.newest_snapshot_offset = -1
        """Where the newest snapshot ends."""

    @property
    def directory(self) -> str:
        """Where the log and its snapshots lie."""
        return self._log.directory

    @property
    def size_bytes(self) -> int:
        """Of the log, without snapshots."""
        return self._log.size_bytes

    @property
    def reader(self) -> MetadataReader:
        """What reading the log has shown beside its records."""
        return self._reader

    @property
    def end_offset(self) -> int:
        """The offset that the next record will get."""
        return self._log.log_end_offset

    def read(self) -> Iterator[tuple[int, Message]]:
        """Every record with its offset, from the newest snapshot on. UnreadableMetadata at the first strange one."""
        yield from self._reader.read()
        self.last_timestamp_ms = self._reader.last_timestamp_ms
        self.bytes_since_snapshot = self._reader.logged_bytes
        if self._reader.snapshot is not None:
            self.newest_snapshot_offset = self._reader.snapshot.end_offset

    def reopen(self, log: Log) -> None:
        """Go on with the same log, opened to be written."""
        self._log.abandon()
        self._log = log
        log.sync.listener = self

    def bootstrap_records(self) -> list[Message]:
        """What `kafka-storage format` left for the first start."""
        return self._reader.bootstrap_records()

    def begin_epoch(self) -> None:
        """Take the lead in a new epoch: quorum-state first, so that no epoch is ever used twice."""
        self._put_in_order()
        directory = self._log.directory
        state = read_quorum_state(directory) or QuorumState()
        snapshot_epoch = self._reader.snapshot.epoch if self._reader.snapshot is not None else 0
        self.leader_epoch = max(state.leader_epoch, self._log.leader_epochs.latest_epoch, snapshot_epoch, 0) + 1
        kraft = self._reader.kraft
        write_quorum_state(self.files, directory, state.led_by(self._node_id, self.leader_epoch, kraft.version))
        self._append(
            leader_change_batch(
                self._node_id,
                [self._node_id],
                base_offset=self._log.log_end_offset,
                partition_leader_epoch=self.leader_epoch,
                timestamp_ms=self.clock.now_ms(),
                following=[] if kraft.is_logged else kraft.messages(),
            )
        )

    def append(self, records: Sequence[Message], metadata_version: int = LATEST_METADATA_VERSION) -> int:
        """Append `records` as one batch, each as `metadata_version` has it; return the first offset. AppendError."""
        if self.leader_epoch < 0:
            raise RuntimeError("the metadata log is not led yet")
        now_ms = self.clock.now_ms()
        base_offset = self._log.log_end_offset
        values = [encode_record(record, metadata_version) for record in records]
        return self._append(
            build_batch(
                [Record(base_offset + i, now_ms, None, value) for i, value in enumerate(values)],
                base_offset=base_offset,
                partition_leader_epoch=self.leader_epoch,
            )
        )

    # Snapshots

    def capture_snapshot(self, image: MetadataImage, metadata_version: int) -> tuple[SnapshotId, Callable[[], int]]:
        """The name of a snapshot of the log as it is, and the work that writes it, which any thread may do.

        `image` is a copy that nobody changes. The work returns the bytes of the file and raises OSError.
        """
        snapshot = SnapshotId(self._log.log_end_offset, self.leader_epoch)
        directory, files, kraft = self._log.directory, self.files, self._reader.kraft.messages()
        last_timestamp_ms, now_ms = self.last_timestamp_ms, self.clock.now_ms()

        def work() -> int:
            values = _giving_way(encode_record(record, metadata_version) for record in image_records(image))
            content = snapshot_content(
                values, kraft, epoch=snapshot.epoch, last_timestamp_ms=last_timestamp_ms, now_ms=now_ms
            )
            return write_snapshot(files, directory, snapshot, content)

        return snapshot, work

    def delete_before(self, snapshot: SnapshotId) -> None:
        """Give up what a snapshot stands for: whole segments go now, their files later. Raises OSError."""
        if self._log.log_start_offset < snapshot.end_offset:
            self._log.advance_log_start_offset(snapshot.end_offset)
            self._log.apply_retention(self.clock.now_ms())

    def _put_in_order(self) -> None:
        """Remove what is needed no more, and go on at the newest snapshot if the log ends before it.

        The snapshot is synced before it gets its name; the end of the log may have been lost with the power.
        Kafka: `KafkaRaftLog.recoverSnapshots`, `truncateToLatestSnapshot`.
        """
        log = self._log
        for path in leftovers_in(log.directory):
            remove_if_present(self.files, path)
        newest = self._reader.snapshot
        if newest is not None and newest.end_offset > log.log_end_offset:
            logger.warning(
                "%s ends at offset %d and goes on at its newest snapshot, at %d",
                log.directory,
                log.log_end_offset,
                newest.end_offset,
            )
            log.truncate_fully_and_start_at(newest.end_offset, self.clock.now_ms())
        for snapshot in snapshots_in(log.directory):
            if snapshot.end_offset < log.log_start_offset:
                remove_if_present(self.files, os.path.join(log.directory, snapshot.file_name))

    def close(self) -> None:
        """Flush and give the files back. Raises OSError."""
        self._log.close()

    def _append(self, batch: bytearray) -> int:
        if self._failure is not None:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, self._failure)
        now_ms = self.clock.now_ms()
        appended = self._log.append(
            memoryview(batch), leader_epoch=self.leader_epoch, now_ms=now_ms, origin=AppendOrigin.RAFT
        )
        self.bytes_since_snapshot += len(batch)
        self.last_timestamp_ms = now_ms
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


def _giving_way(values: Iterable[bytes]) -> Iterator[bytes]:
    """Hand the values on, and let the event loop's thread in between: it would wait for milliseconds otherwise."""
    for number, value in enumerate(values):
        if number % _VALUES_AT_A_TIME == 0:
            time.sleep(0)
        yield value
