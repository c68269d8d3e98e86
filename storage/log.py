"""One partition's log: segments in a row, their producers and their leader epochs.

Offsets only grow. What `append` returned for is in the operating system's hands: kill -9 of the broker does not lose
it. One caller at a time; nothing here waits, except for the disk.
A batch that is not whole and checked never becomes part of the log: `log_end_offset` moves after the write.
Kafka: `UnifiedLog`, `LocalLog`.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING
from zlib import crc32

from ..protocol.errors import ErrorCode
from ..protocol.record_batch import (
    CONTROL_BIT,
    LOG_APPEND_TIME_BIT,
    LOG_OVERHEAD_BYTES,
    PLACE,
    CorruptBatch,
    read_header,
)
from . import segment_removal
from .append import Appended, AppendError, AppendOrigin, OffsetOutOfRange
from .log_segments import LogSegments
from .log_sync import LogSync
from .log_validator import check_batch, client_batch, ordinary_batch, stamp_now, validate_records
from .producer_replay import end_txn_marker, index_completed, replay_producers
from .released_files import ReleasedFiles
from .segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..protocol.record_batch import BatchHeader
    from .append import TimestampedOffset
    from .cleaned_segment import CleanedSegment
    from .environment import StorageEnvironment
    from .file_records import FileRecords
    from .leader_epochs import LeaderEpochs
    from .log_config import LogConfig
    from .producer_snapshots import ProducerSnapshots
    from .producer_state import EndTxnMarker, ProducerState
    from .txn_index import AbortedTxn

NO_TIMESTAMP = -1
_CLIENT = AppendOrigin.CLIENT
_COORDINATOR = AppendOrigin.COORDINATOR
# What a NamedTuple's own constructor ends in: 0.3 µs less for each append.
_new_tuple = tuple.__new__


class Log:
    """A partition's log. `recovery.open_log` makes one from a folder, new or old."""

    __slots__ = (
        "_environment",
        "_high_watermark",
        "_roll_config",
        "_segments",
        "closed_files",
        "config",
        "directory",
        "leader_epochs",
        "log_end_offset",
        "log_start_offset",
        "name",
        "partition",
        "producers",
        "recovery_point",
        "released_files",
        "size_bytes",
        "snapshots",
        "sync",
        "topic",
        "topic_id",
        "truncations",
    )

    def __init__(
        self,
        *,
        topic: str,
        partition: int,
        topic_id: bytes,
        directory: str,
        config: LogConfig,
        environment: StorageEnvironment,
        segments: list[Segment],
        leader_epochs: LeaderEpochs,
        producers: ProducerState,
        snapshots: ProducerSnapshots,
        log_start_offset: int,
        log_end_offset: int,
        recovery_point: int,
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.topic_id = topic_id
        self.name = f"{topic}-{partition}"
        self.directory = directory
        self.config = config
        self.leader_epochs = leader_epochs
        self.producers = producers
        self.log_start_offset = log_start_offset
        self.log_end_offset = log_end_offset
        # All below this offset is known to be on the disk; recovery begins here.
        self.recovery_point = recovery_point
        self._environment = environment
        self._segments = LogSegments(segments)
        self.size_bytes = self._segments.size_bytes
        # How often something was cut off, which whoever works on what a thread has read must know.
        self.truncations = 0
        # What `close` has written, to be brought to the disk by whoever calls the end a clean one.
        self.closed_files: list[str] = []
        self.snapshots = snapshots
        self.sync = LogSync(self, environment, self._segments.holding(recovery_point)[:-1])
        self.released_files = ReleasedFiles(environment, self.sync.failed)
        self._high_watermark = log_start_offset
        self._roll_config = self._with_jitter(config)

    # ------------------------------------------------------------------ what its owner sets and asks

    def update_config(self, config: LogConfig) -> None:
        """Follow a change of the topic's configuration, from the next append on."""
        self.config = config
        self._roll_config = self._with_jitter(config)

    def _with_jitter(self, config: LogConfig) -> LogConfig:
        """Take the jitter off segment.ms, so that not all partitions roll at once.

        Spread by the segment's name rather than by chance: a restart does not move the moment.
        """
        bound = min(config.segment_jitter_ms, config.segment_ms)
        if bound <= 0:
            return config
        jitter_ms = crc32(f"{self.name}-{self.active.base_offset}".encode()) % bound
        return replace(config, segment_ms=config.segment_ms - jitter_ms)

    @property
    def high_watermark(self) -> int:
        """Consumers read below this offset. Its owner moves it; with one replica it is the log end offset."""
        return self._high_watermark

    @high_watermark.setter
    def high_watermark(self, offset: int) -> None:
        self._high_watermark = offset
        if self.producers.unreplicated_txns:
            self.producers.high_watermark_moved(offset)

    @property
    def last_stable_offset(self) -> int:
        """read_committed consumers read below this offset: no transaction below it is open."""
        unstable = self.producers.first_unstable_offset
        if unstable is None or unstable >= self._high_watermark:
            return self._high_watermark
        return max(unstable, self.log_start_offset)

    @property
    def segments(self) -> Sequence[Segment]:
        """As they are now, oldest first; the last one is the active one."""
        return self._segments.to_list()

    @property
    def active(self) -> Segment:
        """The segment that is written now."""
        return self._segments.active

    @property
    def segment_base_offsets(self) -> list[int]:
        """Where each segment begins, oldest first."""
        return [segment.base_offset for segment in self._segments]

    @property
    def first_base_offset(self) -> int:
        """Where the oldest segment begins."""
        return self._segments.first.base_offset

    @property
    def active_base_offset(self) -> int:
        """Where the segment begins that is written now."""
        return self._segments.active.base_offset

    # ------------------------------------------------------------------ append

    def append(
        self,
        records: memoryview,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: AppendOrigin = AppendOrigin.CLIENT,
    ) -> Appended:
        """Check batches, give them the next offsets, write them.

        `records` is writable and is stamped in place. A producer may send exactly one batch; the broker's own writers
        may send several and control batches, and REPLICATION keeps the offsets and epochs that the batches carry.
        Raises AppendError (KAFKA_STORAGE_ERROR when the disk refuses); nothing is appended then.
        """
        if origin is _CLIENT:
            header = ordinary_batch(records, self.config, now_ms)
            if header is None:
                records, header = self._checked(records, now_ms)
            return self._append_batch(records, header, self.log_end_offset, leader_epoch, now_ms, origin)
        return self._append_trusted(records, leader_epoch, now_ms, origin)

    def _checked(self, records: memoryview, now_ms: int) -> tuple[memoryview, BatchHeader]:
        """What is to be written for a producer's batch that is not an ordinary one."""
        header = client_batch(records, self.name)
        records = records[: header.size_bytes]
        check_batch(records, header, self.name, self.config, _CLIENT)
        return validate_records(records, header, name=self.name, config=self.config, now_ms=now_ms)

    def append_built(
        self,
        batch: bytearray,
        header: BatchHeader,
        *,
        leader_epoch: int,
        now_ms: int,
        marker: EndTxnMarker | None = None,
    ) -> Appended:
        """Append one batch that a coordinator built a moment ago, of which it knows the header, and the marker in it.

        As `append` with that origin, without reading what was just written; with `build_plain_batch` that takes a fifth
        off the instructions of a commit. Raises AppendError.
        """
        config = self.config
        data: memoryview | bytearray = batch
        if len(batch) > config.max_message_bytes:
            check_batch(memoryview(batch), header, self.name, config, _COORDINATOR)
        if config.is_log_append_time and not header.is_control:
            data, header = stamp_now(memoryview(batch), header, now_ms)
        return self._append_batch(data, header, self.log_end_offset, leader_epoch, now_ms, _COORDINATOR, marker)

    def _append_trusted(self, records: memoryview, leader_epoch: int, now_ms: int, origin: AppendOrigin) -> Appended:
        before = self.log_end_offset
        base_offset = -1
        position, end = 0, len(records)
        if not end:
            raise AppendError(ErrorCode.INVALID_RECORD, f"Nothing to append to {self.name}")
        try:
            while position < end:
                header = read_header(records, position)
                batch = records[position : position + header.size_bytes]
                check_batch(batch, header, self.name, self.config, origin)
                appended = self._append_trusted_batch(batch, header, leader_epoch, now_ms, origin)
                position += header.size_bytes
                if base_offset < 0:
                    base_offset = appended.base_offset
        except (AppendError, CorruptBatch) as error:
            if base_offset >= 0:
                self.truncate_to(before, now_ms)
            if isinstance(error, CorruptBatch):
                raise AppendError(ErrorCode.CORRUPT_MESSAGE, f"{error} in topic partition {self.name}") from error
            raise
        return appended if appended.base_offset == base_offset else appended._replace(base_offset=base_offset)

    def _append_trusted_batch(
        self, batch: memoryview, header: BatchHeader, leader_epoch: int, now_ms: int, origin: AppendOrigin
    ) -> Appended:
        if origin is AppendOrigin.REPLICATION:
            if header.base_offset < self.log_end_offset:
                raise AppendError(
                    ErrorCode.UNKNOWN_SERVER_ERROR,
                    f"Unexpected offset in append to {self.name}: {header.base_offset} is below the log end offset "
                    f"{self.log_end_offset}",
                )
            return self._append_batch(batch, header, header.base_offset, header.partition_leader_epoch, now_ms, origin)
        if self.config.is_log_append_time and not header.is_control:
            batch, header = stamp_now(batch, header, now_ms)
        return self._append_batch(batch, header, self.log_end_offset, leader_epoch, now_ms, origin)

    def _append_batch(
        self,
        batch: memoryview | bytearray,
        header: BatchHeader,
        base_offset: int,
        leader_epoch: int,
        now_ms: int,
        origin: AppendOrigin,
        marker: EndTxnMarker | None = None,
    ) -> Appended:
        last_offset = base_offset + header.last_offset_delta
        timestamp = header.max_timestamp
        length = len(batch)
        active = self._segments.active
        if active.should_roll(self._roll_config, length, last_offset, timestamp, now_ms):
            self._roll_for(length, base_offset, now_ms)
            active = self._segments.active
        if leader_epoch > self.leader_epochs.saved_epoch:
            self._begin_epoch(leader_epoch, base_offset)
        has_producer = header.producer_id >= 0
        if has_producer:
            if marker is None and header.attributes & CONTROL_BIT:
                marker = end_txn_marker(memoryview(batch), header)
            duplicate = self.producers.check(header, base_offset, origin, marker)
            if duplicate is not None:
                return Appended(
                    duplicate.first_offset, duplicate.last_offset, duplicate.timestamp, self.log_start_offset, True
                )
        PLACE.pack_into(batch, 0, base_offset, length - LOG_OVERHEAD_BYTES, leader_epoch)
        try:
            active.append(batch, base_offset, last_offset, timestamp)
        except OSError as error:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, f"{active.log.path}: {error.strerror}") from error
        self.log_end_offset = last_offset + 1
        self.size_bytes += length
        if has_producer:
            self._count_producer(header, base_offset, marker)
        append_time = timestamp if header.attributes & LOG_APPEND_TIME_BIT else NO_TIMESTAMP
        return _new_tuple(Appended, (base_offset, last_offset, append_time, self.log_start_offset, False))

    def _count_producer(self, header: BatchHeader, base_offset: int, marker: EndTxnMarker | None) -> None:
        completed = self.producers.record(header, base_offset, marker)
        if completed is not None and completed.is_aborted:
            index_completed(self.producers, self.active, completed, self._environment.files)

    def _begin_epoch(self, leader_epoch: int, base_offset: int) -> None:
        try:
            self.leader_epochs.assign(leader_epoch, base_offset)
        except OSError as error:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.directory}: {error.strerror}") from error

    def _roll_for(self, length: int, base_offset: int, now_ms: int) -> None:
        if length > self.config.segment_bytes:
            raise AppendError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"Message batch size is {length} bytes in append to partition {self.name}, which exceeds the maximum "
                f"configured segment size of {self.config.segment_bytes}.",
            )
        try:
            self.roll(now_ms, base_offset)
        except OSError as error:
            raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, f"{self.directory}: {error.strerror}") from error

    def roll(self, now_ms: int, base_offset: int | None = None) -> None:
        """Begin a new active segment; an empty one stays, unless it must begin elsewhere. Raises OSError.

        What the old one still owes to the disk is written in the background.
        """
        base_offset = self.log_end_offset if base_offset is None else base_offset
        old = self.active
        if not old.size and base_offset == old.base_offset:
            return
        self._set_active(self._create_segment(base_offset, now_ms))
        if old.size:
            old.finish()
            self.producers.map_end_offset = self.log_end_offset
            self.sync.segment_rolled(old, self.snapshots.due(self.producers))
            self.sync.request_rolled()
        else:
            self._segments.remove(old)
            old.delete_now()

    def _create_segment(self, base_offset: int, now_ms: int) -> Segment:
        return Segment.create(
            self.directory,
            base_offset,
            index_interval_bytes=self.config.index_interval_bytes,
            files=self._environment.files,
            descriptors=self._environment.descriptors,
            created_ms=now_ms,
        )

    def _set_active(self, segment: Segment) -> None:
        self._segments.add(segment)
        self.sync.segment_created()
        self._roll_config = self._with_jitter(self.config)

    # ------------------------------------------------------------------ read

    def read(self, offset: int, max_bytes: int, *, up_to_offset: int, min_one_batch: bool) -> bytes | FileRecords:
        """Batches from the one that holds `offset`, as they lie in its segment.

        Ends before `up_to_offset` (high watermark or last stable offset), at the end of the segment, or after
        `max_bytes` in the middle of a batch; a first batch that is larger comes whole with `min_one_batch`, else
        nothing does. Many bytes are not read but told where they lie. Raises OffsetOutOfRange, OSError.
        """
        if offset < self.log_start_offset or offset > self.log_end_offset:
            raise OffsetOutOfRange(offset, self.log_start_offset, self.log_end_offset)
        if offset >= up_to_offset:
            return b""
        return self._segments.read(
            offset,
            max_bytes,
            up_to_offset=up_to_offset,
            log_end_offset=self.log_end_offset,
            min_one_batch=min_one_batch,
        )

    def locate(self, offset: int) -> tuple[int, int]:
        """Where the batch that holds `offset` begins: its segment's base offset, and the position in that segment.

        The log end offset is where the active segment ends. Kafka: `LogOffsetMetadata`. Raises OSError, CorruptBatch.
        """
        if offset < self.log_end_offset:
            return self._segments.locate(offset)
        active = self._segments.active
        return active.base_offset, active.size

    def batches(self, start_offset: int) -> Iterator[tuple[memoryview, BatchHeader]]:
        """Each batch from the one that holds `start_offset`, to replay it; a view is valid until the next step."""
        return self._segments.batches(start_offset)

    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampedOffset | None:
        """The first record, by offset, that is not older than `timestamp_ms`. Raises OSError, MissingCodec."""
        return self._segments.offset_for_timestamp(timestamp_ms, self.log_start_offset)

    def offset_of_max_timestamp(self) -> TimestampedOffset | None:
        """The first record with the largest timestamp, which is -1 where no record has one; None without records."""
        return self._segments.offset_of_max_timestamp()

    def aborted_transactions(self, fetch_offset: int, upper_bound_offset: int) -> list[AbortedTxn]:
        """The aborted transactions that overlap [fetch_offset, upper_bound_offset)."""
        return self._segments.aborted_transactions(fetch_offset, upper_bound_offset)

    def aborted_in(self, fetch_offset: int, batch_offset: int, size_bytes: int) -> list[AbortedTxn]:
        """The aborted transactions that a reader from `fetch_offset` may meet in `size_bytes` from `batch_offset` on.

        There may be some more, up to the next entry of the index, as in Kafka. Raises OSError, CorruptBatch.
        """
        found = self.aborted_transactions(fetch_offset, self.log_end_offset)
        if not found:
            return found
        bound = self._segments.bound_of(batch_offset, size_bytes, self.log_end_offset)
        return [aborted for aborted in found if aborted.first_offset < bound]

    # ------------------------------------------------------------------ truncate, let go

    def truncate_to(self, offset: int, now_ms: int) -> bool:
        """Drop everything from `offset` on; says whether there was anything. Raises OSError."""
        if offset >= self.log_end_offset:
            return False
        if offset <= self._segments.first.base_offset:
            self.truncate_fully_and_start_at(offset, now_ms)
            return True
        for segment in reversed(self._segments.take_above(offset)):
            segment.delete_now()
        self.active.truncate_to(offset)
        self._end_at(offset)
        self.leader_epochs.truncate_from_end(offset)
        self._reload_producers(now_ms)
        return True

    def truncate_fully_and_start_at(self, offset: int, now_ms: int) -> None:
        """Drop everything and go on at `offset`. Raises OSError."""
        for segment in reversed(self._segments.take_above(-1)):
            segment.delete_now()
        self._set_active(self._create_segment(offset, now_ms))
        self._end_at(offset)
        self.log_start_offset = offset
        self._high_watermark = offset
        self.leader_epochs.clear()
        self.snapshots.remove_outside(offset, offset)
        self.snapshots.last_offset = 0
        self.producers.clear(offset)

    def _end_at(self, offset: int) -> None:
        self.truncations += 1
        self.log_end_offset = offset
        self.size_bytes = self._segments.size_bytes
        self.recovery_point = min(self.recovery_point, offset)
        self.log_start_offset = min(self.log_start_offset, offset)
        self._high_watermark = min(self._high_watermark, offset)
        self._roll_config = self._with_jitter(self.config)
        self.sync.log_cut(self._segments.to_list())

    def _reload_producers(self, now_ms: int) -> None:
        self.snapshots.remove_outside(self.log_start_offset, self.log_end_offset)
        expiration_ms = self._environment.producer_id_expiration_ms
        self.snapshots.load_latest(self.producers, self.log_start_offset, now_ms, expiration_ms)
        replay_producers(self.producers, self._segments.to_list(), self.log_end_offset)
        self.producers.high_watermark_moved(self._high_watermark)

    def advance_log_start_offset(self, offset: int) -> bool:
        """DeleteRecords: nothing below `offset` is readable any more; says whether it moved.

        The segments go with the next retention. Raises OffsetOutOfRange above the high watermark.
        """
        if offset > self._high_watermark:
            raise OffsetOutOfRange(offset, self.log_start_offset, self._high_watermark)
        if offset <= self.log_start_offset:
            return False
        self.log_start_offset = offset
        self.leader_epochs.truncate_from_start(offset)
        return True

    def apply_retention(self, now_ms: int) -> int:
        """Give up the segments that retention allows; return how many.

        Their files are renamed and later, by `released_files`, removed in the background. Raises OSError.
        """
        return segment_removal.apply_retention(self, self._segments, now_ms)

    def replace_segments(self, cleaned: CleanedSegment, truncations: int, now_ms: int) -> bool:
        """Put a cleaned segment into the place of those it was made from, if these are still what they were.

        Says whether they are; if not, the cleaned files are removed. Raises OSError; the log is not to be used then.
        """
        return segment_removal.replace_segments(self, self._segments, cleaned, truncations, self._environment, now_ms)

    def expire_producers(self, now_ms: int) -> int:
        """Forget producers that were silent for producer.id.expiration.ms; return how many."""
        return self.producers.expire(now_ms, self._environment.producer_id_expiration_ms)

    # ------------------------------------------------------------------ flush, close

    def flush(self) -> None:
        """Bring everything to the disk within this call. Raises OSError."""
        if self.recovery_point < self.log_end_offset:
            self.sync.sync_now()

    def close(self) -> None:
        """Flush, leave indexes and a producer snapshot that match the end, give the files back. Raises OSError.

        Also when a sync failed before: the next one would be told that all is well, and what the first did not write
        would never be looked for.
        """
        if self.sync.failure is not None:
            raise self.sync.failure
        self.flush()
        self.sync.close()
        self.producers.map_end_offset = self.log_end_offset
        snapshot_before = self.snapshots.last_offset
        self.snapshots.take(self.producers)
        if self.snapshots.last_offset != snapshot_before:
            self.closed_files.append(self.snapshots.path(self.snapshots.last_offset))
        if self.leader_epochs.saves:
            self.closed_files.append(self.leader_epochs.path)
        for segment in self._segments:
            if segment.indexes.times is not None and segment.size:
                self.closed_files += segment.paths[1:]
            segment.close()

    def abandon(self) -> None:
        """Give the files back as they are, as a log whose folder goes away or whose disk failed."""
        self.sync.close()
        for segment in self._segments:
            segment.log.close()

    def rename_directory(self, directory: str) -> None:
        """Move the folder; the log is not to be used afterwards. Raises OSError."""
        self.abandon()
        self._environment.files.rename(self.directory, directory)
        self.directory = directory

    @property
    def is_in_place(self) -> bool:
        """Whether the folder is still there."""
        return os.path.isdir(self.directory)
