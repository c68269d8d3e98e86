"""What one partition's folder holds, told from its file sizes, its indexes and the last batches of its log."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...protocol.errors import ProtocolError
from ...protocol.primitives import uuid_to_text
from ...storage.batch_reader import BatchReader
from ...storage.checkpoints import CorruptFile, read_partition_metadata
from ...storage.index_search import last_entry
from ...storage.offset_index import ENTRY as OFFSET_ENTRY
from ...storage.offset_index import CorruptIndex
from ...storage.producer_snapshots import SUFFIX as SNAPSHOT_SUFFIX
from ...storage.producer_snapshots import read_snapshot, snapshot_path
from ...storage.segment import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX
from ...storage.time_index import ENTRY as TIME_ENTRY

if TYPE_CHECKING:
    from .listing import PartitionFolder


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """A transaction that was open when the newest producer snapshot was written."""

    producer_id: int
    producer_epoch: int
    first_offset: int


@dataclass(slots=True)
class PartitionSummary:
    """Sizes in bytes, times in ms. Offsets are -1 where they cannot be read; `log_end_offset` is the next one."""

    topic: str
    partition: int
    topic_id: str | None = None
    segments: int = 0
    size_bytes: int = 0
    log_start_offset: int = -1
    log_end_offset: int = -1
    newest_record_ms: int = -1
    producers: int = 0
    open_transactions: list[OpenTransaction] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def offsets(self) -> int:
        """How many offsets lie between start and end: the number of records, unless compaction took some."""
        return max(self.log_end_offset - self.log_start_offset, 0)


def summarize(folder: PartitionFolder, log_start_offset: int) -> PartitionSummary:
    """Look at a folder; `log_start_offset` is what the checkpoint says, 0 where it says nothing."""
    bases = folder.segment_base_offsets
    summary = PartitionSummary(folder.topic, folder.partition, segments=len(bases), size_bytes=folder.size_bytes)
    _read_topic_id(folder, summary)
    if not bases:
        summary.log_start_offset = summary.log_end_offset = log_start_offset
        return summary
    summary.log_start_offset = max(log_start_offset, bases[0])
    for base_offset in bases[:-1]:
        _see_closed_segment(folder, base_offset, summary)
    _read_tail(folder, bases[-1], summary)
    if summary.newest_record_ms < 0 and len(bases) > 1:
        _read_tail(folder, bases[-2], summary)
    _read_producers(folder, summary)
    return summary


def _read_topic_id(folder: PartitionFolder, summary: PartitionSummary) -> None:
    try:
        topic_id = read_partition_metadata(folder.path)
    except CorruptFile as error:
        summary.problems.append(str(error))
    except OSError as error:
        summary.problems.append(f"{error.filename}: {error.strerror}")
    else:
        summary.topic_id = None if topic_id is None else uuid_to_text(topic_id)


def _see_closed_segment(folder: PartitionFolder, base_offset: int, summary: PartitionSummary) -> None:
    """The last entry of a closed segment's time index is its newest record."""
    try:
        entry = last_entry(folder.file(base_offset, TIME_INDEX_SUFFIX), TIME_ENTRY)
    except (OSError, CorruptIndex):
        return  # only a look at the time is lost; `verify` says what is wrong
    if entry is not None:
        summary.newest_record_ms = max(summary.newest_record_ms, entry[0])


def _read_tail(folder: PartitionFolder, base_offset: int, summary: PartitionSummary) -> None:
    """Read the headers behind the last entry of the offset index that is inside the log."""
    _see_closed_segment(folder, base_offset, summary)
    summary.log_end_offset = max(summary.log_end_offset, base_offset)
    path = folder.file(base_offset, LOG_SUFFIX)
    try:
        with BatchReader(path) as reader:
            start = _last_indexed_position(folder, base_offset, reader.size)
            try:
                _read_headers(reader, start, summary)
            except ProtocolError:
                # The batch that the index leads to may be the broken one: what is before it counts.
                _read_headers(reader, 0, summary)
    except ProtocolError as error:
        summary.problems.append(f"{path}: after offset {summary.log_end_offset - 1}: {error}")
    except OSError as error:
        summary.log_end_offset = -1
        summary.problems.append(f"{path}: {error.strerror}")


def _read_headers(reader: BatchReader, position: int, summary: PartitionSummary) -> None:
    for _, header in reader.headers(position):
        summary.log_end_offset = max(summary.log_end_offset, header.next_offset)
        summary.newest_record_ms = max(summary.newest_record_ms, header.max_timestamp)


def _last_indexed_position(folder: PartitionFolder, base_offset: int, log_bytes: int) -> int:
    try:
        entry = last_entry(folder.file(base_offset, INDEX_SUFFIX), OFFSET_ENTRY)
    except (OSError, CorruptIndex):
        return 0
    return entry[1] if entry is not None and entry[1] < log_bytes else 0


def _read_producers(folder: PartitionFolder, summary: PartitionSummary) -> None:
    offsets = [int(n[:20]) for n in folder.sizes if n[20:] == SNAPSHOT_SUFFIX and n[:20].isdecimal()]
    if not offsets:
        return
    path = snapshot_path(folder.path, max(offsets))
    try:
        entries = read_snapshot(path)
    except CorruptFile as error:
        summary.problems.append(str(error))
        return
    except OSError as error:
        summary.problems.append(f"{os.path.basename(path)}: {error.strerror}")
        return
    summary.producers = len(entries)
    summary.open_transactions = [
        OpenTransaction(entry.producer_id, entry.epoch, entry.txn_first_offset)
        for entry in sorted(entries, key=lambda entry: entry.txn_first_offset)
        if entry.txn_first_offset >= 0
    ]
