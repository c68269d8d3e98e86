"""The offset index and the time index of one segment: in memory while it is written, else in their files alone.

What is in memory grows with the log and is needed for appends and truncations only. So a segment that was rolled lets
go of it once its files are written, and whoever reads an old segment looks into the files (`index_search`): the memory
of a broker does not grow with what is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .index_search import last_entry, last_entry_at_most
from .offset_index import ENTRY as OFFSET_ENTRY
from .offset_index import MAX_RELATIVE_OFFSET, CorruptIndex, OffsetIndex
from .time_index import ENTRY as TIME_ENTRY
from .time_index import NO_TIMESTAMP, TimeIndex

if TYPE_CHECKING:
    from .files import Files
    from .offset_index import IndexWrite

INDEX_SUFFIX = ".index"
TIME_INDEX_SUFFIX = ".timeindex"


class SegmentIndexes:
    """Both indexes. Offsets are absolute; `check` and every question raise FileNotFoundError and CorruptIndex."""

    __slots__ = ("_are_checked", "_stem", "base_offset", "offsets", "times")

    def __init__(self, stem: str, base_offset: int) -> None:
        self._stem = stem
        self.base_offset = base_offset
        self.offsets: OffsetIndex | None = None
        self.times: TimeIndex | None = None
        self._are_checked = False

    def start(self) -> None:
        """Begin anew, in memory, without an entry."""
        self._are_checked = True
        self.offsets = OffsetIndex(self._stem + INDEX_SUFFIX, self.base_offset)
        self.times = TimeIndex(self._stem + TIME_INDEX_SUFFIX, self.base_offset)

    def load(self, log_bytes: int) -> None:
        """Read both into memory and check them against a log of that size."""
        offsets = OffsetIndex(self._stem + INDEX_SUFFIX, self.base_offset)
        offsets.load()
        offsets.check(log_bytes)
        times = TimeIndex(self._stem + TIME_INDEX_SUFFIX, self.base_offset)
        times.load()
        times.check()
        self.offsets, self.times = offsets, times
        self._are_checked = True

    def check(self, log_bytes: int) -> None:
        """See, once, that the files can be those of a log of that size, by their ends."""
        if not self._are_checked:
            self.last_position(log_bytes)
            self.last_timestamp()
            self._are_checked = True

    # ------------------------------------------------------------------ questions

    def position(self, offset: int, log_bytes: int) -> int:
        """A position at or before the batch that holds `offset`."""
        if self.offsets is not None:
            return self.offsets.lookup(offset)
        path = self._stem + INDEX_SUFFIX
        return _position(path, last_entry_at_most(path, OFFSET_ENTRY, offset - self.base_offset), log_bytes)

    def last_position(self, log_bytes: int) -> int:
        """The position of the last batch that is indexed; 0 when none is."""
        if self.offsets is not None:
            return self.offsets.lookup(self.offsets.last_offset)
        path = self._stem + INDEX_SUFFIX
        return _position(path, last_entry(path, OFFSET_ENTRY), log_bytes)

    def offset_before(self, timestamp: int) -> int:
        """An offset at or before the first record whose timestamp is at least `timestamp`."""
        if self.times is not None:
            return self.times.lookup(timestamp)
        found = last_entry_at_most(self._stem + TIME_INDEX_SUFFIX, TIME_ENTRY, timestamp)
        return self.base_offset + (found[1] if found else 0)

    def last_timestamp(self) -> tuple[int, int]:
        """The last (timestamp, offset); (-1, base offset) when there is none."""
        if self.times is not None:
            return self.times.last_entry
        timestamp, relative = last_entry(self._stem + TIME_INDEX_SUFFIX, TIME_ENTRY) or (NO_TIMESTAMP, 0)
        return timestamp, self.base_offset + relative

    # ------------------------------------------------------------------ files

    def save(self, files: Files) -> None:
        """Write entries that are only in memory. Raises OSError."""
        if self.offsets is not None and self.times is not None:
            self.offsets.save(files)
            self.times.save(files)

    def unsaved(self) -> tuple[IndexWrite, ...]:
        """What the files lack, for somebody else to write."""
        if self.offsets is None or self.times is None:
            return ()
        return tuple(write for write in (self.offsets.unsaved(), self.times.unsaved()) if write is not None)

    def saved(self, writes: tuple[IndexWrite, ...]) -> None:
        """Take note that somebody else has written these."""
        for write in writes:
            for index in (self.offsets, self.times):
                if index is not None and index.path == write.path:
                    index.saved(write)

    def release(self) -> None:
        """Keep nothing in memory, unless the files lack something."""
        if not self.unsaved():
            self.offsets = self.times = None


def _position(path: str, entry: tuple[int, int] | None, log_bytes: int) -> int:
    if entry is None:
        return 0
    relative, position = entry
    if position >= log_bytes or relative > MAX_RELATIVE_OFFSET:
        raise CorruptIndex(f"{path}: an entry ({relative}, {position}) is beyond a log of {log_bytes} bytes")
    return position
