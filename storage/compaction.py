"""Cleans a log: keeps the newest record of each key, in segments that take the place of the old ones.

First the dirty part is read, for the newest offset of each key; then every segment up to where that came is written
again, without the records that are not the newest. The map of the keys has a fixed size, so one cleaning may come less
far than it could; the next one goes on there.
A `Cleaning` runs in a thread. It is made from values that stay as they are, reads and writes files, and touches
nothing that the log's thread changes; the log takes each cleaned segment in place, or not, with `Log.replace_segments`.
Kafka: `Cleaner`.
"""

from __future__ import annotations

import errno
import os
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..protocol.record_batch import HEADER_BYTES, CorruptBatch, read_header
from ..protocol.records import read_records
from .batch_filter import BatchFilter, FilterRules, LastRecord
from .cleanable import group_segments
from .cleaned_segment import CleanedSegment, CleanedSegmentWriter, SegmentSource
from .cleaned_transactions import CleanedTransactions
from .log_config import MAX_LONG
from .offset_index import CorruptIndex, OffsetIndex
from .offset_map import OffsetMap
from .segment import INDEX_SUFFIX, LOG_SUFFIX, TXN_INDEX_SUFFIX, file_stem
from .txn_index import TxnIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..protocol.record_batch import BatchHeader
    from .cleanable import LogToClean
    from .cleaner_pace import Pace
    from .files import Files
    from .log import Log
    from .log_config import LogConfig
    from .txn_index import AbortedTxn

# After so many records the work asks whether it may go on.
_BREATH_RECORDS = 64


@dataclass(frozen=True, slots=True)
class CleaningBuffers:
    """What one cleaning may take: bytes for the keys, how full, and bytes of a log at once."""

    offset_map_bytes: int
    load_factor: float
    io_bytes: int


@dataclass(frozen=True, slots=True)
class CleaningTask:
    """One log as it is when its cleaning begins."""

    name: str
    directory: str
    config: LogConfig
    sources: tuple[SegmentSource, ...]
    """All segments below the first uncleanable offset."""
    first_dirty_offset: int
    first_uncleanable_offset: int
    later_stems: tuple[str, ...]
    """Of the segments behind them that are not written any more."""
    active_aborted: tuple[AbortedTxn, ...]
    last_records: Mapping[int, LastRecord]
    now_ms: int
    truncations: int


@dataclass(slots=True)
class CleaningCounts:
    """What a cleaning has done so far."""

    bytes_mapped: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    records_read: int = 0
    records_kept: int = 0
    records_without_key: int = 0
    segments_read: int = 0
    segments_written: int = 0


def cleaning_task(cleanable: LogToClean, now_ms: int) -> CleaningTask:
    """Everything that a thread needs to know of a log. To be called on the log's thread. Raises CorruptIndex."""
    log = cleanable.log
    below = [segment for segment in log.segments if segment.base_offset < cleanable.first_uncleanable_offset]
    return CleaningTask(
        name=log.name,
        directory=log.directory,
        config=log.config,
        sources=tuple(SegmentSource(segment.stem, segment.base_offset, segment.size) for segment in below),
        first_dirty_offset=cleanable.first_dirty_offset,
        first_uncleanable_offset=cleanable.first_uncleanable_offset,
        later_stems=tuple(segment.stem for segment in log.segments[len(below) : -1]),
        active_aborted=tuple(log.segments[-1].txn_index.entries()),
        last_records=_last_records(log),
        now_ms=now_ms,
        truncations=log.truncations,
    )


def _last_records(log: Log) -> dict[int, LastRecord]:
    return {
        producer_id: LastRecord(entry.batches[-1].last_offset if entry.batches else -1, entry.epoch)
        for producer_id, entry in log.producers.entries.items()
    }


