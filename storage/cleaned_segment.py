"""The segment that a cleaning writes: `.cleaned` files, and their way into the place of those they replace.

Until the swap begins nobody reads these files. Their names tell a start after a crash how far it came, see
`recovery`: with a `.cleaned` file there, nothing has happened yet; with `.swap` alone, the new segment is whole and
takes the place of every segment whose offsets it covers.
Kafka: `LocalLog.createNewCleanedSegment`, `LocalLog.replaceSegments`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .files import create_file, remove_if_present, sync_if_present, write_whole
from .offset_index import MAX_RELATIVE_OFFSET, OffsetIndex
from .segment import (
    DELETED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SUFFIXES,
    TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX,
    file_stem,
)
from .time_index import NO_TIMESTAMP, TimeIndex
from .txn_index import TxnIndex

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..protocol.record_batch import BatchHeader
    from .files import Data, Files
    from .txn_index import AbortedTxn

CLEANED_SUFFIX = ".cleaned"
SWAP_SUFFIX = ".swap"


class SegmentSource(NamedTuple):
    """A segment that is not written any more, as it is when its cleaning begins."""

    stem: str
    """The path of its files without their suffix."""
    base_offset: int
    size_bytes: int


class CleanedSegment(NamedTuple):
    """What takes the place of its sources, once it is swapped in."""

    stem: str
    base_offset: int
    size_bytes: int
    sources: tuple[SegmentSource, ...]

    def discard(self, files: Files) -> None:
        """Remove the files again, as far as they are there."""
        discard(files, self.stem)


class CleanedSegmentWriter:
    """Writes the batches that stay, one after the other, and their indexes."""

    def __init__(
        self, directory: str, base_offset: int, *, index_interval_bytes: int, buffer_bytes: int, files: Files
    ) -> None:
        self._stem = file_stem(directory, base_offset)
        self._base_offset = base_offset
        self._files = files
        self._index_interval_bytes = index_interval_bytes
        self._buffer_bytes = buffer_bytes
        discard(files, self._stem)
        self._descriptor = create_file(files, self._stem + LOG_SUFFIX + CLEANED_SUFFIX)
        self._offset_index = OffsetIndex(self._stem + INDEX_SUFFIX + CLEANED_SUFFIX, base_offset)
        self._time_index = TimeIndex(self._stem + TIME_INDEX_SUFFIX + CLEANED_SUFFIX, base_offset)
        self._max_timestamp = NO_TIMESTAMP
        self._offset_of_max_timestamp = base_offset
        self._unindexed_bytes = 0
        self._pending: list[Data] = []
        self._pending_bytes = 0
        self.size_bytes = 0

    def append(self, data: Data, header: BatchHeader) -> int:
        """Add a batch; return how many bytes this wrote. Raises OSError, ValueError for an offset out of range."""
        last_offset = header.last_offset
        if not 0 <= last_offset - self._base_offset <= MAX_RELATIVE_OFFSET:
            raise ValueError(f"{self._stem}{LOG_SUFFIX}: offset {last_offset} is too far from the segment's base")
        if header.max_timestamp > self._max_timestamp:
            self._max_timestamp, self._offset_of_max_timestamp = header.max_timestamp, last_offset
        if self._unindexed_bytes > self._index_interval_bytes:
            self._offset_index.append(last_offset, self.size_bytes)
            self._time_index.maybe_append(self._max_timestamp, self._offset_of_max_timestamp)
            self._unindexed_bytes = 0
        length = len(data)
        self._unindexed_bytes += length
        self._pending.append(data)
        self._pending_bytes += length
        self.size_bytes += length
        return self._write() if self._pending_bytes >= self._buffer_bytes else 0

    def _write(self) -> int:
        count = self._pending_bytes
        write_whole(self._files, self._descriptor, b"".join(self._pending), self.size_bytes - count)
        self._pending = []
        self._pending_bytes = 0
        return count

    def finish(self, aborted: Iterable[AbortedTxn], modified_ns: int) -> None:
        """Bring everything to the disk; the file is as old as the newest one that it is made from. Raises OSError."""
        if self._pending:
            self._write()
        self._time_index.maybe_append(self._max_timestamp, self._offset_of_max_timestamp)
        self._offset_index.save(self._files)
        self._time_index.save(self._files)
        txn_index = TxnIndex(self._stem + TXN_INDEX_SUFFIX + CLEANED_SUFFIX)
        for txn in aborted:
            txn_index.append(self._files, txn)
        os.close(self._descriptor)
        self._descriptor = -1
        for suffix in SUFFIXES:
            sync_if_present(self._files, self._stem + suffix + CLEANED_SUFFIX)
        os.utime(self._stem + LOG_SUFFIX + CLEANED_SUFFIX, ns=(modified_ns, modified_ns))

    def abandon(self) -> None:
        """Remove what was written."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        discard(self._files, self._stem)


def swap_in(files: Files, cleaned: CleanedSegment, snapshots: Sequence[str]) -> list[str]:
    """Put a cleaned segment in place; return the paths of its sources' files, to be removed later. Raises OSError.

    `snapshots` are the paths of producer snapshots that go with the sources. The folder must be synced before the
    files are removed, and before anything is written down that relies on the swap.
    """
    for suffix in SUFFIXES:
        _rename_if_there(files, cleaned.stem + suffix + CLEANED_SUFFIX, cleaned.stem + suffix + SWAP_SUFFIX)
    given_up = [source.stem + suffix for source in cleaned.sources for suffix in SUFFIXES]
    deleted = [
        path + DELETED_SUFFIX
        for path in (*given_up, *snapshots)
        if _rename_if_there(files, path, path + DELETED_SUFFIX)
    ]
    for suffix in SUFFIXES:
        _rename_if_there(files, cleaned.stem + suffix + SWAP_SUFFIX, cleaned.stem + suffix)
    return deleted


def discard(files: Files, stem: str) -> None:
    """Remove the `.cleaned` files of a segment, as far as they are there."""
    for suffix in SUFFIXES:
        remove_if_present(files, stem + suffix + CLEANED_SUFFIX)


def _rename_if_there(files: Files, source: str, target: str) -> bool:
    try:
        files.rename(source, target)
    except FileNotFoundError:
        return False
    return True
