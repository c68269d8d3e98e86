"""Kafka's files read by code of its own: struct, a CRC, and nothing of the broker's.

Whatever is wrong is an AssertionError that names the file.
"""

from __future__ import annotations

import itertools
import os
import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from crc32c import crc32c

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH = struct.Struct(">qiibIhiqqqhii")
_INDEX_ENTRY = struct.Struct(">ii")
_TIME_INDEX_ENTRY = struct.Struct(">qi")
_SNAPSHOT_ENTRY_BYTES = 46
_CRC_START = 21
_PARTITION_FOLDER = re.compile(r".+-\d+")
_SEGMENT_FILE = re.compile(r"(\d{20})\.log")


class Batch(NamedTuple):
    """Where a batch lies in its file, and what its header says."""

    position: int
    size: int
    first_offset: int
    last_offset: int
    leader_epoch: int
    max_timestamp: int


class SegmentOnDisk(NamedTuple):
    """A segment's file and its batches."""

    path: Path
    base_offset: int
    batches: list[Batch]

    @property
    def next_offset(self) -> int:
        return self.batches[-1].last_offset + 1 if self.batches else self.base_offset


def partition_folders(data_dir: Path) -> list[Path]:
    """The folders of partitions, without those that are deleted or set aside."""
    return sorted(path for path in data_dir.iterdir() if path.is_dir() and _PARTITION_FOLDER.fullmatch(path.name))


class LogFiles:
    """Log files as they were read last: those that did not change are not read again."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, ...], list[Batch]]] = {}

    def batches(self, path: Path, *, torn_end: bool) -> list[Batch]:
        """What `read_batches` returns."""
        state = _state_of_file(path)
        known, batches = self._read.get(path, (None, []))
        if known != state:
            batches = read_batches(path, torn_end=torn_end)
            self._read[path] = (state, batches)
        return batches


def _state_of_file(path: Path) -> tuple[int, ...]:
    """What changes when a file does; nothing of one that is not there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def state_of(segment: SegmentOnDisk) -> tuple[tuple[int, ...], ...]:
    """What changes when one of a segment's files does."""
    return tuple(_state_of_file(segment.path.with_suffix(suffix)) for suffix in (".log", ".index", ".timeindex"))


def read_batches(path: Path, *, torn_end: bool = False) -> list[Batch]:
    """Every batch of a log file, each with a right CRC; with `torn_end` the file may end within one."""
    content = path.read_bytes()
    batches: list[Batch] = []
    position = 0
    while position < len(content):
        batch = _batch_at(content, position)
        if batch is None:
            assert torn_end, f"{path}: no whole batch at position {position} of {len(content)}"
            break
        batches.append(batch)
        position += batch.size
    for earlier, later in itertools.pairwise(batches):
        assert later.first_offset > earlier.last_offset, f"{path}: {later} follows {earlier}"
        assert later.leader_epoch >= earlier.leader_epoch, f"{path}: {later} follows {earlier}"
    return batches


def _batch_at(content: bytes, position: int) -> Batch | None:
    if len(content) - position < _BATCH.size:
        return None
    first, length, epoch, magic, crc, _, delta, _, max_timestamp, *_ = _BATCH.unpack_from(content, position)
    end = position + 12 + length
    if magic != 2 or end > len(content) or crc32c(content[position + _CRC_START : end]) != crc:
        return None
    return Batch(position, 12 + length, first, first + delta, epoch, max_timestamp)


def segments_of(folder: Path, files: LogFiles, *, torn_end: bool = False) -> list[SegmentOnDisk]:
    """The segments of a partition, in order; without holes, unless the log is compacted."""
    names = _segment_names(folder)
    segments = []
    for name in names:
        is_last = name == names[-1]
        batches = files.batches(folder / name, torn_end=torn_end and is_last)
        segments.append(SegmentOnDisk(folder / name, int(name[:20]), batches))
    for earlier, later in itertools.pairwise(segments):
        assert later.base_offset >= earlier.next_offset, f"{later.path} follows a segment to {earlier.next_offset}"
    if not is_compacted(folder):
        _check_no_holes(segments)
    return segments


def _segment_names(folder: Path) -> list[str]:
    """The log files in order. A listing of a folder that changes meanwhile may lack one and have a later one."""
    names: list[str] = []
    while True:
        before = names
        names = sorted(path.name for path in folder.iterdir() if _SEGMENT_FILE.fullmatch(path.name))
        if names == before:
            return names


def is_compacted(folder: Path) -> bool:
    """Whether records go while their partition stays."""
    return folder.name.startswith("__consumer_offsets")


