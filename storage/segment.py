"""One segment of a log: `BASEOFFSET.log` and the indexes beside it.

The `.log` file is record batches one after the other and nothing else. `size` is the end of the last whole batch:
writes go there and nowhere else, so what a failed write left behind is cut off or written over, never read.
Kafka: `LogSegment`, `FileRecords`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from typing import TYPE_CHECKING, TypeVar

from ..protocol.record_batch import HEADER_BYTES, BatchHeader, CorruptBatch, read_header
from ..protocol.records import read_records
from .append import TimestampedOffset
from .batch_reader import BatchReader
from .file_records import STRETCH_FROM_BYTES, FileRecords
from .files import OpenFile, create_file, remove_if_present, write_whole
from .offset_index import MAX_RELATIVE_OFFSET, CorruptIndex, OffsetIndex
from .segment_indexes import INDEX_SUFFIX as INDEX_SUFFIX
from .segment_indexes import TIME_INDEX_SUFFIX as TIME_INDEX_SUFFIX
from .segment_indexes import SegmentIndexes
from .time_index import NO_TIMESTAMP, TimeIndex
from .txn_index import TxnIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .files import Data, Descriptors, Files
    from .log_config import LogConfig
    from .offset_index import IndexWrite

T = TypeVar("T")

LOG_SUFFIX = ".log"
TXN_INDEX_SUFFIX = ".txnindex"
SUFFIXES = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX)
DELETED_SUFFIX = ".deleted"

# A look-up reads this much at once: a little more than one index interval.
SCAN_BYTES = 8192
# Recovery and replay read this much at once.
CHUNK_BYTES = 1 << 20

# All that finding a position needs of a header: base offset, length, last offset delta. A whole one costs four times
# that, and a look-up passes some dozens.
_OFFSETS = struct.Struct(">qi11xi")
# A batch's base offset, and its length without these two.
_HEAD = struct.Struct(">qi")
_HEAD_BYTES = _HEAD.size
_MIN_LENGTH = HEADER_BYTES - _HEAD_BYTES
_LOG = logging.getLogger(__name__)


def file_stem(directory: str, base_offset: int) -> str:
    """The path of a segment's files without their suffix."""
    return f"{directory}/{base_offset:020d}"