class Cleaning:
    """One cleaning of one log: `build_map` once, then `clean_next` until it returns None, then `close`."""

    def __init__(self, task: CleaningTask, buffers: CleaningBuffers, files: Files, pace: Pace) -> None:
        self.task = task
        self.counts = CleaningCounts()
        self.end_offset = task.first_dirty_offset
        """Where the clean part ends once every group is in place."""
        self.map_utilization = 0.0
        self._buffers = buffers
        self._files = files
        self._pace = pace
        self._map: OffsetMap | None = None
        self._groups: list[tuple[SegmentSource, ...]] = []
        self._filter: BatchFilter | None = None
        self._transactions = CleanedTransactions()
        self._aborted: _AbortedTransactions | None = None

    # ------------------------------------------------------------------ the newest offset of each key

    def build_map(self) -> None:
        """Read the dirty part. Raises CleaningAborted, OSError, ProtocolError, CorruptIndex, ValueError."""
        task = self.task
        _check_room(task)
        start, end = task.first_dirty_offset, task.first_uncleanable_offset
        offsets = self._map = OffsetMap(self._buffers.offset_map_bytes, self._buffers.load_factor, end - start)
        self._aborted = _AbortedTransactions(task)
        transactions = CleanedTransactions()
        transactions.add_aborted(self._aborted.between(start, end))
        dirty = _from(task.sources, start)
        for source, end_offset in zip(dirty, [*(s.base_offset for s in dirty[1:]), end], strict=True):
            if not self._map_segment(source, offsets, transactions):
                break
            # Where offsets are missing at the end of a segment, nothing is left to be cleaned either.
            offsets.latest_offset = max(offsets.latest_offset, end_offset - 1)
        self.map_utilization = offsets.utilization
        self.end_offset = offsets.latest_offset + 1
        wanted = [source for source in task.sources if source.base_offset < self.end_offset]
        self._groups = group_segments(wanted, task.config, end)
        rules = FilterRules(task.now_ms, task.config.delete_retention_ms, task.last_records, end)
        self._filter = BatchFilter(offsets, self._transactions, rules, self._pace.breathe)

    def _map_segment(self, source: SegmentSource, offsets: OffsetMap, transactions: CleanedTransactions) -> bool:
        """Enter a segment's keys; says whether all of them found room."""
        position = _position_in(source, self.task.first_dirty_offset)
        for data, header in self._batches(source, position):
            self.counts.bytes_mapped += len(data)
            if header.is_control:
                transactions.is_obsolete_marker(data, header)
            elif not transactions.is_aborted(header) and not self._map_batch(data, header, offsets):
                return False
            if header.last_offset >= self.task.first_dirty_offset:
                offsets.latest_offset = header.last_offset
        return True

    def _map_batch(self, data: memoryview, header: BatchHeader, offsets: OffsetMap) -> bool:
        first_dirty_offset = self.task.first_dirty_offset
        if header.last_offset < first_dirty_offset:
            return True
        for number, (offset, _, key, _, _) in enumerate(read_records(data, 0, header)):
            if not number % _BREATH_RECORDS:
                self._pace.breathe()
            if key is not None and offset >= first_dirty_offset:
                if offsets.is_full:
                    return False
                offsets.put(key, offset)
                offsets.latest_offset = offset
        return True

    # ------------------------------------------------------------------ writing segments again

    def clean_next(self) -> CleanedSegment | None:
        """Write the next cleaned segment, whole and on the disk; None when there is none left.

        Raises CleaningAborted, OSError, ProtocolError, CorruptIndex.
        """
        if not self._groups:
            return None
        group = self._groups.pop(0)
        writer = CleanedSegmentWriter(
            self.task.directory,
            group[0].base_offset,
            index_interval_bytes=self.task.config.index_interval_bytes,
            buffer_bytes=self._buffers.io_bytes,
            files=self._files,
        )
        try:
            for source in group:
                self._clean_into(source, writer)
            aborted, self._transactions.kept = self._transactions.kept, []
            writer.finish(aborted, os.stat(group[-1].stem + LOG_SUFFIX).st_mtime_ns)
        except BaseException:
            writer.abandon()
            raise
        self.counts.segments_read += len(group)
        self.counts.segments_written += 1
        self.counts.bytes_written += writer.size_bytes
        base_offset = group[0].base_offset
        return CleanedSegment(file_stem(self.task.directory, base_offset), base_offset, writer.size_bytes, group)

    def _clean_into(self, source: SegmentSource, writer: CleanedSegmentWriter) -> None:
        assert self._filter is not None
        assert self._aborted is not None
        self._transactions.add_aborted(self._aborted.between(source.base_offset, self._end_of(source)))
        filter_batch = self._filter.filter
        for data, header in self._batches(source):
            kept = filter_batch(data, header)
            if kept is not None:
                written = writer.append(kept, header if kept is data else read_header(kept))
                if written:
                    self._pace.took_bytes(written)
        self.counts.bytes_read += source.size_bytes
        self._count_records(self._filter)

    def _count_records(self, batches: BatchFilter) -> None:
        self.counts.records_read = batches.records_read
        self.counts.records_kept = batches.records_kept
        self.counts.records_without_key = batches.records_without_key

    def _end_of(self, source: SegmentSource) -> int:
        sources = self.task.sources
        following = bisect_right(sources, source.base_offset, key=_base_offset)
        return sources[following].base_offset if following < len(sources) else self.task.first_uncleanable_offset

    def _batches(self, source: SegmentSource, position: int = 0) -> Iterator[tuple[memoryview, BatchHeader]]:
        """Each batch of a segment. Raises OSError, CorruptBatch, CleaningAborted."""
        descriptor = os.open(source.stem + LOG_SUFFIX, os.O_RDONLY | os.O_CLOEXEC)
        try:
            wanted = self._buffers.io_bytes
            while position < source.size_bytes:
                chunk = os.pread(descriptor, min(wanted, source.size_bytes - position), position)
                self._pace.took_bytes(len(chunk))
                end = 0
                for batch, header in _whole_batches(memoryview(chunk)):
                    yield batch, header
                    end += header.size_bytes
                wanted = self._buffers.io_bytes if end else _first_batch_bytes(chunk, position, source)
                position += end
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Give the memory of the map back."""
        if self._map is not None:
            self._map.close()
            self._map = None
        self._filter = None


class _AbortedTransactions:
    """What the transaction indexes of a log say, read where it is needed."""

    def __init__(self, task: CleaningTask) -> None:
        ends = [source.base_offset for source in task.sources[1:]] + [task.first_uncleanable_offset]
        found = [(end, source.stem + TXN_INDEX_SUFFIX) for end, source in zip(ends, task.sources, strict=True)]
        found += [(MAX_LONG, stem + TXN_INDEX_SUFFIX) for stem in task.later_stems]
        self._paths = [(end, path) for end, path in found if os.path.exists(path)]
        self._active = task.active_aborted

    def between(self, start_offset: int, end_offset: int) -> list[AbortedTxn]:
        """The aborted transactions that overlap [start_offset, end_offset). Raises CorruptIndex."""
        found: list[AbortedTxn] = []
        for segment_end, path in self._paths:
            if segment_end <= start_offset:
                continue
            entries, is_complete = TxnIndex(path).collect(start_offset, end_offset)
            found += entries
            if is_complete:
                return found
        return found + [txn for txn in self._active if txn.first_offset < end_offset]


def _check_room(task: CleaningTask) -> None:
    """Raise OSError at once when the disk has no room for a cleaned segment: its last bytes are for producers."""
    stat = os.statvfs(task.directory)
    if stat.f_bavail * stat.f_frsize < max(source.size_bytes for source in task.sources):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), task.directory)


def _from(sources: Sequence[SegmentSource], offset: int) -> Sequence[SegmentSource]:
    """The segments from the one that holds `offset` on."""
    return sources[max(bisect_right(sources, offset, key=_base_offset) - 1, 0) :]


def _base_offset(source: SegmentSource) -> int:
    return source.base_offset


def _position_in(source: SegmentSource, offset: int) -> int:
    """A position at or before the batch that holds `offset`."""
    if offset <= source.base_offset:
        return 0
    index = OffsetIndex(source.stem + INDEX_SUFFIX, source.base_offset)
    try:
        index.load()
        index.check(source.size_bytes)
    except (FileNotFoundError, CorruptIndex):
        return 0
    return index.lookup(offset)


def _whole_batches(chunk: memoryview) -> Iterator[tuple[memoryview, BatchHeader]]:
    at = 0
    while len(chunk) - at >= HEADER_BYTES:
        header = read_header(chunk, at)
        end = at + header.size_bytes
        if end > len(chunk):
            return
        yield chunk[at:end], header
        at = end


def _first_batch_bytes(chunk: bytes, position: int, source: SegmentSource) -> int:
    """How much must be read for a batch that is larger than what is usually read at once. Raises CorruptBatch."""
    size_bytes = read_header(chunk).size_bytes
    if position + size_bytes > source.size_bytes or size_bytes <= len(chunk):
        raise CorruptBatch(f"{source.stem}{LOG_SUFFIX}: the batch at position {position} is not whole")
    return size_bytes