def _check_no_holes(segments: list[SegmentOnDisk]) -> None:
    for earlier, later in itertools.pairwise(segments):
        assert later.base_offset == earlier.next_offset, f"{later.path} follows a segment to {earlier.next_offset}"
    for segment in segments:
        if segment.batches:
            assert segment.batches[0].first_offset == segment.base_offset, segment.path
        for before, batch in itertools.pairwise(segment.batches):
            assert batch.first_offset == before.last_offset + 1, f"{segment.path}: {batch} follows {before}"


def check_indexes(segment: SegmentOnDisk, *, complete: bool, index_interval_bytes: int = 0) -> int:
    """Each entry of both indexes against the log; with `complete` also that none is missing. Returns the entries."""
    offsets = _check_offset_index(segment)
    timestamps = _check_time_index(segment)
    if complete:
        _check_nothing_missing(segment, offsets, timestamps, index_interval_bytes)
    return len(offsets) + len(timestamps)


def _check_offset_index(segment: SegmentOnDisk) -> list[tuple[int, int]]:
    path = segment.path.with_suffix(".index")
    entries = list(_entries(path, _INDEX_ENTRY))
    by_position = {batch.position: batch for batch in segment.batches}
    for relative, position in entries:
        batch = by_position.get(position)
        assert batch is not None, f"{path}: no batch at position {position}"
        offset = segment.base_offset + relative
        assert batch.last_offset == offset, f"{path}: {offset} at {position}, where {batch} is"
    _assert_ascending(path, entries)
    return entries


def _check_time_index(segment: SegmentOnDisk) -> list[tuple[int, int]]:
    path = segment.path.with_suffix(".timeindex")
    entries = list(_entries(path, _TIME_INDEX_ENTRY))
    newest = {}
    so_far = -1
    for batch in segment.batches:
        so_far = max(so_far, batch.max_timestamp)
        newest[batch.last_offset] = so_far
    for timestamp, relative in entries:
        offset = segment.base_offset + relative
        assert newest.get(offset) == timestamp, f"{path}: {timestamp} at {offset}; up to it {newest.get(offset)}"
    _assert_ascending(path, entries)
    return entries


def _check_nothing_missing(
    segment: SegmentOnDisk, offsets: list[tuple[int, int]], timestamps: list[tuple[int, int]], interval_bytes: int
) -> None:
    if not segment.batches:
        return
    last = segment.batches[-1]
    largest = max(batch.size for batch in segment.batches)
    marks = [0, *(position for _, position in offsets), last.position]
    for earlier, later in itertools.pairwise(marks):
        gap = later - earlier
        assert gap <= interval_bytes + 2 * largest, f"{segment.path}: nothing indexed from {earlier} to {later}"
    newest = max(batch.max_timestamp for batch in segment.batches)
    assert timestamps, f"{segment.path}: its time index is empty"
    assert timestamps[-1][0] == newest, f"{segment.path}: the time index ends at {timestamps[-1]}, not {newest}"


def _entries(path: Path, entry: struct.Struct) -> Iterator[tuple[int, int]]:
    """Whole entries; the last may be under way."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    yield from entry.iter_unpack(content[: len(content) // entry.size * entry.size])


def _assert_ascending(path: Path, entries: list[tuple[int, int]]) -> None:
    for earlier, later in itertools.pairwise(entries):
        assert earlier[0] < later[0], f"{path}: {later} after {earlier}"
        assert earlier[1] < later[1], f"{path}: {later} after {earlier}"


def check_leader_epochs(folder: Path, segments: list[SegmentOnDisk]) -> None:
    """The checkpoint knows the epoch of every batch; before the first one there is no file."""
    path = folder / "leader-epoch-checkpoint"
    if not any(segment.batches for segment in segments):
        return
    lines = path.read_text().splitlines()
    assert lines[0] == "0", path
    entries = [(int(epoch), int(start)) for epoch, start in (line.split() for line in lines[2:])]
    assert len(entries) == int(lines[1]), path
    _assert_ascending(path, [(epoch, start) for epoch, start in entries])
    for segment in segments:
        for batch in segment.batches:
            known = [epoch for epoch, start in entries if start <= batch.first_offset]
            assert known, f"{path}: nothing about {batch}"
            assert known[-1] == batch.leader_epoch, f"{path}: epoch {known[-1]} at {batch}"


def check_snapshots(folder: Path) -> None:
    """Every producer snapshot is whole."""
    for path in folder.glob("*.snapshot"):
        content = path.read_bytes()
        version, crc = struct.unpack_from(">hI", content)
        assert version == 1, path
        assert crc == crc32c(content[6:]), path
        (count,) = struct.unpack_from(">i", content, 6)
        assert len(content) == 10 + count * _SNAPSHOT_ENTRY_BYTES, path


def check_no_leftovers(folder: Path) -> None:
    """A started broker has finished or undone what was under way."""
    names = [name for name in os.listdir(folder) if name.endswith((".tmp", ".cleaned", ".swap"))]
    assert not names, f"{folder}: {names}"