class Segment:
    """Batches from `base_offset` on. Positions are bytes in the `.log` file; offsets are absolute."""

    __slots__ = (
        "_descriptors",
        "_files",
        "_first_timestamp",
        "_index_entries_left",
        "_index_interval_bytes",
        "_last_batch_offset",
        "_last_batch_position",
        "_max_timestamp",
        "_offset_of_max_timestamp",
        "_pwrite",
        "_reader_offset",
        "_reader_position",
        "_roll_above_timestamp",
        "_roomy_config",
        "_unindexed_bytes",
        "base_offset",
        "created_ms",
        "indexes",
        "log",
        "size",
        "stem",
        "txn_index",
    )

    def __init__(
        self,
        directory: str,
        base_offset: int,
        *,
        index_interval_bytes: int,
        files: Files,
        descriptors: Descriptors,
        created_ms: int,
        size: int = 0,
    ) -> None:
        self.stem = file_stem(directory, base_offset)
        self.base_offset = base_offset
        self.log = OpenFile(self.stem + LOG_SUFFIX, descriptors, files)
        self.size = size
        self.created_ms = created_ms
        self.indexes = SegmentIndexes(self.stem, base_offset)
        self.txn_index = TxnIndex(self.stem + TXN_INDEX_SUFFIX)
        self._files = files
        self._descriptors = descriptors
        self._pwrite = files.pwrite
        self._index_interval_bytes = index_interval_bytes
        self._unindexed_bytes = 0
        # The configuration under which the indexes take some entries more, and above which timestamp it has this roll;
        # None when it is not known of any.
        self._roomy_config: LogConfig | None = None
        self._index_entries_left = 0
        self._roll_above_timestamp = 0
        self._max_timestamp: int | None = None
        self._offset_of_max_timestamp = base_offset
        self._first_timestamp: int | None = None
        # Where the last batch begins, and where the last reader stopped: nearly every read asks for one of the two.
        self._last_batch_offset = -1
        self._last_batch_position = 0
        self._reader_offset = -1
        self._reader_position = 0

    # ------------------------------------------------------------------ creating and opening

    @classmethod
    def create(cls, directory: str, base_offset: int, **settings: object) -> Segment:
        """A new, empty segment. The indexes' files appear when they are first saved."""
        segment = cls(directory, base_offset, **settings)  # type: ignore[arg-type]
        os.close(create_file(segment._files, segment.log.path))
        segment._start_indexes()
        return segment

    def _start_indexes(self) -> None:
        self.indexes.start()
        self._max_timestamp = NO_TIMESTAMP
        self._offset_of_max_timestamp = self.base_offset
        self._unindexed_bytes = 0
        self._roomy_config = None

    def load_indexes(self) -> None:
        """Read both indexes into memory and check them. Raises FileNotFoundError, CorruptIndex."""
        self.indexes.load(self.size)

    def _from_indexes(self, ask: Callable[[], T]) -> T:
        """What the indexes say: opening a log looks only at the sizes of those that it does not need yet."""
        try:
            self.indexes.check(self.size)
            return ask()
        except (FileNotFoundError, CorruptIndex) as error:
            _LOG.warning("%s; both indexes are built again from %s", error, self.log.path)
            self._build_indexes()
            return ask()

    def _build_indexes(self) -> None:
        self._start_indexes()
        for position, _, header in self.batches():
            self.see_timestamp(header.max_timestamp, header.last_offset)
            self.index(header.last_offset, position, header.size_bytes)
        self.retire()

    def read_next_offset(self) -> int:
        """The offset after the last batch, by a scan from the last index entry.

        Raises FileNotFoundError, CorruptIndex; CorruptBatch when the file does not end with a whole batch.
        """
        next_offset = self.base_offset
        start = 0 if self.size <= self._index_interval_bytes else self.indexes.last_position(self.size)
        with BatchReader(self.log.path) as reader:
            for _, header in reader.headers(start):
                next_offset = header.next_offset
        self._unindexed_bytes = self.size - start
        return next_offset

    def _reload_max_timestamp(self) -> None:
        self._max_timestamp, self._offset_of_max_timestamp = self.time_index.last_entry
        for _, _, header in self.batches(self.offset_index.lookup(self._offset_of_max_timestamp)):
            self.see_timestamp(header.max_timestamp, header.last_offset)

    @property
    def offset_index(self) -> OffsetIndex:
        """The offset index in memory, to be changed."""
        if self.indexes.offsets is None:
            self._from_indexes(self.load_indexes)
        assert self.indexes.offsets is not None
        return self.indexes.offsets

    @property
    def time_index(self) -> TimeIndex:
        """The time index in memory, to be changed."""
        if self.indexes.times is None:
            self._from_indexes(self.load_indexes)
        assert self.indexes.times is not None
        return self.indexes.times

    def _indexed_position(self, offset: int) -> int:
        """A position at or before the batch that holds `offset`; a small segment is read from its start."""
        if offset <= self.base_offset or self.size <= self._index_interval_bytes:
            return 0
        return self._from_indexes(lambda: self.indexes.position(offset, self.size))

    # ------------------------------------------------------------------ writing

    def append(self, data: Data, first_offset: int, last_offset: int, max_timestamp: int) -> None:
        """Put a whole batch at the end and make it visible: size, largest timestamp, index.

        Raises OSError; the segment is then as before.
        """
        log = self.log
        descriptor = log.descriptor
        if descriptor < 0:
            descriptor = log.open()
        log.used = True
        position = self.size
        length = len(data)
        try:
            written = self._pwrite(descriptor, data, position)
            if written != length:
                write_whole(self._files, descriptor, memoryview(data)[written:], position + written)
        except OSError:
            self._cut_remains(descriptor)
            raise
        if not position:
            self._first_timestamp = max_timestamp
            self._roomy_config = None
        known = self._max_timestamp
        if max_timestamp > (self.max_timestamp if known is None else known):
            self._max_timestamp = max_timestamp
            self._offset_of_max_timestamp = last_offset
        if self._unindexed_bytes > self._index_interval_bytes:
            self._add_index_entries(last_offset, position)
        self._unindexed_bytes += length
        self.size = position + length
        self._last_batch_offset = first_offset
        self._last_batch_position = position

    def _cut_remains(self, descriptor: int) -> None:
        """What a failed write left must not follow the last batch after a clean stop."""
        try:
            self._files.ftruncate(descriptor, self.size)
        except OSError:
            return  # the disk is not well; the caller raises what it said first, and recovery cuts this too

    def see_timestamp(self, max_timestamp: int, last_offset: int) -> None:
        """Take part in the largest timestamp so far."""
        known = self._max_timestamp
        if max_timestamp > (self.max_timestamp if known is None else known):
            self._max_timestamp = max_timestamp
            self._offset_of_max_timestamp = last_offset

    def index(self, last_offset: int, position: int, length: int) -> None:
        """Add index entries for a batch when enough bytes lie between it and the last one that has them."""
        if self._unindexed_bytes > self._index_interval_bytes:
            self._add_index_entries(last_offset, position)
        self._unindexed_bytes += length

    def _add_index_entries(self, last_offset: int, position: int) -> None:
        self.offset_index.append(last_offset, position)
        self.time_index.maybe_append(self.max_timestamp, self._offset_of_max_timestamp)
        self._unindexed_bytes = 0
        self._index_entries_left -= 1
        if self._index_entries_left <= 0:
            self._roomy_config = None

    def should_roll(self, config: LogConfig, length: int, last_offset: int, timestamp: int, now_ms: int) -> bool:
        """Whether a batch must begin a new segment. `config.segment_ms` has its jitter taken off already."""
        return (
            self.size > config.segment_bytes - length
            or not 0 <= last_offset - self.base_offset <= MAX_RELATIVE_OFFSET
            or (
                (config is not self._roomy_config or timestamp > self._roll_above_timestamp)
                and self._is_old_or_full(config, timestamp, now_ms)
            )
        )

    def _is_old_or_full(self, config: LogConfig, timestamp: int, now_ms: int) -> bool:
        if self.size and self._waited_ms(now_ms, timestamp) > config.segment_ms:
            return True
        max_bytes = config.segment_index_bytes
        left = min(self.offset_index.entries_left(max_bytes), self.time_index.entries_left(max_bytes))
        if left > 0 and self.size and self.first_timestamp >= 0:
            self._roomy_config = config
            self._index_entries_left = left
            self._roll_above_timestamp = self.first_timestamp + config.segment_ms
        return left <= 0

    def _waited_ms(self, now_ms: int, timestamp: int) -> int:
        """How long this segment has been the active one: by the records' time where they have one."""
        first_timestamp = self.first_timestamp
        return timestamp - first_timestamp if first_timestamp >= 0 else now_ms - self.created_ms

    def save_indexes(self) -> None:
        """Write index entries that are only in memory. Raises OSError."""
        self.indexes.save(self._files)

    def unsaved_indexes(self) -> tuple[IndexWrite, ...]:
        """What the index files lack, for somebody else to write."""
        return self.indexes.unsaved()

    def indexes_saved(self, writes: tuple[IndexWrite, ...]) -> None:
        """Take note that somebody else has written these; the segment is not written any more."""
        self.indexes.saved(writes)
        self.indexes.release()

    def finish(self) -> None:
        """Stop being the active segment: the last time index entry becomes the largest timestamp."""
        self.time_index.maybe_append(self.max_timestamp, self._offset_of_max_timestamp)
        self._roomy_config = None

    def retire(self) -> None:
        """Finish, and keep the indexes in their files alone. Raises OSError."""
        self.finish()
        self.save_indexes()
        self.indexes.release()

    def close(self) -> None:
        """Save the indexes and give the descriptor back. Raises OSError."""
        if self.indexes.times is not None:
            self.retire()
        self.log.close()

    # ------------------------------------------------------------------ timestamps

    @property
    def max_timestamp(self) -> int:
        """The largest timestamp; -1 when there is none."""
        if self._max_timestamp is None:
            self._max_timestamp, self._offset_of_max_timestamp = self._from_indexes(self.indexes.last_timestamp)
        return self._max_timestamp

    @property
    def first_timestamp(self) -> int:
        """The largest timestamp of the first batch, which rolling by time counts from; -1 when there is none."""
        if self._first_timestamp is None:
            if not self.size:
                return NO_TIMESTAMP
            self._first_timestamp = next(self.batches(0))[2].max_timestamp
        return self._first_timestamp

    def retention_timestamp(self) -> int:
        """What retention by time compares: the largest record timestamp, else when the file was last written."""
        if self.max_timestamp >= 0:
            return self.max_timestamp
        return os.stat(self.log.path).st_mtime_ns // 1_000_000

    def offset_for_timestamp(self, timestamp: int, start_offset: int) -> TimestampedOffset | None:
        """The first record at or after `start_offset` that is not older than `timestamp`."""
        index_offset = max(self._from_indexes(lambda: self.indexes.offset_before(timestamp)), start_offset)
        for _position, data, header in self.batches(self._indexed_position(index_offset)):
            if header.max_timestamp < timestamp or header.last_offset < start_offset:
                continue
            for record in read_records(data, 0, header):
                if record.timestamp >= timestamp and record.offset >= start_offset:
                    return TimestampedOffset(record.timestamp, record.offset, header.partition_leader_epoch)
        return None

    def offset_of_max_timestamp(self) -> TimestampedOffset | None:
        """The first record that has the largest timestamp."""
        timestamp = self.max_timestamp
        for _, data, header in self.batches(self._indexed_position(self._offset_of_max_timestamp)):
            if header.max_timestamp == timestamp:
                for record in read_records(data, 0, header):
                    if record.timestamp == timestamp:
                        return TimestampedOffset(timestamp, record.offset, header.partition_leader_epoch)
        return None

    # ------------------------------------------------------------------ reading

    def read(
        self, offset: int, max_bytes: int, end: tuple[int, int], *, min_one_batch: bool
    ) -> bytes | FileRecords | None:
        """Bytes from the batch that holds `offset`, or where they lie; None when all batches are before it.

        `end` is the first offset that may not be read any more, and its position.

        May end inside a batch. A first batch larger than `max_bytes` comes whole with `min_one_batch`, else not at all.
        """
        position = self.position_of(offset)
        if position is None:
            return None
        available = end[1] - position
        if available <= 0:
            return b""
        wanted = min(max_bytes, available)
        head_bytes = max(wanted, _HEAD_BYTES) if wanted < STRETCH_FROM_BYTES else _HEAD_BYTES
        data = os.pread(self.log.descriptor, head_bytes, position)
        base_offset, length = _HEAD.unpack_from(data)
        size = length + _HEAD_BYTES
        if size > wanted:
            if not min_one_batch:
                return b""
            wanted = min(size, available)
        if wanted == available:
            self._reader_offset, self._reader_position = end
        if wanted >= STRETCH_FROM_BYTES:
            with contextlib.suppress(OSError):  # no descriptor is left: a reader is served all the same
                return FileRecords(self.log.descriptor, self.log.path, position, wanted, base_offset)
        return data if len(data) == wanted else os.pread(self.log.descriptor, wanted, position)

    def position_of(self, offset: int) -> int | None:
        """Where the first batch begins whose last offset is at least `offset`; None when there is none.

        Raises CorruptBatch when the file does not hold batches there.
        """
        log = self.log
        descriptor = log.descriptor if log.descriptor >= 0 else log.open()
        log.used = True
        if offset == self._reader_offset:
            return self._reader_position if self._reader_position < self.size else None
        if offset == self._last_batch_offset:
            return self._last_batch_position
        position = self._indexed_position(offset)
        while position < self.size:
            chunk = os.pread(descriptor, min(SCAN_BYTES, self.size - position), position)
            at, limit = 0, len(chunk) - _OFFSETS.size
            while at <= limit:
                base_offset, length, delta = _OFFSETS.unpack_from(chunk, at)
                if length < _MIN_LENGTH:
                    raise CorruptBatch(f"{log.path}: no batch at position {position + at}")
                if base_offset + delta >= offset:
                    return position + at
                at += length + _HEAD_BYTES
            if not at:
                raise CorruptBatch(f"{log.path}: it ends at {position + len(chunk)} instead of {self.size}")
            position += at
        return None

    def batches(self, position: int = 0) -> Iterator[tuple[int, memoryview, BatchHeader]]:
        """Each batch from a position on, as (position, its bytes, its header).

        The view is valid until the next step. Raises CorruptBatch at the first one that is not whole.
        """
        chunk, start = memoryview(b""), position
        while position < self.size:
            at = position - start
            if len(chunk) - at < HEADER_BYTES:
                chunk, start, at = self._chunk(position, CHUNK_BYTES), position, 0
            header = read_header(chunk, at)
            if len(chunk) - at < header.size_bytes:
                self._check_whole(header, position)
                wanted = max(header.size_bytes, CHUNK_BYTES)
                chunk, start, at = self._chunk(position, wanted), position, 0
            yield position, chunk[at : at + header.size_bytes], header
            position += header.size_bytes

    def _chunk(self, position: int, wanted: int) -> memoryview:
        # Opened for each chunk: whoever takes the batches may use other files meanwhile, which can close this one.
        return memoryview(os.pread(self.log.open(), min(wanted, self.size - position), position))

    def _check_whole(self, header: BatchHeader, position: int) -> None:
        if position + header.size_bytes > self.size:
            raise CorruptBatch(
                f"{self.log.path}: the batch at position {position} has {header.size_bytes} bytes, "
                f"{self.size - position} are there"
            )

    # ------------------------------------------------------------------ truncating, deleting

    def cut(self, position: int) -> None:
        """Drop the bytes from `position` on; the indexes are the caller's. Raises OSError."""
        self._files.ftruncate(self.log.open(), position)
        self.size = position
        self._last_batch_offset = self._reader_offset = -1

    def truncate_to(self, offset: int) -> None:
        """Drop the batches that hold offsets at or above `offset`."""
        position = self.position_of(offset)
        self.offset_index.truncate_to(offset)
        self.time_index.truncate_to(offset)
        self.txn_index.truncate_to(self._files, offset)
        if position is not None:
            self.cut(position)
        if not self.size:
            self._first_timestamp = None
        self._roomy_config = None
        self._reload_max_timestamp()
        self._unindexed_bytes = 0

    def resume_after(self, header: BatchHeader) -> None:
        """Go on indexing behind a batch that has the last entry of the indexes, which are in memory."""
        self._max_timestamp, self._offset_of_max_timestamp = self.time_index.last_entry
        self._unindexed_bytes = header.size_bytes

    def clear_indexes(self) -> None:
        """Begin all indexes anew, before the log is read again from its start."""
        self._start_indexes()
        self.txn_index.clear(self._files)

    @property
    def paths(self) -> list[str]:
        """The files that a segment may have."""
        return [self.stem + suffix for suffix in SUFFIXES]

    def delete_now(self) -> None:
        """Close, and remove the files."""
        self.log.close()
        for suffix in SUFFIXES:
            remove_if_present(self._files, self.stem + suffix)
