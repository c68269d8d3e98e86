"""`.timeindex`: from a timestamp to an offset of the segment.

Twelve bytes an entry, big-endian: the largest timestamp so far, and (relative to the base offset) the last offset of
the batch that brought it. Timestamps ascend strictly, so an entry says: every record before that batch is older or
equal. The last entry of a closed segment is its largest timestamp; retention reads that one.
Entries are kept in memory and written out when the segment is flushed, rolled or closed, as in `offset_index`.
Kafka: `TimeIndex`.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from .offset_index import MAX_RELATIVE_OFFSET, CorruptIndex, IndexFile, IndexWrite

if TYPE_CHECKING:
    from collections.abc import Iterator


ENTRY_BYTES = 12
NO_TIMESTAMP = -1
ENTRY = struct.Struct(">qi")


class TimeIndex(IndexFile):
    """The entries of one segment, in memory, and the file that they are saved to."""

    __slots__ = ("_offsets", "_timestamps", "base_offset", "path")

    def __init__(self, path: str, base_offset: int) -> None:
        super().__init__()
        self.path = path
        self.base_offset = base_offset
        self._timestamps = array("q")
        self._offsets = array("I")

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def last_entry(self) -> tuple[int, int]:
        """The last (timestamp, offset); (-1, base offset) when there is none."""
        if not self._offsets:
            return NO_TIMESTAMP, self.base_offset
        return self._timestamps[-1], self.base_offset + self._offsets[-1]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        base_offset = self.base_offset
        return ((t, base_offset + o) for t, o in zip(self._timestamps, self._offsets, strict=True))

    def entries(self) -> list[tuple[int, int]]:
        """All entries as (timestamp, offset)."""
        return list(self)

    def maybe_append(self, timestamp: int, offset: int) -> None:
        """Add an entry when `timestamp` is larger than all before it."""
        if timestamp > (self._timestamps[-1] if self._timestamps else NO_TIMESTAMP):
            self._timestamps.append(timestamp)
            self._offsets.append(offset - self.base_offset)

    def lookup(self, timestamp: int) -> int:
        """An offset at or before the first record whose timestamp is at least `timestamp`."""
        found = bisect_right(self._timestamps, timestamp)
        return self.base_offset + (self._offsets[found - 1] if found else 0)

    def entries_left(self, max_bytes: int) -> int:
        """How many entries there is room for beside the closing one, as Kafka counts it."""
        return max_bytes // ENTRY_BYTES - 1 - len(self._offsets)

    def truncate_to(self, offset: int) -> None:
        """Forget entries at or above `offset`."""
        keep = len(self._offsets)
        while keep and self.base_offset + self._offsets[keep - 1] >= offset:
            keep -= 1
        self._keep(keep)

    def clear(self) -> None:
        """Forget all entries, before a rebuild."""
        self._keep(0)

    def _keep(self, count: int) -> None:
        if count < len(self._offsets):
            del self._timestamps[count:]
            del self._offsets[count:]
            self._saved = -1

    def unsaved(self) -> IndexWrite | None:
        """What the file lacks; None when it lacks nothing."""
        if self._saved == len(self._offsets):
            return None
        start = max(self._saved, 0)
        pairs = zip(self._timestamps[start:], self._offsets[start:], strict=True)
        content = b"".join([ENTRY.pack(timestamp, offset) for timestamp, offset in pairs])
        return IndexWrite(self.path, start * ENTRY_BYTES, content, len(self._offsets))

    def load(self) -> None:
        """Read the file, without the zeros that a preallocated one ends with.

        Raises FileNotFoundError, CorruptIndex.
        """
        with open(self.path, "rb") as file:
            content = file.read()
        if len(content) % ENTRY_BYTES:
            raise CorruptIndex(f"{self.path}: {len(content)} bytes are not whole entries of {ENTRY_BYTES}")
        used = -(-len(content.rstrip(b"\0")) // ENTRY_BYTES)
        if len(content) == ENTRY_BYTES:
            used = 1  # the first record may be of 1970, at the base offset: nothing but zeros, and no padding
        entries = list(ENTRY.iter_unpack(content[: used * ENTRY_BYTES]))
        if any(offset < 0 for _, offset in entries):
            raise CorruptIndex(f"{self.path}: an offset below the segment's base offset")
        self._timestamps = array("q", [timestamp for timestamp, _ in entries])
        self._offsets = array("I", [offset for _, offset in entries])
        self._saved = used if used * ENTRY_BYTES == len(content) else -1

    def check(self) -> None:
        """Raise CorruptIndex when timestamps or offsets go back at the end of the index."""
        if not self._offsets:
            return
        if self._offsets[-1] > MAX_RELATIVE_OFFSET:
            raise CorruptIndex(f"{self.path}: its last offset is beyond what a segment can hold")
        if len(self._offsets) > 1 and self._timestamps[-1] <= self._timestamps[-2]:
            raise CorruptIndex(f"{self.path}: timestamps do not ascend")
